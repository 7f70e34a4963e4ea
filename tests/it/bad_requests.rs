//! Bad requests: whatever somebody sends, the answer says what is wrong and where, nothing is looked up for it, and nothing
//! of it is stored that could harm later. Numbered as they are to be read.

use std::time::{Duration, Instant};

use local::{eventually, tap::Channel};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    parents::{address, but, claim, claim_from, code, codes, mother, school},
    sheet::Row,
    world::{Answer, DEADLINE, World, new_school, text},
};

/// The largest body that a function reads.
const MAX_BODY: usize = 256 * 1024;
/// Far more than any of these takes, and far less than if time grew with the square of the size.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends bytes as they are.
async fn raw(world: &World, path: &str, content_type: Option<&str>, body: Vec<u8>) -> (u16, Value) {
    let path = if path.starts_with("/v1/") {
        path.to_owned()
    } else {
        format!("/v1/schools/{}{path}", world.school)
    };
    let token = world.token("office,sender").await;
    let mut request =
        world.http.post(format!("{}{path}", world.stack.api_url())).bearer_auth(token).body(body);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let answer = request.send().await.expect("the API answers");
    let status = answer.status().as_u16();
    let body = answer.bytes().await.expect("the answer is whole");
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&body))))
}

/// The answer of POST to a text that is no `Value`, for it would lose what is wrong with it.
async fn post(world: &World, path: &str, body: &str) -> Answer {
    let who = if path.contains("verifications") { "nobody" } else { "operator" };
    let who = if path.starts_with("/v1/") { who } else { "office,sender" };
    world.post(who, path, &json!(body)).await
}

