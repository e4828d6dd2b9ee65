//! `lastgood doctor`: whether everything that Lastgood needs is there and well. It only looks,
//! unless it is asked to have something announced.

mod versions;

use aws::AwsPlatform;
use clap::Args;
use domain::SignedDuration;
use domain::alarm::{AlarmSeen, AlarmState};
use domain::config::StageConfig;
use domain::entry::What;
use domain::fact::Inspected;
use domain::peril::{Peril, perils};
use domain::{ServiceName, Timestamp};
use engine::{Ledger, Mention, Platform as _};
use intake::wire::{Answer, Ask, Desk};
use serde::Serialize;

use crate::answer;
use crate::book;
use crate::failure::{Exit, Failure};
use crate::screen::Report;
use crate::session::Session;
use crate::times::rough;

/// What is overdue for longer than this is looked after by nobody; the reconciler comes each
/// minute.
const OVERDUE_MAX: SignedDuration = SignedDuration::from_mins(5);
/// How many overdue services are named.
const OVERDUE_NAMED_MAX: usize = 5;
/// A clock may be so far from AWS's before somebody should set it. AWS refuses signatures that are
/// five minutes off.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(60);

/// Check that everything is there and well
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is changed. Whatever is wrong has one line of repair, and the exit code is 1 then.
--announce goes the whole way that every announcement goes, from a request through the ledger and
its stream to the topic, so that you see whether it arrives.

Examples:
  lastgood doctor --stack lastgood
  lastgood doctor --announce
  lastgood doctor --announce=web"
)]
pub(crate) struct Doctor {
    /// The name of Lastgood's stack: its own alarms are called so
    #[arg(long, value_name = "NAME", default_value = "lastgood")]
    stack: String,
    /// Have a test announced to who listens to everything, or to one service
    #[arg(
        long,
        value_name = "SERVICE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = domain::name::EVERYTHING
    )]
    announce: Option<ServiceName>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// As it should be.
    Well,
    /// A person should look, or it could not be looked at.
    Doubt,
    /// Something does not work.
    Ill,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    about: &'static str,
    state: State,
    said: String,
    repair: Option<String>,
}

impl Finding {
    fn well(about: &'static str, said: impl Into<String>) -> Self {
        Self {
            about,
            state: State::Well,
            said: said.into(),
            repair: None,
        }
    }

    fn doubt(about: &'static str, said: impl Into<String>) -> Self {
        Self {
            state: State::Doubt,
            ..Self::well(about, said)
        }
    }

    fn ill(about: &'static str, said: impl Into<String>) -> Self {
        Self {
            state: State::Ill,
            ..Self::well(about, said)
        }
    }

    fn repair(mut self, repair: impl Into<String>) -> Self {
        self.repair = Some(repair.into());
        self
    }

    /// A failure of another command, here a finding.
    fn of(about: &'static str, failure: Failure) -> Self {
        let words: Vec<&str> = std::iter::once(&failure.message)
            .chain(&failure.evidence)
            .map(String::as_str)
            .collect();
        let finding = Self::ill(about, words.join(": "));
        match failure.hint {
            Some(hint) => finding.repair(hint),
            None => finding,
        }
    }
}

impl Doctor {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let mut findings = vec![who(session).await];
        findings.extend(desks(session).await);
        let platform = session.platform().await;
        findings.extend(ledger(session, platform.as_ref().ok()).await);
        if let Ok(platform) = &platform {
            findings.extend(own(platform, session, &self.stack).await);
        }
        if let Some(service) = self.announce {
            findings.push(announce(session, service).await);
        }
        let ill = findings.iter().any(|it| it.state == State::Ill);
        let report = Report::new(&findings, text(&findings));
        Ok(report.ending(if ill { Exit::Failed } else { Exit::Done }))
    }
}

fn text(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let sign = match finding.state {
            State::Well => "well ",
            State::Doubt => "look ",
            State::Ill => "ILL  ",
        };
        lines.push(format!("{sign}  {:<8}  {}", finding.about, finding.said));
        let repair = finding.repair.as_ref();
        lines.extend(repair.map(|repair| format!("{:17}→ {repair}", "")));
    }
    lines.join("\n")
}

async fn who(session: &Session) -> Finding {
    match session.who().await {
        Ok((by, home)) => Finding::well("you", format!("{by}, in {}", home.region)),
        Err(failure) => Finding::of("you", failure),
    }
}

