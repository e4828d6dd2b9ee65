//! Deploying to an ECS service by blue/green: a replacement task set beside the original one,
//! hooks on the way, traffic step by step, and in the end the original goes. Going back moves the
//! traffic to the original, which is still there, and takes the replacement away.
//!
//! Source: CodeDeploy user guide, "Deployments on an Amazon ECS compute platform"; what a stopped
//! deployment and its rollback leave behind is as seen on AWS.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::{
    CodeDeploy,
    appspec::EcsSpec,
    config::{Routing, Rule},
    deployment::{Creator, Halt, Order, Status, TaskSets},
    events::Told,
    hooks::Diagnostics,
    progress::Ending,
    revision::Revision,
    settings::{ReadyAction, Settings},
    target::{Target, TargetKind, TargetStatus},
};
use crate::plane::Listener;

/// How long the replacement task set may take to become healthy, in minutes.
/// Source: CodeDeploy quotas.
const INSTALL_MINUTES_MAX: u32 = 60;

/// The lifecycle events of a deployment, in order.
const EVENTS: [&str; 8] = [
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
];

/// Those among them that need a test listener.
const TEST_EVENTS: [&str; 2] = ["AllowTestTraffic", "AfterAllowTestTraffic"];

/// A deployment to an ECS service on its way.
struct Shift<'a> {
    plane: &'a CodeDeploy,
    order: &'a Order,
    spec: EcsSpec,
    routing: Routing,
    settings: Settings,
    /// The service's ARN.
    service: String,
    /// The id of the task set that serves production.
    primary: String,
    /// The ARN of its task definition.
    definition: String,
    /// How many tasks are wanted.
    desired: u32,
    /// `cluster:service`.
    target: String,
}

impl CodeDeploy {
    /// Carries out a deployment to an ECS service.
    pub(super) async fn deploy_to_ecs(&self, order: &Order) -> Result<Ending, Ending> {
        let shift = self.prepare_shift(order)?;
        match order.creator {
            Creator::User => shift.run().await,
            Creator::Rollback => Ok(shift.run_back()),
        }
    }

    fn prepare_shift<'a>(&'a self, order: &'a Order) -> Result<Shift<'a>, Ending> {
        let invalid = |why: String| Ending::failed("INVALID_REVISION", why);
        let Revision::AppSpec(content) = &order.revision else {
            return Err(invalid(
                "A revision for ECS must be AppSpec content.".to_owned(),
            ));
        };
        let spec = EcsSpec::parse(&content.content).map_err(|error| invalid(error.to_string()))?;
        let (settings, config) = {
            let state = self.state();
            let group = state.group(&order.place, &order.application, &order.group);
            (
                group
                    .map(|group| group.settings.clone())
                    .unwrap_or_default(),
                state
                    .config(&order.place, &order.config)
                    .map(|config| config.rule),
            )
        };
        let Ok(Rule::Ecs(routing)) = config else {
            let message = "The deployment configuration is not for ECS.";
            return Err(Ending::failed("INTERNAL_ERROR", message));
        };
        let none = || {
            Ending::failed(
                "INVALID_ECS_SERVICE",
                "Deployment group's ECS service must exist and be configured for a CODE_DEPLOY \
                 deployment controller.",
            )
        };
        let named = settings
            .ecs_services
            .iter()
            .flatten()
            .next()
            .cloned()
            .ok_or_else(none)?;
        let (cluster, name) = (&named.cluster_name, &named.service_name);
        let now = self
            .ecs
            .controlled(&order.place, cluster, name)
            .ok_or_else(none)?;
        let target = format!("{cluster}:{name}");
        Ok(Shift {
            plane: self,
            order,
            spec,
            routing,
            settings,
            service: now.arn,
            primary: now.primary,
            definition: now.definition,
            desired: now.desired,
            target,
        })
    }
}

