//! What people have chosen: which purpose may reach them by which channel, and the evidence of it.
//!
//! Only marketing needs a consent (PECR), and without it nothing is sent. Everything else reaches people until they choose
//! another way; an emergency always does. Ids and choices only: whom they belong to, the directory knows.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::retention::DataClass;
use crate::{
    channel::Channel,
    id::{PersonId, RequestId, SchoolId},
    message::Purpose,
    store::{
        key::{self, Key, TableName},
        table::{Condition, Item, Record, StoreError, Tables, Update, Write, value},
    },
};

/// What a parent is asked. Kept with the answer by its version: another text is another consent.
pub const WORDING: &str = "May the school write to you about things that are not school business: fund-raising, paid clubs and \
                           photographs, offers of others? You may change your mind here at any time, and nothing else depends on it.";
/// The version of [`WORDING`]. Whoever changes the text changes it too.
pub const WORDING_VERSION: &str = "2026-10";

/// The channels that somebody can choose. The inbox shows what a school writes, and no marketing: nothing is to be chosen there.
const CHOOSABLE: [Channel; 2] = [Channel::Email, Channel::Sms];

/// The most changes kept of one person, besides what is in force.
const MAX_CHANGES: usize = 200;

/// Who made a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The person, signed in.
    Parent,
    /// The school, from paper.
    School {
        /// Who typed it in (the issuer's id).
        staff: String,
        /// The day on the paper.
        taken_on: Date,
    },
    /// An objection, as it was received.
    Request {
        /// Which.
        request_id: RequestId,
    },
}

/// One decision about one purpose and channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What for.
    pub purpose: Purpose,
    /// By which way.
    pub channel: Channel,
    /// The decision; none takes an earlier one back, as if nobody had been asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<bool>,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: By,
    /// The version of the text that a consent was given to; none for a paper, which has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wording: Option<String>,
}

/// What somebody asks to be different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What for.
    pub purpose: Purpose,
    /// By which way.
    pub channel: Channel,
    /// As in [`Change::allowed`]. Never left out: a forgotten field must not take a consent back.
    #[serde(deserialize_with = "Option::deserialize")]
    pub allowed: Option<bool>,
}

/// A line of the table that people are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What for.
    pub purpose: Purpose,
    /// By which way.
    pub channel: Channel,
    /// Whether it may; none: never asked, which for marketing is a no.
    pub allowed: Option<bool>,
    /// Whether the person may decide otherwise.
    pub can_change: bool,
}

/// What nobody chooses: an emergency comes by every way, the inbox shows everything but marketing.
fn fixed(purpose: Purpose, channel: Channel) -> Option<bool> {
    match (purpose, channel) {
        (Purpose::Emergency, _) => Some(true),
        (_, Channel::App) => Some(purpose != Purpose::Marketing),
        _ => None,
    }
}

/// Why a choice cannot be: code and what to do.
pub type Fault = (&'static str, &'static str);

/// What one person has chosen, with every change that led there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consents {
    /// The tenant.
    pub school_id: SchoolId,
    /// Whose choices.
    pub person_id: PersonId,
    /// Counts writes: what a conditional write compares.
    pub version: u64,
    /// Every change in order; the last one of a purpose and channel is in force.
    pub changes: Vec<Change>,
    /// Since when the directory holds nobody of this id any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Record for Consents {
    const KIND: &'static str = "consents";
    const TABLE: TableName = TableName::Directory;
    const CLASS: DataClass = DataClass::Consent;
    fn key(&self) -> Key {
        key::consents(self.school_id, self.person_id)
    }
}

impl Consents {
    /// Of somebody who has chosen nothing yet.
    pub const fn none(school_id: SchoolId, person_id: PersonId) -> Self {
        Self { school_id, person_id, version: 0, changes: Vec::new(), ended_at: None }
    }

    /// The decision in force, if there is one.
    pub fn choice(&self, purpose: Purpose, channel: Channel) -> Option<bool> {
        self.last(purpose, channel).and_then(|change| change.allowed)
    }

    fn last(&self, purpose: Purpose, channel: Channel) -> Option<&Change> {
        self.changes.iter().rfind(|change| (change.purpose, change.channel) == (purpose, channel))
    }

    /// The whole table. `usable` are the channels by which the person can be reached.
    pub fn rows(&self, usable: &[Channel]) -> Vec<Row> {
        let pairs =
            Purpose::ALL.into_iter().flat_map(|purpose| Channel::ALL.map(|channel| (purpose, channel)));
        pairs
            .map(|(purpose, channel)| {
                if let Some(allowed) = fixed(purpose, channel) {
                    return Row { purpose, channel, allowed: Some(allowed), can_change: false };
                }
                let choice = self.choice(purpose, channel);
                if purpose == Purpose::Marketing {
                    return Row { purpose, channel, allowed: choice, can_change: true };
                }
                let is_off = choice == Some(false);
                let can_change = is_off || self.leaves_a_way(purpose, usable, Some(channel));
                Row { purpose, channel, allowed: Some(!is_off), can_change }
            })
            .collect()
    }

