//! What parents choose, what the school notes from paper, and that messages keep to it.

use std::collections::BTreeMap;

use local::tap::Channel;
use serde_json::{Value, json};

use crate::{
    messages::{counts, draft, excluded, only, send},
    parents::{person, place, school, session},
    sheet::{EMAIL, MOBILE, RELATIONSHIP, Row},
    world::{World, text},
};

const PATH: &str = "/v1/me/preferences";

async fn preferences(world: &World, who: &str) -> Value {
    let mut told = world.get(who, PATH).await.expect(200);
    assert_eq!(told["items"].as_array().map(Vec::len), Some(1), "{told}");
    told["items"][0].take()
}

fn choice(purpose: &str, channel: &str, allowed: impl Into<Option<bool>>) -> Value {
    json!({"purpose": purpose, "channel": channel, "allowed": allowed.into()})
}

/// The row of one purpose and channel: what is chosen, and whether it can be changed.
fn row(item: &Value, purpose: &str, channel: &str) -> (Option<bool>, bool) {
    let rows = item["choices"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["purpose"] == purpose && row["channel"] == channel);
    let row = row.unwrap_or_else(|| panic!("{purpose} {channel} of {item}"));
    (row["allowed"].as_bool(), row["can_change"].as_bool().expect("it says so"))
}

/// A body that changes these choices of what was read.
async fn body(world: &World, who: &str, choices: &[Value]) -> Value {
    let told = world.get(who, PATH).await.expect(200);
    let item = &told["items"][0];
    json!({
        "wording": told["wording"]["version"],
        "items": [{"person_id": item["person_id"], "version": item["version"], "choices": choices}],
    })
}

/// Chooses; returns the parent's own item.
async fn choose(world: &World, who: &str, choices: &[Value]) -> Value {
    let body = body(world, who, choices).await;
    let mut told = world.put(who, PATH, &body).await.expect(200);
    told["items"][0].take()
}

/// Previews; returns how many each channel reaches, and who is left out.
async fn preview(world: &World, purpose: &str, channels: &[&str]) -> (Value, BTreeMap<String, u64>) {
    let told = world.post("sender", "/messages/preview", &draft(world, purpose, channels)).await.expect(200);
    (told["by_channel"].clone(), excluded(&told))
}

#[tokio::test]
async fn a_parent_chooses_by_which_way_the_school_writes() {
    let world = school(vec![Row::family(101), Row::family(102).with(EMAIL, "")]).await;
    let (mother, other) = (session(&world, 101, 0).await, session(&world, 102, 1).await);
    let told = world.get(&mother, PATH).await.expect(200);
    assert!(text(&told["wording"]["text"]).contains("fund-raising"), "{told}");
    let mine = &told["items"][0];
    assert_eq!((&mine["school_id"], &mine["version"]), (&json!(world.school), &json!(0)));
    assert_eq!(row(mine, "service", "app"), (Some(true), false), "the inbox shows what the school writes");
    assert_eq!(row(mine, "marketing", "app"), (Some(false), false));
    for channel in ["email", "sms"] {
        assert_eq!(row(mine, "emergency", channel), (Some(true), false));
        assert_eq!(row(mine, "marketing", channel), (None, true));
        for purpose in ["service", "attendance", "consent"] {
            assert_eq!(row(mine, purpose, channel), (Some(true), true), "{purpose}");
        }
    }

    // No text about everyday things: she gets the e-mail, the other family its text.
    let both = ["sms", "email"];
    assert_eq!(preview(&world, "service", &both).await, (json!({"sms": 2, "email": 0}), BTreeMap::new()));
    let chosen = choose(&world, &mother, &[choice("service", "sms", false)]).await;
    assert_eq!(chosen["version"], 1);
    assert_eq!(
        (row(&chosen, "service", "sms"), row(&chosen, "service", "email")),
        ((Some(false), true), (Some(true), false))
    );
    assert_eq!(preferences(&world, &mother).await, chosen);
    assert_eq!(preview(&world, "service", &both).await, (json!({"sms": 1, "email": 1}), BTreeMap::new()));
    assert_eq!(preview(&world, "service", &["sms"]).await, (json!({"sms": 1}), only("opted_out", 1)));
    // Of absences and dangers nobody is left in the dark.
    choose(&world, &mother, &[choice("attendance", "sms", false)]).await;
    assert_eq!(preview(&world, "attendance", &["sms"]).await, (json!({"sms": 2}), BTreeMap::new()));
    assert_eq!(preview(&world, "attendance", &both).await, (json!({"sms": 1, "email": 1}), BTreeMap::new()));
    assert_eq!(preview(&world, "emergency", &["sms"]).await, (json!({"sms": 2}), BTreeMap::new()));

    let message = world.drain(&send(&world, &draft(&world, "service", &both)).await).await;
    assert_eq!(counts(&message), only("sent", 2));
    let sent = world.outbox().await;
    let mut ways: Vec<_> = sent.iter().map(|sent| (sent.channel, sent.to.as_str())).collect();
    ways.sort_by_key(|(_, to)| (*to).to_owned());
    assert_eq!(ways, [(Channel::Sms, "+447700900102"), (Channel::Email, "grace101@example.com")]);

    // The office sees what was chosen and when, and a parent nothing of another's.
    let id = person(&world, "C0101", "contact").await;
    let seen = world.get("dpo", &format!("/people/{id}/consents")).await.expect(200);
    assert_eq!((&seen["version"], seen["changes"].as_array().map(Vec::len)), (&json!(2), Some(2)));
    assert_eq!(
        (&seen["changes"][0]["by"], &seen["changes"][0]["allowed"]),
        (&json!("parent"), &json!(false))
    );
    for role in ["sender", "approver"] {
        world.get(role, &format!("/people/{id}/consents")).await.problem(403, "forbidden");
    }
    assert_eq!(preferences(&world, &other).await["version"], 0);
}

