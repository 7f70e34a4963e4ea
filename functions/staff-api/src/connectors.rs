//! Connectors: the office makes and revokes them; they ask for uploads and read what came of those, and nothing else.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    connector::{Connector, Credential, MAX_NAME_CHARS},
    http::{Answer, ApiError, FieldError, Problem, Request, Staff, Told},
    id::{ConnectorId, SchoolId},
    person::name::tidy,
    privacy::audit::Actor,
    random,
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, Update},
    },
    time,
    upload::store::Upload,
};

use crate::{
    App,
    uploads::{self, Reader},
};

/// What a connector may do.
pub async fn route(app: &App, request: &Request) -> Result<Told, ApiError> {
    let connector = authenticate(app, request).await?;
    let (school, subject) = (connector.school_id, connector.connector_id.to_string());
    let answer = match request.route.as_str() {
        "POST /v1/connector/uploads" => uploads::create(app, request, &subject, school).await,
        "GET /v1/connector/uploads/{upload_id}" => {
            uploads::get(app, request, school, Reader::Connector(&connector)).await
        }
        _ => Err(Problem::not_found().into()),
    };
    Ok(Told::at(school, Actor::Connector(connector.connector_id), answer))
}

/// Who is asking. A wrong secret, a revoked connector and one that never was: the same calls and the same 401.
async fn authenticate(app: &App, request: &Request) -> Result<Connector, ApiError> {
    let credential = request.bearer().and_then(Credential::read).ok_or_else(Problem::unauthorised)?;
    let at = || key::connector(credential.school_id, credential.connector_id);
    let stored: Option<Connector> = app.tables.get(at()).await?;
    let opens = credential.opens(stored.as_ref());
    let connector = stored.filter(|_| opens).ok_or_else(Problem::unauthorised)?;
    let today = time::date_in(time::DEFAULT_ZONE, time::now());
    if connector.last_used_on == Some(today) {
        return Ok(connector);
    }
    let here = Condition::All(vec![Condition::Present, Condition::Missing("revoked_at")]);
    let used = app.tables.update(at(), Update::new().set("last_used_on", today), here).await;
    used.map_err(|error| match error {
        StoreError::Conflict => Problem::unauthorised().into(),
        error => error.into(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewConnector {
    name: String,
}

/// `POST …/connectors`: a connector and its secret, which nobody sees again.
pub async fn create(
    app: &App,
    request: &Request,
    staff: &Staff,
    school: SchoolId,
) -> Result<Answer, ApiError> {
    let NewConnector { name } = request.body()?;
    let name: String = tidy(&name).into();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        let detail = "write what it is to be called, in at most 60 letters";
        return Err(Problem::fields(vec![FieldError::new("/name", "invalid", detail)]).into());
    }
    app.tenant(school).await?;
    let now = time::now();
    let connector_id = ConnectorId::new(now, &random::bytes());
    let credential = Credential::new(connector_id, school, random::bytes());
    let connector = Connector {
        school_id: school,
        connector_id,
        name,
        secret_hash: credential.hash(),
        created_by: staff.subject.clone(),
        created_at: now,
        last_used_on: None,
        revoked_at: None,
    };
    app.tables.put(&connector, Condition::Absent).await?;
    Answer::json(201, json!({"connector_id": connector_id, "secret": credential.expose()}))
}

/// `GET …/connectors`: all of them, in the order in which they were made.
pub async fn list(app: &App, school: SchoolId) -> Result<Answer, ApiError> {
    app.tenant(school).await?;
    let items =
        app.tables.query(TableName::Directory, &key::school_partition(school), key::CONNECTORS).await?;
    let connectors = items.into_iter().map(|item| item.read::<Connector>()).collect::<Result<Vec<_>, _>>()?;
    let told: Vec<_> = connectors.iter().map(body).collect();
    Answer::json(200, json!({"items": told, "next_cursor": null}))
}

fn body(connector: &Connector) -> Value {
    json!({
        "connector_id": connector.connector_id, "name": connector.name, "created_at": time::rfc3339(connector.created_at),
        "created_by": {"staff": connector.created_by}, "last_used_on": connector.last_used_on, "revoked": connector.revoked_at.is_some(),
    })
}

/// `DELETE …/connectors/{connector_id}`: lets it in no more, from the next request on. Its name stays for the uploads that it
/// asked for.
pub async fn revoke(app: &App, request: &Request, school: SchoolId) -> Result<Answer, ApiError> {
    let connector: ConnectorId = request.path("connector_id")?;
    app.tenant(school).await?;
    let at = || key::connector(school, connector);
    let live = Condition::All(vec![Condition::Present, Condition::Missing("revoked_at")]);
    match app.tables.update::<Connector>(at(), Update::new().set("revoked_at", time::now()), live).await {
        Ok(_) => Ok(Answer::empty()),
        // Revoked already, or never there.
        Err(StoreError::Conflict) => match app.tables.get::<Connector>(at()).await? {
            Some(_) => Ok(Answer::empty()),
            None => Err(Problem::not_found().into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// The names of connectors that uploads name.
pub struct Names(BTreeMap<ConnectorId, String>);

impl Names {
    /// Who did something, as told: a connector by id and name, a member of staff by their issuer's id.
    pub fn of(&self, subject: &str) -> Value {
        subject.parse::<ConnectorId>().map_or_else(
            |_| json!({"staff": subject}),
            |connector| json!({"connector_id": connector, "name": self.0.get(&connector)}),
        )
    }
}

/// Reads the names that some uploads need, if they need any.
pub async fn names(app: &App, school: SchoolId, uploads: &[Upload]) -> Result<Names, ApiError> {
    let mut ids: Vec<ConnectorId> =
        uploads.iter().filter_map(|upload| upload.asked_by.parse().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    let keys = ids.iter().map(|id| (TableName::Directory, key::connector(school, *id))).collect();
    let mut names = BTreeMap::new();
    for item in app.tables.batch_get(keys).await? {
        let connector: Connector = item.read()?;
        names.insert(connector.connector_id, connector.name);
    }
    Ok(Names(names))
}
