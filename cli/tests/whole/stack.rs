//! The binary over a real table and a real bucket, on a MiniStack of its own. `LASTGOOD_MINISTACK`
//! says where its executable is.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws::DynamoLedger;
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, ChecksumAlgorithm, CreateBucketConfiguration,
    VersioningConfiguration,
};
use domain::fact::{ArtefactFound, Proof};
use domain::{Artefact, BuildFacts, Fact, ServiceName, Timestamp};
use engine::memory::MemoryClock;
use engine::memory::contract::{config, configure};
use engine::turn::turn;

use crate::support::{Act, Server, lastgood, told};

const ACCOUNT: &str = "111122223333";
const TABLE: &str = "ledger";
const BUCKET: &str = "web-artefacts";

pub(crate) struct Stack {
    child: Child,
    endpoint: String,
    _folder: tempfile::TempDir,
}

impl Drop for Stack {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Stack {
    pub(crate) fn start() -> Option<Self> {
        let executable = std::env::var_os("LASTGOOD_MINISTACK")?;
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(executable)
            .current_dir(folder.path())
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_ACCOUNT_ID", ACCOUNT)
            .env("MINISTACK_REGION", "ap-south-1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let endpoint = format!("http://127.0.0.1:{port}");
        let stack = Self {
            child,
            endpoint,
            _folder: folder,
        };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(stack);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("MiniStack did not start");
    }

    fn config(&self) -> aws_types::SdkConfig {
        let credentials = Credentials::new(ACCOUNT, "secret", None, None, "test");
        let region = "ap-south-1".parse().unwrap();
        aws::connect::config(&region, credentials, Some(self.endpoint.clone()))
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config()).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    pub(crate) fn lastgood(&self, args: &[&str]) -> Command {
        let mut command = lastgood(args);
        command
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("LASTGOOD_TABLE", TABLE)
            .current_dir("/");
        command
    }

    pub(crate) async fn prepare(&self) -> DynamoLedger {
        table(&aws_sdk_dynamodb::Client::new(&self.config())).await;
        let s3 = self.s3();
        let place = CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::ApSouth1)
            .build();
        let bucket = s3
            .create_bucket()
            .bucket(BUCKET)
            .create_bucket_configuration(place);
        bucket.send().await.unwrap();
        let enabled = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        let versioning = s3.put_bucket_versioning().bucket(BUCKET);
        versioning
            .versioning_configuration(enabled)
            .send()
            .await
            .unwrap();
        DynamoLedger::new(&self.config(), TABLE)
    }

    /// The version of the one object that is there, once it is.
    async fn uploaded(&self, key: &str) -> String {
        for _ in 0..100 {
            let versions = self
                .s3()
                .list_object_versions()
                .bucket(BUCKET)
                .send()
                .await
                .unwrap();
            let found = versions
                .versions()
                .iter()
                .find(|version| version.key() == Some(key));
            if let Some(version) = found {
                return version.version_id().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{key} was not uploaded");
    }
}

async fn table(client: &aws_sdk_dynamodb::Client) {
    let attribute = |name: &str, kind| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(kind)
            .build()
            .unwrap()
    };
    let key = |name: &str, kind| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .unwrap()
    };
    let index = |name: &str, hash: &str, range: &str| {
        let all = Projection::builder()
            .projection_type(ProjectionType::All)
            .build();
        GlobalSecondaryIndex::builder()
            .index_name(name)
            .key_schema(key(hash, KeyType::Hash))
            .key_schema(key(range, KeyType::Range))
            .projection(all)
            .build()
            .unwrap()
    };
    client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("PK", ScalarAttributeType::S))
        .attribute_definitions(attribute("SK", ScalarAttributeType::S))
        .attribute_definitions(attribute("due_shard", ScalarAttributeType::S))
        .attribute_definitions(attribute("due_at", ScalarAttributeType::N))
        .attribute_definitions(attribute("feed_day", ScalarAttributeType::S))
        .attribute_definitions(attribute("feed_at", ScalarAttributeType::S))
        .key_schema(key("PK", KeyType::Hash))
        .key_schema(key("SK", KeyType::Range))
        .global_secondary_indexes(index("due", "due_shard", "due_at"))
        .global_secondary_indexes(index("feed", "feed_day", "feed_at"))
        .send()
        .await
        .unwrap();
}

