//! The least of AWS that the taking of a claim needs, in memory and the same for every claim: whatever a function's time depends
//! on is then its own. A call that it does not know is refused, so that a function that came to look something up would show.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{
    error::{Context, Result},
    tap::http::{Request, Response, read_request, response_bytes},
};

/// Name of the table of keys, the only one that is read.
pub const KEYS: &str = "keys";

/// A running stand-in; it ends when this is dropped.
#[derive(Debug)]
pub struct StandIn {
    /// What `AWS_ENDPOINT_URL` holds.
    pub url: String,
    task: JoinHandle<()>,
}

impl StandIn {
    /// Listens on a port of its own.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .setup("no port for AWS in memory can be had")?;
        let address = listener.local_addr().setup("no port for AWS in memory can be had")?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        Ok(Self { url: format!("http://{address}"), task })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection. A broken one says that the process has ended, which its holder notices.
async fn serve(stream: TcpStream) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Ok(Some(request)) = read_request(&mut reader, &mut writer).await {
        let response = match answer(&request) {
            Some(body) => Response::json(200, &body),
            None => {
                Response::json(400, &json!({"__type": "ValidationException", "message": "not known here"}))
            }
        };
        if writer.write_all(&response_bytes(&response, &request.method)).await.is_err() {
            return;
        }
    }
}

/// What AWS would say, as far as the function looks at it.
fn answer(request: &Request) -> Option<Value> {
    let text = |text: &str| json!({"S": text});
    let number = |number: &str| json!({"N": number});
    match request.header("x-amz-target")?.as_ref() {
        "DynamoDB_20120810.GetItem" => {
            let body: Value = serde_json::from_slice(&request.body).ok()?;
            let key = json!({"kind": text("data_key"), "wrapped": {"B": "AAAA"}, "retired": {"BOOL": false}});
            (body["TableName"] == KEYS).then(|| json!({"Item": key}))
        }
        "TrentService.Decrypt" => {
            Some(json!({"KeyId": "key", "Plaintext": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}))
        }
        "DynamoDB_20120810.UpdateItem" => Some(json!({"Attributes": {
            "kind": text("counter"), "rule": text("claims"), "subject": text("all"),
            "window": number("1"), "count": number("1"), "ttl": number("1"),
        }})),
        "DynamoDB_20120810.PutItem" => Some(json!({})),
        "AmazonSQS.SendMessageBatch" => Some(json!({
            "Successful": [{"Id": "0", "MessageId": "1", "MD5OfMessageBody": "", "SequenceNumber": "1"}],
            "Failed": [],
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_of_keys_is_read_and_other_calls_are_refused() {
        let asked = |target: &str, body: &str| {
            let headers = vec![("X-Amz-Target".to_owned(), target.as_bytes().to_vec())];
            answer(&Request { method: "POST".into(), target: "/".into(), headers, body: body.into() })
                .is_some()
        };
        assert!(asked("DynamoDB_20120810.GetItem", r#"{"TableName": "keys"}"#));
        assert!(!asked("DynamoDB_20120810.GetItem", r#"{"TableName": "directory"}"#));
        assert!(!asked("DynamoDB_20120810.Query", r#"{"TableName": "keys"}"#));
        assert!(asked("AmazonSQS.SendMessageBatch", "{}"));
    }
}
