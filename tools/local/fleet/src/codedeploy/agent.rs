//! The agent on an instance: the lifecycle events of one deployment, in order, until one fails.
//!
//! Source: CodeDeploy user guide, "AppSpec 'hooks' section" (order of events, whose scripts run,
//! environment variables).

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use tokio::time::Instant;

use super::{
    CodeDeploy,
    appspec::{AppSpec, AppSpecError},
    bundle,
    deployment::Order,
    hooks::{Diagnostics, Event},
    instance::{Installed, Machine, Room},
    revision::S3Location,
    settings::StyleOption,
};
use crate::{
    plane::{App, Balancer, DEFAULT_GROUP, Server},
    remote::RemoteError,
};

/// The names an AppSpec file may have.
const APPSPEC_NAMES: [&str; 2] = ["appspec.yml", "appspec.yaml"];

/// The file of a bundle that says what its server does.
const APP_FILE: &str = "app.json";

/// How long an instance may take to become healthy behind the load balancer, in minutes of the
/// configuration's time.
const ALLOW_TRAFFIC_MINUTES_MAX: u32 = 5;

/// How often its health is looked at.
const HEALTH_LOOK: Duration = Duration::from_millis(5);

/// A lifecycle event on an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    BeforeBlockTraffic,
    BlockTraffic,
    AfterBlockTraffic,
    ApplicationStop,
    DownloadBundle,
    BeforeInstall,
    Install,
    AfterInstall,
    ApplicationStart,
    ValidateService,
    BeforeAllowTraffic,
    AllowTraffic,
    AfterAllowTraffic,
}

const BLOCK: [Step; 3] = [
    Step::BeforeBlockTraffic,
    Step::BlockTraffic,
    Step::AfterBlockTraffic,
];

const REPLACE: [Step; 7] = [
    Step::ApplicationStop,
    Step::DownloadBundle,
    Step::BeforeInstall,
    Step::Install,
    Step::AfterInstall,
    Step::ApplicationStart,
    Step::ValidateService,
];

const ALLOW: [Step; 3] = [
    Step::BeforeAllowTraffic,
    Step::AllowTraffic,
    Step::AfterAllowTraffic,
];

impl Step {
    /// The events of a deployment, in order.
    pub(super) fn all(option: Option<StyleOption>) -> Vec<Self> {
        match option {
            Some(StyleOption::WithTrafficControl) => [&BLOCK[..], &REPLACE, &ALLOW].concat(),
            Some(StyleOption::WithoutTrafficControl) | None => REPLACE.to_vec(),
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BeforeBlockTraffic => "BeforeBlockTraffic",
            Self::BlockTraffic => "BlockTraffic",
            Self::AfterBlockTraffic => "AfterBlockTraffic",
            Self::ApplicationStop => "ApplicationStop",
            Self::DownloadBundle => "DownloadBundle",
            Self::BeforeInstall => "BeforeInstall",
            Self::Install => "Install",
            Self::AfterInstall => "AfterInstall",
            Self::ApplicationStart => "ApplicationStart",
            Self::ValidateService => "ValidateService",
            Self::BeforeAllowTraffic => "BeforeAllowTraffic",
            Self::AllowTraffic => "AllowTraffic",
            Self::AfterAllowTraffic => "AfterAllowTraffic",
        }
    }

    /// Whether its scripts are the last successful revision's, whose failures may be overlooked.
    fn is_of_the_old_revision(self) -> bool {
        matches!(
            self,
            Self::BeforeBlockTraffic | Self::AfterBlockTraffic | Self::ApplicationStop
        )
    }
}

/// A deployment to one instance.
pub(super) struct Errand<'a> {
    /// The control plane, which is told of every event.
    pub(super) plane: &'a CodeDeploy,
    /// What to do.
    pub(super) order: &'a Order,
    /// The bundle.
    pub(super) location: &'a S3Location,
    /// Where to.
    pub(super) machine: &'a Machine,
    /// The group's load balancer.
    pub(super) balancer: &'a Balancer,
}

/// The instance failed; what happened was told by its lifecycle events.
#[derive(Debug)]
pub(super) struct InstanceFailed;

