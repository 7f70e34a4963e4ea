//! How long each class of data is kept, what starts the clock, and what erases it: one enum, and every property an
//! exhaustive match, so that a new kind of record cannot be added without answering all three.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::time::{days, minutes};

/// A class of data with one retention rule. The periods are the defaults that a school may shorten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataClass {
    /// The school itself: name, agreement, settings.
    School,
    /// Wrapped data keys.
    DataKey,
    /// Pupils, contacts, staff and governors.
    Person,
    /// Ties between pupils and contacts.
    Link,
    /// That the office has deleted somebody: keyed hashes.
    DeletedPerson,
    /// What a person or link was before the last change, for undo.
    FormerVersion,
    /// The record of an upload: status, counts, findings without values.
    Upload,
    /// The uploaded file itself.
    UploadFile,
    /// The report of findings (no values).
    UploadReport,
    /// A program that delivers files, and the hash of its secret.
    Connector,
    /// What people have chosen, and the evidence of it.
    Consent,
    /// What somebody asked under data protection law, and what they were told.
    SubjectRequest,
    /// Subject and body of a message and who it was for.
    Message,
    /// Who was reached, and how it ended.
    Outcome,
    /// An attempt to be verified, with its code.
    Verification,
    /// A parent's account: ids only.
    Account,
    /// A parent's session.
    Session,
    /// That a device was signed in to an account: the hash of a token that opens nothing any more.
    KnownDevice,
    /// A call for help with the app: facts about a device.
    SupportRequest,
    /// A counter that limits attempts.
    Limit,
    /// The answer kept for a repeated `Idempotency-Key`.
    Idempotency,
    /// The record of a retention run: counts only.
    RetentionRun,
    /// Who saw whose record: ids only.
    Audit,
    /// How often each route is used: numbers only.
    Usage,
}

/// The moment a period is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The contract ends.
    ContractEnd,
    /// The record was made.
    Creation,
    /// The person was last named by a source, once the absence is confirmed.
    Absence,
    /// The record was last changed.
    Change,
    /// The upload was applied, refused, undone or abandoned.
    UploadEnd,
    /// The last link of an account ended, or it was last used.
    LastUse,
    /// It was revoked.
    Revocation,
    /// The person it is about was erased.
    Erasure,
    /// It was closed.
    Closure,
}

/// What carries the erasure out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eraser {
    /// The nightly sweep of retention-cleanup.
    Sweep,
    /// DynamoDB's own expiry, in the `access` table only: a legal hold must beat every timer elsewhere.
    TimeToLive,
    /// The end of the contract, as a whole.
    ContractEnd,
    /// The function that used it, as soon as it is done; the sweep catches what that left.
    UseThenSweep,
}

impl DataClass {
    /// Every class, in the order of reports.
    pub const ALL: [Self; 24] = [
        Self::School,
        Self::DataKey,
        Self::Person,
        Self::Link,
        Self::DeletedPerson,
        Self::FormerVersion,
        Self::Upload,
        Self::UploadFile,
        Self::UploadReport,
        Self::Connector,
        Self::Consent,
        Self::SubjectRequest,
        Self::Message,
        Self::Outcome,
        Self::Verification,
        Self::Account,
        Self::Session,
        Self::KnownDevice,
        Self::SupportRequest,
        Self::Limit,
        Self::Idempotency,
        Self::RetentionRun,
        Self::Audit,
        Self::Usage,
    ];

