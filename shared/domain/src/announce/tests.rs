//! What announcements say, and the schema that machines read them by.

use super::*;
use crate::chain::Hash;
use crate::entry::{Actor, ENTRY_FORMAT, What};
use crate::reason::Reason;

pub(super) fn failed(problem: &str) -> Announcement {
    let service: ServiceName = "web".parse().unwrap();
    let what = What::Failed {
        stage: "production".parse().unwrap(),
        deployment: "web/41".parse().unwrap(),
        release: ReleaseNumber(17),
        problem: problem.to_owned(),
        runs: None,
    };
    announcement(&service, &entry(what)).unwrap()
}

fn entry(what: What) -> Entry {
    Entry {
        format: ENTRY_FORMAT,
        seq: 42,
        at: "2026-11-26T10:00:00Z".parse().unwrap(),
        actor: Actor::Clock,
        what,
        why: Reason::DeploymentFailed,
        request: None,
        before: Hash::ZERO,
    }
}

/// Every kind of entry, and of what one of them may say the ways that differ for people: its kind,
/// and what it holds beside and in place of [`SAID`].
const ENTRIES: &str = r#"
configured | {}
unclaimed | {}
artefact_rejected | {}
released | {"release": {"number": 17, "artefact": {"oci": {"registry": "ghcr.io", "repository": "shop/web", "digest": "sha256:1", "tag": null}}, "build": {}, "recorded_at": "2026-11-26T10:00:00Z"}}
recalled | {"release": {"number": 17, "artefact": {"oci": {"registry": "ghcr.io", "repository": "shop/web", "digest": "sha256:1", "tag": null}}, "build": {}, "recorded_at": "2026-11-26T10:00:00Z"}}
scanned | {}
adopted | {}
adopted | {"reason": null}
nothing_to_adopt | {}
nothing_to_adopt | {"problem": null}
flooded | {}
held_back | {}
offered | {"purpose": "release"}
offered | {"purpose": "rollback"}
overridden | {}
waits | {"on": {"scan": {"problem": null}}}
waits | {"on": {"scan": {"problem": "UNSUPPORTED_IMAGE"}}}
waits | {"on": {"approval": {"missing": 1, "expires_at": "2026-12-03T10:00:00Z"}}}
waits | {"on": {"approval": {"missing": 2, "expires_at": "2026-12-03T10:00:00Z"}}}
waits | {"on": {"drift": {"expected": 16}}}
waits | {"on": {"freeze": {"by": "alice", "reason": "the sale", "until": null}}}
waits | {"on": {"window": {"opens_at": "2026-11-27T04:30:00Z"}}}
waits | {"on": {"alarm": {"names": ["web-5xx"]}}}
waits | {"on": {"stage": {"busy_with": 16}}}
waits | {"on": {"turn": {"behind": 16}}}
waits | {"on": {"target": {"by": "d-THEIRS", "again_at": "2026-11-26T10:01:00Z"}}}
waits | {"on": {"switch": {"again_at": "2026-11-26T10:05:00Z"}}}
approved | {}
approved | {"reason": null}
approvals_voided | {}
dropped | {"end": {"superseded": {"by": 18}}}
dropped | {"end": {"rejected": {"by": "arn:aws:iam::111122223333:user/alice", "reason": "not before the sale"}}}
dropped | {"end": "expired"}
dropped | {"end": {"cancelled": {"by": "arn:aws:iam::111122223333:user/alice", "reason": "the wrong branch"}}}
dropped | {"end": "stage_removed"}
dropped | {"end": {"vulnerable": {"most": "HIGH", "count": 1, "named": [{"severity": "CRITICAL", "name": "CVE-2026-1"}]}}}
start_asked | {}
begun | {}
bake_begun | {}
succeeded | {}
unproven | {}
failed | {}
stop_asked | {"order": {"attempt": "web/42", "stage": "production", "place": {"account": "111122223333", "region": "ap-south-1", "role": null}, "target": {"code_deploy": {"application": "web", "group": "live"}}, "platform_id": "d-1"}}
return_asked | {}
rollback_adopted | {}
rolled_back | {}
rolled_back | {"to": null}
rollback_failed | {}
quarantined | {}
frozen | {}
frozen | {"stage": null}
thawed | {}
thawed | {"stage": null}
switched | {}
switched | {"switch": {"turned": 9}}
switch_noted | {}
all_told | {}
test_announced | {}
alarm_noted | {}
alarm_after_bake | {}
mixture_seen | {}
call_seen | {}
call_seen | {"call": {"id": "2", "at": "2026-11-26T10:00:00Z", "action": "ecs:UpdateService", "by": "arn:aws:iam::111122223333:user/mira", "from": "203.0.113.10", "refused": "AccessDenied"}}
drifted | {}
drifted | {"by": {"id": "1", "at": "2026-11-26T10:00:00Z", "action": "ecs:UpdateService", "by": "arn:aws:iam::111122223333:user/mira", "from": "203.0.113.10"}}
drift_ended | {}
unprotected | {}
protected | {}
person_called | {"call": {"nothing_to_return_to": {"release": 17, "problem": "alarm web-5xx fired"}}}
person_called | {"call": {"irreversible": {"release": 17, "problem": "alarm web-5xx fired"}}}
person_called | {"call": {"rollback_failed": {"to": 16, "problem": "HEALTH_CONSTRAINTS"}}}
person_called | {"call": {"still_firing": {"alarms": ["web-5xx", "web-latency"]}}}
person_called | {"call": {"too_many_rollbacks": {"count": 3}}}
person_called | {"call": {"returned_elsewhere": {"expected": 16}}}
person_called | {"call": {"runs_something_else": {"release": 17}}}
person_called | {"call": {"action_refused": {"release": 17, "problem": "no such group"}}}
person_called | {"call": {"late_action": {"attempt": "web/42"}}}
"#;

