//! AWS calls per recipient, from the request to the written outcomes.

use serde_json::{Value, json};

use super::{
    figure::{Figure, ratio},
    school::{School, unlike},
    traffic::{Traffic, empty},
};
use crate::{
    demo::client::{count, text},
    error::Result,
    progress::Step,
    stack::Stack,
};

const SECTION: &str = "AWS calls per recipient, from the request to written outcomes";
const DERIVED: &str =
    "AWS calls per recipient by the event source itself (derived: one receive and one delete per batch)";
/// Recipients of one chunk.
const CHUNK: usize = 50;
/// The bound for a large message is meant for one of at least this many recipients.
const LARGE: usize = 500;
/// The same for texts.
const TEXTS: usize = 100;

/// A message that has been sent.
struct SentMessage {
    id: String,
    recipients: usize,
    traffic: Traffic,
}

/// Sends the three messages.
pub async fn measure(stack: &Stack, school: &School) -> Result<Vec<Figure>> {
    let step = Step::start("Sending three messages");
    step.note("by e-mail to everybody");
    let large = send(stack, school, "email", json!({}), LARGE..=usize::MAX).await?;
    step.note("by e-mail to one chunk");
    let some = some_recipients(school, &large.id).await?;
    let chunk = send(stack, school, "email", json!({"people": some}), CHUNK..=CHUNK).await?;
    step.note("by SMS to two years");
    let texts = send(stack, school, "sms", json!({"year_groups": ["3", "4"]}), TEXTS..=usize::MAX).await?;
    step.done();
    let large_what = "e-mail to everybody";
    let mut figures = vec![
        per_recipient(large_what, &large, (0.07, "<= 0.07")),
        per_recipient("e-mail to everybody, the bound after that", &large, (0.035, "then <= 0.035")),
        per_recipient("e-mail, a single chunk", &chunk, (0.10, "<= 0.10")),
        per_recipient("SMS", &texts, (1.07, "<= 1.07")),
    ];
    figures.extend([(large_what, &large), ("e-mail, a single chunk", &chunk), ("SMS", &texts)].map(polling));
    Ok(figures)
}

fn per_recipient(what: &str, message: &SentMessage, bound: (f64, &str)) -> Figure {
    let (calls, recipients) = (message.traffic.count(), message.recipients as u64);
    let value = ratio(calls, recipients);
    let measured = format!("{value:.4} = {calls} calls, {recipients} recipients");
    Figure::at_most(SECTION, what, value, measured, bound).of(message.traffic.by_action())
}

/// What the event source does for a message: a batch for the fan-out and, since batches need not be full, up to one for
/// every chunk. These calls are AWS's own and pass no tap.
fn polling((what, message): (&str, &SentMessage)) -> Figure {
    let chunks = message.recipients.div_ceil(CHUNK) as u64;
    let calls = polling_calls(chunks);
    let value = ratio(calls, message.recipients as u64);
    let measured = format!("at most {value:.4} = {calls} calls, chunks: {chunks}");
    Figure::stated(DERIVED, what, value, measured)
}

/// A receive and a delete for the fan-out and for each chunk in a batch of its own.
fn polling_calls(chunks: u64) -> u64 {
    2 * (1 + chunks)
}

async fn send(
    stack: &Stack,
    school: &School,
    channel: &str,
    audience: Value,
    recipients: std::ops::RangeInclusive<usize>,
) -> Result<SentMessage> {
    let path = school.path("/messages");
    let mut body = json!({
        "purpose": "service", "channels": [channel], "body": "School is closed on Friday.", "audience": audience,
    });
    if channel == "email" {
        body["subject"] = json!("Closed on Friday");
    }
    let key = format!("bench-{channel}-{}-{}", recipients.start(), school.id);
    let (id, traffic) = Traffic::of(
        stack,
        "a message is sent to all of its recipients",
        async || {
            let taken = school.sender.post_once(&path, &body, &key).await?.expect(202)?;
            Ok(text(&taken, "message_id")?.to_owned())
        },
        async |id| {
            let message = school.sender.get(&format!("{path}/{id}")).await?.expect(200)?;
            Ok(message["status"] == "sent"
                && empty(stack, &["FanoutQueueUrl", "SendRoutineQueueUrl"]).await?)
        },
    )
    .await?;
    let message = school.sender.get(&format!("{path}/{id}")).await?.expect(200)?;
    let seen = count(&message["counts"]["recipients"]);
    if !recipients.contains(&seen) {
        return Err(unlike("recipients", format_args!("at least {}", recipients.start()), seen));
    }
    let sent = count(&message["counts"]["sent"]);
    if sent != seen {
        return Err(unlike("recipients sent to", seen, sent));
    }
    Ok(SentMessage { id, recipients: seen, traffic })
}

/// As many people as fill one chunk, of those whom an earlier message was sent to.
async fn some_recipients(school: &School, message: &str) -> Result<Vec<Value>> {
    let path = school.path(&format!("/messages/{message}/recipients?limit=100"));
    let page = school.sender.get(&path).await?.expect(200)?;
    let items = page["items"].as_array().into_iter().flatten();
    Ok(items
        .filter(|item| item["status"] == "sent")
        .take(CHUNK)
        .map(|item| item["person_id"].clone())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polling_is_two_calls_a_batch() {
        assert_eq!(polling_calls(1), 4);
        assert_eq!(polling_calls(26), 54);
    }
}
