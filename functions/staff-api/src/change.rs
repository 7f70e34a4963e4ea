//! How the directory is changed by hand, and what the office does to people: typing in, changing, deleting, joining.

use serde::Deserialize;
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Replay, Request, Staff, problem::Code, request::Shows},
    id::{PersonId, SchoolId},
    person::{
        Person,
        deleted::DeletedPerson,
        guardianship::Link,
        join::{Apart, join, join_links},
        store::{Directory, Stamp, Subject, Versions, write_link, write_person},
    },
    random,
    school::Tenant,
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, TRANSACTION_ITEMS, Update, Write, value},
    },
    time,
    upload::deleted::names_of,
};

use crate::{
    App, apart, consents,
    entry::{ChangedPerson, NewPerson},
    links::refuse_restricted,
    people::body,
};

/// How often a change is decided anew because somebody else was first.
const CHANGE_ATTEMPTS: usize = 3;

/// What a change was decided by, besides the generation.
#[derive(Clone, Copy)]
pub enum Basis {
    /// The items that it writes or checks.
    Items,
    /// Everything: a link that somebody ties meanwhile would make it wrong.
    Directory,
}

/// Changes what readers see, by what is stored now: `decide` answers the writes (none: nothing is to be done) and a result.
///
/// The writes and the school's next revision are one transaction. The revision tells whoever planned with an older one
/// (an import, a message on its way) to look again; the generation has to be the one that was read, because under a newer
/// one an upload has just shown its versions. Where somebody else was first, everything is read and decided anew.
pub async fn change<T>(
    app: &App,
    school: SchoolId,
    basis: Basis,
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
        let mut same = vec![Condition::Is("generation", value(generation))];
        if matches!(basis, Basis::Directory) {
            same.push(Condition::Is("revision", value(tenant.school.revision)));
        }
        writes.push(Write::update(
            TableName::Directory,
            key::school(school),
            Update::new().add("revision", 1),
            Condition::All(same),
        ));
        match app.tables.transact(writes).await {
            Ok(()) => return Ok(result),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict.into())
}

/// The largest whole number that every reader of JSON keeps as it is: far more than anything is ever written.
const MAX_VERSION: u64 = 9_007_199_254_740_991;

/// Refuses to change what is no longer what the office looked at. Without a version, whatever is there is meant.
pub fn is_unmoved(looked_at: Option<u64>, stored: Option<&Versions>) -> Result<(), Problem> {
    if looked_at.is_none_or(|version| stored.is_some_and(|stored| stored.rev == version)) {
        return Ok(());
    }
    Err(Problem::new(Code::Conflict, "This has changed since you looked at it. Read it again, then repeat."))
}

/// The version in the query, if there is one.
pub fn version_in_query(request: &Request) -> Result<Option<u64>, Problem> {
    let Some(version) = request.query("version") else { return Ok(None) };
    let version = version.parse().ok().filter(|version| (1..=MAX_VERSION).contains(version));
    version
        .map(Some)
        .ok_or_else(|| Problem::query("version", "version in the query is the number that was told"))
}

/// `POST …/people`: somebody whom no file names. Uploads neither change them nor call them missing.
pub async fn create(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    let given: NewPerson = request.body()?;
    let person_id: PersonId = change(app, school, Basis::Items, async |tenant: &Tenant, stamp: Stamp| {
        // Two requests with one key at one moment: the second finds the first one's answer when it decides anew.
        let replay = Replay::of(request, &staff.subject, &school.to_string(), stamp.now)?;
        if let Some(id) = replay.seen(&app.tables).await? {
            return Ok((Vec::new(), id.parse().map_err(ApiError::internal)?));
        }
        let today = time::date_in(&tenant.school.time_zone, stamp.now);
        let person = given.read(&tenant.school.agreement, today).map_err(Problem::fields)?;
        let person_id = PersonId::new(stamp.now, &random::bytes());
        refuse_known_source_id(app, tenant, person_id, &person).await?;
        let mut writes = vec![write_person(tenant, person_id, None, Some(&person), stamp)?];
        writes.extend(replay.write(&person_id.to_string())?);
        Ok((writes, person_id))
    })
    .await?;
    Answer::json(201, serde_json::json!({"person_id": person_id, "version": 1}))
}

