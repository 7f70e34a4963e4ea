//! Takes a school's file in: reads it, plans the difference, applies it all or not at all, reports, erases the file.
//!
//! Every step can be run again. Before the plan is written nothing has changed; while it is being written nobody sees it; one
//! write of the school's record shows all of it. A crash anywhere leaves a task that, delivered again, ends the same way.

mod apply;
mod arrival;
mod read;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use shared::{
    app::Cloud,
    batch::{self, Failure},
    config::{self, ConfigError},
    connector::Connector,
    id::ConnectorId,
    log,
    object::{Bucket, ObjectError, proposals_key, report_key, upload_key},
    person::store::{Directory, Former, ReadError},
    queue::{QueueError, Queues, Task},
    school::{Tenant, TenantError},
    seal::Keyring,
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, Tables, Update, Write, value},
    },
    time,
    upload::{
        MAX_BYTES, Refusal,
        finding::{self, Finding},
        plan::{self, HeldBecause, Plan, Terms},
        store::{FINDINGS_KEPT, Mode, Outcome, PROPOSALS_KEPT, Upload, UploadStatus},
        undo,
    },
};

use crate::{
    apply::{End, Progress, Work},
    arrival::Arrival,
    read::ReadFile,
};

/// How often a plan is made anew because somebody changed the directory.
const ROUNDS: usize = 5;
/// What is kept back of the function's time for handing over: one transaction and one message take far less.
const RESERVE: Duration = Duration::from_secs(20);

/// What the function was given.
#[derive(Debug)]
pub struct App {
    tables: Tables,
    keyring: Arc<Keyring>,
    uploads: Bucket,
    exports: Bucket,
    queues: Queues,
    uploads_queue: String,
    stage_name: String,
}

impl App {
    /// From the environment. Makes no call.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let cloud = Cloud::connect().await;
        let tables = cloud.tables(&[TableName::Directory, TableName::Keys])?;
        Ok(Self {
            keyring: cloud.keyring(&tables)?,
            tables,
            uploads: cloud.bucket("UPLOADS_BUCKET")?,
            exports: cloud.bucket("EXPORTS_BUCKET")?,
            queues: cloud.queues(),
            uploads_queue: config::required("UPLOADS_QUEUE_URL")?,
            stage_name: config::or("STAGE", "prod"),
        })
    }
}

/// Works through a batch; the function is stopped at `ends_at`.
pub async fn handle(app: &Arc<App>, event: SqsEvent, ends_at: SystemTime) -> SqsBatchResponse {
    let left = ends_at.duration_since(SystemTime::now()).unwrap_or_default();
    let deadline = Instant::now() + left.saturating_sub(RESERVE);
    batch::each(event, |body| {
        let app = app.clone();
        async move {
            for arrival in arrival::read(&body).map_err(Failure::retry)? {
                take_in(&app, arrival, deadline).await.map_err(Failure::retry)?;
            }
            Ok(())
        }
    })
    .await
}

/// Why an upload is not finished yet. All of them are tried again.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Objects.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The directory.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The school.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Another import of the school is under way.
    #[error("another import of this school is under way")]
    Busy,
    /// The directory kept changing while the plan was being written.
    #[error("the directory kept changing during the import")]
    Restless,
}

