//! Carrying out one entry: the only place that changes anything on the platform. The ledger is read
//! again right before, and what is no longer wanted is dropped.

use domain::alarm::{AlarmSeen, MissingData};
use domain::entry::{Action, AlarmsAtStart, Order};
use domain::fact::{Acted, Answer, Progress};
use domain::pipeline::Pipeline;
use domain::wanted::{frozen, goes_forward, wanted};
use domain::{Entry, Fact, Reason, ServiceName};

use crate::EngineError;
use crate::ports::{Clock, Ledger, Mention, Platform, PlatformError};
use crate::turn::{Turned, turn};

/// What carrying out came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CarriedOut {
    /// The entry asks for nothing.
    NothingAsked,
    /// It is no longer wanted.
    Dropped(Reason),
    /// It was done, held or refused, and the ledger knows.
    Done(Box<Turned>),
}

/// Carries out what an entry asks for.
///
/// # Errors
/// When the same entry has to be carried out again: the ledger is unavailable, or the platform not
/// now.
pub async fn carry_out(
    ledger: &impl Ledger,
    platform: &impl Platform,
    clock: &impl Clock,
    service: &ServiceName,
    entry: &Entry,
) -> Result<CarriedOut, EngineError> {
    let Some(action) = entry.what.action() else {
        return Ok(CarriedOut::NothingAsked);
    };
    let loaded = ledger.load(service, &Mention::Nothing).await?;
    let (pipeline, switch) = (loaded.pipeline, loaded.switch);
    if let Err(reason) = wanted(&pipeline, action) {
        let Some(landed) = landed(platform, &pipeline, action).await? else {
            return Ok(CarriedOut::Dropped(reason));
        };
        let done = turn(ledger, clock, service, &Fact::Acted(landed)).await?;
        return Ok(CarriedOut::Done(Box::new(done)));
    }
    let (stage, attempt, answer) = match action {
        Action::Deploy(order) => {
            let held = match &switch {
                Some(switch) => frozen(&pipeline, switch, order, clock.now()).map(Answer::Frozen),
                None => goes_forward(&pipeline, order).then_some(Answer::Withheld),
            };
            let answer = deploy(platform, &pipeline, order, held).await;
            (order.stage.clone(), order.attempt.clone(), answer)
        }
        Action::Stop(order) => (
            order.stage.clone(),
            order.attempt.clone(),
            platform.stop(order).await,
        ),
    };
    // What can never be done is a fact too.
    let answer = match answer {
        Err(PlatformError::Terminal(problem)) => Answer::Refused(problem),
        answer => answer?,
    };
    let fact = Fact::Acted(Acted {
        stage,
        attempt,
        answer,
    });
    Ok(CarriedOut::Done(Box::new(
        turn(ledger, clock, service, &fact).await?,
    )))
}

/// An entry may come again because the answer to its start was lost, and find that the ledger has
/// given it up: what is underway all the same has to be known.
async fn landed(
    platform: &impl Platform,
    pipeline: &Pipeline,
    action: Action<'_>,
) -> Result<Option<Acted>, PlatformError> {
    let Action::Deploy(order) = action else {
        return Ok(None);
    };
    let stage = pipeline.stage(&order.stage);
    if stage.is_none_or(|(_, stage)| stage.active.is_some()) {
        return Ok(None);
    }
    let seen = platform
        .observe(&order.place, &order.target, &order.attempt, &order.artefact)
        .await;
    // What the platform will never tell holds up no other entry.
    let progress = match seen {
        Err(PlatformError::Terminal(_)) => return Ok(None),
        seen => seen?.0,
    };
    let Progress::Underway {
        platform_id,
        started_at,
    } = progress
    else {
        return Ok(None);
    };
    let answer = Answer::Begun {
        platform_id,
        started_at,
    };
    Ok(Some(Acted {
        stage: order.stage.clone(),
        attempt: order.attempt.clone(),
        answer,
    }))
}

/// What speaks against a start counts only as long as nothing was begun: the same entry may come a
/// second time.
async fn deploy(
    platform: &impl Platform,
    pipeline: &Pipeline,
    order: &Order,
    held: Option<Answer>,
) -> Result<Answer, PlatformError> {
    let against = match held {
        Some(held) => Some(held),
        None => against(platform, pipeline, order).await?,
    };
    if let Some(held) = against {
        let (progress, _) = platform
            .observe(&order.place, &order.target, &order.attempt, &order.artefact)
            .await?;
        if progress == Progress::NotFound {
            return Ok(held);
        }
    }
    platform.deploy(order).await
}

/// What the world has against a start: an alarm that fires, or an artefact that is gone.
async fn against(
    platform: &impl Platform,
    pipeline: &Pipeline,
    order: &Order,
) -> Result<Option<Answer>, PlatformError> {
    if let Some(seen) = firing(platform, pipeline, order).await? {
        return Ok(Some(Answer::Held(seen)));
    }
    let obstacle = platform.obstacle(&order.artefact).await?;
    Ok(obstacle.map(Answer::Refused))
}

async fn firing(
    platform: &impl Platform,
    pipeline: &Pipeline,
    order: &Order,
) -> Result<Option<AlarmSeen>, PlatformError> {
    let stage = pipeline
        .config
        .as_ref()
        .and_then(|config| config.stage(&order.stage));
    let Some(stage) = stage.filter(|_| order.alarms == AlarmsAtStart::Hold) else {
        return Ok(None);
    };
    let missing: MissingData = stage.missing_data;
    let alarms = platform.alarms(&order.place, &stage.alarms).await?;
    Ok(alarms.into_iter().find(|seen| seen.fires(missing)))
}
