//! Messages: what a sender asks for, who it reaches, how it is rendered, and what became of it.

pub mod audience;
pub mod chosen;
pub mod chunk;
pub mod inbox;
pub mod outcome;
pub mod post;
pub mod render;
pub mod selection;
pub mod sms;
pub mod store;
pub mod template;

use serde::{Deserialize, Serialize};

use crate::{channel::Channel, http::FieldError};

/// What a message is for. Only marketing needs consent (PECR), and without it nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Danger or closure: everybody who is not kept away by a restriction.
    Emergency,
    /// The school's everyday business.
    Service,
    /// A pupil's absence.
    Attendance,
    /// A question that needs a responsible adult's consent.
    Consent,
    /// Fund-raising, paid clubs, third parties.
    Marketing,
}

impl Purpose {
    /// Every purpose, the weightiest first.
    pub const ALL: [Self; 5] =
        [Self::Emergency, Self::Service, Self::Attendance, Self::Consent, Self::Marketing];

    /// Whether the message goes ahead of the others.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::Emergency | Self::Attendance)
    }
}

/// A message as a sender asks for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// What it is for.
    pub purpose: Purpose,
    /// The channels it may use, in order of preference: each person is reached by the first that they can be reached by. The
    /// app comes last wherever it stands: whether somebody looks there is not known.
    pub channels: Vec<Channel>,
    /// Subject of the e-mail, where it is needed, and in the inbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The text, with `((placeholders))`.
    pub body: String,
    /// Who it is for.
    pub audience: audience::Audience,
}

/// The longest body, in bytes: some 40 pages.
const MAX_BODY: usize = 100_000;
/// The longest subject, in characters (RFC 5322 asks for lines below 998 bytes; readers show some 70).
const MAX_SUBJECT: usize = 200;

impl Draft {
    /// What is wrong with the draft in itself, before anybody's data is read.
    pub fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut fault =
            |pointer: &str, code, detail: &str| faults.push(FieldError::new(pointer, code, detail));
        if self.channels.is_empty() {
            fault("/channels", "required", "name at least one channel: email, sms or app");
        }
        if self.channels.iter().enumerate().any(|(index, channel)| self.channels[..index].contains(channel)) {
            fault("/channels", "repeated", "name each channel once");
        }
        if self.purpose == Purpose::Marketing && self.channels.contains(&Channel::App) {
            fault(
                "/channels",
                "not_for_marketing",
                "marketing goes by e-mail and text, where somebody consented",
            );
        }
        if self.body.trim().is_empty() {
            fault("/body", "required", "write a text");
        }
        if self.body.len() > MAX_BODY {
            fault("/body", "too_long", "write at most 100,000 bytes");
        }
        if self.body.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            fault("/body", "invalid", "leave out control characters other than tabs and line ends");
        }
        let subject = self.subject.as_deref().unwrap_or_default().trim();
        if self.channels.contains(&Channel::Email) && subject.is_empty() {
            fault("/subject", "required", "an e-mail needs a subject");
        }
        if subject.chars().count() > MAX_SUBJECT || subject.chars().any(char::is_control) {
            fault("/subject", "invalid", "write one line of at most 200 characters");
        }
        for (pointer, text) in [("/subject", subject), ("/body", self.body.as_str())] {
            for unknown in template::unknown_placeholders(text) {
                fault(
                    pointer,
                    "unknown_placeholder",
                    &format!(
                        "placeholder {} of this text is not known; use ((child)), ((name)) or ((school))",
                        unknown + 1
                    ),
                );
            }
        }
        faults
    }

    /// The texts whose placeholders are not known, for a preview.
    pub fn missing_placeholders(&self) -> Vec<String> {
        let mut names = template::unknown_names(self.subject.as_deref().unwrap_or_default());
        names.extend(template::unknown_names(&self.body));
        names.sort();
        names.dedup();
        names
    }
}
