//! Where in a list somebody is, by a hash alone: what is hashed is not kept twice.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hasher},
};

use foldhash::fast::RandomState;

use super::roll::Identity;
use crate::person::Role;

/// Places by the hash of a role and an identity, which nobody outside can foretell.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    places: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
    random: RandomState,
}

impl Index {
    /// The place of somebody, as `is` knows them; or else the hash under which they are to be put.
    pub(super) fn find(
        &self,
        role: Role,
        identity: Identity<'_>,
        is: impl Fn(usize) -> bool,
    ) -> Result<usize, u64> {
        let mut hasher = self.random.build_hasher();
        hasher.write_u8(role as u8);
        match identity {
            Identity::Id(id) => hasher.write(id.id.as_bytes()),
            Identity::Likeness(text) => hasher.write(text.as_bytes()),
            Identity::InFamily(pupil, text) => {
                hasher.write_usize(pupil);
                hasher.write(text.as_bytes());
            }
        }
        let mut hash = hasher.finish();
        while let Some(place) = self.places.get(&hash) {
            if is(*place) {
                return Ok(*place);
            }
            // Two of one hash, as one number in two numberings: the second has the next.
            hash = hash.wrapping_add(1);
        }
        Err(hash)
    }

    /// Makes room for so many more.
    pub(super) fn expect(&mut self, more: usize) {
        self.places.reserve(more);
    }

    pub(super) fn put(&mut self, hash: u64, place: usize) {
        self.places.insert(hash, place);
    }
}

/// What is a hash already is not hashed again.
#[derive(Clone, Copy, Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