async fn take_in(app: &App, arrival: Arrival, deadline: Instant) -> Result<(), IngestError> {
    let Arrival { school, upload: upload_id } = arrival;
    let at = || key::upload(school, upload_id);
    let Some(upload) = app.tables.get::<Upload>(at()).await? else {
        // Nobody asked for this file, or it came back after its record was erased: it must not stay.
        tracing::warn!(%school, upload = %upload_id, "a file arrived that no upload asked for; erased");
        app.uploads.erase(&upload_key(school, upload_id)).await?;
        return Ok(());
    };
    match what_to_do(&upload) {
        ToDo::Nothing => return Ok(()),
        ToDo::Erase => return erase(app, &upload).await,
        ToDo::Import | ToDo::Undo => {}
    }
    let tenant = match Tenant::load(&app.tables, &app.keyring, school).await {
        Ok(tenant) => tenant,
        // The contract has ended since the upload was asked for: nothing is taken in any more.
        Err(TenantError::NotActive) => return finish(app, &upload, upload.outcome.clone()).await,
        Err(error) => return Err(error.into()),
    };
    let lock = match apply::Lock::take(app, &tenant, upload_id).await {
        Ok(lock) => lock,
        // Another import is under way, and more may be waiting: a place further back in the queue, not a failure that counts.
        Err(IngestError::Busy) => return hand_over(app, &upload).await,
        Err(error) => return Err(error),
    };
    // Read again now that nobody else is at it: an event delivered twice finds the first delivery's work done.
    let result = match app.tables.get::<Upload>(at()).await {
        Ok(Some(upload)) => match what_to_do(&upload) {
            ToDo::Import => import(app, &tenant, &lock, &upload, deadline).await,
            ToDo::Undo => undo(app, &lock, &upload, deadline).await,
            ToDo::Erase => erase(app, &upload).await,
            ToDo::Nothing => Ok(()),
        },
        Ok(None) => Ok(()),
        Err(error) => Err(error.into()),
    };
    // After an error too: the next delivery need not wait until the lock runs out.
    let released = lock.release(app).await;
    result.and(released)
}

enum ToDo {
    Import,
    Undo,
    Erase,
    Nothing,
}

fn what_to_do(upload: &Upload) -> ToDo {
    match upload.status {
        UploadStatus::Waiting | UploadStatus::Reading | UploadStatus::Applying => ToDo::Import,
        UploadStatus::Done if upload.undone_by.is_some() => ToDo::Undo,
        // Waits for a person; an approval sets `applying` before it queues its task.
        UploadStatus::Review => ToDo::Nothing,
        // Whatever arrives under an ended upload, the same file sent again say, must not stay.
        UploadStatus::Done | UploadStatus::Refused | UploadStatus::Undone | UploadStatus::Expired => {
            ToDo::Erase
        }
    }
}

/// Reads the file and does what it says, with the school held.
async fn import(
    app: &App,
    tenant: &Tenant,
    lock: &apply::Lock,
    upload: &Upload,
    deadline: Instant,
) -> Result<(), IngestError> {
    if upload.status == UploadStatus::Waiting && !set(app, upload, UploadStatus::Reading, None).await? {
        // It has expired this very moment.
        return Ok(());
    }
    if is_from_a_revoked_connector(app, upload).await? {
        return refuse(app, upload, Refusal::ConnectorRevoked).await;
    }
    let Some(object) = app.uploads.get(&upload_key(upload.school_id, upload.upload_id), MAX_BYTES).await?
    else {
        // Its own event will come, or it expires.
        tracing::warn!(school = %upload.school_id, upload = %upload.upload_id, "the file is not there");
        return Ok(());
    };
    let contacts = tenant.school.contacts(&tenant.key).map_err(ReadError::from)?;
    match read::read(tenant, contacts.own_domain(), upload, &object) {
        Ok(read) => {
            drop(object);
            decide(app, lock, upload, read, deadline).await
        }
        Err(refusal) => refuse(app, upload, refusal).await,
    }
}

/// Whether nobody has taken responsibility for a file but a connector that is let in no more: its address to send to outlives its
/// credential by some minutes.
async fn is_from_a_revoked_connector(app: &App, upload: &Upload) -> Result<bool, IngestError> {
    let (Ok(connector), None) = (upload.asked_by.parse::<ConnectorId>(), &upload.approved_by) else {
        return Ok(false);
    };
    let connector = app.tables.get::<Connector>(key::connector(upload.school_id, connector)).await?;
    Ok(connector.is_none_or(|connector| connector.revoked_at.is_some()))
}

