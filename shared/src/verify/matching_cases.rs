//! Claims by the numbers of the edge cases, the properties that hold for all, and the score of the made-up claims.

use jiff::{Timestamp, civil::date};
use proptest::prelude::*;

use super::{
    Evidence as E,
    tests::{Family, TODAY, claim, family, own, share, tie, unknown},
    *,
};
use crate::person::{guardianship::Relationship, made_up::responsible, name::PersonName, phone::PhoneNumber};

#[path = "../../examples/matching/score/mod.rs"]
mod score;

fn decided(family: &Family, claim: &Claim) -> Match {
    decide(&family.school.directory, claim, &own(), TODAY)
}

fn restricted() -> Link {
    Link { restricted: true, ..responsible() }
}

/// Asserts a verdict, that it is no alert, and some of its evidence.
fn check(found: &Match, verdict: Verdict, evidence: &[Evidence]) {
    assert_eq!((found.verdict, found.is_alert()), (verdict, false), "{found:?}");
    assert!(evidence.iter().all(|one| found.evidence.contains(one)), "{evidence:?} {found:?}");
}

/// Asserts that a claim is refused and the school told.
fn check_alert(found: &Match, why: Evidence) {
    assert_eq!((found.verdict, found.is_alert(), found.channel), (Verdict::No, true, None), "{found:?}");
    assert!(found.evidence.contains(&why), "{found:?}");
}

#[test]
fn edge_case_4_twins_are_told_apart_by_the_forename_alone() {
    let mut family = family();
    family.school.person(family.zoe).name = PersonName::new("Ella", "O'Connor");
    let twin = family.school.pupil("Ellie O'Connor", "3", "3A");
    family.school.link(twin, family.mary, responsible());
    let named = |given| Claim { child: PersonName::new(given, "O'Connor"), ..claim() };
    for (given, child) in [("Ella", family.zoe), ("ellie", twin)] {
        let found = decided(&family, &named(given));
        check(&found, Verdict::ProvedByCode, &[]);
        assert_eq!(found.pair, Some((family.mary, child)));
    }
    // A slip away from both.
    let found = decided(&family, &named("Elle"));
    check(&found, Verdict::Review, &[E::TwoChildren, E::ChildOneEdit]);
    assert_eq!(found.candidates, [(family.mary, family.zoe), (family.mary, twin)]);
    assert_eq!(decided(&family, &named("E")).verdict, Verdict::No);
    // The twin of whom the father is no contact is near the one of whom he is.
    share(&mut family, "john@example.com", "07700 900002", responsible());
    family.school.person(twin).name = PersonName::new("Ela", "O'Connor");
    let john = Claim {
        parent: PersonName::new("John", "O'Connor"),
        mobile: PhoneNumber::parse("07700 900002").unwrap().number,
        ..named("Ela")
    };
    check(&decided(&family, &john), Verdict::Review, &[E::TwoChildren]);
}

#[test]
fn edge_case_5_and_6_children_of_one_name_and_day_are_for_the_school_to_tell_apart() {
    let mut family = family();
    let other = family.school.pupil("Zoe O'Connor", "3", "3A");
    let found = decided(&family, &claim());
    check(&found, Verdict::Review, &[E::TwoChildren]);
    assert_eq!(found.pair, Some((family.mary, family.zoe)));
    let namesake = family.school.contact("Mary O'Connor", "other@example.com", &["07700 900008"]);
    family.school.link(other, namesake, responsible());
    let found = decided(&family, &claim());
    check(&found, Verdict::Review, &[E::TwoChildren, E::TwoContacts]);
    assert_eq!((found.pair, found.candidates.len()), (None, 2));
}

#[test]
fn edge_case_7_and_8_a_shared_contact_point_proves_nobody() {
    let mut family = family();
    share(&mut family, "mary@example.com", "07700 900001", responsible());
    let found = decided(&family, &claim());
    check(&found, Verdict::Review, &[E::ContactPointShared, E::MobileRegistered, E::EmailRegistered]);
    let channels = [Channel::Sms, Channel::Email];
    let directory = &family.school.directory;
    assert_eq!(own::own_channel(directory, family.mary, &own(), &channels), None);
    family.school.person(family.mary).emails = ["mary.own@example.com".parse().unwrap()].into();
    let directory = &family.school.directory;
    assert_eq!(own::own_channel(directory, family.mary, &own(), &channels), Some(Channel::Email));
    assert!(!own::is_own(directory, family.mary, Channel::Sms, &own()));
    // Not named, her own address proves nothing yet.
    check(&decided(&family, &claim()), Verdict::Review, &[E::ContactPointShared]);
}

