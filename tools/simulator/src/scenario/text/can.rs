//! Who can do what in a scenario that is told as text.

use clap::ValueEnum as _;
use domain::alarm::{AlarmState, Voice};
use domain::artefact::BuildFacts;
use domain::file::ArtefactSource;
use domain::question::Choice;
use domain::{AlarmArn, ReleaseNumber, ServiceName, StageName};

use super::super::people::{Who, Wish};
use super::super::services::{image, object};
use super::super::{Glance, Happens, Meddling, Pushed, Turn};
use super::{Can, Reading, set};
use crate::adversary::Adversary;
use crate::cloud::Stored;
use crate::functions::home;
use crate::point::{Call, Function, Moment, Point};
use crate::scanning::Outcome;

const PEOPLE: &str = "approves, rejects, cancels, promotes or rolls back SERVICE STAGE RELEASE; \
    presses approve or reject for SERVICE STAGE [in the first message]; \
    freezes or thaws SERVICE [STAGE] or everything; changes SERVICE STAGE to …";
const PLATFORM: &str = "fails or undoes the next deployment to SERVICE STAGE";
const ECR: &str = "delays, never ends or fails the next scan, or finds too much in it";
const CHANCE: &str =
    "loses, doubles or delays the next event; kills FUNCTION before CALL, or after";

impl Reading {
    /// What a line makes happen.
    pub(super) fn happens(&mut self, at: i64, who: &str, what: &[&str]) -> Result<Can, String> {
        match who {
            "jenkins" => self.brings(at, what),
            "alice" => self.asks(Who::Alice, what),
            "bob" => self.asks(Who::Bob, what),
            "carol" => self.asks(Who::Carol, what),
            "cloudwatch" => self.alarm(what),
            "platform" => self.platform(what),
            "somebody" => self.meddles(what),
            "ecr" => scans(what),
            "chance" => chance(what),
            other => Err(format!(
                "there is no {other:?}: jenkins, alice, bob, carol, cloudwatch, platform, ecr, \
                 somebody and chance"
            )),
        }
    }

    fn file(&self, name: &str) -> Result<(usize, ServiceName), String> {
        let at = self.files.iter().position(|file| file.service == name);
        let at = at.ok_or_else(|| format!("there is no service {name:?}"))?;
        Ok((at, name.parse().map_err(|error| format!("{error}"))?))
    }

    fn on(&self, service: &str, stage: &str) -> Result<(ServiceName, StageName), String> {
        let (at, name) = self.file(service)?;
        let stages = self.files.get(at).map(|file| &file.stages);
        if !stages.into_iter().flatten().any(|one| one.name == stage) {
            return Err(format!("{service} has no stage {stage:?}"));
        }
        Ok((name, stage.parse().map_err(|error| format!("{error}"))?))
    }

    fn brings(&mut self, at: i64, what: &[&str]) -> Result<Can, String> {
        let (service, version, author) = match what {
            ["brings", service, version] => (service, version, None),
            ["brings", service, version, "by", author] => (service, version, Some(author)),
            _ => return cannot("jenkins", what, "brings SERVICE VERSION [by AUTHOR]"),
        };
        let (of, service) = self.file(service)?;
        self.serial += 1;
        let serial = self.serial;
        let source = self.files.get(of).map(|file| file.artefact.clone());
        let (pushed, artefact) = match source {
            Some(ArtefactSource::Ecr(source)) => {
                let tag = format!("main-{version}");
                let artefact = image(&source.repository, serial, &tag);
                let digest = artefact.content().0;
                let repository = source.repository;
                let pushed = Pushed::Image {
                    repository,
                    digest,
                    tag,
                };
                (pushed, artefact)
            }
            Some(ArtefactSource::S3(source)) => {
                let (key, version) = (format!("{}{version}.zip", source.prefix), "v1".to_owned());
                let artefact = object(&source.bucket, &key, &version);
                let bucket = source.bucket;
                let pushed = Pushed::Object {
                    bucket,
                    key,
                    version,
                };
                (pushed, artefact)
            }
            // No line of a scenario makes a service of another registry.
            Some(ArtefactSource::Oci(_)) | None => return Ok(Vec::new()),
        };
        let build = BuildFacts {
            version: Some((*version).to_owned()),
            author: author.map(|author| format!("{author}@shop.example")),
            job: Some("build".to_owned()),
            build_number: u64::try_from(at).ok(),
            ..BuildFacts::default()
        };
        let stored = Box::new(Stored {
            artefact,
            build,
            broken: None,
            gone: false,
        });
        Ok(vec![(service, Happens::Push { pushed, stored })])
    }

