//! Faults: what the network and the services do to a function on a bad day, on demand.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    call::{self, Subject},
    http::{Request, Response},
};

/// Which calls a fault or script is for; an absent field matches everything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Service as IAM spells it, such as `dynamodb`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service: Option<String>,
    /// Action, such as `PutItem`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action: Option<String>,
    /// The calling function.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub function: Option<String>,
    /// Text that path or body must hold, such as a school's id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub contains: Option<String>,
}

impl Match {
    pub(crate) fn hits(&self, subject: &Subject, request: &Request) -> bool {
        let is =
            |wanted: &Option<String>, actual: &str| wanted.as_deref().is_none_or(|wanted| wanted == actual);
        is(&self.service, &subject.service)
            && is(&self.action, &subject.action)
            && is(&self.function, &subject.function)
            && self.contains.as_deref().is_none_or(|text| call::text(request).contains(text))
    }
}

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No answer, no effect: the caller waits until it gives up.
    TimeoutBefore,
    /// The effect happens, the answer never arrives.
    TimeoutAfter,
    /// The service's own answer to too many calls; no effect.
    Throttle,
    /// The service's own internal error; no effect.
    #[serde(rename = "error_500")]
    Error500,
    /// The connection is reset before the effect.
    ResetBefore,
    /// The connection is reset after the effect.
    ResetAfter,
    /// The effect happens, half of the answer's body arrives.
    Truncate,
    /// The second half of a batch is handed back undone.
    PartialBatch,
    /// The calling function's process is killed before the effect.
    KillBefore,
    /// The calling function's process is killed after the effect.
    KillAfter,
}

impl Kind {
    pub(crate) fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// A fault to put in the way of matching calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The calls it is for.
    #[serde(rename = "match", default)]
    pub on: Match,
    /// What is done to them.
    pub fault: Kind,
    /// Matching calls to let through first.
    #[serde(default)]
    pub skip: u64,
    /// How often it strikes after that.
    #[serde(default = "one")]
    pub times: u64,
}

fn one() -> u64 {
    1
}

impl Fault {
    /// A fault that strikes the first matching call, once.
    pub fn once(fault: Kind, on: Match) -> Self {
        Self { on, fault, skip: 0, times: 1 }
    }
}

#[derive(Debug)]
struct Active {
    id: u64,
    fault: Fault,
    seen: u64,
    fired: u64,
}

/// The faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    active: Vec<Active>,
    last_id: u64,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) -> u64 {
        self.last_id += 1;
        self.active.push(Active { id: self.last_id, fault, seen: 0, fired: 0 });
        self.last_id
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.active.len();
        self.active.retain(|active| active.id != id);
        self.active.len() < before
    }

    /// How many calls a fault has seen and struck.
    pub(crate) fn state(&self, id: u64) -> Option<(u64, u64)> {
        self.active.iter().find(|active| active.id == id).map(|active| (active.seen, active.fired))
    }

    /// The first fault that strikes this call. Every matching fault counts the call, so `skip` does not depend on order.
    pub(crate) fn strike(&mut self, subject: &Subject, request: &Request) -> Option<Kind> {
        let mut struck = None;
        for active in &mut self.active {
            if !active.fault.on.hits(subject, request) {
                continue;
            }
            active.seen += 1;
            let due = active.seen > active.fault.skip && active.fired < active.fault.times;
            if due && struck.is_none() {
                active.fired += 1;
                struck = Some(active.fault.fault);
            }
        }
        struck
    }
}

/// The service's way of saying "too many calls".
pub(crate) fn throttled(service: &str) -> Response {
    match service {
        "dynamodb" => json_error(
            400,
            "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded.",
        ),
        "sqs" => {
            json_error(400, "com.amazonaws.sqs#RequestThrottled", "The request was denied due to throttling.")
                .with_header("x-amzn-query-error", "RequestThrottled;Sender")
        }
        "s3" => s3_error(503, "SlowDown", "Please reduce your request rate."),
        "sns" => query_error(429, "Sender", "Throttled", "Rate exceeded"),
        "ses" => rest_error(429, "TooManyRequestsException", "Maximum sending rate exceeded."),
        "lambda" => rest_error(429, "TooManyRequestsException", "Rate exceeded"),
        _ => json_error(400, "ThrottlingException", "Rate exceeded"),
    }
}

