//! Who a member of staff is: the claims of an OIDC ID token that the gateway's authorizer has verified.

use std::collections::BTreeSet;

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

impl StaffRole {
    fn from_group(group: &str) -> Option<Self> {
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
    school: Option<SchoolId>,
    roles: BTreeSet<StaffRole>,
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
            .filter_map(StaffRole::from_group)
            .collect();
        Ok(Self {
            subject: claim("sub").to_owned(),
            email: claim("email").parse().ok(),
            school: claim(&names.school).parse().ok(),
            roles: groups,
        })
    }

    /// Whether they hold a role.
    pub fn is(&self, role: StaffRole) -> bool {
        self.roles.contains(&role)
    }

    /// Holds one of the roles, or is refused.
    pub fn require(&self, any: &[StaffRole]) -> Result<(), Problem> {
        if any.iter().any(|role| self.is(*role)) {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, "Ask the school's administrator for the role that this needs."))
    }

    /// Belongs to the school and holds one of the roles. Another school's id is answered like one that never existed.
    pub fn at(&self, school: SchoolId, any: &[StaffRole]) -> Result<(), Problem> {
        if self.school != Some(school) {
            return Err(Problem::not_found());
        }
        self.require(any)
    }
}
