//! Microsoft School Data Sync v2.1.
//!
//! <https://learn.microsoft.com/schooldatasync/sds-v2.1-csv-file-format>. Every bundle is whole: it has no statuses, and who is
//! not in it is gone from it. Contacts are whoever a relationship calls so; they need no role of their own.

use std::collections::HashMap;

use super::{
    Refusal,
    archive::Archive,
    bundle::{File, is_over},
    finding::Code,
    intake::Intake,
    offices::{Ours, Roles},
    roster::{Fact, Roster},
};
use crate::person::Role;

/// The numbering of its ids.
pub const SOURCE: &str = "sds";

/// Where ties stand.
const RELATED: &str = "relationships.csv relationshipUserSourcedId";
const USERS_READ: &[&str] = &["sourcedId", "givenName", "familyName", "email", "phone", "sms"];
const USERS_KNOWN: &[&str] = &["username", "password", "activeDirectoryMatchId"];
const DEMOGRAPHICS_READ: &[&str] = &["userSourcedId", "birthDate", "sex"];
const DEMOGRAPHICS_KNOWN: &[&str] =
    &["birthCity", "birthState", "birthCountry", "ethnicityCodes", "raceCodes"];
/// The files of the format.
const FILES: [&str; 10] = [
    "users.csv",
    "relationships.csv",
    "demographics.csv",
    "roles.csv",
    "orgs.csv",
    "classes.csv",
    "enrollments.csv",
    "academicSessions.csv",
    "courses.csv",
    "userFlags.csv",
];

/// What roles.csv says about somebody.
#[derive(Default)]
struct Said {
    roles: Roles,
    grade: Box<str>,
    /// Some role of theirs is over.
    was_somebody: bool,
}

/// What relationships.csv says about two people.
struct Relationship {
    row: u32,
    ends: [Box<str>; 2],
    word: Option<&'static str>,
}

/// Reads a bundle.
///
/// # Errors
/// See [`Intake::row`]. What is wrong with the bundle itself is found, not refused.
pub fn read(archive: &Archive<'_>, intake: &mut Intake<'_>) -> Result<(), Refusal> {
    // Not by its name: people put people's names there.
    let is_known = |name: &str| FILES.iter().any(|known| name.eq_ignore_ascii_case(known));
    for _ in archive.names().filter(|name| !is_known(name)) {
        intake.find(0, "", Code::FileUnexpected);
    }
    let mut roster = Roster::new(SOURCE, "roles.csv role", "relationships.csv relationshipRole");
    let mut ours = Ours::find(archive, intake)?;
    if ours.is_a_part() {
        roster.is_a_part();
    }
    let mut said = read_roles(archive, &mut ours, &mut roster, intake)?;
    let relationships = read_relationships(archive, &ours, &mut said, intake)?;
    read_users(archive, &ours, &mut roster, &said, intake)?;
    if roster.members.is_empty() {
        intake.is_partial();
    }
    drop(said);
    if let Some(file) = File::open(archive, "demographics.csv", intake)? {
        file.leave_behind(DEMOGRAPHICS_READ, DEMOGRAPHICS_KNOWN, intake);
        let user = file.required("userSourcedId", intake);
        roster.read_births(&file, user, intake, |_, _| true)?;
    }
    read_groups(archive, &ours, &mut roster, intake)?;
    // Without roles, a pupil cannot be told from a contact.
    let has_roles = archive.names().any(|name| name.eq_ignore_ascii_case("roles.csv"));
    for relationship in relationships {
        let (row, word) = (relationship.row, relationship.word.filter(|_| has_roles));
        match word.and_then(|word| Some((relationship.tied(&mut roster, intake)?, word))) {
            Some(((pupil, contact), word)) => roster.tie(pupil, contact, word),
            None => intake.find(row, RELATED, Code::LinkUnknown),
        }
    }
    roster.hand_over(intake)
}

