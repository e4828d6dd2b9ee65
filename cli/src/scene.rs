//! What `watch` draws: a service's stages, the tasks or instances of those that are being deployed
//! to, and what happened last. What is known is [`crate::sight`].

use domain::SignedDuration;
use engine::{Unit, UnitState, Units};

use crate::board::{ServiceView, StageView, State};
use crate::screen::Paint;
use crate::sight::{Aim, Sight, since};
use crate::times::Times;
use crate::usual;

/// How wide the bar of a deployment is, in characters.
const BAR: usize = 16;
/// How many tasks or instances that are not yet well are named.
const NAMED_MAX: usize = 6;
/// What stands under a stage's name.
const INDENT: &str = "    ";
/// What stands before the second line of a long one.
const HANGING: &str = "      ";

/// How the picture is to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Whether it is coloured.
    pub(crate) paint: Paint,
    /// The terminal's width, in columns.
    pub(crate) columns: usize,
}

/// The picture of a service, line by line.
pub(crate) fn picture(sight: &Sight, times: &Times, frame: Frame) -> Vec<String> {
    let paint = frame.paint;
    let Some(view) = ServiceView::of(&sight.pipeline, times.now) else {
        return vec![format!("{} is not configured", sight.service())];
    };
    let watched = match &sight.aim {
        Aim::Release(release, until) => format!("release {release} to {until}"),
        Aim::Service(Some(stage)) => stage.to_string(),
        Aim::Service(None) => "all stages".to_owned(),
    };
    let head = format!("{} · {watched} · {}", view.service, times.clock());
    let mut lines = vec![paint.bold(&head)];
    for stage in &view.stages {
        let name = paint.bold(stage.stage.as_str());
        let sign = sign(stage.state, paint);
        lines.push(format!("{sign} {name}  runs {}", stage.runs(times)));
        let going_on = stage.lines(times).into_iter();
        lines.extend(going_on.map(|line| format!("{INDENT}{line}")));
        lines.extend(under_way(sight, stage, times, frame));
    }
    lines
}

/// What is below the services: the last lines of what happened, the newest last.
pub(crate) fn happened(happened: &[String], paint: Paint) -> Vec<String> {
    let space = (!happened.is_empty()).then(String::new);
    let lines = happened.iter().map(|line| paint.dim(line));
    space.into_iter().chain(lines).collect()
}

/// A sign beside the words, for whoever looks from afar.
fn sign(state: State, paint: Paint) -> String {
    match state {
        State::Good => paint.green("✓"),
        State::Empty => "·".to_owned(),
        State::Unsettled | State::Drifted => paint.red("✗"),
        State::Waiting => paint.yellow("⏸"),
        State::Starting | State::InProgress | State::Baking => paint.cyan("▶"),
        State::RollingBack => paint.red("◀"),
    }
}

/// A stage's deployment: how many units run it, for how long it goes on, and who is not well.
fn under_way(sight: &Sight, view: &StageView, times: &Times, frame: Frame) -> Vec<String> {
    let stage = sight.pipeline.stages.get(&view.stage);
    let Some(active) = stage.and_then(|stage| stage.active.as_ref()) else {
        return Vec::new();
    };
    let mut time = vec![lasting(times.now.duration_since(since(active)))];
    if matches!(view.state, State::Starting | State::InProgress) {
        let usual = usual::duration(&sight.history, &view.stage);
        time.extend(usual.map(|usual| format!("usually {}", lasting(usual))));
    }
    let time = time.join(", ");
    let Some(units) = sight
        .units
        .get(&view.stage)
        .filter(|units| units.wanted > 0)
    else {
        return vec![format!("{INDENT}{time}")];
    };
    let bar = bar(sight.running(active, units), units.wanted, frame.paint);
    let mut lines = vec![format!("{INDENT}{bar} {time}")];
    let count = sight.count(active, units);
    lines.push(format!("{INDENT}{count}"));
    lines.extend(not_well(units, frame));
    lines
}

