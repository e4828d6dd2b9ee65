//! From a service file to the complete configuration: names parsed, defaults of place filled in,
//! alarms made ARNs. Every problem is collected, none hides another.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::check::{Check, LIST_MAX};
use super::{
    ApprovalFile, ArtefactSource, CodeDeployEcsFile, EcsFile, GateFile, Home, Problem, ServiceFile,
    StageFile, TargetFile,
};
use crate::config::{
    ALARMS_MAX, ApprovalRule, AssumedRole, AuthorMay, Gate, Place, STAGES_MAX, ServiceConfig,
    SlackMay, Source, StageConfig, Target,
};
use crate::name::{AccountId, AlarmArn, EVERYTHING, NameError, UNCLAIMED};
use crate::window::Window;

/// Longest bake.
const BAKE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Shortest time a deployment is given.
const TIMEOUT_MIN: SignedDuration = SignedDuration::from_secs(60);
/// Longest time a deployment is given.
const TIMEOUT_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Shortest time an approval is asked for.
const EXPIRES_MIN: SignedDuration = SignedDuration::from_secs(60);
/// Longest time an approval is asked for.
const EXPIRES_MAX: SignedDuration = SignedDuration::from_hours(60 * 24);
/// Most people an approval may ask for.
const COUNT_MAX: u32 = 10;

impl ServiceFile {
    /// The complete configuration.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the file.
    pub fn resolve(&self, home: &Home) -> Result<ServiceConfig, Vec<Problem>> {
        let mut check = Check::default();
        let service = check.name("/service", &self.service);
        if [UNCLAIMED, EVERYTHING].contains(&self.service.as_str()) {
            check.problem(
                "/service",
                format!("the name {:?} is taken by Lastgood itself", self.service),
                "choose another name",
            );
        }
        let source = self.source(&mut check, home);
        check.rate("/flood_per_minute", self.flood_per_minute);
        if self.stages.is_empty() {
            check.problem(
                "/stages",
                "a service needs a stage",
                "name at least one, such as dev",
            );
        }
        check.length("/stages", self.stages.len(), STAGES_MAX);
        let stages: Vec<Option<StageConfig>> = self
            .stages
            .iter()
            .take(STAGES_MAX)
            .enumerate()
            .map(|(at, stage)| stage.resolve(&mut check, home, at, &self.artefact))
            .collect();
        self.doubles(&mut check, home);
        match (
            service,
            source,
            stages.into_iter().collect::<Option<Vec<_>>>(),
        ) {
            (Some(service), Some(source), Some(stages)) if check.problems.is_empty() => {
                let (queue, flood_per_minute) = (self.queue, self.flood_per_minute);
                Ok(ServiceConfig {
                    service,
                    source,
                    queue,
                    flood_per_minute,
                    stages,
                })
            }
            _ => Err(check.problems),
        }
    }

    fn source(&self, check: &mut Check, home: &Home) -> Option<Source> {
        match &self.artefact {
            ArtefactSource::S3(source) => {
                let at = "/artefact/s3";
                check.bucket(&format!("{at}/bucket"), &source.bucket);
                if source.prefix.starts_with('/') {
                    check.problem(
                        &format!("{at}/prefix"),
                        "keys of S3 do not begin with a slash",
                        &format!("write {:?}", source.prefix.trim_start_matches('/')),
                    );
                }
                check.fits(&format!("{at}/prefix"), &source.prefix);
                Some(Source::S3 {
                    bucket: source.bucket.clone(),
                    prefix: source.prefix.clone(),
                })
            }
            ArtefactSource::Ecr(source) => {
                let at = "/artefact/ecr";
                check.images(at, &source.repository, &source.tags);
                let account = check.name_or(
                    &format!("{at}/account"),
                    source.account.as_ref(),
                    &home.account,
                );
                let region = check.name_or(
                    &format!("{at}/region"),
                    source.region.as_ref(),
                    &home.region,
                );
                Some(Source::Ecr {
                    account: account?,
                    region: region?,
                    repository: source.repository.clone(),
                    tags: source.tags.clone(),
                    max_severity: source.max_severity,
                })
            }
            ArtefactSource::Oci(source) => {
                let at = "/artefact/oci";
                check.images(at, &source.repository, &source.tags);
                let registry = check.registry(&format!("{at}/registry"), &source.registry);
                Some(Source::Oci {
                    registry: registry?,
                    repository: source.repository.clone(),
                    tags: source.tags.clone(),
                })
            }
        }
    }

