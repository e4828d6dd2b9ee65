//! What the tests stand on: a fleet of its own per test, the rest of AWS as a tiny server (S3,
//! CloudWatch alarms, Lambda), bundles, and somebody who sends requests all the time.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::IntoResponse,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::api::{Api, BoxFuture, Call, Caller, Guard, Options, Pace};

pub(super) const ACCOUNT: &str = "111122223333";
pub(super) const REGION: &str = "eu-west-1";
const ROLE: &str = "arn:aws:iam::111122223333:role/codedeploy";
const PATIENCE: Duration = Duration::from_secs(30);

/// The rest of AWS.
#[derive(Default)]
pub(super) struct Aws {
    /// Objects: the versions of each, oldest first, by bucket and key.
    objects: Mutex<BTreeMap<String, Vec<Vec<u8>>>>,
    firing: Mutex<BTreeSet<String>>,
    /// What functions were invoked with.
    pub(super) invoked: Mutex<Vec<(String, Value)>>,
}

impl Aws {
    /// Stores a further version of an object and answers with its version id.
    pub(super) fn put(&self, key: &str, bytes: Vec<u8>) -> String {
        let mut objects = self.objects.lock().unwrap();
        let versions = objects.entry(format!("/bundles/{key}")).or_default();
        versions.push(bytes);
        versions.len().to_string()
    }

    pub(super) fn delete(&self, key: &str) {
        self.objects
            .lock()
            .unwrap()
            .remove(&format!("/bundles/{key}"));
    }

    pub(super) fn alarm(&self, name: &str, state: AlarmState) {
        let mut firing = self.firing.lock().unwrap();
        match state {
            AlarmState::Alarm => firing.insert(name.to_owned()),
            AlarmState::Ok => firing.remove(name),
        };
    }

    fn describe_all(&self) -> Vec<String> {
        self.firing.lock().unwrap().iter().cloned().collect()
    }

    fn describe(&self, names: &[String]) -> Value {
        let firing = self.firing.lock().unwrap();
        let told = |name: &String| {
            let state = if firing.contains(name) { "ALARM" } else { "OK" };
            json!({ "AlarmName": name, "AlarmArn": format!("arn:{name}"), "StateValue": state })
        };
        json!({ "MetricAlarms": names.iter().map(told).collect::<Vec<_>>() })
    }
}

#[derive(Clone, Copy)]
pub(super) enum AlarmState {
    Ok,
    Alarm,
}

async fn answer(State(aws): State<Arc<Aws>>, request: Request) -> impl IntoResponse {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let signer = format!("AWS4-HMAC-SHA256 Credential={ACCOUNT}/");
    if !header("authorization").starts_with(&signer) {
        return (
            StatusCode::FORBIDDEN,
            Bytes::from_static(b"<Code>AccessDenied</Code>"),
        );
    }
    let json = |value: Value| (StatusCode::OK, Bytes::from(value.to_string()));
    let path = parts.uri.path();
    if header("x-amz-target").ends_with(".DescribeAlarms") {
        let input: Value = serde_json::from_slice(&body).unwrap();
        let names = serde_json::from_value(input["AlarmNames"].clone());
        return json(aws.describe(&names.unwrap_or_else(|_| aws.describe_all())));
    }
    if !header("x-amz-target").is_empty() {
        return json(json!({}));
    }
    if let Some(function) = path.strip_prefix("/2015-03-31/functions/") {
        let function = function.trim_end_matches("/invocations").to_owned();
        let payload = serde_json::from_slice(&body).unwrap();
        aws.invoked.lock().unwrap().push((function, payload));
        return json(Value::Null);
    }
    let objects = aws.objects.lock().unwrap();
    let version = parts
        .uri
        .query()
        .and_then(|query| query.strip_prefix("versionId="));
    let found = objects.get(path).and_then(|versions| match version {
        Some(version) => versions.get(version.parse::<usize>().ok()? - 1),
        None => versions.last(),
    });
    match found {
        Some(bytes) => (StatusCode::OK, Bytes::from(bytes.clone())),
        None => {
            let error = "<Error><Code>NoSuchKey</Code>\
                         <Message>The specified key does not exist.</Message></Error>";
            (StatusCode::NOT_FOUND, Bytes::from_static(error.as_bytes()))
        }
    }
}

