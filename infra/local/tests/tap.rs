//! The tap in front of a stand-in service: what the log, the carrier and the faults do to real connections.

use std::{net::Ipv4Addr, time::Duration};

use local::{cloud::free_port, tap::Tap};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

const ANSWER: &str = r#"{"MessageId":"m-1","Items":"0123456789"}"#;

/// A service that answers every request alike and counts them.
async fn service() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                loop {
                    let mut length = 0;
                    loop {
                        let mut line = String::new();
                        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                            return;
                        }
                        if let Some(value) = line.strip_prefix("content-length: ") {
                            length = value.trim().parse().expect("it is a number");
                        }
                        if line == "\r\n" {
                            break;
                        }
                    }
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).await.expect("the body arrives");
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
                    stream.get_mut().write_all(answer.as_bytes()).await.expect("it is taken");
                }
            });
        }
    });
    port
}

struct World {
    tap: Tap,
    http: reqwest::Client,
}

impl World {
    async fn new() -> Self {
        let upstream = service().await;
        let tap = Tap::start(free_port().expect("a port is free"), upstream).await.expect("the tap starts");
        let http = reqwest::Client::builder().timeout(Duration::from_millis(400)).build().expect("it builds");
        let world = Self { tap, http };
        world.control(Method::PUT, "functions", Some(json!({"ASIAX": "message-send"}))).await;
        world
    }

    async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("{}/_tap/{path}", self.tap.url()));
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.expect("the tap answers").json().await.expect("it is JSON")
    }

    async fn call(&self, service: &str, target: &str, path: &str, body: &Value) -> reqwest::Result<Response> {
        let scope = format!("ASIAX/20260101/eu-west-2/{service}/aws4_request");
        let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let mut request =
            self.http.post(format!("{}{path}", self.tap.url())).header("authorization", authorization);
        if !target.is_empty() {
            request = request.header("x-amz-target", target);
        }
        request.body(body.to_string()).send().await
    }

    async fn put(&self, text: &str) -> reqwest::Result<Response> {
        self.call("dynamodb", "DynamoDB_20120810.PutItem", "/", &json!({"pk": text})).await
    }

    async fn fault(&self, kind: &str) -> u64 {
        let fault = json!({"match": {"service": "dynamodb", "contains": kind}, "fault": kind});
        self.control(Method::POST, "faults", Some(fault)).await["fault_id"].as_u64().expect("it has an id")
    }
}

#[tokio::test]
async fn calls_are_logged_with_their_caller() {
    let world = World::new().await;
    let answer = world.put("sch_a").await.expect("it answers");
    assert_eq!(answer.text().await.expect("it has a body"), ANSWER);
    world.put("sch_b").await.expect("it answers");
    let calls = world.control(Method::GET, "calls?contains=sch_b", None).await;
    assert_eq!(calls.as_array().map(Vec::len), Some(1));
    let call = &calls[0];
    assert_eq!(
        (&call["function"], &call["action"], &call["status"]),
        (&json!("message-send"), &json!("PutItem"), &json!(200))
    );
    assert_eq!(world.control(Method::GET, "mark", None).await, json!({"calls": 2, "outbox": 0}));
}

#[tokio::test]
async fn every_fault_strikes_once_and_then_lets_through() {
    let world = World::new().await;
    for kind in ["timeout_before", "timeout_after", "reset_before", "reset_after"] {
        let id = world.fault(kind).await;
        assert!(world.put(kind).await.is_err(), "{kind}");
        assert!(world.put(kind).await.is_ok(), "{kind}");
        let state = world.control(Method::GET, &format!("faults/{id}"), None).await;
        assert_eq!(state, json!({"seen": 2, "fired": 1}), "{kind}");
    }
    for (kind, status) in [("throttle", 400), ("error_500", 500)] {
        world.fault(kind).await;
        assert_eq!(world.put(kind).await.expect("it answers").status(), status, "{kind}");
    }
    world.fault("truncate").await;
    let broken = world.put("truncate").await.expect("its head arrives");
    assert!(broken.text().await.is_err());
}

#[tokio::test]
async fn a_fault_taken_away_strikes_no_more() {
    let world = World::new().await;
    let id = world.fault("throttle").await;
    world.control(Method::DELETE, &format!("faults/{id}"), None).await;
    assert_eq!(world.put("throttle").await.expect("it answers").status(), 200);
}

#[tokio::test]
async fn the_carrier_keeps_what_had_an_effect() {
    let world = World::new().await;
    let mail = json!({
        "FromEmailAddress": "o@mail.example.com",
        "Destination": {"ToAddresses": ["a@example.com"]},
        "Content": {"Simple": {"Subject": {"Data": "Trip"}, "Body": {"Text": {"Data": "Boots"}}}},
        "EmailTags": [{"Name": "message", "Value": "msg_1"}],
    });
    let send = || world.call("ses", "", "/v2/email/outbound-emails", &mail);
    for kind in ["reset_before", "reset_after"] {
        let fault = json!({"match": {"action": "SendEmail"}, "fault": kind});
        world.control(Method::POST, "faults", Some(fault)).await;
        assert!(send().await.is_err());
    }
    let rows = world.control(Method::GET, "outbox?contains=msg_1", None).await;
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "only the reset after the effect sent one");
    let row = &rows[0];
    assert_eq!(
        (&row["to"], &row["subject"], &row["text"]),
        (&json!("a@example.com"), &json!("Trip"), &json!("Boots"))
    );
    assert_eq!((&row["message_id"], &row["function"]), (&json!("m-1"), &json!("message-send")));
}

#[tokio::test]
async fn control_calls_that_make_no_sense_are_refused() {
    let world = World::new().await;
    let answer = world.control(Method::POST, "faults", Some(json!({"fault": "sunshine"}))).await;
    assert!(answer["detail"].is_string());
    let answer = world.control(Method::GET, "faults/99", None).await;
    assert!(answer["detail"].is_string());
}
