//! A message from preview to the parents' phones.
//!
//! Every body holds the school's id, so that texts, which bear no tag, are found in the outbox too.

use std::collections::{BTreeMap, BTreeSet};

use local::{
    eventually,
    tap::{Channel, Sent},
};
use serde_json::{Value, json};

use crate::{
    sheet::{COURT_ORDER, EMAIL, MOBILE, RELATIONSHIP, RESPONSIBILITY, Row, Sheet},
    world::{DEADLINE, World, failures, oakfield, oakfield_expected, sqs_event, text},
};

/// Place of the priority in a row.
const PRIORITY: usize = 13;
/// Places of the pupil's and the contact's given name.
const GIVEN: (usize, usize) = (0, 8);

/// A message to the parents of Year 3.
pub fn draft(world: &World, purpose: &str, channels: &[&str]) -> Value {
    json!({
        "purpose": purpose, "channels": channels, "subject": "Trip on Friday",
        "body": format!("Bring boots & <b>lunch</b>. [{}]", world.school), "audience": {"year_groups": ["3"]},
    })
}

/// A school with these rows.
pub async fn school(sheet: &Sheet) -> World {
    let world = World::new().await;
    let upload = world.upload(&sheet.bytes()).await;
    assert_eq!(upload["status"], "done", "{upload}");
    world
}

/// Sends a draft; returns the message's id.
pub async fn send(world: &World, draft: &Value) -> String {
    text(&world.post("sender", "/messages", draft).await.expect(202)["message_id"]).to_owned()
}

pub async fn status(world: &World, message: &str) -> Value {
    let told = world.get("sender", &format!("/messages/{message}")).await.expect(200);
    adds_up(&told);
    told
}

/// The counts of a message are a sum at every moment.
#[track_caller]
pub fn adds_up(message: &Value) {
    let counts = &message["counts"];
    let number = |name: &str| counts[name].as_u64().unwrap_or_else(|| panic!("{name} of {message}"));
    let parts =
        ["queued", "sent", "delivered", "failed", "unknown", "stopped"].map(number).iter().sum::<u64>();
    assert_eq!(number("recipients"), parts, "{message}");
    let excluded = message["excluded"].as_array().expect("reasons");
    assert_eq!(
        number("excluded"),
        excluded.iter().map(|one| one["count"].as_u64().expect("a count")).sum::<u64>()
    );
}

/// The counts that are not 0, except `excluded`.
pub fn counts(message: &Value) -> BTreeMap<String, u64> {
    let counts = message["counts"].as_object().expect("counts").iter();
    let counts = counts.map(|(name, count)| (name.clone(), count.as_u64().expect("a count")));
    counts.filter(|(name, count)| *count > 0 && !matches!(name.as_str(), "recipients" | "excluded")).collect()
}

pub fn only(name: &str, count: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(name.to_owned(), count)])
}

/// Left out: reason and number of people.
pub fn excluded(message: &Value) -> BTreeMap<String, u64> {
    let reasons = message["excluded"].as_array().expect("reasons").iter();
    reasons.map(|one| (text(&one["reason"]).to_owned(), one["count"].as_u64().expect("a count"))).collect()
}

/// Where it went, sorted.
pub fn addresses(outbox: &[Sent]) -> Vec<&str> {
    let mut to: Vec<_> = outbox.iter().map(|sent| sent.to.as_str()).collect();
    to.sort_unstable();
    to
}

pub fn chunk_task(world: &World, message: &str, chunk: u32) -> String {
    json!({"v": 1, "task": "send_chunk", "school_id": world.school, "message_id": message, "chunk": chunk})
        .to_string()
}

pub fn fan_out_task(world: &World, message: &str) -> String {
    json!({"v": 1, "task": "fan_out", "school_id": world.school, "message_id": message}).to_string()
}

/// Hands tasks to a function as its queue would; returns which are to be delivered again.
pub async fn deliver(world: &World, function: &str, bodies: &[String]) -> Vec<String> {
    let answer =
        world.stack.invoke(function, &sqs_event("send-routine", bodies)).await.expect("it can be invoked");
    assert_eq!(answer.error, None, "{}", answer.payload);
    failures(&answer.payload)
}

