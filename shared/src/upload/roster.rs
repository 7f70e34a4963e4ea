//! The people of a bundle, joined by id and handed over family by family.
//!
//! Nobody is handed over twice with everything: a pupil's own row says all about the pupil, a contact's first tie all about the
//! contact, and every finding stands at the row that it is about.

use std::collections::HashMap;

use super::{
    MAX_ROWS, Refusal,
    bundle::{File, Record},
    cell,
    column::Column,
    decode::is_garbled,
    finding::Code,
    intake::{Intake, Place},
    offices::Roles,
};
use crate::{person::Role, privacy::agreement::Field};

/// What a bundle says about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Id,
    GivenName,
    FamilyName,
    PreferredGivenName,
    PreferredFamilyName,
    Upn,
    YearGroup,
    DateOfBirth,
    Email,
    Mobile,
    Landline,
}

const FACTS: usize = 11;

/// What is read of a pupil, and what of everybody else. Only who is written to needs an address.
const OF_PUPILS: [(Fact, Field); 8] = [
    (Fact::Id, Field::SourceId),
    (Fact::GivenName, Field::GivenName),
    (Fact::FamilyName, Field::FamilyName),
    (Fact::PreferredGivenName, Field::PreferredGivenName),
    (Fact::PreferredFamilyName, Field::PreferredFamilyName),
    (Fact::Upn, Field::Upn),
    (Fact::YearGroup, Field::YearGroup),
    (Fact::DateOfBirth, Field::DateOfBirth),
];
const OF_OTHERS: [(Fact, Field); 6] = [
    (Fact::Id, Field::SourceId),
    (Fact::GivenName, Field::GivenName),
    (Fact::FamilyName, Field::FamilyName),
    (Fact::Email, Field::Email),
    (Fact::Mobile, Field::Mobile),
    (Fact::Landline, Field::Landline),
];
/// What tells a pupil from all others where the agreement leaves ids out.
const LIKENESS: [Fact; 4] = [Fact::GivenName, Fact::FamilyName, Fact::DateOfBirth, Fact::Upn];

/// What is said about somebody: one text for all, because a trust's bundle has a hundred thousand of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    text: Box<str>,
    ends: [u32; FACTS],
}

impl Facts {
    fn new(said: [&str; FACTS]) -> Self {
        let mut end = 0;
        let ends = said.map(|fact| {
            end += fact.len();
            u32::try_from(end).unwrap_or(u32::MAX)
        });
        Self { text: said.concat().into_boxed_str(), ends }
    }

    fn all(&self) -> [&str; FACTS] {
        let mut start = 0;
        self.ends.map(|end| {
            let end = end as usize;
            self.text.get(std::mem::replace(&mut start, end)..end).unwrap_or_default()
        })
    }

    fn get(&self, fact: Fact) -> &str {
        self.all()[fact as usize]
    }
}

/// Somebody in a bundle.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) row: u32,
    pub(super) roles: Roles,
    facts: Facts,
    class: Option<u32>,
    groups: Vec<u32>,
}

impl Member {
    fn get(&self, fact: Fact) -> &str {
        self.facts.get(fact)
    }

    fn names(&self) -> [&str; 2] {
        [self.get(Fact::GivenName), self.get(Fact::FamilyName)]
    }

    fn is_named(&self) -> bool {
        self.names() != ["", ""]
    }
}

/// A contact and a pupil.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tie {
    contact: u32,
    pupil: u32,
    word: &'static str,
}

/// Everybody in a bundle.
#[derive(Debug)]
pub(super) struct Roster {
    source: &'static str,
    pub(super) members: Vec<Member>,
    ids: HashMap<Box<str>, u32>,
    ties: Vec<Tie>,
    group_names: Vec<Box<str>>,
    /// The columns that facts come from, where the bundle has them.
    labels: [Option<String>; FACTS],
    group_label: Option<String>,
    tie_label: String,
    role_label: String,
    is_a_part: bool,
}

impl Roster {
    /// Nobody yet; `source` is whose numbering the ids are in, the labels say where roles and ties are said.
    pub(super) fn new(source: &'static str, role_label: &str, tie_label: &str) -> Self {
        Self {
            source,
            members: Vec::new(),
            ids: HashMap::new(),
            ties: Vec::new(),
            group_names: Vec::new(),
            labels: [const { None }; FACTS],
            group_label: None,
            tie_label: tie_label.to_owned(),
            role_label: role_label.to_owned(),
            is_a_part: false,
        }
    }

