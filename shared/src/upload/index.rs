//! Where in a list somebody is, by a hash alone: what is hashed is not kept twice.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::roll::Identity;
use crate::person::Role;

/// Places by the hash of a role and an identity, which nobody outside can foretell.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    places: HashTable<(u64, usize)>,
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
        let hash = hasher.finish();
        let known = self.places.find(hash, |(known, place)| *known == hash && is(*place));
        known.map(|(_, place)| *place).ok_or(hash)
    }

    /// Makes room for so many more.
    pub(super) fn expect(&mut self, more: usize) {
        self.places.reserve(more, |(hash, _)| *hash);
    }

    pub(super) fn put(&mut self, hash: u64, place: usize) {
        self.places.insert_unique(hash, (hash, place), |(hash, _)| *hash);
    }
}
