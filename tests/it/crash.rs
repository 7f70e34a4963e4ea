//! upload-ingest is killed at each kind of write it makes. Readers see all of a file or nothing of it, and the redelivered
//! event ends what was begun: nobody twice, nobody half.
//!
//! A test does not wait for the queue: it delivers the event again itself. Nor does it wait until the dead worker's lock
//! runs out: it sets the lock's end back, which is what five minutes would do.

use local::tap::{Fault, Kind, Match};
use serde_json::{Value, json};

use crate::{
    bad_input::{arrival, deliver},
    ingest::{people_and_links, the_file_is_gone},
    sheet::{EMAIL, Sheet, YEAR},
    world::{DEADLINE, World, text},
};

/// Families of the file: with one more transaction than fits into a call, three times over.
const FAMILIES: usize = 110;
/// Calls of `TransactWriteItems` that write them, before the one that shows them: 330 items, 99 to a call.
const WRITING: u64 = 4;

/// A fault that strikes one call of upload-ingest for this school, after `skip` calls of that action.
pub async fn fault(world: &World, action: &str, kind: Kind, skip: u64) -> u64 {
    let on = Match {
        action: Some(action.to_owned()),
        function: Some("upload-ingest".to_owned()),
        contains: Some(world.school.clone()),
        ..Match::default()
    };
    world.stack.fault(&Fault { on, fault: kind, skip, times: 1 }).await.expect("the tap takes it")
}

/// Announces and sends a file while a fault waits for it; returns the upload's id once the fault has struck.
pub async fn struck(world: &World, fault: u64, file: &[u8]) -> String {
    let announced = world.announce(file.len(), "apply").await;
    assert_eq!(world.send_file(&announced, file).await, 200);
    let fired = local::eventually("the fault strikes", DEADLINE, async || {
        Ok((world.stack.fault_state(fault).await?.fired == 1).then_some(()))
    });
    fired.await.expect("it strikes");
    text(&announced["upload_id"]).to_owned()
}

/// What the passing of five minutes does to the lock of a worker that is dead.
pub async fn let_the_lock_run_out(world: &World) {
    let body = json!({
        "TableName": world.stack.output("DirectoryTable").expect("the stack has the table"),
        "Key": {"pk": {"S": format!("SCH#{}", world.school)}, "sk": {"S": "SCHOOL"}},
        "UpdateExpression": "SET importing_until = :then",
        "ConditionExpression": "attribute_exists(importing)",
        "ExpressionAttributeValues": {":then": {"N": "0"}},
    });
    let done = world.stack.aws().json("dynamodb", "DynamoDB_20120810.UpdateItem", &body).await;
    // Without a lock there is nothing to run out.
    assert!(
        done.as_ref().is_ok_and(Value::is_object)
            || done.is_err_and(|error| error.to_string().contains("ConditionalCheckFailed"))
    );
}

pub async fn visible(world: &World) -> usize {
    world.list("office", "/people").await.len()
}

/// No version waits for a generation that has not come: everything stored is what readers see.
pub async fn nothing_is_pending(world: &World) {
    let school = world.stack.dynamo_get("DirectoryTable", &format!("SCH#{}", world.school), "SCHOOL").await;
    let school = school.expect("the table answers").expect("the school is there");
    let number = |value: &Value| text(&value["N"]).parse::<u64>().expect("a number");
    let generation = number(&school["generation"]);
    assert!(school["importing"].is_null(), "the school is still locked");
    for (key, item) in people_and_links(world).await {
        assert!(number(&item["live"]["M"]["generation"]) <= generation, "{key} is pending");
    }
}

/// Strikes one call, then delivers the event again, and looks at the school before and after.
async fn survives(action: &str, kind: Kind, skip: u64) {
    let world = World::new().await;
    // One bad cell, so that there is a report to write.
    let file = Sheet::families(FAMILIES).with(3, EMAIL, "nobody").bytes();
    let fault = fault(&world, action, kind, skip).await;
    let upload_id = struck(&world, fault, &file).await;
    let seen = visible(&world).await;
    assert!(
        seen == 0 || seen == 2 * FAMILIES,
        "{action} {kind:?} {skip}: {seen} of {} people are visible",
        2 * FAMILIES
    );
    let_the_lock_run_out(&world).await;
    let event = arrival(&world, &format!("uploads/{}/{upload_id}", world.school));
    assert_eq!(deliver(&world, &[event]).await, Vec::<String>::new(), "{action} {kind:?} {skip}");
    let upload = world.settled(&upload_id).await;
    assert_eq!(upload["status"], "done", "{action} {kind:?} {skip}: {upload}");
    assert_eq!(upload["counts"]["pupil"]["created"], FAMILIES, "{action} {kind:?} {skip}: {upload}");
    assert_eq!(upload["findings_total"], 1);
    assert_eq!(visible(&world).await, 2 * FAMILIES);
    assert_eq!(people_and_links(&world).await.len(), 3 * FAMILIES);
    nothing_is_pending(&world).await;
    the_file_is_gone(&world, &upload_id).await;
    world.stack.clear_fault(fault).await.expect("it is cleared");
}

