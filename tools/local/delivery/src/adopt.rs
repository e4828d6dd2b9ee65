//! Taking over: reading rules, schedules and stream mappings through the API and switching them
//! off in MiniStack, without losing what happens meanwhile.
//!
//! A rule that was taken over is not disabled: its state becomes
//! `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS`, which on AWS is enabled too and which MiniStack
//! does not act on. So a rule that somebody disables can be told from one that was taken over.
//! Mappings and schedules have no such state; they are disabled, and a tag says that it was us.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    Adopted, Error, Place,
    arn::Arn,
    catch::{self, CATCH_ALL},
    client::CallError,
    pattern::Pattern,
    rules::{Bus, During, Mapping, Rule, Schedule, ScheduleKind, Table, Target},
    schedule::Expression,
    shared::{Shared, lock},
    stream::Workers,
};

/// The state of a rule that MiniStack acts on.
const ENABLED: &str = "ENABLED";

/// The state of a rule that was taken over.
const TAKEN_OVER: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";

/// The tag of what was disabled by us. A mapping's value is when it was made.
const TAG: &str = "lastgood-local-delivery";

/// How often everything is read again, so that a rule somebody makes works within seconds.
const REREAD_EVERY: Duration = Duration::from_secs(5);

/// Takes over, and remembers what it set up for that.
#[derive(Debug, Default)]
pub(crate) struct Adopter {
    workers: Workers,
    /// The queues of event buses that are polled, or none while nothing was taken over yet.
    caught: Mutex<HashMap<Bus, String>>,
    /// Whether everything is read again from time to time already.
    watching: Mutex<Watching>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Watching {
    #[default]
    NotYet,
    Already,
}

/// What was read.
#[derive(Default)]
struct Read {
    table: Table,
    mappings: Vec<Mapping>,
    found: Vec<Found>,
}

/// What MiniStack still acts on.
enum Found {
    Rule {
        place: Place,
        rule: Value,
    },
    Schedule {
        place: Place,
        schedule: Value,
    },
    Mapping {
        place: Place,
        arn: String,
        id: String,
        since: i64,
    },
}

impl Found {
    async fn switch_off(self, shared: &Shared) -> Result<(), CallError> {
        match self {
            Self::Rule { place, rule } => shared.calls.put_event_rule(&place, &rule).await,
            Self::Schedule {
                place,
                mut schedule,
            } => {
                let text = |name: &str| {
                    schedule
                        .get(name)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                let (name, arn) = (text("Name"), text("Arn"));
                if let Some(fields) = schedule.as_object_mut() {
                    fields.insert("State".to_owned(), json!("DISABLED"));
                }
                shared.calls.tag_schedule(&place, &arn, TAG).await?;
                shared.calls.update_schedule(&place, &name, &schedule).await
            }
            Self::Mapping {
                place,
                arn,
                id,
                since,
            } => {
                shared
                    .calls
                    .tag_lambda(&place, &arn, TAG, &since.to_string())
                    .await?;
                shared.calls.disable_mapping(&place, &id).await
            }
        }
    }
}

impl Adopter {
    /// Reads everything and takes it over; from then on again and again.
    pub(crate) async fn adopt(self: &Arc<Self>, shared: &Arc<Shared>) -> Result<Adopted, Error> {
        let adopted = self.read_all(shared).await?;
        let before = std::mem::replace(&mut *lock(&self.watching), Watching::Already);
        if before == Watching::NotYet {
            shared.spawn(watch(Arc::clone(self), Arc::clone(shared)));
        }
        Ok(adopted)
    }

    async fn read_all(&self, shared: &Arc<Shared>) -> Result<Adopted, Error> {
        // No event is matched meanwhile: what MiniStack no longer delivers itself waits in our
        // queue until the rules are known here.
        let mut current = shared.table.write().await;
        let mut read = Read::default();
        for place in &shared.places {
            self.read_buses(shared, place, &mut read)
                .await
                .map_err(|error| Error::call("read rules", error))?;
            read_schedules(shared, place, &mut read)
                .await
                .map_err(|error| Error::call("read schedules", error))?;
            read_mappings(shared, place, &mut read)
                .await
                .map_err(|error| Error::call("read stream mappings", error))?;
        }
        let Read {
            table,
            mappings,
            found,
        } = read;
        let adopted = Adopted {
            rules: table.rules.values().map(Vec::len).sum(),
            schedules: table.schedules.len(),
            mappings: mappings.len(),
        };
        *current = Arc::new(table);
        self.workers.set(shared, mappings);
        // Switched off last: what fails here is delivered twice, and not by nobody.
        for found in found {
            found
                .switch_off(shared)
                .await
                .map_err(|error| Error::call("take over", error))?;
        }
        Ok(adopted)
    }

    async fn read_buses(
        &self,
        shared: &Arc<Shared>,
        place: &Place,
        read: &mut Read,
    ) -> Result<(), CallError> {
        for bus in shared.calls.event_buses(place).await? {
            let Some(name) = bus.get("Name").and_then(Value::as_str) else {
                continue;
            };
            let policy = bus.get("Policy").and_then(Value::as_str);
            let bus = Bus {
                place: place.clone(),
                name: name.to_owned(),
            };
            if let Some(policy) = policy.and_then(|policy| serde_json::from_str(policy).ok()) {
                read.table.bus_policies.insert(bus.clone(), policy);
            }
            self.catch(shared, &bus).await?;
            for rule in shared.calls.event_rules(place, &bus.name).await? {
                read_rule(shared, &bus, &rule, read).await?;
            }
        }
        Ok(())
    }

