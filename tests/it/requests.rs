//! What people ask of a school under data protection law: parents in the app, anybody by letter; and what the school says to it.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use local::{eventually, tap::Sent};
use serde_json::{Value, json};
use shared::privacy::clock;

use crate::{
    parents::{children, person, place, school, session},
    sheet::{EMAIL, MOBILE, RELATIONSHIP, Row, Sheet, YEAR},
    world::{DEADLINE, World, failures, sqs_event, text},
};

const MINE: &str = "/v1/me/subject-requests";

/// Today in the school's zone.
fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::get("Europe/London").expect("a zone")).date()
}

fn note(text: &str) -> Value {
    json!({"decision": "refused", "note": text})
}

/// The mails to the data protection lead that name a request, once there are some.
async fn told(world: &World, request: &Value) -> Vec<Sent> {
    let mails = eventually("the data protection lead is told", DEADLINE, async || {
        let mails = world.outbox_with(text(&request["request_id"])).await;
        Ok((!mails.is_empty()).then_some(mails))
    });
    mails.await.expect("they are")
}

fn path(request: &Value) -> String {
    format!("/subject-requests/{}", text(&request["request_id"]))
}

async fn decide(world: &World, request: &Value, decision: &str, note: Option<&str>) -> Value {
    let version = world.get("dpo", &path(request)).await.expect(200)["version"].clone();
    let body = json!({"decision": decision, "note": note, "version": version});
    world.post("dpo", &format!("{}/decision", path(request)), &body).await.expect(200)
}

