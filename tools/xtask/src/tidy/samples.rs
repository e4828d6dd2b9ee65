//! Every sample of `events/` is of use: it lies in the folder of a function, or among what that
//! function refuses, and a snapshot, a test or a README says what comes of it. Every function has
//! samples.

use std::collections::BTreeSet;

use super::{Finding, has_word, names::FUNCTIONS};
use crate::tree::Tree;

const EVENTS: &str = "events/";
const README: &str = "README.md";
const REFUSED: &str = "refused/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let functions: BTreeSet<&str> = tree
        .crates
        .iter()
        .filter_map(|found| found.folder.strip_prefix(FUNCTIONS))
        .collect();
    let mut without = functions.clone();
    let mut findings = Vec::new();
    for path in tree
        .files
        .keys()
        .filter(|path| path.starts_with(EVENTS) && !path.ends_with(README))
    {
        let place = path.strip_prefix(EVENTS).unwrap_or(path);
        let function = place
            .strip_prefix(REFUSED)
            .unwrap_or(place)
            .split('/')
            .next()
            .unwrap_or_default();
        without.remove(function);
        if !functions.contains(function) {
            let words = format!(
                "a sample for {function}, which is no function; move it to the one that gets it"
            );
            findings.push(Finding::new(path, 1, words));
        } else if !is_named(tree, place) {
            let words =
                "a sample that no snapshot, test or README names; events/README.md says how";
            findings.push(Finding::new(path, 1, words));
        }
    }
    findings.extend(without.into_iter().map(|function| {
        let manifest = format!("{FUNCTIONS}{function}/Cargo.toml");
        Finding::new(
            &manifest,
            1,
            format!("no sample shows what this function gets; add one in {EVENTS}{function}/"),
        )
    }));
    findings
}

/// Whether a text names this sample by its path, or the snapshot of its folder by its name.
fn is_named(tree: &Tree, place: &str) -> bool {
    let (folder, name) = place.rsplit_once('/').unwrap_or(("", place));
    let snapshot = format!("__{}.snap", folder.replace('/', "-"));
    tree.ending(&[".rs", ".md"])
        .any(|(_, text)| has_word(text, place))
        || tree.ending(&[&snapshot]).any(|(_, text)| {
            text.lines().any(|line| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(' '))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    const SNAPSHOT: &str = "---\nsource: a.rs\n---\nput.json taken: x\nother.json taken: y\n";

    #[test]
    fn samples_that_are_named_are_fine() {
        let tree = Tree::of([
            ("events/README.md", "all of them"),
            ("events/uploaded/put.json", "{}"),
            ("events/refused/uploaded/array.json", "[]"),
            ("tests/snapshots/samples__uploaded.snap", SNAPSHOT),
            ("README.md", "try `events/refused/uploaded/array.json`"),
        ])
        .with_crate("functions/uploaded", &[]);
        // `has_word` takes the path as it stands in a longer one.
        assert_eq!(found(check, &tree), [""; 0]);
    }

    #[test]
    fn orphans_strangers_and_functions_without_samples_are_found() {
        let tree = Tree::of([
            ("events/uploaded/new.json", "{}"),
            ("events/uploaded/put.json", "{}"),
            ("events/refused/uploaded/put.json", "{}"),
            ("events/gone/put.json", "{}"),
            ("tests/snapshots/samples__uploaded.snap", SNAPSHOT),
        ])
        .with_crate("functions/pushed", &[])
        .with_crate("functions/uploaded", &[]);
        let findings = found(check, &tree);
        assert_eq!(findings.len(), 4, "{findings:?}");
        assert!(findings[0].starts_with("events/gone/put.json:1: a sample for gone"));
        assert!(findings[1].starts_with("events/refused/uploaded/put.json:1: a sample that no"));
        assert!(findings[2].starts_with("events/uploaded/new.json:1: a sample that no"));
        assert!(findings[3].starts_with("functions/pushed/Cargo.toml:1: no sample shows"));
    }
}
