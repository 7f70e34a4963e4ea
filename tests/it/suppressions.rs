//! The suppression list: nothing goes to what is on it, and nobody comes in by it.

use local::tap::Channel;
use serde_json::{Value, json};

use crate::{
    parents::{self, children, claim, code, codes, looked_at, person, school, session},
    sessions::{enter_as, sign_in},
    sheet::Row,
    world::{World, text},
};

async fn keep(world: &World, name: &str, point: &str, suppressed: bool) -> Value {
    world.put("office", "/suppressions", &json!({name: point, "suppressed": suppressed})).await.expect(200)
}

#[tokio::test]
async fn edge_case_41_a_number_that_is_a_strangers_now_gets_nothing_and_opens_nothing() {
    let world = school((571..574).map(Row::family).collect()).await;
    let stranger = session(&world, 571, 0).await;
    let mother_id = person(&world, "C0571", "contact").await;
    assert_eq!(world.list("office", "/suppressions").await, Vec::<Value>::new());
    let kept = keep(&world, "mobile", "07700 900571", true).await;
    assert_eq!(kept["people"], json!([mother_id]));
    assert_eq!(kept["mobile"], "+447700900571");
    assert_eq!(keep(&world, "mobile", "+44 7700 900571", true).await, kept, "whichever way it is written");
    assert_eq!(world.list("dpo", "/suppressions").await, std::slice::from_ref(&kept));
    let seen = world.get("office", &format!("/people/{mother_id}")).await.expect(200);
    assert_eq!((&seen["suppressed"], &seen["mobile"]), (&json!(["+447700900571"]), &json!(null)));

    // Whoever came in by it sees nothing with the next request, and does not come in by it again.
    assert!(children(&world, &stranger).await.is_empty());
    let again = sign_in(&world, "nobody", &json!({"mobile": "07700 900571"})).await;
    assert_eq!(looked_at(&world, &again).await, "no");
    // Nor does it end what is the mother's.
    for path in ["/v1/me", "/v1/me/sessions"] {
        world.delete(&stranger, path).await.problem(401, "unauthorised");
    }
    // The mother says her old number and her own address: a code goes to the address alone.
    let verification = claim(&world, &parents::mother(&world, 571)).await;
    assert_eq!(looked_at(&world, &verification).await, "proved_by_code");
    let (channel, to, right) = code(&world, 2).await;
    assert_eq!((channel, to.as_str()), (Channel::Email, "grace571@example.com"));
    let mother = enter_as(&world, "nobody", &verification, &right).await;
    assert_eq!((children(&world, &mother).await.len(), children(&world, &stranger).await.len()), (1, 0));

    // Messages go to the next way that the message has, or say why not: in an emergency, too. A file that names the number again
    // changes nothing.
    let file = crate::sheet::Sheet((571..574).map(Row::family).collect()).bytes();
    assert_eq!(world.upload(&file).await["status"], "done");
    let before = codes(&world).await.len();
    for (channels, recipients, excluded) in [
        (json!(["sms"]), 2, json!([{"reason": "suppressed", "count": 1}])),
        (json!(["sms", "email"]), 3, json!([])),
    ] {
        let message = json!({
            "purpose": "emergency", "channels": channels, "subject": "Closed", "body": "Closed today.", "audience": {"year_groups": ["3"]},
        });
        let preview = world.post("sender", "/messages/preview", &message).await.expect(200);
        assert_eq!(
            (&preview["recipients"], &preview["excluded"]),
            (&json!(recipients), &excluded),
            "{preview}"
        );
        let sent = world.post("sender", "/messages", &message).await.expect(202);
        world.drain(text(&sent["message_id"])).await;
    }
    let outbox = world.outbox_with("Closed today.").await;
    assert!(outbox.iter().all(|sent| sent.to != "+447700900571"), "{outbox:?}");
    assert_eq!(outbox.iter().filter(|sent| sent.to == "grace571@example.com").count(), 1);
    assert_eq!(codes(&world).await.len(), before);

    // The number is put right: the stranger stays out.
    let path = format!("/people/{mother_id}");
    let change = async |fields: Value| {
        let mut body = fields;
        body["version"] = world.get("office", &path).await.expect(200)["version"].clone();
        world.patch("office", &path, &body).await.expect(200)
    };
    let right = change(json!({"mobile": "07700 900570"})).await;
    assert_eq!(
        (&right["mobile"], &right["suppressed"]),
        (&json!("+447700900570"), &json!(["+447700900571"]))
    );
    change(json!({"phones": ["07700 900570"]})).await;
    assert_eq!((children(&world, &mother).await.len(), children(&world, &stranger).await.len()), (1, 0));
    assert_eq!(world.list("office", "/suppressions").await, Vec::<Value>::new(), "nobody has it");

    // In order again: as if nothing had been.
    let lifted = keep(&world, "mobile", "07700 900571", false).await;
    assert_eq!(lifted["suppressed_on"], json!(null));
    assert_eq!(children(&world, &stranger).await.len(), 1);
    assert_eq!(world.list("office", "/suppressions").await, Vec::<Value>::new());
}

#[tokio::test]
async fn only_the_office_keeps_the_list_and_each_school_its_own() {
    let world = school(vec![Row::family(574)]).await;
    let body = |point: &str| json!({"mobile": point, "suppressed": true});
    for who in ["sender", "approver", "dpo"] {
        world.put(who, "/suppressions", &body("07700 900574")).await.problem(403, "forbidden");
    }
    // One that was put right first can be suppressed all the same: a stranger may have come in by it.
    let nobodys = world.put("office", "/suppressions", &body("07700 900575")).await.expect(200);
    assert!(nobodys["people"] == json!([]) && nobodys["suppressed_on"].is_string(), "{nobodys}");
    assert_eq!(world.put("office", "/suppressions", &body("01632")).await.faults(), ["/mobile invalid"]);
    let both = json!({"mobile": "07700 900574", "email": "grace574@example.com", "suppressed": true});
    assert_eq!(world.put("office", "/suppressions", &both).await.faults(), [" one_of"]);
    let elsewhere = school(vec![Row::family(574)]).await;
    keep(&elsewhere, "email", "GRACE574@example.com", true).await;
    assert_eq!(world.list("office", "/suppressions").await, Vec::<Value>::new(), "each school has its own");
}
