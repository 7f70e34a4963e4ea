//! The call log: who called what, how large it was and what came of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    http::{Request, Response, pair},
    needs,
};
use crate::cloud::ROOT_KEY;

/// One call that passed the tap.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// Position in the log, from 1.
    pub seq: u64,
    /// When the answer was ready, RFC 3339 UTC.
    pub at: String,
    /// Who called: a function's name, `runner` (the root key) or `presigned`.
    pub function: String,
    /// Service as IAM spells it, such as `dynamodb`.
    pub service: String,
    /// Action, such as `GetItem`.
    pub action: String,
    /// HTTP status of the answer; 0 when a fault let none through.
    pub status: u16,
    /// Size of the request body.
    pub request_bytes: usize,
    /// Size of the response body.
    pub response_bytes: usize,
    /// Entries of a batch or transaction, or items a query returned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub items: Option<usize>,
    /// Items that a `DynamoDB` call asks to write, by the first word of their sort key (`PER`, `LNK`, `SCHOOL`). What a
    /// transaction only checks is not counted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub writes: BTreeMap<String, usize>,
    /// What IAM was asked for: action and resource, such as `dynamodb:PutItem bookbag-Directory`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub needs: BTreeSet<String>,
    /// Capacity units, when the caller asked for them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub capacity: Option<f64>,
    /// The fault that was put in its way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<String>,
    /// The start of path and request body: what `contains` looks at. Never handed out.
    #[serde(skip)]
    pub(crate) text: String,
}

/// What a request is, before it has an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) service: String,
    pub(crate) action: String,
    pub(crate) function: String,
}

/// Names a request. `functions` maps access key ids of role sessions to function names.
pub(crate) fn subject(request: &Request, functions: &HashMap<String, String>) -> Subject {
    let authorization = request.header("authorization");
    let credential = authorization
        .as_deref()
        .and_then(|value| value.split_once("Credential="))
        .and_then(|(_, rest)| rest.split(',').next().map(str::to_owned));
    let presigned = credential.is_none().then(|| pair(request.query(), "X-Amz-Credential")).flatten();
    let scope = credential.as_ref().or(presigned.as_ref()).cloned().unwrap_or_default();
    let mut parts = scope.split('/');
    let key = parts.next().unwrap_or_default();
    let service = parts.nth(2).unwrap_or("unknown").to_owned();
    let function = if presigned.is_some() {
        "presigned".to_owned()
    } else if key == ROOT_KEY {
        "runner".to_owned()
    } else {
        functions.get(key).cloned().unwrap_or_else(|| key.to_owned())
    };
    let action = action(request, &service);
    Subject { service, action, function }
}

