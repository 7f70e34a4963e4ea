//! Accounts and sessions: signing in again, several schools, several devices, and leaving.

use local::{
    eventually,
    tap::{Channel, Sent},
};
use serde_json::{Value, json};

use crate::{
    parents::{
        address, ask_as, children, claim, code, codes, enter, link, looked_at, mother, person, place, school,
        session,
    },
    sheet::{EMAIL, MOBILE, RELATIONSHIP, Row, Sheet},
    world::{DEADLINE, World, text},
};

/// Asks to sign in again, with or without the token of a device; returns the verification's id.
pub async fn sign_in(world: &World, who: &str, body: &Value) -> String {
    let answer = ask_as(world, who, "POST /v1/sessions", body, &address()).await.expect(202);
    text(&answer["verification_id"]).to_owned()
}

fn mobile(n: usize) -> Value {
    json!({"mobile": format!("07700 900{n:03}")})
}

/// Enters a code with a bearer token; returns the new session's.
pub async fn enter_as(world: &World, who: &str, verification: &str, code: &str) -> String {
    let path = format!("/v1/verifications/{verification}/code");
    let entered = world.post(who, &path, &json!({"code": code})).await.expect(201);
    format!("Bearer {}", text(&entered["session_token"]))
}

async fn me(world: &World, who: &str) -> Value {
    world.get(who, "/v1/me").await.expect(200)
}

async fn is_out(world: &World, who: &str) {
    world.get(who, "/v1/me").await.problem(401, "unauthorised");
}

/// Waits for a text or mail that says something, and holds something of this test's own.
pub async fn told(world: &World, own: &str, says: &str) -> Sent {
    let sent = eventually("somebody is told", DEADLINE, async || {
        let sent = world.outbox_with(own).await;
        Ok(sent.into_iter().find(|sent| sent.text.contains(says)))
    });
    sent.await.unwrap_or_else(|error| panic!("{says}: {error}"))
}

/// Changes attributes of an item of the access table, in DynamoDB's JSON.
async fn set(world: &World, pk: &str, sk: &str, name: &str, second: i64) {
    let body = json!({
        "TableName": world.stack.output("AccessTable").expect("the stack has the table"),
        "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
        "UpdateExpression": "SET #name = :second",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeNames": {"#name": name},
        "ExpressionAttributeValues": {":second": {"N": second.to_string()}},
    });
    let set = world.stack.aws().json("dynamodb", "DynamoDB_20120810.UpdateItem", &body).await;
    set.expect("the item is there");
}

#[tokio::test]
async fn a_contact_point_that_was_proved_signs_in_again() {
    let world = school(vec![Row::family(401)]).await;
    let first = session(&world, 401, 0).await;
    let again = sign_in(&world, "nobody", &mobile(401)).await;
    let (channel, to, right) = code(&world, 2).await;
    assert_eq!((channel, to.as_str()), (Channel::Sms, "+447700900401"));
    let second = enter_as(&world, "nobody", &again, &right).await;
    let (one, other) = (me(&world, &first).await, me(&world, &second).await);
    assert_eq!(one["account_id"], other["account_id"]);
    assert_eq!(children(&world, &second).await.len(), 1);
    // A code for signing in works once, like any.
    crate::parents::refused(enter(&world, &again, &right).await);

    // The older device is told of the newer one, in the app and at the contact point that the code did not go to.
    assert_eq!(one["new_sessions"].as_array().map(Vec::len), Some(1), "{one}");
    assert_eq!(one["new_sessions"][0]["session_id"], other["session_id"]);
    assert_eq!(other["new_sessions"], json!([]));
    let mail = told(&world, &world.name, "Another device has signed in").await;
    assert_eq!((mail.channel, mail.to.as_str()), (Channel::Email, "grace401@example.com"));

    // Listed, and revoked one by one, by its own account alone.
    let list = world.get(&second, "/v1/me/sessions").await.expect(200);
    let sessions = list["items"].as_array().expect("a list");
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    for session in sessions {
        assert!(text(&session["last_used_at"]) >= text(&session["created_at"]), "{session}");
        assert_eq!(session["device"], "unknown device");
    }
    let stranger = school(vec![Row::family(402)]).await;
    let stranger = self::session(&stranger, 402, 0).await;
    let path = format!("/v1/me/sessions/{}", text(&one["session_id"]));
    world.delete(&stranger, &path).await.problem(404, "not_found");
    world.delete(&second, &path).await.expect(204);
    is_out(&world, &first).await;
    me(&world, &second).await;
    world.delete(&second, &path).await.problem(404, "not_found");
    world.delete(&second, "/v1/me/sessions").await.expect(204);
    is_out(&world, &second).await;
    me(&world, &stranger).await;
}