/// The functions that people ask, and with them this machine's clock.
async fn desks(session: &Session) -> Vec<Finding> {
    let (mut findings, mut date, mut told) = (Vec::new(), None, Vec::new());
    for desk in [Desk::Command, Desk::Approval] {
        let about = desk.function();
        let probed = match session.commander(desk).await {
            Ok(commander) => commander.probe().await,
            Err(failure) => Err(failure),
        };
        findings.push(match probed {
            Err(failure) => Finding::of(about, failure),
            Ok(probed) => {
                date = Some(probed.date);
                told.push((about, probed.versions));
                takes(about, probed.refusal)
            }
        });
    }
    if !told.is_empty() {
        findings.push(versions::compared(env!("CARGO_PKG_VERSION"), &told));
    }
    let now = session.times.now;
    findings.extend(date.map(|date| clock(date.map(|date| now.duration_since(date)))));
    findings
}

/// Whether a function takes this person's requests. Not everybody has to play each part.
fn takes(about: &'static str, refusal: Option<Failure>) -> Finding {
    match refusal {
        None => Finding::well(about, "it takes your requests"),
        Some(failure) => {
            let part = failure.exit == Exit::NotAllowed;
            let state = if part { State::Doubt } else { State::Ill };
            Finding {
                state,
                ..Finding::of(about, failure)
            }
        }
    }
}

fn clock(ahead: Option<SignedDuration>) -> Finding {
    let Some(ahead) = ahead else {
        return Finding::doubt("clock", "the answer did not say what time it is");
    };
    let off = rough(ahead.abs());
    if ahead.abs() > SKEW_MAX {
        let way = if ahead.is_positive() {
            "ahead"
        } else {
            "behind"
        };
        Finding::ill("clock", format!("this machine's is {off} {way} of AWS's"))
            .repair("synchronise it, as by timedatectl set-ntp true: AWS refuses what is 5m off")
    } else {
        Finding::well("clock", format!("within {off} of AWS's"))
    }
}

/// The ledger, what is overdue in it, and what protects its stages.
async fn ledger(session: &Session, platform: Option<&AwsPlatform>) -> Vec<Finding> {
    let ledger = match session.ledger().await {
        Ok(ledger) => ledger,
        Err(failure) => return vec![Finding::of("ledger", failure)],
    };
    let services = match ledger.services().await {
        Ok(services) => services,
        Err(error) => return vec![Finding::of("ledger", book::failure(error))],
    };
    let mut findings = vec![Finding::well(
        "ledger",
        format!("it has {} services", services.len()),
    )];
    let late = session.times.now.checked_sub(OVERDUE_MAX);
    match ledger
        .overdue(late.unwrap_or(session.times.now), OVERDUE_NAMED_MAX)
        .await
    {
        Ok(services) => findings.push(overdue(&services)),
        Err(error) => findings.push(Finding::of("due", book::failure(error))),
    }
    let Some(platform) = platform else {
        return findings;
    };
    let mut live = 0;
    for service in &services {
        let loaded = match ledger.load(service, &Mention::Nothing).await {
            Ok(loaded) => loaded,
            Err(error) => {
                findings.push(Finding::of("ledger", book::failure(error)));
                continue;
            }
        };
        let config = loaded.pipeline.config.as_ref();
        let stages = config.map(|config| config.stages.clone());
        for stage in stages.unwrap_or_default() {
            let about = protection(platform, service, &stage, session.times.now).await;
            if !about.iter().any(|finding| finding.about == "alarms") {
                live += stage.alarms.len();
            }
            findings.extend(about);
        }
    }
    findings.push(Finding::well(
        "alarms",
        format!("{live} of stages are live"),
    ));
    findings
}

fn overdue(services: &[ServiceName]) -> Finding {
    if services.is_empty() {
        return Finding::well("due", "nothing is overdue");
    }
    let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    let words = format!("overdue for more than 5m: {}", names.join(", "));
    Finding::ill("due", words).repair("look at the logs of the functions reconciler and deployer")
}

/// What is to be said of what protects a stage; nothing when it is as it should be.
async fn protection(
    platform: &AwsPlatform,
    service: &ServiceName,
    stage: &StageConfig,
    now: Timestamp,
) -> Vec<Finding> {
    let at = format!("{service} {}", stage.name);
    let alarms = match platform.alarms(&stage.place, &stage.alarms).await {
        Ok(seen) => seen,
        Err(error) => {
            let words = format!("those of {at} were not looked at: {error}");
            return vec![Finding::doubt("alarms", words)];
        }
    };
    let reflexes = platform.reflexes(&stage.place, &stage.target).await;
    let unseen = reflexes.as_ref().err().map(|error| {
        let words = format!("what that of {at} does by itself was not looked at: {error}");
        Finding::doubt("target", words)
    });
    let inspected = Inspected {
        stage: stage.name.clone(),
        alarms,
        reflexes: reflexes.ok(),
    };
    let perils = perils(stage, &inspected, &[], now);
    let perils = perils.iter().map(|peril| peril_at(&at, peril));
    let alarms = inspected
        .alarms
        .iter()
        .filter_map(|seen| alarm_at(&at, seen));
    perils.chain(alarms).chain(unseen).collect()
}

