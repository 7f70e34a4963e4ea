//! The file: the ParentMail layout with two columns more, as a management system would write it.

use super::School;
use super::model::{Email, Home, Link, Pupil};

/// The header row.
pub(super) const HEADER: [&str; 24] = [
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
    "ParentalResponsibility",
    "CourtOrder",
];

/// The columns that the school's data sharing agreement does not list.
pub(super) const OUTSIDE_AGREEMENT: [&str; 8] =
    ["Gender", "HouseName", "HouseNumber", "Street", "District", "Town", "County", "Postcode"];

/// One record of the file. `link` is `None` where the child has no contact.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    /// As a spreadsheet numbers it: the header is row 1, and a newline inside a cell starts no row.
    pub(super) number: usize,
    pub(super) pupil: usize,
    pub(super) link: Option<&'a Link>,
}

/// The records in the order of the file: by year, class and name, each child's contacts by priority.
pub(super) fn rows(school: &School) -> Vec<Row<'_>> {
    let mut links_of: Vec<Vec<&Link>> = school.pupils.iter().map(|_| Vec::new()).collect();
    for link in &school.links {
        links_of[link.pupil].push(link);
    }
    let mut order: Vec<usize> = (0..school.pupils.len()).collect();
    order.sort_by_key(|&index| {
        let Pupil { year, class, family, given, source_id, .. } = &school.pupils[index];
        (*year, class, family, given, source_id)
    });
    let mut rows = Vec::new();
    for pupil in order {
        let mut links = std::mem::take(&mut links_of[pupil]);
        links.sort_by_key(|link| link.terms.priority.unwrap_or(u8::MAX));
        if links.is_empty() {
            rows.push(Row { number: rows.len() + 2, pupil, link: None });
        }
        for link in links {
            rows.push(Row { number: rows.len() + 2, pupil, link: Some(link) });
        }
    }
    rows
}

/// The file with the rows that are wanted: UTF-8 with a byte order mark and CRLF, as Excel saves "CSV UTF-8".
pub(super) fn write(school: &School, wanted: impl Fn(&Row<'_>) -> bool) -> String {
    let mut text = String::from("\u{feff}");
    push_record(&mut text, HEADER.into_iter());
    for row in rows(school).into_iter().filter(wanted) {
        let cells = cells(school, row);
        push_record(&mut text, cells.iter().map(String::as_str));
    }
    text
}

fn cells(school: &School, row: Row<'_>) -> Vec<String> {
    let pupil = &school.pupils[row.pupil];
    let born = match (&pupil.damaged_birth, row.link.and_then(|link| link.other_birth)) {
        (Some(damaged), _) => damaged.text.to_owned(),
        (None, Some(other)) => other.british(),
        (None, None) => pupil.born.british(),
    };
    let shown = |name: &String| if pupil.nameless { String::new() } else { name.clone() };
    let mut cells = vec![
        shown(&pupil.given),
        shown(&pupil.family),
        pupil.source_id.clone(),
        pupil.year.label(),
        pupil.class.clone(),
        born,
        pupil.gender.to_string(),
    ];
    let Some(link) = row.link else {
        cells.push(if pupil.relationship_alone { "Father".to_owned() } else { String::new() });
        cells.resize(HEADER.len(), String::new());
        return cells;
    };
    let contact = &school.contacts[link.contact];
    let Home { house_name, house_number, street, district, postcode } = &contact.home;
    let yes_no = |flag: bool| if flag { "Y" } else { "N" }.to_owned();
    cells.extend([
        link.terms.relationship.to_owned(),
        contact.title.to_owned(),
        contact.given.clone(),
        contact.family.clone(),
        contact.source_id.clone(),
        match &contact.email {
            Email::Absent => String::new(),
            Email::Valid(address) => address.clone(),
            Email::Damaged(text) => (*text).to_owned(),
        },
        contact.phone.text(),
        house_name.clone(),
        house_number.clone(),
        street.clone(),
        district.clone(),
        "Oakfield".to_owned(),
        "Westshire".to_owned(),
        postcode.clone(),
        link.terms.priority.map(|priority| priority.to_string()).unwrap_or_default(),
        link.terms.responsibility.map(yes_no).unwrap_or_default(),
        if link.terms.restricted { "Y".to_owned() } else { String::new() },
    ]);
    cells.truncate(HEADER.len() - link.cells_cut);
    cells
}

fn push_record<'a>(text: &mut String, cells: impl Iterator<Item = &'a str>) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            text.push(',');
        }
        if cell.contains(['"', ',', '\r', '\n']) {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(cell);
        }
    }
    text.push_str("\r\n");
}
