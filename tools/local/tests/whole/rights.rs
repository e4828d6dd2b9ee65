//! Who may deploy: the deployer's role and no other function's.

use anyhow::{Context, Result};
use gateway::Signer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{World, on};

const FUNCTIONS: [&str; 10] = [
    "alarm-changed",
    "api-call-recorded",
    "approval",
    "artefact-uploaded",
    "command",
    "deployment-changed",
    "image-pushed",
    "lifecycle-hook",
    "notifier",
    "reconciler",
];

/// Calls that change what runs, with inputs of things that are not there.
fn calls() -> [(&'static str, &'static str, Value); 5] {
    let revision = json!({
        "revisionType": "S3",
        "s3Location": { "bucket": "b", "key": "k.zip", "bundleType": "zip", "version": "1" },
    });
    [
        (
            "codedeploy",
            "CreateDeployment",
            json!({ "applicationName": "none", "deploymentGroupName": "none", "revision": revision }),
        ),
        (
            "codedeploy",
            "StopDeployment",
            json!({ "deploymentId": "d-000000000" }),
        ),
        (
            "ecs",
            "UpdateService",
            json!({ "cluster": "none", "service": "none" }),
        ),
        (
            "ecs",
            "RegisterTaskDefinition",
            json!({ "family": "none", "containerDefinitions": [{ "name": "a", "image": "a" }] }),
        ),
        (
            "ecs",
            "StopServiceDeployment",
            json!({ "serviceDeploymentArn":
                "arn:aws:ecs:eu-west-1:111122223333:service-deployment/none/none/aaaaaaaaaaaaaaaaaaaaa" }),
        ),
    ]
}

#[test]
fn only_the_deployer_may_change_what_runs() {
    on(async |world| {
        for function in FUNCTIONS.into_iter().chain(["deployer"]) {
            // MiniStack knows a function's credentials once it has started the function.
            let nothing = json!({});
            world
                .account
                .invoke(&format!("lastgood-{function}"), &nothing)
                .await?;
        }
        for function in FUNCTIONS {
            for (service, operation, _) in calls() {
                let said = call(world, function, service, operation).await?;
                assert!(
                    said.contains("AccessDenied"),
                    "{function} {operation}: {said}"
                );
            }
        }
        for (service, operation, _) in calls() {
            let said = call(world, "deployer", service, operation).await?;
            assert!(
                !said.contains("AccessDenied"),
                "deployer {operation}: {said}"
            );
        }
        Ok(())
    });
}

/// What AWS says when a function's role calls.
async fn call(world: &World, function: &str, service: &str, operation: &str) -> Result<String> {
    let account = world.account.signed_by(credentials(world, function)?);
    let mut all = calls().into_iter();
    let (_, _, input) = all.find(|call| call.1 == operation).context("a call")?;
    let said = match service {
        "ecs" => account.ecs(operation, input).await,
        _ => account.codedeploy(operation, input).await,
    };
    Ok(match said {
        Ok(answer) => answer.to_string(),
        Err(error) => format!("{error:#}"),
    })
}

/// The credentials that MiniStack gives to a function: they follow from its ARN and its role's.
fn credentials(world: &World, function: &str) -> Result<Signer> {
    let home = world.system.home();
    let name = format!("lastgood-{function}");
    let arn = format!(
        "arn:aws:lambda:{}:{}:function:{name}",
        home.region, home.account
    );
    let role = format!("arn:aws:iam::{}:role/{name}-{}", home.account, home.region);
    let digest = hex::encode(Sha256::digest(format!("{arn}:{role}")));
    let digits = digest.get(..16).context("a digest")?;
    Ok(Signer {
        access_key: format!("ASIA{}", digits.to_uppercase()),
        secret: hex::encode(Sha256::digest(format!("secret:{digest}"))),
        token: Some(hex::encode(Sha256::digest(format!("token:{digest}")))),
        region: home.region.clone(),
    })
}
