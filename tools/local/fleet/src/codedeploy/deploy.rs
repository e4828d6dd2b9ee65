//! Carrying out one deployment from its start to its end: alarms, requests to stop, and the
//! instances one after the other. What happens on an instance is the agent's work.

use std::sync::Arc;

use tokio::{sync::watch, task::JoinSet};

use super::{
    CodeDeploy,
    agent::{Errand, Step},
    config::{Minimum, Platform, Rule},
    deployment::{Halt, Order},
    instance::Machine,
    progress::Ending,
    revision::{Revision, S3Location},
    rollout::{self, Host, Next},
    settings::{AlarmName, Alarms},
    state::Standing,
    target::{Target, TargetKind},
};
use crate::{alarms, plane::Balancer};

/// How often alarms may be unreadable in a row before that counts.
const ALARM_FAILURES_MAX: u32 = 3;

/// What a deployment to instances works with.
struct Fleet {
    location: S3Location,
    minimum: Minimum,
    balancer: Arc<Balancer>,
    machines: Vec<Arc<Machine>>,
    hosts: Vec<Host>,
}

impl CodeDeploy {
    /// Carries out a deployment, and then its rollback, if it comes to that.
    pub(super) async fn carry_out(self: Arc<Self>, id: String) {
        let mut next = Some(id);
        while let Some(id) = next {
            // What was just made can be seen as made for a moment, as on AWS.
            tokio::time::sleep(self.world.pace.tick).await;
            let found = self
                .state()
                .deployments
                .get(&id)
                .map(|deployment| (deployment.order.clone(), deployment.halt.subscribe()));
            let Some((order, mut halt)) = found else {
                return;
            };
            self.begins(&order);
            let ending = tokio::select! {
                biased;
                halt = halted(&mut halt) => Ending::Halted(halt),
                ending = self.guarded(&order) => ending,
            };
            next = self.ends(&order, &ending);
        }
    }

    /// Carries it out unless an alarm comes in between, or fires already.
    async fn guarded(self: &Arc<Self>, order: &Order) -> Ending {
        let watched = order
            .alarms
            .clone()
            .filter(|alarms| alarms.enabled)
            .unwrap_or_default();
        let mut failures = 0;
        if let Some(halt) = self.alarmed(order, &watched, &mut failures).await {
            return Ending::Halted(halt);
        }
        tokio::select! {
            halt = self.watch_alarms(order, &watched) => Ending::Halted(halt),
            ending = self.deploy(order) => ending,
        }
    }

    async fn deploy(self: &Arc<Self>, order: &Order) -> Ending {
        match order.platform {
            Platform::Server => self
                .deploy_to_instances(order)
                .await
                .unwrap_or_else(|end| end),
            Platform::Ecs => self.deploy_to_ecs(order).await.unwrap_or_else(|end| end),
        }
    }

    /// Looks at the alarms until one fires.
    async fn watch_alarms(&self, order: &Order, watched: &Alarms) -> Halt {
        let mut failures = 0;
        loop {
            tokio::time::sleep(self.world.pace.alarm_poll).await;
            if let Some(halt) = self.alarmed(order, watched, &mut failures).await {
                return halt;
            }
        }
    }

    /// Looks at the alarms once.
    async fn alarmed(&self, order: &Order, watched: &Alarms, failures: &mut u32) -> Option<Halt> {
        let names: Vec<String> = watched
            .alarms
            .iter()
            .map(|AlarmName { name }| name.clone())
            .collect();
        match alarms::firing(&self.world, &order.place, &names).await {
            Ok(firing) => {
                *failures = 0;
                (!firing.is_empty()).then(|| Halt::Alarm(firing.into_iter().collect()))
            }
            Err(error) => {
                tracing::debug!(%error, deployment = order.id, "alarms could not be read");
                *failures += 1;
                let counts = *failures >= ALARM_FAILURES_MAX && !watched.ignore_poll_alarm_failure;
                counts.then_some(Halt::AlarmsUnknown)
            }
        }
    }

    async fn deploy_to_instances(self: &Arc<Self>, order: &Order) -> Result<Ending, Ending> {
        let mut fleet = self.muster(order)?;
        if fleet.machines.is_empty() {
            // Only outdated instances were wanted, and there are none.
            return Ok(Ending::Succeeded);
        }
        if !rollout::possible(fleet.minimum, fleet.hosts.len()) {
            return Err(Ending::failed(
                "HEALTH_CONSTRAINTS_INVALID",
                "The deployment can't start because the minimum number of healthy instances, as \
                 defined by your deployment configuration, are not available.",
            ));
        }
        self.revision_exists(order, &fleet.location).await?;
        let mut under_way = JoinSet::new();
        loop {
            let turns = match rollout::next(fleet.minimum, &fleet.hosts) {
                Next::Begin(turns) => turns,
                Next::Succeeded => return Ok(Ending::Succeeded),
                Next::Failed => return Err(too_many_failed()),
            };
            for turn in turns {
                self.begin_turn(order, &mut fleet, turn, &mut under_way);
            }
            let Some(ended) = under_way.join_next().await else {
                continue;
            };
            match ended {
                Ok((turn, host)) => set_host(&mut fleet.hosts, turn, host),
                Err(error) => {
                    return Err(Ending::failed("INTERNAL_ERROR", error.to_string()));
                }
            }
        }
    }

