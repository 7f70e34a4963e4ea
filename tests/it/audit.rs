//! Who saw whose record is on record, before it is seen; and how much a school is used, without whose use it was.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use local::tap::{Fault, Kind, Match};
use serde_json::{Value, json};

use crate::{
    parents::{address, children, school as with_codes, session},
    people::id,
    sheet::{EMAIL, Row, Sheet},
    template::load,
    world::{World, text},
};

async fn school(families: usize) -> World {
    let world = World::new().await;
    let upload = world.upload(&Sheet::families(families).bytes()).await;
    assert_eq!(upload["status"], "done", "{upload}");
    world
}

/// The items of this school's audit, in DynamoDB's JSON, oldest first.
async fn stored(world: &World) -> Vec<Value> {
    let partition = format!("SCH#{}#AUDIT", world.school);
    world.stack.dynamo_query("MessagingTable", &partition, "").await.expect("the table answers")
}

/// The audit as the data protection lead is told it, newest first.
async fn told(world: &World, query: &str) -> Vec<Value> {
    world.list("dpo", &format!("/audit?{query}")).await
}

/// The newest entries: action and number of subjects.
fn newest(entries: &[Value], many: usize) -> Vec<(&str, usize)> {
    entries
        .iter()
        .take(many)
        .map(|entry| (text(&entry["action"]), entry["subjects"].as_array().map_or(0, Vec::len)))
        .collect()
}

fn subjects(entry: &Value) -> BTreeSet<&str> {
    entry["subjects"].as_array().expect("a list").iter().map(text).collect()
}

const PEOPLE: &str = "/v1/schools/{school_id}/people";

#[tokio::test]
async fn what_a_parent_sees_is_on_record_at_the_school_by_ids_alone() {
    let twin = Row::family(21).with(0, "Bea").with(2, "P0099");
    let world = with_codes(vec![Row::family(21), twin, Row::family(22)]).await;
    let mother = session(&world, 21, 0).await;
    let before = Timestamp::now();
    let seen = children(&world, &mother).await;
    assert_eq!(seen.len(), 2);
    let one = text(&seen[0]["person_id"]);
    world.get(&mother, &format!("/v1/me/children/{one}")).await.expect(200);
    let me = world.get(&mother, "/v1/me").await.expect(200);
    // Somebody else's child is not shown, and so not seen.
    let other = id(&world, "pupil", "P0022").await;
    world.get(&mother, &format!("/v1/me/children/{other}")).await.problem(404, "not_found");

    let entries = told(&world, &format!("actor={}", text(&me["account_id"]))).await;
    assert_eq!(newest(&entries, 9), [("GET /v1/me/children/{person_id}", 1), ("GET /v1/me/children", 2)]);
    assert_eq!(subjects(&entries[0]), BTreeSet::from([one]));
    assert_eq!(subjects(&entries[1]), seen.iter().map(|child| text(&child["person_id"])).collect());
    for entry in &entries {
        assert_eq!(entry["actor"], json!({"kind": "parent", "id": me["account_id"]}));
        assert_eq!((&entry["refused"], &entry["about"]), (&json!(false), &json!([])));
        let from = text(&entry["from"]);
        assert!(from.len() == 32 && from.bytes().all(|digit| digit.is_ascii_hexdigit()), "{from}");
        assert_eq!(entry["from"], entries[0]["from"], "from one place");
        let at: Timestamp = text(&entry["at"]).parse().expect("an instant");
        assert!(at.as_second() >= before.as_second() && at <= Timestamp::now(), "{at}");
        assert!(text(&entry["audit_id"]).starts_with("aud_"));
    }

    // Nothing personal is in the items: no name, class, number or address of anybody, not even whence they asked.
    let items = json!(stored(&world).await).to_string();
    for personal in
        ["Ada", "Bea", "Grace", "Family", "example.com", "7700900", "2018-", "127.0.0.1", "ses_", "Bearer"]
    {
        assert!(!items.contains(personal), "{personal} in {items}");
    }
    assert!(items.contains(one));
}

