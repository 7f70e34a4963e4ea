//! Resolves a message's audience once and writes its chunks.
//!
//! Chunks count only from the moment the message says how many there are: until then they may be written again, and after
//! that never. The posts of the inbox are in the same write, but for those of a message that names more than three thousand
//! people: their first ones may be there a moment earlier. A task delivered twice queues the chunks twice, and the claim on each chunk lets one delivery through.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use shared::{
    app::Cloud,
    batch::{self, Failure},
    channel::Channel,
    config::{self, ConfigError},
    id::{MessageId, SchoolId},
    message::{
        Purpose,
        audience::{self, Recipient, Resolution},
        chunk::chunks,
        outcome::{Outcome, Outcomes},
        post::{About, Post, posts},
        store::{ChunkState, ChunkStatus, EXCLUDED_PER_PAGE, Excluded, Message, Roster},
    },
    person::store::{Directory, ReadError},
    privacy::consent::Register,
    queue::{QueueError, Queues, Task},
    random,
    school::{Tenant, TenantError},
    seal::{Keyring, SealError, hex},
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, TRANSACTION_ITEMS, Tables, Update, Write, value},
    },
    time,
};

/// How long one worker may resolve, in seconds: the function's timeout.
const RESOLVE_SECONDS: i64 = 120;

/// What the function was given.
#[derive(Debug)]
pub struct App {
    tables: Tables,
    keyring: Arc<Keyring>,
    queues: Queues,
    urgent: String,
    routine: String,
}

impl App {
    /// From the environment. Makes no call.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let cloud = Cloud::connect().await;
        let tables = cloud.tables(&[TableName::Directory, TableName::Messaging, TableName::Keys])?;
        Ok(Self {
            keyring: cloud.keyring(&tables)?,
            tables,
            queues: cloud.queues(),
            urgent: config::required("SEND_URGENT_QUEUE_URL")?,
            routine: config::required("SEND_ROUTINE_QUEUE_URL")?,
        })
    }
}

/// Works through a batch.
pub async fn handle(app: &Arc<App>, event: SqsEvent) -> SqsBatchResponse {
    batch::each(event, |body| {
        let app = app.clone();
        async move {
            match Task::from_body(&body).map_err(Failure::retry)? {
                Task::FanOut { school_id, message_id } => {
                    fan_out(&app, school_id, message_id).await.map_err(Failure::retry)
                }
                _ => Err(Failure::retry("this queue takes fan_out tasks only")),
            }
        }
    })
    .await
}

#[derive(Debug, thiserror::Error)]
enum FanOutError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Tenant(#[from] TenantError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("another worker is resolving this message")]
    Busy,
}

