//! What somebody has chosen, as the school sees it; and what they have chosen on paper.

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Request, Staff, problem::Code},
    id::{PersonId, SchoolId},
    message::audience::ways,
    person::{Person, store::Directory},
    privacy::consent::{By, Change, Choice, Consents, Register},
    school::Tenant,
    store::{key, table::Write},
    time,
};

use crate::App;

/// The most choices of one paper: far more than there are.
const MOST: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paper {
    version: u64,
    taken_on: Date,
    choices: Vec<Choice>,
}

/// `GET …/people/{person_id}/consents`: what is in force, and every change that led there.
pub async fn get(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let (_, directory, before) = find(app, request, school).await?;
    Answer::json(200, body(directory.person(before.person_id), &before))
}

/// `PUT …/people/{person_id}/consents`: what a paper says. What it does not name stays as it is.
pub async fn put(app: &App, request: &Request, staff: &Staff, school: SchoolId) -> Result<Answer, ApiError> {
    let paper: Paper = request.body()?;
    let (tenant, directory, before) = find(app, request, school).await?;
    let now = time::now();
    let fault = |pointer: &str, code, detail| FieldError::new(pointer, code, detail);
    let mut faults = Vec::new();
    if paper.taken_on > time::date_in(&tenant.school.time_zone, now) {
        faults.push(fault("/taken_on", "in_future", "write the day on the paper; this one is still to come"));
    }
    if paper.choices.len() > MOST {
        faults.push(fault("/choices", "too_long", "name each choice once"));
    }
    if !faults.is_empty() {
        return Err(Problem::fields(faults).into());
    }
    if paper.version != before.version {
        let detail = "These choices have changed since you looked at them. Read them again, then repeat.";
        return Err(Problem::new(Code::Conflict, detail).into());
    }
    let person = directory.person(before.person_id);
    let by = By::School { staff: staff.subject.clone(), taken_on: paper.taken_on };
    let after = before.decide(&paper.choices, &person.map(ways).unwrap_or_default(), &by, now);
    let after = after.map_err(|refused| {
        let fields = refused
            .into_iter()
            .map(|(place, (code, detail))| fault(&format!("/choices/{place}/allowed"), code, detail));
        Problem::fields(fields.collect())
    })?;
    if after.version != before.version {
        app.tables.transact(after.writes(before.version)?.into()).await?;
    }
    Answer::json(200, body(person, &after))
}

/// The writes by which one of two records that are one person gets what the other has chosen: an objection outlives the merge.
pub async fn join(
    app: &App,
    school: SchoolId,
    kept: PersonId,
    other: PersonId,
) -> Result<Vec<Write>, ApiError> {
    let register = Register::pick(&app.tables, school, [kept, other]).await?;
    let Some(of_other) = register.of(other) else { return Ok(Vec::new()) };
    let before = register.of(kept).cloned().unwrap_or_else(|| Consents::none(school, kept));
    Ok(before.joined(of_other).writes(before.version)?.into())
}

async fn find(
    app: &App,
    request: &Request,
    school: SchoolId,
) -> Result<(Tenant, Directory, Consents), ApiError> {
    let person_id: PersonId = request.path("person_id")?;
    let tenant = app.tenant(school).await?;
    let directory = Directory::pick(&app.tables, &tenant, &[person_id], &[]).await?;
    directory.person(person_id).ok_or_else(Problem::not_found)?;
    let stored = app.tables.get(key::consents(school, person_id)).await?;
    Ok((tenant, directory, stored.unwrap_or_else(|| Consents::none(school, person_id))))
}

fn body(person: Option<&Person>, consents: &Consents) -> Value {
    let changes: Vec<_> = consents.changes.iter().map(change).collect();
    json!({
        "person_id": consents.person_id, "version": consents.version,
        "choices": consents.rows(&person.map(ways).unwrap_or_default()), "changes": changes,
    })
}

fn change(change: &Change) -> Value {
    let by = match &change.by {
        By::Parent => json!("parent"),
        By::Request { request_id } => json!({"request_id": request_id}),
        By::School { staff, taken_on } => json!({"staff": staff, "taken_on": taken_on}),
    };
    json!({
        "purpose": change.purpose, "channel": change.channel, "allowed": change.allowed, "at": time::rfc3339(change.at), "by": by,
        "wording": change.wording,
    })
}
