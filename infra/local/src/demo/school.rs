//! A school is taken on.

use std::{cell::RefCell, collections::BTreeMap};

use serde_json::json;

use super::{client, client::Caller, story::Demo, text::say};
use crate::error::Result;

/// The school, and the people who work for it.
#[derive(Debug)]
pub struct School {
    /// Its id.
    pub id: String,
    /// The code that its parents type.
    pub code: String,
    /// The school office.
    pub office: Caller,
    /// Somebody who writes messages.
    pub sender: Caller,
    /// Ids of people found before, by the school's own: a search opens everybody, and an id never changes.
    found: RefCell<BTreeMap<String, String>>,
}

impl School {
    /// A path below the school.
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/schools/{}{rest}", self.id)
    }

    /// The id of the person whom the school's own system knows by `source_id`.
    pub async fn find(&self, role: &str, source_id: &str) -> Result<String> {
        let key = format!("{role} {source_id}");
        if let Some(id) = self.found.borrow().get(&key) {
            return Ok(id.clone());
        }
        let asked = json!({"role": role, "source_id": source_id});
        let found = self.office.post(&self.path("/people/search"), &asked).await?.expect(200)?;
        let id = client::text(&found["items"][0], "person_id")?.to_owned();
        self.found.borrow_mut().insert(key, id.clone());
        Ok(id)
    }
}

/// The operator creates Oakfield Primary.
pub async fn take_on(demo: &mut Demo<'_>) -> Result<School> {
    let operator = demo.anybody.with(demo.stack.token(&["operator"], None).await?);
    let body = json!({
        "name": "Oakfield Primary",
        "sender": {"reply_to": "office@oakfield.example.com", "sms_id": "Oakfield"},
        "agreement": {
            // What the school has agreed to share: neither a pupil's gender nor anybody's address.
            "fields": {
                "pupil": ["given_name", "family_name", "source_id", "year_group", "class", "date_of_birth"],
                "contact": [
                    "title", "given_name", "family_name", "source_id", "relationship", "email", "mobile", "landline",
                    "priority", "parental_responsibility", "restricted",
                ],
            },
            "signed_on": "2026-09-01",
            "dpo_email": "dpo@oakfield.example.com",
        },
    });
    let made = operator.post("/v1/schools", &body).await?.expect(201)?;
    let id = client::text(&made, "school_id")?.to_owned();
    let code = client::text(&made, "code")?.to_owned();
    say("  The operator takes on Oakfield Primary, with the list of what the school has agreed to share.")?;
    say(&format!("  Its id is {id}; the code for parents is {code}."))?;
    let office = demo.anybody.with(demo.stack.token(&["office"], Some(&id)).await?);
    let sender = demo.anybody.with(demo.stack.token(&["sender"], Some(&id)).await?);
    Ok(School { id, code, office, sender, found: RefCell::default() })
}