#[test]
fn edge_case_11_copies_of_one_contact_are_one_human_unless_something_says_otherwise() {
    use Relationship::{Father, Grandparent, Mother, Relative, StepParent};
    let link = |relationship| Link { relationship, ..responsible() };
    for (copy, of_other_child, restrict, is_own) in [
        ("Mary O'Connor", Mother, false, true),
        ("mary OConnor", StepParent, false, true),
        ("Mary O'Connor", Grandparent, false, false),
        ("Mary O'Connor", Relative, false, false),
        ("Mary O'Connor", Father, false, false),
        ("Mary O'Connor", Mother, true, false),
        ("Marie O'Connor", Mother, false, false),
        ("Mary O'Connor Jr", Mother, false, false),
    ] {
        let mut family = family();
        *tie(&mut family) = link(Mother);
        let sibling = family.school.pupil("Finn O'Connor", "1", "1A");
        let copy_id = family.school.contact(copy, "", &["07700 900001"]);
        family.school.link(sibling, copy_id, Link { restricted: restrict, ..link(of_other_child) });
        let found = own::is_own(&family.school.directory, family.mary, Channel::Sms, &own());
        assert_eq!(found, is_own, "{copy} {of_other_child:?} {restrict}");
    }
    // Titles may say that they are two, and so does one child who has both.
    let mut family = family();
    family.school.person(family.mary).title = Some("Mrs".into());
    let mr = family.school.contact("Mary O'Connor", "", &["07700 900001"]);
    family.school.person(mr).title = Some("Mr".into());
    assert!(!own::is_own(&family.school.directory, family.mary, Channel::Sms, &own()));
    family.school.person(mr).title = Some("Ms".into());
    let sibling = family.school.pupil("Finn O'Connor", "1", "1A");
    let copies = [0, 1].map(|_| family.school.contact("Mary O'Connor", "", &["07700 900001"]));
    family.school.link(sibling, copies[0], responsible());
    assert!(own::is_own(&family.school.directory, family.mary, Channel::Sms, &own()));
    family.school.link(sibling, copies[1], responsible());
    assert!(!own::is_own(&family.school.directory, family.mary, Channel::Sms, &own()));
    family.school.link(family.zoe, copies[1], responsible());
    family.school.directory.links.remove(&(sibling, copies[1]));
    assert!(!own::is_own(&family.school.directory, family.mary, Channel::Sms, &own()));
}

#[test]
fn edge_case_12_father_and_son_of_one_name_are_for_the_school_to_tell_apart() {
    let mut family = family();
    let son = family.school.contact("Mary O'Connor", "son@example.com", &["07700 900002"]);
    family.school.link(family.zoe, son, Link { relationship: Relationship::Relative, ..Link::default() });
    let found = decided(&family, &claim());
    check(&found, Verdict::Review, &[E::TwoContacts, E::ResponsibilityUnknown]);
    assert_eq!((found.pair, found.candidates.len()), (None, 2));
}

#[test]
fn edge_case_13_a_contacts_former_name_is_not_theirs() {
    let mut family = family();
    family.school.person(family.mary).former_family_name = Some("Bell".into());
    let maiden = Claim { parent: PersonName::new("Mary", "Bell"), ..claim() };
    check(&decided(&family, &maiden), Verdict::Review, &[E::ParentFormerName]);
    check(&decided(&family, &claim()), Verdict::ProvedByCode, &[]);
}

#[test]
fn edge_case_14_the_name_a_child_goes_by_finds_the_child() {
    let mut family = family();
    family.school.person(family.zoe).preferred_name = Some(PersonName::new("Max", ""));
    let called = Claim { child: PersonName::new("Max", "O'Connor"), ..claim() };
    check(&decided(&family, &called), Verdict::ProvedByCode, &[E::ChildPreferredName]);
}

#[test]
fn edge_case_18_and_28_whoever_is_not_responsible_is_refused_and_the_school_told() {
    for relationship in [Relationship::StepParent, Relationship::Grandparent] {
        let mut family = family();
        let denied = Responsibility::No;
        *tie(&mut family) = Link {
            relationship,
            parental_responsibility: denied,
            emergency_contact: true,
            ..Link::default()
        };
        check_alert(&decided(&family, &claim()), E::NoResponsibility);
    }
}

