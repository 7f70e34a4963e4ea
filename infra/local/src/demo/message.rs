//! A message to Years 3 and 4.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    DEADLINE, client,
    school::School,
    sms,
    story::Demo,
    text::{number, say},
};
use crate::{
    error::{Error, Result},
    progress::Step,
    sample::{Audience, Channel, Expected, Reason},
    stack::eventually,
    tap::{Call, Channel as Carrier, Sent},
};

/// Who sends what to whom again must bring the same key.
const KEY: &str = "farm-visit-years-3-and-4";
/// The functions that a message passes through.
const FUNCTIONS: [&str; 3] = ["staff-api", "message-fanout", "message-send"];

/// A message that has been sent.
#[derive(Debug)]
pub struct SentMessage {
    /// Its id.
    pub message_id: String,
    /// Calls of AWS from the request to the last outcome.
    pub calls: Vec<Call>,
    /// What the carriers were given.
    pub given: Vec<Sent>,
    /// `counts` and `excluded` of the message.
    pub told: Value,
}

/// The figures of the audience.
pub fn audience(expected: &Expected) -> Result<&Audience> {
    let found = expected.audiences.get("years_3_and_4");
    found.ok_or_else(|| Error::Setup("The school's figures hold no audience years_3_and_4.".to_owned()))
}

/// Why somebody gets nothing, for the office.
pub fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::Restricted => "a court order keeps them from the child",
        Reason::NoResponsibility => "not responsible for the child",
        Reason::LandlineOnly => "only a landline is known",
        Reason::Invalid => "the number or address in the file cannot be used",
        Reason::NoContact => "no e-mail address and no phone is known",
        Reason::Duplicate => "reads the same phone or mailbox as somebody written to",
    }
}

/// How a channel is called in the API.
pub fn channel(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "email",
        Channel::Sms => "sms",
    }
}

fn draft(audience: &Audience) -> Value {
    json!({
        "purpose": audience.purpose,
        "channels": audience.channels,
        "subject": "Visit to Hill Farm on Friday",
        "body": "On Friday ((child)) will visit Hill Farm. Please send wellingtons and a packed lunch. ((school))",
        "audience": {"year_groups": audience.year_groups},
    })
}

/// Who would get it, who not and why.
pub async fn preview(demo: &mut Demo<'_>, school: &School) -> Result<()> {
    let expected = audience(&demo.file.expected)?;
    let path = school.path("/messages/preview");
    let step = Step::start("Working out who it reaches");
    let seen = school.sender.post(&path, &draft(expected)).await?.expect(200)?;
    step.done();
    demo.checks.equal(
        "recipients in the preview",
        &expected.recipients,
        &client::count(&seen["recipients"]),
    )?;
    for (by, recipients) in &expected.by_channel {
        let word = channel(*by);
        let previewed = client::count(&seen["by_channel"][word]);
        demo.checks.equal(&format!("recipients by {word} in the preview"), recipients, &previewed)?;
    }
    demo.checks.equal("left out in the preview", &wanted_reasons(expected), &reasons(&seen["excluded"]))?;
    say("  By e-mail, and as a text where there is no e-mail address. Nothing is sent yet.")?;
    say(&format!(
        "  {} recipients: {} by e-mail, {} by text, which costs about £{} for {} parts.",
        number(client::count(&seen["recipients"])),
        number(client::count(&seen["by_channel"]["email"])),
        number(client::count(&seen["by_channel"]["sms"])),
        seen["cost"]["amount"].as_str().unwrap_or("?"),
        number(client::count(&seen["sms_parts"])),
    ))?;
    demo.sms_parts = client::count(&seen["sms_parts"]);
    say(&format!("  {} people get nothing:", number(left_out(expected))))?;
    let seen = reasons(&seen["excluded"]);
    for excluded in &expected.excluded {
        let count = seen.get(&key(excluded.reason)).copied().unwrap_or_default();
        say(&format!("    {:>4}  {}", number(count), words(excluded.reason)))?;
    }
    Ok(())
}

