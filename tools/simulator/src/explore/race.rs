//! Every interleaving of two handlers on one pipeline, effect by effect. Whoever is faster, no
//! invariant breaks, and what it comes to is what one of the two orders comes to in which they run
//! one after the other.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::thread;

use domain::alarm::AlarmState;
use domain::fact::Request;
use domain::{ReleaseNumber, SignedDuration};

use super::model::Model;
use super::scene::{Ended, Handler, Job, Scene, poll};
use super::story::{Act, STORIES, begin, calm, play, upload};

/// What a handler is begun for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// An artefact arrives.
    Upload,
    /// The alarm fires.
    Fires,
    /// Something moved on a stage's target.
    Look(usize),
    /// A person lets in what waits for production.
    Approve,
    /// A person refuses it.
    Reject,
    /// A person rolls production back.
    RollBack,
    /// A person freezes production.
    Freeze,
    /// The deployer is given what the stream has.
    Deployer,
    /// The stream brings again what the deployer has done.
    DeployerAgain,
    /// The reconciler's minute.
    Reconcile,
}

const MOVES: [Move; 11] = [
    Move::Upload,
    Move::Fires,
    Move::Look(0),
    Move::Look(1),
    Move::Approve,
    Move::Reject,
    Move::RollBack,
    Move::Freeze,
    Move::Deployer,
    Move::DeployerAgain,
    Move::Reconcile,
];

/// Where the two handlers meet: after so many acts of a story, with the stream read or not.
#[derive(Debug, Clone, Copy)]
struct Meeting {
    story: usize,
    acts: usize,
    stream: Stream,
}

/// Whether the stream's readers have read what the last act brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Read,
    Unread,
}

/// How much to try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Every so many-th meeting of two handlers; 1 means each.
    pub(crate) every: usize,
    pub(crate) threads: usize,
}

/// What racing came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Raced {
    /// Pairs of handlers that met.
    pub(crate) meetings: u64,
    pub(crate) interleavings: u64,
    /// Different states that they ended in, each followed to its rest.
    pub(crate) ends: u64,
    pub(crate) wrong: Vec<String>,
}

/// Violations that are told.
const VIOLATIONS_MAX: usize = 5;

/// Races every two handlers in every situation.
///
/// # Errors
/// When the small world cannot be made.
pub(crate) fn race(bounds: Bounds) -> anyhow::Result<Raced> {
    let mut all = Vec::new();
    let mut told: BTreeSet<String> = BTreeSet::new();
    for (story, one) in STORIES.iter().enumerate() {
        for acts in 1..=one.acts.len() {
            // Stories begin alike.
            if !told.insert(format!("{:?}", one.acts.get(..acts))) {
                continue;
            }
            for stream in [Stream::Read, Stream::Unread] {
                let meeting = Meeting {
                    story,
                    acts,
                    stream,
                };
                all.extend(pairs().map(|pair| (meeting, pair)));
            }
        }
    }
    let all: Vec<_> = all.into_iter().step_by(bounds.every.max(1)).collect();
    let parts = thread::scope(|scope| {
        let all = &all;
        let workers: Vec<_> = (0..bounds.threads.max(1))
            .map(|one| {
                let mine = all.iter().skip(one).step_by(bounds.threads.max(1));
                scope.spawn(move || part(mine))
            })
            .collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<anyhow::Result<Vec<Raced>>>()
    })?;
    let mut sum = Raced::default();
    for part in parts {
        sum.meetings += part.meetings;
        sum.interleavings += part.interleavings;
        sum.ends += part.ends;
        sum.wrong.extend(part.wrong);
    }
    Ok(sum)
}

/// Every two moves, one with itself too: events come twice.
fn pairs() -> impl Iterator<Item = (Move, Move)> {
    let moves = MOVES.iter().enumerate();
    moves.flat_map(|(at, one)| MOVES.iter().skip(at).map(|other| (*one, *other)))
}

fn part<'a>(meetings: impl Iterator<Item = &'a (Meeting, (Move, Move))>) -> anyhow::Result<Raced> {
    let first = begin(&Rc::new(Model::new()?));
    let mut sum = Raced::default();
    for (meeting, (one, other)) in meetings {
        meet(&first, *meeting, *one, *other, &mut sum);
    }
    Ok(sum)
}

/// The scene of a meeting, and the two jobs; none when one of the moves makes no sense in it.
fn arrange(
    first: &Scene,
    meeting: Meeting,
    one: Move,
    other: Move,
) -> Option<(Rc<Scene>, Job, Job)> {
    let scene = first.fork();
    let acts = STORIES.get(meeting.story)?.acts.get(..meeting.acts)?;
    let (last, before) = acts.split_last()?;
    for act in before {
        play(&scene, *act);
        scene.settle();
    }
    play(&scene, *last);
    match (meeting.stream, last) {
        (Stream::Unread, Act::Minutes(_)) => return None,
        (Stream::Unread, _) => scene.settle_events(),
        (Stream::Read, _) => scene.settle(),
    }
    let first = prepare(&scene, one)?;
    let second = if one == other {
        first.clone()
    } else {
        prepare(&scene, other)?
    };
    Some((scene, first, second))
}

