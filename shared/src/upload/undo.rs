//! Taking an applied upload back: everything it wrote and nobody has changed since is again what it was.
//!
//! The version before an upload is kept beside the one it wrote for 30 days; an undo writes it as a version of its own, under
//! the next generation, so that readers see all of the undo or none.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;

use super::{
    plan::{Change, withdrawals},
    store::Undone,
};
use crate::{
    id::{PersonId, UploadId},
    person::{
        Person,
        guardianship::Link,
        store::{Directory, Former, Subject},
    },
};

/// What an undo writes.
#[derive(Debug, Default)]
pub struct Undo {
    /// What becomes of people and ties that were something before.
    pub changes: Vec<Change>,
    /// People and ties that the upload created: they end.
    pub ends: Vec<Subject>,
    /// Versions that a dead import left: to be withdrawn.
    pub withdrawals: Vec<Subject>,
    /// The counts.
    pub undone: Undone,
}

/// Plans the undo of `upload`. `touched` is how many people and ties the upload wrote.
///
/// Whoever came with the upload ends, unless somebody has been tied to them since. Where it is not known any more what was before, and
/// for whatever has changed since, everything stays. What protects a child (a restriction, a confidential address) is lifted by hand,
/// on purpose, never by taking a file back. Who was missing before is missing from now on, and not about to be erased.
pub fn undo(
    directory: &Directory,
    former: &Former,
    upload: UploadId,
    touched: usize,
    generation: u64,
    now: Timestamp,
) -> Undo {
    let mut undo = Undo::default();
    let mut ends = BTreeSet::new();
    for (at, before) in &former.links {
        let Some(after) = directory.links.get(at).and_then(|stored| stored.value.as_ref()) else { continue };
        match before {
            Some(before) => {
                let link = Link {
                    restricted: before.restricted || after.restricted,
                    address_confidential: before.address_confidential || after.address_confidential,
                    missing_since: before.missing_since.map(|_| now),
                    ..before.clone()
                };
                if link != *after {
                    undo.changes.push(Change::Link(*at, link));
                }
            }
            // Taking the tie away would forget the court's word.
            None if after.restricted => {}
            None => drop(ends.insert(Subject::Link(at.0, at.1))),
        }
    }
    let tied: BTreeSet<PersonId> = directory
        .visible_links()
        .filter(|(pupil, contact, _)| !ends.contains(&Subject::Link(*pupil, *contact)))
        .flat_map(|(pupil, contact, _)| [pupil, contact])
        .collect();
    for (id, before) in &former.people {
        match before {
            Some(before) => {
                let missing_since = before.missing_since.map(|_| now);
                undo.changes.push(Change::Person(*id, Arc::new(Person { missing_since, ..before.clone() })));
            }
            None if tied.contains(id) => {}
            None => drop(ends.insert(Subject::Person(*id))),
        }
    }
    undo.withdrawals = withdrawals(directory, &undo.changes, generation);
    undo.withdrawals.retain(|subject| !ends.contains(subject));
    undo.ends = ends.into_iter().collect();
    let restored = undo.changes.len() + undo.ends.len();
    undo.undone = Undone { restored, kept: touched.saturating_sub(restored) };
    debug_assert!(undo.ends.iter().all(|subject| {
        directory.versions(*subject).is_some_and(|versions| versions.is_of(upload, generation))
    }));
    undo
}
