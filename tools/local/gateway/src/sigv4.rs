//! Signature Version 4 as the receiving side checks it: taking an `Authorization` header apart and
//! recomputing what it promises. Pure: the time is an argument, and whose secret it is, is found
//! elsewhere (`keys`). Presigned addresses are not looked at here: neither ECS, CodeDeploy nor our
//! own clients use them.

use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::{HeaderMap, Method, Uri};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// How far a signature's time may be from ours (AWS: five minutes for most services).
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(5);

/// RFC 3986's unreserved characters stay; everything else is encoded, in a query also the slash.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Why a signature does not count. The sentences are AWS's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// The request carries no signature of this kind.
    #[error("Missing Authentication Token")]
    Missing,
    /// The header cannot be read.
    #[error("Authorization header is incomplete: {0}")]
    Incomplete(&'static str),
    /// Its time is too far from now.
    #[error("Signature not current: {0}")]
    Skewed(String),
    /// It was made with another secret, or over another request.
    #[error(
        "The request signature we calculated does not match the signature you provided. \
         Check your AWS Secret Access Key and signing method."
    )]
    Mismatch,
}

/// What an `Authorization` header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) access_key: String,
    pub(crate) region: String,
    pub(crate) service: String,
    /// The session token sent along, which belongs to temporary keys.
    pub(crate) token: Option<String>,
    date: String,
    signed_headers: Vec<String>,
    signature: String,
    amz_date: String,
}

/// The parts of a request that a signature covers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Signature {
    /// Takes the header apart.
    pub(crate) fn parse(headers: &HeaderMap) -> Result<Self, SignatureError> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = header("authorization").ok_or(SignatureError::Missing)?;
        let fields = authorization
            .strip_prefix(ALGORITHM)
            .ok_or(SignatureError::Missing)?;
        let field = |name: &str| {
            fields
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let credential = field("Credential").ok_or(SignatureError::Incomplete("no Credential"))?;
        let mut scope = credential.split('/');
        let mut next = || {
            scope
                .next()
                .ok_or(SignatureError::Incomplete("short Credential"))
        };
        let (access_key, date, region, service) = (next()?, next()?, next()?, next()?);
        let signed =
            field("SignedHeaders").ok_or(SignatureError::Incomplete("no SignedHeaders"))?;
        let signature = field("Signature").ok_or(SignatureError::Incomplete("no Signature"))?;
        let amz_date = header("x-amz-date").ok_or(SignatureError::Incomplete("no X-Amz-Date"))?;
        Ok(Self {
            access_key: access_key.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            token: header("x-amz-security-token").map(str::to_owned),
            date: date.to_owned(),
            signed_headers: signed.split(';').map(str::to_owned).collect(),
            signature: signature.to_owned(),
            amz_date: amz_date.to_owned(),
        })
    }

    /// Whether the holder of `secret` signed this very request, about now.
    pub(crate) fn verify(
        &self,
        secret: &str,
        request: Request<'_>,
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        let time = self.time()?;
        if now.duration_since(time).abs() > SKEW_MAX {
            return Err(SignatureError::Skewed(format!(
                "{} (it is {now} now)",
                self.amz_date
            )));
        }
        // Without it a signature could be moved to another address.
        if !self.signed_headers.iter().any(|name| name == "host") {
            return Err(SignatureError::Incomplete("Host is not signed"));
        }
        let canonical = self.canonical_request(request)?;
        let scope = format!(
            "{}/{}/{}/aws4_request",
            self.date, self.region, self.service
        );
        let to_sign = format!(
            "{ALGORITHM}\n{}\n{scope}\n{}",
            self.amz_date,
            hash(canonical.as_bytes())
        );
        let date = UNIX_EPOCH + Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0));
        let key = generate_signing_key(secret, date, &self.region, &self.service);
        if same(
            &calculate_signature(key, to_sign.as_bytes()),
            &self.signature,
        ) {
            Ok(())
        } else {
            Err(SignatureError::Mismatch)
        }
    }

    fn time(&self) -> Result<Timestamp, SignatureError> {
        let wrong = SignatureError::Incomplete("X-Amz-Date is not a time");
        let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &self.amz_date)
            .map_err(|_| wrong.clone())?;
        if !self.amz_date.starts_with(&self.date) {
            return Err(SignatureError::Incomplete(
                "the Credential's date is not X-Amz-Date's",
            ));
        }
        TimeZone::UTC.to_timestamp(civil).map_err(|_| wrong)
    }

    fn canonical_request(&self, request: Request<'_>) -> Result<String, SignatureError> {
        let payload = payload_hash(request.headers, request.body)?;
        let mut headers = String::new();
        for name in &self.signed_headers {
            let values: Vec<String> = request
                .headers
                .get_all(name)
                .iter()
                .map(|value| collapse(&String::from_utf8_lossy(value.as_bytes())))
                .collect();
            headers.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        Ok([
            request.method.as_str(),
            &canonical_path(request.uri.path()),
            &canonical_query(request.uri.query().unwrap_or_default()),
            &headers,
            &self.signed_headers.join(";"),
            &payload,
        ]
        .join("\n"))
    }
}

/// The hash that was signed: the header's, if the body keeps what it says, else the body's own.
fn payload_hash(headers: &HeaderMap, body: &[u8]) -> Result<String, SignatureError> {
    let actual = hash(body);
    match headers
        .get("x-amz-content-sha256")
        .and_then(|value| value.to_str().ok())
    {
        None => Ok(actual),
        Some(UNSIGNED_PAYLOAD) => Ok(UNSIGNED_PAYLOAD.to_owned()),
        Some(stated) if stated == actual => Ok(actual),
        Some(_) => Err(SignatureError::Mismatch),
    }
}

