//! The families that every school has and that every import has once got wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::School;
use super::build::{Builder, Household, Means, Sex, capitals, terms};
use super::csv;
use super::model::{Date, Email, Phone, Terms, Writing, WrittenDate, Year};
use super::names::{RESPELT, TRADITIONS, TWINS};
use super::report::{Cast, FindingCode};

/// Pairs of parents on one mobile number. In every second pair the mother has an e-mail address too.
const SHARED_MOBILES: usize = 6;
/// Pairs of parents on one e-mail address, in every second pair with other capitals.
const SHARED_EMAILS: usize = 5;
/// Children of whom the file knows no contact at all.
const WITHOUT_CONTACT: usize = 7;
/// Couples who have one landline and nothing else.
const LANDLINE_COUPLES: usize = 4;
/// Foster carers: priority 1, parental responsibility with the council.
const FOSTERED: usize = 4;
/// Children who live with a grandmother: priority 1, responsibility not asked.
const WITH_GRANDMOTHER: usize = 3;

/// Adds all of them, eighty children with a name and one without.
pub(super) fn add(builder: &mut Builder) {
    add_story(builder);
    add_restricted(builder);
    add_problem_rows(builder);
    add_shared_points(builder);
    add_twins_and_namesakes(builder);
    add_reasons(builder);
}

fn yes(relationship: &'static str, priority: u8) -> Terms {
    Terms { responsibility: Some(true), ..terms(relationship, priority) }
}

fn restricted(relationship: &'static str, priority: u8) -> Terms {
    Terms { restricted: true, ..yes(relationship, priority) }
}

fn add_story(builder: &mut Builder) {
    let [british, irish, welsh, _, _, polish, _] = TRADITIONS else { unreachable!("seven traditions") };
    let person = |builder: &mut Builder, home: &Household, sex, given: &str, line| {
        let email = builder.email(given, &home.family);
        let Email::Valid(address) = email else { unreachable!("a new address is valid") };
        // In small letters, so that a claim can be typed from the listing.
        let email = Email::Valid(address.to_lowercase());
        builder.contact(home, sex, given, email, Phone::Mobile { line, writing: Writing::Spaced })
    };

    let home = builder.household_of(irish, "O’Connor");
    let zoe = builder.pupil(&home, Year(3), "Zoë", Date { year: 2018, month: 11, day: 14 }, 'F');
    let finn = builder.pupil(&home, Year(4), "Finn", Date { year: 2018, month: 6, day: 2 }, 'M');
    let mother = person(builder, &home, Sex::Female, "Siân", 1);
    let away = builder.household_of(polish, "Nowak");
    let father = person(builder, &away, Sex::Male, "Łukasz", 2);
    for child in [zoe, finn] {
        builder.link(child, mother, yes("Mother", 1));
        builder.link(child, father, yes("Father", 2));
    }

    let home = builder.household_of(welsh, "Pritchard");
    let ffion = builder.pupil(&home, Year(3), "Ffion", Date { year: 2019, month: 2, day: 21 }, 'F');
    let carys = person(builder, &home, Sex::Female, "Carys", 3);
    builder.link(ffion, carys, yes("Mother", 1));
    let away = builder.household_of(british, "Pritchard");
    let gareth = person(builder, &away, Sex::Male, "Gareth", 4);
    builder.link(ffion, gareth, restricted("Father", 2));

    builder.school.story = super::story::People {
        mother,
        father,
        children: [zoe, finn],
        restricted_father: gareth,
        restricted_child: ffion,
    };
}

