//! Parents who may see their child, and claim as people do: with the slips that names, dates and changed telephones bring, each at the
//! rate stated in [`SLIPS`]. How often they happen is assumed: no school counts it.

use std::collections::BTreeSet;

use shared::{
    id::PersonId,
    person::{
        DateOfBirth,
        guardianship::{
            Link,
            Relationship::{Father, Mother},
        },
        name::{PersonName, fold},
    },
    verify::claim::Claim,
};

use super::{
    Case, Dice, Points, School, Tallies,
    names::{FAMILIES, MEN, Named, WOMEN},
    responsible,
};

/// Schools, and families in each: every parent claims.
const SCHOOLS: u64 = 25;
const FAMILIES_EACH: usize = 100;

/// What goes wrong, and in how many claims of a thousand (where the name can bear it). The first that happens names the claim's kind.
const SLIPS: &[(&str, usize, Slip)] = &[
    ("case", 150, |_, typed| {
        typed.claim.parent =
            PersonName::new(&lower(typed.claim.parent.given()), &lower(typed.claim.parent.family()));
    }),
    ("accents left off", 600, |_, typed| both(typed, plain)),
    ("apostrophe or hyphen left off", 300, |_, typed| {
        both(typed, |text| text.replace('\'', "").replace('-', " "));
    }),
    ("title in the forename", 20, |_, typed| given(typed, |name| format!("Mrs {name}"))),
    ("parent's short name", 60, |_, typed| {
        let short = typed.short;
        given(typed, |name| if short.is_empty() { name.to_owned() } else { short.to_owned() });
    }),
    ("parent's name mistyped", 15, |dice, typed| {
        let slip = mistyped(dice, typed.claim.parent.given());
        given(typed, |_| slip.clone());
    }),
    ("names swapped", 7, |_, typed| {
        typed.claim.parent = PersonName::new(typed.claim.parent.family(), typed.claim.parent.given());
    }),
    ("initial", 5, |_, typed| given(typed, |name| name.chars().take(1).collect())),
    ("middle name added", 25, |_, typed| given(typed, |name| format!("{name} Louise"))),
    ("maiden or married name", 15, |_, typed| {
        typed.claim.parent = PersonName::new(typed.claim.parent.given(), "Featherstone");
    }),
    ("half of a double name", 150, |_, typed| {
        family(typed, |name| name.rsplit('-').next().unwrap_or(name).to_owned());
    }),
    ("particle left off", 200, |_, typed| {
        family(typed, |name| {
            name.trim_start_matches("de la ")
                .trim_start_matches("van der ")
                .trim_start_matches("da ")
                .to_owned()
        });
    }),
    ("child's short name", 40, |_, typed| {
        if !typed.child_short.is_empty() {
            typed.claim.child = PersonName::new(typed.child_short, typed.claim.child.family());
        }
    }),
    ("child's name mistyped", 8, |dice, typed| {
        let slip = mistyped(dice, typed.claim.child.given());
        typed.claim.child = PersonName::new(&slip, typed.claim.child.family());
    }),
    ("day and month swapped", 5, |_, typed| {
        let born = typed.claim.born.expose();
        let swapped = jiff::civil::Date::new(born.year(), born.day(), born.month()).unwrap_or(born);
        typed.claim.born = DateOfBirth(swapped);
    }),
    ("mobile of which the school knows nothing", 60, |_, typed| {
        typed.claim.mobile = typed.unknown.mobiles[0].clone();
    }),
    ("e-mail of which the school knows nothing", 180, |_, typed| {
        typed.claim.email = typed.unknown.emails[0].clone();
    }),
    ("neither is known to the school", 10, |_, typed| {
        typed.claim.mobile = typed.unknown.mobiles[0].clone();
        typed.claim.email = typed.unknown.emails[0].clone();
    }),
];

type Slip = fn(&mut Dice, &mut Typed);

/// What a parent types, and what slips are made of.
struct Typed {
    claim: Claim,
    short: &'static str,
    child_short: &'static str,
    unknown: Points,
}

/// A parent who may see the child.
struct Parent {
    id: PersonId,
    named: Named,
    points: Points,
}

/// Makes every honest claim and counts what it came to.
pub fn tallies(seed: u64) -> Tallies {
    let mut tallies = Tallies::new();
    for school in 0..SCHOOLS {
        let mut school = School::new(seed.wrapping_mul(7_919) + school);
        let cases: Vec<_> = (0..FAMILIES_EACH).flat_map(|_| claims_of_a_family(&mut school)).collect();
        for case in cases {
            let found = school.decide(&case);
            tallies.entry(case.kind).or_default().count(&school, &case, &found);
        }
    }
    tallies
}

