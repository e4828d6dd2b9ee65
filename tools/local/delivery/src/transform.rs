//! What a target receives instead of the event: a constant, a part of it, or a template. Pure.
//! Source: EventBridge user guide, "Amazon EventBridge input transformation".

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What a target receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// The whole event.
    Whole,
    /// This, whatever the event is.
    Constant(String),
    /// The part of the event at this path, for example `$.detail`.
    Part(String),
    /// A template with the parts at these paths.
    Template {
        /// From a variable's name to its path.
        paths: BTreeMap<String, String>,
        /// The text with `<variable>`s in it.
        template: String,
    },
}

/// What else a template can name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The rule's ARN.
    pub(crate) rule_arn: &'a str,
    /// The rule's name.
    pub(crate) rule_name: &'a str,
    /// When the event came, RFC 3339.
    pub(crate) ingested_at: &'a str,
}

impl Input {
    /// Reads it from a target of `ListTargetsByRule`.
    pub(crate) fn from_target(target: &Value) -> Self {
        let text = |name: &str| target.get(name).and_then(Value::as_str).map(str::to_owned);
        if let Some(transformer) = target.get("InputTransformer") {
            let paths = transformer.get("InputPathsMap").and_then(Value::as_object);
            return Self::Template {
                paths: paths
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, path)| Some((name.clone(), path.as_str()?.to_owned())))
                    .collect(),
                template: transformer
                    .get("InputTemplate")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
            };
        }
        text("Input")
            .filter(|input| !input.is_empty())
            .map(Self::Constant)
            .or_else(|| {
                text("InputPath")
                    .filter(|path| !path.is_empty())
                    .map(Self::Part)
            })
            .unwrap_or(Self::Whole)
    }

    /// The text that the target receives for an event.
    pub(crate) fn payload(&self, event: &Value, context: Context<'_>) -> String {
        match self {
            Self::Whole => event.to_string(),
            Self::Constant(text) => text.clone(),
            Self::Part(path) => part(event, path).unwrap_or(&Value::Null).to_string(),
            Self::Template { paths, template } => {
                render(template, |name| variable(name, paths, event, context))
            }
        }
    }
}

/// The part at a path such as `$.detail.state.value` or `$.resources[0]`.
fn part<'a>(event: &'a Value, path: &str) -> Option<&'a Value> {
    let path = path.strip_prefix('$')?;
    let mut value = event;
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        value = match step.strip_suffix(']') {
            Some(index) => match index.trim_matches(['\'', '"']).parse::<usize>() {
                Ok(index) => value.get(index)?,
                Err(_) => value.get(index.trim_matches(['\'', '"']))?,
            },
            None => value.get(step)?,
        };
    }
    Some(value)
}

fn variable(
    name: &str,
    paths: &BTreeMap<String, String>,
    event: &Value,
    context: Context<'_>,
) -> Option<Value> {
    if let Some(path) = paths.get(name) {
        // What the event does not have is empty text.
        return Some(part(event, path).cloned().unwrap_or_else(|| json!("")));
    }
    Some(match name {
        "aws.events.rule-arn" => json!(context.rule_arn),
        "aws.events.rule-name" => json!(context.rule_name),
        "aws.events.event.ingestion-time" => json!(context.ingested_at),
        "aws.events.event.json" => event.clone(),
        "aws.events.event" => {
            let mut envelope = event.clone();
            if let Some(envelope) = envelope.as_object_mut() {
                envelope.remove("detail");
            }
            envelope
        }
        _ => return None,
    })
}

/// Puts values where the template names them. Outside quotation marks a value is written as JSON;
/// inside them text is written as it is, and anything else loses its own quotation marks.
fn render(template: &str, value_of: impl Fn(&str) -> Option<Value>) -> String {
    // Without any quotation mark the template is plain text.
    let plain = !template.contains('"');
    let mut quoted = false;
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(character) = rest.chars().next() {
        if character == '<'
            && let Some((name, after)) = rest.get(1..).and_then(|rest| rest.split_once('>'))
            && let Some(value) = value_of(name)
        {
            out.push_str(&written(&value, plain || quoted));
            rest = after;
            continue;
        }
        let length = match character {
            '\\' => rest.chars().take(2).map(char::len_utf8).sum(),
            other => other.len_utf8(),
        };
        if character == '"' {
            quoted = !quoted;
        }
        let (taken, after) = rest.split_at(length);
        out.push_str(taken);
        rest = after;
    }
    out
}

fn written(value: &Value, quoted: bool) -> String {
    match value {
        Value::String(text) if quoted => text.clone(),
        Value::Object(_) | Value::Array(_) if quoted => value.to_string().replace('"', ""),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(target: Value) -> String {
        let event = json!({
            "id": "1", "source": "aws.s3", "resources": ["arn:aws:s3:::builds"],
            "detail": { "object": { "key": "web.zip", "size": 5 } }
        });
        Input::from_target(&target).payload(
            &event,
            Context {
                rule_arn: "arn:rule",
                rule_name: "rule",
                ingested_at: "now",
            },
        )
    }

    #[test]
    fn whole_constant_and_part() {
        assert!(payload(json!({})).starts_with(r#"{"id":"1","source":"aws.s3""#));
        assert_eq!(payload(json!({ "Input": "{\"a\":1}" })), r#"{"a":1}"#);
        assert_eq!(
            payload(json!({ "InputPath": "$.detail.object.key" })),
            r#""web.zip""#
        );
        assert_eq!(
            payload(json!({ "InputPath": "$.resources[0]" })),
            r#""arn:aws:s3:::builds""#
        );
    }

    #[test]
    fn templates_write_json_outside_quotation_marks_and_text_inside() {
        let template = |template: &str| {
            payload(json!({ "InputTransformer": {
                "InputPathsMap": {
                    "key": "$.detail.object.key", "size": "$.detail.object.size",
                    "object": "$.detail.object", "none": "$.detail.none"
                },
                "InputTemplate": template
            } }))
        };
        assert_eq!(
            template(r#"{"key": <key>, "n": <size>}"#),
            r#"{"key": "web.zip", "n": 5}"#
        );
        assert_eq!(
            template(r#"{"text": "<key> of <size>"}"#),
            r#"{"text": "web.zip of 5"}"#
        );
        assert_eq!(
            template(r#"{"o": <object>}"#),
            r#"{"o": {"key":"web.zip","size":5}}"#
        );
        assert_eq!(
            template(r#""see <object>""#),
            r#""see {key:web.zip,size:5}""#
        );
        assert_eq!(template("plain <key>"), "plain web.zip");
        assert_eq!(template(r#"{"none": <none>}"#), r#"{"none": ""}"#);
        assert_eq!(
            template(r#"{"r": <aws.events.rule-arn>}"#),
            r#"{"r": "arn:rule"}"#
        );
        assert_eq!(template(r#"{"u": "<unknown>"}"#), r#"{"u": "<unknown>"}"#);
    }
}
