//! Where a device is notified: the token that its maker's service gave the app. It belongs to a session and goes with it.
//!
//! A device that changes hands keeps its token, so a token belongs to one session at a time, whoever's: what is meant for one
//! parent must not light up another's screen.

use serde::{Deserialize, Serialize};

use super::session::Session;
use crate::{
    id::{AccountId, SessionId},
    privacy::retention::DataClass,
    seal::{DataKey, Place, SealError, Sealed, nonce},
    store::{
        key::{self, Key, TableName},
        table::{Condition, Record, StoreError, Update, Write, value},
    },
};

/// The lengths of a token: Apple's are 64 letters and more, Google's some 160.
const LENGTHS: std::ops::RangeInclusive<usize> = 32..=512;

/// Whose service notifies a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Apple's.
    Ios,
    /// Google's.
    Android,
}

/// Where the device of a session is notified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// By whom.
    pub platform: Platform,
    /// A hash of the token under the accounts' key: whether two are the same.
    pub blind: String,
    /// The token (`String`), sealed with the accounts' key.
    token: Sealed,
}

impl Push {
    /// For a session.
    pub fn new(accounts: &DataKey, session: &Session, platform: Platform, token: &str) -> Self {
        let at = session.key();
        let sealed = accounts.seal(place(&at), &token, nonce());
        Self { platform, blind: blind(accounts, token), token: sealed }
    }

    /// The token of a session's device.
    pub fn token(&self, accounts: &DataKey, session: &Session) -> Result<String, SealError> {
        accounts.open(place(&session.key()), &self.token)
    }
}

const fn place(at: &Key) -> Place<'_> {
    Place { table: TableName::Access, key: at, attribute: "push" }
}

/// The hash by which a token's holder is found.
pub fn blind(accounts: &DataKey, token: &str) -> String {
    accounts.blind("push_token", token)
}

/// Whether a text can be a token at all.
pub fn is_token(text: &str) -> bool {
    LENGTHS.contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_:.=+/".contains(&b))
}

/// From a token's hash to the one session that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushHolder {
    /// [`Push::blind`].
    pub blind: String,
    /// Whose session.
    pub account_id: AccountId,
    /// Which.
    pub session_id: SessionId,
    /// When it is forgotten, in seconds since 1970: not before any session could be.
    pub expires: i64,
}

impl Record for PushHolder {
    const KIND: &'static str = "push_holder";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::KnownDevice;
    fn key(&self) -> Key {
        key::push_holder(&self.blind)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// The writes by which a session's device is notified at `push`, and nobody else's is any more. `holder` is who the token
/// belonged to, and `other` that session, if it still is.
pub fn take_over(
    session: &Session,
    push: &Push,
    holder: Option<&PushHolder>,
    other: Option<&Session>,
    expires: i64,
) -> Result<Vec<Write>, StoreError> {
    let Session { account_id, session_id, .. } = *session;
    let taken = PushHolder { blind: push.blind.clone(), account_id, session_id, expires };
    let unmoved =
        holder.map_or(Condition::Absent, |holder| Condition::Is("session_id", value(holder.session_id)));
    let set = Update::new().set("push", push);
    let mut writes = vec![
        Write::put(&taken, unmoved)?,
        Write::update(TableName::Access, session.key(), set, Condition::Present),
    ];
    let before = session.push.as_ref().filter(|before| before.blind != push.blind);
    if let Some(before) = before {
        writes.push(Write::delete(TableName::Access, key::push_holder(&before.blind), Condition::Always));
    }
    let loses = other.filter(|other| other.session_id != session_id);
    if let Some(other) = loses.filter(|other| other.push.as_ref().is_some_and(|its| its.blind == push.blind))
    {
        let none = Update::new().remove("push");
        writes.push(Write::update(TableName::Access, other.key(), none, Condition::Present));
    }
    Ok(writes)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{id::SchoolId, verify::session::Proved};

    fn session(number: u8) -> Session {
        let at = Timestamp::UNIX_EPOCH;
        let ids = (AccountId::new(at, &[number; 10]), SessionId::new(at, &[number; 10]));
        let proved = Proved { school_id: SchoolId::new(at, &[1; 10]), point: String::new() };
        Session::begin(ids.0, ids.1, "ses_x", "Mac", proved, at).0
    }

    fn writes(session: &Session, push: &Push, holder: Option<&Session>) -> usize {
        let taken = holder.map(|of| PushHolder {
            blind: push.blind.clone(),
            account_id: of.account_id,
            session_id: of.session_id,
            expires: 0,
        });
        take_over(session, push, taken.as_ref(), holder, 0).unwrap().len()
    }

    #[test]
    fn a_token_belongs_to_one_session_at_a_time() {
        let accounts = DataKey::new(&[7; 32]);
        let (mut mine, mut other) = (session(1), session(2));
        let push = |session: &Session, token: &str| Push::new(&accounts, session, Platform::Ios, token);
        let new = push(&mine, "token");
        assert_eq!(new.token(&accounts, &mine).unwrap(), "token");
        assert!(new.token(&accounts, &other).is_err(), "it opens in its own session alone");
        assert_eq!(new.blind, push(&other, "token").blind);
        // Holder and session; the session that had it loses it; so does the token that this one had.
        assert_eq!(writes(&mine, &new, None), 2);
        assert_eq!(writes(&mine, &new, Some(&other)), 2, "the other has gone on to another token");
        other.push = Some(push(&other, "token"));
        assert_eq!(writes(&mine, &new, Some(&other)), 3);
        mine.push = Some(push(&mine, "old"));
        assert_eq!(writes(&mine, &new, Some(&other)), 4);
        mine.push = Some(new.clone());
        assert_eq!(writes(&mine, &new, Some(&mine)), 2);
    }

    #[test]
    fn tokens_are_of_a_length_and_of_plain_letters() {
        let (apple, google) = ("0f".repeat(32), format!("c2Vzc2lvbg:APA91b{}", "-_x".repeat(46)));
        for (text, is) in [
            (apple.as_str(), true),
            (google.as_str(), true),
            (&"x".repeat(512), true),
            (&"x".repeat(513), false),
            (&"x".repeat(31), false),
            ("", false),
            (&"x y".repeat(20), false),
            (&"\u{17d}".repeat(40), false),
        ] {
            assert_eq!(is_token(text), is, "{text}");
        }
    }
}
