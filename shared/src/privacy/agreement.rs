//! The data sharing agreement: the list of fields that a school lets us hold. Everything else in a file is dropped
//! before it is stored, and counted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::person::Role;

/// A fact about a person that an agreement can list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Mrs, Dr.
    Title,
    /// Given name.
    GivenName,
    /// Family name.
    FamilyName,
    /// The given name somebody goes by, where it is not the legal one.
    PreferredGivenName,
    /// The family name somebody goes by, where it is not the legal one.
    PreferredFamilyName,
    /// An earlier family name: a parent may still know the child by it.
    FormerFamilyName,
    /// Date of birth.
    DateOfBirth,
    /// Gender or sex. Never needed to send a message: known so that it can be dropped by name.
    Gender,
    /// Year group.
    YearGroup,
    /// Registration group or class.
    Class,
    /// Other groups: teaching groups, clubs.
    Groups,
    /// The day a pupil joins.
    StartDate,
    /// The day a pupil leaves: the last day on roll.
    LeavingDate,
    /// Unique pupil number.
    Upn,
    /// The id in the school's own system.
    SourceId,
    /// E-mail address.
    Email,
    /// Mobile number.
    Mobile,
    /// Another phone number.
    Landline,
    /// Postal address.
    Address,
    /// What a contact is to a pupil.
    Relationship,
    /// The order in which contacts are asked.
    Priority,
    /// Parental responsibility.
    ParentalResponsibility,
    /// To be called in an emergency.
    EmergencyContact,
    /// Court order or other restriction.
    Restricted,
    /// The address must not reach a contact.
    AddressConfidential,
    /// Has died.
    Deceased,
}

/// The agreement in force. `fields` names, per role, what may be stored; a role that is absent may not be stored at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Role -> the fields that may be stored.
    pub fields: BTreeMap<Role, BTreeSet<Field>>,
    /// The day it was signed.
    pub signed_on: Date,
}

impl Agreement {
    /// Whether `field` of people in `role` may be stored.
    ///
    /// What protects a family is always taken in: leaving a restriction out would show a child to somebody whom a court keeps
    /// away, leaving a death out would write to the bereaved.
    pub fn allows(&self, role: Role, field: Field) -> bool {
        matches!(field, Field::Restricted | Field::AddressConfidential | Field::Deceased)
            && self.fields.contains_key(&role)
            || self.fields.get(&role).is_some_and(|fields| fields.contains(&field))
    }
}
