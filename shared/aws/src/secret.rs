//! A secret of Secrets Manager, read once when a function starts.

use crate::errors::Trouble;

/// A secret that cannot be had; without a word of what it holds.
#[derive(Debug, thiserror::Error)]
#[error("the secret cannot be read: {0}")]
pub struct SecretError(String);

/// Reads the secret with this ARN, as text.
///
/// # Errors
/// When Secrets Manager does not give it, or it is no text.
pub async fn read(config: &aws_types::SdkConfig, arn: &str) -> Result<String, SecretError> {
    let client = aws_sdk_secretsmanager::Client::new(config);
    let read = client.get_secret_value().secret_id(arn).send().await;
    let asked = "secretsmanager:GetSecretValue";
    let read = read.map_err(|error| SecretError(Trouble::of(asked, &error).words))?;
    read.secret_string
        .ok_or_else(|| SecretError("it is no text".to_owned()))
}