impl Relationship {
    /// The pupil and the contact. One of them may be known to the school alone.
    fn tied(&self, roster: &mut Roster, intake: &mut Intake<'_>) -> Option<(u32, u32)> {
        let known = self.ends.each_ref().map(|id| {
            let index = roster.index(id)?;
            Some((index, roster.roles(index))).filter(|(_, roles)| !roles.is_absent())
        });
        let [one, other] = &self.ends;
        let mut refer = |role, id: &str| roster.refer(role, id, self.row, RELATED, intake);
        match known {
            [Some((one, is)), Some((other, was))] if is.is_pupil != was.is_pupil => {
                Some(if is.is_pupil { (one, other) } else { (other, one) })
            }
            [Some((there, is)), None] | [None, Some((there, is))] => {
                let id = if known[0].is_some() { other } else { one };
                if is.is_pupil {
                    Some((there, refer(Role::Contact, id)?))
                } else {
                    Some((refer(Role::Pupil, id)?, there))
                }
            }
            _ => None,
        }
    }
}

/// Opens a file without which the bundle cannot be read as a whole.
fn needed(
    archive: &Archive<'_>,
    name: &'static str,
    intake: &mut Intake<'_>,
) -> Result<Option<File>, Refusal> {
    let file = File::open(archive, name, intake)?;
    if file.is_none() {
        intake.find(0, name, Code::FileBroken);
        intake.is_partial();
    }
    Ok(file)
}

fn read_roles(
    archive: &Archive<'_>,
    ours: &mut Ours,
    roster: &mut Roster,
    intake: &mut Intake<'_>,
) -> Result<HashMap<Box<str>, Said>, Refusal> {
    let mut said: HashMap<Box<str>, Said> = HashMap::new();
    let Some(file) = needed(archive, "roles.csv", intake)? else { return Ok(said) };
    let (user, role) = (file.required("userSourcedId", intake), file.required("role", intake));
    let (grade, org) = (file.column(&["grade"]), file.column(&["orgSourcedId"]));
    let (ends, today) = (file.column(&["roleEndDate"]), intake.today());
    if let Some(grade) = grade {
        roster.comes_from(Fact::YearGroup, file.label(grade));
    }
    file.each(intake, |record, intake| {
        let Some(roles) = Roles::from_word(record.get(role)) else {
            intake.find(record.row, "roles.csv role", Code::RoleUnknown);
            return Ok(());
        };
        let (user, at) = (record.get(user), (record.row, "roles.csv orgSourcedId"));
        let roles = ours.keep(user, roles, record.get(org), at, intake);
        if roles.is_absent() {
            return Ok(());
        }
        let said = said.entry(Box::from(user)).or_default();
        if is_over(record.get(ends), today) {
            said.was_somebody = true;
            return Ok(());
        }
        said.roles = said.roles.and(roles);
        if roles.is_pupil && said.grade.is_empty() {
            said.grade = Box::from(record.get(grade));
        }
        Ok(())
    })?;
    Ok(said)
}

/// Relationships make contacts of people without a role.
fn read_relationships(
    archive: &Archive<'_>,
    ours: &Ours,
    said: &mut HashMap<Box<str>, Said>,
    intake: &mut Intake<'_>,
) -> Result<Vec<Relationship>, Refusal> {
    let mut relationships = Vec::new();
    let Some(file) = File::open(archive, "relationships.csv", intake)? else { return Ok(relationships) };
    let ends = ["userSourcedId", "relationshipUserSourcedId"].map(|name| file.required(name, intake));
    let role = file.required("relationshipRole", intake);
    file.each(intake, |record, _| {
        let word = Roles::from_word(record.get(role)).and_then(|roles| roles.contact);
        let ends = ends.map(|end| Box::<str>::from(record.get(end)));
        let is_pupil_elsewhere = |end: &str| {
            ours.elsewhere(end).is_some_and(|roles| roles.is_pupil)
                && !said.get(end).is_some_and(|said| said.roles.is_pupil)
        };
        if ends.iter().any(|end| is_pupil_elsewhere(end)) {
            return Ok(());
        }
        if let Some(word) = word {
            for end in &ends {
                let said = said.entry(end.clone()).or_default();
                if !said.roles.is_pupil {
                    said.roles.contact = said.roles.contact.or(Some(word));
                }
            }
        }
        relationships.push(Relationship { row: record.row, ends, word });
        Ok(())
    })?;
    Ok(relationships)
}

