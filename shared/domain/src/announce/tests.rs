//! What announcements say, and the schema that machines read them by.

use super::*;
use crate::chain::Hash;
use crate::entry::{Actor, ENTRY_FORMAT, What};
use crate::reason::Reason;

fn failed(problem: &str) -> Announcement {
    let service: ServiceName = "web".parse().unwrap();
    let what = What::Failed {
        stage: "production".parse().unwrap(),
        deployment: "web/41".parse().unwrap(),
        release: ReleaseNumber(17),
        problem: problem.to_owned(),
        runs: None,
    };
    let entry = Entry {
        format: ENTRY_FORMAT,
        seq: 42,
        at: "2026-11-26T10:00:00Z".parse().unwrap(),
        actor: Actor::Clock,
        what,
        why: Reason::DeploymentFailed,
        request: None,
        before: Hash::ZERO,
    };
    announcement(&service, &entry).unwrap()
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
