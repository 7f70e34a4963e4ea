//! What the formats that nest their fields by name, instead of laying them out in columns, have in common.

use std::{borrow::Cow, collections::HashMap};

use jiff::{Timestamp, ToSpan, civil::DateTime, tz::TimeZone};

use super::intake::Intake;
use crate::{person::Role, privacy::agreement::Field, time::DEFAULT_ZONE};

/// How many different names of one file are told apart; what comes after is reported as one.
pub(super) const MAX_NAMES: usize = 500;
/// The most cells of one person, and the most contacts of one pupil, so that no record costs more than its length.
pub(super) const MAX_PARTS: usize = 100;

/// The names that a file gives its fields, as they may stand in a path and in a finding: what the format is known to have by that
/// name, everything else by the order in which it came. It may be a value in the wrong place, a child's name even.
pub(super) struct Names {
    known: fn() -> Vec<&'static str>,
    shown: HashMap<Box<str>, Cow<'static, str>>,
    strangers: usize,
}

impl Names {
    /// None yet; `known` are those of the format.
    pub(super) fn new(known: fn() -> Vec<&'static str>) -> Self {
        Self { known, shown: HashMap::new(), strangers: 0 }
    }

    /// A name as it is shown.
    pub(super) fn shown(&mut self, name: &str) -> Cow<'static, str> {
        /// Longer than any name of a format; what is the same so far is one.
        const LONG: usize = 64;
        let name = name.get(..LONG).unwrap_or(name);
        if let Some(shown) = self.shown.get(name) {
            return shown.clone();
        }
        let is_full = self.shown.len() >= MAX_NAMES;
        let known = (self.known)().into_iter().find(|known| known.eq_ignore_ascii_case(name));
        self.strangers += usize::from(known.is_none());
        let shown = match (known, protecting(Role::Contact, name)) {
            (Some(known), _) => Cow::Borrowed(known),
            // What protects somebody is known by a part of its name.
            (None, Some(Field::Deceased)) => Cow::Borrowed("deceased"),
            (None, Some(_)) if is_full => Cow::Borrowed("court"),
            (None, Some(_)) => Cow::Owned(format!("court?{}", self.strangers)),
            (None, None) if is_full => Cow::Borrowed("*"),
            (None, None) => Cow::Owned(format!("?{}", self.strangers)),
        };
        if !is_full {
            self.shown.insert(Box::from(name), shown.clone());
        }
        shown
    }
}

/// The fields that protect somebody, by whatever name the format gives them: no list of names is complete, and missing one
/// would show a child to somebody whom a court keeps away, or write to the bereaved.
pub(super) fn protecting(role: Role, name: &str) -> Option<Field> {
    const DEATH: [&str; 6] =
        ["deceased", "isdeceased", "deceasedat", "deceasedon", "deceaseddate", "dateofdeath"];
    let name = name.replace(['_', '-'], "").to_ascii_lowercase();
    if role == Role::Contact && name.contains("court") {
        Some(Field::Restricted)
    } else {
        DEATH.contains(&name.as_str()).then_some(Field::Deceased)
    }
}

/// Notes when the source made the file, or last changed a record of it. Without a zone it is the school's; what lies ahead is a wrong
/// clock and would make every later file look old.
pub(super) fn was_exported(intake: &mut Intake<'_>, text: &str, zone: Option<&str>) {
    let text = text.trim();
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let zone = zone.and_then(|zone| TimeZone::get(zone).ok());
        let zone = zone.or_else(|| TimeZone::get(DEFAULT_ZONE).ok()).unwrap_or(TimeZone::UTC);
        zone.to_timestamp(text.parse::<DateTime>().ok()?).ok()
    });
    let tomorrow = intake.today().saturating_add(1.day());
    if let Some(at) = at.filter(|at| at.to_zoned(TimeZone::UTC).date() <= tomorrow) {
        intake.was_exported(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_format_are_repeated() {
        let mut names = Names::new(|| vec!["LookedAfter", "court_order"]);
        for (name, shown) in [
            ("LookedAfter", "LookedAfter"),
            ("lookedafter", "LookedAfter"),
            ("Ann_Smith", "?1"),
            ("", "?2"),
            ("Ann_Smith", "?1"),
            ("court_order", "court_order"),
            ("Court_Order_of_Ann", "court?3"),
            ("Date_Of_Death", "deceased"),
        ] {
            assert_eq!(names.shown(name), shown, "{name}");
        }
        let long = "é".repeat(1000);
        assert!(names.shown(&long).starts_with('?'));
        for n in 0..2 * MAX_NAMES {
            names.shown(&format!("n{n}"));
        }
        assert_eq!((names.shown("another"), names.shown("court")), ("*".into(), "court".into()));
        assert_eq!(names.shown("LookedAfter"), "LookedAfter");
    }

    #[test]
    fn what_protects_is_known_by_many_names() {
        for (role, name, field) in [
            (Role::Contact, "court_order", Some(Field::Restricted)),
            (Role::Contact, "CourtOrderRestrictedAccess", Some(Field::Restricted)),
            (Role::Pupil, "court_order", None),
            (Role::Contact, "is_deceased", Some(Field::Deceased)),
            (Role::Pupil, "DateOfDeath", Some(Field::Deceased)),
            (Role::Pupil, "parent_deceased", None),
            (Role::Contact, "correspondence", None),
        ] {
            assert_eq!(protecting(role, name), field, "{name}");
        }
    }
}
