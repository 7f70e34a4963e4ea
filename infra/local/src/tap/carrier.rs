//! The carrier: what SES and SNS were given, one row per destination, and the calls MiniStack 1.5.33 lacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    call::Subject,
    http::{Request, Response, decode, pair, pairs},
};

/// Channel of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// SES.
    Email,
    /// SNS to a phone number.
    Sms,
}

/// One message to one destination, as the carrier was given it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sent {
    /// Position in the outbox, from 1.
    pub seq: u64,
    /// Position of the call in the call log.
    pub call: u64,
    /// When the carrier took it, RFC 3339 UTC.
    pub at: String,
    /// Channel.
    pub channel: Channel,
    /// The function that sent it.
    pub function: String,
    /// Address or number.
    pub to: String,
    /// Sender address or sender id.
    pub from: String,
    /// Rendered subject; empty for a text message.
    pub subject: String,
    /// Rendered text.
    pub text: String,
    /// Rendered HTML, if any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub html: Option<String>,
    /// The carrier's id; `None` when it refused the message.
    pub message_id: Option<String>,
    /// SES message tags.
    pub tags: BTreeMap<String, String>,
    /// The call's request; of a bulk call only with the entry of this row.
    pub request: Value,
}

/// The rows of a call the carrier has answered, with `seq` still to be given.
pub(crate) fn rows(subject: &Subject, request: &Request, response: &Response, call: u64) -> Vec<Sent> {
    let base = Sent {
        seq: 0,
        call,
        at: jiff::Timestamp::now().to_string(),
        channel: Channel::Email,
        function: subject.function.clone(),
        to: String::new(),
        from: String::new(),
        subject: String::new(),
        text: String::new(),
        html: None,
        message_id: None,
        tags: BTreeMap::new(),
        request: Value::Null,
    };
    match (subject.service.as_str(), subject.action.as_str()) {
        ("ses", "SendEmail" | "SendBulkEmail") => {
            let (Ok(asked), answered) = (
                serde_json::from_slice::<Value>(&request.body),
                serde_json::from_slice::<Value>(&response.body).unwrap_or(Value::Null),
            ) else {
                return Vec::new();
            };
            let base = Sent { from: string(&asked["FromEmailAddress"]), ..base };
            if subject.action == "SendEmail" {
                single(&base, &asked, &answered)
            } else {
                bulk(&base, &asked, &answered)
            }
        }
        ("sns", "Publish") => text_message(base, request, response).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn addresses(destination: &Value) -> Vec<String> {
    ["ToAddresses", "CcAddresses", "BccAddresses"]
        .iter()
        .filter_map(|kind| destination[kind].as_array())
        .flatten()
        .map(string)
        .collect()
}

fn tags<'a>(lists: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, String> {
    let entries = lists.into_iter().filter_map(Value::as_array).flatten();
    entries.map(|tag| (string(&tag["Name"]), string(&tag["Value"]))).collect()
}

fn single(base: &Sent, asked: &Value, answered: &Value) -> Vec<Sent> {
    let content = &asked["Content"];
    let (subject, text, html) = if content["Template"].is_object() {
        rendered(&content["Template"], &string(&content["Template"]["TemplateData"]))
    } else {
        let simple = &content["Simple"];
        let body = &simple["Body"];
        let html = body["Html"]["Data"].as_str().map(str::to_owned);
        (string(&simple["Subject"]["Data"]), string(&body["Text"]["Data"]), html)
    };
    addresses(&asked["Destination"])
        .into_iter()
        .map(|to| Sent {
            to,
            subject: subject.clone(),
            text: text.clone(),
            html: html.clone(),
            message_id: answered["MessageId"].as_str().map(str::to_owned),
            tags: tags([&asked["EmailTags"]]),
            request: asked.clone(),
            ..base.clone()
        })
        .collect()
}

fn bulk(base: &Sent, asked: &Value, answered: &Value) -> Vec<Sent> {
    let template = &asked["DefaultContent"]["Template"];
    let mut rows = Vec::new();
    for (index, entry) in asked["BulkEmailEntries"].as_array().into_iter().flatten().enumerate() {
        let own = &entry["ReplacementEmailContent"]["ReplacementTemplate"]["ReplacementTemplateData"];
        let data = own.as_str().map_or_else(|| string(&template["TemplateData"]), str::to_owned);
        let (subject, text, html) = rendered(template, &data);
        let mut request = asked.clone();
        request["BulkEmailEntries"] = json!([entry]);
        let result = &answered["BulkEmailEntryResults"][index];
        for to in addresses(&entry["Destination"]) {
            rows.push(Sent {
                to,
                subject: subject.clone(),
                text: text.clone(),
                html: html.clone(),
                message_id: result["MessageId"].as_str().map(str::to_owned),
                tags: tags([&asked["DefaultEmailTags"], &entry["ReplacementTags"]]),
                request: request.clone(),
                ..base.clone()
            });
        }
    }
    rows
}

/// An inline template with its data put in. A stored template is not rendered: Bookbag uses none.
fn rendered(template: &Value, data: &str) -> (String, String, Option<String>) {
    let data: Value = serde_json::from_str(data).unwrap_or(Value::Null);
    let content = &template["TemplateContent"];
    let fill = |part: &Value| part.as_str().map(|text| filled(text, &data));
    (
        fill(&content["Subject"]).unwrap_or_default(),
        fill(&content["Text"]).unwrap_or_default(),
        fill(&content["Html"]),
    )
}

/// Replaces `{{name}}` and `{{{name}}}`.
fn filled(text: &str, data: &Value) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        out.push_str(&rest[..start]);
        let inner = &rest[start..];
        let (open, close) = if inner.starts_with("{{{") { ("{{{", "}}}") } else { ("{{", "}}") };
        let Some(end) = inner.find(close) else {
            rest = inner;
            break;
        };
        match &data[inner[open.len()..end].trim()] {
            Value::String(value) => out.push_str(value),
            Value::Null => {}
            other => out.push_str(&other.to_string()),
        }
        rest = &inner[end + close.len()..];
    }
    out.push_str(rest);
    out
}

