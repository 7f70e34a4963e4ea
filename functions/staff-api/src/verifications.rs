//! Claims that the office decides on, and those it is told of.

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Request, Staff, problem::Code},
    id::{PersonId, SchoolId, VerificationId},
    person::{Role, store::Directory},
    queue::Task,
    school::Tenant,
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, Update, Write, value},
    },
    time,
    verify::{
        code,
        matching::Verdict,
        review::{Details, Review, ReviewStatus},
        sign_in,
    },
};

use crate::{
    App,
    apart::{self, Kept},
};

/// How many reviews are read for one page: those of another status are passed over, and an office has few.
const READ: i32 = 500;

/// `GET …/verifications?status=review`, the newest first; without those about whoever is kept from the one who looks.
pub async fn list(app: &App, request: &Request, staff: &Staff, school: SchoolId) -> Result<Answer, ApiError> {
    let status: ReviewStatus = serde_json::from_value(request.query("status").unwrap_or("review").into())
        .map_err(|_| Problem::query("status", "status in the query is review, alert, approved or refused"))?;
    let (size, before) = (request.page_size()?, request.cursor::<VerificationId>()?);
    let before = before.map(|id| key::review(school, id).sk);
    let tenant = app.tenant(school).await?;
    let partition = key::school_partition(school);
    let items =
        app.tables.latest(TableName::Access, &partition, key::REVIEWS, before.as_deref(), READ).await?;
    let (read, mut last, mut bodies) = (items.len(), None, Vec::new());
    let kept = if items.is_empty() { KeptFamily::default() } else { kept(app, staff, &tenant).await? };
    for item in items {
        let review: Review = item.read()?;
        last = Some(review.verification_id);
        if review.status == status && time::now().as_second() < review.expires {
            let details = review.details(&tenant.key)?;
            if kept.refuse(&details).is_ok() {
                bodies.push(body(&review, &details));
            }
        }
        if bodies.len() == size {
            break;
        }
    }
    let more = bodies.len() == size || i32::try_from(read).is_ok_and(|read| read == READ);
    Answer::json(200, json!({"items": bodies, "next_cursor": last.filter(|_| more)}))
}

/// Who is kept from a member of staff, and what the pupils among them are called: a claim may name a pupil and come to mean
/// another one.
#[derive(Default)]
struct KeptFamily {
    kept: Kept,
    pupils: Directory,
}

async fn kept(app: &App, staff: &Staff, tenant: &Tenant) -> Result<KeptFamily, ApiError> {
    let kept = apart::kept(app, staff, tenant).await?;
    let pupils = Directory::pick(&app.tables, tenant, &kept.people(), &[]).await?;
    Ok(KeptFamily { kept, pupils })
}

impl KeptFamily {
    /// Refuses a claim that is about one of them: by whom it may mean, or by the name of the child.
    fn refuse(&self, details: &Details) -> Result<(), ApiError> {
        let pupils = self.pupils.visible_people().filter(|(_, person)| person.role == Role::Pupil);
        let named = pupils.filter(|(_, pupil)| {
            details.child.folds_to(&pupil.name) || details.child.folds_to(&pupil.called())
        });
        let meant = details.candidates.iter().flat_map(|(contact, pupil)| [*contact, *pupil]);
        self.kept.refuse(meant.chain(named.map(|(id, _)| id)))
    }
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Approve,
    Refuse,
}

/// What the office decides; whom it means, where more than one could be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionBody {
    decision: Decision,
    #[serde(default)]
    contact_id: Option<PersonId>,
    #[serde(default)]
    pupil_id: Option<PersonId>,
}

impl DecisionBody {
    /// The one candidate that is meant.
    fn choose(&self, candidates: &[(PersonId, PersonId)]) -> Option<(PersonId, PersonId)> {
        let fits = |wanted: Option<PersonId>, is: PersonId| wanted.is_none_or(|wanted| wanted == is);
        let mut meant = candidates
            .iter()
            .filter(|(contact, pupil)| fits(self.contact_id, *contact) && fits(self.pupil_id, *pupil));
        match (meant.next(), meant.next()) {
            (Some(one), None) => Some(*one),
            _ => None,
        }
    }
}

