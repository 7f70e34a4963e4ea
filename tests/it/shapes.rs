//! Shapes of files that say more than a header and rows: a banner over it, a column that says who each row is, formats that alone hold
//! zeros, members that are there and empty.

use serde_json::{Value, json};

use crate::{
    cells::person,
    export::{self, wonde, wonde_pupil},
    families::taken,
    ingest::count,
    sync::found,
    world::text,
};

#[tokio::test]
async fn a_row_above_the_header_says_whose_the_columns_are() {
    let world = export::school().await;
    let file = "Student details,,,Contact 1,,,,Contact 2,,,\n\
                Student ID,Forename,Surname,ID,Forename,Surname,Mobile,ID,Forename,Surname,Mobile\n\
                P1,Ada,Smith,C1,Grace,Smith,07700900001,C2,Greg,Smith,07700900002\n";
    let upload = taken(&world, file.as_bytes()).await;
    assert_eq!(upload["counts"]["contact"], count(2, 0, 0, 0), "{upload}");
    assert!(found(&upload).is_empty(), "{upload}");
    assert_eq!(text(&person(&world, "C2").await["mobile"]), "+447700900002");
    assert_eq!(person(&world, "P1").await["links"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_column_says_what_each_rows_person_is() {
    let world = export::school().await;
    let file = "Type,ID,Forename,Surname,Form,Email,Pupil ID,Relationship\n\
                Pupil,P1,Ada,Smith,3A,,,\nParent,C1,Grace,Smith,,grace1@example.com,P1,Mother\n\
                Staff,T1,Tess,Teacher,,tess@example.com,,\nParent,C2,Greg,Lone,,greg2@example.com,,\nVisitor,V1,Vi,Who,,,,\n";
    let upload = taken(&world, file.as_bytes()).await;
    for kind in ["pupil", "contact", "staff", "link"] {
        assert_eq!(upload["counts"][kind], count(1, 0, 0, 0), "{kind}: {upload}");
    }
    assert_eq!(found(&upload), ["5  link_unknown", "6  role_unknown"], "{upload}");
    assert_eq!(text(&person(&world, "P1").await["links"][0]["relationship"]), "mother");
}

#[tokio::test]
async fn zeros_that_only_a_format_shows_are_part_of_an_id() {
    let world = export::school().await;
    let cells = |cells: &[(&str, &str)]| -> String {
        let cell = |(value, shown): &(&str, &str)| match *shown {
            "" => format!(
                "<table:table-cell office:value-type=\"string\"><text:p>{value}</text:p></table:table-cell>"
            ),
            shown => format!(
                "<table:table-cell office:value-type=\"float\" office:value=\"{value}\"><text:p>{shown}</text:p></table:table-cell>"
            ),
        };
        format!("<table:table-row>{}</table:table-row>", cells.iter().map(cell).collect::<String>())
    };
    let header = cells(&[
        ("Student ID", ""),
        ("Forename", ""),
        ("Surname", ""),
        ("Contact Surname", ""),
        ("Contact Mobile", ""),
    ]);
    let row =
        cells(&[("123", "00123"), ("Ada", ""), ("Smith", ""), ("Smith", ""), ("7700900123", "07700 900123")]);
    let content = format!(
        "<office:document-content><office:body><office:spreadsheet><table:table>{header}{row}</table:table></office:spreadsheet></office:body></office:document-content>"
    );
    let file = export::archive(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", content.as_bytes()),
        ("META-INF/manifest.xml", b"<manifest:manifest/>"),
    ]);
    let upload = taken(&world, &file).await;
    assert!(found(&upload).is_empty(), "nothing had to be repaired: {upload}");
    assert_eq!(text(&person(&world, "00123").await["given_name"]), "Ada");
}

#[tokio::test]
async fn edge_case_68_wonde_says_that_nobody_leaves_and_repeats_no_name() {
    let world = export::school().await;
    let with = |leaving_date: Value, name: &str| {
        let mut pupil = wonde_pupil(1, "A0001", "pupil1", false);
        pupil["education_details"]["data"]["leaving_date"] = leaving_date;
        pupil[name] = json!("x");
        wonde(&[pupil, wonde_pupil(2, "A0002", "pupil2", false)]).to_string().into_bytes()
    };
    let upload = taken(&world, &with(json!("2027-07-20"), "Ann_Smith")).await;
    assert_eq!(text(&person(&world, "A0001").await["leaves_on"]), "2027-07-20");
    assert!(found(&upload).contains(&"0 students.data[].?1 column_unknown".to_owned()), "{upload}");
    assert!(!upload.to_string().contains("Ann_Smith"), "{upload}");
    let upload = taken(&world, &with(Value::Null, "Ann_Smith")).await;
    assert_eq!(upload["counts"]["pupil"], count(0, 1, 1, 0), "{upload}");
    assert_eq!(person(&world, "A0001").await["leaves_on"], Value::Null);
}
