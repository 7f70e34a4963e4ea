//! `OneRoster` CSV bundles: 1.0, 1.1 and 1.2, whole and delta.
//!
//! <https://www.imsglobal.org/spec/oneroster/v1p2/bind/csv>. Real bundles break it in every way, so nothing in it is relied on
//! that could make somebody missing: a bundle that contradicts itself speaks for a part of the school only. Responsibility for a
//! child is in none of its fields and stays unknown.

use std::collections::HashMap;

use super::{
    Refusal,
    archive::Archive,
    bundle::{File, Record, instant, is_over, is_past},
    cell,
    finding::Code,
    intake::Intake,
    offices::{Ours, Roles},
    roster::{Fact, Roster},
};
use crate::person::Role;

/// The numbering of its ids.
pub const SOURCE: &str = "oneroster";

const ID: &[&str] = &["sourcedId"];
const STATUS: &[&str] = &["status"];
// The second is in a public bundle of a widely used product.
const MODIFIED: &[&str] = &["dateLastModified", "dataLastModified"];
const AGENTS: &[&str] = &["agentSourcedIds", "agents"];
const GRADES: &[&str] = &["grades", "grade"];
const USER_IDS: &[&str] = &["userIds", "userId"];
const PREFERRED_GIVEN: &[&str] = &["preferredGivenName", "prefferedGivenName"];
const PREFERRED_FAMILY: &[&str] = &["preferredFamilyName", "prefferedFamilyName"];
/// Where ties stand.
const AGENT: &str = "users.csv agentSourcedIds";
/// Columns of users.csv that are read, or say nothing about a person.
#[rustfmt::skip]
const USERS_READ: &[&str] = &[
    "sourcedId", "status", "dateLastModified", "dataLastModified", "enabledUser", "orgSourcedIds", "primaryOrgSourcedId", "role",
    "userIds", "userId", "givenName", "familyName", "preferredGivenName", "prefferedGivenName", "preferredFamilyName",
    "prefferedFamilyName", "identifier", "email", "sms", "phone", "agentSourcedIds", "agents", "grades", "grade",
];
/// Columns that the format has and nothing here needs.
#[rustfmt::skip]
const USERS_KNOWN: &[&str] = &[
    "username", "password", "middleName", "preferredMiddleName", "userMasterIdentifier", "pronouns", "resourceSourcedIds",
];
const DEMOGRAPHICS_READ: &[&str] =
    &["sourcedId", "userSourcedId", "status", "dateLastModified", "dataLastModified", "birthDate", "sex"];
#[rustfmt::skip]
const DEMOGRAPHICS_KNOWN: &[&str] = &[
    "americanIndianOrAlaskaNative", "asian", "blackOrAfricanAmerican", "nativeHawaiianOrOtherPacificIslander", "white",
    "demographicRaceTwoOrMoreRaces", "hispanicOrLatinoEthnicity", "countryOfBirthCode", "stateOfBirthAbbreviation", "cityOfBirth",
    "publicSchoolResidenceStatus",
];
/// The files of the format that hold nobody.
#[rustfmt::skip]
const OTHER_FILES: &[&str] = &[
    "academicSessions", "categories", "classResources", "courseResources", "courses", "lineItemLearningObjectiveIds",
    "lineItemScoreScales", "lineItems", "orgs", "resources", "resultLearningObjectiveIds", "resultScoreScales", "results",
    "scoreScales", "userResources",
];

/// Reads a bundle.
///
/// # Errors
/// See [`Intake::row`]. What is wrong with the bundle itself is found, not refused.
pub fn read(archive: &Archive<'_>, intake: &mut Intake<'_>) -> Result<(), Refusal> {
    let modes = Modes::read(archive, intake)?;
    let mut bundle = Bundle {
        archive,
        modes,
        ours: Ours::find(archive, intake)?,
        roles: HashMap::new(),
        roster: Roster::new(SOURCE, "users.csv role", AGENT),
        agents: Vec::new(),
    };
    if bundle.ours.is_a_part() {
        bundle.roster.is_a_part();
    }
    bundle.find_unexpected(intake);
    bundle.read_roles(intake)?;
    bundle.read_users(intake)?;
    if bundle.roster.members.is_empty() {
        // A users.csv that is empty, or not as it should be, never removes anybody.
        intake.is_partial();
    }
    bundle.read_demographics(intake)?;
    bundle.read_groups(intake)?;
    bundle.tie(intake);
    bundle.roster.hand_over(intake)
}

