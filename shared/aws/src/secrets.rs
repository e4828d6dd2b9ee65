//! Secrets Manager: reading one secret's text. Nothing of it is ever logged.

use engine::PlatformError;

use crate::AwsPlatform;
use crate::errors::{Hope, Trouble};
use crate::places::Clients;

/// A secret's text; none when there is no such secret, or it is not ours to read.
pub(crate) async fn read(clients: &Clients, id: &str) -> Result<Option<String>, PlatformError> {
    let answer = clients.secrets().get_secret_value().secret_id(id).send();
    match answer.await {
        Ok(answer) => Ok(answer.secret_string),
        Err(error) => {
            let trouble = Trouble::of("secretsmanager:GetSecretValue", &error);
            if trouble.hope == Hope::Later {
                return Err(trouble.into());
            }
            if !trouble.is(&["ResourceNotFoundException"]) {
                tracing::warn!(
                    secret = id,
                    problem = trouble.words,
                    "a secret cannot be read"
                );
            }
            Ok(None)
        }
    }
}

impl AwsPlatform {
    /// The text of a secret of our own account and Region; none when it is not there.
    ///
    /// # Errors
    /// When Secrets Manager cannot be asked now.
    pub async fn secret(&self, id: &str) -> Result<Option<String>, PlatformError> {
        read(&*self.places().home().await?, id).await
    }
}
