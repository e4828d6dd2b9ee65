//! The lifecycle hook: ECS asks `lifecycle-hook` before it goes on, and the stage's smoke checks
//! are the answer.

use std::fs;

use anyhow::{Context, Result};
use serde_json::json;

use crate::world::{Service, Stage, World, build, on};

const DEV: Stage = Stage {
    name: "dev",
    count: 2,
    bake: "1s",
};

/// An address of this machine at which nobody listens.
const NOBODY: &str = "http://127.0.0.1:9/health";

#[test]
fn a_smoke_check_that_fails_makes_ecs_roll_back_and_it_is_adopted() {
    on(async |world| {
        let service = Service::on_ecs(world, "hooked", &[DEV]).await?;
        let first = release(&service, "1.0.0", 1).await?;
        service.good("dev", first).await?;
        ask_the_hook(world, "hooked").await?;

        let second = release(&service, "1.1.0", 2).await?;
        service.good("dev", second).await?;

        smoke(world, "hooked", NOBODY).await?;
        let third = release(&service, "1.2.0", 3).await?;
        service
            .until("the platform rolls it back", |entry| {
                entry.is("rollback_adopted", "dev", third)
            })
            .await?;
        let back = service
            .until("the second release runs again", |entry| {
                entry.is("rolled_back", "dev", third)
            })
            .await?;
        let to = back.field("/to").context("where to")?;
        assert_eq!(*to, second);
        assert_eq!(service.count("stop_asked").await?, 0, "we send nothing");
        Ok(())
    });
}

async fn release(service: &Service, version: &str, number: u32) -> Result<u64> {
    service.push(&build(version, number)).await?;
    service.released(version).await
}

/// From now on ECS deploys blue/green and asks before production traffic moves.
async fn ask_the_hook(world: &World, name: &str) -> Result<()> {
    let outputs = world.system.outputs();
    let hook = json!({
        "targetType": "AWS_LAMBDA",
        "hookTargetArn": outputs.get("LifecycleHookFunctionArn")?,
        "roleArn": outputs.get("HookInvocationRoleArn")?,
        "lifecycleStages": ["POST_SCALE_UP"],
    });
    let input = json!({
        "cluster": format!("{name}-dev"),
        "service": name,
        "deploymentConfiguration": {
            "strategy": "BLUE_GREEN",
            "bakeTimeInMinutes": 0,
            "lifecycleHooks": [hook],
        },
    });
    world.account.ecs("UpdateService", input).await.map(drop)
}

async fn smoke(world: &World, name: &str, url: &str) -> Result<()> {
    let path = world.folder.join(format!("{name}.yaml"));
    let text = fs::read_to_string(&path)?;
    fs::write(&path, format!("{text}    smoke: [{{ url: \"{url}\" }}]\n"))?;
    let path = path.display().to_string();
    world.root.must(&["apply", &path]).await.map(drop)
}
