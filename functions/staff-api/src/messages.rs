//! Messages: previewing, sending, watching, stopping.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::{
    channel::Channel,
    http::{Answer, ApiError, FieldError, Problem, Replay, Request, Staff, problem::Code, request::Shows},
    id::{MessageId, PersonId, SchoolId},
    message::{
        Draft,
        audience::{self, Reason, Recipient, Resolution},
        outcome::{Outcome, Outcomes},
        render, sms,
        store::{Acknowledgement, ChunkState, ChunkStatus, Content, Excluded, Message, Roster},
    },
    person::store::Directory,
    privacy::consent::Register,
    queue::Task,
    random,
    school::Tenant,
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, TRANSACTION_ITEMS, Update, Write},
    },
    time,
};

use crate::{App, apart};

/// The school's people, and whom of them the draft would reach now.
async fn resolve(app: &App, tenant: &Tenant, draft: &Draft) -> Result<(Directory, Resolution), ApiError> {
    let register = Register::load(&app.tables, tenant.id()).await?;
    let directory = Directory::load(&app.tables, tenant).await?;
    let today = time::date_in(&tenant.school.time_zone, time::now());
    let resolution =
        audience::resolve(&directory, &register, &draft.audience, draft.purpose, &draft.channels, today);
    Ok((directory, resolution))
}

fn content(draft: &Draft) -> Content {
    Content { subject: draft.subject.clone(), body: draft.body.clone(), audience: draft.audience.clone() }
}

fn reasons(counts: &BTreeMap<Reason, usize>) -> Vec<Value> {
    counts.iter().map(|(reason, count)| json!({"reason": reason, "count": count})).collect()
}

/// The parts of each text, as each recipient would get it.
fn sms_parts(
    tenant: &Tenant,
    directory: &Directory,
    content: &Content,
    resolution: &Resolution,
) -> Vec<usize> {
    let texts = resolution.recipients.get(&Channel::Sms).into_iter().flatten();
    texts
        .map(|recipient| {
            sms::parts(&render::sms(content, &render::fields(directory, recipient, &tenant.school.name)))
        })
        .collect()
}

fn too_long(parts: &[usize]) -> Option<Problem> {
    parts.iter().any(|parts| *parts > sms::MAX_PARTS).then(|| {
        let detail = format!(
            "as a text this would take more than {} parts for some recipients; shorten it",
            sms::MAX_PARTS
        );
        Problem::fields(vec![FieldError::new("/body", "too_long", detail)])
    })
}

/// `POST …/messages/preview`: who would get it, who not and why, and what it would cost. Nothing is stored.
pub async fn preview(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    let draft: Draft = request.body()?;
    let faults: Vec<_> =
        draft.faults().into_iter().filter(|fault| fault.code != "unknown_placeholder").collect();
    if !faults.is_empty() {
        return Err(Problem::fields(faults).into());
    }
    let tenant = app.tenant(school).await?;
    let (directory, resolution) = resolve(app, &tenant, &draft).await?;
    let kept = apart::kept_among(app, staff, &tenant, &directory).await?;
    kept.refuse(draft.audience.people.iter().copied())?;
    let content = content(&draft);
    let parts = sms_parts(&tenant, &directory, &content, &resolution);
    let by_channel: serde_json::Map<String, Value> = draft
        .channels
        .iter()
        .map(|channel| {
            (channel.word().to_owned(), resolution.recipients.get(channel).map_or(0, Vec::len).into())
        })
        .collect();
    let may_be_shown = |recipient: &&Recipient| {
        !recipient.pupils.iter().chain([&recipient.person]).any(|person| kept.has(*person))
    };
    let sampled = resolution
        .recipients
        .iter()
        .find_map(|(channel, recipients)| Some((channel, recipients.iter().find(may_be_shown)?)));
    let sample = sampled.map(|(channel, recipient)| {
        let fields = render::fields(&directory, recipient, &tenant.school.name);
        match channel {
            Channel::Email => {
                let (subject, text, _) = render::email(&content, &fields);
                json!({"channel": channel, "subject": subject, "text": text})
            }
            Channel::Sms => json!({"channel": channel, "text": render::sms(&content, &fields)}),
            Channel::App => {
                let (subject, text) = render::app(&content, &fields);
                json!({"channel": channel, "subject": subject, "text": text})
            }
        }
    });
    // The sample names people without their ids.
    let named =
        sampled.into_iter().flat_map(|(_, recipient)| recipient.pupils.iter().chain([&recipient.person]));
    let named = Shows::Besides(named.copied().collect());
    let total: usize = parts.iter().sum();
    let answer = Answer::json(
        200,
        json!({
            "recipients": resolution.count(), "by_channel": by_channel, "excluded": reasons(&resolution.reasons()), "sms_parts": total,
            "cost": {"currency": "GBP", "amount": cost(&app.sms_part_price, total)}, "missing_placeholders": draft.missing_placeholders(), "sample": sample,
        }),
    )?;
    Ok(answer.showing(named))
}

