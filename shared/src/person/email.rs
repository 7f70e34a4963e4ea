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
        let text = if text.is_ascii() {
            bare(text).to_ascii_lowercase()
        } else {
            encoded(visible(text).trim()).ok_or(EmailError)?
        };
        let (local, host) = split(&text, b'@').ok_or(EmailError)?;
        let (name, tld) = split(host, b'.').ok_or(EmailError)?;
        let tld_ok = tld.starts_with("xn--")
            || ((2..=MAX_LABEL).contains(&tld.len()) && tld.bytes().all(|byte| byte.is_ascii_alphabetic()));
        if local.len() > MAX_LOCAL
            || host.len() > MAX_HOST
            || !are_atoms(local, MAX_LOCAL, IN_ATOM, IN_ATOM)
            || !are_atoms(name, MAX_LABEL, IN_HOST, LETTER)
            || !are_atoms(tld, MAX_LABEL, IN_HOST, LETTER)
            || !tld_ok
        {
            return Err(EmailError);
        }
        Ok(Self(text.into()))
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

/// Whether text is parts between dots of what may be `inside` them, none empty or longer than `most`, and each with an end on either side
/// that may be one.
fn are_atoms(text: &str, most: usize, inside: u8, end: u8) -> bool {
    let text = text.as_bytes();
    let is_atom = |part: &[u8]| match part {
        [] => false,
        [first, .., last] if part.len() <= most => kind(*first) & kind(*last) & end != 0,
        [only] => kind(*only) & end != 0,
        _ => false,
    };
    let (mut from, mut kinds) = (0, inside);
    for (at, byte) in text.iter().enumerate() {
        if *byte == b'.' {
            if !is_atom(&text[from..at]) {
                return false;
            }
            from = at + 1;
        } else {
            kinds &= kind(*byte);
        }
    }
    kinds != 0 && is_atom(&text[from..])
}

const fn kind(byte: u8) -> u8 {
    KINDS[byte as usize]
}

/// What may stand in a part of an address without quotation marks, but for the dot (RFC 5322's `atext`).
const IN_ATOM: u8 = 1;
/// A letter or digit.
const LETTER: u8 = 2;
/// What may stand in a part of a host.
const IN_HOST: u8 = 4;
/// What each byte may be: looked up, because every byte of every address is asked about.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        kinds[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => IN_ATOM | LETTER | IN_HOST,
            b'-' => IN_ATOM | IN_HOST,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'/' | b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~' => IN_ATOM,
            _ => 0,
        };
        byte += 1;
    }
    kinds
};

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
