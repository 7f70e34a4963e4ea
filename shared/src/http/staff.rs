//! Who a member of staff is: the claims of an OIDC ID token that the gateway's authorizer has verified.
//!
//! One claim says at which schools: `sch_…`, or several with spaces between them. What somebody may do there the groups say; or,
//! where they are not the same person at each, the school's own part of the claim: `sch_…:office+sender sch_…:dpo`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    problem::{Code, Problem},
    request::Request,
};
use crate::{config, id::SchoolId, person::email::EmailAddress};

/// What somebody may do. The names are the groups of the user pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StaffRole {
    /// Runs the platform; belongs to no school.
    Operator,
    /// Keeps the school's data.
    Office,
    /// Writes messages.
    Sender,
    /// Approves messages.
    Approver,
    /// Data protection lead.
    Dpo,
}

/// The longest claim of schools that is read: what a Cognito attribute holds, some fifty schools.
const MAX_SCHOOLS_CLAIM: usize = 2_048;

impl StaffRole {
    fn from_word(group: &str) -> Option<Self> {
        Some(match group {
            "operator" => Self::Operator,
            "office" => Self::Office,
            "sender" => Self::Sender,
            "approver" => Self::Approver,
            "dpo" => Self::Dpo,
            _ => return None,
        })
    }
}

/// Which claims name the school and the groups: another issuer may call them otherwise.
#[derive(Clone, Debug)]
pub struct ClaimNames {
    /// The school's id.
    pub school: String,
    /// The groups.
    pub groups: String,
    /// Cognito says in `token_use` whether a token is an ID token; another issuer does not.
    pub says_token_use: bool,
}

impl ClaimNames {
    /// From the environment, by default as Cognito writes them.
    pub fn from_env() -> Self {
        Self {
            school: config::or("CLAIM_SCHOOL_ID", "custom:school_id"),
            groups: config::or("CLAIM_GROUPS", "cognito:groups"),
            says_token_use: config::or("CLAIM_TOKEN_USE", "id") == "id",
        }
    }
}

/// A signed-in member of staff.
#[derive(Clone, Debug)]
pub struct Staff {
    /// The issuer's id for them.
    pub subject: String,
    /// The issuer's address for them, where it says one. Personal data.
    pub email: Option<EmailAddress>,
    roles: BTreeSet<StaffRole>,
    /// Their schools, with the roles at each that has its own.
    schools: BTreeMap<SchoolId, Option<BTreeSet<StaffRole>>>,
}

impl Staff {
    /// From the request's verified claims. Only an ID token will do: access tokens carry no school.
    pub fn from_request(request: &Request, names: &ClaimNames) -> Result<Self, Problem> {
        let claim = |name: &str| request.claims.get(name).map(String::as_str).unwrap_or_default();
        if claim("sub").is_empty() || (names.says_token_use && claim("token_use") != "id") {
            return Err(Problem::unauthorised());
        }
        // The gateway hands a list over as "[a b]"; other issuers write "a,b" or "a".
        let groups = claim(&names.groups)
            .trim_matches(['[', ']'])
            .split([' ', ','])
            .filter_map(StaffRole::from_word)
            .collect();
        Ok(Self {
            subject: claim("sub").to_owned(),
            email: claim("email").parse().ok(),
            roles: groups,
            schools: schools(claim(&names.school)),
        })
    }

    /// Holds one of the roles, or is refused. For what belongs to no school.
    pub fn require(&self, any: &[StaffRole]) -> Result<(), Problem> {
        hold(&self.roles, any)
    }

    /// Belongs to the school and holds one of the roles there. Another school's id is answered like one that never existed.
    pub fn at(&self, school: SchoolId, any: &[StaffRole]) -> Result<(), Problem> {
        let own = self.schools.get(&school).ok_or_else(Problem::not_found)?;
        hold(own.as_ref().unwrap_or(&self.roles), any)
    }
}

fn hold(held: &BTreeSet<StaffRole>, any: &[StaffRole]) -> Result<(), Problem> {
    if any.iter().any(|role| held.contains(role)) {
        return Ok(());
    }
    Err(Problem::new(Code::Forbidden, "Ask the school's administrator for the role that this needs."))
}

/// The schools of a claim. An entry that cannot be read gives no rights, nor does a school that stands there twice: which of the two
/// is meant, nobody can say.
fn schools(claim: &str) -> BTreeMap<SchoolId, Option<BTreeSet<StaffRole>>> {
    let mut schools = BTreeMap::new();
    if claim.len() > MAX_SCHOOLS_CLAIM {
        return schools;
    }
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for entry in claim.split(' ') {
        let (id, words) = entry.split_once(':').map_or((entry, None), |(id, words)| (id, Some(words)));
        let Ok(school) = id.parse::<SchoolId>() else { continue };
        if !seen.insert(school) {
            twice.insert(school);
        }
        match words.map(roles) {
            None => drop(schools.insert(school, None)),
            Some(Some(roles)) => drop(schools.insert(school, Some(roles))),
            Some(None) => {}
        }
    }
    schools.retain(|school, _| !twice.contains(school));
    schools
}

