//! Who is whose: the edge cases of families and identity, each from a school's file to what a parent hears and sees.

use local::tap::Sent;
use serde_json::{Value, json};

use crate::{
    ingest::settled_after_review,
    messages::{addresses, counts, draft, excluded, only, send},
    parents::{
        address, but, children, claim, code, codes, enter, looked_at, mother, place, school, session, stored,
    },
    people::{id, person, ties},
    sheet::{EMAIL, MOBILE, RELATIONSHIP, RESPONSIBILITY, Row, Sheet, YEAR},
    world::{World, new_school, text},
};

/// Places in a row, besides those of [`crate::sheet`] and [`place`].
pub const FAMILY: usize = 1;
/// See [`FAMILY`].
pub const TITLE: usize = 7;
const BORN: usize = 5;

/// The sheet's bytes with further columns: a name, and a cell for each row as far as there are any.
pub fn with_columns(sheet: &Sheet, columns: &[(&str, &[&str])]) -> Vec<u8> {
    let text = String::from_utf8(sheet.bytes()).expect("a sheet is text");
    let lines = text.lines().enumerate().map(|(at, line)| {
        let cells = columns.iter().map(|(name, cells)| match at {
            0 => *name,
            _ => cells.get(at - 1).copied().unwrap_or_default(),
        });
        std::iter::once(line).chain(cells).collect::<Vec<_>>().join(",")
    });
    (lines.collect::<Vec<_>>().join("\r\n") + "\r\n").into_bytes()
}

/// Rows, and fifty more families: whatever happens to one of the rows is a small share of the school.
pub fn among_others(rows: Vec<Row>) -> Sheet {
    Sheet(
        rows.into_iter()
            .chain((900..950).map(|n| Row::family(n).with(YEAR, "6").with(BORN, "14/05/2016")))
            .collect(),
    )
}

/// A school of its own name whose agreement also lists these fields of pupils.
pub async fn school_that_lists(fields: &[&str]) -> World {
    let mut described = new_school();
    described["name"] = json!(format!("School {}.", address()));
    let listed = described["agreement"]["fields"]["pupil"].as_array_mut().expect("a list");
    listed.extend(fields.iter().map(|field| json!(field)));
    World::with(&described).await
}

/// Uploads a file that nothing holds up.
pub async fn taken(world: &World, file: &[u8]) -> Value {
    let upload = world.upload(file).await;
    assert_eq!(upload["status"], "done", "{upload}");
    upload
}

/// Has somebody else approve what is held.
pub async fn approved(world: &World, held: &Value, body: &Value) -> Value {
    assert_eq!(held["status"], "review", "{held}");
    let upload_id = text(&held["upload_id"]);
    world.post("approver", &format!("/uploads/{upload_id}/approval"), body).await.expect(202);
    let done = settled_after_review(world, upload_id).await;
    assert_eq!(done["status"], "done", "{done}");
    done
}

/// Row and code of an upload's findings, but for those about what a column or a number looks like.
pub fn findings(upload: &Value) -> Vec<(u64, &str)> {
    let findings = upload["findings"].as_array().expect("a list").iter();
    findings.map(|one| (one["row"].as_u64().expect("a number"), text(&one["code"]))).collect()
}

/// Sends a draft; what the carriers were given of it, and the message as told.
pub async fn heard(world: &World, draft: &Value) -> (Vec<Sent>, Value) {
    let before = world.outbox().await.len();
    let told = world.drain(&send(world, draft).await).await;
    (world.outbox().await.split_off(before), told)
}

/// A draft's preview.
pub async fn preview(world: &World, draft: &Value) -> Value {
    world.post("sender", "/messages/preview", draft).await.expect(200)
}

/// A session of whoever makes a claim that is right; the code's place too.
pub async fn sign_in(world: &World, body: &Value) -> (String, String) {
    let seen = codes(world).await.len();
    let verification = claim(world, body).await;
    let (_, to, code) = code(world, seen + 1).await;
    let entered = enter(world, &verification, &code).await.expect(201);
    (format!("Bearer {}", text(&entered["session_token"])), to)
}

/// What a claim comes to. Whatever it is but proved, no code goes out.
pub async fn verdict(world: &World, body: &Value) -> String {
    let seen = codes(world).await.len();
    let verification = claim(world, body).await;
    looked_at(world, &verification).await;
    let stored = stored(world, &verification).await;
    let verdict = text(&stored["verdict"]["S"]).to_owned();
    if verdict != "proved_by_code" {
        assert_eq!(codes(world).await.len(), seen, "{verdict}");
    }
    verdict
}

/// The given names of the children that a session shows, sorted.
pub async fn seen(world: &World, session: &str) -> Vec<String> {
    let seen = children(world, session).await;
    let mut names: Vec<_> = seen.iter().map(|child| text(&child["given_name"]).to_owned()).collect();
    names.sort();
    names
}

/// How many people a school has in a role.
pub async fn count(world: &World, role: &str) -> usize {
    world.list("office", &format!("/people?role={role}")).await.len()
}

/// The row of another child.
pub fn child(row: Row, given: &str, id: &str) -> Row {
    row.with(place::GIVEN, given).with(place::PUPIL_ID, id)
}

