use jiff::civil::date;
use serde_json::json;

use super::*;
use crate::{
    person::guardianship::{Link, Relationship, Responsibility},
    privacy::agreement::{Agreement, Field},
    upload::{
        roll::{Entry, Identity, Roll},
        store::Scope,
    },
};

const FIELDS: [Field; 19] = [
    Field::Title,
    Field::GivenName,
    Field::FamilyName,
    Field::PreferredGivenName,
    Field::PreferredFamilyName,
    Field::DateOfBirth,
    Field::YearGroup,
    Field::Class,
    Field::Groups,
    Field::StartDate,
    Field::LeavingDate,
    Field::Upn,
    Field::SourceId,
    Field::Email,
    Field::Mobile,
    Field::Landline,
    Field::Relationship,
    Field::Priority,
    Field::ParentalResponsibility,
];

fn agreement(roles: &[Role]) -> Agreement {
    Agreement {
        fields: roles.iter().map(|role| (*role, FIELDS.into())).collect(),
        signed_on: date(2026, 9, 1),
    }
}

pub(super) fn roll_of(bytes: &[u8], roles: &[Role]) -> Result<Roll, Refusal> {
    let agreement = agreement(roles);
    let mut intake = Intake::new(&agreement, date(2026, 11, 22));
    read(bytes, &mut intake)?;
    intake.finish()
}

fn roll(value: &Value) -> Roll {
    roll_of(value.to_string().as_bytes(), &Role::ALL).unwrap()
}

pub(super) fn found(roll: &Roll) -> Vec<(u32, &str, &str)> {
    roll.findings.iter().map(|f| (f.row, f.column.as_str(), f.code.as_str())).collect()
}

fn at(instant: &str) -> Value {
    json!({"date": instant, "timezone_type": 3, "timezone": "UTC"})
}

pub(super) fn student() -> Value {
    json!({
        "id": "A1000000001", "upi": "f00dcafe", "mis_id": "77", "initials": "ZO",
        "surname": "O'Connor", "forename": "Zo", "middle_names": null,
        "legal_surname": "O'Connor", "legal_forename": "Zoë", "gender": "female",
        "date_of_birth": at("2016-01-27 00:00:00.000000"),
        "restored_at": null, "created_at": at("2022-06-14 15:42:27.000000"), "updated_at": at("2026-11-20 15:42:27.000000"),
        "year": {"data": {"id": "A9", "code": "5", "name": "Year 5", "type": "YEAR"}},
        "education_details": {"data": {"upn": "P207000016049", "current_nc_year": "5", "former_upn": "M80120000500A"}},
        "classes": {"data": [{"name": "5A Maths"}, {"name": "5B Art"}]},
        "contacts": {"data": [contact()]},
    })
}

fn contact() -> Value {
    json!({
        "id": "A2000000001", "upi": "beefbeef", "mis_id": "12", "title": "Mrs", "surname": "O'Connor", "forename": "Mary",
        "legal_surname": null, "legal_forename": null, "gender": null, "date_of_birth": null,
        "relationship": {"data": {
            "relationship": "Mother", "parental_responsibility": true, "priority": 1, "bill_payer": true,
            "lives_with_pupil": true, "court_order": false, "correspondence": true,
        }},
        "contact_details": {"data": {
            "phones": {"phone": "020 7946 0001", "primary": "07700 900111", "home": "020 7946 0001", "work": null, "mobile": "07700 900111"},
            "emails": {"email": "mary@example.com", "primary": "mary@example.com", "home": "", "work": "m.oconnor@example.com"},
            "addresses": {"home": {"house_number": "1", "street": "Elm Road", "postcode": "ZZ1 1ZZ"}},
            "salutation": "Mrs O'Connor",
        }},
    })
}

pub(super) fn page(records: &[Value], current: u64, more: bool) -> Value {
    json!({"data": records, "meta": {"pagination": {
        "next": more.then_some("https://api.example.com/?page=2"), "previous": null, "more": more, "per_page": 50, "current_page": current,
    }}})
}

