//! Every sample event on the function that it is for: nothing crashes, and nothing acts, because
//! what the samples tell of is not there, or is not so.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::world::{Service, Stage, World, build, on};

const FUNCTIONS: [&str; 10] = [
    "alarm-changed",
    "api-call-recorded",
    "artefact-uploaded",
    "command",
    "deployer",
    "deployment-changed",
    "image-pushed",
    "lifecycle-hook",
    "notifier",
    "reconciler",
];

/// What may end with an error: hooks, whose caller has to hear of it, and the stream's consumers,
/// for which it is the way to the dead letters.
const MAY_FAIL: [&str; 3] = ["deployer", "lifecycle-hook", "notifier"];

#[test]
fn sample_events_crash_nothing_and_set_nothing_off() {
    on(async |world| {
        let stage = Stage {
            name: "dev",
            count: 1,
            bake: "0s",
        };
        // A service that has nothing to do with any of them.
        let service = Service::on_instances(world, "bystander", &[stage]).await?;
        service.upload(&build("1.0.0", 1)).await?;
        let release = service.released("1.0.0").await?;
        service.good("dev", release).await?;
        let before = service.ledger.entries().await?;

        let mut failures = Vec::new();
        for function in FUNCTIONS {
            let folders = [function.to_owned(), format!("refused/{function}")];
            for folder in folders {
                failures.extend(feed(world, function, &folder).await?);
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        assert_eq!(service.ledger.entries().await?, before);
        for name in ["web", "checkout"] {
            let entries = local::demo::ledger::Ledger::new(world.root.clone(), name);
            // There may be none at all, which the command line says as an error.
            let entries = entries.entries().await.unwrap_or_default();
            assert!(
                !entries.iter().any(|entry| entry.kind() == "begun"),
                "{entries:?}"
            );
        }
        let applications = world
            .account
            .codedeploy("ListApplications", json!({}))
            .await?;
        assert!(
            !applications.to_string().contains("checkout"),
            "{applications}"
        );
        Ok(())
    });
}

/// Invokes a function with every file of a folder; tells which of them made it fail.
async fn feed(world: &World, function: &str, folder: &str) -> Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    let mut failures = Vec::new();
    for file in fs::read_dir(root.join(folder)).with_context(|| folder.to_owned())? {
        let path = file?.path();
        // What is no JSON, Lambda itself refuses.
        let Ok(event) = serde_json::from_str::<Value>(&here(world, &fs::read_to_string(&path)?))
        else {
            continue;
        };
        let invoked = world
            .account
            .invoke(&format!("lastgood-{function}"), &event)
            .await?;
        let Some(error) = invoked.error else { continue };
        // A crash or a timeout has a type of Lambda's own.
        let told = invoked.payload["errorType"] == "Failed" && MAY_FAIL.contains(&function);
        if !told {
            failures.push(format!("{}: {error}: {}", path.display(), invoked.payload));
        }
    }
    Ok(failures)
}

/// The samples' place, turned into this system's.
fn here(world: &World, event: &str) -> String {
    event
        .replace("lastgood-artefacts-111122223333-ap-south-1", &world.bucket)
        .replace("ap-south-1", &world.system.home().region)
}
