use std::collections::BTreeMap;

use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::{
    person::guardianship::{Relationship, Responsibility},
    privacy::agreement::Agreement,
    upload::{
        finding::letters,
        roll::{Identity, Roll},
        store::Scope,
    },
};

const FIELDS: [Field; 19] = [
    Field::Title,
    Field::GivenName,
    Field::FamilyName,
    Field::PreferredGivenName,
    Field::PreferredFamilyName,
    Field::FormerFamilyName,
    Field::DateOfBirth,
    Field::YearGroup,
    Field::Class,
    Field::Upn,
    Field::Email,
    Field::Mobile,
    Field::Landline,
    Field::Relationship,
    Field::Priority,
    Field::ParentalResponsibility,
    Field::Restricted,
    Field::Deceased,
    Field::SourceId,
];

fn agreement() -> Agreement {
    Agreement {
        fields: [Role::Pupil, Role::Contact].map(|role| (role, FIELDS.into())).into(),
        signed_on: date(2026, 9, 1),
    }
}

fn roll(bytes: &[u8]) -> Result<Roll, Refusal> {
    let agreement = agreement();
    let mut intake = Intake::new(&agreement, date(2026, 11, 22));
    read(bytes, &mut intake)?;
    intake.finish()
}

/// What was found: row, element, code.
fn found(roll: &Roll) -> Vec<(u32, &str, &str)> {
    roll.findings.iter().map(|f| (f.row, f.column.as_str(), f.code.as_str())).collect()
}

/// Two pupils, three contacts.
const FILE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- made up -->
<CTfile xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <Header>
    <DocumentName>Common Transfer File</DocumentName>
    <CTFversion>25.0</CTFversion>
    <DateTime>2026-07-14T09:30:00</DateTime>
    <DocumentQualifier>full</DocumentQualifier>
    <SourceSchool><LEA>990</LEA><Estab>0001</Estab><SchoolName>Oakfield</SchoolName></SourceSchool>
  </Header>
  <CTFpupilData>
    <Pupil>
      <UPN>P207000016049</UPN>
      <Surname>O&apos;Brien</Surname>
      <Forename>Zo&#xEB;</Forename>
      <DOB>2016-01-27</DOB>
      <Sex>F</Sex>
      <BasicDetails>
        <FormerUPN>M80120000500A</FormerUPN>
        <PreferredForename>Zo</PreferredForename>
        <FormerSurname>Smith</FormerSurname>
        <MiddleNames>Ann</MiddleNames>
        <NCyearActual>5</NCyearActual>
      </BasicDetails>
      <LookedAfter><InCare>true</InCare><CareAuthority>990</CareAuthority></LookedAfter>
      <Address><BS7666Address><PAON>1</PAON><Street>Elm Road</Street></BS7666Address><PostCode>ZZ1 1ZZ</PostCode></Address>
      <Phones><Phone><TelephoneType>H</TelephoneType><PhoneNo>01632 960001</PhoneNo></Phone></Phones>
      <Email>somebody@example.com</Email>
      <Contacts>
        <Contact>
          <Order>1</Order>
          <Title>Ms</Title>
          <Surname>O'Brien</Surname>
          <Forename>Mary</Forename>
          <Gender>F</Gender>
          <Relationship>PAM</Relationship>
          <Responsibility>TRUE</Responsibility>
          <Address><AddressAsPupil>true</AddressAsPupil></Address>
          <Phones>
            <Phone><TelephoneType>H</TelephoneType><PhoneNo>020 7946 0001</PhoneNo></Phone>
            <Phone><TelephoneType>F</TelephoneType><PhoneNo>020 7946 0002</PhoneNo></Phone>
            <Phone><TelephoneType>M</TelephoneType><PhoneNo>07700 900111</PhoneNo></Phone>
          </Phones>
          <Email><![CDATA[mary@example.com]]></Email>
        </Contact>
        <Contact>
          <Order>2</Order>
          <Surname>Cole</Surname>
          <Forename>Jan</Forename>
          <Relationship>SWR</Relationship>
          <Responsibility>false</Responsibility>
          <Email>jan@example.com</Email>
        </Contact>
      </Contacts>
      <Attendance><YearData><Year>2026</Year></YearData></Attendance>
    </Pupil>
    <Pupil>
      <UPN>B801200005001</UPN><Surname>Day</Surname><Forename>Cy</Forename><DOB>2015-09-03</DOB><Gender>M</Gender>
    </Pupil>
  </CTFpupilData>
