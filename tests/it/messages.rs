//! A message from preview to the parents' phones, and what becomes of it on a bad day.
//!
//! Every body holds the school's id, so that texts, which bear no tag, are found in the outbox too. What the queues would
//! do after minutes (deliver once more) a test does itself, and a worker that died is overtaken by setting its lease back.

use std::collections::{BTreeMap, BTreeSet};

use local::{
    eventually,
    tap::{Channel, Fault, Kind, Match, Sent},
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
fn draft(world: &World, purpose: &str, channels: &[&str]) -> Value {
    json!({
        "purpose": purpose, "channels": channels, "subject": "Trip on Friday",
        "body": format!("Bring boots & <b>lunch</b>. [{}]", world.school), "audience": {"year_groups": ["3"]},
    })
}

/// A school with these rows.
async fn school(sheet: &Sheet) -> World {
    let world = World::new().await;
    let upload = world.upload(&sheet.bytes()).await;
    assert_eq!(upload["status"], "done", "{upload}");
    world
}

/// Sends a draft; returns the message's id.
async fn send(world: &World, draft: &Value) -> String {
    text(&world.post("sender", "/messages", draft).await.expect(202)["message_id"]).to_owned()
}

async fn status(world: &World, message: &str) -> Value {
    let told = world.get("sender", &format!("/messages/{message}")).await.expect(200);
    adds_up(&told);
    told
}

/// The counts of a message are a sum at every moment.
#[track_caller]
fn adds_up(message: &Value) {
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
fn counts(message: &Value) -> BTreeMap<String, u64> {
    let counts = message["counts"].as_object().expect("counts").iter();
    let counts = counts.map(|(name, count)| (name.clone(), count.as_u64().expect("a count")));
    counts.filter(|(name, count)| *count > 0 && !matches!(name.as_str(), "recipients" | "excluded")).collect()
}

fn only(name: &str, count: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(name.to_owned(), count)])
}

/// Left out: reason and number of people.
fn excluded(message: &Value) -> BTreeMap<String, u64> {
    let reasons = message["excluded"].as_array().expect("reasons").iter();
    reasons.map(|one| (text(&one["reason"]).to_owned(), one["count"].as_u64().expect("a count"))).collect()
}

/// Where it went, sorted.
fn addresses(outbox: &[Sent]) -> Vec<&str> {
    let mut to: Vec<_> = outbox.iter().map(|sent| sent.to.as_str()).collect();
    to.sort_unstable();
    to
}

fn chunk_task(world: &World, message: &str, chunk: u32) -> String {
    json!({"v": 1, "task": "send_chunk", "school_id": world.school, "message_id": message, "chunk": chunk})
        .to_string()
}

fn fan_out_task(world: &World, message: &str) -> String {
    json!({"v": 1, "task": "fan_out", "school_id": world.school, "message_id": message}).to_string()
}

/// Hands tasks to a function as its queue would; returns which are to be delivered again.
async fn deliver(world: &World, function: &str, bodies: &[String]) -> Vec<String> {
    let answer =
        world.stack.invoke(function, &sqs_event("send-routine", bodies)).await.expect("it can be invoked");
    assert_eq!(answer.error, None, "{}", answer.payload);
    failures(&answer.payload)
}

/// Hands the first chunk to message-send; true if all went well.
async fn try_again(world: &World, message: &str) -> bool {
    deliver(world, "message-send", &[chunk_task(world, message, 0)]).await.is_empty()
}

/// A fault in the way of message-send's calls that name this school.
async fn fault(world: &World, (service, action): (&str, &str), kind: Kind, times: u64) -> u64 {
    let on = Match {
        service: Some(service.to_owned()),
        action: Some(action.to_owned()),
        function: Some("message-send".to_owned()),
        contains: Some(world.school.clone()),
    };
    world.stack.fault(&Fault { on, fault: kind, skip: 0, times }).await.expect("the tap takes it")
}

