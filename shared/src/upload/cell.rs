//! One cell: text to a value, or a finding's code.

use std::borrow::Cow;

use compact_str::{CompactString, ToCompactString};
use jiff::civil::Date;

use super::{
    date::{self, Century, Order},
    finding::Code,
};
use crate::person::{
    DateOfBirth,
    email::EmailAddress,
    guardianship::Responsibility,
    name::{MAX_NAME_CHARS, bare, is_fit, tidy, visible},
    phone::{Parsed, PhoneError, PhoneKind, PhoneNumber},
};

/// The oldest a pupil on roll can be, in years.
const MAX_AGE: i16 = 20;
/// What stands for an apostrophe beyond ASCII.
const APOSTROPHES: [char; 3] = ['\u{2018}', '\u{2019}', '\u{2bc}'];

/// Whether the cell says "no value". Not used for names: Na and Null are surnames.
#[inline]
pub fn is_blank(text: &str) -> bool {
    // Nearly every cell begins as nothing does that is said for "no value".
    !text.bytes().next().is_some_and(|first| first.is_ascii_graphic() && !b".-nN".contains(&first))
        && is_blank_marker(text)
}

fn is_blank_marker(text: &str) -> bool {
    let text = bare(text);
    match text.as_bytes() {
        [] | [b'.'] => true,
        // Dashes of any length: the last two begin with this byte.
        [b'-' | 0xe2, ..] => text.chars().all(|c| matches!(c, '-' | '\u{2013}' | '\u{2014}')),
        word => {
            word.len() <= 4
                && ["na", "n/a", "none", "null"].iter().any(|marker| text.eq_ignore_ascii_case(marker))
        }
    }
}

/// A name, tidied.
pub fn name(text: &str) -> Result<CompactString, Code> {
    let text = tidy(text);
    if is_too_long(&text) { Err(Code::NameTooLong) } else { Ok(text) }
}

fn is_too_long(text: &str) -> bool {
    text.len() > MAX_NAME_CHARS && text.chars().count() > MAX_NAME_CHARS
}

/// Forename and surname of `Surname, Forename` or `Forename Surname`.
pub fn whole_name(name: &str) -> (&str, &str) {
    const TITLES: [&str; 10] = ["mr", "mrs", "miss", "ms", "mx", "dr", "prof", "rev", "and", "&"];
    const PARTICLES: [&str; 16] = [
        "van", "von", "der", "den", "de", "del", "della", "di", "da", "dos", "du", "la", "le", "bin", "ibn",
        "al",
    ];
    let untitled = |name: &'_ str| -> usize {
        let mut rest = name.trim_start();
        while let Some((word, more)) = rest.split_once(' ')
            && TITLES.iter().any(|title| word.trim_end_matches('.').eq_ignore_ascii_case(title))
        {
            rest = more.trim_start();
        }
        name.len() - rest.len()
    };
    let name = name.trim();
    if let Some((family, given)) = name.split_once(',') {
        return (&given[untitled(given)..], family);
    }
    let (title, name) = name.split_at(untitled(name));
    let mut family = name.rfind(' ').map_or(0, |space| space + 1);
    while let Some(before) = name.get(..family.saturating_sub(1))
        && let Some(word) = before.rsplit(' ').next()
        && PARTICLES.contains(&word)
    {
        family = before.len() - word.len();
    }
    // One word alone is a forename; behind `Mrs` it is a surname.
    if title.is_empty() && !name.contains(' ') { (name, "") } else { (&name[..family], &name[family..]) }
}

/// Free text that is no name: an id, a class. Kept as text, leading zeros included.
pub fn text(raw: &str) -> Option<CompactString> {
    if is_blank(raw) {
        return None;
    }
    if is_fit(raw) { Some(raw.into()) } else { tidied_text(raw) }
}

#[cold]
fn tidied_text(raw: &str) -> Option<CompactString> {
    let text = tidy(raw);
    if is_too_long(&text) {
        return Some(text.chars().take(MAX_NAME_CHARS).collect());
    }
    (!text.is_empty()).then_some(text)
}

