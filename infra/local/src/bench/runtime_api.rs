//! A Runtime API for one process: hands out the events it was given and then lets the function wait.

use std::net::{Ipv4Addr, SocketAddr};

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

/// A running Runtime API; it ends when this is dropped.
#[derive(Debug)]
pub struct RuntimeApi {
    address: SocketAddr,
    /// How often the function has asked for an event.
    asked: watch::Receiver<usize>,
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
        let (count, asked) = watch::channel(0);
        let number = events.len();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (count, events) = (count.clone(), events.clone());
                tokio::spawn(async move { serve(stream, &count, &events).await });
            }
        });
        Ok(Self { address, asked, events: number, task })
    }

    /// What `AWS_LAMBDA_RUNTIME_API` holds.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Until the function has answered every event and waits for another.
    pub async fn waiting(&mut self) {
        let events = self.events;
        // The sender lives as long as the listening task, which only ends with this value.
        let _ = self.asked.wait_for(|asked| *asked > events).await;
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection. A broken one says that the process has ended, which its holder notices.
async fn serve(stream: TcpStream, count: &watch::Sender<usize>, events: &[Value]) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Ok(Some(request)) = read_request(&mut reader, &mut writer).await {
        let response = if request.path().ends_with("/invocation/next") {
            let mut number = 0;
            count.send_modify(|asked| {
                number = *asked;
                *asked += 1;
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
            Response::json(202, &serde_json::json!({"status": "OK"}))
        };
        if writer.write_all(&response_bytes(&response, &request.method)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        let next = tokio::spawn(client.get(format!("{url}/next")).send());
        tokio::time::timeout(Duration::from_secs(10), api.waiting()).await.expect("it waits");
        next.abort();
    }
}
