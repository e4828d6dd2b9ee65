//! What the tests share: a configuration for a local address, a MiniStack, and a small server that
//! answers as it is told.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod ministack;
pub mod server;

use aws::places::Places;
use aws_credential_types::Credentials;
use domain::config::Place;
use domain::{AccountId, Region};

/// The account all tests are in.
pub const ACCOUNT: &str = "111122223333";
/// The Region all tests are in.
pub const REGION: &str = "ap-south-1";

pub fn account() -> AccountId {
    ACCOUNT.parse().unwrap()
}

pub fn region() -> Region {
    REGION.parse().unwrap()
}

pub fn place() -> Place {
    Place {
        account: account(),
        region: region(),
        role: None,
    }
}

/// A configuration for a local address. MiniStack takes an account's id as its root's access key.
pub fn config(endpoint: &str) -> aws_types::SdkConfig {
    let credentials = Credentials::new(ACCOUNT, "secret", None, None, "test");
    aws::connect::config(&region(), credentials, Some(endpoint.to_owned()))
}

pub fn platform(endpoint: &str) -> aws::AwsPlatform {
    aws::AwsPlatform::new(Places::new(config(endpoint), account(), region()))
}
