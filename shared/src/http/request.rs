//! A request as handlers see it, and the answer they give.

use std::{collections::HashMap, future::Future, str::FromStr};

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    json::{self, Fault},
    problem::{ApiError, Code, FieldError, Problem},
};
use crate::{
    id::PersonId,
    privacy::audit::{self, Shown},
};

/// The largest JSON body that any route takes. The contract's largest is a message: 100 kB of text and its audience.
pub const MAX_BODY: usize = 256 * 1024;
/// How many items the largest page has, and the usual one.
const MAX_PAGE: usize = 100;
const PAGE: usize = 50;
/// The longest cursor of any list.
const MAX_CURSOR: usize = 1024;

/// One HTTP request.
#[derive(Debug, Default)]
pub struct Request {
    /// Method and route as the template names it: `POST /v1/schools/{school_id}/uploads`.
    pub route: String,
    /// API Gateway's id, repeated in every problem.
    pub request_id: String,
    /// Where it came from.
    pub source_ip: String,
    path: HashMap<String, String>,
    query: HashMap<String, String>,
    headers: HashMap<String, String>,
    body: Vec<u8>,
    /// The claims of the token that the gateway checked, if the route has an authorizer.
    pub claims: HashMap<String, String>,
}

impl Request {
    /// From API Gateway's event (payload 2.0).
    pub fn new(event: ApiGatewayV2httpRequest) -> Self {
        let body = event.body.unwrap_or_default();
        let body = if event.is_base64_encoded {
            STANDARD.decode(&body).unwrap_or_default()
        } else {
            body.into_bytes()
        };
        let context = event.request_context;
        let claims = context
            .authorizer
            .and_then(|authorizer| authorizer.jwt)
            .map(|jwt| jwt.claims)
            .unwrap_or_default();
        Self {
            route: event.route_key.or(context.route_key).unwrap_or_default(),
            request_id: context.request_id.unwrap_or_default(),
            source_ip: context.http.source_ip.unwrap_or_default(),
            path: event.path_parameters,
            query: event
                .query_string_parameters
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            headers: event
                .headers
                .iter()
                .filter_map(|(name, value)| {
                    Some((name.as_str().to_lowercase(), value.to_str().ok()?.to_owned()))
                })
                .collect(),
            body,
            claims,
        }
    }

    /// A path parameter read as an id; anything malformed is simply not there.
    pub fn path<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.path.get(name).and_then(|text| text.parse().ok()).ok_or_else(Problem::not_found)
    }

    /// The ids in the path. Only after the handler has taken them for ids: before, anything may stand there.
    pub fn path_ids(&self) -> impl Iterator<Item = &str> {
        self.path.iter().filter(|(name, _)| name.ends_with("_id")).map(|(_, id)| id.as_str())
    }

    /// A query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// How many items a page is to have: `limit`, 50 by default.
    pub fn page_size(&self) -> Result<usize, Problem> {
        let Some(limit) = self.query("limit") else { return Ok(PAGE) };
        let limit = limit.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
        limit.ok_or_else(|| Problem::query("limit", "limit in the query is a number from 1 to 100"))
    }

    /// Where the page before ended: `cursor`.
    pub fn cursor<T: FromStr>(&self) -> Result<Option<T>, Problem> {
        let Some(cursor) = self.query("cursor") else { return Ok(None) };
        let cursor = Some(cursor).filter(|cursor| cursor.len() <= MAX_CURSOR).and_then(|it| it.parse().ok());
        let fault = || Problem::query("cursor", "cursor in the query is the next_cursor of the page before");
        cursor.map(Some).ok_or_else(fault)
    }

    /// A header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The `Bearer` token.
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// The body as sent.
    pub fn raw_body(&self) -> &[u8] {
        &self.body
    }

    /// The JSON body. Types refuse unknown fields, so a misspelt field is an error with its pointer, never ignored.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if self.body.len() > MAX_BODY {
            return Err(Problem::new(Code::TooLarge, format!("Send at most {MAX_BODY} bytes.")));
        }
        let one = |pointer, code, detail| {
            Problem::new(
                Code::MalformedBody,
                "Correct the field listed under errors and send the request again.",
            )
            .with_errors(vec![FieldError::new(pointer, code, detail)])
        };
        json::check(&self.body).map_err(|fault| match fault {
            Fault::Syntax { line, column } => Problem::new(
                Code::MalformedBody,
                format!("The body is not one valid JSON value: line {line}, column {column}."),
            ),
            Fault::Repeated { pointer } => one(pointer, "repeated", "write each field once".to_owned()),
        })?;
        let mut json = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut json).map_err(|error| {
            one(pointer(error.path()), "wrong_type_or_unknown_field", reason(&error.inner().to_string()))
        })
    }
}

