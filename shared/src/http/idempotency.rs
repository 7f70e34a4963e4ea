//! `Idempotency-Key`: a repeated request gets the first one's answer for 24 hours; the same key with another body is refused.

use jiff::Timestamp;

use super::{ApiError, FieldError, Problem, Request, problem::Code};
use crate::{
    message::store::Idempotency,
    privacy::retention::DataClass,
    store::{
        key,
        table::{Condition, StoreError, Tables, Write, value},
    },
    verify::session::hash,
};

/// The longest key.
const MAX_KEY: usize = 255;

/// What is known of a request that may be a repetition.
#[derive(Debug)]
pub struct Replay {
    record: Option<Idempotency>,
    now: i64,
}

impl Replay {
    /// From the request of whoever `subject` is; one without the header is never a repetition. `scope` is the school, the
    /// parent's account, or `operator`.
    pub fn of(request: &Request, subject: &str, scope: &str, now: Timestamp) -> Result<Self, Problem> {
        let Some(given) = request.header("idempotency-key") else { return Ok(Self { record: None, now: 0 }) };
        if given.is_empty() || given.len() > MAX_KEY {
            return Err(Problem::fields(vec![FieldError::new(
                "",
                "idempotency_key",
                "send an Idempotency-Key of 1 to 255 letters",
            )]));
        }
        let record = Idempotency {
            scope: scope.to_owned(),
            hash: hash(&format!("{subject}\0{}\0{given}", request.route)),
            body_hash: hash(&String::from_utf8_lossy(request.raw_body())),
            id: String::new(),
            expires: (now + DataClass::Idempotency.period()).as_second(),
        };
        Ok(Self { record: Some(record), now: now.as_second() })
    }

    /// The id that the first request got, if this is a repetition.
    pub async fn seen(&self, tables: &Tables) -> Result<Option<String>, ApiError> {
        let Some(record) = &self.record else { return Ok(None) };
        let first: Option<Idempotency> = tables.get(key::idempotency(&record.scope, &record.hash)).await?;
        // DynamoDB expires items late: after 24 hours the key is free again.
        match first.filter(|first| self.now < first.expires) {
            Some(first) if first.body_hash != record.body_hash => Err(Problem::new(
                Code::KeyReused,
                "Use a new Idempotency-Key for a new request; this one was sent with another body.",
            )
            .into()),
            first => Ok(first.map(|first| first.id)),
        }
    }

    /// The write that remembers the answer; belongs into the same transaction as what it answers for.
    pub fn write(self, id: &str) -> Result<Option<Write>, StoreError> {
        let free = Condition::MissingOrBelow("expires", value(self.now));
        self.record.map(|record| Write::put(&Idempotency { id: id.to_owned(), ..record }, free)).transpose()
    }
}