/// The roles of one school's entry, if every word is one that can be held at a school.
fn roles(words: &str) -> Option<BTreeSet<StaffRole>> {
    let role = |word| StaffRole::from_word(word).filter(|role| *role != StaffRole::Operator);
    words.split('+').map(role).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use jiff::Timestamp;

    use super::{
        StaffRole::{Approver, Dpo, Office, Operator, Sender},
        *,
    };

    const ALL: [StaffRole; 5] = [Operator, Office, Sender, Approver, Dpo];

    fn school(n: u8) -> SchoolId {
        SchoolId::new(Timestamp::UNIX_EPOCH, &[n; 10])
    }

    /// What a token with these claims may do at schools 1 and 2; nothing at all, where it is not of the school.
    fn may(schools: &str, groups: &str) -> [Option<Vec<StaffRole>>; 2] {
        let claims =
            [("sub", "x"), ("token_use", "id"), ("custom:school_id", schools), ("cognito:groups", groups)];
        let claims: HashMap<_, _> =
            claims.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let names = ClaimNames {
            school: "custom:school_id".to_owned(),
            groups: "cognito:groups".to_owned(),
            says_token_use: true,
        };
        let mut request = Request::default();
        request.claims = claims;
        let staff = Staff::from_request(&request, &names).unwrap();
        [school(1), school(2)].map(|school| {
            let refused = staff.at(school, &[]).unwrap_err();
            let held = ALL.into_iter().filter(|role| staff.at(school, &[*role]).is_ok());
            (refused.status() == 403).then(|| held.collect())
        })
    }

    #[test]
    fn edge_case_36_roles_are_those_at_the_school() {
        let (one, two) = (school(1), school(2));
        let long = format!("{one} {}", "x".repeat(MAX_SCHOOLS_CLAIM));
        for (schools, groups, at_one, at_two) in [
            (one.to_string(), "[office dpo]", Some(vec![Office, Dpo]), None),
            (one.to_string(), "", Some(vec![]), None),
            (String::new(), "office", None, None),
            (format!("{one} {two}"), "office,sender", Some(vec![Office, Sender]), Some(vec![Office, Sender])),
            (
                format!("{one}:office+sender {two}:dpo"),
                "approver",
                Some(vec![Office, Sender]),
                Some(vec![Dpo]),
            ),
            (format!("  {one}:office   {two} "), "approver", Some(vec![Office]), Some(vec![Approver])),
            // What cannot be read gives nothing, and takes nothing away from the rest.
            (format!("{one}:office+operator {two}:dpo"), "office", None, Some(vec![Dpo])),
            (format!("{one}: {two}:dpo+"), "office", None, None),
            (format!("{one}:Office {two}:office:dpo"), "office", None, None),
            (format!("{one}:office,{two}:dpo"), "office", None, None),
            (format!("{one},{two}"), "office", None, None),
            (format!("{one}\u{a0}{two}"), "office", None, None),
            (format!("[{one} {two}]"), "office", None, None),
            (format!("sch_1 {one}x {two}"), "office", None, Some(vec![Office])),
            (format!("{one}:office {two} {one}"), "sender", None, Some(vec![Sender])),
            (format!("{one}:nobody {one}:dpo"), "sender", None, None),
            (long, "office", None, None),
        ] {
            assert_eq!(may(&schools, groups), [at_one, at_two], "{schools} {groups}");
        }
        // Whoever runs the platform may nothing at a school, unless they are somebody there too.
        assert_eq!(may(&one.to_string(), "operator"), [Some(vec![Operator]), None]);
        assert_eq!(may(&format!("{one}:office"), "operator"), [Some(vec![Office]), None]);
    }

    #[test]
    fn what_belongs_to_no_school_goes_by_the_groups_alone() {
        let staff = |schools: &str, groups: &[StaffRole]| Staff {
            subject: "x".to_owned(),
            email: None,
            roles: groups.iter().copied().collect(),
            schools: super::schools(schools),
        };
        let one = school(1);
        assert!(staff(&format!("{one}:operator"), &[]).require(&[Operator]).is_err());
        assert!(staff(&format!("{one}:office"), &[]).require(&[Office]).is_err());
        assert!(staff("", &[Operator]).require(&[Operator]).is_ok());
    }
}
