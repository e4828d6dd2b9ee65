//! The custom notification of Amazon Q Developer in chat applications (formerly AWS Chatbot): the
//! only shape of a message that it posts; anything else it drops without a word
//! (docs.aws.amazon.com/chatbot, "Custom notifications using Amazon Q Developer").

use std::collections::BTreeMap;

use domain::announce::{Announcement, Severity};
use serde::Serialize;

use crate::text::{cut, escaped};

/// Longest title, in characters.
pub const TITLE_LENGTH_MAX: usize = 250;
/// Longest description, in characters.
pub const DESCRIPTION_LENGTH_MAX: usize = 8000;
/// Longest step of those to do next, in characters.
pub const STEP_LENGTH_MAX: usize = 350;
/// Longest keyword, in characters.
pub const KEYWORD_LENGTH_MAX: usize = 75;

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notification {
    version: &'static str,
    source: &'static str,
    id: String,
    content: Content,
    metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    text_type: &'static str,
    title: String,
    description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    next_steps: Vec<String>,
    keywords: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    thread_id: String,
    summary: String,
    event_type: &'static str,
    related_resources: Vec<String>,
    additional_context: BTreeMap<&'static str, String>,
}

impl Notification {
    /// What a channel sees of an announcement: all about one release in one thread.
    #[must_use]
    pub fn of(announcement: &Announcement) -> Self {
        let Announcement {
            format: _,
            id,
            at,
            kind,
            severity,
            service,
            stage,
            release,
            subject,
            headline: _,
            detail,
            why,
            next,
            text: _,
        } = announcement;
        let detail = detail.as_ref().map(|detail| format!("{detail}\n"));
        let description = format!("{}Why: {why}.", detail.unwrap_or_default());
        let stage = stage.as_ref().map(ToString::to_string);
        let release = release.map(|release| release.to_string());
        let mut additional_context = BTreeMap::from([
            ("at", at.to_string()),
            ("id", id.to_string()),
            ("service", service.to_string()),
            ("severity", severity.as_str().to_owned()),
        ]);
        additional_context.extend(stage.clone().map(|stage| ("stage", stage)));
        additional_context.extend(release.clone().map(|release| ("release", release)));
        let keywords = [Some(service.as_str()), stage.as_deref(), Some(*kind)];
        let place = |stage: &String| format!("{service}/{stage}");
        Self {
            version: "1.0",
            source: "custom",
            id: id.to_string(),
            content: Content {
                text_type: "client-markdown",
                title: cut(&title(announcement), TITLE_LENGTH_MAX),
                description: cut(&escaped(&description), DESCRIPTION_LENGTH_MAX),
                next_steps: next
                    .iter()
                    .map(|next| cut(&escaped(next), STEP_LENGTH_MAX))
                    .collect(),
                keywords: keywords
                    .into_iter()
                    .flatten()
                    .map(|keyword| cut(keyword, KEYWORD_LENGTH_MAX))
                    .collect(),
            },
            metadata: Metadata {
                thread_id: release.map_or_else(
                    || service.to_string(),
                    |release| format!("{service}/release/{release}"),
                ),
                summary: cut(&escaped(subject), TITLE_LENGTH_MAX),
                event_type: kind,
                related_resources: vec![stage.as_ref().map_or(service.to_string(), place)],
                additional_context,
            },
        }
    }
}

/// One line for a chat: what it is about in bold, and a sign for how loud it is besides the words.
pub(crate) fn title(announcement: &Announcement) -> String {
    let sign = match announcement.severity {
        Severity::Info => "",
        Severity::Attention => ":raised_hand: ",
        Severity::Alert => ":warning: ",
        Severity::Urgent => ":rotating_light: ",
    };
    let stage = announcement.stage.as_ref();
    let stage = stage.map(|stage| format!(" {stage}")).unwrap_or_default();
    let release = announcement.release;
    let release = release.map(|release| format!("release {release} "));
    format!(
        "{sign}*{}{stage}*: {}{}",
        announcement.service,
        release.unwrap_or_default(),
        escaped(&announcement.headline),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use domain::ReleaseNumber;
    use domain::announce::ANNOUNCEMENT_FORMAT;

    use super::*;

    pub(crate) fn announcement(detail: &str) -> Announcement {
        Announcement {
            format: ANNOUNCEMENT_FORMAT,
            id: "web/42".parse().unwrap(),
            at: "2026-11-26T10:00:00Z".parse().unwrap(),
            kind: "alarm",
            severity: Severity::Alert,
            service: "web".parse().unwrap(),
            stage: Some("production".parse().unwrap()),
            release: Some(ReleaseNumber(17)),
            subject: "web production release 17: alarm web-5xx fired after the bake".to_owned(),
            headline: "alarm web-5xx fired after the bake".to_owned(),
            detail: Some(detail.to_owned()).filter(|detail| !detail.is_empty()),
            why: "the bake is over, so nothing is done by itself".to_owned(),
            next: Some("lastgood rollback web production --reason \"web-5xx fired\"".to_owned()),
            text: "as an e-mail says it".to_owned(),
        }
    }

    #[test]
    fn a_notification_has_the_documented_shape() {
        insta::assert_json_snapshot!(Notification::of(&announcement("5 errors > 1 <!here>")));
    }

    #[test]
    fn no_field_is_longer_than_the_chat_takes() {
        let long = Announcement {
            headline: "<".repeat(1000),
            next: Some("&".repeat(1000)),
            ..announcement(&"&ü".repeat(20_000))
        };
        let Content {
            title,
            description,
            next_steps,
            ..
        } = Notification::of(&long).content;
        assert!(title.chars().count() <= TITLE_LENGTH_MAX);
        assert!(description.chars().count() <= DESCRIPTION_LENGTH_MAX);
        assert!(next_steps[0].chars().count() <= STEP_LENGTH_MAX);
    }
}
