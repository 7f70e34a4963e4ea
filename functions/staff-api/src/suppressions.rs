//! The suppression list, as the office sees and keeps it.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, Problem, Request, Staff, StaffRole, problem::Code},
    id::{PersonId, SchoolId},
    person::{
        store::Directory,
        suppression::{MOST, hash},
    },
    school::{School, SchoolState, Tenant},
    store::{
        key,
        table::{Condition, StoreError, Update, value},
    },
    time,
    verify::account::ContactPoint,
};

use crate::{App, apart};

/// How long something stays on the list that nobody has any more: whoever comes with it is somebody else by then.
const KEPT_UNHELD_MONTHS: i32 = 24;

/// How often the list is read again because somebody else was first.
const ATTEMPTS: usize = 3;

/// A contact point, and whether anything may be sent to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    mobile: Option<String>,
    #[serde(default)]
    email: Option<String>,
    suppressed: bool,
}

/// The two routes.
pub async fn route(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    if request.route.starts_with("GET ") {
        staff.at(school, &[StaffRole::Office, StaffRole::Dpo])?;
        list(app, staff, school).await
    } else {
        staff.at(school, &[StaffRole::Office])?;
        put(app, request, staff, school).await
    }
}

/// `GET …/suppressions`: what is suppressed and still somebody's, and whose.
async fn list(app: &App, staff: &Staff, school: SchoolId) -> Result<Answer, ApiError> {
    let tenant = app.tenant(school).await?;
    let directory = Directory::load(&app.tables, &tenant).await?;
    let kept = apart::kept_among(app, staff, &tenant, &directory).await?;
    let mut points: BTreeMap<String, ContactPoint> = BTreeMap::new();
    for (_, person) in directory.visible_people().filter(|(id, _)| !kept.has(*id)) {
        let theirs = ContactPoint::suppressed(person).into_iter();
        points.extend(theirs.map(|point| (point.expose().to_owned(), point)));
    }
    let items = points.values().map(|point| {
        let people: Vec<_> = holders(&directory, point).filter(|id| !kept.has(*id)).collect();
        body(point, tenant.school.suppressed.since(&tenant.key, point.expose()), &people)
    });
    Answer::json(200, json!({"items": items.collect::<Vec<_>>(), "next_cursor": null}))
}

/// `PUT …/suppressions`: puts a contact point on the list, or takes it off.
async fn put(app: &App, request: &Request, staff: &Staff, school: SchoolId) -> Result<Answer, ApiError> {
    let Entry { mobile, email, suppressed } = request.body()?;
    let point = ContactPoint::read(mobile.as_deref(), email.as_deref()).map_err(Problem::fields)?;
    for _ in 0..ATTEMPTS {
        let tenant = app.tenant(school).await?;
        let directory = Directory::load(&app.tables, &tenant).await?;
        let people: Vec<_> = holders(&directory, &point).collect();
        let kept = apart::kept_among(app, staff, &tenant, &directory).await?;
        if people.iter().any(|person| kept.has(*person)) {
            // Whether the family has such a number is not for whom they are kept from: it is as if nobody had it.
            let today = time::date_in(&tenant.school.time_zone, time::now());
            return Answer::json(200, body(&point, suppressed.then_some(today), &[]));
        }
        let Some(after) = keep(app, &tenant, &point, suppressed, &directory).await? else { continue };
        return Answer::json(200, body(&point, after.suppressed.since(&tenant.key, point.expose()), &people));
    }
    Err(StoreError::Conflict.into())
}

/// Writes the list; nothing where somebody else has changed the school meanwhile. The revision moves, so that messages on their way
/// look again.
async fn keep(
    app: &App,
    tenant: &Tenant,
    point: &ContactPoint,
    suppressed: bool,
    directory: &Directory,
) -> Result<Option<School>, ApiError> {
    let list = &tenant.school.suppressed;
    let after = if suppressed {
        let today = time::date_in(&tenant.school.time_zone, time::now());
        let points = directory.visible_people().flat_map(|(_, person)| ContactPoint::suppressed(person));
        let held = points.map(|point| hash(&tenant.key, point.expose())).collect();
        list.tidied(&held, today.saturating_sub(KEPT_UNHELD_MONTHS.months()))
            .with(&tenant.key, point.expose(), today)
            .ok_or_else(|| {
                let detail = format!("The list holds {MOST} at most. Take from it what is in order again.");
                Problem::new(Code::Conflict, &detail)
            })?
    } else {
        list.without(&tenant.key, point.expose())
    };
    if after == *list {
        return Ok(Some(tenant.school.clone()));
    }
    let same = Condition::All(vec![
        Condition::Is("state", value(SchoolState::Active)),
        Condition::Is("revision", value(tenant.school.revision)),
    ]);
    let update = Update::new().set("suppressed", after).add("revision", 1);
    match app.tables.update(key::school(tenant.id()), update, same).await {
        Ok(school) => Ok(Some(school)),
        Err(StoreError::Conflict) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Everybody who has a contact point.
fn holders(directory: &Directory, point: &ContactPoint) -> impl Iterator<Item = PersonId> {
    directory.visible_people().filter(|(_, person)| point.is_of(person)).map(|(id, _)| id)
}

fn body(point: &ContactPoint, since: Option<Date>, people: &[PersonId]) -> Value {
    let name = if matches!(point, ContactPoint::Email(_)) { "email" } else { "mobile" };
    json!({name: point.expose(), "suppressed_on": since, "people": people})
}
