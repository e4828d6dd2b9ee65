//! What a build said about its artefact: an object's user metadata, or an image's labels. All of it
//! is optional, and none of it is trusted to be short.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{BuildFacts, Timestamp};

/// Longest value kept, in characters: a release is kept in the snapshot.
const VALUE_LENGTH_MAX: usize = 300;
/// What our own labels begin with.
const LABEL_PREFIX: &str = "lastgood.";
/// What the labels of the OCI image specification begin with.
const OCI_PREFIX: &str = "org.opencontainers.image.";

/// The facts in an object's user metadata: the keys are those of `lastgood publish`.
pub(super) fn of_metadata(metadata: &HashMap<String, String>) -> BuildFacts {
    let decoded: HashMap<String, String> = metadata
        .iter()
        .map(|(key, value)| (key.to_ascii_lowercase(), decode_words(value)))
        .collect();
    read(|name| decoded.get(name).map(String::as_str))
}

/// The facts in an image's labels: our own first, else those every build tool knows.
pub(super) fn of_labels(labels: &HashMap<String, String>) -> BuildFacts {
    let own = |name: &str| labels.get(&format!("{LABEL_PREFIX}{name}"));
    let common = |name: &str| labels.get(&format!("{OCI_PREFIX}{name}"));
    read(|name| {
        let found = match name {
            "version" => own(name).or_else(|| common("version")),
            "commit" => own(name).or_else(|| common("revision")),
            "author" => own(name).or_else(|| common("authors")),
            "committed-at" => own(name).or_else(|| common("created")),
            "branch" => own(name).or_else(|| common("ref.name")),
            "repository" => own(name).or_else(|| common("source")),
            _ => own(name),
        };
        found.map(String::as_str)
    })
}

fn read<'a>(get: impl Fn(&str) -> Option<&'a str>) -> BuildFacts {
    let text = |name: &str| {
        let value: String = get(name)?.trim().chars().take(VALUE_LENGTH_MAX).collect();
        (!value.is_empty()).then_some(value)
    };
    BuildFacts {
        version: text("version"),
        commit: text("commit"),
        author: text("author"),
        committed_at: text("committed-at").as_deref().and_then(moment),
        branch: text("branch"),
        job: text("job"),
        build_number: text("build-number").and_then(|number| number.parse().ok()),
        build_url: text("build-url"),
        repository: text("repository"),
        irreversible: text("irreversible")
            .is_some_and(|word| ["true", "yes", "1"].contains(&word.to_ascii_lowercase().as_str())),
    }
}

/// A moment as git prints it: with an offset (`%cI`) or as seconds (`%ct`).
fn moment(text: &str) -> Option<Timestamp> {
    text.parse()
        .ok()
        .or_else(|| Timestamp::from_second(text.parse().ok()?).ok())
}

/// Decodes RFC 2047's encoded words. S3 returns metadata that is not ASCII in them (S3 User Guide,
/// "User-defined object metadata").
fn decode_words(value: &str) -> String {
    let mut decoded = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(at) = rest.find("=?") {
        let (before, word) = rest.split_at(at);
        let Some((text, left)) = decode_word(word) else {
            // Not an encoded word after all: its two characters are text.
            let (kept, left) = rest.split_at(at + 2);
            decoded.push_str(kept);
            rest = left;
            after_word = false;
            continue;
        };
        // White space between two encoded words only keeps them apart.
        if !(after_word && before.trim().is_empty()) {
            decoded.push_str(before);
        }
        decoded.push_str(&text);
        rest = left;
        after_word = true;
    }
    decoded.push_str(rest);
    decoded
}

/// One encoded word at the beginning of a text, and what comes after it.
fn decode_word(word: &str) -> Option<(String, &str)> {
    let (charset, rest) = word.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (text, rest) = rest.split_once("?=")?;
    let bytes = match encoding {
        "B" | "b" => STANDARD.decode(text).ok()?,
        "Q" | "q" => percent_encoding::percent_decode_str(&quoted_as_percent(text)).collect(),
        _ => return None,
    };
    let decoded = match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" => String::from_utf8(bytes).ok()?,
        "iso-8859-1" => bytes.into_iter().map(char::from).collect(),
        _ => return None,
    };
    Some((decoded, rest))
}

fn quoted_as_percent(text: &str) -> String {
    text.replace('%', "%25").replace('_', " ").replace('=', "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn metadata_is_read() {
        let facts = of_metadata(&map(&[
            ("version", "1.4.0"),
            ("Commit", "3f2c9d1"),
            (
                "author",
                "=?UTF-8?Q?J=C3=BCrgen_M=C3=BCller?= <jm@shop.example>",
            ),
            ("committed-at", "2026-11-20T10:00:00+05:30"),
            ("job", "web-main"),
            ("build-number", "117"),
            ("irreversible", "True"),
        ]));
        assert_eq!(facts.version.as_deref(), Some("1.4.0"));
        assert_eq!(facts.commit.as_deref(), Some("3f2c9d1"));
        assert_eq!(
            facts.author.as_deref(),
            Some("Jürgen Müller <jm@shop.example>")
        );
        assert_eq!(
            facts.committed_at.unwrap().to_string(),
            "2026-11-20T04:30:00Z"
        );
        assert_eq!(facts.build_number, Some(117));
        assert!(facts.irreversible);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let facts = of_metadata(&map(&[
            ("build-number", "latest"),
            ("committed-at", "yesterday"),
            ("branch", "  "),
            ("irreversible", "false"),
        ]));
        assert_eq!(facts, BuildFacts::default());
    }

    #[test]
    fn encoded_words_are_joined_and_others_kept() {
        assert_eq!(decode_words("=?UTF-8?B?w5xi?= =?utf-8?q?er?="), "Über");
        assert_eq!(decode_words("a =?= b =?x?"), "a =?= b =?x?");
        assert_eq!(decode_words("=?koi8-r?B?8A==?="), "=?koi8-r?B?8A==?=");
        assert_eq!(decode_words("100% plain"), "100% plain");
    }

    #[test]
    fn values_are_cut() {
        let facts = of_metadata(&map(&[("version", &"9".repeat(5000))]));
        assert_eq!(facts.version.unwrap().len(), VALUE_LENGTH_MAX);
    }

    #[test]
    fn own_labels_come_before_common_ones() {
        let facts = of_labels(&map(&[
            ("org.opencontainers.image.revision", "aaaa"),
            ("lastgood.commit", "bbbb"),
            (
                "org.opencontainers.image.source",
                "https://git.shop.example/web",
            ),
            ("org.opencontainers.image.ref.name", "main"),
            ("org.opencontainers.image.created", "2026-11-20T10:00:00Z"),
            ("lastgood.job", "web-main"),
            ("lastgood.build-number", "9"),
        ]));
        assert_eq!(facts.commit.as_deref(), Some("bbbb"));
        assert_eq!(
            facts.repository.as_deref(),
            Some("https://git.shop.example/web")
        );
        assert_eq!(facts.branch.as_deref(), Some("main"));
        assert_eq!(
            (facts.job.as_deref(), facts.build_number),
            (Some("web-main"), Some(9))
        );
        assert!(facts.committed_at.is_some());
    }
}
