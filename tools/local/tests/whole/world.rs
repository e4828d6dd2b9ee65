//! What all tests of a binary stand on: its one system, and hands to make services on it. How
//! unkind the delivery is, the binary says (`unkind`).

use std::{
    collections::BTreeMap,
    fs,
    future::Future,
    io::{Cursor, Write},
    path::PathBuf,
    sync::LazyLock,
    time::Duration,
};

use anyhow::{Context, Result};
use aws_sdk_s3::{Client as S3, primitives::ByteStream};
use local::{
    Options, Paths, Screen, System,
    demo::{
        account::Account,
        artefacts::{self, Build, Start},
        lastgood::Lastgood,
        ledger::{Entry, Ledger},
        notices::Notices,
        running::Target,
        targets::{self, Door},
    },
    stack,
};
use tokio::runtime::Runtime;
use zip::{ZipWriter, write::SimpleFileOptions};

/// How long anything may take. Other tests run at the same time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// The repository of what ECS services run before their first release.
const PLACEHOLDER: &str = "whole-placeholder";

/// The system and what tests use of it.
pub(crate) struct World {
    runtime: Runtime,
    pub(crate) system: System,
    pub(crate) account: Account,
    pub(crate) root: Lastgood,
    pub(crate) notices: Notices,
    pub(crate) s3: S3,
    pub(crate) bucket: String,
    pub(crate) folder: PathBuf,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let made = runtime.block_on(World::make());
    let (system, account, notices, folder) = made.unwrap_or_else(|error| panic!("{error:?}"));
    let config = stack::sdk(&system.endpoint(), system.home());
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
    let bucket = system.environment().get("LASTGOOD_BUCKET").unwrap();
    World {
        root: Lastgood::of_root(&system),
        s3: S3::from_conf(s3.build()),
        bucket: bucket.to_owned(),
        runtime,
        account,
        notices,
        folder,
        system,
    }
});

/// Runs a test on the one system, which the first of them starts.
pub(crate) fn on<F: Future<Output = Result<()>>>(test: impl FnOnce(&'static World) -> F) {
    let world: &'static World = &WORLD;
    if let Err(error) = world.runtime.block_on(test(world)) {
        panic!("{error:?}");
    }
}

impl World {
    async fn make() -> Result<(System, Account, Notices, PathBuf)> {
        let paths = Paths::of_repository();
        // By binary: they may run at the same time.
        let state = paths.state().join("tests").join(env!("CARGO_CRATE_NAME"));
        let paths = paths.with_state(state.clone());
        let options = Options {
            port: 0,
            chat: "talked".to_owned(),
            tick: Duration::from_secs(2),
            unkind: crate::unkind(),
            ..Options::laptop(paths, Screen::Silent)
        };
        let started = System::start(options).await;
        let system = started.map_err(|trouble| anyhow::anyhow!(trouble.report()))?;
        let account = Account::root(&system)?;
        let topic = system
            .environment()
            .get("LASTGOOD_TOPIC")
            .context("a topic")?;
        let notices = Notices::listen(&account, topic, "whole-tests").await?;
        artefacts::make_repository(&account, PLACEHOLDER).await?;
        artefacts::push_image(&account, PLACEHOLDER, "latest", &build("placeholder", 0)).await?;
        let folder = state.join("files");
        fs::create_dir_all(&folder)?;
        Ok((system, account, notices, folder))
    }

    /// Uploads an archive with the build facts that `lastgood publish` would write.
    pub(crate) async fn upload(&self, key: &str, build: &Build<'_>) -> Result<String> {
        let (job, _) = key.split_once('/').context("a key with a prefix")?;
        let put = self
            .s3
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .metadata("version", build.version)
            .metadata("author", build.author)
            .metadata("commit", build.commit())
            .metadata("repository", artefacts::source(job))
            .metadata("job", job)
            .metadata("build-number", build.number.to_string())
            .body(ByteStream::from(archive(build)?));
        let done = put.send().await?;
        Ok(done.version_id().context("a version")?.to_owned())
    }
}

/// A build that is good.
pub(crate) fn build(version: &str, number: u32) -> Build<'_> {
    Build {
        version,
        number,
        author: "Ravi <ravi@shop.example>",
        error_rate: 0.0,
        start: Start::Runs,
        findings: None,
    }
}

/// The archive of a web application.
pub(crate) fn archive(build: &Build<'_>) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in artefacts::bundle(build) {
        archive.start_file(name, SimpleFileOptions::default())?;
        archive.write_all(text.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

/// A stage of a test's service.
#[derive(Clone, Copy)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    /// Tasks or instances.
    pub(crate) count: u32,
    pub(crate) bake: &'static str,
}

/// A service that a test has to itself.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) world: &'static World,
    pub(crate) ledger: Ledger,
    targets: BTreeMap<&'static str, Target>,
}

impl Service {
    /// One on ECS, with a repository and clusters of its own. Its alarms have no metric, so that
    /// only a test sets them off.
    pub(crate) async fn on_ecs(
        world: &'static World,
        name: &'static str,
        stages: &[Stage],
    ) -> Result<Self> {
        let source = format!("{{ ecr: {{ repository: {name} }} }}");
        Self::on_ecs_from(world, name, stages, &source).await
    }