/// Plans, and applies or holds. If the directory changes underneath, plans anew.
async fn decide(
    app: &App,
    lock: &apply::Lock,
    upload: &Upload,
    read: ReadFile,
    deadline: Instant,
) -> Result<(), IngestError> {
    for _ in 0..ROUNDS {
        let tenant = lock.tenant(app).await?;
        let school = &tenant.school;
        let directory = Directory::load(&app.tables, &tenant).await?;
        let now = time::now();
        // An approval is for the plan that was shown: if the directory or the settings have moved on, or another file lies there,
        // there is a new plan to look at, and nothing of it is rejected yet.
        let approved = upload.approved_by.is_some()
            && upload.outcome.planned_revision == school.revision
            && upload.outcome.file_hash.as_deref() == Some(read.hash.as_str());
        let nobody = BTreeSet::new();
        let terms = Terms {
            upload: upload.upload_id,
            scope: &upload.scope,
            generation: school.generation,
            file: &read.hash[..16],
            is_rollover: school.settings.is_rollover(time::date_in(&school.time_zone, now)),
            last_export: school.exported.get(read.format).copied(),
            rejected: if approved { &upload.rejected } else { &nobody },
            readmits_deleted: upload.readmit_deleted,
            now,
        };
        let plan = plan::plan(&read.roll, &directory, terms);
        let held = if approved {
            None
        } else {
            plan.held.or((upload.mode == Mode::Preview).then_some(HeldBecause::Preview))
        };
        let outcome = outcome(&read, &plan, held, school.revision);
        report(app, upload, &plan.findings).await?;
        if plan.proposals.len() > PROPOSALS_KEPT {
            let at = proposals_key(upload.school_id, upload.upload_id);
            let all = serde_json::to_vec(&plan.proposals).unwrap_or_default();
            app.exports.put(&at, "application/json", all).await?;
        }
        if held.is_some() {
            set(app, upload, UploadStatus::Review, Some(outcome)).await?;
            return Ok(());
        }
        let work = Work { changes: &plan.changes, ends: &[], withdrawals: &plan.withdrawals };
        let mut exported = school.exported.clone();
        if let Some(at) = read.roll.exported_at {
            let newest = exported.entry(read.format.to_owned()).or_insert(at);
            *newest = at.max(*newest);
        }
        let keep =
            if exported == school.exported { Update::new() } else { Update::new().set("exported", exported) };
        let done = Update::new()
            .set("status", UploadStatus::Done)
            .set("outcome", &outcome)
            .set("changed_at", time::now());
        let end = end(upload, done, is_open(), keep);
        match apply::apply(app, lock, &tenant, &directory, work, end, deadline).await? {
            Progress::Shown => {
                tracing::info!(school = %upload.school_id, upload = %upload.upload_id, changes = plan.changes.len(), findings = plan.findings.len(), "upload applied");
                return erase(app, upload).await;
            }
            Progress::OutOfTime => return hand_over(app, upload).await,
            Progress::Overtaken => {}
        }
    }
    Err(IngestError::Restless)
}

/// What is told of a plan.
fn outcome(read: &ReadFile, plan: &Plan, held: Option<HeldBecause>, revision: u64) -> Outcome {
    Outcome {
        format: Some(read.format.to_owned()),
        encoding: read.encoding.map(str::to_owned),
        format_version: read.version,
        rows: read.roll.rows,
        counts: plan.counts,
        dropped_columns: read.roll.dropped_columns,
        findings: plan.findings.iter().take(FINDINGS_KEPT).cloned().collect(),
        findings_total: plan.findings.len(),
        proposals: plan.proposals.iter().take(PROPOSALS_KEPT).copied().collect(),
        proposals_total: plan.proposals.len(),
        exported_at: read.roll.exported_at,
        held_because: held,
        planned_revision: revision,
        touched: plan.changes.len(),
        file_hash: Some(read.hash.clone()),
    }
}

/// Takes an applied upload back, as far as nobody has changed it since.
async fn undo(app: &App, lock: &apply::Lock, upload: &Upload, deadline: Instant) -> Result<(), IngestError> {
    for _ in 0..ROUNDS {
        let tenant = lock.tenant(app).await?;
        let directory = Directory::load(&app.tables, &tenant).await?;
        let former = Former::open(&tenant, &directory, upload.upload_id).map_err(ReadError::from)?;
        let undo = undo::undo(
            &directory,
            &former,
            upload.upload_id,
            upload.outcome.touched,
            tenant.school.generation,
            time::now(),
        );
        let work = Work { changes: &undo.changes, ends: &undo.ends, withdrawals: &undo.withdrawals };
        let undone = Update::new()
            .set("status", UploadStatus::Undone)
            .set("undone", undo.undone)
            .set("changed_at", time::now());
        let is_done = Condition::Is("status", value(UploadStatus::Done));
        let end = end(upload, undone, is_done, Update::new());
        match apply::apply(app, lock, &tenant, &directory, work, end, deadline).await? {
            Progress::Shown => {
                tracing::info!(school = %upload.school_id, upload = %upload.upload_id, restored = undo.undone.restored, kept = undo.undone.kept, "upload undone");
                return Ok(());
            }
            Progress::OutOfTime => return hand_over(app, upload).await,
            Progress::Overtaken => {}
        }
    }
    Err(IngestError::Restless)
}

