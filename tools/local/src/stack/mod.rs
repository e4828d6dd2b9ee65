//! Deploying the template of `infra/`, unchanged, as `aws cloudformation package` and `deploy`
//! would: build, archive, upload, create, wait. The calls go through the gateway like anybody's.

mod archive;
mod build;
mod package;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_cloudformation::{
    Client as CloudFormation,
    types::{Capability, Parameter, StackEvent, StackStatus},
};
use aws_sdk_s3::{
    Client as S3,
    primitives::ByteStream,
    types::{BucketLocationConstraint, CreateBucketConfiguration},
};
use aws_types::{SdkConfig, region::Region};
use gateway::Place;

use self::archive::Archive;
use crate::{
    ministack::ROOT_SECRET, paths::Paths, screen::Step, secrets::Secrets, trouble::Trouble,
};

/// The stack's name, from which its functions' names follow.
pub const STACK: &str = "lastgood";
/// Where archives and the packaged template are uploaded to.
const PACKAGES: &str = "lastgood-packages";
const TEMPLATE_KEY: &str = "template.yaml";
/// How long a stack may take.
const DEPLOY_MAX: Duration = Duration::from_secs(120);
/// Between two looks at it.
const DEPLOY_POLL: Duration = Duration::from_millis(200);

/// The command line's crate and binary. It is built together with the functions: alone it would
/// have its dependencies compiled once more, with other features.
const COMMAND_LINE: &str = "lastgood";

/// What is to be deployed: the template and its functions' archives. And who talks to it: the
/// command line.
#[derive(Debug)]
pub(crate) struct Package {
    template: String,
    archives: BTreeMap<String, Archive>,
    command_line: PathBuf,
}

/// The outputs of a stack, by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs(BTreeMap<String, String>);

impl Outputs {
    /// One of them.
    ///
    /// # Errors
    /// When the template does not have it.
    pub fn get(&self, name: &'static str) -> Result<&str, Trouble> {
        self.0
            .get(name)
            .map(String::as_str)
            .ok_or(Trouble::NoOutput(name))
    }

    /// All of them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Builds the functions and makes their archives.
pub(crate) async fn package(paths: &Paths, step: &Step) -> Result<Package, Trouble> {
    let path = paths.template();
    let template = fs::read_to_string(&path).map_err(Trouble::file("read", &path))?;
    let mut crates = package::functions(&template);
    crates.push(COMMAND_LINE.to_owned());
    let mut binaries = build::binaries(paths, &crates, step).await?;
    let command_line = binaries
        .remove(COMMAND_LINE)
        .ok_or_else(|| Trouble::NoBinary(COMMAND_LINE.to_owned()))?;
    let mut archives = BTreeMap::new();
    for (function, binary) in binaries {
        step.detail(&format!("archiving {function}"));
        let folder = paths.archives();
        let name = function.clone();
        let made = tokio::task::spawn_blocking(move || archive::archive(&folder, &name, &binary));
        let made = made.await.map_err(|error| {
            Trouble::io("archive a function")(std::io::Error::other(error.to_string()))
        })??;
        archives.insert(function, made);
    }
    Ok(Package {
        template,
        archives,
        command_line,
    })
}

impl Package {
    /// How many functions it has.
    pub(crate) fn functions(&self) -> usize {
        self.archives.len()
    }

    /// The binary of the command line.
    pub(crate) fn command_line(&self) -> &Path {
        &self.command_line
    }

    /// Uploads it, creates the stack and waits until it is complete. `secrets` are the
    /// ARNs of what those need who speak to others.
    pub(crate) async fn deploy(
        &self,
        endpoint: &str,
        home: &Place,
        secrets: &Secrets,
        step: &Step,
    ) -> Result<Outputs, Trouble> {
        let config = sdk(endpoint, home);
        step.detail("uploading");
        self.upload(&config).await?;
        let cloudformation = CloudFormation::new(&config);
        step.detail("creating the stack");
        cloudformation
            .create_stack()
            .stack_name(STACK)
            .template_url(format!("{endpoint}/{PACKAGES}/{TEMPLATE_KEY}"))
            .capabilities(Capability::CapabilityNamedIam)
            .capabilities(Capability::CapabilityAutoExpand)
            .parameters(parameter("Architecture", architecture()))
            .parameters(parameter("WebhookUrl", "true"))
            .parameters(parameter("SlackSecretArn", &secrets.slack))
            .parameters(parameter("SlackButtons", "true"))
            .parameters(parameter("GithubSecretArn", &secrets.github))
            .send()
            .await
            .map_err(Trouble::aws("create the stack"))?;
        complete(&cloudformation, step).await
    }

