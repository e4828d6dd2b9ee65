//! Whether an appspec would be understood, and what it names is in the archive: what CodeDeploy's
//! agent would find out on the first instance is found out before anything is uploaded. It checks
//! nothing that Lastgood decides, and so refuses only what cannot work.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::failure::Failure;

/// The one version there is (CodeDeploy user guide, "AppSpec file structure").
const VERSION: &str = "0.0";
/// What it can be for.
const SYSTEMS: [&str; 2] = ["linux", "windows"];
/// How many missing files are named.
const NAMED_MAX: usize = 10;

/// As much of an appspec for instances as is looked at; the agent knows more.
#[derive(Debug, Deserialize)]
struct AppSpec {
    #[serde(default)]
    version: Option<Version>,
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    files: Option<Vec<Copying>>,
    #[serde(default)]
    hooks: Option<BTreeMap<String, Option<Vec<Script>>>>,
}

/// A version as people write it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Version {
    Number(f64),
    Text(String),
}

#[derive(Debug, Deserialize)]
struct Copying {
    source: String,
}

#[derive(Debug, Deserialize)]
struct Script {
    location: String,
}

/// Checks an appspec against the files it came with. `shown` is what to call the archive.
///
/// # Errors
/// When CodeDeploy's agent could not do what it says.
pub(crate) fn check(
    shown: &str,
    name: &str,
    text: &str,
    files: &BTreeSet<String>,
) -> Result<(), Failure> {
    let wrong = |what: String| Failure::usage(format!("the {name} of {shown} {what}"));
    let spec: AppSpec = serde_saphyr::from_str(text)
        .map_err(|error| wrong("cannot be read".to_owned()).because(error))?;
    let version = spec.version.map(|version| match version {
        Version::Number(number) => format!("{number:?}"),
        Version::Text(text) => text,
    });
    if version.as_deref() != Some(VERSION) {
        let given = version.unwrap_or_else(|| "none".to_owned());
        return Err(wrong(format!("has version {given}"))
            .hint("the only one that CodeDeploy knows is `version: 0.0`"));
    }
    if !spec.os.as_deref().is_some_and(|os| SYSTEMS.contains(&os)) {
        let given = spec.os.unwrap_or_else(|| "none".to_owned());
        return Err(wrong(format!("is for os {given}"))
            .hint("CodeDeploy knows `os: linux` and `os: windows`"));
    }
    let copied = spec.files.iter().flatten().map(|copying| &copying.source);
    let scripts = spec.hooks.iter().flat_map(BTreeMap::iter);
    let scripts = scripts.flat_map(|(event, scripts)| {
        let scripts = scripts.iter().flatten();
        scripts.map(move |script| (event, &script.location))
    });
    let missing_files = copied
        .filter(|source| !is_there(source, files))
        .map(|source| format!("files: there is no {source}"));
    let missing_scripts = scripts
        .filter(|(_, location)| !is_there(location, files))
        .map(|(event, location)| format!("hooks: {event}: there is no {location}"));
    let missing: Vec<String> = missing_files.chain(missing_scripts).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let failure = wrong("names what is not in the archive".to_owned());
    let failure = missing
        .iter()
        .take(NAMED_MAX)
        .fold(failure, Failure::because);
    Err(failure.hint("pack it too, or mend the path: paths begin at the archive's root"))
}

/// Whether a path is a file or a folder of the archive; `/` is all of it.
fn is_there(path: &str, files: &BTreeSet<String>) -> bool {
    let path = path.replace('\\', "/");
    let path = path.trim_start_matches("./").trim_matches('/');
    if path.is_empty() || path == "." {
        return true;
    }
    let folder = format!("{path}/");
    files.contains(path)
        || files
            .range(folder.clone()..)
            .next()
            .is_some_and(|f| f.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> BTreeSet<String> {
        ["appspec.yml", "app/index.html", "scripts/start.sh"]
            .map(str::to_owned)
            .into()
    }

    fn said(text: &str) -> String {
        match check("web.zip", "appspec.yml", text, &files()) {
            Ok(()) => "fine".to_owned(),
            Err(failure) => {
                let evidence = failure.evidence.join("; ");
                format!("{} [{evidence}]", failure.message)
            }
        }
    }

    #[test]
    fn what_an_appspec_names_has_to_be_in_the_archive() {
        let good = "version: 0.0\nos: linux\nfiles:\n  - source: /app\n    destination: /srv\n  \
                    - source: /\n    destination: /opt\nhooks:\n  ApplicationStart:\n    \
                    - location: scripts/start.sh\n      timeout: 60\n  AfterInstall:\n";
        assert_eq!(said(good), "fine");
        let missing = good
            .replace("scripts/start.sh", "scripts/stop.sh")
            .replace("/app\n", "ap\n");
        assert_eq!(
            said(&missing),
            "the appspec.yml of web.zip names what is not in the archive [files: there is no ap; \
             hooks: ApplicationStart: there is no scripts/stop.sh]"
        );
    }

    #[test]
    fn another_version_or_system_is_refused() {
        assert_eq!(said("version: 0.0\nos: linux\n"), "fine");
        assert_eq!(said("version: '0.0'\nos: windows\n"), "fine");
        assert_eq!(
            said("version: 1.0\nos: linux\n"),
            "the appspec.yml of web.zip has version 1.0 []"
        );
        assert_eq!(
            said("os: linux\n"),
            "the appspec.yml of web.zip has version none []"
        );
        assert_eq!(
            said("version: 0.0\nos: plan9\n"),
            "the appspec.yml of web.zip is for os plan9 []"
        );
        assert!(said("version: [").contains("cannot be read"));
    }
}