#[tokio::test]
async fn what_staff_see_and_do_is_on_record() {
    let world = school(3).await;
    let (pupil, contact) = (id(&world, "pupil", "P0001").await, id(&world, "contact", "C0001").await);
    let other = id(&world, "contact", "C0002").await;
    let started = stored(&world).await.len();
    world.get("sender", &format!("/people/{pupil}")).await.expect(200);
    world.get("office", "/people?role=pupil&limit=2").await.expect(200);
    assert_eq!(world.search(&json!({"family_name": "Family1"})).await.len(), 2);
    assert_eq!(world.search(&json!({"family_name": "Nobody"})).await.len(), 0);
    let change = json!({"version": 1, "given_name": "Greta"});
    world.patch("office", &format!("/people/{contact}"), &change).await.expect(200);
    let link = format!("/people/{pupil}/contacts/{contact}");
    world.put("office", &link, &json!({"relationship": "mother"})).await.expect(200);
    let merge = json!({"other": other, "version": 2});
    world.post("office", &format!("/people/{contact}/merge"), &merge).await.expect(200);
    let draft = json!({
        "purpose": "service", "channels": ["email"], "subject": "Trip", "body": "((child)) goes on a trip.", "audience": {"people": [pupil]},
    });
    let preview = world.post("sender", "/messages/preview", &draft).await.expect(200);
    assert!(text(&preview["sample"]["text"]).contains("Ada"));
    let message = text(&world.post("sender", "/messages", &draft).await.expect(202)["message_id"]).to_owned();
    world.drain(&message).await;
    world.get("sender", &format!("/messages/{message}/recipients")).await.expect(200);
    world.delete("office", &format!("/people/{pupil}")).await.expect(204);
    // What is not given is not seen, and what shows nobody needs no entry.
    world.get("office", &format!("/people/{pupil}")).await.problem(404, "not_found");
    world.post("sender", "/people", &json!({})).await.problem(403, "forbidden");
    for path in ["", "/settings", "/messages", "/uploads", "/connectors", "/usage"] {
        world.get("office", path).await.expect(200);
    }

    let entries = told(&world, "").await;
    let person = format!("{PEOPLE}/{{person_id}}");
    let expected = [
        (format!("DELETE {person}"), vec![&pupil]),
        ("GET /v1/schools/{school_id}/messages/{message_id}/recipients".to_owned(), vec![&contact]),
        ("POST /v1/schools/{school_id}/messages".to_owned(), vec![]),
        ("POST /v1/schools/{school_id}/messages/preview".to_owned(), vec![&pupil, &contact]),
        (format!("POST {person}/merge"), vec![&contact, &other]),
        (format!("PUT {PEOPLE}/{{pupil_id}}/contacts/{{contact_id}}"), vec![&pupil, &contact]),
        (format!("PATCH {person}"), vec![&contact]),
        (format!("POST {PEOPLE}/search"), vec![]),
        (format!("POST {PEOPLE}/search"), vec![&pupil, &contact]),
    ];
    for (entry, (action, people)) in entries.iter().zip(&expected) {
        assert_eq!(entry["action"], **action);
        assert_eq!(subjects(entry), people.iter().map(|id| id.as_str()).collect(), "{action}");
        assert_eq!(entry["actor"]["kind"], "staff");
    }
    let more = newest(&entries[expected.len()..], 2);
    assert_eq!(more[0], (format!("GET {PEOPLE}").as_str(), 2));
    assert_eq!(more[1].0, format!("GET {person}"));
    assert!(
        subjects(&entries[expected.len() + 1])
            .is_superset(&BTreeSet::from([pupil.as_str(), contact.as_str()]))
    );
    assert_eq!(entries.len(), started + expected.len() + 2);
    for entry in &entries[1..4] {
        assert_eq!(
            entry["about"],
            if text(&entry["action"]).contains("preview") { json!([]) } else { json!([message]) }
        );
    }
    let staff: BTreeSet<_> = entries.iter().map(|entry| text(&entry["actor"]["id"])).collect();
    assert_eq!(staff.len(), 2, "sender and office");
    let items = json!(stored(&world).await).to_string();
    for personal in ["Ada", "Greta", "Family1", "example.com", "Trip"] {
        assert!(!items.contains(personal), "{personal}");
    }
}

