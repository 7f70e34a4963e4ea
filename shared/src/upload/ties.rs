//! What ties pupils to contacts in a file.

use std::collections::{HashMap, hash_map};

use foldhash::fast::RandomState;

use super::{gathered::bring_to, roll::Entry};
use crate::person::guardianship::Link;

/// Pupil and contact, as places among the people.
type Ends = (usize, usize);

/// The ties of a file, each with the first row that names it: in the order of pupil and contact, once every row is in.
#[derive(Clone, Debug, Default)]
pub struct Ties {
    list: Vec<(Ends, Entry<Link>)>,
    /// Where each of them is. Only while rows come in.
    places: HashMap<u64, usize, RandomState>,
}

/// Both ends in one number: a file has far fewer people than 2^32.
const fn key((pupil, contact): Ends) -> u64 {
    (pupil as u64) << 32 | contact as u64
}

impl Ties {
    /// Makes room for so many more.
    pub(super) fn expect(&mut self, more: usize) {
        self.list.reserve(more);
        self.places.reserve(more);
    }

    /// A tie of whom rows have tied already.
    pub(super) fn get(&self, ends: Ends) -> Option<&Entry<Link>> {
        self.places.get(&key(ends)).map(|place| &self.list[*place].1)
    }

    /// Ties two, if no row has tied them yet; otherwise gives the tie back, with the first.
    pub(super) fn add(&mut self, ends: Ends, tie: Entry<Link>) -> Option<(Link, &mut Link)> {
        match self.places.entry(key(ends)) {
            hash_map::Entry::Occupied(place) => Some((tie.value, &mut self.list[*place.get()].1.value)),
            hash_map::Entry::Vacant(place) => {
                place.insert(self.list.len());
                self.list.push((ends, tie));
                None
            }
        }
    }

    /// Makes one tie of a pupil's to two contacts who are one: what is said of the first holds.
    pub(super) fn join(&mut self, pupil: usize, from: usize, to: usize) {
        let Some(place) = self.places.remove(&key((pupil, from))) else { return };
        if self.places.contains_key(&key((pupil, to))) {
            self.list.swap_remove(place);
            if let Some((moved, _)) = self.list.get(place) {
                self.places.insert(key(*moved), place);
            }
        } else {
            self.list[place].0 = (pupil, to);
            self.places.insert(key((pupil, to)), place);
        }
    }

    /// Brings them into order, once everybody has a new place.
    pub(super) fn arrange(&mut self, places: &[u32]) {
        self.places = HashMap::default();
        for ((pupil, contact), _) in &mut self.list {
            (*pupil, *contact) = (places[*pupil] as usize, places[*contact] as usize);
        }
        // A pupil has few: where theirs begin is counted, and only they are sorted.
        let mut starts = vec![0; places.len() + 1];
        self.list.iter().for_each(|((pupil, _), _)| starts[pupil + 1] += 1);
        for pupil in 1..starts.len() {
            starts[pupil] += starts[pupil - 1];
        }
        let of_pupil = |((pupil, _), _): &(Ends, _)| {
            let next = &mut starts[*pupil];
            *next += 1;
            *next - 1
        };
        bring_to(self.list.iter().map(of_pupil).collect(), |one, other| self.list.swap(one, other));
        for ties in self.list.chunk_by_mut(|(one, _), (other, _)| one.0 == other.0) {
            ties.sort_unstable_by_key(|(ends, _)| *ends);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Ends, &Entry<Link>)> {
        self.list.iter().map(|(ends, tie)| (*ends, tie))
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
