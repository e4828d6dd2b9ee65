//! What `lifecycle-hook` needs of CodeDeploy: which group a deployment belongs to, since the call
//! does not say, and answering the call. A hook lives in its deployment's own account and Region.

use aws_sdk_codedeploy::error::ProvideErrorMetadata as _;
use aws_sdk_codedeploy::types::LifecycleEventStatus;
use domain::hint::Subject;
use domain::hook::HookVerdict;
use engine::PlatformError;

use crate::AwsPlatform;
use crate::errors;

impl AwsPlatform {
    /// The deployment group of a deployment that calls its hook.
    ///
    /// # Errors
    /// When CodeDeploy does not say.
    pub async fn hooked_group(&self, deployment: &str) -> Result<Subject, PlatformError> {
        let answer = self
            .places()
            .home()
            .await?
            .codedeploy()
            .get_deployment()
            .deployment_id(deployment)
            .send()
            .await
            .map_err(errors::platform("codedeploy:GetDeployment"))?;
        let info = answer.deployment_info;
        let names =
            info.and_then(|info| Some((info.application_name?, info.deployment_group_name?)));
        let (application, group) = names.ok_or_else(|| {
            PlatformError::Terminal(format!("{deployment} names no application and group"))
        })?;
        let (account, region) = self.places().where_home_is();
        Ok(Subject::DeploymentGroup {
            account,
            region,
            application,
            group,
        })
    }

    /// Answers a hook's call. CodeDeploy takes two answers only, and an answer it has already is no
    /// harm (`LifecycleEventAlreadyCompletedException`).
    ///
    /// # Errors
    /// When the answer does not go through.
    pub async fn answer_hook(
        &self,
        deployment: &str,
        execution: &str,
        verdict: &HookVerdict,
    ) -> Result<(), PlatformError> {
        let status = match verdict {
            HookVerdict::GoOn => LifecycleEventStatus::Succeeded,
            HookVerdict::Undo(_) => LifecycleEventStatus::Failed,
        };
        let answered = self
            .places()
            .home()
            .await?
            .codedeploy()
            .put_lifecycle_event_hook_execution_status()
            .deployment_id(deployment)
            .lifecycle_event_hook_execution_id(execution)
            .status(status)
            .send()
            .await;
        match answered {
            Err(error) if error.code() == Some("LifecycleEventAlreadyCompletedException") => Ok(()),
            answered => answered.map(|_| ()).map_err(errors::platform(
                "codedeploy:PutLifecycleEventHookExecutionStatus",
            )),
        }
    }
}
