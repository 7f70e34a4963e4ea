//! Likeness: which of two sets of records, or which of one set, are probably about one person.
//!
//! It only ever *proposes*: the office decides. A proposal is unique (whoever could be two people is nobody), and nothing that
//! is known for certain speaks against it.

mod evidence;
mod people;

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::civil::Date;

pub(crate) use self::evidence::is_one_edit;
use self::evidence::{Agreement, Evidence, Face};
pub use self::people::{
    Tied, colleagues, contacts, contradict, contradict_to_one, merges, pupils, sharing_contact_points,
    titles_contradict,
};

/// What is known of somebody; whatever is not stays empty.
#[derive(Clone, Debug, Default)]
pub struct Traits<'a> {
    /// Given name.
    pub given: &'a str,
    /// Family name.
    pub family: &'a str,
    /// Another given and another family name that they go by or went by.
    pub also: [&'a str; 2],
    /// Date of birth.
    pub date_of_birth: Option<Date>,
    /// Ids that belong to one person alone, each with its numbering: two that differ are two people.
    pub ids: Vec<(&'a str, &'a str)>,
    /// A number that people copy by hand, wrongly at times: it weighs much and decides nothing.
    pub number: &'a str,
    /// Postcode.
    pub postcode: &'a str,
    /// The house's number.
    pub house: &'a str,
    /// The street, and the line before or after it.
    pub lines: [&'a str; 2],
    /// Town or suburb.
    pub place: &'a str,
    /// County or state.
    pub region: &'a str,
    /// E-mail addresses, in the form in which they compare.
    pub emails: Vec<&'a str>,
    /// Phone numbers in E.164.
    pub phones: Vec<&'a str>,
}

/// Two records that are probably about one person, by their places in what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proposal {
    /// The first.
    pub left: usize,
    /// The second.
    pub right: usize,
    /// What speaks for it, in tenths of a bit.
    pub score: i32,
}

/// What to make of evidence that close kin give as well as one person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kin {
    /// Another given name is a twin, another date of birth a father or a son: never proposed, whatever else agrees, unless they
    /// share an id or number.
    KeptApart,
    /// They are scored like all else. For registers that hold no families.
    Scored,
}

/// What a proposal has to reach, in tenths of a bit. Of the thirteen million pairs of strangers in FEBRL's sets 1 and 2 the likest
/// reach 151; the rest keeps that distance in sets hundreds of times as large.
const THRESHOLD: i32 = 240;
/// By how much it has to be better than the next.
const MARGIN: i32 = 60;
/// The most comparisons that one key is worth: what more people share says little, and would take quadratic time.
const LARGEST_BLOCK: usize = 5_000;

/// What to make of two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// Something that is known says that they are two people.
    Never,
    /// Little speaks for it.
    Unlikely,
    /// Not enough to propose it, and enough to doubt any other who is not clearly likelier.
    Perhaps,
    /// Enough to propose it.
    Probably,
    /// All that is known of who somebody is agrees to the letter: who is merely like them raises no doubt.
    Surely,
}

impl Kin {
    fn judge(self, evidence: &Evidence) -> Verdict {
        use Agreement::{Differs, Same};
        let e = evidence;
        let somebody_else = e.given == Differs && e.family == Differs && e.born == Differs;
        let is_one = e.id == Same || e.number == Same;
        let is_kin = e.given != Same || e.born == Differs;
        match e.score() {
            _ if e.id == Differs => Verdict::Never,
            _ if self == Self::KeptApart && (is_kin && !is_one || somebody_else) => Verdict::Never,
            THRESHOLD.. => Verdict::Probably,
            score if score >= THRESHOLD - MARGIN => Verdict::Perhaps,
            _ => Verdict::Unlikely,
        }
    }
}

/// Who of one set is probably who of the other: each at most once, and nobody for whom there are two candidates of nearly the same
/// likeness.
pub fn propose(left: &[Traits<'_>], right: &[Traits<'_>], kin: Kin) -> Vec<Proposal> {
    between(left, right, |_, _, evidence| kin.judge(evidence))
}