/// Parts times the price of one, in exact decimal: the price has up to six places.
fn cost(price: &str, parts: usize) -> String {
    let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
    let micros = format!("{whole}{fraction:0<6}").parse::<u128>().unwrap_or_default() * parts as u128;
    let pence = micros.div_ceil(10_000);
    format!("{}.{:02}", pence / 100, pence % 100)
}

/// `POST …/messages`: takes the message on. The audience is resolved again when it is fanned out.
pub async fn create(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    let draft: Draft = request.body()?;
    let faults = draft.faults();
    if !faults.is_empty() {
        return Err(Problem::fields(faults).into());
    }
    let now = time::now();
    let tenant = app.tenant(school).await?;
    let replay = Replay::of(request, &staff.subject, &school.to_string(), now)?;
    if let Some(id) = replay.seen(&app.tables).await? {
        return again(app, school, id.parse().map_err(ApiError::internal)?).await;
    }
    let (directory, resolution) = resolve(app, &tenant, &draft).await?;
    let kept = apart::kept_among(app, staff, &tenant, &directory).await?;
    kept.refuse(draft.audience.people.iter().copied())?;
    if resolution.count() == 0 {
        let problem = Problem::new(
            Code::NoRecipients,
            "Nobody would be reached. Look at the reasons under excluded, or choose another audience or channel.",
        );
        return Err(problem.with("excluded", reasons(&resolution.reasons()).into()).into());
    }
    let content = content(&draft);
    if let Some(problem) = too_long(&sms_parts(&tenant, &directory, &content, &resolution)) {
        return Err(problem.into());
    }
    let message_id = MessageId::new(now, &random::bytes());
    let message = Message {
        school_id: school,
        message_id,
        purpose: draft.purpose,
        channels: draft.channels.clone(),
        content: Message::seal(&tenant.key, school, message_id, &content),
        sent_by: staff.subject.clone(),
        created_at: now,
        stopped: false,
        resolver: None,
        resolver_until: None,
        chunks: None,
        recipients: 0,
        excluded: BTreeMap::new(),
    };
    let mut writes = vec![Write::put(&message, Condition::Absent)?];
    writes.extend(replay.write(&message_id.to_string())?);
    match app.tables.transact(writes).await {
        Ok(()) => {}
        // The same key arrived twice at one moment: the other request's message is the one.
        Err(StoreError::Conflict) => {
            return Err(Problem::new(
                Code::Conflict,
                "The same request is being handled at this moment. Send it again.",
            )
            .into());
        }
        Err(error) => return Err(error.into()),
    }
    enqueue(app, school, message_id).await?;
    Answer::json(202, json!({"message_id": message_id, "status": "queued"}))
}

/// A repeated request: the same answer. If the first one died before it queued the message, this one does.
async fn again(app: &App, school: SchoolId, message_id: MessageId) -> Result<Answer, ApiError> {
    let message: Message =
        app.tables.get(key::message(school, message_id)).await?.ok_or_else(Problem::not_found)?;
    if message.chunks.is_none() && !message.stopped {
        enqueue(app, school, message_id).await?;
    }
    Answer::json(202, json!({"message_id": message_id, "status": "queued"}))
}

async fn enqueue(app: &App, school: SchoolId, message_id: MessageId) -> Result<(), ApiError> {
    Ok(app
        .queues
        .send(&app.fanout_queue, &school.to_string(), &[Task::FanOut { school_id: school, message_id }])
        .await?)
}

