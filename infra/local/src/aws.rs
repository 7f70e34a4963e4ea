//! A small client for the emulator, signed with its root key: for arranging and looking behind the scenes, never part of
//! what is deployed. (The SDK crates would cost the runner minutes of building.)

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    cloud::{REGION, ROOT_KEY, ROOT_SECRET},
    error::{Context, Error, Result},
    venv::hex,
};

/// A client for one endpoint.
#[derive(Debug, Clone)]
pub struct Aws {
    endpoint: String,
    host: String,
    http: reqwest::Client,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// The `x-amz-function-error` header of an invocation.
    pub function_error: Option<String>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Aws {
    /// A client for the emulator at `endpoint`, such as `http://127.0.0.1:4566`.
    pub fn new(endpoint: &str) -> Self {
        let host = endpoint.split_once("://").map_or(endpoint, |(_, host)| host).to_owned();
        Self { endpoint: endpoint.to_owned(), host, http: reqwest::Client::new() }
    }

    /// A call of a JSON service (`target` such as `DynamoDB_20120810.GetItem`); an error answer is an error.
    pub async fn json(&self, service: &str, target: &str, body: &Value) -> Result<Value> {
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)];
        let answer =
            self.send(service, Method::POST, "/", "", &headers, body.to_string().into_bytes()).await?;
        if !answer.status.is_success() {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(Error::Failed(format!("{target} was refused ({}): {text}", answer.status)));
        }
        serde_json::from_slice(&answer.body).failed(format_args!("{target} answered no JSON"))
    }

    /// Any signed call. `path` and `query` must be encoded already, `query` also sorted.
    pub async fn send(
        &self,
        service: &str,
        method: Method,
        path: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer> {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let digest = hex(&Sha256::digest(&body));
        let mut signed: Vec<(&str, &str)> =
            vec![("host", &self.host), ("x-amz-content-sha256", &digest), ("x-amz-date", &now)];
        signed.extend_from_slice(headers);
        signed.sort_unstable();
        let authorization = authorization(service, method.as_str(), path, query, &signed, &digest, &now);
        let mut url = format!("{}{path}", self.endpoint);
        if !query.is_empty() {
            url = format!("{url}?{query}");
        }
        let mut request = self.http.request(method, url).header("authorization", authorization);
        for (name, value) in signed.iter().filter(|(name, _)| *name != "host") {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await.failed("the stack does not answer")?;
        Ok(Answer {
            status: response.status(),
            function_error: response
                .headers()
                .get("x-amz-function-error")
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            body: response.bytes().await.failed("the stack's answer broke off")?.to_vec(),
        })
    }
}

/// The `Authorization` header of signature version 4; `headers` are sorted, lower-case and hold `host`.
pub(crate) fn authorization(
    service: &str,
    method: &str,
    path: &str,
    query: &str,
    headers: &[(&str, &str)],
    body_digest: &str,
    now: &str,
) -> String {
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines =
        headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect::<Vec<_>>().concat();
    // Every service but S3 encodes the already encoded path once more.
    let path = if service == "s3" { path.to_owned() } else { path.replace('%', "%25") };
    let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{body_digest}");
    let day = &now[..8];
    let scope = format!("{day}/{REGION}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let key = [day, REGION, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{ROOT_SECRET}").into_bytes(), |key, part| mac(&key, part));
    let signature = hex(&mac(&key, &to_sign));
    format!("AWS4-HMAC-SHA256 Credential={ROOT_KEY}/{scope}, SignedHeaders={names}, Signature={signature}")
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
