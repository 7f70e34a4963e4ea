//! How much a school is used: numbers, and nobody's.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date};
use serde_json::json;
use shared::{
    http::{Answer, ApiError, Problem, Request},
    id::SchoolId,
    privacy::usage::Usage,
    store::key::{self, TableName},
    time,
};

use crate::{App, audit};

/// The days told of unless others are asked for, and the most of them: a quarter with every route in use is half a megabyte.
const DAYS: i32 = 30;
const MAX_DAYS: i32 = 92;

/// `GET …/usage`: by day and route, from one day to another, both included.
pub async fn get(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let today = time::date_in(time::DEFAULT_ZONE, time::now());
    let (from, until) = (audit::day(request, "from")?, audit::day(request, "until")?);
    let until = until.unwrap_or(today);
    let from = from.unwrap_or_else(|| until.saturating_sub((DAYS - 1).days()));
    if until < from || (until - from).get_days() >= MAX_DAYS {
        let detail = "ask for 1 to 92 days, the first of them first";
        return Err(Problem::query("from", detail).into());
    }
    app.tenant(school).await?;
    let range = (key::usage_of(from), format!("{}\u{10ffff}", key::usage_of(until)));
    let partition = key::usage_partition(school);
    let items = app.tables.query_range(TableName::Messaging, &partition, (&range.0, &range.1)).await?;
    let mut days: BTreeMap<Date, BTreeMap<String, u64>> = BTreeMap::new();
    for item in items {
        let usage: Usage = item.read()?;
        days.entry(usage.day).or_default().insert(usage.route, usage.count);
    }
    let items: Vec<_> = days.into_iter().map(|(day, counts)| json!({"day": day, "counts": counts})).collect();
    Answer::json(200, json!({"items": items, "next_cursor": null}))
}
