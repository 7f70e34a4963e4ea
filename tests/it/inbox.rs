//! What a parent finds in the inbox, and what nobody does: read as the school's data stand, bounded, acknowledged by their own act.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    families::{child, contact, seen, sign_in},
    messages::{counts, deliver, excluded, fan_out_task, only, send},
    parents::{address, but, mother, place, school, session},
    people::id,
    sheet::{COURT_ORDER, EMAIL, MOBILE, RELATIONSHIP, RESPONSIBILITY, Row, Sheet, YEAR},
    world::{World, new_school, text},
};

/// A message to be found in the inbox alone.
pub fn post(world: &World, subject: &str, audience: &Value) -> Value {
    json!({
        "purpose": "service", "channels": ["app"], "subject": subject, "body": format!("About ((child)), ((name)). [{}]", world.school),
        "audience": audience,
    })
}

/// Sends a draft and waits until it is out; returns its id.
pub async fn sent(world: &World, draft: &Value) -> String {
    let message = send(world, draft).await;
    assert_eq!(world.drain(&message).await["status"], "sent");
    message
}

/// How many of these messages the carriers were given.
async fn carried(world: &World) -> usize {
    world.outbox_with(&format!("[{}]", world.school)).await.len()
}

/// All pages of somebody's inbox.
pub async fn inbox(world: &World, who: &str) -> Vec<Value> {
    world.list(who, "/v1/me/messages").await
}

/// The subjects of an inbox, the newest first.
pub async fn subjects(world: &World, who: &str) -> Vec<String> {
    inbox(world, who).await.iter().map(|message| text(&message["subject"]).to_owned()).collect()
}

fn path(message: &str) -> String {
    format!("/v1/me/messages/{message}")
}

pub async fn acknowledge(world: &World, who: &str, message: &str) -> crate::world::Answer {
    world.post(who, &format!("{}/acknowledgement", path(message)), &json!({})).await
}

/// What the school's office is told of one person and a message.
async fn told_of(world: &World, message: &str, person: &str) -> Value {
    let people = world.list("sender", &format!("/messages/{message}/recipients")).await;
    let mut of = people.into_iter().filter(|one| one["person_id"] == person);
    let told = of.next().unwrap_or_default();
    assert_eq!(of.next(), None, "each person once");
    told
}

/// Somebody who is not to see a message hears what they would hear of one that never was.
pub async fn is_not_there(world: &World, who: &str, message: &str) {
    let unknown = "msg_019b76da880070008000000000000001";
    let get = |answer: crate::world::Answer| {
        let mut body = answer.problem(404, "not_found");
        body["request_id"] = Value::Null;
        body
    };
    let nothing = get(world.get(who, &path(unknown)).await);
    for id in [message, "nothing", "per_019b76da880070008000000000000001"] {
        assert_eq!(get(world.get(who, &path(id)).await), nothing, "{id}");
        assert_eq!(get(acknowledge(world, who, id).await), nothing, "{id}");
    }
    assert!(inbox(world, who).await.iter().all(|one| one["message_id"] != message));
}

/// Mother and father of the child of family `n`, and the mother of the next family.
async fn parents_of_one_child(n: usize) -> (World, String, String, String) {
    let father = contact(Row::family(n), "Cy", "C0901")
        .with(RELATIONSHIP, "Father")
        .with(EMAIL, &format!("cy{n}@example.com"))
        .with(MOBILE, "");
    let world = school(vec![Row::family(n), father, Row::family(n + 1).with(YEAR, "4")]).await;
    let (hers, _) = sign_in(&world, &mother(&world, n)).await;
    let his = but(&mother(&world, n), "/parent/given_name", "Cy");
    let (his, _) = sign_in(&world, &but(&his, "/parent/email", &format!("cy{n}@example.com"))).await;
    let (other, _) = sign_in(&world, &mother(&world, n + 1)).await;
    (world, hers, his, other)
}

