//! A running MiniStack and the calls that set up what the scenarios need.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use delivery::Place;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const OTHER_ACCOUNT: &str = "444455556666";
pub(crate) const REGION: &str = "ap-south-1";

/// How long something that must happen is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What every function of the scenarios does: it writes down each event and obeys what it says.
const HANDLER: &str = r#"
import json, os, time

def handler(event, context):
    with open(os.environ["SINK"], "a") as sink:
        sink.write(json.dumps(event) + "\n")
    if "Records" in event:
        failures = []
        for record in event["Records"]:
            image = record["dynamodb"].get("NewImage", {})
            time.sleep(float(image.get("seconds", {}).get("N", "0")))
            if "crash" in image:
                raise RuntimeError("told to crash")
            if "poison" in image:
                failures.append({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})
        return {"batchItemFailures": failures}
    if isinstance(event.get("detail"), dict) and event["detail"].get("fail"):
        raise RuntimeError("told to fail")
    return {}
"#;

pub(crate) struct World {
    pub(crate) endpoint: String,
    pub(crate) folder: tempfile::TempDir,
    http: Client<HttpConnector, Full<Bytes>>,
    /// Ends with the world.
    _process: Child,
}

pub(crate) fn place(account: &str) -> Place {
    Place {
        account: account.to_owned(),
        region: REGION.to_owned(),
    }
}

pub(crate) fn arn(service: &str, account: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{account}:{resource}")
}

impl World {
    pub(crate) async fn start(executable: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let log = fs::File::create(folder.path().join("ministack.log")).unwrap();
        let process = Command::new(executable)
            .env("AUTH", "true")
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .current_dir(folder.path())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("LASTGOOD_MINISTACK is an executable");
        let endpoint = format!("http://127.0.0.1:{port}");
        let http = Client::builder(TokioExecutor::new()).build_http();
        let world = Self {
            endpoint,
            folder,
            http,
            _process: process,
        };
        eventually("MiniStack answers", async || {
            let answer = world
                .request(Method::GET, "/_ministack/health", "", &[], "")
                .await;
            answer.ok().filter(|(status, _)| *status == 200)
        })
        .await;
        world
    }

