//! The table at the end.

use super::{
    client,
    message::{self, SentMessage},
    story::Demo,
    text::{number, say, table},
};
use crate::{error::Result, sample::Channel, tap::Call};

/// What the message came to, beside what was computed from the file.
pub fn print(demo: &mut Demo<'_>, sent: &SentMessage) -> Result<()> {
    let expected = message::audience(&demo.file.expected)?;
    let row =
        |what: &str, computed: usize, seen: usize| vec![what.to_owned(), number(computed), number(seen)];
    let heading = ["The message to Years 3 and 4", "computed", "seen"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.push(row("Recipients", expected.recipients, client::count(&sent.told["counts"]["recipients"])));
    for (channel, label) in [(Channel::Email, "  sent by e-mail"), (Channel::Sms, "  sent by text")] {
        let computed = expected.by_channel.get(&channel).copied().unwrap_or_default();
        rows.push(row(label, computed, message::by_carrier(&sent.given, channel).count()));
    }
    rows.push(row("Left out", message::left_out(expected), client::count(&sent.told["counts"]["excluded"])));
    let seen = message::reasons(&sent.told["excluded"]);
    for excluded in &expected.excluded {
        let count = seen.get(&message::key(excluded.reason)).copied().unwrap_or_default();
        rows.push(row(&format!("  {}", message::words(excluded.reason)), excluded.count, count));
    }
    say(&format!("\n{}", table(&rows)))?;
    say(&table(&calls(sent)))
}

/// Calls of AWS from the request to the last outcome, whoever made them. What AWS does by itself, such as handing a
/// queue's messages to a function, is no call of ours and not in the log.
fn calls(sent: &SentMessage) -> Vec<Vec<String>> {
    let recipients = sent.given.len();
    let per_recipient = |calls: usize| {
        // Both are far below 2^52, where the division is exact enough for three places.
        #[expect(clippy::cast_precision_loss, reason = "counts of calls")]
        let ratio = calls as f64 / recipients.max(1) as f64;
        format!("{ratio:.3}")
    };
    let row = |what: &str, calls: usize| vec![what.to_owned(), number(calls), per_recipient(calls)];
    let of = |wanted: &dyn Fn(&Call) -> bool| sent.calls.iter().filter(|call| wanted(call)).count();
    let texts = of(&|call| call.service == "sns");
    let mut rows = vec![["Calls of AWS", "calls", "per recipient"].map(str::to_owned).to_vec()];
    for (service, label) in [
        ("dynamodb", "  tables"),
        ("sqs", "  queues"),
        ("kms", "  keys"),
        ("ses", "  e-mail, 50 recipients at a time"),
        ("sns", "  texts, one at a time"),
    ] {
        rows.push(row(label, of(&|call| call.service == service)));
    }
    rows.push(row("All", sent.calls.len()));
    rows.push(row("All but the texts themselves", sent.calls.len() - texts));
    rows
}
