//! What a parent sees: own children, unrestricted, as the school's data stands at this moment.
//!
//! Nothing about rights is kept with the account: every request reads the links again, so that a right that was taken away
//! ends with the next request.

use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use serde_json::{Value, json};
use shared::{
    app::Cloud,
    config::ConfigError,
    http::{Answer, ApiError, Problem, Request, request},
    id::{PersonId, SchoolId},
    person::{Person, guardianship::Link, store::Directory},
    school::{Tenant, TenantError},
    seal::Keyring,
    store::{
        key::{self, TableName},
        table::{Condition, Tables},
    },
    time,
    verify::session::Parent,
};

/// How long a pupil who left every list is still shown: a bad export is usually mended within days.
const GRACE_DAYS: i64 = 7;

/// What the function was given.
#[derive(Debug)]
pub struct App {
    tables: Tables,
    keyring: Arc<Keyring>,
}

impl App {
    /// From the environment. Makes no call.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let cloud = Cloud::connect().await;
        let tables = cloud.tables(&[TableName::Directory, TableName::Access, TableName::Keys])?;
        Ok(Self { keyring: cloud.keyring(&tables)?, tables })
    }
}

/// Answers one request.
pub async fn handle(app: &App, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
    let request = Request::new(event);
    request::answer(&request.request_id, async {
        let parent = Parent::from_request(&app.tables, &request, time::now()).await?;
        match request.route.as_str() {
            "GET /v1/me" => me(app, &parent).await,
            "GET /v1/me/children" => children(app, &parent).await,
            "GET /v1/me/children/{person_id}" => child(app, &parent, &request).await,
            "DELETE /v1/sessions/current" => sign_out(app, &parent).await,
            _ => Err(Problem::not_found().into()),
        }
    })
    .await
}

/// One contact of one school that the parent has shown to be, with the children seen through it.
struct View {
    tenant: Tenant,
    contact_id: PersonId,
    directory: Directory,
}

impl View {
    /// The children that this contact may see now.
    fn children(&self) -> impl Iterator<Item = (PersonId, &Person)> {
        let now = time::now();
        let limit = now - time::days(GRACE_DAYS);
        let today = time::date_in(&self.tenant.school.time_zone, now);
        let mine = |(pupil, contact, link): (PersonId, PersonId, &Link)| {
            (contact == self.contact_id && link.may_hold_account()).then_some(pupil)
        };
        self.directory
            .visible_links()
            .filter_map(mine)
            .filter_map(|pupil| Some((pupil, self.directory.person(pupil)?)))
            .filter(move |(_, person)| person.missing_since.is_none_or(|since| since > limit))
            // Of who has left, from the next day on; of who has died, at once: no reminder.
            .filter(move |(_, person)| !person.deceased && person.leaves_on.is_none_or(|last| today <= last))
    }
}

/// What the parent may see at this moment. A school whose contract has ended shows nothing.
async fn views(app: &App, parent: &Parent) -> Result<Vec<View>, ApiError> {
    let mut views = Vec::new();
    for (school, contact) in &parent.account.contacts {
        let tenant = match Tenant::load(&app.tables, &app.keyring, *school).await {
            Ok(tenant) => tenant,
            Err(TenantError::NotActive) => continue,
            Err(error) => return Err(error.into()),
        };
        if let Some(view) = view(app, tenant, *school, *contact).await? {
            views.push(view);
        }
    }
    Ok(views)
}

async fn view(
    app: &App,
    tenant: Tenant,
    school: SchoolId,
    contact_id: PersonId,
) -> Result<Option<View>, ApiError> {
    let links: Vec<_> = app
        .tables
        .find(TableName::Directory, &key::contact_reference(school, contact_id))
        .await?
        .iter()
        .filter_map(|key| key::read_link(&key.sk))
        .collect();
    let mut people: Vec<_> = links.iter().map(|(pupil, _)| *pupil).collect();
    people.push(contact_id);
    // The index only says where to look: rights are read from the links themselves, strongly consistent.
    let directory = Directory::pick(&app.tables, &tenant, &people, &links).await?;
    // Whoever has died signs in no more: somebody else holds the telephone.
    let is_alive = directory.person(contact_id).is_some_and(|contact| !contact.deceased);
    Ok(is_alive.then_some(View { tenant, contact_id, directory }))
}

/// `GET /v1/me`.
async fn me(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
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

/// `GET /v1/me/children`.
async fn children(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
    let views = views(app, parent).await?;
    let items: Vec<_> = views
        .iter()
        .flat_map(|view| view.children().map(|(id, person)| body(&view.tenant, id, person)))
        .collect();
    Answer::json(200, json!({"items": items, "next_cursor": null}))
}

/// `GET /v1/me/children/{person_id}`: somebody else's child is answered like one that does not exist.
async fn child(app: &App, parent: &Parent, request: &Request) -> Result<Answer, ApiError> {
    let wanted: PersonId = request.path("person_id")?;
    let views = views(app, parent).await?;
    let found = views.iter().find_map(|view| {
        view.children().find(|(id, _)| *id == wanted).map(|(id, person)| body(&view.tenant, id, person))
    });
    Answer::json(200, found.ok_or_else(Problem::not_found)?)
}

/// `DELETE /v1/sessions/current`: the token stops working with this request.
async fn sign_out(app: &App, parent: &Parent) -> Result<Answer, ApiError> {
    app.tables.delete(TableName::Access, key::session(&parent.session.token_hash), Condition::Always).await?;
    Ok(Answer::empty())
}

fn body(tenant: &Tenant, id: PersonId, person: &Person) -> Value {
    let name = person.called();
    json!({
        "person_id": id, "school_id": tenant.id(), "school_name": tenant.school.name, "given_name": name.given(), "family_name": name.family(),
        "year_group": person.year_group, "class": person.class,
    })
}
