//! `cargo local`: builds the local system, and becomes it.
//!
//! `cargo run --package local` would do, if it did not compile half of the AWS SDK anew: which
//! members of the workspace are built decides the features of the crates they share. Built as part
//! of the whole, it is what the tests were linked with.

use std::{env, os::unix::process::CommandExt as _, path::PathBuf, process::Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;

use crate::{process, tree};

const BINARY: &str = "local";

/// Builds it and becomes it; returns only when that fails.
///
/// # Errors
/// When it does not compile or cannot be started.
pub(crate) fn run(arguments: &[String]) -> Result<std::process::ExitCode> {
    let executable = build()?;
    let folder = env::current_dir().context("there is no working folder")?;
    let failed = process::program(&folder, executable)
        .args(arguments)
        .stdin(Stdio::inherit())
        .exec();
    Err(failed).context("cannot start the local system")
}

fn build() -> Result<PathBuf> {
    let output = process::cargo(&tree::root()?)
        .args(["build", "--workspace", "--bin", BINARY])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the local system does not compile");
    }
    executable(&output.stdout)?.context("cargo built no binary of that name")
}

/// Where cargo says it put the binary.
fn executable(messages: &[u8]) -> Result<Option<PathBuf>> {
    let mut found = None;
    for message in Message::parse_stream(messages) {
        if let Message::CompilerArtifact(artefact) = message.context("cannot read cargo's words")?
            && artefact.target.name == BINARY
            && let Some(path) = artefact.executable
        {
            found = Some(path.into_std_path_buf());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_found_among_what_cargo_says() {
        let artefact = |kind: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"local","manifest_path":"/r/Cargo.toml",
                "target":{{"kind":["{kind}"],"crate_types":["{kind}"],"name":"local",
                "src_path":"/r/src/main.rs","edition":"2024","doc":true,"doctest":false,"test":true}},
                "profile":{{"opt_level":"0","debuginfo":1,"debug_assertions":true,
                "overflow_checks":true,"test":false}},"features":[],"filenames":[],
                "executable":{executable},"fresh":true}}"#
            )
            .replace('\n', "")
        };
        let library = artefact("lib", "null");
        let binary = artefact("bin", "\"/r/target/debug/local\"");
        let said = format!("{library}\n{binary}\n");
        let found = executable(said.as_bytes()).unwrap();
        assert_eq!(found, Some("/r/target/debug/local".into()));
        assert_eq!(executable(library.as_bytes()).unwrap(), None);
    }
}
