//! Meanings that are easily got wrong: older builds, old images under new tags, a platform that
//! goes back by itself, a desired count that somebody changes.

use anyhow::Result;
use local::demo::artefacts::{self, Start};
use serde_json::{Value, json};

use crate::world::{PATIENCE, Service, Stage, build, on};

const DEV: Stage = Stage {
    name: "dev",
    count: 2,
    bake: "1s",
};

#[test]
fn an_older_build_uploaded_last_goes_nowhere() {
    on(async |world| {
        let service = Service::on_instances(world, "older", &[DEV]).await?;
        let version = service.upload(&build("1.7.0", 7)).await?;
        let newer = service.released("1.7.0").await?;
        service.good("dev", newer).await?;
        service.upload(&build("1.5.0", 5)).await?;
        let older = service.released("1.5.0").await?;
        let held = service
            .until("the older one is held back", |entry| {
                entry.is("held_back", "dev", older)
            })
            .await?;
        assert!(held.why.contains(&newer.to_string()), "{}", held.why);
        assert_eq!(service.count("start_asked").await?, 1);
        let content = format!("{}/older/1.7.0.zip@{version}", world.bucket);
        let running = service
            .target("dev")
            .until(&world.account, &content, PATIENCE);
        assert_eq!(running.await?, 2);
        Ok(())
    });
}

#[test]
fn an_old_image_under_a_new_tag_is_no_release() {
    on(async |world| {
        let service = Service::on_ecs(world, "retagged", &[DEV]).await?;
        let old = service.push(&build("1.0.0", 1)).await?;
        let first = service.released("1.0.0").await?;
        service.good("dev", first).await?;
        let new = service.push(&build("2.0.0", 2)).await?;
        let second = service.released("2.0.0").await?;
        service.good("dev", second).await?;

        let input = json!({ "repositoryName": "retagged", "imageIds": [{ "imageDigest": old }] });
        let image = world.account.ecr("BatchGetImage", input).await?;
        let manifest = image["images"][0]["imageManifest"]
            .as_str()
            .unwrap_or_default();
        let again =
            artefacts::put_manifest(&world.account, "retagged", Some("3.0.0"), manifest).await?;
        assert_eq!(again, old, "it is the same image");
        // What comes after it in the same queue has been decided when it has.
        service.push(&build("4.0.0", 4)).await?;
        let last = service.released("4.0.0").await?;
        service.good("dev", last).await?;

        assert_eq!(last, second + 1, "the tag made no release");
        let entries = service.ledger.entries().await?;
        let begun = entries.iter().filter(|entry| entry.kind() == "start_asked");
        let begun: Vec<Option<u64>> = begun.map(|entry| entry.release).collect();
        assert_eq!(begun, [Some(first), Some(second), Some(last)]);
        assert_ne!(new, old);
        Ok(())
    });
}

#[test]
fn a_platform_that_goes_back_by_itself_is_followed_and_proves_nothing() {
    on(async |world| {
        let service = Service::on_ecs(world, "breaking", &[DEV]).await?;
        let good = service.push(&build("1.0.0", 1)).await?;
        let first = service.released("1.0.0").await?;
        service.good("dev", first).await?;
        let mut crashing = build("2.0.0", 2);
        crashing.start = Start::Crashes;
        service.push(&crashing).await?;
        let bad = service.released("2.0.0").await?;
        service
            .until("ECS goes back", |entry| {
                entry.is("rollback_adopted", "dev", bad)
            })
            .await?;
        let end = service
            .until("it is rolled back", |entry| {
                entry.is("rolled_back", "dev", bad)
            })
            .await?;
        assert_eq!(end.field("/to").and_then(Value::as_u64), Some(first));
        let running = service.target("dev").until(&world.account, &good, PATIENCE);
        assert_eq!(running.await?, 2);
        let entries = service.ledger.entries().await?;
        assert!(
            !entries
                .iter()
                .any(|entry| entry.is("succeeded", "dev", bad))
        );
        assert_eq!(
            service.count("return_asked").await?,
            0,
            "nothing of our own is sent"
        );
        assert_eq!(service.count("stop_asked").await?, 0);
        let quarantined = entries
            .iter()
            .any(|entry| entry.is("quarantined", "dev", bad));
        assert!(quarantined, "it is not tried again by itself");
        world
            .notices
            .until("people hear of it", PATIENCE, |notice| {
                notice.is("breaking", "rolled-back", "dev", bad)
            })
            .await?;
        Ok(())
    });
}

#[test]
fn a_desired_count_that_changes_meanwhile_stays() {
    on(async |world| {
        let service = Service::on_ecs(world, "scaled", &[DEV]).await?;
        let first = service.push(&build("1.0.0", 1)).await?;
        let number = service.released("1.0.0").await?;
        service
            .until("it has begun", |entry| entry.is("begun", "dev", number))
            .await?;
        scale(&service, 4).await?;
        service.good("dev", number).await?;
        let running = service
            .target("dev")
            .until(&world.account, &first, PATIENCE);
        assert_eq!(running.await?, 4);
        let second = service.push(&build("2.0.0", 2)).await?;
        let number = service.released("2.0.0").await?;
        service.good("dev", number).await?;
        let running = service
            .target("dev")
            .until(&world.account, &second, PATIENCE);
        assert_eq!(running.await?, 4, "the next release keeps it too");
        Ok(())
    });
}

async fn scale(service: &Service, count: u32) -> Result<()> {
    let cluster = format!("{}-dev", service.name);
    let input = json!({ "cluster": cluster, "service": service.name, "desiredCount": count });
    service
        .world
        .account
        .ecs("UpdateService", input)
        .await
        .map(drop)
}
