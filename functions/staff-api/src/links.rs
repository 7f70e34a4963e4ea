//! Who is what to which pupil, as the office says it.

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Request, problem::Code},
    id::{PersonId, SchoolId},
    person::{
        Role,
        guardianship::{Link, Relationship, Responsibility},
        store::{Directory, Stamp, Subject, write_link},
    },
    privacy::agreement::{Agreement, Field},
    school::Tenant,
    store::{
        key::{self, TableName},
        table::{Condition, Write, value},
    },
    time,
    upload::cell,
};

use crate::{
    App,
    change::{Basis, change, is_unmoved, version_in_query},
};

/// What a contact is to be to a pupil.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    #[serde(default)]
    relationship: Relationship,
    parental_responsibility: Option<Responsibility>,
    restricted: Option<bool>,
    priority: Option<i64>,
    #[serde(default)]
    emergency_contact: bool,
    address_confidential: Option<bool>,
    version: Option<u64>,
}

impl NewLink {
    /// The link as stored, or every field at fault.
    ///
    /// What protects a child (restriction, confidential address, responsibility) is only ever lifted by saying so: left
    /// out, it stays as it was `before`.
    pub fn read(&self, agreement: &Agreement, before: Option<&Link>) -> Result<Link, Vec<FieldError>> {
        let mut errors = Vec::new();
        let responsibility = self.parental_responsibility.is_some_and(|said| said != Responsibility::Unknown);
        for (pointer, field, is_said) in [
            ("/relationship", Field::Relationship, self.relationship != Relationship::Unknown),
            ("/parental_responsibility", Field::ParentalResponsibility, responsibility),
            ("/priority", Field::Priority, self.priority.is_some()),
        ] {
            if is_said && !agreement.allows(Role::Contact, field) {
                errors.push(FieldError::new(
                    pointer,
                    "not_agreed",
                    "the data sharing agreement does not list this field of contacts",
                ));
            }
        }
        let priority = self.priority.and_then(|priority| cell::priority(&priority.to_string()));
        if priority.is_none() && self.priority.is_some() {
            errors.push(FieldError::new(
                "/priority",
                "out_of_range",
                "write a number from 1, who is asked first, to 254",
            ));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let same = before.filter(|link| link.relationship == self.relationship);
        Ok(Link {
            relationship: self.relationship,
            relationship_text: same.and_then(|link| link.relationship_text.clone()),
            parental_responsibility: self
                .parental_responsibility
                .or(before.map(|link| link.parental_responsibility))
                .unwrap_or_default(),
            restricted: self.restricted.or(before.map(|link| link.restricted)).unwrap_or_default(),
            priority,
            emergency_contact: self.emergency_contact,
            address_confidential: self
                .address_confidential
                .or(before.map(|link| link.address_confidential))
                .unwrap_or_default(),
            manual: true,
            ended: false,
            missing_since: None,
        })
    }
}

/// The links of a pupil or of a contact; nobody else has any.
pub async fn of(app: &App, tenant: &Tenant, person: PersonId, role: Role) -> Result<Vec<Value>, ApiError> {
    let directory = match role {
        Role::Pupil => {
            let items = app
                .tables
                .query(TableName::Directory, &key::school_partition(tenant.id()), &key::links_of(person))
                .await?;
            Directory::open(tenant, items)?
        }
        Role::Contact => {
            let keys =
                app.tables.find(TableName::Directory, &key::contact_reference(tenant.id(), person)).await?;
            let links: Vec<_> = keys.iter().filter_map(|key| key::read_link(&key.sk)).collect();
            Directory::pick(&app.tables, tenant, &[], &links).await?
        }
        Role::Staff | Role::Governor => Directory::default(),
    };
    let links = directory.visible_links();
    Ok(links.map(|(pupil, contact, link)| told(&directory, (pupil, contact), link)).collect())
}

/// A link as told, with the version at which it was read.
fn told(directory: &Directory, ends: (PersonId, PersonId), link: &Link) -> Value {
    let versions = directory.versions(Subject::Link(ends.0, ends.1));
    body(ends, link, versions.map_or(0, |versions| versions.rev))
}

/// `PUT …/people/{pupil_id}/contacts/{contact_id}`: what a contact is to a pupil from now on. What the office says
/// outlives every upload, and a restriction acts at once: every reader looks at the links again.
pub async fn put(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let ends = (request.path("pupil_id")?, request.path("contact_id")?);
    let given: NewLink = request.body()?;
    let (link, version) = change(app, school, Basis::Items, async |tenant: &Tenant, stamp: Stamp| {
        let directory = find(app, tenant, ends).await?;
        let known = directory.link(ends.0, ends.1);
        let versions = directory.versions(Subject::Link(ends.0, ends.1));
        is_unmoved(given.version, versions.filter(|_| known.is_some()))?;
        let link = given.read(&tenant.school.agreement, known).map_err(Problem::fields)?;
        let rev = versions.map_or(0, |versions| versions.rev);
        if known == Some(&link) {
            return Ok((Vec::new(), (link, rev)));
        }
        let mut writes = vec![write_link(tenant, ends, versions, Some(&link), stamp)?];
        // Neither of the two may be deleted between this look and the write.
        for end in [ends.0, ends.1] {
            let rev = directory.versions(Subject::Person(end)).map_or(0, |versions| versions.rev);
            let same = Condition::Is("rev", value(rev));
            writes.push(Write::check(TableName::Directory, key::person(tenant.id(), end), same));
        }
        Ok((writes, (link, rev + 1)))
    })
    .await?;
    Answer::json(200, body(ends, &link, version))
}

/// `DELETE …/people/{pupil_id}/contacts/{contact_id}`: nothing of the tie is left but that it has ended, so that a file that
/// still names it does not bring it back.
pub async fn delete(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let ends = (request.path("pupil_id")?, request.path("contact_id")?);
    let version = version_in_query(request)?;
    change(app, school, Basis::Items, async |tenant: &Tenant, stamp: Stamp| {
        let directory = find(app, tenant, ends).await?;
        let versions = directory.versions(Subject::Link(ends.0, ends.1));
        let Some(link) = directory.link(ends.0, ends.1) else { return Ok((Vec::new(), ())) };
        is_unmoved(version, versions)?;
        refuse_restricted([link])?;
        let ended = Link { ended: true, manual: true, ..Link::default() };
        Ok((vec![write_link(tenant, ends, versions, Some(&ended), stamp)?], ()))
    })
    .await?;
    Ok(Answer::empty())
}

/// A restriction is lifted on purpose, and never by taking away what it hangs on.
pub fn refuse_restricted<'l>(links: impl IntoIterator<Item = &'l Link>) -> Result<(), Problem> {
    if links.into_iter().any(|link| link.restricted) {
        return Err(Problem::new(
            Code::Conflict,
            "A contact is restricted here. Lift the restriction first: put the link with \"restricted\": false.",
        ));
    }
    Ok(())
}

