//! Sessions: an opaque token whose hash alone is stored, sliding for 30 days, revocable at once, one by one or all.
//!
//! A session is two items: the token's hash leads to it, and it lies with its account, where the others are found. The first
//! outlives the second when a session merely ends: a device that was signed in once is known, and has a share of codes of its
//! own, so that no stranger can use up those of an existing account. A session that was revoked leaves nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{account::Account, push::Push};
use crate::{
    http::{ApiError, Problem, Request},
    id::{AccountId, SchoolId, SessionId},
    privacy::retention::DataClass,
    seal::sha256,
    store::{
        key::{self, Key, TableName},
        table::{Condition, Record, StoreError, Tables, Update, Write},
    },
};

/// The prefix of a session token.
pub const PREFIX: &str = "ses_";

/// How often the use of a session is noted, in seconds: an hour, so that a busy parent costs 24 writes a day and not hundreds.
const NOTED_EVERY: i64 = 3_600;

/// A token of 256 random bits.
pub fn token(random: [u8; 32]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// SHA-256 of a token, in hexadecimal: with 256 random bits inside, no salt is needed.
pub fn hash(token: &str) -> String {
    sha256(token.as_bytes())
}

/// From a token's hash to its session, and to the account whose device this was once the session has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionToken {
    /// SHA-256 of the token.
    pub token_hash: String,
    /// Whose it is.
    pub account_id: AccountId,
    /// The session.
    pub session_id: SessionId,
    /// When it is forgotten.
    pub expires: i64,
}

impl Record for SessionToken {
    const KIND: &'static str = "session_token";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::KnownDevice;
    fn key(&self) -> Key {
        key::session_token(&self.token_hash)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// The contact point that a session's code went to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proved {
    /// The school of which it was.
    pub school_id: SchoolId,
    /// [`crate::person::suppression::hash`] of it.
    pub point: String,
}

/// A session, with its account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose it is.
    pub account_id: AccountId,
    /// The id, which is no secret.
    pub session_id: SessionId,
    /// SHA-256 of its token.
    pub token_hash: String,
    /// The kind of device, as [`device`] tells it.
    pub device: String,
    /// By which contact point it began: once the school suppresses that, the session shows nothing, whatever else the account has
    /// proved. The stranger who has a parent's number may have come into the parent's own account.
    pub proved: Proved,
    /// Where the device is notified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
    /// When it began, in seconds since 1970.
    pub created: i64,
    /// When it was last used, to the hour.
    pub last_used: i64,
    /// When it ends unless it is used.
    pub expires: i64,
}

