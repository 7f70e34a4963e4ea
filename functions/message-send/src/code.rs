//! One-time codes: made here, because a queue holds ids only, and the ten minutes run from sending.

use shared::{
    channel::{
        Channel, SendError,
        email::{Email, Sender, local_part},
    },
    id::VerificationId,
    person::{Person, store::Directory},
    random,
    school::{Tenant, TenantError},
    seal::Domain,
    store::{
        key,
        table::{Condition, StoreError, Update, value},
    },
    time,
    verify::{code, limit::Limit, matching::Verdict, store::Verification},
};

use crate::{App, WorkError};

/// Makes and sends the code of a claim; a claim that matched nothing ends here.
pub async fn send(app: &App, verification_id: VerificationId) -> Result<(), WorkError> {
    let Some(verification) = app.tables.get::<Verification>(key::verification(verification_id)).await? else {
        return Ok(());
    };
    let (Verdict::ProvedByCode, false, false) =
        (verification.verdict, verification.code_sent, verification.used)
    else {
        return Ok(());
    };
    let (Some(school), Some(contact), Some(channel)) =
        (verification.school_id, verification.contact_id, verification.channel)
    else {
        return Ok(());
    };
    let tenant = match Tenant::load(&app.tables, &app.keyring, school).await {
        Ok(tenant) => tenant,
        Err(TenantError::NotActive) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let now = time::now();
    // Counted once per claim, however often the carrier asks to wait.
    let counted = verification.code_hash.is_some();
    if !counted
        && (!Limit::CodesPerContact.take(&app.tables, &contact.to_string(), now).await?
            || !Limit::CodesPerSchool.take(&app.tables, &school.to_string(), now).await?)
    {
        tracing::warn!(%school, %contact, "no code sent: the day's number is used up");
        return Ok(());
    }
    let directory = Directory::pick(&app.tables, &tenant, &[contact], &[]).await?;
    let Some(person) = directory.person(contact) else { return Ok(()) };
    let accounts = app.keyring.key(Domain::Accounts).await?;
    let code = code::draw(random::bytes());
    let hash = code::hash(&accounts, verification_id, &code);
    let update = Update::new().set("code_hash", &hash).set("code_until", (now + code::LIFETIME).as_second());
    // The newest code wins: one that was made before a crash never works once this one is written.
    match app
        .tables
        .update::<Verification>(
            key::verification(verification_id),
            update,
            Condition::Is("used", value(false)),
        )
        .await
    {
        Ok(_) => {}
        Err(StoreError::Conflict) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    deliver(app, &tenant, person, channel, &code).await?;
    let sent = Update::new().set("code_sent", true);
    match app
        .tables
        .update::<Verification>(
            key::verification(verification_id),
            sent,
            Condition::Is("code_hash", value(&hash)),
        )
        .await
    {
        Ok(_) | Err(StoreError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// To the registered contact point, never to one that the claimant typed: the person is read again, and a contact point that
/// has changed since is simply another one.
async fn deliver(
    app: &App,
    tenant: &Tenant,
    person: &Person,
    channel: Channel,
    code: &str,
) -> Result<(), WorkError> {
    let text = code::sms_text(code, &tenant.school.name);
    let sent = match channel {
        Channel::Sms => match person.mobile() {
            Some(mobile) => app.text(mobile, &tenant.school.sms_id, &text).await,
            None => return Ok(()),
        },
        Channel::Email => match person.email() {
            Some(email) => {
                let sender = Sender {
                    name: tenant.school.name.clone(),
                    local_part: local_part(&tenant.school.name),
                    reply_to: None,
                };
                let html = format!(
                    "<!doctype html><html lang=\"en-GB\"><body><p>{}</p></body></html>",
                    text.replace('&', "&amp;").replace('<', "&lt;")
                );
                app.mailer
                    .send_one(
                        &sender,
                        &Email {
                            to: email.clone(),
                            subject: format!("Your code for {}", tenant.school.name),
                            text,
                            html,
                        },
                    )
                    .await
            }
            None => return Ok(()),
        },
    };
    match sent {
        // In doubt, the parent simply asks for another.
        Ok(_) | Err(SendError::InDoubt) => Ok(()),
        Err(SendError::BadContact) => {
            tracing::warn!(school = %tenant.id(), "a code was not delivered: the carrier refuses the registered contact point");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