/// What entries say, whichever of it they do.
const SAID: &str = r#"{
    "stage": "production",
    "deployment": "web/41",
    "release": 17,
    "artefact": {"object": {"bucket": "shop", "key": "web/17.zip", "version": "v1", "sha256": null, "bytes": 1}},
    "build": {},
    "problem": "the words of AWS",
    "scan": {"pending": {"again_at": "2026-11-26T10:01:00Z"}},
    "config": {"service": "web", "source": {"s3": {"bucket": "shop", "prefix": ""}}, "queue": "newest", "flood_per_minute": 20, "stages": []},
    "reason": "the words of a person",
    "count": 21,
    "purpose": "release",
    "despite": {"alarm": "this is the fix"},
    "order": {
        "attempt": "web/42",
        "stage": "production",
        "place": {"account": "111122223333", "region": "ap-south-1", "role": null},
        "target": {"code_deploy": {"application": "web", "group": "live"}},
        "release": 16,
        "artefact": {"object": {"bucket": "shop", "key": "web/16.zip", "version": "v1", "sha256": null, "bytes": 1}},
        "alarms": "hold"
    },
    "platform_id": "d-1",
    "started_at": "2026-11-26T10:00:00Z",
    "until": "2026-11-26T10:05:00Z",
    "cause": "timeout",
    "to": 16,
    "firing": [],
    "freeze": {"by": null, "reason": "the sale", "since": "2026-11-26T10:00:00Z", "until": null},
    "switch": {"turned": 9, "freeze": {"by": null, "reason": "the sale", "since": "2026-11-26T10:00:00Z", "until": null}},
    "turned": 9,
    "seen": {"alarm": "arn:aws:cloudwatch:ap-south-1:111122223333:alarm:web-5xx", "state": "alarm", "voice": "heard", "changed_at": "2026-11-26T10:00:00Z", "reason": "Threshold Crossed"},
    "call": {"id": "1", "at": "2026-11-26T10:00:00Z", "action": "ecs:UpdateService", "by": "arn:aws:iam::111122223333:user/mira", "from": "203.0.113.10", "asked": "taskDefinition web:6"},
    "by": "arn:aws:iam::111122223333:user/alice",
    "expected": 17,
    "others": ["sha256:9", "sha256:8"],
    "perils": [
        {"alarm_gone": {"alarm": "arn:aws:cloudwatch:ap-south-1:111122223333:alarm:web-5xx"}},
        {"alarm_muted": {"alarm": "arn:aws:cloudwatch:ap-south-1:111122223333:alarm:web-latency"}}
    ]
}"#;

fn what(kind: &str, says: &str) -> What {
    let mut said: serde_json::Value = serde_json::from_str(SAID).unwrap();
    let says: serde_json::Value = serde_json::from_str(says).unwrap();
    let said = said.as_object_mut().unwrap();
    said.extend(says.as_object().unwrap().clone());
    if kind == "drifted" && said["by"].is_string() {
        said.remove("by"); // Elsewhere it is a person, here a call.
    }
    serde_json::from_value(serde_json::json!({ kind: said })).unwrap()
}

fn words(told: Announcement) -> Vec<String> {
    let (severity, kind) = (told.severity.as_str(), told.kind);
    let first = format!("{}  ({severity}, {kind})", told.subject);
    let next = told.next.map(|next| format!("Next: {next}"));
    [Some(first), told.detail, next]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn each_entry_is_told_in_its_own_words_or_not_at_all() {
    let mut lines = String::new();
    for row in ENTRIES.lines().filter(|row| !row.is_empty()) {
        let (kind, says) = row.split_once(" | ").unwrap();
        let service = "web".parse().unwrap();
        let told = announcement(&service, &entry(what(kind, says)));
        lines.push_str(&format!("{kind} {says}\n"));
        for line in told.map_or_else(|| vec!["nobody is told".to_owned()], words) {
            lines.push_str(&format!("    {line}\n"));
        }
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn a_machine_gets_the_parts_and_the_whole() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&failed("health checks fail")).unwrap());
}

#[test]
fn how_urgent_it_is_has_a_word_and_the_whole_of_it_a_command() {
    let words = [
        Severity::Info,
        Severity::Attention,
        Severity::Alert,
        Severity::Urgent,
    ];
    let words = words.map(Severity::as_str);
    assert_eq!(words, ["info", "attention", "alert", "urgent"]);
    assert_eq!(failed("x").record(), "lastgood history web");
}

#[test]
fn a_long_detail_is_cut_with_where_to_read_on_and_never_within_a_character() {
    let long = failed(&"ü".repeat(1000));
    let short = long.shortened(101, "all of it: lastgood history web");
    let detail = short.detail.clone().unwrap();
    assert_eq!(
        detail,
        format!("{} … all of it: lastgood history web", "ü".repeat(50))
    );
    assert!(short.text.contains(&detail) && short.text.ends_with("Why: the deployment failed."));
    assert_eq!(long.shortened(2000, ""), long);
}

#[cfg(feature = "schema")]
#[test]
fn the_checked_in_schema_is_current_and_an_announcement_fits_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/announcement.schema.json");
    let schema = schemars::schema_for!(Announcement);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let checked_in = std::fs::read_to_string(path).unwrap();
    assert!(
        checked_in == text,
        "run: UPDATE_SCHEMA=1 cargo test -p domain --features schema announce"
    );
    let properties = schema.get("properties").unwrap();
    let announced = serde_json::to_value(failed("health checks fail")).unwrap();
    for name in announced.as_object().unwrap().keys() {
        assert!(properties.get(name).is_some(), "{name} is in no schema");
    }
}
