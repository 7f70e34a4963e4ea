//! A parent's own account and sessions.

use serde_json::json;
use shared::{
    http::{Answer, ApiError},
    store::{
        key::{self, TableName},
        table::Condition,
    },
    time,
    verify::session::Parent,
};

use crate::{App, view::views};

/// `GET /v1/me`.
pub async fn me(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
    let views = views(app, parent).await?;
    let schools: Vec<_> = views
        .iter()
        .map(|view| json!({"school_id": view.tenant.id(), "name": view.tenant.school.name}))
        .collect();
    let instant = |seconds| jiff::Timestamp::from_second(seconds).map(time::rfc3339).unwrap_or_default();
    let (account, session) = (&parent.account, &parent.session);
    Answer::json(
        200,
        json!({"account_id": account.account_id, "created_at": instant(account.created), "session_expires_at": instant(session.expires), "schools": schools}),
    )
}

/// `DELETE /v1/sessions/current`: the token stops working with this request.
pub async fn sign_out(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
    app.tables.delete(TableName::Access, key::session(&parent.session.token_hash), Condition::Always).await?;
    Ok(Answer::empty())
}
