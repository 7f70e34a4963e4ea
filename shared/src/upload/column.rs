//! Column names: what schools' systems call the fields we know.
//!
//! A name is a word for a fact (`forename`, `dob`), perhaps with whose it is in front (`pupil`, `contact`, `mother`), perhaps
//! with a number where a row holds several contacts (`Contact 2 E-mail`). Only letters and digits count, whatever their case.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::{
    person::Role,
    privacy::agreement::Field::{
        self, Address, AddressConfidential, Class, DateOfBirth, Deceased, Email, EmergencyContact,
        FamilyName, FormerFamilyName, Gender, GivenName, Groups, Landline, LeavingDate, Mobile,
        ParentalResponsibility, PreferredFamilyName, PreferredGivenName, Priority, Relationship, Restricted,
        SourceId, StartDate, Title, Upn, YearGroup,
    },
};

/// A column we know: whose fact it is, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The role of the person the fact is about. Facts about the tie count as the contact's.
    pub role: Role,
    /// The fact.
    pub field: Field,
}

/// A school's own names for columns: they beat ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mapping(BTreeMap<String, Mapped>);

/// What a school says about a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mapped {
    /// It is not to be read, nor reported as unknown.
    Ignore,
    /// What it says.
    #[serde(untagged)]
    Column(Column),
}

impl Mapping {
    /// Looks a folded name up.
    pub fn get(&self, name: &str) -> Option<Mapped> {
        self.0.get(name).copied()
    }
}