#[tokio::test]
async fn a_parent_finds_what_is_about_their_children_and_nothing_else() {
    let bea = child(Row::family(701), "Bea", "P0900").with(YEAR, "4");
    let world = school(vec![Row::family(701), bea, Row::family(702).with(place::GIVEN, "Cleo")]).await;
    let one = session(&world, 701, 0).await;
    let (other, _) = sign_in(&world, &but(&mother(&world, 702), "/child/given_name", "Cleo")).await;
    let (ada, bea) = (id(&world, "pupil", "P0701").await, id(&world, "pupil", "P0900").await);
    let cleo = id(&world, "pupil", "P0702").await;
    let (grace, theirs) = (id(&world, "contact", "C0701").await, id(&world, "contact", "C0702").await);
    assert_eq!(subjects(&world, &one).await, [""; 0]);

    // A school post, one to a year, one without a subject, one about a pupil, one to a contact; by e-mail, in the app, by text.
    let all = sent(&world, &post(&world, "To all about ((child))", &json!({}))).await;
    let mut year = post(&world, "To Year 3", &json!({"year_groups": ["3"]}));
    year["channels"] = json!(["email"]);
    sent(&world, &year).await;
    let mut plain = post(&world, "", &json!({"classes": ["3A"], "except": [cleo]}));
    plain.as_object_mut().expect("an object").remove("subject");
    plain["channels"] = json!(["sms", "app"]);
    let plain = sent(&world, &plain).await;
    let about = sent(&world, &post(&world, "About Cleo", &json!({"people": [cleo]}))).await;
    sent(&world, &post(&world, "To her", &json!({"people": [grace]}))).await;

    let found = inbox(&world, &one).await;
    let first_words = format!("About Ada and Bea, Grace Family701. [{}]", world.school);
    let names: Vec<_> = found.iter().map(|message| text(&message["subject"])).collect();
    let both = [first_words.replace("Ada and Bea", "Bea and Ada"), first_words];
    assert_eq!((names.len(), names[0], names[2]), (4, "To her", "To Year 3"));
    assert!(both.iter().any(|words| words == names[1]), "{names:?}");
    assert!(["To all about Ada and Bea", "To all about Bea and Ada"].contains(&names[3]), "{names:?}");
    let of = |message: &Value| -> BTreeSet<String> {
        message["children"].as_array().expect("a list").iter().map(|id| text(id).to_owned()).collect()
    };
    let (alone, both) = (BTreeSet::from([ada.clone()]), BTreeSet::from([ada, bea]));
    // The class is of both, the year of one.
    assert_eq!(found.iter().map(of).collect::<Vec<_>>(), [&both, &both, &alone, &both].map(Clone::clone));
    let first = &found[3];
    assert_eq!(
        (&first["message_id"], &first["school_id"], &first["school_name"], &first["purpose"]),
        (&json!(all), &json!(world.school), &json!(world.name), &json!("service"))
    );
    assert!(found.iter().all(|message| message["acknowledged_at"].is_null() && message["text"].is_null()));
    assert_eq!(subjects(&world, &other).await, ["About Cleo", "To Year 3", "To all about Cleo"]);

    // The text is for the one who reads it, with their own children's names; nothing tells of anybody else.
    let told = world.get(&other, &path(&all)).await.expect(200);
    let words = format!("About Cleo, Grace Family702. [{}]", world.school);
    assert_eq!((text(&told["subject"]), text(&told["text"])), ("To all about Cleo", words.as_str()));
    let mut names: Vec<_> = told.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    let known = [
        "acknowledged_at",
        "children",
        "created_at",
        "message_id",
        "purpose",
        "school_id",
        "school_name",
        "subject",
        "text",
    ];
    assert_eq!(names, known);
    let told = world.get(&one, &path(&plain)).await.expect(200).to_string();
    for foreign in [&cleo, &theirs, "Cleo", "Family702"] {
        assert!(!told.contains(foreign), "{foreign}: {told}");
    }
    is_not_there(&world, &other, &plain).await;
    is_not_there(&world, &one, &about).await;

    // In the app alone nothing goes to a carrier; beside another channel it is for who cannot be reached by that.
    assert_eq!(carried(&world).await, 3, "an e-mail to each of two mothers and a text to one");
    let status = world.get("sender", &format!("/messages/{all}")).await.expect(200);
    assert_eq!((counts(&status), excluded(&status).len()), (only("sent", 2), 0));
    assert_eq!(told_of(&world, &all, &grace).await["channel"], "app");
    assert_eq!(told_of(&world, &plain, &grace).await["channel"], "sms");

    // Only a parent's session opens an inbox.
    let staff = format!("Bearer {}", world.token("office,sender,dpo").await);
    for who in ["nobody", &staff, "Bearer ses_x"] {
        world.get(who, "/v1/me/messages").await.problem(401, "unauthorised");
        world.get(who, &path(&all)).await.problem(401, "unauthorised");
        acknowledge(&world, who, &all).await.problem(401, "unauthorised");
    }
}

