//! Announcements through SNS: sentences for people, JSON for programs, attributes to filter on.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use domain::announce::{Announcement, SUBJECT_LENGTH_MAX};
use engine::{AnnounceError, Announcer};
use serde_json::json;

use crate::errors::Trouble;

/// Largest message SNS takes, in bytes (Publish, Message).
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// How long the text may be, in bytes: the first of these with which the message fits. All
/// protocols share one message, in which control characters are escaped twice; the last one always
/// fits.
const TEXT_BYTES: [usize; 3] = [128 * 1024, 24 * 1024, 4 * 1024];
/// Protocols behind which a program reads.
const PROGRAMS: [&str; 5] = ["lambda", "sqs", "http", "https", "firehose"];

/// Announces on one topic.
#[derive(Debug, Clone)]
pub struct SnsAnnouncer {
    client: Client,
    topic: String,
}

impl SnsAnnouncer {
    /// Announces on the topic with this ARN.
    #[must_use]
    pub fn new(config: &aws_types::SdkConfig, topic: impl Into<String>) -> Self {
        Self {
            client: Client::new(config),
            topic: topic.into(),
        }
    }
}

impl Announcer for SnsAnnouncer {
    async fn announce(&self, announcement: &Announcement) -> Result<(), AnnounceError> {
        let message = message(announcement)
            .map_err(|error| AnnounceError(format!("{}: {error}", announcement.id)))?;
        let mut publish = self
            .client
            .publish()
            .topic_arn(&self.topic)
            .subject(subject(announcement))
            .message(message)
            .message_structure("json");
        for (name, value) in attributes(announcement) {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .map_err(|error| AnnounceError(error.to_string()))?;
            publish = publish.message_attributes(name, value);
        }
        publish
            .send()
            .await
            .map_err(|error| AnnounceError(Trouble::of("sns:Publish", &error).words))?;
        Ok(())
    }
}

/// The message for every protocol, with as much of the text as fits.
fn message(announcement: &Announcement) -> Result<String, serde_json::Error> {
    let mut message = String::new();
    for text_bytes in TEXT_BYTES {
        message = bodies(announcement, cut(&announcement.text, text_bytes))?;
        if message.len() <= MESSAGE_BYTES_MAX {
            break;
        }
    }
    Ok(message)
}

/// One body for each protocol: `default` is what an e-mail says.
fn bodies(announcement: &Announcement, text: &str) -> Result<String, serde_json::Error> {
    let short = Announcement {
        text: text.to_owned(),
        ..announcement.clone()
    };
    let program = serde_json::to_string(&short)?;
    let mut bodies = json!({ "default": text, "sms": announcement.subject });
    if let Some(bodies) = bodies.as_object_mut() {
        for protocol in PROGRAMS {
            bodies.insert(protocol.to_owned(), program.clone().into());
        }
    }
    serde_json::to_string(&bodies)
}

/// SNS takes printable ASCII that begins with a letter, a digit or punctuation, and fewer than 100
/// characters (Publish, Subject).
fn subject(announcement: &Announcement) -> String {
    announcement
        .subject
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() || c == ' ' {
                c
            } else {
                '?'
            }
        })
        .skip_while(|c| *c == ' ')
        .take(SUBJECT_LENGTH_MAX)
        .collect()
}

fn attributes(announcement: &Announcement) -> Vec<(&'static str, String)> {
    let mut attributes = vec![
        ("service", announcement.service.to_string()),
        ("kind", announcement.kind.to_owned()),
        ("severity", announcement.severity.as_str().to_owned()),
        ("id", announcement.id.to_string()),
    ];
    if let Some(stage) = &announcement.stage {
        attributes.push(("stage", stage.to_string()));
    }
    attributes
}

/// Cuts a text to a number of bytes, between characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use domain::announce::Severity;
    use domain::{ReleaseNumber, Timestamp};

    use super::*;

    fn announcement(text: &str) -> Announcement {
        Announcement {
            id: "web/42".parse().unwrap(),
            at: Timestamp::UNIX_EPOCH,
            kind: "succeeded",
            severity: Severity::Info,
            service: "web".parse().unwrap(),
            stage: Some("dev".parse().unwrap()),
            release: Some(ReleaseNumber(17)),
            subject: format!(" web dev: Jürgen's release is good{}", "!".repeat(200)),
            text: text.to_owned(),
        }
    }

    #[test]
    fn people_read_sentences_and_programs_json() {
        let message = message(&announcement("release 17 is good")).unwrap();
        let bodies: serde_json::Value = serde_json::from_str(&message).unwrap();
        assert_eq!(bodies["default"], "release 17 is good");
        let program: serde_json::Value =
            serde_json::from_str(bodies["sqs"].as_str().unwrap()).unwrap();
        assert_eq!(program["id"], "web/42");
        assert_eq!(program["release"], 17);
    }

    #[test]
    fn the_subject_is_what_sns_takes() {
        let subject = subject(&announcement(""));
        assert!(subject.starts_with("web dev: J?rgen's"), "{subject}");
        assert_eq!(subject.len(), SUBJECT_LENGTH_MAX);
    }

    #[test]
    fn the_longest_text_fits() {
        for text in [
            "ü".repeat(MESSAGE_BYTES_MAX),
            "\u{1}".repeat(MESSAGE_BYTES_MAX),
        ] {
            let message = message(&announcement(&text)).unwrap();
            assert!(message.len() <= MESSAGE_BYTES_MAX, "{}", message.len());
        }
    }
}