impl<N: AsRef<str>> FromIterator<(N, Mapped)> for Mapping {
    /// From names as they stand in the file.
    fn from_iter<I: IntoIterator<Item = (N, Mapped)>>(names: I) -> Self {
        Self(names.into_iter().map(|(name, mapped)| (fold(name.as_ref()), mapped)).collect())
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Whose fact.
    pub role: Role,
    /// Which fact, or a whole name.
    pub what: What,
    /// Which of a row's contacts.
    pub which: Which,
    /// Nothing in front says whose fact it is: in a file that uses the name twice, the second is the contact's.
    pub bare: bool,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// One fact.
    Fact(Field),
    /// Given and family name in one cell.
    FullName,
}

/// Which of a row's contacts a column is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// The only one.
    Only,
    /// One with a number (`Contact 2 Email`), the first being 1.
    Numbered(u8),
    /// A number at the end (`Contact Email 2`): the second contact, or the second address of the only one.
    Trailing(u8),
    /// One whose relationship the name says.
    Parent(&'static str),
}

/// Words for facts. The role is whose fact it is where the name does not say.
#[rustfmt::skip]
const FACTS: &[(Role, Field, &[&str])] = &[
    (Role::Pupil, GivenName, &["forename", "forenames", "firstname", "first", "givenname", "legalforename", "legalfirstname", "legalgivenname", "forenamelegal"]),
    (Role::Pupil, FamilyName, &["surname", "lastname", "last", "familyname", "legalsurname", "legallastname", "legalfamilyname", "surnamelegal"]),
    (Role::Pupil, PreferredGivenName, &["preferredforename", "preferredfirstname", "preferredgivenname", "preferredname", "chosenforename", "chosenfirstname", "chosenname", "knownas", "knownasforename", "knownname", "usualforename"]),
    (Role::Pupil, PreferredFamilyName, &["preferredsurname", "preferredlastname", "preferredfamilyname", "chosensurname", "chosenlastname", "knownassurname", "usualsurname"]),
    (Role::Pupil, FormerFamilyName, &["formersurname", "formerlastname", "formerfamilyname", "previoussurname", "previouslastname", "previousfamilyname"]),
    (Role::Pupil, SourceId, &["id", "admissionnumber", "admissionno", "admno", "adno", "adnumber", "misid", "simsid", "arborid", "arborstudentid", "bromcomid", "scholarpackid", "integrisid", "rollnumber"]),
    (Role::Pupil, Upn, &["upn", "uniquepupilnumber", "uniquepupilnumberupn", "upnumber"]),
    (Role::Pupil, YearGroup, &["year", "yeargroup", "yeargrp", "yrgroup", "yr", "yeargroupname", "currentyeargroup", "ncyear", "ncyeargroup", "ncyearactual", "actualncyear", "curriculumyear", "nationalcurriculumyear", "schoolyear", "yeartaughtin"]),
    (Role::Pupil, Class, &["reg", "regform", "regclass", "reggroup", "registration", "registrationgroup", "registrationform", "registrationclass", "class", "classname", "classclassname", "classgroup", "currentclass", "currentregistrationform", "form", "formname", "formgroup", "tutorgroup", "tutorgroupname"]),
    (Role::Pupil, Groups, &["group", "groups", "groupname", "groupmemberships", "teachinggroup", "teachinggroups", "club", "clubs"]),
    (Role::Pupil, DateOfBirth, &["dob", "dateofbirth", "birthdate", "birthday", "dobdateofbirth", "dateofbirthdob", "dobddmmyyyy", "dateofbirthddmmyyyy"]),
    (Role::Pupil, Gender, &["gender", "sex", "legalsex", "legalgender", "gendercode"]),
    (Role::Pupil, StartDate, &["startdate", "admissiondate", "dateofadmission", "dateadmitted", "doa", "entrydate", "dateofentry", "datejoined", "joiningdate", "enrolmentdate", "dateonroll"]),
    (Role::Pupil, LeavingDate, &["leavingdate", "dateofleaving", "leavedate", "dateleft", "dol", "enddate", "exitdate", "offrolldate"]),
    (Role::Pupil, Deceased, &["deceased", "isdeceased", "dateofdeath"]),
    (Role::Contact, Title, &["title", "salutationtitle"]),
    (Role::Contact, Relationship, &["relationship", "relation", "relationtype", "relationshiptype", "relationshiptopupil", "relationshiptostudent", "relationshiptochild", "relationshiptolearner", "relationtopupil", "relationtostudent", "relationtochild"]),
    (Role::Contact, Email, &["email", "emails", "emailaddress", "primaryemail", "primaryemailaddress", "mainemail", "mainemailaddress", "homeemail", "homeemailaddress", "workemail", "workemailaddress", "personalemail", "defaultemail", "emailhome", "emailwork", "emailprimary"]),
    (Role::Contact, Mobile, &["mobile", "mob", "mobileno", "mobilenumber", "mobilephone", "mobilephonenumber", "mobiletelephone", "mobiletelephonenumber", "mobiletel", "primarymobile", "mainmobile", "cellphone", "smsnumber"]),
    (Role::Contact, Landline, &["phone", "phoneno", "phonenumber", "telephone", "telephoneno", "telephonenumber", "tel", "telno", "landline", "landlinenumber", "maintelephone", "maintelephonenumber", "mainphone", "primaryphone", "primaryphonenumber", "primarytelephone", "hometelephone", "hometelephonenumber", "hometel", "homephone", "homephonenumber", "homenumber", "worktelephone", "worktelephonenumber", "worktel", "workphone", "workphonenumber", "worknumber", "daytelephone", "daytimetelephone", "daytimephone", "contactnumber", "contactphonenumber"]),
    (Role::Contact, Address, &["address", "addressline", "addressblock", "fulladdress", "homeaddress", "postaladdress", "apartment", "flat", "housename", "housenumber", "housenameornumber", "housenamenumber", "street", "locality", "district", "town", "towncity", "city", "county", "postcode", "country"]),
    (Role::Contact, Priority, &["priority", "contactorder", "callorder", "contactsequence", "emergencypriority"]),
    (Role::Contact, ParentalResponsibility, &["parentalresponsibility", "parentalresp", "parentresponsibility", "hasparentalresponsibility", "hasparentalresp", "legalguardian", "islegalguardian", "legalresponsibility", "responsibility", "pr"]),
    (Role::Contact, EmergencyContact, &["emergencycontact", "isemergencycontact"]),
    (Role::Contact, Restricted, &["courtorder", "courtorders", "hascourtorder", "courtorderinplace", "courtorderrestrictedaccess", "restricted", "restrictedaccess", "accessrestricted", "contactrestriction"]),
    (Role::Contact, AddressConfidential, &["addressconfidential", "addressisconfidential", "isaddressconfidential", "confidentialaddress", "withholdaddress", "addresswithheld"]),
    (Role::Staff, SourceId, &["staffcode", "staffnumber", "employeenumber"]),
];
/// Names of the columns that hold a whole name.
const FULL_NAMES: [&str; 3] = ["name", "fullname", "namefull"];
/// Names that say a number of the person in front of them.
const IDS: [&str; 4] = ["number", "no", "ref", "reference"];

/// What stands in front of a fact to say whose it is, the longer before what it begins with.
#[rustfmt::skip]
const OWNERS: &[(&str, Role, Which)] = &[
    ("pupils", Role::Pupil, Which::Only), ("pupil", Role::Pupil, Which::Only),
    ("students", Role::Pupil, Which::Only), ("student", Role::Pupil, Which::Only),
    ("childs", Role::Pupil, Which::Only), ("child", Role::Pupil, Which::Only),
    ("learner", Role::Pupil, Which::Only),
    ("primarycontact", Role::Contact, Which::Numbered(1)), ("secondarycontact", Role::Contact, Which::Numbered(2)),
    ("emergencycontact", Role::Contact, Which::Only), ("contacts", Role::Contact, Which::Only), ("contact", Role::Contact, Which::Only),
    ("parentorguardian", Role::Contact, Which::Only), ("parentguardian", Role::Contact, Which::Only),
    ("parentorcarer", Role::Contact, Which::Only), ("parentcarer", Role::Contact, Which::Only),
    ("parents", Role::Contact, Which::Only), ("parent", Role::Contact, Which::Only),
    ("primaryguardian", Role::Contact, Which::Only), ("guardian", Role::Contact, Which::Only), ("carer", Role::Contact, Which::Only),
    ("mothers", Role::Contact, Which::Parent("Mother")), ("mother", Role::Contact, Which::Parent("Mother")),
    ("mums", Role::Contact, Which::Parent("Mother")), ("mum", Role::Contact, Which::Parent("Mother")),
    ("fathers", Role::Contact, Which::Parent("Father")), ("father", Role::Contact, Which::Parent("Father")),
    ("dads", Role::Contact, Which::Parent("Father")), ("dad", Role::Contact, Which::Parent("Father")),
    ("staff", Role::Staff, Which::Only), ("employee", Role::Staff, Which::Only), ("teacher", Role::Staff, Which::Only),
    ("governors", Role::Governor, Which::Only), ("governor", Role::Governor, Which::Only),
];

/// A name as it is compared: letters and digits, lower case.
pub fn fold(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What a folded name stands for, if it is known.
pub fn recognise(name: &str) -> Option<Known> {
    // `Year group (current)`.
    let name = name.strip_suffix("current").unwrap_or(name);
    if let Some((role, what)) = word(name) {
        return Some(Known { role, what, which: Which::Only, bare: true });
    }
    owned(name).or_else(|| {
        let (name, number) = trailing_number(name)?;
        let known = owned(name).or_else(|| {
            let (role, what) = word(name)?;
            // `Group 3` and `Address line 2` are more of the same.
            Some(Known { role, what, which: Which::Only, bare: true })
        })?;
        let which = match known.which {
            Which::Only if known.role == Role::Contact => Which::Trailing(number),
            which => which,
        };
        let is_list = known.which == Which::Only && may_repeat(known.what);
        (which != known.which || is_list).then_some(Known { which, ..known })
    })
}

/// Which of a row's contacts a folded name means that says nothing else: `parent1`, `mother`.
pub fn contact_alone(name: &str) -> Option<Which> {
    OWNERS.iter().filter(|(_, role, _)| *role == Role::Contact).find_map(|(owner, _, which)| {
        match (leading_number(name.strip_prefix(owner)?), which) {
            ((Some(number), ""), _) => Some(Which::Numbered(number)),
            ((None, ""), Which::Parent(_)) => Some(*which),
            _ => None,
        }
    })
}

/// A fact with whose it is in front.
fn owned(name: &str) -> Option<Known> {
    OWNERS.iter().find_map(|(owner, role, which)| {
        let rest = name.strip_prefix(owner)?;
        let (number, fact) = leading_number(rest);
        let which = match number {
            Some(number) if *role == Role::Contact => Which::Numbered(number),
            Some(_) => return None,
            None => *which,
        };
        let what = match word(fact) {
            Some((_, what)) => what,
            None if IDS.contains(&fact) => What::Fact(SourceId),
            None => return None,
        };
        Some(Known { role: *role, what, which, bare: false })
    })
}

fn word(name: &str) -> Option<(Role, What)> {
    static WORDS: LazyLock<BTreeMap<&str, (Role, What)>> = LazyLock::new(|| {
        let facts = FACTS
            .iter()
            .flat_map(|(role, field, names)| names.iter().map(|name| (*name, (*role, What::Fact(*field)))));
        facts.chain(FULL_NAMES.map(|name| (name, (Role::Pupil, What::FullName)))).collect()
    });
    WORDS.get(name).copied()
}

/// One or two digits in front.
fn leading_number(text: &str) -> (Option<u8>, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text[..digits].parse() {
        Ok(number @ 1..=99) => (Some(number), &text[digits..]),
        _ => (None, text),
    }
}

/// One or two digits at the end.
fn trailing_number(text: &str) -> Option<(&str, u8)> {
    let name = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = text[name.len()..].parse().ok().filter(|number| (1..100).contains(number))?;
    Some((name, number))
}

/// Whether a field may stand in several columns, as the parts of an address do.
pub const fn may_repeat(what: What) -> bool {
    matches!(what, What::Fact(Address | Landline | Email | Mobile | Groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(header: &str) -> Option<(Role, Field, Which)> {
        match recognise(&fold(header))? {
            Known { role, what: What::Fact(field), which, .. } => Some((role, field, which)),
            _ => None,
        }
    }

    #[test]
    fn recipient_csv_1_spacing_case_and_punctuation_do_not_matter() {
        for header in [
            "StudentForename",
            "student forename",
            "STUDENT_FORENAME",
            " Student-Forename\u{feff} ",
            "s t u d e n t\tforename*",
        ] {
            assert_eq!(known(header), Some((Role::Pupil, GivenName, Which::Only)), "{header}");
        }
        for header in
            ["Shoe size", "", "Contact", "Parental control", "Class ID", "\u{200b}", "Contact 1", "Year 3"]
        {
            assert_eq!(recognise(&fold(header)), None, "{header}");
        }
    }

    #[test]
    fn names_that_say_whose_fact_it_is() {
        use Which::{Numbered, Only, Parent, Trailing};
        for (header, role, field, which) in [
            ("ID", Role::Pupil, SourceId, Only),
            ("First", Role::Pupil, GivenName, Only),
            ("Parent 2 Last", Role::Contact, FamilyName, Numbered(2)),
            ("Admission No.", Role::Pupil, SourceId, Only),
            ("Pupil's Legal Surname", Role::Pupil, FamilyName, Only),
            ("Student Email", Role::Pupil, Email, Only),
            ("Year Group", Role::Pupil, YearGroup, Only),
            ("Year group (current)", Role::Pupil, YearGroup, Only),
            ("Primary Guardian 2 - Mobile", Role::Contact, Mobile, Numbered(2)),
            ("Preferred Forename", Role::Pupil, PreferredGivenName, Only),
            ("Date of Admission", Role::Pupil, StartDate, Only),
            ("Group 12", Role::Pupil, Groups, Only),
            ("(Contact) Priority", Role::Contact, Priority, Only),
            ("(Contact) Home Email", Role::Contact, Email, Only),
            ("Contact Number", Role::Contact, Landline, Only),
            ("Contact ID", Role::Contact, SourceId, Only),
            ("Emergency contact", Role::Contact, EmergencyContact, Only),
            ("Parent Responsibility", Role::Contact, ParentalResponsibility, Only),
            ("Address Line 2", Role::Contact, Address, Trailing(2)),
            ("Email 2", Role::Contact, Email, Trailing(2)),
            ("Contact1FirstName", Role::Contact, GivenName, Numbered(1)),
            ("Contact2Phone", Role::Contact, Landline, Numbered(2)),
            ("Parent/Carer 1 Email Address", Role::Contact, Email, Numbered(1)),
            ("Emergency Contact 3 - Surname", Role::Contact, FamilyName, Numbered(3)),
            ("Contact Forename 2", Role::Contact, GivenName, Trailing(2)),
            ("Secondary Contact Mobile", Role::Contact, Mobile, Numbered(2)),
            ("Mother's email", Role::Contact, Email, Parent("Mother")),
            ("Dad Mobile", Role::Contact, Mobile, Parent("Father")),
            ("Contact First", Role::Contact, GivenName, Only),
            ("Contact Last", Role::Contact, FamilyName, Only),
            ("Date of Birth (DD/MM/YYYY)", Role::Pupil, DateOfBirth, Only),
            ("Arbor Student ID", Role::Pupil, SourceId, Only),
            ("Staff Forename", Role::Staff, GivenName, Only),
            ("Employee number", Role::Staff, SourceId, Only),
            ("Governor email", Role::Governor, Email, Only),
        ] {
            assert_eq!(known(header), Some((role, field, which)), "{header}");
        }
        assert_eq!(recognise("contact1name").map(|known| known.what), Some(What::FullName));
    }

    #[test]
    fn no_name_stands_for_two_facts() {
        let mut all: Vec<_> = FACTS.iter().flat_map(|(_, _, names)| *names).chain(&FULL_NAMES).collect();
        assert!(all.iter().all(|name| fold(name) == **name));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_mapping_is_kept_as_json() {
        let mapping: Mapping = [
            ("Kid's name", Mapped::Column(Column { role: Role::Pupil, field: GivenName })),
            ("Shoe size", Mapped::Ignore),
        ]
        .into_iter()
        .collect();
        let json = r#"{"kidsname":{"role":"pupil","field":"given_name"},"shoesize":"ignore"}"#;
        assert_eq!(serde_json::to_string(&mapping).unwrap(), json);
        assert_eq!(serde_json::from_str::<Mapping>(json).unwrap(), mapping);
        assert!(serde_json::from_str::<Mapping>(r#"{"x":{"role":"pupil","field":"shoe"}}"#).is_err());
    }
}
