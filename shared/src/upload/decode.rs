//! Bytes to text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};
use memchr::{memchr_iter, memchr2};

use super::Refusal;
use crate::person::name::is_invisible;

/// The text of a file and the name of its encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The text, without a byte order mark. What could not be read of it is U+FFFD: see [`is_garbled`].
    pub text: Cow<'a, str>,
    /// `utf-8`, `utf-8-bom`, `utf-16le`, `utf-16be` or `windows-1252`.
    pub encoding: &'static str,
}

/// How archives (and new workbooks), pictures, old workbooks, documents and web pages begin.
const SIGNATURES: [&[u8]; 13] = [
    b"PK\x03\x04",
    b"\x89PNG",
    b"\xd0\xcf\x11\xe0",
    b"%PDF",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x1f\x8b",
    b"{\\rtf",
    b"<!",
    b"<?",
    b"<htm",
    b"<HTM",
    b"<tab",
];
/// As much of a file as shows whether it is text, and which.
const SAMPLE: usize = 4096;

/// Reads UTF-8, UTF-16 and Windows-1252, which is what Excel and the MIS write in this country.
///
/// # Errors
/// What is no text, or text that could only be guessed at, is refused by name. A NUL character in otherwise sound text is
/// left in: whoever finds the rows can say where it is.
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, Refusal> {
    let wide = |encoding: &'static Encoding, body| encoding.decode_without_bom_handling(body).0;
    let (text, encoding) = if let Some(body) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        // Sound text is looked at once, and quickly.
        let sound = simdutf8::basic::from_utf8(body).map(Cow::Borrowed);
        (sound.unwrap_or_else(|_| String::from_utf8_lossy(body)), "utf-8-bom")
    } else if let Some(body) = bytes.strip_prefix(b"\xff\xfe") {
        (wide(UTF_16LE, body), "utf-16le")
    } else if let Some(body) = bytes.strip_prefix(b"\xfe\xff") {
        (wide(UTF_16BE, body), "utf-16be")
    } else {
        match nul_tenths(bytes) {
            (0, 4..) => (wide(UTF_16LE, bytes), "utf-16le"),
            (4.., 0) => (wide(UTF_16BE, bytes), "utf-16be"),
            _ => narrow(bytes)?,
        }
    };
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_start_matches(is_invisible)),
        // A second mark behind the first is rare enough to copy the text for it.
        Cow::Owned(text) if text.starts_with(is_invisible) => {
            Cow::Owned(text.trim_start_matches(is_invisible).to_owned())
        }
        owned @ Cow::Owned(_) => owned,
    };
    if text.trim().is_empty() {
        return Err(Refusal::EmptyFile);
    }
    // Text has next to no control characters; a NUL may be a slip of the export.
    let start = &text.as_bytes()[..text.len().min(SAMPLE)];
    let control = start.iter().filter(|byte| **byte != 0 && is_control(**byte)).count();
    if control > 2 + start.len() / 100 || SIGNATURES.iter().any(|signature| start.starts_with(signature)) {
        return Err(Refusal::NotATable);
    }
    Ok(Decoded { text, encoding })
}

/// Control characters other than white space and the one that ended files under DOS.
const fn is_control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t'..=b'\r' | 0x1a)
}

/// How many tenths of the even and of the odd bytes are NUL: in UTF-16 of a Western language nearly all of one half.
fn nul_tenths(bytes: &[u8]) -> (usize, usize) {
    let start = &bytes[..bytes.len().min(SAMPLE)];
    let tenths = |from: usize| {
        let half = || start.iter().skip(from).step_by(2);
        let nul = half().filter(|byte| **byte == 0).count();
        // One NUL of many is not none.
        if nul == 0 { 0 } else { (nul * 10 / half().count().max(2)).max(1) }
    };
    (tenths(0), tenths(1))
}

