//! Text to records: cells between separators, whatever separator, line end and quotation marks a program chose.

use std::borrow::Cow;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::{
    MAX_ROWS, Refusal, column,
    decode::{Decoded, decode},
    grid::{HEAD, MAX_COLUMNS, Records},
};

/// What may stand between cells.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// As much of a file as shows its separator, in bytes.
const SAMPLE: usize = 64 * 1024;

/// A delimited file, taken apart once: every pass over it only slices.
#[derive(Clone, Debug)]
pub struct Delimited {
    /// The name of the text's encoding, as in [`Decoded`].
    pub encoding: &'static str,
    /// The cells, one behind the other.
    cells: String,
    /// Where each ends.
    ends: Vec<u32>,
    lines: Vec<Line>,
}

/// A record that holds anything.
#[derive(Clone, Copy, Debug)]
struct Line {
    row: u32,
    /// How many of the file's cells there are up to its end, those at the end of a record that are empty left out: a
    /// hundred rows with a hundred thousand commas each are small.
    cells: u32,
    /// How many it has with them.
    width: u32,
}

impl Delimited {
    /// Takes a file apart.
    ///
    /// # Errors
    /// What is no text, has a NUL character, or a quotation mark that swallows what follows it, is refused by name.
    pub fn open(bytes: &[u8]) -> Result<Self, Refusal> {
        let Decoded { text, encoding } = decode(bytes)?;
        let text = text.trim_end_matches('\u{1a}');
        let (said, text) = said_separator(text);
        let (separator, usual_width) = separator(text, said);
        let text = without_spaces_before_quotes(text, separator);
        let mut parser = Parser::new(&text, separator, usual_width);
        while parser.step()? {}
        let Parser { mut buffer, used, ends, lines, .. } = parser;
        buffer.truncate(used);
        buffer.shrink_to_fit();
        // Only separators and quotation marks were taken out.
        let cells = String::from_utf8(buffer).map_err(|_| Refusal::UnknownEncoding)?;
        Ok(Self { encoding, cells, ends, lines })
    }
}

impl Records for Delimited {
    fn each(&self, visit: &mut dyn FnMut(u32, &[&str]) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let (mut cells, mut next, mut from, mut cell, mut rest) = (Vec::new(), 1, 0, 0, self.cells.as_str());
        for line in &self.lines {
            for blank in next..line.row {
                visit(blank, &[])?;
            }
            next = line.row + 1;
            cells.clear();
            let upto = line.cells as usize;
            for end in self.ends.get(cell..upto).unwrap_or_default() {
                let length = (*end - from) as usize;
                let (text, behind) = rest.split_at_checked(length).unwrap_or_default();
                (from, rest) = (*end, behind);
                cells.push(text);
            }
            cell = upto;
            cells.resize(cells.len().max(MAX_COLUMNS.min(line.width as usize)), "");
            visit(line.row, &cells)?;
        }
        Ok(())
    }
}

/// The separator that the first line names for Excel (`sep=;`), and the text behind that line, which no spreadsheet shows.
fn said_separator(text: &str) -> (Option<u8>, &str) {
    let (line, rest) = text.split_at(text.find(['\r', '\n']).unwrap_or(text.len()));
    match *line.trim_matches('"').as_bytes() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator @ (b'\t' | b'!'..=b'~')] => {
            (Some(separator), rest.strip_prefix("\r\n").or_else(|| rest.get(1..)).unwrap_or_default())
        }
        _ => (None, text),
    }
}

