//! The file's word over what was known: what a cell changes, what a blank leaves, what the office's own word outlives.

use std::collections::BTreeSet;

use super::column::Column;
use crate::{
    person::{
        Few, Person, Role, SourceId,
        email::EmailAddress,
        guardianship::{Link, Relationship, Responsibility},
        name::PersonName,
        phone::{PhoneKind, PhoneNumber},
        suppression::Suppressed,
    },
    privacy::agreement::Field,
};

/// What a file can say at all, and which file it is: a blank means more in a column that is there.
#[derive(Clone, Copy, Debug)]
pub struct Says<'a> {
    /// The columns of its header, of those that may be stored.
    pub columns: &'a BTreeSet<Column>,
    /// The beginning of its SHA-256: the same file twice is one word, not two.
    pub file: &'a str,
}

/// Somebody who was known, after the file.
///
/// - A value replaces a value, unless the office set its own by hand: that stays until the file says the same.
/// - A blank clears what hangs nothing on it (title, class, groups) where the file has the column. A blank contact point
///   clears only when a second file leaves it blank too: one bad export must not make a parent unreachable (case 59).
///   A blank clears nothing else, and neither does a column that is not there.
/// - A date of birth is never changed by a file: parents prove themselves by it. The office does, by hand (case 60).
pub fn person(before: &Person, after: &Person, says: Says<'_>) -> Person {
    let mut merge = Merge { before, says, by_hand: before.by_hand.clone(), blanked: Vec::new() };
    let (mobiles, others) = (phones(after, true), phones(after, false));
    let emails = merge.contact_point(Field::Email, &before.emails, &after.emails);
    let mobiles = merge.contact_point(Field::Mobile, &phones(before, true), &mobiles);
    let others = merge.contact_point(Field::Landline, &phones(before, false), &others);
    let (was, is) = (&before.name, &after.name);
    let name = PersonName::new(
        &merge.name(Field::GivenName, was.given(), is.given()),
        &merge.name(Field::FamilyName, was.family(), is.family()),
    );
    let born = merge.kept(Field::DateOfBirth, &before.date_of_birth, &after.date_of_birth);
    // The given and the family part are each the office's or the file's.
    let part = |person: &Person, of: fn(&PersonName) -> &str| {
        person.preferred_name.as_ref().map(|name| of(name).to_owned()).filter(|part| !part.is_empty())
    };
    let mut preferred = |field, of: fn(&PersonName) -> &str| {
        merge.light(field, part(before, of).as_ref(), part(after, of).as_ref()).unwrap_or_default()
    };
    let preferred = PersonName::new(
        &preferred(Field::PreferredGivenName, PersonName::given),
        &preferred(Field::PreferredFamilyName, PersonName::family),
    );
    // No file brings the dead back, and none overrides the office's word that somebody lives.
    let deceased =
        if after.deceased { merge.kept(Field::Deceased, &before.deceased, &true) } else { before.deceased };
    let person = Person {
        role: before.role,
        title: merge.light(Field::Title, before.title.as_ref(), after.title.as_ref()),
        name,
        preferred_name: (!preferred.is_empty()).then_some(preferred),
        former_family_name: merge.light(
            Field::FormerFamilyName,
            before.former_family_name.as_ref(),
            after.former_family_name.as_ref(),
        ),
        date_of_birth: before.date_of_birth.or(born),
        year_group: merge.heavy(Field::YearGroup, before.year_group.as_ref(), after.year_group.as_ref()),
        class: merge.light(Field::Class, before.class.as_ref(), after.class.as_ref()),
        groups: merge.light(Field::Groups, some(&before.groups), some(&after.groups)).unwrap_or_default(),
        starts_on: merge.light(Field::StartDate, before.starts_on.as_ref(), after.starts_on.as_ref()),
        leaves_on: merge.light(Field::LeavingDate, before.leaves_on.as_ref(), after.leaves_on.as_ref()),
        deceased,
        emails,
        phones: mobiles.into_iter().chain(others).collect(),
        unusable_contact_point: after.unusable_contact_point,
        source_ids: source_ids(before, after),
        is_known_without_id: before.is_known_without_id
            || after.source_ids.is_empty() && !before.source_ids.is_empty(),
        missing_since: None,
        manual: before.manual,
        by_hand: Vec::new(),
        blanked: Vec::new(),
        suppressed: Suppressed::default(),
    };
    Person { by_hand: merge.by_hand, blanked: merge.blanked, ..person }
}

fn some<T>(list: &Few<T>) -> Option<&Few<T>> {
    (!list.is_empty()).then_some(list)
}

fn phones(person: &Person, mobile: bool) -> Few<PhoneNumber> {
    person.phones.iter().filter(|phone| (phone.kind() == PhoneKind::Mobile) == mobile).cloned().collect()
}