</CTfile>
"#;

#[test]
fn edge_case_16_a_transfer_file_becomes_families() {
    let roll = roll(FILE.as_bytes()).unwrap();
    assert_eq!(roll.rows, 2);
    let pupils: Vec<_> = roll.of(Role::Pupil).map(|(_, entry)| &entry.value).collect();
    let zoe = pupils.iter().find(|pupil| pupil.name.given() == "Zoë").unwrap();
    assert_eq!(zoe.name.family(), "O'Brien");
    assert_eq!(zoe.preferred_name.as_ref().unwrap().given(), "Zo");
    assert_eq!(zoe.former_family_name.as_deref(), Some("Smith"));
    assert_eq!(zoe.date_of_birth.unwrap().expose(), date(2016, 1, 27));
    assert_eq!(zoe.year_group.as_deref(), Some("5"));
    assert_eq!(
        zoe.source_ids.iter().map(|id| (id.source.as_str(), id.id.as_str())).collect::<Vec<_>>(),
        [("upn", "P207000016049")]
    );
    let mary = roll.of(Role::Contact).find(|(_, entry)| entry.value.name.given() == "Mary").unwrap();
    assert_eq!(mary.1.value.emails[0].expose(), "mary@example.com");
    // The mobile is first, the fax nowhere.
    let numbers: Vec<_> = mary.1.value.phones.iter().map(|phone| phone.expose()).collect();
    assert_eq!(numbers, ["+447700900111", "+442079460001"]);
    let mut ties: Vec<_> = roll
        .links
        .iter()
        .map(|(_, tie)| tie)
        .map(|tie| (tie.value.priority, tie.value.relationship, tie.value.parental_responsibility))
        .collect();
    ties.sort_by_key(|(priority, ..)| *priority);
    // The social worker of a looked-after child is a contact, and no parent.
    assert_eq!(
        ties,
        [
            (Some(1), Relationship::Mother, Responsibility::Yes),
            (Some(2), Relationship::SocialWorker, Responsibility::No)
        ]
    );
}

#[test]
fn what_is_unknown_or_not_agreed_is_counted_once_and_never_repeated() {
    let roll = roll(FILE.as_bytes()).unwrap();
    let mut found = found(&roll);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            (0, "Pupil/Address", "column_not_agreed"),
            (0, "Pupil/Attendance", "column_unknown"),
            (0, "Pupil/BasicDetails/FormerUPN", "column_unknown"),
            (0, "Pupil/BasicDetails/MiddleNames", "column_unknown"),
            (0, "Pupil/Contacts/Contact/Address", "column_not_agreed"),
            (0, "Pupil/Contacts/Contact/Gender", "column_not_agreed"),
            (0, "Pupil/Contacts/Contact/Phones/Phone[F]", "column_unknown"),
            (0, "Pupil/Email", "column_unknown"),
            (0, "Pupil/Gender", "column_not_agreed"),
            (0, "Pupil/LookedAfter", "column_unknown"),
            (0, "Pupil/Phones", "column_unknown"),
            (0, "Pupil/Sex", "column_not_agreed"),
        ]
    );
    assert_eq!(roll.dropped_columns, 12);
    let all = format!("{roll:?}");
    for left_behind in ["ZZ1", "Elm", "somebody@", "960001", "9460002", "80120000500A"] {
        assert!(!all.contains(left_behind), "{left_behind}");
    }
}

#[test]
fn edge_case_17_an_address_goes_where_the_agreement_lets_it_and_nowhere_else() {
    let mut agreement = agreement();
    agreement.fields.entry(Role::Pupil).or_default().insert(Field::Address);
    let mut intake = Intake::new(&agreement, date(2026, 11, 22));
    read(FILE.as_bytes(), &mut intake).unwrap();
    let roll = intake.finish().unwrap();
    let found = found(&roll);
    assert!(!found.contains(&(0, "Pupil/Address", "column_not_agreed")));
    assert!(found.contains(&(0, "Pupil/Contacts/Contact/Address", "column_not_agreed")));
}

