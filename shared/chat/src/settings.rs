//! What an administrator sets: Slack's secrets, which channels hear what, and who in Slack is whom.
//! One JSON object in Secrets Manager, because whoever may change it may approve.

use std::collections::BTreeMap;
use std::fmt;

use domain::name::glob;
use domain::{Identity, ServiceName, StageName};
use serde::Deserialize;

use domain::announce::ReadOn;

/// The settings.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The bot's token (`xoxb-…`), with the scope `chat:write`. Without one, only webhooks.
    #[serde(default)]
    pub bot_token: Option<String>,
    /// The app's signing secret. Without one no button is shown, and none is believed.
    #[serde(default)]
    pub signing_secret: Option<String>,
    /// Where Slack's Web API is; its own address when left out.
    #[serde(default = "slack")]
    pub api: String,
    /// Who hears what.
    pub channels: Vec<Channel>,
    /// Slack's user ids, and the IAM identities whose decisions are theirs.
    #[serde(default)]
    pub people: BTreeMap<String, Identity>,
}

/// One channel.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Its id (`C…`), or the address of an incoming webhook (`https://…`).
    pub id: String,
    /// Services it hears of, `*` for any run of characters; all when left out.
    #[serde(default = "all")]
    pub services: Vec<String>,
    /// Stages it hears of; all when left out.
    #[serde(default = "all")]
    pub stages: Vec<String>,
    /// How much it hears.
    #[serde(default)]
    pub says: Says,
    /// Whom approvals and failures mention: `<!here>`, `<@U…>` or `<!subteam^S…>`.
    #[serde(default)]
    pub mention: Option<String>,
    /// Whether its messages can be updated; a webhook's cannot.
    #[serde(skip)]
    pub updates: bool,
    /// Whether buttons under its messages are answered: only what is signed is.
    #[serde(skip)]
    pub answers: bool,
    /// Where its people read on about what had to be cut.
    #[serde(skip)]
    pub read_on: Option<ReadOn>,
}

/// How much a channel hears.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// What needs a person, and outcomes.
    #[default]
    Outcomes,
    /// Everything that is announced.
    Everything,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not the JSON object that is asked for. The text itself is secret.
    #[error("the settings are no such object: line {line}, column {column}")]
    Json {
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
    /// A channel has neither a webhook nor a token to post with.
    #[error("channel {0} needs bot_token")]
    NoToken(String),
    /// Somebody is mapped to what is no identity.
    #[error("{0} must be mapped to the ARN of an IAM user or of a role's session")]
    NoIdentity(String),
}

fn slack() -> String {
    "https://slack.com/api".to_owned()
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// When they cannot be used; without a word of what they hold.
    pub fn read(text: &str) -> Result<Self, SettingsError> {
        let read: Result<Self, _> = serde_json::from_str(text);
        let mut settings = read.map_err(|error| SettingsError::Json {
            line: error.line(),
            column: error.column(),
        })?;
        for channel in &mut settings.channels {
            channel.updates = !channel.id.starts_with("http");
            channel.answers = channel.updates && settings.signing_secret.is_some();
            if channel.updates && settings.bot_token.is_none() {
                return Err(SettingsError::NoToken(channel.id.clone()));
            }
        }
        // A pattern would be everybody's, and a bare name in any account.
        let is_one = |arn: &str| arn.starts_with("arn:") && !arn.contains('*');
        let wrong = |(_, by): &(&String, &Identity)| !is_one(&by.0);
        match settings.people.iter().find(wrong) {
            Some((user, _)) => Err(SettingsError::NoIdentity(user.clone())),
            None => Ok(settings),
        }
    }

    /// Tells all channels where people read on.
    #[must_use]
    pub fn with_read_on(mut self, read_on: Option<&ReadOn>) -> Self {
        for channel in &mut self.channels {
            channel.read_on = read_on.cloned();
        }
        self
    }
}

impl Channel {
    /// Whether it hears of a stage of a service.
    #[must_use]
    pub fn listens(&self, service: &ServiceName, stage: Option<&StageName>) -> bool {
        let any = |patterns: &[String], name: &str| patterns.iter().any(|one| glob(one, name));
        any(&self.services, service.as_str())
            && stage.is_none_or(|stage| any(&self.stages, stage.as_str()))
    }

    /// What stands for it where secrets must not: a webhook's address is one.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.updates {
            &self.id
        } else {
            self.id.rsplit('/').nth(1).unwrap_or("webhook")
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("channels", &self.channels)
            .field("people", &self.people)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name())
            .field("says", &self.says)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &str = r#"{
        "bot_token": "xoxb-secret", "signing_secret": "secret",
        "channels": [
            { "id": "C1", "services": ["web-*"], "stages": ["production"], "mention": "<!here>" },
            { "id": "https://hooks.slack.com/services/T1/B1/secret", "says": "everything" }
        ],
        "people": { "U1": "arn:aws:iam::111122223333:user/alice" }
    }"#;

    #[test]
    fn a_channel_hears_what_it_is_set_to_hear() {
        let settings = Settings::read(SETTINGS).unwrap();
        let (web, production) = ("web-1".parse().unwrap(), "production".parse().unwrap());
        let channel = &settings.channels[0];
        assert!(channel.updates && channel.listens(&web, Some(&production)));
        assert!(!channel.listens(&web, Some(&"dev".parse().unwrap())));
        assert!(!channel.listens(&"shop".parse().unwrap(), None));
        assert!(channel.answers, "there is a signing secret");
        assert!(!settings.channels[1].updates && !settings.channels[1].answers);
        let unsigned = SETTINGS.replace("\"signing_secret\": \"secret\",", "");
        assert!(!Settings::read(&unsigned).unwrap().channels[0].answers);
    }

    #[test]
    fn messages_go_to_slack_itself_when_no_other_address_is_set() {
        let settings = Settings::read(SETTINGS).unwrap();
        assert_eq!(settings.api, "https://slack.com/api");
        let elsewhere = SETTINGS.replace('{', r#"{"api": "http://127.0.0.1:1","#);
        assert!(
            Settings::read(&elsewhere).is_err(),
            "only the settings have one"
        );
        let elsewhere = SETTINGS.replacen('{', r#"{"api": "http://127.0.0.1:1","#, 1);
        assert_eq!(
            Settings::read(&elsewhere).unwrap().api,
            "http://127.0.0.1:1"
        );
    }

    #[test]
    fn no_secret_is_ever_printed_and_channels_are_told_apart_all_the_same() {
        let settings = Settings::read(SETTINGS).unwrap();
        let printed = format!("{settings:?}");
        assert!(!printed.contains("secret"), "{printed}");
        for name in ["C1", "B1", "Everything", "user/alice"] {
            assert!(printed.contains(name), "{name}: {printed}");
        }
        let error = Settings::read("{\"bot_token\":\"xoxb-secret\"").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn somebody_is_mapped_to_one_identity_and_to_no_pattern() {
        for wrong in ["alice", "arn:aws:iam::*:user/alice"] {
            let text = SETTINGS.replace("arn:aws:iam::111122223333:user/alice", wrong);
            let error = Settings::read(&text).unwrap_err();
            assert!(matches!(error, SettingsError::NoIdentity(user) if user == "U1"));
        }
    }

    #[test]
    fn a_channel_without_a_token_is_found_at_once() {
        let error = Settings::read(r#"{"channels":[{"id":"C1"}]}"#).unwrap_err();
        assert_eq!(error.to_string(), "channel C1 needs bot_token");
    }
}
