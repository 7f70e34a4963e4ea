//! Who comes and who goes: absent for a day, leaving on a day, not yet there, and a school that becomes another (cases 67 to 70).

use jiff::{Timestamp, ToSpan, civil::Date};
use serde_json::{Value, json};

use crate::{
    export::{self, csv, rows},
    families::{approved, taken},
    ingest::people_and_links,
    messages::{draft, ends},
    parents::{children, claim, codes, looked_at, mother, session, stored},
    sheet::Sheet,
    sync::{held, missing},
    world::{World, text},
};

/// The school's date, `days` from now.
fn day(days: i64) -> Date {
    let now = Timestamp::now().in_tz("Europe/London").expect("a known zone");
    now.date().checked_add(days.days()).expect("a day")
}

/// How many a message to the whole school would reach, and who is left out.
async fn reached(world: &World, audience: &Value) -> (u64, Value) {
    let mut body = draft(world, "service", &["email"]);
    body["audience"] = audience.clone();
    let preview = world.post("sender", "/messages/preview", &body).await.expect(200);
    (preview["recipients"].as_u64().expect("a number"), preview["excluded"].clone())
}

/// The children of a parent, by family name.
async fn seen(world: &World, who: &str) -> usize {
    children(world, who).await.len()
}

async fn links(world: &World, id: &str) -> Value {
    world.get("office", &format!("/people/{id}")).await.expect(200)["links"].clone()
}

#[tokio::test]
async fn edge_case_67_absent_from_one_file_and_back_in_the_next() {
    let world = export::school().await;
    let sheet = Sheet::families(20);
    taken(&world, &sheet.bytes()).await;
    let (pupil, contact) = ends(&world, 5).await;
    let before = links(&world, &pupil).await;
    let parent = session(&world, 5, 0).await;
    assert_eq!((seen(&world, &parent).await, reached(&world, &json!({})).await.0), (1, 20));

    let mut without = sheet.clone();
    without.0.remove(5);
    taken(&world, &without.bytes()).await;
    assert_eq!(missing(&world, "pupil").await.into_iter().collect::<Vec<_>>(), ["P0005"]);
    assert_eq!(missing(&world, "contact").await.into_iter().collect::<Vec<_>>(), ["C0005"]);
    // Nothing is deleted, nothing untied; the parent still sees the child, and messages pause.
    assert_eq!(links(&world, &pupil).await, before);
    assert_eq!(seen(&world, &parent).await, 1);
    assert_eq!(reached(&world, &json!({})).await.0, 19);
    assert_eq!(reached(&world, &json!({"people": [pupil]})).await.0, 0);
    let mut urgent = draft(&world, "emergency", &["sms"]);
    urgent["audience"] = json!({"people": [contact]});
    assert_eq!(world.post("sender", "/messages/preview", &urgent).await.expect(200)["recipients"], 0);
    let since = world.get("office", &format!("/people/{pupil}")).await.expect(200)["missing_since"].clone();

    // Still absent: since the first day.
    taken(&world, &without.with(0, crate::sheet::YEAR, "4").bytes()).await;
    let still = world.get("office", &format!("/people/{pupil}")).await.expect(200);
    assert_eq!(still["missing_since"], since);

    // Back: the same person, as before.
    let back = taken(&world, &sheet.bytes()).await;
    assert_eq!(back["counts"]["pupil"]["created"], 0, "{back}");
    assert_eq!(ends(&world, 5).await, (pupil.clone(), contact));
    assert!(missing(&world, "pupil").await.is_empty() && missing(&world, "contact").await.is_empty());
    assert_eq!(links(&world, &pupil).await, before);
    assert_eq!((seen(&world, &parent).await, reached(&world, &json!({})).await.0), (1, 20));
    // No second code, no letter about it.
    assert_eq!(codes(&world).await.len(), 1);
}