fn action(request: &Request, service: &str) -> String {
    if let Some(target) = request.header("x-amz-target") {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    let method = request.method.as_str();
    let path = request.path();
    match service {
        "s3" => s3_action(method, path, request.query()),
        "ses" if path.starts_with("/v2/email/") => ses_action(method, &path["/v2/email/".len()..]),
        "lambda" if path.ends_with("/invocations") => "Invoke".to_owned(),
        "scheduler" if path.starts_with("/schedules") => match method {
            "POST" => "CreateSchedule".to_owned(),
            "PUT" => "UpdateSchedule".to_owned(),
            "DELETE" => "DeleteSchedule".to_owned(),
            _ if path.trim_end_matches('/') == "/schedules" => "ListSchedules".to_owned(),
            _ => "GetSchedule".to_owned(),
        },
        _ => std::str::from_utf8(&request.body)
            .ok()
            .and_then(|form| pair(form, "Action"))
            .or_else(|| pair(request.query(), "Action"))
            .unwrap_or_else(|| format!("{method} {path}")),
    }
}

fn s3_action(method: &str, path: &str, query: &str) -> String {
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let is_object = path.trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    match (method, is_object) {
        ("POST", _) if has("delete") => "DeleteObjects",
        ("POST", true) if has("uploads") => "CreateMultipartUpload",
        ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
        ("PUT", true) if has("partNumber") => "UploadPart",
        ("PUT", true) if has("tagging") => "PutObjectTagging",
        ("PUT", true) => "PutObject",
        ("GET", true) if has("tagging") => "GetObjectTagging",
        ("GET", true) => "GetObject",
        ("HEAD", true) => "HeadObject",
        ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        ("GET", false) if has("versions") => "ListObjectVersions",
        ("GET", false) if has("uploads") => "ListMultipartUploads",
        ("GET", false) if path == "/" => "ListBuckets",
        ("GET", false) => "ListObjectsV2",
        ("HEAD", false) => "HeadBucket",
        ("PUT", false) => "CreateBucket",
        ("DELETE", false) => "DeleteBucket",
        _ => return format!("{method} {path}"),
    }
    .to_owned()
}

fn ses_action(method: &str, path: &str) -> String {
    let first = path.trim_end_matches('/');
    match (method, first) {
        ("POST", "outbound-emails") => "SendEmail",
        ("POST", "outbound-bulk-emails") => "SendBulkEmail",
        ("GET", "account") => "GetAccount",
        ("GET", "suppression/addresses") => "ListSuppressedDestinations",
        ("PUT", "suppression/addresses") => "PutSuppressedDestination",
        ("GET", path) if path.starts_with("suppression/addresses/") => "GetSuppressedDestination",
        ("DELETE", path) if path.starts_with("suppression/addresses/") => "DeleteSuppressedDestination",
        _ => return format!("{method} /v2/email/{first}"),
    }
    .to_owned()
}

/// Entries of a batch in the request, or the items a query returned.
pub(crate) fn items(action: &str, request: &Value, response: &Value) -> Option<usize> {
    let tables = || request["RequestItems"].as_object().map(|tables| tables.values());
    match action {
        "BatchGetItem" => Some(tables()?.filter_map(|table| table["Keys"].as_array()).map(Vec::len).sum()),
        "BatchWriteItem" => Some(tables()?.filter_map(Value::as_array).map(Vec::len).sum()),
        "TransactWriteItems" | "TransactGetItems" => request["TransactItems"].as_array().map(Vec::len),
        "SendMessageBatch" | "DeleteMessageBatch" => request["Entries"].as_array().map(Vec::len),
        "SendBulkEmail" => request["BulkEmailEntries"].as_array().map(Vec::len),
        "Query" | "Scan" => response["Count"].as_u64().and_then(|count| usize::try_from(count).ok()),
        _ => None,
    }
}

/// Items that a request writes, by the first word of their sort key.
pub(crate) fn writes(action: &str, request: &Value) -> BTreeMap<String, usize> {
    let keys: Vec<&Value> = match action {
        "PutItem" => vec![&request["Item"]],
        "UpdateItem" | "DeleteItem" => vec![&request["Key"]],
        "TransactWriteItems" => {
            let items = request["TransactItems"].as_array().into_iter().flatten();
            items.filter_map(written).collect()
        }
        "BatchWriteItem" => {
            let tables = request["RequestItems"].as_object().into_iter().flat_map(|tables| tables.values());
            tables.filter_map(Value::as_array).flatten().filter_map(written).collect()
        }
        _ => Vec::new(),
    };
    keys.into_iter().fold(BTreeMap::new(), |mut counts, key| {
        let sort_key = key["sk"]["S"].as_str().unwrap_or_default();
        let word = sort_key.split('#').next().unwrap_or_default();
        *counts.entry(word.to_owned()).or_default() += 1;
        counts
    })
}

/// What holds the key of one write of a transaction or batch; `None` for a check.
fn written(entry: &Value) -> Option<&Value> {
    [("Put", "Item"), ("Update", "Key"), ("Delete", "Key"), ("PutRequest", "Item"), ("DeleteRequest", "Key")]
        .iter()
        .find_map(|(kind, member)| entry.get(kind).map(|write| &write[member]))
}

/// Capacity units of an answer, summed over its tables.
pub(crate) fn capacity(response: &Value) -> Option<f64> {
    match &response["ConsumedCapacity"] {
        Value::Array(tables) => Some(tables.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum()),
        one => one["CapacityUnits"].as_f64(),
    }
}

/// How much of each request the log keeps for `contains`.
const TEXT_PER_CALL: usize = 64 * 1024;
/// How much it keeps of all of them: beyond this the oldest calls can no longer be found by their text.
const TEXT_IN_ALL: usize = 128 * 1024 * 1024;

/// The text of a request that `contains` looks at.
pub(crate) fn text(request: &Request) -> String {
    let body = &request.body[..request.body.len().min(TEXT_PER_CALL)];
    format!("{}\n{}", request.target, String::from_utf8_lossy(body))
}

/// All calls so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    calls: Vec<Call>,
    text_bytes: usize,
    /// Calls before this one have lost their text.
    forgotten: usize,
}

