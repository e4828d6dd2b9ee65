//! `lastgood init`: a service file from what exists.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use aws::AwsPlatform;
use aws::survey::{Compute, Controller, Unseen};
use clap::{ArgGroup, Args};
use domain::config::Place;
use domain::file::{Home, ServiceFile};
use domain::{Artefact, ServiceConfig, ServiceName, StageName};
use engine::Platform;
use serde::Serialize;

use crate::draft::{Existing, SeenTarget, Wished, draft};
use crate::failure::{Exit, Failure};
use crate::rehearse::written;
use crate::screen::Report;
use crate::session::Session;
use crate::yaml::Source;

/// Write a service file from what exists
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("from").required(true).multiple(true).args(["ecs", "codedeploy"]))]
#[command(
    after_help = "Name what exists once for each stage, in the order releases are to go through them. Nothing is
changed but the file, and a file that is there already is left alone. What runs becomes the first
last good when the file is applied, where it can be proved.

Examples:
  lastgood init web --from-ecs dev=dev/web --from-ecs production=live/web
  lastgood init billing --from-codedeploy billing/test --from-codedeploy billing/production"
)]
pub(crate) struct Init {
    /// The service's name
    service: ServiceName,
    /// An ECS service, and what its stage is to be called
    #[arg(long = "from-ecs", value_name = "[STAGE=]CLUSTER/SERVICE", value_parser = named)]
    ecs: Vec<Named>,
    /// A CodeDeploy group, and what its stage is to be called
    #[arg(long = "from-codedeploy", value_name = "[STAGE=]APPLICATION/GROUP", value_parser = named)]
    codedeploy: Vec<Named>,
    /// The bucket of archives [default: that of the group's last one]
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// What the keys of archives begin with [default: as the group's last one]
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// The file to write [default: SERVICE.yaml]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Something that exists, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    stage: Option<StageName>,
    /// The cluster, or the application.
    outer: String,
    /// The service, or the group.
    inner: String,
}

fn named(text: &str) -> Result<Named, String> {
    let (stage, rest) = match text.split_once('=') {
        Some((stage, rest)) => {
            let stage = stage.parse::<StageName>();
            (Some(stage.map_err(|error| error.to_string())?), rest)
        }
        None => (None, text),
    };
    match rest.split_once('/') {
        Some((outer, inner)) if !outer.is_empty() && !inner.is_empty() => Ok(Named {
            stage,
            outer: outer.to_owned(),
            inner: inner.to_owned(),
        }),
        Some(_) | None => Err("two names with a slash between them are needed".to_owned()),
    }
}

impl Named {
    /// The stage's name: as it was typed, else as what exists is called.
    fn stage(&self, called: &str) -> Result<StageName, Failure> {
        if let Some(stage) = &self.stage {
            return Ok(stage.clone());
        }
        let name = called.to_ascii_lowercase().replace(['_', '.'], "-");
        name.parse().map_err(|error| {
            Failure::usage(format!("{called:?} is no name of a stage: {error}"))
                .hint(format!("write STAGE={}/{}", self.outer, self.inner))
        })
    }
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    file: String,
    service: ServiceName,
    stages: Vec<Adoption>,
}

/// What runs on a stage, as far as it can be proved.
#[derive(Debug, Serialize)]
struct Adoption {
    stage: StageName,
    runs: Option<Artefact>,
    /// Why that is not known.
    unseen: Option<String>,
}