#[tokio::test]
async fn the_audit_is_the_data_protection_leads_and_looking_at_it_is_on_record() {
    let world = school(2).await;
    let (ours, theirs) = (id(&world, "pupil", "P0000").await, id(&world, "pupil", "P0001").await);
    for _ in 0..3 {
        world.get("office", &format!("/people/{ours}")).await.expect(200);
        world.get("sender", &format!("/people/{theirs}")).await.expect(200);
    }
    for role in ["office", "sender", "approver"] {
        world.get(role, "/audit").await.problem(403, "forbidden");
    }
    world.get("nobody", "/audit").await.expect(401);
    let path = format!("/v1/schools/{}/audit", world.school);
    World::new().await.get("dpo", &path).await.problem(404, "not_found");

    let all = told(&world, "").await;
    let mut ids: Vec<_> = all.iter().map(|entry| text(&entry["audit_id"])).collect();
    assert!(ids.iter().rev().is_sorted(), "the newest first");
    ids.dedup();
    assert_eq!(ids.len(), all.len());
    // In pages.
    let first = world.get("dpo", "/audit?limit=3").await.expect(200);
    assert_eq!(first["items"].as_array().map(Vec::len), Some(3));
    let next =
        world.get("dpo", &format!("/audit?limit=3&cursor={}", text(&first["next_cursor"]))).await.expect(200);
    let look = &first["items"][0];
    assert_eq!(
        (text(&look["action"]), look["subjects"].clone()),
        ("GET /v1/schools/{school_id}/audit", json!([]))
    );
    assert_eq!(
        next["items"][0], all[2],
        "the page begins where the other one ended: one look more lies before"
    );

    let person = told(&world, &format!("person_id={ours}")).await;
    assert_eq!(person.iter().filter(|entry| text(&entry["action"]).starts_with("GET")).count(), 3);
    assert!(person.iter().all(|entry| subjects(entry).contains(ours.as_str())));
    // The office only came across the other one when it searched.
    let office = text(&person[0]["actor"]["id"]);
    let both = told(&world, &format!("actor={office}&person_id={theirs}")).await;
    assert_eq!(newest(&both, 9), [("POST /v1/schools/{school_id}/people/search", 1)]);
    let today = shared::time::date_in(shared::time::DEFAULT_ZONE, Timestamp::now());
    let yesterday = today.yesterday().expect("a day");
    assert!(told(&world, &format!("from={yesterday}&until={today}")).await.len() >= all.len());
    assert_eq!(told(&world, &format!("until={yesterday}")).await, Vec::<Value>::new());
    for (query, fault) in [
        ("person_id=Ada", " person_id"),
        ("from=yesterday", " from"),
        ("until=2026-13-01", " until"),
        ("cursor=x", " cursor"),
    ] {
        let refused = world.get("dpo", &format!("/audit?{query}")).await;
        assert_eq!((refused.status, refused.faults()), (422, vec![fault.to_owned()]));
        assert!(!refused.body.to_string().contains("Ada"));
    }
}