    /// The instances of the group, and what is needed to deploy to them.
    fn muster(&self, order: &Order) -> Result<Fleet, Ending> {
        let Revision::S3(location) = &order.revision else {
            let message = "A revision for instances must be an archive in Amazon S3.";
            return Err(Ending::failed("INVALID_REVISION", message));
        };
        let state = self.state();
        let group = state
            .group(&order.place, &order.application, &order.group)
            .ok();
        let group = group
            .filter(|group| group.id == order.group_id)
            .ok_or_else(|| {
                Ending::failed(
                    "DEPLOYMENT_GROUP_MISSING",
                    "The deployment group was deleted.",
                )
            })?;
        let config = state
            .config(&order.place, &order.config)
            .map(|config| config.rule);
        let (Ok(Rule::Server(minimum)), Some(balancer)) = (config, group.balancer.clone()) else {
            let message = "The deployment configuration is not for instances.";
            return Err(Ending::failed("INTERNAL_ERROR", message));
        };
        let members = state.members(&order.place, group);
        drop(state);
        if members.is_empty() {
            return Err(Ending::failed(
                "NO_INSTANCES",
                "The deployment failed because no instances were found for your deployment \
                 group. Check your deployment group settings to make sure the tags for your \
                 Amazon EC2 instances or Auto Scaling groups correctly identify the instances \
                 you want to deploy to, and then try again.",
            ));
        }
        let wanted = members.into_iter().filter(|(_, standing)| {
            !order.update_outdated_only || *standing != Some(Standing::Well(order.revision.clone()))
        });
        let (machines, hosts): (Vec<_>, Vec<_>) = wanted
            .map(|(machine, standing)| match standing {
                Some(Standing::Ill) => (machine, Host::WaitingIll),
                Some(Standing::Well(_)) | None => (machine, Host::WaitingWell),
            })
            .unzip();
        let steps: Vec<_> = Step::all(order.style.deployment_option)
            .into_iter()
            .map(Step::name)
            .collect();
        let target = |machine: &Arc<Machine>| {
            Target::new(
                machine.id.clone(),
                machine.arn.clone(),
                TargetKind::Instance,
                &steps,
            )
        };
        self.set_targets(order, machines.iter().map(target).collect());
        Ok(Fleet {
            location: location.clone(),
            minimum,
            balancer,
            machines,
            hosts,
        })
    }

    /// Looks whether the bundle is there before an instance is touched.
    async fn revision_exists(&self, order: &Order, location: &S3Location) -> Result<(), Ending> {
        let S3Location {
            bucket,
            key,
            version,
            ..
        } = location;
        let read = self
            .world
            .remote
            .object(&order.place, bucket, key, version.as_deref())
            .await;
        read.map(drop).map_err(|error| {
            let message = format!("The revision {bucket}/{key} could not be found: {error}");
            Ending::failed("REVISION_MISSING", message)
        })
    }

    fn begin_turn(
        self: &Arc<Self>,
        order: &Order,
        fleet: &mut Fleet,
        turn: usize,
        under_way: &mut JoinSet<(usize, Host)>,
    ) {
        let Some(machine) = fleet.machines.get(turn).cloned() else {
            return;
        };
        set_host(&mut fleet.hosts, turn, Host::Busy);
        let (plane, order) = (Arc::clone(self), order.clone());
        let (location, balancer) = (fleet.location.clone(), Arc::clone(&fleet.balancer));
        under_way.spawn(async move {
            plane.target_begins(&order, &machine);
            // The agent asks for work only so often.
            tokio::time::sleep(plane.world.pace.provision).await;
            let errand = Errand {
                plane: &plane,
                order: &order,
                location: &location,
                machine: &machine,
                balancer: &balancer,
            };
            let (standing, host) = match errand.run().await {
                Ok(()) => (Standing::Well(order.revision.clone()), Host::Done),
                Err(super::agent::InstanceFailed) => (Standing::Ill, Host::Failed),
            };
            plane.target_ends(&order, &machine, standing);
            (turn, host)
        });
    }
}

fn set_host(hosts: &mut [Host], turn: usize, now: Host) {
    if let Some(host) = hosts.get_mut(turn) {
        *host = now;
    }
}

fn too_many_failed() -> Ending {
    Ending::failed(
        "HEALTH_CONSTRAINTS",
        "The overall deployment failed because too many individual instances failed deployment, \
         too few healthy instances are available for deployment, or some instances in your \
         deployment group are experiencing problems.",
    )
}

/// Waits until somebody asks to stop.
async fn halted(halt: &mut watch::Receiver<Option<Halt>>) -> Halt {
    let asked = halt
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|halt| halt.clone());
    match asked {
        Some(halt) => halt,
        // Nobody can ask any more.
        None => std::future::pending().await,
    }
}
