//! Dependencies that must not come in by a side door.

use super::Finding;
use crate::tree::Tree;

const LOCK: &str = "Cargo.lock";

/// A crate, the beginning of its unwanted versions, and why.
const UNWANTED: [(&str, &str, &str); 2] = [
    ("hyper", "0.", "an outdated HTTP stack beside the new one"),
    (
        "rustls",
        "0.21.",
        "an outdated TLS stack with open advisories",
    ),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let text = tree.text(LOCK);
    let lines: Vec<&str> = text.lines().collect();
    let mut findings = Vec::new();
    for (index, pair) in lines.windows(2).enumerate() {
        let [name, version] = pair else { continue };
        let (Some(name), Some(version)) = (value(name, "name"), value(version, "version")) else {
            continue;
        };
        for (unwanted, versions, why) in UNWANTED {
            if name == unwanted && version.starts_with(versions) {
                let words = format!(
                    "{name} {version} is {why}; `cargo tree -i {name}@{version}` says who brings it"
                );
                findings.push(Finding::new(LOCK, index + 1, words));
            }
        }
    }
    findings
}

fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?
        .strip_prefix(" = \"")?
        .strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    #[test]
    fn the_old_stack_is_found_and_the_new_one_is_not() {
        let text = "[[package]]\nname = \"hyper\"\nversion = \"0.14.32\"\n\n\
                    [[package]]\nname = \"hyper\"\nversion = \"1.12.0\"\n\n\
                    [[package]]\nname = \"rustls\"\nversion = \"0.23.4\"\n\n\
                    [[package]]\nname = \"rustls\"\nversion = \"0.21.12\"\n";
        let findings = found(check, &Tree::of([("Cargo.lock", text)]));
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(
            findings[0].starts_with("Cargo.lock:2: hyper 0.14.32 is"),
            "{findings:?}"
        );
        assert!(
            findings[1].starts_with("Cargo.lock:14: rustls 0.21.12 is"),
            "{findings:?}"
        );
    }
}
