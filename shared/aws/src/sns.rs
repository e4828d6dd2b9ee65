//! Announcements through SNS: one publish, and each protocol its own body of it.
//!
//! | protocol | who reads | body |
//! | --- | --- | --- |
//! | `email`, `default` | people | sentences |
//! | `sms` | people | the subject |
//! | `lambda`, `sqs`, `http`, `firehose` | machines | JSON, `announcement.schema.json` |
//! | `https` | Amazon Q Developer in chat applications | its custom notification |
//!
//! SNS tells subscribers apart by protocol and by nothing else, and the chat service subscribes
//! with `https`. So `https` is the chat's: it drops without a word what it cannot read, and a
//! machine that listens at an HTTPS address of its own still finds id, service, stage, release and
//! kind in the notification's metadata. A second topic would have cost a second publish for each.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use chat::custom::Notification;
use domain::announce::{Announcement, ReadOn, SUBJECT_LENGTH_MAX};
use engine::{AnnounceError, Announcer};
use serde_json::json;

use crate::errors::Trouble;

/// Largest message SNS takes, in bytes (Publish, Message).
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// How long the detail may be, in bytes: the first of these with which the message fits. All
/// protocols share one message, in which control characters are escaped twice; the last one always
/// fits.
const DETAIL_BYTES: [usize; 3] = [16 * 1024, 6 * 1024, 1024];
/// Protocols behind which a machine reads.
const MACHINES: [&str; 4] = ["lambda", "sqs", "http", "firehose"];
/// The protocol of Amazon Q Developer in chat applications.
const CHAT: &str = "https";

/// Announces on one topic.
#[derive(Debug, Clone)]
pub struct SnsAnnouncer {
    client: Client,
    topic: String,
    read_on: Option<ReadOn>,
}

impl SnsAnnouncer {
    /// Announces on the topic with this ARN; what had to be cut says where to read on.
    #[must_use]
    pub fn new(
        config: &aws_types::SdkConfig,
        topic: impl Into<String>,
        read_on: Option<ReadOn>,
    ) -> Self {
        Self {
            client: Client::new(config),
            topic: topic.into(),
            read_on,
        }
    }
}

impl Announcer for SnsAnnouncer {
    async fn announce(&self, announcement: &Announcement) -> Result<(), AnnounceError> {
        let message = message(announcement, self.read_on.as_ref())
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

/// The message for every protocol, with as much of the detail as fits.
fn message(
    announcement: &Announcement,
    read_on: Option<&ReadOn>,
) -> Result<String, serde_json::Error> {
    let mut place = format!("(cut; the whole: {})", announcement.record());
    if let Some(read_on) = read_on {
        place = format!("{place} {}", read_on.address(announcement));
    }
    let mut message = String::new();
    for detail_bytes in DETAIL_BYTES {
        message = bodies(&announcement.shortened(detail_bytes, &place))?;
        if message.len() <= MESSAGE_BYTES_MAX {
            break;
        }
    }
    Ok(message)
}

/// One body for each protocol: `default` is what an e-mail says.
fn bodies(announcement: &Announcement) -> Result<String, serde_json::Error> {
    let machine = serde_json::to_string(announcement)?;
    let chat = serde_json::to_string(&Notification::of(announcement))?;
    let mut bodies = json!({
        "default": announcement.text,
        "sms": announcement.subject,
        (CHAT): chat,
    });
    if let Some(bodies) = bodies.as_object_mut() {
        for protocol in MACHINES {
            bodies.insert(protocol.to_owned(), machine.clone().into());
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

#[cfg(test)]
mod tests {
    use domain::announce::{ANNOUNCEMENT_FORMAT, Severity};
    use domain::{ReleaseNumber, Timestamp};
    use serde_json::Value;

    use super::*;

    fn announcement(detail: &str) -> Announcement {
        Announcement {
            format: ANNOUNCEMENT_FORMAT,
            id: "web/42".parse().unwrap(),
            at: Timestamp::UNIX_EPOCH,
            kind: "succeeded",
            severity: Severity::Info,
            service: "web".parse().unwrap(),
            stage: Some("dev".parse().unwrap()),
            release: Some(ReleaseNumber(17)),
            subject: format!(" web dev: Jürgen's release is good{}", "!".repeat(200)),
            headline: "is good".to_owned(),
            detail: Some(detail.to_owned()),
            why: "the bake ended without alarm".to_owned(),
            next: None,
            text: "release 17 is good".to_owned(),
        }
    }

    fn sent(announcement: &Announcement, read_on: Option<&ReadOn>) -> Value {
        serde_json::from_str(&message(announcement, read_on).unwrap()).unwrap()
    }

    fn inner(bodies: &Value, protocol: &str) -> Value {
        serde_json::from_str(bodies[protocol].as_str().unwrap()).unwrap()
    }

    #[test]
    fn people_read_sentences_machines_json_and_the_chat_its_own_schema() {
        let bodies = sent(&announcement("all tasks run it"), None);
        assert_eq!(bodies["default"], "release 17 is good");
        for machine in MACHINES {
            let body = inner(&bodies, machine);
            assert_eq!(
                (&body["id"], &body["release"]),
                (&json!("web/42"), &json!(17))
            );
            assert_eq!(body["format"], ANNOUNCEMENT_FORMAT);
        }
        let chat = inner(&bodies, CHAT);
        assert_eq!(chat["source"], "custom");
        assert_eq!(chat["metadata"]["threadId"], "web/release/17");
        assert_eq!(chat["metadata"]["additionalContext"]["id"], "web/42");
    }

    #[test]
    fn the_subject_is_what_sns_takes() {
        let subject = subject(&announcement(""));
        assert!(subject.starts_with("web dev: J?rgen's"), "{subject}");
        assert_eq!(subject.len(), SUBJECT_LENGTH_MAX);
    }

    #[test]
    fn the_longest_detail_fits_and_says_where_to_read_on() {
        let read_on = ReadOn::new("https://wiki.example/{service}/{release}").unwrap();
        for detail in [
            "ü".repeat(MESSAGE_BYTES_MAX),
            "\u{1}".repeat(MESSAGE_BYTES_MAX),
        ] {
            let announcement = announcement(&detail);
            let message = message(&announcement, Some(&read_on)).unwrap();
            assert!(message.len() <= MESSAGE_BYTES_MAX, "{}", message.len());
            let bodies = sent(&announcement, Some(&read_on));
            let text = bodies["default"].as_str().unwrap();
            let place = "(cut; the whole: lastgood history web) https://wiki.example/web/17";
            assert!(text.contains(place), "{text}");
        }
    }

    #[test]
    fn attributes_are_there_to_filter_on() {
        let names: Vec<&str> = attributes(&announcement(""))
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["service", "kind", "severity", "id", "stage"]);
    }
}