/// A complete record of one leaver is no list of the school: absence says nothing, whatever the qualifier.
#[test]
fn edge_case_67_nobody_is_missing_because_a_transfer_file_does_not_name_them() {
    for qualifier in ["full", "partial", "", "FULL"] {
        let file = FILE.replace(">full<", &format!(">{qualifier}<"));
        assert_eq!(roll(file.as_bytes()).unwrap().scope, Scope::Partial);
    }
}

#[test]
fn the_version_is_told_and_none_is_required() {
    let agreement = agreement();
    let version = |file: &str| {
        let mut intake = Intake::new(&agreement, date(2026, 11, 22));
        read(file.as_bytes(), &mut intake).unwrap()
    };
    let of = |root: &str, header: &str| {
        version(&format!(
            "<{root}><Header>{header}</Header><CTFpupilData><Pupil><Surname>Day</Surname></Pupil></CTFpupilData></CTfile>"
        ))
    };
    for (root, header, expected) in [
        ("CTfile", "<CTFversion>25.0</CTFversion>", Some(25)),
        ("CTfile", "<CTFversion> 17 </CTFversion>", Some(17)),
        ("CTfile CTFversion=\"24\"", "", Some(24)),
        ("CTfile", "<CTFversion>next</CTFversion>", None),
        ("CTfile", "", None),
    ] {
        assert_eq!(of(root, header), expected, "{root} {header}");
    }
}

#[test]
fn edge_case_54_the_header_says_when_it_was_made() {
    for (written, instant) in [
        // The school's time, which is an hour ahead in July.
        ("2026-07-14T09:30:00", Some("2026-07-14T08:30:00Z")),
        ("2026-07-14T09:30:00Z", Some("2026-07-14T09:30:00Z")),
        ("2026-07-14 09:30:00", Some("2026-07-14T08:30:00Z")),
        // A clock that is ahead would make every later file look old.
        ("2062-07-14T09:30:00", None),
        ("yesterday", None),
        ("", None),
    ] {
        let file = FILE.replace("2026-07-14T09:30:00", written);
        let at = roll(file.as_bytes()).unwrap().exported_at.map(|at| at.to_string());
        assert_eq!(at.as_deref(), instant, "{written}");
    }
}

/// As programs write it that are nearly right (formats, section 5).
#[test]
fn wild_variants() {
    let file = r#"<CTF CTFversion="25"><Pupils><Pupil>
        <UPN>TEMP17</UPN><Surname>Hall</Surname><Forename>Bo</Forename><PreferredForename>Bo</PreferredForename>
        <DOB>2017-02-01</DOB><NCyearActual>4</NCyearActual><Email>parent@example.com</Email>
        <Contacts>
          <ContactDetails><Surname>Hall</Surname><Forename>Ida</Forename><ParentalResponsibility>Y</ParentalResponsibility>
            <RelationshipCode>PAM</RelationshipCode><AddressDetails><AddressLine1>1 Elm Road</AddressLine1></AddressDetails>
            <Phones><PhoneNumber><PhoneType>M</PhoneType><Number>07700900222</Number></PhoneNumber></Phones></ContactDetails>
          <Contact><Surname>Hall</Surname><Forename>Tom</Forename><ContactDetails><Email>tom@example.com</Email>
            <Phone>07700900333</Phone></ContactDetails></Contact>
        </Contacts></Pupil>
        <Pupil><Surname>Ray</Surname><Forename>Al</Forename><ContactDetails>
          <Contact><Surname>Ray</Surname><Forename>Eve</Forename><CourtOrder>see file<Note/></CourtOrder></Contact>
          <Contact><Surname>Ray</Surname><Forename>Max</Forename><CourtOrder>false</CourtOrder></Contact>
        </ContactDetails></Pupil></Pupils></CTF>"#;
    let roll = roll(file.as_bytes()).unwrap();
    // What stands in for a UPN is none, and no mistyped one either.
    assert!(roll.of(Role::Pupil).all(|(at, _)| matches!(roll.identity(at), Identity::Likeness(_))));
    let told = found(&roll);
    let (columns, others): (Vec<_>, Vec<_>) = told.iter().partition(|(.., code)| code.starts_with("column_"));
    assert!(!columns.is_empty());
    assert_eq!(
        others.into_iter().map(|(row, _, code)| (row, code)).collect::<Vec<_>>(),
        [(2, "word_unclear")]
    );
    let contacts: BTreeMap<_, _> = roll
        .of(Role::Contact)
        .map(|(_, entry)| {
            let phone = entry.value.phones.first().map(|phone| phone.expose()).unwrap_or_default();
            (entry.value.name.given(), (entry.row, phone))
        })
        .collect();
    assert_eq!(
        contacts,
        [("Eve", (2, "")), ("Ida", (1, "+447700900222")), ("Max", (2, "")), ("Tom", (1, "+447700900333"))]
            .into()
    );
    assert_eq!(roll.links.iter().filter(|(_, tie)| tie.value.restricted).count(), 1);
    let responsible = |tie: &&crate::upload::roll::Entry<_>| {
        let link: &crate::person::guardianship::Link = &tie.value;
        link.parental_responsibility == Responsibility::Yes
    };
    assert_eq!(roll.links.iter().map(|(_, tie)| tie).filter(responsible).count(), 1);
    assert!(!format!("{roll:?}").contains("parent@example.com"));
}

