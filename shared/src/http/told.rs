//! Answers to somebody: none goes out before what it shows is on record.
//!
//! An answer that shows people is given once its entry is written, and not at all if it cannot be. A change whose entry
//! cannot be written has happened all the same: its caller gets a 500, and the log names the request.
//!
//! Each answer is counted too, in a call beside the entry's and not after it; a count that fails is logged and nothing else.
//! The two are not one call: a transaction costs twice the units (4 instead of 2; at 0.74 dollars a million in London, 3.0
//! instead of 1.5 dollars per million answers), and would let two requests that count at one moment fail each other's entry.
//! A page of a hundred people is an entry of 4 KB and costs 5 units; a parent's children are well below 1 KB.

use std::{collections::BTreeSet, future::Future, time::Duration};

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use jiff::Timestamp;

use super::{
    problem::ApiError,
    request::{Answer, Request, Shows, respond},
};
use crate::{
    id::{AccountId, AuditId, PersonId, SchoolId, is_id},
    privacy::{
        audit::{self, Actor, Entry, MAX_SUBJECTS, Shown},
        usage,
    },
    random,
    seal::{Domain, Keyring},
    store::table::{Condition, StoreError, Tables},
    time,
};

/// How long a request waits for its count, of the ten seconds that it has.
const COUNTED_WITHIN: Duration = Duration::from_secs(3);

/// What a handler came to, and who is told.
#[derive(Debug)]
pub struct Told {
    reader: Reader,
    answer: Result<Answer, ApiError>,
}

#[derive(Debug)]
enum Reader {
    /// Nobody who is known: shown are no people.
    Stranger,
    /// Somebody of one school.
    At(SchoolId, Actor),
    /// A parent, whose account names these schools. Of which each child is, the answer says.
    Parent(AccountId, BTreeSet<SchoolId>),
}

impl Told {
    /// To whoever asked. An answer that shows people is not given.
    pub fn to_stranger(answer: Answer) -> Self {
        Self { reader: Reader::Stranger, answer: Ok(answer) }
    }

    /// To a member of staff or a program of a school.
    pub fn at(school: SchoolId, actor: Actor, answer: Result<Answer, ApiError>) -> Self {
        Self { reader: Reader::At(school, actor), answer }
    }

    /// To a parent.
    pub fn to_parent(
        account: AccountId,
        schools: impl IntoIterator<Item = SchoolId>,
        answer: Result<Answer, ApiError>,
    ) -> Self {
        Self { reader: Reader::Parent(account, schools.into_iter().collect()), answer }
    }

    /// What is to be on record before this is told.
    fn deeds(&self, request: &Request) -> Result<Vec<Deed>, ApiError> {
        let (school, actor) = match &self.reader {
            Reader::Stranger => (None, None),
            Reader::At(school, actor) => (Some(*school), Some(actor.clone())),
            Reader::Parent(account, _) => (None, Some(Actor::Parent(*account))),
        };
        let (mut shown, about, refused) = match &self.answer {
            Ok(answer) => (subjects(answer, school)?, about(answer, request), false),
            Err(ApiError::KeptFrom(people)) => {
                (Shown::from_iter(school.map(|school| (school, people.clone()))), about_path(request), true)
            }
            Err(_) => return Ok(Vec::new()),
        };
        if let (Some(school), Ok(answer)) = (school, &self.answer) {
            let named = request.path_ids().filter_map(|id| id.parse::<PersonId>().ok());
            shown.entry(school).or_default().extend(named);
            // What staff change, and that they looked at this log, is kept even where nobody was shown.
            let is_deed = !request.route.starts_with("GET ") || answer.shows == Shows::Nobody;
            shown.retain(|_, people| is_deed || !people.is_empty());
        }
        let Some(actor) = actor else {
            return if shown.is_empty() {
                Ok(Vec::new())
            } else {
                Err(ApiError::internal("shown to a stranger"))
            };
        };
        Ok(shown
            .into_iter()
            .map(|(school, people)| Deed {
                school,
                actor: actor.clone(),
                about: about.clone(),
                people,
                refused,
            })
            .collect())
    }

    /// The schools at which this counts as use.
    fn counts_at(&self) -> Vec<SchoolId> {
        match (&self.reader, &self.answer) {
            (Reader::Stranger, _) | (_, Err(_)) => Vec::new(),
            (Reader::At(school, _), Ok(_)) => vec![*school],
            (Reader::Parent(_, schools), Ok(_)) => schools.iter().copied().collect(),
        }
    }
}

/// What an entry will say, but for when and from where.
#[derive(Debug, PartialEq)]
struct Deed {
    school: SchoolId,
    actor: Actor,
    about: BTreeSet<String>,
    people: BTreeSet<PersonId>,
    refused: bool,
}

