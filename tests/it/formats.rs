//! Every format a school may send, end to end, and what is refused by name whatever it is called (cases 63 to 65).

use serde_json::{Value, json};

use crate::{
    cells::person,
    export::{self, Rows, archive, compound, csv, delimited, rows},
    families::taken,
    ingest::{count, people_and_links, the_file_is_gone},
    sheet::Sheet,
    sync::found,
    world::{World, text},
};

/// A sheet whose days and numbers are what a spreadsheet makes of them.
fn typed(families: usize) -> Rows {
    let mut sheet = Sheet::families(families);
    for n in 0..families {
        sheet = sheet.with(n, 5, "2018-05-14").with(n, 12, &format!("07700900{n:03}"));
    }
    rows(&sheet, &[])
}

/// One family as every format gives it: what is known of the second pupil and their mother.
async fn second_family(world: &World, pupil: &str, mother: &str) -> (Value, Value) {
    let (pupil, mother) = (person(world, pupil).await, person(world, mother).await);
    assert_eq!(
        [&pupil["given_name"], &pupil["family_name"], &pupil["date_of_birth"], &pupil["year_group"]]
            .map(text),
        ["Ada", "Family1", "2018-05-14", "3"]
    );
    assert_eq!(
        [&mother["given_name"], &mother["family_name"], &mother["email"], &mother["mobile"]].map(text),
        ["Grace", "Family1", "grace1@example.com", "+447700900001"]
    );
    assert_eq!(pupil["links"].as_array().map(Vec::len), Some(1));
    assert_eq!(pupil["links"][0]["contact_id"], mother["person_id"]);
    (pupil, mother)
}

/// Takes a file in twice: everybody is created once, and then nobody is changed.
async fn taken_in(world: &World, file: &[u8], format: &str, staff: u64) -> Value {
    let upload = taken(world, file).await;
    assert_eq!(text(&upload["format"]), format);
    for kind in ["pupil", "contact", "link"] {
        assert_eq!(upload["counts"][kind], count(3, 0, 0, 0), "{format} {kind}: {upload}");
    }
    assert_eq!(upload["counts"]["staff"], count(staff, 0, 0, 0), "{format}: {upload}");
    assert!(!upload["findings"].to_string().contains("Family1"), "{upload}");
    the_file_is_gone(world, text(&upload["upload_id"])).await;
    let before = people_and_links(world).await;
    let again = taken(world, file).await;
    for kind in ["pupil", "contact", "link"] {
        assert_eq!(again["counts"][kind], count(0, 0, 3, 0), "{format} {kind}: {again}");
    }
    assert!(people_and_links(world).await == before, "{format} has changed somebody");
    upload
}

#[tokio::test]
async fn a_table_is_the_same_school_in_csv_and_every_workbook() {
    let plain = rows(&Sheet::families(3), &[]);
    for (format, encoding, file) in [
        ("csv", json!("utf-8"), csv(&plain)),
        ("xlsx", Value::Null, export::xlsx(&typed(3))),
        ("ods", Value::Null, export::ods(&typed(3))),
        ("xls", Value::Null, export::xls(&typed(3))),
    ] {
        let world = export::school().await;
        let upload = taken_in(&world, &file, format, 0).await;
        assert_eq!((&upload["encoding"], &upload["rows"]), (&encoding, &json!(3)), "{format}");
        let (pupil, mother) = second_family(&world, "P0001", "C0001").await;
        assert_eq!((text(&pupil["class"]), text(&mother["title"])), ("3A", "Ms"), "{format}");
        let tie = &pupil["links"][0];
        assert_eq!(
            (text(&tie["relationship"]), text(&tie["parental_responsibility"]), &tie["priority"]),
            ("mother", "yes", &json!(1)),
            "{format}"
        );
        // A spreadsheet has made numbers of the phones: the lost zero is put back, and told.
        let repaired = found(&upload).iter().filter(|finding| finding.ends_with("M phone_repaired")).count();
        assert_eq!(repaired, if format == "csv" { 0 } else { 3 }, "{format}: {upload}");
        // The same school from the next program is the same people.
        let before = world.list("office", "/people").await.len();
        taken(&world, &csv(&plain)).await;
        assert_eq!(world.list("office", "/people").await.len(), before, "{format}");
    }
}

