//! Two records that the office says are one person become one. Pure.

use std::collections::BTreeSet;

use compact_str::CompactString;
use jiff::Timestamp;

use super::{
    Few, Person,
    guardianship::{Link, Relationship, Responsibility},
    name::PersonName,
    phone::PhoneKind,
};
use crate::privacy::agreement::Field;

impl Person {
    /// The facts in which two records differ.
    pub fn unlike(&self, other: &Self) -> BTreeSet<Field> {
        let preferred = |person: &Self| {
            let name = person.preferred_name.as_ref();
            (name.map(|name| name.given().to_owned()), name.map(|name| name.family().to_owned()))
        };
        let (called, also) = (preferred(self), preferred(other));
        let ids = |person: &Self, upn: bool| {
            person.source_ids.iter().filter(|id| id.is_upn() == upn).cloned().collect::<Vec<_>>()
        };
        let numbers = |person: &Self, mobile: bool| {
            let of = person.phones.iter().filter(|phone| (phone.kind() == PhoneKind::Mobile) == mobile);
            of.cloned().collect::<Vec<_>>()
        };
        [
            (Field::Title, self.title != other.title),
            (Field::GivenName, self.name.given() != other.name.given()),
            (Field::FamilyName, self.name.family() != other.name.family()),
            (Field::PreferredGivenName, called.0.unwrap_or_default() != also.0.unwrap_or_default()),
            (Field::PreferredFamilyName, called.1.unwrap_or_default() != also.1.unwrap_or_default()),
            (Field::FormerFamilyName, self.former_family_name != other.former_family_name),
            (Field::DateOfBirth, self.date_of_birth != other.date_of_birth),
            (Field::YearGroup, self.year_group != other.year_group),
            (Field::Class, self.class != other.class),
            (Field::Groups, self.groups != other.groups),
            (Field::StartDate, self.starts_on != other.starts_on),
            (Field::LeavingDate, self.leaves_on != other.leaves_on),
            (Field::Upn, ids(self, true) != ids(other, true)),
            (Field::SourceId, ids(self, false) != ids(other, false)),
            (Field::Email, self.emails != other.emails),
            (Field::Mobile, numbers(self, true) != numbers(other, true)),
            (Field::Landline, numbers(self, false) != numbers(other, false)),
            (Field::Deceased, self.deceased != other.deceased),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }
}

/// Why two records cannot be one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apart {
    /// One person in two roles is two records.
    Role,
    /// Each has a unique pupil number of its own: they are two children.
    Upn,
}

/// The one person that two records are: what `kept` says, filled up with what only `other` knows. All ids and contact points
/// stay, so that the next file knows the person by either id.
pub fn join(kept: &Person, other: &Person) -> Result<Person, Apart> {
    if kept.role != other.role {
        return Err(Apart::Role);
    }
    let upn = |person: &Person| person.source_ids.iter().find(|id| id.is_upn()).cloned();
    if matches!((upn(kept), upn(other)), (Some(one), Some(another)) if one != another) {
        return Err(Apart::Upn);
    }
    let or =
        |kept: &Option<CompactString>, other: &Option<CompactString>| kept.clone().or_else(|| other.clone());
    let mut phones = union(&kept.phones, &other.phones);
    phones.sort_by_key(|phone| phone.kind() != PhoneKind::Mobile);
    let mut groups = union(&kept.groups, &other.groups);
    groups.sort();
    let mut one = Person {
        role: kept.role,
        title: or(&kept.title, &other.title),
        name: filled(&kept.name, &other.name),
        preferred_name: match (&kept.preferred_name, &other.preferred_name) {
            (Some(kept), Some(other)) => Some(filled(kept, other)),
            (kept, other) => kept.clone().or_else(|| other.clone()),
        },
        former_family_name: or(&kept.former_family_name, &other.former_family_name),
        date_of_birth: kept.date_of_birth.or(other.date_of_birth),
        year_group: or(&kept.year_group, &other.year_group),
        class: or(&kept.class, &other.class),
        groups,
        starts_on: kept.starts_on.or(other.starts_on),
        leaves_on: kept.leaves_on.or(other.leaves_on),
        deceased: kept.deceased || other.deceased,
        emails: union(&kept.emails, &other.emails),
        phones,
        unusable_contact_point: kept.unusable_contact_point || other.unusable_contact_point,
        source_ids: union(&kept.source_ids, &other.source_ids),
        is_known_without_id: kept.is_known_without_id || other.is_known_without_id,
        missing_since: latest(kept.missing_since, other.missing_since),
        manual: kept.manual && other.manual,
        by_hand: kept.by_hand.clone(),
        blanked: kept.blanked.clone(),
        suppressed: kept.suppressed.clone(),
    };
    // A mark of the other's stays where the value that it stands for does.
    let lost = one.unlike(other);
    one.mark_by_hand(other.by_hand.iter().copied().filter(|field| !lost.contains(field)));
    Ok(one)
}

