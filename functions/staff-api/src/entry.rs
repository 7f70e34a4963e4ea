//! What the office types in or asks for, checked and cleaned by the rules that files are read by. Pure.

use jiff::civil::Date;
use serde::Deserialize;
use shared::{
    http::FieldError,
    id::PersonId,
    person::{
        Person, Role, SourceId,
        guardianship::{Link, Relationship, Responsibility},
        name::{MAX_NAME_CHARS, PersonName, fold, tidy},
        phone::{PhoneKind, PhoneNumber},
    },
    privacy::agreement::{Agreement, Field},
    upload::{cell, finding::Code, intake::SHEET},
};

/// The largest page, and the usual one.
const MAX_LIMIT: i64 = 100;
const LIMIT: usize = 50;

/// Somebody to be added.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPerson {
    role: Role,
    title: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    date_of_birth: Option<String>,
    year_group: Option<String>,
    class: Option<String>,
    email: Option<String>,
    mobile: Option<String>,
    landline: Option<String>,
    source_id: Option<String>,
}

impl NewPerson {
    /// The person as stored, or every field at fault. A field left blank counts as left out.
    pub fn read(&self, agreement: &Agreement, today: Date) -> Result<Person, Vec<FieldError>> {
        if !agreement.fields.contains_key(&self.role) {
            return Err(vec![FieldError::new(
                "/role",
                "not_agreed",
                "the data sharing agreement does not list people in this role",
            )]);
        }
        let mut form = Form { agreement, role: self.role, errors: Vec::new() };
        let given = form.text("given_name", Field::GivenName, self.given_name.as_ref(), MAX_NAME_CHARS);
        let family = form.text("family_name", Field::FamilyName, self.family_name.as_ref(), MAX_NAME_CHARS);
        if is_blank(self.given_name.as_ref()) && is_blank(self.family_name.as_ref()) {
            form.fault("given_name", "name_missing", "write a given name, a family name or both");
        }
        let title = form.text("title", Field::Title, self.title.as_ref(), 20);
        let born = form.text("date_of_birth", Field::DateOfBirth, self.date_of_birth.as_ref(), 30);
        let born = born.and_then(|raw| form.date_of_birth(raw, today));
        let year_group = form.text("year_group", Field::YearGroup, self.year_group.as_ref(), 10);
        let class = form.text("class", Field::Class, self.class.as_ref(), 20);
        let email =
            form.text("email", Field::Email, self.email.as_ref(), 320).and_then(|raw| form.email(raw));
        let mobile =
            form.text("mobile", Field::Mobile, self.mobile.as_ref(), 30).and_then(|raw| form.mobile(raw));
        let landline = form
            .text("landline", Field::Landline, self.landline.as_ref(), 30)
            .and_then(|raw| form.landline(raw));
        let source_id =
            form.text("source_id", Field::SourceId, self.source_id.as_ref(), 100).and_then(cell::text);
        if !form.errors.is_empty() {
            return Err(form.errors);
        }
        Ok(Person {
            title: title.and_then(cell::text),
            date_of_birth: born,
            year_group: year_group.and_then(cell::year_group).filter(|year| !year.is_empty()),
            class: class.and_then(cell::text),
            emails: email.into_iter().collect(),
            phones: mobile.into_iter().chain(landline).collect(),
            // The id that the school's files use, so that their rows are known to speak of this person.
            source_ids: source_id.into_iter().map(|id| SourceId { source: SHEET.to_owned(), id }).collect(),
            manual: true,
            ..Person::named(self.role, PersonName::new(given.unwrap_or_default(), family.unwrap_or_default()))
        })
    }
}

fn is_blank(text: Option<&String>) -> bool {
    text.is_none_or(|text| tidy(text).is_empty())
}

/// Fields of one body on their way in, and what is wrong with them.
struct Form<'a> {
    agreement: &'a Agreement,
    role: Role,
    errors: Vec<FieldError>,
}

