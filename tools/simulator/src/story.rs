//! The history of a world in sentences.

use domain::entry::{Drop, Purpose};
use domain::fact;
use domain::pipeline::WaitingOn;
use domain::question::{Choice, Question};
use domain::reason::Verdict;
use domain::{Entry, Reason, ServiceName, StageName, What};
use intake::command::Response;
use intake::wire::{Answer, Ask};

/// One entry as a line.
pub(crate) fn entry(service: &ServiceName, entry: &Entry) -> String {
    let (seq, why) = (entry.seq, &entry.why);
    format!("{service}/{seq}  {} ({why})", words(&entry.what))
}

/// What a person asks for.
pub(crate) fn asked(who: &str, service: &ServiceName, ask: &Ask) -> String {
    let stage = |stage: &Option<StageName>| match stage {
        Some(stage) => format!("{service} {stage}"),
        None if service.is_everything() => "everything".to_owned(),
        None => service.to_string(),
    };
    let what = match ask {
        Ask::Apply { file } => format!(
            "applies the file of {service}, {} stages",
            file.stages.len()
        ),
        Ask::Approve { stage, release, .. } => {
            format!("approves release {release} of {service} for {stage}")
        }
        Ask::Reject { stage, release, .. } => {
            format!("rejects release {release} of {service} for {stage}")
        }
        Ask::Cancel { stage, release, .. } => {
            format!("cancels release {release} of {service} for {stage}")
        }
        Ask::Promote {
            stage,
            release,
            despite_alarm,
            ..
        } => {
            let despite = despite_alarm.as_ref().map_or("", |_| ", despite all");
            format!("promotes release {release} of {service} to {stage}{despite}")
        }
        Ask::Rollback { stage, to, .. } => match to {
            Some(to) => format!("rolls {service} back to {to} on {stage}"),
            None => format!("rolls {service} back on {stage}"),
        },
        Ask::Freeze {
            stage: of, until, ..
        } => {
            let until = until.map_or(String::new(), |until| {
                until.strftime(" until %H:%M").to_string()
            });
            format!("freezes {}{until}", stage(of))
        }
        Ask::Adopt { stage, .. } => format!("adopts what {service} runs on {stage}"),
        Ask::Restore { stage } => format!("restores what {service} should run on {stage}"),
        Ask::Thaw { stage: of } => format!("thaws {}", stage(of)),
        Ask::Announce {} => "tries announcements".to_owned(),
    };
    format!("{who} {what}")
}

/// What a person hears.
pub(crate) fn heard(response: Option<&Response>) -> String {
    let Some(response) = response else {
        return "nothing, the connection broke".to_owned();
    };
    let written = serde_json::to_value(response).unwrap_or_default();
    let body = written.get("body").and_then(|body| body.as_str());
    match serde_json::from_str::<Answer>(body.unwrap_or_default()) {
        Ok(answer) => decided(answer.verdict, &answer.reason),
        Err(_) => format!("no answer, status {}", response.status_code()),
    }
}

/// What was decided on a request.
pub(crate) fn decided(verdict: Verdict, reason: &Reason) -> String {
    let verdict = match verdict {
        Verdict::Done => "done",
        Verdict::Nothing => "nothing to do",
        Verdict::Refused => "refused",
    };
    format!("{verdict} ({reason})")
}

/// Somebody presses a button.
pub(crate) fn pressed(who: &str, question: &Question, choice: Choice) -> String {
    let Question {
        stage,
        release,
        asked,
    } = question;
    let (service, choice) = (question.service(), crate::point::kebab(&choice));
    format!(
        "{who} presses {choice} for release {release} of {service} on {stage}, asked by {asked}"
    )
}

