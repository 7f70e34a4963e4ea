//! Claims that must never be approved: by people who know nearly everything, read what another registered, bear another's name, or
//! may not see the child.
//!
//! A claim is falsely approved where a code goes to a contact point that the claimant reads ([`Case::reads`]) for a contact that they
//! are not, or about a child whom they may not see ([`Case::may`]). Somebody who types all that is registered with another looks
//! just like them: there the code goes to its owner, and the claimant never sees it.

use std::collections::BTreeSet;

use jiff::{Timestamp, civil::Date};
use shared::{
    id::PersonId,
    person::{
        DateOfBirth, Few, Person, Role,
        guardianship::{
            Link,
            Relationship::{Father, Grandparent, Mother, Other, Relative, StepParent, Unknown},
        },
        name::PersonName,
    },
    verify::claim::Claim,
};

use super::{
    Case, Points, School, Tallies,
    family::{Family, denied, family, kept_away, like},
    names::{FAMILIES, MEN, Named, TWINS, WOMEN},
    responsible,
};

/// How many claims of each kind are made.
const EACH: u64 = 60;
/// Families beside the one in question.
const FILLERS: usize = 8;

/// Makes every dangerous claim and counts what it came to.
pub fn tallies(seed: u64) -> Tallies {
    let mut tallies = Tallies::new();
    for (at, (kind, make)) in DANGERS.iter().enumerate() {
        for turn in 0..EACH {
            let mut school = School::new(seed.wrapping_mul(1_000_003) + at as u64 * 1_009 + turn);
            let claimant = make(&mut school);
            for _ in 0..FILLERS {
                family(&mut school);
            }
            let case = Case { kind, reads: claimant.reads, may: claimant.may, claim: claimant.claim };
            let found = school.decide(&case);
            tallies.entry(*kind).or_default().count(&school, &case, &found);
        }
    }
    tallies
}

type Danger = fn(&mut School) -> Claimant;

const DANGERS: &[(&str, Danger)] = &[
    ("twins: contact of the other one", other_twin),
    ("twins: kept away from this one", restricted_twin),
    ("two children of one name and day", namesake_child),
    ("other parent's shared mobile", shared_with_parent),
    ("restricted parent reads the mobile", shared_with_restricted),
    ("childminder's number on two families", shared_across_families),
    ("grandparent shares the e-mail", shared_with_grandparent),
    ("step-parent without responsibility", step_parent),
    ("nobody says who is responsible", unsaid),
    ("father and son on one child", father_and_son),
    ("father and son on two children", father_and_grandfather),
    ("restricted, every fact right", restricted),
    ("restricted, with a slip", restricted_slip),
    ("restricted, in a second record too", restricted_twice),
    ("restricted, under a new id", restricted_before_change),
    ("day and month swapped, phone in hand", born_swapped),
    ("another birthday, phone in hand", born_near),
    ("child's name only alike, phone in hand", child_alike),
    ("every fact but the phone", all_but_phone),
    ("every fact and the number, not the phone", impersonation),
    ("the other parent's contact points", other_points),
    ("aunt named like the mother, one phone", aunt),
    ("a dead parent's phone", dead_parent),
    ("a child who has died or left", gone_child),
    ("a tie that has ended", ended_tie),
    ("the school's own address", school_address),
    ("a colleague's address on a contact", colleague_address),
    ("a number that stands on many", placeholder),
    ("sixth-former with the parent's number", sixth_former),
    ("maiden name, somebody else's phone", other_name),
];

/// Who claims, and what they typed.
struct Claimant {
    claim: Claim,
    reads: BTreeSet<String>,
    may: BTreeSet<(PersonId, PersonId)>,
}

/// Somebody with no right here, who reads these.
fn nobody(claim: Claim, reads: &Points) -> Claimant {
    Claimant { claim, reads: reads.all(), may: BTreeSet::new() }
}

fn other_twin(school: &mut School) -> Claimant {
    let family = family(school);
    let (one, other) = TWINS[school.dice.roll(TWINS.len())];
    let surname = family.child_name.family().to_owned();
    let rename = |given| PersonName::new(given, &surname);
    school.person(family.child).name = rename(one);
    let twin = school.pupil(rename(other), family.born);
    school.tie(twin, family.mother, responsible(Mother));
    // The father is down for one twin alone, and claims the other, whose mother is as registered.
    let mut claim = family.claim(family.father_name(), &family.his);
    claim.child = rename(other);
    Claimant { claim, reads: family.his.all(), may: BTreeSet::from([(family.father, family.child)]) }
}

