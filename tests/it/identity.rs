//! Who is who when ids change: another system, another id, the same id for somebody else (cases 55 to 57, 61 and 66).

use serde_json::{Value, json};

use crate::{
    cells::{BORN, person},
    export::{self, column, csv, rows, upn},
    families::{FAMILY, approved, taken},
    ingest::{count, people_and_links},
    messages::ends,
    parents::{children, codes, place, session},
    sheet::{EMAIL, MOBILE, Row, Sheet},
    sync::{found, held, missing},
    world::{World, text},
};

/// The unique pupil numbers of a sheet's rows; the last pupil has none.
fn upns(families: usize) -> Vec<String> {
    (0..families).map(|n| if n + 1 == families { String::new() } else { upn(n) }).collect()
}

/// Families as one system exports them, and as the next one does: every id is another.
fn systems(families: usize) -> (Sheet, Sheet) {
    let old = Sheet::families(families);
    let mut new = old.clone();
    for n in 0..families {
        new = new.with(n, place::PUPIL_ID, &format!("N{:04}", 500 + n)).with(
            n,
            place::CONTACT_ID,
            &format!("D{:04}", 700 + n),
        );
    }
    (old, new)
}

async fn id(world: &World, source: &str) -> String {
    text(&person(world, source).await["person_id"]).to_owned()
}

#[tokio::test]
async fn edge_case_55_another_system_is_the_same_school() {
    const FAMILIES: usize = 20;
    let world = export::school().await;
    let (old, new) = systems(FAMILIES);
    let new = csv(&rows(&new, &[("UPN", upns(FAMILIES))]));
    taken(&world, &csv(&rows(&old, &[("UPN", upns(FAMILIES))]))).await;
    let parent = session(&world, 4, 0).await;
    let (kept_from, kept_away) = ends(&world, 3).await;
    let restricted = format!("/people/{kept_from}/contacts/{kept_away}");
    world
        .put("office", &restricted, &json!({"relationship": "mother", "restricted": true}))
        .await
        .expect(200);
    let before = people_and_links(&world).await;
    let (by_upn, by_likeness) = (id(&world, "P0000").await, id(&world, "P0019").await);
    let mother = id(&world, "C0007").await;

    // A dry run says what it would be: nobody new, nobody missing, everybody with another id.
    let dry = world.upload_as(&new, "preview").await;
    held(&dry, "same_person_proposed");
    assert_eq!(dry["counts"]["pupil"], count(0, FAMILIES as u64, 0, 0), "{dry}");
    assert_eq!(dry["counts"]["contact"], count(0, FAMILIES as u64, 0, 0), "{dry}");
    assert_eq!(dry["counts"]["link"], count(0, 0, FAMILIES as u64, 0), "{dry}");
    // The unique pupil number decides; who has none, and every contact, is asked about.
    assert_eq!(dry["proposals_total"], FAMILIES + 1, "{dry}");
    let proposals = dry["proposals"].as_array().expect("a list");
    let pupils: Vec<_> = proposals.iter().filter(|one| one["role"] == "pupil").collect();
    assert_eq!(pupils, [&json!({"row": 21, "role": "pupil", "person_id": by_likeness})]);
    assert!(people_and_links(&world).await == before, "a dry run has changed something");
    let path = format!("/uploads/{}/approval", text(&dry["upload_id"]));
    world.post("office", &path, &json!({})).await.problem(403, "forbidden");
    approved(&world, &dry, &json!({})).await;

    assert_eq!(id(&world, "N0500").await, by_upn);
    assert_eq!(id(&world, "N0519").await, by_likeness);
    assert_eq!(id(&world, "D0707").await, mother);
    assert_eq!(world.list("office", "/people").await.len(), 2 * FAMILIES);
    assert_eq!(missing(&world, "pupil").await.len() + missing(&world, "contact").await.len(), 0);
    // Links, restrictions and accounts carry over; nobody is invited.
    let tie = &person(&world, "N0503").await["links"][0];
    assert_eq!((&tie["contact_id"], &tie["restricted"]), (&json!(kept_away), &json!(true)));
    assert_eq!(children(&world, &parent).await.len(), 1);
    assert_eq!(codes(&world).await.len(), 1);
    // And from then on it is a file like any other.
    let again = taken(&world, &new).await;
    assert_eq!(again["counts"]["contact"], count(0, 0, FAMILIES as u64, 0));
}