/// The two people and their link, if it ever was. Not there at all unless one end is a pupil of the school and the other
/// a contact.
async fn find(app: &App, tenant: &Tenant, ends: (PersonId, PersonId)) -> Result<Directory, ApiError> {
    let directory = Directory::pick(&app.tables, tenant, &[ends.0, ends.1], &[ends]).await?;
    let is = |id, role| directory.person(id).is_some_and(|person| person.role == role);
    if !is(ends.0, Role::Pupil) || !is(ends.1, Role::Contact) {
        return Err(Problem::not_found().into());
    }
    Ok(directory)
}

fn body((pupil, contact): (PersonId, PersonId), link: &Link, version: u64) -> Value {
    let mut body = json!({
        "pupil_id": pupil, "contact_id": contact, "relationship": link.relationship, "parental_responsibility": link.parental_responsibility,
        "restricted": link.restricted, "emergency_contact": link.emergency_contact, "address_confidential": link.address_confidential,
        "version": version,
    });
    if let Some(words) = &link.relationship_text {
        body["relationship_text"] = words.expose().into();
    }
    if let Some(priority) = link.priority {
        body["priority"] = priority.into();
    }
    if let Some(since) = link.missing_since {
        body["missing_since"] = time::rfc3339(since).into();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::{agreement, faults};

    #[test]
    fn a_link_keeps_what_protects_until_told_otherwise() {
        let link = |body, before: Option<&Link>| {
            serde_json::from_value::<NewLink>(body).unwrap().read(&agreement(), before)
        };
        let restricted = link(json!({"restricted": true, "parental_responsibility": "no", "address_confidential": true, "priority": 2}), None).unwrap();
        assert!(restricted.restricted && restricted.manual && restricted.address_confidential);
        let again = link(json!({"emergency_contact": true}), Some(&restricted)).unwrap();
        assert_eq!(again, Link { emergency_contact: true, priority: None, ..restricted.clone() });
        let lifted = link(
            json!({"restricted": false, "parental_responsibility": "unknown", "address_confidential": false}),
            Some(&restricted),
        )
        .unwrap();
        assert_eq!(lifted, Link { manual: true, ..Link::default() });
    }

    #[test]
    fn a_link_is_held_to_the_agreement_and_to_its_fields() {
        let read = |body| serde_json::from_value::<NewLink>(body);
        assert_eq!(
            faults(read(json!({"relationship": "mother", "priority": 0})).unwrap().read(&agreement(), None)),
            "/relationship not_agreed, /priority out_of_range"
        );
        for ours in ["manual", "missing_since"] {
            assert!(read(json!({ours: true})).is_err(), "{ours}");
        }
    }
}
