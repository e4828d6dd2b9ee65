//! Service deployments and service revisions: listing, describing, stopping.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Ecs, arn,
    input::{Input, invalid},
    state::{AlarmWatch, Revision, ServiceDeployment, Share, State, Status},
};
use crate::{
    api::{ApiError, Caller},
    envelope::epoch,
};

/// The most ARNs of one `Describe…` call.
const DESCRIBED_MAX: usize = 20;

impl Ecs {
    /// `ListServiceDeployments`, newest first, by status and by creation.
    pub(super) async fn list_deployments(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let place = caller.place();
        let cluster = arn::cluster(&place, input.text("cluster")?);
        let service = arn::service(&place, &cluster, input.required("service")?);
        self.world
            .authorise(caller, "ecs:ListServiceDeployments", &service)
            .await?;
        let statuses = input.texts("status")?;
        let empty = Map::new();
        let created = input.object("createdAt")?.unwrap_or(Input(&empty));
        let (after, before) = (created.float("after")?, created.float("before")?);
        let mut state = self.state();
        state.service(&service)?;
        let mut found: Vec<&ServiceDeployment> = state
            .deployments
            .values()
            .filter(|one| one.service == service)
            .filter(|one| statuses.is_empty() || statuses.iter().any(|s| s == one.status.name()))
            .filter(|one| after.is_none_or(|after| epoch(one.created_at) >= after))
            .filter(|one| before.is_none_or(|before| epoch(one.created_at) <= before))
            .collect();
        found.sort_by_key(|one| std::cmp::Reverse(one.created_at));
        let arns: Vec<&str> = found.iter().map(|one| one.arn.as_str()).collect();
        let mut answer = super::paged("serviceDeployments", &arns, input, 20)?;
        if let Some(listed) = answer
            .get_mut("serviceDeployments")
            .and_then(Value::as_array_mut)
        {
            for one in listed {
                let deployment = one.as_str().and_then(|arn| state.deployments.get(arn));
                *one = deployment.map(ServiceDeployment::brief).unwrap_or_default();
            }
        }
        Ok(answer)
    }

    /// `DescribeServiceDeployments`.
    pub(super) async fn describe_deployments(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let arns = described(input, "serviceDeploymentArns")?;
        for arn in &arns {
            self.world
                .authorise(caller, "ecs:DescribeServiceDeployments", arn)
                .await?;
        }
        let state = self.state();
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for arn in &arns {
            match state.deployments.get(arn) {
                Some(deployment) => found.push(deployment.view(&state)),
                None => failures.push(super::missing(arn)),
            }
        }
        Ok(json!({ "serviceDeployments": found, "failures": failures }))
    }

    /// `DescribeServiceRevisions`, with the digests that the images were resolved to.
    pub(super) async fn describe_revisions(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let arns = described(input, "serviceRevisionArns")?;
        for arn in &arns {
            self.world
                .authorise(caller, "ecs:DescribeServiceRevisions", arn)
                .await?;
        }
        let state = self.state();
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for arn in &arns {
            match state.revisions.get(arn) {
                Some(revision) => found.push(revision.view(&state)),
                None => failures.push(super::missing(arn)),
            }
        }
        Ok(json!({ "serviceRevisions": found, "failures": failures }))
    }

    /// `StopServiceDeployment`: the last completed revision comes back, whether or not the service
    /// is configured to roll back.
    pub(super) async fn stop_deployment(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let arn = input.required("serviceDeploymentArn")?;
        self.world
            .authorise(caller, "ecs:StopServiceDeployment", arn)
            .await?;
        match input.text("stopType")? {
            None | Some("ROLLBACK") => {}
            Some(other) => {
                return Err(invalid(format!(
                    "{other} is not a stop type that can be used."
                )));
            }
        }
        let mut state = self.state();
        let deployment = state.deployments.get_mut(arn).ok_or_else(|| {
            ApiError::client(
                "ServiceDeploymentNotFoundException",
                "Service deployment not found.",
            )
        })?;
        match deployment.status {
            Status::Pending | Status::InProgress => {
                deployment.status = Status::RollbackRequested;
                deployment.updated_at = Timestamp::now();
            }
            Status::StopRequested | Status::RollbackRequested | Status::RollbackInProgress => {}
            Status::Stopped
            | Status::RollbackSuccessful
            | Status::RollbackFailed
            | Status::Successful => {
                return Err(ApiError::client(
                    "ConflictException",
                    format!(
                        "The service deployment is in the {} state and cannot be stopped.",
                        deployment.status.name()
                    ),
                ));
            }
        }
        Ok(json!({ "serviceDeploymentArn": arn }))
    }
}

fn described(input: Input<'_>, field: &str) -> Result<Vec<String>, ApiError> {
    let arns = input.texts(field)?;
    match arns.len() {
        1..=DESCRIBED_MAX => Ok(arns),
        0 => Err(invalid(format!("{field} can not be empty."))),
        _ => Err(invalid(format!(
            "{field} can have at most {DESCRIBED_MAX} members."
        ))),
    }
}

impl ServiceDeployment {
    fn brief(&self) -> Value {
        self.common("targetServiceRevisionArn", json!(self.target.revision))
    }

