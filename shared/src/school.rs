//! The school: the tenant, its state, and the pointer that decides which version of the directory readers see.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    id::SchoolId,
    person::suppression::SuppressionList,
    privacy::{agreement::Agreement, retention::DataClass},
    seal::{DataKey, Domain, Keyring, Place, SealError, Sealed, nonce},
    store::{
        key::{self, Key, TableName},
        table::{Record, StoreError, Tables},
    },
    upload::column::{Mapped, Mapping},
};

/// Where a school's contract stands. Work is refused in every state but `active`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchoolState {
    /// In use.
    Active,
    /// The contract has ended; exports only.
    Ending,
    /// Erased.
    Erased,
}

/// The record of a school.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct School {
    /// Whose record it is.
    pub school_id: SchoolId,
    /// The name, public.
    pub name: String,
    /// The code that parents type. Public, but not guessable: 8 of 31 characters are 40 bits.
    pub code: String,
    /// Where the contract stands.
    pub state: SchoolState,
    /// IANA time zone.
    pub time_zone: String,
    /// What may be stored.
    pub agreement: Agreement,
    /// The alphanumeric sender of texts (GSM 03.40: up to 11 characters).
    pub sms_id: String,
    /// [`SchoolContacts`], sealed.
    pub contacts: Sealed,
    /// The contact points to which nothing is sent.
    #[serde(default, skip_serializing_if = "SuppressionList::is_empty")]
    pub suppressed: SuppressionList,
    /// The newest version of the directory that readers may see: an upload writes its versions under the next number
    /// and then moves this one.
    pub generation: u64,
    /// Counts every visible change of the directory, so that whoever planned with an older one notices.
    pub revision: u64,
    /// When the sources made the newest files that were applied, by format: an older one is held.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exported: BTreeMap<String, Timestamp>,
    /// What the school has settled about its files.
    #[serde(default)]
    pub settings: Settings,
    /// The upload and the worker that are importing, if any: one import per school at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importing: Option<String>,
    /// Until when it may, in seconds since 1970: a dead holder is overtaken after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importing_until: Option<i64>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// What a school has settled about its own files. Headers and days: no personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What its own column names mean, as they stand in its files.
    #[serde(default)]
    pub column_mapping: BTreeMap<String, Mapped>,
    /// What the school is called in a bundle of several: its id there, or the identifier that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
    /// When a year leaves and another one joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollover: Option<Rollover>,
}

/// The days on which a file may change as much as a new school year does, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollover {
    /// The first.
    pub from: Date,
    /// The last.
    pub until: Date,
}

impl Settings {
    /// The school's own names for columns, as files are read by them.
    pub fn mapping(&self) -> Mapping {
        self.column_mapping.iter().map(|(header, mapped)| (header, *mapped)).collect()
    }

    /// Whether a day is in the window for the rollover.
    pub fn is_rollover(&self, day: Date) -> bool {
        self.rollover.is_some_and(|window| window.from <= day && day <= window.until)
    }
}

/// The people at the school whom the system writes to or names as reply address. Personal data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SchoolContacts {
    /// Where answers to e-mail go.
    pub reply_to: crate::person::email::EmailAddress,
    /// The data protection lead.
    pub dpo_email: crate::person::email::EmailAddress,
    /// Who helps parents with the app, where that is not whoever answers e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support_email: Option<crate::person::email::EmailAddress>,
}

impl SchoolContacts {
    /// Who helps parents with the app.
    pub fn support(&self) -> &crate::person::email::EmailAddress {
        self.support_email.as_ref().unwrap_or(&self.reply_to)
    }

    /// The school's own domain: that of its address, unless anybody may have one there.
    pub fn own_domain(&self) -> Option<&str> {
        /// Where nurseries and small schools have their address, and parents theirs; and what is nobody's (RFC 2606).
        const PUBLIC: [&str; 24] = [
            "aol.com",
            "btinternet.com",
            "example.com",
            "example.net",
            "example.org",
            "gmail.com",
            "googlemail.com",
            "hotmail.co.uk",
            "hotmail.com",
            "icloud.com",
            "live.co.uk",
            "live.com",
            "mail.com",
            "me.com",
            "msn.com",
            "ntlworld.com",
            "outlook.com",
            "proton.me",
            "sky.com",
            "talktalk.net",
            "virginmedia.com",
            "yahoo.co.uk",
            "yahoo.com",
            "ymail.com",
        ];
        let domain = self.reply_to.host();
        (!PUBLIC.contains(&domain)).then_some(domain)
    }

