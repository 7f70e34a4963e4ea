//! Which of a table's rows is its header, what its columns hold, and what kind of table it is.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Refusal,
    cells::MAX_COLUMNS,
    column::{Known, Mapped, Mapping, What, Which, contact_alone, fold, may_repeat, recognise},
    date,
    finding::Code,
    persons,
};
use crate::{
    person::Role,
    privacy::agreement::Field::{
        self, Address, AddressConfidential, Class, DateOfBirth, Deceased, Email, FamilyName, GivenName,
        Landline, Mobile, PreferredFamilyName, PreferredGivenName, Restricted, SourceId, Title, Upn,
        YearGroup,
    },
};

/// IRIS ParentMail's template, which is also ours: what a file of this shape means when it has no header.
const TEMPLATE: [&str; 22] = [
    "StudentForename",
    "StudentSurname",
    "StudentID",
    "Year",
    "Reg",
    "DOB",
    "Gender",
    "Relationship",
    "Title",
    "ContactForename",
    "ContactSurname",
    "ContactID",
    "PrimaryEmail",
    "MobileNumber",
    "HouseName",
    "HouseNumber",
    "Street",
    "District",
    "Town",
    "County",
    "Postcode",
    "Priority",
];
/// Schoolcomms' files have no header: these, and then the number of a role.
const SCHOOLCOMMS: [Field; 5] = [SourceId, GivenName, FamilyName, Class, YearGroup];

/// What a table's columns hold.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The header's row; 0 where there is none.
    pub header: u32,
    /// The row above it that says whose the names are, where one does.
    pub banner: Option<u32>,
    /// The names as they stand there.
    pub names: Vec<String>,
    /// How many columns the table has.
    pub width: usize,
    /// The columns that are read, in their order.
    pub columns: Vec<Held>,
    /// The columns that are not, and why.
    pub left: Vec<(usize, Code)>,
    /// The column that says what each row's person is, where the table mixes them.
    pub role: Option<usize>,
}

/// A column that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which, from 0.
    pub index: usize,
    /// Whose.
    pub role: Role,
    /// What.
    pub what: What,
    /// Which of the row's contacts.
    pub whose: Whose,
    /// Nothing in the name says whose it is: where a column says what the row's person is, it is theirs.
    pub bare: bool,
}

/// Whom of a row a column is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// The pupil, or a colleague.
    Row,
    /// Each of the contacts.
    EveryContact,
    /// One of them.
    Contact(Which),
}

/// Finds the layout from a table's first rows that hold anything.
///
/// # Errors
/// What names nobody is refused; so is one file of a rostering bundle, whose organisations and teachers would be read as pupils.
pub fn find(head: &[(u32, Vec<String>)], mapping: &Mapping) -> Result<Layout, Refusal> {
    const OF_A_BUNDLE: [&str; 3] = ["sourcedid", "usersourcedid", "classsourcedid"];
    let mut names = head.iter().flat_map(|(_, names)| names);
    let is_manifest = |names: &[String]| names.iter().map(|name| fold(name)).eq(["propertyname", "value"]);
    if names.any(|name| OF_A_BUNDLE.contains(&fold(name).as_str()))
        || head.first().is_some_and(|(_, names)| is_manifest(names))
    {
        return Err(Refusal::PartOfBundle);
    }
    let mut best: Option<Layout> = None;
    for (at, (row, names)) in head.iter().enumerate() {
        let mut layout = headed(*row, names, mapping);
        if let Some((above, banner)) = at.checked_sub(1).and_then(|above| head.get(above))
            && let Some(joined) = under(banner, names, mapping)
        {
            let both = headed(*row, &joined, mapping);
            if both.columns.len() > layout.columns.len() {
                layout = Layout { banner: Some(*above), names: names.clone(), ..both };
            }
        }
        if layout.columns.len() > best.as_ref().map_or(0, |best| best.columns.len()) {
            best = Some(layout);
        }
    }
    // One known word alone may be somebody's name in a table without a header.
    let layout = match best {
        Some(best) if best.columns.len() > 1 => best,
        best => schoolcomms(head).or_else(|| template(head)).or(best).ok_or(Refusal::NoKnownColumn)?,
    };
    let layout = persons::by_column(&layout, head, mapping).unwrap_or(layout);
    let names_somebody = layout.columns.iter().any(|held| match held.role {
        Role::Pupil => held.is_name() || held.what == What::Fact(SourceId),
        Role::Contact => false,
        Role::Staff | Role::Governor => held.is_name(),
    });
    if names_somebody && !may_be_of_adults(&layout) { Ok(layout) } else { Err(Refusal::NoPupilColumn) }
}