impl Record for Session {
    const KIND: &'static str = "session";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Session;
    fn key(&self) -> Key {
        key::session(self.account_id, self.session_id)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

impl Session {
    /// A session that begins now, and its token's record.
    pub fn begin(
        account_id: AccountId,
        session_id: SessionId,
        token: &str,
        device: &str,
        proved: Proved,
        now: Timestamp,
    ) -> (Self, SessionToken) {
        let token_hash = hash(token);
        let known_until = (now + DataClass::KnownDevice.period()).as_second();
        let session = Self {
            account_id,
            session_id,
            token_hash: token_hash.clone(),
            device: device.to_owned(),
            proved,
            push: None,
            created: now.as_second(),
            last_used: now.as_second(),
            expires: (now + DataClass::Session.period()).as_second(),
        };
        (session, SessionToken { token_hash, account_id, session_id, expires: known_until })
    }

    /// The session, used now; none where that was noted within the hour.
    pub fn used(&self, now: Timestamp) -> Option<Self> {
        let now_second = now.as_second();
        (now_second - self.last_used >= NOTED_EVERY).then(|| Self {
            last_used: now_second,
            expires: (now + DataClass::Session.period()).as_second(),
            ..self.clone()
        })
    }

    /// The writes that end it: its token opens nothing with the next request, and its device is notified no more.
    pub fn end(&self) -> Vec<Write> {
        let push = self.push.as_ref().map(|push| key::push_holder(&push.blind));
        let gone = std::iter::once(self.key()).chain(push);
        gone.map(|at| Write::delete(TableName::Access, at, Condition::Always)).collect()
    }

    /// The writes that revoke it: they end it, and its device is known no more.
    pub fn revoke(&self) -> Vec<Write> {
        let token = Write::delete(TableName::Access, key::session_token(&self.token_hash), Condition::Always);
        self.end().into_iter().chain([token]).collect()
    }
}

/// The sessions of an account that have not ended, the newest first.
pub async fn of_account(
    tables: &Tables,
    account: AccountId,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    let items = tables.query(TableName::Access, &key::account(account).pk, key::SESSIONS).await?;
    let mut sessions = items.into_iter().map(|item| item.read::<Session>()).collect::<Result<Vec<_>, _>>()?;
    sessions.retain(|session| now.as_second() < session.expires);
    sessions.sort_by_key(|session| std::cmp::Reverse(session.created));
    Ok(sessions)
}

/// The kind of device and browser that a `User-Agent` names, from a short list: enough for somebody to know their own again, too
/// little to follow them by.
pub fn device(user_agent: &str) -> String {
    let first = |known: &[(&str, &'static str)]| {
        known.iter().find(|(word, _)| user_agent.contains(word)).map(|(_, name)| *name)
    };
    let system = first(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("CrOS", "Chromebook"),
        ("Macintosh", "Mac"),
        ("Linux", "Linux"),
    ]);
    // The order matters: Edge and Opera also say Chrome, Chrome also says Safari.
    let browser = first(&[
        ("Bookbag/", "Bookbag app"),
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox", "Firefox"),
        ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"),
        ("Chrome", "Chrome"),
        ("Safari", "Safari"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "unknown device".to_owned(),
    }
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
    /// From the request's bearer token, for whatever needs one. No token, an unknown, ended, expired or revoked one: the same 401.
    /// Use is noted, and moves the end of the session, at most once an hour; that of the account at most once a day.
    pub async fn from_request(tables: &Tables, request: &Request, now: Timestamp) -> Result<Self, ApiError> {
        let mut parent = Self::read(tables, request, now).await?.ok_or_else(Problem::unauthorised)?;
        let Some(session) = parent.session.used(now) else { return Ok(parent) };
        // Changes, not whole items: what is revoked meanwhile stays so.
        let noted = Update::new()
            .set("last_used", session.last_used)
            .set("expires", session.expires)
            .set("ttl", session.expires);
        let mut writes = vec![Write::update(TableName::Access, session.key(), noted, Condition::Present)];
        if parent.account.is_stale(now) {
            let (before, used) = (parent.account.rev, parent.account.used(now));
            writes.extend(used.write(Some(before))?);
            parent.account = used;
        }
        match tables.transact(writes).await {
            Ok(()) => parent.session = session,
            // Another request of theirs was first, or the session was revoked: then the next one is told.
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(parent)
    }

    /// The parent whose session's token the request shows, if it shows one that holds.
    pub async fn read(
        tables: &Tables,
        request: &Request,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let Some(token) = shown(tables, request).await? else { return Ok(None) };
        let keys = [key::account(token.account_id), key::session(token.account_id, token.session_id)];
        let keys = keys.map(|key| (TableName::Access, key)).to_vec();
        let (mut account, mut session) = (None, None);
        for item in tables.batch_get(keys).await? {
            match item.kind() {
                Account::KIND => account = Some(item.read::<Account>()?),
                _ => session = Some(item.read::<Session>()?),
            }
        }
        // DynamoDB expires items late: what is over is over here.
        let session = session.filter(|session| now.as_second() < session.expires);
        Ok(account.zip(session).map(|(account, session)| Self { session, account }))
    }
}

/// What is stored of the token that a request shows, whether its session still holds or not.
pub async fn shown(tables: &Tables, request: &Request) -> Result<Option<SessionToken>, StoreError> {
    let token = request.bearer().filter(|token| token.starts_with(PREFIX) && token.len() < 100);
    match token {
        Some(token) => tables.get(key::session_token(&hash(token))).await,
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proved() -> Proved {
        Proved { school_id: SchoolId::new(Timestamp::UNIX_EPOCH, &[1; 10]), point: String::new() }
    }

    #[test]
    fn devices_are_told_coarsely() {
        for (user_agent, expected) in [
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("Bookbag/2.1 (iPad)", "Bookbag app on iPad"),
            ("curl/8.9", "unknown device"),
            ("", "unknown device"),
        ] {
            assert_eq!(device(user_agent), expected);
        }
    }

    #[test]
    fn a_session_slides_by_the_hour_and_ends_after_thirty_days_without_use() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let ids = (AccountId::new(at(0), &[1; 10]), SessionId::new(at(0), &[2; 10]));
        let (session, token) = Session::begin(ids.0, ids.1, "ses_x", "Mac", proved(), at(1000));
        assert_eq!((session.expires - 1000, token.expires - 1000), (30 * 86_400, 730 * 86_400));
        assert_eq!(session.used(at(1000 + 3_599)), None);
        let used = session.used(at(1000 + 3_600)).unwrap();
        assert_eq!((used.last_used, used.expires), (4_600, 4_600 + 30 * 86_400));
        assert_eq!((used.created, &used.token_hash), (1000, &hash("ses_x")));
    }
}