async fn fired(world: &World, fault: u64) -> u64 {
    world.stack.fault_state(fault).await.expect("the tap knows it").fired
}

/// The state item of a message's first chunk.
async fn chunk(world: &World, message: &str) -> Option<Value> {
    let pk = format!("SCH#{}#MSG#{message}", world.school);
    world.stack.dynamo_get("MessagingTable", &pk, "STATE#000000").await.expect("the table answers")
}

/// Sends a draft whose carrier refuses to take it for now: message-send has looked at its one chunk and given it back. From
/// here on a test delivers the chunk itself: the queue does so only after six minutes.
async fn held(world: &World, draft: &Value, carrier: (&str, &str), recipients: u64) -> String {
    let throttle = fault(world, carrier, Kind::Throttle, recipients).await;
    let message = send(world, draft).await;
    let given_back = eventually("the chunk is given back", DEADLINE, async || {
        let chunk = chunk(world, &message).await.unwrap_or_default();
        Ok((text(&chunk["status"]["S"]) == "queued" && chunk["claims"]["N"] == "1").then_some(()))
    });
    given_back.await.expect("it is given back");
    world.stack.clear_fault(throttle).await.expect("it is cleared");
    assert_eq!(world.outbox().await.len(), 0);
    message
}

const SES: (&str, &str) = ("ses", "SendBulkEmail");
const SNS: (&str, &str) = ("sns", "Publish");

