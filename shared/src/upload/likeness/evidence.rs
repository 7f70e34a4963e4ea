//! What speaks for and against two records being about one person, and how much.

use jiff::civil::Date;

use super::Traits;
use crate::person::name::fold;

/// How far two values of one trait agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Agreement {
    /// Nothing is known, on one side at least.
    #[default]
    Unknown,
    /// Both are there and are not the same.
    Differs,
    /// A slip of the pen apart: one letter or digit more, less, another, or in its neighbour's place.
    Near,
    /// The same, as folding sees it.
    Same,
}

use Agreement::{Differs, Near, Same, Unknown};

/// What an agreement weighs, in tenths of a bit: the logarithm of how much oftener it is seen between two records of one
/// person than between records of two strangers (Fellegi and Sunter). Nothing known weighs nothing.
struct Weight {
    same: i32,
    near: i32,
    differs: i32,
}

impl Weight {
    const fn of(&self, agreement: Agreement) -> i32 {
        match agreement {
            Unknown => 0,
            Differs => self.differs,
            Near => self.near,
            Same => self.same,
        }
    }
}

// Counted over all pairs of FEBRL's sets 1 and 2. A slip never weighs more than the same.
const GIVEN: Weight = Weight { same: 75, near: 70, differs: -30 };
const FAMILY: Weight = Weight { same: 74, near: 74, differs: -31 };
const BORN: Weight = Weight { same: 151, near: 35, differs: -39 };
const NUMBER: Weight = Weight { same: 244, near: 131, differs: -42 };
const POSTCODE: Weight = Weight { same: 96, near: 38, differs: -49 };
const HOUSE: Weight = Weight { same: 60, near: -18, differs: -29 };
const STREET: Weight = Weight { same: 107, near: 107, differs: -43 };
const BUILDING: Weight = Weight { same: 101, near: 101, differs: -45 };
const PLACE: Weight = Weight { same: 93, near: 93, differs: -35 };
const REGION: Weight = Weight { same: 21, near: 2, differs: -49 };
/// What it takes off that given and family name, or the lines of an address, have changed places.
const CROSSED: i32 = -30;
/// FEBRL's people have neither; a family shares both, so each says about as much as an address.
const EMAIL: Weight = Weight { same: 90, near: 0, differs: 0 };
const PHONE: Weight = Weight { same: 80, near: 0, differs: 0 };

/// A record made ready for comparing: everything folded once.
#[derive(Debug)]
pub(super) struct Face<'a> {
    pub names: [String; 2],
    pub also: [String; 2],
    pub born: Option<Date>,
    /// The date of birth as it is written, or nothing.
    pub day: String,
    pub ids: &'a [(&'a str, &'a str)],
    pub number: String,
    pub postcode: String,
    pub house: String,
    pub lines: [String; 2],
    pub place: String,
    pub region: String,
    pub emails: &'a [&'a str],
    pub phones: &'a [&'a str],
}

impl<'a> Face<'a> {
    pub(super) fn of(traits: &'a Traits<'a>) -> Self {
        Self {
            names: [traits.given, traits.family].map(fold),
            also: traits.also.map(fold),
            born: traits.date_of_birth,
            day: traits.date_of_birth.map(|born| born.to_string()).unwrap_or_default(),
            ids: &traits.ids,
            number: fold(traits.number),
            postcode: fold(traits.postcode),
            house: fold(traits.house),
            lines: traits.lines.map(fold),
            place: fold(traits.place),
            region: fold(traits.region),
            emails: &traits.emails,
            phones: &traits.phones,
        }
    }
}

/// What two records say about being one person, trait by trait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    pub given: Agreement,
    pub family: Agreement,
    pub names_crossed: bool,
    pub born: Agreement,
    pub id: Agreement,
    pub number: Agreement,
    pub postcode: Agreement,
    pub house: Agreement,
    pub lines: [Agreement; 2],
    pub lines_crossed: bool,
    pub place: Agreement,
    pub region: Agreement,
    pub email: Agreement,
    pub phone: Agreement,
}

impl Evidence {
    pub(super) fn between(one: &Face<'_>, other: &Face<'_>) -> Self {
        let ([mut given, mut family], names_crossed) = pair(&one.names, &other.names);
        if !names_crossed {
            given = given_either_name(given, 0, one, other);
            family = given_either_name(family, 1, one, other);
        }
        let (lines, lines_crossed) = pair(&one.lines, &other.lines);
        Self {
            given,
            family,
            names_crossed,
            born: dates(one, other),
            id: ids(one.ids, other.ids),
            number: words(&one.number, &other.number),
            postcode: words(&one.postcode, &other.postcode),
            house: words(&one.house, &other.house),
            lines,
            lines_crossed,
            place: words(&one.place, &other.place),
            region: words(&one.region, &other.region),
            email: shared(one.emails, other.emails),
            phone: shared(one.phones, other.phones),
        }
    }