#[tokio::test]
async fn a_contact_point_shared_or_changed_since_signs_nobody_in() {
    let world = school(vec![Row::family(411), Row::family(412), Row::family(413)]).await;
    for n in 0..3 {
        session(&world, 411 + n, n).await;
    }
    // Since then: the first mother has another mobile, the second shares hers with the father, the third loses her child.
    let father = Row::family(412).with(place::CONTACT_GIVEN, "Cy").with(place::CONTACT_ID, "C412F");
    let rows = vec![
        Row::family(411).with(MOBILE, "07700 900419"),
        Row::family(412),
        father.with(RELATIONSHIP, "Father").with(EMAIL, "cy412@example.com"),
        Row::family(413),
    ];
    let upload = world.upload(&Sheet(rows).bytes()).await;
    assert_eq!(upload["status"], "done", "{upload}");
    let (pupil, contact) = (person(&world, "P0413", "pupil").await, person(&world, "C0413", "contact").await);
    world.put("office", &format!("/people/{pupil}/contacts/{contact}"), &link(true, "yes")).await.expect(200);
    for body in [
        mobile(411),
        mobile(412),
        mobile(413),
        // The new number has proved nothing yet, nor has an address that no code was entered for, nor a stranger's.
        mobile(419),
        json!({"email": "grace411@example.com"}),
        mobile(999),
    ] {
        let verification = sign_in(&world, "nobody", &body).await;
        assert_eq!(looked_at(&world, &verification).await, "no", "{body}");
        crate::parents::refused(enter(&world, &verification, "00000000").await);
    }
    assert_eq!(codes(&world).await.len(), 3);
}

#[tokio::test]
async fn a_session_slides_while_it_is_used() {
    let world = school(vec![Row::family(421)]).await;
    let mother = session(&world, 421, 0).await;
    let account = me(&world, &mother).await;
    let (pk, sk) =
        (format!("ACC#{}", text(&account["account_id"])), format!("SES#{}", text(&account["session_id"])));
    let stored = async |sk: &str, name: &str| {
        let item = world.stack.dynamo_get("AccessTable", &pk, sk).await.expect("the table answers");
        let item = item.expect("it is stored");
        text(&item[name]["N"]).parse::<i64>().expect("a number")
    };
    let (session_ends, account_ends) = (stored(&sk, "expires").await, stored("ACCOUNT", "expires").await);
    me(&world, &mother).await;
    assert_eq!(stored(&sk, "expires").await, session_ends, "noted once an hour");
    // Last used two hours ago; the account's end was moved two days ago.
    let used = stored(&sk, "last_used").await;
    set(&world, &pk, &sk, "last_used", used - 7_200).await;
    set(&world, &pk, &sk, "expires", session_ends - 7_200).await;
    set(&world, &pk, "ACCOUNT", "expires", account_ends - 2 * 86_400).await;
    me(&world, &mother).await;
    assert!(stored(&sk, "expires").await >= session_ends && stored(&sk, "last_used").await >= used);
    assert_eq!(stored(&sk, "ttl").await, stored(&sk, "expires").await);
    assert!(stored("ACCOUNT", "expires").await >= account_ends);
    // One that was not used for thirty days is over, whether DynamoDB has erased it or not.
    set(&world, &pk, &sk, "expires", 1).await;
    is_out(&world, &mother).await;
}

