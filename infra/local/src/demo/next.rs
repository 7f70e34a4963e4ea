//! What to try next.

use super::text::say;
use crate::error::Result;

/// Where the story has left things.
#[derive(Debug)]
pub struct Places {
    /// Base URL of the HTTP API.
    pub api_url: String,
    /// The school.
    pub school_id: String,
    /// Its first upload.
    pub upload_id: String,
    /// The message.
    pub message_id: String,
    /// The mother's session.
    pub session: String,
}

/// With the stack still up, lines that work as they stand; without, how to get there.
pub fn print(places: &Places, stays_up: bool) -> Result<()> {
    if !stays_up {
        return say("\nWhat to try next:\n  \
             cargo local demo --keep     the same, but everything stays up, and lines for curl are printed\n  \
             cargo local up              an empty stack of your own; cargo local down stops it\n  \
             cargo local sample --pupils 300 --seed 7     another school's file\n  \
             cargo local test            everything that is checked before a change is accepted");
    }
    let Places { api_url, school_id, upload_id, message_id, session } = places;
    let school = format!("{api_url}/v1/schools/{school_id}");
    say("\nThe stack stays up until `cargo local down`. What to try next:")?;
    for (what, line) in [
        ("every e-mail and text that was sent", "cargo local outbox".to_owned()),
        ("every call of AWS, summed", "cargo local calls".to_owned()),
        (
            "what a function has logged: no name, number or address",
            "cargo local logs message-send".to_owned(),
        ),
        ("a sender's token", format!("TOKEN=$(cargo local token sender,office --school {school_id})")),
        ("the message", format!("curl -H \"Authorization: Bearer $TOKEN\" '{school}/messages/{message_id}'")),
        (
            "what became of each person",
            format!("curl -H \"Authorization: Bearer $TOKEN\" '{school}/messages/{message_id}/recipients'"),
        ),
        ("the upload", format!("curl -H \"Authorization: Bearer $TOKEN\" '{school}/uploads/{upload_id}'")),
        (
            "the mother's children",
            format!("curl -H 'Authorization: Bearer {session}' '{api_url}/v1/me/children'"),
        ),
    ] {
        say(&format!("  # {what}\n  {line}"))?;
    }
    Ok(())
}
