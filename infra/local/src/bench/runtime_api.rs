//! A Runtime API for one process: hands out the events it was given, notes what came of each, and then lets the function wait.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use crate::{
    error::{Context, Result},
    tap::http::{Response, read_request, response_bytes},
};

/// What the function made of one event.
#[derive(Debug, Clone)]
pub struct Answer {
    /// From handing the event out to having the answer.
    pub took: Duration,
    /// The answer as sent.
    pub body: Vec<u8>,
}

/// What has been asked and answered.
#[derive(Debug, Default)]
struct Served {
    /// How often the function has asked for an event.
    asked: usize,
    /// When it was given the one it is at.
    since: Option<Instant>,
    answers: Vec<Answer>,
}

/// A running Runtime API; it ends when this is dropped.
#[derive(Debug)]
pub struct RuntimeApi {
    address: SocketAddr,
    served: watch::Receiver<Served>,
    events: usize,
    task: JoinHandle<()>,
}

impl RuntimeApi {
    /// Listens on a port of its own.
    pub async fn start(events: Vec<Value>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .setup("no port for a Runtime API can be had")?;
        let address = listener.local_addr().setup("no port for a Runtime API can be had")?;
        let (record, served) = watch::channel(Served::default());
        let number = events.len();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (record, events) = (record.clone(), events.clone());
                tokio::spawn(async move { serve(stream, &record, &events).await });
            }
        });
        Ok(Self { address, served, events: number, task })
    }

    /// What `AWS_LAMBDA_RUNTIME_API` holds.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Until the function has answered every event and waits for another.
    pub async fn waiting(&mut self) {
        let events = self.events;
        // The sender lives as long as the listening task, which only ends with this value.
        let _ = self.served.wait_for(|served| served.asked > events).await;
    }

    /// The answers so far, in the order of the events.
    pub fn answers(&self) -> Vec<Answer> {
        self.served.borrow().answers.clone()
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection. A broken one says that the process has ended, which its holder notices.
async fn serve(stream: TcpStream, record: &watch::Sender<Served>, events: &[Value]) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Ok(Some(request)) = read_request(&mut reader, &mut writer).await {
        let now = Instant::now();
        let is_next = request.path().ends_with("/invocation/next");
        let response = if is_next {
            let mut number = 0;
            record.send_modify(|served| {
                number = served.asked;
                served.asked += 1;
            });
            let Some(event) = events.get(number) else {
                // The function waits, as it does between two events.
                std::future::pending::<()>().await;
                return;
            };
            Response::json(200, event)
                .with_header("lambda-runtime-aws-request-id", &format!("event-{number}"))
                .with_header("lambda-runtime-deadline-ms", "4102444800000")
                .with_header(
                    "lambda-runtime-invoked-function-arn",
                    "arn:aws:lambda:eu-west-2:000000000000:function:bench",
                )
        } else {
            record.send_modify(|served| {
                if let Some(since) = served.since.take() {
                    served.answers.push(Answer { took: now - since, body: request.body });
                }
            });
            Response::json(202, &serde_json::json!({"status": "OK"}))
        };
        let bytes = response_bytes(&response, &request.method);
        if is_next {
            record.send_modify(|served| served.since = Some(Instant::now()));
        }
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_function_is_waiting_once_it_asks_for_more_than_there_is() {
        let mut api = RuntimeApi::start(vec![json!({"a": 1})]).await.expect("it starts");
        let url = format!("http://{}/2018-06-01/runtime/invocation", api.address());
        let client = reqwest::Client::new();
        let event = client.get(format!("{url}/next")).send().await.expect("it answers");
        assert_eq!(event.headers()["lambda-runtime-aws-request-id"], "event-0");
        assert_eq!(event.json::<Value>().await.expect("it is JSON"), json!({"a": 1}));
        let done =
            client.post(format!("{url}/event-0/response")).body("{}").send().await.expect("it answers");
        assert_eq!(done.status(), 202);
        let answers = api.answers();
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].body, b"{}");
        let next = tokio::spawn(client.get(format!("{url}/next")).send());
        tokio::time::timeout(Duration::from_secs(10), api.waiting()).await.expect("it waits");
        next.abort();
    }
}
