//! What a service file comes to, and what it says when it is wrong.

use super::*;
use crate::SignedDuration;
use crate::config::{AuthorMay, Gate, ServiceConfig, Source, Target};
use crate::scan::Severity;

fn home() -> Home {
    Home {
        account: "111122223333".parse().unwrap(),
        region: "ap-south-1".parse().unwrap(),
    }
}

fn web() -> serde_json::Value {
    serde_json::json!({
        "service": "web",
        "artefact": { "ecr": { "repository": "shop/web", "tags": ["main-*"] } },
        "stages": [
            {
                "name": "dev",
                "target": { "ecs": { "cluster": "dev", "service": "web", "containers": ["web"] } },
                "bake": "2m",
                "alarms": ["web-dev-5xx"]
            },
            {
                "name": "production",
                "target": { "ecs": { "cluster": "live", "service": "web", "containers": ["web"] } },
                "gate": { "approval": { "approvers": ["arn:aws:iam::*:user/alice"] } },
                "windows": ["Mon-Fri 10:00-17:00 Asia/Kolkata"],
                "smoke": [{ "url": "https://shop.example/health" }]
            }
        ]
    })
}

fn resolve(file: serde_json::Value) -> Result<ServiceConfig, Vec<Problem>> {
    serde_json::from_value::<ServiceFile>(file)
        .unwrap()
        .resolve(&home())
}

/// The file with the value at a JSON pointer replaced.
fn with(path: &str, value: serde_json::Value) -> serde_json::Value {
    let mut file = web();
    let (parent, key) = path.rsplit_once('/').unwrap();
    let parent = file.pointer_mut(parent).unwrap();
    if let Some(items) = parent.as_array_mut() {
        items[key.parse::<usize>().unwrap()] = value;
    } else {
        parent[key] = value;
    }
    file
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = resolve(web()).unwrap();
    let Source::Ecr {
        account, region, ..
    } = &config.source
    else {
        panic!("an image")
    };
    assert_eq!(
        (account.as_str(), region.as_str()),
        ("111122223333", "ap-south-1")
    );
    assert_eq!((config.queue, config.flood_per_minute), (Queue::Newest, 20));
    let [dev, production] = config.stages.as_slice() else {
        panic!("two stages")
    };
    assert_eq!(dev.gate, Gate::Automatic);
    assert_eq!(dev.bake, SignedDuration::from_secs(120));
    assert_eq!(dev.timeout, SignedDuration::from_mins(60));
    assert_eq!(dev.rollbacks_per_day, 3);
    assert_eq!(dev.missing_data, MissingData::Ignore);
    assert_eq!(
        dev.alarms[0].as_str(),
        "arn:aws:cloudwatch:ap-south-1:111122223333:alarm:web-dev-5xx"
    );
    let Target::Ecs { base, .. } = &dev.target else {
        panic!("an ECS service")
    };
    assert_eq!(*base, TaskBase::Running);
    let Gate::Approval(rule) = &production.gate else {
        panic!("a person")
    };
    assert_eq!((rule.count, rule.author), (1, AuthorMay::NotApprove));
    assert_eq!(rule.expires_after, SignedDuration::from_hours(7 * 24));
    assert_eq!(production.bake, SignedDuration::from_mins(5));
    assert_eq!(production.smoke[0].status, 200);
}

#[test]
fn texts_and_lists_may_be_exactly_as_long_as_the_limit_says() {
    let problems = |tags: Vec<String>| {
        let file = with("/artefact/ecr/tags", tags.into());
        let problems = resolve(file).err().unwrap_or_default();
        let said = problems.iter().map(|problem| problem.message.clone());
        said.collect::<Vec<String>>()
    };
    let long = |bytes: usize| vec!["m".repeat(bytes)];
    assert!(problems(long(1024)).is_empty());
    assert_eq!(problems(long(1025)), ["it is 1025 bytes long"]);
    let many = |count: usize| (0..count).map(|at| format!("main-{at}")).collect();
    assert!(problems(many(20)).is_empty());
    assert_eq!(problems(many(21)), ["21 are too many"]);
}

