//! What people ask under data protection law: recorded, seen, decided.

use jiff::{ToSpan, civil::Date};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Replay, Request, Staff, problem::Code},
    id::{PersonId, RequestId, SchoolId},
    person::{Role, store::Directory},
    privacy::request::{
        Decision, Details, Kind, MadeBy, Refusal, SubjectRequest, read_note, speaks_for_themselves,
    },
    queue::Task,
    random,
    school::Tenant,
    store::{
        key::{self, TableName},
        table::{Condition, Update, value},
    },
    time,
};

use crate::{App, apart};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRequest {
    kind: Kind,
    person_id: PersonId,
    on_behalf: Option<PersonId>,
    received_on: Option<Date>,
    note: Option<String>,
}

/// `POST …/subject-requests`: what came by letter or word of mouth, from anybody, a pupil too.
pub async fn create(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    let given: NewRequest = request.body()?;
    let now = time::now();
    let tenant = app.tenant(school).await?;
    let replay = Replay::of(request, &staff.subject, &school.to_string(), now)?;
    if let Some(id) = replay.seen(&app.tables).await? {
        let at = key::subject_request(school, id.parse().map_err(ApiError::internal)?);
        let asked: SubjectRequest = app.tables.get(at).await?.ok_or_else(Problem::not_found)?;
        tell(app, &asked).await?;
        return Answer::json(201, body(&tenant, &asked)?);
    }
    let today = time::date_in(&tenant.school.time_zone, now);
    let people: Vec<_> = std::iter::once(given.person_id).chain(given.on_behalf).collect();
    let directory = Directory::pick(&app.tables, &tenant, &people, &[]).await?;
    let note = check(&given, &directory, today).map_err(Problem::fields)?;
    apart::refuse(app, staff, school, &people).await?;
    let request_id = RequestId::new(now, &random::bytes());
    let details = Details { note, ..Details::default() };
    let speaks = directory.person(given.person_id).is_some_and(|person| speaks_for_themselves(person, today));
    let asked = SubjectRequest {
        school_id: school,
        request_id,
        kind: given.kind,
        person_id: given.person_id,
        needs_authority: speaks && given.on_behalf.is_some(),
        made_by: MadeBy::Staff { staff: staff.subject.clone(), on_behalf: given.on_behalf },
        details: SubjectRequest::seal(&tenant.key, school, request_id, &details),
        received_on: given.received_on.unwrap_or(today),
        steps: Vec::new(),
        told_at: None,
        version: 1,
    };
    let mut writes = asked.writes(&app.tables, now).await?;
    writes.extend(replay.write(&request_id.to_string())?);
    app.tables.transact(writes).await?;
    tell(app, &asked).await?;
    Answer::json(201, body(&tenant, &asked)?)
}

fn check(given: &NewRequest, directory: &Directory, today: Date) -> Result<Option<String>, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut fault = |pointer, code, detail| errors.push(FieldError::new(pointer, code, detail));
    if directory.person(given.person_id).is_none() {
        fault("/person_id", "unknown", "there is nobody of this id at the school");
    }
    if let Some(asker) = given.on_behalf {
        let is_contact = directory.person(asker).is_some_and(|person| person.role == Role::Contact);
        if !is_contact || asker == given.person_id {
            fault("/on_behalf", "unknown", "name the contact who asks for somebody else, or leave it out");
        }
    }
    if given.received_on.is_some_and(|day| day > today || day < today.saturating_sub(1.year())) {
        fault("/received_on", "out_of_range", "write the day on which it came, of the last year");
    }
    let note = read_note(given.note.as_deref());
    if let Err((code, detail)) = note {
        fault("/note", code, detail);
    }
    if errors.is_empty() { Ok(note.unwrap_or_default()) } else { Err(errors) }
}

async fn tell(app: &App, asked: &SubjectRequest) -> Result<(), ApiError> {
    let SubjectRequest { school_id, request_id, told_at, .. } = *asked;
    if told_at.is_none() {
        let task = Task::TellOfRequest { school_id, request_id };
        app.queues.send(&app.notice_queue, &school_id.to_string(), &[task]).await?;
    }
    Ok(())
}

