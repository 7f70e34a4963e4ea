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
    school::{School, SchoolState},
    seal::Keyring,
    store::{
        key::{self, TableName},
        table::{Record, StoreError, Tables},
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
        let tables = cloud.tables(&[
            TableName::Directory,
            TableName::Messaging,
            TableName::Access,
            TableName::Keys,
        ])?;
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
        let batch: SqsEvent =
            serde_json::from_value(event).map_err(|_| "the event is not a batch of the queue".to_owned())?;
        let response = batch::each(batch, |body| {
            let app = app.clone();
            async move {
                match Task::from_body(&body).map_err(Failure::retry)? {
                    Task::Sweep { school_id, now, dry_run } => {
                        sweep::sweep(&app, school_id, now, dry_run).await.map(|_| ()).map_err(Failure::retry)
                    }
                    _ => Err(Failure::retry("this queue takes sweep tasks only")),
                }
            }
        })
        .await;
        return serde_json::to_value(response).map_err(|error| error.to_string());
    }
    // The event's own text is not repeated: only what was expected.
    let direct: Direct = serde_json::from_value(event).map_err(|_| {
        "expected {\"kind\":\"nightly\",\"time\":…} or {\"kind\":\"sweep\",\"school_id\":…}".to_owned()
    })?;
    match direct {
        Direct::Nightly { time, dry_run } => nightly(app, instant(&time, time::now(), app.stage)?, dry_run)
            .await
            .map_err(|error| error.to_string()),
        Direct::Sweep { school_id, time, dry_run } => {
            let now = time.map_or_else(|| Ok(time::now()), |time| instant(&time, time::now(), app.stage))?;
            let counts =
                sweep::sweep(app, school_id, now, dry_run).await.map_err(|error| error.to_string())?;
            Ok(json!({"school_id": school_id, "dry_run": dry_run, "due": counts}))
        }
    }
}

/// The instant that counts as now: the one the event names, if it is near the clock. Only the local stage may choose it.
fn instant(text: &str, clock: Timestamp, stage: Stage) -> Result<Timestamp, String> {
    let Ok(named) = text.parse::<Timestamp>() else {
        // An embedded cloud hands the schedule's placeholder over as it stands.
        return if stage == Stage::Local && text.starts_with("<aws.scheduler.") {
            Ok(clock)
        } else {
            Err("the event's time is not an RFC 3339 instant".to_owned())
        };
    };
    if stage != Stage::Local && named.duration_since(clock).abs() > TIME_TOLERANCE {
        return Err("the event's time is more than 48 hours from the clock: refused, because it would erase too early or too late".to_owned());
    }
    Ok(named)
}

async fn nightly(app: &App, now: Timestamp, dry_run: bool) -> Result<Value, StoreError> {
    let (mut schools, mut overdue) = (0_u64, 0_u64);
    for found in app.tables.find(TableName::Directory, key::ALL_SCHOOLS).await? {
        let Some(school_id) = key::read_school(&found.pk) else { continue };
        schools += 1;
        match one_school(app, school_id, now, dry_run).await {
            Ok(is_overdue) => overdue += u64::from(is_overdue),
            Err(error) => {
                // One school that cannot be read must not cost the others their night: it counts, and the alarm tells.
                tracing::error!(school = %school_id, %error, "a school could not be queued for its sweep");
                overdue += 1;
            }
        }
    }
    // Last, so that a run that died before it got here leaves no number, and the dead-man alarm goes off.
    if !dry_run {
        log::metric("schools_overdue", overdue, &app.stage_name, time::now());
    }
    tracing::info!(schools, overdue, dry_run, "nightly run queued");
    Ok(json!({"schools": schools, "schools_overdue": overdue, "dry_run": dry_run}))
}

/// Queues one school's sweep; whether the last one is too long ago.
async fn one_school(
    app: &App,
    school_id: SchoolId,
    now: Timestamp,
    dry_run: bool,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let keys = [key::school(school_id), key::retention_run(school_id)].map(|key| (TableName::Directory, key));
    let (mut school, mut last) = (None, None);
    for item in app.tables.batch_get(keys.to_vec()).await? {
        match item.kind() {
            School::KIND => school = Some(item.read::<School>()?),
            _ => last = Some(item.read::<RetentionRun>()?),
        }
    }
    let Some(school) = school.filter(|school| school.state == SchoolState::Active) else { return Ok(false) };
    app.queues
        .send(&app.sweep_queue, &school_id.to_string(), &[Task::Sweep { school_id, now, dry_run }])
        .await?;
    Ok(is_overdue(school.created_at, last.as_ref(), now))
}
#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn only_the_local_stage_may_name_a_time_far_from_the_clock() {
        let clock: Timestamp = "2026-11-22T02:30:00Z".parse().unwrap();
        let hours = SignedDuration::from_hours;
        for (offset, deployed) in [
            (0, true),
            (25, true),
            (-25, true),
            (48, true),
            (-48, true),
            (49, false),
            (-49, false),
            (24 * 400, false),
        ] {
            let named = clock + hours(offset);
            assert_eq!(
                instant(&named.to_string(), clock, Stage::Deployed).ok(),
                deployed.then_some(named),
                "{offset}"
            );
            assert_eq!(instant(&named.to_string(), clock, Stage::Local), Ok(named), "{offset}");
        }
        assert!(instant("2026-11-24T02:30:01Z", clock, Stage::Deployed).is_err());
        for text in ["", "now", "2026-11-22", "<aws.scheduler.scheduled-time>"] {
            let refused = instant(text, clock, Stage::Deployed).unwrap_err();
            assert!(text.is_empty() || !refused.contains(text), "{text}");
        }
        assert_eq!(instant("<aws.scheduler.scheduled-time>", clock, Stage::Local), Ok(clock));
        assert!(instant("now", clock, Stage::Local).is_err());
    }
}
