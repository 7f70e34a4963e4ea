//! The claim, as it is sent and as it is read.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    http::FieldError,
    person::{
        DateOfBirth,
        email::EmailAddress,
        name::{MAX_NAME_CHARS, PersonName, tidy},
        phone::{PhoneKind, PhoneNumber},
    },
};

/// A claim as sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimBody {
    /// The school's code, from its letter or website.
    pub school_code: String,
    /// Who the claimant says they are.
    pub parent: ParentBody,
    /// Whose parent they say they are.
    pub child: ChildBody,
}

/// See [`ClaimBody`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParentBody {
    given_name: String,
    family_name: String,
    mobile: String,
    email: String,
}

/// See [`ClaimBody`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildBody {
    given_name: String,
    family_name: String,
    date_of_birth: String,
}

/// A claim whose every part can be compared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// The school's code.
    pub school_code: String,
    /// The claimant's own name.
    pub parent: PersonName,
    /// The mobile they say is registered.
    pub mobile: PhoneNumber,
    /// The e-mail address they say is registered.
    pub email: EmailAddress,
    /// The child's name.
    pub child: PersonName,
    /// The child's date of birth.
    pub born: DateOfBirth,
}

impl ClaimBody {
    /// Reads the claim, before anything is looked up: what is malformed is told, and the same to everybody.
    pub fn read(&self, today: Date) -> Result<Claim, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut fault =
            |pointer: &str, code, detail: &str| errors.push(FieldError::new(pointer, code, detail));
        let names = [
            ("/parent/given_name", &self.parent.given_name),
            ("/parent/family_name", &self.parent.family_name),
            ("/child/given_name", &self.child.given_name),
            ("/child/family_name", &self.child.family_name),
        ];
        for (pointer, name) in names {
            // Bytes first: a megabyte of combining marks is not worth normalising.
            if name.len() > 4 * MAX_NAME_CHARS || tidy(name).chars().count() > MAX_NAME_CHARS {
                fault(pointer, "too_long", "write at most 100 letters");
            } else if crate::person::name::fold(name).is_empty() {
                fault(pointer, "required", "write the name");
            }
        }
        let school_code = code(&self.school_code);
        if school_code.is_none() {
            fault("/school_code", "invalid", "write the code as on the school's letter, such as ABCD-2345");
        }
        let mobile = Some(&self.parent.mobile)
            .filter(|text| text.len() <= 60)
            .and_then(|text| PhoneNumber::parse(text).ok());
        let mobile = mobile.map(|parsed| parsed.number).filter(|number| number.kind() != PhoneKind::Landline);
        if mobile.is_none() {
            fault("/parent/mobile", "invalid", "write a mobile number, such as 07700 900123");
        }
        let email: Option<EmailAddress> =
            if self.parent.email.len() > 400 { None } else { self.parent.email.parse().ok() };
        if email.is_none() {
            fault("/parent/email", "invalid", "write an e-mail address, such as name@example.com");
        }
        let born: Option<Date> =
            self.child.date_of_birth.parse().ok().filter(|_| self.child.date_of_birth.len() == 10);
        let born = born.filter(|date| *date <= today && today.year() - date.year() <= 25);
        if born.is_none() {
            fault("/child/date_of_birth", "invalid", "write the day of birth as 2015-01-27");
        }
        match (errors.is_empty(), school_code, mobile, email, born) {
            (true, Some(school_code), Some(mobile), Some(email), Some(born)) => Ok(Claim {
                school_code,
                parent: PersonName::new(&self.parent.given_name, &self.parent.family_name),
                mobile,
                email,
                child: PersonName::new(&self.child.given_name, &self.child.family_name),
                born: DateOfBirth(born),
            }),
            _ => Err(errors),
        }
    }
}

/// A school code as stored: case and the hyphen do not matter.
fn code(text: &str) -> Option<String> {
    let letters: String =
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).take(9).collect();
    (letters.len() == 8 && text.len() <= 20).then(|| format!("{}-{}", &letters[..4], &letters[4..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        for text in ["ABCD-2345", "abcd2345", " abcd 2345 "] {
            assert_eq!(code(text).as_deref(), Some("ABCD-2345"));
        }
        for text in ["", "ABCD-234", "ABCD-23456", "ÄBCD-2345"] {
            assert_eq!(code(text), None);
        }
    }

    #[test]
    fn a_malformed_claim_is_told_part_by_part_and_never_repeated() {
        let body: ClaimBody = serde_json::from_value(serde_json::json!({
            "school_code": "x", "parent": {"given_name": " ", "family_name": "a\u{301}".repeat(500_000), "mobile": "020 7946 0000", "email": "nobody"},
            "child": {"given_name": "Ann", "family_name": "Smith", "date_of_birth": "27/01/2015"},
        }))
        .unwrap();
        let errors = body.read(jiff::civil::date(2026, 11, 22)).unwrap_err();
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/parent/given_name",
                "/parent/family_name",
                "/school_code",
                "/parent/mobile",
                "/parent/email",
                "/child/date_of_birth"
            ]
        );
        assert!(errors.iter().all(|error| !error.detail.contains("nobody")));
    }
}
