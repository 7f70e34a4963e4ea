//! What the formats that nest their fields by name, instead of laying them out in columns, have in common.

use jiff::{Timestamp, ToSpan, civil::DateTime, tz::TimeZone};

use super::intake::Intake;
use crate::{person::Role, privacy::agreement::Field, time::DEFAULT_ZONE};

/// How many different names of one file are told apart; what comes after is reported as one.
pub(super) const MAX_NAMES: usize = 500;
/// The most cells of one person, and the most contacts of one pupil, so that no record costs more than its length.
pub(super) const MAX_PARTS: usize = 100;

/// A name that the file chose, as it may stand in a finding. What does not look like the name of a field is not repeated: it may be
/// a value in the wrong place.
pub(super) fn plain(name: &str) -> &str {
    let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    if (1..=40).contains(&name.len()) && digits <= 4 && name.bytes().all(of_a_name) { name } else { "*" }
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
    fn only_what_looks_like_a_name_is_repeated() {
        for name in ["LookedAfter", "lives_with_pupil", "students-pre-admission", "BS7666Address"] {
            assert_eq!(plain(name), name);
        }
        for value in ["", "Ann Smith", "a@example.com", "07700900123", "A1329183376", "Zoë", &"x".repeat(41)]
        {
            assert_eq!(plain(value), "*");
        }
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
