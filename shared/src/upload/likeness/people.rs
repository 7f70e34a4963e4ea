//! What is proposed of pupils and their contacts: [`super::propose`] by the rules of a school.
//!
//! None of it grants anything. A pupil or a contact that is taken for another would show a child to strangers, so whatever a
//! family gives as well as one person does (twins, father and son, parents with one number) counts as nothing here.

use std::collections::HashMap;

use super::{
    Agreement::{Differs, Near, Same, Unknown},
    Evidence, Proposal, Traits, Verdict, between, key, points, within,
};
use crate::{
    person::{
        Person,
        email::EmailAddress,
        guardianship::Relationship,
        name::fold,
        phone::{PhoneKind, PhoneNumber},
    },
    upload::intake::UPN,
};

/// Who of a file's pupils with unknown ids is probably who of the directory's that no id in the file claims: the same names
/// (the family name but for one slip) and the same date of birth (but for one slip, or day and month in each other's place, where the
/// names are the same). Whoever has the very names and day is meant before those who are a slip away.
///
/// Another UPN or given name is another child, and so is another date of birth: twins, or two of one name.
pub fn pupils(unknown: &[&Person], unclaimed: &[&Person]) -> Vec<Proposal> {
    let [unknown, unclaimed] = [unknown, unclaimed].map(|people| all(people.iter().copied()));
    between(&unknown, &unclaimed, |_, _, e| match (e.family, e.born) {
        _ if e.id == Differs || e.given != Same || e.born == Differs => Verdict::Never,
        // One slip in the family name weighs as much as none.
        (Same, Same) if !e.names_crossed => Verdict::Surely,
        (Same, Same | Near) | (Near, Same) => Verdict::Probably,
        (Same | Near, _) => Verdict::Perhaps,
        (Differs | Unknown, _) => Verdict::Unlikely,
    })
}

/// Who of a file's staff or governors is probably who of the known ones, whom no id in the file claims: the same names, nothing that
/// speaks against it, and nobody else of that name but one who is clearly likelier.
pub fn colleagues(unknown: &[&Person], unclaimed: &[&Person]) -> Vec<Proposal> {
    let [left, right] = [unknown, unclaimed].map(|people| all(people.iter().copied()));
    between(&left, &right, |one, other, e| {
        let same_name = e.given == Same && e.family == Same && !e.names_crossed;
        match () {
            () if !may_be_one(unknown[one], unclaimed[other], e) => Verdict::Never,
            () if same_name => Verdict::Probably,
            () => Verdict::Unlikely,
        }
    })
}

/// Who of a file's contacts of one pupil is probably who of the pupil's known ones, whose ids the file does not name: the same given
/// name and a mobile number or an e-mail address in common; another family name may come of a marriage. A landline is the
/// household's, and only counts where name and relationship are the same.
pub fn contacts(unknown: &[(&Person, Relationship)], known: &[(&Person, Relationship)]) -> Vec<Proposal> {
    let [left, right] = [unknown, known].map(|people| all(people.iter().map(|(person, _)| *person)));
    between(&left, &right, |one, other, e| {
        let ((one, is), (other, was)) = (unknown[one], known[other]);
        let own = shares_own_point(one, other, e);
        let landline = e.phone == Same && e.family == Same && is == was && is != Relationship::Unknown;
        match e.given {
            _ if !may_be_one(one, other, e) || contradict_to_one(is, was) => Verdict::Never,
            Same if own || landline => Verdict::Probably,
            Same if e.family == Same => Verdict::Perhaps,
            Near | Unknown if own => Verdict::Perhaps,
            _ => Verdict::Unlikely,
        }
    })
}

/// A contact with the pupils they are tied to, by whatever the caller knows pupils by.
#[derive(Clone, Debug)]
pub struct Tied<'a, P> {
    /// The contact.
    pub person: &'a Person,
    /// What they are to which pupils.
    pub to: Vec<(P, Relationship)>,
}