/// A year group without the words around it: `Year 3`, `NC Year 03` and `3` are one, `Reception` is `R`.
pub fn year_group(raw: &str) -> Option<CompactString> {
    if let [b'1'..=b'9' | b'R' | b'N'] | [b'1', b'0'..=b'9'] = raw.as_bytes() {
        // As most are.
        return Some(raw.into());
    }
    let text = text(raw)?.to_uppercase();
    let mut year = text.as_str();
    for word in ["NATIONAL", "CURRICULUM", "NC", "YEAR", "YR", "GROUP"] {
        year = year.strip_prefix(word).unwrap_or(year).trim_start();
    }
    let year = year.strip_suffix(".0").unwrap_or(year);
    // `Y3`, but a class that begins with the letter stays as it is.
    let year = year.strip_prefix('Y').filter(|rest| rest.trim().parse::<u8>().is_ok()).unwrap_or(year).trim();
    match year {
        // `YR` has lost both of its letters.
        "" if text != "YR" => None,
        "" | "0" | "00" | "REC" | "RECEPTION" | "FS2" | "F2" => Some("R".into()),
        "NURSERY" | "NUR" | "FS1" | "F1" => Some("N".into()),
        "NURSERY 1" | "NURSERY1" => Some("N1".into()),
        "NURSERY 2" | "NURSERY2" => Some("N2".into()),
        year => Some(year.parse::<u8>().map_or_else(|_| year.into(), |number| number.to_compact_string())),
    }
}

/// A pupil's date of birth, in any of the ways that [`date`] reads, the day first where there is a choice.
pub fn date_of_birth(raw: &str, today: Date) -> Result<Option<DateOfBirth>, Code> {
    if is_blank(raw) {
        return Ok(None);
    }
    let born = date::read(raw, Order::DayFirst, Century::OfPupil(today))?;
    if born > today || date::age(born, today) > MAX_AGE {
        return Err(Code::DateOutOfRange);
    }
    Ok(Some(DateOfBirth(born)))
}

/// A phone number, or why not.
pub fn phone(raw: &str) -> Result<Option<Parsed>, Code> {
    if is_blank(raw) {
        return Ok(None);
    }
    PhoneNumber::parse(raw).map(Some).map_err(|error| match error {
        PhoneError::Letters => Code::PhoneLetters,
        PhoneError::Unrecoverable => Code::PhoneUnrecoverable,
        PhoneError::Placeholder => Code::PhonePlaceholder,
        PhoneError::Invalid => Code::PhoneInvalid,
    })
}

/// A day other than a birthday: joining, leaving. It may lie ahead.
pub fn day(raw: &str) -> Result<Option<Date>, Code> {
    if is_blank(raw) {
        return Ok(None);
    }
    date::read(raw, Order::DayFirst, Century::This).map(Some)
}

/// A unique pupil number: a check letter and twelve digits, or eleven and a letter where it is temporary.
///
/// The letter stands for the sum of each character's value times its position (2 to 13), modulo 23, in an alphabet without I, O
/// and S (the DfE's UPN guide).
pub fn upn(raw: &str) -> Result<Option<String>, Code> {
    const LETTERS: &[u8; 23] = b"ABCDEFGHJKLMNPQRTUVWXYZ";
    if is_blank(raw) {
        return Ok(None);
    }
    let text: String =
        visible(raw).chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase();
    let bytes = text.as_bytes();
    let value = |position: usize, byte: u8| match byte {
        b'0'..=b'9' => Some(usize::from(byte - b'0')),
        _ if position == 13 => LETTERS.iter().position(|letter| *letter == byte),
        _ => None,
    };
    let sum = bytes
        .iter()
        .enumerate()
        .skip(1)
        .try_fold(0, |sum, (index, byte)| Some(sum + value(index + 1, *byte)? * (index + 1)));
    match sum {
        Some(sum) if bytes.len() == 13 && LETTERS[sum % 23] == bytes[0] => Ok(Some(text)),
        _ => Err(Code::UpnInvalid),
    }
}

/// An e-mail address and whether its host looks mistyped, or why it is none.
pub fn email(raw: &str) -> Result<Option<(EmailAddress, bool)>, Code> {
    if is_blank(raw) {
        return Ok(None);
    }
    match EmailAddress::plain(raw) {
        Some((email, at)) => is_mistyped(email.expose(), at).map(|mistyped| Some((email, mistyped))),
        None => any_email(raw),
    }
}

