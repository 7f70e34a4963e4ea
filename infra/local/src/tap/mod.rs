//! The tap: one loopback proxy between the functions and MiniStack. It keeps the call log, plays the carrier and puts
//! faults in the way. Requests pass unchanged (a signature covers host, path and body); it is never in the deployed path.

mod batch;
mod call;
mod carrier;
mod control;
mod events;
mod fault;
pub(crate) mod http;
mod kill;
mod needs;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
    task::JoinHandle,
};

pub use self::{
    call::Call,
    carrier::{Channel, Sent},
    events::{Event, Order, Script, Step, To},
    fault::{Fault, Kind, Match},
};
use self::{
    call::{Log, Subject},
    carrier::Register,
    fault::Faults,
    http::{Request, Response},
};
use crate::{
    aws::{Aws, authorization},
    error::{Context, Error, Result},
    venv::hex,
};

/// Longer than any client waits: after it a call held back by a fault is let go.
const HOLD: Duration = Duration::from_mins(2);

/// A running tap; it stops when this is dropped.
#[derive(Debug)]
pub struct Tap {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    upstream: SocketAddr,
    aws: Aws,
    state: Mutex<State>,
    pub(crate) stop: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) functions: HashMap<String, String>,
    pub(crate) log: Log,
    pub(crate) outbox: Vec<Sent>,
    pub(crate) faults: Faults,
    pub(crate) scripts: Vec<(u64, Script)>,
    pub(crate) register: Register,
    last_script: u64,
}

impl Tap {
    /// Listens on `port` of the loopback interface for calls meant for the emulator on `upstream`.
    pub async fn start(port: u16, upstream: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .setup(format_args!("Port {port} of this machine cannot be used for the tap"))?;
        let shared = Arc::new(Shared {
            upstream: SocketAddr::from((Ipv4Addr::LOCALHOST, upstream)),
            aws: Aws::new(&format!("http://127.0.0.1:{upstream}")),
            state: Mutex::default(),
            stop: Notify::new(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { port, shared, accepting })
    }

    /// Where the tap listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until somebody asks the tap to stop (`POST /_tap/stop`).
    pub async fn stopped(&self) {
        self.shared.stop.notified().await;
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in one connection must not silence the log of all others.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a script in force; with `since`, also plays it for what was sent before.
    pub(crate) fn add_script(self: &Arc<Self>, script: Script) -> Value {
        let mut state = self.lock();
        state.last_script += 1;
        let id = state.last_script;
        if let Some(since) = script.since {
            let earlier: Vec<Sent> = state
                .outbox
                .iter()
                .filter(|sent| sent.seq > since && script.hits(sent, &json!(sent).to_string()))
                .cloned()
                .collect();
            for sent in earlier {
                self.play(script.clone(), sent);
            }
        }
        state.scripts.push((id, script));
        json!({"script_id": id})
    }

    fn play(self: &Arc<Self>, script: Script, sent: Sent) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            pause(script.delay_ms).await;
            for step in script.reports() {
                let (event, with, delay_ms) = step.parts();
                pause(delay_ms).await;
                if let Err(error) = shared.report(event, &sent, with).await {
                    eprintln!("the tap could not report an event: {error}");
                }
            }
        });
    }

    /// Reports one event of one message where AWS would.
    async fn report(&self, event: Event, sent: &Sent, with: &Value) -> Result<()> {
        let now = jiff::Timestamp::now();
        match sent.channel {
            Channel::Email => {
                let entry = json!({
                    "Source": events::SES_SOURCE,
                    "DetailType": event.detail_type(),
                    "Detail": events::ses_detail(event, sent, with, now).to_string(),
                });
                let put = json!({"Entries": [entry]});
                let answer = self.aws.json("events", "AWSEvents.PutEvents", &put).await?;
                // A refused entry comes with status 200.
                if answer["FailedEntryCount"] != 0 {
                    return Err(Error::Failed(format!("the event was not put: {answer}")));
                }
            }
            // SNS writes one record per message: delivered or not.
            Channel::Sms if !matches!(event, Event::Delivery | Event::Bounce) => {}
            Channel::Sms => {
                let (group, record) = events::sns_record(event, sent, with, now);
                let stream = format!("tap-{}", sent.seq);
                // Both exist already when an event is reported twice; only the last call must work.
                let group_body = json!({"logGroupName": group});
                let _ = self.aws.json("logs", "Logs_20140328.CreateLogGroup", &group_body).await;
                let stream_body = json!({"logGroupName": group, "logStreamName": stream});
                let _ = self.aws.json("logs", "Logs_20140328.CreateLogStream", &stream_body).await;
                let line = json!({"timestamp": now.as_millisecond(), "message": record.to_string()});
                let put = json!({"logGroupName": group, "logStreamName": stream, "logEvents": [line]});
                self.aws.json("logs", "Logs_20140328.PutLogEvents", &put).await?;
            }
        }
        Ok(())
    }