/// How many people get nothing.
pub fn left_out(audience: &Audience) -> usize {
    audience.excluded.iter().map(|excluded| excluded.count).sum()
}

/// The reason as the API writes it.
pub fn key(reason: Reason) -> String {
    json!(reason).as_str().unwrap_or_default().to_owned()
}

/// `excluded` of an answer.
pub fn reasons(excluded: &Value) -> BTreeMap<String, usize> {
    let rows = excluded.as_array().into_iter().flatten();
    rows.map(|row| (row["reason"].as_str().unwrap_or_default().to_owned(), client::count(&row["count"])))
        .collect()
}

fn wanted_reasons(expected: &Audience) -> BTreeMap<String, usize> {
    expected.excluded.iter().map(|excluded| (key(excluded.reason), excluded.count)).collect()
}

/// Sends it and watches it arrive.
pub async fn send(demo: &mut Demo<'_>, school: &School) -> Result<SentMessage> {
    let expected = audience(&demo.file.expected)?;
    let before = demo.stack.mark().await?;
    let path = school.path("/messages");
    let step = Step::start("Sending the message");
    let accepted = school.sender.post_once(&path, &draft(expected), KEY).await?.expect(202)?;
    let message_id = client::text(&accepted, "message_id")?.to_owned();
    // Looked at from outside, by what the carriers get: every question to the API would add calls to the count.
    let given = eventually("every recipient's message is with the carrier", DEADLINE, async || {
        let given = demo.stack.outbox(before.outbox, "").await?;
        step.at(given.len(), expected.recipients);
        Ok((given.len() >= expected.recipients).then_some(given))
    })
    .await?;
    demo.queues_empty(&["Fanout", "SendUrgent", "SendRoutine"]).await?;
    let calls = demo.stack.calls(before.calls, "").await?;
    let calls: Vec<_> =
        calls.into_iter().filter(|call| FUNCTIONS.contains(&call.function.as_str())).collect();
    step.done();
    let told = school.sender.get(&school.path(&format!("/messages/{message_id}"))).await?.expect(200)?;
    let sent = SentMessage { message_id, calls, given, told };
    arrived(demo, &sent)?;
    person_by_person(demo, school, &sent).await?;
    Ok(sent)
}

/// What the carriers got is what the school asked for.
fn arrived(demo: &mut Demo<'_>, sent: &SentMessage) -> Result<()> {
    let expected = audience(&demo.file.expected)?;
    let story = &demo.file.expected.story;
    let SentMessage { given, told, .. } = sent;
    demo.checks.equal("status of the message", &"sent", &told["status"].as_str().unwrap_or_default())?;
    for (state, wanted) in [("recipients", expected.recipients), ("sent", expected.recipients)] {
        demo.checks.equal(
            &format!("recipients counted as {state}"),
            &wanted,
            &client::count(&told["counts"][state]),
        )?;
    }
    for state in ["queued", "delivered", "failed", "unknown", "stopped"] {
        demo.checks.equal(
            &format!("recipients counted as {state}"),
            &0,
            &client::count(&told["counts"][state]),
        )?;
    }
    demo.checks.equal("left out of the message", &wanted_reasons(expected), &reasons(&told["excluded"]))?;
    for (by, wanted) in &expected.by_channel {
        demo.checks.equal(&format!("{} sent", channel(*by)), wanted, &by_carrier(given, *by).count())?;
    }
    let mut places: Vec<_> = given.iter().map(|sent| sent.to.to_lowercase()).collect();
    places.sort_unstable();
    places.dedup();
    demo.checks.equal("different phones and mailboxes", &expected.recipients, &places.len())?;
    let father = &story.restricted_father;
    let to_father =
        given.iter().filter(|sent| sent.to == father.mobile || sent.to.eq_ignore_ascii_case(&father.email));
    demo.checks.equal("messages to a father under a court order", &0, &to_father.count())?;
    let texts = by_carrier(given, Channel::Sms);
    let parts: usize = texts.map(|sent| sms::parts(&sent.text)).sum();
    demo.checks.equal("parts of the texts", &demo.sms_parts, &parts)?;
    let mine: Vec<_> =
        given.iter().filter(|sent| sent.to.eq_ignore_ascii_case(&story.mother.email)).collect();
    demo.checks.equal("messages to the mother of two", &1, &mine.len())?;
    for sent in mine {
        say(&format!(
            "  {} gets one e-mail about both children, \"{}\":",
            story.mother.given_name, sent.subject
        ))?;
        say(&format!("    {}", sent.text.lines().next().unwrap_or_default()))?;
    }
    if let Some(text) = by_carrier(given, Channel::Sms).next() {
        say("  Somebody without an e-mail address gets a text:")?;
        say(&format!("    {}", text.text.replace('\n', " ")))?;
    }
    Ok(())
}