#[test]
fn edge_case_19_the_dead_neither_claim_nor_read() {
    let mut family = family();
    share(&mut family, "", "07700 900001", responsible());
    let by_mobile = Claim { email: "else@example.com".parse().unwrap(), ..claim() };
    check(&decided(&family, &by_mobile), Verdict::Review, &[E::ContactPointShared]);
    let father = family.school.directory.links_of(family.zoe).map(|(id, _)| id).last().unwrap();
    family.school.person(father).deceased = true;
    check(&decided(&family, &by_mobile), Verdict::ProvedByCode, &[]);
    let as_father = Claim { parent: PersonName::new("John", "O'Connor"), ..by_mobile };
    check(&decided(&family, &as_father), Verdict::No, &[E::Deceased]);
}

#[test]
fn edge_case_24_a_restricted_parent_with_every_fact_is_refused_and_the_school_told() {
    let changes: [fn(&mut Family, &mut Claim); 6] = [
        |_, _| {},
        |_, claim| claim.parent = PersonName::new("Molly", "O'Connor"),
        |_, claim| claim.born = DateOfBirth(date(2018, 4, 3)),
        |_, claim| claim.child = PersonName::new("Zooe", "O'Connor"),
        // Whatever telephone they have now.
        |_, claim| {
            claim.mobile = PhoneNumber::parse("07700 900777").unwrap().number;
            claim.email = "else@example.com".parse().unwrap();
        },
        |family, _| tie(family).missing_since = Some(Timestamp::UNIX_EPOCH),
    ];
    for change in changes {
        let (mut family, mut claim) = (family(), claim());
        tie(&mut family).restricted = true;
        change(&mut family, &mut claim);
        check_alert(&decided(&family, &claim), E::Restricted);
    }
}

#[test]
fn nobody_gets_in_who_may_be_meant_by_a_restriction() {
    // A second record of the name, of which the order says nothing.
    let mut family = family();
    let second = family.school.contact("Mary O'Connor", "second@example.com", &["07700 900002"]);
    family.school.link(family.zoe, second, restricted());
    check_alert(&decided(&family, &claim()), E::Restricted);
    // Only like it: looked at, with the warning.
    family.school.person(second).name = PersonName::new("Molly", "O'Connor");
    check(&decided(&family, &claim()), Verdict::Review, &[E::Restricted]);
    // And refused with the restricted one's telephone.
    let theirs = Claim { mobile: PhoneNumber::parse("07700 900002").unwrap().number, ..claim() };
    check_alert(&decided(&family, &theirs), E::Restricted);
    // Another name does not stand in the way.
    family.school.person(second).name = PersonName::new("John", "O'Connor");
    check(&decided(&family, &claim()), Verdict::ProvedByCode, &[]);
}

#[test]
fn edge_case_27_the_other_parents_contact_points_are_not_ones_own() {
    let mut family = family();
    share(&mut family, "john@example.com", "07700 900002", responsible());
    let john = Claim { parent: PersonName::new("John", "O'Connor"), ..claim() };
    check(&decided(&family, &john), Verdict::No, &[]);
}

#[test]
fn edge_case_29_unknown_responsibility_is_for_the_school_to_decide() {
    let mut family = family();
    for priority in [None, Some(2), Some(99)] {
        *tie(&mut family) = unknown(priority);
        check(&decided(&family, &claim()), Verdict::Review, &[E::ResponsibilityUnknown]);
    }
    *tie(&mut family) = unknown(Some(1));
    check(&decided(&family, &claim()), Verdict::ProvedByCode, &[]);
}

#[test]
fn edge_case_44_a_number_that_stands_on_many_proves_nobody() {
    let mut family = family();
    for name in ["Ann Bell", "Bo Chen", "Cy Drew"] {
        family.school.contact(name, "", &["07700 900001"]);
    }
    let by_mobile = Claim { email: "else@example.com".parse().unwrap(), ..claim() };
    check(&decided(&family, &by_mobile), Verdict::Review, &[E::ContactPointShared]);
}