/// Allows everything but what the test forbids, and remembers what it was asked.
#[derive(Default)]
pub(super) struct Permissions {
    denied: Mutex<BTreeSet<String>>,
    pub(super) asked: Mutex<Vec<(String, String)>>,
}

impl Permissions {
    pub(super) fn deny(&self, action: &str) {
        self.denied.lock().unwrap().insert(action.to_owned());
    }
}

impl Guard for Permissions {
    fn allowed<'a>(
        &'a self,
        _: &'a Caller,
        action: &'a str,
        resource: &'a str,
    ) -> BoxFuture<'a, bool> {
        self.asked
            .lock()
            .unwrap()
            .push((action.to_owned(), resource.to_owned()));
        let allowed = !self.denied.lock().unwrap().contains(action);
        Box::pin(async move { allowed })
    }
}

/// A fleet and what is around it.
pub(super) struct Local {
    pub(super) fleet: Arc<crate::Fleet>,
    pub(super) aws: Arc<Aws>,
    pub(super) permissions: Arc<Permissions>,
    events: Mutex<UnboundedReceiver<Value>>,
}

impl Local {
    pub(super) async fn start() -> Self {
        let aws = Arc::new(Aws::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(Arc::clone(&aws));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let permissions = Arc::new(Permissions::default());
        let (sender, events) = unbounded_channel();
        let guard = Arc::clone(&permissions) as Arc<dyn Guard>;
        let pace = Pace::test();
        let options = Options {
            aws_endpoint: endpoint,
            guard,
            events: sender,
            pace,
        };
        let fleet = crate::Fleet::start(options).await.unwrap();
        Self {
            fleet,
            aws,
            permissions,
            events: Mutex::new(events),
        }
    }

    /// A fleet with the application `app`, the group `web` (one at a time behind a load balancer,
    /// rolled back on every occasion) and so many instances.
    pub(super) async fn with_instances(count: usize) -> Self {
        let local = Self::start().await;
        local
            .ok("CreateApplication", json!({ "applicationName": "app" }))
            .await;
        local.group(json!({})).await;
        local.launch(count).await;
        local
    }

    pub(super) async fn launch(&self, count: usize) -> Vec<String> {
        let tags = json!([{ "Key": "app", "Value": "web" }]);
        let ids = self
            .ok(
                "LocalLaunchInstances",
                json!({ "tags": tags, "count": count }),
            )
            .await;
        serde_json::from_value(ids["instanceIds"].clone()).unwrap()
    }

    /// Makes the group `web`, with these settings changed.
    pub(super) async fn group(&self, changes: Value) {
        let mut input = json!({
            "applicationName": "app",
            "deploymentGroupName": "web",
            "serviceRoleArn": ROLE,
            "deploymentConfigName": "CodeDeployDefault.OneAtATime",
            "ec2TagFilters": [{ "Key": "app", "Value": "web", "Type": "KEY_AND_VALUE" }],
            "loadBalancerInfo": { "targetGroupInfoList": [{ "name": "web" }] },
            "autoRollbackConfiguration": { "enabled": true, "events": [
                "DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST",
            ] },
            "alarmConfiguration": { "enabled": true, "alarms": [{ "name": "errors" }] },
        });
        let changes = changes.as_object().unwrap().clone();
        input.as_object_mut().unwrap().extend(changes);
        self.ok("CreateDeploymentGroup", input).await;
    }

    /// Calls an operation; an error is AWS's name of it.
    pub(super) async fn call(&self, operation: &str, input: Value) -> Result<Value, String> {
        self.request(Api::CodeDeploy, operation, input).await
    }

    /// Calls an operation of either service.
    pub(super) async fn request(
        &self,
        api: Api,
        operation: &str,
        input: Value,
    ) -> Result<Value, String> {
        let arn = format!("arn:aws:iam::{ACCOUNT}:user/test");
        let caller = Caller {
            account: ACCOUNT.into(),
            region: REGION.into(),
            arn,
        };
        let body = Bytes::from(input.to_string());
        let operation = operation.to_owned();
        let call = Call {
            api,
            operation,
            body,
            caller,
        };
        let reply = self.fleet.handle(call).await;
        let value: Value = serde_json::from_slice(&reply.body).unwrap();
        match reply.status {
            200 => Ok(value),
            _ => Err(format!(
                "{}: {}",
                value["__type"].as_str().unwrap(),
                value["message"]
            )),
        }
    }

    pub(super) async fn ok(&self, operation: &str, input: Value) -> Value {
        let result = self.call(operation, input).await;
        result.unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    /// Begins to deploy an object's version (or the newest) to `web`.
    pub(super) async fn deploy(&self, key: &str, version: Option<&str>, changes: Value) -> String {
        let mut input = json!({
            "applicationName": "app",
            "deploymentGroupName": "web",
            "revision": revision(key, version),
        });
        input
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        let id = self.ok("CreateDeployment", input).await;
        id["deploymentId"].as_str().unwrap().to_owned()
    }

    /// Deploys a bundle of this app and waits for its end.
    pub(super) async fn release(&self, version: &str, files: &[(&str, &str)]) -> Value {
        let key = format!("{version}.zip");
        let object = self.aws.put(&key, bundle(version, files));
        let id = self.deploy(&key, Some(&object), json!({})).await;
        self.end(&id).await
    }

    pub(super) async fn info(&self, id: &str) -> Value {
        self.ok("GetDeployment", json!({ "deploymentId": id }))
            .await["deploymentInfo"]
            .clone()
    }

    /// Waits for a deployment's end.
    pub(super) async fn end(&self, id: &str) -> Value {
        self.until(id, |info| {
            ["Succeeded", "Failed", "Stopped"].contains(&info["status"].as_str().unwrap())
        })
        .await
    }

    pub(super) async fn until(&self, id: &str, met: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let info = self.info(id).await;
                if met(&info) {
                    return info;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        match waited {
            Ok(info) => info,
            Err(_) => panic!("never met: {:#}", self.info(id).await),
        }
    }

    /// Waits for the end of the rollback of a deployment.
    pub(super) async fn rollback_of(&self, info: &Value) -> Value {
        let id = info["rollbackInfo"]["rollbackDeploymentId"].as_str();
        self.end(id.unwrap_or_else(|| panic!("no rollback: {info:#}")))
            .await
    }

    /// The lifecycle events of a target, `name: status`.
    pub(super) async fn events_of(&self, id: &str, target: &str) -> Vec<String> {
        let input = json!({ "deploymentId": id, "targetId": target });
        let told = self.ok("GetDeploymentTarget", input).await;
        let events = told["deploymentTarget"]["instanceTarget"]["lifecycleEvents"].clone();
        let text = |event: &Value| {
            let name = event["lifecycleEventName"].as_str().unwrap();
            format!("{name}: {}", event["status"].as_str().unwrap())
        };
        events.as_array().unwrap().iter().map(text).collect()
    }

    /// The diagnostics of the failed lifecycle event of each target.
    pub(super) async fn failures_of(&self, id: &str) -> Vec<Value> {
        let input = json!({ "deploymentId": id });
        let told = self.ok("BatchGetDeploymentTargets", input).await;
        let targets = told["deploymentTargets"].as_array().unwrap().clone();
        let events = targets.iter().flat_map(|target| {
            target["instanceTarget"]["lifecycleEvents"]
                .as_array()
                .unwrap()
                .clone()
        });
        events
            .filter(|event| event["status"] == "Failed")
            .map(|e| e["diagnostics"].clone())
            .collect()
    }

    /// What was told through EventBridge by CodeDeploy since the last look.
    pub(super) fn told(&self) -> Vec<Value> {
        let mut events = self.events.lock().unwrap();
        let all = std::iter::from_fn(|| events.try_recv().ok());
        all.filter(|event| event["source"] == "aws.codedeploy")
            .collect()
    }

    /// The address of the group `web`.
    pub(super) async fn url(&self) -> String {
        let group = format!("arn:aws:codedeploy:{REGION}:{ACCOUNT}:deploymentgroup:app/web");
        let tags = self
            .ok("ListTagsForResource", json!({ "ResourceArn": group }))
            .await;
        let tags = tags["Tags"].as_array().unwrap().clone();
        let url = tags.iter().find(|tag| tag["Key"] == "local:url").unwrap();
        url["Value"].as_str().unwrap().to_owned()
    }

    /// The versions that answer at the front door, in some requests.
    pub(super) async fn versions(&self) -> BTreeSet<String> {
        let url = self.url().await;
        let mut versions = BTreeSet::new();
        for _ in 0..20 {
            let (status, body) = get(&url).await;
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            versions.insert(match body["version"].as_str() {
                Some(version) => version.to_owned(),
                None => status.to_string(),
            });
        }
        versions
    }
}

pub(super) fn revision(key: &str, version: Option<&str>) -> Value {
    let mut location = json!({ "bucket": "bundles", "key": key, "bundleType": "zip" });
    if let Some(version) = version {
        location["version"] = json!(version);
    }
    json!({ "revisionType": "S3", "s3Location": location })
}

/// A zip with an app of this version, and further files (which may replace `appspec.yml`).
pub(super) fn bundle(version: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let app = json!({ "version": version }).to_string();
    let plain = [
        ("appspec.yml", "version: 0.0\nos: linux\n"),
        ("app.json", app.as_str()),
    ];
    let kept = plain
        .iter()
        .filter(|(name, _)| !files.iter().any(|(other, _)| name == other));
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in kept.chain(files) {
        zip.start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// An AppSpec file with one script for each of these lifecycle events.
pub(super) fn appspec(hooks: &[(&str, &str)]) -> String {
    let mut text = "version: 0.0\nos: linux\nhooks:\n".to_owned();
    for (event, script) in hooks {
        text.push_str(&format!(
            "  {event}:\n    - location: {script}\n      timeout: 20\n"
        ));
    }
    text
}

/// One request; status and body.
pub(super) async fn get(url: &str) -> (u16, String) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    match client.get(url.parse().unwrap()).await {
        Ok(response) => {
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8_lossy(&body).into_owned())
        }
        Err(_) => (0, String::new()),
    }
}

/// Somebody who sends requests all the time; the answer is how many of each status.
pub(super) struct Load {
    stop: tokio::sync::watch::Sender<bool>,
    users: Vec<tokio::task::JoinHandle<BTreeMap<u16, u64>>>,
}

impl Load {
    pub(super) fn start(url: &str, users: usize) -> Self {
        let stop = tokio::sync::watch::Sender::new(false);
        let user = |_| {
            let (stop, url) = (stop.subscribe(), url.to_owned());
            tokio::spawn(async move {
                let mut seen = BTreeMap::new();
                while !*stop.borrow() {
                    let (status, _) = get(&url).await;
                    *seen.entry(status).or_default() += 1;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                seen
            })
        };
        let users = (0..users).map(user).collect();
        Self { stop, users }
    }

    pub(super) async fn end(self) -> BTreeMap<u16, u64> {
        self.stop.send_replace(true);
        let mut all = BTreeMap::new();
        for user in self.users {
            for (status, count) in user.await.unwrap() {
                *all.entry(status).or_default() += count;
            }
        }
        all
    }
}
