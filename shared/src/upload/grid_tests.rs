//! Tables as schools send them, and what each gives.

use std::collections::BTreeSet;

use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::{
    person::{
        Person,
        guardianship::{Link, Relationship, Responsibility},
    },
    privacy::agreement::Agreement,
    upload::{
        column::Mapped,
        delimited::Delimited,
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
    let shown = |entry: &Entry<Person>| {
        let Person { name, emails, phones, .. } = &entry.value;
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
    roll.links.values().map(|entry| &entry.value).collect()
}

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
    assert_eq!(people(&roll, Role::Pupil), ["2 /Smith", "3 Zoë/O'Connor", "4 /Day"]);
    assert_eq!(findings(&roll), ["2 A text_garbled", "3 C text_garbled", "4 A text_garbled"]);
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

#[test]
fn schoolcomms_has_no_header_and_says_who_everybody_is() {
    let text = "1500, Vince, Ancram, 1A, 1, 2\n1501, Meg, Bennet, 1B, 1, 1\n1502, Brian, Blunt, 2A,2,1\n1503, Pat, Chips, , , 4\n1504, Polly, Chips, , , 6\n";
    let roll = read(text).unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["2 Meg/Bennet", "3 Brian/Blunt"]);
    assert_eq!(people(&roll, Role::Staff), ["1 Vince/Ancram"]);
    assert_eq!(findings(&roll), ["4 role_not_agreed", "5 role_unknown"]);
    let (_, meg) = roll.of(Role::Pupil).next().unwrap();
    assert_eq!((meg.value.class.as_deref(), meg.value.year_group.as_deref()), (Some("1B"), Some("1")));
    assert_eq!(meg.value.source_ids[0].id, "1501");
}

#[test]
fn a_file_in_the_shape_of_the_template_needs_no_header() {
    let text = "Ann,Smith,1,3,3A,27/01/2019,F,Mother,Mrs,Jo,Smith,9,jo@example.com,07700900123,,1,High St,,Town,,ZZ1 1ZZ,1\n\
                Ben,Cole,2,3,3A,03/04/2019,M,,,,,,,,,,,,,,,\n";
    let roll = read(text).unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["1 Ann/Smith", "2 Ben/Cole"]);
    assert_eq!(people(&roll, Role::Contact), ["1 Jo/Smith jo@example.com +447700900123"]);
    assert_eq!(
        (born(&roll), findings(&roll), roll.dropped_columns),
        (vec!["2019-01-27".to_owned(), "2019-04-03".to_owned()], vec![], 8)
    );
    let other = text.replace("27/01/2019", "Oak").replace("03/04/2019", "Elm");
    assert_eq!(read(&other).map(|_| ()), Err(Refusal::NoPupilColumn));
}

#[test]
fn school_booking_names_pupil_and_contact_alike() {
    let text = "ID,Forename,Surname,ID,(Contact) Priority,Parental responsibility,Lives with Pupil,Title,Forename,Surname,(Contact) Home Email,Main Telephone,Primary Email,Mobile number,ID,(Class) Class Name\n\
                1,Ann,Smith,9,1,T,T,Mrs,Jo,Jones,jo@example.com,01632960123,jo2@example.com,07700900123,77,3A\n\
                1,Ann,Smith,8,2,F,F,Mr,Al,Smith,,,,07700900124,77,3A\n";
    let roll = read(text).unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith"]);
    assert_eq!(
        people(&roll, Role::Contact),
        ["2 Jo/Jones jo@example.com jo2@example.com +447700900123 +441632960123", "3 Al/Smith +447700900124"]
    );
    let (_, ann) = roll.of(Role::Pupil).next().unwrap();
    assert_eq!((ann.value.class.as_deref(), ann.value.source_ids[0].id.as_str()), (Some("3A"), "1"));
    let mut told: Vec<_> =
        links(&roll).iter().map(|link| (link.priority, link.parental_responsibility)).collect();
    told.sort_by_key(|(priority, _)| *priority);
    assert_eq!(told, [(Some(1), Responsibility::Yes), (Some(2), Responsibility::No)]);
    assert_eq!(findings(&roll), ["1 O column_twice"]);
    // A forename that stands twice is no contact's where there is none.
    assert_eq!(
        people(&read("Forename,Surname,Forename,Surname\nAnn,Smith,Jo,Jones\n").unwrap(), Role::Contact)
            .len(),
        0
    );
}

