//! No file speaks of the machine it was written on.

use super::Finding;
use crate::tree::Tree;

/// Folders that only somebody's own machine has. Put together here, or this file would name them.
const OF_A_MACHINE: [&str; 4] = [
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "home/"),
    concat!("/", "Users/"),
];
/// Users that every machine of their kind has.
const EVERYWHERE: [&str; 2] = ["ec2-user/", "ubuntu/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.lines(&[""])
        .filter_map(|(path, number, line)| {
            let folder = OF_A_MACHINE
                .into_iter()
                .find(|folder| names(line, folder))?;
            let words = format!(
                "a path of somebody's machine ({folder}); say it from the repository's root"
            );
            Some(Finding::new(path, number, words))
        })
        .collect()
}

/// Whether a line names this folder, at the beginning of a path.
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let rest = line.get(at + folder.len()..).unwrap_or_default();
        let inside =
            before.is_some_and(|letter| letter.is_alphanumeric() || "}.*_-~)".contains(letter));
        !inside && !EVERYWHERE.iter().any(|user| rest.starts_with(user))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    #[test]
    fn absolute_paths_are_found_and_relative_ones_are_not() {
        let [work, root, home, users] = OF_A_MACHINE;
        let text = format!(
            "cd {work}main\n\"{root}.cargo\"\nfine\n{home}ravi/x\nC:{users}asha\n\
             {home}ec2-user/app\nour{work}\narn:aws:iam::111122223333:root\n"
        );
        let findings = found(check, &Tree::of([("Makefile", &text)]));
        let lines: Vec<_> = findings
            .iter()
            .map(|found| found.split(' ').next())
            .collect();
        assert_eq!(
            lines,
            [
                Some("Makefile:1:"),
                Some("Makefile:2:"),
                Some("Makefile:4:"),
                Some("Makefile:5:")
            ]
        );
    }
}
