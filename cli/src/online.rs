//! Whether what a service file names is there, and configured so that Lastgood can work with it.
//! Looking is [`mod@see`], judging is [`judge`]; what may not be looked at is a warning, because it
//! says nothing about the file.

use aws::survey::{Compute, Controller, SeenGroup, SeenService, Unseen};
use domain::alarm::{AlarmSeen, AlarmState};
use domain::config::{ServiceConfig, Source, StageConfig, Target};
use domain::file::Problem;

mod see;

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
                None,
            );
            continue;
        }
        about.service(seen.service.as_ref());
        about.group(seen.group.as_ref());
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

#[cfg(test)]
mod tests {
    use aws::survey::SeenBucket;
    use domain::alarm::Voice;
    use domain::file::{Home, ServiceFile};
    use domain::{SignedDuration, Timestamp};

    use super::see::SeenStage;
    use super::*;

    fn config(target: &str) -> ServiceConfig {
        let text = format!(
            r#"{{ "service": "web", "artefact": {{ "ecr": {{ "repository": "web" }} }}, "stages": [
                {{ "name": "dev", "target": {target}, "alarms": ["web-5xx", "web-slow"] }}
            ] }}"#
        );
        let home = Home {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
        };
        let file: ServiceFile = serde_json::from_str(&text).unwrap();
        file.resolve(&home).unwrap()
    }

    const ECS: &str =
        r#"{ "ecs": { "cluster": "dev", "service": "web", "containers": ["web", "app"] } }"#;
    const BLUE: &str = r#"{ "codedeploy_ecs": { "application": "web", "group": "dev",
        "cluster": "dev", "service": "web", "containers": ["web"], "container": "web", "port": 80 } }"#;

    fn service() -> SeenService {
        SeenService {
            controller: Controller::Ecs,
            desired: 2,
            definition: "web:7".into(),
            containers: vec![
                ("web".into(), "image".into()),
                ("app".into(), "image".into()),
            ],
            doors: vec![("web".into(), 8080)],
            alarms: Vec::new(),
            bake: SignedDuration::ZERO,
        }
    }

    fn group() -> SeenGroup {
        SeenGroup {
            compute: Compute::Ecs {
                cluster: "dev".into(),
                service: "web".into(),
            },
            alarms: Vec::new(),
            returns_on_alarm: false,
            last_object: None,
        }
    }

    fn alarm(name: &str, state: AlarmState) -> AlarmSeen {
        let arn = format!("arn:aws:cloudwatch:ap-south-1:111122223333:alarm:{name}");
        AlarmSeen {
            alarm: arn.parse().unwrap(),
            state,
            voice: Voice::Heard,
            changed_at: Timestamp::UNIX_EPOCH,
            reason: String::new(),
        }
    }

    fn seen(service: SeenService) -> Seen {
        let alarms = [("web-5xx", AlarmState::Ok), ("web-slow", AlarmState::Ok)];
        Seen {
            source: Ok(SeenSource::Repository),
            stages: vec![SeenStage {
                place: Ok(()),
                service: Some(Ok(service)),
                group: None,
                alarms: Ok(alarms.map(|(name, state)| alarm(name, state)).into()),
            }],
        }
    }

    fn told(target: &str, seen: &Seen) -> String {
        let Judgement { wrong, doubts } = judge(&config(target), seen);
        let line = |sign: &'static str| move |it: &Problem| format!("{sign} {it}");
        let lines = wrong.iter().map(line("!"));
        let lines = lines.chain(doubts.iter().map(line("?")));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_as_it_should_be_is_not_talked_about() {
        assert_eq!(told(ECS, &seen(service())), "");
    }

    #[test]
    fn what_contradicts_the_file_is_told_where_it_stands() {
        let strange = SeenService {
            controller: Controller::CodeDeploy,
            desired: 0,
            containers: vec![("web".into(), "image".into())],
            alarms: vec!["web-5xx".into(), "web-memory".into()],
            bake: SignedDuration::from_mins(90),
            ..service()
        };
        let mut all = seen(strange);
        all.stages[0].alarms = Ok(vec![alarm("web-5xx", AlarmState::Alarm)]);
        insta::assert_snapshot!(told(ECS, &all));
    }

    #[test]
    fn a_groups_own_configuration_must_not_contradict_the_stages() {
        let blue = SeenService {
            controller: Controller::CodeDeploy,
            ..service()
        };
        let mut all = seen(blue);
        all.stages[0].group = Some(Ok(SeenGroup {
            compute: Compute::Server,
            alarms: vec!["web-memory".into()],
            ..group()
        }));
        insta::assert_snapshot!(told(BLUE, &all));
        all.stages[0].group = Some(Ok(group()));
        assert!(told(BLUE, &all).starts_with("! /stages/0/target/codedeploy_ecs/port"));
    }

    #[test]
    fn what_is_missing_is_wrong_and_what_may_not_be_seen_is_a_doubt() {
        let mut all = seen(service());
        all.source = Err(Unseen::Missing("gone".into()));
        all.stages[0].service = Some(Err(Unseen::Missing("there is no cluster dev".into())));
        all.stages[0].alarms = Err(Unseen::Forbidden("AccessDenied".into()));
        insta::assert_snapshot!(told(ECS, &all));
        all.source = Err(Unseen::Forbidden("AccessDenied".into()));
        all.stages[0].place = Err(Unseen::Forbidden("sts:AssumeRole: AccessDenied".into()));
        let judgement = judge(&config(ECS), &all);
        assert_eq!(judgement.wrong, []);
        assert_eq!(judgement.doubts.len(), 2);
    }

    #[test]
    fn a_bucket_has_to_keep_versions_and_to_tell_of_uploads() {
        let mut config = config(ECS);
        config.source = Source::S3 {
            bucket: "shop".into(),
            prefix: String::new(),
        };
        let mut all = seen(service());
        all.source = Ok(SeenSource::Bucket(SeenBucket {
            keeps_versions: false,
            tells_events: false,
        }));
        let judgement = judge(&config, &all);
        assert_eq!(judgement.wrong.len(), 2);
        assert!(
            judgement
                .wrong
                .iter()
                .all(|it| it.path == "/artefact/s3/bucket")
        );
    }
}
