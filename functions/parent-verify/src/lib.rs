//! Who a parent is: taking a claim or the wish to sign in again, and turning a code into a session.

mod ask;
mod enter;

use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use shared::{
    app::Cloud,
    config::{self, ConfigError},
    http::{Problem, Request, request},
    queue::Queues,
    seal::Keyring,
    store::{key::TableName, table::Tables},
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
        let tables = cloud.tables(&[TableName::Directory, TableName::Access, TableName::Keys])?;
        Ok(Self {
            keyring: cloud.keyring(&tables)?,
            tables,
            queues: cloud.queues(),
            send_queue: config::required("SEND_URGENT_QUEUE_URL")?,
            privacy_notice: config::required("PRIVACY_NOTICE")?,
        })
    }
}

/// Answers one request.
pub async fn handle(app: &App, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
    let request = Request::new(event);
    request::answer(&request.request_id, async {
        match request.route.as_str() {
            "POST /v1/verifications" => ask::claim(app, &request).await,
            "POST /v1/sessions" => ask::sign_in(app, &request).await,
            "POST /v1/verifications/{verification_id}/code" => enter::enter(app, &request).await,
            _ => Err(Problem::not_found().into()),
        }
    })
    .await
}
