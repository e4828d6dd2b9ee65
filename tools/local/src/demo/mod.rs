//! The main job, played on the local system for people to watch: two services, three releases each,
//! the last of them bad. What is shown is what was observed; nothing is shown because it should be
//! so.
//!
//! The end-to-end tests use the same hands and eyes: `account`, `artefacts`, `targets`, `lastgood`,
//! `ledger`, `notices`, `running` and `load` are public for them.

pub mod account;
pub mod artefacts;
pub mod elsewhere;
pub mod lastgood;
pub mod ledger;
pub mod load;
pub mod notices;
mod play;
mod report;
pub mod running;
pub mod sample;
mod show;
mod stage;
pub mod targets;

use std::{
    fs,
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};

use self::{
    play::Player,
    report::{Row, Seen},
    show::Show,
    stage::{PRODUCTION, Scene},
};
use crate::{screen::Screen, system::System};

/// What the audience has to know first.
const INTRODUCTION: &str = "
Two services of a small company, with the stages dev, test and production:
  shop     containers on ECS
  billing  an application on instances, deployed by CodeDeploy
Ravi writes releases. Alice approves what goes to production. Lastgood does the rest.";
/// How many of the last entries the history shows.
const HISTORY: &str = "14";

/// Plays everything on a system that runs; what it writes goes to `folder`. Every step must be
/// observed.
///
/// # Errors
/// When a step was not observed: which one, and what was seen instead.
pub async fn run(system: &System, folder: &Path, screen: Screen) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let show = Show::new(screen);
    show.line(INTRODUCTION);
    let scene = Scene::set(system, folder, show).await?;
    let (rows, seen) = (Mutex::default(), Mutex::default());
    let played = acts(&scene, &rows, &seen).await;
    let print = |text: &str| {
        if screen != Screen::Silent {
            // A closed standard output is nobody's loss.
            drop(writeln!(io::stdout(), "{}", text.trim_end()));
        }
    };
    let told = match &played {
        Ok(()) => histories(&scene, print).await,
        Err(_) => Ok(()),
    };
    let rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !rows.is_empty() {
        print(&format!("\n{}", report::table(&rows)));
    }
    played.and(told)?;
    print(&format!(
        "\nEvery step was observed: {} times in the ledger, {} times on the platform, {} times in \
         what people heard.",
        seen.ledger, seen.fleet, seen.notices
    ));
    Ok(())
}

async fn acts(scene: &Scene, rows: &Mutex<Vec<Row>>, seen: &Mutex<Seen>) -> Result<()> {
    let [shop, billing] = scene.services.each_ref().map(|service| Player {
        scene,
        service,
        lane: scene.show.lane(service.name),
        rows,
        seen,
    });
    let show = &scene.show;
    show.act(
        "A first release goes to dev and test by itself, and waits for a person at production.",
    );
    tokio::try_join!(shop.first(), billing.first())?;
    show.act("A second one replaces it in production, while customers use the services.");
    tokio::try_join!(shop.second(), billing.second())?;
    show.act("A third one is bad: it answers every fourth request with an error.");
    tokio::try_join!(shop.third(), billing.third())?;
    Ok(())
}

/// The story once more, as `lastgood history` tells it; and the proof that nobody changed it.
async fn histories(scene: &Scene, print: impl Fn(&str)) -> Result<()> {
    for service in &scene.services {
        let arguments = [
            "history",
            service.name,
            "--stage",
            PRODUCTION,
            "-n",
            HISTORY,
        ];
        let history = scene.root.must(&arguments).await?;
        print(&format!("\n$ lastgood {}\n{history}", arguments.join(" ")));
        let verified = scene.root.must(&["verify", service.name]).await?;
        print(&format!("$ lastgood verify {}\n{verified}", service.name));
    }
    Ok(())
}
