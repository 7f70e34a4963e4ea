//! What can only be said of a roll once every row is in.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    mem,
    sync::Arc,
};

use foldhash::fast::RandomState;

use super::{
    finding::{Code, Finding},
    index::Index,
    likeness,
    roll::{Entry, Identity, Key, Referred, Roll, contact_points_of, full_fold},
    store::Scope,
};
use crate::person::{Person, Role, phone::PhoneKind};

impl Roll {
    /// What can only be said once every row is in.
    pub(super) fn close(&mut self) {
        self.index = Index::default();
        self.disputed.clear();
        let joined = self.join_duplicates();
        self.arrange(&joined);
        for entry in &mut self.people {
            if entry.value.phones.len() > 1 || entry.value.groups.len() > 1 {
                // The order of merging: mobiles first, so that the same file read again is the same.
                let person = Arc::make_mut(&mut entry.value);
                person.phones.sort_by_key(|phone| phone.kind() != PhoneKind::Mobile);
                person.groups.sort();
            }
        }
        self.shared_contact_points();
        self.without_contact();
        self.findings.sort_by(|a, b| (a.row, &a.column, &a.code).cmp(&(b.row, &b.column, &b.code)));
    }

    /// As far as role, kind and the first letters tell two apart, which is nearly always, and the place itself in the last four
    /// bytes: one number, because numbers are what is sorted fastest. Whom the file only refers to comes last.
    fn rank(&self, at: usize) -> u128 {
        let (kind, text) = match self.identity(at) {
            Identity::Id(id) => (0, id.id.as_str()),
            Identity::Likeness(text) => (1, text),
            Identity::InFamily(..) => (2, ""),
        };
        let is_referred = u8::from(self.referred.contains_key(&at));
        let mut rank = [0; 16];
        rank[0] = is_referred << 7 | (self.people[at].value.role as u8) << 2 | kind;
        let beginning = &text.as_bytes()[..text.len().min(11)];
        rank[1..=beginning.len()].copy_from_slice(beginning);
        // A file has far fewer people than 2^32.
        u128::from_be_bytes(rank) | u128::from(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// By role and identity; a contact without id by the pupil's, and not by where the pupil happens to stand.
    fn compare(&self, one: usize, other: usize) -> Ordering {
        match (self.identity(one), self.identity(other)) {
            (Identity::InFamily(pupil, key), Identity::InFamily(another, other)) => {
                self.compare(pupil, another).then_with(|| key.cmp(other))
            }
            (key, another) => {
                (self.people[one].value.role, key).cmp(&(self.people[other].value.role, another))
            }
        }
    }

    /// Brings people and ties into an order that is not the file's, without those who were joined with others: rows that were sorted
    /// in another way plan the same.
    fn arrange(&mut self, joined: &BTreeMap<usize, usize>) {
        let kept = (0..self.people.len()).filter(|at| !joined.contains_key(at));
        let mut ranks = Vec::with_capacity(self.people.len());
        ranks.extend(kept.map(|at| self.rank(at)));
        ranks.sort_unstable();
        let mut order: Vec<_> = ranks.iter().map(|rank| (*rank & u128::from(u32::MAX)) as usize).collect();
        let mut from = 0;
        for alike in ranks.chunk_by(|one, other| one >> 32 == other >> 32) {
            let to = from + alike.len();
            if alike.len() > 1 {
                order[from..to].sort_unstable_by(|one, other| self.compare(*one, *other));
            }
            from = to;
        }
        drop(ranks);
        let mut places = vec![0; self.people.len()];
        for (place, at) in order.iter().enumerate() {
            places[*at] = place;
        }
        let moved = |key: Key| match key {
            Key::InFamily(pupil, text) => Key::InFamily(places[pupil], text),
            key => key,
        };
        let keys = mem::take(&mut self.keys).into_iter().map(moved);
        let mut people: Vec<_> = mem::take(&mut self.people).into_iter().zip(keys).map(Some).collect();
        let mut referred = mem::take(&mut self.referred);
        self.people.reserve_exact(order.len());
        self.keys.reserve_exact(order.len());
        for (at, (entry, key)) in order.into_iter().filter_map(|at| Some((at, people[at].take()?))) {
            if let Some((finding, id)) = referred.remove(&at).zip(entry.value.source_ids.first()) {
                self.absent.push(Referred { role: entry.value.role, id: id.clone(), finding });
            } else {
                self.people.push(entry);
                self.keys.push(key);
            }
        }
        self.links.arrange(&places);
        let no_emergency = mem::take(&mut self.no_emergency).into_iter();
        self.no_emergency = no_emergency.map(|(pupil, contact)| (places[pupil], places[contact])).collect();
        let aliases = mem::take(&mut self.aliases).into_iter();
        self.aliases =
            aliases.map(|(at, keys)| (places[at], keys.into_iter().map(moved).collect())).collect();
    }

    /// Systems that keep a contact per pupil, without ids, name one parent once per child. They are joined where the whole name
    /// is one when folded and an e-mail address or number is (case 11), unless title or relationship say that they are two, as of
    /// father and son (case 12). The office parts them by hand. Tells who was joined with whom.
    fn join_duplicates(&mut self) -> BTreeMap<usize, usize> {
        let mut unnumbered: Vec<usize> = (0..self.people.len())
            .filter(|at| {
                let name = &self.people[*at].value.name;
                matches!(self.keys[*at], Key::InFamily(..))
                    && !name.given().is_empty()
                    && !name.family().is_empty()
            })
            .collect();
        unnumbered.sort_unstable_by(|one, other| self.compare(*one, *other));
        let mut holders: HashMap<(String, &str), usize> = HashMap::new();
        let mut joined: BTreeMap<usize, usize> = BTreeMap::new();
        for at in unnumbered {
            let person = &self.people[at].value;
            let name = full_fold(&person.name);
            for point in contact_points_of(person) {
                let first = *holders.entry((name.clone(), point)).or_insert(at);
                let first = joined.get(&first).copied().unwrap_or(first);
                if first != at && !joined.contains_key(&at) && self.may_be_one(first, at) {
                    joined.insert(at, first);
                }
            }
        }
        // In the order in which they were found, which is the order of the kept one's contact points.
        let mut pairs: Vec<_> = joined.iter().map(|(from, to)| (*from, *to)).collect();
        pairs.sort_unstable_by(|one, other| self.compare(one.0, other.0));
        for (from, to) in pairs {
            let other = Arc::clone(&self.people[from].value);
            Arc::make_mut(&mut self.people[to].value).add_contact_points(&other);
            let key = mem::replace(&mut self.keys[from], Key::Id);
            if let Key::InFamily(pupil, _) = key {
                self.links.join(pupil, from, to);
                if self.no_emergency.remove(&(pupil, from)) {
                    self.no_emergency.insert((pupil, to));
                }
            }
            self.aliases.entry(to).or_default().push(key);
        }
        joined
    }

    /// Whether title and relationship let two contacts without ids, of different pupils, be one person.
    fn may_be_one(&self, one: usize, other: usize) -> bool {
        let tie = |at: usize| match self.keys[at] {
            Key::InFamily(pupil, _) => self.links.get((pupil, at)),
            Key::Id | Key::Likeness(_) => None,
        };
        !likeness::titles_contradict(&self.people[one].value, &self.people[other].value)
            && !tie(one).zip(tie(other)).is_some_and(|(one, other)| {
                likeness::contradict(one.value.relationship, other.value.relationship)
            })
    }

    /// Pupils with very many contacts, and pupils for whom the file has contacts, and none who can be
    /// reached (case 39). A file without contacts says nothing.
    fn without_contact(&mut self) {
        /// More contacts than this on one pupil are worth a look: rostering services hold a file from six guardians on.
        const MANY: usize = 6;
        if self.links.is_empty() || self.scope == Scope::Partial {
            return;
        }
        // Of each pupil, how many contacts and how many of them can be reached.
        let mut contacts = vec![(0, 0); self.places()];
        for ((pupil, contact), _) in self.links.iter() {
            let (all, reached) = &mut contacts[pupil];
            *all += 1;
            let is_reached = |entry: &Entry<Arc<Person>>| contact_points_of(&entry.value).next().is_some();
            *reached += usize::from(self.people.get(contact).is_some_and(is_reached));
        }
        let mut found = Vec::new();
        for (at, entry) in self.of(Role::Pupil) {
            let (all, reached) = contacts[at];
            if reached == 0 {
                found.push(Finding::at(entry.row, "", Code::NoContact));
            }
            if all > MANY {
                found.push(Finding::at(entry.row, "", Code::ManyContacts));
            }
        }
        for finding in found {
            self.note(finding);
        }
    }

    /// An address or number that stands on so many contacts that it is nobody's own: the office's, say (case 44).
    fn shared_contact_points(&mut self) {
        /// Two parents, four grandparents and a childminder may share one; more is a filler.
        const TOO_MANY: u32 = 8;
        let mut holders: HashMap<&str, (u32, u32), RandomState> = HashMap::default();
        holders.reserve(self.people.len());
        for (_, entry) in self.of(Role::Contact) {
            for point in contact_points_of(&entry.value) {
                let (count, row) = holders.entry(point).or_insert((0, entry.row));
                *count += 1;
                *row = (*row).min(entry.row);
            }
        }
        let mut rows: Vec<_> =
            holders.values().filter(|(count, _)| *count > TOO_MANY).map(|(_, row)| *row).collect();
        rows.sort_unstable();
        self.findings.extend(rows.into_iter().map(|row| Finding::at(row, "", Code::SharedContactPoint)));
    }
}
