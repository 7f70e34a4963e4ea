//! Days, in every way that schools' systems write them.

use std::{borrow::Cow, ops::RangeInclusive};

use jiff::{Span, civil::Date};

use super::finding::Code;
use crate::person::name::{bare, visible};

/// Whether `03/04/2016` is in April or in March.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As in this country.
    DayFirst,
    /// As in the United States, and in files of software from there.
    MonthFirst,
}

/// Which century a year of two digits is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Century {
    /// The one that makes a pupil of school age on this day.
    OfPupil(Date),
    /// This one: nobody on roll joined or leaves in another.
    This,
}

/// What a date tells about the order of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It can be read in one order only.
    Decisive(Order),
    /// It is one day in one order and another in the other.
    Either,
}

/// The ages of pupils in years, from nursery to sixth form.
const SCHOOL_AGE: RangeInclusive<i16> = 2..=19;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A date as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// The number of a day, as Excel counts.
    Serial(u32),
    /// Day and month that need no order to be told apart, and a year.
    Settled { day: i8, month: i8, year: Year },
    /// Day and month in an order of their own, and a year.
    Ordered { first: i8, second: i8, year: Year },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Year {
    Whole(i16),
    TwoDigits(i16),
}

/// Reads a day.
pub fn read(raw: &str, order: Order, century: Century) -> Result<Date, Code> {
    let (day, month, year) = match parse(raw).ok_or(Code::DateInvalid)? {
        // Excel's first days stand for an empty cell. Its 29 February 1900, which never was, is long before any pupil.
        Written::Serial(0..=366) => return Err(Code::DatePlaceholder),
        Written::Serial(days) => {
            let date = Date::constant(1899, 12, 30).checked_add(Span::new().days(days));
            return date.map_err(|_| Code::DateInvalid);
        }
        Written::Settled { day, month, year } => (day, month, year),
        Written::Ordered { first, second, year } => match order {
            Order::DayFirst => (first, second, year),
            Order::MonthFirst => (second, first, year),
        },
    };
    if (day, month) == (0, 0) {
        return Err(Code::DatePlaceholder);
    }
    let date = |year| Date::new(year, month, day).ok();
    let date = match (year, century) {
        (Year::Whole(year), _) => date(year),
        (Year::TwoDigits(year), Century::This) => date(2000 + year),
        (Year::TwoDigits(year), Century::OfPupil(today)) => {
            let possible = || [date(2000 + year), date(1900 + year)].into_iter().flatten();
            possible()
                .find(|born| SCHOOL_AGE.contains(&age(*born, today)))
                .or_else(|| possible().find(|born| *born <= today))
        }
    };
    let date = date.ok_or(Code::DateInvalid)?;
    if is_placeholder(date) { Err(Code::DatePlaceholder) } else { Ok(date) }
}

/// What a cell tells about the order of its column; most tell nothing.
pub fn evidence(raw: &str) -> Option<Evidence> {
    let Written::Ordered { first, second, .. } = parse(raw)? else { return None };
    match (first, second) {
        (1..=12, 1..=12) => (first != second).then_some(Evidence::Either),
        (13..=31, 1..=12) => Some(Evidence::Decisive(Order::DayFirst)),
        (1..=12, 13..=31) => Some(Evidence::Decisive(Order::MonthFirst)),
        _ => None,
    }
}

/// Whole years from a birth to a day; below zero where it lies ahead.
pub fn age(born: Date, on: Date) -> i16 {
    let had_birthday = (on.month(), on.day()) >= (born.month(), born.day());
    on.year() - born.year() - i16::from(!had_birthday)
}

/// What software writes where there is no date: its first day, its last, or the start of the Unix clock.
fn is_placeholder(date: Date) -> bool {
    date.year() <= 1900 || date.year() >= 9000 || date == Date::constant(1970, 1, 1)
}

/// A piece of a date.
#[derive(Clone, Copy, Debug)]
enum Piece {
    /// A number and how many digits it has.
    Number(u32, usize),
    Month(i8),
}

fn parse(raw: &str) -> Option<Written> {
    plain(raw.as_bytes()).or_else(|| pieces(raw))
}

/// `27/01/2015`, as nearly all are, which are read again and again.
fn plain(raw: &[u8]) -> Option<Written> {
    let raw: &[u8; 10] = raw.try_into().ok()?;
    if (raw[2], raw[5]) != (b'/', b'/') {
        return None;
    }
    let digit = |at: usize| raw[at].is_ascii_digit().then(|| i16::from(raw[at] - b'0'));
    let two = |at| i8::try_from(digit(at)? * 10 + digit(at + 1)?).ok();
    let year = Year::Whole(i16::from(two(6)?) * 100 + i16::from(two(8)?));
    Some(Written::Ordered { first: two(0)?, second: two(3)?, year })
}

