//! The record of a retention run: how many of each class were erased, and nothing about whom.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::retention::DataClass;
use crate::{
    id::SchoolId,
    person::store::{Directory, Subject, Versions},
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
fn former_is_due(versions: &Versions, generation: u64, now: Timestamp) -> bool {
    // That there was nothing before is no data: it stays, so that an undo knows who came with an upload.
    versions.former.as_ref().is_some_and(|former| former.details.is_some())
        && versions.live.generation <= generation
        && now.as_second() - versions.live.written_at >= DataClass::FormerVersion.period().as_secs()
}

/// Whether somebody (or a link) that the sources no longer name has been kept long enough.
fn absent_is_due(missing_since: Option<Timestamp>, class: DataClass, now: Timestamp) -> bool {
    missing_since.is_some_and(|since| now.duration_since(since) >= class.period())
}

/// Whether an item that holds nothing visible (created by an import that never finished, or removed by hand) can go.
fn shell_is_due(versions: &Versions, generation: u64, now: Timestamp) -> bool {
    let empty = versions.visible(generation).is_none_or(|version| version.details.is_none());
    empty && now.as_second() - versions.live.written_at >= DataClass::FormerVersion.period().as_secs()
}

/// What of a directory has been kept long enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// People and links to erase.
    pub erase: Vec<Subject>,
    /// People and links whose former version to drop.
    pub trim: Vec<Subject>,
}

/// What is due at `now`. A link goes with either of its people; but whoever is tied to a pupil who stays by a restriction, or by
/// what the office set by hand, stays too: erasing the person would lift the restriction.
pub fn due(directory: &Directory, generation: u64, now: Timestamp) -> Due {
    let mut due = Due::default();
    let mut gone = BTreeSet::new();
    for (id, stored) in &directory.people {
        let missing_since = stored.value.as_ref().and_then(|person| person.missing_since);
        if absent_is_due(missing_since, DataClass::Person, now)
            || shell_is_due(&stored.versions, generation, now)
        {
            gone.insert(*id);
        }
    }
    let kept: BTreeSet<_> = directory
        .visible_links()
        .filter(|(pupil, _, link)| (link.restricted || link.manual) && !gone.contains(pupil))
        .map(|(_, contact, _)| contact)
        .collect();
    gone.retain(|id| !kept.contains(id));
    for (id, stored) in &directory.people {
        if gone.contains(id) {
            due.erase.push(Subject::Person(*id));
        } else if former_is_due(&stored.versions, generation, now) {
            due.trim.push(Subject::Person(*id));
        }
    }
    for ((pupil, contact), stored) in &directory.links {
        let missing_since =
            stored.value.as_ref().filter(|link| !link.restricted).and_then(|link| link.missing_since);
        let ended = absent_is_due(missing_since, DataClass::Link, now)
            || shell_is_due(&stored.versions, generation, now);
        if ended || gone.contains(pupil) || gone.contains(contact) {
            due.erase.push(Subject::Link(*pupil, *contact));
        } else if former_is_due(&stored.versions, generation, now) {
            due.trim.push(Subject::Link(*pupil, *contact));
        }
    }
    due
}
