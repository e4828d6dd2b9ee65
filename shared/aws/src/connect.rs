//! Who we are and how AWS is reached: account, Region, table and topic from the environment, one
//! HTTP client for all services. Without the default chains: on Lambda everything needed is in the
//! environment, and looking elsewhere costs a cold start time.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use domain::name::NameError;
use domain::{AccountId, Region};

/// How often a call is tried. More than once: a frozen function wakes up with dead connections.
const ATTEMPTS_MAX: u32 = 4;
/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long one attempt of a call may take.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(8);
/// How long a call may take, with all its attempts.
const CALL_WITHIN: Duration = Duration::from_secs(20);
/// How long the first connection may hold up the start of a function.
pub const WARM_WITHIN: Duration = Duration::from_secs(1);
/// Names us where AWS logs who called.
const APP_NAME: &str = "lastgood";

/// What a function knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The account the function runs in (`LASTGOOD_ACCOUNT`).
    pub account: AccountId,
    /// The Region it runs in (`AWS_REGION`).
    pub region: Region,
    /// The ledger's table (`LASTGOOD_TABLE`).
    pub table: String,
    /// The topic people listen to (`LASTGOOD_TOPIC`); only `notifier` is told.
    pub topic: Option<String>,
    /// Where people read on about a release (`LASTGOOD_READ_ON`), for those that tell them.
    pub read_on: Option<String>,
    /// The secret with Slack's settings (`LASTGOOD_SLACK`), for those that speak to Slack.
    pub slack: Option<String>,
    /// The secret with GitHub's settings (`LASTGOOD_GITHUB`); only `github` is told.
    pub github: Option<String>,
    /// The secret that holds the key of Docker Hub's webhook (`LASTGOOD_WEBHOOK_SECRET`); only
    /// `image-pushed` is told, when there is one.
    pub webhook_secret: Option<String>,
    /// The version of the stack's template (`LASTGOOD_TEMPLATE`).
    pub template: Option<String>,
}

/// What is wrong with a function's environment.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A variable is not set.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable holds something else.
    #[error("the environment variable {0} cannot be used")]
    Wrong(&'static str, #[source] NameError),
}

impl Home {
    /// Reads the environment.
    ///
    /// # Errors
    /// When a variable is missing or holds something else.
    pub fn from_environment() -> Result<Self, HomeError> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, HomeError> {
        let need = |name| {
            get(name)
                .filter(|text| !text.is_empty())
                .ok_or(HomeError::Missing(name))
        };
        let wrong = |name| move |error| HomeError::Wrong(name, error);
        Ok(Self {
            account: need("LASTGOOD_ACCOUNT")?
                .parse()
                .map_err(wrong("LASTGOOD_ACCOUNT"))?,
            region: need("AWS_REGION")?.parse().map_err(wrong("AWS_REGION"))?,
            table: need("LASTGOOD_TABLE")?,
            topic: get("LASTGOOD_TOPIC").filter(|topic| !topic.is_empty()),
            read_on: get("LASTGOOD_READ_ON").filter(|address| !address.is_empty()),
            slack: get("LASTGOOD_SLACK").filter(|arn| !arn.is_empty()),
            github: get("LASTGOOD_GITHUB").filter(|arn| !arn.is_empty()),
            webhook_secret: get("LASTGOOD_WEBHOOK_SECRET").filter(|secret| !secret.is_empty()),
            template: get("LASTGOOD_TEMPLATE").filter(|version| !version.is_empty()),
        })
    }
}

/// Everything a client needs, from the environment: credentials, Region, endpoint, one HTTP client,
/// bounded retries and timeouts.
///
/// # Errors
/// When the credentials are missing.
pub fn sdk_config(region: &Region) -> Result<SdkConfig, HomeError> {
    let need = |name| std::env::var(name).map_err(|_| HomeError::Missing(name));
    let credentials = Credentials::new(
        need("AWS_ACCESS_KEY_ID")?,
        need("AWS_SECRET_ACCESS_KEY")?,
        std::env::var("AWS_SESSION_TOKEN")
            .ok()
            .filter(|token| !token.is_empty()),
        None,
        "environment",
    );
    let endpoint = std::env::var("AWS_ENDPOINT_URL")
        .ok()
        .filter(|url| !url.is_empty());
    Ok(config(region, credentials, endpoint))
}

/// The same, from arguments.
#[must_use]
pub fn config(region: &Region, credentials: Credentials, endpoint: Option<String>) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_WITHIN)
        .operation_attempt_timeout(ATTEMPT_WITHIN)
        .operation_timeout(CALL_WITHIN)
        .build();
    let mut builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_types::region::Region::new(region.as_str().to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
        .timeout_config(timeouts)
        .app_name(app_name());
    builder.set_endpoint_url(endpoint);
    builder.build()
}

#[expect(clippy::expect_used, reason = "a constant of letters")]
fn app_name() -> aws_types::app_name::AppName {
    aws_types::app_name::AppName::new(APP_NAME).expect("letters make an application's name")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &'static str) -> Option<String> {
        let value = match name {
            "LASTGOOD_ACCOUNT" => "111122223333",
            "AWS_REGION" => "ap-south-1",
            "LASTGOOD_TABLE" => "ledger",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn home_is_read_from_the_environment() {
        let home = Home::read(environment).unwrap();
        assert_eq!(home.account.as_str(), "111122223333");
        assert_eq!(home.topic, None);
    }

    #[test]
    fn a_missing_or_wrong_variable_is_named() {
        let error = Home::read(|_| None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable LASTGOOD_ACCOUNT is not set"
        );
        let error = Home::read(|_| Some("here".to_owned())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable LASTGOOD_ACCOUNT cannot be used"
        );
    }
}
