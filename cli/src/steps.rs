//! What would have to happen until a release is on a stage, as sentences with what can be typed.
//! The rules say what ([`domain::decide::ahead()`]); here it is only told.

use domain::apply::Illegal;
use domain::chain::Sealed;
use domain::decide::{Ahead, ahead};
use domain::pipeline::{Active, How, Phase, Pipeline, WaitingOn};
use domain::{Reason, Release, StageName};
use serde::Serialize;

use crate::times::{Times, rough};
use crate::usual;
use crate::words;

/// One thing that has to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    /// Where.
    pub(crate) stage: StageName,
    /// What.
    pub(crate) what: String,
    /// What a person can type about it.
    pub(crate) typed: Option<String>,
    /// What is waited for, when it is that.
    pub(crate) on: Option<WaitingOn>,
}

/// From where the way of a release is seen.
#[derive(Debug)]
pub(crate) struct Steps<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) release: &'a Release,
    /// The newest entries, oldest first: how long things usually take.
    pub(crate) history: &'a [Sealed],
    pub(crate) times: &'a Times,
}

impl Steps<'_> {
    /// Everything that has to happen, in order; nothing when the release is there.
    pub(crate) fn to(&self, stage: &StageName) -> Result<Vec<Step>, Illegal> {
        let seen = ahead(self.pipeline, stage, self.release, self.times.now)?;
        Ok(match seen {
            Ahead::UnderWay { active } => self.under_way(stage, &active),
            Ahead::Waits { on } => self.waits(stage, on),
            Ahead::Runs => self.runs(stage),
            Ahead::Drifted => {
                let expected = self.release.number;
                let typed = self.against(stage, &WaitingOn::Drift { expected });
                let what = "something else runs there: a person has to say what becomes of it";
                vec![self.step(stage, what, typed)]
            }
            Ahead::NeedsPromotion { on } => {
                let typed = format!("lastgood promote {}", self.place(stage));
                let mut steps = vec![self.step(
                    stage,
                    "a person has to offer it: nothing does so by itself",
                    Some(typed),
                )];
                steps.extend(self.waits(stage, on));
                steps
            }
            Ahead::Barred { by } => self.barred(stage, &by)?,
        })
    }

    /// `web production 17`.
    fn place(&self, stage: &StageName) -> String {
        let service = &self.pipeline.service;
        format!("{service} {stage} {}", self.release.number)
    }

    fn step(&self, stage: &StageName, what: impl Into<String>, typed: Option<String>) -> Step {
        Step {
            stage: stage.clone(),
            what: what.into(),
            typed,
            on: None,
        }
    }

    fn waits(&self, stage: &StageName, on: Vec<WaitingOn>) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for on in on {
            let what = format!("it waits {}", words::waiting_on(&on, self.times));
            let typed = self.against(stage, &on);
            steps.push(Step {
                on: Some(on),
                ..self.step(stage, what, typed)
            });
        }
        let then = "then it is deployed by itself".to_owned();
        steps.push(self.step(stage, then, None));
        steps
    }

    /// What a person can do about something that is waited for.
    fn against(&self, stage: &StageName, on: &WaitingOn) -> Option<String> {
        let service = &self.pipeline.service;
        let now = self.times.now;
        match on {
            WaitingOn::Approval { .. } => Some(format!("lastgood approve {}", self.place(stage))),
            WaitingOn::Drift { .. } => Some(format!(
                "lastgood restore {service} {stage}, or lastgood adopt {service} {stage} --reason …"
            )),
            WaitingOn::Freeze { .. } => {
                let state = self.pipeline.stages.get(stage);
                let own = state.and_then(|state| state.freeze.as_ref());
                let own = own.is_some_and(|freeze| freeze.holds(now));
                let of = &self.pipeline.freeze;
                let of_service = of.as_ref().is_some_and(|freeze| freeze.holds(now));
                match (own, of_service) {
                    (true, _) => Some(format!("lastgood thaw {service} {stage}")),
                    (false, true) => Some(format!("lastgood thaw {service}")),
                    (false, false) => None,
                }
            }
            WaitingOn::Scan { problem: Some(_) } => Some(format!(
                "lastgood promote {} --despite-findings \"why\"",
                self.place(stage)
            )),
            WaitingOn::Alarm { .. } => Some(format!(
                "lastgood promote {} --despite-alarm \"why\"",
                self.place(stage)
            )),
            WaitingOn::Scan { problem: None }
            | WaitingOn::Window { .. }
            | WaitingOn::Stage { .. }
            | WaitingOn::Turn { .. }
            | WaitingOn::Target { .. }
            | WaitingOn::Switch { .. } => None,
        }
    }

    fn under_way(&self, stage: &StageName, active: &Active) -> Vec<Step> {
        if let Some(problem) = &active.condemned {
            let what = format!(
                "a person has to act: it is bad ({problem}) and nothing undoes it by itself"
            );
            let typed = format!(
                "lastgood rollback {} {stage} --reason \"why\"",
                self.pipeline.service
            );
            return vec![self.step(stage, what, Some(typed))];
        }
        let times = self.times;
        let config = self.pipeline.config.as_ref();
        let bake = config
            .and_then(|config| config.stage(stage))
            .map(|stage| stage.bake)
            .filter(|bake| bake.is_positive());
        let mut whats = Vec::new();
        match &active.phase {
            Phase::Starting { asked_at, tries } => {
                let try_ = if *tries > 1 {
                    format!(", try {tries}")
                } else {
                    String::new()
                };
                whats.push(format!(
                    "the platform has to begin it (asked {}{try_})",
                    times.ago(*asked_at)
                ));
                whats.push("the platform has to finish it".to_owned());
                whats.extend(bake.map(|bake| format!("no alarm may fire for {bake:#}")));
            }
            Phase::InProgress { started_at, .. } => {
                let usual = usual::duration(self.history, stage)
                    .map(|usual| format!("; it usually takes {}", rough(usual)))
                    .unwrap_or_default();
                whats.push(format!(
                    "the platform has to finish it (begun {}{usual})",
                    times.ago(*started_at)
                ));
                whats.extend(bake.map(|bake| format!("no alarm may fire for {bake:#}")));
            }
            Phase::Baking { until, .. } => whats.push(format!(
                "no alarm may fire until {}",
                times.at_and_ago(*until)
            )),
            Phase::RollingBack { to, how, cause, .. } => {
                return vec![self.step(stage, going_back(*how, *to, &words::cause(cause)), None)];
            }
        }
        whats.push(self.good_then(stage));
        whats
            .into_iter()
            .map(|what| self.step(stage, what, None))
            .collect()
    }

    fn good_then(&self, stage: &StageName) -> String {
        let config = self.pipeline.config.as_ref();
        match config.and_then(|config| config.stage_after(stage)) {
            Some(next) => format!("then it is good, and is offered to {}", next.name),
            None => "then it is good".to_owned(),
        }
    }

    /// A release that runs and is not good stays as it is until somebody acts.
    fn runs(&self, stage: &StageName) -> Vec<Step> {
        let state = self.pipeline.stages.get(stage);
        let (number, service) = (self.release.number, &self.pipeline.service);
        match state {
            Some(state) if !state.good.contains(&number) => {
                let typed = state
                    .good_without(Some(number))
                    .map(|_| format!("lastgood rollback {service} {stage} --reason \"why\""));
                let what = "it runs, and is not good: a newer release or a person changes that";
                vec![self.step(stage, what, typed)]
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn barred(&self, stage: &StageName, by: &Reason) -> Result<Vec<Step>, Illegal> {
        if let Reason::NotGoodBefore { stage: before } = by {
            let mut steps = self.to(before)?;
            if steps.is_empty() {
                steps.push(self.step(before, "it has to be good there first", None));
            }
            return Ok(steps);
        }
        let quarantine = matches!(by, Reason::Quarantined).then_some("quarantine");
        let findings = matches!(by, Reason::Vulnerable { .. }).then_some("findings");
        let typed = quarantine.or(findings).map(|rule| {
            let place = self.place(stage);
            format!("lastgood promote {place} --despite-{rule} \"why\"")
        });
        Ok(vec![self.step(
            stage,
            format!("nothing, unless this changes: {by}"),
            typed,
        )])
    }
}

fn going_back(how: How, to: Option<domain::ReleaseNumber>, cause: &str) -> String {
    let to = to.map_or_else(
        || "what ran before".to_owned(),
        |to| format!("release {to}"),
    );
    match how {
        How::Stop => format!("the platform has to stop it and bring back {to}: {cause}"),
        How::Return => format!("the platform has to deploy {to} in its place: {cause}"),
        How::Adopted => format!("the platform brings back {to} by itself: {cause}"),
    }
}