    fn asks(&mut self, who: Who, what: &[&str]) -> Result<Can, String> {
        let asks = |wish, (service, stage), release| {
            let what = Happens::Ask {
                stage,
                wish,
                who,
                release: Some(release),
            };
            Ok(vec![(service, what)])
        };
        let turns = |how| {
            Ok(vec![(
                ServiceName::everything(),
                Happens::Switch { how, who },
            )])
        };
        let first = ReleaseNumber(1);
        match what {
            ["approves", service, stage, release] => {
                asks(Wish::Approve, self.on(service, stage)?, number(release)?)
            }
            ["rejects", service, stage, release] => {
                asks(Wish::Reject, self.on(service, stage)?, number(release)?)
            }
            ["cancels", service, stage, release] => {
                asks(Wish::Cancel, self.on(service, stage)?, number(release)?)
            }
            ["promotes", service, stage, release] => {
                asks(Wish::Promote, self.on(service, stage)?, number(release)?)
            }
            ["promotes", service, stage, release, "despite", "all"] => {
                let on = self.on(service, stage)?;
                asks(Wish::PromoteDespite, on, number(release)?)
            }
            ["presses", choice, "for", service, stage] => {
                self.presses(who, choice, (service, stage), Glance::Newest)
            }
            [
                "presses",
                choice,
                "for",
                service,
                stage,
                "in",
                "the",
                "first",
                "message",
            ] => self.presses(who, choice, (service, stage), Glance::First),
            ["rolls", "back", service, stage] => {
                asks(Wish::Rollback, self.on(service, stage)?, first)
            }
            ["rolls", "back", service, stage, "to", release] => asks(
                Wish::RollbackFar,
                self.on(service, stage)?,
                number(release)?,
            ),
            ["freezes", "everything"] => turns(Turn::Freeze),
            ["freezes", "everything", "for", minutes] => turns(Turn::FreezeFor(span(minutes)?)),
            ["thaws", "everything"] => turns(Turn::Thaw),
            ["freezes", service] => asks(Wish::Freeze, self.any_stage(service)?, first),
            ["thaws", service] => asks(Wish::Thaw, self.any_stage(service)?, first),
            ["freezes", service, stage] => asks(Wish::FreezeStage, self.on(service, stage)?, first),
            ["thaws", service, stage] => asks(Wish::ThawStage, self.on(service, stage)?, first),
            ["changes", service, stage, "to", said @ ..] => self.changes(service, stage, said),
            _ => cannot(who.name(), what, PEOPLE),
        }
    }

    fn presses(
        &self,
        who: Who,
        choice: &str,
        (service, stage): (&str, &str),
        glance: Glance,
    ) -> Result<Can, String> {
        let choice = match choice {
            "approve" => Choice::Approve,
            "reject" => Choice::Reject,
            other => return Err(format!("there is no button {other:?}: approve, reject")),
        };
        let (service, stage) = self.on(service, stage)?;
        let what = Happens::Press {
            stage,
            who,
            choice,
            glance,
        };
        Ok(vec![(service, what)])
    }

    /// A service with its first stage, for what is about the whole of it.
    fn any_stage(&self, service: &str) -> Result<(ServiceName, StageName), String> {
        let (at, _) = self.file(service)?;
        let stage = self.files.get(at).and_then(|file| file.stages.first());
        let stage = stage.ok_or_else(|| format!("{service} has no stage"))?;
        self.on(service, &stage.name)
    }

    /// Alice applies the service file as it was described, but for one stage.
    fn changes(&mut self, service: &str, stage: &str, said: &[&str]) -> Result<Can, String> {
        let (name, _) = self.on(service, stage)?;
        let (at, _) = self.file(service)?;
        let Some(file) = self.files.get(at) else {
            return Ok(Vec::new());
        };
        let mut file = Box::new(file.clone());
        for one in file.stages.iter_mut().filter(|one| one.name == stage) {
            set(one, said)?;
        }
        Ok(vec![(name, Happens::Configure { file })])
    }

