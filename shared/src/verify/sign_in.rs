//! Signing in again, and where a code goes that the office has approved. Pure.

use std::collections::BTreeMap;

use super::{
    account::{Contact, ContactPoint, Login},
    own::{is_own, own_channel},
};
use crate::{
    channel::Channel,
    id::{AccountId, PersonId, SchoolId},
    person::{email::EmailAddress, guardianship::Link, store::Directory},
};

/// A school's directory, and the school's own addresses.
pub type SchoolNow = (Directory, Vec<EmailAddress>);

/// The account to which a contact point signs in, and the contact to whose registered contact point the code goes: one that has
/// it still, alone, and that may see a child.
///
/// Two accounts behind one contact point are two people, and whoever shares it at any of the schools would come in too: then it
/// goes to nobody. Who had it once and has not now counts no more, unless somebody else there has it who never proved it. A school
/// that is not among `schools` has no say.
pub fn contact(
    point: &ContactPoint,
    logins: &[Login],
    schools: &BTreeMap<SchoolId, SchoolNow>,
) -> Option<(AccountId, Contact)> {
    let (mut holding, mut gone) = (Vec::new(), Vec::new());
    for login in logins {
        let Some((directory, own)) = schools.get(&login.school_id) else { continue };
        if !has(directory, login.contact_id, point) {
            gone.push((login, directory));
        } else if is_own(directory, login.contact_id, point.channel(), own) {
            holding.push((login, directory));
        } else {
            return None;
        }
    }
    gone.retain(|(gone, _)| !holding.iter().any(|(login, _)| login.school_id == gone.school_id));
    let is_anothers = |(login, directory): (&Login, &Directory)| {
        directory.visible_people().any(|(id, person)| id != login.contact_id && point.is_of(person))
    };
    let account = holding.first().map(|(login, _)| login.account_id)?;
    if gone.into_iter().any(is_anothers) || holding.iter().any(|(login, _)| login.account_id != account) {
        return None;
    }
    let (login, _) =
        holding.into_iter().find(|(login, directory)| sees_a_child(directory, login.contact_id))?;
    Some((account, (login.school_id, login.contact_id)))
}

/// The channel for a code that the office has approved, if the tie allows an account: a contact point of the contact's own before
/// one that is shared, because the office knows who asks. Never the school's own, and never one that somebody reads whom a
/// restriction keeps away from the pupil.
pub fn channel_after_approval(
    directory: &Directory,
    contact: PersonId,
    pupil: PersonId,
    own: &[EmailAddress],
) -> Option<Channel> {
    let person = directory.person(contact).filter(|person| !person.deceased)?;
    directory.person(pupil)?;
    directory.link(pupil, contact).filter(|link| link.may_hold_account())?;
    let channels = [Channel::Sms, Channel::Email];
    own_channel(directory, contact, own, &channels).or_else(|| {
        channels.into_iter().find(|channel| {
            ContactPoint::of(person, *channel).is_some_and(|point| is_safe(directory, &point, &[pupil], own))
        })
    })
}

/// Whether something about pupils may come to a contact point: it is not the school's own, and nobody reads it whom a restriction
/// keeps away from one of them.
pub(super) fn is_safe(
    directory: &Directory,
    point: &ContactPoint,
    pupils: &[PersonId],
    own: &[EmailAddress],
) -> bool {
    let is_kept_away = |reader: PersonId| {
        pupils.iter().any(|pupil| directory.link(*pupil, reader).is_some_and(|link| link.restricted))
    };
    !own.iter().any(|address| address.expose() == point.expose())
        && !directory.visible_people().any(|(reader, person)| point.is_of(person) && is_kept_away(reader))
}

fn has(directory: &Directory, contact: PersonId, point: &ContactPoint) -> bool {
    directory.person(contact).is_some_and(|person| {
        !person.deceased && ContactPoint::of(person, point.channel()).as_ref() == Some(point)
    })
}

