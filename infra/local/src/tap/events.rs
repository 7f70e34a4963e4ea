//! What the carrier reports afterwards, in the shapes AWS documents: SES events as EventBridge delivers them and the
//! delivery records SNS writes into its log group. MiniStack 1.5.33 emits neither.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::carrier::{Channel, Sent};
use crate::{cloud::REGION, venv::hex};

/// Account of everything local.
pub(crate) const ACCOUNT: &str = "000000000000";

/// The `Source` of an SES event. `PutEvents` of MiniStack refuses any text that begins with `aws.`, as AWS does to all
/// but its own services, and no other call of MiniStack takes an event; it looks at texts only, though, and its rules look
/// into lists. So rules on `aws.ses` match as on AWS, and what they deliver is as on AWS but for `source`, a list of one.
pub(crate) const SES_SOURCE: [&str; 1] = ["aws.ses"];

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// E-mail: accepted for sending.
    Send,
    /// E-mail: taken by the recipient's server. Text message: `SUCCESS`.
    Delivery,
    /// E-mail: refused for good. Text message: `FAILURE`.
    Bounce,
    /// E-mail: marked as spam by the recipient.
    Complaint,
    /// E-mail: a virus, never sent.
    Reject,
    /// E-mail: the template's data did not fit.
    RenderingFailure,
    /// E-mail: not yet taken.
    DeliveryDelay,
}

impl Event {
    /// The `detail-type` of the EventBridge event.
    pub(crate) fn detail_type(self) -> &'static str {
        match self {
            Self::Send => "Email Sent",
            Self::Delivery => "Email Delivered",
            Self::Bounce => "Email Bounced",
            Self::Complaint => "Email Complaint Received",
            Self::Reject => "Email Rejected",
            Self::RenderingFailure => "Email Rendering Failed",
            Self::DeliveryDelay => "Email Delivery Delayed",
        }
    }

    /// `eventType` within the detail, and the member that holds what is particular to it.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Send => ("Send", "send"),
            Self::Delivery => ("Delivery", "delivery"),
            Self::Bounce => ("Bounce", "bounce"),
            Self::Complaint => ("Complaint", "complaint"),
            Self::Reject => ("Reject", "reject"),
            Self::RenderingFailure => ("Rendering Failure", "failure"),
            Self::DeliveryDelay => ("DeliveryDelay", "deliveryDelay"),
        }
    }
}

/// The `detail` of an SES event; `with` replaces members of the part that is particular to the event.
pub(crate) fn ses_detail(event: Event, sent: &Sent, with: &Value, now: jiff::Timestamp) -> Value {
    let (event_type, member) = event.names();
    let at = now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    let mut part = particular(event, sent, &at);
    if let (Some(part), Some(with)) = (part.as_object_mut(), with.as_object()) {
        part.extend(with.clone());
    }
    let domain = sent.from.rsplit('@').next().unwrap_or_default().trim_end_matches('>');
    let mut tags = json!({
        "ses:operation": [if sent.request["BulkEmailEntries"].is_array() { "SendBulkEmail" } else { "SendEmail" }],
        "ses:source-ip": ["127.0.0.1"],
        "ses:from-domain": [domain],
        "ses:caller-identity": [sent.function],
    });
    if let Some(set) = sent.request["ConfigurationSetName"].as_str() {
        tags["ses:configuration-set"] = json!([set]);
    }
    for (name, value) in &sent.tags {
        tags[name] = json!([value]);
    }
    json!({
        "eventType": event_type,
        "mail": {
            "timestamp": sent.at,
            "source": sent.from,
            "sourceArn": format!("arn:aws:ses:{REGION}:{ACCOUNT}:identity/{domain}"),
            "sendingAccountId": ACCOUNT,
            "messageId": sent.message_id,
            "destination": [sent.to],
            "headersTruncated": false,
            "headers": [
                {"name": "From", "value": sent.from},
                {"name": "To", "value": sent.to},
                {"name": "Subject", "value": sent.subject},
            ],
            "commonHeaders": {
                "from": [sent.from], "to": [sent.to], "messageId": sent.message_id, "subject": sent.subject,
            },
            "tags": tags,
        },
        member: part,
    })
}