/// How much of its kind a file holds, by the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Whole,
    Delta,
    Absent,
}

/// The manifest.
struct Modes(HashMap<String, Mode>);

impl Modes {
    fn read(archive: &Archive<'_>, intake: &mut Intake<'_>) -> Result<Self, Refusal> {
        let mut modes = HashMap::new();
        let Some(file) = File::open(archive, "manifest.csv", intake)? else {
            intake.find(0, "manifest.csv", Code::FileBroken);
            return Ok(Self(modes));
        };
        let (name, value) = (file.column(&["propertyName"]).or(Some(0)), file.column(&["value"]).or(Some(1)));
        file.each(intake, |record, intake| {
            let property = record.get(name).to_ascii_lowercase();
            let Some(name) = property.strip_prefix("file.") else { return Ok(()) };
            let mode = match record.get(value).to_ascii_lowercase().as_str() {
                "bulk" => Mode::Whole,
                "delta" => Mode::Delta,
                "absent" => Mode::Absent,
                _ => {
                    intake.find(record.row, "manifest.csv value", Code::FileBroken);
                    return Ok(());
                }
            };
            modes.insert(name.to_owned(), mode);
            Ok(())
        })?;
        Ok(Self(modes))
    }

    /// What is said of a file: `users.csv`. Before 1.1 there was no manifest, and every bundle was whole.
    fn of(&self, file: &str) -> Mode {
        let name = file.trim_end_matches(".csv").to_ascii_lowercase();
        self.0.get(&name).copied().unwrap_or(Mode::Whole)
    }
}

/// What a record's status says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Here,
    Gone,
}

/// The columns that every file has, and what has been noted of them: each once.
struct Common {
    name: &'static str,
    mode: Mode,
    status: Option<usize>,
    modified: Option<usize>,
    is_mode_broken: bool,
    is_date_broken: bool,
}

impl Common {
    fn new(file: &File, mode: Mode) -> Self {
        Self {
            name: file.name,
            mode,
            status: file.column(STATUS),
            modified: file.column(MODIFIED),
            is_mode_broken: false,
            is_date_broken: false,
        }
    }

    /// Whether a record is there; what it says about the bundle is noted.
    fn read(&mut self, record: Record<'_>, intake: &mut Intake<'_>) -> Status {
        let (status, modified) = (record.get(self.status), record.get(self.modified));
        // A whole file must leave both blank, a delta must fill both. When it was written is no change by itself.
        let is_broken = match self.mode {
            Mode::Delta => status.is_empty() || modified.is_empty(),
            Mode::Whole | Mode::Absent => !status.is_empty(),
        };
        if is_broken && !std::mem::replace(&mut self.is_mode_broken, true) {
            intake.find(record.row, &format!("{} status", self.name), Code::ModeBroken);
            intake.is_partial();
        }
        if !modified.is_empty() {
            let at = instant(modified).filter(|at| is_past(*at, intake.today()));
            let is_wrong = at.is_none() || self.mode == Mode::Whole;
            if is_wrong && !std::mem::replace(&mut self.is_date_broken, true) {
                intake.find(record.row, &format!("{} dateLastModified", self.name), Code::FileBroken);
            }
            if let Some(at) = at {
                intake.was_exported(at);
            }
        }
        match status.to_ascii_lowercase().as_str() {
            "" | "active" => Status::Here,
            "tobedeleted" | "inactive" | "deleted" => Status::Gone,
            _ => {
                intake.find(record.row, &format!("{} status", self.name), Code::WordUnclear);
                Status::Here
            }
        }
    }
}

/// What users.csv said about somebody's agents.
struct Agents {
    row: u32,
    of: u32,
    ids: Box<str>,
}