/// Any other: apart, because what is rare and long would make the rest dearer.
#[inline(never)]
fn pieces(raw: &str) -> Option<Written> {
    use Piece::{Month, Number};
    let (pieces, count) = split(raw)?;
    let small = |value| i8::try_from(value).ok();
    let year = |value, digits| {
        let value = i16::try_from(value).ok()?;
        match digits {
            4 => Some(Year::Whole(value)),
            2 => Some(Year::TwoDigits(value)),
            _ => None,
        }
    };
    let (day, month, year) = match pieces[..count] {
        [Number(number, 8)] => (number % 100, small(number / 100 % 100)?, year(number / 10_000, 4)?),
        // A fraction is the time; 0 is an empty cell.
        [Number(days @ 0..=2, 1) | Number(days, 5)] | [Number(days, 5), Number(..)] => {
            return Some(Written::Serial(days));
        }
        [Number(value, 4), Number(month, 1..=2), Number(day, 1..=2)] => (day, small(month)?, year(value, 4)?),
        [Number(value, digits @ 4), Month(month), Number(day, 1..=2)]
        | [Number(day, 1..=2), Month(month), Number(value, digits)]
        | [Month(month), Number(day, 1..=2), Number(value, digits)] => (day, month, year(value, digits)?),
        [Number(first, 1..=2), Number(second, 1..=2), Number(value, digits)] => {
            return Some(Written::Ordered {
                first: small(first)?,
                second: small(second)?,
                year: year(value, digits)?,
            });
        }
        _ => return None,
    };
    Some(Written::Settled { day: small(day)?, month, year })
}

/// Takes a date apart; a time behind it, the name of the weekday and the like are left out.
fn split(raw: &str) -> Option<([Piece; 4], usize)> {
    let raw = plainly(raw);
    let text = bare(&raw);
    // What makes Excel keep a cell as text.
    let text = text.strip_prefix("=\"").and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let text = text.strip_prefix('\'').unwrap_or(text).as_bytes();
    let mut rest = text;
    let (mut pieces, mut count) = ([Piece::Month(0); 4], 0);
    while let Some(first) = rest.first() {
        let same = |byte: &u8| first.is_ascii_digit() == byte.is_ascii_digit();
        let run = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() && same(byte)).count();
        let (word, after) = rest.split_at(run.max(1));
        rest = after;
        let piece = match first {
            b'0'..=b'9' if after.first() == Some(&b':') => break,
            b'0'..=b'9' if word.len() <= 8 => Piece::Number(
                word.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')),
                word.len(),
            ),
            b'T' if word == b"T" && count > 0 => break,
            b'a'..=b'z' | b'A'..=b'Z' => match month(word) {
                Some(month) => Piece::Month(month),
                None if is_filler(word) => continue,
                None => return None,
            },
            // Only a number or a word begins a date.
            b'/' | b'-' | b'.' | b' ' | b',' if rest.len() + 1 < text.len() => continue,
            _ => return None,
        };
        *pieces.get_mut(count)? = piece;
        count += 1;
    }
    Some((pieces, count))
}

/// A date without what word processors and web pages put between its parts: characters that cannot be seen, spaces that do not
/// break, dashes.
fn plainly(raw: &str) -> Cow<'_, str> {
    if raw.is_ascii() {
        return Cow::Borrowed(raw);
    }
    let plain = |c: char| match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        c if c.is_whitespace() => ' ',
        c => c,
    };
    Cow::Owned(visible(raw).chars().map(plain).collect())
}

/// `Jan`, `Sept`, `January`.
fn month(word: &[u8]) -> Option<i8> {
    let names = (1..).zip(MONTHS);
    let is = |name: &str| {
        word.len() >= 3
            && name.as_bytes().get(..word.len()).is_some_and(|name| name.eq_ignore_ascii_case(word))
    };
    names.into_iter().find(|(_, name)| is(name)).map(|(month, _)| month)
}

/// Words of a long date that say nothing new.
fn is_filler(word: &[u8]) -> bool {
    let is = |name: &str| name.as_bytes().eq_ignore_ascii_case(word);
    ["st", "nd", "rd", "th", "of"].into_iter().any(is)
        || word.len() >= 3
            && WEEKDAYS
                .iter()
                .any(|day| day.as_bytes().get(..word.len()).is_some_and(|day| day.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
#[path = "date_tests.rs"]
mod tests;