#[tokio::test]
async fn killed_around_the_first_write() {
    survives("TransactWriteItems", Kind::KillBefore, 0).await;
    survives("TransactWriteItems", Kind::KillAfter, 0).await;
}

#[tokio::test]
async fn killed_around_the_last_write_before_it_shows() {
    survives("TransactWriteItems", Kind::KillBefore, WRITING - 1).await;
    survives("TransactWriteItems", Kind::KillAfter, WRITING - 1).await;
}

#[tokio::test]
async fn killed_around_the_write_that_shows_it_all() {
    survives("TransactWriteItems", Kind::KillBefore, WRITING).await;
    survives("TransactWriteItems", Kind::KillAfter, WRITING).await;
}

#[tokio::test]
async fn the_answer_to_a_write_is_lost() {
    survives("TransactWriteItems", Kind::ResetAfter, 1).await;
    survives("TransactWriteItems", Kind::ResetAfter, WRITING).await;
}

#[tokio::test]
async fn killed_around_the_lock_and_the_first_status() {
    survives("UpdateItem", Kind::KillBefore, 0).await;
    survives("UpdateItem", Kind::KillAfter, 0).await;
    survives("UpdateItem", Kind::KillAfter, 1).await;
}

#[tokio::test]
async fn killed_around_the_report() {
    survives("PutObject", Kind::KillBefore, 0).await;
    survives("PutObject", Kind::KillAfter, 1).await;
}

#[tokio::test]
async fn killed_around_the_erasure_of_the_file() {
    survives("DeleteObjects", Kind::KillBefore, 0).await;
    survives("DeleteObjects", Kind::KillAfter, 0).await;
    survives("UpdateItem", Kind::KillBefore, 2).await;
}

/// A half-written import that nobody takes up again is withdrawn by the next one: its people never come to light.
#[tokio::test]
async fn what_a_dead_import_left_is_withdrawn_by_the_next() {
    let world = World::new().await;
    let sheet = Sheet::families(20);
    world.upload(&sheet.bytes()).await;
    let fault = fault(&world, "TransactWriteItems", Kind::KillAfter, 0).await;
    let dead = struck(
        &world,
        fault,
        &Sheet::families(25).with(0, YEAR, "6").with(1, EMAIL, "new@example.com").bytes(),
    )
    .await;
    assert!(people_and_links(&world).await.len() > 60, "the dead import has written something");
    assert_eq!(visible(&world).await, 40);
    let_the_lock_run_out(&world).await;

    let next = world.upload(&sheet.with(2, YEAR, "5").bytes()).await;
    assert_eq!(next["status"], "done", "{next}");
    let pupils = &next["counts"]["pupil"];
    assert_eq!(
        (&pupils["created"], &pupils["changed"], &pupils["unchanged"]),
        (&json!(0), &json!(1), &json!(19))
    );
    assert_eq!(people_and_links(&world).await.len(), 60);
    nothing_is_pending(&world).await;
    let first = &world.search(&json!({"role": "pupil", "source_id": "P0000"})).await[0];
    assert_eq!(first["year_group"], "3");
    assert_eq!(world.search(&json!({"role": "contact", "source_id": "C0024"})).await, Vec::<Value>::new());

    // And if the dead one's event comes again after all, it is taken in whole.
    let event = arrival(&world, &format!("uploads/{}/{dead}", world.school));
    assert_eq!(deliver(&world, &[event]).await, Vec::<String>::new());
    assert_eq!(world.settled(&dead).await["status"], "done");
    assert_eq!(visible(&world).await, 50);
    nothing_is_pending(&world).await;
    world.stack.clear_fault(fault).await.expect("it is cleared");
}
