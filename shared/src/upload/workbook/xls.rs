//! Excel 97 to 2003.
//!
//! The workbook is a stream of records (a type, a length, data). What must not be seen is taken out of the stream before
//! `calamine` reads it: the other sheets, and sizes that nothing stands behind.

use std::io::{Cursor, Read, Write};

use calamine::{Reader as _, Xls, XlsError};
use cfb::{CompoundFile, Version};

use super::{
    super::{Refusal, archive::MAX_UNPACKED},
    guarded, put,
    table::{Merged, Table},
};

const BROKEN: Refusal = Refusal::BrokenWorkbook;
/// The most cells between the first and the last: `calamine` makes room for each.
const MAX_AREA: usize = 4_000_000;

const FORMULA: u16 = 0x0006;
const END: u16 = 0x000a;
const ENCRYPTION: u16 = 0x002f;
const CONTINUE: u16 = 0x003c;
const COLUMNS: u16 = 0x007d;
const SHEET: u16 = 0x0085;
const NUMBERS: u16 = 0x00bd;
const STRINGS: u16 = 0x00fc;
const STRING_CELL: u16 = 0x00fd;
const SIZE: u16 = 0x0200;
const BLANK: u16 = 0x0201;
const ROW: u16 = 0x0208;
const BEGIN: u16 = 0x0809;
/// Cells that hold something, one or several: they begin with their row and column.
const CELLS: [u16; 8] = [FORMULA, NUMBERS, 0x00d6, STRING_CELL, 0x0203, 0x0204, 0x0205, 0x027e];

/// Reads the first visible sheet.
pub(super) fn read(bytes: &[u8]) -> Result<Table, Refusal> {
    let mut file = CompoundFile::open(Cursor::new(bytes)).map_err(|_| BROKEN)?;
    if file.is_stream("/EncryptedPackage") {
        return Err(Refusal::Encrypted);
    }
    let name =
        ["/Workbook", "/Book"].into_iter().find(|name| file.is_stream(name)).ok_or(Refusal::NotATable)?;
    let mut stream = Vec::new();
    let content = file.open_stream(name).map_err(|_| BROKEN)?;
    content.take(bytes.len() as u64).read_to_end(&mut stream).map_err(|_| BROKEN)?;
    let mut table = Table::default();
    let sheet = clean(&mut stream, &mut table)?;
    let clean = wrap(&stream).map_err(|_| BROKEN)?;
    drop(stream);
    guarded(|| {
        let mut workbook = Xls::new(Cursor::new(clean)).map_err(|error| match error {
            XlsError::Password => Refusal::Encrypted,
            _ => BROKEN,
        })?;
        let name = workbook.sheets_metadata().get(sheet).ok_or(BROKEN)?.name.clone();
        for merged in workbook.merge_cells_by_sheet_name(&name).unwrap_or_default() {
            table.merge(Merged {
                rows: (merged.start.0, merged.end.0),
                columns: (merged.start.1, merged.end.1),
            });
        }
        let range = workbook.worksheet_range(&name).map_err(|_| BROKEN)?;
        let (row, column) = range.start().unwrap_or_default();
        for (down, across, value) in range.used_cells() {
            let position =
                |start: u32, offset| u32::try_from(offset).ok().and_then(|offset| start.checked_add(offset));
            let (Some(row), Some(column)) = (position(row, down), position(column, across)) else { continue };
            put(&mut table, (row, column), value, 0)?;
        }
        table.finish()
    })
}

/// A compound file with nothing but the workbook in it.
fn wrap(stream: &[u8]) -> std::io::Result<Vec<u8>> {
    // Of the two versions Excel writes the third, and `calamine` reads no other without small streams.
    let mut file = CompoundFile::create_with_version(Version::V3, Cursor::new(Vec::new()))?;
    file.create_stream("/Workbook")?.write_all(stream)?;
    file.flush()?;
    Ok(file.into_inner().into_inner())
}

/// A record: where it begins, its type, and where its data ends.
#[derive(Clone, Copy)]
struct Record {
    at: usize,
    kind: u16,
    end: usize,
}

impl Record {
    fn at(stream: &[u8], at: usize) -> Option<Self> {
        let length = usize::from(u16_at(stream, at + 2)?);
        let end = at + 4 + length;
        (end <= stream.len()).then_some(Self { at, kind: u16_at(stream, at)?, end })
    }

    fn data(self, stream: &[u8]) -> &[u8] {
        &stream[self.at + 4..self.end]
    }

