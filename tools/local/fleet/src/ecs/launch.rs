//! The life of one task: pulling its images, running its containers, ending it. Which tasks are
//! to live is decided elsewhere.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;
use tokio::{sync::Notify, task::JoinSet, time::Instant};

use super::{
    Ecs, events,
    input::Input,
    state::{Phase, State, Stop, Task},
    worker::Step,
};
use crate::plane::{APP_VARIABLE, App, Exit, Server};

/// A container image's label that names its version.
const VERSION_LABEL: &str = "org.opencontainers.image.version";

/// What is to run as one container.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    image: String,
    digest: Option<String>,
    env: BTreeMap<String, String>,
    role: Role,
}

/// What a container is to its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The balancer sends requests to it; the task ends with it.
    Front,
    /// The task ends with it.
    Essential,
    /// The task goes on without it.
    Helper,
}

/// Runs a task from its start to its end.
pub(super) async fn live(ecs: Arc<Ecs>, arn: String) {
    let Some(asked) = ecs
        .state()
        .tasks
        .get(&arn)
        .map(|task| Arc::clone(&task.asked))
    else {
        return;
    };
    let begun = tokio::select! {
        biased;
        () = asked.notified() => None,
        begun = ecs.start_task(&arn) => Some(begun),
    };
    match begun {
        None => {}
        Some(Ok(())) => ecs.run_task(&arn, &asked).await,
        Some(Err(stop)) => ecs.ask_task(&arn, stop),
    }
    ecs.end_task(&arn).await;
}

impl Ecs {
    /// From provisioning to running.
    async fn start_task(&self, arn: &str) -> Result<(), Stop> {
        tokio::time::sleep(self.world.pace.provision).await;
        self.change_task(arn, Phase::Pending, |task| {
            task.pull_started_at = Some(Timestamp::now())
        });
        let parts = self.state().parts(arn);
        let mut apps = Vec::new();
        for part in &parts {
            apps.push(self.prepare(arn, part).await?);
        }
        self.with_task(arn, |task| task.pull_stopped_at = Some(Timestamp::now()));
        let label = super::arn::last(arn).to_owned();
        for (part, (app, env)) in parts.iter().zip(apps) {
            let server = Server::start(app, label.clone(), env)
                .map_err(|error| failed_to_start(format!("CannotStartContainerError: {error}")))?;
            self.with_task(arn, |task| task.container(&part.name, Arc::new(server)));
        }
        self.settle_servers(arn, &parts).await?;
        self.enter_service(arn, &parts);
        Ok(())
    }

    /// Pulls one image and reads what it does.
    async fn prepare(
        &self,
        arn: &str,
        part: &Part,
    ) -> Result<(App, BTreeMap<String, String>), Stop> {
        let given = part.env.contains_key(APP_VARIABLE);
        let pulled = self
            .images
            .pull(
                &self.world,
                &super::arn::place(arn),
                &part.image,
                part.digest.as_deref(),
            )
            .await;
        let (mut env, version) = match pulled {
            Ok(pulled) => {
                self.state().resolve(arn, &part.name, &pulled.digest);
                let version = pulled
                    .config
                    .labels
                    .get(VERSION_LABEL)
                    .unwrap_or(&pulled.digest);
                (pulled.config.env.clone(), version.clone())
            }
            // An image from elsewhere can run when the task definition says what it does.
            Err(_) if given && !part.image.contains(".dkr.ecr.") => {
                (BTreeMap::new(), part.image.clone())
            }
            Err(error) => {
                let reason = error.to_string();
                self.with_task(arn, |task| task.fail_container(&part.name, &reason));
                return Err(failed_to_start(reason));
            }
        };
        env.extend(part.env.clone());
        let app = match env.get(APP_VARIABLE) {
            Some(text) => App::parse(text).map_err(|error| {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let cause = cause.unwrap_or_default();
                failed_to_start(format!("CannotStartContainerError: {error}: {cause}"))
            })?,
            None => App::plain(&version),
        };
        Ok((app, env))
    }

    /// Waits until the containers listen, or have had their time. One that is gone by then did not
    /// start.
    async fn settle_servers(&self, arn: &str, parts: &[Part]) -> Result<(), Stop> {
        let settle = self.world.pace.minute / 2;
        let servers = self.state().servers(arn, parts);
        for (part, server) in servers {
            server.settled(settle).await;
            if let (Some(exit), true) = (server.has_exited(), part.role != Role::Helper) {
                self.with_task(arn, |task| task.exit_container(&part.name, exit));
                return Err(exited());
            }
        }
        Ok(())
    }

