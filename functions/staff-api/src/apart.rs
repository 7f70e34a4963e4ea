//! Staff whom a court keeps away from a pupil: what a restricted contact may not see, they do not see at work either.
//!
//! The one tie between a token and the directory is an e-mail address: the issuer says whose token it is, the school whose
//! contact it is. So whoever has another address at work is not recognised, and the school must not give them the role; and
//! whoever shares an address with a restricted contact is kept away with them. Clients cannot write the claim.
//!
//! Kept from them are the pupil and everybody tied to the pupil: the other parent's address is what such a restriction is
//! mostly about, and the restriction itself is on a link that they could lift.

use std::collections::BTreeSet;

use shared::{
    http::{ApiError, Staff},
    id::{PersonId, SchoolId},
    person::{Role, email::EmailAddress, store::Directory},
    school::Tenant,
    store::key::{self, TableName},
};

use crate::App;

/// Refuses if one of these people is kept from a member of staff. Two calls for a pupil; for a contact, one more for each of
/// their pupils.
pub async fn refuse(app: &App, staff: &Staff, school: SchoolId, people: &[PersonId]) -> Result<(), ApiError> {
    let Some(email) = staff.email.as_ref().filter(|_| !people.is_empty()) else { return Ok(()) };
    let tenant = app.tenant(school).await?;
    let mut pupils = Vec::new();
    for person in people {
        pupils.push(*person);
        pupils.extend(ties(app, school, *person).await?.into_iter().map(|(pupil, _)| pupil));
    }
    let families = families(app, &tenant, &pupils).await?;
    let restricted: Vec<_> = families
        .visible_links()
        .filter(|(.., link)| link.restricted)
        .map(|(_, contact, _)| contact)
        .collect();
    if restricted.is_empty() {
        return Ok(());
    }
    let restricted = Directory::pick(&app.tables, &tenant, &restricted, &[]).await?;
    if named(&restricted, email).is_empty() {
        Ok(())
    } else {
        Err(ApiError::KeptFrom(people.iter().copied().collect()))
    }
}

/// Who of a school is kept from a member of staff. `everybody` has at least all of its contacts.
pub async fn hidden(
    app: &App,
    staff: &Staff,
    tenant: &Tenant,
    everybody: &Directory,
) -> Result<BTreeSet<PersonId>, ApiError> {
    let Some(email) = &staff.email else { return Ok(BTreeSet::new()) };
    let mut links = Vec::new();
    for contact in named(everybody, email) {
        links.extend(ties(app, tenant.id(), contact).await?);
    }
    let own = Directory::pick(&app.tables, tenant, &[], &links).await?;
    let pupils: Vec<_> =
        own.visible_links().filter(|(.., link)| link.restricted).map(|(pupil, ..)| pupil).collect();
    let families = families(app, tenant, &pupils).await?;
    Ok(families.visible_links().flat_map(|(pupil, contact, _)| [pupil, contact]).collect())
}

/// The contacts who have an e-mail address.
fn named(directory: &Directory, email: &EmailAddress) -> Vec<PersonId> {
    let contacts = directory.visible_people().filter(|(_, person)| person.role == Role::Contact);
    contacts.filter(|(_, contact)| contact.emails.contains(email)).map(|(id, _)| id).collect()
}

/// Where the index says a contact's links are.
async fn ties(app: &App, school: SchoolId, contact: PersonId) -> Result<Vec<(PersonId, PersonId)>, ApiError> {
    let keys = app.tables.find(TableName::Directory, &key::contact_reference(school, contact)).await?;
    Ok(keys.iter().filter_map(|key| key::read_link(&key.sk)).collect())
}

/// The links of some pupils, strongly consistent.
async fn families(app: &App, tenant: &Tenant, pupils: &[PersonId]) -> Result<Directory, ApiError> {
    let partition = key::school_partition(tenant.id());
    let mut items = Vec::new();
    for pupil in pupils {
        items.extend(app.tables.query(TableName::Directory, &partition, &key::links_of(*pupil)).await?);
    }
    Ok(Directory::open(tenant, items)?)
}
