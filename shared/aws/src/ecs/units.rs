//! A service's tasks one by one, with why some of them died. For people who watch.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{Container, DesiredStatus, HealthStatus, Service, Task, TaskStopCode};
use domain::Timestamp;
use engine::{PlatformError, Unit, UnitState, Units};

use super::{Wanted, describe, running};
use crate::errors::cut;
use crate::time;

/// How many of the service's own messages are told.
const NOTES_MAX: usize = 3;
/// What ECS says of a task that it takes away only because there are to be fewer of its kind.
const SCALING: &str = "Scaling activity initiated by";

/// The tasks that are meant to run, those that died since a time, and what ECS says about what it
/// cannot do.
pub(super) async fn units(
    client: &Client,
    wanted: &Wanted<'_>,
    since: Timestamp,
) -> Result<Units, PlatformError> {
    let service = describe(client, wanted).await?;
    let mut tasks = running::described(client, wanted, DesiredStatus::Running).await?;
    let stopped = running::described(client, wanted, DesiredStatus::Stopped).await?;
    let is_told = |task: &Task| match task.stopped_at().and_then(time::timestamp) {
        // It is on its way out.
        None => true,
        Some(at) => at >= since && died(task),
    };
    tasks.extend(stopped.into_iter().filter(is_told));
    let mut all: Vec<Unit> = tasks.iter().map(|task| unit(task, wanted)).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Units {
        wanted: usize::try_from(service.desired_count()).unwrap_or_default(),
        all,
        notes: notes(&service, since),
    })
}

fn unit(task: &Task, wanted: &Wanted<'_>) -> Unit {
    let arn = task.task_arn().unwrap_or("a task");
    let contents = running::content(task, wanted.containers).unwrap_or_default();
    let mut contents = contents.into_iter();
    let runs = match (contents.next(), contents.next()) {
        (Some(one), None) => Some(one),
        (Some(_), Some(_)) | (None, _) => None,
    };
    let state = state(task);
    Unit {
        name: arn.rsplit('/').next().unwrap_or(arn).to_owned(),
        state,
        runs,
        words: words(task, state),
    }
}

/// Task lifecycle (ECS developer guide, "Amazon ECS task lifecycle").
fn state(task: &Task) -> UnitState {
    match task.last_status().unwrap_or_default() {
        "RUNNING" if task.desired_status() == Some("STOPPED") => UnitState::Stopping,
        running::RUNNING => UnitState::Running,
        "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" => UnitState::Stopping,
        "STOPPED" | "DELETED" => UnitState::Died,
        _ => UnitState::Starting,
    }
}

/// Whether a stopped task did not end because fewer of its kind are wanted.
fn died(task: &Task) -> bool {
    let scaled = task
        .stopped_reason()
        .is_some_and(|reason| reason.starts_with(SCALING));
    !scaled
        && task
            .stop_code()
            .is_some_and(|code| *code != TaskStopCode::TerminationNotice)
}

/// ECS's words about a task, and those about its containers that ended or never began.
fn words(task: &Task, state: UnitState) -> Option<String> {
    if state == UnitState::Running {
        let unhealthy = task.health_status() == Some(&HealthStatus::Unhealthy);
        return unhealthy.then(|| "its health check fails".to_owned());
    }
    let mut words: Vec<String> = Vec::new();
    words.extend(task.stopped_reason().map(ToOwned::to_owned));
    words.extend(task.containers().iter().filter_map(ended));
    if words.is_empty() {
        words.extend(task.last_status().map(str::to_lowercase));
    }
    (!words.is_empty()).then(|| cut(&words.join("; ")))
}

fn ended(container: &Container) -> Option<String> {
    let name = container.name().unwrap_or("a container");
    match (container.exit_code(), container.reason()) {
        (Some(code), Some(reason)) => Some(format!("{name} exited with {code}: {reason}")),
        (Some(code), None) => Some(format!("{name} exited with {code}")),
        (None, Some(reason)) => Some(format!("{name}: {reason}")),
        (None, None) => None,
    }
}

/// The service's newest messages about what it could not do.
fn notes(service: &Service, since: Timestamp) -> Vec<String> {
    let told = service.events().iter().filter(|event| {
        let at = event.created_at().and_then(time::timestamp);
        at.is_some_and(|at| at >= since)
    });
    let mut notes: Vec<String> = Vec::new();
    for message in told.filter_map(|event| event.message()) {
        let trouble = ["unable", "unhealthy", "failed"];
        let note = cut(message);
        if trouble.iter().any(|word| message.contains(word)) && !notes.contains(&note) {
            notes.push(note);
        }
        if notes.len() == NOTES_MAX {
            break;
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::ServiceEvent;
    use aws_smithy_types::DateTime;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seen(task: &Task) -> Unit {
        let wanted = Wanted {
            cluster: "shop",
            service: "web",
            containers: &[],
            base: domain::config::TaskBase::Running,
        };
        unit(task, &wanted)
    }

    #[test]
    fn a_task_that_died_says_why_and_which_container() {
        let container = Container::builder()
            .name("web")
            .exit_code(137)
            .reason("OutOfMemoryError");
        let task = Task::builder()
            .task_arn("arn:aws:ecs:ap-south-1:111122223333:task/shop/3f2a")
            .last_status("STOPPED")
            .stop_code(TaskStopCode::EssentialContainerExited)
            .stopped_reason("Essential container in task exited")
            .containers(container.build())
            .build();
        assert!(died(&task));
        let unit = seen(&task);
        assert_eq!((unit.name.as_str(), unit.state), ("3f2a", UnitState::Died));
        assert_eq!(
            unit.words.as_deref(),
            Some("Essential container in task exited; web exited with 137: OutOfMemoryError")
        );
    }

    #[test]
    fn a_task_that_is_scaled_away_did_not_die() {
        let task = Task::builder()
            .last_status("STOPPED")
            .stop_code(TaskStopCode::ServiceSchedulerInitiated)
            .stopped_reason("Scaling activity initiated by (deployment ecs-svc/1)")
            .build();
        assert!(!died(&task));
    }

    #[test]
    fn a_task_that_starts_or_is_taken_away_is_neither_running_nor_dead() {
        let task = |last: &str, desired: &str| {
            let task = Task::builder().last_status(last).desired_status(desired);
            seen(&task.build()).state
        };
        assert_eq!(task("PENDING", "RUNNING"), UnitState::Starting);
        assert_eq!(task("RUNNING", "RUNNING"), UnitState::Running);
        assert_eq!(task("RUNNING", "STOPPED"), UnitState::Stopping);
        assert_eq!(task("DEPROVISIONING", "STOPPED"), UnitState::Stopping);
    }

    #[test]
    fn only_new_messages_about_trouble_are_told() {
        let event = |second, message: &str| {
            let at = DateTime::from_secs(second);
            ServiceEvent::builder()
                .created_at(at)
                .message(message)
                .build()
        };
        let service = Service::builder()
            .events(event(20, "(service web) was unable to place a task"))
            .events(event(19, "(service web) has started 1 tasks"))
            .events(event(
                9,
                "(service web) was unable to do what nobody asks about any more",
            ))
            .build();
        assert_eq!(
            notes(&service, at(10)),
            ["(service web) was unable to place a task"]
        );
    }
}
