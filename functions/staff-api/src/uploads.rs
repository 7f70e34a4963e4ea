//! Uploads: asking for one, looking at what came of it, approving one that is held.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    connector::Connector,
    http::{Answer, ApiError, FieldError, Problem, Replay, Request, Staff, problem::Code},
    id::{ConnectorId, PersonId, SchoolId, UploadId},
    object::{proposals_key, report_key, upload_key},
    queue::Task,
    random,
    school::{School, Tenant},
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, Update, Write, value},
    },
    time,
    upload::{
        MAX_BYTES, cell,
        plan::HeldBecause,
        store::{
            MAX_REJECTED, Mode, Outcome, PROPOSALS_KEPT, PUT_LIFETIME_MINUTES, Scope, Upload, UploadStatus,
        },
    },
};

use crate::{
    App,
    apart::{self, Kept},
    connectors::{self, Names},
};

/// The file names that are taken.
const EXTENSIONS: [&str; 11] =
    ["csv", "tsv", "txt", "xlsx", "xlsm", "xls", "ods", "zip", "xml", "ctf", "json"];
/// How long the address of a report works.
const REPORT_LIFETIME: Duration = Duration::from_mins(15);
const PUT_LIFETIME: Duration = Duration::from_mins(PUT_LIFETIME_MINUTES.unsigned_abs());

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUpload {
    file_name: String,
    bytes: usize,
    mode: Mode,
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    readmit_deleted: bool,
}

/// `POST …/uploads`: a place to PUT the file to. The file's name is looked at and not kept: people put people's names there.
/// `asked_by` is the subject of a member of staff or the id of a connector.
pub async fn create(
    app: &App,
    request: &Request,
    asked_by: &str,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    let body: NewUpload = request.body()?;
    let now = time::now();
    let mut errors = Vec::new();
    let extension = body.file_name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    // The extension is a courtesy to who picks the wrong file; what the file is, its content says.
    if !extension.as_deref().is_some_and(|it| EXTENSIONS.contains(&it)) || body.file_name.len() > 255 {
        errors.push(FieldError::new(
            "/file_name",
            "invalid",
            "send a table or an export: .csv .tsv .txt .xlsx .xlsm .xls .ods .zip .xml .ctf .json",
        ));
    }
    let scope = match body.scope {
        Scope::YearGroups(years) => {
            let years: BTreeSet<_> =
                years.iter().filter_map(|year| cell::year_group(year)).map(String::from).collect();
            if years.is_empty() {
                errors.push(FieldError::new("/scope", "invalid", "name at least one year group"));
            }
            Scope::YearGroups(years)
        }
        scope => scope,
    };
    if body.bytes == 0 || body.bytes > MAX_BYTES {
        errors.push(FieldError::new(
            "/bytes",
            "invalid",
            "a file has between 1 and 52,428,800 bytes (50 MB); split a larger one by year group",
        ));
    }
    if body.readmit_deleted && asked_by.parse::<ConnectorId>().is_ok() {
        errors.push(FieldError::new(
            "/readmit_deleted",
            "forbidden",
            "only the office takes in again whom it has deleted",
        ));
    }
    if !errors.is_empty() {
        return Err(Problem::fields(errors).into());
    }
    app.tenant(school).await?;
    let replay = Replay::of(request, asked_by, &school.to_string(), now)?;
    let upload_id = if let Some(id) = replay.seen(&app.tables).await? {
        id.parse().map_err(ApiError::internal)?
    } else {
        let upload = Upload {
            school_id: school,
            upload_id: UploadId::new(now, &random::bytes()),
            status: UploadStatus::Waiting,
            bytes: body.bytes,
            mode: body.mode,
            scope,
            readmit_deleted: body.readmit_deleted,
            asked_by: asked_by.to_owned(),
            created_at: now,
            approved_by: None,
            rejected: BTreeSet::new(),
            undone_by: None,
            undone: None,
            outcome: Outcome::default(),
            changed_at: now,
            file_erased: false,
            report_erased: false,
        };
        let mut writes = vec![Write::put(&upload, Condition::Absent)?];
        writes.extend(replay.write(&upload.upload_id.to_string())?);
        app.tables.transact(writes).await?;
        upload.upload_id
    };
    let length = i64::try_from(body.bytes).map_err(ApiError::internal)?;
    let put = app.uploads.presign_put(&upload_key(school, upload_id), length, PUT_LIFETIME).await?;
    let headers: serde_json::Map<String, Value> =
        put.headers.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let expires_at = time::rfc3339(now + time::minutes(PUT_LIFETIME_MINUTES));
    Answer::json(
        201,
        json!({"upload_id": upload_id, "put": {"url": put.url, "headers": headers}, "expires_at": expires_at}),
    )
}

