//! Task definitions: describing one as it is, and registering the next, with nothing changed but
//! the images of the named containers and the tags.

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::TaskDefinitionField;
use domain::entry::Order;
use engine::PlatformError;
use serde_json::{Map, Value, json};

use super::raw::{KeepBody, ReplaceBody};
use crate::errors;
use crate::mark::{TAG_DEPLOYMENT, TAG_RELEASE, TAG_STAGE, release_tag};

/// What AWS adds to what was registered (ECS API, TaskDefinition).
const ADDED_BY_AWS: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];
/// Tags that mark a definition as ours; they differ each time.
const MARKS: [&str; 3] = [TAG_DEPLOYMENT, TAG_RELEASE, TAG_STAGE];
/// Tags that begin so are AWS's own, and nobody else may set them.
const AWS_TAGS: &str = "aws:";

/// A task definition, with every field that AWS sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    pub(crate) arn: String,
    fields: Map<String, Value>,
    tags: BTreeMap<String, String>,
}

impl Definition {
    /// The value of a tag.
    pub(crate) fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key).map(String::as_str)
    }

    /// Reads the body of DescribeTaskDefinition's answer.
    fn read(body: &[u8]) -> Option<Self> {
        let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let Value::Object(fields) = answer.remove("taskDefinition")? else {
            return None;
        };
        let tags = answer
            .get("tags")
            .and_then(Value::as_array)
            .map(Vec::as_slice);
        let text = |tag: &Value, name| tag.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            arn: fields.get("taskDefinitionArn")?.as_str()?.to_owned(),
            tags: tags
                .unwrap_or_default()
                .iter()
                .filter_map(|tag| Some((text(tag, "key")?, text(tag, "value").unwrap_or_default())))
                .collect(),
            fields,
        })
    }

    /// What could be registered again as it is, without the tags that mark it as ours.
    pub(super) fn unmarked(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.retain(|name, _| !ADDED_BY_AWS.contains(&name.as_str()));
        let mut tags = self.tags.clone();
        tags.retain(|key, _| !is_of_aws(key) && !MARKS.contains(&key.as_str()));
        fields.insert("tags".to_owned(), listed(&tags));
        fields.into()
    }

    /// The same after `order`, without the tags that mark it.
    pub(super) fn after(&self, image: &str, containers: &[String]) -> Result<Value, String> {
        let Value::Object(next) =
            self.next(image, containers, MARKS.map(|key| (key, String::new())))?
        else {
            return Err(format!("{} is no object", self.arn));
        };
        let next = Self {
            arn: self.arn.clone(),
            fields: next,
            tags: self.tags.clone(),
        };
        Ok(next.unmarked())
    }

    /// Whether each task has an address of its own.
    pub(super) fn own_addresses(&self) -> bool {
        self.fields.get("networkMode").and_then(Value::as_str) == Some("awsvpc")
    }

    /// The images of its containers, by the containers' names.
    pub(super) fn images(&self) -> Vec<(String, String)> {
        let all = self.fields.get("containerDefinitions");
        let all = all.and_then(Value::as_array).map(Vec::as_slice);
        let text = |container: &Value, name| Some(container.get(name)?.as_str()?.to_owned());
        let images = all.unwrap_or_default().iter();
        images
            .filter_map(|container| Some((text(container, "name")?, text(container, "image")?)))
            .collect()
    }

    /// What to register: the same with another image in the named containers, and our tags.
    fn next(
        &self,
        image: &str,
        containers: &[String],
        marks: [(&str, String); 3],
    ) -> Result<Value, String> {
        let mut fields = self.fields.clone();
        fields.retain(|name, _| !ADDED_BY_AWS.contains(&name.as_str()));
        let all = fields
            .get_mut("containerDefinitions")
            .and_then(Value::as_array_mut);
        let all = all.ok_or_else(|| format!("{} has no containers", self.arn))?;
        for name in containers {
            let names = names(all);
            let container = all
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .find(|container| container.get("name").and_then(Value::as_str) == Some(name))
                .ok_or_else(|| {
                    format!(
                        "{} has no container {name}: it has {}",
                        self.arn,
                        names.join(", ")
                    )
                })?;
            container.insert("image".to_owned(), image.into());
        }
        let mut tags = self.tags.clone();
        tags.retain(|key, _| !is_of_aws(key));
        tags.extend(marks.map(|(key, value)| (key.to_owned(), value)));
        fields.insert("tags".to_owned(), listed(&tags));
        Ok(fields.into())
    }
}

fn is_of_aws(tag: &str) -> bool {
    tag.to_ascii_lowercase().starts_with(AWS_TAGS)
}

fn listed(tags: &BTreeMap<String, String>) -> Value {
    tags.iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect()
}

fn names(containers: &[Value]) -> Vec<String> {
    let name = |container: &Value| container.get("name")?.as_str().map(str::to_owned);
    containers.iter().filter_map(name).collect()
}

