//! `OpenDocument` sheets, as `LibreOffice` and Google write them.
//!
//! A row or a cell can say that it is repeated a million times: nothing is ever made a million times for it unless it holds
//! something, and then the limits of [`Table`] hold.

use std::{borrow::Cow, collections::HashSet};

use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};

use super::{
    super::{Refusal, archive::Archive},
    iso, number, padded,
    table::{MAX_COLUMNS, Merged, Table},
};

const BROKEN: Refusal = Refusal::BrokenWorkbook;

/// A cell that holds something, and over how many rows and columns it spreads.
struct Cell {
    column: u32,
    text: String,
    spans: (u32, u32),
}

/// Reads the first visible sheet.
pub(super) fn read(archive: &Archive<'_>) -> Result<Table, Refusal> {
    let text = |part| {
        let bytes = archive.file(part)?.unwrap_or_default();
        String::from_utf8(bytes).map_err(|_| BROKEN)
    };
    if text("META-INF/manifest.xml")?.contains("encryption-data")
        || archive.file("encrypted-package")?.is_some()
    {
        return Err(Refusal::Encrypted);
    }
    let content = text("content.xml")?;
    let mut xml = Reader::from_str(content.trim_start_matches('\u{feff}'));
    xml.config_mut().expand_empty_elements = true;
    let (mut style, mut hidden, mut first) = (None, HashSet::new(), None::<Table>);
    loop {
        // What stands behind the sheet that is read refuses nothing.
        let Ok(event) = xml.read_event() else { return first.ok_or(BROKEN) };
        match event {
            Event::Start(element) => match element.name().as_ref() {
                "style:style" => style = attribute(&element, "style:name").map(Cow::into_owned),
                "style:table-properties" if says(&element, "table:display", "false") => {
                    hidden.extend(style.take());
                }
                "table:tracked-changes" => skip(&mut xml, &element)?,
                "table:table"
                    if attribute(&element, "table:style-name")
                        .is_some_and(|style| hidden.contains(&*style)) =>
                {
                    skip(&mut xml, &element)?;
                }
                "table:table" if first.is_none() => first = Some(sheet(&mut xml)?),
                // Another sheet, and a text in it.
                "text:p" if let Some(mut table) = first.take() => {
                    table.has_more = true;
                    return Ok(table);
                }
                _ => {}
            },
            Event::Eof => return first.ok_or(BROKEN),
            _ => {}
        }
    }
}

fn sheet(xml: &mut Reader<&[u8]>) -> Result<Table, Refusal> {
    let mut table = Table::default();
    let (mut row, mut column) = (0_u32, 0_u32);
    loop {
        match xml.read_event().map_err(|_| BROKEN)? {
            Event::Start(element) => match element.name().as_ref() {
                "table:table-column" => {
                    let next = column.saturating_add(repeats(&element, "table:number-columns-repeated"));
                    if is_hidden(&element) {
                        table.hide_columns(column..next);
                    }
                    column = next;
                }
                "table:table-row" => {
                    let next = row.saturating_add(repeats(&element, "table:number-rows-repeated"));
                    let is_hidden = is_hidden(&element);
                    let cells = cells(xml)?;
                    // Nothing comes of a row that is empty or hidden, however often; but its first may begin what is merged.
                    let last = if cells.is_empty() || is_hidden { row.saturating_add(1) } else { next };
                    if is_hidden {
                        table.hide_row(row);
                    }
                    for row in row..last.min(next) {
                        rows(&mut table, row, &cells)?;
                    }
                    row = next;
                }
                "table:shapes" | "table:table" | "office:forms" | "office:dde-source" => skip(xml, &element)?,
                _ => {}
            },
            Event::End(element) if element.name().as_ref() == "table:table" => return table.finish(),
            Event::Eof => return Err(BROKEN),
            _ => {}
        }
    }
}

fn rows(table: &mut Table, row: u32, cells: &[Cell]) -> Result<(), Refusal> {
    for cell in cells {
        if cell.spans != (1, 1) {
            let (rows, columns) = cell.spans;
            table.merge(Merged {
                rows: (row, row.saturating_add(rows - 1)),
                columns: (cell.column, cell.column.saturating_add(columns - 1)),
            });
        }
    }
    cells.iter().try_for_each(|cell| table.cell(row, cell.column, &cell.text))
}

