//! What the carrier reports afterwards arrives where AWS would put it: SES events come through a rule on the default bus,
//! delivery records of texts lie in the log groups of SNS. In the shapes AWS documents, and as the script says: late,
//! twice, reordered, never.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use local::{
    Result, eventually,
    tap::{Channel, Event, Order, Script, Sent, Step, To},
};
use serde_json::{Value, json};

use crate::{
    messages::{draft, school, send},
    sheet::{EMAIL, Sheet},
    world::{DEADLINE, World, text},
};

/// What happens to messages whose row in the outbox holds `contains`.
fn script(contains: &str, events: &[Event]) -> Script {
    Script {
        on: To { contains: Some(contains.to_owned()), channel: None },
        events: events.iter().map(|event| Step::Plain(*event)).collect(),
        copies: 1,
        order: Order::Given,
        delay_ms: 0,
        since: None,
    }
}

/// A rule on the SES events of one school, with a queue of its own behind it. The queue is a FIFO queue: a rule reports in
/// the order of the bus, which only such a queue keeps.
struct Inbox<'a> {
    world: &'a World,
    url: String,
}

impl<'a> Inbox<'a> {
    async fn open(world: &'a World) -> Self {
        let name = format!("{}.fifo", world.school);
        let attributes = json!({"FifoQueue": "true", "ContentBasedDeduplication": "true"});
        let queue = json!({"QueueName": name, "Attributes": attributes});
        let queue = call(world, "sqs", "AmazonSQS.CreateQueue", &queue).await;
        let inbox = Self { world, url: text(&queue["QueueUrl"]).to_owned() };
        let arn = json!({"QueueUrl": inbox.url, "AttributeNames": ["QueueArn"]});
        let arn = call(world, "sqs", "AmazonSQS.GetQueueAttributes", &arn).await;
        let pattern =
            json!({"source": ["aws.ses"], "detail": {"mail": {"tags": {"school_id": [world.school]}}}});
        let rule = json!({"Name": world.school, "EventPattern": pattern.to_string()});
        call(world, "events", "AWSEvents.PutRule", &rule).await;
        let target = json!({
            "Id": "inbox", "Arn": arn["Attributes"]["QueueArn"], "SqsParameters": {"MessageGroupId": "all"},
        });
        let targets = json!({"Rule": world.school, "Targets": [target]});
        let put = call(world, "events", "AWSEvents.PutTargets", &targets).await;
        assert_eq!(put["FailedEntryCount"], 0, "{put}");
        inbox
    }

    /// The next `count` events, in the order in which they came.
    async fn next(&self, count: usize) -> Vec<Value> {
        let mut events = Vec::new();
        let all = eventually("the events arrive", DEADLINE, async || {
            let receive = json!({"QueueUrl": self.url, "MaxNumberOfMessages": 10});
            let received = call(self.world, "sqs", "AmazonSQS.ReceiveMessage", &receive).await;
            for message in received["Messages"].as_array().into_iter().flatten() {
                events.push(serde_json::from_str(text(&message["Body"])).expect("an event is JSON"));
                let delete = json!({"QueueUrl": self.url, "ReceiptHandle": message["ReceiptHandle"]});
                call(self.world, "sqs", "AmazonSQS.DeleteMessage", &delete).await;
            }
            Ok((events.len() >= count).then_some(()))
        });
        all.await.unwrap_or_else(|error| panic!("{error}: {} of {count}: {events:?}", events.len()));
        assert_eq!(events.len(), count, "{events:?}");
        events
    }

    /// Takes away what nobody else knows of.
    async fn close(self) {
        let rule = &self.world.school;
        call(self.world, "events", "AWSEvents.RemoveTargets", &json!({"Rule": rule, "Ids": ["inbox"]})).await;
        call(self.world, "events", "AWSEvents.DeleteRule", &json!({"Name": rule})).await;
        call(self.world, "sqs", "AmazonSQS.DeleteQueue", &json!({"QueueUrl": self.url})).await;
    }
}

async fn call(world: &World, service: &str, target: &str, body: &Value) -> Value {
    world.stack.aws().json(service, target, body).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The types of some events, in order.
fn types<'a>(events: &[&'a Value]) -> Vec<&'a str> {
    events.iter().map(|event| text(&event["detail-type"])).collect()
}

