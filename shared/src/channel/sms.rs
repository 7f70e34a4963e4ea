//! Text messages through SNS. The carrier gets the number, the text and the sender's name: nothing else.

use aws_sdk_sns::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::MessageAttributeValue,
};

use super::SendError;
use crate::person::phone::PhoneNumber;

/// The text carrier.
#[derive(Clone, Debug)]
pub struct Texter {
    client: Client,
}

impl Texter {
    /// Over an SNS client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Sends one text as `sender_id`; the carrier's id. SNS takes no tag or token, so a lost answer stays in doubt, and the
    /// SDK is told not to retry.
    pub async fn send(&self, to: &PhoneNumber, sender_id: &str, text: &str) -> Result<String, SendError> {
        let attribute = |value: &str| {
            MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .map_err(|_| SendError::Refused)
        };
        let answer = self
            .client
            .publish()
            .phone_number(to.expose())
            .message(text)
            .message_attributes("AWS.SNS.SMS.SenderID", attribute(sender_id)?)
            .message_attributes("AWS.SNS.SMS.SMSType", attribute("Transactional")?)
            .customize()
            .config_override(
                aws_sdk_sns::config::Config::builder()
                    .retry_config(aws_sdk_sns::config::retry::RetryConfig::disabled()),
            )
            .send()
            .await
            .map_err(|error| classify(&error))?;
        answer.message_id.ok_or(SendError::InDoubt)
    }
}

fn classify<E: ProvideErrorMetadata>(error: &SdkError<E>) -> SendError {
    match error {
        SdkError::ConstructionFailure(_) => SendError::Refused,
        SdkError::DispatchFailure(failure) if failure.is_user() => SendError::Refused,
        SdkError::ServiceError(service) => match service.err().code().unwrap_or_default() {
            "Throttled" | "ThrottledException" | "ThrottlingException" | "Throttling" => SendError::Later,
            "InvalidParameter" | "InvalidParameterValue" | "OptedOut" | "EndpointDisabled" => {
                SendError::BadContact
            }
            _ if service.raw().status().as_u16() < 500 => SendError::Refused,
            _ => SendError::InDoubt,
        },
        _ => SendError::InDoubt,
    }
}

/// Whether `text` can be an alphanumeric sender as SNS takes it: 3 to 11 letters and digits, at least one letter, no spaces.
pub fn is_sender_id(text: &str) -> bool {
    (3..=11).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
        && text.bytes().any(|b| b.is_ascii_alphabetic())
}
