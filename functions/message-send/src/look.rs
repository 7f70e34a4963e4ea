//! What somebody asked for, looked at: here, behind the queue, so that neither the answer nor the calls nor the time of the API
//! can tell whether it fits.

use std::collections::BTreeMap;

use shared::{
    channel::Channel,
    id::{AccountId, PersonId, SchoolId, VerificationId},
    person::store::Directory,
    school::{SchoolCode, Tenant, TenantError},
    seal::Domain,
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, Update, Write},
    },
    time,
    verify::{
        account::{ContactPoint, Login},
        claim::Claim,
        limit::Limit,
        matching::{self, Verdict},
        review::{Details, Review, ReviewStatus},
        sign_in,
        store::{Asked, Verification},
    },
};

use crate::{App, WorkError};

/// What was found out.
#[derive(Debug, Default)]
struct Found {
    verdict: Verdict,
    school: Option<SchoolId>,
    contact: Option<PersonId>,
    pupil: Option<PersonId>,
    channel: Option<Channel>,
    account: Option<AccountId>,
    known_device: bool,
    review: Option<Review>,
}

/// Looks at it once, and forgets what was typed; who comes later gets the same.
pub async fn look(app: &App, verification: Verification) -> Result<Verification, WorkError> {
    let id = verification.verification_id;
    let accounts = app.keyring.key(Domain::Accounts).await?;
    let Some(asked) = verification.asked(&accounts)?.filter(|_| verification.verdict.is_none()) else {
        return Ok(verification);
    };
    let (found, route) = match asked {
        Asked::Claim(claim) => (of_claim(app, &verification, &claim).await?, "POST /v1/verifications"),
        Asked::SignIn { point, known } => {
            let point_hash = point.blind(&accounts);
            (of_sign_in(app, &point, &point_hash, known).await?, "POST /v1/sessions")
        }
    };
    let mut update =
        Update::new().set("verdict", found.verdict).set("known_device", found.known_device).remove("asked");
    for (name, person) in [("contact_id", found.contact), ("pupil_id", found.pupil)] {
        if let Some(person) = person {
            update = update.set(name, person);
        }
    }
    if let Some(school) = found.school {
        update = update.set("school_id", school);
    }
    if let Some(channel) = found.channel {
        update = update.set("channel", channel);
    }
    if let Some(account) = found.account {
        update = update.set("account_id", account);
    }
    let at = key::verification(id);
    let mut writes = vec![Write::update(TableName::Access, at, update, Condition::Missing("verdict"))];
    if let Some(review) = &found.review {
        writes.push(Write::put(review, Condition::Absent)?);
    }
    match app.tables.transact(writes).await {
        Ok(()) => {
            if let Some(school) = found.school {
                app.count(school, route).await;
            }
        }
        // Another worker was first: what it found stands.
        Err(StoreError::Conflict) => {}
        Err(error) => return Err(error.into()),
    }
    app.tables.get(key::verification(id)).await?.ok_or(WorkError::Missing("verification"))
}

async fn of_claim(app: &App, verification: &Verification, claim: &Claim) -> Result<Found, WorkError> {
    let now = time::now();
    let Some(code) = app.tables.get::<SchoolCode>(key::school_code(&claim.school_code)).await? else {
        return Ok(Found::default());
    };
    let Some(tenant) = active(app, code.school_id).await? else { return Ok(Found::default()) };
    let directory = Directory::load(&app.tables, &tenant).await?;
    let own = tenant.school.contacts(&tenant.key)?.addresses();
    let today = time::date_in(&tenant.school.time_zone, now);
    let found = matching::decide(&directory, claim, &own, today);
    let mut result = Found { school: Some(tenant.id()), ..Found::default() };
    result.contact = found.pair.map(|(contact, _)| contact);
    result.pupil = found.pair.map(|(_, pupil)| pupil);
    result.channel = found.channel;
    result.verdict = found.verdict;
    let status = match found.verdict {
        Verdict::Review => ReviewStatus::Review,
        Verdict::No if found.is_alert() => ReviewStatus::Alert,
        Verdict::No | Verdict::ProvedByCode => return Ok(result),
    };
    let details = Details::of(claim, &found);
    if status == ReviewStatus::Review
        && let Some((contact, pupil)) = approved_before(app, &tenant, &details).await?
        && let Some(channel) = sign_in::channel_after_approval(&directory, contact, pupil, &own)
    {
        return Ok(Found {
            verdict: Verdict::ProvedByCode,
            contact: Some(contact),
            pupil: Some(pupil),
            channel: Some(channel),
            ..result
        });
    }
    let pupil = found.pair.or_else(|| found.candidates.first().copied()).map(|(_, pupil)| pupil);
    if !may_be_put_before(app, &tenant, verification, status, pupil).await? {
        tracing::warn!(school = %tenant.id(), ?status, "a claim is not put before the office: the day's number is used up");
        return Ok(Found { verdict: Verdict::No, ..result });
    }
    let id = verification.verification_id;
    result.review = Some(Review {
        school_id: tenant.id(),
        verification_id: id,
        status,
        details: Review::seal(&tenant.key, tenant.id(), id, &details),
        approved: None,
        decided_by: None,
        decided_at: None,
        created: verification.created,
        expires: verification.expires,
    });
    Ok(result)
}