    /// The task runs: the balancer is told where.
    fn enter_service(&self, arn: &str, parts: &[Part]) {
        let mut state = self.state();
        let servers = state.servers(arn, parts);
        let front = servers.iter().find(|(part, _)| part.role == Role::Front);
        let addr = front.map(|(_, server)| server.addr());
        let State {
            tasks, services, ..
        } = &mut *state;
        let Some(task) = tasks.get_mut(arn) else {
            return;
        };
        let Some(service) = services.get(&task.service) else {
            return;
        };
        let grace = service
            .settings
            .get("healthCheckGracePeriodSeconds")
            .and_then(Value::as_u64);
        let grace = u32::try_from(grace.unwrap_or(0)).unwrap_or(u32::MAX);
        task.started_at = Some(Timestamp::now());
        task.grace_until = Some(Instant::now() + self.world.pace.second() * grace);
        task.addr = addr;
        if let Some(addr) = addr {
            service.balancer.register(&task.group, addr);
        } else {
            task.healthy = true;
            task.ever_healthy = true;
        }
        events::task_changed(&self.world, task, Phase::Running);
    }

    /// Waits until the task is asked to stop or one of its essential containers ends.
    async fn run_task(&self, arn: &str, asked: &Notify) {
        let parts = self.state().parts(arn);
        let servers = self.state().servers(arn, &parts);
        let mut exits = JoinSet::new();
        for (part, server) in servers {
            if part.role != Role::Helper {
                let name = part.name.clone();
                exits.spawn(async move { (name, server.exited().await) });
            }
        }
        tokio::select! {
            biased;
            () = asked.notified() => {}
            ended = exits.join_next() => {
                if let Some(Ok((name, exit))) = ended {
                    self.with_task(arn, |task| task.exit_container(&name, exit));
                    self.ask_task(arn, exited());
                } else {
                    asked.notified().await;
                }
            }
        }
    }

    /// From running to stopped: no new requests, those in flight end, then the containers.
    async fn end_task(&self, arn: &str) {
        let pace = self.world.pace;
        self.change_task(arn, Phase::Deactivating, |task| {
            task.healthy = false;
            task.stopping_at = Some(Timestamp::now());
        });
        let target = {
            let state = self.state();
            let task = state.tasks.get(arn);
            let service = task.and_then(|task| state.services.get(&task.service));
            task.zip(service).and_then(|(task, service)| {
                Some((
                    Arc::clone(&service.balancer),
                    task.group.clone(),
                    task.addr?,
                ))
            })
        };
        if let Some((balancer, group, addr)) = target {
            balancer.deregister(&group, addr, pace.drain).await;
        }
        self.change_task(arn, Phase::Stopping, |_| {});
        let servers = self.state().take_servers(arn);
        for (name, server) in servers {
            let exit = server.stop(pace.stop_grace).await;
            self.with_task(arn, |task| task.exit_container(&name, exit));
        }
        self.change_task(arn, Phase::Deprovisioning, |_| {});
        self.account(arn);
        self.change_task(arn, Phase::Stopped, |task| {
            task.stopped_at = Some(Timestamp::now())
        });
    }

    /// Counts a task that ended by itself before it was ever healthy as failed. One that ends
    /// later is only replaced, which is why AWS's breaker does not see it either.
    fn account(&self, arn: &str) {
        let mut state = self.state();
        let Some(task) = state.tasks.get(arn) else {
            return;
        };
        let failed = task.stop.as_ref().is_some_and(|stop| {
            stop.code == "TaskFailedToStart" || stop.code == "EssentialContainerExited"
        });
        if !failed || task.ever_healthy {
            return;
        }
        let (service, rollout) = (task.service.clone(), task.rollout.clone());
        let mut effects = Vec::new();
        let step = Step {
            world: &self.world,
            service: &service,
            effects: &mut effects,
        };
        state.count_failure(&step, &rollout);
    }

    fn ask_task(&self, arn: &str, stop: Stop) {
        self.with_task(arn, |task| task.ask_to_stop(stop));
    }

    fn with_task(&self, arn: &str, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.state().tasks.get_mut(arn) {
            change(task);
        }
    }

    /// Moves a task on and tells it.
    fn change_task(&self, arn: &str, phase: Phase, change: impl FnOnce(&mut Task)) {
        self.with_task(arn, |task| {
            change(task);
            events::task_changed(&self.world, task, phase);
        });
    }
}

fn failed_to_start(reason: String) -> Stop {
    Stop {
        code: "TaskFailedToStart",
        reason,
    }
}

fn exited() -> Stop {
    Stop {
        code: "EssentialContainerExited",
        reason: "Essential container in task exited".to_owned(),
    }
}

