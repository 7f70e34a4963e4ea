//! A school's file after another: what is a sync, what is an accident, and what waits for somebody to look (cases 48 to 54).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    bad_input::{arrival, deliver},
    export::{self, csv, delimited, rows},
    families::{approved, taken},
    ingest::{count, people_and_links},
    sheet::{EMAIL, MOBILE, RELATIONSHIP, Row, Sheet, YEAR},
    world::{World, text},
};

/// Findings as `row column code`.
pub fn found(upload: &Value) -> Vec<String> {
    let findings = upload["findings"].as_array().into_iter().flatten();
    findings
        .map(|finding| format!("{} {} {}", finding["row"], text(&finding["column"]), text(&finding["code"])))
        .collect()
}

/// Status and reason of an upload that waits.
#[track_caller]
pub fn held(upload: &Value, because: &str) {
    assert_eq!((text(&upload["status"]), text(&upload["held_because"])), ("review", because), "{upload}");
}

/// Ids of people in a role whom no file names any more.
pub async fn missing(world: &World, role: &str) -> BTreeSet<String> {
    let people = world.list("office", &format!("/people?role={role}")).await;
    people
        .iter()
        .filter(|person| person["missing_since"].is_string())
        .map(|person| text(&person["source_id"]).to_owned())
        .collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn edge_case_48_an_empty_answer_removes_nobody_whatever_it_looks_like() {
    let world = export::school().await;
    taken(&world, &Sheet::families(3).bytes()).await;
    let before = people_and_links(&world).await;
    let header = rows(&Sheet::families(0), &[]);
    let header = delimited(&header, ",", "\r\n");
    let nobody = |users: &str| {
        export::archive(&[
            ("manifest.csv", b"propertyName,value\noneroster.version,1.1\nfile.users,bulk\n"),
            ("users.csv", users.as_bytes()),
        ])
    };
    let no_users = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,givenName,familyName\n";
    let answers: [(&str, Vec<u8>, &str); 11] = [
        ("a header", header.clone().into_bytes(), "header_only"),
        ("a header and empty rows", (header + "\r\n,,,\r\n").into_bytes(), "header_only"),
        ("white space", b" \r\n\r\n".to_vec(), "empty_file"),
        ("an empty list", b"[]".to_vec(), "header_only"),
        ("an empty page", export::wonde(&[]).to_string().into_bytes(), "header_only"),
        ("no page at all", br#"{"data": null}"#.to_vec(), "header_only"),
        ("an error, as from the wrong region", br#"{"error": "Not authorised"}"#.to_vec(), "broken_json"),
        ("a page to sign in on", b"<html><body>Sign in</body></html>".to_vec(), "broken_xml"),
        ("a transfer file of nobody", export::transfer_file(0).into_bytes(), "header_only"),
        ("a bundle of nobody", nobody(no_users), "header_only"),
        ("a bundle with an empty file", nobody(""), "header_only"),
    ];
    for (what, answer, code) in answers {
        let upload = world.upload(&answer).await;
        assert_eq!(upload["status"], "refused", "{what}: {upload}");
        assert_eq!(
            (text(&upload["findings"][0]["code"]), text(&upload["findings"][0]["severity"])),
            (code, "error"),
            "{what}: {upload}"
        );
        assert_eq!(upload["counts"]["pupil"], count(0, 0, 0, 0), "{what}");
        assert!(people_and_links(&world).await == before, "{what} has changed something");
    }
    // The alarm listens to this line.
    let lines = world.stack.logs("upload-ingest", "empty_uploads").await.expect("the logs answer");
    let mut lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let metric = lines.find(|line| line["_aws"].is_object()).expect("a line in CloudWatch's embedded format");
    assert_eq!(
        (&metric["empty_uploads"], &metric["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"]),
        (&json!(1), &json!("empty_uploads"))
    );
}

#[tokio::test]
async fn edge_case_49_more_than_a_tenth_missing_or_three_quarters_changed_waits() {
    let world = World::new().await;
    let sheet = Sheet::families(20);
    taken(&world, &sheet.bytes()).await;
    let before = people_and_links(&world).await;
    // Changed: somebody else's class is no reason, and neither are fifteen of twenty.
    let mut many = sheet.clone();
    for row in 0..16 {
        many = many.with(row, EMAIL, &format!("other{row}@example.com"));
    }
    let waits = world.upload(&many.bytes()).await;
    held(&waits, "many_changed");
    assert_eq!(waits["counts"]["contact"], count(0, 16, 4, 0));
    assert!(people_and_links(&world).await == before, "a held file has changed something");
    let mut few = sheet.clone();
    for row in 0..15 {
        few = few.with(row, EMAIL, &format!("other{row}@example.com"));
    }
    assert_eq!(taken(&world, &few.bytes()).await["counts"]["contact"], count(0, 15, 5, 0));
    // The same of one kind alone: what ties them.
    let mut ties = few.clone();
    for row in 0..16 {
        ties = ties.with(row, RELATIONSHIP, "Guardian");
    }
    let waits = world.upload(&ties.bytes()).await;
    held(&waits, "many_changed");
    assert_eq!(waits["counts"]["contact"], count(0, 0, 20, 0));
    assert_eq!(waits["counts"]["link"], count(0, 16, 4, 0));

    // Missing: two of twenty are usual; of what is left, two of eighteen are not.
    let gone = Sheet(few.0[..18].to_vec());
    let upload = taken(&world, &gone.bytes()).await;
    assert_eq!(upload["counts"]["pupil"], count(0, 0, 18, 2));
    assert_eq!(missing(&world, "pupil").await, names(&["P0018", "P0019"]));
    let before = people_and_links(&world).await;
    // Nobody is let in either while it waits: a new pupil's mother would be given her rights by it.
    let mut more = Sheet(few.0[..16].to_vec());
    more.0.push(Row::family(30).with(0, "Noor").with(1, "Karim"));
    let waits = world.upload(&more.bytes()).await;
    held(&waits, "many_missing");
    assert_eq!(waits["counts"]["pupil"], count(1, 0, 16, 2));
    assert!(people_and_links(&world).await == before, "a held file has changed something");
    approved(&world, &waits, &json!({})).await;
    assert_eq!(missing(&world, "pupil").await, names(&["P0016", "P0017", "P0018", "P0019"]));
    assert_eq!(world.search(&json!({"source_id": "P0030"})).await.len(), 1);
    // Whoever is missing already is not missing once more.
    assert_eq!(taken(&world, &more.bytes()).await["counts"]["pupil"], count(0, 0, 17, 0));
}

/// Its window is the planner's own test: without one, a rollover is like any file that does much.
#[tokio::test]
async fn edge_case_50_a_rollover_outside_its_window_waits_for_a_second_person() {
    let world = World::new().await;
    let sheet = Sheet::families(20);
    taken(&world, &sheet.bytes()).await;
    let mut next = Sheet(sheet.0[..17].iter().map(|row| row.clone().with(YEAR, "4")).collect());
    next.0.extend((20..23).map(|n| Row::family(n).with(0, "Noor").with(1, &format!("Starter{n}"))));
    let waits = world.upload_as(&next.bytes(), "preview").await;
    held(&waits, "many_missing");
    assert_eq!(waits["counts"]["pupil"], count(3, 17, 0, 3));
    // A preview, but of something unusual: who sent it does not approve it.
    let path = format!("/uploads/{}/approval", text(&waits["upload_id"]));
    world.post("office", &path, &json!({})).await.problem(403, "forbidden");
    approved(&world, &waits, &json!({})).await;
    assert_eq!(missing(&world, "pupil").await, names(&["P0017", "P0018", "P0019"]));
    assert_eq!(world.search(&json!({"role": "pupil", "year_group": "4"})).await.len(), 17);
}

#[tokio::test]
async fn edge_case_51_a_file_of_one_year_speaks_for_that_year_alone() {
    let world = World::new().await;
    let mut sheet = Sheet::families(40);
    for row in 0..40 {
        sheet = sheet.with(row, YEAR, if row < 20 { "7" } else { "8" });
    }
    // The mother of the last of Year 7 has a child in Year 8 too.
    sheet.0.push(Row::family(19).with(0, "Ben").with(2, "P0900").with(YEAR, "8"));
    taken(&world, &sheet.bytes()).await;
    let before = people_and_links(&world).await;

    let seven = Sheet(sheet.0[..18].to_vec()).bytes();
    // As the whole school's it would be a catastrophe.
    held(&world.upload(&seven).await, "many_missing");
    for scope in
        [json!({"year_groups": []}), json!({"year_groups": [" "]}), json!("some"), json!({"years": ["7"]})]
    {
        let body = json!({"file_name": "a.csv", "bytes": 10, "mode": "apply", "scope": scope});
        let status = world.post("office", "/uploads", &body).await.status;
        assert!(matches!(status, 400 | 422), "{scope}: {status}");
    }
    // As a part of it nobody is missing.
    let upload = world.upload_for(&seven, "apply", &json!("partial")).await;
    assert_eq!((text(&upload["status"]), &upload["counts"]["pupil"]), ("done", &count(0, 0, 18, 0)));
    assert!(people_and_links(&world).await == before);
    // As Year 7's it calls the two of Year 7 missing, and of their mothers the one who has nobody else.
    let upload = world.upload_for(&seven, "apply", &json!({"year_groups": ["Year 7"]})).await;
    assert_eq!(upload["status"], "done", "{upload}");
    assert_eq!(upload["counts"]["pupil"]["missing"], 2);
    assert_eq!(missing(&world, "pupil").await, names(&["P0018", "P0019"]));
    assert_eq!(missing(&world, "contact").await, names(&["C0018"]));
}

#[tokio::test]
async fn edge_case_51_a_file_that_was_cut_off_does_nothing_or_waits() {
    let world = export::school().await;
    let whole = Sheet::families(20);
    taken(&world, &whole.bytes()).await;
    let before = people_and_links(&world).await;
    let json = export::wonde(&[export::wonde_pupil(1, "A1", "u1", false)]).to_string();
    let bundle = export::one_roster(20, "");
    let xml = export::transfer_file(20);
    let workbook = export::xlsx(&rows(&whole, &[]));
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    for (what, cut, code) in [
        ("pages", half(json.as_bytes()), "broken_json"),
        ("a bundle", half(&bundle), "unknown_archive"),
        ("a transfer file", half(xml.as_bytes()), "broken_xml"),
        ("a workbook", half(&workbook), "unknown_archive"),
        ("an open quotation mark", b"Forename,Surname\nAnn,\"Smith\nBen,Cole\n".to_vec(), "open_quote"),
    ] {
        let upload = world.upload(&cut).await;
        assert_eq!(
            (text(&upload["status"]), found(&upload)),
            ("refused", vec![format!("0  {code}")]),
            "{what}: {upload}"
        );
    }
    // Text has no end that could be missed: what is missing is, and the broken row is told.
    let bytes = whole.bytes();
    let line = bytes.windows(6).position(|word| word == b"P0015,").expect("it is there");
    let upload = world.upload(&bytes[..line + 30]).await;
    held(&upload, "many_missing");
    assert!(found(&upload).contains(&"17  row_ragged".to_owned()), "{upload}");
    // Of the transfer itself, S3 and the size that was announced take care.
    let announced = world.announce(bytes.len(), "apply").await;
    assert_eq!(world.send_file(&announced, &bytes[..bytes.len() - 1]).await, 403);
    assert!(people_and_links(&world).await == before);
}

#[tokio::test]
async fn edge_case_52_the_same_file_again_in_whatever_dress_does_nothing() {
    let world = World::new().await;
    let sheet = Sheet::families(6).with(2, MOBILE, "").with(3, EMAIL, "");
    taken(&world, &sheet.bytes()).await;
    let before = people_and_links(&world).await;
    let mut turned = rows(&sheet, &[]);
    turned[1..].reverse();
    for row in &mut turned {
        row.reverse();
    }
    for file in [
        sheet.bytes(),
        delimited(&rows(&sheet, &[]), ";", "\n").into_bytes(),
        csv(&turned),
        export::xlsx(&rows(&sheet, &[])),
    ] {
        let again = taken(&world, &file).await;
        for kind in ["pupil", "contact", "link"] {
            assert_eq!(again["counts"][kind], count(0, 0, 6, 0), "{kind} {again}");
        }
        assert!(people_and_links(&world).await == before, "{again}");
        // Neither does its event.
        let event = arrival(&world, &format!("uploads/{}/{}", world.school, text(&again["upload_id"])));
        assert_eq!(deliver(&world, &[event]).await, Vec::<String>::new());
        assert!(people_and_links(&world).await == before);
    }
    // Nobody was written to.
    assert_eq!(world.outbox().await.len(), 0);
}

#[tokio::test]
async fn edge_case_53_what_happens_at_once_happens_in_turn() {
    let world = World::new().await;
    // Children of one birthday whose names are a letter apart are asked about: these have names of their own.
    let given = |n: usize| format!("Ada{}", ["bo", "ku", "mi", "ne", "ri", "so"][n % 6].repeat(1 + n / 6));
    let row = |n: usize| Row::family(n).with(0, &given(n));
    let part = |from: usize, to: usize| Sheet((from..to).map(row).collect()).bytes();
    let files = [part(0, 12), part(8, 20), part(16, 30)];
    let partial = json!("partial");
    let person = json!({"role": "contact", "given_name": "Ann", "family_name": "Other"});
    let (one, two, three, typed) = tokio::join!(
        world.upload_for(&files[0], "apply", &partial),
        world.upload_for(&files[1], "apply", &partial),
        world.upload_for(&files[2], "apply", &partial),
        world.post("office", "/people", &person),
    );
    typed.expect(201);
    let mut created = 0;
    for upload in [&one, &two, &three] {
        assert_eq!(upload["status"], "done", "{upload}");
        created += upload["counts"]["pupil"]["created"].as_u64().expect("a number");
    }
    assert_eq!(created, 30, "nobody twice: {one} {two} {three}");
    assert_eq!(world.list("office", "/people").await.len(), 61);
    // What was held for an approval has been overtaken.
    let waits = world.upload(&part(0, 20)).await;
    held(&waits, "many_missing");
    taken(&world, &part(0, 30)).await;
    let after = Sheet((0..30).map(row).collect()).with(0, EMAIL, "new@example.com").bytes();
    taken(&world, &after).await;
    let path = format!("/uploads/{}/approval", text(&waits["upload_id"]));
    world.post("approver", &path, &json!({})).await.problem(409, "conflict");
    assert_eq!(missing(&world, "pupil").await, BTreeSet::new());
}

#[tokio::test]
async fn edge_case_54_an_older_file_waits_and_calls_nobody_missing() {
    let world = export::school().await;
    taken(&world, &export::one_roster(20, "2026-08-20")).await;
    let waits = world.upload(&export::one_roster(19, "2026-08-10")).await;
    held(&waits, "older_file");
    assert_eq!(waits["counts"]["pupil"], count(0, 0, 19, 0));
    let path = format!("/uploads/{}/approval", text(&waits["upload_id"]));
    world.post("office", &path, &json!({})).await.problem(403, "forbidden");
    approved(&world, &waits, &json!({})).await;
    assert_eq!(missing(&world, "pupil").await, BTreeSet::new());
    assert_eq!(missing(&world, "contact").await, BTreeSet::new());
    // What was approved is not what the next is measured by: the newest is.
    held(&world.upload(&export::one_roster(19, "2026-08-15")).await, "older_file");
    let newer = taken(&world, &export::one_roster(19, "2026-08-21")).await;
    assert_eq!(newer["counts"]["pupil"], count(0, 0, 19, 1));
    assert_eq!(missing(&world, "pupil").await, names(&["P0019"]));
    // A format that does not say when it was made is not older.
    let upload = world.upload(&export::one_roster(19, "")).await;
    assert_eq!(upload["status"], "done", "{upload}");
}

#[tokio::test]
async fn edge_case_49_a_school_that_comes_back_as_it_was_is_not_held_once_more() {
    let world = World::new().await;
    let sheet = Sheet::families(12);
    taken(&world, &sheet.bytes()).await;
    let waits = world.upload(&Sheet::families(1).bytes()).await;
    held(&waits, "many_missing");
    approved(&world, &waits, &json!({})).await;
    assert_eq!(missing(&world, "pupil").await.len(), 11);
    let back = taken(&world, &sheet.bytes()).await;
    assert_eq!(back["counts"]["pupil"], count(0, 11, 1, 0), "{back}");
    assert_eq!(missing(&world, "pupil").await.len(), 0);
}
