//! Deployment configurations: how many instances must stay healthy, and how traffic moves on ECS.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    api::ApiError,
    envelope::{epoch, uuid},
};

/// What everybody's names begin with; ours must not.
const BUILT_IN_PREFIX: &str = "CodeDeployDefault.";

/// The least number of instances that must stay healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Minimum {
    /// So many.
    HostCount(usize),
    /// So many of a hundred, rounded up, but never all of them.
    FleetPercent(usize),
    /// All but so many (how CodeDeploy itself writes `OneAtATime`).
    MostConcurrency(usize),
}

impl Minimum {
    /// How many of `total` instances that is.
    pub(super) fn hosts(self, total: usize) -> usize {
        match self {
            Self::HostCount(count) => count,
            Self::FleetPercent(100..) => total,
            Self::FleetPercent(percent) => {
                (total * percent).div_ceil(100).min(total.saturating_sub(1))
            }
            Self::MostConcurrency(at_once) => total.saturating_sub(at_once),
        }
    }

    fn to_json(self) -> Value {
        let (kind, value) = match self {
            Self::HostCount(value) => ("HOST_COUNT", value),
            Self::FleetPercent(value) => ("FLEET_PERCENT", value),
            Self::MostConcurrency(value) => ("MOST_CONCURRENCY", value),
        };
        json!({ "type": kind, "value": value })
    }
}

/// How production traffic moves to a new task set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Routing {
    /// At once.
    AllAtOnce,
    /// First so many percent, after so many minutes the rest.
    Canary {
        /// Percent of the traffic.
        percent: u32,
        /// Minutes.
        interval: u32,
    },
    /// So many percent more every so many minutes.
    Linear {
        /// Percent of the traffic.
        percent: u32,
        /// Minutes.
        interval: u32,
    },
}

impl Routing {
    fn to_json(self) -> Value {
        match self {
            Self::AllAtOnce => json!({ "type": "AllAtOnce" }),
            Self::Canary { percent, interval } => json!({
                "type": "TimeBasedCanary",
                "timeBasedCanary":
                    { "canaryPercentage": percent, "canaryInterval": interval },
            }),
            Self::Linear { percent, interval } => json!({
                "type": "TimeBasedLinear",
                "timeBasedLinear":
                    { "linearPercentage": percent, "linearInterval": interval },
            }),
        }
    }

    /// The shares of traffic that the new task set gets one after the other, in percent, each
    /// with the minutes to wait after it.
    pub(super) fn steps(self) -> Vec<(u32, u32)> {
        match self {
            Self::AllAtOnce => vec![(100, 0)],
            Self::Canary { percent, interval } => vec![(percent.min(100), interval), (100, 0)],
            Self::Linear { percent, interval } => {
                let percent = percent.clamp(1, 100);
                let mut steps: Vec<_> = (1..)
                    .map(|n| n * percent)
                    .take_while(|at| *at < 100)
                    .map(|at| (at, interval))
                    .collect();
                steps.push((100, 0));
                steps
            }
        }
    }
}

/// What kind of machine an application runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Platform {
    /// EC2 and on-premises instances.
    Server,
    /// Amazon ECS.
    #[serde(rename = "ECS")]
    Ecs,
}

/// What a configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// For instances.
    Server(Minimum),
    /// For ECS.
    Ecs(Routing),
}

/// A deployment configuration.
#[derive(Debug, Clone)]
pub(super) struct Config {
    /// Its name.
    pub(super) name: String,
    /// What it says.
    pub(super) rule: Rule,
    id: String,
    created: Timestamp,
}

impl Config {
    /// One of those that exist everywhere.
    pub(super) fn built_in(name: &str) -> Option<Self> {
        let (number, rule) = BUILT_IN
            .iter()
            .enumerate()
            .find_map(|(n, (known, rule))| (*known == name).then_some((n + 1, *rule)))?;
        let id = format!("00000000-0000-0000-0000-{number:012}");
        Some(Self {
            name: name.to_owned(),
            rule,
            id,
            created: Timestamp::UNIX_EPOCH,
        })
    }

