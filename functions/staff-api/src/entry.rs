//! What the office types in about people, checked and cleaned by the rules that files are read by. Pure.

use jiff::civil::Date;
use serde::{Deserialize, Deserializer};
use shared::{
    http::FieldError,
    person::{
        DateOfBirth, Few, Person, Role, SourceId,
        email::EmailAddress,
        name::{MAX_NAME_CHARS, PersonName, tidy},
        phone::{PhoneKind, PhoneNumber},
        suppression::Suppressed,
    },
    privacy::agreement::{Agreement, Field},
    upload::{cell, finding::Code, intake::SHEET},
};

/// The most groups of one person.
const MAX_GROUPS: usize = 100;
/// The most e-mail addresses, and the most numbers, of one person.
const MAX_POINTS: usize = 10;

/// What a body says of one field (RFC 7396): nothing, that it is to be cleared, or what it is to be.
#[derive(Clone, Copy, Debug, Default)]
enum Said<T> {
    #[default]
    Nothing,
    Cleared,
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Said<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Cleared, Self::Value))
    }
}

impl<T> Said<T> {
    fn put<U>(self, to: &mut Option<U>, read: impl FnOnce(T) -> Option<U>) {
        match self {
            Self::Nothing => {}
            Self::Cleared => *to = None,
            Self::Value(value) => *to = read(value),
        }
    }
}

/// Every field that can be typed. What only one kind of body has, the other refuses.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields {
    role: Option<Role>,
    version: Option<u64>,
    title: Said<String>,
    given_name: Said<String>,
    family_name: Said<String>,
    preferred_given_name: Said<String>,
    preferred_family_name: Said<String>,
    former_family_name: Said<String>,
    date_of_birth: Said<String>,
    year_group: Said<String>,
    class: Said<String>,
    groups: Said<Vec<String>>,
    starts_on: Said<String>,
    leaves_on: Said<String>,
    deceased: Said<bool>,
    email: Said<String>,
    mobile: Said<String>,
    landline: Said<String>,
    emails: Said<Vec<String>>,
    phones: Said<Vec<String>>,
    source_id: Said<String>,
}

/// Somebody to be added.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Fields")]
pub struct NewPerson {
    role: Role,
    fields: Fields,
}

impl TryFrom<Fields> for NewPerson {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        if fields.version.is_some() {
            return Err("unknown field");
        }
        Ok(Self { role: fields.role.ok_or("missing field `role`")?, fields })
    }
}

impl NewPerson {
    /// The person as stored, or every field at fault. A field left blank counts as left out.
    pub fn read(&self, agreement: &Agreement, today: Date) -> Result<Person, Vec<FieldError>> {
        let nobody = Person { manual: true, ..Person::named(self.role, PersonName::new("", "")) };
        self.fields.apply(&nobody, agreement, today)
    }
}

/// What is to be different about somebody.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Fields")]
pub struct ChangedPerson {
    /// The version that the office looked at.
    pub version: u64,
    fields: Fields,
}

impl TryFrom<Fields> for ChangedPerson {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        if fields.role.is_some() {
            // One person in two roles is two records.
            return Err("unknown field");
        }
        Ok(Self { version: fields.version.ok_or("missing field `version`")?, fields })
    }
}

impl ChangedPerson {
    /// The person as they will be, or every field at fault.
    pub fn read(
        &self,
        before: &Person,
        agreement: &Agreement,
        today: Date,
    ) -> Result<Person, Vec<FieldError>> {
        self.fields.apply(before, agreement, today)
    }
}

