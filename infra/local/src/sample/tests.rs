//! What the file promises, and that the files kept for the other tests are still the ones this code makes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::csv::{self, HEADER};
use super::model::{Email, Phone, Year};
use super::names::{TRADITIONS, plain};
use super::{Channel, Expected, FindingCode, MIN_PUPILS, Reason, School, Severity};

/// Oakfield Primary School, which the demo and the tests upload.
const OAKFIELD: (usize, u64) = (1000, 2026);

fn oakfield() -> School {
    School::generate(OAKFIELD.0, OAKFIELD.1)
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data")).join(name)
}

/// `UPDATE_SAMPLE=1 cargo test -p local sample` writes both files anew instead of comparing them.
#[test]
fn files_on_disk_are_what_the_generator_makes() {
    let school = oakfield();
    let expected = school.expected();
    let json = serde_json::to_string_pretty(&expected).expect("plain data") + "\n";
    if std::env::var_os("UPDATE_SAMPLE").is_some() {
        std::fs::write(data("oakfield.csv"), school.to_csv()).expect("tests/data is writable");
        std::fs::write(data("oakfield.expected.json"), &json).expect("tests/data is writable");
    }
    let file = std::fs::read_to_string(data("oakfield.csv")).expect("tests/data/oakfield.csv");
    assert!(file == school.to_csv(), "tests/data/oakfield.csv has drifted");
    let file =
        std::fs::read_to_string(data("oakfield.expected.json")).expect("tests/data/oakfield.expected.json");
    assert!(file == json, "tests/data/oakfield.expected.json has drifted");
    assert_eq!(serde_json::from_str::<Expected>(&file).expect("readable again"), expected);
}

#[test]
fn same_seed_same_school_and_another_seed_another() {
    assert_eq!(School::generate(300, 7).to_csv(), School::generate(300, 7).to_csv());
    assert_eq!(School::generate(300, 7).expected(), School::generate(300, 7).expected());
    assert_ne!(School::generate(300, 7).to_csv(), School::generate(300, 8).to_csv());
}

#[test]
fn any_size_has_exactly_its_pupils_and_ten_problem_rows() {
    for (asked, seed) in [(1, 1), (MIN_PUPILS, 2), (121, 3), (500, 4), (4000, 5)] {
        let expected = School::generate(asked, seed).expected();
        assert_eq!(expected.counts.pupil, asked.max(MIN_PUPILS));
        assert_eq!(expected.problem_rows.len(), 10);
    }
}

#[test]
fn oakfield_is_large_enough_and_its_years_are_even() {
    let expected = oakfield().expected();
    assert_eq!(expected.counts.pupil, 1000);
    assert!(expected.counts.contact >= 1700, "{:?}", expected.counts);
    assert_eq!(expected.dropped_columns, 8);
    for year in Year::ALL {
        let audience = &expected.audiences[&format!("year_{}", year.label())];
        assert!((120..=160).contains(&audience.pupils), "{audience:?}");
    }
}

#[test]
fn each_problem_has_a_row_and_each_reason_a_person() {
    let expected = oakfield().expected();
    assert_eq!(expected.problem_rows.len(), 10);
    assert_eq!(expected.rejected_rows.len(), 1);
    for (code, count) in &expected.findings_by_code {
        let often = code.severity() == Severity::Info || *code == FindingCode::NoContact;
        assert!(*count == 1 || often, "{code:?} {count}");
    }
    assert_eq!(expected.findings_by_code.len(), 15);
    let reasons: Vec<Reason> =
        expected.audiences["years_3_and_4"].excluded.iter().map(|each| each.reason).collect();
    assert_eq!(
        reasons,
        [
            Reason::Restricted,
            Reason::NoResponsibility,
            Reason::LandlineOnly,
            Reason::Invalid,
            Reason::NoContact,
            Reason::Duplicate
        ]
    );
}

