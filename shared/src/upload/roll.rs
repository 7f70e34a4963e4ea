//! Rows to families: who the file says is on roll, who their contacts are, and what ties them.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{
    cell,
    finding::{Code, Finding},
    sheet::{Row, Sheet},
};
use crate::{
    person::{
        Person, Role, SourceId,
        email::EmailAddress,
        guardianship::{Link, Relationship, Responsibility},
        name::{PersonName, fold},
        phone::{PhoneKind, PhoneNumber},
    },
    privacy::agreement::Field,
};

/// The kind of source that files are.
pub const SOURCE: &str = "csv";

/// What makes two rows speak of one person: the source's id as text, or what stands in for it. The text is only ever
/// compared and hashed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// The source's own id.
    Id(String),
    /// No id: pupils by folded name and date of birth; a contact by folded name within one pupil's family.
    Likeness(String),
}

/// Somebody the file names, and the first row that does.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// The row.
    pub row: u32,
    /// What the file says.
    pub value: T,
}

/// The families of a file.
#[derive(Clone, Debug, Default)]
pub struct Roll {
    /// Pupils.
    pub pupils: BTreeMap<Identity, Entry<Person>>,
    /// Contacts.
    pub contacts: BTreeMap<Identity, Entry<Person>>,
    /// Pupil and contact -> tie.
    pub links: BTreeMap<(Identity, Identity), Entry<Link>>,
    /// What was found on the way.
    pub findings: Vec<Finding>,
    /// How many rows there were.
    pub rows: usize,
}

/// Gathers the families of a sheet; `today` decides which dates of birth can be.
pub fn gather(sheet: &Sheet, today: Date) -> Roll {
    let mut roll = Roll { rows: sheet.rows.len(), findings: sheet.findings.clone(), ..Roll::default() };
    for row in &sheet.rows {
        roll.row(row, today);
    }
    for contact in roll.contacts.values_mut() {
        // The order of merging: mobiles first, so that the same file read again is the same.
        contact.value.phones.sort_by_key(|phone| phone.kind() != PhoneKind::Mobile);
    }
    roll.findings.sort_by(|a, b| (a.row, &a.column, &a.code).cmp(&(b.row, &b.column, &b.code)));
    roll
}

impl Roll {
    fn find(&mut self, row: &Row, column: Option<usize>, code: Code) {
        self.findings.push(Finding::new(row.number, column, code));
    }

    fn row(&mut self, row: &Row, today: Date) {
        let name = self.name(row, Role::Pupil);
        if name.is_empty() {
            return self.find(row, None, Code::NameMissing);
        }
        let born = match row
            .cell(Role::Pupil, Field::DateOfBirth)
            .map(|(index, raw)| (index, cell::date_of_birth(raw, today)))
        {
            Some((_, Ok(born))) => born,
            Some((index, Err(code))) => {
                self.find(row, Some(index), code);
                None
            }
            None => None,
        };
        let text = |field| row.cell(Role::Pupil, field).and_then(|(_, raw)| cell::text(raw));
        let source_id = text(Field::SourceId);
        let folded = format!("{}\0{}", fold(name.given()), fold(name.family()));
        let identity = source_id.clone().map_or_else(
            || {
                Identity::Likeness(format!(
                    "{folded}\0{born}",
                    born = born.map(|born| born.expose().to_string()).unwrap_or_default()
                ))
            },
            Identity::Id,
        );
        let pupil = Person {
            date_of_birth: born,
            year_group: row.cell(Role::Pupil, Field::YearGroup).and_then(|(_, raw)| cell::year_group(raw)),
            class: text(Field::Class),
            source_ids: source_ids(source_id),
            ..Person::named(Role::Pupil, name)
        };
        if self.pupil(row, &identity, pupil) {
            self.contact(row, identity);
        }
    }

