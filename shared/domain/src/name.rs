//! Names and numbers: parsed once at the edge, then carried as types. What they name lives
//! elsewhere.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// Longest name of a service or a stage, in characters: it has to fit, with a number, into 256
/// characters of a CodeDeploy description and into tag values.
pub const NAME_LENGTH_MAX: usize = 48;

/// Longest name of a registry, in characters (RFC 1035: a host name has at most 253, and a port).
const REGISTRY_LENGTH_MAX: usize = 259;

/// The registry that images without a registry in their name come from.
pub const DOCKER_HUB: &str = "docker.io";

/// The reserved pipeline that records artefacts no service claims.
pub const UNCLAIMED: &str = "unclaimed";
/// The reserved pipeline whose snapshot is the switch for all: see [`crate::switch`].
pub const EVERYTHING: &str = "everything";

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Letters, digits and hyphens only, beginning with a letter.
    #[error(
        "{0:?} is no {1}: use 1 to {NAME_LENGTH_MAX} lower-case letters, digits and hyphens, beginning with a letter"
    )]
    Shape(String, &'static str),
    /// Something of the form `web/42`.
    #[error("{0:?} is no entry id: it looks like web/42")]
    EntryId(String),
    /// Releases are numbered.
    #[error("{0:?} is no release: give its number, such as 17")]
    Release(String),
    /// An account id has twelve digits.
    #[error("{0:?} is no AWS account id: it has twelve digits")]
    Account(String),
    /// A Region looks like `ap-south-1`.
    #[error("{0:?} is no AWS Region: it looks like ap-south-1")]
    Region(String),
    /// An alarm's ARN.
    #[error("{0:?} is no CloudWatch alarm ARN")]
    Alarm(String),
    /// A registry's host name, as it stands before an image's name.
    #[error("{0:?} is no registry: it looks like docker.io, ghcr.io or registry.shop.example:5000")]
    Registry(String),
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && text.len() <= NAME_LENGTH_MAX
        && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Whether a text is what Docker takes for a registry before an image's name: it has a dot or a
/// port, or is `localhost` (the reference grammar of `distribution/reference`).
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_part = |part: &str| {
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !part.is_empty() && part.bytes().all(letters) && !part.starts_with('-')
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    text.len() <= REGISTRY_LENGTH_MAX
        && host.split('.').all(is_part)
        && port.is_none_or(is_port)
        && (host.contains('.') || port.is_some() || host == "localhost")
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $check:expr, $error:expr) => {
        $(#[$doc])*
        // Shared: a decision copies the snapshot, and with it every name in it.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text of it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    let error: fn(String) -> NameError = $error;
                    Err(error(text.to_owned()))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_name!(
    /// What is deployed as one unit; owns a pipeline.
    ServiceName, is_name, |text| NameError::Shape(text, "service name")
);
text_name!(
    /// One environment of a service.
    StageName, is_name, |text| NameError::Shape(text, "stage name")
);
text_name!(
    /// An AWS account: twelve digits.
    AccountId,
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()),
    NameError::Account
);
text_name!(
    /// An AWS Region, such as `ap-south-1`.
    Region,
    |text| text.contains('-')
        && (5..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
    NameError::Region
);
text_name!(
    /// A CloudWatch alarm's whole ARN: names alone repeat across accounts and Regions.
    AlarmArn,
    |text| text.starts_with("arn:") && text.contains(":cloudwatch:") && text.contains(":alarm:"),
    NameError::Alarm
);

text_name!(
    /// A registry's host, with its port if it has one: `docker.io`, `registry.shop.example:5000`.
    Registry, is_registry, NameError::Registry
);

impl ServiceName {
    /// The reserved pipeline of the switch for all.
    #[must_use]
    pub fn everything() -> Self {
        Self(EVERYTHING.into())
    }

    /// Whether it is the reserved pipeline of the switch for all.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self.0 == *EVERYTHING
    }
}

impl Region {
    /// The partition of its ARNs: `aws`, `aws-cn` or `aws-us-gov`.
    #[must_use]
    pub fn partition(&self) -> &'static str {
        if self.0.starts_with("cn-") {
            "aws-cn"
        } else if self.0.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        }
    }
}

impl AlarmArn {
    /// The ARN of the alarm `name` in a place.
    ///
    /// # Errors
    /// When the name is empty or does not make an ARN.
    pub fn of(region: &Region, account: &AccountId, name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Alarm(String::new()));
        }
        let partition = region.partition();
        format!("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}").parse()
    }

    /// The alarm's name, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0
            .split_once(":alarm:")
            .map_or(&*self.0, |(_, name)| name)
    }
}