    /// Two stages of one name, or of one target, would fight each other.
    fn doubles(&self, check: &mut Check, home: &Home) {
        let mut names = BTreeMap::new();
        let mut targets = BTreeMap::new();
        for (at, stage) in self.stages.iter().take(STAGES_MAX).enumerate() {
            if let Some(first) = names.insert(stage.name.as_str(), at) {
                check.problem(
                    &format!("/stages/{at}/name"),
                    format!("{:?} names /stages/{first} already", stage.name),
                    "give each stage a name of its own",
                );
            }
            for target in stage.target_keys(home) {
                if let Some(first) = targets.insert(target, at) {
                    check.problem(
                        &format!("/stages/{at}/target"),
                        format!("it is the target of /stages/{first} already"),
                        "give each stage a target of its own",
                    );
                }
            }
        }
    }
}

impl StageFile {
    fn resolve(
        &self,
        check: &mut Check,
        home: &Home,
        at: usize,
        artefact: &ArtefactSource,
    ) -> Option<StageConfig> {
        let path = |field: &str| format!("/stages/{at}/{field}");
        let name = check.name(&path("name"), &self.name);
        let place = self.place(check, home, at);
        let target = self.target(check, &path("target"), artefact);
        let gate = self.gate.resolve(check, &path("gate"));
        let windows = check.each(&path("windows"), &self.windows, LIST_MAX, |text| {
            text.parse::<Window>().map_err(|error| error.to_string())
        });
        let alarms = place
            .as_ref()
            .and_then(|place| self.alarms(check, place, &path("alarms")));
        let bake = check.duration(&path("bake"), &self.bake, SignedDuration::ZERO, BAKE_MAX);
        let timeout = check.duration(&path("timeout"), &self.timeout, TIMEOUT_MIN, TIMEOUT_MAX);
        check.rate(&path("rollbacks_per_day"), self.rollbacks_per_day);
        check.smoke(&path("smoke"), &self.smoke);
        Some(StageConfig {
            name: name?,
            place: place?,
            target,
            gate: gate?,
            windows: windows?,
            alarms: alarms?,
            missing_data: self.missing_data,
            bake: bake?,
            timeout: timeout?,
            rollbacks_per_day: self.rollbacks_per_day,
            smoke: self.smoke.clone(),
        })
    }

    fn place(&self, check: &mut Check, home: &Home, at: usize) -> Option<Place> {
        let path = |field: &str| format!("/stages/{at}/{field}");
        let account = check.name_or(&path("account"), self.account.as_ref(), &home.account);
        let region = check.name_or(&path("region"), self.region.as_ref(), &home.region);
        if let Some(role) = self.role.as_ref().filter(|role| !is_role(role)) {
            check.problem(
                &path("role"),
                format!("{role:?} is no IAM role's ARN"),
                "it looks like arn:aws:iam::111122223333:role/lastgood-deployer",
            );
        }
        if self.role.is_none() {
            if account
                .as_ref()
                .is_some_and(|account| *account != home.account)
            {
                check.problem(
                    &path("role"),
                    "another account needs a role to assume there",
                    "name a role of that account that trusts the deployer's role",
                );
            }
            if self.external_id.is_some() {
                check.problem(
                    &path("external_id"),
                    "an external id needs a role",
                    "name the role, or leave it out",
                );
            }
        }
        let external_id = self.external_id.clone();
        let role = self
            .role
            .clone()
            .map(|arn| AssumedRole { arn, external_id });
        Some(Place {
            account: account?,
            region: region?,
            role,
        })
    }

    fn target(&self, check: &mut Check, path: &str, artefact: &ArtefactSource) -> Target {
        let (wants_image, target) = match &self.target {
            TargetFile::Ecs(file) => (true, file.resolve(check, &format!("{path}/ecs"))),
            TargetFile::CodeDeploy(file) => {
                check.text(&format!("{path}/codedeploy/application"), &file.application);
                check.text(&format!("{path}/codedeploy/group"), &file.group);
                let (application, group) = (file.application.clone(), file.group.clone());
                (false, Target::CodeDeploy { application, group })
            }
            TargetFile::CodeDeployEcs(file) => {
                (true, file.resolve(check, &format!("{path}/codedeploy_ecs")))
            }
        };
        match artefact {
            ArtefactSource::S3(_) if wants_image => {
                check.problem(
                    path,
                    "an ECS service runs images, and the artefacts are objects of S3",
                    "use artefact: ecr or oci, or a codedeploy target",
                );
            }
            ArtefactSource::Ecr(_) | ArtefactSource::Oci(_) if !wants_image => {
                check.problem(
                    path,
                    "CodeDeploy on instances deploys archives, and the artefacts are images",
                    "use artefact: s3, or an ecs target",
                );
            }
            ArtefactSource::S3(_) | ArtefactSource::Ecr(_) | ArtefactSource::Oci(_) => {}
        }
        target
    }

