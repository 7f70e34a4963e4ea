//! The inbox at its bounds: what a page costs, several schools, crashes, and forgetting.

use std::collections::BTreeSet;

use local::tap::{Call, Fault, Kind, Match};
use serde_json::json;

use crate::{
    inbox::{acknowledge, inbox, is_not_there, post, posts, sent, subjects},
    messages::{deliver, fan_out_task, send},
    parents::{claim, code, mother, school, session},
    people::id,
    retention::sweep,
    sessions::enter_as,
    sheet::Row,
    world::{DEADLINE, World, text},
};

#[tokio::test]
async fn a_fan_out_that_dies_posts_nothing_and_the_next_one_all_once() {
    let world = school((760..800).map(Row::family).collect()).await;
    let hers = session(&world, 761, 0).await;
    let on = |world: &World| Match {
        action: Some("TransactWriteItems".to_owned()),
        function: Some("message-fanout".to_owned()),
        contains: Some(world.school.clone()),
        ..Match::default()
    };
    let fault = Fault { on: on(&world), fault: Kind::KillBefore, skip: 0, times: 1 };
    let fault = world.stack.fault(&fault).await.expect("the tap takes it");
    let message = send(&world, &post(&world, "Year 3", &json!({"year_groups": ["3"]}))).await;
    let struck = local::eventually("the worker dies", DEADLINE, async || {
        Ok((world.stack.fault_state(fault).await?.fired == 1).then_some(()))
    });
    struck.await.expect("it does");
    assert_eq!((posts(&world, &message).await.len(), inbox(&world, &hers).await.len()), (0, 0));
    // Two minutes later the dead worker's claim has run out.
    let body = json!({
        "TableName": world.stack.output("MessagingTable").expect("the stack has the table"),
        "Key": {"pk": {"S": format!("SCH#{}", world.school)}, "sk": {"S": format!("MSG#{message}")}},
        "UpdateExpression": "SET resolver_until = :then",
        "ConditionExpression": "attribute_exists(resolver_until)",
        "ExpressionAttributeValues": {":then": {"N": "1"}},
    });
    world.stack.aws().json("dynamodb", "DynamoDB_20120810.UpdateItem", &body).await.expect("it was claimed");
    let tasks = [fan_out_task(&world, &message), fan_out_task(&world, &message)];
    deliver(&world, "message-fanout", &tasks).await;
    assert_eq!(world.drain(&message).await["counts"]["sent"], 40);
    // Forty pupils: two posts, and nobody's name or the subject in them.
    let stored = posts(&world, &message).await;
    assert_eq!(stored.len(), 2);
    assert!(!json!(stored).to_string().contains("Year 3"));
    assert_eq!(subjects(&world, &hers).await, ["Year 3"]);
}

/// What a page of the inbox read in the messaging table. That it was looked at is written there too, like of any answer.
fn of_the_inbox(world: &World, calls: Vec<Call>) -> Vec<Call> {
    let table = world.stack.output("MessagingTable").expect("the stack has the table").to_owned();
    let is_read = |call: &Call| !matches!(call.action.as_str(), "PutItem" | "UpdateItem");
    let asks = |call: &Call| {
        is_read(call) && call.needs.iter().any(|need| need.split(' ').nth(1) == Some(table.as_str()))
    };
    calls.into_iter().filter(asks).collect()
}