    /// Writes down a call and, if the carrier took something, what it took.
    fn record(
        self: &Arc<Self>,
        subject: &Subject,
        request: &Request,
        response: Option<&Response>,
        fault: Option<Kind>,
    ) {
        let mut played = Vec::new();
        {
            let mut state = self.lock();
            let call = state.log.push(subject.clone(), request, response, fault.map(Kind::name));
            if let Some(response) = response.filter(|_| took_effect(fault)) {
                for mut sent in carrier::rows(subject, request, response, call) {
                    sent.seq = state.outbox.len() as u64 + 1;
                    let row = json!(sent).to_string();
                    let scripts = state.scripts.iter().filter(|(_, script)| script.hits(&sent, &row));
                    played.extend(scripts.map(|(_, script)| (script.clone(), sent.clone())));
                    state.outbox.push(sent);
                }
            }
        }
        for (script, sent) in played {
            self.play(script, sent);
        }
    }
}

async fn pause(delay_ms: u64) {
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
}

/// Whether the service saw the call despite the fault.
fn took_effect(fault: Option<Kind>) -> bool {
    !matches!(
        fault,
        Some(Kind::TimeoutBefore | Kind::Throttle | Kind::Error500 | Kind::ResetBefore | Kind::KillBefore)
    )
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let shared = Arc::clone(&shared);
                // How a connection ends is the client's affair: it sees it itself.
                tokio::spawn(async move { drop(Connection::new(stream, peer, shared).serve().await) });
            }
            // Out of file descriptors, for instance: the next connection may fare better.
            Err(_) => pause(50).await,
        }
    }
}

/// One client connection and its own connection to the emulator.
struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    peer: SocketAddr,
    shared: Arc<Shared>,
    upstream: Option<BufReader<TcpStream>>,
}

/// What becomes of the client's connection after a call.
enum After {
    Answer(Response),
    Hold,
    Reset,
    Half(Response),
}

impl Connection {
    fn new(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) -> Self {
        // Small requests and answers follow each other: waiting to fill a packet would only cost time.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer, peer, shared, upstream: None }
    }

    async fn serve(mut self) -> io::Result<()> {
        while let Some(request) = http::read_request(&mut self.reader, &mut self.writer).await? {
            if request.path().starts_with("/_tap/") {
                let response = control::answer(&self.shared, &request);
                self.writer.write_all(&http::response_bytes(&response, &request.method)).await?;
                continue;
            }
            match self.exchange(&request).await {
                After::Answer(response) => {
                    self.writer.write_all(&http::response_bytes(&response, &request.method)).await?;
                }
                After::Hold => {
                    // Until the client gives up and closes, which reads as the end of the stream.
                    let _ = tokio::time::timeout(HOLD, self.reader.read_u8()).await;
                    return Ok(());
                }
                After::Reset => return self.reset(),
                After::Half(response) => {
                    let bytes = http::response_bytes(&response, &request.method);
                    let kept = bytes.len() - response.body.len().div_ceil(2);
                    self.writer.write_all(&bytes[..kept]).await?;
                    return self.writer.shutdown().await;
                }
            }
        }
        Ok(())
    }

