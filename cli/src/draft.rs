//! A first service file, drafted from what exists. What cannot be known is said above it.

use aws::survey::{Compute, SeenGroup, SeenService};
use domain::config::{
    ALARMS_MAX, ApprovalRule, AuthorMay, Gate, Place, Queue, ServiceConfig, SlackMay, Source,
    StageConfig, Target, TaskBase,
};
use domain::file::Home;
use domain::{AlarmArn, Identity, Region, ServiceName, SignedDuration, StageName};

use crate::failure::Failure;

/// How long a drafted stage bakes.
const BAKE: SignedDuration = SignedDuration::from_mins(5);
/// How long a drafted stage bakes where people let releases in.
const BAKE_GATED: SignedDuration = SignedDuration::from_mins(30);
/// How long a drafted deployment may take.
const TIMEOUT: SignedDuration = SignedDuration::from_hours(1);
/// How long a drafted request for approval stands.
const EXPIRES_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Beginnings of stages' names where a person is expected to let releases in.
const GATED: [&str; 2] = ["prod", "live"];

/// Something that exists, and the stage it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Existing {
    pub(crate) stage: StageName,
    pub(crate) seen: SeenTarget,
}

/// What a stage would deploy to, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SeenTarget {
    /// An ECS service that ECS itself deploys.
    Service {
        cluster: String,
        service: String,
        seen: SeenService,
    },
    /// A group of instances.
    Group {
        application: String,
        group: String,
        seen: SeenGroup,
    },
    /// A group that deploys an ECS service.
    BlueGreen {
        application: String,
        group: String,
        seen: SeenGroup,
        service: SeenService,
    },
}

/// Where archives come from, when somebody said so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wished {
    pub(crate) bucket: Option<String>,
    pub(crate) prefix: Option<String>,
}

/// A container's image in ECR.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Image<'a> {
    account: &'a str,
    region: &'a str,
    repository: &'a str,
}

/// `111122223333.dkr.ecr.ap-south-1.amazonaws.com/shop/web:1.2`, with tag or digest.
fn image(text: &str) -> Option<Image<'_>> {
    let (host, name) = text.split_once('/')?;
    let (account, rest) = host.split_once(".dkr.ecr.")?;
    let (region, domain) = rest.split_once('.')?;
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let repository = name.split_once(':').map_or(name, |(name, _)| name);
    domain.starts_with("amazonaws.com").then_some(Image {
        account,
        region,
        repository,
    })
}

/// The configuration that fits what exists.
pub(crate) fn draft(
    service: &ServiceName,
    existing: &[Existing],
    wished: &Wished,
    by: &Identity,
    home: &Home,
) -> Result<ServiceConfig, Failure> {
    let mut source: Option<Source> = None;
    let mut stages = Vec::new();
    for Existing { stage, seen } in existing {
        let (target, from, alarms) = match seen {
            SeenTarget::Service {
                cluster,
                service,
                seen,
            } => {
                let (containers, from) = released(&format!("{cluster}/{service}"), seen)?;
                let target = Target::Ecs {
                    cluster: cluster.clone(),
                    service: service.clone(),
                    containers,
                    base: TaskBase::Running,
                };
                (target, from, seen.alarms.clone())
            }
            SeenTarget::BlueGreen {
                application,
                group,
                seen,
                service,
            } => blue_green(application, group, seen, service)?,
            SeenTarget::Group {
                application,
                group,
                seen,
            } => {
                let target = Target::CodeDeploy {
                    application: application.clone(),
                    group: group.clone(),
                };
                (
                    target,
                    archives(service, seen, wished)?,
                    seen.alarms.clone(),
                )
            }
        };
        let known = source.get_or_insert_with(|| from.clone());
        if *known != from {
            return Err(Failure::usage(format!(
                "{stage} takes its artefacts from elsewhere than the stage before"
            ))
            .because(place_of(known))
            .because(place_of(&from))
            .hint("one service has one source: give each its own name and file"));
        }
        stages.push(stage_config(stage, target, &alarms, by, home));
    }
    let source = source.ok_or_else(|| Failure::usage("nothing was named to begin from"))?;
    Ok(ServiceConfig {
        service: service.clone(),
        source,
        queue: Queue::Newest,
        flood_per_minute: 20,
        stages,
    })
}

fn place_of(source: &Source) -> String {
    match source {
        Source::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
        Source::Ecr {
            account,
            region,
            repository,
            ..
        } => format!("{repository} in {account}, {region}"),
        Source::Oci {
            registry,
            repository,
            ..
        } => format!("{registry}/{repository}"),
    }
}

