//! E-mail addresses: what may be stored, and the one form in which two are compared.

use std::{fmt, str::FromStr};

use compact_str::CompactString;
use memchr::memrchr;
use serde::{Deserialize, Serialize};
use wide::u8x32;

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

    /// Reads an address of letters, digits, dots and hyphens that is not too long, as nearly all are, and tells where its `@` is. The
    /// places of each kind are bits of a number, so that all of them are looked at at once.
    pub(crate) fn plain(text: &str) -> Option<(Self, usize)> {
        const MAX: usize = 60;
        let mut bytes = [0; 64];
        bytes[..MAX].get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        let [mut letters, mut small, mut digits, mut dots, mut hyphens, mut at] = [0; 6];
        // The lowest bit is the place before the first byte.
        for (from, half) in [1, 33].into_iter().zip(bytes.as_chunks().0) {
            if from > text.len() {
                break;
            }
            let bytes = u8x32::new(*half);
            let lower = bytes | u8x32::splat(0x20);
            let places = |lanes: u8x32| u64::from(lanes.to_bitmask()) << from;
            let is = |byte| bytes.simd_eq(u8x32::splat(byte));
            let is_among =
                |bytes: u8x32, first, count| (bytes - u8x32::splat(first)).simd_lt(u8x32::splat(count));
            letters |= places(is_among(lower, b'a', 26));
            small |= places(lower.simd_eq(bytes));
            digits |= places(is_among(bytes, b'0', 10));
            dots |= places(is(b'.'));
            hyphens |= places(is(b'-'));
            at |= places(is(b'@'));
        }
        let end = 2_u64 << text.len();
        let last_dot = 1 << dots.checked_ilog2()?;
        let tld = end - (last_dot << 1);
        // What stands around every part of either side.
        let bounds = 1 | at | dots | end;
        let in_host = at.wrapping_neg();
        let is_sound = letters | digits | hyphens | bounds == (end << 1) - 1
            && at.is_power_of_two()
            && at < last_dot
            && bounds & bounds << 1 == 0
            && hyphens & in_host & (bounds << 1 | bounds >> 1) == 0
            && tld & !letters == 0
            && tld > last_dot << 1;
        if !is_sound {
            return None;
        }
        let mut address = CompactString::from(text);
        if letters & !small != 0 {
            address.make_ascii_lowercase();
        }
        Some((Self(address), at.trailing_zeros() as usize - 1))
    }
}

impl FromStr for EmailAddress {
    type Err = EmailError;

    /// The rules of GOV.UK Notify over RFC 5321: no quotes, semicolons or double dots, a host of two or more labels of letters,
    /// digits and hyphens, a top-level domain of letters. A host in other letters is kept as the mail system writes it (`xn--…`).
    /// Display names (`Ann <a@b.uk>`) and address literals are refused.
    fn from_str(text: &str) -> Result<Self, EmailError> {
        match Self::plain(text) {
            Some((address, _)) => Ok(address),
            None => in_parts(text).map(Self).ok_or(EmailError),
        }
    }
}

/// An address, however it is written.
fn in_parts(text: &str) -> Option<CompactString> {
    let encoded = if text.is_ascii() { None } else { Some(encoded(visible(text).trim())?) };
    let text = encoded.as_deref().unwrap_or_else(|| bare(text));
    let (local, host) = split(text, b'@')?;
    (is_local(local) && is_host(host)).then(|| text.to_ascii_lowercase().into())
}

/// Parts of what RFC 5322 calls `atext`, with dots between them.
fn is_local(local: &str) -> bool {
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte);
    local.len() <= MAX_LOCAL && local.split('.').all(|part| !part.is_empty() && part.bytes().all(is_atext))
}

/// Two labels or more, each of letters and digits with hyphens between them.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_tld = |tld: &str| {
        tld.len() >= 2 && tld.bytes().all(|byte| byte.is_ascii_alphabetic())
            || tld.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"))
    };
    host.len() <= MAX_HOST
        && host.split('.').all(is_label)
        && split(host, b'.').is_some_and(|(_, tld)| is_tld(tld))
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

        // What is read at once is read in the same way part by part.
        #[test]
        fn a_plain_address_is_read_as_any_other(
            text in "[a-cA-CYZyz0-9.-]{0,12}[@.]{0,2}[a-z.-]{0,9}[a-z]?[ @`\\[{/:_\u{e0}-\u{fa}.0-9-]{0,2}[.-]?[a-zA-Z]{0,4}|[A-Za-z.]{1,31}@([a-z-]{9}\\.){1,5}[a-z]{1,3}",
        ) {
            if let Some((address, at)) = EmailAddress::plain(&text) {
                prop_assert_eq!(address.expose().find('@'), Some(at), "{}", text);
                prop_assert_eq!(in_parts(&text), Some(address.0), "{}", text);
            } else if text.len() <= 60 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"@.-".contains(&byte)) {
                prop_assert_eq!(in_parts(&text), None, "{}", text);
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
