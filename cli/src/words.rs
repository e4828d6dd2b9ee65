//! Entries and what deployments wait for, as sentences. Which of them are shown, and in what order,
//! is the business of the verbs.

mod called;
pub(crate) mod drift;

use domain::entry::{Actor, Drop, Purpose, What};
use domain::fact::Despite;
use domain::pipeline::{Cause, Freeze, WaitingOn};
use domain::scan::Scan;
use domain::{Release, ReleaseNumber, StageName};

use crate::brief;
use crate::times::Times;

/// Who or what brought an entry about.
pub(crate) fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Person(identity) => identity.short().to_owned(),
        Actor::Source(source) => source.clone(),
        Actor::Clock => "clock".to_owned(),
    }
}

/// A release as people call it: `17 (1.4.2)`.
pub(crate) fn release(release: &Release) -> String {
    numbered(release.number, release.label().as_deref())
}

/// A number with its label, where there is one.
pub(crate) fn numbered(number: ReleaseNumber, label: Option<&str>) -> String {
    label.map_or_else(|| number.to_string(), |label| format!("{number} ({label})"))
}

/// What was decided, as a sentence.
#[expect(clippy::too_many_lines, reason = "one sentence for each kind of entry")]
pub(crate) fn what(what: &What, times: &Times) -> String {
    match what {
        What::Configured { config } => {
            let stages: Vec<&str> = config
                .stages
                .iter()
                .map(|stage| stage.name.as_str())
                .collect();
            format!("the service is configured: {}", stages.join(" → "))
        }
        What::Unclaimed { artefact } => format!("no service claims {}", brief::artefact(artefact)),
        What::ArtefactRejected {
            artefact, problem, ..
        } => {
            format!(
                "{} cannot be deployed: {problem}",
                brief::artefact(artefact)
            )
        }
        What::Released { release: new } => {
            format!(
                "{} is release {}",
                brief::artefact(&new.artefact),
                release(new)
            )
        }
        What::Recalled { release: old } => format!("release {} is taken up again", release(old)),
        What::Scanned { release, scan } => {
            format!("the scan of release {release} {}", scanned(scan))
        }
        What::CallSeen { stage, call } => drift::called(stage, call),
        What::Unprotected { stage, perils } => drift::unprotected(stage, perils),
        What::Protected { stage } => format!("the alarms of {stage} protect it again"),
        What::Drifted {
            stage,
            expected,
            others,
            by,
        } => drift::drifted(stage, *expected, others, by.as_ref()),
        What::DriftEnded { stage, release } => drift::ended(stage, *release),
        What::Adopted {
            stage,
            release,
            reason: Some(reason),
        } => drift::adopted(stage, *release, reason),
        What::Adopted { stage, release, .. } => {
            format!("{stage} runs release {release}, which becomes its first last good")
        }
        What::NothingToAdopt { stage, problem } => {
            let because = problem.as_ref().map_or_else(
                || "could not be proved".to_owned(),
                |problem| format!("could not be looked at ({problem})"),
            );
            format!("what {stage} runs {because}: its first deployment has nothing to return to")
        }
        What::Flooded { count } => format!("{count} releases arrived within a minute"),
        What::HeldBack { stage, release } => {
            format!("release {release} is not offered to {stage} by itself")
        }
        What::Offered {
            stage,
            release,
            purpose: Purpose::Release,
            despite: over,
        } => {
            format!("release {release} is offered to {stage}{}", despite(over))
        }
        What::Offered {
            stage,
            release,
            purpose: Purpose::Rollback,
            despite: over,
        } => {
            format!(
                "{stage} is to go back to release {release}{}",
                despite(over)
            )
        }
        What::Overridden {
            stage,
            release,
            despite: over,
            ..
        } => {
            format!("release {release} goes on to {stage}{}", despite(over))
        }
        What::Waits {
            stage, release, on, ..
        } => {
            format!(
                "release {release} waits at {stage}: {}",
                waiting_on(on, times)
            )
        }
        What::Approved {
            stage,
            release,
            by,
            reason,
            ..
        } => {
            let said = reason
                .as_ref()
                .map(|reason| format!(": {reason:?}"))
                .unwrap_or_default();
            format!(
                "{} approves release {release} for {stage}{said}",
                by.short()
            )
        }
        What::ApprovalsVoided { stage, release, .. } => {
            format!("the approvals of release {release} for {stage} count no more")
        }
        What::Dropped {
            stage,
            release,
            end,
            ..
        } => dropped(stage, *release, end),
        What::StartAsked { order, .. } => {
            format!("{} is asked to run release {}", order.stage, order.release)
        }
        What::Begun {
            stage,
            release,
            platform_id,
            ..
        } => {
            let id = brief::platform_id(platform_id);
            format!("{stage} begins to run release {release} ({id})")
        }
        What::BakeBegun {
            stage,
            release,
            until,
            ..
        } => {
            format!(
                "{stage} runs release {release}, which bakes until {}",
                times.at(*until)
            )
        }
        What::Succeeded { stage, release, .. } => format!("release {release} is good on {stage}"),
        What::Unproven { stage, release, .. } => {
            format!(
                "release {release} was deployed to {stage}, which proved nothing: it is not good"
            )
        }
        What::Failed {
            stage,
            release,
            problem,
            ..
        } => {
            format!("release {release} failed on {stage}: {problem}")
        }
        What::StopAsked {
            release,
            cause: why,
            to,
            order,
            ..
        } => {
            let stage = &order.stage;
            format!(
                "{stage} stops release {release} and goes back to {to}: {}",
                cause(why)
            )
        }
        What::ReturnAsked {
            release,
            cause: why,
            order,
            ..
        } => {
            let (stage, to) = (&order.stage, order.release);
            format!(
                "{stage} goes back from release {release} to {to}: {}",
                cause(why)
            )
        }
        What::RollbackAdopted {
            stage,
            release,
            problem,
            ..
        } => {
            format!("the platform takes release {release} back from {stage} by itself: {problem}")
        }
        What::RolledBack {
            stage,
            release,
            to: Some(to),
            firing,
            ..
        } => {
            format!(
                "release {release} was rolled back, {stage} runs {to} again{}",
                still(firing)
            )
        }
        What::RolledBack {
            stage,
            release,
            to: None,
            firing,
            ..
        } => {
            format!(
                "release {release} was rolled back from {stage}{}",
                still(firing)
            )
        }
        What::RollbackFailed {
            stage,
            release,
            problem,
            ..
        } => {
            format!("taking release {release} back from {stage} failed: {problem}")
        }
        What::Quarantined { stage, release } => {
            format!("release {release} is never deployed to {stage} again by itself")
        }
        What::Frozen {
            stage,
            freeze: made,
        } => {
            format!(
                "{} is frozen {}",
                scope(stage.as_ref()),
                freeze(made, times)
            )
        }
        What::Thawed { stage } => format!("{} is thawed", scope(stage.as_ref())),
        What::Switched { switch } | What::SwitchNoted { switch } => match &switch.freeze {
            Some(made) => format!("everything is frozen {}", freeze(made, times)),
            None => "everything is thawed".to_owned(),
        },
        What::AllTold { turned } => format!("every service was told of entry {turned}"),
        What::TestAnnounced { by } => {
            format!("{} tries whether announcements arrive", by.short())
        }
        What::AlarmNoted { seen } => {
            format!(
                "alarm {} is {}: {}",
                seen.alarm.name(),
                alarm_state(seen.state),
                seen.reason
            )
        }
        What::AlarmAfterBake {
            stage,
            release,
            seen,
        } => format!(
            "alarm {} fires while {stage} runs release {release}, whose bake is over",
            seen.alarm.name()
        ),
        What::MixtureSeen { stage, release, .. } => {
            format!("not all of {stage} runs release {release}")
        }
        What::PersonCalled { stage, call } => {
            format!("a person is called to {stage}: {}", called::called(call))
        }
    }
}

