//! ECS's control plane: clusters, task definitions, services, their deployments and tasks.
//!
//! Calls change the state; the worker looks at it many times a second and does what is needed.
//! What a caller is told is made in the modules of the operations, what happens by itself lives in
//! `rolling`, `traffic`, `outcome` and `launch`.

mod arn;
mod begin;
mod breaker;
mod cluster;
mod configuration;
mod events;
mod history;
mod hooks;
mod image;
mod input;
mod launch;
mod outcome;
mod register;
mod rolling;
mod scale;
mod service;
mod stage;
mod state;
mod tags;
mod task;
mod taskset;
#[cfg(test)]
mod tests;
mod traffic;
mod view;
mod watch;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use self::{
    image::Images,
    input::{Input, invalid},
    state::State,
};
use crate::{
    api::{ApiError, Call, Reply},
    world::World,
};

/// ECS's control plane.
pub(crate) struct Ecs {
    world: Arc<World>,
    state: Mutex<State>,
    images: Images,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Ecs {
    /// An empty control plane with its worker.
    pub(crate) fn start(world: Arc<World>) -> Arc<Self> {
        let ecs = Arc::new(Self {
            world,
            state: Mutex::new(State::default()),
            images: Images::default(),
            worker: Mutex::new(None),
        });
        let worker = tokio::spawn(worker::run(Arc::downgrade(&ecs), ecs.world.pace.tick));
        *ecs.worker.lock().unwrap_or_else(PoisonError::into_inner) = Some(worker);
        ecs
    }

    /// Carries out one call.
    pub(crate) async fn handle(&self, call: Call) -> Reply {
        Reply::from_result(self.dispatch(&call).await)
    }

    async fn dispatch(&self, call: &Call) -> Result<Value, ApiError> {
        let body: Map<String, Value> = match call.body.is_empty() {
            true => Map::new(),
            false => serde_json::from_slice(&call.body)
                .map_err(|error| ApiError::client("SerializationException", error.to_string()))?,
        };
        let (caller, input) = (&call.caller, Input(&body));
        match call.operation.as_str() {
            "CreateCluster" => self.create_cluster(caller, input).await,
            "ListClusters" => self.list_clusters(caller, input).await,
            "DescribeClusters" => self.describe_clusters(caller, input).await,
            "RegisterTaskDefinition" => self.register(caller, input).await,
            "DescribeTaskDefinition" => self.describe_definition(caller, input).await,
            "ListTaskDefinitions" => self.list_definitions(caller, input).await,
            "DeregisterTaskDefinition" => self.deregister(caller, input).await,
            "CreateService" => self.create_service(caller, input).await,
            "UpdateService" => self.update_service(caller, input).await,
            "DescribeServices" => self.describe_services(caller, input).await,
            "ListServices" => self.list_services(caller, input).await,
            "ListServiceDeployments" => self.list_deployments(caller, input).await,
            "DescribeServiceDeployments" => self.describe_deployments(caller, input).await,
            "DescribeServiceRevisions" => self.describe_revisions(caller, input).await,
            "StopServiceDeployment" => self.stop_deployment(caller, input).await,
            "ListTasks" => self.list_tasks(caller, input).await,
            "DescribeTasks" => self.describe_tasks(caller, input).await,
            "StopTask" => self.stop_task(caller, input).await,
            "TagResource" => self.tag(caller, input).await,
            "UntagResource" => self.untag(caller, input).await,
            "ListTagsForResource" => self.list_tags(caller, input).await,
            other => Err(ApiError::client(
                "UnknownOperationException",
                format!("{other} is not an operation that is known here."),
            )),
        }
    }

    /// Stops every task and balancer.
    pub(crate) async fn shutdown(&self) {
        let worker = self
            .worker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(worker) = worker {
            worker.abort();
        }
        let (balancers, servers) = {
            let mut state = self.state();
            let containers = state
                .tasks
                .values_mut()
                .flat_map(|task| &mut task.containers);
            let servers: Vec<_> = containers.filter_map(|one| one.server.take()).collect();
            let balancers: Vec<_> = state
                .services
                .values()
                .map(|service| Arc::clone(&service.balancer))
                .collect();
            (balancers, servers)
        };
        for balancer in balancers {
            balancer.stop().await;
        }
        for server in servers {
            server.stop(self.world.pace.stop_grace).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A failure entry of a `Describe…` answer.
fn missing(arn: &str) -> Value {
    json!({ "arn": arn, "reason": "MISSING" })
}

/// One page of a list of ARNs. A token is the place in the list.
fn paged(
    field: &str,
    arns: &[&str],
    input: Input<'_>,
    page_default: usize,
) -> Result<Value, ApiError> {
    let start = match input.text("nextToken")? {
        None => 0,
        Some(token) => token.parse().map_err(|_| invalid("Invalid token."))?,
    };
    let size = input
        .number("maxResults")?
        .map_or(page_default, |size| size.max(1) as usize);
    let page: Vec<&&str> = arns.iter().skip(start).take(size).collect();
    let end = start.saturating_add(page.len());
    let mut answer = Map::new();
    answer.insert(field.to_owned(), json!(page));
    if end < arns.len() {
        answer.insert("nextToken".to_owned(), json!(end.to_string()));
    }
    Ok(Value::Object(answer))
}