/// A family in the register, with what registers get wrong, and both parents' claims.
fn claims_of_a_family(school: &mut School) -> Vec<Case> {
    let surname = school.dice.one(FAMILIES).to_owned();
    let born = school.born();
    let child = Named::one(&mut school.dice, if born.day() % 2 == 0 { WOMEN } else { MEN }, &surname);
    let pupil = school.pupil(child.name.clone(), born);
    let mut known_as = child.name.clone();
    if school.dice.falls(50) {
        school.person(pupil).preferred_name = Some(PersonName::new("Robin", ""));
        known_as = PersonName::new("Robin", &surname);
    } else if school.dice.falls(20) {
        school.person(pupil).former_family_name = Some("Formerly".into());
        known_as = PersonName::new(child.name.given(), "Formerly");
    }
    let mut parents = [(WOMEN, Mother, 1), (MEN, Father, 2)].map(|(of, relationship, priority)| {
        let named = Named::one(&mut school.dice, of, &surname);
        let mut points = school.points();
        let registered = if school.dice.falls(50) {
            PersonName::new(&format!("Mrs {}", named.name.given()), &surname)
        } else {
            named.name.clone()
        };
        if school.dice.falls(30) {
            points.mobiles.insert(0, school.mobile());
        }
        match school.dice.roll(100) {
            0..3 => points.mobiles.clear(),
            3..10 => points.emails.clear(),
            _ => {}
        }
        let link = if school.dice.falls(80) {
            Link { relationship, priority: Some(priority), ..Link::default() }
        } else {
            responsible(relationship)
        };
        let id = school.contact(registered, &points, pupil, link);
        Parent { id, named, points }
    });
    share(school, &mut parents);
    // A brother or sister, with the same parents or, in systems that keep contacts by pupil, with copies of them.
    if school.dice.falls(300) {
        let sibling = Named::one(&mut school.dice, MEN, &surname).name;
        let born = school.born();
        let sibling = school.pupil(sibling, born);
        let is_copied = school.dice.falls(200);
        for (parent, relationship) in parents.iter().zip([Mother, Father]) {
            if is_copied {
                let name = school.person(parent.id).name.clone();
                school.contact(name, &parent.points, sibling, responsible(relationship));
            } else {
                school.tie(sibling, parent.id, responsible(relationship));
            }
        }
    }
    let family = FamilyFacts { pupil, child, known_as, born: DateOfBirth(born) };
    parents.iter().map(|parent| claim(school, &family, parent)).collect()
}

/// Some parents have one mobile, and more have one e-mail address.
fn share(school: &mut School, parents: &mut [Parent; 2]) {
    let [one, other] = parents;
    if school.dice.falls(20) {
        other.points.mobiles.clone_from(&one.points.mobiles);
    }
    if school.dice.falls(60) {
        other.points.emails.clone_from(&one.points.emails);
    }
    let (phones, emails) = (other.points.mobiles.clone(), other.points.emails.clone());
    let person = school.person(other.id);
    (person.phones, person.emails) = (phones, emails);
}

/// What a parent knows of the child.
struct FamilyFacts {
    pupil: PersonId,
    child: Named,
    known_as: PersonName,
    born: DateOfBirth,
}

fn claim(school: &mut School, family: &FamilyFacts, parent: &Parent) -> Case {
    let unknown = school.points();
    // Who has two numbers is asked for one, and as often types the one that is no longer used for texts.
    let mobile = parent.points.mobiles.last().unwrap_or(&unknown.mobiles[0]);
    let email = parent.points.emails.first().unwrap_or(&unknown.emails[0]);
    let calls_by_known_name = school.dice.falls(500);
    let claim = Claim {
        school_code: "ABCD-2345".to_owned(),
        parent: parent.named.name.clone(),
        mobile: mobile.clone(),
        email: email.clone(),
        child: if calls_by_known_name { family.known_as.clone() } else { family.child.name.clone() },
        born: family.born,
    };
    let mut typed = Typed { claim, short: parent.named.short, child_short: family.child.short, unknown };
    let mut kind = "no slip";
    for (slip, per_mille, make) in SLIPS {
        if school.dice.falls(*per_mille) {
            let before = format!("{:?}", Seen(&typed.claim));
            make(&mut school.dice, &mut typed);
            if kind == "no slip" && before != format!("{:?}", Seen(&typed.claim)) {
                kind = slip;
            }
        }
    }
    let mut reads = parent.points.all();
    reads.extend(typed.unknown.all());
    Case { kind, claim: typed.claim, reads, may: BTreeSet::from([(parent.id, family.pupil)]) }
}

/// A claim in clear, to tell whether a slip has changed it.
struct Seen<'a>(&'a Claim);

impl std::fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Claim { parent, child, born, mobile, email, .. } = self.0;
        let (parent, child, born) = (parent.expose(), child.expose(), born.expose());
        write!(f, "{parent}|{child}|{born}|{}|{}", mobile.expose(), email.expose())
    }
}

fn given(typed: &mut Typed, change: impl Fn(&str) -> String) {
    let name = &typed.claim.parent;
    typed.claim.parent = PersonName::new(&change(name.given()), name.family());
}

fn family(typed: &mut Typed, change: impl Fn(&str) -> String) {
    let name = &typed.claim.parent;
    typed.claim.parent = PersonName::new(name.given(), &change(name.family()));
}

/// Changes the claimant's name and the child's alike.
fn both(typed: &mut Typed, change: impl Fn(&str) -> String) {
    for name in [&mut typed.claim.parent, &mut typed.claim.child] {
        *name = PersonName::new(&change(name.given()), &change(name.family()));
    }
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

/// Without accents, as a keyboard without them writes it.
fn plain(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { text.split(' ').map(fold).collect::<Vec<_>>().join(" ") }
}

/// A letter left out, doubled, or in its neighbour's place.
fn mistyped(dice: &mut Dice, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.len() < 3 {
        return text.to_owned();
    }
    let at = 1 + dice.roll(letters.len() - 2);
    match dice.roll(3) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, letters[at]),
        _ => letters.swap(at, at + 1),
    }
    letters.into_iter().collect()
}