fn restricted_twin(school: &mut School) -> Claimant {
    let family = family(school);
    let (one, other) = TWINS[school.dice.roll(TWINS.len())];
    let surname = family.child_name.family().to_owned();
    school.person(family.child).name = PersonName::new(one, &surname);
    let twin = school.pupil(PersonName::new(other, &surname), family.born);
    school.tie(twin, family.mother, responsible(Mother));
    school.tie(twin, family.father, kept_away(Father));
    let mut claim = family.claim(family.father_name(), &family.his);
    claim.child = PersonName::new(other, &surname);
    Claimant { claim, reads: family.his.all(), may: BTreeSet::from([(family.father, family.child)]) }
}

fn namesake_child(school: &mut School) -> Claimant {
    let (one, two) = (family(school), family(school));
    school.person(two.child).name = one.child_name.clone();
    school.person(two.child).date_of_birth = Some(DateOfBirth(one.born));
    school.person(two.father).name = one.father_name().clone();
    let is_kept_away = school.dice.falls(500);
    school.tie(one.child, one.father, if is_kept_away { kept_away(Father) } else { denied(Father) });
    nobody(one.claim(one.father_name(), &one.his), &one.his)
}

fn shared_with_parent(school: &mut School) -> Claimant {
    let family = family(school);
    let mobile = family.hers.mobiles.clone();
    school.person(family.father).phones.clone_from(&mobile);
    let link = if school.dice.falls(500) { denied(Father) } else { kept_away(Father) };
    school.tie(family.child, family.father, link);
    let reads = Points { mobiles: mobile, emails: family.his.emails.clone() };
    let mut claim = family.claim(family.mother_name(), &family.hers);
    if school.dice.falls(500) {
        claim.email = family.his.emails[0].clone();
    }
    // Where her own address is named too, the code goes there, and he does not see it.
    nobody(claim, &reads)
}

fn shared_with_restricted(school: &mut School) -> Claimant {
    let family = family(school);
    // He has it as his second number: no text to him goes there, and he reads it all the same.
    let mobile = family.hers.mobiles[0].clone();
    school.person(family.father).phones.push(mobile.clone());
    school.tie(family.child, family.father, kept_away(Father));
    let mut reads = family.his.clone();
    reads.mobiles.push(mobile.clone());
    let name = if school.dice.falls(700) { family.mother_name() } else { family.father_name() };
    let mut claim = family.claim(name, &family.his);
    claim.mobile = mobile;
    nobody(claim, &reads)
}

fn shared_across_families(school: &mut School) -> Claimant {
    let (one, two) = (family(school), family(school));
    let mobile = one.hers.mobiles.clone();
    let minder = Named::one(&mut school.dice, WOMEN, "Childminder").name;
    let hers = Points { mobiles: mobile, emails: Vec::new().into() };
    school.contact(minder, &hers, two.child, denied(Other));
    let mut claim = one.claim(one.mother_name(), &one.hers);
    claim.email = school.email();
    nobody(claim, &hers)
}

fn shared_with_grandparent(school: &mut School) -> Claimant {
    let family = family(school);
    let gran = Named::one(&mut school.dice, WOMEN, family.child_name.family()).name;
    let emails = family.hers.emails.clone();
    let points = Points { mobiles: [school.mobile()].into(), emails };
    let link = Link { emergency_contact: true, ..Link { relationship: Grandparent, ..Link::default() } };
    school.contact(gran.clone(), &points, family.child, link);
    let name = if school.dice.falls(500) { &gran } else { family.mother_name() };
    nobody(family.claim(name, &points), &points)
}

fn step_parent(school: &mut School) -> Claimant {
    let family = family(school);
    let named = Named::one(&mut school.dice, MEN, FAMILIES[school.numbers as usize % 20]);
    let his = school.points();
    school.contact(named.name.clone(), &his, family.child, denied(StepParent));
    let name = like(school, &named);
    nobody(family.claim(&name, &his), &his)
}

fn unsaid(school: &mut School) -> Claimant {
    let family = family(school);
    let named = Named::one(&mut school.dice, MEN, FAMILIES[school.numbers as usize % 20]);
    let his = school.points();
    let priority = [None, Some(2), Some(3)][school.dice.roll(3)];
    let relationship = [Unknown, Father, StepParent, Grandparent][school.dice.roll(4)];
    school.contact(
        named.name.clone(),
        &his,
        family.child,
        Link { relationship, priority, ..Link::default() },
    );
    nobody(family.claim(&named.name, &his), &his)
}

fn father_and_son(school: &mut School) -> Claimant {
    let family = family(school);
    let link = [denied(Relative), kept_away(Relative), Link { relationship: Relative, ..Link::default() }]
        [school.dice.roll(3)]
    .clone();
    // The grown-up brother bears his father's name; at times he lives at home and uses his telephone.
    let mut son = school.points();
    if school.dice.falls(500) {
        son.mobiles.clone_from(&family.his.mobiles);
    }
    school.contact(family.father_name().clone(), &son, family.child, link);
    nobody(family.claim(family.father_name(), &son), &son)
}