/// Text of one byte a letter, or UTF-8.
fn narrow(bytes: &[u8]) -> Result<(Cow<'_, str>, &'static str), Refusal> {
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        return Ok((Cow::Borrowed(text), "utf-8"));
    }
    if SIGNATURES.iter().any(|signature| bytes.starts_with(signature)) {
        return Err(Refusal::NotATable);
    }
    // A letter or two that are no UTF-8 among more that are: the file is UTF-8 and was damaged. In Windows-1252 the letters
    // beside each other almost never happen to be one of UTF-8.
    let (sound, damaged) = bytes.utf8_chunks().fold((0, 0), |(sound, damaged), chunk| {
        let letters = chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        (sound + letters, damaged + usize::from(!chunk.invalid().is_empty()))
    });
    if sound > damaged {
        return Ok((String::from_utf8_lossy(bytes), "utf-8"));
    }
    if !is_windows_1252(bytes) {
        return Err(Refusal::UnknownEncoding);
    }
    Ok((WINDOWS_1252.decode_without_bom_handling(bytes).0, "windows-1252"))
}

/// Whether bytes make sense as Windows-1252, of which ISO 8859-1 is a part. Text of another code page must not pass: a name
/// would be stored with a wrong letter, and nobody would be told.
fn is_windows_1252(bytes: &[u8]) -> bool {
    let undefined = |byte: &u8| is_control(*byte) || matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d);
    // Behind a small letter: quotation marks, dashes and small letters are right in a word. The rest are letters of other
    // pages, such as é under DOS and on old Macs.
    let misplaced = bytes.windows(3).any(|at| {
        at[0].is_ascii_lowercase()
            && match at[1] {
                0x91 | 0x92 | 0x96 | 0x97 | 0x9a | 0x9c | 0x9e => false,
                0x8a | 0x8c | 0x8e | 0x9f => true,
                0x80..=0x9f => at[2].is_ascii_lowercase(),
                _ => false,
            }
    });
    // Cyrillic, Greek, Chinese: more letters beyond ASCII than in it.
    let ascii = bytes.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let beyond = bytes.iter().filter(|byte| **byte >= 0xc0).count();
    !misplaced && beyond <= ascii && !bytes.iter().any(undefined)
}

/// Whether there may be anything in a text that [`is_garbled`]: a control character of two bytes begins with 0xc2, the sign for what could
/// not be read with 0xef, and what is shown for the first byte of a letter of UTF-8 is 0xc3 and another byte, with more beyond ASCII behind.
pub fn may_be_garbled(text: &[u8]) -> bool {
    let is_suspect = |at: &[u8]| at[0] == 0xc3 && at.get(2).is_some_and(|byte| !byte.is_ascii());
    !text.is_ascii()
        && (memchr2(0xc2, 0xef, text).is_some() || memchr_iter(0xc3, text).any(|at| is_suspect(&text[at..])))
}

/// Whether a cell was ruined before it came here: it holds the sign for what could not be read, or the letters of UTF-8 as
/// Windows-1252 shows them (`Ã«` for `ë`).
pub fn is_garbled(cell: &str) -> bool {
    if cell.is_ascii() {
        return false;
    }
    let mut rest = cell.chars();
    while let Some(c) = rest.next() {
        if c == char::REPLACEMENT_CHARACTER || ('\u{80}'..='\u{9f}').contains(&c) {
            return true;
        }
        // From here on, Windows-1252 and Unicode number letters alike.
        let more = match c {
            '\u{c2}'..='\u{df}' => 1,
            '\u{e0}'..='\u{ef}' => 2,
            '\u{f0}'..='\u{f4}' => 3,
            _ => continue,
        };
        let follow = rest.clone().take(more).filter_map(byte_in_windows_1252).filter(|byte| {
            // ZOË’S is right: only what stands for letters of Western Europe is ever followed by quotation marks and dashes.
            let is_western = !matches!(c, '\u{c6}'..='\u{df}');
            matches!(byte, 0x80..=0xbf) && (is_western || !matches!(byte, 0x91..=0x97))
        });
        if follow.count() == more {
            return true;
        }
    }
    false
}

