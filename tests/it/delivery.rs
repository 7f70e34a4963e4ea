//! A message on a bad day: the carrier throttles, answers get lost, workers die, somebody changes their mind.
//!
//! What the queues would do after minutes (deliver once more) a test does itself, and a worker that died is overtaken by
//! setting its lease back. message-send takes several schools' tasks at once, so it is killed only in an invocation of
//! the test's own.

use std::collections::BTreeMap;

use local::{
    eventually,
    tap::{Fault, Kind, Match},
};
use serde_json::{Value, json};

use crate::{
    messages::{
        addresses, adds_up, chunk_task, counts, deliver, draft, ends, excluded, only, school, send, status,
    },
    sheet::{RESPONSIBILITY, Sheet},
    world::{DEADLINE, World, sqs_event, text},
};

/// Hands the first chunk to message-send; true if all went well.
pub async fn try_again(world: &World, message: &str) -> bool {
    deliver(world, "message-send", &[chunk_task(world, message, 0)]).await.is_empty()
}

/// A fault in the way of message-send's calls that name this school.
async fn fault(world: &World, (service, action): (&str, &str), kind: Kind, times: u64) -> u64 {
    let on = Match {
        service: Some(service.to_owned()),
        action: Some(action.to_owned()),
        function: Some("message-send".to_owned()),
        contains: Some(world.school.clone()),
    };
    world.stack.fault(&Fault { on, fault: kind, skip: 0, times }).await.expect("the tap takes it")
}

async fn fired(world: &World, fault: u64) -> u64 {
    world.stack.fault_state(fault).await.expect("the tap knows it").fired
}

/// The state item of a message's first chunk.
async fn chunk(world: &World, message: &str) -> Option<Value> {
    let pk = format!("SCH#{}#MSG#{message}", world.school);
    world.stack.dynamo_get("MessagingTable", &pk, "STATE#000000").await.expect("the table answers")
}

/// Sends a draft whose carrier refuses to take it for now: message-send has looked at its one chunk and given it back. From
/// here on a test delivers the chunk itself: the queue does so only after six minutes.
pub async fn held(world: &World, draft: &Value, carrier: (&str, &str), recipients: u64) -> String {
    let throttle = fault(world, carrier, Kind::Throttle, recipients).await;
    let message = send(world, draft).await;
    let given_back = eventually("the chunk is given back", DEADLINE, async || {
        let chunk = chunk(world, &message).await.unwrap_or_default();
        Ok((text(&chunk["status"]["S"]) == "queued" && chunk["claims"]["N"] == "1").then_some(()))
    });
    given_back.await.expect("it is given back");
    world.stack.clear_fault(throttle).await.expect("it is cleared");
    assert_eq!(world.outbox().await.len(), 0);
    message
}

pub const SES: (&str, &str) = ("ses", "SendBulkEmail");
pub const SNS: (&str, &str) = ("sns", "Publish");

/// What a minute does to the claim of a worker that is dead.
async fn let_the_claim_run_out(world: &World, message: &str) {
    let body = json!({
        "TableName": world.stack.output("MessagingTable").expect("the stack has the table"),
        "Key": {"pk": {"S": format!("SCH#{}#MSG#{message}", world.school)}, "sk": {"S": "STATE#000000"}},
        "UpdateExpression": "SET claimed_until = :then",
        "ConditionExpression": "#status = :claimed",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {":then": {"N": "0"}, ":claimed": {"S": "claimed"}},
    });
    world
        .stack
        .aws()
        .json("dynamodb", "DynamoDB_20120810.UpdateItem", &body)
        .await
        .expect("the chunk is claimed");
}

#[tokio::test]
async fn a_throttled_carrier_is_asked_again_and_sends_once() {
    let world = school(&Sheet::families(3)).await;
    let message = held(&world, &draft(&world, "service", &["email"]), SES, 1).await;
    let told = status(&world, &message).await;
    assert_eq!((counts(&told), text(&told["status"])), (only("queued", 3), "queued"));
    assert!(try_again(&world, &message).await);
    assert_eq!(counts(&status(&world, &message).await), only("sent", 3));
    assert!(try_again(&world, &message).await);
    assert_eq!(
        addresses(&world.outbox().await),
        ["grace0@example.com", "grace1@example.com", "grace2@example.com"]
    );

    let texts = held_texts(3).await;
    assert!(try_again(&texts.0, &texts.1).await);
    assert_eq!(counts(&status(&texts.0, &texts.1).await), only("sent", 3));
    assert_eq!(addresses(&texts.0.outbox().await), ["+447700900000", "+447700900001", "+447700900002"]);
}

