//! Who may do what, with real identities and IAM enforced: the policies of the template decide who
//! may ask at all, the stage's rule who may approve.

use std::fs;

use anyhow::Result;
use local::demo::{
    artefacts,
    lastgood::Lastgood,
    ledger::{Entry, Ledger},
    notices::Notice,
    targets,
};

use crate::world::{PATIENCE, World, build, on};

const NOT_ALLOWED: Option<i32> = Some(4);
const SUPERSEDED: Option<i32> = Some(6);

struct Crew {
    alice: Lastgood,
    mira: Lastgood,
    ravi: Lastgood,
    vera: Lastgood,
}

/// Runs a command and checks how it ended; gives what it said.
async fn ends(who: &Lastgood, arguments: &[&str], code: Option<i32>, says: &str) -> Result<()> {
    let said = who.run(arguments).await?;
    let all = format!("{}{}", said.out, said.err);
    anyhow::ensure!(
        said.code == code && all.contains(says),
        "lastgood {} ended with {:?}: {all}\nwanted {code:?} and {says:?}",
        arguments.join(" "),
        said.code
    );
    Ok(())
}

/// A service whose second stage waits for two people.
fn described(world: &World, path: &std::path::Path, expires_after: &str) -> Result<()> {
    let bucket = &world.bucket;
    let file = format!(
        "service: guarded\nartefact: {{ s3: {{ bucket: {bucket}, prefix: guarded/ }} }}\nstages:\n  \
         - name: dev\n    target: {{ codedeploy: {{ application: guarded, group: dev }} }}\n    \
         bake: 0s\n  - name: production\n    \
         target: {{ codedeploy: {{ application: guarded, group: production }} }}\n    \
         bake: 0s\n    gate:\n      approval:\n        approvers: [\"arn:aws:iam::*:user/*\"]\n        \
         count: 2\n        expires_after: {expires_after}\n"
    );
    Ok(fs::write(path, file)?)
}

#[test]
fn iam_says_who_may_ask_and_the_rule_says_who_may_approve() {
    on(async |world| {
        let person = |name| Lastgood::of(&world.system, name);
        let crew = Crew {
            alice: person("alice")?,
            mira: person("mira")?,
            ravi: person("ravi")?,
            vera: person("vera")?,
        };
        // Its minute passes while everything else is tried.
        let fleeting = fleeting(world).await?;
        targets::make_application(&world.account, "guarded").await?;
        for stage in ["dev", "production"] {
            targets::make_group(&world.account, "guarded", stage, 1).await?;
        }
        let path = world.folder.join("guarded.yaml");
        described(world, &path, "7d")?;
        let file = path.display().to_string();
        crew.alice.must(&["apply", &file]).await?;
        world
            .upload("guarded/1.0.0.zip", &build("1.0.0", 1))
            .await?;
        let ledger = Ledger::new(world.root.clone(), "guarded");
        let waits = async |number: u64| {
            let what = format!("release {number} waits");
            let wanted = |it: &Entry| {
                it.is("waits", "production", number) && it.field("/on/approval").is_some()
            };
            ledger.until(&what, PATIENCE, |_| (), wanted).await
        };
        waits(1).await?;
        the_wrong_role_is_refused_by_iam(world, &crew, &file).await?;

        let approve = ["approve", "guarded", "production", "1"];
        ends(&crew.ravi, &approve, NOT_ALLOWED, "author may not approve").await?;
        ends(&crew.mira, &approve, Some(0), "approves release").await?;
        ends(&crew.mira, &approve, Some(0), "nothing to do").await?;
        let entries = ledger.entries().await?;
        let begun = entries
            .iter()
            .any(|it| it.kind() == "start_asked" && it.stage.as_deref() == Some("production"));
        anyhow::ensure!(!begun, "the second approval of one person counts once");

        // A changed configuration voids what was given.
        described(world, &path, "6d")?;
        crew.alice.must(&["apply", &file]).await?;
        let voided = |it: &Entry| it.kind() == "approvals_voided";
        ledger
            .until("approvals are void", PATIENCE, |_| (), voided)
            .await?;

        // A newer release that reaches the gate supersedes the one that waits.
        world
            .upload("guarded/1.1.0.zip", &build("1.1.0", 2))
            .await?;
        waits(2).await?;
        ends(&crew.mira, &approve, SUPERSEDED, "release 2 does").await?;

        let approve = ["approve", "guarded", "production", "2"];
        ends(&crew.mira, &approve, Some(0), "approves release").await?;
        ends(&crew.alice, &approve, Some(0), "approves release").await?;
        let good = |it: &Entry| it.is("succeeded", "production", 2);
        ledger
            .until("release 2 is good", PATIENCE, |_| (), good)
            .await?;
        // Who may not approve hears that also when nothing is left to approve.
        ends(&crew.ravi, &approve, NOT_ALLOWED, "author may not approve").await?;
        an_expired_request_cannot_be_approved(&crew, &fleeting).await
    });
}