    async fn exchange(&mut self, request: &Request) -> After {
        let shared = Arc::clone(&self.shared);
        let (subject, fault) = {
            let mut state = shared.lock();
            let subject = call::subject(request, &state.functions);
            let fault = state.faults.strike(&subject, request);
            (subject, fault)
        };
        let done = |response: Option<&Response>| shared.record(&subject, request, response, fault);
        match fault {
            Some(Kind::TimeoutBefore) => {
                done(None);
                return After::Hold;
            }
            Some(Kind::ResetBefore) => {
                done(None);
                return After::Reset;
            }
            Some(Kind::KillBefore) => {
                done(None);
                self.kill();
                return After::Reset;
            }
            Some(kind @ (Kind::Throttle | Kind::Error500)) => {
                let answer = if kind == Kind::Throttle { fault::throttled } else { fault::broken };
                let response = answer(&subject.service);
                done(Some(&response));
                return After::Answer(response);
            }
            _ => {}
        }
        let own = shared.lock().register.answer(&subject, request);
        let response = match own {
            Some(response) => response,
            None if fault == Some(Kind::PartialBatch) => self.partial(&subject, request).await,
            None => self.forward(request).await,
        };
        done(Some(&response));
        match fault {
            Some(Kind::TimeoutAfter) => After::Hold,
            Some(Kind::ResetAfter) => After::Reset,
            Some(Kind::Truncate) => After::Half(response),
            Some(Kind::KillAfter) => {
                self.kill();
                After::Reset
            }
            _ => After::Answer(response),
        }
    }

    /// Passes a request on. An idle connection may have been closed by the emulator meanwhile: then a fresh one is tried.
    async fn forward(&mut self, request: &Request) -> Response {
        let bytes = http::request_bytes(request);
        if let Some(idle) = self.upstream.take()
            && let Ok(response) = self.attempt(idle, &bytes, &request.method).await
        {
            return response;
        }
        let fresh = match TcpStream::connect(self.shared.upstream).await {
            Ok(stream) => BufReader::new(stream),
            Err(error) => return gone(&error),
        };
        match self.attempt(fresh, &bytes, &request.method).await {
            Ok(response) => response,
            Err(error) => gone(&error),
        }
    }

    async fn attempt(
        &mut self,
        mut upstream: BufReader<TcpStream>,
        bytes: &[u8],
        method: &str,
    ) -> io::Result<Response> {
        upstream.get_mut().write_all(bytes).await?;
        let response = http::read_response(&mut upstream, method).await?;
        let closes = response.headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case(b"close")
        });
        if !closes {
            self.upstream = Some(upstream);
        }
        Ok(response)
    }

    /// Passes on the first half of a batch, signed anew with the root key since the body is another.
    async fn partial(&mut self, subject: &Subject, request: &Request) -> Response {
        let asked = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let Some(split) = batch::split(&subject.action, &asked) else {
            return self.forward(request).await;
        };
        let Some(first) = &split.forward else { return split.answer(None) };
        let first = self.forward(&signed_anew(request, subject, first)).await;
        if !(200..300).contains(&first.status) {
            return first;
        }
        split.answer(serde_json::from_slice(&first.body).ok())
    }

    fn kill(&self) {
        if let Ok(local) = self.writer.local_addr()
            && !kill::kill_peer(self.peer, local)
        {
            eprintln!("the tap found no process to kill at {}", self.peer);
        }
    }

    /// Ends the connection the hard way: the client sees a reset and no orderly end.
    fn reset(self) -> io::Result<()> {
        let stream = self.reader.into_inner().reunite(self.writer).map_err(io::Error::other)?;
        stream.set_zero_linger()
    }
}

fn gone(error: &io::Error) -> Response {
    Response::json(502, &json!({"detail": format!("the emulator does not answer: {error}")}))
}

fn signed_anew(request: &Request, subject: &Subject, body: &Value) -> Request {
    let body = body.to_string().into_bytes();
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let digest = hex(&Sha256::digest(&body));
    let host = request.header("host").unwrap_or_default().into_owned();
    let mut headers: Vec<http::Header> = request
        .headers
        .iter()
        .filter(|(name, _)| {
            let name = name.to_ascii_lowercase();
            name == "content-type" || name == "x-amz-target"
        })
        .cloned()
        .collect();
    let signed = [("host", host.as_str()), ("x-amz-content-sha256", &digest), ("x-amz-date", &now)];
    let value = authorization(
        &subject.service,
        &request.method,
        request.path(),
        request.query(),
        &signed,
        &digest,
        &now,
    );
    headers.extend(signed.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
    headers.push(("authorization".to_owned(), value.into_bytes()));
    Request { method: request.method.clone(), target: request.target.clone(), headers, body }
}
