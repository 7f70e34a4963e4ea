//! How often each route is used at a school: a number per day, and nothing about whose request it was.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::retention::DataClass;
use crate::{
    id::SchoolId,
    store::{
        key::{self, Key, TableName},
        table::{Condition, Record, StoreError, Tables, Update},
    },
    time,
};

/// The use of one route on one day. An item per route and not per day: an update costs the whole item's size, and one with all
/// sixty routes would cost four units instead of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// The school.
    pub school_id: SchoolId,
    /// The day, in [`time::DEFAULT_ZONE`].
    pub day: Date,
    /// The route, as the contract writes it.
    pub route: String,
    /// How often it was answered.
    pub count: u64,
}

impl Record for Usage {
    const KIND: &'static str = "usage";
    const TABLE: TableName = TableName::Messaging;
    const CLASS: DataClass = DataClass::Usage;
    fn key(&self) -> Key {
        key::usage(self.school_id, self.day, &self.route)
    }
}

/// Counts one answer.
pub async fn count(tables: &Tables, school: SchoolId, route: &str, now: Timestamp) -> Result<(), StoreError> {
    let day = time::date_in(time::DEFAULT_ZONE, now);
    let update = Update::new().add("count", 1).set("school_id", school).set("day", day).set("route", route);
    tables.update::<Usage>(key::usage(school, day, route), update, Condition::Always).await?;
    Ok(())
}
