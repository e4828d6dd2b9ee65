//! Applications and deployment groups: what is remembered of them and how callers read it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    config::{Config, Platform},
    revision::Revision,
    settings::Settings,
    wire::{Tag, compact},
};
use crate::{
    envelope::{epoch, uuid},
    plane::Balancer,
};

/// An application: a name that groups deployment groups and revisions.
pub(super) struct Application {
    /// Its name.
    pub(super) name: String,
    /// What it runs on.
    pub(super) platform: Platform,
    /// Its tags.
    pub(super) tags: Vec<Tag>,
    /// Its deployment groups by name.
    pub(super) groups: BTreeMap<String, Group>,
    /// The revisions known to it.
    pub(super) revisions: Vec<Registered>,
    id: String,
    created: Timestamp,
}

/// A revision that an application knows.
pub(super) struct Registered {
    /// The revision.
    pub(super) revision: Revision,
    /// What was said about it.
    pub(super) description: Option<String>,
    /// When it became known.
    pub(super) registered: Timestamp,
}

impl Application {
    /// A new application without groups.
    pub(super) fn new(name: String, platform: Platform, tags: Vec<Tag>) -> Self {
        Self {
            name,
            platform,
            tags,
            groups: BTreeMap::new(),
            revisions: Vec::new(),
            id: uuid(),
            created: Timestamp::now(),
        }
    }

    /// Remembers a revision, once.
    pub(super) fn register(&mut self, revision: &Revision, description: Option<String>) {
        match self
            .revisions
            .iter_mut()
            .find(|known| known.revision == *revision)
        {
            Some(known) => known.description = description.or(known.description.take()),
            None => self.revisions.push(Registered {
                revision: revision.clone(),
                description,
                registered: Timestamp::now(),
            }),
        }
    }

    /// The application as callers read it.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "applicationId": self.id,
            "applicationName": self.name,
            "createTime": epoch(self.created),
            "linkedToGitHub": false,
            "computePlatform": self.platform,
        })
    }
}

/// A deployment group.
pub(super) struct Group {
    /// Its name.
    pub(super) name: String,
    /// Its id; the events' `instanceGroupId`.
    pub(super) id: String,
    /// What callers said about it.
    pub(super) settings: Settings,
    /// Its tags.
    pub(super) tags: Vec<Tag>,
    /// Its front door; none on ECS, whose services have their own.
    pub(super) balancer: Option<Arc<Balancer>>,
    /// The deployment that succeeded last.
    pub(super) last_successful: Option<Last>,
    /// The deployment that was tried last.
    pub(super) last_attempted: Option<Last>,
}

/// What a group remembers of a deployment.
#[derive(Clone)]
pub(super) struct Last {
    /// The deployment's id.
    pub(super) deployment: String,
    /// What it deployed.
    pub(super) revision: Revision,
    /// How it went, as `GetDeploymentGroup` tells it.
    pub(super) told: Value,
}

impl Group {
    /// A new group.
    pub(super) fn new(
        name: String,
        settings: Settings,
        tags: Vec<Tag>,
        balancer: Option<Arc<Balancer>>,
    ) -> Self {
        Self {
            name,
            id: uuid(),
            settings,
            tags,
            balancer,
            last_successful: None,
            last_attempted: None,
        }
    }

    /// The name of its deployment configuration.
    pub(super) fn config(&self, platform: Platform) -> String {
        let said = self.settings.deployment_config_name.clone();
        said.unwrap_or_else(|| Config::default_name(platform).to_owned())
    }

    /// The group as callers read it.
    pub(super) fn to_json(&self, application: &Application) -> Value {
        let mut info = serde_json::to_value(&self.settings).unwrap_or_default();
        let platform = application.platform;
        let told = |last: &Option<Last>| last.as_ref().map(|last| last.told.clone());
        let scaling: Vec<Value> = self
            .settings
            .auto_scaling_groups
            .iter()
            .flatten()
            .map(|name| json!({ "name": name }))
            .collect();
        let own = json!({
            "applicationName": application.name,
            "computePlatform": platform,
            "deploymentGroupId": self.id,
            "deploymentGroupName": self.name,
            "deploymentConfigName": self.config(platform),
            "deploymentStyle": self.settings.style(platform),
            "outdatedInstancesStrategy":
                self.settings.outdated_instances_strategy.as_deref().unwrap_or("UPDATE"),
            "autoScalingGroups": scaling,
            "targetRevision": self.last_successful.as_ref().map(|last| last.revision.to_json()),
            "lastSuccessfulDeployment": told(&self.last_successful),
            "lastAttemptedDeployment": told(&self.last_attempted),
        });
        if let (Some(info), Value::Object(own)) = (info.as_object_mut(), own) {
            info.extend(own);
        }
        compact(info)
    }
}