#[tokio::test]
async fn nothing_is_shown_that_is_not_on_record() {
    let world = with_codes(vec![Row::family(31)]).await;
    let mother = session(&world, 31, 0).await;
    let pupil = id(&world, "pupil", "P0031").await;
    let before = stored(&world).await.len();
    for (function, who, path) in [
        ("parent-api", mother.as_str(), "/v1/me/children".to_owned()),
        ("staff-api", "office", format!("/people/{pupil}")),
    ] {
        let fails = async |action: &str| {
            let on = Match {
                action: Some(action.to_owned()),
                function: Some(function.to_owned()),
                contains: Some(format!("{}#", world.school)),
                ..Match::default()
            };
            // More often than the SDK tries.
            let fault = Fault { on, fault: Kind::Error500, skip: 0, times: 3 };
            world.stack.fault(&fault).await.expect("the tap takes it")
        };
        let fault = fails("PutItem").await;
        let withheld = world.get(who, &path).await.problem(500, "internal").to_string();
        assert!(!withheld.contains("Ada") && !withheld.contains(&pupil), "{withheld}");
        assert_eq!(world.stack.fault_state(fault).await.expect("the tap knows it").fired, 3);
        assert_eq!(stored(&world).await.len(), before);
        world.stack.clear_fault(fault).await.expect("it is cleared");
    }
    // A count that fails costs nobody an answer.
    let on = Match {
        action: Some("UpdateItem".to_owned()),
        function: Some("parent-api".to_owned()),
        contains: Some(format!("{}#USAGE", world.school)),
        ..Match::default()
    };
    let fault = Fault { on, fault: Kind::Error500, skip: 0, times: 3 };
    let fault = world.stack.fault(&fault).await.expect("the tap takes it");
    assert_eq!(children(&world, &mother).await.len(), 1);
    assert!(world.stack.fault_state(fault).await.expect("the tap knows it").fired > 0);
    world.stack.clear_fault(fault).await.expect("it is cleared");
    assert_eq!(stored(&world).await.len(), before + 1);
}

/// Routes of the contract that can show a person, and how each is asked for. A route that is new here says how, or why not.
#[tokio::test]
async fn every_route_that_reads_people_leaves_an_entry() {
    let world = with_codes(vec![Row::family(41), Row::family(42)]).await;
    let mother = session(&world, 41, 0).await;
    let (pupil, parent) = (id(&world, "pupil", "P0041").await, id(&world, "contact", "C0041").await);
    let draft = json!({"purpose": "service", "channels": ["app"], "subject": "Trip", "body": "On Friday.", "audience": {"year_groups": ["3"]}});
    let message = text(&world.post("sender", "/messages", &draft).await.expect(202)["message_id"]).to_owned();
    world.drain(&message).await;
    let point = json!({"email": "grace42@example.com", "suppressed": true});
    world.put("office", "/suppressions", &point).await.expect(200);
    let asked = BTreeMap::from([
        ("GET /v1/schools/{school_id}/people", ("office", "/people".to_owned())),
        (
            "GET /v1/schools/{school_id}/people/{person_id}/consents",
            ("office", format!("/people/{parent}/consents")),
        ),
        ("GET /v1/schools/{school_id}/people/{person_id}", ("office", format!("/people/{pupil}"))),
        (
            "GET /v1/schools/{school_id}/messages/{message_id}/recipients",
            ("office", format!("/messages/{message}/recipients")),
        ),
        ("GET /v1/schools/{school_id}/suppressions", ("office", "/suppressions".to_owned())),
        ("GET /v1/schools/{school_id}/audit", ("dpo", "/audit".to_owned())),
        ("GET /v1/me/children", (mother.as_str(), "/v1/me/children".to_owned())),
        ("GET /v1/me/preferences", (mother.as_str(), "/v1/me/preferences".to_owned())),
        ("GET /v1/me/messages", (mother.as_str(), "/v1/me/messages".to_owned())),
        ("GET /v1/me/messages/{message_id}", (mother.as_str(), format!("/v1/me/messages/{message}"))),
        ("GET /v1/me/children/{person_id}", (mother.as_str(), format!("/v1/me/children/{pupil}"))),
    ]);
    // These name people only while something waits: whom a new row is taken for, who a claimant could be, and what
    // somebody has asked for.
    let now_and_then = [
        "GET /v1/schools/{school_id}/uploads",
        "GET /v1/schools/{school_id}/uploads/{upload_id}",
        "GET /v1/connector/uploads/{upload_id}",
        "GET /v1/schools/{school_id}/verifications",
        "GET /v1/schools/{school_id}/subject-requests",
        "GET /v1/schools/{school_id}/subject-requests/{request_id}",
        "GET /v1/me/subject-requests",
    ];
    let contract = load("infra/openapi.yaml");
    let mut showing = BTreeSet::new();
    for (path, item) in contract["paths"].as_object().expect("paths") {
        let answer = &item["get"]["responses"]["200"];
        if names_people(&contract, answer, &mut BTreeSet::new()) {
            showing.insert(format!("GET {path}"));
        }
    }
    for route in &showing {
        let Some((who, path)) = asked.get(route.as_str()) else {
            assert!(now_and_then.contains(&route.as_str()), "{route} shows people: say how to ask for it");
            continue;
        };
        world.get(who, path).await.expect(200);
        // Looking there is the newest entry itself, but not on the page that it is told on.
        let newest_entry = &world.get("dpo", "/audit?limit=1").await.expect(200)["items"][0];
        assert_eq!(text(&newest_entry["action"]), route);
    }
    assert!(asked.keys().all(|route| showing.contains(*route)), "{showing:?}");
}