/// A school of `n` families whose text message waits.
async fn held_texts(n: usize) -> (World, String) {
    let world = school(&Sheet::families(n)).await;
    let message = held(&world, &draft(&world, "service", &["sms"]), SNS, n as u64).await;
    (world, message)
}

#[tokio::test]
async fn a_lost_answer_leaves_the_chunk_unknown_and_is_never_sent_twice() {
    for kind in [Kind::ResetAfter, Kind::TimeoutAfter, Kind::Truncate, Kind::Error500] {
        let world = school(&Sheet::families(3)).await;
        let lost = fault(&world, SES, kind, 1).await;
        let message = send(&world, &draft(&world, "service", &["email"])).await;
        let told = world.drain(&message).await;
        adds_up(&told);
        assert_eq!((counts(&told), fired(&world, lost).await), (only("unknown", 3), 1), "{kind:?}");
        assert!(try_again(&world, &message).await, "{kind:?}");
        // An internal error may have been one before or after the effect: here it was before.
        let sent = if kind == Kind::Error500 { 0 } else { 3 };
        assert_eq!(world.outbox().await.len(), sent, "{kind:?}");
        assert_eq!(counts(&status(&world, &message).await), only("unknown", 3), "{kind:?}");
    }
}

#[tokio::test]
async fn one_text_in_doubt_does_not_touch_the_others() {
    let (world, message) = held_texts(4).await;
    let lost = fault(&world, SNS, Kind::ResetAfter, 1).await;
    assert!(try_again(&world, &message).await);
    assert_eq!(fired(&world, lost).await, 1);
    let told = status(&world, &message).await;
    assert_eq!(counts(&told), BTreeMap::from([("sent".into(), 3), ("unknown".into(), 1)]));
    assert_eq!(text(&told["status"]), "sent");
    assert!(try_again(&world, &message).await);
    assert_eq!(world.outbox().await.len(), 4, "the one in doubt was sent, and is not sent again");
    let people = world.list("sender", &format!("/messages/{message}/recipients")).await;
    let statuses: Vec<_> = people.iter().map(|person| text(&person["status"])).collect();
    assert_eq!(statuses.iter().filter(|status| **status == "unknown").count(), 1);
}

/// Kills message-send once the carrier has taken a message of three recipients, and lets the claim run out.
async fn killed_after_the_carrier(purpose: &str) -> (World, String) {
    let world = school(&Sheet::families(3)).await;
    let message = held(&world, &draft(&world, purpose, &["email"]), SES, 1).await;
    let kill = fault(&world, SES, Kind::KillAfter, 1).await;
    let died = world
        .stack
        .invoke("message-send", &sqs_event("send-routine", &[chunk_task(&world, &message, 0)]))
        .await;
    let died = died.expect("it can be invoked");
    assert!(died.error.is_some(), "{}", died.payload);
    assert_eq!((fired(&world, kill).await, world.outbox().await.len()), (1, 3));
    // As long as the claim holds, nobody touches the chunk.
    assert!(!try_again(&world, &message).await);
    assert_eq!(counts(&status(&world, &message).await), only("queued", 3));
    let_the_claim_run_out(&world, &message).await;
    assert!(try_again(&world, &message).await);
    (world, message)
}

#[tokio::test]
async fn a_worker_that_died_after_the_carrier_leaves_unknown_and_nothing_is_sent_twice() {
    let (world, message) = killed_after_the_carrier("service").await;
    assert_eq!(counts(&status(&world, &message).await), only("unknown", 3));
    assert!(try_again(&world, &message).await);
    assert_eq!(world.outbox().await.len(), 3);
}

#[tokio::test]
async fn an_emergency_in_doubt_is_sent_again() {
    let (world, message) = killed_after_the_carrier("emergency").await;
    assert_eq!(counts(&status(&world, &message).await), only("sent", 3));
    assert!(try_again(&world, &message).await);
    assert_eq!(world.outbox().await.len(), 6, "a duplicate is better than a loss");
}

