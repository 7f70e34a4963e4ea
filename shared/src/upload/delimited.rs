//! Text to records: cells between separators, whatever separator, line end and quotation marks a program chose.

use std::borrow::Cow;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::{memchr_iter, memchr3};

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
    /// Where each ends, with what stands behind it.
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
    /// How many bytes behind each cell are not of it: a line without quotation marks is kept with its separators.
    behind: u32,
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
        parser.finish(encoding)
    }
}

impl Records for Delimited {
    fn each(&self, visit: &mut dyn FnMut(u32, &[&str]) -> Result<usize, Refusal>) -> Result<(), Refusal> {
        let (mut cells, mut next, mut from, mut cell, mut wanted) = (Vec::new(), 1, 0, 0, usize::MAX);
        for line in &self.lines {
            for blank in next..line.row {
                wanted = visit(blank, &[])?;
            }
            next = line.row + 1;
            cells.clear();
            let (behind, ends) = (line.behind as usize, &self.ends[cell..line.cells as usize]);
            let mut start = from;
            for end in ends.iter().take(wanted) {
                cells.push(self.cells.get(start..*end as usize - behind).unwrap_or_default());
                start = *end as usize;
            }
            (from, cell) = (ends.last().map_or(from, |end| *end as usize), line.cells as usize);
            cells.resize(cells.len().max(wanted.min(MAX_COLUMNS).min(line.width as usize)), "");
            wanted = visit(line.row, &cells)?;
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
        let Ok(table) = parser.finish("") else { continue };
        let mut names = 0;
        let is_known = |cell: &&&str| column::recognise(&column::fold(cell)).is_some();
        let _ = table.each(&mut |_, cells| {
            names = names.max(cells.iter().filter(is_known).count());
            Ok(usize::MAX)
        });
        let mut widths: Vec<u32> = table.lines.iter().map(|line| line.width).collect();
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
    let begins_cell = memchr_iter(b'"', bytes).any(|mark| match bytes[..mark] {
        [b' '] => true,
        [.., before, b' '] => [separator, b' ', b'\r', b'\n'].contains(&before),
        _ => false,
    });
    if !begins_cell {
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
        if self.at == self.text.len() {
            return Ok(false);
        }
        if !self.plain()? {
            self.marked()?;
        }
        self.row += 1;
        Ok(true)
    }

    /// Reads a line that has no quotation marks, as nearly all do: what the reader would make of it is plain, and several times as
    /// dear. False where it has, and where only the reader knows (at the very beginning it passes over a byte order mark).
    fn plain(&mut self) -> Result<bool, Refusal> {
        let rest = &self.text[self.at..];
        let length = memchr3(b'"', b'\r', b'\n', rest).unwrap_or(rest.len());
        if self.at == 0 || self.has_nul || rest.get(length) == Some(&b'"') {
            return Ok(false);
        }
        let (from, before) = (number(self.used)?, self.ends.len());
        let (mut start, mut end, mut kept) = (from, from, before);
        let mut close = |end| {
            self.ends.push(end);
            if end - start > 1 {
                kept = self.ends.len();
            }
            start = end;
        };
        for byte in &rest[..length] {
            end += 1;
            if *byte == self.separator {
                close(end);
            }
        }
        close(end + 1);
        let width = number(self.ends.len() - before)?;
        // Of the cells at the end that are empty, none is kept.
        self.ends.truncate(kept);
        let used = self.ends[before..].last().map_or(0, |end| (end - from) as usize);
        // The last cell of all may have nothing behind it.
        let there = used.min(rest.len());
        self.buffer[self.used..self.used + there].copy_from_slice(&rest[..there]);
        self.used += used;
        self.at += rest.len().min(length + 1);
        self.keep(kept - before, width, 1)?;
        Ok(true)
    }

    /// Reads a record that may have quotation marks.
    fn marked(&mut self) -> Result<(), Refusal> {
        let (start, from) = (self.at, self.used);
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
        let (row, record) = (self.row, &self.buffer[from..self.used]);
        let ends = &self.own_ends[..width];
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
        for end in &ends[..kept] {
            self.ends.push(number(from + end)?);
        }
        self.keep(kept, number(width)?, 0)
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
    fn keep(&mut self, cells: usize, width: u32, behind: u32) -> Result<(), Refusal> {
        if cells == 0 {
            return Ok(());
        }
        // Titles and totals are no rows; the count that matters is taken when they are known.
        if self.lines.len() > MAX_ROWS + 10 * HEAD {
            return Err(Refusal::TooManyRows);
        }
        self.lines.push(Line { row: self.row, cells: number(self.ends.len())?, width, behind });
        Ok(())
    }

    /// All that was read.
    fn finish(mut self, encoding: &'static str) -> Result<Delimited, Refusal> {
        self.buffer.truncate(self.used);
        self.buffer.shrink_to_fit();
        // Only separators and quotation marks were taken out.
        let cells = String::from_utf8(self.buffer).map_err(|_| Refusal::UnknownEncoding)?;
        Ok(Delimited { encoding, cells, ends: self.ends, lines: self.lines })
    }
}

fn number(count: usize) -> Result<u32, Refusal> {
    u32::try_from(count).map_err(|_| Refusal::TooLarge)
}

#[cfg(test)]
#[path = "delimited_tests.rs"]
pub(super) mod tests;