    /// The bundle holds more than is taken in: contacts of nobody are other schools'.
    pub(super) fn is_a_part(&mut self) {
        self.is_a_part = true;
    }

    /// Where a fact comes from. Facts without a column are not taken for empty ones.
    pub(super) fn comes_from(&mut self, fact: Fact, label: String) {
        self.labels[fact as usize] = Some(label);
    }

    /// Adds somebody. One id on two rows is one person with the roles of both.
    ///
    /// # Errors
    /// Above [`MAX_ROWS`] people the bundle is refused.
    pub(super) fn add(
        &mut self,
        row: u32,
        roles: Roles,
        facts: &[(Fact, &str)],
        intake: &mut Intake<'_>,
    ) -> Result<(), Refusal> {
        let mut said = [""; FACTS];
        for (fact, text) in facts {
            if is_garbled(text) {
                let label = self.labels[*fact as usize].as_deref().unwrap_or_default();
                intake.find(row, label, Code::TextGarbled);
            } else {
                said[*fact as usize] = text;
            }
        }
        let member = Member { row, roles, facts: Facts::new(said), class: None, groups: Vec::new() };
        let label = self.labels[Fact::Id as usize].as_deref().unwrap_or_default();
        let id = said[Fact::Id as usize];
        if id.is_empty() {
            intake.find(row, label, Code::RecordInvalid);
            return Ok(());
        }
        if let Some(first) = self.ids.get(id).and_then(|at| self.members.get_mut(*at as usize)) {
            let is_same = first.names() == member.names();
            if is_same {
                first.roles = first.roles.and(roles);
            }
            if !is_same || first.facts != member.facts {
                let code = if is_same { Code::ConflictingValues } else { Code::IdReused };
                intake.find(row, label, code);
            }
            return Ok(());
        }
        if self.members.len() == MAX_ROWS {
            return Err(Refusal::TooManyRows);
        }
        let index = u32::try_from(self.members.len()).map_err(|_| Refusal::TooManyRows)?;
        self.ids.insert(Box::from(id), index);
        self.members.push(member);
        Ok(())
    }

    /// Reads dates of birth from a file of their own. They are judged here, where their row is known.
    ///
    /// # Errors
    /// See [`File::each`].
    pub(super) fn read_births(
        &mut self,
        file: &File,
        user: Option<usize>,
        intake: &mut Intake<'_>,
        mut is_there: impl FnMut(Record<'_>, &mut Intake<'_>) -> bool,
    ) -> Result<(), Refusal> {
        let Some(born) = file.required("birthDate", intake) else { return Ok(()) };
        if let Some(sex) = file.column(&["sex"]) {
            // Nobody needs it to write a message: it is asked for so that it is dropped by name.
            let _ = intake.place(1, &file.label(sex), column(Role::Pupil, Field::Gender));
        }
        let label = file.label(born);
        self.comes_from(Fact::DateOfBirth, label.clone());
        file.each(intake, |record, intake| {
            let pupil = self.index(record.get(user)).filter(|index| self.roles(*index).is_pupil);
            let (true, Some(pupil)) = (is_there(record, intake), pupil) else { return Ok(()) };
            match cell::date_of_birth(record.get(Some(born)), intake.today()) {
                Ok(Some(day)) => self.say(pupil, Fact::DateOfBirth, &day.expose().to_string()),
                Ok(None) => {}
                Err(code) => intake.find(record.row, &label, code),
            }
            Ok(())
        })
    }

    /// Where somebody is.
    pub(super) fn index(&self, id: &str) -> Option<u32> {
        self.ids.get(id).copied()
    }

    /// Somebody whom the bundle does not hold, and whom the school may know by the id: a delta names a new guardian and not
    /// the pupil, who has not changed.
    pub(super) fn refer(
        &mut self,
        role: Role,
        id: &str,
        row: u32,
        label: &str,
        intake: &mut Intake<'_>,
    ) -> Option<u32> {
        if let Some(known) = self.index(id) {
            return self.roles(known).is_absent().then_some(known);
        }
        intake.refer(role, self.source, id, row, label);
        let mut said = [""; FACTS];
        said[Fact::Id as usize] = id;
        let index = u32::try_from(self.members.len()).ok()?;
        self.ids.insert(Box::from(id), index);
        let roles = Roles::default();
        self.members.push(Member { row, roles, facts: Facts::new(said), class: None, groups: Vec::new() });
        Some(index)
    }

