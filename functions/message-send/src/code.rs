//! One-time codes: made here, because a queue holds ids only, and the ten minutes run from sending.

use shared::{
    channel::{Channel, SendError},
    id::{PersonId, VerificationId},
    person::{guardianship::Link, phone::COUNTRY, store::Directory},
    random,
    school::{Tenant, TenantError},
    seal::Domain,
    store::{
        key,
        table::{Condition, StoreError, Update, value},
    },
    time,
    verify::{
        account::ContactPoint,
        code,
        limit::{EVERYBODY, Limit},
        matching::Verdict,
        notice::Notice,
        store::Verification,
    },
};

use crate::{App, WorkError, look, tell};

/// Looks at what somebody asked for, and makes and sends a code if it fits; what fits nothing ends here.
pub async fn send(app: &App, id: VerificationId) -> Result<(), WorkError> {
    let Some(verification) = app.tables.get::<Verification>(key::verification(id)).await? else {
        return Ok(());
    };
    let verification = look::look(app, verification).await?;
    if verification.verdict != Some(Verdict::ProvedByCode) {
        return tell::school(app, &verification).await;
    }
    let (Some(school), Some(contact), Some(channel), false, false) = (
        verification.school_id,
        verification.contact_id,
        verification.channel,
        verification.code_sent,
        verification.used,
    ) else {
        return Ok(());
    };
    let tenant = match Tenant::load(&app.tables, &app.keyring, school).await {
        Ok(tenant) => tenant,
        Err(TenantError::NotActive) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // The person is read again: a code goes to the registered contact point, never to one that the claimant typed.
    let people: Vec<_> = [contact].into_iter().chain(verification.pupil_id).collect();
    let ties: Vec<_> = verification.pupil_id.map(|pupil| (pupil, contact)).into_iter().collect();
    let directory = Directory::pick(&app.tables, &tenant, &people, &ties).await?;
    // Nor does it go to whom somebody has kept away since: it would open nothing.
    if !ties
        .iter()
        .all(|(pupil, contact)| directory.link(*pupil, *contact).is_some_and(Link::may_hold_account))
    {
        return Ok(());
    }
    let Some(point) = directory.person(contact).and_then(|person| ContactPoint::of(person, channel)) else {
        return Ok(());
    };
    let accounts = app.keyring.key(Domain::Accounts).await?;
    let point_hash = point.blind(&accounts);
    // Counted once per attempt, however often the carrier asks to wait.
    if verification.code_hash.is_none() && !may_send(app, &verification, &tenant, channel, contact).await? {
        tracing::warn!(%school, %contact, "no code sent: the day's number is used up");
        return Ok(());
    }
    let code = code::draw(random::bytes());
    let hash = code::hash(&accounts, id, &code);
    let until = (time::now() + code::LIFETIME).as_second();
    let update = Update::new().set("code_hash", &hash).set("code_until", until).set("point", &point_hash);
    // The newest code wins: one that was made before a crash never works once this one is written.
    let unused = Condition::Is("used", value(false));
    match app.tables.update::<Verification>(key::verification(id), update, unused).await {
        Ok(_) => {}
        Err(StoreError::Conflict) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let text = code::sms_text(&code, &tenant.school.name);
    let subject = format!("Your code for {}", tenant.school.name);
    match app.tell(&tenant, &point, Notice { subject, text }).await {
        // In doubt, the parent simply asks for another.
        Ok(()) | Err(SendError::InDoubt) => {}
        Err(SendError::BadContact) => {
            tracing::warn!(%school, "a code was not delivered: the carrier refuses the registered contact point");
        }
        Err(error) => return Err(error.into()),
    }
    let sent = Update::new().set("code_sent", true);
    let newest = Condition::Is("code_hash", value(&hash));
    match app.tables.update::<Verification>(key::verification(id), sent, newest).await {
        Ok(_) | Err(StoreError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Counts the code by every rule that concerns it; the narrowest first, so that one target's guesser uses up nobody else's.
async fn may_send(
    app: &App,
    verification: &Verification,
    tenant: &Tenant,
    channel: Channel,
    contact: PersonId,
) -> Result<bool, StoreError> {
    let (now, school) = (time::now(), tenant.id().to_string());
    // The target is what a code opens: a contact of this school, or an account.
    let (per_target, per_source, target) = match (verification.account_id, verification.known_device) {
        (None, _) => (Limit::ClaimCodes, Some(Limit::ClaimCodesPerSource), format!("{school}#{contact}")),
        (Some(account), false) => {
            (Limit::SignInCodes, Some(Limit::SignInCodesPerSource), account.to_string())
        }
        (Some(account), true) => (Limit::KnownDeviceCodes, None, account.to_string()),
    };
    let source = format!("{target}#{}", verification.source);
    let mut rules: Vec<_> = per_source.map(|limit| (limit, source)).into_iter().collect();
    rules.push((per_target, target));
    match channel {
        Channel::Sms => rules.extend([
            (Limit::TextsPerSchoolAndCountry, format!("{school}#{COUNTRY}")),
            (Limit::Texts, EVERYBODY.to_owned()),
        ]),
        Channel::Email => rules.push((Limit::MailsPerSchool, school)),
        // A code shows who reads a contact point, and the app is none.
        Channel::App => return Ok(false),
    }
    for (limit, subject) in rules {
        if !limit.take(&app.tables, &subject, now).await? {
            return Ok(false);
        }
    }
    Ok(true)
}