    /// The school's own addresses, which never stand for a parent.
    pub fn addresses(&self) -> Vec<crate::person::email::EmailAddress> {
        [&self.reply_to, &self.dpo_email].into_iter().chain(&self.support_email).cloned().collect()
    }
}

impl Record for School {
    const KIND: &'static str = "school";
    const TABLE: TableName = TableName::Directory;
    const CLASS: DataClass = DataClass::School;
    fn key(&self) -> Key {
        key::school(self.school_id)
    }
    fn reference(&self) -> Option<String> {
        Some(key::ALL_SCHOOLS.to_owned())
    }
}

/// From a school code to the school.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SchoolCode {
    /// The code.
    pub code: String,
    /// The school it stands for.
    pub school_id: SchoolId,
}

impl Record for SchoolCode {
    const KIND: &'static str = "school_code";
    const TABLE: TableName = TableName::Directory;
    const CLASS: DataClass = DataClass::School;
    fn key(&self) -> Key {
        key::school_code(&self.code)
    }
}

impl School {
    /// Seals the school's contacts for this record.
    pub fn seal_contacts(school: SchoolId, data_key: &DataKey, contacts: &SchoolContacts) -> Sealed {
        let at = key::school(school);
        data_key.seal(
            Place { table: TableName::Directory, key: &at, attribute: "contacts" },
            contacts,
            nonce(),
        )
    }

    /// Opens the school's contacts.
    pub fn contacts(&self, data_key: &DataKey) -> Result<SchoolContacts, SealError> {
        data_key.open(
            Place { table: TableName::Directory, key: &self.key(), attribute: "contacts" },
            &self.contacts,
        )
    }
}

/// An active school and its key.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The school.
    pub school: School,
    /// Its data key.
    pub key: std::sync::Arc<DataKey>,
}

/// Why there is no work to do for a school.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// No such school, or its contract has ended.
    #[error("the school is not active")]
    NotActive,
    /// The key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tenant {
    /// Reads an active school and its key.
    pub async fn load(tables: &Tables, keyring: &Keyring, school: SchoolId) -> Result<Self, TenantError> {
        let school: School = tables.get(key::school(school)).await?.ok_or(TenantError::NotActive)?;
        Self::with(keyring, school).await
    }

    /// An active school that has been read already, with its key.
    pub async fn with(keyring: &Keyring, school: School) -> Result<Self, TenantError> {
        if school.state != SchoolState::Active {
            return Err(TenantError::NotActive);
        }
        let key = keyring.key(Domain::School(school.school_id)).await.map_err(|error| match error {
            SealError::Retired | SealError::NoKey => TenantError::NotActive,
            error => error.into(),
        })?;
        Ok(Self { school, key })
    }

    /// The school's id.
    pub fn id(&self) -> SchoolId {
        self.school.school_id
    }
}

/// Draws a school code: two groups of four from 31 characters that cannot be mistaken for one another
/// (no 0, 1, I, L, O): 8 × log2(31) = 39.6 bits, of which the bias of a byte over 31 takes less than 0.1.
pub fn draw_code(random: [u8; 8]) -> String {
    const LETTERS: &[u8; 31] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";
    let mut code: String =
        random.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect();
    code.insert(4, '-');
    code
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::{Rollover, SchoolContacts, Settings};

    #[test]
    fn both_ends_of_a_rollover_belong_to_it() {
        let window = Rollover { from: date(2026, 7, 20), until: date(2026, 9, 11) };
        let settings = Settings { rollover: Some(window), ..Settings::default() };
        let is = [date(2026, 7, 19), window.from, date(2026, 8, 1), window.until, date(2026, 9, 12)]
            .map(|day| settings.is_rollover(day));
        assert_eq!(is, [false, true, true, true, false]);
        assert!(!Settings::default().is_rollover(window.from));
    }

    #[test]
    fn a_schools_own_domain_is_nobody_elses() {
        for (reply_to, own) in [
            ("office@oakfield.example.sch.uk", Some("oakfield.example.sch.uk")),
            ("oakfield.nursery@gmail.com", None),
        ] {
            let address = |text: &str| text.parse().unwrap();
            let contacts = SchoolContacts {
                reply_to: address(reply_to),
                dpo_email: address("dpo@example.com"),
                support_email: None,
            };
            assert_eq!(contacts.own_domain(), own);
        }
    }

    #[test]
    fn codes_are_two_groups_of_four() {
        assert_eq!(super::draw_code([0, 1, 2, 3, 4, 30, 31, 255]), "ABCD-E9AH");
    }
}
