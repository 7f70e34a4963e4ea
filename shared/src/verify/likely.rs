//! How a name that somebody typed stands to one that the school holds. Pure.
//!
//! At most one slip is ever overlooked, and the given names never differ in earnest. What is the same as folding sees it, but for
//! titles and particles, is the same name; all else only says that somebody should look.

use super::nickname;
use crate::{
    person::{
        Person,
        name::{PersonName, fold},
    },
    upload::likeness::is_one_edit,
};

/// How two names are alike, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// Letter by letter.
    Exact,
    /// But for case, accents, apostrophes, hyphens and spaces.
    Folded,
    /// But for a title or suffix.
    Title,
    /// But for a particle of the family name.
    Particle,
    /// A short or alternative form of the given name.
    Nickname,
    /// One letter more, less, another, or in its neighbour's place.
    OneEdit,
    /// Given and family name stand in each other's place.
    Swapped,
    /// Only some of the given names are the same.
    MiddleName,
    /// One half of a double family name.
    HyphenHalf,
    /// An initial in place of the given name.
    Initial,
    /// The school holds a given name and nothing else.
    OneName,
    /// The school holds a family name and nothing else.
    FamilyNameAlone,
    /// The same given name with another family name.
    OtherFamilyName,
}

/// Which of somebody's names it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Which {
    /// The legal one.
    Legal,
    /// The one they go by, in a part at least.
    Preferred,
    /// With an earlier family name.
    Former,
}

/// The likest of somebody's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Likeness {
    pub(super) how: How,
    pub(super) which: Which,
}

impl How {
    /// Whether folding alone makes the names the same.
    pub(super) fn is_folded(self) -> bool {
        self <= Self::Folded
    }

    /// Whether it is the same name: nothing but a title or a particle was passed over.
    pub(super) fn is_same(self) -> bool {
        self <= Self::Particle
    }
}

/// The likest of a person's names to a claimed one. A former name is one slip already: it is only looked at where nothing else differs.
pub(super) fn likest(claimed: &PersonName, person: &Person) -> Option<Likeness> {
    let preferred = person.preferred_name.as_ref();
    let legal = &person.name;
    let givens = [(legal.given(), Which::Legal), (preferred.map_or("", PersonName::given), Which::Preferred)];
    let families = [
        (legal.family(), Which::Legal),
        (preferred.map_or("", PersonName::family), Which::Preferred),
        (person.former_family_name.as_deref().unwrap_or_default(), Which::Former),
    ];
    let pairs = givens.into_iter().flat_map(|given| families.map(|family| (given, family)));
    let likenesses = pairs.filter_map(|((given, one), (family, other))| {
        let which = one.max(other);
        // A part that is not there is no name of theirs, but for the legal one.
        let is_there =
            (one == Which::Legal || !given.is_empty()) && (other == Which::Legal || !family.is_empty());
        let how = if is_there { compare(claimed, &PersonName::new(given, family)) } else { None }?;
        (which != Which::Former || how.is_same()).then_some(Likeness { how, which })
    });
    likenesses.min()
}

/// How a claimed name stands to a registered one; nothing where they are two people's.
pub(super) fn compare(claimed: &PersonName, registered: &PersonName) -> Option<How> {
    if claimed.folds_to(registered) {
        return Some(if claimed == registered { How::Exact } else { How::Folded });
    }
    let (a, b) = (Parts::of(claimed), Parts::of(registered));
    if a.suffix.is_some() && b.suffix.is_some() && a.suffix != b.suffix {
        return None;
    }
    let [given, given_is] = [&a.given, &b.given].map(|words| words.concat());
    let [family, family_is] = [&a.family, &b.family].map(|words| words.concat());
    let (core, core_is) = (a.core(), b.core());
    let same_given = !given.is_empty() && given == given_is;
    let same_family = !family.is_empty() && (family == family_is || core == core_is);
    match () {
        () if same_given && family == family_is && !family.is_empty() => Some(How::Title),
        () if same_given && same_family => Some(How::Particle),
        () if family_is.is_empty() && !given_is.is_empty() => {
            (given == given_is || family == given_is).then_some(How::OneName)
        }
        () if given_is.is_empty() => same_family.then_some(How::FamilyNameAlone),
        () if same_family => like_given(&a.given, &b.given),
        () if given == family_is && family == given_is => Some(How::Swapped),
        () if same_given && is_slip(&family, &family_is) => Some(How::OneEdit),
        () if same_given && is_part(&core, &core_is) => Some(How::HyphenHalf),
        () if same_given => Some(How::OtherFamilyName),
        () => None,
    }
}

