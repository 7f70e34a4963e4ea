//! What one row says about a person: cells to values and findings.

use std::hash::{DefaultHasher, Hash, Hasher};

use compact_str::CompactString;
use jiff::civil::Date;

use super::{
    cell,
    column::Column,
    finding::{Code, Finding},
    intake::{Label, Place},
    roll::Roll,
};
use crate::{
    person::{
        Few, Role, SourceId,
        email::EmailAddress,
        name::{PersonName, is_fit},
        phone::{Parsed, PhoneKind, PhoneNumber},
    },
    privacy::agreement::Field,
};

/// How many roles there are, and how many fields at most.
const ROLES: usize = Role::Governor as usize + 1;
const FIELDS: usize = 32;
const _: () = assert!((Field::Deceased as usize) < FIELDS, "every field has a place");

/// Which of a row's cells are which: the same for every row of a table.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Of each role's fields, where the first cell is and where those behind the last are.
    cells: [(u16, u16); ROLES * FIELDS],
    /// Of each role, the fields that there are cells of, one bit each.
    fields: [u32; ROLES],
}

impl Shape {
    pub(super) fn of(places: impl Iterator<Item = Place>) -> Self {
        let mut shape = Self { cells: [(0, 0); ROLES * FIELDS], fields: [0; ROLES] };
        for (index, Place { column: Column { role, field }, .. }) in (0..).zip(places) {
            let (cells, fields) = (&mut shape.cells[slot(role, field)], &mut shape.fields[role as usize]);
            if *fields & bit(field) == 0 {
                cells.0 = index;
            }
            cells.1 = index + 1;
            *fields |= bit(field);
        }
        shape
    }
}

/// One row on its way in: a pupil with at most one contact, or a member of staff or governor.
pub(super) struct Row<'r> {
    /// Its number as the file's own program counts (a spreadsheet's header is 1).
    pub(super) number: u32,
    pub(super) cells: &'r [(Place, &'r str)],
    pub(super) shape: &'r Shape,
    /// Whether it says of its pupil what the last row did: if that one was sound, the pupil's cells are not looked at.
    pub(super) is_repeated: bool,
    /// Decides which dates of birth can be.
    pub(super) today: Date,
    /// The names of the columns.
    pub(super) labels: &'r [Label],
}

impl<'r> Row<'r> {
    /// The cell of a field. Of several, the first that is not empty.
    pub(super) fn cell(&self, role: Role, field: Field) -> Option<(Place, &'r str)> {
        self.all(role, field).next()
    }

    /// All cells of a field that are not empty.
    pub(super) fn all(&self, role: Role, field: Field) -> impl Iterator<Item = (Place, &'r str)> + use<'r> {
        let wanted = Column { role, field };
        let (cells, (from, to)) = (self.cells, self.shape.cells[slot(role, field)]);
        (from..to)
            .filter_map(move |at| cells.get(usize::from(at)).copied())
            .filter(move |(place, text)| place.column == wanted && holds_anything(text))
    }

    /// The cell of a field, as text.
    pub(super) fn text(&self, role: Role, field: Field) -> Option<CompactString> {
        self.cell(role, field).and_then(|(_, raw)| cell::text(raw))
    }

    /// What is found of it, in one of its columns or as a whole.
    pub(super) fn finding(&self, place: Option<Place>, code: Code) -> Finding {
        Finding::at(
            self.number,
            place.and_then(|place| place.of(self.labels)).map_or("", |label| &label.name),
            code,
        )
    }

    /// Whether it says anything about somebody in a role.
    pub(super) fn is_about(&self, role: Role) -> bool {
        let is_said = |(place, text): &(Place, &str)| place.column.role == role && holds_anything(text);
        self.has(role) && self.cells.iter().any(is_said)
    }

    /// Whether it has cells for one of the fields that these bits stand for.
    pub(super) const fn has_any(&self, role: Role, fields: u32) -> bool {
        self.shape.fields[role as usize] & fields != 0
    }

    /// Whether it has cells for somebody in a role at all: that there is no name has to be seen.
    pub(super) const fn has(&self, role: Role) -> bool {
        self.has_any(role, u32::MAX)
    }

    /// What stands where the pupil's date of birth should, as a hash.
    pub(super) fn unreadable_birthday(&self) -> Option<u64> {
        let (_, raw) = self.cell(Role::Pupil, Field::DateOfBirth)?;
        let mut hasher = DefaultHasher::new();
        raw.trim().hash(&mut hasher);
        (!cell::is_blank(raw)).then(|| hasher.finish())
    }

    /// The ids of somebody, in the order of the columns.
    pub(super) fn source_ids(&self, role: Role) -> Few<SourceId> {
        let mut kept: Few<SourceId> = Few::new();
        for (place, raw) in self.all(role, Field::SourceId) {
            let Some(Label { source, .. }) = place.of(self.labels) else { continue };
            if kept.iter().all(|known| known.source != source)
                && let Some(id) = cell::text(raw)
            {
                kept.push(SourceId { source: source.clone(), id });
            }
        }
        kept
    }

    /// The groups of somebody.
    pub(super) fn groups(&self, role: Role) -> Few<String> {
        let mut groups = Few::new();
        let said = self.all(role, Field::Groups).filter_map(|(_, raw)| cell::text(raw));
        said.for_each(|group| add(&mut groups, group.into()));
        groups
    }
}

/// What a field is in a set of them.
pub(super) const fn bit(field: Field) -> u32 {
    1 << field as u32
}

const fn slot(role: Role, field: Field) -> usize {
    role as usize * FIELDS + field as usize
}

fn holds_anything(text: &str) -> bool {
    text.bytes().next().is_some_and(|byte| byte.is_ascii_graphic() || !text.trim().is_empty())
}

impl Roll {
    #[cold]
    pub(super) fn find(&mut self, row: &Row<'_>, place: Option<Place>, code: Code) {
        self.note(row.finding(place, code));
    }

