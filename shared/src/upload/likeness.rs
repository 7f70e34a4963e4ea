//! Who is probably one person: proposals for the office, never decisions.

use std::collections::HashMap;

use super::{intake::UPN, merge::share_a_contact_point, roll::pupil_key};
use crate::person::Person;

/// Pairs of a stranger and somebody known, by index, who are probably one: name and date of birth, each fitting one alone.
pub fn same_people(strangers: &[&Person], known: &[&Person]) -> Vec<(usize, usize)> {
    let mut left: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, person) in strangers.iter().enumerate().filter(|(_, person)| person.date_of_birth.is_some()) {
        left.entry(pupil_key(person)).or_default().push(index);
    }
    let mut right: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, person) in known.iter().enumerate() {
        right.entry(pupil_key(person)).or_default().push(index);
    }
    let mut pairs: Vec<_> = left
        .iter()
        .filter_map(|(key, strangers_here)| match (&strangers_here[..], right.get(key).map(Vec::as_slice)) {
            ([left], Some([right])) if !have_other_upns(strangers[*left], known[*right]) => {
                Some((*left, *right))
            }
            _ => None,
        })
        .collect();
    pairs.sort_unstable();
    pairs
}

/// Two unique pupil numbers are two children, whatever they look like.
fn have_other_upns(one: &Person, other: &Person) -> bool {
    let upn = |person: &Person| person.source_ids.iter().find(|id| id.source == UPN).map(|id| id.id.clone());
    matches!((upn(one), upn(other)), (Some(one), Some(other)) if one != other)
}

/// Whether two contacts of one family are probably one: the name when folded, and an e-mail address or number.
pub fn same_contact(one: &Person, other: &Person) -> bool {
    one.name.folds_to(&other.name) && share_a_contact_point(one, other)
}