/// Whether two records bear one name, as the school wrote it: titles alone are passed over.
pub(super) fn is_same_name(one: &Person, other: &Person) -> bool {
    let (a, b) = (Parts::of(&one.name), Parts::of(&other.name));
    !a.given.is_empty()
        && !a.family.is_empty()
        && a.suffix == b.suffix
        && a.given.concat() == b.given.concat()
        && a.family.concat() == b.family.concat()
}

fn like_given(claimed: &[String], registered: &[String]) -> Option<How> {
    let [one, other] = [claimed.concat(), registered.concat()];
    let first = |words: &[String]| words.first().cloned().unwrap_or_default();
    let (a, b) = (first(claimed), first(registered));
    let is_initial = |word: &str, of: &str| word.chars().count() == 1 && of.starts_with(word);
    match () {
        () if nickname::are_one(&one, &other) || nickname::are_one(&a, &b) => Some(How::Nickname),
        () if is_slip(&one, &other) => Some(How::OneEdit),
        () if is_part(claimed, registered) => Some(How::MiddleName),
        () if is_initial(&a, &b) || is_initial(&b, &a) => Some(How::Initial),
        () => None,
    }
}

/// Whether one slip of the pen makes one word of the other. Of words of two letters, a slip would make any other.
fn is_slip(one: &str, other: &str) -> bool {
    let letters = [one, other].map(|word| word.chars().count());
    letters.iter().all(|letters| *letters >= 3)
        && letters.iter().any(|letters| *letters >= 4)
        && is_one_edit(one, other)
}

/// Whether all words of one name, and fewer, are among the other's.
fn is_part(one: &[String], other: &[String]) -> bool {
    let (few, many) = if one.len() < other.len() { (one, other) } else { (other, one) };
    !few.is_empty()
        && few.len() < many.len()
        && few.iter().all(|word| word.chars().count() > 1 && many.contains(word))
}

const TITLES: [&str; 12] =
    ["mr", "mrs", "ms", "miss", "mx", "master", "dr", "prof", "rev", "sir", "lady", "cllr"];
const SUFFIXES: [&str; 4] = ["jr", "sr", "ii", "iii"];
const PARTICLES: [&str; 24] = [
    "de", "da", "di", "van", "von", "der", "den", "la", "le", "al", "el", "ibn", "bin", "binti", "ap", "ab",
    "mac", "mc", "o", "nic", "ni", "st", "du", "dos",
];

/// A name in folded words, without titles.
struct Parts {
    given: Vec<String>,
    family: Vec<String>,
    suffix: Option<String>,
}

impl Parts {
    fn of(name: &PersonName) -> Self {
        let [mut given, mut family] = [name.given(), name.family()].map(words);
        // Somebody may be called Lady: a title stands before a name.
        while given.first().is_some_and(|word| TITLES.contains(&word.as_str()))
            && (given.len() > 1 || !family.is_empty())
        {
            given.remove(0);
        }
        while family.len() > 1 && family.first().is_some_and(|word| TITLES.contains(&word.as_str())) {
            family.remove(0);
        }
        let mut suffix = None;
        for part in [&mut family, &mut given] {
            if part.len() > 1 && part.last().is_some_and(|word| SUFFIXES.contains(&word.as_str())) {
                suffix = part.pop();
            }
        }
        Self { given, family, suffix }
    }

    /// The family name without particles, unless it is made up of them.
    fn core(&self) -> Vec<String> {
        let is_particle = |word: &&String| PARTICLES.contains(&word.as_str());
        let core: Vec<_> = self.family.iter().filter(|word| !is_particle(word)).cloned().collect();
        if core.is_empty() { self.family.clone() } else { core }
    }
}

