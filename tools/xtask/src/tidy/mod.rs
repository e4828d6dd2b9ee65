//! `cargo xtask tidy`: what no compiler checks and reviews forget. One file per check, each a
//! function from the repository to findings; what is formatting or a lint is left to rustfmt and
//! clippy.

mod crates;
mod headers;
mod imports;
mod leftovers;
mod links;
mod lock;
mod names;
mod paths;
mod samples;
mod size;
mod snapshots;
mod version;
mod width;

use std::{fmt, process::ExitCode};

use anyhow::Result;

use crate::tree::Tree;

/// One check: everything it finds, in any order.
type Check = fn(&Tree) -> Vec<Finding>;

const CHECKS: [Check; 13] = [
    crates::check,
    headers::check,
    imports::check,
    leftovers::check,
    links::check,
    lock::check,
    names::check,
    paths::check,
    samples::check,
    size::check,
    snapshots::check,
    version::check,
    width::check,
];

/// Something that is not as it should be, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    words: String,
}

impl Finding {
    /// Says what is wrong and what to do about it, in one line.
    fn new(path: &str, line: usize, words: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            words: words.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, words } = self;
        write!(f, "{path}:{line}: {words}")
    }
}

/// Prints what every check finds.
///
/// # Errors
/// When the repository cannot be read.
pub(crate) fn run() -> Result<ExitCode> {
    let findings = findings(&Tree::read()?);
    for finding in &findings {
        println!("{finding}");
    }
    Ok(match findings.len() {
        0 => ExitCode::SUCCESS,
        count => {
            eprintln!(
                "{count} thing{} to tidy up",
                if count == 1 { "" } else { "s" }
            );
            ExitCode::FAILURE
        }
    })
}

fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(tree)).collect();
    findings.sort();
    findings
}

/// Whether a text has this word, which is not part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let inner = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text
            .get(at + word.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(inner) && !after.is_some_and(inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a check finds in a tree, as people read it.
    pub(super) fn found(check: Check, tree: &Tree) -> Vec<String> {
        check(tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn findings_come_in_the_order_of_files_and_lines() {
        let long = format!("//! {}\nfn a() {{}}\n", "x".repeat(200));
        let tree = Tree::of([("b.rs", "fn b() {}\n"), ("a.rs", &long)]);
        let findings: Vec<String> = findings(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("a.rs:1: "), "{findings:?}");
        assert!(findings[1].starts_with("b.rs:1: "), "{findings:?}");
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("see start.json here", "start.json"));
        assert!(has_word("start.json", "start.json"));
        assert!(!has_word("rollback-start.json", "start.json"));
        assert!(!has_word("start.json5", "start.json"));
    }
}