    /// Adds a row's pupil; false where the id stands for another child already, whose family this row is not.
    fn pupil(&mut self, row: &Row, identity: &Identity, pupil: Person) -> bool {
        let Some(first) = self.pupils.get_mut(identity) else {
            self.pupils.insert(identity.clone(), Entry { row: row.number, value: pupil });
            return true;
        };
        let kept = &mut first.value;
        if is_somebody_else(kept, &pupil) {
            self.find(row, None, Code::IdReused);
            return false;
        }
        let conflict =
            matches!((kept.date_of_birth, pupil.date_of_birth), (Some(one), Some(other)) if one != other);
        kept.date_of_birth = kept.date_of_birth.or(pupil.date_of_birth);
        kept.year_group = kept.year_group.take().or(pupil.year_group);
        kept.class = kept.class.take().or(pupil.class);
        if conflict {
            let index = row.cell(Role::Pupil, Field::DateOfBirth).map(|(index, _)| index);
            self.find(row, index, Code::ConflictingValues);
        }
        true
    }

    fn contact(&mut self, row: &Row, pupil: Identity) {
        let name = self.name(row, Role::Contact);
        let (emails, phones, unusable) = self.contact_points(row);
        let text = |field| row.cell(Role::Contact, field).and_then(|(_, raw)| cell::text(raw));
        let (source_id, relationship) = (text(Field::SourceId), text(Field::Relationship));
        if name.is_empty() && emails.is_empty() && phones.is_empty() && !unusable {
            if source_id.is_some() || relationship.is_some() {
                let index = row.cell(Role::Contact, Field::Relationship).map(|(index, _)| index);
                self.find(row, index, Code::ContactIncomplete);
            }
            return;
        }
        let identity = source_id.clone().map_or_else(
            || {
                let point =
                    emails.first().map(EmailAddress::expose).or(phones.first().map(PhoneNumber::expose));
                Identity::Likeness(contact_likeness(&pupil, &name, point))
            },
            Identity::Id,
        );
        let contact = Person {
            title: text(Field::Title),
            emails,
            phones,
            unusable_contact_point: unusable,
            source_ids: source_ids(source_id),
            ..Person::named(Role::Contact, name)
        };
        match self.contacts.get_mut(&identity) {
            None => {
                self.contacts.insert(identity.clone(), Entry { row: row.number, value: contact });
            }
            Some(first) => {
                let kept = &mut first.value;
                if differ(kept.name.given(), contact.name.given()) {
                    // A household's id, say: mother and father are two people, and so are their messages.
                    let index = row.cell(Role::Contact, Field::SourceId).map(|(index, _)| index);
                    return self.find(row, index, Code::IdReused);
                }
                append(&mut kept.emails, contact.emails);
                append(&mut kept.phones, contact.phones);
                kept.unusable_contact_point |= contact.unusable_contact_point;
                kept.title = kept.title.take().or(contact.title);
            }
        }
        self.link(
            row,
            (pupil, identity),
            relationship.as_deref().map_or(Relationship::Unknown, Relationship::from_words),
        );
    }

    fn link(&mut self, row: &Row, ends: (Identity, Identity), relationship: Relationship) {
        let raw = |field| row.cell(Role::Contact, field);
        let link = Link {
            relationship,
            parental_responsibility: raw(Field::ParentalResponsibility)
                .map_or(Responsibility::Unknown, |(_, raw)| cell::responsibility(raw)),
            restricted: raw(Field::Restricted).is_some_and(|(_, raw)| cell::restricted(raw)),
            priority: raw(Field::Priority).and_then(|(_, raw)| cell::priority(raw)),
            ..Link::default()
        };
        let Some(first) = self.links.get_mut(&ends) else {
            self.links.insert(ends, Entry { row: row.number, value: link });
            return;
        };
        let kept = &mut first.value;
        let said = |responsibility| responsibility != Responsibility::Unknown;
        let mut fields = Vec::new();
        if said(link.parental_responsibility)
            && said(kept.parental_responsibility)
            && link.parental_responsibility != kept.parental_responsibility
        {
            fields.push(Field::ParentalResponsibility);
        }
        if link.restricted != kept.restricted {
            fields.push(Field::Restricted);
        }
        if !said(kept.parental_responsibility) {
            kept.parental_responsibility = link.parental_responsibility;
        }
        // Of two rows that disagree about a restriction, the one that protects the child holds.
        kept.restricted |= link.restricted;
        kept.priority = kept.priority.or(link.priority);
        for field in fields {
            let index = raw(field).map(|(index, _)| index);
            self.find(row, index, Code::ConflictingValues);
        }
    }

