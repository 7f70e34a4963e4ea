//! Taking a claim, and taking the wish to sign in again: 202 for whatever is well formed.
//!
//! What was asked is stored sealed and queued, and nothing is looked up: the answer, the calls and the time are those of a stranger,
//! because here everybody is one. message-send looks at it, behind the queue.

use serde::Deserialize;
use serde_json::json;
use shared::{
    http::{Answer, ApiError, FieldError, Problem, Request, problem::Code},
    id::VerificationId,
    person::phone::{PhoneKind, PhoneNumber},
    queue::Task,
    random,
    seal::{DataKey, Domain, SealError},
    store::table::Condition,
    time,
    verify::{
        account::ContactPoint,
        claim::ClaimBody,
        code,
        limit::{EVERYBODY, Limit},
        session,
        store::{Asked, Verification},
    },
};

use crate::App;

/// `POST /v1/verifications`.
pub async fn claim(app: &App, request: &Request) -> Result<Answer, ApiError> {
    let body: ClaimBody = request.body()?;
    let today = time::date_in(time::DEFAULT_ZONE, time::now());
    let claim = body.read(today).map_err(Problem::fields)?;
    let limits = [Limit::ClaimsPerSource, Limit::Claims];
    take(app, request, &Asked::Claim(Box::new(claim)), &limits).await
}

/// What somebody who signs in again says: the one or the other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    #[serde(default)]
    mobile: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

impl SignInBody {
    fn read(&self) -> Result<ContactPoint, Vec<FieldError>> {
        let fault = |pointer: &str, code, detail: &str| vec![FieldError::new(pointer, code, detail)];
        match (&self.mobile, &self.email) {
            (Some(text), None) => Some(text)
                .filter(|text| text.len() <= 60)
                .and_then(|text| PhoneNumber::parse(text).ok())
                .map(|parsed| parsed.number)
                .filter(|number| number.kind() != PhoneKind::Landline)
                .map(ContactPoint::Mobile)
                .ok_or_else(|| fault("/mobile", "invalid", "write a mobile number, such as 07700 900123")),
            (None, Some(text)) => Some(text)
                .filter(|text| text.len() <= 400)
                .and_then(|text| text.parse().ok())
                .map(ContactPoint::Email)
                .ok_or_else(|| {
                    fault("/email", "invalid", "write an e-mail address, such as name@example.com")
                }),
            _ => Err(fault("", "one_of", "send either mobile or email")),
        }
    }
}

/// `POST /v1/sessions`.
pub async fn sign_in(app: &App, request: &Request) -> Result<Answer, ApiError> {
    let point = request.body::<SignInBody>()?.read().map_err(Problem::fields)?;
    // A device that shows what it was once signed in with is counted by itself.
    let known = session::shown(&app.tables, request).await?.map(|token| token.account_id);
    let limits: &[Limit] = match known {
        None => &[Limit::SignInsPerSource, Limit::SignIns],
        Some(_) => &[],
    };
    take(app, request, &Asked::SignIn { point, known }, limits).await
}

async fn take(app: &App, request: &Request, asked: &Asked, limits: &[Limit]) -> Result<Answer, ApiError> {
    let now = time::now();
    let id = VerificationId::new(now, &random::bytes());
    let answer =
        Answer::json(202, json!({"verification_id": id, "expires_at": time::rfc3339(now + code::LIFETIME)}));
    let accounts = match app.keyring.key(Domain::Accounts).await {
        Ok(accounts) => accounts,
        // Before the first school is taken on there is nobody who could be meant.
        Err(SealError::NoKey) => return answer,
        Err(error) => return Err(error.into()),
    };
    for limit in limits {
        if !limit.take(&app.tables, &subject(*limit, request, &accounts), now).await? {
            let detail = "Too many attempts from here. Wait an hour, or ask the school's office.";
            return Err(Problem::new(Code::TooManyRequests, detail).into());
        }
    }
    app.tables.put(&Verification::new(id, asked, &accounts, now), Condition::Absent).await?;
    // One group for all: a group of the school's would need to know the school.
    app.queues.send(&app.send_queue, "verifications", &[Task::SendCode { verification_id: id }]).await?;
    answer
}

fn subject(limit: Limit, request: &Request, accounts: &DataKey) -> String {
    match limit {
        Limit::ClaimsPerSource | Limit::SignInsPerSource => accounts.blind("source", &request.source_ip),
        _ => EVERYBODY.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_contact_point_signs_in() {
        let read = |body: serde_json::Value| {
            serde_json::from_value::<SignInBody>(body)
                .unwrap()
                .read()
                .map_err(|errors| format!("{} {}", errors[0].pointer, errors[0].code))
        };
        assert_eq!(read(json!({"mobile": "07700 900123"})).unwrap().expose(), "+447700900123");
        assert_eq!(read(json!({"email": "Ann@Example.com"})).unwrap().expose(), "ann@example.com");
        for (body, expected) in [
            (json!({}), " one_of"),
            (json!({"mobile": "07700 900123", "email": "ann@example.com"}), " one_of"),
            (json!({"mobile": "01632 960001"}), "/mobile invalid"),
            (json!({"mobile": "7".repeat(61)}), "/mobile invalid"),
            (json!({"email": "ann"}), "/email invalid"),
        ] {
            assert_eq!(read(body).unwrap_err(), expected);
        }
    }
}
