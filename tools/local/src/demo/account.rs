//! The AWS account of the demo, called as a person with the AWS CLI would call it: signed requests
//! to the gateway, in AWS's own protocols. What is called for is decided elsewhere.

use anyhow::{Context, Result};
use gateway::{Emulator, Place, Signer};
use http::Request;
use serde_json::Value;

use crate::{ministack::ROOT_SECRET, system::System};

/// Calls AWS in somebody's name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Account {
    emulator: Emulator,
    signer: Signer,
    home: Place,
}

/// What a function answered to an `Invoke`.
#[derive(Debug, Clone, PartialEq)]
pub struct Invoked {
    /// What it returned, or the error's JSON.
    pub payload: Value,
    /// `Unhandled` when it failed (header `X-Amz-Function-Error`).
    pub error: Option<String>,
}

impl Account {
    /// As the root of the account that the stack lives in.
    ///
    /// # Errors
    /// When the gateway's address is none.
    pub fn root(system: &System) -> Result<Self> {
        Self::at(&system.endpoint(), system.home().clone())
    }

    /// The same, of a system that runs in another process.
    ///
    /// # Errors
    /// When the address is none.
    pub fn at(endpoint: &str, home: Place) -> Result<Self> {
        let address = endpoint.trim_start_matches("http://").parse();
        let address = address.with_context(|| format!("{endpoint} is no address"))?;
        let emulator = Emulator::new(address, ROOT_SECRET);
        let signer = emulator.root(&home);
        Ok(Self {
            emulator,
            signer,
            home,
        })
    }

    /// The same account in somebody else's name.
    #[must_use]
    pub fn signed_by(&self, signer: Signer) -> Self {
        Self {
            signer,
            ..self.clone()
        }
    }

    /// Where it is.
    #[must_use]
    pub fn home(&self) -> &Place {
        &self.home
    }

    /// An operation of ECS.
    ///
    /// # Errors
    /// When it is refused, or nobody answers.
    pub async fn ecs(&self, operation: &str, input: Value) -> Result<Value> {
        self.json(
            "ecs",
            "AmazonEC2ContainerServiceV20141113",
            operation,
            input,
        )
        .await
    }

    /// An operation of CodeDeploy.
    ///
    /// # Errors
    /// When it is refused, or nobody answers.
    pub async fn codedeploy(&self, operation: &str, input: Value) -> Result<Value> {
        self.json("codedeploy", "CodeDeploy_20141006", operation, input)
            .await
    }

    /// An operation of ECR.
    ///
    /// # Errors
    /// When it is refused, or nobody answers.
    pub async fn ecr(&self, operation: &str, input: Value) -> Result<Value> {
        self.json(
            "ecr",
            "AmazonEC2ContainerRegistry_V20150921",
            operation,
            input,
        )
        .await
    }

    /// An operation of CloudWatch.
    ///
    /// # Errors
    /// When it is refused, or nobody answers.
    pub async fn cloudwatch(&self, operation: &str, input: Value) -> Result<Value> {
        self.json(
            "monitoring",
            "GraniteServiceVersion20100801",
            operation,
            input,
        )
        .await
    }

    /// An operation of EventBridge.
    ///
    /// # Errors
    /// When it is refused, or nobody answers.
    pub async fn events(&self, operation: &str, input: Value) -> Result<Value> {
        self.json("events", "AWSEvents", operation, input).await
    }

    /// An operation of DynamoDB.
    ///
    /// # Errors
    /// When it is refused, or nobody answers.
    pub async fn dynamodb(&self, operation: &str, input: Value) -> Result<Value> {
        self.json("dynamodb", "DynamoDB_20120810", operation, input)
            .await
    }

    /// An operation of Secrets Manager.
    ///
    /// # Errors
    /// When it is refused, or nobody answers.
    pub async fn secrets(&self, operation: &str, input: Value) -> Result<Value> {
        self.json("secretsmanager", "secretsmanager", operation, input)
            .await
    }

    /// An operation of SQS.
    ///
    /// # Errors
    /// When it is refused, or nobody answers.
    pub async fn sqs(&self, operation: &str, input: Value) -> Result<Value> {
        self.json("sqs", "AmazonSQS", operation, input).await
    }

    /// An operation of IAM, SNS or STS; gives the answer's XML.
    ///
    /// # Errors
    /// When it is refused, or nobody answers.
    pub async fn query(
        &self,
        service: &str,
        operation: &str,
        parameters: &[(&str, &str)],
    ) -> Result<String> {
        let action = [("Action", operation)];
        let all: Vec<_> = action.iter().chain(parameters).copied().collect();
        let answer = self.emulator.query_as(&self.signer, service, &all).await;
        answer.with_context(|| format!("failed to call {service} {operation}"))
    }

    /// Invokes a function and waits for its answer.
    ///
    /// # Errors
    /// When Lambda refuses, or nobody answers. That the function failed is no error here.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Invoked> {
        let request = Request::post(format!("/2015-03-31/functions/{function}/invocations"))
            .body(event.to_string().into_bytes())?;
        let sent = self.emulator.send(&self.signer, "lambda", request).await;
        let (parts, body) = sent.with_context(|| format!("failed to invoke {function}"))?;
        let text = String::from_utf8_lossy(&body);
        anyhow::ensure!(
            parts.status.is_success(),
            "Lambda refuses {function}: {text}"
        );
        let error = parts.headers.get("x-amz-function-error");
        Ok(Invoked {
            payload: serde_json::from_str(&text).unwrap_or(Value::Null),
            error: error.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned()),
        })
    }

    async fn json(
        &self,
        service: &str,
        protocol: &str,
        operation: &str,
        input: Value,
    ) -> Result<Value> {
        let target = format!("{protocol}.{operation}");
        let answer = self.emulator.json(&self.signer, service, &target, &input);
        answer
            .await
            .with_context(|| format!("failed to call {service} {operation}"))
    }
}
