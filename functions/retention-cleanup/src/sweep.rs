//! One school's sweep.

use std::collections::BTreeSet;

use jiff::Timestamp;
use shared::{
    connector::Connector,
    id::{AuditId, MessageId, PersonId, SchoolId},
    message::store::Message,
    object::{ObjectError, proposals_key, report_key, upload_key},
    person::store::{Directory, ReadError, Subject, without_former},
    privacy::{
        consent::Consents,
        request::SubjectRequest,
        retention::DataClass,
        run::{Counts, RetentionRun, due},
    },
    school::{Tenant, TenantError},
    store::{
        key::{self, Key, TableName},
        table::{Condition, Item, Record, StoreError, TRANSACTION_ITEMS, Update, Write, value},
    },
    time,
    upload::{
        deleted::back,
        store::{Due, PROPOSALS_KEPT, Upload, UploadStatus},
    },
    verify::account::{Account, AccountOf},
};

use crate::App;

/// How often an account is read again because its parent was first.
const ACCOUNT_ATTEMPTS: usize = 3;

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
    sweep.connectors().await?;
    sweep.people(&tenant).await?;
    sweep.consents().await?;
    sweep.subject_requests().await?;
    sweep.messages().await?;
    sweep.audit_and_usage().await?;
    let counts = sweep.counts;
    if !dry_run {
        app.tables
            .put(&RetentionRun { school_id: school, ran_at: now, erased: counts.clone() }, Condition::Always)
            .await?;
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
        for item in self
            .app
            .tables
            .query(TableName::Directory, &key::school_partition(self.school), key::UPLOADS)
            .await?
        {
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
                    let update =
                        Update::new().set("status", UploadStatus::Expired).set("changed_at", self.now);
                    match tables
                        .update::<Upload>(at(), update, Condition::Is("status", value(upload.status)))
                        .await
                    {
                        Ok(_) => {}
                        // It came to life at the last moment: not abandoned after all.
                        Err(StoreError::Conflict) => return Ok(()),
                        Err(error) => return Err(error.into()),
                    }
                }
                self.app.uploads.erase(&upload_key(self.school, upload.upload_id)).await?;
                tables
                    .update::<Upload>(at(), Update::new().set("file_erased", true), Condition::Present)
                    .await?;
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
                    if upload.outcome.proposals_total > PROPOSALS_KEPT {
                        self.app.exports.erase(&proposals_key(self.school, upload.upload_id)).await?;
                    }
                    tables
                        .update::<Upload>(at(), Update::new().set("report_erased", true), Condition::Present)
                        .await?;
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

    async fn connectors(&mut self) -> Result<(), SweepError> {
        let tables = &self.app.tables;
        let partition = key::school_partition(self.school);
        for item in tables.query(TableName::Directory, &partition, key::CONNECTORS).await? {
            let connector: Connector = item.read()?;
            if !connector.is_due(self.now) {
                continue;
            }
            self.count(DataClass::Connector, 1);
            if !self.dry_run {
                let at = key::connector(self.school, connector.connector_id);
                tables.delete(TableName::Directory, at, Condition::Always).await?;
            }
        }
        Ok(())
    }

    async fn people(&mut self, tenant: &Tenant) -> Result<(), SweepError> {
        let directory = Directory::load(&self.app.tables, tenant).await?;
        let generation = tenant.school.generation;
        self.deleted_people(&directory).await?;
        let due = due(&directory, generation, self.now);
        for subject in &due.erase {
            let class = match subject {
                Subject::Person(_) => DataClass::Person,
                Subject::Link(..) => DataClass::Link,
            };
            self.count(class, 1);
        }
        self.count(DataClass::FormerVersion, due.trim.len());
        if self.dry_run {
            return Ok(());
        }
        // The accounts first: a run that dies in between finds the people again, and what leads to accounts only by them.
        for subject in &due.erase {
            if let Subject::Person(person) = subject {
                self.account_of(*person).await?;
            }
        }
        let rev =
            |subject: &Subject| directory.versions(*subject).map(|versions| versions.rev).unwrap_or_default();
        let erasures = due.erase.iter().map(|subject| {
            Write::delete(
                TableName::Directory,
                subject.key(self.school),
                Condition::Is("rev", value(rev(subject))),
            )
        });
        let school = || key::school(self.school);
        let unmoved = || Condition::Is("generation", value(generation));
        // Whoever planned with the directory as it was notices: an import under way plans anew.
        let moved =
            || Write::update(TableName::Directory, school(), Update::new().add("revision", 1), unmoved());
        self.write(erasures.collect(), moved).await?;
        // What a former version was, nobody sees: no plan is the worse for it.
        let trims = due
            .trim
            .iter()
            .filter_map(|subject| Some(without_former(tenant, *subject, directory.versions(*subject)?)));
        self.write(trims.collect(), || Write::check(TableName::Directory, school(), unmoved())).await?;
        Ok(())
    }

    /// That somebody was deleted is over with its time, and once they are here again.
    async fn deleted_people(&mut self, directory: &Directory) -> Result<(), SweepError> {
        let (now, back) = (self.now, back(directory, self.now));
        let deleted = directory.deleted.people().iter();
        let over = deleted.filter(|one| one.is_due(now) || back.contains(&one.person_id));
        for one in over {
            self.count(DataClass::DeletedPerson, 1);
            if !self.dry_run {
                let tables = &self.app.tables;
                tables.delete(TableName::Directory, one.key(), Condition::Always).await?;
            }
        }
        Ok(())
    }

    /// Evidence of a choice outlives the person in the directory by years; it is counted from when they are gone.
    async fn consents(&mut self) -> Result<(), SweepError> {
        let tables = &self.app.tables;
        let partition = key::school_partition(self.school);
        let items = tables.query(TableName::Directory, &partition, key::CONSENTS).await?;
        let all = items.into_iter().map(|item| item.read()).collect::<Result<Vec<Consents>, _>>()?;
        let open = all.iter().filter(|consents| consents.ended_at.is_none());
        let people =
            open.map(|consents| (TableName::Directory, key::person(self.school, consents.person_id)));
        let found = tables.batch_get(people.collect()).await?;
        let known: BTreeSet<_> = found.iter().filter_map(|item| key::read_person(item.sk())).collect();
        for consents in all {
            let at = key::consents(self.school, consents.person_id);
            if consents.is_due(self.now) {
                self.count(DataClass::Consent, 1);
                if !self.dry_run {
                    self.app.tables.delete(TableName::Directory, at, Condition::Always).await?;
                }
            } else if consents.ended_at.is_none() && !known.contains(&consents.person_id) && !self.dry_run {
                let ended = Update::new().set("ended_at", self.now);
                self.app.tables.update::<Consents>(at, ended, Condition::Present).await?;
            }
        }
        Ok(())
    }

    async fn subject_requests(&mut self) -> Result<(), SweepError> {
        let tables = &self.app.tables;
        let partition = key::school_partition(self.school);
        for item in tables.query(TableName::Directory, &partition, key::SUBJECT_REQUESTS).await? {
            let request: SubjectRequest = item.read()?;
            if !request.is_due(self.now) {
                continue;
            }
            self.count(DataClass::SubjectRequest, 1);
            if !self.dry_run {
                let at = key::subject_request(self.school, request.request_id);
                tables.delete(TableName::Directory, at, Condition::Always).await?;
            }
        }
        Ok(())
    }

    /// Writes in transactions of which each ends with `guard`.
    async fn write(&self, writes: Vec<Write>, guard: impl Fn() -> Write) -> Result<(), SweepError> {
        let mut rest = writes.into_iter().peekable();
        while rest.peek().is_some() {
            let mut some: Vec<_> = rest.by_ref().take(TRANSACTION_ITEMS - 1).collect();
            some.push(guard());
            self.app.tables.transact(some).await?;
        }
        Ok(())
    }

    /// An account ends with its last contact, and every session of it on the next request.
    async fn account_of(&mut self, contact: PersonId) -> Result<(), SweepError> {
        let tables = &self.app.tables;
        for _ in 0..ACCOUNT_ATTEMPTS {
            let Some(of) = tables.get::<AccountOf>(key::account_of(self.school, contact)).await? else {
                return Ok(());
            };
            let writes = match tables.get::<Account>(key::account(of.account_id)).await? {
                Some(account) => {
                    let rest = account.without((self.school, contact));
                    let mut writes = rest.write(Some(account.rev))?;
                    writes.extend(account.unlink(&rest));
                    writes
                }
                None => vec![Write::delete(TableName::Access, of.key(), Condition::Always)],
            };
            match tables.transact(writes).await {
                Ok(()) => {
                    self.count(DataClass::Account, 1);
                    return Ok(());
                }
                // The parent is signing in just now.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    async fn messages(&mut self) -> Result<(), SweepError> {
        let tables = &self.app.tables;
        // Ids sort by time: the range ends where the period does, and younger messages are not even read.
        let last =
            key::message(self.school, MessageId::new(self.now - DataClass::Message.period(), &[255; 10])).sk;
        let range = (key::MESSAGES, last.as_str());
        for item in
            tables.query_range(TableName::Messaging, &key::school_partition(self.school), range).await?
        {
            let message: Message = item.read()?;
            // The posts first: what is in nobody's inbox any more, nobody acknowledges.
            let posts = tables
                .query(
                    TableName::Messaging,
                    &key::posts_partition(self.school),
                    &key::posts_of(message.message_id),
                )
                .await?;
            self.count(DataClass::Message, posts.len());
            self.delete(&posts.iter().map(Item::key).collect::<Vec<_>>()).await?;
            let parts = tables
                .query(TableName::Messaging, &key::message_partition(self.school, message.message_id), "")
                .await?;
            self.count(DataClass::Message, 1);
            self.count(DataClass::Outcome, parts.len());
            // The message last: a sweep that dies in between finds it again.
            let last = key::message(self.school, message.message_id);
            self.delete(&parts.iter().map(Item::key).chain([last]).collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Both sort by time: only what is due is read.
    async fn audit_and_usage(&mut self) -> Result<(), SweepError> {
        let last_entry =
            key::audit(self.school, AuditId::new(self.now - DataClass::Audit.period(), &[255; 10])).sk;
        let last_day = time::date_in(time::DEFAULT_ZONE, self.now - DataClass::Usage.period());
        for (class, partition, range) in [
            (DataClass::Audit, key::audit_partition(self.school), (key::AUDIT, last_entry)),
            (DataClass::Usage, key::usage_partition(self.school), (key::USAGE, key::usage_of(last_day))),
        ] {
            let due =
                self.app.tables.query_range(TableName::Messaging, &partition, (range.0, &range.1)).await?;
            self.count(class, due.len());
            self.delete(&due.iter().map(Item::key).collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Deletes items of the messaging table, in order, unless they are only counted.
    async fn delete(&self, keys: &[Key]) -> Result<(), SweepError> {
        for some in keys.chunks(TRANSACTION_ITEMS).filter(|_| !self.dry_run) {
            let delete = |key: &Key| Write::delete(TableName::Messaging, key.clone(), Condition::Always);
            self.app.tables.transact(some.iter().map(delete).collect()).await?;
        }
        Ok(())
    }
}
