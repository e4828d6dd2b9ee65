//! The nastiest shapes of any size: values of JSON, and where in an event they may stand; files of
//! YAML; snapshots.

use domain::decide::{Recalled, decide};
use domain::{Fact, Pipeline, Timestamp, due};
use serde_json::Value;

/// Something of about so many bytes.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) make: fn(usize) -> Vec<u8>,
}

const fn shape(name: &'static str, make: fn(usize) -> Vec<u8>) -> Shape {
    Shape { name, make }
}

/// `begin`, as many numbered `piece`s as fit, `end`. `#` is the number.
fn repeated(begin: &str, piece: &str, end: &str, size: usize) -> Vec<u8> {
    let mut text = begin.to_owned();
    for number in 0.. {
        if text.len() + piece.len() + end.len() > size.max(begin.len() + piece.len() + end.len()) {
            break;
        }
        text.push_str(&piece.replace('#', &number.to_string()));
    }
    text.push_str(end);
    text.into_bytes()
}

/// As many of `open` as of `close`, one inside the other.
fn nested(open: &str, inner: &str, close: &str, size: usize) -> Vec<u8> {
    let times = size / (open.len() + close.len());
    [&open.repeat(times), inner, &close.repeat(times)]
        .concat()
        .into_bytes()
}

/// Values of JSON.
pub(crate) const VALUES: &[Shape] = &[
    shape("a long list", |size| repeated("[0", ",0", "]", size)),
    shape("a long list of texts", |size| {
        repeated("[\"\"", ",\"arn:#\"", "]", size)
    }),
    shape("many fields", |size| {
        repeated("{\"a\":0", ",\"k#\":0", "}", size)
    }),
    shape("one field many times", |size| {
        repeated("{\"a\":0", ",\"S\":\"\"", "}", size)
    }),
    shape("deep lists", |size| nested("[", "", "]", size)),
    shape("deep objects", |size| nested("{\"L\":", "0", "}", size)),
    shape("lists just deep enough", |size| {
        repeated("[0", &deep_enough(), "]", size)
    }),
    shape("a long text", |size| repeated("\"", "x", "\"", size)),
    shape("a long text of escapes", |size| {
        repeated("\"", "\\u00e9", "\"", size)
    }),
    shape("a long text of stars", |size| {
        repeated("\"", "*a", "\"", size)
    }),
    shape("a long number", |size| repeated("1", "7", "", size)),
];

/// A list that most parsers still follow.
fn deep_enough() -> String {
    format!(",{}{}", "[".repeat(100), "]".repeat(100))
}

/// What stands for a whole event and is not even JSON.
pub(crate) const BROKEN: &[Shape] = &[
    shape("deep lists without end", |size| nested("[", "", "", size)),
    shape("a long text without end", |size| {
        repeated("\"", "x", "", size)
    }),
    shape("much space", |size| repeated("", " \n", "", size)),
];

type Input = Box<dyn Fn(Vec<u8>) -> Vec<u8>>;

/// Where a value may stand: in place of each value of an event, and of those in its texts of JSON.
pub(crate) fn everywhere(seed: &[u8]) -> Vec<(String, Input)> {
    let mut inputs: Vec<(String, Input)> = vec![("the top".to_owned(), Box::new(|value| value))];
    let Ok(tree) = serde_json::from_slice::<Value>(seed) else {
        return inputs;
    };
    for place in places(&tree) {
        let (tree, at) = (tree.clone(), place.clone());
        let input: Input = Box::new(move |value| {
            const MARK: &str = "here-comes-the-value";
            let mut tree = tree.clone();
            if let Some(place) = tree.pointer_mut(&at) {
                *place = Value::from(MARK);
            }
            let value = String::from_utf8(value).unwrap_or_default();
            tree.to_string()
                .replace(&format!("\"{MARK}\""), &value)
                .into_bytes()
        });
        inputs.push((place.clone(), input));
        let inner = tree_at(seed, &place);
        for (inner_place, inner) in inner.map(|inner| everywhere(&inner)).into_iter().flatten() {
            let (seed, at) = (seed.to_vec(), place.clone());
            let input: Input = Box::new(move |value| {
                let mut tree: Value = serde_json::from_slice(&seed).unwrap_or_default();
                let text = String::from_utf8(inner(value)).unwrap_or_default();
                if let Some(place) = tree.pointer_mut(&at) {
                    *place = Value::from(text);
                }
                tree.to_string().into_bytes()
            });
            inputs.push((format!("{place} → {inner_place}"), input));
        }
    }
    inputs
}