/// Counts a claim by every rule that concerns it; the narrowest first, so that one family's or one stranger's use up nobody else's.
async fn may_be_put_before(
    app: &App,
    tenant: &Tenant,
    verification: &Verification,
    status: ReviewStatus,
    pupil: Option<PersonId>,
) -> Result<bool, StoreError> {
    let (now, school) = (time::now(), tenant.id().to_string());
    let source = format!("{school}#{}", verification.source);
    let child = pupil.map(|pupil| format!("{pupil}#{status:?}"));
    let all = if status == ReviewStatus::Alert { Limit::AlertsPerSchool } else { Limit::ReviewsPerSchool };
    let rules =
        [(Limit::ReviewsPerSource, Some(source)), (Limit::ReviewsPerChild, child), (all, Some(school))];
    for (limit, subject) in rules {
        if let Some(subject) = subject
            && !limit.take(&app.tables, &subject, now).await?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The contact and pupil for whom the office approved the same claim in the last days.
async fn approved_before(
    app: &App,
    tenant: &Tenant,
    details: &Details,
) -> Result<Option<(PersonId, PersonId)>, WorkError> {
    let now = time::now();
    // Claims wait for the office for a month at most; older ones are not read.
    let oldest = key::review(tenant.id(), VerificationId::new(now - time::days(30), &[0; 10])).sk;
    let newest = key::review(tenant.id(), VerificationId::new(now, &[255; 10])).sk;
    let partition = key::school_partition(tenant.id());
    for item in app.tables.query_range(TableName::Access, &partition, (&oldest, &newest)).await? {
        let review: Review = item.read()?;
        let before = review.details(&tenant.key)?;
        if let Some(pair) = review.stands_for(&before, details, now) {
            return Ok(Some(pair));
        }
    }
    Ok(None)
}

async fn of_sign_in(
    app: &App,
    point: &ContactPoint,
    point_hash: &str,
    known: Option<AccountId>,
) -> Result<Found, WorkError> {
    let now = time::now();
    let items = app.tables.query(TableName::Access, &key::logins(point_hash), "").await?;
    let mut logins = items.into_iter().map(|item| item.read::<Login>()).collect::<Result<Vec<_>, _>>()?;
    // DynamoDB expires items late.
    logins.retain(|login| now.as_second() < login.expires);
    let mut schools = BTreeMap::new();
    for school in logins.iter().map(|login| login.school_id) {
        if !schools.contains_key(&school)
            && let Some(tenant) = active(app, school).await?
        {
            let directory = Directory::load(&app.tables, &tenant).await?;
            let own = tenant.school.contacts(&tenant.key)?.addresses();
            schools.insert(school, (directory, own));
        }
    }
    let Some((account, (school, contact))) = sign_in::contact(point, &logins, &schools) else {
        return Ok(Found::default());
    };
    Ok(Found {
        verdict: Verdict::ProvedByCode,
        school: Some(school),
        contact: Some(contact),
        channel: Some(point.channel()),
        account: Some(account),
        known_device: known == Some(account),
        ..Found::default()
    })
}

/// A school that is active; for one whose contract has ended there is no work.
async fn active(app: &App, school: SchoolId) -> Result<Option<Tenant>, WorkError> {
    match Tenant::load(&app.tables, &app.keyring, school).await {
        Ok(tenant) => Ok(Some(tenant)),
        Err(TenantError::NotActive) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