#[tokio::test]
async fn edge_case_55_a_restriction_that_finds_nobody_blocks_until_it_is_resolved() {
    let world = export::school().await;
    let (old, new) = systems(12);
    taken(&world, &csv(&rows(&old, &[("UPN", upns(12))]))).await;
    let (pupil, contact) = ends(&world, 3).await;
    let path = format!("/people/{pupil}/contacts/{contact}");
    world.put("office", &path, &json!({"relationship": "mother", "restricted": true})).await.expect(200);
    // The mother comes under another name, another number and another address.
    let new = new
        .with(3, place::CONTACT_GIVEN, "Gracie-May")
        .with(3, place::CONTACT_FAMILY, "Other")
        .with(3, EMAIL, "somebody@example.com")
        .with(3, MOBILE, "07700 900950");
    let file = csv(&rows(&new, &[("UPN", upns(12))]));
    let waits = world.upload(&file).await;
    held(&waits, "restricted_contact_replaced");
    let office = format!("/uploads/{}/approval", text(&waits["upload_id"]));
    world.post("office", &office, &json!({})).await.problem(403, "forbidden");
    assert_eq!(world.search(&json!({"family_name": "Other"})).await, Vec::<Value>::new());
    // The office says who she is: joined by hand, she is nobody new.
    let version = person(&world, "C0003").await["version"].clone();
    let change = json!({"version": version, "given_name": "Gracie-May", "family_name": "Other", "email": "somebody@example.com"});
    world.patch("office", &format!("/people/{contact}"), &change).await.expect(200);
    let resolved = world.upload(&file).await;
    held(&resolved, "same_person_proposed");
    approved(&world, &resolved, &json!({})).await;
    let links = person(&world, "N0503").await["links"].clone();
    assert_eq!(links.as_array().map(Vec::len), Some(1), "{links}");
    assert_eq!((&links[0]["contact_id"], &links[0]["restricted"]), (&json!(contact), &json!(true)));
}

#[tokio::test]
async fn edge_case_55_a_proposal_that_is_refused_is_somebody_new() {
    let world = export::school().await;
    let sheet = Sheet::families(12);
    taken(&world, &csv(&rows(&sheet, &[]))).await;
    let old = id(&world, "P0011").await;
    let new = sheet.with(11, place::PUPIL_ID, "N0511");
    let waits = world.upload(&csv(&rows(&new, &[]))).await;
    held(&waits, "same_person_proposed");
    assert_eq!(waits["proposals"], json!([{"row": 13, "role": "pupil", "person_id": old}]));
    approved(&world, &waits, &json!({"reject": [old]})).await;
    let other = id(&world, "N0511").await;
    assert_ne!(other, old);
    assert_eq!(missing(&world, "pupil").await.into_iter().collect::<Vec<_>>(), ["P0011"]);
}

#[tokio::test]
async fn edge_case_55_staff_are_matched_again() {
    let world = export::school().await;
    let staff = |ids: [&str; 3]| {
        let rows = [
            ["Tess", "Teacher", "tess@example.com"],
            ["Tom", "Tutor", "tom@example.com"],
            ["Hal", "Head", "hal@example.com"],
        ];
        let lines = rows.iter().zip(ids).map(|(row, id)| format!("{},{},{},{id}\n", row[0], row[1], row[2]));
        format!("Staff Forename,Staff Surname,Staff Email,Employee number\n{}", lines.collect::<String>())
            .into_bytes()
    };
    let upload = taken(&world, &staff(["1", "2", "3"])).await;
    assert_eq!(upload["counts"]["staff"], count(3, 0, 0, 0));
    let tess = id(&world, "1").await;
    let waits = world.upload(&staff(["91", "92", "93"])).await;
    held(&waits, "same_person_proposed");
    assert_eq!((&waits["counts"]["staff"], &waits["proposals_total"]), (&count(0, 3, 0, 0), &json!(3)));
    approved(&world, &waits, &json!({})).await;
    assert_eq!(id(&world, "91").await, tess);
    assert_eq!(world.list("office", "/people?role=staff").await.len(), 3);
}