impl State {
    /// What is to run as the containers of a task.
    fn parts(&self, arn: &str) -> Vec<Part> {
        let Some(task) = self.tasks.get(arn) else {
            return Vec::new();
        };
        let definition = self
            .families
            .values()
            .flatten()
            .find(|one| one.arn == task.definition);
        let containers: Vec<Input<'_>> = definition
            .into_iter()
            .flat_map(|definition| definition.containers())
            .collect();
        let front = self.front(task, &containers);
        let resolved = self
            .revisions
            .get(&task.revision)
            .map(|revision| &revision.images);
        let part = |container: &Input<'_>| {
            let text = |name| {
                container
                    .text(name)
                    .ok()
                    .flatten()
                    .unwrap_or_default()
                    .to_owned()
            };
            let name = text("name");
            let essential = container
                .get("essential")
                .and_then(Value::as_bool)
                .unwrap_or(true);
            let role = match essential {
                _ if Some(&name) == front.as_ref() => Role::Front,
                true => Role::Essential,
                false => Role::Helper,
            };
            let image = resolved
                .into_iter()
                .flatten()
                .find(|image| image.container == name);
            let digest = image.and_then(|image| image.digest.clone());
            Part {
                image: text("image"),
                digest,
                env: environment(*container),
                role,
                name,
            }
        };
        containers.iter().map(part).collect()
    }

    /// The container that gets requests: the one the service's load balancer names, else the first
    /// with a port, else the first.
    fn front(&self, task: &Task, containers: &[Input<'_>]) -> Option<String> {
        let service = self.services.get(&task.service)?;
        let named = service
            .settings
            .get("loadBalancers")
            .and_then(Value::as_array);
        let named = named.and_then(|list| list.first()?.get("containerName")?.as_str());
        let is = |one: &Input<'_>, wanted| one.text("name") == Ok(Some(wanted));
        let named = named.filter(|wanted| containers.iter().any(|one| is(one, *wanted)));
        let with_port = containers.iter().find(|one| {
            one.list("portMappings")
                .is_ok_and(|ports| !ports.is_empty())
        });
        let first = || {
            with_port
                .or(containers.first())?
                .text("name")
                .ok()
                .flatten()
        };
        named.or_else(first).map(str::to_owned)
    }

    /// The servers of a task, with what they are.
    fn servers(&self, arn: &str, parts: &[Part]) -> Vec<(Part, Arc<Server>)> {
        let containers = self
            .tasks
            .get(arn)
            .into_iter()
            .flat_map(|task| &task.containers);
        let server = |part: &Part| {
            let found = containers.clone().find(|one| one.name == part.name)?;
            Some((part.clone(), Arc::clone(found.server.as_ref()?)))
        };
        parts.iter().filter_map(server).collect()
    }

    /// Takes the servers of a task to stop them.
    fn take_servers(&mut self, arn: &str) -> Vec<(String, Arc<Server>)> {
        let containers = self
            .tasks
            .get_mut(arn)
            .into_iter()
            .flat_map(|task| &mut task.containers);
        containers
            .filter_map(|one| Some((one.name.clone(), one.server.take()?)))
            .collect()
    }

    /// Keeps the digest that an image was resolved to, for the task and its revision.
    fn resolve(&mut self, arn: &str, container: &str, digest: &str) {
        let Some(task) = self.tasks.get_mut(arn) else {
            return;
        };
        for one in task
            .containers
            .iter_mut()
            .filter(|one| one.name == container)
        {
            one.digest = Some(digest.to_owned());
        }
        let images = self
            .revisions
            .get_mut(&task.revision)
            .map(|revision| &mut revision.images);
        for image in images
            .into_iter()
            .flatten()
            .filter(|image| image.container == container)
        {
            image.digest.get_or_insert_with(|| digest.to_owned());
        }
    }
}

/// The environment that a task definition gives a container.
fn environment(container: Input<'_>) -> BTreeMap<String, String> {
    let pairs = container.objects("environment").unwrap_or_default();
    let text = |pair: &Input<'_>, name: &str| pair.text(name).ok().flatten().map(str::to_owned);
    pairs
        .iter()
        .filter_map(|pair| Some((text(pair, "name")?, text(pair, "value")?)))
        .collect()
}

impl Task {
    fn container(&mut self, name: &str, server: Arc<Server>) {
        for container in self.containers.iter_mut().filter(|one| one.name == name) {
            container.server = Some(Arc::clone(&server));
        }
    }

    fn exit_container(&mut self, name: &str, exit: Exit) {
        for container in self.containers.iter_mut().filter(|one| one.name == name) {
            container.exit_code.get_or_insert(exit.code);
        }
    }

    fn fail_container(&mut self, name: &str, reason: &str) {
        for container in self.containers.iter_mut().filter(|one| one.name == name) {
            container.reason = Some(reason.to_owned());
        }
    }
}
