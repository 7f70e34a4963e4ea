//! What the office does to people by hand: typing in, changing, deleting, saying that two are one.

use serde_json::{Value, json};

use crate::{
    ingest::people_and_links,
    sheet::{EMAIL, Row, Sheet},
    world::{World, text},
};

/// The column of the contact's id.
const CONTACT_ID: usize = 10;

/// A school with the first families of the sheet.
async fn school(families: usize) -> World {
    let world = World::new().await;
    let upload = world.upload(&Sheet::families(families).bytes()).await;
    assert_eq!(upload["status"], "done", "{upload}");
    world
}

/// The id of whoever the file calls so.
pub async fn id(world: &World, role: &str, source: &str) -> String {
    let found = world.search(&json!({"role": role, "source_id": source})).await;
    assert_eq!(found.len(), 1, "{source}");
    text(&found[0]["person_id"]).to_owned()
}

pub async fn person(world: &World, id: &str) -> Value {
    world.get("office", &format!("/people/{id}")).await.expect(200)
}

/// The other ends of somebody's links, with whether they are restricted, sorted.
pub async fn ties(world: &World, id: &str) -> Vec<(String, bool)> {
    let person = person(world, id).await;
    let end = if person["role"] == "pupil" { "contact_id" } else { "pupil_id" };
    let links = person["links"].as_array().expect("a person has links");
    let mut ties: Vec<_> =
        links.iter().map(|link| (text(&link[end]).to_owned(), link["restricted"] == true)).collect();
    ties.sort();
    ties
}

#[tokio::test]
async fn a_change_is_of_what_was_looked_at() {
    let world = school(2).await;
    let contact = id(&world, "contact", "C0001").await;
    let path = format!("/people/{contact}");
    let before = person(&world, &contact).await;
    let version = before["version"].as_u64().expect("a number");

    let body =
        json!({"version": version, "email": "new@example.com", "title": null, "mobile": "07700 900001"});
    let after = world.patch("office", &path, &body).await.expect(200);
    let expected = json!({
        "person_id": contact, "role": "contact", "version": version + 1, "given_name": "Grace", "family_name": "Family1",
        "email": "new@example.com", "mobile": "+447700900001", "emails": ["new@example.com"], "phones": ["+447700900001"],
        "source_id": "C0001", "by_hand": ["title", "email"],
    });
    assert_eq!(after, expected, "the number is what it was");
    let mut told = person(&world, &contact).await;
    let links = told.as_object_mut().and_then(|told| told.remove("links")).expect("links");
    assert_eq!(told, expected);

    // Who looked before that is told so, whatever they would change.
    world.patch("office", &path, &body).await.problem(409, "conflict");
    world.delete("office", &format!("{path}?version={version}")).await.problem(409, "conflict");
    // Nothing to change is no change.
    let same = json!({"version": version + 1, "email": "new@example.com"});
    assert_eq!(world.patch("office", &path, &same).await.expect(200), expected);

    // Of two at one moment, one was first.
    let one = json!({"version": version + 1, "given_name": "One"});
    let other = json!({"version": version + 1, "given_name": "Other"});
    let (one, other) = tokio::join!(world.patch("office", &path, &one), world.patch("office", &path, &other));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{one:?} {other:?}");

    // A link has a version of its own.
    let link = &links[0];
    let path = format!("/people/{}/contacts/{contact}", text(&link["pupil_id"]));
    let was = link["version"].as_u64().expect("a number");
    let put = async |version: u64| {
        world
            .put("office", &path, &json!({"relationship": "mother", "priority": 2, "version": version}))
            .await
    };
    assert_eq!(put(was).await.expect(200)["version"], was + 1);
    put(was).await.problem(409, "conflict");
    assert_eq!(put(was + 1).await.expect(200)["version"], was + 1, "nothing to change");
    world.delete("office", &format!("{path}?version={was}")).await.problem(409, "conflict");
    let faults = world.delete("office", &format!("{path}?version=newest")).await;
    assert_eq!((faults.status, faults.faults()), (422, vec![" version".to_owned()]));
    world.delete("office", &format!("{path}?version={}", was + 1)).await.expect(204);
    put(was + 1).await.problem(409, "conflict");
    world.put("office", &path, &json!({"relationship": "mother"})).await.expect(200);
}

