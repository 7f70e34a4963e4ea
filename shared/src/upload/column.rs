//! Column names: what schools' systems call the fields we know.

use crate::{person::Role, privacy::agreement::Field};

/// A column we know: whose fact it is, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column {
    /// The role of the person the fact is about. Facts about the tie count as the contact's.
    pub role: Role,
    /// The fact.
    pub field: Field,
}

/// The names a column may have, compared without case, spaces and punctuation.
#[rustfmt::skip]
const NAMES: &[(Role, Field, &[&str])] = &[
    (Role::Pupil, Field::GivenName, &["studentforename", "pupilforename", "forename", "firstname", "legalforename", "pupilfirstname", "studentfirstname", "givenname"]),
    (Role::Pupil, Field::FamilyName, &["studentsurname", "pupilsurname", "surname", "lastname", "legalsurname", "pupillastname", "studentlastname", "familyname"]),
    (Role::Pupil, Field::SourceId, &["studentid", "pupilid", "admissionnumber", "admissionno", "misid", "adno"]),
    (Role::Pupil, Field::Upn, &["upn", "uniquepupilnumber"]),
    (Role::Pupil, Field::YearGroup, &["year", "yeargroup", "ncyear", "nationalcurriculumyear", "schoolyear"]),
    (Role::Pupil, Field::Class, &["reg", "class", "form", "reggroup", "registrationgroup", "registrationform", "tutorgroup", "classname"]),
    (Role::Pupil, Field::DateOfBirth, &["dob", "dateofbirth", "birthdate", "pupildob", "studentdob"]),
    (Role::Pupil, Field::Gender, &["gender", "sex"]),
    (Role::Contact, Field::Relationship, &["relationship", "relationshiptopupil", "relation", "contactrelationship"]),
    (Role::Contact, Field::Title, &["title", "contacttitle", "parenttitle"]),
    (Role::Contact, Field::GivenName, &["contactforename", "parentforename", "contactfirstname", "parentfirstname"]),
    (Role::Contact, Field::FamilyName, &["contactsurname", "parentsurname", "contactlastname", "parentlastname"]),
    (Role::Contact, Field::SourceId, &["contactid", "parentid"]),
    (Role::Contact, Field::Email, &["primaryemail", "email", "emailaddress", "contactemail", "parentemail", "homeemail", "contacthomeemail"]),
    (Role::Contact, Field::Mobile, &["mobilenumber", "mobile", "mobilephone", "contactmobile", "parentmobile", "mobiletelephone"]),
    (Role::Contact, Field::Landline, &["maintelephone", "hometelephone", "homephone", "telephone", "landline", "phone"]),
    (Role::Contact, Field::Address, &["housename", "housenumber", "street", "district", "town", "county", "postcode", "address", "addressline1", "addressline2"]),
    (Role::Contact, Field::Priority, &["priority", "contactpriority", "contactorder", "callorder"]),
    (Role::Contact, Field::ParentalResponsibility, &["parentalresponsibility", "hasparentalresponsibility", "legalguardian", "responsibility"]),
    (Role::Contact, Field::Restricted, &["courtorder", "courtorderrestrictedaccess", "restricted", "restrictedaccess"]),
];

/// What a header cell says, if it is known.
pub fn recognise(header: &str) -> Option<Column> {
    let name: String =
        header.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    NAMES
        .iter()
        .find(|(_, _, names)| names.contains(&name.as_str()))
        .map(|(role, field, _)| Column { role: *role, field: *field })
}

/// Whether a field may stand in several columns, as the parts of an address do.
pub const fn may_repeat(field: Field) -> bool {
    matches!(field, Field::Address | Field::Landline | Field::Email | Field::Mobile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_case_and_punctuation_do_not_matter() {
        for header in
            ["StudentForename", "student forename", "STUDENT_FORENAME", " Student-Forename\u{feff} "]
        {
            assert_eq!(
                recognise(header),
                Some(Column { role: Role::Pupil, field: Field::GivenName }),
                "{header}"
            );
        }
        assert_eq!(recognise("Shoe size"), None);
        assert_eq!(recognise(""), None);
    }

    #[test]
    fn no_name_stands_for_two_columns() {
        let mut all: Vec<_> = NAMES.iter().flat_map(|(_, _, names)| *names).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
