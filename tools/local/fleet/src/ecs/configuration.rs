//! A service's `deploymentConfiguration`: what was given is kept, what is understood is typed.

use serde_json::{Map, Value, json};

use super::{
    breaker::{Breaker, Threshold},
    input::{Input, invalid},
    stage::Stage,
};
use crate::api::ApiError;

/// Share of the desired count that must stay healthy, when not given.
const MINIMUM_PERCENT: u32 = 100;
/// Share of the desired count that may run at once, when not given.
const MAXIMUM_PERCENT: u32 = 200;
/// Minutes between two steps of a linear deployment, when not given.
const STEP_BAKE_MINUTES: u32 = 6;
/// Minutes a canary is watched, when not given.
const CANARY_BAKE_MINUTES: u32 = 10;
/// Share of traffic of one step of a linear deployment, when not given.
const STEP_PERCENT: f64 = 10.0;
/// Share of traffic of a canary, when not given.
const CANARY_PERCENT: f64 = 5.0;
/// Minutes a hook may take in all, when not given.
const HOOK_MINUTES: u32 = 1440;

/// A `deploymentConfiguration`.
#[derive(Debug, Clone)]
pub(super) struct Configuration {
    /// As it was given, with AWS's defaults added.
    pub(super) raw: Map<String, Value>,
    /// How traffic comes to a new revision.
    pub(super) strategy: Strategy,
    /// `minimumHealthyPercent`.
    pub(super) minimum_percent: u32,
    /// `maximumPercent`.
    pub(super) maximum_percent: u32,
    /// `bakeTimeInMinutes`, if given.
    pub(super) bake_minutes: Option<u32>,
    /// The circuit breaker, when enabled.
    pub(super) breaker: Option<Breaker>,
    /// The deployment alarms, when enabled.
    pub(super) alarms: Option<Alarms>,
    /// Functions asked at the stages of a traffic-shifting deployment.
    pub(super) hooks: Vec<Hook>,
}

/// How traffic comes to a new revision.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Strategy {
    /// Old tasks are replaced by new ones.
    Rolling,
    /// New tasks stand beside the old ones and get these shares of the traffic, one after the
    /// other; the last is all of it.
    Shift(Vec<Shift>),
}

/// One step of shifting traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    /// The new revision's share, 0 to 100.
    pub(super) percent: f64,
    /// Minutes until the next step; the last step is followed by the bake time instead.
    pub(super) bake_minutes: u32,
}

/// Deployment alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alarms {
    /// Their names.
    pub(super) names: Vec<String>,
    /// What happens when one fires.
    pub(super) on_failure: OnFailure,
}

/// What happens when a deployment fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// The last completed revision comes back.
    RollBack,
    /// The deployment stops where it is.
    Stop,
}

/// A Lambda function that is asked at stages of a deployment.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    /// The function.
    pub(super) target: String,
    /// The role ECS calls it with.
    pub(super) role: Option<String>,
    /// When it is asked.
    pub(super) stages: Vec<Stage>,
    /// What it is told with every call.
    pub(super) details: Map<String, Value>,
    /// Minutes until it has taken too long.
    pub(super) timeout_minutes: u32,
    /// What happens then.
    pub(super) on_timeout: OnTimeout,
}

/// What happens when a hook has taken too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnTimeout {
    /// The deployment is rolled back.
    RollBack,
    /// The deployment goes on.
    Continue,
}

impl Configuration {
    /// Reads a configuration; none is AWS's default.
    pub(super) fn parse(given: Option<Input<'_>>) -> Result<Self, ApiError> {
        let mut raw = given.map(|given| given.0.clone()).unwrap_or_default();
        let defaults = json!({
            "deploymentCircuitBreaker": { "enable": false, "rollback": false },
            "maximumPercent": MAXIMUM_PERCENT,
            "minimumHealthyPercent": MINIMUM_PERCENT,
            "strategy": "ROLLING",
        });
        for (name, value) in defaults.as_object().into_iter().flatten() {
            if raw.get(name).is_none_or(Value::is_null) {
                raw.insert(name.clone(), value.clone());
            }
        }
        let input = Input(&raw);
        let strategy = strategy(input)?;
        let bake_minutes = input.number("bakeTimeInMinutes")?;
        let parsed = Self {
            minimum_percent: input
                .number("minimumHealthyPercent")?
                .unwrap_or(MINIMUM_PERCENT),
            maximum_percent: input.number("maximumPercent")?.unwrap_or(MAXIMUM_PERCENT),
            bake_minutes,
            breaker: breaker(input)?,
            alarms: alarms(input)?,
            hooks: hooks(input)?,
            strategy,
            raw: raw.clone(),
        };
        if parsed.maximum_percent <= parsed.minimum_percent && parsed.minimum_percent >= 100 {
            return Err(invalid(
                "Both maximumPercent and minimumHealthyPercent cannot be 100 as \
                 this will block deployments.",
            ));
        }
        Ok(parsed)
    }

