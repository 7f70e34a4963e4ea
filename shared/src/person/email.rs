//! E-mail addresses: what may be stored, and the one form in which two are compared.

use std::{fmt, str::FromStr};

use memchr::memrchr;
use serde::{Deserialize, Serialize};

use super::name::visible;

/// The longest part before the `@` (RFC 5321).
const MAX_LOCAL: usize = 64;
/// The longest host, and the longest label of one (RFC 1035).
const MAX_HOST: usize = 254;
const MAX_LABEL: usize = 63;

/// A usable e-mail address, whole in lower case: the form that is stored, compared and sent to.
///
/// Dots and plus signs are kept: `a.b@` and `ab@` may be two people. Prints masked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmailAddress(String);

/// Text that is no usable e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address that can be written to")]
pub struct EmailError;

impl EmailAddress {
    /// The address in clear. Personal data.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = EmailError;

    /// The rules of GOV.UK Notify over RFC 5321: no quotes, semicolons or double dots, a host of two or more labels,
    /// a top-level domain of letters. Display names (`Ann <a@b.uk>`) and address literals are refused.
    fn from_str(text: &str) -> Result<Self, EmailError> {
        let text = visible(text);
        let text = text.trim();
        // Letters beyond ASCII are in no address, but what is one of them in upper case may not be in lower case.
        let text = if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() };
        let (local, host) = split(&text, b'@').ok_or(EmailError)?;
        let (name, tld) = split(host, b'.').ok_or(EmailError)?;
        let tld_ok = tld.starts_with("xn--")
            || ((2..=MAX_LABEL).contains(&tld.len()) && tld.bytes().all(|byte| byte.is_ascii_alphabetic()));
        if local.len() > MAX_LOCAL
            || host.len() > MAX_HOST
            || !are_atoms(local, MAX_LOCAL, is_plain)
            || !are_atoms(name, MAX_LABEL, |byte| byte.is_ascii_alphanumeric())
            || !are_atoms(tld, MAX_LABEL, |byte| byte.is_ascii_alphanumeric())
            || !tld_ok
        {
            return Err(EmailError);
        }
        Ok(Self(text))
    }
}

/// What stands before and behind the last of an ASCII character.
fn split(text: &str, last: u8) -> Option<(&str, &str)> {
    let at = memrchr(last, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

/// Whether text is plain parts between dots, none empty or longer than `most`, and each with an end on either side that may be one.
fn are_atoms(text: &str, most: usize, may_be_end: impl Fn(u8) -> bool) -> bool {
    let (mut before, mut length) = (b'.', 0);
    for byte in text.bytes() {
        length = if byte == b'.' { 0 } else { length + 1 };
        let is_right = match (before, byte) {
            (end, b'.') => end != b'.' && may_be_end(end),
            (b'.', start) => is_plain(start) && may_be_end(start),
            (_, byte) => is_plain(byte) && length <= most,
        };
        if !is_right {
            return false;
        }
        before = byte;
    }
    before != b'.' && may_be_end(before)
}

/// What may stand in a part of an address without quotation marks, but for the dot (RFC 5322's `atext`).
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/')
        || matches!(byte, b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~')
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
                && host.contains('.')
                && text.matches('@').count() == 1
                && !local.contains([' ', '('])
                && (tld.starts_with("xn--") || (2..=63).contains(&tld.len()) && tld.bytes().all(|byte| byte.is_ascii_alphabetic()));
            let sound = allowed && email_address::EmailAddress::parse_with_options(&text, options).is_ok();
            prop_assert_eq!(text.parse::<EmailAddress>().is_ok(), sound, "{}", text);
        }
    }
}
