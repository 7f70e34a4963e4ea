//! A message as the inbox lists it: how it begins, and about whom it is.
//!
//! Fan-out writes posts once it has resolved the audience: one for a whole school, otherwise one for every [`PEOPLE`] people,
//! never one for each recipient. Who may see a post is decided when it is read, from the links as they are at that moment. Which
//! pupils it is about stays as it was when it was sent: a child who moves up a year keeps their letters, and whoever is in that
//! year then does not get them.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize, de};

use super::{
    Purpose,
    audience::{Audience, meant, permits},
    store::Content,
};
use crate::{
    id::{MessageId, PersonId, SchoolId},
    person::{Person, Role, guardianship::Link, store::Directory},
    privacy::retention::DataClass,
    seal::{DataKey, Place, SealError, Sealed, nonce},
    store::{
        key::{self, Key, TableName},
        table::Record,
    },
    time,
};

/// How many people one post names at most, whatever for.
pub const PEOPLE: usize = 32;
/// Bytes of a [`title`], as JSON writes it: the longest subject is 200 characters, and few are longer than this.
const TITLE: usize = 160;

/// The record of a post.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Post {
    /// The tenant.
    pub school_id: SchoolId,
    /// The message.
    pub message_id: MessageId,
    /// Which post of it.
    pub number: u32,
    /// [`About`], sealed.
    pub about: Sealed,
}

impl Record for Post {
    const KIND: &'static str = "post";
    const TABLE: TableName = TableName::Messaging;
    const CLASS: DataClass = DataClass::Message;
    fn key(&self) -> Key {
        key::post(self.school_id, self.message_id, self.number)
    }
}

impl Post {
    /// Seals what a post says.
    pub fn new(
        data_key: &DataKey,
        school_id: SchoolId,
        message_id: MessageId,
        number: u32,
        about: &About,
    ) -> Self {
        let at = key::post(school_id, message_id, number);
        Self { school_id, message_id, number, about: data_key.seal(Self::place(&at), about, nonce()) }
    }

    /// What it says.
    pub fn about(&self, data_key: &DataKey) -> Result<About, SealError> {
        data_key.open(Self::place(&self.key()), &self.about)
    }

    const fn place(at: &Key) -> Place<'_> {
        Place { table: TableName::Messaging, key: at, attribute: "about" }
    }
}

/// What a post says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// What the message is for.
    pub purpose: Purpose,
    /// How it begins, with placeholders: see [`title`].
    pub title: String,
    /// It is about every pupil of the school.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    everybody: bool,
    /// The pupils it is about.
    #[serde(default, skip_serializing_if = "People::is_empty")]
    pupils: People,
    /// The contacts it is for alone, about all their pupils.
    #[serde(default, skip_serializing_if = "People::is_empty")]
    contacts: People,
    /// The people whom the sender took out, as far as they have to do with the others.
    #[serde(default, skip_serializing_if = "People::is_empty")]
    except: People,
}

/// A pupil as one contact stands to them.
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    /// Who.
    pub id: PersonId,
    /// The pupil.
    pub person: &'a Person,
    /// What ties the contact to them.
    pub link: &'a Link,
}

impl About {
    /// Whether a contact may see the message, sent at this instant on this day of the school's, as one about this child.
    pub fn is_for(&self, sent: (Timestamp, Date), contact: PersonId, child: Child<'_>) -> bool {
        let (at, day) = sent;
        // Whoever came after a letter to all does not get it.
        let was_there = || child.id.made_at() <= at && child.person.has_joined(day);
        child.link.may_hold_account()
            && permits(child.link, self.purpose).is_ok()
            && !self.except.has(child.id)
            && !self.except.has(contact)
            && (self.pupils.has(child.id) || self.contacts.has(contact) || self.everybody && was_there())
    }
}

/// When a message was sent: the instant, and the day at the school.
pub fn sent(message: MessageId, zone: &str) -> (Timestamp, Date) {
    (message.made_at(), time::date_in(zone, message.made_at()))
}

