//! What the instances of a group run, as far as CodeDeploy knows: each runs the revision of the
//! last deployment that succeeded on it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::types::{
    DeploymentCreator, DeploymentInfo, DeploymentStatus, InstanceTarget, RevisionLocation,
    TargetLabel, TargetStatus,
};
use domain::artefact::Content;
use domain::fact::Running;
use engine::PlatformError;

use super::targets;

/// How many deployments are walked back through until each instance is accounted for.
const WALKED_MAX: usize = 8;

/// What the last deployment on an instance left there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Left {
    /// It succeeded there.
    Runs(Content),
    /// It touched the instance and did not succeed: anything may run.
    Unclear,
}

/// What a group's instances run. `newest` are its deployments, newest first.
pub(super) async fn running(
    client: &Client,
    newest: &[DeploymentInfo],
) -> Result<Running, PlatformError> {
    let mut walk = Walk::default();
    for deployment in newest.iter().take(WALKED_MAX) {
        let Some(id) = deployment.deployment_id() else {
            continue;
        };
        let instances = targets::instances(client, id).await?;
        if walk.step(deployment, &instances) == Step::Enough {
            break;
        }
    }
    Ok(walk.sum())
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Enough,
    Back,
}

#[derive(Debug, Default)]
struct Walk {
    left: BTreeMap<String, Option<Left>>,
    reached_whole: bool,
}

impl Walk {
    /// Takes in one deployment. Those that Auto Scaling makes bring single instances up to date;
    /// the last one to the whole group that succeeded accounts for all the others.
    fn step(&mut self, deployment: &DeploymentInfo, instances: &[InstanceTarget]) -> Step {
        let content = content(deployment.revision());
        for instance in instances {
            // The original instances of a blue/green deployment take no traffic any more.
            if instance.instance_label() == Some(&TargetLabel::Blue) {
                continue;
            }
            let left = match instance.status() {
                Some(TargetStatus::Succeeded) => Some(match &content {
                    Some(content) => Left::Runs(content.clone()),
                    None => Left::Unclear,
                }),
                Some(TargetStatus::Failed | TargetStatus::InProgress) => Some(Left::Unclear),
                _ => None,
            };
            let known = self
                .left
                .entry(targets::name(instance).to_owned())
                .or_default();
            if known.is_none() {
                *known = left;
            }
        }
        let of_some = matches!(
            deployment.creator(),
            Some(DeploymentCreator::Autoscaling | DeploymentCreator::AutoscalingTermination)
        ) || deployment.target_instances().is_some();
        if deployment.status() == Some(&DeploymentStatus::Succeeded) && !of_some {
            self.reached_whole = true;
            return Step::Enough;
        }
        Step::Back
    }

    fn sum(self) -> Running {
        if self.left.is_empty() {
            return if self.reached_whole {
                Running::Nothing
            } else {
                Running::Unknown
            };
        }
        let mut contents = BTreeSet::new();
        let mut unclear = false;
        for left in self.left.into_values() {
            match left {
                Some(Left::Runs(content)) => {
                    contents.insert(content);
                }
                Some(Left::Unclear) | None => unclear = true,
            }
        }
        let contents: Vec<Content> = contents.into_iter().collect();
        match contents.as_slice() {
            [] => Running::Unknown,
            [one] if !unclear => Running::All(one.clone()),
            [_, ..] => Running::Mixed(contents),
        }
    }
}

/// What a revision is, comparable with an artefact's content. One without a version may have been
/// anything, and is like nothing of ours; so is one from GitHub, which somebody else deployed.
pub(super) fn content(revision: Option<&RevisionLocation>) -> Option<Content> {
    let revision = revision?;
    if let Some(location) = revision.git_hub_location() {
        let (repository, commit) = (location.repository()?, location.commit_id()?);
        return Some(Content(format!("github.com/{repository}@{commit}")));
    }
    let location = revision.s3_location()?;
    let (bucket, key) = (location.bucket()?, location.key()?);
    let version = location.version().unwrap_or_default();
    Some(Content(format!("{bucket}/{key}@{version}")))
}

