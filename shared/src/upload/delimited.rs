//! Text to records: cells between separators, whatever separator, line end and quotation marks a program chose.

mod line;

use std::borrow::Cow;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use line::{Bounds, Part, each_place, unmark};
use memchr::{memchr, memchr_iter, memchr2};

use super::{
    MAX_ROWS, Refusal,
    cells::{Cells, MAX_COLUMNS, Records},
    column,
    decode::{Decoded, decode, may_be_garbled},
    grid::HEAD,
};

/// What may stand between cells.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// As much of a file as shows its separator, in bytes.
const SAMPLE: usize = 64 * 1024;
/// What ended files under DOS.
const END_OF_FILE: char = '\u{1a}';

/// A delimited file, taken apart once: every pass over it only slices.
#[derive(Clone, Debug)]
pub struct Delimited<'b> {
    /// The name of the text's encoding, as in [`Decoded`].
    pub encoding: &'static str,
    /// The text: the file's own bytes, where these are UTF-8.
    text: Cow<'b, str>,
    records: Parsed,
}

/// Where a text's cells are.
#[derive(Clone, Debug, Default)]
struct Parsed {
    /// The lines that have quotation marks, without these.
    unmarked: String,
    /// Of each line, what stands before its cells, between them and behind: where that is.
    bounds: Vec<u32>,
    lines: Vec<Line>,
}

/// A record that holds anything.
#[derive(Clone, Copy, Debug)]
struct Line {
    row: u32,
    /// How many bounds there are up to its end, those of cells at the end of a record that are empty left out: a hundred rows with a
    /// hundred thousand commas each are small.
    bounds: u32,
    /// How many cells it has with them, as far as they are looked at.
    width: u32,
    /// Its cells stand in the text itself.
    is_plain: bool,
    may_be_garbled: bool,
}

impl<'b> Delimited<'b> {
    /// Takes a file apart.
    ///
    /// # Errors
    /// What is no text, has a NUL character, or a quotation mark that swallows what follows it, is refused by name.
    pub fn open(bytes: &'b [u8]) -> Result<Self, Refusal> {
        let Decoded { text, encoding } = decode(bytes)?;
        let (said, text) = match text {
            Cow::Borrowed(text) => {
                let (said, text) = said_separator(text.trim_end_matches(END_OF_FILE));
                (said, Cow::Borrowed(text))
            }
            Cow::Owned(mut text) => {
                text.truncate(text.trim_end_matches(END_OF_FILE).len());
                let (said, rest) = said_separator(&text);
                let from = text.len() - rest.len();
                text.drain(..from);
                (said, Cow::Owned(text))
            }
        };
        // Where cells are is kept in four bytes each.
        number(text.len() + 1)?;
        let (separator, usual_width) = separator(&text, said);
        let text = without_spaces_before_quotes(text, separator);
        let mut parser = Parser::new(&text, separator, usual_width);
        parser.expect();
        while parser.step()? {}
        let records = parser.records;
        Ok(Self { encoding, text, records })
    }
}

impl Records for Delimited<'_> {
    fn each(&self, visit: &mut dyn FnMut(u32, Cells<'_>) -> Result<(), Refusal>) -> Result<(), Refusal> {
        self.records.each(&self.text, visit)
    }
}

