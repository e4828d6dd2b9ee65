//! The engine's [`Platform`] on AWS: each call goes to the part that knows the target.

use domain::alarm::AlarmSeen;
use domain::catalogue::Listed;
use domain::config::{Place, Source, StageConfig, Target};
use domain::entry::{Order, StopOrder};
use domain::fact::{Answer, ArtefactFound, Progress, Running};
use domain::hint::Subject;
use domain::peril::Reflexes;
use domain::scan::ScanFound;
use domain::{AccountId, AlarmArn, Artefact, EntryId, Hint, Region, Timestamp};
use engine::{Onlooker, Platform, PlatformError, Units};

use crate::ecs::Wanted;
use crate::places::Places;
use crate::{alarms, artefacts, codedeploy, ecs};

/// ECS, CodeDeploy, S3, ECR and CloudWatch, in whatever account, Region and role a stage names.
#[derive(Debug)]
pub struct AwsPlatform {
    places: Places,
}

impl AwsPlatform {
    /// The platform as it is reached from home.
    #[must_use]
    pub fn new(places: Places) -> Self {
        Self { places }
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }
}

impl Platform for AwsPlatform {
    async fn examine(&self, hint: &Hint) -> Result<Option<ArtefactFound>, PlatformError> {
        artefacts::examine(&self.places, hint).await
    }

    async fn listing(&self, source: &Source) -> Result<Vec<Listed>, PlatformError> {
        artefacts::listing(&self.places, source).await
    }

    async fn scan(&self, artefact: &Artefact) -> Result<ScanFound, PlatformError> {
        artefacts::scan(&self.places, artefact).await
    }

    async fn obstacle(&self, artefact: &Artefact) -> Result<Option<String>, PlatformError> {
        artefacts::obstacle(&self.places, artefact).await
    }

    async fn deploy(&self, order: &Order) -> Result<Answer, PlatformError> {
        let clients = self.places.at(&order.place).await?;
        match &order.target {
            Target::Ecs { .. } => ecs::deploy(&clients, order).await,
            Target::CodeDeploy { .. } | Target::CodeDeployEcs { .. } => {
                codedeploy::deploy(&clients, order).await
            }
        }
    }

    async fn stop(&self, order: &StopOrder) -> Result<Answer, PlatformError> {
        let clients = self.places.at(&order.place).await?;
        match &order.target {
            Target::Ecs { .. } => ecs::stop(&clients, order).await,
            Target::CodeDeploy { .. } | Target::CodeDeployEcs { .. } => {
                codedeploy::stop(&clients, order).await
            }
        }
    }

    async fn observe(
        &self,
        place: &Place,
        target: &Target,
        attempt: &EntryId,
        _artefact: &Artefact,
    ) -> Result<(Progress, Running), PlatformError> {
        let clients = self.places.at(place).await?;
        match target {
            Target::Ecs { .. } => ecs::observe(&clients, target, attempt).await,
            Target::CodeDeploy { .. } | Target::CodeDeployEcs { .. } => {
                codedeploy::observe(&clients, target, attempt).await
            }
        }
    }

    async fn running(&self, place: &Place, target: &Target) -> Result<Running, PlatformError> {
        let clients = self.places.at(place).await?;
        match Wanted::of(target) {
            Some(wanted) => ecs::running(clients.ecs(), &wanted).await,
            None => codedeploy::running(&clients, target).await,
        }
    }

    async fn reflexes(&self, place: &Place, target: &Target) -> Result<Reflexes, PlatformError> {
        let clients = self.places.at(place).await?;
        match target {
            Target::Ecs { .. } => ecs::survey::reflexes(clients.ecs(), target).await,
            Target::CodeDeploy { .. } | Target::CodeDeployEcs { .. } => {
                codedeploy::reflexes(&clients, target).await
            }
        }
    }

    async fn group_of(
        &self,
        account: &AccountId,
        region: &Region,
        deployment: &str,
    ) -> Result<Option<Subject>, PlatformError> {
        let place = Place {
            account: account.clone(),
            region: region.clone(),
            role: None,
        };
        let clients = self.places.at(&place).await?;
        let group = codedeploy::group_of(&clients, deployment).await?;
        Ok(group.map(|(application, group)| Subject::DeploymentGroup {
            account: account.clone(),
            region: region.clone(),
            application,
            group,
        }))
    }

    async fn find_running(&self, stage: &StageConfig) -> Result<Option<Artefact>, PlatformError> {
        let clients = self.places.at(&stage.place).await?;
        match &stage.target {
            Target::Ecs { .. } | Target::CodeDeployEcs { .. } => {
                ecs::find_running(&clients, &stage.target).await
            }
            Target::CodeDeploy { .. } => {
                let home = self.places.home().await?;
                codedeploy::find_running(&clients, &home, &stage.target).await
            }
        }
    }

    async fn alarms(
        &self,
        place: &Place,
        alarms: &[AlarmArn],
    ) -> Result<Vec<AlarmSeen>, PlatformError> {
        alarms::seen(&self.places, place, alarms).await
    }
}

impl Onlooker for AwsPlatform {
    async fn units(
        &self,
        place: &Place,
        target: &Target,
        attempt: &EntryId,
        since: Timestamp,
    ) -> Result<Units, PlatformError> {
        let clients = self.places.at(place).await?;
        match target {
            Target::Ecs { .. } | Target::CodeDeployEcs { .. } => {
                ecs::units(&clients, target, since).await
            }
            Target::CodeDeploy { .. } => codedeploy::units(&clients, target, attempt).await,
        }
    }
}
