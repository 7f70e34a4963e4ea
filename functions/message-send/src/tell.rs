//! Telling people about verifications: the office of a claim that waits or was refused by rule, a child's other contacts of a new
//! account, and whoever holds an account of a new device.

use std::collections::BTreeSet;

use shared::{
    channel::{Channel, SendError},
    id::{PersonId, VerificationId},
    person::store::Directory,
    school::{Tenant, TenantError},
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, value},
    },
    time,
    verify::{
        account::ContactPoint,
        limit::Limit,
        notice::{self, Notice},
        review::{Review, ReviewStatus},
        store::{Told, Verification},
    },
};

use crate::{App, WorkError};

/// Tells the office of a claim in its list.
pub async fn school(app: &App, verification: &Verification) -> Result<(), WorkError> {
    let Some(tenant) = tenant(app, verification).await? else { return Ok(()) };
    let id = verification.verification_id;
    let Some(review) = app.tables.get::<Review>(key::review(tenant.id(), id)).await? else { return Ok(()) };
    let notice = match review.status {
        ReviewStatus::Review => notice::review(&id.to_string()),
        ReviewStatus::Alert => notice::alert(&id.to_string()),
        ReviewStatus::Approved | ReviewStatus::Refused => return Ok(()),
    };
    let office = ContactPoint::Email(tenant.school.contacts(&tenant.key)?.reply_to);
    once(app, verification, &tenant, "school", &office, notice).await
}

/// After a code was entered: tells the child's other contacts if the account is new to the contact, and the contact of a new
/// device if there were others.
pub async fn parents(app: &App, id: VerificationId, new_device: bool) -> Result<(), WorkError> {
    let Some(verification) = app.tables.get::<Verification>(key::verification(id)).await? else {
        return Ok(());
    };
    let Some(tenant) = tenant(app, &verification).await? else { return Ok(()) };
    let Some(contact) = verification.contact_id else { return Ok(()) };
    if new_device {
        let directory = Directory::pick(&app.tables, &tenant, &[contact], &[]).await?;
        if let Some(point) = other_point(&directory, contact, verification.channel) {
            let notice = notice::new_device(&tenant.school.name);
            once(app, &verification, &tenant, &contact.to_string(), &point, notice).await?;
        }
    }
    if let (true, Some(pupil)) = (verification.linked, verification.pupil_id) {
        let partition = key::school_partition(tenant.id());
        let links = app.tables.query(TableName::Directory, &partition, &key::links_of(pupil)).await?;
        let links: Vec<_> = links.iter().filter_map(|item| key::read_link(item.sk())).collect();
        let people: Vec<_> = links.iter().map(|(_, contact)| *contact).chain([pupil]).collect();
        let directory = Directory::pick(&app.tables, &tenant, &people, &links).await?;
        for (person, point) in others(&directory, pupil, contact) {
            let notice = notice::linked(&tenant.school.name);
            once(app, &verification, &tenant, &person.to_string(), &point, notice).await?;
        }
    }
    Ok(())
}

/// The contact point that the code did not go to, if there is one: who has taken one over does not have the other.
fn other_point(directory: &Directory, contact: PersonId, used: Option<Channel>) -> Option<ContactPoint> {
    let person = directory.person(contact)?;
    let points = Channel::ALL.map(|channel| ContactPoint::of(person, channel));
    let mut points: Vec<_> = points.into_iter().flatten().collect();
    points.sort_by_key(|point| Some(point.channel()) == used);
    points.into_iter().next()
}

/// Those who may see the child too, each contact point once: nobody who is kept away, and nobody at the new account's own.
fn others(directory: &Directory, pupil: PersonId, contact: PersonId) -> Vec<(PersonId, ContactPoint)> {
    if directory.person(pupil).is_none_or(|pupil| pupil.deceased) {
        return Vec::new();
    }
    let points = |person| {
        let person = directory.person(person).filter(|person| !person.deceased);
        Channel::ALL.map(|channel| person.and_then(|person| ContactPoint::of(person, channel)))
    };
    let mut seen: BTreeSet<_> =
        points(contact).into_iter().flatten().map(|point| point.expose().to_owned()).collect();
    let told = directory.links_of(pupil).filter(|(other, link)| *other != contact && link.may_hold_account());
    told.filter_map(|(other, _)| {
        let point = points(other).into_iter().flatten().next()?;
        seen.insert(point.expose().to_owned()).then_some((other, point))
    })
    .collect()
}

/// Tells somebody once. That it is done is written first: a lost answer or a crash tells nobody twice, and somebody perhaps not at
/// all, which a notice bears better than a code.
async fn once(
    app: &App,
    verification: &Verification,
    tenant: &Tenant,
    whom: &str,
    point: &ContactPoint,
    notice: Notice,
) -> Result<(), WorkError> {
    let id = verification.verification_id;
    let told =
        Told { verification_id: id, whom: whom.to_owned(), not_sent: false, expires: verification.expires };
    let nobody = Condition::Any(vec![Condition::Absent, Condition::Is("not_sent", value(true))]);
    match app.tables.put(&told, nobody).await {
        Ok(()) => {}
        Err(StoreError::Conflict) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    if whom == "school"
        && !Limit::NoticesPerSchool.take(&app.tables, &tenant.id().to_string(), time::now()).await?
    {
        return Ok(());
    }
    match app.tell(tenant, point, notice).await {
        Ok(()) | Err(SendError::InDoubt | SendError::BadContact) => Ok(()),
        Err(error @ (SendError::Later | SendError::Refused)) => {
            // Whoever comes next may.
            app.tables.put(&Told { not_sent: true, ..told }, Condition::Always).await?;
            Err(error.into())
        }
    }
}

/// The school of a verification, if it is active.
async fn tenant(app: &App, verification: &Verification) -> Result<Option<Tenant>, WorkError> {
    let Some(school) = verification.school_id else { return Ok(None) };
    match Tenant::load(&app.tables, &app.keyring, school).await {
        Ok(tenant) => Ok(Some(tenant)),
        Err(TenantError::NotActive) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
