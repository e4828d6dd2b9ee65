//! Reading JSON so that a refusal can say where and what. Knows no sender.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;

use crate::refusal::Refusal;

/// Refuses what is larger than `max` before anything of it is read.
pub(crate) fn limit(bytes: &[u8], what: &'static str, max: usize) -> Result<(), Refusal> {
    if bytes.len() > max {
        return Err(Refusal::TooLarge {
            what,
            bytes: bytes.len(),
            max,
        });
    }
    Ok(())
}

/// Reads an event, which is always a JSON object. `expected` names whose event it should be.
pub(crate) fn event<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    expected: &'static str,
) -> Result<T, Refusal> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        // serde would take an array for a struct, so it is told apart here.
        json::<IgnoredAny>(bytes, "")?;
        return Err(Refusal::foreign(expected, "it is no JSON object"));
    }
    json(bytes, "")
}

/// Reads JSON that stands at `path` of an event. Noting where one is costs as much again as
/// reading, so only what cannot be read is read a second time, to say where.
pub(crate) fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8], path: &str) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).or_else(|_| located(bytes, path))
}

fn located<'a, T: Deserialize<'a>>(bytes: &'a [u8], path: &str) -> Result<T, Refusal> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inner = join(path, &error.path().to_string());
        problem(&error.into_inner(), inner)
    })?;
    reader
        .end()
        .map_err(|error| problem(&error, path.to_owned()))?;
    Ok(value)
}

fn problem(error: &serde_json::Error, path: String) -> Refusal {
    match error.classify() {
        Category::Data => Refusal::malformed(path, without_place(&error.to_string())),
        Category::Io | Category::Syntax | Category::Eof => Refusal::NotJson {
            problem: error.to_string(),
        },
    }
}

/// The parser's message without its line and column: the path says where, and a detail's own lines
/// are not the event's.
fn without_place(message: &str) -> &str {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message)
}

fn join(outer: &str, inner: &str) -> String {
    match (outer, inner) {
        ("", ".") => "the event".to_owned(),
        ("", inner) => inner.to_owned(),
        (outer, ".") => outer.to_owned(),
        (outer, inner) if inner.starts_with('[') => format!("{outer}{inner}"),
        (outer, inner) => format!("{outer}.{inner}"),
    }
}

/// A text that must be there and fit.
pub(crate) fn filled(
    text: Option<String>,
    path: &str,
    bytes_max: usize,
) -> Result<String, Refusal> {
    match text {
        None => Err(Refusal::malformed(path, "it is missing")),
        Some(text) if text.is_empty() => Err(Refusal::malformed(path, "it is empty")),
        Some(text) if text.len() > bytes_max => Err(Refusal::malformed(
            path,
            format_args!("it has {} bytes, and the limit is {bytes_max}", text.len()),
        )),
        Some(text) => Ok(text),
    }
}

/// A text that may be absent or empty, which mean the same, and must fit.
pub(crate) fn optional(
    text: Option<String>,
    path: &str,
    bytes_max: usize,
) -> Result<Option<String>, Refusal> {
    match text {
        Some(text) if !text.is_empty() => filled(Some(text), path, bytes_max).map(Some),
        Some(_) | None => Ok(None),
    }
}

/// A text that must be one of our names.
pub(crate) fn parsed<T>(text: Option<&str>, path: &str) -> Result<T, Refusal>
where
    T: FromStr<Err: fmt::Display>,
{
    let text = text.ok_or_else(|| Refusal::malformed(path, "it is missing"))?;
    text.parse()
        .map_err(|error| Refusal::malformed(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its shape is of interest")]
    struct Outer {
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its shape is of interest")]
    struct Inner {
        size: u64,
    }

    #[test]
    fn a_refusal_says_where_and_what() {
        let refused = event::<Outer>(br#"{"inner":[{"size":1},{"size":-1}]}"#, "a test");
        assert_eq!(
            refused.unwrap_err().to_string(),
            "malformed at inner[1].size: invalid value: integer `-1`, expected u64"
        );
        let refused = event::<Outer>(b"{}", "a test");
        assert_eq!(
            refused.unwrap_err().to_string(),
            "malformed at the event: missing field `inner`"
        );
    }

    #[test]
    fn what_is_no_object_is_foreign_and_what_is_no_json_is_not_json() {
        for foreign in ["[]", " 1", "\"{}\"", "null", "[[]]"] {
            let refused = event::<Outer>(foreign.as_bytes(), "a test").unwrap_err();
            assert!(
                matches!(refused, Refusal::Foreign { .. }),
                "{foreign}: {refused}"
            );
        }
        for broken in [
            "",
            "{",
            "[",
            "nul",
            "{\"inner\":[]} {}",
            "{\"inner\":[]}x",
            "\u{feff}{}",
        ] {
            let refused = event::<Outer>(broken.as_bytes(), "a test").unwrap_err();
            assert!(
                matches!(refused, Refusal::NotJson { .. }),
                "{broken}: {refused}"
            );
        }
    }

    #[test]
    fn where_something_is_wrong_is_said_from_the_event_on() {
        let path = |json: &str, at: &str| match super::json::<Vec<Outer>>(json.as_bytes(), at) {
            Err(Refusal::Malformed { path, .. }) => path,
            other => panic!("{other:?}"),
        };
        let second = r#"[{"inner": []}, {"inner": 1}]"#;
        assert_eq!(path(second, ""), "[1].inner");
        assert_eq!(path(second, "detail"), "detail[1].inner");
        assert_eq!(path("{}", "detail"), "detail");
        assert_eq!(path("{}", ""), "the event");
    }

    #[test]
    fn nesting_without_end_is_refused_and_not_followed() {
        let deep = format!("{{\"inner\":{}", "[".repeat(200_000));
        let refused = event::<Outer>(deep.as_bytes(), "a test").unwrap_err();
        assert!(
            matches!(refused, Refusal::Malformed { .. } | Refusal::NotJson { .. }),
            "{refused}"
        );
        let deep = format!("{{\"other\":{}", "[".repeat(200_000));
        let refused = event::<Outer>(deep.as_bytes(), "a test").unwrap_err();
        assert!(matches!(refused, Refusal::NotJson { .. }), "{refused}");
    }
}
