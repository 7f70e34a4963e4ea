//! Who saw whose record: one entry per answer and school, ids only.
//!
//! What an entry says is taken from the answer itself on its way out (`http::told`), not from what a handler remembers to
//! report: whoever's id is in the body was shown. So a new route has nothing to add, and none can be forgotten.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::retention::DataClass;
use crate::{
    id::{AccountId, AuditId, ConnectorId, PersonId, SchoolId},
    store::{
        key::{self, Key, TableName},
        table::Record,
    },
};

/// The most people in one entry: 39 bytes each, and an item holds 400 KB. A page shows at most a hundred; only the proposals of a
/// page of uploads could be more, and make several entries.
pub const MAX_SUBJECTS: usize = 1_000;

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Actor {
    /// A parent, by account.
    Parent(AccountId),
    /// A member of staff, by the issuer's id for them.
    Staff(String),
    /// A program of the school.
    Connector(ConnectorId),
}

impl Actor {
    /// The id alone.
    pub fn id(&self) -> String {
        match self {
            Self::Parent(account) => account.to_string(),
            Self::Staff(subject) => subject.clone(),
            Self::Connector(connector) => connector.to_string(),
        }
    }
}

/// One entry. Appended, never changed. When it was made is in its id, to the millisecond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The school whose people they are.
    pub school_id: SchoolId,
    /// The id; sorts by time.
    pub audit_id: AuditId,
    /// Who.
    pub actor: Actor,
    /// What: the route, as the contract writes it.
    pub action: String,
    /// The message, upload and the like that it was about.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub about: BTreeSet<String>,
    /// Whose record was shown or changed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub subjects: BTreeSet<PersonId>,
    /// From where: a hash of the source address under the school's own key, so that two entries can be told to come from one
    /// place, and nobody can be told to live there.
    pub from: String,
    /// Nothing was shown: these are kept from this actor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

impl Record for Entry {
    const KIND: &'static str = "audit";
    const TABLE: TableName = TableName::Messaging;
    const CLASS: DataClass = DataClass::Audit;
    fn key(&self) -> Key {
        key::audit(self.school_id, self.audit_id)
    }
}

/// Whom something shows, by school.
pub type Shown = BTreeMap<SchoolId, BTreeSet<PersonId>>;

/// A person's id stands in an answer that does not say of which school: a defect, and nothing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer shows a person and does not say of which school")]
pub struct Placeless;

/// Whom a body shows. A person belongs to the school that the nearest object around their id names as `school_id`, and to
/// `school` where none does.
pub fn shown(body: &Value, school: Option<SchoolId>) -> Result<Shown, Placeless> {
    fn text(text: &str, school: Option<SchoolId>, found: &mut Shown) -> Result<(), Placeless> {
        if let Ok(person) = text.parse() {
            found.entry(school.ok_or(Placeless)?).or_default().insert(person);
        }
        Ok(())
    }
    fn walk(value: &Value, school: Option<SchoolId>, found: &mut Shown) -> Result<(), Placeless> {
        match value {
            Value::String(one) => text(one, school, found),
            Value::Array(all) => all.iter().try_for_each(|one| walk(one, school, found)),
            Value::Object(members) => {
                let named = members.get("school_id").and_then(Value::as_str);
                let school = named.and_then(|named| named.parse().ok()).or(school);
                members.iter().try_for_each(|(name, value)| {
                    text(name, school, found)?;
                    walk(value, school, found)
                })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }
    let mut found = Shown::new();
    walk(body, school, &mut found)?;
    Ok(found)
}

/// What an answer is about besides people and schools: its own id, as every resource carries one.
pub fn about(body: &Value) -> impl Iterator<Item = &str> {
    let ids = body.as_object().into_iter().flatten().filter(|(name, _)| name.ends_with("_id"));
    ids.filter_map(|(_, id)| id.as_str()).filter(|id| !is_person_or_school(id))
}

/// Whether a text is the id of a person or a school.
pub fn is_person_or_school(id: &str) -> bool {
    id.parse::<PersonId>().is_ok() || id.parse::<SchoolId>().is_ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn person(n: u8) -> PersonId {
        PersonId::new(Timestamp::UNIX_EPOCH, &[n; 10])
    }

    fn school(n: u8) -> SchoolId {
        SchoolId::new(Timestamp::UNIX_EPOCH, &[n; 10])
    }

    #[test]
    fn whoever_is_named_anywhere_is_shown_at_the_nearest_school() {
        let body = json!({
            "items": [
                {"person_id": person(1), "school_id": school(1), "given_name": "Ada", "links": [{"contact_id": person(2)}]},
                {"person_id": person(3), "school_id": school(2), "by_child": {person(4).to_string(): true}},
                {"message_id": "msg_1", "school_id": null, "children": [person(5)]},
            ],
            "note": format!("{} is part of a text, and no id", person(6)),
            "next_cursor": person(5),
        });
        let expected = Shown::from([
            (school(1), BTreeSet::from([person(1), person(2)])),
            (school(2), BTreeSet::from([person(3), person(4)])),
            (school(3), BTreeSet::from([person(5)])),
        ]);
        assert_eq!(shown(&body, Some(school(3))), Ok(expected));
        assert_eq!(shown(&body, None), Err(Placeless));
        assert_eq!(shown(&json!({"items": [], "school_id": school(1)}), None), Ok(Shown::new()));
    }

    #[test]
    fn an_answer_is_about_its_own_id() {
        let body = json!({"message_id": "msg_1", "person_id": person(1), "school_id": school(1), "status": "queued", "held_id": null});
        assert_eq!(about(&body).collect::<Vec<_>>(), ["msg_1"]);
        assert_eq!(about(&json!([{"message_id": "msg_1"}])).count(), 0);
    }

    #[test]
    fn an_actor_is_told_by_kind_and_id() {
        let account = AccountId::new(Timestamp::UNIX_EPOCH, &[1; 10]);
        for (actor, kind) in [(Actor::Parent(account), "parent"), (Actor::Staff("x".to_owned()), "staff")] {
            let told = json!({"kind": kind, "id": actor.id()});
            assert_eq!(serde_json::to_value(&actor).unwrap(), told);
            assert_eq!(serde_json::from_value::<Actor>(told).unwrap(), actor);
        }
    }
}