#[tokio::test]
async fn the_sample_school_hears_of_the_trip() {
    let world = World::new().await;
    let expected = oakfield_expected();
    assert_eq!(world.upload(&oakfield()).await["status"], "done");
    for (name, audience) in expected["audiences"].as_object().expect("audiences") {
        let body = json!({
            "purpose": audience["purpose"], "channels": audience["channels"], "subject": "Trip", "body": "On Friday",
            "audience": {"year_groups": audience["year_groups"]},
        });
        let preview = world.post("sender", "/messages/preview", &body).await.expect(200);
        assert_eq!(preview["recipients"], audience["recipients"], "{name}");
        assert_eq!(excluded(&preview), excluded(audience), "{name}");
        for channel in audience["channels"].as_array().expect("channels") {
            let wanted = audience["by_channel"][text(channel)].as_u64().unwrap_or_default();
            assert_eq!(preview["by_channel"][text(channel)], wanted, "{name} {channel}");
        }
    }

    let audience = &expected["audiences"]["years_3_and_4"];
    let body = json!({
        "purpose": "service", "channels": ["email", "sms"], "subject": "Trip on Friday",
        "body": format!("Boots & <b>lunch</b> for ((child)). [{}]", world.school), "audience": {"year_groups": ["3", "Year 4"]},
    });
    let key = [("idempotency-key", "trip-1")];
    let post =
        async |body: &Value| world.send(reqwest::Method::POST, "sender", "/messages", Some(body), &key).await;
    let preview = world.post("sender", "/messages/preview", &body).await.expect(200);
    assert_eq!(preview["missing_placeholders"], json!([]));
    assert_eq!(preview["sample"]["channel"], "email");
    let parts = preview["sms_parts"].as_u64().expect("a number");
    assert!(parts >= audience["by_channel"]["sms"].as_u64().expect("a number"));
    assert_eq!(
        preview["cost"],
        json!({"currency": "GBP", "amount": format!("{}.{:02}", parts * 4 / 100, parts * 4 % 100)})
    );

    let sent = post(&body).await.expect(202);
    let message = text(&sent["message_id"]).to_owned();
    let recipients = audience["recipients"].as_u64().expect("a number");
    let done = eventually("all are tried", DEADLINE, async || {
        let told = status(&world, &message).await;
        let counted = told["counts"]["recipients"].as_u64();
        assert!(counted == Some(0) || counted == Some(recipients), "{told}");
        Ok((told["status"] == "sent").then_some(told))
    });
    let done = done.await.expect("it is sent");
    assert_eq!(counts(&done), only("sent", recipients));
    assert_eq!(excluded(&done), excluded(audience));

    let outbox = world.outbox().await;
    let of = |channel| outbox.iter().filter(move |sent| sent.channel == channel);
    assert_eq!(
        of(Channel::Email).count() as u64,
        audience["by_channel"]["email"].as_u64().expect("a number")
    );
    assert_eq!(of(Channel::Sms).count() as u64, audience["by_channel"]["sms"].as_u64().expect("a number"));
    assert_eq!(outbox.iter().map(|sent| &sent.to).collect::<BTreeSet<_>>().len(), outbox.len(), "one each");
    let mother = outbox
        .iter()
        .find(|sent| sent.to == text(&expected["story"]["mother"]["email"]))
        .expect("she is written to");
    assert!(mother.text.contains("Zoë and Finn") || mother.text.contains("Finn and Zoë"), "{}", mother.text);
    assert!(mother.text.contains("Boots & <b>lunch</b>"), "{}", mother.text);
    let html = mother.html.as_deref().expect("an e-mail has html");
    assert!(html.contains("Boots &amp; &lt;b&gt;lunch&lt;/b&gt;") && !html.contains("<b>"), "{html}");
    assert_eq!(mother.request["ReplyToAddresses"], json!(["office@oakfield.example.org"]));
    let kept_away = text(&expected["story"]["restricted_father"]["email"]);
    assert!(outbox.iter().all(|sent| sent.to != kept_away));
    assert!(of(Channel::Sms).all(|sent| sent.from == "Oakfield"));

    // Person by person the same as in sum.
    let people = world.list("sender", &format!("/messages/{message}/recipients")).await;
    let ids: BTreeSet<_> = people.iter().map(|person| text(&person["person_id"])).collect();
    assert_eq!(ids.len(), people.len());
    let left_out = people.iter().filter(|person| person["status"] == "excluded");
    let by_reason = left_out.fold(BTreeMap::new(), |mut counts: BTreeMap<String, u64>, person| {
        *counts.entry(text(&person["reason"]).to_owned()).or_default() += 1;
        counts
    });
    assert_eq!(by_reason, excluded(audience));
    assert_eq!(people.iter().filter(|person| person["status"] == "sent").count() as u64, recipients);

    // Once more with the same key: the same answer, and nothing is sent.
    assert_eq!(post(&body).await.expect(202)["message_id"], message);
    let mut other = body.clone();
    other["subject"] = json!("Trip on Monday");
    post(&other).await.problem(422, "idempotency_key_reused");
    let listed = world.get("sender", "/messages").await.expect(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.outbox().await.len(), outbox.len());
}