/// Whether a table is of adults as likely as of pupils: beside the names stands a title, which no pupil has, and nothing that only
/// pupils have or that says whose the names are. `Title, Forename, Surname, Email` is a list of staff.
fn may_be_of_adults(layout: &Layout) -> bool {
    let is_title = |held: &Held| held.bare && held.what == What::Fact(Title);
    let says_whose = |held: &Held| match held.what {
        _ if !held.bare => true,
        What::Fact(YearGroup | Class | DateOfBirth | Upn) => true,
        What::Fact(SourceId) => layout.names.get(held.index).is_none_or(|name| fold(name) != "id"),
        What::Fact(Title | Email | Mobile | Landline | Address) => false,
        _ => held.role == Role::Contact,
    };
    layout.role.is_none() && layout.columns.iter().any(is_title) && !layout.columns.iter().any(says_whose)
}

/// The names under a banner (`Contact 1` over `Forename` and `Surname`), where the names alone repeat themselves and several
/// banners reach over more than one of them.
fn under(banner: &[String], names: &[String], mapping: &Mapping) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let repeats = names.iter().map(|name| fold(name)).any(|name| !name.is_empty() && !seen.insert(name));
    let filled: Vec<_> =
        (0..).zip(banner).filter(|(_, text)| !text.trim().is_empty()).map(|(at, _)| at).collect();
    let reaches = |pair: &[usize]| pair[1] - pair[0] > 1;
    if !repeats || !(filled.windows(2).any(reaches) || filled.len() > 1 && banner.len() < names.len()) {
        return None;
    }
    let is_known = |name: &str| {
        let name = fold(name);
        mapping.get(&name).is_some() || recognise(&name).is_some()
    };
    let mut over = "";
    let joined = (0..names.len().min(MAX_COLUMNS)).map(|at| {
        let above = banner.get(at).map_or("", |text| text.trim());
        over = if above.is_empty() { over } else { above };
        let name = names[at].trim();
        if name.is_empty() {
            return above.to_owned();
        }
        // `Contact 1 details` is the contact's too.
        let whose = ["details", "information", "info"];
        let bare = whose.iter().find_map(|word| strip_last(over, word)).unwrap_or(over);
        let both = [over, bare].map(|over| format!("{over} {name}"));
        both.into_iter().find(|both| is_known(both)).unwrap_or_else(|| name.to_owned())
    });
    Some(joined.collect())
}

/// A text without its last word, if that is `word`.
fn strip_last<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (rest, last) = text.rsplit_once(char::is_whitespace)?;
    last.eq_ignore_ascii_case(word).then_some(rest)
}

impl Held {
    pub(super) fn is_name(&self) -> bool {
        matches!(self.what, What::FullName | What::Fact(GivenName | FamilyName))
    }
}

/// Id, forename, surname, class, year, and a role from 1 to 6.
fn schoolcomms(head: &[(u32, Vec<String>)]) -> Option<Layout> {
    let fits = |cells: &Vec<String>| match &cells[..] {
        [id, _, _, _, _, role] => {
            !id.trim().is_empty() && matches!(role.trim(), "1" | "2" | "3" | "4" | "5" | "6")
        }
        _ => false,
    };
    let columns = (0..).zip(SCHOOLCOMMS).map(|(index, field)| Held {
        index,
        role: Role::Pupil,
        what: What::Fact(field),
        whose: Whose::Row,
        bare: true,
    });
    head.iter().all(|(_, cells)| fits(cells)).then(|| Layout {
        header: 0,
        banner: None,
        names: Vec::new(),
        width: SCHOOLCOMMS.len() + 1,
        columns: columns.collect(),
        left: Vec::new(),
        role: Some(SCHOOLCOMMS.len()),
    })
}