fn scope(stage: Option<&StageName>) -> &str {
    stage.map_or("the service", StageName::as_str)
}

fn still(firing: &[String]) -> String {
    if firing.is_empty() {
        String::new()
    } else {
        format!(" and {} still fires", firing.join(", "))
    }
}

fn despite(despite: &Despite) -> String {
    let quarantine = despite
        .quarantine
        .as_ref()
        .map(|why| format!(" despite its quarantine ({why})"));
    let alarm = despite
        .alarm
        .as_ref()
        .map(|why| format!(" despite a firing alarm ({why})"));
    let findings = despite
        .findings
        .as_ref()
        .map(|why| format!(" despite its findings ({why})"));
    let drift = despite
        .drift
        .as_ref()
        .map(|why| format!(" despite the stage's drift ({why})"));
    quarantine
        .into_iter()
        .chain(alarm)
        .chain(findings)
        .chain(drift)
        .collect()
}

/// What is known of a scan.
pub(crate) fn scanned(scan: &Scan) -> String {
    match scan {
        Scan::Pending { .. } => "has not ended".to_owned(),
        Scan::Complete(findings) => format!("found {findings}"),
        Scan::Unclear { problem, .. } => format!("cannot be relied on: {problem}"),
    }
}

fn alarm_state(state: domain::alarm::AlarmState) -> &'static str {
    match state {
        domain::alarm::AlarmState::Ok => "quiet",
        domain::alarm::AlarmState::Alarm => "firing",
        domain::alarm::AlarmState::InsufficientData => "without data",
    }
}