#[tokio::test]
async fn the_app_reaches_who_could_sign_in_and_says_who_could_not() {
    let other = |given: &str, id: &str, responsibility: &str| {
        contact(Row::family(1), given, id)
            .with(RESPONSIBILITY, responsibility)
            .with(place::PRIORITY, "2")
            .with(EMAIL, &format!("{given}@example.com"))
            .with(MOBILE, "")
    };
    let world = school(vec![
        Row::family(1),
        other("Una", "C91", ""),
        other("Nell", "C92", "N"),
        other("Kit", "C93", "Y").with(COURT_ORDER, "Y"),
        other("Ida", "C94", "Y").with(EMAIL, ""),
        other("Tom", "C95", "Y").with(EMAIL, "").with(MOBILE, "07700 900795"),
    ])
    .await;
    let preview = async |channels: &Value| {
        let mut draft = post(&world, "Trip", &json!({}));
        draft["channels"] = channels.clone();
        world.post("sender", "/messages/preview", &draft).await.expect(200)
    };
    let app = preview(&json!(["app"])).await;
    assert_eq!((&app["recipients"], &app["by_channel"]), (&json!(2), &json!({"app": 2})));
    let reasons = json!([
        {"reason": "restricted", "count": 1}, {"reason": "no_responsibility", "count": 1},
        {"reason": "not_enabled", "count": 1}, {"reason": "no_contact", "count": 1},
    ]);
    assert_eq!(app["excluded"], reasons);
    assert_eq!((&app["sample"]["channel"], &app["sample"]["subject"]), (&json!("app"), &json!("Trip")));
    assert_eq!((&app["sms_parts"], &app["cost"]["amount"]), (&json!(0), &json!("0.00")));
    // Whatever the order, the app never takes the place of a channel that is certain.
    for channels in [json!(["app", "email"]), json!(["email", "app"])] {
        let both = preview(&channels).await;
        assert_eq!(both["by_channel"], json!({"email": 2, "app": 1}), "{channels}");
        assert_eq!(both["sample"]["channel"], "email");
    }
    // Staff have no inbox.
    let mut nobody = post(&world, "Trip", &json!({"roles": ["staff"]}));
    world.post("sender", "/messages", &nobody).await.problem(422, "no_recipients");
    // And nobody consents to marketing in theirs.
    nobody["purpose"] = json!("marketing");
    let refused = world.post("sender", "/messages", &nobody).await;
    assert_eq!((refused.status, refused.faults()), (422, vec!["/channels not_for_marketing".to_owned()]));
}