#[test]
fn oakfield_holds_the_difficulties_it_is_made_for() {
    let cast = oakfield().expected().cast;
    assert!(cast.households_of_two >= 70 && cast.households_of_three >= 12, "{cast:?}");
    assert_eq!(cast.twin_pairs, 6);
    assert_eq!(cast.namesakes, 1);
    // Three respelt mothers have a mobile and an address twice each.
    assert_eq!((cast.shared_mobiles, cast.shared_emails, cast.respelt_parents), (6 + 3, 5 + 3, 3));
    // One of them has a row that names a relationship and nobody.
    assert_eq!(cast.pupils_without_contact, 7 + 1);
    assert!(cast.landline_only_contacts > 8 && cast.contacts_without_means > 1 && cast.repairable_phones > 3);
    assert_eq!((cast.damaged_phones, cast.damaged_phones_and_nothing_else), (4, 3));
    assert_eq!((cast.restricted_contacts, cast.restricted_for_some), (6, 2));
    assert!(cast.contacts_without_responsibility > 4);
    assert!(
        cast.pupils_with_apostrophe > 10 && cast.pupils_with_hyphen > 10 && cast.pupils_with_diacritic > 50
    );
    assert!(cast.records_over_two_lines > 10);
}

#[test]
fn nothing_in_the_file_can_reach_anybody() {
    let school = School::generate(2000, 11);
    for contact in &school.contacts {
        if let Email::Valid(address) = &contact.email {
            let (local, domain) = address.split_once('@').expect("an at sign");
            assert!(["example.com", "example.org", "example.net"].contains(&domain.to_lowercase().as_str()));
            assert!(
                local.is_ascii() && !local.starts_with('.') && !local.ends_with('.') && !local.contains("..")
            );
        }
        let mut digits: String = contact.phone.text().chars().filter(char::is_ascii_digit).collect();
        match &contact.phone {
            Phone::Absent => assert!(digits.is_empty()),
            // Ten digits can be no UK mobile, letters no number, and the other two no telephone.
            Phone::Damaged { text, .. } => {
                assert!(["07700 90012", "077OO900417", "4.47701E+11", "00000000000"].contains(text));
            }
            Phone::Mobile { writing, .. } => {
                if writing.is_spoilt() && contact.phone.text().ends_with(".0") {
                    digits.pop();
                }
                let national = digits.strip_prefix("44").or(digits.strip_prefix('0')).unwrap_or(&digits);
                assert!(national.len() == 10 && national.starts_with("7700900"), "{digits}");
            }
            Phone::Landline(_) => {
                let drama = ["01632960", "02079460", "01174960", "01614960", "01214960"];
                assert!(
                    digits.len() == 11 && drama.iter().any(|range| digits.starts_with(range)),
                    "{digits}"
                );
            }
        }
    }
}

#[test]
fn mobiles_and_addresses_are_shared_inside_families_only() {
    let school = oakfield();
    let mut points: BTreeMap<String, BTreeSet<[&str; 3]>> = BTreeMap::new();
    for contact in &school.contacts {
        let home =
            [&contact.home.house_number, &contact.home.street, &contact.home.postcode].map(String::as_str);
        if let Phone::Mobile { line, .. } = contact.phone {
            points.entry(line.to_string()).or_default().insert(home);
        }
        if let Email::Valid(address) = &contact.email {
            points.entry(address.to_lowercase()).or_default().insert(home);
        }
    }
    assert!(points.values().all(|homes| homes.len() == 1));
}

#[test]
fn birthdays_fit_the_year() {
    for pupil in &School::generate(600, 3).pupils {
        let from = pupil.year.born_from();
        let (year, month) = (pupil.born.year, pupil.born.month);
        assert!(
            (year == from && month >= 9) || (year == from + 1 && month < 9),
            "{:?} {:?}",
            pupil.year,
            pupil.born
        );
    }
}

#[test]
fn a_contact_is_the_same_on_every_row_and_the_header_is_in_place() {
    let text = oakfield().to_csv();
    let body = text.strip_prefix('\u{feff}').expect("a byte order mark");
    assert!(body.starts_with(&(HEADER.join(",") + "\r\n")));
    assert!(body.ends_with("\r\n") && !body.replace("\r\n", "").contains('\r'));

    let school = oakfield();
    let rows = csv::rows(&school);
    assert!(rows.iter().enumerate().all(|(index, row)| row.number == index + 2));
    let over_two_lines = school.expected().cast.records_over_two_lines;
    assert_eq!(body.lines().count(), 1 + rows.len() + over_two_lines);
}