impl Shift<'_> {
    async fn run(&self) -> Result<Ending, Ending> {
        let tested = self.has_test_listener();
        let events: Vec<_> = EVENTS
            .into_iter()
            .filter(|name| tested || !TEST_EVENTS.contains(name))
            .collect();
        self.begin(&events);
        self.clear_leftovers();
        self.hook("BeforeInstall").await?;
        let sets = self.event("Install", self.install()).await?;
        self.hook("AfterInstall").await?;
        if tested {
            self.event("AllowTestTraffic", async {
                let all = [(sets.replacement.as_str(), 1.0)];
                self.plane.ecs.route(&sets.service, Listener::Test, &all);
                Ok(())
            })
            .await?;
            self.hook("AfterAllowTestTraffic").await?;
        }
        self.wait_until_ready().await?;
        self.hook("BeforeAllowTraffic").await?;
        self.event("AllowTraffic", self.allow_traffic(&sets))
            .await?;
        self.hook("AfterAllowTraffic").await?;
        self.terminate(&sets).await;
        self.end(TargetStatus::Succeeded);
        Ok(Ending::Succeeded)
    }

    /// Going back: no new task set, no hooks; what was moved moves back.
    fn run_back(&self) -> Ending {
        self.begin(&["Install", "AllowTraffic"]);
        let sets = self
            .plane
            .state()
            .deployments
            .get(&self.order.id)
            .and_then(|deployment| deployment.task_sets.clone());
        for event in ["Install", "AllowTraffic"] {
            self.plane.event_begins(&self.order.id, &self.target, event);
            self.plane
                .event_ends(&self.order.id, &self.target, event, Ok(()));
        }
        if let Some(sets) = sets {
            let all = [(sets.original.as_str(), 1.0)];
            self.plane
                .ecs
                .route(&sets.service, Listener::Production, &all);
            self.plane.ecs.promote(&sets.service, &sets.original);
            self.plane
                .ecs
                .delete_task_set(&sets.service, &sets.replacement);
            self.tell(&sets, 0);
        }
        self.end(TargetStatus::Succeeded);
        Ending::Succeeded
    }

    fn has_test_listener(&self) -> bool {
        let pair = self.target_groups();
        pair.is_some_and(|pair| {
            pair.get("testTrafficRoute")
                .is_some_and(|route| !route.is_null())
        })
    }

    fn target_groups(&self) -> Option<&Value> {
        self.settings
            .load_balancer_info
            .as_ref()?
            .get("targetGroupPairInfoList")?
            .get(0)
    }

    fn begin(&self, events: &[&'static str]) {
        let kind = TargetKind::Ecs {
            task_sets: json!([]),
        };
        let mut target = Target::new(self.target.clone(), self.service.clone(), kind, events);
        target.set(TargetStatus::InProgress);
        self.plane.set_targets(self.order, vec![target]);
    }

    fn end(&self, status: TargetStatus) {
        if let Some(target) = self.plane.state().live_target(&self.order.id, &self.target) {
            target.set(status);
        }
    }

    /// Takes away what a deployment that was stopped without a rollback has left.
    fn clear_leftovers(&self) {
        let left: Vec<TaskSets> = {
            let state = self.plane.state();
            let earlier = state.deployments.values().filter(|earlier| {
                earlier.order.group_id == self.order.group_id && earlier.order.id != self.order.id
            });
            earlier
                .filter_map(|earlier| earlier.task_sets.clone())
                .collect()
        };
        let primary = &self.primary;
        let ids = left
            .iter()
            .flat_map(|sets| [&sets.original, &sets.replacement]);
        for id in ids.filter(|id| *id != primary) {
            self.plane.ecs.delete_task_set(&self.service, id);
        }
        let all = [(primary.as_str(), 1.0)];
        self.plane
            .ecs
            .route(&self.service, Listener::Production, &all);
    }

    /// One lifecycle event. When it fails, so does the deployment.
    async fn event<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, Ending>>,
    ) -> Result<T, Ending> {
        self.plane.event_begins(&self.order.id, &self.target, name);
        let result = work.await;
        let told = match &result {
            Ok(_) => Ok(()),
            Err(Ending::Failed(error)) => Err(Diagnostics::unknown(error.message.clone())),
            Err(Ending::Succeeded | Ending::Halted(_)) => Err(Diagnostics::unknown(String::new())),
        };
        self.plane
            .event_ends(&self.order.id, &self.target, name, told);
        result
    }

    /// The lifecycle event of a hook, with or without a function.
    async fn hook(&self, name: &'static str) -> Result<(), Ending> {
        self.event(name, async {
            let Some(function) = self.spec.hooks.get(name) else {
                return Ok(());
            };
            let asked = self.plane.ask_function(self.order, name, function).await;
            asked.map_err(|failed| Ending::failed("HOOK_EXECUTION_FAILURE", failed.message))
        })
        .await
    }

    /// Starts the replacement task set and waits until all its tasks are healthy.
    async fn install(&self) -> Result<TaskSets, Ending> {
        let service = &self.service;
        let created = self
            .plane
            .ecs
            .create_task_set(service, &self.spec.task_definition);
        let replacement = created.map_err(|error| {
            let message = format!("The ECS service cannot be updated: {}", error.message);
            Ending::failed("ECS_UPDATE_ERROR", message)
        })?;
        let sets = TaskSets {
            service: service.clone(),
            original: self.primary.clone(),
            replacement,
            original_definition: self.definition.clone(),
        };
        if let Some(deployment) = self.plane.state().deployments.get_mut(&self.order.id) {
            deployment.task_sets = Some(sets.clone());
        }
        let end = Instant::now() + self.plane.world.pace.minute * INSTALL_MINUTES_MAX;
        loop {
            sleep(self.plane.world.pace.tick).await;
            self.tell(&sets, 0);
            let now = self
                .plane
                .ecs
                .task_set(service, &sets.replacement)
                .ok_or_else(|| {
                    let message = "The replacement task set was deleted.";
                    Ending::failed("ECS_UPDATE_ERROR", message)
                })?;
            if now.healthy >= self.desired {
                return Ok(sets);
            }
            if Instant::now() > end {
                let reason = now
                    .reason
                    .map(|reason| format!(" {reason}"))
                    .unwrap_or_default();
                return Err(Ending::failed(
                    "TIMEOUT",
                    format!(
                        "The deployment timed out while waiting for the replacement task set to \
                         become healthy. This time out period is {INSTALL_MINUTES_MAX} \
                         minutes.{reason}"
                    ),
                ));
            }
        }
    }

    /// Waits for `ContinueDeployment`, if the group says so.
    async fn wait_until_ready(&self) -> Result<(), Ending> {
        let options = self.settings.blue_green_deployment_configuration.as_ref();
        let ready = options.and_then(|options| options.deployment_ready_option.as_ref());
        let Some(ReadyAction::StopDeployment) = ready.and_then(|ready| ready.action_on_timeout)
        else {
            return Ok(());
        };
        let minutes = ready
            .and_then(|ready| ready.wait_time_in_minutes)
            .unwrap_or_default();
        let proceed = self
            .plane
            .state()
            .deployments
            .get_mut(&self.order.id)
            .map(|deployment| {
                deployment.status = Status::Ready;
                self.plane.tell_deployment(self.order, Told::Ready);
                deployment.proceed.subscribe()
            });
        let Some(mut proceed) = proceed else {
            return Ok(());
        };
        let wait = self.plane.world.pace.minute * minutes;
        let allowed = timeout(wait, proceed.wait_for(|proceed| proceed.traffic)).await;
        match allowed {
            Ok(_) => {
                if let Some(one) = self.plane.state().deployments.get_mut(&self.order.id) {
                    one.status = Status::InProgress;
                }
                Ok(())
            }
            Err(_) => Err(Ending::Halted(Halt::NotContinued)),
        }
    }

    /// Moves production traffic step by step; the replacement is the primary task set then.
    async fn allow_traffic(&self, sets: &TaskSets) -> Result<(), Ending> {
        for (percent, minutes) in self.routing.steps() {
            let green = f64::from(percent);
            let weights = [
                (sets.original.as_str(), 100.0 - green),
                (sets.replacement.as_str(), green),
            ];
            self.plane
                .ecs
                .route(&sets.service, Listener::Production, &weights);
            self.tell(sets, percent);
            sleep(self.plane.world.pace.minute * minutes).await;
        }
        self.plane.ecs.promote(&sets.service, &sets.replacement);
        Ok(())
    }

    /// Waits as long as the group says, and lets the original task set go.
    async fn terminate(&self, sets: &TaskSets) {
        let options = self.settings.blue_green_deployment_configuration.as_ref();
        let terminate = options.and_then(|options| {
            options
                .terminate_blue_instances_on_deployment_success
                .as_ref()
        });
        let minutes = terminate.and_then(|option| option.termination_wait_time_in_minutes);
        let wait: Duration = self.plane.world.pace.minute * minutes.unwrap_or_default();
        let proceed = self
            .plane
            .state()
            .deployments
            .get(&self.order.id)
            .map(|deployment| {
                deployment
                    .proceed
                    .send_modify(|proceed| proceed.traffic_moved = true);
                deployment.proceed.subscribe()
            });
        if let Some(mut proceed) = proceed {
            // Whether the time is over or somebody said so is the same.
            timeout(wait, proceed.wait_for(|proceed| proceed.termination))
                .await
                .ok();
        }
        self.plane
            .ecs
            .delete_task_set(&sets.service, &sets.original);
        self.tell(sets, 100);
    }

    /// Enters how the task sets are, with the replacement's share of production traffic.
    fn tell(&self, sets: &TaskSets, percent: u32) {
        let groups = self
            .target_groups()
            .and_then(|pair| pair.get("targetGroups"));
        let told = |id: &str, label: &str, weight: u32, group: usize| {
            let now = self.plane.ecs.task_set(&sets.service, id)?;
            let status = if weight > 0 || label == "Blue" && percent == 0 {
                "PRIMARY"
            } else {
                "ACTIVE"
            };
            Some(json!({
                "identifer": id,
                "desiredCount": now.desired,
                "pendingCount": now.desired.saturating_sub(now.healthy),
                "runningCount": now.healthy,
                "status": if now.desired == 0 { "DRAINING" } else { status },
                "trafficWeight": weight,
                "targetGroup": groups.and_then(|groups| groups.get(group)),
                "taskSetLabel": label,
            }))
        };
        let task_sets: Vec<Value> = [
            told(&sets.original, "Blue", 100 - percent, 0),
            told(&sets.replacement, "Green", percent, 1),
        ]
        .into_iter()
        .flatten()
        .collect();
        if let Some(target) = self.plane.state().live_target(&self.order.id, &self.target) {
            target.kind = TargetKind::Ecs {
                task_sets: json!(task_sets),
            };
        }
    }
}