#[test]
fn edge_case_45_the_schools_own_address_proves_nobody() {
    let mut family = family();
    family.school.person(family.mary).emails = ["office@oakfield.example".parse().unwrap()].into();
    let mobile = PhoneNumber::parse("07700 900777").unwrap().number;
    let by_office =
        Claim { email: "office@oakfield.example".parse().unwrap(), mobile: mobile.clone(), ..claim() };
    check(&decided(&family, &by_office), Verdict::Review, &[E::ContactPointOfSchool]);
    // Nor does a colleague's, unless the colleague is the parent.
    for (name, verdict) in [("Cy Drew", Verdict::Review), ("Mrs Mary O'Connor", Verdict::ProvedByCode)] {
        let mut family = self::family();
        let (given, surname) = name.rsplit_once(' ').unwrap();
        family.school.add(Person {
            emails: ["mary@example.com".parse().unwrap()].into(),
            ..Person::named(Role::Staff, PersonName::new(given, surname))
        });
        let by_email = Claim { mobile: mobile.clone(), ..claim() };
        let found = decided(&family, &by_email);
        assert_eq!(found.verdict, verdict, "{name}");
        assert_eq!(found.evidence.contains(&E::ContactPointOfSchool), verdict == Verdict::Review);
    }
}

#[test]
fn edge_case_60_day_and_month_swapped_are_looked_at_and_never_approved() {
    let family = family();
    let swapped = Claim { born: DateOfBirth(date(2018, 4, 3)), ..claim() };
    check(&decided(&family, &swapped), Verdict::Review, &[E::BornDayMonthSwapped]);
    for born in [date(2018, 3, 5), date(2017, 3, 4), date(2018, 4, 4)] {
        check(&decided(&family, &Claim { born: DateOfBirth(born), ..claim() }), Verdict::No, &[]);
    }
}

#[test]
fn a_pupil_is_found_as_long_as_parents_see_them() {
    type Change = fn(&mut Person);
    let at = |day: Date| Some(day.to_zoned(TimeZone::UTC).unwrap().timestamp());
    let changes: [(Change, Verdict); 5] = [
        (|pupil| pupil.leaves_on = Some(TODAY), Verdict::ProvedByCode),
        (|pupil| pupil.leaves_on = Some(date(2026, 11, 1)), Verdict::No),
        (|pupil| pupil.deceased = true, Verdict::No),
        (|pupil| pupil.starts_on = Some(date(2027, 9, 1)), Verdict::ProvedByCode),
        (|pupil| pupil.date_of_birth = None, Verdict::No),
    ];
    for (change, verdict) in changes {
        let mut family = family();
        change(family.school.person(family.zoe));
        assert_eq!(decided(&family, &claim()).verdict, verdict);
    }
    for (gone, verdict) in [(date(2026, 10, 27), Verdict::ProvedByCode), (date(2026, 10, 26), Verdict::No)] {
        let mut family = family();
        family.school.person(family.zoe).missing_since = at(gone);
        assert_eq!(decided(&family, &claim()).verdict, verdict, "{gone}");
    }
}

#[test]
fn no_dangerous_claim_is_approved() {
    let mut claims = 0;
    for seed in 1..=2 {
        for (kind, tally) in score::dangers::tallies(seed) {
            claims += tally.claims;
            assert_eq!((tally.false_approvals, tally.proved), (0, 0), "{kind} {tally:?}");
            // All that is registered with the mother, typed by somebody else, is hers to see.
            let is_hers =
                matches!(kind, "every fact and the number, not the phone" | "other parent's shared mobile");
            assert!(is_hers || tally.to_owner == 0, "{kind} {tally:?}");
        }
    }
    assert!(claims >= 1_000);
}

#[test]
fn most_honest_parents_get_in_without_the_office() {
    let mut all = score::Tally::default();
    for (kind, tally) in score::honest::tallies(1) {
        assert_eq!((tally.false_approvals, tally.to_owner), (0, 0), "{kind} {tally:?}");
        all.claims += tally.claims;
        all.proved += tally.proved;
        all.no += tally.no;
    }
    assert_eq!(all.claims, 5_000);
    assert!(all.proved * 100 >= all.claims * 77, "{all:?}");
    assert!(all.no * 100 <= all.claims * 4, "{all:?}");
}

const GIVEN: [&str; 10] = ["Mary", "Molly", "M", "Mrs Mary", "Zoë", "Zoe", "Ella", "Ellie", "Elle", "John"];
const FAMILY: [&str; 5] = ["O'Connor", "oconnor", "Connor", "Smith", "Smith-O'Connor"];
const DAYS: [Date; 3] = [date(2018, 3, 4), date(2018, 4, 3), date(2018, 3, 5)];

