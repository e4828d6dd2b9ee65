//! Patterns against EventBridge's documented behaviour, row by row.

use serde_json::{Value, json};

use super::Pattern;

/// An alarm's state change, as CloudWatch sends it, with a few more kinds of values.
fn event() -> Value {
    json!({
        "version": "0",
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "123456789012",
        "time": "2019-10-02T17:04:40Z",
        "region": "us-east-1",
        "resources": [
            "arn:aws:cloudwatch:us-east-1:123456789012:alarm:Web-5xx",
            "arn:aws:cloudwatch:us-east-1:123456789012:alarm:other"
        ],
        "detail": {
            "alarmName": "Web-5xx",
            "state": { "value": "ALARM", "reason": null },
            "count": 5,
            "share": 0.25,
            "loud": true,
            "empty": [],
            "nothing": {},
            "ip": "10.0.3.7",
            "path": "builds/web/42.zip",
            "metrics": [
                { "id": "m1", "stat": "Sum" },
                { "id": "m2", "stat": "Average" }
            ],
            "matrix": [[1, 2], [3]]
        }
    })
}

#[track_caller]
fn check(pattern: Value, expected: bool) {
    let compiled = Pattern::compile(&pattern).expect("a valid pattern");
    assert_eq!(compiled.matches(&event()), expected, "{pattern}");
}

fn yes(detail: Value) {
    check(json!({ "detail": detail }), true);
}

fn no(detail: Value) {
    check(json!({ "detail": detail }), false);
}

#[test]
fn fields_are_joined_by_and_and_values_by_or() {
    check(json!({ "source": ["aws.s3", "aws.cloudwatch"] }), true);
    check(json!({ "source": ["aws.s3"] }), false);
    check(
        json!({ "source": ["aws.cloudwatch"], "account": ["123456789012"] }),
        true,
    );
    check(
        json!({ "source": ["aws.cloudwatch"], "account": ["999999999999"] }),
        false,
    );
    check(json!({ "nonesuch": ["x"] }), false);
}

#[test]
fn nested_fields_match_below_their_parents() {
    yes(json!({ "state": { "value": ["ALARM"] } }));
    no(json!({ "state": { "value": ["OK"] } }));
    no(json!({ "value": ["ALARM"] }));
    yes(json!({ "state.value": ["ALARM"] }));
}

#[test]
fn types_are_not_mixed_but_numbers_are_compared_as_numbers() {
    yes(json!({ "count": [5] }));
    yes(json!({ "count": [5.0] }));
    no(json!({ "count": ["5"] }));
    yes(json!({ "loud": [true] }));
    no(json!({ "loud": ["true"] }));
    no(json!({ "loud": [1] }));
    yes(json!({ "state": { "reason": [null] } }));
    no(json!({ "alarmName": [null] }));
}

#[test]
fn an_array_matches_if_one_element_does() {
    check(json!({ "resources": [{ "suffix": ":alarm:other" }] }), true);
    check(json!({ "resources": [{ "prefix": "arn:aws:s3" }] }), false);
    yes(json!({ "matrix": [3] }));
    no(json!({ "matrix": [4] }));
    no(json!({ "empty": [{ "anything-but": "x" }] }));
}

#[test]
fn fields_below_an_array_match_within_one_element() {
    yes(json!({ "metrics": { "id": ["m1"], "stat": ["Sum"] } }));
    no(json!({ "metrics": { "id": ["m1"], "stat": ["Average"] } }));
}

#[test]
fn prefix_and_suffix_compare_text() {
    yes(json!({ "path": [{ "prefix": "builds/" }] }));
    no(json!({ "path": [{ "prefix": "Builds/" }] }));
    yes(json!({ "path": [{ "prefix": { "equals-ignore-case": "BUILDS/" } }] }));
    yes(json!({ "path": [{ "suffix": ".zip" }] }));
    yes(json!({ "path": [{ "suffix": { "equals-ignore-case": ".ZIP" } }] }));
    no(json!({ "path": [{ "suffix": ".ZIP" }] }));
    no(json!({ "count": [{ "prefix": "5" }] }));
    check(json!({ "source": [{ "prefix": "" }] }), true);
    no(json!({ "count": [{ "prefix": "" }] }));
}

#[test]
fn exists_asks_for_a_leaf() {
    yes(json!({ "alarmName": [{ "exists": true }] }));
    no(json!({ "alarmName": [{ "exists": false }] }));
    yes(json!({ "missing": [{ "exists": false }] }));
    no(json!({ "missing": [{ "exists": true }] }));
    yes(json!({ "state": { "reason": [{ "exists": true }] } }));
    no(json!({ "state": [{ "exists": true }] }));
    no(json!({ "empty": [{ "exists": true }] }));
    yes(json!({ "empty": [{ "exists": false }] }));
    yes(json!({ "missing": { "below": [{ "exists": false }] } }));
    yes(json!({ "missing": [{ "exists": false }, "x"] }));
    yes(json!({ "alarmName": [{ "exists": false }, "Web-5xx"] }));
}

