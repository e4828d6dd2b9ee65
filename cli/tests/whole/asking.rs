//! What asks before it acts: on a terminal with the plan before the reader's eyes, elsewhere not at
//! all, and then nothing is done.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use aws::DynamoLedger;
use domain::config::{ApprovalRule, AuthorMay, Gate, SlackMay};
use domain::fact::Proof;
use domain::reason::Verdict;
use domain::{Fact, Reason, ServiceConfig, SignedDuration, Timestamp};
use engine::memory::MemoryClock;
use engine::memory::contract::{config, configure};
use engine::turn::turn;
use intake::wire::Answer;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::stack::{Stack, arrived};
use crate::support::{Act, Server, told};

fn gated() -> ServiceConfig {
    let mut config = config(&"web".parse().unwrap(), "web-5xx");
    config.stages[0].gate = Gate::Approval(ApprovalRule {
        approvers: vec!["*".to_owned()],
        count: 1,
        author: AuthorMay::NotApprove,
        expires_after: SignedDuration::from_hours(24),
        slack: SlackMay::NotDecide,
    });
    config
}

async fn hear(ledger: &DynamoLedger, fact: Fact) {
    let clock = MemoryClock::new(Timestamp::now());
    let web = "web".parse().unwrap();
    turn(ledger, &clock, &web, &fact).await.unwrap();
}

/// Runs it on a terminal of its own, where somebody types an answer; exit code and what stood on
/// the terminal.
fn on_a_terminal(stack: &Stack, args: &[&str], types: &str) -> (i32, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let side = || {
        let path = name.to_str().unwrap();
        File::options().read(true).write(true).open(path).unwrap()
    };
    let mut child = stack
        .lastgood(args)
        .stdin(side())
        .stderr(side())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut terminal = File::from(terminal);
    // What is typed early waits in the terminal until somebody reads.
    terminal.write_all(types.as_bytes()).unwrap();
    let mut shown = Vec::new();
    let mut part = [0; 4096];
    // Once nobody has the other side open any more, reading fails.
    while let Ok(count) = terminal.read(&mut part) {
        shown.extend_from_slice(&part[..count]);
    }
    let code = child.wait().unwrap().code().unwrap();
    (code, String::from_utf8(shown).unwrap())
}

#[tokio::test]
async fn a_person_sees_the_plan_and_is_asked_and_a_script_is_not() {
    let Some(stack) = Stack::start() else {
        println!("skipped: LASTGOOD_MINISTACK does not say where MiniStack's executable is");
        return;
    };
    let ledger = stack.prepare().await;
    hear(&ledger, configure(gated(), "request-1")).await;
    let found = arrived("builds/web-1.4.2.zip", "v1", Proof::Deployable);
    hear(&ledger, found).await;
    let done = serde_json::to_string(&Answer {
        verdict: Verdict::Nothing,
        reason: Reason::RequestKnown,
        entries: Vec::new(),
    });
    let server = Server::acting(vec![Act::Answer(200, "", done.unwrap())]);
    let url = format!("http://{}/", server.address);
    let approve = ["approve", "web", "dev", "1", "--approval-url", &url];

    let (code, out, err) = told(&stack.lastgood(&approve).output().unwrap());
    assert_eq!((code, &*out), (2, ""));
    assert!(
        err.contains("--yes") && err.contains("nothing was done"),
        "{err}"
    );
    let (code, shown) = on_a_terminal(&stack, &approve, "n\n");
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("nothing was done"), "{shown}");
    assert_eq!(server.seen().len(), 0, "nothing was sent");

    let (code, shown) = on_a_terminal(&stack, &approve, "y\n");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("dev is asked to run release 1"), "{shown}");
    assert!(shown.contains("Go on with web dev?"), "{shown}");
    assert_eq!(server.seen().len(), 1);
    let yes = [&approve[..], &["--yes"]].concat();
    assert_eq!(
        stack.lastgood(&yes).output().unwrap().status.code(),
        Some(0)
    );
    assert_eq!(server.seen().len(), 2);

    refused(&stack, &url, &server);
    plans(&stack);
    looks(&stack);
    applies(&stack, &url, &server);
}

