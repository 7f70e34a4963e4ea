//! Who a parent is: taking a claim, and turning a code into a session.
//!
//! The answer to a claim is the same whether it fits or not, and so are the calls made for it: what it came to shows only in
//! who gets a code, from message-send, at the registered contact point.

use std::sync::Arc;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use serde::Deserialize;
use serde_json::json;
use shared::{
    app::Cloud,
    config::{self, ConfigError},
    http::{Answer, ApiError, Problem, Request, problem::Code, request},
    id::{AccountId, PersonId, SchoolId, VerificationId},
    person::{Person, guardianship::Link, store::Directory},
    privacy::retention::DataClass,
    queue::{Queues, Task},
    random,
    school::{School, SchoolCode, Tenant, TenantError},
    seal::{Domain, Keyring},
    store::{
        key::{self, TableName},
        table::{Condition, StoreError, Tables, Update, Write, value},
    },
    time,
    verify::{
        claim::{Claim, ClaimBody},
        code,
        limit::Limit,
        matching::{self, Match},
        session,
        store::{Account, AccountOf, Session, Verification},
    },
};

/// What the function was given.
#[derive(Debug)]
pub struct App {
    tables: Tables,
    keyring: Arc<Keyring>,
    queues: Queues,
    send_queue: String,
}

impl App {
    /// From the environment. Makes no call.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let cloud = Cloud::connect().await;
        let tables = cloud.tables(&[TableName::Directory, TableName::Access, TableName::Keys])?;
        Ok(Self {
            keyring: cloud.keyring(&tables)?,
            tables,
            queues: cloud.queues(),
            send_queue: config::required("SEND_URGENT_QUEUE_URL")?,
        })
    }
}

/// Answers one request.
pub async fn handle(app: &App, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
    let request = Request::new(event);
    request::answer(&request.request_id, async {
        match request.route.as_str() {
            "POST /v1/verifications" => claim(app, &request).await,
            "POST /v1/verifications/{verification_id}/code" => enter_code(app, &request).await,
            _ => Err(Problem::not_found().into()),
        }
    })
    .await
}

/// `POST /v1/verifications`: 202 for every well-formed claim.
async fn claim(app: &App, request: &Request) -> Result<Answer, ApiError> {
    let now = time::now();
    let body: ClaimBody = request.body()?;
    let claim = body.read(time::date_in(time::DEFAULT_ZONE, now)).map_err(Problem::fields)?;
    let accounts = app.keyring.key(Domain::Accounts).await?;
    if !Limit::ClaimsPerSource.take(&app.tables, &accounts.blind("source", &request.source_ip), now).await? {
        return Err(Problem::new(
            Code::TooManyRequests,
            "Too many attempts from here. Wait an hour, or ask the school's office.",
        )
        .into());
    }
    let (school, found) = look_up(app, &claim).await?;
    let verification = Verification {
        verification_id: VerificationId::new(now, &random::bytes()),
        verdict: found.verdict,
        school_id: school,
        contact_id: found.pair.map(|(contact, _)| contact),
        pupil_id: found.pair.map(|(_, pupil)| pupil),
        channel: found.channel,
        attempts_left: code::ATTEMPTS,
        code_hash: None,
        code_until: None,
        code_sent: false,
        used: false,
        created: now.as_second(),
        expires: (now + DataClass::Verification.period()).as_second(),
    };
    let verification_id = verification.verification_id;
    app.tables.put(&verification, Condition::Absent).await?;
    // A claim that matched nothing is queued too, and dropped there: the queue takes both alike.
    let group = school.map_or_else(|| "none".to_owned(), |school| school.to_string());
    app.queues.send(&app.send_queue, &group, &[Task::SendCode { verification_id }]).await?;
    Answer::json(
        202,
        json!({"verification_id": verification_id, "expires_at": time::rfc3339(now + code::LIFETIME)}),
    )
}