/// `GET …/subject-requests`, the newest first; without those about whoever is kept from the one who looks.
pub async fn list(app: &App, request: &Request, staff: &Staff, school: SchoolId) -> Result<Answer, ApiError> {
    let status = request.query("status");
    if status.is_some_and(|status| status != "open" && status != "closed") {
        return Err(Problem::query("status", "status in the query is open or closed").into());
    }
    let (size, before) = (request.page_size()?, request.cursor::<RequestId>()?);
    let tenant = app.tenant(school).await?;
    let partition = key::school_partition(school);
    let items = app.tables.query(TableName::Directory, &partition, key::SUBJECT_REQUESTS).await?;
    let all = items.into_iter().rev().map(|item| item.read()).collect::<Result<Vec<SubjectRequest>, _>>()?;
    let kept = apart::kept(app, staff, &tenant).await?;
    let mut wanted = all.iter().filter(|asked| {
        before.is_none_or(|before| asked.request_id < before)
            && status.is_none_or(|status| status == asked.status())
            && !asked.people().any(|person| kept.has(person))
    });
    let page: Vec<_> = wanted.by_ref().take(size).collect();
    let next_cursor = wanted.next().and(page.last()).map(|asked| asked.request_id);
    let items = page.into_iter().map(|asked| body(&tenant, asked)).collect::<Result<Vec<_>, _>>()?;
    Answer::json(200, json!({"items": items, "next_cursor": next_cursor}))
}

/// `GET …/subject-requests/{request_id}`.
pub async fn get(app: &App, request: &Request, staff: &Staff, school: SchoolId) -> Result<Answer, ApiError> {
    let (tenant, asked) = find(app, request, staff, school).await?;
    Answer::json(200, body(&tenant, &asked)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDecision {
    decision: Decision,
    note: Option<String>,
    version: u64,
}

/// `POST …/subject-requests/{request_id}/decision`. What a correction proposes is written by changing the person, by hand.
pub async fn decide(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    let given: NewDecision = request.body()?;
    let fault = |pointer: &str, code, detail| Problem::fields(vec![FieldError::new(pointer, code, detail)]);
    let note = read_note(given.note.as_deref()).map_err(|(code, detail)| fault("/note", code, detail))?;
    let (tenant, asked) = find(app, request, staff, school).await?;
    if given.version != asked.version {
        let detail = "This has changed since you looked at it. Read it again, then repeat.";
        return Err(Problem::new(Code::Conflict, detail).into());
    }
    let now = time::now();
    let today = time::date_in(&tenant.school.time_zone, now);
    let decision = (given.decision, note.as_deref());
    let after =
        asked.decide(&tenant.key, decision, &staff.subject, (now, today)).map_err(
            |refusal| match refusal {
                Refusal::Closed => Problem::new(Code::Conflict, "This request is closed. Record a new one."),
                Refusal::Repeated => Problem::new(Code::Conflict, "This has been said already."),
                Refusal::Complaint => {
                    fault("/decision", "complaint", "a complaint is acknowledged and answered, not put off")
                }
                Refusal::TooLate => fault(
                    "/decision",
                    "too_late",
                    "more time is taken before the answer is due; answer what there is",
                ),
                Refusal::NoReason => fault("/note", "required", "tell the asker why"),
            },
        )?;
    let update = Update::new().set("steps", &after.steps).set("version", after.version);
    let same = Condition::Is("version", value(asked.version));
    let after = app.tables.update(key::subject_request(school, asked.request_id), update, same).await?;
    Answer::json(200, body(&tenant, &after)?)
}

async fn find(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<(Tenant, SubjectRequest), ApiError> {
    let request_id: RequestId = request.path("request_id")?;
    let tenant = app.tenant(school).await?;
    let asked: Option<SubjectRequest> = app.tables.get(key::subject_request(school, request_id)).await?;
    let asked = asked.ok_or_else(Problem::not_found)?;
    apart::refuse(app, staff, school, &asked.people().collect::<Vec<_>>()).await?;
    Ok((tenant, asked))
}

fn body(tenant: &Tenant, asked: &SubjectRequest) -> Result<Value, ApiError> {
    let details = asked.details(&tenant.key)?;
    let steps = asked.steps.iter().enumerate().map(|(place, step)| {
        Ok(json!({
            "decision": step.decision, "at": time::rfc3339(step.at), "by": {"staff": step.staff}, "note": asked.note(&tenant.key, place)?,
        }))
    });
    let steps = steps.collect::<Result<Vec<_>, ApiError>>()?;
    let made_by = match &asked.made_by {
        MadeBy::Contact(contact) => json!({"contact_id": contact}),
        MadeBy::Staff { staff, on_behalf } => json!({"staff": staff, "on_behalf": on_behalf}),
    };
    Ok(json!({
        "request_id": asked.request_id, "kind": asked.kind, "person_id": asked.person_id, "made_by": made_by,
        "needs_authority": asked.needs_authority, "received_on": asked.received_on, "aim_on": asked.aim_on(), "due_on": asked.due_on(),
        "status": asked.status(), "field": details.field, "proposed": details.proposed, "note": details.note, "steps": steps,
        "version": asked.version,
    }))
}