/// What the carrier of one channel got.
pub fn by_carrier(given: &[Sent], channel: Channel) -> impl Iterator<Item = &Sent> {
    let carrier = match channel {
        Channel::Email => Carrier::Email,
        Channel::Sms => Carrier::Sms,
    };
    given.iter().filter(move |sent| sent.channel == carrier)
}

/// The list that a sender looks through: everybody once, with what became of them.
async fn person_by_person(demo: &mut Demo<'_>, school: &School, sent: &SentMessage) -> Result<()> {
    let story = &demo.file.expected.story;
    let mut people: BTreeMap<String, Value> = BTreeMap::new();
    let expected = audience(&demo.file.expected)?;
    let everybody = expected.recipients + left_out(expected);
    let step = Step::start("Looking through the message's list");
    let mut rows = 0;
    let mut cursor = String::new();
    loop {
        let path = format!("/messages/{}/recipients?limit=100{cursor}", sent.message_id);
        let page = school.sender.get(&school.path(&path)).await?.expect(200)?;
        for row in page["items"].as_array().into_iter().flatten() {
            rows += 1;
            people.insert(client::text(row, "person_id")?.to_owned(), row.clone());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
        step.at(rows, everybody);
    }
    demo.checks.equal("people on the message's list", &everybody, &rows)?;
    demo.checks.equal("different people on the message's list", &rows, &people.len())?;
    for (who, source_id, status, reason) in [
        ("the mother", &story.mother.source_id, "sent", Value::Null),
        ("the father", &story.father.source_id, "sent", Value::Null),
        (
            "the father under a court order",
            &story.restricted_father.source_id,
            "excluded",
            json!("restricted"),
        ),
    ] {
        let row = people.get(&school.find("contact", source_id).await?).cloned().unwrap_or_default();
        demo.checks.equal(
            &format!("what became of {who}"),
            &(&json!(status), &reason),
            &(&row["status"], &row["reason"]),
        )?;
    }
    step.done();
    say("  The message's list tells of each person whether it was sent, and if not, why.")
}

/// The same request once more.
pub async fn send_again(demo: &mut Demo<'_>, school: &School, sent: &SentMessage) -> Result<()> {
    let before = demo.stack.mark().await?;
    let body = draft(audience(&demo.file.expected)?);
    let accepted = school.sender.post_once(&school.path("/messages"), &body, KEY).await?.expect(202)?;
    demo.checks.equal(
        "the message answered with",
        &sent.message_id.as_str(),
        &client::text(&accepted, "message_id")?,
    )?;
    demo.queues_empty(&["Fanout", "SendUrgent", "SendRoutine"]).await?;
    let after = demo.stack.mark().await?;
    demo.checks.equal("messages sent by the second request", &0, &(after.outbox - before.outbox))?;
    say(
        "  It bears the same Idempotency-Key, so the answer is the first message's, and nobody gets anything twice.",
    )
}