/// Whether a part of the contract, with what it refers to, has a person's id.
fn names_people(contract: &Value, part: &Value, seen: &mut BTreeSet<String>) -> bool {
    match part {
        Value::Object(members) => members.iter().any(|(name, value)| {
            let Some(to) = value.as_str().filter(|_| name == "$ref") else {
                return names_people(contract, value, seen);
            };
            let is_new = seen.insert(to.to_owned());
            to.ends_with("/PersonId")
                || (is_new && names_people(contract, contract.pointer(&to[1..]).expect("it is there"), seen))
        }),
        Value::Array(all) => all.iter().any(|one| names_people(contract, one, seen)),
        _ => false,
    }
}

#[tokio::test]
async fn edge_case_25_a_restricted_parent_is_kept_away_at_work_too() {
    let world = World::new().await;
    // The address that the local pool gives the second person in the office.
    let address = format!("office2.{}@staff.example.com", world.school);
    // Two children and both parents; and another family of whom nothing keeps him away.
    let (father, theirs) = (Row::family(1).with(8, "Cy").with(10, "C9"), Row::family(2));
    let rows = vec![Row::family(1), father.with(EMAIL, &address).with(12, "07700 900999"), theirs];
    let upload = world.upload(&Sheet(rows).bytes()).await;
    assert_eq!(upload["status"], "done", "{upload}");
    let (pupil, mother) = (id(&world, "pupil", "P0001").await, id(&world, "contact", "C0001").await);
    let (father, other) = (id(&world, "contact", "C9").await, id(&world, "pupil", "P0002").await);

    let him = "office#2";
    for person in [&pupil, &mother, &father, &other] {
        world.get(him, &format!("/people/{person}")).await.expect(200);
    }
    let link = format!("/people/{pupil}/contacts/{father}");
    world.put("office", &link, &json!({"restricted": true})).await.expect(200);
    let kept = [&pupil, &mother, &father];
    for person in kept {
        let path = format!("/people/{person}");
        world.get(him, &path).await.problem(404, "not_found");
        world.patch(him, &path, &json!({"version": 1, "email": null})).await.problem(404, "not_found");
        world.delete(him, &path).await.problem(404, "not_found");
        // Nor by joining them with somebody of whom nothing keeps him away.
        let merge = json!({"other": person, "version": 1});
        world.post(him, &format!("/people/{other}/merge"), &merge).await.problem(404, "not_found");
    }
    // The restriction is not his to lift.
    world.put(him, &link, &json!({"restricted": false})).await.problem(404, "not_found");
    world.delete(him, &link).await.problem(404, "not_found");
    let entries = told(&world, "limit=100").await;
    let refused: Vec<_> = entries.iter().filter(|entry| entry["refused"] == true).collect();
    assert_eq!(refused.len(), 3 * 4 + 2);
    assert!(refused.iter().any(|entry| subjects(entry) == BTreeSet::from([pupil.as_str()])));

    // Neither lists nor searches have them; the rest of the school is there.
    let listed = world.list(him, "/people").await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    for page in ["/people?limit=1", "/people?limit=1&role=contact"] {
        let seen = world.list(him, page).await;
        assert!(seen.iter().all(|person| !kept.iter().any(|kept| person["person_id"] == **kept)));
    }
    let search = world.post(him, "/people/search", &json!({"family_name": "Family1"})).await.expect(200);
    assert_eq!(search["items"], json!([]));
    world.get(him, &format!("/people/{other}")).await.expect(200);
    // Of his colleagues nothing is kept; and of him nothing any more once it is lifted.
    assert_eq!(world.search(&json!({"family_name": "Family1"})).await.len(), 3);
    world.put("office", &link, &json!({"restricted": false})).await.expect(200);
    world.get(him, &format!("/people/{mother}")).await.expect(200);
}