/// The row of another contact.
pub fn contact(row: Row, given: &str, id: &str) -> Row {
    row.with(place::CONTACT_GIVEN, given).with(place::CONTACT_ID, id)
}

pub fn names_both(text: &str, one: &str, other: &str) -> bool {
    text.contains(&format!("{one} and {other}")) || text.contains(&format!("{other} and {one}"))
}

#[tokio::test]
async fn edge_case_01_siblings_have_one_parent_and_one_message() {
    let world = school(vec![Row::family(1), child(Row::family(1), "Bea", "P0900")]).await;
    assert_eq!((count(&world, "pupil").await, count(&world, "contact").await), (2, 1));
    let grace = id(&world, "contact", "C0001").await;
    assert_eq!(ties(&world, &grace).await.len(), 2);
    for (channel, to) in [("sms", "+447700900001"), ("email", "grace1@example.com")] {
        let draft = draft(&world, "service", &[channel]);
        assert_eq!(preview(&world, &draft).await["recipients"], 1);
        let (out, told) = heard(&world, &draft).await;
        assert_eq!((addresses(&out), counts(&told)), (vec![to], only("sent", 1)));
        assert!(names_both(&out[0].text, "Ada", "Bea"), "{}", out[0].text);
    }
    let (session, _) = sign_in(&world, &mother(&world, 1)).await;
    assert_eq!(seen(&world, &session).await, ["Ada", "Bea"]);
}

#[tokio::test]
async fn edge_case_02_siblings_in_two_schools_are_two_schools_data() {
    let ours = school(vec![Row::family(2)]).await;
    let theirs = school(vec![child(Row::family(2), "Bea", "P0900")]).await;
    let bea = |world: &World| but(&mother(world, 2), "/child/given_name", "Bea");
    let here = session(&ours, 2, 0).await;
    let (there, _) = sign_in(&theirs, &bea(&theirs)).await;
    for (world, session, name) in [(&ours, &here, "Ada"), (&theirs, &there, "Bea")] {
        let seen = children(world, session).await;
        assert_eq!(seen.len(), 1);
        assert_eq!((text(&seen[0]["given_name"]), &seen[0]["school_id"]), (name, &json!(world.school)));
        let me = world.get(session, "/v1/me").await.expect(200);
        assert_eq!(me["schools"], json!([{"school_id": world.school, "name": world.name}]));
    }
    let sister = text(&children(&theirs, &there).await[0]["person_id"]).to_owned();
    ours.get(&here, &format!("/v1/me/children/{sister}")).await.problem(404, "not_found");

    // Nor do the schools: their people are two records each, their messages speak of their own pupil.
    let staff = format!("Bearer {}", ours.token("office,sender,approver,dpo").await);
    for path in ["/people", &format!("/people/{sister}"), "/messages", "/uploads"] {
        theirs.get(&staff, path).await.problem(404, "not_found");
    }
    ours.get("office", &format!("/people/{sister}")).await.problem(404, "not_found");
    assert_eq!(ours.search(&json!({"given_name": "Bea"})).await, Vec::<Value>::new());
    let own = id(&ours, "contact", "C0002").await;
    assert_ne!(own, id(&theirs, "contact", "C0002").await);
    assert_eq!(ties(&ours, &own).await.len(), 1);
    let (out, _) = heard(&ours, &draft(&ours, "service", &["sms"])).await;
    assert!(out[0].text.contains("Ada") && !out[0].text.contains("Bea"), "{}", out[0].text);
    assert_eq!(theirs.outbox().await.len(), 0);
}

#[tokio::test]
async fn edge_case_03_what_is_proved_at_one_school_is_nothing_at_another() {
    let ours = school(vec![Row::family(3)]).await;
    let theirs = school(vec![child(Row::family(3), "Bea", "P0900"), Row::family(4)]).await;
    let here = session(&ours, 3, 0).await;
    // Her child here is no pupil there, and the other way round; to both she has to prove herself.
    assert_eq!(verdict(&theirs, &mother(&theirs, 3)).await, "no");
    let bea = but(&mother(&ours, 3), "/child/given_name", "Bea");
    assert_eq!(verdict(&ours, &bea).await, "no");
    assert_eq!(seen(&ours, &here).await, ["Ada"]);
    let (there, _) = sign_in(&theirs, &but(&bea, "/school_code", &theirs.code)).await;
    assert_eq!(seen(&theirs, &there).await, ["Bea"]);
    // What she proved there later adds nothing to what the first session shows to whoever holds it.
    assert_eq!(seen(&ours, &here).await, ["Ada"]);
    let stranger = format!("Bearer {}", theirs.token("office,sender").await);
    ours.get(&stranger, "/people").await.problem(404, "not_found");
}

/// Mother and father of one child who have something in common.
fn parents(n: usize) -> Vec<Row> {
    let father = contact(Row::family(n), "Cy", "C9").with(RELATIONSHIP, "Father").with(TITLE, "Mr");
    vec![Row::family(n), father]
}

