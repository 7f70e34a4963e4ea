//! The HTTP API as somebody outside calls it.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::Value;

use crate::error::{Context, Error, Result};

/// A function's first call starts it, which takes a moment on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Somebody who calls the API: a member of staff, a parent, or anybody at all.
#[derive(Debug, Clone)]
pub struct Caller {
    http: Client,
    base: String,
    token: Option<String>,
}

impl Caller {
    /// Somebody who has not shown who they are.
    pub fn anybody(base: &str) -> Result<Self> {
        let http = Client::builder().timeout(TIMEOUT).build().failed("no HTTP client can be made")?;
        Ok(Self { http, base: base.to_owned(), token: None })
    }

    /// The holder of a token.
    pub fn with(&self, token: String) -> Self {
        Self { token: Some(token), ..self.clone() }
    }

    /// The token, if there is one.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.call(Method::GET, path, None, None).await
    }

    /// Asks for something to be done.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        self.call(Method::POST, path, Some(body), None).await
    }

    /// The same, with an `Idempotency-Key`: however often it is sent, it is done once.
    pub async fn post_once(&self, path: &str, body: &Value, key: &str) -> Result<Reply> {
        self.call(Method::POST, path, Some(body), Some(key)).await
    }

    /// Changes something.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Reply> {
        self.call(Method::PATCH, path, Some(body), None).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Reply> {
        let what = format!("{method} {path}");
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.failed(format_args!("{what} got no answer"))?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.failed(format_args!("the answer to {what} broke off"))?;
        Ok(Reply { what, status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    /// PUTs a file where the API said, with the headers it said.
    pub async fn put_file(&self, put: &Value, bytes: &[u8]) -> Result<()> {
        let url = put["url"].as_str().unwrap_or_default();
        let mut request = self.http.put(url).body(bytes.to_vec());
        for (name, value) in put["headers"].as_object().into_iter().flatten() {
            // These two follow from the address and the body.
            if !["host", "content-length"].contains(&name.to_lowercase().as_str()) {
                request = request.header(name, value.as_str().unwrap_or_default());
            }
        }
        let response = request.send().await.failed("the file could not be sent")?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let text = response.text().await.unwrap_or_default();
        Err(Error::Failed(format!("The file was not accepted ({status}): {text}")))
    }

    /// Reads a text from an address that the API gave out.
    pub async fn download(&self, url: &str) -> Result<String> {
        let response = self.http.get(url).send().await.failed("the report could not be fetched")?;
        let response = response.error_for_status().failed("the report could not be fetched")?;
        response.text().await.failed("the report broke off")
    }
}

/// An answer of the API.
#[derive(Debug)]
pub struct Reply {
    what: String,
    /// HTTP status.
    pub status: u16,
    /// The body, null if it is no JSON.
    pub body: Value,
}

impl Reply {
    /// The body, if the status is the one that lets the story go on.
    pub fn expect(self, status: u16) -> Result<Value> {
        if self.status == status {
            return Ok(self.body);
        }
        let Self { what, status: seen, body } = self;
        Err(Error::Failed(format!("{what} answered {seen} where {status} was expected: {body}")))
    }
}

/// A member of an answer that must be a text.
pub fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str> {
    body[name].as_str().ok_or_else(|| Error::Failed(format!("An answer of the API holds no {name}: {body}")))
}

/// A member of an answer that counts something; what is not a number counts as `usize::MAX`, which nothing expects.
pub fn count(body: &Value) -> usize {
    body.as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX)
}