#[test]
fn the_story_is_told_of_people_who_share_nothing() {
    let school = oakfield();
    let expected = school.expected();
    let story = &expected.story;
    let people = [&story.mother, &story.father, &story.restricted_father];
    for person in people {
        let index = school.contacts.iter().position(|contact| contact.source_id == person.source_id);
        let index = index.expect("the person is there");
        let links: Vec<_> = school.links.iter().filter(|link| link.contact == index).collect();
        let barred = person == &story.restricted_father;
        assert_eq!(links.len(), if barred { 1 } else { 2 });
        assert!(links.iter().all(|link| link.terms.restricted == barred));
        assert!(links.iter().all(|link| link.terms.responsibility == Some(true)));
        for other in school.contacts.iter().filter(|other| other.source_id != person.source_id) {
            if let Email::Valid(address) = &other.email {
                assert_ne!(address.to_lowercase(), person.email);
            }
            if let Phone::Mobile { line, .. } = other.phone {
                assert_ne!(format!("+447700900{line:03}"), person.mobile);
            }
        }
    }
    assert_eq!(story.children.iter().map(|child| child.year_group.as_str()).collect::<Vec<_>>(), ["3", "4"]);
    for child in story.children.iter().chain([&story.restricted_child]) {
        let same = school.pupils.iter().filter(|pupil| {
            pupil.born.iso() == child.date_of_birth && plain(&pupil.given) == plain(&child.given_name)
        });
        assert_eq!(same.count(), 1);
    }
    let restricted = &expected.audiences["years_3_and_4"].excluded[0];
    assert_eq!(restricted.reason, Reason::Restricted);
    assert!(restricted.source_ids.contains(&story.restricted_father.source_id));
}

#[test]
fn people_and_contact_points_add_up() {
    let school = oakfield();
    for (name, audience) in school.expected().audiences {
        let years = &audience.year_groups;
        let pupils: BTreeSet<usize> = (0..school.pupils.len())
            .filter(|&index| {
                !school.pupils[index].nameless && years.contains(&school.pupils[index].year.label())
            })
            .collect();
        let links: Vec<_> = school.links.iter().filter(|link| pupils.contains(&link.pupil)).collect();
        let people: BTreeSet<usize> = links.iter().map(|link| link.contact).collect();
        let called: BTreeSet<usize> = links.iter().map(|link| link.pupil).collect();
        let excluded: usize = audience.excluded.iter().map(|each| each.count).sum();
        let alone = pupils.len() - called.len();
        assert_eq!(audience.recipients + excluded, people.len() + alone, "{name}");
        assert_eq!(audience.by_channel.values().sum::<usize>(), audience.recipients, "{name}");
        assert!(audience.by_channel.keys().all(|channel| audience.channels.contains(channel)), "{name}");
        assert!(audience.by_channel.contains_key(&Channel::Email) || name.ends_with("sms_only"), "{name}");
    }
}

#[test]
fn names_become_addresses_without_losing_a_letter() {
    for tradition in TRADITIONS {
        let lists = [tradition.girls, tradition.boys, tradition.women, tradition.men, tradition.families];
        for name in lists.into_iter().flatten() {
            assert_eq!(
                plain(name).len(),
                name.chars().filter(|letter| letter.is_alphabetic()).count(),
                "{name}"
            );
        }
    }
    assert_eq!(TRADITIONS.iter().map(|tradition| tradition.share).sum::<usize>(), 100);
}

#[test]
fn codes_are_written_as_the_api_writes_them() {
    assert_eq!(serde_json::to_string(&FindingCode::PhoneLandline).expect("plain data"), "\"phone_landline\"");
    assert_eq!(serde_json::to_string(&Reason::LandlineOnly).expect("plain data"), "\"landline_only\"");
}