/// The platform's answer.
pub(crate) fn answer(answer: &fact::Answer) -> String {
    match answer {
        fact::Answer::Begun { platform_id, .. } => format!("{platform_id} is under way"),
        fact::Answer::Occupied { by } => format!("{by} is in the way"),
        fact::Answer::Withheld => "the switch for all cannot be read".to_owned(),
        fact::Answer::Frozen(freeze) => format!("it is frozen: {}", freeze.reason),
        fact::Answer::Held(seen) => format!("{} fires", seen.alarm.name()),
        fact::Answer::Refused(why) => format!("no: {why}"),
        fact::Answer::Stopping => "it stops".to_owned(),
        fact::Answer::NeverBegun => "nothing was begun".to_owned(),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others have their words in another function"
)]
fn words(what: &What) -> String {
    match what {
        What::Configured { config } => format!("is configured, {} stages", config.stages.len()),
        What::Unclaimed { artefact } => format!("nobody claims {artefact}"),
        What::ArtefactRejected {
            artefact, problem, ..
        } => {
            format!("{artefact} is rejected: {problem}")
        }
        What::Released { release } => format!("release {}: {}", release.number, release.artefact),
        What::Recalled { release } => format!("release {} is taken up again", release.number),
        What::Scanned { release, .. } => format!("the scan of release {release} moved on"),
        What::Adopted { stage, release, .. } => {
            format!("{stage}: release {release} is its last good")
        }
        What::NothingToAdopt { stage, .. } => format!("{stage}: has nothing to go back to"),
        What::Flooded { count } => format!("{count} releases within a minute"),
        What::HeldBack { stage, release } => format!("{stage}: release {release} is held back"),
        What::Offered {
            stage,
            release,
            purpose,
            ..
        } => match purpose {
            Purpose::Release => format!("{stage}: release {release} is offered"),
            Purpose::Rollback => format!("{stage}: release {release} is to come back"),
        },
        What::Overridden { stage, release, .. } => {
            format!("{stage}: rules are overridden for release {release}")
        }
        What::Waits {
            stage, release, on, ..
        } => {
            format!("{stage}: release {release} waits {}", waits(on))
        }
        What::Approved {
            stage, release, by, ..
        } => {
            format!("{stage}: {} approves release {release}", by.short())
        }
        What::ApprovalsVoided { stage, release, .. } => {
            format!("{stage}: approvals of release {release} are void")
        }
        What::Dropped {
            stage,
            release,
            end,
            ..
        } => {
            format!("{stage}: release {release} {}", dropped(end))
        }
        What::StartAsked { order, .. } => {
            let (stage, release, attempt) = (&order.stage, order.release, &order.attempt);
            format!("{stage}: release {release} is to start as {attempt}")
        }
        _ => course(what),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others have their words in another function"
)]
fn course(what: &What) -> String {
    match what {
        What::Begun {
            stage,
            release,
            platform_id,
            ..
        } => {
            format!("{stage}: release {release} is under way as {platform_id}")
        }
        What::BakeBegun { stage, release, .. } => format!("{stage}: release {release} bakes"),
        What::Succeeded { stage, release, .. } => format!("{stage}: release {release} is good"),
        What::Unproven { stage, release, .. } => {
            format!("{stage}: release {release} ends unproven")
        }
        What::Failed {
            stage,
            release,
            problem,
            ..
        } => {
            format!("{stage}: release {release} failed: {problem}")
        }
        What::StopAsked {
            release, to, order, ..
        } => {
            let (stage, attempt) = (&order.stage, &order.attempt);
            format!("{stage}: release {release} is to stop ({attempt}), back to {to}")
        }
        What::ReturnAsked { release, order, .. } => {
            let (stage, to, attempt) = (&order.stage, order.release, &order.attempt);
            format!("{stage}: release {to} is to replace {release} as {attempt}")
        }
        What::RollbackAdopted {
            stage,
            release,
            problem,
            ..
        } => {
            format!("{stage}: the platform undoes release {release}: {problem}")
        }
        What::RolledBack {
            stage, release, to, ..
        } => match to {
            Some(to) => format!("{stage}: release {release} is rolled back, {to} runs again"),
            None => format!("{stage}: release {release} is rolled back, nobody knows to what"),
        },
        What::RollbackFailed {
            stage,
            release,
            problem,
            ..
        } => {
            format!("{stage}: rolling release {release} back failed: {problem}")
        }
        _ => around(what),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others have their words in another function"
)]
fn around(what: &What) -> String {
    match what {
        What::Quarantined { stage, release } => {
            format!("{stage}: release {release} is quarantined")
        }
        What::Frozen { stage, freeze } => {
            let stage = stage.as_ref().map_or("the service", |stage| stage.as_str());
            format!("{stage}: is frozen: {}", freeze.reason)
        }
        What::Thawed { stage } => {
            let stage = stage.as_ref().map_or("the service", |stage| stage.as_str());
            format!("{stage}: thaws")
        }
        What::Switched { switch } | What::SwitchNoted { switch } => match &switch.freeze {
            Some(freeze) => format!("every service is frozen: {}", freeze.reason),
            None => "every service thaws".to_owned(),
        },
        What::CallSeen { stage, call } => format!("{stage}: {}", call.words()),
        What::Drifted {
            stage, expected, ..
        } => format!("{stage}: something else than release {expected} runs"),
        What::DriftEnded { stage, release } => {
            format!("{stage}: release {release} runs again, the drift ended")
        }
        What::Unprotected { stage, perils } => {
            let perils: Vec<String> = perils.iter().map(domain::peril::Peril::words).collect();
            format!("{stage}: nothing protects it: {}", perils.join(", "))
        }
        What::Protected { stage } => format!("{stage}: its alarms protect it again"),
        What::AllTold { .. } => "every service was told".to_owned(),
        What::TestAnnounced { by } => format!("{} tries announcements", by.short()),
        What::AlarmNoted { seen } => format!("alarm {} is {:?}", seen.alarm.name(), seen.state),
        What::AlarmAfterBake {
            stage,
            release,
            seen,
        } => {
            let alarm = seen.alarm.name();
            format!("{stage}: {alarm} fires after the bake of release {release}")
        }
        What::MixtureSeen { stage, release, .. } => {
            format!("{stage}: not everything runs release {release}")
        }
        What::PersonCalled { stage, call } => {
            let call = crate::tally::name_of(call).replace('_', " ");
            format!("{stage}: A PERSON IS CALLED: {call}")
        }
        _ => String::new(),
    }
}

