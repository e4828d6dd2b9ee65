//! Scenarios as text: services, and line by line when, who and what. What each of them can do is in
//! `text/can.rs`; how it is played and told is `play`'s.

mod can;

use std::fmt;

use anyhow::anyhow;
use domain::config::{Queue, TaskBase};
use domain::file::{
    ApprovalFile, ArtefactSource, CodeDeployFile, EcsFile, GateFile, ServiceFile, StageFile,
    TargetFile,
};
use domain::scan::Severity;
use fastrand::Rng;

use super::services::{artefact, planned};
use super::{Happens, Plan, Step};

/// What describes a service.
const SERVICE: &str = "say: service NAME, or: service NAME from images, or from scanned images";
/// How long after the last line the world goes on at least, in seconds.
const AFTERMATH_SECONDS: i64 = 60;

/// A scenario that was read.
#[derive(Debug)]
pub(crate) struct Told {
    /// The comment it begins with.
    pub(crate) title: String,
    pub(crate) plan: Plan,
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    line: usize,
    what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for Wrong {}

/// Services, and what was read of them.
#[derive(Default)]
struct Reading {
    files: Vec<ServiceFile>,
    steps: Vec<Step>,
    serial: u64,
}

/// Reads a scenario.
///
/// # Errors
/// The first line that says nothing, and what it could say.
pub(crate) fn read(text: &str) -> anyhow::Result<Told> {
    let mut title = Vec::new();
    let mut reading = Reading::default();
    for (at, line) in (1..).zip(text.lines()) {
        let (said, comment) = line.split_once('#').unwrap_or((line, ""));
        if reading.files.is_empty() && said.trim().is_empty() && !comment.trim().is_empty() {
            title.push(comment.trim());
        }
        let words: Vec<&str> = said.split_whitespace().collect();
        let read = reading.line(&words);
        read.map_err(|what| Wrong { line: at, what })?;
    }
    // What ran before is the same in every scenario: it was drawn once.
    let rng = &mut Rng::with_seed(0);
    let services = reading.files.into_iter().map(|file| {
        let mut service = planned(rng, file)?;
        calm(&mut service);
        Ok(service)
    });
    let services = services.collect::<anyhow::Result<Vec<_>>>()?;
    if services.is_empty() {
        return Err(anyhow!("a scenario begins with a service"));
    }
    let last = reading.steps.iter().map(|step| step.at).max().unwrap_or(0);
    Ok(Told {
        title: title.join("\n"),
        plan: Plan {
            services,
            steps: reading.steps,
            calm_at: last + AFTERMATH_SECONDS,
        },
    })
}

/// Targets without a mind of their own, where the release before the first one runs, and alarms
/// that are all there.
fn calm(service: &mut super::Planned) {
    let before = super::services::legacy(&service.file);
    let content = before.artefact.content();
    service.before = vec![before];
    let stages = service.config.stages.iter();
    service.alarms = stages.flat_map(|stage| stage.alarms.clone()).collect();
    for (_, habits, units) in &mut service.sites {
        habits.undoes = false;
        habits.hook = false;
        habits.alarms.clear();
        *units = vec![Some(content.clone()); 3];
    }
}

impl Reading {
    fn line(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            [] => Ok(()),
            ["service", name] => self.service(name, artefact(name, false)),
            ["service", name, "from", "images"] => self.service(name, artefact(name, true)),
            ["service", name, "from", "scanned", "images"] => {
                self.service(name, scanned(artefact(name, true)))
            }
            ["service", ..] => Err(SERVICE.to_owned()),
            ["stage", name, said @ ..] => self.stage(name, said),
            [when, who, what @ ..] if when.contains(':') => {
                let at = moment(when)?;
                let can = self.happens(at, who, what)?;
                let mut push = |service, what| {
                    let number = self.steps.len();
                    self.steps.push(Step {
                        number,
                        at,
                        by: None,
                        service,
                        what,
                    });
                };
                can.into_iter()
                    .for_each(|(service, what)| push(service, what));
                Ok(())
            }
            [first, ..] => Err(format!(
                "{first:?} begins no line: write service, stage, or a time such as 1:30"
            )),
        }
    }

    fn service(&mut self, name: &str, artefact: ArtefactSource) -> Result<(), String> {
        self.files.push(ServiceFile {
            service: name.to_owned(),
            artefact,
            queue: Queue::Newest,
            flood_per_minute: 5,
            stages: Vec::new(),
        });
        Ok(())
    }

