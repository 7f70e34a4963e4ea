//! What claims come to, family by family.

use jiff::{Timestamp, civil::date};

use super::*;
use crate::person::{
    guardianship::{Relationship, Responsibility},
    made_up::{Families, responsible},
    name::PersonName,
    phone::PhoneNumber,
};

const MOBILE: &str = "07700 900001";
const TODAY: Date = date(2026, 11, 2);
const EMAIL: &str = "mary@example.com";

/// Mary O'Connor's claim for Zoë, who was born on the day on which all pupils of [`Families`] are.
fn claim() -> Claim {
    Claim {
        school_code: "ABCD-2345".to_owned(),
        parent: PersonName::new("Mary", "O'Connor"),
        mobile: PhoneNumber::parse(MOBILE).unwrap().number,
        email: EMAIL.parse().unwrap(),
        child: PersonName::new("Zoë", "O'Connor"),
        born: DateOfBirth(date(2018, 3, 4)),
    }
}

struct Family {
    school: Families,
    zoe: PersonId,
    mary: PersonId,
}

/// Zoë, her mother Mary, and another family.
fn family() -> Family {
    let mut school = Families::default();
    let zoe = school.pupil("Zoë O'Connor", "3", "3A");
    let other = school.pupil("Ann Smith", "3", "3A");
    let mary = school.contact("Mary O'Connor", EMAIL, &[MOBILE]);
    let stranger = school.contact("Jo Smith", "jo@example.com", &["07700 900009"]);
    school.link(zoe, mary, responsible());
    school.link(other, stranger, responsible());
    Family { school, zoe, mary }
}

fn unknown(priority: Option<u8>) -> Link {
    Link { priority, relationship: Relationship::Mother, ..Link::default() }
}

/// What is done to the family or the claim before it is decided.
type Change = fn(&mut Family, &mut Claim);

/// Decides each claim of a table: what is done to the family or the claim -> verdict, and where the code would go.
fn decided(table: &[(&str, Change, Verdict, Option<Channel>)]) {
    for (what, change, verdict, channel) in table {
        let (mut family, mut claim) = (family(), claim());
        change(&mut family, &mut claim);
        let found = decide(&family.school.directory, &claim, &[], TODAY);
        assert_eq!((found.verdict, found.channel), (*verdict, *channel), "{what}");
        if found.verdict == Verdict::ProvedByCode {
            assert_eq!(found.pair, Some((family.mary, family.zoe)), "{what}");
        }
    }
}

#[test]
fn names_and_the_day_of_birth_find_one_family() {
    use Channel::Sms;
    use Verdict::{No, ProvedByCode, Review};
    decided(&[
        ("all as registered", |_, _| {}, ProvedByCode, Some(Sms)),
        (
            "names as people type them",
            |_, claim| {
                claim.parent = PersonName::new("mary", "OCONNOR");
                claim.child = PersonName::new("Zoe", "O’Connor");
            },
            ProvedByCode,
            Some(Sms),
        ),
        (
            "her telephone, after her death",
            |family, _| {
                let mary = family.school.directory.people.get_mut(&family.mary).unwrap();
                mary.value.as_mut().unwrap().deceased = true;
            },
            No,
            None,
        ),
        ("day and month swapped", |_, claim| claim.born = DateOfBirth(date(2018, 4, 3)), Review, Some(Sms)),
        ("another child", |_, claim| claim.child = PersonName::new("Ann", "Smith"), No, None),
        ("given name alone", |_, claim| claim.child = PersonName::new("Zoë", ""), No, None),
        ("likeness is not enough", |_, claim| claim.parent = PersonName::new("Marie", "O'Connor"), No, None),
        (
            "names the wrong way round",
            |_, claim| claim.parent = PersonName::new("O'Connor", "Mary"),
            Review,
            Some(Sms),
        ),
        (
            "twins born on that day",
            |family, _| {
                let twin = family.school.pupil("Aoife O'Connor", "3", "3B");
                family.school.link(twin, family.mary, responsible());
            },
            ProvedByCode,
            Some(Sms),
        ),
        (
            "two children of one name and day",
            |family, _| {
                family.school.pupil("Zoe OConnor", "3", "3B");
            },
            Review,
            Some(Sms),
        ),
        (
            "two contacts of one name",
            |family, _| {
                let grandmother = family.school.contact("Mary O'Connor", "gran@example.com", &[]);
                family.school.link(family.zoe, grandmother, responsible());
            },
            Review,
            None,
        ),
    ]);
}