/// Every service but S3 signs the normalised path, encoded once more than it was sent.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let slash = if path.ends_with('/') && !segments.is_empty() {
        "/"
    } else {
        ""
    };
    utf8_percent_encode(&format!("/{}{slash}", segments.join("/")), PATH).to_string()
}

fn canonical_query(query: &str) -> String {
    let encode = |part: &str| {
        let plain = part.replace('+', " ");
        let decoded = percent_decode_str(&plain).decode_utf8_lossy();
        utf8_percent_encode(&decoded, QUERY).to_string()
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encode(name), encode(value))
        })
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn collapse(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Compares without telling by its duration where the first difference is.
fn same(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left
            .bytes()
            .zip(right.bytes())
            .fold(0, |differ, (a, b)| differ | (a ^ b))
            == 0
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::HeaderValue;

    use super::*;
    use crate::sign::{Signer, sign};

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn signer() -> Signer {
        Signer {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret: SECRET.to_owned(),
            token: Some("a token".to_owned()),
            region: "eu-west-1".to_owned(),
        }
    }

    fn signed(uri: &str, body: &'static [u8], time: SystemTime) -> http::Request<Vec<u8>> {
        let mut request = http::Request::builder()
            .method("POST")
            .uri(uri)
            .header("host", "127.0.0.1:4577")
            .header(
                "x-amz-target",
                "AmazonEC2ContainerServiceV20141113.ListServices",
            )
            .header("x-spaces", "  a   b ")
            .body(body.to_vec())
            .unwrap();
        sign(&mut request, "lambda", &signer(), time).unwrap();
        request
    }

    fn check(
        request: &http::Request<Vec<u8>>,
        secret: &str,
        now: SystemTime,
    ) -> Result<(), SignatureError> {
        Signature::parse(request.headers())?.verify(
            secret,
            Request {
                method: request.method(),
                uri: request.uri(),
                headers: request.headers(),
                body: request.body(),
            },
            now.try_into().unwrap(),
        )
    }

    #[test]
    fn what_the_sdk_signs_verifies() {
        let now = SystemTime::now();
        for uri in [
            "http://127.0.0.1:4577/",
            "http://127.0.0.1:4577/_url/abc/v1/pipelines/web%20shop/",
            "http://127.0.0.1:4577/a//b/../c/./d?b=2&a=1%2F3&a=%20&empty=&flag&%C3%A4=%C3%B6",
        ] {
            assert_eq!(
                check(&signed(uri, b"{}", now), SECRET, now),
                Ok(()),
                "{uri}"
            );
        }
    }

    #[test]
    fn the_parts_of_the_scope_are_read() {
        let now = SystemTime::now();
        let signature = Signature::parse(signed("http://127.0.0.1/", b"", now).headers()).unwrap();
        assert_eq!(signature.access_key, "AKIDEXAMPLE");
        assert_eq!(signature.region, "eu-west-1");
        assert_eq!(signature.service, "lambda");
        assert_eq!(signature.token.as_deref(), Some("a token"));
    }

    #[test]
    fn another_secret_or_another_request_does_not_verify() {
        let now = SystemTime::now();
        let good = signed("http://127.0.0.1:4577/?a=1", b"{}", now);
        assert_eq!(check(&good, "another", now), Err(SignatureError::Mismatch));

        let mut other_body = good.clone();
        *other_body.body_mut() = b"{\"cluster\":\"x\"}".to_vec();
        assert_eq!(
            check(&other_body, SECRET, now),
            Err(SignatureError::Mismatch)
        );

        let mut other_query = good.clone();
        *other_query.uri_mut() = "http://127.0.0.1:4577/?a=2".parse().unwrap();
        assert_eq!(
            check(&other_query, SECRET, now),
            Err(SignatureError::Mismatch)
        );

        let mut other_host = good.clone();
        other_host
            .headers_mut()
            .insert("host", HeaderValue::from_static("elsewhere"));
        assert_eq!(
            check(&other_host, SECRET, now),
            Err(SignatureError::Mismatch)
        );

        let mut other_target = good;
        other_target
            .headers_mut()
            .insert("x-amz-target", HeaderValue::from_static("Other.Call"));
        assert_eq!(
            check(&other_target, SECRET, now),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn a_stated_hash_must_be_the_bodys() {
        let now = SystemTime::now();
        let mut request = signed("http://127.0.0.1:4577/", b"{}", now);
        *request.body_mut() = b"[]".to_vec();
        assert_eq!(check(&request, SECRET, now), Err(SignatureError::Mismatch));
    }

    #[test]
    fn an_old_signature_does_not_count() {
        let then = SystemTime::now();
        let request = signed("http://127.0.0.1:4577/", b"{}", then);
        assert_eq!(
            check(&request, SECRET, then + Duration::from_secs(299)),
            Ok(())
        );
        for now in [
            then + Duration::from_secs(302),
            then - Duration::from_secs(302),
        ] {
            assert!(matches!(
                check(&request, SECRET, now),
                Err(SignatureError::Skewed(_))
            ));
        }
    }

    #[test]
    fn what_is_no_signature_is_told_apart() {
        let mut headers = HeaderMap::new();
        assert_eq!(Signature::parse(&headers), Err(SignatureError::Missing));
        headers.insert("authorization", HeaderValue::from_static("Bearer abc"));
        assert_eq!(Signature::parse(&headers), Err(SignatureError::Missing));
        headers.insert(
            "authorization",
            HeaderValue::from_static("AWS4-HMAC-SHA256 Credential=AK/20261123/eu-west-1"),
        );
        assert!(matches!(
            Signature::parse(&headers),
            Err(SignatureError::Incomplete(_))
        ));
    }
}