/// Edge case 26: a changed number is proposed. Nobody but the school hears of it, and the old one stays in use until then.
#[tokio::test]
async fn edge_case_26_a_correction_is_proposed_and_not_written() {
    let father = Row::family(121)
        .with(place::CONTACT_GIVEN, "Cy")
        .with(place::CONTACT_ID, "C2")
        .with(RELATIONSHIP, "Father")
        .with(EMAIL, "cy121@example.com")
        .with(MOBILE, "07700 900621");
    let world = school(vec![Row::family(121), father]).await;
    let mother = session(&world, 121, 0).await;
    let me = person(&world, "C0121", "contact").await;
    let proposal =
        json!({"person_id": me, "field": "mobile", "proposed": "07700 900721", "note": "New phone"});
    let made = world.post(&mother, "/v1/me/corrections", &proposal).await.expect(201);
    assert_eq!(
        (&made["kind"], &made["status"], &made["field"], &made["proposed"], &made["note"], &made["answer"]),
        (
            &json!("rectification"),
            &json!("open"),
            &json!("mobile"),
            &json!("+447700900721"),
            &json!("New phone"),
            &Value::Null
        )
    );
    assert_eq!(made["due_on"], json!(clock::due(today(), 1)));

    // The lead gets reference and date, once, and nothing about anybody.
    let mails = told(&world, &made).await;
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, "dpo@oakfield.example.org"));
    assert!(
        mails[0].text.contains(text(&made["request_id"])) && mails[0].text.contains(text(&made["due_on"]))
    );
    for personal in ["Grace", "Family121", "900721", "900121", "mobile", me.as_str()] {
        assert!(!mails[0].text.contains(personal), "{personal}: {}", mails[0].text);
    }

    // The directory is as it was, and the old number is written to.
    let known = world.get("office", &format!("/people/{me}")).await.expect(200);
    assert_eq!((&known["mobile"], &known["version"]), (&json!("+447700900121"), &json!(1)));
    let draft = json!({"purpose": "service", "channels": ["sms"], "body": format!("Boots. [{}]", world.school), "audience": {"people": [me]}});
    let message = world.post("sender", "/messages", &draft).await.expect(202);
    world.drain(text(&message["message_id"])).await;
    let sent = world.outbox_with(&world.school).await;
    assert_eq!(
        sent.iter()
            .filter(|sent| sent.text.contains("Boots"))
            .map(|sent| sent.to.as_str())
            .collect::<Vec<_>>(),
        ["+447700900121"]
    );
    // What was typed lies nowhere in clear.
    let items = json!(world.directory("REQ#").await).to_string();
    assert!(
        items.contains(text(&made["request_id"]))
            && !items.contains("900721")
            && !items.contains("New phone")
    );

    // The other parent is not told, and their list is their own.
    for point in ["+447700900621", "cy121@example.com"] {
        // But for the account that was opened, which every other contact of the child hears of.
        let mut told = world.outbox_with(point).await;
        told.retain(|sent| !sent.text.contains("has opened a Bookbag account"));
        assert_eq!(told.len(), 0, "{point}");
    }
    let cy = json!({
        "school_code": world.code, "parent": {"given_name": "Cy", "family_name": "Family121", "mobile": "07700 900621", "email": "cy121@example.com"},
        "child": {"given_name": "Ada", "family_name": "Family121", "date_of_birth": "2018-05-14"},
    });
    let verification = crate::parents::claim(&world, &cy).await;
    let codes = async || {
        let sent = crate::parents::codes(&world).await;
        sent.into_iter().filter(|sent| sent.to == "+447700900621").collect::<Vec<_>>()
    };
    let code = eventually("his code is sent", DEADLINE, async || Ok(codes().await.into_iter().next()));
    let code = code.await.expect("it is").text;
    let entered = crate::parents::enter(&world, &verification, &code[..8]).await.expect(201);
    let father = format!("Bearer {}", text(&entered["session_token"]));
    assert_eq!(world.get(&father, MINE).await.expect(200)["items"], json!([]));
    assert_eq!(world.get(&mother, MINE).await.expect(200)["items"], json!([made]));

    // The office sees it, writes the number itself, and says so.
    let seen = world.get("office", "/subject-requests?status=open").await.expect(200);
    assert_eq!(seen["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&seen["items"][0]["proposed"], &seen["items"][0]["made_by"]),
        (&json!("+447700900721"), &json!({"contact_id": me}))
    );
    world
        .patch("office", &format!("/people/{me}"), &json!({"mobile": "+447700900721", "version": 1}))
        .await
        .expect(200);
    let closed = decide(&world, &made, "completed", Some("Thank you, it is changed.")).await;
    assert_eq!((&closed["status"], &closed["due_on"]), (&json!("closed"), &Value::Null));
    let mine = &world.get(&mother, MINE).await.expect(200)["items"][0];
    assert_eq!(
        (&mine["status"], &mine["decision"], &mine["answer"]),
        (&json!("closed"), &json!("completed"), &json!("Thank you, it is changed."))
    );
    assert_eq!(world.get("dpo", "/subject-requests?status=open").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_parent_asks_about_themselves_and_the_children_they_see() {
    let world = school(vec![Row::family(122), Row::family(123)]).await;
    let (mother, other) = (session(&world, 122, 0).await, session(&world, 123, 1).await);
    let (me, child) = (person(&world, "C0122", "contact").await, person(&world, "P0122", "pupil").await);
    let (their_child, them) =
        (person(&world, "P0123", "pupil").await, person(&world, "C0123", "contact").await);
    let ask = async |who: &str, kind: &str, about: &str| {
        world.post(who, MINE, &json!({"kind": kind, "person_id": about, "note": "Please."})).await
    };
    for kind in ["access", "erasure", "restriction", "portability", "complaint", "rectification"] {
        let made = ask(&mother, kind, &me).await.expect(201);
        let due = if kind == "complaint" { clock::acknowledge_by(today()) } else { clock::due(today(), 1) };
        assert_eq!(
            (&made["kind"], &made["due_on"], &made["note"]),
            (&json!(kind), &json!(due), &json!("Please."))
        );
    }
    ask(&mother, "access", &child).await.expect(201);
    for about in [their_child.as_str(), them.as_str(), "per_019b76da880070008000000000000009"] {
        let refused = ask(&mother, "access", about).await;
        assert_eq!(
            (refused.status, refused.faults()),
            (422, vec!["/person_id not_yours".to_owned()]),
            "{about}"
        );
        let correction = json!({"person_id": about, "field": "given_name", "proposed": "Eve"});
        let refused = world.post(&mother, "/v1/me/corrections", &correction).await;
        assert_eq!(
            (refused.status, refused.faults()),
            (422, vec!["/person_id not_yours".to_owned()]),
            "{about}"
        );
    }
    for (correction, fault) in [
        (json!({"person_id": me, "field": "mobile", "proposed": "12"}), "/proposed phone_invalid"),
        (json!({"person_id": me, "field": "mobile", "proposed": "01632 960123"}), "/proposed other_kind"),
        (json!({"person_id": me, "field": "given_name", "proposed": " "}), "/proposed blank"),
        (json!({"person_id": me, "field": "address", "proposed": "1 High Street"}), "/field not_here"),
        (json!({"person_id": me, "field": "restricted", "proposed": "no"}), "/field not_here"),
        (json!({"person_id": child, "field": "email", "proposed": "ada@example.com"}), "/field not_agreed"),
        (
            json!({"person_id": child, "field": "date_of_birth", "proposed": "31/02/2018"}),
            "/proposed date_invalid",
        ),
        (
            json!({"person_id": me, "field": "email", "proposed": null, "note": "x".repeat(2_001)}),
            "/note too_long",
        ),
    ] {
        let refused = world.post(&mother, "/v1/me/corrections", &correction).await;
        assert_eq!(
            (refused.status, refused.faults().join(", ")),
            (422, fault.to_owned()),
            "{}",
            refused.body
        );
    }
    for malformed in [
        json!({"person_id": me, "field": "mobile"}),
        json!({"person_id": me, "field": "shoe_size", "proposed": "42"}),
        json!({"person_id": me, "field": "mobile", "proposed": 7}),
        json!({"person_id": "me", "field": "mobile", "proposed": null}),
        json!([]),
    ] {
        world.post(&mother, "/v1/me/corrections", &malformed).await.problem(400, "malformed_body");
    }
    world
        .post(&mother, MINE, &json!({"kind": "praise", "person_id": me}))
        .await
        .problem(400, "malformed_body");
    for who in ["nobody", &format!("Bearer {}", world.token("dpo").await)] {
        world.get(who, MINE).await.problem(401, "unauthorised");
        ask(who, "access", &me).await.problem(401, "unauthorised");
    }
    assert_eq!(world.get(&other, MINE).await.expect(200)["items"], json!([]));
    let mine = world.get(&mother, MINE).await.expect(200);
    assert_eq!(mine["items"].as_array().map(Vec::len), Some(7));
    assert_eq!(mine["items"][0]["person_id"], json!(child), "the newest first");

    // Of a child whom she may not see any more she reads nothing, and asks nothing; about herself she may.
    let link = json!({"relationship": "mother", "parental_responsibility": "yes", "restricted": true, "priority": 1});
    world.put("office", &format!("/people/{child}/contacts/{me}"), &link).await.expect(200);
    assert!(children(&world, &mother).await.is_empty());
    assert_eq!(ask(&mother, "access", &child).await.faults(), ["/person_id not_yours"]);
    let mine = world.get(&mother, MINE).await.expect(200);
    assert!(
        mine["items"]
            .as_array()
            .is_some_and(|items| items.len() == 6 && items.iter().all(|item| item["person_id"] == me))
    );
    ask(&mother, "access", &me).await.expect(201);
    // Nobody floods the school: of twenty a day, eight are made.
    let mut made = 8;
    let limited = loop {
        match ask(&mother, "access", &me).await {
            answer if answer.status == 201 => made += 1,
            answer => break answer,
        }
    };
    limited.problem(429, "too_many_requests");
    assert_eq!(made, 20);
}

#[tokio::test]
async fn a_repeated_request_is_one() {
    let world = school(vec![Row::family(124)]).await;
    let mother = session(&world, 124, 0).await;
    let me = person(&world, "C0124", "contact").await;
    let key = [("idempotency-key", "once")];
    let body = json!({"kind": "access", "person_id": me});
    let post = async |who: &str, path: &str, body: &Value| {
        world.send(reqwest::Method::POST, who, path, Some(body), &key).await
    };
    let first = post(&mother, MINE, &body).await.expect(201);
    assert_eq!(post(&mother, MINE, &body).await.expect(201), first);
    post(&mother, MINE, &json!({"kind": "erasure", "person_id": me}))
        .await
        .problem(422, "idempotency_key_reused");
    assert_eq!(world.get(&mother, MINE).await.expect(200)["items"].as_array().map(Vec::len), Some(1));
    let recorded = post("dpo", "/subject-requests", &body).await.expect(201);
    assert_eq!(
        post("dpo", "/subject-requests", &body).await.expect(201)["request_id"],
        recorded["request_id"]
    );

    // The task once more: one mail each.
    for request in [&first, &recorded] {
        told(&world, request).await;
        let task = json!({"v": 1, "task": "tell_of_request", "school_id": world.school, "request_id": request["request_id"]});
        let event = sqs_event("send", &[task.to_string(), task.to_string()]);
        let answer = world.stack.invoke("message-send", &event).await.expect("it can be invoked");
        assert_eq!(failures(&answer.payload), Vec::<String>::new());
        assert_eq!(told(&world, request).await.len(), 1);
    }
}

#[tokio::test]
async fn staff_record_what_comes_by_letter_and_decide_it() {
    let world = school(vec![Row::family(125).with(YEAR, "12"), Row::family(126)]).await;
    let (pupil, mother) = (person(&world, "P0125", "pupil").await, person(&world, "C0125", "contact").await);
    let record = async |body: &Value| world.post("office", "/subject-requests", body).await;
    // Edge case 32: a sixth-former asks for themselves; whoever asks for them has to show that they may.
    let received = today().saturating_sub(10.days());
    let own =
        record(&json!({"kind": "access", "person_id": pupil, "received_on": received})).await.expect(201);
    assert_eq!(
        (&own["needs_authority"], &own["received_on"], &own["due_on"], &own["aim_on"]),
        (
            &json!(false),
            &json!(received),
            &json!(clock::due(received, 1)),
            &json!(received.saturating_add(28.days()))
        )
    );
    let for_pupil = json!({"kind": "access", "person_id": pupil, "on_behalf": mother, "note": "By letter"});
    let for_pupil = record(&for_pupil).await.expect(201);
    assert_eq!(
        (&for_pupil["needs_authority"], &for_pupil["made_by"]["on_behalf"]),
        (&json!(true), &json!(mother))
    );
    assert!(for_pupil["made_by"]["staff"].is_string());

    for (body, fault) in [
        (json!({"kind": "access", "person_id": world.school.replace("sch_", "per_")}), "/person_id unknown"),
        (json!({"kind": "access", "person_id": pupil, "on_behalf": pupil}), "/on_behalf unknown"),
        (
            json!({"kind": "access", "person_id": pupil, "received_on": "2999-01-01"}),
            "/received_on out_of_range",
        ),
        (
            json!({"kind": "access", "person_id": pupil, "received_on": "2019-01-01"}),
            "/received_on out_of_range",
        ),
        (json!({"kind": "access", "person_id": pupil, "note": "x".repeat(2_001)}), "/note too_long"),
    ] {
        let refused = record(&body).await;
        assert_eq!((refused.status, refused.faults().join(", ")), (422, fault.to_owned()), "{body}");
    }
    let body = json!({"kind": "access", "person_id": pupil});
    for role in ["sender", "approver"] {
        world.post(role, "/subject-requests", &body).await.problem(403, "forbidden");
        world.get(role, "/subject-requests").await.problem(403, "forbidden");
        world.get(role, &path(&own)).await.problem(403, "forbidden");
        let decision = json!({"decision": "completed", "version": 1});
        world.post(role, &format!("{}/decision", path(&own)), &decision).await.problem(403, "forbidden");
    }

    // Decisions follow one another.
    let decision = async |request: &Value, body: &Value| {
        world.post("dpo", &format!("{}/decision", path(request)), body).await
    };
    let refused = decision(&own, &json!({"decision": "extended", "version": 1})).await;
    assert_eq!(refused.faults(), ["/note required"]);
    let mut no = note("no");
    no["version"] = json!(7);
    decision(&own, &no).await.problem(409, "conflict");
    let extended = decide(&world, &own, "extended", Some("There is much to look through.")).await;
    assert_eq!(extended["due_on"], json!(clock::due(received, 3)));
    let refused = decide(&world, &own, "refused", Some("An exemption applies.")).await;
    assert_eq!((&refused["status"], &refused["version"]), (&json!("closed"), &json!(3)));
    let steps: Vec<_> = refused["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| (text(&step["decision"]), text(&step["note"])))
        .collect();
    assert_eq!(steps, [("extended", "There is much to look through."), ("refused", "An exemption applies.")]);
    decision(&own, &json!({"decision": "completed", "version": 3})).await.problem(409, "conflict");

    // A complaint is owed an acknowledgement, and not by a month.
    let complaint = record(&json!({"kind": "complaint", "person_id": mother})).await.expect(201);
    assert_eq!(complaint["due_on"], json!(clock::acknowledge_by(today())));
    let late = decision(&complaint, &json!({"decision": "extended", "note": "x", "version": 1})).await;
    assert_eq!(late.faults(), ["/decision complaint"]);
    let acknowledged = decide(&world, &complaint, "acknowledged", None).await;
    assert_eq!((&acknowledged["status"], &acknowledged["due_on"]), (&json!("open"), &Value::Null));

    let all = world.list("dpo", "/subject-requests").await;
    let ids: Vec<_> = all.iter().map(|item| item["request_id"].clone()).collect();
    assert_eq!(ids, [&complaint, &for_pupil, &own].map(|request| request["request_id"].clone()));
    let page = world.get("dpo", "/subject-requests?limit=2").await.expect(200);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2));
    let next = world
        .get("dpo", &format!("/subject-requests?cursor={}", text(&page["next_cursor"])))
        .await
        .expect(200);
    assert_eq!((&next["items"][0]["request_id"], &next["next_cursor"]), (&own["request_id"], &Value::Null));
    assert_eq!(world.list("dpo", "/subject-requests?status=closed").await.len(), 1);
    for query in ["status=done", "cursor=x"] {
        let refused = world.get("dpo", &format!("/subject-requests?{query}")).await;
        assert_eq!(refused.status, 422, "{query}");
    }
    let elsewhere = World::new().await;
    elsewhere.get("dpo", &path(&own)).await.problem(404, "not_found");
}

/// Edge case 31: an objection is recorded for the school to decide, and ends marketing the moment it comes in.
#[tokio::test]
async fn edge_case_31_an_objection_ends_marketing_at_once() {
    let world = school(vec![Row::family(127), Row::family(128)]).await;
    let mother = session(&world, 127, 0).await;
    let (me, pupil) = (person(&world, "C0127", "contact").await, person(&world, "P0128", "pupil").await);
    let consent = json!({"version": 0, "taken_on": "2026-09-01", "choices": [{"purpose": "marketing", "channel": "email", "allowed": true}]});
    for id in ["C0127", "C0128"] {
        let path = format!("/people/{}/consents", person(&world, id, "contact").await);
        world.put("office", &path, &consent).await.expect(200);
    }
    let reached = async || {
        let draft = crate::messages::draft(&world, "marketing", &["email"]);
        world.post("sender", "/messages/preview", &draft).await.expect(200)["recipients"].clone()
    };
    assert_eq!(reached().await, 2);
    let asked = world.post(&mother, MINE, &json!({"kind": "objection", "person_id": me})).await.expect(201);
    assert_eq!(reached().await, 1);
    let told = world.get("dpo", &format!("/people/{me}/consents")).await.expect(200);
    let last = told["changes"].as_array().expect("changes").last().expect("one").clone();
    assert_eq!((&last["allowed"], &last["by"]), (&json!(false), &json!({"request_id": asked["request_id"]})));
    // The pupil's own, by letter.
    let own = world
        .post("dpo", "/subject-requests", &json!({"kind": "objection", "person_id": pupil}))
        .await
        .expect(201);
    assert_eq!((reached().await, &own["status"]), (json!(0), &json!("open")));
    let everyday = crate::messages::draft(&world, "service", &["email"]);
    assert_eq!(world.post("sender", "/messages/preview", &everyday).await.expect(200)["recipients"], 2);
}

#[tokio::test]
async fn a_lead_who_cannot_be_told_now_is_told_later() {
    let world = school(vec![Row::family(129)]).await;
    let person_id = person(&world, "P0129", "pupil").await;
    let made = world
        .post("dpo", "/subject-requests", &json!({"kind": "access", "person_id": person_id}))
        .await
        .expect(201);
    told(&world, &made).await;
    let at = format!("REQ#{}", text(&made["request_id"]));
    let mut item = world.directory(&at).await.remove(0);
    item.as_object_mut().expect("an item").remove("told_at");
    world.stack.dynamo_put("DirectoryTable", &item).await.expect("it is written");
    let task = json!({"v": 1, "task": "tell_of_request", "school_id": world.school, "request_id": made["request_id"]});
    let deliver = async || {
        let event = sqs_event("send", &[task.to_string()]);
        let answer = world.stack.invoke("message-send", &event).await.expect("it can be invoked");
        failures(&answer.payload)
    };
    let on = local::tap::Match {
        action: Some("SendEmail".to_owned()),
        contains: Some(text(&made["request_id"]).to_owned()),
        ..local::tap::Match::default()
    };
    let throttled = local::tap::Fault { on, fault: local::tap::Kind::Throttle, skip: 0, times: 1 };
    let throttled = world.stack.fault(&throttled).await.expect("the tap takes it");
    assert_eq!(deliver().await, ["m0"]);
    assert!(world.directory(&at).await[0]["told_at"].is_null(), "certainly not sent: not told");
    world.stack.clear_fault(throttled).await.expect("it is cleared");
    assert_eq!(deliver().await, Vec::<String>::new());
    assert_eq!(told(&world, &made).await.len(), 2);
}

/// Edge case 25: whoever is kept away from a pupil reads at work nothing of what the pupil's family asks.
#[tokio::test]
async fn edge_case_25_a_restricted_parent_reads_no_request_at_work() {
    let world = World::new().await;
    let address = format!("office2.{}@staff.example.com", world.school);
    let father = Row::family(130)
        .with(place::CONTACT_GIVEN, "Cy")
        .with(place::CONTACT_ID, "C9")
        .with(EMAIL, &address)
        .with(MOBILE, "07700 900630");
    let upload = world.upload(&Sheet(vec![Row::family(130), father, Row::family(131)]).bytes()).await;
    assert_eq!(upload["status"], "done", "{upload}");
    let (pupil, mother) = (person(&world, "P0130", "pupil").await, person(&world, "C0130", "contact").await);
    let (father, other) = (person(&world, "C9", "contact").await, person(&world, "C0131", "contact").await);
    let link = format!("/people/{pupil}/contacts/{father}");
    world.put("office", &link, &json!({"restricted": true})).await.expect(200);
    let ask = async |who: &str, about: &str| {
        world.post(who, "/subject-requests", &json!({"kind": "access", "person_id": about})).await
    };
    let theirs = ask("office", &mother).await.expect(201);
    let others = ask("office", &other).await.expect(201);
    let him = "office#2";
    for about in [&pupil, &mother] {
        ask(him, about).await.problem(404, "not_found");
    }
    world.get(him, &path(&theirs)).await.problem(404, "not_found");
    let decision = json!({"decision": "completed", "version": 1});
    world.post(him, &format!("{}/decision", path(&theirs)), &decision).await.problem(404, "not_found");
    world.put(him, &format!("/people/{pupil}/consents"), &json!({})).await.problem(404, "not_found");
    let seen = world.list(him, "/subject-requests").await;
    assert_eq!(
        seen.iter().map(|item| &item["request_id"]).collect::<Vec<_>>(),
        [&others["request_id"]],
        "of others he does his work"
    );
    assert_eq!(world.list("office", "/subject-requests").await.len(), 2);
}