#[track_caller]
fn time(value: &Value) -> Timestamp {
    text(value).parse().unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// Envelope, mail and tags are those of the message that was sent.
#[track_caller]
fn is_about(event: &Value, sent: &Sent, message: &str) {
    assert_eq!((&event["version"], &event["account"]), (&json!("0"), &json!("000000000000")), "{event}");
    assert_eq!(event["region"], "eu-west-2", "{event}");
    assert!(!text(&event["id"]).is_empty() && event["resources"].is_array(), "{event}");
    time(&event["time"]);
    let mail = &event["detail"]["mail"];
    assert_eq!(mail["messageId"], sent.message_id.as_deref().expect("the carrier took it"), "{event}");
    assert_eq!(mail["destination"], json!([sent.to]), "{event}");
    assert_eq!(mail["source"], sent.from, "{event}");
    assert_eq!(mail["commonHeaders"]["subject"], sent.subject, "{event}");
    let tags = &mail["tags"];
    assert_eq!(tags["message_id"], json!([message]), "{event}");
    assert_eq!(tags["chunk"], json!(["0"]), "{event}");
    assert_eq!(tags["ses:operation"], json!(["SendBulkEmail"]), "{event}");
    assert!(tags["ses:configuration-set"][0].is_string(), "{event}");
}

/// Every event with its types, and where it says what is particular to it about a message to `to`.
fn documented(to: &str) -> [(Event, &str, &str, &str, Value); 7] {
    use Event::{Bounce, Complaint, Delivery, DeliveryDelay, Reject, RenderingFailure, Send};
    let delayed = "/deliveryDelay/delayedRecipients/0/emailAddress";
    let complained = "/complaint/complainedRecipients/0/emailAddress";
    let template = "/failure/templateName";
    let bounced = "/bounce/bouncedRecipients/0/emailAddress";
    [
        (Send, "Email Sent", "Send", "/send", json!({})),
        (DeliveryDelay, "Email Delivery Delayed", "DeliveryDelay", delayed, json!(to)),
        (Delivery, "Email Delivered", "Delivery", "/delivery/recipients", json!([to])),
        (Complaint, "Email Complaint Received", "Complaint", complained, json!(to)),
        (Bounce, "Email Bounced", "Bounce", bounced, json!(to)),
        (Reject, "Email Rejected", "Reject", "/reject/reason", json!("Bad content")),
        (RenderingFailure, "Email Rendering Failed", "Rendering Failure", template, json!("inline")),
    ]
}

#[tokio::test]
async fn what_a_script_says_of_email_arrives_through_a_rule() {
    const NAMES: [&str; 4] = ["every", "twice", "late", "never"];
    const LATE: u16 = 1_500;

    let world = World::new().await;
    let address = |name: &str| format!("{name}.{}@example.com", world.school);
    let sheet = NAMES
        .iter()
        .enumerate()
        .fold(Sheet::families(4), |sheet, (row, name)| sheet.with(row, EMAIL, &address(name)));
    assert_eq!(world.upload(&sheet.bytes()).await["status"], "done");
    let inbox = Inbox::open(&world).await;

    let transient = json!({"bounceType": "Transient", "bounceSubType": "MailboxFull"});
    let late = Step::Detailed { event: Event::Delivery, with: Value::Null, delay_ms: LATE.into() };
    let scripts = [
        script(&address("every"), &documented("").map(|(event, ..)| event)),
        Script {
            events: vec![
                Step::Plain(Event::Send),
                Step::Detailed { event: Event::Bounce, with: transient, delay_ms: 0 },
            ],
            copies: 2,
            order: Order::Reversed,
            ..script(&address("twice"), &[])
        },
        Script { events: vec![Step::Plain(Event::Send), late], ..script(&address("late"), &[]) },
        script(&address("never"), &[]),
    ];
    for script in &scripts {
        world.stack.script(script).await.expect("the tap takes it");
    }
    let before = world.stack.mark().await.expect("the tap answers");
    let message = send(&world, &draft(&world, "service", &["email"])).await;
    world.drain(&message).await;
    let mut events = inbox.next(7 + 4 + 2).await;

    // Reported long afterwards, of a message the carrier has had for a while. It comes last of all, so nothing else came.
    let afterwards = Script { since: Some(before.outbox), ..script(&address("late"), &[Event::Complaint]) };
    world.stack.script(&afterwards).await.expect("the tap takes it");
    events.append(&mut inbox.next(1).await);

    let outbox = world.outbox().await;
    let sent: BTreeMap<_, _> = outbox.iter().map(|sent| (sent.to.clone(), sent)).collect();
    assert_eq!((outbox.len(), sent.len()), (4, 4), "{outbox:?}");
    let of = |name: &str| -> Vec<&Value> {
        let sent = sent[&address(name)];
        let id = sent.message_id.as_deref();
        let own = events.iter().filter(|event| event["detail"]["mail"]["messageId"].as_str() == id);
        own.inspect(|event| is_about(event, sent, &message)).collect()
    };

    let (every, to) = (of("every"), address("every"));
    assert_eq!(every.len(), 7);
    for (event, (_, detail_type, event_type, pointer, value)) in every.iter().zip(documented(&to)) {
        assert_eq!(
            (text(&event["detail-type"]), text(&event["detail"]["eventType"])),
            (detail_type, event_type)
        );
        assert_eq!(event["detail"].pointer(pointer), Some(&value), "{event}");
    }

    let twice = of("twice");
    assert_eq!(
        types(&twice),
        ["Email Bounced", "Email Bounced", "Email Sent", "Email Sent"],
        "the last first, and each twice"
    );
    let bounce = &twice[0]["detail"]["bounce"];
    assert_eq!((text(&bounce["bounceType"]), text(&bounce["bounceSubType"])), ("Transient", "MailboxFull"));
    assert_eq!(bounce["feedbackId"], twice[1]["detail"]["bounce"]["feedbackId"], "one bounce, told twice");
    assert_ne!(twice[0]["id"], twice[1]["id"]);

    let late = of("late");
    assert_eq!(types(&late), ["Email Sent", "Email Delivered", "Email Complaint Received"]);
    let detail = &late[1]["detail"];
    let waited = time(&detail["delivery"]["timestamp"]).duration_since(time(&detail["mail"]["timestamp"]));
    // A delivery is timed to the millisecond, rounded down.
    assert!(waited >= SignedDuration::from_millis(i64::from(LATE) - 1), "{waited}");

    assert_eq!(types(&of("never")), [""; 0]);
    inbox.close().await;
}

/// The records in one of the log groups of SNS about these texts, by the text's id.
async fn records(world: &World, group: &str, texts: &[Sent]) -> Result<BTreeMap<String, Vec<Value>>> {
    let group = format!("sns/eu-west-2/000000000000/{group}");
    let mut records = BTreeMap::<_, Vec<_>>::new();
    // The group comes into being with its first record.
    let known = json!({"logGroupNamePrefix": group});
    let known = world.stack.aws().json("logs", "Logs_20140328.DescribeLogGroups", &known).await?;
    if !known["logGroups"].as_array().into_iter().flatten().any(|known| known["logGroupName"] == group) {
        return Ok(records);
    }
    let mut page = json!({"logGroupName": group});
    loop {
        let mut answer = world.stack.aws().json("logs", "Logs_20140328.FilterLogEvents", &page).await?;
        for line in answer["events"].as_array().into_iter().flatten() {
            let record: Value = serde_json::from_str(text(&line["message"])).expect("a record is JSON");
            let id = record["notification"]["messageId"].as_str();
            if texts.iter().any(|sent| sent.message_id.as_deref() == id) {
                records.entry(id.unwrap_or_default().to_owned()).or_default().push(record);
            }
        }
        match answer["nextToken"].take() {
            Value::Null => return Ok(records),
            next => page["nextToken"] = next,
        }
    }
}

#[tokio::test]
async fn what_a_script_says_of_texts_is_in_the_logs() {
    const TAKEN: &str = "DirectPublishToPhoneNumber";
    const LOST: &str = "DirectPublishToPhoneNumber/Failure";
    const BLOCKED: &str = "Blocked as spam by phone carrier";

    let world = school(&Sheet::families(2)).await;
    // Of a text SNS reports nothing but its end.
    let taken =
        Script { copies: 2, ..script(&format!("Taken {}", world.school), &[Event::Send, Event::Delivery]) };
    let with = json!({"providerResponse": BLOCKED});
    let lost = Script {
        events: vec![Step::Detailed { event: Event::Bounce, with, delay_ms: 0 }],
        ..script(&format!("Lost {}", world.school), &[])
    };
    for (word, script, group, status, copies) in
        [("Taken", taken, TAKEN, "SUCCESS", 2), ("Lost", lost, LOST, "FAILURE", 1)]
    {
        world.stack.script(&script).await.expect("the tap takes it");
        let mut body = draft(&world, "service", &["sms"]);
        body["body"] = json!(format!("{word} {}", world.school));
        let message = send(&world, &body).await;
        world.drain(&message).await;
        let texts = world.outbox_with(&format!("{word} {}", world.school)).await;
        assert_eq!(texts.len(), 2, "{texts:?}");
        let written = eventually("the records are written", DEADLINE, async || {
            let written = records(&world, group, &texts).await?;
            Ok((written.values().map(Vec::len).sum::<usize>() >= 2 * copies).then_some(written))
        });
        let written = written.await.expect("they are written");
        for sent in &texts {
            assert_eq!(sent.channel, Channel::Sms);
            let own = &written[sent.message_id.as_deref().expect("the carrier took it")];
            assert_eq!(own.len(), copies, "{own:?}");
            for record in own {
                assert_eq!(record["status"], status, "{record}");
                assert_eq!(record["delivery"]["destination"], sent.to, "{record}");
                assert_eq!(record["delivery"]["smsType"], "Transactional", "{record}");
                assert!(record["notification"]["timestamp"].is_string(), "{record}");
                assert_eq!(record["delivery"]["providerResponse"] == BLOCKED, word == "Lost", "{record}");
            }
        }
        let other = records(&world, if group == TAKEN { LOST } else { TAKEN }, &texts).await;
        assert!(other.expect("the logs answer").is_empty());
    }
}
