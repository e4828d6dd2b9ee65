//! `watch` on a terminal and off it, and what a release comes to as exit code.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use domain::ReleaseNumber;
use domain::alarm::AlarmState;
use domain::fact::Request;
use serde_json::{Value, json};

use crate::story::{Story, production};
use crate::support::{lastgood, told};
use crate::table::{TABLE, Table};
use crate::terminal::Terminal;

/// How long the binary may take to ask for something, on a machine that does much else.
const ASKED_WITHIN: Duration = Duration::from_secs(120);

fn on(table: &Table, args: &[&str]) -> Command {
    let mut command = lastgood(args);
    command
        .env("AWS_ENDPOINT_URL", &table.endpoint)
        .env("LASTGOOD_TABLE", TABLE);
    command
}

async fn told_by(story: &Story, args: &[&str]) -> (i32, String, String) {
    let table = Table::start();
    table.shows(story).await;
    told(&on(&table, args).output().unwrap())
}

/// How often something was asked.
fn asked(table: &Table, call: &str) -> usize {
    table.asked().iter().filter(|asked| *asked == call).count()
}

/// Waits until something was asked so often.
fn until_asked(table: &Table, call: &str, count: usize) {
    let begun = Instant::now();
    while asked(table, call) < count {
        assert!(
            begun.elapsed() < ASKED_WITHIN,
            "{call} was not asked {count} times"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn failed() -> Value {
    json!({ "status": "Failed", "lifecycleEvents": [{
        "lifecycleEventName": "ValidateService", "status": "Failed", "diagnostics": {
            "errorCode": "ScriptFailed", "scriptName": "scripts/check.sh",
            "logTail": "curl: (22) 500",
        },
    }] })
}

fn at(step: &str) -> Value {
    json!({ "status": "InProgress", "lifecycleEvents": [
        { "lifecycleEventName": step, "status": "InProgress" },
    ] })
}

#[tokio::test]
async fn on_a_terminal_it_is_drawn_until_it_has_settled() {
    let story = Story::told().await;
    story.arrives("1.6.0").await;
    story.begins("dev").await;
    let table = Table::start();
    table.shows(&story).await;
    let well = || json!({ "status": "Succeeded" });
    table.instances(vec![("i-1", well()), ("i-2", at("BeforeInstall"))]);
    let command = on(&table, &["watch", "web", "4", "--stage", "dev"]);
    let mut terminal = Terminal::run(command, 30, 100);
    terminal.shows(&["release 4 to dev", "4 (1.6.0) is being deployed"]);
    terminal.shows(&["1 of 2 run release 4", "i-2 BeforeInstall", "usually 20s"]);
    assert!(terminal.is_coloured(), "{}", terminal.text());

    table.instances(vec![("i-1", well()), ("i-2", failed())]);
    let died = "i-2 failed at ValidateService: ScriptFailed: scripts/check.sh: curl: (22) 500";
    terminal.shows(&[died]);

    story.ends_well("dev").await;
    table.shows(&story).await;
    assert_eq!(terminal.ends(), 0);
    let last = terminal.shows(&["done: release 4 is good on dev"]);
    // It was drawn over, not one below the other.
    assert_eq!(last.matches("release 4 to dev").count(), 1, "{last}");
}

#[tokio::test]
async fn what_is_interrupted_ends_with_130() {
    let story = Story::told().await;
    story.arrives("1.6.0").await;
    let table = Table::start();
    table.shows(&story).await;
    let mut terminal = Terminal::run(on(&table, &["watch", "web"]), 24, 80);
    terminal.shows(&["all stages"]);
    let process = terminal.process().to_string();
    let killed = Command::new("kill").args(["-INT", &process]).status();
    assert!(killed.unwrap().success());
    assert_eq!(terminal.ends(), 130);
}

#[tokio::test]
async fn without_a_terminal_there_is_a_line_for_each_change_and_no_escape() {
    let story = Story::told().await;
    story.arrives("1.6.0").await;
    story.begins("dev").await;
    let table = Table::start();
    table.shows(&story).await;
    table.instances(vec![("i-1", failed())]);
    let mut watch = on(&table, &["watch", "web", "4", "--stage", "dev"]);
    watch.stdout(Stdio::piped()).stderr(Stdio::piped());
    let watch = watch.spawn().unwrap();
    // It has begun when it has looked at the instances.
    until_asked(&table, "BatchGetDeploymentTargets", 1);
    story.ends_well("dev").await;
    table.shows(&story).await;
    let (code, out, err) = told(&watch.wait_with_output().unwrap());
    assert_eq!((code, &*err), (0, ""));
    assert!(!out.contains('\u{1b}'), "{out}");
    let lines: Vec<&str> = out
        .lines()
        .map(|line| line.get(9..).unwrap_or(line))
        .collect();
    let died = "dev: i-1 died: failed at ValidateService: ScriptFailed: scripts/check.sh: \
                curl: (22) 500";
    assert!(lines.contains(&died), "{out}");
    assert_eq!(
        lines.iter().filter(|line| **line == died).count(),
        1,
        "said once: {out}"
    );
    assert!(lines.contains(&"release 4 is good on dev"), "{out}");
    assert!(out.ends_with("done: release 4 is good on dev\n"), "{out}");
}

#[tokio::test]
async fn scripts_get_a_document_for_each_change_and_the_verdict_last() {
    let story = Story::told().await;
    let (code, out, err) = told_by(&story, &["watch", "web", "2", "-o", "jsonl"]).await;
    assert_eq!((code, &*err), (3, ""));
    let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["kind"], &last["verdict"], &last["code"]),
        (&json!("verdict"), &json!("rolled_back"), &json!(3))
    );
}

#[tokio::test]
async fn targets_that_may_not_be_seen_are_said_once_and_end_nothing() {
    let story = Story::told().await;
    story.arrives("1.6.0").await;
    story.begins("dev").await;
    let table = Table::start();
    table.shows(&story).await;
    let mut watch = on(&table, &["watch", "web", "--stage", "dev"]);
    watch.stdout(Stdio::piped()).stderr(Stdio::piped());
    let watch = watch.spawn().unwrap();
    until_asked(&table, "ListDeployments", 1);
    // It looks at the ledger on and on, for longer than until the next look at the targets.
    let looked = asked(&table, "BatchGetItem");
    until_asked(&table, "BatchGetItem", looked + 7);
    story.ends_well("dev").await;
    table.shows(&story).await;
    let (code, out, err) = told(&watch.wait_with_output().unwrap());
    assert_eq!((code, &*err), (0, ""), "{out}");
    assert_eq!(out.matches("cannot be seen").count(), 1, "{out}");
    assert!(out.contains("AccessDeniedException"), "{out}");
    assert_eq!(asked(&table, "ListDeployments"), 1, "it is not asked again");
}

#[tokio::test]
async fn what_does_not_settle_in_time_was_not_observed() {
    let story = Story::told().await;
    story.arrives("1.6.0").await;
    let args = ["watch", "web", "--timeout", "1s", "--output", "json"];
    let (code, out, err) = told_by(&story, &args).await;
    assert_eq!((code, &*out), (8, ""));
    let error: Value = serde_json::from_str(&err).unwrap();
    assert_eq!(error["code"], "unobserved");
    assert_eq!(error["hint"], "--timeout watches longer");
}

#[tokio::test]
async fn the_verdict_is_the_exit_code() {
    let story = Story::told().await;
    let watch = async |story: &Story, args: &[&str]| {
        let (code, out, err) = told_by(story, &[&["watch", "web"], args].concat()).await;
        (
            code,
            format!("{}\n{err}", out.lines().last().unwrap_or_default()),
        )
    };
    assert_eq!(watch(&story, &["1"]).await.0, 0);
    let (code, words) = watch(&story, &["2"]).await;
    assert_eq!(code, 3, "{words}");
    assert!(words.contains("production runs 1 again"), "{words}");
    let (code, words) = watch(&story, &["3"]).await;
    assert_eq!(code, 5, "{words}");
    assert!(
        words.contains("lastgood approve web production 3"),
        "{words}"
    );
    assert_eq!(
        watch(&story, &[]).await.0,
        5,
        "the service waits for the same person"
    );
    assert_eq!(watch(&story, &["--stage", "dev"]).await.0, 0);
    assert_eq!(watch(&story, &["9"]).await.0, 2);

    // A newer one reaches the same gate.
    story.arrives("1.6.0").await;
    story.goes_well("dev").await;
    let (code, words) = watch(&story, &["3"]).await;
    assert_eq!(code, 6, "{words}");

    let reject = Request::Reject {
        stage: production(),
        release: ReleaseNumber(4),
        reason: "not before the sale".into(),
    };
    story.ask("bob", reject).await;
    let (code, words) = watch(&story, &["4"]).await;
    assert_eq!(code, 1, "{words}");
}

#[tokio::test]
async fn a_stage_that_is_rolled_back_meanwhile_is_the_services_verdict() {
    let story = Story::told().await;
    story.approved(3).await;
    story.begins("production").await;
    let table = Table::start();
    table.shows(&story).await;
    let mut watch = on(&table, &["watch", "web", "--stage", "production"]);
    watch.stdout(Stdio::piped()).stderr(Stdio::piped());
    let watch = watch.spawn().unwrap();
    until_asked(&table, "GetCallerIdentity", 1);
    story.alarm(AlarmState::Alarm).await;
    story.is_undone("production").await;
    table.shows(&story).await;
    let (code, out, err) = told(&watch.wait_with_output().unwrap());
    assert_eq!(code, 3, "{out}{err}");
    assert!(
        out.contains("rolled back: release 3 was rolled back"),
        "{out}"
    );
}

#[tokio::test]
async fn without_a_service_everything_that_goes_on_is_watched_until_nothing_does() {
    let story = Story::told().await;
    // Who waits for a person does not move.
    let (code, out, err) = told_by(&story, &["watch"]).await;
    assert_eq!(
        (code, &*out, &*err),
        (0, "done: nothing is under way\n", "")
    );

    story.arrives("1.6.0").await;
    story.begins("dev").await;
    let table = Table::start();
    table.shows(&story).await;
    let mut watch = on(&table, &["watch"]);
    watch.stdout(Stdio::piped()).stderr(Stdio::piped());
    let watch = watch.spawn().unwrap();
    until_asked(&table, "ListDeployments", 1);
    story.ends_well("dev").await;
    table.shows(&story).await;
    let (code, out, err) = told(&watch.wait_with_output().unwrap());
    assert_eq!(code, 5, "{out}{err}");
    assert!(out.contains(" web release 4 is good on dev\n"), "{out}");
    assert!(out.contains("web waits: release 4 on production"), "{out}");
    assert!(err.contains("lastgood approve web production 4"), "{err}");
}

#[tokio::test]
async fn what_differs_ends_with_7_only_when_asked() {
    let story = Story::told().await;
    let diff = ["diff", "web", "dev", "production"];
    assert_eq!(told_by(&story, &diff).await.0, 0);
    let (code, out, err) = told_by(&story, &[&diff[..], &["--check"]].concat()).await;
    assert_eq!((code, &*err), (7, ""));
    assert!(out.contains("dev is 2 releases ahead"), "{out}");
}

/// 300 services of four stages, each with a history.
async fn crowded() -> Table {
    let table = Table::start();
    let mut pipeline = Story::told().await.pipeline().await;
    let snapshot: &mut domain::pipeline::Snapshot = &mut pipeline;
    let config = std::sync::Arc::make_mut(snapshot.config.as_mut().unwrap());
    let (dev, production) = (config.stages[0].clone(), config.stages[1].clone());
    for (at, name) in ["test", "staging"].into_iter().enumerate() {
        let name: domain::StageName = name.parse().unwrap();
        let mut stage = dev.clone();
        stage.name = name.clone();
        config.stages.insert(1 + at, stage);
        let state = snapshot.stages[&dev.name].clone();
        snapshot.stages.insert(name, state);
    }
    assert_eq!(pipeline.stages.len(), 4, "{}", production.name);
    for number in 0..300 {
        pipeline.service = format!("web-{number:03}").parse().unwrap();
        table.put(&pipeline, &[], &[]);
    }
    table
}

#[tokio::test]
async fn a_board_of_300_services_costs_two_round_trips() {
    let table = crowded().await;
    // Each of these waits for the others: one after the other they would never be answered.
    table.answers_together(3);
    let (code, out, err) = told(&on(&table, &["status", "-o", "jsonl"]).output().unwrap());
    assert_eq!(code, 0, "{err}");
    assert_eq!(out.lines().count(), 300);
    let mut asked = table.asked();
    assert_eq!(asked.remove(0), "Query");
    assert_eq!(asked, ["BatchGetItem"; 3]);
}

/// Prints the CPU time (user, system) of a start and of the board, in seconds; asserts nothing,
/// since a machine that does much else says nothing about a limit.
#[tokio::test]
#[ignore = "measures: cargo test --release -p lastgood --test whole measured -- --ignored --nocapture"]
async fn what_a_start_and_a_board_cost_is_measured() {
    let table = crowded().await;
    for args in ["--version", "status"] {
        let mut times = Vec::new();
        for _ in 0..10 {
            let mut timed = Command::new("bash");
            timed
                .args([
                    "-c",
                    "TIMEFORMAT='%U %S'; time \"$0\" \"$1\" > /dev/null 2>&1",
                ])
                .args([env!("CARGO_BIN_EXE_lastgood"), args])
                .envs([
                    ("AWS_ENDPOINT_URL", &*table.endpoint),
                    ("LASTGOOD_TABLE", TABLE),
                ])
                .envs([
                    ("AWS_ACCESS_KEY_ID", "AKID"),
                    ("AWS_SECRET_ACCESS_KEY", "secret"),
                ])
                .envs([("AWS_REGION", "ap-south-1"), ("HOME", "/nonexistent")]);
            let (code, _, err) = told(&timed.output().unwrap());
            assert_eq!(code, 0, "{err}");
            times.push(err.trim().to_owned());
        }
        times.sort();
        println!("lastgood {args}: {}", times.join(", "));
    }
}