/// What a text of JSON says that stands somewhere.
fn tree_at(seed: &[u8], place: &str) -> Option<Vec<u8>> {
    let tree: Value = serde_json::from_slice(seed).ok()?;
    let text = tree.pointer(place)?.as_str()?;
    let inner: Value = serde_json::from_str(text).ok()?;
    inner.is_object().then(|| text.as_bytes().to_vec())
}

/// JSON pointers to everything in a tree.
fn places(tree: &Value) -> Vec<String> {
    let below = |step: &str, inner: &Value| -> Vec<String> {
        let step = step.replace('~', "~0").replace('/', "~1");
        let deeper = places(inner)
            .into_iter()
            .map(|place| format!("/{step}{place}"));
        std::iter::once(format!("/{step}")).chain(deeper).collect()
    };
    match tree {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, inner)| below(name, inner))
            .collect(),
        Value::Array(items) => {
            let first = items.first();
            first.map(|inner| below("0", inner)).unwrap_or_default()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

const HEAD: &str = "service: web\nartefact: { s3: { bucket: shop-artefacts } }\n";
const STAGE: &str = "name: dev\n    target: { codedeploy: { application: web, group: dev } }\n    ";

/// A file with `begin`, many `piece`s and `end` in its only stage.
fn in_stage(begin: &str, piece: &str, end: &str, size: usize) -> Vec<u8> {
    repeated(
        &format!("{HEAD}stages:\n  - {STAGE}{begin}"),
        piece,
        end,
        size,
    )
}

/// Files of YAML.
pub(crate) const YAML: &[Shape] = &[
    shape("deep lists", |size| nested("[", "", "]", size)),
    shape("deep lists without end", |size| nested("[", "", "", size)),
    shape("deep objects", |size| nested("{a: ", "0", "}", size)),
    shape("deep dashes", |size| nested("- ", "0", "", size)),
    shape("deep questions", |size| nested("? ", "0", "", size)),
    shape("deep in a field", |size| {
        [
            format!("{HEAD}stages: ").into_bytes(),
            nested("[", "", "]", size),
        ]
        .concat()
    }),
    shape("many unknown keys", |size| {
        repeated(HEAD, "k#: 0\n", "", size)
    }),
    shape("one key many times", |size| {
        repeated("", "service: web\n", "", size)
    }),
    shape("many stages that are right", |size| {
        let stage = "  - { name: s#, target: { codedeploy: { application: a#, group: g } } }\n";
        repeated(&format!("{HEAD}stages:\n"), stage, "", size)
    }),
    shape("many stages of one name and one target", |size| {
        let stage = "  - { name: s, target: { codedeploy: { application: a, group: g } } }\n";
        repeated(&format!("{HEAD}stages:\n"), stage, "", size)
    }),
    shape("many stages with everything wrong", |size| {
        let stage = "  - { name: S, target: { ecs: { cluster: a/b, service: '', containers: [] } },\
                     account: '1', region: x, role: r, external_id: e, bake: soon, timeout: 1s,\
                     alarms: ['arn:', ' '], windows: ['', 'Mon'], smoke: [{ url: x, status: 1 }],\
                     gate: { approval: { approvers: [''], count: 0, expires_after: never } } }\n";
        repeated(&format!("{HEAD}stages:\n"), stage, "", size)
    }),
    shape("many alarms", |size| {
        in_stage("alarms: [", "a#,", "]\n", size)
    }),
    shape("one alarm many times", |size| {
        in_stage("alarms: [", "a,", "]\n", size)
    }),
    shape("many alarms without name", |size| {
        in_stage("alarms: [", "'arn:',", "]\n", size)
    }),
    shape("many windows that are none", |size| {
        in_stage("windows: [", "m,", "]\n", size)
    }),
    shape("many windows", |size| {
        in_stage("windows: [", "Mon 10:00-11:00 UTC,", "]\n", size)
    }),
    shape("many days", |size| {
        in_stage("windows: ['Mon", ",Sun-Sat", " 10:00-11:00 UTC']\n", size)
    }),
    shape("many approvers", |size| {
        in_stage("gate: { approval: { approvers: [", "a#,", "] } }\n", size)
    }),
    shape("many smoke checks", |size| {
        in_stage("smoke: [", "{ url: x },", "]\n", size)
    }),
    shape("a long duration", |size| {
        in_stage("bake: '", "1m", "'\n", size)
    }),
    shape("a long text", |size| in_stage("bake: '", "x", "'\n", size)),
    shape("a long text of escapes", |size| {
        in_stage("bake: \"", "\\u00e9", "\"\n", size)
    }),
    shape("a long folded text", |size| {
        in_stage("bake: >\n", "      x\n\n", "", size)
    }),
    shape("a long plain text", |size| {
        in_stage("bake: a\n", "      x\n", "", size)
    }),
    shape("a long key", |size| repeated("", "k", ": 0\n", size)),
    shape("many comments", |size| repeated(HEAD, "# no\n", "", size)),
    shape("many documents", |size| {
        repeated(HEAD, "---\na: 0\n", "", size)
    }),
    shape("many ends", |size| repeated(HEAD, "...\n", "", size)),
    shape("many directives", |size| {
        repeated("", "%TAG !a#! b:\n", "---\na: 0\n", size)
    }),
    shape("many anchors", |size| {
        repeated("a:\n", "  - &a# x\n", "", size)
    }),
    shape("one anchor many times", |size| {
        repeated("a:\n", "  - &a x\n", "", size)
    }),
    shape("many aliases", |size| {
        repeated("a: &a [x, x, x, x, x, x]\nb: [", "*a,", "]\n", size)
    }),
    shape("aliases of aliases", |size| {
        repeated("a0: &a [x, x]\n", "b#: &a [*a, *a]\n", "", size)
    }),
    shape("aliases of many aliases", |size| {
        repeated(
            "a0: &a [x, x]\n",
            "b#: &a [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n",
            "",
            size,
        )
    }),
    shape("merged keys of merged keys", |size| {
        repeated(
            "a0: &a { k: v }\n",
            "b#: &a { <<: [*a, *a], k#: v }\n",
            "",
            size,
        )
    }),
    shape("stages merged from one", |size| {
        let first = format!("{HEAD}stages:\n  - &a\n    {STAGE}bake: 2m\n");
        repeated(&first, "  - { <<: *a, name: s# }\n", "", size)
    }),
    shape("a list merged from one long list", |size| {
        let list = String::from_utf8(repeated("[", "a#, ", "]", size / 2)).unwrap_or_default();
        let first = format!("{HEAD}alarms: &a {list}\nstages:\n");
        repeated(&first, "  - { alarms: *a }\n", "", first.len() + size / 2)
    }),
    shape("tags", |size| repeated("a: ", "!!seq ", "x\n", size)),
    shape("many colons", |size| repeated("a", ":", "\n", size)),
    shape("many quotes", |size| repeated("a: ", "'' ", "\n", size)),
    shape("tabs", |size| repeated("a:\n", "\t", "b\n", size)),
];

const GOLDEN: &str = include_str!("../../../../shared/domain/golden/snapshot-1.json");

/// The golden snapshot with `piece`s in the list at a place.
fn with(place: &str, piece: &str, size: usize) -> Vec<u8> {
    let mut tree: Value = serde_json::from_str(GOLDEN).unwrap_or_default();
    let many = repeated("[", &format!("{piece},"), "null]", size);
    let mut many: Vec<Value> = serde_json::from_slice(&many).unwrap_or_default();
    many.pop();
    if let Some(Value::Array(list)) = tree.pointer_mut(place) {
        *list = many;
    }
    tree.to_string().into_bytes()
}

/// Snapshots.
pub(crate) const SNAPSHOTS: &[Shape] = &[
    shape("many requests", |size| {
        with("/requests", "\"request-#\"", size)
    }),
    shape("many arrivals", |size| {
        with("/arrivals", "\"2026-11-26T10:00:00Z\"", size)
    }),
    shape("many good releases", |size| {
        with("/stages/dev/good", "#", size)
    }),
    shape("many quarantined", |size| {
        with("/stages/dev/quarantined", "#", size)
    }),
    shape("many waiting", |size| {
        let offer = r#"{"id":"web/1#","release":3,"purpose":"release",
            "offered_at":"2026-11-26T10:00:00Z","approvals":[],"despite":{},"on":null}"#;
        with("/stages/production/waiting", offer, size)
    }),
    shape("many windows", |size| {
        with(
            "/config/stages/0/windows",
            "\"Mon 10:00-11:00 Asia/Kolkata\"",
            size,
        )
    }),
    shape("many alarms", |size| {
        let arn = "\"arn:aws:cloudwatch:ap-south-1:111122223333:alarm:a#\"";
        with("/config/stages/0/alarms", arn, size)
    }),
];

/// Reads a snapshot, and decides on it that time has passed.
pub(crate) fn read_snapshot(bytes: &[u8]) {
    if let Ok(pipeline) = serde_json::from_slice::<Pipeline>(bytes) {
        let _ = due::due_at(&pipeline);
        let now = Timestamp::from_second(1_795_694_400).unwrap_or(Timestamp::MAX);
        let _ = decide(&pipeline, &Recalled::Nothing, &Fact::TimePassed, now);
    }
}
