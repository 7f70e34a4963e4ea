use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::{Cursor, Write},
    path::PathBuf,
};

use cfb::CompoundFile;
use proptest::prelude::*;

use super::{super::archive::tests::zip, *};

type Rows = Vec<(u32, Vec<String>)>;

fn rows(bytes: &[u8]) -> Result<Rows, Refusal> {
    let workbook = Workbook::open(bytes)?;
    let (mut rows, mut widths) = (Vec::new(), BTreeSet::new());
    workbook.each(&mut |number, cells| {
        widths.insert(cells.len());
        let filled = cells.up_to(|cell| !cell.is_empty());
        rows.push((number, cells.iter().take(filled).map(|cell| cell.to_owned()).collect()));
        Ok(())
    })?;
    assert!(widths.len() <= 1, "every row is as wide: {widths:?}");
    let mut again = 0;
    workbook.each(&mut |_, _| {
        again += 1;
        Ok(())
    })?;
    assert_eq!(again, rows.len());
    Ok(rows)
}

/// Rows as lines: `number|cell|cell`.
fn lines(bytes: &[u8]) -> Vec<String> {
    let rows = rows(bytes).unwrap();
    rows.iter().map(|(number, cells)| format!("{number}|{}", cells.join("|"))).collect()
}

/// A workbook of sheets: a state (`visible`, `hidden`, `veryHidden`) and what is in `worksheet`.
fn xlsx(sheets: &[(&str, &str)], strings: &str) -> Vec<u8> {
    let number = |text: &str| -> String {
        sheets
            .iter()
            .enumerate()
            .map(|(at, (state, _))| text.replace('#', &(at + 1).to_string()).replace('@', state))
            .collect()
    };
    let types = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>".to_owned();
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let mut parts = vec![
        ("[Content_Types].xml".to_owned(), types),
        (
            "_rels/.rels".to_owned(),
            format!("<Relationships><Relationship Id=\"r\" Type=\"{office}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"),
        ),
        (
            "xl/workbook.xml".to_owned(),
            format!(
                "<workbook xmlns:r=\"{office}\"><sheets>{}</sheets></workbook>",
                number("<sheet name=\"S#\" sheetId=\"#\" state=\"@\" r:id=\"rId#\"/>")
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels".to_owned(),
            format!(
                "<Relationships>{}</Relationships>",
                number(&format!("<Relationship Id=\"rId#\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet#.xml\"/>"))
            ),
        ),
        (
            "xl/styles.xml".to_owned(),
            "<styleSheet><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"22\"/></cellXfs></styleSheet>".to_owned(),
        ),
        ("xl/sharedStrings.xml".to_owned(), format!("<sst uniqueCount=\"2\">{strings}</sst>")),
    ];
    parts.extend(sheets.iter().enumerate().map(|(at, (_, sheet))| {
        (format!("xl/worksheets/sheet{}.xml", at + 1), format!("<worksheet>{sheet}</worksheet>"))
    }));
    let parts: Vec<_> = parts.iter().map(|(name, part)| (name.as_str(), part.as_bytes())).collect();
    zip(&parts)
}

/// A row of inline texts, from column A.
fn row(number: u32, attributes: &str, cells: &[&str]) -> String {
    let mut row = format!("<row r=\"{number}\" {attributes}>");
    for (text, letter) in cells.iter().zip('A'..) {
        let _ = write!(row, "<c r=\"{letter}{number}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
    }
    row + "</row>"
}

fn sheet(rows: &[String]) -> String {
    format!("<sheetData>{}</sheetData>", rows.concat())
}

#[test]
fn xlsx_values_are_what_a_person_would_type() {
    let cells = "<row r=\"1\">\
        <c r=\"A1\" t=\"s\"><v>1</v></c><c r=\"B1\"><v>7700900123</v></c><c r=\"C1\"><v>7.700900123E9</v></c>\
        <c r=\"D1\"><v>447700900123</v></c><c r=\"E1\"><v>123456789012345678</v></c><c r=\"F1\" t=\"b\"><v>1</v></c>\
        <c r=\"G1\" t=\"e\"><v>#N/A</v></c><c r=\"H1\" s=\"1\"><v>42031</v></c><c r=\"I1\" s=\"2\"><v>42031.5</v></c>\
        <c r=\"J1\" t=\"str\"><f>A1</f><v>Zo&#235; &amp; Ren&#233;e</v></c><c r=\"K1\"><v>1.5</v></c>\
        <c r=\"L1\" t=\"d\"><v>2015-01-27T00:00:00</v></c><c r=\"M1\" s=\"1\"><v>-5</v></c></row>";
    let bytes = xlsx(
        &[("visible", &sheet(&[cells.to_owned()]))],
        "<si><t>no</t></si><si><r><t>An</t></r><r><t>n</t></r></si>",
    );
    assert_eq!(
        lines(&bytes),
        [
            "1|Ann|7700900123|7700900123|447700900123|123456789012345680|true||2015-01-27|2015-01-27T12:00:00|Zoë & Renée|1.5|2015-01-27|-5"
        ]
    );
    assert_eq!(Workbook::open(&bytes).unwrap().format, "xlsx");
    assert!(Workbook::is(&bytes));
}

#[test]
fn zeros_that_only_a_number_format_keeps_are_put_back() {
    let styles = "<styleSheet><numFmts count=\"4\"><numFmt numFmtId=\"164\" formatCode=\"00000\"/><numFmt numFmtId=\"165\" formatCode=\"00000\\ 000000\"/>\
                  <numFmt numFmtId=\"166\" formatCode=\"0.00\"/><numFmt numFmtId=\"167\" formatCode=\"0000;[Red]-0000\"/></numFmts>\
                  <cellStyleXfs><xf numFmtId=\"164\"/></cellStyleXfs><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"164\"/><xf numFmtId=\"165\"/>\
                  <xf numFmtId=\"166\"/><xf numFmtId=\"167\"/></cellXfs><cellStyles/></styleSheet>";
    let cells = "<row r=\"1\"><c r=\"A1\" s=\"1\"><v>123</v></c><c r=\"B1\" s=\"2\"><v>7700900123</v></c><c r=\"C1\" s=\"3\"><v>5</v></c>\
                 <c r=\"D1\" s=\"4\"><v>7</v></c><c r=\"E1\"><v>123</v></c><c r=\"F1\" s=\"1\"><v>1234567</v></c><c r=\"G1\" s=\"1\"><v>1.5</v></c></row>\
                 <row><c s=\"1\"><v>9</v></c><c/><c s=\"4\"><v>9</v></c></row>";
    let bytes = xlsx(&[("visible", &sheet(&[cells.to_owned()]))], "");
    let plain = Archive::of_document(&bytes).unwrap();
    let parts: Vec<_> = plain
        .names()
        .map(|name| {
            let part = plain.file(name).unwrap().unwrap();
            (name.to_owned(), if name == "xl/styles.xml" { styles.as_bytes().to_vec() } else { part })
        })
        .collect();
    let parts: Vec<_> = parts.iter().map(|(name, part)| (name.as_str(), part.as_slice())).collect();
    assert_eq!(lines(&zip(&parts)), ["1|00123|07700900123|5|0007|123|1234567|1.5", "2|00009||0009"]);

    let cell = |value: &str, shown: &str| {
        format!(
            "<table:table-cell office:value-type=\"float\" office:value=\"{value}\"><text:p>{shown}</text:p></table:table-cell>"
        )
    };
    let cells = [
        ("123", "00123"),
        ("7700900123", "07700 900123"),
        ("5", "5.00"),
        ("1234", "1,234"),
        ("12", "0013"),
        ("0", "000"),
    ];
    let cells: String = cells.iter().map(|(value, shown)| cell(value, shown)).collect();
    let content = format!(
        "<office:document-content><office:body><office:spreadsheet><table:table><table:table-row>{cells}</table:table-row></table:table>\
         </office:spreadsheet></office:body></office:document-content>"
    );
    let bytes =
        zip(&[("content.xml", content.as_bytes()), ("META-INF/manifest.xml", b"<manifest:manifest/>")]);
    assert_eq!(lines(&bytes), ["1|00123|07700900123|5|1234|12|0"]);
}

#[test]
fn the_first_sheet_that_is_seen_is_read() {
    let of = |text| sheet(&[row(1, "", &[text])]);
    let sheets = [
        ("hidden", of("old")),
        ("veryHidden", of("macro")),
        ("visible", of("pupils")),
        ("visible", of("notes")),
    ];
    let sheets: Vec<_> = sheets.iter().map(|(state, sheet)| (*state, sheet.as_str())).collect();
    assert_eq!(lines(&xlsx(&sheets, "")), ["1|pupils"]);
    assert_eq!(rows(&xlsx(&sheets[..2], "")), Err(Refusal::BrokenWorkbook));
}

#[test]
fn that_other_sheets_hold_something_is_told() {
    let told = |bytes: &[u8]| Workbook::open(bytes).unwrap().has_more();
    let (pupils, notes, empty) = (
        sheet(&[row(1, "", &["pupils"])]),
        sheet(&[row(1, "", &["notes"])]),
        sheet(&["<row r=\"1\"><c r=\"A1\"/></row>".to_owned()]),
    );
    for (other, is_told) in
        [(("visible", &*notes), true), (("hidden", &*notes), false), (("visible", &*empty), false)]
    {
        assert_eq!(told(&xlsx(&[("visible", &pupils), other], "")), is_told, "{other:?}");
    }
    assert!(!told(&xlsx(&[("hidden", &notes), ("visible", &pupils)], "")));

    let text = "<table:table><table:table-row><table:table-cell><text:p>x</text:p></table:table-cell></table:table-row></table:table>";
    let hidden =
        "<style:style style:name=\"h\"><style:table-properties table:display=\"false\"/></style:style>";
    let another = |style: &str| ods(hidden, &format!("{text}{}", text.replacen("<table:table>", style, 1)));
    assert!(told(&another("<table:table>")) && !told(&another("<table:table table:style-name=\"h\">")));
    assert!(!told(&ods("", &format!("{text}<table:table><table:table-row/></table:table>"))));

    // What is damaged behind the sheet that is read refuses nothing.
    assert!(!told(&ods("", &format!("{text}<table:table></table:wrong>"))));

    assert!(told(&xls_in([0, 0], &[])) && !told(&xls(&[])) && !told(&xls_in([0, 1], &[])));
}

#[test]
fn what_is_hidden_is_not_read_and_the_rest_keeps_its_place() {
    let cells = ["Forename", "Secret", "Surname"];
    let content = [
        row(1, "hidden=\"1\"", &["title"]),
        row(2, "", &cells),
        row(3, "hidden=\"true\"", &["Leaver"]),
        row(5, "hidden=\"0\"", &["Ann", "x", "Smith"]),
    ];
    let columns =
        "<cols><col min=\"2\" max=\"2\" hidden=\"1\"/><col min=\"4\" max=\"16384\" hidden=\"true\"/></cols>";
    let bytes = xlsx(&[("visible", &format!("{columns}{}", sheet(&content)))], "");
    assert_eq!(lines(&bytes), ["2|Forename||Surname", "4|", "5|Ann||Smith"]);
}

#[test]
fn merged_cells_hold_their_value_in_their_left_column() {
    let content = [
        row(1, "", &["List of pupils", "x", "y"]),
        row(2, "", &["Ann", "Mum"]),
        row(3, "", &["left over", "Dad"]),
        row(5, "", &["Ben", "Nan"]),
    ];
    let merged = "<mergeCells><mergeCell ref=\"A1:C1\"/><mergeCell ref=\"A2:A4\"/></mergeCells>";
    let bytes = xlsx(&[("visible", &format!("{}{merged}", sheet(&content)))], "");
    // Row 4 is part of the merged cells and holds nothing of its own.
    assert_eq!(lines(&bytes), ["1|List of pupils", "2|Ann|Mum", "3|Ann|Dad", "4|", "5|Ben|Nan"]);
    let columns = "<cols><col min=\"1\" max=\"1\" hidden=\"1\"/></cols>";
    let bytes = xlsx(&[("visible", &format!("{columns}{}{merged}", sheet(&content)))], "");
    assert_eq!(lines(&bytes), ["1||List of pupils", "2||Mum", "3||Dad", "4|", "5||Nan"]);
}

#[test]
fn a_million_styled_rows_and_columns_are_nothing() {
    let mut content: Vec<_> = (2..=1_000_000)
        .map(|row| format!("<row r=\"{row}\" s=\"1\"><c r=\"A{row}\" s=\"1\"/></row>"))
        .collect();
    content.insert(0, row(1, "", &["Forename"]));
    content.push(
        "<row r=\"1048576\"><c r=\"XFD1048576\"><v>1</v></c><c r=\"B1048576\"><v>2</v></c></row>".to_owned(),
    );
    let bytes = xlsx(&[("visible", &sheet(&content))], "");
    assert_eq!(lines(&bytes), ["1|Forename", "2|", "1048576||2"]);
}

#[test]
fn edge_case_64_text_that_multiplies_is_a_bomb() {
    let long = format!("<si><t>{}</t></si>", "x".repeat(32_000));
    let content: Vec<_> = (1..=8000)
        .map(|row| format!("<row r=\"{row}\"><c r=\"A{row}\" t=\"s\"><v>0</v></c></row>"))
        .collect();
    assert_eq!(rows(&xlsx(&[("visible", &sheet(&content))], &long)), Err(Refusal::ArchiveBomb));
}

#[test]
fn a_count_that_lies_is_not_believed() {
    let bytes = xlsx(&[("visible", &sheet(&[row(1, "", &["a"])]))], "");
    let plain = Archive::of_document(&bytes).unwrap();
    let parts: Vec<_> =
        plain.names().map(|name| (name.to_owned(), plain.file(name).unwrap().unwrap())).collect();
    let lied: Vec<_> = parts
        .iter()
        .map(|(name, part)| {
            let part = String::from_utf8(part.clone())
                .unwrap()
                .replace("uniqueCount=\"2\"", "uniqueCount=\"999999999999\"");
            (name.as_str(), part.into_bytes())
        })
        .collect();
    let lied: Vec<_> = lied.iter().map(|(name, part)| (*name, part.as_slice())).collect();
    assert_eq!(rows(&zip(&lied)), Err(Refusal::BrokenWorkbook));
}

fn ods(styles: &str, tables: &str) -> Vec<u8> {
    let content = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><office:document-content><office:automatic-styles>{styles}</office:automatic-styles>\
         <office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    );
    zip(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", content.as_bytes()),
        ("META-INF/manifest.xml", b"<manifest:manifest/>"),
    ])
}

