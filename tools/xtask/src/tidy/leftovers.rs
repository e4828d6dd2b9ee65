//! Nothing is left for later in a file: what is known to be missing is an issue, not a note.

use super::Finding;
use crate::tree::Tree;

/// What people write themselves. Samples and snapshots are what others wrote.
const WRITTEN: [&str; 7] = [".rs", ".toml", ".yaml", ".yml", ".md", ".py", "/run"];
/// Put together here, or this file would be full of them.
const NOTES: [&str; 3] = [
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("X", "XX"),
];
const UNFINISHED: [&str; 2] = [concat!("to", "do!("), concat!("unimple", "mented!(")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.lines(&WRITTEN)
        .filter_map(|(path, number, line)| {
            let note = NOTES.into_iter().find(|note| super::has_word(line, note));
            let hole = UNFINISHED.into_iter().find(|hole| line.contains(hole));
            let words = match (note, hole) {
                (_, Some(hole)) => format!("`{hole})`; write what is missing"),
                (Some(note), None) => format!("a leftover {note}; do it, or make it an issue"),
                (None, None) => return None,
            };
            Some(Finding::new(path, number, words))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    #[test]
    fn notes_to_self_are_found_as_whole_words() {
        let [fix, later, odd] = NOTES;
        let [hole, _] = UNFINISHED;
        let text = format!("// {fix}: x\nfine\n// ({later})\nfn a() {{ {hole}) }}\nm{odd}\n");
        let findings = found(check, &Tree::of([("a.rs", &text), ("sample.json", &text)]));
        let expected = [
            format!("a.rs:1: a leftover {fix}; do it, or make it an issue"),
            format!("a.rs:3: a leftover {later}; do it, or make it an issue"),
            format!("a.rs:4: `{hole})`; write what is missing"),
        ];
        assert_eq!(findings, expected);
    }
}
