//! Taking an upload back: what nobody has changed since is again what it was, all of it or nothing.

use local::{
    eventually,
    tap::{Fault, Kind, Match},
};
use serde_json::{Value, json};

use crate::{
    bad_input::{arrival, deliver},
    crash::{let_the_lock_run_out, nothing_is_pending, visible},
    families::taken,
    ingest::{count, people_and_links},
    messages::ends,
    sheet::{COURT_ORDER, EMAIL, Row, Sheet, YEAR},
    sync::{held, missing},
    world::{DEADLINE, World, text},
};

async fn ask(world: &World, upload: &Value) -> Value {
    world
        .post("office", &format!("/uploads/{}/undo", text(&upload["upload_id"])), &json!({}))
        .await
        .expect(202)
}

/// The upload once it has been taken back.
async fn undone(world: &World, upload: &Value) -> Value {
    let path = format!("/uploads/{}", text(&upload["upload_id"]));
    let undone = eventually("the upload is taken back", DEADLINE, async || {
        let upload = world.get("office", &path).await.expect(200);
        Ok((upload["status"] == "undone").then_some(upload))
    });
    undone.await.expect("it is")
}

async fn person(world: &World, id: &str) -> Value {
    world.get("office", &format!("/people/{id}")).await.expect(200)
}

#[tokio::test]
async fn an_undo_restores_what_nobody_has_changed_since() {
    let world = World::new().await;
    let first = Sheet::families(20);
    taken(&world, &first.bytes()).await;
    // A year, an e-mail address, a court's word, a family more, a family less.
    let mut second =
        first.clone().with(0, YEAR, "4").with(1, EMAIL, "wrong@example.com").with(2, COURT_ORDER, "Y");
    second.0[19] = Row::family(50).with(0, "Noor").with(1, "Karim").with(8, "Amal").with(9, "Karim");
    let upload = taken(&world, &second.bytes()).await;
    assert_eq!(upload["counts"]["pupil"], count(1, 1, 18, 1));
    assert_eq!(upload["undone"], Value::Null);
    let (pupil, mother) = ends(&world, 2).await;
    let (_, corrected) = ends(&world, 1).await;
    // Since then the office has put one thing right by hand.
    let version = &person(&world, &corrected).await["version"];
    let change = json!({"version": version, "email": "right@example.com"});
    world.patch("office", &format!("/people/{corrected}"), &change).await.expect(200);

    // Who may ask, and for what.
    let path = format!("/uploads/{}/undo", text(&upload["upload_id"]));
    world.post("sender", &path, &json!({})).await.problem(403, "forbidden");
    ask(&world, &upload).await;
    let told = undone(&world, &upload).await;
    assert_eq!(told["undone"], json!({"restored": 6, "kept": 2}), "{told}");

    assert_eq!(missing(&world, "pupil").await.len(), 0);
    assert_eq!(missing(&world, "contact").await.len(), 0);
    for gone in ["P0050", "C0050"] {
        assert_eq!(world.search(&json!({"source_id": gone})).await, Vec::<Value>::new());
    }
    let moved = &world.search(&json!({"source_id": "P0000"})).await[0];
    assert_eq!(moved["year_group"], "3");
    let kept = person(&world, &corrected).await;
    assert_eq!((text(&kept["email"]), &kept["by_hand"]), ("right@example.com", &json!(["email"])));
    // The court's word is lifted on purpose or not at all.
    let links = &person(&world, &pupil).await["links"];
    assert_eq!((text(&links[0]["contact_id"]), &links[0]["restricted"]), (mother.as_str(), &json!(true)));
    nothing_is_pending(&world).await;

    // Once is enough.
    let before = people_and_links(&world).await;
    assert_eq!(ask(&world, &upload).await["status"], "undone");
    assert_eq!(undone(&world, &upload).await["undone"], told["undone"]);
    let event = arrival(&world, &format!("uploads/{}/{}", world.school, text(&upload["upload_id"])));
    assert_eq!(deliver(&world, &[event]).await, Vec::<String>::new());
    assert!(people_and_links(&world).await == before, "a second undo has changed something");

    // The file is not forbidden because of it.
    let again = taken(&world, &second.bytes()).await;
    assert_eq!(again["counts"]["pupil"], count(1, 1, 18, 1));
    let kept = person(&world, &corrected).await;
    assert_eq!(text(&kept["email"]), "right@example.com");
}

