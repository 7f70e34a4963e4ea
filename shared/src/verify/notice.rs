//! What people are told about verifications, and where. Pure.
//!
//! The words give nothing away: neither who asked, nor which child, nor whom the school keeps away. They are read on lock screens
//! and in shared mailboxes. They never come to a contact point that somebody reads whom a restriction keeps away from one of the
//! pupils: that there is an account, and at which school, is just what such a person looks for.

use std::collections::BTreeSet;

use super::{account::ContactPoint, sign_in::is_safe};
use crate::{
    channel::Channel,
    id::PersonId,
    person::{Person, email::EmailAddress, store::Directory},
};

/// A short message: the subject serves e-mail alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// To the school's office: a claim waits for it.
pub fn review(reference: &str) -> Notice {
    Notice {
        subject: "Bookbag: a parent waits for your decision".to_owned(),
        text: format!(
            "Somebody has asked to be known as a parent, and your data alone does not settle it. Please look at the claims that wait for review in Bookbag. Reference: {reference}"
        ),
    }
}

/// To the school's office: somebody whom it keeps away has tried.
pub fn alert(reference: &str) -> Notice {
    Notice {
        subject: "Bookbag: somebody who may not have access has tried".to_owned(),
        text: format!(
            "Somebody whom your data keeps away from a child, or denies responsibility, has asked to be known as a parent with facts that fit. They were given no access and not told why. Please look at the alerts in Bookbag. Reference: {reference}"
        ),
    }
}

/// To the other contacts of a child: an account was linked.
pub fn linked(school: &str) -> Notice {
    Notice {
        subject: format!("A new account for a family at {school}"),
        text: format!(
            "Somebody who is registered at {school} as a contact of your family has opened a Bookbag account. If you did not expect this, call the school's office."
        ),
    }
}

/// To the contact in whose name an account was opened, or added to.
pub fn opened(school: &str) -> Notice {
    Notice {
        subject: format!("Your Bookbag account at {school}"),
        text: format!(
            "Somebody has entered a code that was sent to you, and opened Bookbag as you at {school}. If that was not you, call the school's office now."
        ),
    }
}

/// To whoever holds an account: another device has signed in to it.
pub fn new_device(school: &str) -> Notice {
    Notice {
        subject: "A new device has signed in to your Bookbag account".to_owned(),
        text: format!(
            "Another device has signed in to your Bookbag account. If that was not you, end all sessions in the app and call the office of {school}."
        ),
    }
}

/// Where a contact is told of what was done in their name: the contact point that the code did not go to, if there is one, because
/// who has taken one over does not have the other.
pub fn other_point(
    directory: &Directory,
    contact: PersonId,
    used: Option<Channel>,
    own: &[EmailAddress],
) -> Option<ContactPoint> {
    let links = directory.visible_links().filter(|(_, of, _)| *of == contact);
    let pupils: Vec<_> = links.map(|(pupil, ..)| pupil).collect();
    let mut points = points(directory.person(contact)?);
    points.retain(|point| is_safe(directory, point, &pupils, own));
    points.sort_by_key(|point| Some(point.channel()) == used);
    points.into_iter().next()
}

/// Those who may see a pupil too, each contact point once: nobody who is kept away, and nobody at the new account's own.
pub fn others(
    directory: &Directory,
    pupil: PersonId,
    contact: PersonId,
    own: &[EmailAddress],
) -> Vec<(PersonId, ContactPoint)> {
    if directory.person(pupil).is_none_or(|pupil| pupil.deceased) {
        return Vec::new();
    }
    let points = |person| directory.person(person).map(points).unwrap_or_default();
    let mut seen: BTreeSet<_> = points(contact).iter().map(|point| point.expose().to_owned()).collect();
    let told = directory.links_of(pupil).filter(|(other, link)| *other != contact && link.may_hold_account());
    told.filter_map(|(other, _)| {
        let point = points(other).into_iter().find(|point| is_safe(directory, point, &[pupil], own))?;
        seen.insert(point.expose().to_owned()).then_some((other, point))
    })
    .collect()
}

/// The contact points of somebody who is alive.
fn points(person: &Person) -> Vec<ContactPoint> {
    let alive = Some(person).filter(|person| !person.deceased);
    Channel::ALL.into_iter().filter_map(|channel| ContactPoint::of(alive?, channel)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::{
        guardianship::Link,
        made_up::{Families, responsible},
    };

    #[test]
    fn nothing_comes_to_whom_a_restriction_keeps_away() {
        let mut school = Families::default();
        let zoe = school.pupil("Zoe O'Connor", "3", "3A");
        let mary = school.contact("Mary O'Connor", "family@example.com", &["07700 900001"]);
        let jo = school.contact("Jo Smith", "jo@example.com", &["07700 900002"]);
        let gran = school.contact("Ann Grey", "gran@example.com", &[]);
        for contact in [mary, jo, gran] {
            school.link(zoe, contact, responsible());
        }
        let told = |school: &Families, own: &[EmailAddress]| {
            let at = |point: ContactPoint| point.expose().to_owned();
            let others = others(&school.directory, zoe, mary, own).into_iter();
            (
                other_point(&school.directory, mary, Some(Channel::Sms), own).map(at),
                others.map(|(person, _)| person).collect::<Vec<_>>(),
            )
        };
        let all = told(&school, &[]);
        assert_eq!(all.0.as_deref(), Some("family@example.com"), "not where the code went");
        assert_eq!(all.1, [jo, gran]);
        // The father shares the mother's mailbox and the grandmother's, and is kept away since.
        let father = school.contact("Cy O'Connor", "family@example.com", &[]);
        school.person(father).emails.push("gran@example.com".parse().unwrap());
        school.link(zoe, father, Link { restricted: true, ..responsible() });
        let kept = told(&school, &[]);
        assert_eq!(kept.0.as_deref(), Some("+447700900001"), "the mobile is hers alone");
        assert_eq!(kept.1, [jo]);
        // The school's own address stands for nobody.
        school.person(mary).phones.clear();
        school.person(mary).emails = ["office@example.com".parse().unwrap()].into();
        assert_eq!(told(&school, &["office@example.com".parse().unwrap()]).0, None);
        school.person(jo).deceased = true;
        assert_eq!(told(&school, &[]).1, []);
    }
}