pub(crate) fn arrived(key: &str, version: &str, proof: Proof) -> Fact {
    let artefact = Artefact::Object {
        bucket: BUCKET.into(),
        key: key.into(),
        version: version.into(),
        sha256: None,
        bytes: 4096,
    };
    Fact::Artefact(ArtefactFound {
        artefact,
        build: BuildFacts::default(),
        proof,
    })
}

#[tokio::test]
async fn a_release_is_published_read_and_verified() {
    let Some(stack) = Stack::start() else {
        println!("skipped: LASTGOOD_MINISTACK does not say where MiniStack's executable is");
        return;
    };
    let ledger = stack.prepare().await;
    let (clock, web): (_, ServiceName) =
        (MemoryClock::new(Timestamp::now()), "web".parse().unwrap());
    let hear = async |fact: Fact| drop(turn(&ledger, &clock, &web, &fact).await.unwrap());

    let (code, _, err) = told(&stack.lastgood(&["status"]).output().unwrap());
    assert_eq!(
        (code, err.trim()),
        (0, "no service is configured: lastgood apply FILE")
    );
    let (code, _, err) = told(&stack.lastgood(&["history", "web"]).output().unwrap());
    assert_eq!(code, 2, "{err}");
    hear(configure(config(&web, "web-5xx"), "request-1")).await;

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("appspec.yml"),
        "version: 0.0\nos: linux\n",
    )
    .unwrap();
    let path = folder.path().to_str().unwrap();
    let publish = |version: &str| {
        let args = ["publish", "web", path, "--version", version, "-o", "json"];
        let mut command = stack.lastgood(&args);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };

    let good = publish("1.4.2");
    let version = stack.uploaded("builds/web-1.4.2.zip").await;
    hear(arrived("builds/web-1.4.2.zip", &version, Proof::Deployable)).await;
    let (code, out, err) = told(&good.wait_with_output().unwrap());
    assert_eq!((code, &*err), (0, ""));
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["release"], &report["version"]),
        (&1.into(), &version.into())
    );
    assert_eq!(report["outcome"], "released");

    // The same again is the same release, without another upload.
    let (code, out, _) = told(&publish("1.4.2").wait_with_output().unwrap());
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["release"]), (0, &1.into()));

    let bad = publish("1.4.3");
    let version = stack.uploaded("builds/web-1.4.3.zip").await;
    let unusable = Proof::Unusable("its appspec.yml is empty".into());
    hear(arrived("builds/web-1.4.3.zip", &version, unusable)).await;
    let (code, _, err) = told(&bad.wait_with_output().unwrap());
    assert_eq!(code, 1);
    assert!(err.contains("its appspec.yml is empty"), "{err}");

    reads(&stack);
}

/// What is too large for one request, with an appspec in its root.
fn large_archive() -> Vec<u8> {
    let mut chance = fastrand::Rng::with_seed(7);
    let noise: Vec<u8> = std::iter::repeat_with(|| chance.u8(..))
        .take(20 * 1024 * 1024)
        .collect();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in [
        ("appspec.yml", &b"version: 0.0\nos: linux\n"[..]),
        ("app/noise", &noise),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

#[tokio::test]
async fn an_upload_that_was_interrupted_goes_on_where_it_was() {
    let Some(stack) = Stack::start() else {
        println!("skipped: LASTGOOD_MINISTACK does not say where MiniStack's executable is");
        return;
    };
    stack.prepare().await;
    let (s3, key) = (stack.s3(), "web-2.0.0.tar");
    let archive = large_archive();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.tar");
    std::fs::write(&file, &archive).unwrap();

    // What a killed process leaves behind: the last part, which goes first, and another one.
    let begun = s3
        .create_multipart_upload()
        .bucket(BUCKET)
        .key(key)
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .metadata("version", "2.0.0");
    let id = begun.send().await.unwrap();
    let id = id.upload_id().unwrap();
    let parts: Vec<&[u8]> = archive.chunks(8 * 1024 * 1024).collect();
    for number in [3, 1] {
        let body = parts[number - 1].to_vec();
        let part = s3.upload_part().bucket(BUCKET).key(key).upload_id(id);
        let part = part.part_number(number.try_into().unwrap());
        let part = part.checksum_algorithm(ChecksumAlgorithm::Sha256);
        part.body(body.into()).send().await.unwrap();
    }

    let path = file.to_str().unwrap();
    let mut args = vec!["publish", "web", path, "--version", "2.0.0"];
    args.extend(["--bucket", BUCKET, "--detach"]);
    let publish = || told(&stack.lastgood(&args).output().unwrap());
    let (code, _, err) = publish();
    assert_eq!(code, 0, "{err}");
    let words = "an interrupted upload left 2 of 3 parts; it goes on\nuploaded 3 of 3 parts\n";
    assert!(err.contains(words), "{err}");
    let object = s3
        .get_object()
        .bucket(BUCKET)
        .key(key)
        .send()
        .await
        .unwrap();
    assert_eq!(object.metadata().unwrap()["version"], "2.0.0");
    let stored = object.body.collect().await.unwrap().into_bytes();
    assert!(stored == archive, "other bytes arrived");

    let (code, _, err) = publish();
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("it was uploaded before"), "{err}");
    let mut other = archive;
    *other.last_mut().unwrap() = 1;
    std::fs::write(&file, &other).unwrap();
    let (code, _, err) = publish();
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("another artefact was published"), "{err}");
}

