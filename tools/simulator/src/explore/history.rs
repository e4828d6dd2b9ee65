//! What the walk found wrong, told as a history: as short as it can be made, each step with what
//! it changed.

use super::law::{self, AtRest};
use super::model::{Model, State};
use super::step::Step;
use super::walk::RESTS_WITHIN;

/// Something wrong, and how it comes to it.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) what: String,
    pub(crate) story: Vec<String>,
}

/// What is wrong, whatever numbers it shows at.
pub(super) fn kind(what: &str) -> String {
    what.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// A violation with the shortest history that could be found to come to it.
pub(super) fn violation(model: &Model, what: String, steps: Vec<Step>) -> Violation {
    let kind = kind(&what);
    let steps = shorten(model, steps, &kind);
    let mut story = Vec::new();
    let mut state = model.configured().state;
    for step in &steps {
        state = tell(model, &state, step, &mut story);
    }
    story.push("and then, when nobody is adverse any more:".to_owned());
    for _ in 0..RESTS_WITHIN {
        let Some(step) = model.fair_step(&state) else {
            break;
        };
        state = tell(model, &state, &step, &mut story);
    }
    Violation { what, story }
}

/// Leaves out what the violation does not need: halves of the history, then ever smaller pieces.
fn shorten(model: &Model, mut steps: Vec<Step>, kind: &str) -> Vec<Step> {
    let mut piece = steps.len();
    while piece > 0 {
        let mut from = 0;
        while from < steps.len() {
            let after = steps.iter().skip(from + piece);
            let fewer: Vec<Step> = steps.iter().take(from).chain(after).cloned().collect();
            if shows(model, &fewer, kind) {
                steps = fewer;
            } else {
                from += piece;
            }
        }
        piece /= 2;
    }
    steps
}

/// Whether the steps are possible one after the other, and something is wrong of this kind.
fn shows(model: &Model, steps: &[Step], kind: &str) -> bool {
    let is_it = |wrong: &[String]| wrong.iter().any(|what| self::kind(what) == kind);
    let mut state = model.configured().state;
    for step in steps {
        if !model.steps(&state).contains(step) {
            return false;
        }
        let followed = model.follow(&state, step);
        if is_it(&followed.wrong) {
            return true;
        }
        state = followed.state;
    }
    is_it(&rest(model, state))
}

/// What is wrong with a state on its way to rest, and there.
fn rest(model: &Model, mut state: State) -> Vec<String> {
    let mut wrong = Vec::new();
    for _ in 0..RESTS_WITHIN {
        let Some(step) = model.fair_step(&state) else {
            wrong.extend(at_rest(model, &state));
            return wrong;
        };
        let followed = model.follow(&state, &step);
        wrong.extend(followed.wrong);
        state = followed.state;
    }
    wrong.push(NO_REST.to_owned());
    wrong
}

/// What is said of a state that never comes to rest.
pub(super) const NO_REST: &str = "liveness: it never comes to rest";

/// What is wrong with a state in which nothing is left to do.
pub(super) fn at_rest(model: &Model, state: &State) -> Vec<String> {
    let wrong = law::of_rest(model, &AtRest::of(state));
    wrong
        .into_iter()
        .map(|what| format!("at rest: {what}"))
        .collect()
}

/// Follows a step and tells of it.
fn tell(model: &Model, state: &State, step: &Step, lines: &mut Vec<String>) -> State {
    let next = model.follow(state, step).state;
    let adverse = if step.is_adverse(state) { "!" } else { " " };
    lines.push(format!("{}{adverse} {step:?}", next.now));
    for (config, site) in model.config.stages.iter().zip(&next.sites) {
        let name = &config.name;
        let Some(stage) = next.pipeline.stages.get(name) else {
            continue;
        };
        if state.pipeline.stages.get(name) == Some(stage) {
            continue;
        }
        let phase = stage.active.as_ref().map(|active| &active.phase);
        lines.push(format!(
            "      {name}: waits {:?}, does {phase:?}, good {:?}, runs {:?}, really {:?}",
            stage
                .waiting
                .iter()
                .map(|o| (o.release.0, &o.on))
                .collect::<Vec<_>>(),
            stage.good,
            stage.runs,
            site.running
        ));
    }
    next
}
