//! Connectors: programs that deliver a school's files, and the one credential that each of them has.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::{
    id::{ConnectorId, SchoolId},
    privacy::retention::DataClass,
    seal::sha256,
    store::{
        key::{self, Key, TableName},
        table::Record,
    },
};

/// The longest name of a connector, in characters.
pub const MAX_NAME_CHARS: usize = 60;

/// A connector of a school. A revoked one is kept as long as uploads may name it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connector {
    /// The tenant.
    pub school_id: SchoolId,
    /// The id.
    pub connector_id: ConnectorId,
    /// What the office calls it.
    pub name: String,
    /// SHA-256 of the secret, in hexadecimal: with 256 random bits inside, no salt is needed.
    pub secret_hash: String,
    /// Who made it (the issuer's id).
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// The last day on which it asked for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_on: Option<Date>,
    /// Since when it is let in no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl Record for Connector {
    const KIND: &'static str = "connector";
    const TABLE: TableName = TableName::Directory;
    const CLASS: DataClass = DataClass::Connector;
    fn key(&self) -> Key {
        key::connector(self.school_id, self.connector_id)
    }
}

impl Connector {
    /// Whether it was revoked so long ago that no upload names it any more.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.revoked_at.is_some_and(|at| now.duration_since(at) >= DataClass::Connector.period())
    }
}

/// What a connector shows: its id, its school's, and the secret, as one bearer token. Prints without the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The connector.
    pub connector_id: ConnectorId,
    /// The school, so that nothing is looked up outside its keys.
    pub school_id: SchoolId,
    secret: String,
}

impl Credential {
    /// A new one, with 256 random bits.
    pub fn new(connector_id: ConnectorId, school_id: SchoolId, random: [u8; 32]) -> Self {
        Self { connector_id, school_id, secret: URL_SAFE_NO_PAD.encode(random) }
    }

    /// From a bearer token. `None` for what cannot be one.
    pub fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (connector, school, secret) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || secret.len() != 43 {
            return None;
        }
        Some(Self {
            connector_id: connector.parse().ok()?,
            school_id: school.parse().ok()?,
            secret: secret.to_owned(),
        })
    }

    /// The bearer token: shown once, stored nowhere.
    pub fn expose(&self) -> String {
        format!("{}.{}.{}", self.connector_id, self.school_id, self.secret)
    }

    /// What is stored of it.
    pub fn hash(&self) -> String {
        sha256(self.secret.as_bytes())
    }

    /// Whether it opens the connector that is stored under its id, if one is. The comparison takes the same time whatever
    /// differs.
    pub fn opens(&self, stored: Option<&Connector>) -> bool {
        let nobody = "0".repeat(64);
        let hash = stored.map_or(nobody.as_str(), |connector| &connector.secret_hash);
        let same = bool::from(self.hash().as_bytes().ct_eq(hash.as_bytes()));
        same && stored.is_some_and(|connector| connector.revoked_at.is_none())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, ***)", self.connector_id)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    fn credential() -> Credential {
        let at = Timestamp::UNIX_EPOCH;
        Credential::new(ConnectorId::new(at, &[1; 10]), SchoolId::new(at, &[2; 10]), [255; 32])
    }

    fn stored(revoked_at: Option<Timestamp>) -> Connector {
        let credential = credential();
        Connector {
            school_id: credential.school_id,
            connector_id: credential.connector_id,
            name: "Nightly export".to_owned(),
            secret_hash: credential.hash(),
            created_by: "x".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            last_used_on: None,
            revoked_at,
        }
    }

    #[test]
    fn a_credential_reads_back_and_hides_its_secret() {
        let token = credential().expose();
        assert!(token.starts_with("con_") && token.len() == 117, "{token}");
        assert_eq!(Credential::read(&token), Some(credential()));
        assert!(!format!("{:?}", credential()).contains(&token[74..]));
        for bad in [&token[1..], &token[..116], &format!("{token}A"), &format!("{token}.A"), "con_", "..", ""]
        {
            assert_eq!(Credential::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_the_secret_of_a_connector_that_was_not_revoked_opens_it() {
        let given = credential();
        assert!(given.opens(Some(&stored(None))));
        assert!(!given.opens(Some(&stored(Some(Timestamp::UNIX_EPOCH)))));
        assert!(!given.opens(None));
        assert!(!Credential { secret: "A".repeat(43), ..given }.opens(Some(&stored(None))));
    }

    #[test]
    fn a_revoked_connector_stays_as_long_as_the_uploads_that_name_it() {
        let at = Timestamp::UNIX_EPOCH;
        let day = |days: i64| at + SignedDuration::from_hours(24 * days);
        for (revoked_at, days, due) in [(None, 4000, false), (Some(at), 395, false), (Some(at), 396, true)] {
            assert_eq!(stored(revoked_at).is_due(day(days)), due, "{revoked_at:?} {days}");
        }
        assert!(DataClass::Connector.period() >= DataClass::Upload.period());
    }

    proptest! {
        #[test]
        fn no_token_makes_reading_panic(token: String) {
            let _ = Credential::read(&token);
        }
    }
}
