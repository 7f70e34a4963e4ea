//! Lifts the work for one queue message to a batch: one task per record, partial batch failures.

use std::{fmt::Display, future::Future};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use tokio::task::JoinSet;

/// What becomes of a record whose work did not succeed. Records that end well are simply `Ok`.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Try again; after the queue's `maxReceiveCount` it goes to the dead-letter queue.
    #[error("to be tried again: {0}")]
    Retry(String),
}

impl Failure {
    /// Any error of which trying again may be the cure, or of which the dead-letter queue must keep the evidence.
    pub fn retry(error: impl Display) -> Self {
        Self::Retry(error.to_string())
    }
}

/// Runs `work` on every record's body at once, each in a task of its own: one that fails or panics does not take the
/// others along, and alone is delivered again.
pub async fn each<W, F>(event: SqsEvent, work: W) -> SqsBatchResponse
where
    W: Fn(String) -> F,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut ids = std::collections::HashMap::new();
    for record in event.records {
        let message_id = record.message_id.unwrap_or_default();
        let handle = tasks.spawn(work(record.body.unwrap_or_default()));
        ids.insert(handle.id(), message_id);
    }
    let mut response = SqsBatchResponse::default();
    while let Some(joined) = tasks.join_next_with_id().await {
        let (id, failure) = match joined {
            Ok((_, Ok(()))) => continue,
            Ok((id, Err(failure))) => (id, failure.to_string()),
            Err(panic) => (panic.id(), "the task panicked".to_owned()),
        };
        let message_id = ids.remove(&id).unwrap_or_default();
        tracing::error!(
            queue_message_id = message_id,
            failure,
            "a record failed and will be delivered again"
        );
        response.add_failure(message_id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_bad_record_does_not_take_the_batch_along() {
        let event: SqsEvent = serde_json::from_value(serde_json::json!({"Records": [
            {"messageId": "a", "body": "fine"}, {"messageId": "b", "body": "fails"}, {"messageId": "c", "body": "panics"}, {"messageId": "d"}
        ]}))
        .unwrap();
        let response = each(event, |body| async move {
            match body.as_str() {
                "fails" => Err(Failure::retry("no")),
                "panics" => panic!("poison"),
                _ => Ok(()),
            }
        })
        .await;
        let mut failed: Vec<_> =
            response.batch_item_failures.iter().map(|failure| failure.item_identifier.clone()).collect();
        failed.sort();
        assert_eq!(failed, ["b", "c"]);
    }
}