/// The one tie that two are: what protects the child wins, and what the office set by hand stays so. A tie that the office took
/// away stays away, whatever a file says of the other record; one that it has set by hand, or a restriction, is there to stay.
pub fn join_links(kept: &Link, other: &Link) -> Link {
    use Responsibility::{No, Unknown, Yes};
    let is_set = |link: &Link| !link.ended && (link.manual || link.restricted);
    match (kept.ended, other.ended) {
        (true, false) if is_set(other) => return other.clone(),
        (false, true) if is_set(kept) => return kept.clone(),
        (false, false) => {}
        _ => return Link { ended: true, manual: true, ..Link::default() },
    }
    let stated = if kept.relationship == Relationship::Unknown { other } else { kept };
    Link {
        relationship: stated.relationship,
        relationship_text: stated.relationship_text.clone(),
        parental_responsibility: match (kept.parental_responsibility, other.parental_responsibility) {
            (No, _) | (_, No) => No,
            (Yes, _) | (_, Yes) => Yes,
            (Unknown, Unknown) => Unknown,
        },
        restricted: kept.restricted || other.restricted,
        priority: [kept.priority, other.priority].into_iter().flatten().min(),
        emergency_contact: kept.emergency_contact || other.emergency_contact,
        address_confidential: kept.address_confidential || other.address_confidential,
        manual: kept.manual || other.manual,
        ended: false,
        missing_since: latest(kept.missing_since, other.missing_since),
    }
}

/// What the sources still name under either id is not missing.
fn latest(kept: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    kept.zip(other).map(|(kept, other)| kept.max(other))
}

fn filled(kept: &PersonName, other: &PersonName) -> PersonName {
    let or = |kept: &str, other: &str| if kept.is_empty() { other.to_owned() } else { kept.to_owned() };
    PersonName::new(&or(kept.given(), other.given()), &or(kept.family(), other.family()))
}

