//! Who a message reaches, and who not and why. Pure: the same directory and draft give the same answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use super::selection::{Audience, meant};
use super::{Purpose, chosen::chosen};
use crate::{
    channel::Channel,
    id::PersonId,
    person::{Person, Role, guardianship::Link, store::Directory},
    privacy::consent::Register,
};

/// Why somebody is not written to. One reason each, the weightiest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Kept away from the pupil.
    Restricted,
    /// Not responsible for the pupil, and no emergency.
    NoResponsibility,
    /// Objected.
    OptedOut,
    /// Marketing without consent.
    NoConsent,
    /// The contact point is on the school's suppression list.
    Suppressed,
    /// The channel or country is not enabled.
    NotEnabled,
    /// Trial mode.
    NotOnGuestList,
    /// The school's limit is used up.
    OverLimit,
    /// Only a landline.
    LandlineOnly,
    /// What the source holds cannot be used.
    Invalid,
    /// Nothing to write to.
    NoContact,
    /// Reached through a contact point shared with another.
    Duplicate,
}

impl Reason {
    /// The word used in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::NoResponsibility => "no_responsibility",
            Self::OptedOut => "opted_out",
            Self::NoConsent => "no_consent",
            Self::Suppressed => "suppressed",
            Self::NotEnabled => "not_enabled",
            Self::NotOnGuestList => "not_on_guest_list",
            Self::OverLimit => "over_limit",
            Self::LandlineOnly => "landline_only",
            Self::Invalid => "invalid",
            Self::NoContact => "no_contact",
            Self::Duplicate => "duplicate",
        }
    }
}

/// One contact point that is written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Who.
    pub person: PersonId,
    /// About which pupils; none for staff and governors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pupils: Vec<PersonId>,
    /// Who else reads the same contact point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<PersonId>,
    /// Who else has the same contact point without being written to: they read along all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<PersonId>,
}

impl Recipient {
    /// Everybody who reads what goes to this contact point.
    pub fn readers(&self) -> impl Iterator<Item = PersonId> {
        std::iter::once(self.person).chain(self.also.iter().copied()).chain(self.others.iter().copied())
    }
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// By channel, in order of person.
    pub recipients: BTreeMap<Channel, Vec<Recipient>>,
    /// Everybody else who was meant.
    pub excluded: BTreeMap<PersonId, Reason>,
}

impl Resolution {
    /// How many contact points are written to.
    pub fn count(&self) -> usize {
        self.recipients.values().map(Vec::len).sum()
    }

    /// Excluded people by reason, in the order of [`Reason`].
    pub fn reasons(&self) -> BTreeMap<Reason, usize> {
        self.excluded.values().fold(BTreeMap::new(), |mut counts, reason| {
            *counts.entry(*reason).or_default() += 1;
            counts
        })
    }
}

/// Whether a message of `purpose` about a pupil goes to somebody tied by `link`, as far as their rights go.
///
/// # Errors
/// The reason why not.
pub fn permits(link: &Link, purpose: Purpose) -> Result<(), Reason> {
    if link.restricted {
        return Err(Reason::Restricted);
    }
    match purpose {
        Purpose::Emergency => Ok(()),
        Purpose::Service | Purpose::Attendance | Purpose::Consent | Purpose::Marketing => {
            if link.is_written_to() { Ok(()) } else { Err(Reason::NoResponsibility) }
        }
    }
}

/// The contact point of a person on a channel, in the form in which two are compared.
pub fn contact_point(person: &Person, channel: Channel) -> Option<&str> {
    match channel {
        Channel::Email => person.email().map(crate::person::email::EmailAddress::expose),
        Channel::Sms => person.mobile().map(crate::person::phone::PhoneNumber::expose),
        // Nobody shares an inbox, so there is nothing to compare.
        Channel::App => None,
    }
}

/// The channels of carriers by which somebody can be written to at all.
pub fn ways(person: &Person) -> Vec<Channel> {
    Channel::ALL.into_iter().filter(|channel| contact_point(person, *channel).is_some()).collect()
}

