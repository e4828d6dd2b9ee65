//! `lastgood publish`: packing, uploading, and waiting until the ledger has it.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use domain::artefact::ArtefactId;
use domain::config::Source;
use domain::decide::Recalled;
use domain::entry::What;
use domain::{BuildFacts, ReleaseNumber, ServiceName, SignedDuration, StageName};
use engine::{Ledger, Mention};
use serde::Serialize;

use crate::book;
use crate::build::{self, Git, Given};
use crate::failure::Failure;
use crate::follow::{self, Goal};
use crate::package::Package;
use crate::screen::Report;
use crate::session::Session;
use crate::upload::Upload;
use crate::verb::freeze::duration;
use crate::words;

/// Upload an artefact, and wait until it is a release
#[derive(Debug, Args)]
#[command(
    after_help = "A folder is packed so that the same content makes the same bytes. It must have one appspec.yml
in its root, and what that names must be there. A version is one artefact: another one under it is
refused. What is large goes in parts, and the same command takes up an upload that was interrupted.
Facts about the build are taken from git and from the environment of Jenkins, GitHub and GitLab.

Examples:
  lastgood publish web ./dist --version 1.4.2
  lastgood publish web build/web.zip --until production --timeout 1h"
)]
pub(crate) struct Publish {
    /// The service
    service: ServiceName,
    /// A folder, or an archive: .zip, .tar, .tar.gz or .tgz
    path: PathBuf,
    /// The bucket [default: the service's own]
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// What the key begins with [default: the service's own prefix]
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Do not wait until the ledger has it
    #[arg(long, conflicts_with = "until")]
    detach: bool,
    /// Wait until it is good on this stage, or will not get there
    #[arg(long, visible_alias = "wait", value_name = "STAGE")]
    until: Option<StageName>,
    /// How long to wait, such as 90s, 30m or 2h
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "15m")]
    timeout: SignedDuration,
    #[command(flatten)]
    build: Given,
}

/// Where an artefact goes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    bucket: String,
    prefix: String,
}

/// An uploaded artefact.
#[derive(Debug, Serialize)]
struct Uploaded {
    service: ServiceName,
    bucket: String,
    key: String,
    version: String,
    sha256: String,
    bytes: usize,
    build: BuildFacts,
    release: Option<ReleaseNumber>,
    outcome: &'static str,
}

impl Publish {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let given = self.build.clone();
        let build = build::facts(
            given,
            |name| std::env::var(name).ok(),
            Git::of_working_folder(),
        );
        let package = Package::of(&self.path)?;
        let place = self.place(session).await?;
        let key = key(&place.prefix, &self.service, &build, &package);
        let upload = Upload {
            bucket: &place.bucket,
            key: &key,
            package: &package,
            build: &build,
            screen: session.screen,
        };
        let version = upload.run(&s3(session).await?).await?;
        let mut uploaded = Uploaded {
            service: self.service.clone(),
            bucket: place.bucket,
            key,
            version,
            sha256: hex::encode(package.sha256),
            bytes: package.bytes.len(),
            build,
            release: None,
            outcome: "uploaded",
        };
        let to = format!("s3://{}/{}", uploaded.bucket, uploaded.key);
        session
            .screen
            .say(&format!("uploaded {to} ({} bytes)", uploaded.bytes));
        if self.detach {
            return Ok(Report::new(&uploaded, to));
        }
        let limit = Duration::try_from(self.timeout).unwrap_or(Duration::MAX);
        let waited = tokio::time::timeout(limit, self.followed(session, &mut uploaded)).await;
        waited.unwrap_or_else(|_| {
            Err(Failure::unobserved(match uploaded.release {
                Some(release) => format!(
                    "release {release} did not get there within {:#}",
                    self.timeout
                ),
                None => format!(
                    "{to} was uploaded, but is no release after {:#}",
                    self.timeout
                ),
            })
            .hint(format!(
                "lastgood history {} tells what happens; --timeout waits longer",
                self.service
            )))
        })
    }

    /// Where it goes: what was typed, else what the service's configuration says.
    async fn place(&self, session: &Session) -> Result<Place, Failure> {
        if let (Some(bucket), true) = (&self.bucket, self.detach) {
            let prefix = self.prefix.clone().unwrap_or_default();
            return Ok(Place {
                bucket: bucket.clone(),
                prefix,
            });
        }
        let ledger = session.ledger().await?;
        let pipeline = book::pipeline(&ledger, &self.service).await?;
        if let Some(stage) = &self.until {
            book::stage(&pipeline, stage)?;
        }
        let service = &self.service;
        let Some(config) = &pipeline.config else {
            return Err(Failure::usage(format!("{service} is not configured"))
                .hint("lastgood apply its service file first"));
        };
        let Source::S3 { bucket, prefix } = &config.source else {
            return Err(
                Failure::usage(format!("the artefacts of {service} are images"))
                    .hint("push the image to its repository: that makes the release"),
            );
        };
        let place = Place {
            bucket: self.bucket.clone().unwrap_or_else(|| bucket.clone()),
            prefix: self.prefix.clone().unwrap_or_else(|| prefix.clone()),
        };
        if place.bucket != *bucket || !place.prefix.starts_with(prefix) {
            return Err(Failure::usage(format!(
                "{service} takes nothing from s3://{}/{}",
                place.bucket, place.prefix
            ))
            .because(format!("its artefacts come from s3://{bucket}/{prefix}"))
            .hint("leave out --bucket and --prefix, or add --detach to upload it all the same"));
        }
        Ok(place)
    }

    async fn followed(
        &self,
        session: &Session,
        uploaded: &mut Uploaded,
    ) -> Result<Report, Failure> {
        let ledger = session.ledger().await?;
        let Uploaded {
            bucket,
            key,
            version,
            ..
        } = &*uploaded;
        let id = ArtefactId(format!("s3:{bucket}/{key}@{version}"));
        session.screen.say("waiting for the ledger …");
        let release = released(&ledger, &self.service, &id).await?;
        uploaded.release = Some(release);
        uploaded.outcome = "released";
        let service = &self.service;
        let Some(until) = &self.until else {
            return Ok(
                Report::new(uploaded, format!("{service} release {release}"))
                    .next(format!("lastgood show {service} {release}")),
            );
        };
        session.screen.say(&format!(
            "release {release}; waiting until it is good on {until} …"
        ));
        let goal = Goal {
            service,
            release,
            until,
        };
        let from = recorded(&ledger, service, release).await?;
        let end = goal
            .reached(&ledger, from, |entry| {
                session
                    .screen
                    .say(&words::what(&entry.what, &session.times));
            })
            .await?;
        uploaded.outcome = end.exit.word();
        let text = format!(
            "{service} release {release}: {}",
            follow::told(&end, &session.times)
        );
        Ok(Report::new(uploaded, text).ending(end.exit))
    }
}

