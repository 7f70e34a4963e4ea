//! What is forgotten, when, and what is not yet.
//!
//! The stack is shared, so the schedule's event never comes with a time that would age other tests' schools, unless it
//! only counts. A school's own sweep is run at whatever time the test needs.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use local::{
    eventually,
    tap::{Fault, Kind, Match},
};
use serde_json::{Value, json};
use shared::privacy::retention::{DataClass, Eraser};

use crate::{
    ingest::{people_and_links, the_file_is_gone, versions},
    sheet::{EMAIL, Row, Sheet},
    world::{DEADLINE, World, failures, sqs_event, text},
};

/// The classes that the tests below see erased.
const SEEN: [&str; 15] = [
    "upload_file",
    "upload",
    "upload_report",
    "connector",
    "consent",
    "subject_request",
    "person",
    "link",
    "deleted_person",
    "former_version",
    "message",
    "outcome",
    "retention_run",
    "audit",
    "usage",
];

/// The instant some days from now.
fn in_days(days: i64) -> String {
    (Timestamp::now() + SignedDuration::from_hours(24 * days)).to_string()
}

/// The same without the counts of use: whatever a test asks the API for leaves some.
pub async fn sweep(world: &World, days: i64, dry_run: bool) -> Value {
    let mut due = sweep_all(world, days, dry_run).await;
    due.as_object_mut().expect("counts by class").remove("usage");
    due
}

/// Runs this school's sweep as if it were then; returns what was due, by class.
async fn sweep_all(world: &World, days: i64, dry_run: bool) -> Value {
    let event =
        json!({"kind": "sweep", "school_id": world.school, "time": in_days(days), "dry_run": dry_run});
    let answer = world.stack.invoke("retention-cleanup", &event).await.expect("it can be invoked");
    assert_eq!(answer.error, None, "{}", answer.payload);
    assert_eq!(
        (&answer.payload["school_id"], &answer.payload["dry_run"]),
        (&json!(world.school), &json!(dry_run))
    );
    answer.payload["due"].clone()
}

/// Everything stored of this school in directory and messaging, but for the record of the run itself.
async fn stored(world: &World) -> Vec<Value> {
    let mut items = Vec::new();
    for table in ["DirectoryTable", "MessagingTable"] {
        let all = world.stack.dynamo_scan(table).await.expect("the table answers");
        let ours = all.into_iter().filter(|item| text(&item["pk"]["S"]).contains(&world.school));
        items.extend(ours.filter(|item| item["sk"]["S"] != "RETENTION"));
    }
    items.sort_by_key(|item| (text(&item["pk"]["S"]).to_owned(), text(&item["sk"]["S"]).to_owned()));
    items
}

/// Sweeping erases what is due, once: first it is only counted, then done, then there is nothing left to do.
async fn erases(world: &World, days: i64, due: Value) {
    let before = stored(world).await;
    assert_eq!(sweep(world, days, true).await, due);
    assert_eq!(stored(world).await, before, "counting changes nothing");
    assert_eq!(sweep(world, days, false).await, due);
    let after = stored(world).await;
    assert_ne!(after, before);
    assert_eq!(sweep(world, days, false).await, json!({}));
    assert_eq!(stored(world).await, after, "sweeping twice changes nothing");
}

async fn school(sheet: &Sheet) -> World {
    let world = World::new().await;
    let upload = world.upload(&sheet.bytes()).await;
    assert_eq!(upload["status"], "done", "{upload}");
    world
}

/// The objects of this school's reports, with versions.
async fn reports(world: &World) -> String {
    let bucket = world.stack.output("ExportsBucket").expect("the stack has the bucket");
    let query = format!("prefix=reports%2F{}&versions=", world.school);
    let answer = world
        .stack
        .aws()
        .send("s3", reqwest::Method::GET, &format!("/{bucket}"), &query, &[], Vec::new())
        .await;
    String::from_utf8_lossy(&answer.expect("S3 answers").body).into_owned()
}

#[test]
fn every_class_that_a_sweep_erases_is_seen_erased() {
    let swept = DataClass::ALL
        .into_iter()
        .filter(|class| matches!(class.eraser(), Eraser::Sweep | Eraser::UseThenSweep));
    let swept: BTreeSet<_> = swept.map(DataClass::word).collect();
    assert_eq!(BTreeSet::from(SEEN), swept, "a class without a test in this file, or a test without a class");
}

