//! Phone numbers: E.164, what they can be used for, and the repairs that spreadsheets make necessary.
//!
//! A plain UK number takes a fast path over Ofcom's numbering plan; everything else goes to the `phonenumber` crate,
//! whose first use costs 220 ms and 12 MB. A stored E.164 number is read back without it.

use std::{borrow::Cow, fmt};

use compact_str::{CompactString, ToCompactString};
use serde::{Deserialize, Serialize};

use super::name::visible;

/// A valid number in E.164 (`+447700900123`). Prints masked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhoneNumber(CompactString);

/// The country code of the numbers that are texted: schools write to UK mobiles.
pub const COUNTRY: &str = "44";

/// What a number can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneKind {
    /// A UK mobile, the Crown dependencies' included: it takes texts.
    Mobile,
    /// A UK landline, non-geographic or personal number: voice only.
    Landline,
    /// A number of another country, which a school has to allow.
    International,
}

/// A cell that held a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The number.
    pub number: PhoneNumber,
    /// Whether the cell had to be repaired (a lost leading zero, a `.0`, a doubled prefix): worth showing to the office.
    pub repaired: bool,
}

/// Why a cell is no phone number. Each is its own finding, because each is mended differently at the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Letters or symbols: guessing at them sends a text to a stranger.
    #[error("holds letters or symbols; a phone number has digits only")]
    Letters,
    /// Scientific notation: the spreadsheet has rounded the digits away.
    #[error(
        "was shortened by a spreadsheet (such as 4.47E+11) and cannot be recovered; format the column as text and export again"
    )]
    Unrecoverable,
    /// All one digit, or a well-known filler.
    #[error("is a filler, not a real number")]
    Placeholder,
    /// Not a number that exists.
    #[error("is not a phone number that exists")]
    Invalid,
}

impl PhoneNumber {
    /// The number in E.164. Personal data.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the number can be used for, read from its digits alone.
    pub fn kind(&self) -> PhoneKind {
        match self.0.strip_prefix("+44") {
            Some(national) if is_mobile(national) => PhoneKind::Mobile,
            Some(_) => PhoneKind::Landline,
            None => PhoneKind::International,
        }
    }

    /// Whether Ofcom keeps the number for drama: valid in tests, never called in earnest.
    /// Mobile 07700 900000 to 900999 and the fictional area 01632.
    pub fn is_drama(&self) -> bool {
        let Some(national) = self.0.strip_prefix("+44") else { return false };
        national.strip_prefix("7700900").is_some_and(|rest| rest.len() == 3) || national.starts_with("1632")
    }

    /// Reads a cell.
    ///
    /// # Errors
    /// [`PhoneError`] says which repair the office has to make at the source.
    pub fn parse(raw: &str) -> Result<Parsed, PhoneError> {
        match plain_uk(raw.as_bytes()) {
            Some(number) => Ok(Parsed { number, repaired: false }),
            None => Self::parse_any(raw),
        }
    }

    /// Reads a cell, however it is written.
    #[cold]
    fn parse_any(raw: &str) -> Result<Parsed, PhoneError> {
        let text = visible(raw);
        let text = text.trim();
        let unguarded = text
            .strip_prefix("=\"")
            .and_then(|t| t.strip_suffix('"'))
            .or_else(|| text.strip_prefix('\''))
            .unwrap_or(text);
        let whole = unguarded.strip_suffix(".0").unwrap_or(unguarded);
        let repaired = whole.len() != text.len();
        let mut digits = String::with_capacity(whole.len());
        // Whether a plus stands in front of everything, and whether one stands where none belongs.
        let (mut leads, mut strays) = (false, false);
        // "(0)" inside an international number is the trunk zero written for people at home.
        let said =
            if whole.contains("(0)") { Cow::Owned(whole.replace("(0)", " ")) } else { Cow::Borrowed(whole) };
        for c in said.chars() {
            match c {
                '0'..='9' => digits.push(c),
                '+' if leads || !digits.is_empty() => strays = true,
                '+' => leads = true,
                c if is_separator(c) => {}
                _ if is_scientific(unguarded) => return Err(PhoneError::Unrecoverable),
                _ => return Err(PhoneError::Letters),
            }
        }
        if digits.is_empty() {
            return Err(PhoneError::Invalid);
        }
        let foreign = leads || digits.starts_with("00");
        let significant = digits.trim_start_matches('0');
        let national = match significant.strip_prefix("44") {
            // UK national numbers have nine or ten digits; ten that start with 44 would be no UK number at all.
            Some(rest) if rest.trim_start_matches('0').len() >= 9 => rest.trim_start_matches('0'),
            _ => significant,
        };
        if is_filler(national) || is_filler(&digits) {
            return Err(PhoneError::Placeholder);
        }
        if is_uk(national) {
            let prefix = &digits[..digits.len() - national.len()];
            let plain = !strays && (matches!(prefix, "44" | "0044") || prefix == "0" && !leads);
            let prefix = prefix.len();
            digits.replace_range(..prefix, "+44");
            return Ok(Parsed { number: Self(digits.into()), repaired: repaired || !plain });
        }
        if foreign && !significant.starts_with("44") {
            return international(significant).map(|number| Parsed { number, repaired });
        }
        Err(PhoneError::Invalid)
    }
}