    /// The same with a source of its own.
    pub(crate) async fn on_ecs_from(
        world: &'static World,
        name: &'static str,
        stages: &[Stage],
        source: &str,
    ) -> Result<Self> {
        let account = &world.account;
        artefacts::make_repository(account, name).await?;
        let image = artefacts::image_name(account, PLACEHOLDER, "latest");
        let (mut doors, mut targets) = (BTreeMap::new(), BTreeMap::new());
        for stage in stages {
            let cluster = format!("{name}-{}", stage.name);
            let made = targets::make_ecs_service(account, &cluster, name, stage.count, &image);
            doors.insert(stage.name, made.await?);
            let service = name.to_owned();
            targets.insert(stage.name, Target::Ecs { cluster, service });
        }
        for stage in stages.iter().filter(|stage| stage.count > 0) {
            targets::steady(account, &format!("{name}-{}", stage.name), name).await?;
        }
        let target = |stage: &str| {
            format!("{{ ecs: {{ cluster: {name}-{stage}, service: {name}, containers: [web] }} }}")
        };
        let file = file(name, source, stages, target);
        Self::applied(world, name, stages, &file, (doors, targets)).await
    }

    /// One on instances, by CodeDeploy.
    pub(crate) async fn on_instances(
        world: &'static World,
        name: &'static str,
        stages: &[Stage],
    ) -> Result<Self> {
        targets::make_application(&world.account, name).await?;
        let (mut doors, mut targets) = (BTreeMap::new(), BTreeMap::new());
        for stage in stages {
            let made = targets::make_group(&world.account, name, stage.name, stage.count);
            doors.insert(stage.name, made.await?);
            let (application, group) = (name.to_owned(), stage.name.to_owned());
            targets.insert(stage.name, Target::CodeDeploy { application, group });
        }
        let source = format!("{{ s3: {{ bucket: {}, prefix: {name}/ }} }}", world.bucket);
        let target =
            |stage: &str| format!("{{ codedeploy: {{ application: {name}, group: {stage} }} }}");
        let file = file(name, &source, stages, target);
        Self::applied(world, name, stages, &file, (doors, targets)).await
    }

    async fn applied(
        world: &'static World,
        name: &'static str,
        stages: &[Stage],
        file: &str,
        (doors, targets): (BTreeMap<&str, Door>, BTreeMap<&'static str, Target>),
    ) -> Result<Self> {
        for stage in stages {
            let door = doors.get(stage.name).context("a front door")?;
            let alarm = format!("{name}-{}-errors", stage.name);
            targets::make_alarm(&world.account, &alarm, door).await?;
        }
        let path = world.folder.join(format!("{name}.yaml"));
        fs::write(&path, file)?;
        world
            .root
            .must(&["apply", &path.display().to_string()])
            .await?;
        Ok(Self {
            name,
            world,
            ledger: Ledger::new(world.root.clone(), name),
            targets,
        })
    }

    /// What a stage deploys to.
    pub(crate) fn target(&self, stage: &str) -> &Target {
        &self.targets[stage]
    }

    /// Pushes an image to the service's repository; gives its digest.
    pub(crate) async fn push(&self, build: &Build<'_>) -> Result<String> {
        artefacts::push_image(&self.world.account, self.name, build.version, build).await
    }

    /// Uploads an archive under the service's prefix; gives its version.
    pub(crate) async fn upload(&self, build: &Build<'_>) -> Result<String> {
        let key = format!("{}/{}.zip", self.name, build.version);
        self.world.upload(&key, build).await
    }

    /// Waits for an entry.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Entry) -> bool) -> Result<Entry> {
        self.ledger.until(what, PATIENCE, |_| (), wanted).await
    }

    /// Waits until a version has become a release; gives its number.
    pub(crate) async fn released(&self, version: &str) -> Result<u64> {
        let entry = self
            .until(&format!("{version} is a release"), |entry| {
                let named = entry.field("/release/build/version");
                entry.kind() == "released" && named.is_some_and(|named| named == version)
            })
            .await?;
        entry.release.context("a number")
    }

    /// Waits until a release is good on a stage.
    pub(crate) async fn good(&self, stage: &str, release: u64) -> Result<Entry> {
        let what = format!("release {release} is good on {stage}");
        self.until(&what, |entry| entry.is("succeeded", stage, release))
            .await
    }

    /// How many entries of a kind there are.
    pub(crate) async fn count(&self, kind: &str) -> Result<usize> {
        let entries = self.ledger.entries().await?;
        Ok(entries.iter().filter(|entry| entry.kind() == kind).count())
    }
}

fn file(name: &str, source: &str, stages: &[Stage], target: impl Fn(&str) -> String) -> String {
    let mut text = format!("service: {name}\nartefact: {source}\nstages:\n");
    for Stage {
        name: stage, bake, ..
    } in stages
    {
        let target = target(stage);
        text.push_str(&format!(
            "  - name: {stage}\n    target: {target}\n    alarms: [{name}-{stage}-errors]\n    \
             bake: {bake}\n"
        ));
    }
    text
}
