//! What the tests of both bundles use.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;

use super::*;
use crate::{
    person::{Role, email::EmailAddress, guardianship::Link, phone::PhoneNumber},
    privacy::agreement::{Agreement, Field},
    upload::{
        archive::{self, Bundle},
        oneroster,
        roll::{Identity, Roll},
        sds,
        store::Scope,
    },
};

/// An agreement over everything that bundles can say, but e-mail addresses of pupils and the like.
pub(crate) fn agreement() -> Agreement {
    let named = [Field::SourceId, Field::GivenName, Field::FamilyName];
    let more = |more: &[Field]| named.iter().chain(more).copied().collect::<BTreeSet<_>>();
    let pupil = more(&[
        Field::PreferredGivenName,
        Field::PreferredFamilyName,
        Field::Upn,
        Field::YearGroup,
        Field::DateOfBirth,
        Field::Class,
        Field::Groups,
    ]);
    let contact = more(&[Field::Email, Field::Mobile, Field::Landline, Field::Relationship]);
    let staff = more(&[Field::Email, Field::Groups]);
    Agreement {
        fields: BTreeMap::from([(Role::Pupil, pupil), (Role::Contact, contact), (Role::Staff, staff)]),
        signed_on: date(2026, 9, 1),
    }
}

/// Reads an archive as the bundle that it is.
pub(crate) fn read(bytes: &[u8], agreement: &Agreement) -> Result<Roll, Refusal> {
    let archive = Archive::open(bytes)?;
    let mut intake = Intake::new(agreement, date(2026, 11, 22));
    match archive::kind(&archive).ok_or(Refusal::UnknownArchive)? {
        Bundle::OneRoster => oneroster::read(&archive, &mut intake)?,
        Bundle::SchoolDataSync => sds::read(&archive, &mut intake)?,
    }
    intake.finish()
}

/// Files of text as an archive.
pub(crate) fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    archive::tests::zip(&files)
}

fn id(roll: &Roll, at: usize) -> &str {
    match roll.identity(at) {
        Identity::Id(id) => &id.id,
        _ => "?",
    }
}

/// People, one a line: row, role, id, name, and what else is known.
pub(crate) fn people(roll: &Roll) -> Vec<String> {
    let mut people: Vec<_> = roll
        .people
        .iter()
        .enumerate()
        .map(|(at, entry)| {
            let person = &entry.value;
            let mut line = vec![
                format!("{:03}", entry.row),
                person.role.word().to_owned(),
                id(roll, at).to_owned(),
                person.name.given().to_owned(),
                person.name.family().to_owned(),
            ];
            line.extend(
                person.preferred_name.iter().map(|name| format!("({} {})", name.given(), name.family())),
            );
            line.extend(person.date_of_birth.map(|born| born.expose().to_string()));
            line.extend(person.year_group.iter().map(|year| format!("Y{year}")));
            line.extend(person.class.as_deref().map(str::to_owned));
            line.extend((!person.groups.is_empty()).then(|| format!("{:?}", person.groups)));
            line.extend(person.source_ids.iter().skip(1).map(|id| format!("{}:{}", id.source, id.id)));
            line.extend(person.emails.iter().map(EmailAddress::expose).map(str::to_owned));
            line.extend(person.phones.iter().map(PhoneNumber::expose).map(str::to_owned));
            line.join(" ")
        })
        .collect();
    people.sort();
    people
}

/// Ties, one a line.
pub(crate) fn ties(roll: &Roll) -> Vec<String> {
    let tie = |((pupil, contact), entry): ((usize, usize), &crate::upload::roll::Entry<Link>)| {
        let (link, responsibility) = (&entry.value, entry.value.parental_responsibility);
        let ends = [id(roll, pupil), id(roll, contact)].join(" ");
        format!("{ends} {:?} {responsibility:?} {:?}", link.relationship, link.priority)
    };
    roll.links.iter().map(tie).collect()
}

/// Findings, one a line.
pub(crate) fn findings(roll: &Roll) -> Vec<String> {
    let findings = roll.findings.iter();
    findings.map(|finding| format!("{} {} {}", finding.row, finding.column, finding.code)).collect()
}

/// Whom the source says is gone, one a line.
pub(crate) fn gone(roll: &Roll) -> Vec<String> {
    let gone = roll.gone.iter();
    gone.map(|gone| format!("{} {} {}", gone.role.word(), gone.source, gone.id)).collect()
}

pub(crate) fn is_partial(roll: &Roll) -> bool {
    roll.scope == Scope::Partial
}

#[test]
fn edge_case_62_text_is_decoded_without_a_letter_lost() {
    let words = "sourcedId,Zoë O’Connor";
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(words.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for bytes in [
        words.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", words.as_bytes()].concat(),
        b"sourcedId,Zo\xeb O\x92Connor".to_vec(),
        utf16,
    ] {
        assert_eq!(decode(&bytes), words);
    }
}
