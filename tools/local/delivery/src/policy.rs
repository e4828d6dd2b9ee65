//! Whether a resource's own policy lets somebody in: EventBridge at a function, a queue or a
//! topic, another account at an event bus. Pure. What roles may do is asked of MiniStack.

use serde_json::Value;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who<'a> {
    /// A service, for example `events.amazonaws.com`.
    Service(&'a str),
    /// Somebody of another account.
    Account(&'a str),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// Who asks.
    pub(crate) who: Who<'a>,
    /// For example `lambda:InvokeFunction`.
    pub(crate) action: &'a str,
    /// The ARN it is asked of.
    pub(crate) resource: &'a str,
    /// `aws:SourceArn`, for example the rule's.
    pub(crate) source_arn: &'a str,
    /// `aws:SourceAccount`.
    pub(crate) source_account: &'a str,
}

/// Whether the policy (a document, or none) allows it and does not deny it.
pub(crate) fn allows(policy: Option<&Value>, ask: &Ask<'_>) -> bool {
    let statements = one_or_many(policy.and_then(|policy| policy.get("Statement")));
    let applies = |effect: &str| {
        statements.iter().any(|statement| {
            statement.get("Effect").and_then(Value::as_str) == Some(effect)
                && applies(statement, ask)
        })
    };
    applies("Allow") && !applies("Deny")
}

fn applies(statement: &Value, ask: &Ask<'_>) -> bool {
    let named = |name: &str, wanted: &str| {
        one_or_many(statement.get(name))
            .into_iter()
            .filter_map(Value::as_str)
            .any(|pattern| like(&pattern.to_lowercase(), &wanted.to_lowercase()))
    };
    principal(statement.get("Principal"), ask.who)
        && named("Action", ask.action)
        && named("Resource", ask.resource)
        && conditions(statement.get("Condition"), ask)
}

fn principal(principal: Option<&Value>, who: Who<'_>) -> bool {
    let account = |text: &str, account: &str| {
        text == "*" || text == account || text == format!("arn:aws:iam::{account}:root")
    };
    match (principal, who) {
        (Some(Value::String(text)), Who::Service(_)) => text == "*",
        (Some(Value::String(text)), Who::Account(id)) => account(text, id),
        (Some(Value::Object(kinds)), Who::Service(service)) => {
            let listed = one_or_many(kinds.get("Service"));
            let anybody = one_or_many(kinds.get("AWS"));
            listed.iter().any(|one| one.as_str() == Some(service))
                || anybody.iter().any(|one| one.as_str() == Some("*"))
        }
        (Some(Value::Object(kinds)), Who::Account(id)) => one_or_many(kinds.get("AWS"))
            .iter()
            .filter_map(|one| one.as_str())
            .any(|text| account(text, id)),
        (Some(_) | None, _) => false,
    }
}

fn conditions(conditions: Option<&Value>, ask: &Ask<'_>) -> bool {
    let Some(Value::Object(operators)) = conditions else {
        return conditions.is_none();
    };
    operators.iter().all(|(operator, keys)| {
        keys.as_object().is_some_and(|keys| {
            keys.iter()
                .all(|(key, values)| condition(operator, key, values, ask))
        })
    })
}

/// One condition. What we cannot judge is not fulfilled.
fn condition(operator: &str, key: &str, values: &Value, ask: &Ask<'_>) -> bool {
    let key = key.to_lowercase();
    let actual = match key.as_str() {
        "aws:sourcearn" => ask.source_arn,
        "aws:sourceaccount" => ask.source_account,
        "aws:securetransport" => "true",
        _ => return operator.ends_with("IfExists"),
    };
    let values = one_or_many(Some(values));
    let mut texts = values.iter().filter_map(|value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    });
    match operator.trim_end_matches("IfExists") {
        "ArnLike" | "ArnEquals" | "StringLike" => texts.any(|text| like(&text, actual)),
        "StringEquals" => texts.any(|text| text == actual),
        "StringEqualsIgnoreCase" | "Bool" => texts.any(|text| text.eq_ignore_ascii_case(actual)),
        "StringNotEquals" => !texts.any(|text| text == actual),
        "ArnNotLike" | "ArnNotEquals" | "StringNotLike" => !texts.any(|text| like(&text, actual)),
        _ => false,
    }
}