fn blue_green(
    application: &str,
    group: &str,
    seen: &SeenGroup,
    service: &SeenService,
) -> Result<(Target, Source, Vec<String>), Failure> {
    let named = format!("{application}/{group}");
    let (containers, from) = released(&named, service)?;
    let Compute::Ecs {
        cluster,
        service: name,
    } = &seen.compute
    else {
        return Err(Failure::failed(format!(
            "{named} deploys to no ECS service"
        )));
    };
    let Some((container, port)) = service.doors.first() else {
        return Err(
            Failure::usage(format!("{cluster}/{name} has no load balancer"))
                .because("CodeDeploy shifts traffic between target groups"),
        );
    };
    let target = Target::CodeDeployEcs {
        application: application.to_owned(),
        group: group.to_owned(),
        cluster: cluster.clone(),
        service: name.clone(),
        containers,
        base: TaskBase::Running,
        container: container.clone(),
        port: *port,
        hooks: Vec::new(),
    };
    let alarms = seen.alarms.iter().chain(&service.alarms).cloned();
    Ok((target, from, alarms.collect()))
}

/// The containers that a release replaces, and where their image comes from: the one that takes the
/// traffic, else the first one from ECR, and all that share its repository.
fn released(named: &str, seen: &SeenService) -> Result<(Vec<String>, Source), Failure> {
    let is_door = |name: &str| seen.doors.iter().any(|(door, _)| door == name);
    let images: Vec<(&str, Image<'_>)> = seen
        .containers
        .iter()
        .filter_map(|(name, text)| Some((name.as_str(), image(text)?)))
        .collect();
    let main = images
        .iter()
        .find(|(name, _)| is_door(name))
        .or(images.first());
    let Some((_, main)) = main else {
        let failure = Failure::usage(format!("no container of {named} comes from ECR"));
        let seen = seen.containers.iter();
        return Err(seen.fold(failure, |failure, (name, image)| {
            failure.because(format!("{name}: {image}"))
        }));
    };
    let wrong = |error: domain::name::NameError| Failure::failed(error.to_string());
    let source = Source::Ecr {
        account: main.account.parse().map_err(wrong)?,
        region: main.region.parse::<Region>().map_err(wrong)?,
        repository: main.repository.to_owned(),
        tags: vec!["*".to_owned()],
        max_severity: None,
    };
    let same = images.iter().filter(|(_, image)| image == main);
    Ok((same.map(|(name, _)| (*name).to_owned()).collect(), source))
}

/// Where a group's archives come from: where the last one did, unless somebody said otherwise.
fn archives(service: &ServiceName, seen: &SeenGroup, wished: &Wished) -> Result<Source, Failure> {
    let last = seen.last_object.as_ref();
    let bucket = wished
        .bucket
        .clone()
        .or(last.map(|(bucket, _)| bucket.clone()));
    let bucket = bucket.ok_or_else(|| {
        Failure::usage("the group has deployed nothing from S3 yet")
            .hint("give --bucket: the artefact bucket is the stack's output ArtefactBucketName")
    })?;
    let prefix = match (&wished.prefix, last) {
        (Some(prefix), _) => prefix.clone(),
        (None, Some((of, key))) if *of == bucket => key
            .rsplit_once('/')
            .map_or_else(|| format!("{service}/"), |(folder, _)| format!("{folder}/")),
        (None, _) => format!("{service}/"),
    };
    Ok(Source::S3 { bucket, prefix })
}

fn stage_config(
    name: &StageName,
    target: Target,
    alarms: &[String],
    by: &Identity,
    home: &Home,
) -> StageConfig {
    let is_gated = GATED.iter().any(|gated| name.as_str().starts_with(gated));
    let gate = if is_gated {
        Gate::Approval(ApprovalRule {
            approvers: vec![pattern(by)],
            count: 1,
            author: AuthorMay::NotApprove,
            expires_after: EXPIRES_AFTER,
            slack: SlackMay::NotDecide,
        })
    } else {
        Gate::Automatic
    };
    let mut alarms: Vec<AlarmArn> = alarms
        .iter()
        .filter_map(|alarm| AlarmArn::of(&home.region, &home.account, alarm).ok())
        .collect();
    alarms.sort();
    alarms.dedup();
    alarms.truncate(ALARMS_MAX);
    StageConfig {
        name: name.clone(),
        place: Place {
            account: home.account.clone(),
            region: home.region.clone(),
            role: None,
        },
        target,
        gate,
        windows: Vec::new(),
        alarms,
        missing_data: domain::alarm::MissingData::Ignore,
        bake: if is_gated { BAKE_GATED } else { BAKE },
        timeout: TIMEOUT,
        rollbacks_per_day: 3,
        smoke: Vec::new(),
    }
}

/// Who drafts is the first approver; of a role all sessions are, because their names change.
fn pattern(by: &Identity) -> String {
    match by.0.split_once(":assumed-role/") {
        Some((account, role)) => {
            let role = role.split_once('/').map_or(role, |(role, _)| role);
            format!("{account}:assumed-role/{role}/*")
        }
        None => by.0.clone(),
    }
}

#[cfg(test)]
mod tests {
    use aws::survey::Controller;
    use domain::file::ServiceFile;

    use super::*;
    use crate::rehearse::written;

    fn home() -> Home {
        Home {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
        }
    }

    fn alice() -> Identity {
        Identity("arn:aws:sts::111122223333:assumed-role/Release/alice@shop.example".into())
    }

    const ECR: &str = "111122223333.dkr.ecr.ap-south-1.amazonaws.com/shop";

    fn service(cluster: &str, doors: &[(&str, u16)]) -> SeenTarget {
        SeenTarget::Service {
            cluster: cluster.to_owned(),
            service: "web".to_owned(),
            seen: seen_service(doors),
        }
    }

    fn seen_service(doors: &[(&str, u16)]) -> SeenService {
        let container = |name: &str, image: String| (name.to_owned(), image);
        let doors = doors.iter();
        SeenService {
            controller: Controller::Ecs,
            desired: 2,
            definition: "web:7".into(),
            containers: vec![
                container("proxy", format!("{ECR}/proxy:1")),
                container("web", format!("{ECR}/web@sha256:0123")),
                container("worker", format!("{ECR}/web:1.2")),
                container("agent", "public.ecr.aws/agent:1".to_owned()),
            ],
            doors: doors
                .map(|(name, port)| ((*name).to_owned(), *port))
                .collect(),
            target_groups: Vec::new(),
            own_addresses: true,
            alarms: vec!["web-5xx".into()],
            bake: SignedDuration::ZERO,
        }
    }

    fn group(last: Option<(&str, &str)>) -> SeenGroup {
        SeenGroup {
            compute: Compute::Server,
            alarms: vec!["billing-errors".into()],
            returns_on_alarm: true,
            target_groups: Vec::new(),
            last_object: last.map(|(bucket, key)| (bucket.to_owned(), key.to_owned())),
        }
    }

    fn instances(last: Option<(&str, &str)>) -> SeenTarget {
        SeenTarget::Group {
            application: "billing".into(),
            group: "dev".into(),
            seen: group(last),
        }
    }

    fn drafted(existing: &[(&str, SeenTarget)], wished: &Wished) -> Result<String, Failure> {
        let existing: Vec<Existing> = existing
            .iter()
            .map(|(stage, seen)| Existing {
                stage: stage.parse().unwrap(),
                seen: seen.clone(),
            })
            .collect();
        let service = "web".parse().unwrap();
        let config = draft(&service, &existing, wished, &alice(), &home())?;
        let file = ServiceFile::of(&config, &home());
        assert_eq!(file.resolve(&home()).unwrap(), config);
        written(&file)
    }

    #[test]
    fn an_ecs_service_is_drafted_with_the_containers_of_its_main_image() {
        let existing = [
            ("dev", service("dev", &[("web", 80)])),
            ("production", service("live", &[("web", 80)])),
        ];
        insta::assert_snapshot!(drafted(&existing, &Wished::default()).unwrap());
    }

    #[test]
    fn a_group_is_drafted_with_the_place_of_its_last_archive() {
        let last = Some(("shop-artefacts", "billing/main/41.zip"));
        insta::assert_snapshot!(drafted(&[("dev", instances(last))], &Wished::default()).unwrap());
        let failure = drafted(&[("dev", instances(None))], &Wished::default()).unwrap_err();
        assert!(failure.hint.unwrap().contains("--bucket"));
        let wished = Wished {
            bucket: Some("own".into()),
            prefix: None,
        };
        let text = drafted(&[("dev", instances(last))], &wished).unwrap();
        assert!(
            text.contains("bucket: own") && text.contains("prefix: web/"),
            "{text}"
        );
    }

    #[test]
    fn a_group_that_deploys_an_ecs_service_needs_a_door() {
        let blue = |doors: &[(&str, u16)]| SeenTarget::BlueGreen {
            application: "web".into(),
            group: "blue".into(),
            seen: SeenGroup {
                compute: Compute::Ecs {
                    cluster: "live".into(),
                    service: "web".into(),
                },
                ..group(None)
            },
            service: seen_service(doors),
        };
        let text = drafted(&[("live", blue(&[("web", 80)]))], &Wished::default()).unwrap();
        assert!(
            text.contains("codedeploy_ecs:") && text.contains("port: 80"),
            "{text}"
        );
        let failure = drafted(&[("live", blue(&[]))], &Wished::default()).unwrap_err();
        assert!(failure.message.contains("no load balancer"));
    }

    #[test]
    fn stages_of_different_sources_are_no_service() {
        let existing = [
            ("dev", service("dev", &[("web", 80)])),
            ("live", service("live", &[("proxy", 80)])),
        ];
        let failure = drafted(&existing, &Wished::default()).unwrap_err();
        assert!(failure.message.contains("from elsewhere"), "{failure:?}");
        assert_eq!(failure.evidence.len(), 2);
    }

    #[test]
    fn an_approver_is_a_user_or_all_sessions_of_a_role() {
        assert_eq!(
            pattern(&alice()),
            "arn:aws:sts::111122223333:assumed-role/Release/*"
        );
        let user = "arn:aws:iam::111122223333:user/alice";
        assert_eq!(pattern(&Identity(user.into())), user);
    }

    #[test]
    fn images_of_other_registries_are_none_of_ours() {
        assert_eq!(image("nginx"), None);
        assert_eq!(image("docker.io/library/nginx:1"), None);
        assert_eq!(
            image(&format!("{ECR}/web:1.2@sha256:0"))
                .unwrap()
                .repository,
            "shop/web"
        );
    }
}
