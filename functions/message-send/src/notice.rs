//! Single mails to the school itself: that a request has come in, that a parent needs help with the app. References and
//! dates, and nothing about anybody.

use shared::{
    channel::SendError,
    id::{RequestId, SchoolId, SupportId},
    privacy::request::SubjectRequest,
    school::{Tenant, TenantError},
    store::{
        key,
        table::{Condition, Record, StoreError, Update},
    },
    support::{Device, SupportRequest},
    time,
    verify::{account::ContactPoint, notice::Notice},
};

use crate::{App, WorkError};

/// Tells the data protection lead that there is a request.
pub async fn tell_of_request(app: &App, school: SchoolId, request_id: RequestId) -> Result<(), WorkError> {
    let Some(tenant) = active(app, school).await? else { return Ok(()) };
    let at = || key::subject_request(school, request_id);
    let Some(asked) = claim::<SubjectRequest>(app, at()).await? else { return Ok(()) };
    let due = asked.due_on().map(|day| format!(" Due on: {day}.")).unwrap_or_default();
    let text = format!(
        "A request under data protection law has come in. Reference: {request_id}.{due} Please look at the requests in Bookbag; this message says nothing about anybody on purpose."
    );
    let notice = Notice { subject: "Bookbag: a request under data protection law".to_owned(), text };
    let lead = ContactPoint::Email(tenant.school.contacts(&tenant.key)?.dpo_email);
    let sent = app.tell(&tenant, &lead, notice).await;
    settle::<SubjectRequest>(app, at(), sent).await
}

/// Sends a parent's call for help to the school's support: the facts about the device, and a reference.
pub async fn tell_of_support(app: &App, school: SchoolId, support_id: SupportId) -> Result<(), WorkError> {
    let Some(tenant) = active(app, school).await? else { return Ok(()) };
    let at = || key::support_request(support_id);
    let Some(support) = claim::<SupportRequest>(app, at()).await? else { return Ok(()) };
    let Device { device_type, app_version, device_id } = &support.device;
    let about = support.topic.words();
    let text = format!(
        "A parent asks for help with {about}. Reference: {support_id}. Device: {device_type}. App version: {app_version}. Device id: {device_id}. They have the reference too; this message says nothing about anybody on purpose, and all of it is forgotten after 30 days."
    );
    let notice = Notice { subject: "Bookbag: a parent asks for help with the app".to_owned(), text };
    let support = ContactPoint::Email(tenant.school.contacts(&tenant.key)?.support().clone());
    let sent = app.tell(&tenant, &support, notice).await;
    settle::<SupportRequest>(app, at(), sent).await
}

async fn active(app: &App, school: SchoolId) -> Result<Option<Tenant>, WorkError> {
    match Tenant::load(&app.tables, &app.keyring, school).await {
        Ok(tenant) => Ok(Some(tenant)),
        Err(TenantError::NotActive) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes down that the mail is sent, before it is: a task that is delivered twice sends one. None when it was before, or when
/// there is nothing to tell of any more.
async fn claim<R: Record>(app: &App, at: key::Key) -> Result<Option<R>, WorkError> {
    let free = Condition::All(vec![Condition::Present, Condition::Missing("told_at")]);
    match app.tables.update::<R>(at, Update::new().set("told_at", time::now()), free).await {
        Ok(record) => Ok(Some(record)),
        Err(StoreError::Conflict) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What certainly was not sent is sent when the task comes again; what may have been is not.
async fn settle<R: Record>(app: &App, at: key::Key, sent: Result<(), SendError>) -> Result<(), WorkError> {
    match sent {
        Ok(()) => Ok(()),
        Err(error @ (SendError::Later | SendError::Refused)) => {
            app.tables.update::<R>(at, Update::new().remove("told_at"), Condition::Present).await?;
            Err(error.into())
        }
        Err(error @ (SendError::BadContact | SendError::InDoubt)) => {
            tracing::warn!(kind = R::KIND, %error, "a notice to a school may not have arrived");
            Ok(())
        }
    }
}