fn father_and_grandfather(school: &mut School) -> Claimant {
    let (one, two) = (family(school), family(school));
    // His son's namesake, down for a cousin, with the telephone of the house.
    let points = if school.dice.falls(500) {
        one.his.clone()
    } else {
        Points { emails: [school.email()].into(), ..one.his.clone() }
    };
    let relationship = [Grandparent, Relative][school.dice.roll(2)];
    let link = if school.dice.falls(500) { kept_away(relationship) } else { responsible(relationship) };
    let grandfather = school.contact(one.father_name().clone(), &points, two.child, link.clone());
    let may = if link.restricted { BTreeSet::new() } else { BTreeSet::from([(grandfather, two.child)]) };
    Claimant { claim: one.claim(one.father_name(), &points), reads: points.all(), may }
}

fn restricted(school: &mut School) -> Claimant {
    let family = family(school);
    let priority = [None, Some(1)][school.dice.roll(2)];
    school.tie(family.child, family.father, Link { priority, ..kept_away(Father) });
    nobody(family.claim(family.father_name(), &family.his), &family.his)
}

fn restricted_slip(school: &mut School) -> Claimant {
    let family = family(school);
    school.tie(family.child, family.father, kept_away(Father));
    let name = like(school, &family.names[1]);
    let mut claim = family.claim(&name, &family.his);
    if school.dice.falls(300) {
        claim.mobile = school.mobile();
    }
    nobody(claim, &family.his)
}

fn restricted_twice(school: &mut School) -> Claimant {
    let family = family(school);
    school.tie(family.child, family.father, kept_away(Father));
    // The second record, of which the order was not told.
    let second = school.points();
    let name = like(school, &family.names[1]);
    school.contact(family.father_name().clone(), &second, family.child, responsible(Father));
    let points = if school.dice.falls(500) { &second } else { &family.his };
    let mut reads = second.clone();
    reads.mobiles.extend(family.his.mobiles.clone());
    reads.emails.extend(family.his.emails.clone());
    nobody(family.claim(&name, points), &reads)
}

fn restricted_before_change(school: &mut School) -> Claimant {
    let family = family(school);
    // The school has changed its system: the old record and its tie are missing, the new one knows of no order.
    let missing_since = Some(Timestamp::from_second(1_793_000_000).expect("an instant"));
    school.tie(family.child, family.father, Link { missing_since, ..kept_away(Father) });
    school.person(family.father).missing_since = missing_since;
    school.contact(family.father_name().clone(), &family.his, family.child, responsible(Father));
    nobody(family.claim(family.father_name(), &family.his), &family.his)
}

/// Somebody who holds the mother's telephone, and whom no register knows.
fn with_her_phone(family: &Family) -> Claimant {
    nobody(family.claim(family.mother_name(), &family.hers), &family.hers)
}

fn born_swapped(school: &mut School) -> Claimant {
    let family = family(school);
    let mut claimant = with_her_phone(&family);
    let (year, month, day) = (family.born.year(), family.born.month(), family.born.day());
    let other = if month == day { family.born.tomorrow() } else { Date::new(year, day, month) };
    claimant.claim.born = DateOfBirth(other.unwrap_or_else(|_| Date::constant(year, 1, day)));
    if claimant.claim.born == DateOfBirth(family.born) {
        claimant.claim.born = DateOfBirth(family.born.tomorrow().expect("a day"));
    }
    claimant
}

fn born_near(school: &mut School) -> Claimant {
    let family = family(school);
    let mut claimant = with_her_phone(&family);
    let year_later = Date::new(family.born.year() + 1, family.born.month(), family.born.day());
    let near = [family.born.tomorrow(), family.born.yesterday(), year_later][school.dice.roll(3)].clone();
    claimant.claim.born = DateOfBirth(near.expect("a day"));
    claimant
}

fn child_alike(school: &mut School) -> Claimant {
    let family = family(school);
    let mut claimant = with_her_phone(&family);
    let name = &family.child_name;
    let initial: String = name.given().chars().take(1).collect();
    claimant.claim.child = match school.dice.roll(4) {
        0 => PersonName::new(&format!("{}e", name.given()), name.family()),
        1 => PersonName::new(&initial, name.family()),
        2 => PersonName::new(name.family(), name.given()),
        _ => PersonName::new(&format!("{} Alexander", name.given()), name.family()),
    };
    claimant
}

fn all_but_phone(school: &mut School) -> Claimant {
    let family = family(school);
    let his = school.points();
    nobody(family.claim(family.mother_name(), &his), &his)
}