struct Bundle<'a, 'z> {
    archive: &'a Archive<'z>,
    modes: Modes,
    ours: Ours,
    /// By user, and by whether it still holds.
    roles: HashMap<Box<str>, (Roles, Roles)>,
    roster: Roster,
    agents: Vec<Agents>,
}

impl Bundle<'_, '_> {
    /// Opens a file, and compares it with what the manifest says of it.
    fn open(&self, name: &'static str, intake: &mut Intake<'_>) -> Result<Option<(File, Common)>, Refusal> {
        let mode = self.modes.of(name);
        let is_said = self.modes.0.contains_key(&name.trim_end_matches(".csv").to_ascii_lowercase());
        let file = File::open(self.archive, name, intake)?;
        if file.is_some() != (mode != Mode::Absent) && is_said {
            intake.find(0, name, Code::FileBroken);
            intake.is_partial();
        }
        if mode == Mode::Delta {
            intake.is_partial();
        }
        Ok(file.map(|file| {
            let common = Common::new(&file, mode);
            (file, common)
        }))
    }

    /// Files that are no part of the format.
    fn find_unexpected(&self, intake: &mut Intake<'_>) {
        const READ: [&str; 7] =
            ["manifest", "users", "roles", "userProfiles", "demographics", "classes", "enrollments"];
        for name in self.archive.names() {
            let is_known =
                name.rsplit_once('.').filter(|(_, ending)| ending.eq_ignore_ascii_case("csv")).is_some_and(
                    |(stem, _)| READ.iter().chain(OTHER_FILES).any(|known| stem.eq_ignore_ascii_case(known)),
                );
            if !is_known {
                intake.find(0, "", Code::FileUnexpected);
            }
        }
    }

    /// Roles of 1.2, one a row.
    fn read_roles(&mut self, intake: &mut Intake<'_>) -> Result<(), Refusal> {
        let opened = match self.open("roles.csv", intake)? {
            Some(opened) => Some(opened),
            // The same rows, under another file's name: it has been seen.
            None => self
                .open("userProfiles.csv", intake)?
                .filter(|(file, _)| file.column(&["roleType"]).is_some()),
        };
        let Some((file, mut common)) = opened else { return Ok(()) };
        if file.name != "roles.csv" {
            intake.find(0, file.name, Code::FileBroken);
        }
        let (user, role) = (file.required("userSourcedId", intake), file.required("role", intake));
        let (ends, label) = (file.column(&["endDate"]), format!("{} role", file.name));
        let (org, org_label) = (file.column(&["orgSourcedId"]), format!("{} orgSourcedId", file.name));
        let today = intake.today();
        file.each(intake, |record, intake| {
            let status = common.read(record, intake);
            let Some(roles) = Roles::from_word(record.get(role)) else {
                intake.find(record.row, &label, Code::RoleUnknown);
                return Ok(());
            };
            let user = record.get(user);
            let roles = self.ours.keep(user, roles, record.get(org), (record.row, &org_label), intake);
            if roles.is_absent() {
                return Ok(());
            }
            if status == Status::Gone && common.mode == Mode::Delta {
                for role in roles.held() {
                    intake.gone(role, SOURCE, user);
                }
            }
            let (held, ever) = self.roles.entry(Box::from(user)).or_default();
            *ever = ever.and(roles);
            if status == Status::Here && !is_over(record.get(ends), today) {
                *held = held.and(roles);
            }
            Ok(())
        })
    }

