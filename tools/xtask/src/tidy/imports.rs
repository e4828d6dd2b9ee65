//! Who may import whom. The pure core knows nobody, AWS's types stay where AWS is spoken, and no
//! function knows another. ARCHITECTURE.md tells why.

use super::Finding;
use crate::tree::{Crate, Tree};

/// A crate, or with a `/` at the end every crate in a folder, and those of ours it may import.
const MAY_IMPORT: [(&str, &[&str]); 19] = [
    ("shared/domain", &[]),
    ("shared/intake", &["domain"]),
    ("shared/chat", &["domain"]),
    ("shared/forge", &["domain"]),
    ("shared/engine", &["chat", "domain", "forge"]),
    ("shared/aws", &["chat", "domain", "engine", "fuzz"]),
    (
        "shared/messenger",
        &["chat", "chatroom", "engine", "forge", "workshop"],
    ),
    ("shared/lambda", &["aws", "domain", "engine", "intake"]),
    (
        "functions/",
        &[
            "aws",
            "chat",
            "domain",
            "engine",
            "forge",
            "intake",
            "lambda",
            "messenger",
        ],
    ),
    ("cli", &["aws", "domain", "engine", "intake"]),
    // These play AWS; what AWS knows nothing of, they know nothing of.
    ("tools/local/chatroom", &[]),
    ("tools/local/delivery", &[]),
    ("tools/local/fleet", &[]),
    ("tools/local/gateway", &["fleet"]),
    ("tools/local/workshop", &[]),
    (
        "tools/local",
        &[
            "aws", "chatroom", "delivery", "domain", "engine", "fleet", "gateway", "intake",
            "workshop",
        ],
    ),
    ("tools/fuzz", &["chat", "domain", "forge", "intake"]),
    ("tools/simulator", &["domain", "engine", "intake"]),
    ("tools/xtask", &[]),
];

/// Crates of others that not everybody may ask for.
struct KeptOut {
    /// Their names; one that ends in `-` is the beginning of many.
    crates: &'static [&'static str],
    /// Whether they are kept out of the crate in this folder.
    of: fn(&str) -> bool,
    why: &'static str,
}

const KEPT_OUT: [KeptOut; 4] = [
    KeptOut {
        crates: &["aws-config", "aws-sdk-", "aws-smithy-"],
        of: speaks_no_aws,
        why: "AWS's types stay in shared/aws, shared/messenger, cli and tools",
    },
    KeptOut {
        crates: &["axum", "hyper", "lambda_runtime", "reqwest"],
        of: is_core,
        why: "the core does no I/O and does not know where it runs",
    },
    KeptOut {
        crates: &["futures", "futures-util", "tokio"],
        of: is_pure,
        why: "the pure core is not async",
    },
    KeptOut {
        crates: &["fastrand", "rand", "uuid"],
        of: is_core,
        why: "in the core nothing is left to chance",
    },
];

fn speaks_no_aws(folder: &str) -> bool {
    let tool = folder.starts_with("tools/") && folder != "tools/simulator";
    !(tool || ["shared/aws", "shared/messenger", "cli"].contains(&folder))
}

fn is_pure(folder: &str) -> bool {
    ["shared/chat", "shared/domain", "shared/intake"].contains(&folder)
}

fn is_core(folder: &str) -> bool {
    is_pure(folder) || folder == "shared/engine"
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.crates
        .iter()
        .flat_map(|importer| {
            ours(tree, importer)
                .into_iter()
                .chain(others(tree, importer))
        })
        .collect()
}

fn ours(tree: &Tree, importer: &Crate) -> Vec<Finding> {
    let manifest = importer.manifest();
    let rule = MAY_IMPORT.iter().find(|(who, _)| {
        let inside = who.ends_with('/') && importer.folder.starts_with(who);
        inside || *who == importer.folder
    });
    let Some((_, allowed)) = rule else {
        let words =
            "nothing says whom this crate may import; add it to tools/xtask/src/tidy/imports.rs";
        return vec![Finding::new(&manifest, 1, words)];
    };
    let is_ours = |need: &&String| tree.crates.iter().any(|known| known.name == **need);
    importer
        .needs
        .iter()
        .filter(is_ours)
        .filter(|need| **need != importer.name && !allowed.contains(&need.as_str()))
        .map(|need| {
            let words = format!(
                "{} must not import {need}, only {}; move what is needed to where both may find it",
                importer.name,
                if allowed.is_empty() {
                    "nothing of ours".to_owned()
                } else {
                    allowed.join(", ")
                }
            );
            Finding::new(&manifest, tree.line_of(&manifest, need), words)
        })
        .collect()
}

fn others(tree: &Tree, importer: &Crate) -> Vec<Finding> {
    let manifest = importer.manifest();
    let mut findings = Vec::new();
    for need in &importer.needs {
        let is_need =
            |name: &&str| need == name || (name.ends_with('-') && need.starts_with(*name));
        for KeptOut { crates, of, why } in KEPT_OUT {
            if of(&importer.folder) && crates.iter().any(is_need) {
                let words = format!("{} must not use {need}: {why}; take it out", importer.name);
                findings.push(Finding::new(
                    &manifest,
                    tree.line_of(&manifest, need),
                    words,
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    #[test]
    fn what_the_design_allows_is_fine() {
        let tree = Tree::default()
            .with_crate("shared/domain", &["serde", "insta"])
            .with_crate("shared/engine", &["domain", "engine", "tokio"])
            .with_crate("shared/aws", &["domain", "engine", "aws-sdk-ecs"])
            .with_crate("functions/command", &["aws", "domain"])
            .with_crate("tools/local", &["fleet", "aws-sdk-s3"])
            .with_crate("tools/local/fleet", &["hyper"]);
        assert_eq!(found(check, &tree), [""; 0]);
    }

    #[test]
    fn imports_against_the_grain_are_found_where_they_stand() {
        let manifest = "[dependencies]\naws.workspace = true\naws-sdk-ecs.workspace = true\n";
        let tree = Tree::of([("shared/domain/Cargo.toml", manifest)])
            .with_crate("shared/aws", &[])
            .with_crate("shared/domain", &["aws", "aws-sdk-ecs", "tokio"]);
        let findings = found(check, &tree);
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(
            findings[0].starts_with(
                "shared/domain/Cargo.toml:2: domain must not import aws, only nothing of ours"
            ),
            "{findings:?}"
        );
        assert!(
            findings[1].starts_with("shared/domain/Cargo.toml:3: domain must not use aws-sdk-ecs")
        );
        assert!(findings[2].contains("domain must not use tokio"));
    }

    #[test]
    fn functions_do_not_know_each_other_and_the_simulator_does_not_know_aws() {
        let tree = Tree::default()
            .with_crate("shared/aws", &[])
            .with_crate("functions/command", &[])
            .with_crate("functions/deployer", &["command"])
            .with_crate("tools/simulator", &["aws", "aws-sdk-ecs"]);
        let findings = found(check, &tree);
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(findings[0].contains("deployer must not import command"));
        assert!(findings[1].contains("simulator must not import aws"));
        assert!(findings[2].contains("simulator must not use aws-sdk-ecs"));
    }

    #[test]
    fn a_new_crate_needs_a_rule() {
        let findings = found(check, &Tree::default().with_crate("shared/junk", &[]));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("shared/junk/Cargo.toml:1: nothing says whom"));
    }
}