/// The cells of a row that hold something.
fn cells(xml: &mut Reader<&[u8]>) -> Result<Vec<Cell>, Refusal> {
    let (mut cells, mut column) = (Vec::new(), 0_u32);
    loop {
        match xml.read_event().map_err(|_| BROKEN)? {
            Event::Start(element) => match element.name().as_ref() {
                "table:table-cell" => {
                    let next = column.saturating_add(repeats(&element, "table:number-columns-repeated"));
                    let spans = (
                        repeats(&element, "table:number-rows-spanned"),
                        repeats(&element, "table:number-columns-spanned"),
                    );
                    let text = value(xml, &element)?;
                    if !text.trim().is_empty() {
                        let same = (column..next.min(MAX_COLUMNS)).map(|column| Cell {
                            column,
                            text: text.clone(),
                            spans,
                        });
                        cells.extend(same);
                    }
                    column = next;
                }
                // Under a merged cell, or something drawn: not seen.
                "table:covered-table-cell" => {
                    column = column.saturating_add(repeats(&element, "table:number-columns-repeated"));
                    skip(xml, &element)?;
                }
                _ => skip(xml, &element)?,
            },
            Event::End(element) if element.name().as_ref() == "table:table-row" => return Ok(cells),
            Event::Eof => return Err(BROKEN),
            _ => {}
        }
    }
}

/// What a cell shows: its value where it has one, else its paragraphs.
fn value(xml: &mut Reader<&[u8]>, cell: &BytesStart<'_>) -> Result<String, Refusal> {
    let shown = paragraphs(xml)?;
    let stated = |name| attribute(cell, name).map(Cow::into_owned);
    let is_error = says(cell, "calcext:value-type", "error");
    let value = match attribute(cell, "office:value-type").as_deref() {
        _ if is_error => Some(String::new()),
        Some("float" | "percentage" | "currency") => {
            stated("office:value").and_then(|value| value.parse().ok()).map(number).map(|value| {
                // Its format may show zeros in front, which alone keep an id or a phone.
                let digits = shown.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')'));
                let digits: String = digits.collect();
                let width = if digits.trim_start_matches('0') == value { digits.len() } else { 0 };
                padded(value, width)
            })
        }
        Some("date") => stated("office:date-value").map(|date| iso(&date).to_owned()),
        Some("boolean") => stated("office:boolean-value"),
        Some("string") => stated("office:string-value"),
        _ => None,
    };
    Ok(value.unwrap_or(shown))
}

/// The text of a cell, up to its end.
fn paragraphs(xml: &mut Reader<&[u8]>) -> Result<String, Refusal> {
    let (mut text, mut depth, mut is_first) = (String::new(), 0_u32, true);
    loop {
        match xml.read_event().map_err(|_| BROKEN)? {
            Event::Start(element) => match element.name().as_ref() {
                "text:p" => {
                    if !std::mem::take(&mut is_first) {
                        text.push('\n');
                    }
                    depth += 1;
                }
                "text:s" => {
                    text.push(' ');
                    depth += 1;
                }
                "text:tab" | "text:line-break" => {
                    text.push('\n');
                    depth += 1;
                }
                // Notes, pictures and tables of their own.
                name if ["office:", "draw:", "table:"].iter().any(|prefix| name.starts_with(prefix)) => {
                    skip(xml, &element)?;
                }
                _ => depth += 1,
            },
            Event::End(_) if depth == 0 => return Ok(text),
            Event::End(_) => depth -= 1,
            Event::Text(part) if depth > 0 => text.push_str(&part.xml10_content()),
            Event::CData(part) if depth > 0 => text.push_str(&part.xml10_content()),
            Event::GeneralRef(reference) if depth > 0 => match reference.resolve_char_ref() {
                Ok(Some(character)) => text.push(character),
                _ => text.push_str(resolve_predefined_entity(&reference.xml10_content()).unwrap_or_default()),
            },
            Event::Eof => return Err(BROKEN),
            _ => {}
        }
    }
}

fn skip(xml: &mut Reader<&[u8]>, element: &BytesStart<'_>) -> Result<(), Refusal> {
    xml.read_to_end(element.name()).map(|_| ()).map_err(|_| BROKEN)
}

fn attribute<'a>(element: &'a BytesStart<'_>, name: &str) -> Option<Cow<'a, str>> {
    element.try_get_attribute(name).ok()??.normalized_value(XmlVersion::Implicit1_0).ok()
}

fn says(element: &BytesStart<'_>, name: &str, value: &str) -> bool {
    attribute(element, name).is_some_and(|said| said == value)
}

fn is_hidden(element: &BytesStart<'_>) -> bool {
    attribute(element, "table:visibility").is_some_and(|said| said != "visible")
}

fn repeats(element: &BytesStart<'_>, name: &str) -> u32 {
    attribute(element, name).and_then(|count| count.parse().ok()).unwrap_or(1).max(1)
}