fn byte_in_windows_1252(c: char) -> Option<u8> {
    if c.is_ascii() {
        return None;
    }
    match WINDOWS_1252.encode(c.encode_utf8(&mut [0; 4])) {
        (bytes, _, false) => bytes.first().copied(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(bytes: &[u8]) -> Result<(String, &'static str), Refusal> {
        decode(bytes).map(|decoded| (decoded.text.into_owned(), decoded.encoding))
    }

    #[test]
    fn what_is_no_text_is_refused_by_name() {
        for (bytes, refusal) in [
            (&b""[..], Refusal::EmptyFile),
            (b" \r\n", Refusal::EmptyFile),
            (b"\xef\xbb\xbf", Refusal::EmptyFile),
            (b"\xff\xfe", Refusal::EmptyFile),
            ("\u{feff}\u{200b}".as_bytes(), Refusal::EmptyFile),
            (b"\x89PNG\r\n\x1a\n", Refusal::NotATable),
            (b"PK\x03\x04xl", Refusal::NotATable),
            (b"<html><table>", Refusal::NotATable),
            (b"\x7fELF\x01\x01\x01", Refusal::NotATable),
            // Undefined, a letter of DOS, a letter of an old Mac, Cyrillic.
            (b"Fran\x8dois", Refusal::UnknownEncoding),
            (b"Zo\x89lle", Refusal::UnknownEncoding),
            (b"Andr\x8e,x", Refusal::UnknownEncoding),
            (b"\xc8\xe2\xe0\xed", Refusal::UnknownEncoding),
        ] {
            assert_eq!(verdict(bytes), Err(refusal), "{bytes:?}");
        }
    }

    #[test]
    fn edge_case_62_every_encoding_gives_the_letters_that_were_written() {
        const TEXT: &str = "Zoë,O’Connor\r\n";
        let wide = |to_bytes: fn(u16) -> [u8; 2]| TEXT.encode_utf16().flat_map(to_bytes).collect::<Vec<_>>();
        let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
        for (bytes, encoding) in [
            (TEXT.as_bytes().to_vec(), "utf-8"),
            ([b"\xef\xbb\xbf", TEXT.as_bytes()].concat(), "utf-8-bom"),
            ([b"\xff\xfe", &little[..]].concat(), "utf-16le"),
            ([b"\xfe\xff", &big[..]].concat(), "utf-16be"),
            (little, "utf-16le"),
            (big, "utf-16be"),
            (b"Zo\xeb,O\x92Connor\r\n".to_vec(), "windows-1252"),
        ] {
            assert_eq!(verdict(&bytes), Ok((TEXT.to_owned(), encoding)), "{bytes:?}");
        }
        // Damaged in one place: still UTF-8, and what was lost shows.
        let damaged = [TEXT.as_bytes(), b"Ren\xc3"].concat();
        assert_eq!(verdict(&damaged), Ok((format!("{TEXT}Ren\u{fffd}"), "utf-8")));
    }

    #[test]
    fn edge_case_62_ruined_letters_are_seen_and_right_ones_are_left_alone() {
        for cell in [
            "ZoÃ«",
            "Zo\u{fffd}",
            "Oâ€™Connor",
            "Ã‰ric",
            "Ã–zil",
            "Å‚ukasz",
            "O\u{92}Connor",
            "È™tefan",
            "Â£5",
        ] {
            assert!(is_garbled(cell), "{cell}");
        }
        for cell in [
            "Zoë",
            "O’Connor",
            "ZOË’S",
            "JOÃO",
            "Ä",
            "Ångström",
            "École – Été",
            "Łukasz",
            "Ştefan",
            "李",
            "«Ça»",
            "ÎLE",
        ] {
            assert!(!is_garbled(cell), "{cell}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }

        #[test]
        fn whatever_is_ruined_is_seen(name in "[a-z]{0,3}[à-öø-ÿ’–Œœ][a-z]{0,3}") {
            let (ruined, _) = WINDOWS_1252.decode_without_bom_handling(name.as_bytes());
            prop_assert!(is_garbled(&ruined));
            prop_assert!(!is_garbled(&name));
        }

        #[test]
        fn what_is_ruined_may_be(cell in "[a\u{80}-\u{ff}\u{fffd}’–Œœ€ł李]{0,6}") {
            prop_assert!(!is_garbled(&cell) || may_be_garbled(cell.as_bytes()));
        }
    }
}