    /// This configuration with what `given` sets.
    pub(super) fn merged(&self, given: Input<'_>) -> Result<Self, ApiError> {
        let mut raw = self.raw.clone();
        raw.extend(
            given
                .0
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        Self::parse(Some(Input(&raw)))
    }
}

fn strategy(input: Input<'_>) -> Result<Strategy, ApiError> {
    let all = Shift {
        percent: 100.0,
        bake_minutes: 0,
    };
    match input.text("strategy")?.unwrap_or("ROLLING") {
        "ROLLING" => Ok(Strategy::Rolling),
        "BLUE_GREEN" => Ok(Strategy::Shift(vec![all])),
        "CANARY" => {
            let empty = Map::new();
            let canary = input
                .object("canaryConfiguration")?
                .unwrap_or(Input(&empty));
            let percent = canary.float("canaryPercent")?.unwrap_or(CANARY_PERCENT);
            let minutes = canary
                .number("canaryBakeTimeInMinutes")?
                .unwrap_or(CANARY_BAKE_MINUTES);
            in_range("canaryPercent", percent, 0.1)?;
            Ok(Strategy::Shift(vec![
                Shift {
                    percent,
                    bake_minutes: minutes,
                },
                all,
            ]))
        }
        "LINEAR" => {
            let empty = Map::new();
            let linear = input
                .object("linearConfiguration")?
                .unwrap_or(Input(&empty));
            let step = linear.float("stepPercent")?.unwrap_or(STEP_PERCENT);
            let bake_minutes = linear
                .number("stepBakeTimeInMinutes")?
                .unwrap_or(STEP_BAKE_MINUTES);
            in_range("stepPercent", step, 3.0)?;
            let percents = (1..)
                .map(|n| f64::from(n) * step)
                .take_while(|percent| *percent < 100.0);
            let mut shifts: Vec<Shift> = percents
                .map(|percent| Shift {
                    percent,
                    bake_minutes,
                })
                .collect();
            shifts.push(all);
            Ok(Strategy::Shift(shifts))
        }
        other => Err(invalid(format!("{other} is not a deployment strategy."))),
    }
}

fn in_range(name: &str, percent: f64, least: f64) -> Result<(), ApiError> {
    match (least..=100.0).contains(&percent) {
        true => Ok(()),
        false => Err(invalid(format!("{name} must be between {least} and 100."))),
    }
}

fn breaker(input: Input<'_>) -> Result<Option<Breaker>, ApiError> {
    let Some(breaker) = input.object("deploymentCircuitBreaker")? else {
        return Ok(None);
    };
    if !breaker.flag("enable")? {
        return Ok(None);
    }
    let threshold = match breaker.object("thresholdConfiguration")? {
        None => Threshold::BoundedPercent(Threshold::DEFAULT_PERCENT),
        Some(given) => {
            let value = given.number("value")?.unwrap_or(Threshold::DEFAULT_PERCENT);
            match given.required("type")? {
                "COUNT" => Threshold::Count(value),
                "BOUNDED_PERCENT" => Threshold::BoundedPercent(value),
                "UNBOUNDED_PERCENT" => Threshold::UnboundedPercent(value),
                other => return Err(invalid(format!("{other} is not a threshold type."))),
            }
        }
    };
    Ok(Some(Breaker {
        threshold,
        on_failure: on_failure(breaker)?,
        forgives: breaker
            .get("resetOnHealthyTask")
            .and_then(Value::as_bool)
            .unwrap_or(true),
    }))
}

/// What a failure detector is to do.
fn on_failure(detector: Input<'_>) -> Result<OnFailure, ApiError> {
    Ok(if detector.flag("rollback")? {
        OnFailure::RollBack
    } else {
        OnFailure::Stop
    })
}

fn alarms(input: Input<'_>) -> Result<Option<Alarms>, ApiError> {
    let Some(alarms) = input.object("alarms")? else {
        return Ok(None);
    };
    let names = alarms.texts("alarmNames")?;
    let on_failure = on_failure(alarms)?;
    let enabled = alarms.flag("enable")? && !names.is_empty();
    Ok(enabled.then_some(Alarms { names, on_failure }))
}

fn hooks(input: Input<'_>) -> Result<Vec<Hook>, ApiError> {
    input
        .objects("lifecycleHooks")?
        .into_iter()
        .map(hook)
        .collect()
}

fn hook(hook: Input<'_>) -> Result<Hook, ApiError> {
    let kind = hook.text("targetType")?.unwrap_or("AWS_LAMBDA");
    if kind != "AWS_LAMBDA" {
        return Err(ApiError::client(
            "UnsupportedFeatureException",
            format!("Lifecycle hooks of type {kind} are not supported here."),
        ));
    }
    let stages = hook.texts("lifecycleStages")?;
    let stages = stages.iter().map(|name| {
        let stage = Stage::parse(name).filter(|stage| stage.has_hooks());
        stage.ok_or_else(|| invalid(format!("{name} is not a lifecycle stage with hooks.")))
    });
    let empty = Map::new();
    let timeout = hook
        .object("timeoutConfiguration")?
        .unwrap_or(Input(&empty));
    let on_timeout = match timeout.text("action")? {
        Some("CONTINUE") => OnTimeout::Continue,
        Some("ROLLBACK") | None => OnTimeout::RollBack,
        Some(other) => return Err(invalid(format!("{other} is not a timeout action."))),
    };
    Ok(Hook {
        target: hook.required("hookTargetArn")?.to_owned(),
        role: hook.text("roleArn")?.map(str::to_owned),
        stages: stages.collect::<Result<_, _>>()?,
        details: hook
            .object("hookDetails")?
            .map(|details| details.0.clone())
            .unwrap_or_default(),
        timeout_minutes: timeout.number("timeoutInMinutes")?.unwrap_or(HOOK_MINUTES),
        on_timeout,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: Value) -> Result<Configuration, ApiError> {
        Configuration::parse(value.as_object().map(Input))
    }

    #[test]
    fn nothing_given_is_a_rolling_update_without_breaker() {
        let configuration = Configuration::parse(None).unwrap();
        assert_eq!(configuration.strategy, Strategy::Rolling);
        assert_eq!(
            (configuration.minimum_percent, configuration.maximum_percent),
            (100, 200)
        );
        assert!(configuration.breaker.is_none() && configuration.alarms.is_none());
        assert_eq!(configuration.raw["maximumPercent"], 200);
    }

    #[test]
    fn alarms_and_breaker_count_only_when_enabled() {
        let off = json!({
            "alarms": { "alarmNames": ["a"], "enable": false, "rollback": true },
            "deploymentCircuitBreaker": { "enable": false, "rollback": true },
        });
        let off = parse(off).unwrap();
        assert!(off.alarms.is_none() && off.breaker.is_none());
        let on = json!({
            "alarms": { "alarmNames": ["a"], "enable": true, "rollback": true },
            "deploymentCircuitBreaker": { "enable": true, "rollback": false },
        });
        let on = parse(on).unwrap();
        assert_eq!(on.alarms.unwrap().on_failure, OnFailure::RollBack);
        assert_eq!(on.breaker.unwrap().on_failure, OnFailure::Stop);
    }

    #[test]
    fn shares_of_traffic_follow_from_the_strategy() {
        let shares = |value| match parse(value).unwrap().strategy {
            Strategy::Shift(shifts) => shifts.into_iter().map(|shift| shift.percent).collect(),
            Strategy::Rolling => Vec::new(),
        };
        assert_eq!(shares(json!({ "strategy": "BLUE_GREEN" })), [100.0]);
        assert_eq!(shares(json!({ "strategy": "CANARY" })), [5.0, 100.0]);
        let linear = json!({ "strategy": "LINEAR", "linearConfiguration": { "stepPercent": 40 } });
        assert_eq!(shares(linear), [40.0, 80.0, 100.0]);
    }

    #[test]
    fn an_update_changes_only_what_it_names() {
        let before = parse(json!({ "maximumPercent": 150, "futureField": { "a": 1 } })).unwrap();
        let given = json!({ "minimumHealthyPercent": 50 });
        let after = before.merged(Input(given.as_object().unwrap())).unwrap();
        assert_eq!((after.minimum_percent, after.maximum_percent), (50, 150));
        assert_eq!(after.raw["futureField"]["a"], 1);
    }

    #[test]
    fn what_blocks_every_deployment_is_refused() {
        let blocked = json!({ "maximumPercent": 100, "minimumHealthyPercent": 100 });
        assert!(parse(blocked).is_err());
        assert!(parse(json!({ "strategy": "SIDEWAYS" })).is_err());
    }
}
