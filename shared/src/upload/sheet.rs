//! Text to rows of known cells: the header is matched to the fields we know, and columns outside the agreement are left
//! behind here, before anything else sees them.

use std::collections::HashSet;

use csv::{ByteRecord, ReaderBuilder};

use super::{
    Refusal,
    column,
    finding::{Code, letters},
    intake::{Intake, Place},
};
use crate::{person::Role, privacy::agreement::Field};

/// Reads a comma-separated file with a header row.
///
/// # Errors
/// What cannot be such a file is refused by name.
pub fn read(text: &str, intake: &mut Intake<'_>) -> Result<(), Refusal> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = ByteRecord::new();
    let next = |reader: &mut csv::Reader<&[u8]>, record: &mut ByteRecord| {
        reader.read_byte_record(record).map_err(|_| Refusal::NotATable)
    };
    if !next(&mut reader, &mut record)? {
        return Err(Refusal::EmptyFile);
    }
    let header_cells = record.len();
    let kept = header(&record, intake)?;
    let mut number = 1;
    while next(&mut reader, &mut record)? {
        // The reader passes over empty lines; a spreadsheet numbers them.
        number += 1 + blank_lines(text, record.position().map_or(0, csv::Position::byte));
        if record.iter().all(|cell| cell.iter().all(u8::is_ascii_whitespace)) {
            continue;
        }
        if record.len() != header_cells {
            intake.find(number, "", Code::RowRagged);
        }
        let cells: Vec<_> = kept
            .iter()
            .filter_map(|(place, index)| Some((*place, std::str::from_utf8(record.get(*index)?).ok()?)))
            .collect();
        intake.row(number, &cells)?;
    }
    Ok(())
}

/// How many empty lines lie at a place where one record has ended and the next is looked for.
fn blank_lines(text: &str, at: u64) -> u32 {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(text.len());
    let (before, mut rest) = (&text.as_bytes()[..at], &text.as_bytes()[at..]);
    if before.ends_with(b"\r") {
        // The second half of the line end before.
        rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    }
    let mut lines = 0;
    while let Some(next) =
        rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")).or_else(|| rest.strip_prefix(b"\r"))
    {
        lines += 1;
        rest = next;
    }
    lines
}

/// Matches the header; returns the columns to keep.
fn header(record: &ByteRecord, intake: &mut Intake<'_>) -> Result<Vec<(Place, usize)>, Refusal> {
    let (mut kept, mut known, mut pupil) = (Vec::new(), HashSet::new(), false);
    for (index, cell) in record.iter().enumerate() {
        let label = letters(index);
        let Some(column) = std::str::from_utf8(cell).ok().and_then(column::recognise) else {
            // Trailing commas make columns without a name: they are nothing that could be dropped.
            if !cell.iter().all(u8::is_ascii_whitespace) {
                intake.leave_behind(1, &label, Code::ColumnUnknown);
            }
            continue;
        };
        if !known.insert(column) && !column::may_repeat(column.field) {
            intake.leave_behind(1, &label, Code::ColumnTwice);
            continue;
        }
        let Some(place) = intake.place(1, &label, Some(column)) else { continue };
        pupil |= column.role == Role::Pupil
            && matches!(column.field, Field::GivenName | Field::FamilyName | Field::SourceId);
        kept.push((place, index));
    }
    if known.is_empty() {
        return Err(Refusal::NoKnownColumn);
    }
    if pupil { Ok(kept) } else { Err(Refusal::NoPupilColumn) }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn agreement() -> Agreement {
        let pupil = BTreeSet::from([Field::GivenName, Field::FamilyName, Field::SourceId]);
        let contact = BTreeSet::from([Field::Email]);
        Agreement {
            fields: BTreeMap::from([(Role::Pupil, pupil), (Role::Contact, contact)]),
            signed_on: date(2026, 9, 1),
        }
    }

    #[test]
    fn a_column_outside_the_agreement_never_gets_past_the_header() {
        let sheet = read(
            "Forename,Surname,Gender,Postcode,Shoe size,Email,\r\nAnn,Smith,F,ZZ1 1ZZ,31,a@example.com,\r\n",
            &agreement(),
        )
        .unwrap();
        assert_eq!(sheet.dropped_columns, 3);
        assert!(!format!("{:?}", sheet.rows).contains("ZZ1"));
        assert_eq!(sheet.rows[0].cells.len(), 3);
    }

    #[test]
    fn refusals() {
        for (text, refusal) in [
            ("Forename,Surname\n", Refusal::HeaderOnly),
            ("Forename,Surname\n,\n , \n", Refusal::HeaderOnly),
            ("x,y\n1,2\n", Refusal::NoKnownColumn),
            ("Email\na@example.com\n", Refusal::NoPupilColumn),
        ] {
            assert_eq!(read(text, &agreement()).map(|_| ()), Err(refusal), "{text}");
        }
    }

    #[test]
    fn rows_keep_their_spreadsheet_numbers() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["Forename,Surname", "Ann,\"Smi|th\"", "", ",", "Ben,Cole,extra", "", "", "Cy,Day"]
                .join(end)
                .replace('|', end);
            let sheet = read(&text, &agreement()).unwrap();
            let numbers: Vec<_> = sheet.rows.iter().map(|row| row.number).collect();
            // The line break in quotes does not make a row; the empty lines do.
            assert_eq!(numbers, [2, 5, 8], "{end:?}");
            let findings: Vec<_> =
                sheet.findings.iter().map(|finding| (finding.row, finding.code.as_str())).collect();
            assert_eq!(findings, [(5, "row_ragged")]);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in "(Forename,Surname,Email\n)?(?s:.{0,200})") {
            let _ = read(&text, &agreement());
        }
    }
}
