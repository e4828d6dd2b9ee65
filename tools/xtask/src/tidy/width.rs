//! No line of Rust is wider than rustfmt is told to make it. rustfmt does not break comments, and
//! leaves code alone that it cannot break; what it cannot break because of a literal stays wide.

use super::Finding;
use crate::tree::Tree;

/// The same as `max_width` in rustfmt.toml, in characters.
const WIDTH_MAX: usize = 100;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.lines(&[".rs"])
        .filter(|(_, _, line)| line.chars().count() > WIDTH_MAX && !unbreakable(line))
        .map(|(path, number, line)| {
            let words = format!(
                "{} characters, {WIDTH_MAX} are the most; break the line",
                line.chars().count()
            );
            Finding::new(path, number, words)
        })
        .collect()
}

/// Addresses, rows of tables, and code with a literal.
fn unbreakable(line: &str) -> bool {
    let text = line.trim_start();
    let Some(comment) = text.strip_prefix("//") else {
        return text.contains('"');
    };
    let row = comment.trim_start_matches(['/', '!', ' ']).starts_with('|');
    row || text.contains("://")
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    #[test]
    fn wide_lines_are_found_unless_nothing_can_be_done_about_them() {
        let x = "ß".repeat(WIDTH_MAX);
        let text = format!(
            "//! {x}\n{x}\n// https://{x}\n//! | {x} |\n    let x = \"{x}\";\n/// \"{x}\"\n"
        );
        let findings = found(check, &Tree::of([("a.rs", &text), ("a.md", &text)]));
        assert_eq!(
            findings,
            [
                "a.rs:1: 104 characters, 100 are the most; break the line",
                "a.rs:6: 106 characters, 100 are the most; break the line",
            ]
        );
    }
}
