//! What applying a service file would do: the decision without the commit, the difference between
//! the configuration as it is and as it would be, and what would be adopted.

use domain::decide::{Recalled, decide};
use domain::fact::{Asked, Fact, Found, Request, RequestId};
use domain::file::{Home, ServiceFile};
use domain::{Pipeline, ServiceConfig, ServiceName};
use engine::{Ledger, Mention, Platform, PlatformError};
use intake::wire::Answer;

use crate::book;
use crate::difference;
use crate::failure::Failure;
use crate::screen::Paint;
use crate::session::Session;
use crate::times::Times;
use crate::words;
use crate::yaml::Source;

/// Service files by the services they describe.
pub(crate) type Sources = Vec<(ServiceName, Source)>;

/// What applying one file would do.
#[derive(Debug)]
pub(crate) struct Rehearsed {
    service: ServiceName,
    /// What would be answered.
    pub(crate) answer: Answer,
    /// How the configuration would change, as a unified difference.
    pub(crate) changes: String,
    /// What could not be looked at.
    unseen: Vec<String>,
}

/// Rehearses all of them; when a file cannot be used, nothing else matters.
///
/// # Errors
/// When a file has mistakes, or the ledger cannot be read.
pub(crate) async fn all(session: &Session, sources: &Sources) -> Result<Vec<Rehearsed>, Failure> {
    let mut all = Vec::new();
    for (service, source) in sources {
        all.push(one(session, service, source).await?);
    }
    Ok(all)
}

async fn one(
    session: &Session,
    service: &ServiceName,
    source: &Source,
) -> Result<Rehearsed, Failure> {
    let (by, home) = session.who().await?;
    let config = source.file.resolve(home).map_err(|it| source.wrong(&it))?;
    let ledger = session.ledger().await?;
    let loaded = ledger
        .load(service, &Mention::Nothing)
        .await
        .map_err(book::failure)?;
    let pipeline = loaded.pipeline;
    let mut unseen = Vec::new();
    let platform = session.platform().await?;
    let found = found(&platform, &pipeline, &config, &mut unseen).await;
    let changes = changes(&pipeline, &config, home)?;
    let request = Request::Configure {
        config: Box::new(config),
        found,
    };
    let fact = Fact::Asked(Asked {
        // Nothing is stored, so no other request can be taken for it.
        id: RequestId(String::new()),
        by: by.clone(),
        request,
    });
    let decision = decide(&pipeline, &Recalled::Nothing, &fact, session.times.now)
        .map_err(|error| Failure::failed("the ledger contradicts itself").because(error))?;
    let answer = Answer {
        verdict: decision.verdict(),
        reason: decision.reason,
        entries: decision.entries.into_iter().map(|it| it.entry).collect(),
    };
    Ok(Rehearsed {
        service: service.clone(),
        answer,
        changes,
        unseen,
    })
}

/// What runs on stages that never had a release, and would be adopted.
async fn found(
    platform: &impl Platform,
    pipeline: &Pipeline,
    config: &ServiceConfig,
    unseen: &mut Vec<String>,
) -> Vec<Found> {
    let mut all = Vec::new();
    let is_new = |name| {
        let state = pipeline.stages.get(name);
        state.is_none_or(|state| state.newest.is_none())
    };
    for stage in config.stages.iter().filter(|stage| is_new(&stage.name)) {
        match platform.find_running(stage).await {
            Ok(artefact) => all.push(Found {
                stage: stage.name.clone(),
                artefact,
                problem: None,
                alarms: Vec::new(),
            }),
            Err(PlatformError::Terminal(words) | PlatformError::Transient(words)) => {
                unseen.push(format!("what runs on {}: {words}", stage.name));
            }
        }
    }
    all
}

/// The configuration as it is against what it would be, both written as files.
fn changes(pipeline: &Pipeline, config: &ServiceConfig, home: &Home) -> Result<String, Failure> {
    let service = &pipeline.service;
    let text = |config: &ServiceConfig| written(&ServiceFile::of(config, home));
    let after = text(config)?;
    Ok(match &pipeline.config {
        Some(before) => difference::of(
            (&format!("{service} as it is"), &text(before)?),
            (&format!("{service} as it would be"), &after),
        ),
        None => difference::of(
            ("/dev/null", ""),
            (&format!("{service} as it would be"), &after),
        ),
    })
}

/// A service file as text.
pub(crate) fn written(file: &ServiceFile) -> Result<String, Failure> {
    serde_saphyr::to_string(file)
        .map_err(|error| Failure::failed("the file cannot be written").because(error))
}

impl Rehearsed {
    /// For people.
    pub(crate) fn text(&self, times: &Times, paint: Paint) -> String {
        let service = &self.service;
        let mut lines = Vec::new();
        if !self.changes.is_empty() {
            lines.push(difference::painted(&self.changes, paint));
            lines.push(String::new());
        }
        if self.answer.entries.is_empty() {
            lines.push(format!("{service}: nothing to do: {}", self.answer.reason));
        }
        lines.extend(self.answer.entries.iter().map(|entry| {
            let what = words::what(&entry.what, times);
            format!("{service}/{}: {what}", entry.seq)
        }));
        let unseen = self.unseen.iter();
        lines.extend(unseen.map(|what| format!("not looked at: {what}")));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use domain::reason::Verdict;

    use super::*;
    use crate::testing::{Story, web};

    fn home() -> Home {
        Home {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn a_change_is_shown_as_the_file_would_say_it() {
        let pipeline = Story::begin().await.pipeline().await;
        let mut config = ServiceConfig::clone(pipeline.config.as_ref().unwrap());
        config.stages[1].bake = domain::SignedDuration::from_mins(30);
        config.stages[1].windows = vec!["Mon-Fri 10:00-17:00 Asia/Kolkata".parse().unwrap()];
        insta::assert_snapshot!(changes(&pipeline, &config, &home()).unwrap());
    }

    #[tokio::test]
    async fn a_new_service_is_shown_whole_and_an_unchanged_one_not_at_all() {
        let pipeline = Story::begin().await.pipeline().await;
        let config = pipeline.config.clone().unwrap();
        assert_eq!(changes(&pipeline, &config, &home()).unwrap(), "");
        let new = Pipeline::new(web());
        insta::assert_snapshot!(changes(&new, &config, &home()).unwrap());
    }

    #[test]
    fn what_could_not_be_looked_at_is_said() {
        let rehearsed = Rehearsed {
            service: web(),
            answer: Answer {
                verdict: Verdict::Nothing,
                reason: domain::Reason::NothingNew,
                entries: Vec::new(),
            },
            changes: String::new(),
            unseen: vec!["what runs on dev: never: AccessDenied".to_owned()],
        };
        let times = Times {
            now: "2026-11-23T12:00:00Z".parse().unwrap(),
            zone: jiff::tz::TimeZone::UTC,
        };
        insta::assert_snapshot!(rehearsed.text(&times, Paint::Plain), @r"
        web: nothing to do: nothing changed
        not looked at: what runs on dev: never: AccessDenied
        ");
    }
}
