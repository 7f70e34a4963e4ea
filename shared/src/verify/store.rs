//! Claims, accounts and sessions as stored: ids and hashes only.

use serde::{Deserialize, Serialize};

use super::matching::Verdict;
use crate::{
    channel::Channel,
    id::{AccountId, PersonId, SchoolId, VerificationId},
    privacy::retention::DataClass,
    store::{
        key::{self, Key, TableName},
        table::Record,
    },
};

/// One attempt of somebody to show who they are. It never holds what they typed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verification {
    /// The id.
    pub verification_id: VerificationId,
    /// What the claim came to: for the school, never for the caller.
    pub verdict: Verdict,
    /// The school, if the code named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub school_id: Option<SchoolId>,
    /// The contact that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_id: Option<PersonId>,
    /// The pupil that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pupil_id: Option<PersonId>,
    /// Where a code would go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Attempts left, taken before a code is compared.
    pub attempts_left: i64,
    /// Keyed hash of the newest code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_hash: Option<String>,
    /// Until when that code works, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_until: Option<i64>,
    /// The carrier took the code.
    #[serde(default)]
    pub code_sent: bool,
    /// A code was accepted: none is again.
    #[serde(default)]
    pub used: bool,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When it is forgotten.
    pub expires: i64,
}

impl Record for Verification {
    const KIND: &'static str = "verification";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Verification;
    fn key(&self) -> Key {
        key::verification(self.verification_id)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// A parent's account: which contacts, at which schools, they have shown themselves to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The id.
    pub account_id: AccountId,
    /// School and contact, each proved at that school.
    pub contacts: Vec<(SchoolId, PersonId)>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When it is forgotten unless it is used.
    pub expires: i64,
}

impl Record for Account {
    const KIND: &'static str = "account";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Account;
    fn key(&self) -> Key {
        key::account(self.account_id)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// From a contact of a school to their account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountOf {
    /// The school.
    pub school_id: SchoolId,
    /// The contact.
    pub contact_id: PersonId,
    /// Their account.
    pub account_id: AccountId,
    /// When it is forgotten unless it is used.
    pub expires: i64,
}

impl Record for AccountOf {
    const KIND: &'static str = "account_of";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Account;
    fn key(&self) -> Key {
        key::account_of(self.school_id, self.contact_id)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// A session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// SHA-256 of the token.
    pub token_hash: String,
    /// Whose it is.
    pub account_id: AccountId,
    /// When it began, in seconds since 1970.
    pub created: i64,
    /// When it ends.
    pub expires: i64,
}

impl Record for Session {
    const KIND: &'static str = "session";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Session;
    fn key(&self) -> Key {
        key::session(&self.token_hash)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}