#[tokio::test]
async fn a_one_roster_bundle_is_families_and_staff() {
    let world = export::school().await;
    taken_in(&world, &export::one_roster(3, ""), "oneroster", 1).await;
    let (pupil, _) = second_family(&world, "P0001", "C0001").await;
    // Its guardians say nothing of responsibility.
    assert_eq!(text(&pupil["links"][0]["parental_responsibility"]), "unknown");
    let teacher = person(&world, "T0001").await;
    assert_eq!((text(&teacher["role"]), text(&teacher["email"])), ("staff", "tess@example.com"));
}

#[tokio::test]
async fn a_school_data_sync_bundle_is_families_and_staff() {
    let world = export::school().await;
    taken_in(&world, &export::school_data_sync(3), "sds", 1).await;
    let (pupil, _) = second_family(&world, "P0001", "C0001").await;
    assert_eq!(text(&pupil["links"][0]["relationship"]), "parent");
    assert_eq!(text(&person(&world, "T0001").await["role"]), "staff");
}

#[tokio::test]
async fn a_common_transfer_file_is_families() {
    let world = export::school().await;
    taken_in(&world, export::transfer_file(3).as_bytes(), "ctf", 0).await;
    let mother = &world.search(&json!({"role": "contact", "family_name": "Family1"})).await[0];
    let pupil = &world.search(&json!({"role": "pupil", "family_name": "Family1"})).await[0];
    assert_eq!(text(&pupil["upn"]), export::upn(1));
    assert_eq!((text(&mother["email"]), text(&mother["mobile"])), ("grace1@example.com", "+447700900001"));
    let pupil = world.get("office", &format!("/people/{}", text(&pupil["person_id"]))).await.expect(200);
    let tie = &pupil["links"][0];
    assert_eq!(
        (
            &tie["contact_id"],
            text(&tie["relationship"]),
            text(&tie["parental_responsibility"]),
            &tie["priority"]
        ),
        (&mother["person_id"], "mother", "yes", &json!(1))
    );
}

#[tokio::test]
async fn wondes_pages_are_families_and_staff() {
    let world = export::school().await;
    let pupils: Vec<_> =
        (0..3).map(|n| export::wonde_pupil(n, &format!("A{n:04}"), &format!("pupil{n}"), false)).collect();
    let tess = json!({"id": "T0001", "upi": "tess", "forename": "Tess", "surname": "Teacher",
                      "contact_details": {"data": {"emails": {"email": "tess@example.com"}}}});
    let file = json!({"students": export::wonde(&pupils), "employees": export::wonde(&[tess])});
    taken_in(&world, file.to_string().as_bytes(), "wonde", 1).await;
    let (pupil, _) = second_family(&world, "A0001", "W0001").await;
    assert_eq!(text(&pupil["upn"]), export::upn(1));
    assert_eq!(text(&pupil["links"][0]["parental_responsibility"]), "yes");
    assert_eq!(text(&person(&world, "T0001").await["email"]), "tess@example.com");
    // Whom the source says is gone is missing, and nobody else.
    let page = json!({"students": {"data": [pupils[0], pupils[2]]},
                      "deletions": {"data": [{"id": "A0001", "type": "student"}]}});
    let upload = world.upload(page.to_string().as_bytes()).await;
    assert_eq!(upload["status"], "review", "one of three is much: {upload}");
    assert_eq!(upload["counts"]["pupil"], count(0, 0, 2, 1), "{upload}");
}

