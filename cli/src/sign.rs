//! Signature Version 4 on a request: whoever can sign for a user is that user. Where the request
//! goes is [`crate::command`].

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4;

use crate::failure::Failure;

/// What IAM calls function URLs.
const SERVICE: &str = "lambda";

/// The headers of a POST of JSON, signed. The host is the one that is sent: behind a gateway the
/// receiver verifies what it sees.
pub(crate) fn headers(
    url: &http::Uri,
    body: &[u8],
    region: &str,
    credentials: &Credentials,
    at: SystemTime,
) -> Result<Vec<(String, String)>, Failure> {
    let unsigned = |error: &dyn std::fmt::Display| {
        Failure::failed("the request cannot be signed").because(error)
    };
    let host = url
        .authority()
        .map(|authority| host(url, authority))
        .unwrap_or_default();
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("host".to_owned(), host),
    ];
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(at)
        .settings(settings)
        .build()
        .map_err(|error| unsigned(&error))?
        .into();
    let text = url.to_string();
    let signable = SignableRequest::new(
        "POST",
        &text,
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
        SignableBody::Bytes(body),
    )
    .map_err(|error| unsigned(&error))?;
    let (instructions, _) = sign(signable, &params)
        .map_err(|error| unsigned(&error))?
        .into_parts();
    let signed: Vec<(String, String)> = instructions
        .headers()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    headers.extend(signed);
    Ok(headers)
}

/// The `Host` header as HTTP clients send it: the port only when it is not the scheme's own.
fn host(url: &http::Uri, authority: &http::uri::Authority) -> String {
    let own = match url.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        Some(_) | None => None,
    };
    match authority.port_u16() {
        Some(port) if Some(port) != own => format!("{}:{port}", authority.host()),
        Some(_) | None => authority.host().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn hmac(key: &[u8], text: &str) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    /// The signature as the receiver computes it, step by step as AWS documents it (IAM user guide,
    /// "Create a signed AWS API request").
    fn expected(
        url: &http::Uri,
        headers: &[(String, String)],
        body: &[u8],
        secret: &str,
    ) -> String {
        let header = |name: &str| {
            headers
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, value)| value.clone())
                .unwrap()
        };
        let authorization = header("authorization");
        let names = authorization
            .split("SignedHeaders=")
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap();
        let canonical_headers: String = names
            .split(';')
            .map(|name| format!("{name}:{}\n", header(name)))
            .collect();
        let canonical = format!(
            "POST\n{}\n{}\n{canonical_headers}\n{names}\n{}",
            url.path(),
            url.query().unwrap_or_default(),
            hex::encode(Sha256::digest(body))
        );
        let date = header("x-amz-date");
        let scope = format!("{}/ap-south-1/lambda/aws4_request", &date[..8]);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
            hex::encode(Sha256::digest(canonical.as_bytes()))
        );
        let key = ["ap-south-1", "lambda", "aws4_request"].iter().fold(
            hmac(format!("AWS4{secret}").as_bytes(), &date[..8]),
            |key, part| hmac(&key, part),
        );
        hex::encode(hmac(&key, &to_sign))
    }

    fn signed(url: &str, token: Option<&str>) -> (http::Uri, Vec<(String, String)>) {
        let url: http::Uri = url.parse().unwrap();
        let credentials = Credentials::new("AKIA", "secret", token.map(Into::into), None, "test");
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_435_200);
        let headers = headers(&url, b"{}", "ap-south-1", &credentials, at).unwrap();
        (url, headers)
    }

    #[test]
    fn the_signature_is_the_one_the_receiver_computes() {
        for (url, host) in [
            (
                "https://abc.lambda-url.ap-south-1.on.aws/",
                "abc.lambda-url.ap-south-1.on.aws",
            ),
            ("http://127.0.0.1:4577/_url/abc/", "127.0.0.1:4577"),
            (
                "http://abc.lambda-url.ap-south-1.localhost:4577/",
                "abc.lambda-url.ap-south-1.localhost:4577",
            ),
            (
                "https://abc.lambda-url.ap-south-1.on.aws:443/",
                "abc.lambda-url.ap-south-1.on.aws",
            ),
        ] {
            let (url, headers) = signed(url, Some("token"));
            let (_, sent) = headers.iter().find(|(name, _)| name == "host").unwrap();
            assert_eq!(sent, host);
            let (_, authorization) = headers
                .iter()
                .find(|(name, _)| name == "authorization")
                .unwrap();
            for signed in ["host", "content-type", "x-amz-date", "x-amz-security-token"] {
                assert!(
                    authorization.contains(signed),
                    "{signed} is signed: {authorization}"
                );
            }
            assert!(
                authorization.ends_with(&format!(
                    "Signature={}",
                    expected(&url, &headers, b"{}", "secret")
                )),
                "{url}: {authorization}"
            );
        }
    }

    #[test]
    fn another_body_or_secret_has_another_signature() {
        let (url, headers) = signed("https://abc.lambda-url.ap-south-1.on.aws/", None);
        let good = expected(&url, &headers, b"{}", "secret");
        assert_ne!(good, expected(&url, &headers, b"{ }", "secret"));
        assert_ne!(good, expected(&url, &headers, b"{}", "Secret"));
    }
}