    async fn upload(&self, config: &SdkConfig) -> Result<(), Trouble> {
        let s3 = S3::from_conf(
            aws_sdk_s3::config::Builder::from(config)
                .force_path_style(true)
                .build(),
        );
        let region = config
            .region()
            .map_or("us-east-1", |region| region.as_ref());
        let here = CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(region))
            .build();
        s3.create_bucket()
            .bucket(PACKAGES)
            .create_bucket_configuration(here)
            .send()
            .await
            .map_err(Trouble::aws("make the bucket for packages"))?;
        for archive in self.archives.values() {
            let body = ByteStream::from_path(&archive.path)
                .await
                .map_err(Trouble::aws("read an archive"))?;
            put(&s3, &archive.name, body).await?;
        }
        let template = package::packaged(&self.template, |function| {
            let archive = self.archives.get(function)?;
            Some(format!("s3://{PACKAGES}/{}", archive.name))
        });
        put(&s3, TEMPLATE_KEY, ByteStream::from(template.into_bytes())).await
    }
}

async fn put(s3: &S3, key: &str, body: ByteStream) -> Result<(), Trouble> {
    s3.put_object()
        .bucket(PACKAGES)
        .key(key)
        .body(body)
        .customize()
        // Hashing megabytes for a connection to ourselves would be the slowest part of a start.
        .disable_payload_signing()
        .send()
        .await
        .map_err(Trouble::aws("upload a package"))?;
    Ok(())
}

async fn complete(cloudformation: &CloudFormation, step: &Step) -> Result<Outputs, Trouble> {
    let began = Instant::now();
    loop {
        let answer = cloudformation
            .describe_stacks()
            .stack_name(STACK)
            .send()
            .await
            .map_err(Trouble::aws("look at the stack"))?;
        let stack = answer.stacks().first();
        let status = stack.and_then(|stack| stack.stack_status()).cloned();
        let name = status.as_ref().map_or("unknown", StackStatus::as_str);
        if status == Some(StackStatus::CreateComplete) {
            let outputs = stack.map(|stack| stack.outputs()).unwrap_or_default();
            let pairs = outputs.iter().filter_map(|output| {
                Some((
                    output.output_key()?.to_owned(),
                    output.output_value()?.to_owned(),
                ))
            });
            return Ok(Outputs(pairs.collect()));
        }
        if name.contains("FAILED") || name.contains("ROLLBACK") {
            return Err(blame(cloudformation).await?);
        }
        if began.elapsed() > DEPLOY_MAX {
            let status = name.to_owned();
            return Err(Trouble::StackPending {
                status,
                seconds: DEPLOY_MAX.as_secs(),
            });
        }
        step.detail(name);
        tokio::time::sleep(DEPLOY_POLL).await;
    }
}

/// The resource that failed first, with its reason; the others only failed because it did.
async fn blame(cloudformation: &CloudFormation) -> Result<Trouble, Trouble> {
    let answer = cloudformation
        .describe_stack_events()
        .stack_name(STACK)
        .send()
        .await
        .map_err(Trouble::aws("look at the stack's events"))?;
    let failed = |event: &&StackEvent| {
        event
            .resource_status()
            .is_some_and(|status| status.as_str().ends_with("_FAILED"))
            && event.resource_status_reason().is_some()
    };
    // Newest first.
    let first = answer.stack_events().iter().rev().find(failed);
    Ok(Trouble::Stack {
        resource: first
            .and_then(StackEvent::logical_resource_id)
            .unwrap_or("an unknown resource")
            .to_owned(),
        reason: first
            .and_then(StackEvent::resource_status_reason)
            .unwrap_or("no reason was given")
            .to_owned(),
    })
}

fn parameter(key: &str, value: &str) -> Parameter {
    Parameter::builder()
        .parameter_key(key)
        .parameter_value(value)
        .build()
}

/// What this machine runs, in Lambda's words.
fn architecture() -> &'static str {
    if std::env::consts::ARCH == "aarch64" {
        "arm64"
    } else {
        "x86_64"
    }
}

/// The SDK's settings for the root of the home account behind `endpoint`.
#[must_use]
pub fn sdk(endpoint: &str, home: &Place) -> SdkConfig {
    let root = Credentials::new(&home.account, ROOT_SECRET, None, None, "lastgood-local");
    SdkConfig::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(root))
        .region(Region::new(home.region.clone()))
        .endpoint_url(endpoint)
        .build()
}
