//! Names: kept as written, compared folded.

use std::{borrow::Cow, fmt};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use unicode_normalization::{IsNormalized, UnicodeNormalization, char::is_combining_mark, is_nfc_quick};

/// The longest single name that is kept, in characters; longer text in a name column is not a name.
pub const MAX_NAME_CHARS: usize = 100;

/// A person's given and family name as the source wrote them (NFC, spaces tidied).
///
/// Prints masked; [`PersonName::given`] and [`PersonName::family`] are the explicit way in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersonName {
    given: CompactString,
    family: CompactString,
}

impl PersonName {
    /// Both parts tidied; either may be empty (a mononym), the caller decides whether both may.
    pub fn new(given: &str, family: &str) -> Self {
        Self { given: tidy(given), family: tidy(family) }
    }

    /// As [`Self::new`], of parts that are tidy already.
    pub(crate) const fn of_tidy(given: CompactString, family: CompactString) -> Self {
        Self { given, family }
    }

    /// The given name as written. Personal data.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// The family name as written. Personal data.
    pub fn family(&self) -> &str {
        &self.family
    }

    /// Given and family name with a space. Personal data.
    pub fn expose(&self) -> String {
        format!("{} {}", self.given, self.family).trim().to_owned()
    }

    /// Whether there is no name at all.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty() && self.family.is_empty()
    }

    /// Whether both parts are the same when folded (see [`fold`]). An empty part equals nothing.
    pub fn folds_to(&self, other: &Self) -> bool {
        let same = |a: &str, b: &str| {
            let a = fold(a);
            !a.is_empty() && a == fold(b)
        };
        same(&self.given, &other.given) && same(&self.family, &other.family)
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(***)")
    }
}

impl fmt::Display for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// NFC, invisible characters removed, runs of white space to one space, apostrophe look-alikes to `'`.
#[inline]
pub fn tidy(text: &str) -> CompactString {
    // Nearly every cell is.
    if is_tidy(text.as_bytes()) { text.into() } else { tidied(text) }
}

fn tidied(text: &str) -> CompactString {
    let mut out = String::with_capacity(text.len());
    if text.is_ascii() {
        // No tables are needed, and nothing composes.
        for word in text
            .split(|c: char| c.is_ascii_whitespace() || c.is_ascii_control())
            .filter(|word| !word.is_empty())
        {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(word);
        }
        return if out.contains('`') { out.replace('`', "'").into() } else { out.into() };
    }
    if text.chars().all(is_composed) || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        tidy_into(&mut out, text.chars());
    } else {
        tidy_into(&mut out, text.nfc());
    }
    out.into()
}

/// Whether a character is its own composed form wherever it stands, as far as that is soon told: the Latin letters, Vietnam's among
/// them, and the quotation marks.
const fn is_composed(c: char) -> bool {
    matches!(c, '\0'..='\u{2ff}' | '\u{1e00}'..='\u{1eff}' | '\u{2018}'..='\u{201f}')
}

fn tidy_into(out: &mut String, composed: impl Iterator<Item = char>) {
    for c in composed.filter(|c| !is_invisible(*c)) {
        if c.is_whitespace() || c.is_control() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push(match c {
                '\u{2019}' | '\u{2018}' | '\u{60}' | '\u{b4}' | '\u{2bc}' => '\'',
                c => c,
            });
        }
    }
    out.truncate(out.trim_end().len());
}

/// Whether text is no longer than a name may be and has nothing to be tidied, as far as that is soon told.
#[inline]
pub(crate) fn is_fit(text: &str) -> bool {
    text.len() <= MAX_NAME_CHARS && is_tidy(text.as_bytes())
}

/// Whether text has nothing to be tidied: it is of ASCII and Latin letters, with single spaces, each between two words.
#[inline]
fn is_tidy(text: &[u8]) -> bool {
    is_plain(text) || is_tidy_byte_by_byte(text)
}

/// Whether text is four characters or more, all of them visible ASCII that stands for itself: eight at a time, of which the last may
/// be looked at twice.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    const EACH: u64 = u64::MAX / 0xff;
    // One highest bit at least is set where a byte is below `!`, a grave accent, DEL or beyond ASCII.
    let signs = |eight: u64| {
        let (below, grave) = (eight.wrapping_sub(EACH * 0x21), (eight ^ (EACH * 0x60)).wrapping_sub(EACH));
        below | grave | eight.wrapping_add(EACH) | eight
    };
    let seen = if let Some(last) = text.last_chunk() {
        let (eights, _) = text.as_chunks();
        eights
            .iter()
            .fold(signs(u64::from_le_bytes(*last)), |seen, eight| seen | signs(u64::from_le_bytes(*eight)))
    } else if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        signs(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)))
    } else {
        return false;
    };
    seen & (EACH * 0x80) == 0
}

fn is_tidy_byte_by_byte(text: &[u8]) -> bool {
    // Without a way out in the middle: nearly every cell is gone through to its end anyway.
    match text.iter().fold(0, |kinds, byte| kinds | KINDS[usize::from(*byte)]) {
        0 => true,
        SPACE => !text.starts_with(b" ") && !text.ends_with(b" ") && !text.windows(2).any(|two| two == b"  "),
        _ => false,
    }
}

