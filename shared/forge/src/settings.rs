//! What an administrator sets: the token, and which repositories may be written to with it. One
//! JSON object in Secrets Manager.

use std::fmt;

use domain::name::glob;
use domain::{ServiceName, StageName};
use http::Uri;
use serde::Deserialize;

use crate::Repository;

/// The settings.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A token that may write deployments of these repositories, and needs nothing else.
    pub token: String,
    /// The repositories, as `acme/shop` or `acme/*`. A build names its own repository; this says
    /// which of them are believed.
    pub repositories: Vec<String>,
    /// The host in the addresses of repositories.
    #[serde(default = "site")]
    pub site: String,
    /// Where its REST API is.
    #[serde(default = "api")]
    pub api: String,
    /// What a stage is called there, with `{service}` and `{stage}` in it.
    #[serde(default = "environment")]
    pub environment: String,
    /// The stages that users work with.
    #[serde(default = "production")]
    pub production: Vec<String>,
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
    /// Nothing could ever be shown.
    #[error("repositories is empty: name those that may be written to, such as acme/*")]
    NoRepositories,
    /// The token would travel in the clear.
    #[error("api must begin with https://")]
    Api,
    /// Every stage would be the same one.
    #[error("environment must hold {{stage}}")]
    Environment,
}

fn site() -> String {
    "github.com".to_owned()
}

fn api() -> String {
    "https://api.github.com".to_owned()
}

fn environment() -> String {
    "{stage}".to_owned()
}

/// What GitHub takes for it by itself, too (REST API, "Create a deployment").
fn production() -> Vec<String> {
    vec!["production".to_owned()]
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
        if settings.repositories.is_empty() {
            return Err(SettingsError::NoRepositories);
        }
        if !is_private(&settings.api) {
            return Err(SettingsError::Api);
        }
        if !settings.environment.contains("{stage}") {
            return Err(SettingsError::Environment);
        }
        settings
            .api
            .truncate(settings.api.trim_end_matches('/').len());
        Ok(settings)
    }

    /// The repository that a build names, when it may be written to.
    #[must_use]
    pub fn repository(&self, said: &str) -> Option<Repository> {
        let found = Repository::find(said, &self.site)?;
        // GitHub does not tell names apart by their case.
        let name = found.to_string().to_ascii_lowercase();
        let allowed = |pattern: &String| glob(&pattern.to_ascii_lowercase(), &name);
        self.repositories.iter().any(allowed).then_some(found)
    }

    /// What a stage of a service is called there.
    #[must_use]
    pub fn environment(&self, service: &ServiceName, stage: &StageName) -> String {
        self.environment
            .replace("{service}", service.as_str())
            .replace("{stage}", stage.as_str())
    }

    /// Whether users work with a stage.
    #[must_use]
    pub fn is_production(&self, stage: &StageName) -> bool {
        let is = |pattern: &String| glob(pattern, stage.as_str());
        self.production.iter().any(is)
    }
}

/// Whether nobody between can read what is sent there: over TLS, or without leaving the machine.
fn is_private(api: &str) -> bool {
    let Ok(address) = api.parse::<Uri>() else {
        return false;
    };
    match address.scheme_str() {
        Some("https") => true,
        Some("http") => matches!(address.host(), Some("127.0.0.1" | "localhost")),
        _ => false,
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("api", &self.api)
            .field("repositories", &self.repositories)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &str) -> Result<Settings, SettingsError> {
        Settings::read(&format!(
            r#"{{"token":"github_pat_x","repositories":["Acme/*"]{more}}}"#
        ))
    }

    #[test]
    fn a_token_and_repositories_are_enough() {
        let settings = read("").unwrap();
        let (web, live): (ServiceName, StageName) =
            ("web".parse().unwrap(), "production".parse().unwrap());
        assert_eq!(settings.api, "https://api.github.com");
        assert_eq!(settings.environment(&web, &live), "production");
        assert!(settings.is_production(&live));
        assert!(!settings.is_production(&"test".parse().unwrap()));
    }

    #[test]
    fn a_repository_with_several_services_can_tell_their_stages_apart() {
        let settings = read(r#","environment":"{service}/{stage}""#).unwrap();
        let environment = settings.environment(&"web".parse().unwrap(), &"test".parse().unwrap());
        assert_eq!(environment, "web/test");
    }

    #[test]
    fn a_build_is_believed_only_about_repositories_that_were_named() {
        let settings = read("").unwrap();
        let found = |said| settings.repository(said).map(|it| it.to_string());
        let shop = found("https://github.com/acme/Shop.git");
        assert_eq!(shop.as_deref(), Some("acme/Shop"));
        assert_eq!(found("https://github.com/acme-corp/shop.git"), None);
        assert_eq!(found("https://ghe.example/acme/shop.git"), None);
    }

    #[test]
    fn a_server_of_ones_own_is_named_twice() {
        let more = r#","site":"ghe.example","api":"https://ghe.example/api/v3/""#;
        let settings = read(more).unwrap();
        assert_eq!(settings.api, "https://ghe.example/api/v3");
        assert!(
            settings
                .repository("git@ghe.example:acme/shop.git")
                .is_some()
        );
        assert!(
            settings
                .repository("git@github.com:acme/shop.git")
                .is_none()
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_at_once() {
        for more in [
            r#","api":"http://api.github.com""#,
            r#","api":"api.github.com""#,
            r#","environment":"live""#,
            r#","tokens":[]"#,
        ] {
            assert!(read(more).is_err(), "{more}");
        }
        let none = Settings::read(r#"{"token":"x","repositories":[]}"#).unwrap_err();
        assert!(none.to_string().starts_with("repositories is empty"));
    }

    #[test]
    fn no_error_and_no_log_holds_the_token() {
        assert!(!format!("{:?}", read("").unwrap()).contains("github_pat_x"));
        let error = read(r#","api":3"#).unwrap_err().to_string();
        assert!(!error.contains("github_pat_x"), "{error}");
    }
}
