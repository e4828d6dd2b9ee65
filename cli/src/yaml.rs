//! Service files as text: read with the place of every mistake, so that an error shows the line it
//! means. What a file may say is in [`domain::file`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use domain::file::{Problem, ServiceFile};
use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::failure::Failure;

/// Largest service file, in bytes: it has to fit into one request.
const FILE_BYTES_MAX: u64 = 100 * 1024;
/// Problems of one file that are shown; the others come up when these are mended.
const SHOWN_MAX: usize = 20;
/// Longest piece of a file's own text that is shown, in characters.
const PIECE_MAX: usize = 160;
/// A word is suggested when at most every so many-th of its letters is wrong.
const LETTERS_PER_SLIP: usize = 3;

/// A service file with its text, so that what is found wrong later can be shown too.
#[derive(Debug)]
pub(crate) struct Source {
    /// The file's name as it was typed.
    pub(crate) name: String,
    /// What it says.
    pub(crate) file: ServiceFile,
    text: String,
}

/// A place in a text, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
}

impl Source {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let refused =
            |error: std::io::Error| Failure::usage(format!("cannot read {name}")).because(error);
        let length = path.metadata().map_err(refused)?.len();
        if length > FILE_BYTES_MAX {
            return Err(
                Failure::usage(format!("{name} is too large for a service file"))
                    .because(format!("{length} bytes, and the limit is {FILE_BYTES_MAX}")),
            );
        }
        let text = std::fs::read_to_string(path).map_err(refused)?;
        Self::parse(name.clone(), text)
    }

    /// Reads a text.
    pub(crate) fn parse(name: String, text: String) -> Result<Self, Failure> {
        match serde_saphyr::from_str::<ServiceFile>(&text) {
            Ok(file) => Ok(Self { name, file, text }),
            Err(error) => Err(mistake(&name, &text, error.without_snippet())),
        }
    }

    /// What is wrong with the file's content, each problem with its line.
    pub(crate) fn wrong(&self, problems: &[Problem]) -> Failure {
        let tree = serde_saphyr::from_str::<Spanned<Node>>(&self.text).ok();
        if let [only] = problems {
            let failure = Failure::usage(format!(
                "{} has a mistake: {}",
                self.name,
                piece(&only.message)
            ))
            .because(self.shown(tree.as_ref(), only));
            return only.hint.iter().fold(failure, Failure::hint);
        }
        let failure = Failure::usage(format!("{} has {} mistakes", self.name, problems.len()));
        let shown = problems.iter().take(SHOWN_MAX);
        let failure = shown.fold(failure, |failure, problem| {
            let hint = problem
                .hint
                .as_ref()
                .map(|hint| format!(": {hint}"))
                .unwrap_or_default();
            failure
                .because("")
                .because(format!("{}{hint}", piece(&problem.message)))
                .because(self.shown(tree.as_ref(), problem))
        });
        match problems.len().saturating_sub(SHOWN_MAX) {
            0 => failure,
            more => failure.because("").because(format!("and {more} more")),
        }
    }

    /// Where a problem is: `web.yaml:5:3`, or its path where that cannot be found.
    pub(crate) fn place(&self, path: &str) -> String {
        let tree = serde_saphyr::from_str::<Spanned<Node>>(&self.text).ok();
        let found = tree.and_then(|tree| find(&tree, path)).and_then(place);
        found.map_or_else(
            || format!("{}:{path}", self.name),
            |Place { line, column }| format!("{}:{line}:{column}", self.name),
        )
    }

    /// The lines a problem is about; where they cannot be found, its path.
    fn shown(&self, tree: Option<&Spanned<Node>>, problem: &Problem) -> String {
        let place = tree
            .and_then(|tree| find(tree, &problem.path))
            .and_then(place);
        place.map_or_else(
            || problem.path.clone(),
            |place| excerpt(&self.name, &self.text, place),
        )
    }
}