/// `GET …/uploads`, newest first.
pub async fn list(app: &App, request: &Request, staff: &Staff, school: SchoolId) -> Result<Answer, ApiError> {
    let (size, before) = (request.page_size()?, request.cursor::<UploadId>()?);
    let before = before.map(|upload| key::upload(school, upload).sk);
    let tenant = app.tenant(school).await?;
    let limit = i32::try_from(size).map_err(ApiError::internal)?;
    let items = app
        .tables
        .latest(TableName::Directory, &key::school_partition(school), key::UPLOADS, before.as_deref(), limit)
        .await?;
    let uploads = items.into_iter().map(|item| item.read::<Upload>()).collect::<Result<Vec<_>, _>>()?;
    let next_cursor =
        (uploads.len() == size).then(|| uploads.last().map(|upload| upload.upload_id)).flatten();
    let names = connectors::names(app, school, &uploads).await?;
    let kept = Reader::Staff(staff).kept_from(app, &tenant, &uploads).await?;
    let items: Vec<_> = uploads.iter().map(|upload| body(upload, &names, &kept)).collect();
    Answer::json(200, json!({"items": items, "next_cursor": next_cursor}))
}

/// Who reads an upload.
#[derive(Clone, Copy)]
pub enum Reader<'r> {
    /// A member of staff.
    Staff(&'r Staff),
    /// A connector, which is nobody's contact.
    Connector(&'r Connector),
}

impl Reader<'_> {
    fn may_read(self, upload: &Upload) -> bool {
        match self {
            Self::Staff(_) => true,
            Self::Connector(connector) => upload.asked_by == connector.connector_id.to_string(),
        }
    }

    /// Who is kept from the one who reads, if the uploads name anybody.
    async fn kept_from(self, app: &App, tenant: &Tenant, uploads: &[Upload]) -> Result<Kept, ApiError> {
        match self {
            Self::Staff(staff) if uploads.iter().any(|upload| !upload.outcome.proposals.is_empty()) => {
                apart::kept(app, staff, tenant).await
            }
            Self::Staff(_) | Self::Connector(_) => Ok(Kept::default()),
        }
    }
}

/// `GET …/uploads/{upload_id}`. A connector sees what it asked for itself, and nothing else.
pub async fn get(
    app: &App,
    request: &Request,
    school: SchoolId,
    reader: Reader<'_>,
) -> Result<Answer, ApiError> {
    let (tenant, upload) = find(app, request, school).await?;
    if !reader.may_read(&upload) {
        return Err(Problem::not_found().into());
    }
    let one = std::slice::from_ref(&upload);
    let names = connectors::names(app, school, one).await?;
    let kept = reader.kept_from(app, &tenant, one).await?;
    let mut answer = body(&upload, &names, &kept);
    if upload.outcome.findings_total > 0 {
        for (name, extension) in [("report_url", "csv"), ("report_json_url", "json")] {
            let at = format!("{}.{extension}", report_key(school, upload.upload_id));
            answer[name] = app.exports.presign_get(&at, REPORT_LIFETIME).await?.into();
        }
    }
    // The file names everybody, and is for whoever may see everybody.
    if upload.outcome.proposals_total > PROPOSALS_KEPT && kept.is_empty() {
        let at = proposals_key(school, upload.upload_id);
        answer["proposals_url"] = app.exports.presign_get(&at, REPORT_LIFETIME).await?.into();
    }
    Answer::json(200, answer)
}

/// What the office says when it approves.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Approval {
    /// People whom a proposal does not mean: they stay as they are, and who was taken for them is somebody new.
    #[serde(default)]
    reject: BTreeSet<PersonId>,
}

/// `POST …/uploads/{upload_id}/approval`: applies what is held, if the directory is still what the plan was made from.
pub async fn approve(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    let approval: Approval =
        if request.raw_body().is_empty() { Approval::default() } else { request.body()? };
    if approval.reject.len() > MAX_REJECTED {
        let detail = "at most 4,000 can be rejected one by one; a file that is wrong about more is better not approved";
        return Err(Problem::fields(vec![FieldError::new("/reject", "too_long", detail)]).into());
    }
    let (tenant, upload) = find(app, request, school).await?;
    if !approval.reject.is_empty() {
        apart::kept(app, staff, &tenant).await?.refuse(approval.reject.iter().copied())?;
    }
    let moved_on = || {
        Problem::new(
            Code::Conflict,
            "This upload is not held for review, or the directory has changed since. Upload the file again to see what it would do now.",
        )
    };
    let record: School = app.tables.get(key::school(school)).await?.ok_or_else(Problem::not_found)?;
    // Somebody who approves twice, or whose first answer was lost, is told the same again.
    let again = upload.status == UploadStatus::Applying && upload.approved_by.is_some();
    if !again {
        if upload.status != UploadStatus::Review || upload.outcome.planned_revision != record.revision {
            return Err(moved_on().into());
        }
        let held = upload.outcome.held_because;
        if held.is_some_and(HeldBecause::needs_a_second_person)
            && sent_by(app, &upload).await? == staff.subject
        {
            return Err(Problem::new(
                Code::Forbidden,
                "This upload would do something unusual: somebody else than who sent it has to look at it and approve it.",
            )
            .into());
        }
        let update = Update::new()
            .set("status", UploadStatus::Applying)
            .set("approved_by", &staff.subject)
            .set("rejected", &approval.reject)
            .set("changed_at", time::now());
        let at = key::upload(school, upload.upload_id);
        let review = Condition::Is("status", value(UploadStatus::Review));
        move_on(app.tables.update::<Upload>(at, update, review).await, moved_on)?;
    }
    queue(app, &upload).await?;
    Answer::json(202, json!({"upload_id": upload.upload_id, "status": UploadStatus::Applying}))
}