pub(super) fn with(mut record: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

pub(super) fn pupil(roll: &Roll) -> &crate::person::Person {
    &roll.of(Role::Pupil).next().unwrap().1.value
}

fn ids(person: &crate::person::Person) -> Vec<(&str, &str)> {
    person.source_ids.iter().map(|id| (id.source.as_str(), id.id.as_str())).collect()
}

#[test]
fn edge_case_55_a_page_of_students_becomes_families_with_every_id_there_is() {
    let roll = roll(&page(&[student()], 1, false));
    assert_eq!((roll.rows, &roll.scope), (1, &Scope::Full));
    let zoe = pupil(&roll);
    assert_eq!((zoe.name.given(), zoe.name.family()), ("Zoë", "O'Connor"));
    // Only what differs is a preferred name.
    let preferred = zoe.preferred_name.as_ref().unwrap();
    assert_eq!((preferred.given(), preferred.family()), ("Zo", ""));
    assert_eq!(zoe.date_of_birth.unwrap().expose(), date(2016, 1, 27));
    assert_eq!(zoe.year_group.as_deref(), Some("5"));
    assert_eq!(zoe.groups[..], ["5A Maths", "5B Art"]);
    let expected = [("wonde", "A1000000001"), ("wonde_upi", "f00dcafe"), ("upn", "P207000016049")];
    assert_eq!(ids(zoe), expected);
    let (_, Entry { value: mary, .. }) = roll.of(Role::Contact).next().unwrap();
    assert_eq!(mary.name.given(), "Mary");
    assert_eq!(mary.title.as_deref(), Some("Mrs"));
    let numbers: Vec<_> = mary.phones.iter().map(|phone| phone.expose()).collect();
    assert_eq!(numbers, ["+447700900111", "+442079460001"]);
    let emails: Vec<_> = mary.emails.iter().map(|email| email.expose()).collect();
    assert_eq!(emails, ["mary@example.com", "m.oconnor@example.com"]);
    let tie = &roll.links.iter().next().unwrap().1.value;
    assert_eq!(
        (tie.relationship, tie.parental_responsibility, tie.priority, tie.restricted),
        (Relationship::Mother, Responsibility::Yes, Some(1), false)
    );
    assert_eq!(roll.exported_at.unwrap().to_string(), "2026-11-20T15:42:27Z");
}

#[test]
fn edge_case_15_what_is_unknown_or_not_agreed_is_counted_once_and_never_repeated() {
    let roll = roll(&page(&[student(), with(student(), &json!({"id": "A1000000002"}))], 1, false));
    let mut labels: Vec<_> = found(&roll)
        .into_iter()
        .filter(|(row, ..)| *row == 0)
        .map(|(_, label, code)| {
            (label.trim_start_matches("students.data[]."), code.trim_start_matches("column_"))
        })
        .collect();
    labels.sort_unstable();
    assert_eq!(
        labels,
        [
            ("contacts.data[].contact_details.addresses", "not_agreed"),
            ("contacts.data[].contact_details.salutation", "unknown"),
            ("contacts.data[].mis_id", "unknown"),
            ("contacts.data[].relationship.bill_payer", "unknown"),
            ("contacts.data[].relationship.correspondence", "unknown"),
            ("contacts.data[].relationship.lives_with_pupil", "unknown"),
            // A former UPN joins what an adoption was to keep apart.
            ("education_details.former_upn", "unknown"),
            ("gender", "not_agreed"),
            ("initials", "unknown"),
            ("mis_id", "unknown"),
            ("year.id", "unknown"),
            ("year.type", "unknown"),
        ]
    );
    assert_eq!(roll.dropped_columns, 12);
    let all = format!("{roll:?}");
    for left_behind in ["ZZ1", "Elm", "\"77\"", "M80120000500A"] {
        assert!(!all.contains(left_behind), "{left_behind}");
    }
}

#[test]
fn dates_of_birth_come_in_three_shapes() {
    for (written, born) in [
        (json!(null), None),
        (json!("2016-01-27"), Some(date(2016, 1, 27))),
        (json!("2016-01-27T00:00:00+00:00"), Some(date(2016, 1, 27))),
        (at("2016-01-27 00:00:00.000000"), Some(date(2016, 1, 27))),
        (json!({"date": "2016-01-27"}), Some(date(2016, 1, 27))),
        (json!(""), None),
    ] {
        let roll = roll(&page(&[with(student(), &json!({"date_of_birth": written}))], 1, false));
        assert_eq!(pupil(&roll).date_of_birth.map(|born| born.expose()), born, "{written}");
    }
}

#[test]
fn legal_names_may_be_null() {
    let record = with(student(), &json!({"legal_forename": null, "legal_surname": ""}));
    let roll = roll(&page(&[record], 1, false));
    assert_eq!((pupil(&roll).name.given(), pupil(&roll).name.family()), ("Zo", "O'Connor"));
    assert_eq!(pupil(&roll).preferred_name, None);
}

#[test]
fn a_number_without_its_kind_counts_as_the_mobile_where_there_is_none() {
    for (phones, numbers) in [
        (
            json!({"mobile": "07700 900111", "primary": "07700 900222"}),
            vec!["+447700900111", "+447700900222"],
        ),
        (
            json!({"mobile": null, "primary": "07700 900222", "home": "020 7946 0001"}),
            vec!["+447700900222", "+442079460001"],
        ),
        (json!({"phone": "07700 900333"}), vec!["+447700900333"]),
    ] {
        let contact = with(contact(), &json!({"contact_details": {"data": {"phones": phones}}}));
        let roll = roll(&page(&[with(student(), &json!({"contacts": [contact]}))], 1, false));
        let (_, Entry { value: person, .. }) = roll.of(Role::Contact).next().unwrap();
        assert_eq!(person.phones.iter().map(|phone| phone.expose()).collect::<Vec<_>>(), numbers);
    }
}

#[test]
fn whatever_names_a_court_and_does_not_clearly_say_no_restricts() {
    for (relationship, restricted) in [
        (json!({"court_order": true}), true),
        (json!({"court_order": "1"}), true),
        (json!({"court_order": "see file"}), true),
        (json!({"Court_Order_Restricted": {"data": {"from": at("2026-01-01 00:00:00")}}}), true),
        (json!({"court_order": false, "court_order_notes": "no contact"}), true),
        (json!({"court_order": false}), false),
        (json!({"court_order": 0}), false),
        (json!({"court_order": "no"}), false),
        (json!({"court_order": null}), false),
        (json!({"court_order": {"data": []}}), false),
        (json!({"correspondence": true}), false),
    ] {
        let contact = with(contact(), &json!({"relationship": {"data": relationship}}));
        let record = with(student(), &json!({"contacts": {"data": [contact]}}));
        let tied = roll(&page(&[record], 1, false));
        let Link { restricted: is, .. } = tied.links.iter().next().unwrap().1.value;
        assert_eq!(is, restricted, "{relationship}");
    }
}

#[test]
fn edge_case_19_and_20_who_has_died_is_known_whatever_the_agreement_lists() {
    for (deceased, dead) in
        [(json!(true), true), (at("2026-01-01 00:00:00"), true), (json!(false), false), (json!(null), false)]
    {
        let contact = with(contact(), &json!({"deceased": deceased}));
        let record = with(
            student(),
            &json!({"extended_details": {"data": {"date_of_death": deceased}}, "contacts": {"data": [contact]}}),
        );
        let roll = roll(&page(&[record], 1, false));
        assert_eq!(pupil(&roll).deceased, dead, "{deceased}");
        assert_eq!(roll.of(Role::Contact).next().unwrap().1.value.deceased, dead, "{deceased}");
    }
}

#[test]
fn edge_case_48_an_empty_answer_removes_nobody() {
    for empty in [
        json!([]),
        json!({"data": []}),
        page(&[], 1, false),
        json!({"students": page(&[], 1, false), "deletions": {"data": []}}),
        json!({"students": []}),
        json!({"students": null}),
        json!([page(&[], 1, false)]),
    ] {
        let refused = roll_of(empty.to_string().as_bytes(), &Role::ALL).map(|_| ());
        assert_eq!(refused, Err(Refusal::HeaderOnly), "{empty}");
    }
    // Staff who are there do not speak for pupils who are not.
    let employee = json!({"id": "A3", "forename": "Di", "surname": "Fox", "title": "Ms"});
    let staff_only = json!({"students": page(&[], 1, false), "employees": page(&[employee], 1, false)});
    assert_eq!(roll(&staff_only).scope, Scope::Partial);
}

#[test]
fn the_file_speaks_for_the_whole_school_only_where_that_is_certain() {
    let [one, two] = [student(), with(student(), &json!({"id": "A1000000002", "upi": "2"}))];
    let mut childless = one.clone();
    childless.as_object_mut().unwrap().remove("contacts");
    let since = |value: &Value| {
        let mut value = value.clone();
        value["meta"]["pagination"]["previous"] = json!("https://api.example.com/?updated_after=2026-11-01");
        value
    };
    let (first, last) =
        (page(std::slice::from_ref(&one), 1, true), page(std::slice::from_ref(&two), 2, false));
    let whole = page(&[one.clone(), two], 1, false);
    for (file, scope) in [
        (whole.clone(), Scope::Full),
        (json!([first, last]), Scope::Full),
        (json!({"students": [first, last]}), Scope::Full),
        (json!({"students": whole, "employees": page(&[], 1, false), "deletions": []}), Scope::Full),
        (first.clone(), Scope::Partial),
        (last.clone(), Scope::Partial),
        (json!([last, first]), Scope::Partial),
        (json!([first, first]), Scope::Partial),
        (json!([first, page(&[], 3, false)]), Scope::Partial),
        (json!([one]), Scope::Partial),
        (json!({"students": [one]}), Scope::Partial),
        (json!({"data": [one]}), Scope::Partial),
        (json!({"data": [one], "meta": {"pagination": {"more": "no"}}}), Scope::Partial),
        (page(&[childless], 1, false), Scope::Partial),
        (page(&[one.clone(), json!(7)], 1, false), Scope::Partial),
        (since(&whole), Scope::Partial),
        (json!({"students": whole, "updated_after": "2026-11-01"}), Scope::Partial),
        (json!({"students": whole, "meta": {"updated_after": "2026-11-01"}}), Scope::Partial),
        (json!({"students": whole, "employees": page(&[], 1, true)}), Scope::Partial),
    ] {
        assert_eq!(roll(&file).scope, scope, "{file}");
    }
}

#[test]
fn edge_case_56_who_comes_back_has_a_new_id_and_the_same_upi() {
    let back = with(
        student(),
        &json!({
            "id": "A1000000099",
            "restored_at": at("2026-09-02 08:00:00.000000"),
            "education_details": {"data": {"upn": "P207000016049", "leaving_date": at("2025-07-22 00:00:00.000000")}},
        }),
    );
    let roll = roll(&json!({
        "students": page(&[back], 1, false),
        "deletions": {"data": [
            {"id": "A1000000001", "type": "student", "deleted_at": at("2025-07-23 01:00:00.000000")},
            {"id": "A1000000099", "type": "student", "deleted_at": at("2026-09-01 01:00:00.000000")},
            {"id": "A5", "type": "contact", "deleted_at": at("2025-07-23 01:00:00"), "restored_at": at("2025-08-01 01:00:00")},
        ]},
    }));
    let expected = [("wonde", "A1000000099"), ("wonde_upi", "f00dcafe"), ("upn", "P207000016049")];
    assert_eq!(ids(pupil(&roll)), expected);
    // The day they once left is over.
    assert_eq!(pupil(&roll).leaves_on, None);
    // Of the two ids only the old one is gone; who is in the file is there.
    assert_eq!(roll.gone.iter().map(|gone| gone.id.as_str()).collect::<Vec<_>>(), ["A1000000001"]);
}

#[test]
fn edge_case_68_a_leaving_date_is_read() {
    let leaver = with(
        student(),
        &json!({"education_details": {"data": {"leaving_date": at("2026-12-18 00:00:00.000000")}}}),
    );
    assert_eq!(pupil(&roll(&page(&[leaver], 1, false))).leaves_on, Some(date(2026, 12, 18)));
}

#[test]
fn edge_case_68_a_leaving_date_that_is_said_to_be_none_is_cleared() {
    use crate::upload::plan::{plan, tests as plans};
    let said = |members: Value| roll(&page(&[with(student(), &members)], 1, false));
    let leaver =
        || json!({"education_details": {"data": {"leaving_date": at("2026-12-18 00:00:00.000000")}}});
    for (members, leaves_on) in [
        (json!({"leaving_date": null}), None),
        (json!({"education_details": {"data": {"leaving_date": null}}}), None),
        (json!({"education_details": {"leaving_date": ""}}), None),
        // Nothing of it was asked for, or it may not be stored.
        (json!({"education_details": {"data": {}}}), Some(date(2026, 12, 18))),
    ] {
        let mut directory = crate::person::store::Directory::default();
        for members in [leaver(), members.clone()] {
            let plan = plan(&said(members), &directory, plans::terms(plans::upload(1)));
            plans::apply(&mut directory, &plan);
        }
        let (_, pupil) = plans::person(&directory, "Zoë");
        assert_eq!(pupil.leaves_on, leaves_on, "{members}");
    }
}

#[test]
fn edge_case_69_who_is_yet_to_come_is_taken_in_with_the_day_and_not_without() {
    let next = with(student(), &json!({"education_details": {"data": {"admission_date": "2027-09-01"}}}));
    let file =
        json!({"students-pre-admission": page(&[next, with(student(), &json!({"id": "A7"}))], 1, false)});
    let roll = roll(&file);
    assert_eq!(roll.of(Role::Pupil).count(), 1);
    assert_eq!(pupil(&roll).starts_on, Some(date(2027, 9, 1)));
    assert!(found(&roll).contains(&(2, "students-pre-admission", "record_invalid")));
    // Whoever is to come says nothing about who is there.
    assert_eq!(roll.scope, Scope::Partial);
}

#[test]
fn deletions_name_who_is_gone() {
    let deletions = json!({"deletions": [
        {"id": "A1", "type": "student", "deleted_at": at("2026-11-21 01:00:00.000000")},
        {"id": "A2", "type": "contacts", "deleted_at": "2026-11-21"},
        {"id": "A3", "type": "Employee"},
        {"id": "A4", "type": "class"},
        {"id": "A5"},
        {"type": "student"},
    ]});
    let roll = roll(&deletions);
    let gone: Vec<_> = roll.gone.iter().map(|gone| (gone.role, gone.source, gone.id.as_str())).collect();
    assert_eq!(
        gone,
        [(Role::Pupil, "wonde", "A1"), (Role::Contact, "wonde", "A2"), (Role::Staff, "wonde", "A3")]
    );
    let expected =
        [(5, "deletions.data[].type", "record_invalid"), (6, "deletions.data[].id", "record_invalid")];
    assert_eq!(found(&roll), expected);
    assert_eq!(roll.scope, Scope::Partial);
    // The same on a page of its own, without a name; and nobody in a role that is not agreed.
    let page = json!({"data": [{"id": "A3", "type": "employee", "deleted_at": null}, {"id": "A1", "type": "student", "deleted_at": null}]});
    let gone = roll_of(page.to_string().as_bytes(), &[Role::Pupil]).unwrap().gone;
    assert_eq!(gone.iter().map(|gone| gone.id.as_str()).collect::<Vec<_>>(), ["A1"]);
}

#[test]
fn staff_are_staff() {
    let employee = json!({
        "id": "A3", "upi": "cafe", "title": "Ms", "forename": "Di", "surname": "Fox", "date_of_birth": null,
        "contact_details": {"data": {"emails": {"email": "di@example.com", "work": "d.fox@example.com"}, "phones": {"mobile": "07700900444"}}},
    });
    let file = json!({"employees": page(std::slice::from_ref(&employee), 1, false), "students": page(&[student()], 1, false)});
    let roll = roll(&file);
    let (at, Entry { value: di, .. }) = roll.of(Role::Staff).next().unwrap();
    assert!(matches!(roll.identity(at), Identity::Id(id) if id.id == "A3" && id.source == WONDE));
    assert_eq!(di.emails[0].expose(), "d.fox@example.com");
    assert_eq!(ids(di), [("wonde", "A3"), ("wonde_upi", "cafe")]);
    // Where the agreement does not list them, that is said once.
    let without = roll_of(file.to_string().as_bytes(), &[Role::Pupil, Role::Contact]).unwrap();
    assert_eq!(without.of(Role::Staff).count(), 0);
    assert!(found(&without).contains(&(0, "employees", "role_not_agreed")));
    // On a page without a name they are not taken for pupils.
    let unnamed = roll_of(page(&[employee, student()], 1, false).to_string().as_bytes(), &Role::ALL).unwrap();
    assert_eq!(unnamed.of(Role::Pupil).count(), 1);
    assert!(found(&unnamed).contains(&(1, "", "role_unknown")));
}

#[test]
fn contacts_in_a_list_of_their_own_complete_those_whom_pupils_refer_to() {
    let reference =
        json!({"id": "A2000000001", "relationship": {"data": {"relationship": "Father", "priority": 2}}});
    let record = with(student(), &json!({"contacts": {"data": [reference]}}));
    let roll =
        roll(&json!({"students": page(&[record], 1, false), "contacts": page(&[contact()], 1, false)}));
    let (_, Entry { value: mary, .. }) = roll.of(Role::Contact).next().unwrap();
    assert_eq!((mary.name.given(), mary.emails.len()), ("Mary", 2));
    let tie = &roll.links.iter().next().unwrap().1.value;
    // What she is to another child is not carried over.
    assert_eq!(
        (tie.relationship, tie.priority, tie.parental_responsibility),
        (Relationship::Father, Some(2), Responsibility::Unknown)
    );
}

#[test]
fn shapes() {
    let (one, two) = (student(), with(student(), &json!({"id": "A1000000002", "upi": "2"})));
    let lines = format!("{one}\n{two}\n");
    let pages = format!(
        "{}\n{}",
        page(std::slice::from_ref(&one), 1, true),
        page(std::slice::from_ref(&two), 2, false)
    );
    for (text, pupils, scope) in [
        (json!([one, two]).to_string(), 2, Scope::Partial),
        (format!("\u{feff}{}", page(&[one.clone(), two.clone()], 1, false)), 2, Scope::Full),
        (json!({"data": one}).to_string(), 1, Scope::Partial),
        (json!({"students": {"data": one}, "school": "A9"}).to_string(), 1, Scope::Partial),
        (lines, 2, Scope::Partial),
        (pages, 2, Scope::Full),
    ] {
        let roll = roll_of(text.as_bytes(), &Role::ALL).unwrap();
        assert_eq!((roll.of(Role::Pupil).count(), &roll.scope), (pupils, &scope), "{text:.60}");
    }
    let many = format!("[{}]", vec!["1"; MAX_ROWS + 1].join(","));
    for (text, refusal) in [
        ("", Refusal::EmptyFile),
        (" \n", Refusal::EmptyFile),
        ("\u{feff}", Refusal::EmptyFile),
        ("{", Refusal::BrokenJson),
        ("7", Refusal::BrokenJson),
        ("\"students\"", Refusal::BrokenJson),
        (r#"{"message": "Unauthenticated."}"#, Refusal::BrokenJson),
        (r#"{"error": "invalid_school"}"#, Refusal::BrokenJson),
        (r#"{"students": 7}"#, Refusal::BrokenJson),
        (r#"{"students": {"id": "A1"}}"#, Refusal::BrokenJson),
        (r#"{"data": 7}"#, Refusal::BrokenJson),
        (r#"{"data": []} trailing"#, Refusal::BrokenJson),
        ("Forename,Surname\nAnn,Smith\n", Refusal::BrokenJson),
        (&many, Refusal::TooManyRows),
    ] {
        assert_eq!(roll_of(text.as_bytes(), &Role::ALL).map(|_| ()), Err(refusal), "{text:.60}");
    }
    assert_eq!(roll_of(b"{\"id\": \"Zo\xeb\"}", &Role::ALL).map(|_| ()), Err(Refusal::BrokenJson));
}

#[test]
fn edge_case_62_ruined_letters_of_a_page_are_not_stored() {
    let contact = |id: &str| json!({"id": id, "forename": "Mary", "surname": "Smith", "relationship": {"relationship": "Mother"}});
    let roll = roll(&json!({"data": [{
        "id": "A1", "forename": "ZoÃ«", "surname": "Smith", "contacts": {"data": [contact("C1"), contact("C2")]},
    }]}));
    let (_, pupil) = roll.of(Role::Pupil).next().unwrap();
    assert_eq!((pupil.value.name.given(), pupil.value.name.family()), ("", "Smith"));
    let garbled = found(&roll).into_iter().filter(|(_, _, code)| *code == "text_garbled").collect::<Vec<_>>();
    assert_eq!(garbled.len(), 1, "once, and not for each contact: {garbled:?}");
}
