//! What a call needs to be granted, in IAM's words: the log of these is what the granted actions are held against.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{call::Subject, http::Request};

/// Action and resource of everything IAM looks at for this request: `dynamodb:PutItem bookbag-Directory`.
///
/// A transaction needs the action of each of its entries, a batch sent to a queue needs what one message does, and a
/// version of an object is another permission than the object.
pub(crate) fn of(subject: &Subject, request: &Request) -> BTreeSet<String> {
    let asked = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let needs: Vec<(String, String)> = match subject.service.as_str() {
        "dynamodb" => dynamodb(&subject.action, &asked),
        "s3" => s3(subject, request),
        "sqs" => {
            let queue = text(&asked["QueueUrl"]).rsplit('/').next().unwrap_or_default().to_owned();
            vec![(subject.action.trim_end_matches("Batch").to_owned(), queue)]
        }
        // A key is named by the caller or by the ciphertext: there is one.
        "kms" => vec![(subject.action.clone(), "key".to_owned())],
        _ => vec![(subject.action.clone(), "*".to_owned())],
    };
    needs.into_iter().map(|(action, resource)| format!("{}:{action} {resource}", subject.service)).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn dynamodb(action: &str, asked: &Value) -> Vec<(String, String)> {
    let need = |action: &str, table: &str| (action.to_owned(), table.to_owned());
    match action {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = asked["RequestItems"].as_object().into_iter().flat_map(|tables| tables.keys());
            tables.map(|table| need(action, table)).collect()
        }
        "TransactWriteItems" => {
            let entries = asked["TransactItems"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_object)
                .flatten();
            entries
                .map(|(kind, entry)| {
                    let action = match kind.as_str() {
                        "Put" => "PutItem",
                        "Update" => "UpdateItem",
                        "Delete" => "DeleteItem",
                        _ => "ConditionCheckItem",
                    };
                    need(action, text(&entry["TableName"]))
                })
                .collect()
        }
        _ => match asked["IndexName"].as_str() {
            Some(index) => vec![need(action, &format!("{}/index/{index}", text(&asked["TableName"])))],
            None => vec![need(action, text(&asked["TableName"]))],
        },
    }
}

fn s3(subject: &Subject, request: &Request) -> Vec<(String, String)> {
    let bucket = request.path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let has_version = || {
        request.query().contains("versionId=")
            || String::from_utf8_lossy(&request.body).contains("<VersionId>")
    };
    let action = match subject.action.as_str() {
        "DeleteObjects" | "DeleteObject" if has_version() => "DeleteObjectVersion",
        "DeleteObjects" => "DeleteObject",
        "ListObjectVersions" => "ListBucketVersions",
        "ListObjectsV2" | "HeadBucket" => "ListBucket",
        "HeadObject" => "GetObject",
        other => other,
    };
    vec![(action.to_owned(), bucket.to_owned())]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(service: &str, action: &str, target: &str, body: &str, expected: &[&str]) {
        let subject = Subject { service: service.into(), action: action.into(), function: "f".into() };
        let request = Request {
            method: "POST".into(),
            target: target.into(),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        assert_eq!(of(&subject, &request), expected.iter().map(|need| (*need).to_owned()).collect());
    }

    #[test]
    fn calls_need_what_iam_looks_at() {
        check("dynamodb", "GetItem", "/", r#"{"TableName":"t"}"#, &["dynamodb:GetItem t"]);
        check(
            "dynamodb",
            "Query",
            "/",
            r#"{"TableName":"t","IndexName":"i"}"#,
            &["dynamodb:Query t/index/i"],
        );
        let transaction = json!({"TransactItems": [
            {"Put": {"TableName": "t"}}, {"Update": {"TableName": "t"}}, {"Delete": {"TableName": "u"}}, {"ConditionCheck": {"TableName": "t"}},
        ]});
        let needs = [
            "dynamodb:ConditionCheckItem t",
            "dynamodb:DeleteItem u",
            "dynamodb:PutItem t",
            "dynamodb:UpdateItem t",
        ];
        check("dynamodb", "TransactWriteItems", "/", &transaction.to_string(), &needs);
        let batch = r#"{"RequestItems":{"t":{},"u":{}}}"#;
        check(
            "dynamodb",
            "BatchGetItem",
            "/",
            batch,
            &["dynamodb:BatchGetItem t", "dynamodb:BatchGetItem u"],
        );
        check("sqs", "SendMessageBatch", "/", r#"{"QueueUrl":"http://h/0/q"}"#, &["sqs:SendMessage q"]);
        check("s3", "ListObjectVersions", "/b?versions", "", &["s3:ListBucketVersions b"]);
        let versions = "<Delete><Object><Key>k</Key><VersionId>v</VersionId></Object></Delete>";
        check("s3", "DeleteObjects", "/b/?delete", versions, &["s3:DeleteObjectVersion b"]);
        check("kms", "Decrypt", "/", "{}", &["kms:Decrypt key"]);
        check("ses", "SendBulkEmail", "/v2/email/outbound-bulk-emails", "{}", &["ses:SendBulkEmail *"]);
    }
}