#[test]
fn durations_may_be_exactly_what_the_bounds_say() {
    for (path, inside, outside) in [
        ("/stages/0/bake", ["0s", "7d"], ["-1s", "604801s"]),
        ("/stages/0/timeout", ["60s", "7d"], ["59s", "604801s"]),
        (
            "/stages/1/gate/approval/expires_after",
            ["60s", "60d"],
            ["59s", "5184001s"],
        ),
    ] {
        let fits = |value: &str| resolve(with(path, value.into())).is_ok();
        assert_eq!(inside.map(fits), [true; 2], "{path}");
        assert_eq!(outside.map(fits), [false; 2], "{path}");
    }
}

#[test]
fn one_to_ten_people_may_be_asked() {
    let fits = |count: u32| resolve(with("/stages/1/gate/approval/count", count.into())).is_ok();
    assert_eq!([0, 1, 10, 11].map(fits), [false, true, true, false]);
}

#[test]
fn an_alarms_name_is_of_the_stages_own_place() {
    let mut file = with("/stages/0/region", "eu-central-1".into());
    file["stages"][0]["account"] = "444455556666".into();
    file["stages"][0]["role"] = "arn:aws:iam::444455556666:role/lastgood".into();
    file["stages"][0]["external_id"] = "shop".into();
    let config = resolve(file).unwrap();
    assert_eq!(
        config.stages[0].alarms[0].as_str(),
        "arn:aws:cloudwatch:eu-central-1:444455556666:alarm:web-dev-5xx"
    );
    let role = config.stages[0].place.role.as_ref().unwrap();
    assert_eq!(role.external_id.as_deref(), Some("shop"));
}