fn impersonation(school: &mut School) -> Claimant {
    let family = family(school);
    let mut claim = family.claim(family.mother_name(), &family.hers);
    let his = school.points();
    if school.dice.falls(500) {
        claim.email = his.emails[0].clone();
    }
    nobody(claim, &his)
}

fn other_points(school: &mut School) -> Claimant {
    let family = family(school);
    let may_not = [denied(Father), kept_away(Father), Link { relationship: Father, ..Link::default() }];
    let link = may_not[school.dice.roll(3)].clone();
    school.tie(family.child, family.father, link);
    let mut reads = family.his.clone();
    let (name, points) = match school.dice.roll(3) {
        // His own name with what is hers, or hers with what is his; at times he reads her mail at home.
        0 => (family.father_name(), &family.hers),
        1 => (family.mother_name(), &family.his),
        _ => {
            reads.emails.extend(family.hers.emails.clone());
            (family.father_name(), &family.hers)
        }
    };
    nobody(family.claim(name, points), &reads)
}

fn aunt(school: &mut School) -> Claimant {
    let family = family(school);
    let mother = PersonName::new("Ann", family.child_name.family());
    let aunt = PersonName::new("Anne", family.child_name.family());
    school.person(family.mother).name = mother.clone();
    let mut hers = school.points();
    hers.mobiles.clone_from(&family.hers.mobiles);
    school.contact(aunt.clone(), &hers, family.child, denied(Relative));
    let name = if school.dice.falls(500) { &mother } else { &aunt };
    nobody(family.claim(name, &hers), &hers)
}

fn dead_parent(school: &mut School) -> Claimant {
    let family = family(school);
    school.person(family.father).deceased = true;
    nobody(family.claim(family.father_name(), &family.his), &family.his)
}

fn gone_child(school: &mut School) -> Claimant {
    let family = family(school);
    let way = school.dice.roll(3);
    let child = school.person(family.child);
    match way {
        0 => child.deceased = true,
        1 => child.leaves_on = super::TODAY.yesterday().ok(),
        _ => child.missing_since = Some(Timestamp::from_second(1_780_000_000).expect("an instant")),
    }
    nobody(family.claim(family.mother_name(), &family.hers), &family.hers)
}

fn ended_tie(school: &mut School) -> Claimant {
    let family = family(school);
    let missing_since = Some(Timestamp::from_second(1_780_000_000).expect("an instant"));
    let link = if school.dice.falls(500) {
        Link { ended: true, ..responsible(Father) }
    } else {
        Link { missing_since, ..responsible(Father) }
    };
    school.tie(family.child, family.father, link);
    nobody(family.claim(family.father_name(), &family.his), &family.his)
}

fn school_address(school: &mut School) -> Claimant {
    let family = family(school);
    let office = school.own[school.numbers as usize % 2].clone();
    school.person(family.mother).emails = [office.clone()].into();
    let office = Points { mobiles: [school.mobile()].into(), emails: [office].into() };
    nobody(family.claim(family.mother_name(), &office), &office)
}

fn colleague_address(school: &mut School) -> Claimant {
    let family = family(school);
    let points = school.points();
    let named = Named::one(&mut school.dice, MEN, "Colleague").name;
    let is_email = school.dice.falls(500);
    let colleague = Person {
        emails: points.emails.clone(),
        phones: points.mobiles.clone(),
        ..Person::named(Role::Staff, named)
    };
    school.add(colleague);
    let mother = school.person(family.mother);
    let mut typed = family.hers.clone();
    if is_email {
        mother.emails.clone_from(&points.emails);
        typed.emails.clone_from(&points.emails);
        typed.mobiles = [school.mobile()].into();
    } else {
        mother.phones.clone_from(&points.mobiles);
        typed.mobiles.clone_from(&points.mobiles);
        typed.emails = [school.email()].into();
    }
    nobody(family.claim(family.mother_name(), &typed), &points)
}

fn placeholder(school: &mut School) -> Claimant {
    let families = [family(school), family(school), family(school), family(school)];
    let mobile = Few::from([school.mobile()]);
    for family in &families {
        school.person(family.mother).phones.clone_from(&mobile);
    }
    let reads = Points { mobiles: mobile, emails: [school.email()].into() };
    nobody(families[0].claim(families[0].mother_name(), &reads), &reads)
}

fn sixth_former(school: &mut School) -> Claimant {
    let family = family(school);
    let mobile = family.hers.mobiles.clone();
    school.person(family.child).phones.clone_from(&mobile);
    let reads = Points { mobiles: mobile, emails: [school.email()].into() };
    nobody(family.claim(family.mother_name(), &reads), &reads)
}

fn other_name(school: &mut School) -> Claimant {
    let family = family(school);
    let name = PersonName::new(family.mother_name().given(), "Maidenname");
    nobody(family.claim(&name, &family.hers), &family.hers)
}