/// `POST …/uploads/{upload_id}/undo`: takes an applied upload back, as far as nobody has changed it since.
pub async fn undo(app: &App, request: &Request, staff: &Staff, school: SchoolId) -> Result<Answer, ApiError> {
    let (_, upload) = find(app, request, school).await?;
    let too_late = || {
        Problem::new(
            Code::Conflict,
            "Only an upload that was applied in the last 30 days can be undone, and only once.",
        )
    };
    let again = upload.status == UploadStatus::Undone;
    if !again && !upload.can_be_undone(time::now()) {
        return Err(too_late().into());
    }
    if !again && upload.undone_by.is_none() {
        let at = key::upload(school, upload.upload_id);
        let done = Condition::Is("status", value(UploadStatus::Done));
        let update = Update::new().set("undone_by", &staff.subject);
        move_on(app.tables.update::<Upload>(at, update, done).await, too_late)?;
    }
    if !again {
        queue(app, &upload).await?;
    }
    Answer::json(202, json!({"upload_id": upload.upload_id, "status": upload.status}))
}

/// Whose upload it is: of a connector's, whoever made the connector and so may hold its secret.
async fn sent_by(app: &App, upload: &Upload) -> Result<String, ApiError> {
    let Ok(connector) = upload.asked_by.parse::<ConnectorId>() else { return Ok(upload.asked_by.clone()) };
    let connector: Option<Connector> = app.tables.get(key::connector(upload.school_id, connector)).await?;
    Ok(connector.map(|connector| connector.created_by).unwrap_or_default())
}

/// A write that lost to somebody else's is answered as if it had come after it.
fn move_on<T>(written: Result<T, StoreError>, problem: impl Fn() -> Problem) -> Result<(), ApiError> {
    match written {
        Ok(_) => Ok(()),
        Err(StoreError::Conflict) => Err(problem().into()),
        Err(error) => Err(error.into()),
    }
}

/// Lets upload-ingest go on with an upload.
async fn queue(app: &App, upload: &Upload) -> Result<(), ApiError> {
    let task = Task::ApplyUpload { school_id: upload.school_id, upload_id: upload.upload_id };
    Ok(app.queues.send(&app.uploads_queue, &upload.school_id.to_string(), &[task]).await?)
}

async fn find(app: &App, request: &Request, school: SchoolId) -> Result<(Tenant, Upload), ApiError> {
    let upload: UploadId = request.path("upload_id")?;
    let tenant = app.tenant(school).await?;
    let upload = app.tables.get(key::upload(school, upload)).await?.ok_or_else(Problem::not_found)?;
    Ok((tenant, upload))
}

/// An upload as told to somebody from whom some are kept.
fn body(upload: &Upload, names: &Names, kept: &Kept) -> Value {
    let outcome = &upload.outcome;
    let proposals: Vec<_> =
        outcome.proposals.iter().filter(|proposal| !kept.has(proposal.person_id)).collect();
    let by = |subject: &Option<String>| subject.as_ref().map(|subject| names.of(subject));
    let held_because = outcome.held_because.map(|because| serde_json::to_value(because).unwrap_or_default());
    json!({
        "upload_id": upload.upload_id, "status": upload.status, "created_at": time::rfc3339(upload.created_at),
        "format": outcome.format, "format_version": outcome.format_version, "encoding": outcome.encoding, "rows": outcome.rows, "counts": outcome.counts, "dropped_columns": outcome.dropped_columns,
        "findings": outcome.findings, "findings_total": outcome.findings_total, "held_because": held_because, "report_url": null, "report_json_url": null, "proposals_url": null,
        "proposals": proposals, "proposals_total": outcome.proposals_total, "undone": upload.undone,
        "asked_by": names.of(&upload.asked_by), "approved_by": by(&upload.approved_by), "undone_by": by(&upload.undone_by),
    })
}
