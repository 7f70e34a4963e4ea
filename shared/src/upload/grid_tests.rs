//! Tables as schools send them, and what each gives.

use std::collections::BTreeSet;

use compact_str::CompactString;
use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::{
    person::{
        Person,
        guardianship::{Link, Relationship, RelationshipText, Responsibility},
    },
    privacy::agreement::Agreement,
    upload::{
        column::Mapped,
        delimited::{Delimited, tests::samples},
        roll::{Entry, Roll},
    },
};

fn agreement() -> Agreement {
    use Field::{
        AddressConfidential, Class, DateOfBirth, Deceased, Email, EmergencyContact, FamilyName,
        FormerFamilyName, GivenName, Groups, Landline, LeavingDate, Mobile, ParentalResponsibility,
        PreferredFamilyName, PreferredGivenName, Priority, Relationship, Restricted, SourceId, StartDate,
        Title, Upn, YearGroup,
    };
    let pupil = [
        GivenName,
        FamilyName,
        PreferredGivenName,
        PreferredFamilyName,
        FormerFamilyName,
        SourceId,
        Upn,
        YearGroup,
        Class,
        Groups,
        DateOfBirth,
        StartDate,
        LeavingDate,
        Deceased,
    ];
    let contact = [
        Title,
        GivenName,
        FamilyName,
        SourceId,
        Relationship,
        Email,
        Mobile,
        Landline,
        Priority,
        ParentalResponsibility,
        EmergencyContact,
        Restricted,
        AddressConfidential,
        Deceased,
    ];
    let staff = [Title, GivenName, FamilyName, SourceId, Email, Mobile];
    Agreement {
        fields: BTreeMap::from([
            (Role::Pupil, BTreeSet::from(pupil)),
            (Role::Contact, BTreeSet::from(contact)),
            (Role::Staff, BTreeSet::from(staff)),
        ]),
        signed_on: date(2026, 9, 1),
    }
}

fn read_with(text: &str, mapping: &Mapping, agreement: &Agreement) -> Result<Roll, Refusal> {
    let mut intake = Intake::new(agreement, date(2026, 11, 22));
    super::read(&Delimited::open(text.as_bytes())?, mapping, &mut intake)?;
    intake.finish()
}

fn read(text: &str) -> Result<Roll, Refusal> {
    read_with(text, &Mapping::default(), &agreement())
}

/// `row column code`, without the columns that are left behind and what the families lack.
fn findings(roll: &Roll) -> Vec<String> {
    let others = ["column_unknown", "column_not_agreed", "no_contact"];
    let findings = roll.findings.iter().filter(|finding| !others.contains(&finding.code.as_str()));
    findings
        .map(|finding| format!("{} {} {}", finding.row, finding.column, finding.code).replace("  ", " "))
        .collect()
}

/// Everybody in a role: `row given/family`, and where they can be reached.
fn people(roll: &Roll, of: Role) -> Vec<String> {
    let shown = |entry: &Entry<std::sync::Arc<Person>>| {
        let Person { name, emails, phones, .. } = &*entry.value;
        let mut words = vec![format!("{} {}/{}", entry.row, name.given(), name.family())];
        words.extend(emails.iter().map(|email| email.expose().to_owned()));
        words.extend(phones.iter().map(|phone| phone.expose().to_owned()));
        (entry.row, words.join(" "))
    };
    let mut people: Vec<_> = roll.of(of).map(|(_, entry)| shown(entry)).collect();
    people.sort();
    people.into_iter().map(|(_, text)| text).collect()
}

fn pupils(text: &str) -> Vec<String> {
    people(&read(text).unwrap(), Role::Pupil)
}

/// The pupils' dates of birth.
fn born(roll: &Roll) -> Vec<String> {
    let mut born: Vec<_> =
        roll.of(Role::Pupil).map(|(_, entry)| (entry.row, entry.value.date_of_birth)).collect();
    born.sort();
    born.into_iter().map(|(_, born)| born.map(|born| born.expose().to_string()).unwrap_or_default()).collect()
}

fn links(roll: &Roll) -> Vec<&Link> {
    roll.links.iter().map(|(_, entry)| &entry.value).collect()
}

#[path = "layout_tests.rs"]
mod layouts;
#[path = "recipient_csv_tests.rs"]
mod recipient_csv;

