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
        Purpose, audience,
        chunk::chunks,
        outcome::{Outcome, Outcomes},
        post::{Post, posts},
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
    let chunks = chunks(&resolution);
    let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
    // Chunks are in the order of channels, and the app is the last of these.
    let carried = chunks.iter().filter(|(channel, _)| *channel != Channel::App).count();
    let carried = u32::try_from(carried).unwrap_or(u32::MAX);

    let mut writes = Vec::new();
    for (number, (channel, recipients)) in (0_u32..).zip(chunks) {
        let mut outcomes = Outcomes::queued(recipients.len());
        let mut status = ChunkStatus::Queued;
        if channel == Channel::App {
            outcomes.settle(Outcome::Sent);
            status = ChunkStatus::Posted;
        }
        let roster = Roster {
            school_id: school,
            message_id,
            chunk: number,
            channel,
            recipients,
            revision: tenant.school.revision,
            consents: register.changes,
        };
        let state = ChunkState {
            school_id: school,
            message_id,
            chunk: number,
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
        writes.push(Write::put(
            &Excluded::new(&tenant.key, school, message_id, page, people),
            Condition::Always,
        )?);
    }
    for (number, about) in (0_u32..).zip(posts(&directory, &content, message.purpose, today)) {
        let post = Post::new(&tenant.key, school, message_id, number, &about);
        writes.push(Write::put(&post, Condition::Always)?);
    }
    // Whoever stops a message takes its posts back, and none may come after that.
    let mine = || {
        Condition::All(vec![
            Condition::Is("resolver", value(&resolver)),
            Condition::Is("stopped", value(false)),
            Condition::Missing("chunks"),
        ])
    };
    let at = || key::message(school, message_id);
    let shown = Update::new()
        .set("chunks", count)
        .set("recipients", resolution.count())
        .set("excluded", resolution.reasons())
        .remove("resolver")
        .remove("resolver_until");
    // The odd ones go first, so that the last transaction, with which it all counts, holds as many of the posts as it can.
    let room = TRANSACTION_ITEMS - 1;
    let mut size = if writes.len() > room && writes.len() % room > 0 { writes.len() % room } else { room };
    let mut rest = writes.into_iter().peekable();
    loop {
        // One place of each transaction is the message itself: a worker that was overtaken writes nothing any more.
        let mut some: Vec<_> = rest.by_ref().take(size).collect();
        size = room;
        let last = rest.peek().is_none();
        some.push(if last {
            Write::update(TableName::Messaging, at(), shown.clone(), mine())
        } else {
            Write::check(TableName::Messaging, at(), mine())
        });
        match app.tables.transact(some).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => return Err(FanOutError::Busy),
            Err(error) => return Err(error.into()),
        }
        if last {
            break;
        }
    }
    tracing::info!(%school, message = %message_id, chunks = count, recipients = resolution.count(), excluded = resolution.excluded.len(), "fanned out");
    enqueue(app, school, message_id, message.purpose, carried).await
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
