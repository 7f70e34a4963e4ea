//! A school of its own for every test, on the stack that `cargo local test` has started.
//!
//! Tests run at once and share the stack: nobody counts what is not their own school's, nobody changes a queue or a
//! function. The tap's log and outbox are filtered by the school's id.

use std::{collections::HashMap, fs, sync::Mutex, time::Duration};

use local::{Stack, eventually, tap::Call, tap::Sent};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::template::root;

/// How long anything that goes through a queue may take. Far more than it needs: the tests share two processors.
pub const DEADLINE: Duration = Duration::from_mins(4);
/// Statuses in which an upload stays until somebody does something.
const SETTLED: [&str; 5] = ["review", "done", "refused", "undone", "expired"];

/// The operator belongs to no school, so one token serves all tests. A cell works across their runtimes; the HTTP
/// clients do not (a connection dies with the runtime it was opened on), so each world attaches for itself.
static OPERATOR: OnceCell<String> = OnceCell::const_new();

/// A school and everything needed to act for it.
pub struct World {
    /// The stack, for what lies behind the API.
    pub stack: Stack,
    /// The school's id.
    pub school: String,
    /// Its name.
    pub name: String,
    /// The code that parents type.
    pub code: String,
    /// For requests that are not the API's, such as a presigned PUT.
    pub http: reqwest::Client,
    tokens: Mutex<HashMap<String, String>>,
    since: local::stack::Mark,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `content-type` header.
    pub content_type: String,
    /// The JSON body; `null` if there was none.
    pub body: Value,
}

impl Answer {
    /// The body of an answer with this status; any other fails the test and shows itself.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// A problem (RFC 9457) with this status and code, and as it must be; returns its body.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.content_type, "application/problem+json", "{}", self.body);
        assert_eq!(
            (&self.body["code"], &self.body["status"]),
            (&json!(code), &json!(status)),
            "{}",
            self.body
        );
        assert!(self.body["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{}", self.body);
        self.body
    }

    /// Pointer and code of each field at fault, sorted: `/a wrong`.
    pub fn faults(&self) -> Vec<String> {
        let faults = self.body["errors"].as_array().into_iter().flatten();
        let mut faults: Vec<_> =
            faults.map(|fault| format!("{} {}", text(&fault["pointer"]), text(&fault["code"]))).collect();
        faults.sort();
        faults
    }
}

/// The text of a JSON string; empty for anything else.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The data sharing agreement of the demo and the tests: no gender, no address.
pub fn agreement() -> Value {
    json!({
        "fields": {
            "pupil": ["given_name", "family_name", "source_id", "year_group", "class", "date_of_birth"],
            "contact": [
                "title", "given_name", "family_name", "source_id", "relationship", "email", "mobile", "landline",
                "priority", "parental_responsibility", "restricted",
            ],
        },
        "signed_on": "2026-09-01",
        "dpo_email": "dpo@oakfield.example.org",
    })
}

/// The body of `POST /v1/schools`.
pub fn new_school() -> Value {
    json!({
        "name": "Oakfield Primary School",
        "sender": {"reply_to": "office@oakfield.example.org", "sms_id": "Oakfield"},
        "agreement": agreement(),
    })
}

/// The sample school's file, 1,000 pupils.
pub fn oakfield() -> Vec<u8> {
    fs::read(root().join("tests/data/oakfield.csv")).expect("the sample file is in the repository")
}

/// What a right reading of [`oakfield`] finds.
pub fn oakfield_expected() -> Value {
    let text = fs::read(root().join("tests/data/oakfield.expected.json")).expect("it is in the repository");
    serde_json::from_slice(&text).expect("it is JSON")
}

/// Attaches to the stack under test.
pub async fn attach() -> Stack {
    Stack::from_env().await.unwrap_or_else(|error| {
        panic!("these tests need a stack: run `cargo local test`, which starts one and names it in BOOKBAG_STACK ({error})")
    })
}

