//! Inventing the school: the ordinary families, and the tools that the unusual ones of [`super::cast`] are made with.

use std::collections::BTreeSet;

use super::School;
use super::cast;
use super::model::{Contact, Date, Email, Home, Link, Phone, Pupil, Terms, Writing, Year};
use super::names::{self, STREETS, TRADITIONS, Tradition};
use super::prng::Prng;

/// Mobile numbers below this line are given by hand to the people of the story.
pub(super) const RESERVED_LINES: u16 = 20;
/// Most classes take no more.
const CLASS_SIZE: usize = 30;

/// Who can be a contact, as far as names go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sex {
    Female,
    Male,
}

/// What a contact left at the office.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    Both,
    Mobile,
    Email,
    Landline,
    LandlineAndEmail,
    Nothing,
}

/// Children and grown-ups of one name under one roof.
#[derive(Clone)]
pub(super) struct Household {
    pub(super) number: usize,
    pub(super) tradition: &'static Tradition,
    pub(super) family: String,
    pub(super) home: Home,
    landline: String,
}

/// A school that is being put together.
pub(super) struct Builder {
    pub(super) rng: Prng,
    pub(super) school: School,
    households: usize,
    lines: Vec<u16>,
    next_line: usize,
    emails: BTreeSet<String>,
    in_year: [usize; 7],
}

/// A school with exactly this many pupils (and one more who has no name).
pub(super) fn school(pupils: usize, seed: u64) -> School {
    let mut builder = Builder::new(seed);
    cast::add(&mut builder);
    for _ in 0..pupils * 12 / 1000 {
        let years = builder.different_years(3);
        builder.ordinary_family(&years);
    }
    for _ in 0..pupils * 7 / 100 {
        let years = builder.different_years(2);
        builder.ordinary_family(&years);
    }
    // The cast and the families above are fewer than `MIN_PUPILS` in the smallest school, and stay behind in larger ones.
    let nameless = builder.school.pupils.iter().filter(|pupil| pupil.nameless).count();
    while builder.school.pupils.len() < pupils + nameless {
        let year = builder.emptiest_year();
        builder.ordinary_family(&[year]);
    }
    builder.finish()
}

impl Builder {
    fn new(seed: u64) -> Self {
        let mut rng = Prng::new(seed);
        let mut lines: Vec<u16> = (RESERVED_LINES..1000).collect();
        rng.shuffle(&mut lines);
        let story = super::story::People::default();
        Self {
            rng,
            school: School { seed, pupils: Vec::new(), contacts: Vec::new(), links: Vec::new(), story },
            households: 0,
            lines,
            next_line: 0,
            emails: BTreeSet::new(),
            in_year: [0; 7],
        }
    }

    /// The year with the fewest children so far.
    pub(super) fn emptiest_year(&self) -> Year {
        *Year::ALL.iter().min_by_key(|year| self.in_year[usize::from(year.0)]).expect("there are seven years")
    }

    fn different_years(&mut self, count: usize) -> Vec<Year> {
        let mut years = Year::ALL;
        self.rng.shuffle(&mut years);
        years[..count].to_vec()
    }

    /// A new home for people of any tradition.
    pub(super) fn household(&mut self) -> Household {
        let mut drawn = self.rng.below(100);
        let tradition = TRADITIONS
            .iter()
            .find(|tradition| {
                let found = drawn < tradition.share;
                drawn = drawn.saturating_sub(tradition.share);
                found
            })
            .expect("the shares add up to a hundred");
        let family = self.rng.pick(tradition.families).to_owned();
        self.household_of(tradition, &family)
    }

    /// A new home for people of this name.
    pub(super) fn household_of(&mut self, tradition: &'static Tradition, family: &str) -> Household {
        self.households += 1;
        let home = self.home();
        let landline = self.landline();
        Household { number: self.households, tradition, family: family.to_owned(), home, landline }
    }

    /// An address. Now and then it needs quotes in the file: for a comma, for quotes, for a newline.
    fn home(&mut self) -> Home {
        let number = 1 + self.rng.below(140);
        let street = self.rng.pick(STREETS);
        let (house_name, street) = match self.households % 40 {
            1 => ("Flat 2, The Maltings".to_owned(), street.to_owned()),
            14 => (String::new(), format!("Mill House\n{street}")),
            27 => ("The \"Old\" Dairy".to_owned(), street.to_owned()),
            _ => (String::new(), street.to_owned()),
        };
        let letter = self.rng.pick(&["A", "B", "D", "E", "F", "H", "J", "L"]);
        Home {
            house_name,
            house_number: number.to_string(),
            street,
            district: self.rng.pick(&["Millbrook", "Northfields", "Old Town", ""]).to_owned(),
            // No postcode begins with OK.
            postcode: format!("OK{} {}{letter}X", 1 + self.rng.below(9), self.rng.below(10)),
        }
    }

