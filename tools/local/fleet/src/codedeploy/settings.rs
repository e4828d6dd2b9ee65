//! What callers say about a deployment group: which instances, how, with which alarms, and when to
//! go back. Remembering it is the group's work.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    config::Platform,
    wire::{Tag, TagFilter},
};

/// What callers say about a deployment group. A field that is left out of an update stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Settings {
    /// The deployment configuration's name.
    pub(super) deployment_config_name: Option<String>,
    /// The role CodeDeploy acts as; asked for, not used here.
    pub(super) service_role_arn: Option<String>,
    /// EC2 instances that match any of these belong to the group.
    pub(super) ec2_tag_filters: Option<Vec<TagFilter>>,
    /// EC2 instances that match any of each of these belong to the group.
    pub(super) ec2_tag_set: Option<Ec2TagSet>,
    /// On-premises instances that match any of these belong to the group.
    pub(super) on_premises_instance_tag_filters: Option<Vec<TagFilter>>,
    /// On-premises instances that match any of each of these belong to the group.
    pub(super) on_premises_tag_set: Option<OnPremisesTagSet>,
    /// Auto Scaling groups whose instances belong to the group.
    pub(super) auto_scaling_groups: Option<Vec<String>>,
    /// When to go back by itself.
    pub(super) auto_rollback_configuration: Option<AutoRollback>,
    /// Which alarms stop a deployment.
    pub(super) alarm_configuration: Option<Alarms>,
    /// In place or blue/green, with or without traffic control.
    pub(super) deployment_style: Option<Style>,
    /// The load balancer.
    pub(super) load_balancer_info: Option<Value>,
    /// What becomes of the old task set.
    pub(super) blue_green_deployment_configuration: Option<BlueGreen>,
    /// The ECS service; exactly one.
    pub(super) ecs_services: Option<Vec<EcsService>>,
    /// Kept and told; nothing is launched by itself here.
    pub(super) outdated_instances_strategy: Option<String>,
    /// Kept and told; the events say the same.
    pub(super) trigger_configurations: Option<Value>,
}

/// Lists of filters for EC2 instances; one of each list must match.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ec2TagSet {
    #[serde(rename = "ec2TagSetList", default)]
    pub(super) lists: Vec<Vec<TagFilter>>,
}

/// Lists of filters for on-premises instances; one of each list must match.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OnPremisesTagSet {
    #[serde(rename = "onPremisesTagSetList", default)]
    pub(super) lists: Vec<Vec<TagFilter>>,
}

/// When a deployment is rolled back by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AutoRollback {
    /// Whether at all.
    #[serde(default)]
    pub(super) enabled: bool,
    /// On which occasions.
    #[serde(default)]
    pub(super) events: Vec<Occasion>,
}

/// An occasion for an automatic rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Occasion {
    /// It failed.
    #[serde(rename = "DEPLOYMENT_FAILURE")]
    Failure,
    /// An alarm stopped it.
    #[serde(rename = "DEPLOYMENT_STOP_ON_ALARM")]
    Alarm,
    /// Somebody stopped it.
    #[serde(rename = "DEPLOYMENT_STOP_ON_REQUEST")]
    Request,
}

impl AutoRollback {
    /// Whether this occasion is one.
    pub(super) fn on(&self, occasion: Occasion) -> bool {
        self.enabled && self.events.contains(&occasion)
    }
}

/// Which alarms stop a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alarms {
    /// Whether they are looked at.
    #[serde(default)]
    pub(super) enabled: bool,
    /// Whether the deployment goes on when they cannot be looked at.
    #[serde(default)]
    pub(super) ignore_poll_alarm_failure: bool,
    /// Their names.
    #[serde(default)]
    pub(super) alarms: Vec<AlarmName>,
}

/// The name of an alarm of the same account and Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AlarmName {
    /// Its name.
    pub(super) name: String,
}

/// How a group deploys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Style {
    /// In place or blue/green.
    pub(super) deployment_type: Option<StyleType>,
    /// With or without traffic control.
    pub(super) deployment_option: Option<StyleOption>,
}

