//! A parent proves who they are, sees their children and nobody else's, and leaves. Whoever may not learns nothing.
//!
//! Claims are counted by source address, and the embedded gateway knows only one: but for the story itself, tests hand
//! their requests to the functions as the gateway would, each from an address of its own.

use std::sync::atomic::{AtomicU32, Ordering};

use local::{
    eventually,
    tap::{Channel, Sent},
};
use serde_json::{Value, json};

use crate::{
    sheet::{COURT_ORDER, EMAIL, MOBILE, RELATIONSHIP, RESPONSIBILITY, Row, Sheet},
    world::{Answer, DEADLINE, World, oakfield, oakfield_expected, text},
};

/// Places in a row, besides those of [`crate::sheet`].
pub mod place {
    pub const GIVEN: usize = 0;
    pub const PUPIL_ID: usize = 2;
    pub const CONTACT_GIVEN: usize = 8;
    pub const CONTACT_FAMILY: usize = 9;
    pub const CONTACT_ID: usize = 10;
    pub const PRIORITY: usize = 13;
}

/// A source address that no other test uses, of the range that RFC 2544 keeps for benchmarks.
pub fn address() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    // The process tells one run on the same stack from the next: sixteen runs of 8,192 addresses each.
    let number = std::process::id() % 16 * 8_192 + number % 8_192;
    format!("198.{}.{}.{}", 18 + (number >> 16), number >> 8 & 255, number & 255)
}

/// Hands a request to parent-verify as the gateway would, from a source address.
async fn ask(world: &World, route: &str, body: &Value, from: &str) -> Answer {
    ask_as(world, "nobody", route, body, from).await
}

/// The same with a bearer token, unless it is nobody's.
pub async fn ask_as(world: &World, who: &str, route: &str, body: &Value, from: &str) -> Answer {
    let answer = answer(world, who, route, body, from).await;
    let status = answer["statusCode"].as_u64().expect("a status");
    Answer {
        status: u16::try_from(status).expect("a status"),
        content_type: text(&answer["headers"]["content-type"]).to_owned(),
        body: serde_json::from_str(text(&answer["body"])).unwrap_or(Value::Null),
    }
}

/// The whole answer, as the gateway gets it.
pub async fn answer(world: &World, who: &str, route: &str, body: &Value, from: &str) -> Value {
    let (method, path) = route.split_once(' ').expect("a method and a path");
    let mut event = json!({
        "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "accountId": "000000000000", "apiId": "api", "domainName": "api.example.com", "domainPrefix": "api",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": from, "userAgent": "test"},
            "requestId": "req-test", "routeKey": route, "stage": "$default",
            "time": "01/Jan/2026:09:00:00 +0000", "timeEpoch": 1_767_258_000_000_u64,
        },
        "body": body.to_string(), "isBase64Encoded": false,
    });
    if who != "nobody" {
        event["headers"]["authorization"] = who.into();
    }
    let answer = world.stack.invoke("parent-verify", &event).await.expect("it can be invoked");
    assert_eq!(answer.error, None, "{}", answer.payload);
    answer.payload
}

pub async fn claim_from(world: &World, from: &str, body: &Value) -> Answer {
    ask(world, "POST /v1/verifications", body, from).await
}

/// A claim that is well formed: whatever it comes to, this is its answer. Returns the verification's id.
pub async fn claim(world: &World, body: &Value) -> String {
    let answer = claim_from(world, &address(), body).await.expect(202);
    let mut names: Vec<_> = answer.as_object().expect("an object").keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["expires_at", "verification_id"]);
    text(&answer["verification_id"]).to_owned()
}

pub async fn enter(world: &World, verification: &str, code: &str) -> Answer {
    world.post("nobody", &format!("/v1/verifications/{verification}/code"), &json!({"code": code})).await
}

