//! Text to records: every dialect, what is refused, and that what was written is read.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngSeed, TestRunner},
};
use serde_json::{Value, json};

use super::{super::cells::MAX_COLUMNS, *};

type Rows = Vec<(u32, Vec<String>)>;

/// The records that are not empty.
fn rows(bytes: &[u8]) -> Result<Rows, Refusal> {
    let table = Delimited::open(bytes)?;
    let mut rows = Vec::new();
    table.each(&mut |number, cells| {
        if !cells.is_empty() {
            rows.push((number, cells.iter().map(|cell| cell.to_owned()).collect()));
        }
        Ok(())
    })?;
    Ok(rows)
}

/// The same, in one line: cells between `|`, rows between `/`.
fn flat(bytes: &[u8]) -> Result<String, Refusal> {
    let flat = |(number, cells): (u32, Vec<String>)| format!("{number}:{}", cells.join("|"));
    Ok(rows(bytes)?.into_iter().map(flat).collect::<Vec<_>>().join("/"))
}

#[test]
fn edge_case_63_every_dialect_gives_the_same_records() {
    let lines = [["Forename", "Surname", "Year"], ["Ann", "O,N;e|i\tl\"l", "3"], ["Zoë", "", "R"]];
    for separator in [",", ";", "\t", "|"] {
        for end in ["\r\n", "\n", "\r"] {
            let quoted = |cell: &&str| {
                if cell.contains([',', ';', '|', '\t', '"']) {
                    format!("\"{}\"", cell.replace('"', "\"\""))
                } else {
                    (*cell).to_owned()
                }
            };
            let line = |line: &[&str; 3]| line.iter().map(quoted).collect::<Vec<_>>().join(separator);
            let text = lines.iter().map(line).collect::<Vec<_>>().join(end);
            let expected = "1:Forename|Surname|Year/2:Ann|O,N;e|i\tl\"l|3/3:Zoë||R";
            for text in [text.clone(), text.clone() + end, format!("\u{feff}{text}{end}\u{1a}")] {
                assert_eq!(flat(text.as_bytes()).as_deref(), Ok(expected), "{text:?}");
            }
            for mark in [format!("sep={separator}"), format!("\"SEP={separator}\"")] {
                assert_eq!(
                    flat(format!("{mark}{end}{text}").as_bytes()).as_deref(),
                    Ok(expected),
                    "{text:?}"
                );
            }
            let wide: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(flat(&wide).as_deref(), Ok(expected), "{text:?}");
        }
    }
}

#[test]
fn edge_case_63_the_separator_is_told_by_the_names_or_else_by_the_shape() {
    for (text, cells) in [
        ("Forename;Surname;Class\nAnn;Smith, A;3, A\nBen;Cole, B;3, B\n", 3),
        ("Pupils, Year 3, 2026\nForename;Surname;Class\nAnn;Smith;3\n", 3),
        ("a;b;c\n1,5;2;3\n1,5;2;3\n", 3),
        ("a|b\n1|2\n", 2),
        ("UPN\nB801200005001\n", 1),
        ("sep=|\na,b,c|d\n1,2,3|4\n", 2),
    ] {
        assert_eq!(rows(text.as_bytes()).unwrap().last().unwrap().1.len(), cells, "{text}");
    }
}

#[test]
fn edge_case_63_rows_keep_the_numbers_that_a_spreadsheet_shows() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["", "a,b", "Ann,\"Smi~th\"", "", ",", "Ben,Cole", "", "", "Cy,Day", ""]
            .join(end)
            .replace('~', end);
        let expected = format!("2:a|b/3:Ann|Smi{end}th/6:Ben|Cole/9:Cy|Day");
        assert_eq!(flat(text.as_bytes()), Ok(expected), "{end:?}");
        // Every empty row before and between is visited.
        let mut numbers = Vec::new();
        let table = Delimited::open(text.as_bytes()).unwrap();
        let visit = &mut |number, _: Cells<'_>| {
            numbers.push(number);
            Ok(())
        };
        table.each(visit).unwrap();
        assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
    }
    // Only line ends end lines.
    let text = "a,b\nx\u{b}\u{c}\u{1c}\u{85}\u{2028}\u{2029}y,z\n";
    assert_eq!(rows(text.as_bytes()).map(|rows| rows.len()), Ok(2));
}