#[tokio::test]
async fn edge_case_84_separated_parents_acknowledge_each_for_themselves() {
    let (world, hers, his, other) = parents_of_one_child(711).await;
    let (grace, cy) = (id(&world, "contact", "C0711").await, id(&world, "contact", "C0901").await);
    let mut question = post(&world, "May Ada come along?", &json!({"year_groups": ["3"]}));
    question["purpose"] = json!("consent");
    question["channels"] = json!(["email", "app"]);
    let message = sent(&world, &question).await;
    let status = async || world.get("sender", &format!("/messages/{message}")).await.expect(200);

    // Looking is no answer, however often.
    for who in [&hers, &his] {
        for _ in 0..2 {
            assert_eq!(subjects(&world, who).await, ["May Ada come along?"]);
            assert_eq!(world.get(who, &path(&message)).await.expect(200)["acknowledged_at"], Value::Null);
        }
    }
    assert_eq!(status().await["acknowledged"], 0);
    for method in [reqwest::Method::GET, reqwest::Method::PUT] {
        let path = format!("{}/acknowledgement", path(&message));
        assert_eq!(world.send(method, &hers, &path, None, &[]).await.status, 404);
    }
    assert_eq!(status().await["acknowledged"], 0);

    // Hers is hers: he sees nothing of it.
    let before = world.get(&his, &path(&message)).await.expect(200);
    acknowledge(&world, &hers, &message).await.expect(204);
    let first = told_of(&world, &message, &grace).await;
    assert!(first["acknowledged_at"].is_string(), "{first}");
    assert_eq!(
        world.get(&hers, &path(&message)).await.expect(200)["acknowledged_at"],
        first["acknowledged_at"]
    );
    assert_eq!(inbox(&world, &hers).await[0]["acknowledged_at"], first["acknowledged_at"]);
    assert_eq!(world.get(&his, &path(&message)).await.expect(200), before);
    assert_eq!(inbox(&world, &his).await[0]["acknowledged_at"], Value::Null);
    assert_eq!(told_of(&world, &message, &cy).await["acknowledged_at"], Value::Null);
    assert_eq!(status().await["acknowledged"], 1);

    // Both are kept and shown to the school; a second time changes nothing.
    acknowledge(&world, &his, &message).await.expect(204);
    acknowledge(&world, &hers, &message).await.expect(204);
    assert_eq!(told_of(&world, &message, &grace).await, first);
    assert!(told_of(&world, &message, &cy).await["acknowledged_at"].is_string());
    let told = status().await;
    assert_eq!((&told["acknowledged"], counts(&told)), (&json!(2), only("sent", 2)));

    // Whoever is of another family cannot.
    is_not_there(&world, &other, &message).await;
    assert_eq!(status().await["acknowledged"], 2);
}

#[tokio::test]
async fn edge_case_21_nothing_in_the_inbox_tells_of_the_other_parent() {
    let (world, hers, his, _) = parents_of_one_child(721).await;
    let (grace, cy) = (id(&world, "contact", "C0721").await, id(&world, "contact", "C0901").await);
    let pupil = id(&world, "pupil", "P0721").await;
    let both = sent(&world, &post(&world, "To both", &json!({"people": [pupil]}))).await;
    let to_her = sent(&world, &post(&world, "To her", &json!({"people": [grace]}))).await;
    let but_him =
        sent(&world, &post(&world, "Not to him", &json!({"year_groups": ["3"], "except": [cy]}))).await;
    let all_but_him = sent(&world, &post(&world, "Nor this", &json!({"except": [cy]}))).await;
    assert_eq!(subjects(&world, &hers).await, ["Nor this", "Not to him", "To her", "To both"]);
    assert_eq!(subjects(&world, &his).await, ["To both"]);
    for message in [&to_her, &but_him, &all_but_him] {
        is_not_there(&world, &his, message).await;
    }
    // Each reads it as if they were alone: no name, id or address of the other, and not whether they have read it.
    acknowledge(&world, &hers, &both).await.expect(204);
    let told = format!("{}{:?}", world.get(&his, &path(&both)).await.expect(200), inbox(&world, &his).await);
    for foreign in [&grace, "Grace", "grace721@", "900721"] {
        assert!(!told.contains(foreign), "{foreign}: {told}");
    }
    assert!(told.contains("About Ada, Cy Family721."), "{told}");
    let told =
        format!("{}{:?}", world.get(&hers, &path(&both)).await.expect(200), inbox(&world, &hers).await);
    for foreign in [&cy, "Cy", "cy721@"] {
        assert!(!told.contains(foreign), "{foreign}: {told}");
    }
}

