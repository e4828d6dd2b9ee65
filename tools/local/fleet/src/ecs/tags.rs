//! Tags of clusters, services and task definitions.

use serde_json::{Value, json};

use super::{
    Ecs,
    input::{Input, Tags, invalid, tag_list},
    state::State,
};
use crate::api::{ApiError, Caller};

/// The most tags of one resource, as on AWS.
const TAGS_MAX: usize = 50;

impl Ecs {
    /// `TagResource`.
    pub(super) async fn tag(&self, caller: &Caller, input: Input<'_>) -> Result<Value, ApiError> {
        let resource = input.required("resourceArn")?;
        self.world
            .authorise(caller, "ecs:TagResource", resource)
            .await?;
        let given = input.tags()?;
        let mut state = self.state();
        let tags = state.tags(resource)?;
        let mut all = tags.clone();
        all.extend(given);
        if all.len() > TAGS_MAX {
            return Err(invalid(
                "The maximum number of tags for a resource has been reached.",
            ));
        }
        *tags = all;
        Ok(json!({}))
    }

    /// `UntagResource`.
    pub(super) async fn untag(&self, caller: &Caller, input: Input<'_>) -> Result<Value, ApiError> {
        let resource = input.required("resourceArn")?;
        self.world
            .authorise(caller, "ecs:UntagResource", resource)
            .await?;
        let keys = input.texts("tagKeys")?;
        self.state()
            .tags(resource)?
            .retain(|key, _| !keys.contains(key));
        Ok(json!({}))
    }

    /// `ListTagsForResource`.
    pub(super) async fn list_tags(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let resource = input.required("resourceArn")?;
        self.world
            .authorise(caller, "ecs:ListTagsForResource", resource)
            .await?;
        Ok(json!({ "tags": tag_list(self.state().tags(resource)?) }))
    }
}

impl State {
    /// The tags of a resource.
    fn tags(&mut self, arn: &str) -> Result<&mut Tags, ApiError> {
        if let Some(cluster) = self.clusters.get_mut(arn) {
            return Ok(&mut cluster.tags);
        }
        if let Some(service) = self.services.get_mut(arn) {
            return Ok(&mut service.tags);
        }
        let mut definitions = self.families.values_mut().flatten();
        let definition = definitions.find(|definition| definition.arn == arn);
        definition
            .map(|definition| &mut definition.tags)
            .ok_or_else(|| invalid("The specified resource could not be found."))
    }
}
