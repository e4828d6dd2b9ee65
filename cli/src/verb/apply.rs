//! `lastgood apply`: making service files the services' configuration.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use domain::ServiceName;
use domain::entry::{Entry, What};
use domain::file::Problem;
use domain::reason::Verdict;
use intake::wire::{Answer, Ask};
use serde::Serialize;

use crate::answer;
use crate::command::Reply;
use crate::confirm;
use crate::failure::Failure;
use crate::rehearse::{self, Rehearsed, Sources};
use crate::screen::Report;
use crate::session::Session;
use crate::yaml::Source;

/// Make service files the services' configuration
#[derive(Debug, Args)]
#[command(
    after_help = "All files are checked before the first one is sent. What would change is shown first, and asked
about; --yes goes on without. lastgood schema prints what a file may say.

Examples:
  lastgood apply services/*.yaml --dry-run
  lastgood apply web.yaml --yes"
)]
pub(crate) struct Apply {
    /// Service files, in YAML
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Say what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// What became of one file.
#[derive(Debug, Serialize)]
struct Applied {
    file: String,
    service: ServiceName,
    dry_run: bool,
    /// What would change in the configuration, in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<String>,
    #[serde(flatten)]
    answer: Answer,
}

impl Apply {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let sources = read(&self.files)?;
        if !self.dry_run && session.says_yes() {
            return apply(session, sources).await;
        }
        // A question that cannot be asked is no reason to look at anything first.
        if !self.dry_run {
            confirm::can(session, "a confirmation")?;
        }
        let rehearsed = rehearse::all(session, &sources).await?;
        if self.dry_run {
            return dry(session, sources, rehearsed);
        }
        let changes: Vec<String> = rehearsed
            .iter()
            .filter(|it| it.answer.verdict == Verdict::Done)
            .map(|it| it.text(&session.times, session.screen.err))
            .collect();
        if !changes.is_empty() {
            let question = "Make this the configuration?";
            confirm::ask(session, &changes.join("\n\n"), question).await?;
        }
        apply(session, sources).await
    }
}

async fn apply(session: &Session, sources: Sources) -> Result<Report, Failure> {
    let mut applied = Vec::new();
    let mut texts = Vec::new();
    let mut hints = BTreeSet::new();
    for (service, source) in sources {
        let file = Box::new(source.file.clone());
        let answer = match session.reply(service.clone(), Ask::Apply { file }).await? {
            Reply::Answer(answer) => answer,
            Reply::Problems(problems) => return Err(source.wrong(&problems)),
        };
        texts.push(answer::report(&service, &answer, &session.times)?.text);
        hints.extend(answer.entries.iter().filter_map(hint));
        applied.push(Applied {
            file: source.name,
            service,
            dry_run: false,
            changes: None,
            answer,
        });
    }
    let report = Report::new(&applied, texts.join("\n"));
    Ok(hints.into_iter().fold(report, Report::next))
}

/// What to do about a target that could not be looked at: deployments go the same way.
fn hint(entry: &Entry) -> Option<String> {
    let What::NothingToAdopt {
        stage,
        problem: Some(problem),
    } = &entry.what
    else {
        return None;
    };
    Some(if problem.contains("sts:AssumeRole") {
        format!(
            "hint: {stage}'s role must exist, trust Lastgood's functions and be given the external \
             id that it asks for; infra/target-account.yaml makes such a role"
        )
    } else {
        format!("hint: mend that before {stage} gets its first release, or it fails on the same")
    })
}

fn dry(session: &Session, sources: Sources, rehearsed: Vec<Rehearsed>) -> Result<Report, Failure> {
    let mut applied = Vec::new();
    let mut texts = Vec::new();
    for ((service, source), rehearsed) in sources.into_iter().zip(rehearsed) {
        if rehearsed.answer.verdict == Verdict::Refused {
            return Err(answer::refused(&service, &rehearsed.answer.reason));
        }
        texts.push(rehearsed.text(&session.times, session.screen.out));
        applied.push(Applied {
            file: source.name,
            service,
            dry_run: true,
            changes: Some(rehearsed.changes),
            answer: rehearsed.answer,
        });
    }
    Ok(Report::new(&applied, texts.join("\n\n")).next("dry run: nothing was written"))
}

/// Reads all files; none is used when one cannot be.
pub(crate) fn read(files: &[PathBuf]) -> Result<Sources, Failure> {
    let mut sources: Sources = Vec::new();
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
    match Failure::all(failures) {
        Some(failure) => Err(failure),
        None => Ok(sources),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
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
    fn what_cannot_be_looked_at_has_one_hint() {
        let of = |problem: &str| {
            let entry = format!(
                r#"{{"format":1,"seq":2,"at":"2026-11-26T10:00:00Z","actor":"clock","why":"cannot_be_proved",
                "what":{{"nothing_to_adopt":{{"stage":"live"{problem}}}}},"before":"{}"}}"#,
                "0".repeat(64)
            );
            hint(&serde_json::from_str(&entry).unwrap())
        };
        assert_eq!(of(""), None, "it was looked at");
        let role =
            of(r#","problem":"the role r cannot be assumed: sts:AssumeRole: AccessDenied: no""#);
        assert!(role.unwrap().contains("live's role must exist, trust"));
        let missing = of(r#","problem":"ecs:DescribeServices: ClusterNotFoundException""#);
        assert!(
            missing
                .unwrap()
                .contains("before live gets its first release")
        );
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
