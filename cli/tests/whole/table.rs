//! The ledger's table, and a deployment group, as a small server plays them for the binary: a story
//! that was told on a ledger in memory, item by item as DynamoDB would answer. What it refuses, AWS
//! refuses too: a service that is not there, a call that nobody taught it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use domain::chain::Sealed;
use domain::pipeline::Active;
use domain::{Pipeline, Release};
use engine::Ledger as _;
use serde_json::{Value, json};

use crate::story::{Story, web};
use crate::support::{Seen, read};

pub(crate) const TABLE: &str = "ledger";
/// How long a read waits for those that are to come at the same time.
const TOGETHER_WITHIN: Duration = Duration::from_secs(60);

/// An instance of the deployment group, as CodeDeploy describes it.
pub(crate) type Instance = (&'static str, Value);

#[derive(Default)]
struct Inner {
    /// Items by partition and sort key.
    items: BTreeMap<(String, String), Value>,
    /// What the stages are doing, to know which deployment is asked about.
    active: Vec<Active>,
    /// The instances of every deployment; `None` refuses to tell.
    instances: Option<Vec<Instance>>,
    /// What was asked, by name.
    asked: Vec<String>,
    /// How many reads of snapshots are answered only together.
    together: usize,
    arrived: usize,
}

/// The server. It ends with the test.
pub(crate) struct Table {
    pub(crate) endpoint: String,
    inner: Arc<(Mutex<Inner>, Condvar)>,
}

impl Table {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new((Mutex::new(Inner::default()), Condvar::new()));
        let kept = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let inner = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream.unwrap(), &inner));
            }
        });
        Self { endpoint, inner }
    }

    /// Takes over what the story's ledger holds now.
    pub(crate) async fn shows(&self, story: &Story) {
        let pipeline = story.pipeline().await;
        let entries = story.ledger.entries(&web(), 1, usize::MAX).await.unwrap();
        let mut releases = Vec::new();
        for number in 1..=pipeline.last_release {
            let number = domain::ReleaseNumber(number);
            releases.extend(story.ledger.release(&web(), number).await.unwrap());
        }
        self.put(&pipeline, &entries, &releases);
    }

    pub(crate) fn put(&self, pipeline: &Pipeline, entries: &[Sealed], releases: &[Release]) {
        let partition = format!("service#{}", pipeline.service);
        let mut inner = self.inner.0.lock().unwrap();
        let mut put = |partition: &str, sort: &str, mut item: Value| {
            item["PK"] = json!({ "S": partition });
            item["SK"] = json!({ "S": sort });
            let key = (partition.to_owned(), sort.to_owned());
            inner.items.insert(key, item);
        };
        for sealed in entries {
            let sort = format!("commit#{:010}", sealed.entry.seq);
            let head = sealed.hash.as_str();
            let item = json!({
                "entries": { "L": [{ "S": sealed.stored }] }, "head": { "S": head },
            });
            put(&partition, &sort, item);
        }
        for release in releases {
            let text = serde_json::to_string(release).unwrap();
            let sort = format!("release#{:010}", release.number.0);
            put(&partition, &sort, json!({ "release": { "S": text } }));
        }
        let snapshot = json!({
            "version": { "N": pipeline.seq.to_string() },
            "head": { "S": pipeline.head.as_str() },
            "format": { "N": pipeline.format.to_string() },
            "snapshot": { "S": serde_json::to_string(pipeline).unwrap() },
        });
        put(&partition, "pipeline", snapshot);
        put("services", pipeline.service.as_str(), json!({}));
        let stages = pipeline.stages.values();
        inner.active = stages.filter_map(|stage| stage.active.clone()).collect();
    }

    /// What CodeDeploy says of the instances from now on.
    pub(crate) fn instances(&self, instances: Vec<Instance>) {
        self.inner.0.lock().unwrap().instances = Some(instances);
    }

    /// Reads of snapshots are answered only when so many wait for their answers at once.
    pub(crate) fn answers_together(&self, count: usize) {
        self.inner.0.lock().unwrap().together = count;
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.inner.0.lock().unwrap().asked.clone()
    }
}

fn serve(mut stream: TcpStream, inner: &(Mutex<Inner>, Condvar)) {
    let seen = read(&mut stream);
    let (status, body) = answer(&seen, inner);
    let head = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/x-amz-json-1.1\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // Whoever asked may be gone: a test that ends it in the middle.
    drop(stream.write_all((head + &body).as_bytes()));
}

