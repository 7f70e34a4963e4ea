//! Taking an applied upload back: everything it wrote and nobody has changed since is again what it was.
//!
//! The version before an upload is kept beside the one it wrote for 30 days; an undo writes it as a version of its own, under
//! the next generation, so that readers see all of the undo or none.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    plan::{Change, withdrawals},
    store::Undone,
};
use crate::{
    id::UploadId,
    person::{
        guardianship::Link,
        store::{Directory, Former, Subject, Versions},
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
/// A restriction is the one thing that stays: it is lifted by hand, on purpose, never by taking a file back.
pub fn undo(
    directory: &Directory,
    former: &Former,
    upload: UploadId,
    touched: usize,
    generation: u64,
) -> Undo {
    let mut undo = Undo::default();
    let is_its = |versions: &Versions| versions.is_of(upload, generation);
    for (id, stored) in &directory.people {
        if !is_its(&stored.versions) {
            continue;
        }
        match former.people.get(id) {
            Some(before) => undo.changes.push(Change::Person(*id, Arc::new(before.clone()))),
            None if stored.value.is_some() => undo.ends.push(Subject::Person(*id)),
            None => {}
        }
    }
    for (ends, stored) in &directory.links {
        if !is_its(&stored.versions) {
            continue;
        }
        let restricted = stored.value.as_ref().is_some_and(|link| link.restricted);
        match former.links.get(ends) {
            Some(before) => {
                let link = Link { restricted: restricted || before.restricted, ..before.clone() };
                if Some(&link) != stored.value.as_ref() {
                    undo.changes.push(Change::Link(*ends, link));
                }
            }
            // A contact who came with the restriction stays, and so does the tie: taking them away would forget the court's word.
            None if restricted => {}
            None if stored.value.is_some() => undo.ends.push(Subject::Link(ends.0, ends.1)),
            None => {}
        }
    }
    let ending: BTreeSet<_> = undo.ends.iter().copied().collect();
    let kept_fast: BTreeSet<_> = directory
        .links
        .iter()
        .filter(|(ends, stored)| {
            stored.value.as_ref().is_some_and(|link| link.restricted)
                && !ending.contains(&Subject::Link(ends.0, ends.1))
        })
        .flat_map(|(ends, _)| [Subject::Person(ends.0), Subject::Person(ends.1)])
        .collect();
    undo.ends.retain(|subject| !kept_fast.contains(subject));
    let restored = undo.changes.len() + undo.ends.len();
    undo.undone = Undone { restored, kept: touched.saturating_sub(restored) };
    let ends: BTreeSet<_> = undo.ends.iter().copied().collect();
    undo.withdrawals = withdrawals(directory, &undo.changes, generation);
    undo.withdrawals.retain(|subject| !ends.contains(subject));
    undo
}