impl Deed {
    /// The entries: one, unless there are too many people for it.
    fn entries(&self, request: &Request, from: &str, now: Timestamp) -> Vec<Entry> {
        let people: Vec<_> = self.people.iter().copied().collect();
        let entry = |people: &[PersonId]| Entry {
            school_id: self.school,
            audit_id: AuditId::new(now, &random::bytes()),
            actor: self.actor.clone(),
            action: request.route.clone(),
            about: self.about.clone(),
            subjects: people.iter().copied().collect(),
            from: from.to_owned(),
            refused: self.refused,
        };
        if people.is_empty() { vec![entry(&[])] } else { people.chunks(MAX_SUBJECTS).map(entry).collect() }
    }
}

/// Whom an answer shows, by school.
fn subjects(answer: &Answer, school: Option<SchoolId>) -> Result<Shown, ApiError> {
    let mut shown = match (&answer.body, &answer.shows) {
        (None, _) | (_, Shows::Nobody) => Shown::new(),
        (Some(body), _) => audit::shown(body, school).map_err(ApiError::internal)?,
    };
    if let Shows::Besides(people) = &answer.shows {
        let school = school.ok_or(audit::Placeless).map_err(ApiError::internal)?;
        shown.entry(school).or_default().extend(people);
    }
    Ok(shown)
}

/// What the path names besides people and schools. Ids alone: where somebody is refused, no handler has looked at the rest of the
/// path, and anything may stand there.
fn about_path(request: &Request) -> BTreeSet<String> {
    let ids = request.path_ids().filter(|id| is_id(id) && !audit::is_person_or_school(id));
    ids.map(str::to_owned).collect()
}

fn about(answer: &Answer, request: &Request) -> BTreeSet<String> {
    let mut about = about_path(request);
    about.extend(answer.body.iter().flat_map(audit::about).map(str::to_owned));
    about
}

/// Runs a handler that knows whom it answers, puts on record what it shows, and answers.
pub async fn answer<F: Future<Output = Result<Told, ApiError>>>(
    tables: &Tables,
    keyring: &Keyring,
    request: &Request,
    handler: F,
) -> ApiGatewayV2httpResponse {
    let told = async {
        let told = handler.await?;
        let now = time::now();
        let (written, ()) = tokio::join!(
            write(tables, keyring, request, &told, now),
            count(tables, keyring, request, &told, now)
        );
        written?;
        told.answer
    };
    respond(&request.request_id, told.await)
}

async fn write(
    tables: &Tables,
    keyring: &Keyring,
    request: &Request,
    told: &Told,
    now: Timestamp,
) -> Result<(), ApiError> {
    for deed in told.deeds(request)? {
        let key = keyring.key(Domain::School(deed.school)).await?;
        for entry in deed.entries(request, &key.blind("source", &request.source_ip), now) {
            match tables.put(&entry, Condition::Absent).await {
                // The id is random: what is there already is this entry, from a call whose answer was lost.
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => {
                    let cause = format!("withheld, because its audit entry is not written: {error}");
                    return Err(ApiError::Internal(cause));
                }
            }
        }
    }
    Ok(())
}

