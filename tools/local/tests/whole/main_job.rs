//! The main job on both kinds of target, as `cargo local demo` plays it: every step must be
//! observed in the ledger, on the platform and in what people hear.

use local::{Screen, demo};

use crate::world::on;

#[test]
fn releases_reach_production_and_a_bad_one_comes_back() {
    on(async |world| demo::run(&world.system, &world.folder.join("demo"), Screen::Silent).await);
}
