//! What can be typed, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use serde_json::{Value, json};

use super::*;

const TODAY: Date = date(2026, 11, 22);

/// The agreement of the unit tests.
pub fn agreement() -> Agreement {
    use Field::{
        Class, DateOfBirth, Email, FamilyName, GivenName, Landline, Mobile, ParentalResponsibility, Priority,
        SourceId, YearGroup,
    };
    let fields = BTreeMap::from([
        (Role::Pupil, BTreeSet::from([GivenName, FamilyName, SourceId, YearGroup, Class, DateOfBirth])),
        (
            Role::Contact,
            BTreeSet::from([
                GivenName,
                FamilyName,
                Email,
                Mobile,
                Landline,
                Priority,
                ParentalResponsibility,
                YearGroup,
            ]),
        ),
    ]);
    Agreement { fields, signed_on: date(2026, 9, 1) }
}

fn person(body: Value) -> Result<Person, Vec<FieldError>> {
    serde_json::from_value::<NewPerson>(body).unwrap().read(&agreement(), TODAY)
}

/// Pointer and code of each field at fault.
pub fn faults<T: std::fmt::Debug>(read: Result<T, Vec<FieldError>>) -> String {
    read.unwrap_err()
        .iter()
        .map(|error| format!("{} {}", error.pointer, error.code))
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn what_is_typed_is_cleaned_like_a_file() {
    let pupil = person(json!({"role": "pupil", "given_name": " Zo\u{eb} ", "family_name": "O\u{2019}Neill", "date_of_birth": "2018-03-04", "year_group": "Year 3", "class": "3A", "source_id": "00123", "title": " "})).unwrap();
    assert_eq!(
        (pupil.name.given(), pupil.name.family(), pupil.year_group.as_deref(), pupil.class.as_deref()),
        ("Zoë", "O'Neill", Some("3"), Some("3A"))
    );
    assert_eq!(
        (pupil.source_ids[0].source.as_str(), pupil.source_ids[0].id.as_str(), pupil.manual),
        ("csv", "00123", true)
    );
    let contact = person(json!({"role": "contact", "family_name": "Null", "email": " ANN@Example.com", "landline": "01632 960123", "mobile": "07700 900123"})).unwrap();
    assert_eq!(
        (contact.email().unwrap().expose(), contact.mobile().unwrap().expose(), contact.phones.len()),
        ("ann@example.com", "+447700900123", 2)
    );
}

#[test]
fn what_cannot_be_accepted_is_named_by_pointer_and_code() {
    for (body, expected) in [
        (json!({"role": "staff", "given_name": "A", "email": "x"}), "/role not_agreed"),
        (json!({"role": "pupil"}), "/given_name name_missing"),
        (json!({"role": "pupil", "family_name": "\u{200b} "}), "/given_name name_missing"),
        (json!({"role": "pupil", "given_name": "A", "email": "a@example.com"}), "/email not_agreed"),
        (
            json!({"role": "contact", "given_name": "A", "title": "Dr", "year_group": "3"}),
            "/title not_agreed, /year_group pupils_only",
        ),
        (
            json!({"role": "pupil", "given_name": "A", "date_of_birth": "2018-02-30"}),
            "/date_of_birth date_invalid",
        ),
        (
            json!({"role": "pupil", "given_name": "A", "date_of_birth": "2027-01-01", "year_group": "12345678901"}),
            "/date_of_birth date_out_of_range, /year_group too_long",
        ),
        (
            json!({"role": "contact", "given_name": "A", "email": "a@b", "mobile": "07700 900123 (Mum)"}),
            "/email email_invalid, /mobile phone_letters",
        ),
        (
            json!({"role": "contact", "given_name": "A", "mobile": "01632 960123", "landline": "07700900123"}),
            "/mobile not_a_mobile, /landline is_a_mobile",
        ),
        (json!({"role": "contact", "given_name": "A".repeat(101)}), "/given_name too_long"),
    ] {
        let read = person(body.clone());
        let text = format!("{:?}", read.as_ref().unwrap_err());
        assert!(!text.contains("07700") && !text.contains("a@b"), "a value is echoed: {text}");
        assert_eq!(faults(read), expected, "{body}");
    }
}

fn changed(before: &Person, body: Value) -> Result<Person, Vec<FieldError>> {
    let mut body = body;
    body["version"] = 1.into();
    let mut agreement = agreement();
    let more = [
        Field::PreferredGivenName,
        Field::PreferredFamilyName,
        Field::FormerFamilyName,
        Field::Groups,
        Field::StartDate,
        Field::LeavingDate,
    ];
    agreement.fields.get_mut(&Role::Pupil).unwrap().extend(more);
    serde_json::from_value::<ChangedPerson>(body).unwrap().read(before, &agreement, TODAY)
}

/// Somebody as a file brought them in: nothing of theirs is by hand.
fn from_a_file(body: Value) -> Person {
    Person { manual: false, by_hand: Vec::new(), ..person(body).unwrap() }
}

#[test]
fn a_merge_patch_leaves_clears_and_sets() {
    let pupil = from_a_file(
        json!({"role": "pupil", "given_name": "Zoë", "family_name": "O'Neill", "year_group": "3", "class": "3A"}),
    );
    let after = changed(
        &pupil,
        json!({
            "class": null, "family_name": "Neill", "former_family_name": "O'Neill", "preferred_given_name": "Zo",
            "groups": ["Choir", "Chess", " Choir "], "leaves_on": "21/07/2027", "deceased": true, "year_group": "Year 3",
        }),
    )
    .unwrap();
    let preferred = Some(PersonName::new("Zo", ""));
    let expected = Person {
        class: None,
        name: PersonName::new("Zoë", "Neill"),
        former_family_name: Some("O'Neill".into()),
        preferred_name: preferred,
        groups: vec!["Chess".to_owned(), "Choir".to_owned()].into(),
        leaves_on: Some(date(2027, 7, 21)),
        deceased: true,
        // The year group is as it was, and so still the source's to change.
        by_hand: vec![
            Field::FamilyName,
            Field::PreferredGivenName,
            Field::FormerFamilyName,
            Field::Class,
            Field::Groups,
            Field::LeavingDate,
            Field::Deceased,
        ],
        ..pupil.clone()
    };
    assert_eq!(after, expected);
    // A mark outlives later changes of something else, and what is cleared stays by hand too.
    let later = changed(
        &after,
        json!({"groups": [], "deceased": null, "leaves_on": "", "preferred_given_name": null, "class": " "}),
    )
    .unwrap();
    let expected = Person {
        groups: Vec::new().into(),
        deceased: false,
        leaves_on: None,
        preferred_name: None,
        ..expected
    };
    assert_eq!(later, expected);
    assert_eq!(changed(&later, json!({})).unwrap(), later);
    // Whoever is typed in is by hand in all that was given.
    let typed = person(json!({"role": "contact", "family_name": "Null", "mobile": "07700 900123"})).unwrap();
    assert_eq!(typed.by_hand, [Field::FamilyName, Field::Mobile]);
}

#[test]
fn a_contact_point_replaces_the_first_of_its_kind() {
    let numbers = |person: &Person| {
        person.phones.iter().map(|phone| phone.expose().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let before = Person {
        emails: ["a@example.com", "b@example.com"].map(|email| email.parse().unwrap()).into_iter().collect(),
        phones: ["07700 900123", "07700 900456", "01632 960123"]
            .map(|raw| PhoneNumber::parse(raw).unwrap().number)
            .into_iter()
            .collect(),
        ..from_a_file(json!({"role": "contact", "given_name": "Ann"}))
    };
    let after =
        changed(&before, json!({"email": "new@example.com", "mobile": "07700 900789", "landline": null}))
            .unwrap();
    assert_eq!(numbers(&after), "+447700900789 +447700900456");
    assert_eq!((after.emails.len(), after.emails[0].expose()), (2, "new@example.com"));
    assert_eq!(after.by_hand, [Field::Email, Field::Mobile, Field::Landline]);
    // The second put first takes the first's place; cleared, no other steps in.
    let second = changed(&before, json!({"mobile": "07700900456", "email": null})).unwrap();
    assert_eq!((numbers(&second).as_str(), second.emails.len()), ("+447700900456 +441632960123", 0));
    assert_eq!(changed(&before, json!({"mobile": "07700900123"})).unwrap(), before);
}

#[test]
fn lists_take_the_place_of_all_contact_points() {
    let typed = person(json!({
        "role": "contact", "given_name": "Ann", "emails": ["a@example.com", "B@example.com", "a@example.com", " "],
        "phones": ["01632 960123", "07700 900123", "07700 900456", "07700900123"],
    }));
    let typed = typed.unwrap();
    let numbers: Vec<_> = typed.phones.iter().map(PhoneNumber::expose).collect();
    assert_eq!(
        numbers,
        ["+447700900123", "+447700900456", "+441632960123"],
        "mobiles first, as files are read"
    );
    assert_eq!(
        typed.emails.iter().map(EmailAddress::expose).collect::<Vec<_>>(),
        ["a@example.com", "b@example.com"]
    );
    let after = changed(&typed, json!({"emails": ["b@example.com"], "phones": null})).unwrap();
    assert_eq!((after.emails.len(), after.phones.len()), (1, 0));
    assert_eq!(changed(&typed, json!({"phones": numbers})).unwrap(), typed);
    assert!(changed(&typed, json!({"emails": []})).unwrap().emails.is_empty());
    for (body, expected) in [
        (json!({"emails": ["a@example.com", "a@b"]}), "/emails/1 email_invalid"),
        (
            json!({"phones": ["07700 900123", "x", "999"]}),
            "/phones/1 phone_letters, /phones/2 phone_placeholder",
        ),
        (json!({"emails": [], "email": "a@example.com"}), "/emails said_twice"),
        (json!({"phones": ["07700 900123"], "landline": null}), "/phones said_twice"),
        (json!({"phones": vec!["07700 900123"; 11]}), "/phones too_long"),
    ] {
        assert_eq!(faults(changed(&typed, body.clone())), expected, "{body}");
    }
    let pupil = json!({"role": "pupil", "given_name": "A", "emails": ["a@example.com"], "phones": ["07700 900123", "01632 960123"]});
    assert_eq!(faults(person(pupil)), "/emails/0 not_agreed, /phones/0 not_agreed, /phones/1 not_agreed");
}

#[test]
fn another_id_is_in_the_numbering_that_the_person_is_known_in() {
    let id = |source: &str, id: &str| SourceId { source: source.into(), id: id.into() };
    let before = Person {
        source_ids: vec![id("upn", "A1"), id("wonde", "A7")].into(),
        ..from_a_file(json!({"role": "pupil", "given_name": "Ella"}))
    };
    let ids = |person: Person| person.source_ids.into_vec();
    assert_eq!(
        ids(changed(&before, json!({"source_id": "A8"})).unwrap()),
        [id("upn", "A1"), id("wonde", "A8")]
    );
    assert_eq!(ids(changed(&before, json!({"source_id": null})).unwrap()), [id("upn", "A1")]);
    let unknown = Person { source_ids: Vec::new().into(), ..before };
    assert_eq!(ids(changed(&unknown, json!({"source_id": "007"})).unwrap()), [id("csv", "007")]);
}

#[test]
fn a_change_is_held_to_what_a_person_is() {
    let pupil = from_a_file(json!({"role": "pupil", "given_name": "Ella", "family_name": "Smith"}));
    let contact = from_a_file(json!({"role": "contact", "given_name": "Ann"}));
    for (before, body, expected) in [
        (&pupil, json!({"given_name": null, "family_name": " "}), "/given_name name_missing"),
        (&pupil, json!({"starts_on": "2026-09-01", "leaves_on": "2026-08-31"}), "/leaves_on before_start"),
        (&pupil, json!({"starts_on": "soon"}), "/starts_on date_invalid"),
        (&pupil, json!({"groups": ["x".repeat(101)]}), "/groups too_long"),
        (&pupil, json!({"email": "a@example.com"}), "/email not_agreed"),
        (&contact, json!({"groups": ["Choir"], "class": "3A"}), "/class not_agreed, /groups not_agreed"),
        (&contact, json!({"email": "noemail@example.com"}), "/email email_placeholder"),
    ] {
        assert_eq!(faults(changed(before, body.clone())), expected, "{body}");
    }
    for body in [json!({"role": "pupil", "version": 1}), json!({}), json!({"version": 1, "by_hand": []})] {
        assert!(serde_json::from_value::<ChangedPerson>(body.clone()).is_err(), "{body}");
    }
    assert!(serde_json::from_value::<NewPerson>(json!({"role": "pupil", "version": 1})).is_err());
}
