//! Bad input: each gets a clear error, changes nothing and takes nothing else along.

use serde_json::{Value, json};

use crate::{
    ingest::{people_and_links, the_file_is_gone},
    sheet::{HEADER, Sheet},
    world::{DEADLINE, World, failures, sqs_event, text},
};

/// The body of S3's event for one object.
pub fn arrival(world: &World, key: &str) -> String {
    let bucket = world.stack.output("UploadsBucket").expect("the stack has the bucket");
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-2", "eventTime": "2026-11-01T09:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "uploads", "bucket": {"name": bucket, "arn": format!("arn:aws:s3:::{bucket}")},
            "object": {"key": key, "size": 10, "eTag": "x", "versionId": "v", "sequencer": "0055AED6DCD90281E5"},
        },
    }]})
    .to_string()
}

/// Invokes upload-ingest with these bodies as one batch; returns the message ids to be delivered again.
pub async fn deliver(world: &World, bodies: &[String]) -> Vec<String> {
    let answer =
        world.stack.invoke("upload-ingest", &sqs_event("uploads", bodies)).await.expect("it can be invoked");
    assert_eq!(answer.error, None, "{}", answer.payload);
    failures(&answer.payload)
}

/// Puts an object into the uploads bucket behind the API's back.
async fn place(world: &World, key: &str, content_type: &str, body: &[u8]) {
    let path = format!("/{}/{key}", world.stack.output("UploadsBucket").expect("the stack has the bucket"));
    let headers = [("content-type", content_type)];
    let answer = world.stack.aws().send("s3", reqwest::Method::PUT, &path, "", &headers, body.to_vec()).await;
    let answer = answer.expect("S3 answers");
    assert!(answer.status.is_success(), "{}", String::from_utf8_lossy(&answer.body));
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_refused_by_name_and_erased() {
    let world = World::new().await;
    let many = format!("{HEADER}\n{}", "a,b\n".repeat(100_001));
    let files: [(&[u8], &str); 10] = [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not_a_table"),
        (b"PK\x03\x04 a workbook", "unknown_archive"),
        (b"StudentForename,StudentSurname\nAnn,Sm\0ith\n", "nul_character"),
        (b"StudentForename,StudentSurname\nZo\x81,Smith\n", "unknown_encoding"),
        (b"  \r\n\r\n", "empty_file"),
        (HEADER.as_bytes(), "header_only"),
        (b"Kennel,Bark\nRex,loud\n", "no_known_column"),
        (b"PrimaryEmail,MobileNumber\na@example.com,07700900123\n", "no_pupil_column"),
        (b"Title,Forename,Surname,Email\nMs,Pat,Hill,p.hill@school.example.org\n", "no_pupil_column"),
        (many.as_bytes(), "too_many_rows"),
    ];
    for (file, code) in files {
        let upload = world.upload(file).await;
        assert_eq!(upload["status"], "refused", "{code}: {upload}");
        let finding = &upload["findings"][0];
        assert_eq!(
            (text(&finding["code"]), text(&finding["severity"]), &finding["row"]),
            (code, "error", &json!(0))
        );
        assert!(text(&finding["detail"]).len() > 30, "{code} does not say what to do");
        assert_eq!(
            (&upload["findings_total"], upload["counts"]["pupil"]["created"].as_u64()),
            (&json!(1), Some(0))
        );
        the_file_is_gone(&world, text(&upload["upload_id"])).await;
        // A refused upload cannot be approved.
        let path = format!("/uploads/{}/approval", text(&upload["upload_id"]));
        world.post("office", &path, &json!({})).await.problem(409, "conflict");
    }
    assert!(people_and_links(&world).await.is_empty());
}

#[tokio::test]
async fn nobody_is_removed_by_a_file_without_rows() {
    let world = World::new().await;
    world.upload(&Sheet::families(3).bytes()).await;
    let before = people_and_links(&world).await;
    for file in [HEADER.as_bytes(), b"\n"] {
        assert_eq!(world.upload(file).await["status"], "refused");
    }
    assert!(people_and_links(&world).await == before);
}

#[tokio::test]
async fn an_address_takes_only_the_file_it_was_made_for() {
    let world = World::new().await;
    let file = Sheet::families(1).bytes();
    let announced = world.announce(file.len(), "apply").await;
    let url = text(&announced["put"]["url"]);
    let longer = [file.as_slice(), b" "].concat();
    assert_eq!(world.send_file(&announced, &longer).await, 403);
    let other_type = world.http.put(url).header("content-type", "image/png").body(file.clone()).send().await;
    assert_eq!(other_type.expect("S3 answers").status().as_u16(), 403);
    let path = format!("/uploads/{}", text(&announced["upload_id"]));
    assert_eq!(world.get("office", &path).await.expect(200)["status"], "waiting");
    // The right file still arrives afterwards.
    assert_eq!(world.send_file(&announced, &file).await, 200);
    assert_eq!(world.settled(text(&announced["upload_id"])).await["status"], "done");
}

/// Signatures aside: what lies in the bucket is looked at again.
#[tokio::test]
async fn a_stored_file_of_another_size_or_type_is_refused() {
    let world = World::new().await;
    let file = Sheet::families(1).bytes();
    for (bytes, content_type, code) in
        [(file.len() + 1, "text/csv", "wrong_size"), (file.len(), "image/png", "wrong_content_type")]
    {
        let announced = world.announce(bytes, "apply").await;
        let upload_id = text(&announced["upload_id"]);
        place(&world, &format!("uploads/{}/{upload_id}", world.school), content_type, &file).await;
        let upload = world.settled(upload_id).await;
        assert_eq!(
            (text(&upload["status"]), text(&upload["findings"][0]["code"])),
            ("refused", code),
            "{upload}"
        );
        the_file_is_gone(&world, upload_id).await;
    }
    assert!(people_and_links(&world).await.is_empty());
}

#[tokio::test]
async fn an_upload_is_asked_for_in_full_and_within_limits() {
    let world = World::new().await;
    let ask = async |body: Value| world.post("office", "/uploads", &body).await;
    let usual = |name: &str, bytes: Value| json!({"file_name": name, "bytes": bytes, "mode": "apply"});
    for (body, fault) in [
        (usual("a.csv", json!(50 * 1024 * 1024 + 1)), "/bytes invalid"),
        (usual("a.csv", json!(0)), "/bytes invalid"),
        (usual("a", json!(10)), "/file_name invalid"),
        (usual("photo.png", json!(10)), "/file_name invalid"),
    ] {
        let answer = ask(body).await;
        assert_eq!(answer.faults(), [fault]);
        answer.problem(422, "invalid_fields");
    }
    for (body, pointer) in [
        (json!({"file_name": "a.csv", "bytes": 10, "mode": "apply", "sudo": true}), "/sudo"),
        (usual("a.csv", json!("ten")), "/bytes"),
        (usual("a.csv", json!(-1)), "/bytes"),
        (json!({"file_name": "a.csv", "bytes": 10, "mode": "maybe"}), "/mode"),
        (json!({"file_name": "a.csv", "bytes": 10}), ""),
        (json!([]), ""),
    ] {
        let answer = ask(body).await;
        assert_eq!(answer.faults(), [format!("{pointer} wrong_type_or_unknown_field")], "{}", answer.body);
        let problem = answer.problem(400, "malformed_body");
        assert!(!problem.to_string().contains("maybe"), "the caller's value is repeated");
    }
    ask(json!("{\"file_name\":")).await.problem(400, "malformed_body");
    assert_eq!(world.get("office", "/uploads").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_school_is_taken_on_with_every_field_right() {
    let world = World::new().await;
    let with = |pointer: &str, value: Value| {
        let mut body = crate::world::new_school();
        *body.pointer_mut(pointer).expect("a field of the contract") = value;
        body
    };
    for (body, status, fault) in [
        (with("/name", json!(" ")), 422, "/name invalid"),
        (with("/sender/sms_id", json!("much too long a name")), 422, "/sender/sms_id invalid"),
        (with("/sender/reply_to", json!("office")), 422, "/sender/reply_to invalid"),
        (with("/agreement/dpo_email", json!("dpo@")), 422, "/agreement/dpo_email invalid"),
        (with("/agreement/signed_on", json!("2999-01-01")), 422, "/agreement/signed_on invalid"),
        (
            with("/agreement/signed_on", json!("yesterday")),
            400,
            "/agreement/signed_on wrong_type_or_unknown_field",
        ),
        (
            with("/agreement/fields/pupil/0", json!("shoe_size")),
            400,
            "/agreement/fields/pupil/0 wrong_type_or_unknown_field",
        ),
        (
            with("/sender", json!({"reply_to": "a@example.org", "sms_id": "A", "fax": "1"})),
            400,
            "/sender/fax wrong_type_or_unknown_field",
        ),
    ] {
        let answer = world.post("operator", "/v1/schools", &body).await;
        assert_eq!((answer.status, answer.faults()), (status, vec![fault.to_owned()]), "{}", answer.body);
    }
}

#[tokio::test]
async fn only_those_who_may_get_an_answer() {
    let (world, other) = tokio::join!(World::new(), World::new());
    let upload = world.announce(10, "apply").await;
    let body = json!({"file_name": "a.csv", "bytes": 10, "mode": "apply"});
    // No token, and one that nobody issued: the gateway itself refuses.
    for who in ["nobody", "Bearer nonsense", "Bearer ses_0192"] {
        assert_eq!(world.post(who, "/uploads", &body).await.status, 401, "{who}");
    }
    // A role that may not.
    for role in ["sender", "approver", "dpo"] {
        world.post(role, "/uploads", &body).await.problem(403, "forbidden");
    }
    world.post("office", "/v1/schools", &crate::world::new_school()).await.problem(403, "forbidden");
    // A token of another school: nothing here, whatever is asked.
    let stranger = format!("Bearer {}", other.token("office,sender,dpo").await);
    let own = world.get("office", "").await.expect(200);
    let upload_path = format!("/uploads/{}", text(&upload["upload_id"]));
    for path in ["", "/uploads", "/people", "/messages", upload_path.as_str()] {
        let problem = world.get(&stranger, path).await.problem(404, "not_found");
        assert!(!problem.to_string().contains(text(&own["code"])));
    }
    world.post(&stranger, "/uploads", &body).await.problem(404, "not_found");
    world.post(&stranger, &format!("{upload_path}/approval"), &json!({})).await.problem(404, "not_found");
    // Its upload at one's own school, ids that are none, a school that is none.
    other.get("office", &upload_path).await.problem(404, "not_found");
    world.get("office", "/uploads/upl_1").await.problem(404, "not_found");
    world.get("office", "/v1/schools/sch_00000000000070008000000000000000").await.problem(404, "not_found");
    world.get("operator", "/v1/schools/oakfield").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_file_nobody_asked_for_is_erased_and_keys_of_others_are_left() {
    let world = World::new().await;
    let nobody = "sch_01890000000070008000000000000001";
    let upload = "upl_01890000000070008000000000000001";
    let unknown = [format!("uploads/{nobody}/{upload}"), format!("uploads/{}/{upload}", world.school)];
    let foreign = format!("uploads/{}/holiday photos.csv", world.school);
    for key in &unknown {
        place(&world, key, "text/csv", b"Forename,Surname\nAnn,Smith\n").await;
    }
    place(&world, &foreign.replace(' ', "%20"), "text/csv", b"x").await;
    let test_event = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}).to_string();
    let bodies: Vec<_> = unknown
        .iter()
        .map(|key| arrival(&world, key))
        .chain([arrival(&world, &foreign.replace(' ', "+")), test_event])
        .collect();
    assert_eq!(deliver(&world, &bodies).await, Vec::<String>::new());
    the_file_is_gone(&world, upload).await;
    assert!(crate::ingest::versions(&world, "holiday").await.contains("holiday photos.csv"));
    assert!(people_and_links(&world).await.is_empty());
}

#[tokio::test]
async fn a_poison_record_is_handed_back_and_the_rest_of_its_batch_is_done() {
    let world = World::new().await;
    let file = Sheet::families(2).bytes();
    let announced = world.announce(file.len(), "apply").await;
    let upload_id = text(&announced["upload_id"]);
    assert_eq!(world.send_file(&announced, &file).await, 200);
    let good = arrival(&world, &format!("uploads/{}/{upload_id}", world.school));
    let task = |v: u8, task: &str| {
        json!({"v": v, "task": task, "school_id": world.school, "upload_id": upload_id}).to_string()
    };
    let bodies = [
        "not JSON".to_owned(),
        "{}".to_owned(),
        good,
        task(9, "apply_upload"),
        task(1, "send_code"),
        "[]".to_owned(),
    ];
    assert_eq!(deliver(&world, &bodies).await, ["m0", "m1", "m3", "m4", "m5"]);
    assert_eq!(world.settled(upload_id).await["status"], "done");
}

/// The template's queue keeps a failed message for half an hour before it tries again: too long for a test. So a queue of
/// the test's own stands before the same function, with the template's redrive policy and a visibility of a second.
#[tokio::test]
async fn a_poison_message_ends_in_the_dead_letter_queue() {
    let world = World::new().await;
    let aws = world.stack.aws();
    let sqs = async |action: &str, body: Value| {
        aws.json("sqs", &format!("AmazonSQS.{action}"), &body).await.expect("SQS answers")
    };
    let uploads = world.stack.output("UploadsQueueUrl").expect("the stack has the queue");
    let own = sqs("GetQueueAttributes", json!({"QueueUrl": uploads, "AttributeNames": ["All"]})).await["Attributes"].take();
    let created = sqs(
        "CreateQueue",
        json!({
            "QueueName": format!("poison-{}", world.school),
            "Attributes": {"VisibilityTimeout": "1", "RedrivePolicy": own["RedrivePolicy"]},
        }),
    )
    .await;
    let url = text(&created["QueueUrl"]);
    let made = sqs("GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["All"]})).await;
    let function = world.stack.output("UploadIngestFunction").expect("the stack has the function");
    let mapping = json!({
        "FunctionName": function, "EventSourceArn": made["Attributes"]["QueueArn"], "BatchSize": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    });
    let path = "/2015-03-31/event-source-mappings/";
    let mapped = aws
        .send("lambda", reqwest::Method::POST, path, "", &[], mapping.to_string().into_bytes())
        .await
        .expect("it answers");
    let mapped: Value = serde_json::from_slice(&mapped.body).expect("JSON");
    let mapping = text(&mapped["UUID"]);
    assert!(!mapping.is_empty(), "{mapped}");

    let poison = format!("poison for {}", world.school);
    sqs("SendMessage", json!({"QueueUrl": url, "MessageBody": poison})).await;
    let found = local::eventually("the poison is in the dead-letter queue", DEADLINE, async || {
        let messages = world.stack.sqs_receive("UploadsDeadLetterQueueUrl").await?;
        Ok(messages.into_iter().find(|message| message.body == poison))
    });
    let found = found.await.expect("it arrives");
    world.stack.sqs_delete("UploadsDeadLetterQueueUrl", &found).await.expect("it can be deleted");
    let path = format!("{path}{mapping}");
    aws.send("lambda", reqwest::Method::DELETE, &path, "", &[], Vec::new()).await.expect("the mapping goes");
    sqs("DeleteQueue", json!({"QueueUrl": url})).await;
}

#[tokio::test]
async fn an_event_delivered_twice_or_out_of_order_changes_nothing_more() {
    let world = World::new().await;
    let file = Sheet::families(4).bytes();
    let announced = world.announce(file.len(), "apply").await;
    let upload_id = text(&announced["upload_id"]);
    let event = arrival(&world, &format!("uploads/{}/{upload_id}", world.school));
    assert_eq!(world.send_file(&announced, &file).await, 200);
    let twice = [event.clone(), event.clone()];
    assert_eq!(deliver(&world, &twice).await, Vec::<String>::new());
    assert_eq!(world.settled(upload_id).await["status"], "done");
    let before = people_and_links(&world).await;
    assert_eq!(deliver(&world, &twice).await, Vec::<String>::new());
    assert!(people_and_links(&world).await == before);
    assert_eq!(before.len(), 12);

    let held = world.upload_as(&file, "preview").await;
    let event = arrival(&world, &format!("uploads/{}/{}", world.school, text(&held["upload_id"])));
    // The file's own event once more does not stand in for an approval, and neither does a task without one.
    let task =
        json!({"v": 1, "task": "apply_upload", "school_id": world.school, "upload_id": held["upload_id"]})
            .to_string();
    assert_eq!(deliver(&world, &[event]).await, Vec::<String>::new());
    assert_eq!(world.settled(text(&held["upload_id"])).await["status"], "review");
    assert_eq!(deliver(&world, &[task]).await, Vec::<String>::new());
    assert_eq!(world.settled(text(&held["upload_id"])).await["status"], "review");
    assert!(people_and_links(&world).await == before);
}
