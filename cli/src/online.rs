//! Whether what a service file names is there, and configured so that Lastgood can work with it.
//! Looking is [`mod@see`], judging is [`judge`]; what may not be looked at is a warning, because it
//! says nothing about the file.

use aws::survey::{Compute, Controller, SeenGroup, SeenService, Unseen};
use domain::alarm::{AlarmSeen, AlarmState};
use domain::config::{ServiceConfig, Source, StageConfig, Target};
use domain::file::Problem;

mod balance;
mod see;
#[cfg(test)]
mod tests;

use self::see::SeenSource;
pub(crate) use self::see::{Seen, see};

/// What is wrong, and what might be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// The file cannot work as it is.
    pub(crate) wrong: Vec<Problem>,
    /// A person should look.
    pub(crate) doubts: Vec<Problem>,
}

/// Judges what was seen.
pub(crate) fn judge(config: &ServiceConfig, seen: &Seen) -> Judgement {
    let mut judgement = Judgement::default();
    source(&mut judgement, config, &seen.source);
    for (at, (stage, seen)) in config.stages.iter().zip(&seen.stages).enumerate() {
        let mut about = About {
            judgement: &mut judgement,
            at: format!("/stages/{at}"),
            stage,
        };
        if let Err(unseen) = &seen.place {
            // Whether the deployer may is another question; from here nothing more can be seen.
            about.doubt(
                "/role",
                format!("its account cannot be looked into: {unseen}"),
                Some("a role of infra/target-account.yaml trusts Lastgood's functions only: apply says what they meet"),
            );
            continue;
        }
        about.service(seen.service.as_ref());
        about.group(seen.group.as_ref());
        about.target_groups(seen);
        about.alarms(&seen.alarms);
    }
    judgement
}

fn source(judgement: &mut Judgement, config: &ServiceConfig, seen: &Result<SeenSource, Unseen>) {
    let (path, named) = match &config.source {
        Source::S3 { bucket, .. } => ("/artefact/s3/bucket", format!("bucket {bucket}")),
        Source::Ecr { repository, .. } => (
            "/artefact/ecr/repository",
            format!("repository {repository}"),
        ),
        Source::Oci {
            registry,
            repository,
            ..
        } => (
            "/artefact/oci/repository",
            format!("repository {registry}/{repository}"),
        ),
    };
    let mut wrong = |message: String, hint: &str| {
        judgement.wrong.push(problem(path, message, Some(hint)));
    };
    match seen {
        Ok(SeenSource::Repository) => {}
        Ok(SeenSource::Bucket(bucket)) => {
            if !bucket.keeps_versions {
                wrong(
                    format!("the {named} keeps no versions"),
                    "switch versioning on: what was approved must not change",
                );
            }
            if !bucket.tells_events {
                wrong(
                    format!("the {named} does not tell EventBridge of uploads"),
                    "switch EventBridge notifications on, else no upload becomes a release",
                );
            }
        }
        Err(Unseen::Missing(_)) => wrong(
            format!("there is no {named}"),
            "is the name right, and is it this account's?",
        ),
        Err(unseen @ (Unseen::Forbidden(_) | Unseen::Unclear(_))) => {
            let message = format!("the {named} was not looked at: {unseen}");
            judgement.doubts.push(problem(path, message, None));
        }
    }
}

fn problem(path: &str, message: String, hint: Option<&str>) -> Problem {
    Problem {
        path: path.to_owned(),
        message,
        hint: hint.map(str::to_owned),
    }
}

/// One stage, while it is judged.
struct About<'a> {
    judgement: &'a mut Judgement,
    at: String,
    stage: &'a StageConfig,
}

