//! ECS's names: writing ARNs, and reading what callers give instead of them.

use crate::envelope::Place;

/// The cluster that is meant when none is named.
const DEFAULT_CLUSTER: &str = "default";

/// An ARN of ECS.
fn arn(place: &Place, resource: &str) -> String {
    format!("arn:aws:ecs:{}:{}:{resource}", place.region, place.account)
}

/// The ARN of the cluster that a caller means: by ARN, by name, or not at all.
pub(super) fn cluster(place: &Place, given: Option<&str>) -> String {
    match given {
        Some(given) if given.starts_with("arn:") => given.to_owned(),
        given => arn(
            place,
            &format!("cluster/{}", given.unwrap_or(DEFAULT_CLUSTER)),
        ),
    }
}

/// The ARN of the service that a caller means: by ARN, or by name within a cluster.
pub(super) fn service(place: &Place, cluster: &str, given: &str) -> String {
    if given.starts_with("arn:") {
        return given.to_owned();
    }
    arn(place, &format!("service/{}/{given}", last(cluster)))
}

/// The ARN of the task that a caller means: by ARN, or by id within a cluster.
pub(super) fn task(place: &Place, cluster: &str, given: &str) -> String {
    if given.starts_with("arn:") {
        return given.to_owned();
    }
    arn(place, &format!("task/{}/{given}", last(cluster)))
}

/// The ARN of a container.
pub(super) fn container(task: &str, id: &str) -> String {
    format!("{}/{id}", task.replacen(":task/", ":container/", 1))
}

/// The ARN of a revision of a task definition.
pub(super) fn definition(place: &Place, family: &str, revision: &str) -> String {
    arn(place, &format!("task-definition/{family}:{revision}"))
}

/// The ARN of something that belongs to a service: `service-deployment`, `service-revision`.
pub(super) fn of_service(service: &str, kind: &str, id: &str) -> String {
    format!(
        "{}/{id}",
        service.replacen(":service/", &format!(":{kind}/"), 1)
    )
}

/// Where something is, by its ARN.
pub(super) fn place(arn: &str) -> Place {
    let mut parts = arn.split(':').skip(3).map(str::to_owned);
    Place {
        region: parts.next().unwrap_or_default(),
        account: parts.next().unwrap_or_default(),
    }
}

/// The part of an ARN after the last slash.
pub(super) fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// A task definition as callers name it: `family`, `family:revision` or an ARN.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DefinitionName {
    /// The family.
    pub(super) family: String,
    /// The revision; none is the newest active one.
    pub(super) revision: Option<usize>,
}

/// Reads a task definition's name; `None` when it is not one.
pub(super) fn definition_name(given: &str) -> Option<DefinitionName> {
    let name = match given.starts_with("arn:") {
        true => given.split_once(":task-definition/")?.1,
        false => given,
    };
    match name.split_once(':') {
        None => Some(DefinitionName {
            family: name.to_owned(),
            revision: None,
        }),
        Some((family, revision)) => Some(DefinitionName {
            family: family.to_owned(),
            revision: Some(revision.parse().ok()?),
        }),
    }
}

/// Nineteen random digits: the number of an `ecs-svc/` deployment or of a service revision.
pub(super) fn digits() -> String {
    fastrand::u64(1_000_000_000_000_000_000..10_000_000_000_000_000_000).to_string()
}

/// Thirty-two random hexadecimal digits: the id of a task.
pub(super) fn task_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// Twenty-one random characters: the id of a service deployment.
pub(super) fn deployment_id() -> String {
    (0..21).map(|_| fastrand::alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
        }
    }

    #[test]
    fn names_and_arns_mean_the_same() {
        let cluster = cluster(&place(), Some("shop"));
        let service = service(&place(), &cluster, "web");
        assert_eq!(
            service,
            "arn:aws:ecs:eu-west-1:111122223333:service/shop/web"
        );
        assert_eq!(super::service(&place(), &cluster, &service), service);
        assert_eq!(
            of_service(&service, "service-deployment", "x"),
            "arn:aws:ecs:eu-west-1:111122223333:service-deployment/shop/web/x"
        );
        assert_eq!(
            container(&task(&place(), &cluster, "7"), "8"),
            "arn:aws:ecs:eu-west-1:111122223333:container/shop/7/8"
        );
    }

    #[test]
    fn a_definition_is_named_in_three_ways() {
        let named = |family: &str, revision| DefinitionName {
            family: family.to_owned(),
            revision,
        };
        assert_eq!(definition_name("web"), Some(named("web", None)));
        assert_eq!(definition_name("web:3"), Some(named("web", Some(3))));
        let arn = definition(&place(), "web", "3");
        assert_eq!(definition_name(&arn), Some(named("web", Some(3))));
        assert_eq!(definition_name("web:x"), None);
        assert_eq!(digits().len(), 19);
    }
}