#[tokio::test]
async fn a_message_that_cannot_go_out_says_why() {
    let rows = vec![
        Row::family(1).with(RESPONSIBILITY, "N"),
        Row::family(2).with(COURT_ORDER, "Y"),
        Row::family(3).with(EMAIL, "").with(MOBILE, "01632 960001"),
    ];
    let world = school(&Sheet(rows)).await;
    let service = draft(&world, "service", &["email", "sms"]);
    let refused = world.post("sender", "/messages", &service).await.problem(422, "no_recipients");
    let reasons = json!([{"reason": "restricted", "count": 1}, {"reason": "no_responsibility", "count": 1}, {"reason": "landline_only", "count": 1}]);
    assert_eq!(refused["excluded"], reasons);
    // The same as the preview says.
    let preview = world.post("sender", "/messages/preview", &service).await.expect(200);
    assert_eq!(
        (&preview["recipients"], &preview["excluded"], &preview["sample"]),
        (&json!(0), &reasons, &Value::Null)
    );
    // In an emergency responsibility does not matter, and a restriction does.
    let preview = world
        .post("sender", "/messages/preview", &draft(&world, "emergency", &["email", "sms"]))
        .await
        .expect(200);
    assert_eq!(preview["recipients"], 1);
    assert_eq!(excluded(&preview), BTreeMap::from([("restricted".into(), 1), ("landline_only".into(), 1)]));
    let marketing = world
        .post("sender", "/messages", &draft(&world, "marketing", &["email"]))
        .await
        .problem(422, "no_recipients");
    // Nobody consented either; whom the weightier reason keeps out is told by that one.
    let reasons = [("restricted", 1), ("no_responsibility", 1), ("landline_only", 1)];
    assert_eq!(excluded(&marketing), BTreeMap::from(reasons.map(|(reason, count)| (reason.into(), count))));

    let with = |path: &[&str], value: Value| {
        let mut body = draft(&world, "service", &["email"]);
        let (last, parents) = path.split_last().expect("a path");
        let inner = parents.iter().fold(&mut body, |body, name| &mut body[*name]);
        inner[*last] = value;
        body
    };
    for (body, faults) in [
        (
            with(&["body"], json!("Dear ((name)), ((nickname)) has ((x))")),
            vec!["/body unknown_placeholder", "/body unknown_placeholder"],
        ),
        (with(&["subject"], json!("((when))")), vec!["/subject unknown_placeholder"]),
        (with(&["subject"], json!("one\r\nBcc: two")), vec!["/subject invalid"]),
        (with(&["subject"], Value::Null), vec!["/subject required"]),
        (with(&["channels"], json!([])), vec!["/channels required"]),
        (with(&["channels"], json!(["email", "email"])), vec!["/channels repeated"]),
        (with(&["body"], json!(" \n")), vec!["/body required"]),
    ] {
        let answer = world.post("sender", "/messages", &body).await;
        assert_eq!(answer.faults(), faults, "{body}");
        answer.problem(422, "invalid_fields");
    }
    for (body, pointer) in [
        (with(&["audience", "shoe_size"], json!(31)), "/audience/shoe_size"),
        (with(&["urgent"], json!(true)), "/urgent"),
        (with(&["channels"], json!(["email", "pigeon"])), "/channels/1"),
        (with(&["audience", "people"], json!(["per_1"])), "/audience/people/0"),
        (with(&["purpose"], json!(7)), "/purpose"),
    ] {
        let answer = world.post("sender", "/messages", &body).await;
        assert_eq!(answer.faults(), [format!("{pointer} wrong_type_or_unknown_field")], "{body}");
        answer.problem(400, "malformed_body");
    }
    assert_eq!(world.get("sender", "/messages").await.expect(200)["items"], json!([]));
    assert_eq!(world.outbox().await.len(), 0);
}

