//! Task definitions: registering (raw, so that fields nobody here knows survive), describing,
//! listing, deregistering.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Ecs, arn,
    arn::DefinitionName,
    input::{Input, invalid, tag_list},
    state::{Definition, State},
};
use crate::{
    api::{ApiError, Caller},
    envelope::{Place, epoch},
};

/// The role that tasks assume; whoever registers must be allowed to pass it.
const ROLES: [&str; 2] = ["taskRoleArn", "executionRoleArn"];

impl Ecs {
    /// `RegisterTaskDefinition`: every call makes a new revision, even an identical one.
    pub(super) async fn register(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let family = input.required("family")?;
        if !family
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        {
            return Err(invalid("Family contains invalid characters."));
        }
        let place = caller.place();
        let resource = arn::definition(&place, family, "*");
        self.world
            .authorise(caller, "ecs:RegisterTaskDefinition", &resource)
            .await?;
        for name in ROLES {
            if let Some(role) = input.text(name)?.filter(|role| role.starts_with("arn:")) {
                self.world.authorise(caller, "iam:PassRole", role).await?;
            }
        }
        let tags = input.tags()?;
        if !tags.is_empty() {
            self.world
                .authorise(caller, "ecs:TagResource", &resource)
                .await?;
        }
        let mut raw = input.0.clone();
        raw.remove("tags");
        raw.insert("containerDefinitions".to_owned(), containers(input)?);
        for name in ["volumes", "placementConstraints"] {
            raw.entry(name).or_insert_with(|| json!([]));
        }
        let mut state = self.state();
        let family = family.to_owned();
        let revisions = state
            .families
            .entry((place.clone(), family.clone()))
            .or_default();
        let revision = revisions.len() + 1;
        let definition = Definition {
            arn: arn::definition(&place, &family, &revision.to_string()),
            revision,
            raw,
            tags,
            registered_at: Timestamp::now(),
            registered_by: caller.arn.clone(),
            deregistered_at: None,
        };
        let mut answer = json!({ "taskDefinition": definition.view() });
        if let (false, Some(fields)) = (definition.tags.is_empty(), answer.as_object_mut()) {
            fields.insert("tags".to_owned(), tag_list(&definition.tags));
        }
        revisions.push(definition);
        Ok(answer)
    }

    /// `DescribeTaskDefinition`, by family, `family:revision` or ARN.
    pub(super) async fn describe_definition(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        self.world
            .authorise(caller, "ecs:DescribeTaskDefinition", "*")
            .await?;
        let wants_tags = input.texts("include")?.iter().any(|what| what == "TAGS");
        let state = self.state();
        let definition = state.definition(&caller.place(), input.required("taskDefinition")?)?;
        let mut answer = json!({ "taskDefinition": definition.view() });
        if let (true, Some(fields)) = (wants_tags, answer.as_object_mut()) {
            fields.insert("tags".to_owned(), tag_list(&definition.tags));
        }
        Ok(answer)
    }

    /// `ListTaskDefinitions`, in the order of families and revisions, or the reverse.
    pub(super) async fn list_definitions(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        self.world
            .authorise(caller, "ecs:ListTaskDefinitions", "*")
            .await?;
        let prefix = input.text("familyPrefix")?;
        let active = input.text("status")?.unwrap_or("ACTIVE") == "ACTIVE";
        let place = caller.place();
        let state = self.state();
        let mut arns: Vec<&str> = state
            .families
            .iter()
            .filter(|((at, family), _)| {
                *at == place && prefix.is_none_or(|prefix| family == prefix)
            })
            .flat_map(|(_, revisions)| revisions)
            .filter(|definition| definition.is_active() == active)
            .map(|definition| definition.arn.as_str())
            .collect();
        if input.text("sort")? == Some("DESC") {
            arns.reverse();
        }
        super::paged("taskDefinitionArns", &arns, input, 100)
    }

