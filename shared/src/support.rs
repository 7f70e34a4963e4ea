//! A parent needs help with the app: what about, and with which device. No free text: it would hold pupil data, which has no
//! place in a ticket.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    http::FieldError,
    id::{AccountId, SchoolId, SupportId},
    privacy::retention::DataClass,
    store::{
        key::{self, Key, TableName},
        table::Record,
    },
};

/// What help is needed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Getting in.
    SignIn,
    /// A child is not shown.
    MissingChild,
    /// A message is not shown or did not come.
    MissingMessage,
    /// The device shows no notifications.
    Notifications,
    /// The app stops or shows errors.
    AppFault,
    /// Anything else, said on the telephone.
    Other,
}

impl Topic {
    /// In words, for the school.
    pub const fn words(self) -> &'static str {
        match self {
            Self::SignIn => "signing in",
            Self::MissingChild => "a child who is not shown",
            Self::MissingMessage => "a message that is not shown",
            Self::Notifications => "notifications",
            Self::AppFault => "a fault of the app",
            Self::Other => "something else",
        }
    }
}

/// The facts about a device, as an app sends them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its make and model.
    pub device_type: String,
    /// The version of the app.
    pub app_version: String,
    /// Which one it is; opaque.
    pub device_id: String,
}

impl Device {
    /// The facts, if each is what it says and no more: short, and of letters that need no care wherever they are shown.
    pub fn read(self) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut check = |pointer: &str, text: &str, most: usize, others: &str, detail: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
            let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
            if !begins || text.len() > most || !text.chars().all(fits) {
                errors.push(FieldError::new(pointer, "invalid", detail));
            }
        };
        check(
            "/device_type",
            &self.device_type,
            40,
            " .,-_()",
            "write make and model in at most 40 plain letters",
        );
        check("/app_version", &self.app_version, 20, ".-+", "write it as 2.14.0, in at most 20 letters");
        check("/device_id", &self.device_id, 64, "-", "write at most 64 letters, digits and hyphens");
        if errors.is_empty() { Ok(self) } else { Err(errors) }
    }
}

/// A call for help as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SupportRequest {
    /// The id, which is also the reference that parent and school quote.
    pub support_id: SupportId,
    /// The school that is asked.
    pub school_id: SchoolId,
    /// Whose app it is.
    pub account_id: AccountId,
    /// What about.
    pub topic: Topic,
    /// With what.
    #[serde(flatten)]
    pub device: Device,
    /// When the school was sent it; set before the carrier is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
    /// When it is forgotten, in seconds since 1970.
    pub expires: i64,
}

impl Record for SupportRequest {
    const KIND: &'static str = "support_request";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::SupportRequest;
    fn key(&self) -> Key {
        key::support_request(self.support_id)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_of_a_device_are_short_and_plain() {
        let device = |kind: &str, version: &str, id: &str| Device {
            device_type: kind.to_owned(),
            app_version: version.to_owned(),
            device_id: id.to_owned(),
        };
        let faults = |device: Device| {
            let faults = device.read().err().unwrap_or_default();
            faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>().join(" ")
        };
        let long = "x".repeat(65);
        for (given, expected) in [
            (device("Google Pixel 9 (Pro)", "2.14.0-beta+7", "0b1c-22"), ""),
            (device("iPhone17,2", "1", &long[..64]), ""),
            (device("", "", ""), "/device_type /app_version /device_id"),
            (device(" Pixel", ".1", "-"), "/device_type /app_version /device_id"),
            (device(&long[..41], &long[..21], &long), "/device_type /app_version /device_id"),
            (device("Ŷ phone", "2\n1", "a b"), "/device_type /app_version /device_id"),
            (device("<b>", "1;2", "a@b"), "/device_type /app_version /device_id"),
        ] {
            assert_eq!(faults(given.clone()), expected, "{given:?}");
        }
    }
}
