//! Secrets as an administrator makes them, for functions to read.

use gateway::{Emulator, EmulatorError, Place};
use serde_json::{Value, json};

use crate::trouble::Trouble;

/// What those need who speak to others: the ARNs of their secrets.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) slack: String,
    pub(crate) github: String,
}

/// Makes a secret; gives its ARN.
pub(crate) async fn store(
    emulator: &Emulator,
    home: &Place,
    name: &str,
    secret: &Value,
) -> Result<String, Trouble> {
    let input = json!({ "Name": name, "SecretString": secret.to_string() });
    let (root, target) = (emulator.root(home), "secretsmanager.CreateSecret");
    let made = emulator.json(&root, "secretsmanager", target, &input).await;
    let made = made.map_err(Trouble::aws("store a secret"))?;
    let arn = made.get("ARN").and_then(Value::as_str);
    arn.map(str::to_owned).ok_or_else(|| {
        let error = EmulatorError::Protocol("no ARN in the answer".into());
        Trouble::aws("store a secret")(error)
    })
}