/// Court orders: against a father who was called first, a mother, a grandfather, and fathers of two children of whom
/// only one is protected, once with both in the years of the demo's message and once with the free one outside.
fn add_restricted(builder: &mut Builder) {
    for (year, who, sex, priority) in [
        (Year(4), "Father", Sex::Male, 1),
        (Year(6), "Mother", Sex::Female, 2),
        (Year(1), "Grandfather", Sex::Male, 3),
    ] {
        let home = builder.household();
        let child = builder.child(&home, year);
        let barred = builder.adult_with(&home, sex, Means::Both);
        builder.link(child, barred, restricted(who, priority));
        let other = builder.adult_with(&home, Sex::Female, Means::Email);
        builder.link(child, other, yes("Guardian", 4 - priority));
    }
    for (protected, free) in [(Year(3), Year(4)), (Year(3), Year(6))] {
        let home = builder.household();
        let children = [builder.child(&home, protected), builder.child(&home, free)];
        let mother = builder.adult_with(&home, Sex::Female, Means::Both);
        let father = builder.adult_with(&home, Sex::Male, Means::Email);
        for child in children {
            builder.link(child, mother, yes("Mother", 1));
        }
        builder.link(children[0], father, restricted("Father", 2));
        builder.link(children[1], father, yes("Father", 2));
    }
}

/// Ten rows with eleven warnings and errors, one of every code. Nobody on them is on another row, so that none
/// is found twice.
fn add_problem_rows(builder: &mut Builder) {
    let mut family = |year: Year, email: Option<&'static str>, phone: Phone| {
        let home = builder.household();
        let child = builder.child(&home, year);
        let given = builder.rng.pick(home.tradition.women);
        let email = match email {
            None => Email::Absent,
            Some("") => builder.email(given, &home.family),
            Some(damaged) => Email::Damaged(damaged),
        };
        let mother = builder.contact(&home, Sex::Female, given, email, phone);
        (child, builder.link(child, mother, yes("Mother", 1)))
    };
    let damaged = |text, code| Phone::Damaged { text, code };
    let own = Some("");

    let (nameless, _) = family(Year(1), own, Phone::Absent);
    let (no_such_day, _) = family(Year(2), own, Phone::Absent);
    let (too_old, too_old_link) = family(Year(4), Some("mum.of.four@example"), Phone::Absent);
    let _ = family(Year(3), None, damaged("07700 90012", FindingCode::PhoneInvalid));
    let _ = family(Year(4), own, damaged("077OO900417", FindingCode::PhoneLetters));
    let _ = family(Year(6), None, damaged("4.47701E+11", FindingCode::PhoneUnrecoverable));
    let _ = family(Year(4), None, damaged("00000000000", FindingCode::PhonePlaceholder));
    let (_, ragged) = family(Year(2), own, Phone::Absent);
    let (twice, _) = family(Year(5), own, Phone::Absent);

    let phone = Phone::Mobile { line: builder.line(), writing: Writing::Plain };
    let too_old_mother = builder.school.links[too_old_link].contact;
    builder.school.contacts[too_old_mother].phone = phone;

    builder.school.pupils[nameless].nameless = true;
    builder.school.pupils[no_such_day].damaged_birth =
        Some(WrittenDate { text: "31/02/2019", code: FindingCode::DateInvalid });
    // Somebody typed the mother's date of birth.
    builder.school.pupils[too_old].damaged_birth =
        Some(WrittenDate { text: "17/06/1988", code: FindingCode::DateOutOfRange });
    // Responsibility and court order are missing: both are unknown, and a mother of priority 1 is responsible.
    builder.school.links[ragged].cells_cut = 2;

    builder.school.pupils[twice].born = Date { year: 2017, month: 4, day: 3 };
    let home = builder.household();
    let father = builder.adult_with(&home, Sex::Male, Means::Email);
    let second_row = builder.link(twice, father, yes("Father", 2));
    builder.school.links[second_row].other_birth = Some(Date { year: 2017, month: 3, day: 4 });

    let home = builder.household();
    let alone = builder.child(&home, Year(3));
    builder.school.pupils[alone].relationship_alone = true;
}

