//! Looking at what others did behind the ledger's back: what a target runs while nothing of ours is
//! done there, who called for a change of it, and what protects it: its alarms, and what the target
//! does on alarms by itself.

use domain::commit::Watcher;
use domain::drift::ApiCall;
use domain::fact::{Called, Compared, Inspected, Running};
use domain::hint::{CallTarget, Subject};
use domain::pipeline::Pipeline;
use domain::{AlarmArn, Fact, ServiceName, StageName};

use crate::EngineError;
use crate::look::unless_never;
use crate::ports::{Ledger, Mention, Platform};

/// Who called is written down first, then what is true.
pub(crate) async fn called(
    ledger: &impl Ledger,
    platform: &impl Platform,
    target: &CallTarget,
    call: &ApiCall,
) -> Result<Vec<(ServiceName, Fact)>, EngineError> {
    let subject = match target {
        CallTarget::Subject(subject) => Some(subject.clone()),
        CallTarget::Deployment {
            account,
            region,
            deployment,
        } => {
            let group = platform.group_of(account, region, deployment).await;
            unless_never(group, None)?
        }
    };
    let Some(subject) = subject else {
        return Ok(Vec::new());
    };
    let mut facts = Vec::new();
    for watcher in ledger.watchers(&subject).await? {
        let Watcher::Stage { service, stage } = watcher else {
            continue;
        };
        let heard = Fact::Called(Called {
            stage: stage.clone(),
            call: call.clone(),
        });
        facts.push((service.clone(), heard));
        let pipeline = ledger.load(&service, &Mention::Nothing).await?.pipeline;
        match compare_stage(platform, &pipeline, &stage).await {
            Ok(fact) => facts.extend(fact.map(|fact| (service, fact))),
            // What somebody did is told even when the target cannot be looked at now.
            Err(error) => tracing::error!(%service, %stage, %error, "it cannot be compared"),
        }
    }
    Ok(facts)
}

/// What every stage that does nothing really runs. One that cannot be looked at now keeps no other
/// waiting, and is compared the next time.
pub(crate) async fn compare(
    platform: &impl Platform,
    pipeline: &Pipeline,
) -> Vec<(ServiceName, Fact)> {
    let (service, mut facts) = (&pipeline.service, Vec::new());
    for stage in pipeline.stages.keys() {
        match compare_stage(platform, pipeline, stage).await {
            Ok(fact) => facts.extend(fact.map(|fact| (service.clone(), fact))),
            Err(error) => tracing::error!(%service, %stage, %error, "it cannot be compared"),
        }
        match inspect_stage(platform, pipeline, stage).await {
            Ok(fact) => facts.extend(fact.map(|fact| (service.clone(), fact))),
            Err(error) => tracing::error!(%service, %stage, %error, "it cannot be inspected"),
        }
    }
    facts
}

/// The stages of an alarm that was set up otherwise.
pub(crate) async fn alarm_set_up(
    ledger: &impl Ledger,
    platform: &impl Platform,
    alarm: &AlarmArn,
) -> Result<Vec<(ServiceName, Fact)>, EngineError> {
    let mut facts = Vec::new();
    for watcher in ledger.watchers(&Subject::Alarm(alarm.clone())).await? {
        let Watcher::Stage { service, stage } = watcher else {
            continue;
        };
        let pipeline = ledger.load(&service, &Mention::Nothing).await?.pipeline;
        let fact = inspect_stage(platform, &pipeline, &stage).await?;
        facts.extend(fact.map(|fact| (service, fact)));
    }
    Ok(facts)
}

/// What protects a stage. Where its alarms can never be asked for, nothing is said of them.
async fn inspect_stage(
    platform: &impl Platform,
    pipeline: &Pipeline,
    name: &StageName,
) -> Result<Option<Fact>, EngineError> {
    let Some((config, _)) = pipeline.stage(name) else {
        return Ok(None);
    };
    let alarms = platform.alarms(&config.place, &config.alarms).await;
    let Some(alarms) = unless_never(alarms.map(Some), None)? else {
        return Ok(None);
    };
    let reflexes = platform.reflexes(&config.place, &config.target).await;
    let reflexes = unless_never(reflexes.map(Some), None)?;
    Ok(Some(Fact::Inspected(Inspected {
        stage: name.clone(),
        alarms,
        reflexes,
    })))
}

/// What a stage that does nothing really runs; nothing while it does something, and where nothing
/// of ours could have been replaced.
pub(crate) async fn compare_stage(
    platform: &impl Platform,
    pipeline: &Pipeline,
    name: &StageName,
) -> Result<Option<Fact>, EngineError> {
    let Some((config, stage)) = pipeline.stage(name) else {
        return Ok(None);
    };
    if stage.active.is_some() || stage.should_run().is_none() {
        return Ok(None);
    }
    let running = platform.running(&config.place, &config.target).await;
    let running = unless_never(running, Running::Unknown)?;
    Ok(Some(Fact::Compared(Compared {
        stage: name.clone(),
        over: Box::new(stage.clone()),
        running,
    })))
}