/// The one answer to every code that is not right.
#[track_caller]
pub fn refused(answer: Answer) {
    let mut body = answer.problem(401, "unauthorised");
    body["request_id"] = Value::Null;
    let expected = json!({
        "type": "https://bookbag.example/problems/unauthorised", "code": "unauthorised", "title": "Not signed in",
        "status": 401, "detail": "The code is wrong, used or too old. Ask for a new one.", "request_id": null,
    });
    assert_eq!(body, expected);
}

/// The claim of family `n`'s mother, as [`Row::family`] makes them.
pub fn mother(world: &World, n: usize) -> Value {
    let family = format!("Family{n}");
    let (mobile, email) = (format!("07700 900{n:03}"), format!("grace{n}@example.com"));
    json!({
        "school_code": world.code,
        "parent": {"given_name": "Grace", "family_name": family, "mobile": mobile, "email": email},
        "child": {"given_name": "Ada", "family_name": family, "date_of_birth": "2018-05-14"},
    })
}

/// The same claim with one fact different.
pub fn but(claim: &Value, pointer: &str, value: &str) -> Value {
    let mut claim = claim.clone();
    *claim.pointer_mut(pointer).expect("a field of a claim") = json!(value);
    claim
}

/// A school of its own name, by which its codes are found in the outbox.
pub async fn school(rows: Vec<Row>) -> World {
    let world = World::named(&format!("School {}.", address())).await;
    let upload = world.upload(&Sheet(rows).bytes()).await;
    assert_eq!(upload["status"], "done", "{upload}");
    world
}

/// The texts and mails of this school that carry a code: what its office is told carries none.
pub async fn codes(world: &World) -> Vec<Sent> {
    let mut sent = world.outbox_with(&world.name).await;
    let is_code = |word: &str| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit());
    sent.retain(|sent| sent.text.split(' ').next().is_some_and(is_code));
    sent
}

/// Waits for code number `n` of this school; returns where it went and the code.
pub async fn code(world: &World, n: usize) -> (Channel, String, String) {
    let sent =
        eventually("the code is sent", DEADLINE, async || Ok(codes(world).await.into_iter().nth(n - 1)));
    let sent = sent.await.expect("it is sent");
    let code = sent.text.split(' ').next().expect("the code comes first").to_owned();
    assert!(code.len() == 8 && code.bytes().all(|byte| byte.is_ascii_digit()), "{}", sent.text);
    (sent.channel, sent.to, code)
}

/// A session of family `n`'s mother; `seen` codes were sent before.
pub async fn session(world: &World, n: usize, seen: usize) -> String {
    let verification = claim(world, &mother(world, n)).await;
    let (_, _, code) = code(world, seen + 1).await;
    let entered = enter(world, &verification, &code).await.expect(201);
    format!("Bearer {}", text(&entered["session_token"]))
}

/// The stored claim, in DynamoDB's JSON.
pub async fn stored(world: &World, verification: &str) -> Value {
    let found = world.stack.dynamo_get("AccessTable", &format!("VER#{verification}"), "CLAIM").await;
    found.expect("the table answers").expect("the claim is stored")
}

/// Waits until message-send has looked at a claim; returns the verdict.
pub async fn looked_at(world: &World, verification: &str) -> String {
    let verdict = eventually("message-send has looked at the claim", DEADLINE, async || {
        Ok(stored(world, verification).await["verdict"]["S"].as_str().map(str::to_owned))
    });
    verdict.await.expect("it has")
}

pub async fn person(world: &World, source_id: &str, role: &str) -> String {
    let found = world.search(&json!({"source_id": source_id, "role": role})).await;
    assert_eq!(found.len(), 1, "{source_id}");
    text(&found[0]["person_id"]).to_owned()
}

pub async fn children(world: &World, who: &str) -> Vec<Value> {
    let mut answer = world.get(who, "/v1/me/children").await.expect(200);
    std::mem::take(answer["items"].as_array_mut().expect("a list has items"))
}

/// A link as the office sets it.
pub fn link(restricted: bool, responsibility: &str) -> Value {
    json!({"relationship": "mother", "parental_responsibility": responsibility, "restricted": restricted, "priority": 1})
}