/// Who is probably in one set more than once, as pairs. Who is as like to two that cannot be one person is said to be neither.
pub fn propose_within(records: &[Traits<'_>], kin: Kin) -> Vec<Proposal> {
    within(records, keys, |_, _, evidence| kin.judge(evidence))
}

/// [`propose`] by any rule.
fn between(
    left: &[Traits<'_>],
    right: &[Traits<'_>],
    judge: impl Fn(usize, usize, &Evidence) -> Verdict,
) -> Vec<Proposal> {
    if left.is_empty() || right.is_empty() {
        return Vec::new();
    }
    let faces: Vec<_> = left.iter().chain(right).map(Face::of).collect();
    let judge = |one, other, evidence: &Evidence| judge(one, other - left.len(), evidence);
    let found = candidates(&faces, Some(left.len()), keys, judge);
    // How sure the best and the next are, and their scores, of everybody.
    let standing = |verdict, score| (verdict == Verdict::Surely, score);
    let mut best: HashMap<usize, [(bool, i32); 2]> = HashMap::new();
    for (one, other, verdict, score) in &found {
        let this = standing(*verdict, *score);
        for who in [one, other] {
            let [first, second] = best.entry(*who).or_insert([(false, i32::MIN); 2]);
            (*first, *second) = if this > *first { (this, *first) } else { (*first, this.max(*second)) };
        }
    }
    let clear = |who, this: (bool, i32)| {
        let [first, second] = best[&who];
        first == this && (this.0 && !second.0 || second.1 <= this.1 - MARGIN)
    };
    let clear = found.into_iter().filter(|(one, other, verdict, score)| {
        let this = standing(*verdict, *score);
        *verdict >= Verdict::Probably && clear(*one, this) && clear(*other, this)
    });
    clear.map(|(one, other, _, score)| Proposal { left: one, right: other - left.len(), score }).collect()
}

/// [`propose_within`] by any rule, among those who have one of `keys` in common.
fn within(
    records: &[Traits<'_>],
    keys: impl Fn(&Face<'_>) -> Vec<u64>,
    judge: impl Fn(usize, usize, &Evidence) -> Verdict,
) -> Vec<Proposal> {
    let faces: Vec<_> = records.iter().map(Face::of).collect();
    let mut found = candidates(&faces, None, keys, &judge);
    found.retain(|(_, _, verdict, _)| *verdict >= Verdict::Probably);
    let mut like: HashMap<usize, Vec<(usize, i32)>> = HashMap::new();
    for (one, other, _, score) in &found {
        like.entry(*one).or_default().push((*other, *score));
        like.entry(*other).or_default().push((*one, *score));
    }
    let apart = |one: usize, other: usize| {
        one != other && judge(one, other, &Evidence::between(&faces[one], &faces[other])) == Verdict::Never
    };
    // Whether somebody is about as like to a third, who cannot be the other.
    let doubtful = |who: usize, other: usize, score: i32| {
        like[&who].iter().any(|(third, rival)| *rival > score - MARGIN && apart(other, *third))
    };
    found.retain(|(one, other, _, score)| !doubtful(*one, *other, *score) && !doubtful(*other, *one, *score));
    found.into_iter().map(|(left, right, _, score)| Proposal { left, right, score }).collect()
}

/// The pairs that are one person perhaps or probably, of those who have a key in common, in order. With `split`, one of each side of it.
fn candidates(
    faces: &[Face<'_>],
    split: Option<usize>,
    keys: impl Fn(&Face<'_>) -> Vec<u64>,
    judge: impl Fn(usize, usize, &Evidence) -> Verdict,
) -> Vec<(usize, usize, Verdict, i32)> {
    let mut blocks: HashMap<u64, [Vec<usize>; 2]> = HashMap::new();
    for (at, face) in faces.iter().enumerate() {
        for key in keys(face) {
            blocks.entry(key).or_default()[usize::from(split.is_some_and(|split| at >= split))].push(at);
        }
    }
    let mut pairs = Vec::new();
    for [left, right] in blocks.into_values() {
        let right = if split.is_some() { &right } else { &left };
        if left.len() * right.len() <= LARGEST_BLOCK {
            let both = left.iter().flat_map(|one| right.iter().map(|other| (*one, *other)));
            pairs.extend(both.filter(|(one, other)| one < other));
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    let found = pairs.into_iter().filter_map(|(one, other)| {
        let evidence = Evidence::between(&faces[one], &faces[other]);
        let verdict = judge(one, other, &evidence);
        (verdict >= Verdict::Perhaps).then(|| (one, other, verdict, evidence.score()))
    });
    found.collect()
}

/// What somebody is looked up by, none of it so common that a school's worth of people would share it. Whoever agrees in enough to
/// be proposed agrees in one of these, but for a few whose every trait was damaged.
fn keys(face: &Face<'_>) -> Vec<u64> {
    let year = face.day.get(..4).unwrap_or_default();
    let [given, family] = &face.names;
    let mut keys = vec![key(0, &[given.min(family), given.max(family)])];
    // In either order, because the two may stand in each other's place.
    for (name, other) in [(given, family), (family, given)] {
        keys.push(key(1, &[name, initial(other), year]));
        keys.push(key(2, &[initial(name), &face.day]));
        keys.push(key(3, &[name, &face.postcode]));
        keys.push(key(4, &[name, &face.place]));
    }
    for part in [&face.postcode, &face.place, &face.lines[0]] {
        keys.push(key(5, &[&face.house, part]));
        keys.push(key(6, &[&face.day, part]));
    }
    keys.push(key(7, &[&face.lines[0], &face.place]));
    keys.push(key(8, &[&face.number]));
    keys.extend(face.ids.iter().map(|(numbering, id)| key(9, &[numbering, id])));
    keys.into_iter().flatten().chain(points(face)).collect()
}

/// The e-mail addresses and numbers alone.
fn points(face: &Face<'_>) -> Vec<u64> {
    face.emails.iter().chain(face.phones).filter_map(|point| key(10, &[point])).collect()
}

/// A key of some parts; none where one of them is not known.
fn key(kind: u8, parts: &[&str]) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    (kind, parts).hash(&mut hasher);
    parts.iter().all(|part| !part.is_empty()).then(|| hasher.finish())
}

fn initial(name: &str) -> &str {
    name.chars().next().map_or("", |first| &name[..first.len_utf8()])
}

#[cfg(test)]
#[path = "likeness_tests.rs"]
mod tests;
