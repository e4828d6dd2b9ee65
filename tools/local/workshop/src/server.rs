//! The addresses: GitHub's, and the page's. On this machine only.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::page;
use crate::site::{Answer, Site};

/// How a workshop is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens on loopback; 0 takes any free port.
    pub port: u16,
    /// The token it lets in.
    pub token: String,
    /// Whose repositories there are.
    pub owner: String,
}

/// A workshop that runs until it is dropped.
#[derive(Debug)]
pub struct Workshop {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    site: Site,
    token: String,
}

impl Workshop {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub async fn open(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            site: Site::new(options.owner),
            token: options.token,
        });
        let deployments = "/repos/{owner}/{name}/deployments";
        let router = Router::new()
            .route("/", get(whole))
            .route("/inside", get(inside))
            .route(deployments, get(list).post(make))
            .route(&format!("{deployments}/{{id}}/statuses"), post(say))
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            // It ends with the task.
            drop(axum::serve(listener, router).await);
        });
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// The page's address.
    #[must_use]
    pub fn page(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The REST API's address, for the settings.
    #[must_use]
    pub fn api(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What there is.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.shared.site
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// GitHub answers nobody without a name, and nobody whom it does not know.
    fn keeps_out(&self, headers: &HeaderMap) -> Option<Answer> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if text(header::USER_AGENT).is_none_or(str::is_empty) {
            let message = "Request forbidden by administrative rules.";
            return Some((403, None, json!({ "message": message })));
        }
        let known = format!("Bearer {}", self.token);
        (text(header::AUTHORIZATION) != Some(known.as_str()))
            .then(|| (401, None, json!({ "message": "Bad credentials" })))
    }
}

fn answer((status, retry_after, body): Answer) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, axum::Json(body)).into_response();
    if let Some(seconds) = retry_after {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Path((owner, name)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let of = |name: &str| query.get(name).map_or("", String::as_str);
    let repository = format!("{owner}/{name}");
    let kept_out = shared.keeps_out(&headers);
    let list = || shared.site.list(&repository, of("ref"), of("environment"));
    answer(kept_out.unwrap_or_else(list))
}

async fn make(
    State(shared): State<Arc<Shared>>,
    Path((owner, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let kept_out = shared.keeps_out(&headers);
    let make = || shared.site.make(&format!("{owner}/{name}"), &body);
    answer(kept_out.unwrap_or_else(make))
}

async fn say(
    State(shared): State<Arc<Shared>>,
    Path((owner, name, id)): Path<(String, String, u64)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let kept_out = shared.keeps_out(&headers);
    let say = || shared.site.say(&format!("{owner}/{name}"), id, &body);
    answer(kept_out.unwrap_or_else(say))
}

async fn whole(State(shared): State<Arc<Shared>>) -> Html<String> {
    Html(page::whole(&shared.site))
}

async fn inside(State(shared): State<Arc<Shared>>) -> Html<String> {
    Html(page::inside(&shared.site))
}