#[tokio::test]
async fn a_mother_sees_her_two_children_and_only_hers() {
    let story = &oakfield_expected()["story"];
    let world = World::named(&format!("Oakfield {}.", address())).await;
    assert_eq!(world.upload(&oakfield()).await["status"], "done");
    let with_code = |claim: &Value| {
        let mut claim = claim.clone();
        claim["school_code"] = json!(world.code.to_lowercase().replace('-', " "));
        claim
    };
    // Through the gateway, with the names as she types them.
    let folded = with_code(&story["claims"]["mother_folded"]);
    let answer = world.post("nobody", "/v1/verifications", &folded).await.expect(202);
    let verification = text(&answer["verification_id"]).to_owned();
    let (channel, to, right) = code(&world, 1).await;
    assert_eq!((channel, to.as_str()), (Channel::Sms, text(&story["mother"]["mobile"])));
    let spaced = format!("{} {}", &right[..4], &right[4..]);
    let entered = enter(&world, &verification, &spaced).await.expect(201);
    let token = text(&entered["session_token"]);
    assert!(token.starts_with("ses_"));
    let mother = format!("Bearer {token}");

    let me = world.get(&mother, "/v1/me").await.expect(200);
    assert_eq!(me["schools"], json!([{"school_id": world.school, "name": world.name}]));
    let mut seen = children(&world, &mother).await;
    seen.sort_by_key(|child| text(&child["year_group"]).to_owned());
    assert_eq!(seen.len(), 2);
    for (child, expected) in seen.iter().zip(story["children"].as_array().expect("two children")) {
        for name in ["given_name", "year_group", "class"] {
            assert_eq!(child[name], expected[name]);
        }
        let one =
            world.get(&mother, &format!("/v1/me/children/{}", text(&child["person_id"]))).await.expect(200);
        assert_eq!(&one, child);
    }
    let other = person(&world, text(&story["restricted_child"]["source_id"]), "pupil").await;
    let own = person(&world, text(&story["mother"]["source_id"]), "contact").await;
    for id in [other.as_str(), own.as_str(), "per_019b76da880070008000000000000001", "nobody"] {
        world.get(&mother, &format!("/v1/me/children/{id}")).await.problem(404, "not_found");
    }

    // Nothing in the table is her token, and what she typed is not with her claim.
    let items = json!(world.stack.dynamo_scan("AccessTable").await.expect("the table answers")).to_string();
    assert!(items.contains(text(&me["account_id"])) && !items.contains(&token[4..]));
    let claim_item = stored(&world, &verification).await.to_string();
    for typed in ["Sian", "Connor", "sian.oconnor", "900001", "2018-11-14", right.as_str()] {
        assert!(!claim_item.contains(typed), "{typed}");
    }

    world.delete(&mother, "/v1/sessions/current").await.expect(204);
    for path in ["/v1/me", "/v1/me/children"] {
        world.get(&mother, path).await.problem(401, "unauthorised");
    }

    // The restricted father's facts are right, and he gets nothing.
    let kept_away = claim(&world, &with_code(&story["claims"]["restricted_father"])).await;
    assert_eq!(looked_at(&world, &kept_away).await, "no");
    assert_eq!(codes(&world).await.len(), 1);
}

#[tokio::test]
async fn the_code_goes_to_the_registered_contact_point_alone() {
    let father = Row::family(13).with(place::CONTACT_GIVEN, "Cy").with(place::CONTACT_ID, "C2");
    let world = school(vec![
        Row::family(11).with(MOBILE, ""),
        Row::family(12),
        // Both parents on one mobile; each has an e-mail address.
        Row::family(13),
        father.with(RELATIONSHIP, "Father").with(EMAIL, "cy@example.com"),
    ])
    .await;
    // A registered e-mail address, and a mobile that the school does not know.
    let by_email = claim(&world, &mother(&world, 11)).await;
    let (channel, to, right) = code(&world, 1).await;
    assert_eq!((channel, to.as_str()), (Channel::Email, "grace11@example.com"));
    enter(&world, &by_email, &right).await.expect(201);
    // Another e-mail address than the registered one: her mobile gets the code, the address typed nothing.
    claim(&world, &but(&mother(&world, 12), "/parent/email", "thief@example.com")).await;
    let (channel, to, _) = code(&world, 2).await;
    assert_eq!((channel, to.as_str()), (Channel::Sms, "+447700900012"));
    // A code to a shared mobile would not tell who typed it.
    claim(&world, &mother(&world, 13)).await;
    let (channel, to, _) = code(&world, 3).await;
    assert_eq!((channel, to.as_str()), (Channel::Email, "grace13@example.com"));
    let shared = claim(&world, &but(&mother(&world, 13), "/parent/email", "grace@example.org")).await;
    assert_eq!(looked_at(&world, &shared).await, "review");
    assert_eq!(codes(&world).await.len(), 3);
}