#[tokio::test]
async fn messages_of_another_school_are_not_there() {
    let (ours, theirs) = (school(&Sheet::families(1)).await, World::new().await);
    let message = send(&ours, &draft(&ours, "service", &["email"])).await;
    let stranger = format!("Bearer {}", theirs.token("sender").await);
    let office = format!("Bearer {}", theirs.token("office,sender,approver,dpo").await);
    for who in [&stranger, &office] {
        for path in [
            "/messages".to_owned(),
            format!("/messages/{message}"),
            format!("/messages/{message}/recipients"),
        ] {
            ours.get(who, &path).await.problem(404, "not_found");
        }
        let body = draft(&ours, "service", &["email"]);
        for path in
            ["/messages".to_owned(), "/messages/preview".to_owned(), format!("/messages/{message}/stop")]
        {
            ours.post(who, &path, &body).await.problem(404, "not_found");
        }
    }
    // Nor is it there below their own school.
    theirs.get("sender", &format!("/messages/{message}")).await.problem(404, "not_found");
    let role = ours.post("office", "/messages", &draft(&ours, "service", &["email"])).await;
    role.problem(403, "forbidden");
    assert_eq!(counts(&ours.drain(&message).await), only("sent", 1));
}

#[tokio::test]
async fn tasks_delivered_twice_or_out_of_order_send_nothing_more() {
    let world = school(&Sheet::families(60)).await;
    // Nothing of a message that is not there (yet, or any more).
    let unknown = "msg_019b76da880070008000000000000001";
    assert_eq!(deliver(&world, "message-send", &[chunk_task(&world, unknown, 0)]).await, [""; 0]);
    assert_eq!(deliver(&world, "message-fanout", &[fan_out_task(&world, unknown)]).await, [""; 0]);

    let message = send(&world, &draft(&world, "service", &["email", "sms"])).await;
    assert_eq!(counts(&world.drain(&message).await), only("sent", 60));
    let outbox = world.outbox().await;
    assert_eq!(outbox.len(), 60);
    let tasks = [1, 0, 1, 0, 7].map(|chunk| chunk_task(&world, &message, chunk));
    assert_eq!(deliver(&world, "message-send", &tasks).await, [""; 0]);
    let mark = world.now().await;
    assert_eq!(
        deliver(&world, "message-fanout", &[fan_out_task(&world, &message), fan_out_task(&world, &message)])
            .await,
        [""; 0]
    );
    // Both queued the two chunks once more: wait until message-send has looked at all four.
    let looked = eventually("the repeated tasks are done", DEADLINE, async || {
        let calls = world.calls_of("message-send", mark).await;
        Ok((calls.iter().filter(|call| call.action == "UpdateItem").count() >= 4).then_some(()))
    });
    looked.await.expect("they are");
    let told = status(&world, &message).await;
    assert_eq!((counts(&told), text(&told["status"])), (only("sent", 60), "sent"));
    assert_eq!(addresses(&world.outbox().await), addresses(&outbox));
}

#[tokio::test]
async fn siblings_twins_and_shared_contact_points_get_one_message() {
    let mother = Row::family(1);
    let twin = |name: &str, id: &str| mother.clone().with(GIVEN.0, name).with(2, id);
    let rows = vec![
        twin("Ada", "P1"),
        twin("Bea", "P2"),
        twin("Ada", "P1")
            .with(GIVEN.1, "Cy")
            .with(10, "C2")
            .with(RELATIONSHIP, "Father")
            .with(MOBILE, "07700 900555"),
        twin("Bea", "P2")
            .with(GIVEN.1, "Dan")
            .with(10, "C3")
            .with(RELATIONSHIP, "Grandfather")
            .with(PRIORITY, "3")
            .with(RESPONSIBILITY, ""),
    ];
    let world = school(&Sheet(rows)).await;
    let message = send(&world, &draft(&world, "service", &["email"])).await;
    let told = world.drain(&message).await;
    assert_eq!(counts(&told), only("sent", 1));
    assert_eq!(excluded(&told), BTreeMap::from([("duplicate".into(), 1), ("no_responsibility".into(), 1)]));
    let outbox = world.outbox().await;
    assert_eq!(addresses(&outbox), ["grace1@example.com"]);
    assert!(
        outbox[0].text.contains("Ada and Bea") || outbox[0].text.contains("Bea and Ada"),
        "{}",
        outbox[0].text
    );
    // Two read it, so neither is addressed by name.
    let named = json!({"body": format!("Dear ((name)), [{}]", world.school)});
    let mut body = draft(&world, "service", &["email"]);
    body["body"] = named["body"].clone();
    let preview = world.post("sender", "/messages/preview", &body).await.expect(200);
    assert!(text(&preview["sample"]["text"]).starts_with("Dear Parent or carer,"), "{preview}");
}