/// The template without its header: as wide, with dates, addresses and priorities where they belong.
fn template(head: &[(u32, Vec<String>)]) -> Option<Layout> {
    let column = |name: &str| {
        let index = TEMPLATE.iter().position(|known| *known == name);
        head.iter()
            .filter_map(move |(_, cells)| cells.get(index?))
            .map(|cell| cell.trim())
            .filter(|cell| !cell.is_empty())
    };
    let is_date = |cell: &str| date::read(cell, date::Order::DayFirst, date::Century::This).is_ok();
    let fits = head.iter().all(|(_, cells)| cells.len() <= TEMPLATE.len())
        && column("DOB").next().is_some()
        && column("DOB").all(|cell| is_date(cell) || date::evidence(cell).is_some())
        && column("PrimaryEmail").all(|cell| cell.contains('@'))
        && column("Priority").all(|cell| cell.parse::<u8>().is_ok())
        && column("PrimaryEmail").chain(column("MobileNumber")).next().is_some()
        && column("StudentForename")
            .chain(column("StudentSurname"))
            .all(|cell| !cell.contains(|c: char| c.is_ascii_digit()));
    let names: Vec<_> = TEMPLATE.map(str::to_owned).into();
    fits.then(|| Layout { names: Vec::new(), ..headed(0, &names, &Mapping::default()) })
}

/// A column whose name is known.
struct Found {
    index: usize,
    known: Known,
    /// The school said so itself.
    is_mapped: bool,
    /// A name as it stands on a birth certificate.
    is_legal: bool,
}

impl Found {
    fn is(&self, role: Role, what: What) -> bool {
        (self.known.role, self.known.what) == (role, what)
    }

    fn is_name_of(&self, role: Role) -> bool {
        self.known.role == role
            && matches!(self.known.what, What::FullName | What::Fact(GivenName | FamilyName))
    }
}

/// The layout if a row were the header.
fn headed(header: u32, names: &[String], mapping: &Mapping) -> Layout {
    let (mut found, mut left) = (Vec::new(), Vec::new());
    for (index, name) in names.iter().take(MAX_COLUMNS).enumerate() {
        let name = fold(name);
        let known = match mapping.get(&name) {
            Some(Mapped::Ignore) => continue,
            Some(Mapped::Column(column)) => {
                let what = What::Fact(column.field);
                Some((Known { role: column.role, what, which: Which::Only, bare: false }, true))
            }
            None => recognise(&name).map(|known| (known, false)),
        };
        match known {
            Some((known, is_mapped)) => {
                found.push(Found { index, known, is_mapped, is_legal: name.contains("legal") });
            }
            // Trailing commas make columns without a name: they are nothing that could be left behind.
            None if name.is_empty() => {}
            None => left.push((index, Code::ColumnUnknown)),
        }
    }
    named_by_whose_they_are(names, &mut found, &mut left);
    if names.len() > MAX_COLUMNS {
        left.push((MAX_COLUMNS, Code::ColumnUnknown));
    }
    second_is_the_contacts(&mut found);
    legal_comes_first(&mut found);
    deceased_contact(&mut found);
    left.extend(whole_names(&mut found));
    let width = names.iter().rposition(|name| !name.trim().is_empty()).map_or(0, |last| last + 1);
    let columns = claim(in_contacts(found, &mut left), &mut left);
    Layout { header, banner: None, names: names.to_vec(), width, columns, left, role: None }
}

/// `Parent 1` beside `Parent 1 email` holds the name, where no other column does.
fn named_by_whose_they_are(names: &[String], found: &mut Vec<Found>, left: &mut Vec<(usize, Code)>) {
    left.retain(|(index, _)| {
        let Some(which) = contact_alone(&fold(&names[*index])) else { return true };
        let of_them =
            || found.iter().filter(|one| (one.known.role, one.known.which) == (Role::Contact, which));
        if of_them().next().is_none() || of_them().any(|one| one.is_name_of(Role::Contact)) {
            return true;
        }
        let known = Known { role: Role::Contact, what: What::FullName, which, bare: false };
        found.push(Found { index: *index, known, is_mapped: false, is_legal: false });
        false
    });
    found.sort_by_key(|one| one.index);
}

/// Where a table names the pupil's columns and the contact's alike, the pupil's come first (School Booking does this).
fn second_is_the_contacts(found: &mut [Found]) {
    let is = |one: &Found, field| one.known.bare && !one.is_legal && one.is(Role::Pupil, What::Fact(field));
    let twice = |field| found.iter().filter(|one| is(one, field)).count() > 1;
    if !twice(GivenName) || !twice(FamilyName) || !found.iter().any(|one| one.known.role == Role::Contact) {
        return;
    }
    for field in [GivenName, FamilyName, SourceId] {
        let is_named = found.iter().any(|one| one.is(Role::Contact, What::Fact(field)));
        if let Some(second) = found.iter_mut().filter(|one| is(one, field)).nth(1)
            && !is_named
        {
            second.known.role = Role::Contact;
        }
    }
}

