//! Whole deployments, with real servers behind real balancers and a rest of AWS made for the test.

mod aws;
mod failing;
mod protocol;
mod rolling;
mod shifting;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinHandle,
    time::Instant,
};

use self::aws::FakeAws;
use crate::{Api, BoxFuture, Call, Caller, Fleet, Guard, Options, Pace};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";
const CLUSTER: &str = "shop";

/// The longest a test waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Refuses the actions of a list.
struct Refusing(Vec<&'static str>);

impl Guard for Refusing {
    fn allowed<'a>(&'a self, _: &'a Caller, action: &'a str, _: &'a str) -> BoxFuture<'a, bool> {
        let allowed = !self.0.contains(&action);
        Box::pin(async move { allowed })
    }
}

/// A fleet with its rest of AWS.
struct World {
    fleet: Arc<Fleet>,
    aws: Arc<FakeAws>,
    events: Mutex<(UnboundedReceiver<Value>, Vec<Value>)>,
}

fn caller() -> Caller {
    Caller {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        arn: format!("arn:aws:iam::{ACCOUNT}:user/tester"),
    }
}

impl World {
    /// An empty fleet with one cluster.
    async fn new() -> Self {
        Self::refusing(Vec::new()).await
    }

    async fn refusing(refused: Vec<&'static str>) -> Self {
        let aws = FakeAws::start().await;
        let (sender, events) = unbounded_channel();
        let options = Options {
            aws_endpoint: aws.endpoint.clone(),
            guard: Arc::new(Refusing(refused)),
            events: sender,
            pace: Pace::test(),
        };
        let fleet = Fleet::start(options).await.unwrap();
        let world = Self {
            fleet,
            aws,
            events: Mutex::new((events, Vec::new())),
        };
        world
            .call("CreateCluster", json!({ "clusterName": CLUSTER }))
            .await;
        world
    }

    /// Calls an operation and gives its status and answer.
    async fn answer(&self, operation: &str, input: Value) -> (u16, Value) {
        let call = Call {
            api: Api::Ecs,
            operation: operation.to_owned(),
            body: Bytes::from(input.to_string()),
            caller: caller(),
        };
        let reply = self.fleet.handle(call).await;
        (reply.status, serde_json::from_slice(&reply.body).unwrap())
    }

    /// Calls an operation that must succeed.
    async fn call(&self, operation: &str, input: Value) -> Value {
        let (status, answer) = self.answer(operation, input).await;
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    /// The error of an operation that must fail.
    async fn error(&self, operation: &str, input: Value) -> (String, String) {
        let (status, answer) = self.answer(operation, input).await;
        assert_eq!(status, 400, "{operation}: {answer}");
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (text("__type"), text("message"))
    }

    /// Pushes an image of a release and registers a task definition with it; gives its ARN.
    async fn release(&self, app: Value) -> String {
        let image = self.aws.push("web", app["version"].as_str().unwrap(), &app);
        self.register(&image).await
    }

    async fn register(&self, image: &str) -> String {
        let input = json!({
            "family": "web",
            "containerDefinitions": [{
                "name": "app",
                "image": image,
                "portMappings": [{ "containerPort": 8080 }],
            }],
        });
        let answer = self.call("RegisterTaskDefinition", input).await;
        answer["taskDefinition"]["taskDefinitionArn"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Creates the service `web` and waits until its first deployment is over.
    async fn serve(&self, app: Value, desired: u32, configuration: Value) -> String {
        let definition = self.release(app).await;
        self.create(&definition, desired, configuration).await;
        self.ends("SUCCESSFUL").await;
        definition
    }

    async fn create(&self, definition: &str, desired: u32, configuration: Value) {
        let input = json!({
            "cluster": CLUSTER,
            "serviceName": "web",
            "taskDefinition": definition,
            "desiredCount": desired,
            "deploymentConfiguration": configuration,
        });
        self.call("CreateService", input).await;
    }

    async fn update(&self, mut fields: Value) -> Value {
        fields["cluster"] = json!(CLUSTER);
        fields["service"] = json!("web");
        self.call("UpdateService", fields).await["service"].clone()
    }

    /// Deploys a release to the service.
    async fn deploy(&self, app: Value) -> String {
        let definition = self.release(app).await;
        self.update(json!({ "taskDefinition": definition })).await;
        definition
    }

    async fn service(&self) -> Value {
        let input = json!({ "cluster": CLUSTER, "services": ["web"], "include": ["TAGS"] });
        self.call("DescribeServices", input).await["services"][0].clone()
    }

    /// The newest service deployment.
    async fn deployment(&self) -> Value {
        let input = json!({ "cluster": CLUSTER, "service": "web" });
        let listed = self.call("ListServiceDeployments", input).await;
        let arn = listed["serviceDeployments"][0]["serviceDeploymentArn"].clone();
        self.described(&arn).await
    }

    async fn described(&self, arn: &Value) -> Value {
        let input = json!({ "serviceDeploymentArns": [arn] });
        self.call("DescribeServiceDeployments", input).await["serviceDeployments"][0].clone()
    }

    /// Waits until the newest service deployment has this status.
    async fn ends(&self, status: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let deployment = self.deployment().await;
            if deployment["status"] == status {
                return deployment;
            }
            assert!(
                Instant::now() < end,
                "not {status}: {deployment:#} {:#}",
                self.service().await
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the service is as wanted.
    async fn becomes(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let service = self.service().await;
            if wanted(&service) {
                return service;
            }
            assert!(
                Instant::now() < end,
                "the service does not become so: {service:#}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The address in a tag of the service.
    async fn tagged(&self, key: &str) -> String {
        let service = self.service().await;
        let tag = service["tags"]
            .as_array()
            .unwrap()
            .iter()
            .find(|tag| tag["key"] == key);
        tag.unwrap()["value"].as_str().unwrap().to_owned()
    }

    /// All events so far.
    fn events(&self) -> Vec<Value> {
        let mut events = self.events.lock().unwrap();
        while let Ok(event) = events.0.try_recv() {
            events.1.push(event);
        }
        events.1.clone()
    }

    /// The events of deployments so far: name, id, reason.
    fn deployment_events(&self) -> Vec<(String, String, String)> {
        let events = self.events().into_iter();
        let events = events.filter(|one| one["detail-type"] == "ECS Deployment State Change");
        let text = |one: &Value, name: &str| one["detail"][name].as_str().unwrap().to_owned();
        events
            .map(|one| {
                (
                    text(&one, "eventName"),
                    text(&one, "deploymentId"),
                    text(&one, "reason"),
                )
            })
            .collect()
    }
}

/// One request; its status and the version that answered.
async fn get(url: &str) -> (u16, Value) {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.get(url.parse().unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// Clients that send requests one after the other over kept connections.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    failed: Arc<Mutex<Vec<String>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(url: &str, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let failed = Arc::new(Mutex::new(Vec::new()));
        let clients = (0..clients).map(|_| {
            let (stop, sent, failed) = (Arc::clone(&stop), Arc::clone(&sent), Arc::clone(&failed));
            let url: http::Uri = url.parse().unwrap();
            tokio::spawn(async move {
                let client: Client<_, Full<Bytes>> =
                    Client::builder(TokioExecutor::new()).build_http();
                while !stop.load(Ordering::Relaxed) {
                    sent.fetch_add(1, Ordering::Relaxed);
                    match client.get(url.clone()).await {
                        Ok(response) if response.status() == 200 => {
                            response.into_body().collect().await.unwrap();
                        }
                        Ok(response) => {
                            let status = response.status();
                            let body = response.into_body().collect().await.unwrap().to_bytes();
                            failed.lock().unwrap().push(format!("{status} {body:?}"));
                        }
                        Err(error) => failed.lock().unwrap().push(format!("{error:?}")),
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
        });
        let clients = clients.collect();
        Self {
            stop,
            sent,
            failed,
            clients,
        }
    }

    /// Stops; how many requests were sent, and what became of those that failed.
    async fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        let failed = self.failed.lock().unwrap().clone();
        (self.sent.load(Ordering::Relaxed), failed)
    }
}
