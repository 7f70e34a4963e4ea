//! What staff do, over HTTP: schools, uploads, people, messages; and the little that their connectors may do.
//!
//! Every handler of a school's data takes a [`Staff`] who belongs to that school. It reads, decides in `shared`, writes.

mod apart;
mod audit;
mod change;
mod connectors;
mod consents;
mod entry;
mod links;
mod messages;
mod people;
mod schools;
mod search;
mod settings;
mod subject_requests;
mod suppressions;
mod uploads;
mod usage;
mod verifications;

use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use serde_json::json;
use shared::{
    app::Cloud,
    config::{self, ConfigError},
    http::{Answer, ApiError, Problem, Request, Staff, StaffRole, Told, staff::ClaimNames, told},
    id::SchoolId,
    object::Bucket,
    privacy::audit::Actor,
    queue::Queues,
    school::Tenant,
    seal::Keyring,
    store::{key::TableName, table::Tables},
};

use uploads::Reader;

/// What the function was given.
#[derive(Debug)]
pub struct App {
    tables: Tables,
    keyring: Arc<Keyring>,
    queues: Queues,
    uploads: Bucket,
    exports: Bucket,
    fanout_queue: String,
    uploads_queue: String,
    send_queue: String,
    notice_queue: String,
    claim_names: ClaimNames,
    own_contacts: apart::OwnContacts,
    sms_part_price: String,
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
            fanout_queue: config::required("FANOUT_QUEUE_URL")?,
            uploads_queue: config::required("UPLOADS_QUEUE_URL")?,
            send_queue: config::required("SEND_URGENT_QUEUE_URL")?,
            notice_queue: config::required("SEND_ROUTINE_QUEUE_URL")?,
            claim_names: ClaimNames::from_env(),
            own_contacts: apart::OwnContacts::default(),
            sms_part_price: config::or("SMS_PART_PRICE", "0.04"),
        })
    }

    async fn tenant(&self, school: SchoolId) -> Result<Tenant, ApiError> {
        Ok(Tenant::load(&self.tables, &self.keyring, school).await?)
    }
}

/// Answers one request.
pub async fn handle(app: &App, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
    let request = Request::new(event);
    // Boxed: the routes' futures together are tens of kilobytes.
    told::answer(&app.tables, &app.keyring, &request, Box::pin(route(app, &request))).await
}

async fn route(app: &App, request: &Request) -> Result<Told, ApiError> {
    if request.route == "GET /v1/health" {
        return Answer::json(200, json!({"status": "ok"})).map(Told::to_stranger);
    }
    if request.route.contains(" /v1/connector/") {
        return connectors::route(app, request).await;
    }
    let staff = Staff::from_request(request, &app.claim_names)?;
    if request.route == "POST /v1/schools" {
        staff.require(&[StaffRole::Operator])?;
        return schools::create(app, request, &staff).await.map(Told::to_stranger);
    }
    let Some((method, rest)) = request.route.split_once(" /v1/schools/{school_id}") else {
        return Err(Problem::not_found().into());
    };
    let school: SchoolId = request.path("school_id")?;
    let answer = at_school(app, request, &staff, school, (method, rest)).await;
    Ok(Told::at(school, Actor::Staff(staff.subject), answer))
}