    async fn catch(&self, shared: &Arc<Shared>, bus: &Bus) -> Result<(), CallError> {
        if lock(&self.caught).contains_key(bus) {
            return Ok(());
        }
        let url = catch::set_up(shared, bus).await?;
        shared.spawn(catch::poll(Arc::clone(shared), bus.clone(), url.clone()));
        lock(&self.caught).insert(bus.clone(), url);
        Ok(())
    }
}

/// Reads everything again, for ever.
async fn watch(adopter: Arc<Adopter>, shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(REREAD_EVERY).await;
        if let Err(error) = adopter.read_all(&shared).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "not everything could be taken over");
        }
    }
}

async fn read_rule(
    shared: &Arc<Shared>,
    bus: &Bus,
    rule: &Value,
    read: &mut Read,
) -> Result<(), CallError> {
    let text = |name: &str| {
        rule.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let (Some(name), Some(arn)) = (text("Name"), text("Arn").and_then(Arn::parse)) else {
        return Ok(());
    };
    let state = text("State").unwrap_or_default();
    if name == CATCH_ALL || !matches!(state, ENABLED | TAKEN_OVER) {
        return Ok(());
    }
    let targets = shared
        .calls
        .event_targets(&bus.place, &bus.name, name)
        .await?;
    let targets: Vec<_> = targets
        .iter()
        .filter_map(Target::read)
        .map(Arc::new)
        .collect();
    if targets.is_empty() {
        return Ok(());
    }
    if state == ENABLED {
        read.found.push(Found::Rule {
            place: bus.place.clone(),
            rule: taken_over(rule),
        });
    }
    let name = name.to_owned();
    if let Some(expression) = text("ScheduleExpression") {
        match Expression::parse(expression, None) {
            Some(expression) => read.table.schedules.push(Arc::new(Schedule {
                arn: arn.clone(),
                name: name.clone(),
                kind: ScheduleKind::Rule,
                expression,
                during: During::default(),
                targets: targets.clone(),
            })),
            None => tracing::error!(%arn, expression, "a schedule that is none never fires"),
        }
    }
    if let Some(pattern) = text("EventPattern") {
        match Pattern::parse(pattern) {
            Ok(pattern) => {
                let rule = Arc::new(Rule {
                    arn,
                    name,
                    pattern,
                    targets,
                });
                read.table.rules.entry(bus.clone()).or_default().push(rule);
            }
            Err(error) => tracing::error!(%arn, %error, "an event pattern that matches nothing"),
        }
    }
    Ok(())
}

/// The rule as `PutRule` takes it, in the state that MiniStack does not act on.
fn taken_over(rule: &Value) -> Value {
    let mut taken = json!({ "State": TAKEN_OVER });
    if let (Some(taken), Some(rule)) = (taken.as_object_mut(), rule.as_object()) {
        for name in [
            "Name",
            "EventBusName",
            "EventPattern",
            "ScheduleExpression",
            "Description",
            "RoleArn",
        ] {
            if let Some(value) = rule.get(name) {
                taken.insert(name.to_owned(), value.clone());
            }
        }
    }
    taken
}

async fn read_schedules(
    shared: &Arc<Shared>,
    place: &Place,
    read: &mut Read,
) -> Result<(), CallError> {
    for schedule in shared.calls.schedules(place).await? {
        let text = |name: &str| schedule.get(name).and_then(Value::as_str);
        let (Some(name), Some(arn)) = (text("Name"), text("Arn").and_then(Arn::parse)) else {
            continue;
        };
        if text("State") == Some(ENABLED) {
            let (place, schedule) = (place.clone(), schedule.clone());
            read.found.push(Found::Schedule { place, schedule });
        } else {
            let tags = shared.calls.schedule_tags(place, arn.as_str()).await?;
            if !tags.iter().any(|tag| tag == TAG) {
                continue;
            }
        }
        let expression = text("ScheduleExpression").unwrap_or_default();
        let Some(expression) = Expression::parse(expression, text("ScheduleExpressionTimezone"))
        else {
            tracing::error!(%arn, expression, "a schedule that is none never fires");
            continue;
        };
        let target = schedule.get("Target").and_then(Target::read).map(Arc::new);
        read.table.schedules.push(Arc::new(Schedule {
            arn,
            name: name.to_owned(),
            kind: ScheduleKind::Scheduler,
            expression,
            during: During::read(&schedule),
            targets: target.into_iter().collect(),
        }));
    }
    Ok(())
}

async fn read_mappings(
    shared: &Arc<Shared>,
    place: &Place,
    read: &mut Read,
) -> Result<(), CallError> {
    for mapping in shared.calls.mappings(place).await? {
        let text = |name: &str| {
            mapping
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (id, arn) = (text("UUID"), text("EventSourceMappingArn"));
        let now = jiff::Timestamp::now().as_second();
        let made = made(&mapping).unwrap_or(now);
        if Mapping::read(&mapping, made).is_none() {
            continue;
        }
        let tags = shared.calls.lambda_tags(place, arn).await?;
        let since = tags
            .get(TAG)
            .and_then(Value::as_str)
            .and_then(|since| since.parse().ok());
        let state = text("State");
        if state.starts_with("Enabl") || state == "Creating" {
            let since = since.unwrap_or(made);
            let (place, arn, id) = (place.clone(), arn.to_owned(), id.to_owned());
            read.found.push(Found::Mapping {
                place,
                arn,
                id,
                since,
            });
            read.mappings.extend(Mapping::read(&mapping, since));
        } else if let Some(since) = since {
            read.mappings.extend(Mapping::read(&mapping, since));
        }
    }
    Ok(())
}

/// When a mapping was made or changed last, in seconds of Unix time.
#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds of Unix time are far below 2^53"
)]
fn made(mapping: &Value) -> Option<i64> {
    Some(mapping.get("LastModified")?.as_f64()?.floor() as i64)
}
