//! What `watch` looks at: one service, or all of those in which something goes on, as they come.

use domain::{Pipeline, ServiceName};
use engine::{Ledger, Onlooker};

use crate::failure::{Exit, Failure};
use crate::sight::{Aim, News, Sight, Verdict, moves};
use crate::times::Times;

/// The outcomes that are worth more words than that all went well, the worst first.
const WORST_FIRST: [Exit; 4] = [
    Exit::Failed,
    Exit::RolledBack,
    Exit::Superseded,
    Exit::Waits,
];

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Lookout {
    sights: Vec<Sight>,
    /// Whether services join when something begins in them.
    joins: bool,
}

impl Lookout {
    /// One service.
    pub(crate) fn on(sight: Sight) -> Self {
        Self {
            sights: vec![sight],
            joins: false,
        }
    }

    /// Every service in which something goes on.
    pub(crate) fn everywhere() -> Self {
        Self {
            sights: Vec::new(),
            joins: true,
        }
    }

    /// Whether it is one service that was asked for.
    pub(crate) fn is_of_one(&self) -> bool {
        !self.joins
    }

    pub(crate) fn sights(&self) -> &[Sight] {
        &self.sights
    }

    /// Takes in those of `pipelines` in which something goes on and which are not looked at yet.
    pub(crate) async fn join(
        &mut self,
        ledger: &impl Ledger,
        pipelines: Vec<Pipeline>,
    ) -> Result<(), Failure> {
        for pipeline in pipelines {
            let is_known = self
                .sights
                .iter()
                .any(|sight| *sight.service() == pipeline.service);
            if !is_known && moves(&pipeline, None) {
                let sight = Sight::begin(ledger, pipeline, Aim::Service(None)).await?;
                self.sights.push(sight);
            }
        }
        Ok(())
    }

    /// Looks at the ledger again; says what was written, by service.
    pub(crate) async fn look(
        &mut self,
        ledger: &impl Ledger,
        times: &Times,
    ) -> Result<Vec<(ServiceName, Vec<News>)>, Failure> {
        let mut all = Vec::new();
        for sight in &mut self.sights {
            let news = sight.look(ledger, times).await?;
            all.push((sight.service().clone(), news));
        }
        Ok(all)
    }

    /// Looks at the targets of what has not settled.
    pub(crate) async fn look_at_targets(
        &mut self,
        onlooker: &impl Onlooker,
        times: &Times,
    ) -> Vec<(ServiceName, Vec<News>)> {
        let mut all = Vec::new();
        for sight in &mut self.sights {
            if sight.verdict(times).is_none() {
                let news = sight.look_at_targets(onlooker).await;
                all.push((sight.service().clone(), news));
            }
        }
        all
    }

    /// How it ended, when all of it has settled: the worst that happened.
    pub(crate) fn verdict(&self, times: &Times) -> Option<Verdict> {
        let ends: Option<Vec<(&ServiceName, Verdict)>> = self
            .sights
            .iter()
            .map(|sight| Some((sight.service(), sight.verdict(times)?)))
            .collect();
        let ends = ends?;
        if let ([(_, verdict)], false) = (ends.as_slice(), self.joins) {
            return Some(verdict.clone());
        }
        let worst = WORST_FIRST
            .into_iter()
            .find(|exit| ends.iter().any(|(_, end)| end.exit == *exit));
        let lines: Vec<String> = ends
            .iter()
            .map(|(service, end)| format!("{service} {}", end.words))
            .collect();
        Some(Verdict {
            exit: worst.unwrap_or(Exit::Done),
            words: if lines.is_empty() {
                "done: nothing is under way".to_owned()
            } else {
                lines.join("\n")
            },
        })
    }
}
