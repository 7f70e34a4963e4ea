//! The queues: tagged, versioned tasks that hold ids and nothing else.

use aws_sdk_sqs::{Client, types::SendMessageBatchRequestEntry};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::{MessageId, RequestId, SchoolId, SupportId, UploadId, VerificationId},
    store::failure::describe,
};

/// Entries in one `SendMessageBatch` call (an SQS quota).
const BATCH: usize = 10;
/// The version of the task format that this build writes and reads.
const VERSION: u32 = 1;

/// One piece of work. A body of another version or shape is an error, and ends in the dead-letter queue as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Apply an upload that somebody approved.
    ApplyUpload {
        /// The tenant.
        school_id: SchoolId,
        /// The upload.
        upload_id: UploadId,
    },
    /// Resolve a message's audience and write its chunks.
    FanOut {
        /// The tenant.
        school_id: SchoolId,
        /// The message.
        message_id: MessageId,
    },
    /// Send one chunk.
    SendChunk {
        /// The tenant.
        school_id: SchoolId,
        /// The message.
        message_id: MessageId,
        /// Which chunk, from 0.
        chunk: u32,
    },
    /// Look at what somebody asked for, and send a one-time code to the registered contact if it fits.
    SendCode {
        /// The attempt.
        verification_id: VerificationId,
    },
    /// A code was entered: tell those who should know.
    TellParents {
        /// The attempt.
        verification_id: VerificationId,
    },
    /// Tell the school's data protection lead that there is a request.
    TellOfRequest {
        /// The tenant.
        school_id: SchoolId,
        /// The request.
        request_id: RequestId,
    },
    /// Send a parent's call for help to the school's support.
    TellOfSupport {
        /// The tenant.
        school_id: SchoolId,
        /// The call.
        support_id: SupportId,
    },
    /// Erase what is due at one school.
    Sweep {
        /// The tenant.
        school_id: SchoolId,
        /// The instant that counts as now.
        now: Timestamp,
        /// Count only.
        dry_run: bool,
    },
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    v: u32,
    #[serde(flatten)]
    task: T,
}

/// A body that is not a task of this version. Its text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// Not JSON, or not a task.
    #[error("the body is not a task")]
    Unreadable,
    /// A version that this build does not know.
    #[error("the task has an unknown version")]
    Version,
}

impl Task {
    /// The body as queued.
    ///
    /// # Panics
    /// Never: tasks are plain ids and numbers.
    pub fn to_body(&self) -> String {
        serde_json::to_string(&Envelope { v: VERSION, task: self }).expect("tasks can be written as JSON")
    }

    /// Reads a body.
    pub fn from_body(body: &str) -> Result<Self, TaskError> {
        let mut value: serde_json::Value = serde_json::from_str(body).map_err(|_| TaskError::Unreadable)?;
        let version =
            value.as_object_mut().and_then(|object| object.remove("v")).ok_or(TaskError::Unreadable)?;
        if version != VERSION {
            return Err(TaskError::Version);
        }
        serde_json::from_value(value).map_err(|_| TaskError::Unreadable)
    }
}

/// A queue did not take a task. Safe to send again.
#[derive(Debug, thiserror::Error)]
#[error("the queue did not take the task: {0}")]
pub struct QueueError(String);

/// The sender's side of the queues.
#[derive(Clone, Debug)]
pub struct Queues {
    client: Client,
}

impl Queues {
    /// Over an SQS client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Sends tasks of one school, ten to a call. The school's id is the message group, so that SQS shares workers fairly
    /// between schools. After an error some may have been sent: every task may arrive twice.
    pub async fn send(&self, url: &str, group: &str, tasks: &[Task]) -> Result<(), QueueError> {
        for some in tasks.chunks(BATCH) {
            let entries = some.iter().enumerate().map(|(index, task)| {
                SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(task.to_body())
                    .message_group_id(group)
                    .build()
            });
            let entries =
                entries.collect::<Result<Vec<_>, _>>().map_err(|error| QueueError(error.to_string()))?;
            let answer =
                self.client.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
            let answer = answer.map_err(|error| QueueError(describe(&error)))?;
            if let Some(refused) = answer.failed.first() {
                return Err(QueueError(format!(
                    "{} of {} entries refused: {}",
                    answer.failed.len(),
                    some.len(),
                    refused.code
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_versioned_and_hold_ids_only() {
        let at = Timestamp::UNIX_EPOCH;
        let task = Task::SendChunk {
            school_id: SchoolId::new(at, &[1; 10]),
            message_id: MessageId::new(at, &[2; 10]),
            chunk: 7,
        };
        insta::assert_snapshot!(task.to_body(), @r#"{"v":1,"task":"send_chunk","school_id":"sch_00000000000071018101010101010101","message_id":"msg_00000000000072028202020202020202","chunk":7}"#);
        assert_eq!(Task::from_body(&task.to_body()), Ok(task));
    }

    #[test]
    fn other_bodies_are_refused() {
        for (body, error) in [
            ("", TaskError::Unreadable),
            ("not json", TaskError::Unreadable),
            ("[]", TaskError::Unreadable),
            (r#"{"task":"fan_out"}"#, TaskError::Unreadable),
            (r#"{"v":2,"task":"fan_out"}"#, TaskError::Version),
            (r#"{"v":1,"task":"other"}"#, TaskError::Unreadable),
            (r#"{"v":1,"task":"send_code","verification_id":"ver_1"}"#, TaskError::Unreadable),
        ] {
            assert_eq!(Task::from_body(body), Err(error), "{body}");
        }
    }
}