/// A release's number: 1, 2, 3 … per service, without gap or double.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseNumber(pub u64);

impl fmt::Display for ReleaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for ReleaseNumber {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix('#').unwrap_or(text).parse();
        number
            .map(Self)
            .map_err(|_| NameError::Release(text.to_owned()))
    }
}

/// `web/42` is entry 42 of web. Deployments and attempts are named by the entry that made them, so
/// ids need no chance, and doing something twice is finding the first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct EntryId {
    /// The service whose ledger holds the entry.
    pub service: ServiceName,
    /// The entry's number in that ledger, from 1.
    pub seq: u64,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.seq)
    }
}

impl FromStr for EntryId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        text.split_once('/')
            .and_then(|(service, seq)| {
                let (service, seq) = (service.parse().ok()?, seq.parse().ok()?);
                // Entries are counted from 1: whoever looks for the one before may subtract.
                (seq > 0).then_some(Self { service, seq })
            })
            .ok_or_else(|| NameError::EntryId(text.to_owned()))
    }
}

impl TryFrom<String> for EntryId {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl Serialize for EntryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Who asked: an IAM principal as AWS verified it, never a name that somebody claims.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identity(pub String);

impl Identity {
    /// The part of the ARN that people recognise: the user, or the session's name.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.rsplit(['/', ':']).next().unwrap_or(&self.0)
    }

    /// Whether this identity is the person a commit names as its author (`Ravi
    /// <ravi@shop.example>`,
    /// `ravi@shop.example` or `ravi`): sessions of single sign-on are named by e-mail, IAM users by
    /// its first half.
    #[must_use]
    pub fn is_author(&self, author: &str) -> bool {
        let author = author.trim();
        let mail = author
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map_or(author, |(mail, _)| mail);
        let local = |text: &str| text.split('@').next().unwrap_or(text).to_ascii_lowercase();
        local(self.short()) == local(mail)
    }

    /// Whether the ARN matches a pattern in which `*` stands for any run of characters.
    #[must_use]
    pub fn matches(&self, pattern: &str) -> bool {
        glob(pattern, &self.0)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters. Linear in the
/// text for each star: it only ever goes back to the last one.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    let mut rest = rest;
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_once_at_the_edge() {
        for good in ["web", "w", "web-2", "a1-"] {
            assert!(good.parse::<ServiceName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "Web",
            "9web",
            "web_1",
            "web/1",
            &"a".repeat(NAME_LENGTH_MAX + 1),
        ] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_registry_is_a_host_as_it_stands_before_an_images_name() {
        for good in [
            "docker.io",
            "ghcr.io",
            "registry-2.shop.example",
            "harbor.shop.example:8443",
            "localhost",
            "a:5000",
        ] {
            assert!(good.parse::<Registry>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "shop",
            "https://ghcr.io",
            "ghcr.io/shop",
            "GHCR.io",
            "a.b:0",
            "a..b",
        ] {
            assert!(bad.parse::<Registry>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_entry_id_reads_back() {
        let id: EntryId = "web/42".parse().unwrap();
        assert_eq!((id.service.as_str(), id.seq), ("web", 42));
        assert_eq!(id.to_string(), "web/42");
        for bad in ["web", "web/", "web/0", "web/-1", "/1"] {
            assert!(bad.parse::<EntryId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_author_is_recognised_by_mail_session_or_user() {
        let user = Identity("arn:aws:iam::111122223333:user/ravi".into());
        let session =
            Identity("arn:aws:sts::111122223333:assumed-role/Release/ravi@shop.example".into());
        for author in [
            "Ravi Iyer <ravi@shop.example>",
            "ravi@shop.example",
            "ravi",
            "Ravi",
        ] {
            assert!(user.is_author(author), "{author}");
            assert!(session.is_author(author), "{author}");
        }
        assert!(!user.is_author("Mira <mira@shop.example>"));
        assert_eq!(user.to_string(), "arn:aws:iam::111122223333:user/ravi");
    }

    #[test]
    fn a_star_stands_for_any_run() {
        assert!(glob(
            "arn:aws:iam::*:user/alice",
            "arn:aws:iam::1:user/alice"
        ));
        assert!(glob("*", "anything"));
        assert!(glob("main-*", "main-"));
        assert!(!glob("main-*", "mai"));
        assert!(!glob(
            "arn:aws:iam::*:user/alice",
            "arn:aws:iam::1:user/alice2"
        ));
        assert!(!glob("a*a", "a"), "the two ends may not share a letter");
        assert!(glob("a*b*c", "a-b-c"));
        assert!(!glob("*ab*b", "ab"), "nor may a piece between them");
        assert!(!glob("x*ab*b", "x--ab"));
    }
}
