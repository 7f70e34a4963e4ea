//! People: looking at them, finding them, typing them in.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Request, Staff},
    id::{PersonId, SchoolId},
    person::{
        Person, Role,
        phone::PhoneKind,
        store::{Directory, Stamp, write_person},
    },
    random,
    school::Tenant,
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, Update, Write, value},
    },
    time,
};

use crate::{
    App,
    entry::{NewPerson, Search},
    idempotency::Replay,
    links, page_size,
};

/// How often a change is decided anew because somebody else was first.
const CHANGE_ATTEMPTS: usize = 3;

/// `GET …/people`, in the order in which they came.
pub async fn list(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let fault = |name, detail| Problem::fields(vec![FieldError::new("", name, detail)]);
    let role = match request.query("role") {
        None => None,
        Some(word) => {
            let role = Role::ALL.into_iter().find(|role| role.word() == word);
            Some(role.ok_or_else(|| fault("role", "role in the query is pupil, contact, staff or governor"))?)
        }
    };
    let after = request.query("cursor").map(str::parse).transpose();
    let after =
        after.map_err(|_| fault("cursor", "cursor in the query is the next_cursor of the page before"))?;
    page(app, school, after, page_size(request), |person| role.is_none_or(|role| role == person.role)).await
}

/// `POST …/people/search`.
pub async fn search(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let criteria = request.body::<Search>()?.read().map_err(Problem::fields)?;
    page(app, school, criteria.after, criteria.limit, |person| criteria.fits(person)).await
}

/// One page of the people who are wanted. What they are is sealed, so they are opened to be chosen: those behind the
/// cursor, and no links.
async fn page(
    app: &App,
    school: SchoolId,
    after: Option<PersonId>,
    size: usize,
    wanted: impl Fn(&Person) -> bool,
) -> Result<Answer, ApiError> {
    let tenant = app.tenant(school).await?;
    let first = after.unwrap_or_else(|| PersonId::new(Timestamp::UNIX_EPOCH, &[0; 10]));
    let range = (key::person(school, first).sk, key::PEOPLE_AND_LINKS.1);
    let items = app
        .tables
        .query_range(TableName::Directory, &key::school_partition(school), (&range.0, range.1))
        .await?;
    let directory = Directory::open(&tenant, items)?;
    let mut found = directory
        .visible_people()
        .filter(|(id, person)| after.is_none_or(|after| *id > after) && wanted(person));
    let people: Vec<_> = found.by_ref().take(size).collect();
    let next_cursor = found.next().and(people.last()).map(|(id, _)| *id);
    Answer::json(
        200,
        json!({"items": people.iter().map(|(id, person)| body(*id, person)).collect::<Vec<_>>(), "next_cursor": next_cursor}),
    )
}

/// `POST …/people`: somebody whom no file names. Uploads neither change them nor call them missing.
pub async fn create(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    let given: NewPerson = request.body()?;
    let person_id: PersonId = change(app, school, async |tenant: &Tenant, stamp: Stamp| {
        // Two requests with one key at one moment: the second finds the first one's answer when it decides anew.
        let replay = Replay::of(request, staff, &school.to_string(), stamp.now)?;
        if let Some(id) = replay.seen(&app.tables).await? {
            return Ok((Vec::new(), id.parse().map_err(ApiError::internal)?));
        }
        let today = time::date_in(&tenant.school.time_zone, stamp.now);
        let person = given.read(&tenant.school.agreement, today).map_err(Problem::fields)?;
        refuse_known_source_id(app, tenant, &person).await?;
        let person_id = PersonId::new(stamp.now, &random::bytes());
        let mut writes = vec![write_person(tenant, person_id, None, Some(&person), stamp)?];
        writes.extend(replay.write(&person_id.to_string())?);
        Ok((writes, person_id))
    })
    .await?;
    Answer::json(201, json!({"person_id": person_id}))
}