#[test]
fn a_code_goes_only_where_one_person_reads_it() {
    use Channel::{Email, Sms};
    use Verdict::{No, ProvedByCode, Review};
    decided(&[
        (
            "only the e-mail address is hers",
            |_, claim| claim.mobile = PhoneNumber::parse("07700 900777").unwrap().number,
            ProvedByCode,
            Some(Email),
        ),
        (
            "only the mobile is hers",
            |_, claim| claim.email = "else@example.com".parse().unwrap(),
            ProvedByCode,
            Some(Sms),
        ),
        (
            "no mobile registered",
            |family, _| family.school.person(family.mary).phones.clear(),
            ProvedByCode,
            Some(Email),
        ),
        (
            "neither contact point is hers",
            |_, claim| {
                claim.mobile = PhoneNumber::parse("07700 900777").unwrap().number;
                claim.email = "else@example.com".parse().unwrap();
            },
            No,
            None,
        ),
        (
            "a number of hers that no text goes to",
            |family, claim| {
                let phones = &mut family.school.person(family.mary).phones;
                phones.insert(0, PhoneNumber::parse("07700 900555").unwrap().number);
                claim.email = "else@example.com".parse().unwrap();
            },
            Review,
            None,
        ),
        (
            "father on her mobile",
            |family, _| share(family, "", MOBILE, responsible()),
            ProvedByCode,
            Some(Email),
        ),
        (
            "father on her mobile, and her e-mail address not named",
            |family, claim| {
                share(family, "", MOBILE, responsible());
                claim.email = "else@example.com".parse().unwrap();
            },
            Review,
            None,
        ),
        ("father on both", |family, _| share(family, EMAIL, MOBILE, responsible()), Review, None),
        (
            "a restricted father on both",
            |family, _| share(family, EMAIL, MOBILE, Link { restricted: true, ..responsible() }),
            Review,
            None,
        ),
        (
            "another family's father on her mobile",
            |family, _| {
                family.school.contact("Cy Brown", "", &[MOBILE]);
            },
            ProvedByCode,
            Some(Email),
        ),
    ]);
}

#[test]
fn the_link_decides_who_may() {
    use Channel::Sms;
    use Verdict::{No, ProvedByCode, Review};
    decided(&[
        ("restricted", |family, _| tie(family).restricted = true, No, None),
        (
            "restricted and first in line",
            |family, _| *tie(family) = Link { restricted: true, ..unknown(Some(1)) },
            No,
            None,
        ),
        ("not responsible", |family, _| tie(family).parental_responsibility = Responsibility::No, No, None),
        (
            "not responsible, first in line",
            |family, _| {
                *tie(family) = Link { parental_responsibility: Responsibility::No, ..unknown(Some(1)) }
            },
            No,
            None,
        ),
        ("unknown, first in line", |family, _| *tie(family) = unknown(Some(1)), ProvedByCode, Some(Sms)),
        ("unknown, second in line", |family, _| *tie(family) = unknown(Some(2)), Review, Some(Sms)),
        ("unknown, no place in line", |family, _| *tie(family) = unknown(None), Review, Some(Sms)),
        (
            "no longer named by the school's system",
            |family, _| tie(family).missing_since = Some(Timestamp::UNIX_EPOCH),
            No,
            None,
        ),
        (
            "not her child",
            |family, _| drop(family.school.directory.links.remove(&(family.zoe, family.mary))),
            No,
            None,
        ),
        (
            "no date of birth known",
            |family, _| family.school.person(family.zoe).date_of_birth = None,
            No,
            None,
        ),
        ("an empty school", |family, _| family.school = Families::default(), No, None),
    ]);
}

fn tie(family: &mut Family) -> &mut Link {
    family.school.tie(family.zoe, family.mary)
}

/// Adds a father with these contact points.
fn share(family: &mut Family, email: &str, mobile: &str, link: Link) {
    let father = family.school.contact("John O'Connor", email, &[mobile]);
    family.school.link(family.zoe, father, link);
}

#[test]
fn a_pupil_is_never_taken_for_a_parent_nor_a_parent_for_a_pupil() {
    let mut family = family();
    let adult = family.school.contact("Zoë O'Connor", "zoe@example.com", &[]);
    family.school.person(adult).date_of_birth = Some(DateOfBirth(date(2018, 3, 4)));
    let children = children(&family.school.directory, &claim(), TODAY);
    assert_eq!(children.iter().map(|child| child.id).collect::<Vec<_>>(), [family.zoe]);
}