/// What is changed | to what | where the problem is (`.` for the same place) | what it says.
const WRONG: &str = r#"
/service | "Web" | . | is no service name
/service | "unclaimed" | . | taken by Lastgood
/flood_per_minute | 0 | . | is no limit
/stages | [] | . | needs a stage
/artefact/ecr/tags | [] | . | list is empty
/artefact/ecr/account | "12" | . | twelve digits
/artefact/ecr/region | "Mumbai" | . | no AWS Region
/artefact/ecr/repository | "Shop/web:1" | . | no repository's name
/artefact | {"oci": {"registry": "shop", "repository": "web"}} | ./oci/registry | is no registry
/artefact | {"oci": {"registry": "index.docker.io", "repository": "a/b"}} | ./oci/registry | Docker Hub's
/artefact | {"oci": {"registry": "1.dkr.ecr.eu-west-1.amazonaws.com", "repository": "web"}} | ./oci/registry | ECR
/artefact | {"oci": {"registry": "ghcr.io", "repository": "ghcr.io/shop//web"}} | ./oci/repository | no repository's
/artefact | {"oci": {"registry": "ghcr.io", "repository": "shop/web", "tags": []}} | ./oci/tags | list is empty
/artefact | {"s3": {"bucket": "s3://x/y"}} | ./s3/bucket | no bucket's name
/artefact | {"s3": {"bucket": "shop", "prefix": "/web"}} | ./s3/prefix | slash
/artefact | {"s3": {"bucket": "shop"}} | /stages/0/target | runs images
/stages/1/name | "dev" | . | names /stages/0 already
/stages/1/target/ecs/cluster | "dev" | /stages/1/target | target of /stages/0
/stages/0/target/ecs/containers | [] | . | list is empty
/stages/0/target/ecs/containers | ["web", "web"] | ./1 | listed already
/stages/0/target/ecs/service | "arn:aws:ecs:x:1:service/dev/web" | . | is no name
/stages/0/target | {"codedeploy": {"application": "web", "group": ""}} | ./codedeploy/group | empty
/stages/0/target | {"codedeploy": {"application": "web", "group": "dev"}} | . | deploys archives
/stages/0/bake | "5 parsecs" | . | is no duration
/stages/0/bake | "2mo" | . | is no duration
/stages/0/bake | "30d" | . | out of bounds
/stages/0/bake | "-5m" | . | out of bounds
/stages/0/timeout | "1s" | . | out of bounds
/stages/0/rollbacks_per_day | 0 | . | is no limit
/stages/0/alarms | ["a", ""] | ./1 | name is missing
/stages/0/alarms | ["arn:aws:sns:x"] | ./0 | no CloudWatch alarm ARN
/stages/0/alarms | ["a", "a"] | ./1 | listed already
/stages/0/alarms | ["a","b","c","d","e","f","g","h","i","j","k"] | . | 11 are too many
/stages/1/windows/0 | "Mon-Fri 10:00-17:00 Asia/Kolkatta" | . | is no time zone
/stages/1/gate/approval/approvers | [] | . | list is empty
/stages/1/gate/approval/approvers/0 | "alice" | . | matches no IAM identity
/stages/1/gate/approval/count | 0 | . | cannot be asked
/stages/1/gate/approval/expires_after | "1y" | . | is no duration
/stages/1/smoke/0/url | "shop.example" | . | no HTTP address
/stages/1/smoke/0/status | 99 | . | no HTTP status
/stages/0/account | "444455556666" | /stages/0/role | needs a role
/stages/0/external_id | "shop" | . | needs a role
/stages/0/role | "lastgood" | . | no IAM role's ARN
/stages/0/role | "arn:aws:iam::44445555666:role/lastgood" | . | no IAM role's ARN
/stages/0/role | "arn:aws:iam::444455556666:role/" | . | no IAM role's ARN
/stages/0/role | "arn:aws:iam::444455556666:user/alice" | . | no IAM role's ARN
/stages/0/role | "arn:aws:sts::444455556666:role/lastgood" | . | no IAM role's ARN
/stages/0/role | "arn:aws:iam:ap-south-1:444455556666:role/lastgood" | . | no IAM role's ARN
"#;

#[test]
fn each_problem_has_its_place() {
    for row in WRONG.lines().filter(|row| !row.is_empty()) {
        let [at, value, path, says] = row.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("four columns: {row}")
        };
        let path = path.replacen('.', at, 1);
        let problems = resolve(with(at, serde_json::from_str(value).unwrap())).expect_err(row);
        assert!(
            problems
                .iter()
                .any(|problem| problem.path == path && problem.message.contains(says)),
            "{row}: {problems:?}"
        );
    }
}

#[test]
fn images_of_any_registry_make_releases() {
    let oci = serde_json::json!({ "oci": { "registry": "docker.io", "repository": "shop/web" } });
    let config = resolve(with("/artefact", oci)).unwrap();
    let Source::Oci { registry, tags, .. } = &config.source else {
        panic!("{:?}", config.source)
    };
    assert_eq!(
        (registry.as_str(), tags.as_slice()),
        ("docker.io", &["*".to_owned()][..])
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let mut file = with("/stages/0/bake", "soon".into());
    file["stages"][1]["windows"] = serde_json::json!(["never", "Mon 10:00-11:00 Moon/Base"]);
    file["service"] = "9".into();
    let paths: Vec<String> = resolve(file)
        .unwrap_err()
        .into_iter()
        .map(|p| p.path)
        .collect();
    assert_eq!(
        paths,
        [
            "/service",
            "/stages/0/bake",
            "/stages/1/windows/0",
            "/stages/1/windows/1"
        ]
    );
}

#[test]
fn a_misspelt_hook_is_suggested() {
    let file = with(
        "/stages/0/target",
        serde_json::json!({ "codedeploy_ecs": {
            "application": "web", "group": "blue", "cluster": "dev", "service": "web",
            "containers": ["web"], "container": "web", "port": 8080,
            "hooks": [{ "event": "AfterAlowTraffic", "function": "lifecycle-hook" }]
        }}),
    );
    let problems = resolve(file).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "/stages/0/target/codedeploy_ecs/hooks/0/event: \"AfterAlowTraffic\" is no lifecycle event \
         of an ECS deployment (did you mean AfterAllowTraffic?)"
    );
}

