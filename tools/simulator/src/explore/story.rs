//! Stories that the engine's handlers are taken through: short, each with one way to go wrong, and
//! told the same way every time.

use std::rc::Rc;

use domain::Hint;
use domain::alarm::AlarmState;
use domain::fact::{Progress, Request};
use domain::hint::Input;

use super::model::Model;
use super::scene::{Scene, Strikes};

/// One thing that happens in a story; everything that follows from it is delivered before the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// The artefact of this release arrives.
    Upload(u64),
    /// What is open on a stage's target ends.
    Ends(usize, End),
    /// The alarm changes.
    Alarm(AlarmState),
    /// A person lets in what waits.
    Approve,
    /// A person rolls a stage back.
    RollBack(usize),
    /// Minutes pass, and the reconciler looks in each.
    Minutes(u32),
}

/// How a deployment ends on the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Well,
    Badly,
    Undone,
}

/// A story with its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) acts: &'static [Act],
}

const TEST: usize = 0;
const PRODUCTION: usize = 1;

/// What is there before every story but the first: a release that is good everywhere.
const FIRST: [Act; 5] = [
    Act::Upload(1),
    Act::Ends(TEST, End::Well),
    Act::Approve,
    Act::Ends(PRODUCTION, End::Well),
    Act::Minutes(2),
];

/// All stories.
pub(crate) const STORIES: [Story; 6] = [
    Story {
        name: "a release goes all the way",
        acts: &[
            Act::Upload(2),
            Act::Ends(TEST, End::Well),
            Act::Approve,
            Act::Ends(PRODUCTION, End::Well),
            Act::Minutes(3),
        ],
    },
    Story {
        name: "the alarm fires in the bake",
        acts: &[
            Act::Upload(2),
            Act::Ends(TEST, End::Well),
            Act::Approve,
            Act::Ends(PRODUCTION, End::Well),
            Act::Alarm(AlarmState::Alarm),
            Act::Ends(PRODUCTION, End::Well),
            Act::Alarm(AlarmState::Ok),
            Act::Minutes(3),
        ],
    },
    Story {
        name: "the alarm fires while it is rolled out",
        acts: &[
            Act::Upload(2),
            Act::Ends(TEST, End::Well),
            Act::Approve,
            Act::Alarm(AlarmState::Alarm),
            Act::Ends(PRODUCTION, End::Undone),
            Act::Alarm(AlarmState::Ok),
            Act::Minutes(3),
        ],
    },
    Story {
        name: "the platform fails it and undoes nothing",
        acts: &[
            Act::Upload(2),
            Act::Ends(TEST, End::Well),
            Act::Approve,
            Act::Ends(PRODUCTION, End::Badly),
            Act::Ends(PRODUCTION, End::Well),
            Act::Minutes(3),
        ],
    },
    Story {
        name: "the platform undoes it by itself",
        acts: &[
            Act::Upload(2),
            Act::Ends(TEST, End::Well),
            Act::Approve,
            Act::Ends(PRODUCTION, End::Undone),
            Act::Minutes(3),
        ],
    },
    Story {
        name: "a person rolls back",
        acts: &[
            Act::Upload(2),
            Act::Ends(TEST, End::Well),
            Act::Approve,
            Act::Ends(PRODUCTION, End::Well),
            Act::Minutes(3),
            Act::RollBack(PRODUCTION),
            Act::Ends(PRODUCTION, End::Well),
            Act::Minutes(3),
        ],
    },
];

/// What a story came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) outcome: String,
    pub(crate) wrong: Vec<String>,
    /// Points that its handlers passed.
    pub(crate) points: u64,
    pub(crate) commits: u64,
}

/// A scene in which a release is good everywhere.
pub(crate) fn begin(model: &Rc<Model>) -> Rc<Scene> {
    let scene = Scene::new(model);
    for act in FIRST {
        play(&scene, act);
        scene.settle();
    }
    scene
}

/// Tells a story from a scene on; the strikes count their points from its beginning.
pub(crate) fn tell(scene: &Scene, story: &Story, strikes: Strikes) -> Told {
    let scene = scene.fork();
    scene.points.set(0);
    *scene.strikes.borrow_mut() = strikes;
    for act in story.acts {
        play(&scene, *act);
        scene.settle();
    }
    let points = scene.points.get();
    scene.strikes.borrow_mut().clear();
    scene.minutes(1);
    Told {
        outcome: scene.outcome(),
        wrong: scene.objections(),
        points,
        commits: scene.audit.borrow().commits,
    }
}

/// Lets an act happen; its events are on their way then.
pub(crate) fn play(scene: &Rc<Scene>, act: Act) {
    match act {
        Act::Upload(number) => scene.send(upload(number)),
        Act::Ends(at, end) => ends(scene, at, end),
        Act::Alarm(state) => scene.send(scene.alarm(state)),
        Act::Approve => {
            let stage = scene
                .model
                .stage(PRODUCTION)
                .map(|config| config.name.clone());
            if let (Some(stage), Some(release)) = (stage, scene.waits(PRODUCTION)) {
                scene.ask(Request::Approve {
                    stage,
                    release,
                    reason: None,
                });
            }
        }
        Act::RollBack(at) => {
            if let Some(config) = scene.model.stage(at) {
                scene.ask(Request::Rollback {
                    stage: config.name.clone(),
                    to: None,
                    reason: "it is slow".into(),
                });
            }
        }
        Act::Minutes(count) => scene.minutes(count),
    }
}

/// An artefact arrives.
pub(crate) fn upload(number: u64) -> Input {
    Input::Hint(Hint::Object {
        bucket: "artefacts".into(),
        key: "web/web.zip".into(),
        version: Some(format!("v{number}")),
        bytes: Some(1),
    })
}

fn ends(scene: &Scene, at: usize, end: End) {
    let Some(config) = scene.model.stage(at) else {
        return;
    };
    let mut world = scene.platform.world.borrow_mut();
    match end {
        End::Well => world.finish(&config.target),
        End::Badly => world.fail(&config.target, "no instance came up"),
        End::Undone => world.undo(&config.target, "undone"),
    }
    drop(world);
    if let Some(hint) = scene.hint(at) {
        scene.send(hint);
    }
}

/// Lets the world come to rest: whatever is open ends, and time passes.
pub(crate) fn calm(scene: &Rc<Scene>) {
    scene.settle();
    if scene.alarms() {
        scene.send(scene.alarm(AlarmState::Ok));
    }
    for _ in 0..CALM_ROUNDS {
        for at in 0..scene.model.config.stages.len() {
            if let Some(is_undone) = open(scene, at) {
                ends(scene, at, if is_undone { End::Undone } else { End::Well });
            }
        }
        scene.settle();
        if scene.is_quiet() {
            return;
        }
        scene.minutes(2);
    }
}

/// Rounds after which nothing is open any more: a deployment, its undoing, a return, the next one,
/// and an approval that expires.
const CALM_ROUNDS: u32 = 6;

/// Whether something is open on a target, and whether it is being undone.
fn open(scene: &Scene, at: usize) -> Option<bool> {
    let target = &scene.model.stage(at)?.target;
    let world = scene.platform.world.borrow();
    match world.attempts.get(target)?.last()?.progress {
        None => Some(false),
        Some(Progress::Undoing { .. }) => Some(true),
        Some(
            Progress::NotFound
            | Progress::Underway { .. }
            | Progress::Succeeded { .. }
            | Progress::Failed { .. }
            | Progress::Undone { .. },
        ) => None,
    }
}
