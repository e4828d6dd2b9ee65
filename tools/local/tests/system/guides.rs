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
        targets,
    },
};
use tokio::process::Command;

use crate::page::{Block, blocks};

/// In the order in which somebody reads them; each goes on from the one before.
const PAGES: [&str; 3] = [
    "first-service.md",
    "production-approval.md",
    "a-bad-night.md",
];
const STAGES: [&str; 3] = ["dev", "test", "production"];

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
        let build = Build {
            version,
            number: 0,
            author: "Ravi <ravi@shop.example>",
            error_rate: 0.0,
            start: Start::Runs,
            findings: None,
        };
        let made = artefacts::write_bundle(folder, &build)?;
        fs::rename(made, folder.join(name))?;
    }
    let mut run = 0;
    for name in PAGES {
        let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for block in blocks(&fs::read_to_string(pages.join(name))?)? {
            let done = take(system, folder, &block).await;
            done.with_context(|| format!("{name}: {block:?}"))?;
            run += 1;
        }
    }
    ensure!(run > 15, "only {run} blocks were run");
    Ok(())
}

/// Does what a block says.
async fn take(system: &System, folder: &Path, block: &Block) -> Result<()> {
    let (by, exit, text) = match block {
        Block::File { name, text } => return Ok(fs::write(folder.join(name), text)?),
        Block::Shell { by, exit, text } => (by, exit, text),
    };
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
