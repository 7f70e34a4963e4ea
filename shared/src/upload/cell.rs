//! One cell: text to a value, or a finding's code.

use jiff::civil::Date;

use super::finding::Code;
use crate::person::{
    DateOfBirth,
    email::EmailAddress,
    guardianship::Responsibility,
    name::{MAX_NAME_CHARS, tidy},
    phone::{Parsed, PhoneError, PhoneNumber},
};

/// The oldest a pupil on roll can be, in years.
const MAX_AGE: i16 = 20;

/// Whether the cell says "no value". Not used for names: Na and Null are surnames.
pub fn is_blank(text: &str) -> bool {
    let text = text.trim();
    text.is_empty()
        || text == "."
        || ["na", "n/a", "none", "null"].iter().any(|marker| text.eq_ignore_ascii_case(marker))
}

/// A name, tidied.
pub fn name(text: &str) -> Result<String, Code> {
    let text = tidy(text);
    if text.chars().count() > MAX_NAME_CHARS { Err(Code::NameTooLong) } else { Ok(text) }
}

/// Free text that is no name: an id, a class. Kept as text, leading zeros included.
pub fn text(raw: &str) -> Option<String> {
    let text = if is_blank(raw) { String::new() } else { tidy(raw) };
    (!text.is_empty()).then(|| text.chars().take(MAX_NAME_CHARS).collect())
}

/// A year group without the word "Year": `Year 3` and `3` are one, `Reception` is `R`.
pub fn year_group(raw: &str) -> Option<String> {
    let text = text(raw)?.to_uppercase();
    let text = text
        .strip_prefix("YEAR")
        .or_else(|| text.strip_prefix("YR"))
        .or_else(|| text.strip_prefix('Y'))
        .unwrap_or(&text)
        .trim();
    Some(match text {
        "RECEPTION" => "R".to_owned(),
        "NURSERY" => "N".to_owned(),
        text => match text.parse::<u8>() {
            Ok(number) => number.to_string(),
            Err(_) => text.to_owned(),
        },
    })
}

/// A pupil's date of birth: `27/01/2015` or `2015-01-27`, with or without a time behind it.
pub fn date_of_birth(raw: &str, today: Date) -> Result<Option<DateOfBirth>, Code> {
    if is_blank(raw) {
        return Ok(None);
    }
    let date = read_day(raw)?;
    if date > today || today.year() - date.year() > MAX_AGE + 1 {
        return Err(Code::DateOutOfRange);
    }
    Ok(Some(DateOfBirth(date)))
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

fn read_day(raw: &str) -> Result<Date, Code> {
    let text = raw.trim();
    let day = text.split([' ', 'T']).next().unwrap_or(text);
    let parts: Vec<_> = day.split(['/', '-', '.']).collect();
    let [first, month, last] = parts[..] else { return Err(Code::DateInvalid) };
    let (year, day) = if first.len() == 4 { (first, last) } else { (last, first) };
    let number =
        |text: &str| if text.bytes().all(|b| b.is_ascii_digit()) { text.parse::<i16>().ok() } else { None };
    let narrow = |text: &str| number(text).and_then(|number| i8::try_from(number).ok());
    let (Some(year), Some(month), Some(day), 4) = (number(year), narrow(month), narrow(day), year.len())
    else {
        return Err(Code::DateInvalid);
    };
    Date::new(year, month, day).map_err(|_| Code::DateInvalid)
}

/// A day other than a birthday: joining, leaving. It may lie ahead.
pub fn day(raw: &str) -> Result<Option<Date>, Code> {
    if is_blank(raw) {
        return Ok(None);
    }
    read_day(raw).map(Some)
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
    let text: String = raw.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase();
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
    const FILLERS: [&str; 6] = ["none@", "noemail@", "no-email@", "nomail@", "na@", "email@email."];
    const MISTYPED: [&str; 8] = [
        "gmial.com",
        "gmai.com",
        "gamil.com",
        "hotmial.com",
        "hotmail.co",
        "hotmai.com",
        "yaho.com",
        "outlok.com",
    ];
    if is_blank(raw) {
        return Ok(None);
    }
    let email: EmailAddress = raw.parse().map_err(|_| Code::EmailInvalid)?;
    if FILLERS.iter().any(|filler| email.expose().starts_with(filler)) {
        return Err(Code::EmailPlaceholder);
    }
    let mistyped = email.expose().rsplit_once('@').is_some_and(|(_, host)| MISTYPED.contains(&host));
    Ok(Some((email, mistyped)))
}

/// Whether a date of birth does not fit a year group: Year n of England and Wales holds who turns n + 5 between September and
/// August, so who was born n + 5 or n + 6 calendar years before the school year's autumn. One year out is common (a child taught
/// with another year), two are a slip.
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
    let expected = school_year(today) - school_year(born.expose()) - 5;
    (expected - year).abs() > 1
}

/// Yes, no, or nothing that can be relied on.
pub fn yes_no(raw: &str) -> Option<bool> {
    match raw.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" | "t" | "1" | "x" => Some(true),
        "n" | "no" | "false" | "f" | "0" => Some(false),
        _ => None,
    }
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
    raw.trim()
        .strip_suffix(".0")
        .unwrap_or(raw.trim())
        .parse()
        .ok()
        .filter(|priority| (1..255).contains(priority))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates() {
        let today = date(2026, 11, 22);
        for (raw, verdict) in [
            ("27/01/2015", Ok("2015-01-27")),
            ("2015-01-27", Ok("2015-01-27")),
            ("2015-01-27T00:00:00Z", Ok("2015-01-27")),
            ("27.01.2015", Ok("2015-01-27")),
            ("3/4/2016", Ok("2016-04-03")),
            ("29/02/2016", Ok("2016-02-29")),
            ("29/02/2017", Err(Code::DateInvalid)),
            ("31/02/2017", Err(Code::DateInvalid)),
            ("01/27/2015", Err(Code::DateInvalid)),
            ("27/01/15", Err(Code::DateInvalid)),
            ("soon", Err(Code::DateInvalid)),
            ("-1/1/2015", Err(Code::DateInvalid)),
            ("12/05/2035", Err(Code::DateOutOfRange)),
            ("01/01/1900", Err(Code::DateOutOfRange)),
            ("", Ok("")),
            ("N/A", Ok("")),
        ] {
            let read = date_of_birth(raw, today)
                .map(|date| date.map(|date| date.expose().to_string()).unwrap_or_default());
            assert_eq!(read.as_deref(), verdict.as_ref().copied(), "{raw}");
        }
    }

    #[test]
    fn small_words() {
        assert_eq!(
            ["Year 3", "3", "yr3", "Y03", "Reception", "R"].map(|raw| year_group(raw).unwrap()),
            ["3", "3", "3", "3", "R", "R"]
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
        assert_eq!(name("Null"), Ok("Null".to_owned()));
    }

    proptest! {
        #[test]
        fn no_cell_panics(raw: String) {
            let _ = (name(&raw), text(&raw), year_group(&raw), date_of_birth(&raw, date(2026, 1, 1)), phone(&raw), responsibility(&raw), priority(&raw));
        }
    }
}