/// What the rules refuse anyway is not asked about, so that nobody has to be there to be asked: the
/// function refuses it, with its reason.
fn refused(stack: &Stack, url: &str, server: &Server) {
    let sent = server.seen().len();
    let why = ["--reason", "it is slow", "--command-url", url];
    let rollback = [&["rollback", "web", "dev"][..], &why].concat();
    let (code, _, err) = told(&stack.lastgood(&rollback).output().unwrap());
    assert_eq!(code, 0, "{err}");
    assert_eq!(server.seen().len(), sent + 1, "it was asked for");
}

/// What a plan says, and that it ends as promised.
fn plans(stack: &Stack) {
    let plan = |args: &[&str]| {
        let args = [&["plan", "web"], args].concat();
        told(&stack.lastgood(&args).output().unwrap())
    };
    let (code, out, err) = plan(&["dev", "1", "-o", "json"]);
    assert_eq!((code, &*err), (0, ""));
    let view: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&view["verdict"], &view["to"]["number"]),
        (&"done".into(), &1.into())
    );
    assert_eq!(
        view["alarms"][0]["state"],
        serde_json::Value::Null,
        "no such alarm"
    );
    assert!(
        view["obstacle"].as_str().unwrap().contains("was deleted"),
        "nobody ever uploaded it: {view}"
    );
    assert_eq!(plan(&["dev", "1", "--check"]).0, 7);
    let (code, out, _) = plan(&["dev", "--rollback"]);
    assert_eq!(code, 4);
    assert!(
        out.contains("it would be refused: there is no good release"),
        "{out}"
    );
    assert_eq!(plan(&["dev", "9"]).0, 2);
    assert_eq!(plan(&["nowhere", "1"]).0, 2);
}

/// What applying a file would change is shown, and asked about.
fn applies(stack: &Stack, url: &str, server: &Server) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yaml");
    let text = "service: web\nartefact: { s3: { bucket: web-artefacts, prefix: builds/ } }\nstages:\n  - name: dev\n    target: { codedeploy: { application: web, group: dev } }\n    alarms: [web-5xx]\n    bake: 7m\n";
    std::fs::write(&file, text).unwrap();
    let apply = ["apply", file.to_str().unwrap(), "--command-url", url];
    let (code, _, err) = told(&stack.lastgood(&apply).output().unwrap());
    assert_eq!(code, 2);
    assert!(err.contains("--yes"), "{err}");
    let sent = server.seen().len();
    let (code, shown) = on_a_terminal(stack, &apply, "\n");
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("+  bake: 7m"), "{shown}");
    assert!(shown.contains("-  gate:"), "{shown}");
    assert_eq!(server.seen().len(), sent, "nothing was sent");
    let (code, shown) = on_a_terminal(stack, &apply, "yes\n");
    assert_eq!(code, 0, "{shown}");
    assert_eq!(server.seen().len(), sent + 1);
}