#[tokio::test]
async fn an_upload_that_nobody_finished_expires() {
    let world = World::new().await;
    let upload = text(&world.announce(100, "apply").await["upload_id"]).to_owned();
    assert_eq!(sweep(&world, 0, false).await, json!({}));
    let told =
        async || world.get("office", &format!("/uploads/{upload}")).await.expect(200)["status"].clone();
    assert_eq!(told().await, "waiting");
    erases(&world, 2, json!({"upload_file": 1})).await;
    assert_eq!(told().await, "expired");
    the_file_is_gone(&world, &upload).await;
}

#[tokio::test]
async fn a_held_file_is_erased_with_all_its_versions() {
    let world = World::new().await;
    let announced = world.announce(Sheet::families(2).bytes().len(), "preview").await;
    let upload = text(&announced["upload_id"]).to_owned();
    // Sent twice: two versions.
    for _ in 0..2 {
        assert_eq!(world.send_file(&announced, &Sheet::families(2).bytes()).await, 200);
    }
    assert_eq!(world.settled(&upload).await["status"], "review");
    assert!(versions(&world, &upload).await.contains("<Version>"));
    assert_eq!(sweep(&world, 6, true).await, json!({}));
    erases(&world, 8, json!({"upload_file": 1})).await;
    assert_eq!(world.get("office", &format!("/uploads/{upload}")).await.expect(200)["status"], "expired");
    the_file_is_gone(&world, &upload).await;
    // Too late to approve.
    world.post("office", &format!("/uploads/{upload}/approval"), &json!({})).await.problem(409, "conflict");
    assert_eq!(people_and_links(&world).await.len(), 0);
}

#[tokio::test]
async fn the_nightly_event_sweeps_every_school_and_says_who_is_overdue() {
    let world = school(&Sheet::families(2)).await;
    let announced = world.announce(100, "apply").await;
    let upload = text(&announced["upload_id"]).to_owned();
    // A day and an hour ahead, it only counts: other schools would lose what is theirs.
    let before = stored(&world).await;
    let later = Timestamp::now() + SignedDuration::from_hours(27);
    let nightly = |time: &Timestamp, dry_run: bool| json!({"kind": "nightly", "time": time.to_string(), "dry_run": dry_run});
    let answer =
        world.stack.invoke("retention-cleanup", &nightly(&later, true)).await.expect("it can be invoked");
    assert_eq!(answer.error, None, "{}", answer.payload);
    let number = |name: &str| answer.payload[name].as_u64().expect("a number");
    // No school has been swept since, and every school is more than 26 hours old by then.
    assert!(number("schools") >= 1 && number("schools_overdue") >= 1, "{}", answer.payload);
    let swept = async |dry_run: bool| {
        let wanted = format!("\"dry_run\":{dry_run}");
        let line = eventually("the school is swept", DEADLINE, async || {
            let lines = world.stack.logs("retention-cleanup", &world.school).await?;
            Ok(lines.into_iter().find(|line| line.contains("swept") && line.contains(&wanted)))
        });
        line.await.expect("it is")
    };
    let line = swept(true).await;
    assert!(line.contains("UploadFile: 1"), "{line}");
    assert_eq!(stored(&world).await, before);

    // Tonight, with an upload that was asked for the day before yesterday.
    let long_ago = Timestamp::now() - SignedDuration::from_hours(48);
    let body = json!({
        "TableName": world.stack.output("DirectoryTable").expect("the stack has the table"),
        "Key": {"pk": {"S": format!("SCH#{}", world.school)}, "sk": {"S": format!("UPL#{upload}")}},
        "UpdateExpression": "SET changed_at = :then, created_at = :then",
        "ExpressionAttributeValues": {":then": {"S": long_ago.to_string()}},
    });
    world
        .stack
        .aws()
        .json("dynamodb", "DynamoDB_20120810.UpdateItem", &body)
        .await
        .expect("the upload is there");
    let answer = world.stack.invoke("retention-cleanup", &nightly(&Timestamp::now(), false)).await;
    assert_eq!(answer.expect("it can be invoked").error, None);
    let expired = eventually("the upload expires", DEADLINE, async || {
        let told = world.get("office", &format!("/uploads/{upload}")).await.expect(200);
        Ok((told["status"] == "expired").then_some(()))
    });
    expired.await.expect("it does");
    swept(false).await;
    let run = world.directory("RETENTION").await;
    assert_eq!((run.len(), text(&run[0]["erased"]["M"]["upload_file"]["N"])), (1, "1"));
    // The dead-man alarm listens to this line.
    let metric = world.stack.logs("retention-cleanup", "schools_overdue").await.expect("the logs answer");
    let metric = metric.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let metric = metric.into_iter().find(|line| line["_aws"].is_object());
    let metric = metric.expect("a line in CloudWatch's embedded format");
    assert!(metric["schools_overdue"].is_u64(), "{metric}");
    assert_eq!(metric["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"], "schools_overdue");
}

