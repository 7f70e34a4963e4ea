//! Contacts with e-mail addresses at the school's own domain: some work there, and beyond some it is what an office types for want
//! of another.

use super::{
    finding::{Code, Finding},
    roll::Roll,
};
use crate::person::{Role, email::EmailAddress};

/// As many parents as may work at their children's school without anybody wondering.
const MANY: usize = 8;

impl Roll {
    /// Finds, at the first of them, that many contacts have an address there.
    pub(super) fn at_own_domain(&mut self, own: Option<&str>) {
        let Some(own) = own else { return };
        let is_own = |email: &EmailAddress| email.host() == own;
        let contacts = self.people.iter().filter(|entry| entry.value.role == Role::Contact);
        let there = contacts.filter(|entry| entry.value.emails.iter().any(is_own));
        let (count, first) =
            there.fold((0, u32::MAX), |(count, first), entry| (count + 1, first.min(entry.row)));
        if count > MANY {
            self.note(Finding::at(first, "", Code::SchoolEmail));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use jiff::civil::date;

    use super::*;
    use crate::{
        privacy::agreement::{Agreement, Field},
        upload::{column::Mapping, format, intake::Intake},
    };

    fn found(hosts: &[&str], own: Option<&str>) -> Vec<u32> {
        let fields = [
            (Role::Pupil, [Field::GivenName, Field::FamilyName].into()),
            (Role::Contact, [Field::GivenName, Field::FamilyName, Field::Email].into()),
        ];
        let agreement = Agreement { fields: fields.into(), signed_on: date(2026, 9, 1) };
        let mut intake = Intake::new(&agreement, date(2026, 11, 22)).of_domain(own);
        let mut text = "Forename,Surname,Contact forename,Contact surname,Email\n".to_owned();
        for (n, host) in hosts.iter().enumerate() {
            writeln!(text, "Ann,Fam{n},Jo,Fam{n},jo{n}@{host}").unwrap();
        }
        format::read(text.as_bytes(), &Mapping::default(), &mut intake).unwrap();
        let findings = intake.finish().unwrap().findings;
        findings.iter().filter(|one| one.code == Code::SchoolEmail.word()).map(|one| one.row).collect()
    }

    #[test]
    fn more_than_a_staff_rooms_parents_at_the_schools_own_domain_are_found() {
        let own = "oakfield.example.sch.uk";
        let mut hosts = vec!["example.com", "sub.oakfield.example.sch.uk"];
        hosts.extend([own; 8]);
        assert!(found(&hosts, Some(own)).is_empty());
        hosts.push(own);
        assert_eq!(found(&hosts, Some(own)), [4], "the first of nine");
        assert!(found(&hosts, Some("example.org")).is_empty() && found(&hosts, None).is_empty());
    }
}