fn particular(event: Event, sent: &Sent, at: &str) -> Value {
    let feedback = format!("0102{}-000000", hex(&sent.seq.to_be_bytes()));
    match event {
        Event::Send => json!({}),
        Event::Delivery => json!({
            "timestamp": at,
            "processingTimeMillis": 512,
            "recipients": [sent.to],
            "smtpResponse": "250 2.6.0 Message received",
            "reportingMTA": "mta.example.com",
        }),
        Event::Bounce => json!({
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [{
                "emailAddress": sent.to,
                "action": "failed",
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 user unknown",
            }],
            "timestamp": at,
            "feedbackId": feedback,
            "reportingMTA": "dsn; mta.example.com",
        }),
        Event::Complaint => json!({
            "complainedRecipients": [{"emailAddress": sent.to}],
            "timestamp": at,
            "feedbackId": feedback,
            "complaintFeedbackType": "abuse",
            "userAgent": "feedback-loop/1.0",
            "arrivalDate": at,
        }),
        Event::Reject => json!({"reason": "Bad content"}),
        Event::RenderingFailure => json!({
            "errorMessage": "Attribute 'text' is not present in the rendering data.",
            "templateName": "inline",
        }),
        Event::DeliveryDelay => json!({
            "timestamp": at,
            "delayType": "MailboxFull",
            "expirationTime": at,
            "delayedRecipients": [{
                "emailAddress": sent.to,
                "status": "4.2.2",
                "diagnosticCode": "smtp; 452 4.2.2 mailbox full",
            }],
            "reportingMTA": "mta.example.com",
        }),
    }
}

/// The log group SNS writes a text message's delivery record to, and the record.
pub(crate) fn sns_record(event: Event, sent: &Sent, with: &Value, now: jiff::Timestamp) -> (String, Value) {
    let is_delivered = event == Event::Delivery;
    let at = now.strftime("%Y-%m-%d %H:%M:%S.%3f").to_string();
    let answer = if is_delivered {
        "Message has been accepted by phone carrier"
    } else {
        "Phone is currently unreachable/unavailable"
    };
    let mut delivery = json!({
        "phoneCarrier": "Example Mobile",
        "mnc": 0,
        "numberOfMessageParts": 1,
        "destination": sent.to,
        "priceInUSD": 0.041_74,
        "smsType": "Transactional",
        "mcc": 234,
        "providerResponse": answer,
        "dwellTimeMs": 599,
        "dwellTimeMsUntilDeviceAck": 1344,
    });
    if let (Some(delivery), Some(with)) = (delivery.as_object_mut(), with.as_object()) {
        delivery.extend(with.clone());
    }
    let group = format!("sns/{REGION}/{ACCOUNT}/DirectPublishToPhoneNumber");
    let group = if is_delivered { group } else { format!("{group}/Failure") };
    let record = json!({
        "notification": {"messageId": sent.message_id, "timestamp": at},
        "delivery": delivery,
        "status": if is_delivered { "SUCCESS" } else { "FAILURE" },
    });
    (group, record)
}

/// What is to happen to messages that match, and how reliably it is reported.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The messages it is for.
    #[serde(rename = "match", default)]
    pub on: To,
    /// The events of each message, in order.
    pub events: Vec<Step>,
    /// How often each event is reported.
    #[serde(default = "one")]
    pub copies: u32,
    /// The order in which they are reported.
    #[serde(default)]
    pub order: Order,
    /// Pause before the first report.
    #[serde(default)]
    pub delay_ms: u64,
    /// Also applies to messages already in the outbox after this position.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<u64>,
}

fn one() -> u32 {
    1
}

/// Which messages a script is for; an absent field matches everything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct To {
    /// Text the outbox row must hold: an address, a tag, a word of the message.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub contains: Option<String>,
    /// Channel of the message.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channel: Option<Channel>,
}

/// An event, alone or with what is particular about it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// The event as it usually is.
    Plain(Event),
    /// The event with replaced members or a pause of its own.
    Detailed {
        /// The event.
        event: Event,
        /// Members to replace, such as `{"bounceType": "Transient"}`.
        #[serde(default)]
        with: Value,
        /// Pause before this report.
        #[serde(default)]
        delay_ms: u64,
    },
}

