//! A family as the register has it when nothing is wrong.

use jiff::civil::Date;
use shared::{
    id::PersonId,
    person::{
        DateOfBirth,
        guardianship::{
            Link,
            Relationship::{self, Father, Mother},
            Responsibility,
        },
        name::PersonName,
    },
    verify::claim::Claim,
};

use super::{
    Points, School,
    names::{FAMILIES, MEN, Named, WOMEN},
    responsible,
};

/// One child with both parents.
pub struct Family {
    pub child: PersonId,
    pub child_name: PersonName,
    pub born: Date,
    pub mother: PersonId,
    pub hers: Points,
    pub father: PersonId,
    pub his: Points,
    pub names: [Named; 2],
}

pub fn family(school: &mut School) -> Family {
    let surname = school.dice.one(FAMILIES).to_owned();
    let born = school.born();
    let child_name =
        Named::one(&mut school.dice, if born.day() % 2 == 0 { WOMEN } else { MEN }, &surname).name;
    let names = [WOMEN, MEN].map(|of| Named::one(&mut school.dice, of, &surname));
    let child = school.pupil(child_name.clone(), born);
    let (hers, his) = (school.points(), school.points());
    let mother = school.contact(names[0].name.clone(), &hers, child, responsible(Mother));
    let father = school.contact(names[1].name.clone(), &his, child, responsible(Father));
    Family { child, child_name, born, mother, hers, father, his, names }
}

impl Family {
    /// A claim for the child under a name, with somebody's contact points.
    pub fn claim(&self, parent: &PersonName, points: &Points) -> Claim {
        Claim {
            school_code: "ABCD-2345".to_owned(),
            parent: parent.clone(),
            mobile: points.mobiles[0].clone(),
            email: points.emails[0].clone(),
            child: self.child_name.clone(),
            born: DateOfBirth(self.born),
        }
    }

    pub fn mother_name(&self) -> &PersonName {
        &self.names[0].name
    }

    pub fn father_name(&self) -> &PersonName {
        &self.names[1].name
    }
}

pub fn kept_away(relationship: Relationship) -> Link {
    Link { restricted: true, ..responsible(relationship) }
}

pub fn denied(relationship: Relationship) -> Link {
    Link { parental_responsibility: Responsibility::No, ..responsible(relationship) }
}

/// A name as the claimant would type it in the hope to be taken for somebody: with at most one slip.
pub fn like(school: &mut School, named: &Named) -> PersonName {
    let (given, family) = (named.name.given(), named.name.family());
    let initial: String = given.chars().take(1).collect();
    let mut slip = given.to_owned();
    slip.push('e');
    match school.dice.roll(8) {
        0 => PersonName::new(&given.to_uppercase(), &family.to_lowercase()),
        1 if !named.short.is_empty() => PersonName::new(named.short, family),
        2 => PersonName::new(&slip, family),
        3 => PersonName::new(family, given),
        4 => PersonName::new(&initial, family),
        5 => PersonName::new(&format!("Mr {given}"), family),
        6 => PersonName::new(&format!("{given} Alexander"), family),
        _ => named.name.clone(),
    }
}
