//! Every function takes each of its sample events: the same files that `cargo lambda invoke` is given.

use std::{collections::BTreeSet, fs, path::Path};

use local::Stack;
use serde_json::Value;

use crate::{
    template::root,
    world::{attach, failures, text},
};

/// What a function makes of an event.
#[derive(Debug)]
enum Outcome {
    /// An HTTP answer with this status, and with this code if it is a problem.
    Http(u16, &'static str),
    /// A partial batch response; which records of the event are to be delivered again.
    Batch(&'static [usize]),
    /// The nightly run's own report: whether it only counted.
    Nightly(bool),
}
use Outcome::{Batch, Http, Nightly};

/// The samples name a school, a message and people that no stack has. So what is asked about them is not there, and what
/// is queued for them is stale and dropped; only what nobody can read is handed back.
const EXPECTED: &[(&str, &str, Outcome)] = &[
    ("message-fanout", "fan-out.json", Batch(&[])),
    ("message-fanout", "mixed-with-poison.json", Batch(&[0, 2])),
    ("message-send", "mixed-with-poison.json", Batch(&[1, 2])),
    ("message-send", "send-chunk.json", Batch(&[])),
    ("message-send", "send-code.json", Batch(&[])),
    ("message-send", "tell-parents.json", Batch(&[])),
    ("message-send", "tell-of-request.json", Batch(&[])),
    ("message-send", "tell-of-support.json", Batch(&[])),
    ("parent-api", "acknowledge-message.json", Http(401, "unauthorised")),
    ("parent-api", "create-correction.json", Http(401, "unauthorised")),
    ("parent-api", "create-subject-request.json", Http(401, "unauthorised")),
    ("parent-api", "create-support.json", Http(401, "unauthorised")),
    ("parent-api", "get-child.json", Http(401, "unauthorised")),
    ("parent-api", "get-me.json", Http(401, "unauthorised")),
    ("parent-api", "get-message.json", Http(401, "unauthorised")),
    ("parent-api", "get-preferences.json", Http(401, "unauthorised")),
    ("parent-api", "list-children.json", Http(401, "unauthorised")),
    ("parent-api", "list-messages.json", Http(401, "unauthorised")),
    ("parent-api", "list-subject-requests.json", Http(401, "unauthorised")),
    ("parent-api", "no-token.json", Http(401, "unauthorised")),
    ("parent-api", "put-preferences.json", Http(401, "unauthorised")),
    ("parent-api", "register-device.json", Http(401, "unauthorised")),
    ("parent-api", "sign-out.json", Http(401, "unauthorised")),
    ("parent-verify", "create-verification.json", Http(202, "")),
    ("parent-verify", "enter-code-malformed.json", Http(400, "malformed_body")),
    ("parent-verify", "enter-code.json", Http(401, "unauthorised")),
    ("parent-verify", "sign-in.json", Http(202, "")),
    ("retention-cleanup", "mixed-with-poison.json", Batch(&[0])),
    ("retention-cleanup", "nightly-dry-run.json", Nightly(true)),
    ("retention-cleanup", "nightly.json", Nightly(false)),
    ("retention-cleanup", "sweep.json", Batch(&[])),
    ("staff-api", "approve-upload.json", Http(404, "not_found")),
    ("staff-api", "change-person.json", Http(404, "not_found")),
    ("staff-api", "connector-upload.json", Http(401, "unauthorised")),
    ("staff-api", "create-message-malformed.json", Http(400, "malformed_body")),
    ("staff-api", "create-message.json", Http(404, "not_found")),
    ("staff-api", "create-school.json", Http(201, "")),
    ("staff-api", "create-subject-request.json", Http(404, "not_found")),
    ("staff-api", "create-upload.json", Http(404, "not_found")),
    ("staff-api", "decide-verification.json", Http(404, "not_found")),
    ("staff-api", "decide-subject-request.json", Http(404, "not_found")),
    ("staff-api", "get-school-of-another.json", Http(404, "not_found")),
    ("staff-api", "get-school.json", Http(404, "not_found")),
    ("staff-api", "health.json", Http(200, "")),
    ("staff-api", "list-audit.json", Http(404, "not_found")),
    ("staff-api", "list-people.json", Http(404, "not_found")),
    ("staff-api", "preview-message.json", Http(404, "not_found")),
    ("staff-api", "put-consents.json", Http(404, "not_found")),
    ("staff-api", "put-link.json", Http(404, "not_found")),
    ("staff-api", "put-suppression.json", Http(404, "not_found")),
    ("staff-api", "undo-upload.json", Http(404, "not_found")),
    ("upload-ingest", "approved.json", Batch(&[])),
    ("upload-ingest", "encoded-keys.json", Batch(&[])),
    ("upload-ingest", "file-arrived.json", Batch(&[])),
    ("upload-ingest", "mixed-with-poison.json", Batch(&[1, 2])),
    ("upload-ingest", "test-event.json", Batch(&[])),
];

fn names(path: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_sample_has_its_outcome_and_every_function_its_samples() {
    let events = root().join("events");
    let folders = names(&events);
    let functions: BTreeSet<_> = names(&root().join("functions"))
        .into_iter()
        .filter(|name| root().join("functions").join(name).is_dir())
        .collect();
    assert_eq!(folders, functions, "events/ has a folder per function");
    let found: BTreeSet<_> = folders
        .iter()
        .flat_map(|folder| names(&events.join(folder)).into_iter().map(move |file| (folder.clone(), file)))
        .collect();
    let listed: BTreeSet<_> =
        EXPECTED.iter().map(|(folder, file, _)| ((*folder).to_owned(), (*file).to_owned())).collect();
    assert_eq!(found, listed, "the files of events/, and those that a test knows the outcome of");
}

#[tokio::test]
async fn each_sample_comes_to_its_outcome() {
    let stack = attach().await;
    for (function, file, outcome) in EXPECTED {
        check(&stack, function, file, outcome).await;
    }
}

async fn check(stack: &Stack, function: &str, file: &str, outcome: &Outcome) {
    let path = root().join("events").join(function).join(file);
    let event = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let event: Value =
        serde_json::from_slice(&event).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let answer =
        stack.invoke(function, &event).await.unwrap_or_else(|error| panic!("{function} {file}: {error}"));
    let payload = answer.payload;
    assert_eq!(answer.error, None, "{function} {file}: {payload}");
    match outcome {
        Http(status, code) => {
            assert_eq!(
                payload["statusCode"].as_u64(),
                Some(u64::from(*status)),
                "{function} {file}: {payload}"
            );
            let body: Value = serde_json::from_str(text(&payload["body"])).expect("a body is JSON");
            assert_eq!(
                text(&body["code"]),
                if code.is_empty() { text(&body["code"]) } else { code },
                "{function} {file}"
            );
            let kind = if code.is_empty() { "application/json" } else { "application/problem+json" };
            assert_eq!(payload["headers"]["content-type"], kind, "{function} {file}");
            assert_eq!(payload["headers"]["cache-control"], "no-store", "{function} {file}");
        }
        Batch(places) => {
            let mut expected: Vec<_> =
                places.iter().map(|place| text(&event["Records"][place]["messageId"]).to_owned()).collect();
            expected.sort();
            assert!(payload["batchItemFailures"].is_array(), "{function} {file}: {payload}");
            assert_eq!(failures(&payload), expected, "{function} {file}");
        }
        Nightly(dry_run) => {
            assert_eq!(payload["dry_run"], *dry_run, "{function} {file}");
            assert!(
                payload["schools"].is_u64() && payload["schools_overdue"].is_u64(),
                "{function} {file}: {payload}"
            );
        }
    }
}

/// An event that is none of its own is an error that says so, not a success.
#[tokio::test]
async fn an_event_of_another_kind_is_refused_aloud() {
    let stack = attach().await;
    for event in [
        serde_json::json!({}),
        serde_json::json!({"kind": "hourly"}),
        serde_json::json!({"kind": "nightly", "time": "soon"}),
    ] {
        let answer = stack.invoke("retention-cleanup", &event).await.expect("it can be invoked");
        assert!(answer.error.is_some(), "{event}: {}", answer.payload);
    }
}
