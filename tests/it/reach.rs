//! Who must not hear any more, and who cannot be reached: changed families, deaths, and contacts without a number.

use serde_json::{Value, json};

use crate::{
    delivery::{SES, held, try_again},
    families::{
        FAMILY, TITLE, among_others, approved, count, findings, heard, preview, school_that_lists, seen,
        sign_in, taken, verdict, with_columns,
    },
    messages::{addresses, counts, draft, excluded, only, school as told_of, status},
    parents::{but, children, mother, place, school},
    people::{id, person, ties},
    sheet::{EMAIL, MOBILE, RELATIONSHIP, RESPONSIBILITY, Row, Sheet},
    world::{World, text},
};

const UPNS: [&str; 2] = ["H801200001001", "X801200001002"];

/// Says by hand that somebody has died.
async fn has_died(world: &World, person_id: &str) {
    let version = &person(world, person_id).await["version"];
    let body = json!({"version": version, "deceased": true});
    world.patch("office", &format!("/people/{person_id}"), &body).await.expect(200);
}

/// Takes a tie away by hand.
async fn untie(world: &World, pupil: &str, contact: &str) {
    world.delete("office", &format!("/people/{pupil}/contacts/{contact}")).await.expect(204);
}

/// Another contact of the same pupil, with an e-mail address of their own.
fn beside(row: &Row, given: &str, id: &str, relationship: &str) -> Row {
    row.clone()
        .with(TITLE, "")
        .with(place::CONTACT_GIVEN, given)
        .with(place::CONTACT_FAMILY, "Other")
        .with(place::CONTACT_ID, id)
        .with(RELATIONSHIP, relationship)
        .with(EMAIL, &format!("{}@example.com", given.to_lowercase()))
        .with(MOBILE, "")
}

/// The claim of a contact that [`beside`] made.
fn claim_of(world: &World, n: usize, given: &str) -> Value {
    let claim = but(&mother(world, n), "/parent/given_name", given);
    let claim = but(&claim, "/parent/family_name", "Other");
    but(&claim, "/parent/email", &format!("{}@example.com", given.to_lowercase()))
}

