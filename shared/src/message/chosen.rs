//! What people have chosen decides whether and by which way a message reaches them. Pure.

use super::{
    Purpose,
    audience::{Reason, Recipient},
};
use crate::{channel::Channel, id::PersonId, privacy::consent::Register};

/// Whether those who are written to at one contact point have chosen that such a message may come there. An objection to
/// marketing is the contact point's: whoever reads it may have made it.
///
/// # Errors
/// The reason why not.
pub fn chosen(
    register: &Register,
    written_to: &[PersonId],
    readers: impl IntoIterator<Item = PersonId>,
    purpose: Purpose,
    channel: Channel,
) -> Result<(), Reason> {
    let any = |choice| written_to.iter().any(|person| register.choice(*person, purpose, channel) == choice);
    match purpose {
        Purpose::Emergency => Ok(()),
        Purpose::Service | Purpose::Attendance | Purpose::Consent => {
            if any(None) || any(Some(true)) {
                Ok(())
            } else {
                Err(Reason::OptedOut)
            }
        }
        Purpose::Marketing => {
            let objects = |person: &PersonId| register.objects(*person, channel);
            if written_to.iter().any(objects) || readers.into_iter().any(|person| objects(&person)) {
                Err(Reason::OptedOut)
            } else if any(Some(true)) {
                Ok(())
            } else {
                Err(Reason::NoConsent)
            }
        }
    }
}

/// What of a roster is still wanted after somebody has chosen anew: the recipient with the pupils that may still be written
/// about, or nothing.
pub fn still_chosen(
    register: &Register,
    recipient: Recipient,
    purpose: Purpose,
    channel: Channel,
) -> Option<Recipient> {
    if purpose == Purpose::Attendance {
        return Some(recipient);
    }
    let written_to: Vec<_> =
        std::iter::once(recipient.person).chain(recipient.also.iter().copied()).collect();
    chosen(register, &written_to, recipient.readers(), purpose, channel).ok()?;
    if purpose != Purpose::Marketing || recipient.pupils.is_empty() {
        return Some(recipient);
    }
    let pupils = recipient.pupils.iter().copied().filter(|pupil| !register.objects_at_all(*pupil));
    let pupils: Vec<_> = pupils.collect();
    (!pupils.is_empty()).then_some(Recipient { pupils, ..recipient })
}

#[cfg(test)]
#[path = "chosen_tests.rs"]
mod tests;
