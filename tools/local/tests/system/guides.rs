//! The guides of `docs/` as they stand: each block that is marked is run, in the order of the
//! pages. That one of them freezes everything is why they have a system to themselves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use local::{
    System,
    demo::{
        account::Account,
        artefacts::{self, Build, Start},
        elsewhere,
        lastgood::Lastgood,
        ledger::Ledger,
        targets,
    },
};
use tokio::process::Command;

use crate::page::{Block, blocks};

/// In the order in which somebody reads them; each goes on from the one before. The others stand
/// for themselves.
const PAGES: [&str; 3] = [
    "first-service.md",
    "production-approval.md",
    "a-bad-night.md",
];
const STAGES: [&str; 3] = ["dev", "test", "production"];
/// The external id that the guide to several accounts chooses.
const EXTERNAL_ID: &str = "k3Vw9pTq7LmZ2xRb";

/// Follows all of them, in a folder that holds what their reader has.
///
/// # Errors
/// When a block does not end as its page says.
pub(crate) async fn follow(system: &System, folder: &Path) -> Result<()> {
    let account = Account::root(system)?;
    targets::make_application(&account, "guide").await?;
    for stage in STAGES {
        let door = targets::make_group(&account, "guide", stage, 1).await?;
        targets::make_alarm(&account, &format!("guide-{stage}-errors"), &door).await?;
    }
    for (version, name) in [("1.0.0", "dist"), ("1.1.0", "dist-2")] {
        dist(folder, version, name)?;
    }
    let mut run = 0;
    for name in PAGES {
        run += page(system, folder, name).await?;
    }
    ensure!(run > 10, "only {run} blocks were run");
    let others = tokio::try_join!(
        moving_in(system, &account),
        several_accounts(system, &account),
        on_premises(system, &account),
    )?;
    ensure!(others == (3, 1, 2), "blocks that were run: {others:?}");
    Ok(())
}

/// Two services of ECS that something else deployed until now.
async fn moving_in(system: &System, account: &Account) -> Result<usize> {
    let image = image(account, "shop", "1.4.1").await?;
    for cluster in ["dev", "live"] {
        targets::make_ecs_service(account, cluster, "shop", 1, &image).await?;
    }
    for cluster in ["dev", "live"] {
        targets::steady(account, cluster, "shop").await?;
    }
    page(system, tempfile::tempdir()?.path(), "moving-in.md").await
}

/// What the AWS CLI makes on that page: the target account's stack, of the template that it names.
async fn several_accounts(system: &System, account: &Account) -> Result<usize> {
    let [_, there] = local::neighbours();
    let neighbour = Account::at(&system.endpoint(), there.clone())?;
    let image = image(account, "web", "1.0.0").await?;
    let door = targets::make_ecs_service(&neighbour, "production", "web", 1, &image).await?;
    targets::make_alarm(&neighbour, "web-production-5xx", &door).await?;
    targets::steady(&neighbour, "production", "web").await?;
    let named = [
        ("EcsClusters", "production"),
        ("CodeDeployApplications", "none"),
        ("CodeDeployGroups", "*"),
    ];
    elsewhere::target_stack(system, &there, EXTERNAL_ID, named).await?;
    let run = page(system, tempfile::tempdir()?.path(), "several-accounts.md").await?;
    let ledger = Ledger::new(Lastgood::of_root(system), "web");
    let adopted = ledger.entries().await?;
    let adopted = adopted.iter().any(|entry| entry.kind() == "adopted");
    ensure!(adopted, "what runs there was looked at in that role");
    Ok(run)
}

/// What the AWS CLI makes on that page: registered machines, and groups that find them.
async fn on_premises(system: &System, account: &Account) -> Result<usize> {
    targets::make_application(account, "cellar").await?;
    for stage in ["dev", "test"] {
        elsewhere::make_cellar(account, stage, &[&format!("cellar-{stage}")]).await?;
    }
    let door = targets::make_group(account, "cellar", "production", 1).await?;
    for stage in ["test", "production"] {
        targets::make_alarm(account, &format!("cellar-{stage}-errors"), &door).await?;
    }
    let folder = tempfile::tempdir()?;
    dist(folder.path(), "1.0.0", "dist")?;
    page(system, folder.path(), "on-premises.md").await
}

fn build(version: &str) -> Build<'_> {
    Build {
        version,
        number: 0,
        author: "Ravi <ravi@shop.example>",
        error_rate: 0.0,
        start: Start::Runs,
        findings: None,
    }
}

/// A folder with what a build made.
fn dist(folder: &Path, version: &str, name: &str) -> Result<()> {
    let made = artefacts::write_bundle(folder, &build(version))?;
    Ok(fs::rename(made, folder.join(name))?)
}

/// A repository with one image; gives its name.
async fn image(account: &Account, repository: &str, tag: &str) -> Result<String> {
    artefacts::make_repository(account, repository).await?;
    artefacts::push_image(account, repository, tag, &build(tag)).await?;
    Ok(artefacts::image_name(account, repository, tag))
}

/// Follows one page; gives how many blocks were run.
async fn page(system: &System, folder: &Path, name: &str) -> Result<usize> {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut run = 0;
    for block in blocks(&fs::read_to_string(pages.join(name))?)? {
        let done = take(system, folder, &block).await;
        done.with_context(|| format!("{name}: {block:?}"))?;
        run += usize::from(matches!(block, Block::Shell { .. }));
    }
    Ok(run)
}

/// Nobody here has minutes for a bake.
fn hurry(folder: &Path) -> Result<()> {
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|end| end == "yaml") {
            let text = fs::read_to_string(&path)?;
            let is_slow =
                |line: &str| line.trim_start().starts_with("bake: ") && line.ends_with('m');
            let hurried = text.lines().map(|line| match line.split_once("bake: ") {
                Some((indent, _)) if is_slow(line) => format!("{indent}bake: 1s\n"),
                _ => format!("{line}\n"),
            });
            fs::write(&path, hurried.collect::<String>())?;
        }
    }
    Ok(())
}

/// There is no Docker here: pushes what the page has pushed with it.
async fn push(system: &System, commands: &str) -> Result<()> {
    let account = Account::root(system)?;
    for line in commands.lines() {
        let Some(name) = line.strip_prefix("docker push ") else {
            continue;
        };
        let (_, image) = name.split_once('/').context("a registry")?;
        let (repository, tag) = image.split_once(':').context("a tag")?;
        artefacts::push_image(&account, repository, tag, &build(tag)).await?;
    }
    Ok(())
}

/// Does what a block says.
async fn take(system: &System, folder: &Path, block: &Block) -> Result<()> {
    let (by, exit, text) = match block {
        Block::File { name, text } => return Ok(fs::write(folder.join(name), text)?),
        Block::Elsewhere(text) => return push(system, text).await,
        Block::Shell { by, exit, text } => (by, exit, text),
    };
    hurry(folder)?;
    let mut people = system.people().iter();
    let (_, environment) = people
        .find(|(person, _)| person.name == *by)
        .with_context(|| format!("nobody is called {by}"))?;
    let program: PathBuf = system.lastgood().to_owned();
    let programs = program.parent().context("a folder")?.display();
    let path = std::env::var("PATH")?;
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", text])
        .env_clear()
        .env("PATH", format!("{programs}:{path}"))
        .envs(environment.iter())
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(
        output.status.code() == Some(*exit),
        "it ended with {}, and not with {exit}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
