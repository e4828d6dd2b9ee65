//! Differences between two texts, as people know them from git.

use serde_json::Value;
use similar::TextDiff;

use crate::screen::Paint;

/// Unchanged lines shown around a change.
const CONTEXT: usize = 2;

/// The difference between two texts with their names; empty when there is none.
pub(crate) fn of(before: (&str, &str), after: (&str, &str)) -> String {
    let diff = TextDiff::from_lines(before.1, after.1);
    if diff.ratio() >= 1.0 {
        return String::new();
    }
    let mut unified = diff.unified_diff();
    let text = unified
        .context_radius(CONTEXT)
        .header(before.0, after.0)
        .missing_newline_hint(false)
        .to_string();
    text.trim_end().to_owned()
}

/// The difference between two JSON values, whatever the order of their keys.
pub(crate) fn of_json(before: (&str, &Value), after: (&str, &Value)) -> String {
    let text = |value: &Value| {
        let sorted = sorted(value);
        serde_json::to_string_pretty(&sorted).unwrap_or_else(|_| sorted.to_string()) + "\n"
    };
    of((before.0, &text(before.1)), (after.0, &text(after.1)))
}

/// The same value with its keys in the order of the alphabet.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields = fields.into_iter();
            Value::Object(
                fields
                    .map(|(name, value)| (name.clone(), sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// A difference with what goes in red and what comes in green.
pub(crate) fn painted(difference: &str, paint: Paint) -> String {
    let line = |line: &str| match line.chars().next() {
        Some('-') => paint.red(line),
        Some('+') => paint.green(line),
        Some(_) | None => line.to_owned(),
    };
    difference.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_changed_is_shown() {
        let before = json!({ "b": 1, "image": "web:1", "a": [1, 2], "z": null });
        let after = json!({ "image": "web:2", "b": 1, "a": [1, 2], "z": null });
        insta::assert_snapshot!(of_json(("web:7", &before), ("web:8", &after)), @r#"
        --- web:7
        +++ web:8
        @@ -5,5 +5,5 @@
           ],
           "b": 1,
        -  "image": "web:1",
        +  "image": "web:2",
           "z": null
         }
        "#);
    }

    #[test]
    fn the_order_of_keys_is_no_difference() {
        let (one, other) = (json!({ "a": 1, "b": 2 }), json!({ "b": 2, "a": 1 }));
        assert_eq!(of_json(("one", &one), ("other", &other)), "");
    }

    #[test]
    fn signs_tell_what_colours_tell() {
        let text = of(("a", "1\n"), ("b", "2\n"));
        assert_eq!(painted(&text, Paint::Plain), text);
        assert!(painted(&text, Paint::Colours).contains("\u{1b}["));
    }
}