fn waits(on: &WaitingOn) -> String {
    match on {
        WaitingOn::Scan { .. } => "for its scan".to_owned(),
        WaitingOn::Approval { missing, .. } => format!("for {missing} to approve"),
        WaitingOn::Freeze { by, .. } => format!("for the freeze of {by} to end"),
        WaitingOn::Window { .. } => "for a window to open".to_owned(),
        WaitingOn::Alarm { names } => format!("for {} to clear", names.join(", ")),
        WaitingOn::Stage { busy_with } => format!("for release {busy_with} to be done"),
        WaitingOn::Turn { behind } => format!("behind release {behind}"),
        WaitingOn::Drift { .. } => "for a person to adopt what runs or to restore".to_owned(),
        WaitingOn::Target { by, .. } => format!("for {by} to leave the target"),
        WaitingOn::Switch { .. } => "for the switch for all to be readable".to_owned(),
    }
}

fn dropped(end: &Drop) -> String {
    match end {
        Drop::Superseded { by } => format!("is superseded by {by}"),
        Drop::Vulnerable(findings) => format!("is refused: {findings}"),
        Drop::Rejected { by, .. } => format!("is rejected by {}", by.short()),
        Drop::Expired => "waited too long".to_owned(),
        Drop::Cancelled { by, .. } => format!("is cancelled by {}", by.short()),
        Drop::StageRemoved => "has no stage any more".to_owned(),
    }
}
