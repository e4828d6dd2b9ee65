//! Building the functions with cargo-lambda, which `cargo xtask` installs for itself: the quick way
//! that CI checks, and the real one that is deployed.

use std::{fmt, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::{process, python, tree};

const FUNCTIONS: &str = "functions";
const REQUIREMENTS: &str = "tools/xtask/requirements.txt";
/// The longest part of a bootstrap's beginning that is looked at, in bytes.
const ELF_HEAD_BYTES: usize = 20;
const ELF_MAGIC: [u8; 4] = [0x7f, b'E', b'L', b'F'];
const MIB: u64 = 1024 * 1024;

/// How functions are packaged.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The processor that the stack's parameter `Architecture` names.
    #[arg(long, value_enum, default_value_t = Architecture::Arm64)]
    architecture: Architecture,
}

/// What Lambda runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Architecture {
    /// Graviton: cheaper for the same work.
    #[value(name = "arm64")]
    Arm64,
    /// Intel and AMD.
    #[value(name = "x86_64")]
    X86,
}

impl Architecture {
    /// What this program was built for, where Lambda has it.
    fn of_host() -> Option<Self> {
        match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "aarch64") => Some(Self::Arm64),
            ("linux", "x86_64") => Some(Self::X86),
            _ => None,
        }
    }

    const fn flag(self) -> &'static str {
        match self {
            Self::Arm64 => "--arm64",
            Self::X86 => "--x86-64",
        }
    }

    /// `e_machine` of a binary.
    const fn machine(self) -> u16 {
        match self {
            Self::Arm64 => 0xb7,
            Self::X86 => 0x3e,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arm64 => "arm64",
            Self::X86 => "x86_64",
        })
    }
}

/// Builds what is deployed, and says how.
///
/// # Errors
/// When cargo-lambda cannot be installed, or a function cannot be built.
pub(crate) fn package(options: &Options) -> Result<std::process::ExitCode> {
    let root = tree::root()?;
    let architecture = options.architecture;
    let mut command = build(&root, architecture)?;
    for function in functions(&root)? {
        // By itself: what other crates ask of those it shares with them is none of its business.
        command.args(["--package", &function]);
    }
    process::run(command.arg("--release"))?;
    inspect(&root, architecture)?;
    println!(
        "\nNext: sam deploy --template-file infra/template.yaml --resolve-s3 \
         --parameter-overrides Architecture={architecture} …\n\
         infra/README.md says the rest of it."
    );
    Ok(std::process::ExitCode::SUCCESS)
}

/// Builds every function as cargo-lambda does, in the profile for development and with the features
/// of the whole workspace. Where this machine is of a kind that Lambda has, it compiles with plain
/// cargo, so that what was compiled for the tests is taken over; else with zig, for Graviton.
///
/// # Errors
/// When cargo-lambda cannot be installed, or a function cannot be built.
pub(crate) fn build_quickly(root: &Path) -> Result<()> {
    let architecture = Architecture::of_host();
    let mut command = build(root, architecture.unwrap_or(Architecture::Arm64))?;
    command.args(["--profile", "dev", "--workspace"]);
    for function in functions(root)? {
        command.args(["--bin", &function]);
    }
    if architecture.is_some() {
        command.args(["--compiler", "cargo"]);
    }
    process::run(&mut command)?;
    inspect(root, architecture.unwrap_or(Architecture::Arm64))
}

/// Runs cargo-lambda as its user says.
///
/// # Errors
/// When it cannot be installed, or does not end well.
pub(crate) fn pass_on(arguments: &[String]) -> Result<std::process::ExitCode> {
    process::run(cargo_lambda(&tree::root()?)?.args(arguments))?;
    Ok(std::process::ExitCode::SUCCESS)
}

/// `cargo lambda build`, yet to be told of what.
fn build(root: &Path, architecture: Architecture) -> Result<Command> {
    let mut command = cargo_lambda(root)?;
    command.args(["build", "--locked", architecture.flag()]);
    Ok(command)
}

fn cargo_lambda(root: &Path) -> Result<Command> {
    let programs = python::programs(root, "cargo-lambda", REQUIREMENTS)?;
    let mut command = process::program(root, programs.join("cargo-lambda"));
    command.arg("lambda");
    // It looks for zig there.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(programs).chain(std::env::split_paths(&path));
    command.env(
        "PATH",
        std::env::join_paths(all).context("PATH cannot be extended")?,
    );
    Ok(command)
}

/// The names of all functions.
fn functions(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(FUNCTIONS);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {FUNCTIONS}"))? {
        let entry = entry.with_context(|| format!("cannot list {FUNCTIONS}"))?;
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Makes sure that every function's code is where the template looks for it, for this processor.
fn inspect(root: &Path, architecture: Architecture) -> Result<()> {
    println!();
    for function in functions(root)? {
        let path = format!("target/lambda/{function}/bootstrap");
        let code = fs::read(root.join(&path)).with_context(|| format!("cannot read {path}"))?;
        if machine(&code) != Some(architecture.machine()) {
            bail!("{path} is no program for {architecture}");
        }
        println!("{function:<20} {:>4} MiB", code.len() as u64 / MIB);
    }
    Ok(())
}

/// The processor that an ELF file is for.
fn machine(code: &[u8]) -> Option<u16> {
    let head = code.first_chunk::<ELF_HEAD_BYTES>()?;
    let [.., low, high] = *head;
    head.starts_with(&ELF_MAGIC)
        .then(|| u16::from_le_bytes([low, high]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(machine: u8) -> Vec<u8> {
        let mut code = vec![0; 64];
        code[..4].copy_from_slice(&ELF_MAGIC);
        code[18] = machine;
        code
    }

    #[test]
    fn code_for_the_wrong_processor_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        put("functions/deployer/Cargo.toml", b"");
        put("functions/notes.md", b"");
        let missing = inspect(root.path(), Architecture::Arm64).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "cannot read target/lambda/deployer/bootstrap"
        );
        put("target/lambda/deployer/bootstrap", &elf(0xb7));
        inspect(root.path(), Architecture::Arm64).unwrap();
        let wrong = inspect(root.path(), Architecture::X86).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "target/lambda/deployer/bootstrap is no program for x86_64"
        );
        put("target/lambda/deployer/bootstrap", b"#!/bin/sh");
        inspect(root.path(), Architecture::Arm64).unwrap_err();
    }

    #[test]
    fn functions_are_the_crates_in_their_folder() {
        let names = functions(&tree::root().unwrap()).unwrap();
        assert!(names.contains(&"deployer".to_owned()), "{names:?}");
        assert!(names.is_sorted());
    }
}