impl Fields {
    fn apply(&self, before: &Person, agreement: &Agreement, today: Date) -> Result<Person, Vec<FieldError>> {
        if !agreement.fields.contains_key(&before.role) {
            return Err(vec![FieldError::new(
                "/role",
                "not_agreed",
                "the data sharing agreement does not list people in this role",
            )]);
        }
        let mut form = Form { agreement, role: before.role, errors: Vec::new() };
        let mut after = before.clone();
        form.text("title", Field::Title, &self.title, 20).put(&mut after.title, cell::text);
        after.name = form.name(
            &before.name,
            ("given_name", Field::GivenName, &self.given_name),
            ("family_name", Field::FamilyName, &self.family_name),
        );
        if after.name.is_empty() && form.errors.is_empty() {
            form.fault("given_name", "name_missing", "write a given name, a family name or both");
        }
        let called = form.name(
            before.preferred_name.as_ref().unwrap_or(&PersonName::new("", "")),
            ("preferred_given_name", Field::PreferredGivenName, &self.preferred_given_name),
            ("preferred_family_name", Field::PreferredFamilyName, &self.preferred_family_name),
        );
        after.preferred_name = Some(called).filter(|called| !called.is_empty());
        form.text("former_family_name", Field::FormerFamilyName, &self.former_family_name, MAX_NAME_CHARS)
            .put(&mut after.former_family_name, |raw| Some(tidy(raw)));
        form.text("date_of_birth", Field::DateOfBirth, &self.date_of_birth, 30)
            .put(&mut after.date_of_birth, |raw| form.date_of_birth(raw, today));
        form.text("year_group", Field::YearGroup, &self.year_group, 10)
            .put(&mut after.year_group, |raw| cell::year_group(raw).filter(|year| !year.is_empty()));
        form.text("class", Field::Class, &self.class, 20).put(&mut after.class, cell::text);
        form.groups(&self.groups, &mut after.groups);
        form.days(&self.starts_on, &self.leaves_on, &mut after);
        match self.deceased {
            Said::Nothing => {}
            Said::Cleared => after.deceased = false,
            Said::Value(deceased) => after.deceased = deceased,
        }
        form.contact_points(self, &mut after);
        let known = before.source_ids.iter().find(|id| !id.is_upn());
        let source = known.map_or(SHEET, |id| &id.source);
        let id = |raw: &str| Some(SourceId { source: source.into(), id: cell::text(raw)? });
        // The id that the school's files use, so that their rows are known to speak of this person.
        let said = form.text("source_id", Field::SourceId, &self.source_id, 100);
        replace(&mut after.source_ids, |id| !id.is_upn(), said, id);
        if !form.errors.is_empty() {
            return Err(form.errors);
        }
        let changed = before.unlike(&after);
        after.blanked.retain(|(field, _)| !changed.contains(field));
        after.mark_by_hand(changed);
        Ok(after)
    }
}

/// The first of a kind becomes another, and the others of the kind stay behind it; cleared, none of the kind is left.
fn replace<'t, T: PartialEq>(
    list: &mut Few<T>,
    is_of_kind: impl Fn(&T) -> bool,
    said: Said<&'t str>,
    read: impl FnOnce(&'t str) -> Option<T>,
) {
    let new = match said {
        Said::Nothing => return,
        Said::Cleared => None,
        Said::Value(raw) => read(raw),
    };
    let Some(new) = new else { return list.retain(|one| !is_of_kind(one)) };
    let place = list.iter().position(is_of_kind).unwrap_or(list.len());
    list.drain(place..list.len().min(place + 1));
    list.retain(|one| *one != new);
    list.insert(place.min(list.len()), new);
}