#[tokio::test]
async fn edge_case_56_who_comes_back_under_another_id_is_the_same_pupil() {
    let world = export::school().await;
    let page = |pupils: &[Value]| export::wonde(pupils).to_string().into_bytes();
    let pupil = |n: usize, restored: bool| {
        let id = if restored { format!("Z{n:04}") } else { format!("A{n:04}") };
        // Without the unique pupil number: the system's own word has to do.
        let mut pupil = export::wonde_pupil(n, &id, &format!("upi{n}"), restored);
        pupil["education_details"]["data"]["upn"] = Value::Null;
        pupil
    };
    let all: Vec<_> = (0..12).map(|n| pupil(n, false)).collect();
    taken(&world, &page(&all)).await;
    let before = id(&world, "A0011").await;
    let parent = session(&world, 11, 0).await;
    taken(&world, &page(&all[..11])).await;
    assert_eq!(missing(&world, "pupil").await.len(), 1);
    let mut back = all[..11].to_vec();
    back.push(pupil(11, true));
    let upload = taken(&world, &page(&back)).await;
    assert_eq!(upload["counts"]["pupil"], count(0, 1, 11, 0), "{upload}");
    assert_eq!(upload["proposals_total"], 0);
    assert_eq!(id(&world, "Z0011").await, before);
    assert!(missing(&world, "pupil").await.is_empty() && missing(&world, "contact").await.is_empty());
    assert_eq!(children(&world, &parent).await.len(), 1);
    assert!(found(&upload).iter().all(|finding| !finding.contains("restored_at")), "{upload}");
}

#[tokio::test]
async fn edge_case_57_an_id_given_to_somebody_else_inherits_nothing() {
    let world = export::school().await;
    let sheet = Sheet::families(12);
    taken(&world, &csv(&rows(&sheet, &[]))).await;
    let before = people_and_links(&world).await;
    let mut reused = sheet.clone();
    reused.0[4] = Row::family(900)
        .with(place::GIVEN, "Bilal")
        .with(FAMILY, "Khan")
        .with(place::PUPIL_ID, "P0004")
        .with(BORN, "02/02/2019");
    let upload = taken(&world, &csv(&rows(&reused, &[]))).await;
    assert_eq!(found(&upload), ["6  id_reused"], "{upload}");
    assert_eq!(text(&upload["findings"][0]["severity"]), "error");
    // Neither is he let in on her family, nor is she gone, nor is his mother anybody's.
    assert_eq!(upload["counts"]["pupil"], count(0, 0, 12, 0), "{upload}");
    assert_eq!(world.search(&json!({"given_name": "Bilal"})).await, Vec::<Value>::new());
    assert_eq!(world.search(&json!({"source_id": "C0900"})).await, Vec::<Value>::new());
    let after = people_and_links(&world).await;
    let touched: Vec<_> =
        after.iter().filter(|(key, item)| before.get(*key) != Some(*item)).map(|(key, _)| key).collect();
    assert_eq!(touched, Vec::<&String>::new(), "{upload}");
    // A name alone is a correction, and so is a date.
    let corrected = csv(&rows(&sheet.clone().with(5, place::GIVEN, "Aida"), &[]));
    assert_eq!(taken(&world, &corrected).await["counts"]["pupil"], count(0, 1, 11, 0));
    // The same within one file: the first is believed.
    let mut twice = sheet.clone().with(5, place::GIVEN, "Aida");
    twice.0.push(reused.0[4].clone().with(place::PUPIL_ID, "P0006"));
    let upload = taken(&world, &csv(&rows(&twice, &[]))).await;
    assert_eq!(found(&upload), ["14  id_reused"], "{upload}");
    assert_eq!(world.search(&json!({"given_name": "Bilal"})).await, Vec::<Value>::new());
}

#[tokio::test]
async fn edge_case_61_a_lost_zero_is_another_id_until_the_school_agrees() {
    let world = export::school().await;
    let mut sheet = Sheet::families(12).with(3, place::PUPIL_ID, "00123").with(3, place::CONTACT_ID, "00456");
    // Somebody else has the shorter id already: ids are text.
    sheet = sheet.with(4, place::PUPIL_ID, "124").with(5, place::PUPIL_ID, "0124");
    taken(&world, &csv(&rows(&sheet, &[]))).await;
    let (pupil, contact) = (id(&world, "00123").await, id(&world, "00456").await);
    assert_ne!(id(&world, "124").await, id(&world, "0124").await);
    assert_eq!(world.search(&json!({"source_id": "123"})).await, Vec::<Value>::new());

    let lost = sheet.with(3, place::PUPIL_ID, "123").with(3, place::CONTACT_ID, "456");
    let waits = world.upload(&csv(&rows(&lost, &[]))).await;
    held(&waits, "same_person_proposed");
    assert_eq!(
        waits["proposals"],
        json!([{"row": 5, "role": "pupil", "person_id": pupil}, {"row": 5, "role": "contact", "person_id": contact}])
    );
    assert_eq!(world.search(&json!({"source_id": "123"})).await, Vec::<Value>::new());
    approved(&world, &waits, &json!({})).await;
    assert_eq!((id(&world, "123").await, id(&world, "456").await), (pupil, contact));
    assert_eq!(taken(&world, &csv(&rows(&lost, &[]))).await["counts"]["pupil"], count(0, 0, 12, 0));
}