fn read_users(
    archive: &Archive<'_>,
    ours: &Ours,
    roster: &mut Roster,
    said: &HashMap<Box<str>, Said>,
    intake: &mut Intake<'_>,
) -> Result<(), Refusal> {
    let Some(file) = needed(archive, "users.csv", intake)? else { return Ok(()) };
    let id = file.required("sourcedId", intake);
    let facts: Vec<(Fact, usize)> = [
        (Fact::Id, id),
        (Fact::GivenName, file.required("givenName", intake)),
        (Fact::FamilyName, file.required("familyName", intake)),
        (Fact::Email, file.column(&["email"])),
        (Fact::Mobile, file.column(&["sms"])),
        (Fact::Landline, file.column(&["phone"])),
    ]
    .into_iter()
    .filter_map(|(fact, column)| Some((fact, column?)))
    .collect();
    for (fact, column) in &facts {
        roster.comes_from(*fact, file.label(*column));
    }
    file.leave_behind(USERS_READ, USERS_KNOWN, intake);
    file.each(intake, |record, intake| {
        let known = said.get(record.get(id));
        let Some(said) = known.filter(|said| said.roles != Roles::default()) else {
            // Contacts need no role: in a part of a bundle, they may be another school's.
            if !ours.is_a_part() && known.is_none_or(|said| !said.was_somebody) {
                intake.find(record.row, "users.csv sourcedId", Code::RoleUnknown);
            }
            return Ok(());
        };
        let mut cells: Vec<_> =
            facts.iter().map(|(fact, column)| (*fact, record.get(Some(*column)))).collect();
        cells.push((Fact::YearGroup, &said.grade));
        roster.add(record.row, said.roles, &cells, intake)
    })
}

/// Classes are groups: nothing says which of them is a registration group.
fn read_groups(
    archive: &Archive<'_>,
    ours: &Ours,
    roster: &mut Roster,
    intake: &mut Intake<'_>,
) -> Result<(), Refusal> {
    let classes = File::open(archive, "classes.csv", intake)?;
    let enrollments = File::open(archive, "enrollments.csv", intake)?;
    let (Some(classes), Some(enrollments)) = (classes, enrollments) else { return Ok(()) };
    let (id, title) = (classes.required("sourcedId", intake), classes.required("title", intake));
    let mut known: HashMap<Box<str>, u32> = HashMap::new();
    let school = classes.column(&["orgSourcedId"]);
    classes.each(intake, |record, _| {
        if !record.get(title).is_empty() && ours.holds(record.get(school)) {
            known.insert(Box::from(record.get(id)), roster.group(record.get(title)));
        }
        Ok(())
    })?;
    let class = enrollments.required("classSourcedId", intake);
    let user = enrollments.required("userSourcedId", intake);
    if !known.is_empty() && class.is_some() && user.is_some() {
        // Files that nobody can read say nothing of anybody's groups.
        roster.groups_come_from("classes.csv title".to_owned());
    }
    enrollments.each(intake, |record, intake| {
        let (user, group) = (roster.index(record.get(user)), known.get(record.get(class)));
        if let Some((user, group)) = user.zip(group)
            && !roster.join(user, *group, false)
        {
            intake.find(record.row, "enrollments.csv userSourcedId", Code::RecordInvalid);
        }
        Ok(())
    })
}

#[cfg(test)]
#[path = "sds_tests.rs"]
mod tests;
