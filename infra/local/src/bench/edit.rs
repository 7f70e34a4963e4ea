//! The school's file with a known number of people and links changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Context, Error, Result};

/// Contacts who get another address.
pub const PEOPLE: usize = 20;
/// Contacts who move in the order in which a child's contacts are called.
pub const LINKS: usize = 5;

/// Where the columns are that are looked at.
struct Columns {
    pupil: usize,
    contact: usize,
    email: usize,
    priority: usize,
}

/// Changes the cells of [`PEOPLE`] contacts and [`LINKS`] links, and nothing besides.
pub fn change(file: &[u8]) -> Result<Vec<u8>> {
    let mut records = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(file)
        .into_records()
        .map(|record| record.map(|record| record.iter().map(str::to_owned).collect()))
        .collect::<Result<Vec<Vec<String>>, _>>()
        .failed("the school's file is no CSV")?;
    let columns = columns(&records)?;
    let (people, links) = chosen(&records, &columns);
    if people.len() < PEOPLE || links.len() < LINKS {
        return Err(Error::Failed("The school's file has too few plain rows to change.".to_owned()));
    }
    for record in &mut records {
        let pair = (record.get(columns.pupil).cloned(), record.get(columns.contact).cloned());
        let (Some(pupil), Some(contact)) = pair else { continue };
        if people.contains(&contact) {
            record[columns.email] = format!("moved.{}", record[columns.email]);
        }
        if links.contains(&(pupil, contact)) {
            "3".clone_into(&mut record[columns.priority]);
        }
    }
    let mut writer =
        csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for record in &records {
        writer.write_record(record).failed("the changed file cannot be written")?;
    }
    writer.into_inner().failed("the changed file cannot be written")
}

fn columns(records: &[Vec<String>]) -> Result<Columns> {
    let header = records.first().map(Vec::as_slice).unwrap_or_default();
    let find = |name: &str| {
        let found = header.iter().position(|cell| cell == name);
        found.ok_or_else(|| Error::Failed(format!("The school's file has no column {name}.")))
    };
    Ok(Columns {
        pupil: find("StudentID")?,
        contact: find("ContactID")?,
        email: find("PrimaryEmail")?,
        priority: find("Priority")?,
    })
}

/// The people and links to change: contacts of a single row whose address is nobody else's. So one cell is one change.
fn chosen(records: &[Vec<String>], columns: &Columns) -> (BTreeSet<String>, BTreeSet<(String, String)>) {
    let cell = |record: &[String], column: usize| record.get(column).cloned().unwrap_or_default();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for record in records {
        for value in [cell(record, columns.contact), cell(record, columns.email).to_lowercase()] {
            *seen.entry(value).or_default() += 1;
        }
    }
    let plain = records.iter().filter(|record| {
        let (contact, email) = (cell(record, columns.contact), cell(record, columns.email).to_lowercase());
        let is_plain_email = ["@example.com", "@example.net", "@example.org"].iter().any(|domain| {
            let local = email.strip_suffix(domain).unwrap_or_default();
            !local.is_empty() && local.chars().all(|c| c.is_ascii_lowercase() || c == '.')
        });
        // A record of another length than the header's is one that the file holds as damaged.
        record.len() == records[0].len() && is_plain_email && seen[&contact] == 1 && seen[&email] == 1
    });
    let (seconds, firsts): (Vec<_>, Vec<_>) = plain.partition(|record| record[columns.priority] == "2");
    let people = firsts.into_iter().take(PEOPLE).map(|record| record[columns.contact].clone()).collect();
    let links = seconds
        .into_iter()
        .take(LINKS)
        .map(|record| (record[columns.pupil].clone(), record[columns.contact].clone()))
        .collect();
    (people, links)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::School;

    #[test]
    fn as_many_rows_differ_as_people_and_links_are_changed() {
        let file = School::generate(200, 7).to_csv();
        let changed = change(file.as_bytes()).expect("it can be changed");
        let rows = |bytes: &[u8]| {
            let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
            reader.into_records().map(|row| row.expect("it is CSV")).collect::<Vec<_>>()
        };
        let (before, after) = (rows(file.as_bytes()), rows(&changed));
        assert_eq!(before.len(), after.len());
        let differing: Vec<_> = before.iter().zip(&after).filter(|(old, new)| old != new).collect();
        assert_eq!(differing.len(), PEOPLE + LINKS);
        for (old, new) in differing {
            assert_eq!(old.iter().zip(new).filter(|(a, b)| a != b).count(), 1);
        }
    }
}