/// What leaves a stage unprotected, and what to do about it.
fn peril_at(at: &str, peril: &Peril) -> Finding {
    let words = format!("{at}: {}", peril.words());
    match peril {
        Peril::AlarmGone { .. } => Finding::ill("alarms", words)
            .repair("make it, or take it out of the service file and apply that"),
        Peril::AlarmMuted { .. } => Finding::ill("alarms", words)
            .repair("end what mutes it, or take it out of the service file and apply that"),
        Peril::StrangeAlarms { .. } => Finding::doubt("target", words).repair(
            "name it in the service file, so that it holds a deployment as long as it fires",
        ),
        Peril::StopsHalfway => Finding::doubt("target", words)
            .repair("let the target roll back on alarms, or leave alarms to Lastgood"),
    }
}

/// What is to be said of an alarm that is there.
fn alarm_at(at: &str, seen: &AlarmSeen) -> Option<Finding> {
    let name = seen.alarm.name();
    let words = match seen.state {
        AlarmState::InsufficientData => "has no data: it watches nothing",
        AlarmState::Alarm => "fires: it holds what comes next",
        AlarmState::Ok => return None,
    };
    Some(Finding::doubt("alarms", format!("{name} of {at} {words}")))
}

/// Lastgood's own alarms: dead letters, the stream's age, failing functions.
async fn own(platform: &AwsPlatform, session: &Session, stack: &str) -> Vec<Finding> {
    let Ok((_, home)) = session.who().await else {
        return Vec::new();
    };
    match platform
        .survey_alarms(&home.region, &format!("{stack}-"))
        .await
    {
        Err(unseen) => vec![Finding::doubt("own", format!("not looked at: {unseen}"))],
        Ok(alarms) if alarms.is_empty() => vec![
            Finding::doubt("own", format!("no alarm's name begins with {stack}-"))
                .repair("is --stack the name of Lastgood's stack, and this its account?"),
        ],
        Ok(alarms) => {
            let firing: Vec<Finding> = alarms
                .iter()
                .filter(|alarm| alarm.state == AlarmState::Alarm)
                .map(|alarm| {
                    Finding::ill("own", format!("{} fires: {}", alarm.name, alarm.reason))
                        .repair("its description says what it means and what to do")
                })
                .collect();
            if firing.is_empty() {
                let words = format!("{} alarms of Lastgood itself are quiet", alarms.len());
                vec![Finding::well("own", words)]
            } else {
                firing
            }
        }
    }
}

/// Has a test announced. That it arrives, only a person can see.
async fn announce(session: &Session, service: ServiceName) -> Finding {
    match session.answer(service.clone(), Ask::Announce {}).await {
        Ok(answer) => announced(&service, &answer),
        Err(failure) => Finding::of("announce", failure),
    }
}

fn announced(service: &ServiceName, answer: &Answer) -> Finding {
    let mut entries = answer.entries.iter();
    match entries.find(|entry| matches!(entry.what, What::TestAnnounced { .. })) {
        Some(entry) => Finding::well(
            "announce",
            format!(
                "{service}/{} is on its way to who listens, and is a test: did it arrive?",
                entry.seq
            ),
        ),
        None => Finding::of("announce", answer::refused(service, &answer.reason)),
    }
}

#[cfg(test)]
mod tests {
    use domain::AlarmArn;

    use super::*;

    #[test]
    fn findings_are_lines_and_what_is_wrong_has_a_repair() {
        let findings = [
            Finding::well("you", "alice"),
            clock(Some(SignedDuration::from_secs(20))),
            clock(Some(SignedDuration::from_secs(-400))),
            overdue(&["web".parse().unwrap(), "shop".parse().unwrap()]),
            overdue(&[]),
            clock(None),
            Finding::of(
                "ledger",
                Failure::usage("there is no such table").hint("is it right?"),
            ),
        ];
        insta::assert_snapshot!(text(&findings));
        for finding in &findings {
            assert_eq!(
                finding.state == State::Ill,
                finding.repair.is_some(),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn what_leaves_a_stage_unprotected_has_a_repair_each() {
        let alarm: AlarmArn = "arn:aws:cloudwatch:ap-south-1:111122223333:alarm:web-5xx"
            .parse()
            .unwrap();
        let perils = [
            Peril::AlarmGone {
                alarm: alarm.clone(),
            },
            Peril::AlarmMuted { alarm },
            Peril::StrangeAlarms {
                alarms: vec!["cpu".to_owned()],
            },
            Peril::StopsHalfway,
        ];
        let findings = perils.map(|peril| peril_at("web production", &peril));
        insta::assert_snapshot!(text(&findings));
        assert!(findings.iter().all(|finding| finding.repair.is_some()));
    }
}
