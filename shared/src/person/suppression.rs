//! The suppression list: contact points to which a school sends nothing any more, whoever has them. A number that has gone to a
//! stranger, an address that is not the parent's: no message, no code, no way in.
//!
//! It is part of the school's record, because everybody who reads people reads that too: a contact point is out of use with the
//! next read, and no caller can forget to ask. [`Directory::open`](super::store::Directory::open) marks the people, and
//! [`Person::mobile`] and [`Person::email`] pass over what is marked. Keyed hashes: what nobody has any more, nobody can read here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Person, email::EmailAddress, phone::PhoneNumber};
use crate::seal::DataKey;

/// The most entries. Each is some 50 bytes of a record that is read with everything: a hundred are 5 KB, one read unit more.
pub const MOST: usize = 100;

/// A school's suppression list: keyed hash -> since when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SuppressionList(BTreeMap<String, Date>);

/// Which of somebody's contact points are on the list.
#[derive(Clone, Debug, Default)]
pub struct Suppressed {
    /// Addresses.
    pub emails: Vec<EmailAddress>,
    /// Numbers.
    pub phones: Vec<PhoneNumber>,
}

/// The mark is the school's and no part of the person: two records that differ in it alone are the same, and no import writes
/// one anew.
impl PartialEq for Suppressed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Suppressed {}

impl Suppressed {
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.emails.is_empty() && self.phones.is_empty()
    }
}

impl SuppressionList {
    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Since when a contact point is on the list.
    pub fn since(&self, key: &DataKey, point: &str) -> Option<Date> {
        self.0.get(&hash(key, point)).copied()
    }

    /// Whether it has this [`hash`].
    pub fn has(&self, hash: &str) -> bool {
        self.0.contains_key(hash)
    }

    /// The list without what is older than a day and nobody has any more. `held` are the [`hash`]es of what somebody has.
    #[must_use]
    pub fn tidied(&self, held: &BTreeSet<String>, day: Date) -> Self {
        let is_kept = |(hash, since): &(&String, &Date)| held.contains(*hash) || **since >= day;
        Self(self.0.iter().filter(is_kept).map(|(hash, since)| (hash.clone(), *since)).collect())
    }

    /// The list with a contact point; none where it is full.
    #[must_use]
    pub fn with(&self, key: &DataKey, point: &str, today: Date) -> Option<Self> {
        let mut list = self.clone();
        list.0.entry(hash(key, point)).or_insert(today);
        (list.0.len() <= MOST).then_some(list)
    }

    /// The list without a contact point.
    #[must_use]
    pub fn without(&self, key: &DataKey, point: &str) -> Self {
        let mut list = self.clone();
        list.0.remove(&hash(key, point));
        list
    }

    /// Marks what of somebody's contact points is on the list.
    pub fn mark(&self, key: &DataKey, person: &mut Person) {
        if self.is_empty() {
            person.suppressed = Suppressed::default();
            return;
        }
        let is_on = |point: &str| self.since(key, point).is_some();
        let emails = person.emails.iter().filter(|email| is_on(email.expose())).cloned().collect();
        let phones = person.phones.iter().filter(|phone| is_on(phone.expose())).cloned().collect();
        person.suppressed = Suppressed { emails, phones };
    }
}

/// What the list holds of a contact point.
pub fn hash(key: &DataKey, point: &str) -> String {
    key.blind("suppressed", point)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::person::{Role, name::PersonName};

    #[test]
    fn what_is_on_the_list_is_passed_over_and_changes_nobody() {
        let key = DataKey::new(&[1; 32]);
        let mut person = Person::named(Role::Contact, PersonName::new("Mary", "Grey"));
        person.phones = ["07700 900001", "07700 900002"]
            .map(|raw| PhoneNumber::parse(raw).unwrap().number)
            .into_iter()
            .collect();
        person.emails = ["mary@example.com".parse().unwrap()].into();
        let before = person.clone();
        let (today, later) = (date(2026, 11, 2), date(2026, 11, 3));
        let list = SuppressionList::default();
        list.mark(&key, &mut person);
        assert!(person.suppressed.is_empty());
        let list = list.with(&key, "+447700900001", today).unwrap();
        list.mark(&key, &mut person);
        assert_eq!(person.mobile().unwrap().expose(), "+447700900002", "the next of her numbers");
        let list = list.with(&key, "mary@example.com", later).unwrap();
        let again = list.with(&key, "mary@example.com", date(2027, 1, 1)).unwrap();
        assert_eq!(again.since(&key, "mary@example.com"), Some(later), "the first day stands");
        list.mark(&key, &mut person);
        assert_eq!((person.email(), person.suppressed.emails.len()), (None, 1));
        assert!(person == before && !serde_json::to_string(&person).unwrap().contains("suppressed"));
        let list = list.without(&key, "mary@example.com").without(&key, "+447700900001");
        list.mark(&key, &mut person);
        assert!(list.is_empty() && person.email().is_some() && person.suppressed.is_empty());
        // Another school's list is another's.
        let theirs = list.with(&DataKey::new(&[2; 32]), "mary@example.com", today).unwrap();
        assert_eq!(theirs.since(&key, "mary@example.com"), None);
    }

    #[test]
    fn the_list_ends_somewhere() {
        let key = DataKey::new(&[1; 32]);
        let today = date(2026, 11, 2);
        let full = (0..MOST)
            .fold(SuppressionList::default(), |list, n| list.with(&key, &n.to_string(), today).unwrap());
        assert_eq!(full.with(&key, "one more", today), None);
        assert_eq!(full.with(&key, "0", today).as_ref(), Some(&full));
        // What nobody has any more goes in time, and makes room.
        let held = BTreeSet::from([hash(&key, "0")]);
        assert_eq!(full.tidied(&held, today), full);
        let tidied = full.tidied(&held, date(2028, 11, 3));
        assert!(tidied.has(&hash(&key, "0")) && tidied.0.len() == 1);
    }
}