#[tokio::test]
async fn what_cannot_be_chosen_is_refused() {
    let world = school(vec![Row::family(103), Row::family(104).with(EMAIL, "")]).await;
    let (mother, texted) = (session(&world, 103, 0).await, session(&world, 104, 1).await);
    let refused = async |who: &str, body: &Value| {
        let answer = world.put(who, PATH, body).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        answer.faults().join(", ")
    };
    for (choices, fault) in [
        (vec![choice("emergency", "sms", false)], "/items/0/choices/0/allowed fixed"),
        (
            vec![choice("marketing", "sms", true), choice("marketing", "sms", false)],
            "/items/0/choices/1/allowed repeated",
        ),
    ] {
        assert_eq!(refused(&mother, &body(&world, &mother, &choices).await).await, fault);
    }
    for purpose in ["service", "attendance", "consent"] {
        // Her only way; by e-mail nobody would reach her.
        let last = body(&world, &texted, &[choice(purpose, "sms", false)]).await;
        assert_eq!(refused(&texted, &last).await, "/items/0/choices/0/allowed last_channel", "{purpose}");
    }
    // A consent is to a text that was shown.
    let mut unread = body(&world, &mother, &[choice("marketing", "email", true)]).await;
    unread["wording"] = json!("2019-01");
    assert_eq!(refused(&mother, &unread).await, "/wording wording_changed");
    unread.as_object_mut().expect("an object").remove("wording");
    assert_eq!(refused(&mother, &unread).await, "/wording wording_changed");
    // Nobody chooses for another, and nobody over what was chosen meanwhile.
    let of_another = body(&world, &texted, &[choice("service", "email", false)]).await;
    assert_eq!(refused(&mother, &of_another).await, "/items/0/person_id not_you");
    let first = body(&world, &mother, &[choice("service", "sms", false)]).await;
    world.put(&mother, PATH, &first).await.expect(200);
    world.put(&mother, PATH, &first).await.problem(409, "conflict");
    assert_eq!(preferences(&world, &mother).await["version"], 1);
    for malformed in [
        json!({}),
        json!({"items": [], "colour": "red"}),
        json!({"items": [{"person_id": "per_1", "version": 0, "choices": []}]}),
        json!({"items": [{"person_id": first["items"][0]["person_id"], "version": 1, "choices": [{"purpose": "service", "channel": "sms"}]}]}),
        json!({"items": [{"person_id": first["items"][0]["person_id"], "version": 1, "choices": [choice("news", "sms", true)]}]}),
    ] {
        world.put(&mother, PATH, &malformed).await.problem(400, "malformed_body");
    }
    let many = vec![choice("service", "sms", true); 41];
    assert_eq!(refused(&mother, &body(&world, &mother, &many).await).await, "/items too_long");
    for who in ["nobody", &format!("Bearer {}", world.token("office").await)] {
        world.get(who, PATH).await.problem(401, "unauthorised");
        world.put(who, PATH, &json!({"items": []})).await.problem(401, "unauthorised");
    }
}