/// The service's way of saying "our fault".
pub(crate) fn broken(service: &str) -> Response {
    match service {
        "dynamodb" => {
            json_error(500, "com.amazonaws.dynamodb.v20120810#InternalServerError", "Internal server error")
        }
        "sqs" => json_error(500, "com.amazonaws.sqs#InternalFailure", "An internal failure occurred.")
            .with_header("x-amzn-query-error", "InternalFailure;Receiver"),
        "s3" => s3_error(500, "InternalError", "We encountered an internal error. Please try again."),
        "sns" => query_error(500, "Receiver", "InternalError", "Internal error"),
        "ses" => rest_error(500, "InternalServiceErrorException", "Internal service error"),
        "lambda" => rest_error(500, "ServiceException", "Internal service error"),
        "kms" => json_error(500, "KMSInternalException", "Internal service error"),
        _ => json_error(500, "InternalFailure", "Internal service error"),
    }
}

fn json_error(status: u16, code: &str, message: &str) -> Response {
    let body = json!({"__type": code, "message": message}).to_string();
    Response::new(status, "application/x-amz-json-1.0", body)
}

fn rest_error(status: u16, code: &str, message: &str) -> Response {
    Response::json(status, &json!({"message": message})).with_header("x-amzn-errortype", code)
}

fn query_error(status: u16, kind: &str, code: &str, message: &str) -> Response {
    let body = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>{kind}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>tap</RequestId></ErrorResponse>"
    );
    Response::new(status, "text/xml", body)
}

fn s3_error(status: u16, code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>tap</RequestId></Error>"
    );
    Response::new(status, "application/xml", body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject { service: "dynamodb".into(), action: "PutItem".into(), function: "message-send".into() }
    }

    fn request(body: &str) -> Request {
        Request { method: "POST".into(), target: "/".into(), headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn a_match_needs_every_named_part() {
        let hits = |on: Match| on.hits(&subject(), &request("sch_a"));
        assert!(hits(Match::default()));
        assert!(hits(Match {
            action: Some("PutItem".into()),
            contains: Some("sch_a".into()),
            ..Match::default()
        }));
        assert!(!hits(Match {
            action: Some("PutItem".into()),
            contains: Some("sch_b".into()),
            ..Match::default()
        }));
        assert!(!hits(Match { function: Some("staff-api".into()), ..Match::default() }));
    }

    #[test]
    fn a_fault_skips_then_strikes_then_rests() {
        let mut faults = Faults::default();
        let fault = Fault { on: Match::default(), fault: Kind::Throttle, skip: 1, times: 2 };
        let id = faults.add(fault);
        let struck: Vec<_> = (0..4).map(|_| faults.strike(&subject(), &request("")).is_some()).collect();
        assert_eq!(struck, [false, true, true, false]);
        assert_eq!(faults.state(id), Some((4, 2)));
        assert!(faults.remove(id) && !faults.remove(id));
        assert_eq!(faults.state(id), None);
    }

    #[test]
    fn kinds_are_spelt_as_documented() {
        assert_eq!(Kind::Error500.name(), "error_500");
        assert_eq!(Kind::TimeoutBefore.name(), "timeout_before");
        let fault: Fault =
            serde_json::from_str(r#"{"match":{"service":"sqs"},"fault":"reset_after"}"#).expect("it reads");
        assert_eq!((fault.fault, fault.times), (Kind::ResetAfter, 1));
    }

    #[test]
    fn errors_have_the_shape_of_their_protocol() {
        assert_eq!(throttled("s3").status, 503);
        assert!(String::from_utf8_lossy(&throttled("sns").body).contains("<Code>Throttled</Code>"));
        assert!(
            String::from_utf8_lossy(&throttled("dynamodb").body).contains("ProvisionedThroughputExceeded")
        );
        assert!(broken("ses").headers.iter().any(|(name, _)| name == "x-amzn-errortype"));
    }
}
