//! Least privilege, held against the call log: no function calls what it is not granted, and none is granted what it does
//! not call.
//!
//! The emulator denies what is missing; this test shows what is spare. It walks once through everything each function does,
//! so that it needs no other test to have run.

use std::collections::{BTreeMap, BTreeSet};

use local::{
    Stack,
    tap::{Call, Kind},
};
use serde_json::{Value, json};

use crate::{
    bad_input::{arrival, deliver},
    crash::{fault, let_the_lock_run_out, struck},
    ingest::settled_after_review,
    sheet::{EMAIL, MOBILE, Sheet, YEAR},
    template::{Template, root},
    world::{DEADLINE, World, attach, failures, sqs_event, text},
};

/// Grants that no call of a function shows here, and why each is needed all the same: an action of all, or one grant.
const UNSEEN: &[(&str, &str)] = &[
    (
        "message-fanout: dynamodb:ConditionCheckItem on MessagingTable",
        "only a message to more than two thousand needs a second transaction",
    ),
    (
        "upload-ingest: sqs:SendMessage on UploadsQueue",
        "only a file that takes longer than the function may, or that finds the school taken, is handed over",
    ),
    (
        "retention-cleanup: dynamodb:PutItem on AccessTable",
        "only an account of two schools outlives its contact at one of them",
    ),
    (
        "parent-verify: dynamodb:DeleteItem on AccessTable",
        "only a contact who goes over to another account leaves the old one",
    ),
    ("logs:CreateLogStream", "Lambda itself writes what a function prints"),
    ("logs:PutLogEvents", "Lambda itself writes what a function prints"),
    ("sqs:ReceiveMessage", "the event source mapping polls with the function's role"),
    ("sqs:DeleteMessage", "the event source mapping polls with the function's role"),
    ("sqs:GetQueueAttributes", "the event source mapping polls with the function's role"),
    ("s3:ListBucket", "never called: with it, S3 answers 404 and not 403 for a file that is gone"),
    ("kms:GenerateDataKey", "S3 asks for a data key in the name of whoever writes an object"),
];

/// A function, what it may do, and to what: `upload-ingest`, `dynamodb:PutItem`, `DirectoryTable`.
type Grant = (String, String, String);

/// What the template grants on AWS.
fn granted() -> BTreeSet<Grant> {
    let template = Template::read();
    let roles: BTreeMap<&str, &str> = template
        .functions()
        .into_iter()
        .map(|(id, name)| (text(&template.properties(id)["Role"]["Fn::GetAtt"][0]), name))
        .collect();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let mut grants = BTreeSet::new();
    for (holder, statement) in template.statements() {
        // Roles of the schedule and of others that are no function; denials grant nothing.
        let (Some(function), "Allow") = (roles.get(holder), text(&statement["Effect"])) else { continue };
        for action in list(&statement["Action"]) {
            for resource in list(&statement["Resource"]) {
                grants.insert(((*function).to_owned(), text(&action).to_owned(), resource_name(&resource)));
            }
        }
    }
    assert!(grants.len() > 50, "the template's grants were not understood");
    grants
}

/// The logical name of what a statement is about; `*` for everything that has no resource of this stack.
fn resource_name(resource: &Value) -> String {
    if let Some(id) = resource["Fn::GetAtt"][0].as_str() {
        return id.to_owned();
    }
    let pattern = text(&resource["Fn::Sub"]);
    match pattern.strip_prefix("${").and_then(|rest| rest.split_once(".Arn}")) {
        Some((id, index)) if index.starts_with("/index/") => format!("{id}{index}"),
        Some((id, _)) => id.to_owned(),
        None => "*".to_owned(),
    }
}

/// What these calls of functions needed, with one of the calls as evidence.
fn used(stack: &Stack, calls: &[Call]) -> BTreeMap<Grant, Call> {
    let mut names = BTreeMap::from([("key".to_owned(), "Key".to_owned()), ("*".to_owned(), "*".to_owned())]);
    for (output, value) in &stack.file().outputs {
        match output.strip_suffix("Url") {
            Some(queue) => {
                names.insert(value.rsplit('/').next().unwrap_or_default().to_owned(), queue.to_owned())
            }
            None => names.insert(value.clone(), output.clone()),
        };
    }
    let mut used = BTreeMap::new();
    for call in calls {
        // Only staff-api hands out signed addresses, and whoever follows one acts as staff-api.
        let function = if call.function == "presigned" { "staff-api" } else { &call.function };
        if function == "runner" {
            continue;
        }
        for need in &call.needs {
            let (action, resource) = need.split_once(' ').expect("action and resource");
            let (table, index) = resource.split_once('/').unwrap_or((resource, ""));
            let name = names.get(table).map_or(table, String::as_str);
            let name = if index.is_empty() { name.to_owned() } else { format!("{name}/{index}") };
            used.insert((function.to_owned(), action.to_owned(), name), call.clone());
        }
    }
    used
}

