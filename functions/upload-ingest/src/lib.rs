//! Takes a school's file in: reads it, plans the difference, applies it all or not at all, reports, erases the file.
//!
//! Every step can be run again. Before the plan is written nothing has changed; while it is being written nobody sees it; one
//! write of the school's record shows all of it. A crash anywhere leaves a task that, delivered again, ends the same way.

mod apply;
mod arrival;

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use shared::{
    app::Cloud,
    batch::{self, Failure},
    config::ConfigError,
    object::{Bucket, Object, ObjectError, report_key, upload_key},
    person::store::{Directory, ReadError},
    school::{Tenant, TenantError},
    seal::{self, Keyring},
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, Tables, Update, value},
    },
    time,
    upload::{
        MAX_BYTES, Refusal, decode,
        finding::{self, Finding},
        intake::Intake,
        plan::{self, HeldBecause, Plan},
        roll, sheet,
        store::{FINDINGS_KEPT, Mode, Outcome, Upload, UploadStatus},
    },
};

use crate::arrival::Arrival;

/// What the function was given.
#[derive(Debug)]
pub struct App {
    tables: Tables,
    keyring: Arc<Keyring>,
    uploads: Bucket,
    exports: Bucket,
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
        })
    }
}

/// Works through a batch.
pub async fn handle(app: &Arc<App>, event: SqsEvent) -> SqsBatchResponse {
    batch::each(event, |body| {
        let app = app.clone();
        async move {
            for arrival in arrival::read(&body).map_err(Failure::retry)? {
                take_in(&app, arrival).await.map_err(Failure::retry)?;
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
    /// Another import of the school is under way.
    #[error("another import of this school is under way")]
    Busy,
    /// The directory kept changing while the plan was being written.
    #[error("the directory kept changing during the import")]
    Restless,
}

async fn take_in(app: &App, arrival: Arrival) -> Result<(), IngestError> {
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
        ToDo::Import => {}
    }
    let tenant = match Tenant::load(&app.tables, &app.keyring, school).await {
        Ok(tenant) => tenant,
        // The contract has ended since the upload was asked for: nothing is taken in any more.
        Err(TenantError::NotActive) => return finish(app, &upload, upload.outcome.clone()).await,
        Err(error) => return Err(error.into()),
    };
    let lock = apply::Lock::take(app, &tenant, upload_id).await?;
    // Read again now that nobody else is at it: an event delivered twice finds the first delivery's work done.
    let result = match app.tables.get::<Upload>(at()).await {
        Ok(Some(upload)) => match what_to_do(&upload) {
            ToDo::Import => import(app, &tenant, &lock, &upload).await,
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
    Erase,
    Nothing,
}

fn what_to_do(upload: &Upload) -> ToDo {
    match upload.status {
        UploadStatus::Waiting | UploadStatus::Reading | UploadStatus::Applying => ToDo::Import,
        // Waits for a person; an approval sets `applying` before it queues its task.
        UploadStatus::Review => ToDo::Nothing,
        // Whatever arrives under an ended upload, the same file sent again say, must not stay.
        UploadStatus::Done | UploadStatus::Refused | UploadStatus::Undone | UploadStatus::Expired => {
            ToDo::Erase
        }
    }
}

/// Reads the file and does what it says, with the school held.
async fn import(app: &App, tenant: &Tenant, lock: &apply::Lock, upload: &Upload) -> Result<(), IngestError> {
    if upload.status == UploadStatus::Waiting && !set(app, upload, UploadStatus::Reading, None).await? {
        // It has expired this very moment.
        return Ok(());
    }
    let Some(object) = app.uploads.get(&upload_key(upload.school_id, upload.upload_id), MAX_BYTES).await?
    else {
        // Its own event will come, or it expires.
        tracing::warn!(school = %upload.school_id, upload = %upload.upload_id, "the file is not there");
        return Ok(());
    };
    match read(tenant, upload, &object) {
        Ok(read) => {
            drop(object);
            decide(app, lock, upload, read).await
        }
        Err(refusal) => refuse(app, upload, refusal).await,
    }
}

/// A file as families, with what describes it.
struct ReadFile {
    format: &'static str,
    encoding: &'static str,
    /// SHA-256, in hexadecimal: an approval is for this very file.
    hash: String,
    roll: roll::Roll,
}

fn read(tenant: &Tenant, upload: &Upload, object: &Object) -> Result<ReadFile, Refusal> {
    if object.bytes.len() > MAX_BYTES {
        return Err(Refusal::TooLarge);
    }
    if object.bytes.len() != upload.bytes {
        return Err(Refusal::WrongSize);
    }
    let content_type = object.content_type.as_deref().unwrap_or_default();
    if !content_type
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(shared::object::UPLOAD_CONTENT_TYPE))
    {
        return Err(Refusal::WrongContentType);
    }
    let today = time::date_in(&tenant.school.time_zone, upload.created_at);
    let decoded = decode::decode(&object.bytes)?;
    let mut intake = Intake::new(&tenant.school.agreement, today);
    sheet::read(decoded.text, &mut intake)?;
    Ok(ReadFile {
        format: "csv",
        encoding: decoded.encoding,
        hash: seal::sha256(&object.bytes),
        roll: intake.finish()?,
    })
}

/// Plans, and applies or holds. If the directory changes underneath, plans anew.
async fn decide(app: &App, lock: &apply::Lock, upload: &Upload, read: ReadFile) -> Result<(), IngestError> {
    const ROUNDS: usize = 5;
    for _ in 0..ROUNDS {
        let tenant = lock.tenant(app).await?;
        let directory = Directory::load(&app.tables, &tenant).await?;
        let plan = plan::plan(
            &read.roll,
            &directory,
            upload.upload_id,
            upload.scope,
            tenant.school.generation,
            time::now(),
        );
        // An approval is for the plan that was shown: if the directory has moved on, or another file lies there, there is a
        // new plan to look at.
        let approved = upload.approved_by.is_some()
            && upload.outcome.planned_revision == tenant.school.revision
            && upload.outcome.file_hash.as_deref() == Some(read.hash.as_str());
        let held = if approved {
            None
        } else {
            plan.held.or((upload.mode == Mode::Preview).then_some(HeldBecause::Preview))
        };
        let outcome = Outcome {
            format: Some(read.format.to_owned()),
            encoding: Some(read.encoding.to_owned()),
            rows: read.roll.rows,
            counts: plan.counts,
            dropped_columns: read.roll.dropped_columns,
            findings: plan.findings.iter().take(FINDINGS_KEPT).cloned().collect(),
            findings_total: plan.findings.len(),
            held_because: held,
            planned_revision: tenant.school.revision,
            file_hash: Some(read.hash.clone()),
        };
        report(app, upload, &plan.findings).await?;
        if held.is_some() {
            set(app, upload, UploadStatus::Review, Some(outcome)).await?;
            return Ok(());
        }
        if apply::apply(app, lock, &tenant, &directory, &plan, upload, &outcome).await? {
            tracing::info!(school = %upload.school_id, upload = %upload.upload_id, changes = plan.changes.len(), findings = plan.findings.len(), "upload applied");
            return erase(app, upload).await;
        }
    }
    Err(IngestError::Restless)
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
        update = update.remove("approved_by");
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

/// Whether a plan changes nothing at all.
fn is_quiet(plan: &Plan) -> bool {
    plan.changes.is_empty() && plan.withdrawals.is_empty()
}
