//! What a right reading of the file finds: figures for tests and for the demo, reckoned from the families and
//! not from the file, by the shortest code that says each rule.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::School;
use super::csv::{self, HEADER, OUTSIDE_AGREEMENT};
use super::model::{Email, Phone};

/// Everything that is known about a made-up school's file before anybody reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The seed that the school was made from.
    pub seed: u64,
    /// Records after the header, the rejected one among them.
    pub rows: usize,
    /// How many columns the school's agreement leaves out.
    pub dropped_columns: usize,
    /// Their headers, in the order of the file.
    pub dropped_column_names: Vec<String>,
    /// Distinct people and links that an empty school gains.
    pub counts: Counts,
    /// Every finding, by row and then by column; what is about the whole row comes last.
    pub findings: Vec<Finding>,
    /// The same, counted.
    pub findings_by_code: BTreeMap<FindingCode, usize>,
    /// The same, counted.
    pub findings_by_severity: BTreeMap<Severity, usize>,
    /// The rows with a warning or an error about what is in them: ten of them in every school. That nobody can be reached for a pupil is
    /// about what is not.
    pub problem_rows: Vec<usize>,
    /// The rows of which nothing is used.
    pub rejected_rows: Vec<usize>,
    /// Contacts who may hold a parent account for at least one child.
    pub account_holders: usize,
    /// Who a service message reaches: `years_3_and_4` and `all_years` and `year_R` to `year_6` by e-mail with SMS where
    /// there is none, `years_3_and_4_sms_first` the other way round, `years_3_and_4_email_only` and `years_3_and_4_sms_only`.
    pub audiences: BTreeMap<String, Audience>,
    /// How much of each difficulty the file holds.
    pub cast: Cast,
    /// The people whom the demo and the tests call by name.
    pub story: Story,
}

/// Distinct people and links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// By `StudentID`.
    pub pupil: usize,
    /// By `ContactID`.
    pub contact: usize,
    /// By both.
    pub link: usize,
}

/// What can be wrong with a cell or a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the codes of the API and say what they mean")]
pub enum FindingCode {
    DateInvalid,
    DateOutOfRange,
    PhoneInvalid,
    PhoneLetters,
    PhoneUnrecoverable,
    PhonePlaceholder,
    PhoneLandline,
    PhoneRepaired,
    EmailInvalid,
    NameMissing,
    ContactIncomplete,
    RowRagged,
    ConflictingValues,
    NoContact,
    MergeProposed,
}

impl FindingCode {
    /// An error loses the row, a warning loses something in it or finds nobody for a pupil, an info loses nothing.
    pub fn severity(self) -> Severity {
        match self {
            FindingCode::NameMissing => Severity::Error,
            FindingCode::PhoneLandline | FindingCode::PhoneRepaired | FindingCode::MergeProposed => {
                Severity::Info
            }
            _ => Severity::Warning,
        }
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The row is not used.
    Error,
    /// A part of the row is not used, or had to be guessed at.
    Warning,
    /// The row is used whole.
    Info,
}

/// One thing to tell the office.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// As a spreadsheet numbers it: the first record is row 2.
    pub row: usize,
    /// The header of the cell; none for what is about the row as a whole.
    pub column: Option<String>,
    /// What is wrong.
    pub code: FindingCode,
    /// How much that matters.
    pub severity: Severity,
}

/// Who a message reaches, in the words of `POST …/messages/preview`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// `audience.year_groups` of the request.
    pub year_groups: Vec<String>,
    /// `purpose` of the request.
    pub purpose: String,
    /// `channels` of the request, the preferred one first.
    pub channels: Vec<Channel>,
    /// Children in these years.
    pub pupils: usize,
    /// Contact points written to.
    pub recipients: usize,
    /// The same by channel.
    pub by_channel: BTreeMap<Channel, usize>,
    /// People not written to, in the order of the reasons.
    pub excluded: Vec<Excluded>,
}

/// A way to reach somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "a channel is what its name says")]
pub enum Channel {
    Email,
    Sms,
}

/// People who are not written to for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// The reason.
    pub reason: Reason,
    /// How many people.
    pub count: usize,
    /// Their `ContactID`s, or `StudentID`s of children without a contact. Empty for duplicates: which of the people
    /// on one contact point is written to is open.
    pub source_ids: Vec<String>,
}