#[tokio::test]
async fn urgent_messages_go_through_their_own_queue() {
    let world = school(&Sheet::families(1)).await;
    for (purpose, queue) in [
        ("emergency", "SendUrgentQueueUrl"),
        ("attendance", "SendUrgentQueueUrl"),
        ("service", "SendRoutineQueueUrl"),
        ("consent", "SendRoutineQueueUrl"),
    ] {
        let mark = world.now().await;
        let message = send(&world, &draft(&world, purpose, &["email"])).await;
        world.drain(&message).await;
        let url = world.stack.output(queue).expect("the stack has the queue");
        let name = url.rsplit('/').next().expect("a name");
        let into = world.stack.calls(mark, name).await.expect("the tap answers");
        let of_message: BTreeSet<_> = world
            .stack
            .calls(mark, &message)
            .await
            .expect("the tap answers")
            .iter()
            .map(|call| call.seq)
            .collect();
        let queued =
            into.iter().filter(|call| call.function == "message-fanout" && of_message.contains(&call.seq));
        assert_eq!(queued.count(), 1, "{purpose}");
    }
}

#[tokio::test]
async fn nothing_personal_leaves_the_process_but_to_the_carrier() {
    let row = Row::family(1)
        .with(GIVEN.0, "Xanthippe")
        .with(GIVEN.1, "Melusine")
        .with(1, "Quillfeather")
        .with(9, "Quillfeather")
        .with(EMAIL, "melusine@example.com")
        .with(MOBILE, "07700 900731");
    let world = school(&Sheet(vec![row, Row::family(2).with(EMAIL, "").with(MOBILE, "07700 900732")])).await;
    let mut body = draft(&world, "service", &["email", "sms"]);
    body["subject"] = json!("Headlice again");
    body["body"] = json!(format!("Verminology for ((child)) [{}]", world.school));
    let message = send(&world, &body).await;
    world.drain(&message).await;
    assert_eq!(world.outbox().await.len(), 2);
    assert!(world.calls().await.len() > 10, "the log can be searched");
    let words = ["Xanthippe", "Melusine", "melusine", "Quillfeather", "Headlice", "Verminology"];
    // As typed and as kept, and whole: half of a number stands now and then in an instant or a hash.
    let numbers = ["7700 900731", "7700900731", "7700 900732", "7700900732"];
    for secret in words.into_iter().chain(numbers) {
        let calls = world.stack.calls(0, secret).await.expect("the tap answers");
        let told: Vec<_> = calls
            .iter()
            .filter(|call| !matches!(call.service.as_str(), "ses" | "sns"))
            .filter(|call| call.function != "presigned" && call.function != "runner")
            .collect();
        assert!(told.is_empty(), "{secret}: {told:?}");
        for function in &world.stack.file().functions {
            let lines = world.stack.logs(&function.name, secret).await.expect("the logs answer");
            assert!(lines.is_empty(), "{} logs {secret}: {lines:?}", function.name);
        }
    }
}

/// Pupil and contact of a family.
pub async fn ends(world: &World, n: usize) -> (String, String) {
    let find = async |id: String, role: &str| {
        let found = world.search(&json!({"source_id": id, "role": role})).await;
        assert_eq!(found.len(), 1, "{id}");
        text(&found[0]["person_id"]).to_owned()
    };
    (find(format!("P{n:04}"), "pupil").await, find(format!("C{n:04}"), "contact").await)
}

#[tokio::test]
async fn people_and_exceptions_choose_the_audience() {
    let world = school(&Sheet::families(3)).await;
    let (pupil, contact) = ends(&world, 1).await;
    let (other, _) = ends(&world, 2).await;
    for (audience, recipients, left_out) in [
        (json!({}), 3, json!([])),
        (json!({"people": [pupil]}), 1, json!([])),
        (json!({"people": [contact, other]}), 2, json!([])),
        (json!({"except": [pupil]}), 2, json!([])),
        (json!({"except": [contact]}), 2, json!([])),
        (json!({"classes": ["3a"], "except": [other]}), 2, json!([])),
        (json!({"year_groups": ["9"]}), 0, json!([])),
        (json!({"roles": ["staff"]}), 0, json!([])),
    ] {
        let mut body = draft(&world, "service", &["email", "sms"]);
        body["audience"] = audience.clone();
        let preview = world.post("sender", "/messages/preview", &body).await.expect(200);
        assert_eq!(
            (&preview["recipients"], &preview["excluded"]),
            (&json!(recipients), &left_out),
            "{audience}"
        );
    }
}
