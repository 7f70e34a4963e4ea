//! Help with the app, and where a device is notified: facts about devices, and nothing about anybody.

use local::eventually;
use serde_json::{Value, json};

use crate::{
    parents::{school, session},
    sheet::Row,
    world::{DEADLINE, World, failures, sqs_event, text},
};

const SUPPORT: &str = "/v1/me/support";
const DEVICES: &str = "/v1/me/devices";

fn help() -> Value {
    json!({"topic": "notifications", "device_type": "Google Pixel 9", "app_version": "2.14.0", "device_id": "0b1c-22d3"})
}

/// The one mail that names a reference: to whom, and its text.
async fn mail(world: &World, reference: &str) -> (String, String) {
    let sent = eventually("the school is told", DEADLINE, async || {
        Ok(world.outbox_with(reference).await.into_iter().next())
    });
    let sent = sent.await.expect("it is");
    assert_eq!(world.outbox_with(reference).await.len(), 1);
    (sent.to, sent.text)
}

#[tokio::test]
async fn a_call_for_help_reaches_the_schools_support() {
    let world = school(vec![Row::family(131)]).await;
    let mother = session(&world, 131, 0).await;
    let asked = world.post(&mother, SUPPORT, &help()).await.expect(202);
    let reference = text(&asked["support_id"]).to_owned();
    let (to, words) = mail(&world, &reference).await;
    assert_eq!(
        to, "office@oakfield.example.org",
        "who answers e-mail helps, unless the school says otherwise"
    );
    for fact in ["notifications", "Google Pixel 9", "2.14.0", "0b1c-22d3"] {
        assert!(words.contains(fact), "{fact}: {words}");
    }
    let me = world.get(&mother, "/v1/me").await.expect(200);
    let child = world.get(&mother, "/v1/me/children").await.expect(200)["items"][0].clone();
    for personal in
        ["Grace", "Ada", "Family131", text(&me["account_id"]), text(&child["person_id"]), "900131"]
    {
        assert!(!words.contains(personal), "{personal}: {words}");
    }
    // Thirty days, by the table's own timer.
    let stored = world.stack.dynamo_get("AccessTable", &format!("SUP#{reference}"), "SUPPORT").await;
    let stored = stored.expect("the table answers").expect("it is stored");
    let ttl: i64 = text(&stored["ttl"]["N"]).parse().expect("a timer");
    let days = (ttl - jiff::Timestamp::now().as_second()) / 3_600;
    assert!((30 * 24 - 1..=30 * 24).contains(&days), "{days} hours");

    let settings = json!({"support_email": "help@oakfield.example.org"});
    world.put("office", "/settings", &settings).await.expect(200);
    let mut named = help();
    named["school_id"] = json!(world.school);
    let key = [("idempotency-key", "once")];
    let post =
        async |body: &Value| world.send(reqwest::Method::POST, &mother, SUPPORT, Some(body), &key).await;
    let again = post(&named).await.expect(202);
    assert_eq!(mail(&world, text(&again["support_id"])).await.0, "help@oakfield.example.org");
    assert_eq!(post(&named).await.expect(202), again);
    // The task once more: one mail.
    let task = json!({"v": 1, "task": "tell_of_support", "school_id": world.school, "support_id": again["support_id"]});
    let event = sqs_event("send", &[task.to_string()]);
    let answer = world.stack.invoke("message-send", &event).await.expect("it can be invoked");
    assert_eq!(failures(&answer.payload), Vec::<String>::new());
    mail(&world, text(&again["support_id"])).await;

    for (field, value, fault) in [
        ("device_type", json!("x".repeat(41)), "/device_type invalid"),
        ("device_type", json!("Ada's phone"), "/device_type invalid"),
        ("app_version", json!("2;14"), "/app_version invalid"),
        ("device_id", json!("0b1c 22"), "/device_id invalid"),
        ("device_id", json!("x".repeat(65)), "/device_id invalid"),
        ("school_id", json!(world.school.replace('0', "1")), "/school_id not_yours"),
    ] {
        let mut body = help();
        body[field] = value;
        let refused = world.post(&mother, SUPPORT, &body).await;
        assert_eq!((refused.status, refused.faults().join(", ")), (422, fault.to_owned()), "{body}");
    }
    for (field, value) in
        [("topic", json!("my daughter")), ("note", json!("Ada cannot read")), ("device_id", json!(7))]
    {
        let mut body = help();
        body[field] = value;
        world.post(&mother, SUPPORT, &body).await.problem(400, "malformed_body");
    }
    world.post("nobody", SUPPORT, &help()).await.problem(401, "unauthorised");
    // Five a day.
    for _ in 0..3 {
        world.post(&mother, SUPPORT, &help()).await.expect(202);
    }
    world.post(&mother, SUPPORT, &help()).await.problem(429, "too_many_requests");
}

