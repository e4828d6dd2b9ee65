//! Who signed a request: the signature is checked against the key's secret (`keys`, `sigv4`), and
//! MiniStack says who holds that key (`GetCallerIdentity`, signed with it), which also tells
//! whether it is still good. What the caller may do is `guard`'s question.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{
    emulator::{Emulator, EmulatorError, Place},
    keys::Keys,
    lock::lock,
    sign::Signer,
    sigv4::{Request, Signature, SignatureError},
    xml,
};

/// How long an answer about a key is believed; a deactivated key may work that much longer.
const BELIEVED: Duration = Duration::from_secs(10);

/// Who is behind a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) access_key: String,
    /// For example `arn:aws:iam::111122223333:user/alice`.
    pub(crate) arn: String,
    pub(crate) account: String,
    /// For example `AIDA…`, or `AROA…:session`.
    pub(crate) user_id: String,
    /// The Region of the signature's scope.
    pub(crate) region: String,
}

/// Why a caller is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// The signature does not count.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Signed for another service: a signature for one may not be used at another.
    #[error("Credential should be scoped to correct service: '{0}'.")]
    Service(&'static str),
    /// Nobody was ever given this key here, or it is no longer good.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// MiniStack did not answer.
    #[error("who signed this could not be found out")]
    Emulator(#[source] EmulatorError),
}

/// Finds out who calls.
#[derive(Debug)]
pub(crate) struct Identities {
    emulator: Emulator,
    keys: Arc<Keys>,
    known: Mutex<HashMap<Signer, (Instant, Identity)>>,
}

impl Identities {
    /// Asks `emulator`, with the secrets of `keys`.
    pub(crate) fn new(emulator: Emulator, keys: Arc<Keys>) -> Self {
        Self {
            emulator,
            keys,
            known: Mutex::new(HashMap::new()),
        }
    }

    /// Who signed this request for `service`.
    pub(crate) async fn of(
        &self,
        request: Request<'_>,
        service: &'static str,
    ) -> Result<Identity, IdentityError> {
        let signature = Signature::parse(request.headers)?;
        if signature.service != service {
            return Err(IdentityError::Service(service));
        }
        let secret = self
            .keys
            .secret(&signature.access_key, &signature.region)
            .await
            .map_err(IdentityError::Emulator)?
            .ok_or(IdentityError::UnknownKey)?;
        signature.verify(&secret, request, Timestamp::now())?;
        let signer = Signer {
            access_key: signature.access_key,
            secret,
            token: signature.token,
            region: signature.region,
        };
        let believed = lock(&self.known)
            .get(&signer)
            .filter(|(asked, _)| asked.elapsed() < BELIEVED)
            .map(|(_, identity)| identity.clone());
        match believed {
            Some(identity) => Ok(identity),
            None => self.ask(signer).await,
        }
    }

    async fn ask(&self, signer: Signer) -> Result<Identity, IdentityError> {
        let answer = self
            .emulator
            .query_as(&signer, "sts", &[("Action", "GetCallerIdentity")])
            .await
            .map_err(|error| match error {
                EmulatorError::Refused { .. } => IdentityError::UnknownKey,
                EmulatorError::Unreachable(_) | EmulatorError::Protocol(_) => {
                    IdentityError::Emulator(error)
                }
            })?;
        let field = |name| xml::text(&answer, name).ok_or(IdentityError::UnknownKey);
        let identity = Identity {
            access_key: signer.access_key.clone(),
            arn: field("Arn")?,
            account: field("Account")?,
            user_id: field("UserId")?,
            region: signer.region.clone(),
        };
        self.keys.saw(Place {
            account: identity.account.clone(),
            region: identity.region.clone(),
        });
        let mut known = lock(&self.known);
        known.retain(|_, (asked, _)| asked.elapsed() < BELIEVED);
        known.insert(signer, (Instant::now(), identity.clone()));
        Ok(identity)
    }
}
