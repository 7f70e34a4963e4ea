//! The ways to reach a person, and what a carrier's answer means.

pub mod email;
pub mod sms;

use serde::{Deserialize, Serialize};

/// A channel. A message names the ones it may use, in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// E-mail through SES.
    Email,
    /// Text message through SNS.
    Sms,
    /// The inbox of a parent's account. No carrier brings it there: see [`crate::message::post`].
    App,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Email, Self::Sms, Self::App];

    /// The word used in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::App => "app",
        }
    }
}

/// What a carrier's refusal says to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not accepted, and certainly not sent (throttled): try again.
    #[error("the carrier asks to wait")]
    Later,
    /// This contact point cannot be reached: do not try it again.
    #[error("the carrier refuses this contact point")]
    BadContact,
    /// The carrier refuses us altogether (sending paused, no permission): nothing will get through until somebody acts.
    #[error("the carrier refuses to send for us")]
    Refused,
    /// No clear answer: it may have been sent. Never sent again by itself.
    #[error("the carrier gave no clear answer")]
    InDoubt,
}