#[test]
fn ods_is_read_as_it_is_seen() {
    let text = |text: &str| {
        format!("<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>")
    };
    let styles = "<style:style style:name=\"ta1\"><style:table-properties table:display=\"true\"/></style:style>\
                  <style:style style:name=\"ta2\"><style:table-properties table:display=\"false\"/></style:style>";
    let tables = format!(
        "<table:table table:style-name=\"ta2\"><table:table-row>{}</table:table-row></table:table>\
         <table:table table:style-name=\"ta1\"><table:shapes><draw:frame><text:p>logo</text:p></draw:frame></table:shapes>\
         <table:table-column/><table:table-column table:visibility=\"collapse\"/><table:table-column table:number-columns-repeated=\"16382\"/>\
         <table:table-header-rows><table:table-row>{}{}{}{}</table:table-row></table:table-header-rows>\
         <table:table-row table:visibility=\"filter\">{}</table:table-row>\
         <table:table-row table:number-rows-repeated=\"2\">{}<table:table-cell table:number-columns-repeated=\"2\"/>\
         <table:table-cell office:value-type=\"float\" office:value=\"7700900123\"><text:p>7.7E+09</text:p></table:table-cell>\
         <table:table-cell office:value-type=\"date\" office:date-value=\"2015-01-27\"><text:p>27/01/15</text:p></table:table-cell>\
         <table:table-cell office:value-type=\"boolean\" office:boolean-value=\"true\"><text:p>TRUE</text:p></table:table-cell>\
         <table:table-cell office:value-type=\"string\" calcext:value-type=\"error\"><text:p>#N/A</text:p></table:table-cell>\
         <table:table-cell office:value-type=\"string\"><office:annotation><text:p>a note</text:p></office:annotation>\
         <text:p>O&apos;<text:span>Con</text:span>nor</text:p><text:p>two</text:p></table:table-cell></table:table-row>\
         <table:table-row table:number-rows-repeated=\"1048000\"><table:table-cell table:number-columns-repeated=\"16384\"/></table:table-row>\
         <table:table-row><table:table-cell table:number-rows-spanned=\"2\" office:value-type=\"string\"><text:p>Ann</text:p></table:table-cell>{}</table:table-row>\
         <table:table-row><table:covered-table-cell><text:p>under</text:p></table:covered-table-cell>{}{}</table:table-row>\
         </table:table>",
        text("hidden"),
        text("Forename"),
        text("Secret"),
        text("Surname"),
        text("Mobile"),
        text("Leaver"),
        text("Ann"),
        text("secret"),
        text("secret"),
        text("Dad"),
    );
    let bytes = ods(styles, &tables);
    assert_eq!(
        lines(&bytes),
        [
            "1|Forename||Surname|Mobile",
            "3|Ann|||7700900123|2015-01-27|true||O'Connor\ntwo",
            "4|Ann|||7700900123|2015-01-27|true||O'Connor\ntwo",
            "5|",
            "1048005|Ann",
            "1048006|Ann||Dad",
        ]
    );
    assert_eq!(Workbook::open(&bytes).unwrap().format, "ods");
    assert!(Workbook::is(&bytes));
}