    /// A number of a geographic drama range.
    fn landline(&mut self) -> String {
        let line = self.rng.below(1000);
        let prefix = self.rng.pick(&[
            "01632 960",
            "01632 960",
            "020 7946 0",
            "0117 496 0",
            "0161 496 0",
            "0121 496 0",
        ]);
        format!("{prefix}{line:03}")
    }

    /// The next mobile number that nobody has.
    pub(super) fn line(&mut self) -> u16 {
        let line = self.lines[self.next_line % self.lines.len()];
        self.next_line += 1;
        line
    }

    /// A mobile number of one's own.
    pub(super) fn mobile(&mut self) -> Phone {
        let writings = if self.rng.chance(3) { Writing::SPOILT } else { Writing::GOOD };
        Phone::Mobile { line: self.line(), writing: self.rng.pick(writings) }
    }

    /// An address that nobody has.
    pub(super) fn email(&mut self, given: &str, family: &str) -> Email {
        let domain =
            self.rng.pick(&["example.com", "example.com", "example.com", "example.org", "example.net"]);
        let mut local = format!("{}.{}", names::plain(given), names::plain(family));
        if family.starts_with("O'") && self.rng.chance(40) {
            local.insert(local.find('.').expect("just written") + 2, '\'');
        }
        let mut address = format!("{local}@{domain}");
        let mut suffix = 2 + self.rng.below(90);
        while !self.emails.insert(address.clone()) {
            address = format!("{local}{suffix}@{domain}");
            suffix += 1;
        }
        if self.rng.chance(4) { Email::Valid(capitals(&address)) } else { Email::Valid(address) }
    }

    /// A child of a household: some forename, some birthday that fits the year.
    pub(super) fn child(&mut self, household: &Household, year: Year) -> usize {
        let girl = self.rng.chance(50);
        let names = if girl { household.tradition.girls } else { household.tradition.boys };
        let given = self.rng.pick(names);
        let born = self.birthday(year);
        let gender = if self.rng.chance(1) {
            'U'
        } else if girl {
            'F'
        } else {
            'M'
        };
        self.pupil(household, year, given, born, gender)
    }

