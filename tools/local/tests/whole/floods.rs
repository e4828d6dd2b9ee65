//! Much at once: uploads, and the same event again and again.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{PATIENCE, Service, Stage, build, on};

const UPLOADS: u32 = 50;
const REPEATS: usize = 20;
const DEV: Stage = Stage {
    name: "dev",
    count: 1,
    bake: "0s",
};

#[test]
fn fifty_uploads_at_once_are_fifty_releases_and_one_deployment_at_a_time() {
    on(async |world| {
        let service = Service::on_instances(world, "flooded", &[DEV]).await?;
        let mut uploads = JoinSet::new();
        for number in 0..UPLOADS {
            uploads.spawn(async move {
                let version = format!("1.0.{number}");
                // Without a build number nothing tells which of them is newer.
                let mut build = build(&version, 0);
                build.author = "a runaway job";
                world
                    .upload(&format!("flooded/{version}.zip"), &build)
                    .await
            });
        }
        while let Some(uploaded) = uploads.join_next().await {
            uploaded??;
        }
        let last = u64::from(UPLOADS);
        service
            .until("the fiftieth release", |entry| {
                entry.kind() == "released" && entry.release == Some(last)
            })
            .await?;
        service.good("dev", last).await?;
        let entries = service.ledger.entries().await?;
        let released = entries.iter().filter(|entry| entry.kind() == "released");
        let numbers: Vec<u64> = released.filter_map(|entry| entry.release).collect();
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "no gap, no double");
        assert!(
            service.count("flooded").await? > 0,
            "people are told of the flood"
        );
        one_at_a_time(&service).await
    });
}

/// No deployment of the group began before the one before it had ended.
async fn one_at_a_time(service: &Service) -> Result<()> {
    let account = &service.world.account;
    let input = json!({ "applicationName": service.name, "deploymentGroupName": "dev" });
    let listed = account.codedeploy("ListDeployments", input).await?;
    let ids = listed["deployments"].as_array().context("a list")?;
    let mut times = Vec::new();
    for id in ids {
        let told = account
            .codedeploy("GetDeployment", json!({ "deploymentId": id }))
            .await?;
        let time = |name: &str| told["deploymentInfo"][name].as_f64().context("a time");
        times.push((time("createTime")?, time("completeTime")?));
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(!times.is_empty());
    assert!(
        times.len() < 50,
        "only the newest of those that wait goes on, and not each of them: {}",
        times.len()
    );
    for pair in times.windows(2) {
        let [(_, ended), (began, _)] = pair else {
            continue;
        };
        assert!(began >= ended, "two at a time: {times:?}");
    }
    Ok(())
}

#[test]
fn the_same_event_twenty_times_is_one_release() {
    on(async |world| {
        let service = Service::on_instances(world, "repeated", &[DEV]).await?;
        let version = service.upload(&build("1.0.0", 1)).await?;
        let release = service.released("1.0.0").await?;
        let event = uploaded(&world.bucket, "repeated/1.0.0.zip", &version);
        let mut repeats = JoinSet::new();
        for _ in 0..REPEATS {
            let event = event.clone();
            repeats.spawn(async move {
                world
                    .account
                    .invoke("lastgood-artefact-uploaded", &event)
                    .await
            });
        }
        while let Some(invoked) = repeats.join_next().await {
            assert_eq!(invoked??.error, None);
        }
        service.good("dev", release).await?;
        assert_eq!(service.count("released").await?, 1);
        assert_eq!(service.count("offered").await?, 1);
        assert_eq!(service.count("start_asked").await?, 1);
        let told: BTreeSet<String> = world
            .notices
            .until("it is good", PATIENCE, |notice| {
                notice.is("repeated", "succeeded", "dev", release)
            })
            .await
            .map(|_| world.notices.heard())?
            .into_iter()
            .filter(|notice| notice.service == "repeated" && notice.kind == "succeeded")
            .map(|notice| notice.id)
            .collect();
        assert_eq!(told.len(), 1, "a repeat has the same id: {told:?}");
        Ok(())
    });
}

fn uploaded(bucket: &str, key: &str, version: &str) -> Value {
    json!({
        "version": "0",
        "id": "5d0c1f6e-3b7a-4c55-9e21-000000000001",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2026-11-23T09:12:41Z",
        "region": "eu-west-1",
        "resources": [format!("arn:aws:s3:::{bucket}")],
        "detail": {
            "version": "0",
            "bucket": { "name": bucket },
            "object": {
                "key": key,
                "size": 1000,
                "etag": "5eb63bbbe01eeed093cb22bb8f5acdc3",
                "version-id": version,
                "sequencer": "0067414A3B9E1C52F4",
            },
            "request-id": "C3D13FE58DE4C810",
            "requester": "111122223333",
            "source-ip-address": "203.0.113.24",
            "reason": "PutObject",
        },
    })
}
