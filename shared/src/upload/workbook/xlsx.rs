//! Excel 2007 and later.

use std::{collections::HashMap, io::Cursor};

use calamine::{Reader as _, Sheet, SheetType, SheetVisible, Xlsx, XlsxError};
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use super::{
    super::{Refusal, archive::Archive},
    guarded, put,
    table::{Merged, Table},
};

const BROKEN: Refusal = Refusal::BrokenWorkbook;

/// Reads the first visible sheet.
pub(super) fn read(archive: &Archive<'_>, bytes: &[u8]) -> Result<Table, Refusal> {
    believe_no_count(archive)?;
    guarded(|| {
        let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(|error| match error {
            XlsxError::Password => Refusal::Encrypted,
            _ => BROKEN,
        })?;
        let is_seen =
            |sheet: &Sheet| sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet;
        let sheets = workbook.sheets_metadata().iter().enumerate();
        let mut seen =
            sheets.filter(|(_, sheet)| is_seen(sheet)).map(|(index, sheet)| (index, sheet.name.clone()));
        let (index, name) = seen.next().ok_or(BROKEN)?;
        let others: Vec<_> = seen.map(|(index, _)| index).collect();
        let part = sheet_part(archive, index)?;
        let mut table = Table::default();
        let padded = look(&text(archive, &part)?, &paddings(archive)?, &mut table)?;
        let mut cells = workbook.worksheet_cells_reader(&name).map_err(|_| BROKEN)?;
        while let Some(cell) = cells.next_cell().map_err(|_| BROKEN)? {
            let at = cell.get_position();
            put(&mut table, at, cell.get_value(), padded.get(&at).copied().unwrap_or_default())?;
        }
        table.has_more = others.into_iter().any(|index| holds_anything(archive, index).unwrap_or_default());
        table.finish()
    })
}

/// Whether a sheet has a cell with a value.
fn holds_anything(archive: &Archive<'_>, index: usize) -> Result<bool, Refusal> {
    let mut found = false;
    each_element(&text(archive, &sheet_part(archive, index)?)?, |element| {
        found = matches!(element.local_name().as_ref(), "v" | "is");
        Ok(found)
    })?;
    Ok(found)
}

/// A count of strings makes room for as many before the first is read: it cannot be larger than the part.
fn believe_no_count(archive: &Archive<'_>) -> Result<(), Refusal> {
    let parts = archive.names().filter(|name| name.to_ascii_lowercase().ends_with("sharedstrings.xml"));
    for part in parts {
        let text = text(archive, part)?;
        each_element(&text, |element| {
            if element.local_name().as_ref() != "sst" {
                return Ok(false);
            }
            let count = attribute(element, "uniqueCount").and_then(|count| count.parse::<u64>().ok());
            if count.is_some_and(|count| count > text.len() as u64) { Err(BROKEN) } else { Ok(true) }
        })?;
    }
    Ok(())
}

