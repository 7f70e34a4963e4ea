//! The children of a parent.

use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, Problem, Request},
    id::PersonId,
    person::Person,
    school::Tenant,
    verify::session::Parent,
};

use crate::{App, view::views};

/// `GET /v1/me/children`.
pub async fn list(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
    let views = views(app, parent).await?;
    let items: Vec<_> = views
        .iter()
        .flat_map(|view| view.children().map(|(id, person)| body(&view.tenant, id, person)))
        .collect();
    Answer::json(200, json!({"items": items, "next_cursor": null}))
}

/// `GET /v1/me/children/{person_id}`: somebody else's child is answered like one that does not exist.
pub async fn get(app: &App, parent: &Parent, request: &Request) -> Result<Answer, ApiError> {
    let wanted: PersonId = request.path("person_id")?;
    let views = views(app, parent).await?;
    let found = views.iter().find_map(|view| {
        view.children().find(|(id, _)| *id == wanted).map(|(id, person)| body(&view.tenant, id, person))
    });
    Answer::json(200, found.ok_or_else(Problem::not_found)?)
}

fn body(tenant: &Tenant, id: PersonId, person: &Person) -> Value {
    let name = person.called();
    json!({
        "person_id": id, "school_id": tenant.id(), "school_name": tenant.school.name, "given_name": name.given(), "family_name": name.family(),
        "year_group": person.year_group, "class": person.class,
    })
}
