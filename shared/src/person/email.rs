//! E-mail addresses: what may be stored, and the one form in which two are compared.

use std::{fmt, str::FromStr};

use email_address::Options;
use serde::{Deserialize, Serialize};

use super::name::is_invisible;

/// The longest address, RFC 5321's 64 + 1 + 255.
const MAX_LENGTH: usize = 320;

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
        let text: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        let text = text.trim_matches(|c: char| c.is_whitespace()).to_lowercase();
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        let (local, host) = text.rsplit_once('@').ok_or(EmailError)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
        let tld = host.rsplit('.').next().unwrap_or_default();
        let tld_ok = tld.starts_with("xn--")
            || ((2..=63).contains(&tld.len()) && tld.bytes().all(|b| b.is_ascii_alphabetic()));
        if text.len() > MAX_LENGTH
            || text.contains("..")
            || !local.chars().all(plain)
            || !host.is_ascii()
            || !host.contains('.')
            || !tld_ok
            || email_address::EmailAddress::parse_with_options(&text, options).is_err()
        {
            return Err(EmailError);
        }
        Ok(Self(text))
    }
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
    }
}
