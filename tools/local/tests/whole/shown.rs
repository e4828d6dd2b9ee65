//! What GitHub shows of where the commits of a service run.

use anyhow::{Context, Result, ensure};
use local::demo::artefacts::Start;
use tokio::time::{Instant, sleep};
use workshop::Deployment;

use crate::world::{PATIENCE, Service, Stage, World, build, on};

/// Waits until the deployments of the service stand like this, the oldest first.
async fn stand(world: &World, states: &[&str]) -> Result<Vec<Deployment>> {
    let began = Instant::now();
    loop {
        let mut all = world.system.workshop().site().deployments();
        all.retain(|it| it.repository == "shop/shown");
        let now: Vec<&str> = all.iter().map(Deployment::state).collect();
        if now == states {
            return Ok(all);
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "wanted {states:?}, and there is {now:?}: {all:#?}"
        );
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[test]
fn a_commit_is_shown_where_it_runs_and_no_longer_where_it_ran() {
    on(async |world| {
        let live = Stage {
            name: "production",
            count: 1,
            bake: "0s",
        };
        let service = Service::on_instances(world, "shown", &[live]).await?;
        let good = build("1.0.0", 1);
        service.upload(&good).await?;
        let all = stand(world, &["success"]).await?;
        let first = all.first().context("a deployment")?;
        ensure!(first.commit == good.commit(), "{first:?}");
        ensure!(first.environment == "shown/production", "{first:?}");
        ensure!(first.description == "shown release 1, 1.0.0", "{first:?}");
        let said: Vec<&str> = first
            .statuses
            .iter()
            .map(|status| status.description.as_str())
            .collect();
        ensure!(
            said == [
                "shown production release 1: is being deployed",
                "shown production release 1: is good",
            ],
            "{said:?}"
        );

        // A bad one fails, and what runs stays.
        let mut bad = build("1.1.0", 2);
        bad.start = Start::Crashes;
        service.upload(&bad).await?;
        service
            .until("release 2 is undone", |it| {
                it.is("rolled_back", "production", 2)
            })
            .await?;
        stand(world, &["success", "failure"]).await?;

        service.upload(&build("1.2.0", 3)).await?;
        stand(world, &["inactive", "failure", "success"]).await?;

        // A person goes back: the old commit runs again.
        let why = ["rollback", "shown", "production", "--reason", "errors"];
        world.root.must(&why).await?;
        let all = stand(world, &["inactive", "failure", "inactive", "success"]).await?;
        let last = all.last().context("a deployment")?;
        ensure!(last.commit == good.commit(), "{last:?}");
        Ok(())
    });
}
