//! What a service's tasks really run, by digest.

use std::collections::BTreeSet;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{Container, DesiredStatus, Service, Task};
use domain::artefact::Content;
use domain::fact::Running;
use domain::name::DOCKER_HUB;
use domain::{AccountId, Artefact, Region, Registry};
use engine::PlatformError;

use super::Wanted;
use crate::errors;

/// Most tasks of one call (DescribeTasks).
const TASKS_PER_CALL: usize = 100;
/// The status of a task that runs.
pub(super) const RUNNING: &str = "RUNNING";

/// What all running tasks run in the named containers.
pub(super) async fn running(
    client: &Client,
    wanted: &Wanted<'_>,
    service: &Service,
) -> Result<Running, PlatformError> {
    if service.desired_count() == 0 {
        return Ok(Running::Nothing);
    }
    let tasks = tasks(client, wanted).await?;
    Ok(sum(tasks
        .iter()
        .map(|task| content(task, wanted.containers))))
}

/// What all running tasks agree on, as an artefact.
pub(super) async fn artefact(
    client: &Client,
    wanted: &Wanted<'_>,
    service: &Service,
) -> Result<Option<Artefact>, PlatformError> {
    if service.desired_count() == 0 {
        return Ok(None);
    }
    let tasks = tasks(client, wanted).await?;
    let images: BTreeSet<Option<(&str, &str)>> = tasks
        .iter()
        .flat_map(|task| named(task, wanted.containers))
        .map(|container| Some((container?.image()?, digest(container?)?)))
        .collect();
    let mut images = images.into_iter();
    let (Some(Some((image, digest))), None) = (images.next(), images.next()) else {
        return Ok(None);
    };
    Ok(parse(image, digest))
}

/// A service's tasks that run and are meant to go on.
async fn tasks(client: &Client, wanted: &Wanted<'_>) -> Result<Vec<Task>, PlatformError> {
    let mut tasks = described(client, wanted, DesiredStatus::Running).await?;
    tasks.retain(|task| task.last_status() == Some(RUNNING));
    Ok(tasks)
}

/// A service's tasks that are meant to run, or those that are meant to be stopped: ECS keeps these
/// for an hour or so.
pub(super) async fn described(
    client: &Client,
    wanted: &Wanted<'_>,
    meant: DesiredStatus,
) -> Result<Vec<Task>, PlatformError> {
    let mut pages = client
        .list_tasks()
        .cluster(wanted.cluster)
        .service_name(wanted.service)
        .desired_status(meant)
        .into_paginator()
        .items()
        .send();
    let mut arns = Vec::new();
    while let Some(arn) = pages.next().await {
        arns.push(arn.map_err(errors::platform("ecs:ListTasks"))?);
    }
    let mut tasks = Vec::with_capacity(arns.len());
    for some in arns.chunks(TASKS_PER_CALL) {
        let described = client
            .describe_tasks()
            .cluster(wanted.cluster)
            .set_tasks(Some(some.to_vec()))
            .send()
            .await
            .map_err(errors::platform("ecs:DescribeTasks"))?;
        tasks.extend(described.tasks.unwrap_or_default());
    }
    Ok(tasks)
}

/// The named containers of a task; `None` for one that is not there.
fn named<'a>(task: &'a Task, names: &'a [String]) -> impl Iterator<Item = Option<&'a Container>> {
    names.iter().map(|name| {
        task.containers()
            .iter()
            .find(|container| container.name() == Some(name))
    })
}

/// A container's digest. One that was asked for by digest runs that digest: the platform's own
/// report names the child where an index was asked for.
fn digest(container: &Container) -> Option<&str> {
    let asked = container.image().and_then(|image| image.split_once('@'));
    asked.map(|(_, digest)| digest).or(container.image_digest())
}

/// What a task runs in its named containers; `None` when it cannot be told.
pub(super) fn content(task: &Task, names: &[String]) -> Option<BTreeSet<Content>> {
    named(task, names)
        .map(|container| Some(Content(digest(container?)?.to_owned())))
        .collect()
}

fn sum(tasks: impl Iterator<Item = Option<BTreeSet<Content>>>) -> Running {
    let mut contents = BTreeSet::new();
    let mut unclear = false;
    for task in tasks {
        match task {
            Some(content) => contents.extend(content),
            None => unclear = true,
        }
    }
    let contents: Vec<Content> = contents.into_iter().collect();
    match contents.as_slice() {
        [one] if !unclear => Running::All(one.clone()),
        [] | [_] => Running::Unknown,
        [_, _, ..] => Running::Mixed(contents),
    }
}