fn one_or_many(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(values)) => values.iter().collect(),
        Some(value) => vec![value],
    }
}

/// Whether text is like a pattern with `*` and `?`.
fn like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || text.get(position) == Some(wanted) => {
                at += 1;
                position += 1;
            }
            Some(_) | None => {
                // Let the last star take one character more.
                let Some((back, taken)) = star else {
                    return false;
                };
                star = Some((back, taken + 1));
                at = back + 1;
                position = taken + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RULE: &str = "arn:aws:events:ap-south-1:111122223333:rule/uploaded";
    const FUNCTION: &str = "arn:aws:lambda:ap-south-1:111122223333:function:web";

    fn rule_asks() -> Ask<'static> {
        Ask {
            who: Who::Service("events.amazonaws.com"),
            action: "lambda:InvokeFunction",
            resource: FUNCTION,
            source_arn: RULE,
            source_account: "111122223333",
        }
    }

    #[track_caller]
    fn check(statement: Value, expected: bool) {
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
        assert_eq!(allows(Some(&policy), &rule_asks()), expected, "{policy}");
    }

    #[test]
    fn a_permission_is_for_its_source() {
        let permission = |source: &str| {
            json!({
                "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" },
                "Action": "lambda:InvokeFunction", "Resource": FUNCTION,
                "Condition": { "ArnLike": { "AWS:SourceArn": source } }
            })
        };
        check(permission(RULE), true);
        check(
            permission("arn:aws:events:ap-south-1:111122223333:rule/*"),
            true,
        );
        check(
            permission("arn:aws:events:ap-south-1:111122223333:rule/other"),
            false,
        );
    }

    #[test]
    fn without_a_permission_nobody_comes_in() {
        assert!(!allows(None, &rule_asks()));
        check(
            json!({
                "Effect": "Allow", "Principal": { "Service": "s3.amazonaws.com" },
                "Action": "lambda:InvokeFunction", "Resource": FUNCTION
            }),
            false,
        );
        check(
            json!({ "Effect": "Allow", "Action": "lambda:*", "Resource": "*" }),
            false,
        );
    }

    #[test]
    fn a_denial_wins() {
        let policy = json!({ "Statement": [
            { "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" },
            { "Effect": "Deny", "Principal": "*", "Action": "lambda:*", "Resource": "*",
              "Condition": { "Bool": { "aws:SecureTransport": "false" } } }
        ] });
        assert!(allows(Some(&policy), &rule_asks()));
        let policy = json!({ "Statement": [
            { "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" },
            { "Effect": "Deny", "Principal": "*", "Action": "lambda:Invoke*", "Resource": "*" }
        ] });
        assert!(!allows(Some(&policy), &rule_asks()));
    }

    #[test]
    fn conditions_that_cannot_be_judged_are_not_fulfilled() {
        check(
            json!({
                "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "*", "Resource": "*",
                "Condition": { "StringEquals": { "aws:PrincipalOrgID": "o-example" } }
            }),
            false,
        );
    }

    #[test]
    fn an_event_bus_lets_accounts_in() {
        let ask = Ask {
            who: Who::Account("444455556666"),
            ..rule_asks()
        };
        for principal in ["444455556666", "arn:aws:iam::444455556666:root", "*"] {
            for principal in [json!(principal), json!({ "AWS": [principal] })] {
                let policy = json!({ "Statement": {
                    "Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*"
                } });
                assert!(allows(Some(&policy), &ask), "{policy}");
            }
        }
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*b", "abab", true),
            ("ab", "abc", false),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }
}
