//! A deployed stack as the commands and the integration tests see it: drive it, look behind the scenes, break it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use reqwest::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    cloud::{MiniStack, free_port},
    deploy,
    error::{Context, Error, Result},
    package, paths,
    tap::{Call, Fault, Script, Sent, Tap},
    token, venv,
};

/// `stack.json`: where a running stack is and what it is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StackFile {
    /// MiniStack itself.
    pub endpoint_url: String,
    /// Region of everything.
    pub region: String,
    /// Base URL of the HTTP API.
    pub api_url: String,
    /// The tap, which the functions call instead of MiniStack.
    pub tap_url: String,
    /// Every output of the stack.
    pub outputs: BTreeMap<String, String>,
    /// The functions.
    #[serde(default)]
    pub functions: Vec<Function>,
}

/// One deployed function.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Function {
    /// Name in this repository, such as `staff-api`.
    pub name: String,
    /// Name in the stack.
    pub physical_name: String,
    /// Key id of its role's session, by which the tap knows it.
    pub access_key: String,
    /// Its environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

impl StackFile {
    /// Where the developer's own stack is described.
    pub fn path() -> PathBuf {
        paths::state().join("stack.json")
    }

    /// Reads a description.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).map_err(|_| {
            Error::Setup(format!(
                "No stack is described by {}: start one with `cargo local up`.",
                path.display()
            ))
        })?;
        serde_json::from_slice(&text).setup(format_args!("{} is not a stack description", path.display()))
    }

    /// Writes the description.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).failed("the stack cannot be described")?;
        fs::write(path, text + "\n").failed(format_args!("{} cannot be written", path.display()))
    }
}

/// A handle on a deployed stack. One that was started here stops when it is dropped; one attached to runs on.
#[derive(Debug)]
pub struct Stack {
    file: StackFile,
    aws: Aws,
    http: reqwest::Client,
    owned: Option<(Tap, MiniStack)>,
}

/// The outcome of an invocation.
#[derive(Debug)]
pub struct Invocation {
    /// What the function returned, or the error it reported.
    pub payload: Value,
    /// Set when the function failed: `Handled` or `Unhandled`.
    pub error: Option<String>,
}

/// A message taken from a queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    /// Its body.
    pub body: String,
    /// What deletes it.
    pub receipt_handle: String,
    /// System attributes, such as `MessageGroupId`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// How often a fault has had its chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct FaultState {
    /// Matching calls seen.
    pub seen: u64,
    /// Calls struck.
    pub fired: u64,
}

/// A position in the call log and the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Mark {
    /// Calls so far.
    pub calls: u64,
    /// Messages so far.
    pub outbox: u64,
}

impl Stack {
    /// Starts a stack of its own on free ports with its state under `state`, and deploys the template to it.
    pub async fn start(state: &Path) -> Result<Self> {
        Self::start_on(free_port()?, free_port()?, state).await
    }

    /// The same on ports of the caller's choice.
    pub async fn start_on(port: u16, tap_port: u16, state: &Path) -> Result<Self> {
        venv::stack()?;
        package::functions()?;
        Self::start_packaged(&paths::template(), port, tap_port, state).await
    }

    /// The same with a template whose `CodeUri` folders hold their binaries already.
    pub async fn start_packaged(template: &Path, port: u16, tap_port: u16, state: &Path) -> Result<Self> {
        fs::create_dir_all(state).setup(format_args!("{} cannot be created", state.display()))?;
        let python = venv::stack()?;
        let (tap, cloud) = Self::start_bare(&python, port, tap_port, state).await?;
        let file = deploy::deploy(&python, template, &cloud.url(), &tap.url())?;
        file.write(&state.join("stack.json"))?;
        let mut stack = Self::attach(file).await?;
        stack.owned = Some((tap, cloud));
        Ok(stack)
    }

