//! Who is what to which pupil, as the office says it.

use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, Problem, Request, problem::Code},
    id::{PersonId, SchoolId},
    person::{
        Role,
        guardianship::Link,
        store::{Directory, Stamp, Stored, write_link},
    },
    school::Tenant,
    store::{
        key::{self, TableName},
        table::{Condition, Write},
    },
    time,
};

use crate::{App, entry::NewLink, people::change};

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
    Ok(directory.visible_links().map(|(pupil, contact, link)| body((pupil, contact), link)).collect())
}

/// `PUT …/people/{pupil_id}/contacts/{contact_id}`: what a contact is to a pupil from now on. What the office says
/// outlives every upload, and a restriction acts at once: every reader looks at the links again.
pub async fn put(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let ends = (request.path("pupil_id")?, request.path("contact_id")?);
    let given: NewLink = request.body()?;
    let link = change(app, school, async |tenant: &Tenant, stamp: Stamp| {
        let before = find(app, tenant, ends).await?;
        let known = before.as_ref().and_then(|stored| stored.value.as_ref());
        let link = given.read(&tenant.school.agreement, known).map_err(Problem::fields)?;
        if known == Some(&link) {
            return Ok((Vec::new(), link));
        }
        let mut writes = vec![write_link(
            tenant,
            ends,
            before.as_ref().map(|stored| &stored.versions),
            Some(&link),
            stamp,
        )?];
        // Neither of the two may be erased between this look and the write.
        writes.extend([ends.0, ends.1].map(|end| {
            Write::check(TableName::Directory, key::person(tenant.id(), end), Condition::Present)
        }));
        Ok((writes, link))
    })
    .await?;
    Answer::json(200, body(ends, &link))
}

/// `DELETE …/people/{pupil_id}/contacts/{contact_id}`. Taking a restricted link away would let the next upload tie the two
/// again without the restriction, so the restriction is lifted on purpose first.
pub async fn delete(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let ends = (request.path("pupil_id")?, request.path("contact_id")?);
    change(app, school, async |tenant: &Tenant, stamp: Stamp| {
        let Some(Stored { value: Some(link), versions }) = find(app, tenant, ends).await? else { return Ok((Vec::new(), ())) };
        if link.restricted {
            let detail = "This contact is restricted. Lift the restriction first: put the link with \"restricted\": false.";
            return Err(Problem::new(Code::Conflict, detail).into());
        }
        Ok((vec![write_link(tenant, ends, Some(&versions), None, stamp)?], ()))
    })
    .await?;
    Ok(Answer::empty())
}

/// The link as stored, if it ever was. Not there at all unless one end is a pupil of the school and the other a contact.
async fn find(
    app: &App,
    tenant: &Tenant,
    ends: (PersonId, PersonId),
) -> Result<Option<Stored<Link>>, ApiError> {
    let mut directory = Directory::pick(&app.tables, tenant, &[ends.0, ends.1], &[ends]).await?;
    let is = |id, role| directory.person(id).is_some_and(|person| person.role == role);
    if !is(ends.0, Role::Pupil) || !is(ends.1, Role::Contact) {
        return Err(Problem::not_found().into());
    }
    Ok(directory.links.remove(&ends))
}

fn body((pupil, contact): (PersonId, PersonId), link: &Link) -> Value {
    let mut body = json!({
        "pupil_id": pupil, "contact_id": contact, "relationship": link.relationship, "parental_responsibility": link.parental_responsibility,
        "restricted": link.restricted, "emergency_contact": link.emergency_contact, "address_confidential": link.address_confidential,
    });
    if let Some(priority) = link.priority {
        body["priority"] = priority.into();
    }
    if let Some(since) = link.missing_since {
        body["missing_since"] = time::rfc3339(since).into();
    }
    body
}
