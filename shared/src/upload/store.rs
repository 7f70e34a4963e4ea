//! The record of an upload.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    finding::Finding,
    identity::Proposal,
    plan::{Counts, HeldBecause},
};
use crate::{
    id::{PersonId, SchoolId, UploadId},
    privacy::retention::DataClass,
    store::{
        key::{self, Key, TableName},
        table::Record,
    },
};

/// How long the office has to send the file: 15 minutes.
pub const PUT_LIFETIME_MINUTES: i64 = 15;
/// How long an upload may wait for its file before it is `expired`: 24 hours.
pub const WAITING_HOURS: i64 = 24;
/// How long a held upload waits for a decision: 7 days.
pub const REVIEW_DAYS: i64 = 7;
/// How long an applied upload can be taken back: 30 days, as long as former versions are kept.
pub const UNDO_DAYS: i64 = 30;
/// Proposals kept in the record; where there are more, all of them are beside the report.
pub const PROPOSALS_KEPT: usize = 500;
/// The most proposals that can be rejected one by one: as many ids as fit into the record. Who would reject more has another file.
pub const MAX_REJECTED: usize = 4_000;
/// Findings kept in the record; the report has them all.
pub const FINDINGS_KEPT: usize = 100;

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadStatus {
    /// The file has not come yet.
    Waiting,
    /// Being read.
    Reading,
    /// Held for a decision.
    Review,
    /// Being applied.
    Applying,
    /// Applied.
    Done,
    /// Not usable, or refused by the office.
    Refused,
    /// Applied and taken back.
    Undone,
    /// Abandoned.
    Expired,
}

impl UploadStatus {
    /// Nothing more will happen by itself.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Refused | Self::Undone | Self::Expired)
    }

    /// The word as stored and told.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Reading => "reading",
            Self::Review => "review",
            Self::Applying => "applying",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Undone => "undone",
            Self::Expired => "expired",
        }
    }
}

/// Whether a file is applied at once or only looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Apply, unless the safety stop holds it.
    Apply,
    /// Say what it would do and wait.
    Preview,
}

/// How much of the school the file speaks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All of it: whoever is absent is missing.
    #[default]
    Full,
    /// A part: nobody is called missing.
    Partial,
    /// Some year groups: only their pupils, and who belongs to them alone, can be missing.
    YearGroups(BTreeSet<String>),
}

/// What reading the file gave. Counts and codes: no cell of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The layout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The layout's major version, where the file tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format_version: Option<u16>,
    /// The text encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Rows below the header that hold anything.
    #[serde(default)]
    pub rows: usize,
    /// What it does or would do.
    #[serde(default)]
    pub counts: Counts,
    /// Columns not stored.
    #[serde(default)]
    pub dropped_columns: usize,
    /// The first [`FINDINGS_KEPT`] findings.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// All findings.
    #[serde(default)]
    pub findings_total: usize,
    /// Why it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_because: Option<HeldBecause>,
    /// The school's revision that the plan was made from.
    #[serde(default)]
    pub planned_revision: u64,
    /// Whom the office is asked about: the first [`PROPOSALS_KEPT`].
    #[serde(default)]
    pub proposals: Vec<Proposal>,
    /// All of them.
    #[serde(default)]
    pub proposals_total: usize,
    /// When the source made the file, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exported_at: Option<Timestamp>,
    /// How many people and ties it writes.
    #[serde(default)]
    pub touched: usize,
    /// SHA-256 of the file that the plan was made from, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_hash: Option<String>,
}

/// What taking an upload back did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// People and ties that are again what they were.
    pub restored: usize,
    /// Those that have changed since, and stay as they are.
    pub kept: usize,
}

