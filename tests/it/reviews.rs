//! Claims that the office decides on, and those it is told of.

use local::tap::Channel;
use serde_json::{Value, json};

use crate::{
    parents::{
        but, children, claim, code, codes, enter, link, looked_at, mother, person, place, refused, school,
        stored,
    },
    sessions::told,
    sheet::{COURT_ORDER, EMAIL, MOBILE, RELATIONSHIP, Row},
    world::{World, text},
};

/// The claims of a status.
async fn list(world: &World, status: &str) -> Vec<Value> {
    world.list("office", &format!("/verifications?status={status}")).await
}

async fn decide(world: &World, verification: &str, body: &Value) -> crate::world::Answer {
    world.post("office", &format!("/verifications/{verification}/decision"), body).await
}

#[tokio::test]
async fn the_office_approves_and_the_registered_contact_gets_a_code() {
    let father = Row::family(201)
        .with(place::CONTACT_GIVEN, "Cy")
        .with(place::CONTACT_ID, "C201F")
        .with(MOBILE, "07700 900209")
        .with(RELATIONSHIP, "Father")
        .with(EMAIL, "cy201@example.com");
    let world = school(vec![Row::family(201), father]).await;
    // She writes her name the other way round.
    let mut swapped = mother(&world, 201);
    swapped["parent"]["given_name"] = json!("Family201");
    swapped["parent"]["family_name"] = json!("Grace");
    let verification = claim(&world, &swapped).await;
    assert_eq!(looked_at(&world, &verification).await, "review");
    refused(enter(&world, &verification, "00000000").await);

    let waiting = list(&world, "review").await;
    assert_eq!(waiting.len(), 1);
    let one = &waiting[0];
    let (contact, pupil) = (person(&world, "C0201", "contact").await, person(&world, "P0201", "pupil").await);
    assert_eq!(one["verification_id"], verification.as_str());
    assert_eq!(one["claimed"]["parent"], json!({"given_name": "Family201", "family_name": "Grace"}));
    assert_eq!(one["candidates"], json!([{"contact_id": contact, "pupil_id": pupil}]));
    let evidence = json!(one["evidence"]).to_string();
    assert!(evidence.contains("swapped"), "{evidence}");
    // Neither number nor address nor birthday that was typed is kept, and what is kept is sealed.
    let raw = json!(world.stack.dynamo_scan("AccessTable").await.expect("the table answers")).to_string();
    for typed in ["Family201", "900201", "grace201", "2018-05-14"] {
        assert!(!raw.contains(typed), "{typed}");
    }
    assert!(!one.to_string().contains("2018-05-14") && !one.to_string().contains("900201"));
    let mail = told(&world, &verification, "wait for review").await;
    assert_eq!(mail.channel, Channel::Email);
    assert!(mail.text.contains(&verification) && !mail.text.contains("Grace"), "{}", mail.text);

    let decided = decide(&world, &verification, &json!({"decision": "approve"})).await.expect(200);
    assert_eq!(decided["status"], "approved");
    assert!(!text(&decided["decided_by"]).is_empty());
    let (channel, to, right) = code(&world, 1).await;
    assert_eq!((channel, to.as_str()), (Channel::Sms, "+447700900201"));
    let entered = enter(&world, &verification, &right).await.expect(201);
    let session = format!("Bearer {}", text(&entered["session_token"]));
    assert_eq!(children(&world, &session).await.len(), 1);
    assert!(list(&world, "review").await.is_empty());
    assert_eq!(list(&world, "approved").await.len(), 1);
    // The other parent is told that an account was opened, and not by whom.
    let notice = told(&world, &world.name, "has opened a Bookbag account").await;
    assert_eq!(notice.to, "cy201@example.com");
    assert!(!notice.text.contains("Grace") && !notice.text.contains("Ada"), "{}", notice.text);
    decide(&world, &verification, &json!({"decision": "refuse"})).await.problem(409, "conflict");

    // Who comes back in the next days with the same claim need not be approved again.
    let again = claim(&world, &swapped).await;
    assert_eq!(looked_at(&world, &again).await, "proved_by_code");
    code(&world, 2).await;
    let other_name = claim(&world, &but(&swapped, "/parent/family_name", "Gracie")).await;
    assert_ne!(looked_at(&world, &other_name).await, "proved_by_code");
}