/// `07700 900123`, `+44 7700-900-123`: a number of ten digits behind its prefix, with nothing but spaces and hyphens in it. Nearly
/// all are written so; none of the repairs has to be looked for.
fn plain_uk(raw: &[u8]) -> Option<PhoneNumber> {
    const LEN: usize = "+447700900123".len();
    // Three bytes more than there can be: of sixteen it is seen at once that they are text.
    let mut number = *b"+44             ";
    // The trunk zero makes way for the country's code.
    let (rest, mut at) = match raw {
        [b'+', rest @ ..] => (rest, 1),
        [b'0', rest @ ..] => (rest, 3),
        _ => return None,
    };
    for byte in rest {
        match byte {
            b'0'..=b'9' => {
                *number[..LEN].get_mut(at)? = *byte;
                at += 1;
            }
            b' ' | b'-' => {}
            _ => return None,
        }
    }
    if at < LEN {
        return None;
    }
    let number = &str::from_utf8(&number).ok()?[..LEN];
    let national = number.strip_prefix("+44")?;
    (is_uk(national) && !is_filler(national)).then(|| PhoneNumber(number.into()))
}

fn international(digits: &str) -> Result<PhoneNumber, PhoneError> {
    let number = phonenumber::parse(None, format!("+{digits}")).map_err(|_| PhoneError::Invalid)?;
    if !number.is_valid() {
        return Err(PhoneError::Invalid);
    }
    Ok(PhoneNumber(number.format().mode(phonenumber::Mode::E164).to_compact_string()))
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '+' | '-' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// `4.47701E+11`, `7.7E9`, `447E+9`.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let number = |t: &str| !t.is_empty() && t.chars().all(|c| c.is_ascii_digit() || c == '.');
    number(mantissa) && number(exponent.trim_start_matches(['+', '-']))
}

/// National digits without the trunk zero: one digit throughout, all zeros, or the keyboard's own rows.
fn is_filler(national: &str) -> bool {
    let mut digits = national.bytes();
    let Some(first) = digits.next() else { return true };
    let tail_same = |t: &str| t.len() >= 8 && t.bytes().all(|b| b == t.as_bytes()[0]);
    digits.all(|b| b == first)
        || matches!(national, "7123456789" | "1234567890" | "123456789")
        || (national.len() == 10 && tail_same(&national[1..]))
}

/// Ofcom's national numbering plan as far as it decides whether a number can exist: leading digits and length.
/// 03, 08 and 05 are non-geographic, 070 personal numbers, 076 pagers (07624 is the Isle of Man's mobiles).
fn is_uk(national: &str) -> bool {
    const NINE_DIGIT_AREAS: [&str; 42] = [
        "16973", "16974", "16977", "1750", "1606", "1204", "1208", "1254", "1276", "1297", "1298", "1363",
        "1364", "1384", "1386", "1404", "1420", "1460", "1461", "1480", "1488", "1524", "1527", "1562",
        "1566", "1629", "1635", "1647", "1659", "1695", "1726", "1744", "1827", "1837", "1884", "1900",
        "1905", "1935", "1946", "1949", "1963", "1995",
    ];
    match (national.as_bytes().first(), national.len()) {
        (Some(b'7'), 10) => is_mobile(national) || national.starts_with("70"),
        (Some(b'1' | b'2' | b'3' | b'8'), 10) => true,
        (Some(b'5'), 10) => national.starts_with("55") || national.starts_with("56"),
        (Some(b'1'), 9) => NINE_DIGIT_AREAS.iter().any(|area| national.starts_with(area)),
        (Some(b'8'), 9) => national.starts_with("800"),
        _ => false,
    }
}