#[test]
fn edge_case_63_refusals_say_where() {
    let open = |row, column| Err(Refusal::OpenQuote { row, column });
    let nul = |row, column| Err(Refusal::NulCharacter { row, column });
    for (text, refusal) in [
        ("a,b\n\n1,\"2\n3,4\n", open(3, 2)),
        ("a,b\n1,\"", open(2, 2)),
        ("\"a,b\n", open(1, 1)),
        // Rows that a mark too many has swallowed: the next mark closes it, and text follows.
        ("a,b\n1,\"x\n2,y\n3,\"z\n", open(2, 2)),
        ("a,b,c,d\n1,\"x,x,x\n2,y,y,y\n3,z,z,z\",z,z\n", open(2, 2)),
        ("a,b,c\n\0,2,3\n", nul(2, 1)),
        ("a,b,c\n\n1,2,\0", nul(3, 3)),
        ("a,b\n1,\"x\ny\0\"\n", nul(2, 2)),
    ] {
        assert_eq!(flat(text.as_bytes()), refusal, "{text:?}");
    }
    let long = "x,y\n".repeat(MAX_ROWS + 10 * HEAD + 2);
    assert_eq!(flat(long.as_bytes()), Err(Refusal::TooManyRows));
}

#[test]
fn recipient_csv_12_quotation_marks_as_people_use_them() {
    for (text, expected) in [
        ("a,b\n\"Nov 28, 2016\",x\n", "1:a|b/2:Nov 28, 2016|x"),
        ("a, b, c\n1, \"Smith, Ann\",  \"x\"\n", "1:a| b| c/2:1|Smith, Ann|x"),
        (" \"a\",b\n  \"1,2\",3", "1:a|b/2:1,2|3"),
        ("a,b\n\"x\ny\n\nz\",1\n2,3", "1:a|b/2:x\ny\n\nz|1/3:2|3"),
        // In the middle of a cell they are letters like others.
        ("a,b\nSam \"Sammy\" Lee,5'10\"\n", "1:a|b/2:Sam \"Sammy\" Lee|5'10\""),
        ("a,b\n\"Sam \"Sammy\" Lee\",x\n", "1:a|b/2:Sam Sammy\" Lee\"|x"),
        ("a,b\n\"1\" ,\"\"\n", "1:a|b/2:1 |"),
    ] {
        assert_eq!(flat(text.as_bytes()).as_deref(), Ok(expected), "{text:?}");
    }
}

#[test]
fn recipient_csv_8_a_hundred_thousand_commas_cost_nothing() {
    let commas = ",".repeat(100_000);
    let text = format!("Forename{commas}\n{}", format!("Ann{commas}\n").repeat(100));
    let table = Delimited::open(text.as_bytes()).unwrap();
    assert_eq!((table.records.lines.len(), table.records.bounds.len()), (101, 202));
    let visit = &mut |_, cells: Cells<'_>| {
        assert_eq!(cells.len(), MAX_COLUMNS);
        Ok(())
    };
    table.each(visit).unwrap();
}

#[test]
fn rows_wider_than_any_that_is_looked_at_keep_their_cells() {
    for count in [MAX_COLUMNS, 1022, 1023, 1024, 1025, 3000] {
        for cell in ["a", "\"a\""] {
            let wide = vec![cell; count].join(",");
            let text = format!("Forename,Surname\n{wide}\n{}\n", "b".repeat(40));
            let widths =
                rows(text.as_bytes()).map(|rows| rows.iter().map(|(_, cells)| cells.len()).collect());
            assert_eq!(widths, Ok(vec![2, count, 1]), "{cell}");
        }
    }
}

