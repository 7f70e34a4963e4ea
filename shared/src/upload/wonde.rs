//! Wonde's API as a connector drops it: pages of JSON.
//!
//! Taken are one page, a list of pages or of records, an object of such lists by name (`students`, `contacts`, `employees`,
//! `deletions`), and any of them one after another, a line each. Records stay text until their turn comes, so that a large
//! school never stands in memory as a tree.

mod form;
mod record;

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use self::record::Records;
use super::{
    MAX_ROWS, Refusal,
    finding::Code,
    intake::Intake,
    nested::{MAX_NAMES, Names},
};
use crate::person::Role;

/// The namespace of Wonde's ids. A pupil who comes back gets a new one.
pub const WONDE: &str = "wonde";
/// The namespace of Wonde's `upi`, which stays with a person of one MIS.
pub const WONDE_UPI: &str = "wonde_upi";

/// Reads pages.
///
/// # Errors
/// What is no JSON, or none of these shapes, is refused; so are too many records.
pub fn read(bytes: &[u8], intake: &mut Intake<'_>) -> Result<(), Refusal> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err(Refusal::EmptyFile);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::BrokenJson)?;
    let mut pages = Pages { listings: BTreeMap::new(), names: Names::new(form::names), is_delta: false };
    for value in serde_json::Deserializer::from_str(text).into_iter() {
        pages.value(value.map_err(|_| Refusal::BrokenJson)?, intake)?;
    }
    pages.hand_over(intake)
}

/// What a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Pupils, or what a page without a name holds.
    Students,
    /// Pupils who are yet to come.
    PreAdmission,
    /// Contacts, to complete those whom students only refer to.
    Contacts,
    /// Staff.
    Employees,
    /// Whom the source no longer has.
    Deletions,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "students" => Some(Self::Students),
            "students-pre-admission" | "students_pre_admission" => Some(Self::PreAdmission),
            "contacts" => Some(Self::Contacts),
            "employees" => Some(Self::Employees),
            "deletions" => Some(Self::Deletions),
            _ => None,
        }
    }
}

/// A JSON value, taken apart by one level.
enum Shape<'v> {
    Object(Vec<(String, &'v RawValue)>),
    List(Vec<&'v RawValue>),
    Null,
    /// A text, a number, a yes or no.
    Plain,
}

impl<'v> Shape<'v> {
    fn of(value: &'v RawValue) -> Result<Self, Refusal> {
        match value.get().as_bytes().first() {
            Some(b'{' | b'[') => match serde_json::from_str(value.get()) {
                Ok(Self::List(items)) if items.len() > MAX_ROWS => Err(Refusal::TooManyRows),
                shape => shape.map_err(|_| Refusal::BrokenJson),
            },
            Some(b'n') => Ok(Self::Null),
            _ => Ok(Self::Plain),
        }
    }

    fn member(&self, name: &str) -> Option<&'v RawValue> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }
}

impl<'de> Deserialize<'de> for Shape<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parts)
    }
}

/// Collects members and items as text, and no more than anybody needs.
struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Shape<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.len() < MAX_NAMES {
                members.push((name, map.next_value()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Shape::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape<'de>, A::Error> {
        let mut items = Vec::new();
        while items.len() <= MAX_ROWS {
            let Some(item) = seq.next_element()? else { return Ok(Shape::List(items)) };
            items.push(item);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Shape::List(items))
    }
}

/// The records of one kind, and what their pages say about being all.
#[derive(Default)]
struct Listing<'v> {
    records: Vec<&'v RawValue>,
    pages: u64,
    /// A page is missing or out of order, or there were no pages at all.
    has_gap: bool,
    /// The last page said that no more follow.
    is_last: bool,
}

impl Listing<'_> {
    /// Whether these are known to be all records.
    const fn is_whole(&self) -> bool {
        self.is_last && !self.has_gap
    }
}

/// What a page says about its place among others.
#[derive(Default, Deserialize)]
struct Pagination {
    more: Option<bool>,
    current_page: Option<u64>,
    previous: Option<Value>,
}

/// What the connector left us.
struct Pages<'v> {
    listings: BTreeMap<Kind, Listing<'v>>,
    names: Names,
    /// Only what has changed since some instant was asked for.
    is_delta: bool,
}

