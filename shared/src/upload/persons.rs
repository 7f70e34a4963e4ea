//! Tables with a person in each row and a column that says what they are: pupil, parent, staff, governor.

use std::collections::BTreeSet;

use super::{
    cells::MAX_COLUMNS,
    column::{Known, Mapped, Mapping, What, Which, fold, may_repeat, recognise},
    finding::Code,
    layout::{Held, Layout, Whose},
};
use crate::{person::Role, privacy::agreement::Field};

/// What the column is called.
const NAMES: [&str; 9] = [
    "role",
    "type",
    "persontype",
    "persontypename",
    "personrole",
    "usertype",
    "userrole",
    "recordtype",
    "contacttype",
];
/// What it says.
#[rustfmt::skip]
const WORDS: [(Role, &[&str]); 4] = [
    (Role::Pupil, &["pupil", "pupils", "student", "students", "child", "learner"]),
    (Role::Contact, &["parent", "parents", "carer", "guardian", "parentcarer", "parentorcarer", "parentguardian", "contact", "mother", "father", "family"]),
    (Role::Staff, &["staff", "teacher", "teachers", "teachingstaff", "supportstaff", "nonteachingstaff", "nonteaching", "teachingassistant", "employee", "headteacher", "admin", "office"]),
    (Role::Governor, &["governor", "governors", "trustee"]),
];

/// What a row's person is: a word, or one of Schoolcomms' numbers where there is no header.
pub(super) fn role(text: &str, is_number: bool) -> Option<Role> {
    if is_number {
        return match text.trim() {
            "1" => Some(Role::Pupil),
            "2" | "3" => Some(Role::Staff),
            "4" | "5" => Some(Role::Governor),
            _ => None,
        };
    }
    let word = fold(text);
    WORDS.iter().find(|(_, words)| words.contains(&&*word)).map(|(role, _)| *role)
}

/// The layout of a table with such a column; `layout` is what its header would otherwise mean. Most of what can be seen of the column has to
/// be a role, and there is one set of names: beside a pupil's and a contact's, it says something about the tie.
pub(super) fn by_column(layout: &Layout, head: &[(u32, Vec<String>)], mapping: &Mapping) -> Option<Layout> {
    let says_who = |name: &String| NAMES.contains(&&*fold(name)) && mapping.get(&fold(name)).is_none();
    let column = layout.names.iter().take(MAX_COLUMNS).position(says_who)?;
    let below = head.iter().filter(|(row, _)| *row > layout.header);
    let cells = below.filter_map(|(_, cells)| cells.get(column)).filter(|cell| !cell.trim().is_empty());
    let (roles, others): (Vec<_>, Vec<_>) = cells.partition(|cell| role(cell, false).is_some());
    if roles.len() <= others.len() {
        return None;
    }
    let (mut columns, mut left, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (index, name) in
        layout.names.iter().take(MAX_COLUMNS).enumerate().filter(|(index, _)| *index != column)
    {
        let name = fold(name);
        let known = match mapping.get(&name) {
            Some(Mapped::Ignore) => continue,
            Some(Mapped::Column(column)) => {
                let what = What::Fact(column.field);
                Some(Known { role: column.role, what, which: Which::Only, bare: false })
            }
            None => recognise(&name),
        };
        match known {
            Some(Known { role, what, which: Which::Only | Which::Trailing(_), bare }) => {
                if seen.insert((bare.then_some(()).ok_or(role), what)) || may_repeat(what) {
                    columns.push(Held { index, role, what, whose: Whose::Row, bare });
                } else {
                    left.push((index, Code::ColumnTwice));
                }
            }
            None if name.is_empty() => {}
            _ => left.push((index, Code::ColumnUnknown)),
        }
    }
    let is_one =
        columns.iter().filter(|held| held.is_name()).all(|held| held.bare || held.role == Role::Pupil)
            && columns.iter().any(|held| held.is_name() && held.bare);
    is_one.then(|| Layout { columns, left, role: Some(column), ..layout.clone() })
}

/// Whose fact a column of such a table is in the row of somebody in `role`; none where it has nothing to say there.
pub(super) fn owner(held: &Held, role: Role, columns: &[Held]) -> Option<Role> {
    let is_own = |one: &Held| one.bare && one.what == held.what;
    match (held.bare, held.role) {
        (true, _) => Some(role),
        // `Pupil ID` beside `ID` says whose parent somebody is; alone it is the pupil's own.
        (false, Role::Pupil) if role == Role::Pupil && columns.iter().any(is_own) => None,
        (false, Role::Pupil) if matches!(role, Role::Pupil | Role::Contact) => Some(Role::Pupil),
        (false, of) => (of == role).then_some(role),
    }
}

/// The fields that a column's cells give.
pub(super) fn fields(what: What) -> Vec<Field> {
    match what {
        What::Fact(field) => vec![field],
        What::FullName => vec![Field::GivenName, Field::FamilyName],
    }
}