impl Init {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let file = self.file.clone();
        let file = file.unwrap_or_else(|| PathBuf::from(format!("{}.yaml", self.service)));
        let shown = file.display().to_string();
        if file.exists() {
            return Err(there_already(&shown));
        }
        let (by, home) = session.who().await?;
        let platform = session.platform().await?;
        let existing = self.existing(&platform, home).await?;
        let wished = Wished {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
        };
        let config = draft(&self.service, &existing, &wished, by, home)?;
        let text = self.text(&config, home, &shown)?;
        let stages = adoptions(&platform, &config).await;
        // Whoever made the file meanwhile keeps it.
        let made = File::create_new(&file).and_then(|mut file| file.write_all(text.as_bytes()));
        made.map_err(|error| {
            if error.kind() == ErrorKind::AlreadyExists {
                there_already(&shown)
            } else {
                Failure::failed(format!("cannot write {shown}")).because(error)
            }
        })?;
        let mut lines = vec![format!("wrote {shown}")];
        lines.extend(stages.iter().map(Adoption::words));
        let written = Written {
            file: shown.clone(),
            service: self.service,
            stages,
        };
        Ok(Report::new(&written, lines.join("\n")).next(format!(
            "read it, then: lastgood validate {shown} --online && lastgood apply {shown}"
        )))
    }

    async fn existing(
        &self,
        platform: &AwsPlatform,
        home: &Home,
    ) -> Result<Vec<Existing>, Failure> {
        let place = Place {
            account: home.account.clone(),
            region: home.region.clone(),
            role: None,
        };
        let mut all = Vec::new();
        for named in &self.ecs {
            let stage = named.stage(&named.outer)?;
            let seen = platform
                .survey_service(&place, &named.outer, &named.inner)
                .await
                .map_err(unseen)?;
            if seen.controller != Controller::Ecs {
                return Err(Failure::usage(format!(
                    "ECS itself does not deploy {}/{}",
                    named.outer, named.inner
                ))
                .hint("name its CodeDeploy group with --from-codedeploy"));
            }
            let seen = SeenTarget::Service {
                cluster: named.outer.clone(),
                service: named.inner.clone(),
                seen,
            };
            all.push(Existing { stage, seen });
        }
        for named in &self.codedeploy {
            let stage = named.stage(&named.inner)?;
            let seen = group(platform, &place, named).await?;
            all.push(Existing { stage, seen });
        }
        Ok(all)
    }

    /// The file, with what nobody but its owner can know above it.
    fn text(&self, config: &ServiceConfig, home: &Home, name: &str) -> Result<String, Failure> {
        let file = ServiceFile::of(config, home);
        let body = written(&file)?;
        let schema = "# yaml-language-server: $schema=service.schema.json";
        let text = format!(
            "# Drafted by lastgood init from what exists; read it before you apply it. Who may\n\
             # approve, which tags make releases, when deployments may start (windows) and how\n\
             # long a release bakes are yours to say; lastgood schema prints what can be said.\n\
             {schema}\n{body}"
        );
        let source = Source::parse(name.to_owned(), text.clone())?;
        source
            .file
            .resolve(home)
            .map_err(|problems| source.wrong(&problems))?;
        Ok(text)
    }
}

fn there_already(shown: &str) -> Failure {
    Failure::usage(format!("{shown} is there already"))
        .because("nothing was done")
        .hint("name another with --file, or move it away")
}

fn unseen(unseen: Unseen) -> Failure {
    match unseen {
        Unseen::Missing(words) => Failure::usage(words),
        Unseen::Forbidden(words) => {
            Failure::new(Exit::NotAllowed, "AWS does not let this identity look").because(words)
        }
        Unseen::Unclear(words) => {
            Failure::unobserved("what exists could not be looked at").because(words)
        }
    }
}

async fn group(
    platform: &AwsPlatform,
    place: &Place,
    named: &Named,
) -> Result<SeenTarget, Failure> {
    let (application, group) = (named.outer.clone(), named.inner.clone());
    let seen = platform.survey_group(place, &application, &group);
    let seen = seen.await.map_err(unseen)?;
    match &seen.compute {
        Compute::Server => Ok(SeenTarget::Group {
            application,
            group,
            seen,
        }),
        Compute::Ecs { cluster, service } => {
            let service = platform.survey_service(place, cluster, service);
            Ok(SeenTarget::BlueGreen {
                service: service.await.map_err(unseen)?,
                application,
                group,
                seen,
            })
        }
        Compute::Other(other) => Err(Failure::usage(format!(
            "{application}/{group} deploys to {other}"
        ))
        .hint("Lastgood deploys to instances and to ECS services")),
    }
}

async fn adoptions(platform: &AwsPlatform, config: &ServiceConfig) -> Vec<Adoption> {
    let look = config.stages.iter().map(async |stage| {
        let (runs, unseen) = match platform.find_running(stage).await {
            Ok(runs) => (runs, None),
            Err(error) => (None, Some(error.to_string())),
        };
        Adoption {
            stage: stage.name.clone(),
            runs,
            unseen,
        }
    });
    futures_util::future::join_all(look).await
}

impl Adoption {
    fn words(&self) -> String {
        let stage = &self.stage;
        match (&self.runs, &self.unseen) {
            (Some(runs), _) => {
                format!("  {stage} runs {runs}, which becomes its first last good")
            }
            (None, None) => format!(
                "  what {stage} runs cannot be proved: its first deployment has nothing to return to"
            ),
            (None, Some(why)) => format!("  what {stage} runs was not looked at: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_called_as_typed_or_as_what_exists() {
        let typed = named("production=live/web").unwrap();
        assert_eq!(typed.stage("live").unwrap().as_str(), "production");
        let plain = named("Dev_1/web").unwrap();
        assert_eq!(plain.stage(&plain.outer).unwrap().as_str(), "dev-1");
        let failure = named("9/web").unwrap().stage("9").unwrap_err();
        assert!(failure.hint.unwrap().contains("STAGE=9/web"));
        for wrong in ["web", "/web", "dev/", "Dev=a/b"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