#[tokio::test]
async fn events_that_name_no_time_or_nothing_known_erase_nothing() {
    let world = World::new().await;
    for event in [
        json!({"kind": "nightly"}),
        json!({"kind": "nightly", "time": "tonight"}),
        json!({"kind": "nightly", "time": in_days(0), "dryrun": true}),
        json!({"kind": "sweep"}),
        json!({"kind": "sweep", "school_id": "sch_1"}),
        json!({"kind": "erase_everything"}),
        json!([]),
    ] {
        let answer = world.stack.invoke("retention-cleanup", &event).await.expect("it can be invoked");
        assert!(answer.error.is_some(), "{event}: {}", answer.payload);
    }
    // A school that is not there has nothing to erase.
    let event = json!({"kind": "sweep", "school_id": "sch_019b76da880070008000000000000001"});
    let answer = world.stack.invoke("retention-cleanup", &event).await.expect("it can be invoked");
    assert_eq!((answer.error, &answer.payload["due"]), (None, &json!({})));
}

#[tokio::test]
async fn messages_are_forgotten_after_thirteen_months_with_all_their_parts() {
    let world = school(&Sheet::families(3)).await;
    let draft = json!({"purpose": "service", "channels": ["email"], "subject": "Trip", "body": "On Friday", "audience": {"roles": ["parent"]}});
    let message = text(&world.post("sender", "/messages", &draft).await.expect(202)["message_id"]).to_owned();
    world.drain(&message).await;
    let partition = format!("SCH#{}#MSG#{message}", world.school);
    let parts = async || {
        world.stack.dynamo_query("MessagingTable", &partition, "").await.expect("the table answers").len()
    };
    // Roster, state and carrier ids.
    assert_eq!(parts().await, 3);
    assert_eq!(sweep(&world, 395, true).await["message"], Value::Null);
    // The message itself and its post. The upload's record, its file's last erasure and its report's go on the same day.
    erases(&world, 397, json!({"upload": 1, "upload_file": 1, "message": 2, "outcome": 3})).await;
    assert_eq!(parts().await, 0);
    world.get("sender", &format!("/messages/{message}")).await.problem(404, "not_found");
    assert_eq!(world.get("office", "/uploads").await.expect(200)["items"], json!([]));
    assert_eq!(people_and_links(&world).await.len(), 9, "whoever is on roll stays");
}

#[tokio::test]
async fn whoever_is_gone_is_forgotten_after_thirty_days() {
    let world = school(&Sheet::families(12)).await;
    assert_eq!(world.upload(&Sheet((1..12).map(Row::family).collect()).bytes()).await["status"], "done");
    let gone = world.search(&json!({"family_name": "Family0"})).await;
    assert_eq!(gone.len(), 2);
    assert!(gone.iter().all(|person| person["missing_since"].is_string()));
    // What they were before is not counted apart from them.
    assert_eq!(sweep(&world, 29, true).await, json!({}));
    erases(&world, 31, json!({"person": 2, "link": 1})).await;
    for person in &gone {
        world
            .get("office", &format!("/people/{}", text(&person["person_id"])))
            .await
            .problem(404, "not_found");
    }
    assert_eq!(world.list("office", "/people").await.len(), 22);
    // Back in a file, they are somebody new.
    let back = world.upload(&Sheet::families(12).bytes()).await;
    assert_eq!((&back["status"], &back["counts"]["pupil"]["created"]), (&json!("done"), &json!(1)));
}

#[tokio::test]
async fn whoever_the_office_deleted_is_forgotten_after_thirty_days() {
    let world = school(&Sheet::families(3)).await;
    let contact = text(&world.search(&json!({"source_id": "C0000"})).await[0]["person_id"]).to_owned();
    world.delete("office", &format!("/people/{contact}")).await.expect(204);
    // Still there, for the office to change its mind.
    assert_eq!(people_and_links(&world).await.len(), 9);
    assert_eq!(sweep(&world, 29, true).await, json!({}));
    erases(&world, 31, json!({"person": 1, "link": 1})).await;
    assert!(!people_and_links(&world).await.keys().any(|sk| sk.contains(&contact)));
}

