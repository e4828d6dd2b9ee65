//! Following one release through the ledger until it is where somebody wants it, or will not get
//! there. Only entries are believed, never a pause.

use std::time::Duration;

use domain::chain::Sealed;
use domain::entry::{Drop, What};
use domain::pipeline::WaitingOn;
use domain::{Entry, ReleaseNumber, ServiceName, StageName};
use engine::Ledger;

use crate::about;
use crate::book;
use crate::failure::{Exit, Failure};
use crate::times::Times;
use crate::words;

/// The pause between two looks at the ledger.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How a release ended, as far as somebody waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// In a word.
    pub(crate) exit: Exit,
    /// The entry that ended it.
    pub(crate) entry: Box<Entry>,
}

/// What is waited for: a release good on a stage.
#[derive(Debug, Clone)]
pub(crate) struct Goal<'a> {
    pub(crate) service: &'a ServiceName,
    pub(crate) release: ReleaseNumber,
    pub(crate) until: &'a StageName,
}

impl Goal<'_> {
    /// Reads on from entry `from` until the release's end, telling each entry about it on the way.
    pub(crate) async fn reached(
        &self,
        ledger: &impl Ledger,
        mut from: u64,
        mut tell: impl FnMut(&Entry),
    ) -> Result<End, Failure> {
        let mut end = None;
        loop {
            let fresh = fresh(ledger, self.service, from).await?;
            if fresh.is_empty() {
                // Only now: what ended it may be undone by an entry that was read later.
                if let Some(end) = end {
                    return Ok(end);
                }
                pause().await;
            }
            for sealed in fresh {
                from = sealed.entry.seq + 1;
                if about::release_of(&sealed.entry.what) == Some(self.release) {
                    tell(&sealed.entry);
                    self.take_in(&sealed.entry, &mut end);
                }
            }
        }
    }

    /// What an entry about the release makes of its end so far: an approval ends its waiting, a
    /// promotion its having been superseded.
    pub(crate) fn take_in(&self, entry: &Entry, end: &mut Option<End>) {
        let is_done = end.as_ref().is_some_and(|end| end.exit == Exit::Done);
        if is_done && about::stage_of(&entry.what) != Some(self.until) {
            // It is good where it was waited for, and goes on from there.
            return;
        }
        if let Some(exit) = self.ends(&entry.what) {
            *end = Some(End {
                exit,
                entry: Box::new(entry.clone()),
            });
        } else if goes_on(&entry.what) && !is_done {
            *end = None;
        }
    }

    /// What an entry about the release means for who waits.
    fn ends(&self, what: &What) -> Option<Exit> {
        match what {
            What::Succeeded { stage, .. } | What::Adopted { stage, .. } => {
                (stage == self.until).then_some(Exit::Done)
            }
            // A freeze without an end needs a person too, and so does a scan that cannot be had.
            What::Waits {
                on:
                    WaitingOn::Approval { .. }
                    | WaitingOn::Scan { problem: Some(_) }
                    | WaitingOn::Freeze { until: None, .. },
                ..
            } => Some(Exit::Waits),
            What::RolledBack { .. } => Some(Exit::RolledBack),
            What::Dropped {
                end: Drop::Superseded { .. },
                ..
            }
            | What::HeldBack { .. } => Some(Exit::Superseded),
            What::Dropped { .. }
            | What::Failed { .. }
            | What::Unproven { .. }
            | What::RollbackFailed { .. } => Some(Exit::Failed),
            What::Configured { .. }
            | What::Unclaimed { .. }
            | What::ArtefactRejected { .. }
            | What::Released { .. }
            | What::Recalled { .. }
            | What::Scanned { .. }
            | What::NothingToAdopt { .. }
            | What::Flooded { .. }
            | What::Offered { .. }
            | What::Overridden { .. }
            | What::Waits { .. }
            | What::Approved { .. }
            | What::ApprovalsVoided { .. }
            | What::StartAsked { .. }
            | What::Begun { .. }
            | What::BakeBegun { .. }
            | What::StopAsked { .. }
            | What::ReturnAsked { .. }
            | What::RollbackAdopted { .. }
            | What::Quarantined { .. }
            | What::Frozen { .. }
            | What::Thawed { .. }
            | What::Switched { .. }
            | What::SwitchNoted { .. }
            | What::AllTold { .. }
            | What::TestAnnounced { .. }
            | What::AlarmNoted { .. }
            | What::AlarmAfterBake { .. }
            | What::MixtureSeen { .. }
            | What::CallSeen { .. }
            | What::Drifted { .. }
            | What::DriftEnded { .. }
            | What::Unprotected { .. }
            | What::Protected { .. }
            | What::PersonCalled { .. } => None,
        }
    }
}

