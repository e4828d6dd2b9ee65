//! What the tests share: a configuration for a local address, a MiniStack, and a small server that
//! answers as it is told.

pub(crate) mod ministack;
pub(crate) mod registry;
pub(crate) mod server;

use aws::places::Places;
use aws_credential_types::Credentials;
use domain::config::Place;
use domain::fact::Progress;
use domain::{AccountId, Region};

/// The account all tests are in.
pub(crate) const ACCOUNT: &str = "111122223333";
/// The Region all tests are in.
pub(crate) const REGION: &str = "ap-south-1";

pub(crate) fn account() -> AccountId {
    ACCOUNT.parse().unwrap()
}

pub(crate) fn region() -> Region {
    REGION.parse().unwrap()
}

pub(crate) fn place() -> Place {
    Place {
        account: account(),
        region: region(),
        role: None,
    }
}

/// A configuration for a local address. MiniStack takes an account's id as its root's access key.
pub(crate) fn config(endpoint: &str) -> aws_types::SdkConfig {
    let credentials = Credentials::new(ACCOUNT, "secret", None, None, "test");
    aws::connect::config(&region(), credentials, Some(endpoint.to_owned()))
}

pub(crate) fn platform(endpoint: &str) -> aws::AwsPlatform {
    aws::AwsPlatform::new(Places::new(config(endpoint), account(), region()))
}

/// What an attempt came to, in a word.
pub(crate) fn word(progress: &Progress) -> &'static str {
    match progress {
        Progress::NotFound => "not found",
        Progress::Underway { .. } => "underway",
        Progress::Succeeded { .. } => "succeeded",
        Progress::Failed { .. } => "failed",
        Progress::Undoing { .. } => "undoing",
        Progress::Undone { .. } => "undone",
    }
}