/// Two people of one role with one id in the school's system could no longer be told apart by the next file.
async fn refuse_known_source_id(app: &App, tenant: &Tenant, person: &Person) -> Result<(), ApiError> {
    if person.source_ids.is_empty() {
        return Ok(());
    }
    let directory = Directory::load(&app.tables, tenant).await?;
    let known = directory.visible_people().any(|(_, other)| {
        other.role == person.role && other.source_ids.iter().any(|id| person.source_ids.contains(id))
    });
    if known {
        return Err(Problem::fields(vec![FieldError::new(
            "/source_id",
            "already_used",
            "somebody in this role has this id already; find them with it",
        )])
        .into());
    }
    Ok(())
}

/// `GET …/people/{person_id}`: a person, and who is what to them or they to whom.
pub async fn get(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let person_id: PersonId = request.path("person_id")?;
    let tenant = app.tenant(school).await?;
    let directory = Directory::pick(&app.tables, &tenant, &[person_id], &[]).await?;
    let person = directory.person(person_id).ok_or_else(Problem::not_found)?;
    let mut answer = body(person_id, person);
    answer["links"] = links::of(app, &tenant, person_id, person.role).await?.into();
    Answer::json(200, answer)
}

/// Changes what readers see, by what is stored now: `decide` answers the writes (none: nothing is to be done) and a result.
///
/// The writes and the school's next revision are one transaction. The revision tells whoever planned with an older one
/// (an import, a message on its way) to look again; the generation has to be the one that was read, because under a newer
/// one an upload has just shown its versions. Where somebody else was first, everything is read and decided anew.
pub async fn change<T>(
    app: &App,
    school: SchoolId,
    decide: impl AsyncFn(&Tenant, Stamp) -> Result<(Vec<Write>, T), ApiError>,
) -> Result<T, ApiError> {
    for _ in 0..CHANGE_ATTEMPTS {
        let tenant = app.tenant(school).await?;
        let generation = tenant.school.generation;
        let (mut writes, result) =
            decide(&tenant, Stamp { generation, upload_id: None, now: time::now() }).await?;
        if writes.is_empty() {
            return Ok(result);
        }
        let same = Condition::Is("generation", value(generation));
        writes.push(Write::update(
            TableName::Directory,
            key::school(school),
            Update::new().add("revision", 1),
            same,
        ));
        match app.tables.transact(writes).await {
            Ok(()) => return Ok(result),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict.into())
}

/// A person as told: what is not known is left out.
fn body(id: PersonId, person: &Person) -> Value {
    let mut body = json!({"person_id": id, "role": person.role});
    let voice = person.phones.iter().find(|phone| phone.kind() != PhoneKind::Mobile);
    for (name, text) in [
        ("title", person.title.clone()),
        ("given_name", Some(person.name.given().to_owned()).filter(|name| !name.is_empty())),
        ("family_name", Some(person.name.family().to_owned()).filter(|name| !name.is_empty())),
        ("date_of_birth", person.date_of_birth.map(|born| born.expose().to_string())),
        ("year_group", person.year_group.clone()),
        ("class", person.class.clone()),
        ("email", person.email().map(|email| email.expose().to_owned())),
        ("mobile", person.mobile().map(|phone| phone.expose().to_owned())),
        ("landline", voice.map(|phone| phone.expose().to_owned())),
        ("source_id", person.source_ids.first().map(|source| source.id.clone())),
        ("missing_since", person.missing_since.map(time::rfc3339)),
    ] {
        if let Some(text) = text {
            body[name] = text.into();
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use shared::person::{name::PersonName, phone::PhoneNumber};

    use super::*;

    #[test]
    fn a_person_is_told_without_what_is_not_known() {
        let id = PersonId::new(Timestamp::UNIX_EPOCH, &[1; 10]);
        let mut person = Person::named(Role::Contact, PersonName::new("", "Null"));
        assert_eq!(body(id, &person), json!({"person_id": id, "role": "contact", "family_name": "Null"}));
        person.phones = ["01632 960123", "07700 900123", "07700 900456"]
            .map(|raw| PhoneNumber::parse(raw).unwrap().number)
            .to_vec();
        person.missing_since = Some(Timestamp::from_millisecond(1_767_225_600_123).unwrap());
        let told = body(id, &person);
        assert_eq!(
            (&told["mobile"], &told["landline"], &told["missing_since"]),
            (&json!("+447700900123"), &json!("+441632960123"), &json!("2026-01-01T00:00:00Z"))
        );
    }
}
