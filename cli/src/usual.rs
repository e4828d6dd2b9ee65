//! How long a deployment usually takes: out of the ledger's own history, nothing else.

use domain::chain::Sealed;
use domain::entry::What;
use domain::{EntryId, SignedDuration, StageName, Timestamp};

/// How many of the newest entries are looked at. A release that goes well writes about twenty.
pub(crate) const ENTRIES: usize = 400;
/// How many of a stage's last good deployments are counted.
const COUNTED_MAX: usize = 15;

/// How long the platform usually takes on a stage, from its beginning to its end without the bake:
/// the median of the last deployments that ended well; `None` where none is remembered.
pub(crate) fn duration(entries: &[Sealed], stage: &StageName) -> Option<SignedDuration> {
    let mut begun: Vec<(&EntryId, Timestamp)> = Vec::new();
    let mut lasted: Vec<SignedDuration> = Vec::new();
    for sealed in entries {
        let entry = &sealed.entry;
        if let What::Begun {
            stage: at,
            deployment,
            started_at,
            ..
        } = &entry.what
            && at == stage
        {
            begun.push((deployment, *started_at));
        }
        if let What::BakeBegun { deployment, .. } | What::Succeeded { deployment, .. } = &entry.what
            && let Some(known) = begun.iter().position(|(begun, _)| *begun == deployment)
        {
            // The first of them is the platform's end; what comes later is the bake's.
            let (_, started_at) = begun.swap_remove(known);
            lasted.push(entry.at.duration_since(started_at));
        }
    }
    let skipped = lasted.len().saturating_sub(COUNTED_MAX);
    let mut counted: Vec<SignedDuration> = lasted.into_iter().skip(skipped).collect();
    counted.sort();
    counted.get(counted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Story, web};
    use engine::Ledger as _;

    #[tokio::test]
    async fn the_usual_time_is_that_of_deployments_that_ended_well() {
        let story = Story::told().await;
        let entries = story.ledger.newest_entries(&web(), ENTRIES).await.unwrap();
        let usual = |stage: &str| duration(&entries, &stage.parse().unwrap());
        // In the story each fact takes ten seconds, and the platform two of them.
        assert_eq!(usual("dev"), Some(SignedDuration::from_secs(20)));
        assert_eq!(usual("production"), Some(SignedDuration::from_secs(20)));
        assert_eq!(usual("qa"), None);
    }
}
