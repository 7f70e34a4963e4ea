//! Whom the office has deleted: files go on naming them, and bring nobody back unless the office says so twice.

use local::tap::Kind;
use serde_json::{Value, json};

use crate::{
    bad_input::{arrival, deliver},
    crash::{fault, let_the_lock_run_out, nothing_is_pending, struck, visible},
    families::{approved, findings, taken},
    people::{id, person, ties},
    sheet::{EMAIL, Sheet, YEAR},
    sync::held,
    world::{World, text},
};

/// Announces a file with which the office takes in again whom it has deleted, and waits for what comes of it.
async fn readmitting(world: &World, file: &[u8]) -> Value {
    let body =
        json!({"file_name": "school.csv", "bytes": file.len(), "mode": "apply", "readmit_deleted": true});
    let announced = world.post("office", "/uploads", &body).await.expect(201);
    assert_eq!(world.send_file(&announced, file).await, 200);
    world.settled(text(&announced["upload_id"])).await
}

async fn found_by(world: &World, role: &str, source: &str) -> usize {
    world.search(&json!({"role": role, "source_id": source})).await.len()
}

#[tokio::test]
async fn whoever_was_deleted_stays_out_of_every_file_until_the_office_takes_them_in_again() {
    let world = World::new().await;
    let sheet = Sheet::families(3);
    taken(&world, &sheet.bytes()).await;
    let (contact, pupil) = (id(&world, "contact", "C0001").await, id(&world, "pupil", "P0001").await);
    world.delete("office", &format!("/people/{contact}")).await.expect(204);

    // The same file: nothing of it but her.
    let again = taken(&world, &sheet.bytes()).await;
    assert_eq!(findings(&again), [(3, "person_deleted")], "{again}");
    assert_eq!((found_by(&world, "contact", "C0001").await, ties(&world, &pupil).await.len()), (0, 0));
    // Another one does what it says about everybody else. Under the id of a new system she is who she was.
    let next = sheet.clone().with(0, YEAR, "4").with(1, 10, "X9001");
    let next = taken(&world, &next.bytes()).await;
    assert_eq!(
        (&next["counts"]["pupil"]["changed"], &next["counts"]["contact"]["created"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(found_by(&world, "contact", "X9001").await, 0);
    // What is kept of it says nothing about her.
    let kept = world.directory("OUT#").await;
    assert_eq!(kept.len(), 1);
    let text_of = kept[0].to_string();
    for value in ["C0001", "Grace", "grace1", "7700900", "7700 900"] {
        assert!(!text_of.contains(value), "{value}: {text_of}");
    }

    // The office asks, and somebody else says yes.
    let waits = readmitting(&world, &sheet.bytes()).await;
    held(&waits, "deleted_readmitted");
    assert_eq!(waits["counts"]["contact"]["created"], 1);
    assert_eq!(findings(&waits), [(3, "person_deleted")]);
    let own = format!("/uploads/{}/approval", text(&waits["upload_id"]));
    world.post("office", &own, &json!({})).await.problem(403, "forbidden");
    assert_eq!(found_by(&world, "contact", "C0001").await, 0);
    approved(&world, &waits, &json!({})).await;
    let back = id(&world, "contact", "C0001").await;
    assert_ne!(back, contact, "somebody new, of whom nothing is left but the file's word");
    assert_eq!(ties(&world, &pupil).await, [(back.clone(), false)]);
    assert_eq!(person(&world, &back).await["email"], "grace1@example.com");
    // Here again, like everybody: nobody asks any more.
    let last = taken(&world, &sheet.with(1, EMAIL, "new@example.com").bytes()).await;
    assert_eq!(
        (findings(&last).len(), person(&world, &back).await["email"].clone()),
        (0, json!("new@example.com"))
    );
}

#[tokio::test]
async fn a_deleted_pupil_stays_out_and_whoever_is_typed_in_is_here_again() {
    let world = World::new().await;
    let sheet = Sheet::families(20);
    taken(&world, &sheet.bytes()).await;
    let pupil = id(&world, "pupil", "P0002").await;
    world.delete("office", &format!("/people/{pupil}")).await.expect(204);
    let again = taken(&world, &sheet.bytes()).await;
    assert_eq!(findings(&again), [(4, "person_deleted")]);
    assert_eq!(
        (found_by(&world, "pupil", "P0002").await, found_by(&world, "contact", "C0002").await),
        (0, 1)
    );
    let contact = id(&world, "contact", "C0002").await;
    assert!(person(&world, &contact).await["missing_since"].is_string(), "who was here for them alone");

    let typed = json!({"role": "pupil", "given_name": "Ada", "family_name": "Family2", "source_id": "P0002"});
    let made = world.post("office", "/people", &typed).await.expect(201);
    let after = taken(&world, &sheet.bytes()).await;
    assert_eq!((findings(&after).len(), &after["counts"]["link"]["created"]), (0, &json!(1)), "{after}");
    assert_eq!(ties(&world, text(&made["person_id"])).await.len(), 1);
    assert_eq!(person(&world, &contact).await["missing_since"], Value::Null);
}

#[tokio::test]
async fn only_the_office_may_take_anybody_in_again() {
    let world = World::new().await;
    let made = world.post("office", "/connectors", &json!({"name": "Nightly export"})).await.expect(201);
    let bearer = format!("Bearer {}", text(&made["secret"]));
    let body = json!({"file_name": "school.csv", "bytes": 10, "mode": "apply", "readmit_deleted": true});
    let refused = world.post(&bearer, "/v1/connector/uploads", &body).await;
    assert_eq!((refused.status, refused.faults()), (422, vec!["/readmit_deleted forbidden".to_owned()]));
    // Said or not: a file without anybody who was deleted is not held by it.
    let done = readmitting(&world, &Sheet::families(2).bytes()).await;
    assert_eq!((text(&done["status"]), &done["held_because"]), ("done", &Value::Null));
}

#[tokio::test]
async fn deleted_between_a_workers_death_and_the_next_delivery_is_deleted() {
    let world = World::new().await;
    let sheet = Sheet::families(2);
    taken(&world, &sheet.bytes()).await;
    let contact = id(&world, "contact", "C0001").await;
    // Everything is written and nothing shown, her new address too.
    let fault = fault(&world, "TransactWriteItems", Kind::KillBefore, 1).await;
    let upload_id = struck(&world, fault, &sheet.with(1, EMAIL, "new@example.com").bytes()).await;
    world.delete("office", &format!("/people/{contact}")).await.expect(204);
    let_the_lock_run_out(&world).await;
    let event = arrival(&world, &format!("uploads/{}/{upload_id}", world.school));
    assert_eq!(deliver(&world, &[event]).await, Vec::<String>::new());
    let done = world.settled(&upload_id).await;
    assert_eq!((text(&done["status"]), findings(&done)), ("done", vec![(3, "person_deleted")]), "{done}");
    assert_eq!((found_by(&world, "contact", "C0001").await, visible(&world).await), (0, 3));
    nothing_is_pending(&world).await;
    world.stack.clear_fault(fault).await.expect("it is cleared");
}
