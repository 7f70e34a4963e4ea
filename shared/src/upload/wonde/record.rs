//! One record at a time: a pupil with their contacts, a member of staff, a deletion.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    Kind, WONDE,
    form::{CONTACT, Form, PUPIL, Record, STAFF, Said, day, instant, text},
};
use crate::{
    person::Role,
    privacy::agreement::Field,
    upload::{
        Refusal,
        column::Column,
        finding::Code,
        intake::{Intake, Place},
        nested::{MAX_PARTS, was_exported},
    },
};

/// The longest record that is read, in bytes. A pupil with everything included has some ten thousand.
const MAX_RECORD: usize = 1024 * 1024;

/// Reads all records, one after another.
pub(super) struct Records<'v> {
    pupil: Form,
    contact: Form,
    staff: Form,
    /// Contacts by id, for students who only refer to them.
    contacts: HashMap<String, &'v RawValue>,
    /// Who is in the file: no deletion takes them away.
    present: HashSet<(Role, String)>,
    /// Whom the source no longer has.
    deleted: Vec<(Role, String)>,
    /// Pupils came with their contacts.
    pub(super) were_families: bool,
    /// A record could not be read.
    pub(super) were_unread: bool,
}

impl<'v> Records<'v> {
    pub(super) fn new(contacts: &[&'v RawValue]) -> Self {
        #[derive(Deserialize)]
        struct WithId {
            id: Value,
        }
        let by_id = contacts.iter().filter_map(|contact| {
            let WithId { id } = serde_json::from_str(contact.get()).ok()?;
            Some((text(&id)?, *contact))
        });
        Self {
            pupil: Form::new(Role::Pupil, "students.data[]", PUPIL),
            contact: Form::new(Role::Contact, "students.data[].contacts.data[]", CONTACT),
            staff: Form::new(Role::Staff, "employees.data[]", STAFF),
            contacts: by_id.collect(),
            present: HashSet::new(),
            deleted: Vec::new(),
            were_families: false,
            were_unread: false,
        }
    }

    /// Reads one record; `number` is its place in its list, from 1.
    pub(super) fn record(
        &mut self,
        kind: Kind,
        number: u32,
        raw: &RawValue,
        intake: &mut Intake<'_>,
    ) -> Result<(), Refusal> {
        if kind == Kind::Contacts {
            return Ok(());
        }
        let Some(record) = parse(raw) else {
            self.were_unread = true;
            intake.find(number, "", Code::RecordInvalid);
            return Ok(());
        };
        for stamp in ["updated_at", "deleted_at"] {
            if let Some((at, zone)) = record.get(stamp).and_then(instant) {
                was_exported(intake, at, Some(zone));
            }
        }
        match kind {
            Kind::Deletions => self.deletion(number, &record, intake),
            Kind::Students if record.contains_key("deleted_at") => self.deletion(number, &record, intake),
            Kind::Students if is_nobodys_pupil(&record) => intake.find(number, "", Code::RoleUnknown),
            Kind::Students | Kind::PreAdmission => return self.pupil(kind, number, record, intake),
            Kind::Employees => {
                self.note(Role::Staff, &record);
                let said = self.staff.read(&record, intake);
                return intake.record(number, cells(&said).collect());
            }
            Kind::Contacts => {}
        }
        Ok(())
    }

    fn note(&mut self, role: Role, record: &Record) {
        self.present.extend(record.get("id").and_then(text).map(|id| (role, id)));
    }

    fn pupil(
        &mut self,
        kind: Kind,
        number: u32,
        mut record: Record,
        intake: &mut Intake<'_>,
    ) -> Result<(), Refusal> {
        let contacts = record.remove("contacts");
        let mut pupil = self.pupil.read(&record, intake);
        if kind == Kind::PreAdmission
            && !pupil.iter().any(|said| said.field == Field::StartDate && said.place.is_some())
        {
            // Without the day they would count as on roll from today.
            intake.find(number, "students-pre-admission", Code::RecordInvalid);
            return Ok(());
        }
        let leaves = |members: &Record| members.contains_key("leaving_date");
        let included = record.get("education_details").map(|details| details.get("data").unwrap_or(details));
        if leaves(&record) || included.and_then(Value::as_object).is_some_and(leaves) {
            // Said to be no day, it clears the one of a pupil who has come back.
            intake.has(Column { role: Role::Pupil, field: Field::LeavingDate });
        }
        if let Some((back, _)) = record.get("restored_at").and_then(instant) {
            // The day that a pupil left before they came back.
            pupil.retain(|said| said.field != Field::LeavingDate || day(&said.text) > day(back));
        }
        self.note(Role::Pupil, &record);
        self.were_families |= kind == Kind::Students && contacts.is_some();
        let mut contacts = items(contacts);
        if contacts.len() > MAX_PARTS {
            contacts.truncate(MAX_PARTS);
            intake.find(number, "students.data[].contacts", Code::RecordInvalid);
        }
        if contacts.is_empty() {
            return intake.record(number, cells(&pupil).collect());
        }
        for mut contact in contacts {
            self.complete(&mut contact);
            self.note(Role::Contact, &contact);
            let said = self.contact.read(&contact, intake);
            intake.record(number, cells(&pupil).chain(cells(&said)).collect())?;
        }
        Ok(())
    }

    /// Adds what the list of contacts knows about somebody to whom a pupil only refers. What they are to a pupil stands with
    /// the pupil alone.
    fn complete(&self, contact: &mut Record) {
        let known = contact.get("id").and_then(text).and_then(|id| self.contacts.get(&id));
        let Some(known) = known.and_then(|raw| parse(raw)) else { return };
        for (name, value) in known {
            if !matches!(name.as_str(), "relationship" | "students") {
                contact.entry(name).or_insert(value);
            }
        }
    }

    /// Hands over who is gone, once everybody who is there has been read.
    pub(super) fn deletions(&self, intake: &mut Intake<'_>) {
        for person in &self.deleted {
            if intake.takes(person.0) && !self.present.contains(person) {
                intake.gone(person.0, WONDE, &person.1);
            }
        }
    }

    /// Somebody whom the source no longer has, unless they came back since.
    fn deletion(&mut self, number: u32, record: &Record, intake: &mut Intake<'_>) {
        let word = record.get("type").and_then(text).unwrap_or_default().to_ascii_lowercase();
        let role = match word.trim_end_matches('s') {
            "student" => Role::Pupil,
            "contact" => Role::Contact,
            "employee" => Role::Staff,
            // Classes, lessons and marks go, too.
            kind if !kind.is_empty() => return,
            _ => return intake.find(number, "deletions.data[].type", Code::RecordInvalid),
        };
        let Some(id) = record.get("id").and_then(text) else {
            return intake.find(number, "deletions.data[].id", Code::RecordInvalid);
        };
        let at = |name| record.get(name).and_then(instant).map(|(at, _)| at);
        let is_back = at("restored_at").is_some_and(|back| at("deleted_at").is_none_or(|gone| back > gone));
        if !is_back {
            self.deleted.push((role, id));
        }
    }
}

/// A record, if it is one and no longer than any.
fn parse(raw: &RawValue) -> Option<Record> {
    (raw.get().len() <= MAX_RECORD).then(|| serde_json::from_str(raw.get()).ok()).flatten()
}

/// Whether a record on a page without a name is not certainly a pupil's: staff and contacts have a title, and none of what only
/// pupils have.
fn is_nobodys_pupil(record: &Record) -> bool {
    const ONLY_PUPILS: [&str; 8] = [
        "contacts",
        "upn",
        "education_details",
        "extended_details",
        "year",
        "registration_group",
        "form_group",
        "classes",
    ];
    record.contains_key("title") && !ONLY_PUPILS.iter().any(|name| record.contains_key(*name))
}

/// What may be handed over of what was said.
fn cells(said: &[Said]) -> impl Iterator<Item = (Place, &str)> {
    said.iter().filter_map(|said| Some((said.place?, said.text.as_str())))
}

/// The records of a list, whether or not it is wrapped in `data`.
fn items(value: Option<Value>) -> Vec<Record> {
    match value {
        Some(Value::Array(items)) => items
            .into_iter()
            .filter_map(|item| match item {
                Value::Object(members) => Some(members),
                _ => None,
            })
            .collect(),
        Some(Value::Object(mut members)) => match members.remove("data") {
            Some(inner) => items(Some(inner)),
            None => vec![members],
        },
        _ => Vec::new(),
    }
}