/// Resolves an audience on a day of the school's.
pub fn resolve(
    directory: &Directory,
    register: &Register,
    audience: &Audience,
    purpose: Purpose,
    channels: &[Channel],
    today: Date,
) -> Resolution {
    let mut resolver =
        Resolver { directory, register, purpose, today, wanted: BTreeMap::new(), refused: BTreeMap::new() };
    let except: BTreeSet<_> = audience.except.iter().copied().collect();
    let meant = meant(directory, audience, today);
    for pupil in meant.pupils {
        resolver.contacts_of(pupil, &except);
    }
    for contact in meant.contacts {
        resolver.contact(contact, &except);
    }
    for person in meant.themselves {
        resolver.want(person, None);
    }
    resolver.finish(channels)
}

struct Resolver<'a> {
    directory: &'a Directory,
    register: &'a Register,
    purpose: Purpose,
    today: Date,
    /// Who is to be written to, and about which pupils.
    wanted: BTreeMap<PersonId, BTreeSet<PersonId>>,
    /// Who may not be, as far as is known so far.
    refused: BTreeMap<PersonId, Reason>,
}

impl Resolver<'_> {
    fn want(&mut self, person: PersonId, pupil: Option<PersonId>) {
        self.wanted.entry(person).or_default().extend(pupil);
    }

    fn refuse(&mut self, person: PersonId, reason: Reason) {
        let kept = self.refused.entry(person).or_insert(reason);
        *kept = (*kept).min(reason);
    }

    fn link(&mut self, pupil: PersonId, contact: PersonId, link: &Link) {
        match permits(link, self.purpose) {
            Ok(()) if self.purpose == Purpose::Marketing && self.register.objects_at_all(pupil) => {
                self.refuse(contact, Reason::OptedOut);
            }
            Ok(()) => self.want(contact, Some(pupil)),
            Err(reason) => self.refuse(contact, reason),
        }
    }

    fn is_here(&self, person: PersonId) -> bool {
        self.directory.person(person).is_some_and(|person| person.is_here(self.today))
    }

    fn contacts_of(&mut self, pupil: PersonId, except: &BTreeSet<PersonId>) {
        let directory = self.directory;
        let links: Vec<_> = directory
            .links_of(pupil)
            .filter(|(contact, link)| link.holds() && self.is_here(*contact))
            .collect();
        if links.is_empty() {
            // Nobody would hear of this pupil: the gap is shown on the pupil.
            self.refuse(pupil, Reason::NoContact);
        }
        for (contact, link) in links.into_iter().filter(|(contact, _)| !except.contains(contact)) {
            self.link(pupil, contact, link);
        }
    }

    fn contact(&mut self, contact: PersonId, except: &BTreeSet<PersonId>) {
        let directory = self.directory;
        let links: Vec<_> = directory
            .visible_links()
            .filter(|(pupil, of, link)| *of == contact && link.holds() && self.is_here(*pupil))
            .collect();
        if links.is_empty() {
            // Named by the sender, and nothing ties them to a pupil: told rather than passed over.
            self.refuse(contact, Reason::NoResponsibility);
        }
        for (pupil, _, link) in links.into_iter().filter(|(pupil, _, _)| !except.contains(pupil)) {
            self.link(pupil, contact, link);
        }
    }

    /// Where somebody is written to: by the first of the channels that reaches them and that they allow.
    fn way<'p>(
        &self,
        id: PersonId,
        person: &'p Person,
        channels: &[Channel],
        sharing: &HashMap<&str, Vec<PersonId>>,
    ) -> Result<(Channel, &'p str), Reason> {
        let usable =
            || channels.iter().filter_map(|channel| Some((*channel, contact_point(person, *channel)?)));
        let first = usable().next().ok_or_else(|| unreachable(person, channels))?;
        let mut refusal = None;
        for (channel, point) in usable() {
            let readers = sharing.get(point).into_iter().flatten().copied();
            match chosen(self.register, &[id], readers, self.purpose, channel) {
                Ok(()) => return Ok((channel, point)),
                // That somebody objected weighs more than that nobody asked.
                Err(reason) => refusal = Some(refusal.unwrap_or(reason).min(reason)),
            }
        }
        // That a pupil is absent is told by whatever way there is: to choose another one is not to be left in the dark.
        if self.purpose == Purpose::Attendance { Ok(first) } else { Err(refusal.unwrap_or(Reason::OptedOut)) }
    }

    fn finish(self, channels: &[Channel]) -> Resolution {
        let mut resolution = Resolution::default();
        let sharing = sharing(self.directory);
        // Contact point -> channel and place in that channel's list.
        let mut taken: BTreeMap<(Channel, &str), usize> = BTreeMap::new();
        for (person_id, pupils) in &self.wanted {
            let person_id = *person_id;
            let Some(person) = self.directory.person(person_id) else { continue };
            let (channel, point) = match self.way(person_id, person, channels, &sharing) {
                Ok(way) => way,
                Err(reason) => {
                    let pupils = in_app(self.directory, person_id, person, pupils);
                    // Nobody is asked for a consent to marketing in the inbox, and none of it is posted there.
                    let app = channels.contains(&Channel::App) && self.purpose != Purpose::Marketing;
                    if app && !pupils.is_empty() {
                        let alone =
                            Recipient { person: person_id, pupils, also: Vec::new(), others: Vec::new() };
                        resolution.recipients.entry(Channel::App).or_default().push(alone);
                    } else {
                        let only_app = channels == [Channel::App] && may_prove_themselves(person);
                        let reason = if only_app { Reason::NotEnabled } else { reason };
                        resolution.excluded.insert(person_id, reason);
                    }
                    continue;
                }
            };
            let list = resolution.recipients.entry(channel).or_default();
            match taken.get(&(channel, point)) {
                None => {
                    taken.insert((channel, point), list.len());
                    list.push(Recipient {
                        person: person_id,
                        pupils: pupils.iter().copied().collect(),
                        also: Vec::new(),
                        others: Vec::new(),
                    });
                }
                Some(at) => {
                    let first = &mut list[*at];
                    first.also.push(person_id);
                    first.pupils.extend(pupils.iter().copied());
                    first.pupils.sort_unstable();
                    first.pupils.dedup();
                    resolution.excluded.insert(person_id, Reason::Duplicate);
                }
            }
        }
        keep_from_restricted_readers(self.directory, &sharing, &mut resolution);
        let reached: BTreeSet<_> =
            resolution.recipients.values().flatten().map(|recipient| recipient.person).collect();
        for (person, reason) in self.refused {
            if !reached.contains(&person) {
                resolution.excluded.entry(person).or_insert(reason);
            }
        }
        resolution
    }
}