/// Two people of one role with one id in the school's system could no longer be told apart by the next file.
async fn refuse_known_source_id(
    app: &App,
    tenant: &Tenant,
    id: PersonId,
    person: &Person,
) -> Result<(), ApiError> {
    if person.source_ids.is_empty() {
        return Ok(());
    }
    let directory = Directory::load(&app.tables, tenant).await?;
    let known = directory.visible_people().any(|(other_id, other)| {
        other_id != id
            && other.role == person.role
            && other.source_ids.iter().any(|id| person.source_ids.contains(id))
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

/// `PATCH …/people/{person_id}`: a merge patch. What it changes is by hand from now on, and outlives every upload until the
/// source says the same.
pub async fn update(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let person_id: PersonId = request.path("person_id")?;
    let given: ChangedPerson = request.body()?;
    let (person, version) = change(app, school, Basis::Items, async |tenant: &Tenant, stamp: Stamp| {
        let directory = Directory::pick(&app.tables, tenant, &[person_id], &[]).await?;
        let (before, versions) = find(&directory, person_id)?;
        is_unmoved(Some(given.version), Some(versions))?;
        let today = time::date_in(&tenant.school.time_zone, stamp.now);
        let after = given.read(before, &tenant.school.agreement, today).map_err(Problem::fields)?;
        if after == *before {
            return Ok((Vec::new(), (after, versions.rev)));
        }
        if after.source_ids != before.source_ids {
            refuse_known_source_id(app, tenant, person_id, &after).await?;
        }
        let write = write_person(tenant, person_id, Some(versions), Some(&after), stamp)?;
        Ok((vec![write], (after, versions.rev + 1)))
    })
    .await?;
    Answer::json(200, body(person_id, &person, version))
}

/// `DELETE …/people/{person_id}`: ends the person and their links. What they were stays for 30 days, seen by nobody; that they were
/// deleted stays as long as files may name them.
pub async fn delete(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let person_id: PersonId = request.path("person_id")?;
    let version = version_in_query(request)?;
    change(app, school, Basis::Directory, async |tenant: &Tenant, stamp: Stamp| {
        let directory = Directory::load(&app.tables, tenant).await?;
        let (_, versions) = find(&directory, person_id)?;
        is_unmoved(version, Some(versions))?;
        let links = links_with(&directory, person_id);
        refuse_restricted(links.iter().map(|(_, link)| *link))?;
        let mut writes = vec![write_person(tenant, person_id, Some(versions), None, stamp)?];
        for (ends, _) in links {
            let versions = directory.versions(Subject::Link(ends.0, ends.1));
            writes.push(write_link(tenant, ends, versions, None, stamp)?);
        }
        let names = names_of(&directory, person_id);
        let deleted = DeletedPerson::new((school, &tenant.key), person_id, &names, stamp.now);
        writes.push(Write::put(&deleted, Condition::Always)?);
        refuse_too_many(&writes)?;
        Ok((writes, ()))
    })
    .await?;
    Ok(Answer::empty())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Joined {
    other: PersonId,
    version: u64,
}

/// `POST …/people/{person_id}/merge`: two records that the office says are one person become one; the other ends.
pub async fn merge(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    let kept_id: PersonId = request.path("person_id")?;
    let Joined { other: other_id, version } = request.body()?;
    let fault = |code, detail| Problem::fields(vec![FieldError::new("/other", code, detail)]);
    if kept_id == other_id {
        return Err(fault("same_person", "name the other of the two records").into());
    }
    apart::refuse(app, staff, school, &[other_id]).await?;
    let (person, version) = change(app, school, Basis::Directory, async |tenant: &Tenant, stamp: Stamp| {
        let directory = Directory::load(&app.tables, tenant).await?;
        let (kept, versions) = find(&directory, kept_id)?;
        let (other, other_versions) = find(&directory, other_id)?;
        is_unmoved(Some(version), Some(versions))?;
        let one = join(kept, other).map_err(|apart| match apart {
            Apart::Role => fault("other_role", "one person in two roles is two records; they stay so"),
            Apart::Upn => Problem::new(
                Code::Conflict,
                "Each of the two has a unique pupil number of its own. Correct the wrong one at its source first.",
            ),
        })?;
        let mut writes = vec![
            write_person(tenant, kept_id, Some(versions), Some(&one), stamp)?,
            write_person(tenant, other_id, Some(other_versions), None, stamp)?,
        ];
        // Those that have ended too: what the office took away would be back with the next file.
        let stored = |ends: (PersonId, PersonId)| directory.links.get(&ends)?.value.as_ref();
        let of_other = directory.links.keys().filter(|ends| ends.0 == other_id || ends.1 == other_id);
        for (ends, link) in of_other.filter_map(|ends| Some((*ends, stored(*ends)?))) {
            let to = if ends.0 == other_id { (kept_id, ends.1) } else { (ends.0, kept_id) };
            let joined = stored(to).map_or_else(|| link.clone(), |kept| join_links(kept, link));
            let versions = |ends: (PersonId, PersonId)| directory.versions(Subject::Link(ends.0, ends.1));
            writes.push(write_link(tenant, to, versions(to), Some(&joined), stamp)?);
            writes.push(write_link(tenant, ends, versions(ends), None, stamp)?);
        }
        writes.extend(consents::join(app, school, kept_id, other_id).await?);
        refuse_too_many(&writes)?;
        Ok((writes, (one, versions.rev + 1)))
    })
    .await?;
    Ok(Answer::json(200, body(kept_id, &person, version))?.showing(Shows::Besides(vec![other_id])))
}

fn find(directory: &Directory, id: PersonId) -> Result<(&Person, &Versions), Problem> {
    let stored = directory.people.get(&id).ok_or_else(Problem::not_found)?;
    Ok((stored.value.as_ref().ok_or_else(Problem::not_found)?, &stored.versions))
}

/// The links that somebody is an end of.
fn links_with(directory: &Directory, id: PersonId) -> Vec<((PersonId, PersonId), &Link)> {
    let links = directory.visible_links();
    links
        .filter(|(pupil, contact, _)| *pupil == id || *contact == id)
        .map(|(pupil, contact, link)| ((pupil, contact), link))
        .collect()
}

/// Everything is one transaction, in which the school's record has a place too.
fn refuse_too_many(writes: &[Write]) -> Result<(), Problem> {
    if writes.len() < TRANSACTION_ITEMS {
        return Ok(());
    }
    Err(Problem::new(
        Code::Conflict,
        "Too many links hang on this person for one step. Untie some of them first.",
    ))
}