/// Anybody of a small world in which nearly everybody is like somebody.
fn any_name() -> impl Strategy<Value = PersonName> {
    (0..GIVEN.len(), 0..FAMILY.len())
        .prop_map(|(given, family)| PersonName::new(GIVEN[given], FAMILY[family]))
}

fn any_number() -> impl Strategy<Value = PhoneNumber> {
    (0..3).prop_map(|last| PhoneNumber::parse(&format!("0770090000{last}")).unwrap().number)
}

fn any_email() -> impl Strategy<Value = EmailAddress> {
    (0..3).prop_map(|one| format!("home{one}@example.com").parse().unwrap())
}

fn any_claim() -> impl Strategy<Value = Claim> {
    let names = (any_name(), any_name(), 0..DAYS.len());
    (names, any_number(), any_email()).prop_map(|((parent, child, born), mobile, email)| Claim {
        school_code: "ABCD-2345".to_owned(),
        parent,
        mobile,
        email,
        child,
        born: DateOfBirth(DAYS[born]),
    })
}

fn any_link() -> impl Strategy<Value = Link> {
    (0..3_usize, 0..3_u8, 0..10_u8).prop_map(|(responsibility, priority, state)| Link {
        parental_responsibility: [Responsibility::Yes, Responsibility::Unknown, Responsibility::No]
            [responsibility],
        priority: Some(priority),
        restricted: state == 0,
        ended: state == 1,
        missing_since: (state == 2).then_some(Timestamp::UNIX_EPOCH),
        ..Link::default()
    })
}

/// Two pupils and four contacts, each perhaps tied to each.
fn any_school() -> impl Strategy<Value = Directory> {
    let pupils = proptest::collection::vec((any_name(), 0..DAYS.len()), 2);
    let contacts = proptest::collection::vec((any_name(), any_number(), any_email(), 0..10_u8), 4);
    let links = proptest::collection::vec((any_link(), 0..3_u8), 8);
    (pupils, contacts, links).prop_map(|(pupils, contacts, links)| {
        let mut school = crate::person::made_up::Families::default();
        let pupil = |(name, born): (PersonName, usize)| Person {
            date_of_birth: Some(DateOfBirth(DAYS[born])),
            ..Person::named(Role::Pupil, name)
        };
        let pupils: Vec<_> = pupils.into_iter().map(|one| school.add(pupil(one))).collect();
        for (at, (name, mobile, email, state)) in contacts.into_iter().enumerate() {
            let contact = school.add(Person {
                phones: [mobile].into(),
                emails: [email].into(),
                deceased: state == 0,
                ..Person::named(Role::Contact, name)
            });
            for (pupil, (link, is_tied)) in pupils.iter().zip(&links[2 * at..]) {
                if *is_tied > 0 {
                    school.link(*pupil, contact, link.clone());
                }
            }
        }
        school.directory
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_code_goes_out_only_where_all_is_as_registered(directory in any_school(), claim in any_claim()) {
        let found = decide(&directory, &claim, &[], TODAY);
        prop_assert!(found.pair.is_none_or(|pair| found.candidates == [pair]));
        if found.verdict == Verdict::ProvedByCode {
            let (contact, pupil) = found.pair.unwrap();
            let (person, child) = (directory.person(contact).unwrap(), directory.person(pupil).unwrap());
            prop_assert_eq!(child.date_of_birth, Some(claim.born));
            prop_assert!(child.name.folds_to(&claim.child));
            prop_assert!(directory.link(pupil, contact).unwrap().may_hold_account() && !person.deceased);
            let channel = found.channel.unwrap();
            prop_assert!(own::is_own(&directory, contact, channel, &[]));
            match channel {
                Channel::Sms => prop_assert_eq!(person.mobile(), Some(&claim.mobile)),
                Channel::Email => prop_assert_eq!(person.email(), Some(&claim.email)),
                Channel::App => prop_assert!(false, "no code goes to the app"),
            }
        }
    }

    #[test]
    fn a_restriction_never_lets_anybody_in(directory in any_school(), claim in any_claim(), which: usize) {
        let before = decide(&directory, &claim, &[], TODAY);
        let mut after = directory;
        let at = which % after.links.len().max(1);
        if let Some(link) = after.links.values_mut().nth(at).and_then(|stored| stored.value.as_mut()) {
            link.restricted = true;
        }
        let after = decide(&after, &claim, &[], TODAY);
        prop_assert!(after.verdict != Verdict::ProvedByCode || before.verdict == Verdict::ProvedByCode);
    }
}
