//! Typed, prefixed ids, checked at every boundary.
//!
//! Inside is a `UUIDv7` (RFC 9562): it sorts by creation time, so it is never used as a secret. Outside it is a
//! prefix and 32 lower-case hexadecimal digits, `sch_0192…`, so that an id of one kind can never pass for another.
//! Ids are made before anything is queued, and a retried step derives the same id again: it cannot make a twin.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de};
use uuid::{Builder, Uuid};

/// Text that is not an id of the wanted kind. It does not repeat the text: that may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id: expected {expected} and 32 hexadecimal digits")]
pub struct IdError {
    /// The prefix that was expected, with its underscore.
    pub expected: &'static str,
}

fn parse(text: &str, prefix: &'static str) -> Result<Uuid, IdError> {
    let error = IdError { expected: prefix };
    let hex = text.strip_prefix(prefix).ok_or(error)?;
    if hex.len() != 32 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(error);
    }
    Uuid::try_parse(hex).map_err(|_| error)
}

fn build(now: Timestamp, random: &[u8; 10]) -> Uuid {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, random).into_uuid()
}

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident = $prefix:literal;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of the text form, with its underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id for `now` with ten random bytes.
            pub fn new(now: Timestamp, random: &[u8; 10]) -> Self {
                Self(build(now, random))
            }

            /// The id that a repeatable step gives to `name`: the same inputs give the same id.
            ///
            /// `scope` is the id of the step (an upload, say), whose time the new id carries.
            pub fn derived(now: Timestamp, scope: &str, name: &str) -> Self {
                let hash = digest::digest(&digest::SHA256, [Self::PREFIX, scope, name].join("\0").as_bytes());
                let mut random = [0; 10];
                random.copy_from_slice(&hash.as_ref()[..10]);
                Self::new(now, &random)
            }

            /// What is behind the time: 74 random bits. Two of a school's 10,000 people share them with a chance below
            /// 10^-14, so they stand for the id where room is short.
            pub fn tail(&self) -> [u8; 10] {
                let mut tail = [0; 10];
                tail.copy_from_slice(&self.0.as_bytes()[6..]);
                tail
            }

            /// When the id was made, to the millisecond.
            pub fn made_at(&self) -> Timestamp {
                let (hi, _) = self.0.as_u64_pair();
                Timestamp::from_millisecond(i64::try_from(hi >> 16).unwrap_or_default()).unwrap_or(Timestamp::UNIX_EPOCH)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text, $prefix).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )+

        const PREFIXES: &[&str] = &[$($prefix),+];
    };
}

/// Whether a text is an id of any kind.
pub fn is_id(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| parse(text, prefix).is_ok())
}

ids! {
    /// A school: the tenant that every key of school data starts with.
    SchoolId = "sch_";
    /// A person in a school's directory: a pupil, a contact, a member of staff or a governor.
    PersonId = "per_";
    /// One upload of a school's data.
    UploadId = "upl_";
    /// A program that delivers a school's files.
    ConnectorId = "con_";
    /// One message of a school.
    MessageId = "msg_";
    /// One attempt of somebody to show that they are a registered contact.
    VerificationId = "ver_";
    /// A parent's account. It belongs to no school.
    AccountId = "acc_";
    /// A parent's session. Its token, which is a secret, begins alike and is no id.
    SessionId = "ses_";
    /// What somebody asks under data protection law; also the reference that they are given.
    RequestId = "req_";
    /// A parent's call for help with the app; also the reference that they are given.
    SupportId = "sup_";
    /// One entry of the audit: who saw whose record.
    AuditId = "aud_";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_are_distinct() {
        let mut sorted = PREFIXES.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), PREFIXES.len());
    }

    #[test]
    fn only_the_exact_text_form_is_an_id() {
        let id = SchoolId::new(Timestamp::from_millisecond(1_767_225_600_000).unwrap(), &[7; 10]);
        let text = id.to_string();
        assert_eq!(text, "sch_019b76daa80077078707070707070707");
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(id.made_at().as_millisecond(), 1_767_225_600_000);
        assert!(is_id(&text) && is_id(&text.replace("sch_", "aud_")));
        assert!(!is_id(&text.replace("sch_", "cow_")) && !is_id("Grace"));
        for bad in [
            "",
            "sch_",
            &text.to_uppercase(),
            &text.replace("sch_", "per_"),
            &format!("{text}0"),
            "sch_019b76da-8800-7707-8707-070707070707",
        ] {
            assert!(bad.parse::<SchoolId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_repeated_step_derives_the_same_id() {
        let now = Timestamp::from_millisecond(1_767_225_600_000).unwrap();
        let first = PersonId::derived(now, "upl_1", "pupil:001");
        assert_eq!(first, PersonId::derived(now, "upl_1", "pupil:001"));
        assert_ne!(first, PersonId::derived(now, "upl_1", "pupil:002"));
        assert_ne!(first, PersonId::derived(now, "upl_2", "pupil:001"));
    }

    proptest! {
        #[test]
        fn any_id_reads_back(millis in 0_i64..4_102_444_800_000, random: [u8; 10]) {
            let id = PersonId::new(Timestamp::from_millisecond(millis).unwrap(), &random);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn no_text_makes_reading_panic(text: String) {
            let _ = text.parse::<PersonId>();
        }
    }
}