/// The records as they are read, and as the reader alone would read them.
fn either_way(text: &str) -> [Result<Rows, Refusal>; 2] {
    [false, true].map(|is_reader_alone| {
        let mut parser = Parser::new(text, b',', 3);
        parser.has_nul |= is_reader_alone;
        while parser.step()? {}
        let mut rows = Vec::new();
        parser.records.each(text, &mut |number, cells| {
            rows.push((number, cells.iter().map(str::to_owned).collect()));
            Ok(())
        })?;
        Ok(rows)
    })
}

/// What Python's `csv` makes of texts, in order: row by row, without those that are empty.
fn as_python_reads(files: &[(char, String)]) -> Vec<Rows> {
    const READ: &str = "
import csv, io, json, sys
def rows(separator, text):
    read = enumerate(csv.reader(io.StringIO(text, newline=''), delimiter=separator), 1)
    return [[number, row] for number, row in read if any(row)]
print(json.dumps([rows(*file) for file in json.loads(sys.stdin.buffer.read())]))
";
    let start = |name: &&str| {
        let mut python = Command::new(name);
        python.args(["-c", READ]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()
    };
    let mut python =
        ["python3", "python"].iter().find_map(start).expect("Python is there, as the README asks");
    let mut to = python.stdin.take().unwrap();
    to.write_all(json!(files).to_string().as_bytes()).unwrap();
    drop(to);
    let out = python.wait_with_output().unwrap();
    assert!(out.status.success(), "Python could not read them");
    let read: Vec<Rows> = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(read.len(), files.len(), "one answer for each");
    read
}

#[test]
fn generated_files_are_read_as_python_reads_them() {
    const FILES: usize = 500;
    let separator = prop::sample::select(vec![',', ';', '\t', '|']);
    let files = separator.prop_flat_map(|separator| {
        // Plain, in quotation marks, and with marks where nobody would put any.
        let cell = format!(
            "[a-cé']{{0,4}}|[a-c]{{1,2}}\"[a-c]?|\"([a-c ,;|\t\n\ré]|\"\"|\r\n){{0,5}}\"|\"[a-c{separator}]{{0,2}}\"[a-c]\"?"
        );
        let cell = prop::string::string_regex(&cell).unwrap();
        let row = vec(cell, 0..6).prop_map(move |cells| cells.join(&separator.to_string()));
        let end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
        (vec(row, 0..8), end, any::<bool>()).prop_map(move |(rows, end, is_ended)| {
            // The first row shows the separator, as a header does.
            let header = ["Forename", "Surname", "UPN", "Class"].join(&separator.to_string());
            let text = [vec![header], rows].concat().join(end);
            (separator, if is_ended { text + end } else { text })
        })
    });
    let config = ProptestConfig { rng_seed: RngSeed::Fixed(4180), ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let files: Vec<_> = (0..FILES).map(|_| files.new_tree(&mut runner).unwrap().current()).collect();
    let mut refused = 0;
    for ((separator, text), expected) in files.iter().zip(as_python_reads(&files)) {
        match rows(text.as_bytes()) {
            // Python says nothing where a mark swallows the rows behind it.
            Err(Refusal::OpenQuote { .. }) => refused += 1,
            read => assert_eq!(read, Ok(expected), "{separator:?} {text:?}"),
        }
    }
    assert!(refused < FILES / 2, "{refused} of {FILES} were refused");
}

pub(in crate::upload) fn samples(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples").join(folder);
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let mut files: Vec<_> = files
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Where the samples are there: records as their JSON has them.
#[test]
fn samples_csv_spectrum_agree_with_their_answers() {
    let answers = samples("csv-spectrum/json");
    for (name, bytes) in samples("csv-spectrum/csvs") {
        let name = name.replace(".csv", ".json");
        let answer = &answers.iter().find(|(of, _)| *of == name).unwrap().1;
        let answer = match serde_json::from_slice(answer).unwrap() {
            Value::Array(records) => records,
            record => vec![record],
        };
        let mut rows = rows(&bytes).unwrap().into_iter().map(|(_, cells)| cells);
        let header = rows.next().unwrap();
        let records: Vec<Value> = rows
            .map(|cells| {
                header
                    .iter()
                    .cloned()
                    .zip(cells.into_iter().map(Value::String))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            })
            .collect();
        // The answers were made on a system with another line end, and one has a number that its file has not.
        let plain = |value: &[Value]| {
            let text = serde_json::to_string(value).unwrap();
            text.replace("\\r\\n", "\\n").replace("2095257564", "1234567890")
        };
        assert_eq!(plain(&records), plain(&answer), "{name}");
    }
}

/// Where the samples are there: what each gives, by hand, as the numbers of rows and how many cells they have.
#[test]
fn samples_csvkit_give_what_a_person_would_say() {
    let samples = samples("csvkit-examples/examples");
    for (name, bytes) in &samples {
        let shape = match name.as_str() {
            name if [".xls", ".xlsx"].iter().any(|end| name.ends_with(end)) => Err(Refusal::NotATable),
            "empty.csv" => Err(Refusal::EmptyFile),
            "null_byte.csv" => Err(Refusal::NulCharacter { row: 2, column: 1 }),
            // More and fewer cells than the header has.
            "bad.csv" => Ok("1:3 2:4 3:2 4:3"),
            "bad_skip_lines.csv" => Ok("4:3 5:4 6:2 7:3"),
            "join_a_short.csv" => Ok("1:3 2:2 3:1 4:3"),
            "test_extra_header.csv" => Ok("1:4 2:3"),
            "test_skip_lines.csv" => Ok("4:3 5:3"),
            "blanks.csv" => Ok("1:6 2:6"),
            "mac_newlines.csv" => Ok("1:3 2:3 3:3"),
            "test_date_format.csv" | "test_numeric_date_format.csv" => Ok("1:1 2:1 3:1"),
            // Rows of empty cells are empty rows.
            "test_empty_columns.csv" => Ok("1:5 2:5 3:4"),
            "test_empty_columns_long_row.csv" | "test_empty_columns_short_row.csv" => Ok("1:3"),
            "test_header_newline.csv" | "test_locale.csv" => Ok("1:3 2:3"),
            _ => {
                // Ordinary tables: as many cells everywhere as in the header, or fewer.
                let rows = rows(bytes).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
                assert!(rows.iter().all(|(_, cells)| cells.len() <= rows[0].1.len()), "{name}");
                continue;
            }
        };
        let given = rows(bytes).map(|rows| {
            let shape: Vec<_> = rows.iter().map(|(row, cells)| format!("{row}:{}", cells.len())).collect();
            shape.join(" ")
        });
        assert_eq!(given, shape.map(str::to_owned), "{name}");
    }
    // The same table in several dresses.
    let cells = |wanted: &str| {
        let (_, bytes) = samples.iter().find(|(name, _)| name == wanted)?;
        Some(rows(bytes).unwrap().into_iter().map(|(_, cells)| cells).collect::<Vec<_>>())
    };
    for (one, other) in [
        ("dummy.csv", "dummy.tsv"),
        ("dummy.csv", "optional_quote_characters.csv"),
        ("dummy.csv", "sniff_limit.csv"),
        ("dummy.csv", "test_skip_lines.csv"),
        ("test_utf16_big.csv", "test_utf16_little.csv"),
        ("test_utf8.csv", "test_utf8_bom.csv"),
    ] {
        assert_eq!(cells(one), cells(other), "{one} {other}");
    }
    for (wanted, encoding, last) in [
        ("test_utf16_big.csv", "utf-16be", "ʤ"),
        ("test_utf16_little.csv", "utf-16le", "ʤ"),
        ("test_utf8_bom.csv", "utf-8-bom", "ʤ"),
        ("test_utf8.csv", "utf-8", "ʤ"),
        ("test_latin1.csv", "windows-1252", "©"),
    ] {
        if let Some((_, bytes)) = samples.iter().find(|(name, _)| name == wanted) {
            assert_eq!(Delimited::open(bytes).unwrap().encoding, encoding, "{wanted}");
            assert_eq!(cells(wanted).unwrap().last().unwrap().last().unwrap(), last, "{wanted}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in vec(prop_oneof![any::<u8>(), Just(b','), Just(b'"'), Just(b'\n'), Just(b'\r'), Just(b' '), Just(b';')], 0..200)) {
        let _ = rows(&bytes);
    }

    /// What is looked at many bytes at a time is what is there, however long the line.
    #[test]
    fn separators_are_found_wherever_they_stand(
        text in vec(prop_oneof![8 => any::<u8>(), 8 => Just(b','), 4 => Just(0xc2), 4 => Just(0xc3), 4 => Just(0xe9), 1 => Just(b'\n')], 0..160),
    ) {
        let mut places = Vec::new();
        let found = each_place(&text, b',', |place| places.push(place));
        let line = text.split(|byte| b"\"\r\n".contains(byte)).next().unwrap_or_default();
        let Some(part) = found else {
            prop_assert!(line.len() >= text.len() / 32 * 32);
            return Ok(());
        };
        let there: Vec<_> = (0..).zip(line).filter(|(_, byte)| **byte == b',').map(|(place, _)| place).collect();
        let expected = Part { length: number(line.len()).unwrap(), may_be_garbled: may_be_garbled(line) };
        prop_assert_eq!((places, part), (there, expected));
    }

    /// The short ways to read a line lead where the long one does.
    #[test]
    fn short_ways_lead_where_the_long_one_does(
        lines in vec("(([aé ]{0,3}|\"([a,\n]|\"\"){0,4}\"|[a\"]{2}),){0,12}[a ]{0,20}(\n|\r|\r\n)", 1..9),
        end in "[a,]{0,60}",
    ) {
        let [read, by_reader] = either_way(&[&lines.concat(), &*end].concat());
        prop_assert_eq!(read, by_reader);
    }

    /// What a program writes by the book is read as it was written.
    #[test]
    fn what_is_written_is_read(
        table in vec(vec("[a-c \"\n\r,;|\té’]{0,4}", 4), 1..12),
        separator in prop::sample::select(&SEPARATORS[..]),
        crlf: bool,
    ) {
        // A first row that shows the separator, as a header does.
        let header = vec!["Forename".to_owned(), "Surname".to_owned(), "UPN".to_owned(), "Class".to_owned()];
        let mut table = table;
        table.retain(|row| row.iter().any(|cell| !cell.is_empty()));
        table.insert(0, header);
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().delimiter(separator).terminator(terminator).quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        for row in &table {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let read: Vec<_> = match rows(&bytes) {
            // A cell of several lines with as many separators in one of them as a row has is taken for rows that were swallowed.
            Err(Refusal::OpenQuote { .. }) if table.iter().flatten().any(|cell| cell.bytes().filter(|byte| *byte == separator).count() >= 3) => return Ok(()),
            rows => rows.unwrap().into_iter().map(|(_, cells)| cells).collect(),
        };
        prop_assert_eq!(read, table);
    }

    /// Whatever the quotation marks, and without any, the records are those of the reader that the rest of the world uses.
    #[test]
    fn records_are_those_of_the_csv_crate(text in "[ab\",;\n\r]{1,60}|([aé,]{0,9}(\n|\r|\r\n|\"[a,\n]\",)){1,9}[a,]{0,9}") {
        let text = format!("sep=,\n{text}");
        let Ok(read) = rows(text.as_bytes()) else { return Ok(()) };
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&text.as_bytes()[6..]);
        let records: Vec<Vec<String>> = reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        let filled: Vec<_> = records.into_iter().filter(|cells| cells.iter().any(|cell| !cell.is_empty())).collect();
        prop_assert_eq!(read.into_iter().map(|(_, cells)| cells).collect::<Vec<_>>(), filled);
    }
}