    /// What somebody is.
    pub(super) fn roles(&self, index: u32) -> Roles {
        self.members.get(index as usize).map(|member| member.roles).unwrap_or_default()
    }

    /// Adds a fact that another file says about somebody; of several the first holds.
    fn say(&mut self, index: u32, fact: Fact, text: &str) {
        if let Some(member) = self.members.get_mut(index as usize)
            && member.get(fact).is_empty()
        {
            let mut said = member.facts.all();
            said[fact as usize] = text;
            member.facts = Facts::new(said);
        }
    }

    /// Groups come from here. Without it nothing is said about anybody's groups, not even that they have none.
    pub(super) fn groups_come_from(&mut self, label: String) {
        self.group_label = Some(label);
    }

    /// Adds a group, and returns its number.
    pub(super) fn group(&mut self, name: &str) -> u32 {
        self.group_names.push(Box::from(name));
        u32::try_from(self.group_names.len() - 1).unwrap_or(u32::MAX)
    }

    /// Puts somebody in a group; false where they are in more than anybody can be.
    pub(super) fn join(&mut self, index: u32, group: u32, is_class: bool) -> bool {
        /// A pupil with twelve subjects, a tutor group and every club there is.
        const MANY: usize = 200;
        let Some(member) = self.members.get_mut(index as usize) else { return true };
        if is_class && member.roles.is_pupil && member.class.is_none_or(|class| class == group) {
            member.class = Some(group);
        } else if member.groups.len() == MANY {
            return false;
        } else if !member.groups.contains(&group) {
            member.groups.push(group);
        }
        true
    }

    /// Ties a contact to a pupil.
    pub(super) fn tie(&mut self, pupil: u32, contact: u32, word: &'static str) {
        self.ties.push(Tie { contact, pupil, word });
    }