#[cfg(test)]
mod tests {
    use aws_sdk_codedeploy::types::{GitHubLocation, S3Location};

    use super::*;

    fn deployment(
        version: &str,
        status: DeploymentStatus,
        creator: DeploymentCreator,
    ) -> DeploymentInfo {
        let location = S3Location::builder()
            .bucket("b")
            .key("k.zip")
            .version(version)
            .build();
        DeploymentInfo::builder()
            .revision(RevisionLocation::builder().s3_location(location).build())
            .status(status)
            .creator(creator)
            .build()
    }

    fn instance(id: &str, status: TargetStatus) -> InstanceTarget {
        InstanceTarget::builder()
            .target_id(id)
            .status(status)
            .build()
    }

    fn runs(version: &str) -> Content {
        Content(format!("b/k.zip@{version}"))
    }

    use DeploymentCreator::{Autoscaling, User};
    use DeploymentStatus::{Failed, Succeeded};

    #[test]
    fn what_others_deploy_is_told_from_what_is_ours() {
        let by_hand = S3Location::builder().bucket("b").key("k.zip").build();
        let by_hand = RevisionLocation::builder().s3_location(by_hand).build();
        assert_eq!(content(Some(&by_hand)), Some(runs("")));
        let github = GitHubLocation::builder()
            .repository("shop/web")
            .commit_id("4f2c1e9")
            .build();
        let github = RevisionLocation::builder().git_hub_location(github).build();
        assert_eq!(
            content(Some(&github)),
            Some(Content("github.com/shop/web@4f2c1e9".into()))
        );
    }

    #[test]
    fn all_instances_succeeded() {
        let mut walk = Walk::default();
        let instances = [
            instance("i-1", TargetStatus::Succeeded),
            instance("i-2", TargetStatus::Succeeded),
        ];
        assert_eq!(
            walk.step(&deployment("2", Succeeded, User), &instances),
            Step::Enough
        );
        assert_eq!(walk.sum(), Running::All(runs("2")));
    }

    #[test]
    fn an_instance_that_was_never_reached_runs_what_it_ran() {
        let mut walk = Walk::default();
        let half = [
            instance("i-1", TargetStatus::Succeeded),
            instance("i-2", TargetStatus::Skipped),
        ];
        assert_eq!(walk.step(&deployment("2", Failed, User), &half), Step::Back);
        let whole = [
            instance("i-1", TargetStatus::Succeeded),
            instance("i-2", TargetStatus::Succeeded),
        ];
        assert_eq!(
            walk.step(&deployment("1", Succeeded, User), &whole),
            Step::Enough
        );
        assert_eq!(walk.sum(), Running::Mixed(vec![runs("1"), runs("2")]));
    }

    #[test]
    fn a_failed_instance_is_a_mixture_even_alone_among_good_ones() {
        let mut walk = Walk::default();
        let most = [
            instance("i-1", TargetStatus::Succeeded),
            instance("i-2", TargetStatus::Failed),
        ];
        walk.step(&deployment("2", Succeeded, User), &most);
        assert_eq!(walk.sum(), Running::Mixed(vec![runs("2")]));
    }

    #[test]
    fn auto_scaling_accounts_for_its_own_instance_only() {
        let mut walk = Walk::default();
        let new = [instance("i-9", TargetStatus::Succeeded)];
        assert_eq!(
            walk.step(&deployment("2", Succeeded, Autoscaling), &new),
            Step::Back
        );
        let old = [instance("i-1", TargetStatus::Succeeded)];
        assert_eq!(
            walk.step(&deployment("2", Succeeded, User), &old),
            Step::Enough
        );
        assert_eq!(walk.sum(), Running::All(runs("2")));
    }

    #[test]
    fn nothing_and_unknown_are_different() {
        let mut walk = Walk::default();
        walk.step(&deployment("2", Succeeded, User), &[]);
        assert_eq!(walk.sum(), Running::Nothing);
        assert_eq!(Walk::default().sum(), Running::Unknown);
    }
}
