//! Rows to families: who the file says is on roll, who their contacts are, what ties them, and who works at the school.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{Timestamp, civil::Date};

use super::{
    cell,
    column::Column,
    finding::{Code, Finding},
    intake::{Place, Row, UPN},
    likeness,
    plan::HeldBecause,
    store::Scope,
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

/// The most findings that are kept of one file.
const MAX_FINDINGS: usize = 20_000;

/// What makes two rows speak of one person: an id as text, or what stands in for it. The text is only ever compared and
/// hashed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// An id, in somebody's numbering.
    Id(SourceId),
    /// No id: pupils by folded name and date of birth, staff by folded name.
    Likeness(String),
    /// No id: a contact by folded name (or, nameless, by where they are reached) within one pupil's family.
    InFamily(Box<Identity>, String),
}

/// Somebody the file names, and the first row that does.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// The row.
    pub row: u32,
    /// What the file says.
    pub value: T,
}

/// Somebody whom the source says is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// What they were.
    pub role: Role,
    /// In whose numbering.
    pub source: &'static str,
    /// The id.
    pub id: String,
}

/// The families of a file.
#[derive(Clone, Debug, Default)]
pub struct Roll {
    /// Everybody, by role and identity. Shared with the plan: whoever is new goes there as they are.
    pub people: BTreeMap<(Role, Identity), Entry<Arc<Person>>>,
    /// Contacts without ids who stand in several families: the further identities of the first.
    pub aliases: BTreeMap<Identity, Vec<Identity>>,
    /// Pupil and contact -> tie.
    pub links: BTreeMap<(Identity, Identity), Entry<Link>>,
    /// Whom ties name by an id alone, and what is found where nobody is known by it.
    pub referred: BTreeMap<(Role, Identity), Finding>,
    /// The columns of the header, of those that may be stored; none where the format has no header.
    pub columns: BTreeSet<Column>,
    /// Whom the source says is gone.
    pub gone: Vec<Gone>,
    /// How much of the school the file speaks for, by its own word.
    pub scope: Scope,
    /// When the source made it.
    pub exported_at: Option<Timestamp>,
    /// Why it has to wait, whatever it would do.
    pub held: Option<HeldBecause>,
    /// Ties about whose responsibility two rows disagree.
    pub(super) disputed: BTreeSet<(Identity, Identity)>,
    /// What was found on the way.
    pub findings: Vec<Finding>,
    /// How many rows there were.
    pub rows: usize,
    /// How many columns were left behind.
    pub dropped_columns: usize,
}

/// A row with the names of its columns, while it is being taken in.
#[derive(Clone, Copy)]
struct At<'r> {
    row: Row<'r>,
    today: Date,
    labels: &'r [String],
}

impl<'r> At<'r> {
    fn cell(&self, role: Role, field: Field) -> Option<(Place, &'r str)> {
        self.row.cell(role, field)
    }

    fn text(&self, role: Role, field: Field) -> Option<String> {
        self.cell(role, field).and_then(|(_, raw)| cell::text(raw))
    }
}

impl Roll {
    /// Everybody in one role.
    pub fn of(&self, role: Role) -> impl Iterator<Item = (&Identity, &Entry<Arc<Person>>)> {
        self.people
            .range((role, Identity::Id(SourceId { source: String::new(), id: String::new() }))..)
            .take_while(move |((of, _), _)| *of == role)
            .map(|((_, identity), entry)| (identity, entry))
    }

    /// Takes a row in; `today` decides which dates of birth can be.
    pub(super) fn row(&mut self, row: Row<'_>, today: Date, labels: &[String]) {
        let at = At { row, today, labels };
        for role in [Role::Staff, Role::Governor] {
            self.colleague(at, role);
        }
        if row.cells.iter().any(|(place, _)| place.column.role == Role::Pupil) {
            self.pupil_row(at);
        }
    }

