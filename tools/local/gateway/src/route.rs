//! Where a request belongs. Pure, and decided by address and headers alone, so that bodies which
//! are only passed on can stream.

use http::{HeaderMap, Uri};

/// Our own way to name a function URL, since the host name AWS gives it resolves nowhere.
pub(crate) const URL_PATH: &str = "/_url/";
/// MiniStack's own way to name one.
const EMULATOR_URL_PATH: &str = "/_aws/lambda-url/";

const ECS: &str = "AmazonEC2ContainerServiceV20141113.";
const CODEDEPLOY: &str = "CodeDeploy_20141006.";
const PUT_IMAGE: &str = "AmazonEC2ContainerRegistry_V20150921.PutImage";
const FIND_SCAN: &str = "AmazonEC2ContainerRegistry_V20150921.DescribeImageScanFindings";

/// Who answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// The fleet; the operation's name.
    Fleet(fleet::Api, String),
    /// The function behind a URL.
    FunctionUrl(UrlRequest),
    /// MiniStack's ECR, and an event if it succeeds.
    PutImage,
    /// We: MiniStack scans no images.
    ImageScan,
    /// MiniStack's IAM or STS, whose answer may give away a key.
    Keys,
    /// MiniStack, unseen.
    Emulator,
}

/// Which function URL is meant, and what the function sees of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UrlRequest {
    pub(crate) id: String,
    pub(crate) path: String,
}

impl Route {
    /// Finds it.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let target = text(headers, "x-amz-target");
        if let Some(operation) = target.strip_prefix(ECS) {
            return Self::Fleet(fleet::Api::Ecs, operation.to_owned());
        }
        if let Some(operation) = target.strip_prefix(CODEDEPLOY) {
            return Self::Fleet(fleet::Api::CodeDeploy, operation.to_owned());
        }
        if target == PUT_IMAGE {
            return Self::PutImage;
        }
        if target == FIND_SCAN {
            return Self::ImageScan;
        }
        let host = text(headers, "host");
        if let Some(request) = url_by_host(host, uri.path()).or_else(|| url_by_path(uri.path())) {
            return Self::FunctionUrl(request);
        }
        let authorization = text(headers, "authorization");
        if authorization.contains("/sts/aws4_request")
            || authorization.contains("/iam/aws4_request")
        {
            return Self::Keys;
        }
        Self::Emulator
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// `<id>.lambda-url.<region>.on.aws`
fn url_by_host(host: &str, path: &str) -> Option<UrlRequest> {
    let (id, rest) = host.split_once('.')?;
    rest.strip_prefix("lambda-url.")?;
    Some(UrlRequest {
        id: id.to_owned(),
        path: path.to_owned(),
    })
}

fn url_by_path(path: &str) -> Option<UrlRequest> {
    let rest = [URL_PATH, EMULATOR_URL_PATH]
        .iter()
        .find_map(|known| path.strip_prefix(known))?;
    let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
    Some(UrlRequest {
        id: id.to_owned(),
        path: format!("/{path}"),
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn route(uri: &str, headers: &[(&'static str, &'static str)]) -> Route {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        Route::of(&uri.parse().unwrap(), &headers)
    }

    fn url(id: &str, path: &str) -> Route {
        Route::FunctionUrl(UrlRequest {
            id: id.to_owned(),
            path: path.to_owned(),
        })
    }

    #[test]
    fn targets_decide_first() {
        let ecs = "AmazonEC2ContainerServiceV20141113.UpdateService";
        assert_eq!(
            route("/", &[("x-amz-target", ecs)]),
            Route::Fleet(fleet::Api::Ecs, "UpdateService".to_owned())
        );
        assert_eq!(
            route(
                "/",
                &[("x-amz-target", "CodeDeploy_20141006.GetDeployment")]
            ),
            Route::Fleet(fleet::Api::CodeDeploy, "GetDeployment".to_owned())
        );
        assert_eq!(route("/", &[("x-amz-target", PUT_IMAGE)]), Route::PutImage);
        let scan = route("/", &[("x-amz-target", FIND_SCAN)]);
        assert_eq!(scan, Route::ImageScan);
        assert_eq!(
            route(
                "/",
                &[(
                    "x-amz-target",
                    "AmazonEC2ContainerRegistry_V20150921.ListImages"
                )]
            ),
            Route::Emulator
        );
    }

    #[test]
    fn a_function_url_is_named_by_host_or_by_path() {
        let host = ("host", "abc123.lambda-url.eu-west-1.on.aws");
        assert_eq!(route("/v1/x?a=b", &[host]), url("abc123", "/v1/x"));
        let host = ("host", "127.0.0.1:4577");
        assert_eq!(route("/_url/abc123/v1/x", &[host]), url("abc123", "/v1/x"));
        assert_eq!(route("/_url/abc123", &[host]), url("abc123", "/"));
        assert_eq!(
            route("/_aws/lambda-url/abc123/", &[host]),
            url("abc123", "/")
        );
        assert_eq!(route("/bucket/_url/abc", &[host]), Route::Emulator);
    }

    #[test]
    fn keys_are_given_by_iam_and_sts_only() {
        let scope = |service: &str| {
            let value =
                format!("AWS4-HMAC-SHA256 Credential=AK/20261123/eu-west-1/{service}/aws4_request");
            let mut headers = HeaderMap::new();
            headers.insert("authorization", HeaderValue::from_str(&value).unwrap());
            Route::of(&"/iam/x".parse().unwrap(), &headers)
        };
        assert_eq!(scope("iam"), Route::Keys);
        assert_eq!(scope("sts"), Route::Keys);
        assert_eq!(scope("s3"), Route::Emulator);
        assert_eq!(route("/", &[]), Route::Emulator);
    }
}
