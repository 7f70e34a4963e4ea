//! Made-up schools and the claims made there, each with the truth of who claims: the same for the bench and for the unit tests.

pub mod dangers;
mod family;
pub mod honest;
mod names;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{
    Timestamp,
    civil::{Date, date},
};
use shared::{
    channel::Channel,
    id::PersonId,
    person::{
        DateOfBirth, Few, Person, Role,
        email::EmailAddress,
        guardianship::{Link, Relationship, Responsibility},
        name::PersonName,
        phone::PhoneNumber,
        store::{Directory, Stored, Version, Versions},
    },
    verify::{
        claim::Claim,
        matching::{Match, Verdict, decide},
    },
};

/// The day of every claim.
pub const TODAY: Date = date(2026, 11, 2);

/// Numbers that look random and follow from a seed alone (`SplitMix64`).
pub struct Dice(u64);

impl Dice {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of 0 to `below` - 1.
    pub fn roll(&mut self, below: usize) -> usize {
        usize::try_from(self.next() % below as u64).unwrap_or_default()
    }

    /// Whether something happens that does so in `per_mille` cases of a thousand.
    pub fn falls(&mut self, per_mille: usize) -> bool {
        self.roll(1000) < per_mille
    }

    /// One of some.
    pub fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }
}

/// A claim, the school it is made to, and who really makes it.
pub struct Case {
    /// The kind of case, or of slip.
    pub kind: &'static str,
    /// What was typed.
    pub claim: Claim,
    /// The contact points that the claimant reads.
    pub reads: BTreeSet<String>,
    /// The records that are the claimant's own, with the pupils whom they may see.
    pub may: BTreeSet<(PersonId, PersonId)>,
}

/// What the claims of a kind came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All.
    pub claims: u64,
    /// A code to the claimant, who may see the child.
    pub proved: u64,
    /// For the school to look at.
    pub review: u64,
    /// Refused.
    pub no: u64,
    /// A code that the claimant can read, for a contact that they are not or a child whom they may not see.
    pub false_approvals: u64,
    /// A code that went to its owner, who did not ask for it, where the claimant cannot read it.
    pub to_owner: u64,
}

impl Tally {
    fn count(&mut self, school: &School, case: &Case, found: &Match) {
        self.claims += 1;
        match found.verdict {
            Verdict::Review => self.review += 1,
            Verdict::No => self.no += 1,
            Verdict::ProvedByCode => {
                let person = found.pair.and_then(|(contact, _)| school.directory.person(contact));
                let point = person.zip(found.channel).and_then(|(person, channel)| match channel {
                    Channel::Email => person.email().map(EmailAddress::expose),
                    Channel::Sms => person.mobile().map(PhoneNumber::expose),
                    Channel::App => None,
                });
                // A code to nowhere would be a fault of the matching, and is held to be the worst.
                let is_read = point.is_none_or(|point| case.reads.contains(point));
                let may = found.pair.is_some_and(|pair| case.may.contains(&pair));
                let count = match (is_read, may) {
                    (true, true) => &mut self.proved,
                    (true, false) => &mut self.false_approvals,
                    (false, _) => &mut self.to_owner,
                };
                *count += 1;
            }
        }
    }
}

/// What claims came to, by kind.
pub type Tallies = BTreeMap<&'static str, Tally>;

/// A made-up school.
pub struct School {
    /// Everybody.
    pub directory: Directory,
    /// The school's own addresses.
    pub own: Vec<EmailAddress>,
    dice: Dice,
    people: i64,
    numbers: u32,
}

/// A contact point or two, as typed.
#[derive(Clone, Debug, Default)]
pub struct Points {
    /// Numbers, the first being where texts go.
    pub mobiles: Few<PhoneNumber>,
    /// Addresses, the first being where mail goes.
    pub emails: Few<EmailAddress>,
}

impl Points {
    /// All of them, as the claimant reads them.
    pub fn all(&self) -> BTreeSet<String> {
        let mobiles = self.mobiles.iter().map(|mobile| mobile.expose().to_owned());
        mobiles.chain(self.emails.iter().map(|email| email.expose().to_owned())).collect()
    }
}

impl School {
    /// An empty one.
    pub fn new(seed: u64) -> Self {
        let own =
            ["office@oakfield.example", "dpo@oakfield.example"].map(|text| text.parse().expect("an address"));
        Self {
            directory: Directory::default(),
            own: own.into(),
            dice: Dice::new(seed),
            people: 0,
            numbers: 0,
        }
    }

    /// Adds somebody.
    pub fn add(&mut self, person: Person) -> PersonId {
        self.people += 1;
        let made = Timestamp::from_second(self.people).expect("a second of 1970");
        let id = PersonId::new(made, &[0; 10]);
        self.directory.people.insert(id, stored(person));
        id
    }

    /// Adds a pupil.
    pub fn pupil(&mut self, name: PersonName, born: Date) -> PersonId {
        self.add(Person { date_of_birth: Some(DateOfBirth(born)), ..Person::named(Role::Pupil, name) })
    }

    /// Adds a contact of a pupil.
    pub fn contact(&mut self, name: PersonName, points: &Points, pupil: PersonId, link: Link) -> PersonId {
        let person = Person {
            phones: points.mobiles.clone(),
            emails: points.emails.clone(),
            ..Person::named(Role::Contact, name)
        };
        let id = self.add(person);
        self.tie(pupil, id, link);
        id
    }

    /// Ties a contact to a pupil, or ties them anew.
    pub fn tie(&mut self, pupil: PersonId, contact: PersonId, link: Link) {
        self.directory.links.insert((pupil, contact), stored(link));
    }

    /// Somebody, to be changed.
    pub fn person(&mut self, id: PersonId) -> &mut Person {
        self.directory
            .people
            .get_mut(&id)
            .and_then(|stored| stored.value.as_mut())
            .expect("somebody who was added")
    }

    /// A mobile that nobody has. Of the numbers kept for drama there are a thousand, and no school here has more contacts.
    pub fn mobile(&mut self) -> PhoneNumber {
        self.numbers += 1;
        let text = format!("07700 900{:03}", self.numbers % 1000);
        PhoneNumber::parse(&text).expect("a number").number
    }

    /// An address that nobody has.
    pub fn email(&mut self) -> EmailAddress {
        self.numbers += 1;
        format!("home{}@example.com", self.numbers).parse().expect("an address")
    }

    /// A mobile and an address that nobody has.
    pub fn points(&mut self) -> Points {
        Points { mobiles: [self.mobile()].into(), emails: [self.email()].into() }
    }

    /// A day of birth of a pupil, whose day and month could not be told apart by half of all people.
    pub fn born(&mut self) -> Date {
        let (year, month, day) = (self.dice.roll(12), self.dice.roll(12), self.dice.roll(28));
        let [year, month, day] =
            [2010 + year, 1 + month, 1 + day].map(|part| i16::try_from(part).unwrap_or(1));
        let part = |part: i16| i8::try_from(part).unwrap_or(1);
        date(year, part(month), part(day))
    }

    /// What the claim comes to.
    pub fn decide(&self, case: &Case) -> Match {
        decide(&self.directory, &case.claim, &self.own, TODAY)
    }
}

fn stored<T>(value: T) -> Box<Stored<T>> {
    let live = Version { generation: 0, upload_id: None, written_at: 0, details: None };
    Box::new(Stored { value: Some(value), versions: Versions { rev: 1, live, former: None } })
}

/// The tie of somebody who is responsible.
pub fn responsible(relationship: Relationship) -> Link {
    Link { relationship, parental_responsibility: Responsibility::Yes, ..Link::default() }
}
