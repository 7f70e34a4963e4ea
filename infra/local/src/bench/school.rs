//! The school that the bench works on: the one of `tests/data/oakfield.csv`, taken on over the API.

use serde_json::{Value, json};

use crate::{
    demo::{
        client::{Caller, text},
        file::SchoolFile,
    },
    error::{Error, Result},
    stack::Stack,
};

/// The school, and who works for it.
#[derive(Debug)]
pub struct School {
    /// Its id.
    pub id: String,
    /// What its parents type.
    pub code: String,
    /// Somebody who has shown nothing.
    pub anybody: Caller,
    /// The office.
    pub office: Caller,
    /// Somebody who writes messages.
    pub sender: Caller,
    /// Its file, and what must come of it.
    pub file: SchoolFile,
}

impl School {
    /// Takes the school on.
    pub async fn take_on(stack: &Stack) -> Result<Self> {
        let file = SchoolFile::read()?;
        let anybody = Caller::anybody(stack.api_url())?;
        let operator = anybody.with(stack.token(&["operator"], None).await?);
        let made = operator.post("/v1/schools", &contract()).await?.expect(201)?;
        let id = text(&made, "school_id")?.to_owned();
        let code = text(&made, "code")?.to_owned();
        let office = anybody.with(stack.token(&["office"], Some(&id)).await?);
        let sender = anybody.with(stack.token(&["sender"], Some(&id)).await?);
        Ok(Self { id, code, anybody, office, sender, file })
    }

    /// A path below the school.
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/schools/{}{rest}", self.id)
    }
}

fn contract() -> Value {
    json!({
        "name": "Oakfield Primary",
        "sender": {"reply_to": "office@oakfield.example.com", "sms_id": "Oakfield"},
        "agreement": {
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
    })
}

/// An error for what was measured on something else than it should have been.
pub fn unlike(what: &str, expected: impl std::fmt::Display, seen: impl std::fmt::Display) -> Error {
    Error::Failed(format!("{what}: {expected} expected, {seen} seen"))
}
