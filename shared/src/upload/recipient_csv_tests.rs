//! The cases of GOV.UK Notify's `RecipientCSV` that are about reading a file, by their number in the project's list of them. Case 1
//! stands with the names of columns, 12 with what is delimited; 19, 20, 22 and 23 are about sending, 25 is counted by the bench.

use super::*;
use crate::{
    person::phone::{PhoneKind, PhoneNumber},
    upload::{MAX_ROWS, cell},
};

#[test]
fn recipient_csv_2_columns_in_any_order_behind_empty_ones() {
    assert_eq!(pupils(",,,,,,,,,Surname,Forename\n,,,,,,,,,Smith,Ann\n"), ["2 Ann/Smith"]);
    assert_eq!(pupils("Shoe size,Surname,Year,Forename\n31,Smith,3,Ann\n"), ["2 Ann/Smith"]);
}

#[test]
fn recipient_csv_3_columns_that_may_repeat_are_a_list() {
    let roll = read("Forename,Surname,Group 1,Group 2,Group3,Email,Email 2\nAnn,Smith,cat,rat,gnat,a@example.com,b@example.com\nBen,Cole,cat\n").unwrap();
    let groups: Vec<_> = roll.of(Role::Pupil).map(|(_, entry)| entry.value.groups.join(" ")).collect();
    assert_eq!(groups, ["cat gnat rat", "cat"]);
    assert_eq!(people(&roll, Role::Contact), ["2 / a@example.com b@example.com"]);
}

#[test]
fn recipient_csv_4_of_a_column_that_stands_twice_the_first_is_read() {
    let roll = read("Forename,First name,Surname\nAnn,Ann-Marie,Smith\nBen,,Cole\n,Cy,Day\n").unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith", "3 Ben/Cole", "4 /Day"]);
    assert_eq!(findings(&roll), ["1 B column_twice"]);
}

#[test]
fn recipient_csv_5_cells_without_a_header_never_fail_a_row() {
    let roll = read("Forename,,Surname,\nAnn,x,Smith,,\nBen,,Cole,,y\n").unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith", "3 Ben/Cole"]);
    assert_eq!((findings(&roll), roll.dropped_columns), (vec!["3 row_ragged".to_owned()], 0));
}

#[test]
fn recipient_csv_6_an_unknown_column_is_reported_and_never_looked_at() {
    let roll = read("Forename,Surname,Notes\nAnn,Smith,\"x\u{fffd}\"\n").unwrap();
    assert_eq!((findings(&roll), roll.dropped_columns), (vec![], 1));
}

#[test]
fn recipient_csv_7_a_table_that_names_nobody_is_refused() {
    assert_eq!(
        read("Mobile,Email,Year\n07700900123,a@example.com,3\n").map(|_| ()),
        Err(Refusal::NoPupilColumn)
    );
    for enough in [
        "Forename,Email\nAnn,a@example.com\n",
        "Surname,Email\nSmith,a@example.com\n",
        "Pupil name,Email\nAnn Smith,a@example.com\n",
    ] {
        assert!(read(enough).is_ok(), "{enough}");
    }
}

#[test]
fn recipient_csv_8_width_is_cut_at_the_last_column_that_holds_anything() {
    let commas = ",".repeat(10_000);
    let roll =
        read(&format!("Forename,Surname{commas}\n{}", format!("Ann,Smith{commas}\n").repeat(50))).unwrap();
    assert_eq!((roll.rows, findings(&roll)), (50, vec![]));
    let names = ",Email".repeat(16_382);
    let roll =
        read(&format!("Forename,Surname{names}\nAnn,Smith,a@example.com{}\n", ",".repeat(16_381))).unwrap();
    assert_eq!(people(&roll, Role::Contact), ["2 / a@example.com"]);
    // Far more columns than there can be are left behind as one.
    let roll =
        read(&format!("Forename,Surname{names}\nAnn,Smith{}\n", ",a@example.com".repeat(16_382))).unwrap();
    assert_eq!((roll.dropped_columns, roll.findings.len()), (1, 1));
}

