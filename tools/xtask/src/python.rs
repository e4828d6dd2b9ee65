//! Tools that come as Python packages, each in a virtual environment of its own under
//! `.lastgood/tools`: made once, remade when the pinned versions change. `pip` uses whatever index
//! this machine is configured for; the hashes decide.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::process;

/// Names the Python to use; the local system heeds it too.
const PYTHON_VARIABLE: &str = "LASTGOOD_PYTHON";
const CANDIDATES: [&str; 6] = [
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python",
];
/// Succeeds in a Python that is new enough and can make virtual environments.
const SUITABLE: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";

/// Makes sure that what a file of requirements names is installed; gives the folder of its
/// programs.
///
/// # Errors
/// When there is no suitable Python, or pip fails.
pub(crate) fn programs(root: &Path, name: &str, requirements: &str) -> Result<PathBuf> {
    let wanted = fs::read_to_string(root.join(requirements))
        .with_context(|| format!("cannot read {requirements}"))?;
    let folder = root.join(".lastgood/tools").join(name);
    let programs = folder.join("bin");
    let python = programs.join("python");
    // Written last: an installation that was interrupted has none.
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && runs(&python) {
        return Ok(programs);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let base = find(candidates())?;
    process::run(
        process::program(root, base)
            .args(["-m", "venv"])
            .arg(&folder),
    )?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--no-input",
        "--quiet",
    ];
    process::run(process::program(root, python).args(pip).args([
        "--disable-pip-version-check",
        "--requirement",
        requirements,
    ]))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(programs)
}

/// A Python that was upgraded away leaves an environment that does not run.
fn runs(python: &Path) -> bool {
    succeeds(Command::new(python).args(["-c", ""]))
}

fn candidates() -> Vec<String> {
    match env::var(PYTHON_VARIABLE) {
        Ok(named) if !named.is_empty() => vec![named],
        Ok(_) | Err(_) => CANDIDATES.map(str::to_owned).to_vec(),
    }
}

fn find(candidates: Vec<String>) -> Result<String> {
    let tried = candidates.join(", ");
    let suitable = |python: &String| succeeds(Command::new(python).args(["-c", SUITABLE]));
    let Some(python) = candidates.into_iter().find(suitable) else {
        bail!(
            "no Python from 3.11 on with its venv module among {tried}\n\n\
             hint: install one (`apt install python3 python3-venv`, `brew install python`), or \
             name one: `{PYTHON_VARIABLE}=/path/to/python3.12`"
        );
    };
    Ok(python)
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_suitable_python_is_taken() {
        let among = |names: &[&str]| find(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(among(&["no-such-python", "false", "true"]).unwrap(), "true");
        let error = among(&["no-such-python", "false"]).unwrap_err().to_string();
        assert!(error.contains("among no-such-python, false"), "{error}");
    }

    #[test]
    fn an_environment_is_made_once_and_remade_when_its_requirements_change() {
        let root = tempfile::tempdir().unwrap();
        let requirements = root.path().join("requirements.txt");
        fs::write(&requirements, "# nothing\n").unwrap();
        let install = || programs(root.path(), "nothing", "requirements.txt").unwrap();
        let made = install();
        assert!(runs(&made.join("python")));
        let mark = made.join("mark");
        fs::write(&mark, "").unwrap();
        install();
        assert!(mark.exists());
        fs::write(&requirements, "# nothing else\n").unwrap();
        install();
        assert!(!mark.exists());
    }
}
