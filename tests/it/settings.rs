//! What a school settles about its own files, and what files then do.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use crate::{
    sheet::{HEADER, Sheet},
    world::{World, text},
};

/// A day from today in the school's zone.
fn day(days: i64) -> String {
    let at = Timestamp::now() + SignedDuration::from_hours(24 * days);
    at.to_zoned(TimeZone::get("Europe/London").expect("a zone")).date().to_string()
}

/// What is so as long as nothing is settled: whoever answers e-mail helps parents too.
fn nothing() -> Value {
    json!({"column_mapping": {}, "org_id": null, "rollover": null, "support_email": "office@oakfield.example.org"})
}

#[tokio::test]
async fn a_school_names_its_own_columns() {
    let world = World::new().await;
    let nothing = nothing();
    assert_eq!(world.get("sender", "/settings").await.expect(200), nothing);
    // Headers that nobody else writes, and one more column.
    let sheet = Sheet::families(3).bytes();
    let own = HEADER.replace("StudentForename", "Kid's first name").replace("PrimaryEmail", "Write to (1)");
    let rows: Vec<_> =
        String::from_utf8_lossy(&sheet).lines().skip(1).map(|row| format!("{row},42\r\n")).collect();
    let file = format!("{own},Shoe size\r\n{}", rows.concat());
    let found = |upload: &Value| {
        let findings = upload["findings"].as_array().expect("a list").iter();
        findings.filter(|finding| finding["code"] == "column_unknown").count()
    };
    let unknown = world.upload_as(file.as_bytes(), "preview").await;
    assert_eq!((found(&unknown), &unknown["dropped_columns"]), (3, &json!(3)), "{unknown}");

    let settings = json!({
        "column_mapping": {
            "Kid's First Name": {"role": "pupil", "field": "given_name"},
            "Write to (1)": {"role": "contact", "field": "email"},
            "Shoe size": "ignore",
        },
        "org_id": "100123",
        "rollover": {"from": day(2), "until": day(30)},
        "support_email": "help@oakfield.example.org",
    });
    assert_eq!(world.put("office", "/settings", &settings).await.expect(200), settings);
    assert_eq!(world.get("dpo", "/settings").await.expect(200), settings);
    let done = world.upload(file.as_bytes()).await;
    assert_eq!((text(&done["status"]), found(&done)), ("done", 0), "{done}");
    let contact = &world.search(&json!({"source_id": "C0001"})).await[0];
    assert_eq!(contact["email"], "grace1@example.com");
    assert_eq!(world.search(&json!({"given_name": "Ada"})).await.len(), 3);

    // All of them are replaced.
    assert_eq!(world.put("office", "/settings", &json!({})).await.expect(200), nothing);
}

#[tokio::test]
async fn settings_that_nobody_knows_or_may_set_are_refused() {
    let world = World::new().await;
    for role in ["sender", "approver", "dpo"] {
        world.put(role, "/settings", &json!({})).await.problem(403, "forbidden");
    }
    for (body, fault) in [
        (json!({"colour": "red"}), " unknown_setting"),
        (json!({"column_mapping": {"E-mail": "ignore", "email": "ignore"}}), "/column_mapping column_twice"),
        (json!({"rollover": {"from": day(2), "until": day(1)}}), "/rollover/until before_start"),
        (json!({"support_email": "help"}), "/support_email invalid"),
    ] {
        let refused = world.put("office", "/settings", &body).await;
        assert_eq!((refused.status, refused.faults()), (422, vec![fault.to_owned()]), "{}", refused.body);
    }
    for body in [
        json!({"column_mapping": {"x": {"role": "pupil", "field": "shoe_size"}}}),
        json!({"column_mapping": {"x": "drop"}}),
        json!({"rollover": {"from": "soon", "until": day(1)}}),
        json!({"rollover": {"from": day(1), "until": day(1), "reason": "x"}}),
        json!([]),
    ] {
        world.put("office", "/settings", &body).await.problem(400, "malformed_body");
    }
    assert_eq!(world.get("office", "/settings").await.expect(200), nothing());
}

/// Edge case 50: in the window that the school has named, a year that leaves is what was to be expected; it still waits, but
/// for nobody in particular.
#[tokio::test]
async fn edge_case_50_a_rollover_is_planned() {
    let world = World::new().await;
    assert_eq!(world.upload(&Sheet::families(10).bytes()).await["status"], "done");
    let leavers = Sheet(Sheet::families(10).0[2..].to_vec()).bytes();
    let held = async |window: Value| {
        world.put("office", "/settings", &json!({"rollover": window})).await.expect(200);
        let upload = world.upload(&leavers).await;
        assert_eq!(upload["status"], "review");
        text(&upload["held_because"]).to_owned()
    };
    assert_eq!(held(json!({"from": day(2), "until": day(9)})).await, "many_missing");
    assert_eq!(held(json!({"from": day(-1), "until": day(1)})).await, "planned_rollover");
    // More than a rollover is never expected.
    let half = Sheet(Sheet::families(10).0[6..].to_vec()).bytes();
    assert_eq!(world.upload(&half).await["held_because"], "many_missing");
}
