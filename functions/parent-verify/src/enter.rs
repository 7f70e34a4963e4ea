//! Turning a code into a session.

use serde::Deserialize;
use serde_json::json;
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Request, problem::Code},
    id::{AccountId, SessionId, VerificationId},
    person::{guardianship::Link, store::Directory, suppression},
    queue::Task,
    random,
    school::{Tenant, TenantError},
    seal::{DataKey, Domain, SealError},
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, Update, Write, value},
    },
    time,
    verify::{
        account::{AcceptedNotice, Account, AccountOf, ContactPoint, Joined, Proof, join},
        code,
        session::{self, Parent, Proved, Session},
        store::{Verification, group},
    },
};

use crate::App;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    code: String,
    /// The version of the privacy notice that the parent has just accepted, if there was one to accept.
    #[serde(default)]
    privacy_notice: Option<String>,
}

/// The one answer to every code that opens nothing.
fn wrong() -> ApiError {
    Problem::new(Code::Unauthorised, "The code is wrong, used or too old. Ask for a new one.").into()
}

/// `POST /v1/verifications/{verification_id}/code`: a session, or one and the same 401 whatever was wrong. Only what cannot be a code
/// at all is told, to everybody alike and before anything is looked up.
pub async fn enter(app: &App, request: &Request) -> Result<Answer, ApiError> {
    let now = time::now();
    let body: CodeBody = request.body()?;
    if body.privacy_notice.as_ref().is_some_and(|version| *version != app.privacy_notice) {
        let detail = "another version of the privacy notice is in force: show that one";
        return Err(Problem::fields(vec![FieldError::new("/privacy_notice", "outdated", detail)]).into());
    }
    let given = code::read(&body.code).ok_or_else(|| {
        let detail = "write the 8 digits of the code, such as 1234 5678";
        Problem::fields(vec![FieldError::new("/code", "invalid", detail)])
    })?;
    let id: VerificationId = request.path("verification_id").map_err(|_| wrong())?;
    let accounts = match app.keyring.key(Domain::Accounts).await {
        Ok(accounts) => accounts,
        Err(SealError::NoKey) => return Err(wrong()),
        Err(error) => return Err(error.into()),
    };
    // The attempt is taken before the code is compared: a thousand at once share the same three.
    let update = Update::new().add("attempts_left", -1);
    let left = Condition::Above("attempts_left", value(0));
    let verification = match app.tables.update::<Verification>(key::verification(id), update, left).await {
        Ok(verification) => verification,
        Err(StoreError::Conflict) => return Err(wrong()),
        Err(error) => return Err(error.into()),
    };
    if !code::accepts(&verification, &accounts, &given, now) {
        return Err(wrong());
    }
    let (proof, proved) = proof(app, &verification, &accounts, now).await?.ok_or_else(wrong)?;
    let contact = proof.contact();
    let mut joined = match verification.account_id {
        None => claimed(app, request, proof, now).await?,
        Some(account) => signed_in(app, account, proof, now).await?.ok_or_else(wrong)?,
    };
    let account = &mut joined.account.0;
    if let Some(version) = body.privacy_notice {
        account.notice = Some(AcceptedNotice { version, at: now.as_second() });
    }
    let notice = account.notice.as_ref().is_some_and(|notice| notice.version == app.privacy_notice);
    let account_id = account.account_id;
    let token = session::token(random::bytes());
    let device = session::device(request.header("user-agent").unwrap_or_default());
    let session_id = SessionId::new(now, &random::bytes());
    let (session, known) = Session::begin(account_id, session_id, &token, &device, proved, now);
    let used = Update::new()
        .set("used", true)
        .set("account_id", account_id)
        .set("session_id", session_id)
        .set("linked", joined.is_linked);
    let unused = Condition::All(vec![
        Condition::Is("used", value(false)),
        Condition::Is("code_hash", value(&verification.code_hash)),
    ]);
    let mut writes = vec![
        Write::update(TableName::Access, key::verification(id), used, unused),
        Write::put(&session, Condition::Absent)?,
        Write::put(&known, Condition::Absent)?,
    ];
    writes.extend(joined.writes(contact)?);
    match app.tables.transact(writes).await {
        Ok(()) => {}
        // Used meanwhile; or another request changed the account: then the code still works.
        Err(StoreError::Conflict) => return Err(wrong()),
        Err(error) => return Err(error.into()),
    }
    let task = Task::TellParents { verification_id: id };
    if let Err(error) = app.queues.send(&app.send_queue, &group(id), &[task]).await {
        // The code is used and the session begun: the parent comes in all the same.
        tracing::error!(verification = %id, %error, "those who should know of a new session are not told");
    }
    Answer::json(
        201,
        json!({
            "session_token": token, "session_id": session_id, "expires_at": instant(session.expires),
            "privacy_notice": {"version": app.privacy_notice, "accepted": notice},
        }),
    )
}