    fn becomes(self, stream: &mut [u8], kind: u16) {
        stream[self.at..self.at + 2].copy_from_slice(&kind.to_le_bytes());
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let (low, high) = (u16_at(bytes, at)?, u16_at(bytes, at.checked_add(2)?)?);
    Some(usize::from(low) | usize::from(high) << 16)
}

/// Takes out of the stream what is not seen, notes what is hidden, and returns which sheet is the first visible one.
fn clean(stream: &mut [u8], table: &mut Table) -> Result<usize, Refusal> {
    let (mut at, mut sheets, mut lengths) = (0, Vec::new(), Vec::new());
    while let Some(record) = Record::at(stream, at) {
        let data = record.data(stream);
        match record.kind {
            ENCRYPTION => return Err(Refusal::Encrypted),
            SHEET => {
                // The low byte says whether it is hidden, the high byte whether it is a table or a chart.
                let (at, state) = u32_at(data, 0).zip(u16_at(data, 4)).ok_or(BROKEN)?;
                sheets.push((at, state & 0xff03 == 0));
            }
            STRINGS => lengths = string_lengths(stream, record),
            END => break,
            _ => {}
        }
        at = record.end;
    }
    let chosen = sheets.iter().position(|(_, is_visible)| *is_visible).ok_or(BROKEN)?;
    let start = sheets[chosen].0;
    let is_filled = |at| sheet(stream, at).any(|record| CELLS.contains(&record.kind));
    table.has_more = sheets.iter().any(|(at, is_visible)| *is_visible && *at != start && is_filled(*at));
    for (at, _) in &sheets {
        let first = Record::at(stream, *at).ok_or(BROKEN)?;
        if *at != start {
            first.becomes(stream, END);
        }
    }
    hide(stream, start, table);
    bound(stream, start, &lengths)?;
    Ok(chosen)
}

/// The records of a sheet, without those of charts in it.
fn sheet(stream: &[u8], start: usize) -> impl Iterator<Item = Record> {
    let (mut at, mut depth) = (start, 0);
    std::iter::from_fn(move || {
        loop {
            let record = Record::at(stream, at)?;
            at = record.end;
            match record.kind {
                BEGIN => depth += 1,
                END if depth <= 1 => return None,
                END => depth -= 1,
                _ if depth == 1 => return Some(record),
                _ => {}
            }
        }
    })
}

fn hide(stream: &[u8], start: usize, table: &mut Table) {
    for record in sheet(stream, start) {
        let data = record.data(stream);
        let word = |at| u16_at(data, at);
        match record.kind {
            ROW => {
                if let (Some(row), Some(0x20)) = (word(0), word(12).map(|flags| flags & 0x20)) {
                    table.hide_row(u32::from(row));
                }
            }
            COLUMNS => {
                if let (Some(first), Some(last), Some(1)) = (word(0), word(2), word(8).map(|flags| flags & 1))
                {
                    table.hide_columns(u32::from(first)..u32::from(last) + 1);
                }
            }
            _ => {}
        }
    }
}

/// Takes the sheet's own word for its size away, and refuses what would not fit.
fn bound(stream: &mut [u8], start: usize, lengths: &[u64]) -> Result<(), Refusal> {
    let (mut rows, mut columns, mut text) = ((u16::MAX, 0), (u16::MAX, 0), 0_u64);
    let mut sizes = Vec::new();
    for record in sheet(stream, start) {
        let data = record.data(stream);
        if record.kind == SIZE {
            sizes.push(record);
        }
        if !CELLS.contains(&record.kind) {
            continue;
        }
        let (Some(row), Some(column)) = (u16_at(data, 0), u16_at(data, 2)) else { return Err(BROKEN) };
        let last = match record.kind {
            NUMBERS => u16_at(data, data.len().saturating_sub(2)).unwrap_or(column),
            _ => column,
        };
        rows = (rows.0.min(row), rows.1.max(row));
        columns = (columns.0.min(column), columns.1.max(last));
        if record.kind == STRING_CELL {
            let index = u32_at(data, 6).unwrap_or_default();
            text = text.saturating_add(lengths.get(index).copied().unwrap_or_default());
        }
    }
    for record in sizes {
        record.becomes(stream, BLANK);
    }
    let span = |(first, last): (u16, u16)| usize::from(last.saturating_sub(first)) + 1;
    if text > MAX_UNPACKED {
        return Err(Refusal::ArchiveBomb);
    }
    if span(rows) * span(columns) > MAX_AREA { Err(BROKEN) } else { Ok(()) }
}

/// How many bytes each of the shared strings has at most: a few cells of a small file could all name one long string.
///
/// A string is a count of characters, flags, the sizes of what follows it, and its characters; where it goes on in the next
/// record, that begins with flags of its own.
fn string_lengths(stream: &[u8], first: Record) -> Vec<u64> {
    let mut lengths = Vec::new();
    let (mut record, mut at) = (first, first.at + 4 + 8);
    let next = |record: Record| Record::at(stream, record.end).filter(|next| next.kind == CONTINUE);
    loop {
        if at >= record.end {
            match next(record) {
                Some(more) => (record, at) = (more, more.at + 4 + at - record.end),
                None => return lengths,
            }
            continue;
        }
        let (Some(characters), Some(flags)) = (u16_at(stream, at), stream.get(at + 2).copied()) else {
            return lengths;
        };
        lengths.push(u64::from(characters) * 3);
        at += 3;
        let mut behind = 0;
        if flags & 8 != 0 {
            behind += 4 * usize::from(u16_at(stream, at).unwrap_or_default());
            at += 2;
        }
        if flags & 4 != 0 {
            behind += u32_at(stream, at).unwrap_or_default();
            at += 4;
        }
        let (mut left, mut width) = (usize::from(characters), 1 + usize::from(flags & 1));
        while left > 0 {
            let here = (record.end.saturating_sub(at) / width).min(left);
            left -= here;
            at += here * width;
            if left > 0 {
                let Some(more) = next(record) else { return lengths };
                width = 1 + usize::from(stream.get(more.at + 4).copied().unwrap_or_default() & 1);
                (record, at) = (more, more.at + 5);
            }
        }
        at = at.saturating_add(behind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap();
        [&kind.to_le_bytes()[..], &length.to_le_bytes(), data].concat()
    }

    #[test]
    fn strings_are_measured_over_records() {
        let mut strings = vec![0; 8];
        strings.extend([3, 0, 0, b'a', b'b', b'c']);
        strings.extend([1, 0, 8, 1, 0, b'x', 9, 9, 9, 9]);
        strings.extend([4, 0, 0, b'a', b'b']);
        // The rest of the last one is in two bytes each, and one more string comes behind.
        let more = [1, b'c', 0, b'd', 0, 2, 0, 0, b'y', b'z'];
        let stream = [record(STRINGS, &strings), record(CONTINUE, &more), record(END, &[])].concat();
        let first = Record::at(&stream, 0).unwrap();
        assert_eq!(string_lengths(&stream, first), [9, 3, 12, 6]);
    }
}
