//! Who is whose: the edge cases of families and identity, each from a school's file to what a parent hears and sees.

use local::{eventually, tap::Sent};
use serde_json::{Value, json};

use crate::{
    ingest::settled_after_review,
    messages::{addresses, counts, draft, excluded, only, send},
    parents::{
        address, but, children, claim, code, codes, enter, looked_at, mother, place, school, session, stored,
    },
    people::{id, person, ties},
    sheet::{EMAIL, MOBILE, RELATIONSHIP, RESPONSIBILITY, Row, Sheet, YEAR},
    world::{DEADLINE, World, new_school, text},
};

/// Places in a row, besides those of [`crate::sheet`] and [`place`].
pub const FAMILY: usize = 1;
/// See [`FAMILY`].
pub const TITLE: usize = 7;
const CLASS: usize = 4;
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
fn child(row: Row, given: &str, id: &str) -> Row {
    row.with(place::GIVEN, given).with(place::PUPIL_ID, id)
}

/// The row of another contact.
fn contact(row: Row, given: &str, id: &str) -> Row {
    row.with(place::CONTACT_GIVEN, given).with(place::CONTACT_ID, id)
}

fn names_both(text: &str, one: &str, other: &str) -> bool {
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

#[tokio::test]
async fn edge_case_04_twins_are_told_apart_by_the_whole_forename() {
    // Each with a parent of her own, so that what one is told says which child was meant.
    let ella = child(Row::family(4), "Ella", "P4");
    let ellie = contact(child(Row::family(4), "Ellie", "P5"), "Cy", "C5")
        .with(EMAIL, "cy@example.com")
        .with(MOBILE, "07700 900555")
        .with(RELATIONSHIP, "Father");
    let world = World::named(&format!("School {}.", address())).await;
    taken(&world, &among_others(vec![ella.clone(), ellie.clone()]).bytes()).await;
    let of = |given: &str| but(&mother(&world, 4), "/child/given_name", given);
    for wrong in ["Ellie", "Ell", "Elle", "Elli", "Ela", "E"] {
        assert_eq!(verdict(&world, &of(wrong)).await, "no", "{wrong}");
    }
    let (session, _) = sign_in(&world, &of("Ella")).await;
    assert_eq!(seen(&world, &session).await, ["Ella"]);
    let twins = [id(&world, "pupil", "P4").await, id(&world, "pupil", "P5").await];

    // One letter less under an id of her own, and Ella not there: somebody new, and nobody is asked to merge them.
    let third = child(ella.clone(), "Elle", "P6");
    let upload = taken(&world, &among_others(vec![third, ellie.clone()]).bytes()).await;
    assert_eq!(
        (&upload["counts"]["pupil"]["created"], &upload["counts"]["pupil"]["missing"], &upload["proposals"]),
        (&json!(1), &json!(1), &json!([])),
        "{upload}"
    );
    taken(&world, &among_others(vec![ella.clone(), ellie.clone()]).bytes()).await;

    // Both under new ids, in the other order: each is taken for herself, and only once somebody has approved it.
    let renumbered = |row: Row, id: &str| row.with(place::PUPIL_ID, id);
    let file = among_others(vec![renumbered(ellie, "P8"), renumbered(ella, "P9")]);
    let held = world.upload(&file.bytes()).await;
    assert_eq!(held["held_because"], "same_person_proposed", "{held}");
    assert_eq!(held["proposals_total"], 2, "{held}");
    approved(&world, &held, &json!({})).await;
    assert_eq!([id(&world, "pupil", "P9").await, id(&world, "pupil", "P8").await], twins);
    for (twin, name) in twins.iter().zip(["Ella", "Ellie"]) {
        assert_eq!(person(&world, twin).await["given_name"], name);
    }
    // Elle, whom the files no longer name, is still shown for some days; her sister never was.
    assert_eq!(seen(&world, &session).await, ["Ella", "Elle"]);
}

#[tokio::test]
async fn edge_case_05_twins_of_one_class_are_told_apart_by_their_numbers() {
    let world = school_that_lists(&["upn"]).await;
    let twin = |given: &str, id: &str| child(Row::family(5), given, id);
    let upns: &[&str] = &["H801200001001", "X801200001002"];
    taken(&world, &with_columns(&among_others(vec![twin("Ada", "P1"), twin("Amy", "P2")]), &[("UPN", upns)]))
        .await;
    let (ada, amy) = (id(&world, "pupil", "P1").await, id(&world, "pupil", "P2").await);
    assert_eq!((count(&world, "pupil").await, count(&world, "contact").await), (52, 51));
    assert_ne!(ada, amy);

    // The school's own id is the key, whatever becomes of the name.
    let file = among_others(vec![twin("Amy", "P2"), twin("Adah", "P1")]);
    let upload = taken(&world, &with_columns(&file, &[("UPN", &[upns[1], upns[0]])])).await;
    assert_eq!(
        (&upload["counts"]["pupil"]["created"], &upload["proposals"]),
        (&json!(0), &json!([])),
        "{upload}"
    );
    assert_eq!(person(&world, &ada).await["given_name"], "Adah");
    assert_eq!(person(&world, &amy).await["given_name"], "Amy");

    // Where the school's ids are new, the unique pupil number is.
    let file = among_others(vec![twin("Amy", "S8"), twin("Adah", "S9")]);
    let upload = taken(&world, &with_columns(&file, &[("UPN", &[upns[1], upns[0]])])).await;
    assert_eq!(
        (&upload["counts"]["pupil"]["created"], &upload["proposals"]),
        (&json!(0), &json!([])),
        "{upload}"
    );
    assert_eq!((id(&world, "pupil", "S9").await, id(&world, "pupil", "S8").await), (ada, amy));
}

#[tokio::test]
async fn edge_case_06_namesakes_born_on_one_day_stay_two() {
    let ann = |n: usize, id: &str| {
        child(Row::family(n), "Ann", id)
            .with(FAMILY, "Smith")
            .with(place::CONTACT_FAMILY, "Smith")
            .with(place::CONTACT_GIVEN, ["Mary", "Jo"][n % 2])
    };
    let world = World::named(&format!("School {}.", address())).await;
    taken(&world, &among_others(vec![ann(6, "P6"), ann(7, "P7")]).bytes()).await;
    let (one, other) = (id(&world, "pupil", "P6").await, id(&world, "pupil", "P7").await);
    assert_eq!(ties(&world, &one).await.len(), 1);
    assert_ne!(ties(&world, &one).await, ties(&world, &other).await);
    let (out, _) = heard(&world, &draft(&world, "service", &["sms"])).await;
    assert_eq!(addresses(&out), ["+447700900006", "+447700900007"], "each mother of her own");
    // A parent who names such a child is for the school to look at.
    let claim = json!({
        "school_code": world.code,
        "parent": {"given_name": "Mary", "family_name": "Smith", "mobile": "07700 900006", "email": "grace6@example.com"},
        "child": {"given_name": "Ann", "family_name": "Smith", "date_of_birth": "2018-05-14"},
    });
    assert_eq!(verdict(&world, &claim).await, "review");

    // Of a row without an id the school is asked, though only one of the two is left whom it may mean.
    let before = (person(&world, &one).await, person(&world, &other).await);
    let held = world.upload(&among_others(vec![ann(6, ""), ann(7, "P7")]).bytes()).await;
    assert_eq!((text(&held["held_because"]), &held["proposals_total"]), ("same_person_proposed", &json!(1)));
    // Where it may mean either, neither is touched and nobody is added, until there are ids.
    let unsure = world.upload(&among_others(vec![ann(6, "").with(CLASS, "3B")]).bytes()).await;
    assert_eq!((person(&world, &one).await, person(&world, &other).await), before, "{unsure}");
    assert_eq!(
        (&unsure["counts"]["pupil"]["created"], count(&world, "pupil").await),
        (&json!(0), 52),
        "{unsure}"
    );
}

#[tokio::test]
async fn edge_case_06_without_ids_two_rows_that_may_be_two_children_wait_for_ids() {
    let ann = |class: &str| child(Row::family(6), "Ann", "").with(CLASS, class);
    let world = World::new().await;
    let upload = taken(&world, &Sheet(vec![ann("3A"), ann("3B")]).bytes()).await;
    assert_eq!(findings(&upload), [(3, "ambiguous")]);
    let pupils = world.search(&json!({"role": "pupil"})).await;
    assert_eq!((pupils.len(), text(&pupils[0]["class"])), (1, "3A"));
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

#[tokio::test]
async fn edge_case_10_one_parent_spelt_twice_is_suggested_and_meanwhile_written_to_once() {
    let first = contact(Row::family(10), "Catherine", "C1").with(place::CONTACT_FAMILY, "Smyth");
    let second =
        contact(child(Row::family(10), "Ben", "P9"), "Katherine", "C2").with(place::CONTACT_FAMILY, "Smith");
    let file = Sheet(vec![first, second]).bytes();
    let world = World::new().await;
    let upload = taken(&world, &file).await;
    assert_eq!(findings(&upload), [(3, "merge_proposed")]);
    assert_eq!(count(&world, "contact").await, 2);
    for channel in ["sms", "email"] {
        let (out, told) = heard(&world, &draft(&world, "service", &[channel])).await;
        assert_eq!((out.len(), excluded(&told)), (1, only("duplicate", 1)));
        assert!(names_both(&out[0].text, "Ada", "Ben"), "{}", out[0].text);
    }
    // The school confirms: one parent of two, and the file that still has both does not part them.
    let (kept, other) = (id(&world, "contact", "C1").await, id(&world, "contact", "C2").await);
    let body = json!({"other": other, "version": person(&world, &kept).await["version"]});
    world.post("office", &format!("/people/{kept}/merge"), &body).await.expect(200);
    let again = taken(&world, &file).await;
    assert_eq!(again["counts"]["contact"]["created"], 0, "{again}");
    assert_eq!((count(&world, "contact").await, id(&world, "contact", "C2").await), (1, kept.clone()));
    assert_eq!(ties(&world, &kept).await.len(), 2);
    let (out, told) = heard(&world, &draft(&world, "service", &["sms"])).await;
    assert_eq!((out.len(), excluded(&told)), (1, [].into()));
    assert!(names_both(&out[0].text, "Ada", "Ben"), "{}", out[0].text);
}

#[tokio::test]
async fn edge_case_11_a_contact_without_ids_is_one_only_by_name_and_contact_point() {
    let row = |pupil: &str, given: &str, email: &str, mobile: &str| {
        let row =
            contact(child(Row::family(11), ["Ada", "Ben"][usize::from(pupil == "P2")], pupil), given, "");
        row.with(EMAIL, email).with(MOBILE, mobile)
    };
    let grace = row("P1", "Grace", "grace@example.com", "07700 900011");
    for (other, contacts) in [
        (row("P2", "GRÁCE", "grace@example.com", "07700 900111"), 1),
        (row("P2", "Grace", "", "07700 900011"), 1),
        // Nothing in common but the name; the address alone; another family name.
        (row("P2", "Grace", "other@example.com", "07700 900111"), 2),
        (row("P2", "Gracie", "grace@example.com", "07700 900011"), 2),
        (row("P2", "Grace", "grace@example.com", "").with(place::CONTACT_FAMILY, "Jones"), 2),
    ] {
        let world = World::new().await;
        taken(&world, &Sheet(vec![grace.clone(), other.clone()]).bytes()).await;
        assert_eq!(count(&world, "contact").await, contacts, "{other:?}");
    }
}

#[tokio::test]
async fn edge_case_11_what_was_linked_by_likeness_can_be_parted() {
    let grace = |row: Row| contact(row, "Grace", "");
    let file = Sheet(vec![grace(Row::family(11)), grace(child(Row::family(11), "Ben", "P9"))]).bytes();
    let world = World::new().await;
    let upload = taken(&world, &file).await;
    let one = text(&world.search(&json!({"role": "contact"})).await[0]["person_id"]).to_owned();
    assert_eq!(ties(&world, &one).await.len(), 2);
    assert!(taken(&world, &file).await["counts"]["contact"]["unchanged"] == 1);

    // The office parts them: another Grace, who is Ben's. The next file does not join them again.
    let ben = id(&world, "pupil", "P9").await;
    world.delete("office", &format!("/people/{ben}/contacts/{one}")).await.expect(204);
    let body = json!({
        "role": "contact", "given_name": "Grace", "family_name": "Family11", "email": "grace11@example.com", "mobile": "07700 900011",
    });
    let other = world.post("office", "/people", &body).await.expect(201);
    let other = text(&other["person_id"]);
    let link = json!({"relationship": "mother", "parental_responsibility": "yes", "priority": 1});
    world.put("office", &format!("/people/{ben}/contacts/{other}"), &link).await.expect(200);
    let again = world.upload(&file).await;
    assert_eq!(again["counts"]["contact"]["created"], 0, "{again}");
    assert_eq!(ties(&world, &ben).await, [(other.to_owned(), false)]);
    assert_eq!(count(&world, "contact").await, 2);
    assert_eq!(upload["counts"]["link"]["created"], 2);
}

#[tokio::test]
async fn edge_case_12_father_and_son_of_one_name_are_two() {
    let john = |row: Row, id: &str, relationship: &str| {
        contact(row, "John", id).with(RELATIONSHIP, relationship).with(TITLE, "Mr")
    };
    // With ids, whatever they have in common; and their son bears the name too.
    let son = child(Row::family(12), "John", "P12");
    let rows = vec![john(son.clone(), "C1", "Father"), john(son.clone(), "C2", "Grandfather")];
    let world = World::new().await;
    let upload = taken(&world, &Sheet(rows).bytes()).await;
    assert_eq!((findings(&upload), count(&world, "contact").await), (vec![], 2));
    assert_eq!(count(&world, "pupil").await, 1);
    // To two children too: father of the one, grandfather of the other.
    let niece = child(Row::family(12), "Ann", "P13");
    let rows = vec![john(son.clone(), "C1", "Father"), john(niece.clone(), "C2", "Grandfather")];
    let world = World::new().await;
    let upload = taken(&world, &Sheet(rows).bytes()).await;
    assert_eq!((findings(&upload), count(&world, "contact").await), (vec![], 2));
}

#[tokio::test]
async fn edge_case_12_without_ids_title_or_relationship_keep_father_and_son_apart() {
    let son = child(Row::family(12), "John", "P12");
    let niece = child(Row::family(12), "Ann", "P13");
    let john = |row: &Row, relationship: &str, title: &str| {
        contact(row.clone(), "John", "").with(RELATIONSHIP, relationship).with(TITLE, title)
    };
    let mut joined = Vec::new();
    for (rows, what) in [
        (vec![john(&son, "Father", "Mr"), john(&son, "Uncle", "Rev")], "titles"),
        (vec![john(&son, "Father", "Mr"), john(&son, "Grandfather", "Mr")], "relationships to one child"),
        (
            vec![john(&son, "Father", "Mr"), john(&niece, "Grandfather", "Mr")],
            "relationships to two children",
        ),
    ] {
        let world = World::new().await;
        let upload = taken(&world, &Sheet(rows).bytes()).await;
        // Two people, or the second row waits until somebody gives them ids.
        let apart = count(&world, "contact").await == 2
            || findings(&upload).iter().any(|(row, code)| (*row, *code) == (3, "ambiguous"));
        if !apart {
            joined.push(what);
        }
    }
    assert_eq!(joined, [""; 0]);
}

#[tokio::test]
async fn edge_case_13_a_new_name_is_the_old_parent() {
    let world = school(among_others(vec![Row::family(13)]).0).await;
    let mary = id(&world, "contact", "C0013").await;
    let before = ties(&world, &mary).await;
    let married =
        taken(&world, &among_others(vec![Row::family(13).with(place::CONTACT_FAMILY, "Jones")]).bytes())
            .await;
    assert_eq!((&married["counts"]["contact"]["changed"], &married["proposals"]), (&json!(1), &json!([])));
    assert_eq!((id(&world, "contact", "C0013").await, ties(&world, &mary).await), (mary.clone(), before));
    assert_eq!(
        (count(&world, "contact").await, person(&world, &mary).await["family_name"].clone()),
        (51, json!("Jones"))
    );
    // Who looks her up, and who proves to be her, goes by the new name alone.
    let contacts =
        async |family: &str| world.search(&json!({"role": "contact", "family_name": family})).await.len();
    assert_eq!((contacts("Family13").await, contacts("Jones").await), (0, 1));
    assert_eq!(verdict(&world, &mother(&world, 13)).await, "no");
    let (session, _) = sign_in(&world, &but(&mother(&world, 13), "/parent/family_name", "Jones")).await;
    assert_eq!(seen(&world, &session).await, ["Ada"]);
    // For thirty days the old name is kept, to take the change back: see `retention` for its end.
    let item = world.directory(&format!("PER#{mary}")).await;
    assert!(item[0]["former"].is_object(), "{item:?}");
    let path = format!("/uploads/{}/undo", text(&married["upload_id"]));
    world.post("office", &path, &json!({})).await.expect(202);
    let undone = eventually("the upload is taken back", DEADLINE, async || {
        let upload =
            world.get("office", &format!("/uploads/{}", text(&married["upload_id"]))).await.expect(200);
        Ok((upload["status"] == "undone").then_some(()))
    });
    undone.await.expect("it is");
    assert_eq!(person(&world, &mary).await["family_name"], "Family13");
}
