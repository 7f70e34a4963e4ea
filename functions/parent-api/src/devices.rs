//! Where a parent's device is notified.

use serde::Deserialize;
use serde_json::json;
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Request},
    privacy::retention::DataClass,
    seal::Domain,
    store::key,
    time,
    verify::{
        push::{self, Platform, Push, PushHolder},
        session::{Parent, Session},
    },
};

use crate::App;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDevice {
    platform: Platform,
    token: String,
}

/// `POST /v1/me/devices`: this session's device is notified there, in place of wherever it was before.
pub async fn register(app: &App, parent: &Parent, request: &Request) -> Result<Answer, ApiError> {
    let NewDevice { platform, token } = request.body()?;
    if !push::is_token(&token) {
        let detail = "send the token as the device's service gave it, of 32 to 512 letters";
        return Err(Problem::fields(vec![FieldError::new("/token", "invalid", detail)]).into());
    }
    let session = &parent.session;
    let accounts = app.keyring.key(Domain::Accounts).await?;
    let push = Push::new(&accounts, session, platform, &token);
    let holder: Option<PushHolder> = app.tables.get(key::push_holder(&push.blind)).await?;
    let holds = holder.as_ref().is_some_and(|holder| holder.session_id == session.session_id);
    let is_known =
        session.push.as_ref().is_some_and(|known| known.blind == push.blind && known.platform == platform);
    if !(holds && is_known) {
        let other: Option<Session> = match &holder {
            Some(holder) => app.tables.get(key::session(holder.account_id, holder.session_id)).await?,
            None => None,
        };
        let expires = (time::now() + DataClass::KnownDevice.period()).as_second();
        let writes = push::take_over(session, &push, holder.as_ref(), other.as_ref(), expires)?;
        app.tables.transact(writes).await?;
    }
    Answer::json(201, json!({"session_id": session.session_id, "platform": platform}))
}
