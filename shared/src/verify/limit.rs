//! Limits: one enum, each with its number, window and arithmetic.
//!
//! Windows are aligned to the clock, so up to twice a number fits across a border. A code is one of 10^8 and takes three
//! attempts. A target is a contact of a school, whichever of their contact points is guessed at: for one go at most 6 + 7 + 3
//! codes a day, 16 × 2 × 3 = 96 guesses in 10^8, within the 10^-6 per target and day that is aimed at.
//!
//! No stranger can lock a parent out of an existing account: sessions that hold are not counted at all, and who asks from a device
//! that was signed in before has codes of their own ([`Limit::KnownDeviceCodes`]) that nobody else can use up. On a new device, one
//! source address uses up three codes of six or seven; whoever has three addresses can keep codes for *new* devices away for a
//! day, and nothing but a way in without a code could help that: the school's approval and the older devices still work.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    privacy::retention::DataClass,
    store::{
        key::{self, Key, TableName},
        table::{Condition, Record, StoreError, Tables, Update, value},
    },
};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// Something that is counted per subject and window. A subject is an id, a keyed hash or a word, never a contact point or an
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Claims from one source address. 30 an hour lets a roomful of parents behind one address through at a parents' evening, and
    /// holds a guesser to 720 claims a day.
    ClaimsPerSource,
    /// Signing in again from one source address: as many.
    SignInsPerSource,
    /// Claims in all. 3,000 schools of 600 parents who all come in one week of ten busy hours a day: 1.8 million in 50 hours are
    /// 36,000 an hour; what goes beyond is an attack, and costs us no more than that.
    Claims,
    /// Signing in again from devices that are not known, in all: as many.
    SignIns,
    /// Signing in again from the known devices of one account.
    SignInsPerAccount,
    /// Codes for claims to one contact of a school.
    ClaimCodes,
    /// The same from one source address: half of them, so that one stranger cannot use up all.
    ClaimCodesPerSource,
    /// Codes for signing in again to one account, from devices that are not known.
    SignInCodes,
    /// The same from one source address.
    SignInCodesPerSource,
    /// The same from a device that was signed in to the account before.
    KnownDeviceCodes,
    /// Texts with codes per school and country. 2,000 a day: a school of 1,000 pupils on its first day; at 4 p a text, pumping
    /// costs a school at most £80 a day.
    TextsPerSchoolAndCountry,
    /// Texts with codes in all. 50,000 a day are £2,000, and 16 for each of 3,000 schools.
    Texts,
    /// Codes by e-mail per school. They cost next to nothing; 4,000 a day guard the school's name as a sender.
    MailsPerSchool,
    /// Claims about one child put before a school's office. Ten a day: two parents, four grandparents and their slips. Claims that
    /// fit are not counted: their codes are.
    ReviewsPerChild,
    /// The same from one source address, of all children: half of what an office can look at, so that a stranger with a class list
    /// does not fill its day. A parents' evening behind one address has 30 claims an hour, of which some five need the office.
    ReviewsPerSource,
    /// Claims put before a school's office. 50 a day are what an office can look at; the next are told to try again by silence,
    /// like everything else.
    ReviewsPerSchool,
    /// Mails that tell the office of them: five a day, the list has them all.
    NoticesPerSchool,
    /// Tries of somebody whom a school keeps away, in its list. Apart from the reviews, so that neither crowds out the other.
    AlertsPerSchool,
    /// Mails that tell the office of them.
    AlertNoticesPerSchool,
    /// Requests and corrections of one account. 20 a day: a family that has moved corrects everything it has in one sitting, and
    /// nobody's data protection lead is flooded.
    RequestsPerAccount,
    /// Calls for help of one account. Five a day: the school's support answers people, not apps that try again.
    SupportPerAccount,
}

impl Limit {
    /// The word in the key, the number, and the window in seconds.
    const fn rule(self) -> (&'static str, i64, i64) {
        match self {
            Self::ClaimsPerSource => ("claims_per_source", 30, HOUR),
            Self::SignInsPerSource => ("sign_ins_per_source", 30, HOUR),
            Self::Claims => ("claims", 40_000, HOUR),
            Self::SignIns => ("sign_ins", 40_000, HOUR),
            Self::SignInsPerAccount => ("sign_ins_per_account", 10, HOUR),
            Self::ClaimCodes => ("claim_codes", 6, DAY),
            Self::ClaimCodesPerSource => ("claim_codes_per_source", 3, DAY),
            Self::SignInCodes => ("sign_in_codes", 7, DAY),
            Self::SignInCodesPerSource => ("sign_in_codes_per_source", 3, DAY),
            Self::KnownDeviceCodes => ("known_device_codes", 3, DAY),
            Self::TextsPerSchoolAndCountry => ("texts_per_school_and_country", 2_000, DAY),
            Self::Texts => ("texts", 50_000, DAY),
            Self::MailsPerSchool => ("mails_per_school", 4_000, DAY),
            Self::ReviewsPerChild => ("reviews_per_child", 10, DAY),
            Self::ReviewsPerSource => ("reviews_per_source", 25, DAY),
            Self::ReviewsPerSchool => ("reviews_per_school", 50, DAY),
            Self::NoticesPerSchool => ("notices_per_school", 5, DAY),
            Self::AlertsPerSchool => ("alerts_per_school", 50, DAY),
            Self::AlertNoticesPerSchool => ("alert_notices_per_school", 5, DAY),
            Self::RequestsPerAccount => ("requests_per_account", 20, DAY),
            Self::SupportPerAccount => ("support_per_account", 5, DAY),
        }
    }

    /// Counts one; false when the number is used up.
    pub async fn take(self, tables: &Tables, subject: &str, now: Timestamp) -> Result<bool, StoreError> {
        let (word, most, length) = self.rule();
        let window = now.as_second() / length;
        let ends = (window + 1) * length;
        let update = Update::new()
            .add("count", 1)
            .set("rule", word)
            .set("subject", subject)
            .set("window", window)
            .set("ttl", ends + DAY);
        let below = Condition::MissingOrBelow("count", value(most));
        match tables.update::<Counter>(key::limit(word, subject, window), update, below).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The subject of a limit that counts everybody.
pub const EVERYBODY: &str = "all";

/// A counter as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Counter {
    rule: String,
    subject: String,
    window: i64,
    count: i64,
    ttl: i64,
}

impl Record for Counter {
    const KIND: &'static str = "counter";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Limit;
    fn key(&self) -> Key {
        key::limit(&self.rule, &self.subject, self.window)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::code::ATTEMPTS;

    #[test]
    fn guessing_at_one_target_for_a_day_succeeds_once_in_a_million_at_most() {
        let codes: i64 = [Limit::ClaimCodes, Limit::SignInCodes, Limit::KnownDeviceCodes]
            .map(|limit| limit.rule())
            .iter()
            .map(|(_, most, window)| {
                assert_eq!(*window, DAY);
                most
            })
            .sum();
        // Twice the number across the border of two windows; codes are 10^8.
        assert!(codes * 2 * ATTEMPTS * 1_000_000 <= 100_000_000);
    }

    #[test]
    fn one_source_uses_up_at_most_half_of_what_a_target_has() {
        for (source, all) in [
            (Limit::ClaimCodesPerSource, Limit::ClaimCodes),
            (Limit::SignInCodesPerSource, Limit::SignInCodes),
        ] {
            let ((_, source, window), (_, all, same)) = (source.rule(), all.rule());
            assert!(source * 2 <= all && window == same);
        }
    }
}
