//! Files stay short enough to be read in one go. Files that a program wrote say so with
//! `@generated` near their top and may have any size.

use super::Finding;
use crate::tree::Tree;

const LINES_MAX: usize = 500;
const GENERATED: &str = "@generated";
/// How far down the mark of generated files is looked for, in lines.
const MARK_LINES: usize = 5;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.ending(&[".rs"])
        .filter(|(_, text)| {
            !text
                .lines()
                .take(MARK_LINES)
                .any(|line| line.contains(GENERATED))
        })
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| {
            let words = format!(
                "{lines} lines, {LINES_MAX} are the most; move a part with a name into its own file"
            );
            Finding::new(path, LINES_MAX + 1, words)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    #[test]
    fn a_long_file_is_found_unless_it_was_generated() {
        let full = "x\n".repeat(LINES_MAX);
        let long = "x\n".repeat(LINES_MAX + 1);
        let made = format!("// {GENERATED} by something\n{long}");
        let tree = Tree::of([("full.rs", &full), ("long.rs", &long), ("made.rs", &made)]);
        let findings = found(check, &tree);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(
            findings[0].starts_with("long.rs:501: 501 lines"),
            "{findings:?}"
        );
    }
}