    /// Hands everybody over: pupils and staff in the order of the file, then every contact with each of their pupils.
    ///
    /// # Errors
    /// See [`Intake::row`].
    pub(super) fn hand_over(mut self, intake: &mut Intake<'_>) -> Result<(), Refusal> {
        self.ties.sort_unstable();
        self.ties.dedup_by_key(|tie| (tie.contact, tie.pupil));
        self.refuse_roles(intake);
        let pupils = self.places(Role::Pupil, &OF_PUPILS, intake);
        let contacts = self.places(Role::Contact, &OF_OTHERS, intake);
        // The columns that staff share with contacts are not left behind for being no matter of staff's.
        let of_staff = OF_OTHERS
            .into_iter()
            .filter(|(_, field)| intake.allows(Column { role: Role::Staff, field: *field }));
        let of_staff: Vec<_> = of_staff.collect();
        let staff = self.places(Role::Staff, &of_staff, intake);
        let word = (!self.ties.is_empty())
            .then(|| intake.place(1, &self.tie_label, column(Role::Contact, Field::Relationship)))
            .flatten();
        let group = |role, field, intake: &mut Intake<'_>| {
            intake.place(1, self.group_label.as_ref()?, column(role, field))
        };
        let is_agreed = |role, intake: &Intake<'_>| intake.allows(Column { role, field: Field::Groups });
        let class = group(Role::Pupil, Field::Class, intake);
        let of_pupils = (class.is_none() || is_agreed(Role::Pupil, intake))
            .then(|| group(Role::Pupil, Field::Groups, intake));
        let of_staff = is_agreed(Role::Staff, intake).then(|| group(Role::Staff, Field::Groups, intake));
        let groups = [class, of_pupils.flatten(), of_staff.flatten()];
        let mut cells = Vec::new();
        for member in &self.members {
            for (role, is_held, places) in
                [(Role::Pupil, member.roles.is_pupil, &pupils), (Role::Staff, member.roles.is_staff, &staff)]
            {
                if is_held && intake.takes(role) {
                    cells.clear();
                    cells.extend(places.iter().map(|(fact, place)| (*place, member.get(*fact))));
                    self.groups(member, role, groups, &mut cells);
                    intake.row(member.row, &cells)?;
                }
            }
        }
        if intake.takes(Role::Contact) && intake.takes(Role::Pupil) {
            self.families(&pupils, &contacts, word, intake)?;
        }
        Ok(())
    }

    fn families(
        &self,
        pupils: &[(Fact, Place)],
        contacts: &[(Fact, Place)],
        word: Option<Place>,
        intake: &mut Intake<'_>,
    ) -> Result<(), Refusal> {
        const NAMED: [Fact; 3] = [Fact::Id, Fact::GivenName, Fact::FamilyName];
        let has_id = |places: &[(Fact, Place)]| places.iter().any(|(fact, _)| *fact == Fact::Id);
        let of_pupil: &[Fact] = if has_id(pupils) { &NAMED } else { &LIKENESS };
        let (mut cells, mut last) = (Vec::new(), None);
        for tie in &self.ties {
            let member = |index: u32| self.members.get(index as usize);
            let (Some(pupil), Some(contact)) = (member(tie.pupil), member(tie.contact)) else { continue };
            let is_by_id = |member: &Member, places| member.roles.is_absent() && has_id(places);
            if !(pupil.is_named() || is_by_id(pupil, pupils))
                || contact.roles.is_absent() && !is_by_id(contact, contacts)
            {
                // Their own row was found to have no name, or nobody can be told by what may be stored.
                continue;
            }
            let is_first = last.replace(tie.contact) != Some(tie.contact);
            let is_all = is_first || !has_id(contacts) || !contact.is_named();
            cells.clear();
            let pupils = pupils.iter().filter(|(fact, _)| of_pupil.contains(fact));
            cells.extend(pupils.map(|(fact, place)| (*place, pupil.get(*fact))));
            let contacts = contacts.iter().filter(|(fact, _)| is_all || NAMED.contains(fact));
            cells.extend(contacts.map(|(fact, place)| (*place, contact.get(*fact))));
            cells.extend(word.map(|place| (place, tie.word)));
            let row = if contact.roles.is_absent() { pupil.row } else { contact.row };
            intake.row(row, &cells)?;
        }
        Ok(())
    }

    /// Finds roles that the agreement leaves out, and contacts of nobody.
    fn refuse_roles(&self, intake: &mut Intake<'_>) {
        let there = || self.members.iter().filter(|member| !member.roles.is_absent());
        for role in [Role::Pupil, Role::Contact, Role::Staff] {
            let first = there().find(|member| member.roles.held().any(|held| held == role));
            if let (Some(first), false) = (first, intake.takes(role)) {
                intake.find(first.row, &self.role_label, Code::RoleNotAgreed);
            }
        }
        if intake.takes(Role::Contact) && !self.is_a_part {
            for (index, member) in (0..).zip(&self.members) {
                let is_tied = || self.ties.binary_search_by_key(&index, |tie| tie.contact).is_ok();
                if member.roles.contact.is_some() && !is_tied() {
                    intake.find(member.row, &self.tie_label, Code::LinkUnknown);
                }
            }
        }
    }

    fn places(&self, role: Role, facts: &[(Fact, Field)], intake: &mut Intake<'_>) -> Vec<(Fact, Place)> {
        let place = |(fact, field): &(Fact, Field)| {
            let label = self.labels[*fact as usize].as_ref()?;
            let place = match fact {
                Fact::Id => intake.place_of_ids(1, label, role, self.source),
                _ => intake.place(1, label, column(role, *field)),
            };
            Some((*fact, place?))
        };
        facts.iter().filter_map(place).collect()
    }

    fn groups<'s>(
        &'s self,
        member: &Member,
        role: Role,
        places: [Option<Place>; 3],
        cells: &mut Vec<(Place, &'s str)>,
    ) {
        let name = |group: u32| self.group_names.get(group as usize).map_or("", |name| &**name);
        let [class, of_pupils, of_staff] = places;
        let groups = if role == Role::Pupil { of_pupils } else { of_staff };
        if role == Role::Pupil {
            cells.extend(class.zip(member.class).map(|(place, class)| (place, name(class))));
        }
        cells.extend(member.groups.iter().filter_map(|group| Some((groups?, name(*group)))));
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is asked for as what may be unknown")]
const fn column(role: Role, field: Field) -> Option<Column> {
    Some(Column { role, field })
}
