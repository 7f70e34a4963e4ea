//! The calls that one piece of work has caused, from the tap's call log.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    error::Result,
    stack::{Stack, eventually},
    tap::Call,
};

/// Far longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_mins(5);
/// People and links, as the directory's sort keys call them.
const DIRECTORY: [&str; 2] = ["PER", "LNK"];
/// The function that answers staff: it is also who answers when somebody only watches.
const WATCHED: &str = "staff-api";

/// Calls of the functions.
#[derive(Debug)]
pub struct Traffic {
    calls: Vec<Call>,
}

impl Traffic {
    /// Does something, waits until what it set going has settled (`what` says how it looks then), and returns its result
    /// with the calls it caused. What the API does once `act` is over is watching and not counted.
    pub async fn of<T>(
        stack: &Stack,
        what: &str,
        act: impl AsyncFnOnce() -> Result<T>,
        settled: impl AsyncFn(&T) -> Result<bool>,
    ) -> Result<(T, Self)> {
        let before = stack.mark().await?.calls;
        let result = act().await?;
        let asked = stack.mark().await?.calls;
        eventually(what, DEADLINE, async || Ok(settled(&result).await?.then_some(()))).await?;
        Ok((result, Self::new(stack.calls(before, "").await?, asked)))
    }

    fn new(mut calls: Vec<Call>, asked: u64) -> Self {
        calls.retain(|call| {
            let is_ours = call.function != "runner" && call.function != "presigned";
            is_ours && (call.seq <= asked || call.function != WATCHED)
        });
        Self { calls }
    }

    /// How many calls there were.
    pub fn count(&self) -> u64 {
        self.calls.len() as u64
    }

    /// How often which function called which action of which service.
    pub fn by_action(&self) -> BTreeMap<String, u64> {
        self.calls.iter().fold(BTreeMap::new(), |mut counts, call| {
            *counts.entry(format!("{} {} {}", call.function, call.service, call.action)).or_default() += 1;
            counts
        })
    }

    /// The calls of one function.
    pub fn only(&self, function: &str) -> Self {
        Self { calls: self.calls.iter().filter(|call| call.function == function).cloned().collect() }
    }

    /// Items written: people and links, and everything else.
    pub fn writes(&self) -> (u64, u64) {
        let done = self.calls.iter().filter(|call| (200..300).contains(&call.status));
        done.flat_map(|call| &call.writes).fold((0, 0), |(directory, other), (word, count)| {
            let count = *count as u64;
            if DIRECTORY.contains(&word.as_str()) {
                (directory + count, other)
            } else {
                (directory, other + count)
            }
        })
    }
}

/// Whether nothing waits in these queues and nobody works on anything from them.
pub async fn empty(stack: &Stack, queues: &[&str]) -> Result<bool> {
    for queue in queues {
        if stack.sqs_depth(queue).await? != (0, 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(seq: u64, function: &str, action: &str, status: u16, writes: &[(&str, usize)]) -> Call {
        let writes: BTreeMap<&str, usize> = writes.iter().copied().collect();
        serde_json::from_value(json!({
            "seq": seq, "at": "", "function": function, "service": "dynamodb", "action": action, "status": status,
            "request_bytes": 0, "response_bytes": 0, "writes": writes,
        }))
        .expect("it is a call")
    }

    #[test]
    fn watching_and_arranging_are_not_counted() {
        let calls = vec![
            call(1, "staff-api", "PutItem", 200, &[]),
            call(2, "runner", "GetItem", 200, &[]),
            call(3, "presigned", "PutObject", 200, &[]),
            call(4, "staff-api", "GetItem", 200, &[]),
            call(5, "message-send", "GetItem", 200, &[]),
        ];
        let traffic = Traffic::new(calls, 3);
        assert_eq!(traffic.count(), 2);
        assert_eq!(traffic.only("message-send").count(), 1);
        let expected = ["message-send dynamodb GetItem", "staff-api dynamodb PutItem"];
        assert_eq!(traffic.by_action(), BTreeMap::from(expected.map(|call| (call.to_owned(), 1))));
    }

    #[test]
    fn writes_that_failed_wrote_nothing() {
        let calls = vec![
            call(1, "upload-ingest", "TransactWriteItems", 200, &[("PER", 3), ("LNK", 2), ("SCHOOL", 1)]),
            call(2, "upload-ingest", "TransactWriteItems", 400, &[("PER", 3)]),
            call(3, "upload-ingest", "UpdateItem", 200, &[("UPL", 1)]),
        ];
        assert_eq!(Traffic::new(calls, 9).writes(), (5, 2));
    }
}