fn union<T: Clone + PartialEq>(kept: &[T], other: &[T]) -> Few<T> {
    let more = other.iter().filter(|one| !kept.contains(one));
    kept.iter().chain(more).cloned().collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::person::{DateOfBirth, Role, SourceId, phone::PhoneNumber};

    fn id(source: &str, id: &str) -> SourceId {
        SourceId { source: source.into(), id: id.into() }
    }

    fn contact(given: &str, email: &str, phone: &str) -> Person {
        Person {
            emails: [email.parse().unwrap()].into(),
            phones: [PhoneNumber::parse(phone).unwrap().number].into(),
            ..Person::named(Role::Contact, PersonName::new(given, "Smith"))
        }
    }

    #[test]
    fn one_person_has_the_ids_and_contact_points_of_both() {
        let kept = Person {
            source_ids: [id("csv", "C1")].into(),
            by_hand: vec![Field::Email],
            ..contact("Catherine", "c@example.com", "01632 960123")
        };
        let other = Person {
            title: Some("Dr".into()),
            source_ids: vec![id("csv", "C2"), id("wonde", "A7")].into(),
            by_hand: vec![Field::Title, Field::GivenName],
            deceased: true,
            manual: true,
            ..contact("Katherine", "k@example.com", "07700 900123")
        };
        let one = join(&kept, &other).unwrap();
        assert_eq!((one.name.given(), one.title.as_deref()), ("Catherine", Some("Dr")));
        assert_eq!(one.source_ids[..], [id("csv", "C1"), id("csv", "C2"), id("wonde", "A7")]);
        let emails: Vec<_> = one.emails.iter().map(|email| email.expose()).collect();
        assert_eq!(emails, ["c@example.com", "k@example.com"]);
        assert_eq!(one.phones[0].expose(), "+447700900123", "mobiles first, as files are read");
        // The name that was typed for the other is gone, and its mark with it; the title stays.
        assert_eq!(one.by_hand, [Field::Title, Field::Email]);
        assert!(one.deceased && !one.manual);
        assert_eq!(join(&one, &one).unwrap(), one);
    }

    #[test]
    fn two_roles_or_two_unique_pupil_numbers_are_two_people() {
        let pupil = |upn: Option<&str>| Person {
            source_ids: upn.map(|upn| id("upn", upn)).into_iter().collect(),
            ..Person::named(Role::Pupil, PersonName::new("Ella", "Smith"))
        };
        let joined = |one, other| join(&pupil(one), &pupil(other)).map(|one| one.source_ids.len());
        assert_eq!(joined(Some("A1"), Some("A2")), Err(Apart::Upn));
        assert_eq!(joined(Some("A1"), Some("A1")), Ok(1));
        assert_eq!(joined(None, Some("A2")), Ok(1));
        assert_eq!(join(&pupil(None), &contact("Ella", "e@example.com", "01632 960123")), Err(Apart::Role));
    }

    #[test]
    fn who_is_named_under_either_id_is_not_missing() {
        let at = |second| Timestamp::from_second(second).ok();
        let missing =
            |missing_since| Person { missing_since, ..contact("A", "a@example.com", "01632 960123") };
        for (kept, other, one) in [
            (at(5), None, None),
            (None, at(5), None),
            (at(5), at(9), at(9)),
            (at(9), at(5), at(9)),
            (None, None, None),
        ] {
            assert_eq!(
                join(&missing(kept), &missing(other)).unwrap().missing_since,
                one,
                "{kept:?} {other:?}"
            );
        }
    }

    #[test]
    fn of_two_ties_the_stricter_wins() {
        use Responsibility::{No, Unknown, Yes};
        let link = |parental_responsibility, restricted, priority| Link {
            parental_responsibility,
            restricted,
            address_confidential: restricted,
            priority,
            ..Link::default()
        };
        for (kept, other, one) in [
            (link(Yes, false, Some(2)), link(No, true, Some(1)), link(No, true, Some(1))),
            (link(Unknown, true, None), link(Yes, false, Some(3)), link(Yes, true, Some(3))),
            (link(Unknown, false, None), link(Unknown, false, None), link(Unknown, false, None)),
        ] {
            assert_eq!(join_links(&kept, &other), one);
            assert_eq!(join_links(&other, &kept), one);
        }
        let set = Link { manual: true, relationship: Relationship::Mother, ..Link::default() };
        let other = Link { relationship: Relationship::Other, ..Link::default() };
        assert_eq!(join_links(&other, &set), Link { relationship: Relationship::Other, ..set });
    }

    #[test]
    fn what_the_office_took_away_stays_away() {
        let ended = Link { ended: true, manual: true, ..Link::default() };
        let named = Link { relationship: Relationship::Mother, ..Link::default() };
        let set = Link { manual: true, ..named.clone() };
        let kept_away = Link { restricted: true, ..named.clone() };
        for (other, one) in [(&named, &ended), (&ended, &ended), (&set, &set), (&kept_away, &kept_away)] {
            assert_eq!(join_links(&ended, other), *one);
            assert_eq!(join_links(other, &ended), *one);
        }
    }

    #[test]
    fn what_differs_is_named_fact_by_fact() {
        let before = contact("Ann", "a@example.com", "07700 900123");
        let after = Person {
            preferred_name: Some(PersonName::new("Annie", "")),
            date_of_birth: Some(DateOfBirth(date(2018, 3, 4))),
            phones: [PhoneNumber::parse("01632 960123").unwrap().number].into(),
            source_ids: [id("upn", "A1")].into(),
            ..before.clone()
        };
        let expected =
            [Field::PreferredGivenName, Field::DateOfBirth, Field::Upn, Field::Mobile, Field::Landline];
        assert_eq!(before.unlike(&after), BTreeSet::from(expected));
        assert_eq!(before.unlike(&before), BTreeSet::new());
    }
}
