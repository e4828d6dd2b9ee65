//! Running other programs, with what they say going where ours goes.

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    path::Path,
    process::{Command, Output, Stdio},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, bail};

/// What `cargo run` puts into the environment for this program, and what would make another cargo
/// believe that something has changed.
const OF_THIS_CRATE: [&str; 7] = [
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "OUT_DIR",
];
const OF_THIS_PACKAGE: &str = "CARGO_PKG_";

/// A cargo command in the repository's root.
pub(crate) fn cargo(root: &Path) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    program(root, cargo)
}

/// A program in the repository's root, without input.
pub(crate) fn program(root: &Path, program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    command.current_dir(root).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let foreign = name
            .to_str()
            .is_some_and(|name| OF_THIS_CRATE.contains(&name) || name.starts_with(OF_THIS_PACKAGE));
        if foreign {
            command.env_remove(name);
        }
    }
    command
}

/// Shows what is run, and runs it to its end.
///
/// # Errors
/// When it cannot be started, or does not end well.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let status = command
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// A program that runs while others do.
#[derive(Debug)]
pub(crate) struct Beside {
    shown: String,
    output: JoinHandle<io::Result<Output>>,
}

/// Shows what is run, and begins it. What it says is kept until its end.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn beside(command: &mut Command) -> Result<Beside> {
    let shown = shown(command);
    eprintln!("$ {shown} &");
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let output = thread::spawn(|| child.wait_with_output());
    Ok(Beside { shown, output })
}

impl Beside {
    /// Waits until it has ended, and says what it said.
    ///
    /// # Errors
    /// When it does not end well.
    pub(crate) fn end(self) -> Result<()> {
        let Self { shown, output } = self;
        let output = output.join().ok().context("a thread died")?;
        let output = output.with_context(|| format!("cannot wait for `{shown}`"))?;
        eprintln!("$ {shown} (it ran beside)");
        io::stderr().write_all(&output.stderr)?;
        io::stdout().write_all(&output.stdout)?;
        if !output.status.success() {
            bail!("`{shown}` ended with {}", output.status);
        }
        Ok(())
    }
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let root = command.get_current_dir();
    let program = Path::new(command.get_program());
    let program = match root.and_then(|root| program.strip_prefix(root).ok()) {
        Some(inside) => inside.display().to_string(),
        None => program
            .file_name()
            .unwrap_or(program.as_os_str())
            .to_string_lossy()
            .into_owned(),
    };
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy());
    std::iter::once(program.into())
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_typed() {
        let root = Path::new("/somewhere");
        let mut command = program(root, "/somewhere/.lastgood/tools/bin/cfn-lint");
        command.arg("infra/template.yaml");
        assert_eq!(
            shown(&command),
            ".lastgood/tools/bin/cfn-lint infra/template.yaml"
        );
        let mut command = program(root, "/usr/bin/cargo");
        command.args(["fmt", "--check"]);
        assert_eq!(shown(&command), "cargo fmt --check");
    }

    #[test]
    fn a_bad_end_is_an_error_that_names_the_command() {
        let folder = tempfile::tempdir().unwrap();
        assert!(run(&mut program(folder.path(), "true")).is_ok());
        let error = run(&mut program(folder.path(), "false")).unwrap_err();
        assert!(
            error.to_string().starts_with("`false` ended with"),
            "{error}"
        );
        let error = run(&mut program(folder.path(), "no-such-program")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start `no-such-program`");
    }
}
