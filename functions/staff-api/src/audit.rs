//! Who saw whose record, for the data protection lead.

use std::collections::BTreeSet;

use jiff::{Timestamp, ToSpan, civil::Date};
use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, Problem, Request, Staff, request::Shows},
    id::{AccountId, AuditId, PersonId, SchoolId},
    privacy::audit::{Actor, Entry},
    store::key::{self, TableName},
    time,
    verify::account::AccountOf,
};

use crate::{
    App,
    apart::{self, Kept},
};

/// How many entries are looked at for one page where only some are wanted: a month of one school's, in a few calls.
const LOOK_AT: usize = 5_000;
/// How many of them at a time: 200 entries of a page of people each are just below the megabyte that a query answers.
const AT_A_TIME: usize = 200;

/// Which entries are wanted.
struct Wanted<'r> {
    person: Option<PersonId>,
    actor: Option<&'r str>,
    /// Whom nothing is told of to the one who looks.
    kept: Kept,
    /// Their accounts: what they do themselves about others is nothing for the one who looks either.
    accounts: BTreeSet<AccountId>,
}

impl Wanted<'_> {
    fn everything(&self) -> bool {
        self.person.is_none() && self.actor.is_none() && self.kept.is_empty()
    }

    fn fits(&self, entry: &Entry) -> bool {
        self.person.is_none_or(|person| entry.subjects.contains(&person))
            && self.actor.is_none_or(|actor| actor == entry.actor.id())
            && !matches!(entry.actor, Actor::Parent(account) if self.accounts.contains(&account))
            && (entry.subjects.is_empty() || entry.subjects.iter().any(|person| !self.kept.has(*person)))
    }

    /// An entry as told: without those who are kept from the one who looks.
    fn body(&self, entry: &Entry) -> Value {
        let subjects: Vec<_> = entry.subjects.iter().filter(|person| !self.kept.has(**person)).collect();
        json!({
            "audit_id": entry.audit_id, "at": time::rfc3339(entry.audit_id.made_at()), "actor": entry.actor, "action": entry.action,
            "subjects": subjects, "about": entry.about, "from": entry.from, "refused": entry.refused,
        })
    }
}

/// `GET …/audit`, newest first. A page of only some entries may be short, or empty, with more behind its cursor.
pub async fn list(app: &App, request: &Request, staff: &Staff, school: SchoolId) -> Result<Answer, ApiError> {
    let person = read(request, "person_id", "person_id in the query is a person's id")?;
    let from = day(request, "from")?;
    let until = day(request, "until")?;
    let (size, after) = (request.page_size()?, request.cursor::<AuditId>()?);
    let tenant = app.tenant(school).await?;
    let kept = apart::kept(app, staff, &tenant).await?;
    kept.refuse(person)?;
    let accounts = accounts(app, school, &kept).await?;
    let wanted = Wanted { person, actor: request.query("actor"), kept, accounts };
    // Ids sort by time: days are bounds of the key, and entries before or after them are not read.
    let bound = |day: Date| {
        let midnight = time::midnight_in(&tenant.school.time_zone, day).unwrap_or(Timestamp::UNIX_EPOCH);
        key::audit(school, AuditId::new(midnight, &[0; 10])).sk
    };
    let first = from.map_or_else(|| key::AUDIT.to_owned(), bound);
    let end = until.and_then(|day| day.checked_add(1.day()).ok()).map(bound);
    let after = after.map(|entry| key::audit(school, entry).sk);
    let mut before = [end, after].into_iter().flatten().min().unwrap_or_else(|| format!("{}~", key::AUDIT));

    let batch = if wanted.everything() { size } else { AT_A_TIME };
    let limit = i32::try_from(batch).map_err(ApiError::internal)?;
    let partition = key::audit_partition(school);
    let (mut items, mut looked, mut last): (Vec<Value>, usize, Option<AuditId>) = (Vec::new(), 0, None);
    while items.len() < size && looked < LOOK_AT {
        let found = app.tables.latest(TableName::Messaging, &partition, &first, Some(&before), limit).await?;
        if found.is_empty() {
            last = None;
            break;
        }
        for item in found {
            item.sk().clone_into(&mut before);
            let entry: Entry = item.read()?;
            (looked, last) = (looked + 1, Some(entry.audit_id));
            if wanted.fits(&entry) {
                items.push(wanted.body(&entry));
                if items.len() == size {
                    break;
                }
            }
        }
    }
    // Whose records others saw is not seeing them: the entry of this look names nobody.
    let answer = Answer::json(200, json!({"items": items, "next_cursor": last}))?;
    Ok(answer.showing(Shows::Nobody))
}

/// The accounts of those who are kept from somebody, a call for each of them: they are one family, or none.
async fn accounts(app: &App, school: SchoolId, kept: &Kept) -> Result<BTreeSet<AccountId>, ApiError> {
    let mut accounts = BTreeSet::new();
    for person in kept.people() {
        let account: Option<AccountOf> = app.tables.get(key::account_of(school, person)).await?;
        accounts.extend(account.map(|of| of.account_id));
    }
    Ok(accounts)
}

/// A parameter of the query, if it is there; what it is not is a fault with this `detail`.
fn read<T: std::str::FromStr>(
    request: &Request,
    name: &'static str,
    detail: &str,
) -> Result<Option<T>, Problem> {
    let read = request.query(name).map(str::parse).transpose();
    read.map_err(|_| Problem::query(name, detail))
}

/// A day in the query.
pub fn day(request: &Request, name: &'static str) -> Result<Option<Date>, Problem> {
    read(request, name, "from and until in the query are days such as 2026-09-01")
}