/// `GET …/messages`, newest first.
pub async fn list(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let (size, before) = (request.page_size()?, request.cursor::<MessageId>()?);
    let before = before.map(|message| key::message(school, message).sk);
    let tenant = app.tenant(school).await?;
    let limit = i32::try_from(size).map_err(ApiError::internal)?;
    let items = app
        .tables
        .latest(TableName::Messaging, &key::school_partition(school), key::MESSAGES, before.as_deref(), limit)
        .await?;
    let messages = items.into_iter().map(|item| item.read::<Message>()).collect::<Result<Vec<_>, _>>()?;
    let mut bodies = Vec::new();
    for message in &messages {
        bodies.push(body(app, &tenant, message).await?);
    }
    let next_cursor =
        (messages.len() == size).then(|| messages.last().map(|message| message.message_id)).flatten();
    Answer::json(200, json!({"items": bodies, "next_cursor": next_cursor}))
}

/// `GET …/messages/{message_id}`.
pub async fn get(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let (tenant, message) = find(app, request, school).await?;
    let mut body = body(app, &tenant, &message).await?;
    body["acknowledged"] = acknowledgements(app, &message).await?.len().into();
    Answer::json(200, body)
}

/// Who has acknowledged a message.
async fn acknowledgements(app: &App, message: &Message) -> Result<Vec<Acknowledgement>, ApiError> {
    let partition = key::message_partition(message.school_id, message.message_id);
    let items = app.tables.query(TableName::Messaging, &partition, key::ACKNOWLEDGEMENTS).await?;
    Ok(items.into_iter().map(|item| item.read()).collect::<Result<Vec<_>, _>>()?)
}

/// `POST …/messages/{message_id}/stop`: whatever the carriers have not got yet is not sent, and nobody finds it in the inbox any
/// more.
pub async fn stop(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let (tenant, message) = find(app, request, school).await?;
    let message = app
        .tables
        .update::<Message>(
            key::message(school, message.message_id),
            Update::new().set("stopped", true),
            Condition::Present,
        )
        .await?;
    // From the write above on, fan-out posts nothing of it: what is there now is all.
    let (partition, posts) = (key::posts_partition(school), key::posts_of(message.message_id));
    let posts = app.tables.query(TableName::Messaging, &partition, &posts).await?;
    for some in posts.chunks(TRANSACTION_ITEMS) {
        let gone = some.iter().map(|post| Write::delete(TableName::Messaging, post.key(), Condition::Always));
        app.tables.transact(gone.collect()).await?;
    }
    Answer::json(202, body(app, &tenant, &message).await?)
}

async fn find(app: &App, request: &Request, school: SchoolId) -> Result<(Tenant, Message), ApiError> {
    let message: MessageId = request.path("message_id")?;
    let tenant = app.tenant(school).await?;
    let message = app.tables.get(key::message(school, message)).await?.ok_or_else(Problem::not_found)?;
    Ok((tenant, message))
}

async fn states(app: &App, message: &Message) -> Result<Vec<ChunkState>, ApiError> {
    let partition = key::message_partition(message.school_id, message.message_id);
    let items = app.tables.query(TableName::Messaging, &partition, key::CHUNK_STATES).await?;
    Ok(items.into_iter().map(|item| item.read()).collect::<Result<Vec<_>, _>>()?)
}

/// A chunk's outcomes as told. Once the message is stopped, what waits will not be sent any more, unless a sender has it in
/// hand at this moment: every sender looks before it calls a carrier. What was posted has been taken back.
fn told(message: &Message, state: &ChunkState) -> Outcomes {
    let mut outcomes = state.outcomes.clone();
    if message.stopped && state.status == ChunkStatus::Posted {
        return Outcomes(vec![Outcome::Stopped; outcomes.0.len()]);
    }
    if message.stopped && state.status != ChunkStatus::Claimed {
        outcomes.settle(Outcome::Stopped);
    }
    outcomes
}

