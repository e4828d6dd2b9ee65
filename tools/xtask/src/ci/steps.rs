//! The steps of `cargo xtask ci`, what fails soonest first.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use super::{groovy, snapshots};
use crate::{debian, lambda, process, python};

const INFRA: &str = "infra";
const EXAMPLES: &str = "infra/examples";
const JENKINS: &str = "integrations/jenkins";
const CFN_LINT: &str = "infra/requirements.txt";
const MINISTACK: &str = "tools/local/ministack/requirements.txt";
/// Tells tests where MiniStack is; those that need it are skipped without.
const MINISTACK_VARIABLE: &str = "LASTGOOD_MINISTACK";
/// Debian's package of the registry that adapters are tested against, and its program.
const REGISTRY: (&str, &str) = ("docker-registry", "usr/bin/docker-registry");
/// Tells tests where the registry is; those that need it are skipped without.
const REGISTRY_VARIABLE: &str = "LASTGOOD_REGISTRY";
/// The tests that mostly wait, and have a local system of their own: they run beside all others.
/// The binary, and what the names of all its tests have in common, and no other's.
const APART: (&str, &str) = ("unkind", "change_no_outcome");
/// Seeds of the adversary.
const SEEDS: &str = "2000";
/// How the names of service files end, which lie among the example templates.
const SERVICE_FILE: &str = ".lastgood.yaml";

/// One step.
#[derive(Debug)]
pub(super) struct Step {
    pub name: &'static str,
    pub what: &'static str,
    pub run: fn(&Path) -> Result<()>,
}

pub(super) static STEPS: [Step; 10] = [
    Step {
        name: "format",
        what: "the code is formatted",
        run: |root| process::run(process::cargo(root).args(["fmt", "--all", "--check"])),
    },
    Step {
        name: "tidy",
        what: "imports, shape, names, leftovers",
        run: |root| process::run(process::cargo(root).args(["xtask", "tidy"])),
    },
    Step {
        name: "templates",
        what: "cfn-lint has nothing to say of the templates",
        run: templates,
    },
    Step {
        name: "jenkins",
        what: "the steps of Jenkins' library, in real Groovy",
        run: groovy::jenkins,
    },
    Step {
        name: "clippy",
        what: "no lint warns, with every feature on",
        run: clippy,
    },
    Step {
        name: "docs",
        what: "the documentation's links lead somewhere",
        run: docs,
    },
    Step {
        name: "test",
        what: "all tests, those of the whole system too; no snapshot without a test",
        run: test,
    },
    Step {
        name: "sim",
        what: "2,000 seeds violate nothing, and every planted bug is found",
        run: sim,
    },
    Step {
        name: "functions",
        what: "every function builds as cargo-lambda builds it",
        run: lambda::build_quickly,
    },
    Step {
        name: "demo",
        what: "the main job, on the local system",
        run: |root| process::run(process::cargo(root).args(["local", "demo"])),
    },
];

/// The step of this name, for the command line.
pub(super) fn named(name: &str) -> Result<&'static Step, String> {
    STEPS.iter().find(|step| step.name == name).ok_or_else(|| {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        format!("the steps are {}", names.join(", "))
    })
}

fn clippy(root: &Path) -> Result<()> {
    let scope = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--locked",
    ];
    process::run(
        process::cargo(root)
            .args(scope)
            .args(["--", "--deny", "warnings"]),
    )
}

fn docs(root: &Path) -> Result<()> {
    let scope = [
        "doc",
        "--workspace",
        "--all-features",
        "--no-deps",
        "--document-private-items",
    ];
    process::run(process::cargo(root).args(scope).arg("--locked").env(
        "RUSTDOCFLAGS",
        "--deny warnings --allow rustdoc::private_intra_doc_links",
    ))
}

fn test(root: &Path) -> Result<()> {
    let ministack = python::programs(root, "ministack", MINISTACK)?.join("ministack");
    let registry = debian::unpacked(root, REGISTRY.0)?.map(|folder| folder.join(REGISTRY.1));
    let asked_for = snapshots::Asked::new(root)?;
    let tests = |more: &[&str]| {
        let mut tests = process::cargo(root);
        tests
            .args(["test", "--workspace", "--locked", "--no-fail-fast"])
            .args(more)
            .env(MINISTACK_VARIABLE, &ministack)
            .env(snapshots::VARIABLE, asked_for.path())
            // A snapshot that differs is a failure, and leaves no file behind.
            .env("INSTA_UPDATE", "no");
        if let Some(registry) = &registry {
            tests.env(REGISTRY_VARIABLE, registry);
        }
        tests
    };
    process::run(&mut tests(&["--no-run"]))?;
    let (binary, theirs) = APART;
    let beside = process::beside(&mut tests(&["--test", binary]))?;
    let main = process::run(&mut tests(&["--", "--skip", theirs]));
    beside.end()?;
    main?;
    asked_for.compare(root)
}

/// The adversary: enough seeds to find what a change breaks, in some minutes.
fn sim(root: &Path) -> Result<()> {
    process::run(process::cargo(root).args(["sim", "--seeds", SEEDS]))?;
    process::run(process::cargo(root).args(["sim", "bugs"]))
}

fn templates(root: &Path) -> Result<()> {
    let programs = python::programs(root, "cfn-lint", CFN_LINT)?;
    let mut files = yaml(root, INFRA)?;
    files.extend(yaml(root, EXAMPLES)?);
    files.extend(yaml(root, JENKINS)?);
    if files.is_empty() {
        bail!("there is no template in {INFRA}/");
    }
    process::run(process::program(root, programs.join("cfn-lint")).args(files))
}

/// The templates of a folder, from the root.
fn yaml(root: &Path, folder: &str) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let entries =
        fs::read_dir(root.join(folder)).with_context(|| format!("cannot list {folder}"))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {folder}"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let hidden = name.starts_with('.');
        if name.ends_with(".yaml") && !hidden && !name.ends_with(SERVICE_FILE) {
            files.push(format!("{folder}/{name}"));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_told_from_service_files_and_settings() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(EXAMPLES);
        fs::create_dir_all(&folder).unwrap();
        for name in [
            ".checkov.yaml",
            "b.yaml",
            "a.yaml",
            "a.lastgood.yaml",
            "notes.md",
        ] {
            fs::write(folder.join(name), "").unwrap();
        }
        let found = yaml(root.path(), EXAMPLES).unwrap();
        assert_eq!(found, ["infra/examples/a.yaml", "infra/examples/b.yaml"]);
    }

    #[test]
    fn an_unknown_step_is_answered_with_the_known_ones() {
        assert_eq!(named("demo").unwrap().name, "demo");
        let error = named("dmeo").unwrap_err();
        assert!(error.contains("format, tidy, templates"), "{error}");
    }
}
