//! Smoke checks: a plain GET each, all at the same time, and what came instead of what was wanted.

use std::time::Duration;

use domain::config::SmokeCheck;
use reqwest::Client;

/// How long one check may take.
const CHECK_WITHIN: Duration = Duration::from_secs(10);

/// Makes all checks; those that failed come back as the address and what it did.
pub(crate) async fn check(checks: &[SmokeCheck]) -> Vec<(String, String)> {
    let client = match Client::builder().timeout(CHECK_WITHIN).build() {
        Ok(client) => client,
        Err(error) => return vec![("every check".to_owned(), format!("cannot be made: {error}"))],
    };
    let mut running = Vec::new();
    for check in checks {
        let (client, check) = (client.clone(), check.clone());
        running.push(tokio::spawn(async move { one(&client, &check).await }));
    }
    let mut failed = Vec::new();
    for (check, outcome) in checks.iter().zip(running) {
        let outcome = outcome
            .await
            .unwrap_or_else(|error| Err(format!("broke off: {error}")));
        if let Err(what) = outcome {
            failed.push((check.url.clone(), what));
        }
    }
    failed
}

async fn one(client: &Client, check: &SmokeCheck) -> Result<(), String> {
    let answer = client.get(&check.url).send().await;
    let answer = answer.map_err(|error| format!("did not answer: {}", error.without_url()))?;
    let status = answer.status().as_u16();
    if status != check.status {
        return Err(format!("answered {status} instead of {}", check.status));
    }
    let Some(wanted) = &check.contains else {
        return Ok(());
    };
    let body = answer
        .text()
        .await
        .map_err(|error| format!("broke off: {}", error.without_url()))?;
    if body.contains(wanted) {
        Ok(())
    } else {
        Err(format!("does not contain {wanted:?}"))
    }
}