#[test]
fn a_column_outside_the_agreement_never_gets_past_the_header() {
    let agreement = Agreement {
        fields: BTreeMap::from([
            (Role::Pupil, BTreeSet::from([Field::GivenName, Field::FamilyName, Field::SourceId])),
            (Role::Contact, BTreeSet::from([Field::Email])),
        ]),
        signed_on: date(2026, 9, 1),
    };
    let text =
        "Forename,Surname,Gender,Postcode,Shoe size,Email,\r\nAnn,Smith,F,ZZ1 1ZZ,31,a@example.com,\r\n";
    let roll = read_with(text, &Mapping::default(), &agreement).unwrap();
    assert_eq!(roll.dropped_columns, 3);
    assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith"]);
    assert_eq!(people(&roll, Role::Contact), ["2 / a@example.com"]);
    let found: Vec<_> =
        roll.findings.iter().map(|finding| (finding.column.as_str(), finding.code.as_str())).collect();
    assert_eq!(found, [("C", "column_not_agreed"), ("D", "column_not_agreed"), ("E", "column_unknown")]);
}

#[test]
fn refusals() {
    for (text, refusal) in [
        ("Forename,Surname\n", Refusal::HeaderOnly),
        ("Forename,Surname\n,\n , \n", Refusal::HeaderOnly),
        (",,\n,\n", Refusal::EmptyFile),
        ("x,y\n1,2\n", Refusal::NoKnownColumn),
        ("Email\na@example.com\n", Refusal::NoPupilColumn),
        ("Email,Mobile\na@example.com,07700900123\n", Refusal::NoPupilColumn),
    ] {
        assert_eq!(read(text).map(|_| ()), Err(refusal), "{text}");
    }
}

#[test]
fn rows_keep_their_spreadsheet_numbers() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["Forename,Surname", "Ann,\"Smi|th\"", "", ",", "Ben,Cole,extra", "", "", "Cy,Day", "Di"]
            .join(end)
            .replace('|', end);
        let roll = read(&text).unwrap();
        // The line break in quotes does not make a row; the empty lines do.
        assert_eq!(
            people(&roll, Role::Pupil),
            ["2 Ann/Smi th", "5 Ben/Cole", "8 Cy/Day", "9 Di/"],
            "{end:?}"
        );
        assert_eq!(findings(&roll), ["3 row_empty", "5 row_ragged", "6 row_empty", "9 row_ragged"]);
    }
}

#[test]
fn edge_case_61_ids_are_text() {
    let roll = read("Pupil ID,Forename,Surname\n00123,Ann,Smith\n123,Ben,Cole\n1.0,Cy,Day\n").unwrap();
    let ids: Vec<_> = roll
        .of(Role::Pupil)
        .flat_map(|(_, entry)| &entry.value.source_ids)
        .map(|id| id.id.as_str())
        .collect();
    assert_eq!(ids, ["00123", "1.0", "123"]);
}

#[test]
fn edge_case_62_a_ruined_cell_is_not_used_and_a_right_one_is() {
    let roll =
        read("Forename,Surname,Class\nZoÃ«,Smith,3A\nZoë,O’Connor,Ã‰toile\nRen\u{fffd},Day,3A\n").unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["3 Zoë/O'Connor"]);
    assert_eq!(
        findings(&roll),
        ["2 name_missing", "2 A text_garbled", "3 C text_garbled", "4 name_missing", "4 A text_garbled"]
    );
    // With an id it is clear who somebody is.
    let roll = read("Pupil ID,Forename,Surname\n1,ZoÃ«,Smith\n2,RenÃ©e,Smith\n").unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["2 /Smith", "3 /Smith"]);
    // Two parents whose forenames are ruined are two, and each is reached by their own number.
    let roll = read(
        "Forename,Surname,Parent Forename,Parent Surname,Mobile\n\
         Ann,Smith,ZoÃ«,Smith,07700 900001\nAnn,Smith,RenÃ©,Smith,07700 900002\n",
    );
    assert_eq!(people(&roll.unwrap(), Role::Contact), ["2 / +447700900001", "3 / +447700900002"]);
    let mut intake_agreement = agreement();
    intake_agreement.fields.remove(&Role::Contact);
    let mut intake = Intake::new(&intake_agreement, date(2026, 11, 22));
    super::read(
        &Delimited::open(b"Forename,Surname\r\nZo\xeb,O\x92Connor\r\n").unwrap(),
        &Mapping::default(),
        &mut intake,
    )
    .unwrap();
    assert_eq!(people(&intake.finish().unwrap(), Role::Pupil), ["2 Zoë/O'Connor"]);
}

