//! Wiring of upload-ingest.

// The layouts of the SDK's nested futures need more than the default of 128.
#![recursion_limit = "256"]

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use upload_ingest::{App, handle};

#[tokio::main]
async fn main() -> Result<(), Error> {
    shared::log::start();
    let app = Arc::new(App::from_env().await?);
    run(service_fn(|event: LambdaEvent<_>| {
        let ends_at = event.context.deadline();
        let app = &app;
        async move { Ok::<_, Error>(handle(app, event.payload, ends_at).await) }
    }))
    .await
}
