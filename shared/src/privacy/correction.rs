//! What a parent says is wrong: which facts they may speak of, and in what form. Pure; nothing is changed by it.

use jiff::civil::Date;

use super::agreement::{Agreement, Field};
use crate::{
    http::FieldError,
    person::{Role, phone::PhoneKind},
    upload::cell,
};

/// The facts that a parent can know better than the school. What protects a child (a restriction, responsibility) is not
/// among them: that is said to the school in person.
const OPEN_TO_PARENTS: [Field; 11] = [
    Field::Title,
    Field::GivenName,
    Field::FamilyName,
    Field::PreferredGivenName,
    Field::PreferredFamilyName,
    Field::DateOfBirth,
    Field::YearGroup,
    Field::Class,
    Field::Email,
    Field::Mobile,
    Field::Landline,
];
/// The longest text of a fact, in bytes, before it is read.
const MAX_BYTES: usize = 400;

/// A proposed value as it will be shown to the school, or what is wrong with it. None proposes that nothing be kept.
pub fn read(
    agreement: &Agreement,
    role: Role,
    field: Field,
    proposed: Option<&str>,
    today: Date,
) -> Result<Option<String>, FieldError> {
    let fault = |code, detail: &str| FieldError::new("/proposed", code, detail);
    if !OPEN_TO_PARENTS.contains(&field) {
        return Err(FieldError::new("/field", "not_here", "tell the school's office about this one"));
    }
    if !agreement.allows(role, field) {
        return Err(FieldError::new(
            "/field",
            "not_agreed",
            "the school does not share this fact; tell its office",
        ));
    }
    let Some(raw) = proposed else { return Ok(None) };
    if raw.len() > MAX_BYTES {
        return Err(fault("too_long", "write at most 100 letters"));
    }
    let text = match field {
        Field::Email => cell::email(raw)
            .map_err(|code| {
                fault(code.word(), "mail to this address would reach nobody; check its spelling")
            })?
            .map(|(email, _)| email.expose().to_owned()),
        Field::Mobile | Field::Landline => {
            let detail = "this is not a phone number that exists; write one number, in digits only";
            let number =
                cell::phone(raw).map_err(|code| fault(code.word(), detail))?.map(|parsed| parsed.number);
            let wants_mobile = field == Field::Mobile;
            if number.as_ref().is_some_and(|number| (number.kind() == PhoneKind::Mobile) != wants_mobile) {
                return Err(fault("other_kind", "this is a number of the other kind; say so in field"));
            }
            number.map(|number| number.expose().to_owned())
        }
        Field::DateOfBirth => cell::date_of_birth(raw, today)
            .map_err(|code| {
                fault(code.word(), "nobody at school was born on this day; write it as 2015-01-27")
            })?
            .map(|born| born.expose().to_string()),
        Field::YearGroup => cell::year_group(raw).map(Into::into),
        _ => Some(cell::name(raw).map_err(|code| fault(code.word(), "write at most 100 letters"))?.into()),
    };
    let text = text.filter(|text| !text.is_empty());
    text.map(Some).ok_or_else(|| fault("blank", "write what it should be, or null for nothing"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_proposal_is_a_fact_that_parents_know_and_the_school_shares() {
        let agreement = Agreement {
            fields: BTreeMap::from([
                (Role::Contact, [Field::Email, Field::Mobile, Field::Landline, Field::GivenName].into()),
                (Role::Pupil, [Field::DateOfBirth, Field::YearGroup, Field::Class, Field::Upn].into()),
            ]),
            signed_on: date(2026, 9, 1),
        };
        let propose = |role, field, proposed: &str| {
            read(&agreement, role, field, Some(proposed), date(2026, 11, 22)).map_err(|fault| fault.code)
        };
        for (role, field, proposed, expected) in [
            (Role::Contact, Field::Mobile, "07700 900123", Ok("+447700900123")),
            (Role::Contact, Field::Mobile, "01632 960123", Err("other_kind")),
            (Role::Contact, Field::Landline, "01632 960123", Ok("+441632960123")),
            (Role::Contact, Field::Landline, "07700 900123", Err("other_kind")),
            (Role::Contact, Field::Mobile, "12", Err("phone_invalid")),
            (Role::Contact, Field::Mobile, "  ", Err("blank")),
            (Role::Contact, Field::Email, "Grace@Example.com", Ok("grace@example.com")),
            (Role::Contact, Field::Email, "grace", Err("email_invalid")),
            (Role::Contact, Field::GivenName, "  Grace  Ann ", Ok("Grace Ann")),
            (Role::Contact, Field::GivenName, "", Err("blank")),
            (Role::Contact, Field::FamilyName, "Smith", Err("not_agreed")),
            (Role::Contact, Field::ParentalResponsibility, "yes", Err("not_here")),
            (Role::Pupil, Field::Upn, "A123", Err("not_here")),
            (Role::Pupil, Field::Email, "ada@example.com", Err("not_agreed")),
            (Role::Pupil, Field::DateOfBirth, "14/05/2018", Ok("2018-05-14")),
            (Role::Pupil, Field::DateOfBirth, "31/02/2018", Err("date_invalid")),
            (Role::Pupil, Field::YearGroup, "Year 4", Ok("4")),
        ] {
            let read = propose(role, field, proposed);
            assert_eq!(read, expected.map(|text| Some(text.to_owned())), "{field:?} {proposed}");
        }
        let long = "x".repeat(101);
        assert_eq!(propose(Role::Contact, Field::GivenName, &long), Err("name_too_long"));
        assert_eq!(propose(Role::Contact, Field::GivenName, &"x".repeat(9_000)), Err("too_long"));
        let nothing = read(&agreement, Role::Contact, Field::Mobile, None, date(2026, 11, 22));
        assert_eq!(nothing, Ok(None));
    }
}
