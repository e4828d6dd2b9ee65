//! The service file: YAML, what it says, and that it can be written again.

use std::sync::LazyLock;

use domain::file::{Home, ServiceFile};

use super::{Target, samples};

/// Largest file that is looked at, in bytes: the command line reads none that is larger.
const FILE_BYTES_MAX: usize = 100 * 1024;

#[expect(clippy::expect_used, reason = "two literals")]
static HOME: LazyLock<Home> = LazyLock::new(|| Home {
    account: "111122223333".parse().expect("an account"),
    region: "ap-south-1".parse().expect("a Region"),
});

/// A service file as people write it.
pub(super) const SERVICE_FILE: Target = Target {
    name: "service-file",
    read,
    seeds: || {
        let written = samples("infra/examples").into_iter();
        written
            .filter(|bytes| {
                bytes.windows(9).any(|word| word == b"\nservice:") || bytes.starts_with(b"service:")
            })
            .chain([EVERYTHING_SAID.into(), ANCHORED.into()])
            .collect()
    },
};

/// Every field there is.
const EVERYTHING_SAID: &str = r#"service: web
artefact:
  ecr: { repository: shop/web, tags: ["main-*"], account: "444455556666", region: eu-west-1 }
queue: all
flood_per_minute: 7
stages:
  - name: dev
    target: { ecs: { cluster: dev, service: web, containers: [web], base: newest } }
    bake: 2m
    alarms: [web-dev-5xx, "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:web-eu"]
    rollbacks_per_day: 5
  - name: production
    account: "444455556666"
    region: eu-west-1
    role: arn:aws:iam::444455556666:role/lastgood-target-web
    external_id: shop
    target:
      codedeploy_ecs: { application: web, group: blue, cluster: live, service: web,
        containers: [web], container: web, port: 80,
        hooks: [{ event: AfterAllowTestTraffic, function: f }] }
    gate:
      approval: { approvers: ["arn:aws:iam::*:user/alice"], count: 2, author_may_approve: true,
        expires_after: 1d12h }
    windows: ["Mon-Fri 10:00-24:00 Asia/Kolkata", "Sat,Sun 02:30-03:00 Europe/London"]
    missing_data: alarm
    timeout: 1h30m
    smoke: [{ url: "https://shop.example/health", status: 204 }]
"#;

/// What YAML can do beyond that.
const ANCHORED: &str = r"%YAML 1.2
---
service: &name billing
artefact: { s3: { bucket: shop-artefacts, prefix: >-
      billing/ } }
stages:
  - &dev
    name: dev
    target: { codedeploy: { application: *name, group: 'dev' } }
    bake: !!str 2m
  - <<: *dev
    name: test
    target: { codedeploy: { application: *name, group: |-
          test } }
...
";

fn read(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if text.len() > FILE_BYTES_MAX {
        return;
    }
    match serde_saphyr::from_str::<ServiceFile>(text) {
        Ok(file) => {
            resolve(&file);
            if let Ok(written) = serde_saphyr::to_string(&file) {
                let again = serde_saphyr::from_str::<ServiceFile>(&written);
                assert_eq!(again.ok(), Some(file), "a file reads back: {written}");
            }
        }
        Err(error) => {
            let _ = error.location();
            let _ = error.without_snippet().to_string();
        }
    }
}

/// A file comes to a configuration, which comes to a file that means the same; or to problems.
pub(super) fn resolve(file: &ServiceFile) {
    match file.resolve(&HOME) {
        Ok(config) => {
            let written = ServiceFile::of(&config, &HOME);
            assert_eq!(
                written.resolve(&HOME).as_ref(),
                Ok(&config),
                "it means the same"
            );
            let stored = serde_json::to_string(&config).ok();
            let read = stored.and_then(|stored| serde_json::from_str(&stored).ok());
            assert_eq!(read, Some(config), "a configuration reads back");
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "what is wrong is said");
            for problem in problems {
                drop(problem.to_string());
            }
        }
    }
}