impl Step {
    pub(crate) fn parts(&self) -> (Event, &Value, u64) {
        match self {
            Self::Plain(event) => (*event, &Value::Null, 0),
            Self::Detailed { event, with, delay_ms } => (*event, with, *delay_ms),
        }
    }
}

/// Order of the reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they happened.
    #[default]
    Given,
    /// The last first.
    Reversed,
}

impl Script {
    pub(crate) fn hits(&self, sent: &Sent, row: &str) -> bool {
        // A refused message has no id and so no events.
        sent.message_id.is_some()
            && self.on.channel.is_none_or(|channel| channel == sent.channel)
            && self.on.contains.as_deref().is_none_or(|text| row.contains(text))
    }

    /// The reports in the order and number in which they are made.
    pub(crate) fn reports(&self) -> Vec<Step> {
        let mut steps = self.events.clone();
        if self.order == Order::Reversed {
            steps.reverse();
        }
        let copies = self.copies as usize;
        steps.into_iter().flat_map(|step| std::iter::repeat_n(step, copies)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn sent(channel: Channel) -> Sent {
        Sent {
            seq: 3,
            call: 9,
            at: "2026-01-02T03:04:05Z".into(),
            channel,
            function: "message-send".into(),
            to: "ada@example.com".into(),
            from: "Oakfield Primary <oakfield@mail.example.com>".into(),
            subject: "Trip".into(),
            text: "Bring boots".into(),
            html: None,
            message_id: Some("m-1".into()),
            tags: BTreeMap::from([("message".into(), "msg_1".into())]),
            request: json!({"BulkEmailEntries": [], "ConfigurationSetName": "set"}),
        }
    }

    #[test]
    fn a_bounce_has_tags_recipient_and_overrides() {
        let with = json!({"bounceType": "Transient"});
        let detail = ses_detail(Event::Bounce, &sent(Channel::Email), &with, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(detail["eventType"], "Bounce");
        assert_eq!(detail["mail"]["messageId"], "m-1");
        assert_eq!(detail["mail"]["tags"]["message"], json!(["msg_1"]));
        assert_eq!(detail["mail"]["tags"]["ses:from-domain"], json!(["mail.example.com"]));
        assert_eq!(detail["mail"]["tags"]["ses:configuration-set"], json!(["set"]));
        assert_eq!(detail["bounce"]["bounceType"], "Transient");
        assert_eq!(detail["bounce"]["bouncedRecipients"][0]["emailAddress"], "ada@example.com");
        assert_eq!(detail["bounce"]["timestamp"], "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_rendering_failure_is_named_with_a_space() {
        let detail = ses_detail(
            Event::RenderingFailure,
            &sent(Channel::Email),
            &Value::Null,
            jiff::Timestamp::UNIX_EPOCH,
        );
        assert_eq!(detail["eventType"], "Rendering Failure");
        assert!(detail["failure"]["errorMessage"].is_string());
    }

    #[test]
    fn text_messages_are_reported_in_a_log_group() {
        let (group, record) =
            sns_record(Event::Bounce, &sent(Channel::Sms), &Value::Null, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(group, "sns/eu-west-2/000000000000/DirectPublishToPhoneNumber/Failure");
        assert_eq!(
            (&record["status"], &record["notification"]["messageId"]),
            (&json!("FAILURE"), &json!("m-1"))
        );
    }

    #[test]
    fn a_script_orders_and_repeats() {
        let script: Script = serde_json::from_value(json!({
            "match": {"contains": "msg_1", "channel": "email"},
            "events": ["Send", {"event": "Bounce", "with": {"bounceType": "Transient"}}],
            "copies": 2,
            "order": "reversed",
        }))
        .expect("it reads");
        let events: Vec<_> = script.reports().iter().map(|step| step.parts().0).collect();
        assert_eq!(events, [Event::Bounce, Event::Bounce, Event::Send, Event::Send]);
        assert!(script.hits(&sent(Channel::Email), "… msg_1 …"));
        assert!(!script.hits(&sent(Channel::Sms), "… msg_1 …"));
        let refused = Sent { message_id: None, ..sent(Channel::Email) };
        assert!(!script.hits(&refused, "… msg_1 …"));
    }
}
