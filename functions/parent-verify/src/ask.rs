//! Taking a claim, and taking the wish to sign in again: 202 for whatever is well formed.
//!
//! What was asked is stored sealed and queued, and nothing is looked up: the answer, the calls and the time are those of a stranger,
//! because here everybody is one. message-send looks at it, behind the queue.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::json;
use shared::{
    http::{Answer, ApiError, Problem, Request, problem::Code},
    id::{AccountId, VerificationId},
    queue::Task,
    random,
    seal::{Domain, SealError},
    store::table::Condition,
    time,
    verify::{
        account::ContactPoint,
        claim::ClaimBody,
        code,
        limit::{EVERYBODY, Limit},
        session,
        store::{Asked, Verification, group},
    },
};

use crate::App;

/// `POST /v1/verifications`.
pub async fn claim(app: &App, request: &Request) -> Result<Answer, ApiError> {
    let body: ClaimBody = request.body()?;
    let today = time::date_in(time::DEFAULT_ZONE, time::now());
    let claim = body.read(today).map_err(Problem::fields)?;
    let source = Subject::Source;
    let limits = [(Limit::ClaimsPerSource, source), (Limit::Claims, Subject::Everybody)];
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

/// `POST /v1/sessions`.
pub async fn sign_in(app: &App, request: &Request) -> Result<Answer, ApiError> {
    let SignInBody { mobile, email } = request.body()?;
    let point = ContactPoint::read(mobile.as_deref(), email.as_deref()).map_err(Problem::fields)?;
    // A device that shows what it was once signed in with is counted by itself.
    let known = session::shown(&app.tables, request).await?.map(|token| token.account_id);
    let limits: &[_] = match known {
        None => &[(Limit::SignInsPerSource, Subject::Source), (Limit::SignIns, Subject::Everybody)],
        Some(account) => &[(Limit::SignInsPerAccount, Subject::Account(account))],
    };
    take(app, request, &Asked::SignIn { point, known }, limits).await
}

/// Who is counted.
#[derive(Clone, Copy)]
enum Subject {
    Source,
    Account(AccountId),
    Everybody,
}

async fn take(
    app: &App,
    request: &Request,
    asked: &Asked,
    limits: &[(Limit, Subject)],
) -> Result<Answer, ApiError> {
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
    let source = accounts.blind("source", &network(&request.source_ip));
    for (limit, subject) in limits {
        let subject = match subject {
            Subject::Source => source.clone(),
            Subject::Account(account) => account.to_string(),
            Subject::Everybody => EVERYBODY.to_owned(),
        };
        if !limit.take(&app.tables, &subject, now).await? {
            let detail = "Too many attempts from here. Wait an hour, or ask the school's office.";
            return Err(Problem::new(Code::TooManyRequests, detail).into());
        }
    }
    app.tables.put(&Verification::new(id, asked, source, &accounts, now), Condition::Absent).await?;
    app.queues.send(&app.send_queue, &group(id), &[Task::SendCode { verification_id: id }]).await?;
    answer
}

/// The network that stands for whoever asks: of IPv6 the first 64 bits, because every household has all the addresses below them
/// (RFC 4291, RFC 6177).
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) => (address.to_bits() >> 64).to_string(),
        Ok(IpAddr::V4(_)) | Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_is_one_source() {
        for (one, other, same) in [
            ("198.51.100.1", "198.51.100.1", true),
            ("198.51.100.1", "198.51.100.2", false),
            ("2001:db8::1", "2001:db8:0:0:ffff::9", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            assert_eq!(network(one) == network(other), same, "{one} {other}");
        }
    }
}