/// What the JSON reader said, without anything the caller sent: only sentences that name fields or types.
fn reason(message: &str) -> String {
    for known in ["unknown field", "missing field"] {
        if let Some(rest) = message.strip_prefix(known) {
            // A missing field's name is ours; an unknown one's is the caller's, who may have typed anything there.
            let name = rest.split('`').nth(1).filter(|_| known != "unknown field");
            return name.map_or_else(
                || format!("{known}; check the spelling against the API description"),
                |name| format!("{known} `{name}`"),
            );
        }
    }
    message.split_once("expected ").map_or_else(
        || "not of the kind the API description asks for".to_owned(),
        |(_, expected)| format!("expected {}", expected.split(" at line").next().unwrap_or(expected)),
    )
}

/// RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |text, segment| match segment {
        Segment::Seq { index } => format!("{text}/{index}"),
        Segment::Map { key } => format!("{text}/{}", json::escape(key)),
        Segment::Enum { variant } => format!("{text}/{variant}"),
        Segment::Unknown => text,
    })
}

/// Whom an answer shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shows {
    /// Everybody whose id is in it.
    #[default]
    Ids,
    /// These too, whose ids are not.
    Besides(Vec<PersonId>),
    /// Nobody: its ids are of those whom others saw.
    Nobody,
}

/// A successful answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body; none for 204.
    pub body: Option<serde_json::Value>,
    /// Whom it shows.
    pub shows: Shows,
}

impl Answer {
    /// With a body.
    pub fn json(status: u16, body: impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_value(body).map_err(ApiError::internal)?;
        Ok(Self { status, body: Some(body), shows: Shows::Ids })
    }

    /// Without one.
    pub const fn empty() -> Self {
        Self { status: 204, body: None, shows: Shows::Ids }
    }

    /// The same answer, which shows others than its ids say.
    #[must_use]
    pub fn showing(self, shows: Shows) -> Self {
        Self { shows, ..self }
    }
}

/// Runs a handler that does not know who asks, and answers. Whoever shows people has to say to whom: see
/// [`told::answer`](super::told::answer).
pub async fn answer<F: Future<Output = Result<Answer, ApiError>>>(
    request_id: &str,
    handler: F,
) -> ApiGatewayV2httpResponse {
    let answer = handler.await.and_then(|answer| {
        let people = answer.body.as_ref().map_or(Ok(Shown::new()), |body| audit::shown(body, None));
        match people {
            Ok(people) if people.is_empty() && answer.shows == Shows::Ids => Ok(answer),
            _ => Err(ApiError::internal("an answer to a stranger shows a person")),
        }
    });
    respond(request_id, answer)
}

/// Turns whatever a handler says into API Gateway's answer. Nothing may be cached on the way: every answer is about somebody.
pub(super) fn respond(request_id: &str, answer: Result<Answer, ApiError>) -> ApiGatewayV2httpResponse {
    let problem =
        |problem: &Problem| (problem.status(), "application/problem+json", Some(problem.body(request_id)));
    let (status, content_type, body) = match answer {
        Ok(answer) => (answer.status, "application/json", answer.body),
        Err(ApiError::Problem(told)) => problem(&told),
        Err(ApiError::KeptFrom(_)) => problem(&Problem::not_found()),
        Err(ApiError::Internal(cause)) => {
            tracing::error!(request_id, cause, "a request failed");
            problem(&Problem::new(
                Code::Internal,
                "Try again in a minute; if it stays, name the request_id to support.",
            ))
        }
    };
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(status);
    response.headers.insert("cache-control", "no-store".parse().expect("a constant header is valid"));
    response.headers.insert("x-content-type-options", "nosniff".parse().expect("a constant header is valid"));
    if let Some(body) = body {
        response.headers.insert("content-type", content_type.parse().expect("a constant header is valid"));
        response.body = Some(Body::Text(body.to_string()));
    }
    response
}
