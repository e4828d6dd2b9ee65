//! The event a function URL hands its function, and what the function's answer means as HTTP.
//! Pure. Shape: payload format 2.0 of Lambda's function URLs, with `authorizer.iam` as AWS fills it
//! in for `AWS_IAM`.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::identity::Identity;

/// What a request to a function URL was, as far as the event tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) url_id: &'a str,
    /// The account and the Region of the function.
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) method: &'a Method,
    /// The path behind the URL's own part, as it was sent.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// Who signed; none for a URL that everybody may call.
    pub(crate) caller: Option<&'a Identity>,
    pub(crate) source_ip: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) now: Timestamp,
}

/// The event.
pub(crate) fn event(incoming: &Incoming<'_>) -> Value {
    let Incoming {
        url_id,
        region,
        query,
        ..
    } = *incoming;
    let path = percent_decode_str(incoming.path).decode_utf8_lossy();
    let domain = format!("{url_id}.lambda-url.{region}.on.aws");
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(incoming, &domain),
        "requestContext": context(incoming, &domain, &path),
        "isBase64Encoded": false,
    });
    let Value::Object(fields) = &mut event else {
        return event;
    };
    let cookies = cookies(incoming.headers);
    if !cookies.is_empty() {
        fields.insert("cookies".to_owned(), cookies.into());
    }
    if !query.is_empty() {
        fields.insert("queryStringParameters".to_owned(), parameters(query).into());
    }
    if !incoming.body.is_empty() {
        let (body, encoded) = body(incoming.headers, incoming.body);
        fields.insert("body".to_owned(), body.into());
        fields.insert("isBase64Encoded".to_owned(), encoded.into());
    }
    event
}

fn context(incoming: &Incoming<'_>, domain: &str, path: &str) -> Value {
    let user_agent = incoming.headers.get(header::USER_AGENT);
    let mut context = json!({
        // AWS reports the URL's own account here, or nobody for a URL without authorisation.
        "accountId": if incoming.caller.is_some() { incoming.account } else { "anonymous" },
        "apiId": incoming.url_id,
        "domainName": domain,
        "domainPrefix": incoming.url_id,
        "http": {
            "method": incoming.method.as_str(),
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": incoming.source_ip,
            "userAgent": user_agent.map(text).unwrap_or_default(),
        },
        "requestId": incoming.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": incoming.now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
        "timeEpoch": incoming.now.as_millisecond(),
    });
    if let (Some(caller), Value::Object(fields)) = (incoming.caller, &mut context) {
        let iam = json!({
            "accessKey": caller.access_key,
            "accountId": caller.account,
            "callerId": caller.user_id,
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": caller.arn,
            "userId": caller.user_id,
        });
        fields.insert("authentication".to_owned(), Value::Null);
        fields.insert("authorizer".to_owned(), json!({ "iam": iam }));
    }
    context
}