/// Edge case 43: a no to marketing holds for the number that two parents share, and for no emergency.
#[tokio::test]
async fn edge_case_43_marketing_goes_only_where_it_was_consented_to() {
    let father = Row::family(105)
        .with(place::CONTACT_GIVEN, "Cy")
        .with(place::CONTACT_ID, "C2")
        .with(RELATIONSHIP, "Father")
        .with(EMAIL, "cy@example.com");
    let world = school(vec![Row::family(105), father, Row::family(106)]).await;
    let marketing = async |channels: &[&str]| preview(&world, "marketing", channels).await;
    assert_eq!(marketing(&["sms"]).await, (json!({"sms": 0}), only("no_consent", 3)));
    let nobody = world.post("sender", "/messages", &draft(&world, "marketing", &["sms"])).await;
    nobody.problem(422, "no_recipients");

    let mother = session(&world, 105, 0).await;
    choose(&world, &mother, &[choice("marketing", "sms", true), choice("marketing", "email", true)]).await;
    assert_eq!(marketing(&["sms", "email"]).await, (json!({"sms": 1, "email": 0}), only("no_consent", 2)));
    // The father objects on paper: the number that both read is closed to it, her address is not.
    let (father, office) = (person(&world, "C2", "contact").await, "office");
    let path = format!("/people/{father}/consents");
    let paper =
        json!({"version": 0, "taken_on": "2026-09-01", "choices": [choice("marketing", "sms", false)]});
    let kept = world.put(office, &path, &paper).await.expect(200);
    assert_eq!(kept["changes"][0]["by"]["taken_on"], "2026-09-01");
    assert_eq!(kept["changes"][0]["wording"], Value::Null);
    let left_out = BTreeMap::from([("no_consent".to_owned(), 1), ("opted_out".to_owned(), 2)]);
    assert_eq!(marketing(&["sms"]).await, (json!({"sms": 0}), left_out));
    let (by_channel, _) = marketing(&["sms", "email"]).await;
    assert_eq!(by_channel, json!({"sms": 0, "email": 1}));
    assert_eq!(preview(&world, "emergency", &["sms"]).await.0, json!({"sms": 2}));
    // Both are noted, each with their own word (edge case 84).
    assert_eq!(row(&preferences(&world, &mother).await, "marketing", "sms"), (Some(true), true));
    assert_eq!(row(&world.get(office, &path).await.expect(200), "marketing", "sms"), (Some(false), true));
}

/// Whoever says no after the audience was resolved and before a chunk is sent gets nothing.
#[tokio::test]
async fn a_choice_holds_for_what_is_on_its_way() {
    let world = school(vec![Row::family(107), Row::family(108)]).await;
    let (one, other) = (session(&world, 107, 0).await, session(&world, 108, 1).await);
    for parent in [&one, &other] {
        choose(&world, parent, &[choice("marketing", "email", true)]).await;
    }
    let message = world.drain(&send(&world, &draft(&world, "marketing", &["email"])).await).await;
    assert_eq!(counts(&message), only("sent", 2));
    let id = text(&message["message_id"]);

    // The chunk once more as it was before it was sent.
    choose(&world, &one, &[choice("marketing", "email", false)]).await;
    let partition = format!("SCH#{}#MSG#{id}", world.school);
    let state = world.stack.dynamo_get("MessagingTable", &partition, "STATE#000000").await;
    let mut state = state.expect("the table answers").expect("it is stored");
    state["outcomes"] = json!({"S": "qq"});
    state["status"] = json!({"S": "queued"});
    world.stack.dynamo_put("MessagingTable", &state).await.expect("it is written");
    let task = json!({"v": 1, "task": "send_chunk", "school_id": world.school, "message_id": id, "chunk": 0});
    let event = crate::world::sqs_event("send", &[task.to_string()]);
    let answer = world.stack.invoke("message-send", &event).await.expect("it can be invoked");
    assert_eq!(crate::world::failures(&answer.payload), Vec::<String>::new());
    let again = world.get("sender", &format!("/messages/{id}")).await.expect(200);
    assert_eq!(counts(&again), BTreeMap::from([("sent".to_owned(), 1), ("stopped".to_owned(), 1)]));
    let mut got: Vec<_> = world.outbox().await.into_iter().map(|mail| mail.to).collect();
    got.sort();
    assert_eq!(got, ["grace107@example.com", "grace108@example.com", "grace108@example.com"]);
}