fn add_shared_points(builder: &mut Builder) {
    let years = [[Year(3), Year(4)], [Year(4), Year(4)], [Year(5), Year(3)]];
    for (index, years) in (0..SHARED_MOBILES).zip(years.iter().cycle()) {
        let home = builder.household();
        let child = builder.child(&home, years[0]);
        let mother_means = if index % 2 == 0 { Means::Mobile } else { Means::Both };
        let mother = builder.adult_with(&home, Sex::Female, mother_means);
        let father = builder.adult_with(&home, Sex::Male, Means::Nothing);
        let line = builder.line();
        // Each writes it in another way.
        builder.school.contacts[mother].phone = Phone::Mobile { line, writing: Writing::Spaced };
        builder.school.contacts[father].phone = Phone::Mobile { line, writing: Writing::International };
        builder.link(child, mother, yes("Mother", 1));
        builder.link(child, father, yes("Father", 2));
    }
    for (index, years) in (0..SHARED_EMAILS).zip(years.iter().cycle()) {
        let home = builder.household();
        let child = builder.child(&home, years[1]);
        let mother = builder.adult_with(&home, Sex::Female, Means::Email);
        let father = builder.adult_with(&home, Sex::Male, Means::Mobile);
        let Email::Valid(address) = builder.email("the", &home.family) else { unreachable!("it is valid") };
        let address = address.to_lowercase();
        let other = if index % 2 == 0 { address.clone() } else { capitals(&address) };
        builder.school.contacts[mother].email = Email::Valid(address);
        builder.school.contacts[father].email = Email::Valid(other);
        builder.link(child, mother, yes("Mother", 1));
        builder.link(child, father, yes("Father", 2));
    }
    for (index, [given, family, other_given, other_family]) in RESPELT.iter().enumerate() {
        let home = builder.household_of(&TRADITIONS[0], family);
        let children = [builder.child(&home, Year(3)), builder.child(&home, years[index][1])];
        let mother = builder.adult_with(&home, Sex::Female, Means::Both);
        let line = builder.line();
        let email = builder.email(given, family);
        let Email::Valid(address) = email else { unreachable!("it is valid") };
        let again = Email::Valid(address.clone());
        let twin = builder.contact(&home, Sex::Female, other_given, again, Phone::Absent);
        let first = &mut builder.school.contacts[mother];
        (*given).clone_into(&mut first.given);
        first.email = Email::Valid(address);
        first.phone = Phone::Mobile { line, writing: Writing::Plain };
        let second = &mut builder.school.contacts[twin];
        (*other_family).clone_into(&mut second.family);
        second.phone = Phone::Mobile { line, writing: Writing::Hyphens };
        builder.link(children[0], mother, yes("Mother", 1));
        builder.link(children[1], twin, yes("Mother", 1));
    }
}

fn add_twins_and_namesakes(builder: &mut Builder) {
    for (index, (one, other, gender)) in TWINS.iter().enumerate() {
        let home = builder.household();
        let year = Year::ALL[index % 7];
        let born = builder.birthday(year);
        let children = [one, other].map(|given| builder.pupil(&home, year, given, born, *gender));
        let mother = builder.adult(&home, Sex::Female);
        let father = builder.adult(&home, Sex::Male);
        for child in children {
            builder.link(child, mother, yes("Mother", 1));
            builder.link(child, father, yes("Father", 2));
        }
    }
    let born = builder.birthday(Year(4));
    for _ in 0..2 {
        let home = builder.household_of(&TRADITIONS[3], "Ali");
        let child = builder.pupil(&home, Year(4), "Mohammed", born, 'M');
        let mother = builder.adult_with(&home, Sex::Female, Means::Both);
        builder.link(child, mother, yes("Mother", 1));
    }
}

