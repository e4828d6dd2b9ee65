//! What people hear in Slack of a service, and the buttons that they press there.

use std::fs;

use anyhow::{Context, Result, ensure};
use chatroom::{Chatroom, Posted};
use local::demo::{
    lastgood::Lastgood,
    ledger::{Entry, Ledger},
    targets,
};
use tokio::time::{Instant, sleep};

use crate::world::{PATIENCE, World, build, on};

const APPROVE: &str = "lastgood_approve";

/// Waits until the channel shows a message like this.
async fn shows(room: &Chatroom, what: &str, like: impl Fn(&Posted) -> bool) -> Result<Posted> {
    let began = Instant::now();
    loop {
        let mut messages = room.room().messages().into_iter();
        if let Some(found) = messages.find(&like) {
            return Ok(found);
        }
        let all = || -> Vec<String> {
            let messages = room.room().messages();
            messages.iter().map(|it| it.text().to_owned()).collect()
        };
        ensure!(began.elapsed() < PATIENCE, "{what}: {:#?}", all());
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Describes a service whose second stage takes buttons from everybody but authors.
async fn described(world: &World) -> Result<Ledger> {
    targets::make_application(&world.account, "talked").await?;
    for stage in ["test", "production"] {
        targets::make_group(&world.account, "talked", stage, 1).await?;
    }
    let file = format!(
        "service: talked\nartefact: {{ s3: {{ bucket: {}, prefix: talked/ }} }}\nstages:\n  \
         - name: test\n    target: {{ codedeploy: {{ application: talked, group: test }} }}\n    \
         bake: 0s\n  - name: production\n    \
         target: {{ codedeploy: {{ application: talked, group: production }} }}\n    \
         bake: 0s\n    gate:\n      approval:\n        approvers: [\"arn:aws:iam::*:user/*\"]\n        \
         from_slack: true\n",
        world.bucket
    );
    let path = world.folder.join("talked.yaml");
    fs::write(&path, file)?;
    let path = path.display().to_string();
    world.root.must(&["apply", &path]).await?;
    Ok(Ledger::new(world.root.clone(), "talked"))
}

/// Nobody gets in who is not mapped, not named, or not Slack.
async fn the_wrong_ones_are_refused(world: &World, question: &str) -> Result<()> {
    let room = world.system.chatroom();
    let pressed = async |user: &str| -> Result<String> {
        let done = room.press(user, APPROVE, question).await;
        ensure!(done.is_ok(), "Slack has to be answered: {done:?}");
        room.room().asides().pop().context("nobody was told")
    };
    let stranger = pressed("U0EVE").await?;
    ensure!(stranger.contains("does not know who you are"), "{stranger}");
    let author = pressed("U0RAVI").await?;
    ensure!(author.contains("author may not approve"), "{author}");

    let url = world.system.outputs().get("ButtonsUrl").unwrap();
    let url = gateway::plain_address(&world.system.endpoint(), url).context("an address")?;
    let forged = reqwest::Client::new()
        .post(url)
        .header("x-slack-request-timestamp", "1764151260")
        .header("x-slack-signature", "v0=00")
        .body("payload=%7B%7D")
        .send()
        .await?;
    ensure!(forged.status() == 401, "{}", forged.status());
    Ok(())
}

#[test]
fn a_release_is_approved_with_a_button_and_the_same_message_tells_how_it_goes() {
    on(async |world| {
        let (ledger, room) = (described(world).await?, world.system.chatroom());
        world.upload("talked/1.0.0.zip", &build("1.0.0", 1)).await?;
        let asks = |number: u64| {
            let begins = format!("talked production release {number} waits for an approval");
            move |it: &Posted| it.text() == begins && it.button(APPROVE).is_some()
        };
        let asked = shows(room, "release 1 waits", asks(1)).await?;
        let question = asked.button(APPROVE).context("a question")?;
        the_wrong_ones_are_refused(world, question).await?;

        // A double click.
        let click = || room.press("U0ALICE", APPROVE, question);
        let (first, second) = tokio::join!(click(), click());
        ensure!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
        let good = |it: &Entry| it.is("succeeded", "production", 1);
        ledger
            .until("release 1 is good", PATIENCE, |_| (), good)
            .await?;
        let entries = ledger.entries().await?;
        let approved = entries.iter().filter(|it| it.kind() == "approved");
        ensure!(approved.count() == 1, "two clicks are one approval");
        let stamped = |it: &Posted| {
            let whole = it.body.to_string();
            it.ts == asked.ts
                && it.text().ends_with("is good")
                && whole.contains("approved by alice")
        };
        let stamped = shows(room, "the message is stamped", stamped).await?;
        ensure!(stamped.button(APPROVE).is_none(), "its buttons are gone");

        // A decision from elsewhere turns the buttons into a stamp too.
        world.upload("talked/1.1.0.zip", &build("1.1.0", 2)).await?;
        let asked = shows(room, "release 2 waits", asks(2)).await?;
        let mira = Lastgood::of(&world.system, "mira")?;
        mira.must(&[
            "reject",
            "talked",
            "production",
            "2",
            "--reason",
            "not today",
        ])
        .await?;
        let rejected = |it: &Posted| it.ts == asked.ts && it.text().contains("rejected by mira");
        let rejected = shows(room, "the rejection is shown", rejected).await?;
        ensure!(rejected.button(APPROVE).is_none(), "its buttons are gone");

        // Who presses what an old screen still shows hears how things stand.
        let question = asked.button(APPROVE).context("a question")?;
        let late = room.press("U0ALICE", APPROVE, question).await;
        let told = room.room().asides().pop().unwrap_or_default();
        ensure!(late.is_ok() && told.contains("does not wait"), "{told}");
        Ok(())
    });
}