#[tokio::test]
async fn whoever_does_not_fit_hears_the_same_and_gets_no_code() {
    let world = school(vec![
        Row::family(21),
        Row::family(22).with(COURT_ORDER, "Y"),
        Row::family(23).with(RESPONSIBILITY, "N"),
        Row::family(24).with(RESPONSIBILITY, "").with(place::PRIORITY, "2"),
        // Namesakes born on one day.
        Row::family(25),
        Row::family(25).with(place::PUPIL_ID, "P9025"),
    ])
    .await;
    let right = mother(&world, 21);
    let no_contact_point = but(&right, "/parent/mobile", "07700 900999");
    let mut verifications = Vec::new();
    for wrong in [
        but(&right, "/child/date_of_birth", "2018-05-15"),
        but(&right, "/child/given_name", "Adam"),
        but(&right, "/parent/given_name", "Gracie"),
        but(&no_contact_point, "/parent/email", "else@example.com"),
        but(&right, "/school_code", "ZZZZ-9999"),
        // The mother of another child.
        json!({"school_code": world.code, "parent": right["parent"], "child": mother(&world, 22)["child"]}),
        mother(&world, 22),
        mother(&world, 23),
        mother(&world, 24),
        mother(&world, 25),
    ] {
        verifications.push(claim(&world, &wrong).await);
    }
    for verification in &verifications {
        let verdict = looked_at(&world, verification).await;
        let claim = stored(&world, verification).await;
        assert!(matches!(verdict.as_str(), "no" | "review") && claim["code_hash"].is_null(), "{claim}");
        // What was typed is forgotten.
        assert!(claim["asked"].is_null());
        // Guessing does not help: there is nothing to guess.
        refused(enter(&world, verification, "00000000").await);
    }
    assert_eq!(codes(&world).await.len(), 0);
    // The right claim is still worth a code.
    claim(&world, &right).await;
    code(&world, 1).await;
}

