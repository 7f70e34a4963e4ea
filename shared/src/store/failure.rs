//! What may be said of a call that failed: the service's code and sentence, never the raw answer, which can repeat what was sent.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// One line for the log.
pub fn describe<E: ProvideErrorMetadata>(error: &SdkError<E>) -> String {
    match error {
        SdkError::ServiceError(service) => format!(
            "{}: {}",
            service.err().code().unwrap_or("unknown error"),
            service.err().message().unwrap_or_default()
        ),
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => {
            let connector = failure.as_connector_error().map(|error| chain(error)).unwrap_or_default();
            format!("no connection: {connector}")
        }
        SdkError::ResponseError(_) => "an answer that cannot be read".to_owned(),
        SdkError::ConstructionFailure(_) => "a request that cannot be made".to_owned(),
        _ => "unknown failure".to_owned(),
    }
}

/// An error and what lies behind it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