#[tokio::test]
async fn that_somebody_was_deleted_is_forgotten_after_fourteen_years() {
    let world = school(&Sheet::families(2)).await;
    let contact = crate::people::id(&world, "contact", "C0001").await;
    world.delete("office", &format!("/people/{contact}")).await.expect(204);
    let kept = async || world.directory("OUT#").await.len();
    assert_eq!(kept().await, 1);
    // The person, the tie and what the upload left are gone long before.
    sweep(&world, 5_113, false).await;
    assert_eq!(kept().await, 1);
    erases(&world, 5_115, json!({"deleted_person": 1})).await;
    assert_eq!(kept().await, 0);
}

#[tokio::test]
async fn former_versions_and_reports_are_forgotten_after_thirty_days() {
    let world = school(&Sheet::families(3)).await;
    let changed = world
        .upload(&Sheet::families(3).with(1, EMAIL, "new@example.com").with(2, EMAIL, "nobody").bytes())
        .await;
    assert_eq!((&changed["status"], &changed["findings_total"]), (&json!("done"), &json!(1)));
    // That somebody was nobody before they came is no data.
    let was_something = |item: &Value| !item["former"]["M"]["details"].is_null();
    let former = async || people_and_links(&world).await.values().filter(|item| was_something(item)).count();
    // The one with another address, and the one of whom it is now known that an address cannot be used.
    assert_eq!(former().await, 2);
    assert!(reports(&world).await.contains("<Version>"));
    assert_eq!(sweep(&world, 29, true).await, json!({}));
    erases(&world, 31, json!({"former_version": 2, "upload_report": 1})).await;
    assert_eq!(former().await, 0);
    assert!(!reports(&world).await.contains("<Version>"));
    let contact = world.search(&json!({"source_id": "C0001"})).await;
    assert_eq!(contact[0]["email"], "new@example.com");
    // A file that arrives afterwards finds everything as it was.
    let again = world.upload(&Sheet::families(3).with(1, EMAIL, "new@example.com").bytes()).await;
    assert_eq!(again["counts"]["contact"]["created"], 0);
}

#[tokio::test]
async fn a_revoked_connector_is_forgotten_with_the_uploads_that_may_name_it() {
    let world = World::new().await;
    for name in ["Kept", "Revoked"] {
        world.post("office", "/connectors", &json!({"name": name})).await.expect(201);
    }
    let all = world.get("office", "/connectors").await.expect(200);
    let revoked = text(&all["items"][1]["connector_id"]);
    world.delete("office", &format!("/connectors/{revoked}")).await.expect(204);
    assert_eq!(sweep(&world, 395, true).await, json!({}));
    erases(&world, 397, json!({"connector": 1})).await;
    let left = world.get("office", "/connectors").await.expect(200);
    assert_eq!(
        (left["items"].as_array().map(Vec::len), &left["items"][0]["name"]),
        (Some(1), &json!("Kept"))
    );
}

#[tokio::test]
async fn evidence_of_a_choice_outlives_the_person_by_six_years() {
    let world = World::new().await;
    let mut paths = Vec::new();
    for name in ["Ann", "Ben"] {
        let body = json!({"role": "contact", "given_name": name});
        let made = world.post("office", "/people", &body).await.expect(201);
        let path = format!("/people/{}", text(&made["person_id"]));
        let choice = json!({"purpose": "marketing", "channel": "email", "allowed": true});
        let paper = json!({"version": 0, "taken_on": "2026-09-01", "choices": [choice]});
        world.put("office", &format!("{path}/consents"), &paper).await.expect(200);
        paths.push(path);
    }
    world.delete("office", &paths[0]).await.expect(204);
    assert_eq!(sweep(&world, 31, false).await, json!({"person": 1}));
    // What was done here leaves the audit long before.
    sweep(&world, 31 + 2_191, false).await;
    assert_eq!(sweep(&world, 31 + 2_191, true).await, json!({}));
    erases(&world, 31 + 2_193, json!({"consent": 1})).await;
    // Whoever is still there keeps theirs, however old.
    let told = world.get("office", &format!("{}/consents", paths[1])).await.expect(200);
    assert_eq!(told["version"], 1);
}