#[tokio::test]
async fn a_paper_is_kept_as_evidence() {
    let world = school(vec![Row::family(109), Row::family(110).with(MOBILE, "")]).await;
    let (kept, other) = (person(&world, "C0109", "contact").await, person(&world, "C0110", "contact").await);
    let path = format!("/people/{kept}/consents");
    let paper = |version: u64, day: &str, choices: &[Value]| json!({"version": version, "taken_on": day, "choices": choices});
    let yes = [choice("marketing", "email", true)];
    world.put("dpo", &path, &paper(0, "2026-09-01", &yes)).await.expect(200);
    world.put("office", &path, &paper(0, "2026-09-01", &yes)).await.problem(409, "conflict");
    for role in ["sender", "approver"] {
        world.put(role, &path, &paper(1, "2026-09-01", &yes)).await.problem(403, "forbidden");
    }
    let faults = async |body: &Value| {
        let answer = world.put("office", &path, body).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        answer.faults().join(", ")
    };
    assert_eq!(faults(&paper(1, "2999-01-01", &yes)).await, "/taken_on in_future");
    assert_eq!(faults(&paper(1, "2026-09-01", &vec![yes[0].clone(); 41])).await, "/choices too_long");
    let unknown = format!("/people/{}/consents", world.school.replace("sch_", "per_"));
    world.get("office", &unknown).await.problem(404, "not_found");
    world.put("office", &unknown, &paper(0, "2026-09-01", &yes)).await.problem(404, "not_found");

    // The parent withdraws, and an older paper does not bring it back.
    let mother = session(&world, 109, 0).await;
    choose(&world, &mother, &[choice("marketing", "email", false)]).await;
    assert_eq!(faults(&paper(2, "2026-09-02", &yes)).await, "/choices/0/allowed decided_since");
    let told = world.get("office", &path).await.expect(200);
    assert_eq!((&told["version"], told["changes"].as_array().map(Vec::len)), (&json!(2), Some(2)));

    // Two records that are one person: the objection of the one that ends is the other's.
    let no = [choice("marketing", "sms", false)];
    let of_other = format!("/people/{other}/consents");
    world.put("office", &of_other, &paper(0, "2026-09-03", &no)).await.expect(200);
    let version = world.get("office", &format!("/people/{kept}")).await.expect(200)["version"].clone();
    let merge = json!({"other": other, "version": version});
    world.post("office", &format!("/people/{kept}/merge"), &merge).await.expect(200);
    let joined = world.get("office", &path).await.expect(200);
    assert_eq!(
        (row(&joined, "marketing", "sms"), row(&joined, "marketing", "email")),
        ((Some(false), true), (Some(false), true))
    );
    assert_eq!(joined["changes"].as_array().map(Vec::len), Some(3));
    world.get("office", &of_other).await.problem(404, "not_found");
}

/// Edge case 31: a pupil's own objection ends marketing about them at once, and nothing else.
#[tokio::test]
async fn edge_case_31_a_pupils_word_ends_marketing_about_them() {
    let world = school(vec![Row::family(111)]).await;
    let mother = session(&world, 111, 0).await;
    choose(&world, &mother, &[choice("marketing", "email", true)]).await;
    assert_eq!(preview(&world, "marketing", &["email"]).await.0, json!({"email": 1}));
    let pupil = person(&world, "P0111", "pupil").await;
    let paper =
        json!({"version": 0, "taken_on": "2026-09-01", "choices": [choice("marketing", "email", false)]});
    world.put("office", &format!("/people/{pupil}/consents"), &paper).await.expect(200);
    assert_eq!(preview(&world, "marketing", &["email"]).await, (json!({"email": 0}), only("opted_out", 1)));
    assert_eq!(preview(&world, "service", &["email"]).await.0, json!({"email": 1}));
}
