//! The record of a retention run: how many of each class were erased, and nothing about whom.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::retention::DataClass;
use crate::{
    id::SchoolId,
    person::store::Versions,
    store::{
        key::{self, Key, TableName},
        table::Record,
    },
};

/// A school that was not swept for this long is overdue: a day, and two hours for the run itself.
pub const OVERDUE: SignedDuration = SignedDuration::from_hours(26);

/// How far a schedule event's time may be from the clock: two nights. An event that names another time would erase early.
pub const TIME_TOLERANCE: SignedDuration = SignedDuration::from_hours(48);

/// Erased, or due to be erased, by class.
pub type Counts = BTreeMap<DataClass, usize>;

/// A school's last retention run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RetentionRun {
    /// The tenant.
    pub school_id: SchoolId,
    /// When it ran.
    pub ran_at: Timestamp,
    /// What it erased.
    pub erased: Counts,
}

impl Record for RetentionRun {
    const KIND: &'static str = "retention_run";
    const TABLE: TableName = TableName::Directory;
    const CLASS: DataClass = DataClass::RetentionRun;
    fn key(&self) -> Key {
        key::retention_run(self.school_id)
    }
}

/// Whether a school is overdue: not swept for [`OVERDUE`], counted from its creation where it never was.
pub fn is_overdue(created_at: Timestamp, last: Option<&RetentionRun>, now: Timestamp) -> bool {
    now.duration_since(last.map_or(created_at, |run| run.ran_at)) > OVERDUE
}

/// Whether what a person or link was before its last visible change has been kept long enough.
pub fn former_is_due(versions: &Versions, generation: u64, now: Timestamp) -> bool {
    versions.former.is_some() && versions.live.generation <= generation && now.as_second() - versions.live.written_at >= DataClass::FormerVersion.period().as_secs()
}

/// Whether somebody (or a link) that the sources no longer name has been kept long enough.
pub fn absent_is_due(missing_since: Option<Timestamp>, class: DataClass, now: Timestamp) -> bool {
    missing_since.is_some_and(|since| now.duration_since(since) >= class.period())
}

/// Whether an item that holds nothing visible (created by an import that never finished, or removed by hand) can go.
pub fn shell_is_due(versions: &Versions, generation: u64, now: Timestamp) -> bool {
    let empty = versions.visible(generation).is_none_or(|version| version.details.is_none());
    empty && now.as_second() - versions.live.written_at >= DataClass::FormerVersion.period().as_secs()
}