#[tokio::test]
async fn a_request_is_forgotten_three_years_after_it_was_closed() {
    let world = World::new().await;
    let made = world.post("office", "/people", &json!({"role": "contact", "given_name": "Ann"})).await;
    let body = json!({"kind": "access", "person_id": made.expect(201)["person_id"]});
    let mut paths = Vec::new();
    for _ in 0..2 {
        let asked = world.post("dpo", "/subject-requests", &body).await.expect(201);
        paths.push(format!("/subject-requests/{}", text(&asked["request_id"])));
    }
    let closed = json!({"decision": "completed", "version": 1});
    world.post("dpo", &format!("{}/decision", paths[0]), &closed).await.expect(200);
    // What was done here leaves the audit long before.
    sweep(&world, 1_095, false).await;
    assert_eq!(sweep(&world, 1_095, true).await, json!({}));
    erases(&world, 1_097, json!({"subject_request": 1})).await;
    world.get("dpo", &paths[0]).await.problem(404, "not_found");
    assert_eq!(world.get("dpo", &paths[1]).await.expect(200)["status"], "open", "an open one waits");
}

#[tokio::test]
async fn who_saw_whom_is_forgotten_after_24_months_and_the_use_of_routes_after_13() {
    let world = World::new().await;
    let body = json!({"role": "contact", "given_name": "Ann", "family_name": "Other"});
    let made = world.post("office", "/people", &body).await.expect(201);
    world.get("office", &format!("/people/{}", text(&made["person_id"]))).await.expect(200);
    world.get("dpo", "/audit").await.expect(200);
    assert_eq!(sweep_all(&world, 396, true).await, json!({}));
    assert_eq!(sweep_all(&world, 398, false).await, json!({"usage": 3}));
    assert_eq!(world.get("dpo", "/audit").await.expect(200)["items"].as_array().map(Vec::len), Some(3));
    let due = sweep_all(&world, 729, true).await;
    assert_eq!((&due["audit"], &due["usage"]), (&Value::Null, &json!(1)), "of the look just now");
    erases(&world, 731, json!({"audit": 4})).await;
    assert_eq!(world.get("dpo", "/audit").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn of_runs_only_the_last_is_kept() {
    let world = World::new().await;
    for days in [0, 0, 1] {
        sweep(&world, days, false).await;
    }
    let runs = world.directory("RETENTION").await;
    assert_eq!(runs.len(), 1);
    let ran_at: Timestamp = text(&runs[0]["ran_at"]["S"]).parse().expect("an instant");
    assert!(ran_at > Timestamp::now() + SignedDuration::from_hours(23));
}

#[tokio::test]
async fn a_sweep_that_fails_half_way_goes_on_when_delivered_again() {
    let world = school(&Sheet::families(12)).await;
    assert_eq!(world.upload(&Sheet((1..12).map(Row::family).collect()).bytes()).await["status"], "done");
    let announced = world.announce(100, "apply").await;
    let on = Match {
        action: Some("TransactWriteItems".to_owned()),
        function: Some("retention-cleanup".to_owned()),
        contains: Some(world.school.clone()),
        ..Match::default()
    };
    // More often than the SDK tries.
    let fault = world
        .stack
        .fault(&Fault { on, fault: Kind::Error500, skip: 0, times: 3 })
        .await
        .expect("the tap takes it");
    let task =
        json!({"v": 1, "task": "sweep", "school_id": world.school, "now": in_days(31), "dry_run": false})
            .to_string();
    let bodies = [task, "no task".to_owned()];
    let deliver = async || {
        let answer = world
            .stack
            .invoke("retention-cleanup", &sqs_event("sweep", &bodies))
            .await
            .expect("it can be invoked");
        assert_eq!(answer.error, None, "{}", answer.payload);
        failures(&answer.payload)
    };
    assert_eq!(deliver().await, ["m0", "m1"]);
    assert_eq!(world.stack.fault_state(fault).await.expect("the tap knows it").fired, 3);
    assert_eq!(deliver().await, ["m1"]);
    assert_eq!(people_and_links(&world).await.len(), 33);
    let upload =
        world.get("office", &format!("/uploads/{}", text(&announced["upload_id"]))).await.expect(200);
    assert_eq!(upload["status"], "expired");
    assert_eq!(sweep(&world, 31, false).await, json!({}));
}