fn sees_a_child(directory: &Directory, contact: PersonId) -> bool {
    directory.visible_links().any(|(pupil, of, link)| {
        of == contact && Link::may_hold_account(link) && directory.person(pupil).is_some()
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::person::{
        made_up::{Families, responsible},
        phone::PhoneNumber,
    };

    const MOBILE: &str = "07700 900001";

    fn school(n: u8) -> SchoolId {
        SchoolId::new(Timestamp::UNIX_EPOCH, &[n; 10])
    }

    /// A school with Mary and her daughter Zoë.
    fn families() -> (Families, PersonId, PersonId) {
        let mut school = Families::default();
        let zoe = school.pupil("Zoë O'Connor", "3", "3A");
        let mary = school.contact("Mary O'Connor", "mary@example.com", &[MOBILE]);
        school.link(zoe, mary, responsible());
        (school, zoe, mary)
    }

    type Change = fn(&mut Families, PersonId, PersonId);

    #[test]
    fn a_contact_point_signs_in_only_while_it_is_one_persons_alone() {
        let table: [(&str, Change, bool); 8] = [
            ("as it was proved", |_, _, _| {}, true),
            ("changed", |school, _, mary| school.person(mary).phones.clear(), false),
            (
                "no longer the first",
                |school, _, mary| {
                    let other = PhoneNumber::parse("07700 900002").unwrap().number;
                    school.person(mary).phones.insert(0, other);
                },
                false,
            ),
            (
                "shared with the father since",
                |school, zoe, _| {
                    let father = school.contact("Cy O'Connor", "cy@example.com", &[MOBILE]);
                    school.link(zoe, father, responsible());
                },
                false,
            ),
            (
                "another family's since",
                |school, _, mary| {
                    school.person(mary).phones.clear();
                    school.contact("Jo Smith", "jo@example.com", &[MOBILE]);
                },
                false,
            ),
            ("died", |school, _, mary| school.person(mary).deceased = true, false),
            (
                "kept away from the only child",
                |school, zoe, mary| school.link(zoe, mary, Link { restricted: true, ..responsible() }),
                false,
            ),
            (
                "a child of two is left",
                |school, zoe, mary| {
                    school.link(zoe, mary, Link { restricted: true, ..responsible() });
                    let other = school.pupil("Max O'Connor", "5", "5A");
                    school.link(other, mary, responsible());
                },
                true,
            ),
        ];
        let point = ContactPoint::Mobile(PhoneNumber::parse(MOBILE).unwrap().number);
        for (what, change, signs_in) in table {
            let (mut one, zoe, mary) = families();
            change(&mut one, zoe, mary);
            let login = |n: u8, contact_id| Login {
                point: String::new(),
                account_id: AccountId::new(Timestamp::UNIX_EPOCH, &[1; 10]),
                school_id: school(n),
                contact_id,
                expires: 0,
            };
            let mut schools = BTreeMap::from([(school(1), (one.directory, Vec::new()))]);
            let found = |logins: &[Login], schools: &_| contact(&point, logins, schools).map(|found| found.1);
            let alone = found(&[login(1, mary)], &schools);
            assert_eq!(alone, signs_in.then_some((school(1), mary)), "{what}");
            // At a second school all is well: what is shared at the first still decides, what is merely gone there does not.
            let (two, _, mary_there) = families();
            schools.insert(school(2), (two.directory, Vec::new()));
            let both = found(&[login(1, mary), login(2, mary_there)], &schools);
            let shared = what.contains("since");
            assert_eq!(both.is_some(), !shared, "{what}");
            // A school that is no longer a customer has no say.
            schools.remove(&school(1));
            let elsewhere = found(&[login(1, mary), login(2, mary_there)], &schools);
            assert_eq!(elsewhere, Some((school(2), mary_there)), "{what}");
        }
    }

    #[test]
    fn edge_case_41_a_number_that_went_to_another_parent_signs_that_one_in() {
        let (mut one, _, mary) = families();
        one.person(mary).phones.clear();
        let max = one.pupil("Max Smith", "5", "5A");
        let jo = one.contact("Jo Smith", "jo@example.com", &[MOBILE]);
        one.link(max, jo, responsible());
        let account = |n: u8| AccountId::new(Timestamp::UNIX_EPOCH, &[n; 10]);
        let login = |account_id, contact_id| Login {
            point: String::new(),
            account_id,
            school_id: school(1),
            contact_id,
            expires: 0,
        };
        let point = ContactPoint::Mobile(PhoneNumber::parse(MOBILE).unwrap().number);
        let schools = BTreeMap::from([(school(1), (one.directory, Vec::new()))]);
        let logins = [login(account(1), mary), login(account(2), jo)];
        assert_eq!(contact(&point, &logins, &schools), Some((account(2), (school(1), jo))));
        // Until Jo has proved it, it signs in nobody.
        assert_eq!(contact(&point, &logins[..1], &schools), None);
    }

    #[test]
    fn an_approved_code_goes_to_a_contact_point_of_ones_own_first() {
        let own: Vec<EmailAddress> = vec!["office@example.com".parse().unwrap()];
        let table: [(&str, Change, Option<Channel>); 7] = [
            ("own mobile", |_, _, _| {}, Some(Channel::Sms)),
            (
                "shared mobile, own address",
                |school, zoe, _| {
                    let father = school.contact("Cy O'Connor", "cy@example.com", &[MOBILE]);
                    school.link(zoe, father, responsible());
                },
                Some(Channel::Email),
            ),
            (
                "both shared",
                |school, zoe, _| {
                    let father = school.contact("Cy O'Connor", "mary@example.com", &[MOBILE]);
                    school.link(zoe, father, responsible());
                },
                Some(Channel::Sms),
            ),
            (
                "mobile shared with somebody who is kept away",
                |school, zoe, mary| {
                    let father = school.contact("Cy O'Connor", "cy@example.com", &[MOBILE]);
                    school.link(zoe, father, Link { restricted: true, ..responsible() });
                    school.person(mary).emails.clear();
                },
                None,
            ),
            (
                "the school's address alone",
                |school, _, mary| {
                    let mary = school.person(mary);
                    mary.phones.clear();
                    mary.emails = ["office@example.com".parse().unwrap()].into();
                },
                None,
            ),
            (
                "kept away",
                |school, zoe, mary| school.link(zoe, mary, Link { restricted: true, ..responsible() }),
                None,
            ),
            (
                "responsibility not known, not first",
                |school, zoe, mary| school.link(zoe, mary, Link::default()),
                None,
            ),
        ];
        for (what, change, channel) in table {
            let (mut school, zoe, mary) = families();
            change(&mut school, zoe, mary);
            assert_eq!(channel_after_approval(&school.directory, mary, zoe, &own), channel, "{what}");
        }
    }
}