    fn alarms(&self, check: &mut Check, place: &Place, path: &str) -> Option<Vec<AlarmArn>> {
        let alarms = check.each(path, &self.alarms, ALARMS_MAX, |text| {
            if text.starts_with("arn:") {
                text.parse().map_err(|error: NameError| error.to_string())
            } else {
                AlarmArn::of(&place.region, &place.account, text.trim())
                    .map_err(|_| "an alarm's name is missing".to_owned())
            }
        })?;
        for (at, alarm) in alarms.iter().enumerate() {
            if alarms.iter().take(at).any(|earlier| earlier == alarm) {
                check.problem(
                    &format!("{path}/{at}"),
                    format!("{} is listed already", alarm.name()),
                    "list it once",
                );
            }
        }
        Some(alarms)
    }

    /// What the stage changes, in words that are equal when two stages change the same.
    fn target_keys(&self, home: &Home) -> Vec<String> {
        let account = self.account.as_deref().unwrap_or(home.account.as_str());
        let region = self.region.as_deref().unwrap_or(home.region.as_str());
        let ecs =
            |cluster: &str, service: &str| format!("{account} {region} ecs {cluster}/{service}");
        let group = |application: &str, group: &str| {
            format!("{account} {region} codedeploy {application}/{group}")
        };
        match &self.target {
            TargetFile::Ecs(file) => vec![ecs(&file.cluster, &file.service)],
            TargetFile::CodeDeploy(file) => vec![group(&file.application, &file.group)],
            TargetFile::CodeDeployEcs(file) => {
                vec![
                    ecs(&file.cluster, &file.service),
                    group(&file.application, &file.group),
                ]
            }
        }
    }
}

impl EcsFile {
    fn resolve(&self, check: &mut Check, path: &str) -> Target {
        check.ecs(path, &self.cluster, &self.service, &self.containers);
        Target::Ecs {
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            containers: self.containers.clone(),
            base: self.base,
        }
    }
}

impl CodeDeployEcsFile {
    fn resolve(&self, check: &mut Check, path: &str) -> Target {
        check.text(&format!("{path}/application"), &self.application);
        check.text(&format!("{path}/group"), &self.group);
        check.ecs(path, &self.cluster, &self.service, &self.containers);
        check.text(&format!("{path}/container"), &self.container);
        if self.port == 0 {
            check.problem(
                &format!("{path}/port"),
                "0 is no port",
                "write the container's port",
            );
        }
        check.hooks(&format!("{path}/hooks"), &self.hooks);
        Target::CodeDeployEcs {
            application: self.application.clone(),
            group: self.group.clone(),
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            containers: self.containers.clone(),
            base: self.base,
            container: self.container.clone(),
            port: self.port,
            hooks: self.hooks.clone(),
        }
    }
}

impl GateFile {
    fn resolve(&self, check: &mut Check, path: &str) -> Option<Gate> {
        match self {
            Self::Automatic => Some(Gate::Automatic),
            Self::Approval(rule) => rule
                .resolve(check, &format!("{path}/approval"))
                .map(Gate::Approval),
        }
    }
}

impl ApprovalFile {
    fn resolve(&self, check: &mut Check, path: &str) -> Option<ApprovalRule> {
        check.texts(
            &format!("{path}/approvers"),
            &self.approvers,
            LIST_MAX,
            "an IAM ARN pattern such as arn:aws:iam::*:user/alice",
        );
        for (at, pattern) in self.approvers.iter().take(LIST_MAX).enumerate() {
            if !pattern.is_empty() && !pattern.starts_with("arn:") && !pattern.contains('*') {
                check.problem(
                    &format!("{path}/approvers/{at}"),
                    format!("{pattern:?} matches no IAM identity"),
                    &format!("write arn:aws:iam::*:user/{pattern}, or *:assumed-role/{pattern}/*"),
                );
            }
        }
        if !(1..=COUNT_MAX).contains(&self.count) {
            check.problem(
                &format!("{path}/count"),
                format!("{} people cannot be asked", self.count),
                &format!("write 1 to {COUNT_MAX}"),
            );
        }
        let expires_after = check.duration(
            &format!("{path}/expires_after"),
            &self.expires_after,
            EXPIRES_MIN,
            EXPIRES_MAX,
        )?;
        let author = if self.author_may_approve {
            AuthorMay::Approve
        } else {
            AuthorMay::NotApprove
        };
        Some(ApprovalRule {
            approvers: self.approvers.clone(),
            count: self.count,
            author,
            expires_after,
            slack: if self.from_slack {
                SlackMay::Decide
            } else {
                SlackMay::NotDecide
            },
        })
    }
}

fn is_role(arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':');
    let scheme = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(account), Some(role)) = (parts.next(), parts.next()) else {
        return false;
    };
    matches!(scheme, (Some("arn"), Some(_), Some("iam"), Some("")))
        && account.parse::<AccountId>().is_ok()
        && role
            .strip_prefix("role/")
            .is_some_and(|name| !name.is_empty())
}