/// Whoever shares a contact point reads along: a pupil whom one of the readers is kept away from is not named there.
fn keep_from_restricted_readers(
    directory: &Directory,
    sharing: &HashMap<&str, Vec<PersonId>>,
    resolution: &mut Resolution,
) {
    let Resolution { recipients, excluded } = resolution;
    for (channel, list) in recipients.iter_mut() {
        list.retain_mut(|recipient| {
            let point = directory.person(recipient.person).and_then(|person| contact_point(person, *channel));
            let sharing = point.and_then(|point| sharing.get(point)).into_iter().flatten().copied();
            recipient.others =
                sharing.filter(|id| *id != recipient.person && !recipient.also.contains(id)).collect();
            let readers: Vec<_> = recipient.readers().collect();
            let about_somebody = !recipient.pupils.is_empty();
            recipient
                .pupils
                .retain(|pupil| !readers.iter().any(|reader| is_kept_away(directory, *pupil, *reader)));
            let is_contact =
                directory.person(recipient.person).is_some_and(|person| person.role == Role::Contact);
            let nothing_left = about_somebody && recipient.pupils.is_empty() && is_contact;
            if nothing_left {
                let written_to = std::iter::once(recipient.person).chain(recipient.also.iter().copied());
                excluded.extend(written_to.map(|person| (person, Reason::Restricted)));
            }
            !nothing_left
        });
    }
    recipients.retain(|_, list| !list.is_empty());
}