#[tokio::test]
async fn a_code_works_once_in_time_and_three_attempts_long() {
    let world = school((30..35).map(Row::family).collect()).await;
    let wrong = |code: &str| if code == "00000000" { "00000001" } else { "00000000" };

    let used = claim(&world, &mother(&world, 30)).await;
    let (_, _, right) = code(&world, 1).await;
    refused(enter(&world, &used, wrong(&right)).await);
    enter(&world, &used, &right).await.expect(201);
    refused(enter(&world, &used, &right).await);

    let guessed = claim(&world, &mother(&world, 31)).await;
    let (_, _, right) = code(&world, 2).await;
    for _ in 0..3 {
        refused(enter(&world, &guessed, wrong(&right)).await);
    }
    refused(enter(&world, &guessed, &right).await);

    let late = claim(&world, &mother(&world, 32)).await;
    let (_, _, right) = code(&world, 3).await;
    let body = json!({
        "TableName": world.stack.output("AccessTable").expect("the stack has the table"),
        "Key": {"pk": {"S": format!("VER#{late}")}, "sk": {"S": "CLAIM"}},
        "UpdateExpression": "SET code_until = :then",
        "ConditionExpression": "attribute_exists(code_until)",
        "ExpressionAttributeValues": {":then": {"N": "1"}},
    });
    let set = world.stack.aws().json("dynamodb", "DynamoDB_20120810.UpdateItem", &body).await;
    set.expect("a code was written");
    refused(enter(&world, &late, &right).await);

    // A code of one claim is none of another's; and what cannot be a code is told to everybody alike and costs no attempt.
    let one = claim(&world, &mother(&world, 33)).await;
    let (_, _, code_of_one) = code(&world, 4).await;
    let other = claim(&world, &mother(&world, 34)).await;
    let (_, _, code_of_other) = code(&world, 5).await;
    if code_of_one != code_of_other {
        refused(enter(&world, &other, &code_of_one).await);
    }
    let unknown = "ver_019b76da880070008000000000000001";
    for text in ["", "1234567", "123456789", "abcdefgh", "１２３４５６７８"] {
        for id in [one.as_str(), unknown, "x"] {
            assert_eq!(enter(&world, id, text).await.faults(), ["/code invalid"], "{id} {text}");
        }
    }
    enter(&world, &one, &code_of_one).await.expect(201);
    for id in [unknown, "per_019b76da880070008000000000000001", "x"] {
        refused(enter(&world, id, &code_of_one).await);
    }
    let path = format!("/v1/verifications/{one}/code");
    for body in [json!({"code": code_of_one, "remember": true}), json!({"code": 12_345_678}), json!({})] {
        world.post("nobody", &path, &body).await.problem(400, "malformed_body");
    }
}

#[tokio::test]
async fn of_a_thousand_at_once_one_gets_in() {
    let world = school(vec![Row::family(41)]).await;
    let verification = claim(&world, &mother(&world, 41)).await;
    let (_, _, right) = code(&world, 1).await;
    let url = format!("{}/v1/verifications/{verification}/code", world.stack.api_url());
    let mut tasks = tokio::task::JoinSet::new();
    // As many at once as the embedded cloud starts functions for without running out of breath.
    let at_once = std::sync::Arc::new(tokio::sync::Semaphore::new(50));
    for _ in 0..1000 {
        let request = world.http.post(&url).json(&json!({"code": right}));
        let at_once = at_once.clone();
        tasks.spawn(async move {
            let _turn = at_once.acquire_owned().await.expect("nobody closes it");
            request.send().await.expect("the API answers").status().as_u16()
        });
    }
    let mut statuses = tasks.join_all().await;
    statuses.sort_unstable();
    let expected: Vec<u16> = std::iter::once(201).chain(std::iter::repeat_n(401, 999)).collect();
    assert_eq!(statuses, expected);
}

#[tokio::test]
async fn a_malformed_claim_is_told_by_pointer_and_tells_nothing() {
    let world = school(vec![Row::family(51)]).await;
    let right = mother(&world, 51);
    let nobody = but(&but(&right, "/parent/family_name", "Nobody"), "/school_code", "ZZZZ-9999");
    let from = address();
    for (pointer, value, code) in [
        ("/parent/given_name", " ", "required"),
        ("/parent/family_name", "\u{200b}", "required"),
        ("/child/given_name", "---", "required"),
        ("/parent/mobile", "01632 960001", "invalid"),
        ("/parent/mobile", "mum's phone", "invalid"),
        ("/parent/email", "grace at example", "invalid"),
        ("/child/date_of_birth", "14/05/2018", "invalid"),
        ("/child/date_of_birth", "2018-02-30", "invalid"),
        ("/child/date_of_birth", "2099-01-01", "invalid"),
        ("/school_code", "K7", "invalid"),
    ] {
        let mut answers = Vec::new();
        for claim in [&right, &nobody] {
            let answer = claim_from(&world, &from, &but(claim, pointer, value)).await;
            assert_eq!(answer.faults(), [format!("{pointer} {code}")]);
            answers.push(answer.problem(422, "invalid_fields"));
        }
        assert_eq!(answers[0], answers[1], "{pointer}");
        assert!(value.len() < 4 || !answers[0].to_string().contains(value), "{}", answers[0]);
    }
    let mut extra = right.clone();
    extra["child"]["upn"] = json!("A123");
    let answer = claim_from(&world, &from, &extra).await;
    assert_eq!(answer.faults(), ["/child/upn wrong_type_or_unknown_field"]);
    answer.problem(400, "malformed_body");
    let mut missing = right.clone();
    missing["parent"].as_object_mut().expect("an object").remove("email");
    claim_from(&world, &from, &missing).await.problem(400, "malformed_body");
    let cut_off = json!("{\"school_code\": ");
    world.post("nobody", "/v1/verifications", &cut_off).await.problem(400, "malformed_body");
    assert_eq!(codes(&world).await.len(), 0);
}