/// An e-mail address, however it is written.
fn any_email(raw: &str) -> Result<Option<(EmailAddress, bool)>, Code> {
    // O'Neill's apostrophe is a plain one, whatever a word processor has made of it.
    let raw = if raw.is_ascii() { Cow::Borrowed(raw) } else { Cow::Owned(raw.replace(APOSTROPHES, "'")) };
    if let Ok(email) = raw.parse::<EmailAddress>()
        && let Some(at) = email.expose().find('@')
    {
        return is_mistyped(email.expose(), at).map(|mistyped| Some((email, mistyped)));
    }
    // Many fillers are no address at all: `noemail@school`.
    let text = bare(&raw).to_ascii_lowercase();
    let is_filler = text.split_once('@').is_some_and(|(local, host)| is_filler(local, host));
    Err(if is_filler { Code::EmailPlaceholder } else { Code::EmailInvalid })
}

/// Whether the host of an address, with its `@` at a place, looks mistyped, unless the address is a filler.
fn is_mistyped(address: &str, at: usize) -> Result<bool, Code> {
    let (local, host) = (&address[..at], &address[at + 1..]);
    if is_filler(local, host) {
        return Err(Code::EmailPlaceholder);
    }
    Ok(matches!(
        host,
        "gmial.com"
            | "gmai.com"
            | "gamil.com"
            | "hotmial.com"
            | "hotmail.co"
            | "hotmai.com"
            | "yaho.com"
            | "outlok.com"
    ))
}

/// Whether an address, in lower case, is what is typed where there is none.
fn is_filler(local: &str, host: &str) -> bool {
    match local {
        "none" | "noemail" | "no-email" | "no.email" | "nomail" | "noone" | "nobody" | "unknown" | "na" => {
            true
        }
        "email" | "test" => host.strip_prefix(local).is_some_and(|rest| rest.starts_with('.')),
        _ => false,
    }
}

/// Whether a date of birth does not fit a year group: Year n of England and Wales holds who turns n + 5 between September and
/// August, so who was born n + 5 or n + 6 calendar years before the school year's autumn. One year out is common (a child taught
/// with another year), unless day and month in each other's place would fit; two are a slip.
pub fn is_year_unlikely(born: Option<DateOfBirth>, year_group: Option<&str>, today: Date) -> bool {
    let (Some(born), Some(year)) = (born, year_group) else { return false };
    let year = match year {
        "R" => 0,
        "N" => -1,
        number => match number.parse::<i16>() {
            Ok(number) if (1..=13).contains(&number) => number,
            _ => return false,
        },
    };
    let school_year = |date: Date| if date.month() >= 9 { date.year() } else { date.year() - 1 };
    let out = |born: Date| (school_year(today) - school_year(born) - 5 - year).abs();
    let born = born.expose();
    match out(born) {
        0 => false,
        1 => Date::new(born.year(), born.day(), born.month()).is_ok_and(|swapped| out(swapped) == 0),
        _ => true,
    }
}

/// Of a cell with several numbers, or with a note beside one, the first that is a mobile: `07700 900123 / 01632 960123`,
/// `07700 900123 (Mum)`. Nothing is guessed inside a number.
pub fn first_mobile(raw: &str) -> Option<PhoneNumber> {
    raw.split(|c: char| c.is_alphabetic() || "/;:,()&|".contains(c))
        .filter_map(|part| PhoneNumber::parse(part).ok())
        .map(|parsed| parsed.number)
        .find(|number| number.kind() == PhoneKind::Mobile)
        // A digit that was typed as a letter cuts a number in two: neither half is one. `3pm` and `2nd` are no halves.
        .filter(|_| {
            let digits = |word: &str| word.bytes().filter(u8::is_ascii_digit).count();
            !raw.split_whitespace().any(|word| digits(word) > 2 && word.contains(char::is_alphabetic))
        })
}