#[tokio::test]
async fn bad_request_01_a_name_is_there_once_in_each_object() {
    let world = World::new().await;
    let claim = mother(&world, 1).to_string();
    let twice =
        |body: &str, member: &str, again: &str| body.replacen(member, &format!("{member},{again}"), 1);
    let claims = "/v1/verifications";
    let born = r#""date_of_birth":"2018-05-14""#;
    for (path, body, pointer) in [
        // Two readers might take two children from it.
        (claims, twice(&claim, born, r#""date_of_birth":"2019-05-14""#), "/child/date_of_birth"),
        (claims, twice(&claim, born, r#""d\u0061te_of_birth":"2018-05-14""#), "/child/date_of_birth"),
        (claims, claim.replacen('{', r#"{"school_code":"ABCD-2345","#, 1), "/school_code"),
        ("/v1/schools", new_school().to_string().replacen('{', r#"{"name":"Other","#, 1), "/name"),
        ("/people", r#"{"role":"pupil","given_name":"Ada","role":"staff"}"#.to_owned(), "/role"),
        ("/messages", r#"{"audience":{"people":[],"people":[]}}"#.to_owned(), "/audience/people"),
    ] {
        let answer = post(&world, path, &body).await;
        assert_eq!(answer.faults(), [format!("{pointer} repeated")], "{path}");
        answer.problem(400, "malformed_body");
    }
    // Where the names are the school's own, too.
    let mapping =
        json!(r#"{"column_mapping":{"Kid/form":"ignore","Kid/form":{"role":"pupil","field":"class"}}}"#);
    let answer = world.put("office", "/settings", &mapping).await;
    assert_eq!(answer.faults(), ["/column_mapping/Kid~1form repeated"]);
    answer.problem(400, "malformed_body");
    assert_eq!(world.get("office", "/settings").await.expect(200)["column_mapping"], json!({}));
}

#[tokio::test]
async fn bad_request_02_a_body_has_a_largest_size() {
    let world = World::new().await;
    let padded = |size: usize| {
        let body = r#"{"role": "contact", "given_name": " "}"#;
        body.to_owned() + &" ".repeat(size - body.len())
    };
    post(&world, "/people", &padded(MAX_BODY)).await.problem(422, "invalid_fields");
    for size in [MAX_BODY + 1, 5 * 1024 * 1024] {
        post(&world, "/people", &padded(size)).await.problem(413, "too_large");
        post(&world, "/v1/verifications", &" ".repeat(size)).await.problem(413, "too_large");
    }
    assert_eq!(world.list("office", "/people").await, Vec::<Value>::new());
}

#[tokio::test]
async fn bad_request_03_a_wrong_type_is_told_by_its_place() {
    let world = World::new().await;
    let right = mother(&world, 3);
    for (pointer, value) in [
        ("/school_code", json!(12_345_678)),
        ("/parent", json!([])),
        ("/parent/given_name", Value::Null),
        ("/parent/mobile", json!(7_700_900_003_u64)),
        ("/parent/email", json!(["grace3@example.com"])),
        ("/child", json!("Ada")),
        ("/child/family_name", json!({"legal": "Family3"})),
        ("/child/date_of_birth", json!(20_180_514)),
        ("/child/given_name", json!(true)),
    ] {
        let mut claim = right.clone();
        *claim.pointer_mut(pointer).expect("a field of a claim") = value.clone();
        let answer = claim_from(&world, &address(), &claim).await;
        assert_eq!(answer.faults(), [format!("{pointer} wrong_type_or_unknown_field")], "{value}");
        let problem = answer.problem(400, "malformed_body").to_string();
        assert!(!problem.contains("7700") && !problem.contains("grace3"), "a value is repeated: {problem}");
    }
    for body in ["null", "[]", "\"claim\"", "1", "true", ""] {
        post(&world, "/v1/verifications", body).await.problem(400, "malformed_body");
    }
}

#[tokio::test]
async fn bad_request_04_what_cannot_be_seen_is_no_name_and_is_not_stored() {
    let world = World::new().await;
    let right = mother(&world, 4);
    // Zero width, joiners, marks that turn the writing, filling letters, spaces of every kind.
    let nothing = [
        "\u{200b}\u{200d}\u{feff}",
        "\u{202e}\u{2066}\u{2069}",
        "\u{3164}\u{115f}\u{ffa0}",
        "\u{2800}",
        "\u{a0}\u{3000}\u{2029}",
    ];
    for name in nothing {
        for pointer in
            ["/parent/given_name", "/parent/family_name", "/child/given_name", "/child/family_name"]
        {
            let answer = claim_from(&world, &address(), &but(&right, pointer, name)).await;
            assert_eq!(answer.faults(), [format!("{pointer} required")], "{name:?}");
            answer.problem(422, "invalid_fields");
        }
        let body = json!({"role": "contact", "given_name": name, "family_name": name});
        let answer = world.post("office", "/people", &body).await;
        assert_eq!(answer.faults(), ["/given_name name_missing"], "{name:?}");
    }
    let hidden = "\u{2067}Gr\u{200b}ace\u{202c}\u{61c} \u{3164}Amina\u{0}";
    let body = json!({"role": "contact", "given_name": hidden, "family_name": "O\u{2019}Hara\u{200f}"});
    let made = world.post("office", "/people", &body).await.expect(201);
    let stored = world.get("office", &format!("/people/{}", text(&made["person_id"]))).await.expect(200);
    assert_eq!((text(&stored["given_name"]), text(&stored["family_name"])), ("Grace Amina", "O'Hara"));
}

#[tokio::test]
async fn bad_request_05_a_name_that_only_looks_the_same_is_another() {
    let world = school(vec![Row::family(505)]).await;
    let right = mother(&world, 505);
    // Cyrillic а and е, Greek Α, a dotless i, a zero for an O: the answer is as always, and nobody gets a code.
    for (pointer, name) in [
        ("/child/given_name", "Ad\u{430}"),
        ("/child/given_name", "\u{391}da"),
        ("/child/given_name", "\u{410}d\u{430}"),
        ("/parent/given_name", "Grac\u{435}"),
        ("/parent/family_name", "F\u{430}m\u{456}ly505"),
    ] {
        claim(&world, &but(&right, pointer, name)).await;
    }
    // What writes the same letters another way is the same name: full width, and hidden marks between them.
    let same = but(
        &but(&right, "/child/given_name", "\u{ff21}d\u{200b}a"),
        "/parent/given_name",
        "\u{202a}GRACE\u{202c}",
    );
    claim(&world, &same).await;
    let (channel, to, _) = code(&world, 1).await;
    assert_eq!((channel, to.as_str()), (Channel::Sms, "+447700900505"));
    claim(&world, &right).await;
    code(&world, 2).await;
    assert_eq!(codes(&world).await.len(), 2);
}

#[tokio::test]
async fn bad_request_06_heaps_of_combining_marks_take_no_time() {
    let world = World::new().await;
    let right = mother(&world, 6);
    // Marks of different classes, in the order that is the most work to sort.
    let heap = |bytes: usize| format!("Z{}", "\u{315}\u{327}\u{334}\u{301}\u{5b0}\u{345}".repeat(bytes / 12));
    let started = Instant::now();
    for pointer in ["/parent/given_name", "/parent/family_name", "/child/given_name", "/child/family_name"] {
        let answer = claim_from(&world, &address(), &but(&right, pointer, &heap(200_000))).await;
        assert_eq!(answer.faults(), [format!("{pointer} too_long")]);
        answer.problem(422, "invalid_fields");
    }
    for pointer in ["/parent/mobile", "/parent/email", "/child/date_of_birth", "/school_code"] {
        let answer = claim_from(&world, &address(), &but(&right, pointer, &heap(200_000))).await;
        assert_eq!(answer.faults(), [format!("{pointer} invalid")]);
    }
    claim_from(&world, &address(), &but(&right, "/child/given_name", &heap(1_000_000)))
        .await
        .problem(413, "too_large");
    let person = |name: &str| json!({"role": "contact", "given_name": name});
    let answer = world.post("office", "/people", &person(&heap(200_000))).await;
    assert_eq!(answer.faults(), ["/given_name too_long"]);
    world.post("office", "/people", &person(&heap(1_000_000))).await.problem(413, "too_large");
    world.post("office", "/people/search", &json!({"given_name": heap(200_000)})).await.expect(200);
    assert!(started.elapsed() < PATIENCE, "it took {:?}", started.elapsed());
}

#[tokio::test]
async fn bad_request_07_nul_and_other_control_characters_end_nowhere() {
    let world = World::new().await;
    post(&world, "/people", "{\"role\": \"contact\", \"given_name\": \"A\0da\"}")
        .await
        .problem(400, "malformed_body");
    let body =
        json!({"role": "contact", "given_name": "A\u{0}da\u{1b}[31m", "family_name": "\u{7f}Smith\u{85}"});
    let made = world.post("office", "/people", &body).await.expect(201);
    let stored = world.get("office", &format!("/people/{}", text(&made["person_id"]))).await.expect(200);
    assert_eq!((text(&stored["given_name"]), text(&stored["family_name"])), ("A da [31m", "Smith"));
    for (member, value, fault) in [
        ("body", "Swimming\u{0}", "/body invalid"),
        ("body", "Swimming\u{1b}[2J", "/body invalid"),
        ("subject", "Swimming\nBcc: all@example.com", "/subject invalid"),
    ] {
        let mut draft = json!({
            "purpose": "service", "channels": ["email"], "subject": "Swimming", "body": "Tomorrow.\r\n\tBring towels.",
            "audience": {"roles": ["parent"]},
        });
        draft[member] = json!(value);
        for path in ["/messages", "/messages/preview"] {
            let answer = world.post("sender", path, &draft).await;
            assert_eq!(answer.faults(), [fault], "{path}");
            answer.problem(422, "invalid_fields");
        }
    }
}

#[tokio::test]
async fn bad_request_08_deep_nesting_and_huge_numbers_are_refused() {
    let world = World::new().await;
    let started = Instant::now();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [129, 40_000] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            post(&world, "/v1/verifications", &nested).await.problem(400, "malformed_body");
            post(&world, "/people", &format!("{{\"groups\": {nested}}}"))
                .await
                .problem(400, "malformed_body");
        }
    }
    let numbers = ["1e999", "-1e999", "1e-999", "18446744073709551616", "-1", "1.5", &"9".repeat(100_000)];
    for number in numbers {
        let upload = format!("{{\"file_name\": \"a.csv\", \"mode\": \"apply\", \"bytes\": {number}}}");
        let answer = post(&world, "/uploads", &upload).await;
        let faults = answer.faults();
        assert!(faults.is_empty() || faults == ["/bytes wrong_type_or_unknown_field"], "{faults:?}");
        answer.problem(400, "malformed_body");
    }
    for number in ["18446744073709551615", "9007199254740993"] {
        let upload = format!("{{\"file_name\": \"a.csv\", \"mode\": \"apply\", \"bytes\": {number}}}");
        post(&world, "/uploads", &upload).await.problem(422, "invalid_fields");
    }
    assert!(started.elapsed() < PATIENCE, "it took {:?}", started.elapsed());
}

#[tokio::test]
async fn bad_request_09_a_body_is_utf_8_whatever_it_is_called() {
    let world = World::new().await;
    let person = |name: &[u8]| [b"{\"role\": \"contact\", \"given_name\": \"", name, b"\"}"].concat();
    // Half a letter, Latin-1, a surrogate, too long a form of a slash.
    for name in [&b"Zo\xc3"[..], b"Zo\xeb", b"\xed\xa0\x80", b"\xc0\xaf"] {
        let (status, problem) = raw(&world, "/people", Some("application/octet-stream"), person(name)).await;
        assert_eq!((status, &problem["code"]), (400, &json!("malformed_body")), "{name:?}");
    }
    let (status, problem) = raw(&world, "/people", None, person(b"\\ud83d")).await;
    assert_eq!((status, &problem["code"]), (400, &json!("malformed_body")));
    let utf16: Vec<u8> = "{\"role\": \"contact\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(raw(&world, "/people", Some("application/octet-stream"), utf16).await.0, 400);
    assert_eq!(world.list("office", "/people").await, Vec::<Value>::new());
}

/// The body decides and not its name: nothing is ever read as a form or as XML.
#[tokio::test]
async fn bad_request_10_the_content_type_changes_nothing() {
    let world = World::new().await;
    let types = [
        None,
        Some("application/json"),
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/xml"),
        Some("application/json; charset=utf-16"),
        Some("nonsense"),
    ];
    let other = [
        &b"role=contact&given_name=Ada"[..],
        b"<role>contact</role>",
        b"--x\r\n\r\nAda\r\n--x--",
        b"role: contact",
    ];
    for content_type in types {
        let right = b"{\"role\": \"contact\", \"given_name\": \"Zo\xc3\xab\"}".to_vec();
        assert_eq!(raw(&world, "/people", content_type, right).await.0, 201, "{content_type:?}");
        for body in other {
            let (status, problem) = raw(&world, "/people", content_type, body.to_vec()).await;
            assert_eq!((status, &problem["code"]), (400, &json!("malformed_body")), "{content_type:?}");
        }
    }
    let people = world.list("office", "/people").await;
    assert!(
        people.len() == types.len() && people.iter().all(|person| person["given_name"] == "Zoë"),
        "{people:?}"
    );
}

#[tokio::test]
async fn bad_request_11_a_name_adds_no_header_to_an_e_mail() {
    let evil = "Ada\r\nBcc: everybody@example.com\u{2028}X-Evil: yes";
    let mut described = new_school();
    described["name"] = json!(format!("Oakfield\r\nReply-To: evil@example.com {}", address()));
    let world = World::with(&described).await;
    let made = async |body: Value| {
        text(&world.post("office", "/people", &body).await.expect(201)["person_id"]).to_owned()
    };
    let pupil =
        made(json!({"role": "pupil", "given_name": evil, "family_name": "Smith", "year_group": "3"})).await;
    let contact = made(
        json!({"role": "contact", "given_name": evil, "family_name": "Smith", "email": "smith@example.com"}),
    )
    .await;
    let link = json!({"relationship": "mother", "parental_responsibility": "yes", "priority": 1});
    world.put("office", &format!("/people/{pupil}/contacts/{contact}"), &link).await.expect(200);
    let draft = json!({
        "purpose": "service", "channels": ["email"], "subject": "About ((child)) at ((school))",
        "body": "Dear ((name))", "audience": {"people": [pupil]},
    });
    let sent = world.post("sender", "/messages", &draft).await.expect(202);
    world.drain(text(&sent["message_id"])).await;
    let sent = world.outbox().await;
    assert_eq!(sent.len(), 1);
    for header in [&sent[0].subject, &sent[0].from, &sent[0].to] {
        assert!(
            !header.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')),
            "{header:?}"
        );
    }
    assert!(
        sent[0].subject.starts_with("About Ada Bcc: everybody@example.com X-Evil: yes"),
        "{}",
        sent[0].subject
    );
    // An address is one address.
    for email in [
        "a@example.com\r\nBcc: b@example.com",
        "a@example.com,b@example.com",
        "a@example.com\u{0}",
        "A <a@example.com>",
    ] {
        let body = json!({"role": "contact", "given_name": "Ann", "email": email});
        let answer = world.post("office", "/people", &body).await;
        assert_eq!(answer.faults(), ["/email email_invalid"], "{email:?}");
    }
}

/// Other tests' claims come between, so each is tried until it was alone: what is looked up for it would show every time.
#[tokio::test]
async fn bad_request_12_nothing_is_looked_up_for_a_malformed_claim() {
    let world = school(vec![Row::family(512)]).await;
    let right = mother(&world, 512);
    let nobody = but(&but(&right, "/parent/family_name", "Nobody"), "/school_code", "ZZZZ-9999");
    let faults = [
        ("/parent/given_name", "\u{200b}", 422, "required"),
        ("/child/family_name", &"x".repeat(101), 422, "too_long"),
        ("/parent/mobile", "0770090051x", 422, "invalid"),
        ("/parent/mobile", "+44 7700 900512 / 07700 900513", 422, "invalid"),
        ("/parent/email", "grace512@example.com, b@example.com", 422, "invalid"),
        ("/child/date_of_birth", "2018-13-14", 422, "invalid"),
        ("/child/date_of_birth", "２018-05-14", 422, "invalid"),
        ("/school_code", "ABCD-234", 422, "invalid"),
        ("/school_code", "ABCD-2345-6789", 422, "invalid"),
    ];
    for (pointer, value, status, fault) in faults {
        let answers = eventually("no call is made for it", DEADLINE, async || {
            let mark = world.now().await;
            let mut answers = Vec::new();
            for claim in [&right, &nobody] {
                let answer = claim_from(&world, &address(), &but(claim, pointer, value)).await;
                assert_eq!((answer.status, answer.faults()), (status, vec![format!("{pointer} {fault}")]));
                answers.push(answer.body);
            }
            let calls = world.stack.calls(mark, "").await?;
            let quiet = !calls.iter().any(|call| call.function == "parent-verify");
            Ok(quiet.then_some(answers))
        });
        let answers = answers.await.expect("none is");
        assert_eq!(answers[0], answers[1], "{pointer}: a known parent is answered differently");
    }
    // A code that cannot be one is told by pointer, whether the claim is there or cannot be one; nothing has been looked up by then.
    let verification = claim(&world, &right).await;
    let enter = async |id: &str, body: Value| {
        let path = format!("/v1/verifications/{id}/code");
        world.send(Method::POST, "nobody", &path, Some(&body), &[]).await
    };
    for given in
        ["", "1234567", "123456789", "1234567a", "１２３４５６７８", "12345678\u{0}", &"1".repeat(100_000)]
    {
        for id in [verification.as_str(), "ver_1"] {
            let answer = enter(id, json!({"code": given})).await;
            assert_eq!(answer.faults(), ["/code invalid"], "{id}");
            answer.problem(422, "invalid_fields");
        }
    }
    enter("ver_1", json!({"code": "12345678"})).await.problem(401, "unauthorised");
    for body in
        [json!({"code": 12_345_678}), json!({}), json!({"code": ["12345678"]}), json!({"code": "1", "n": 1})]
    {
        enter(&verification, body).await.problem(400, "malformed_body");
    }
    // None of them took an attempt.
    let (_, _, right) = code(&world, 1).await;
    enter(&verification, json!({"code": right})).await.expect(201);
}