/// A message as told. While the audience is being resolved its counts are 0; the chunks of an unfinished resolution do not
/// count.
async fn body(app: &App, tenant: &Tenant, message: &Message) -> Result<Value, ApiError> {
    let mut counts: BTreeMap<Outcome, usize> = Outcome::ALL.into_iter().map(|outcome| (outcome, 0)).collect();
    if message.chunks.is_some() {
        for state in states(app, message).await? {
            told(message, &state).count_into(&mut counts);
        }
    }
    let waiting = counts[&Outcome::Queued];
    let status = match (message.stopped, message.chunks) {
        // Stopped too late: everything was out already.
        (true, Some(_)) if waiting == 0 && counts[&Outcome::Stopped] == 0 => "sent",
        (true, _) => "stopped",
        (false, None) => "queued",
        (false, Some(_)) if waiting == 0 => "sent",
        (false, Some(_)) if waiting == message.recipients => "queued",
        (false, Some(_)) => "sending",
    };
    let mut numbers: serde_json::Map<String, Value> =
        counts.iter().map(|(outcome, count)| (outcome.word().to_owned(), (*count).into())).collect();
    numbers.insert("recipients".into(), counts.values().sum::<usize>().into());
    numbers.insert("excluded".into(), message.excluded.values().sum::<usize>().into());
    let content = message.content(&tenant.key)?;
    Ok(json!({
        "message_id": message.message_id, "status": status, "purpose": message.purpose, "subject": content.subject, "created_at": time::rfc3339(message.created_at),
        "counts": numbers, "excluded": reasons(&message.excluded),
    }))
}

/// `GET …/messages/{message_id}/recipients`: per person, what became of it. Whoever shares a contact point stands under
/// `excluded` as `duplicate`; whoever acknowledged what was not sent to them, because they came to the pupil later, stands last.
/// Whoever is kept from the one who looks does not stand there at all.
pub async fn recipients(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    // The order is the stored one and grows only at its end, so a place in it is a cursor.
    let (size, from) = (request.page_size()?, request.cursor::<usize>()?.unwrap_or(0));
    let (tenant, message) = find(app, request, school).await?;
    let kept = apart::kept(app, staff, &tenant).await?;
    let mut people = Vec::new();
    let mut acknowledged: BTreeMap<PersonId, _> = acknowledgements(app, &message)
        .await?
        .into_iter()
        .map(|one| (one.contact_id, time::rfc3339(one.acknowledged_at)))
        .collect();
    if message.chunks.is_some() {
        let partition = key::message_partition(school, message.message_id);
        let states: BTreeMap<u32, ChunkState> =
            states(app, &message).await?.into_iter().map(|state| (state.chunk, state)).collect();
        for item in app.tables.query(TableName::Messaging, &partition, key::ROSTERS).await? {
            let roster: Roster = item.read()?;
            let outcomes = states.get(&roster.chunk).map(|state| told(&message, state).0).unwrap_or_default();
            for (recipient, outcome) in roster.recipients.iter().zip(outcomes) {
                people.push((recipient.person, json!({"person_id": recipient.person, "channel": roster.channel, "status": outcome, "reason": null, "acknowledged_at": acknowledged.remove(&recipient.person)})));
            }
        }
        for item in app.tables.query(TableName::Messaging, &partition, key::EXCLUDED).await? {
            let excluded: Excluded = item.read()?;
            people.extend(excluded.people(&tenant.key)?.iter().map(|(person, reason)| (*person, json!({"person_id": person, "channel": null, "status": "excluded", "reason": reason, "acknowledged_at": acknowledged.remove(person)}))));
        }
    }
    let mut later: Vec<_> = acknowledged.into_iter().collect();
    later.sort_by(|one, other| one.1.cmp(&other.1));
    people.extend(later.into_iter().map(|(person, at)| (person, json!({"person_id": person, "channel": Channel::App, "status": Outcome::Delivered, "reason": null, "acknowledged_at": at}))));
    let people: Vec<_> =
        people.into_iter().filter(|(person, _)| !kept.has(*person)).map(|(_, told)| told).collect();
    let to = from.saturating_add(size).min(people.len());
    let next_cursor = (to < people.len()).then(|| to.to_string());
    Answer::json(200, json!({"items": people.get(from..to).unwrap_or_default(), "next_cursor": next_cursor}))
}

#[cfg(test)]
mod tests {
    #[test]
    fn costs_are_exact_and_rounded_up_to_the_penny() {
        for (price, parts, amount) in [
            ("0.04", 0, "0.00"),
            ("0.04", 54, "2.16"),
            ("0.0371", 3, "0.12"),
            ("1", 2, "2.00"),
            ("0.033333", 100, "3.34"),
        ] {
            assert_eq!(super::cost(price, parts), amount);
        }
    }
}
