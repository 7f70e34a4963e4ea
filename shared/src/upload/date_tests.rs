//! Dates of birth by table, and what holds for any day.

use jiff::civil::date;
use proptest::prelude::*;

use super::*;

fn born(raw: &str) -> Result<String, Code> {
    read(raw, Order::DayFirst, Century::OfPupil(date(2026, 11, 22))).map(|date| date.to_string())
}

#[test]
fn every_way_to_write_a_day() {
    for raw in [
        "27/01/2015",
        "27/1/2015",
        "27-01-2015",
        "27.01.2015",
        "27 01 2015",
        "27/01/15",
        "27/1/15",
        "27-Jan-15",
        "27-Jan-2015",
        "27JAN2015",
        "27 January 2015",
        "27th January 2015",
        "27th of Jan, 2015",
        "Tuesday 27 January 2015",
        "Tue, 27 Jan 2015",
        "January 27, 2015",
        "Jan 27 15",
        "2015-01-27",
        "2015/1/27",
        "2015-Jan-27",
        "2015-01-27T00:00:00Z",
        "2015-01-27T00:00:00.000+00:00",
        "2015-01-27 00:00:00",
        "27/01/2015 00:00",
        "27/01/2015 12:00:00 AM",
        "20150127",
        "20150127T000000",
        "42031",
        "42031.0",
        "42031.5",
        " 27/01/2015\u{a0}\u{200b}",
        "'27/01/2015",
        "=\"27/01/2015\"",
        "2\u{200b}7/01/2015",
        "27\u{a0}January\u{202f}2015",
        "27\u{2013}01\u{2013}2015",
    ] {
        assert_eq!(born(raw).as_deref(), Ok("2015-01-27"), "{raw}");
    }
}

#[test]
fn verdicts() {
    for (raw, verdict) in [
        ("3/4/15", Ok("2015-04-03")),
        ("29/02/2016", Ok("2016-02-29")),
        ("29-Feb-16", Ok("2016-02-29")),
        ("1 Sept 2015", Ok("2015-09-01")),
        // A year of two digits makes a pupil of it where it can, and somebody who is born where it cannot.
        ("27-Jan-07", Ok("2007-01-27")),
        ("23/11/06", Ok("2006-11-23")),
        ("27-Jan-95", Ok("1995-01-27")),
        ("27/01/25", Ok("2025-01-27")),
        ("27/01/27", Ok("1927-01-27")),
        ("29/02/2017", Err(Code::DateInvalid)),
        ("31/02/2017", Err(Code::DateInvalid)),
        ("29/02/15", Err(Code::DateInvalid)),
        ("01/27/2015", Err(Code::DateInvalid)),
        ("13/13/2015", Err(Code::DateInvalid)),
        ("2015-13-01", Err(Code::DateInvalid)),
        ("20151301", Err(Code::DateInvalid)),
        ("January 2015", Err(Code::DateInvalid)),
        ("2015", Err(Code::DateInvalid)),
        ("27/01", Err(Code::DateInvalid)),
        ("27/01/2015/3", Err(Code::DateInvalid)),
        ("27/01/201", Err(Code::DateInvalid)),
        ("270/01/2015", Err(Code::DateInvalid)),
        ("99999999999999999999", Err(Code::DateInvalid)),
        ("-1/1/2015", Err(Code::DateInvalid)),
        ("27:01:2015", Err(Code::DateInvalid)),
        ("soon", Err(Code::DateInvalid)),
        ("Ju 1 2015", Err(Code::DateInvalid)),
        ("", Err(Code::DateInvalid)),
        ("T", Err(Code::DateInvalid)),
        ("01/01/1900", Err(Code::DatePlaceholder)),
        ("1900-01-01", Err(Code::DatePlaceholder)),
        ("00/00/0000", Err(Code::DatePlaceholder)),
        ("01/01/0001", Err(Code::DatePlaceholder)),
        ("11/11/1111", Err(Code::DatePlaceholder)),
        ("30/12/1899", Err(Code::DatePlaceholder)),
        ("01/01/1970", Err(Code::DatePlaceholder)),
        ("31/12/9999", Err(Code::DatePlaceholder)),
        ("0", Err(Code::DatePlaceholder)),
        ("1", Err(Code::DatePlaceholder)),
    ] {
        assert_eq!(born(raw), verdict.map(str::to_owned), "{raw}");
    }
}

#[test]
fn what_a_date_tells_about_the_order() {
    for (raw, told) in [
        ("27/01/2015", Some(Evidence::Decisive(Order::DayFirst))),
        ("01/27/2015", Some(Evidence::Decisive(Order::MonthFirst))),
        ("1.27.15 00:00", Some(Evidence::Decisive(Order::MonthFirst))),
        ("03/04/2016", Some(Evidence::Either)),
        // The same day either way.
        ("04/04/2016", None),
        ("2016-03-04", None),
        ("3 April 2016", None),
        ("20160304", None),
        ("42031", None),
        ("27/27/2016", None),
        ("00/00/0000", None),
        ("", None),
    ] {
        assert_eq!(evidence(raw), told, "{raw}");
    }
    assert_eq!(read("03/04/2016", Order::MonthFirst, Century::This), Ok(date(2016, 3, 4)));
    assert_eq!(read("3/4/16", Order::DayFirst, Century::This), Ok(date(2016, 4, 3)));
}

#[test]
fn ages() {
    let born = date(2016, 2, 29);
    for (on, years) in [(date(2027, 2, 28), 10), (date(2027, 3, 1), 11), (date(2016, 2, 28), -1), (born, 0)] {
        assert_eq!(age(born, on), years, "{on}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(raw in "(?s:.{0,30})|[0-9]{1,9}([-/ .T:,][0-9A-Za-z]{0,9}){0,5}") {
        for order in [Order::DayFirst, Order::MonthFirst] {
            let _ = (read(&raw, order, Century::This), read(&raw, order, Century::OfPupil(date(2026, 1, 1))), evidence(&raw));
        }
    }

    #[test]
    fn a_plain_date_is_read_as_any_other(raw in "[0-9]{2}/[0-9]{2}/[0-9]{4}|[0-9/]{10}") {
        if let Some(written) = plain(raw.as_bytes()) {
            prop_assert_eq!(Some(written), pieces(&raw));
        }
    }

    #[test]
    fn a_day_is_read_back_however_it_is_written(days in 0i32..8000, form in 0usize..10) {
        let day = date(2004, 1, 1).checked_add(Span::new().days(days)).unwrap();
        let written = day.strftime(["%d/%m/%Y", "%-d/%-m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%Y%m%d", "%-d %B %Y", "%d-%b-%Y", "%B %-d, %Y", "%A %d %b %Y", "%Y-%m-%dT%H:%M:%SZ"][form]).to_string();
        let order = if form == 2 { Order::MonthFirst } else { Order::DayFirst };
        prop_assert_eq!(read(&written, order, Century::This), Ok(day), "{}", written);
    }

    #[test]
    fn a_pupil_with_a_year_of_two_digits_is_of_school_age(days in 2 * 366i32..19 * 365, form in 0usize..2) {
        let today = date(2026, 11, 22);
        let born = today.checked_sub(Span::new().days(days)).unwrap();
        let written = born.strftime(["%d/%m/%y", "%d-%b-%y"][form]).to_string();
        prop_assert_eq!(read(&written, Order::DayFirst, Century::OfPupil(today)), Ok(born), "{}", written);
    }
}
