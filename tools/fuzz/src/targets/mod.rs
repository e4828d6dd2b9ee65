//! The readers, each with its laws and seeds. A law is an assertion: what breaks one panics.

mod events;
mod file;
mod forge;
mod ledger;

use std::path::{Path, PathBuf};

/// A reader of bytes that somebody else wrote.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name; its corpus is the folder of that name.
    pub name: &'static str,
    /// Reads, and holds what comes of it against the laws.
    pub read: fn(&[u8]),
    /// Inputs that are meant, or nearly: what mutation begins with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

impl Target {
    /// The target of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// The folder of inputs that campaigns found worth keeping; there may be none.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(self.name)
    }

    /// Seeds and corpus, in an order that stays.
    #[must_use]
    pub fn inputs(&self) -> Vec<Vec<u8>> {
        let mut inputs = (self.seeds)();
        inputs.extend(files(&self.corpus()));
        inputs
    }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    events::ALARM_CHANGED,
    events::APPROVAL,
    events::ARTEFACT_UPLOADED,
    events::BUTTON,
    events::BUTTON_PRESSED,
    events::COMMAND,
    events::DEPLOYER,
    events::DEPLOYMENT_CHANGED,
    events::IMAGE_PUSHED,
    events::LIFECYCLE_HOOK,
    events::RECONCILER,
    events::SLACK,
    events::SLACK_SETTINGS,
    file::SERVICE_FILE,
    forge::REPOSITORY,
    forge::SETTINGS,
    ledger::ENTRY,
    ledger::SNAPSHOT,
];

/// The content of the files of a folder of the repository, by name; none when there is no such
/// folder.
fn samples(folder: &str) -> Vec<Vec<u8>> {
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(folder),
    )
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = folder.read_dir() else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().flat_map(std::fs::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_name_of_its_own_and_seeds() {
        for (at, target) in TARGETS.iter().enumerate() {
            assert!(!(target.seeds)().is_empty(), "{} has no seeds", target.name);
            let earlier = TARGETS
                .iter()
                .take(at)
                .any(|earlier| earlier.name == target.name);
            assert!(!earlier, "{} stands there twice", target.name);
        }
    }

    #[test]
    fn every_corpus_is_of_a_target() {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        for folder in corpora.read_dir().into_iter().flatten().flatten() {
            let name = folder.file_name();
            let known = name.to_str().and_then(Target::of).is_some();
            assert!(known, "nothing reads the corpus {}", name.display());
        }
    }
}