fn is_mobile(national: &str) -> bool {
    national.len() == 10
        && national.starts_with('7')
        && !national.starts_with("70")
        && (!national.starts_with("76") || national.starts_with("7624"))
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(***)")
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(raw: &str) -> String {
        match PhoneNumber::parse(raw) {
            Ok(parsed) => format!(
                "{} {:?}{}",
                parsed.number.expose(),
                parsed.number.kind(),
                if parsed.repaired { " repaired" } else { "" }
            ),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn verdicts() {
        for (raw, verdict) in [
            ("07700900123", "+447700900123 Mobile"),
            ("07700 900 123", "+447700900123 Mobile"),
            ("07700-900-123", "+447700900123 Mobile"),
            ("+44 7700 900123", "+447700900123 Mobile"),
            ("+44 (0)7700 900123", "+447700900123 Mobile"),
            ("0044 7700 900123", "+447700900123 Mobile"),
            ("447700900123", "+447700900123 Mobile"),
            ("\u{200b}\t+44 (0)7700 900123\u{feff} \r\n", "+447700900123 Mobile"),
            ("7700900123", "+447700900123 Mobile repaired"),
            ("447700900123.0", "+447700900123 Mobile repaired"),
            ("'07700900123", "+447700900123 Mobile repaired"),
            ("=\"07700900123\"", "+447700900123 Mobile repaired"),
            ("0+447700900100", "+447700900100 Mobile repaired"),
            ("000007700900100", "+447700900100 Mobile repaired"),
            ("+07700900100", "+447700900100 Mobile repaired"),
            ("0+44(0)7700900100", "+447700900100 Mobile repaired"),
            ("07797 800123", "+447797800123 Mobile"),
            ("07624 400123", "+447624400123 Mobile"),
            ("07600 900123", "Invalid"),
            ("070 1234 5678", "+447012345678 Landline"),
            ("01632 960123", "+441632960123 Landline"),
            ("020 7946 0991", "+442079460991 Landline"),
            ("016064 1234", "+44160641234 Landline"),
            ("030 1234 5678", "+443012345678 Landline"),
            ("+33122334455", "+33122334455 International"),
            ("0033122334455", "+33122334455 International"),
            ("77009001234", "Invalid"),
            ("207946099123", "Invalid"),
            ("4.47701E+11", "Unrecoverable"),
            ("7.7E9", "Unrecoverable"),
            ("079OO900123", "Letters"),
            ("07890x32109", "Letters"),
            ("07723 456789...", "Letters"),
            ("07700 900123 (Mum)", "Letters"),
            ("07700900123 / 07700900456", "Letters"),
            ("00000000000", "Placeholder"),
            ("07000000000", "Placeholder"),
            ("07123456789", "Placeholder"),
            ("07777777777", "Placeholder"),
            ("0770090012", "Invalid"),
            ("077009001234", "Invalid"),
            ("+44 7700 900123 10", "Invalid"),
            ("0900 123 4567", "Invalid"),
            ("0600 123 4567", "Invalid"),
            ("", "Invalid"),
            ("+", "Invalid"),
        ] {
            assert_eq!(read(raw), verdict, "{raw:?}");
        }
    }

    /// Where the samples are there: GOV.UK Notify's own verdicts. It guesses at the country of a number without a plus; here the office
    /// is asked, because a UK number with a digit too many is as often valid somewhere else.
    #[test]
    fn samples_of_notify_have_its_verdicts() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/samples/notify-phone-vectors/phones.tsv");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for line in text.lines().skip(1) {
            let [raw, verdict, number] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let escapes = [
                ("\\u200b", "\u{200b}"),
                ("\\ufeff", "\u{feff}"),
                ("\\t", "\t"),
                ("\\r", "\r"),
                ("\\n", "\n"),
            ];
            let raw = escapes.iter().fold(raw.to_owned(), |raw, (from, to)| raw.replace(from, to));
            let expected = match verdict {
                "uk_mobile" | "uk_mobile_tv" | "jersey_mobile" | "crown_dependency_mobile" => {
                    format!("+{number} Mobile")
                }
                "uk_landline" | "uk_landline_9_digit" | "uk_non_geographic" => format!("+{number} Landline"),
                "international" => format!("+{number} International"),
                "bad_char" => "Letters".to_owned(),
                _ => "Invalid".to_owned(),
            };
            assert_eq!(read(&raw).trim_end_matches(" repaired"), expected, "{line}");
        }
    }

    #[test]
    fn drama_numbers_are_a_range_not_a_prefix() {
        let drama = |raw| PhoneNumber::parse(raw).unwrap().number.is_drama();
        assert!(drama("07700900000") && drama("07700900999") && drama("01632960001"));
        assert!(!drama("07700800000") && !drama("07797800123"));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text: String) {
            let _ = PhoneNumber::parse(&text);
        }

        #[test]
        fn a_stored_number_reads_as_itself(text in "[+0-9 ()-]{6,18}") {
            if let Ok(parsed) = PhoneNumber::parse(&text) {
                let again = PhoneNumber::parse(parsed.number.expose()).unwrap();
                prop_assert_eq!(again, Parsed { number: parsed.number, repaired: false });
            }
        }

        // What is read at once is read in the same way with every repair looked for.
        #[test]
        fn a_plain_number_is_read_as_any_other(text in "(\\+44|0|\\+|)[1-8 -][0-9]{8,10}[ -]?[0-9]?|[+0-9 -]{9,14}") {
            if let Some(number) = plain_uk(text.as_bytes()) {
                prop_assert_eq!(PhoneNumber::parse_any(&text), Ok(Parsed { number, repaired: false }));
            }
        }

        // The fast path and the library give one verdict on every UK mobile number.
        #[test]
        fn the_fast_path_agrees_with_the_library(digits in "7[1-57-9][0-9]{8}") {
            let library = phonenumber::parse(None, format!("+44{digits}")).unwrap();
            if library.is_valid() {
                prop_assert!(is_mobile(&digits));
            }
        }
    }
}
