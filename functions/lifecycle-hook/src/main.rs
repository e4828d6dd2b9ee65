//! ECS or CodeDeploy asks whether a deployment may go on.
//!
//! The stage's alarms are quiet and its smoke checks answer: go on; else undo it. It always answers
//! in time, because an answer that does not come is an hour of waiting or a rollback.

mod smoke;

use domain::hint::Subject;
use domain::hook::{Findings, HookVerdict, verdict};
use engine::EngineError;
use engine::inspect::inspect;
use intake::hook::{CodeDeployHook, Direction, EcsHook, HookAnswer, HookCall, decode};
use lambda::{Failed, House, serve};
use lambda_runtime::Error;
use serde_json::value::RawValue;

/// When ECS is to ask again after the stage could not be inspected, in seconds.
const AGAIN_IN: u32 = 30;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let house = &House::open().await?;
    serve(async |event: Box<RawValue>| answer(house, &event).await).await
}

async fn answer(house: &House, event: &RawValue) -> Result<Option<HookAnswer>, Failed> {
    match decode(event.get().as_bytes()) {
        Ok(HookCall::Ecs(hook)) => Ok(Some(answer_ecs(house, &hook).await)),
        Ok(HookCall::CodeDeploy(hook)) => answer_code_deploy(house, &hook).await.map(|()| None),
        Err(refusal) => Err(Failed::report(&refusal)),
    }
}

/// A rollback calls the same hooks: nothing may stand in its way.
async fn answer_ecs(house: &House, hook: &EcsHook) -> HookAnswer {
    if hook.direction() == Direction::Back {
        return HookAnswer::SUCCEEDED;
    }
    match check(house, &Subject::EcsService(hook.service_arn.clone())).await {
        Ok(HookVerdict::GoOn) => HookAnswer::SUCCEEDED,
        Ok(HookVerdict::Undo(why)) => {
            tracing::warn!(
                why,
                service = hook.service_arn,
                "the deployment is to be undone"
            );
            HookAnswer::FAILED
        }
        Err(error) => {
            tracing::error!(%error, "the stage cannot be inspected now");
            HookAnswer::again_in(AGAIN_IN)
        }
    }
}

/// CodeDeploy has no "ask again" and waits an hour for an answer: what cannot be judged is undone.
async fn answer_code_deploy(house: &House, hook: &CodeDeployHook) -> Result<(), Failed> {
    let verdict = judge(house, hook).await.unwrap_or_else(|error| {
        tracing::error!(%error, "the stage cannot be inspected now");
        HookVerdict::Undo(format!("it cannot be judged: {error}"))
    });
    if let HookVerdict::Undo(why) = &verdict {
        tracing::warn!(
            why,
            deployment = hook.deployment,
            "the deployment is to be undone"
        );
    }
    let answered = house
        .platform
        .answer_hook(&hook.deployment, &hook.execution, &verdict)
        .await;
    answered.map_err(|error| Failed::report(&error))
}

async fn judge(house: &House, hook: &CodeDeployHook) -> Result<HookVerdict, EngineError> {
    let group = house.platform.hooked_group(&hook.deployment).await?;
    check(house, &group).await
}

async fn check(house: &House, target: &Subject) -> Result<HookVerdict, EngineError> {
    let inspected = inspect(&house.ledger, &house.platform, target).await?;
    let failed_checks = smoke::check(&inspected.smoke).await;
    Ok(verdict(&Findings {
        firing: inspected.firing,
        failed_checks,
    }))
}