#[tokio::test]
async fn the_use_of_routes_is_counted_and_nobodys() {
    let world = with_codes(vec![Row::family(51)]).await;
    let mother = session(&world, 51, 0).await;
    for _ in 0..3 {
        children(&world, &mother).await;
    }
    world.get(&mother, "/v1/me").await.expect(200);
    world.get("sender", "/people").await.expect(200);
    world.get("sender", "/people").await.expect(200);
    // What was not answered was no use.
    world.get("approver", "/people").await.problem(403, "forbidden");
    world.delete(&mother, "/v1/sessions/current").await.expect(204);
    world.get(&mother, "/v1/me").await.problem(401, "unauthorised");

    let today = shared::time::date_in(shared::time::DEFAULT_ZONE, Timestamp::now());
    let used = world.get("office", "/usage").await.expect(200);
    let counts = &used["items"][0]["counts"];
    for (route, count) in [
        ("GET /v1/me/children", json!(3)),
        ("GET /v1/me", json!(1)),
        ("DELETE /v1/sessions/current", json!(1)),
        ("GET /v1/schools/{school_id}/people", json!(2)),
        ("GET /v1/schools/{school_id}/usage", Value::Null),
    ] {
        assert_eq!(counts[route], count, "{route}: {used}");
    }
    // Whoever runs past midnight has two days.
    assert_eq!(used["items"].as_array().map(Vec::len), Some(1));
    let again = world.get("dpo", &format!("/usage?from={today}&until={today}")).await.expect(200);
    assert_eq!(again["items"][0]["counts"]["GET /v1/schools/{school_id}/usage"], 1);
    let long_ago = world.get("dpo", "/usage?from=2026-01-01&until=2026-01-31").await.expect(200);
    assert_eq!(long_ago, json!({"items": [], "next_cursor": null}));
    for query in ["from=2026-02-01&until=2026-01-31", "from=2026-01-01&until=2026-04-03", "from=soon"] {
        let refused = world.get("dpo", &format!("/usage?{query}")).await;
        assert_eq!((refused.status, refused.faults()), (422, vec![" from".to_owned()]), "{query}");
    }
    for role in ["sender", "approver"] {
        world.get(role, "/usage").await.problem(403, "forbidden");
    }
    let path = format!("/v1/schools/{}/usage", world.school);
    World::new().await.get("dpo", &path).await.problem(404, "not_found");

    // Routes, days and numbers.
    let partition = format!("SCH#{}#USAGE", world.school);
    let items = world.stack.dynamo_query("MessagingTable", &partition, "").await.expect("the table answers");
    for item in &items {
        let names: BTreeSet<_> = item.as_object().expect("an item").keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(["pk", "sk", "kind", "school_id", "day", "route", "count"]));
    }
    let items = json!(items).to_string();
    for personal in ["acc_", "per_", "ses_", "Family", "127.0.0.1", &address()[..4]] {
        assert!(!items.contains(personal), "{personal}");
    }
}