/// Yes, no, or nothing that can be relied on.
pub fn yes_no(raw: &str) -> Option<bool> {
    let text = visible(raw);
    let text = text.trim();
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    // A spreadsheet makes numbers of what was 1 and 0.
    if is(&["y", "yes", "true", "t", "1", "1.0", "x"]) {
        Some(true)
    } else {
        is(&["n", "no", "false", "f", "0", "0.0"]).then_some(false)
    }
}

/// Whether a cell that should say yes or no says something, and neither.
pub fn is_unclear(raw: &str) -> bool {
    yes_no(raw).is_none() && !is_blank(raw)
}

/// Parental responsibility; blank or unclear is unknown, never yes.
pub fn responsibility(raw: &str) -> Responsibility {
    match yes_no(raw) {
        Some(true) => Responsibility::Yes,
        Some(false) => Responsibility::No,
        None => Responsibility::Unknown,
    }
}

/// A court order or restriction. Whatever is written there counts as one unless it clearly says no: a child is safer with
/// one restriction too many.
pub fn restricted(raw: &str) -> bool {
    !is_blank(raw) && yes_no(raw) != Some(false)
}

/// 1 to 254; anything else is no priority.
pub fn priority(raw: &str) -> Option<u8> {
    if let [digit @ b'1'..=b'9'] = raw.as_bytes() {
        // As most are.
        return Some(digit - b'0');
    }
    let text = bare(raw);
    text.strip_suffix(".0").unwrap_or(text).parse().ok().filter(|priority| (1..255).contains(priority))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pupils_birthday_is_one_that_a_pupil_can_have() {
        let today = date(2026, 11, 22);
        for (raw, verdict) in [
            ("27/01/2015", Ok("2015-01-27")),
            ("2015-01-27", Ok("2015-01-27")),
            ("22/11/2026", Ok("2026-11-22")),
            ("23/11/2026", Err(Code::DateOutOfRange)),
            ("23/11/2005", Ok("2005-11-23")),
            ("22/11/2005", Err(Code::DateOutOfRange)),
            ("27-Jan-95", Err(Code::DateOutOfRange)),
            ("12/05/2035", Err(Code::DateOutOfRange)),
            ("01/01/1900", Err(Code::DatePlaceholder)),
            ("01/27/2015", Err(Code::DateInvalid)),
            ("", Ok("")),
            ("N/A", Ok("")),
            ("\u{200b}\u{a0}", Ok("")),
        ] {
            let read = date_of_birth(raw, today)
                .map(|date| date.map(|date| date.expose().to_string()).unwrap_or_default());
            assert_eq!(read.as_deref(), verdict.as_ref().copied(), "{raw}");
        }
        assert_eq!(day("1/9/27"), Ok(Some(date(2027, 9, 1))));
        assert_eq!(day("."), Ok(None));
    }

    #[test]
    fn small_words() {
        assert_eq!(
            ["Year 3", "3", "yr3", "Y03", "NC Year 3", "3.0", "Curriculum Year 13"]
                .map(|raw| year_group(raw).unwrap()),
            ["3", "3", "3", "3", "3", "3", "13"]
        );
        assert_eq!(
            ["Reception", "R", "YR", "Year R", "FS2", "0", "Nursery", "N2", "Nursery 1", "York", "P1"]
                .map(|raw| year_group(raw).unwrap()),
            ["R", "R", "R", "R", "R", "R", "N", "N2", "N1", "YORK", "P1"]
        );
        assert_eq!(
            ["1", "1.0", "0", "99", "-1", "first", ""].map(priority),
            [Some(1), Some(1), None, Some(99), None, None, None]
        );
        assert_eq!(["Y", "see file", "no", "", "N/A"].map(restricted), [true, true, false, false, false]);
        assert_eq!(
            ["Y", "see file", "no", ""].map(responsibility),
            [Responsibility::Yes, Responsibility::Unknown, Responsibility::No, Responsibility::Unknown]
        );
        assert_eq!(text(" 00123 ").as_deref(), Some("00123"));
        assert_eq!(name("Null"), Ok("Null".into()));
    }

    #[test]
    fn yes_and_no_are_few_words_and_the_rest_is_neither() {
        for (words, says) in [
            (&["Y", "yes", "TRUE", "t", "1", "1.0", "x", "Y\u{200b}", "\u{a0}Yes\u{202f}"][..], Some(true)),
            (&["N", "No", "false", "F", "0", "0.0", "\u{feff}no"], Some(false)),
            (&["see file", "no court order", "-1", "\u{2014} see file", "\u{2713}", "2"], None),
        ] {
            for word in words {
                assert_eq!((yes_no(word), is_unclear(word)), (says, says.is_none()), "{word}");
            }
        }
        for blank in ["", " ", "N/A", ".", "\u{200b}", "-", " -- ", "\u{2013}", "\u{2014}\u{2014}"] {
            assert_eq!((yes_no(blank), is_unclear(blank)), (None, false), "{blank:?}");
        }
        assert_eq!(["N\u{200b}", "0.0", "1.0"].map(restricted), [false, false, true]);
    }

    #[test]
    fn an_address_is_a_filler_a_slip_or_somebodys() {
        for (raw, verdict) in [
            ("a@example.com", Ok("a@example.com")),
            ("O\u{2019}Neill@example.com", Ok("o'neill@example.com")),
            ("a@gmial.com", Ok("a@gmial.com mistyped")),
            ("a@hotmail.co", Ok("a@hotmail.co mistyped")),
            ("a@hotmail.co.uk", Ok("a@hotmail.co.uk")),
            ("Mary Smith <mary@example.com>", Err(Code::EmailInvalid)),
            ("noemail@school", Err(Code::EmailPlaceholder)),
            ("None@none.com", Err(Code::EmailPlaceholder)),
            ("\u{200b}NoEmail@school.co.uk", Err(Code::EmailPlaceholder)),
            ("unknown@unknown.com", Err(Code::EmailPlaceholder)),
            ("nonesuch@example.com", Ok("nonesuch@example.com")),
            ("a@example.com; b@example.com", Err(Code::EmailInvalid)),
            ("n/a", Ok("")),
        ] {
            let read = email(raw).map(|read| match read {
                Some((email, mistyped)) => {
                    format!("{}{}", email.expose(), if mistyped { " mistyped" } else { "" })
                }
                None => String::new(),
            });
            assert_eq!(read.as_deref(), verdict.as_ref().copied(), "{raw}");
        }
    }

    #[test]
    fn a_birthday_fits_its_year_or_is_a_slip() {
        let today = date(2026, 11, 22);
        for (born, year, is_unlikely) in [
            (date(2018, 9, 1), "3", false),
            (date(2019, 8, 31), "3", false),
            (date(2019, 9, 13), "3", false),
            // The third of October and the tenth of March are a year of school apart.
            (date(2019, 10, 3), "3", true),
            (date(2019, 3, 10), "3", false),
            (date(2018, 3, 10), "3", true),
            (date(2018, 5, 20), "3", false),
            (date(2017, 8, 31), "3", true),
            (date(2022, 1, 1), "R", false),
            (date(2017, 8, 31), "3A", false),
        ] {
            let unlikely = is_year_unlikely(Some(DateOfBirth(born)), Some(year), today);
            assert_eq!(unlikely, is_unlikely, "{born} in {year}");
        }
    }

    #[test]
    fn of_several_numbers_the_first_mobile_is_used_and_none_is_guessed() {
        for (raw, number) in [
            ("07700 900123 (Mum)", "+447700900123"),
            ("01632 960123 / 07700900456", "+447700900456"),
            ("07700900123; 07700900456", "+447700900123"),
            ("mob: 07700 900123", "+447700900123"),
            ("07700900123 after 3pm", "+447700900123"),
            ("079OO900123", ""),
            ("07700900123O4", ""),
            ("07890x32109", ""),
            ("ring after 6", ""),
            ("01632 960123 / 01632 960456", ""),
        ] {
            let found = first_mobile(raw).map(|number| number.expose().to_owned()).unwrap_or_default();
            assert_eq!(found, number, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn no_cell_panics(raw: String) {
            let _ = (name(&raw), text(&raw), year_group(&raw), date_of_birth(&raw, date(2026, 1, 1)), phone(&raw), responsibility(&raw), priority(&raw));
        }
    }
}
