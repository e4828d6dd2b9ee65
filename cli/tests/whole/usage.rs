//! What can be typed, and what is said about what cannot.

use crate::support::{lastgood, told};

const VERBS: [&str; 25] = [
    "init",
    "validate",
    "apply",
    "services",
    "status",
    "watch",
    "why",
    "history",
    "show",
    "diff",
    "plan",
    "publish",
    "wait",
    "approve",
    "reject",
    "promote",
    "rollback",
    "cancel",
    "freeze",
    "thaw",
    "verify",
    "export",
    "doctor",
    "completions",
    "man",
];

#[test]
fn help_of_the_whole() {
    let (code, out, err) = told(&lastgood(&["--help"]).output().unwrap());
    assert_eq!((code, &*err), (0, ""));
    // A verb that a build may leave out.
    let lines: Vec<&str> = out
        .lines()
        .filter(|line| !line.starts_with("  schema "))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_verb_has_help_with_an_example() {
    let mut all = Vec::new();
    for verb in VERBS {
        let (code, out, err) = told(&lastgood(&[verb, "--help"]).output().unwrap());
        assert_eq!((code, &*err), (0, ""), "{verb}");
        assert!(
            out.contains("Example") && out.contains(&format!("lastgood {verb} ")),
            "{verb}: {out}"
        );
        // The shared options are in the snapshot of the whole.
        all.push(
            out.split("Shared options:").next().unwrap().to_owned()
                + out
                    .rsplit("NO_COLOR")
                    .next()
                    .unwrap()
                    .split_once("auto]")
                    .map_or("", |(_, rest)| rest),
        );
    }
    insta::assert_snapshot!(all.join("\n=====\n\n"));
}

#[test]
fn wrong_usage_ends_with_2() {
    for args in [
        &["approve", "web"][..],
        &["approve", "Web", "production", "1"],
        &["approve", "web", "production", "one"],
        &["reject", "web", "production", "1"],
        &["rollback", "web", "production"],
        &["freeze", "--reason", "x"],
        &["freeze", "web", "--reason", "x", "--for", "-2h"],
        &["freeze", "web", "--all", "--reason", "x"],
        &["history", "web", "--limit", "few"],
        &["apply"],
        &["export", "--since", "soon"],
        &["export", "--since", "2026-11-24", "--until", "2026-11-23"],
        &["completions", "tcsh"],
        &["man"],
        &["init", "web"],
        &["init", "web", "--from-ecs", "web"],
        &["validate", "/nonexistent.yaml"],
        &["plan", "web", "production"],
        &["apply", "/nonexistent.yaml"],
        &["undo"],
        &[],
    ] {
        let (code, out, err) = told(&lastgood(args).output().unwrap());
        assert_eq!((code, &*out), (2, ""), "{args:?}");
        assert!(
            err.contains("error: ") || err.contains("Usage:"),
            "{args:?}: {err}"
        );
    }
}

#[test]
fn errors_are_json_when_scripts_ask() {
    let rows: [(&[&str], i32, &str); 4] = [
        (&["approve", "web", "--output", "json"], 2, "usage"),
        (
            &["approve", "web", "production", "1", "--output=json"],
            2,
            "usage",
        ),
        (&["status", "-o", "json"], 2, "usage"),
        (
            &["status", "--table", "t", "--region", "ap-south-1", "-ojson"],
            8,
            "unobserved",
        ),
    ];
    for (args, expected, word) in rows {
        let mut command = lastgood(args);
        // Nobody listens on port 9 here.
        let output = command
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .output()
            .unwrap();
        let (code, out, err) = told(&output);
        assert_eq!((code, &*out), (expected, ""), "{args:?}: {err}");
        let error: serde_json::Value = serde_json::from_str(&err).unwrap();
        assert_eq!(error["code"], word, "{args:?}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        assert!(error.get("hint").is_some());
    }
}

#[test]
fn wrong_usage_is_a_cause_its_evidence_and_one_hint() {
    let rows: [&[&str]; 9] = [
        &["approve", "web"],
        &["approve", "Web", "production", "1"],
        &["approve", "web", "production", "one"],
        &["stats"],
        &["status", "--tabel", "t"],
        &["status", "-o", "yaml"],
        &["-o", "json"],
        &["-qojsonl", "approve", "web"],
        &["approve", "web", "--output", "jsonl"],
    ];
    let mut all = Vec::new();
    for args in rows {
        // What the environment names is not shown as if it had to be typed.
        let mut command = lastgood(args);
        command.env("LASTGOOD_TABLE", "t");
        command.env("LASTGOOD_COMMAND_URL", "https://abc/");
        command.env("LASTGOOD_APPROVAL_URL", "https://def/");
        let (code, out, err) = told(&command.output().unwrap());
        assert_eq!((code, &*out), (2, ""), "{args:?}");
        all.push(format!("$ lastgood {}\n{err}", args.join(" ")));
    }
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn the_environment_may_name_the_format() {
    let said = |format: &str| {
        let mut command = lastgood(&["status"]);
        told(&command.env("LASTGOOD_OUTPUT", format).output().unwrap())
    };
    let (code, _, err) = said("jsonl");
    assert_eq!(code, 2);
    assert!(err.starts_with("{\"code\":\"usage\""), "{err}");
    let (code, _, err) = said("yaml");
    assert_eq!(code, 2);
    assert!(err.contains("LASTGOOD_OUTPUT names no format"), "{err}");
    let (_, _, err) = said("");
    assert!(err.starts_with("error: "), "nothing is no format: {err}");
}

#[test]
fn what_is_not_set_is_named() {
    let (_, _, err) = told(&lastgood(&["status"]).output().unwrap());
    assert!(
        err.contains("LASTGOOD_TABLE") && err.contains("--table"),
        "{err}"
    );
    let (_, _, err) = told(&lastgood(&["thaw", "web"]).output().unwrap());
    assert!(
        err.contains("LASTGOOD_COMMAND_URL") && err.contains("--command-url"),
        "{err}"
    );
    // The one address does not do for the other.
    let mut command = lastgood(&["reject", "web", "dev", "1", "--reason", "no"]);
    command.env("LASTGOOD_COMMAND_URL", "https://abc/");
    let (_, _, err) = told(&command.output().unwrap());
    assert!(
        err.contains("LASTGOOD_APPROVAL_URL") && err.contains("--approval-url"),
        "{err}"
    );
    let mut command = lastgood(&["status", "--table", "t"]);
    let (_, _, err) = told(&command.env_remove("AWS_REGION").output().unwrap());
    assert!(
        err.contains("AWS_REGION") && err.contains("--region"),
        "{err}"
    );
}

#[test]
fn colour_comes_when_it_is_asked_for() {
    let coloured = |args: &[&str], name: &str, value: &str| {
        let (_, _, err) = told(&lastgood(args).env(name, value).output().unwrap());
        err.contains('\u{1b}')
    };
    assert!(
        !coloured(&["status"], "TERM", "xterm"),
        "stderr is no terminal here"
    );
    assert!(coloured(&["status", "--color", "always"], "TERM", "xterm"));
    assert!(coloured(&["status"], "CLICOLOR_FORCE", "1"));
    assert!(!coloured(
        &["status", "--color", "never"],
        "CLICOLOR_FORCE",
        "1"
    ));
    assert!(coloured(&["status", "--color", "always"], "NO_COLOR", "1"));
}
