//! What somebody in a bundle is, and at which of its schools: a trust sends all of them in one.
//!
//! Which school is ours is never guessed: either the bundle speaks of one alone, or the settings name it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Refusal,
    archive::Archive,
    bundle::{File, same},
    finding::Code,
    intake::Intake,
};
use crate::person::Role;

/// What somebody is: several things at once, perhaps. A teacher can be a parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Roles {
    pub(super) is_pupil: bool,
    pub(super) is_staff: bool,
    /// The word for what a contact is: `parent`, `guardian`, `relative`.
    pub(super) contact: Option<&'static str>,
}

impl Roles {
    /// What the words of both formats stand for.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        const CONTACTS: [&str; 3] = ["parent", "guardian", "relative"];
        const STAFF: [&str; 10] = [
            "teacher",
            "faculty",
            "staff",
            "aide",
            "administrator",
            "counselor",
            "principal",
            "siteAdministrator",
            "districtAdministrator",
            "systemAdministrator",
        ];
        let none = Self::default();
        if same(word, "student") {
            return Some(Self { is_pupil: true, ..none });
        }
        if let Some(contact) = CONTACTS.into_iter().find(|known| same(word, known)) {
            return Some(Self { contact: Some(contact), ..none });
        }
        STAFF.iter().any(|known| same(word, known)).then_some(Self { is_staff: true, ..none })
    }

    /// Both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            is_pupil: self.is_pupil || other.is_pupil,
            is_staff: self.is_staff || other.is_staff,
            contact: self.contact.or(other.contact),
        }
    }

    /// Nothing that is said: somebody whom the bundle only refers to.
    pub(super) fn is_absent(self) -> bool {
        self == Self::default()
    }

    /// The roles under which the directory may have them; all of them where nothing is known.
    pub(super) fn held(self) -> impl Iterator<Item = Role> {
        let is_unknown = self.is_absent();
        let held = [
            (Role::Pupil, self.is_pupil),
            (Role::Contact, self.contact.is_some()),
            (Role::Staff, self.is_staff),
        ];
        held.into_iter().filter_map(move |(role, is_held)| (is_held || is_unknown).then_some(role))
    }
}

/// The school of a bundle that is ours, and who is at another.
#[derive(Debug, Default)]
pub(super) struct Ours {
    /// Its id, where the settings name one.
    org: Option<Box<str>>,
    /// What people are at other schools.
    elsewhere: HashMap<Box<str>, Roles>,
}

impl Ours {
    /// Finds it: by its own id or its identifier (the URN, say).
    ///
    /// # Errors
    /// [`Refusal::SeveralSchools`] where the settings do not say which of several it is, [`Refusal::AnotherSchool`] where it is
    /// not among them.
    pub(super) fn find(archive: &Archive<'_>, intake: &Intake<'_>) -> Result<Self, Refusal> {
        let schools = schools(archive, intake)?;
        let Some(own) = intake.org_id() else {
            return if schools.len() > 1 { Err(Refusal::SeveralSchools) } else { Ok(Self::default()) };
        };
        let mut found = schools.iter().filter(|(id, identifier)| [&***id, &***identifier].contains(&own));
        match (found.next(), found.next()) {
            (Some((id, _)), None) => Ok(Self { org: Some(id.clone()), elsewhere: HashMap::new() }),
            (None, None) if schools.is_empty() => Ok(Self::default()),
            _ => Err(Refusal::AnotherSchool),
        }
    }

    /// Whether anything of the bundle is left out.
    pub(super) const fn is_a_part(&self) -> bool {
        self.org.is_some()
    }

    /// What somebody is at our school, of what they are in `orgs`. Whose contact somebody is does not depend on where.
    pub(super) fn keep(
        &mut self,
        user: &str,
        roles: Roles,
        orgs: &str,
        (row, label): (u32, &str),
        intake: &mut Intake<'_>,
    ) -> Roles {
        let Some(org) = &self.org else { return roles };
        let mut named = orgs.split([',', ';']).map(str::trim).filter(|org| !org.is_empty()).peekable();
        let is_unsaid = named.peek().is_none();
        if !(roles.is_pupil || roles.is_staff) || named.any(|named| named == &**org) {
            return roles;
        }
        if is_unsaid {
            intake.find(row, label, Code::RecordInvalid);
        } else if self.elsewhere.is_empty() {
            intake.find(row, label, Code::OtherSchool);
        }
        let elsewhere = self.elsewhere.entry(Box::from(user)).or_default();
        *elsewhere = elsewhere.and(Roles { contact: None, ..roles });
        Roles { contact: roles.contact, ..Roles::default() }
    }

    /// What somebody is at other schools.
    pub(super) fn elsewhere(&self, user: &str) -> Option<Roles> {
        self.elsewhere.get(user).copied()
    }

    /// Whether a class is ours; one that does not say is as much ours as who is in it.
    pub(super) fn holds(&self, org: &str) -> bool {
        org.is_empty() || self.org.as_deref().is_none_or(|own| own == org)
    }
}

/// The schools that a bundle lists or that its pupils and staff are at, each with its identifier. A delta lists those only that have
/// changed, and real bundles leave the list out.
fn schools(archive: &Archive<'_>, intake: &Intake<'_>) -> Result<BTreeMap<Box<str>, Box<str>>, Refusal> {
    // What is wrong with these files is found when they are read.
    let mut aside = intake.aside();
    let (mut schools, mut others) = (BTreeMap::new(), BTreeSet::new());
    if let Some(orgs) = File::open(archive, "orgs.csv", &mut aside)? {
        let (id, kind) = (orgs.column(&["sourcedId"]), orgs.column(&["type"]));
        let (identifier, status) = (orgs.column(&["identifier"]), orgs.column(&["status"]));
        orgs.each(&mut aside, |record, _| {
            let id = Box::<str>::from(record.get(id));
            if !same(record.get(kind), "school") {
                others.insert(id);
            } else if !same(record.get(status), "tobedeleted") && !id.is_empty() {
                schools.insert(id, Box::from(record.get(identifier)));
            }
            Ok(())
        })?;
    }
    for name in ["users.csv", "roles.csv"] {
        let Some(file) = File::open(archive, name, &mut aside)? else { continue };
        let (role, org) = (file.column(&["role"]), file.column(&["orgSourcedIds", "orgSourcedId"]));
        file.each(&mut aside, |record, _| {
            let roles = Roles::from_word(record.get(role)).unwrap_or_default();
            if roles.is_pupil || roles.is_staff {
                let orgs = record.get(org).split([',', ';']).map(str::trim);
                for org in orgs.filter(|org| !org.is_empty() && !others.contains(*org)) {
                    schools.entry(Box::from(org)).or_default();
                }
            }
            Ok(())
        })?;
    }
    Ok(schools)
}

#[cfg(test)]
#[path = "offices_tests.rs"]
mod tests;
