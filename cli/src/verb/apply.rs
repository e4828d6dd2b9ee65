//! `lastgood apply`: making service files the services' configuration.

use std::path::PathBuf;

use clap::Args;
use domain::decide::{Recalled, decide};
use domain::fact::{Asked, Fact, Request};
use domain::file::{Home, Problem};
use domain::{Identity, ServiceName};
use engine::{Ledger, Mention};
use intake::wire::{Answer, Ask};
use serde::Serialize;

use crate::answer;
use crate::book;
use crate::command::{Reply, request_id};
use crate::failure::{Exit, Failure, causes};
use crate::screen::Report;
use crate::session::Session;
use crate::yaml::Source;

/// Make service files the services' configuration
#[derive(Debug, Args)]
#[command(
    after_help = "All files are checked before the first one is sent. lastgood schema prints what a file may say.

Example:
  lastgood apply services/*.yaml --dry-run"
)]
pub(crate) struct Apply {
    /// Service files, in YAML
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// What became of one file.
#[derive(Debug, Serialize)]
struct Applied {
    file: String,
    service: ServiceName,
    dry_run: bool,
    #[serde(flatten)]
    answer: Answer,
}

impl Apply {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let sources = read(&self.files)?;
        let mut applied = Vec::new();
        let mut texts = Vec::new();
        for (service, source) in sources {
            let reply = if self.dry_run {
                rehearse(session, &service, &source).await?
            } else {
                let file = Box::new(source.file.clone());
                session.reply(service.clone(), Ask::Apply { file }).await?
            };
            let answer = match reply {
                Reply::Answer(answer) => answer,
                Reply::Problems(problems) => return Err(source.wrong(&problems)),
            };
            let report = answer::report(&service, &answer, &session.times)?;
            texts.push(report.text);
            applied.push(Applied {
                file: source.name,
                service,
                dry_run: self.dry_run,
                answer,
            });
        }
        let report = Report::new(&applied, texts.join("\n"));
        Ok(if self.dry_run {
            report
                .next("dry run: nothing was written, and what runs on the stages was not looked at")
        } else {
            report
        })
    }
}

/// Reads all files; none is used when one cannot be.
fn read(files: &[PathBuf]) -> Result<Vec<(ServiceName, Source)>, Failure> {
    let mut sources: Vec<(ServiceName, Source)> = Vec::new();
    let mut failures = Vec::new();
    for file in files {
        match Source::read(file).and_then(|source| Ok((name(&source)?, source))) {
            Ok((service, source)) => {
                if let Some((_, first)) = sources.iter().find(|(other, _)| *other == service) {
                    let both =
                        format!("{} and {} both describe {service}", first.name, source.name);
                    failures.push(Failure::usage(both));
                }
                sources.push((service, source));
            }
            Err(failure) => failures.push(failure),
        }
    }
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else {
        return Ok(sources);
    };
    Err(failures.fold(first, |all, failure| {
        let all = all.because("").because(&failure.message);
        let all = failure.evidence.iter().fold(all, Failure::because);
        failure.hint.iter().fold(all, Failure::because)
    }))
}

fn name(source: &Source) -> Result<ServiceName, Failure> {
    source
        .file
        .service
        .parse()
        .map_err(|error: domain::name::NameError| {
            let problem = Problem {
                path: "/service".to_owned(),
                message: error.to_string(),
                hint: None,
            };
            source.wrong(&[problem])
        })
}

/// The decision without the commit: the same rules on the ledger as it is.
async fn rehearse(
    session: &Session,
    service: &ServiceName,
    source: &Source,
) -> Result<Reply, Failure> {
    let (by, home) = who(session).await?;
    let config = match source.file.resolve(&home) {
        Ok(config) => Box::new(config),
        Err(problems) => return Ok(Reply::Problems(problems)),
    };
    let ledger = session.ledger().await?;
    let loaded = ledger
        .load(service, &Mention::Nothing)
        .await
        .map_err(book::failure)?;
    let request = Request::Configure {
        config,
        found: Vec::new(),
    };
    let fact = Fact::Asked(Asked {
        id: request_id(),
        by,
        request,
    });
    let decision = decide(
        &loaded.pipeline,
        &Recalled::Nothing,
        &fact,
        session.times.now,
    )
    .map_err(|error| Failure::failed("the ledger contradicts itself").because(error))?;
    Ok(Reply::Answer(Answer {
        verdict: decision.verdict(),
        reason: decision.reason,
        entries: decision
            .entries
            .into_iter()
            .map(|sealed| sealed.entry)
            .collect(),
    }))
}

/// Who we are, and the account and Region that a file leaves out.
async fn who(session: &Session) -> Result<(Identity, Home), Failure> {
    let aws = session.aws().await;
    let region = aws.region().ok_or_else(crate::session::no_region)?.as_ref();
    let failed = |words: String| {
        Failure::new(Exit::NotAllowed, "AWS does not tell who this is")
            .because(words)
            .hint("sign in as for the AWS CLI (aws sso login, AWS_PROFILE, environment variables)")
    };
    let identity = aws_sdk_sts::Client::new(aws)
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| failed(causes(&error)))?;
    let arn = identity.arn().unwrap_or_default().to_owned();
    let wrong = |error: domain::name::NameError| failed(error.to_string());
    let account = identity
        .account()
        .unwrap_or_default()
        .parse()
        .map_err(wrong)?;
    let region = region
        .parse()
        .map_err(|error: domain::name::NameError| Failure::usage(error.to_string()))?;
    Ok((Identity(arn), Home { account, region }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Paint, failure_text};

    const FILE: &str = "service: web
artefact: { s3: { bucket: shop-artefacts, prefix: web/ } }
stages:
  - { name: dev, target: { codedeploy: { application: web, group: dev } } }
";

    fn told(texts: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = texts
            .iter()
            .enumerate()
            .map(|(at, text)| {
                let path = folder.path().join(format!("{at}.yaml"));
                std::fs::write(&path, text).unwrap();
                path
            })
            .collect();
        let failure = read(&files).unwrap_err();
        let within = format!("{}/", folder.path().display());
        failure_text(&failure, Paint::Plain).replace(&within, "")
    }

    #[test]
    fn every_file_is_checked_before_one_is_sent() {
        insta::assert_snapshot!(told(&[
            FILE,
            "service: Web",
            &FILE.replace("web\na", "9\na")
        ]));
    }

    #[test]
    fn two_files_of_one_service_are_refused() {
        assert_eq!(
            told(&[FILE, FILE]),
            "error: 0.yaml and 1.yaml both describe web"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let failure = read(&["nowhere.yaml".into()]).unwrap_err();
        assert_eq!(failure.message, "cannot read nowhere.yaml");
        assert_eq!(failure.exit, Exit::Usage);
    }
}