fn prepare(scene: &Rc<Scene>, one: Move) -> Option<Job> {
    let production = scene.model.config.stages.last()?.name.clone();
    let asking = |request| Some(Job::Receive(scene.asking(request)));
    match one {
        Move::Upload => Some(Job::Receive(upload(9))),
        Move::Fires if scene.alarms() => None,
        Move::Fires => Some(Job::Receive(scene.alarm(AlarmState::Alarm))),
        Move::Look(at) => scene.hint(at).map(Job::Receive),
        Move::Approve => {
            let release: ReleaseNumber = scene.waits(1)?;
            asking(Request::Approve {
                stage: production,
                release,
                reason: None,
            })
        }
        Move::Reject => {
            let release = scene.waits(1)?;
            asking(Request::Reject {
                stage: production,
                release,
                reason: "not today".into(),
            })
        }
        Move::RollBack => asking(Request::Rollback {
            stage: production,
            to: None,
            reason: "it is slow".into(),
        }),
        Move::Freeze => asking(Request::Freeze {
            stage: Some(production),
            reason: "the sale".into(),
            until: None,
        }),
        Move::Deployer => scene.has_unread().then_some(Job::Deployer),
        Move::DeployerAgain => Some(Job::DeployerAgain),
        Move::Reconcile => {
            scene.pass(SignedDuration::from_mins(1));
            Some(Job::Reconcile)
        }
    }
}

fn meet(first: &Scene, meeting: Meeting, one: Move, other: Move, sum: &mut Raced) {
    let Some((arranged, first, second)) = arrange(first, meeting, one, other) else {
        return;
    };
    sum.meetings += 1;
    let orders = [
        alone(&arranged.fork(), &first, &second),
        alone(&arranged.fork(), &second, &first),
    ];
    let mut plan: Vec<bool> = Vec::new();
    let mut ends = BTreeSet::new();
    loop {
        let scene = arranged.fork();
        let taken = interleave(&scene, [&first, &second], &plan);
        sum.interleavings += 1;
        if ends.insert(scene.print()) {
            sum.ends += 1;
            calm(&scene);
        } else {
            // It ended so before: what follows was judged then.
            let Some(next) = next_plan(&taken) else {
                return;
            };
            plan = next;
            continue;
        }
        let wrong = scene.objections();
        let outcome = scene.outcome();
        let story = STORIES.get(meeting.story).map_or("", |story| story.name);
        let mut object = |what: &str| {
            if sum.wrong.len() < VIOLATIONS_MAX {
                sum.wrong.push(format!(
                    "{one:?} and {other:?} after {} acts of {story:?}, stream {:?}, in the order \
                     {taken:?}: {what}",
                    meeting.acts, meeting.stream
                ));
            }
        };
        if let Some(what) = wrong.first() {
            object(what);
        } else if !orders.contains(&outcome) {
            object(&format!(
                "no order of the two ends so:\n{outcome}\nbut so:\n{}",
                orders.join("\nor so:\n")
            ));
        }
        let Some(next) = next_plan(&taken) else {
            return;
        };
        plan = next;
    }
}

/// The last choice of the first one becomes one of the second one.
fn next_plan(taken: &[bool]) -> Option<Vec<bool>> {
    let turn = taken.iter().rposition(|second| !second)?;
    let mut plan = taken.get(..turn)?.to_vec();
    plan.push(true);
    Some(plan)
}

/// The two one after the other.
fn alone(scene: &Rc<Scene>, first: &Job, second: &Job) -> String {
    scene.tried(first);
    scene.tried(second);
    calm(scene);
    scene.outcome()
}

/// Runs both, as planned and then the first one first; the choices there were. `true` lets the
/// second one go on.
fn interleave(scene: &Rc<Scene>, jobs: [&Job; 2], plan: &[bool]) -> Vec<bool> {
    scene.takes_turns.set(true);
    let [first, second] = jobs;
    let mut one: Option<Handler> = Some(scene.start(first));
    let mut other: Option<Handler> = Some(scene.start(second));
    let mut taken = Vec::new();
    let mut again = Vec::new();
    let mut go_on = |handler: &mut Option<Handler>, job: &Job| {
        let ended: Option<Ended> = handler.as_mut().and_then(poll);
        if let Some(ended) = ended {
            *handler = None;
            if !scene.ended(job, Some(ended)) {
                again.push(job.clone());
            }
        }
    };
    loop {
        match (&one, &other) {
            (Some(_), Some(_)) => {
                let choice = plan.get(taken.len()).copied().unwrap_or(false);
                taken.push(choice);
                if choice {
                    go_on(&mut other, second);
                } else {
                    go_on(&mut one, first);
                }
            }
            (Some(_), None) => go_on(&mut one, first),
            (None, Some(_)) => go_on(&mut other, second),
            (None, None) => break,
        }
    }
    scene.takes_turns.set(false);
    for job in &again {
        scene.tried(job);
    }
    taken
}