async fn fan_out(app: &App, school: SchoolId, message_id: MessageId) -> Result<(), FanOutError> {
    let tenant = match Tenant::load(&app.tables, &app.keyring, school).await {
        Ok(tenant) => tenant,
        Err(TenantError::NotActive) => {
            tracing::info!(%school, message = %message_id, "not fanned out: the school is not active");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let now = time::now().as_second();
    let resolver = hex(&random::bytes::<8>());
    let free = Condition::All(vec![
        Condition::Present,
        Condition::Missing("chunks"),
        Condition::MissingOrBelow("resolver_until", value(now)),
    ]);
    let claim = Update::new().set("resolver", &resolver).set("resolver_until", now + RESOLVE_SECONDS);
    let message = match app.tables.update::<Message>(key::message(school, message_id), claim, free).await {
        Ok(message) => message,
        Err(StoreError::Conflict) => return again(app, school, message_id).await,
        Err(error) => return Err(error.into()),
    };
    if message.stopped {
        return Ok(());
    }
    let content = message.content(&tenant.key)?;
    let register = Register::load(&app.tables, school).await?;
    let directory = Directory::load(&app.tables, &tenant).await?;
    let today = time::date_in(&tenant.school.time_zone, time::now());
    let resolution = audience::resolve(
        &directory,
        &register,
        &content.audience,
        message.purpose,
        &message.channels,
        today,
    );
    let (chunks, posts) = (chunks(&resolution), posts(&directory, &content, message.purpose, today));
    let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
    // Chunks are in the order of channels, and the app is the last of these.
    let carried = chunks.iter().filter(|(channel, _)| *channel != Channel::App).count();
    let writes = writes(&tenant, register.changes, message_id, &resolution, chunks, &posts)?;
    // Whoever stops a message takes its posts back, and none may come after that.
    let mine = || {
        Condition::All(vec![
            Condition::Is("resolver", value(&resolver)),
            Condition::Is("stopped", value(false)),
            Condition::Missing("chunks"),
        ])
    };
    let shown = Update::new()
        .set("chunks", count)
        .set("recipients", resolution.count())
        .set("excluded", resolution.reasons())
        .remove("resolver")
        .remove("resolver_until");
    let at = || key::message(school, message_id);
    let shown = Write::update(TableName::Messaging, at(), shown, mine());
    match write(app, writes, || Write::check(TableName::Messaging, at(), mine()), shown).await {
        Ok(()) => {}
        // Overtaken, or stopped meanwhile.
        Err(StoreError::Conflict) => return again(app, school, message_id).await,
        Err(error) => return Err(error.into()),
    }
    tracing::info!(%school, message = %message_id, chunks = count, recipients = resolution.count(), excluded = resolution.excluded.len(), "fanned out");
    let carried = u32::try_from(carried).unwrap_or(u32::MAX);
    enqueue(app, school, message_id, message.purpose, carried).await
}

/// What is written of a resolved message besides itself: chunks, who was left out, and last the posts. `consents` counts the
/// choices that were known.
fn writes(
    tenant: &Tenant,
    consents: u64,
    message_id: MessageId,
    resolution: &Resolution,
    chunks: Vec<(Channel, Vec<Recipient>)>,
    posts: &[About],
) -> Result<Vec<Write>, StoreError> {
    let school_id = tenant.id();
    let mut writes = Vec::new();
    for (chunk, (channel, recipients)) in (0_u32..).zip(chunks) {
        let mut outcomes = Outcomes::queued(recipients.len());
        let mut status = ChunkStatus::Queued;
        if channel == Channel::App {
            outcomes.settle(Outcome::Sent);
            status = ChunkStatus::Posted;
        }
        let revision = tenant.school.revision;
        let roster = Roster { school_id, message_id, chunk, channel, recipients, revision, consents };
        let state = ChunkState {
            school_id,
            message_id,
            chunk,
            status,
            outcomes,
            claims: 0,
            claimer: None,
            claimed_until: 0,
        };
        writes.push(Write::put(&roster, Condition::Always)?);
        writes.push(Write::put(&state, Condition::Always)?);
    }
    let excluded: Vec<_> = resolution.excluded.iter().map(|(person, reason)| (*person, *reason)).collect();
    for (page, people) in (0_u32..).zip(excluded.chunks(EXCLUDED_PER_PAGE)) {
        let excluded = Excluded::new(&tenant.key, school_id, message_id, page, people);
        writes.push(Write::put(&excluded, Condition::Always)?);
    }
    for (number, about) in (0_u32..).zip(posts) {
        let post = Post::new(&tenant.key, school_id, message_id, number, about);
        writes.push(Write::put(&post, Condition::Always)?);
    }
    Ok(writes)
}

/// Writes in transactions of which each holds the message too: a worker that was overtaken writes nothing any more. The odd ones
/// go first, so that the last transaction, with which it all counts, holds as many of the posts as it can.
async fn write(
    app: &App,
    writes: Vec<Write>,
    mine: impl Fn() -> Write,
    shown: Write,
) -> Result<(), StoreError> {
    let room = TRANSACTION_ITEMS - 1;
    let (first, rest) = writes.split_at(writes.len() % room);
    let mut transactions: Vec<_> = [first]
        .into_iter()
        .filter(|some| !some.is_empty())
        .chain(rest.chunks(room))
        .map(<[_]>::to_vec)
        .collect();
    let mut last = transactions.pop().unwrap_or_default();
    for some in &mut transactions {
        some.push(mine());
    }
    last.push(shown);
    transactions.push(last);
    for some in transactions {
        app.tables.transact(some).await?;
    }
    Ok(())
}

/// The message is resolved already, or somebody is at it: its chunks are queued again, in case the first worker died before
/// it did so. Those that are posted and not sent are among them, and message-send drops them.
async fn again(app: &App, school: SchoolId, message_id: MessageId) -> Result<(), FanOutError> {
    let message: Option<Message> = app.tables.get(key::message(school, message_id)).await?;
    match message {
        // Erased meanwhile: nothing is left to do.
        None => Ok(()),
        Some(Message { chunks: Some(count), stopped: false, purpose, .. }) => {
            enqueue(app, school, message_id, purpose, count).await
        }
        Some(Message { stopped: true, .. }) => Ok(()),
        Some(Message { chunks: None, .. }) => Err(FanOutError::Busy),
    }
}

async fn enqueue(
    app: &App,
    school: SchoolId,
    message_id: MessageId,
    purpose: Purpose,
    count: u32,
) -> Result<(), FanOutError> {
    let tasks: Vec<_> =
        (0..count).map(|chunk| Task::SendChunk { school_id: school, message_id, chunk }).collect();
    let queue = if purpose.is_urgent() { &app.urgent } else { &app.routine };
    Ok(app.queues.send(queue, &school.to_string(), &tasks).await?)
}
