//! The whole system, end to end, while events come twice, late and out of order, or not at all: it
//! takes longer, and ends the same.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on is to panic"
)]

#[path = "../whole/world.rs"]
#[allow(dead_code, reason = "the other binary uses the rest")]
mod world;

mod faults;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use delivery::Unkind;
use local::{Screen, demo};

use crate::world::{PATIENCE, Service, Stage, build, on};

/// Where all choices of the delivery come from.
const SEED: u64 = 7;

/// What AWS allows itself with events of every source.
fn unkind() -> Unkind {
    Unkind {
        double: 0.4,
        delay: Some(Duration::ZERO..Duration::from_millis(1500)),
        shuffle: 0.3,
        drop_best_effort: 0.0,
        seed: SEED,
    }
}

/// CodeDeploy never says a word: all it sends is lost.
fn silent() -> Unkind {
    Unkind {
        drop_best_effort: 1.0,
        ..unkind()
    }
}

/// One test after the other: how unkind everything is holds for all of it.
static TURNS: Mutex<()> = Mutex::new(());

#[test]
fn doubled_delayed_shuffled_and_lost_events_change_no_outcome() {
    let _turn = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    on(async |world| {
        world.system.delivery().set_unkind(silent());
        let stage = Stage {
            name: "dev",
            count: 2,
            bake: "0s",
        };
        let service = Service::on_instances(world, "unheard", &[stage]).await?;
        let version = service.upload(&build("1.0.0", 1)).await?;
        let release = service.released("1.0.0").await?;
        let content = format!("{}/unheard/1.0.0.zip@{version}", world.bucket);
        let running = service
            .target("dev")
            .until(&world.account, &content, PATIENCE);
        assert_eq!(running.await?, 2);
        world.system.delivery().set_unkind(unkind());

        demo::run(&world.system, &world.folder.join("demo"), Screen::Silent).await?;

        // What is overdue is looked at, after a minute.
        service.good("dev", release).await?;
        assert_eq!(service.count("start_asked").await?, 1);
        Ok(())
    });
}