fn dropped(stage: &StageName, release: ReleaseNumber, end: &Drop) -> String {
    match end {
        Drop::Superseded { by } => {
            format!("release {release} for {stage} is superseded by release {by}")
        }
        Drop::Rejected { by, reason } => {
            format!(
                "{} rejects release {release} for {stage}: {reason:?}",
                by.short()
            )
        }
        Drop::Expired => format!("nobody approved release {release} for {stage} in time"),
        Drop::Cancelled { by, reason } => {
            format!(
                "{} cancels release {release} for {stage}: {reason:?}",
                by.short()
            )
        }
        Drop::Vulnerable(findings) => {
            format!("release {release} does not go to {stage}: its scan found {findings}")
        }
        Drop::StageRemoved => {
            format!("release {release} goes no further, because {stage} was removed")
        }
    }
}

/// Why a deployment is undone.
pub(crate) fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Alarm { name } => format!("alarm {name} fired"),
        Cause::Platform { problem } => problem.clone(),
        Cause::Timeout => "it took longer than the stage allows".to_owned(),
        Cause::Person { by, reason } => format!("{} said {reason:?}", by.short()),
    }
}

/// Who froze it, why and until when.
pub(crate) fn freeze(freeze: &Freeze, times: &Times) -> String {
    let by = freeze.by.as_ref().map_or("a rule", |by| by.short());
    let until = freeze
        .until
        .map(|until| format!(" until {}", times.at(until)))
        .unwrap_or_default();
    format!("by {by}{until}: {}", freeze.reason)
}

/// What a deployment waits for.
pub(crate) fn waiting_on(on: &WaitingOn, times: &Times) -> String {
    match on {
        WaitingOn::Scan { problem: None } => "for the scan of its image".to_owned(),
        WaitingOn::Scan {
            problem: Some(problem),
        } => format!("for a scan of its image to rely on: {problem}"),
        WaitingOn::Approval {
            missing,
            expires_at,
        } => {
            let people = if *missing == 1 {
                "a person"
            } else {
                &format!("{missing} people")
            };
            format!(
                "for {people} to approve it (expires {})",
                times.at(*expires_at)
            )
        }
        WaitingOn::Freeze { by, reason, until } => {
            let until = until
                .map(|until| format!(" until {}", times.at(until)))
                .unwrap_or_default();
            format!("for the freeze by {by}{until} to end: {reason}")
        }
        WaitingOn::Window {
            opens_at: Some(opens_at),
        } => {
            format!("for a window, which opens {}", times.at_and_ago(*opens_at))
        }
        WaitingOn::Window { opens_at: None } => "for a window".to_owned(),
        WaitingOn::Drift { expected } => {
            format!("for a person to say what becomes of the drift from release {expected}")
        }
        WaitingOn::Alarm { names } => format!("for {} to be quiet", names.join(", ")),
        WaitingOn::Stage { busy_with } => format!("for release {busy_with} to be done"),
        WaitingOn::Turn { behind } => format!("behind release {behind}"),
        WaitingOn::Target { by, again_at } => {
            format!(
                "for {by}, which is not ours, to leave the target (tried again {})",
                times.at(*again_at)
            )
        }
        WaitingOn::Switch { again_at } => {
            format!(
                "until it can be read whether everything is frozen (tried again {})",
                times.at(*again_at)
            )
        }
    }
}

#[cfg(test)]
mod tests;