fn text_message(base: Sent, request: &Request, response: &Response) -> Option<Sent> {
    let form = std::str::from_utf8(&request.body).ok()?;
    let to = pair(form, "PhoneNumber")?;
    let attributes = message_attributes(form);
    let answer = String::from_utf8_lossy(&response.body);
    Some(Sent {
        channel: Channel::Sms,
        to,
        from: attributes.get("AWS.SNS.SMS.SenderID").cloned().unwrap_or_default(),
        text: pair(form, "Message").unwrap_or_default(),
        message_id: between(&answer, "<MessageId>", "</MessageId>"),
        request: pairs(form)
            .map(|(name, value)| (name, Value::String(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        ..base
    })
}

/// Message attributes of a query-protocol form: `MessageAttributes.entry.N.Name` and `….Value.StringValue`.
fn message_attributes(form: &str) -> BTreeMap<String, String> {
    let all: BTreeMap<String, String> = pairs(form).collect();
    all.iter()
        .filter_map(|(key, name)| {
            let prefix = key.strip_prefix("MessageAttributes.").and_then(|_| key.strip_suffix(".Name"))?;
            Some((name.clone(), all.get(&format!("{prefix}.Value.StringValue"))?.clone()))
        })
        .collect()
}

fn between(text: &str, open: &str, close: &str) -> Option<String> {
    let (_, rest) = text.split_once(open)?;
    rest.split_once(close).map(|(inner, _)| inner.to_owned())
}

/// Register of what MiniStack keeps none of: suppressed addresses, opted-out numbers, text message settings.
#[derive(Debug, Default)]
pub(crate) struct Register {
    suppressed: BTreeMap<String, (String, jiff::Timestamp)>,
    opted_out: BTreeSet<String>,
    sms_attributes: BTreeMap<String, String>,
}

impl Register {
    /// Marks a number as opted out, as an answer of STOP does.
    pub(crate) fn opt_out(&mut self, number: &str) {
        self.opted_out.insert(number.to_owned());
    }

    /// The answer to a call MiniStack lacks; `None` for every other call.
    pub(crate) fn answer(&mut self, subject: &Subject, request: &Request) -> Option<Response> {
        match subject.service.as_str() {
            "ses" => self.suppression(&subject.action, request),
            "sns" => self.opt_outs(&subject.action, std::str::from_utf8(&request.body).ok()?),
            _ => None,
        }
    }

    fn suppression(&mut self, action: &str, request: &Request) -> Option<Response> {
        let address = || decode(request.path().rsplit('/').next().unwrap_or_default());
        let missing = || {
            Response::json(404, &json!({"message": "Email address does not exist on your suppression list."}))
                .with_header("x-amzn-errortype", "NotFoundException")
        };
        Some(match action {
            "PutSuppressedDestination" => {
                let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
                let entry = (string(&body["Reason"]), jiff::Timestamp::now());
                self.suppressed.insert(string(&body["EmailAddress"]), entry);
                Response::json(200, &json!({}))
            }
            "GetSuppressedDestination" => self.suppressed.get(&address()).map_or_else(missing, |(reason, at)| {
                let entry = json!({"EmailAddress": address(), "Reason": reason, "LastUpdateTime": at.as_second()});
                Response::json(200, &json!({"SuppressedDestination": entry}))
            }),
            "DeleteSuppressedDestination" => {
                self.suppressed.remove(&address()).map_or_else(missing, |_| Response::json(200, &json!({})))
            }
            "ListSuppressedDestinations" => {
                let entry = |(address, (reason, at)): (&String, &(String, jiff::Timestamp))| {
                    json!({"EmailAddress": address, "Reason": reason, "LastUpdateTime": at.as_second()})
                };
                let all: Vec<_> = self.suppressed.iter().map(entry).collect();
                Response::json(200, &json!({"SuppressedDestinationSummaries": all}))
            }
            _ => return None,
        })
    }

    fn opt_outs(&mut self, action: &str, form: &str) -> Option<Response> {
        let number = || pair(form, "phoneNumber").unwrap_or_default();
        let result = match action {
            "CheckIfPhoneNumberIsOptedOut" => {
                format!("<isOptedOut>{}</isOptedOut>", self.opted_out.contains(&number()))
            }
            "OptInPhoneNumber" => {
                self.opted_out.remove(&number());
                String::new()
            }
            "ListPhoneNumbersOptedOut" => {
                let members = concat(self.opted_out.iter().map(|n| format!("<member>{n}</member>")));
                format!("<phoneNumbers>{members}</phoneNumbers>")
            }
            "SetSMSAttributes" => {
                let all: BTreeMap<String, String> = pairs(form).collect();
                for (key, name) in &all {
                    if let Some(prefix) = key.strip_suffix(".key") {
                        let value = all.get(&format!("{prefix}.value")).cloned().unwrap_or_default();
                        self.sms_attributes.insert(name.clone(), value);
                    }
                }
                String::new()
            }
            "GetSMSAttributes" => {
                let entry = |(key, value): (&String, &String)| {
                    format!("<entry><key>{key}</key><value>{value}</value></entry>")
                };
                format!("<attributes>{}</attributes>", concat(self.sms_attributes.iter().map(entry)))
            }
            _ => return None,
        };
        let body = format!(
            "<{action}Response xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><{action}Result>{result}</{action}Result>\
             <ResponseMetadata><RequestId>tap</RequestId></ResponseMetadata></{action}Response>"
        );
        Some(Response::new(200, "text/xml", body))
    }
}

fn concat(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(service: &str, action: &str) -> Subject {
        Subject { service: service.into(), action: action.into(), function: "message-send".into() }
    }

    fn request(target: &str, body: &str) -> Request {
        Request { method: "POST".into(), target: target.into(), headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn a_bulk_call_is_a_row_per_destination_with_its_own_text() {
        let asked = json!({
            "FromEmailAddress": "office@mail.example.com",
            "DefaultEmailTags": [{"Name": "message", "Value": "msg_1"}],
            "DefaultContent": {"Template": {
                "TemplateContent": {"Subject": "{{subject}}", "Text": "{{{text}}}"},
                "TemplateData": "{\"subject\":\"Trip\",\"text\":\"-\"}",
            }},
            "BulkEmailEntries": [
                {"Destination": {"ToAddresses": ["a@example.com"]},
                 "ReplacementTags": [{"Name": "recipient", "Value": "0"}],
                 "ReplacementEmailContent": {"ReplacementTemplate": {
                    "ReplacementTemplateData": "{\"subject\":\"Trip\",\"text\":\"For Ada\"}"}}},
                {"Destination": {"ToAddresses": ["b@example.com"]}},
            ],
        });
        let answer = Response::json(
            200,
            &json!({"BulkEmailEntryResults": [
            {"Status": "SUCCESS", "MessageId": "m1"}, {"Status": "TRANSIENT_FAILURE"}]}),
        );
        let request = request("/v2/email/outbound-bulk-emails", &asked.to_string());
        let rows = rows(&subject("ses", "SendBulkEmail"), &request, &answer, 7);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].subject.as_str(), rows[0].text.as_str()), ("Trip", "For Ada"));
        assert_eq!(rows[0].tags.get("recipient").map(String::as_str), Some("0"));
        assert_eq!(rows[0].tags.get("message").map(String::as_str), Some("msg_1"));
        assert_eq!(rows[0].message_id.as_deref(), Some("m1"));
        assert_eq!((rows[1].text.as_str(), rows[1].message_id.as_deref()), ("-", None));
        assert_eq!(rows[1].request["BulkEmailEntries"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn a_text_message_has_its_number_and_sender() {
        let form = "Action=Publish&PhoneNumber=%2B447700900123&Message=Code+123&\
                    MessageAttributes.entry.1.Name=AWS.SNS.SMS.SenderID&\
                    MessageAttributes.entry.1.Value.StringValue=Oakfield";
        let answer = Response::new(200, "text/xml", "<MessageId>m2</MessageId>");
        let rows = rows(&subject("sns", "Publish"), &request("/", form), &answer, 1);
        assert_eq!(rows[0].to, "+447700900123");
        assert_eq!((rows[0].from.as_str(), rows[0].text.as_str()), ("Oakfield", "Code 123"));
        assert_eq!(rows[0].message_id.as_deref(), Some("m2"));
        let topic = request("/", "Action=Publish&TopicArn=arn");
        assert!(super::rows(&subject("sns", "Publish"), &topic, &answer, 1).is_empty());
    }

    #[test]
    fn placeholders_are_filled_and_loose_braces_kept() {
        assert_eq!(filled("a {{ x }} {{{y}}} {{", &json!({"x": 1, "y": "<b>"})), "a 1 <b> {{");
    }

    #[test]
    fn missing_calls_are_answered() {
        let mut register = Register::default();
        register.opt_out("+447700900123");
        let form = request("/", "Action=CheckIfPhoneNumberIsOptedOut&phoneNumber=%2B447700900123");
        let answer =
            register.answer(&subject("sns", "CheckIfPhoneNumberIsOptedOut"), &form).expect("it is answered");
        assert!(String::from_utf8_lossy(&answer.body).contains("<isOptedOut>true"));
        let put = request("/v2/email/suppression/addresses", r#"{"EmailAddress":"a@b.c","Reason":"BOUNCE"}"#);
        assert!(register.answer(&subject("ses", "PutSuppressedDestination"), &put).is_some());
        let get = request("/v2/email/suppression/addresses/a%40b.c", "");
        let answer =
            register.answer(&subject("ses", "GetSuppressedDestination"), &get).expect("it is answered");
        assert_eq!(answer.status, 200);
        assert!(register.answer(&subject("ses", "SendEmail"), &put).is_none());
    }
}
