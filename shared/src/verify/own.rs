//! Whose a contact point is: a code proves somebody only where nobody else of the school reads it. Pure.

use std::collections::{BTreeSet, HashMap};

use super::likely;
use crate::{
    channel::Channel,
    id::PersonId,
    person::{
        Person, Role, email::EmailAddress, guardianship::Relationship, phone::PhoneNumber, store::Directory,
    },
    upload::likeness::{contradict_to_one, titles_contradict},
};

/// Who reads what goes to a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reader {
    /// The contact alone.
    Own,
    /// Somebody else of the school too.
    Shared,
    /// The school: its own address, or a colleague's.
    School,
}

/// The channel, of those `among` and in their order, whose registered contact point is this contact's alone in the whole school.
pub fn own_channel(
    directory: &Directory,
    contact: PersonId,
    own: &[EmailAddress],
    among: &[Channel],
) -> Option<Channel> {
    among.iter().copied().find(|channel| is_own(directory, contact, *channel, own))
}

/// Whether the registered contact point to which messages on a channel go is this contact's alone in the whole school. `own` are
/// the school's own addresses.
pub fn is_own(directory: &Directory, contact: PersonId, channel: Channel, own: &[EmailAddress]) -> bool {
    reader(directory, contact, channel, own) == Some(Reader::Own)
}

/// Where a message on a channel goes.
pub(super) fn contact_point(person: &Person, channel: Channel) -> Option<&str> {
    match channel {
        Channel::Email => person.email().map(EmailAddress::expose),
        Channel::Sms => person.mobile().map(PhoneNumber::expose),
        Channel::App => None,
    }
}

/// Who reads what goes to a contact on a channel; nobody, where nothing is registered or they have died.
///
/// Everybody reads it who has it in the directory, in whatever place and however long ago the school's systems last named them. The
/// dead read nothing. A record of staff or of a contact with the same name may be the same human ([`are_one`]).
pub(super) fn reader(
    directory: &Directory,
    contact: PersonId,
    channel: Channel,
    own: &[EmailAddress],
) -> Option<Reader> {
    let person = directory.person(contact).filter(|person| !person.deceased)?;
    let point = contact_point(person, channel)?;
    let has = |other: &Person| match channel {
        Channel::Email => other.emails.iter().any(|email| email.expose() == point),
        Channel::Sms => other.phones.iter().any(|phone| phone.expose() == point),
        Channel::App => false,
    };
    if channel == Channel::Email && own.iter().any(|address| address.expose() == point) {
        return Some(Reader::School);
    }
    let mut reader = Reader::Own;
    let mut records = BTreeSet::from([contact]);
    let others =
        directory.visible_people().filter(|(id, other)| *id != contact && !other.deceased && has(other));
    for (id, other) in others {
        let is_namesake = likely::is_same_name(person, other) && !titles_contradict(person, other);
        match other.role {
            Role::Staff | Role::Governor if is_namesake => {}
            Role::Staff => reader = Reader::School,
            Role::Contact if is_namesake => drop(records.insert(id)),
            Role::Contact | Role::Governor | Role::Pupil => reader = reader.max(Reader::Shared),
        }
    }
    let is_one = records.len() == 1 || are_one(directory, &records);
    Some(if is_one { reader } else { reader.max(Reader::Shared) })
}

/// Whether contacts of one name and contact point are one human, whom a system that keeps its contacts by pupil has put down once for
/// each child. They are not (father and son have one name, and may have one telephone) where two of them are contacts of one pupil,
/// where what they are to the pupils is not one person's, or where one of them is kept away from somebody.
fn are_one(directory: &Directory, records: &BTreeSet<PersonId>) -> bool {
    let mut of: HashMap<PersonId, PersonId> = HashMap::new();
    let mut relationships: Vec<Relationship> = Vec::new();
    for (pupil, contact, link) in
        directory.visible_links().filter(|(_, contact, _)| records.contains(contact))
    {
        if link.restricted || of.insert(pupil, contact).is_some() {
            return false;
        }
        if !relationships.contains(&link.relationship) {
            relationships.push(link.relationship);
        }
    }
    let mut pairs =
        relationships.iter().flat_map(|one| relationships.iter().map(move |other| (*one, *other)));
    !pairs.any(|(one, other)| contradict_to_one(one, other))
}
