//! Tasks: listing, describing, stopping by hand. How they start and stop lives in `launch`.

use serde_json::{Map, Value, json};

use super::{
    Ecs, arn, events,
    input::{Input, invalid},
    state::{Phase, Stop, Task},
};
use crate::{
    api::{ApiError, Caller},
    envelope::epoch,
};

/// The most tasks of one `DescribeTasks` call.
const DESCRIBED_MAX: usize = 100;

impl Ecs {
    /// `ListTasks`, by service, family, starter and desired status.
    pub(super) async fn list_tasks(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let place = caller.place();
        let cluster = arn::cluster(&place, input.text("cluster")?);
        // ECS confines ListTasks by the condition key ecs:cluster, whose value this is.
        self.world
            .authorise(caller, "ecs:ListTasks", &cluster)
            .await?;
        let service = input.text("serviceName")?;
        let service = service.map(|given| arn::service(&place, &cluster, given));
        let family = input
            .text("family")?
            .map(|family| format!(":task-definition/{family}:"));
        let started_by = input.text("startedBy")?;
        let wanted = input.text("desiredStatus")?.unwrap_or("RUNNING") != "STOPPED";
        let mut state = self.state();
        state.cluster(&cluster)?;
        if let Some(service) = &service {
            state.service(service)?;
        }
        let chosen = state.tasks.values().filter(|task| {
            task.cluster == cluster
                && task.is_wanted() == wanted
                && service
                    .as_ref()
                    .is_none_or(|service| task.service == *service)
                && family
                    .as_ref()
                    .is_none_or(|family| task.definition.contains(family.as_str()))
                && started_by.is_none_or(|starter| task.started_by == starter)
        });
        let mut chosen: Vec<&Task> = chosen.collect();
        chosen.sort_by_key(|task| task.created_at);
        let arns: Vec<&str> = chosen.iter().map(|task| task.arn.as_str()).collect();
        super::paged("taskArns", &arns, input, 100)
    }

    /// `DescribeTasks`.
    pub(super) async fn describe_tasks(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let place = caller.place();
        let cluster = arn::cluster(&place, input.text("cluster")?);
        let given = input.texts("tasks")?;
        if !(1..=DESCRIBED_MAX).contains(&given.len()) {
            return Err(invalid(format!("Tasks must be 1 to {DESCRIBED_MAX}.")));
        }
        let arns: Vec<String> = given
            .iter()
            .map(|given| arn::task(&place, &cluster, given))
            .collect();
        for arn in &arns {
            self.world
                .authorise(caller, "ecs:DescribeTasks", arn)
                .await?;
        }
        let state = self.state();
        state.cluster(&cluster)?;
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for arn in &arns {
            match state.tasks.get(arn) {
                Some(task) => tasks.push(task.view()),
                None => failures.push(super::missing(arn)),
            }
        }
        Ok(json!({ "tasks": tasks, "failures": failures }))
    }

    /// `StopTask`: the service replaces it.
    pub(super) async fn stop_task(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let place = caller.place();
        let cluster = arn::cluster(&place, input.text("cluster")?);
        let arn = arn::task(&place, &cluster, input.required("task")?);
        self.world.authorise(caller, "ecs:StopTask", &arn).await?;
        let reason = input
            .text("reason")?
            .unwrap_or("Task stopped by user")
            .to_owned();
        let mut state = self.state();
        state.cluster(&cluster)?;
        let task = state.tasks.get_mut(&arn);
        let task = task.ok_or_else(|| invalid("The referenced task was not found."))?;
        task.ask_to_stop(Stop {
            code: "UserInitiated",
            reason,
        });
        Ok(json!({ "task": task.view() }))
    }
}

impl Task {
    /// As AWS shows it.
    fn view(&self) -> Value {
        let mut view = Map::new();
        let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
        put("taskArn", json!(self.arn));
        put("clusterArn", json!(self.cluster));
        put("taskDefinitionArn", json!(self.definition));
        put(
            "group",
            json!(format!("service:{}", arn::last(&self.service))),
        );
        put("startedBy", json!(self.started_by));
        put("lastStatus", json!(self.phase.name()));
        put(
            "desiredStatus",
            json!(if self.is_wanted() {
                "RUNNING"
            } else {
                "STOPPED"
            }),
        );
        put("healthStatus", json!(self.health_name()));
        let containers = self.containers.iter().map(|one| {
            let mut view = events::container(self, one);
            if let Some(fields) = view.as_object_mut() {
                fields.insert("healthStatus".to_owned(), json!("UNKNOWN"));
            }
            view
        });
        put("containers", containers.collect());
        put("launchType", json!("FARGATE"));
        put("platformVersion", json!("1.4.0"));
        put("connectivity", json!("CONNECTED"));
        put("availabilityZone", json!(format!("{}a", self.place.region)));
        put("attachments", json!([]));
        put("overrides", json!({ "containerOverrides": [] }));
        put("enableExecuteCommand", json!(false));
        put("version", json!(self.version));
        put("createdAt", json!(epoch(self.created_at)));
        let times = [
            ("pullStartedAt", self.pull_started_at),
            ("pullStoppedAt", self.pull_stopped_at),
            ("startedAt", self.started_at),
            ("stoppingAt", self.stopping_at),
            ("stoppedAt", self.stopped_at),
        ];
        for (name, time) in times {
            if let Some(time) = time {
                put(name, json!(epoch(time)));
            }
        }
        if let Some(stop) = &self.stop {
            put("stopCode", json!(stop.code));
            put("stoppedReason", json!(stop.reason));
        }
        Value::Object(view)
    }

    fn health_name(&self) -> &'static str {
        match (self.phase, self.healthy, self.ever_healthy) {
            (Phase::Running, true, _) => "HEALTHY",
            (Phase::Running, false, true) => "UNHEALTHY",
            _ => "UNKNOWN",
        }
    }

    /// Asks it to stop, unless it was asked already: the first reason counts.
    pub(super) fn ask_to_stop(&mut self, stop: Stop) {
        if self.is_alive() && self.stop.is_none() {
            self.stop = Some(stop);
            self.asked.notify_one();
        }
    }
}
