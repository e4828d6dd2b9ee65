//! Lifecycle hooks on ECS: Lambda functions that are told a deployment and an execution id, and
//! answer with `PutLifecycleEventHookExecutionStatus`, now or within an hour.
//!
//! Source: CodeDeploy user guide, "AppSpec 'hooks' section for an Amazon ECS deployment".

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use tokio::sync::watch;

use super::{
    CodeDeploy,
    deployment::{HookResult, Order},
    hooks::Diagnostics,
};
use crate::{api::Caller, envelope::uuid};

/// How long a hook may leave the deployment without an answer, in minutes.
const ANSWER_MINUTES_MAX: u32 = 60;

impl CodeDeploy {
    /// Invokes a function for a lifecycle event and waits for its answer.
    pub(super) async fn ask_function(
        &self,
        order: &Order,
        event: &str,
        function: &str,
    ) -> Result<(), Diagnostics> {
        let secret = json!({ "deployment": order.id, "event": event, "execution": uuid() });
        let execution = STANDARD.encode(secret.to_string());
        let answer = watch::Sender::new(None);
        let mut answered = answer.subscribe();
        if let Some(deployment) = self.state().deployments.get_mut(&order.id) {
            deployment.hook = Some((execution.clone(), answer));
        }
        let waiting = answered.wait_for(Option::is_some);
        let time = self.world.pace.minute * ANSWER_MINUTES_MAX;
        let answered = async {
            // A function that fails without an answer may still be answered for by somebody.
            self.invoke(order, event, function, &execution).await?;
            let answer = tokio::time::timeout(time, waiting)
                .await
                .ok()
                .and_then(Result::ok);
            Ok(answer.and_then(|answer| *answer))
        };
        let answered = answered.await;
        self.forget_hook(order, &execution);
        match answered? {
            Some(HookResult::Succeeded) => Ok(()),
            Some(HookResult::Failed) => Err(Diagnostics::unknown(format!(
                "The {event} lifecycle hook function {function} answered Failed."
            ))),
            None => Err(Diagnostics::unknown(format!(
                "The {event} lifecycle hook function {function} did not answer within one hour."
            ))),
        }
    }

    /// Invokes a function, with the rights of the group's service role.
    async fn invoke(
        &self,
        order: &Order,
        event: &str,
        function: &str,
        execution: &str,
    ) -> Result<(), Diagnostics> {
        let place = &order.place;
        let refused = |why: String| {
            Diagnostics::unknown(format!(
                "The {event} lifecycle hook function {function} could not be invoked: {why}"
            ))
        };
        let role = {
            let state = self.state();
            let group = state.group(place, &order.application, &order.group).ok();
            group
                .and_then(|group| group.settings.service_role_arn.clone())
                .unwrap_or_default()
        };
        let arn = match function.starts_with("arn:") {
            true => function.to_owned(),
            false => format!(
                "arn:aws:lambda:{}:{}:function:{function}",
                place.region, place.account
            ),
        };
        let (account, region) = (place.account.clone(), place.region.clone());
        let caller = Caller {
            account,
            region,
            arn: role,
        };
        let allowed = self
            .world
            .authorise(&caller, "lambda:InvokeFunction", &arn)
            .await;
        allowed.map_err(|error| refused(error.message))?;
        let payload =
            json!({ "DeploymentId": order.id, "LifecycleEventHookExecutionId": execution });
        let invoked = self.world.remote.invoke(place, function, &payload).await;
        let invoked = invoked.map_err(|error| refused(error.to_string()))?;
        if let Some(error) = invoked.error {
            tracing::debug!(function, error, "a hook function failed");
        }
        Ok(())
    }

    /// The hook waits no more: a late answer hears that its lifecycle event is over.
    fn forget_hook(&self, order: &Order, execution: &str) {
        let mut state = self.state();
        let Some(deployment) = state.deployments.get_mut(&order.id) else {
            return;
        };
        if deployment
            .hook
            .take_if(|(waiting, _)| waiting == execution)
            .is_some()
        {
            deployment.answered_hooks.push(execution.to_owned());
        }
    }
}