#[test]
fn anything_but_needs_a_value() {
    yes(json!({ "state": { "value": [{ "anything-but": "OK" }] } }));
    no(json!({ "state": { "value": [{ "anything-but": ["ALARM", "OK"] }] } }));
    yes(json!({ "count": [{ "anything-but": [4, 6] }] }));
    no(json!({ "count": [{ "anything-but": [5] }] }));
    no(json!({ "missing": [{ "anything-but": "x" }] }));
    no(json!({ "path": [{ "anything-but": { "prefix": "builds/" } }] }));
    yes(json!({ "path": [{ "anything-but": { "prefix": ["logs/", "tmp/"] } }] }));
    no(json!({ "path": [{ "anything-but": { "suffix": ".zip" } }] }));
    no(json!({ "alarmName": [{ "anything-but": { "equals-ignore-case": "WEB-5XX" } }] }));
    no(json!({ "path": [{ "anything-but": { "wildcard": "*/web/*" } }] }));
}

#[test]
fn numeric_compares_numbers_only() {
    yes(json!({ "count": [{ "numeric": [">", 4, "<=", 5] }] }));
    no(json!({ "count": [{ "numeric": ["<", 5] }] }));
    yes(json!({ "share": [{ "numeric": ["=", 0.25] }] }));
    no(json!({ "alarmName": [{ "numeric": [">", 0] }] }));
    no(json!({ "loud": [{ "numeric": [">=", 0] }] }));
}

#[test]
fn equals_ignore_case_compares_the_whole_text() {
    yes(json!({ "alarmName": [{ "equals-ignore-case": "WEB-5xx" }] }));
    no(json!({ "alarmName": [{ "equals-ignore-case": "WEB-5" }] }));
}

#[test]
fn wildcards_span_anything_and_can_be_escaped() {
    yes(json!({ "path": [{ "wildcard": "builds/*/42.*" }] }));
    yes(json!({ "path": [{ "wildcard": "*" }] }));
    yes(json!({ "path": [{ "wildcard": "builds/web/42.zip" }] }));
    no(json!({ "path": [{ "wildcard": "*web" }] }));
    no(json!({ "path": [{ "wildcard": "builds/\\*" }] }));
    no(json!({ "path": [{ "wildcard": "builds/web/42.zip*zip" }] }));
    no(json!({ "path": [{ "wildcard": "build?/*" }] }));
}

#[test]
fn cidr_matches_addresses() {
    yes(json!({ "ip": [{ "cidr": "10.0.0.0/16" }] }));
    no(json!({ "ip": [{ "cidr": "10.1.0.0/16" }] }));
    no(json!({ "ip": [{ "cidr": "::/0" }] }));
    no(json!({ "path": [{ "cidr": "0.0.0.0/0" }] }));
}

#[test]
fn or_joins_branches_and_the_last_write_of_a_field_wins() {
    yes(json!({ "$or": [{ "count": [1] }, { "state": { "value": ["ALARM"] } }] }));
    no(json!({ "$or": [{ "count": [1] }, { "state": { "value": ["OK"] } }] }));
    no(json!({ "alarmName": ["x"], "$or": [{ "count": [5] }, { "loud": [true] }] }));
    check(
        json!({ "$or": [{ "source": ["aws.s3"] }, { "detail": { "count": [{ "numeric": [">", 4] }] } }] }),
        true,
    );
    yes(json!({ "count": [1], "$or": [{ "count": [5] }, { "loud": [false] }] }));
    no(json!({ "$or": [{ "count": [5] }, { "count": [6] }], "count": [1] }));
}

#[test]
fn an_or_that_is_not_the_operator_is_a_field() {
    no(json!({ "$or": ["x"] }));
    no(json!({ "$or": [{ "prefix": "a" }, { "suffix": "b" }] }));
}

#[test]
fn a_field_cannot_be_leaf_and_object_at_once() {
    no(json!({ "state": { "value": ["ALARM"] }, "state.value.deep": ["x"] }));
    no(json!({ "count": [5], "count.more": ["x"] }));
}

#[test]
fn patterns_that_eventbridge_refuses_are_refused() {
    for pattern in [
        json!({}),
        json!([]),
        json!({ "source": "aws.s3" }),
        json!({ "source": [] }),
        json!({ "source": [["aws.s3"]] }),
        json!({ "detail": {} }),
        json!({ "detail": { "a": [{ "nonsense": 1 }] } }),
        json!({ "detail": { "a": [{ "exists": "yes" }] } }),
        json!({ "detail": { "a": [{ "prefix": "a", "suffix": "b" }] } }),
        json!({ "detail": { "a": [{ "numeric": [">"] }] } }),
        json!({ "detail": { "a": [{ "numeric": ["!", 3] }] } }),
        json!({ "detail": { "a": [{ "wildcard": "a**b" }] } }),
        json!({ "detail": { "a": [{ "anything-but": ["a", 1] }] } }),
        json!({ "detail": { "a": [{ "anything-but": { "numeric": [">", 1] } }] } }),
        json!({ "detail": { "a": [{ "cidr": "10.0.0.0" }] } }),
    ] {
        assert!(Pattern::compile(&pattern).is_err(), "{pattern}");
    }
    assert!(Pattern::parse("{").is_err());
}

#[test]
fn too_many_combinations_are_refused() {
    let pair = |name: &str| json!([{ (format!("{name}1")): [1] }, { (format!("{name}2")): [2] }]);
    let mut inner = json!({ "x": [1] });
    for level in 0..11 {
        inner = json!({ "$or": pair(&format!("f{level}")), (format!("n{level}")): inner });
    }
    // Read as a field of that name instead, it is an array of objects, which is refused too.
    assert!(Pattern::compile(&inner).is_err());
}