#[test]
fn encodings() {
    let text = FILE.replace("&#xEB;", "ë");
    let declared = |name: &str| text.replace("UTF-8", name);
    let wide =
        |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(bytes).collect() };
    let narrow = |text: &str| -> Vec<u8> { text.chars().map(|c| u8::try_from(c).unwrap()).collect() };
    let bom = |mut bytes: Vec<u8>| {
        bytes.splice(0..0, "\u{feff}".bytes());
        bytes
    };
    for (name, bytes) in [
        ("utf-8", text.clone().into_bytes()),
        ("no declaration", text.split_once("?>").unwrap().1.as_bytes().to_vec()),
        ("with a mark", bom(text.clone().into_bytes())),
        ("utf-16le", wide(&declared("utf-16"), u16::to_le_bytes)),
        ("utf-16be", wide(&declared("utf-16"), u16::to_be_bytes)),
        ("utf-16le with a mark", wide(&format!("\u{feff}{text}"), u16::to_le_bytes)),
        ("utf-16be with a mark", wide(&format!("\u{feff}{text}"), u16::to_be_bytes)),
        ("utf-16 as declared only", declared("utf-16").into_bytes()),
        ("latin-1", narrow(&declared("ISO-8859-1"))),
        ("windows", narrow(&declared("Windows-1252"))),
    ] {
        let roll = roll(&bytes).map_err(|refusal| (name, refusal)).unwrap();
        assert!(roll.of(Role::Pupil).any(|(_, entry)| entry.value.name.given() == "Zoë"), "{name}");
    }
}

