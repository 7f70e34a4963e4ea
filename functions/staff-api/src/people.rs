//! People: looking at them and finding them.

use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, Problem, Request, Staff},
    id::{PersonId, SchoolId},
    person::{
        Person, Role,
        phone::PhoneKind,
        store::{Directory, Subject},
    },
    store::key::{self, TableName},
    time,
    verify::account::ContactPoint,
};

use crate::{App, apart, links, search::Search};

/// `GET …/people`, in the order in which they came.
pub async fn list(app: &App, request: &Request, staff: &Staff, school: SchoolId) -> Result<Answer, ApiError> {
    let role = match request.query("role") {
        None => None,
        Some(word) => {
            let role = Role::ALL.into_iter().find(|role| role.word() == word);
            Some(role.ok_or_else(|| {
                Problem::query("role", "role in the query is pupil, contact, staff or governor")
            })?)
        }
    };
    let (size, after) = (request.page_size()?, request.cursor()?);
    page(app, staff, school, after, size, |person| role.is_none_or(|role| role == person.role)).await
}

/// `POST …/people/search`.
pub async fn search(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    let criteria = request.body::<Search>()?.read().map_err(Problem::fields)?;
    page(app, staff, school, criteria.after, criteria.limit, |person| criteria.fits(person)).await
}

/// One page of the people who are wanted. What they are is sealed, so they are opened to be chosen: all of them, since those
/// before the cursor say whether the one who asks is a contact too; and no links.
async fn page(
    app: &App,
    staff: &Staff,
    school: SchoolId,
    after: Option<PersonId>,
    size: usize,
    wanted: impl Fn(&Person) -> bool,
) -> Result<Answer, ApiError> {
    let tenant = app.tenant(school).await?;
    let items = app.tables.query(TableName::Directory, &key::school_partition(school), key::PEOPLE).await?;
    let directory = Directory::open(&tenant, items)?;
    let kept = apart::kept_among(app, staff, &tenant, &directory).await?;
    let mut found = directory
        .visible_people()
        .filter(|(id, person)| after.is_none_or(|after| *id > after) && !kept.has(*id) && wanted(person));
    let people: Vec<_> = found.by_ref().take(size).collect();
    let next_cursor = found.next().and(people.last()).map(|(id, _)| *id);
    let items: Vec<_> =
        people.iter().map(|(id, person)| body(*id, person, version(&directory, *id))).collect();
    Answer::json(200, json!({"items": items, "next_cursor": next_cursor}))
}

/// `GET …/people/{person_id}`: a person, and who is what to them or they to whom.
pub async fn get(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let person_id: PersonId = request.path("person_id")?;
    let tenant = app.tenant(school).await?;
    let directory = Directory::pick(&app.tables, &tenant, &[person_id], &[]).await?;
    let person = directory.person(person_id).ok_or_else(Problem::not_found)?;
    let mut answer = body(person_id, person, version(&directory, person_id));
    answer["links"] = links::of(app, &tenant, person_id, person.role).await?.into();
    Answer::json(200, answer)
}

fn version(directory: &Directory, id: PersonId) -> u64 {
    directory.versions(Subject::Person(id)).map_or(0, |versions| versions.rev)
}

/// A person as told: what is not known is left out.
pub fn body(id: PersonId, person: &Person, version: u64) -> Value {
    let mut body = json!({"person_id": id, "role": person.role, "version": version});
    let part = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
    let preferred = person.preferred_name.as_ref();
    let id = |upn: bool| person.source_ids.iter().find(|id| id.is_upn() == upn).map(|id| id.id.to_string());
    let text = |text: Option<&str>| text.map(str::to_owned);
    let voice = person.phones.iter().find(|phone| phone.kind() != PhoneKind::Mobile);
    for (name, text) in [
        ("title", text(person.title.as_deref())),
        ("given_name", part(person.name.given())),
        ("family_name", part(person.name.family())),
        ("preferred_given_name", preferred.and_then(|name| part(name.given()))),
        ("preferred_family_name", preferred.and_then(|name| part(name.family()))),
        ("former_family_name", text(person.former_family_name.as_deref())),
        ("date_of_birth", person.date_of_birth.map(|born| born.expose().to_string())),
        ("year_group", text(person.year_group.as_deref())),
        ("class", text(person.class.as_deref())),
        ("starts_on", person.starts_on.map(|day| day.to_string())),
        ("leaves_on", person.leaves_on.map(|day| day.to_string())),
        ("email", person.email().map(|email| email.expose().to_owned())),
        ("mobile", person.mobile().map(|phone| phone.expose().to_owned())),
        ("landline", voice.map(|phone| phone.expose().to_owned())),
        ("source_id", id(false)),
        ("upn", id(true)),
        ("missing_since", person.missing_since.map(time::rfc3339)),
    ] {
        if let Some(text) = text {
            body[name] = text.into();
        }
    }
    if !person.groups.is_empty() {
        body["groups"] = json!(person.groups);
    }
    if !person.emails.is_empty() {
        body["emails"] = person.emails.iter().map(|email| email.expose()).collect();
    }
    if !person.phones.is_empty() {
        body["phones"] = person.phones.iter().map(|phone| phone.expose()).collect();
    }
    if !person.suppressed.is_empty() {
        body["suppressed"] = ContactPoint::suppressed(person).iter().map(ContactPoint::expose).collect();
    }
    if person.deceased {
        body["deceased"] = true.into();
    }
    if !person.by_hand.is_empty() {
        body["by_hand"] = json!(person.by_hand);
    }
    body
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::person::{name::PersonName, phone::PhoneNumber};

    use super::*;

    #[test]
    fn a_person_is_told_without_what_is_not_known() {
        let id = PersonId::new(Timestamp::UNIX_EPOCH, &[1; 10]);
        let mut person = Person::named(Role::Contact, PersonName::new("", "Null"));
        assert_eq!(
            body(id, &person, 3),
            json!({"person_id": id, "role": "contact", "version": 3, "family_name": "Null"})
        );
        person.phones = ["01632 960123", "07700 900123", "07700 900456"]
            .map(|raw| PhoneNumber::parse(raw).unwrap().number)
            .into_iter()
            .collect();
        person.missing_since = Some(Timestamp::from_millisecond(1_767_225_600_123).unwrap());
        let told = body(id, &person, 3);
        assert_eq!(told["phones"], json!(["+441632960123", "+447700900123", "+447700900456"]));
        assert_eq!(
            (&told["mobile"], &told["landline"], &told["missing_since"]),
            (&json!("+447700900123"), &json!("+441632960123"), &json!("2026-01-01T00:00:00Z"))
        );
    }
}
