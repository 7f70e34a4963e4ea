//! The files of a bundle, read by the names of their columns.

use std::borrow::Cow;

use csv::{ReaderBuilder, StringRecord};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

use super::{
    Refusal,
    archive::Archive,
    finding::{Code, letters},
    intake::Intake,
};

/// A file of a bundle.
pub(super) struct File {
    /// As its format calls it, whatever the bundle does.
    pub(super) name: &'static str,
    header: Vec<String>,
    text: String,
    delimiter: u8,
}

/// A record of a file, and its number as a spreadsheet counts.
#[derive(Clone, Copy)]
pub(super) struct Record<'r> {
    pub(super) row: u32,
    cells: &'r StringRecord,
}

impl<'r> Record<'r> {
    /// The cell of a column; empty where the file lacks the column or the record the cell.
    pub(super) fn get(self, column: Option<usize>) -> &'r str {
        column.and_then(|column| self.cells.get(column)).unwrap_or_default().trim()
    }
}

impl File {
    /// Opens a file of the bundle, if it is there.
    pub(super) fn open(
        archive: &Archive<'_>,
        name: &'static str,
        intake: &mut Intake<'_>,
    ) -> Result<Option<Self>, Refusal> {
        let Some(bytes) = archive.file(name)? else { return Ok(None) };
        let text = decode(&bytes);
        // A quotation mark that is never closed swallows rows, and nobody is missing for that.
        let is_open = text.bytes().filter(|byte| *byte == b'"').count() % 2 == 1;
        if is_open || matches!(text, Cow::Owned(_)) {
            intake.find(0, name, Code::FileBroken);
        }
        if is_open {
            intake.is_partial();
        }
        let first = text.lines().next().unwrap_or_default();
        let delimiter =
            [b',', b';', b'\t'].into_iter().find(|byte| first.as_bytes().contains(byte)).unwrap_or(b',');
        let mut file = Self { name, header: Vec::new(), text: text.into_owned(), delimiter };
        let mut header = StringRecord::new();
        file.reader().read_record(&mut header).map_err(|_| Refusal::UnknownArchive)?;
        file.header = header.iter().map(|name| name.trim().to_owned()).collect();
        Ok(Some(file))
    }

    /// The first column of one of these names, compared without case and punctuation.
    pub(super) fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|header| same(header, name)))
    }

    /// As [`Self::column`], and found where it is not there.
    pub(super) fn required(&self, name: &str, intake: &mut Intake<'_>) -> Option<usize> {
        let column = self.column(&[name]);
        if column.is_none() {
            intake.find(1, &self.named(name), Code::FileBroken);
        }
        column
    }

    /// What the office finds a column under: the file's name and the column's as the file has it.
    pub(super) fn label(&self, column: usize) -> String {
        self.named(self.header.get(column).map_or("", String::as_str))
    }

    fn named(&self, column: &str) -> String {
        // Names are the file's own words, and may be anything.
        format!("{} {}", self.name, column.chars().take(60).collect::<String>())
    }

    /// Leaves columns behind that are not read: known ones, and those that no version of the format has.
    pub(super) fn leave_behind(&self, read: &[&str], known: &[&str], intake: &mut Intake<'_>) {
        for (index, name) in self.header.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let is_in = |names: &[&str]| names.iter().any(|known| same(name, known));
            if !is_in(read) {
                // A name that no version of the format has may be anything, a child's in a file without a header: its letter says enough.
                let (label, why) = if is_in(known) {
                    (self.label(index), Code::ColumnNotAgreed)
                } else {
                    (self.named(&letters(index)), Code::ColumnUnknown)
                };
                intake.leave_behind(1, &label, why);
            }
        }
    }

    /// Visits every record.
    pub(super) fn each(
        &self,
        intake: &mut Intake<'_>,
        mut visit: impl FnMut(Record<'_>, &mut Intake<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let (mut reader, mut cells) = (self.reader(), StringRecord::new());
        let mut is_header = true;
        while reader.read_record(&mut cells).map_err(|_| Refusal::UnknownArchive)? {
            if std::mem::take(&mut is_header) || cells.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            let record = cells.position().map_or(0, csv::Position::record) + 1;
            let row = u32::try_from(record).unwrap_or(u32::MAX);
            if cells.len() != self.header.len() {
                intake.find(row, self.name, Code::RowRagged);
            }
            visit(Record { row, cells: &cells }, intake)?;
        }
        Ok(())
    }

    fn reader(&self) -> csv::Reader<&[u8]> {
        ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .from_reader(self.text.as_bytes())
    }
}

/// The formats say UTF-8. What is not is what Windows writes: no byte of it is without a meaning.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or((UTF_8, 0));
    encoding
        .decode_without_bom_handling_and_without_replacement(&bytes[mark..])
        .unwrap_or_else(|| Cow::Owned(WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()))
}

/// An instant, with or without a zone (then UTC, as the format says), or a day.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let local =
        text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|day| day.at(0, 0, 0, 0))).ok()?;
    TimeZone::UTC.to_timestamp(local).ok()
}

/// Whether an instant lies behind, give or take a time zone. One far ahead would make every later file look old.
pub(super) fn is_past(at: Timestamp, today: Date) -> bool {
    today.tomorrow().is_ok_and(|tomorrow| at.to_zoned(TimeZone::UTC).date() <= tomorrow)
}

/// Whether a day has come: the last day of something is not a part of it.
pub(super) fn is_over(end: &str, today: Date) -> bool {
    instant(end).is_some_and(|end| end.to_zoned(TimeZone::UTC).date() <= today)
}

/// Whether two words are one, but for case and punctuation.
pub(super) fn same(one: &str, other: &str) -> bool {
    let letters = |text: &str| {
        let letters = text.bytes().filter(u8::is_ascii_alphanumeric);
        letters.map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    letters(one) == letters(other)
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
pub(super) mod tests;
