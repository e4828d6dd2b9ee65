//! An instance as this machine plays it: a folder for its file system, and for every deployment
//! group it belongs to the server of what was deployed there.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tokio::sync::Mutex;

use super::{appspec::AppSpec, settings::Settings, wire::Tag};
use crate::{envelope::Place, plane::Server};

/// What kind of instance it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MachineKind {
    /// An EC2 instance.
    Ec2,
    /// A machine of the user's own.
    OnPremises,
}

/// An instance.
pub(super) struct Machine {
    /// `i-…`, or the name an on-premises instance was registered with.
    pub(super) id: String,
    /// What kind it is.
    pub(super) kind: MachineKind,
    /// Its ARN.
    pub(super) arn: String,
    /// What runs on it, by deployment group id. Held while the agent works: one at a time.
    pub(super) rooms: Mutex<BTreeMap<String, Room>>,
    folder: TempDir,
}

/// What one deployment group has put on an instance.
#[derive(Default)]
pub(super) struct Room {
    /// What runs.
    pub(super) server: Option<Server>,
    /// What was deployed last with success.
    pub(super) installed: Option<Installed>,
    /// The files that are installed.
    pub(super) files: BTreeSet<PathBuf>,
}

/// A revision that was deployed with success.
pub(super) struct Installed {
    /// Its AppSpec file, whose scripts stop it.
    pub(super) spec: AppSpec,
    /// Where its bundle was unpacked.
    pub(super) archive: PathBuf,
    /// The deployment that brought it.
    pub(super) deployment: String,
}

impl Machine {
    /// An empty instance.
    pub(super) fn new(place: &Place, kind: MachineKind, id: String) -> io::Result<Self> {
        let Place { account, region } = place;
        let service = match kind {
            MachineKind::Ec2 => "ec2",
            MachineKind::OnPremises => "codedeploy",
        };
        let arn = format!("arn:aws:{service}:{region}:{account}:instance/{id}");
        let folder = tempfile::Builder::new()
            .prefix("fleet-instance-")
            .tempdir()?;
        let machine = Self {
            id,
            kind,
            arn,
            rooms: Mutex::default(),
            folder,
        };
        std::fs::create_dir_all(machine.root())?;
        Ok(machine)
    }

    /// A new EC2 instance's id: `i-` and seventeen hex digits.
    pub(super) fn new_ec2_id() -> String {
        format!("i-0{:016x}", fastrand::u64(..))
    }

    /// The root of its file system.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Where the agent unpacks the bundle of a deployment.
    pub(super) fn archive(&self, group_id: &str, deployment: &str) -> PathBuf {
        let base: &Path = self.folder.path();
        base.join("deployment-root")
            .join(group_id)
            .join(deployment)
            .join("deployment-archive")
    }

    /// Whether it belongs to a deployment group.
    pub(super) fn belongs(&self, settings: &Settings, tags: &[Tag]) -> bool {
        match self.kind {
            MachineKind::Ec2 => settings.has_ec2(tags),
            MachineKind::OnPremises => settings.has_on_premises(tags),
        }
    }

    /// Stops everything that runs on it.
    pub(super) async fn stop(&self, grace: Duration) {
        let rooms = std::mem::take(&mut *self.rooms.lock().await);
        for server in rooms.into_values().filter_map(|room| room.server) {
            server.stop(grace).await;
        }
    }
}
