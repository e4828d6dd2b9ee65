//! Building the functions' binaries: one `cargo build` for all of them, in the profile for
//! development, because here seconds count and not milliseconds.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    process::Stdio,
};

use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
};

use crate::{paths::Paths, screen::Step, trouble::Trouble};

/// How much of the compiler's output explains a failure.
const TAIL_LINES: usize = 60;

/// What we read of cargo's messages.
#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
}

/// Builds these crates; gives the binary of each.
///
/// # Errors
/// When one does not compile, or makes no binary of its own name.
pub(super) async fn binaries(
    paths: &Paths,
    crates: &[String],
    step: &Step,
) -> Result<BTreeMap<String, PathBuf>, Trouble> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Command::new(cargo)
        .current_dir(paths.root())
        .args(["build", "--message-format", "json-render-diagnostics"])
        // Of the whole workspace, since which crates take part decides the features of what they
        // share: so it is what the tests were linked with, and not compiled once more.
        .arg("--workspace")
        .args(crates.iter().flat_map(|name| ["--bin", name.as_str()]))
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TERM_PROGRESS_WHEN", "never")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(Trouble::io("start cargo"))?;
    let messages = child.stdout.take();
    let progress = child.stderr.take();
    let (messages, said) = tokio::join!(
        lines(messages, |_| ()),
        lines(progress, |line| {
            if let Some(what) = line.trim_start().strip_prefix("Compiling ") {
                step.detail(what.split(" (").next().unwrap_or(what));
            }
        })
    );
    let status = child.wait().await.map_err(Trouble::io("wait for cargo"))?;
    if !status.success() {
        return Err(Trouble::Build {
            status,
            output: tail(said),
        });
    }
    let mut made = executables(&messages);
    crates
        .iter()
        .map(|name| {
            made.remove(name)
                .map(|binary| (name.clone(), binary))
                .ok_or_else(|| Trouble::NoBinary(name.clone()))
        })
        .collect()
}

async fn lines(source: Option<impl AsyncRead + Unpin>, mut seen: impl FnMut(&str)) -> Vec<String> {
    let mut all = Vec::new();
    let Some(source) = source else { return all };
    let mut lines = BufReader::new(source).lines();
    // Output that is not text ends the reading; the exit status tells whether that mattered.
    while let Ok(Some(line)) = lines.next_line().await {
        seen(&line);
        all.push(line);
    }
    all
}

fn tail(lines: Vec<String>) -> String {
    let mut last = VecDeque::from(lines);
    // Success messages of other crates explain nothing.
    last.retain(|line| !line.trim_start().starts_with("Compiling "));
    while last.len() > TAIL_LINES {
        last.pop_front();
    }
    Vec::from(last).join("\n")
}

fn executables(messages: &[String]) -> BTreeMap<String, PathBuf> {
    messages
        .iter()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .filter_map(|message| Some((message.target?.name, message.executable?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_binaries_are_taken_from_cargos_messages() {
        let messages = [
            r#"{"reason":"compiler-artifact","target":{"name":"domain"},"executable":null}"#,
            r#"{"reason":"compiler-artifact","target":{"name":"command"},"executable":"/t/command"}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "no JSON",
        ]
        .map(str::to_owned);
        let expected = BTreeMap::from([("command".to_owned(), PathBuf::from("/t/command"))]);
        assert_eq!(executables(&messages), expected);
    }
}
