//! The rest of AWS, as far as deployments need it: ECR's images, CloudWatch's alarms, Lambda's
//! functions.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{ACCOUNT, REGION};

#[derive(Default)]
struct Things {
    manifests: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    blobs: BTreeMap<String, String>,
    alarms: BTreeMap<String, &'static str>,
    metrics: Vec<Value>,
    answers: BTreeMap<String, VecDeque<Value>>,
    calls: Vec<(String, Value)>,
}

/// The rest of AWS.
pub(super) struct FakeAws {
    pub(super) endpoint: String,
    things: Mutex<Things>,
}

fn digest(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes())))
}

impl FakeAws {
    pub(super) async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let aws = Arc::new(Self {
            endpoint,
            things: Mutex::default(),
        });
        let router = Router::new()
            .route("/", post(operation))
            .route("/v2/{repository}/blobs/{digest}", get(blob))
            .route("/2015-03-31/functions/{function}/invocations", post(invoke))
            .with_state(Arc::clone(&aws));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        aws
    }

    /// Puts an image of a release into ECR; gives its name by tag.
    pub(super) fn push(&self, repository: &str, tag: &str, app: &Value) -> String {
        let config = json!({ "config": { "Env": [format!("APP={app}")] } }).to_string();
        let manifest = json!({ "schemaVersion": 2, "config": { "digest": digest(&config) } });
        let manifest = manifest.to_string();
        let mut things = self.things.lock().unwrap();
        things.blobs.insert(digest(&config), config);
        things.tags.insert(tag.to_owned(), digest(&manifest));
        things.manifests.insert(digest(&manifest), manifest);
        format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{repository}:{tag}")
    }

    /// The digest that a tag means.
    pub(super) fn digest(&self, tag: &str) -> String {
        self.things.lock().unwrap().tags[tag].clone()
    }

    pub(super) fn set_alarm(&self, name: &str, state: &'static str) {
        self.things
            .lock()
            .unwrap()
            .alarms
            .insert(name.to_owned(), state);
    }

    /// What a function answers next; the last answer is repeated.
    pub(super) fn answers(&self, function: &str, answers: &[Value]) {
        let answers = answers.iter().cloned().collect();
        self.things
            .lock()
            .unwrap()
            .answers
            .insert(function.to_owned(), answers);
    }

    /// What functions were called with.
    pub(super) fn calls(&self) -> Vec<(String, Value)> {
        self.things.lock().unwrap().calls.clone()
    }

    /// The sum of what was reported of a metric.
    pub(super) fn metric(&self, name: &str) -> u64 {
        let things = self.things.lock().unwrap();
        let data = things
            .metrics
            .iter()
            .filter(|datum| datum["MetricName"] == name);
        data.map(|datum| datum["Value"].as_u64().unwrap()).sum()
    }
}

async fn operation(State(aws): State<Arc<FakeAws>>, headers: HeaderMap, body: Bytes) -> Response {
    let signed = headers["authorization"].to_str().unwrap();
    assert!(
        signed.contains(&format!("Credential={ACCOUNT}/")),
        "{signed}"
    );
    let target = headers["x-amz-target"].to_str().unwrap();
    let input: Value = serde_json::from_slice(&body).unwrap();
    let mut things = aws.things.lock().unwrap();
    match target.rsplit_once('.').unwrap().1 {
        "BatchGetImage" => {
            let id = &input["imageIds"][0];
            let by_tag = || things.tags.get(id["imageTag"].as_str()?).cloned();
            let digest = id["imageDigest"]
                .as_str()
                .map(str::to_owned)
                .or_else(by_tag);
            let found = digest.and_then(|digest| Some((things.manifests.get(&digest)?, digest)));
            let images: Vec<Value> = found
                .map(|(manifest, digest)| {
                    json!({ "imageId": { "imageDigest": digest }, "imageManifest": manifest })
                })
                .into_iter()
                .collect();
            json!({ "images": images, "failures": [{ "failureCode": "ImageNotFound" }] })
        }
        "GetDownloadUrlForLayer" => {
            let digest = input["layerDigest"].as_str().unwrap();
            json!({ "downloadUrl": format!("https://blobs.example/v2/web/blobs/{digest}") })
        }
        "DescribeAlarms" => {
            let wanted = input["AlarmNames"].as_array();
            let alarms = things
                .alarms
                .iter()
                .filter(|(name, _)| wanted.is_none_or(|wanted| wanted.contains(&json!(name))));
            let alarms = alarms.map(|(name, state)| {
                json!({
                    "AlarmName": name,
                    "AlarmArn": format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"),
                    "StateValue": state,
                    "StateReason": format!("set to {state}"),
                    "StateUpdatedTimestamp": 1_700_000_000,
                    "MetricName": "Errors",
                    "Namespace": "Shop",
                    "Statistic": "Sum",
                    "Period": 60,
                    "Dimensions": [{ "Name": "LoadBalancer", "Value": "shop/web" }],
                })
            });
            json!({ "MetricAlarms": alarms.collect::<Vec<_>>(), "CompositeAlarms": [] })
        }
        "PutMetricData" => {
            assert_eq!(input["Namespace"], "AWS/ApplicationELB");
            things
                .metrics
                .extend(input["MetricData"].as_array().unwrap().clone());
            json!({})
        }
        other => panic!("{other} is not known here"),
    }
    .to_string()
    .into_response()
}

async fn blob(
    State(aws): State<Arc<FakeAws>>,
    Path((_, digest)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    assert_eq!(headers["host"], "blobs.example");
    aws.things.lock().unwrap().blobs[&digest]
        .clone()
        .into_response()
}

async fn invoke(
    State(aws): State<Arc<FakeAws>>,
    Path(function): Path<String>,
    body: Bytes,
) -> Response {
    let mut things = aws.things.lock().unwrap();
    let payload = serde_json::from_slice(&body).unwrap();
    things.calls.push((function.clone(), payload));
    let answers = things.answers.get_mut(&function).unwrap();
    let answer = match answers.len() {
        1 => answers[0].clone(),
        _ => answers.pop_front().unwrap(),
    };
    answer.to_string().into_response()
}
