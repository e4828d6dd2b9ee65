//! What a plan wants to know of the world: the alarms, whether the artefacts are still there, and
//! what becomes of the task definition. All of it at once, with the user's own rights.

use aws::AwsPlatform;
use aws::survey::DefinitionChange;
use domain::ReleaseNumber;
use domain::alarm::AlarmSeen;
use domain::config::StageConfig;
use domain::decide::{Plan, Recalled};
use domain::pipeline::Pipeline;
use engine::Platform as _;

/// What was seen of the world. What was not has a line in `unseen`.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Alarms of the stage; one that does not exist has no state.
    pub(super) alarms: Vec<(String, Option<AlarmSeen>)>,
    /// Why the release can be deployed no more.
    pub(super) obstacle: Option<String>,
    /// Why the release that a rollback leads to can be deployed no more.
    pub(super) obstacle_back: Option<String>,
    /// Whether the way back was looked at.
    pub(super) way_back: Sight,
    /// Whether the artefact was looked at.
    pub(super) artefact: Sight,
    /// What becomes of the task definition.
    pub(super) change: Option<DefinitionChange>,
    /// What could not be looked at.
    pub(super) unseen: Vec<String>,
}

/// Whether something was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Sight {
    #[default]
    NotSeen,
    Seen,
}

impl Looked {
    pub(super) async fn at(
        platform: &AwsPlatform,
        plan: &Plan,
        config: &StageConfig,
        pipeline: &Pipeline,
        recalled: &Recalled,
    ) -> Self {
        let artefact = |number: Option<ReleaseNumber>| {
            let recalled = match recalled {
                Recalled::Release(release) => Some(&**release),
                Recalled::Artefact(_) | Recalled::Nothing => None,
            };
            let known = pipeline.release(number?);
            let known = known.or(recalled.filter(|it| Some(it.number) == number));
            known.map(|release| &release.artefact)
        };
        let obstacle = async |number| match artefact(number) {
            Some(artefact) => platform.obstacle(artefact).await.map(Some),
            None => Ok(None),
        };
        let change = async || match &plan.order {
            Some(order) => platform.preview(order).await,
            None => Ok(None),
        };
        let (alarms, there, back, change) = futures_util::future::join4(
            platform.alarms(&config.place, &config.alarms),
            obstacle(plan.release),
            obstacle(plan.back_to),
            change(),
        )
        .await;
        let mut looked = Self::default();
        let mut unseen = |what: &str, words: String| looked.unseen.push(format!("{what}: {words}"));
        match alarms {
            Ok(seen) => {
                looked.alarms = config
                    .alarms
                    .iter()
                    .map(|arn| {
                        let seen = seen.iter().find(|seen| seen.alarm == *arn);
                        (arn.name().to_owned(), seen.cloned())
                    })
                    .collect();
            }
            Err(error) => unseen("the alarms", error.to_string()),
        }
        match there {
            Ok(obstacle) => {
                looked.artefact = Sight::Seen;
                looked.obstacle = obstacle.flatten();
            }
            Err(error) => unseen("the artefact", error.to_string()),
        }
        match back {
            Ok(obstacle) => {
                looked.way_back = Sight::Seen;
                looked.obstacle_back = obstacle.flatten();
            }
            Err(error) => unseen("the artefact of the way back", error.to_string()),
        }
        match change {
            Ok(change) => looked.change = change,
            Err(error) => unseen("the task definition", error.to_string()),
        }
        looked
    }
}
