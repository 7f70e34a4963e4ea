//! Printing what the stack has seen.

use std::{collections::BTreeMap, fmt::Write};

use crate::{
    error::Result,
    stack::Stack,
    tap::{Call, Channel},
};

/// Exports for `aws` and `cargo lambda`: the endpoint, the root key and the functions' own variables.
pub fn env(stack: &Stack) -> String {
    let file = stack.file();
    let mut all: BTreeMap<&str, &str> = file
        .functions
        .iter()
        .flat_map(|f| &f.environment)
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    // By way of the tap, so that what is sent shows in the outbox.
    all.insert("AWS_ENDPOINT_URL", &file.tap_url);
    all.insert("AWS_REGION", &file.region);
    all.insert("AWS_DEFAULT_REGION", &file.region);
    all.insert("AWS_ACCESS_KEY_ID", crate::cloud::ROOT_KEY);
    all.insert("AWS_SECRET_ACCESS_KEY", crate::cloud::ROOT_SECRET);
    all.insert("API_URL", &file.api_url);
    all.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "export {name}='{}'", value.replace('\'', r"'\''"));
        text
    })
}

/// The call log summed by function, service and action.
pub async fn calls(stack: &Stack) -> Result<String> {
    Ok(table(&stack.calls(0, "").await?))
}

fn table(calls: &[Call]) -> String {
    let mut sums: BTreeMap<(&str, &str, &str), Sum> = BTreeMap::new();
    for call in calls {
        let sum = sums.entry((&call.function, &call.service, &call.action)).or_default();
        sum.calls += 1;
        sum.failed += usize::from(!(200..400).contains(&call.status));
        sum.items += call.items.unwrap_or(1);
        sum.bytes += call.request_bytes + call.response_bytes;
        sum.capacity += call.capacity.unwrap_or(0.0);
    }
    let mut text = format!(
        "{:<18} {:<10} {:<24} {:>7} {:>7} {:>7} {:>11} {:>9}\n",
        "function", "service", "action", "calls", "failed", "items", "bytes", "capacity"
    );
    for ((function, service, action), sum) in sums {
        let Sum { calls, failed, items, bytes, capacity } = sum;
        let _ = writeln!(
            text,
            "{function:<18} {service:<10} {action:<24} {calls:>7} {failed:>7} {items:>7} {bytes:>11} {capacity:>9.1}"
        );
    }
    text
}

#[derive(Default)]
struct Sum {
    calls: usize,
    failed: usize,
    items: usize,
    bytes: usize,
    capacity: f64,
}

/// What SES and SNS were given, one line each and the text below it.
pub async fn outbox(stack: &Stack) -> Result<String> {
    let mut text = String::new();
    for sent in stack.outbox(0, "").await? {
        let channel = match sent.channel {
            Channel::Email => "email",
            Channel::Sms => "sms",
        };
        let state = if sent.message_id.is_some() { "" } else { " (refused)" };
        let _ = writeln!(text, "{} {channel} {} -> {}{state}  {}", sent.at, sent.from, sent.to, sent.subject);
        for line in sent.text.lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    if text.is_empty() {
        text.push_str("Nothing has been sent.\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_by_who_and_what() {
        let call = |status, items| Call {
            seq: 1,
            at: String::new(),
            function: "message-send".into(),
            service: "ses".into(),
            action: "SendBulkEmail".into(),
            status,
            request_bytes: 10,
            response_bytes: 5,
            items,
            writes: BTreeMap::new(),
            needs: std::collections::BTreeSet::new(),
            capacity: None,
            fault: None,
            text: String::new(),
        };
        let text = table(&[call(200, Some(50)), call(429, None)]);
        let row: Vec<_> = text.lines().nth(1).expect("there is one row").split_whitespace().collect();
        assert_eq!(row, ["message-send", "ses", "SendBulkEmail", "2", "1", "51", "30", "0.0"]);
    }
}