    /// What a pupil's cell says; what cannot be read is found.
    pub(super) fn said<T>(
        &mut self,
        row: &Row<'_>,
        field: Field,
        read: impl Fn(&str) -> Result<Option<T>, Code>,
    ) -> Option<T> {
        let (place, raw) = row.cell(Role::Pupil, field)?;
        read(raw).unwrap_or_else(|code| {
            self.find(row, Some(place), code);
            None
        })
    }

    /// The name of somebody in a row.
    pub(super) fn full_name(&mut self, row: &Row<'_>, role: Role) -> PersonName {
        let mut part = |field| {
            let Some((place, raw)) = row.cell(role, field) else { return CompactString::default() };
            if is_fit(raw) {
                return raw.into();
            }
            cell::name(raw).unwrap_or_else(|code| {
                self.find(row, Some(place), code);
                CompactString::default()
            })
        };
        let (given, family) = (part(Field::GivenName), part(Field::FamilyName));
        PersonName::of_tidy(given, family)
    }

    /// Usable e-mail addresses and numbers, and whether the row held one that is not usable.
    pub(super) fn contact_points(
        &mut self,
        row: &Row<'_>,
        role: Role,
    ) -> (Few<EmailAddress>, Few<PhoneNumber>, bool) {
        let (mut emails, mut phones, mut unusable) = (Few::new(), Few::new(), false);
        for (place, raw) in row.all(role, Field::Email) {
            match cell::email(raw) {
                Ok(None) => {}
                Ok(Some((email, mistyped))) => {
                    if mistyped {
                        self.find(row, Some(place), Code::EmailMistyped);
                    }
                    add(&mut emails, email);
                }
                Err(code) => {
                    unusable = true;
                    self.find(row, Some(place), code);
                }
            }
        }
        for (place, raw) in row.all(role, Field::Mobile).chain(row.all(role, Field::Landline)) {
            match cell::phone(raw) {
                Ok(None) => {}
                Ok(Some(Parsed { number, repaired })) => {
                    if repaired {
                        self.find(row, Some(place), Code::PhoneRepaired);
                    }
                    if place.column.field == Field::Mobile && number.kind() == PhoneKind::Landline {
                        self.find(row, Some(place), Code::PhoneLandline);
                    }
                    add(&mut phones, number);
                }
                Err(code) => {
                    let first = (code == Code::PhoneLetters).then(|| cell::first_mobile(raw)).flatten();
                    unusable |= first.is_none();
                    let code = if first.is_some() { Code::SeveralNumbers } else { code };
                    self.find(row, Some(place), code);
                    phones.extend(first.filter(|number| !phones.contains(number)));
                }
            }
        }
        (emails, phones, unusable)
    }
}

/// Adds what is not there yet.
pub(super) fn add<T: PartialEq>(to: &mut Few<T>, one: T) {
    if !to.contains(&one) {
        to.push(one);
    }
}