impl<'v> Pages<'v> {
    /// One value of the file.
    fn value(&mut self, value: &'v RawValue, intake: &mut Intake<'_>) -> Result<(), Refusal> {
        let shape = Shape::of(value)?;
        let Shape::Object(members) = &shape else { return self.listing(Kind::Students, &shape) };
        if shape.member("data").is_some() {
            return self.page(Kind::Students, &shape);
        }
        if shape.member("id").is_some() {
            // A record on a line of its own.
            return self.bare(Kind::Students, &[value]);
        }
        if !members.iter().any(|(name, _)| Kind::named(name).is_some()) {
            // An answer that says what went wrong, perhaps.
            return Err(Refusal::BrokenJson);
        }
        for (name, value) in members {
            match Kind::named(name) {
                Some(kind) => self.listing(kind, &Shape::of(value)?)?,
                None if name == "updated_after" => self.is_delta = true,
                None if name == "meta" => self.is_delta |= value.get().contains("updated_after"),
                None => {
                    intake.place(0, &self.names.shown(name), None);
                }
            }
        }
        Ok(())
    }

    /// A page, a list of pages, or a list of records.
    fn listing(&mut self, kind: Kind, shape: &Shape<'v>) -> Result<(), Refusal> {
        match shape {
            Shape::Object(_) => self.page(kind, shape),
            Shape::List(items) => match items.first().map(|first| Shape::of(first)).transpose()? {
                Some(first) if first.member("data").is_some() => {
                    items.iter().try_for_each(|page| self.page(kind, &Shape::of(page)?))
                }
                _ => self.bare(kind, items),
            },
            Shape::Null => Ok(()),
            Shape::Plain => Err(Refusal::BrokenJson),
        }
    }

    fn page(&mut self, kind: Kind, page: &Shape<'v>) -> Result<(), Refusal> {
        let data = page.member("data").ok_or(Refusal::BrokenJson)?;
        match Shape::of(data)? {
            Shape::List(items) => self.records(kind, &items)?,
            Shape::Object(_) => self.records(kind, &[data])?,
            Shape::Null => {}
            Shape::Plain => return Err(Refusal::BrokenJson),
        }
        let meta = page.member("meta");
        // Wherever it stands: the address of the next page repeats what was asked for.
        self.is_delta |= meta.is_some_and(|meta| meta.get().contains("updated_after"));
        let pagination: Pagination = meta
            .and_then(|meta| Shape::of(meta).ok()?.member("pagination"))
            .and_then(|pagination| serde_json::from_str(pagination.get()).ok())
            .unwrap_or_default();
        let listing = self.listings.entry(kind).or_default();
        listing.has_gap |= match pagination.current_page {
            Some(page) => page != listing.pages + 1,
            None => listing.pages == 0 && pagination.previous.is_some(),
        };
        listing.pages += 1;
        listing.is_last = pagination.more == Some(false);
        Ok(())
    }

    /// Records without a page: nobody says whether there are more.
    fn bare(&mut self, kind: Kind, records: &[&'v RawValue]) -> Result<(), Refusal> {
        self.listings.entry(kind).or_default().has_gap = true;
        self.records(kind, records)
    }

    fn records(&mut self, kind: Kind, records: &[&'v RawValue]) -> Result<(), Refusal> {
        let listing = self.listings.entry(kind).or_default();
        listing.records.extend_from_slice(records);
        if listing.records.len() > MAX_ROWS { Err(Refusal::TooManyRows) } else { Ok(()) }
    }

    /// Hands all records over, and says that the file speaks for the whole school only where that is certain: every page of the
    /// pupils with their contacts is there and was asked for without a starting day, and nothing of it was unreadable.
    fn hand_over(mut self, intake: &mut Intake<'_>) -> Result<(), Refusal> {
        let contacts = self.listings.get(&Kind::Contacts).map_or_else(Vec::new, |list| list.records.clone());
        let mut reader = Records::new(&contacts);
        if let Some(staff) = self.listings.get_mut(&Kind::Employees)
            && !staff.records.is_empty()
            && !intake.takes(Role::Staff)
        {
            staff.records.clear();
            intake.leave_behind(0, "employees", Code::RoleNotAgreed);
        }
        for (kind, listing) in &self.listings {
            for (number, record) in (1..).zip(&listing.records) {
                reader.record(*kind, number, record, intake)?;
            }
        }
        reader.deletions(intake);
        let pupils = self.listings.get(&Kind::Students);
        let is_whole = pupils.is_some_and(Listing::is_whole)
            && [Kind::Contacts, Kind::Employees]
                .iter()
                .all(|kind| self.listings.get(kind).is_none_or(Listing::is_whole))
            && reader.were_families
            && !reader.were_unread;
        if self.is_delta || !is_whole {
            intake.is_partial();
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "wonde/robust_tests.rs"]
mod robust_tests;
#[cfg(test)]
#[path = "wonde_tests.rs"]
mod tests;