    fn read_users(&mut self, intake: &mut Intake<'_>) -> Result<(), Refusal> {
        let Some((file, mut common)) = self.open("users.csv", intake)? else {
            intake.find(0, "users.csv", Code::FileBroken);
            return Ok(());
        };
        let id = file.required("sourcedId", intake);
        let facts: Vec<(Fact, usize)> = [
            (Fact::Id, id),
            (Fact::GivenName, file.required("givenName", intake)),
            (Fact::FamilyName, file.required("familyName", intake)),
            (Fact::PreferredGivenName, file.column(PREFERRED_GIVEN)),
            (Fact::PreferredFamilyName, file.column(PREFERRED_FAMILY)),
            (Fact::YearGroup, file.column(GRADES)),
            (Fact::Email, file.column(&["email"])),
            (Fact::Mobile, file.column(&["sms"])),
            (Fact::Landline, file.column(&["phone"])),
        ]
        .into_iter()
        .filter_map(|(fact, column)| Some((fact, column?)))
        .collect();
        for (fact, column) in &facts {
            self.roster.comes_from(*fact, file.label(*column));
        }
        file.leave_behind(USERS_READ, USERS_KNOWN, intake);
        let (role, agents) = (file.column(&["role"]), file.column(AGENTS));
        let (identifier, user_ids) = (file.column(&["identifier"]), file.column(USER_IDS));
        let org = file.column(&["orgSourcedIds", "orgSourcedId"]);
        file.each(intake, |record, intake| {
            let status = common.read(record, intake);
            let key = record.get(id);
            let (mut held, mut ever) = self.roles.get(key).copied().unwrap_or_default();
            match Roles::from_word(record.get(role)) {
                Some(roles) => {
                    let at = (record.row, "users.csv orgSourcedIds");
                    let roles = self.ours.keep(key, roles, record.get(org), at, intake);
                    (held, ever) = (held.and(roles), ever.and(roles));
                    if let (true, Some(left)) = (held.is_absent(), self.ours.elsewhere(key)) {
                        // All their schools are listed, and ours is not: whoever was here has gone there.
                        if common.mode == Mode::Delta && status == Status::Here {
                            left.held().for_each(|role| intake.gone(role, SOURCE, key));
                        }
                        return Ok(());
                    }
                }
                None if held.is_absent() && self.ours.elsewhere(key).is_some() => return Ok(()),
                None if record.get(role).is_empty() && held != Roles::default() => {}
                None if status == Status::Gone => {}
                None => {
                    intake.find(record.row, "users.csv role", Code::RoleUnknown);
                    return Ok(());
                }
            }
            if status == Status::Gone {
                for role in ever.held().filter(|_| !key.is_empty()) {
                    intake.gone(role, SOURCE, key);
                }
                return Ok(());
            }
            let mut cells: Vec<_> =
                facts.iter().map(|(fact, column)| (*fact, record.get(Some(*column)))).collect();
            for (fact, text) in &mut cells {
                if *fact == Fact::YearGroup {
                    // A list, and a child is in one of them.
                    *text =
                        text.split(',').map(str::trim).find(|grade| !grade.is_empty()).unwrap_or_default();
                }
            }
            let upn = held.is_pupil.then(|| upn(record, user_ids, identifier)).flatten();
            if let Some((column, upn)) = upn {
                // Only now: a column without any UPN does not say that nobody has one.
                self.roster.comes_from(Fact::Upn, file.label(column));
                cells.push((Fact::Upn, upn));
            }
            self.roster.add(record.row, held, &cells, intake)?;
            if let (Some(of), false) = (self.roster.index(key), record.get(agents).is_empty()) {
                self.agents.push(Agents { row: record.row, of, ids: Box::from(record.get(agents)) });
            }
            Ok(())
        })
    }

    fn read_demographics(&mut self, intake: &mut Intake<'_>) -> Result<(), Refusal> {
        let Some((file, mut common)) = self.open("demographics.csv", intake)? else { return Ok(()) };
        file.leave_behind(DEMOGRAPHICS_READ, DEMOGRAPHICS_KNOWN, intake);
        let user = file.column(ID).or_else(|| file.required("userSourcedId", intake));
        let is_there =
            |record: Record<'_>, intake: &mut Intake<'_>| common.read(record, intake) == Status::Here;
        self.roster.read_births(&file, user, intake, is_there)
    }

