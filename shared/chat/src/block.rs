//! Slack's Block Kit, as far as we use it, within its limits (docs.slack.dev, "Blocks"): whatever
//! is too long is cut here, where it is made, and never refused there.

use serde::Serialize;

use crate::text::cut;

/// Most blocks of a message.
pub const BLOCKS_MAX: usize = 50;
/// Longest text of a section or a context's element, in characters.
pub const SECTION_LENGTH_MAX: usize = 3000;
/// Most fields of a section.
pub const FIELDS_MAX: usize = 10;
/// Longest field of a section, in characters.
pub const FIELD_LENGTH_MAX: usize = 2000;
/// Longest text of a message, which notifications show, in characters (4,000 are recommended).
pub const TEXT_LENGTH_MAX: usize = 4000;
/// Longest text of a button, in characters.
pub const BUTTON_LENGTH_MAX: usize = 75;
/// Longest title of a confirmation, in characters.
pub const CONFIRM_TITLE_LENGTH_MAX: usize = 100;
/// Longest text of a confirmation, in characters.
pub const CONFIRM_LENGTH_MAX: usize = 300;
/// Longest text of a confirmation's buttons, in characters.
const CONFIRM_BUTTON_LENGTH_MAX: usize = 30;

/// What is posted: blocks, and a text for notifications and for clients that show no blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The text.
    pub text: String,
    /// The blocks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
}

impl Message {
    /// A message; too many blocks are cut at the end, and one says so.
    #[must_use]
    pub fn new(text: &str, mut blocks: Vec<Block>) -> Self {
        if blocks.len() > BLOCKS_MAX {
            blocks.truncate(BLOCKS_MAX - 1);
            blocks.push(Block::context(["…".to_owned()]));
        }
        let text = cut(text, TEXT_LENGTH_MAX);
        Self { text, blocks }
    }

    /// A message of one text.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self::new(text, vec![Block::section(text)])
    }

    /// The same without blocks, for when Slack takes none of them.
    #[must_use]
    pub fn without_blocks(&self) -> Self {
        Self {
            text: self.text.clone(),
            blocks: Vec::new(),
        }
    }
}

/// One block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// Text, and fields in two columns under it.
    Section {
        /// The text.
        text: Text,
        /// The fields.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        fields: Vec<Text>,
    },
    /// Small print.
    Context {
        /// Its parts.
        elements: Vec<Text>,
    },
    /// Buttons.
    Actions {
        /// The buttons.
        elements: Vec<Button>,
    },
}

/// A text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Text {
    /// With Slack's markup.
    Mrkdwn {
        /// The text.
        text: String,
    },
    /// As it is.
    PlainText {
        /// The text.
        text: String,
    },
}

/// A button that asks once more before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Button {
    #[serde(rename = "type")]
    kind: &'static str,
    text: Text,
    style: Style,
    action_id: &'static str,
    value: String,
    confirm: Confirm,
}

/// How a button looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Green.
    Primary,
    /// Red.
    Danger,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Confirm {
    title: Text,
    text: Text,
    confirm: Text,
    deny: Text,
}

impl Button {
    /// A button that says something and sends `value` under `action_id`, once `asks` was confirmed.
    #[must_use]
    pub fn new(
        says: &str,
        style: Style,
        action_id: &'static str,
        value: String,
        asks: &str,
    ) -> Self {
        Self {
            kind: "button",
            text: plain(says, BUTTON_LENGTH_MAX),
            style,
            action_id,
            value,
            confirm: Confirm {
                title: plain(asks, CONFIRM_TITLE_LENGTH_MAX),
                text: plain("It is recorded in your name.", CONFIRM_LENGTH_MAX),
                confirm: plain(says, CONFIRM_BUTTON_LENGTH_MAX),
                deny: plain("Not yet", CONFIRM_BUTTON_LENGTH_MAX),
            },
        }
    }
}

fn plain(text: &str, length_max: usize) -> Text {
    let text = cut(text, length_max);
    Text::PlainText { text }
}

fn mrkdwn(text: &str, length_max: usize) -> Text {
    let text = cut(text, length_max);
    Text::Mrkdwn { text }
}

impl Block {
    /// A section of one text.
    #[must_use]
    pub fn section(text: &str) -> Self {
        Self::with_fields(text, &[])
    }

    /// A section with fields.
    #[must_use]
    pub fn with_fields(text: &str, fields: &[String]) -> Self {
        Self::Section {
            text: mrkdwn(text, SECTION_LENGTH_MAX),
            fields: fields
                .iter()
                .take(FIELDS_MAX)
                .map(|field| mrkdwn(field, FIELD_LENGTH_MAX))
                .collect(),
        }
    }

    /// Small print.
    #[must_use]
    pub fn context(elements: impl IntoIterator<Item = String>) -> Self {
        let element = |text: String| mrkdwn(&text, SECTION_LENGTH_MAX);
        Self::Context {
            elements: elements.into_iter().take(10).map(element).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_longer_than_block_kit_takes() {
        let long = "ü&amp;".repeat(10_000);
        let fields = vec![long.clone(); 20];
        let blocks = vec![Block::with_fields(&long, &fields); 80];
        let message = serde_json::to_value(Message::new(&long, blocks)).unwrap();
        assert_eq!(message["blocks"].as_array().unwrap().len(), BLOCKS_MAX);
        let length = |text: &serde_json::Value| text.as_str().unwrap().chars().count();
        assert!(length(&message["text"]) <= TEXT_LENGTH_MAX);
        let first = &message["blocks"][0];
        assert!(length(&first["text"]["text"]) <= SECTION_LENGTH_MAX);
        let fields = first["fields"].as_array().unwrap();
        assert_eq!(fields.len(), FIELDS_MAX);
        assert!(length(&fields[0]["text"]) <= FIELD_LENGTH_MAX);
        assert_eq!(message["blocks"][49]["elements"][0]["text"], "…");
        let button = Button::new(&long, Style::Danger, "id", "value".to_owned(), &long);
        let button = serde_json::to_value(button).unwrap();
        assert!(length(&button["text"]["text"]) <= BUTTON_LENGTH_MAX);
        let confirm = &button["confirm"];
        assert!(length(&confirm["title"]["text"]) <= CONFIRM_TITLE_LENGTH_MAX);
        assert!(length(&confirm["confirm"]["text"]) <= CONFIRM_BUTTON_LENGTH_MAX);
    }
}
