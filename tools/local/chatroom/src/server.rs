//! The addresses: Slack's, and the page's. On this machine only.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::page;
use crate::room::{Answer, Room};

/// How a chat room is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens on loopback; 0 takes any free port.
    pub port: u16,
    /// The token it lets in.
    pub bot_token: String,
    /// What it signs with.
    pub signing_secret: String,
    /// Slack's user ids, for the page to choose from.
    pub people: Vec<String>,
}

/// A chat room that runs until it is dropped.
#[derive(Debug)]
pub struct Chatroom {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    room: Room,
    options: Options,
    address: SocketAddr,
    /// Where presses go: the app's request URL for interactivity.
    answers_to: Mutex<Option<String>>,
    http: reqwest::Client,
}

impl Chatroom {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub async fn open(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            room: Room::default(),
            options,
            address,
            answers_to: Mutex::new(None),
            http: reqwest::Client::new(),
        });
        let router = Router::new()
            .route("/", get(whole))
            .route("/inside", get(inside))
            .route("/press", post(press))
            .route("/api/chat.postMessage", post(post_message))
            .route("/api/chat.update", post(update))
            .route("/hooks", post(hook))
            .route("/respond", post(respond))
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

    /// The Web API's address, for the settings.
    #[must_use]
    pub fn api(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// What stands in the channel.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.shared.room
    }

    /// Sends presses to this address from now on.
    pub fn answers_to(&self, url: &str) {
        let mut answers_to = self
            .shared
            .answers_to
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *answers_to = Some(url.to_owned());
    }

    /// Presses a button, as somebody.
    ///
    /// # Errors
    /// With the status, when the app does not take it.
    pub async fn press(&self, user: &str, action: &str, value: &str) -> Result<(), StatusCode> {
        self.shared.press(user, action, value).await
    }
}

impl Drop for Chatroom {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        token == Some(&format!("Bearer {}", self.options.bot_token))
    }

    async fn press(&self, user: &str, action: &str, value: &str) -> Result<(), StatusCode> {
        let url = self
            .answers_to
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let url = url.ok_or(StatusCode::NOT_FOUND)?;
        let payload = json!({
            "type": "block_actions",
            "user": { "id": user, "username": user, "team_id": "T0LOCAL" },
            "response_url": format!("http://{}/respond", self.address),
            "actions": [{ "type": "button", "action_id": action, "value": value }],
        });
        let body: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload.to_string())
            .finish();
        let now = jiff::Timestamp::now().as_second().to_string();
        let signature = self
            .signature(&now, &body)
            .ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        let sent = self
            .http
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", now)
            .header("x-slack-signature", signature)
            .body(body)
            .send()
            .await;
        let status = sent.map_err(|_| StatusCode::BAD_GATEWAY)?.status();
        StatusCode::from_u16(status.as_u16())
            .ok()
            .filter(|status| !status.is_success())
            .map_or(Ok(()), Err)
    }

    fn signature(&self, now: &str, body: &str) -> Option<String> {
        let secret = self.options.signing_secret.as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        mac.update(format!("v0:{now}:{body}").as_bytes());
        Some(format!("v0={}", hex::encode(mac.finalize().into_bytes())))
    }
}

fn answer((status, retry_after, body): Answer) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, axum::Json(body)).into_response();
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn method(
    shared: &Shared,
    headers: &HeaderMap,
    body: &[u8],
    call: impl Fn(Value) -> Answer,
) -> Response {
    if !shared.lets_in(headers) {
        return answer((200, None, json!({ "ok": false, "error": "invalid_auth" })));
    }
    match serde_json::from_slice(body) {
        Ok(body) => answer(call(body)),
        Err(_) => answer((200, None, json!({ "ok": false, "error": "invalid_json" }))),
    }
}

async fn post_message(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    method(&shared, &headers, &body, |body| shared.room.post(body))
}

async fn update(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    method(&shared, &headers, &body, |body| shared.room.update(body))
}

async fn hook(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let Ok(mut body) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "invalid_payload").into_response();
    };
    if let Some(body) = body.as_object_mut() {
        body.insert("channel".to_owned(), json!("webhook"));
    }
    let (status, retry_after, said) = shared.room.post(body);
    match said.get("error").and_then(Value::as_str) {
        Some(error) if status == 200 => (StatusCode::BAD_REQUEST, error.to_owned()).into_response(),
        Some(_) | None if status != 200 => answer((status, retry_after, said)),
        Some(_) | None => "ok".into_response(),
    }
}

async fn respond(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    shared
        .room
        .aside(body.get("text").and_then(Value::as_str).unwrap_or_default());
    StatusCode::OK
}

async fn whole(State(shared): State<Arc<Shared>>) -> Html<String> {
    Html(page::whole(&shared.room, &shared.options.people))
}

async fn inside(State(shared): State<Arc<Shared>>) -> Html<String> {
    Html(page::inside(&shared.room))
}

async fn press(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let of = |name: &str| form.get(name).map_or("", String::as_str);
    let pressed = shared.press(of("user"), of("action"), of("value")).await;
    pressed.map_or_else(|status| status, |()| StatusCode::OK)
}