async fn count(tables: &Tables, keyring: &Keyring, request: &Request, told: &Told, now: Timestamp) {
    for school in told.counts_at() {
        let counted = async {
            // A school that has been erased has no key, and is not to come back as a number.
            keyring.key(Domain::School(school)).await.map_err(|error| error.to_string())?;
            usage::count(tables, school, &request.route, now).await.map_err(|error| error.to_string())
        };
        let late = |_| Err("it took too long".to_owned());
        if let Err(error) = tokio::time::timeout(COUNTED_WITHIN, counted).await.unwrap_or_else(late) {
            tracing::warn!(%school, route = request.route, error, "an answer was not counted");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        http::Problem,
        id::{ConnectorId, UploadId},
    };

    fn person(n: u8) -> PersonId {
        PersonId::new(Timestamp::UNIX_EPOCH, &[n; 10])
    }

    fn school(n: u8) -> SchoolId {
        SchoolId::new(Timestamp::UNIX_EPOCH, &[n; 10])
    }

    fn request(route: &str, path: &Value) -> Request {
        let event = json!({
            "version": "2.0", "routeKey": route, "rawPath": "/", "headers": {}, "pathParameters": path, "isBase64Encoded": false,
            "requestContext": {"http": {"method": "GET"}, "routeKey": route},
        });
        Request::new(serde_json::from_value(event).unwrap())
    }

    fn json(body: Value) -> Result<Answer, ApiError> {
        Answer::json(200, body)
    }

    /// The deeds of an answer to somebody of school 1: people, what it is about and whether it was refused.
    fn at(request: &Request, answer: Result<Answer, ApiError>) -> Vec<(Vec<PersonId>, Vec<String>, bool)> {
        let told = Told::at(school(1), Actor::Staff("x".to_owned()), answer);
        let deeds = told.deeds(request).unwrap();
        assert!(
            deeds.iter().all(|deed| deed.school == school(1) && deed.actor == Actor::Staff("x".to_owned()))
        );
        deeds
            .into_iter()
            .map(|deed| (deed.people.into_iter().collect(), deed.about.into_iter().collect(), deed.refused))
            .collect()
    }

    #[test]
    fn what_staff_see_and_do_is_kept() {
        let list = request("GET /v1/schools/{school_id}/people", &json!({"school_id": school(1)}));
        let shows = json(json!({"items": [{"person_id": person(1)}, {"person_id": person(2)}]}));
        assert_eq!(at(&list, shows), [(vec![person(1), person(2)], vec![], false)]);
        assert_eq!(at(&list, json(json!({"items": []}))), []);
        assert_eq!(at(&list, Err(Problem::not_found().into())), []);
        // A look at the log itself shows nobody, and is kept.
        let log = json(json!({"items": [{"subjects": [person(1)]}]})).unwrap().showing(Shows::Nobody);
        assert_eq!(at(&list, Ok(log)), [(vec![], vec![], false)]);

        let path = json!({"school_id": school(1), "person_id": person(3)});
        assert_eq!(at(&request("DELETE /p", &path), Ok(Answer::empty())), [(vec![person(3)], vec![], false)]);
        let merged = json(json!({"person_id": person(3)})).unwrap().showing(Shows::Besides(vec![person(4)]));
        assert_eq!(at(&request("POST /m", &path), Ok(merged)), [(vec![person(3), person(4)], vec![], false)]);
        let kept_from = Err(ApiError::KeptFrom(BTreeSet::from([person(3)])));
        assert_eq!(at(&request("GET /p", &path), kept_from), [(vec![person(3)], vec![], true)]);
        // What stands in the path of a refused request may be no id at all, and is not kept.
        let path =
            json!({"school_id": school(1), "pupil_id": person(3), "contact_id": "Grace, 07700 900123"});
        let kept_from = Err(ApiError::KeptFrom(BTreeSet::from([person(3)])));
        assert_eq!(at(&request("PUT /c", &path), kept_from), [(vec![person(3)], vec![], true)]);

        // A change that is about nobody, in a path and by the answer's own id.
        let upload = UploadId::new(Timestamp::UNIX_EPOCH, &[1; 10]).to_string();
        let path = json!({"school_id": school(1), "upload_id": upload});
        assert_eq!(at(&request("POST /u", &path), Ok(Answer::empty())), [(vec![], vec![upload], false)]);
        let made = json(json!({"message_id": "msg_1", "status": "queued"}));
        assert_eq!(at(&request("POST /m", &json!({})), made), [(vec![], vec!["msg_1".to_owned()], false)]);
    }

    #[test]
    fn a_parent_of_two_schools_has_an_entry_at_each_and_a_stranger_sees_nobody() {
        let account = AccountId::new(Timestamp::UNIX_EPOCH, &[9; 10]);
        let children = json!({"items": [{"person_id": person(1), "school_id": school(1)}, {"person_id": person(2), "school_id": school(2)}]});
        let told = Told::to_parent(account, [school(1), school(2), school(3)], json(children.clone()));
        let deeds = told.deeds(&request("GET /v1/me/children", &json!({}))).unwrap();
        let seen: Vec<_> =
            deeds.iter().map(|deed| (deed.school, deed.people.iter().copied().collect())).collect();
        assert_eq!(seen, [(school(1), vec![person(1)]), (school(2), vec![person(2)])]);
        assert!(deeds.iter().all(|deed| deed.actor == Actor::Parent(account)));
        assert_eq!(told.counts_at(), [school(1), school(2), school(3)]);
        // Nobody was shown: no entry; but of no school: no answer.
        let nobody = Told::to_parent(account, [school(1)], Ok(Answer::empty()));
        assert_eq!(nobody.deeds(&request("DELETE /v1/sessions/current", &json!({}))).unwrap(), []);
        let placeless = Told::to_parent(account, [school(1)], json(json!({"person_id": person(1)})));
        assert!(placeless.deeds(&request("GET /v1/me", &json!({}))).is_err());

        let health = request("GET /v1/health", &json!({}));
        assert_eq!(Told::to_stranger(json(json!({"status": "ok"})).unwrap()).deeds(&health).unwrap(), []);
        assert!(Told::to_stranger(json(children).unwrap()).deeds(&health).is_err());
        assert_eq!(Told::to_stranger(Answer::empty()).counts_at(), []);
    }

    #[test]
    fn more_people_than_an_entry_holds_make_several() {
        let people: BTreeSet<_> =
            (0..2_500_u32).map(|n| PersonId::derived(Timestamp::UNIX_EPOCH, "x", &n.to_string())).collect();
        let actor = Actor::Connector(ConnectorId::new(Timestamp::UNIX_EPOCH, &[1; 10]));
        let deed =
            Deed { school: school(1), actor, about: BTreeSet::new(), people: people.clone(), refused: false };
        let entries = deed.entries(&request("GET /u", &json!({})), "hash", Timestamp::UNIX_EPOCH);
        assert_eq!(entries.len(), 3);
        assert_eq!(entries.iter().flat_map(|entry| entry.subjects.clone()).collect::<BTreeSet<_>>(), people);
        let ids: BTreeSet<_> = entries.iter().map(|entry| entry.audit_id.to_string()).collect();
        assert_eq!(ids.len(), 3);
    }
}