    fn alarm(&self, what: &[&str]) -> Result<Can, String> {
        let [alarm, verb] = what else {
            return cannot(
                "cloudwatch",
                what,
                "sees ALARM: SERVICE-STAGE fires, or clears",
            );
        };
        let of = alarm.split_once('-').unwrap_or((alarm, ""));
        let (service, _) = self.on(of.0, of.1)?;
        let state = match *verb {
            "fires" => AlarmState::Alarm,
            "clears" => AlarmState::Ok,
            _ => return cannot("cloudwatch", what, "SERVICE-STAGE fires, or clears"),
        };
        let home = home()?;
        let alarm = AlarmArn::of(&home.region, &home.account, alarm);
        let what = Happens::Alarm {
            alarm: alarm.map_err(|error| error.to_string())?,
            state,
            voice: Voice::Heard,
        };
        Ok(vec![(service, what)])
    }

    fn platform(&self, what: &[&str]) -> Result<Can, String> {
        let (undoes, service, stage) = match what {
            ["fails", "the", "next", "deployment", "to", service, stage] => (false, service, stage),
            ["undoes", "the", "next", "deployment", "to", service, stage] => (true, service, stage),
            _ => return cannot("platform", what, PLATFORM),
        };
        let (service, stage) = self.on(service, stage)?;
        Ok(vec![(service, Happens::FailNext { stage, undoes })])
    }

    fn meddles(&self, what: &[&str]) -> Result<Can, String> {
        let (how, service, stage) = match what {
            ["deploys", "to", service, stage] => (Meddling::Deploy, service, stage),
            ["stops", "what", "is", "done", "on", service, stage] => {
                (Meddling::Stop, service, stage)
            }
            _ => {
                let can = "deploys to SERVICE STAGE, or stops what is done on it";
                return cannot("somebody", what, can);
            }
        };
        let (service, stage) = self.on(service, stage)?;
        Ok(vec![(service, Happens::MeddleWith { stage, how })])
    }
}

fn scans(what: &[&str]) -> Result<Can, String> {
    let outcome = match what {
        ["delays", "the", "next", "scan"] => Outcome::Late,
        ["never", "ends", "the", "next", "scan"] => Outcome::Never,
        ["fails", "the", "next", "scan"] => Outcome::Fails,
        ["finds", "too", "much", "in", "the", "next", "scan"] => Outcome::Findings,
        _ => return cannot("ecr", what, ECR),
    };
    let what = Happens::NextScan { outcome };
    Ok(vec![(ServiceName::everything(), what)])
}

fn chance(what: &[&str]) -> Result<Can, String> {
    let (adversary, at) = match what {
        ["loses", "the", "next", "event"] => (Adversary::Lose, None),
        ["doubles", "the", "next", "event"] => (Adversary::Double, None),
        ["delays", "the", "next", "event"] => (Adversary::Late, None),
        ["kills", function, moment, call] => {
            let moment = match *moment {
                "before" => Moment::Before,
                "after" => Moment::After,
                _ => return cannot("chance", what, CHANCE),
            };
            let point = Point {
                function: Function::from_str(function, false)?,
                call: Call::from_str(call, false)?,
                moment,
            };
            (Adversary::Kill, Some(point))
        }
        _ => return cannot("chance", what, CHANCE),
    };
    let strike = Happens::Strike { adversary, at };
    Ok(vec![(ServiceName::everything(), strike)])
}

fn number(text: &str) -> Result<ReleaseNumber, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Minutes, as in `20m`.
fn span(text: &str) -> Result<i64, String> {
    let minutes = text.strip_suffix('m').and_then(|text| text.parse().ok());
    minutes.ok_or_else(|| format!("{text:?} is no time span: write minutes, such as 20m"))
}

fn cannot(who: &str, what: &[&str], can: &str) -> Result<Can, String> {
    Err(format!("{who} cannot {:?}: {can}", what.join(" ")))
}
