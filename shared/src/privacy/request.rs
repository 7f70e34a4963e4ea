//! What people ask of a school under data protection law, and proposed corrections, which are one of its kinds.
//!
//! The school decides; nothing here changes the directory. What was asked and answered is sealed; ids, kinds and dates are not.

use jiff::{Timestamp, ToSpan, civil::Date};
use serde::{Deserialize, Serialize};

use super::{
    agreement::Field,
    clock,
    consent::{By, Consents},
    retention::DataClass,
};
use crate::{
    id::{PersonId, RequestId, SchoolId},
    person::{Person, Role},
    seal::{DataKey, Place, SealError, Sealed, nonce},
    store::{
        key::{self, Key, TableName},
        table::{Condition, Record, StoreError, Tables, Write},
    },
};

/// The longest note, in characters: half a page.
pub const MAX_NOTE_CHARS: usize = 2_000;
/// Days after which an answer ought to be there, well before it is due.
const AIM_DAYS: i64 = 28;
/// Months within which an answer is due, and when the time is extended.
const MONTHS: (i8, i8) = (1, 3);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A copy of the data (Art 15).
    Access,
    /// A correction (Art 16).
    Rectification,
    /// Erasure (Art 17).
    Erasure,
    /// To keep the data and not use it (Art 18).
    Restriction,
    /// An objection (Art 21): to marketing it counts at once.
    Objection,
    /// The data in a form that machines read (Art 20).
    Portability,
    /// A complaint about how data is handled (Data (Use and Access) Act 2025).
    Complaint,
}

/// Who made a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MadeBy {
    /// A contact, signed in.
    Contact(PersonId),
    /// Somebody by letter or word of mouth, as a member of staff recorded it.
    Staff {
        /// Who recorded it (the issuer's id).
        staff: String,
        /// In whose name, if not the person's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_behalf: Option<PersonId>,
    },
}

/// What was asked, in the asker's words. Stored sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Of a correction, which fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Field>,
    /// And what it should be; none: it should not be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What the school says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// That it has come in. Of a complaint, this is what is due.
    Acknowledged,
    /// That it takes two months more, and why.
    Extended,
    /// Done.
    Completed,
    /// Done in part, and why not the rest.
    PartlyCompleted,
    /// Not done, and why.
    Refused,
    /// The asker no longer wants it.
    Withdrawn,
}

impl Decision {
    /// Whether nothing is open after it.
    pub const fn closes(self) -> bool {
        matches!(self, Self::Completed | Self::PartlyCompleted | Self::Refused | Self::Withdrawn)
    }

    /// Whether the asker is owed a reason.
    pub const fn needs_a_reason(self) -> bool {
        matches!(self, Self::Extended | Self::PartlyCompleted | Self::Refused)
    }
}

/// One decision as kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// What was decided.
    pub decision: Decision,
    /// When.
    pub at: Timestamp,
    /// By whom (the issuer's id).
    pub staff: String,
    /// What the asker is told (`String`), sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Sealed>,
}

/// Why a decision cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request is closed.
    Closed,
    /// It was decided so before.
    Repeated,
    /// A complaint has no answer to be put off.
    Complaint,
    /// The day on which an answer was due has passed.
    TooLate,
    /// Without a reason.
    NoReason,
}

/// A request as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SubjectRequest {
    /// The tenant.
    pub school_id: SchoolId,
    /// The id, which is also the reference that people quote.
    pub request_id: RequestId,
    /// What is asked for. Stored under a name of its own: `kind` says what a record is.
    #[serde(rename = "asks_for")]
    pub kind: Kind,
    /// Whose data it is about.
    pub person_id: PersonId,
    /// Who asks.
    pub made_by: MadeBy,
    /// The school has to see whether the asker may speak for the person, who is old enough to speak for themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_authority: bool,
    /// [`Details`], sealed.
    pub details: Sealed,
    /// The day on which it was received, from which everything counts.
    pub received_on: Date,
    /// What the school has said so far.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// When the data protection lead was sent the reference; set before the carrier is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
    /// Counts decisions: what a conditional write compares.
    pub version: u64,
}

impl Record for SubjectRequest {
    const KIND: &'static str = "subject_request";
    const TABLE: TableName = TableName::Directory;
    const CLASS: DataClass = DataClass::SubjectRequest;
    fn key(&self) -> Key {
        key::subject_request(self.school_id, self.request_id)
    }
    fn reference(&self) -> Option<String> {
        match self.made_by {
            MadeBy::Contact(contact) => Some(key::requests_of(self.school_id, contact)),
            MadeBy::Staff { .. } => None,
        }
    }
}

impl SubjectRequest {
    /// Seals what was asked.
    pub fn seal(data_key: &DataKey, school: SchoolId, request: RequestId, details: &Details) -> Sealed {
        let at = key::subject_request(school, request);
        data_key.seal(Self::place(&at, "details"), details, nonce())
    }

    /// What was asked.
    pub fn details(&self, data_key: &DataKey) -> Result<Details, SealError> {
        data_key.open(Self::place(&self.key(), "details"), &self.details)
    }

