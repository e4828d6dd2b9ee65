//! The virtual environment that MiniStack runs in: made once, remade when the pinned versions or
//! the Python change. `pip` uses whatever index this machine is configured for; the hashes decide.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Output,
};

use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::{
    paths::Paths,
    screen::Step,
    trouble::{PYTHON_VARIABLE, Trouble},
};

/// Versions with the hashes of their files.
const REQUIREMENTS: &str = include_str!("../../ministack/requirements.txt");
/// What MiniStack and SAM's translator need.
const PYTHON_MIN: (u32, u32) = (3, 11);
/// The commands a suitable Python may have, in the order in which they are tried.
const CANDIDATES: [&str; 6] = [
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python",
];
/// How much of pip's output explains a failure.
const TAIL_LINES: usize = 20;
/// What pip says when it cannot reach its index.
const OFFLINE: [&str; 6] = [
    "Temporary failure in name resolution",
    "Name or service not known",
    "Failed to establish a new connection",
    "Network is unreachable",
    "Connection refused",
    "ReadTimeoutError",
];

/// Makes sure that MiniStack is installed; gives the Python that runs it.
///
/// # Errors
/// When there is no suitable Python, no `venv`, no network for the first time, or pip fails.
pub async fn install(paths: &Paths, step: &Step) -> Result<PathBuf, Trouble> {
    let _turn = turn(paths).await?;
    let venv = paths.venv();
    let python = venv.join("bin/python");
    let stamp = venv.join("lastgood.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted()) && works(&python).await {
        return Ok(python);
    }
    step.detail("looking for Python");
    let base = find(candidates()).await?;
    if venv.exists() {
        fs::remove_dir_all(&venv).map_err(Trouble::file("remove", &venv))?;
    }
    step.detail("making a virtual environment");
    let made = run(Command::new(&base).args(["-m", "venv"]).arg(&venv)).await?;
    if !made.status.success() {
        return Err(failure(&made));
    }
    step.detail("downloading packages");
    let requirements = venv.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(Trouble::file("write", &requirements))?;
    let installed = run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--require-hashes",
            "--no-input",
            "--quiet",
        ])
        .args([
            "--disable-pip-version-check",
            "--retries",
            "1",
            "--requirement",
        ])
        .arg(&requirements))
    .await?;
    if !installed.status.success() {
        return Err(failure(&installed));
    }
    fs::write(&stamp, wanted()).map_err(Trouble::file("write", &stamp))?;
    Ok(python)
}

/// One at a time: systems and tests share the environment. Given back when dropped.
async fn turn(paths: &Paths) -> Result<File, Trouble> {
    let path = paths.venv().with_extension("lock");
    let taken = tokio::task::spawn_blocking(move || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let file = File::options().create(true).append(true).open(&path)?;
        file.lock()?;
        Ok(file)
    });
    taken
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(Trouble::io("wait for another installation"))
}

/// What a finished environment was made from.
fn wanted() -> String {
    hex::encode(Sha256::digest(REQUIREMENTS))
}

/// A Python that was upgraded away leaves an environment that does not run.
async fn works(python: &Path) -> bool {
    run(Command::new(python).args(["-c", "import ministack"]))
        .await
        .is_ok_and(|output| output.status.success())
}

fn candidates() -> Vec<String> {
    match std::env::var(PYTHON_VARIABLE) {
        Ok(named) if !named.is_empty() => vec![named],
        Ok(_) | Err(_) => CANDIDATES.map(str::to_owned).to_vec(),
    }
}

/// The first of these that is new enough and can make environments.
async fn find(candidates: Vec<String>) -> Result<String, Trouble> {
    let mut found = Vec::new();
    let mut without_venv = None;
    for python in candidates {
        let Some(version) = version(&python).await else {
            continue;
        };
        if version < PYTHON_MIN {
            found.push(format!("{python} ({}.{})", version.0, version.1));
            continue;
        }
        let modules = run(Command::new(&python).args(["-c", "import venv, ensurepip"])).await;
        if modules.is_ok_and(|output| output.status.success()) {
            return Ok(python);
        }
        without_venv.get_or_insert(python);
    }
    Err(match without_venv {
        Some(python) => Trouble::NoVenv { python },
        None => Trouble::NoPython { found },
    })
}

async fn version(python: &str) -> Option<(u32, u32)> {
    let script = "import sys; print(sys.version_info[0], sys.version_info[1])";
    let output = run(Command::new(python).args(["-c", script])).await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

async fn run(command: &mut Command) -> Result<Output, Trouble> {
    command
        .kill_on_drop(true)
        .output()
        .await
        .map_err(Trouble::io("run Python"))
}

fn failure(output: &Output) -> Trouble {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    if OFFLINE.iter().any(|sign| text.contains(sign)) {
        let last_line = lines.last().copied().unwrap_or_default().to_owned();
        return Trouble::Offline { last_line };
    }
    let from = lines.len().saturating_sub(TAIL_LINES);
    Trouble::Install {
        output: lines.get(from..).unwrap_or_default().join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, process::ExitStatus};

    use super::*;

    fn output(text: &str) -> Output {
        Output {
            status: ExitStatus::default(),
            stdout: Vec::new(),
            stderr: text.into(),
        }
    }

    /// A command that answers like a Python of this version, with or without `venv`.
    fn python(folder: &Path, name: &str, version: &str, modules: &str) -> String {
        let path = folder.join(name);
        let script =
            format!("#!/bin/sh\ncase \"$2\" in *version*) echo {version};; *) {modules};; esac\n");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    #[tokio::test]
    async fn the_first_python_that_is_new_enough_and_complete_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let old = python(folder.path(), "old", "3 9", "true");
        let bare = python(folder.path(), "bare", "3 12", "false");
        let good = python(folder.path(), "good", "3 13", "true");
        let all = vec![
            "no-such-python".to_owned(),
            old.clone(),
            bare.clone(),
            good.clone(),
        ];
        assert_eq!(find(all).await.unwrap(), good);
        match find(vec![old.clone(), bare.clone()]).await {
            Err(Trouble::NoVenv { python }) => assert_eq!(python, bare),
            other => panic!("{other:?}"),
        }
        match find(vec![old.clone()]).await {
            Err(Trouble::NoPython { found }) => assert_eq!(found, [format!("{old} (3.9)")]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_network_is_told_apart() {
        let offline = failure(&output(
            "WARNING: Retrying: NewConnectionError: Failed to establish a new connection\n\
             ERROR: No matching distribution found for attrs==26.1.0\n",
        ));
        let report = offline.report();
        let last =
            "could not be downloaded: ERROR: No matching distribution found for attrs==26.1.0";
        assert!(
            report.contains(last) && report.contains("check the network"),
            "{report}"
        );
        let hashes = failure(&output("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"));
        assert!(matches!(hashes, Trouble::Install { .. }), "{hashes:?}");
    }

    #[test]
    fn every_package_is_pinned_with_hashes_and_no_index_is_named() {
        let packages = REQUIREMENTS
            .lines()
            .filter(|line| line.contains("=="))
            .count();
        assert!(packages >= 20, "{packages}");
        let all = REQUIREMENTS.replace("\\\n", " ");
        for line in all.lines().filter(|line| !line.starts_with('#')) {
            assert!(
                line.contains("==") && line.contains("--hash=sha256:"),
                "{line}"
            );
        }
        assert!(!all.contains("://"), "no address belongs in there");
    }
}