#[tokio::test]
async fn edge_case_66_who_was_typed_in_and_then_comes_from_the_system() {
    let world = export::school().await;
    let sheet = Sheet::families(12);
    taken(&world, &csv(&rows(&Sheet(sheet.0[..11].to_vec()), &[]))).await;
    let typed = json!({
        "role": "pupil", "given_name": "Ada", "family_name": "Family11", "date_of_birth": "14/05/2018", "class": "Oak",
    });
    let pupil = world.post("office", "/people", &typed).await.expect(201);
    let typed = json!({
        "role": "contact", "given_name": "Grace", "family_name": "Family11", "email": "grace11@example.com", "landline": "020 7946 0011",
    });
    let contact = world.post("office", "/people", &typed).await.expect(201);
    let (pupil, contact) = (text(&pupil["person_id"]).to_owned(), text(&contact["person_id"]).to_owned());
    let tie = json!({"relationship": "guardian", "parental_responsibility": "yes", "priority": 2});
    world.put("office", &format!("/people/{pupil}/contacts/{contact}"), &tie).await.expect(200);
    // A file without them does not call them missing.
    taken(&world, &csv(&rows(&Sheet(sheet.0[..11].to_vec()).with(0, EMAIL, "other@example.com"), &[]))).await;
    assert!(missing(&world, "pupil").await.is_empty() && missing(&world, "contact").await.is_empty());

    // The system has them now.
    let waits = world.upload(&csv(&rows(&sheet, &[("UPN", column(&sheet, ""))]))).await;
    held(&waits, "same_person_proposed");
    assert_eq!(
        waits["proposals"],
        json!([{"row": 13, "role": "pupil", "person_id": pupil}, {"row": 13, "role": "contact", "person_id": contact}])
    );
    approved(&world, &waits, &json!({})).await;
    let (one, mother) = (person(&world, "P0011").await, person(&world, "C0011").await);
    assert_eq!((text(&one["person_id"]), text(&mother["person_id"])), (pupil.as_str(), contact.as_str()));
    // What was typed outlives the file until the file says the same; what was left out is filled.
    assert_eq!((text(&one["class"]), text(&one["year_group"])), ("Oak", "3"));
    assert_eq!((text(&mother["landline"]), text(&mother["mobile"])), ("+442079460011", "+447700900011"));
    let link = &one["links"][0];
    assert_eq!((text(&link["relationship"]), &link["priority"]), ("guardian", &json!(2)));
    assert_eq!(world.list("office", "/people").await.len(), 24);
    assert_eq!(codes(&world).await.len(), 0);
}

#[tokio::test]
async fn edge_case_55_every_one_of_many_proposals_can_be_looked_at_and_rejected() {
    const FAMILIES: usize = 502;
    let world = export::school().await;
    let (old, new) = systems(FAMILIES);
    taken(&world, &csv(&rows(&old, &[("UPN", upns(FAMILIES))]))).await;
    let last = id(&world, "C0500").await;
    let waits = world.upload(&csv(&rows(&new, &[("UPN", upns(FAMILIES))]))).await;
    held(&waits, "same_person_proposed");
    let (shown, total) = (waits["proposals"].as_array().expect("a list"), waits["proposals_total"].as_u64());
    assert_eq!((shown.len(), total), (500, Some(FAMILIES as u64 + 1)));
    let all = world.http.get(text(&waits["proposals_url"])).send().await.expect("S3 answers");
    let all: Vec<Value> = serde_json::from_str(&all.text().await.expect("a text")).expect("JSON");
    assert_eq!((all.len(), &all[..500]), (FAMILIES + 1, &shown[..]));
    let rejected: Vec<_> = all[400..].iter().map(|one| one["person_id"].clone()).collect();
    assert!(rejected.contains(&json!(last)));
    let nobody = "per_01890000000070008000000000000001";
    let many =
        json!({"reject": (0..4001).map(|n| nobody.replace("0001", &format!("{n:04}"))).collect::<Vec<_>>()});
    let path = format!("/uploads/{}/approval", text(&waits["upload_id"]));
    let refused = world.post("approver", &path, &many).await;
    assert_eq!((refused.status, refused.faults()), (422, vec!["/reject too_long".to_owned()]));
    approved(&world, &waits, &json!({"reject": rejected})).await;
    assert_ne!(id(&world, "D1200").await, last);
    assert!(missing(&world, "contact").await.contains("C0500"));
}