/// The account that a claim leads to.
async fn claimed(
    app: &App,
    request: &Request,
    proof: Proof,
    now: jiff::Timestamp,
) -> Result<Joined, ApiError> {
    let parent = Parent::read(&app.tables, request, now).await?;
    let of: Option<AccountOf> = app.tables.get(key::account_of(proof.school_id, proof.contact_id)).await?;
    let holder: Option<Account> = match of {
        Some(of) => app.tables.get(key::account(of.account_id)).await?,
        None => None,
    };
    // One that says no longer that it holds this contact has lost it.
    let holder = holder.filter(|account| account.contacts().contains(&proof.contact()));
    let new = AccountId::new(now, &random::bytes());
    Ok(join(parent.as_ref().map(|parent| &parent.account), holder.as_ref(), proof, new, now))
}

/// The account of somebody who signs in again, if it still stands for the contact.
async fn signed_in(
    app: &App,
    account: AccountId,
    proof: Proof,
    now: jiff::Timestamp,
) -> Result<Option<Joined>, ApiError> {
    let account: Option<Account> = app.tables.get(key::account(account)).await?;
    let account = account.filter(|account| account.contacts().contains(&proof.contact()));
    Ok(account.map(|account| join(Some(&account), None, proof, account.account_id, now)))
}

/// What the code has proved, if all still is as it was when it was sent: the contact point, and the right that the claim rests on.
async fn proof(
    app: &App,
    verification: &Verification,
    accounts: &DataKey,
    now: jiff::Timestamp,
) -> Result<Option<(Proof, Proved)>, ApiError> {
    let (Some(school_id), Some(contact_id), Some(channel), Some(point)) =
        (verification.school_id, verification.contact_id, verification.channel, &verification.point)
    else {
        return Ok(None);
    };
    let tenant = match Tenant::load(&app.tables, &app.keyring, school_id).await {
        Ok(tenant) => tenant,
        Err(TenantError::NotActive) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let people: Vec<_> = [contact_id].into_iter().chain(verification.pupil_id).collect();
    let links: Vec<_> = verification.pupil_id.map(|pupil| (pupil, contact_id)).into_iter().collect();
    let directory = Directory::pick(&app.tables, &tenant, &people, &links).await?;
    let registered = directory
        .person(contact_id)
        .filter(|contact| !contact.deceased)
        .and_then(|contact| ContactPoint::of(contact, channel))
        .filter(|registered| registered.blind(accounts) == *point);
    let allowed = verification.pupil_id.is_none_or(|pupil| {
        directory.person(pupil).is_some()
            && directory.link(pupil, contact_id).is_some_and(Link::may_hold_account)
    });
    Ok(registered.filter(|_| allowed).map(|registered| {
        let proof =
            Proof { school_id, contact_id, channel, point: point.clone(), proved_at: now.as_second() };
        (proof, Proved { school_id, point: suppression::hash(&tenant.key, registered.expose()) })
    }))
}

fn instant(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(time::rfc3339).unwrap_or_default()
}
