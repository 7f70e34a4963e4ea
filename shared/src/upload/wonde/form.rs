//! What the members of a record say: the tables of what is known, and the reading by them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{WONDE, WONDE_UPI};
use crate::{
    person::Role,
    privacy::agreement::Field,
    upload::{
        cell,
        column::Column,
        intake::{Intake, Place},
        nested::{MAX_NAMES, MAX_PARTS, Names, protecting},
    },
};

/// A person, a deletion: one object of a page.
pub(super) type Record = Map<String, Value>;

/// The longest path that is followed: an answer of the API has about sixty characters.
const MAX_PATH: usize = 200;

/// What a member of a record says.
#[derive(Clone, Copy)]
pub(super) enum What {
    /// A fact.
    Is(Field),
    /// The first of two, unless something before has said it; then the second, unless it is the same.
    Else(Field, Field),
    /// The id in a numbering.
    Id(&'static str),
    /// A fact in several members below.
    Below(Field),
    /// Nothing about the person, or read elsewhere.
    Aside,
}

use What::{Aside, Below, Else, Id, Is};

/// Members by their path (without the `data` that wraps what is included), the more telling first.
type Part = &'static [(&'static str, What)];
/// What is known of a role.
pub(super) type Table = &'static [Part];

/// Left out on purpose, and therefore reported: `mis_id`, which the next MIS uses for somebody else, and `former_upn`, which
/// joins what an adoption was to keep apart.
pub(super) const PUPIL: Table = &[NAMED, OF_PUPILS, AROUND];
pub(super) const CONTACT: Table = &[NAMED, TIED, TITLE, PHONES, EMAILS, AROUND];
// At work they are colleagues: the school's address first.
pub(super) const STAFF: Table = &[NAMED, OF_STAFF, TITLE, PHONES, AT_WORK, EMAILS, AROUND];

const NAMED: Part = &[
    ("id", Id(WONDE)),
    ("upi", Id(WONDE_UPI)),
    ("legal_forename", Is(Field::GivenName)),
    ("forename", Else(Field::GivenName, Field::PreferredGivenName)),
    ("legal_surname", Is(Field::FamilyName)),
    ("surname", Else(Field::FamilyName, Field::PreferredFamilyName)),
    ("gender", Is(Field::Gender)),
];
const OF_PUPILS: Part = &[
    ("upn", Is(Field::Upn)),
    ("education_details.upn", Is(Field::Upn)),
    ("identifiers.upn", Is(Field::Upn)),
    ("date_of_birth", Is(Field::DateOfBirth)),
    ("education_details.current_nc_year", Is(Field::YearGroup)),
    ("year.code", Is(Field::YearGroup)),
    ("year.name", Is(Field::YearGroup)),
    ("registration_group.name", Is(Field::Class)),
    ("registration.name", Is(Field::Class)),
    ("form_group.name", Is(Field::Class)),
    ("group.name", Is(Field::Class)),
    ("classes.name", Is(Field::Groups)),
    ("groups.name", Is(Field::Groups)),
    ("education_details.admission_date", Is(Field::StartDate)),
    ("admission_date", Is(Field::StartDate)),
    ("education_details.leaving_date", Is(Field::LeavingDate)),
    ("leaving_date", Is(Field::LeavingDate)),
];
const TIED: Part = &[
    ("relationship", Is(Field::Relationship)),
    ("relationship.relationship", Is(Field::Relationship)),
    ("relationship.parental_responsibility", Is(Field::ParentalResponsibility)),
    ("relationship.priority", Is(Field::Priority)),
    ("relationship.emergency", Is(Field::EmergencyContact)),
    ("relationship.emergency_contact", Is(Field::EmergencyContact)),
];
const OF_STAFF: Part = &[("date_of_birth", Is(Field::DateOfBirth)), ("classes.name", Is(Field::Groups))];
const TITLE: Part = &[("title", Is(Field::Title))];
const PHONES: Part = &[
    ("contact_details.phones.mobile", Is(Field::Mobile)),
    ("mobile", Is(Field::Mobile)),
    // Often the mobile number once more; without one, the best there is.
    ("contact_details.phones.primary", Else(Field::Mobile, Field::Landline)),
    ("contact_details.phones.phone", Else(Field::Mobile, Field::Landline)),
    ("telephone", Else(Field::Mobile, Field::Landline)),
    ("contact_details.phones.home", Is(Field::Landline)),
    ("contact_details.phones.work", Is(Field::Landline)),
];
const AT_WORK: Part = &[("contact_details.emails.work", Is(Field::Email))];
const EMAILS: Part = &[
    ("contact_details.emails.primary", Is(Field::Email)),
    ("contact_details.emails.email", Is(Field::Email)),
    ("email", Is(Field::Email)),
    ("contact_details.emails.home", Is(Field::Email)),
    ("contact_details.emails.work", Is(Field::Email)),
];
const AROUND: Part = &[
    ("contact_details.addresses", Below(Field::Address)),
    ("created_at", Aside),
    ("updated_at", Aside),
    ("restored_at", Aside),
];