#[test]
fn recipient_csv_9_no_rows() {
    for (text, refusal) in [
        ("", Refusal::EmptyFile),
        (" \r\n\t", Refusal::EmptyFile),
        ("Forename,Surname", Refusal::HeaderOnly),
        ("Forename,Surname\r\n\r\n,\r\n", Refusal::HeaderOnly),
        ("\u{feff}\u{200b}Forename\u{200b},Surname\n", Refusal::HeaderOnly),
    ] {
        assert_eq!(read(text).map(|_| ()), Err(refusal), "{text:?}");
    }
}

#[test]
fn recipient_csv_10_empty_rows_count_and_those_at_the_end_are_none() {
    let roll = read("Forename,Surname\n\nAnn,Smith\n,\n\u{200b}, \nBen,Cole\n\n,\n , \n").unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["3 Ann/Smith", "6 Ben/Cole"]);
    assert_eq!(findings(&roll), ["4 row_empty"]);
}

#[test]
fn recipient_csv_11_what_cannot_be_seen_does_not_matter() {
    for before in
        [" ", "\t", "\n", "\r", "\u{feff}", "\u{180e}", "\u{200b}", "\u{200c}", "\u{200d}", "\u{2060}"]
    {
        let text = format!("{before}Forename,Sur\u{200b}name,Date of\nbirth\n");
        let roll = read(&text.replace("of\nb", "of b")).map(|_| ());
        assert_eq!(roll, Err(Refusal::HeaderOnly), "{before:?}");
    }
    let roll = read("Forename,\"Sur\nname\",DOB,Email\nAnn\u{200b},\u{a0}Smith\u{202f},\u{feff}27/01/2015\u{200d}, a@example.com\u{2060}\n").unwrap();
    assert_eq!(
        (people(&roll, Role::Pupil), born(&roll)),
        (vec!["2 Ann/Smith".to_owned()], vec!["2015-01-27".to_owned()])
    );
    assert_eq!(people(&roll, Role::Contact), ["2 / a@example.com"]);
}

#[test]
fn recipient_csv_13_a_row_too_many_is_refused() {
    let text = |rows: usize| format!("Forename,Surname\n{}", "A,B\n".repeat(rows));
    assert_eq!(read(&text(MAX_ROWS)).map(|roll| roll.rows), Ok(MAX_ROWS));
    assert_eq!(read(&text(MAX_ROWS + 1)).map(|_| ()), Err(Refusal::TooManyRows));
}

#[test]
fn recipient_csv_14_every_row_is_looked_at() {
    let roll = read(&format!(
        "Forename,Surname,Email\n{}Ben,Cole,nothing\n",
        "Ann,Smith,a@example.com\n".repeat(499)
    ))
    .unwrap();
    assert_eq!(findings(&roll), ["501 C email_invalid"]);
}

#[test]
fn recipient_csv_15_records_are_the_same_however_often_they_are_read() {
    let table = Delimited::open(b"a,b\n\n1,\"2\n3\"\n,\n4").unwrap();
    let all = || {
        let mut all = Vec::new();
        let visit = &mut |number, cells: Cells<'_>| {
            all.push((number, cells.iter().collect::<Vec<_>>().join("|")));
            Ok(())
        };
        table.each(visit).unwrap();
        all
    };
    assert_eq!(all(), all());
}

#[test]
fn recipient_csv_16_what_is_missing_is_not_what_is_wrong() {
    let roll = read(
        "Forename,Surname,Contact Forename,Contact Surname,Email,Mobile\nAnn,Smith,Jo,Smith,,\nBen,Cole,Di,Cole,x,12\n",
    )
    .unwrap();
    // Nothing is wrong with an empty cell.
    assert_eq!(findings(&roll), ["3 E email_invalid", "3 F phone_invalid"]);
    let unusable: Vec<_> =
        roll.of(Role::Contact).map(|(_, entry)| (entry.row, entry.value.unusable_contact_point)).collect();
    assert!(unusable.contains(&(2, false)) && unusable.contains(&(3, true)), "{unusable:?}");
}