    /// Starts MiniStack and the tap before it, with nothing deployed yet.
    pub async fn start_bare(
        python: &Path,
        port: u16,
        tap_port: u16,
        state: &Path,
    ) -> Result<(Tap, MiniStack)> {
        crate::cloud::require_free(port)?;
        let tap = Tap::start(tap_port, port).await?;
        let cloud = MiniStack::start(python, port, &tap.url(), state).await?;
        Ok((tap, cloud))
    }

    /// Attaches to a running stack and tells its tap the functions' names.
    pub async fn attach(file: StackFile) -> Result<Self> {
        let aws = Aws::new(&file.endpoint_url);
        let stack = Self { file, aws, http: reqwest::Client::new(), owned: None };
        let names: BTreeMap<_, _> = stack.file.functions.iter().map(|f| (&f.access_key, &f.name)).collect();
        stack.control::<Value>(Method::PUT, "functions", Some(&json!(names))).await?;
        Ok(stack)
    }

    /// Attaches to the stack that `BOOKBAG_STACK` names, or else to the one `cargo local up` has started.
    pub async fn from_env() -> Result<Self> {
        let path = std::env::var_os("BOOKBAG_STACK").map_or_else(StackFile::path, PathBuf::from);
        Self::attach(StackFile::read(&path)?).await
    }

    /// The description of the stack.
    pub fn file(&self) -> &StackFile {
        &self.file
    }

    /// Base URL of the HTTP API.
    pub fn api_url(&self) -> &str {
        &self.file.api_url
    }

    /// One output of the stack.
    pub fn output(&self, name: &str) -> Result<&str> {
        let value = self.file.outputs.get(name).map(String::as_str);
        value.ok_or_else(|| Error::Failed(format!("The stack has no output {name}.")))
    }

    /// A signed client for MiniStack with the root key, for what has no method here.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// A staff ID token with the given roles (Cognito groups) and, unless it is an operator's, a school. The same roles are
    /// the same person, unless a role says which: `office#2`.
    pub async fn token(&self, roles: &[&str], school: Option<&str>) -> Result<String> {
        token::issue(&self.aws, self.output("UserPoolId")?, self.output("UserPoolClientId")?, roles, school)
            .await
    }

    // --- the tap ---