/// People who are left out, for every reason, and people who only seem to be.
fn add_reasons(builder: &mut Builder) {
    let years = [Year(3), Year(4), Year(0), Year(6), Year(2), Year(5), Year(1)];
    for (_, &year) in (0..WITHOUT_CONTACT).zip(years.iter().cycle()) {
        let home = builder.household();
        builder.child(&home, year);
    }
    for (_, &year) in (0..LANDLINE_COUPLES).zip(years.iter().cycle()) {
        let home = builder.household();
        let child = builder.child(&home, year);
        let mother = builder.adult_with(&home, Sex::Female, Means::Landline);
        let father = builder.adult_with(&home, Sex::Male, Means::Landline);
        builder.link(child, mother, yes("Mother", 1));
        builder.link(child, father, yes("Father", 2));
    }
    for (_, &year) in (0..FOSTERED).zip(years.iter().cycle()) {
        let home = builder.household();
        let away = builder.household();
        let child = builder.child(&away, year);
        let carer = builder.adult_with(&home, Sex::Female, Means::Both);
        builder.link(child, carer, Terms { responsibility: Some(false), ..terms("Foster carer", 1) });
        let worker = builder.adult_with(&away, Sex::Female, Means::Email);
        builder.link(child, worker, yes("Social worker", 2));
    }
    for (_, &year) in (0..WITH_GRANDMOTHER).zip(years.iter().cycle()) {
        let home = builder.household();
        let child = builder.child(&home, year);
        let grandmother = builder.adult_with(&home, Sex::Female, Means::Mobile);
        builder.link(child, grandmother, terms("Grandmother", 1));
    }
    // One reason each where the demo's message goes: a name with nothing, a spoilt number, a spoilt one with nothing else.
    for (year, phone) in [
        (Year(3), Phone::Absent),
        (Year(3), Phone::Mobile { line: builder.line(), writing: Writing::LostZero }),
        (Year(4), Phone::Mobile { line: builder.line(), writing: Writing::LostZeroDecimal }),
        (Year(5), Phone::Mobile { line: builder.line(), writing: Writing::CountryDecimal }),
    ] {
        let home = builder.household();
        let child = builder.child(&home, year);
        let mother = builder.adult_with(&home, Sex::Female, Means::Nothing);
        builder.school.contacts[mother].phone = phone;
        builder.link(child, mother, yes("Mother", 1));
    }
    // A guardian of one child is the grandmother next door of another.
    for pair in [[Year(3), Year(4)], [Year(4), Year(3)]] {
        let home = builder.household();
        let ward = builder.child(&home, pair[0]);
        let guardian = builder.adult_with(&home, Sex::Female, Means::Email);
        builder.link(ward, guardian, yes("Guardian", 1));
        let next_door = builder.household();
        let cousin = builder.child(&next_door, pair[1]);
        let mother = builder.adult_with(&next_door, Sex::Female, Means::Email);
        builder.link(cousin, mother, yes("Mother", 1));
        builder.link(cousin, guardian, terms("Grandmother", 3));
    }
    // One childminder picks up four children of four families.
    let home = builder.household();
    let childminder = builder.adult_with(&home, Sex::Female, Means::Both);
    for year in [Year(2), Year(3), Year(3), Year(4)] {
        let home = builder.household();
        let child = builder.child(&home, year);
        let mother = builder.adult_with(&home, Sex::Female, Means::Email);
        builder.link(child, mother, yes("Mother", 1));
        builder.link(child, childminder, terms("Childminder", 3));
    }
}

