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
const EMAIL: &str = "mary@example.com";
pub(super) const TODAY: Date = date(2026, 11, 2);

/// Mary O'Connor's claim for Zoë, who was born on the day on which all pupils of [`Families`] are.
pub(super) fn claim() -> Claim {
    Claim {
        school_code: "ABCD-2345".to_owned(),
        parent: PersonName::new("Mary", "O'Connor"),
        mobile: PhoneNumber::parse(MOBILE).unwrap().number,
        email: EMAIL.parse().unwrap(),
        child: PersonName::new("Zoë", "O'Connor"),
        born: DateOfBirth(date(2018, 3, 4)),
    }
}

pub(super) struct Family {
    pub(super) school: Families,
    pub(super) zoe: PersonId,
    pub(super) mary: PersonId,
}

/// Zoë, her mother Mary, and another family.
pub(super) fn family() -> Family {
    let mut school = Families::default();
    let zoe = school.pupil("Zoë O'Connor", "3", "3A");
    let other = school.pupil("Ann Smith", "3", "3A");
    let mary = school.contact("Mary O'Connor", EMAIL, &[MOBILE]);
    let stranger = school.contact("Jo Smith", "jo@example.com", &["07700 900009"]);
    school.link(zoe, mary, responsible());
    school.link(other, stranger, responsible());
    Family { school, zoe, mary }
}

pub(super) fn unknown(priority: Option<u8>) -> Link {
    Link { priority, relationship: Relationship::Mother, ..Link::default() }
}

/// The school's own addresses.
pub(super) fn own() -> [EmailAddress; 2] {
    ["office@oakfield.example", "dpo@oakfield.example"].map(|text| text.parse().unwrap())
}

/// What is done to the family or the claim before it is decided.
pub(super) type Change = fn(&mut Family, &mut Claim);

/// Decides each claim of a table: what is done to the family or the claim -> verdict, and where the code would go.
pub(super) fn decided(table: &[(&str, Change, Verdict, Option<Channel>)]) {
    for (what, change, verdict, channel) in table {
        let (mut family, mut claim) = (family(), claim());
        change(&mut family, &mut claim);
        let found = decide(&family.school.directory, &claim, &own(), TODAY);
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
        ("born a day later", |_, claim| claim.born = DateOfBirth(date(2018, 3, 5)), No, None),
        (
            "day and month swapped, and her name only like",
            |_, claim| {
                claim.born = DateOfBirth(date(2018, 4, 3));
                claim.parent = PersonName::new("M", "O'Connor");
            },
            No,
            None,
        ),
        (
            "day and month swapped, and the child's name only like",
            |_, claim| {
                claim.born = DateOfBirth(date(2018, 4, 3));
                claim.child = PersonName::new("Zooe", "O'Connor");
            },
            No,
            None,
        ),
        ("given name alone", |_, claim| claim.child = PersonName::new("Zoë", ""), No, None),
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
fn a_like_name_of_the_parent_is_looked_at() {
    use Channel::Sms;
    use Verdict::{No, ProvedByCode, Review};
    decided(&[
        ("another given name", |_, claim| claim.parent = PersonName::new("Marie", "O'Connor"), No, None),
        ("a short form", |_, claim| claim.parent = PersonName::new("Molly", "O'Connor"), Review, Some(Sms)),
        (
            "a slip of the pen",
            |_, claim| claim.parent = PersonName::new("Marry", "O'Connor"),
            Review,
            Some(Sms),
        ),
        (
            "a title",
            |_, claim| claim.parent = PersonName::new("Mrs Mary", "O'Connor"),
            ProvedByCode,
            Some(Sms),
        ),
        ("no particle", |_, claim| claim.parent = PersonName::new("Mary", "Connor"), ProvedByCode, Some(Sms)),
        ("an initial", |_, claim| claim.parent = PersonName::new("M.", "O'Connor"), Review, Some(Sms)),
        (
            "a middle name",
            |_, claim| claim.parent = PersonName::new("Mary Ann", "O'Connor"),
            Review,
            Some(Sms),
        ),
        (
            "half a name",
            |_, claim| claim.parent = PersonName::new("Mary", "O'Connor-Bell"),
            Review,
            Some(Sms),
        ),
        ("another family name", |_, claim| claim.parent = PersonName::new("Mary", "Bell"), Review, Some(Sms)),
        (
            "another family name, and nothing of hers",
            |_, claim| {
                claim.parent = PersonName::new("Mary", "Bell");
                nothing_of_hers(claim);
            },
            No,
            None,
        ),
    ]);
}

#[test]
fn the_childs_name_is_one_that_the_school_knows() {
    use Channel::Sms;
    use Verdict::{No, ProvedByCode, Review};
    decided(&[
        (
            "a slip in the child's name",
            |_, claim| claim.child = PersonName::new("Zooe", "O'Connor"),
            Review,
            Some(Sms),
        ),
        ("the child's initial", |_, claim| claim.child = PersonName::new("Z", "O'Connor"), No, None),
        (
            "the child's name, no particle",
            |_, claim| claim.child = PersonName::new("Zoe", "Connor"),
            Review,
            Some(Sms),
        ),
        (
            "the child's preferred name",
            |family, claim| {
                family.school.person(family.zoe).preferred_name = Some(PersonName::new("Alex", ""));
                claim.child = PersonName::new("alex", "oconnor");
            },
            ProvedByCode,
            Some(Sms),
        ),
        (
            "the child's former name",
            |family, claim| {
                family.school.person(family.zoe).former_family_name = Some("Smith".into());
                claim.child = PersonName::new("Zoe", "Smith");
            },
            ProvedByCode,
            Some(Sms),
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
        ("neither contact point is hers", |_, claim| nothing_of_hers(claim), No, None),
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

pub(super) fn tie(family: &mut Family) -> &mut Link {
    family.school.tie(family.zoe, family.mary)
}

/// Names contact points that nobody has.
fn nothing_of_hers(claim: &mut Claim) {
    claim.mobile = PhoneNumber::parse("07700 900777").unwrap().number;
    claim.email = "else@example.com".parse().unwrap();
}

/// Adds a father with these contact points.
pub(super) fn share(family: &mut Family, email: &str, mobile: &str, link: Link) {
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