/// A YAML document of any shape, with places.
#[derive(Debug)]
enum Node {
    Map(BTreeMap<String, (Location, Spanned<Self>)>),
    List(Vec<Spanned<Self>>),
    Scalar,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            fields.insert(key.value, (key.referenced, map.next_value()?));
        }
        Ok(Node::Map(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
}

/// Where a JSON pointer leads, or as far as it leads: what is missing has its parent's place.
fn find(tree: &Spanned<Node>, path: &str) -> Option<Location> {
    let mut node = tree;
    let mut place = tree.referenced;
    for step in path.split('/').skip(1) {
        let next = match &node.value {
            Node::Map(fields) => fields.get(step).map(|(key, next)| (*key, next)),
            Node::List(items) => {
                let item = step.parse().ok().and_then(|at: usize| items.get(at));
                item.map(|item| (item.referenced, item))
            }
            Node::Scalar => None,
        };
        let Some((key, next)) = next else { break };
        // A scalar is shown itself; what has content of its own is shown by its key.
        place = if matches!(next.value, Node::Scalar) {
            next.referenced
        } else {
            key
        };
        node = next;
    }
    (place != Location::UNKNOWN).then_some(place)
}

fn place(location: Location) -> Option<Place> {
    let line = usize::try_from(location.line())
        .ok()
        .filter(|line| *line > 0)?;
    let column = usize::try_from(location.column())
        .ok()
        .filter(|column| *column > 0)?;
    Some(Place { line, column })
}

/// A text that is no service file.
fn mistake(name: &str, text: &str, error: &serde_saphyr::Error) -> Failure {
    let (message, hint) = told(error);
    let message = piece(&message);
    let failure = Failure::usage(format!("{name} is no service file: {message}"));
    let place = error.location().and_then(place);
    let failure = match place {
        Some(place) => failure.because(excerpt(name, text, place)),
        None => failure,
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The reader's words, with a suggestion where one of the known words was misspelt.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the reader's other errors keep its words"
)]
fn told(error: &serde_saphyr::Error) -> (String, Option<String>) {
    match error {
        serde_saphyr::Error::SerdeUnknownField {
            field, expected, ..
        } => (
            format!("unknown key {field:?}"),
            Some(suggestion(field, expected)),
        ),
        serde_saphyr::Error::SerdeUnknownVariant {
            variant, expected, ..
        } => (
            format!("{variant:?} is none of the known words here"),
            Some(suggestion(variant, expected)),
        ),
        serde_saphyr::Error::SerdeMissingField { field, .. } => {
            (format!("the key {field:?} is missing"), None)
        }
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            (format!("the key {key:?} stands here twice"), None)
        }
        serde_saphyr::Error::InvalidScalar { ty, .. } if ty.starts_with(['u', 'i']) => {
            ("a whole number is expected here".to_owned(), None)
        }
        serde_saphyr::Error::NullIntoString { .. } => ("a value is missing".to_owned(), None),
        other => {
            let text = other.to_string();
            let first = text.lines().next().unwrap_or("it cannot be read");
            let words = first
                .split_once(" at line ")
                .map_or(first, |(words, _)| words);
            (words.to_owned(), None)
        }
    }
}

