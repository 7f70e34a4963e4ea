//! A parent's call for help with the app, to the school's support.

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Replay, Request, problem::Code},
    id::{SchoolId, SupportId},
    privacy::retention::DataClass,
    queue::Task,
    random,
    store::{
        key,
        table::{Condition, Write},
    },
    support::{Device, SupportRequest, Topic},
    time,
    verify::{limit::Limit, session::Parent},
};

use crate::{App, view::views};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSupport {
    topic: Topic,
    device_type: String,
    app_version: String,
    device_id: String,
    school_id: Option<SchoolId>,
}

/// `POST /v1/me/support`.
pub async fn create(app: &App, parent: &Parent, request: &Request) -> Result<Answer, ApiError> {
    let NewSupport { topic, device_type, app_version, device_id, school_id } = request.body()?;
    let device = Device { device_type, app_version, device_id }.read().map_err(Problem::fields)?;
    let now = time::now();
    let account_id = parent.account.account_id;
    let account = account_id.to_string();
    let replay = Replay::of(request, &account, &account, now)?;
    if let Some(id) = replay.seen(&app.tables).await? {
        let support_id = id.parse().map_err(ApiError::internal)?;
        // Perhaps stored without having been queued: whoever is told twice is told once.
        if let Some(support) = app.tables.get::<SupportRequest>(key::support_request(support_id)).await?
            && support.told_at.is_none()
        {
            let task = Task::TellOfSupport { school_id: support.school_id, support_id };
            app.queues.send(&app.send_queue, &support.school_id.to_string(), &[task]).await?;
        }
        return Answer::json(202, body(support_id));
    }
    let schools: Vec<_> = views(app, parent).await?.iter().map(|view| view.tenant.id()).collect();
    let school_id = school(&schools, school_id)?;
    if !Limit::SupportPerAccount.take(&app.tables, &account, now).await? {
        return Err(Problem::new(
            Code::TooManyRequests,
            "The school has heard of you today. Call its office.",
        )
        .into());
    }
    let support = SupportRequest {
        support_id: SupportId::new(now, &random::bytes()),
        school_id,
        account_id,
        topic,
        device,
        told_at: None,
        expires: (now + DataClass::SupportRequest.period()).as_second(),
    };
    let support_id = support.support_id;
    let mut writes = vec![Write::put(&support, Condition::Absent)?];
    writes.extend(replay.write(&support_id.to_string())?);
    app.tables.transact(writes).await?;
    let task = Task::TellOfSupport { school_id, support_id };
    app.queues.send(&app.send_queue, &school_id.to_string(), &[task]).await?;
    Answer::json(202, body(support_id))
}

/// The school that is asked: the one that is named, or the only one.
fn school(mine: &[SchoolId], named: Option<SchoolId>) -> Result<SchoolId, Problem> {
    let fault = |code, detail| Problem::fields(vec![FieldError::new("/school_id", code, detail)]);
    match (named, mine) {
        (Some(school), mine) if mine.contains(&school) => Ok(school),
        (None, [school]) => Ok(*school),
        (Some(_), _) | (None, []) => Err(fault("not_yours", "name a school of yours, as GET /v1/me does")),
        (None, _) => Err(fault("required", "name the school that is to help")),
    }
}

fn body(support_id: SupportId) -> Value {
    json!({"support_id": support_id})
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_school_is_named_or_the_only_one() {
        let [one, two, other] = [1, 2, 3].map(|byte| SchoolId::new(Timestamp::UNIX_EPOCH, &[byte; 10]));
        for (mine, named, expected) in [
            (&[one][..], None, Some(one)),
            (&[one, two], Some(two), Some(two)),
            (&[one, two], None, None),
            (&[one], Some(other), None),
            (&[], None, None),
        ] {
            assert_eq!(school(mine, named).ok(), expected, "{mine:?} {named:?}");
        }
    }
}