/// `111122223333.dkr.ecr.ap-south-1.amazonaws.com/shop/web:1.2` and a digest as an artefact. A name
/// without a registry is Docker Hub's, as for Docker.
fn parse(image: &str, digest: &str) -> Option<Artefact> {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let (host, name) = match name.split_once('/') {
        Some((host, rest)) if host.parse::<Registry>().is_ok() => (host, rest),
        Some(_) | None => (DOCKER_HUB, name),
    };
    let (repository, tag) = match name.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (name, None),
    };
    let (repository, digest) = (repository.to_owned(), digest.to_owned());
    let tag = tag.map(ToOwned::to_owned);
    if let Some((account, region)) = of_ecr(host) {
        return Some(Artefact::Image {
            account,
            region,
            repository,
            digest,
            tag,
        });
    }
    Some(Artefact::Oci {
        registry: host.parse().ok()?,
        repository,
        digest,
        tag,
    })
}

/// Account and Region of a registry of ECR.
fn of_ecr(host: &str) -> Option<(AccountId, Region)> {
    let (account, rest) = host.split_once(".dkr.ecr.")?;
    let (region, domain) = rest.split_once('.')?;
    if !domain.starts_with("amazonaws.com") {
        return None;
    }
    Some((account.parse().ok()?, region.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(image: &str, digest: Option<&str>) -> Task {
        let web = Container::builder()
            .name("web")
            .image(image)
            .set_image_digest(digest.map(ToOwned::to_owned))
            .build();
        let proxy = Container::builder().name("proxy").image("proxy:1").build();
        Task::builder().containers(proxy).containers(web).build()
    }

    fn seen(tasks: &[Task]) -> Running {
        let names = ["web".to_owned()];
        sum(tasks.iter().map(|task| content(task, &names)))
    }

    #[test]
    fn all_tasks_have_to_agree() {
        let (one, other) = (task("web@sha256:a", None), task("web:2", Some("sha256:b")));
        assert_eq!(
            seen(&[one.clone(), one.clone()]),
            Running::All(Content("sha256:a".into()))
        );
        assert!(matches!(seen(&[one, other]), Running::Mixed(both) if both.len() == 2));
    }

    #[test]
    fn what_cannot_be_told_is_not_all() {
        let (one, unclear) = (task("web@sha256:a", None), task("web:2", None));
        assert_eq!(seen(&[one, unclear]), Running::Unknown);
        assert_eq!(
            seen(&[]),
            Running::Unknown,
            "nothing runs although something should"
        );
    }

    #[test]
    fn the_digest_asked_for_counts_more_than_the_child_that_was_pulled() {
        let index = task("web@sha256:index", Some("sha256:child"));
        assert_eq!(seen(&[index]), Running::All(Content("sha256:index".into())));
    }

    #[test]
    fn an_image_of_ecr_is_told_by_its_host() {
        let host = "111122223333.dkr.ecr.ap-south-1.amazonaws.com";
        let parsed = parse(&format!("{host}/shop/web:1.2"), "sha256:a").unwrap();
        let Artefact::Image {
            repository, tag, ..
        } = &parsed
        else {
            panic!("{parsed:?}")
        };
        assert_eq!(
            (repository.as_str(), tag.as_deref()),
            ("shop/web", Some("1.2"))
        );
        let by_digest = parse(&format!("{host}/web@sha256:b"), "sha256:b");
        assert!(matches!(by_digest, Some(Artefact::Image { tag: None, .. })));
    }

    #[test]
    fn an_image_of_any_other_registry_is_named_as_docker_does() {
        let id = |image: &str| parse(image, "sha256:a").unwrap().id().0;
        assert_eq!(id("nginx"), "oci:docker.io/nginx@sha256:a");
        assert_eq!(id("shop/web:1"), "oci:docker.io/shop/web@sha256:a");
        assert_eq!(
            id("docker.io/shop/web:1"),
            "oci:docker.io/shop/web@sha256:a"
        );
        assert_eq!(
            id("ghcr.io/shop/web@sha256:a"),
            "oci:ghcr.io/shop/web@sha256:a"
        );
        assert_eq!(
            id("localhost:5000/web:1"),
            "oci:localhost:5000/web@sha256:a"
        );
    }
}