/// `POST …/verifications/{verification_id}/decision`: approving sends a fresh code to the registered contact point.
pub async fn decide(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    let body: DecisionBody = request.body()?;
    let id: VerificationId = request.path("verification_id")?;
    let tenant = app.tenant(school).await?;
    let review: Option<Review> = app.tables.get(key::review(school, id)).await?;
    let review = review.ok_or_else(Problem::not_found)?;
    let details = review.details(&tenant.key)?;
    kept(app, staff, &tenant).await?.refuse(&details)?;
    if review.status != ReviewStatus::Review {
        return Err(Problem::new(Code::Conflict, "This claim does not wait for a decision any more.").into());
    }
    let mut decided =
        Update::new().set("decided_by", &staff.subject).set("decided_at", time::now().as_second());
    let mut writes = Vec::new();
    match body.decision {
        Decision::Refuse => decided = decided.set("status", ReviewStatus::Refused),
        Decision::Approve => {
            let (contact, pupil) = body.choose(&details.candidates).ok_or_else(|| {
                let detail = "name the contact_id and pupil_id of one of the candidates";
                Problem::fields(vec![FieldError::new("/contact_id", "one_of", detail)])
            })?;
            decided = decided.set("status", ReviewStatus::Approved).set("approved", (contact, pupil));
            writes.push(approval(app, &tenant, id, (contact, pupil)).await?);
        }
    }
    let waiting = Condition::Is("status", value(ReviewStatus::Review));
    writes.push(Write::update(TableName::Access, key::review(school, id), decided, waiting));
    match app.tables.transact(writes).await {
        Ok(()) => {}
        Err(StoreError::Conflict) => {
            let detail = "Somebody else has decided at the same moment, or the claim has been forgotten.";
            return Err(Problem::new(Code::Conflict, detail).into());
        }
        Err(error) => return Err(error.into()),
    }
    if body.decision == Decision::Approve {
        let task = Task::SendCode { verification_id: id };
        app.queues.send(&app.send_queue, &school.to_string(), &[task]).await?;
    }
    let review: Option<Review> = app.tables.get(key::review(school, id)).await?;
    let review = review.ok_or_else(Problem::not_found)?;
    Answer::json(200, self::body(&review, &details))
}

/// The write that lets message-send make a code for an attempt. The office vouches for who asks; that they may see the child is
/// for the tie to say, and a tie that does not is mended first.
async fn approval(
    app: &App,
    tenant: &Tenant,
    id: VerificationId,
    (contact, pupil): (PersonId, PersonId),
) -> Result<Write, ApiError> {
    let directory = Directory::load(&app.tables, tenant).await?;
    let own = tenant.school.contacts(&tenant.key)?.addresses();
    let channel = sign_in::channel_after_approval(&directory, contact, pupil, &own).ok_or_else(|| {
        Problem::new(
            Code::Conflict,
            "No code can be sent: the contact has no mobile or e-mail address of their own on record, or their tie to the pupil gives no access (restricted, or parental responsibility is not yes). Mend that first.",
        )
    })?;
    let update = Update::new()
        .set("verdict", Verdict::ProvedByCode)
        .set("contact_id", contact)
        .set("pupil_id", pupil)
        .set("channel", channel)
        .set("attempts_left", code::ATTEMPTS)
        .set("code_sent", false);
    let unused = Condition::Is("used", value(false));
    Ok(Write::update(TableName::Access, key::verification(id), update, unused))
}

fn body(review: &Review, details: &Details) -> Value {
    let candidates: Vec<_> = details
        .candidates
        .iter()
        .map(|(contact, pupil)| json!({"contact_id": contact, "pupil_id": pupil}))
        .collect();
    let instant = |second| jiff::Timestamp::from_second(second).map(time::rfc3339).ok();
    let name = |name: &shared::person::name::PersonName| json!({"given_name": name.given(), "family_name": name.family()});
    json!({
        "verification_id": review.verification_id, "status": review.status, "created_at": instant(review.created),
        "claimed": {"parent": name(&details.parent), "child": name(&details.child)},
        "evidence": details.evidence, "candidates": candidates,
        "decided_by": review.decided_by, "decided_at": review.decided_at.and_then(instant),
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_office_names_one_of_the_candidates() {
        let person = |n: u8| PersonId::new(Timestamp::UNIX_EPOCH, &[n; 10]);
        let body = |contact: Option<u8>, pupil: Option<u8>| DecisionBody {
            decision: Decision::Approve,
            contact_id: contact.map(person),
            pupil_id: pupil.map(person),
        };
        let father_and_son = [(person(1), person(9)), (person(2), person(9))];
        for (candidates, body, expected) in [
            (&father_and_son[..1], body(None, None), Some(1)),
            (&father_and_son[..], body(None, None), None),
            (&father_and_son[..], body(None, Some(9)), None),
            (&father_and_son[..], body(Some(2), None), Some(2)),
            (&father_and_son[..], body(Some(2), Some(8)), None),
            (&father_and_son[..], body(Some(3), None), None),
            (&[], body(None, None), None),
        ] {
            let chosen = body.choose(candidates);
            assert_eq!(chosen, expected.map(|contact| (person(contact), person(9))));
        }
    }
}