fn suggestion(word: &str, known: &[&'static str]) -> String {
    let alike = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(slips, known)| *slips <= known.len() / LETTERS_PER_SLIP)
        .min_by_key(|(slips, _)| *slips);
    match alike {
        Some((_, known)) => format!("did you mean {known:?}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// `web.yaml:5:3`, the line, and a mark below its place.
fn excerpt(name: &str, text: &str, place: Place) -> String {
    let Place { line, column } = place;
    let head = format!("{name}:{line}:{column}");
    let Some(source) = text.lines().nth(line - 1) else {
        return head;
    };
    let gutter = " ".repeat(line.to_string().len());
    // Of a very long line, what is around the place.
    let from = column.saturating_sub(1 + PIECE_MAX / 2);
    let source: String = source.chars().skip(from).take(PIECE_MAX).collect();
    let indent = " ".repeat((column - 1 - from).min(PIECE_MAX));
    format!("{head}\n{gutter} |\n{line} | {source}\n{gutter} | {indent}^")
}

/// A piece of a text that the file may have made as long as itself.
fn piece(text: &str) -> String {
    match text.char_indices().nth(PIECE_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Paint, failure_text};

    const WEB: &str = r#"# The shop's front.
service: web
artefact:
  ecr: { repository: shop/web, tags: ["main-*"] }
stages:
  - name: dev
    target: { ecs: { cluster: dev, service: web, containers: [web] } }
    bake: 2m
    alarms: [web-dev-5xx]
  - name: production
    target:
      codedeploy_ecs: { application: web, group: blue, cluster: live, service: web,
        containers: [web], container: web, port: 80 }
    gate:
      approval: { approvers: ["arn:aws:iam::*:user/alice"], count: 1, expires_after: 7d }
    windows: ["Mon-Fri 10:00-17:00 Asia/Kolkata"]
    smoke: [{ url: "https://shop.example/health" }]
"#;

    fn error(text: &str) -> String {
        let failure = Source::parse("web.yaml".into(), text.into()).map(|source| {
            let home = domain::file::Home {
                account: "111122223333".parse().unwrap(),
                region: "ap-south-1".parse().unwrap(),
            };
            source.wrong(&source.file.resolve(&home).unwrap_err())
        });
        failure_text(&failure.unwrap_or_else(|failure| failure), Paint::Plain)
    }

    #[test]
    fn a_file_is_read() {
        let source = Source::parse("web.yaml".into(), WEB.into()).unwrap();
        assert_eq!(source.file.service, "web");
        assert_eq!(source.file.stages.len(), 2);
        let json = serde_json::to_string(&source.file).unwrap();
        assert_eq!(
            serde_json::from_str::<ServiceFile>(&json).unwrap(),
            source.file
        );
    }

    /// What several changes of the good file come to.
    fn errors(changes: &[(&str, &str)]) -> String {
        let one = |(from, to): &(&str, &str)| {
            assert!(WEB.contains(from), "{from}");
            error(&WEB.replace(from, to))
        };
        changes
            .iter()
            .map(one)
            .collect::<Vec<_>>()
            .join("\n\n=====\n\n")
    }

    #[test]
    fn an_account_may_be_written_without_quotes() {
        let text = WEB.replace("bake: 2m", "account: 012345678901");
        let source = Source::parse("web.yaml".into(), text).unwrap();
        assert_eq!(
            source.file.stages[0].account.as_deref(),
            Some("012345678901")
        );
    }

    #[test]
    fn an_unknown_word_is_shown_with_a_suggestion() {
        let changes = [
            ("bake:", "bakes:"),
            ("ecs: { cl", "esc: { cl"),
            ("bake: 2m", "colour: red"),
        ];
        insta::assert_snapshot!(errors(&changes));
    }

    #[test]
    fn what_is_no_yaml_is_shown() {
        let changes = [
            ("[web-dev-5xx]", "[web-dev-5xx"),
            ("    bake: 2m", "  \tbake: 2m"),
            ("bake: 2m", "bake: 2m\n    bake: 3m"),
            ("bake: 2m", "bake: *m"),
        ];
        insta::assert_snapshot!(errors(&changes));
    }

    #[test]
    fn what_is_missing_or_of_the_wrong_kind_is_shown() {
        let changes = [
            ("service: web\na", "a"),
            ("bake: 2m", "bake:"),
            ("port: 80", "port: high"),
            (WEB, ""),
        ];
        insta::assert_snapshot!(errors(&changes));
    }

    #[test]
    fn problems_of_content_are_shown_where_they_are() {
        insta::assert_snapshot!(errors(&[
            ("bake: 2m", "bake: soon"),
            ("alarms: [web-dev-5xx]", "role: x")
        ]));
    }

    #[test]
    fn all_problems_are_shown() {
        let text = WEB
            .replace("Asia/Kolkata", "Asia/Kolkatta")
            .replace("[web-dev-5xx]", "[a, a]")
            .replace("service: web\na", "service: Web\na");
        insta::assert_snapshot!(error(&text));
    }

    /// What is said of a file, whatever it says: never more than a screen can hold.
    fn said(text: &str) -> usize {
        let said = error(text).len();
        assert!(said < 20_000, "{said} bytes about {text:.200}");
        said
    }

    #[test]
    fn what_is_said_of_a_file_does_not_grow_with_it() {
        let long = "x".repeat(90_000);
        let many = "a: b\n".repeat(20_000);
        let deep = "[".repeat(50_000);
        let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b, *b, *b]\n".repeat(1000);
        let list = format!("[{}]", "a, ".repeat(25_000));
        for text in [&long, &many, &deep, &bomb] {
            said(text);
        }
        said(&WEB.replace("service: web\na", &format!("{long}: web\na")));
        said(&WEB.replace("bake: 2m", &format!("bake: {long}")));
        said(&WEB.replace("[web-dev-5xx]", &list));
        said(&WEB.replace("bake: 2m", &format!("bake: {deep}")));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: 200,
            failure_persistence: None,
            ..Default::default()
        })]

        /// A good file with pieces cut out, doubled or put elsewhere, and odd ones put in.
        #[test]
        fn whatever_a_file_says_it_is_read_or_refused(
            edits in proptest::collection::vec(
                (0..900_usize, 0..60_usize, 0..900_usize, 0..12_usize),
                0..6,
            ),
        ) {
            const ODD: [&str; 12] = [
                "", ": ", "- ", "&a ", "*a", "{", "]", "\t", "!!binary ", "\u{0}", "? ", "'\u{1f4a5}",
            ];
            let mut text: Vec<char> = WEB.chars().collect();
            for (from, length, to, odd) in edits {
                let from = from.min(text.len());
                let cut: Vec<char> = text[from..(from + length).min(text.len())].to_vec();
                if odd % 2 == 0 {
                    text.drain(from..from + cut.len());
                }
                let to = to.min(text.len());
                text.splice(to..to, cut.into_iter().chain(ODD[odd].chars()));
            }
            let text: String = text.into_iter().collect();
            if let Ok(source) = Source::parse("web.yaml".into(), text.clone()) {
                let home = domain::file::Home {
                    account: "111122223333".parse().unwrap(),
                    region: "ap-south-1".parse().unwrap(),
                };
                if source.file.resolve(&home).is_ok() {
                    return Ok(());
                }
            }
            said(&text);
        }
    }
}