#[tokio::test]
async fn edge_case_68_a_leaver_is_there_until_the_end_of_the_last_day() {
    let world = export::school().await;
    let sheet = Sheet::families(4);
    let leaving = |days: [Option<i64>; 4]| {
        let cells = days.map(|days| days.map_or_else(String::new, |days| day(days).to_string()));
        csv(&rows(&sheet, &[("LeavingDate", cells.to_vec())]))
    };
    taken(&world, &leaving([None; 4])).await;
    let (today, gone) = (session(&world, 1, 0).await, session(&world, 2, 1).await);
    // One leaves next week, one today, one left yesterday, one does not.
    let upload = taken(&world, &leaving([Some(7), Some(0), Some(-1), None])).await;
    assert_eq!(upload["counts"]["pupil"]["missing"], 0);
    let pupil = &world.search(&json!({"source_id": "P0002"})).await[0];
    assert_eq!(
        (text(&pupil["leaves_on"]), &pupil["missing_since"]),
        (day(-1).to_string().as_str(), &Value::Null)
    );
    assert_eq!(reached(&world, &json!({})).await.0, 3);
    assert_eq!(reached(&world, &json!({"people": [pupil["person_id"]]})).await.0, 0);
    assert_eq!((seen(&world, &today).await, seen(&world, &gone).await), (1, 0));
    // The parent of who has left is not told that there was a child.
    let child = format!("/v1/me/children/{}", text(&pupil["person_id"]));
    world.get(&gone, &child).await.problem(404, "not_found");
    // A correction brings the child back.
    taken(&world, &leaving([Some(7), Some(0), None, None])).await;
    assert_eq!((reached(&world, &json!({})).await.0, seen(&world, &gone).await), (4, 1));
}

#[tokio::test]
async fn edge_case_69_who_has_not_joined_yet_is_written_about_only_by_name() {
    let world = export::school().await;
    let sheet = Sheet::families(4);
    let starting = |days: [i64; 4]| {
        csv(&rows(&sheet, &[("StartDate", days.map(|days| day(days).to_string()).to_vec())]))
    };
    taken(&world, &starting([-400, 0, 1, 200])).await;
    let later = &world.search(&json!({"source_id": "P0003"})).await[0];
    assert_eq!(text(&later["starts_on"]), day(200).to_string());
    for whole in [json!({}), json!({"year_groups": ["3"]}), json!({"classes": ["3A"]})] {
        assert_eq!(reached(&world, &whole).await, (2, json!([])), "{whole}");
    }
    assert_eq!(reached(&world, &json!({"people": [later["person_id"]]})).await.0, 1);
    // They are no leavers for that.
    assert!(missing(&world, "pupil").await.is_empty());
    // From the first day on they belong to it.
    taken(&world, &starting([-400, 0, 0, 200])).await;
    assert_eq!(reached(&world, &json!({})).await.0, 3);
}

/// There is no instruction yet that would move anything: so nothing moves.
#[tokio::test]
async fn edge_case_70_a_school_that_becomes_another_is_another_tenant() {
    let (old, new) = (export::school().await, export::school().await);
    let sheet = Sheet::families(20);
    taken(&old, &sheet.bytes()).await;
    let parent = session(&old, 7, 0).await;
    let (pupil, contact) = ends(&old, 7).await;
    let path = format!("/people/{}/contacts/{}", ends(&old, 8).await.0, ends(&old, 8).await.1);
    old.put("office", &path, &json!({"restricted": true})).await.expect(200);
    let before = people_and_links(&old).await;

    // The academy takes over the same system: the same ids, other people.
    let upload = taken(&new, &sheet.bytes()).await;
    assert_eq!(upload["counts"]["pupil"]["created"], 20);
    let (there, her) = ends(&new, 7).await;
    assert!(there != pupil && her != contact);
    // No link, no restriction, no account has moved, and neither school sees the other's.
    let seen = children(&old, &parent).await;
    assert_eq!((seen.len(), &seen[0]["school_id"]), (1, &json!(old.school)));
    new.get("office", &format!("/people/{pupil}")).await.problem(404, "not_found");
    old.get("office", &format!("/people/{there}")).await.problem(404, "not_found");
    assert_eq!(links(&new, &ends(&new, 8).await.0).await[0]["restricted"], false);
    assert!(people_and_links(&old).await == before);
    // A parent proves herself to the new controller as to any other: the old school's code is of no use there.
    let mut elsewhere = mother(&old, 7);
    elsewhere["school_code"] = json!(new.code);
    let verification = claim(&new, &elsewhere).await;
    looked_at(&new, &verification).await;
    assert_eq!(stored(&new, &verification).await["verdict"]["S"], "proved_by_code");
    assert_eq!(children(&old, &parent).await.len(), 1, "until she enters the code");

    // The old school's last file is no deletion either.
    let last = old.upload(&Sheet::families(1).bytes()).await;
    held(&last, "many_missing");
    approved(&old, &last, &json!({})).await;
    assert_eq!(children(&old, &parent).await.len(), 1);
    assert_eq!(reached(&old, &json!({})).await.0, 1);
}
