//! What a parent asks of a school about themselves or a child they see, corrections among it. Nothing of it is written to the
//! directory: the school decides.

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Replay, Request, problem::Code},
    id::{PersonId, RequestId},
    person::Person,
    privacy::{
        agreement::Field,
        correction,
        request::{Details, Kind, MadeBy, SubjectRequest, read_note, speaks_for_themselves},
    },
    queue::Task,
    random,
    store::{
        key::{self, TableName},
        table::StoreError,
    },
    time,
    verify::{limit::Limit, session::Parent},
};

use crate::{
    App,
    view::{View, views},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRequest {
    kind: Kind,
    person_id: PersonId,
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCorrection {
    person_id: PersonId,
    field: Field,
    #[serde(deserialize_with = "Option::deserialize")]
    proposed: Option<String>,
    note: Option<String>,
}

/// `POST /v1/me/subject-requests`.
pub async fn create(app: &App, parent: &Parent, request: &Request) -> Result<Answer, ApiError> {
    let NewRequest { kind, person_id, note } = request.body()?;
    let note = note_of(note.as_deref())?;
    let details = |_: &View, _: &Person| Ok(Details { note: note.clone(), ..Details::default() });
    take(app, parent, request, (kind, person_id), details).await
}

/// `POST /v1/me/corrections`: what the school holds stays as it is, and in use, until the school has decided.
pub async fn correct(app: &App, parent: &Parent, request: &Request) -> Result<Answer, ApiError> {
    let NewCorrection { person_id, field, proposed, note } = request.body()?;
    let note = note_of(note.as_deref())?;
    let details = |view: &View, person: &Person| {
        let school = &view.tenant.school;
        let today = time::date_in(&school.time_zone, time::now());
        let proposed = correction::read(&school.agreement, person.role, field, proposed.as_deref(), today);
        let proposed = proposed.map_err(|fault| Problem::fields(vec![fault]))?;
        Ok(Details { field: Some(field), proposed, note: note.clone() })
    };
    take(app, parent, request, (Kind::Rectification, person_id), details).await
}

/// `GET /v1/me/subject-requests`: the parent's own, about whom they may see now.
pub async fn list(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
    let mut items = Vec::new();
    for view in views(app, parent).await? {
        let mine = key::requests_of(view.tenant.id(), view.contact_id);
        let keys = app.tables.find(TableName::Directory, &mine).await?;
        let keys = keys.into_iter().map(|key| (TableName::Directory, key)).collect();
        for item in app.tables.batch_get(keys).await? {
            let asked: SubjectRequest = item.read()?;
            if known(&view, asked.person_id).is_some() {
                items.push((asked.request_id, body(&view, &asked)?));
            }
        }
    }
    items.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    let items: Vec<_> = items.into_iter().map(|(_, body)| body).collect();
    Answer::json(200, json!({"items": items, "next_cursor": null}))
}

async fn take(
    app: &App,
    parent: &Parent,
    request: &Request,
    (kind, person_id): (Kind, PersonId),
    details: impl Fn(&View, &Person) -> Result<Details, Problem>,
) -> Result<Answer, ApiError> {
    let now = time::now();
    let account = parent.account.account_id.to_string();
    let replay = Replay::of(request, &account, &account, now)?;
    let views = views(app, parent).await?;
    if let Some(id) = replay.seen(&app.tables).await? {
        return again(app, &views, id.parse().map_err(ApiError::internal)?).await;
    }
    let (view, person) = views
        .iter()
        .find_map(|view| Some((view, known(view, person_id)?)))
        .ok_or_else(|| fault("/person_id", "not_yours", "ask about yourself or a child you see"))?;
    let details = details(view, person)?;
    if !Limit::RequestsPerAccount.take(&app.tables, &account, now).await? {
        return Err(Problem::new(Code::TooManyRequests, "That is much for one day. Go on tomorrow.").into());
    }
    let (school_id, request_id) = (view.tenant.id(), RequestId::new(now, &random::bytes()));
    let today = time::date_in(&view.tenant.school.time_zone, now);
    let asked = SubjectRequest {
        school_id,
        request_id,
        kind,
        person_id,
        made_by: MadeBy::Contact(view.contact_id),
        needs_authority: speaks_for_themselves(person, today),
        details: SubjectRequest::seal(&view.tenant.key, school_id, request_id, &details),
        received_on: today,
        steps: Vec::new(),
        told_at: None,
        version: 1,
    };
    let mut writes = asked.writes(&app.tables, now).await?;
    writes.extend(replay.write(&request_id.to_string())?);
    app.tables.transact(writes).await?;
    tell(app, &asked).await?;
    Answer::json(201, body(view, &asked)?)
}

/// A repeated request: the same answer. If the first one died before it told the school, this one does.
async fn again(app: &App, views: &[View], request_id: RequestId) -> Result<Answer, ApiError> {
    for view in views {
        let at = key::subject_request(view.tenant.id(), request_id);
        if let Some(asked) = app.tables.get::<SubjectRequest>(at).await? {
            tell(app, &asked).await?;
            return Answer::json(201, body(view, &asked)?);
        }
    }
    Err(StoreError::Conflict.into())
}

async fn tell(app: &App, asked: &SubjectRequest) -> Result<(), ApiError> {
    let SubjectRequest { school_id, request_id, told_at, .. } = *asked;
    if told_at.is_none() {
        let task = Task::TellOfRequest { school_id, request_id };
        app.queues.send(&app.send_queue, &school_id.to_string(), &[task]).await?;
    }
    Ok(())
}

/// The parent themselves or a child they see now.
fn known(view: &View, id: PersonId) -> Option<&Person> {
    if id == view.contact_id {
        return view.directory.person(id);
    }
    view.children().find_map(|(child, person)| (child == id).then_some(person))
}

fn note_of(note: Option<&str>) -> Result<Option<String>, Problem> {
    read_note(note).map_err(|(code, detail)| fault("/note", code, detail))
}

fn fault(pointer: &str, code: &'static str, detail: &str) -> Problem {
    Problem::fields(vec![FieldError::new(pointer, code, detail)])
}

fn body(view: &View, asked: &SubjectRequest) -> Result<Value, ApiError> {
    let details = asked.details(&view.tenant.key)?;
    let told = asked.steps.iter().rposition(|step| step.note.is_some());
    let answer = told.map(|step| asked.note(&view.tenant.key, step)).transpose()?.flatten();
    Ok(json!({
        "request_id": asked.request_id, "kind": asked.kind, "school_id": asked.school_id, "person_id": asked.person_id,
        "received_on": asked.received_on, "due_on": asked.due_on(), "status": asked.status(),
        "decision": asked.steps.last().map(|step| step.decision), "answer": answer,
        "field": details.field, "proposed": details.proposed, "note": details.note,
    }))
}
