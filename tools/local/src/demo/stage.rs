//! The scene: two services as a team would have them, described to Lastgood by service files and
//! watched from all sides. What happens on it is `play`.

use std::{collections::BTreeMap, path::Path, path::PathBuf, sync::Mutex};

use anyhow::{Context, Result};

use super::{
    account::Account,
    lastgood::Lastgood,
    ledger::Ledger,
    load::{Count, Load},
    notices::Notices,
    running::Target,
    sample::{self, Sample},
    show::Show,
    targets::Door,
};
use crate::system::System;

/// The stages of both services, with how many tasks or instances each has.
pub(super) const STAGES: [(&str, u32); 3] = [("dev", 2), ("test", 2), (PRODUCTION, 3)];
/// The stage that waits for a person.
pub(super) const PRODUCTION: &str = "production";
/// The queue that hears the announcements.
const QUEUE: &str = "demo-announcements";

/// Entries after which the play cannot go on.
const HOPELESS: [&str; 4] = [
    "artefact_rejected",
    "failed",
    "person_called",
    "rollback_failed",
];

/// How a service is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Containers on ECS.
    Ecs,
    /// An application on instances, by CodeDeploy.
    CodeDeploy,
}

/// One of the two services.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) doors: BTreeMap<&'static str, Door>,
    pub(super) ledger: Ledger,
    /// Customers; none before the first release.
    pub(super) load: Mutex<Option<Load>>,
}

/// Everything the play needs.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) account: Account,
    pub(super) notices: Notices,
    pub(super) alice: Lastgood,
    pub(super) ravi: Lastgood,
    pub(super) root: Lastgood,
    pub(super) folder: PathBuf,
    pub(super) show: Show,
    pub(super) services: [Service; 2],
}

impl Service {
    /// What a stage of it deploys to.
    pub(super) fn target(&self, stage: &str) -> Target {
        match self.kind {
            Kind::Ecs => Target::Ecs {
                cluster: stage.to_owned(),
                service: self.name.to_owned(),
            },
            Kind::CodeDeploy => Target::CodeDeploy {
                application: self.name.to_owned(),
                group: stage.to_owned(),
            },
        }
    }

    /// The front door of a stage.
    pub(super) fn door(&self, stage: &str) -> Result<&Door> {
        self.doors
            .get(stage)
            .with_context(|| format!("{} has no stage {stage}", self.name))
    }

    /// Requests of customers so far.
    pub(super) fn customers(&self) -> Count {
        let load = self.load.lock();
        let load = load.unwrap_or_else(std::sync::PoisonError::into_inner);
        load.as_ref().map(Load::count).unwrap_or_default()
    }

    /// Customers come from now on.
    pub(super) fn open(&self, per_second: u32) -> Result<()> {
        let customers = Load::start(&self.door(PRODUCTION)?.url, per_second)?;
        let load = self.load.lock();
        *load.unwrap_or_else(std::sync::PoisonError::into_inner) = Some(customers);
        Ok(())
    }
}

impl Scene {
    /// Makes both services and describes them to Lastgood.
    pub(super) async fn set(system: &System, folder: &Path, show: Show) -> Result<Self> {
        let account = Account::root(system)?;
        let topic = system.environment().get("LASTGOOD_TOPIC");
        let topic = topic.context("the stack has no topic")?;
        let notices = Notices::listen(&account, topic, QUEUE).await?;
        let Sample { shop, billing } = sample::make(system, folder).await?;
        let root = Lastgood::of_root(system);
        let alice = Lastgood::of(system, "alice")?;
        let service = |name, kind, doors| Service {
            name,
            kind,
            doors,
            ledger: Ledger::new(root.clone(), name).without(&HOPELESS),
            load: Mutex::default(),
        };
        Ok(Self {
            services: [
                service("shop", Kind::Ecs, shop),
                service("billing", Kind::CodeDeploy, billing),
            ],
            account,
            notices,
            alice,
            ravi: Lastgood::of(system, "ravi")?,
            root,
            folder: folder.to_owned(),
            show,
        })
    }
}

pub(super) fn shop_file() -> String {
    let source = "{ ecr: { repository: shop } }";
    service_file("shop", source, |stage| {
        format!("{{ ecs: {{ cluster: {stage}, service: shop, containers: [web] }} }}")
    })
}

pub(super) fn billing_file(bucket: &str) -> String {
    let source = format!("{{ s3: {{ bucket: {bucket}, prefix: billing/ }} }}");
    service_file("billing", &source, |stage| {
        format!("{{ codedeploy: {{ application: billing, group: {stage} }} }}")
    })
}

/// What a team writes about its service. The bakes are short, because somebody watches.
fn service_file(service: &str, source: &str, target: impl Fn(&str) -> String) -> String {
    let mut text = format!("service: {service}\nartefact: {source}\nstages:\n");
    for (stage, _) in STAGES {
        let rules = if stage == PRODUCTION {
            "    bake: 8s
    gate:
      approval:
        approvers: [\"arn:aws:iam::*:user/alice\", \"arn:aws:iam::*:user/ravi\"]
        from_slack: true
"
        } else {
            "    bake: 1s\n"
        };
        text.push_str(&format!(
            "  - name: {stage}\n    target: {}\n    alarms: [{service}-{stage}-errors]\n{rules}",
            target(stage)
        ));
    }
    text
}
