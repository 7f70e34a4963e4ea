//! Instants, dates and the one place that asks what time it is.
//!
//! Everything below a handler takes `now` as an argument, so that a test chooses it.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

/// The time zone of a school that names none (IANA name).
pub const DEFAULT_ZONE: &str = "Europe/London";

/// The present instant. Only handlers call this.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// `days` days of 24 hours.
pub const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// `minutes` minutes.
pub const fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// The calendar date at `at` in the zone a school named; an unknown zone counts as [`DEFAULT_ZONE`].
pub fn date_in(zone: &str, at: Timestamp) -> Date {
    at.to_zoned(zone_of(zone)).date()
}

fn zone_of(name: &str) -> TimeZone {
    TimeZone::get(name).or_else(|_| TimeZone::get(DEFAULT_ZONE)).unwrap_or(TimeZone::UTC)
}

/// When a day begins in the zone a school named; an unknown zone counts as [`DEFAULT_ZONE`]. `None` at the ends of time.
pub fn midnight_in(zone: &str, day: Date) -> Option<Timestamp> {
    Some(day.to_zoned(zone_of(zone)).ok()?.timestamp())
}

/// Whether `name` is a time zone that can be used.
pub fn is_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

/// RFC 3339 in UTC to the second, as the HTTP contract writes instants.
pub fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