/// In place or blue/green.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum StyleType {
    /// On the instances that are there.
    InPlace,
    /// On new ones.
    BlueGreen,
}

/// Whether instances leave the load balancer while they are deployed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum StyleOption {
    /// They do.
    WithTrafficControl,
    /// They do not.
    WithoutTrafficControl,
}

/// What a blue/green deployment waits for and leaves behind.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlueGreen {
    /// What becomes of the old task set, and when.
    pub(super) terminate_blue_instances_on_deployment_success: Option<Terminate>,
    /// Whether traffic moves by itself.
    pub(super) deployment_ready_option: Option<Ready>,
}

/// What becomes of the old task set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Terminate {
    /// `TERMINATE`; ECS knows nothing else.
    pub(super) action: Option<String>,
    /// Minutes.
    pub(super) termination_wait_time_in_minutes: Option<u32>,
}

/// Whether traffic moves by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ready {
    /// What happens when nobody says `ContinueDeployment` in time.
    pub(super) action_on_timeout: Option<ReadyAction>,
    /// Minutes.
    pub(super) wait_time_in_minutes: Option<u32>,
}

/// What happens when nobody says `ContinueDeployment` in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum ReadyAction {
    /// Traffic moves at once; nobody is waited for.
    ContinueDeployment,
    /// The deployment stops.
    StopDeployment,
}

/// An ECS service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EcsService {
    /// Its name.
    pub(super) service_name: String,
    /// Its cluster's name.
    pub(super) cluster_name: String,
}

impl Settings {
    /// Takes over what `update` says.
    pub(super) fn update(&mut self, update: Self) {
        fn take<T>(into: &mut Option<T>, from: Option<T>) {
            if from.is_some() {
                *into = from;
            }
        }
        take(
            &mut self.deployment_config_name,
            update.deployment_config_name,
        );
        take(&mut self.service_role_arn, update.service_role_arn);
        take(&mut self.ec2_tag_filters, update.ec2_tag_filters);
        take(&mut self.ec2_tag_set, update.ec2_tag_set);
        take(
            &mut self.on_premises_instance_tag_filters,
            update.on_premises_instance_tag_filters,
        );
        take(&mut self.on_premises_tag_set, update.on_premises_tag_set);
        take(&mut self.auto_scaling_groups, update.auto_scaling_groups);
        take(
            &mut self.auto_rollback_configuration,
            update.auto_rollback_configuration,
        );
        take(&mut self.alarm_configuration, update.alarm_configuration);
        take(&mut self.deployment_style, update.deployment_style);
        take(&mut self.load_balancer_info, update.load_balancer_info);
        take(
            &mut self.blue_green_deployment_configuration,
            update.blue_green_deployment_configuration,
        );
        take(&mut self.ecs_services, update.ecs_services);
        take(
            &mut self.outdated_instances_strategy,
            update.outdated_instances_strategy,
        );
        take(
            &mut self.trigger_configurations,
            update.trigger_configurations,
        );
    }

    /// The first load balancer or target group named.
    pub(super) fn load_balancer(&self) -> Option<&str> {
        let info = self.load_balancer_info.as_ref()?;
        ["targetGroupInfoList", "elbInfoList"]
            .iter()
            .find_map(|list| {
                info.get(list)?
                    .get(0)?
                    .get("name")?
                    .as_str()
                    .filter(|name| !name.is_empty())
            })
    }

    /// Whether instances leave the load balancer while they are deployed to. Without a word about
    /// it the load balancer decides.
    pub(super) fn style(&self, platform: Platform) -> Style {
        let said = self.deployment_style;
        let kind = said
            .and_then(|style| style.deployment_type)
            .unwrap_or(match platform {
                Platform::Server => StyleType::InPlace,
                Platform::Ecs => StyleType::BlueGreen,
            });
        let controlled = self.load_balancer().is_some() || platform == Platform::Ecs;
        let option = said
            .and_then(|style| style.deployment_option)
            .unwrap_or(match controlled {
                true => StyleOption::WithTrafficControl,
                false => StyleOption::WithoutTrafficControl,
            });
        Style {
            deployment_type: Some(kind),
            deployment_option: Some(option),
        }
    }

