//! Whom a sender selects, before anybody's right is looked at. Pure.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    id::PersonId,
    person::{Person, Role, store::Directory},
};

/// Who a message is for. Without `roles` it is for the contacts of the pupils that the rest selects; without any
/// selection, of all pupils. Selections add up; `except` takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// Which roles are written to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Pupils of these year groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub year_groups: Vec<String>,
    /// Pupils of these classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Pupils of these groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// These people: a pupil stands for their contacts too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<PersonId>,
    /// Not these: a pupil stands for whatever is about them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<PersonId>,
}

impl Audience {
    /// The roles that are written to.
    pub fn roles(&self) -> &[Role] {
        if self.roles.is_empty() { &[Role::Contact] } else { &self.roles }
    }

    /// Whether it selects nobody in particular, and so the whole school.
    pub fn is_everybody(&self) -> bool {
        self.year_groups.is_empty()
            && self.classes.is_empty()
            && self.groups.is_empty()
            && self.people.is_empty()
    }
}

/// Whom an audience means, before anybody's right is looked at. In order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meant {
    /// Pupils whose contacts are written to.
    pub pupils: Vec<PersonId>,
    /// Contacts whom the sender named: written to about all their pupils.
    pub contacts: Vec<PersonId>,
    /// Pupils, staff and governors, for themselves.
    pub themselves: Vec<PersonId>,
}

/// Whom an audience means on a day of the school's.
///
/// A pupil who has not joined yet is written about only if they are named.
pub fn meant(directory: &Directory, audience: &Audience, today: Date) -> Meant {
    let except: BTreeSet<_> = audience.except.iter().copied().collect();
    let named: BTreeSet<_> = audience.people.iter().copied().collect();
    let (roles, everybody) = (audience.roles(), audience.is_everybody());
    // `Year 3` and `3` are one, as they are in a file.
    let years: Vec<_> =
        audience.year_groups.iter().filter_map(|year| crate::upload::cell::year_group(year)).collect();
    let selects = |id: PersonId, person: &Person| {
        let is = |one: &str, value: Option<&str>| {
            value.is_some_and(|value| one.trim().eq_ignore_ascii_case(value))
        };
        let in_group = || {
            audience
                .groups
                .iter()
                .any(|one| person.groups.iter().any(|of| one.trim().eq_ignore_ascii_case(of)))
        };
        named.contains(&id)
            || person.has_joined(today)
                && (everybody
                    || years.iter().any(|one| is(one, person.year_group.as_deref()))
                    || audience.classes.iter().any(|one| is(one, person.class.as_deref()))
                    || in_group())
    };
    let mut meant = Meant::default();
    for (id, person) in
        directory.visible_people().filter(|(id, person)| person.is_here(today) && !except.contains(id))
    {
        match person.role {
            Role::Pupil => {
                if selects(id, person) {
                    if roles.contains(&Role::Contact) {
                        meant.pupils.push(id);
                    }
                    if roles.contains(&Role::Pupil) {
                        meant.themselves.push(id);
                    }
                }
            }
            Role::Contact => {
                if named.contains(&id) {
                    meant.contacts.push(id);
                }
            }
            Role::Staff | Role::Governor => {
                if named.contains(&id) || (everybody && roles.contains(&person.role)) {
                    meant.themselves.push(id);
                }
            }
        }
    }
    meant
}
