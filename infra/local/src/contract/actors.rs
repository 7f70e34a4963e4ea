//! The people who ask: two schools, staff of the one, parents and a connector of the other, each with something of their own and
//! out of the others' reach. A new kind of thing is made in `School::fill`.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    demo::client::{Caller, text},
    error::{Context, Result},
    stack::{Stack, eventually},
};

/// How long anything behind the scenes may take.
const DEADLINE: Duration = Duration::from_mins(2);
/// Pupils of each school, each with one contact.
const FAMILIES: usize = 45;

/// Somebody who asks, as `hooks.py` reads it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Actor {
    /// The first may do everything that anybody of this kind may do.
    tokens: Vec<String>,
    /// Values of path parameters.
    path: BTreeMap<&'static str, String>,
    /// Ids, by prefix, that no list tells.
    ids: BTreeMap<&'static str, Vec<String>>,
    /// Ids that nobody may touch.
    withheld: Vec<String>,
}

/// Everybody who asks, and what each has.
pub(super) async fn make(stack: &Stack) -> Result<BTreeMap<String, Actor>> {
    let anybody = Caller::anybody(stack.api_url())?;
    let here = School::fill(stack, &anybody, "here").await?;
    here.reviews(stack, 0..6).await?;
    let elsewhere = School::fill(stack, &anybody, "elsewhere").await?;
    let staff = |school: &School, tokens: Vec<String>| Actor {
        tokens,
        path: BTreeMap::from([("school_id", school.id.clone())]),
        withheld: vec![school.upload.clone()],
        ids: BTreeMap::from([("sch", vec![school.id.clone()])]),
    };
    let mut tokens =
        vec![stack.token(&["operator", "office", "sender", "approver", "dpo"], Some(&here.id)).await?];
    for role in ["office", "sender", "approver", "dpo"] {
        tokens.push(stack.token(&[role], Some(&here.id)).await?);
    }
    let connector = elsewhere.connector(&anybody).await?;
    let mut actors = BTreeMap::from([
        ("staff".to_owned(), staff(&here, tokens)),
        ("staff_elsewhere".to_owned(), staff(&elsewhere, vec![elsewhere.everybody.token().to_owned()])),
        ("connector".to_owned(), connector),
    ]);
    // Whatever deletes with a session may end it: one parent for each such operation, and one for all others.
    let deleting = super::operations()?.into_iter().filter(|operation| operation.deletes_as_parent);
    let names = deleting.map(|operation| format!("parent_for_{}", operation.id));
    for (n, name) in ["parent".to_owned()].into_iter().chain(names).enumerate() {
        let token = elsewhere.parent(stack, &anybody, n).await?;
        actors.insert(name, Actor { tokens: vec![token], ..Actor::default() });
    }
    Ok(actors)
}

/// A school with people and what they ask, uploads, a message and a connector.
struct School {
    id: String,
    code: String,
    name: String,
    /// Somebody in every role.
    everybody: Caller,
    /// The upload that brought everybody: undone, it would leave nobody to ask about.
    upload: String,
}

