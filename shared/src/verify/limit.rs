//! Limits: one enum, each with its number, window and arithmetic.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    privacy::retention::DataClass,
    store::{
        key::{self, Key, TableName},
        table::{Condition, Record, StoreError, Tables, Update, value},
    },
};

/// Something that is counted per subject and window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Claims from one source address. 30 an hour lets a classroom of parents behind one address through at a parents' evening,
    /// and holds a guesser to 720 claims a day.
    ClaimsPerSource,
    /// Codes to one contact. Five a day: with five attempts each, 25 guesses in 10^8.
    CodesPerContact,
    /// Codes of one school. 2,000 a day: a school of 1,000 pupils on its first day; at 4 p a text, pumping costs at most £80.
    CodesPerSchool,
}

impl Limit {
    /// The word in the key.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ClaimsPerSource => "claims_per_source",
            Self::CodesPerContact => "codes_per_contact",
            Self::CodesPerSchool => "codes_per_school",
        }
    }

    /// The number.
    pub const fn most(self) -> i64 {
        match self {
            Self::ClaimsPerSource => 30,
            Self::CodesPerContact => 5,
            Self::CodesPerSchool => 2_000,
        }
    }

    /// The window, in seconds. Windows are aligned, so that up to twice the number fits across a border.
    pub const fn window(self) -> i64 {
        match self {
            Self::ClaimsPerSource => 3_600,
            Self::CodesPerContact | Self::CodesPerSchool => 86_400,
        }
    }

    /// Counts one; false when the number is used up. `subject` is an id or a keyed hash, never a contact point or an address.
    pub async fn take(self, tables: &Tables, subject: &str, now: Timestamp) -> Result<bool, StoreError> {
        let window = now.as_second() / self.window();
        let ends = (window + 1) * self.window();
        let update = Update::new()
            .add("count", 1)
            .set("rule", self.word())
            .set("subject", subject)
            .set("window", window)
            .set("ttl", ends + 86_400);
        match tables
            .update::<Counter>(
                key::limit(self.word(), subject, window),
                update,
                Condition::MissingOrBelow("count", value(self.most())),
            )
            .await
        {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A counter as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Counter {
    rule: String,
    subject: String,
    window: i64,
    count: i64,
    ttl: i64,
}

impl Record for Counter {
    const KIND: &'static str = "counter";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Limit;
    fn key(&self) -> Key {
        key::limit(&self.rule, &self.subject, self.window)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.ttl)
    }
}
