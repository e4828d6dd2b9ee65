//! Every crate takes its lints from the workspace, and is named after its folder.

use super::Finding;
use crate::tree::{Crate, Tree};

/// The one crate that people know by another name than its folder's.
const CLI: (&str, &str) = ("cli", "lastgood");

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.crates
        .iter()
        .flat_map(|found| [lints(tree, found), name(tree, found)])
        .flatten()
        .collect()
}

fn lints(tree: &Tree, found: &Crate) -> Option<Finding> {
    let manifest = found.manifest();
    let lines = tree.text(&manifest).lines().map(str::trim);
    let inherits = lines
        .skip_while(|line| *line != "[lints]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .any(|line| line == "workspace = true");
    let line = tree.line_of(&manifest, "[lints]");
    let words =
        "the crate does not take the workspace's lints; add `[lints]` with `workspace = true`";
    (!inherits).then(|| Finding::new(&manifest, line, words))
}

fn name(tree: &Tree, found: &Crate) -> Option<Finding> {
    let folder = found.folder.rsplit('/').next().unwrap_or_default();
    let wanted = if found.folder == CLI.0 { CLI.1 } else { folder };
    let manifest = found.manifest();
    let line = tree.line_of(&manifest, "name");
    (found.name != wanted).then(|| {
        let words = format!(
            "the crate {} lies in `{folder}/`; give both one name",
            found.name
        );
        Finding::new(&manifest, line, words)
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    #[test]
    fn lints_come_from_the_workspace() {
        let good = "[package]\nname = \"good\"\n\n[lints]\nworkspace = true\n";
        let own =
            "[package]\n\n[lints]\nrust.x = \"allow\"\n\n[dependencies.a]\nworkspace = true\n";
        let tree = Tree::of([
            ("shared/good/Cargo.toml", good),
            ("shared/own/Cargo.toml", own),
        ])
        .with_crate("shared/good", &[])
        .with_crate("shared/own", &[]);
        let findings = found(check, &tree);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(
            findings[0].starts_with("shared/own/Cargo.toml:3: "),
            "{findings:?}"
        );
    }

    #[test]
    fn crates_are_named_after_their_folders() {
        let lints = "[package]\nname = \"x\"\n[lints]\nworkspace = true\n";
        let mut tree = Tree::of([("cli/Cargo.toml", lints), ("shared/b/Cargo.toml", lints)])
            .with_crate("cli", &[])
            .with_crate("shared/b", &[]);
        tree.crates[0].name = "lastgood".to_owned();
        tree.crates[1].name = "bee".to_owned();
        assert_eq!(
            found(check, &tree),
            ["shared/b/Cargo.toml:2: the crate bee lies in `b/`; give both one name"]
        );
    }
}