    /// What the asker was told in one of the steps.
    pub fn note(&self, data_key: &DataKey, step: usize) -> Result<Option<String>, SealError> {
        let note = self.steps.get(step).and_then(|step| step.note.as_ref());
        note.map(|note| data_key.open(Self::place(&self.key(), &format!("note/{step}")), note)).transpose()
    }

    const fn place<'a>(at: &'a Key, attribute: &'a str) -> Place<'a> {
        Place { table: TableName::Directory, key: at, attribute }
    }

    /// The writes that take a new request on. An objection ends marketing to the person, and of a pupil about them, with it.
    pub async fn writes(&self, tables: &Tables, now: Timestamp) -> Result<Vec<Write>, StoreError> {
        let mut writes = vec![Write::put(self, Condition::Absent)?];
        if self.kind == Kind::Objection {
            let stored = tables.get(key::consents(self.school_id, self.person_id)).await?;
            let before = stored.unwrap_or_else(|| Consents::none(self.school_id, self.person_id));
            let after = before.objected(&By::Request { request_id: self.request_id }, now);
            if after.version != before.version {
                writes.extend(after.writes(before.version)?);
            }
        }
        Ok(writes)
    }

    /// The word for whether anything is left to do.
    pub fn status(&self) -> &'static str {
        if self.closed().is_some() { "closed" } else { "open" }
    }

    /// Whom it has to do with.
    pub fn people(&self) -> impl Iterator<Item = PersonId> {
        let asker = match self.made_by {
            MadeBy::Contact(contact) => Some(contact),
            MadeBy::Staff { on_behalf, .. } => on_behalf,
        };
        std::iter::once(self.person_id).chain(asker.filter(|asker| *asker != self.person_id))
    }

    /// The decision that closed it.
    pub fn closed(&self) -> Option<&Step> {
        self.steps.last().filter(|step| step.decision.closes())
    }

    fn was(&self, decision: Decision) -> bool {
        self.steps.iter().any(|step| step.decision == decision)
    }

    /// The day by which something is due: an answer, or of a complaint the acknowledgement. None once nothing with a date is.
    pub fn due_on(&self) -> Option<Date> {
        match (self.kind, self.closed()) {
            (_, Some(_)) => None,
            (Kind::Complaint, None) if self.was(Decision::Acknowledged) => None,
            (Kind::Complaint, None) => Some(clock::acknowledge_by(self.received_on)),
            _ if self.was(Decision::Extended) => Some(clock::due(self.received_on, MONTHS.1)),
            _ => Some(clock::due(self.received_on, MONTHS.0)),
        }
    }

    /// The day by which the school had better be done.
    pub fn aim_on(&self) -> Date {
        self.received_on.saturating_add(AIM_DAYS.days())
    }

    /// The request after a decision on a day of the school's.
    pub fn decide(
        &self,
        data_key: &DataKey,
        (decision, note): (Decision, Option<&str>),
        staff: &str,
        (now, today): (Timestamp, Date),
    ) -> Result<Self, Refusal> {
        if self.closed().is_some() {
            return Err(Refusal::Closed);
        }
        if self.was(decision) {
            return Err(Refusal::Repeated);
        }
        if decision == Decision::Extended {
            if self.kind == Kind::Complaint {
                return Err(Refusal::Complaint);
            }
            if self.due_on().is_some_and(|due| due < today) {
                return Err(Refusal::TooLate);
            }
        }
        if decision.needs_a_reason() && note.is_none() {
            return Err(Refusal::NoReason);
        }
        let attribute = format!("note/{}", self.steps.len());
        let at = self.key();
        let note = note.map(|note| data_key.seal(Self::place(&at, &attribute), &note, nonce()));
        let mut after = self.clone();
        after.steps.push(Step { decision, at: now, staff: staff.to_owned(), note });
        after.version += 1;
        Ok(after)
    }

    /// Whether it has been closed so long that nothing rests on it any more.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.closed().is_some_and(|step| now.duration_since(step.at) >= DataClass::SubjectRequest.period())
    }
}

/// Whether a pupil is likely to be old enough to ask for themselves: in the sixth form, or sixteen. No age decides; whoever
/// asks in their place is looked at by the school.
pub fn speaks_for_themselves(person: &Person, today: Date) -> bool {
    let in_sixth_form =
        person.year_group.as_deref().and_then(|year| year.parse::<u8>().ok()).is_some_and(|year| year >= 12);
    let sixteen = person.date_of_birth.is_some_and(|born| born.expose().saturating_add(16.years()) <= today);
    person.role == Role::Pupil && (in_sixth_form || sixteen)
}

/// A note as it may be kept, or what is wrong with it.
pub fn read_note(note: Option<&str>) -> Result<Option<String>, (&'static str, &'static str)> {
    let Some(note) = note.map(str::trim).filter(|note| !note.is_empty()) else { return Ok(None) };
    if note.chars().count() > MAX_NOTE_CHARS {
        return Err(("too_long", "write at most 2,000 letters"));
    }
    if note.chars().any(|c| c.is_control() && c != '\n' && c != '\r') {
        return Err(("invalid", "write text without control characters"));
    }
    Ok(Some(note.to_owned()))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