/// Why somebody is not written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the reasons of the API and say what they mean")]
pub enum Reason {
    Restricted,
    NoResponsibility,
    LandlineOnly,
    Invalid,
    NoContact,
    Duplicate,
}

/// How much of each difficulty a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cast {
    /// Households with exactly two children at the school, twins among them.
    pub households_of_two: usize,
    /// Households with three children at the school.
    pub households_of_three: usize,
    /// Pairs of children with one household and one date of birth.
    pub twin_pairs: usize,
    /// Pairs of children with one name and one date of birth who have nothing else in common.
    pub namesakes: usize,
    /// Mobile numbers that stand under more than one `ContactID`.
    pub shared_mobiles: usize,
    /// E-mail addresses that stand under more than one `ContactID`, compared in small letters.
    pub shared_emails: usize,
    /// Parents with two spellings under two `ContactID`s, with one mobile and one e-mail address.
    pub respelt_parents: usize,
    /// Children with no contact of any kind.
    pub pupils_without_contact: usize,
    /// Contacts who have a landline and no e-mail address.
    pub landline_only_contacts: usize,
    /// Contacts who are a name and nothing more.
    pub contacts_without_means: usize,
    /// Contacts whose mobile number is spoilt and can be read all the same.
    pub repairable_phones: usize,
    /// Contacts whose telephone cell is beyond repair.
    pub damaged_phones: usize,
    /// The same with no e-mail address either.
    pub damaged_phones_and_nothing_else: usize,
    /// Contacts with a court order against them for at least one child.
    pub restricted_contacts: usize,
    /// Those of them who are unrestricted for another child.
    pub restricted_for_some: usize,
    /// Contacts whose parental responsibility is `N` for at least one child.
    pub contacts_without_responsibility: usize,
    /// Children with an apostrophe in the name, straight or curved.
    pub pupils_with_apostrophe: usize,
    /// Children with a hyphen in the name.
    pub pupils_with_hyphen: usize,
    /// Children with a letter outside ASCII in the name.
    pub pupils_with_diacritic: usize,
    /// Records that go over more than one line of text.
    pub records_over_two_lines: usize,
}

/// The people whom the demo and the tests call by name. Their contact points belong to nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// Contact of the two `children` and of nobody else: unrestricted, responsible, priority 1.
    pub mother: Adult,
    /// The father of the same children, at another address: unrestricted, responsible, priority 2.
    pub father: Adult,
    /// One in Year 3, one in Year 4.
    pub children: Vec<Child>,
    /// Has a court order against him for `restricted_child`, his only child.
    pub restricted_father: Adult,
    /// In Year 3.
    pub restricted_child: Child,
    /// Bodies of `POST /v1/verifications` but for the school's code.
    pub claims: Claims,
}

/// A grown-up of the story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adult {
    /// `ContactID`.
    pub source_id: String,
    /// Forename as in the file.
    pub given_name: String,
    /// Surname as in the file.
    pub family_name: String,
    /// E.164.
    pub mobile: String,
    /// As in the file.
    pub email: String,
}

/// A child of the story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// `StudentID`.
    pub source_id: String,
    /// Forename as in the file.
    pub given_name: String,
    /// Surname as in the file.
    pub family_name: String,
    /// `R`, `1` to `6`.
    pub year_group: String,
    /// The registration class.
    pub class: String,
    /// ISO 8601.
    pub date_of_birth: String,
}

/// What the people of the story would type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The mother about her first child: must be let in.
    pub mother: Claim,
    /// The same without accents and apostrophe, with the mobile as people write it: must be let in.
    pub mother_folded: Claim,
    /// The father about the second child: must be let in.
    pub father: Claim,
    /// The restricted father with every fact right: must not be let in.
    pub restricted_father: Claim,
}

/// Five facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The claimant.
    pub parent: ClaimParent,
    /// The child.
    pub child: ClaimChild,
}

/// The claimant's half of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct ClaimParent {
    pub given_name: String,
    pub family_name: String,
    pub mobile: String,
    pub email: String,
}

/// The child's half of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct ClaimChild {
    pub given_name: String,
    pub family_name: String,
    pub date_of_birth: String,
}

