//! IAM: what a role may do.

use super::Calls;
use crate::{Place, client::CallError};

impl Calls {
    /// Whether a role's own policies allow an action on a resource.
    pub(crate) async fn role_may(
        &self,
        place: &Place,
        role: &str,
        action: &str,
        resource: &str,
    ) -> Result<bool, CallError> {
        let fields = [
            ("Action", "SimulatePrincipalPolicy"),
            ("Version", "2010-05-08"),
            ("PolicySourceArn", role),
            ("ActionNames.member.1", action),
            ("ResourceArns.member.1", resource),
        ];
        let answer = self.form(place, "iam", &fields).await?.text();
        Ok(answer.contains("<EvalDecision>allowed</EvalDecision>"))
    }
}