#[tokio::test]
async fn a_page_costs_two_calls_and_64_kb_whatever_the_school_writes() {
    // Most letters are not hers, all are as large as they get, and long ones take several posts.
    let world = school((800..870).map(Row::family).collect()).await;
    let hers = session(&world, 801, 0).await;
    let (mine, last) = (id(&world, "pupil", "P0801").await, id(&world, "pupil", "P0869").await);
    let mut expected = Vec::new();
    for n in 0..40 {
        let subject = format!("{n:02} {}", "é\"".repeat(98));
        let draft = match n % 4 {
            0 => post(&world, &subject, &json!({"year_groups": ["3"], "except": [mine]})),
            1 => post(&world, &subject, &json!({"people": [last]})),
            2 => post(&world, &subject, &json!({"year_groups": ["3"], "except": [last]})),
            _ => post(&world, &subject, &json!({})),
        };
        let message = send(&world, &draft).await;
        if n % 4 > 1 {
            expected.push(message);
        }
    }
    for message in &expected {
        world.drain(message).await;
    }
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let mark = world.now().await;
        let page = world.get(&hers, &format!("/v1/me/messages?limit=100{cursor}")).await.expect(200);
        let calls = of_the_inbox(&world, world.calls_of("parent-api", mark).await);
        let bytes: usize = calls.iter().map(|call| call.response_bytes).sum();
        let actions: Vec<_> = calls.iter().map(|call| call.action.as_str()).collect();
        assert!(calls.len() <= 2 && actions[0] == "Query", "{actions:?}");
        assert!(bytes <= 64 * 1024, "{bytes} bytes");
        for message in page["items"].as_array().expect("items") {
            found.push(text(&message["message_id"]).to_owned());
            acknowledge(&world, &hers, found.last().expect("one")).await.expect(204);
        }
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    expected.reverse();
    assert_eq!(found, expected, "each once, the newest first");
    assert!(pages > 1, "there was more than a page");

    // The same with all acknowledged, and page by page of three.
    let mark = world.now().await;
    let page = world.get(&hers, "/v1/me/messages").await.expect(200);
    let calls = of_the_inbox(&world, world.calls_of("parent-api", mark).await);
    let bytes: usize = calls.iter().map(|call| call.response_bytes).sum();
    assert!(calls.len() == 2 && bytes <= 64 * 1024, "{bytes} bytes in {} calls", calls.len());
    let items = page["items"].as_array().expect("items");
    assert!(items.len() > 5 && items.iter().all(|message| message["acknowledged_at"].is_string()));
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&hers, &format!("/v1/me/messages?limit=3{cursor}")).await.expect(200);
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 3);
        walked.extend(items.iter().map(|message| text(&message["message_id"]).to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(walked, expected);
}

#[tokio::test]
async fn edge_case_37_two_schools_are_one_inbox() {
    let (one, other) = tokio::join!(school(vec![Row::family(871)]), school(vec![Row::family(871)]));
    let first = session(&one, 871, 0).await;
    let verification = claim(&other, &mother(&other, 871)).await;
    let (_, _, right) = code(&other, 1).await;
    let hers = enter_as(&other, &first, &verification, &right).await;
    let mut expected = Vec::new();
    for n in 0..6 {
        let world = if n % 2 == 0 { &one } else { &other };
        expected.push(sent(world, &post(world, &format!("Letter {n}"), &json!({}))).await);
    }
    expected.reverse();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let mark = one.now().await;
        let page = one.get(&hers, &format!("/v1/me/messages?limit=4{cursor}")).await.expect(200);
        let calls =
            [&one, &other].map(async |world| of_the_inbox(world, world.calls_of("parent-api", mark).await));
        let [ours, theirs] = calls;
        let calls: BTreeSet<_> = ours.await.into_iter().chain(theirs.await).map(|call| call.seq).collect();
        assert!(calls.len() <= 3, "a query of each school's and one look at the acknowledgements");
        found.extend(page["items"].as_array().expect("items").clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found.iter().map(|message| text(&message["message_id"])).collect::<Vec<_>>(), expected);
    for (message, school) in found.iter().zip([&other, &one].into_iter().cycle()) {
        let told = (&message["school_id"], &message["school_name"]);
        assert_eq!(told, (&json!(school.school), &json!(school.name)));
    }
    // Each school hears of its own.
    acknowledge(&one, &hers, &expected[0]).await.expect(204);
    let told = other.get("sender", &format!("/messages/{}", expected[0])).await.expect(200);
    assert_eq!(told["acknowledged"], 1);
    one.get("sender", &format!("/messages/{}", expected[0])).await.problem(404, "not_found");
    // What ends at one of them stays at the other.
    let (pupil, contact) = (id(&one, "pupil", "P0871").await, id(&one, "contact", "C0871").await);
    one.delete("office", &format!("/people/{pupil}/contacts/{contact}")).await.expect(204);
    assert_eq!(subjects(&one, &hers).await, ["Letter 5", "Letter 3", "Letter 1"]);
}

#[tokio::test]
async fn a_message_leaves_the_inbox_when_it_is_forgotten() {
    let world = school(vec![Row::family(872)]).await;
    let hers = session(&world, 872, 0).await;
    let message = sent(&world, &post(&world, "Trip", &json!({}))).await;
    acknowledge(&world, &hers, &message).await.expect(204);
    let due = sweep(&world, 397, true).await;
    assert_eq!((&due["message"], &due["outcome"]), (&json!(2), &json!(3)), "{due}");
    assert_eq!(subjects(&world, &hers).await, ["Trip"], "counting changes nothing");
    assert_eq!(sweep(&world, 397, false).await, due);
    assert_eq!(subjects(&world, &hers).await, [""; 0]);
    is_not_there(&world, &hers, &message).await;
    assert_eq!(posts(&world, &message).await.len(), 0);
    let partition = format!("SCH#{}#MSG#{message}", world.school);
    let left =
        world.stack.dynamo_query("MessagingTable", &partition, "ACK#").await.expect("the table answers");
    assert_eq!(left.len(), 0);
    assert_eq!(sweep(&world, 397, false).await, json!({}));
}