    /// Keeps a finding, up to [`MAX_FINDINGS`]: a file of nothing but faults must not fill the memory, nor anybody's day.
    pub(super) fn note(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    fn find(&mut self, at: At<'_>, place: Option<Place>, code: Code) {
        let label = place.map_or("", |place| place.label(at.labels));
        self.note(Finding::at(at.row.number, label, code));
    }

    /// A member of staff or a governor.
    fn colleague(&mut self, at: At<'_>, role: Role) {
        if !at.row.cells.iter().any(|(place, text)| place.column.role == role && !text.trim().is_empty()) {
            return;
        }
        let name = self.name(at, role);
        if name.is_empty() {
            return self.find(at, None, Code::NameMissing);
        }
        let (emails, phones, unusable) = self.contact_points(at, role);
        let source_ids = Self::source_ids(at, role);
        let identity = source_ids.first().cloned().map_or_else(
            || Identity::Likeness(format!("{}\0{}", fold(name.given()), fold(name.family()))),
            Identity::Id,
        );
        let person = Person {
            title: at.text(role, Field::Title),
            emails,
            phones,
            unusable_contact_point: unusable,
            source_ids,
            groups: Self::groups(at, role),
            ..Person::named(role, name)
        };
        match self.people.get_mut(&(role, identity.clone())) {
            None => {
                self.people.insert((role, identity), Entry { row: at.row.number, value: Arc::new(person) });
            }
            Some(first) if is_somebody_else(&first.value, &person) => self.find(at, None, Code::IdReused),
            Some(first) => Arc::make_mut(&mut first.value).add_contact_points(&person),
        }
    }

    /// Notes that a row names somebody by an id alone; what is found where that is not enough, is what was noted first.
    pub(super) fn refer(&mut self, role: Role, id: SourceId, finding: Finding) {
        self.referred.entry((role, Identity::Id(id))).or_insert(finding);
    }

    /// Whom the file refers to, and does not name anywhere.
    pub fn absent(&self, role: Role) -> impl Iterator<Item = (&Identity, &Finding)> {
        self.referred
            .iter()
            .filter(move |(key, _)| key.0 == role && !self.people.contains_key(*key))
            .map(|((_, identity), finding)| (identity, finding))
    }

    /// A row without the pupil's name: by the id alone it can still tie a contact to them.
    fn nameless(&mut self, at: At<'_>) {
        let is_contact =
            |(place, text): &(Place, &str)| place.column.role == Role::Contact && !text.trim().is_empty();
        match Self::source_ids(at, Role::Pupil).into_iter().next() {
            Some(id) if at.row.cells.iter().any(is_contact) => {
                self.refer(Role::Pupil, id.clone(), Finding::at(at.row.number, "", Code::NameMissing));
                self.contact(at, Identity::Id(id));
            }
            _ => self.find(at, None, Code::NameMissing),
        }
    }

    fn pupil_row(&mut self, at: At<'_>) {
        let name = self.name(at, Role::Pupil);
        if name.is_empty() {
            return self.nameless(at);
        }
        let date = |roll: &mut Self, field| match at
            .cell(Role::Pupil, field)
            .map(|(place, raw)| (place, cell::day(raw)))
        {
            Some((_, Ok(day))) => day,
            Some((place, Err(code))) => {
                roll.find(at, Some(place), code);
                None
            }
            None => None,
        };
        let born = match at
            .cell(Role::Pupil, Field::DateOfBirth)
            .map(|(place, raw)| (place, cell::date_of_birth(raw, at.today)))
        {
            Some((_, Ok(born))) => born,
            Some((place, Err(code))) => {
                self.find(at, Some(place), code);
                None
            }
            None => None,
        };
        let (starts_on, leaves_on) = (date(self, Field::StartDate), date(self, Field::LeavingDate));
        let mut source_ids = Self::source_ids(at, Role::Pupil);
        if let Some((place, upn)) = at.cell(Role::Pupil, Field::Upn) {
            match cell::upn(upn) {
                Ok(upn) => source_ids.extend(upn.map(|id| SourceId { source: UPN.to_owned(), id })),
                Err(code) => self.find(at, Some(place), code),
            }
        }
        let preferred = PersonName::new(
            &at.text(Role::Pupil, Field::PreferredGivenName).unwrap_or_default(),
            &at.text(Role::Pupil, Field::PreferredFamilyName).unwrap_or_default(),
        );
        let pupil = Person {
            preferred_name: (!preferred.is_empty() && !is_as_legal(&preferred, &name)).then_some(preferred),
            former_family_name: at.text(Role::Pupil, Field::FormerFamilyName),
            date_of_birth: born,
            year_group: at.cell(Role::Pupil, Field::YearGroup).and_then(|(_, raw)| cell::year_group(raw)),
            class: at.text(Role::Pupil, Field::Class),
            groups: Self::groups(at, Role::Pupil),
            starts_on,
            leaves_on,
            deceased: at.cell(Role::Pupil, Field::Deceased).is_some_and(|(_, raw)| cell::restricted(raw)),
            source_ids,
            ..Person::named(Role::Pupil, name)
        };
        if cell::is_year_unlikely(pupil.date_of_birth, pupil.year_group.as_deref(), at.today) {
            let place = at.cell(Role::Pupil, Field::DateOfBirth).map(|(place, _)| place);
            self.find(at, place, Code::YearUnlikely);
        }
        let identity = pupil
            .source_ids
            .first()
            .cloned()
            .map_or_else(|| Identity::Likeness(pupil_key(&pupil)), Identity::Id);
        if self.pupil(at, &identity, pupil) {
            self.contact(at, identity);
        }
    }

    /// Adds a row's pupil; false where the id stands for another child already, whose family this row is not.
    fn pupil(&mut self, at: At<'_>, identity: &Identity, pupil: Person) -> bool {
        let key = (Role::Pupil, identity.clone());
        let Some(first) = self.people.get_mut(&key) else {
            self.people.insert(key, Entry { row: at.row.number, value: Arc::new(pupil) });
            return true;
        };
        let kept = Arc::make_mut(&mut first.value);
        if is_somebody_else(kept, &pupil) {
            self.find(at, None, Code::IdReused);
            return false;
        }
        let another = |one: &Option<String>, other: &Option<String>| matches!((one, other), (Some(one), Some(other)) if one != other);
        if matches!(identity, Identity::Likeness(_))
            && (another(&kept.class, &pupil.class) || another(&kept.year_group, &pupil.year_group))
        {
            // One name and one birthday in two classes may be two children (case 6): only ids could tell.
            self.find(at, None, Code::Ambiguous);
            return false;
        }
        let conflict =
            matches!((kept.date_of_birth, pupil.date_of_birth), (Some(one), Some(other)) if one != other);
        kept.date_of_birth = kept.date_of_birth.or(pupil.date_of_birth);
        kept.year_group = kept.year_group.take().or(pupil.year_group);
        kept.class = kept.class.take().or(pupil.class);
        kept.preferred_name = kept.preferred_name.take().or(pupil.preferred_name);
        kept.former_family_name = kept.former_family_name.take().or(pupil.former_family_name);
        kept.starts_on = kept.starts_on.or(pupil.starts_on);
        kept.leaves_on = kept.leaves_on.or(pupil.leaves_on);
        kept.deceased |= pupil.deceased;
        append(&mut kept.groups, pupil.groups);
        append(&mut kept.source_ids, pupil.source_ids);
        if conflict {
            let place = at.cell(Role::Pupil, Field::DateOfBirth).map(|(place, _)| place);
            self.find(at, place, Code::ConflictingValues);
        }
        true
    }

    fn contact(&mut self, at: At<'_>, pupil: Identity) {
        let name = self.name(at, Role::Contact);
        let (emails, phones, unusable) = self.contact_points(at, Role::Contact);
        let source_ids = Self::source_ids(at, Role::Contact);
        let words = at.text(Role::Contact, Field::Relationship);
        let relationship = words.as_deref().map_or(Relationship::Unknown, Relationship::from_words);
        if name.is_empty() && emails.is_empty() && phones.is_empty() && !unusable {
            let place = at.cell(Role::Contact, Field::Relationship).map(|(place, _)| place);
            if let Some(id) = source_ids.into_iter().next() {
                let label = place.map_or("", |place| place.label(at.labels));
                let finding = Finding::at(at.row.number, label, Code::ContactIncomplete);
                self.refer(Role::Contact, id.clone(), finding);
                self.link(at, (pupil, Identity::Id(id)), relationship);
            } else if words.is_some() {
                self.find(at, place, Code::ContactIncomplete);
            }
            return;
        }
        let identity = source_ids.first().cloned().map_or_else(
            || {
                let point =
                    emails.first().map(EmailAddress::expose).or(phones.first().map(PhoneNumber::expose));
                Identity::InFamily(Box::new(pupil.clone()), family_key(&name, point))
            },
            Identity::Id,
        );
        let contact = Person {
            title: at.text(Role::Contact, Field::Title),
            emails,
            phones,
            unusable_contact_point: unusable,
            deceased: at.cell(Role::Contact, Field::Deceased).is_some_and(|(_, raw)| cell::restricted(raw)),
            source_ids,
            ..Person::named(Role::Contact, name)
        };
        let ends = (pupil, identity.clone());
        match self.people.get_mut(&(Role::Contact, identity.clone())) {
            None => {
                let entry = Entry { row: at.row.number, value: Arc::new(contact) };
                self.people.insert((Role::Contact, identity.clone()), entry);
            }
            Some(first) => {
                if matches!(identity, Identity::InFamily(..)) {
                    // Father and son, say, with one name (case 12): without ids, title and relationship alone tell them apart.
                    let titles = (&first.value.title, &contact.title);
                    let tie = self.links.get(&ends).map(|first| first.value.relationship);
                    if matches!(titles, (Some(one), Some(other)) if fold(one) != fold(other))
                        || tie.is_some_and(|tie| likeness::contradict_to_one(tie, relationship))
                    {
                        return self.find(at, None, Code::Ambiguous);
                    }
                }
                if differ(first.value.name.given(), contact.name.given()) {
                    // A household's id, say: mother and father are two people, and so are their messages.
                    let place = at.cell(Role::Contact, Field::SourceId).map(|(place, _)| place);
                    return self.find(at, place, Code::IdReused);
                }
                Arc::make_mut(&mut first.value).add_contact_points(&contact);
            }
        }
        self.link(at, ends, relationship);
    }

    fn link(&mut self, at: At<'_>, ends: (Identity, Identity), relationship: Relationship) {
        let raw = |field| at.cell(Role::Contact, field);
        let link = Link {
            relationship,
            parental_responsibility: raw(Field::ParentalResponsibility)
                .map_or(Responsibility::Unknown, |(_, raw)| cell::responsibility(raw)),
            restricted: raw(Field::Restricted).is_some_and(|(_, raw)| cell::restricted(raw)),
            priority: raw(Field::Priority).and_then(|(_, raw)| cell::priority(raw)),
            emergency_contact: raw(Field::EmergencyContact)
                .is_some_and(|(_, raw)| cell::yes_no(raw) == Some(true)),
            address_confidential: raw(Field::AddressConfidential)
                .is_some_and(|(_, raw)| cell::restricted(raw)),
            ..Link::default()
        };
        let Some(first) = self.links.get_mut(&ends) else {
            self.links.insert(ends, Entry { row: at.row.number, value: link });
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
        if fields.contains(&Field::ParentalResponsibility) {
            // Neither row is believed: what was known before stays (case 58).
            kept.parental_responsibility = Responsibility::Unknown;
            self.disputed.insert(ends);
        } else if !said(kept.parental_responsibility) && !self.disputed.contains(&ends) {
            kept.parental_responsibility = link.parental_responsibility;
        }
        // Of two rows that disagree about a restriction, the one that protects the child holds.
        kept.restricted |= link.restricted;
        kept.address_confidential |= link.address_confidential;
        kept.emergency_contact |= link.emergency_contact;
        kept.priority = kept.priority.or(link.priority);
        for field in fields {
            let place = raw(field).map(|(place, _)| place);
            self.find(at, place, Code::ConflictingValues);
        }
    }

    fn name(&mut self, at: At<'_>, role: Role) -> PersonName {
        let mut part = |field| match at.cell(role, field).map(|(place, raw)| (place, cell::name(raw))) {
            Some((_, Ok(name))) => name,
            Some((place, Err(code))) => {
                self.find(at, Some(place), code);
                String::new()
            }
            None => String::new(),
        };
        let (given, family) = (part(Field::GivenName), part(Field::FamilyName));
        PersonName::new(&given, &family)
    }

    /// Ids of a person in a row, in the order of the columns.
    fn source_ids(at: At<'_>, role: Role) -> Vec<SourceId> {
        let ids = at.row.all(role, Field::SourceId).filter_map(|(place, raw)| {
            Some(SourceId { source: place.source.to_owned(), id: cell::text(raw)? })
        });
        let mut kept: Vec<SourceId> = Vec::new();
        let mut seen = BTreeSet::new();
        for id in ids {
            if seen.insert(id.source.clone()) {
                kept.push(id);
            }
        }
        kept
    }

    fn groups(at: At<'_>, role: Role) -> Vec<String> {
        let mut groups = Vec::new();
        append(&mut groups, at.row.all(role, Field::Groups).filter_map(|(_, raw)| cell::text(raw)).collect());
        groups
    }

    /// Usable e-mail addresses and numbers, and whether the row held one that is not usable.
    fn contact_points(&mut self, at: At<'_>, role: Role) -> (Vec<EmailAddress>, Vec<PhoneNumber>, bool) {
        let (mut emails, mut phones, mut unusable) = (Vec::new(), Vec::new(), false);
        for (place, raw) in at.row.all(role, Field::Email) {
            match cell::email(raw) {
                Ok(None) => {}
                Ok(Some((email, mistyped))) => {
                    if mistyped {
                        self.find(at, Some(place), Code::EmailMistyped);
                    }
                    append(&mut emails, vec![email]);
                }
                Err(code) => {
                    unusable = true;
                    self.find(at, Some(place), code);
                }
            }
        }
        for field in [Field::Mobile, Field::Landline] {
            for (place, raw) in at.row.all(role, field) {
                match cell::phone(raw) {
                    Ok(None) => {}
                    Ok(Some(parsed)) => {
                        if parsed.repaired {
                            self.find(at, Some(place), Code::PhoneRepaired);
                        }
                        if field == Field::Mobile && parsed.number.kind() == PhoneKind::Landline {
                            self.find(at, Some(place), Code::PhoneLandline);
                        }
                        append(&mut phones, vec![parsed.number]);
                    }
                    Err(Code::PhoneLetters) if cell::first_mobile(raw).is_some() => {
                        append(&mut phones, cell::first_mobile(raw).into_iter().collect());
                        self.find(at, Some(place), Code::SeveralNumbers);
                    }
                    Err(code) => {
                        unusable = true;
                        self.find(at, Some(place), code);
                    }
                }
            }
        }
        (emails, phones, unusable)
    }
}

/// What a contact without an id is known by in a family: the folded name, or without a name where they are reached.
pub(super) fn family_key(name: &PersonName, point: Option<&str>) -> String {
    let folded = full_fold(name);
    if folded.len() == 1 { point.unwrap_or_default().to_owned() } else { folded }
}

/// Both parts of a name, folded.
pub(super) fn full_fold(name: &PersonName) -> String {
    format!("{}\0{}", fold(name.given()), fold(name.family()))
}

/// What a pupil without an id is known by.
pub(super) fn pupil_key(person: &Person) -> String {
    let born = person.date_of_birth.map(|born| born.expose().to_string()).unwrap_or_default();
    format!("{}\0{born}", full_fold(&person.name))
}

/// Whether a preferred name says nothing that the legal one does not: many systems fill it in for everybody.
fn is_as_legal(preferred: &PersonName, legal: &PersonName) -> bool {
    let same = |one: &str, other: &str| one.is_empty() || one == other;
    same(preferred.given(), legal.given()) && same(preferred.family(), legal.family())
}

/// Whether two names are both there and not the same.
fn differ(one: &str, other: &str) -> bool {
    if one == other {
        return false;
    }
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

fn append<T: PartialEq>(to: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !to.contains(&one) {
            to.push(one);
        }
    }
}