#[test]
fn recipient_csv_17_numbers_are_accepted_however_they_are_written() {
    for raw in [
        "07700 900123",
        "7700900123",
        "447700900123",
        "+447700900123",
        "00447700900123",
        "+44 (0)7700 900123",
        "(07700)900-123",
        "\u{200b}07700\t900123\u{feff}",
        "07700\u{a0}900\u{202f}123",
        "0+44(0)7700900123",
        "+07700900123",
    ] {
        let number = cell::phone(raw).unwrap().unwrap().number;
        assert_eq!(number.expose(), "+447700900123", "{raw}");
    }
    let abroad = cell::phone("0033122334455").unwrap().unwrap().number;
    assert_eq!(abroad.expose(), "+33122334455");
    // Without plus or zeros it is not guessed which country it is of.
    assert_eq!(cell::phone("1-202-555-0104").map(|_| ()), Err(Code::PhoneInvalid));
}

#[test]
fn recipient_csv_18_each_kind_of_number_that_is_none_has_a_code_of_its_own() {
    for (raw, code) in [
        ("079OO900123", Code::PhoneLetters),
        ("07\";DROP TABLE;\"", Code::PhoneLetters),
        ("112", Code::PhoneInvalid),
        ("0900 123 4567", Code::PhoneInvalid),
        ("4.47701E+11", Code::PhoneUnrecoverable),
        ("07000000000", Code::PhonePlaceholder),
    ] {
        assert_eq!(cell::phone(raw).map(|_| ()), Err(code), "{raw}");
    }
    for (raw, kind, is_drama) in [
        ("07700 900999", PhoneKind::Mobile, true),
        ("07700 300123", PhoneKind::Mobile, false),
        ("07797 292290", PhoneKind::Mobile, false),
        ("020 7946 0991", PhoneKind::Landline, false),
        ("+33122334455", PhoneKind::International, false),
    ] {
        let number = PhoneNumber::parse(raw).unwrap().number;
        assert_eq!((number.kind(), number.is_drama()), (kind, is_drama), "{raw}");
    }
    // A landline is kept, and where a mobile was to be it is told.
    let roll = read("Forename,Surname,Mobile,Telephone\nAnn,Smith,01632 960123,020 7946 0991\n").unwrap();
    assert_eq!(findings(&roll), ["2 C phone_landline"]);
}

#[test]
fn recipient_csv_21_addresses() {
    let long =
        |local: usize, label: usize| format!("{}@{}.example.com", "a".repeat(local), "b".repeat(label));
    for (raw, is_one) in [
        ("Ann.O'Neill+school@Example.co.uk", true),
        ("a@m\u{fc}nchen.example", true),
        ("a@example.museum", true),
        ("a@example.xn--p1ai", true),
        (&long(64, 63), true),
        (&long(64, 64), false),
        (&long(321, 3), false),
        ("a..b@example.com", false),
        ("\"a\"@example.com", false),
        ("a;b@example.com", false),
        ("a@example", false),
        ("a@example.c", false),
        ("a@example.c0m", false),
        ("a@exam_ple.com", false),
    ] {
        assert_eq!(cell::email(raw).is_ok(), is_one, "{raw}");
    }
    let kept = cell::email("Ann.O'Neill+school@Example.co.uk").unwrap().unwrap().0;
    assert_eq!(kept.expose(), "ann.o'neill+school@example.co.uk");
}

#[test]
fn recipient_csv_24_a_visitor_can_stop() {
    let table = Delimited::open(b"a,b\n1,2\n3,4\n").unwrap();
    let mut seen = 0;
    let result = table.each(&mut |_, _| {
        seen += 1;
        if seen == 2 { Err(Refusal::TooManyRows) } else { Ok(()) }
    });
    assert_eq!((result, seen), (Err(Refusal::TooManyRows), 2));
}
