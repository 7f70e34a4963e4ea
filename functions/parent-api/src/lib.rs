//! What a parent sees: own children, unrestricted, as the school's data stands at this moment.
//!
//! Nothing about rights is kept with the account: every request reads the links again, so that a right that was taken away
//! ends with the next request.

mod account;
mod children;
mod devices;
mod messages;
mod preferences;
mod requests;
mod support;
mod view;

use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use shared::{
    app::Cloud,
    config::{self, ConfigError},
    http::{Problem, Request, Told, told},
    queue::Queues,
    seal::Keyring,
    store::{key::TableName, table::Tables},
    time,
    verify::session::Parent,
};

/// What the function was given.
#[derive(Debug)]
pub struct App {
    tables: Tables,
    keyring: Arc<Keyring>,
    queues: Queues,
    send_queue: String,
    /// The version of the privacy notice that is in force.
    privacy_notice: String,
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
            send_queue: config::required("SEND_ROUTINE_QUEUE_URL")?,
            privacy_notice: config::required("PRIVACY_NOTICE")?,
        })
    }
}

/// Answers one request.
pub async fn handle(app: &App, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
    let request = Request::new(event);
    told::answer(&app.tables, &app.keyring, &request, async {
        let parent = Parent::from_request(&app.tables, &request, time::now()).await?;
        let answer = match request.route.as_str() {
            "GET /v1/me" => account::me(app, &parent).await,
            "DELETE /v1/me" => account::delete(app, &parent).await,
            "PUT /v1/me/privacy-notice" => account::accept_notice(app, &parent, &request).await,
            "GET /v1/me/sessions" => account::sessions(app, &parent).await,
            "DELETE /v1/me/sessions" => account::revoke_all(app, &parent).await,
            "DELETE /v1/me/sessions/{session_id}" => account::revoke(app, &parent, &request).await,
            "GET /v1/me/children" => children::list(app, &parent).await,
            "GET /v1/me/children/{person_id}" => children::get(app, &parent, &request).await,
            "GET /v1/me/messages" => messages::list(app, &parent, &request).await,
            "GET /v1/me/messages/{message_id}" => messages::get(app, &parent, &request).await,
            "POST /v1/me/messages/{message_id}/acknowledgement" => {
                messages::acknowledge(app, &parent, &request).await
            }
            "GET /v1/me/preferences" => preferences::get(app, &parent).await,
            "PUT /v1/me/preferences" => preferences::put(app, &parent, &request).await,
            "POST /v1/me/devices" => devices::register(app, &parent, &request).await,
            "POST /v1/me/support" => support::create(app, &parent, &request).await,
            "POST /v1/me/corrections" => requests::correct(app, &parent, &request).await,
            "POST /v1/me/subject-requests" => requests::create(app, &parent, &request).await,
            "GET /v1/me/subject-requests" => requests::list(app, &parent).await,
            "DELETE /v1/sessions/current" => account::sign_out(app, &parent).await,
            _ => Err(Problem::not_found().into()),
        };
        let schools = parent.account.contacts().into_iter().map(|(school, _)| school);
        Ok(Told::to_parent(parent.account.account_id, schools, answer))
    })
    .await
}