impl Form<'_> {
    fn fault(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.errors.push(FieldError::new(format!("/{name}"), code, detail));
    }

    /// The text of a field that was filled in and may be stored.
    fn text<'t>(
        &mut self,
        name: &str,
        field: Field,
        given: Option<&'t String>,
        max: usize,
    ) -> Option<&'t str> {
        let text = given.filter(|text| !is_blank(Some(*text)))?;
        if !self.agreement.allows(self.role, field) {
            self.fault(name, "not_agreed", "the data sharing agreement does not list this field");
        } else if self.role != Role::Pupil
            && matches!(field, Field::DateOfBirth | Field::YearGroup | Field::Class)
        {
            self.fault(name, "pupils_only", "this is kept of pupils only; leave it out");
        } else if tidy(text).chars().count() > max {
            self.fault(name, "too_long", format!("write at most {max} letters"));
        } else {
            return Some(text);
        }
        None
    }

    fn date_of_birth(&mut self, raw: &str, today: Date) -> Option<shared::person::DateOfBirth> {
        let detail = |code| match code {
            Code::DateOutOfRange => "no pupil was born on this day; check the year",
            _ => "this is no day that exists; write it as 2015-01-27",
        };
        cell::date_of_birth(raw, today).unwrap_or_else(|code| {
            self.fault("date_of_birth", code.word(), detail(code));
            None
        })
    }

    fn email(&mut self, raw: &str) -> Option<shared::person::email::EmailAddress> {
        let email = raw.parse().ok();
        if email.is_none() {
            self.fault(
                "email",
                Code::EmailInvalid.word(),
                "this is not an e-mail address; check its spelling",
            );
        }
        email
    }

    fn phone(&mut self, name: &str, raw: &str) -> Option<PhoneNumber> {
        match cell::phone(raw) {
            Ok(parsed) => parsed.map(|parsed| parsed.number),
            Err(code) => {
                self.fault(
                    name,
                    code.word(),
                    "this is not a phone number that exists; write one number, in digits only",
                );
                None
            }
        }
    }

    /// Somebody who types chooses the field on purpose: a number in the wrong one is a slip of the finger.
    fn mobile(&mut self, raw: &str) -> Option<PhoneNumber> {
        let number = self.phone("mobile", raw)?;
        if number.kind() != PhoneKind::Mobile {
            self.fault(
                "mobile",
                "not_a_mobile",
                "texts go to UK mobile numbers only; send this number as landline",
            );
        }
        Some(number)
    }

    fn landline(&mut self, raw: &str) -> Option<PhoneNumber> {
        let number = self.phone("landline", raw)?;
        if number.kind() == PhoneKind::Mobile {
            self.fault("landline", "is_a_mobile", "this is a mobile number; send it as mobile");
        }
        Some(number)
    }
}

/// Whom to find.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    role: Option<Role>,
    given_name: Option<String>,
    family_name: Option<String>,
    year_group: Option<String>,
    class: Option<String>,
    source_id: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

/// A search that can be run. Names and classes are folded.
#[derive(Debug)]
pub struct Criteria {
    role: Option<Role>,
    given: Option<String>,
    family: Option<String>,
    year_group: Option<String>,
    class: Option<String>,
    source_id: Option<String>,
    /// How many on a page.
    pub limit: usize,
    /// Only those after this one.
    pub after: Option<PersonId>,
}

impl Search {
    /// The search, or every field at fault. Something has to be asked for: everybody is the list of people.
    pub fn read(&self) -> Result<Criteria, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut clean = |pointer: &str, given: Option<&String>, clean: fn(&str) -> Option<String>| {
            let cleaned = clean(given?).filter(|text| !text.is_empty());
            if cleaned.is_none() {
                errors.push(FieldError::new(
                    pointer,
                    "blank",
                    "write something to look for, or leave the field out",
                ));
            }
            cleaned
        };
        let folded: fn(&str) -> Option<String> = |text| Some(fold(text));
        let mut criteria = Criteria {
            role: self.role,
            given: clean("/given_name", self.given_name.as_ref(), folded),
            family: clean("/family_name", self.family_name.as_ref(), folded),
            year_group: clean("/year_group", self.year_group.as_ref(), cell::year_group),
            class: clean("/class", self.class.as_ref(), folded),
            source_id: clean("/source_id", self.source_id.as_ref(), cell::text),
            limit: LIMIT,
            after: None,
        };
        let texts = [&self.given_name, &self.family_name, &self.year_group, &self.class, &self.source_id];
        if self.role.is_none() && texts.iter().all(|text| text.is_none()) {
            errors.push(FieldError::new("", "nothing_asked", "give at least one field to look for"));
        }
        match self.limit {
            None => {}
            Some(limit) if (1..=MAX_LIMIT).contains(&limit) => {
                criteria.limit = usize::try_from(limit).unwrap_or(LIMIT);
            }
            Some(_) => errors.push(FieldError::new("/limit", "out_of_range", "a page has 1 to 100 people")),
        }
        match self.cursor.as_deref().map(str::parse) {
            None => {}
            Some(Ok(after)) => criteria.after = Some(after),
            Some(Err(_)) => {
                errors.push(FieldError::new("/cursor", "invalid", "send the next_cursor of the page before"));
            }
        }
        if errors.is_empty() { Ok(criteria) } else { Err(errors) }
    }
}

impl Criteria {
    /// Whether somebody is meant: everything asked for fits.
    pub fn fits(&self, person: &Person) -> bool {
        let folds = |asked: Option<&String>, text: &str| asked.is_none_or(|asked| *asked == fold(text));
        self.role.is_none_or(|role| role == person.role)
            && folds(self.given.as_ref(), person.name.given())
            && folds(self.family.as_ref(), person.name.family())
            && self
                .year_group
                .as_ref()
                .is_none_or(|year| person.year_group.as_ref().is_some_and(|of| of.eq_ignore_ascii_case(year)))
            && folds(self.class.as_ref(), person.class.as_deref().unwrap_or_default())
            && self
                .source_id
                .as_ref()
                .is_none_or(|id| person.source_ids.iter().any(|source| source.id == *id))
    }
}

