//! When an answer is due: months, working days, and the bank holidays of England and Wales. Pure.
//!
//! The ICO's reading: the corresponding date of a later month, the month's last day where there is none, and the next
//! working day where that is none. Holidays are computed by the rules that hold every year; one proclaimed for a single year
//! is not known here, which makes an answer due a day early.

use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};

/// The day by which a request received on a day is answered, some months on.
pub fn due(received: Date, months: i8) -> Date {
    // jiff takes the month's last day where it has no corresponding one.
    next_working_day(received.saturating_add(months.months()))
}

/// The day by which a complaint is acknowledged: 30 days, of which the day after receipt is the first.
pub fn acknowledge_by(received: Date) -> Date {
    next_working_day(received.saturating_add(30.days()))
}

/// The day itself, if it is a working day, and otherwise the next one that is.
pub fn next_working_day(day: Date) -> Date {
    let mut day = day;
    while !is_working_day(day) && day < Date::MAX {
        day = day.saturating_add(1.days());
    }
    day
}

fn is_working_day(day: Date) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !is_bank_holiday(day)
}

/// Whether banks are closed on a day from Monday to Friday, in lieu of a weekend too.
fn is_bank_holiday(day: Date) -> bool {
    let (month, of_month, weekday) = (day.month(), day.day(), day.weekday());
    let is_monday = weekday == Weekday::Monday;
    match month {
        // New Year's Day; of a weekend, the Monday after it.
        1 => of_month == 1 || is_monday && of_month <= 3,
        // Early May and spring: the first and the last Monday.
        5 => is_monday && (of_month <= 7 || of_month > 24),
        // Summer: the last Monday.
        8 => is_monday && of_month > 24,
        // Christmas and Boxing Day; each that falls on a weekend goes to the next day that is free.
        12 => {
            of_month == 25
                || of_month == 26
                || of_month == 27 && matches!(weekday, Weekday::Monday | Weekday::Tuesday)
                || of_month == 28 && matches!(weekday, Weekday::Monday | Weekday::Tuesday)
        }
        _ => is_of_easter(day),
    }
}

/// Good Friday or Easter Monday.
fn is_of_easter(day: Date) -> bool {
    let easter = easter(day.year());
    day == easter.saturating_sub(2.days()) || day == easter.saturating_add(1.days())
}

/// Easter Sunday of the Gregorian calendar (the algorithm of Meeus, Jones and Butcher).
fn easter(year: i16) -> Date {
    let year = i32::from(year);
    let golden = year % 19;
    let (century, of_century) = (year / 100, year % 100);
    let moon = (19 * golden + century - century / 4 - (century - (century + 8) / 25 + 1) / 3 + 15) % 30;
    let weekday = (32 + 2 * (century % 4) + 2 * (of_century / 4) - moon - of_century % 4) % 7;
    let late = (golden + 11 * moon + 22 * weekday) / 451;
    let days = moon + weekday - 7 * late + 114;
    let part = |number: i32| i8::try_from(number).unwrap_or_default();
    let year = i16::try_from(year).unwrap_or_default();
    Date::new(year, part(days / 31), part(days % 31 + 1)).unwrap_or(Date::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn answers_are_due_on_the_corresponding_working_day() {
        for (received, months, expected) in [
            ("2026-09-03", 1, "2026-10-05"),
            // No 31 February, then a weekend.
            ("2026-01-31", 1, "2026-03-02"),
            ("2026-03-31", 1, "2026-04-30"),
            // Christmas, a weekend, and the day in lieu of Boxing Day.
            ("2026-11-25", 1, "2026-12-29"),
            ("2026-07-31", 1, "2026-09-01"),
            ("2028-01-30", 1, "2028-02-29"),
            ("2026-07-31", 3, "2026-11-02"),
            // Good Friday, a weekend, Easter Monday.
            ("2026-03-03", 1, "2026-04-07"),
            ("2026-12-01", 1, "2027-01-04"),
            // New Year's Day of 2028 is a Saturday: Monday instead.
            ("2027-12-01", 1, "2028-01-04"),
            ("2026-12-31", 1, "2027-02-01"),
            ("2026-06-15", 1, "2026-07-15"),
        ] {
            assert_eq!(due(day(received), months), day(expected), "{received} + {months}");
        }
    }

    #[test]
    fn complaints_are_acknowledged_within_thirty_days() {
        for (received, expected) in [
            ("2026-06-19", "2026-07-20"),
            ("2026-09-01", "2026-10-01"),
            ("2026-11-25", "2026-12-29"),
            ("2026-03-04", "2026-04-07"),
        ] {
            assert_eq!(acknowledge_by(day(received)), day(expected), "{received}");
        }
    }

    #[test]
    fn bank_holidays_are_those_of_england_and_wales() {
        // As published at gov.uk/bank-holidays, for years in which each rule shows.
        let of = |year: i16| {
            let first = date(year, 1, 1);
            let days = (0..366).map(|days| first.saturating_add(days.days()));
            let closed = days.filter(|day| day.year() == year && is_bank_holiday(*day));
            let weekdays = closed.filter(|day| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday));
            weekdays.map(|day| day.strftime("%m-%d").to_string()).collect::<Vec<_>>().join(" ")
        };
        for (year, expected) in [
            (2021, "01-01 04-02 04-05 05-03 05-31 08-30 12-27 12-28"),
            (2023, "01-02 04-07 04-10 05-01 05-29 08-28 12-25 12-26"),
            (2025, "01-01 04-18 04-21 05-05 05-26 08-25 12-25 12-26"),
            (2026, "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28"),
            (2027, "01-01 03-26 03-29 05-03 05-31 08-30 12-27 12-28"),
            (2028, "01-03 04-14 04-17 05-01 05-29 08-28 12-25 12-26"),
            (2033, "01-03 04-15 04-18 05-02 05-30 08-29 12-26 12-27"),
        ] {
            assert_eq!(of(year), expected, "{year}");
        }
    }

    #[test]
    fn easter_falls_where_it_is_known_to() {
        for (year, expected) in [
            (1961, "1961-04-02"),
            (2000, "2000-04-23"),
            (2008, "2008-03-23"),
            (2011, "2011-04-24"),
            (2019, "2019-04-21"),
            (2038, "2038-04-25"),
            (2285, "2285-03-22"),
        ] {
            assert_eq!(easter(year), day(expected));
        }
    }

    #[test]
    fn the_end_of_time_is_reached_without_a_panic() {
        assert!(due(Date::MAX, 3) == Date::MAX && acknowledge_by(Date::MIN) > Date::MIN);
    }
}