impl Parsed {
    fn each(
        &self,
        text: &str,
        visit: &mut dyn FnMut(u32, Cells<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let (mut next, mut from) = (1, 0);
        for line in &self.lines {
            for blank in next..line.row {
                visit(blank, Cells::NONE)?;
            }
            next = line.row + 1;
            let to = line.bounds as usize;
            let bounds = &self.bounds[from..to];
            from = to;
            let text = if line.is_plain { text } else { &self.unmarked };
            visit(line.row, Cells::new(text, bounds, line.width as usize, line.may_be_garbled))?;
        }
        Ok(())
    }

    /// Keeps a record that was just read, if it holds anything.
    #[inline]
    fn keep(
        &mut self,
        row: u32,
        bounds: &[u32],
        is_plain: bool,
        may_be_garbled: bool,
    ) -> Result<(), Refusal> {
        let (all, mut bounds) = (bounds.len() - 1, bounds);
        // Of the cells at the end that are empty, none is kept.
        while let [kept @ .., last] = bounds
            && kept.last().is_some_and(|before| last - before == 1)
        {
            bounds = kept;
        }
        if let (false, Some(end)) = (is_plain, bounds.last()) {
            self.unmarked.truncate(*end as usize);
        }
        if bounds.len() == 1 {
            return Ok(());
        }
        // Titles and totals are no rows; the count that matters is taken when they are known.
        if self.lines.len() > MAX_ROWS + 10 * HEAD {
            return Err(Refusal::TooManyRows);
        }
        let width = number(all.min(MAX_COLUMNS).max(bounds.len() - 1))?;
        self.bounds.extend_from_slice(bounds);
        let bounds = number(self.bounds.len())?;
        self.lines.push(Line { row, bounds, width, is_plain, may_be_garbled });
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
        while parser.records.lines.len() < HEAD && parser.step() == Ok(true) {}
        let mut names = 0;
        let is_known = |cell: &&str| column::recognise(&column::fold(cell)).is_some();
        let _ = parser.records.each(sample, &mut |_, cells| {
            names = names.max(cells.iter().filter(is_known).count());
            Ok(())
        });
        let mut widths: Vec<u32> = parser.records.lines.iter().map(|line| line.width).collect();
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
fn without_spaces_before_quotes(text: Cow<'_, str>, separator: u8) -> Cow<'_, str> {
    // Marks behind a space in the middle of a cell are common, and none of them begins one.
    let bytes = text.as_bytes();
    let begins_cell = memchr_iter(b'"', bytes).any(|mark| match bytes[..mark] {
        [b' '] => true,
        [.., before, b' '] => [separator, b' ', b'\r', b'\n'].contains(&before),
        _ => false,
    });
    if !begins_cell {
        return text;
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

/// The cell in quotation marks that holds rows which were never meant to be in it, from 1: text follows the mark that ends it, or a
/// whole row lies within. An export that does not double its quotation marks loses pupils in this way.
fn swallows_rows(record: &[u8], separator: u8, usual_width: u32) -> Option<u32> {
    let (mut state, mut lines, mut separators, mut cell) = (State::Start, 0, 0, 1);
    for byte in record {
        let before = state;
        state = state.then(*byte, separator);
        match (before, state) {
            (State::Closing, State::Plain) if lines > 0 && *byte != b' ' => return Some(cell),
            (State::Quoted, State::Quoted) if matches!(byte, b'\r' | b'\n') => {
                if lines > 0 && separators >= usual_width.saturating_sub(1).max(3) {
                    return Some(cell);
                }
                (lines, separators) = (lines + 1, 0);
            }
            (State::Quoted, State::Quoted) if *byte == separator => separators += 1,
            (_, State::Start) => {
                (lines, separators) = (0, 0);
                cell += u32::from(*byte == separator);
            }
            _ => {}
        }
    }
    None
}

struct Parser<'t> {
    text: &'t str,
    /// How much of it is read.
    at: usize,
    /// The number of the row that comes next.
    row: u32,
    separator: u8,
    usual_width: u32,
    /// There is a NUL character somewhere: the text will be refused, and only the reader tells where it stands.
    has_nul: bool,
    reader: Reader,
    /// The record at hand, where only the reader knows it, and where its cells end.
    record: Vec<u8>,
    record_ends: Vec<usize>,
    /// Where the cells of any other are.
    bounds: Bounds,
    records: Parsed,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, separator: u8, usual_width: u32) -> Self {
        Self {
            text,
            at: 0,
            row: 1,
            separator,
            usual_width,
            has_nul: memchr(0, text.as_bytes()).is_some(),
            reader: ReaderBuilder::new().delimiter(separator).build(),
            record: vec![0; 256],
            record_ends: vec![0; 64],
            bounds: Bounds::NONE,
            records: Parsed::default(),
        }
    }

    /// Makes room for as many cells as so many lines have; never for more than there are characters.
    fn expect(&mut self) {
        let lines = memchr_iter(b'\n', self.text.as_bytes()).count().min(MAX_ROWS);
        self.records.lines.reserve(lines);
        self.records.bounds.reserve((lines * (self.usual_width as usize + 1)).min(self.text.len()));
    }

    /// Reads a record; false where there is none left.
    fn step(&mut self) -> Result<bool, Refusal> {
        self.pass_empty_lines();
        if self.at == self.text.len() {
            return Ok(false);
        }
        // At the very beginning the reader passes over a byte order mark.
        let is_usual = self.at > 0 && !self.has_nul;
        if !is_usual || !self.plain()? && !self.quoted()? {
            self.marked()?;
        }
        self.row += 1;
        Ok(true)
    }

    /// Reads a line that has no quotation marks, as nearly all do: what the reader would make of it is plain, and several times as
    /// dear. False where it has, and where it is wider than any that is looked at.
    fn plain(&mut self) -> Result<bool, Refusal> {
        let (at, bounds) = (number(self.at)?, &mut self.bounds);
        bounds.begin(at - 1);
        let rest = &self.text.as_bytes()[self.at..];
        let part = each_place(rest, self.separator, |place| bounds.push(at + place));
        let is_line = |part: &Part| rest.get(part.length as usize) != Some(&b'"');
        let Some(Part { length, may_be_garbled }) = part.filter(is_line) else { return Ok(false) };
        bounds.push(at + length);
        let Some(bounds) = bounds.all() else { return Ok(false) };
        self.at += length as usize + 1;
        self.records.keep(self.row, bounds, true, may_be_garbled)?;
        Ok(true)
    }

    /// Reads a record whose quotation marks all stand around cells, or doubled in them, with at most one line end in each. False where
    /// it is another, and only the reader knows.
    fn quoted(&mut self) -> Result<bool, Refusal> {
        let (bounds, unmarked) = (&mut self.bounds, &mut self.records.unmarked);
        let from = unmarked.len();
        bounds.begin(number(from)?);
        unmarked.push('\n');
        let mut rest = &self.text[self.at..];
        let is_whole = loop {
            let at = number(unmarked.len())?;
            let part = each_place(rest.as_bytes(), self.separator, |place| bounds.push(at + place));
            let Some(Part { length, .. }) = part else { break false };
            let (plain, behind) = rest.split_at(length as usize);
            unmarked.push_str(plain);
            rest = behind;
            if !rest.starts_with('"') {
                break true;
            }
            if bounds.last().is_none_or(|before| before + 1 != at + length) {
                break false;
            }
            match unmark(rest, unmarked) {
                Some(behind) if behind.starts_with([char::from(self.separator), '\r', '\n']) => rest = behind,
                _ => break false,
            }
        };
        bounds.push(number(unmarked.len())?);
        let Some(bounds) = bounds.all().filter(|_| is_whole) else {
            unmarked.truncate(from);
            return Ok(false);
        };
        let may_be_garbled = may_be_garbled(&unmarked.as_bytes()[from..]);
        self.at = self.text.len() - rest.len() + 1;
        self.records.keep(self.row, bounds, false, may_be_garbled)?;
        Ok(true)
    }

    /// Reads a record that may have quotation marks anywhere.
    fn marked(&mut self) -> Result<(), Refusal> {
        let (begin, mut used, mut width) = (self.at, 0, 0);
        loop {
            // The last line may lack its end. If even that does not end the record, a quotation mark is open.
            let is_over = self.at == self.text.len();
            let input = if is_over { b"\n" } else { &self.text.as_bytes()[self.at..] };
            let (result, read, written, ended) =
                self.reader.read_record(input, &mut self.record[used..], &mut self.record_ends[width..]);
            used += written;
            width += ended;
            if !is_over {
                self.at += read;
            }
            match result {
                ReadRecordResult::Record => break,
                ReadRecordResult::OutputFull => self.record.resize(self.record.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.record_ends.resize(self.record_ends.len() * 2, 0),
                ReadRecordResult::InputEmpty if !is_over => {}
                _ => return Err(Refusal::OpenQuote { row: self.row, column: number(width + 1)? }),
            }
        }
        let (row, record) = (self.row, &self.record[..used]);
        let ends = &self.record_ends[..width];
        if let Some(nul) = memchr(0, record) {
            let column = number(ends.partition_point(|end| *end <= nul) + 1)?;
            return Err(Refusal::NulCharacter { row, column });
        }
        if memchr2(b'\r', b'\n', record).is_some()
            && let Some(column) =
                swallows_rows(&self.text.as_bytes()[begin..self.at], self.separator, self.usual_width)
        {
            return Err(Refusal::OpenQuote { row, column });
        }
        // Only separators and quotation marks were taken out.
        let record = str::from_utf8(record).map_err(|_| Refusal::UnknownEncoding)?;
        let unmarked = &mut self.records.unmarked;
        let (mut start, mut bounds) = (0, vec![number(unmarked.len())?]);
        for end in ends {
            unmarked.push('\n');
            unmarked.push_str(&record[start..*end]);
            bounds.push(number(unmarked.len())?);
            start = *end;
        }
        self.records.keep(row, &bounds, false, may_be_garbled(record.as_bytes()))
    }

    /// A spreadsheet numbers empty lines; the reader would pass over them in silence.
    fn pass_empty_lines(&mut self) {
        let text = self.text.as_bytes();
        let mut before = self.at.checked_sub(1).map(|before| text[before]);
        while let Some(byte @ (b'\r' | b'\n')) = text.get(self.at).copied() {
            // Or it is the second half of a line end.
            self.row += u32::from((before, byte) != (Some(b'\r'), b'\n'));
            self.at += 1;
            before = Some(byte);
        }
    }
}

fn number(count: usize) -> Result<u32, Refusal> {
    u32::try_from(count).map_err(|_| Refusal::TooLarge)
}

#[cfg(test)]
#[path = "delimited_tests.rs"]
pub(super) mod tests;
