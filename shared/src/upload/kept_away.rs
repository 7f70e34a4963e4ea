//! Whom the school keeps away from a pupil and the file does not name: somebody new may be the same person.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    finding::{Code, Finding},
    plan::{HeldBecause, Planner},
};
use crate::{
    id::PersonId,
    person::{Person, Role, name::fold},
};

impl Planner<'_> {
    /// Holds the plan where a restriction would be left behind, and says in which rows to look: of a contact who is new to a pupil
    /// whose restricted one the file does not name (`joined`), and of a pupil who is new while one with such a tie would go.
    pub(super) fn hold_what_may_be_restricted(
        &mut self,
        named: &HashSet<(PersonId, PersonId)>,
        joined: &HashMap<PersonId, Vec<u32>>,
    ) {
        let mut rows = BTreeSet::new();
        for (pupil, contact, _) in self.directory.visible_links().filter(|(_, _, link)| link.restricted) {
            if let Some(new) = joined.get(&pupil).filter(|_| !named.contains(&(pupil, contact))) {
                self.plan.held = Some(HeldBecause::RestrictedContactReplaced);
                rows.extend(new);
            }
            // A pupil who comes back as somebody new would come without the restriction that hangs on who they were.
            if self.plan.counts.pupil.created > 0
                && let Some(gone) = self.directory.person(pupil).filter(|_| !self.named.contains(&pupil))
                && self.is_missing(pupil, gone)
            {
                self.plan.held = Some(HeldBecause::RestrictedContactReplaced);
                rows.extend(self.new_pupils_like(gone));
            }
        }
        let found = rows.into_iter().map(|row| Finding::at(row, "", Code::RestrictionUnresolved));
        self.plan.findings.extend(found);
    }

    /// The rows of new pupils who have a name and the birthday, or both names, of one who is gone: nobody could be proposed, but
    /// whoever looks may know.
    fn new_pupils_like(&self, gone: &Person) -> impl Iterator<Item = u32> {
        let is_new = |at: usize| self.of[at].is_some_and(|id| self.directory.person(id).is_none());
        self.roll
            .of(Role::Pupil)
            .filter(move |(at, entry)| {
                let same = |part: fn(&Person) -> &str| {
                    let [one, other] = [gone, &*entry.value].map(|person| fold(part(person)));
                    !one.is_empty() && one == other
                };
                let agree = [
                    same(|person| person.name.given()),
                    same(|person| person.name.family()),
                    gone.date_of_birth.is_some() && gone.date_of_birth == entry.value.date_of_birth,
                ];
                agree.iter().filter(|agrees| **agrees).count() > 1 && is_new(*at)
            })
            .map(|(_, entry)| entry.row)
    }
}