#[tokio::test]
async fn what_is_typed_is_told_and_held_to_the_rules() {
    let world = school(2).await;
    let body = json!({
        "role": "pupil", "given_name": "Ella", "family_name": "Smith", "year_group": "Year 4", "source_id": "P9000", "class": null,
    });
    let made = world.post("office", "/people", &body).await.expect(201);
    assert_eq!(made["version"], 1);
    let pupil = text(&made["person_id"]);
    let path = format!("/people/{pupil}");
    let body = json!({"version": 1, "date_of_birth": "04/03/2017", "deceased": true, "source_id": "P9001"});
    let after = world.patch("office", &path, &body).await.expect(200);
    let expected = json!({
        "person_id": pupil, "role": "pupil", "version": 2, "given_name": "Ella", "family_name": "Smith", "year_group": "4",
        "date_of_birth": "2017-03-04", "deceased": true, "source_id": "P9001",
        "by_hand": ["given_name", "family_name", "date_of_birth", "year_group", "source_id", "deceased"],
    });
    assert_eq!(after, expected);

    for (body, faults) in [
        (json!({"version": 2, "given_name": null, "family_name": null}), vec!["/given_name name_missing"]),
        (json!({"version": 2, "source_id": "P0001"}), vec!["/source_id already_used"]),
        (json!({"version": 2, "groups": ["Choir"]}), vec!["/groups not_agreed"]),
        (
            json!({"version": 2, "date_of_birth": "soon", "year_group": "12345678901"}),
            vec!["/date_of_birth date_invalid", "/year_group too_long"],
        ),
    ] {
        let refused = world.patch("office", &path, &body).await;
        assert_eq!(
            (refused.status, refused.faults()),
            (422, faults.iter().map(|it| (*it).to_owned()).collect())
        );
    }
    for body in [
        json!({"given_name": "Ella"}),
        json!({"version": 2, "role": "contact"}),
        json!({"version": -2}),
        json!({"version": 2, "by_hand": []}),
        json!({"version": 2, "given_name": 7}),
    ] {
        world.patch("office", &path, &body).await.problem(400, "malformed_body");
    }
    assert_eq!(world.patch("office", &path, &json!({"version": 2})).await.expect(200), expected);
    // Whose it is and who may.
    for role in ["sender", "dpo"] {
        world.patch(role, &path, &json!({"version": 2})).await.problem(403, "forbidden");
        world.delete(role, &path).await.problem(403, "forbidden");
        world.post(role, &format!("{path}/merge"), &json!({})).await.problem(403, "forbidden");
    }
    let other = World::new().await;
    other.patch("office", &path, &json!({"version": 2})).await.problem(404, "not_found");
    other.delete("office", &path).await.problem(404, "not_found");
    other
        .post(
            "office",
            &format!("{path}/merge"),
            &json!({"other": pupil.replace("per_0", "per_1"), "version": 2}),
        )
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn whoever_is_deleted_is_gone_with_their_links() {
    let world = school(3).await;
    let pupil = id(&world, "pupil", "P0000").await;
    let contact = id(&world, "contact", "C0000").await;
    let link = format!("/people/{pupil}/contacts/{contact}");

    // What a restriction hangs on stays.
    world.put("office", &link, &json!({"restricted": true})).await.expect(200);
    for end in [&pupil, &contact] {
        world.delete("office", &format!("/people/{end}")).await.problem(409, "conflict");
    }
    world.put("office", &link, &json!({"restricted": false})).await.expect(200);

    let version = &person(&world, &pupil).await["version"];
    world.delete("office", &format!("/people/{pupil}?version={version}")).await.expect(204);
    world.get("office", &format!("/people/{pupil}")).await.problem(404, "not_found");
    world.delete("office", &format!("/people/{pupil}")).await.problem(404, "not_found");
    world.put("office", &link, &json!({})).await.problem(404, "not_found");
    assert_eq!(ties(&world, &contact).await, []);
    assert_eq!(world.list("office", "/people").await.len(), 5);
    assert_eq!(world.search(&json!({"source_id": "P0000"})).await, Vec::<Value>::new());
    // A message about the whole school is not about them.
    let body = json!({"purpose": "service", "channels": ["email"], "subject": "Trip", "body": "Trip.", "audience": {"year_groups": ["3"]}});
    assert_eq!(world.post("sender", "/messages/preview", &body).await.expect(200)["recipients"], 2);

    // The source still has them, and brings neither them back nor their contact any further, who is nobody's now: of three contacts
    // that is one too many to be missing unseen.
    let again = world.upload(&Sheet::families(3).bytes()).await;
    assert_eq!(again["held_because"], "many_missing", "{again}");
    assert_eq!(
        (&again["counts"]["pupil"]["created"], &again["counts"]["contact"]["missing"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(world.search(&json!({"source_id": "P0000"})).await, Vec::<Value>::new());
    assert_eq!(ties(&world, &contact).await, []);
}

#[tokio::test]
async fn two_contacts_become_one_and_the_stricter_tie_wins() {
    let world = school(3).await;
    let (kept, other) = (id(&world, "contact", "C0000").await, id(&world, "contact", "C0001").await);
    let (mine, theirs) = (id(&world, "pupil", "P0000").await, id(&world, "pupil", "P0001").await);
    // Both stand beside the first pupil, and the other is kept away from them.
    world
        .put(
            "office",
            &format!("/people/{mine}/contacts/{other}"),
            &json!({"restricted": true, "relationship": "mother"}),
        )
        .await
        .expect(200);
    let path = format!("/people/{kept}/merge");
    let version = person(&world, &kept).await["version"].as_u64().expect("a number");
    let before = people_and_links(&world).await;
    for (body, fault) in [
        (json!({"other": kept, "version": version}), "/other same_person"),
        (json!({"other": mine, "version": version}), "/other other_role"),
    ] {
        let refused = world.post("office", &path, &body).await;
        assert_eq!((refused.status, refused.faults()), (422, vec![fault.to_owned()]));
    }
    world
        .post("office", &path, &json!({"other": other, "version": version + 1}))
        .await
        .problem(409, "conflict");
    let nobody = "per_01890000000070008000000000000001";
    world
        .post("office", &path, &json!({"other": nobody, "version": version}))
        .await
        .problem(404, "not_found");
    assert_eq!(people_and_links(&world).await, before, "what was refused changed nothing");

    let one = world.post("office", &path, &json!({"other": other, "version": version})).await.expect(200);
    assert_eq!(
        (&one["person_id"], &one["version"], &one["email"]),
        (&json!(kept), &json!(version + 1), &json!("grace0@example.com"))
    );
    world.get("office", &format!("/people/{other}")).await.problem(404, "not_found");
    let mut expected = vec![(mine.clone(), true), (theirs.clone(), false)];
    expected.sort();
    assert_eq!(ties(&world, &kept).await, expected);
    assert_eq!(ties(&world, &theirs).await, [(kept.clone(), false)]);
    // What both were is still there, unseen.
    let stored = people_and_links(&world).await;
    assert_eq!(stored.len(), before.len() + 1);
    assert!(stored.iter().filter(|(sk, _)| sk.ends_with(&other)).all(|(_, item)| item["former"].is_object()));
    // Known by either id: a file that has only the other's finds them.
    assert_eq!(id(&world, "contact", "C0001").await, kept);
    let named = Sheet(
        (0..3)
            .map(|n| {
                Row::family(n).with(CONTACT_ID, if n == 0 { "C0001" } else { ["", "C0001", "C0002"][n] })
            })
            .collect(),
    );
    let upload = world.upload(&named.bytes()).await;
    assert_eq!(
        (&upload["status"], &upload["counts"]["contact"]["created"]),
        (&json!("done"), &json!(0)),
        "{upload}"
    );
    assert_eq!(ties(&world, &kept).await, expected);
}

#[tokio::test]
async fn two_pupils_become_one_with_both_families() {
    let world = school(3).await;
    let (kept, other) = (id(&world, "pupil", "P0000").await, id(&world, "pupil", "P0001").await);
    let version = &person(&world, &kept).await["version"];
    let body = json!({"other": other, "version": version});
    let one = world.post("office", &format!("/people/{kept}/merge"), &body).await.expect(200);
    assert_eq!(one["source_id"], "P0000");
    let mut expected = [id(&world, "contact", "C0000").await, id(&world, "contact", "C0001").await];
    expected.sort();
    let contacts: Vec<_> = ties(&world, &kept).await.into_iter().map(|(contact, _)| contact).collect();
    assert_eq!(contacts, expected);
    assert_eq!(world.list("office", "/people?role=pupil").await.len(), 2);
}

#[tokio::test]
async fn what_the_office_set_or_took_away_outlives_uploads_until_the_source_says_the_same() {
    let world = school(3).await;
    let (pupil, contact) = (id(&world, "pupil", "P0001").await, id(&world, "contact", "C0001").await);
    let version = &person(&world, &contact).await["version"];
    let body = json!({"version": version, "email": "new@example.com", "given_name": "Gracie"});
    world.patch("office", &format!("/people/{contact}"), &body).await.expect(200);
    let link = format!("/people/{pupil}/contacts/{contact}");
    world.delete("office", &link).await.expect(204);
    assert_eq!(ties(&world, &pupil).await, []);

    let email = async |sheet: Sheet| {
        assert_eq!(world.upload(&sheet.bytes()).await["status"], "done");
        let told = person(&world, &contact).await;
        assert_eq!(ties(&world, &pupil).await, [], "the source still ties the two");
        (text(&told["email"]).to_owned(), text(&told["given_name"]).to_owned(), told["by_hand"].clone())
    };
    let set = ("new@example.com".to_owned(), "Gracie".to_owned(), json!(["given_name", "email"]));
    assert_eq!(email(Sheet::families(3)).await, set);
    let agreed = Sheet::families(3).with(1, EMAIL, "new@example.com");
    assert_eq!(email(agreed).await, (set.0, set.1.clone(), json!(["given_name"])));
    // From then on it is the source's again.
    let later = Sheet::families(3).with(1, EMAIL, "newer@example.com");
    assert_eq!(email(later).await, ("newer@example.com".to_owned(), set.1, json!(["given_name"])));
    world.put("office", &link, &json!({"relationship": "mother"})).await.expect(200);
    assert_eq!(ties(&world, &pupil).await, [(contact.clone(), false)]);
}

#[tokio::test]
async fn edge_case_40_a_contact_with_three_mobiles_is_typed_with_all_of_them() {
    let world = school(1).await;
    let numbers = ["+447700900501", "+447700900502", "+447700900503"];
    let body = json!({
        "role": "contact", "given_name": "Mary", "emails": ["m@example.com", "work@example.com"],
        "phones": ["07700 900501", "07700 900502", "07700 900503"],
    });
    let made = world.post("office", "/people", &body).await.expect(201);
    let path = format!("/people/{}", text(&made["person_id"]));
    let told = world.get("office", &path).await.expect(200);
    assert_eq!((&told["phones"], &told["emails"]), (&json!(numbers), &body["emails"]));
    assert_eq!((text(&told["mobile"]), text(&told["email"])), (numbers[0], "m@example.com"));
    // Another order, and one less.
    let change = json!({"version": 1, "phones": [numbers[2], numbers[0]], "emails": null});
    let after = world.patch("office", &path, &change).await.expect(200);
    assert_eq!((&after["phones"], &after["mobile"]), (&json!([numbers[2], numbers[0]]), &json!(numbers[2])));
    assert_eq!((&after["emails"], &after["email"]), (&Value::Null, &Value::Null));
    // One of a kind is still the first of it.
    let change = json!({"version": 2, "mobile": "07700 900504"});
    let after = world.patch("office", &path, &change).await.expect(200);
    assert_eq!(after["phones"], json!(["+447700900504", numbers[0]]));
    let both = json!({"version": 3, "mobile": "07700 900504", "phones": ["07700 900505", "0"]});
    let refused = world.patch("office", &path, &both).await;
    assert_eq!((refused.status, refused.faults()), (422, vec!["/phones said_twice".to_owned()]));
    let wrong = json!({"version": 3, "phones": ["07700 900505", "070"]});
    let refused = world.patch("office", &path, &wrong).await;
    assert_eq!((refused.status, refused.faults()), (422, vec!["/phones/1 phone_invalid".to_owned()]));
}

#[tokio::test]
async fn a_tie_that_the_office_took_away_stays_away_when_two_records_become_one() {
    let world = school(3).await;
    let (kept, other) = (id(&world, "contact", "C0000").await, id(&world, "contact", "C0001").await);
    let theirs = id(&world, "pupil", "P0001").await;
    world.delete("office", &format!("/people/{theirs}/contacts/{other}")).await.expect(204);
    let version = &person(&world, &kept).await["version"];
    let body = json!({"other": other, "version": version});
    world.post("office", &format!("/people/{kept}/merge"), &body).await.expect(200);
    assert_eq!(ties(&world, &theirs).await, []);
    // The file names them both under the other's id.
    let upload = world.upload(&Sheet::families(3).bytes()).await;
    assert_eq!(upload["status"], "done", "{upload}");
    assert_eq!(id(&world, "contact", "C0001").await, kept);
    assert_eq!(ties(&world, &theirs).await, []);
    world.put("office", &format!("/people/{theirs}/contacts/{kept}"), &json!({})).await.expect(200);
    assert_eq!(ties(&world, &theirs).await, [(kept, false)]);
}

#[tokio::test]
async fn edge_case_14_people_are_found_by_the_name_they_go_by_and_not_by_a_former_one() {
    let world = crate::families::school_that_lists(&[
        "preferred_given_name",
        "preferred_family_name",
        "former_family_name",
    ])
    .await;
    let body = json!({
        "role": "pupil", "given_name": "Alexandra", "family_name": "Stone", "preferred_given_name": "Alex",
        "preferred_family_name": "Rivers", "former_family_name": "Brook",
    });
    world.post("office", "/people", &body).await.expect(201);
    for (criteria, found) in [
        (json!({"given_name": "alexandra", "family_name": "stone"}), 1),
        (json!({"given_name": "Alex", "family_name": "Rivers"}), 1),
        (json!({"given_name": "Alex", "family_name": "Stone"}), 1),
        (json!({"family_name": "Brook"}), 0),
    ] {
        assert_eq!(world.search(&criteria).await.len(), found, "{criteria}");
    }
}
