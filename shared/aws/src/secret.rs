//! Secrets Manager: reading one secret's text. Nothing of it is ever logged.

use engine::PlatformError;

use crate::errors::{Hope, Trouble};

/// A secret's text, by its ARN or its name; none when there is no such secret, or it is not ours to
/// read.
///
/// # Errors
/// When Secrets Manager cannot be asked now.
pub async fn read(
    config: &aws_types::SdkConfig,
    id: &str,
) -> Result<Option<String>, PlatformError> {
    read_with(&aws_sdk_secretsmanager::Client::new(config), id).await
}

/// The same with a client at hand.
pub(crate) async fn read_with(
    client: &aws_sdk_secretsmanager::Client,
    id: &str,
) -> Result<Option<String>, PlatformError> {
    match client.get_secret_value().secret_id(id).send().await {
        Ok(answer) => Ok(answer.secret_string),
        Err(error) => {
            let trouble = Trouble::of("secretsmanager:GetSecretValue", &error);
            if trouble.hope == Hope::Later {
                return Err(trouble.into());
            }
            if !trouble.is(&["ResourceNotFoundException"]) {
                let problem = trouble.words;
                tracing::warn!(secret = id, problem, "a secret cannot be read");
            }
            Ok(None)
        }
    }
}

#[cfg(feature = "platform")]
impl crate::AwsPlatform {
    /// The text of a secret of our own account and Region; none when it is not there.
    ///
    /// # Errors
    /// When Secrets Manager cannot be asked now.
    pub async fn secret(&self, id: &str) -> Result<Option<String>, PlatformError> {
        read_with(self.places().home().await?.secrets(), id).await
    }
}