#[test]
fn a_remark_between_pupils_is_no_pupil() {
    let text = "Forename,Surname,Year\nAnn,Lee,3\n* pupil premium,,\nData correct as of 01/09/2026,,\nAll of these children go home by bus,,\n\
                D'Arcy,,\nMary Jane Anna Rose,,\n,Kay,\n†,Day,4\n";
    let roll = read(text).unwrap();
    assert_eq!(
        people(&roll, Role::Pupil),
        ["2 Ann/Lee", "6 D'Arcy/", "7 Mary Jane Anna Rose/", "8 /Kay", "9 †/Day"]
    );
    assert_eq!(findings(&roll), ["3 row_skipped", "4 row_skipped", "5 row_skipped"]);
    // A whole name has more words, and may begin with what nobody sees.
    let roll =
        read("Name,Year,Class\nAnn Lee,3,A\nMaria Eduarda dos Santos Silva,,\n\u{200f}Bob Kay,,\n").unwrap();
    assert_eq!(people(&roll, Role::Pupil).len(), 3);
}

#[test]
fn edge_case_63_titles_instructions_totals_and_repeated_headers_are_passed_over() {
    let text = "Oakfield School\nPupils on roll,21/11/2026\n\nForename,Surname,Year,DOB\nRequired,Required,Optional,Optional\n\
                Ann,Smith,3,27/01/2019\nForename,Surname,Year,DOB\nBen,Cole,4,28/01/2018\nTotal,Cole,4,28/01/2018\n\
                Required,Field,4,28/01/2018\n\nNumber of students: 412\nTotal:,412\nPage 1 of 1\n";
    let roll = read(text).unwrap();
    assert_eq!(
        people(&roll, Role::Pupil),
        ["6 Ann/Smith", "8 Ben/Cole", "9 Total/Cole", "10 Required/Field"]
    );
    assert_eq!(
        findings(&roll),
        [
            "1 row_skipped",
            "2 row_skipped",
            "5 row_skipped",
            "7 row_skipped",
            "12 row_skipped",
            "13 row_skipped",
            "14 row_skipped"
        ]
    );
    // Somebody's name is nobody's total.
    assert_eq!(pupils("Forename,Surname\nCount,Dracula\nPage,\nTotal,Recall\n").len(), 3);
}

#[test]
fn edge_case_63_a_table_from_excel_as_unicode_text_with_all_there_is() {
    let text = "sep=;\r\nSIMS report;;;\r\n\r\nForename;Surname;DOB;;\r\nZoë;O’Connor;27/01/2015;;\r\n;;;;\r\nBen;\"Smi;th\";03/04/2015\r\n\r\nNumber of students: 2\r\n";
    let bytes: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let table = Delimited::open(&bytes).unwrap();
    let agreement = agreement();
    let mut intake = Intake::new(&agreement, date(2026, 11, 22));
    super::read(&table, &Mapping::default(), &mut intake).unwrap();
    let roll = intake.finish().unwrap();
    assert_eq!(table.encoding, "utf-16le");
    assert_eq!(people(&roll, Role::Pupil), ["4 Zoë/O'Connor", "6 Ben/Smi;th"]);
    assert_eq!(born(&roll), ["2015-01-27", "2015-04-03"]);
    assert_eq!(findings(&roll), ["1 row_skipped", "5 row_empty", "8 row_skipped"]);
}

#[test]
fn what_says_neither_yes_nor_no_protects_the_child_and_is_told() {
    let head = "Forename,Surname,Deceased,Contact Forename,Contact Surname,PR,Emergency contact,Court order,Withhold address,Contact deceased\n";
    let roll = read(&format!(
        "{head}Ann,Smith,,Jo,Smith,see file,perhaps,see file,ask,?\nBen,Cole,?,Di,Cole,Unknown,N,No,,01/02/2026\nCy,Day,,Al,Day,T,x,,0,F\n"
    ))
    .unwrap();
    assert_eq!(
        findings(&roll),
        [
            "2 F word_unclear",
            "2 G word_unclear",
            "2 H word_unclear",
            "2 I word_unclear",
            "2 J word_unclear",
            "3 C word_unclear",
        ]
        .map(str::to_owned)
    );
    let told: Vec<_> = links(&roll)
        .iter()
        .map(|link| {
            (link.parental_responsibility, link.emergency_contact, link.restricted, link.address_confidential)
        })
        .collect();
    let expected = [
        (Responsibility::Unknown, false, true, true),
        (Responsibility::Unknown, false, false, false),
        (Responsibility::Yes, true, false, false),
    ];
    assert!(expected.iter().all(|one| told.contains(one)), "{told:?}");
}

#[test]
fn findings_name_the_columns_that_are_known_and_no_others() {
    let text =
        "Forename,Surname,Form class,  Date of  Birth ,First name,Gender\nAnn,Smith,x,31/02/2018,y,F\n";
    let roll = read(text).unwrap();
    let told: Vec<_> = roll
        .findings
        .iter()
        .map(|finding| [&finding.column, &finding.header, &finding.code].map(CompactString::as_str))
        .collect();
    assert_eq!(
        told,
        [
            ["C", "", "column_unknown"],
            ["E", "First name", "column_twice"],
            ["F", "Gender", "column_not_agreed"],
            ["D", "Date of Birth", "date_invalid"],
        ]
    );
}