/// The folded words of a name: spaces, hyphens, dots and apostrophes part them.
fn words(name: &str) -> Vec<String> {
    let parts =
        name.split(|c: char| c.is_whitespace() || matches!(c, '-' | '.' | '\'' | '\u{2010}'..='\u{2015}'));
    parts.map(fold).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::person::Role;

    fn name(text: &str) -> PersonName {
        let (given, family) = text.split_once('/').unwrap_or((text, ""));
        PersonName::new(given, family)
    }

    #[test]
    fn names_are_alike_in_one_way_at_most() {
        use How::{
            Exact, FamilyNameAlone, Folded, HyphenHalf, Initial, MiddleName, Nickname, OneEdit, OneName,
            OtherFamilyName, Particle, Swapped, Title,
        };
        // Claimed and registered, given name/family name.
        for (claimed, registered, how) in [
            ("Mary/O'Connor", "Mary/O'Connor", Some(Exact)),
            ("mary/OCONNOR", "Mary/O\u{2019}Connor", Some(Folded)),
            ("Zoe/Al Hassan", "Zoë/Al-Hassan", Some(Folded)),
            ("Ann/De La Cruz", "Ann/de la Cruz", Some(Folded)),
            ("Mary/O'Connor", "Mrs Mary/O'Connor", Some(Title)),
            ("Dr. Mary/O'Connor", "Mary/O'Connor", Some(Title)),
            ("John/Smith Jr", "John/Smith", Some(Title)),
            ("John/Smith Jr", "John/Smith Sr", None),
            ("Lady/Smith", "Lady/Smith", Some(Exact)),
            ("Amin/Hassan", "Amin/Al-Hassan", Some(Particle)),
            ("Mary/Connor", "Mary/O'Connor", Some(Particle)),
            ("Anna/van der Berg", "Anna/Berg", Some(Particle)),
            ("Kate/Smith", "Katherine/Smith", Some(Nickname)),
            ("Kate/Berg", "Katherine/van den Berg", Some(Nickname)),
            ("Kathrine/Smith", "Katherine/Smith", Some(Nickname)),
            ("Hanah/Smith", "Hannah/Smith", Some(OneEdit)),
            ("Hannah/Simth", "Hannah/Smith", Some(OneEdit)),
            ("Jo/Smith", "Bo/Smith", None),
            ("Smith/Mary", "Mary/Smith", Some(Swapped)),
            ("Mary/Smith", "Mary Jane/Smith", Some(MiddleName)),
            ("Jane/Smith", "Mary Jane/Smith", Some(MiddleName)),
            ("Mary Louise/Smith", "Mary/Smith", Some(MiddleName)),
            ("Mary/Jones", "Mary/Smith-Jones", Some(HyphenHalf)),
            ("Mary/Smith Jones", "Mary/Smith", Some(HyphenHalf)),
            ("M/Smith", "Mary/Smith", Some(Initial)),
            ("Mary/Smith", "M./Smith", Some(Initial)),
            ("Suharto/Suharto", "Suharto/-", Some(OneName)),
            ("Mary/Suharto", "Suharto/.", Some(OneName)),
            ("Mary/Smith", "Mrs/Smith", Some(FamilyNameAlone)),
            ("Mary/Jones", "Mary/Smith", Some(OtherFamilyName)),
            // Two slips are two people, and so are two given names.
            ("Kate/Jones", "Katherine/Smith", None),
            ("Kate/Simth", "Katherine/Smith", None),
            ("Marie/Smith", "Mary/Smith", None),
            ("John/Smith", "Mary/Smith", None),
            ("Ella/Smith", "Ellie/Smith", None),
            ("Mary/Smith", "/", None),
        ] {
            assert_eq!(compare(&name(claimed), &name(registered)), how, "{claimed} {registered}");
        }
    }

    #[test]
    fn the_likest_of_somebodys_names_counts() {
        let mut zoe = Person::named(Role::Pupil, name("Zoë/Brown"));
        zoe.preferred_name = Some(name("Alex/"));
        zoe.former_family_name = Some("Smith".into());
        for (claimed, how, which) in [
            ("Zoe/Brown", How::Folded, Which::Legal),
            ("Alex/Brown", How::Exact, Which::Preferred),
            ("Zoe/Smith", How::Folded, Which::Former),
            ("Alex/Smith", How::Exact, Which::Former),
        ] {
            assert_eq!(likest(&name(claimed), &zoe), Some(Likeness { how, which }), "{claimed}");
        }
        // A former name with a slip is as much as another family name.
        let likeness = likest(&name("Zoe/Smiht"), &zoe);
        assert_eq!(likeness.map(|likeness| likeness.how), Some(How::OtherFamilyName));
        assert_eq!(likest(&name("Ann/Smith"), &zoe), None);
    }

    #[test]
    fn a_suffix_tells_father_and_son_apart() {
        let person = |text| Person::named(Role::Contact, name(text));
        assert!(is_same_name(&person("Mr John/Smith"), &person("john/SMITH")));
        assert!(!is_same_name(&person("John/Smith Jr"), &person("John/Smith")));
        assert!(!is_same_name(&person("Jon/Smith"), &person("John/Smith")));
        assert!(!is_same_name(&person("John/"), &person("John/")));
    }

    proptest! {
            #[test]
            fn comparing_never_panics_and_folding_is_always_seen(one: [String; 2], other: [String; 2]) {
                let [one, other] = [one, other].map(|[given, family]| PersonName::new(&given, &family));
                let how = compare(&one, &other);
    prop_assert_eq!(how.is_some_and(How::is_folded), one.folds_to(&other));
            }
        }
}
