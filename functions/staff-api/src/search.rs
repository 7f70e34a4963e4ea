//! Whom to find among a school's people. Pure.

use serde::Deserialize;
use shared::{
    http::FieldError,
    id::PersonId,
    person::{Person, Role, name::fold},
    upload::cell,
};

/// The largest page, and the usual one.
const MAX_LIMIT: i64 = 100;
const LIMIT: usize = 50;

/// Whom to find.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    role: Option<Role>,
    given_name: Option<String>,
    family_name: Option<String>,
    year_group: Option<String>,
    class: Option<String>,
    source_id: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

/// A search that can be run. Names and classes are folded.
#[derive(Debug)]
pub struct Criteria {
    role: Option<Role>,
    given: Option<String>,
    family: Option<String>,
    year_group: Option<String>,
    class: Option<String>,
    source_id: Option<String>,
    /// How many on a page.
    pub limit: usize,
    /// Only those after this one.
    pub after: Option<PersonId>,
}

impl Search {
    /// The search, or every field at fault. Something has to be asked for: everybody is the list of people.
    pub fn read(&self) -> Result<Criteria, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut clean = |pointer: &str, given: Option<&String>, clean: fn(&str) -> Option<String>| {
            let cleaned = clean(given?).filter(|text| !text.is_empty());
            if cleaned.is_none() {
                errors.push(FieldError::new(
                    pointer,
                    "blank",
                    "write something to look for, or leave the field out",
                ));
            }
            cleaned
        };
        let folded: fn(&str) -> Option<String> = |text| Some(fold(text));
        let mut criteria = Criteria {
            role: self.role,
            given: clean("/given_name", self.given_name.as_ref(), folded),
            family: clean("/family_name", self.family_name.as_ref(), folded),
            year_group: clean("/year_group", self.year_group.as_ref(), |text| {
                cell::year_group(text).map(String::from)
            }),
            class: clean("/class", self.class.as_ref(), folded),
            source_id: clean("/source_id", self.source_id.as_ref(), |text| {
                cell::text(text).map(String::from)
            }),
            limit: LIMIT,
            after: None,
        };
        let texts = [&self.given_name, &self.family_name, &self.year_group, &self.class, &self.source_id];
        if self.role.is_none() && texts.iter().all(|text| text.is_none()) {
            errors.push(FieldError::new("", "nothing_asked", "give at least one field to look for"));
        }
        match self.limit {
            None => {}
            Some(limit) if (1..=MAX_LIMIT).contains(&limit) => {
                criteria.limit = usize::try_from(limit).unwrap_or(LIMIT);
            }
            Some(_) => errors.push(FieldError::new("/limit", "out_of_range", "a page has 1 to 100 people")),
        }
        match self.cursor.as_deref().map(str::parse) {
            None => {}
            Some(Ok(after)) => criteria.after = Some(after),
            Some(Err(_)) => {
                errors.push(FieldError::new("/cursor", "invalid", "send the next_cursor of the page before"));
            }
        }
        if errors.is_empty() { Ok(criteria) } else { Err(errors) }
    }
}

impl Criteria {
    /// Whether somebody is meant: everything asked for fits. A name is the legal one or the one they go by; a former one finds
    /// nobody, because it was left behind.
    pub fn fits(&self, person: &Person) -> bool {
        let folds = |asked: Option<&String>, text: &str| asked.is_none_or(|asked| *asked == fold(text));
        let called = person.called();
        let either = |asked, legal: &str, called: &str| folds(asked, legal) || folds(asked, called);
        self.role.is_none_or(|role| role == person.role)
            && either(self.given.as_ref(), person.name.given(), called.given())
            && either(self.family.as_ref(), person.name.family(), called.family())
            && self
                .year_group
                .as_ref()
                .is_none_or(|year| person.year_group.as_ref().is_some_and(|of| of.eq_ignore_ascii_case(year)))
            && folds(self.class.as_ref(), person.class.as_deref().unwrap_or_default())
            && self
                .source_id
                .as_ref()
                .is_none_or(|id| person.source_ids.iter().any(|source| source.id == *id))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::person::{SourceId, name::PersonName};

    use super::*;
    use crate::entry::tests::faults;

    #[test]
    fn a_search_fits_whoever_has_everything_asked_for() {
        let pupil = Person {
            year_group: Some("R".into()),
            class: Some("Oak".into()),
            source_ids: [SourceId { source: "csv".into(), id: "00123".into() }].into(),
            preferred_name: Some(PersonName::new("Zo", "")),
            former_family_name: Some("Former".into()),
            ..Person::named(Role::Pupil, PersonName::new("Zoë", "O'Neill"))
        };
        let fits = |body| serde_json::from_value::<Search>(body).unwrap().read().unwrap().fits(&pupil);
        for body in [
            json!({"role": "pupil"}),
            json!({"given_name": "ZOE", "family_name": "oneill"}),
            json!({"year_group": "Reception", "class": "oak"}),
            json!({"source_id": "00123"}),
            json!({"given_name": "zo", "family_name": "O'Neill"}),
        ] {
            assert!(fits(body.clone()), "{body}");
        }
        for body in [
            json!({"role": "contact"}),
            json!({"given_name": "Zoe", "family_name": "Neill"}),
            json!({"family_name": "Former"}),
            json!({"year_group": "1"}),
            json!({"source_id": "123"}),
        ] {
            assert!(!fits(body.clone()), "{body}");
        }
    }

    #[test]
    fn a_search_has_to_ask_for_something() {
        let read = |body| serde_json::from_value::<Search>(body).unwrap().read();
        assert_eq!(faults(read(json!({"limit": 10}))), " nothing_asked");
        assert_eq!(
            faults(read(json!({"given_name": " - ", "limit": 101, "cursor": "x"}))),
            "/given_name blank, /limit out_of_range, /cursor invalid"
        );
    }
}