/// Names that are not read, and of which nobody has to wonder what they are: they are the API's.
#[rustfmt::skip]
const OTHERS: &[&str] = &[
    "students", "students-pre-admission", "contacts", "employees", "deletions", "schools", "subjects", "periods", "rooms", "lessons",
    "attendance", "behaviours", "achievements", "data", "meta", "mis_id", "initials", "middle_names", "former_upn", "type", "description",
    "notes", "photo", "extended_details", "salutation", "bill_payer", "email_bills", "lives_with_pupil", "correspondence", "court_order",
    "student_reports", "home", "work", "postal", "house_number", "house_name", "apartment", "street", "district", "town", "county",
    "country", "postcode", "date", "timezone", "timezone_type", "deleted_at", "employment_details", "ethnicity_details", "sen_needs",
    "medical_conditions", "medical_events", "doctors", "siblings", "languages", "nationalities", "campus", "house", "boarder_status",
];

/// All names of the API that are known.
pub(super) fn names() -> Vec<&'static str> {
    let tables = [PUPIL, CONTACT, STAFF].into_iter().flatten().copied().flatten();
    tables.flat_map(|(path, _)| path.split('.')).chain(OTHERS.iter().copied()).collect()
}

/// Something that a record says.
pub(super) struct Said {
    /// Which fact.
    pub(super) field: Field,
    /// Where it may go, if the agreement lets it.
    pub(super) place: Option<Place>,
    /// The value.
    pub(super) text: String,
}

/// Where a path leads: which row of the table (or none: a protecting name), and the name that findings use.
struct Spot {
    rank: usize,
    what: What,
    label: String,
}

/// Reads the records of one role.
pub(super) struct Form {
    role: Role,
    prefix: &'static str,
    table: Table,
    spots: Vec<Spot>,
    /// Path -> index to the spots; none where it is unknown, and reported.
    known: HashMap<String, Option<usize>>,
    names: Names,
    places: HashMap<(usize, Field), Option<Place>>,
}

impl Form {
    pub(super) fn new(role: Role, prefix: &'static str, table: Table) -> Self {
        Self {
            role,
            prefix,
            table,
            spots: Vec::new(),
            known: HashMap::new(),
            names: Names::new(names),
            places: HashMap::new(),
        }
    }

    /// What a record says, the more telling first.
    pub(super) fn read(&mut self, record: &Record, intake: &mut Intake<'_>) -> Vec<Said> {
        let mut found = Vec::new();
        for (name, value) in record {
            let mut path = self.names.shown(name).into_owned();
            self.leaves(value, &mut path, &mut found, intake);
        }
        found.sort_by_key(|(spot, _)| (self.spots[*spot].rank, *spot));
        let mut said: Vec<Said> = Vec::new();
        let mut before = (usize::MAX, 0);
        for (spot, text) in found {
            before = if before.0 == spot { (spot, before.1 + 1) } else { (spot, 1) };
            let field = match self.spots[spot].what {
                Aside => continue,
                _ if before.1 > MAX_PARTS => continue,
                // Of several, one that says yes counts.
                Is(Field::Restricted | Field::Deceased) if !cell::restricted(&text) => continue,
                Is(field @ (Field::Restricted | Field::Deceased))
                    if said.iter().any(|said| said.field == field) =>
                {
                    continue;
                }
                Is(field) | Below(field) => field,
                Id(_) => Field::SourceId,
                Else(first, second) => match said.iter().find(|said| said.field == first) {
                    None => first,
                    Some(said) if said.text == text => continue,
                    Some(_) => second,
                },
            };
            let place = self.place(spot, field, intake);
            said.push(Said { field, place, text });
        }
        said
    }

