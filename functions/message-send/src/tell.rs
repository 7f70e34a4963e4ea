//! Telling people about verifications: the office of a claim that waits or was refused by rule, a child's other contacts of a new
//! account, and whoever holds an account of a new device.

use shared::{
    channel::SendError,
    id::VerificationId,
    person::store::Directory,
    school::{Tenant, TenantError},
    store::{
        key,
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

/// Whom [`Told`] calls the school's office.
const OFFICE: &str = "school";

/// Tells the office of a claim in its list.
pub async fn school(app: &App, verification: &Verification) -> Result<(), WorkError> {
    let Some(tenant) = tenant(app, verification).await? else { return Ok(()) };
    let id = verification.verification_id;
    let Some(review) = app.tables.get::<Review>(key::review(tenant.id(), id)).await? else { return Ok(()) };
    let (notice, limit) = match review.status {
        ReviewStatus::Review => (notice::review(&id.to_string()), Limit::NoticesPerSchool),
        ReviewStatus::Alert => (notice::alert(&id.to_string()), Limit::AlertNoticesPerSchool),
        ReviewStatus::Approved | ReviewStatus::Refused => return Ok(()),
    };
    let told = app.tables.get::<Told>(key::told(id, OFFICE)).await?.is_some_and(|told| !told.not_sent);
    if told || !limit.take(&app.tables, &tenant.id().to_string(), time::now()).await? {
        return Ok(());
    }
    let office = ContactPoint::Email(tenant.school.contacts(&tenant.key)?.reply_to);
    once(app, verification, &tenant, OFFICE, &office, notice).await
}

/// After a code was entered: tells the contact in whose name, unless it was from a device that is known, and the child's other
/// contacts if the account is new to the contact.
pub async fn parents(app: &App, id: VerificationId) -> Result<(), WorkError> {
    let Some(verification) = app.tables.get::<Verification>(key::verification(id)).await? else {
        return Ok(());
    };
    let Some(tenant) = tenant(app, &verification).await? else { return Ok(()) };
    let Some(contact) = verification.contact_id else { return Ok(()) };
    app.count(tenant.id(), "POST /v1/verifications/{verification_id}/code").await;
    if verification.known_device && !verification.linked {
        return Ok(());
    }
    // Whoever reads a contact point may be anybody of the school: all of them are looked at.
    let directory = Directory::load(&app.tables, &tenant).await?;
    let own = tenant.school.contacts(&tenant.key)?.addresses();
    let school = &tenant.school.name;
    if let Some(point) = notice::other_point(&directory, contact, verification.channel, &own) {
        let notice = if verification.linked { notice::opened(school) } else { notice::new_device(school) };
        once(app, &verification, &tenant, &contact.to_string(), &point, notice).await?;
    }
    if let (true, Some(pupil)) = (verification.linked, verification.pupil_id) {
        for (person, point) in notice::others(&directory, pupil, contact, &own) {
            let notice = notice::linked(school);
            once(app, &verification, &tenant, &person.to_string(), &point, notice).await?;
        }
    }
    Ok(())
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