fn answer(seen: &Seen, (inner, arrival): &(Mutex<Inner>, Condvar)) -> (u16, String) {
    let target = seen.header("x-amz-target");
    let call = target.rsplit('.').next().unwrap().to_owned();
    let mut held = inner.lock().unwrap();
    let call = if call.is_empty() {
        "GetCallerIdentity".to_owned()
    } else {
        call
    };
    held.asked.push(call.clone());
    if call == "GetCallerIdentity" {
        return (200, IDENTITY.to_owned());
    }
    let input = seen.json();
    if call == "BatchGetItem" && held.together > 1 {
        held.arrived += 1;
        arrival.notify_all();
        let wanted = held.together;
        let waited = arrival.wait_timeout_while(held, TOGETHER_WITHIN, |it| it.arrived < wanted);
        let (all, timed_out) = waited.unwrap();
        assert!(!timed_out.timed_out(), "the reads come one after the other");
        held = all;
    }
    match held.said(&call, &input) {
        Some(body) => (200, body.to_string()),
        None => (
            400,
            json!({ "__type": "AccessDeniedException", "message": call }).to_string(),
        ),
    }
}

const IDENTITY: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
<GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/alice</Arn><UserId>AIDA</UserId>\
<Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

impl Inner {
    fn said(&self, call: &str, input: &Value) -> Option<Value> {
        match call {
            "Query" => Some(self.query(input)),
            "BatchGetItem" => {
                let keys = input["RequestItems"][TABLE]["Keys"].as_array().unwrap();
                let found: Vec<&Value> = keys
                    .iter()
                    .filter_map(|key| self.items.get(&(text(&key["PK"]), text(&key["SK"]))))
                    .collect();
                Some(json!({ "Responses": { TABLE: found }, "UnprocessedKeys": {} }))
            }
            _ => self.codedeploy(call, input),
        }
    }

    fn query(&self, input: &Value) -> Value {
        let values = &input["ExpressionAttributeValues"];
        let partition = text(&values[":pk"]);
        let fits = |sort: &str| {
            if let Some(with) = values[":with"]["S"].as_str() {
                return sort.starts_with(with);
            }
            match (values[":from"]["S"].as_str(), values[":to"]["S"].as_str()) {
                (Some(from), Some(to)) => (from..=to).contains(&sort),
                _ => true,
            }
        };
        let mut found: Vec<&Value> = self
            .items
            .iter()
            .filter(|((of, sort), _)| *of == partition && fits(sort))
            .map(|(_, item)| item)
            .collect();
        if input["ScanIndexForward"] == false {
            found.reverse();
        }
        let limit = input["Limit"]
            .as_u64()
            .map_or(usize::MAX, |limit| limit as usize);
        found.truncate(limit);
        json!({ "Items": found, "Count": found.len(), "ScannedCount": found.len() })
    }

    /// A group that has one deployment: that of the attempt which is being made.
    fn codedeploy(&self, call: &str, input: &Value) -> Option<Value> {
        let instances = self.instances.as_ref()?;
        let active = self.active.last()?;
        let attempt = &active.attempt;
        Some(match call {
            "ListDeployments" => json!({ "deployments": ["d-1"] }),
            "BatchGetDeployments" => json!({ "deploymentsInfo": [{
                "deploymentId": "d-1", "status": "InProgress", "creator": "user",
                "createTime": 1_795_435_200.0, "computePlatform": "Server",
                "description": format!("lastgood {attempt} release {}", active.offer.release),
                "revision": { "revisionType": "S3", "s3Location": {
                    "bucket": "shop-artefacts", "key": "web/web-1.6.0.zip", "version": "v1.6.0",
                } },
            }] }),
            "ListDeploymentTargets" => {
                let names: Vec<&str> = instances.iter().map(|(name, _)| *name).collect();
                json!({ "targetIds": names })
            }
            "BatchGetDeploymentTargets" => {
                let asked = input["targetIds"].as_array().unwrap();
                let told = instances
                    .iter()
                    .filter(|(name, _)| asked.contains(&json!(name)));
                let told: Vec<Value> = told
                    .map(|(name, more)| {
                        let mut target = more.clone();
                        target["targetId"] = json!(name);
                        json!({
                            "deploymentTargetType": "InstanceTarget", "instanceTarget": target,
                        })
                    })
                    .collect();
                json!({ "deploymentTargets": told })
            }
            _ => return None,
        })
    }
}

fn text(value: &Value) -> String {
    value["S"].as_str().unwrap().to_owned()
}
