//! Every module begins by saying what lives in it and what does not.

use super::Finding;
use crate::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.ending(&[".rs"])
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| {
            let words = "no `//!` on the first line; say what lives here and what does not";
            Finding::new(path, 1, words)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    #[test]
    fn a_file_without_a_header_is_found() {
        let tree = Tree::of([
            ("good.rs", "//! All about good.\n\nfn good() {}\n"),
            ("late.rs", "fn late() {}\n//! Too late.\n"),
            ("mute.rs", "//!\n//! Says nothing first.\n"),
            ("readme.md", "fine"),
        ]);
        let findings = found(check, &tree);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(
            findings[0].starts_with("late.rs:1: no `//!`"),
            "{findings:?}"
        );
        assert!(
            findings[1].starts_with("mute.rs:1: no `//!`"),
            "{findings:?}"
        );
    }
}
