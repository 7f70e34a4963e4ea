//! One-time codes: 8 digits, ten minutes from sending, the newest only, three attempts.
//!
//! How many codes there are for one target, and what a guesser's odds are, is the arithmetic of [`super::limit`].

use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq;

use super::store::Verification;
use crate::seal::DataKey;

/// How long a code works, counted from sending.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Attempts per claim.
pub const ATTEMPTS: i64 = 3;

/// Eight digits from 64 random bits: the bias of the remainder is below 10^-11.
pub fn draw(random: [u8; 8]) -> String {
    format!("{:08}", u64::from_le_bytes(random) % 100_000_000)
}

/// Whether a text can be a code at all. Spaces and hyphens are how people read eight digits out.
pub fn read(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    (digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// What is stored of a code: a keyed hash bound to its claim.
pub fn hash(key: &DataKey, verification: crate::id::VerificationId, code: &str) -> String {
    key.blind("one_time_code", &format!("{verification}\0{code}"))
}

/// Whether `code` is the newest code of the claim, still in time and not used. The comparison takes the same time
/// whatever differs.
pub fn accepts(verification: &Verification, key: &DataKey, code: &str, now: Timestamp) -> bool {
    let given = hash(key, verification.verification_id, code);
    let stored = verification.code_hash.as_deref().unwrap_or_default();
    let same = bool::from(given.as_bytes().ct_eq(stored.as_bytes()));
    let in_time = verification.code_until.is_some_and(|until| now.as_second() < until);
    same && in_time && !verification.used
}

/// The text that carries a code: the code first, so that a lock screen shows it, and what it must never be used for.
pub fn sms_text(code: &str, school: &str) -> String {
    format!(
        "{code} is your Bookbag code for {school}. It works for 10 minutes. Never give it to anybody, not even to the school."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_eight_digits() {
        assert_eq!(draw([0; 8]), "00000000");
        assert_eq!(draw(123_456_789_012_u64.to_le_bytes()), "56789012");
        assert_eq!(read("5678 9012").as_deref(), Some("56789012"));
        assert_eq!(read("5678-9012").as_deref(), Some("56789012"));
        for bad in ["", "1234567", "123456789", "1234567x", "１２３４５６７８"] {
            assert_eq!(read(bad), None);
        }
    }
}
