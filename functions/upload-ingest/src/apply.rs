//! Applying a plan: one import per school at a time, all of it visible at once.

use std::time::Instant;

use shared::{
    id::UploadId,
    person::store::{self, Directory, Stamp, Subject},
    random,
    school::{School, Tenant},
    seal::hex,
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, TRANSACTION_ITEMS, Update, Write, value},
    },
    time,
    upload::plan::{self, Change},
};

use crate::{App, IngestError};

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

/// How far writing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything is written and visible.
    Shown,
    /// Somebody changed the directory meanwhile: plan again.
    Overtaken,
    /// Time is running out: what is written stays, unseen, and whoever goes on writes the rest.
    OutOfTime,
}

/// What an import or an undo writes: changes, what ends, and the unseen versions of dead imports to be withdrawn.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// The newest values.
    pub changes: &'a [Change],
    /// People and ties that end.
    pub ends: &'a [Subject],
    /// Versions that nobody sees and nobody will.
    pub withdrawals: &'a [Subject],
}

impl Work<'_> {
    /// Whether there is nothing to do at all.
    pub const fn is_quiet(&self) -> bool {
        self.changes.is_empty() && self.ends.is_empty() && self.withdrawals.is_empty()
    }
}

/// What is written together with the school's pointer.
pub struct End {
    /// The upload.
    pub upload: UploadId,
    /// What its record becomes.
    pub record: Write,
    /// What else is noted in the school's record.
    pub school: Update,
}

/// Writes under the next generation and then shows it, together with the end of the upload.
pub async fn apply(
    app: &App,
    lock: &Lock,
    tenant: &Tenant,
    directory: &Directory,
    work: Work<'_>,
    end: End,
    deadline: Instant,
) -> Result<Progress, IngestError> {
    let generation = tenant.school.generation + 1;
    let stamp = Stamp { generation, upload_id: Some(end.upload), now: time::now() };
    // Sealed as they are sent: a large school's writes all at once would be as much again as its directory.
    let size = TRANSACTION_ITEMS - 1;
    let mut parts: Vec<Part<'_>> = work.changes.chunks(size).map(Part::Changes).collect();
    parts.extend(work.ends.chunks(size).map(Part::Ends));
    parts.extend(work.withdrawals.chunks(size).map(Part::Withdrawals));
    for (index, part) in parts.into_iter().enumerate() {
        // One part is written whatever the time: whoever goes on gets further every time.
        if index > 0 && Instant::now() >= deadline {
            return Ok(Progress::OutOfTime);
        }
        let writes = part.writes(tenant, directory, stamp)?;
        if !commit(app, lock, tenant, writes).await? {
            return Ok(Progress::Overtaken);
        }
    }
    let generation = (!work.is_quiet()).then_some(generation);
    if show(app, lock, tenant, generation, end).await? {
        Ok(Progress::Shown)
    } else {
        Ok(Progress::Overtaken)
    }
}

/// As much as one transaction takes.
enum Part<'a> {
    Changes(&'a [Change]),
    Ends(&'a [Subject]),
    Withdrawals(&'a [Subject]),
}

impl Part<'_> {
    fn writes(&self, tenant: &Tenant, directory: &Directory, stamp: Stamp) -> Result<Vec<Write>, StoreError> {
        let mut writes = Vec::new();
        match self {
            Self::Changes(changes) => {
                for change in *changes {
                    writes.extend(write(tenant, directory, change, stamp)?);
                }
            }
            Self::Ends(subjects) => {
                for subject in *subjects {
                    let before = directory.versions(*subject);
                    if !store::is_ended(before, stamp) {
                        writes.push(store::end(tenant, *subject, before, stamp)?);
                    }
                }
            }
            Self::Withdrawals(subjects) => {
                for subject in *subjects {
                    if let Some(before) = directory.versions(*subject) {
                        writes.push(store::withdraw(tenant, *subject, before)?);
                    }
                }
            }
        }
        Ok(writes)
    }
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

/// The one write that shows everything: the school's generation, its lock and the upload's end, together.
async fn show(
    app: &App,
    lock: &Lock,
    tenant: &Tenant,
    generation: Option<u64>,
    end: End,
) -> Result<bool, IngestError> {
    let unchanged = Condition::All(vec![
        lock.held(),
        Condition::Is("revision", value(tenant.school.revision)),
        Condition::Is("generation", value(tenant.school.generation)),
    ]);
    let free = end.school.remove("importing").remove("importing_until");
    let school = match generation {
        None => free,
        Some(generation) => free.set("generation", generation).add("revision", 1),
    };
    let writes =
        vec![Write::update(TableName::Directory, key::school(tenant.id()), school, unchanged), end.record];
    match app.tables.transact(writes).await {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