impl School {
    async fn fill(stack: &Stack, anybody: &Caller, place: &str) -> Result<Self> {
        let operator = anybody.with(stack.token(&["operator"], None).await?);
        let name = format!("Contract School {place} {}", std::process::id());
        let fields = json!([
            "title",
            "given_name",
            "family_name",
            "preferred_given_name",
            "preferred_family_name",
            "former_family_name",
            "date_of_birth",
            "gender",
            "year_group",
            "class",
            "groups",
            "start_date",
            "leaving_date",
            "upn",
            "source_id",
            "email",
            "mobile",
            "landline",
            "relationship",
            "priority",
            "parental_responsibility",
            "emergency_contact",
            "restricted",
            "address_confidential",
            "deceased",
        ]);
        let body = json!({
            "name": name,
            "sender": {"reply_to": "office@contract.example.org", "sms_id": "Contract"},
            "agreement": {
                "fields": {"pupil": fields, "contact": fields, "staff": fields, "governor": fields},
                "signed_on": "2026-01-01", "dpo_email": "dpo@contract.example.org",
            },
        });
        let made = operator.post("/v1/schools", &body).await?.expect(201)?;
        let id = text(&made, "school_id")?.to_owned();
        let roles = ["office", "sender", "approver", "dpo"];
        let everybody = anybody.with(stack.token(&roles, Some(&id)).await?);
        let mut school =
            Self { code: text(&made, "code")?.to_owned(), id, name, everybody, upload: String::new() };
        school.upload = school.send(&sheet(0..FAMILIES), "full", "apply").await?;
        // One that waits, and two that can be undone: what was made last is listed first, and most requests are about the first.
        school.send(&sheet(FAMILIES..FAMILIES + 6), "partial", "preview").await?;
        school.send(&sheet(FAMILIES..FAMILIES + 2), "partial", "apply").await?;
        school.send(&sheet(FAMILIES + 2..FAMILIES + 4), "partial", "apply").await?;
        let message = json!({
            "purpose": "service", "channels": ["email", "sms"], "subject": "Swimming", "body": "Swimming tomorrow.",
            "audience": {"year_groups": ["3"]},
        });
        let sent = school.post("messages", &message).await?.expect(202)?;
        let path = school.path(&format!("messages/{}", text(&sent, "message_id")?));
        eventually("the message is sent", DEADLINE, async || {
            let message = school.everybody.get(&path).await?.expect(200)?;
            Ok((message["status"] == "sent").then_some(()))
        })
        .await?;
        let people = school.everybody.get(&school.path("people?role=contact&limit=3")).await?.expect(200)?;
        for person in people["items"].as_array().into_iter().flatten() {
            let asked = json!({"kind": "access", "person_id": person["person_id"]});
            school.post("subject-requests", &asked).await?.expect(201)?;
        }
        for name in ["Export one", "Export two", "Export three"] {
            school.post("connectors", &json!({"name": name})).await?.expect(201)?;
        }
        Ok(school)
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/schools/{}/{rest}", self.id)
    }

    async fn post(&self, rest: &str, body: &Value) -> Result<crate::demo::client::Reply> {
        self.everybody.post(&self.path(rest), body).await
    }

    /// Sends a file and waits until it has come to rest; returns the upload's id.
    async fn send(&self, file: &str, scope: &str, mode: &str) -> Result<String> {
        let body = json!({"file_name": "school.csv", "bytes": file.len(), "mode": mode, "scope": scope});
        let asked = self.post("uploads", &body).await?.expect(201)?;
        self.everybody.put_file(&asked["put"], file.as_bytes()).await?;
        let id = text(&asked, "upload_id")?.to_owned();
        let path = self.path(&format!("uploads/{id}"));
        let wanted = if mode == "preview" { "review" } else { "done" };
        eventually("the upload has come to rest", DEADLINE, async || {
            let upload = self.everybody.get(&path).await?.expect(200)?;
            Ok((upload["status"] == wanted).then_some(()))
        })
        .await?;
        Ok(id)
    }

    /// A connector that has announced a file.
    async fn connector(&self, anybody: &Caller) -> Result<Actor> {
        let made = self.post("connectors", &json!({"name": "Nightly export"})).await?.expect(201)?;
        let secret = text(&made, "secret")?.to_owned();
        let body = json!({"file_name": "school.csv", "bytes": 1000, "mode": "preview"});
        let asked = anybody.with(secret.clone()).post("/v1/connector/uploads", &body).await?.expect(201)?;
        let ids = BTreeMap::from([("upl", vec![text(&asked, "upload_id")?.to_owned()])]);
        Ok(Actor { tokens: vec![secret], ids, ..Actor::default() })
    }