/// The beginning of a message: of its subject or, if it has none, of its text. Placeholders are whole or not there.
pub fn title(content: &Content) -> String {
    let subject = content.subject.as_deref().unwrap_or_default();
    let text = if subject.trim().is_empty() { &content.body } else { subject };
    let mut title = String::new();
    let mut left = TITLE - '…'.len_utf8();
    let letters = text.split_whitespace().flat_map(|word| std::iter::once(' ').chain(word.chars())).skip(1);
    for letter in letters.filter(|letter| !letter.is_control()) {
        let bytes = letter.len_utf8() + usize::from(matches!(letter, '"' | '\\'));
        let Some(rest) = left.checked_sub(bytes) else {
            if let Some(open) = title.rfind("((")
                && !title[open..].contains("))")
            {
                title.truncate(open);
            }
            title.push('…');
            break;
        };
        left = rest;
        title.push(letter);
    }
    title
}

/// The posts of a message on the day it is sent. None if no parent is meant, and none of marketing.
pub fn posts(directory: &Directory, content: &Content, purpose: Purpose, today: Date) -> Vec<About> {
    let audience = &content.audience;
    if purpose == Purpose::Marketing {
        // It goes where somebody consented to have it, and nowhere else.
        return Vec::new();
    }
    let blank = About {
        purpose,
        title: title(content),
        everybody: false,
        pupils: People::default(),
        contacts: People::default(),
        except: People::default(),
    };
    let all = audience.is_everybody() && audience.roles().contains(&Role::Contact);
    if all && audience.except.len() <= PEOPLE {
        return vec![About { everybody: true, except: audience.except.iter().copied().collect(), ..blank }];
    }
    let mut posts: Vec<About> = Vec::new();
    for unit in units(directory, audience, today) {
        // Nobody has that many contacts, or children; if somebody had, the bound on a page of the inbox would go first.
        if unit.len() > PEOPLE {
            continue;
        }
        let post = match posts.last_mut() {
            Some(post) if post.len() + unit.len() <= PEOPLE => post,
            _ => {
                posts.push(blank.clone());
                posts.last_mut().expect("one was just added")
            }
        };
        match unit.whom {
            Whom::Pupil(pupil) => post.pupils.add(pupil),
            Whom::Contact(contact) => post.contacts.add(contact),
        }
        unit.except.into_iter().for_each(|person| post.except.add(person));
    }
    posts
}

/// Somebody of an audience, who has to stand in one post with those of their family that the sender took out.
struct Unit {
    whom: Whom,
    except: Vec<PersonId>,
}

enum Whom {
    Pupil(PersonId),
    Contact(PersonId),
}

impl Unit {
    fn len(&self) -> usize {
        1 + self.except.len()
    }
}

fn units(directory: &Directory, audience: &Audience, today: Date) -> Vec<Unit> {
    let except: BTreeSet<_> = audience.except.iter().copied().collect();
    let meant = meant(directory, audience, today);
    let families = if meant.contacts.is_empty() { None } else { Some(directory.families()) };
    let pupils = meant.pupils.into_iter().map(|pupil| Unit {
        whom: Whom::Pupil(pupil),
        except: directory
            .links_of(pupil)
            .map(|(contact, _)| contact)
            .filter(|id| except.contains(id))
            .collect(),
    });
    let contacts = meant.contacts.into_iter().map(|contact| {
        let of = families.as_ref().and_then(|families| families.get(&contact)).into_iter().flatten();
        Unit { whom: Whom::Contact(contact), except: of.copied().filter(|id| except.contains(id)).collect() }
    });
    pupils.chain(contacts).collect()
}

impl About {
    fn len(&self) -> usize {
        self.pupils.0.len() + self.contacts.0.len() + self.except.0.len()
    }
}

/// Some people, by the tails of their ids: ten bytes each, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct People(BTreeSet<[u8; 10]>);

impl People {
    fn add(&mut self, person: PersonId) {
        self.0.insert(person.tail());
    }

    fn has(&self, person: PersonId) -> bool {
        self.0.contains(&person.tail())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<PersonId> for People {
    fn from_iter<T: IntoIterator<Item = PersonId>>(people: T) -> Self {
        Self(people.into_iter().map(|person| person.tail()).collect())
    }
}

impl Serialize for People {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flatten().copied().collect();
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for People {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = URL_SAFE_NO_PAD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)?;
        let (tails, []) = bytes.as_chunks::<10>() else {
            return Err(de::Error::custom("people are ten bytes each"));
        };
        Ok(Self(tails.iter().copied().collect()))
    }
}

#[cfg(test)]
#[path = "post_tests.rs"]
mod tests;
