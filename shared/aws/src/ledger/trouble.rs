//! What stands between us and the table, told apart: somebody was faster, not now, or never.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use domain::Commit;
use engine::LedgerError;

use super::items;
use crate::errors::Trouble;

/// What is stored cannot be understood.
pub(super) fn corrupt(error: impl std::fmt::Display) -> LedgerError {
    LedgerError::Corrupt(error.to_string())
}

/// A read that failed: a repeat may succeed, whatever it was, once somebody has set it right.
pub(super) fn read<E>(asked: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> LedgerError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    move |error| LedgerError::Unavailable(Trouble::of(asked, &error).words)
}

/// A transaction that failed. `Ok` when it was done before and only its answer was lost.
pub(super) fn write(
    error: &SdkError<TransactWriteItemsError, HttpResponse>,
    commit: &Commit,
) -> Result<(), LedgerError> {
    let trouble = Trouble::of("dynamodb:TransactWriteItems", error);
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    {
        return cancelled_for(cancelled.cancellation_reasons(), commit, trouble.words);
    }
    // The token was used with other parameters: the transaction of that token was done.
    if trouble.is(&["IdempotentParameterMismatchException"]) {
        return Err(LedgerError::Stale);
    }
    // What DynamoDB cannot take at all, such as an item of more than 400 KB.
    if trouble.is(&[
        "ValidationException",
        "ItemCollectionSizeLimitExceededException",
    ]) {
        return Err(LedgerError::Corrupt(trouble.words));
    }
    Err(LedgerError::Unavailable(trouble.words))
}

fn cancelled_for(
    reasons: &[CancellationReason],
    commit: &Commit,
    words: String,
) -> Result<(), LedgerError> {
    let done = |reason: &CancellationReason| {
        reason
            .item()
            .is_some_and(|item| items::is_left_by(item, commit))
    };
    if reasons.iter().any(done) {
        return Ok(());
    }
    let any = |codes: &[&str]| {
        reasons
            .iter()
            .any(|reason| reason.code().is_some_and(|code| codes.contains(&code)))
    };
    // Losing a race counts more than being throttled: deciding again is right in both cases.
    if any(&["ConditionalCheckFailed", "TransactionConflict"]) {
        return Err(LedgerError::Stale);
    }
    if any(&["ValidationError", "ItemCollectionSizeLimitExceeded"]) {
        let messages: Vec<&str> = reasons
            .iter()
            .filter_map(|reason| reason.message())
            .collect();
        return Err(LedgerError::Corrupt(format!(
            "{words} ({})",
            messages.join("; ")
        )));
    }
    Err(LedgerError::Unavailable(words))
}

#[cfg(test)]
mod tests {
    use domain::config::{Queue, ServiceConfig, Source};
    use domain::fact::{Asked, Request, RequestId};
    use domain::{Fact, Identity, Pipeline, ServiceName, Timestamp, decide};

    use super::*;

    fn commit() -> Commit {
        let service: ServiceName = "web".parse().unwrap();
        let config = ServiceConfig {
            service: service.clone(),
            source: Source::S3 {
                bucket: "b".into(),
                prefix: String::new(),
            },
            queue: Queue::Newest,
            flood_per_minute: 20,
            stages: Vec::new(),
        };
        let fact = Fact::Asked(Asked {
            id: RequestId("request-1".into()),
            by: Identity("arn:aws:iam::111122223333:user/alice".into()),
            request: Request::Configure {
                config: Box::new(config),
                found: Vec::new(),
            },
        });
        let before = Pipeline::new(service);
        let nothing = decide::Recalled::Nothing;
        let decision = decide(&before, &nothing, &fact, Timestamp::UNIX_EPOCH).unwrap();
        Commit::of(&before, decision).unwrap()
    }

    fn came_to(codes: &[&str]) -> Result<(), LedgerError> {
        let reason = |code: &&str| {
            CancellationReason::builder()
                .code(*code)
                .message("why")
                .build()
        };
        let reasons: Vec<CancellationReason> = codes.iter().map(reason).collect();
        cancelled_for(&reasons, &commit(), "cancelled".to_owned())
    }

    #[test]
    fn reasons_are_told_apart() {
        for lost in ["ConditionalCheckFailed", "TransactionConflict"] {
            assert!(matches!(
                came_to(&["None", lost, "ThrottlingError"]),
                Err(LedgerError::Stale)
            ));
        }
        for busy in ["ThrottlingError", "ProvisionedThroughputExceeded"] {
            assert!(matches!(
                came_to(&[busy, "None"]),
                Err(LedgerError::Unavailable(_))
            ));
        }
        for never in ["ValidationError", "ItemCollectionSizeLimitExceeded"] {
            assert!(matches!(
                came_to(&["None", never]),
                Err(LedgerError::Corrupt(_))
            ));
        }
    }

    #[test]
    fn our_own_commit_in_our_way_is_no_race() {
        let commit = commit();
        let reason = CancellationReason::builder()
            .code("ConditionalCheckFailed")
            .set_item(Some(items::snapshot(&commit).unwrap()))
            .build();
        assert!(cancelled_for(&[reason], &commit, String::new()).is_ok());
    }
}