#[tokio::test]
async fn edge_case_07_a_mobile_of_two_parents_gets_one_text_and_proves_neither() {
    let mut rows = parents(7);
    rows[1] = rows[1].clone().with(EMAIL, "cy@example.com");
    let world = school(rows).await;
    assert_eq!(count(&world, "contact").await, 2);
    let mut draft = draft(&world, "service", &["sms"]);
    draft["body"] = json!(format!("Dear ((name)), see you. [{}]", world.school));
    let (out, told) = heard(&world, &draft).await;
    assert_eq!((addresses(&out), excluded(&told)), (vec!["+447700900007"], only("duplicate", 1)));
    // Both read it: neither is addressed by name, and the child is named once.
    assert!(out[0].text.starts_with("Dear Parent or carer,"), "{}", out[0].text);
    assert_eq!(out[0].text.matches("Ada").count(), 1, "{}", out[0].text);
    // Another message is another text.
    assert_eq!(heard(&world, &draft).await.0.len(), 1);

    // A code to that number would not tell who typed it: their own e-mail address does.
    let (grace, to) = sign_in(&world, &mother(&world, 7)).await;
    assert_eq!(to, "grace7@example.com");
    let father = but(&but(&mother(&world, 7), "/parent/given_name", "Cy"), "/parent/email", "cy@example.com");
    let (cy, to) = sign_in(&world, &father).await;
    assert_eq!(to, "cy@example.com");
    let account = async |who: &str| world.get(who, "/v1/me").await.expect(200)["account_id"].clone();
    assert_ne!(account(&grace).await, account(&cy).await);
    // Without one, the school has to approve.
    for name in ["Grace", "Cy"] {
        let claim = but(&mother(&world, 7), "/parent/given_name", name);
        assert_eq!(verdict(&world, &but(&claim, "/parent/email", "new@example.com")).await, "review");
    }
}

#[tokio::test]
async fn edge_case_08_an_address_of_two_parents_is_the_login_of_neither() {
    let mut rows = parents(8);
    rows[1] = rows[1].clone().with(MOBILE, "07700 900508");
    // The father has a child of his own at the school.
    let his = rows[1].clone().with(place::GIVEN, "Dot").with(place::PUPIL_ID, "P0900");
    rows.push(his);
    let world = school(rows).await;
    assert_eq!(count(&world, "contact").await, 2);
    let (out, told) = heard(&world, &draft(&world, "service", &["email"])).await;
    assert_eq!((addresses(&out), excluded(&told)), (vec!["grace8@example.com"], only("duplicate", 1)));
    assert!(names_both(&out[0].text, "Ada", "Dot"), "{}", out[0].text);
    assert!(!out[0].text.contains("Grace") && !out[0].text.contains("Cy"), "{}", out[0].text);

    let father = but(&but(&mother(&world, 8), "/parent/given_name", "Cy"), "/parent/mobile", "07700 900508");
    let (grace, to) = sign_in(&world, &mother(&world, 8)).await;
    assert_eq!((to.as_str(), seen(&world, &grace).await), ("+447700900008", vec!["Ada".to_owned()]));
    let (cy, to) = sign_in(&world, &father).await;
    assert_eq!((to.as_str(), seen(&world, &cy).await.len()), ("+447700900508", 2));
    // The second sign-in took nothing from the first, and gave her nothing.
    assert_eq!(seen(&world, &grace).await, ["Ada"]);
    let account = async |who: &str| world.get(who, "/v1/me").await.expect(200)["account_id"].clone();
    assert_ne!(account(&grace).await, account(&cy).await);
    for claim in [mother(&world, 8), father] {
        assert_eq!(verdict(&world, &but(&claim, "/parent/mobile", "07700 900777")).await, "review");
    }
}

#[tokio::test]
async fn edge_case_09_a_landline_of_two_people_gets_no_text_and_makes_them_no_one() {
    let alone = |row: Row| row.with(EMAIL, "").with(MOBILE, "");
    let brother = contact(Row::family(9), "Ben", "C9").with(RELATIONSHIP, "Brother").with(RESPONSIBILITY, "");
    let file = Sheet(vec![alone(Row::family(9)), alone(brother.with(13, "2").with(TITLE, ""))]);
    let line = "01632 960009";
    let world = World::new().await;
    let upload = taken(&world, &with_columns(&file, &[("Home Telephone", &[line, line])])).await;
    assert_eq!(findings(&upload), []);
    for source in ["C0009", "C9"] {
        assert_eq!(
            person(&world, &id(&world, "contact", source).await).await["landline"],
            "+441632960009",
            "{source}"
        );
    }
    let service = preview(&world, &draft(&world, "service", &["sms", "email"])).await;
    assert_eq!(service["recipients"], 0);
    assert_eq!(excluded(&service), [("landline_only".into(), 1), ("no_responsibility".into(), 1)].into());
    let emergency = draft(&world, "emergency", &["sms", "email"]);
    assert_eq!(excluded(&preview(&world, &emergency).await), only("landline_only", 2));
    let refused = world.post("sender", "/messages", &emergency).await.problem(422, "no_recipients");
    assert_eq!(excluded(&refused), only("landline_only", 2));
    assert_eq!(world.outbox().await.len(), 0);
}
