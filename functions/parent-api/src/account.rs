//! A parent's own account and sessions.

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Request},
    id::SessionId,
    store::{
        key::{self, TableName},
        table::{TRANSACTION_ITEMS, Write},
    },
    time,
    verify::{
        account::Account,
        session::{self, Parent, Session},
    },
};

use crate::{
    App,
    view::{refuse_shut, views},
};

/// For how long a session that began on another device is told to the older ones.
const NEW_SESSION_TOLD: jiff::SignedDuration = time::days(7);

/// `GET /v1/me`.
pub async fn me(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
    let now = time::now();
    let views = views(app, parent).await?;
    let schools: Vec<_> = views
        .iter()
        .map(|view| json!({"school_id": view.tenant.id(), "name": view.tenant.school.name}))
        .collect();
    let (account, mine) = (&parent.account, &parent.session);
    let since = (now - NEW_SESSION_TOLD).as_second();
    let sessions = session::of_account(&app.tables, account.account_id, now).await?;
    let newer =
        // Ids sort by the millisecond: two in one second are told apart.
        sessions.iter().filter(|session| session.session_id > mine.session_id && session.created > since);
    let notice = account.notice.as_ref();
    let notice = notice.map(|notice| json!({"version": notice.version, "accepted_at": instant(notice.at)}));
    Answer::json(
        200,
        json!({
            "account_id": account.account_id, "created_at": instant(account.created),
            "session_id": mine.session_id, "session_expires_at": instant(mine.expires), "schools": schools,
            "new_sessions": newer.map(|session| body(session, mine)).collect::<Vec<_>>(),
            "privacy_notice": {"version": app.privacy_notice, "accepted": notice},
        }),
    )
}

/// `DELETE /v1/me`: the account, its sessions and whatever leads to it. What the school holds of its contacts is the school's.
pub async fn delete(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
    refuse_shut(app, parent).await?;
    let account = &parent.account;
    let nothing = Account { proofs: Vec::new(), ..account.clone() };
    // The account first: with it, every session ends. The rest leads nowhere from then on.
    let mut writes = nothing.write(Some(account.rev))?;
    writes.extend(account.unlink(&nothing));
    app.tables.transact(writes).await?;
    forget_all(app, parent).await?;
    Ok(Answer::empty())
}

/// `GET /v1/me/sessions`.
pub async fn sessions(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
    let sessions = session::of_account(&app.tables, parent.account.account_id, time::now()).await?;
    let items: Vec<_> = sessions.iter().map(|session| body(session, &parent.session)).collect();
    Answer::json(200, json!({"items": items, "next_cursor": null}))
}

/// `DELETE /v1/me/sessions/{session_id}`: its token opens nothing from this request on.
pub async fn revoke(app: &App, parent: &Parent, request: &Request) -> Result<Answer, ApiError> {
    refuse_shut(app, parent).await?;
    let wanted: SessionId = request.path("session_id")?;
    let found: Option<Session> = app.tables.get(key::session(parent.account.account_id, wanted)).await?;
    app.tables.transact(found.ok_or_else(Problem::not_found)?.revoke()).await?;
    Ok(Answer::empty())
}

/// `DELETE /v1/me/sessions`: all of them, this one too.
pub async fn revoke_all(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
    refuse_shut(app, parent).await?;
    forget_all(app, parent).await?;
    Ok(Answer::empty())
}

/// `DELETE /v1/sessions/current`: the token stops working with this request; the device stays known.
pub async fn sign_out(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
    app.tables.transact(parent.session.end()).await?;
    Ok(Answer::empty())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoticeBody {
    version: String,
}

/// `PUT /v1/me/privacy-notice`: the version that the parent was shown and accepts.
pub async fn accept_notice(app: &App, parent: &Parent, request: &Request) -> Result<Answer, ApiError> {
    let body: NoticeBody = request.body()?;
    if body.version != app.privacy_notice {
        let detail = "another version of the privacy notice is in force: show that one";
        return Err(Problem::fields(vec![FieldError::new("/version", "outdated", detail)]).into());
    }
    let accepted = Account::accept_notice(parent.account.account_id, &body.version, time::now());
    app.tables.transact(vec![accepted]).await?;
    Ok(Answer::empty())
}

/// Ends every session of an account, the calling one last: whoever is interrupted can repeat it.
async fn forget_all(app: &App, parent: &Parent) -> Result<(), ApiError> {
    let partition = key::account(parent.account.account_id).pk;
    let items = app.tables.query(TableName::Access, &partition, key::SESSIONS).await?;
    let mut sessions = items.into_iter().map(|item| item.read::<Session>()).collect::<Result<Vec<_>, _>>()?;
    sessions.sort_by_key(|session| session.session_id == parent.session.session_id);
    let writes: Vec<Write> = sessions.iter().flat_map(Session::revoke).collect();
    for some in writes.chunks(TRANSACTION_ITEMS) {
        app.tables.transact(some.to_vec()).await?;
    }
    Ok(())
}

fn body(session: &Session, mine: &Session) -> Value {
    json!({
        "session_id": session.session_id, "device": session.device, "created_at": instant(session.created),
        "last_used_at": instant(session.last_used), "expires_at": instant(session.expires),
        "current": session.session_id == mine.session_id, "push": session.push.as_ref().map(|push| push.platform),
    })
}

fn instant(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(time::rfc3339).unwrap_or_default()
}