/// Everything that only reads, and what asks all services.
fn reads(stack: &Stack) {
    let json = |args: &[&str]| {
        let (code, out, err) = told(&stack.lastgood(args).arg("--output=json").output().unwrap());
        assert_eq!((code, &*err), (0, ""), "{args:?}");
        serde_json::from_str::<serde_json::Value>(&out).unwrap()
    };
    let status = json(&["status"]);
    assert_eq!(status[0]["stages"][0]["active"]["release"]["number"], 1);
    assert_eq!(json(&["status", "web"])["service"], "web");
    let history = json(&["history", "web"]);
    let seqs: Vec<u64> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["entry"]["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs.last(), Some(&1));
    assert!(
        seqs.is_sorted_by(|newer, older| *newer == older + 1),
        "{seqs:?}"
    );
    assert_eq!(json(&["show", "web", "1"])["release"]["number"], 1);
    let server = Server::acting(vec![Act::Answer(
        200,
        "",
        r#"{"verdict":"nothing","reason":"frozen_already","entries":[]}"#.into(),
    )]);
    let url = format!("http://{}/", server.address);
    let frozen = json(&[
        "freeze",
        "--all",
        "--reason",
        "the sale",
        "--for",
        "2h",
        "--command-url",
        &url,
    ]);
    assert_eq!(frozen["reason"], "frozen_already");
    let asked: Vec<_> = server.seen().iter().map(|seen| seen.json()).collect();
    assert_eq!(
        (asked.len(), &asked[0]["do"], &asked[0]["service"]),
        (1, &"freeze".into(), &"everything".into())
    );
    let verified = json(&["verify"]);
    assert_eq!(
        (&verified[0]["problem"], &verified[0]["entries"]),
        (&serde_json::Value::Null, &seqs[0].into())
    );
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let Some(stack) = Stack::start() else {
        println!("skipped: LASTGOOD_MINISTACK does not say where MiniStack's executable is");
        return;
    };
    stack.prepare().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yaml");
    let text = "service: web\nartefact: { s3: { bucket: web-artefacts } }\nstages:\n  - name: dev\n    target: { codedeploy: { application: web, group: dev } }\n";
    std::fs::write(&file, text).unwrap();
    let args = ["apply", file.to_str().unwrap(), "--dry-run"];
    let (code, out, err) = told(&stack.lastgood(&args).output().unwrap());
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("+service: web"), "{out}");
    assert!(
        out.contains("web/1: the service is configured: dev"),
        "{out}"
    );
    assert!(out.contains("not looked at: what runs on dev"), "{out}");
    assert!(err.contains("nothing was written"), "{err}");
    let (code, _, _) = told(&stack.lastgood(&["history", "web"]).output().unwrap());
    assert_eq!(code, 2, "there is still no such service");

    std::fs::write(
        &file,
        text.replace("dev\n    t", "dev\n    account: \"444455556666\"\n    t"),
    )
    .unwrap();
    let (code, _, err) = told(&stack.lastgood(&args).output().unwrap());
    assert_eq!(code, 2);
    assert!(
        err.contains("web.yaml:4:5") && err.contains("needs a role"),
        "{err}"
    );
}