    fn name(&mut self, row: &Row, role: Role) -> PersonName {
        let mut part = |field| match row.cell(role, field).map(|(index, raw)| (index, cell::name(raw))) {
            Some((_, Ok(name))) => name,
            Some((index, Err(code))) => {
                self.find(row, Some(index), code);
                String::new()
            }
            None => String::new(),
        };
        let (given, family) = (part(Field::GivenName), part(Field::FamilyName));
        PersonName::new(&given, &family)
    }

    /// Usable e-mail addresses and numbers, and whether the row held one that is not usable.
    fn contact_points(&mut self, row: &Row) -> (Vec<EmailAddress>, Vec<PhoneNumber>, bool) {
        let (mut emails, mut phones, mut unusable) = (Vec::new(), Vec::new(), false);
        for (index, raw) in row.all(Role::Contact, Field::Email).filter(|(_, raw)| !cell::is_blank(raw)) {
            if let Ok(email) = raw.parse() {
                append(&mut emails, vec![email]);
            } else {
                unusable = true;
                self.find(row, Some(index), Code::EmailInvalid);
            }
        }
        for field in [Field::Mobile, Field::Landline] {
            for (index, raw) in row.all(Role::Contact, field) {
                match cell::phone(raw) {
                    Ok(None) => {}
                    Ok(Some(parsed)) => {
                        if parsed.repaired {
                            self.find(row, Some(index), Code::PhoneRepaired);
                        }
                        if field == Field::Mobile && parsed.number.kind() == PhoneKind::Landline {
                            self.find(row, Some(index), Code::PhoneLandline);
                        }
                        append(&mut phones, vec![parsed.number]);
                    }
                    Err(code) => {
                        unusable = true;
                        self.find(row, Some(index), code);
                    }
                }
            }
        }
        (emails, phones, unusable)
    }
}

/// What a contact without an id is known by: the pupil, and the folded name, or without a name where they are reached.
pub(super) fn contact_likeness(pupil: &Identity, name: &PersonName, point: Option<&str>) -> String {
    let folded = format!("{}\0{}", fold(name.given()), fold(name.family()));
    let point = point.filter(|_| folded.len() == 1).unwrap_or_default();
    format!("{pupil:?}\0{folded}\0{point}")
}

/// Whether two names are both there and not the same.
fn differ(one: &str, other: &str) -> bool {
    let (one, other) = (fold(one), fold(other));
    !one.is_empty() && !other.is_empty() && one != other
}

/// Whether one id stands for two people: the whole name differs, and so does the date of birth as far as it is known; or
/// one part of the name and the date. One of them alone is a correction.
pub(super) fn is_somebody_else(before: &Person, after: &Person) -> bool {
    let given = differ(before.name.given(), after.name.given());
    let family = differ(before.name.family(), after.name.family());
    match (before.date_of_birth, after.date_of_birth) {
        (Some(one), Some(other)) if one == other => false,
        (Some(_), Some(_)) => given || family,
        _ => given && family,
    }
}

fn source_ids(id: Option<String>) -> Vec<SourceId> {
    id.into_iter().map(|id| SourceId { source: SOURCE.to_owned(), id }).collect()
}

fn append<T: PartialEq>(to: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !to.contains(&one) {
            to.push(one);
        }
    }
}
