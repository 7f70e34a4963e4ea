//! The safety stop: how much a file may change before a person looks at it.

use super::plan::{Count, HeldBecause};

/// Above which share of a kind, in percent, a plan waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    missing: usize,
    changed: usize,
}

/// The limits that rostering services publish.
const USUAL: Limits = Limits { missing: 10, changed: 75 };
/// In a window that the school has named for its rollover: a year of seven leaves (15 %), or two of a middle school's four, and
/// everybody changes year.
const ROLLOVER: Limits = Limits { missing: 50, changed: 100 };

/// For how many days the safety stop remembers who has become missing.
pub(super) const MEMORY_DAYS: i64 = 7;

/// How many of a kind the school has, and how many of it have become missing within [`MEMORY_DAYS`] and are still not named.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stock {
    /// Those whom it has.
    pub(super) here: usize,
    /// Those who went lately.
    pub(super) lately_missing: usize,
    /// Those who are named again, as they were: what brings a school back changes nobody.
    pub(super) back: usize,
}

/// Why a plan with these counts waits, if it does.
pub(super) fn hold(kinds: &[(Count, Stock)], is_rollover: bool) -> Option<HeldBecause> {
    let over = |limits: Limits| {
        // Of what the school has, not of what the file names: a delta names only what has changed. What went lately counts along: a
        // tenth every night would empty a school in a month.
        let much_missing = |(count, stock): &(Count, Stock)| {
            count.missing > 0
                && (count.missing + stock.lately_missing) * 100
                    > limits.missing * (stock.here + stock.lately_missing)
        };
        let much_changed = |(count, stock): &(Count, Stock)| {
            (count.changed - stock.back) * 100 > limits.changed * stock.here
        };
        if kinds.iter().any(much_missing) {
            Some(HeldBecause::ManyMissing)
        } else if kinds.iter().any(much_changed) {
            Some(HeldBecause::ManyChanged)
        } else {
            None
        }
    };
    if is_rollover {
        over(ROLLOVER).or(over(USUAL).map(|_| HeldBecause::PlannedRollover))
    } else {
        over(USUAL)
    }
}
