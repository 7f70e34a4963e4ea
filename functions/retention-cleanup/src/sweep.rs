//! One school's sweep.

use jiff::Timestamp;
use shared::{
    id::SchoolId,
    message::store::Message,
    object::{ObjectError, report_key, upload_key},
    person::store::{Directory, ReadError, Subject, without_former},
    privacy::{
        retention::DataClass,
        run::{Counts, RetentionRun, absent_is_due, former_is_due, shell_is_due},
    },
    school::{Tenant, TenantError},
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, TRANSACTION_ITEMS, Update, Write, value},
    },
    upload::store::{Due, Upload, UploadStatus},
};

use crate::App;

/// Why a sweep is not finished. It is tried again, and goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
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
}

struct Sweep<'a> {
    app: &'a App,
    school: SchoolId,
    now: Timestamp,
    dry_run: bool,
    counts: Counts,
}

/// Erases what is due at one school, or only counts it.
pub async fn sweep(app: &App, school: SchoolId, now: Timestamp, dry_run: bool) -> Result<Counts, SweepError> {
    let tenant = match Tenant::load(&app.tables, &app.keyring, school).await {
        Ok(tenant) => tenant,
        // The end of a contract erases everything at once; there is nothing to sweep.
        Err(TenantError::NotActive) => return Ok(Counts::new()),
        Err(error) => return Err(error.into()),
    };
    let mut sweep = Sweep { app, school, now, dry_run, counts: Counts::new() };
    sweep.uploads().await?;
    sweep.people(&tenant).await?;
    sweep.messages().await?;
    let counts = sweep.counts;
    if !dry_run {
        app.tables.put(&RetentionRun { school_id: school, ran_at: now, erased: counts.clone() }, Condition::Always).await?;
    }
    tracing::info!(%school, dry_run, counts = ?counts, "swept");
    Ok(counts)
}

impl Sweep<'_> {
    fn count(&mut self, class: DataClass, many: usize) {
        if many > 0 {
            *self.counts.entry(class).or_default() += many;
        }
    }

    async fn uploads(&mut self) -> Result<(), SweepError> {
        for item in self.app.tables.query(TableName::Directory, &key::school_partition(self.school), key::UPLOADS).await? {
            let upload: Upload = item.read()?;
            for due in upload.due(self.now) {
                self.upload(&upload, due).await?;
            }
        }
        Ok(())
    }

    async fn upload(&mut self, upload: &Upload, due: Due) -> Result<(), SweepError> {
        let school = self.school;
        let at = || key::upload(school, upload.upload_id);
        let tables = &self.app.tables;
        match due {
            Due::Expire | Due::EraseFile => {
                self.count(DataClass::UploadFile, 1);
                if self.dry_run {
                    return Ok(());
                }
                if due == Due::Expire {
                    // Closed first: a file that arrives from now on finds its upload ended and is erased on arrival.
                    let update = Update::new().set("status", UploadStatus::Expired).set("changed_at", self.now);
                    match tables.update::<Upload>(at(), update, Condition::Is("status", value(upload.status))).await {
                        Ok(_) => {}
                        // It came to life at the last moment: not abandoned after all.
                        Err(StoreError::Conflict) => return Ok(()),
                        Err(error) => return Err(error.into()),
                    }
                }
                self.app.uploads.erase(&upload_key(self.school, upload.upload_id)).await?;
                tables.update::<Upload>(at(), Update::new().set("file_erased", true), Condition::Present).await?;
            }
            Due::EraseReport => {
                if upload.outcome.findings_total > 0 {
                    self.count(DataClass::UploadReport, 1);
                }
                if !self.dry_run {
                    let report = report_key(self.school, upload.upload_id);
                    for extension in ["csv", "json"] {
                        self.app.exports.erase(&format!("{report}.{extension}")).await?;
                    }
                    tables.update::<Upload>(at(), Update::new().set("report_erased", true), Condition::Present).await?;
                }
            }
            Due::Delete => {
                self.count(DataClass::Upload, 1);
                if !self.dry_run {
                    tables.delete(TableName::Directory, at(), Condition::Always).await?;
                }
            }
        }
        Ok(())
    }

    async fn people(&mut self, tenant: &Tenant) -> Result<(), SweepError> {
        let directory = Directory::load(&self.app.tables, tenant).await?;
        let generation = tenant.school.generation;
        let mut writes = Vec::new();
        let mut gone = std::collections::BTreeSet::new();
        for (id, stored) in &directory.people {
            let absent = absent_is_due(stored.value.as_ref().and_then(|person| person.missing_since), DataClass::Person, self.now);
            if absent || shell_is_due(&stored.versions, generation, self.now) {
                self.count(DataClass::Person, 1);
                gone.insert(*id);
                writes.push(Write::delete(TableName::Directory, key::person(self.school, *id), Condition::Is("rev", value(stored.versions.rev))));
            } else if former_is_due(&stored.versions, generation, self.now) {
                self.count(DataClass::FormerVersion, 1);
                writes.push(without_former(tenant, Subject::Person(*id), &stored.versions));
            }
        }
        for ((pupil, contact), stored) in &directory.links {
            let absent = absent_is_due(stored.value.as_ref().and_then(|link| link.missing_since), DataClass::Link, self.now);
            if absent || gone.contains(pupil) || gone.contains(contact) || shell_is_due(&stored.versions, generation, self.now) {
                self.count(DataClass::Link, 1);
                writes.push(Write::delete(TableName::Directory, key::link(self.school, *pupil, *contact), Condition::Is("rev", value(stored.versions.rev))));
            } else if former_is_due(&stored.versions, generation, self.now) {
                self.count(DataClass::FormerVersion, 1);
                writes.push(without_former(tenant, Subject::Link(*pupil, *contact), &stored.versions));
            }
        }
        if self.dry_run || writes.is_empty() {
            return Ok(());
        }
        // Whoever plans with the directory as it was notices: an import under way plans anew.
        let moved = || Write::update(TableName::Directory, key::school(self.school), Update::new().add("revision", 1), Condition::Is("generation", value(generation)));
        let mut rest = writes.into_iter().peekable();
        while rest.peek().is_some() {
            let mut some: Vec<_> = rest.by_ref().take(TRANSACTION_ITEMS - 1).collect();
            some.push(moved());
            self.app.tables.transact(some).await?;
        }
        Ok(())
    }

    async fn messages(&mut self) -> Result<(), SweepError> {
        let tables = &self.app.tables;
        for item in tables.query(TableName::Messaging, &key::school_partition(self.school), key::MESSAGES).await? {
            let message: Message = item.read()?;
            if self.now.duration_since(message.created_at) < DataClass::Message.period() {
                // Ids sort by time: whatever follows is younger.
                break;
            }
            let parts = tables.query(TableName::Messaging, &key::message_partition(self.school, message.message_id), "").await?;
            self.count(DataClass::Message, 1);
            self.count(DataClass::Outcome, parts.len());
            if self.dry_run {
                continue;
            }
            // The message last: a sweep that dies in between finds it again.
            let keys: Vec<_> = parts.iter().map(shared::store::table::Item::key).chain([key::message(self.school, message.message_id)]).collect();
            for some in keys.chunks(TRANSACTION_ITEMS) {
                tables.transact(some.iter().map(|key| Write::delete(TableName::Messaging, key.clone(), Condition::Always)).collect()).await?;
            }
        }
        Ok(())
    }
}
