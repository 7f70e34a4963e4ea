//! What stands in a cell, and what a message makes of it (cases 44 to 47 and 58 to 60, 62).

use serde_json::{Value, json};

use crate::{
    export::{self, archive, csv, rows},
    families::{TITLE, approved, taken},
    ingest::{count, people_and_links},
    messages::draft,
    parents::{but, claim, looked_at, mother, place, session, stored},
    sheet::{COURT_ORDER, EMAIL, MOBILE, RESPONSIBILITY, Row, Sheet, YEAR},
    sync::{found, held},
    world::{World, text},
};

/// Places in a row, besides those of [`crate::sheet`] and [`place`].
const CLASS: usize = 4;
/// See [`CLASS`].
pub const BORN: usize = 5;

/// The person the file calls so.
pub async fn person(world: &World, source: &str) -> Value {
    let found = world.search(&json!({"source_id": source})).await;
    assert_eq!(found.len(), 1, "{source}");
    world.get("office", &format!("/people/{}", text(&found[0]["person_id"]))).await.expect(200)
}

async fn verdict(world: &World, body: &Value) -> String {
    let verification = claim(world, body).await;
    looked_at(world, &verification).await;
    text(&stored(world, &verification).await["verdict"]["S"]).to_owned()
}

/// Office number and address on nine contacts, fillers on a tenth.
fn fillers() -> Sheet {
    let mut sheet = Sheet::families(11);
    for row in 0..9 {
        sheet = sheet.with(row, EMAIL, "office@school.example.org").with(row, MOBILE, "020 7946 0000");
    }
    sheet.with(9, EMAIL, "none@none.com").with(9, MOBILE, "00000 000000").with(9, BORN, "01/01/1900")
}

#[tokio::test]
async fn many_contacts_at_the_schools_own_domain_are_flagged() {
    let world = World::new().await;
    let at_school = |sheet: Sheet, rows: std::ops::Range<usize>| {
        rows.fold(sheet, |sheet, row| sheet.with(row, EMAIL, &format!("parent{row}@oakfield.example.org")))
    };
    let some = taken(&world, &at_school(Sheet::families(12), 2..10).bytes()).await;
    assert_eq!(found(&some), Vec::<String>::new(), "parents who work there");
    let many = taken(&world, &at_school(Sheet::families(12), 2..11).bytes()).await;
    assert_eq!(found(&many), ["4  school_email"]);
}