/// What staff do at their own school.
async fn at_school(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
    route: (&str, &str),
) -> Result<Answer, ApiError> {
    use StaffRole::{Approver, Dpo, Office, Sender};
    let at = |any: &[StaffRole]| staff.at(school, any);
    let everybody = [Office, Sender, Approver, Dpo];
    if at(&everybody).is_ok() {
        apart::refuse_path(app, request, staff, school).await?;
    }
    match route {
        ("GET", "") => at(&everybody).map(|()| schools::get(app, school))?.await,
        ("GET", "/settings") => at(&everybody).map(|()| settings::get(app, school))?.await,
        ("PUT", "/settings") => at(&[Office]).map(|()| settings::put(app, request, school))?.await,
        ("POST", "/uploads") => {
            at(&[Office]).map(|()| uploads::create(app, request, &staff.subject, school))?.await
        }
        ("GET", "/uploads") => at(&[Office, Dpo]).map(|()| uploads::list(app, request, staff, school))?.await,
        ("GET", "/uploads/{upload_id}") => {
            at(&[Office, Dpo]).map(|()| uploads::get(app, request, school, Reader::Staff(staff)))?.await
        }
        ("POST", "/uploads/{upload_id}/approval") => {
            at(&[Office, Approver]).map(|()| uploads::approve(app, request, staff, school))?.await
        }
        ("POST", "/uploads/{upload_id}/undo") => {
            at(&[Office]).map(|()| uploads::undo(app, request, staff, school))?.await
        }
        ("POST", "/connectors") => {
            at(&[Office]).map(|()| connectors::create(app, request, staff, school))?.await
        }
        ("GET", "/connectors") => at(&[Office, Dpo]).map(|()| connectors::list(app, school))?.await,
        ("DELETE", "/connectors/{connector_id}") => {
            at(&[Office]).map(|()| connectors::revoke(app, request, school))?.await
        }
        ("GET", "/people") => {
            at(&[Office, Sender, Dpo]).map(|()| people::list(app, request, staff, school))?.await
        }
        ("POST", "/people") => at(&[Office]).map(|()| change::create(app, request, staff, school))?.await,
        ("POST", "/people/search") => {
            at(&[Office, Sender, Dpo]).map(|()| people::search(app, request, staff, school))?.await
        }
        ("GET", "/people/{person_id}") => {
            at(&[Office, Sender, Dpo]).map(|()| people::get(app, request, school))?.await
        }
        ("PATCH", "/people/{person_id}") => {
            at(&[Office]).map(|()| change::update(app, request, school))?.await
        }
        ("DELETE", "/people/{person_id}") => {
            at(&[Office]).map(|()| change::delete(app, request, school))?.await
        }
        ("POST", "/people/{person_id}/merge") => {
            at(&[Office]).map(|()| change::merge(app, request, staff, school))?.await
        }
        ("GET", "/people/{person_id}/consents") => {
            at(&[Office, Dpo]).map(|()| consents::get(app, request, school))?.await
        }
        ("PUT", "/people/{person_id}/consents") => {
            at(&[Office, Dpo]).map(|()| consents::put(app, request, staff, school))?.await
        }
        ("PUT", "/people/{pupil_id}/contacts/{contact_id}") => {
            at(&[Office]).map(|()| links::put(app, request, school))?.await
        }
        ("DELETE", "/people/{pupil_id}/contacts/{contact_id}") => {
            at(&[Office]).map(|()| links::delete(app, request, school))?.await
        }
        ("GET" | "PUT", "/suppressions") => suppressions::route(app, request, staff, school).await,
        ("GET", "/verifications") => {
            at(&[Office]).map(|()| verifications::list(app, request, staff, school))?.await
        }
        ("POST", "/verifications/{verification_id}/decision") => {
            at(&[Office]).map(|()| verifications::decide(app, request, staff, school))?.await
        }
        ("POST", "/subject-requests") => {
            at(&[Office, Dpo]).map(|()| subject_requests::create(app, request, staff, school))?.await
        }
        ("GET", "/subject-requests") => {
            at(&[Office, Dpo]).map(|()| subject_requests::list(app, request, staff, school))?.await
        }
        ("GET", "/subject-requests/{request_id}") => {
            at(&[Office, Dpo]).map(|()| subject_requests::get(app, request, staff, school))?.await
        }
        ("POST", "/subject-requests/{request_id}/decision") => {
            at(&[Office, Dpo]).map(|()| subject_requests::decide(app, request, staff, school))?.await
        }
        ("POST", "/messages/preview") => {
            at(&[Sender, Approver]).map(|()| messages::preview(app, request, staff, school))?.await
        }
        ("POST", "/messages") => at(&[Sender]).map(|()| messages::create(app, request, staff, school))?.await,
        ("GET", "/audit") => at(&[Dpo]).map(|()| audit::list(app, request, staff, school))?.await,
        ("GET", "/usage") => at(&[Office, Dpo]).map(|()| usage::get(app, request, school))?.await,
        ("GET", "/messages") => at(&everybody).map(|()| messages::list(app, request, school))?.await,
        ("GET", "/messages/{message_id}") => {
            at(&everybody).map(|()| messages::get(app, request, school))?.await
        }
        ("GET", "/messages/{message_id}/recipients") => {
            at(&everybody).map(|()| messages::recipients(app, request, staff, school))?.await
        }
        ("POST", "/messages/{message_id}/stop") => {
            at(&[Sender, Approver, Office]).map(|()| messages::stop(app, request, school))?.await
        }
        _ => Err(Problem::not_found().into()),
    }
}