    /// Finds every value that is not empty, with the spot its path leads to.
    fn leaves(
        &mut self,
        value: &Value,
        path: &mut String,
        found: &mut Vec<(usize, String)>,
        intake: &mut Intake<'_>,
    ) {
        match value {
            Value::Array(items) => {
                for item in items {
                    self.leaves(item, path, found, intake);
                }
            }
            Value::Object(members) if instant(value).is_none() => {
                let outside = path.len();
                if outside > MAX_PATH {
                    return;
                }
                for (name, value) in members {
                    if name != "data" {
                        path.push('.');
                        path.push_str(&self.names.shown(name));
                    }
                    self.leaves(value, path, found, intake);
                    path.truncate(outside);
                }
            }
            _ => {
                let Some(text) = text(value) else { return };
                found.extend(self.spot(path, intake).map(|spot| (spot, text)));
            }
        }
    }

    fn spot(&mut self, path: &str, intake: &mut Intake<'_>) -> Option<usize> {
        if let Some(spot) = self.known.get(path) {
            return *spot;
        }
        let is_full = self.known.len() >= MAX_NAMES;
        let leads_to = |row: &(&str, What)| match path.strip_prefix(row.0) {
            Some("") => true,
            Some(rest) => matches!(row.1, Below(_)) && rest.starts_with('.'),
            None => false,
        };
        let row = self.table.iter().copied().flatten().enumerate().find(|(_, row)| leads_to(row));
        let label = match row {
            Some((_, (above, Below(_)))) => format!("{}.{above}", self.prefix),
            None if is_full => format!("{}.*", self.prefix),
            _ => format!("{}.{path}", self.prefix),
        };
        let found = row.map(|(rank, (_, what))| (rank, *what)).or_else(|| {
            let field = path.split('.').find_map(|name| protecting(self.role, name))?;
            Some((usize::MAX, Is(field)))
        });
        let spot = if let Some((rank, what)) = found {
            let known = self.spots.iter().position(|spot| spot.label == label);
            Some(known.unwrap_or_else(|| {
                self.spots.push(Spot { rank, what, label });
                self.spots.len() - 1
            }))
        } else {
            intake.place(0, &label, None);
            None
        };
        if !is_full {
            self.known.insert(path.to_owned(), spot);
        }
        spot
    }

    fn place(&mut self, spot: usize, field: Field, intake: &mut Intake<'_>) -> Option<Place> {
        let Spot { what, label, .. } = &self.spots[spot];
        *self.places.entry((spot, field)).or_insert_with(|| match what {
            Id(source) => intake.place_of_ids(0, label, self.role, source),
            _ => intake.place(0, label, Some(Column { role: self.role, field })),
        })
    }
}

/// The instant that a value is, as text with its zone: an object with `date` and `timezone`, or a text.
pub(super) fn instant(value: &Value) -> Option<(&str, &str)> {
    match value {
        Value::String(text) => Some((text, "UTC")),
        Value::Object(members) => {
            let zone = members.get("timezone").and_then(Value::as_str);
            Some((members.get("date")?.as_str()?, zone.unwrap_or("UTC")))
        }
        _ => None,
    }
}

/// The day of an instant.
pub(super) fn day(text: &str) -> &str {
    text.split([' ', 'T']).next().unwrap_or(text)
}

/// A value as text; an instant as its day.
pub(super) fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Object(_) => day(instant(value)?.0).to_owned(),
        Value::Null | Value::Array(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}
