//! Two services to play with: what the demo's team has, described to Lastgood, and artefacts ready
//! to be uploaded. `cargo local up` makes them; the demo begins with them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::{
    account::Account,
    artefacts::{self, Build, Start},
    lastgood::Lastgood,
    stage::{self, STAGES},
    targets::{self, Door},
};
use crate::system::System;

/// What ECS runs before the first release, as every new service has to run something.
const PLACEHOLDER: &str = "placeholder";
/// The share of errors that a bad artefact answers.
const BAD: f64 = 0.25;

/// The front doors of a service, by stage.
pub(super) type Doors = BTreeMap<&'static str, Door>;

/// What was made.
#[derive(Debug)]
pub struct Sample {
    pub(super) shop: Doors,
    pub(super) billing: Doors,
}

/// Makes both services' targets and describes the services to Lastgood, as alice would.
///
/// # Errors
/// When AWS or Lastgood refuses.
pub async fn make(system: &System, folder: &Path) -> Result<Sample> {
    fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let account = Account::root(system)?;
    let (shop, billing) = tokio::try_join!(containers(&account), instances(&account))?;
    let bucket = system.environment().get("LASTGOOD_BUCKET");
    let bucket = bucket.context("the stack has no bucket")?;
    let files = [
        write(folder, "shop", &stage::shop_file())?,
        write(folder, "billing", &stage::billing_file(bucket))?,
    ];
    let names = files.iter().map(String::as_str);
    let arguments: Vec<&str> = ["apply"].into_iter().chain(names).collect();
    Lastgood::of(system, "alice")?.must(&arguments).await?;
    Ok(Sample { shop, billing })
}

impl Sample {
    /// The front doors, a line each.
    #[must_use]
    pub fn doors(&self) -> String {
        let all = [
            ("shop", "ECS", &self.shop),
            ("billing", "CodeDeploy", &self.billing),
        ];
        let line = |(service, kind, doors): &(&str, &str, &Doors)| {
            let doors = STAGES
                .iter()
                .filter_map(|(stage, _)| Some((stage, doors.get(stage)?)));
            let doors: Vec<String> = doors
                .map(|(stage, door)| format!("{stage} {}", door.url))
                .collect();
            format!("  {service:<8} {kind:<11} {}", doors.join("  "))
        };
        all.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Writes two archives of `billing`, one good and one bad, ready for a plain `aws s3 cp`.
///
/// # Errors
/// When they cannot be written.
pub fn write_archives(folder: &Path) -> Result<[PathBuf; 2]> {
    let archive = |name: &str, version, number, error_rate| {
        let path = folder.join(name);
        let build = build(version, number, error_rate);
        archive(&path, &build).with_context(|| format!("failed to write {}", path.display()))?;
        Ok::<_, anyhow::Error>(path)
    };
    Ok([
        archive("good.zip", "1.0.0", 1, 0.0)?,
        archive("bad.zip", "1.1.0", 2, BAD)?,
    ])
}

fn archive(path: &Path, build: &Build<'_>) -> Result<()> {
    let mut archive = ZipWriter::new(File::create(path)?);
    for (name, text) in artefacts::bundle(build) {
        archive.start_file(name, SimpleFileOptions::default().unix_permissions(0o755))?;
        archive.write_all(text.as_bytes())?;
    }
    archive.finish()?;
    Ok(())
}

/// A build by ravi that starts and runs.
#[must_use]
pub fn build(version: &str, number: u32, error_rate: f64) -> Build<'_> {
    let author = "Ravi <ravi@shop.example>";
    Build {
        version,
        number,
        author,
        error_rate,
        start: Start::Runs,
        findings: None,
    }
}

async fn containers(account: &Account) -> Result<Doors> {
    let placeholder = Build {
        author: "nobody",
        ..build(PLACEHOLDER, 0, 0.0)
    };
    artefacts::make_repository(account, PLACEHOLDER).await?;
    artefacts::push_image(account, PLACEHOLDER, "latest", &placeholder).await?;
    artefacts::make_repository(account, "shop").await?;
    let image = artefacts::image_name(account, PLACEHOLDER, "latest");
    let mut doors = BTreeMap::new();
    for (stage, count) in STAGES {
        let door = targets::make_ecs_service(account, stage, "shop", count, &image).await?;
        targets::make_alarm(account, &format!("shop-{stage}-errors"), &door).await?;
        doors.insert(stage, door);
    }
    for (stage, _) in STAGES {
        targets::steady(account, stage, "shop").await?;
    }
    Ok(doors)
}

async fn instances(account: &Account) -> Result<Doors> {
    targets::make_application(account, "billing").await?;
    let mut doors = BTreeMap::new();
    for (stage, count) in STAGES {
        let door = targets::make_group(account, "billing", stage, count).await?;
        targets::make_alarm(account, &format!("billing-{stage}-errors"), &door).await?;
        doors.insert(stage, door);
    }
    Ok(doors)
}

fn write(folder: &Path, service: &str, text: &str) -> Result<String> {
    let path = folder.join(format!("{service}.yaml"));
    fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(path.display().to_string())
}
