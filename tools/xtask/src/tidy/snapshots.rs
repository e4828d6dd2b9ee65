//! Every snapshot belongs to a test file that exists. Whether a test still asks for it is known
//! only after the tests ran: the step `test` of `cargo xtask ci` looks.

use super::Finding;
use crate::tree::Tree;

const SOURCE: &str = "source: ";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.ending(&[".snap"])
        .filter_map(|(path, text)| {
            let source = text.lines().find_map(|line| line.strip_prefix(SOURCE));
            let words = match source.map(|source| source.trim_matches('"')) {
                None => "a snapshot that names no test; remove it and make it anew".to_owned(),
                Some(source) if tree.files.contains_key(source) => return None,
                Some(source) => format!("the snapshot's test {source} is gone; remove it"),
            };
            Some(Finding::new(path, 1, words))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    #[test]
    fn snapshots_without_a_test_are_found() {
        let tree = Tree::of([
            ("a/src/lib.rs", "//! a"),
            (
                "a/src/snapshots/a__good.snap",
                "---\nsource: a/src/lib.rs\n---\nx\n",
            ),
            (
                "a/src/snapshots/a__left.snap",
                "---\nsource: a/src/old.rs\n---\nx\n",
            ),
            ("a/src/snapshots/a__mute.snap", "x\n"),
        ]);
        let findings = found(check, &tree);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].contains("a__left.snap:1: the snapshot's test a/src/old.rs is gone"));
        assert!(findings[1].contains("a__mute.snap:1: a snapshot that names no test"));
    }
}