/// The entries from a number on.
pub(crate) async fn fresh(
    ledger: &impl Ledger,
    service: &ServiceName,
    from: u64,
) -> Result<Vec<Sealed>, Failure> {
    let page = ledger
        .entries(service, from, book::PAGE)
        .await
        .map_err(book::failure)?;
    let fresh = page.into_iter().filter(|sealed| sealed.entry.seq >= from);
    Ok(fresh.collect())
}

/// Waits until the next look at the ledger; chance keeps many who wait apart.
pub(crate) async fn pause() {
    tokio::time::sleep(LOOK_EVERY.mul_f64(0.8 + fastrand::f64() * 0.4)).await;
}

/// Whether an entry shows a release on its way.
fn goes_on(what: &What) -> bool {
    matches!(
        what,
        What::Released { .. }
            | What::Offered { .. }
            | What::Overridden { .. }
            | What::Waits { .. }
            | What::Approved { .. }
            | What::StartAsked { .. }
            | What::Begun { .. }
            | What::BakeBegun { .. }
            | What::StopAsked { .. }
            | What::ReturnAsked { .. }
            | What::RollbackAdopted { .. }
    )
}

/// How a release ended, for people.
pub(crate) fn told(end: &End, times: &Times) -> String {
    format!(
        "{}: {}",
        end.exit.word().replace('_', " "),
        words::what(&end.entry.what, times)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Story, production, web};

    async fn followed(release: u64, until: &str) -> (Exit, Vec<String>) {
        let story = Story::told().await;
        let (service, until) = (web(), until.parse().unwrap());
        let goal = Goal {
            service: &service,
            release: ReleaseNumber(release),
            until: &until,
        };
        let mut told = Vec::new();
        let end = goal
            .reached(&story.ledger, 1, |entry| {
                told.push(words::what(&entry.what, &story.times()))
            })
            .await
            .unwrap();
        assert!(told.contains(&words::what(&end.entry.what, &story.times())));
        (end.exit, told)
    }

    #[tokio::test]
    async fn a_release_is_followed_to_its_end() {
        assert_eq!(followed(1, "dev").await.0, Exit::Done);
        assert_eq!(followed(3, "dev").await.0, Exit::Done);
        // It waited for an approval on its way, and was rolled back after it.
        assert_eq!(followed(1, "production").await.0, Exit::Done);
        assert_eq!(followed(2, "production").await.0, Exit::RolledBack);
        // Who waits for production is told at once that a person is needed first.
        let (exit, told) = followed(3, "production").await;
        assert_eq!(exit, Exit::Waits);
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn how_a_release_can_end() {
        let service = web();
        let (dev, production) = ("dev".parse().unwrap(), production());
        let release = ReleaseNumber(2);
        let goal = Goal {
            service: &service,
            release,
            until: &production,
        };
        let deployment: domain::EntryId = "web/9".parse().unwrap();
        let (stage, to, firing) = (production.clone(), Some(ReleaseNumber(1)), Vec::new());
        let what = What::RolledBack {
            stage,
            deployment: deployment.clone(),
            release,
            to,
            firing,
        };
        assert_eq!(goal.ends(&what), Some(Exit::RolledBack));
        let dropped = |end| {
            let (stage, deployment) = (production.clone(), deployment.clone());
            goal.ends(&What::Dropped {
                stage,
                deployment,
                release,
                end,
            })
        };
        assert_eq!(
            dropped(Drop::Superseded {
                by: ReleaseNumber(3)
            }),
            Some(Exit::Superseded)
        );
        assert_eq!(dropped(Drop::Expired), Some(Exit::Failed));
        let good = |stage| {
            goal.ends(&What::Succeeded {
                stage,
                deployment: deployment.clone(),
                release,
            })
        };
        assert_eq!(good(dev), None);
        assert_eq!(good(production.clone()), Some(Exit::Done));
    }
}
