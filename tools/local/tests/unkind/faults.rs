//! Everything at once that AWS allows itself: functions die in the middle of their work, every
//! event comes twice and out of order, CodeDeploy says nothing, ECS and CodeDeploy throttle, lose
//! answers and are away for a while. It takes longer; ledger, platform and people agree in the end.

use std::{collections::BTreeSet, fs, sync::PoisonError, time::Duration};

use anyhow::{Result, ensure};
use delivery::Unkind;
use serde_json::{Value, json};

use crate::{
    SEED, TURNS,
    world::{PATIENCE, Service, Stage, World, build, on},
};

/// Between two killings: long enough that work goes on, short enough to strike it.
const KILL_EVERY: Duration = Duration::from_millis(1500);
/// How often functions are killed at most; then it has to come to an end.
const KILLS_MAX: u32 = 12;
/// How often a person asks again.
const ASKED_MAX: u32 = 10;
/// How long ECS and CodeDeploy are away.
const AWAY: Duration = Duration::from_secs(2);

const DEV: Stage = Stage {
    name: "dev",
    count: 2,
    bake: "2s",
};

fn foul(world: &World) {
    world.system.delivery().set_unkind(Unkind {
        double: 1.0,
        delay: Some(Duration::ZERO..Duration::from_millis(800)),
        shuffle: 0.5,
        drop_best_effort: 1.0,
        seed: SEED,
    });
    world.system.fleet().set_unkind(fleet::Unkind {
        throttle: 0.25,
        lose_answer: 0.1,
        seed: SEED,
    });
}

fn fair(world: &World) {
    world.system.delivery().set_unkind(crate::unkind());
    world.system.fleet().set_unkind(fleet::Unkind::kind());
}

/// Kills functions every now and then; how many processes died.
async fn kill(world: &World) -> usize {
    let mut killed = 0;
    for _ in 0..KILLS_MAX {
        tokio::time::sleep(KILL_EVERY).await;
        killed += world.system.kill_functions();
    }
    killed
}

#[test]
fn killed_functions_and_a_throttled_platform_that_restarts_change_no_outcome() {
    let _turn = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    on(async |world| {
        let service = Service::on_instances(world, "battered", &[DEV]).await?;
        foul(world);
        // What is killed may be the command's function too, so the story is told beside it.
        let (killed, told) = tokio::join!(kill(world), story(world, &service));
        fair(world);
        let (good, bad, version) = told?;
        if cfg!(target_os = "linux") {
            ensure!(
                killed > 0,
                "no function was ever running when it was to be killed"
            );
        }
        service
            .until("the bad one is rolled back", |entry| {
                entry.is("rolled_back", "dev", bad)
            })
            .await?;
        set_alarm(world, "battered-dev-errors", "OK").await?;
        agree(world, &service, good, &version).await
    });
}

/// A good release, and a bad one that its alarm brings down; the numbers, and the good one's
/// version.
async fn story(world: &World, service: &Service) -> Result<(u64, u64, String)> {
    let version = service.upload(&build("1.0.0", 1)).await?;
    let good = service.released("1.0.0").await?;
    world.system.fleet().restart(AWAY);
    service.good("dev", good).await?;
    bake_long(world).await?;
    service.upload(&build("2.0.0", 2)).await?;
    let bad = service.released("2.0.0").await?;
    service
        .until("the bad one has begun", |entry| {
            entry.is("begun", "dev", bad)
        })
        .await?;
    set_alarm(world, "battered-dev-errors", "ALARM").await?;
    world.system.fleet().restart(AWAY);
    Ok((good, bad, version))
}

/// The stage bakes for so long from now on that the alarm comes in time, however slow the machine.
/// A function that is killed answers nobody: then people ask again.
async fn bake_long(world: &World) -> Result<()> {
    let path = world.folder.join("battered.yaml");
    let file = fs::read_to_string(&path)?;
    fs::write(&path, file.replace("bake: 2s", "bake: 2h"))?;
    let path = path.display().to_string();
    let mut tries = 0;
    loop {
        let asked = world.root.must(&["apply", &path]).await;
        tries += 1;
        if asked.is_ok() || tries == ASKED_MAX {
            return asked.map(drop);
        }
    }
}

/// The design's invariants, where they can be seen from outside.
async fn agree(world: &World, service: &Service, good: u64, version: &str) -> Result<()> {
    // What runs is what the ledger says.
    let content = format!("{}/battered/1.0.0.zip@{version}", world.bucket);
    let target = service.target("dev");
    let running = target.until(&world.account, &content, PATIENCE).await?;
    ensure!(running == 2, "{running} instances run release {good}");
    // The chain verifies, and its fold is the snapshot.
    world.root.must(&["verify", "battered"]).await?;
    let entries = service.ledger.entries().await?;
    let count = |kind: &str| entries.iter().filter(|one| one.kind() == kind).count();
    // No artefact is lost or taken twice, and there is one rollback for one bad release.
    ensure!(count("released") == 2, "{} releases", count("released"));
    ensure!(count("offered") == 2, "{} deployments", count("offered"));
    ensure!(count("rolled_back") == 1, "one rollback");
    ensure!(count("succeeded") == 1, "one success");
    // Everything of ours on the platform is one attempt that the ledger knows.
    let mut marks = BTreeSet::new();
    for description in descriptions(world).await? {
        let mark = description.split(' ').nth(1).unwrap_or_default().to_owned();
        ensure!(marks.insert(mark), "begun twice: {description}");
    }
    ensure!(marks.len() >= 2, "{marks:?}");
    // Who has to hear of it hears of it, at least once.
    world
        .notices
        .until("people hear of the rollback", PATIENCE, |notice| {
            notice.service == "battered" && notice.kind == "rolled-back"
        })
        .await?;
    Ok(())
}

/// What our deployments of the group are called.
async fn descriptions(world: &World) -> Result<Vec<String>> {
    let group = json!({ "applicationName": "battered", "deploymentGroupName": "dev" });
    let listed = world.account.codedeploy("ListDeployments", group).await?;
    let ids = listed.get("deployments").and_then(Value::as_array);
    let mut found = Vec::new();
    for id in ids.into_iter().flatten() {
        let input = json!({ "deploymentId": id });
        let got = world.account.codedeploy("GetDeployment", input).await?;
        let text = got.pointer("/deploymentInfo/description");
        let text = text.and_then(Value::as_str).unwrap_or_default();
        if text.starts_with("lastgood ") {
            found.push(text.to_owned());
        }
    }
    Ok(found)
}

async fn set_alarm(world: &World, alarm: &str, state: &str) -> Result<()> {
    let input = json!({
        "AlarmName": alarm,
        "StateValue": state,
        "StateReason": "set by hand",
    });
    world.account.cloudwatch("SetAlarmState", input).await?;
    Ok(())
}
