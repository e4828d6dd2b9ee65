//! The mark that finds an attempt again: written on what is made on AWS, because neither
//! CreateDeployment nor RegisterTaskDefinition nor UpdateService takes an idempotency token.

use domain::{EntryId, ReleaseNumber};

/// The tag of a task definition that names the attempt it was registered for.
pub(crate) const TAG_DEPLOYMENT: &str = "lastgood:deployment";
/// The tag that names the release.
pub(crate) const TAG_RELEASE: &str = "lastgood:release";
/// The tag that names the stage.
pub(crate) const TAG_STAGE: &str = "lastgood:stage";

/// A CodeDeploy deployment's description: `lastgood web/42 release 17`.
pub(crate) fn description(attempt: &EntryId, release: ReleaseNumber) -> String {
    format!("lastgood {attempt} release {release}")
}

/// Whether a description is that of an attempt.
pub(crate) fn is_of(description: &str, attempt: &EntryId) -> bool {
    description
        .strip_prefix("lastgood ")
        .and_then(|rest| rest.strip_prefix(attempt.to_string().as_str()))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// A release's tag: `web:17`. Tag values take no `#` (ECS API, Tag).
pub(crate) fn release_tag(attempt: &EntryId, release: ReleaseNumber) -> String {
    format!("{}:{release}", attempt.service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_found_by_its_whole_number() {
        let attempt: EntryId = "web/42".parse().unwrap();
        assert!(is_of(&description(&attempt, ReleaseNumber(17)), &attempt));
        assert!(!is_of("lastgood web/421 release 17", &attempt));
        assert!(!is_of("lastgood web/4 release 2", &attempt));
        assert!(!is_of("deployed by hand after lastgood web/42", &attempt));
    }
}