impl Errand<'_> {
    /// Carries it out.
    pub(super) async fn run(&self) -> Result<(), InstanceFailed> {
        let mut rooms = self.machine.rooms.lock().await;
        let room = rooms.entry(self.order.group_id.clone()).or_default();
        let mut spec = None;
        for step in Step::all(self.order.style.deployment_option) {
            self.plane
                .event_begins(&self.order.id, &self.machine.id, step.name());
            let result = self.step(step, room, &mut spec).await;
            let failed = result.is_err();
            self.plane
                .event_ends(&self.order.id, &self.machine.id, step.name(), result);
            let overlooked =
                self.order.ignore_application_stop_failures && step.is_of_the_old_revision();
            if failed && !overlooked {
                return Err(InstanceFailed);
            }
        }
        let spec = spec.ok_or(InstanceFailed)?;
        let deployment = self.order.id.clone();
        let installed = Installed {
            spec,
            archive: self.archive(),
            deployment,
        };
        let old = room.installed.replace(installed);
        if let Some(old) = old.filter(|old| old.deployment != self.order.id) {
            self.forget(&old);
        }
        Ok(())
    }

    async fn step(
        &self,
        step: Step,
        room: &mut Room,
        spec: &mut Option<AppSpec>,
    ) -> Result<(), Diagnostics> {
        match step {
            Step::BeforeBlockTraffic | Step::AfterBlockTraffic => {
                self.old_scripts(step, room).await
            }
            Step::BlockTraffic => self.block(room).await,
            Step::ApplicationStop => {
                // What is to go goes, even when its own script fails and that is overlooked.
                let stopped = self.old_scripts(step, room).await;
                if stopped.is_ok() || self.order.ignore_application_stop_failures {
                    self.stop(room).await;
                }
                stopped
            }
            Step::DownloadBundle => self.download().await,
            Step::BeforeInstall => {
                let read = spec.insert(self.read_spec()?);
                self.scripts(step, read, &self.archive(), room).await
            }
            Step::Install => self.install(spec.as_ref(), room),
            Step::ApplicationStart => {
                self.start(room)?;
                self.new_scripts(step, spec.as_ref(), room).await
            }
            Step::AllowTraffic => self.allow(room).await,
            Step::AfterInstall
            | Step::ValidateService
            | Step::BeforeAllowTraffic
            | Step::AfterAllowTraffic => self.new_scripts(step, spec.as_ref(), room).await,
        }
    }

    /// Takes the instance out of the load balancer; requests in flight may end.
    async fn block(&self, room: &Room) -> Result<(), Diagnostics> {
        if let Some(server) = &room.server {
            let drain = self.plane.world.pace.drain;
            self.balancer
                .deregister(DEFAULT_GROUP, server.addr(), drain)
                .await;
        }
        Ok(())
    }

    /// Stops what runs. Without traffic control new requests may find nobody, as on AWS.
    async fn stop(&self, room: &mut Room) {
        if let Some(server) = room.server.take() {
            self.balancer
                .deregister(DEFAULT_GROUP, server.addr(), Duration::ZERO)
                .await;
            server.stop(self.plane.world.pace.stop_grace).await;
        }
    }

    async fn download(&self) -> Result<(), Diagnostics> {
        let S3Location {
            bucket,
            key,
            bundle_type,
            version,
            ..
        } = self.location;
        let remote = &self.plane.world.remote;
        let bytes = remote
            .object(&self.order.place, bucket, key, version.as_deref())
            .await;
        let bytes = bytes.map_err(|error| {
            Diagnostics::unknown(match &error {
                RemoteError::Service { message, .. } if !message.is_empty() => message.clone(),
                RemoteError::Service { .. }
                | RemoteError::Unreachable(_)
                | RemoteError::Malformed(_) => error.to_string(),
            })
        })?;
        let unpacked = bundle::unpack(bytes, *bundle_type, &self.archive()).await;
        unpacked.map_err(|error| Diagnostics::unknown(error.to_string()))
    }

    fn read_spec(&self) -> Result<AppSpec, Diagnostics> {
        let archive = self.archive();
        let texts = APPSPEC_NAMES.map(|name| std::fs::read_to_string(archive.join(name)).ok());
        let text = texts.into_iter().flatten().next().ok_or_else(|| {
            Diagnostics::unknown(format!(
                "The CodeDeploy agent did not find an AppSpec file within the unpacked revision \
                 directory at revision-relative path \"appspec.yml\". The revision was unpacked \
                 to directory \"{}\", and the AppSpec file was expected but not found.",
                archive.display()
            ))
        })?;
        AppSpec::parse(&text).map_err(|error: AppSpecError| Diagnostics::unknown(error.to_string()))
    }

    fn install(&self, spec: Option<&AppSpec>, room: &mut Room) -> Result<(), Diagnostics> {
        let Some(spec) = spec else { return Ok(()) };
        let exists = spec.file_exists_behavior.unwrap_or(self.order.file_exists);
        let (archive, root) = (self.archive(), self.machine.root());
        room.files = bundle::install(&archive, &root, spec, exists, &room.files)
            .map_err(|error| Diagnostics::unknown(error.to_string()))?;
        Ok(())
    }

    /// Starts the server that the bundle's `app.json` describes; a bundle without one answers 200
    /// to everything, by the name of its object's version.
    fn start(&self, room: &mut Room) -> Result<(), Diagnostics> {
        let app = match std::fs::read_to_string(self.archive().join(APP_FILE)) {
            Ok(text) => App::parse(&text)
                .map_err(|error| Diagnostics::unknown(format!("{APP_FILE}: {error}")))?,
            Err(_) => App::plain(
                self.location
                    .version
                    .as_deref()
                    .unwrap_or(&self.location.key),
            ),
        };
        let server = Server::start(app, self.machine.id.clone(), self.env(room))
            .map_err(|error| Diagnostics::unknown(error.to_string()))?;
        if self.order.style.deployment_option != Some(StyleOption::WithTrafficControl) {
            self.balancer.register(DEFAULT_GROUP, server.addr());
        }
        room.server = Some(server);
        Ok(())
    }

    /// Puts the instance back into the load balancer and waits until it is healthy there.
    async fn allow(&self, room: &Room) -> Result<(), Diagnostics> {
        let Some(server) = &room.server else {
            return Ok(());
        };
        self.balancer.register(DEFAULT_GROUP, server.addr());
        let end = Instant::now() + self.plane.world.pace.minute * ALLOW_TRAFFIC_MINUTES_MAX;
        while !self.balancer.healthy(server.addr()) {
            if Instant::now() > end {
                let drain = self.plane.world.pace.drain;
                self.balancer
                    .deregister(DEFAULT_GROUP, server.addr(), drain)
                    .await;
                return Err(Diagnostics::unknown(
                    "The instance did not become healthy behind the load balancer in time",
                ));
            }
            tokio::time::sleep(HEALTH_LOOK).await;
        }
        Ok(())
    }

    async fn old_scripts(&self, step: Step, room: &Room) -> Result<(), Diagnostics> {
        match &room.installed {
            Some(old) => self.scripts(step, &old.spec, &old.archive, room).await,
            None => Ok(()),
        }
    }

    async fn new_scripts(
        &self,
        step: Step,
        spec: Option<&AppSpec>,
        room: &Room,
    ) -> Result<(), Diagnostics> {
        match spec {
            Some(spec) => self.scripts(step, spec, &self.archive(), room).await,
            None => Ok(()),
        }
    }

    async fn scripts(
        &self,
        step: Step,
        spec: &AppSpec,
        archive: &std::path::Path,
        room: &Room,
    ) -> Result<(), Diagnostics> {
        let (root, env) = (self.machine.root(), self.env(room));
        let scripts = spec.scripts(step.name());
        Event {
            name: step.name(),
            scripts,
            bundle: archive,
            root: &root,
            env: &env,
        }
        .run()
        .await
    }

    /// What scripts find in their environment: the agent's variables, and `PORT`, the port on
    /// loopback that the instance's server listens on, while there is one.
    fn env(&self, room: &Room) -> BTreeMap<String, String> {
        let S3Location {
            bucket,
            key,
            version,
            ..
        } = self.location;
        let port = room
            .server
            .as_ref()
            .map(|server| server.addr().port().to_string());
        [
            ("APPLICATION_NAME", Some(self.order.application.clone())),
            ("DEPLOYMENT_ID", Some(self.order.id.clone())),
            ("DEPLOYMENT_GROUP_NAME", Some(self.order.group.clone())),
            ("DEPLOYMENT_GROUP_ID", Some(self.order.group_id.clone())),
            ("BUNDLE_BUCKET", Some(bucket.clone())),
            ("BUNDLE_KEY", Some(key.clone())),
            ("BUNDLE_VERSION", version.clone()),
            ("INSTANCE_ID", Some(self.machine.id.clone())),
            ("PORT", port),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }

    fn archive(&self) -> PathBuf {
        self.machine.archive(&self.order.group_id, &self.order.id)
    }

    /// Deletes the bundle of a revision that is neither installed nor the one to go back from.
    fn forget(&self, old: &Installed) {
        if let Err(error) = std::fs::remove_dir_all(&old.archive) {
            tracing::debug!(%error, old.deployment, "an old bundle could not be deleted");
        }
    }
}
