//! Holds MiniStack, and the gateway in front of it, to what the local system relies on: identities,
//! rights, function URLs, keys that pass through, events of pushed images. MiniStack comes from the
//! crate's own installer, as for everybody.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on is to panic"
)]

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sdk_cloudformation::{Client as CloudFormation, types::Capability};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use fleet::{Caller, Fleet, Guard, Pace};
use gateway::{Emulator, Gateway, IamGuard, Place, plain_address, xml_text};
use local::{
    Paths, Screen,
    ministack::{self, MiniStack, ROOT_SECRET},
    people::Key,
    stack,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::mpsc};

const TEMPLATE: &str = include_str!("emulator.yaml");
const STACK: &str = "contract";
const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A gateway before a MiniStack with the stack of this test.
struct World {
    gateway: Gateway,
    guard: Arc<IamGuard>,
    events: mpsc::UnboundedReceiver<Value>,
    function_url: String,
    _ministack: MiniStack,
    _folder: TempDir,
}

fn home() -> Place {
    Place {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
    }
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::of_repository().with_state(folder.path().to_owned());
        let python = ministack::install(&paths, &Screen::Silent.step("MiniStack"))
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let ministack = MiniStack::start(&paths, &python, &endpoint, &home())
            .await
            .unwrap();
        let emulator = ministack.emulator();
        let guard = Arc::new(IamGuard::new(emulator.clone()));
        let (sender, events) = mpsc::unbounded_channel();
        let fleet = Fleet::start(fleet::Options {
            aws_endpoint: format!("http://{}", ministack.address()),
            guard: Arc::clone(&guard) as Arc<dyn Guard>,
            events: sender.clone(),
            pace: Pace::test(),
        })
        .await
        .unwrap();
        let gateway = Gateway::start(gateway::Options {
            listener,
            emulator,
            home: home(),
            guard: Arc::clone(&guard),
            fleet,
            events: sender,
        })
        .unwrap();
        let function_url = deploy(&endpoint).await;
        Self {
            gateway,
            guard,
            events,
            function_url,
            _ministack: ministack,
            _folder: folder,
        }
    }

    fn root(&self) -> Signer {
        Signer {
            key: Key {
                access_key: ACCOUNT.to_owned(),
                secret: ROOT_SECRET.to_owned(),
            },
            token: None,
        }
    }

    /// A key for a user, made through the gateway.
    async fn key(&self, user: &str) -> Signer {
        let iam = Emulator::new(self.gateway.address(), ROOT_SECRET);
        let parameters = [("Action", "CreateAccessKey"), ("UserName", user)];
        let answer = iam.query(&home(), "iam", &parameters).await.unwrap();
        signer(&answer)
    }

    /// Sends a call of a JSON protocol; gives status and body.
    async fn json(&self, by: &Signer, service: &str, target: &str, body: Value) -> (u16, Value) {
        let headers = [
            ("x-amz-target", target),
            ("content-type", "application/x-amz-json-1.1"),
        ];
        let (status, text) = self
            .send(
                by,
                service,
                &self.gateway.endpoint(),
                &headers,
                body.to_string(),
            )
            .await;
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    async fn send(
        &self,
        by: &Signer,
        service: &str,
        url: &str,
        headers: &[(&'static str, &str)],
        body: String,
    ) -> (u16, String) {
        let mut builder = http::Request::post(url);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let mut request = builder.body(body.clone()).unwrap();
        by.sign(&mut request, service);
        let sent = reqwest::Client::new()
            .post(url)
            .headers(request.headers().clone())
            .body(body)
            .send()
            .await
            .unwrap();
        (sent.status().as_u16(), sent.text().await.unwrap())
    }
}

async fn deploy(endpoint: &str) -> String {
    let cloudformation = CloudFormation::new(&stack::sdk(endpoint, &home()));
    cloudformation
        .create_stack()
        .stack_name(STACK)
        .template_body(TEMPLATE)
        .capabilities(Capability::CapabilityNamedIam)
        .send()
        .await
        .unwrap();
    let began = std::time::Instant::now();
    loop {
        let answer = cloudformation
            .describe_stacks()
            .stack_name(STACK)
            .send()
            .await
            .unwrap();
        let stack = answer.stacks().first().unwrap();
        match stack.stack_status().unwrap().as_str() {
            "CREATE_COMPLETE" => {
                return stack
                    .outputs()
                    .first()
                    .unwrap()
                    .output_value()
                    .unwrap()
                    .to_owned();
            }
            "CREATE_IN_PROGRESS" if began.elapsed() < WAIT_MAX => {}
            other => panic!("{other}: {:?}", stack.stack_status_reason()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[derive(Debug, Clone)]
struct Signer {
    key: Key,
    token: Option<String>,
}

fn signer(answer: &str) -> Signer {
    let field = |name| xml_text(answer, name);
    Signer {
        key: Key {
            access_key: field("AccessKeyId").unwrap(),
            secret: field("SecretAccessKey").unwrap(),
        },
        token: field("SessionToken"),
    }
}

impl Signer {
    fn sign(&self, request: &mut http::Request<String>, service: &str) {
        let Key { access_key, secret } = &self.key;
        let identity =
            Credentials::new(access_key, secret, self.token.clone(), None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
            SignableBody::Bytes(request.body().as_bytes()),
        )
        .unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(request);
    }
}

const CREATE_CLUSTER: &str = "AmazonEC2ContainerServiceV20141113.CreateCluster";
const DESCRIBE: &str = "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition";

/// One world for everything: MiniStack's start is the slow part.
#[tokio::test(flavor = "multi_thread")]
async fn the_emulator_and_its_gateway_keep_their_contract() {
    let mut world = World::new().await;
    a_function_url_knows_its_caller(&world).await;
    a_function_url_refuses_whom_it_must(&world).await;
    calls_to_the_fleet_need_rights(&world).await;
    sessions_are_known(&world).await;
    conditions_hold(&world).await;
    calls_are_told_as_cloudtrail_tells(&mut world);
    a_pushed_image_is_an_event(&mut world).await;
}

async fn a_function_url_knows_its_caller(world: &World) {
    let alice = world.key("alice").await;
    let url = plain_address(&world.gateway.endpoint(), &world.function_url).unwrap();
    let url = format!("{url}v1/web%20shop?a=1&a=2");
    let headers = [("content-type", "application/json")];
    let (status, body) = world
        .send(&alice, "lambda", &url, &headers, "{\"x\":1}".to_owned())
        .await;
    assert_eq!(status, 207, "{body}");
    let seen: Value = serde_json::from_str(&body).unwrap();
    let iam = &seen["event"]["requestContext"]["authorizer"]["iam"];
    assert_eq!(iam["userArn"], format!("arn:aws:iam::{ACCOUNT}:user/alice"));
    assert_eq!(iam["accessKey"], alice.key.access_key);
    assert!(iam["userId"].as_str().unwrap().starts_with("AIDA"), "{iam}");
    assert_eq!(seen["event"]["rawPath"], "/v1/web shop");
    assert_eq!(seen["event"]["body"], "{\"x\":1}");
}

async fn a_function_url_refuses_whom_it_must(world: &World) {
    let url = plain_address(&world.gateway.endpoint(), &world.function_url).unwrap();
    let mallory = world.key("mallory").await;
    let (status, body) = world
        .send(&mallory, "lambda", &url, &[], String::new())
        .await;
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("user/mallory is not authorized to perform: lambda:InvokeFunctionUrl"));

    let mut forged = world.key("alice").await;
    forged.key.secret = mallory.key.secret.clone();
    let (status, body) = world
        .send(&forged, "lambda", &url, &[], String::new())
        .await;
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("does not match"), "{body}");

    let elsewhere = world.key("alice").await;
    let (status, body) = world.send(&elsewhere, "s3", &url, &[], String::new()).await;
    assert_eq!(status, 403, "{body}");
    let unsigned = reqwest::get(&url).await.unwrap();
    assert_eq!(unsigned.status(), 403);
    let unknown = reqwest::get(world.gateway.endpoint() + "/_url/nothing/")
        .await
        .unwrap();
    assert_eq!(unknown.status(), 404);
}

async fn calls_to_the_fleet_need_rights(world: &World) {
    let call = json!({ "clusterName": "shop" });
    let alice = world.key("alice").await;
    let (status, body) = world
        .json(&alice, "ecs", CREATE_CLUSTER, call.clone())
        .await;
    assert_eq!(
        (status, &body["__type"]),
        (400, &json!("AccessDeniedException")),
        "{body}"
    );
    assert!(
        body.to_string().contains("user/alice is not authorized"),
        "{body}"
    );
    let (status, body) = world.json(&world.root(), "ecs", CREATE_CLUSTER, call).await;
    assert_eq!(status, 200, "{body}");
}

/// Those of a function follow from its ARN; those of `AssumeRole` pass through.
async fn sessions_are_known(world: &World) {
    let url = plain_address(&world.gateway.endpoint(), &world.function_url).unwrap();
    let (_, body) = world
        .send(&world.root(), "lambda", &url, &[], String::new())
        .await;
    let seen: Value = serde_json::from_str(&body).unwrap();
    let text = |name: &str| seen[name].as_str().unwrap().to_owned();
    let function = Signer {
        key: Key {
            access_key: text("key"),
            secret: text("secret"),
        },
        token: Some(text("token")),
    };
    assert_eq!(
        seen["endpoint"],
        world.gateway.endpoint(),
        "functions call the gateway"
    );
    may_describe_and_no_more(world, &function, "assumed-role/function/").await;

    let iam = Emulator::new(world.gateway.address(), ROOT_SECRET);
    let role = format!("arn:aws:iam::{ACCOUNT}:role/function");
    let parameters = [
        ("Action", "AssumeRole"),
        ("RoleArn", role.as_str()),
        ("RoleSessionName", "somebody"),
    ];
    let assumed = signer(&iam.query(&home(), "sts", &parameters).await.unwrap());
    may_describe_and_no_more(world, &assumed, "assumed-role/function/somebody").await;

    let mut stolen = assumed;
    stolen.token = Some("another token".to_owned());
    let (status, body) = world.json(&stolen, "ecs", DESCRIBE, json!({})).await;
    assert_eq!(
        (status, &body["__type"]),
        (400, &json!("UnrecognizedClientException")),
        "{body}"
    );
}

async fn may_describe_and_no_more(world: &World, by: &Signer, who: &str) {
    let call = json!({ "taskDefinition": "none" });
    let (_, body) = world.json(by, "ecs", DESCRIBE, call).await;
    assert_eq!(
        body["__type"], "ClientException",
        "allowed, but there is none: {body}"
    );
    let (_, body) = world
        .json(by, "ecs", CREATE_CLUSTER, json!({ "clusterName": "x" }))
        .await;
    assert_eq!(body["__type"], "AccessDeniedException", "{body}");
    assert!(body.to_string().contains(who), "{body}");
}

async fn conditions_hold(world: &World) {
    let function = Caller {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/function/x"),
    };
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    assert!(
        world
            .guard
            .allowed(&function, "iam:PassRole", &role("web-task"))
            .await
    );
    assert!(
        !world
            .guard
            .allowed(&function, "iam:PassRole", &role("admin"))
            .await
    );
    assert!(
        !world
            .guard
            .allowed(&function, "iam:GetRole", &role("web-task"))
            .await
    );
}

/// Who called, and whether it was refused; calls that only read are not told.
fn calls_are_told_as_cloudtrail_tells(world: &mut World) {
    let mut told = Vec::new();
    while let Ok(event) = world.events.try_recv() {
        assert_eq!(event["detail-type"], "AWS API Call via CloudTrail");
        let text = |path: &str| {
            event
                .pointer(path)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        assert_eq!(text("/detail/eventName").as_deref(), Some("CreateCluster"));
        let who = text("/detail/userIdentity/arn").unwrap();
        told.push((who, text("/detail/errorCode")));
    }
    let refused = Some("AccessDeniedException".to_owned());
    let expected = [
        (format!("arn:aws:iam::{ACCOUNT}:user/alice"), refused),
        (format!("arn:aws:iam::{ACCOUNT}:root"), None),
    ];
    assert_eq!(told.get(..2), Some(&expected[..]), "{told:?}");
}

async fn a_pushed_image_is_an_event(world: &mut World) {
    let target = |operation| format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
    let root = world.root();
    let repository = json!({ "repositoryName": "shop/web" });
    let (status, body) = world
        .json(&root, "ecr", &target("CreateRepository"), repository)
        .await;
    assert_eq!(status, 200, "{body}");
    let manifest = json!({ "schemaVersion": 2, "layers": [] }).to_string();
    let mut digests = Vec::new();
    for tag in ["1.4.2", "latest"] {
        let push =
            json!({ "repositoryName": "shop/web", "imageTag": tag, "imageManifest": manifest });
        let (status, body) = world.json(&root, "ecr", &target("PutImage"), push).await;
        assert_eq!(status, 200, "{body}");
        let event = world.events.try_recv().unwrap();
        assert_eq!(event["detail-type"], "ECR Image Action");
        assert_eq!(event["account"], ACCOUNT);
        assert_eq!(event["detail"]["image-tag"], tag);
        digests.push(event["detail"]["image-digest"].clone());
    }
    assert_eq!(digests[0], digests[1], "a new tag on the same image");
    let push = json!({ "repositoryName": "none", "imageManifest": manifest });
    let (status, _) = world.json(&root, "ecr", &target("PutImage"), push).await;
    assert_eq!(status, 400);
    assert!(world.events.try_recv().is_err(), "what failed is no event");
}