    /// A day on which children of this year were born.
    pub(super) fn birthday(&mut self, year: Year) -> Date {
        let months = self.rng.below(12);
        let month = u8::try_from((8 + months) % 12 + 1).expect("a month");
        let born = year.born_from() + u16::from(month < 9);
        let days = match month {
            2 if born.is_multiple_of(4) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        Date { year: born, month, day: u8::try_from(1 + self.rng.below(days)).expect("a day") }
    }

    /// A child of whom everything is known.
    pub(super) fn pupil(
        &mut self,
        home: &Household,
        year: Year,
        given: &str,
        born: Date,
        gender: char,
    ) -> usize {
        self.in_year[usize::from(year.0)] += 1;
        self.school.pupils.push(Pupil {
            source_id: String::new(),
            given: given.to_owned(),
            family: home.family.clone(),
            year,
            class: String::new(),
            born,
            damaged_birth: None,
            gender,
            household: home.number,
            nameless: false,
            relationship_alone: false,
        });
        self.school.pupils.len() - 1
    }

    /// A grown-up of a household with what an average contact leaves at the office.
    pub(super) fn adult(&mut self, household: &Household, sex: Sex) -> usize {
        // There are about twice as many contacts as drama mobiles, so fewer than half of them have one.
        let means = match self.rng.below(100) {
            0..31 => Means::Both,
            31..43 => Means::Mobile,
            43..88 => Means::Email,
            88..93 => Means::Landline,
            93..98 => Means::LandlineAndEmail,
            _ => Means::Nothing,
        };
        self.adult_with(household, sex, means)
    }

    /// A grown-up of a household with these means.
    pub(super) fn adult_with(&mut self, household: &Household, sex: Sex, means: Means) -> usize {
        let names = if sex == Sex::Female { household.tradition.women } else { household.tradition.men };
        let given = self.rng.pick(names);
        let phone = match means {
            Means::Both | Means::Mobile => self.mobile(),
            Means::Landline | Means::LandlineAndEmail => Phone::Landline(household.landline.clone()),
            Means::Email | Means::Nothing => Phone::Absent,
        };
        let email = match means {
            Means::Both | Means::Email | Means::LandlineAndEmail => self.email(given, &household.family),
            Means::Mobile | Means::Landline | Means::Nothing => Email::Absent,
        };
        self.contact(household, sex, given, email, phone)
    }

    /// A grown-up of whom everything is known.
    pub(super) fn contact(
        &mut self,
        home: &Household,
        sex: Sex,
        given: &str,
        email: Email,
        phone: Phone,
    ) -> usize {
        let titles: &[&str] = match sex {
            Sex::Female => &["Mrs", "Mrs", "Ms", "Ms", "Miss", "Dr", ""],
            Sex::Male => &["Mr", "Mr", "Mr", "Mr", "Mr", "Dr", "Mx"],
        };
        let title = self.rng.pick(titles);
        self.school.contacts.push(Contact {
            source_id: String::new(),
            title,
            given: given.to_owned(),
            family: home.family.clone(),
            email,
            phone,
            home: home.home.clone(),
        });
        self.school.contacts.len() - 1
    }

    /// Makes a grown-up a contact of a child; the link's place in the list is for those who damage it.
    pub(super) fn link(&mut self, pupil: usize, contact: usize, terms: Terms) -> usize {
        self.school.links.push(Link { pupil, contact, terms, other_birth: None, cells_cut: 0 });
        self.school.links.len() - 1
    }

    /// A family with a child in each of these years, like hundreds of others.
    fn ordinary_family(&mut self, years: &[Year]) {
        let household = self.household();
        let children: Vec<usize> = years.iter().map(|&year| self.child(&household, year)).collect();
        let mut grown_ups = Vec::new();

        let mother = self.adult(&household, Sex::Female);
        grown_ups.push((mother, Terms { responsibility: self.known_to_the_office(), ..terms("Mother", 1) }));
        let mother_first = self.rng.chance(75);
        let second = if mother_first { 2 } else { 1 };
        if self.rng.chance(84) {
            let elsewhere = self.rng.chance(25);
            let home = if elsewhere { self.household() } else { household.clone() };
            let (sex, kind) =
                if self.rng.chance(3) { (Sex::Female, "Mother") } else { (Sex::Male, "Father") };
            let father = self.adult(&home, sex);
            grown_ups
                .push((father, Terms { responsibility: self.known_to_the_office(), ..terms(kind, second) }));
            grown_ups[0].1.priority = Some(3 - second);
        } else if self.rng.chance(35) {
            let home = self.household();
            let partner = self.adult(&home, Sex::Male);
            grown_ups.push((partner, terms("Step-parent", 2)));
        }
        if self.rng.chance(26) {
            let (sex, kind, kin) = self.rng.pick(&[
                (Sex::Female, "Grandmother", true),
                (Sex::Female, "Grandmother", true),
                (Sex::Male, "Grandfather", true),
                (Sex::Female, "Aunt", true),
                (Sex::Male, "Uncle", true),
                (Sex::Female, "Neighbour", false),
                (Sex::Male, "Neighbour", false),
                (Sex::Female, "Childminder", false),
                (Sex::Female, "Family friend", false),
            ]);
            let home = if kin && self.rng.chance(70) { household.clone() } else { self.household() };
            let helper = self.adult(&home, sex);
            grown_ups.push((helper, terms(kind, 3)));
        }
        if self.rng.chance(2) {
            grown_ups[0].1.priority = None;
        }
        for child in children {
            for &(contact, terms) in &grown_ups {
                self.link(child, contact, terms);
            }
        }
    }

    /// Most offices ask about responsibility, not all parents answer, and a few have none.
    fn known_to_the_office(&mut self) -> Option<bool> {
        match self.rng.below(100) {
            0..3 => Some(false),
            3..12 => None,
            _ => Some(true),
        }
    }

    /// Classes and ids, once everybody is there.
    fn finish(mut self) -> School {
        for year in Year::ALL {
            let mut cohort: Vec<usize> = (0..self.school.pupils.len())
                .filter(|&index| self.school.pupils[index].year == year)
                .collect();
            self.rng.shuffle(&mut cohort);
            let classes = cohort.len().div_ceil(CLASS_SIZE);
            for (place, index) in cohort.into_iter().enumerate() {
                self.school.pupils[index].class = format!("{}{}", year.label(), letters(place % classes));
            }
        }
        // Both kinds of ids are text with leading zeros and overlap: "001700" may be a child and a grandmother.
        let mut numbers: Vec<usize> = (1001..=1000 + self.school.pupils.len()).collect();
        self.rng.shuffle(&mut numbers);
        for (pupil, number) in self.school.pupils.iter_mut().zip(numbers) {
            pupil.source_id = format!("{number:06}");
        }
        let mut numbers: Vec<usize> = (1501..=1500 + self.school.contacts.len()).collect();
        self.rng.shuffle(&mut numbers);
        for (contact, number) in self.school.contacts.iter_mut().zip(numbers) {
            contact.source_id = format!("{number:06}");
        }
        self.school
    }
}

/// Terms of a contact of whom no more is known.
pub(super) fn terms(relationship: &'static str, priority: u8) -> Terms {
    Terms { relationship, priority: Some(priority), responsibility: None, restricted: false }
}

/// The same address as a hasty hand writes it.
pub(super) fn capitals(address: &str) -> String {
    let mut capital = true;
    address
        .chars()
        .map(|letter| {
            let written = if capital { letter.to_ascii_uppercase() } else { letter };
            capital = !letter.is_ascii_alphanumeric();
            written
        })
        .collect()
}

/// A, B … Z, AA, AB …
fn letters(index: usize) -> String {
    let last = char::from(b'A' + u8::try_from(index % 26).expect("below 26"));
    if index < 26 { last.to_string() } else { format!("{}{last}", letters(index / 26 - 1)) }
}