/// Where a message of this purpose about Year 3 would go, by e-mail: sent, and looked up.
async fn reached(world: &World, purpose: &str) -> Vec<String> {
    let draft = draft(world, purpose, &["email"]);
    if preview(world, &draft).await["recipients"] == 0 {
        return Vec::new();
    }
    let (out, _) = heard(world, &draft).await;
    addresses(&out).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn edge_case_14_an_old_name_is_seen_and_found_no_more() {
    let world = school_that_lists(&["upn", "preferred_given_name"]).await;
    let file = |given: &str, called: &str| {
        let row = Row::family(14).with(place::GIVEN, given);
        with_columns(&among_others(vec![row]), &[("UPN", &[UPNS[0]]), ("Preferred Forename", &[called])])
    };
    taken(&world, &file("Anna", "")).await;
    let pupil = id(&world, "pupil", "P0014").await;
    let of = |given: &str| but(&mother(&world, 14), "/child/given_name", given);
    let (session, _) = sign_in(&world, &of("Anna")).await;
    assert_eq!(seen(&world, &session).await, ["Anna"]);

    // The name he goes by is what parents see and read; the legal one stays with the school.
    taken(&world, &file("Anna", "Adam")).await;
    let told = person(&world, &pupil).await;
    assert_eq!((text(&told["given_name"]), text(&told["preferred_given_name"])), ("Anna", "Adam"));
    let says = async |name: &str, not: &str| {
        assert_eq!(seen(&world, &session).await, [name]);
        let view = json!(children(&world, &session).await).to_string();
        let mut draft = draft(&world, "service", &["sms", "email"]);
        draft["body"] = json!(format!("About ((child)). [{}]", world.school));
        let sample = preview(&world, &draft).await["sample"].to_string();
        let (out, _) = heard(&world, &draft).await;
        assert_eq!(out.len(), 1);
        for text in [&view, &sample, &out[0].text] {
            assert!(text.contains(name) && !text.contains(not), "{text}");
        }
    };
    says("Adam", "Anna").await;

    // By deed poll it is the only one: nobody finds, sees or proves anything by the old one.
    taken(&world, &file("Adam", "")).await;
    says("Adam", "Anna").await;
    let found = async |given: &str| world.search(&json!({"role": "pupil", "given_name": given})).await.len();
    assert_eq!((found("Anna").await, found("Adam").await), (0, 1));
    assert!(!person(&world, &pupil).await.to_string().contains("Anna"));
    assert_eq!(verdict(&world, &of("Anna")).await, "no");
    assert_eq!(id(&world, "pupil", "P0014").await, pupil);
}

#[tokio::test]
async fn edge_case_14_a_new_number_does_not_bring_back_old_parents() {
    let world = school_that_lists(&["upn"]).await;
    let row = Row::family(14);
    taken(&world, &with_columns(&among_others(vec![row.clone()]), &[("UPN", &[UPNS[0]])])).await;
    let (pupil, birth) = (id(&world, "pupil", "P0014").await, id(&world, "contact", "C0014").await);
    let (session, _) = sign_in(&world, &mother(&world, 14)).await;
    untie(&world, &pupil, &birth).await;
    assert_eq!(seen(&world, &session).await, [""; 0]);
    assert_eq!((ties(&world, &pupil).await, ties(&world, &birth).await), (vec![], vec![]));

    // The number is new, and the system still names her.
    let adoptive = beside(&row, "Vera", "C9", "Adoptive mother");
    let file = among_others(vec![row.clone().with(FAMILY, "Other"), adoptive.clone().with(FAMILY, "Other")]);
    let upload = taken(&world, &with_columns(&file, &[("UPN", &[UPNS[1], UPNS[1]])])).await;
    assert_eq!(upload["counts"]["pupil"]["created"], 0, "{upload}");
    let now = person(&world, &pupil).await;
    assert_eq!((text(&now["upn"]), text(&now["family_name"])), (UPNS[1], "Other"));
    assert_eq!(ties(&world, &pupil).await, [(id(&world, "contact", "C9").await, false)]);
    assert_eq!(seen(&world, &session).await, [""; 0]);
    for purpose in ["service", "emergency"] {
        assert_eq!(reached(&world, purpose).await, ["vera@example.com"], "{purpose}");
    }
    assert_eq!(verdict(&world, &but(&mother(&world, 14), "/child/family_name", "Other")).await, "no");

    // A record of its own, with a number, an id and a name of its own: nothing is proposed, and no tie comes with it.
    let world = school_that_lists(&["upn"]).await;
    taken(&world, &with_columns(&among_others(vec![row.clone()]), &[("UPN", &[UPNS[0]])])).await;
    let (session, _) = sign_in(&world, &mother(&world, 14)).await;
    let new = adoptive.with(FAMILY, "Other").with(place::PUPIL_ID, "P9014");
    let upload = taken(&world, &with_columns(&among_others(vec![new]), &[("UPN", &[UPNS[1]])])).await;
    assert_eq!(
        (&upload["counts"]["pupil"]["created"], &upload["proposals"]),
        (&json!(1), &json!([])),
        "{upload}"
    );
    let pupil = id(&world, "pupil", "P9014").await;
    assert_eq!(ties(&world, &pupil).await, [(id(&world, "contact", "C9").await, false)]);
    let shown = children(&world, &session).await;
    assert!(shown.iter().all(|child| text(&child["person_id"]) != pupil), "{shown:?}");
    assert_eq!(reached(&world, "emergency").await, ["vera@example.com"]);
}

#[tokio::test]
async fn edge_case_15_an_adopted_child_is_new_once_the_school_says_so() {
    let world = school_that_lists(&["upn"]).await;
    let row = Row::family(15);
    taken(&world, &with_columns(&Sheet(vec![row.clone()]), &[("UPN", &[UPNS[0]])])).await;
    let before = id(&world, "pupil", "P0015").await;
    let (session, _) = sign_in(&world, &mother(&world, 15)).await;
    assert_eq!(seen(&world, &session).await, ["Ada"]);

    // The school ends the old record: the birth mother's ties go with it, at once.
    world.delete("office", &format!("/people/{before}")).await.expect(204);
    assert_eq!(seen(&world, &session).await, [""; 0]);
    world.get(&session, &format!("/v1/me/children/{before}")).await.problem(404, "not_found");
    assert_eq!(ties(&world, &id(&world, "contact", "C0015").await).await, []);

    // The same id in the school's system, and another number: somebody new, with the new parent alone.
    let adoptive = beside(&row, "Vera", "C9", "Adoptive mother").with(FAMILY, "Other");
    let held = world.upload(&with_columns(&Sheet(vec![adoptive]), &[("UPN", &[UPNS[1]])])).await;
    assert_eq!((&held["counts"]["pupil"]["created"], &held["proposals"]), (&json!(1), &json!([])), "{held}");
    // All of the contacts are others now: somebody looks.
    assert_eq!(held["held_because"], "many_missing", "{held}");
    approved(&world, &held, &json!({})).await;
    let after = id(&world, "pupil", "P0015").await;
    assert_ne!(after, before);
    assert_eq!(ties(&world, &after).await, [(id(&world, "contact", "C9").await, false)]);
    assert_eq!(seen(&world, &session).await, [""; 0]);
    let right = but(&mother(&world, 15), "/child/family_name", "Other");
    assert_eq!(verdict(&world, &right).await, "no");
    assert_eq!(reached(&world, "emergency").await, ["vera@example.com"]);
}

#[tokio::test]
async fn edge_case_16_a_looked_after_child_has_the_social_worker_and_todays_carer() {
    let ada = Row::family(16);
    let social = beside(&ada, "Sol", "C1", "Social worker").with(place::PRIORITY, "3");
    let carer = |given: &str, id: &str, responsibility: &str| {
        beside(&ada, given, id, "Foster mother").with(RESPONSIBILITY, responsibility)
    };
    let world = school_that_lists(&[]).await;
    taken(&world, &among_others(vec![social.clone(), carer("Flo", "C22", "N")]).bytes()).await;
    let pupil = id(&world, "pupil", "P0016").await;
    // Responsible, and so written to and shown; the carer is not, but in an emergency.
    let (worker, _) = sign_in(&world, &claim_of(&world, 16, "Sol")).await;
    assert_eq!(seen(&world, &worker).await, ["Ada"]);
    assert_eq!(verdict(&world, &claim_of(&world, 16, "Flo")).await, "no");
    for (purpose, to) in [
        ("service", vec!["sol@example.com"]),
        ("consent", vec!["sol@example.com"]),
        ("emergency", vec!["flo@example.com", "sol@example.com"]),
    ] {
        assert_eq!(reached(&world, purpose).await, to, "{purpose}");
    }

    // A carer whom the school's system does not deny responsibility, first in line: she has an account, until the placement ends.
    taken(&world, &among_others(vec![social.clone(), carer("Flo", "C22", "")]).bytes()).await;
    let link = json!({"relationship": "foster_carer", "parental_responsibility": "unknown", "priority": 1});
    assert_eq!(verdict(&world, &claim_of(&world, 16, "Flo")).await, "no", "what was denied stays so");
    let flo = id(&world, "contact", "C22").await;
    world.put("office", &format!("/people/{pupil}/contacts/{flo}"), &link).await.expect(200);
    let (carer_before, _) = sign_in(&world, &claim_of(&world, 16, "Flo")).await;
    assert_eq!(seen(&world, &carer_before).await, ["Ada"]);
    untie(&world, &pupil, &flo).await;
    assert_eq!(seen(&world, &carer_before).await, [""; 0]);
    let mut next = vec![social, carer("Joy", "C333", "N"), carer("Flo", "C22", "")];
    taken(&world, &among_others(next.clone()).bytes()).await;
    assert_eq!(seen(&world, &carer_before).await, [""; 0], "the file still names her");
    assert_eq!(reached(&world, "emergency").await, ["joy@example.com", "sol@example.com"]);

    // The same by file alone: with the file that no longer names them, access has ended.
    let (worker_again, _) = sign_in(&world, &claim_of(&world, 16, "Sol")).await;
    next.remove(0);
    taken(&world, &among_others(next).bytes()).await;
    for session in [&worker, &worker_again] {
        assert_eq!(seen(&world, session).await, [""; 0]);
    }
    assert_eq!(reached(&world, "emergency").await, ["joy@example.com"]);
}

#[tokio::test]
async fn edge_case_17_where_a_child_lives_is_nowhere() {
    let cells = ["14", "Larchmews Passage", "Nether Quillby", "ZZ99 3WZ"];
    let columns = [("HouseNumber", 0), ("Street", 1), ("Town", 2), ("Postcode", 3)];
    let columns = columns.map(|(name, at)| (name, [cells[at], cells[at]]));
    let mut columns: Vec<(&str, &[&str])> = columns.iter().map(|(name, cells)| (*name, &cells[..])).collect();
    columns.push(("AddressConfidential", &["Y", ""]));
    let sheet = Sheet(vec![Row::family(17), Row::family(18)]);
    let world = school_that_lists(&[]).await;
    let upload = taken(&world, &with_columns(&sheet, &columns)).await;
    assert_eq!(upload["dropped_columns"], 4, "{upload}");
    let (pupil, contact) = (id(&world, "pupil", "P0017").await, id(&world, "contact", "C0017").await);
    let confidential = async || person(&world, &pupil).await["links"][0]["address_confidential"].clone();
    assert_eq!(confidential().await, true);
    // No later file lifts it, and no change by hand that does not speak of it.
    taken(&world, &sheet.bytes()).await;
    let link = json!({"relationship": "mother", "parental_responsibility": "yes", "priority": 1});
    world.put("office", &format!("/people/{pupil}/contacts/{contact}"), &link).await.expect(200);
    assert_eq!(confidential().await, true);

    let (session, _) = sign_in(&world, &mother(&world, 17)).await;
    let mut said = vec![
        person(&world, &pupil).await.to_string(),
        person(&world, &contact).await.to_string(),
        json!(world.list("office", "/people").await).to_string(),
        json!(children(&world, &session).await).to_string(),
        upload.to_string(),
        json!(world.directory("").await).to_string(),
    ];
    for channel in ["email", "sms"] {
        let draft = draft(&world, "service", &[channel]);
        said.push(preview(&world, &draft).await.to_string());
        for sent in heard(&world, &draft).await.0 {
            said.push(format!("{} {} {}", sent.subject, sent.text, sent.html.unwrap_or_default()));
        }
    }
    for place in ["Larchmews", "Quillby", "ZZ99 3WZ"] {
        assert!(said.iter().all(|text| !text.contains(place)), "{place}");
        let told = world.stack.calls(0, place).await.expect("the tap answers");
        assert!(
            told.iter().all(|call| matches!(call.function.as_str(), "presigned" | "runner")),
            "{place}: {told:?}"
        );
    }
}

#[tokio::test]
async fn edge_case_18_a_step_parent_without_responsibility_hears_of_emergencies_alone() {
    let ada = Row::family(18).with(RELATIONSHIP, "Special guardian");
    let step = beside(&ada, "Stef", "C1", "Step-father").with(RESPONSIBILITY, "N").with(place::PRIORITY, "2");
    let other = Row::family(19).with(RELATIONSHIP, "Special guardian").with(RESPONSIBILITY, "N");
    let world = school(vec![ada, step, other]).await;
    // A special guardian has responsibility by the court's order, and where the school says otherwise, not.
    let (session, _) = sign_in(&world, &mother(&world, 18)).await;
    assert_eq!(seen(&world, &session).await, ["Ada"]);
    for claim in [claim_of(&world, 18, "Stef"), mother(&world, 19)] {
        assert_eq!(verdict(&world, &claim).await, "no");
    }
    for purpose in ["service", "consent", "attendance"] {
        let preview = preview(&world, &draft(&world, purpose, &["email"])).await;
        assert_eq!(excluded(&preview), only("no_responsibility", 2), "{purpose}");
        assert_eq!(reached(&world, purpose).await, ["grace18@example.com"], "{purpose}");
    }
    assert_eq!(
        reached(&world, "emergency").await,
        ["grace18@example.com", "grace19@example.com", "stef@example.com"]
    );
}

#[tokio::test]
async fn edge_case_19_nothing_goes_to_a_parent_who_has_died() {
    let father = beside(&Row::family(19), "Cy", "C1", "Father");
    let world = told_of(&Sheet(vec![Row::family(19), father, Row::family(20)])).await;
    let message = held(&world, &draft(&world, "emergency", &["email"]), SES, 1).await;
    let grace = id(&world, "contact", "C0019").await;
    has_died(&world, &grace).await;
    assert_eq!(person(&world, &grace).await["deceased"], true);
    // What waits for her is cancelled; the others get theirs.
    assert!(try_again(&world, &message).await);
    assert_eq!(addresses(&world.outbox().await), ["cy@example.com", "grace20@example.com"]);
    assert_eq!(counts(&status(&world, &message).await), [("sent".into(), 2), ("stopped".into(), 1)].into());
    // No message begun later is for her, not even by name.
    for (purpose, left) in [("service", 2), ("emergency", 2)] {
        let mut draft = draft(&world, purpose, &["email", "sms"]);
        assert_eq!(preview(&world, &draft).await["recipients"], left, "{purpose}");
        draft["audience"] = json!({"people": [grace]});
        assert_eq!(preview(&world, &draft).await["recipients"], 0, "{purpose}");
    }
    // No file that does not know brings her back, and none that leaves her out says good-bye.
    let before = world.outbox().await.len();
    let file = Sheet(vec![Row::family(19), beside(&Row::family(19), "Cy", "C1", "Father"), Row::family(20)]);
    taken(&world, &file.bytes()).await;
    assert_eq!(person(&world, &grace).await["deceased"], true);
    let without = Sheet(vec![file.0[1].clone(), file.0[2].clone()]);
    let held = world.upload(&without.bytes()).await;
    approved(&world, &held, &json!({})).await;
    assert_eq!(world.outbox().await.len(), before);
    // A file may be the first to say it.
    let deaths = with_columns(&without, &[("ContactDeceased", &["", "Y"])]);
    taken(&world, &deaths).await;
    assert_eq!(reached(&world, "emergency").await, ["cy@example.com"]);
}

#[tokio::test]
async fn edge_case_19_the_account_of_a_parent_who_has_died_shows_nothing() {
    let world = school(vec![Row::family(19), beside(&Row::family(19), "Cy", "C1", "Father")]).await;
    let (hers, _) = sign_in(&world, &mother(&world, 19)).await;
    let (his, _) = sign_in(&world, &claim_of(&world, 19, "Cy")).await;
    has_died(&world, &id(&world, "contact", "C0019").await).await;
    assert_eq!(seen(&world, &his).await, ["Ada"]);
    assert_eq!(seen(&world, &hers).await, [""; 0], "whoever holds her telephone");
    assert_eq!(verdict(&world, &mother(&world, 19)).await, "no");
}

#[tokio::test]
async fn edge_case_20_nothing_is_said_about_a_pupil_who_has_died() {
    let bea = Row::family(20).with(place::GIVEN, "Bea").with(place::PUPIL_ID, "P0900");
    let only_child = Row::family(21).with(place::GIVEN, "Cleo");
    let third = Row::family(22).with(place::GIVEN, "Dot");
    let file = Sheet(vec![Row::family(20), bea, only_child, third]);
    let world = school(file.0.clone()).await;
    let (session, _) = sign_in(&world, &mother(&world, 20)).await;
    assert_eq!(seen(&world, &session).await, ["Ada", "Bea"]);
    let (ada, cleo) = (id(&world, "pupil", "P0020").await, id(&world, "pupil", "P0021").await);
    let mut waiting = draft(&world, "emergency", &["email"]);
    waiting["body"] = json!(format!("About ((child)). [{}]", world.school));
    let before = world.outbox().await.len();
    let message = held(&world, &waiting, SES, 1).await;
    has_died(&world, &ada).await;
    has_died(&world, &cleo).await;
    assert!(try_again(&world, &message).await);
    let out = world.outbox().await.split_off(before);
    assert_eq!(addresses(&out), ["grace20@example.com", "grace22@example.com"]);
    for sent in &out {
        assert!(!sent.text.contains("Ada") && !sent.text.contains("Cleo"), "{}", sent.text);
    }
    assert!(out.iter().any(|sent| sent.text.starts_with("About Bea.")), "{out:?}");
    assert_eq!(counts(&status(&world, &message).await), [("sent".into(), 2), ("stopped".into(), 1)].into());

    // Nor in what is begun later, of whatever kind, and whoever is named; nor in what the mother sees.
    for audience in [
        json!({"people": [ada]}),
        json!({"people": [cleo]}),
        json!({"people": [ada], "roles": ["pupil", "contact"]}),
    ] {
        let mut draft = draft(&world, "emergency", &["email", "sms"]);
        draft["audience"] = audience;
        let told = preview(&world, &draft).await;
        assert_eq!((&told["recipients"], &told["excluded"]), (&json!(0), &json!([])));
    }
    assert_eq!(seen(&world, &session).await, ["Bea"]);
    world.get(&session, &format!("/v1/me/children/{ada}")).await.problem(404, "not_found");
    // A file that does not know changes nothing, and one that does is believed.
    taken(&world, &file.bytes()).await;
    assert_eq!(seen(&world, &session).await, ["Bea"]);
    taken(&world, &with_columns(&file, &[("StudentDeceased", &["", "", "", "Y"])])).await;
    let (out, _) = heard(&world, &draft(&world, "service", &["sms"])).await;
    assert_eq!(addresses(&out), ["+447700900020"]);
    assert!(out[0].text.ends_with("For: Bea"), "{}", out[0].text);
    assert_eq!(count(&world, "pupil").await, 4, "the school keeps its record");
}

#[tokio::test]
async fn edge_case_38_whoever_has_only_a_landline_is_counted() {
    let line = |n: usize| Row::family(n).with(EMAIL, "").with(MOBILE, &format!("01632 9600{n}"));
    let world = told_of(&Sheet(vec![line(38), line(39), Row::family(40)])).await;
    for purpose in ["service", "emergency", "attendance"] {
        let told = preview(&world, &draft(&world, purpose, &["sms", "email"])).await;
        assert_eq!(
            (&told["recipients"], excluded(&told)),
            (&json!(1), only("landline_only", 2)),
            "{purpose}"
        );
    }
    let (out, told) = heard(&world, &draft(&world, "emergency", &["sms", "email"])).await;
    assert_eq!((addresses(&out), excluded(&told)), (vec!["+447700900040"], only("landline_only", 2)));
    assert_eq!((&told["counts"]["recipients"], &told["counts"]["excluded"]), (&json!(1), &json!(2)));
    // Person by person, so that somebody can ring them.
    let people = world.list("sender", &format!("/messages/{}/recipients", text(&told["message_id"]))).await;
    let mut unreachable: Vec<_> = people
        .iter()
        .filter(|one| one["reason"] == "landline_only")
        .map(|one| text(&one["person_id"]))
        .collect();
    unreachable.sort_unstable();
    let mut expected = [id(&world, "contact", "C0038").await, id(&world, "contact", "C0039").await];
    expected.sort();
    assert_eq!(unreachable, expected);
    assert_eq!(person(&world, &expected[0]).await["landline"].as_str().map(str::len), Some(13));
}

#[tokio::test]
async fn edge_case_39_a_pupil_nobody_hears_of_is_warned_of_before_sending() {
    let mut alone = Row::family(39);
    for cell in &mut alone.0[RELATIONSHIP..] {
        cell.clear();
    }
    // And one whose contact has nothing to be reached by.
    let silent = Row::family(40).with(EMAIL, "").with(MOBILE, "");
    let world = World::new().await;
    let upload = taken(&world, &Sheet(vec![alone, silent, Row::family(41)]).bytes()).await;
    assert_eq!(findings(&upload), [(2, "no_contact"), (3, "no_contact")]);
    let pupil = id(&world, "pupil", "P0039").await;
    assert_eq!(ties(&world, &pupil).await, []);
    let emergency = draft(&world, "emergency", &["sms", "email"]);
    let told = preview(&world, &emergency).await;
    assert_eq!((&told["recipients"], excluded(&told)), (&json!(1), only("no_contact", 2)));
    let (out, told) = heard(&world, &emergency).await;
    assert_eq!((addresses(&out), excluded(&told)), (vec!["+447700900041"], only("no_contact", 2)));
    let people = world.list("sender", &format!("/messages/{}/recipients", text(&told["message_id"]))).await;
    let gap = people.iter().find(|one| text(&one["person_id"]) == pupil).expect("the pupil is named");
    assert_eq!((text(&gap["status"]), text(&gap["reason"])), ("excluded", "no_contact"));
    // Where nobody at all would hear, the emergency is refused with the gap.
    let mut to_them = emergency.clone();
    to_them["audience"] = json!({"people": [pupil]});
    let refused = world.post("sender", "/messages", &to_them).await.problem(422, "no_recipients");
    assert_eq!(excluded(&refused), only("no_contact", 1));
}

#[tokio::test]
async fn edge_case_40_of_three_mobiles_one_is_tried_in_their_order() {
    let sheet = Sheet(vec![
        Row::family(40),
        Row::family(41).with(MOBILE, ""),
        Row::family(42).with(MOBILE, "ring Granny"),
        // A landline in the first place, which takes no text.
        Row::family(43).with(MOBILE, "01632 960043"),
        Row::family(44).with(MOBILE, ""),
    ]);
    let second: &[&str] = &["07700 900540", "07700 900541", "07700 900542", "07700 900543", ""];
    let third: &[&str] = &["07700 900640", "07700 900641", "07700 900642", "07700 900643", "07700 900644"];
    let file = with_columns(&sheet, &[("Mobile 2", second), ("Mobile 3", third)]);
    let world = World::new().await;
    let upload = taken(&world, &file).await;
    assert_eq!(findings(&upload), [(4, "phone_letters"), (5, "phone_landline")]);
    let draft = draft(&world, "service", &["sms"]);
    let (out, told) = heard(&world, &draft).await;
    let expected = ["+447700900040", "+447700900541", "+447700900542", "+447700900543", "+447700900644"];
    assert_eq!((addresses(&out), counts(&told)), (expected.to_vec(), only("sent", 5)));
    // Once per person on all channels: by e-mail only who has no mobile left.
    let mut both = draft.clone();
    both["channels"] = json!(["sms", "email"]);
    let told = preview(&world, &both).await;
    assert_eq!(told["by_channel"], json!({"sms": 5, "email": 0}));
    // The first is what the office sees, and another first is what is tried.
    let contact = id(&world, "contact", "C0040").await;
    let before = person(&world, &contact).await;
    assert_eq!(before["mobile"], "+447700900040");
    let body = json!({"version": before["version"], "mobile": "07700 900640"});
    world.patch("office", &format!("/people/{contact}"), &body).await.expect(200);
    let (out, _) = heard(&world, &draft).await;
    assert_eq!((addresses(&out).len(), addresses(&out).contains(&"+447700900640")), (5, true));
    assert!(!addresses(&out).contains(&"+447700900540"), "{out:?}");
}