#[test]
fn refusals() {
    let deep = format!("<CTfile>{}{}</CTfile>", "<a>".repeat(40), "</a>".repeat(40));
    let shift_jis = FILE.replace("UTF-8", "Shift_JIS");
    let lone_ref = FILE.replace("Zo&#xEB;", "&who;");
    let in_attribute = FILE.replace("<Pupil>", "<Pupil id='&who;'>");
    for (file, refusal) in [
        ("", Refusal::EmptyFile),
        (" \n", Refusal::EmptyFile),
        ("\u{feff}", Refusal::EmptyFile),
        ("<CTfile/>", Refusal::HeaderOnly),
        ("<CTfile><CTFpupilData></CTFpupilData></CTfile>", Refusal::HeaderOnly),
        ("<html><body/></html>", Refusal::BrokenXml),
        ("<CTfile>", Refusal::BrokenXml),
        ("<CTfile></CTfile><CTfile></CTfile>", Refusal::BrokenXml),
        ("<CTfile></Header></CTfile>", Refusal::BrokenXml),
        ("<CTfile/>and more", Refusal::BrokenXml),
        ("Forename,Surname\nAnn,Smith", Refusal::BrokenXml),
        ("<CTfile>&#0;</CTfile>", Refusal::BrokenXml),
        ("<CTfile>&#1;</CTfile>", Refusal::BrokenXml),
        ("<CTfile>a & b</CTfile>", Refusal::BrokenXml),
        ("<CTfile>\u{1}</CTfile>", Refusal::BrokenXml),
        ("<CTfile a></CTfile>", Refusal::BrokenXml),
        (&deep, Refusal::BrokenXml),
        (&shift_jis, Refusal::UnknownEncoding),
        ("<!DOCTYPE CTfile><CTfile/>", Refusal::UnsafeXml),
        (
            "<!DOCTYPE CTfile [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><CTfile>&b;</CTfile>",
            Refusal::UnsafeXml,
        ),
        ("<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><CTfile/>", Refusal::UnsafeXml),
        ("<CTfile>&xxe;</CTfile>", Refusal::UnsafeXml),
        (&lone_ref, Refusal::UnsafeXml),
        (&in_attribute, Refusal::UnsafeXml),
    ] {
        assert_eq!(roll(file.as_bytes()).map(|_| ()), Err(refusal), "{file:.80}");
    }
    // A text that is no UTF-8, without saying what it is.
    assert_eq!(roll(b"<CTfile>Zo\xeb</CTfile>").map(|_| ()), Err(Refusal::BrokenXml));
}

#[test]
fn a_record_costs_no_more_than_its_length() {
    let contact = "<Contact><Forename>Ann</Forename><Surname>A</Surname></Contact>";
    let emails = "<Email>a@example.com</Email>".repeat(1000);
    let file = format!(
        "<CTfile><Pupil><Forename>Bo</Forename><Surname>B</Surname>\
         <Contact>{emails}<CourtOrder>yes</CourtOrder></Contact>{}</Pupil></CTfile>",
        contact.repeat(500)
    );
    let roll = roll(file.as_bytes()).unwrap();
    // What protects a child has always room.
    assert_eq!(roll.links.iter().filter(|(_, tie)| tie.value.restricted).count(), 1);
    assert!(found(&roll).contains(&(1, "Pupil", "record_invalid")));
    let names: Vec<_> = (0..5000).map(|n| format!("<x{}/>", letters(n))).collect();
    let names = names.concat();
    let file = format!(
        "<CTfile><Pupil>{names}<Forename>Bo</Forename><Surname>{}</Surname></Pupil></CTfile>",
        "B".repeat(9999)
    );
    let roll = self::roll(file.as_bytes()).unwrap();
    assert!(roll.findings.len() <= MAX_NAMES + 5, "{}", roll.findings.len());
    assert!(found(&roll).contains(&(0, "*", "column_unknown")));
    // The names that are known are still read, and a text without end is cut.
    assert!(found(&roll).contains(&(1, "*", "name_too_long")));
    assert_eq!(roll.of(Role::Pupil).count(), 1);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = roll(&bytes);
    }

    #[test]
    fn no_elements_panic(names in prop::collection::vec("(</?)?(CTfile|Pupil|Contacts?|Phones?|PhoneNo|UPN|a|&lt;|<|>|>|>)", 0..60)) {
        let _ = roll(format!("<CTfile>{}</CTfile>", names.concat()).as_bytes());
    }

    #[test]
    fn no_mutation_panics(at in 0..FILE.len(), length in 0_usize..40, put: Vec<u8>) {
        let mut bytes = FILE.as_bytes().to_vec();
        bytes.splice(at..(at + length).min(FILE.len()), put);
        let _ = roll(&bytes);
    }

    #[test]
    fn any_text_comes_through_as_it_was(name in "[A-Za-zÀ-ÿ'<>&\"]{1,20}") {
        let escaped = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&#62;").replace('"', "&quot;");
        let file = format!("<CTfile><Pupil><Surname>{escaped}</Surname><Forename>A</Forename></Pupil></CTfile>");
        let roll = roll(file.as_bytes()).unwrap();
        prop_assert_eq!(roll.of(Role::Pupil).next().unwrap().1.value.name.family(), name.as_str());
    }
}
