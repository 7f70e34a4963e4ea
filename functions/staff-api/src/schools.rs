//! Taking on a school, and its record.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::json;
use shared::{
    channel::sms,
    http::{Answer, ApiError, FieldError, Problem, Replay, Request, Staff, problem::Code},
    id::SchoolId,
    person::{Role, email::EmailAddress, name::tidy, suppression::SuppressionList},
    privacy::agreement::{Agreement, Field},
    random,
    school::{School, SchoolCode, SchoolContacts, SchoolState, Settings, draw_code},
    seal::Domain,
    store::table::{Condition, StoreError, Write},
    time,
};

use crate::App;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSchool {
    name: String,
    #[serde(default)]
    time_zone: Option<String>,
    sender: NewSender,
    agreement: NewAgreement,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSender {
    reply_to: String,
    sms_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAgreement {
    fields: AgreedFields,
    signed_on: Date,
    dpo_email: String,
}

/// A field of its own per role, and not a map: so that the pointer to a fault names the role too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgreedFields {
    pupil: Option<BTreeSet<Field>>,
    contact: Option<BTreeSet<Field>>,
    staff: Option<BTreeSet<Field>>,
    governor: Option<BTreeSet<Field>>,
}

impl AgreedFields {
    /// By role; a role that is left out has no fields, which is another thing than an empty list of them.
    fn by_role(self) -> BTreeMap<Role, BTreeSet<Field>> {
        let roles = [
            (Role::Pupil, self.pupil),
            (Role::Contact, self.contact),
            (Role::Staff, self.staff),
            (Role::Governor, self.governor),
        ];
        roles.into_iter().filter_map(|(role, fields)| Some((role, fields?))).collect()
    }
}

/// `POST /v1/schools`: the school, its data key, and the code that parents type.
pub async fn create(app: &App, request: &Request, staff: &Staff) -> Result<Answer, ApiError> {
    let body: NewSchool = request.body()?;
    let now = time::now();
    let mut errors = Vec::new();
    let mut fault = |pointer: &str, detail: &str| errors.push(FieldError::new(pointer, "invalid", detail));
    let name: String = tidy(&body.name).into();
    if name.is_empty() || name.chars().count() > 100 {
        fault("/name", "write the school's name in at most 100 letters");
    }
    let time_zone = body.time_zone.unwrap_or_else(|| time::DEFAULT_ZONE.to_owned());
    if !time::is_zone(&time_zone) {
        fault("/time_zone", "write an IANA time zone, such as Europe/London");
    }
    if !sms::is_sender_id(&body.sender.sms_id) {
        fault("/sender/sms_id", "write 3 to 11 letters and digits with at least one letter and no spaces");
    }
    let reply_to: Result<EmailAddress, _> = body.sender.reply_to.parse();
    if reply_to.is_err() {
        fault("/sender/reply_to", "write an e-mail address");
    }
    let dpo_email: Result<EmailAddress, _> = body.agreement.dpo_email.parse();
    if dpo_email.is_err() {
        fault("/agreement/dpo_email", "write an e-mail address");
    }
    if body.agreement.signed_on > time::date_in(&time_zone, now) {
        fault(
            "/agreement/signed_on",
            "an agreement is signed before data is shared: this day is still to come",
        );
    }
    let (Ok(reply_to), Ok(dpo_email), true) = (reply_to, dpo_email, errors.is_empty()) else {
        return Err(Problem::fields(errors).into());
    };

    let replay = Replay::of(request, &staff.subject, "operator", now)?;
    if let Some(id) = replay.seen(&app.tables).await? {
        let school_id = id.parse().map_err(ApiError::internal)?;
        let school: School =
            app.tables.get(shared::store::key::school(school_id)).await?.ok_or_else(Problem::not_found)?;
        return Answer::json(201, json!({"school_id": school.school_id, "code": school.code}));
    }
    let school_id = SchoolId::new(now, &random::bytes());
    app.keyring.make(Domain::Accounts).await?;
    app.keyring.make(Domain::School(school_id)).await?;
    let key = app.keyring.key(Domain::School(school_id)).await?;
    let school = School {
        school_id,
        name,
        code: draw_code(random::bytes()),
        state: SchoolState::Active,
        time_zone,
        agreement: Agreement { fields: body.agreement.fields.by_role(), signed_on: body.agreement.signed_on },
        sms_id: body.sender.sms_id,
        contacts: School::seal_contacts(
            school_id,
            &key,
            &SchoolContacts { support_email: None, reply_to, dpo_email },
        ),
        suppressed: SuppressionList::default(),
        generation: 0,
        revision: 0,
        exported: BTreeMap::new(),
        settings: Settings::default(),
        importing: None,
        importing_until: None,
        created_at: now,
    };
    let code = SchoolCode { code: school.code.clone(), school_id };
    let mut writes = vec![Write::put(&school, Condition::Absent)?, Write::put(&code, Condition::Absent)?];
    writes.extend(replay.write(&school_id.to_string())?);
    match app.tables.transact(writes).await {
        Ok(()) => Answer::json(201, json!({"school_id": school_id, "code": school.code})),
        Err(StoreError::Conflict) => Err(Problem::new(
            Code::Conflict,
            "The same request is being handled at this moment. Send it again.",
        )
        .into()),
        Err(error) => Err(error.into()),
    }
}

/// `GET /v1/schools/{school_id}`.
pub async fn get(app: &App, school: SchoolId) -> Result<Answer, ApiError> {
    let tenant = app.tenant(school).await?;
    let (school, contacts) = (&tenant.school, tenant.school.contacts(&tenant.key)?);
    Answer::json(
        200,
        json!({
            "school_id": school.school_id, "code": school.code, "name": school.name, "time_zone": school.time_zone,
            "sender": {"reply_to": contacts.reply_to.expose(), "sms_id": school.sms_id},
            "agreement": {"fields": school.agreement.fields, "signed_on": school.agreement.signed_on, "dpo_email": contacts.dpo_email.expose()},
        }),
    )
}