fn not_well(units: &Units, frame: Frame) -> Vec<String> {
    let mut named: Vec<&Unit> = units
        .all
        .iter()
        .filter(|unit| unit.words.is_some())
        .collect();
    // The dead first: they are what somebody has to know.
    named.sort_by_key(|unit| std::cmp::Reverse(unit.state));
    let more = named.len().saturating_sub(NAMED_MAX);
    let mut lines = Vec::new();
    for unit in named.into_iter().take(NAMED_MAX) {
        let words = unit.words.as_deref().unwrap_or_default();
        let sign = match unit.state {
            UnitState::Died => frame.paint.red("✗"),
            UnitState::Waiting | UnitState::Starting | UnitState::Running | UnitState::Stopping => {
                "·".to_owned()
            }
        };
        lines.extend(wrapped(&sign, &format!("{} {words}", unit.name), frame));
    }
    if more > 0 {
        lines.push(format!("{INDENT}and {more} more"));
    }
    let notes = units.notes.iter();
    lines.extend(notes.flat_map(|note| wrapped("!", note, frame)));
    lines
}

/// A sign and a text whose every word is to be read, in as many lines as that takes.
fn wrapped(sign: &str, text: &str, frame: Frame) -> Vec<String> {
    let room = frame.columns.saturating_sub(HANGING.len()).max(20);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let length = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    let indented = lines.into_iter().enumerate().map(|(at, line)| {
        if at == 0 {
            format!("{INDENT}{sign} {line}")
        } else {
            format!("{HANGING}{line}")
        }
    });
    indented.collect()
}

fn bar(run: usize, wanted: usize, paint: Paint) -> String {
    let full = (run * BAR).checked_div(wanted).unwrap_or_default().min(BAR);
    let (full, empty) = ("█".repeat(full), "░".repeat(BAR - full));
    format!("{}{}", paint.green(&full), paint.dim(&empty))
}

/// `1m 12s`: to the second, as one counts along.
fn lasting(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    format!("{:#}", SignedDuration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Story, web};
    use domain::artefact::Content;
    use engine::Ledger as _;

    async fn sight(story: &Story) -> Sight {
        let pipeline = story.pipeline().await;
        assert_eq!(pipeline.service, web());
        Sight::begin(&story.ledger, pipeline, Aim::Service(None))
            .await
            .unwrap()
    }

    const FRAME: Frame = Frame {
        paint: Paint::Plain,
        columns: 60,
    };

    fn unit(name: &str, state: UnitState, runs: Option<Content>, words: Option<&str>) -> Unit {
        Unit {
            name: name.to_owned(),
            state,
            runs,
            words: words.map(str::to_owned),
        }
    }

    #[tokio::test]
    async fn a_deployment_is_drawn_with_its_instances_and_why_one_died() {
        let story = Story::told().await;
        story.arrives("1.6.0").await;
        story.begins("dev").await;
        let mut sight = sight(&story).await;
        let new = sight.pipeline.content(domain::ReleaseNumber(4));
        let words = "failed at ValidateService: ScriptFailed: scripts/check.sh: curl: (22) 500";
        let units = Units {
            wanted: 4,
            all: vec![
                unit("i-1", UnitState::Running, new.clone(), None),
                unit("i-2", UnitState::Running, new, None),
                unit("i-3", UnitState::Starting, None, Some("BeforeInstall")),
                unit("i-4", UnitState::Died, None, Some(words)),
            ],
            notes: Vec::new(),
        };
        sight.units.insert("dev".parse().unwrap(), units);
        let happened = ["12:30:00 dev begins to run release 4 (d-1)".to_owned()];
        let mut lines = picture(&sight, &story.times(), FRAME);
        lines.extend(super::happened(&happened, FRAME.paint));
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[tokio::test]
    async fn without_units_the_ledger_alone_is_drawn() {
        let story = Story::told().await;
        let sight = sight(&story).await;
        assert!(!story.ledger.entries(&web(), 1, 1).await.unwrap().is_empty());
        let lines = picture(&sight, &story.times(), FRAME);
        insta::assert_snapshot!(lines.join("\n"));
    }
}
