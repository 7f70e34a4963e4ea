//! What a parent wants to hear from each school, and by which way.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Request, problem::Code},
    id::PersonId,
    message::audience::ways,
    privacy::consent::{By, Choice, Consents, WORDING, WORDING_VERSION},
    store::key,
    time,
    verify::session::Parent,
};

use crate::{
    App,
    view::{View, views},
};

/// Schools and choices in one request: far more than anybody has.
const MOST: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPreferences {
    wording: Option<String>,
    items: Vec<NewChoices>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewChoices {
    person_id: PersonId,
    version: u64,
    choices: Vec<Choice>,
}

/// `GET /v1/me/preferences`.
pub async fn get(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
    let mut items = Vec::new();
    for view in views(app, parent).await? {
        items.push(body(&view, &load(app, &view).await?));
    }
    Answer::json(200, told(&items))
}

/// `PUT /v1/me/preferences`: at one school or several, all of it or nothing. Messages that are on their way are held to it too.
pub async fn put(app: &App, parent: &Parent, request: &Request) -> Result<Answer, ApiError> {
    let given: NewPreferences = request.body()?;
    refuse_too_many(&given)?;
    let now = time::now();
    let (mut items, mut writes, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for view in views(app, parent).await? {
        let before = load(app, &view).await?;
        let Some(place) = given.items.iter().position(|wanted| wanted.person_id == view.contact_id) else {
            items.push(body(&view, &before));
            continue;
        };
        let wanted = &given.items[place];
        if wanted.version != before.version {
            let detail = "Your choices have changed since you looked at them. Read them again, then repeat.";
            return Err(Problem::new(Code::Conflict, detail).into());
        }
        if before.gives_consent(&wanted.choices) && given.wording.as_deref() != Some(WORDING_VERSION) {
            let detail =
                "a consent is given to a text: show the one of GET /v1/me/preferences and send its version";
            faults.push(FieldError::new("/wording", "wording_changed", detail));
        }
        match before.decide(&wanted.choices, &usable(&view), &By::Parent, now) {
            Ok(after) => {
                if after.version != before.version {
                    writes.extend(after.writes(before.version)?);
                }
                items.push(body(&view, &after));
            }
            Err(refused) => faults.extend(refused.into_iter().map(|(choice, (code, detail))| {
                FieldError::new(format!("/items/{place}/choices/{choice}/allowed"), code, detail)
            })),
        }
    }
    let mine: BTreeSet<_> = items.iter().filter_map(|item| item["person_id"].as_str()).collect();
    let unknown = given
        .items
        .iter()
        .enumerate()
        .filter(|(_, item)| !mine.contains(item.person_id.to_string().as_str()));
    if faults.is_empty() {
        faults.extend(unknown.map(|(place, _)| {
            let detail = "name yourself as GET /v1/me/preferences does";
            FieldError::new(format!("/items/{place}/person_id"), "not_you", detail)
        }));
    }
    if !faults.is_empty() {
        return Err(Problem::fields(faults).into());
    }
    if !writes.is_empty() {
        app.tables.transact(writes).await?;
    }
    Answer::json(200, told(&items))
}

fn refuse_too_many(given: &NewPreferences) -> Result<(), Problem> {
    let people: BTreeSet<_> = given.items.iter().map(|item| item.person_id).collect();
    let detail = "name each of your schools once, and each choice once";
    if people.len() < given.items.len() {
        return Err(Problem::fields(vec![FieldError::new("/items", "repeated", detail)]));
    }
    if people.len() > MOST || given.items.iter().any(|item| item.choices.len() > MOST) {
        return Err(Problem::fields(vec![FieldError::new("/items", "too_long", detail)]));
    }
    Ok(())
}

async fn load(app: &App, view: &View) -> Result<Consents, ApiError> {
    let school = view.tenant.id();
    let stored = app.tables.get(key::consents(school, view.contact_id)).await?;
    Ok(stored.unwrap_or_else(|| Consents::none(school, view.contact_id)))
}

fn usable(view: &View) -> Vec<shared::channel::Channel> {
    view.directory.person(view.contact_id).map(ways).unwrap_or_default()
}

fn body(view: &View, consents: &Consents) -> Value {
    let school = &view.tenant.school;
    json!({
        "school_id": school.school_id, "school_name": school.name, "person_id": view.contact_id, "version": consents.version,
        "choices": consents.rows(&usable(view)),
    })
}

fn told(items: &[Value]) -> Value {
    json!({"wording": {"version": WORDING_VERSION, "text": WORDING}, "items": items, "next_cursor": null})
}