/// What a minute does to the claim of a worker that is dead.
async fn let_the_claim_run_out(world: &World, message: &str) {
    let body = json!({
        "TableName": world.stack.output("MessagingTable").expect("the stack has the table"),
        "Key": {"pk": {"S": format!("SCH#{}#MSG#{message}", world.school)}, "sk": {"S": "STATE#000000"}},
        "UpdateExpression": "SET claimed_until = :then",
        "ConditionExpression": "#status = :claimed",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {":then": {"N": "0"}, ":claimed": {"S": "claimed"}},
    });
    world
        .stack
        .aws()
        .json("dynamodb", "DynamoDB_20120810.UpdateItem", &body)
        .await
        .expect("the chunk is claimed");
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
    assert_eq!(excluded(&marketing), BTreeMap::from([("restricted".into(), 1), ("no_consent".into(), 2)]));

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
    for secret in
        ["Xanthippe", "Melusine", "melusine", "Quillfeather", "900731", "900732", "Headlice", "Verminology"]
    {
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

#[tokio::test]
async fn a_throttled_carrier_is_asked_again_and_sends_once() {
    let world = school(&Sheet::families(3)).await;
    let message = held(&world, &draft(&world, "service", &["email"]), SES, 1).await;
    let told = status(&world, &message).await;
    assert_eq!((counts(&told), text(&told["status"])), (only("queued", 3), "queued"));
    assert!(try_again(&world, &message).await);
    assert_eq!(counts(&status(&world, &message).await), only("sent", 3));
    assert!(try_again(&world, &message).await);
    assert_eq!(
        addresses(&world.outbox().await),
        ["grace0@example.com", "grace1@example.com", "grace2@example.com"]
    );

    let texts = held_texts(3).await;
    assert!(try_again(&texts.0, &texts.1).await);
    assert_eq!(counts(&status(&texts.0, &texts.1).await), only("sent", 3));
    assert_eq!(addresses(&texts.0.outbox().await), ["+447700900000", "+447700900001", "+447700900002"]);
}

/// A school of `n` families whose text message waits.
async fn held_texts(n: usize) -> (World, String) {
    let world = school(&Sheet::families(n)).await;
    let message = held(&world, &draft(&world, "service", &["sms"]), SNS, n as u64).await;
    (world, message)
}

#[tokio::test]
async fn a_lost_answer_leaves_the_chunk_unknown_and_is_never_sent_twice() {
    for kind in [Kind::ResetAfter, Kind::TimeoutAfter, Kind::Truncate, Kind::Error500] {
        let world = school(&Sheet::families(3)).await;
        let lost = fault(&world, SES, kind, 1).await;
        let message = send(&world, &draft(&world, "service", &["email"])).await;
        let told = world.drain(&message).await;
        adds_up(&told);
        assert_eq!((counts(&told), fired(&world, lost).await), (only("unknown", 3), 1), "{kind:?}");
        assert!(try_again(&world, &message).await, "{kind:?}");
        // An internal error may have been one before or after the effect: here it was before.
        let sent = if kind == Kind::Error500 { 0 } else { 3 };
        assert_eq!(world.outbox().await.len(), sent, "{kind:?}");
        assert_eq!(counts(&status(&world, &message).await), only("unknown", 3), "{kind:?}");
    }
}

#[tokio::test]
async fn one_text_in_doubt_does_not_touch_the_others() {
    let (world, message) = held_texts(4).await;
    let lost = fault(&world, SNS, Kind::ResetAfter, 1).await;
    assert!(try_again(&world, &message).await);
    assert_eq!(fired(&world, lost).await, 1);
    let told = status(&world, &message).await;
    assert_eq!(counts(&told), BTreeMap::from([("sent".into(), 3), ("unknown".into(), 1)]));
    assert_eq!(text(&told["status"]), "sent");
    assert!(try_again(&world, &message).await);
    assert_eq!(world.outbox().await.len(), 4, "the one in doubt was sent, and is not sent again");
    let people = world.list("sender", &format!("/messages/{message}/recipients")).await;
    let statuses: Vec<_> = people.iter().map(|person| text(&person["status"])).collect();
    assert_eq!(statuses.iter().filter(|status| **status == "unknown").count(), 1);
}

/// Kills message-send once the carrier has taken a message of three recipients, and lets the claim run out.
async fn killed_after_the_carrier(purpose: &str) -> (World, String) {
    let world = school(&Sheet::families(3)).await;
    let message = held(&world, &draft(&world, purpose, &["email"]), SES, 1).await;
    let kill = fault(&world, SES, Kind::KillAfter, 1).await;
    let died = world
        .stack
        .invoke("message-send", &sqs_event("send-routine", &[chunk_task(&world, &message, 0)]))
        .await;
    let died = died.expect("it can be invoked");
    assert!(died.error.is_some(), "{}", died.payload);
    assert_eq!((fired(&world, kill).await, world.outbox().await.len()), (1, 3));
    // As long as the claim holds, nobody touches the chunk.
    assert!(!try_again(&world, &message).await);
    assert_eq!(counts(&status(&world, &message).await), only("queued", 3));
    let_the_claim_run_out(&world, &message).await;
    assert!(try_again(&world, &message).await);
    (world, message)
}

#[tokio::test]
async fn a_worker_that_died_after_the_carrier_leaves_unknown_and_nothing_is_sent_twice() {
    let (world, message) = killed_after_the_carrier("service").await;
    assert_eq!(counts(&status(&world, &message).await), only("unknown", 3));
    assert!(try_again(&world, &message).await);
    assert_eq!(world.outbox().await.len(), 3);
}

#[tokio::test]
async fn an_emergency_in_doubt_is_sent_again() {
    let (world, message) = killed_after_the_carrier("emergency").await;
    assert_eq!(counts(&status(&world, &message).await), only("sent", 3));
    assert!(try_again(&world, &message).await);
    assert_eq!(world.outbox().await.len(), 6, "a duplicate is better than a loss");
}

#[tokio::test]
async fn outcomes_that_cannot_be_written_are_unknown() {
    let world = school(&Sheet::families(3)).await;
    let message = held(&world, &draft(&world, "service", &["email"]), SES, 1).await;
    // More often than the SDK tries.
    let broken = fault(&world, ("dynamodb", "TransactWriteItems"), Kind::Error500, 3).await;
    assert!(!try_again(&world, &message).await);
    assert_eq!((fired(&world, broken).await, world.outbox().await.len()), (3, 3));
    let_the_claim_run_out(&world, &message).await;
    assert!(try_again(&world, &message).await);
    assert_eq!(counts(&status(&world, &message).await), only("unknown", 3));
    assert_eq!(world.outbox().await.len(), 3);
}

#[tokio::test]
async fn a_passing_fault_of_the_tables_costs_nothing() {
    let world = school(&Sheet::families(3)).await;
    let message = held(&world, &draft(&world, "service", &["email"]), SES, 1).await;
    // Before the carrier, for good: the chunk goes back, and is not taken for one in doubt.
    let read = fault(&world, ("dynamodb", "BatchGetItem"), Kind::Error500, 3).await;
    assert!(!try_again(&world, &message).await);
    assert_eq!((fired(&world, read).await, world.outbox().await.len()), (3, 0));
    assert_eq!(text(&chunk(&world, &message).await.expect("it is there")["status"]["S"]), "queued");
    // While the outcomes are written, once: the SDK writes them again.
    let write = fault(&world, ("dynamodb", "TransactWriteItems"), Kind::Throttle, 1).await;
    assert!(try_again(&world, &message).await);
    assert_eq!(fired(&world, write).await, 1);
    assert_eq!(counts(&status(&world, &message).await), only("sent", 3));
    assert_eq!(world.outbox().await.len(), 3);
}

#[tokio::test]
async fn a_message_stopped_in_time_is_not_sent() {
    let world = school(&Sheet::families(3)).await;
    let message = held(&world, &draft(&world, "service", &["email"]), SES, 1).await;
    let stopped = world.post("sender", &format!("/messages/{message}/stop"), &json!({})).await.expect(202);
    assert_eq!((counts(&stopped), text(&stopped["status"])), (only("stopped", 3), "stopped"));
    assert!(try_again(&world, &message).await);
    let told = status(&world, &message).await;
    assert_eq!((counts(&told), text(&told["status"])), (only("stopped", 3), "stopped"));
    assert_eq!(world.outbox().await.len(), 0);
    // Stopping what has been sent changes nothing of it.
    let sent = send(&world, &draft(&world, "service", &["sms"])).await;
    world.drain(&sent).await;
    world.post("sender", &format!("/messages/{sent}/stop"), &json!({})).await.expect(202);
    assert_eq!(counts(&status(&world, &sent).await), only("sent", 3));
}

/// Pupil and contact of a family.
async fn ends(world: &World, n: usize) -> (String, String) {
    let find = async |id: String, role: &str| {
        let found = world.search(&json!({"source_id": id, "role": role})).await;
        assert_eq!(found.len(), 1, "{id}");
        text(&found[0]["person_id"]).to_owned()
    };
    (find(format!("P{n:04}"), "pupil").await, find(format!("C{n:04}"), "contact").await)
}

#[tokio::test]
async fn a_restriction_set_between_fan_out_and_sending_holds() {
    let world = school(&Sheet::families(3)).await;
    let message = held(&world, &draft(&world, "emergency", &["email"]), SES, 1).await;
    let (pupil, contact) = ends(&world, 1).await;
    let link = json!({"relationship": "mother", "parental_responsibility": "yes", "restricted": true, "priority": 1});
    world.put("office", &format!("/people/{pupil}/contacts/{contact}"), &link).await.expect(200);
    assert!(try_again(&world, &message).await);
    assert_eq!(addresses(&world.outbox().await), ["grace0@example.com", "grace2@example.com"]);
    let told = status(&world, &message).await;
    assert_eq!(counts(&told), BTreeMap::from([("sent".into(), 2), ("stopped".into(), 1)]));
    // The next message leaves her out from the start, and no later file lifts it.
    world.upload(&Sheet::families(3).with(1, RESPONSIBILITY, "Y").bytes()).await;
    let preview =
        world.post("sender", "/messages/preview", &draft(&world, "emergency", &["email"])).await.expect(200);
    assert_eq!(
        (&preview["recipients"], excluded(&preview)),
        (&json!(2), BTreeMap::from([("restricted".into(), 1)]))
    );
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