    /// What both shapes of a service deployment show.
    fn common(&self, target_field: &str, target: Value) -> Value {
        let mut view = Map::new();
        let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
        put("serviceDeploymentArn", json!(self.arn));
        put("serviceArn", json!(self.service));
        put("clusterArn", json!(self.cluster));
        put("createdAt", json!(epoch(self.created_at)));
        put(target_field, target);
        put("status", json!(self.status.name()));
        if let Some(reason) = &self.status_reason {
            put("statusReason", json!(reason));
        }
        for (name, time) in [
            ("startedAt", self.started_at),
            ("finishedAt", self.finished_at),
        ] {
            if let Some(time) = time {
                put(name, json!(epoch(time)));
            }
        }
        Value::Object(view)
    }

    fn view(&self, state: &State) -> Value {
        let target = self.target.now(self, state).view();
        let common = self.common("targetServiceRevision", target);
        let mut view = common.as_object().cloned().unwrap_or_default();
        let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
        put("updatedAt", json!(epoch(self.updated_at)));
        if let Some(time) = self.stopped_at {
            put("stoppedAt", json!(epoch(time)));
        }
        let sources = self
            .sources
            .iter()
            .map(|share| share.now(self, state).view());
        put("sourceServiceRevisions", sources.collect());
        if let Some(traffic) = &self.traffic {
            put("lifecycleStage", json!(traffic.stage.name()));
        } else if self.bake_until.is_some() {
            put("lifecycleStage", json!("BAKE_TIME"));
        }
        put("deploymentConfiguration", json!(self.configuration.raw));
        if let Some(rollback) = &self.rollback {
            let mut told = json!({
                "reason": rollback.reason,
                "startedAt": epoch(rollback.started_at),
            });
            if let (Some(revision), Some(fields)) = (&rollback.revision, told.as_object_mut()) {
                fields.insert("serviceRevisionArn".to_owned(), json!(revision));
            }
            put("rollback", told);
        }
        put("deploymentCircuitBreaker", self.breaker_view());
        put("alarms", self.alarms_view());
        Value::Object(view)
    }

    fn breaker_view(&self) -> Value {
        let status = match (self.configuration.breaker, self.breaker_tripped) {
            (None, _) => "DISABLED",
            (Some(_), true) => "TRIGGERED",
            (Some(_), false) => self.monitoring(),
        };
        json!({
            "status": status,
            "failureCount": self.breaker_failures,
            "threshold": self.breaker_threshold,
        })
    }

    fn alarms_view(&self) -> Value {
        let names = self
            .configuration
            .alarms
            .as_ref()
            .map(|alarms| alarms.names.as_slice());
        let names = names.unwrap_or_default();
        match &self.alarms {
            AlarmWatch::Disabled | AlarmWatch::Ignored => {
                json!({ "status": "DISABLED", "alarmNames": names })
            }
            AlarmWatch::Unchecked | AlarmWatch::Watching => {
                json!({ "status": self.monitoring(), "alarmNames": names })
            }
            AlarmWatch::Triggered(fired) => {
                json!({ "status": "TRIGGERED", "alarmNames": names, "triggeredAlarmNames": fired })
            }
        }
    }

    fn monitoring(&self) -> &'static str {
        if self.status.is_terminal() {
            "MONITORING_COMPLETE"
        } else {
            "MONITORING"
        }
    }
}

impl Share {
    /// The part as it is now; after the end as it was then.
    fn now(&self, deployment: &ServiceDeployment, state: &State) -> Self {
        let rollouts = state
            .services
            .get(&deployment.service)
            .map(|service| &service.rollouts);
        let mut rollouts = rollouts.into_iter().flatten();
        match rollouts.find(|rollout| rollout.revision == self.revision) {
            Some(rollout) if !deployment.status.is_terminal() => Self {
                production_weight: self.production_weight,
                test_weight: self.test_weight,
                ..state.share(rollout)
            },
            _ => self.clone(),
        }
    }

    fn view(&self) -> Value {
        let mut view = json!({
            "arn": self.revision,
            "requestedTaskCount": self.requested,
            "runningTaskCount": self.running,
            "pendingTaskCount": self.pending,
        });
        let weights = [
            ("requestedProductionTrafficWeight", self.production_weight),
            ("requestedTestTrafficWeight", self.test_weight),
        ];
        for (name, weight) in weights {
            if let (Some(weight), Some(fields)) = (weight, view.as_object_mut()) {
                fields.insert(name.to_owned(), json!(weight));
            }
        }
        view
    }
}

impl Revision {
    fn view(&self, state: &State) -> Value {
        let service = state.services.get(&self.service);
        let images = self.images.iter().map(|image| {
            let mut view = json!({ "containerName": image.container, "image": image.image });
            if let (Some(digest), Some(fields)) = (&image.digest, view.as_object_mut()) {
                fields.insert("imageDigest".to_owned(), json!(digest));
            }
            view
        });
        let mut view = json!({
            "serviceRevisionArn": self.arn,
            "serviceArn": self.service,
            "clusterArn": service.map(|service| &service.cluster),
            "taskDefinition": self.definition,
            "containerImages": images.collect::<Vec<_>>(),
            "guardDutyEnabled": false,
            "createdAt": epoch(self.created_at),
        });
        let settings = service.map(|service| &service.settings);
        for name in [
            "launchType",
            "platformVersion",
            "loadBalancers",
            "networkConfiguration",
        ] {
            let value = settings.and_then(|settings| settings.get(name));
            if let (Some(value), Some(fields)) = (value, view.as_object_mut()) {
                fields.insert(name.to_owned(), value.clone());
            }
        }
        view
    }
}
