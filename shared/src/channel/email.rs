//! E-mail through SES. The carrier gets addresses, the rendered subject and text, and our ids as tags: nothing else.

use aws_sdk_sesv2::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{
        Body, BulkEmailContent, BulkEmailEntry, BulkEmailStatus, Content, Destination, EmailContent,
        EmailTemplateContent, Message, MessageTag, ReplacementEmailContent, ReplacementTemplate, Template,
    },
};
use serde_json::json;

use super::SendError;
use crate::person::email::EmailAddress;

/// One rendered e-mail to one address.
#[derive(Clone, Debug)]
pub struct Email {
    /// Where it goes.
    pub to: EmailAddress,
    /// Subject line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same as HTML, escaped.
    pub html: String,
}

/// Who a bulk of e-mails comes from.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Display name: the school's.
    pub name: String,
    /// The part before the `@` of the account's sending domain.
    pub local_part: String,
    /// Where answers go.
    pub reply_to: Option<EmailAddress>,
}

impl Sender {
    /// `"Oakfield Primary" <oakfield-primary@domain>` (RFC 5322: quotes and backslashes in the name escaped, line breaks gone;
    /// a name outside ASCII as an RFC 2047 encoded word).
    pub fn address(&self, domain: &str) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let name: String = self.name.chars().filter(|c| !c.is_control()).collect();
        if name.is_ascii() {
            let name = name.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{name}\" <{}@{domain}>", self.local_part)
        } else {
            // An encoded word may be at most 75 characters long; 12 of them are not payload, and base64 makes 4 of 3.
            let mut short = name.as_str();
            while short.len() > 45 {
                short = &short[..short.char_indices().next_back().map_or(0, |(at, _)| at)];
            }
            format!("=?UTF-8?B?{}?= <{}@{domain}>", STANDARD.encode(short), self.local_part)
        }
    }
}

/// The local part of a school's sending address: letters and digits of the name, hyphens between words, at most 40.
pub fn local_part(school_name: &str) -> String {
    let words = school_name.split_whitespace().map(crate::person::name::fold).filter(|word| !word.is_empty());
    let text: String = words
        .collect::<Vec<_>>()
        .join("-")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(40)
        .collect();
    if text.trim_matches('-').is_empty() { "school".to_owned() } else { text.trim_matches('-').to_owned() }
}

/// The e-mail carrier.
#[derive(Clone, Debug)]
pub struct Mailer {
    client: Client,
    domain: String,
    configuration_set: String,
}

/// Destinations in one `SendBulkEmail` call (an SES quota).
pub const BULK: usize = 50;

impl Mailer {
    /// Sends from `domain` under a configuration set.
    pub fn new(client: Client, domain: String, configuration_set: String) -> Self {
        Self { client, domain, configuration_set }
    }

    /// Sends up to [`BULK`] e-mails in one call; the outer error concerns all of them, the inner ones one each, and a
    /// success is the carrier's id. The SDK is told not to retry: a repeat after a lost answer would be a second e-mail.
    pub async fn send_bulk(
        &self,
        sender: &Sender,
        tags: &[(&str, String)],
        emails: &[Email],
    ) -> Result<Vec<Result<String, SendError>>, SendError> {
        let tag = |name: &str, value: &str| {
            MessageTag::builder().name(name).value(value).build().map_err(|_| SendError::Refused)
        };
        let default_tags =
            tags.iter().map(|(name, value)| tag(name, value)).collect::<Result<Vec<_>, _>>()?;
        // The template carries the rendered parts and nothing else: rendering and escaping are ours (SES itself escapes nothing).
        let template = Template::builder()
            .template_content(
                EmailTemplateContent::builder()
                    .subject("{{subject}}")
                    .text("{{text}}")
                    .html("{{html}}")
                    .build(),
            )
            .template_data(json!({"subject": "", "text": "", "html": ""}).to_string())
            .build();
        let entries = emails.iter().enumerate().map(|(index, email)| {
            let data = json!({"subject": email.subject, "text": email.text, "html": email.html}).to_string();
            let replacement = ReplacementTemplate::builder().replacement_template_data(data).build();
            Ok(BulkEmailEntry::builder()
                .destination(Destination::builder().to_addresses(email.to.expose()).build())
                .replacement_email_content(
                    ReplacementEmailContent::builder().replacement_template(replacement).build(),
                )
                .replacement_tags(tag("recipient", &index.to_string())?)
                .build())
        });
        let answer = self
            .client
            .send_bulk_email()
            .from_email_address(sender.address(&self.domain))
            .set_reply_to_addresses(sender.reply_to.as_ref().map(|reply| vec![reply.expose().to_owned()]))
            .configuration_set_name(&self.configuration_set)
            .set_default_email_tags(Some(default_tags))
            .default_content(BulkEmailContent::builder().template(template).build())
            .set_bulk_email_entries(Some(entries.collect::<Result<Vec<_>, SendError>>()?))
            .customize()
            .config_override(
                aws_sdk_sesv2::config::Config::builder()
                    .retry_config(aws_sdk_sesv2::config::retry::RetryConfig::disabled()),
            )
            .send()
            .await
            .map_err(|error| classify(&error))?;
        let mut results: Vec<_> = answer
            .bulk_email_entry_results
            .into_iter()
            .map(|result| match (result.status, result.message_id) {
                (Some(BulkEmailStatus::Success), Some(id)) => Ok(id),
                (
                    Some(
                        BulkEmailStatus::AccountThrottled
                        | BulkEmailStatus::AccountDailyQuotaExceeded
                        | BulkEmailStatus::TransientFailure,
                    ),
                    _,
                ) => Err(SendError::Later),
                (Some(BulkEmailStatus::MessageRejected | BulkEmailStatus::InvalidParameter), _) => {
                    Err(SendError::BadContact)
                }
                (Some(BulkEmailStatus::Success | BulkEmailStatus::Failed) | None, _) => {
                    Err(SendError::InDoubt)
                }
                (Some(_), _) => Err(SendError::Refused),
            })
            .collect();
        // Fewer answers than questions: nothing is known of the rest.
        results.resize(emails.len(), Err(SendError::InDoubt));
        Ok(results)
    }

