//! May this caller do this to that resource? MiniStack evaluates the policies
//! (`SimulatePrincipalPolicy`), so that the template's own roles decide; the account's root may do
//! everything. Session policies and permission boundaries are not part of the answer.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use fleet::{BoxFuture, Caller, Guard};

use crate::{
    emulator::{Emulator, EmulatorError, Place},
    lock::lock,
    xml,
};

/// How long a decision is believed: a changed policy holds after this time at the latest.
const BELIEVED: Duration = Duration::from_secs(5);
/// The key of the cache: who asks, action, resource.
type Question = (String, String, String);

/// Asks MiniStack's IAM.
#[derive(Debug)]
pub struct IamGuard {
    emulator: Emulator,
    known: Mutex<HashMap<Question, (Instant, bool)>>,
}

impl IamGuard {
    /// A guard that asks this MiniStack.
    #[must_use]
    pub fn new(emulator: Emulator) -> Self {
        Self {
            emulator,
            known: Mutex::new(HashMap::new()),
        }
    }

    /// Whether the policies of the principal `arn` allow `action` on `resource`.
    ///
    /// # Errors
    /// When MiniStack cannot be asked.
    pub(crate) async fn simulate(
        &self,
        place: &Place,
        arn: &str,
        action: &str,
        resource: &str,
    ) -> Result<bool, EmulatorError> {
        let Some(principal) = policy_source(arn) else {
            return Ok(is_root(arn, &place.account));
        };
        // Not the principal: what a session may do can hang on its name.
        let question = (arn.to_owned(), action.to_owned(), resource.to_owned());
        let believed = lock(&self.known)
            .get(&question)
            .filter(|(asked, _)| asked.elapsed() < BELIEVED)
            .map(|(_, allowed)| *allowed);
        if let Some(allowed) = believed {
            return Ok(allowed);
        }
        let mut parameters = vec![
            ("Action", "SimulatePrincipalPolicy"),
            ("PolicySourceArn", principal.as_str()),
            ("ActionNames.member.1", action),
            ("ResourceArns.member.1", resource),
        ];
        let session = session_id(arn);
        let user_id = session.as_deref().map(|id| ("aws:userid", id));
        let entries: Vec<[(String, &str); 3]> = context(action, resource)
            .into_iter()
            .chain(user_id)
            .zip(1..)
            .map(|((key, value), number)| {
                let name = |field| format!("ContextEntries.member.{number}.{field}");
                [
                    (name("ContextKeyName"), key),
                    (name("ContextKeyType"), "string"),
                    (name("ContextKeyValues.member.1"), value),
                ]
            })
            .collect();
        let entries = entries.iter().flatten();
        parameters.extend(entries.map(|(name, value)| (name.as_str(), *value)));
        let answer = self.emulator.query(place, "iam", &parameters).await?;
        let allowed = xml::text(&answer, "EvalDecision").as_deref() == Some("allowed");
        let mut known = lock(&self.known);
        known.retain(|_, (asked, _)| asked.elapsed() < BELIEVED);
        known.insert(question, (Instant::now(), allowed));
        Ok(allowed)
    }
}

impl Guard for IamGuard {
    fn allowed<'a>(
        &'a self,
        caller: &'a Caller,
        action: &'a str,
        resource: &'a str,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let place = Place {
                account: caller.account.clone(),
                region: caller.region.clone(),
            };
            match self.simulate(&place, &caller.arn, action, resource).await {
                Ok(allowed) => allowed,
                // Nobody can say: then it is not allowed, as a closed door is the safe one.
                Err(error) => {
                    tracing::warn!(%error, action, resource, "a permission could not be checked");
                    false
                }
            }
        })
    }
}

/// The condition key that a call of this action carries on AWS (Service Authorization Reference),
/// and its value here: only ECS passes roles, only what is registered is tagged, and functions are
/// only called through their URLs.
fn context<'a>(action: &str, resource: &'a str) -> Option<(&'static str, &'a str)> {
    match action {
        "iam:PassRole" => Some(("iam:PassedToService", "ecs-tasks.amazonaws.com")),
        "ecs:TagResource" => Some(("ecs:CreateAction", "RegisterTaskDefinition")),
        "ecs:ListTasks" if resource.contains(":cluster/") => Some(("ecs:cluster", resource)),
        "lambda:InvokeFunctionUrl" => Some(("lambda:FunctionUrlAuthType", "AWS_IAM")),
        "lambda:InvokeFunction" => Some(("lambda:InvokedViaFunctionUrl", "true")),
        _ => None,
    }
}

/// Whose policies hold: a user's own, or those of the role behind a session.
fn policy_source(arn: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':');
    let (account, resource) = (parts.nth(4)?, parts.next()?);
    if resource.starts_with("user/") || resource.starts_with("role/") {
        return Some(arn.to_owned());
    }
    let role = resource.strip_prefix("assumed-role/")?.split('/').next()?;
    Some(format!("arn:aws:iam::{account}:role/{role}"))
}

/// The `aws:userid` of a session: the role's id, a colon, the session's name (IAM user guide,
/// "Policy variables"). Nothing here tells a role's id, and no policy of ours asks for one.
fn session_id(arn: &str) -> Option<String> {
    let session = arn.split_once(":assumed-role/")?.1.split_once('/')?.1;
    Some(format!("AROA:{session}"))
}

fn is_root(arn: &str, account: &str) -> bool {
    arn == format!("arn:aws:iam::{account}:root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sessions_policies_are_its_roles() {
        assert_eq!(
            policy_source("arn:aws:sts::111122223333:assumed-role/deployer/session").as_deref(),
            Some("arn:aws:iam::111122223333:role/deployer")
        );
        assert_eq!(
            policy_source("arn:aws:iam::111122223333:user/alice").as_deref(),
            Some("arn:aws:iam::111122223333:user/alice")
        );
        assert_eq!(policy_source("arn:aws:iam::111122223333:root"), None);
        assert_eq!(policy_source("nonsense"), None);
        assert_eq!(
            session_id("arn:aws:sts::111122223333:assumed-role/deployer/night").as_deref(),
            Some("AROA:night")
        );
        assert_eq!(session_id("arn:aws:iam::111122223333:user/alice"), None);
    }

    #[test]
    fn conditions_find_their_keys() {
        let cluster = "arn:aws:ecs:eu-west-1:111122223333:cluster/shop";
        assert_eq!(
            context("ecs:ListTasks", cluster),
            Some(("ecs:cluster", cluster))
        );
        assert_eq!(context("ecs:ListTasks", "*"), None);
        assert!(context("iam:PassRole", "arn:aws:iam::111122223333:role/web").is_some());
        assert_eq!(context("ecs:UpdateService", "*"), None);
    }

    #[tokio::test]
    async fn only_the_accounts_own_root_may_do_everything() {
        // Nobody listens on port 9: root is decided without asking, and no answer is a refusal.
        let guard = IamGuard::new(Emulator::new(([127, 0, 0, 1], 9).into(), "s"));
        let caller = |arn: &str| Caller {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            arn: arn.to_owned(),
        };
        let may = async |arn| guard.allowed(&caller(arn), "ecs:ListServices", "*").await;
        assert!(may("arn:aws:iam::111122223333:root").await);
        assert!(!may("arn:aws:iam::222233334444:root").await);
        assert!(!may("arn:aws:iam::111122223333:user/alice").await);
        assert!(!may("").await);
    }
}