/// Matches a claim with the same calls whatever there is: where something is missing, an id that cannot exist is read in its
/// place.
async fn look_up(app: &App, claim: &Claim) -> Result<(Option<SchoolId>, Match), ApiError> {
    let nobody = PersonId::new(time::now(), &random::bytes());
    let no_school = SchoolId::new(time::now(), &random::bytes());
    let code: Option<SchoolCode> = app.tables.get(key::school_code(&claim.school_code)).await?;
    let school_id = code.map(|code| code.school_id);
    let school: Option<School> = app.tables.get(key::school(school_id.unwrap_or(no_school))).await?;
    let tenant = match school {
        Some(school) => match Tenant::with(&app.keyring, school).await {
            Ok(tenant) => Some(tenant),
            Err(TenantError::NotActive) => None,
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    let reference = match &tenant {
        Some(tenant) => shared::person::store::birthday_reference(&tenant.school, &tenant.key, claim.born),
        None => key::birthday_reference(no_school, "none"),
    };
    let mut pupils: Vec<_> = app
        .tables
        .find(TableName::Directory, &reference)
        .await?
        .iter()
        .filter_map(|key| key::read_person(&key.sk))
        .collect();
    // A school of 2,000 has some eight pupils of one birthday; more than 99 would be a filler date.
    pupils.truncate(99);
    pupils.push(nobody);
    let people = pupils
        .iter()
        .map(|pupil| (TableName::Directory, key::person(school_id.unwrap_or(no_school), *pupil)))
        .collect();
    let mut items = app.tables.batch_get(people).await?;
    let pupil = match &tenant {
        Some(tenant) => {
            let directory = Directory::open(tenant, items.clone())?;
            let fits = |person: &Person| {
                person.date_of_birth == Some(claim.born) && person.name.folds_to(&claim.child)
            };
            let named: Vec<_> =
                directory.visible_people().filter(|(_, person)| fits(person)).map(|(id, _)| id).collect();
            if named.len() == 1 { named[0] } else { nobody }
        }
        None => nobody,
    };
    let partition = key::school_partition(school_id.unwrap_or(no_school));
    let links = app.tables.query(TableName::Directory, &partition, &key::links_of(pupil)).await?;
    let mut family: Vec<_> =
        links.iter().filter_map(|item| key::read_link(item.sk())).map(|(_, contact)| contact).collect();
    family.truncate(99);
    family.push(nobody);
    items.extend(links);
    items.extend(
        app.tables
            .batch_get(
                family
                    .iter()
                    .map(|contact| {
                        (TableName::Directory, key::person(school_id.unwrap_or(no_school), *contact))
                    })
                    .collect(),
            )
            .await?,
    );
    let found = match &tenant {
        Some(tenant) => {
            let today = time::date_in(&tenant.school.time_zone, time::now());
            matching::decide(&Directory::open(tenant, items)?, claim, &[], today)
        }
        None => Match::NO,
    };
    Ok((tenant.map(|tenant| tenant.id()), found))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    code: String,
}

/// `POST /v1/verifications/{verification_id}/code`: a session, or one and the same 401 whatever was wrong.
async fn enter_code(app: &App, request: &Request) -> Result<Answer, ApiError> {
    let now = time::now();
    let body: CodeBody = request.body()?;
    let wrong = || Problem::new(Code::Unauthorised, "The code is wrong, used or too old. Ask for a new one.");
    let verification_id: VerificationId = request.path("verification_id").map_err(|_| wrong())?;
    let Some(given) = code::read(&body.code) else { return Err(wrong().into()) };
    let accounts = app.keyring.key(Domain::Accounts).await?;
    // The attempt is taken before the code is compared: a thousand at once share the same five.
    let update = Update::new().add("attempts_left", -1);
    let attempt = app
        .tables
        .update::<Verification>(
            key::verification(verification_id),
            update,
            Condition::Above("attempts_left", value(0)),
        )
        .await;
    let verification = match attempt {
        Ok(verification) => verification,
        Err(StoreError::Conflict) => return Err(wrong().into()),
        Err(error) => return Err(error.into()),
    };
    let (Some(school), Some(contact), Some(pupil), true) = (
        verification.school_id,
        verification.contact_id,
        verification.pupil_id,
        code::accepts(&verification, &accounts, &given, now),
    ) else {
        return Err(wrong().into());
    };
    if !still_allowed(app, school, contact, pupil).await? {
        return Err(wrong().into());
    }
    let token = session::token(random::bytes());
    let expires = (now + DataClass::Session.period()).as_second();
    let account_expires = (now + DataClass::Account.period()).as_second();
    let known: Option<AccountOf> = app.tables.get(key::account_of(school, contact)).await?;
    let account_id =
        known.as_ref().map_or_else(|| AccountId::new(now, &random::bytes()), |known| known.account_id);
    let mut writes = vec![
        Write::update(
            TableName::Access,
            key::verification(verification_id),
            Update::new().set("used", true),
            Condition::All(vec![
                Condition::Is("used", value(false)),
                Condition::Is("code_hash", value(&verification.code_hash)),
            ]),
        ),
        Write::put(
            &Session { token_hash: session::hash(&token), account_id, created: now.as_second(), expires },
            Condition::Absent,
        )?,
    ];
    if known.is_some() {
        // Used again: the two years without use begin anew.
        let later = || Update::new().set("expires", account_expires).set("ttl", account_expires);
        writes.push(Write::update(TableName::Access, key::account(account_id), later(), Condition::Present));
        writes.push(Write::update(
            TableName::Access,
            key::account_of(school, contact),
            later(),
            Condition::Present,
        ));
    } else {
        writes.push(Write::put(
            &Account {
                account_id,
                contacts: vec![(school, contact)],
                created: now.as_second(),
                expires: account_expires,
            },
            Condition::Absent,
        )?);
        writes.push(Write::put(
            &AccountOf { school_id: school, contact_id: contact, account_id, expires: account_expires },
            Condition::Absent,
        )?);
    }
    match app.tables.transact(writes).await {
        Ok(()) => Answer::json(
            201,
            json!({"session_token": token, "expires_at": time::rfc3339(now + DataClass::Session.period())}),
        ),
        Err(StoreError::Conflict) => Err(wrong().into()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the right that the claim rested on still holds: it may have been taken away since the code was sent.
async fn still_allowed(
    app: &App,
    school: SchoolId,
    contact: PersonId,
    pupil: PersonId,
) -> Result<bool, ApiError> {
    let tenant = match Tenant::load(&app.tables, &app.keyring, school).await {
        Ok(tenant) => tenant,
        Err(TenantError::NotActive) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let directory = Directory::pick(&app.tables, &tenant, &[contact, pupil], &[(pupil, contact)]).await?;
    let both = directory.person(contact).is_some_and(|contact| !contact.deceased)
        && directory.person(pupil).is_some();
    Ok(both && directory.visible_links().any(|(_, _, link)| Link::may_hold_account(link)))
}
