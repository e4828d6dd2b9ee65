//! Alarms that somebody sets by hand, as `aws cloudwatch set-alarm-state` does.

use anyhow::Result;
use serde_json::{Value, json};

use crate::world::{PATIENCE, Service, Stage, World, build, on};

#[test]
fn an_alarm_in_the_bake_brings_the_last_good_one_back_and_one_after_it_only_tells() {
    on(async |world| {
        let stage = Stage {
            name: "dev",
            count: 2,
            bake: "6s",
        };
        let service = Service::on_ecs(world, "baked", &[stage]).await?;
        let good = service.push(&build("1.0.0", 1)).await?;
        let first = service.released("1.0.0").await?;
        service.good("dev", first).await?;
        set(world, "baked-dev-errors", "ALARM").await?;
        let told = service
            .until("an alarm after the bake", |entry| {
                entry.is("alarm_after_bake", "dev", first)
            })
            .await?;
        world
            .notices
            .until("people hear how to roll back", PATIENCE, |notice| {
                notice.is("baked", "alarm", "dev", first)
                    && notice.text.contains("lastgood rollback")
            })
            .await?;
        assert_eq!(service.count("return_asked").await?, 0, "{}", told.what);
        set(world, "baked-dev-errors", "OK").await?;

        service.push(&build("2.0.0", 2)).await?;
        let second = service.released("2.0.0").await?;
        service
            .until("the bake", |entry| entry.is("bake_begun", "dev", second))
            .await?;
        set(world, "baked-dev-errors", "ALARM").await?;
        let end = service
            .until("it is rolled back", |entry| {
                entry.is("rolled_back", "dev", second)
            })
            .await?;
        assert_eq!(end.field("/to").and_then(Value::as_u64), Some(first));
        let running = service.target("dev").until(&world.account, &good, PATIENCE);
        assert_eq!(running.await?, 2);
        set(world, "baked-dev-errors", "OK").await
    });
}

#[test]
fn an_alarm_that_fires_before_the_start_holds_the_deployment() {
    on(async |world| {
        let stage = Stage {
            name: "dev",
            count: 1,
            bake: "0s",
        };
        let service = Service::on_instances(world, "holding", &[stage]).await?;
        set(world, "holding-dev-errors", "ALARM").await?;
        service
            .until("the alarm is known", |entry| {
                entry.kind() == "alarm_noted" && entry.what.contains("firing")
            })
            .await?;
        service.upload(&build("1.0.0", 1)).await?;
        let release = service.released("1.0.0").await?;
        service
            .until("it waits for the alarm", |entry| {
                entry.is("waits", "dev", release) && entry.field("/on/alarm").is_some()
            })
            .await?;
        assert_eq!(service.count("start_asked").await?, 0);
        set(world, "holding-dev-errors", "OK").await?;
        service.good("dev", release).await?;
        Ok(())
    });
}

async fn set(world: &World, alarm: &str, state: &str) -> Result<()> {
    let input = json!({
        "AlarmName": alarm,
        "StateValue": state,
        "StateReason": "set by hand",
    });
    world
        .account
        .cloudwatch("SetAlarmState", input)
        .await
        .map(drop)
}