    /// The session of family `n`'s parent, got as parents get it.
    async fn parent(&self, stack: &Stack, anybody: &Caller, n: usize) -> Result<String> {
        let before = stack.mark().await?;
        let verification = self.claim(stack, n, &format!("Family{n}"), "Grace").await?;
        let sent = eventually("the code is sent", DEADLINE, async || {
            Ok(stack.outbox(before.outbox, &self.name).await?.into_iter().find(|sent| sent.to == e164(n)))
        })
        .await?;
        let code: String = sent.text.chars().take_while(char::is_ascii_digit).collect();
        let path = format!("/v1/verifications/{verification}/code");
        let entered = anybody.post(&path, &json!({"code": code})).await?.expect(201)?;
        Ok(text(&entered, "session_token")?.to_owned())
    }

    /// Claims that wait for the office: parents who write their names the other way round.
    async fn reviews(&self, stack: &Stack, families: std::ops::Range<usize>) -> Result<()> {
        let count = families.len();
        for n in families {
            self.claim(stack, n, "Grace", &format!("Family{n}")).await?;
        }
        let path = self.path("verifications");
        eventually("the claims wait for the office", DEADLINE, async || {
            let listed = self.everybody.get(&path).await?.expect(200)?;
            Ok((listed["items"].as_array().map(Vec::len) == Some(count)).then_some(()))
        })
        .await
    }

    /// The claim of family `n`'s parent under a name, handed to the function as the gateway would, from an address of its own:
    /// the embedded gateway knows only one, whose claims are counted. Returns the verification's id.
    async fn claim(&self, stack: &Stack, n: usize, family_name: &str, given_name: &str) -> Result<String> {
        let body = json!({
            "school_code": self.code,
            "parent": {"given_name": given_name, "family_name": family_name, "mobile": mobile(n), "email": email(n)},
            "child": {"given_name": "Ada", "family_name": format!("Family{n}"), "date_of_birth": "2018-05-14"},
        });
        let event = json!({
            "version": "2.0", "routeKey": "POST /v1/verifications", "rawPath": "/v1/verifications", "rawQueryString": "",
            "headers": {"content-type": "application/json"},
            "requestContext": {
                "accountId": "000000000000", "apiId": "api", "domainName": "api.example.com", "domainPrefix": "api",
                "http": {
                    "method": "POST", "path": "/v1/verifications", "protocol": "HTTP/1.1", "userAgent": "contract",
                    "sourceIp": format!("198.51.100.{}", std::process::id() % 250),
                },
                "requestId": "contract", "routeKey": "POST /v1/verifications", "stage": "$default",
                "time": "01/Jan/2026:09:00:00 +0000", "timeEpoch": 1_767_258_000_000_u64,
            },
            "body": body.to_string(), "isBase64Encoded": false,
        });
        let answer = stack.invoke("parent-verify", &event).await?.payload;
        let claimed: Value =
            serde_json::from_str(text(&answer, "body")?).failed("a claim was answered without JSON")?;
        Ok(text(&claimed, "verification_id")?.to_owned())
    }
}

/// Families as a school exports them: a pupil of Year 3 and their mother. Numbers are of the range that Ofcom keeps for drama.
fn sheet(families: std::ops::Range<usize>) -> String {
    let header = "Forename,Surname,Student ID,Year,Class,DOB,Relationship,Contact forename,Contact surname,Contact ID,\
                  Email,Mobile,Priority,Parental responsibility\n";
    families.fold(header.to_owned(), |text, n| {
        let (email, mobile) = (email(n), mobile(n));
        format!(
            "{text}Ada,Family{n},P{n:04},3,3A,14/05/2018,Mother,Grace,Family{n},C{n:04},{email},{mobile},1,Y\n"
        )
    })
}

fn email(n: usize) -> String {
    format!("grace{n}@contract.example.com")
}

fn mobile(n: usize) -> String {
    format!("07700 900{n:03}")
}

fn e164(n: usize) -> String {
    format!("+447700900{n:03}")
}
