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
        plan::{Change, Plan},
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
    let mut writes = Vec::new();
    for change in &plan.changes {
        match change {
            Change::Person(id, person) => {
                let before = directory.people.get(id).map(|stored| &stored.versions);
                if store::is_written(tenant, store::Subject::Person(*id), before, person, stamp) {
                    continue;
                }
                writes.push(store::write_person(tenant, *id, before, Some(person), stamp)?);
            }
            Change::Link(ends, link) => {
                let before = directory.links.get(ends).map(|stored| &stored.versions);
                if store::is_written(tenant, store::Subject::Link(ends.0, ends.1), before, link, stamp) {
                    continue;
                }
                writes.push(store::write_link(tenant, *ends, before, Some(link), stamp)?);
            }
        }
    }
    for subject in &plan.withdrawals {
        let before = directory.versions(*subject);
        if let Some(before) = before {
            writes.push(store::withdraw(tenant, *subject, before)?);
        }
    }
    // One place of each transaction is the check that the school is still held for this upload.
    let check = || Write::check(TableName::Directory, key::school(tenant.id()), lock.held());
    let mut rest = writes.into_iter().peekable();
    while rest.peek().is_some() {
        let mut some: Vec<_> = rest.by_ref().take(TRANSACTION_ITEMS - 1).collect();
        some.push(check());
        match app.tables.transact(some).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    show(app, lock, tenant, upload, outcome, generation, is_quiet(plan)).await
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
