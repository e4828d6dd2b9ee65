//! The other way round: the service file that would make a configuration. What is the ledger's own
//! account and Region is left out, as people do.

use super::{
    ApprovalFile, ArtefactSource, CodeDeployEcsFile, CodeDeployFile, EcrSource, EcsFile, GateFile,
    Home, OciSource, S3Source, ServiceFile, StageFile, TargetFile, span,
};
use crate::config::{AuthorMay, Gate, Place, ServiceConfig, SlackMay, Source, StageConfig, Target};
use crate::name::{AccountId, AlarmArn, Region};

impl ServiceFile {
    /// The file that resolves to this configuration.
    #[must_use]
    pub fn of(config: &ServiceConfig, home: &Home) -> Self {
        let artefact = match &config.source {
            Source::S3 { bucket, prefix } => ArtefactSource::S3(S3Source {
                bucket: bucket.clone(),
                prefix: prefix.clone(),
            }),
            Source::Ecr {
                account,
                region,
                repository,
                tags,
                max_severity,
            } => {
                let (account, region) = elsewhere(account, region, home);
                ArtefactSource::Ecr(EcrSource {
                    repository: repository.clone(),
                    tags: tags.clone(),
                    account,
                    region,
                    max_severity: *max_severity,
                })
            }
            Source::Oci {
                registry,
                repository,
                tags,
            } => ArtefactSource::Oci(OciSource {
                registry: registry.to_string(),
                repository: repository.clone(),
                tags: tags.clone(),
            }),
        };
        Self {
            service: config.service.to_string(),
            artefact,
            queue: config.queue,
            flood_per_minute: config.flood_per_minute,
            stages: config
                .stages
                .iter()
                .map(|stage| StageFile::of(stage, home))
                .collect(),
        }
    }
}

/// Account and Region where they are not the ledger's.
fn elsewhere(
    account: &AccountId,
    region: &Region,
    home: &Home,
) -> (Option<String>, Option<String>) {
    (
        (*account != home.account).then(|| account.to_string()),
        (*region != home.region).then(|| region.to_string()),
    )
}

impl StageFile {
    fn of(stage: &StageConfig, home: &Home) -> Self {
        let (account, region) = elsewhere(&stage.place.account, &stage.place.region, home);
        let role = stage.place.role.as_ref();
        let name = |alarm| named(alarm, &stage.place);
        Self {
            name: stage.name.to_string(),
            target: target(&stage.target),
            account,
            region,
            role: role.map(|role| role.arn.clone()),
            external_id: role.and_then(|role| role.external_id.clone()),
            gate: gate(&stage.gate),
            windows: stage.windows.iter().map(ToString::to_string).collect(),
            alarms: stage.alarms.iter().map(name).collect(),
            missing_data: stage.missing_data,
            bake: span::words(stage.bake),
            timeout: span::words(stage.timeout),
            rollbacks_per_day: stage.rollbacks_per_day,
            smoke: stage.smoke.clone(),
        }
    }
}

/// An alarm's name where that is enough, else its ARN.
fn named(alarm: &AlarmArn, place: &Place) -> String {
    let short = AlarmArn::of(&place.region, &place.account, alarm.name());
    if short.is_ok_and(|short| short == *alarm) {
        alarm.name().to_owned()
    } else {
        alarm.to_string()
    }
}

fn target(target: &Target) -> TargetFile {
    match target {
        Target::Ecs {
            cluster,
            service,
            containers,
            base,
        } => TargetFile::Ecs(EcsFile {
            cluster: cluster.clone(),
            service: service.clone(),
            containers: containers.clone(),
            base: *base,
        }),
        Target::CodeDeploy { application, group } => TargetFile::CodeDeploy(CodeDeployFile {
            application: application.clone(),
            group: group.clone(),
        }),
        Target::CodeDeployEcs {
            application,
            group,
            cluster,
            service,
            containers,
            base,
            container,
            port,
            hooks,
        } => TargetFile::CodeDeployEcs(CodeDeployEcsFile {
            application: application.clone(),
            group: group.clone(),
            cluster: cluster.clone(),
            service: service.clone(),
            containers: containers.clone(),
            base: *base,
            container: container.clone(),
            port: *port,
            hooks: hooks.clone(),
        }),
    }
}

fn gate(gate: &Gate) -> GateFile {
    match gate {
        Gate::Automatic => GateFile::Automatic,
        Gate::Approval(rule) => GateFile::Approval(ApprovalFile {
            approvers: rule.approvers.clone(),
            count: rule.count,
            author_may_approve: rule.author == AuthorMay::Approve,
            expires_after: span::words(rule.expires_after),
            from_slack: rule.slack == SlackMay::Decide,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Home {
        Home {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
        }
    }

    const FILES: [&str; 2] = [
        r#"{
            "service": "web",
            "artefact": { "ecr": { "repository": "shop/web", "account": "444455556666" } },
            "queue": "all",
            "stages": [
                {
                    "name": "dev",
                    "target": { "ecs": { "cluster": "dev", "service": "web", "containers": ["web"] } },
                    "alarms": ["web-5xx", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:web-eu"]
                },
                {
                    "name": "production",
                    "account": "444455556666",
                    "region": "eu-west-1",
                    "role": "arn:aws:iam::444455556666:role/lastgood-target-web",
                    "external_id": "shop",
                    "target": { "codedeploy_ecs": {
                        "application": "web", "group": "blue", "cluster": "live", "service": "web",
                        "containers": ["web"], "container": "web", "port": 80,
                        "base": "newest",
                        "hooks": [{ "event": "AfterAllowTestTraffic", "function": "f" }]
                    } },
                    "gate": { "approval": {
                        "approvers": ["*:user/alice"], "count": 2, "author_may_approve": true,
                        "from_slack": true,
                        "expires_after": "1d12h"
                    } },
                    "windows": ["Mon-Fri 10:00-24:00 Asia/Kolkata"],
                    "missing_data": "alarm",
                    "bake": "1h30m",
                    "timeout": "2h",
                    "smoke": [{ "url": "https://shop.example/health" }]
                }
            ]
        }"#,
        r#"{
            "service": "billing",
            "artefact": { "s3": { "bucket": "shop-artefacts", "prefix": "billing/" } },
            "stages": [
                { "name": "dev", "target": { "codedeploy": { "application": "b", "group": "dev" } } }
            ]
        }"#,
    ];

    #[test]
    fn a_configuration_written_as_a_file_reads_back() {
        for text in FILES {
            let file: ServiceFile = serde_json::from_str(text).unwrap();
            let config = file.resolve(&home()).unwrap();
            let written = ServiceFile::of(&config, &home());
            assert_eq!(written.resolve(&home()).unwrap(), config);
        }
    }

    #[test]
    fn what_is_the_ledgers_own_is_left_out() {
        let file: ServiceFile = serde_json::from_str(FILES[0]).unwrap();
        let written = ServiceFile::of(&file.resolve(&home()).unwrap(), &home());
        let dev = &written.stages[0];
        assert_eq!((&dev.account, &dev.region), (&None, &None));
        assert_eq!(dev.alarms[0], "web-5xx");
        assert!(dev.alarms[1].starts_with("arn:"));
        assert_eq!(written.stages[1].bake, "1h30m");
    }
}
