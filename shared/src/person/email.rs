//! E-mail addresses: what may be stored, and the one form in which two are compared.

use std::{fmt, str::FromStr};

use compact_str::CompactString;
use memchr::memrchr;
use serde::{Deserialize, Serialize};

use super::name::{bare, visible};

/// The longest part before the `@` (RFC 5321).
const MAX_LOCAL: usize = 64;
/// The longest host, and the longest label of one (RFC 1035).
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// A usable e-mail address, whole in lower case: the form that is stored, compared and sent to.
///
/// Dots and plus signs are kept: `a.b@` and `ab@` may be two people. Prints masked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmailAddress(CompactString);

/// Text that is no usable e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address that can be written to")]
pub struct EmailError;

impl EmailAddress {
    /// The address in clear. Personal data.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What stands behind the `@`.
    pub fn host(&self) -> &str {
        split(&self.0, b'@').map_or("", |(_, host)| host)
    }
}

impl FromStr for EmailAddress {
    type Err = EmailError;

    /// The rules of GOV.UK Notify over RFC 5321: no quotes, semicolons or double dots, a host of two or more labels of letters,
    /// digits and hyphens, a top-level domain of letters. A host in other letters is kept as the mail system writes it (`xn--…`).
    /// Display names (`Ann <a@b.uk>`) and address literals are refused.
    fn from_str(text: &str) -> Result<Self, EmailError> {
        let encoded =
            if text.is_ascii() { None } else { Some(encoded(visible(text).trim()).ok_or(EmailError)?) };
        let text = encoded.as_deref().unwrap_or_else(|| bare(text));
        let (local, host) = split(text, b'@').ok_or(EmailError)?;
        let (_, tld) = split(host, b'.').ok_or(EmailError)?;
        let seen = in_parts(local, &IN_LOCAL) | in_parts(host, &IN_HOST);
        let is_encoded = || tld.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
        let is_sound = seen & WRONG == 0
            && local.len() <= MAX_LOCAL
            && host.len() <= MAX_HOST
            && (host.len() <= MAX_LABEL || host.split('.').all(|label| label.len() <= MAX_LABEL))
            && (tld.len() >= 2 && tld.bytes().all(|byte| byte.is_ascii_alphabetic()) || is_encoded());
        if !is_sound {
            return Err(EmailError);
        }
        let mut address = CompactString::from(text);
        if seen & UPPER != 0 {
            address.make_ascii_lowercase();
        }
        Ok(Self(address))
    }
}

/// An address of which letters beyond ASCII are in the host alone, as it is written to.
fn encoded(text: &str) -> Option<String> {
    let (local, host) = split(text, b'@')?;
    Some(format!("{}@{}", local.to_ascii_lowercase(), idna::domain_to_ascii(host).ok()?))
}