    /// The names of all that exist everywhere.
    pub(super) fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// What is used when nobody chose.
    pub(super) fn default_name(platform: Platform) -> &'static str {
        match platform {
            Platform::Server => "CodeDeployDefault.OneAtATime",
            Platform::Ecs => "CodeDeployDefault.ECSAllAtOnce",
        }
    }

    /// Makes one from a caller's words.
    pub(super) fn create(input: NewConfig) -> Result<Self, ApiError> {
        let NewConfig {
            deployment_config_name,
            minimum_healthy_hosts,
            ..
        } = input;
        let name = deployment_config_name
            .filter(|name| !name.is_empty())
            .ok_or_else(|| {
                let code = "DeploymentConfigNameRequiredException";
                ApiError::client(code, "Deployment config name is required")
            })?;
        if name.starts_with(BUILT_IN_PREFIX) {
            let code = "InvalidDeploymentConfigNameException";
            return Err(ApiError::client(code, format!("{name} is a reserved name")));
        }
        let rule = match (input.compute_platform, minimum_healthy_hosts) {
            (None | Some(Platform::Server), Some(hosts)) => Rule::Server(hosts.minimum()?),
            (Some(Platform::Ecs), None) => Rule::Ecs(routing(input.traffic_routing_config)?),
            (None | Some(Platform::Server), None) | (Some(Platform::Ecs), Some(_)) => {
                let code = "InvalidMinimumHealthyHostValueException";
                let message = "Minimum healthy hosts are for, and needed by, Server configurations";
                return Err(ApiError::client(code, message));
            }
        };
        Ok(Self {
            name,
            rule,
            id: uuid(),
            created: Timestamp::now(),
        })
    }

    /// For whom it is.
    pub(super) fn platform(&self) -> Platform {
        match self.rule {
            Rule::Server(_) => Platform::Server,
            Rule::Ecs(_) => Platform::Ecs,
        }
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The configuration as callers read it.
    pub(super) fn to_json(&self) -> Value {
        let mut info = json!({
            "deploymentConfigId": self.id,
            "deploymentConfigName": self.name,
            "createTime": epoch(self.created),
            "computePlatform": self.platform(),
        });
        let (key, value) = match self.rule {
            Rule::Server(minimum) => ("minimumHealthyHosts", minimum.to_json()),
            Rule::Ecs(routing) => ("trafficRoutingConfig", routing.to_json()),
        };
        if let Some(fields) = info.as_object_mut() {
            fields.insert(key.to_owned(), value);
        }
        info
    }
}

const fn canary(interval: u32) -> Rule {
    Rule::Ecs(Routing::Canary {
        percent: 10,
        interval,
    })
}

const fn linear(interval: u32) -> Rule {
    Rule::Ecs(Routing::Linear {
        percent: 10,
        interval,
    })
}

const BUILT_IN: [(&str, Rule); 8] = [
    (
        "CodeDeployDefault.OneAtATime",
        Rule::Server(Minimum::MostConcurrency(1)),
    ),
    (
        "CodeDeployDefault.HalfAtATime",
        Rule::Server(Minimum::FleetPercent(50)),
    ),
    (
        "CodeDeployDefault.AllAtOnce",
        Rule::Server(Minimum::FleetPercent(0)),
    ),
    (
        "CodeDeployDefault.ECSAllAtOnce",
        Rule::Ecs(Routing::AllAtOnce),
    ),
    ("CodeDeployDefault.ECSCanary10Percent5Minutes", canary(5)),
    ("CodeDeployDefault.ECSCanary10Percent15Minutes", canary(15)),
    (
        "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
        linear(1),
    ),
    (
        "CodeDeployDefault.ECSLinear10PercentEvery3Minutes",
        linear(3),
    ),
];

/// `CreateDeploymentConfig` as callers write it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewConfig {
    /// Its name.
    pub(super) deployment_config_name: Option<String>,
    minimum_healthy_hosts: Option<Hosts>,
    compute_platform: Option<Platform>,
    traffic_routing_config: Option<TrafficRouting>,
}