#[tokio::test]
async fn each_function_is_granted_what_it_calls_and_nothing_else() {
    let granted = granted();
    let stack = attach().await;
    let since = stack.mark().await.expect("the tap answers").calls;
    everything_once().await;

    // Whatever any test has made a function call so far was granted.
    let all = used(&stack, &stack.calls(0, "").await.expect("the tap answers"));
    let ungranted: Vec<_> = all
        .iter()
        .filter(|(grant, _)| !granted.contains(*grant))
        .map(|((function, action, resource), call)| {
            format!("{function}: {action} on {resource} (status {})", call.status)
        })
        .collect();
    assert!(ungranted.is_empty(), "called and not granted:\n{}", ungranted.join("\n"));

    let seen = used(&stack, &stack.calls(since, "").await.expect("the tap answers"));
    let names = |known: &str, (function, action, resource): &Grant| {
        known == action || known == format!("{function}: {action} on {resource}")
    };
    let unseen = |grant: &Grant| UNSEEN.iter().any(|(known, _)| names(known, grant));
    let spare: Vec<_> = granted
        .iter()
        .filter(|grant| !seen.contains_key(*grant) && !unseen(grant))
        .map(|(function, action, resource)| format!("{function}: {action} on {resource}"))
        .collect();
    assert!(spare.is_empty(), "granted and never called:\n{}", spare.join("\n"));
    for (action, reason) in UNSEEN {
        assert!(granted.iter().any(|grant| names(action, grant)), "nobody is granted {action} ({reason})");
    }
}

/// Everything the functions do, once.
async fn everything_once() {
    let world = World::new().await;
    let key = [("idempotency-key", "grants")];
    let again = world
        .send(reqwest::Method::POST, "operator", "/v1/schools", Some(&crate::world::new_school()), &key)
        .await;
    again.expect(201);
    world.get("office", "").await.expect(200);

    let address = format!("grace.{}@example.com", &world.school[4..]);
    let sheet = Sheet::families(20)
        .with(19, EMAIL, &address)
        .with(19, MOBILE, "")
        .with(1, EMAIL, "nobody")
        .with(2, MOBILE, "");
    let upload = world.upload(&sheet.bytes()).await;
    assert_eq!(upload["status"], "done", "{upload}");
    let report = world.http.get(text(&upload["report_url"])).send().await.expect("S3 answers");
    assert!(report.status().is_success());
    // The mother whose account is forgotten with her.
    parent(&world, &address).await;
    files(&world, &sheet).await;
    people(&world).await;
    let message_id = message(&world).await;
    world.post("sender", &format!("/messages/{message_id}/stop"), &json!({})).await;
    forgetting(&world).await;
}

async fn files(world: &World, sheet: &Sheet) {
    world.get("office", "/uploads").await.expect(200);

    // Three families fewer: held, approved, and so to be forgotten later.
    let fewer = Sheet(sheet.0[..17].to_vec());
    let held = world.upload(&fewer.bytes()).await;
    let upload_id = text(&held["upload_id"]);
    world.post("approver", &format!("/uploads/{upload_id}/approval"), &json!({})).await.expect(202);
    settled_after_review(world, upload_id).await;

    // A dead import and the next one, which takes back what it left.
    let more = Sheet::families(25);
    let killed = fault(world, "TransactWriteItems", Kind::KillAfter, 0).await;
    struck(world, killed, &Sheet([&fewer.0[..], &more.0[20..]].concat()).bytes()).await;
    let_the_lock_run_out(world).await;
    world.upload(&fewer.clone().with(3, YEAR, "4").bytes()).await;
    world.stack.clear_fault(killed).await.expect("it is cleared");

    // A file of another school's, and one that stays until it is abandoned.
    deliver(world, &[arrival(world, "uploads/other.csv")]).await;
    assert_eq!(world.upload_as(&sheet.bytes(), "preview").await["status"], "review");
}

async fn people(world: &World) {
    world.list("office", "/people").await;
    let key = [("idempotency-key", "person")];
    let body = json!({"role": "contact", "given_name": "Ann", "family_name": "Other", "source_id": "C9999"});
    let made = world.send(reqwest::Method::POST, "office", "/people", Some(&body), &key).await.expect(201);
    let contact = text(&made["person_id"]);
    let pupil = &world.search(&json!({"role": "pupil", "source_id": "P0005"})).await[0];
    let path = format!("/people/{}/contacts/{contact}", text(&pupil["person_id"]));
    world.put("office", &path, &json!({"relationship": "relative"})).await.expect(200);
    world.get("office", &format!("/people/{contact}")).await.expect(200);
    world.delete("office", &path).await.expect(204);
    let point = json!({"mobile": "07700 900005", "suppressed": true});
    world.put("office", "/suppressions", &point).await.expect(200);
    world.list("office", "/suppressions").await;
}