/// The name of a definition's family, from its ARN.
pub(crate) fn family(arn: &str) -> &str {
    let name = arn.rsplit_once('/').map_or(arn, |(_, name)| name);
    name.rsplit_once(':').map_or(name, |(family, _)| family)
}

/// Describes a definition, by ARN or, for the newest active one, by family.
pub(crate) async fn describe(client: &Client, name: &str) -> Result<Definition, PlatformError> {
    let body = KeepBody::default();
    client
        .describe_task_definition()
        .task_definition(name)
        .include(TaskDefinitionField::Tags)
        .customize()
        .interceptor(body.clone())
        .send()
        .await
        .map_err(errors::platform("ecs:DescribeTaskDefinition"))?;
    Definition::read(&body.take()).ok_or_else(|| {
        PlatformError::Transient(format!("the definition {name} came without its fields"))
    })
}

/// Registers what `order` deploys, made from `base`; answers with its ARN.
pub(super) async fn register(
    client: &Client,
    base: &Definition,
    image: &str,
    containers: &[String],
    order: &Order,
) -> Result<String, PlatformError> {
    let marks = [
        (TAG_DEPLOYMENT, order.attempt.to_string()),
        (TAG_RELEASE, release_tag(&order.attempt, order.release)),
        (TAG_STAGE, order.stage.to_string()),
    ];
    let next = base
        .next(image, containers, marks)
        .map_err(PlatformError::Terminal)?;
    let body =
        serde_json::to_vec(&next).map_err(|error| PlatformError::Terminal(error.to_string()))?;
    // The typed request is never sent: its body is replaced before it is signed.
    let answer = client
        .register_task_definition()
        .family(family(&base.arn))
        .set_container_definitions(Some(Vec::new()))
        .customize()
        .interceptor(ReplaceBody::new(body))
        .send()
        .await
        .map_err(errors::platform("ecs:RegisterTaskDefinition"))?;
    let registered = answer
        .task_definition
        .and_then(|registered| registered.task_definition_arn);
    registered.ok_or_else(|| {
        PlatformError::Transient("ecs:RegisterTaskDefinition: an answer without an ARN".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Definition {
        let answer = json!({
            "taskDefinition": {
                "taskDefinitionArn": "arn:aws:ecs:ap-south-1:111122223333:task-definition/web:7",
                "family": "web",
                "revision": 7,
                "status": "ACTIVE",
                "registeredBy": "someone",
                "requiresAttributes": [{"name": "x"}],
                "requiresCompatibilities": ["FARGATE"],
                "compatibilities": ["EC2", "FARGATE"],
                "newerThanTheSdk": {"kept": true},
                "containerDefinitions": [
                    {"name": "web", "image": "old", "fieldNobodyKnows": [1, 2]},
                    {"name": "proxy", "image": "proxy:1"},
                ],
            },
            "tags": [
                {"key": "team", "value": "shop"},
                {"key": "aws:cloudformation:stack-name", "value": "s"},
                {"key": TAG_DEPLOYMENT, "value": "web/1"},
            ],
        });
        Definition::read(&serde_json::to_vec(&answer).unwrap()).unwrap()
    }

    fn marks() -> [(&'static str, String); 3] {
        [
            (TAG_DEPLOYMENT, "web/42".to_owned()),
            (TAG_RELEASE, "web:17".to_owned()),
            (TAG_STAGE, "dev".to_owned()),
        ]
    }

    #[test]
    fn only_the_image_and_the_tags_change() {
        let next = definition()
            .next("repo@sha256:new", &["web".to_owned()], marks())
            .unwrap();
        let expected = json!({
            "family": "web",
            "requiresCompatibilities": ["FARGATE"],
            "newerThanTheSdk": {"kept": true},
            "containerDefinitions": [
                {"name": "web", "image": "repo@sha256:new", "fieldNobodyKnows": [1, 2]},
                {"name": "proxy", "image": "proxy:1"},
            ],
            "tags": [
                {"key": TAG_DEPLOYMENT, "value": "web/42"},
                {"key": TAG_RELEASE, "value": "web:17"},
                {"key": TAG_STAGE, "value": "dev"},
                {"key": "team", "value": "shop"},
            ],
        });
        assert_eq!(next, expected);
    }

    #[test]
    fn a_container_that_is_not_there_is_named() {
        let error = definition()
            .next("i", &["app".to_owned()], marks())
            .unwrap_err();
        assert!(
            error.ends_with("web:7 has no container app: it has web, proxy"),
            "{error}"
        );
    }

    #[test]
    fn the_family_is_read_from_the_arn() {
        assert_eq!(
            family("arn:aws:ecs:ap-south-1:1:task-definition/web.api:7"),
            "web.api"
        );
        assert_eq!(family("web:7"), "web");
        assert_eq!(family("web"), "web");
    }
}
