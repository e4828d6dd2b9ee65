//! What the gateway hands in and gets back: calls, replies, and how the fleet is set up.
//! No operation lives here.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

/// A future that can be kept behind a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Which control plane a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Amazon ECS (`AmazonEC2ContainerServiceV20141113`).
    Ecs,
    /// AWS CodeDeploy (`CodeDeploy_20141006`).
    CodeDeploy,
}

/// Who signed a call; the signature was verified before it came here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account that the call is made in, twelve digits.
    pub account: String,
    /// The Region of the signature's scope.
    pub region: String,
    /// The principal, for example `arn:aws:sts::111122223333:assumed-role/deployer/session`.
    pub arn: String,
}

/// One call of AWS's JSON 1.1 protocol.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which control plane is meant.
    pub api: Api,
    /// The operation, the part of `X-Amz-Target` after the dot.
    pub operation: String,
    /// The request's body, JSON.
    pub body: Bytes,
    /// Who calls.
    pub caller: Caller,
}

/// The answer to a [`Call`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, `application/x-amz-json-1.1`.
    pub body: Vec<u8>,
}

impl Reply {
    /// The reply of an operation that ended with this result.
    #[must_use]
    pub fn from_result(result: Result<Value, ApiError>) -> Self {
        let (status, value) = match result {
            Ok(value) => (200, value),
            Err(error) => (
                error.status,
                json!({ "__type": error.code, "message": error.message }),
            ),
        };
        Self {
            status,
            body: value.to_string().into_bytes(),
        }
    }
}

/// An error by AWS's own name, as a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// AWS's name of the error, for example `ServiceNotFoundException`.
    pub code: &'static str,
    /// The sentence AWS adds.
    pub message: String,
    /// The HTTP status: 400, or 500 for what is our own fault.
    pub status: u16,
}

impl ApiError {
    /// An error of the caller (status 400).
    pub fn client(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            status: 400,
        }
    }

    /// A failure of ours (status 500).
    pub fn server(message: impl Into<String>) -> Self {
        Self {
            code: "ServerException",
            message: message.into(),
            status: 500,
        }
    }

    /// What AWS says to who lacks a permission.
    #[must_use]
    pub fn denied(caller: &Caller, action: &str, resource: &str) -> Self {
        Self::client(
            "AccessDeniedException",
            format!(
                "User: {} is not authorized to perform: {action} on resource: {resource} \
                 because no identity-based policy allows the {action} action",
                caller.arn
            ),
        )
    }
}

/// Asked before every operation whether the caller holds the permission on that very resource.
pub trait Guard: Send + Sync {
    /// May `caller` do `action` (`ecs:UpdateService`) to `resource` (an ARN, or `*`)?
    fn allowed<'a>(
        &'a self,
        caller: &'a Caller,
        action: &'a str,
        resource: &'a str,
    ) -> BoxFuture<'a, bool>;
}

/// How a fleet is set up.
#[derive(Clone)]
pub struct Options {
    /// Where the rest of AWS is (MiniStack), plain HTTP: `http://127.0.0.1:4566`.
    pub aws_endpoint: String,
    /// Who may do what.
    pub guard: Arc<dyn Guard>,
    /// Takes whole EventBridge envelopes, in the order in which things happened.
    pub events: UnboundedSender<Value>,
    /// How long things take.
    pub pace: Pace,
}

/// How long things take that take minutes on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two looks of a control plane at what it controls.
    pub tick: Duration,
    /// From the decision to start a task or instance until its images are being pulled.
    pub provision: Duration,
    /// Between two health checks of a target.
    pub health_interval: Duration,
    /// The longest a deregistered target may go on with requests in flight.
    pub drain: Duration,
    /// The longest a server may take to stop before it is killed.
    pub stop_grace: Duration,
    /// Between two looks at alarms.
    pub alarm_poll: Duration,
    /// Between two reports of request counts to CloudWatch.
    pub metric_interval: Duration,
    /// How long one minute of a configuration lasts (bake times, wait times, timeouts).
    pub minute: Duration,
}

impl Pace {
    /// Everything within seconds: for a person who watches.
    #[must_use]
    pub const fn laptop() -> Self {
        Self {
            tick: Duration::from_millis(50),
            provision: Duration::from_millis(300),
            health_interval: Duration::from_millis(250),
            drain: Duration::from_secs(5),
            stop_grace: Duration::from_secs(5),
            alarm_poll: Duration::from_millis(500),
            metric_interval: Duration::from_secs(1),
            minute: Duration::from_secs(4),
        }
    }

    /// As quick as the machine allows: for tests.
    #[must_use]
    pub const fn test() -> Self {
        Self {
            tick: Duration::from_millis(5),
            provision: Duration::from_millis(5),
            health_interval: Duration::from_millis(20),
            drain: Duration::from_secs(2),
            stop_grace: Duration::from_secs(2),
            alarm_poll: Duration::from_millis(20),
            metric_interval: Duration::from_millis(50),
            minute: Duration::from_millis(200),
        }
    }

    /// How long one second of a configuration lasts.
    #[must_use]
    pub fn second(&self) -> Duration {
        self.minute / 60
    }
}
