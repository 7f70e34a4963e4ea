//! A school's file after something has gone wrong with it, and what a right reading of it says about everybody who is
//! known from the whole one.

use std::collections::{BTreeMap, BTreeSet};

use super::School;
use super::csv;
use super::model::{Phone, Year};
use super::report::Counts;

/// Contacts whose mobile numbers are mixed up.
const MIXED_UP: usize = 20;

/// A file with a mistake in it. Nobody in it is new.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// The file.
    pub csv: String,
    /// Records after the header.
    pub rows: usize,
    /// People and links that it says nothing new about.
    pub unchanged: Counts,
    /// People and links that it changes.
    pub changed: Counts,
    /// People and links that would be missing, whom the whole file has.
    pub missing: Counts,
    /// `ContactID` to the mobile number that the file gives them and that is another's, in E.164.
    pub mobiles: BTreeMap<String, String>,
}

const NOBODY: Counts = Counts { pupil: 0, contact: 0, link: 0 };

/// The export breaks off after the first two year groups.
///
/// Whoever is not in it would be missing, but for contacts under a court order: what hangs on them must not go away by
/// itself. Nor do the links of pupils who are absent, of whom the file says nothing.
pub(super) fn broken_off(school: &School) -> Mistake {
    let is_in = |pupil: usize| school.pupils[pupil].year < Year(2);
    let (there, absent): (Vec<_>, Vec<_>) = (0..school.pupils.len())
        .filter(|&pupil| !school.pupils[pupil].nameless)
        .partition(|&pupil| is_in(pupil));
    let links = || school.links.iter().filter(|link| !school.pupils[link.pupil].nameless);
    let here: BTreeSet<usize> = links().filter(|link| is_in(link.pupil)).map(|link| link.contact).collect();
    let kept_away: BTreeSet<usize> =
        links().filter(|link| link.terms.restricted).map(|link| link.contact).collect();
    let gone: BTreeSet<usize> = links()
        .map(|link| link.contact)
        .filter(|contact| !here.contains(contact) && !kept_away.contains(contact))
        .collect();
    Mistake {
        csv: csv::write(school, |row| is_in(row.pupil)),
        rows: csv::rows(school).iter().filter(|row| is_in(row.pupil)).count(),
        unchanged: Counts {
            pupil: there.len(),
            contact: here.len(),
            link: links().filter(|link| is_in(link.pupil)).count(),
        },
        changed: NOBODY,
        missing: Counts { pupil: absent.len(), contact: gone.len(), link: 0 },
        mobiles: BTreeMap::new(),
    }
}

/// Twenty contacts, the mother and the father of the story among them, stand beside one another's mobile numbers, as
/// when somebody has sorted a piece of one column.
pub(super) fn mixed_up(mut school: School) -> Mistake {
    let counts = school.expected().counts;
    let chosen = chosen(&school);
    let mut phones: Vec<Phone> = chosen
        .iter()
        .map(|&index| std::mem::replace(&mut school.contacts[index].phone, Phone::Absent))
        .collect();
    // By two, so that neither parent gets the other's.
    phones.rotate_left(2);
    let mut mobiles = BTreeMap::new();
    for (index, phone) in chosen.into_iter().zip(phones) {
        let contact = &mut school.contacts[index];
        if let Phone::Mobile { line, .. } = phone {
            mobiles.insert(contact.source_id.clone(), format!("+447700900{line:03}"));
        }
        contact.phone = phone;
    }
    Mistake {
        csv: school.to_csv(),
        rows: csv::rows(&school).len(),
        unchanged: Counts { contact: counts.contact - mobiles.len(), ..counts },
        changed: Counts { contact: mobiles.len(), ..NOBODY },
        missing: NOBODY,
        mobiles,
    }
}

/// The story's parents, and others whom the school calls first: each with a mobile that nobody else has.
fn chosen(school: &School) -> Vec<usize> {
    let mut owners: BTreeMap<u16, usize> = BTreeMap::new();
    for contact in &school.contacts {
        if let Phone::Mobile { line, .. } = contact.phone {
            *owners.entry(line).or_default() += 1;
        }
    }
    let has_own_mobile = |contact: usize| matches!(school.contacts[contact].phone, Phone::Mobile { line, writing } if owners[&line] == 1 && !writing.is_spoilt());
    let mut chosen = vec![school.story.mother, school.story.father];
    for link in &school.links {
        let is_called_first = link.terms.priority == Some(1) && !school.pupils[link.pupil].nameless;
        if chosen.len() < MIXED_UP
            && is_called_first
            && has_own_mobile(link.contact)
            && !chosen.contains(&link.contact)
        {
            chosen.push(link.contact);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::super::MIN_PUPILS;
    use super::*;

    fn total(counts: Counts) -> [usize; 3] {
        [counts.pupil, counts.contact, counts.link]
    }

    #[test]
    fn most_are_absent_from_an_export_that_breaks_off() {
        for pupils in [MIN_PUPILS, 1000] {
            let school = School::generate(pupils, 2026);
            let whole = school.expected().counts;
            let mistake = school.broken_off();
            assert_eq!(mistake.unchanged.pupil + mistake.missing.pupil, whole.pupil);
            let kept_away = whole.contact - mistake.unchanged.contact - mistake.missing.contact;
            assert!(kept_away <= school.expected().cast.restricted_contacts, "{mistake:?}");
            assert!(mistake.missing.pupil * 2 > whole.pupil && mistake.missing.contact * 2 > whole.contact);
            assert_eq!((total(mistake.changed), mistake.missing.link), ([0; 3], 0));
            assert!(school.to_csv().starts_with(mistake.csv.trim_end()), "it is the beginning of the whole");
        }
    }

    #[test]
    fn twenty_numbers_move_and_nothing_else() {
        for pupils in [MIN_PUPILS, 1000] {
            let (school, mistake) = (School::generate(pupils, 7), School::generate(pupils, 7).mixed_up());
            assert_eq!(mistake.mobiles.len(), MIXED_UP);
            let numbers: BTreeSet<&String> = mistake.mobiles.values().collect();
            assert_eq!(numbers.len(), MIXED_UP, "nobody's number is given twice");
            let story = school.expected().story;
            for (parent, other) in [(&story.mother, &story.father), (&story.father, &story.mother)] {
                let wrong = &mistake.mobiles[&parent.source_id];
                assert!(
                    wrong != &parent.mobile && wrong != &other.mobile && numbers.contains(&parent.mobile)
                );
            }
            let whole = school.to_csv();
            assert_eq!(whole.lines().count(), mistake.csv.lines().count());
            let differing = whole.lines().zip(mistake.csv.lines()).filter(|(old, new)| old != new).count();
            assert!((MIXED_UP..MIXED_UP * 3).contains(&differing), "{differing}");
        }
    }
}