#[derive(Debug, Deserialize)]
struct Hosts {
    #[serde(rename = "type")]
    kind: String,
    value: usize,
}

impl Hosts {
    fn minimum(&self) -> Result<Minimum, ApiError> {
        match (self.kind.as_str(), self.value) {
            ("HOST_COUNT", value) => Ok(Minimum::HostCount(value)),
            ("FLEET_PERCENT", value @ 0..=100) => Ok(Minimum::FleetPercent(value)),
            (kind, value) => Err(ApiError::client(
                "InvalidMinimumHealthyHostValueException",
                format!("{value} is not valid for {kind}"),
            )),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrafficRouting {
    #[serde(rename = "type")]
    kind: String,
    time_based_canary: Option<CanaryWire>,
    time_based_linear: Option<LinearWire>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CanaryWire {
    canary_percentage: u32,
    canary_interval: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LinearWire {
    linear_percentage: u32,
    linear_interval: u32,
}

fn routing(wire: Option<TrafficRouting>) -> Result<Routing, ApiError> {
    let Some(wire) = wire else {
        return Ok(Routing::AllAtOnce);
    };
    match (
        wire.kind.as_str(),
        wire.time_based_canary,
        wire.time_based_linear,
    ) {
        ("AllAtOnce", None, None) => Ok(Routing::AllAtOnce),
        ("TimeBasedCanary", Some(wire), None) => Ok(Routing::Canary {
            percent: wire.canary_percentage,
            interval: wire.canary_interval,
        }),
        ("TimeBasedLinear", None, Some(wire)) => Ok(Routing::Linear {
            percent: wire.linear_percentage,
            interval: wire.linear_interval,
        }),
        (kind, ..) => Err(ApiError::client(
            "InvalidTrafficRoutingConfigurationException",
            format!("The traffic routing of type {kind} is not complete"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimums_are_counted_as_codedeploy_counts() {
        assert_eq!(Minimum::HostCount(2).hosts(5), 2);
        assert_eq!(Minimum::FleetPercent(50).hosts(5), 3);
        assert_eq!(Minimum::FleetPercent(100).hosts(5), 5);
        assert_eq!(Minimum::FleetPercent(0).hosts(5), 0);
        assert_eq!(Minimum::MostConcurrency(1).hosts(5), 4);
    }

    #[test]
    fn traffic_moves_in_steps_to_all() {
        assert_eq!(Routing::AllAtOnce.steps(), [(100, 0)]);
        assert_eq!(
            Routing::Canary {
                percent: 10,
                interval: 5
            }
            .steps(),
            [(10, 5), (100, 0)]
        );
        let linear = Routing::Linear {
            percent: 40,
            interval: 1,
        };
        assert_eq!(linear.steps(), [(40, 1), (80, 1), (100, 0)]);
    }

    #[test]
    fn reserved_names_and_impossible_numbers_are_refused() {
        let create = |input: Value| Config::create(serde_json::from_value(input).unwrap());
        let hosts = json!({"type":"FLEET_PERCENT","value":101});
        let bad = json!({"deploymentConfigName":"mine","minimumHealthyHosts":hosts});
        assert_eq!(
            create(bad).unwrap_err().code,
            "InvalidMinimumHealthyHostValueException"
        );
        let hosts = json!({"type":"HOST_COUNT","value":1});
        let bad = json!({"deploymentConfigName":"CodeDeployDefault.x","minimumHealthyHosts":hosts});
        assert_eq!(
            create(bad).unwrap_err().code,
            "InvalidDeploymentConfigNameException"
        );
        let good = json!({"deploymentConfigName":"mine","minimumHealthyHosts":hosts});
        assert_eq!(
            create(good).unwrap().to_json()["minimumHealthyHosts"]["value"],
            1
        );
        assert_eq!(
            Config::built_in("CodeDeployDefault.AllAtOnce")
                .unwrap()
                .platform(),
            Platform::Server
        );
    }
}