    /// `DeregisterTaskDefinition`: services and tasks that use it go on.
    pub(super) async fn deregister(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let given = input.required("taskDefinition")?;
        self.world
            .authorise(caller, "ecs:DeregisterTaskDefinition", "*")
            .await?;
        let place = caller.place();
        let name = arn::definition_name(given).filter(|name| name.revision.is_some());
        let name =
            name.ok_or_else(|| invalid("The specified task definition needs a revision."))?;
        let mut state = self.state();
        let revisions = state.families.get_mut(&(place, name.family));
        let at = name.revision.unwrap_or_default().wrapping_sub(1);
        let definition = revisions.and_then(|revisions| revisions.get_mut(at));
        let definition = definition.ok_or_else(not_found)?;
        definition
            .deregistered_at
            .get_or_insert_with(Timestamp::now);
        Ok(json!({ "taskDefinition": definition.view() }))
    }
}

/// The containers with AWS's defaults; what was given stays as it is.
fn containers(input: Input<'_>) -> Result<Value, ApiError> {
    let containers = input.objects("containerDefinitions")?;
    if containers.is_empty() {
        return Err(ApiError::client(
            "ClientException",
            "Container list cannot be empty.",
        ));
    }
    let containers = containers.into_iter().map(|container| {
        container.required("name")?;
        container.required("image")?;
        let mut fields = container.0.clone();
        for name in [
            "portMappings",
            "environment",
            "mountPoints",
            "volumesFrom",
            "systemControls",
        ] {
            fields.entry(name).or_insert_with(|| json!([]));
        }
        fields.entry("cpu").or_insert_with(|| json!(0));
        fields.entry("essential").or_insert_with(|| json!(true));
        Ok(Value::Object(fields))
    });
    containers.collect()
}

fn not_found() -> ApiError {
    ApiError::client("ClientException", "Unable to describe task definition.")
}

impl Definition {
    /// Whether new services may use it.
    pub(super) fn is_active(&self) -> bool {
        self.deregistered_at.is_none()
    }

    /// The containers of it.
    pub(super) fn containers(&self) -> impl Iterator<Item = Input<'_>> {
        let containers = self
            .raw
            .get("containerDefinitions")
            .and_then(Value::as_array);
        containers
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .map(Input)
    }

    /// As AWS shows it: what was given, and what AWS adds.
    pub(super) fn view(&self) -> Value {
        let mut view: Map<String, Value> = Map::new();
        view.insert("taskDefinitionArn".to_owned(), json!(self.arn));
        view.extend(self.raw.clone());
        let status = if self.is_active() {
            "ACTIVE"
        } else {
            "INACTIVE"
        };
        let given = self
            .raw
            .get("requiresCompatibilities")
            .and_then(Value::as_array);
        let mut compatible = vec![json!("EC2"), json!("FARGATE")];
        compatible.extend(given.into_iter().flatten().cloned());
        let mut compatibilities: Vec<Value> = Vec::new();
        for one in compatible {
            if !compatibilities.contains(&one) {
                compatibilities.push(one);
            }
        }
        let added = json!({
            "revision": self.revision,
            "status": status,
            "requiresAttributes": [
                { "name": "com.amazonaws.ecs.capability.docker-remote-api.1.18" },
                { "name": "com.amazonaws.ecs.capability.ecr-auth" },
            ],
            "compatibilities": compatibilities,
            "registeredAt": epoch(self.registered_at),
            "registeredBy": self.registered_by,
        });
        view.extend(added.as_object().cloned().unwrap_or_default());
        if let Some(at) = self.deregistered_at {
            view.insert("deregisteredAt".to_owned(), json!(epoch(at)));
        }
        Value::Object(view)
    }
}

impl State {
    /// The task definition that a caller names; without a revision the newest active one.
    pub(super) fn definition(&self, place: &Place, given: &str) -> Result<&Definition, ApiError> {
        let DefinitionName { family, revision } =
            arn::definition_name(given).ok_or_else(not_found)?;
        let revisions = self
            .families
            .get(&(place.clone(), family))
            .ok_or_else(not_found)?;
        let found = match revision {
            Some(revision) => revisions.get(revision.wrapping_sub(1)),
            None => revisions
                .iter()
                .rev()
                .find(|definition| definition.is_active()),
        };
        found.ok_or_else(not_found)
    }

    /// The task definition that a service is to use: it must be active.
    pub(super) fn usable_definition(
        &self,
        place: &Place,
        given: &str,
    ) -> Result<&Definition, ApiError> {
        let usable = self
            .definition(place, given)
            .ok()
            .filter(|found| found.is_active());
        usable.ok_or_else(|| ApiError::client("ClientException", "TaskDefinition is inactive"))
    }
}