    /// The weights' sum.
    pub(super) fn score(&self) -> i32 {
        let crossed = i32::from(self.names_crossed) + i32::from(self.lines_crossed);
        GIVEN.of(self.given)
            + FAMILY.of(self.family)
            + BORN.of(self.born)
            + NUMBER.of(self.number)
            + POSTCODE.of(self.postcode)
            + HOUSE.of(self.house)
            + STREET.of(self.lines[0])
            + BUILDING.of(self.lines[1])
            + PLACE.of(self.place)
            + REGION.of(self.region)
            + EMAIL.of(self.email)
            + PHONE.of(self.phone)
            + crossed * CROSSED
    }
}

/// Two folded words.
pub(super) fn words(one: &str, other: &str) -> Agreement {
    match () {
        () if one.is_empty() || other.is_empty() => Unknown,
        () if one == other => Same,
        () if is_one_edit(one, other) => Near,
        () => Differs,
    }
}

/// The agreement of a part of the names where either may stand under another that they go by.
fn given_either_name(as_written: Agreement, part: usize, one: &Face<'_>, other: &Face<'_>) -> Agreement {
    let is = |a: &String, b: &String| words(a, b) == Same;
    let (a, b) = ([&one.names[part], &one.also[part]], [&other.names[part], &other.also[part]]);
    if a.iter().any(|a| b.iter().any(|b| is(a, b))) { Same } else { as_written }
}

/// Two pairs of words that are sometimes written in each other's place: as they stand, or crossed where that fits better.
fn pair(one: &[String; 2], other: &[String; 2]) -> ([Agreement; 2], bool) {
    let straight = [words(&one[0], &other[0]), words(&one[1], &other[1])];
    let crossed = [words(&one[0], &other[1]), words(&one[1], &other[0])];
    let fits = |pair: [Agreement; 2]| pair.iter().filter(|level| matches!(level, Same | Near)).count();
    // One part alone may be in the other's place when nothing is known of the rest.
    if fits(crossed) > fits(straight) && !crossed.contains(&Differs) {
        (crossed, true)
    } else {
        (straight, false)
    }
}

/// Whether one slip makes one word of the other: a letter more, less or another, or two neighbours that have changed places
/// (Damerau's distance 1).
pub(crate) fn is_one_edit(one: &str, other: &str) -> bool {
    let begins = one.char_indices().zip(other.chars()).find(|((_, a), b)| a != b);
    let start = begins.map_or(one.len().min(other.len()), |((at, _), _)| at);
    let (one, other) = (&one[start..], &other[start..]);
    let ends = one.chars().rev().zip(other.chars().rev()).take_while(|(a, b)| a == b);
    let end: usize = ends.map(|(a, _)| a.len_utf8()).sum();
    let middle = |word: &str| {
        let mut letters = word[..word.len() - end].chars();
        [letters.next(), letters.next(), letters.next()]
    };
    match (middle(one), middle(other)) {
        ([Some(_), None, _], [_, None, _]) | ([None, ..], [Some(_), None, _]) => true,
        ([Some(a), Some(b), None], [Some(c), Some(d), None]) => (a, b) == (d, c),
        _ => false,
    }
}

/// Two dates of birth. Near are day and month in each other's place, and one wrong digit. A year that is further off is no slip: it
/// would take a son for his father.
fn dates(one: &Face<'_>, other: &Face<'_>) -> Agreement {
    const YEARS: i16 = 10;
    let written = [&one.day, &other.day];
    let (Some(one), Some(other)) = (one.born, other.born) else { return Unknown };
    if one == other {
        return Same;
    }
    let swapped = (one.year(), one.month(), one.day()) == (other.year(), other.day(), other.month());
    let slip = (one.year() - other.year()).abs() <= YEARS && is_one_edit(written[0], written[1]);
    if swapped || slip { Near } else { Differs }
}

/// Ids that are one person's alone. Only those in one numbering can be held against each other.
fn ids(one: &[(&str, &str)], other: &[(&str, &str)]) -> Agreement {
    let both = || one.iter().flat_map(|a| other.iter().filter(move |b| a.0 == b.0).map(move |b| (a.1, b.1)));
    match () {
        () if both().any(|(a, b)| a == b) => Same,
        () if both().next().is_some() => Differs,
        () => Unknown,
    }
}

/// Addresses or numbers of which people have several: one in common is what counts.
fn shared(one: &[&str], other: &[&str]) -> Agreement {
    match () {
        () if one.is_empty() || other.is_empty() => Unknown,
        () if one.iter().any(|point| other.contains(point)) => Same,
        () => Differs,
    }
}