    /// A request as the root of an account; MiniStack does not check a root's signature.
    async fn request(
        &self,
        method: Method,
        path: &str,
        credential: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(u16, String), hyper_util::client::legacy::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !credential.is_empty() {
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00"
            );
            request = request.header("authorization", authorization);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let response = self.http.request(request.body(body).unwrap()).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    async fn call(
        &self,
        account: &str,
        service: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        let credential = format!("{account}/20261123/{REGION}/{service}/aws4_request");
        let (status, answer) = self
            .request(method, path, &credential, headers, body)
            .await
            .unwrap();
        assert!(
            status < 300,
            "{service} {path} {headers:?} {body}: {status} {answer}"
        );
        answer
    }

    /// A call of a JSON protocol.
    pub(crate) async fn json(
        &self,
        account: &str,
        service: &str,
        target: &str,
        body: Value,
    ) -> Value {
        let version = if service == "events" { "1.1" } else { "1.0" };
        let content_type = format!("application/x-amz-json-{version}");
        let headers = [
            ("content-type", content_type.as_str()),
            ("x-amz-target", target),
        ];
        let answer = self
            .call(
                account,
                service,
                Method::POST,
                "/",
                &headers,
                &body.to_string(),
            )
            .await;
        serde_json::from_str(&answer).unwrap_or_default()
    }

    pub(crate) async fn rest(
        &self,
        service: &str,
        method: Method,
        path: &str,
        body: &str,
    ) -> Value {
        let headers = [("content-type", "application/json")];
        let answer = self
            .call(ACCOUNT, service, method, path, &headers, body)
            .await;
        serde_json::from_str(&answer).unwrap_or_default()
    }

    pub(crate) async fn events(&self, account: &str, operation: &str, body: Value) -> Value {
        self.json(account, "events", &format!("AWSEvents.{operation}"), body)
            .await
    }

    async fn form(&self, service: &str, body: &str) {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.call(ACCOUNT, service, Method::POST, "/", &headers, body)
            .await;
    }

    /// A role that may do these actions on anything; its ARN.
    pub(crate) async fn role(&self, name: &str, actions: &[&str]) -> String {
        let encode = |value: Value| {
            let set = percent_encoding::NON_ALPHANUMERIC;
            percent_encoding::utf8_percent_encode(&value.to_string(), set).to_string()
        };
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" },
            "Action": "sts:AssumeRole"
        }] });
        let version = "Version=2010-05-08";
        self.form(
            "iam",
            &format!(
                "Action=CreateRole&{version}&RoleName={name}&AssumeRolePolicyDocument={}",
                encode(trust)
            ),
        )
        .await;
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": actions, "Resource": "*"
        }] });
        self.form(
            "iam",
            &format!(
                "Action=PutRolePolicy&{version}&RoleName={name}&PolicyName=p&PolicyDocument={}",
                encode(policy)
            ),
        )
        .await;
        format!("arn:aws:iam::{ACCOUNT}:role/{name}")
    }

    fn sink(&self, function: &str) -> PathBuf {
        self.folder.path().join(format!("{function}.jsonl"))
    }

    /// A function that writes down what it receives; its ARN.
    pub(crate) async fn function(&self, name: &str, role: &str) -> String {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        archive
            .start_file("index.py", zip::write::SimpleFileOptions::default())
            .unwrap();
        std::io::Write::write_all(&mut archive, HANDLER.as_bytes()).unwrap();
        let zipped = archive.finish().unwrap().into_inner();
        let body = json!({
            "FunctionName": name, "Runtime": "python3.12", "Handler": "index.handler",
            "Role": role, "Timeout": 30, "Code": { "ZipFile": base64(&zipped) },
            "Environment": { "Variables": { "SINK": self.sink(name) } }
        });
        self.rest(
            "lambda",
            Method::POST,
            "/2015-03-31/functions",
            &body.to_string(),
        )
        .await;
        arn("lambda", ACCOUNT, &format!("function:{name}"))
    }

    /// Lets EventBridge invoke a function for a rule.
    pub(crate) async fn permit(&self, function: &str, rule: &str) {
        let body = json!({
            "StatementId": format!("s{}", rule.len()), "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": arn("events", ACCOUNT, &format!("rule/{rule}"))
        });
        let path = format!("/2015-03-31/functions/{function}/policy");
        self.rest("lambda", Method::POST, &path, &body.to_string())
            .await;
    }

    /// What a function has received so far.
    pub(crate) fn received(&self, function: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.sink(function)).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// A queue that EventBridge may send to; its ARN.
    pub(crate) async fn queue(&self, account: &str, name: &str) -> String {
        let arn = arn("sqs", account, name);
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage", "Resource": arn
        }] });
        let body = json!({
            "QueueName": name, "Attributes": { "Policy": policy.to_string() }
        });
        self.json(account, "sqs", "AmazonSQS.CreateQueue", body)
            .await;
        arn
    }

    /// Waits for a message in a queue.
    pub(crate) async fn message(&self, account: &str, queue: &str) -> Value {
        let url = format!("{}/{account}/{queue}", self.endpoint);
        eventually(&format!("a message in {queue}"), async || {
            let body = json!({
                "QueueUrl": url, "MessageAttributeNames": ["All"], "WaitTimeSeconds": 1
            });
            let answer = self
                .json(account, "sqs", "AmazonSQS.ReceiveMessage", body)
                .await;
            let message = answer.pointer("/Messages/0")?.clone();
            let body = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
            self.json(account, "sqs", "AmazonSQS.DeleteMessage", body)
                .await;
            Some(message)
        })
        .await
    }

    /// A rule with one target.
    pub(crate) async fn rule(&self, account: &str, name: &str, rule: Value, target: Value) {
        let mut rule = rule;
        rule["Name"] = json!(name);
        self.events(account, "PutRule", rule).await;
        let mut target = target;
        target["Id"] = json!("one");
        let body = json!({ "Rule": name, "Targets": [target] });
        self.events(account, "PutTargets", body).await;
    }

    /// Puts an event of a source of our own.
    pub(crate) async fn put_event(&self, source: &str, detail: Value) {
        let entry = json!({
            "Source": source, "DetailType": "Test", "Detail": detail.to_string()
        });
        self.events(ACCOUNT, "PutEvents", json!({ "Entries": [entry] }))
            .await;
    }
}

/// Waits until something is there.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let begun = tokio::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let number = u32::from_be_bytes(group);
        for place in 0..4 {
            let digit = (number >> (18 - 6 * place)) & 0x3f;
            text.push(if place <= chunk.len() {
                DIGITS[digit as usize].into()
            } else {
                '='
            });
        }
    }
    text
}