    fn stage(&mut self, name: &str, said: &[&str]) -> Result<(), String> {
        let file = self.files.last_mut();
        let file = file.ok_or("a stage belongs to a service: write one first")?;
        let target = match &file.artefact {
            ArtefactSource::S3(_) => TargetFile::CodeDeploy(CodeDeployFile {
                application: file.service.clone(),
                group: name.to_owned(),
            }),
            ArtefactSource::Ecr(_) | ArtefactSource::Oci(_) => TargetFile::Ecs(EcsFile {
                cluster: name.to_owned(),
                service: file.service.clone(),
                containers: vec!["app".to_owned()],
                base: TaskBase::Running,
            }),
        };
        let mut stage = StageFile {
            name: name.to_owned(),
            target,
            account: None,
            region: None,
            role: None,
            external_id: None,
            gate: GateFile::Automatic,
            windows: Vec::new(),
            alarms: vec![format!("{}-{name}", file.service)],
            missing_data: domain::alarm::MissingData::Ignore,
            bake: "5m".to_owned(),
            timeout: "30m".to_owned(),
            rollbacks_per_day: 3,
            smoke: Vec::new(),
        };
        set(&mut stage, said)?;
        file.stages.push(stage);
        Ok(())
    }
}

/// Images that come in once their scan has ended and found nothing critical.
fn scanned(mut source: ArtefactSource) -> ArtefactSource {
    if let ArtefactSource::Ecr(ecr) = &mut source {
        ecr.max_severity = Some(Severity::High);
    }
    source
}

/// Sets what a line says of a stage: `bakes 10m`, `approved by 2`, `from slack`, `automatic`.
fn set(stage: &mut StageFile, said: &[&str]) -> Result<(), String> {
    match said {
        [] => Ok(()),
        ["bakes", how_long, rest @ ..] => {
            (*how_long).clone_into(&mut stage.bake);
            set(stage, rest)
        }
        ["automatic", rest @ ..] => {
            stage.gate = GateFile::Automatic;
            set(stage, rest)
        }
        ["approved", "by", count, rest @ ..] => {
            let count = count
                .parse()
                .map_err(|_| format!("{count:?} is no number"))?;
            let may = |name| format!("arn:aws:iam::*:user/{name}");
            stage.gate = GateFile::Approval(ApprovalFile {
                approvers: ["alice", "bob"].map(may).to_vec(),
                count,
                author_may_approve: false,
                expires_after: "2h".to_owned(),
                from_slack: false,
            });
            set(stage, rest)
        }
        ["from", "slack", rest @ ..] => {
            let GateFile::Approval(rule) = &mut stage.gate else {
                return Err("nobody is asked: say approved by 2 from slack".to_owned());
            };
            rule.from_slack = true;
            set(stage, rest)
        }
        [other, ..] => Err(format!(
            "{other:?} is nothing about a stage: bakes 10m, approved by 2 [from slack], automatic"
        )),
    }
}

/// Hours and minutes since the beginning, in seconds.
fn moment(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no time: write hours and minutes, such as 1:30");
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if minutes >= 60 {
        return Err(wrong());
    }
    Ok(i64::from(hours) * 3600 + i64::from(minutes) * 60)
}

/// What one line makes happen, and to which service.
type Can = Vec<(domain::ServiceName, Happens)>;

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn what_says_nothing_is_told_with_its_line_and_what_it_could_say() {
        let web = "service web\nstage dev\nstage live approved by 1\n";
        for (line, expected) in [
            ("dev", "line 4: \"dev\" begins no line"),
            ("1:61 alice thaws web", "line 4: \"1:61\" is no time"),
            (
                "1:00 alice aproves web live 1",
                "line 4: alice cannot \"aproves web live 1\"",
            ),
            ("1:00 mallory thaws web", "line 4: there is no \"mallory\""),
            (
                "1:00 alice thaws shop",
                "line 4: there is no service \"shop\"",
            ),
            (
                "1:00 alice approves web test 1",
                "line 4: web has no stage \"test\"",
            ),
            (
                "stage test from slack",
                "line 4: nobody is asked: say approved by 2 from slack",
            ),
            (
                "stage test bakes 1m quickly",
                "line 4: \"quickly\" is nothing about a stage",
            ),
        ] {
            let said = wrong(&format!("{web}{line}\n"));
            assert!(said.starts_with(expected), "{line}: {said}");
        }
        assert_eq!(wrong("# nothing"), "a scenario begins with a service");
        assert_eq!(
            wrong("stage dev"),
            "line 1: a stage belongs to a service: write one first"
        );
    }

    #[test]
    fn a_scenario_is_read_with_its_title_and_its_times() {
        let text = "# One.\n# Two.\n\nservice web # mine\nstage dev\n0:05 jenkins brings web 1.0\n";
        let told = read(text).unwrap();
        assert_eq!(told.title, "One.\nTwo.");
        assert_eq!(told.plan.steps.first().unwrap().at, 300);
        assert_eq!(told.plan.calm_at, 360);
    }
}