#[tokio::test]
async fn no_stranger_uses_up_the_codes_of_an_existing_account() {
    let world = school(vec![Row::family(431)]).await;
    let mother = session(&world, 431, 0).await;
    world.delete(&mother, "/v1/sessions/current").await.expect(204);
    is_out(&world, &mother).await;
    // A stranger knows her number and asks from one address until no more codes come: she comes in on a new telephone all the same.
    let stranger = address();
    let asks = async |from: &str| {
        let answer = ask_as(&world, "nobody", "POST /v1/sessions", &mobile(431), from).await.expect(202);
        text(&answer["verification_id"]).to_owned()
    };
    let refused = async |times: usize| {
        let used_up = eventually("a code is refused", DEADLINE, async || {
            let lines = world.stack.logs("message-send", &world.school).await?;
            Ok((lines.iter().filter(|line| line.contains("used up")).count() == times).then_some(()))
        });
        used_up.await.expect("it is");
    };
    for n in 2..5 {
        asks(&stranger).await;
        code(&world, n).await;
    }
    asks(&stranger).await;
    refused(1).await;
    let hers = asks(&address()).await;
    let (_, _, right) = code(&world, 5).await;
    let new = enter_as(&world, "nobody", &hers, &right).await;
    world.delete(&new, "/v1/sessions/current").await.expect(204);
    // One with many addresses uses up the day's codes for devices that are not known.
    for n in 6..9 {
        asks(&address()).await;
        code(&world, n).await;
    }
    asks(&address()).await;
    refused(2).await;
    assert_eq!(codes(&world).await.len(), 8);
    // Her own device still shows what it was once signed in with.
    let hers = sign_in(&world, &mother, &mobile(431)).await;
    let (_, _, right) = code(&world, 9).await;
    let back = enter_as(&world, "nobody", &hers, &right).await;
    // A device that was revoked is known no more.
    world.delete(&back, "/v1/me/sessions").await.expect(204);
    let stolen = sign_in(&world, &back, &mobile(431)).await;
    assert_eq!(looked_at(&world, &stolen).await, "proved_by_code");
    refused(3).await;
    assert_eq!(codes(&world).await.len(), 9);
    // Nobody asks without end from a known device either: ten an hour, or twenty where the hour turns meanwhile.
    let mut answer = ask_as(&world, &mother, "POST /v1/sessions", &mobile(431), &address()).await;
    for _ in 0..20 {
        if answer.status == 429 {
            break;
        }
        answer = ask_as(&world, &mother, "POST /v1/sessions", &mobile(431), &address()).await;
    }
    answer.problem(429, "too_many_requests");
}

#[tokio::test]
async fn edge_case_2_and_3_one_account_for_two_schools_each_proved_by_itself() {
    let (one, two) =
        (school(vec![Row::family(441)]).await, school(vec![Row::family(441), Row::family(442)]).await);
    let at_one = session(&one, 441, 0).await;
    // Proved at the second school without the session: an account of its own, although it is the same mobile.
    let apart = session(&two, 441, 0).await;
    assert_ne!(me(&one, &at_one).await["account_id"], me(&two, &apart).await["account_id"]);
    assert_eq!((children(&one, &at_one).await.len(), children(&two, &apart).await.len()), (1, 1));
    // Two accounts behind one number: it signs in to neither.
    let neither = sign_in(&one, "nobody", &mobile(441)).await;
    assert_eq!(looked_at(&one, &neither).await, "no");
    // With the session, the second school's proof joins it, and the account that held it before ends.
    let verification = claim(&two, &mother(&two, 441)).await;
    let (_, _, right) = code(&two, 2).await;
    let both = enter_as(&two, &at_one, &verification, &right).await;
    assert_eq!(me(&one, &both).await["account_id"], me(&one, &at_one).await["account_id"]);
    let mut schools: Vec<_> =
        children(&one, &both).await.iter().map(|child| child["school_id"].clone()).collect();
    schools.sort_by_key(ToString::to_string);
    let mut expected = vec![json!(one.school), json!(two.school)];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(schools, expected);
    is_out(&two, &apart).await;
    // Now the number leads to one account, and signs in.
    let again = sign_in(&one, "nobody", &mobile(441)).await;
    assert_eq!(looked_at(&one, &again).await, "proved_by_code");
    // Neither school's data names the other.
    for (of, not) in [(&one, &two), (&two, &one)] {
        let items = json!(of.directory("").await).to_string();
        assert!(!items.contains(&not.school) && !items.contains(&not.name));
    }

    // Whoever gets hold of the mother's mobile at the second school sees that school's child, and not the first one's.
    let upload = two
        .upload(&Sheet(vec![Row::family(441).with(MOBILE, "07700 900449"), Row::family(442)]).bytes())
        .await;
    assert_eq!(upload["status"], "done", "{upload}");
    let mut moved = mother(&two, 441);
    moved["parent"]["mobile"] = json!("07700 900449");
    let verification = claim(&two, &moved).await;
    let (_, to, right) = code(&two, 3).await;
    assert_eq!(to, "+447700900449");
    let taker = enter_as(&two, "nobody", &verification, &right).await;
    // The mother hears of it where the taker does not read.
    let mail = told(&two, &two.name, "opened Bookbag as you").await;
    assert_eq!((mail.channel, mail.to.as_str()), (Channel::Email, "grace441@example.com"));
    let seen = children(&two, &taker).await;
    assert_eq!(seen.iter().map(|child| &child["school_id"]).collect::<Vec<_>>(), [&json!(two.school)]);
    assert_ne!(me(&two, &taker).await["account_id"], me(&one, &at_one).await["account_id"]);
    let left = children(&one, &at_one).await;
    assert_eq!(left.iter().map(|child| &child["school_id"]).collect::<Vec<_>>(), [&json!(one.school)]);
}