/// An SQS event as a poller delivers it: one record per body, with message ids `m0`, `m1` and so on.
pub fn sqs_event(queue: &str, bodies: &[String]) -> Value {
    let record = |(index, body): (usize, &String)| {
        json!({
            "messageId": format!("m{index}"),
            "receiptHandle": format!("r{index}"),
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": "1", "SentTimestamp": "1782300000000",
                "SenderId": "AIDA", "ApproximateFirstReceiveTimestamp": "1782300000001",
            },
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:eu-west-2:000000000000:{queue}"),
            "awsRegion": "eu-west-2",
        })
    };
    json!({"Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>()})
}

/// The message ids of a partial batch response that are to be delivered again, sorted.
pub fn failures(payload: &Value) -> Vec<String> {
    let failed = payload["batchItemFailures"].as_array().into_iter().flatten();
    let mut failed: Vec<_> = failed.map(|failure| text(&failure["itemIdentifier"]).to_owned()).collect();
    failed.sort();
    failed
}

impl World {
    /// A new school with the usual agreement.
    pub async fn new() -> Self {
        Self::named(text(&new_school()["name"])).await
    }

    /// A new school of this name, by which its one-time codes are found in the outbox.
    pub async fn named(name: &str) -> Self {
        let mut school = new_school();
        school["name"] = json!(name);
        Self::with(&school).await
    }

    /// A new school as a body of `POST /v1/schools` describes it.
    pub async fn with(described: &Value) -> Self {
        let stack = attach().await;
        let since = stack.mark().await.expect("the tap answers");
        let operator =
            OPERATOR.get_or_init(async || stack.token(&["operator"], None).await.expect("a token")).await;
        let http = reqwest::Client::new();
        let tokens = Mutex::new(HashMap::from([("operator".to_owned(), operator.clone())]));
        let (school, code, name) = (String::new(), String::new(), text(&described["name"]).to_owned());
        let mut world = Self { stack, school, name, code, http, tokens, since };
        let body = world.post("operator", "/v1/schools", described).await.expect(201);
        text(&body["school_id"]).clone_into(&mut world.school);
        text(&body["code"]).clone_into(&mut world.code);
        world
    }

    // --- the API ---

    /// A token of this school's for roles such as `office` or `office,sender`; `office#2` is a second person in the office.
    pub async fn token(&self, roles: &str) -> String {
        let known = self.tokens.lock().expect("no test panics with it held").get(roles).cloned();
        if let Some(token) = known {
            return token;
        }
        let list: Vec<&str> = roles.split(',').collect();
        let token = self.stack.token(&list, Some(&self.school)).await.expect("a token");
        self.tokens.lock().expect("no test panics with it held").insert(roles.to_owned(), token.clone());
        token
    }

    /// Any request. `who` is `nobody` (no token), `Bearer …` (that very header), or roles at this school. A path that
    /// does not begin with `/v1/` is below this school's. A body that is a string is sent as it is.
    pub async fn send(
        &self,
        method: Method,
        who: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = if path.starts_with("/v1/") {
            path.to_owned()
        } else {
            format!("/v1/schools/{}{path}", self.school)
        };
        let mut request = self.http.request(method, format!("{}{path}", self.stack.api_url()));
        if who.starts_with("Bearer ") {
            request = request.header("authorization", who);
        } else if who != "nobody" {
            request = request.header("authorization", format!("Bearer {}", self.token(who).await));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            let bytes = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
            request = request.header("content-type", "application/json").body(bytes);
        }
        let response = request.send().await.expect("the API answers");
        let status = response.status().as_u16();
        let content_type = response
            .headers()
            .get("content-type")
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let bytes = response.bytes().await.expect("the answer is whole");
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&bytes)))
        };
        Answer { status, content_type: content_type.unwrap_or_default(), body }
    }

    /// `GET`.
    pub async fn get(&self, who: &str, path: &str) -> Answer {
        self.send(Method::GET, who, path, None, &[]).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, who: &str, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, who, path, Some(body), &[]).await
    }

    /// `PUT` of JSON.
    pub async fn put(&self, who: &str, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, who, path, Some(body), &[]).await
    }

    /// `PATCH` of JSON.
    pub async fn patch(&self, who: &str, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, who, path, Some(body), &[]).await
    }

    /// `DELETE`.
    pub async fn delete(&self, who: &str, path: &str) -> Answer {
        self.send(Method::DELETE, who, path, None, &[]).await
    }

    /// All pages of a list.
    pub async fn list(&self, who: &str, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let mut page = self.get(who, &format!("{path}{sign}limit=100{cursor}")).await.expect(200);
            items.append(page["items"].as_array_mut().expect("a list has items"));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// The people of this school whom a search finds.
    pub async fn search(&self, criteria: &Value) -> Vec<Value> {
        let mut page = self.post("office", "/people/search", criteria).await.expect(200);
        std::mem::take(page["items"].as_array_mut().expect("a list has items"))
    }

    // --- uploads ---

    /// Asks for an upload of `bytes` bytes; returns the answer with `upload_id` and `put`.
    pub async fn announce(&self, bytes: usize, mode: &str) -> Value {
        self.announce_for(bytes, mode, &json!("full")).await
    }

    /// The same for a part of the school: `full`, `partial` or `{"year_groups": […]}`.
    pub async fn announce_for(&self, bytes: usize, mode: &str, scope: &Value) -> Value {
        let body = json!({"file_name": "school.csv", "bytes": bytes, "mode": mode, "scope": scope});
        self.post("office", "/uploads", &body).await.expect(201)
    }

    /// Sends a file to where an upload said, with the headers it said; returns the HTTP status.
    pub async fn send_file(&self, announced: &Value, file: &[u8]) -> u16 {
        let mut request = self.http.put(text(&announced["put"]["url"])).body(file.to_vec());
        for (name, value) in announced["put"]["headers"].as_object().into_iter().flatten() {
            // reqwest writes both from the address and the body.
            if name != "host" && name != "content-length" {
                request = request.header(name, text(value));
            }
        }
        request.send().await.expect("S3 answers").status().as_u16()
    }

    /// The upload once it has come to an end or waits for a decision.
    pub async fn settled(&self, upload_id: &str) -> Value {
        let path = format!("/uploads/{upload_id}");
        let settled = eventually("the upload is settled", DEADLINE, async || {
            let upload = self.get("office", &path).await.expect(200);
            Ok(SETTLED.contains(&text(&upload["status"])).then_some(upload))
        });
        settled.await.unwrap_or_else(|error| panic!("{upload_id}: {error}"))
    }

    /// Uploads a file, to be applied at once unless it is held, and waits for what comes of it.
    pub async fn upload(&self, file: &[u8]) -> Value {
        self.upload_as(file, "apply").await
    }

    /// Uploads a file in a mode (`apply` or `preview`) and waits for what comes of it.
    pub async fn upload_as(&self, file: &[u8], mode: &str) -> Value {
        self.upload_for(file, mode, &json!("full")).await
    }

    /// The same for a part of the school.
    pub async fn upload_for(&self, file: &[u8], mode: &str, scope: &Value) -> Value {
        let announced = self.announce_for(file.len(), mode, scope).await;
        assert_eq!(self.send_file(&announced, file).await, 200);
        self.settled(text(&announced["upload_id"])).await
    }

    // --- messages ---

    /// The message once all of it has been tried or it was stopped.
    pub async fn drain(&self, message_id: &str) -> Value {
        let path = format!("/messages/{message_id}");
        let sent = eventually("the message is sent", DEADLINE, async || {
            let message = self.get("sender", &path).await.expect(200);
            Ok(matches!(text(&message["status"]), "sent" | "stopped").then_some(message))
        });
        sent.await.unwrap_or_else(|error| panic!("{message_id}: {error}"))
    }

    // --- behind the scenes ---

    /// E-mail of this school so far: its id is in the message tags. A text message bears no tag: see
    /// [`World::outbox_with`].
    pub async fn outbox(&self) -> Vec<Sent> {
        self.outbox_with(&self.school).await
    }

    /// What the carrier was given since this world began whose row holds `contains`: a text or number of this test's own.
    pub async fn outbox_with(&self, contains: &str) -> Vec<Sent> {
        self.stack.outbox(self.since.outbox, contains).await.expect("the tap answers")
    }

    /// Calls that name this school, since this world began.
    pub async fn calls(&self) -> Vec<Call> {
        self.stack.calls(self.since.calls, &self.school).await.expect("the tap answers")
    }

    /// Calls of a function that name this school, made after position `since` of the log.
    pub async fn calls_of(&self, function: &str, since: u64) -> Vec<Call> {
        let mut calls = self.stack.calls(since, &self.school).await.expect("the tap answers");
        calls.retain(|call| call.function == function);
        calls
    }

    /// The end of the call log now.
    pub async fn now(&self) -> u64 {
        self.stack.mark().await.expect("the tap answers").calls
    }

    /// The items of this school's partition in the directory whose sort key begins with `prefix`, in DynamoDB's JSON.
    pub async fn directory(&self, prefix: &str) -> Vec<Value> {
        let pk = format!("SCH#{}", self.school);
        self.stack.dynamo_query("DirectoryTable", &pk, prefix).await.expect("the table answers")
    }
}