const SPACE: u8 = 1;
const UNTIDY: u8 = 2;
/// What a byte makes of a text: nothing to be tidied, what is right between words, or what has to be looked at.
const KINDS: [u8; 256] = {
    let mut kinds = [UNTIDY; 256];
    let mut byte = 0;
    while byte < 256 {
        match byte {
            0x20 => kinds[byte] = SPACE,
            // A grave accent stands for an apostrophe.
            0x60 => {}
            // What is visible of ASCII, and U+00C0 to U+027F: letters in one piece, none of which stands for another.
            0x21..=0x7e | 0x80..=0xbf | 0xc3..=0xc9 => kinds[byte] = 0,
            _ => {}
        }
        byte += 1;
    }
    kinds
};

/// Text without white space and invisible characters around it.
#[inline]
pub fn bare(text: &str) -> &str {
    let is_plain = |end: Option<&u8>| end.is_some_and(u8::is_ascii_graphic);
    if is_plain(text.as_bytes().first()) && is_plain(text.as_bytes().last()) {
        return text;
    }
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// Text without the invisible characters in it.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().filter(|c| !is_invisible(*c)).collect())
    }
}

/// Zero-width and direction characters, and letters that are only filling (Hangul, Braille): they show nothing and hide
/// differences.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
    )
}

/// The form in which two spellings of one name are equal: NFKD without marks, lower case, the letters that do not
/// decompose written out, and only letters and digits kept, so `O'Connor`, `O’Connor` and `OConnor` are one.
pub fn fold(name: &str) -> String {
    if name.is_ascii() {
        let mut out = name.to_ascii_lowercase();
        if !out.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            out.retain(|c| c.is_ascii_alphanumeric());
        }
        return out;
    }
    let mut out = String::with_capacity(name.len());
    for c in name.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'ł' => out.push('l'),
            'ø' => out.push('o'),
            'đ' | 'ð' => out.push('d'),
            'ı' => out.push('i'),
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'þ' => out.push_str("th"),
            c if c.is_alphanumeric() && !is_invisible(c) => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::char::canonical_combining_class;

    use super::*;

    #[test]
    fn spellings_of_one_name_fold_together() {
        for (a, b) in [
            ("O'Connor", "O\u{2019}Connor"),
            ("O'Connor", "oconnor"),
            ("Smith-Jones", "Smith Jones"),
            ("Zoë", "zoe"),
            ("Zoe\u{308}", "Zoë"),
            ("Łukasz", "Lukasz"),
            ("Nguyễn", "NGUYEN"),
            ("Straße", "Strasse"),
        ] {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        assert_ne!(fold("Ella"), fold("Ellie"));
    }

    #[test]
    fn a_missing_part_never_matches() {
        assert!(!PersonName::new("", "Smith").folds_to(&PersonName::new("", "Smith")));
    }

    #[test]
    fn names_print_masked() {
        let name = PersonName::new("Ann", "Smith");
        assert_eq!(format!("{name} {name:?}"), "*** PersonName(***)");
    }

    #[test]
    fn what_cannot_be_seen_is_no_name_and_what_looks_alike_is_another() {
        for nothing in [
            "\u{200b}",
            "\u{3164}\u{ffa0}",
            "\u{115f}",
            "\u{2800}",
            "\u{202e}\u{2066}",
            "\u{e0041}",
            "\u{301}",
        ] {
            assert_eq!(fold(nothing), "", "{nothing:?}");
        }
        assert_eq!(tidy("A\u{202e}d\u{61c}a\u{3164}\0\r\n"), "Ada");
        // Cyrillic, Greek and Roman numeral letters that look like Latin ones; a letter of another width is the same letter.
        for (written, meant) in [("Аda", "Ada"), ("Αda", "Ada"), ("Оlа", "Ola")] {
            assert_ne!(fold(written), fold(meant), "{written}");
        }
        assert_eq!(fold("Ａｄａ"), "ada");
    }

    #[test]
    fn tidying_keeps_the_spelling() {
        assert_eq!(tidy("  Mary \u{a0} Jane\u{200b} O\u{2019}Neill \t"), "Mary Jane O'Neill");
    }

    #[test]
    fn what_is_composed_stays_as_it_is() {
        for c in (char::MIN..=char::MAX).filter(|c| is_composed(*c)) {
            assert!(
                canonical_combining_class(c) == 0 && is_nfc_quick([c].into_iter()) == IsNormalized::Yes,
                "{c:?}"
            );
            let text = format!("A{c}A");
            assert!(!is_tidy(text.as_bytes()) || tidied(&text) == text, "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn plain_letters_take_a_short_way_to_the_same_end(text in "[ -~\t\r\n\x00-\x1f]{0,40}|[ a-zÀ-ɿ\u{80}-\u{bf}]{0,12}") {
            // A letter that is not plain takes the long way, and is then cut off again.
            let long = |clean: fn(&str) -> String, mark: &str| clean(&format!("{text}{mark}"));
            let (tidied, folded) = (long(|text| tidy(text).into(), " ж"), long(fold, "ł"));
            prop_assert_eq!(tidied.trim_end_matches('ж').trim_end(), tidy(&text));
            prop_assert_eq!(folded.strip_suffix('l').unwrap_or_default(), fold(&text));
        }

        #[test]
        fn what_is_plain_is_tidy(text in "[!-~]{0,20}[ -\u{ff}\t]?[!-~]{0,12}") {
            let is_all = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'`');
            prop_assert_eq!(is_plain(text.as_bytes()), is_all && text.len() >= 4, "{}", text);
            prop_assert!(!is_all || is_tidy_byte_by_byte(text.as_bytes()));
        }

        #[test]
        fn tidying_and_folding_are_idempotent(text: String) {
            prop_assert_eq!(tidy(&tidy(&text)), tidy(&text));
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }
    }
}
