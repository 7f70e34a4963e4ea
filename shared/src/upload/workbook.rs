//! Workbooks: the first sheet that somebody who opens the file would see, as they would see it.
//!
//! Excel's formats are read by `calamine`; what it does not tell (hidden rows and columns) and what it takes on trust (sizes)
//! is read beforehand. An `OpenDocument` sheet is short enough to be read here in full, repeats and all.

mod ods;
mod table;
mod xls;
mod xlsx;

use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{DataType, ExcelDateTime};

use self::table::Table;
use super::{
    Refusal,
    archive::Archive,
    cells::{Cells, Records},
};

/// How a compound file begins: an old workbook, or a new one with a password.
const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// The visible cells of a workbook's first visible sheet, as text.
///
/// Hidden rows are left out and the others keep their numbers; hidden columns are blank, so that the others keep their letters.
/// Of empty rows in between the first is visited, and every row is as wide as the widest. Merged cells hold their value in the
/// left column of each row, and nothing elsewhere. Numbers are written without exponent and with the zeros in front that their format
/// shows (ids and phones are kept so), dates as ISO, booleans as `true` and
/// `false`, errors as nothing.
#[derive(Debug)]
pub struct Workbook {
    /// `xlsx`, `xls` or `ods`.
    pub format: &'static str,
    table: Table,
}

impl Workbook {
    /// Whether other sheets that are seen hold anything.
    pub const fn has_more(&self) -> bool {
        self.table.has_more
    }
}

impl Workbook {
    /// Whether these bytes are a workbook (or another document of an office suite), by their content.
    pub fn is(bytes: &[u8]) -> bool {
        bytes.starts_with(COMPOUND)
            || Archive::is(bytes)
                && ["[Content_Types].xml", "META-INF/manifest.xml"]
                    .iter()
                    .any(|part| Archive::lists(bytes, part))
    }

    /// Reads a workbook.
    ///
    /// # Errors
    /// A password is [`Refusal::Encrypted`], a document without sheets [`Refusal::NotATable`], what is damaged or shows no sheet
    /// [`Refusal::BrokenWorkbook`], what would unpack to far too much [`Refusal::ArchiveBomb`].
    pub fn open(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.starts_with(COMPOUND) {
            return Ok(Self { format: "xls", table: xls::read(bytes)? });
        }
        let archive = Archive::of_document(bytes).map_err(|refusal| match refusal {
            Refusal::UnknownArchive => Refusal::BrokenWorkbook,
            other => other,
        })?;
        let has = |name: &str| archive.names().any(|known| known.eq_ignore_ascii_case(name));
        if has("content.xml") {
            return Ok(Self { format: "ods", table: ods::read(&archive)? });
        }
        if archive.names().any(|name| name.to_ascii_lowercase().starts_with("xl/")) {
            return Ok(Self { format: "xlsx", table: xlsx::read(&archive, bytes)? });
        }
        Err(Refusal::NotATable)
    }
}

impl Records for Workbook {
    fn each(&self, visit: &mut dyn FnMut(u32, Cells<'_>) -> Result<(), Refusal>) -> Result<(), Refusal> {
        self.table.each(visit)
    }
}

/// Runs `calamine`, which was written for files that Excel wrote: what makes it stumble is damaged.
fn guarded<T>(read: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(Refusal::BrokenWorkbook))
}

/// A number as a person would type it.
fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

/// A whole number with zeros in front up to a width.
fn padded(text: String, width: usize) -> String {
    if text.len() < width && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        format!("{text:0>width$}")
    } else {
        text
    }
}

/// A day without the midnight that comes with it.
fn iso(text: &str) -> &str {
    text.split_once('T')
        .filter(|(_, time)| time.bytes().all(|byte| matches!(byte, b'0' | b':' | b'.' | b'Z')))
        .map_or(text, |(day, _)| day)
}

/// A serial number that is shown as a date.
fn date(value: ExcelDateTime) -> String {
    const LAST_DAY: f64 = 2_958_466.0;
    let serial = value.as_f64();
    if !value.is_datetime() || !(0.0..LAST_DAY).contains(&serial) {
        return number(serial);
    }
    let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    match () {
        () if serial < 1.0 => time,
        () if time == "00:00:00" => format!("{year:04}-{month:02}-{day:02}"),
        () => format!("{year:04}-{month:02}-{day:02}T{time}"),
    }
}

/// Puts a cell of `calamine`'s into the table, and zeros in front of a number up to a width.
fn put(
    table: &mut Table,
    (row, column): (u32, u32),
    value: &impl DataType,
    width: usize,
) -> Result<(), Refusal> {
    if let Some(text) = value.get_string().or_else(|| value.get_duration_iso()) {
        return table.cell(row, column, text);
    }
    let text = value
        .get_float()
        .map(number)
        .or_else(|| value.get_int().map(|value| value.to_string()))
        .map(|text| padded(text, width))
        .or_else(|| value.get_bool().map(|value| value.to_string()))
        .or_else(|| value.get_datetime().map(date))
        .or_else(|| value.get_datetime_iso().map(|text| iso(text).to_owned()));
    table.cell(row, column, &text.unwrap_or_default())
}

#[cfg(test)]
#[path = "workbook_tests.rs"]
mod tests;