/// The separator under which a row has the most names that we know, or else the rows are most alike; and how many cells a row
/// usually has.
fn separator(text: &str, said: Option<u8>) -> (u8, u32) {
    let sample = &text[..text.floor_char_boundary(SAMPLE)];
    let said = said.as_ref().map(std::slice::from_ref);
    let mut best = ((0, 0), b',', 1);
    for separator in said.unwrap_or(&SEPARATORS) {
        let mut parser = Parser::new(sample, *separator, u32::MAX);
        // Cut off as it is, the sample may end in a mark that is closed behind it.
        while parser.lines.len() < HEAD && parser.step() == Ok(true) {}
        let cells = parser.ends.iter().scan(0, |from, end| {
            let from = std::mem::replace(from, *end as usize);
            Some(std::str::from_utf8(&parser.buffer[from..*end as usize]).unwrap_or_default())
        });
        let known: Vec<bool> = cells.map(|cell| column::recognise(&column::fold(cell)).is_some()).collect();
        let (mut names, mut from, mut widths) = (0, 0, Vec::new());
        for line in &parser.lines {
            let to = line.cells as usize;
            names = names.max(known[from..to].iter().filter(|known| **known).count());
            widths.push(line.width);
            from = to;
        }
        widths.sort_unstable();
        let alike =
            widths.chunk_by(|a, b| a == b).map(|group| (group.len() * (group[0] as usize - 1), group[0]));
        let (likeness, width) = alike.max().unwrap_or((0, 1));
        if (names, likeness) > best.0 || said.is_some() {
            best = ((names, likeness), *separator, width);
        }
    }
    (best.1, best.2)
}

/// Where a character stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a cell's text.
    Start,
    Plain,
    Quoted,
    /// Behind a quotation mark in quotation marks: the second, or the first of a pair.
    Closing,
}

impl State {
    const fn then(self, byte: u8, separator: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::Closing,
            (Self::Quoted, _) | (Self::Start | Self::Closing, b'"') => Self::Quoted,
            (_, b'\r' | b'\n') => Self::Start,
            (_, byte) if byte == separator => Self::Start,
            (Self::Start, b' ') => Self::Start,
            _ => Self::Plain,
        }
    }
}