    /// Whether a usable channel is left for a purpose, even without one of them. Of whom nothing is known to write to, any
    /// channel will do.
    fn leaves_a_way(&self, purpose: Purpose, usable: &[Channel], without: Option<Channel>) -> bool {
        let usable = if usable.is_empty() { &CHOOSABLE[..] } else { usable };
        usable
            .iter()
            .any(|channel| Some(*channel) != without && self.choice(purpose, *channel) != Some(false))
    }

    /// Whether any of these choices is a consent that is not in force yet: it needs a text that it was given to.
    pub fn gives_consent(&self, choices: &[Choice]) -> bool {
        choices.iter().any(|choice| {
            choice.purpose == Purpose::Marketing
                && choice.allowed == Some(true)
                && self.choice(choice.purpose, choice.channel) != Some(true)
        })
    }

    /// The choices as they will be, or place and fault of each that cannot be. What is not named stays as it is, so that a
    /// client that does not know a channel undoes nothing. The version moves only if something changes.
    pub fn decide(
        &self,
        choices: &[Choice],
        usable: &[Channel],
        by: &By,
        now: Timestamp,
    ) -> Result<Self, Vec<(usize, Fault)>> {
        let mut after = self.clone();
        let mut faults = Vec::new();
        for (place, choice) in choices.iter().enumerate() {
            let Choice { purpose, channel, allowed } = *choice;
            let before = self.choice(purpose, channel);
            // What reaches everybody who said nothing: to leave it so is no decision.
            let by_default = purpose != Purpose::Marketing && before.is_none() && allowed != Some(false);
            if choices[..place].iter().any(|other| (other.purpose, other.channel) == (purpose, channel)) {
                faults.push((place, ("repeated", "name each purpose and channel once")));
            } else if let Some(fixed) = fixed(purpose, channel) {
                if allowed.is_some_and(|allowed| allowed != fixed) {
                    faults.push((place, ("fixed", "this is not for anybody to choose; leave it out")));
                }
            } else if self.is_older(by, *choice) {
                let detail = "the person has decided anew after the day on this paper; ask them again";
                faults.push((place, ("decided_since", detail)));
            } else if allowed != before && !by_default {
                let consents = purpose == Purpose::Marketing && allowed == Some(true) && *by == By::Parent;
                let wording = consents.then(|| WORDING_VERSION.to_owned());
                after.changes.push(Change { purpose, channel, allowed, at: now, by: by.clone(), wording });
            }
        }
        for (place, choice) in choices.iter().enumerate() {
            let optional =
                choice.purpose == Purpose::Marketing || fixed(choice.purpose, choice.channel).is_some();
            let switches_off =
                choice.allowed == Some(false) && self.choice(choice.purpose, choice.channel) != Some(false);
            if !optional && switches_off && !after.leaves_a_way(choice.purpose, usable, None) {
                faults.push((
                    place,
                    ("last_channel", "leave on one way by which the school can reach you about this"),
                ));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if after.changes.len() > self.changes.len() {
            after.version += 1;
            after.trim(now);
        }
        Ok(after)
    }

    /// Whether a paper would overrule what the person has said since. That marketing is to stop, every paper may say.
    fn is_older(&self, by: &By, choice: Choice) -> bool {
        let By::School { taken_on, .. } = by else { return false };
        if choice.purpose == Purpose::Marketing && choice.allowed == Some(false) {
            return false;
        }
        let Some(last) = self.last(choice.purpose, choice.channel) else { return false };
        let said_on = match &last.by {
            By::School { taken_on, .. } => *taken_on,
            By::Parent | By::Request { .. } => crate::time::date_in(crate::time::DEFAULT_ZONE, last.at),
        };
        last.allowed != choice.allowed && *taken_on < said_on
    }

    /// After an objection: no marketing by any way. This one needs nobody's decision (Art 21).
    #[must_use]
    pub fn objected(&self, by: &By, now: Timestamp) -> Self {
        let purpose = Purpose::Marketing;
        let choices = CHOOSABLE.map(|channel| Choice { purpose, channel, allowed: Some(false) });
        self.decide(&choices, &[], by, now).unwrap_or_else(|_| self.clone())
    }

    /// Drops changes that nothing rests on any more: neither in force, nor of the last six years, nor among the newest.
    fn trim(&mut self, now: Timestamp) {
        let mut in_force = Vec::new();
        let mut kept = Vec::new();
        for change in std::mem::take(&mut self.changes).into_iter().rev() {
            let pair = (change.purpose, change.channel);
            let is_new =
                now.duration_since(change.at) < DataClass::Consent.period() && kept.len() < MAX_CHANGES;
            if !in_force.contains(&pair) {
                in_force.push(pair);
                kept.push(change);
            } else if is_new {
                kept.push(change);
            }
        }
        kept.reverse();
        self.changes = kept;
    }

    /// What two records that are one person have chosen together: of each purpose and channel, the newest decision.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.changes.extend(other.changes.iter().cloned());
        both.changes.sort_by_key(|change| change.at);
        both.version += 1;
        both
    }

    /// Whether the directory has been without the person so long that no evidence is needed any more.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.ended_at.is_some_and(|at| now.duration_since(at) >= DataClass::Consent.period())
    }