/// What a contact is to be to a pupil.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    #[serde(default)]
    relationship: Relationship,
    parental_responsibility: Option<Responsibility>,
    restricted: Option<bool>,
    priority: Option<i64>,
    #[serde(default)]
    emergency_contact: bool,
    address_confidential: Option<bool>,
}

impl NewLink {
    /// The link as stored, or every field at fault.
    ///
    /// What protects a child (restriction, confidential address, responsibility) is only ever lifted by saying so: left
    /// out, it stays as it was `before`.
    pub fn read(&self, agreement: &Agreement, before: Option<&Link>) -> Result<Link, Vec<FieldError>> {
        let mut errors = Vec::new();
        let responsibility = self.parental_responsibility.is_some_and(|said| said != Responsibility::Unknown);
        for (pointer, field, is_said) in [
            ("/relationship", Field::Relationship, self.relationship != Relationship::Unknown),
            ("/parental_responsibility", Field::ParentalResponsibility, responsibility),
            ("/priority", Field::Priority, self.priority.is_some()),
        ] {
            if is_said && !agreement.allows(Role::Contact, field) {
                errors.push(FieldError::new(
                    pointer,
                    "not_agreed",
                    "the data sharing agreement does not list this field of contacts",
                ));
            }
        }
        let priority = self.priority.and_then(|priority| cell::priority(&priority.to_string()));
        if priority.is_none() && self.priority.is_some() {
            errors.push(FieldError::new(
                "/priority",
                "out_of_range",
                "write a number from 1, who is asked first, to 254",
            ));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Link {
            relationship: self.relationship,
            parental_responsibility: self
                .parental_responsibility
                .or(before.map(|link| link.parental_responsibility))
                .unwrap_or_default(),
            restricted: self.restricted.or(before.map(|link| link.restricted)).unwrap_or_default(),
            priority,
            emergency_contact: self.emergency_contact,
            address_confidential: self
                .address_confidential
                .or(before.map(|link| link.address_confidential))
                .unwrap_or_default(),
            manual: true,
            ended: false,
            missing_since: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::civil::date;
    use serde_json::{Value, json};

    use super::*;

    const TODAY: Date = date(2026, 11, 22);

    fn agreement() -> Agreement {
        use Field::{
            Class, DateOfBirth, Email, FamilyName, GivenName, Landline, Mobile, ParentalResponsibility,
            Priority, SourceId, YearGroup,
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

    fn faults<T: std::fmt::Debug>(read: Result<T, Vec<FieldError>>) -> String {
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

    #[test]
    fn a_search_fits_whoever_has_everything_asked_for() {
        let pupil = person(json!({"role": "pupil", "given_name": "Zoë", "family_name": "O'Neill", "year_group": "R", "class": "Oak", "source_id": "00123"})).unwrap();
        let fits = |body| serde_json::from_value::<Search>(body).unwrap().read().unwrap().fits(&pupil);
        for body in [
            json!({"role": "pupil"}),
            json!({"given_name": "ZOE", "family_name": "oneill"}),
            json!({"year_group": "Reception", "class": "oak"}),
            json!({"source_id": "00123"}),
        ] {
            assert!(fits(body.clone()), "{body}");
        }
        for body in [
            json!({"role": "contact"}),
            json!({"given_name": "Zoe", "family_name": "Neill"}),
            json!({"year_group": "1"}),
            json!({"source_id": "123"}),
        ] {
            assert!(!fits(body.clone()), "{body}");
        }
    }

    #[test]
    fn a_search_has_to_ask_for_something() {
        let read = |body| serde_json::from_value::<Search>(body).unwrap().read();
        assert_eq!(faults(read(json!({"limit": 10}))), " nothing_asked");
        assert_eq!(
            faults(read(json!({"given_name": " - ", "limit": 101, "cursor": "x"}))),
            "/given_name blank, /limit out_of_range, /cursor invalid"
        );
    }

    #[test]
    fn a_link_keeps_what_protects_until_told_otherwise() {
        let link = |body, before: Option<&Link>| {
            serde_json::from_value::<NewLink>(body).unwrap().read(&agreement(), before)
        };
        let restricted = link(json!({"restricted": true, "parental_responsibility": "no", "address_confidential": true, "priority": 2}), None).unwrap();
        assert!(restricted.restricted && restricted.manual && restricted.address_confidential);
        let again = link(json!({"emergency_contact": true}), Some(&restricted)).unwrap();
        assert_eq!(again, Link { emergency_contact: true, priority: None, ..restricted.clone() });
        let lifted = link(
            json!({"restricted": false, "parental_responsibility": "unknown", "address_confidential": false}),
            Some(&restricted),
        )
        .unwrap();
        assert_eq!(lifted, Link { manual: true, ..Link::default() });
    }

    #[test]
    fn a_link_is_held_to_the_agreement_and_to_its_fields() {
        let read = |body| serde_json::from_value::<NewLink>(body);
        assert_eq!(
            faults(read(json!({"relationship": "mother", "priority": 0})).unwrap().read(&agreement(), None)),
            "/relationship not_agreed, /priority out_of_range"
        );
        for ours in ["manual", "missing_since"] {
            assert!(read(json!({ours: true})).is_err(), "{ours}");
        }
    }
}
