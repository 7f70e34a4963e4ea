//! What ties pupils to contacts in a file.

use std::{collections::HashMap, mem};

use foldhash::fast::RandomState;

use super::roll::Entry;
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

    /// As [`Self::get`].
    pub(super) fn get_mut(&mut self, ends: Ends) -> Option<&mut Entry<Link>> {
        self.places.get(&key(ends)).map(|place| &mut self.list[*place].1)
    }

    /// Ties two whom no row has tied yet.
    pub(super) fn add(&mut self, ends: Ends, tie: Entry<Link>) {
        self.places.insert(key(ends), self.list.len());
        self.list.push((ends, tie));
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
    pub(super) fn arrange(&mut self, places: &[usize]) {
        const LOW: u128 = u32::MAX as u128;
        self.places = HashMap::default();
        // Numbers are what is sorted fastest; a file has far fewer people and ties than 2^32.
        let order = (0..).zip(&self.list).map(|(at, ((pupil, contact), _))| {
            (places[*pupil] as u128) << 64 | (places[*contact] as u128) << 32 | at
        });
        let mut order: Vec<u128> = order.collect();
        order.sort_unstable();
        let mut list: Vec<_> = mem::take(&mut self.list).into_iter().map(|(_, tie)| Some(tie)).collect();
        self.list.reserve_exact(list.len());
        let arranged = order.into_iter().filter_map(|order| {
            let ends = ((order >> 64 & LOW) as usize, (order >> 32 & LOW) as usize);
            Some((ends, list.get_mut((order & LOW) as usize)?.take()?))
        });
        self.list.extend(arranged);
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