#[tokio::test]
async fn a_device_is_notified_for_one_session_and_forgotten_with_it() {
    let world = school(vec![Row::family(132), Row::family(133)]).await;
    let (mother, again) = (session(&world, 132, 0).await, session(&world, 132, 1).await);
    let other = session(&world, 133, 2).await;
    let token = format!("{:0>64}", &world.school[4..]);
    let device = |token: &str| json!({"platform": "android", "token": token});
    // What each session of an account is notified by, the calling one first.
    let notified = async |who: &str| {
        let sessions = world.get(who, "/v1/me/sessions").await.expect(200);
        let mut sessions = sessions["items"].as_array().expect("sessions").clone();
        sessions.sort_by_key(|session| session["current"] != true);
        sessions.iter().map(|session| session["push"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let android = || Some("android".to_owned());
    let made = world.post(&mother, DEVICES, &device(&token)).await.expect(201);
    assert_eq!((&made["platform"], made["session_id"].as_str().is_some()), (&json!("android"), true));
    assert_eq!(notified(&mother).await, [android(), None]);
    world.post(&mother, DEVICES, &device(&token)).await.expect(201);
    let items = json!(world.stack.dynamo_scan("AccessTable").await.expect("the table answers")).to_string();
    assert!(!items.contains(&token), "it lies nowhere in clear");

    // Signed in once more on the same device, and then somebody else on it: the token goes along.
    world.post(&again, DEVICES, &device(&token)).await.expect(201);
    assert_eq!(notified(&again).await, [android(), None]);
    world.post(&other, DEVICES, &device(&token)).await.expect(201);
    assert_eq!((notified(&other).await, notified(&again).await), (vec![android()], vec![None, None]));
    // Another token takes the place of the first.
    let ios = json!({"platform": "ios", "token": token.replace('0', "f")});
    world.post(&other, DEVICES, &ios).await.expect(201);
    assert_eq!(notified(&other).await, [Some("ios".to_owned())]);

    // With the session everything of it is gone.
    let held = async || {
        let items = world.stack.dynamo_scan("AccessTable").await.expect("the table answers");
        let of = |item: &&Value| text(&item["session_id"]["S"]) == text(&made["session_id"]);
        items.iter().filter(of).filter(|item| text(&item["pk"]["S"]).starts_with("PSH#")).count()
    };
    world.post(&mother, DEVICES, &device(&token)).await.expect(201);
    assert_eq!(held().await, 1);
    world.delete(&mother, "/v1/sessions/current").await.expect(204);
    assert_eq!((held().await, notified(&again).await), (0, vec![None]));
    world.post(&mother, DEVICES, &device(&token)).await.problem(401, "unauthorised");

    for bad in ["", "short", &"x".repeat(513), &"x y".repeat(20)] {
        let refused = world.post(&other, DEVICES, &device(bad)).await;
        assert_eq!(
            (refused.status, refused.faults().join(", ")),
            (422, "/token invalid".to_owned()),
            "{bad}"
        );
    }
    for malformed in [json!({"token": token}), json!({"platform": "pager", "token": token}), json!([])] {
        world.post(&other, DEVICES, &malformed).await.problem(400, "malformed_body");
    }
}
