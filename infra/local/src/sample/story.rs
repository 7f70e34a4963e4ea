//! The people whom the demo and the tests call by name.

use super::School;
use super::model::{Email, Phone};
use super::report::{Adult, Child, Claim, ClaimChild, ClaimParent, Claims, Story};

/// Where they stand in the lists of the school.
#[derive(Clone, Copy, Default)]
pub(super) struct People {
    pub(super) mother: usize,
    pub(super) father: usize,
    pub(super) children: [usize; 2],
    pub(super) restricted_father: usize,
    pub(super) restricted_child: usize,
}

/// The story with every fact that a caller of the API needs.
pub(super) fn tell(school: &School) -> Story {
    let People { mother, father, children, restricted_father, restricted_child } = school.story;
    let mother = adult(school, mother);
    let father = adult(school, father);
    let children: Vec<Child> = children.iter().map(|&index| child(school, index)).collect();
    let restricted_father = adult(school, restricted_father);
    let restricted_child = child(school, restricted_child);
    let mut folded = claim(&mother, &children[0]);
    "Sian".clone_into(&mut folded.parent.given_name);
    "OConnor".clone_into(&mut folded.parent.family_name);
    folded.parent.mobile = mother.mobile.replace("+447700", "07700 ");
    folded.parent.email = mother.email.to_uppercase();
    "Zoe".clone_into(&mut folded.child.given_name);
    "O'Connor".clone_into(&mut folded.child.family_name);
    Story {
        claims: Claims {
            mother: claim(&mother, &children[0]),
            mother_folded: folded,
            father: claim(&father, &children[1]),
            restricted_father: claim(&restricted_father, &restricted_child),
        },
        mother,
        father,
        children,
        restricted_father,
        restricted_child,
    }
}

fn adult(school: &School, index: usize) -> Adult {
    let contact = &school.contacts[index];
    let (Email::Valid(email), Phone::Mobile { line, .. }) = (&contact.email, &contact.phone) else {
        unreachable!("the people of the story have a mobile and an e-mail address")
    };
    Adult {
        source_id: contact.source_id.clone(),
        given_name: contact.given.clone(),
        family_name: contact.family.clone(),
        mobile: format!("+447700900{line:03}"),
        email: email.clone(),
    }
}

fn child(school: &School, index: usize) -> Child {
    let pupil = &school.pupils[index];
    Child {
        source_id: pupil.source_id.clone(),
        given_name: pupil.given.clone(),
        family_name: pupil.family.clone(),
        year_group: pupil.year.label(),
        class: pupil.class.clone(),
        date_of_birth: pupil.born.iso(),
    }
}

fn claim(adult: &Adult, child: &Child) -> Claim {
    Claim {
        parent: ClaimParent {
            given_name: adult.given_name.clone(),
            family_name: adult.family_name.clone(),
            mobile: adult.mobile.clone(),
            email: adult.email.clone(),
        },
        child: ClaimChild {
            given_name: child.given_name.clone(),
            family_name: child.family_name.clone(),
            date_of_birth: child.date_of_birth.clone(),
        },
    }
}