/// Lets quotation marks behind `, ` be what they are meant to be.
fn without_spaces_before_quotes(text: &str, separator: u8) -> Cow<'_, str> {
    // Marks behind a space in the middle of a cell are common, and none of them begins one.
    let bytes = text.as_bytes();
    let behind = bytes.iter().zip(bytes.iter().skip(1)).zip(bytes.iter().skip(2));
    let begins_cell = behind.fold(false, |found, ((before, space), mark)| {
        let is_start = [separator, b' ', b'\r', b'\n'].contains(before);
        found || is_start && *space == b' ' && *mark == b'"'
    });
    if !begins_cell && !text.starts_with(" \"") {
        return Cow::Borrowed(text);
    }
    let (mut out, mut kept, mut spaces, mut state) = (String::new(), 0, 0, State::Start);
    for (at, byte) in text.bytes().enumerate() {
        let before = state;
        state = state.then(byte, separator);
        if before == State::Start && state == State::Quoted && spaces > 0 {
            out.push_str(&text[kept..at - spaces]);
            kept = at;
        }
        spaces = if state == State::Start && byte == b' ' { spaces + 1 } else { 0 };
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// Whether a cell in quotation marks holds rows that were never meant to be in it: text follows the mark that ends it, or a
/// whole row lies within. An export that does not double its quotation marks loses pupils in this way.
fn swallows_rows(record: &[u8], separator: u8, usual_width: u32) -> bool {
    let (mut state, mut lines, mut separators) = (State::Start, 0, 0);
    for byte in record {
        let before = state;
        state = state.then(*byte, separator);
        match (before, state) {
            (State::Closing, State::Plain) if lines > 0 && *byte != b' ' => return true,
            (State::Quoted, State::Quoted) if matches!(byte, b'\r' | b'\n') => {
                if lines > 0 && separators >= usual_width.saturating_sub(1).max(3) {
                    return true;
                }
                (lines, separators) = (lines + 1, 0);
            }
            (State::Quoted, State::Quoted) if *byte == separator => separators += 1,
            (_, State::Start) => (lines, separators) = (0, 0),
            _ => {}
        }
    }
    false
}

/// Looks at every byte, which is faster than to stop at the first where there hardly ever is one.
fn holds(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(0, |found, byte| found | u8::from(is(*byte))) != 0
}

struct Parser<'t> {
    text: &'t [u8],
    /// How much of it is read.
    at: usize,
    /// The number of the row that comes next.
    row: u32,
    separator: u8,
    usual_width: u32,
    has_nul: bool,
    reader: Reader,
    buffer: Vec<u8>,
    /// How much of it is written.
    used: usize,
    /// Where the cells of the record at hand end.
    own_ends: Vec<usize>,
    ends: Vec<u32>,
    lines: Vec<Line>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, separator: u8, usual_width: u32) -> Self {
        Self {
            text: text.as_bytes(),
            at: 0,
            row: 1,
            separator,
            usual_width,
            has_nul: holds(text.as_bytes(), |byte| byte == 0),
            reader: ReaderBuilder::new().delimiter(separator).build(),
            // A record never has more than the text, and the line end that is added to the last.
            buffer: vec![0; text.len() + 2],
            used: 0,
            own_ends: vec![0; 64],
            ends: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Reads a record; false where there is none left.
    fn step(&mut self) -> Result<bool, Refusal> {
        self.pass_empty_lines();
        let (start, from) = (self.at, self.used);
        if start == self.text.len() {
            return Ok(false);
        }
        let mut width = 0;
        loop {
            // The last line may lack its end. If even that does not end the record, a quotation mark is open.
            let is_over = self.at == self.text.len();
            let input = if is_over { b"\n" } else { &self.text[self.at..] };
            let (result, read, written, ended) =
                self.reader.read_record(input, &mut self.buffer[self.used..], &mut self.own_ends[width..]);
            self.used += written;
            width += ended;
            if !is_over {
                self.at += read;
            }
            match result {
                ReadRecordResult::Record => break,
                ReadRecordResult::OutputEndsFull => self.own_ends.resize(self.own_ends.len() * 2, 0),
                ReadRecordResult::InputEmpty if !is_over => {}
                _ => return Err(Refusal::OpenQuote { row: self.row }),
            }
        }
        self.keep(start, from, width)?;
        self.row += 1;
        Ok(true)
    }

    /// A spreadsheet numbers empty lines; the reader would pass over them in silence.
    fn pass_empty_lines(&mut self) {
        if self.at > 0 && self.text[..self.at].ends_with(b"\r") && self.text[self.at..].starts_with(b"\n") {
            // The second half of the line end before.
            self.at += 1;
        }
        loop {
            let rest = &self.text[self.at..];
            self.at += match rest {
                [b'\r', b'\n', ..] => 2,
                [b'\r' | b'\n', ..] => 1,
                _ => return,
            };
            self.row += 1;
        }
    }

    /// Keeps the record that was just read, if it holds anything.
    fn keep(&mut self, start: usize, from: usize, width: usize) -> Result<(), Refusal> {
        let (row, record) = (self.row, &self.buffer[from..self.used]);
        let ends = &self.own_ends[..width];
        let number = |count: usize| u32::try_from(count).map_err(|_| Refusal::TooLarge);
        if self.has_nul
            && let Some(nul) = record.iter().position(|byte| *byte == 0)
        {
            let column = number(ends.partition_point(|end| *end <= nul) + 1)?;
            return Err(Refusal::NulCharacter { row, column });
        }
        if holds(record, |byte| matches!(byte, b'\r' | b'\n'))
            && swallows_rows(&self.text[start..self.at], self.separator, self.usual_width)
        {
            return Err(Refusal::OpenQuote { row });
        }
        let kept = ends.iter().rposition(|end| *end != record.len()).map_or(0, |last| last + 2).min(width);
        let kept = if record.is_empty() { 0 } else { kept.max(1) };
        if kept == 0 {
            return Ok(());
        }
        // Titles and totals are no rows; the count that matters is taken when they are known.
        if self.lines.len() > MAX_ROWS + 10 * HEAD {
            return Err(Refusal::TooManyRows);
        }
        for end in &ends[..kept] {
            self.ends.push(number(from + end)?);
        }
        self.lines.push(Line { row, cells: number(self.ends.len())?, width: number(width)? });
        Ok(())
    }
}

#[cfg(test)]
#[path = "delimited_tests.rs"]
pub(super) mod tests;