    /// Whether an EC2 instance with these tags belongs to the group.
    pub(super) fn has_ec2(&self, tags: &[Tag]) -> bool {
        let lists = self.ec2_tag_set.as_ref().map(|set| set.lists.as_slice());
        let scaled = self.auto_scaling_groups.iter().flatten().any(|name| {
            tags.iter()
                .any(|tag| tag.key == "aws:autoscaling:groupName" && tag.value == *name)
        });
        scaled || matches(self.ec2_tag_filters.as_deref(), lists, tags)
    }

    /// Whether an on-premises instance with these tags belongs to the group.
    pub(super) fn has_on_premises(&self, tags: &[Tag]) -> bool {
        let lists = self
            .on_premises_tag_set
            .as_ref()
            .map(|set| set.lists.as_slice());
        matches(
            self.on_premises_instance_tag_filters.as_deref(),
            lists,
            tags,
        )
    }
}

fn matches(any: Option<&[TagFilter]>, all: Option<&[Vec<TagFilter>]>, tags: &[Tag]) -> bool {
    let one = |filters: &[TagFilter]| filters.iter().any(|filter| filter.matches(tags));
    let each = |lists: &[Vec<TagFilter>]| !lists.is_empty() && lists.iter().all(|list| one(list));
    any.is_some_and(one) || all.is_some_and(each)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(value: Value) -> Settings {
        serde_json::from_value(value).unwrap()
    }

    fn tags(pairs: &[(&str, &str)]) -> Vec<Tag> {
        let tag = |(key, value): &(&str, &str)| Tag {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        };
        pairs.iter().map(tag).collect()
    }

    #[test]
    fn instances_are_chosen_by_tags_sets_and_auto_scaling_groups() {
        let any = settings(json!({"ec2TagFilters":[{"Key":"a","Value":"1"},{"Key":"b"}]}));
        assert!(any.has_ec2(&tags(&[("b", "9")])));
        assert!(!any.has_on_premises(&tags(&[("b", "9")])));
        let all = settings(json!({"onPremisesTagSet":
            {"onPremisesTagSetList":[[{"Key":"a"}],[{"Key":"b"}]]}}));
        assert!(all.has_on_premises(&tags(&[("a", "1"), ("b", "2")])));
        assert!(!all.has_on_premises(&tags(&[("a", "1")])));
        let scaled = settings(json!({"autoScalingGroups":["web"]}));
        assert!(scaled.has_ec2(&tags(&[("aws:autoscaling:groupName", "web")])));
        assert!(!Settings::default().has_ec2(&tags(&[("a", "1")])));
    }

    #[test]
    fn the_load_balancer_decides_about_traffic_control() {
        let style = |value| settings(value).style(Platform::Server).deployment_option;
        let info = json!({"targetGroupInfoList":[{"name":"web"}]});
        assert_eq!(style(json!({})), Some(StyleOption::WithoutTrafficControl));
        assert_eq!(
            style(json!({"loadBalancerInfo":info})),
            Some(StyleOption::WithTrafficControl)
        );
        let without = json!({"loadBalancerInfo":info,
            "deploymentStyle":{"deploymentOption":"WITHOUT_TRAFFIC_CONTROL"}});
        assert_eq!(style(without), Some(StyleOption::WithoutTrafficControl));
    }

    #[test]
    fn an_update_leaves_alone_what_it_does_not_name() {
        let mut now = settings(json!({"deploymentConfigName":"a","autoScalingGroups":["x"]}));
        now.update(settings(json!({"autoScalingGroups":[]})));
        assert_eq!(now.deployment_config_name.as_deref(), Some("a"));
        assert_eq!(now.auto_scaling_groups, Some(vec![]));
    }
}