impl About<'_> {
    fn wrong(&mut self, path: &str, message: String, hint: &str) {
        let path = format!("{}{path}", self.at);
        self.judgement
            .wrong
            .push(problem(&path, message, Some(hint)));
    }

    fn doubt(&mut self, path: &str, message: String, hint: Option<&str>) {
        let path = format!("{}{path}", self.at);
        self.judgement.doubts.push(problem(&path, message, hint));
    }

    fn target_path(&self) -> &'static str {
        match self.stage.target {
            Target::Ecs { .. } => "/target/ecs",
            Target::CodeDeploy { .. } => "/target/codedeploy",
            Target::CodeDeployEcs { .. } => "/target/codedeploy_ecs",
        }
    }

    /// What is there, once what could not be seen is told.
    fn there<'b, T>(&mut self, path: &str, seen: Option<&'b Result<T, Unseen>>) -> Option<&'b T> {
        match seen? {
            Ok(seen) => Some(seen),
            Err(Unseen::Missing(words)) => {
                self.wrong(path, words.clone(), "is the name right, and the account?");
                None
            }
            Err(unseen @ (Unseen::Forbidden(_) | Unseen::Unclear(_))) => {
                self.doubt(path, format!("it was not looked at: {unseen}"), None);
                None
            }
        }
    }

    fn service(&mut self, seen: Option<&Result<SeenService, Unseen>>) {
        let path = self.target_path();
        let Some(seen) = self.there(&format!("{path}/service"), seen) else {
            return;
        };
        let (containers, wants) = match &self.stage.target {
            Target::Ecs { containers, .. } => (containers, Controller::Ecs),
            Target::CodeDeployEcs { containers, .. } => (containers, Controller::CodeDeploy),
            Target::CodeDeploy { .. } => return,
        };
        if seen.controller != wants {
            let (is, hint) = match &seen.controller {
                Controller::Ecs => ("ECS itself", "use target: ecs"),
                Controller::CodeDeploy => ("CodeDeploy", "use target: codedeploy_ecs"),
                Controller::Other(other) => {
                    (other.as_str(), "Lastgood deploys through ECS or CodeDeploy")
                }
            };
            self.wrong(
                &format!("{path}/service"),
                format!("the service is deployed by {is}"),
                hint,
            );
        }
        for (at, name) in containers.iter().enumerate() {
            let known: Vec<&str> = seen.containers.iter().map(|(it, _)| it.as_str()).collect();
            if !known.contains(&name.as_str()) {
                self.wrong(
                    &format!("{path}/containers/{at}"),
                    format!("{} has no container {name}", seen.definition),
                    &format!("it has {}", known.join(", ")),
                );
            }
        }
        self.door(seen);
        if seen.bake >= self.stage.timeout {
            self.wrong(
                "/timeout",
                format!("ECS itself bakes for {:#}", seen.bake),
                "give a deployment longer than that, or every one counts as failed",
            );
        }
        if seen.desired == 0 {
            let message = "the service wants no tasks: a deployment there proves nothing";
            self.doubt(&format!("{path}/service"), message.to_owned(), None);
        }
        self.own_alarms("ECS", &seen.alarms);
    }

    fn door(&mut self, seen: &SeenService) {
        let Target::CodeDeployEcs {
            container, port, ..
        } = &self.stage.target
        else {
            return;
        };
        let is_door = |(name, number): &(String, u16)| name == container && number == port;
        if !seen.doors.is_empty() && !seen.doors.iter().any(is_door) {
            let doors: Vec<String> = seen
                .doors
                .iter()
                .map(|(name, port)| format!("{name}:{port}"))
                .collect();
            self.wrong(
                "/target/codedeploy_ecs/port",
                format!("no traffic goes to {container}:{port}"),
                &format!("the load balancer knows {}", doors.join(", ")),
            );
        }
    }

    fn group(&mut self, seen: Option<&Result<SeenGroup, Unseen>>) {
        let path = format!("{}/group", self.target_path());
        let Some(seen) = self.there(&path, seen) else {
            return;
        };
        match (&self.stage.target, &seen.compute) {
            (Target::CodeDeploy { .. }, Compute::Server) | (Target::Ecs { .. }, _) => {}
            (
                Target::CodeDeployEcs {
                    cluster, service, ..
                },
                Compute::Ecs {
                    cluster: c,
                    service: s,
                },
            ) if c == cluster && s == service => {}
            (_, Compute::Server) => self.wrong(
                &path,
                "the group deploys to instances".to_owned(),
                "use target: codedeploy",
            ),
            (_, Compute::Ecs { cluster, service }) => self.wrong(
                &path,
                format!("the group deploys to the ECS service {cluster}/{service}"),
                "use target: codedeploy_ecs with that service",
            ),
            (_, Compute::Other(other)) => self.wrong(
                &path,
                format!("the group deploys to {other}"),
                "Lastgood deploys to instances and to ECS services",
            ),
        }
        if !seen.alarms.is_empty() && !seen.returns_on_alarm {
            self.doubt(
                &path,
                "on its own alarms the group stops, and does not go back".to_owned(),
                Some("let it roll back on DEPLOYMENT_STOP_ON_ALARM, or leave alarms to Lastgood"),
            );
        }
        self.own_alarms("CodeDeploy", &seen.alarms);
    }

    /// Alarms that the platform itself acts on belong into the file: else a release is undone by
    /// what the stage never looks at before it starts one.
    fn own_alarms(&mut self, who: &str, alarms: &[String]) {
        let is_named = |name: &&String| self.stage.alarms.iter().any(|it| it.name() == **name);
        let strange: Vec<String> = alarms.iter().filter(|it| !is_named(it)).cloned().collect();
        if !strange.is_empty() {
            self.doubt(
                "/alarms",
                format!(
                    "{who} itself acts on {}, which the stage does not name",
                    strange.join(", ")
                ),
                Some("name it, so that it holds a deployment as long as it fires"),
            );
        }
    }

    fn alarms(&mut self, seen: &Result<Vec<AlarmSeen>, Unseen>) {
        if self.stage.alarms.is_empty() {
            let message =
                "without an alarm nothing here is rolled back by itself after a deployment";
            self.doubt("/name", message.to_owned(), None);
        }
        let seen = match seen {
            Ok(seen) => seen,
            Err(unseen) => {
                self.doubt(
                    "/alarms",
                    format!("they were not looked at: {unseen}"),
                    None,
                );
                return;
            }
        };
        for (at, alarm) in self.stage.alarms.iter().enumerate() {
            let path = format!("/alarms/{at}");
            let name = alarm.name();
            match seen.iter().find(|it| it.alarm == *alarm) {
                None => self.wrong(
                    &path,
                    format!("there is no alarm {alarm}"),
                    "an alarm that is missing rolls nothing back",
                ),
                Some(it) if it.state == AlarmState::Alarm => {
                    self.doubt(
                        &path,
                        format!("{name} fires: it holds every deployment"),
                        None,
                    );
                }
                Some(it) if it.state == AlarmState::InsufficientData => {
                    self.doubt(
                        &path,
                        format!("{name} has no data: it watches nothing yet"),
                        None,
                    );
                }
                Some(_) => {}
            }
        }
    }
}