#[tokio::test]
async fn outcomes_that_cannot_be_written_are_unknown() {
    let world = school(&Sheet::families(3)).await;
    let message = held(&world, &draft(&world, "service", &["email"]), SES, 1).await;
    // More often than the SDK tries.
    let broken = fault(&world, ("dynamodb", "TransactWriteItems"), Kind::Error500, 3).await;
    assert!(!try_again(&world, &message).await);
    assert_eq!((fired(&world, broken).await, world.outbox().await.len()), (3, 3));
    let_the_claim_run_out(&world, &message).await;
    assert!(try_again(&world, &message).await);
    assert_eq!(counts(&status(&world, &message).await), only("unknown", 3));
    assert_eq!(world.outbox().await.len(), 3);
}

#[tokio::test]
async fn a_passing_fault_of_the_tables_costs_nothing() {
    let world = school(&Sheet::families(3)).await;
    let message = held(&world, &draft(&world, "service", &["email"]), SES, 1).await;
    // Before the carrier, for good: the chunk goes back, and is not taken for one in doubt.
    let read = fault(&world, ("dynamodb", "BatchGetItem"), Kind::Error500, 3).await;
    assert!(!try_again(&world, &message).await);
    assert_eq!((fired(&world, read).await, world.outbox().await.len()), (3, 0));
    assert_eq!(text(&chunk(&world, &message).await.expect("it is there")["status"]["S"]), "queued");
    // While the outcomes are written, once: the SDK writes them again.
    let write = fault(&world, ("dynamodb", "TransactWriteItems"), Kind::Throttle, 1).await;
    assert!(try_again(&world, &message).await);
    assert_eq!(fired(&world, write).await, 1);
    assert_eq!(counts(&status(&world, &message).await), only("sent", 3));
    assert_eq!(world.outbox().await.len(), 3);
}

#[tokio::test]
async fn a_message_stopped_in_time_is_not_sent() {
    let world = school(&Sheet::families(3)).await;
    let message = held(&world, &draft(&world, "service", &["email"]), SES, 1).await;
    let stopped = world.post("sender", &format!("/messages/{message}/stop"), &json!({})).await.expect(202);
    assert_eq!((counts(&stopped), text(&stopped["status"])), (only("stopped", 3), "stopped"));
    assert!(try_again(&world, &message).await);
    let told = status(&world, &message).await;
    assert_eq!((counts(&told), text(&told["status"])), (only("stopped", 3), "stopped"));
    assert_eq!(world.outbox().await.len(), 0);
    // Stopping what has been sent changes nothing of it.
    let sent = send(&world, &draft(&world, "service", &["sms"])).await;
    world.drain(&sent).await;
    world.post("sender", &format!("/messages/{sent}/stop"), &json!({})).await.expect(202);
    assert_eq!(counts(&status(&world, &sent).await), only("sent", 3));
}

#[tokio::test]
async fn a_restriction_set_between_fan_out_and_sending_holds() {
    let world = school(&Sheet::families(3)).await;
    let message = held(&world, &draft(&world, "emergency", &["email"]), SES, 1).await;
    let (pupil, contact) = ends(&world, 1).await;
    let link = json!({"relationship": "mother", "parental_responsibility": "yes", "restricted": true, "priority": 1});
    world.put("office", &format!("/people/{pupil}/contacts/{contact}"), &link).await.expect(200);
    assert!(try_again(&world, &message).await);
    assert_eq!(addresses(&world.outbox().await), ["grace0@example.com", "grace2@example.com"]);
    let told = status(&world, &message).await;
    assert_eq!(counts(&told), BTreeMap::from([("sent".into(), 2), ("stopped".into(), 1)]));
    // The next message leaves her out from the start, and no later file lifts it.
    world.upload(&Sheet::families(3).with(1, RESPONSIBILITY, "Y").bytes()).await;
    let preview =
        world.post("sender", "/messages/preview", &draft(&world, "emergency", &["email"])).await.expect(200);
    assert_eq!(
        (&preview["recipients"], excluded(&preview)),
        (&json!(2), BTreeMap::from([("restricted".into(), 1)]))
    );
}