/// What stands before and behind the last of an ASCII character.
fn split(text: &str, last: u8) -> Option<(&str, &str)> {
    let at = memrchr(last, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

/// What is seen in text that is parts between dots, none empty: its characters' kinds, and whether any is where none may be.
fn in_parts(text: &str, kinds: &[u16; 256]) -> u16 {
    // Before the first and behind the last is as at a dot.
    let dot = kinds[usize::from(b'.')];
    let (mut seen, mut before, mut wrong) = (0, dot, 0);
    for byte in text.bytes() {
        let kind = kinds[usize::from(byte)];
        seen |= kind;
        wrong |= before << 8 & kind;
        before = kind;
    }
    wrong |= before << 8 & dot;
    if wrong == 0 { seen & !WRONG } else { WRONG }
}

/// What a character is, in the low byte; in the high one, of what it must not stand behind.
const ANY: u16 = 1;
const DOT: u16 = 1 << 1;
const HYPHEN: u16 = 1 << 2;
const UPPER: u16 = 1 << 3;
const WRONG: u16 = 0xff << 8;
/// A part before the `@` is what RFC 5322 calls `atext`, one of a host letters and digits with hyphens between them. Looked up, because
/// every byte of every address is asked about.
const IN_LOCAL: [u16; 256] = kinds(b"!#$%&'*+/=?^_`{|}~", ANY | DOT | DOT << 8, ANY);
const IN_HOST: [u16; 256] = kinds(b"", ANY | DOT | (DOT | HYPHEN) << 8, ANY | HYPHEN | DOT << 8);

const fn kinds(signs: &[u8], dot: u16, hyphen: u16) -> [u16; 256] {
    let mut kinds = [ANY << 8; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            kinds[byte as usize] = if byte.is_ascii_uppercase() { ANY | UPPER } else { ANY };
        }
        byte += 1;
    }
    let mut at = 0;
    while at < signs.len() {
        kinds[signs[at] as usize] = ANY;
        at += 1;
    }
    kinds[b'.' as usize] = dot;
    kinds[b'-' as usize] = hyphen;
    kinds
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(***)")
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rules() {
        for good in
            ["a@example.com", "o'neill@example.co.uk", "a.b+c@sub.example.org", " A@Example.COM\u{200b}"]
        {
            assert!(good.parse::<EmailAddress>().is_ok(), "{good}");
        }
        for (written, kept) in [
            ("Ann@München.example", "ann@xn--mnchen-3ya.example"),
            ("a@xn--mnchen-3ya.example", "a@xn--mnchen-3ya.example"),
            ("a@example.рф", "a@example.xn--p1ai"),
        ] {
            assert_eq!(written.parse::<EmailAddress>().unwrap().expose(), kept, "{written}");
        }
        let of_length = |end: &str| format!("a@{}{end}.uk", "a.".repeat(124)).parse::<EmailAddress>();
        assert!(of_length("aa").is_ok() && of_length("aaa").is_err());
        for bad in [
            "",
            "a",
            "a@b",
            "a@@example.com",
            "a..b@example.com",
            "Ann <a@example.com>",
            "a@[127.0.0.1]",
            "\"a b\"@example.com",
            "a;b@example.com",
            "a@example.c0m",
            "a b@example.com",
            "@example.com",
            "a@-example.com",
            "a@exam_ple.com",
            "a@exam'ple.com",
            "a@example.com/b.uk",
            "é@example.com",
            "a@exa mple.com",
        ] {
            assert!(bad.parse::<EmailAddress>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_is_idempotent(text: String) {
            if let Ok(address) = text.parse::<EmailAddress>() {
                prop_assert_eq!(address.expose().parse(), Ok(address.clone()));
            }
        }

        // The library takes everything that is taken here, and what it takes beyond that is what the rules refuse.
        #[test]
        fn the_rules_agree_with_the_library(
            local in "[a-c.!+_'`{@ (]{1,6}|[a.]{62,66}",
            host in "([a-c0-9_ -]{0,3}\\.){0,3}(uk|com|c0m|xn--a|-b|b-)|(a{62,64}\\.){1,4}uk",
        ) {
            let options = email_address::Options::default().with_required_tld().without_display_text().without_domain_literal();
            let text = format!("{local}@{host}").trim().to_lowercase();
            let tld = host.rsplit('.').next().unwrap_or_default();
            let local = text.rsplit('@').nth(1).unwrap_or_default();
            let allowed = !text.contains("..")
                && host.len() <= MAX_HOST
                && !host.contains('_')
                && host.contains('.')
                && text.matches('@').count() == 1
                && !local.contains([' ', '('])
                && (tld.starts_with("xn--") || (2..=63).contains(&tld.len()) && tld.bytes().all(|byte| byte.is_ascii_alphabetic()));
            let sound = allowed && email_address::EmailAddress::parse_with_options(&text, options).is_ok();
            prop_assert_eq!(text.parse::<EmailAddress>().is_ok(), sound, "{}", text);
        }
    }
}
