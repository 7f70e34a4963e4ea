//! One chunk: claim, look again at what may still be sent, send, record.

use std::{collections::BTreeMap, sync::Arc};

use shared::{
    channel::{
        Channel, SendError,
        email::{Email, Sender, local_part},
    },
    id::{MessageId, PersonId, SchoolId},
    message::{
        Purpose,
        audience::{Recipient, still_permitted},
        chosen::still_chosen,
        outcome::{Outcome, Outcomes},
        render,
        store::{CarrierIds, ChunkState, ChunkStatus, Content, Message, Roster},
    },
    person::store::Directory,
    privacy::consent::{ConsentsMark, Register},
    random,
    school::{School, SchoolState, Tenant},
    seal::hex,
    store::{
        key::{self, TableName},
        table::{Condition, Record, StoreError, Update, Write, value},
    },
    time,
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{App, WorkError};

/// How long a claim holds, in seconds: the function's timeout. The queue delivers again only after six times that.
const CLAIM_SECONDS: i64 = 60;
/// Texts of one chunk that are under way at once.
const TEXTS_AT_ONCE: usize = 10;

/// What became of the recipients that were tried: place in the roster -> outcome, and the carrier's id.
type Tried = BTreeMap<usize, Result<String, SendError>>;

/// Sends a chunk.
pub async fn send(
    app: &Arc<App>,
    school: SchoolId,
    message_id: MessageId,
    chunk: u32,
) -> Result<(), WorkError> {
    let Some(state) = claim(app, school, message_id, chunk).await? else { return Ok(()) };
    let mut outcomes = state.outcomes.clone();
    let tried = match attempt(app, &state, &mut outcomes).await {
        Ok(tried) => tried,
        Err(error) => {
            // Nothing of it was sent: the chunk goes back as it was, or it would pass for in doubt once the claim has run
            // out. If giving it back fails too, that is what happens.
            if let Err(second) = give_back(app, &state).await {
                tracing::warn!(%school, message = %message_id, chunk, error = %second, "a chunk could not be given back");
            }
            return Err(error);
        }
    };
    let mut ids = BTreeMap::new();
    let mut later = None;
    for (at, result) in tried {
        outcomes.0[at] = match result {
            Ok(id) => {
                ids.insert(at, id);
                Outcome::Sent
            }
            Err(SendError::BadContact) => Outcome::Failed,
            Err(SendError::InDoubt) => Outcome::Unknown,
            Err(error @ (SendError::Later | SendError::Refused)) => {
                later = Some(error);
                Outcome::Queued
            }
        };
    }
    write(app, &state, &outcomes, ids).await?;
    later.map_or(Ok(()), |error| Err(error.into()))
}

/// Looks again at what may still be sent, and sends it. An error means that no carrier took anything.
async fn attempt(app: &Arc<App>, state: &ChunkState, outcomes: &mut Outcomes) -> Result<Tried, WorkError> {
    let chunk = state.chunk;
    let (message, roster, record, consents) = read(app, state.school_id, state.message_id, chunk).await?;
    if message.stopped || record.state != SchoolState::Active {
        outcomes.settle(Outcome::Stopped);
        return Ok(Tried::new());
    }
    let tenant = Tenant::with(&app.keyring, record).await?;
    let content = message.content(&tenant.key)?;
    let waiting = outcomes.waiting();
    let directory = people(app, &tenant, &roster, &waiting).await?;
    let register = chosen_anew(app, &message, &roster, consents, &waiting).await?;
    let mut ready = Vec::new();
    for at in waiting {
        let Some(recipient) = roster.recipients.get(at) else { continue };
        let permitted = permitted(&tenant, &directory, &roster, recipient, message.purpose);
        let wanted = permitted.and_then(|recipient| match &register {
            Some(register) => still_chosen(register, recipient, message.purpose, roster.channel),
            None => Some(recipient),
        });
        match wanted {
            Some(recipient) => ready.push((at, recipient)),
            None => outcomes.0[at] = Outcome::Stopped,
        }
    }
    match roster.channel {
        Channel::Email => Ok(emails(app, &tenant, &directory, &content, &message, chunk, ready).await?),
        Channel::Sms => Ok(texts(app, &tenant, &directory, &content, ready).await),
        // Posted by fan-out: nobody can claim such a chunk.
        Channel::App => Ok(Tried::new()),
    }
}

/// Claims the chunk; `None` when there is nothing left to do.
async fn claim(
    app: &App,
    school: SchoolId,
    message_id: MessageId,
    chunk: u32,
) -> Result<Option<ChunkState>, WorkError> {
    let at = || key::chunk_state(school, message_id, chunk);
    let now = time::now().as_second();
    let claimer = hex(&random::bytes::<8>());
    let claim = || {
        Update::new()
            .set("status", ChunkStatus::Claimed)
            .set("claimed_until", now + CLAIM_SECONDS)
            .set("claimer", &claimer)
            .add("claims", 1)
    };
    match app
        .tables
        .update::<ChunkState>(at(), claim(), Condition::Is("status", value(ChunkStatus::Queued)))
        .await
    {
        Ok(state) => return Ok(Some(state)),
        Err(StoreError::Conflict) => {}
        Err(error) => return Err(error.into()),
    }
    let state = app.tables.get::<ChunkState>(at()).await?;
    let unfinished = |state: &ChunkState| matches!(state.status, ChunkStatus::Queued | ChunkStatus::Claimed);
    let Some(mut state) = state.filter(unfinished) else { return Ok(None) };
    if state.claimer.as_ref() == Some(&claimer) {
        // The claim was written and only its answer was lost.
        return Ok(Some(state));
    }
    if now < state.claimed_until {
        return Err(WorkError::Claimed);
    }
    // A worker died over it: what still waits may or may not have been sent.
    let message: Message =
        app.tables.get(key::message(school, message_id)).await?.ok_or(WorkError::Missing("message"))?;
    let dead = Condition::All(vec![
        Condition::Is("status", value(ChunkStatus::Claimed)),
        Condition::Is("claims", value(state.claims)),
    ]);
    if message.purpose == Purpose::Emergency {
        tracing::warn!(%school, message = %message_id, chunk, "an emergency in doubt is sent again");
        return Ok(Some(app.tables.update(at(), claim(), dead).await?));
    }
    tracing::warn!(%school, message = %message_id, chunk, "a chunk in doubt is recorded as unknown");
    state.outcomes.settle(Outcome::Unknown);
    app.tables
        .update::<ChunkState>(
            at(),
            Update::new().set("status", ChunkStatus::Done).set("outcomes", &state.outcomes),
            dead,
        )
        .await?;
    Ok(None)
}

/// Message, roster, school and the count of changed consents in one call.
async fn read(
    app: &App,
    school: SchoolId,
    message_id: MessageId,
    chunk: u32,
) -> Result<(Message, Roster, School, u64), WorkError> {
    let keys = vec![
        (TableName::Messaging, key::message(school, message_id)),
        (TableName::Messaging, key::roster(school, message_id, chunk)),
        (TableName::Directory, key::school(school)),
        (TableName::Directory, key::consents_mark(school)),
    ];
    let (mut message, mut roster, mut record, mut consents) = (None, None, None, 0);
    for item in app.tables.batch_get(keys).await? {
        match item.kind() {
            Message::KIND => message = Some(item.read()?),
            Roster::KIND => roster = Some(item.read()?),
            School::KIND => record = Some(item.read()?),
            ConsentsMark::KIND => consents = item.read::<ConsentsMark>()?.changes,
            _ => {}
        }
    }
    Ok((
        message.ok_or(WorkError::Missing("message"))?,
        roster.ok_or(WorkError::Missing("roster"))?,
        record.ok_or(WorkError::Missing("school"))?,
        consents,
    ))
}

/// The people of a roster as they are now: the recipients; the pupils, whose names are in the text; and, once the directory has
/// moved on since the audience was resolved, the links that the right to write rests on.
async fn people(
    app: &App,
    tenant: &Tenant,
    roster: &Roster,
    waiting: &[usize],
) -> Result<Directory, WorkError> {
    let recipients: Vec<_> = waiting.iter().filter_map(|at| roster.recipients.get(*at)).collect();
    let mut people: Vec<PersonId> = recipients
        .iter()
        .flat_map(|recipient| std::iter::once(recipient.person).chain(recipient.pupils.iter().copied()))
        .collect();
    people.sort_unstable();
    people.dedup();
    let mut links = Vec::new();
    let has_moved = tenant.school.revision != roster.revision;
    if has_moved {
        for recipient in recipients {
            for reader in recipient.readers() {
                links.extend(recipient.pupils.iter().map(|pupil| (*pupil, reader)));
            }
        }
    }
    let mut directory = Directory::pick(&app.tables, tenant, &people, &links).await?;
    if has_moved {
        // Who reads the contact point that takes a suppressed one's place, nobody looked at when the audience was resolved: perhaps
        // somebody whom a court keeps away. It is told as not reached.
        for person in directory.people.values_mut().filter_map(|stored| stored.value.as_mut()) {
            if !person.suppressed.emails.is_empty() {
                person.emails.clear();
            }
            if !person.suppressed.phones.is_empty() {
                person.phones.clear();
            }
        }
    }
    Ok(directory)
}

/// What those who read this chunk have chosen, if anybody at the school has chosen anything since its audience was resolved.
/// Nobody chooses about an emergency.
async fn chosen_anew(
    app: &App,
    message: &Message,
    roster: &Roster,
    consents: u64,
    waiting: &[usize],
) -> Result<Option<Register>, WorkError> {
    if consents == roster.consents || message.purpose == Purpose::Emergency {
        return Ok(None);
    }
    let recipients = waiting.iter().filter_map(|at| roster.recipients.get(*at));
    let people = recipients.flat_map(|recipient| recipient.readers().chain(recipient.pupils.iter().copied()));
    Ok(Some(Register::pick(&app.tables, message.school_id, people).await?))
}

fn permitted(
    tenant: &Tenant,
    directory: &Directory,
    roster: &Roster,
    recipient: &Recipient,
    purpose: Purpose,
) -> Option<Recipient> {
    if tenant.school.revision == roster.revision {
        return directory.person(recipient.person).map(|_| recipient.clone());
    }
    let today = time::date_in(&tenant.school.time_zone, time::now());
    still_permitted(directory, recipient, purpose, today)
}

async fn emails(
    app: &App,
    tenant: &Tenant,
    directory: &Directory,
    content: &Content,
    message: &Message,
    chunk: u32,
    ready: Vec<(usize, Recipient)>,
) -> Result<Tried, SendError> {
    let mut tried = Tried::new();
    let (mut places, mut emails) = (Vec::new(), Vec::new());
    for (at, recipient) in ready {
        match directory.person(recipient.person).and_then(|person| person.email()) {
            Some(to) => {
                let (subject, text, html) =
                    render::email(content, &render::fields(directory, &recipient, &tenant.school.name));
                emails.push(Email { to: to.clone(), subject, text, html });
                places.push(at);
            }
            // The address is gone since: there is nowhere to write to.
            None => drop(tried.insert(at, Err(SendError::BadContact))),
        }
    }
    if emails.is_empty() {
        return Ok(tried);
    }
    let reply_to = tenant.school.contacts(&tenant.key).ok().map(|contacts| contacts.reply_to);
    let sender =
        Sender { name: tenant.school.name.clone(), local_part: local_part(&tenant.school.name), reply_to };
    let tags = [
        ("school_id", tenant.id().to_string()),
        ("message_id", message.message_id.to_string()),
        ("chunk", chunk.to_string()),
    ];
    match app.mailer.send_bulk(&sender, &tags, &emails).await {
        Ok(results) => tried.extend(places.into_iter().zip(results)),
        Err(error @ (SendError::Later | SendError::Refused)) => return Err(error),
        // One answer for all of them.
        Err(error @ (SendError::BadContact | SendError::InDoubt)) => {
            tried.extend(places.into_iter().map(|at| (at, Err(error))));
        }
    }
    Ok(tried)
}

async fn texts(
    app: &Arc<App>,
    tenant: &Tenant,
    directory: &Directory,
    content: &Content,
    ready: Vec<(usize, Recipient)>,
) -> Tried {
    let mut tried = Tried::new();
    let mut tasks = JoinSet::new();
    let room = Arc::new(Semaphore::new(TEXTS_AT_ONCE));
    for (at, recipient) in ready {
        let Some(to) = directory.person(recipient.person).and_then(|person| person.mobile()).cloned() else {
            tried.insert(at, Err(SendError::BadContact));
            continue;
        };
        let text = render::sms(content, &render::fields(directory, &recipient, &tenant.school.name));
        let (app, room, sender_id) = (app.clone(), room.clone(), tenant.school.sms_id.clone());
        tasks.spawn(async move {
            let _place = room.acquire().await;
            (at, app.text(&to, &sender_id, &text).await)
        });
    }
    tried.extend(tasks.join_all().await);
    tried
}

/// Records the outcomes and the carrier's ids together; the claim ends with it.
async fn write(
    app: &App,
    state: &ChunkState,
    outcomes: &Outcomes,
    ids: BTreeMap<usize, String>,
) -> Result<(), WorkError> {
    let (school_id, message_id, chunk) = (state.school_id, state.message_id, state.chunk);
    let status = if outcomes.waiting().is_empty() { ChunkStatus::Done } else { ChunkStatus::Queued };
    let update = Update::new().set("status", status).set("outcomes", outcomes).set("claimed_until", 0);
    let mut writes = vec![Write::update(
        TableName::Messaging,
        state.key(),
        update,
        Condition::Is("claims", value(state.claims)),
    )];
    if !ids.is_empty() {
        writes.push(Write::put(
            &CarrierIds { school_id, message_id, chunk, claim: state.claims, ids },
            Condition::Always,
        )?);
    }
    Ok(app.tables.transact(writes).await?)
}

/// Ends the claim with nothing done.
async fn give_back(app: &App, state: &ChunkState) -> Result<(), WorkError> {
    let update = Update::new().set("status", ChunkStatus::Queued).set("claimed_until", 0);
    app.tables
        .update::<ChunkState>(state.key(), update, Condition::Is("claims", value(state.claims)))
        .await?;
    Ok(())
}