impl Log {
    pub(crate) fn push(
        &mut self,
        subject: Subject,
        request: &Request,
        response: Option<&Response>,
        fault: Option<String>,
    ) -> u64 {
        let asked = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let answered =
            response.and_then(|answer| serde_json::from_slice(&answer.body).ok()).unwrap_or(Value::Null);
        let seq = self.calls.len() as u64 + 1;
        let text = text(request);
        self.text_bytes += text.len();
        self.calls.push(Call {
            seq,
            at: jiff::Timestamp::now().to_string(),
            items: items(&subject.action, &asked, &answered),
            writes: writes(&subject.action, &asked),
            needs: needs::of(&subject, request),
            capacity: capacity(&answered),
            function: subject.function,
            service: subject.service,
            action: subject.action,
            status: response.map_or(0, |answer| answer.status),
            request_bytes: request.body.len(),
            response_bytes: response.map_or(0, |answer| answer.body.len()),
            fault,
            text,
        });
        while self.text_bytes > TEXT_IN_ALL && self.forgotten < self.calls.len() {
            let oldest = &mut self.calls[self.forgotten];
            self.text_bytes -= oldest.text.len();
            oldest.text = String::new();
            self.forgotten += 1;
        }
        seq
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Calls after `since` whose path or body holds `contains`.
    pub(crate) fn list(&self, since: u64, contains: &str) -> Vec<&Call> {
        let skip = usize::try_from(since).unwrap_or(usize::MAX).min(self.calls.len());
        self.calls[skip..].iter().filter(|call| contains.is_empty() || call.text.contains(contains)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request {
        Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn signed(service: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=ASIAX/20260101/eu-west-2/{service}/aws4_request, SignedHeaders=host"
        )
    }

    fn named(request: &Request) -> (String, String, String) {
        let functions = HashMap::from([("ASIAX".to_owned(), "staff-api".to_owned())]);
        let Subject { service, action, function } = subject(request, &functions);
        (function, service, action)
    }

    fn check(service: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &str, action: &str) {
        let authorization = signed(service);
        let mut all = vec![("Authorization", authorization.as_str())];
        all.extend_from_slice(headers);
        let found = named(&request(method, target, &all, body));
        assert_eq!(found, ("staff-api".to_owned(), service.to_owned(), action.to_owned()));
    }

    #[test]
    fn every_protocol_has_its_action() {
        check("dynamodb", "POST", "/", &[("X-Amz-Target", "DynamoDB_20120810.GetItem")], "{}", "GetItem");
        check("sqs", "POST", "/", &[("x-amz-target", "AmazonSQS.SendMessage")], "{}", "SendMessage");
        check("sns", "POST", "/", &[], "Action=Publish&PhoneNumber=%2B447700900001", "Publish");
        check("ses", "POST", "/v2/email/outbound-bulk-emails", &[], "{}", "SendBulkEmail");
        check("ses", "PUT", "/v2/email/suppression/addresses", &[], "{}", "PutSuppressedDestination");
        check("s3", "GET", "/bucket/a/b?x-id=GetObject", &[], "", "GetObject");
        check("s3", "GET", "/bucket?versions&prefix=a", &[], "", "ListObjectVersions");
        check("s3", "DELETE", "/bucket/a?versionId=1", &[], "", "DeleteObject");
        check("s3", "GET", "/bucket/?list-type=2", &[], "", "ListObjectsV2");
        check("lambda", "POST", "/2015-03-31/functions/f/invocations", &[], "{}", "Invoke");
    }

    #[test]
    fn a_presigned_request_says_so() {
        let target = "/bucket/key?X-Amz-Credential=ASIAX%2F20260101%2Feu-west-2%2Fs3%2Faws4_request";
        let found = named(&request("PUT", target, &[], "x"));
        assert_eq!(found, ("presigned".to_owned(), "s3".to_owned(), "PutObject".to_owned()));
    }

    #[test]
    fn batches_count_their_entries() {
        let get = json!({"RequestItems": {"a": {"Keys": [1, 2]}, "b": {"Keys": [3]}}});
        assert_eq!(items("BatchGetItem", &get, &Value::Null), Some(3));
        let write = json!({"RequestItems": {"a": [1, 2]}});
        assert_eq!(items("BatchWriteItem", &write, &Value::Null), Some(2));
        assert_eq!(items("Query", &Value::Null, &json!({"Count": 7})), Some(7));
        assert_eq!(items("GetItem", &Value::Null, &Value::Null), None);
    }

    #[test]
    fn writes_are_counted_by_kind_of_item_and_checks_are_not() {
        let at = |sk: &str| json!({"pk": {"S": "SCH#x"}, "sk": {"S": sk}});
        let transaction = json!({"TransactItems": [
            {"Put": {"Item": at("PER#1")}}, {"Put": {"Item": at("PER#2")}}, {"Update": {"Key": at("SCHOOL")}},
            {"Delete": {"Key": at("LNK#1#2")}}, {"ConditionCheck": {"Key": at("SCHOOL")}},
        ]});
        let counts = |words: &[(&str, usize)]| words.iter().map(|(w, n)| ((*w).to_owned(), *n)).collect();
        assert_eq!(
            writes("TransactWriteItems", &transaction),
            counts(&[("PER", 2), ("LNK", 1), ("SCHOOL", 1)])
        );
        assert_eq!(writes("PutItem", &json!({"Item": at("UPL#1")})), counts(&[("UPL", 1)]));
        assert_eq!(writes("UpdateItem", &json!({"Key": at("SCHOOL")})), counts(&[("SCHOOL", 1)]));
        let batch = json!({"RequestItems": {"t": [{"PutRequest": {"Item": at("KEY")}}, {"DeleteRequest": {"Key": at("KEY")}}]}});
        assert_eq!(writes("BatchWriteItem", &batch), counts(&[("KEY", 2)]));
        assert_eq!(writes("GetItem", &json!({"Key": at("PER#1")})), counts(&[]));
    }

    #[test]
    fn capacity_is_summed_over_tables() {
        assert_eq!(capacity(&json!({"ConsumedCapacity": {"CapacityUnits": 1.5}})), Some(1.5));
        let several = json!({"ConsumedCapacity": [{"CapacityUnits": 1.0}, {"CapacityUnits": 2.0}]});
        assert_eq!(capacity(&several), Some(3.0));
        assert_eq!(capacity(&json!({})), None);
    }

    #[test]
    fn the_log_is_filtered_by_position_and_text() {
        let mut log = Log::default();
        let functions = HashMap::new();
        for school in ["sch_a", "sch_b", "sch_a"] {
            let request = request("POST", "/", &[("X-Amz-Target", "X.GetItem")], school);
            log.push(subject(&request, &functions), &request, None, None);
        }
        let seqs =
            |since, contains| log.list(since, contains).iter().map(|call| call.seq).collect::<Vec<_>>();
        assert_eq!(seqs(0, "sch_a"), [1, 3]);
        assert_eq!(seqs(1, ""), [2, 3]);
        assert_eq!(seqs(99, ""), [0; 0]);
    }
}