#[tokio::test]
async fn edge_case_34_what_is_for_governors_is_not_in_a_parents_inbox() {
    let mut described = new_school();
    described["name"] = json!(format!("School {}.", address()));
    described["agreement"]["fields"]["governor"] = json!(["given_name", "family_name", "email"]);
    let world = World::with(&described).await;
    assert_eq!(world.upload(&Sheet(vec![Row::family(731)]).bytes()).await["status"], "done");
    let governor = json!({"role": "governor", "given_name": "Grace", "family_name": "Family731", "email": "grace731@example.com"});
    world.post("office", "/people", &governor).await.expect(201);
    let hers = session(&world, 731, 0).await;
    let to = |roles: &Value, subject: &str| {
        let mut draft = post(&world, subject, &json!({"roles": roles}));
        draft["channels"] = json!(["email"]);
        draft
    };
    let minutes = sent(&world, &to(&json!(["governor"]), "Minutes")).await;
    // To both personas at once: one e-mail, and the parent's copy in the inbox.
    let letter = sent(&world, &to(&json!(["governor", "contact"]), "Letter")).await;
    let told = world.get("sender", &format!("/messages/{letter}")).await.expect(200);
    assert_eq!(counts(&told), only("sent", 1));
    assert_eq!(excluded(&told), [("duplicate".to_owned(), 1)].into());
    assert_eq!(carried(&world).await, 2);
    assert_eq!(subjects(&world, &hers).await, ["Letter"]);
    is_not_there(&world, &hers, &minutes).await;
}

#[tokio::test]
async fn rights_are_those_of_the_moment_and_the_children_those_of_the_letter() {
    let rows = vec![Row::family(741), Row::family(742).with(YEAR, "2"), Row::family(743)];
    let world = school(rows.clone()).await;
    let (hers, other) = (session(&world, 741, 0).await, session(&world, 742, 1).await);
    let (pupil, contact) = (id(&world, "pupil", "P0741").await, id(&world, "contact", "C0741").await);
    let letter = sent(&world, &post(&world, "Year 3", &json!({"year_groups": ["3"]}))).await;
    let link = |restricted: bool, responsibility: &str, priority: u8| json!({"relationship": "mother", "parental_responsibility": responsibility, "restricted": restricted, "priority": priority});
    let tie = format!("/people/{pupil}/contacts/{contact}");
    for (body, sees) in [
        (link(true, "yes", 1), false),
        (link(false, "yes", 1), true),
        (link(false, "no", 1), false),
        (link(false, "unknown", 2), false),
        (link(false, "unknown", 1), true),
    ] {
        world.put("office", &tie, &body).await.expect(200);
        assert_eq!(subjects(&world, &hers).await.len(), usize::from(sees), "{body}");
        if sees {
            world.get(&hers, &path(&letter)).await.expect(200);
        } else {
            is_not_there(&world, &hers, &letter).await;
        }
    }
    world.delete("office", &tie).await.expect(204);
    is_not_there(&world, &hers, &letter).await;
    world.put("office", &tie, &link(false, "yes", 1)).await.expect(200);
    assert_eq!(subjects(&world, &hers).await, ["Year 3"]);

    // The children move up: hers keeps the letter, and whoever is in Year 3 now has not got it. Nor has who comes now.
    let all = sent(&world, &post(&world, "To all", &json!({}))).await;
    let moved = Sheet(vec![
        rows[0].clone().with(YEAR, "4"),
        rows[1].clone().with(YEAR, "3"),
        rows[2].clone().with(YEAR, "4"),
        Row::family(744),
    ]);
    let upload = world.upload_for(&moved.bytes(), "apply", &json!("partial")).await;
    if upload["status"] == "review" {
        crate::families::approved(&world, &upload, &json!({})).await;
    }
    let new = session(&world, 744, 2).await;
    assert_eq!(seen(&world, &new).await, ["Ada"]);
    assert_eq!(subjects(&world, &hers).await, ["To all", "Year 3"]);
    assert_eq!(subjects(&world, &other).await, ["To all"]);
    assert_eq!(subjects(&world, &new).await, [""; 0]);
    is_not_there(&world, &new, &all).await;

    // Whoever came to the child later reads what was written about them, and the school sees that they did.
    let late = json!({"role": "contact", "given_name": "Vera", "family_name": "Other", "mobile": "07700 900749", "email": "vera@example.com"});
    let late = text(&world.post("office", "/people", &late).await.expect(201)["person_id"]).to_owned();
    world
        .put("office", &format!("/people/{pupil}/contacts/{late}"), &link(false, "yes", 2))
        .await
        .expect(200);
    let claim = but(&but(&mother(&world, 741), "/parent/given_name", "Vera"), "/parent/family_name", "Other");
    let claim = but(&but(&claim, "/parent/email", "vera@example.com"), "/parent/mobile", "07700 900749");
    let (vera, _) = sign_in(&world, &claim).await;
    assert_eq!(subjects(&world, &vera).await, ["To all", "Year 3"]);
    assert_eq!(told_of(&world, &letter, &late).await, Value::Null);
    acknowledge(&world, &vera, &letter).await.expect(204);
    let told = told_of(&world, &letter, &late).await;
    assert_eq!((&told["channel"], &told["status"]), (&json!("app"), &json!("delivered")));
    assert!(told["acknowledged_at"].is_string());
}

