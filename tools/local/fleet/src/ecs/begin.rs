//! The beginning of a deployment: a new revision, a new `ecs-svc/` deployment, and what it
//! supersedes. How it goes on lives in `rolling` and `traffic`.

use jiff::Timestamp;

use super::{
    arn,
    configuration::Strategy,
    events::{self, DeploymentEvent},
    input::invalid,
    stage::Stage,
    state::{
        AlarmWatch, ContainerImage, Controller, HookRun, Phase, Revision, Rollout, RolloutState,
        Service, ServiceDeployment, Share, State, Status, Traffic,
    },
};
use crate::{api::ApiError, plane::Listener, world::World};

/// Unfinished deployments that a service may have.
const UNFINISHED_MAX: usize = 5;

impl Service {
    /// Refuses another deployment when too many are unfinished.
    pub(super) fn has_room(&self) -> Result<(), ApiError> {
        let unfinished = self
            .rollouts
            .iter()
            .filter(|rollout| rollout.state == RolloutState::InProgress);
        match unfinished.count() < UNFINISHED_MAX {
            true => Ok(()),
            false => Err(invalid(format!(
                "{UNFINISHED_MAX} active deployments exist, unable to create new deployment."
            ))),
        }
    }

    /// The rollout that production traffic goes to, the one with the greater share if two.
    fn in_production(&self) -> Option<&Rollout> {
        let weights = self.balancer.weights(Listener::Production);
        let (group, _) = weights.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        self.rollouts
            .iter()
            .rev()
            .find(|rollout| rollout.group == group)
    }
}

impl State {
    /// Begins a deployment of a task definition: what is in progress is superseded.
    pub(super) fn begin(
        &mut self,
        world: &World,
        service: &str,
        definition: &str,
    ) -> Result<(), ApiError> {
        self.service(service)?.has_room()?;
        self.supersede(service);
        let revision = self.new_revision(service, definition);
        let sources = self.sources(service);
        let target = self.service(service)?;
        let blue = target
            .in_production()
            .map(|rollout| (rollout.id.clone(), rollout.group.clone()));
        let rolling = target.configuration.strategy == Strategy::Rolling
            && target.controller == Controller::Ecs;
        let id = format!("ecs-svc/{}", arn::digits());
        let group = match &blue {
            Some((_, group)) if rolling => group.clone(),
            _ => id.clone(),
        };
        if blue.is_none() {
            target
                .balancer
                .route(Listener::Production, &[(&group, 100.0)]);
        }
        let wanted = target.desired;
        let rollout = Rollout::new(id.clone(), revision.clone(), definition.to_owned(), group);
        target.rollouts.insert(0, Rollout { wanted, ..rollout });
        target.steady = false;
        if target.controller == Controller::CodeDeploy {
            return Ok(());
        }
        let traffic = (!rolling).then(|| Traffic {
            stage: Stage::ReconcileService,
            step: 0,
            entered: false,
            hooks: HookRun::Unasked,
            until: None,
            blue: blue.map(|(id, _)| id),
            green: id.clone(),
            reached: None,
        });
        let deployment = ServiceDeployment::new(target, &id, revision, sources, traffic);
        let reason = format!("ECS deployment {id} in progress.");
        events::deployment(world, target, &id, DeploymentEvent::InProgress, &reason);
        target.current = Some(deployment.arn.clone());
        self.deployments.insert(deployment.arn.clone(), deployment);
        Ok(())
    }

    /// Asks the deployment in progress to stop, because another takes its place.
    fn supersede(&mut self, service: &str) {
        let current = self
            .services
            .get_mut(service)
            .and_then(|service| service.current.take());
        let Some(deployment) = current.and_then(|arn| self.deployments.get_mut(&arn)) else {
            return;
        };
        let now = Timestamp::now();
        deployment.updated_at = now;
        deployment.status_reason = Some("A new service deployment was started.".to_owned());
        if deployment.rollback.is_some() {
            deployment.status = Status::RollbackFailed;
            deployment.finished_at = Some(now);
        } else {
            deployment.status = Status::StopRequested;
        }
    }

    /// A new revision of a service, its images not resolved yet.
    pub(super) fn new_revision(&mut self, service: &str, definition: &str) -> String {
        let found = self
            .families
            .values()
            .flatten()
            .find(|known| known.arn == definition);
        let images = found
            .into_iter()
            .flat_map(|definition| definition.containers());
        let images = images.map(|container| ContainerImage {
            container: container
                .text("name")
                .ok()
                .flatten()
                .unwrap_or_default()
                .to_owned(),
            image: container
                .text("image")
                .ok()
                .flatten()
                .unwrap_or_default()
                .to_owned(),
            digest: None,
        });
        let revision = Revision {
            arn: arn::of_service(service, "service-revision", &arn::digits()),
            service: service.to_owned(),
            definition: definition.to_owned(),
            created_at: Timestamp::now(),
            images: images.collect(),
        };
        let arn = revision.arn.clone();
        self.revisions.insert(arn.clone(), revision);
        arn
    }

    /// What runs when a deployment begins, one entry for each revision.
    fn sources(&self, service: &str) -> Vec<Share> {
        let rollouts = self.services.get(service).map(|service| &service.rollouts);
        let mut sources: Vec<Share> = Vec::new();
        for rollout in rollouts.into_iter().flatten() {
            let share = self.share(rollout);
            let lives =
                share.running + share.pending > 0 || rollout.state == RolloutState::Completed;
            if lives && sources.iter().all(|known| known.revision != share.revision) {
                sources.push(share);
            }
        }
        sources
    }

    /// Whether any task of a rollout is not over yet.
    pub(super) fn has_tasks(&self, rollout: &str) -> bool {
        self.tasks_of(rollout)
            .any(|task| task.phase != Phase::Stopped)
    }
}

impl Rollout {
    /// A rollout that has no tasks yet.
    pub(super) fn new(id: String, revision: String, definition: String, group: String) -> Self {
        let now = Timestamp::now();
        Self {
            reason: format!("ECS deployment {id} in progress."),
            id,
            revision,
            definition,
            group,
            state: RolloutState::InProgress,
            created_at: now,
            updated_at: now,
            failed_tasks: 0,
            failures: 0,
            launch_after: None,
            wanted: 0,
        }
    }
}

impl ServiceDeployment {
    fn new(
        service: &Service,
        rollout: &str,
        revision: String,
        sources: Vec<Share>,
        traffic: Option<Traffic>,
    ) -> Self {
        let now = Timestamp::now();
        let configuration = service.configuration.clone();
        let threshold = configuration
            .breaker
            .map(|one| one.threshold.tasks(service.desired));
        let alarms = match configuration.alarms {
            Some(_) => AlarmWatch::Unchecked,
            None => AlarmWatch::Disabled,
        };
        let target = Share {
            revision,
            requested: service.desired,
            running: 0,
            pending: 0,
            production_weight: None,
            test_weight: None,
        };
        Self {
            arn: arn::of_service(&service.arn, "service-deployment", &arn::deployment_id()),
            service: service.arn.clone(),
            cluster: service.cluster.clone(),
            status: Status::Pending,
            status_reason: None,
            created_at: now,
            started_at: None,
            finished_at: None,
            stopped_at: None,
            updated_at: now,
            sources,
            target,
            rollout: rollout.to_owned(),
            configuration,
            rollback: None,
            breaker_failures: 0,
            breaker_threshold: threshold.unwrap_or(0),
            breaker_tripped: false,
            alarms,
            bake_until: None,
            traffic,
        }
    }
}