#[test]
fn a_relationship_that_has_no_word_here_keeps_its_own() {
    let roll = read("Forename,Surname,Relationship,Contact Forename,Contact Surname\nAnn,Smith, Child  minder ,Jo,Smith\nAnn,Smith,Mum,Di,Smith\nAnn,Smith,N/A,Al,Smith\n").unwrap();
    let mut told: Vec<_> = links(&roll)
        .iter()
        .map(|link| (link.relationship, link.relationship_text.as_ref().map(RelationshipText::expose)))
        .collect();
    told.sort_by_key(|(_, text)| text.is_none());
    assert_eq!(told[0], (Relationship::Other, Some("Child minder")));
    assert!(told[1..].contains(&(Relationship::Mother, None)), "{told:?}");
    assert!(told[1..].contains(&(Relationship::Unknown, None)), "{told:?}");
}

#[test]
fn date_order_is_decided_by_column() {
    let table = |dates: &[&str]| {
        let rows: Vec<_> = (1..).zip(dates).map(|(id, date)| format!("{id},P{id},Q,{date}")).collect();
        read(&format!("ID,Forename,Surname,DOB\n{}", rows.join("\n"))).unwrap()
    };
    for (dates, expected, found) in [
        (&["03/04/2016", "27/01/2015"][..], &["2016-04-03", "2015-01-27"][..], &[][..]),
        (&["03/04/2016", "01/27/2015", "3/4/16"], &["2016-03-04", "2015-01-27", "2016-03-04"], &[]),
        (&["03/04/2016", "05/05/2016"], &["2016-04-03", "2016-05-05"], &["1 D date_order_assumed"]),
        (&["05/05/2016", "2016-03-04", "", "42031"], &["2016-05-05", "2016-03-04", "", "2015-01-27"], &[]),
        (
            &["03/04/2016", "01/27/2015", "27/01/2015", "4 May 2016", "soon"],
            &["", "2015-01-27", "2015-01-27", "2016-05-04", ""],
            &["1 D date_order_mixed", "6 D date_invalid"],
        ),
        (&["01/01/1900", "27/01/2015"], &["", "2015-01-27"], &["2 D date_placeholder"]),
        (&["01/27/2015", "02/30/2015"], &["2015-01-27", ""], &["3 D date_invalid"]),
    ] {
        let roll = table(dates);
        assert_eq!(
            (born(&roll), findings(&roll)),
            (
                expected.iter().map(|s| (*s).to_owned()).collect(),
                found.iter().map(|s| (*s).to_owned()).collect()
            ),
            "{dates:?}"
        );
        assert_eq!(
            roll.held,
            found.contains(&"1 D date_order_mixed").then_some(HeldBecause::MixedDateOrder),
            "{dates:?}"
        );
    }
    // Each column by itself, and only what is agreed.
    let roll = read("Forename,Surname,DOB,Date of admission,DOL\nAnn,Smith,01/27/2015,27/01/2020,01/02/27\n")
        .unwrap();
    let (_, ann) = roll.of(Role::Pupil).next().unwrap();
    assert_eq!((ann.value.starts_on, ann.value.leaves_on), (Some(date(2020, 1, 27)), Some(date(2027, 2, 1))));
    assert_eq!(
        (born(&roll), findings(&roll)),
        (vec!["2015-01-27".to_owned()], vec!["1 E date_order_assumed".to_owned()])
    );
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in "(Forename,Surname,DOB,Email\n|Name;Mother Email;Contact 2 Name\n)?(?s:.{0,200})") {
        let _ = read(&text);
    }

    /// A good file with something wrong in it.
    #[test]
    fn no_slip_makes_reading_panic(at in 0usize..230, slip in "[\",;\n\r\u{0}é0-9a-z]{0,3}", cut in 0usize..4) {
        let good = "Oak School\nID,Forename,Surname,DOB,Contact1Name,Contact1Email,Mother Name,Court order\n\nOptional\n\
                    1,Ann,\"Smith, B\",27/01/2015,Jo Jones,jo@example.com,\"Jones, Jo\",Y\n2,Ben,Cole,03/04/2015,,,,\nTotal: 2\n";
        let (at, end) = (at.min(good.len()), (at + cut).min(good.len()));
        let _ = read(&format!("{}{slip}{}", &good[..at], &good[end..]));
    }
}