fn headers(incoming: &Incoming<'_>, domain: &str) -> Map<String, Value> {
    let mut joined: Map<String, Value> = Map::new();
    for name in incoming.headers.keys() {
        if name == header::COOKIE {
            continue;
        }
        let values: Vec<String> = incoming.headers.get_all(name).iter().map(text).collect();
        joined.insert(name.as_str().to_owned(), values.join(",").into());
    }
    // What the front end of function URLs sets itself.
    for (name, value) in [
        ("host", domain),
        ("x-forwarded-for", incoming.source_ip),
        ("x-forwarded-port", "443"),
        ("x-forwarded-proto", "https"),
    ] {
        joined.insert(name.to_owned(), value.into());
    }
    joined
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let all = headers.get_all(header::COOKIE).iter().map(text);
    all.flat_map(|line| line.split("; ").map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// A parameter that is named twice has its values joined.
fn parameters(query: &str) -> Map<String, Value> {
    let decode = |part: &str| {
        percent_decode_str(&part.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut parameters: Map<String, Value> = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value);
        match parameters.get_mut(&decode(name)) {
            Some(Value::String(earlier)) => {
                earlier.push(',');
                earlier.push_str(&value);
            }
            Some(_) | None => {
                parameters.insert(decode(name), value.into());
            }
        }
    }
    parameters
}

/// Text goes through as text, everything else (forms too) in base64.
fn body(headers: &HeaderMap, body: &[u8]) -> (String, bool) {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .map(text)
        .unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is_text = kind.starts_with("text/")
        || [
            "application/json",
            "application/javascript",
            "application/xml",
        ]
        .contains(&&*kind);
    match str::from_utf8(body) {
        Ok(text) if is_text => (text.to_owned(), false),
        Ok(_) | Err(_) => (STANDARD.encode(body), true),
    }
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// What a function's answer means as HTTP: `{statusCode, headers, cookies, body}`, or anything else
/// as the body of a success.
pub(crate) fn response(answer: &[u8]) -> Response<Vec<u8>> {
    let value: Value = serde_json::from_slice(answer).unwrap_or(Value::Null);
    let status = value.get("statusCode").and_then(Value::as_u64);
    let Some(status) = status.and_then(|status| u16::try_from(status).ok()) else {
        return with_headers(Response::new(answer.to_vec()), None);
    };
    let body = match value.get("body") {
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(Value::Null) | None => Vec::new(),
        Some(other) => other.to_string().into_bytes(),
    };
    let encoded = value
        .get("isBase64Encoded")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    let body = if encoded {
        STANDARD.decode(&body).unwrap_or_default()
    } else {
        body
    };
    let mut response = with_headers(Response::new(body), Some(&value));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response
}

fn with_headers(mut response: Response<Vec<u8>>, answer: Option<&Value>) -> Response<Vec<u8>> {
    let target = response.headers_mut();
    target.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let given = answer
        .and_then(|answer| answer.get("headers"))
        .and_then(Value::as_object);
    for (name, value) in given.into_iter().flatten() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            // The body's length is ours to say.
            if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING {
                target.insert(name, value);
            }
        }
    }
    let cookies = answer
        .and_then(|answer| answer.get("cookies"))
        .and_then(Value::as_array);
    for cookie in cookies.into_iter().flatten().filter_map(Value::as_str) {
        if let Ok(cookie) = HeaderValue::from_str(cookie) {
            target.append(header::SET_COOKIE, cookie);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Identity {
        Identity {
            access_key: "AKIAALICE".to_owned(),
            arn: "arn:aws:iam::111122223333:user/alice".to_owned(),
            account: "111122223333".to_owned(),
            user_id: "AIDAALICE".to_owned(),
            region: "eu-west-1".to_owned(),
        }
    }

    fn incoming<'a>(
        headers: &'a HeaderMap,
        body: &'a [u8],
        caller: Option<&'a Identity>,
    ) -> Incoming<'a> {
        Incoming {
            url_id: "abc",
            account: "444455556666",
            region: "eu-west-1",
            method: &Method::POST,
            path: "/v1/web%20shop",
            query: "a=1&a=2&b=%2F&c",
            headers,
            body,
            caller,
            source_ip: "127.0.0.1",
            request_id: "a request",
            now: "2026-11-23T10:11:12.5Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_signed_request_says_who_signed_it() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("127.0.0.1:4577"));
        headers.insert(
            "content-type",
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        headers.insert("user-agent", HeaderValue::from_static("lastgood"));
        headers.append("cookie", HeaderValue::from_static("x=1; y=2"));
        headers.append("x-two", HeaderValue::from_static("1"));
        headers.append("x-two", HeaderValue::from_static("2"));
        let expected = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/v1/web shop",
            "rawQueryString": "a=1&a=2&b=%2F&c",
            "headers": {
                "host": "abc.lambda-url.eu-west-1.on.aws",
                "content-type": "application/json; charset=utf-8",
                "user-agent": "lastgood",
                "x-two": "1,2",
                "x-forwarded-for": "127.0.0.1",
                "x-forwarded-port": "443",
                "x-forwarded-proto": "https",
            },
            "requestContext": {
                "accountId": "444455556666",
                "apiId": "abc",
                "domainName": "abc.lambda-url.eu-west-1.on.aws",
                "domainPrefix": "abc",
                "http": {
                    "method": "POST",
                    "path": "/v1/web shop",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "lastgood",
                },
                "requestId": "a request",
                "routeKey": "$default",
                "stage": "$default",
                "time": "23/Nov/2026:10:11:12 +0000",
                "timeEpoch": 1_795_428_672_500_i64,
                "authentication": null,
                "authorizer": { "iam": {
                    "accessKey": "AKIAALICE",
                    "accountId": "111122223333",
                    "callerId": "AIDAALICE",
                    "cognitoIdentity": null,
                    "principalOrgId": null,
                    "userArn": "arn:aws:iam::111122223333:user/alice",
                    "userId": "AIDAALICE",
                } },
            },
            "isBase64Encoded": false,
            "cookies": ["x=1", "y=2"],
            "queryStringParameters": { "a": "1,2", "b": "/", "c": "" },
            "body": "{}",
        });
        assert_eq!(event(&incoming(&headers, b"{}", Some(&alice()))), expected);
    }

    #[test]
    fn an_unsigned_request_is_anonymous() {
        let headers = HeaderMap::new();
        let event = event(&incoming(&headers, b"", None));
        assert_eq!(event["requestContext"]["accountId"], "anonymous");
        assert_eq!(event["requestContext"].get("authorizer"), None);
        assert_eq!(event.get("body"), None);
    }

    #[test]
    fn what_is_not_text_is_encoded() {
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert("content-type", form);
        let event = event(&incoming(&headers, b"a=b", None));
        assert_eq!(event["body"], "YT1i");
        assert_eq!(event["isBase64Encoded"], true);
    }

    #[test]
    fn an_answer_is_unwrapped() {
        let answer = json!({
            "statusCode": 201,
            "headers": { "Content-Type": "text/plain", "X-Number": 7, "content-length": "999" },
            "cookies": ["a=b", "c=d"],
            "body": "aGk=",
            "isBase64Encoded": true,
        });
        let response = response(answer.to_string().as_bytes());
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["content-type"], "text/plain");
        assert_eq!(response.headers()["x-number"], "7");
        assert_eq!(response.headers().get("content-length"), None);
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(response.body(), b"hi");
    }

    #[test]
    fn an_answer_without_status_is_the_body() {
        let plain = response(b"{\"a\":1}");
        assert_eq!(plain.status(), 200);
        assert_eq!(plain.headers()["content-type"], "application/json");
        assert_eq!(plain.body(), b"{\"a\":1}");
        let wrong = response(b"{\"statusCode\":99}");
        assert_eq!(wrong.status(), StatusCode::BAD_GATEWAY);
    }
}