/// The record of an upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// The tenant.
    pub school_id: SchoolId,
    /// The id.
    pub upload_id: UploadId,
    /// Where it stands.
    pub status: UploadStatus,
    /// The announced size.
    pub bytes: usize,
    /// Apply or preview.
    pub mode: Mode,
    /// How much of the school it speaks for.
    #[serde(default)]
    pub scope: Scope,
    /// Whether people whom the office has deleted are taken in again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub readmit_deleted: bool,
    /// Who asked for it (the issuer's id).
    pub asked_by: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Who approved it, if it was held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// People whom the office, approving it, said a proposal does not mean.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rejected: BTreeSet<PersonId>,
    /// Who asked for it to be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<String>,
    /// What taking it back did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<Undone>,
    /// What came of it.
    #[serde(default)]
    pub outcome: Outcome,
    /// When the status last changed.
    pub changed_at: Timestamp,
    /// The file is gone, all versions.
    #[serde(default)]
    pub file_erased: bool,
    /// The report is gone.
    #[serde(default)]
    pub report_erased: bool,
}

impl Record for Upload {
    const KIND: &'static str = "upload";
    const TABLE: TableName = TableName::Directory;
    const CLASS: DataClass = DataClass::Upload;
    fn key(&self) -> Key {
        key::upload(self.school_id, self.upload_id)
    }
}

/// What retention has to do about an upload now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nobody finishes it any more: it expires, and its file goes.
    Expire,
    /// It has ended and its file is still there.
    EraseFile,
    /// Its report has been kept long enough.
    EraseReport,
    /// The record itself.
    Delete,
}

impl Upload {
    /// What is due at `now`.
    pub fn due(&self, now: Timestamp) -> Vec<Due> {
        let age = now.duration_since(self.created_at);
        if age >= DataClass::Upload.period() {
            return vec![Due::EraseFile, Due::EraseReport, Due::Delete];
        }
        let mut due = Vec::new();
        if self.is_abandoned(now) {
            due.push(Due::Expire);
        } else if self.status.is_final() && !self.file_erased {
            due.push(Due::EraseFile);
        }
        if age >= DataClass::UploadReport.period() && !self.report_erased {
            due.push(Due::EraseReport);
        }
        due
    }

    /// Whether it can be taken back at `now`. Once asked for, it is finished whatever the day.
    pub fn can_be_undone(&self, now: Timestamp) -> bool {
        self.status == UploadStatus::Done
            && (self.undone_by.is_some()
                || now.duration_since(self.changed_at) < crate::time::days(UNDO_DAYS))
    }

    /// Whether nobody will finish it any more: it waited too long for its file or for a decision.
    pub fn is_abandoned(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.changed_at);
        match self.status {
            // The queue gives up on its task within hours: whoever still reads or applies then is dead.
            UploadStatus::Waiting | UploadStatus::Reading | UploadStatus::Applying => {
                age >= jiff::SignedDuration::from_hours(WAITING_HOURS)
            }
            UploadStatus::Review => age >= crate::time::days(REVIEW_DAYS),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn an_upload_ends_by_status_and_age() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let upload = |status, file_erased| Upload {
            school_id: SchoolId::new(at, &[1; 10]),
            upload_id: UploadId::new(at, &[2; 10]),
            status,
            bytes: 1,
            mode: Mode::Apply,
            scope: Scope::Full,
            readmit_deleted: false,
            asked_by: "x".into(),
            created_at: at,
            approved_by: None,
            rejected: BTreeSet::new(),
            undone_by: None,
            undone: None,
            outcome: Outcome::default(),
            changed_at: at,
            file_erased,
            report_erased: false,
        };
        for (status, file_erased, hours, due) in [
            (UploadStatus::Waiting, false, 23, vec![]),
            (UploadStatus::Waiting, false, 24, vec![Due::Expire]),
            (UploadStatus::Review, false, 24 * 7 - 1, vec![]),
            (UploadStatus::Review, false, 24 * 7, vec![Due::Expire]),
            (UploadStatus::Applying, false, 23, vec![]),
            (UploadStatus::Applying, false, 24, vec![Due::Expire]),
            (UploadStatus::Done, false, 1, vec![Due::EraseFile]),
            (UploadStatus::Done, true, 24 * 30, vec![Due::EraseReport]),
            (UploadStatus::Done, true, 24 * 396, vec![Due::EraseFile, Due::EraseReport, Due::Delete]),
        ] {
            assert_eq!(
                upload(status, file_erased).due(at + SignedDuration::from_hours(hours)),
                due,
                "{status:?} {hours}"
            );
        }
    }
}