/// Counts the difficulties, whether they were put there by this module or by chance.
pub(super) fn count(school: &School) -> Cast {
    let pupils = || school.pupils.iter().filter(|pupil| !pupil.nameless);
    let used: BTreeSet<usize> = school
        .links
        .iter()
        .filter(|link| !school.pupils[link.pupil].nameless)
        .map(|link| link.contact)
        .collect();
    let contacts = || used.iter().map(|&index| &school.contacts[index]);

    let mut households: BTreeMap<usize, usize> = BTreeMap::new();
    let mut birthdays: BTreeMap<(usize, Date), usize> = BTreeMap::new();
    let mut names: BTreeMap<(&str, &str, Date), usize> = BTreeMap::new();
    for pupil in pupils() {
        *households.entry(pupil.household).or_default() += 1;
        *birthdays.entry((pupil.household, pupil.born)).or_default() += 1;
        *names.entry((&pupil.given, &pupil.family, pupil.born)).or_default() += 1;
    }
    let mut mobiles: BTreeMap<u16, usize> = BTreeMap::new();
    let mut emails: BTreeMap<String, usize> = BTreeMap::new();
    let mut both: BTreeMap<(u16, String), usize> = BTreeMap::new();
    for contact in contacts() {
        let line = if let Phone::Mobile { line, .. } = contact.phone { Some(line) } else { None };
        let address =
            if let Email::Valid(address) = &contact.email { Some(address.to_lowercase()) } else { None };
        if let Some(line) = line {
            *mobiles.entry(line).or_default() += 1;
        }
        if let Some(address) = &address {
            *emails.entry(address.clone()).or_default() += 1;
        }
        if let (Some(line), Some(address)) = (line, address) {
            *both.entry((line, address)).or_default() += 1;
        }
    }
    let mut orders: BTreeMap<usize, BTreeSet<bool>> = BTreeMap::new();
    for link in &school.links {
        orders.entry(link.contact).or_default().insert(link.terms.restricted);
    }
    let without_responsibility: BTreeSet<usize> = school
        .links
        .iter()
        .filter(|link| link.terms.responsibility == Some(false))
        .map(|link| link.contact)
        .collect();
    let linked: BTreeSet<usize> = school.links.iter().map(|link| link.pupil).collect();
    let with_letter = |test: fn(char) -> bool| {
        pupils().filter(|pupil| pupil.given.contains(test) || pupil.family.contains(test)).count()
    };
    let damaged = || contacts().filter(|contact| matches!(contact.phone, Phone::Damaged { .. }));

    Cast {
        households_of_two: households.values().filter(|&&children| children == 2).count(),
        households_of_three: households.values().filter(|&&children| children == 3).count(),
        twin_pairs: birthdays.values().filter(|&&children| children == 2).count(),
        namesakes: names.values().filter(|&&children| children == 2).count(),
        shared_mobiles: mobiles.values().filter(|&&people| people > 1).count(),
        shared_emails: emails.values().filter(|&&people| people > 1).count(),
        respelt_parents: both.values().filter(|&&people| people > 1).count(),
        pupils_without_contact: (0..school.pupils.len()).filter(|index| !linked.contains(index)).count(),
        landline_only_contacts: contacts()
            .filter(|contact| matches!((&contact.phone, &contact.email), (Phone::Landline(_), Email::Absent)))
            .count(),
        contacts_without_means: contacts()
            .filter(|contact| matches!((&contact.phone, &contact.email), (Phone::Absent, Email::Absent)))
            .count(),
        repairable_phones: contacts()
            .filter(|contact| matches!(contact.phone, Phone::Mobile { writing, .. } if writing.is_spoilt()))
            .count(),
        damaged_phones: damaged().count(),
        damaged_phones_and_nothing_else: damaged()
            .filter(|contact| matches!(contact.email, Email::Absent))
            .count(),
        restricted_contacts: orders.values().filter(|flags| flags.contains(&true)).count(),
        restricted_for_some: orders.values().filter(|flags| flags.len() == 2).count(),
        contacts_without_responsibility: without_responsibility.len(),
        pupils_with_apostrophe: with_letter(|letter| matches!(letter, '\'' | '’')),
        pupils_with_hyphen: with_letter(|letter| letter == '-'),
        pupils_with_diacritic: with_letter(|letter| letter.is_alphabetic() && !letter.is_ascii()),
        records_over_two_lines: csv::rows(school)
            .iter()
            .filter_map(|row| row.link)
            .filter(|link| school.contacts[link.contact].home.street.contains('\n'))
            .count(),
    }
}