#[test]
fn the_worst_that_a_scan_may_find_is_said_in_the_words_of_aws() {
    let Source::Ecr { max_severity, .. } = resolve(web()).unwrap().source else {
        panic!("an image")
    };
    assert_eq!(max_severity, None);
    let file = with("/artefact/ecr/max_severity", "HIGH".into());
    let config = resolve(file.clone()).unwrap();
    let Source::Ecr { max_severity, .. } = &config.source else {
        panic!("an image")
    };
    assert_eq!(*max_severity, Some(Severity::High));
    let written = serde_json::to_value(ServiceFile::of(&config, &home())).unwrap();
    assert_eq!(written["artefact"], file["artefact"]);
    let file = with("/artefact/ecr/max_severity", "high".into());
    assert!(serde_json::from_value::<ServiceFile>(file).is_err());
}

#[test]
fn an_unknown_key_is_refused() {
    let file = with("/stages/0/bakes", "5m".into());
    let error = serde_json::from_value::<ServiceFile>(file)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("unknown field `bakes`") && error.contains("`bake`"),
        "{error}"
    );
}

#[test]
fn a_file_reads_back() {
    let file: ServiceFile = serde_json::from_value(web()).unwrap();
    let again: ServiceFile = serde_json::from_value(serde_json::to_value(&file).unwrap()).unwrap();
    assert_eq!(file, again);
}

#[test]
fn durations_are_written_as_people_do() {
    for (text, seconds, words) in [
        ("10s", 10, "10s"),
        ("90m", 5400, "1h30m"),
        ("1w", 604_800, "7d"),
        ("0s", 0, "0s"),
        ("1h 30m", 5400, "1h30m"),
        ("0.5m", 30, "30s"),
        ("1000ms", 1, "1s"),
    ] {
        let duration = span::parse(text).unwrap();
        assert_eq!(duration.as_secs(), seconds, "{text}");
        assert_eq!(span::words(duration), words);
    }
    for bad in ["", "5", "m", "1y", "one hour", "1.5s", "1ms"] {
        assert!(span::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_list_that_is_far_too_long_is_one_problem_and_not_one_for_each_of_its_items() {
    let text = serde_json::json!("no");
    for (path, wrong) in [
        ("/artefact/ecr/tags", serde_json::json!("")),
        ("/stages/0/alarms", serde_json::json!("")),
        ("/stages/0/target/ecs/containers", text.clone()),
        ("/stages/1/windows", text.clone()),
        ("/stages/1/gate/approval/approvers", text),
        (
            "/stages/1/smoke",
            serde_json::json!({ "url": "no", "status": 1 }),
        ),
    ] {
        let mut file = web();
        *file.pointer_mut(path).unwrap() = vec![wrong; 20_000].into();
        let file: ServiceFile = serde_json::from_value(file).unwrap();
        let problems = file.resolve(&home()).unwrap_err();
        assert!(problems.len() < 100, "{path}: {}", problems.len());
        assert!(problems.iter().any(|one| one.path == path), "{path}");
    }
    let mut file = web();
    let stage = file["stages"][0].clone();
    file["stages"] = vec![stage; 1000].into();
    let file: ServiceFile = serde_json::from_value(file).unwrap();
    let problems = file.resolve(&home()).unwrap_err();
    assert!(problems.len() < 100, "{}", problems.len());
    assert!(problems.iter().any(|one| one.path == "/stages"));
}