/// Which of a school's contacts are probably one person: the same names but for one slip in each, and a mobile number or an e-mail
/// address in common; with a slip, both in common or the same relationship.
///
/// Two contacts of one pupil are two people by the school's own word, unless everything but the id says otherwise. What stands on
/// contacts of many names is a filler and nobody's own (case 44).
pub fn merges<P: PartialEq>(contacts: &[Tied<'_, P>]) -> Vec<Proposal> {
    let mut people = all(contacts.iter().map(|contact| contact.person));
    for (traits, contact) in people.iter_mut().zip(contacts) {
        let mobiles = contact.person.phones.iter().filter(|phone| phone.kind() == PhoneKind::Mobile);
        traits.phones = mobiles.map(PhoneNumber::expose).collect();
    }
    leave_fillers_out(&mut people);
    within(&people, points, |one, other, e| {
        let (one, other) = (&contacts[one], &contacts[other]);
        let ties = || one.to.iter().flat_map(|a| other.to.iter().map(move |b| (a, b)));
        let same_name = e.given == Same && e.family == Same;
        let apart =
            || ties().any(|(a, b)| if a.0 == b.0 { !same_name || a.1 != b.1 } else { contradict(a.1, b.1) });
        let alike = || ties().any(|(a, b)| a.1 == b.1 && a.1 != Relationship::Unknown);
        let both = e.email == Same && e.phone == Same;
        match [e.given, e.family] {
            _ if !may_be_one(one.person, other.person, e) || apart() => Verdict::Never,
            _ if e.email != Same && e.phone != Same => Verdict::Unlikely,
            [Same, Same] => Verdict::Probably,
            [Same | Near, Same | Near] if both || alike() => Verdict::Probably,
            _ => Verdict::Unlikely,
        }
    })
}

/// Those who have a mobile number or an e-mail address in common with another: nobody else is of any matter to [`merges`].
pub fn sharing_contact_points<I>(mut contacts: Vec<(I, &Person)>) -> Vec<(I, &Person)> {
    let hash = |point: &str| key(10, &[point]);
    let points = |person: &Person| own_points(person).filter_map(hash).collect::<Vec<_>>();
    let mut hashes: Vec<u64> = contacts.iter().flat_map(|(_, person)| points(person)).collect();
    hashes.sort_unstable();
    let mut shared: Vec<u64> =
        hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    shared.dedup();
    contacts.retain(|(_, person)| points(person).iter().any(|point| shared.binary_search(point).is_ok()));
    contacts
}

/// E-mail addresses and mobile numbers, in the form in which they compare.
fn own_points(person: &Person) -> impl Iterator<Item = &str> {
    let mobiles = person.phones.iter().filter(|phone| phone.kind() == PhoneKind::Mobile);
    person.emails.iter().map(EmailAddress::expose).chain(mobiles.map(PhoneNumber::expose))
}

/// Leaves out the addresses and numbers that stand on people of more names than a family has.
fn leave_fillers_out(people: &mut [Traits<'_>]) {
    /// Two parents, four grandparents and a childminder, with a slip in one of them.
    const FAMILY: usize = 8;
    let mut names: HashMap<&str, Vec<String>> = HashMap::new();
    for traits in people.iter() {
        let name = format!("{} {}", fold(traits.given), fold(traits.family));
        for point in traits.emails.iter().chain(&traits.phones) {
            let known = names.entry(point).or_default();
            if known.len() <= FAMILY && !known.contains(&name) {
                known.push(name.clone());
            }
        }
    }
    for traits in people {
        let is_own = |point: &&str| names.get(point).is_some_and(|names| names.len() <= FAMILY);
        traits.emails.retain(is_own);
        traits.phones.retain(is_own);
    }
}

fn all<'a>(people: impl Iterator<Item = &'a Person>) -> Vec<Traits<'a>> {
    people.map(traits).collect()
}

fn traits(person: &Person) -> Traits<'_> {
    let preferred = person.preferred_name.as_ref();
    let other_family = preferred.map(|name| name.family()).filter(|name| !name.is_empty());
    // A temporary UPN ends in a letter and is given up for a permanent one: that another follows says nothing.
    let is_lasting = |id: &&str| id.ends_with(|last: char| last.is_ascii_digit());
    let upns = person.source_ids.iter().filter(|id| id.source == UPN).map(|id| id.id.as_str());
    Traits {
        given: person.name.given(),
        family: person.name.family(),
        also: [
            preferred.map(|name| name.given()).unwrap_or_default(),
            other_family.or(person.former_family_name.as_deref()).unwrap_or_default(),
        ],
        date_of_birth: person.date_of_birth.map(|born| born.expose()),
        ids: upns.filter(is_lasting).map(|id| (UPN, id)).collect(),
        emails: person.emails.iter().map(EmailAddress::expose).collect(),
        phones: person.phones.iter().map(PhoneNumber::expose).collect(),
        ..Traits::default()
    }
}

/// Whether title and date of birth let two contacts be one person.
fn may_be_one(one: &Person, other: &Person, evidence: &Evidence) -> bool {
    evidence.born != Differs && !titles_contradict(one, other)
}

/// Whether two titles cannot be one person's.
pub fn titles_contradict(one: &Person, other: &Person) -> bool {
    let stated = |person: &Person| person.title.as_deref().and_then(is_womans);
    stated(one).zip(stated(other)).is_some_and(|(one, other)| one != other)
}

/// What a title says of who bears it, where it says anything.
fn is_womans(title: &str) -> Option<bool> {
    match title.trim().trim_end_matches('.').to_lowercase().as_str() {
        "mrs" | "miss" | "ms" | "lady" => Some(true),
        "mr" | "master" | "sir" | "lord" => Some(false),
        _ => None,
    }
}

/// Whether two relationships cannot be one person's, even to two pupils: systems put a father down as a parent, a guardian or a
/// step-parent, but not as a mother, a grandparent or a social worker.
pub const fn contradict(one: Relationship, other: Relationship) -> bool {
    use Relationship::{Father, Grandparent, Mother, SocialWorker};
    match (one, other) {
        (Mother, Father) | (Father, Mother) => true,
        (Grandparent | SocialWorker, other) if is_parent(other) => true,
        (one, Grandparent | SocialWorker) if is_parent(one) => true,
        (SocialWorker, Grandparent) | (Grandparent, SocialWorker) => true,
        _ => false,
    }
}

/// As [`contradict`], to one pupil: nobody is a child's father and brother.
pub const fn contradict_to_one(one: Relationship, other: Relationship) -> bool {
    use Relationship::{Grandparent, Relative, SocialWorker};
    const fn is_close(relationship: Relationship) -> bool {
        is_parent(relationship) || matches!(relationship, Grandparent | SocialWorker)
    }
    match (one, other) {
        (Relative, other) if is_close(other) => true,
        (one, Relative) if is_close(one) => true,
        _ => contradict(one, other),
    }
}

const fn is_parent(relationship: Relationship) -> bool {
    use Relationship::{Father, FosterCarer, Mother, Parent, StepParent};
    matches!(relationship, Mother | Father | Parent | StepParent | FosterCarer)
}

/// Whether two people have a mobile number or an e-mail address in common.
fn shares_own_point(one: &Person, other: &Person, evidence: &Evidence) -> bool {
    let mobile = |phone: &PhoneNumber| phone.kind() == PhoneKind::Mobile && other.phones.contains(phone);
    evidence.email == Same || one.phones.iter().any(mobile)
}
