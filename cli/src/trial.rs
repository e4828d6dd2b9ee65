//! A freeze on trial: what it would have held in the last week, and what it will hold in the next,
//! as far as that is known today. Nothing is frozen.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use domain::entry::{Purpose, What};
use domain::{Pipeline, ReleaseNumber, ServiceName, SignedDuration, StageName, Timestamp};
use engine::Ledger;
use serde::Serialize;

use crate::book;
use crate::failure::Failure;
use crate::times::Times;

/// How far back and ahead a trial looks.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Most openings of windows that are named for one stage.
const OPENINGS_MAX: usize = 20;

/// What a freeze would be of.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// One stage, or all of the service.
    pub(crate) stage: Option<StageName>,
    /// Its end; none means until thawed.
    pub(crate) until: Option<Timestamp>,
}

/// Something that a freeze would hold.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Held {
    service: ServiceName,
    stage: StageName,
    #[serde(flatten)]
    what: Kind,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "held", rename_all = "snake_case")]
enum Kind {
    /// It began in the last week, in the hours that the freeze would have taken.
    Began {
        release: ReleaseNumber,
        at: Timestamp,
    },
    /// It waits now.
    Waits { release: ReleaseNumber },
    /// A window opens while the freeze holds.
    Window { opens_at: Timestamp },
}

/// Tries a freeze on a service.
pub(crate) async fn of_service(
    ledger: &impl Ledger,
    service: &ServiceName,
    scope: &Scope,
    now: Timestamp,
) -> Result<Vec<Held>, Failure> {
    let pipeline = book::pipeline(ledger, service).await?;
    let mut held = began(ledger, &pipeline, scope, now).await?;
    held.extend(ahead(&pipeline, scope, now));
    Ok(held)
}

fn concerns(scope: &Scope, stage: &StageName) -> bool {
    scope.stage.as_ref().is_none_or(|only| only == stage)
}

/// What began in the last week in the hours the freeze takes now. Rollbacks pass a freeze.
async fn began(
    ledger: &impl Ledger,
    pipeline: &Pipeline,
    scope: &Scope,
    now: Timestamp,
) -> Result<Vec<Held>, Failure> {
    let week_before = |at: Timestamp| at.checked_sub(WEEK).unwrap_or(Timestamp::MIN);
    let since = week_before(now);
    let until = scope.until.map_or(now, |end| week_before(end).min(now));
    let mut starts = BTreeMap::new();
    let mut held = Vec::new();
    book::back(ledger, &pipeline.service, pipeline.seq, |sealed| {
        let entry = &sealed.entry;
        if entry.at < since && starts.is_empty() {
            return ControlFlow::Break(());
        }
        if let What::StartAsked { deployment, order } = &entry.what
            && (since..until).contains(&entry.at)
            && concerns(scope, &order.stage)
        {
            starts.insert(deployment.seq, entry.at);
        }
        // The offer is older than the start, and says what it is for.
        if let What::Offered {
            stage,
            release,
            purpose,
            ..
        } = &entry.what
            && let (Some(at), Purpose::Release) = (starts.remove(&entry.seq), purpose)
        {
            held.push(Held {
                service: pipeline.service.clone(),
                stage: stage.clone(),
                what: Kind::Began {
                    release: *release,
                    at,
                },
            });
        }
        ControlFlow::Continue(())
    })
    .await?;
    held.reverse();
    Ok(held)
}

/// What waits now, and the windows of the next week that would pass unused.
fn ahead(pipeline: &Pipeline, scope: &Scope, now: Timestamp) -> Vec<Held> {
    let week_after = now.checked_add(WEEK).unwrap_or(Timestamp::MAX);
    let end = scope.until.map_or(week_after, |end| end.min(week_after));
    let config = pipeline.config.iter();
    let stages = config.flat_map(|config| &config.stages);
    let mut held = Vec::new();
    for stage in stages.filter(|stage| concerns(scope, &stage.name)) {
        let mut hold = |what| {
            held.push(Held {
                service: pipeline.service.clone(),
                stage: stage.name.clone(),
                what,
            });
        };
        let state = pipeline.stages.get(&stage.name);
        let waiting = state.map(|state| state.waiting.as_slice());
        let waiting = waiting.unwrap_or_default().iter();
        for offer in waiting.filter(|offer| offer.purpose == Purpose::Release) {
            hold(Kind::Waits {
                release: offer.release,
            });
        }
        let mut at = now;
        for _ in 0..OPENINGS_MAX {
            let openings = stage.windows.iter().filter_map(|it| it.opens_after(at));
            match openings.min() {
                Some(opens_at) if opens_at < end => {
                    hold(Kind::Window { opens_at });
                    at = opens_at;
                }
                Some(_) | None => break,
            }
        }
    }
    held
}

impl Held {
    /// For people.
    pub(crate) fn words(&self, times: &Times) -> String {
        let Self {
            service,
            stage,
            what,
        } = self;
        match what {
            Kind::Began { release, at } => format!(
                "{service} {stage}: release {release} began {}, and would have waited",
                times.at_and_ago(*at)
            ),
            Kind::Waits { release } => {
                format!("{service} {stage}: release {release} waits already, and would go on to")
            }
            Kind::Window { opens_at } => format!(
                "{service} {stage}: the window of {} would pass unused",
                times.at_and_ago(*opens_at)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Story, production, web};

    async fn tried(scope: Scope) -> (Vec<String>, Vec<Held>) {
        let story = Story::told().await;
        let times = story.times();
        let held = of_service(&story.ledger, &web(), &scope, times.now)
            .await
            .unwrap();
        (held.iter().map(|held| held.words(&times)).collect(), held)
    }

    #[tokio::test]
    async fn what_began_in_the_last_week_would_have_waited() {
        let scope = Scope {
            stage: None,
            until: None,
        };
        let (words, held) = tried(scope).await;
        insta::assert_snapshot!(words.join("\n"));
        let json = serde_json::to_value(&held[0]).unwrap();
        assert_eq!(
            (&json["held"], &json["release"]),
            (&"began".into(), &1.into())
        );
    }

    #[tokio::test]
    async fn a_stages_freeze_concerns_that_stage_and_its_own_hours() {
        let now = Story::told().await.times().now;
        let scope = Scope {
            stage: Some(production()),
            until: now.checked_add(SignedDuration::from_hours(2)).ok(),
        };
        let (words, _) = tried(scope).await;
        assert_eq!(
            words,
            ["web production: release 3 waits already, and would go on to"],
            "a week ago at this hour nothing began"
        );
    }

    #[tokio::test]
    async fn windows_that_open_meanwhile_pass_unused() {
        let story = Story::told().await;
        let (mut pipeline, now) = (story.pipeline().await, story.times().now);
        let stages = pipeline
            .config
            .as_mut()
            .map(std::sync::Arc::make_mut)
            .into_iter()
            .flat_map(|config| &mut config.stages);
        for stage in stages {
            stage.windows = vec!["Mon-Fri 10:00-17:00 UTC".parse().unwrap()];
        }
        let openings = |until: Option<&str>| {
            let scope = Scope {
                stage: Some("dev".parse().unwrap()),
                until: until.map(|until| until.parse().unwrap()),
            };
            ahead(&pipeline, &scope, now).len()
        };
        assert_eq!(openings(None), 5, "Tuesday to Friday, and Monday");
        assert_eq!(
            openings(Some("2026-11-24T10:00:00Z")),
            0,
            "it ends as the window opens"
        );
        assert_eq!(openings(Some("2026-11-24T10:00:01Z")), 1);
    }
}