#[tokio::test]
async fn edge_case_63_a_table_is_the_same_in_whatever_dress() {
    let world = World::new().await;
    let sheet = Sheet::families(4);
    taken(&world, &sheet.bytes()).await;
    let before = people_and_links(&world).await;
    let plain = rows(&sheet, &[]);
    let text_of = |separator: &str, line: &str| delimited(&plain, separator, line);
    let tabs = text_of("\t", "\r\n");
    let wide: Vec<u8> = tabs.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let titled = format!("Pupils of Oakfield\n\nRun by the office,,on 22/11/2026\n{}", text_of(",", "\n"));
    let mut ragged = plain.clone();
    // Priority, responsibility and court order of the third row: what is not there clears nothing.
    ragged[3].truncate(13);
    let mut blank = plain.clone();
    for row in &mut blank {
        row.insert(2, String::new());
        row.insert(7, String::new());
        row.extend([String::new(), String::new()]);
    }
    let quoted: Rows =
        plain.iter().map(|row| row.iter().map(|cell| format!("\"{cell}\"")).collect()).collect();
    for (dress, file, findings) in [
        ("Excel's Unicode text", [b"\xff\xfe", &wide[..]].concat(), vec![]),
        ("semicolons", text_of(";", "\r\n").into_bytes(), vec![]),
        ("bars", text_of("|", "\n").into_bytes(), vec![]),
        ("a line that says so", format!("sep=;\r\n{}", text_of(";", "\r\n")).into_bytes(), vec![]),
        ("CR only", text_of(",", "\r").into_bytes(), vec![]),
        ("a mark", [b"\xef\xbb\xbf", &csv(&plain)[..]].concat(), vec![]),
        ("no end of line", csv(&plain)[..csv(&plain).len() - 2].to_vec(), vec![]),
        ("quotation marks", csv(&quoted), vec![]),
        ("empty columns", csv(&blank), vec![]),
        ("ragged rows", csv(&ragged), vec!["4  row_ragged"]),
        (
            "totals",
            format!("{}Number of students: 412\n", text_of(",", "\n")).into_bytes(),
            vec!["6  row_skipped"],
        ),
        ("titles", titled.into_bytes(), vec!["1  row_skipped", "3  row_skipped"]),
        (
            "an empty row and the header again",
            format!("{}\n{}", text_of(",", "\n"), delimited(&plain[..1].to_vec(), ",", "\n")).into_bytes(),
            vec!["7  row_skipped"],
        ),
    ] {
        let upload = taken(&world, &file).await;
        assert_eq!(found(&upload), findings, "{dress}: {upload}");
        for kind in ["pupil", "contact", "link"] {
            assert_eq!(upload["counts"][kind], count(0, 0, 4, 0), "{dress} {kind}: {upload}");
        }
        assert!(people_and_links(&world).await == before, "{dress} has changed somebody");
    }
    // What cannot be read is refused with its place.
    for (file, code, place) in [
        ("Forename,Surname\nAnn,Smith\nBe\0n,Cole\n", "nul_character", "row 3, column 1"),
        ("Forename,Surname\nAnn,\"Smith\nBen,Cole\nCy,Day\n", "open_quote", "row 2"),
    ] {
        let upload = world.upload(file.as_bytes()).await;
        assert_eq!(
            (text(&upload["status"]), found(&upload)),
            ("refused", vec![format!("0  {code}")]),
            "{upload}"
        );
        assert!(text(&upload["findings"][0]["detail"]).contains(place), "{upload}");
    }
}

/// Refused by name, erased, and nothing changed.
async fn refused(world: &World, what: &str, file: &[u8], code: &str) {
    let before = people_and_links(world).await;
    let upload = world.upload(file).await;
    assert_eq!(
        (text(&upload["status"]), found(&upload)),
        ("refused", vec![format!("0  {code}")]),
        "{what}: {upload}"
    );
    let finding = &upload["findings"][0];
    assert_eq!(text(&finding["severity"]), "error", "{what}");
    assert!(text(&finding["detail"]).len() > 30, "{what} does not say what to do");
    the_file_is_gone(world, text(&upload["upload_id"])).await;
    assert!(people_and_links(world).await == before, "{what} has changed something");
}