#[test]
fn who_may_release_may_try_whether_announcements_arrive() {
    on(async |world| {
        let (ravi, vera) = (
            Lastgood::of(&world.system, "ravi")?,
            Lastgood::of(&world.system, "vera")?,
        );
        // Other tests' alarms are the doctor's business too, so only what it says of this is read.
        let said = ravi.run(&["doctor", "--announce"]).await?.out;
        anyhow::ensure!(said.contains("as the stack"), "one version: {said}");
        anyhow::ensure!(said.contains("is on its way"), "{said}");
        let heard = |it: &Notice| {
            it.kind == "test" && it.service == "everything" && it.subject.ends_with("by ravi")
        };
        world
            .notices
            .until("the test arrives", PATIENCE, heard)
            .await?;
        let said = vera.run(&["doctor", "--announce"]).await?.out;
        anyhow::ensure!(
            said.contains("ILL    announce"),
            "readers ask for nothing: {said}"
        );
        Ok(())
    });
}

/// Readers cannot ask, approvers can neither deploy nor publish, and nobody comes in by the wrong
/// door.
async fn the_wrong_role_is_refused_by_iam(world: &World, crew: &Crew, file: &str) -> Result<()> {
    let refused = "does not let this identity ask";
    crew.vera.must(&["status", "guarded"]).await?;
    for arguments in [
        &["approve", "guarded", "production", "1"][..],
        &["rollback", "guarded", "production", "--reason", "errors"],
        &["freeze", "--all", "--reason", "no"],
    ] {
        ends(&crew.vera, arguments, NOT_ALLOWED, refused).await?;
    }
    for arguments in [
        &["apply", file][..],
        &["rollback", "guarded", "production", "--reason", "errors"],
        &["promote", "guarded", "production", "1"],
        &["freeze", "--all", "--reason", "no"],
    ] {
        ends(&crew.mira, arguments, NOT_ALLOWED, refused).await?;
    }
    let made = artefacts::write_bundle(&world.folder.join("guarded"), &build("9.9.9", 9))?;
    let made = made.display().to_string();
    let publish = [
        "publish",
        "guarded",
        &made,
        "--version",
        "9.9.9",
        "--detach",
    ];
    ends(&crew.mira, &publish, NOT_ALLOWED, "AccessDenied").await?;
    // The other function's URL lets her in, and refuses what does not belong to it.
    let url = crew.mira.variable("LASTGOOD_APPROVAL_URL").unwrap();
    let door = ["--command-url", &url, "freeze", "guarded", "--reason", "no"];
    ends(&crew.mira, &door, Some(2), "CommandUrl").await
}

/// A service whose only stage waits for somebody, for a minute: shorter it cannot be.
async fn fleeting(world: &World) -> Result<Ledger> {
    targets::make_application(&world.account, "fleeting").await?;
    targets::make_group(&world.account, "fleeting", "production", 1).await?;
    let file = format!(
        "service: fleeting\nartefact: {{ s3: {{ bucket: {}, prefix: fleeting/ }} }}\nstages:\n  \
         - name: production\n    \
         target: {{ codedeploy: {{ application: fleeting, group: production }} }}\n    \
         gate:\n      approval:\n        approvers: [\"arn:aws:iam::*:user/mira\"]\n        \
         expires_after: 1m\n",
        world.bucket
    );
    let path = world.folder.join("fleeting.yaml");
    fs::write(&path, file)?;
    let path = path.display().to_string();
    world.root.must(&["apply", &path]).await?;
    let release = build("1.0.0", 1);
    world.upload("fleeting/1.0.0.zip", &release).await?;
    Ok(Ledger::new(world.root.clone(), "fleeting"))
}

async fn an_expired_request_cannot_be_approved(crew: &Crew, ledger: &Ledger) -> Result<()> {
    let expired = |it: &Entry| it.is("dropped", "production", 1);
    ledger
        .until("the request expires", PATIENCE, |_| (), expired)
        .await?;
    let approve = ["approve", "fleeting", "production", "1"];
    ends(&crew.mira, &approve, NOT_ALLOWED, "does not wait").await
}
