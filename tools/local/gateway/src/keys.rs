//! Whose secret an access key has. MiniStack never tells secrets, so they are learned: an account's
//! root key is its twelve digits, a function's credentials follow from its ARN and its role's, and
//! those of `AssumeRole` and `CreateAccessKey` pass through the gateway. Who is behind a key is
//! MiniStack's knowledge (`identity`).

use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    emulator::{Emulator, EmulatorError, Place},
    lock::lock,
    xml,
};

/// How many hexadecimal digits of the digest a function's access key shows.
const DERIVED_KEY_DIGITS: usize = 16;
/// More functions than this in one account and Region are not read (in pages).
const PAGES_MAX: usize = 100;

/// Secrets by access key, and the accounts and Regions seen so far.
#[derive(Debug)]
pub(crate) struct Keys {
    emulator: Emulator,
    secrets: Mutex<HashMap<String, String>>,
    places: Mutex<BTreeSet<Place>>,
}

impl Keys {
    /// Knows the root keys, and where to look for functions first.
    pub(crate) fn new(emulator: Emulator, home: Place) -> Self {
        Self {
            emulator,
            secrets: Mutex::new(HashMap::new()),
            places: Mutex::new(BTreeSet::from([home])),
        }
    }

    /// The secret of a key, if it can be known. `region` is where it was used.
    pub(crate) async fn secret(
        &self,
        access_key: &str,
        region: &str,
    ) -> Result<Option<String>, EmulatorError> {
        if is_account(access_key) {
            self.saw(Place {
                account: access_key.to_owned(),
                region: region.to_owned(),
            });
            return Ok(Some(self.emulator.root_secret().to_owned()));
        }
        if let Some(secret) = self.known(access_key) {
            return Ok(Some(secret));
        }
        // A function that was created since: derive anew.
        for place in self.places() {
            for (key, secret) in self.functions(&place).await? {
                lock(&self.secrets).insert(key, secret);
            }
        }
        Ok(self.known(access_key))
    }

    /// Remembers what an answer of IAM or STS gave away.
    pub(crate) fn learn(&self, answer: &str) {
        let Some(access_key) = xml::text(answer, "AccessKeyId") else {
            return;
        };
        let Some(secret) = xml::text(answer, "SecretAccessKey") else {
            return;
        };
        tracing::debug!(access_key, "learned a key");
        lock(&self.secrets).insert(access_key, secret);
    }

    /// Notes an account and a Region as places where functions may live.
    pub(crate) fn saw(&self, place: Place) {
        lock(&self.places).insert(place);
    }

    /// All accounts and Regions seen so far.
    pub(crate) fn places(&self) -> Vec<Place> {
        lock(&self.places).iter().cloned().collect()
    }

    fn known(&self, access_key: &str) -> Option<String> {
        lock(&self.secrets).get(access_key).cloned()
    }

    async fn functions(&self, place: &Place) -> Result<Vec<(String, String)>, EmulatorError> {
        let mut keys = Vec::new();
        for function in list_functions(&self.emulator, place, "&FunctionVersion=ALL").await? {
            let (Some(arn), Some(role)) = (
                function.get("FunctionArn").and_then(Value::as_str),
                function.get("Role").and_then(Value::as_str),
            ) else {
                continue;
            };
            keys.push(derive(arn, role));
            // `$LATEST` is listed with its version here but derived without it.
            if let Some(plain) = arn.strip_suffix(":$LATEST") {
                keys.push(derive(plain, role));
            }
        }
        Ok(keys)
    }
}

/// All functions of an account and a Region, page after page.
pub(crate) async fn list_functions(
    emulator: &Emulator,
    place: &Place,
    parameters: &str,
) -> Result<Vec<Value>, EmulatorError> {
    let mut functions = Vec::new();
    let mut marker = String::new();
    for _page in 0..PAGES_MAX {
        let path = format!("/2015-03-31/functions/?MaxItems=50{parameters}{marker}");
        let answer = emulator.get_json(place, "lambda", &path).await?;
        functions.extend(
            answer
                .get("Functions")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
        );
        match answer.get("NextMarker").and_then(Value::as_str) {
            Some(next) if !next.is_empty() => marker = format!("&Marker={next}"),
            Some(_) | None => break,
        }
    }
    Ok(functions)
}

/// The access key and the secret of a function's execution role session, as MiniStack makes them
/// up (`execution_credentials` in its `lambda_runtime.py`).
fn derive(function_arn: &str, role_arn: &str) -> (String, String) {
    let digest = hex::encode(Sha256::digest(format!("{function_arn}:{role_arn}")));
    let shown = digest
        .get(..DERIVED_KEY_DIGITS)
        .unwrap_or_default()
        .to_uppercase();
    (
        format!("ASIA{shown}"),
        hex::encode(Sha256::digest(format!("secret:{digest}"))),
    )
}

/// Whether this is an account's number, and so its root key.
fn is_account(access_key: &str) -> bool {
    access_key.len() == 12 && access_key.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let home = Place {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
        };
        // Nobody listens on port 9: what is known must be found without asking.
        Keys::new(
            Emulator::new(([127, 0, 0, 1], 9).into(), "root secret"),
            home,
        )
    }

    #[tokio::test]
    async fn an_account_number_is_its_roots_key() {
        let keys = keys();
        let secret = keys.secret("222233334444", "us-east-1").await.unwrap();
        assert_eq!(secret.as_deref(), Some("root secret"));
        assert_eq!(keys.places().len(), 2);
    }

    #[tokio::test]
    async fn what_passed_through_is_remembered() {
        let keys = keys();
        keys.learn(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
             <AccessKeyId>ASIAABC</AccessKeyId><SecretAccessKey>s+/=</SecretAccessKey>\
             <SessionToken>t</SessionToken></Credentials></AssumeRoleResult></AssumeRoleResponse>",
        );
        assert_eq!(
            keys.secret("ASIAABC", "eu-west-1")
                .await
                .unwrap()
                .as_deref(),
            Some("s+/=")
        );
        keys.learn("<GetUserResponse><UserName>x</UserName></GetUserResponse>");
        assert!(
            keys.secret("AKIAUNKNOWN", "eu-west-1").await.is_err(),
            "asks MiniStack"
        );
    }

    #[test]
    fn a_functions_key_follows_from_its_arn_and_role() {
        let (key, secret) = derive(
            "arn:aws:lambda:eu-west-1:111122223333:function:deployer",
            "arn:aws:iam::111122223333:role/deployer",
        );
        assert_eq!(key.len(), 20);
        assert!(key.starts_with("ASIA"));
        assert_eq!(key, key.to_uppercase());
        assert_eq!(secret.len(), 64);
        let (other, _) = derive("arn:aws:lambda:eu-west-1:111122223333:function:other", "r");
        assert_ne!(key, other);
    }
}