/// The posts of a message, as stored.
pub async fn posts(world: &World, message: &str) -> Vec<Value> {
    let pk = format!("SCH#{}#POSTS", world.school);
    world
        .stack
        .dynamo_query("MessagingTable", &pk, &format!("POST#{message}"))
        .await
        .expect("the table answers")
}

#[tokio::test]
async fn edge_case_78_a_stopped_message_is_taken_out_of_the_inbox() {
    let world = school(vec![Row::family(751)]).await;
    let hers = session(&world, 751, 0).await;
    let wrong = sent(&world, &post(&world, "Wrong group", &json!({}))).await;
    let mut mail = post(&world, "Right group", &json!({}));
    mail["channels"] = json!(["email"]);
    let mail = sent(&world, &mail).await;
    acknowledge(&world, &hers, &wrong).await.expect(204);
    assert_eq!(subjects(&world, &hers).await, ["Right group", "Wrong group"]);
    let stopped = world.post("sender", &format!("/messages/{wrong}/stop"), &json!({})).await.expect(202);
    assert_eq!((&stopped["status"], counts(&stopped)), (&json!("stopped"), only("stopped", 1)));
    assert_eq!(subjects(&world, &hers).await, ["Right group"]);
    is_not_there(&world, &hers, &wrong).await;
    assert_eq!(posts(&world, &wrong).await.len(), 0);
    // Who had acknowledged it is still known.
    assert_eq!(world.get("sender", &format!("/messages/{wrong}")).await.expect(200)["acknowledged"], 1);
    // A task that comes once more posts it no more, and what is with the carrier is gone from the inbox too.
    assert_eq!(deliver(&world, "message-fanout", &[fan_out_task(&world, &wrong)]).await, [""; 0]);
    assert_eq!(posts(&world, &wrong).await.len(), 0);
    let stopped = world.post("sender", &format!("/messages/{mail}/stop"), &json!({})).await.expect(202);
    assert_eq!((&stopped["status"], counts(&stopped)), (&json!("sent"), only("sent", 1)));
    assert_eq!(subjects(&world, &hers).await, [""; 0]);
}
