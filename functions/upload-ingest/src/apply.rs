//! Applying a plan: one import per school at a time, all of it visible at once.

use shared::{
    id::UploadId,
    person::store::{self, Directory, Stamp},
    random,
    school::{School, Tenant},
    seal::hex,
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, TRANSACTION_ITEMS, Update, Write, value},
    },
    time,
    upload::{
        plan::{self, Change, Plan},
        store::{Outcome, Upload, UploadStatus},
    },
};

use crate::{App, IngestError, is_open, is_quiet};

/// How long an import may hold the school, in seconds: the function's timeout. A dead holder is overtaken after that.
const LOCK_SECONDS: i64 = 300;
/// How often a busy school is asked again before the queue takes over, a second apart.
const LOCK_ATTEMPTS: usize = 20;

/// The school, held by one worker for one upload.
pub struct Lock {
    /// The upload and which worker: an event delivered twice makes two workers of one upload.
    holder: String,
    school: School,
}

impl Lock {
    /// Takes the school for an upload. A second import waits a little, then goes back to the queue.
    pub async fn take(app: &App, tenant: &Tenant, upload: UploadId) -> Result<Self, IngestError> {
        let holder = format!("{upload}.{}", hex(&random::bytes::<8>()));
        for attempt in 0..LOCK_ATTEMPTS {
            let now = time::now().as_second();
            let free = Condition::MissingOrBelow("importing_until", value(now));
            let update = Update::new().set("importing", &holder).set("importing_until", now + LOCK_SECONDS);
            match app
                .tables
                .update::<School>(
                    key::school(tenant.id()),
                    update,
                    Condition::All(vec![Condition::Present, free]),
                )
                .await
            {
                Ok(school) => return Ok(Self { holder, school }),
                Err(StoreError::Conflict) if attempt + 1 < LOCK_ATTEMPTS => {
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
                Err(StoreError::Conflict) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Err(IngestError::Busy)
    }

    /// The school as it is now, read again.
    pub async fn tenant(&self, app: &App) -> Result<Tenant, IngestError> {
        Ok(Tenant::load(&app.tables, &app.keyring, self.school.school_id).await?)
    }

    fn held(&self) -> Condition {
        Condition::Is("importing", value(&self.holder))
    }

    /// Gives the school free.
    pub async fn release(&self, app: &App) -> Result<(), IngestError> {
        let update = Update::new().remove("importing").remove("importing_until");
        match app.tables.update::<School>(key::school(self.school.school_id), update, self.held()).await {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Writes a plan under the next generation and then shows it. False when somebody changed the directory meanwhile: plan again.
pub async fn apply(
    app: &App,
    lock: &Lock,
    tenant: &Tenant,
    directory: &Directory,
    plan: &Plan,
    upload: &Upload,
    outcome: &Outcome,
) -> Result<bool, IngestError> {
    let generation = tenant.school.generation + 1;
    let stamp = Stamp { generation, upload_id: Some(upload.upload_id), now: time::now() };
    // Sealed as they are sent: a large school's writes all at once would be as much again as its directory.
    for changes in plan.changes.chunks(TRANSACTION_ITEMS - 1) {
        let mut writes = Vec::new();
        for change in changes {
            writes.extend(write(tenant, directory, change, stamp)?);
        }
        if !commit(app, lock, tenant, writes).await? {
            return Ok(false);
        }
    }
    for subjects in plan.withdrawals.chunks(TRANSACTION_ITEMS - 1) {
        let mut writes = Vec::new();
        for subject in subjects {
            if let Some(before) = directory.versions(*subject) {
                writes.push(store::withdraw(tenant, *subject, before)?);
            }
        }
        if !commit(app, lock, tenant, writes).await? {
            return Ok(false);
        }
    }
    show(app, lock, tenant, upload, outcome, generation, is_quiet(plan)).await
}

/// Writes a part of the plan, if the school is still held for this upload; false if it is not, or somebody was faster.
async fn commit(
    app: &App,
    lock: &Lock,
    tenant: &Tenant,
    mut writes: Vec<Write>,
) -> Result<bool, IngestError> {
    if writes.is_empty() {
        return Ok(true);
    }
    writes.push(Write::check(TableName::Directory, key::school(tenant.id()), lock.held()));
    match app.tables.transact(writes).await {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The write of one change; none where an earlier run of this upload has written it already.
fn write(
    tenant: &Tenant,
    directory: &Directory,
    change: &Change,
    stamp: Stamp,
) -> Result<Option<Write>, StoreError> {
    let subject = plan::subject(change);
    let before = directory.versions(subject);
    match change {
        Change::Person(id, person) if !store::is_written(tenant, subject, before, person, stamp) => {
            store::write_person(tenant, *id, before, Some(person), stamp).map(Some)
        }
        Change::Link(ends, link) if !store::is_written(tenant, subject, before, link, stamp) => {
            store::write_link(tenant, *ends, before, Some(link), stamp).map(Some)
        }
        Change::Person(..) | Change::Link(..) => Ok(None),
    }
}

/// The one write that shows everything: the school's generation, its lock and the upload's status, together.
async fn show(
    app: &App,
    lock: &Lock,
    tenant: &Tenant,
    upload: &Upload,
    outcome: &Outcome,
    generation: u64,
    quiet: bool,
) -> Result<bool, IngestError> {
    let unchanged = Condition::All(vec![
        lock.held(),
        Condition::Is("revision", value(tenant.school.revision)),
        Condition::Is("generation", value(tenant.school.generation)),
    ]);
    let free = Update::new().remove("importing").remove("importing_until");
    let school = if quiet { free } else { free.set("generation", generation).add("revision", 1) };
    let done = Update::new()
        .set("status", UploadStatus::Done)
        .set("outcome", outcome)
        .set("changed_at", time::now());
    let writes = vec![
        Write::update(TableName::Directory, key::school(tenant.id()), school, unchanged),
        Write::update(TableName::Directory, key::upload(tenant.id(), upload.upload_id), done, is_open()),
    ];
    match app.tables.transact(writes).await {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
