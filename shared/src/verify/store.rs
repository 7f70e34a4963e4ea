//! Attempts to show who one is, as stored: what was asked for, what it came to, and the code.

use serde::{Deserialize, Serialize};

use super::{account::ContactPoint, claim::Claim, matching::Verdict};
use crate::{
    channel::Channel,
    id::{AccountId, PersonId, SchoolId, SessionId, VerificationId},
    privacy::retention::DataClass,
    seal::{DataKey, Place, SealError, Sealed, nonce},
    store::{
        key::{self, Key, TableName},
        table::Record,
    },
};

/// What somebody asks for, as they typed it. Kept sealed, and only until it has been looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// To be known as the parent of a child.
    Claim(Box<Claim>),
    /// To sign in again.
    SignIn {
        /// The contact point that they say is theirs.
        point: ContactPoint,
        /// The account whose device they show that they ask from.
        known: Option<AccountId>,
    },
}

/// One attempt of somebody to show who they are.
// Independent facts: an enum of their combinations would say less.
#[expect(clippy::struct_excessive_bools)]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verification {
    /// The id.
    pub verification_id: VerificationId,
    /// [`Asked`], sealed with the accounts' key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Sealed>,
    /// A keyed hash of the network that it came from: what one source may ask for is counted by it.
    #[serde(default)]
    pub source: String,
    /// What it came to, once it has been looked at: for the school, never for the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The school, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub school_id: Option<SchoolId>,
    /// The contact that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_id: Option<PersonId>,
    /// The pupil that fits; none when signing in again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pupil_id: Option<PersonId>,
    /// Where a code would go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Who signs in again; at the end of a claim, whose account it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// Asked from a device that was signed in before.
    #[serde(default)]
    pub known_device: bool,
    /// Attempts left, taken before a code is compared.
    pub attempts_left: i64,
    /// Keyed hash of the newest code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_hash: Option<String>,
    /// [`ContactPoint::blind`] of where that code goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<String>,
    /// Until when that code works, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_until: Option<i64>,
    /// The carrier took the code.
    #[serde(default)]
    pub code_sent: bool,
    /// A code was accepted: none is again.
    #[serde(default)]
    pub used: bool,
    /// The session that began with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The contact was not in that account before.
    #[serde(default)]
    pub linked: bool,
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

impl Verification {
    /// A new one, that nobody has looked at.
    pub fn new(
        id: VerificationId,
        asked: &Asked,
        source: String,
        accounts: &DataKey,
        now: jiff::Timestamp,
    ) -> Self {
        let at = key::verification(id);
        Self {
            verification_id: id,
            asked: Some(accounts.seal(Self::place(&at), asked, nonce())),
            source,
            verdict: None,
            school_id: None,
            contact_id: None,
            pupil_id: None,
            channel: None,
            account_id: None,
            known_device: false,
            attempts_left: super::code::ATTEMPTS,
            code_hash: None,
            point: None,
            code_until: None,
            code_sent: false,
            used: false,
            session_id: None,
            linked: false,
            created: now.as_second(),
            expires: (now + DataClass::Verification.period()).as_second(),
        }
    }

    /// What was asked for; none where it has been looked at.
    pub fn asked(&self, accounts: &DataKey) -> Result<Option<Asked>, SealError> {
        let at = self.key();
        self.asked.as_ref().map(|asked| accounts.open(Self::place(&at), asked)).transpose()
    }

    const fn place(at: &Key) -> Place<'_> {
        Place { table: TableName::Access, key: at, attribute: "asked" }
    }
}

/// The message group of an attempt's tasks: one of sixteen, by its last random digit. A group of the school's would need to know the
/// school. A queue hands the tasks of one group to one worker at a time, ten to a batch that takes about a second to look at: one
/// group would just keep up with the 40,000 claims an hour that are let in, and sixteen leave room.
pub fn group(id: VerificationId) -> String {
    let id = id.to_string();
    format!("verifications-{}", &id[id.len() - 1..])
}

/// Somebody was told about a verification, or is about to be: written before the carrier is called, so that a repeated task tells
/// nobody twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    /// The verification.
    pub verification_id: VerificationId,
    /// Who: a person's id, or `school`.
    pub whom: String,
    /// The carrier asked to wait, and certainly sent nothing.
    #[serde(default)]
    pub not_sent: bool,
    /// When it is forgotten.
    pub expires: i64,
}

impl Record for Told {
    const KIND: &'static str = "told";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Verification;
    fn key(&self) -> Key {
        key::told(self.verification_id, &self.whom)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}