/// A mother proves who she is, looks at her child and signs out. The functions are invoked with an address of their own,
/// because claims from one address are limited.
async fn parent(world: &World, address: &str) {
    let sample = |name: &str| {
        let path = root().join("events/parent-verify").join(name);
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice::<Value>(&text).expect("JSON")
    };
    let mut claim = sample("create-verification.json");
    claim["requestContext"]["http"]["sourceIp"] = format!("2001:db8::{}", &world.school[32..]).into();
    claim["body"] = json!({
        "school_code": world.code,
        "parent": {"given_name": "Grace", "family_name": "Family19", "mobile": "07700 900000", "email": address},
        "child": {"given_name": "Ada", "family_name": "Family19", "date_of_birth": "2018-05-14"},
    })
    .to_string()
    .into();
    let accepted = answer(world, "parent-verify", &claim, 202).await;
    let codes = async |number: usize| {
        let sent = local::eventually("a code is sent", DEADLINE, async || {
            let sent = world.outbox_with(address).await;
            let words = sent.iter().filter_map(|mail| mail.text.split(' ').next().map(str::to_owned));
            let is_code = |word: &String| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit());
            Ok(words.filter(is_code).nth(number))
        });
        sent.await.expect("it arrives")
    };
    let mut entered = sample("enter-code.json");
    entered["pathParameters"]["verification_id"] = accepted["verification_id"].clone();
    entered["body"] = json!({"code": codes(0).await}).to_string().into();
    let session = answer(world, "parent-verify", &entered, 201).await;
    let bearer = format!("Bearer {}", text(&session["session_token"]));
    world.get(&bearer, "/v1/me").await.expect(200);
    let children = world.get(&bearer, "/v1/me/children").await.expect(200);
    let child = text(&children["items"][0]["person_id"]);
    world.get(&bearer, &format!("/v1/me/children/{child}")).await.expect(200);
    inbox(world, &bearer, child).await;
    asks(world, &bearer).await;
    let notice = world.get(&bearer, "/v1/me").await.expect(200)["privacy_notice"]["version"].clone();
    world.put(&bearer, "/v1/me/privacy-notice", &json!({"version": notice})).await.expect(204);
    let push = json!({"platform": "ios", "token": "0123456789abcdef".repeat(4)});
    world.post(&bearer, "/v1/me/devices", &push).await.expect(201);

    // Her name the other way round is for the office, which approves; signing in again joins what she holds already.
    let mut swapped = claim.clone();
    let mut body: Value = serde_json::from_str(text(&claim["body"])).expect("a body is JSON");
    (body["parent"]["given_name"], body["parent"]["family_name"]) = (json!("Family19"), json!("Grace"));
    swapped["body"] = body.to_string().into();
    let waiting = answer(world, "parent-verify", &swapped, 202).await;
    let listed = local::eventually("the claim waits for the office", DEADLINE, async || {
        let list = world.get("office", "/verifications").await.expect(200);
        Ok(list["items"].as_array().is_some_and(|items| !items.is_empty()).then_some(()))
    });
    listed.await.expect("it does");
    let path = format!("/verifications/{}/decision", text(&waiting["verification_id"]));
    world.post("office", &path, &json!({"decision": "approve"})).await.expect(200);
    let mut approved = entered.clone();
    approved["pathParameters"]["verification_id"] = waiting["verification_id"].clone();
    approved["headers"]["authorization"] = bearer.clone().into();
    approved["body"] = json!({"code": codes(1).await}).to_string().into();
    answer(world, "parent-verify", &approved, 201).await;
    let mut again = sample("sign-in.json");
    again["requestContext"]["http"]["sourceIp"] = claim["requestContext"]["http"]["sourceIp"].clone();
    again["body"] = json!({"email": address}).to_string().into();
    let accepted = answer(world, "parent-verify", &again, 202).await;
    entered["pathParameters"]["verification_id"] = accepted["verification_id"].clone();
    entered["body"] = json!({"code": codes(2).await}).to_string().into();
    answer(world, "parent-verify", &entered, 201).await;
    world.delete(&bearer, "/v1/sessions/current").await.expect(204);
}