#[tokio::test]
async fn edge_case_85_a_parent_deletes_the_account() {
    let world = school(vec![Row::family(451)]).await;
    let (first, second) = (session(&world, 451, 0).await, session(&world, 451, 1).await);
    let account = text(&me(&world, &first).await["account_id"]).to_owned();
    world.delete(&second, "/v1/me").await.expect(204);
    is_out(&world, &first).await;
    is_out(&world, &second).await;
    let items = world.stack.dynamo_scan("AccessTable").await.expect("the table answers");
    let of_account = |item: &&Value| {
        let kind = text(&item["kind"]["S"]);
        // That a code was once entered stays on record for a term.
        kind != "verification" && item.to_string().contains(&account)
    };
    let left: Vec<_> = items.iter().filter(of_account).collect();
    assert!(left.is_empty(), "{left:?}");
    // The school's own data is untouched: messages go out as before, and the same facts make a new account.
    assert_eq!(world.search(&json!({"source_id": "C0451", "role": "contact"})).await.len(), 1);
    let neither = sign_in(&world, "nobody", &mobile(451)).await;
    assert_eq!(looked_at(&world, &neither).await, "no");
    let new = session(&world, 451, 2).await;
    assert_ne!(text(&me(&world, &new).await["account_id"]), account);
}

#[tokio::test]
async fn a_new_privacy_notice_is_shown_until_it_is_accepted() {
    let world = school(vec![Row::family(461)]).await;
    let verification = claim(&world, &mother(&world, 461)).await;
    let (_, _, right) = code(&world, 1).await;
    let path = format!("/v1/verifications/{verification}/code");
    // An outdated version costs no attempt and tells nothing of the code.
    let outdated = json!({"code": right, "privacy_notice": "1999"});
    let answer = world.post("nobody", &path, &outdated).await;
    assert_eq!(answer.faults(), ["/privacy_notice outdated"]);
    let entered = enter(&world, &verification, &right).await.expect(201);
    let version = text(&entered["privacy_notice"]["version"]).to_owned();
    assert_eq!(entered["privacy_notice"]["accepted"], false);
    let mother = format!("Bearer {}", text(&entered["session_token"]));
    let notice = async || me(&world, &mother).await["privacy_notice"].clone();
    assert_eq!(notice().await, json!({"version": version, "accepted": null}));
    let refused = world.put(&mother, "/v1/me/privacy-notice", &json!({"version": "1999"})).await;
    assert_eq!(refused.faults(), ["/version outdated"]);
    world.put(&mother, "/v1/me/privacy-notice", &json!({"version": version})).await.expect(204);
    let accepted = notice().await;
    assert_eq!(accepted["accepted"]["version"], version.as_str());
    assert!(text(&accepted["accepted"]["accepted_at"]).ends_with('Z'));
    // At the next signing in, nothing is to be shown; it could have been accepted there, too.
    let again = sign_in(&world, "nobody", &mobile(461)).await;
    let (_, _, right) = code(&world, 2).await;
    let body = json!({"code": right, "privacy_notice": version});
    let entered = world.post("nobody", &format!("/v1/verifications/{again}/code"), &body).await.expect(201);
    assert_eq!(entered["privacy_notice"], json!({"version": version, "accepted": true}));
}