/// `<prefix><service>-<version>.zip`, or as it is packed; without a version its content names it.
fn key(prefix: &str, service: &ServiceName, build: &BuildFacts, package: &Package) -> String {
    let version = build
        .version
        .clone()
        .unwrap_or_else(|| package.short_hash());
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "._-+".contains(c) {
            c
        } else {
            '-'
        }
    };
    let version: String = version.chars().map(safe).collect();
    let suffix = package.bundle.suffix();
    format!("{prefix}{service}-{version}{suffix}")
}

/// A client of S3, which is asked for little else here.
async fn s3(session: &Session) -> Result<aws_sdk_s3::Client, Failure> {
    let aws = session.aws().await;
    if aws.region().is_none() {
        return Err(crate::session::no_region());
    }
    // Behind an endpoint of one's own there are no host names for buckets.
    let own_endpoint = aws.endpoint_url().is_some();
    let config = aws_sdk_s3::config::Builder::from(aws)
        .force_path_style(own_endpoint)
        .build();
    Ok(aws_sdk_s3::Client::from_conf(config))
}

/// Waits until the ledger has the artefact.
async fn released(
    ledger: &impl Ledger,
    service: &ServiceName,
    id: &ArtefactId,
) -> Result<ReleaseNumber, Failure> {
    loop {
        let mention = Mention::Artefact(id.clone());
        let loaded = ledger
            .load(service, &mention)
            .await
            .map_err(book::failure)?;
        match loaded.recalled {
            Recalled::Artefact(Some(release)) => return Ok(release),
            Recalled::Artefact(None) => return Err(rejected(ledger, service, id).await?),
            Recalled::Nothing | Recalled::Release(_) => follow::pause().await,
        }
    }
}

/// Why the ledger made no release of it.
async fn rejected(
    ledger: &impl Ledger,
    service: &ServiceName,
    id: &ArtefactId,
) -> Result<Failure, Failure> {
    let newest = book::pipeline(ledger, service).await?.seq;
    let mut why = None;
    book::back(ledger, service, newest, |sealed| {
        if let What::ArtefactRejected {
            artefact, problem, ..
        } = &sealed.entry.what
            && artefact.id() == *id
        {
            why = Some(problem.clone());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
    .await?;
    let failure = Failure::failed(format!("{service} cannot deploy it"));
    Ok(match why {
        Some(why) => failure.because(why),
        None => failure,
    })
}

/// The number of the entry that recorded a release.
pub(crate) async fn recorded(
    ledger: &impl Ledger,
    service: &ServiceName,
    release: ReleaseNumber,
) -> Result<u64, Failure> {
    let newest = book::pipeline(ledger, service).await?.seq;
    let mut at = 1;
    book::back(ledger, service, newest, |sealed| {
        if let What::Released { release: new } = &sealed.entry.what
            && new.number == release
        {
            at = sealed.entry.seq;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
    .await?;
    Ok(at)
}