/// What a parent chooses and asks, and what of it is sent on.
async fn asks(world: &World, bearer: &str) {
    let told = world.get(bearer, "/v1/me/preferences").await.expect(200);
    let me = &told["items"][0];
    let choice = json!({"purpose": "marketing", "channel": "sms", "allowed": false});
    let chosen =
        json!({"items": [{"person_id": me["person_id"], "version": me["version"], "choices": [choice]}]});
    world.put(bearer, "/v1/me/preferences", &chosen).await.expect(200);
    let device = json!({"platform": "ios", "token": format!("{:0>64}", &world.school[4..])});
    world.post(bearer, "/v1/me/devices", &device).await.expect(201);
    let asked = json!({"kind": "access", "person_id": me["person_id"]});
    let asked = world.post(bearer, "/v1/me/subject-requests", &asked).await.expect(201);
    world.get(bearer, "/v1/me/subject-requests").await.expect(200);
    let recorded = json!({"kind": "complaint", "person_id": me["person_id"]});
    world.post("dpo", "/subject-requests", &recorded).await.expect(201);
    let help = json!({"topic": "other", "device_type": "Phone", "app_version": "1", "device_id": "1"});
    let help = world.post(bearer, "/v1/me/support", &help).await.expect(202);
    for reference in [&asked["request_id"], &help["support_id"]] {
        let sent = local::eventually("the school is told", DEADLINE, async || {
            Ok((!world.outbox_with(text(reference)).await.is_empty()).then_some(()))
        });
        sent.await.expect("it is");
    }
}

/// A mother reads what is written to her, acknowledges it twice, and sees that she has.
async fn inbox(world: &World, bearer: &str, child: &str) {
    let post =
        json!({"purpose": "service", "channels": ["app"], "body": "Boots.", "audience": {"people": [child]}});
    let made = world.post("sender", "/messages", &post).await.expect(202);
    let path = format!("/v1/me/messages/{}", text(&made["message_id"]));
    world.drain(text(&made["message_id"])).await;
    for _ in 0..2 {
        world.post(bearer, &format!("{path}/acknowledgement"), &json!({})).await.expect(204);
    }
    assert!(world.get(bearer, &path).await.expect(200)["acknowledged_at"].is_string());
    assert_eq!(
        world.get(bearer, "/v1/me/messages").await.expect(200)["items"].as_array().map(Vec::len),
        Some(1)
    );
}

/// Invokes a function of the API and returns the body of its answer.
async fn answer(world: &World, function: &str, event: &Value, status: u64) -> Value {
    let answer = world.stack.invoke(function, event).await.expect("it can be invoked");
    assert_eq!(answer.payload["statusCode"], status, "{}", answer.payload);
    serde_json::from_str(text(&answer.payload["body"])).expect("a body is JSON")
}

async fn message(world: &World) -> String {
    let body = json!({
        "purpose": "service", "channels": ["email", "sms"], "subject": "Trip", "body": "The trip is on Friday.",
        "audience": {"year_groups": ["3"]},
    });
    world.post("sender", "/messages/preview", &body).await.expect(200);
    let key = [("idempotency-key", "message")];
    let made = world.send(reqwest::Method::POST, "sender", "/messages", Some(&body), &key).await.expect(202);
    let message_id = text(&made["message_id"]).to_owned();
    assert_eq!(world.drain(&message_id).await["status"], "sent");
    world.get("sender", "/messages").await.expect(200);
    world.get("sender", &format!("/messages/{message_id}/recipients")).await.expect(200);
    // An emergency goes by the other queue.
    let urgent = json!({"purpose": "emergency", "channels": ["sms"], "body": "Closed.", "audience": {"year_groups": ["3"]}});
    let made = world.post("sender", "/messages", &urgent).await.expect(202);
    world.drain(text(&made["message_id"])).await;
    // Both tasks once more, as a queue may deliver them.
    for (function, task, queue) in
        [("message-fanout", "fan_out", "fanout"), ("message-send", "send_chunk", "send")]
    {
        let mut body = json!({"v": 1, "task": task, "school_id": world.school, "message_id": message_id});
        if task == "send_chunk" {
            body["chunk"] = 0.into();
        }
        let again = world
            .stack
            .invoke(function, &sqs_event(queue, &[body.to_string()]))
            .await
            .expect("it can be invoked");
        assert_eq!(failures(&again.payload), Vec::<String>::new(), "{function}");
    }
    message_id
}

/// Everything is due in ten years.
async fn forgetting(world: &World) {
    let night = json!({"kind": "nightly", "time": "2026-01-02T02:15:00Z", "dry_run": true});
    let nightly = world.stack.invoke("retention-cleanup", &night).await.expect("it can be invoked");
    assert_eq!(nightly.error, None, "{}", nightly.payload);
    let sweep = json!({"kind": "sweep", "school_id": world.school, "time": "2036-11-01T02:15:00Z"});
    let swept = world.stack.invoke("retention-cleanup", &sweep).await.expect("it can be invoked");
    assert_eq!(swept.error, None, "{}", swept.payload);
    assert!(swept.payload["due"].as_object().is_some_and(|due| due.len() > 3), "{}", swept.payload);
}