    /// The word used in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::School => "school",
            Self::DataKey => "data_key",
            Self::Person => "person",
            Self::Link => "link",
            Self::DeletedPerson => "deleted_person",
            Self::FormerVersion => "former_version",
            Self::Upload => "upload",
            Self::UploadFile => "upload_file",
            Self::UploadReport => "upload_report",
            Self::Connector => "connector",
            Self::Consent => "consent",
            Self::SubjectRequest => "subject_request",
            Self::Message => "message",
            Self::Outcome => "outcome",
            Self::Verification => "verification",
            Self::Account => "account",
            Self::Session => "session",
            Self::KnownDevice => "known_device",
            Self::SupportRequest => "support_request",
            Self::Limit => "limit",
            Self::Idempotency => "idempotency",
            Self::RetentionRun => "retention_run",
            Self::Audit => "audit",
            Self::Usage => "usage",
        }
    }

    /// How long after its trigger the data is kept.
    pub const fn period(self) -> SignedDuration {
        match self {
            // 30 days of access, then the erasure of a contract end takes them along.
            Self::School | Self::DataKey => days(30),
            // Hidden for 30 days once gone, then erased.
            Self::Person | Self::Link | Self::FormerVersion => days(30),
            // As long as a child can be at one school, from Reception to Year 13, and a file may go on naming who was deleted:
            // 14 × 365.25 days.
            Self::DeletedPerson => days(5_114),
            // This school year and the next one's start: 13 months of 30.44 days.
            Self::Upload | Self::Message | Self::Outcome | Self::RetentionRun | Self::Usage => days(396),
            // So that every upload that it asked for can still name it.
            Self::Connector => days(396),
            // A claim can be brought for six years: 6 × 365.25 days.
            Self::Consent => days(2_192),
            // Accountability (Art 5(2)): three years of 365.25 days.
            Self::SubjectRequest => days(1_096),
            // An upload that nobody finished: 24 hours.
            Self::UploadFile => days(1),
            Self::UploadReport => days(30),
            // Evidence of an attack on a child's record stays findable for a term.
            Self::Verification => days(90),
            // 24 months: of an account and a device without use, of the audit since the entry.
            Self::Account | Self::KnownDevice | Self::Audit => days(730),
            Self::Session | Self::SupportRequest => days(30),
            Self::Limit => days(2),
            Self::Idempotency => minutes(24 * 60),
        }
    }

    /// What the period is counted from.
    pub const fn trigger(self) -> Trigger {
        match self {
            Self::School | Self::DataKey => Trigger::ContractEnd,
            Self::Person | Self::Link => Trigger::Absence,
            Self::FormerVersion => Trigger::Change,
            Self::UploadFile => Trigger::UploadEnd,
            Self::Account | Self::Session | Self::KnownDevice => Trigger::LastUse,
            Self::Connector => Trigger::Revocation,
            Self::Consent | Self::DeletedPerson => Trigger::Erasure,
            Self::SubjectRequest => Trigger::Closure,
            Self::Upload
            | Self::UploadReport
            | Self::Message
            | Self::Outcome
            | Self::Verification
            | Self::SupportRequest
            | Self::Limit
            | Self::Idempotency
            | Self::RetentionRun
            | Self::Audit
            | Self::Usage => Trigger::Creation,
        }
    }

    /// What erases it.
    pub const fn eraser(self) -> Eraser {
        match self {
            Self::School | Self::DataKey => Eraser::ContractEnd,
            Self::UploadFile => Eraser::UseThenSweep,
            Self::Person
            | Self::Link
            | Self::DeletedPerson
            | Self::FormerVersion
            | Self::Upload
            | Self::UploadReport
            | Self::Connector
            | Self::Consent
            | Self::SubjectRequest
            | Self::Message
            | Self::Outcome
            | Self::RetentionRun
            | Self::Audit
            | Self::Usage => Eraser::Sweep,
            Self::Verification
            | Self::Account
            | Self::Session
            | Self::KnownDevice
            | Self::SupportRequest
            | Self::Limit
            | Self::Idempotency => Eraser::TimeToLive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_period_and_a_word_of_its_own() {
        let mut words: Vec<_> = DataClass::ALL.iter().map(|class| class.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), DataClass::ALL.len());
        assert!(DataClass::ALL.iter().all(|class| class.period() > SignedDuration::ZERO));
    }
}
