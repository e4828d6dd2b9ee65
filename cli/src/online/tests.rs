//! What is told of what was seen.

use aws::survey::{SeenBucket, TargetKind};
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
        target_groups: Vec::new(),
        own_addresses: true,
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
        target_groups: Vec::new(),
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
            target_groups: Vec::new(),
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

/// A stage of a service with addresses of its own, or without, and what was seen of its groups.
fn balanced(own_addresses: bool, groups: Vec<(&str, Result<TargetKind, Unseen>)>) -> Seen {
    let mut all = seen(SeenService {
        own_addresses,
        ..service()
    });
    let groups = groups.into_iter();
    all.stages[0].target_groups = groups.map(|(name, seen)| (name.to_owned(), seen)).collect();
    all
}

#[test]
fn a_target_group_has_to_be_there_and_to_take_what_the_target_has() {
    let arn = "arn:aws:elasticloadbalancing:ap-south-1:111122223333:targetgroup/web-blue/0123";
    let fits = vec![(arn, Ok(TargetKind::Address))];
    assert_eq!(told(ECS, &balanced(true, fits)), "");
    assert_eq!(
        told(ECS, &balanced(false, vec![(arn, Ok(TargetKind::Instance))])),
        ""
    );
    let groups = || {
        vec![
            (arn, Ok(TargetKind::Instance)),
            ("web-green", Ok(TargetKind::Address)),
            ("web-lambda", Ok(TargetKind::Other("lambda".into()))),
            (
                "web-gone",
                Err(Unseen::Missing("there is no target group web-gone".into())),
            ),
            ("web-hidden", Err(Unseen::Forbidden("AccessDenied".into()))),
        ]
    };
    let [awsvpc, bridge] = [true, false].map(|own| told(ECS, &balanced(own, groups())));
    insta::assert_snapshot!(format!("awsvpc:\n{awsvpc}\n\nbridge:\n{bridge}"));
}

#[test]
fn instances_are_registered_by_their_ids_and_what_cannot_be_told_is_not_judged() {
    let groups = || vec![("web", Ok(TargetKind::Address))];
    let mut all = balanced(true, groups());
    all.stages[0].service = None;
    let group = r#"{ "codedeploy": { "application": "web", "group": "dev" } }"#;
    let mut config = config(ECS);
    let stage: ServiceConfig = {
        let text = format!(
            r#"{{ "service": "web", "artefact": {{ "s3": {{ "bucket": "web" }} }}, "stages": [
                {{ "name": "dev", "target": {group}, "alarms": ["web-5xx", "web-slow"] }} ] }}"#
        );
        let file: ServiceFile = serde_json::from_str(&text).unwrap();
        let home = Home {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
        };
        file.resolve(&home).unwrap()
    };
    config.stages = stage.stages;
    let judgement = judge(&config, &all);
    assert_eq!(
        judgement.wrong[0].to_string(),
        "/stages/0/target/codedeploy/group: the target group web takes addresses (use target type instance)"
    );
    let mut all = balanced(true, groups());
    all.stages[0].service = Some(Err(Unseen::Forbidden("AccessDenied".into())));
    assert!(!told(ECS, &all).contains("target group"));
}