/// Where a legal name stands beside another, the other is the one the pupil goes by.
fn legal_comes_first(found: &mut [Found]) {
    for (field, preferred) in [(GivenName, PreferredGivenName), (FamilyName, PreferredFamilyName)] {
        let is = |one: &Found| one.is(Role::Pupil, What::Fact(field)) && !one.is_mapped;
        if found.iter().any(|one| is(one) && one.is_legal) {
            for one in found.iter_mut().filter(|one| is(one) && !one.is_legal) {
                one.known.what = What::Fact(preferred);
            }
        }
    }
}

/// Behind a contact's name, a column that says who has died speaks of the contact.
fn deceased_contact(found: &mut [Found]) {
    let contact =
        found.iter().position(|one| one.is_name_of(Role::Contact) && one.known.which == Which::Only);
    for one in found.iter_mut().skip(contact.unwrap_or(usize::MAX)) {
        if one.known.bare && one.is(Role::Pupil, What::Fact(Deceased)) {
            one.known.role = Role::Contact;
        }
    }
}

/// A column of whole names is of use where there are no columns of the parts; beside a surname it holds the forename.
fn whole_names(found: &mut Vec<Found>) -> Vec<(usize, Code)> {
    let parts: BTreeSet<_> = found
        .iter()
        .filter(|one| matches!(one.known.what, What::Fact(_)) && one.is_name_of(one.known.role))
        .map(|one| (one.known.role, one.known.which, one.known.what))
        .collect();
    let has = |known: Known, field| parts.contains(&(known.role, known.which, What::Fact(field)));
    let mut left = Vec::new();
    found.retain_mut(|one| {
        if one.known.what == What::FullName {
            if has(one.known, GivenName) {
                left.push((one.index, Code::ColumnTwice));
                return false;
            }
            if has(one.known, FamilyName) {
                one.known.what = What::Fact(GivenName);
            }
        }
        true
    });
    left
}

/// Tells whose each column is: in a wide table, which of the contacts'.
fn in_contacts(mut found: Vec<Found>, left: &mut Vec<(usize, Code)>) -> Vec<(Found, Whose)> {
    let is_trailing = |one: &Found| matches!(one.known.which, Which::Trailing(_));
    // `Contact Email 2` is the second contact's only if there is a second contact's name.
    let are_contacts = found.iter().any(|one| one.is_name_of(Role::Contact) && is_trailing(one));
    for one in &mut found {
        if let Which::Trailing(number) = one.known.which {
            one.known.which = if are_contacts { Which::Numbered(number) } else { Which::Only };
        }
    }
    let is_wide = found.iter().any(|one| one.known.which != Which::Only);
    let has_only = found.iter().any(|one| one.is_name_of(Role::Contact) && one.known.which == Which::Only);
    let mut out = Vec::new();
    for one in found {
        let Known { role, what, which, bare } = one.known;
        let whose = match (role, which) {
            (Role::Contact, Which::Only) if is_wide => {
                if bare && matches!(what, What::Fact(Restricted | AddressConfidential)) {
                    Whose::EveryContact
                } else if has_only {
                    Whose::Contact(which)
                } else {
                    // Whose it is of several contacts cannot be told.
                    left.push((one.index, Code::ColumnUnknown));
                    continue;
                }
            }
            (Role::Contact, which) => Whose::Contact(which),
            _ => Whose::Row,
        };
        out.push((one, whose));
    }
    out
}

/// Of two columns that say the same, the school's own choice is read, or else the first.
fn claim(found: Vec<(Found, Whose)>, left: &mut Vec<(usize, Code)>) -> Vec<Held> {
    let key = |one: &Found, whose| (one.known.role, one.known.what, whose);
    let mut claims = BTreeMap::new();
    for is_mapped in [true, false] {
        for (one, whose) in found.iter().filter(|(one, _)| one.is_mapped == is_mapped) {
            claims.entry(key(one, *whose)).or_insert(one.index);
        }
    }
    let mut columns = Vec::new();
    for (one, whose) in found {
        let Found { index, known: Known { role, what, bare, .. }, .. } = one;
        if may_repeat(what) || claims.get(&key(&one, whose)) == Some(&index) {
            columns.push(Held { index, role, what, whose, bare });
        } else {
            left.push((index, Code::ColumnTwice));
        }
    }
    columns
}