/// Contact point -> everybody here who has it, whether or not it is where they are written to.
fn sharing(directory: &Directory) -> HashMap<&str, Vec<PersonId>> {
    let mut sharing: HashMap<_, Vec<_>> = HashMap::new();
    for (id, person) in directory.visible_people().filter(|(_, person)| person.missing_since.is_none()) {
        let emails = person.emails.iter().map(crate::person::email::EmailAddress::expose);
        let phones = person.phones.iter().map(crate::person::phone::PhoneNumber::expose);
        for point in emails.chain(phones) {
            sharing.entry(point).or_default().push(id);
        }
    }
    sharing.retain(|_, people| people.len() > 1);
    sharing
}

/// Whether a restriction keeps `reader` away from a pupil.
fn is_kept_away(directory: &Directory, pupil: PersonId, reader: PersonId) -> bool {
    directory.link(pupil, reader).is_some_and(|link| link.holds() && link.restricted)
}

/// About which of the pupils somebody may read in the app.
///
/// Whether they have an account is not known here: accounts are a domain of their own. So the app never takes the place of a
/// channel that is certain, wherever it stands among a message's channels, and is only for who could sign in.
fn in_app(
    directory: &Directory,
    contact: PersonId,
    person: &Person,
    pupils: &BTreeSet<PersonId>,
) -> Vec<PersonId> {
    let may = |pupil: &PersonId| directory.link(*pupil, contact).is_some_and(Link::may_hold_account);
    pupils.iter().copied().filter(|pupil| may_prove_themselves(person) && may(pupil)).collect()
}

/// Whether a one-time code could be sent to somebody.
fn may_prove_themselves(person: &Person) -> bool {
    person.email().is_some() || person.mobile().is_some()
}

fn unreachable(person: &Person, channels: &[Channel]) -> Reason {
    use crate::person::phone::PhoneKind;
    let is_suppressed = |channel: &Channel| match channel {
        Channel::Email => !person.suppressed.emails.is_empty(),
        Channel::Sms => !person.suppressed.phones.is_empty(),
        Channel::App => false,
    };
    if channels.iter().any(is_suppressed) {
        Reason::Suppressed
    } else if person.phones.iter().any(|phone| phone.kind() == PhoneKind::Landline) {
        Reason::LandlineOnly
    } else if person.unusable_contact_point {
        Reason::Invalid
    } else if person.phones.iter().any(|phone| phone.kind() == PhoneKind::International) {
        Reason::NotEnabled
    } else {
        Reason::NoContact
    }
}

/// What of a roster still holds after the directory has changed: the recipient with the pupils that may still be written
/// about, or nothing.
pub fn still_permitted(
    directory: &Directory,
    recipient: &Recipient,
    purpose: Purpose,
    today: Date,
) -> Option<Recipient> {
    let person = directory.person(recipient.person).filter(|person| person.is_here(today))?;
    if person.role != Role::Contact {
        return Some(recipient.clone());
    }
    let written_to = || std::iter::once(recipient.person).chain(recipient.also.iter().copied());
    let may = |reader: PersonId, pupil: PersonId| {
        let link = directory.link(pupil, reader);
        link.filter(|link| link.holds()).map(|link| permits(link, purpose))
    };
    let here = |pupil: PersonId| directory.person(pupil).is_some_and(|pupil| pupil.is_here(today));
    let pupils: Vec<_> = recipient
        .pupils
        .iter()
        .copied()
        .filter(|pupil| {
            here(*pupil)
                && written_to().any(|reader| may(reader, *pupil) == Some(Ok(())))
                && !recipient.readers().any(|reader| is_kept_away(directory, *pupil, reader))
        })
        .collect();
    (!pupils.is_empty()).then(|| Recipient { pupils, ..recipient.clone() })
}

#[cfg(test)]
#[path = "audience_tests.rs"]
mod tests;