#[test]
fn ods_repeats_cannot_stall() {
    let cell = "<table:table-cell table:number-columns-repeated=\"4000000000\" office:value-type=\"string\"><text:p>x</text:p></table:table-cell>";
    let bytes = ods(
        "",
        &format!(
            "<table:table><table:table-row table:number-rows-repeated=\"4000000000\">{cell}</table:table-row></table:table>"
        ),
    );
    assert_eq!(rows(&bytes), Err(Refusal::ArchiveBomb));
    let cell = "<table:table-cell office:value-type=\"float\" office:value=\"1\"/>";
    let bytes = ods(
        "",
        &format!(
            "<table:table><table:table-row table:number-rows-repeated=\"4000000000\">{cell}</table:table-row></table:table>"
        ),
    );
    assert_eq!(rows(&bytes), Err(Refusal::TooManyRows));
}

fn compound(name: &str, stream: &[u8]) -> Vec<u8> {
    let mut file = CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_stream(name).unwrap().write_all(stream).unwrap();
    file.flush().unwrap();
    file.into_inner().into_inner()
}

/// An old workbook: one hidden sheet, one visible.
fn xls(extra: &[(u16, Vec<u8>)]) -> Vec<u8> {
    xls_in([1, 0], extra)
}

/// The same with sheets in other states. Records are a type, a length and data.
fn xls_in(states: [u8; 2], extra: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let record = |kind: u16, data: &[u8]| {
        [&kind.to_le_bytes()[..], &u16::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
    };
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let text =
        |text: &str| [&words(&[u16::try_from(text.len()).unwrap()])[..], &[0], text.as_bytes()].concat();
    let label = |row: u16, column: u16, content: &str| {
        record(0x0204, &[words(&[row, column, 0]), text(content)].concat())
    };
    let begin = |kind: u16| record(0x0809, &words(&[0x0600, kind, 0, 0, 0, 0, 0, 0]));
    let named = |name: &str, at: usize, state: u8| {
        let name = [&[u8::try_from(name.len()).unwrap(), 0], name.as_bytes()].concat();
        record(0x0085, &[&u32::try_from(at).unwrap().to_le_bytes()[..], &[state, 0], &name].concat())
    };
    let hidden = [begin(0x10), label(0, 0, "old"), record(0x000a, &[])].concat();
    let visible = [
        begin(0x10),
        record(0x0200, &[0xff; 14]),
        record(0x007d, &words(&[1, 1, 0, 0, 1, 0])),
        record(0x0208, &words(&[1, 0, 3, 255, 0, 0, 0x20, 0])),
        label(0, 0, "Forename"),
        label(0, 1, "Secret"),
        label(0, 2, "Mobile"),
        label(1, 0, "Leaver"),
        label(2, 0, "Ann"),
        record(0x0203, &[words(&[2, 2, 0]), 7_700_900_123_f64.to_le_bytes().to_vec()].concat()),
        record(0x0205, &[words(&[2, 3, 0]), vec![1, 0]].concat()),
        extra.iter().flat_map(|(kind, data)| record(*kind, data)).collect(),
        record(0x000a, &[]),
    ]
    .concat();
    let globals = |first, second| {
        [begin(5), named("H", first, states[0]), named("V", second, states[1]), record(0x000a, &[])].concat()
    };
    let length = globals(0, 0).len();
    compound("/Workbook", &[globals(length, length + hidden.len()), hidden, visible].concat())
}

#[test]
fn xls_is_read_as_it_is_seen() {
    let bytes = xls(&[]);
    assert_eq!(lines(&bytes), ["1|Forename||Mobile", "3|Ann||7700900123|true"]);
    assert_eq!(Workbook::open(&bytes).unwrap().format, "xls");
    // The merged cells of rows 3 and 4, in the first column.
    let label = [&[3, 0, 2, 0, 0, 0, 3, 0, 0][..], b"Dad"].concat();
    let merged = (0x00e5, vec![1, 0, 2, 0, 3, 0, 0, 0, 0, 0]);
    assert_eq!(lines(&xls(&[(0x0204, label), merged]))[1..], ["3|Ann||7700900123|true", "4|Ann||Dad"]);
}

#[test]
fn xls_larger_than_a_small_stream_is_read() {
    assert_eq!(lines(&xls(&[(0x1234, vec![0; 8000])])).len(), 2);
}

#[test]
fn xls_corners_cannot_blow_memory() {
    let far = [&[0xff, 0xff, 0xff, 0, 0, 0][..], &1_f64.to_le_bytes()].concat();
    assert_eq!(rows(&xls(&[(0x0203, far)])), Err(Refusal::BrokenWorkbook));
}

#[test]
fn edge_case_65_what_is_protected_or_no_workbook_is_refused_by_name() {
    assert_eq!(rows(&compound("/EncryptedPackage", b"x")), Err(Refusal::Encrypted));
    assert_eq!(rows(&compound("/Workbook", &[0x2f, 0, 2, 0, 1, 0])), Err(Refusal::Encrypted));
    assert_eq!(rows(&compound("/WordDocument", b"x")), Err(Refusal::NotATable));
    assert_eq!(
        rows(&zip(&[("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>")])),
        Err(Refusal::NotATable)
    );
    let content = ("content.xml", &b"<x/>"[..]);
    let locked = ("META-INF/manifest.xml", &b"<m><manifest:encryption-data/></m>"[..]);
    assert_eq!(rows(&zip(&[content, locked])), Err(Refusal::Encrypted));
    assert_eq!(rows(&zip(&[content])), Err(Refusal::BrokenWorkbook));
    assert_eq!(rows(&zip(&[("xl/workbook.bin", b"x")])), Err(Refusal::BrokenWorkbook));
    assert_eq!(rows(b"\x89PNG\r\n\x1a\n"), Err(Refusal::BrokenWorkbook));
    assert!(!Workbook::is(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(rows(b"PK\x03\x04"), Err(Refusal::BrokenWorkbook));
}

/// Real files, where the folder is there: both formats say the same, from the row where the header stands.
#[test]
fn sample_files() {
    let folder =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/samples/csvkit-examples/examples"));
    for (name, header, count) in [("test", 1, 6), ("test_skip_lines", 4, 6), ("sheets", 0, 0)] {
        let read = |format| {
            std::fs::read(folder.join(format!("{name}.{format}"))).ok().map(|bytes| rows(&bytes).unwrap())
        };
        let (Some(new), Some(old)) = (read("xlsx"), read("xls")) else { continue };
        assert_eq!(new, old, "{name}");
        assert_eq!(new.len(), count, "{name}");
        assert_eq!(new.first().map_or(0, |(number, _)| *number), header, "{name}");
        for (_, cells) in new.iter().skip(1).filter(|(_, cells)| cells.len() > 1) {
            assert!(cells[1].parse::<jiff::civil::Date>().is_ok(), "{name}");
        }
    }
}

fn damaged(good: &[u8], changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for (index, byte) in changes {
        let at = index.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes
}

proptest! {
    #[test]
    fn no_bytes_make_opening_panic(bytes: Vec<u8>, start in 0..3_usize) {
        let start = [&b""[..], COMPOUND, b"PK\x03\x04"][start];
        let _ = rows(&[start, &bytes].concat());
    }

    #[test]
    fn no_damage_to_a_compound_file_makes_opening_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let _ = rows(&damaged(&xls(&[]), &changes));
    }

    #[test]
    fn no_damage_to_a_part_makes_opening_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), kind: bool) {
        let content = sheet(&[row(1, "", &["a", "b"]), "<row><c><v>1</v></c><c t=\"s\"><v>0</v></c></row>".to_owned()]);
        let content = format!("<cols><col min=\"2\" max=\"2\" hidden=\"1\"/></cols>{content}<mergeCells><mergeCell ref=\"A1:B2\"/></mergeCells>");
        let bytes = if kind {
            let content = String::from_utf8_lossy(&damaged(content.as_bytes(), &changes)).into_owned();
            xlsx(&[("visible", &content)], "<si><t>a</t></si>")
        } else {
            let content = "<table:table><table:table-row table:number-rows-repeated=\"2\"><table:table-cell office:value-type=\"float\" office:value=\"1\"><text:p>1</text:p></table:table-cell></table:table-row></table:table>";
            ods("", &String::from_utf8_lossy(&damaged(content.as_bytes(), &changes)))
        };
        let _ = rows(&bytes);
    }
}
