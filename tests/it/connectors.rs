//! Automated delivery: a credential that may ask for uploads and read what came of them, and nothing else.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    ingest::{people_and_links, the_file_is_gone},
    sheet::Sheet,
    world::{DEADLINE, World, text},
};

/// Makes a connector; returns its id and the header that it sends.
async fn connector(world: &World, name: &str) -> (String, String) {
    let made = world.post("office", "/connectors", &json!({"name": name})).await.expect(201);
    (text(&made["connector_id"]).to_owned(), format!("Bearer {}", text(&made["secret"])))
}

#[tokio::test]
async fn a_connector_delivers_a_file_and_is_named_for_it() {
    let world = World::new().await;
    let (id, bearer) = connector(&world, " Nightly  export ").await;
    let listed = world.get("office", "/connectors").await.expect(200);
    let told = &listed["items"][0];
    assert_eq!(
        (&told["name"], &told["last_used_on"], &told["revoked"]),
        (&json!("Nightly export"), &Value::Null, &json!(false))
    );
    assert!(!listed.to_string().contains(&bearer[80..]), "the secret is shown once");

    let file = Sheet::families(3).bytes();
    let body = json!({"file_name": "school.csv", "bytes": file.len(), "mode": "apply"});
    let key = [("idempotency-key", "night")];
    let announced =
        world.send(Method::POST, &bearer, "/v1/connector/uploads", Some(&body), &key).await.expect(201);
    let again =
        world.send(Method::POST, &bearer, "/v1/connector/uploads", Some(&body), &key).await.expect(201);
    assert_eq!(again["upload_id"], announced["upload_id"], "a repeated request is one upload");
    assert_eq!(world.send_file(&announced, &file).await, 200);
    let path = format!("/v1/connector/uploads/{}", text(&announced["upload_id"]));
    let done = local::eventually("the file is read", DEADLINE, async || {
        let upload = world.get(&bearer, &path).await.expect(200);
        Ok((upload["status"] == "done").then_some(upload))
    });
    let done = done.await.expect("it is");
    assert_eq!(done["counts"]["pupil"]["created"], 3);
    assert_eq!(done["asked_by"], json!({"connector_id": id, "name": "Nightly export"}));
    // The office sees the same; its own say who asked.
    let own = world.upload(&file).await;
    assert!(text(&own["asked_by"]["staff"]).len() > 10, "{own}");
    let all = world.get("office", "/uploads").await.expect(200);
    assert_eq!(
        (&all["items"][0]["asked_by"], &all["items"][1]["asked_by"]),
        (&own["asked_by"], &done["asked_by"])
    );
    assert_eq!(all["items"][1]["approved_by"], Value::Null);
    let used = &world.get("office", "/connectors").await.expect(200)["items"][0]["last_used_on"];
    assert_eq!(text(used).len(), 10, "a day and no more: {used}");
    // What the office asked for is none of its business, and neither is anything else.
    let path = format!("/v1/connector/uploads/{}", text(&own["upload_id"]));
    world.get(&bearer, &path).await.problem(404, "not_found");
    for path in ["", "/uploads", "/people", "/connectors"] {
        assert_eq!(world.get(&bearer, path).await.status, 401, "{path}");
    }
    world.get(&bearer, "/v1/me").await.problem(401, "unauthorised");
    // The same rules as for the office.
    let empty = json!({"file_name": "school.csv", "bytes": 0, "mode": "apply"});
    let refused = world.post(&bearer, "/v1/connector/uploads", &empty).await;
    assert_eq!((refused.status, refused.faults()), (422, vec!["/bytes invalid".to_owned()]));
}

#[tokio::test]
async fn wrong_revoked_and_unknown_credentials_are_one_and_the_same() {
    let (world, other) = tokio::join!(World::new(), World::new());
    let (id, bearer) = connector(&world, "Export").await;
    let (_, live) = connector(&world, "Another").await;
    let body = json!({"file_name": "school.csv", "bytes": 10, "mode": "apply"});
    world.post(&bearer, "/v1/connector/uploads", &body).await.expect(201);
    let path = format!("/connectors/{id}");
    for role in ["sender", "dpo"] {
        world.post(role, "/connectors", &json!({"name": "x"})).await.problem(403, "forbidden");
        world.delete(role, &path).await.problem(403, "forbidden");
    }
    other.delete("office", &path).await.problem(404, "not_found");
    world
        .delete("office", "/connectors/con_01890000000070008000000000000001")
        .await
        .problem(404, "not_found");
    // At once, and as often as one likes.
    world.delete("office", &path).await.expect(204);
    world.delete("office", &path).await.expect(204);
    assert_eq!(world.get("office", "/connectors").await.expect(200)["items"][0]["revoked"], true);

    let wrong = format!("{}{}", &live[..live.len() - 43], "A".repeat(43));
    let unknown = wrong.replace("Bearer con_0", "Bearer con_1");
    let elsewhere = live.replace(&world.school, &other.school);
    let mut answers = Vec::new();
    for who in [&bearer, &wrong, &unknown, &elsewhere] {
        let since = world.now().await;
        let mut refused = world.post(who, "/v1/connector/uploads", &body).await.problem(401, "unauthorised");
        refused["request_id"] = Value::Null;
        // All that is looked at, found or not, is the one item.
        let calls = world.stack.calls(since, &id_in(who)).await.expect("the tap answers");
        let calls: Vec<_> = calls.into_iter().map(|call| (call.function, call.needs)).collect();
        answers.push((refused, calls));
    }
    assert_eq!(answers[0].1.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    for who in ["nobody", "Bearer con_", "Bearer x", &format!("Bearer {}", world.token("office").await)] {
        world.post(who, "/v1/connector/uploads", &body).await.problem(401, "unauthorised");
        world.get(who, "/v1/connector/uploads/upl_1").await.problem(401, "unauthorised");
    }
    for name in ["", "  ", &"x".repeat(61)] {
        let refused = world.post("office", "/connectors", &json!({"name": name})).await;
        assert_eq!((refused.status, refused.faults()), (422, vec!["/name invalid".to_owned()]));
    }
}

#[tokio::test]
async fn a_file_that_arrives_after_the_connector_was_revoked_is_refused_and_erased() {
    let world = World::new().await;
    let (id, bearer) = connector(&world, "Export").await;
    let file = Sheet::families(3).bytes();
    let body = json!({"file_name": "school.csv", "bytes": file.len(), "mode": "apply"});
    let announced = world.post(&bearer, "/v1/connector/uploads", &body).await.expect(201);
    world.delete("office", &format!("/connectors/{id}")).await.expect(204);
    // The address that it was given still takes the file.
    assert_eq!(world.send_file(&announced, &file).await, 200);
    let upload = world.settled(text(&announced["upload_id"])).await;
    let finding = &upload["findings"][0];
    assert_eq!(
        (text(&upload["status"]), text(&finding["code"])),
        ("refused", "connector_revoked"),
        "{upload}"
    );
    assert!(text(&finding["detail"]).contains("another connector"), "{upload}");
    the_file_is_gone(&world, text(&announced["upload_id"])).await;
    assert!(people_and_links(&world).await.is_empty());
}

/// The id in a connector's header.
fn id_in(bearer: &str) -> String {
    bearer["Bearer ".len()..].split('.').next().unwrap_or_default().to_owned()
}
