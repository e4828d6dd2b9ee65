//! One version: the template says that of the workspace, so that `lastgood doctor` can tell which
//! template a stack was made from.

use super::Finding;
use crate::tree::Tree;

const MANIFEST: &str = "Cargo.toml";
const TEMPLATE: &str = "infra/template.yaml";
const VARIABLE: &str = "LASTGOOD_TEMPLATE:";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(version) = of_workspace(tree.text(MANIFEST)) else {
        return Vec::new();
    };
    let mut lines = (1..).zip(tree.text(TEMPLATE).lines());
    let told = lines.find_map(|(line, text)| Some((line, text.trim().strip_prefix(VARIABLE)?)));
    match told {
        Some((_, told)) if told.trim() == version => Vec::new(),
        Some((line, told)) => vec![Finding::new(
            TEMPLATE,
            line,
            format!("is the template of{told}, and the workspace is {version}; say {version}"),
        )],
        None => vec![Finding::new(
            TEMPLATE,
            1,
            format!("does not say its version; set {VARIABLE} {version} for all functions"),
        )],
    }
}

/// The version that the crates share.
fn of_workspace(manifest: &str) -> Option<&str> {
    let (_, package) = manifest.split_once("[workspace.package]")?;
    let line = package
        .lines()
        .find_map(|line| line.strip_prefix("version = "))?;
    Some(line.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    const CARGO: &str = "[workspace]\n\n[workspace.package]\nversion = \"0.2.0\"\n";

    fn says(template: &str) -> Vec<String> {
        found(check, &Tree::of([(MANIFEST, CARGO), (TEMPLATE, template)]))
    }

    #[test]
    fn the_template_has_the_version_of_the_workspace() {
        assert_eq!(says("a: b\n        LASTGOOD_TEMPLATE: 0.2.0\n"), [""; 0]);
        assert_eq!(
            says("a: b\n        LASTGOOD_TEMPLATE: 0.1.0\n"),
            [
                "infra/template.yaml:2: is the template of 0.1.0, and the workspace is 0.2.0; say 0.2.0"
            ]
        );
        assert_eq!(says("a: b\n").len(), 1);
    }
}
