//! Signing what we send to MiniStack ourselves. Checking what others signed is `sigv4`.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign as plan,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;

/// A key and where it is used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signer {
    /// Its public part.
    pub access_key: String,
    /// Its secret part.
    pub secret: String,
    /// What belongs to a key that STS gave away.
    pub token: Option<String>,
    /// The Region that is called.
    pub region: String,
}

/// A request that cannot be signed: a header or an address that is not text.
#[derive(Debug, thiserror::Error)]
#[error("failed to sign a request")]
pub(crate) struct SignError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Adds the headers of a signature. The request must have a `Host` header already.
pub(crate) fn sign<B: AsRef<[u8]>>(
    request: &mut http::Request<B>,
    service: &str,
    signer: &Signer,
    time: SystemTime,
) -> Result<(), SignError> {
    let identity: Identity = Credentials::new(
        &signer.access_key,
        &signer.secret,
        signer.token.clone(),
        None,
        "lastgood-local",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&signer.region)
        .name(service)
        .time(time)
        .settings(settings)
        .build()
        .map_err(|error| SignError(error.into()))?
        .into();
    let uri = request.uri().to_string();
    let headers: Vec<(&str, &str)> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let signable = SignableRequest::new(
        request.method().as_str(),
        uri,
        headers.into_iter(),
        SignableBody::Bytes(request.body().as_ref()),
    )
    .map_err(|error| SignError(error.into()))?;
    let (instructions, _signature) = plan(signable, &params)
        .map_err(|error| SignError(error.into()))?
        .into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}
