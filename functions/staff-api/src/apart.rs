//! Staff whom a court keeps away from a pupil: what a restricted contact may not see, they do not see at work either.
//!
//! The one tie between a token and the directory is an e-mail address: the issuer says whose token it is, the school whose
//! contact it is. So whoever has another address at work is not recognised, and the school must not give them the role; and
//! whoever shares an address with a restricted contact is kept away with them. Clients cannot write the claim.
//!
//! Kept from them are the pupil and everybody tied to the pupil: the other parent's address is what such a restriction is
//! mostly about, and the restriction itself is on a link that they could lift.
//!
//! Two questions are asked. Of the few who are named in a path: are any of them kept from who asks ([`refuse_path`])? And where an answer
//! tells of people whom nobody has named: who is ([`kept`])? The second begins with whether the one who asks is a contact at all, which
//! nearly nobody is; the answer to that is remembered for as long as the school's people stay as they are.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use shared::{
    http::{ApiError, Request, Staff},
    id::{PersonId, SchoolId},
    person::{Role, email::EmailAddress, store::Directory},
    school::Tenant,
    store::key::{self, TableName},
};

use crate::App;

/// Refuses if somebody in the path is kept from a member of staff.
pub async fn refuse_path(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<(), ApiError> {
    let named: Vec<_> = request.path_ids().filter_map(|id| id.parse().ok()).collect();
    refuse(app, staff, school, &named).await
}

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

/// Who is kept from a member of staff.
#[derive(Debug, Default)]
pub struct Kept(BTreeSet<PersonId>);

impl Kept {
    /// Nobody is: nothing is to be left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether somebody is.
    pub fn has(&self, person: PersonId) -> bool {
        self.0.contains(&person)
    }

    /// All of them.
    pub fn people(&self) -> Vec<PersonId> {
        self.0.iter().copied().collect()
    }

    /// Refuses if one of these people is.
    pub fn refuse(&self, people: impl IntoIterator<Item = PersonId>) -> Result<(), ApiError> {
        let kept: BTreeSet<_> = people.into_iter().filter(|person| self.has(*person)).collect();
        if kept.is_empty() { Ok(()) } else { Err(ApiError::KeptFrom(kept)) }
    }
}

/// Who of a school is kept from a member of staff. Reads everybody, unless it is known who the member of staff is among the contacts
/// of the school as it is now; what a contact is to their pupils is always read anew.
pub async fn kept(app: &App, staff: &Staff, tenant: &Tenant) -> Result<Kept, ApiError> {
    let Some(email) = &staff.email else { return Ok(Kept::default()) };
    if let Some(contacts) = app.own_contacts.known(tenant, email) {
        return kept_from(app, tenant, contacts).await;
    }
    let people =
        app.tables.query(TableName::Directory, &key::school_partition(tenant.id()), key::PEOPLE).await?;
    kept_among(app, staff, tenant, &Directory::open(tenant, people)?).await
}

/// The same where `everybody` has been read already: at least all of the school's contacts.
pub async fn kept_among(
    app: &App,
    staff: &Staff,
    tenant: &Tenant,
    everybody: &Directory,
) -> Result<Kept, ApiError> {
    let Some(email) = &staff.email else { return Ok(Kept::default()) };
    let contacts = named(everybody, email);
    app.own_contacts.remember(tenant, email, contacts.clone());
    kept_from(app, tenant, contacts).await
}

/// Who is kept from these contacts: the pupils to whom they are restricted, and everybody tied to those.
async fn kept_from(app: &App, tenant: &Tenant, contacts: Vec<PersonId>) -> Result<Kept, ApiError> {
    let mut links = Vec::new();
    for contact in contacts {
        links.extend(ties(app, tenant.id(), contact).await?);
    }
    let own = Directory::pick(&app.tables, tenant, &[], &links).await?;
    let pupils: Vec<_> =
        own.visible_links().filter(|(.., link)| link.restricted).map(|(pupil, ..)| pupil).collect();
    let families = families(app, tenant, &pupils).await?;
    Ok(Kept(families.visible_links().flat_map(|(pupil, contact, _)| [pupil, contact]).collect()))
}

/// Which contacts members of staff are, by their address: ids, for the school as it was when it was read.
#[derive(Debug, Default)]
pub struct OwnContacts(Mutex<HashMap<(SchoolId, EmailAddress), Known>>);

#[derive(Debug)]
struct Known {
    /// The school's generation and revision, one of which every change of the directory moves.
    as_of: (u64, u64),
    contacts: Vec<PersonId>,
}

/// How many members of staff are remembered: 100 bytes each.
const REMEMBERED: usize = 1_000;

impl OwnContacts {
    fn known(&self, tenant: &Tenant, email: &EmailAddress) -> Option<Vec<PersonId>> {
        let all = self.lock();
        let known = all.get(&(tenant.id(), email.clone()))?;
        (known.as_of == as_of(tenant)).then(|| known.contacts.clone())
    }

    fn remember(&self, tenant: &Tenant, email: &EmailAddress, contacts: Vec<PersonId>) {
        let mut all = self.lock();
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert((tenant.id(), email.clone()), Known { as_of: as_of(tenant), contacts });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(SchoolId, EmailAddress), Known>> {
        // Whoever panicked with it left whole entries: each is one insert.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn as_of(tenant: &Tenant) -> (u64, u64) {
    (tenant.school.generation, tenant.school.revision)
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