    /// The writes that keep these choices in the place of those at `before`, and tell everybody who looked at older ones.
    pub fn writes(&self, before: u64) -> Result<[Write; 2], StoreError> {
        let same = if before == 0 { Condition::Absent } else { Condition::Is("version", value(before)) };
        let moved =
            Update::new().set("kind", ConsentsMark::KIND).set("school_id", self.school_id).add("changes", 1);
        let at = key::consents_mark(self.school_id);
        Ok([Write::put(self, same)?, Write::update(TableName::Directory, at, moved, Condition::Always)])
    }
}

/// Counts the changes of a school's consents, so that a sender with older ones notices. Apart from the school's own record:
/// a parent who chooses is not in the way of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentsMark {
    /// The tenant.
    pub school_id: SchoolId,
    /// How many there were.
    pub changes: u64,
}

impl Record for ConsentsMark {
    const KIND: &'static str = "consents_mark";
    const TABLE: TableName = TableName::Directory;
    const CLASS: DataClass = DataClass::School;
    fn key(&self) -> Key {
        key::consents_mark(self.school_id)
    }
}

/// The choices of a school's people, of those who made any.
#[derive(Clone, Debug, Default)]
pub struct Register {
    /// [`ConsentsMark::changes`] when they were read.
    pub changes: u64,
    people: BTreeMap<PersonId, Consents>,
}

impl Register {
    /// Everybody's, in one query. The mark sorts first: what changes while it is read is noticed later.
    pub async fn load(tables: &Tables, school: SchoolId) -> Result<Self, StoreError> {
        let range = (key::consents_mark(school).sk, format!("{}\u{10ffff}", key::CONSENTS));
        let partition = key::school_partition(school);
        Self::read(tables.query_range(TableName::Directory, &partition, (&range.0, &range.1)).await?)
    }

    /// Some people's.
    pub async fn pick(
        tables: &Tables,
        school: SchoolId,
        people: impl IntoIterator<Item = PersonId>,
    ) -> Result<Self, StoreError> {
        let people: std::collections::BTreeSet<_> = people.into_iter().collect();
        let keys = people.into_iter().map(|person| (TableName::Directory, key::consents(school, person)));
        Self::read(tables.batch_get(keys.collect()).await?)
    }

    fn read(items: Vec<Item>) -> Result<Self, StoreError> {
        let mut register = Self::default();
        for item in items {
            match item.kind() {
                Consents::KIND => register.put(item.read()?),
                ConsentsMark::KIND => register.changes = item.read::<ConsentsMark>()?.changes,
                _ => {}
            }
        }
        Ok(register)
    }

    /// Adds one person's.
    pub fn put(&mut self, consents: Consents) {
        self.people.insert(consents.person_id, consents);
    }

    /// One person's, if they made any.
    pub fn of(&self, person: PersonId) -> Option<&Consents> {
        self.people.get(&person)
    }

    /// The decision of a person, if there is one.
    pub fn choice(&self, person: PersonId, purpose: Purpose, channel: Channel) -> Option<bool> {
        self.people.get(&person).and_then(|consents| consents.choice(purpose, channel))
    }

    /// Whether somebody has said no to marketing by a channel: nothing of the kind goes to a contact point that they read.
    pub fn objects(&self, person: PersonId, channel: Channel) -> bool {
        self.choice(person, Purpose::Marketing, channel) == Some(false)
    }

    /// Whether somebody has said no to marketing by any way. Of a pupil it means that nothing of the kind is about them.
    pub fn objects_at_all(&self, person: PersonId) -> bool {
        CHOOSABLE.into_iter().any(|channel| self.objects(person, channel))
    }
}

#[cfg(test)]
#[path = "consent_tests.rs"]
mod tests;
