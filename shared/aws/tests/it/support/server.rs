//! A server that speaks AWS's JSON protocols: it answers each operation as it is told and remembers
//! what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

type Answer = Box<dyn Fn(&Value) -> Result<Value, (&'static str, &'static str)> + Send + Sync>;

#[derive(Default)]
struct Told {
    answers: BTreeMap<&'static str, Answer>,
    asked: Vec<(String, Value)>,
}

/// What the server is told and was asked.
#[derive(Clone, Default)]
pub(crate) struct Server {
    told: Arc<Mutex<Told>>,
    pub(crate) endpoint: String,
}

impl Server {
    /// Starts one on a free port.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = Self {
            told: Arc::default(),
            endpoint,
        };
        let routes = axum::Router::new()
            .fallback(answer)
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        server
    }

    /// Answers an operation with a function of its input: JSON, or an error's code and message.
    pub(crate) fn on<Answer>(&self, operation: &'static str, answer: Answer)
    where
        Answer: Fn(&Value) -> Result<Value, (&'static str, &'static str)> + Send + Sync + 'static,
    {
        self.told
            .lock()
            .unwrap()
            .answers
            .insert(operation, Box::new(answer));
    }

    /// Answers an operation with this.
    pub(crate) fn says(&self, operation: &'static str, answer: Value) {
        self.on(operation, move |_| Ok(answer.clone()));
    }

    /// Answers an operation with an error.
    pub(crate) fn refuses(
        &self,
        operation: &'static str,
        code: &'static str,
        message: &'static str,
    ) {
        self.on(operation, move |_| Err((code, message)));
    }

    /// What an operation was asked, in order.
    pub(crate) fn asked(&self, operation: &str) -> Vec<Value> {
        let told = self.told.lock().unwrap();
        told.asked
            .iter()
            .filter(|(name, _)| name == operation)
            .map(|(_, input)| input.clone())
            .collect()
    }
}

async fn answer(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let operation = target
        .and_then(|target| target.rsplit('.').next())
        .unwrap_or_default();
    let input: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut told = server.told.lock().unwrap();
    told.asked.push((operation.to_owned(), input.clone()));
    let said = match told.answers.get(operation) {
        Some(answer) => answer(&input),
        None => Err((
            "NotToldException",
            "the test says nothing about this operation",
        )),
    };
    match said {
        Ok(value) => (StatusCode::OK, value.to_string()).into_response(),
        Err((code, message)) => {
            let body = json!({ "__type": code, "message": message }).to_string();
            (StatusCode::BAD_REQUEST, body).into_response()
        }
    }
}