#[tokio::test]
async fn a_refusal_stands_and_only_the_office_decides() {
    let world = school(vec![Row::family(211)]).await;
    let verification = claim(&world, &but(&mother(&world, 211), "/child/date_of_birth", "2018-05-14")).await;
    assert_eq!(looked_at(&world, &verification).await, "proved_by_code");
    let mut swapped = mother(&world, 211);
    swapped["parent"]["given_name"] = json!("Family211");
    swapped["parent"]["family_name"] = json!("Grace");
    let verification = claim(&world, &swapped).await;
    assert_eq!(looked_at(&world, &verification).await, "review");
    for (who, status) in [("sender", 403), ("dpo", 403), ("nobody", 401)] {
        let path = format!("/verifications/{verification}/decision");
        assert_eq!(world.post(who, &path, &json!({"decision": "approve"})).await.status, status, "{who}");
        assert_eq!(world.get(who, "/verifications").await.status, status, "{who}");
    }
    let elsewhere = school(vec![Row::family(212)]).await;
    decide(&elsewhere, &verification, &json!({"decision": "approve"})).await.problem(404, "not_found");
    decide(&world, "ver_019b76da880070008000000000000001", &json!({"decision": "approve"}))
        .await
        .problem(404, "not_found");
    decide(&world, &verification, &json!({"decision": "perhaps"})).await.problem(400, "malformed_body");
    let stranger = json!({"decision": "approve", "contact_id": "per_019b76da880070008000000000000001"});
    assert_eq!(decide(&world, &verification, &stranger).await.faults(), ["/contact_id one_of"]);
    let decided = decide(&world, &verification, &json!({"decision": "refuse"})).await.expect(200);
    assert_eq!(decided["status"], "refused");
    assert_eq!(codes(&world).await.len(), 1, "the first claim's alone");
    assert_eq!(world.get("office", "/verifications?status=nonsense").await.faults(), [" status"]);
}

#[tokio::test]
async fn edge_case_24_a_restricted_parent_hears_nothing_and_the_school_is_told() {
    let world = school(vec![Row::family(221).with(COURT_ORDER, "Y")]).await;
    let verification = claim(&world, &mother(&world, 221)).await;
    assert_eq!(looked_at(&world, &verification).await, "no");
    refused(enter(&world, &verification, "00000000").await);
    let alert = told(&world, &verification, "your data keeps away").await;
    assert!(alert.text.contains(&verification) && !alert.text.contains("Grace"), "{}", alert.text);
    let alerts = list(&world, "alert").await;
    assert_eq!(alerts.len(), 1);
    assert!(json!(alerts[0]["evidence"]).to_string().contains("restricted"), "{}", alerts[0]);
    assert!(list(&world, "review").await.is_empty());
    // There is nothing to approve.
    decide(&world, &verification, &json!({"decision": "approve"})).await.problem(409, "conflict");
    assert!(codes(&world).await.is_empty());
}

#[tokio::test]
async fn one_childs_claims_do_not_fill_the_offices_day_and_crowd_out_no_alert() {
    let father = Row::family(241).with(place::CONTACT_GIVEN, "Cy").with(place::CONTACT_ID, "C241F");
    let father = father.with(RELATIONSHIP, "Father").with(EMAIL, "cy241@example.com");
    let father = father.with(MOBILE, "07700 900249").with(COURT_ORDER, "Y");
    let world = school(vec![Row::family(241), father]).await;
    let mut swapped = mother(&world, 241);
    swapped["parent"]["given_name"] = json!("Family241");
    swapped["parent"]["family_name"] = json!("Grace");
    // Ten a day of one child, from wherever; twenty where the day turns meanwhile.
    let mut verdicts = Vec::new();
    while verdicts.last().is_none_or(|last| last == "review") && verdicts.len() < 21 {
        let verification = claim(&world, &swapped).await;
        verdicts.push(looked_at(&world, &verification).await);
    }
    assert_eq!(verdicts.pop().as_deref(), Some("no"));
    assert!(verdicts.len() >= 10, "{verdicts:?}");
    assert_eq!(list(&world, "review").await.len(), verdicts.len());
    // The mother's own facts are worth a code all the same, and what the father tries is listed and told.
    claim(&world, &mother(&world, 241)).await;
    code(&world, 1).await;
    let mut his = mother(&world, 241);
    his["parent"] = json!({
        "given_name": "Cy", "family_name": "Family241", "mobile": "07700 900249", "email": "cy241@example.com",
    });
    let verification = claim(&world, &his).await;
    assert_eq!(looked_at(&world, &verification).await, "no");
    told(&world, &verification, "your data keeps away").await;
    assert_eq!(list(&world, "alert").await.len(), 1);
}

#[tokio::test]
async fn an_approval_gives_no_right_that_the_tie_does_not_give() {
    let world = school(vec![Row::family(231)]).await;
    let mut swapped = mother(&world, 231);
    swapped["parent"]["given_name"] = json!("Family231");
    swapped["parent"]["family_name"] = json!("Grace");
    let verification = claim(&world, &swapped).await;
    assert_eq!(looked_at(&world, &verification).await, "review");
    let (pupil, contact) = (person(&world, "P0231", "pupil").await, person(&world, "C0231", "contact").await);
    let path = format!("/people/{pupil}/contacts/{contact}");
    world.put("office", &path, &link(true, "yes")).await.expect(200);
    decide(&world, &verification, &json!({"decision": "approve"})).await.problem(409, "conflict");
    assert_eq!(list(&world, "review").await.len(), 1, "it still waits");
    world.put("office", &path, &link(false, "yes")).await.expect(200);
    decide(&world, &verification, &json!({"decision": "approve"})).await.expect(200);
    let (_, _, right) = code(&world, 1).await;
    // Restricted between the code and its entry: the approval is worth nothing.
    world.put("office", &path, &link(true, "yes")).await.expect(200);
    refused(enter(&world, &verification, &right).await);
    assert!(stored(&world, &verification).await["used"]["BOOL"] == json!(false));
}
