//! Lifecycle hooks: Lambda functions that are asked at a stage of a deployment, with AWS's
//! contract. What follows from their answers is the deployment's business.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::{task::JoinSet, time::Instant};

use super::{
    Ecs,
    configuration::{Hook, OnTimeout},
    state::HookRun,
};
use crate::{
    api::Caller,
    envelope::{Place, uuid},
};

/// Seconds until a hook that is not ready is asked again, when it does not say.
const CALL_BACK_SECONDS: u32 = 30;

/// The longest pause between two calls that a hook may ask for, in seconds.
const CALL_BACK_SECONDS_MAX: u32 = 3600;

/// What one call of a hook came to.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Succeeded,
    Failed,
    /// Ask again after so many seconds, with these details added.
    InProgress(u32, Map<String, Value>),
}

/// Asks all hooks of a stage at the same time; any that says no decides. What a stage's hooks
/// answered after the deployment has gone elsewhere is not heard.
pub(super) async fn ask(
    ecs: Weak<Ecs>,
    deployment: String,
    ticket: u64,
    hooks: Vec<Hook>,
    payload: Value,
) {
    let Some(strong) = ecs.upgrade() else { return };
    let service = strong
        .state()
        .deployments
        .get(&deployment)
        .map(|one| one.service.clone());
    let place = service.and_then(|arn| Some(strong.state().services.get(&arn)?.place.clone()));
    drop(strong);
    let Some(place) = place else { return };
    let mut asking = JoinSet::new();
    for hook in hooks {
        asking.spawn(ask_one(ecs.clone(), place.clone(), hook, payload.clone()));
    }
    let mut outcome = HookRun::Passed;
    while let Some(answer) = asking.join_next().await {
        match answer {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => {
                outcome = HookRun::Failed(reason);
                break;
            }
            Err(error) => tracing::warn!(%error, "asking a hook failed"),
        }
    }
    let Some(ecs) = ecs.upgrade() else { return };
    let mut state = ecs.state();
    let traffic = state
        .deployments
        .get_mut(&deployment)
        .and_then(|one| one.traffic.as_mut());
    if let Some(traffic) = traffic.filter(|traffic| traffic.hooks == HookRun::Asked(ticket)) {
        traffic.hooks = outcome;
    }
}

/// Asks one hook until it has an answer. The error is AWS's sentence about the stage.
async fn ask_one(
    ecs: Weak<Ecs>,
    place: Place,
    hook: Hook,
    mut payload: Value,
) -> Result<(), String> {
    let stage = payload
        .get("lifecycleStage")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let failed = format!("{stage} lifecycle hook(s) failed. ");
    let target = &hook.target;
    let mut details = hook.details.clone();
    if let Some(fields) = payload.as_object_mut() {
        fields.insert("executionId".to_owned(), json!(uuid()));
    }
    let mut end = None;
    loop {
        let Some(ecs) = ecs.upgrade() else {
            return Err("the control plane is gone".to_owned());
        };
        let pace = ecs.world.pace;
        let end = *end.get_or_insert(Instant::now() + pace.minute * hook.timeout_minutes);
        if let (false, Some(fields)) = (details.is_empty(), payload.as_object_mut()) {
            fields.insert("hookDetails".to_owned(), json!(details));
        }
        let called = ecs.call_hook(&place, &hook, &payload).await;
        drop(ecs);
        let pause = match called {
            Ok(Answer::Succeeded) => return Ok(()),
            Ok(Answer::Failed) => {
                return Err(format!(
                    "{failed}Lifecycle hook target {target} returned FAILED status."
                ));
            }
            Ok(Answer::InProgress(seconds, more)) => {
                details.extend(more);
                pace.second() * seconds
            }
            Err(reason) => return Err(format!("{failed}{reason}")),
        };
        if Instant::now() + pause >= end {
            return match hook.on_timeout {
                OnTimeout::Continue => Ok(()),
                OnTimeout::RollBack => {
                    Err(format!("{failed}Lifecycle hook target {target} timed out."))
                }
            };
        }
        tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
    }
}

impl Ecs {
    /// One call, made with the rights of the hook's role.
    async fn call_hook(
        self: &Arc<Self>,
        place: &Place,
        hook: &Hook,
        payload: &Value,
    ) -> Result<Answer, String> {
        let target = &hook.target;
        if let Some(role) = &hook.role {
            let caller = Caller {
                account: place.account.clone(),
                region: place.region.clone(),
                arn: role.clone(),
            };
            let allowed = self
                .world
                .authorise(&caller, "lambda:InvokeFunction", target)
                .await;
            allowed.map_err(|error| error.message)?;
        }
        let invoked = self.world.remote.invoke(place, target, payload).await;
        let invoked = invoked
            .map_err(|error| format!("ECS was unable to invoke {target} due to: {error}."))?;
        let text = String::from_utf8_lossy(&invoked.payload);
        if let Some(error) = invoked.error {
            return Err(format!(
                "Lifecycle hook target {target} failed ({error}): {text}"
            ));
        }
        answer(&invoked.payload).map_err(|why| {
            format!("ECS was unable to parse the response from {target} due to: {why}")
        })
    }
}

/// What a hook's answer means.
fn answer(payload: &[u8]) -> Result<Answer, String> {
    const NO_STATUS: &str = "HookStatus must not be null.";
    let value: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let status = value
        .get("hookStatus")
        .and_then(Value::as_str)
        .ok_or(NO_STATUS)?;
    match status {
        "SUCCEEDED" => Ok(Answer::Succeeded),
        "FAILED" => Ok(Answer::Failed),
        "IN_PROGRESS" => {
            let delay = value.get("callBackDelay").and_then(Value::as_u64);
            let delay = delay.and_then(|delay| u32::try_from(delay).ok());
            let details = value.get("hookDetails").and_then(Value::as_object);
            Ok(Answer::InProgress(
                delay
                    .unwrap_or(CALL_BACK_SECONDS)
                    .min(CALL_BACK_SECONDS_MAX),
                details.cloned().unwrap_or_default(),
            ))
        }
        other => Err(format!("{other} is not a HookStatus.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_answers_are_understood() {
        assert_eq!(
            answer(br#"{"hookStatus":"SUCCEEDED"}"#),
            Ok(Answer::Succeeded)
        );
        assert_eq!(answer(br#"{"hookStatus":"FAILED"}"#), Ok(Answer::Failed));
        let waiting = answer(br#"{"hookStatus":"IN_PROGRESS"}"#);
        assert_eq!(waiting, Ok(Answer::InProgress(30, Map::new())));
        let waiting = br#"{"hookStatus":"IN_PROGRESS","callBackDelay":5,"hookDetails":{"a":1}}"#;
        let Ok(Answer::InProgress(5, details)) = answer(waiting) else {
            panic!("not waiting")
        };
        assert_eq!(details["a"], 1);
    }

    #[test]
    fn anything_else_is_no_answer() {
        for bad in [
            "null",
            "{}",
            r#"{"hookStatus":"succeeded"}"#,
            r#"{"hookStatus":1}"#,
            "",
            "x",
        ] {
            assert!(answer(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