/// All figures of a school.
pub(super) fn expected(school: &School) -> Expected {
    let rows = csv::rows(school);
    let findings = findings(school);
    let mut findings_by_code = BTreeMap::new();
    let mut findings_by_severity = BTreeMap::new();
    for finding in &findings {
        *findings_by_code.entry(finding.code).or_default() += 1;
        *findings_by_severity.entry(finding.severity).or_default() += 1;
    }
    let rows_with = |wanted: fn(FindingCode) -> bool| -> Vec<usize> {
        let set: BTreeSet<usize> =
            findings.iter().filter(|finding| wanted(finding.code)).map(|finding| finding.row).collect();
        set.into_iter().collect()
    };
    Expected {
        seed: school.seed,
        rows: rows.len(),
        dropped_columns: OUTSIDE_AGREEMENT.len(),
        dropped_column_names: OUTSIDE_AGREEMENT.map(str::to_owned).to_vec(),
        counts: counts(school),
        findings_by_code,
        findings_by_severity,
        problem_rows: rows_with(|code| code.severity() != Severity::Info && code != FindingCode::NoContact),
        rejected_rows: rows_with(|code| code.severity() == Severity::Error),
        account_holders: super::audience::account_holders(school),
        audiences: super::audience::all(school),
        cast: super::cast::count(school),
        story: super::story::tell(school),
        findings,
    }
}

/// The rejected row brings nobody.
fn counts(school: &School) -> Counts {
    let links: Vec<_> = school.links.iter().filter(|link| !school.pupils[link.pupil].nameless).collect();
    let contacts: BTreeSet<usize> = links.iter().map(|link| link.contact).collect();
    let pairs: BTreeSet<(usize, usize)> = links.iter().map(|link| (link.pupil, link.contact)).collect();
    Counts {
        pupil: school.pupils.iter().filter(|pupil| !pupil.nameless).count(),
        contact: contacts.len(),
        link: pairs.len(),
    }
}

/// A finding belongs to a cell of a row: a landline that stands on the rows of two siblings is found twice.
fn findings(school: &School) -> Vec<Finding> {
    let mut findings = Vec::new();
    let reached: BTreeSet<usize> = school
        .links
        .iter()
        .filter(|link| {
            let contact = &school.contacts[link.contact];
            matches!(contact.email, Email::Valid(_))
                || matches!(contact.phone, Phone::Mobile { .. } | Phone::Landline(_))
        })
        .map(|link| link.pupil)
        .collect();
    let (mut pupils, mut contacts, mut seen) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    for row in csv::rows(school) {
        let pupil = &school.pupils[row.pupil];
        let mut add = |column: Option<&str>, code: FindingCode| {
            debug_assert!(column.is_none_or(|column| HEADER.contains(&column)));
            let column = column.map(str::to_owned);
            findings.push(Finding { row: row.number, column, code, severity: code.severity() });
        };
        if pupil.nameless {
            add(None, FindingCode::NameMissing);
            continue;
        }
        if pupils.insert(row.pupil) && !reached.contains(&row.pupil) {
            add(None, FindingCode::NoContact);
        }
        if let Some(damaged) = &pupil.damaged_birth {
            add(Some("DOB"), damaged.code);
        }
        if pupil.relationship_alone {
            add(None, FindingCode::ContactIncomplete);
        }
        let Some(link) = row.link else { continue };
        if link.other_birth.is_some() {
            add(Some("DOB"), FindingCode::ConflictingValues);
        }
        let contact = &school.contacts[link.contact];
        if matches!(contact.email, Email::Damaged(_)) {
            add(Some("PrimaryEmail"), FindingCode::EmailInvalid);
        }
        match &contact.phone {
            Phone::Mobile { writing, .. } if writing.is_spoilt() => {
                add(Some("MobileNumber"), FindingCode::PhoneRepaired);
            }
            Phone::Absent | Phone::Mobile { .. } => {}
            Phone::Landline(_) => add(Some("MobileNumber"), FindingCode::PhoneLandline),
            Phone::Damaged { code, .. } => add(Some("MobileNumber"), *code),
        }
        if link.cells_cut > 0 {
            add(None, FindingCode::RowRagged);
        }
        // Two spellings under two ids, with one mobile and one address: told where the second comes in.
        if let (Phone::Mobile { line, .. }, Email::Valid(email)) = (&contact.phone, &contact.email) {
            let first = *contacts.entry((*line, email.to_lowercase())).or_insert(link.contact);
            if first != link.contact && seen.insert(link.contact) {
                add(None, FindingCode::MergeProposed);
            }
        }
    }
    findings
}