/// What else only looks: a freeze on trial, an export, and the doctor.
fn looks(stack: &Stack) {
    let json = |args: &[&str]| {
        let (code, out, err) = told(&stack.lastgood(args).arg("-ojson").output().unwrap());
        assert_eq!(err, "", "{args:?}");
        (
            code,
            serde_json::from_str::<serde_json::Value>(&out).unwrap(),
        )
    };
    let (code, held) = json(&["freeze", "web", "--for", "2h", "--try"]);
    assert_eq!((code, &held[0]["held"]), (0, &"waits".into()), "{held}");

    let (code, rows) = json(&["export", "web", "--since", "2026-01-01"]);
    let count = rows.as_array().unwrap().len();
    assert_eq!(
        (code, &rows[count - 1]["entry"]["what"].is_object()),
        (0, &true)
    );
    let csv = ["export", "--since", "2026-01-01", "--format", "csv"];
    let (code, out, _) = told(&stack.lastgood(&csv).output().unwrap());
    assert_eq!((code, out.lines().count()), (0, count + 1), "{out}");

    // It takes no request there, says no time, and the stage's alarm does not exist.
    let server = Server::acting(vec![Act::Answer(400, "", String::new())]);
    let url = format!("http://{}/", server.address);
    let doctor = |url: &str| json(&["doctor", "--command-url", url, "--approval-url", url]);
    let (code, findings) = doctor(&url);
    assert_eq!(code, 1, "{findings}");
    let state = |about: &str| {
        let mut all = findings.as_array().unwrap().iter();
        let found = all.find(|it| it["about"] == about).unwrap();
        found["state"].as_str().unwrap().to_owned()
    };
    for (about, expected) in [
        ("you", "well"),
        ("command", "well"),
        ("approval", "well"),
        ("version", "doubt"),
        ("clock", "doubt"),
        ("ledger", "well"),
        ("due", "well"),
        ("alarms", "ill"),
        ("own", "doubt"),
    ] {
        assert_eq!(state(about), expected, "{about}: {findings}");
    }
    assert_eq!(server.seen()[0].body, b"{}", "no request");
    let late = Server::acting(vec![Act::Answer(
        403,
        "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        String::new(),
    )]);
    let url = format!("http://{}/", late.address);
    let (_, findings) = doctor(&url);
    // Nobody has to play every part: who is not let in is told which policy it would take.
    for (at, about, policy) in [
        (1, "command", "ReleaserPolicyArn"),
        (2, "approval", "ApproverPolicyArn"),
    ] {
        let finding = &findings[at];
        assert_eq!(
            (&finding["about"], &finding["state"]),
            (&about.into(), &"doubt".into())
        );
        let repair = finding["repair"].as_str().unwrap();
        assert!(repair.contains(policy), "{repair}");
    }
    assert_eq!(findings[4]["state"], "ill", "the clock: {findings}");
    announces(stack);
}

/// The doctor has something announced only when it is told to, and says what became of it.
fn announces(stack: &Stack) {
    const TOLD: &str = concat!(
        "lastgood-version: ",
        env!("CARGO_PKG_VERSION"),
        "\r\nlastgood-template: ",
        env!("CARGO_PKG_VERSION"),
        "\r\n"
    );
    let entry = r#"{"format":1,"seq":7,"at":"2026-11-26T10:00:00Z",
        "actor":{"person":"arn:aws:iam::111122223333:user/alice"},
        "what":{"test_announced":{"by":"arn:aws:iam::111122223333:user/alice"}},
        "why":"person_asked","before":"HASH"}"#
        .replace("HASH", &"0".repeat(64));
    let done = format!(r#"{{"verdict":"done","reason":"person_asked","entries":[{entry}]}}"#);
    let refused = r#"{"verdict":"refused","reason":"no_such_service","entries":[]}"#;
    for (option, service, answer, state, says) in [
        (
            "--announce",
            "everything",
            (200, done),
            "well",
            "everything/7",
        ),
        (
            "--announce=shop",
            "shop",
            (409, refused.to_owned()),
            "ill",
            "not configured",
        ),
    ] {
        let server = Server::acting(vec![
            Act::Answer(400, TOLD, String::new()),
            Act::Answer(400, TOLD, String::new()),
            Act::Answer(answer.0, TOLD, answer.1),
        ]);
        let url = format!("http://{}/", server.address);
        let args = [
            "doctor",
            "--command-url",
            &url,
            "--approval-url",
            &url,
            option,
            "-ojson",
        ];
        let out = stack.lastgood(&args).output().unwrap();
        let findings: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        let all = findings.as_array().unwrap();
        let of = |about: &str| all.iter().find(|it| it["about"] == about).unwrap();
        assert_eq!(of("version")["state"], "well", "{findings}");
        let announced = of("announce");
        assert_eq!(announced["state"], state, "{findings}");
        assert!(
            announced["said"].as_str().unwrap().contains(says),
            "{findings}"
        );
        let asked = server.seen()[2].json();
        assert_eq!(
            (&asked["do"], &asked["service"]),
            (&"announce".into(), &service.into())
        );
    }
}
