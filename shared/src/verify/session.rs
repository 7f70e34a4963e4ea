//! Sessions: an opaque token whose hash alone is stored, revocable at once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::store::{Account, Session};
use crate::{
    http::{ApiError, Problem, Request},
    seal::sha256,
    store::{key, table::Tables},
};

/// The prefix of a session token.
pub const PREFIX: &str = "ses_";

/// A token of 256 random bits.
pub fn token(random: [u8; 32]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// SHA-256 of a token, in hexadecimal: with 256 random bits inside, no salt is needed.
pub fn hash(token: &str) -> String {
    sha256(token.as_bytes())
}

/// A signed-in parent. No handler of family data works without one.
#[derive(Clone, Debug)]
pub struct Parent {
    /// The session.
    pub session: Session,
    /// The account.
    pub account: Account,
}

impl Parent {
    /// From the request's bearer token. No token, an unknown, ended or expired one: the same 401.
    pub async fn from_request(
        tables: &Tables,
        request: &Request,
        now: jiff::Timestamp,
    ) -> Result<Self, ApiError> {
        let token = request
            .bearer()
            .filter(|token| token.starts_with(PREFIX) && token.len() < 100)
            .ok_or_else(Problem::unauthorised)?;
        let session: Option<Session> = tables.get(key::session(&hash(token))).await?;
        // DynamoDB expires items late: what is over is over here.
        let session =
            session.filter(|session| now.as_second() < session.expires).ok_or_else(Problem::unauthorised)?;
        let account: Option<Account> = tables.get(key::account(session.account_id)).await?;
        Ok(Self { account: account.ok_or_else(Problem::unauthorised)?, session })
    }
}
