//! Forgets on time. The nightly event queues one sweep per school; a sweep erases what is due there and counts it.
//!
//! Sweeping twice erases nothing twice; one that dies half-way is delivered again and goes on. Direct invocation with
//! `{"kind":"sweep","school_id":…,"dry_run":true}` only counts, and answers with the counts.

mod sweep;

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    app::Cloud,
    batch::{self, Failure},
    config::{self, ConfigError, Stage},
    id::SchoolId,
    log,
    object::Bucket,
    privacy::run::{RetentionRun, TIME_TOLERANCE, is_overdue},
    queue::{Queues, Task},
    school::School,
    seal::Keyring,
    store::{
        key::{self, TableName},
        table::Tables,
    },
    time,
};

/// What the function was given.
#[derive(Debug)]
pub struct App {
    tables: Tables,
    keyring: Arc<Keyring>,
    queues: Queues,
    uploads: Bucket,
    exports: Bucket,
    sweep_queue: String,
    stage: Stage,
    stage_name: String,
}

impl App {
    /// From the environment. Makes no call.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let cloud = Cloud::connect().await;
        let tables = cloud.tables(&[TableName::Directory, TableName::Messaging, TableName::Access, TableName::Keys])?;
        Ok(Self {
            keyring: cloud.keyring(&tables)?,
            tables,
            queues: cloud.queues(),
            uploads: cloud.bucket("UPLOADS_BUCKET")?,
            exports: cloud.bucket("EXPORTS_BUCKET")?,
            sweep_queue: config::required("SWEEP_QUEUE_URL")?,
            stage: config::stage(),
            stage_name: config::or("STAGE", "prod"),
        })
    }
}

/// An event that is not a batch of the sweep queue.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Direct {
    Nightly {
        time: String,
        #[serde(default)]
        dry_run: bool,
    },
    Sweep {
        school_id: SchoolId,
        #[serde(default)]
        time: Option<String>,
        #[serde(default)]
        dry_run: bool,
    },
}

/// Handles a batch of the sweep queue, the schedule's event, or a call by hand.
///
/// # Errors
/// An event that is none of these, whose time is too far off, or whose work could not be done: the schedule tries again.
pub async fn handle(app: &Arc<App>, event: Value) -> Result<Value, String> {
    if event.get("Records").is_some() {
        let batch: SqsEvent = serde_json::from_value(event).map_err(|_| "the event is not a batch of the queue".to_owned())?;
        let response = batch::each(batch, |body| {
            let app = app.clone();
            async move {
                match Task::from_body(&body).map_err(Failure::retry)? {
                    Task::Sweep { school_id, now, dry_run } => sweep::sweep(&app, school_id, now, dry_run).await.map(|_| ()).map_err(Failure::retry),
                    _ => Err(Failure::retry("this queue takes sweep tasks only")),
                }
            }
        })
        .await;
        return serde_json::to_value(response).map_err(|error| error.to_string());
    }
    // The event's own text is not repeated: only what was expected.
    let direct: Direct = serde_json::from_value(event).map_err(|_| "expected {\"kind\":\"nightly\",\"time\":…} or {\"kind\":\"sweep\",\"school_id\":…}".to_owned())?;
    match direct {
        Direct::Nightly { time, dry_run } => nightly(app, instant(app, &time)?, dry_run).await.map_err(|error| error.to_string()),
        Direct::Sweep { school_id, time, dry_run } => {
            let now = time.map_or_else(|| Ok(time::now()), |time| instant(app, &time))?;
            let counts = sweep::sweep(app, school_id, now, dry_run).await.map_err(|error| error.to_string())?;
            Ok(json!({"school_id": school_id, "dry_run": dry_run, "due": counts}))
        }
    }
}

/// The instant that counts as now: the one the schedule names, if it is near the clock. Only the local stage may choose it.
fn instant(app: &App, text: &str) -> Result<Timestamp, String> {
    let clock = time::now();
    let Ok(named) = text.parse::<Timestamp>() else {
        // An embedded cloud hands the schedule's placeholder over as it stands.
        return if app.stage == Stage::Local && text.starts_with("<aws.scheduler.") { Ok(clock) } else { Err("the event's time is not an RFC 3339 instant".to_owned()) };
    };
    if app.stage != Stage::Local && named.duration_since(clock).abs() > TIME_TOLERANCE {
        return Err("the event's time is more than 48 hours from the clock: refused, because it would erase too early or too late".to_owned());
    }
    Ok(named)
}

async fn nightly(app: &App, now: Timestamp, dry_run: bool) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
    let (mut schools, mut overdue) = (0_u64, 0_u64);
    for found in app.tables.find(TableName::Directory, key::ALL_SCHOOLS).await? {
        let Some(school_id) = key::read_school(&found.pk) else { continue };
        let keys = vec![(TableName::Directory, key::school(school_id)), (TableName::Directory, key::retention_run(school_id))];
        let (mut school, mut last) = (None, None);
        for item in app.tables.batch_get(keys).await? {
            if item.sk() == found.sk { school = Some(item.read::<School>()?) } else { last = Some(item.read::<RetentionRun>()?) }
        }
        let Some(school) = school else { continue };
        schools += 1;
        overdue += u64::from(is_overdue(school.created_at, last.as_ref(), now));
        app.queues.send(&app.sweep_queue, &school_id.to_string(), &[Task::Sweep { school_id, now, dry_run }]).await?;
    }
    // Last, so that a run that died before it got here leaves no number, and the dead-man alarm goes off.
    log::metric("schools_overdue", overdue, &app.stage_name, time::now());
    tracing::info!(schools, overdue, dry_run, "nightly run queued");
    Ok(json!({"schools": schools, "schools_overdue": overdue, "dry_run": dry_run}))
}
