//! Text to rows of known cells: the header is matched to the fields we know, and columns outside the agreement are left
//! behind here, before anything else sees them.

use std::collections::HashSet;

use csv::{ByteRecord, ReaderBuilder};

use super::{
    Refusal, column,
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
