//! `lastgood validate`: whether service files are right, and what they name is there.

use std::path::PathBuf;

use clap::Args;
use domain::file::{Home, Problem, ServiceFile};
use domain::{AccountId, ServiceConfig, ServiceName};
use serde::Serialize;

use crate::failure::Failure;
use crate::online::{self, Judgement};
use crate::screen::Report;
use crate::session::Session;
use crate::verb::apply::read;
use crate::yaml::Source;

/// The ledger's account when nothing says it: it is nobody's.
const ANY_ACCOUNT: &str = "000000000000";
/// The ledger's Region when nothing says it.
const ANY_REGION: &str = "us-east-1";

/// Check service files
#[derive(Debug, Args)]
#[command(
    after_help = "Without --online nothing but the files is looked at, and no credentials are needed. With it, what the
files name has to exist and to be configured so that Lastgood can work with it; what you have no
right to see is a warning and no failure.

Examples:
  lastgood validate services/*.yaml
  lastgood validate web.yaml --online"
)]
pub(crate) struct Validate {
    /// Service files, in YAML
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Look at what the files name: alarms, groups, services, target groups, roles, repositories,
    /// buckets
    #[arg(long)]
    online: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Validated {
    file: String,
    service: ServiceName,
    online: bool,
    warnings: Vec<Problem>,
}

impl Validate {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let sources = read(&self.files)?;
        let mut validated = Vec::new();
        let mut texts = Vec::new();
        let mut failures = Vec::new();
        for (service, source) in sources {
            let checked = if self.online {
                online(session, &source).await
            } else {
                offline(&source)
            };
            match checked {
                Err(failure) => failures.push(failure),
                Ok(warnings) => {
                    texts.extend(warnings.iter().map(|it| warning(&source, it)));
                    texts.push(format!("{}: {service} can be applied", source.name));
                    validated.push(Validated {
                        file: source.name,
                        service,
                        online: self.online,
                        warnings,
                    });
                }
            }
        }
        match Failure::all(failures) {
            Some(failure) => Err(failure),
            None => Ok(Report::new(&validated, texts.join("\n"))),
        }
    }
}

/// A warning with its place.
fn warning(source: &Source, problem: &Problem) -> String {
    let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})"));
    format!(
        "{}: warning: {}{}",
        source.place(&problem.path),
        problem.message,
        hint.unwrap_or_default()
    )
}

fn resolved(source: &Source, home: &Home) -> Result<ServiceConfig, Failure> {
    let config = source.file.resolve(home);
    config.map_err(|problems| source.wrong(&problems))
}

fn offline(source: &Source) -> Result<Vec<Problem>, Failure> {
    resolved(source, &home_of(&source.file)?)?;
    Ok(Vec::new())
}

/// The file does not say where the ledger lives. An account that a stage names without a role can
/// only be the ledger's own.
fn home_of(file: &ServiceFile) -> Result<Home, Failure> {
    let own = file
        .stages
        .iter()
        .filter(|stage| stage.role.is_none())
        .find_map(|stage| stage.account.as_ref()?.parse::<AccountId>().ok());
    let wrong = |error: domain::name::NameError| Failure::failed(error.to_string());
    Ok(Home {
        account: match own {
            Some(own) => own,
            None => ANY_ACCOUNT.parse().map_err(wrong)?,
        },
        region: ANY_REGION.parse().map_err(wrong)?,
    })
}

async fn online(session: &Session, source: &Source) -> Result<Vec<Problem>, Failure> {
    let (_, home) = session.who().await?;
    let config = resolved(source, home)?;
    let platform = session.platform().await?;
    let seen = online::see(&platform, &config).await;
    let Judgement { wrong, doubts } = online::judge(&config, &seen);
    if wrong.is_empty() {
        return Ok(doubts);
    }
    let failure = source.wrong(&wrong);
    Err(doubts.iter().fold(failure, |failure, doubt| {
        failure.because("").because(warning(source, doubt))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Paint, failure_text};

    const FILE: &str = "service: web
artefact: { s3: { bucket: shop-artefacts, prefix: web/ } }
stages:
  - { name: dev, target: { codedeploy: { application: web, group: dev } } }
  - { name: live, account: \"444455556666\", target: { codedeploy: { application: web, group: live } } }
";

    fn source(text: &str) -> Source {
        Source::parse("web.yaml".into(), text.into()).unwrap()
    }

    #[test]
    fn offline_the_ledgers_account_is_what_the_file_takes_for_it() {
        assert_eq!(offline(&source(FILE)).unwrap(), []);
        let two = FILE.replace("{ name: dev,", "{ name: dev, account: \"111122223333\",");
        let failure = offline(&source(&two)).unwrap_err();
        assert!(
            failure.message.contains("another account needs a role"),
            "one of them at least is not the ledger's: {failure:?}"
        );
    }

    #[test]
    fn offline_mistakes_are_shown_where_they_are() {
        let failure = offline(&source(&FILE.replace("name: dev", "name: Dev"))).unwrap_err();
        let text = failure_text(&failure, Paint::Plain);
        assert!(text.contains("web.yaml:4:13"), "{text}");
    }

    #[test]
    fn a_warning_says_where() {
        let problem = Problem {
            path: "/stages/1/name".into(),
            message: "without an alarm nothing is rolled back".into(),
            hint: None,
        };
        assert_eq!(
            warning(&source(FILE), &problem),
            "web.yaml:5:13: warning: without an alarm nothing is rolled back"
        );
    }
}
