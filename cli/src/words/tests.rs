//! Every kind of entry as a sentence.

use jiff::tz::TimeZone;

use super::*;

/// One of each kind that the story of the other tests does not tell.
const RARE: &str = r#"
{"unclaimed": {"artefact": {"object": {"bucket": "b", "key": "k.zip", "version": "v", "sha256": null, "bytes": 1}}}}
{"artefact_rejected": {"artefact": {"image": {"account": "111122223333", "region": "ap-south-1", "repository": "shop/web", "digest": "sha256:0123456789abcdef", "tag": null}}, "build": {}, "problem": "it is archived"}}
{"scanned": {"release": 2, "scan": {"pending": {"again_at": "2026-11-23T12:01:00Z"}}}}
{"scanned": {"release": 2, "scan": {"complete": {"counts": {"HIGH": 5, "CRITICAL": 1}, "worst": []}}}}
{"scanned": {"release": 2, "scan": {"complete": {"counts": {}, "worst": []}}}}
{"scanned": {"release": 2, "scan": {"unclear": {"problem": "UNSUPPORTED_IMAGE", "again_at": "2026-11-23T12:01:00Z"}}}}
{"adopted": {"stage": "dev", "release": 1}}
{"nothing_to_adopt": {"stage": "dev"}}
{"nothing_to_adopt": {"stage": "dev", "problem": "the role arn:aws:iam::444455556666:role/target cannot be assumed: sts:AssumeRole: AccessDenied: not authorized"}}
{"flooded": {"count": 21}}
{"held_back": {"stage": "dev", "release": 2}}
{"offered": {"stage": "dev", "release": 2, "purpose": "rollback", "despite": {}}}
{"offered": {"stage": "dev", "release": 2, "purpose": "release", "despite": {"quarantine": "it was the test", "alarm": "it is the fix"}}}
{"overridden": {"stage": "dev", "deployment": "web/3", "release": 2, "despite": {"alarm": "it is the fix"}}}
{"overridden": {"stage": "dev", "deployment": "web/3", "release": 2, "despite": {"findings": "it is not used"}}}
{"waits": {"stage": "dev", "deployment": "web/3", "release": 2, "on": {"scan": {"problem": null}}}}
{"waits": {"stage": "dev", "deployment": "web/3", "release": 2, "on": {"scan": {"problem": "UNSUPPORTED_IMAGE"}}}}
{"waits": {"stage": "dev", "deployment": "web/3", "release": 2, "on": {"approval": {"missing": 2, "expires_at": "2026-11-30T12:00:00Z"}}}}
{"waits": {"stage": "dev", "deployment": "web/3", "release": 2, "on": {"freeze": {"by": "alice", "reason": "the sale", "until": "2026-11-23T18:00:00Z"}}}}
{"waits": {"stage": "dev", "deployment": "web/3", "release": 2, "on": {"window": {"opens_at": "2026-11-24T10:00:00Z"}}}}
{"waits": {"stage": "dev", "deployment": "web/3", "release": 2, "on": {"window": {"opens_at": null}}}}
{"waits": {"stage": "dev", "deployment": "web/3", "release": 2, "on": {"alarm": {"names": ["web-5xx", "web-p99"]}}}}
{"waits": {"stage": "dev", "deployment": "web/3", "release": 2, "on": {"stage": {"busy_with": 1}}}}
{"waits": {"stage": "dev", "deployment": "web/3", "release": 2, "on": {"turn": {"behind": 1}}}}
{"waits": {"stage": "dev", "deployment": "web/3", "release": 2, "on": {"target": {"by": "d-9", "again_at": "2026-11-23T12:01:00Z"}}}}
{"approved": {"stage": "dev", "deployment": "web/3", "release": 2, "by": "arn:aws:sts::111122223333:assumed-role/Release/mira@shop.example", "reason": null}}
{"approvals_voided": {"stage": "dev", "deployment": "web/3", "release": 2}}
{"dropped": {"stage": "dev", "deployment": "web/3", "release": 2, "end": {"superseded": {"by": 3}}}}
{"dropped": {"stage": "dev", "deployment": "web/3", "release": 2, "end": {"rejected": {"by": "arn:aws:iam::111122223333:user/bob", "reason": "the price is wrong"}}}}
{"dropped": {"stage": "dev", "deployment": "web/3", "release": 2, "end": "expired"}}
{"dropped": {"stage": "dev", "deployment": "web/3", "release": 2, "end": {"cancelled": {"by": "arn:aws:iam::111122223333:user/bob", "reason": "3 comes today"}}}}
{"dropped": {"stage": "dev", "deployment": "web/3", "release": 2, "end": "stage_removed"}}
{"dropped": {"stage": "dev", "deployment": "web/3", "release": 2, "end": {"vulnerable": {"most": "HIGH", "count": 2, "named": [{"severity": "CRITICAL", "name": "CVE-2026-11111", "package": "openssl"}]}}}}
{"unproven": {"stage": "dev", "deployment": "web/3", "release": 2}}
{"failed": {"stage": "dev", "deployment": "web/3", "release": 2, "problem": "the circuit breaker tripped"}}
{"rollback_adopted": {"stage": "dev", "deployment": "web/3", "release": 2, "problem": "tasks failed to start"}}
{"rolled_back": {"stage": "dev", "deployment": "web/3", "release": 2, "to": null, "firing": []}}
{"rollback_failed": {"stage": "dev", "deployment": "web/3", "release": 2, "problem": "no capacity"}}
{"frozen": {"stage": null, "freeze": {"by": null, "reason": "3 rollbacks within a day", "since": "2026-11-23T12:00:00Z", "until": null}}}
{"frozen": {"stage": "dev", "freeze": {"by": "arn:aws:iam::111122223333:user/bob", "reason": "the sale", "since": "2026-11-23T12:00:00Z", "until": "2026-11-23T18:00:00Z"}}}
{"thawed": {"stage": "dev"}}
{"thawed": {"stage": null}}
{"test_announced": {"by": "arn:aws:iam::111122223333:user/bob"}}
{"mixture_seen": {"stage": "dev", "deployment": "web/3", "release": 2}}
{"waits": {"stage": "dev", "deployment": "web/3", "release": 2, "on": {"drift": {"expected": 1}}}}
{"call_seen": {"stage": "dev", "call": {"id": "1", "at": "2026-11-23T11:58:00Z", "action": "ecs:UpdateService", "by": "arn:aws:iam::111122223333:user/bob", "from": "203.0.113.10", "asked": "taskDefinition web:6"}}}
{"call_seen": {"stage": "dev", "call": {"id": "2", "at": "2026-11-23T11:58:00Z", "action": "ecs:DeleteService", "by": "arn:aws:iam::111122223333:user/bob", "from": "203.0.113.10", "refused": "AccessDenied"}}}
{"drifted": {"stage": "dev", "expected": 1, "others": ["sha256:0123456789abcdef0123", "b/k.zip@v"]}}
{"unprotected": {"stage": "dev", "perils": [{"alarm_gone": {"alarm": "arn:aws:cloudwatch:ap-south-1:111122223333:alarm:web-5xx"}}]}}
{"protected": {"stage": "dev"}}
{"drift_ended": {"stage": "dev", "release": 1}}
{"adopted": {"stage": "dev", "release": 3, "reason": "the fix of last night"}}
{"person_called": {"stage": "dev", "call": {"nothing_to_return_to": {"release": 2, "problem": "alarm web-5xx fired"}}}}
{"person_called": {"stage": "dev", "call": {"irreversible": {"release": 2, "problem": "alarm web-5xx fired"}}}}
{"person_called": {"stage": "dev", "call": {"rollback_failed": {"to": 1, "problem": "no capacity"}}}}
{"person_called": {"stage": "dev", "call": {"still_firing": {"alarms": ["web-5xx"]}}}}
{"person_called": {"stage": "dev", "call": {"too_many_rollbacks": {"count": 3}}}}
{"person_called": {"stage": "dev", "call": {"returned_elsewhere": {"expected": 1}}}}
{"person_called": {"stage": "dev", "call": {"runs_something_else": {"release": 2}}}}
{"person_called": {"stage": "dev", "call": {"action_refused": {"release": 2, "problem": "AccessDenied"}}}}
{"person_called": {"stage": "dev", "call": {"late_action": {"attempt": "web/3"}}}}
"#;

#[test]
fn every_kind_of_entry_is_a_sentence() {
    let times = Times {
        now: "2026-11-23T12:00:00Z".parse().unwrap(),
        zone: TimeZone::UTC,
    };
    let sentences: Vec<String> = RARE
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| what(&serde_json::from_str(line).expect(line), &times))
        .collect();
    insta::assert_snapshot!(sentences.join("\n"));
}