    /// Homerooms are classes, the others groups.
    fn read_groups(&mut self, intake: &mut Intake<'_>) -> Result<(), Refusal> {
        let classes = self.open("classes.csv", intake)?;
        let enrollments = self.open("enrollments.csv", intake)?;
        let (Some((classes, mut of_classes)), Some((enrollments, mut of_enrollments))) =
            (classes, enrollments)
        else {
            return Ok(());
        };
        let (id, title) = (classes.required("sourcedId", intake), classes.required("title", intake));
        let (code, kind) = (classes.column(&["classCode"]), classes.column(&["classType"]));
        let school = classes.column(&["schoolSourcedId"]);
        let mut known = HashMap::new();
        classes.each(intake, |record, intake| {
            let name =
                [title, code].map(|column| record.get(column)).into_iter().find(|name| !name.is_empty());
            if let (Status::Here, Some(name)) = (of_classes.read(record, intake), name)
                && self.ours.holds(record.get(school))
            {
                let is_homeroom = record.get(kind).eq_ignore_ascii_case("homeroom");
                known.insert(Box::<str>::from(record.get(id)), (self.roster.group(name), is_homeroom));
            }
            Ok(())
        })?;
        let class = enrollments.required("classSourcedId", intake);
        let (user, ends) = (enrollments.required("userSourcedId", intake), enrollments.column(&["endDate"]));
        let is_legible = !known.is_empty() && class.is_some() && user.is_some();
        if is_legible && of_classes.mode != Mode::Delta && of_enrollments.mode != Mode::Delta {
            // A part of somebody's groups cannot be told from all of them, and files that nobody can read say nothing of any.
            self.roster.groups_come_from("classes.csv title".to_owned());
        }
        let today = intake.today();
        enrollments.each(intake, |record, intake| {
            if of_enrollments.read(record, intake) == Status::Gone || is_over(record.get(ends), today) {
                return Ok(());
            }
            let joined = match (self.roster.index(record.get(user)), known.get(record.get(class))) {
                (Some(user), Some((group, is_homeroom))) => self.roster.join(user, *group, *is_homeroom),
                // A class that is over, or somebody who is gone.
                _ => true,
            };
            if !joined {
                intake.find(record.row, "enrollments.csv userSourcedId", Code::RecordInvalid);
            }
            Ok(())
        })
    }

    /// Agents stand on the pupil, on the parent or on both: what ties two people is that one of them names the other.
    fn tie(&mut self, intake: &mut Intake<'_>) {
        for Agents { row, of, ids } in std::mem::take(&mut self.agents) {
            let (of_roles, mut is_unknown) = (self.roster.roles(of), false);
            for id in ids.split([',', ';']).map(str::trim).filter(|id| !id.is_empty()) {
                let agent = self.roster.index(id).map(|agent| (agent, self.roster.roles(agent)));
                let agent = agent.filter(|(_, roles)| !roles.is_absent());
                if agent.is_none() && self.ours.elsewhere(id).is_some() {
                    continue;
                }
                match (agent, of_roles.contact) {
                    (Some((agent, Roles { contact: Some(word), .. })), _) if of_roles.is_pupil => {
                        self.roster.tie(of, agent, word);
                    }
                    (Some((agent, Roles { is_pupil: true, .. })), Some(word)) => {
                        self.roster.tie(agent, of, word);
                    }
                    (None, _) if of_roles.is_pupil => {
                        if let Some(agent) = self.roster.refer(Role::Contact, id, row, AGENT, intake) {
                            self.roster.tie(of, agent, "");
                        }
                    }
                    (None, Some(word)) => {
                        if let Some(agent) = self.roster.refer(Role::Pupil, id, row, AGENT, intake) {
                            self.roster.tie(agent, of, word);
                        }
                    }
                    _ => is_unknown = true,
                }
            }
            if is_unknown {
                intake.find(row, AGENT, Code::LinkUnknown);
            }
        }
    }
}

/// A unique pupil number, where there is one: `{UPN:...}` in the list of ids, or as the identifier. And the column it is in.
fn upn(record: Record<'_>, user_ids: Option<usize>, identifier: Option<usize>) -> Option<(usize, &str)> {
    let listed = record.get(user_ids).split(['{', '}']).filter_map(|id| id.split_once(':'));
    let listed =
        listed.filter(|(kind, _)| kind.to_ascii_lowercase().contains("upn")).map(|(_, id)| id.trim());
    let named = std::iter::once(record.get(identifier)).filter(|id| matches!(cell::upn(id), Ok(Some(_))));
    (listed.filter_map(|id| Some((user_ids?, id))))
        .chain(named.filter_map(|id| Some((identifier?, id))))
        .next()
}

#[cfg(test)]
#[path = "oneroster_tests.rs"]
mod tests;