#[test]
fn one_row_a_pupil_with_several_contacts() {
    for (header, row) in [
        (
            "Forename,Surname,Contact1FirstName,Contact1Surname,Contact1Phone,Contact2FirstName,Contact2Surname,Contact2Phone,Contact3FirstName,Contact3Surname,Contact3Phone",
            "Ann,Smith,Jo,Jones,07700900123,Al,Smith,07700900124,,,",
        ),
        (
            "Forename,Surname,Parent 1 Name,Parent 1 Mobile,Parent 2 Name,Parent 2 Mobile",
            "Ann,Smith,\"Jones, Mrs Jo\",07700900123,Mr Al Smith,07700900124",
        ),
        (
            "Forename,Surname,Contact Forename,Contact Surname,Contact Mobile,Contact Forename 2,Contact Surname 2,Contact Mobile 2",
            "Ann,Smith,Jo,Jones,07700900123,Al,Smith,07700900124",
        ),
        (
            "Forename,Surname,Mother Name,Mother Mobile,Father Name,Father Mobile",
            "Ann,Smith,Jo Jones,07700900123,Al Smith,07700900124",
        ),
    ] {
        let roll =
            read(&format!("{header}\n{row}\nBen,Cole{}\n", ",".repeat(header.matches(',').count() - 1)))
                .unwrap();
        assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith", "3 Ben/Cole"], "{header}");
        assert_eq!(
            people(&roll, Role::Contact),
            ["2 Al/Smith +447700900124", "2 Jo/Jones +447700900123"],
            "{header}"
        );
        assert_eq!((roll.rows, findings(&roll), roll.dropped_columns), (2, vec![], 0), "{header}");
        let expected = if header.contains("Mother") {
            [Relationship::Mother, Relationship::Father]
        } else {
            [Relationship::Unknown; 2]
        };
        assert!(
            expected.iter().all(|one| links(&roll).iter().any(|link| link.relationship == *one)),
            "{header}"
        );
    }
    // A restriction that does not say of whom holds for everybody; a number that does not say whose is nobody's.
    let roll = read("Forename,Surname,Court order,Home phone,Contact1Forename,Contact2Forename\nAnn,Smith,Y,01632960123,Jo,Al\n").unwrap();
    assert!(links(&roll).iter().all(|link| link.restricted) && links(&roll).len() == 2);
    assert_eq!(people(&roll, Role::Contact), ["2 Al/", "2 Jo/"]);
    assert_eq!(roll.dropped_columns, 1);
    // What the agreement does not list is not implied either.
    let mut narrow = agreement();
    narrow.fields.get_mut(&Role::Contact).unwrap().remove(&Field::Relationship);
    let roll =
        read_with("Forename,Surname,Mother Email\nAnn,Smith,jo@example.com\n", &Mapping::default(), &narrow)
            .unwrap();
    assert_eq!((links(&roll)[0].relationship, roll.dropped_columns), (Relationship::Unknown, 0));
}

