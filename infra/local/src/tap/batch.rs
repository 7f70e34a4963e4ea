//! Partial batch failures: the first half of a batch goes through, the second comes back undone.

use serde_json::{Map, Value, json};

use super::http::Response;

/// A batch cut in two.
#[derive(Debug, PartialEq)]
pub(crate) struct Split {
    /// The request for the first half; `None` when it would be empty.
    pub(crate) forward: Option<Value>,
    /// What the answer must say of the second half.
    undone: Undone,
}

#[derive(Debug, PartialEq)]
enum Undone {
    /// A member of the answer that hands the entries back.
    Member(&'static str, Value),
    /// Failed entries of a queue's batch, by id.
    Failed(Vec<Value>),
    /// Results to append to those of a bulk e-mail, whose order is that of its entries.
    Results(Vec<Value>),
}

/// Cuts the request of a batch action; `None` for an action that is not a batch.
pub(crate) fn split(action: &str, request: &Value) -> Option<Split> {
    match action {
        "BatchWriteItem" => Some(split_tables(
            request,
            "UnprocessedItems",
            |table| table.as_array().cloned(),
            |_, rest| Value::Array(rest),
        )),
        "BatchGetItem" => Some(split_tables(
            request,
            "UnprocessedKeys",
            |table| table["Keys"].as_array().cloned(),
            |table, rest| {
                let mut table = table.clone();
                table["Keys"] = Value::Array(rest);
                table
            },
        )),
        "SendMessageBatch" => Some(split_list(request, "Entries", |rest| {
            let failed = |entry: &Value| json!({"Id": entry["Id"], "SenderFault": false, "Code": "InternalError", "Message": "Internal error"});
            Undone::Failed(rest.iter().map(failed).collect())
        })),
        "SendBulkEmail" => Some(split_list(request, "BulkEmailEntries", |rest| {
            let failed = json!({"Status": "TRANSIENT_FAILURE", "Error": "The message could not be sent at this time."});
            Undone::Results(vec![failed; rest.len()])
        })),
        _ => None,
    }
}

fn split_list(request: &Value, member: &str, undone: impl Fn(&[Value]) -> Undone) -> Split {
    let mut forward = request.clone();
    let mut done = request[member].as_array().cloned().unwrap_or_default();
    let rest = done.split_off(done.len() / 2);
    let is_empty = done.is_empty();
    forward[member] = Value::Array(done);
    Split { forward: (!is_empty).then_some(forward), undone: undone(&rest) }
}

/// Every table's entries are cut on their own, so a batch of one entry per table is handed back whole.
fn split_tables(
    request: &Value,
    member: &'static str,
    entries: impl Fn(&Value) -> Option<Vec<Value>>,
    rebuild: impl Fn(&Value, Vec<Value>) -> Value,
) -> Split {
    let (mut kept, mut undone) = (Map::new(), Map::new());
    for (name, table) in request["RequestItems"].as_object().into_iter().flatten() {
        let mut done = entries(table).unwrap_or_default();
        let rest = done.split_off(done.len() / 2);
        if !done.is_empty() {
            kept.insert(name.clone(), rebuild(table, done));
        }
        undone.insert(name.clone(), rebuild(table, rest));
    }
    let mut forward = request.clone();
    let is_empty = kept.is_empty();
    forward["RequestItems"] = Value::Object(kept);
    Split { forward: (!is_empty).then_some(forward), undone: Undone::Member(member, Value::Object(undone)) }
}

impl Split {
    /// The answer to the whole batch, from that to its first half.
    pub(crate) fn answer(self, first: Option<Value>) -> Response {
        let mut answer = first.unwrap_or_else(|| match &self.undone {
            Undone::Member("UnprocessedKeys", _) => json!({"Responses": {}}),
            Undone::Member(..) => json!({}),
            Undone::Failed(_) => json!({"Successful": []}),
            Undone::Results(_) => json!({"BulkEmailEntryResults": []}),
        });
        match self.undone {
            Undone::Member(member, undone) => answer[member] = undone,
            Undone::Failed(failed) => answer["Failed"] = Value::Array(failed),
            Undone::Results(failed) => {
                if let Some(results) = answer["BulkEmailEntryResults"].as_array_mut() {
                    results.extend(failed);
                }
            }
        }
        Response::new(200, "application/x-amz-json-1.0", answer.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(split: Split, first: Option<Value>) -> Value {
        serde_json::from_slice(&split.answer(first).body).expect("it is JSON")
    }

    #[test]
    fn a_write_batch_hands_back_its_second_half() {
        let split =
            split("BatchWriteItem", &json!({"RequestItems": {"t": [1, 2, 3]}})).expect("it is a batch");
        assert_eq!(split.forward, Some(json!({"RequestItems": {"t": [1]}})));
        assert_eq!(answered(split, Some(json!({}))), json!({"UnprocessedItems": {"t": [2, 3]}}));
    }

    #[test]
    fn a_read_batch_of_one_is_handed_back_whole() {
        let request = json!({"RequestItems": {"t": {"Keys": [1], "ConsistentRead": true}}});
        let split = split("BatchGetItem", &request).expect("it is a batch");
        assert_eq!(split.forward, None);
        let expected =
            json!({"Responses": {}, "UnprocessedKeys": {"t": {"Keys": [1], "ConsistentRead": true}}});
        assert_eq!(answered(split, None), expected);
    }

    #[test]
    fn queue_and_mail_batches_fail_by_entry() {
        let queue =
            split("SendMessageBatch", &json!({"Entries": [{"Id": "a"}, {"Id": "b"}]})).expect("a batch");
        let answer = answered(queue, Some(json!({"Successful": [{"Id": "a"}]})));
        assert_eq!(answer["Failed"][0]["Id"], "b");
        let mail = split("SendBulkEmail", &json!({"BulkEmailEntries": [1, 2]})).expect("a batch");
        let answer = answered(mail, Some(json!({"BulkEmailEntryResults": [{"Status": "SUCCESS"}]})));
        assert_eq!(answer["BulkEmailEntryResults"][1]["Status"], "TRANSIENT_FAILURE");
        assert_eq!(split("PutItem", &json!({})), None);
    }
}