/// Writes a name into an archive that a writer who behaves would not.
fn renamed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - from.len() {
        if bytes[at..at + from.len()] == *from.as_bytes() {
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

#[tokio::test]
async fn edge_case_64_what_is_too_large_or_leads_out_is_refused_and_junk_is_skipped() {
    let world = export::school().await;
    // Larger than the limit is not even asked for.
    let body = json!({"file_name": "a.csv", "bytes": 50 * 1024 * 1024 + 1, "mode": "apply"});
    let too_large = world.post("office", "/uploads", &body).await;
    assert_eq!((too_large.status, too_large.faults()), (422, vec!["/bytes invalid".to_owned()]));
    let users = b"sourcedId,enabledUser,role,givenName,familyName\np1,true,student,Ann,Smith\n";
    let blank = vec![b' '; 11 * 1024 * 1024];
    let mut many: Vec<(String, Vec<u8>)> = (0..1001).map(|n| (format!("{n}.csv"), b"a".to_vec())).collect();
    let many_files: Vec<(&str, &[u8])> =
        many.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
    let rows = format!("Forename,Surname\n{}", "Ann,Smith\n".repeat(100_001));
    for (what, file, code) in [
        ("a bomb", archive(&[("users.csv", &blank)]), "archive_bomb"),
        ("a thousand files", archive(&many_files), "archive_bomb"),
        (
            "a name that leads out",
            renamed(&archive(&[("xxxusers.csv", users)]), "xxxusers.csv", "../users.csv"),
            "unsafe_path",
        ),
        ("a name from the root", archive(&[("/etc/users.csv", users)]), "unsafe_path"),
        (
            "an archive in the archive",
            archive(&[("users.csv", &archive(&[("users.csv", users)]))]),
            "nested_archive",
        ),
        ("an archive by its name", archive(&[("users.csv", users), ("more.zip", b"x")]), "nested_archive"),
        ("an archive of anything", archive(&[("photo.jpg", b"x")]), "unknown_archive"),
        ("a hundred thousand and one rows", rows.into_bytes(), "too_many_rows"),
    ] {
        refused(&world, what, &file, code).await;
    }
    many.clear();

    // One folder, what a Mac leaves behind, and names in whatever case.
    let file = archive(&[
        ("Export/Users.CSV", users),
        ("Export/.DS_Store", b"x"),
        ("__MACOSX/Export/._Users.CSV", b"x"),
    ]);
    let upload = world.upload_for(&file, "apply", &json!("partial")).await;
    assert_eq!((text(&upload["status"]), text(&upload["format"])), ("done", "oneroster"), "{upload}");
    assert_eq!(upload["counts"]["pupil"], count(1, 0, 0, 0));
    assert!(
        found(&upload).iter().all(|finding| !finding.contains("DS_Store") && !finding.contains("._")),
        "{upload}"
    );
}

#[tokio::test]
async fn edge_case_65_what_holds_no_table_or_has_a_password_is_refused_by_name() {
    let world = export::school().await;
    taken(&world, &Sheet::families(1).bytes()).await;
    let mut locked = archive(&[("users.csv", b"a,b")]);
    // The bit that says so, in the local header and in the directory.
    for (magic, offset) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = locked.windows(4).position(|four| four == magic).expect("it is there");
        locked[at + offset] |= 1;
    }
    let manifest = ("META-INF/manifest.xml", &b"<m><manifest:encryption-data/></m>"[..]);
    for (what, file, code) in [
        ("a picture named .csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "not_a_table"),
        ("a photograph", b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), "not_a_table"),
        ("a document", b"%PDF-1.7\n".to_vec(), "not_a_table"),
        ("a compressed stream", b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "not_a_table"),
        (
            "a letter",
            archive(&[("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>")]),
            "not_a_table",
        ),
        ("an old letter", compound("/WordDocument", b"x"), "not_a_table"),
        ("a workbook with a password", compound("/EncryptedPackage", b"x"), "encrypted"),
        ("an old workbook with a password", compound("/Workbook", &[0x2f, 0, 2, 0, 1, 0]), "encrypted"),
        (
            "a LibreOffice workbook with a password",
            archive(&[("content.xml", b"<x/>"), manifest]),
            "encrypted",
        ),
        ("an archive with a password", locked, "encrypted"),
        (
            "a workbook that is none",
            archive(&[("[Content_Types].xml", b"<x/>"), ("xl/workbook.bin", b"x")]),
            "broken_workbook",
        ),
        ("XML with entities", b"<!DOCTYPE x [<!ENTITY a \"b\">]><CTfile/>".to_vec(), "unsafe_xml"),
    ] {
        refused(&world, what, &file, code).await;
    }
}