#[test]
fn names_beyond_forename_and_surname() {
    let roll =
        read("Legal Forename,Legal Surname,Forename,Surname,Former Surname\nAnnabel,Smith,Ann,Jones,Cole\n")
            .unwrap();
    let (_, ann) = roll.of(Role::Pupil).next().unwrap();
    let preferred = ann.value.preferred_name.as_ref().unwrap();
    assert_eq!(
        (ann.value.name.expose(), preferred.expose()),
        ("Annabel Smith".to_owned(), "Ann Jones".to_owned())
    );
    assert_eq!(ann.value.former_family_name.as_deref(), Some("Cole"));
    for (name, parts) in [
        ("Smith, Ann", ("Ann", "Smith")),
        ("Smith, Mrs Ann Jo", ("Ann Jo", "Smith")),
        ("Ann Smith", ("Ann", "Smith")),
        ("Mary Ann Smith", ("Mary Ann", "Smith")),
        ("Anna van der Berg", ("Anna", "van der Berg")),
        ("Mrs A. Smith", ("A.", "Smith")),
        ("Mrs Smith", ("", "Smith")),
        ("Mr & Mrs Smith", ("", "Smith")),
        ("Ann", ("Ann", "")),
        ("Mrs", ("Mrs", "")),
        ("de Souza", ("", "de Souza")),
        ("  ", ("", "")),
        (",", ("", "")),
    ] {
        let (given, family) = whole_name(name);
        assert_eq!((given.trim(), family.trim()), parts, "{name}");
    }
    assert_eq!(pupils("Name,Class\n\"Smith, Ann\",3A\nBen Cole,3A\n"), ["2 Ann/Smith", "3 Ben/Cole"]);
    assert_eq!(pupils("Name,Surname\nAnn,Smith\n"), ["2 Ann/Smith"]);
}

#[test]
fn colleagues_have_columns_of_their_own() {
    let roll = read("Staff code,Staff forename,Staff surname,Staff email,Governor email\nX1,Vi,Head,vi@example.com,g@example.com\n").unwrap();
    assert_eq!(people(&roll, Role::Staff), ["2 Vi/Head vi@example.com"]);
    assert_eq!((people(&roll, Role::Governor).len(), roll.dropped_columns), (0, 1));
}

#[test]
fn a_schools_own_names_beat_ours() {
    let column = |role, field| Mapped::Column(Column { role, field });
    let mapping: Mapping = [
        ("Kid", column(Role::Pupil, Field::GivenName)),
        ("Tribe", column(Role::Pupil, Field::FamilyName)),
        ("Email", Mapped::Ignore),
        ("House", column(Role::Pupil, Field::Class)),
    ]
    .into_iter()
    .collect();
    let text = "Class,House,KID,Tribe,E-mail,Forename\n3A,Oak,Ann,Smith,a@example.com,Wrong\n";
    let roll = read_with(text, &mapping, &agreement()).unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith"]);
    assert_eq!(roll.of(Role::Pupil).next().unwrap().1.value.class.as_deref(), Some("Oak"));
    assert_eq!(
        (people(&roll, Role::Contact).len(), findings(&roll)),
        (0, vec!["1 A column_twice".to_owned(), "1 F column_twice".to_owned()])
    );
}

#[test]
fn columns_of_the_known_systems() {
    for (header, row) in [
        ("Forename,Surname,Year,Reg,UPN", "Ann,Smith,3,3A,B801200005001"),
        ("First name,Last name,Year group,Registration form", "Ann,Smith,3,3A"),
        ("FirstName,LastName,YearGroup,Form,StudentEmail", "Ann,Smith,3,3A,ann@example.com"),
        ("Adno,Legal Surname,Legal Forename,Reg Group,NC Year", "7,Smith,Ann,3A,3"),
        (
            "Pupil ID,Pupil First Name,Pupil Last Name,Contact First Name,Contact Last Name,Contact ID,Phone,Mobile,Priority,Email",
            "1,Ann,Smith,Jo,Jones,9,,07700900123,1,a@example.com",
        ),
    ] {
        let roll = read(&format!("{header}\n{row}\n")).unwrap();
        assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith"], "{header}");
        assert!(roll.findings.iter().all(|finding| finding.code == "column_not_agreed"), "{header}");
    }
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