fn end(upload: &Upload, record: Update, is_still: Condition, school: Update) -> End {
    let at = key::upload(upload.school_id, upload.upload_id);
    End {
        upload: upload.upload_id,
        record: Write::update(TableName::Directory, at, record, is_still),
        school,
    }
}

/// Queues the upload for a later worker, who has a whole time limit and perhaps the school to itself: what is written already is
/// not written again.
async fn hand_over(app: &App, upload: &Upload) -> Result<(), IngestError> {
    tracing::info!(school = %upload.school_id, upload = %upload.upload_id, "handed over to a later worker");
    let task = Task::ApplyUpload { school_id: upload.school_id, upload_id: upload.upload_id };
    Ok(app.queues.send(&app.uploads_queue, &upload.school_id.to_string(), &[task]).await?)
}

async fn report(app: &App, upload: &Upload, findings: &[Finding]) -> Result<(), IngestError> {
    if findings.is_empty() {
        return Ok(());
    }
    let key = report_key(upload.school_id, upload.upload_id);
    app.exports.put(&format!("{key}.csv"), "text/csv; charset=utf-8", finding::to_csv(findings)).await?;
    app.exports
        .put(&format!("{key}.json"), "application/json", serde_json::to_vec(findings).unwrap_or_default())
        .await?;
    Ok(())
}

/// Moves an upload on, unless it has come to its end meanwhile; false if it has.
async fn set(
    app: &App,
    upload: &Upload,
    status: UploadStatus,
    outcome: Option<Outcome>,
) -> Result<bool, IngestError> {
    let mut update = Update::new().set("status", status).set("changed_at", time::now());
    if let Some(outcome) = outcome {
        update = update.set("outcome", outcome);
    }
    if status == UploadStatus::Review {
        // What was approved is not what is shown now.
        update = update.remove("approved_by").remove("rejected");
    }
    match app
        .tables
        .update::<Upload>(key::upload(upload.school_id, upload.upload_id), update, is_open())
        .await
    {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The condition that an upload has not ended.
fn is_open() -> Condition {
    let open = [UploadStatus::Waiting, UploadStatus::Reading, UploadStatus::Review, UploadStatus::Applying];
    Condition::Any(open.map(|status| Condition::Is("status", value(status))).to_vec())
}

async fn refuse(app: &App, upload: &Upload, refusal: Refusal) -> Result<(), IngestError> {
    tracing::warn!(school = %upload.school_id, upload = %upload.upload_id, code = refusal.code(), "upload refused");
    if refusal.is_empty() {
        log::metric("empty_uploads", 1, &app.stage_name, time::now());
    }
    let findings = vec![Finding::refusal(refusal)];
    report(app, upload, &findings).await?;
    finish(app, upload, Outcome { findings_total: 1, findings, ..Outcome::default() }).await
}

/// Refused, and then the file goes: if the erasure fails, the task is delivered again and only erases.
async fn finish(app: &App, upload: &Upload, outcome: Outcome) -> Result<(), IngestError> {
    set(app, upload, UploadStatus::Refused, Some(outcome)).await?;
    erase(app, upload).await
}

async fn erase(app: &App, upload: &Upload) -> Result<(), IngestError> {
    app.uploads.erase(&upload_key(upload.school_id, upload.upload_id)).await?;
    app.tables
        .update::<Upload>(
            key::upload(upload.school_id, upload.upload_id),
            Update::new().set("file_erased", true),
            Condition::Present,
        )
        .await?;
    Ok(())
}
