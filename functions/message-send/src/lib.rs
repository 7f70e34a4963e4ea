//! Sends: chunks of messages, one-time codes, and notices to parents and schools.
//!
//! No carrier is called before the claim on the chunk is written. A worker that dies between the carrier and the record leaves
//! the chunk in doubt: what may have been sent becomes `unknown` and is not sent again by itself, except for emergencies,
//! where a duplicate is better than a loss.

mod chunk;
mod code;
mod look;
mod notice;
mod tell;

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use shared::{
    app::Cloud,
    batch::{self, Failure},
    channel::{
        SendError,
        email::{Email, Mailer, Sender, local_part},
        sms::Texter,
    },
    config::{self, ConfigError, Stage},
    id::SchoolId,
    person::{phone::PhoneNumber, store::ReadError},
    privacy::usage,
    queue::Task,
    school::{Tenant, TenantError},
    seal::{Keyring, SealError},
    store::{
        key::TableName,
        table::{StoreError, Tables},
    },
    time,
    verify::{account::ContactPoint, notice::Notice},
};

/// What the function was given.
#[derive(Debug)]
pub struct App {
    tables: Tables,
    keyring: Arc<Keyring>,
    mailer: Mailer,
    texter: Texter,
    stage: Stage,
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
            mailer: cloud.mailer()?,
            texter: cloud.texter(),
            stage: config::stage(),
        })
    }

    /// Sends a text. A number that Ofcom keeps for drama reaches somebody in earnest one day: only the local stage writes to it.
    async fn text(&self, to: &PhoneNumber, sender_id: &str, text: &str) -> Result<String, SendError> {
        if to.is_drama() && self.stage != Stage::Local {
            return Err(SendError::BadContact);
        }
        self.texter.send(to, sender_id, text).await
    }

    /// Counts the use of a route of parent-verify, which knows of no school. A count that fails is logged and nothing else.
    async fn count(&self, school: SchoolId, route: &str) {
        if let Err(error) = usage::count(&self.tables, school, route, time::now()).await {
            tracing::warn!(%school, %error, "the use of a route is not counted");
        }
    }

    /// Tells one person something in the school's name, where no message is: a code, or a notice about their account.
    async fn tell(&self, tenant: &Tenant, point: &ContactPoint, notice: Notice) -> Result<(), SendError> {
        let school = &tenant.school;
        match point {
            ContactPoint::Mobile(mobile) => {
                self.text(mobile, &school.sms_id, &notice.text).await?;
            }
            ContactPoint::Email(address) => {
                let name = school.name.clone();
                let sender = Sender { name, local_part: local_part(&school.name), reply_to: None };
                let text = notice.text.replace('&', "&amp;").replace('<', "&lt;");
                let html = format!("<!doctype html><html lang=\"en-GB\"><body><p>{text}</p></body></html>");
                let Notice { subject, text } = notice;
                self.mailer.send_one(&sender, &Email { to: address.clone(), subject, text, html }).await?;
            }
        }
        Ok(())
    }
}

/// Works through a batch.
pub async fn handle(app: &Arc<App>, event: SqsEvent) -> SqsBatchResponse {
    batch::each(event, |body| {
        let app = app.clone();
        async move {
            match Task::from_body(&body).map_err(Failure::retry)? {
                Task::SendChunk { school_id, message_id, chunk } => {
                    chunk::send(&app, school_id, message_id, chunk).await.map_err(Failure::retry)
                }
                Task::SendCode { verification_id } => {
                    code::send(&app, verification_id).await.map_err(Failure::retry)
                }
                Task::TellParents { verification_id } => {
                    tell::parents(&app, verification_id).await.map_err(Failure::retry)
                }
                Task::TellOfRequest { school_id, request_id } => {
                    notice::tell_of_request(&app, school_id, request_id).await.map_err(Failure::retry)
                }
                Task::TellOfSupport { school_id, support_id } => {
                    notice::tell_of_support(&app, school_id, support_id).await.map_err(Failure::retry)
                }
                Task::ApplyUpload { .. } | Task::FanOut { .. } | Task::Sweep { .. } => {
                    Err(Failure::retry("this queue takes tasks of sending only"))
                }
            }
        }
    })
    .await
}

/// Why a task is not finished yet. All of them are tried again.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A sealed value.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The school.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The carrier did not take it, and certainly did not send it.
    #[error(transparent)]
    Carrier(#[from] SendError),
    /// Another worker has the chunk.
    #[error("another worker has this chunk")]
    Claimed,
    /// Something that was written before the task was queued is not there.
    #[error("the {0} of this task is not there")]
    Missing(&'static str),
}