/// New ids take the place of those in the same numbering. An id that is known already takes nobody's place: the office may have
/// joined two records, and then both of their ids stand for the one.
fn source_ids(before: &Person, after: &Person) -> Few<SourceId> {
    let is_replaced = |old: &SourceId| {
        after.source_ids.iter().any(|new| new.source == old.source && !before.source_ids.contains(new))
    };
    let mut ids: Few<_> = before.source_ids.iter().filter(|old| !is_replaced(old)).cloned().collect();
    let kept = ids.len();
    ids.extend(after.source_ids.iter().filter(|new| !before.source_ids.contains(new)).cloned());
    // In one order, unless there is no new one: the same file again changes nobody.
    if ids.len() > kept {
        ids.sort();
    }
    ids
}

struct Merge<'a> {
    before: &'a Person,
    says: Says<'a>,
    by_hand: Vec<Field>,
    blanked: Vec<(Field, String)>,
}

impl Merge<'_> {
    /// The file's value, unless the office's own stands; where both are one, the office's mark goes.
    fn kept<T: Clone + PartialEq>(&mut self, field: Field, before: &T, after: &T) -> T {
        if before == after {
            self.by_hand.retain(|by_hand| *by_hand != field);
        }
        if self.by_hand.contains(&field) { before.clone() } else { after.clone() }
    }

    /// A part of a name, which a blank does not clear: the cell may have been ruined, and a parent proves herself by it.
    fn name(&mut self, field: Field, before: &str, after: &str) -> String {
        if after.is_empty() {
            before.to_owned()
        } else {
            self.kept(field, &before.to_owned(), &after.to_owned())
        }
    }

    /// A field that a blank does not clear.
    fn heavy<T: Clone + PartialEq>(
        &mut self,
        field: Field,
        before: Option<&T>,
        after: Option<&T>,
    ) -> Option<T> {
        if after.is_none() { before.cloned() } else { self.kept(field, &before, &after).cloned() }
    }

    /// A field that a blank clears, where the file has the column.
    fn light<T: Clone + PartialEq>(
        &mut self,
        field: Field,
        before: Option<&T>,
        after: Option<&T>,
    ) -> Option<T> {
        if after.is_none() && !self.has(field) {
            before.cloned()
        } else {
            self.kept(field, &before, &after).cloned()
        }
    }

    /// Where somebody is reached: a blank clears it the second time.
    fn contact_point<T: Clone + PartialEq>(
        &mut self,
        field: Field,
        before: &Few<T>,
        after: &Few<T>,
    ) -> Few<T> {
        if !after.is_empty() {
            return self.kept(field, before, after);
        }
        if before.is_empty() || self.by_hand.contains(&field) || !self.has(field) {
            return before.clone();
        }
        let first = self.before.blanked.iter().find(|(blank, _)| *blank == field);
        if first.is_some_and(|(_, file)| file != self.says.file) {
            return Few::new();
        }
        self.blanked.push((field, self.says.file.to_owned()));
        before.clone()
    }

    fn has(&self, field: Field) -> bool {
        self.says.columns.contains(&Column { role: self.before.role, field })
    }
}

/// Whether a file gives a pupil another date of birth than the one that is known.
pub fn moves_birthday(before: &Person, after: &Person) -> bool {
    !before.by_hand.contains(&Field::DateOfBirth)
        && matches!((before.date_of_birth, after.date_of_birth), (Some(one), Some(other)) if one != other)
}

/// Whether a file says the contrary of a restriction that stands: none where it has a column for one, or responsibility.
pub fn forgets_restriction(before: &Link, after: &Link, columns: &BTreeSet<Column>) -> bool {
    let says_none = columns.contains(&Column { role: Role::Contact, field: Field::Restricted })
        || after.parental_responsibility == Responsibility::Yes;
    before.restricted && !after.restricted && says_none
}

/// The tie, after the file. What the office set by hand outlives it, except that a file may always restrict. A blank clears
/// neither responsibility nor a restriction, and no word of a file lifts a restriction. That somebody is not called in an emergency any
/// more has to be said (`is_no_emergency_contact`).
pub fn link(before: &Link, after: &Link, is_no_emergency_contact: bool) -> Link {
    let restricted = before.restricted || after.restricted;
    let address_confidential = before.address_confidential || after.address_confidential;
    if before.manual {
        return Link { restricted, address_confidential, ..before.clone() };
    }
    let responsibility = match after.parental_responsibility {
        Responsibility::Unknown => before.parental_responsibility,
        said => said,
    };
    let stated = if after.relationship == Relationship::Unknown { before } else { after };
    Link {
        relationship: stated.relationship,
        relationship_text: stated.relationship_text.clone(),
        parental_responsibility: responsibility,
        restricted,
        address_confidential,
        emergency_contact: after.emergency_contact || before.emergency_contact && !is_no_emergency_contact,
        priority: after.priority.or(before.priority),
        missing_since: None,
        ..before.clone()
    }
}

/// Of two people's e-mail addresses and numbers, whether they have one in common.
pub fn share_a_contact_point(one: &Person, other: &Person) -> bool {
    let emails: BTreeSet<&EmailAddress> = one.emails.iter().collect();
    let phones: BTreeSet<&PhoneNumber> = one.phones.iter().collect();
    other.emails.iter().any(|email| emails.contains(email))
        || other.phones.iter().any(|phone| phones.contains(phone))
}