    /// Sends one e-mail at once; the carrier's id.
    pub async fn send_one(&self, sender: &Sender, email: &Email) -> Result<String, SendError> {
        let content = |data: &str| {
            Content::builder().charset("UTF-8").data(data).build().map_err(|_| SendError::Refused)
        };
        let body = Body::builder().text(content(&email.text)?).html(content(&email.html)?).build();
        let message = Message::builder().subject(content(&email.subject)?).body(body).build();
        let answer = self
            .client
            .send_email()
            .from_email_address(sender.address(&self.domain))
            .set_reply_to_addresses(sender.reply_to.as_ref().map(|reply| vec![reply.expose().to_owned()]))
            .configuration_set_name(&self.configuration_set)
            .destination(Destination::builder().to_addresses(email.to.expose()).build())
            .content(EmailContent::builder().simple(message).build())
            .customize()
            .config_override(
                aws_sdk_sesv2::config::Config::builder()
                    .retry_config(aws_sdk_sesv2::config::retry::RetryConfig::disabled()),
            )
            .send()
            .await
            .map_err(|error| classify(&error))?;
        answer.message_id.ok_or(SendError::InDoubt)
    }
}

/// An answer in which SES says that it did not accept is certain; anything else (no answer, a server error after the
/// request went out) is in doubt.
fn classify<E: ProvideErrorMetadata>(error: &SdkError<E>) -> SendError {
    match error {
        SdkError::ConstructionFailure(_) => SendError::Refused,
        SdkError::DispatchFailure(failure) if failure.is_user() => SendError::Refused,
        SdkError::ServiceError(service) => match service.err().code().unwrap_or_default() {
            "TooManyRequestsException" | "LimitExceededException" | "ThrottlingException" => SendError::Later,
            "MessageRejected" | "BadRequestException" => SendError::BadContact,
            "AccountSuspendedException"
            | "SendingPausedException"
            | "MailFromDomainNotVerifiedException"
            | "NotFoundException"
            | "AccessDeniedException" => SendError::Refused,
            _ if service.raw().status().as_u16() < 500 => SendError::Refused,
            _ => SendError::InDoubt,
        },
        _ => SendError::InDoubt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_addresses_cannot_be_broken_out_of() {
        let sender = |name: &str| {
            Sender { name: name.into(), local_part: local_part(name), reply_to: None }.address("example.org")
        };
        assert_eq!(sender("Oakfield Primary"), "\"Oakfield Primary\" <oakfield-primary@example.org>");
        assert_eq!(sender("St \"X\"\r\nBcc: a@b"), "\"St \\\"X\\\"Bcc: a@b\" <st-x-bcc-ab@example.org>");
        assert_eq!(sender("Ysgol Tŷ Gwyn"), "=?UTF-8?B?WXNnb2wgVMW3IEd3eW4=?= <ysgol-ty-gwyn@example.org>");
        assert_eq!(sender("!!!"), "\"!!!\" <school@example.org>");
    }
}
