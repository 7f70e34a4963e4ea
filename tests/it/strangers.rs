//! What a stranger can find out, and what they can use up: nothing.

use std::collections::{BTreeMap, BTreeSet};

use local::{
    eventually,
    tap::{Call, Channel},
};
use serde_json::{Value, json};

use crate::{
    parents::{address, answer, but, claim, claim_from, code, codes, mother, school, session},
    sheet::{COURT_ORDER, Row},
    world::{DEADLINE, text},
};

#[tokio::test]
async fn claims_are_limited_by_source_and_codes_by_contact() {
    let world = school(vec![Row::family(61)]).await;
    let from = address();
    let wrong = but(&mother(&world, 61), "/child/given_name", "Zebedee");
    // One more than the limit, or two where the hour turns meanwhile.
    let limited = async |body: &Value| {
        for _ in 0..62 {
            let answer = claim_from(&world, &from, body).await;
            if answer.status == 429 {
                return answer;
            }
        }
        panic!("nothing limits the claims from one address");
    };
    limited(&wrong).await.problem(429, "too_many_requests");
    claim_from(&world, &from, &mother(&world, 61)).await.problem(429, "too_many_requests");
    // From elsewhere the same parent goes on: three codes a day from one address, six in all, by whichever contact point. Who asks for
    // more gets none and hears nothing of it.
    let refused = async |times: usize| {
        let used_up = eventually("a code is refused", DEADLINE, async || {
            let lines = world.stack.logs("message-send", &world.school).await?;
            Ok((lines.iter().filter(|line| line.contains("used up")).count() == times).then_some(()))
        });
        used_up.await.expect("it is");
    };
    let (one, other) = (address(), address());
    for (n, from) in [&one, &one, &one, &one].into_iter().enumerate() {
        claim_from(&world, from, &mother(&world, 61)).await.expect(202);
        if n < 3 {
            code(&world, n + 1).await;
        }
    }
    refused(1).await;
    for n in 4..7 {
        let by_mail = but(&mother(&world, 61), "/parent/mobile", "07700 900062");
        claim_from(&world, &other, &by_mail).await.expect(202);
        let (channel, ..) = code(&world, n).await;
        assert_eq!(channel, Channel::Email);
    }
    claim(&world, &mother(&world, 61)).await;
    refused(2).await;
    assert_eq!(codes(&world).await.len(), 6);
}

/// How often parent-verify made each call, unwrapping keys aside.
fn actions(calls: &[Call]) -> BTreeMap<String, usize> {
    let mine = calls.iter().filter(|call| call.function == "parent-verify" && call.service != "kms");
    mine.fold(BTreeMap::new(), |mut counts, call| {
        *counts.entry(format!("{} {}", call.service, call.action)).or_default() += 1;
        counts
    })
}

#[tokio::test]
async fn nothing_that_parent_verify_does_depends_on_who_asks() {
    let world = school(vec![Row::family(71), Row::family(72).with(COURT_ORDER, "Y"), Row::family(73)]).await;
    let right = mother(&world, 71);
    let known = "POST /v1/verifications";
    let again = "POST /v1/sessions";
    // Nobody's number, one that is registered, one that has proved an account; and a mother for whom the day's codes are used up.
    session(&world, 71, 0).await;
    for sent in 2..8 {
        claim(&world, &mother(&world, 73)).await;
        code(&world, sent).await;
    }
    let asked = [
        (known, right.clone()),
        (known, but(&right, "/parent/given_name", "Nobody")),
        (known, but(&right, "/child/given_name", "Adam")),
        (known, but(&right, "/child/date_of_birth", "2017-01-02")),
        (known, but(&right, "/school_code", "ZZZZ-9999")),
        (known, mother(&world, 72)),
        (known, mother(&world, 73)),
        (again, json!({"mobile": "07700 900071"})),
        (again, json!({"mobile": "07700 900072"})),
        (again, json!({"mobile": "07700 900999"})),
        (again, json!({"email": "nobody@example.com"})),
    ];
    // The source and everybody are counted, what was asked is written, and the queue told: whoever it is.
    let expected = BTreeMap::from([
        ("dynamodb PutItem".to_owned(), 1),
        ("dynamodb UpdateItem".to_owned(), 2),
        ("sqs SendMessageBatch".to_owned(), 1),
    ]);
    let mut answers = BTreeSet::new();
    for (route, body) in &asked {
        // Nothing in these calls is this test's own, and other tests' come between: what is left of some tries in every one of them
        // is what the request itself costs.
        let mut least: Option<BTreeMap<String, usize>> = None;
        let alike = eventually("a request costs what every other does", DEADLINE, async || {
            let mark = world.now().await;
            let mut answer = answer(&world, "nobody", route, body, &address()).await;
            // Which attempt it is and until when differ; their shape does not.
            let body: Value = serde_json::from_str(text(&answer["body"])).expect("JSON");
            let shape = body.as_object().expect("an object").iter();
            answer["body"] = shape.map(|(name, value)| json!([name, text(value).len()])).collect();
            answers.insert(answer.to_string());
            let counts = actions(&world.stack.calls(mark, "").await?);
            let before = least.take().unwrap_or_else(|| counts.clone());
            let both = before
                .into_iter()
                .filter_map(|(call, count)| Some((call.clone(), count.min(*counts.get(&call)?))));
            let both: BTreeMap<_, _> = both.collect();
            least = Some(both.clone());
            assert!(
                expected.iter().all(|(call, count)| both.get(call) >= Some(count)),
                "{route} {body}: {both:?}"
            );
            Ok((both == expected).then_some(()))
        });
        alike.await.unwrap_or_else(|error| panic!("{route} {body}: {error}"));
    }
    assert_eq!(answers.len(), 1, "status, headers and shape are the same for everybody: {answers:?}");
}