    async fn control<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T> {
        let mut request = self.http.request(method, format!("{}/_tap/{path}", self.file.tap_url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response =
            request.send().await.setup("The stack does not answer (start one with `cargo local up`)")?;
        let status = response.status();
        let bytes = response.bytes().await.failed("the tap's answer broke off")?;
        if !status.is_success() {
            let text = String::from_utf8_lossy(&bytes);
            return Err(Error::Failed(format!("The tap refused {path} ({status}): {text}")));
        }
        serde_json::from_slice(&bytes).failed(format_args!("the tap's answer to {path} cannot be read"))
    }

    async fn listed<T: DeserializeOwned>(&self, what: &str, since: u64, contains: &str) -> Result<T> {
        let query = format!("{what}?since={since}&contains={}", encode(contains));
        self.control(Method::GET, &query, None).await
    }

    /// Where call log and outbox are now: later calls come after it.
    pub async fn mark(&self) -> Result<Mark> {
        self.control(Method::GET, "mark", None).await
    }

    /// Calls after `since` whose path or body holds `contains` (everything if empty).
    pub async fn calls(&self, since: u64, contains: &str) -> Result<Vec<Call>> {
        self.listed("calls", since, contains).await
    }

    /// What the carrier was given after `since`, where a row holds `contains` (everything if empty).
    pub async fn outbox(&self, since: u64, contains: &str) -> Result<Vec<Sent>> {
        self.listed("outbox", since, contains).await
    }

    /// Puts a fault in force and returns its id.
    pub async fn fault(&self, fault: &Fault) -> Result<u64> {
        let answer: Value = self.control(Method::POST, "faults", Some(&json!(fault))).await?;
        answer["fault_id"].as_u64().ok_or_else(|| Error::Failed("The tap gave the fault no id.".to_owned()))
    }

    /// How often a fault has struck.
    pub async fn fault_state(&self, id: u64) -> Result<FaultState> {
        self.control(Method::GET, &format!("faults/{id}"), None).await
    }

    /// Takes a fault out of force.
    pub async fn clear_fault(&self, id: u64) -> Result<()> {
        self.control::<Value>(Method::DELETE, &format!("faults/{id}"), None).await.map(drop)
    }

    /// Scripts what the carrier reports of matching messages and returns the script's id.
    pub async fn script(&self, script: &Script) -> Result<u64> {
        let answer: Value = self.control(Method::POST, "script", Some(&json!(script))).await?;
        answer["script_id"].as_u64().ok_or_else(|| Error::Failed("The tap gave the script no id.".to_owned()))
    }

    /// Takes a script out of force.
    pub async fn clear_script(&self, id: u64) -> Result<()> {
        self.control::<Value>(Method::DELETE, &format!("script/{id}"), None).await.map(drop)
    }

    /// Marks a number as opted out of text messages, as an answer of STOP does.
    pub async fn opt_out(&self, number: &str) -> Result<()> {
        self.control::<Value>(Method::POST, "opt-out", Some(&json!({"number": number}))).await.map(drop)
    }

    // --- functions, queues, tables ---

    /// Invokes a function, such as `upload-ingest`, and waits for its answer.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Invocation> {
        let found = self.file.functions.iter().find(|known| known.name == function);
        let found = found.ok_or_else(|| Error::Failed(format!("The stack has no function {function}.")))?;
        let path = format!("/2015-03-31/functions/{}/invocations", found.physical_name);
        let body = event.to_string().into_bytes();
        let answer = self.aws.send("lambda", Method::POST, &path, "", &[], body).await?;
        if !answer.status.is_success() {
            let text = String::from_utf8_lossy(&answer.body);
            return Err(Error::Failed(format!(
                "Invoking {function} was refused ({}): {text}",
                answer.status
            )));
        }
        let payload = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        Ok(Invocation { payload, error: answer.function_error })
    }

    async fn sqs(&self, action: &str, body: &Value) -> Result<Value> {
        self.aws.json("sqs", &format!("AmazonSQS.{action}"), body).await
    }

    /// Sends a message to the queue of an output, such as `FanoutQueueUrl`.
    pub async fn sqs_send(&self, queue: &str, body: &str, group: &str) -> Result<()> {
        let url = self.output(queue)?;
        let body = json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": group});
        self.sqs("SendMessage", &body).await.map(drop)
    }

    /// Takes up to ten messages from the queue of an output, such as `FanoutDeadLetterQueueUrl`; does not wait.
    pub async fn sqs_receive(&self, queue: &str) -> Result<Vec<Message>> {
        let url = self.output(queue)?;
        let body = json!({
            "QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 30, "MessageSystemAttributeNames": ["All"],
        });
        let answer = self.sqs("ReceiveMessage", &body).await?;
        match &answer["Messages"] {
            Value::Null => Ok(Vec::new()),
            messages => serde_json::from_value(messages.clone()).failed("messages cannot be read"),
        }
    }

    /// Deletes a message taken from a queue.
    pub async fn sqs_delete(&self, queue: &str, message: &Message) -> Result<()> {
        let body = json!({"QueueUrl": self.output(queue)?, "ReceiptHandle": message.receipt_handle});
        self.sqs("DeleteMessage", &body).await.map(drop)
    }

    /// Messages waiting in a queue and messages being worked on.
    pub async fn sqs_depth(&self, queue: &str) -> Result<(u64, u64)> {
        let body = json!({"QueueUrl": self.output(queue)?, "AttributeNames": ["All"]});
        let answer = self.sqs("GetQueueAttributes", &body).await?;
        let number =
            |name: &str| answer["Attributes"][name].as_str().and_then(|n| n.parse().ok()).unwrap_or(0);
        Ok((number("ApproximateNumberOfMessages"), number("ApproximateNumberOfMessagesNotVisible")))
    }

    async fn dynamo(&self, action: &str, body: &Value) -> Result<Value> {
        self.aws.json("dynamodb", &format!("DynamoDB_20120810.{action}"), body).await
    }

    /// One item of the table of an output (`DirectoryTable`), in DynamoDB's JSON.
    pub async fn dynamo_get(&self, table: &str, pk: &str, sk: &str) -> Result<Option<Value>> {
        let key = json!({"pk": {"S": pk}, "sk": {"S": sk}});
        let body = json!({"TableName": self.output(table)?, "Key": key, "ConsistentRead": true});
        let mut answer = self.dynamo("GetItem", &body).await?;
        Ok(Some(answer["Item"].take()).filter(Value::is_object))
    }

    /// Writes an item, in DynamoDB's JSON.
    pub async fn dynamo_put(&self, table: &str, item: &Value) -> Result<()> {
        let body = json!({"TableName": self.output(table)?, "Item": item});
        self.dynamo("PutItem", &body).await.map(drop)
    }

    /// All items of a partition whose sort key starts with `prefix` (all if empty), in DynamoDB's JSON.
    pub async fn dynamo_query(&self, table: &str, pk: &str, prefix: &str) -> Result<Vec<Value>> {
        let mut body = json!({
            "TableName": self.output(table)?,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}},
            "ConsistentRead": true,
        });
        if !prefix.is_empty() {
            body["KeyConditionExpression"] = json!("pk = :pk AND begins_with(sk, :prefix)");
            body["ExpressionAttributeValues"][":prefix"] = json!({"S": prefix});
        }
        self.pages("Query", body).await
    }

    /// Every item of a table, in DynamoDB's JSON.
    pub async fn dynamo_scan(&self, table: &str) -> Result<Vec<Value>> {
        self.pages("Scan", json!({"TableName": self.output(table)?, "ConsistentRead": true})).await
    }

    async fn pages(&self, action: &str, mut body: Value) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        loop {
            let mut answer = self.dynamo(action, &body).await?;
            if let Some(page) = answer["Items"].as_array_mut() {
                items.append(page);
            }
            match answer["LastEvaluatedKey"].take() {
                Value::Null => return Ok(items),
                key => body["ExclusiveStartKey"] = key,
            }
        }
    }

    /// The lines a function has logged, oldest first, as far as they hold `contains` (all if empty).
    pub async fn logs(&self, function: &str, contains: &str) -> Result<Vec<String>> {
        let found = self.file.functions.iter().find(|known| known.name == function);
        let found = found.ok_or_else(|| Error::Failed(format!("The stack has no function {function}.")))?;
        let mut body = json!({"logGroupName": format!("/aws/lambda/{}", found.physical_name)});
        let mut lines = Vec::new();
        loop {
            let mut answer = self.aws.json("logs", "Logs_20140328.FilterLogEvents", &body).await?;
            for event in answer["events"].as_array().into_iter().flatten() {
                if let Some(message) = event["message"].as_str().filter(|message| message.contains(contains))
                {
                    lines.push((event["timestamp"].as_i64().unwrap_or(0), message.trim_end().to_owned()));
                }
            }
            match answer["nextToken"].take() {
                Value::Null => break,
                token => body["nextToken"] = token,
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }
}

/// Asks until the answer is `Some`, or fails once `deadline` has passed. For what happens by queue and poller.
pub async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = ask().await? {
            return Ok(found);
        }
        if Instant::now() >= end {
            let seconds = deadline.as_secs();
            return Err(Error::Failed(format!("Within {seconds} seconds this did not come about: {what}")));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Percent encoding of one query value.
fn encode(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_are_encoded() {
        assert_eq!(encode("+44 7700/a_b"), "%2B44%207700%2Fa_b");
    }
}
