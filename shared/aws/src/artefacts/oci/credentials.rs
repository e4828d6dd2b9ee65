//! What a registry is told when it asks who we are: a secret named after the registry, in the form
//! that ECS's own `repositoryCredentials` have.
//!
//! The name is never the service file's to choose: else whoever may write one could have any secret
//! that we may read sent to any host.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Registry;
use engine::PlatformError;
use serde::Deserialize;

use crate::places::Clients;
use crate::secret;

/// What the secrets' names begin with; the registry's host follows.
const SECRET_PREFIX: &str = "lastgood/registry/";

/// A name and a password.
#[derive(Deserialize)]
pub(super) struct Credentials {
    username: String,
    password: String,
}

impl Credentials {
    /// The value of an `Authorization` header (RFC 7617).
    pub(super) fn basic(&self) -> String {
        let pair = format!("{}:{}", self.username, self.password);
        format!("Basic {}", STANDARD.encode(pair))
    }
}

/// The name of a registry's secret. Names of secrets have no colon (Secrets Manager API,
/// CreateSecret), and names of hosts no underscore.
pub(super) fn secret_name(registry: &Registry) -> String {
    format!("{SECRET_PREFIX}{}", registry.as_str().replace(':', "_"))
}

/// A registry's credentials, if somebody left any. They are asked for only when the registry does,
/// and never kept, so that new ones hold from then on.
pub(super) async fn of(
    clients: &Clients,
    registry: &Registry,
) -> Result<Option<Credentials>, PlatformError> {
    let name = secret_name(registry);
    let Some(text) = secret::read_with(clients.secrets(), &name).await? else {
        return Ok(None);
    };
    // serde's own words would repeat a piece of the secret.
    serde_json::from_str(&text).map(Some).map_err(|_| {
        let words = format!("the secret {name} does not hold a username and a password as JSON");
        PlatformError::Terminal(words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_after_its_registry() {
        let name = |registry: &str| secret_name(&registry.parse().unwrap());
        assert_eq!(name("ghcr.io"), "lastgood/registry/ghcr.io");
        assert_eq!(
            name("harbor.shop.example:8443"),
            "lastgood/registry/harbor.shop.example_8443"
        );
    }
}