#[tokio::test]
async fn a_right_taken_away_ends_with_the_next_request() {
    let sister = Row::family(81).with(place::GIVEN, "Bea").with(place::PUPIL_ID, "P9081");
    let world = school(vec![Row::family(81), sister, Row::family(82)]).await;
    let mother_of_two = session(&world, 81, 0).await;
    let seen = children(&world, &mother_of_two).await;
    assert_eq!(seen.len(), 2);
    let contact = person(&world, "C0081", "contact").await;
    let pupil = text(&seen[0]["person_id"]).to_owned();
    let path = format!("/people/{pupil}/contacts/{contact}");
    for (restricted, responsibility, left) in
        [(true, "yes", 1), (false, "yes", 2), (false, "no", 1), (false, "unknown", 2)]
    {
        world.put("office", &path, &link(restricted, responsibility)).await.expect(200);
        assert_eq!(children(&world, &mother_of_two).await.len(), left, "{restricted} {responsibility}");
        let one = world.get(&mother_of_two, &format!("/v1/me/children/{pupil}")).await;
        assert_eq!(one.status, if left == 2 { 200 } else { 404 });
    }

    // Taken away between the code and its entry: the code is worth nothing.
    let verification = claim(&world, &mother(&world, 82)).await;
    let (_, _, right) = code(&world, 2).await;
    let (pupil, contact) = (person(&world, "P0082", "pupil").await, person(&world, "C0082", "contact").await);
    world.put("office", &format!("/people/{pupil}/contacts/{contact}"), &link(true, "yes")).await.expect(200);
    refused(enter(&world, &verification, &right).await);
}

#[tokio::test]
async fn only_a_parents_session_opens_family_data() {
    let world = school(vec![Row::family(91), Row::family(92)]).await;
    let (one, other) = (session(&world, 91, 0).await, session(&world, 92, 1).await);
    let (of_one, of_other) = (children(&world, &one).await, children(&world, &other).await);
    assert_eq!((of_one.len(), of_other.len()), (1, 1));
    let path = |child: &Value| format!("/v1/me/children/{}", text(&child["person_id"]));
    world.get(&one, &path(&of_other[0])).await.problem(404, "not_found");
    world.get(&other, &path(&of_one[0])).await.problem(404, "not_found");
    let staff = format!("Bearer {}", world.token("office,sender,dpo").await);
    let garbage = format!("Bearer ses_{}", "A".repeat(43));
    for who in ["nobody", &staff, &garbage, "Bearer ", "Bearer ses_", "Bearer x"] {
        for path in ["/v1/me", "/v1/me/children", &path(&of_one[0])] {
            world.get(who, path).await.problem(401, "unauthorised");
        }
        world.delete(who, "/v1/sessions/current").await.problem(401, "unauthorised");
    }
    // Signing in once more is the same account with another session; leaving one leaves the other.
    let again = session(&world, 91, 2).await;
    let account = async |who: &str| world.get(who, "/v1/me").await.expect(200)["account_id"].clone();
    assert_eq!(account(&one).await, account(&again).await);
    assert_ne!(account(&one).await, account(&other).await);
    world.delete(&one, "/v1/sessions/current").await.expect(204);
    world.get(&one, "/v1/me").await.problem(401, "unauthorised");
    account(&again).await;
    // A parent's session is no key to what staff do.
    assert_eq!(world.get(&again, "/people").await.status, 401);
}
