//! The test of Jenkins' library, in real Groovy. Whoever runs this as root on Debian gets Groovy;
//! anybody else is told what was skipped.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result};

use crate::process;

const LIBRARY: &str = "integrations/jenkins";
const TEST: &str = "test/LibraryTest.groovy";
/// Debian's packages: the language, and what it runs on.
const PACKAGES: [&str; 2] = ["groovy", "default-jre-headless"];
const JAVA_HOME: &str = "JAVA_HOME";

/// Runs the test, or says why it does not.
pub(super) fn jenkins(root: &Path) -> Result<()> {
    if found("groovy").is_none() && !installed(root) {
        eprintln!(
            "skipped: there is no groovy here. As root on Debian this step installs it; else: \
             apt-get install {}",
            PACKAGES.join(" ")
        );
        return Ok(());
    }
    let mut command = process::program(&root.join(LIBRARY), "groovy");
    command.args(["-cp", "src", TEST]);
    if env::var_os(JAVA_HOME).is_none() {
        // Debian's start script believes in a link that not every Java brings.
        command.env(
            JAVA_HOME,
            java_home().context("there is no java for groovy")?,
        );
    }
    process::run(&mut command)
}

/// Installs it where that is allowed. A machine without packages is no failure of ours.
fn installed(root: &Path) -> bool {
    if !is_root() || found("apt-get").is_none() {
        return false;
    }
    let apt = |arguments: &[&str]| {
        let mut command = process::program(root, "apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null());
        process::run(&mut command)
    };
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(PACKAGES);
    let done = apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install)));
    done.is_ok() && found("groovy").is_some()
}

fn is_root() -> bool {
    let id = process::program(Path::new("/"), "id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// A program in the path.
fn found(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Where `bin/java` lies in the end.
fn java_home() -> Option<PathBuf> {
    let java = fs::canonicalize(found("java")?).ok()?;
    Some(java.parent()?.parent()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_path() {
        assert!(found("sh").is_some());
        assert_eq!(found("no-such-program"), None);
    }

    #[test]
    fn the_test_is_where_it_is_looked_for() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert!(root.join(LIBRARY).join(TEST).is_file());
    }
}
