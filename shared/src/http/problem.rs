//! Errors as RFC 9457 `application/problem+json`, made in one place.

use std::{collections::BTreeSet, fmt::Display};

use serde::Serialize;

use crate::id::PersonId;

/// The kinds of problem: code and status. The README says of each what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The body is not JSON, or has unknown fields or wrong types.
    MalformedBody,
    /// Fields are understood but cannot be accepted.
    InvalidFields,
    /// No or no valid session or token.
    Unauthorised,
    /// A valid token without the role that this needs.
    Forbidden,
    /// Nothing there, or nothing of this school.
    NotFound,
    /// Something else happened meanwhile: read again.
    Conflict,
    /// Somebody would have to be reached, and nobody is.
    NoRecipients,
    /// The `Idempotency-Key` was used with another body.
    KeyReused,
    /// Too many attempts.
    TooManyRequests,
    /// The body is larger than this route takes.
    TooLarge,
    /// Our fault.
    Internal,
}

impl Code {
    const fn parts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::MalformedBody => ("malformed_body", 400, "The body cannot be read"),
            Self::Unauthorised => ("unauthorised", 401, "Not signed in"),
            Self::Forbidden => ("forbidden", 403, "Not allowed for this role"),
            Self::NotFound => ("not_found", 404, "Not found"),
            Self::Conflict => ("conflict", 409, "Changed meanwhile"),
            Self::TooLarge => ("too_large", 413, "The body is too large"),
            Self::InvalidFields => ("invalid_fields", 422, "Some fields cannot be accepted"),
            Self::NoRecipients => ("no_recipients", 422, "The message would reach nobody"),
            Self::KeyReused => {
                ("idempotency_key_reused", 422, "The Idempotency-Key was used with another body")
            }
            Self::TooManyRequests => ("too_many_requests", 429, "Too many attempts"),
            Self::Internal => ("internal", 500, "Something went wrong on our side"),
        }
    }
}

/// One field at fault. Never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// RFC 6901 pointer into the body.
    pub pointer: String,
    /// Short and stable.
    pub code: &'static str,
    /// What to do about it.
    pub detail: String,
}

impl FieldError {
    /// One field at fault.
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}

/// An answer that says what is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    extra: Option<(&'static str, serde_json::Value)>,
}

impl Problem {
    /// With a sentence on what to do next.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), extra: None }
    }

    /// Fields that cannot be accepted.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Self::new(
                Code::InvalidFields,
                "Correct the fields listed under errors and send the request again.",
            )
        }
    }

    /// A parameter of the query that cannot be accepted.
    pub fn query(name: &'static str, detail: &str) -> Self {
        Self::fields(vec![FieldError::new("", name, detail)])
    }

    /// Nothing there: the same for what never existed, for another school's, and for a malformed id.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "There is nothing here, or it belongs to another school.")
    }

    /// The one answer to every failed proof of identity.
    pub fn unauthorised() -> Self {
        Self::new(Code::Unauthorised, "Sign in again.")
    }

    /// Adds the fields at fault.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Adds one member of the problem's own (RFC 9457, section 3.2).
    #[must_use]
    pub fn with(mut self, name: &'static str, value: serde_json::Value) -> Self {
        self.extra = Some((name, value));
        self
    }

    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        self.code.parts().1
    }

    /// The body.
    pub fn body(&self, request_id: &str) -> serde_json::Value {
        let (code, status, title) = self.code.parts();
        let mut body = serde_json::json!({
            "type": format!("https://bookbag.example/problems/{code}"), "code": code, "title": title, "status": status, "detail": self.detail, "request_id": request_id,
        });
        if !self.errors.is_empty() {
            body["errors"] = serde_json::to_value(&self.errors).unwrap_or_default();
        }
        if let Some((name, value)) = &self.extra {
            body[*name] = value.clone();
        }
        body
    }
}

/// How a handler ends when not well: with a problem of the caller's, or with one of ours, whose text stays inside.
#[derive(Debug)]
pub enum ApiError {
    /// Told to the caller.
    Problem(Problem),
    /// Told like what is not there, and put on record: these people are kept from who asks.
    KeptFrom(BTreeSet<PersonId>),
    /// Logged; the caller gets a constant.
    Internal(String),
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl ApiError {
    /// One of ours.
    pub fn internal(error: impl Display) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<crate::store::table::StoreError> for ApiError {
    fn from(error: crate::store::table::StoreError) -> Self {
        match error {
            crate::store::table::StoreError::Conflict => Problem::new(
                Code::Conflict,
                "Somebody else changed this at the same moment. Read it again and repeat the request.",
            )
            .into(),
            error => Self::internal(error),
        }
    }
}

impl From<crate::seal::SealError> for ApiError {
    fn from(error: crate::seal::SealError) -> Self {
        Self::internal(error)
    }
}

impl From<crate::person::store::ReadError> for ApiError {
    fn from(error: crate::person::store::ReadError) -> Self {
        match error {
            crate::person::store::ReadError::Store(error) => error.into(),
            crate::person::store::ReadError::Seal(error) => error.into(),
        }
    }
}

impl From<crate::queue::QueueError> for ApiError {
    fn from(error: crate::queue::QueueError) -> Self {
        Self::internal(error)
    }
}

impl From<crate::object::ObjectError> for ApiError {
    fn from(error: crate::object::ObjectError) -> Self {
        Self::internal(error)
    }
}

impl From<crate::school::TenantError> for ApiError {
    fn from(error: crate::school::TenantError) -> Self {
        match error {
            crate::school::TenantError::NotActive => Problem::not_found().into(),
            error => Self::internal(error),
        }
    }
}
