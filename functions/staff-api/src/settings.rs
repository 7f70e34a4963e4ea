//! What a school has settled: how its files are read, and who helps its parents.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Request},
    id::SchoolId,
    person::email::EmailAddress,
    school::{Rollover, School, SchoolContacts, SchoolState, Settings},
    store::{
        key,
        table::{Condition, Update, value},
    },
    upload::column::{self, Mapped},
};

use crate::App;

/// The most columns that a school may name, and the longest header.
const MAX_COLUMNS: usize = 200;
const MAX_HEADER_CHARS: usize = 100;
/// The longest id of a school in a bundle: `OneRoster` allows 255 characters.
const MAX_ORG_CHARS: usize = 255;
/// The longest rollover, in days: the summer holiday and the weeks around it. Outside it, the usual limits protect the school.
const MAX_ROLLOVER_DAYS: i32 = 92;

#[derive(Deserialize)]
struct NewSettings {
    #[serde(default)]
    column_mapping: BTreeMap<String, Mapped>,
    #[serde(default)]
    org_id: Option<String>,
    #[serde(default)]
    rollover: Option<Rollover>,
    #[serde(default)]
    support_email: Option<String>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl NewSettings {
    fn read(self) -> Result<(Settings, Option<EmailAddress>), Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut fault = |pointer: &str, code, detail| errors.push(FieldError::new(pointer, code, detail));
        if !self.unknown.is_empty() {
            let detail = "send column_mapping, org_id, rollover and support_email, and nothing else";
            fault("", "unknown_setting", detail);
        }
        let headers = self.column_mapping.keys();
        if self.column_mapping.len() > MAX_COLUMNS
            || headers.clone().any(|header| header.chars().count() > MAX_HEADER_CHARS)
        {
            fault("/column_mapping", "too_long", "name at most 200 columns, each in at most 100 letters");
        }
        // Headers are compared by their letters and digits alone.
        let folded: BTreeSet<_> = headers.map(|header| column::fold(header)).collect();
        if folded.contains("") {
            fault("/column_mapping", "blank", "a header has letters or digits");
        } else if folded.len() < self.column_mapping.len() {
            fault(
                "/column_mapping",
                "column_twice",
                "two headers differ in case, spaces or punctuation only",
            );
        }
        let org_id = self.org_id.map(|id| id.trim().to_owned());
        match &org_id {
            Some(id) if id.is_empty() => fault("/org_id", "blank", "leave it out where there is none"),
            Some(id) if id.chars().count() > MAX_ORG_CHARS => {
                fault("/org_id", "too_long", "write at most 255 characters");
            }
            _ => {}
        }
        if let Some(Rollover { from, until }) = self.rollover {
            if until < from {
                fault("/rollover/until", "before_start", "the last day is not before the first");
            } else if (until - from).get_days() > MAX_ROLLOVER_DAYS {
                fault("/rollover/until", "too_long", "a rollover lasts at most 92 days");
            }
        }
        let support_email = self.support_email.map(|address| address.parse::<EmailAddress>()).transpose();
        if support_email.is_err() {
            errors.push(FieldError::new("/support_email", "invalid", "write an e-mail address"));
        }
        if errors.is_empty() {
            let settings = Settings { column_mapping: self.column_mapping, org_id, rollover: self.rollover };
            Ok((settings, support_email.unwrap_or_default()))
        } else {
            Err(errors)
        }
    }
}

/// `GET …/settings`.
pub async fn get(app: &App, school: SchoolId) -> Result<Answer, ApiError> {
    let tenant = app.tenant(school).await?;
    Answer::json(200, body(&tenant.school, &tenant.school.contacts(&tenant.key)?))
}

/// `PUT …/settings`: all of them; what is left out is as if it had never been settled. Files that arrive from now on are read
/// by them, and a plan that was made by the others is none any more: it cannot be approved.
pub async fn put(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let (settings, support_email) = request.body::<NewSettings>()?.read().map_err(Problem::fields)?;
    let tenant = app.tenant(school).await?;
    let contacts = SchoolContacts { support_email, ..tenant.school.contacts(&tenant.key)? };
    let same = Condition::All(vec![
        Condition::Is("state", value(SchoolState::Active)),
        Condition::Is("contacts", value(&tenant.school.contacts)),
    ]);
    let sealed = School::seal_contacts(school, &tenant.key, &contacts);
    let update = Update::new().set("settings", settings).set("contacts", sealed).add("revision", 1);
    let school: School = app.tables.update(key::school(school), update, same).await?;
    Answer::json(200, body(&school, &contacts))
}

fn body(school: &School, contacts: &SchoolContacts) -> Value {
    let Settings { column_mapping, org_id, rollover } = &school.settings;
    json!({
        "column_mapping": column_mapping, "org_id": org_id, "rollover": rollover, "support_email": contacts.support().expose(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::faults;

    fn read(body: Value) -> Result<Settings, Vec<FieldError>> {
        serde_json::from_value::<NewSettings>(body).unwrap().read().map(|(settings, _)| settings)
    }

    #[test]
    fn settings_are_within_bounds() {
        let headers = |count: usize| {
            (0..count).map(|n| (format!("Column {n}"), json!("ignore"))).collect::<Map<_, _>>()
        };
        let window = |from: &str, until: &str| json!({"rollover": {"from": from, "until": until}});
        for (body, expected) in [
            (json!({"colour": "red", "rollover": null}), " unknown_setting"),
            (json!({"column_mapping": headers(201)}), "/column_mapping too_long"),
            (json!({"column_mapping": {"x".repeat(101): "ignore"}}), "/column_mapping too_long"),
            (json!({"column_mapping": {" - ": "ignore"}}), "/column_mapping blank"),
            (
                json!({"column_mapping": {"E-mail": "ignore", "email": "ignore"}}),
                "/column_mapping column_twice",
            ),
            (json!({"support_email": "help"}), "/support_email invalid"),
            (json!({"org_id": " "}), "/org_id blank"),
            (json!({"org_id": "x".repeat(256)}), "/org_id too_long"),
            (window("2026-07-20", "2026-07-19"), "/rollover/until before_start"),
            (window("2026-07-01", "2026-10-02"), "/rollover/until too_long"),
        ] {
            assert_eq!(faults(read(body.clone())), expected, "{body}");
        }
        assert_eq!(read(json!({})).unwrap(), Settings::default());
        assert_eq!(read(json!({"org_id": " 100123 "})).unwrap().org_id.as_deref(), Some("100123"));
        for body in [json!({"column_mapping": headers(200)}), window("2026-07-01", "2026-10-01")] {
            assert!(read(body.clone()).is_ok(), "{body}");
        }
    }
}