#[tokio::test]
async fn what_a_later_file_changed_is_no_longer_the_earlier_ones() {
    let world = World::new().await;
    let sheet = Sheet::families(12);
    taken(&world, &sheet.bytes()).await;
    let four = sheet.clone().with(0, YEAR, "4").with(1, YEAR, "4");
    let earlier = taken(&world, &four.bytes()).await;
    taken(&world, &four.with(0, YEAR, "5").bytes()).await;
    ask(&world, &earlier).await;
    assert_eq!(undone(&world, &earlier).await["undone"], json!({"restored": 1, "kept": 1}));
    let mut years = Vec::new();
    for n in 0..3 {
        let pupil = &world.search(&json!({"source_id": format!("P{n:04}")})).await[0];
        years.push(text(&pupil["year_group"]).to_owned());
    }
    assert_eq!(years, ["5", "3", "3"]);
}

#[tokio::test]
async fn only_what_was_applied_can_be_taken_back() {
    let world = World::new().await;
    taken(&world, &Sheet::families(20).bytes()).await;
    let waits = world.upload(&Sheet::families(10).bytes()).await;
    held(&waits, "many_missing");
    let refused = world.upload(b"Kennel,Bark\nRex,loud\n").await;
    let waiting = world.announce(10, "apply").await;
    let before = people_and_links(&world).await;
    for upload in [&waits, &refused, &waiting] {
        let path = format!("/uploads/{}/undo", text(&upload["upload_id"]));
        world.post("office", &path, &json!({})).await.problem(409, "conflict");
    }
    let other = World::new().await;
    let path = format!("/uploads/{}/undo", text(&waits["upload_id"]));
    other.post("office", &path, &json!({})).await.problem(404, "not_found");
    assert!(people_and_links(&world).await == before);
}

/// Kills the undo of a file at one of its writes, and delivers the task again.
async fn survives(action: &str, kind: Kind, skip: u64) {
    const FAMILIES: usize = 110;
    let world = World::new().await;
    let upload = taken(&world, &Sheet::families(FAMILIES).bytes()).await;
    let on = Match {
        action: Some(action.to_owned()),
        function: Some("upload-ingest".to_owned()),
        contains: Some(world.school.clone()),
        ..Match::default()
    };
    let fault =
        world.stack.fault(&Fault { on, fault: kind, skip, times: 1 }).await.expect("the tap takes it");
    ask(&world, &upload).await;
    let fired = eventually("the fault strikes", DEADLINE, async || {
        Ok((world.stack.fault_state(fault).await?.fired == 1).then_some(()))
    });
    fired.await.expect("it strikes");
    // A worker that only lost an answer goes on by itself, while we look.
    if kind != Kind::ResetAfter {
        let seen = visible(&world).await;
        assert!(seen == 0 || seen == 2 * FAMILIES, "{action} {kind:?} {skip}: {seen} people are visible");
        let_the_lock_run_out(&world).await;
        let task = json!({"v": 1, "task": "apply_upload", "school_id": world.school, "upload_id": upload["upload_id"]});
        assert_eq!(
            deliver(&world, &[task.to_string()]).await,
            Vec::<String>::new(),
            "{action} {kind:?} {skip}"
        );
    }
    let told = undone(&world, &upload).await;
    assert_eq!(told["undone"], json!({"restored": 3 * FAMILIES, "kept": 0}), "{action} {kind:?} {skip}");
    assert_eq!(visible(&world).await, 0);
    nothing_is_pending(&world).await;
    world.stack.clear_fault(fault).await.expect("it is cleared");
}

#[tokio::test]
async fn an_undo_killed_at_its_first_write_is_finished_by_the_next_delivery() {
    survives("TransactWriteItems", Kind::KillBefore, 0).await;
    survives("TransactWriteItems", Kind::KillAfter, 0).await;
}

#[tokio::test]
async fn an_undo_killed_in_the_middle_is_finished_by_the_next_delivery() {
    survives("TransactWriteItems", Kind::KillAfter, 1).await;
    survives("TransactWriteItems", Kind::ResetAfter, 2).await;
}

#[tokio::test]
async fn an_undo_killed_around_the_write_that_shows_it_is_finished_by_the_next_delivery() {
    survives("TransactWriteItems", Kind::KillBefore, 4).await;
    survives("TransactWriteItems", Kind::KillAfter, 4).await;
}
