//! Calls about the tags of applications and deployment groups.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CodeDeploy,
    state::State,
    wire::{Tag, parse, required},
};
use crate::{
    api::{ApiError, Call},
    envelope::Place,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tagging {
    resource_arn: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

/// What a taggable ARN names.
enum Tagged {
    Application(String),
    Group { application: String, group: String },
}

impl Tagged {
    fn parse(place: &Place, arn: &str) -> Result<Self, ApiError> {
        let Place { account, region } = place;
        let prefix = format!("arn:aws:codedeploy:{region}:{account}:");
        let named = arn.strip_prefix(&prefix).and_then(|rest| {
            let (kind, name) = rest.split_once(':')?;
            match (kind, name.split_once('/')) {
                ("application", None) => Some(Self::Application(name.to_owned())),
                ("deploymentgroup", Some((application, group))) => Some(Self::Group {
                    application: application.to_owned(),
                    group: group.to_owned(),
                }),
                _ => None,
            }
        });
        named.ok_or_else(|| {
            let message = format!("{arn} is not the ARN of something that has tags here");
            ApiError::client("ArnNotSupportedException", message)
        })
    }

    fn tags<'a>(&self, state: &'a mut State, place: &Place) -> Result<&'a mut Vec<Tag>, ApiError> {
        Ok(match self {
            Self::Application(name) => &mut state.application_mut(place, name)?.tags,
            Self::Group { application, group } => {
                &mut state.group_mut(place, application, group)?.tags
            }
        })
    }
}

/// Sets tags among those that are there.
pub(super) fn set_tags(tags: &mut Vec<Tag>, new: Vec<Tag>) {
    for tag in new {
        tags.retain(|old| old.key != tag.key);
        tags.push(tag);
    }
}

impl CodeDeploy {
    pub(super) async fn tag_resource(&self, call: &Call) -> Result<Value, ApiError> {
        let (input, tagged) = self.tagging(call).await?;
        set_tags(
            tagged.tags(&mut self.state(), &call.caller.place())?,
            input.tags,
        );
        Ok(json!({}))
    }

    pub(super) async fn untag_resource(&self, call: &Call) -> Result<Value, ApiError> {
        let (input, tagged) = self.tagging(call).await?;
        let mut state = self.state();
        let tags = tagged.tags(&mut state, &call.caller.place())?;
        tags.retain(|tag| !input.tag_keys.contains(&tag.key));
        Ok(json!({}))
    }

    pub(super) async fn list_tags(&self, call: &Call) -> Result<Value, ApiError> {
        let (_, tagged) = self.tagging(call).await?;
        Ok(json!({ "Tags": tagged.tags(&mut self.state(), &call.caller.place())? }))
    }

    async fn tagging(&self, call: &Call) -> Result<(Tagging, Tagged), ApiError> {
        let mut input: Tagging = parse(&call.body)?;
        let code = "ResourceArnRequiredException";
        let arn = required(input.resource_arn.take(), code, "Resource ARN")?;
        self.allow(&call.caller, &call.operation, &arn).await?;
        let tagged = Tagged::parse(&call.caller.place(), &arn)?;
        Ok((input, tagged))
    }
}