fn is_blank(text: &str) -> bool {
    tidy(text).is_empty()
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

    /// Whether a field that was filled in may be stored.
    fn allows(&mut self, name: &str, field: Field) -> bool {
        const PUPILS_ONLY: [Field; 5] =
            [Field::DateOfBirth, Field::YearGroup, Field::Class, Field::StartDate, Field::LeavingDate];
        if !self.agreement.allows(self.role, field) {
            self.fault(name, "not_agreed", "the data sharing agreement does not list this field");
        } else if self.role != Role::Pupil && PUPILS_ONLY.contains(&field) {
            self.fault(name, "pupils_only", "this is kept of pupils only; leave it out");
        } else {
            return true;
        }
        false
    }

    /// The text of a field that may be stored; a blank one clears.
    fn text<'t>(&mut self, name: &str, field: Field, said: &'t Said<String>, max: usize) -> Said<&'t str> {
        match said {
            Said::Nothing => Said::Nothing,
            Said::Cleared => Said::Cleared,
            Said::Value(text) if is_blank(text) => Said::Cleared,
            Said::Value(_) if !self.allows(name, field) => Said::Nothing,
            Said::Value(text) if tidy(text).chars().count() > max => {
                self.fault(name, "too_long", format!("write at most {max} letters"));
                Said::Nothing
            }
            Said::Value(text) => Said::Value(text),
        }
    }

    fn name(
        &mut self,
        before: &PersonName,
        given: (&str, Field, &Said<String>),
        family: (&str, Field, &Said<String>),
    ) -> PersonName {
        let mut part = |before: &str, (name, field, said): (&str, Field, &Said<String>)| {
            let mut part = Some(before.to_owned());
            self.text(name, field, said, MAX_NAME_CHARS).put(&mut part, |raw| Some(raw.to_owned()));
            part.unwrap_or_default()
        };
        PersonName::new(&part(before.given(), given), &part(before.family(), family))
    }

    fn date_of_birth(&mut self, raw: &str, today: Date) -> Option<DateOfBirth> {
        let detail = |code| match code {
            Code::DateOutOfRange => "no pupil was born on this day; check the year",
            _ => "this is no day that exists; write it as 2015-01-27",
        };
        cell::date_of_birth(raw, today).unwrap_or_else(|code| {
            self.fault("date_of_birth", code.word(), detail(code));
            None
        })
    }

    fn days(&mut self, starts_on: &Said<String>, leaves_on: &Said<String>, after: &mut Person) {
        for (name, field, said, to) in [
            ("starts_on", Field::StartDate, starts_on, &mut after.starts_on),
            ("leaves_on", Field::LeavingDate, leaves_on, &mut after.leaves_on),
        ] {
            self.text(name, field, said, 30).put(to, |raw| {
                cell::day(raw).unwrap_or_else(|code| {
                    self.fault(name, code.word(), "this is no day that exists; write it as 2026-07-21");
                    None
                })
            });
        }
        if after.starts_on.zip(after.leaves_on).is_some_and(|(first, last)| last < first) {
            self.fault("leaves_on", "before_start", "the last day on roll is not before the first");
        }
    }

    fn groups(&mut self, said: &Said<Vec<String>>, to: &mut Few<String>) {
        match said {
            Said::Nothing => {}
            Said::Cleared => to.clear(),
            Said::Value(groups) if groups.is_empty() => to.clear(),
            Said::Value(groups) if self.allows("groups", Field::Groups) => {
                if groups.len() > MAX_GROUPS || groups.iter().any(|group| tidy(group).chars().count() > 100) {
                    self.fault("groups", "too_long", "write at most 100 groups of at most 100 letters");
                }
                *to = groups.iter().filter_map(|group| cell::text(group)).map(String::from).collect();
                to.sort();
                to.dedup();
            }
            Said::Value(_) => {}
        }
    }

    fn contact_points(&mut self, fields: &Fields, after: &mut Person) {
        let said = self.text("email", Field::Email, &fields.email, 320);
        // What is shown as the first is the first that is not suppressed.
        let Suppressed { emails, phones } = after.suppressed.clone();
        replace(&mut after.emails, |one| !emails.contains(one), said, |raw| self.email("email", raw));
        let said = self.text("mobile", Field::Mobile, &fields.mobile, 30);
        let is_mobile = |one: &PhoneNumber| one.kind() == PhoneKind::Mobile && !phones.contains(one);
        replace(&mut after.phones, is_mobile, said, |raw| self.mobile(raw));
        let said = self.text("landline", Field::Landline, &fields.landline, 30);
        replace(&mut after.phones, |phone| phone.kind() != PhoneKind::Mobile, said, |raw| self.landline(raw));
        let is_said = |said: &Said<String>| !matches!(said, Said::Nothing);
        let one = [is_said(&fields.email), is_said(&fields.mobile) || is_said(&fields.landline)];
        if let Some(emails) = self.list("emails", &fields.emails, one[0]) {
            after.emails = self.all("emails", emails, |form, name, raw| {
                match form.text(name, Field::Email, &Said::Value(raw.to_owned()), 320) {
                    Said::Value(_) => form.email(name, raw),
                    Said::Nothing | Said::Cleared => None,
                }
            });
        }
        if let Some(phones) = self.list("phones", &fields.phones, one[1]) {
            after.phones = self.all("phones", phones, |form, name, raw| {
                let number = if is_blank(raw) { None } else { form.phone(name, raw) }?;
                let is_mobile = number.kind() == PhoneKind::Mobile;
                form.allows(name, if is_mobile { Field::Mobile } else { Field::Landline }).then_some(number)
            });
        }
        // As files are read.
        after.phones.sort_by_key(|phone| phone.kind() != PhoneKind::Mobile);
    }

    /// A list that takes the place of all there is; what it says and a field of its kind says, too, is not guessed at.
    fn list<'t>(
        &mut self,
        name: &str,
        said: &'t Said<Vec<String>>,
        is_said_singly: bool,
    ) -> Option<&'t [String]> {
        let list: &[String] = match said {
            Said::Nothing => return None,
            Said::Cleared => &[],
            Said::Value(list) => list,
        };
        if is_said_singly {
            self.fault(name, "said_twice", "send all of them as a list, or the first of a kind by itself");
            return None;
        }
        if list.len() > MAX_POINTS {
            self.fault(name, "too_long", "write at most 10");
            return None;
        }
        Some(list)
    }

    /// The members of a list, each once and each with its own pointer.
    fn all<T: PartialEq>(
        &mut self,
        name: &str,
        list: &[String],
        read: impl Fn(&mut Self, &str, &str) -> Option<T>,
    ) -> Few<T> {
        let mut all = Few::new();
        for (at, raw) in list.iter().enumerate() {
            let one = read(self, &format!("{name}/{at}"), raw);
            all.extend(one.filter(|one| !all.contains(one)));
        }
        all
    }

    fn email(&mut self, name: &str, raw: &str) -> Option<EmailAddress> {
        match cell::email(raw) {
            Ok(read) => read.map(|(email, _)| email),
            Err(code) => {
                self.fault(name, code.word(), "mail to this address would reach nobody; check its spelling");
                None
            }
        }
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

#[cfg(test)]
#[path = "entry_tests.rs"]
pub mod tests;
