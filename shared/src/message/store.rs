//! Messages, rosters and chunk states as stored.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Purpose,
    audience::{Audience, Reason, Recipient},
    outcome::Outcomes,
};
use crate::{
    channel::Channel,
    id::{MessageId, PersonId, SchoolId},
    privacy::retention::DataClass,
    seal::{DataKey, Place, SealError, Sealed, nonce},
    store::{
        key::{self, Key, TableName},
        table::Record,
    },
};

/// What a message says and whom it is for. Stored sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Content {
    /// Subject of the e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Text with placeholders.
    pub body: String,
    /// Who it is for.
    pub audience: Audience,
}

/// The record of a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// The tenant.
    pub school_id: SchoolId,
    /// The id.
    pub message_id: MessageId,
    /// What it is for.
    pub purpose: Purpose,
    /// Channels in order of preference.
    pub channels: Vec<Channel>,
    /// [`Content`], sealed.
    pub content: Sealed,
    /// Who sent it (the issuer's id).
    pub sent_by: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Set once somebody stops it; every sender looks here before it calls a carrier.
    #[serde(default)]
    pub stopped: bool,
    /// The worker that resolves the audience, and until when (seconds since 1970) nobody else may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<String>,
    /// See [`Message::resolver`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver_until: Option<i64>,
    /// How many chunks there are, once the audience is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<u32>,
    /// How many contact points are written to.
    #[serde(default)]
    pub recipients: usize,
    /// People not written to, by reason.
    #[serde(default)]
    pub excluded: BTreeMap<Reason, usize>,
}

impl Record for Message {
    const KIND: &'static str = "message";
    const TABLE: TableName = TableName::Messaging;
    const CLASS: DataClass = DataClass::Message;
    fn key(&self) -> Key {
        key::message(self.school_id, self.message_id)
    }
}

impl Message {
    /// Seals what a message says.
    pub fn seal(data_key: &DataKey, school: SchoolId, message: MessageId, content: &Content) -> Sealed {
        let at = key::message(school, message);
        data_key.seal(Place { table: TableName::Messaging, key: &at, attribute: "content" }, content, nonce())
    }

    /// What the message says.
    pub fn content(&self, data_key: &DataKey) -> Result<Content, SealError> {
        data_key.open(
            Place { table: TableName::Messaging, key: &self.key(), attribute: "content" },
            &self.content,
        )
    }
}

/// Who a chunk is for: ids only, written once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Roster {
    /// The tenant.
    pub school_id: SchoolId,
    /// The message.
    pub message_id: MessageId,
    /// Which chunk.
    pub chunk: u32,
    /// The channel of all of them.
    pub channel: Channel,
    /// The recipients.
    pub recipients: Vec<Recipient>,
    /// The school's revision when the audience was resolved: if it has moved on, rights are checked again before sending.
    pub revision: u64,
    /// The count of changed consents then ([`crate::privacy::consent::Register::changes`]): if it has moved on, choices are
    /// looked at again.
    #[serde(default)]
    pub consents: u64,
}

impl Record for Roster {
    const KIND: &'static str = "roster";
    const TABLE: TableName = TableName::Messaging;
    const CLASS: DataClass = DataClass::Outcome;
    fn key(&self) -> Key {
        key::roster(self.school_id, self.message_id, self.chunk)
    }
}

/// Where a chunk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkStatus {
    /// Nobody works on it.
    Queued,
    /// Somebody does, or died over it.
    Claimed,
    /// Every recipient has an outcome.
    Done,
    /// It is in the inbox, from where a stopped message is taken back: no carrier has a part in it, and nobody claims it.
    Posted,
}

/// The small item that claims and outcomes touch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChunkState {
    /// The tenant.
    pub school_id: SchoolId,
    /// The message.
    pub message_id: MessageId,
    /// Which chunk.
    pub chunk: u32,
    /// Where it stands.
    pub status: ChunkStatus,
    /// One letter per recipient.
    pub outcomes: Outcomes,
    /// How often it was claimed.
    #[serde(default)]
    pub claims: u32,
    /// Until when the claim holds, in seconds since 1970.
    #[serde(default)]
    pub claimed_until: i64,
    /// Who has it: a worker whose claim was written but not answered knows it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimer: Option<String>,
}

