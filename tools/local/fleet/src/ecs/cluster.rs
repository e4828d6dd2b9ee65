//! Clusters: creating, describing.

use serde_json::{Value, json};

use super::{
    Ecs, arn,
    input::{Input, tag_list},
    state::{Cluster, Phase, State},
};
use crate::api::{ApiError, Caller};

impl Ecs {
    /// `CreateCluster`; one that exists is given back as it is.
    pub(super) async fn create_cluster(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        self.world
            .authorise(caller, "ecs:CreateCluster", "*")
            .await?;
        let arn = arn::cluster(&caller.place(), input.text("clusterName")?);
        let tags = input.tags()?;
        let settings = input.get("settings").cloned().unwrap_or_else(|| json!([]));
        let mut state = self.state();
        let new = Cluster {
            arn: arn.clone(),
            settings,
            tags,
        };
        state.clusters.entry(arn.clone()).or_insert(new);
        Ok(json!({ "cluster": state.cluster(&arn)?.view(&state) }))
    }

    /// `DescribeClusters`; those that do not exist are told as failures.
    pub(super) async fn describe_clusters(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let place = caller.place();
        let mut arns: Vec<String> = input
            .texts("clusters")?
            .iter()
            .map(|given| arn::cluster(&place, Some(given)))
            .collect();
        if arns.is_empty() {
            arns.push(arn::cluster(&place, None));
        }
        for arn in &arns {
            self.world
                .authorise(caller, "ecs:DescribeClusters", arn)
                .await?;
        }
        let state = self.state();
        let (mut clusters, mut failures) = (Vec::new(), Vec::new());
        for arn in &arns {
            match state.clusters.get(arn) {
                Some(cluster) => clusters.push(cluster.view(&state)),
                None => failures.push(super::missing(arn)),
            }
        }
        Ok(json!({ "clusters": clusters, "failures": failures }))
    }

    /// `ListClusters` of the caller's account and Region.
    pub(super) async fn list_clusters(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        self.world
            .authorise(caller, "ecs:ListClusters", "*")
            .await?;
        let prefix = arn::cluster(&caller.place(), Some(""));
        let state = self.state();
        let arns = state.clusters.keys().filter(|arn| arn.starts_with(&prefix));
        let arns: Vec<&str> = arns.map(String::as_str).collect();
        super::paged("clusterArns", &arns, input, 100)
    }
}

impl Cluster {
    fn view(&self, state: &State) -> Value {
        let tasks = |wanted: fn(Phase) -> bool| {
            let of_ours = state.tasks.values().filter(|task| task.cluster == self.arn);
            of_ours.filter(|task| wanted(task.phase)).count()
        };
        json!({
            "clusterArn": self.arn,
            "clusterName": arn::last(&self.arn),
            "status": "ACTIVE",
            "registeredContainerInstancesCount": 0,
            "runningTasksCount": tasks(|phase| phase == Phase::Running),
            "pendingTasksCount": tasks(|phase| phase < Phase::Running),
            "activeServicesCount":
                state.services.values().filter(|service| service.cluster == self.arn).count(),
            "statistics": [],
            "tags": tag_list(&self.tags),
            "settings": self.settings,
            "capacityProviders": [],
            "defaultCapacityProviderStrategy": [],
        })
    }
}
