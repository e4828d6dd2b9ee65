//! Changes behind the ledger's back: somebody deploys by hand, and a person says what becomes of
//! it.

use anyhow::{Context, Result, ensure};
use local::demo::ledger::Entry;
use serde_json::{Value, json};

use crate::world::{PATIENCE, Service, Stage, World, build, on};

/// What somebody deploys by hand.
const FIX: &str = "by-hand/fix.zip";

const DEV: Stage = Stage {
    name: "dev",
    count: 1,
    bake: "1s",
};

/// Two releases went through; the second runs.
async fn released_twice(service: &Service) -> Result<()> {
    for (version, number) in [("1.0.0", 1), ("2.0.0", 2)] {
        if service.name == "drifting" {
            service.upload(&build(version, number)).await?;
        } else {
            service.push(&build(version, number)).await?;
        }
        let release = service.released(version).await?;
        service.good("dev", release).await?;
    }
    Ok(())
}

/// The one service's stage, as `status` has it.
async fn stage(service: &Service) -> Result<Value> {
    let status: Value = service.world.root.json(&["status", service.name]).await?;
    let view = status
        .pointer("/stages/0")
        .or(status.pointer("/0/stages/0"));
    view.cloned().with_context(|| status.to_string())
}

/// Somebody deploys an archive that is no release.
async fn deploy_by_hand(world: &World, version: &str) -> Result<()> {
    let location = json!({
        "bucket": world.bucket, "key": FIX, "bundleType": "zip", "version": version,
    });
    let input = json!({
        "applicationName": "drifting",
        "deploymentGroupName": "dev",
        "revision": { "revisionType": "S3", "s3Location": location },
    });
    let made = world.account.codedeploy("CreateDeployment", input).await;
    made.map(drop)
}

#[test]
fn a_deployment_by_hand_is_told_and_restored_and_another_is_adopted() {
    on(async |world| {
        let service = Service::on_instances(world, "drifting", &[DEV]).await?;
        released_twice(&service).await?;
        let version = world.upload(FIX, &build("2.0.1", 9)).await?;
        deploy_by_hand(world, &version).await?;
        let drifted = is_told(&service, &version).await?;
        is_restored(&service, &drifted).await?;
        deploy_by_hand(world, &version).await?;
        is_adopted(&service, &drifted).await
    });
}

/// Who called, and what runs instead.
async fn is_told(service: &Service, version: &str) -> Result<Entry> {
    let called = service
        .until("the call is recorded", |entry| entry.kind() == "call_seen")
        .await?;
    let call = called.field("/call").context("a call")?;
    assert_eq!(call["action"], "codedeploy:CreateDeployment");
    ensure!(
        call["by"].as_str().is_some_and(|by| by.ends_with(":root")),
        "{call}"
    );
    let drifted = service
        .until("it drifted", |entry| entry.kind() == "drifted")
        .await?;
    let others = drifted.field("/others/0").and_then(Value::as_str);
    let fix = format!("{}/{FIX}@{version}", service.world.bucket);
    assert_eq!(others, Some(&*fix));
    let view = stage(service).await?;
    assert_eq!(view["state"], "drifted", "{view}");
    assert_eq!(view["drift"]["expected"], 2, "{view}");
    Ok(drifted)
}

/// The next release waits for a person, who has the one before it brought back first.
async fn is_restored(service: &Service, drifted: &Entry) -> Result<()> {
    service.upload(&build("3.0.0", 3)).await?;
    let third = service.released("3.0.0").await?;
    let what = "3.0.0 waits for a person to say what becomes of the drift";
    service
        .until(what, |entry| {
            entry.is("waits", "dev", third) && entry.field("/on/drift").is_some()
        })
        .await?;
    let root = &service.world.root;
    root.must(&["restore", "drifting", "dev"]).await?;
    service
        .until("release 2 is asked back", |entry| {
            entry.is("start_asked", "dev", 2) && entry.seq() > drifted.seq()
        })
        .await?;
    service.good("dev", third).await.map(drop)
}

async fn is_adopted(service: &Service, before: &Entry) -> Result<()> {
    let root = &service.world.root;
    let drifted = service
        .until("it drifted again", |entry| {
            entry.kind() == "drifted" && entry.seq() > before.seq()
        })
        .await?;
    let adopt = [
        "adopt",
        "drifting",
        "dev",
        "--reason",
        "it puts the fire out",
    ];
    root.must(&adopt).await?;
    let adopted = service
        .until("it is adopted", |entry| {
            entry.kind() == "adopted" && entry.seq() > drifted.seq()
        })
        .await?;
    let view = stage(service).await?;
    assert_eq!(view["state"], "good", "{view}");
    assert_eq!(view["runs"]["number"], json!(adopted.release), "{view}");
    assert_eq!(view["drift"], Value::Null, "{view}");
    let twice = root.run(&adopt).await?;
    assert_eq!(twice.code, Some(4), "{}", twice.err);
    ensure!(twice.err.contains("did not drift"), "{}", twice.err);
    Ok(())
}

#[test]
fn a_task_definition_put_on_a_service_by_hand_is_drift() {
    on(async |world| {
        let account = &world.account;
        let service = Service::on_ecs(world, "handled", &[DEV]).await?;
        let old = service.push(&build("1.0.0", 1)).await?;
        let first = service.released("1.0.0").await?;
        service.good("dev", first).await?;
        let input = json!({ "cluster": "handled-dev", "services": ["handled"] });
        let described = account.ecs("DescribeServices", input).await?;
        let definition = described["services"][0]["taskDefinition"].clone();
        service.push(&build("2.0.0", 2)).await?;
        let second = service.released("2.0.0").await?;
        service.good("dev", second).await?;

        let update = json!({
            "cluster": "handled-dev", "service": "handled", "taskDefinition": definition,
        });
        account.ecs("UpdateService", update).await?;
        let drifted = service
            .until("it drifted", |entry| entry.kind() == "drifted")
            .await?;
        assert_eq!(drifted.field("/others/0"), Some(&json!(old)));
        assert_eq!(drifted.field("/expected"), Some(&json!(second)));
        let running = service.target("dev").until(account, &old, PATIENCE);
        assert_eq!(running.await?, 1);
        // What it drifted to is a release, so that it is adopted as that.
        let adopt = ["adopt", "handled", "dev", "--reason", "2 is slow"];
        world.root.must(&adopt).await?;
        service
            .until("release 1 is adopted", |entry| {
                entry.is("adopted", "dev", first) && entry.seq() > drifted.seq()
            })
            .await?;
        Ok(())
    });
}