#[tokio::test]
async fn edge_case_44_fillers_are_flagged() {
    let world = export::school().await;
    let upload = taken(&world, &csv(&rows(&fillers(), &[]))).await;
    let found = found(&upload);
    for finding in [
        "2  shared_contact_point",
        "11 L email_placeholder",
        "11 M phone_placeholder",
        "11 F date_placeholder",
        "11  no_contact",
    ] {
        assert!(found.contains(&finding.to_owned()), "{finding}: {found:?}");
    }
    // Both of them: the address and the number.
    assert_eq!(found.iter().filter(|finding| finding.ends_with("shared_contact_point")).count(), 2);
    // A filler is not stored: nobody could be taken for anybody by it.
    let (pupil, filled) = (person(&world, "P0009").await, person(&world, "C0009").await);
    assert_eq!(
        (&pupil["date_of_birth"], &filled["email"], &filled["mobile"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    // Whoever claims by one is told nothing and gets nothing; who has a number of her own is proved by it.
    for (pointer, filler) in [("/child/date_of_birth", "1900-01-01"), ("/parent/email", "none@none.com")] {
        let answer = crate::parents::claim_from(
            &world,
            &crate::parents::address(),
            &but(&mother(&world, 9), pointer, filler),
        )
        .await;
        assert!(answer.status == 422 || answer.status == 202, "{}", answer.body);
    }
    assert_eq!(verdict(&world, &mother(&world, 9)).await, "no");
    assert_eq!(verdict(&world, &mother(&world, 10)).await, "proved_by_code");
}

#[tokio::test]
async fn edge_case_46_letters_outside_the_usual_set_show_in_parts_and_price() {
    let world = export::school().await;
    taken(&world, &csv(&rows(&Sheet::families(2), &[]))).await;
    // 100 letters and what names the child: one part of 160, or two of 67.
    let plain = "Ysgol ar gau. ".repeat(7);
    for (body, parts, price) in [
        (plain.clone(), 2, "0.08"),
        (plain.replace("gau", "g\u{e2}u"), 4, "0.16"),
        (plain.replacen("Ysgol", "Ysg\u{175}l", 1), 4, "0.16"),
        (plain.replacen("Ysgol", "\u{1f3eb}", 1), 4, "0.16"),
    ] {
        let mut message = draft(&world, "service", &["sms"]);
        message["body"] = json!(body);
        let preview = world.post("sender", "/messages/preview", &message).await.expect(200);
        assert_eq!(
            (&preview["sms_parts"], &preview["cost"]["amount"]),
            (&json!(parts), &json!(price)),
            "{body}"
        );
        // Nothing is replaced that the sender wrote on purpose.
        assert!(text(&preview["sample"]["text"]).starts_with(body.trim()), "{preview}");
    }
    // What word processors put in place of plain letters is put back, and the sender sees it.
    let mut message = draft(&world, "service", &["sms"]);
    message["body"] = json!("\u{201c}It\u{2019}s\u{201d} closed\u{2026}");
    let preview = world.post("sender", "/messages/preview", &message).await.expect(200);
    assert!(text(&preview["sample"]["text"]).starts_with("\"It's\" closed..."), "{preview}");
    assert_eq!(preview["sms_parts"], 2);
}

#[tokio::test]
async fn edge_case_47_an_empty_field_is_never_a_hole_and_a_formula_never_runs() {
    let world = export::school().await;
    let formula = "=HYPERLINK(\"\"https://example.com\"\")";
    let nameless = Sheet::families(2).with(1, 7, "").with(1, 8, "").with(1, 9, "");
    let sheet = nameless.with(0, 8, &format!("\"{formula}\""));
    taken(&world, &csv(&rows(&sheet, &[]))).await;
    let mut message = draft(&world, "service", &["email"]);
    // A field that nobody knows is shown at once and not sent.
    message["body"] = json!("Dear ((nickname)),");
    let preview = world.post("sender", "/messages/preview", &message).await.expect(200);
    assert_eq!(preview["missing_placeholders"], json!(["nickname"]));
    let refused = world.post("sender", "/messages", &message).await;
    assert_eq!((refused.status, refused.faults()), (422, vec!["/body unknown_placeholder".to_owned()]));
    // One that is empty for somebody has words of its own.
    message["body"] = json!(format!("Dear ((name)), [{}]", world.school));
    let sent = crate::messages::send(&world, &message).await;
    world.drain(&sent).await;
    let outbox = world.outbox_with(&format!("[{}]", world.school)).await;
    let text_to =
        |to: &str| outbox.iter().find(|sent| sent.to == to).map(|sent| sent.text.clone()).unwrap_or_default();
    assert!(
        text_to("grace1@example.com").contains("Dear Parent or carer,"),
        "{}",
        text_to("grace1@example.com")
    );
    // A name is text to us, whatever it would be to a spreadsheet.
    assert!(text_to("grace0@example.com").contains("Dear =HYPERLINK(\"https://example.com\") Family0,"));
    assert_eq!(text(&person(&world, "C0000").await["given_name"]), "=HYPERLINK(\"https://example.com\")");

    // What we hand out as CSV begins no cell with anything that runs, and repeats no name that somebody gave a file.
    let mut names = Vec::new();
    for name in ["=cmd()", "+1", "-1", "@SUM(A1)", "\tx"] {
        names.push(format!("{name}.csv"));
    }
    let users = "sourcedId,enabledUser,role,givenName,familyName\np1,true,student,Ann,Smith\n";
    let mut files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"a\n"[..])).collect();
    files.push(("users.csv", users.as_bytes()));
    let upload = world.upload_for(&archive(&files), "apply", &json!("partial")).await;
    assert_eq!(upload["status"], "done", "{upload}");
    let report = world.http.get(text(&upload["report_url"])).send().await.expect("S3 answers");
    let report = report.text().await.expect("text");
    assert_eq!(report.matches("file_unexpected").count(), names.len(), "{report}");
    for name in ["=cmd()", "+1", "-1", "@SUM(A1)"] {
        assert!(!report.contains(&format!("{name}.csv")), "{report}");
    }
}

#[tokio::test]
async fn edge_case_58_rows_that_disagree_are_told_and_the_safer_stays() {
    let world = export::school().await;
    let sheet = Sheet::families(5).with(3, RESPONSIBILITY, "N");
    taken(&world, &csv(&rows(&sheet, &[]))).await;
    let before = people_and_links(&world).await;
    let mut twice = sheet.clone();
    twice.0.push(Row::family(0).with(BORN, "15/05/2018"));
    twice.0.push(Row::family(2).with(RESPONSIBILITY, "N"));
    twice.0.push(Row::family(3).with(RESPONSIBILITY, "Y"));
    let upload = taken(&world, &csv(&rows(&twice, &[]))).await;
    for finding in ["7 F conflicting_values", "8 O conflicting_values", "9 O conflicting_values"] {
        assert!(found(&upload).contains(&finding.to_owned()), "{finding}: {upload}");
    }
    assert!(people_and_links(&world).await == before, "the last row has won");
    // Of somebody new neither of two words about responsibility is believed.
    let mut new = sheet.clone();
    new.0.push(Row::family(7).with(place::GIVEN, "Noor"));
    new.0.push(Row::family(7).with(place::GIVEN, "Noor").with(RESPONSIBILITY, "N"));
    taken(&world, &csv(&rows(&new, &[]))).await;
    assert_eq!(person(&world, "P0007").await["links"][0]["parental_responsibility"], "unknown");
    // A court's word in either row holds, and is told where the other is silent.
    let mut ordered = sheet.clone();
    ordered.0.push(Row::family(1).with(COURT_ORDER, "Y"));
    let upload = world.upload_for(&csv(&rows(&ordered, &[])), "apply", &json!("partial")).await;
    assert_eq!(
        (text(&upload["status"]), found(&upload).contains(&"7 P conflicting_values".to_owned())),
        ("done", true),
        "{upload}"
    );
    assert_eq!(person(&world, "P0001").await["links"][0]["restricted"], true);
}

#[tokio::test]
async fn edge_case_59_a_blank_cell_clears_what_nothing_hangs_on() {
    let world = export::school().await;
    let sheet = Sheet::families(3).with(0, COURT_ORDER, "Y");
    taken(&world, &csv(&rows(&sheet, &[]))).await;
    let parent = session(&world, 1, 0).await;
    let mut blank = sheet.clone();
    for column in [CLASS, TITLE] {
        blank = blank.with(1, column, "");
    }
    for column in [BORN, YEAR, EMAIL, MOBILE, place::PRIORITY, RESPONSIBILITY] {
        blank = blank.with(1, column, "");
    }
    let blank = blank.with(0, COURT_ORDER, "").with(0, RESPONSIBILITY, "");
    let first = csv(&rows(&blank, &[]));
    taken(&world, &first).await;
    let (pupil, contact) = (person(&world, "P0001").await, person(&world, "C0001").await);
    assert_eq!((&pupil["class"], &contact["title"]), (&Value::Null, &Value::Null));
    assert_eq!((text(&pupil["date_of_birth"]), text(&pupil["year_group"])), ("2018-05-14", "3"));
    let tie = &pupil["links"][0];
    assert_eq!((text(&tie["parental_responsibility"]), &tie["priority"]), ("yes", &json!(1)));
    assert_eq!((text(&contact["email"]), text(&contact["mobile"])), ("grace1@example.com", "+447700900001"));
    let kept = &person(&world, "P0000").await["links"][0];
    assert_eq!((&kept["restricted"], text(&kept["parental_responsibility"])), (&json!(true), "yes"));

    // The same file again is the same word.
    let again = taken(&world, &first).await;
    assert_eq!(again["counts"]["contact"], count(0, 0, 3, 0));
    assert_eq!(text(&person(&world, "C0001").await["mobile"]), "+447700900001");
    // A second file that leaves it blank is another.
    taken(&world, &csv(&rows(&blank.clone().with(2, YEAR, "4"), &[]))).await;
    let contact = person(&world, "C0001").await;
    assert_eq!((&contact["email"], &contact["mobile"]), (&Value::Null, &Value::Null));
    assert_eq!(text(&person(&world, "P0001").await["links"][0]["parental_responsibility"]), "yes");
    assert_eq!(crate::parents::children(&world, &parent).await.len(), 1, "a right is taken away on purpose");

    // A value in between begins it anew, and so does the office, who may clear at once.
    taken(&world, &csv(&rows(&sheet, &[]))).await;
    taken(&world, &csv(&rows(&sheet.clone().with(1, MOBILE, ""), &[]))).await;
    taken(&world, &csv(&rows(&sheet, &[]))).await;
    taken(&world, &csv(&rows(&sheet.clone().with(1, MOBILE, "").with(2, YEAR, "5"), &[]))).await;
    let contact = person(&world, "C0001").await;
    assert_eq!(text(&contact["mobile"]), "+447700900001", "once blank, there, once blank");
    let clear = json!({"version": contact["version"], "mobile": null});
    let path = format!("/people/{}", text(&contact["person_id"]));
    assert_eq!(world.patch("office", &path, &clear).await.expect(200)["mobile"], Value::Null);
}

#[tokio::test]
async fn edge_case_60_a_file_never_moves_a_birthday() {
    let world = export::school().await;
    let sheet = Sheet::families(4).with(0, BORN, "03/04/2018");
    taken(&world, &csv(&rows(&sheet, &[]))).await;
    let swapped = sheet.clone().with(0, BORN, "04/03/2018");
    let upload = taken(&world, &csv(&rows(&swapped, &[]))).await;
    assert_eq!(found(&upload), ["2  date_changed"]);
    assert_eq!(upload["counts"]["pupil"], count(0, 0, 4, 0));
    let pupil = person(&world, "P0000").await;
    assert_eq!(text(&pupil["date_of_birth"]), "2018-04-03");
    // A parent who swaps them is no more believed than the file.
    let claimed = |day: &str| but(&mother(&world, 0), "/child/date_of_birth", day);
    assert_ne!(verdict(&world, &claimed("2018-03-04")).await, "proved_by_code");
    assert_eq!(verdict(&world, &claimed("2018-04-03")).await, "proved_by_code");
    // The office decides, and then the file agrees.
    let change = json!({"version": pupil["version"], "date_of_birth": "04/03/2018"});
    let path = format!("/people/{}", text(&pupil["person_id"]));
    world.patch("office", &path, &change).await.expect(200);
    let upload = taken(&world, &csv(&rows(&swapped, &[]))).await;
    assert_eq!(found(&upload), Vec::<String>::new());
    assert_eq!(text(&person(&world, "P0000").await["date_of_birth"]), "2018-03-04");

    // A column that writes both ways is not guessed at.
    let mixed = sheet.with(1, BORN, "14/05/2018").with(2, BORN, "05/14/2018");
    let waits = world.upload(&csv(&rows(&mixed, &[]))).await;
    held(&waits, "mixed_date_order");
    assert!(found(&waits).contains(&"1 F date_order_mixed".to_owned()), "{waits}");
    approved(&world, &waits, &json!({})).await;
    assert_eq!(text(&person(&world, "P0002").await["date_of_birth"]), "2018-05-14");
}

#[tokio::test]
async fn edge_case_62_every_encoding_gives_one_name_and_a_ruined_one_is_not_stored() {
    let world = export::school().await;
    let sheet = Sheet::families(4).with(0, place::GIVEN, "Zo\u{eb}").with(0, 1, "O\u{2019}Connor");
    let lines = export::delimited(&rows(&sheet, &[]), ",", "\r\n");
    let wide = |bytes: fn(u16) -> [u8; 2]| lines.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let narrow: Vec<u8> = lines
        .chars()
        .map(|c| match c {
            '\u{2019}' => 0x92,
            c => u8::try_from(u32::from(c)).expect("a letter of Windows-1252"),
        })
        .collect();
    let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
    let mut before = None;
    for (file, encoding) in [
        (narrow, "windows-1252"),
        (lines.clone().into_bytes(), "utf-8"),
        ([b"\xef\xbb\xbf", lines.as_bytes()].concat(), "utf-8-bom"),
        ([b"\xff\xfe", &little[..]].concat(), "utf-16le"),
        ([b"\xfe\xff", &big[..]].concat(), "utf-16be"),
        (little, "utf-16le"),
        (big, "utf-16be"),
    ] {
        let upload = taken(&world, &file).await;
        assert_eq!((text(&upload["encoding"]), found(&upload)), (encoding, vec![]));
        let pupil = person(&world, "P0000").await;
        assert_eq!(text(&pupil["given_name"]), "Zo\u{eb}", "{encoding}");
        assert_eq!(text(&pupil["family_name"]).replace('\u{2019}', "'"), "O'Connor", "{encoding}");
        let now = people_and_links(&world).await;
        assert!(before.get_or_insert_with(|| now.clone()) == &now, "{encoding} has changed somebody");
    }
    // Ruined before it came to us: told, and what is known stays.
    for ruined in ["Zo\u{c3}\u{ab}", "Zo\u{fffd}"] {
        let upload = taken(&world, &csv(&rows(&sheet.clone().with(0, place::GIVEN, ruined), &[]))).await;
        assert_eq!(found(&upload), ["2 A text_garbled"], "{ruined}");
        assert_eq!(text(&person(&world, "P0000").await["given_name"]), "Zo\u{eb}", "{ruined}");
    }
    // Of what could only be guessed at, we ask.
    let cyrillic =
        [b"Forename,Surname\r\n", &b"\xc0\xed\xed\xe0,\xd1\xec\xe8\xf2\xf3\x81\r\n".repeat(5)[..]].concat();
    let upload = world.upload(&cyrillic).await;
    assert_eq!(
        (text(&upload["status"]), found(&upload)),
        ("refused", vec!["0  unknown_encoding".to_owned()]),
        "{upload}"
    );
}