/// Where a sheet is kept: the workbook names an id, and the ids' file a part.
fn sheet_part(archive: &Archive<'_>, index: usize) -> Result<String, Refusal> {
    let workbook =
        archive.names().find(|name| name.to_ascii_lowercase().ends_with("workbook.xml")).ok_or(BROKEN)?;
    let (folder, file) = workbook.rsplit_once('/').map_or(("", workbook), |(folder, file)| (folder, file));
    let (mut sheets, mut id) = (0, None);
    each_element(&text(archive, workbook)?, |element| {
        if element.local_name().as_ref() == "sheet" {
            if sheets == index {
                // `r:id`, whatever the prefix.
                let mut attributes = element.attributes().flatten();
                let found = attributes.find(|attribute| attribute.key.local_name().as_ref() == "id");
                id = found.and_then(|found| {
                    Some(found.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
                });
            }
            sheets += 1;
        }
        Ok(id.is_some())
    })?;
    let mut target = None;
    each_element(&text(archive, &format!("{folder}/_rels/{file}.rels"))?, |element| {
        if element.local_name().as_ref() == "Relationship" && attribute(element, "Id") == id {
            target = attribute(element, "Target");
        }
        Ok(target.is_some())
    })?;
    let target = target.ok_or(BROKEN)?;
    Ok(target.strip_prefix('/').map_or_else(|| format!("{folder}/{target}"), str::to_owned))
}

/// Per style of a cell, how many digits its number has at least (0: as many as there are). `00000` alone keeps the zeros of an id
/// or a phone, which the number itself has lost.
fn paddings(archive: &Archive<'_>) -> Result<Vec<usize>, Refusal> {
    let (mut formats, mut styles, mut is_of_cells) = (HashMap::new(), Vec::new(), false);
    let Some(part) = archive.names().find(|name| name.to_ascii_lowercase().ends_with("xl/styles.xml")) else {
        return Ok(styles);
    };
    each_element(&text(archive, part)?, |element| {
        let id = attribute(element, "numFmtId");
        match (element.local_name().as_ref(), id) {
            ("numFmt", Some(id)) => {
                let digits = attribute(element, "formatCode").map_or(0, |code| digits_of(&code));
                formats.insert(id, digits);
            }
            ("cellXfs", _) => is_of_cells = true,
            ("cellStyles", _) => is_of_cells = false,
            ("xf", id) if is_of_cells => {
                styles.push(id.and_then(|id| formats.get(&id)).copied().unwrap_or_default());
            }
            _ => {}
        }
        Ok(false)
    })?;
    Ok(styles)
}

/// The digits of a format that is nothing but zeros and what parts them.
fn digits_of(format: &str) -> usize {
    /// More digits than any id or phone has.
    const MANY: usize = 30;
    let positive = format.split(';').next().unwrap_or_default();
    let zeros = positive.bytes().filter(|byte| *byte == b'0').count();
    let is_plain = positive.chars().all(|c| matches!(c, '0' | ' ' | '-' | '(' | ')' | '\\' | '"'));
    if is_plain && zeros <= MANY { zeros } else { 0 }
}

/// Notes what is hidden and what is merged, and finds the cells whose format puts zeros in front.
fn look(sheet: &str, paddings: &[usize], table: &mut Table) -> Result<HashMap<(u32, u32), usize>, Refusal> {
    let is_hidden = |element: &BytesStart<'_>| {
        attribute(element, "hidden").is_some_and(|hidden| hidden == "1" || hidden == "true")
    };
    let index =
        |element: &BytesStart<'_>, name| attribute(element, name)?.parse::<u32>().ok()?.checked_sub(1);
    let is_any_padded = paddings.iter().any(|digits| *digits > 1);
    let (mut row, mut column, mut padded) = (0_u32, 0_u32, HashMap::new());
    each_element(sheet, |element| {
        match element.local_name().as_ref() {
            "c" if is_any_padded => {
                let at = attribute(element, "r").as_deref().and_then(cell);
                let at = at.unwrap_or((row.saturating_sub(1), column));
                column = at.1.saturating_add(1);
                let style = attribute(element, "s").and_then(|style| style.parse::<usize>().ok());
                if let Some(digits) = paddings.get(style.unwrap_or_default()).filter(|digits| **digits > 1) {
                    padded.insert(at, *digits);
                }
            }
            "col" if is_hidden(element) => {
                if let (Some(first), Some(last)) = (index(element, "min"), index(element, "max")) {
                    table.hide_columns(first..last.saturating_add(1));
                }
            }
            "row" => {
                row = index(element, "r").unwrap_or(row);
                if is_hidden(element) {
                    table.hide_row(row);
                }
                row = row.saturating_add(1);
                column = 0;
            }
            "mergeCell" => {
                if let Some(merged) = attribute(element, "ref").as_deref().and_then(range) {
                    table.merge(merged);
                }
            }
            _ => {}
        }
        Ok(false)
    })?;
    Ok(padded)
}

/// `B2:C9`.
fn range(text: &str) -> Option<Merged> {
    let (first, last) = text.split_once(':')?;
    let ((row, column), (last_row, last_column)) = (cell(first)?, cell(last)?);
    (row <= last_row && column <= last_column)
        .then_some(Merged { rows: (row, last_row), columns: (column, last_column) })
}

/// `B2`.
fn cell(text: &str) -> Option<(u32, u32)> {
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
    let column =
        text.bytes().take(letters.min(4)).fold(0, |sum, letter| sum * 26 + u32::from(letter - b'A') + 1);
    Some((text.get(letters..)?.parse::<u32>().ok()?.checked_sub(1)?, column.checked_sub(1)?))
}

/// A part as text. Every program that writes workbooks writes UTF-8.
fn text(archive: &Archive<'_>, part: &str) -> Result<String, Refusal> {
    String::from_utf8(archive.file(part)?.ok_or(BROKEN)?).map_err(|_| BROKEN)
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
}

/// Visits elements until the visitor has seen enough.
fn each_element(
    xml: &str,
    mut visit: impl FnMut(&BytesStart<'_>) -> Result<bool, Refusal>,
) -> Result<(), Refusal> {
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
    reader.config_mut().check_end_names = false;
    loop {
        match reader.read_event().map_err(|_| BROKEN)? {
            Event::Start(element) | Event::Empty(element) if visit(&element)? => return Ok(()),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}