impl Record for ChunkState {
    const KIND: &'static str = "chunk_state";
    const TABLE: TableName = TableName::Messaging;
    const CLASS: DataClass = DataClass::Outcome;
    fn key(&self) -> Key {
        key::chunk_state(self.school_id, self.message_id, self.chunk)
    }
}

/// The carrier's ids of one claim of a chunk, by position in the roster. Written once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CarrierIds {
    /// The tenant.
    pub school_id: SchoolId,
    /// The message.
    pub message_id: MessageId,
    /// Which chunk.
    pub chunk: u32,
    /// Which claim of it.
    pub claim: u32,
    /// Position -> id.
    pub ids: BTreeMap<usize, String>,
}

impl Record for CarrierIds {
    const KIND: &'static str = "carrier_ids";
    const TABLE: TableName = TableName::Messaging;
    const CLASS: DataClass = DataClass::Outcome;
    fn key(&self) -> Key {
        key::carrier_ids(self.school_id, self.message_id, self.chunk, self.claim)
    }
}

/// That a contact has acknowledged a message. Only their own act makes one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The tenant.
    pub school_id: SchoolId,
    /// The message.
    pub message_id: MessageId,
    /// Who.
    pub contact_id: PersonId,
    /// When they first did.
    pub acknowledged_at: Timestamp,
}

impl Record for Acknowledgement {
    const KIND: &'static str = "acknowledgement";
    const TABLE: TableName = TableName::Messaging;
    const CLASS: DataClass = DataClass::Outcome;
    fn key(&self) -> Key {
        key::acknowledgement(self.school_id, self.message_id, self.contact_id)
    }
}

/// Some of the people a message left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Excluded {
    /// The tenant.
    pub school_id: SchoolId,
    /// The message.
    pub message_id: MessageId,
    /// Which page.
    pub page: u32,
    /// Who and why (`Vec<(PersonId, Reason)>`), sealed: that a court keeps somebody away is nobody's business.
    pub people: Sealed,
}

impl Excluded {
    /// One page of the people left out.
    pub fn new(
        data_key: &DataKey,
        school_id: SchoolId,
        message_id: MessageId,
        page: u32,
        people: &[(PersonId, Reason)],
    ) -> Self {
        let at = key::excluded(school_id, message_id, page);
        let people = data_key.seal(Self::place(&at), &people, nonce());
        Self { school_id, message_id, page, people }
    }

    /// Who and why.
    pub fn people(&self, data_key: &DataKey) -> Result<Vec<(PersonId, Reason)>, SealError> {
        data_key.open(Self::place(&self.key()), &self.people)
    }

    const fn place(at: &Key) -> Place<'_> {
        Place { table: TableName::Messaging, key: at, attribute: "people" }
    }
}

/// People on one page of [`Excluded`]: 2,000 of some 60 bytes stay well below DynamoDB's 400 kB.
pub const EXCLUDED_PER_PAGE: usize = 2_000;

impl Record for Excluded {
    const KIND: &'static str = "excluded";
    const TABLE: TableName = TableName::Messaging;
    const CLASS: DataClass = DataClass::Outcome;
    fn key(&self) -> Key {
        key::excluded(self.school_id, self.message_id, self.page)
    }
}

/// The answer kept for a repeated `Idempotency-Key`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Idempotency {
    /// The tenant, or `operator`.
    pub scope: String,
    /// SHA-256 of who asked, the route and the key, in hexadecimal.
    pub hash: String,
    /// SHA-256 of the body.
    pub body_hash: String,
    /// The id that the first request got.
    pub id: String,
    /// When it may be forgotten, in seconds since 1970.
    pub expires: i64,
}

impl Record for Idempotency {
    const KIND: &'static str = "idempotency";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Idempotency;
    fn key(&self) -> Key {
        key::idempotency(&self.scope, &self.hash)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}
