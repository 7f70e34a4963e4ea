//! A school's file on its way in: what is counted, what is found, what is written, what is left behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::{
    sheet::{COURT_ORDER, EMAIL, MOBILE, RELATIONSHIP, RESPONSIBILITY, Row, Sheet, YEAR},
    world::{World, oakfield, oakfield_expected, text},
};

/// Bookkeeping writes that one upload may cost: its record, the lock, the pointer.
const BOOKKEEPING: usize = 10;

/// The shortest text that is looked for among what is stored.
const WINDOW: usize = 7;

/// How many of each kind an upload created, as JSON of the contract.
pub fn count(created: u64, changed: u64, unchanged: u64, missing: u64) -> Value {
    json!({"created": created, "changed": changed, "unchanged": unchanged, "missing": missing, "removed": 0})
}

/// Items written since a position of the log by what an upload makes run: people and links, and bookkeeping.
async fn writes(world: &World, since: u64) -> (usize, usize) {
    let mut written = (0, 0);
    for function in ["upload-ingest", "staff-api"] {
        for (word, items) in world.calls_of(function, since).await.iter().flat_map(|call| &call.writes) {
            // What asking after the upload leaves in the audit and the counts of use is nothing of the import's.
            if matches!(word.as_str(), "AUD" | "DAY") {
                continue;
            }
            let which = if matches!(word.as_str(), "PER" | "LNK") { &mut written.0 } else { &mut written.1 };
            *which += items;
        }
    }
    written
}

/// People and links of a school as stored, by sort key.
pub async fn people_and_links(world: &World) -> BTreeMap<String, Value> {
    let mut items = world.directory("PER#").await;
    items.extend(world.directory("LNK#").await);
    items.into_iter().map(|item| (text(&item["sk"]["S"]).to_owned(), item)).collect()
}

/// A spreadsheet's letter of a column.
fn letter(index: usize) -> String {
    char::from(b'A' + u8::try_from(index).expect("few columns")).to_string()
}

/// The rows of a report below its header: row, column, severity, code.
pub async fn report(world: &World, upload: &Value) -> Vec<[String; 4]> {
    let answer = world.http.get(text(&upload["report_url"])).send().await.expect("S3 answers");
    assert_eq!(answer.status().as_u16(), 200);
    let csv = answer.text().await.expect("a report is text");
    let cells = |line: &str| {
        let cells: Vec<_> = line.splitn(6, ',').collect();
        [0, 1, 3, 4].map(|at| (*cells.get(at).expect("a report's row has six cells")).to_owned())
    };
    csv.lines().skip(1).map(cells).collect()
}

#[tokio::test]
async fn the_sample_school_is_read_as_its_families_are() {
    let world = World::new().await;
    let (file, expected) = (oakfield(), oakfield_expected());
    let upload = world.upload(&file).await;
    assert_eq!(upload["status"], "done", "{upload}");
    assert_eq!((&upload["rows"], &upload["dropped_columns"]), (&expected["rows"], &json!(8)));
    assert_eq!((text(&upload["format"]), text(&upload["encoding"])), ("csv", "utf-8-bom"));
    for kind in ["pupil", "contact", "link"] {
        let created = expected["counts"][kind].as_u64().expect("the generator counts");
        assert_eq!(upload["counts"][kind], count(created, 0, 0, 0), "{kind}");
    }

    // Every finding by row, column and code, and one for each column that was dropped.
    let header = String::from_utf8_lossy(&file).lines().next().unwrap_or_default().replace('\u{feff}', "");
    let header: Vec<_> = header.split(',').collect();
    let column =
        |name: &str| letter(header.iter().position(|known| *known == name).expect("a column of the file"));
    let mut wanted: Vec<[String; 4]> = Vec::new();
    for finding in expected["findings"].as_array().expect("findings") {
        let column = finding["column"].as_str().map(column).unwrap_or_default();
        wanted.push([
            finding["row"].to_string(),
            column,
            text(&finding["severity"]).into(),
            text(&finding["code"]).into(),
        ]);
    }
    for name in expected["dropped_column_names"].as_array().expect("names") {
        wanted.push(["1".into(), column(text(name)), "info".into(), "column_not_agreed".into()]);
    }
    let mut found = report(&world, &upload).await;
    assert_eq!(upload["findings_total"], found.len());
    // A contact without a name is about the row; the cell that shows it may be named.
    for finding in &mut found {
        if finding[3] == "contact_incomplete" {
            finding[1].clear();
        }
    }
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(upload["findings"].as_array().map(Vec::len), Some(100));

    the_file_is_gone(&world, text(&upload["upload_id"])).await;
    nothing_readable_is_stored(&world, &header, &file).await;

    // The same file again: nobody is written.
    let since = world.now().await;
    let before = people_and_links(&world).await;
    let again = world.upload(&file).await;
    assert_eq!(again["status"], "done");
    for kind in ["pupil", "contact", "link"] {
        let unchanged = expected["counts"][kind].as_u64().expect("the generator counts");
        assert_eq!(again["counts"][kind], count(0, 0, unchanged, 0), "{kind}");
    }
    assert!(people_and_links(&world).await == before, "a repeated file has changed people or links");
    let (items, bookkeeping) = writes(&world, since).await;
    assert_eq!(items, 0);
    assert!(bookkeeping <= BOOKKEEPING, "{bookkeeping} bookkeeping writes");
}

/// All versions of the raw file are erased, and no marker is left.
pub async fn the_file_is_gone(world: &World, upload_id: &str) {
    let left = versions(world, upload_id).await;
    assert!(!left.contains("<Version>") && !left.contains("<DeleteMarker>"), "{left}");
}

/// What S3 lists of a file, with versions and markers.
pub async fn versions(world: &World, upload_id: &str) -> String {
    let bucket = world.stack.output("UploadsBucket").expect("the stack has the bucket");
    let query = format!("prefix=uploads%2F{}%2F{upload_id}&versions=", world.school);
    let path = format!("/{bucket}");
    let answer = world.stack.aws().send("s3", reqwest::Method::GET, &path, &query, &[], Vec::new()).await;
    let answer = answer.expect("S3 answers");
    assert!(answer.status.is_success());
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// Names, numbers and addresses of the file occur nowhere in the school's stored items.
async fn nothing_readable_is_stored(world: &World, header: &[&str], file: &[u8]) {
    let items = world.directory("").await;
    assert!(items.len() > 4_000, "{} items", items.len());
    let stored = json!(items).to_string().to_lowercase();
    let personal = [
        "StudentForename",
        "StudentSurname",
        "DOB",
        "ContactForename",
        "ContactSurname",
        "PrimaryEmail",
        "MobileNumber",
        "Street",
    ];
    let columns: Vec<_> = personal
        .iter()
        .map(|name| header.iter().position(|known| known == name).expect("a column"))
        .collect();
    let sheet = String::from_utf8_lossy(file);
    let mut values = BTreeSet::new();
    // Rows whose cells hold no quotes are enough: there are two thousand.
    for row in sheet.lines().skip(1).filter(|row| !row.contains('"')) {
        let cells: Vec<_> = row.split(',').collect();
        if cells.len() == header.len() {
            values.extend(columns.iter().map(|column| cells[*column].trim().to_lowercase()));
        }
    }
    let numbers: Vec<String> = values
        .iter()
        .map(|value| value.chars().filter(char::is_ascii_digit).collect::<String>())
        .filter(|digits| digits.len() == 11)
        .map(|digits| digits[1..].to_owned())
        .collect();
    assert!(numbers.len() > 500, "{}", numbers.len());
    values.extend(numbers);
    // Shorter ones occur in ids and in base64 by chance.
    values.retain(|value| value.len() >= WINDOW);
    assert!(values.len() > 2_000, "{}", values.len());
    // One pass over what is stored: a place that begins like a value is looked at closely.
    let beginnings: HashMap<&[u8], Vec<&str>> = values.iter().fold(HashMap::new(), |mut known, value| {
        known.entry(&value.as_bytes()[..WINDOW]).or_default().push(value);
        known
    });
    for (at, window) in stored.as_bytes().windows(WINDOW).enumerate() {
        for value in beginnings.get(window).into_iter().flatten() {
            assert!(!stored.as_bytes()[at..].starts_with(value.as_bytes()), "{value} is stored as it is");
        }
    }
}

#[tokio::test]
async fn a_change_costs_one_write_each() {
    let world = World::new().await;
    let sheet = Sheet::families(130);
    let first = world.upload(&sheet.bytes()).await;
    assert_eq!(
        (text(&first["status"]), &first["findings_total"], &first["report_url"]),
        ("done", &json!(0), &Value::Null)
    );
    let before = people_and_links(&world).await;
    let since = world.now().await;

    // A pupil's year, a contact's e-mail address, two links' relationship: four items.
    let changed = sheet
        .with(0, YEAR, "4")
        .with(1, EMAIL, "other@example.com")
        .with(2, RELATIONSHIP, "Aunt")
        .with(3, RELATIONSHIP, "Carer");
    let second = world.upload(&changed.bytes()).await;
    assert_eq!(second["status"], "done", "{second}");
    assert_eq!(second["counts"]["pupil"], count(0, 1, 129, 0));
    assert_eq!(second["counts"]["contact"], count(0, 1, 129, 0));
    assert_eq!(second["counts"]["link"], count(0, 2, 128, 0));
    let after = people_and_links(&world).await;
    assert_eq!(after.iter().filter(|(key, item)| before.get(*key) != Some(*item)).count(), 4);
    assert_eq!(after.len(), before.len());
    let (items, bookkeeping) = writes(&world, since).await;
    assert_eq!(items, 4);
    assert!((1..=BOOKKEEPING).contains(&bookkeeping), "{bookkeeping} bookkeeping writes");

    let pupil = &world.search(&json!({"role": "pupil", "source_id": "P0000"})).await[0];
    assert_eq!((text(&pupil["year_group"]), text(&pupil["class"])), ("4", "3A"));
    let mother = &world.search(&json!({"role": "contact", "source_id": "C0001"})).await[0];
    assert_eq!(mother["email"], "other@example.com");
}

#[tokio::test]
async fn a_report_says_where_and_never_what() {
    let world = World::new().await;
    let sheet = Sheet::families(3)
        .with(0, MOBILE, "ring Granny 0770")
        .with(1, EMAIL, "not-an-address")
        .with(2, YEAR, "4");
    let upload = world.upload(&sheet.bytes()).await;
    assert_eq!(upload["status"], "done");
    let rows = report(&world, &upload).await;
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], ["2", "M", "warning", "phone_letters"].map(str::to_owned));
    assert_eq!(rows[1], ["3", "L", "warning", "email_invalid"].map(str::to_owned));
    let csv = world
        .http
        .get(text(&upload["report_url"]))
        .send()
        .await
        .expect("S3 answers")
        .text()
        .await
        .expect("text");
    // The column's own name stands beside its letter, and the same is there for programs.
    assert!(csv.starts_with("row,column,header,severity,code,what to do\n2,M,MobileNumber,"), "{csv}");
    let all = world.http.get(text(&upload["report_json_url"])).send().await.expect("S3 answers");
    assert_eq!(&all.json::<Value>().await.expect("JSON"), &upload["findings"]);
    for cell in sheet.0.iter().flat_map(|row| &row.0).filter(|cell| cell.len() > 3) {
        assert!(!csv.contains(cell.as_str()), "the report repeats a cell: {cell}");
        assert!(!upload["findings"].to_string().contains(cell.as_str()), "the answer repeats a cell: {cell}");
    }
}

#[tokio::test]
async fn a_file_that_misses_many_is_held_until_somebody_approves() {
    let world = World::new().await;
    world.upload(&Sheet::families(20).bytes()).await;
    let before = people_and_links(&world).await;
    let held = world.upload(&Sheet::families(17).bytes()).await;
    assert_eq!((text(&held["status"]), text(&held["held_because"])), ("review", "many_missing"), "{held}");
    assert_eq!(held["counts"]["pupil"], count(0, 0, 17, 3));
    assert!(people_and_links(&world).await == before, "a held file has changed something");
    let upload_id = text(&held["upload_id"]);

    let path = format!("/uploads/{upload_id}/approval");
    // Whoever sent it does not approve it.
    world.post("office", &path, &json!({})).await.problem(403, "forbidden");
    let accepted = world.post("approver", &path, &json!({})).await.expect(202);
    assert_eq!(accepted["upload_id"], held["upload_id"]);
    let done = settled_after_review(&world, upload_id).await;
    assert_eq!((text(&done["status"]), &done["held_because"]), ("done", &Value::Null), "{done}");
    the_file_is_gone(&world, upload_id).await;
    // Missing is not gone: still there, and marked.
    let people = world.list("office", "/people?role=pupil").await;
    assert_eq!(people.len(), 20);
    assert_eq!(people.iter().filter(|person| person["missing_since"].is_string()).count(), 3);
    // Approving what is done is refused.
    world.post("office", &path, &json!({})).await.problem(409, "conflict");
}

/// The upload once it is no longer applying.
pub async fn settled_after_review(world: &World, upload_id: &str) -> Value {
    let upload = local::eventually("the approved upload is applied", crate::world::DEADLINE, async || {
        let upload = world.get("office", &format!("/uploads/{upload_id}")).await.expect(200);
        Ok((upload["status"] != "applying").then_some(upload))
    });
    upload.await.expect("it is applied")
}

#[tokio::test]
async fn an_approval_is_for_the_plan_that_was_shown() {
    let world = World::new().await;
    world.upload(&Sheet::families(20).bytes()).await;
    let held = world.upload(&Sheet::families(15).bytes()).await;
    assert_eq!(held["status"], "review");
    // The directory moves on: somebody types a person in.
    let body = json!({"role": "contact", "given_name": "Ann", "family_name": "Other"});
    world.post("office", "/people", &body).await.expect(201);
    let path = format!("/uploads/{}/approval", text(&held["upload_id"]));
    world.post("approver", &path, &json!({})).await.problem(409, "conflict");
    let still = world.get("office", &format!("/uploads/{}", text(&held["upload_id"]))).await.expect(200);
    assert_eq!(still["status"], "review");
    assert!(world.list("office", "/people").await.iter().all(|person| person["missing_since"].is_null()));
}

#[tokio::test]
async fn a_preview_shows_the_plan_and_changes_nothing() {
    let world = World::new().await;
    let preview = world.upload_as(&Sheet::families(5).bytes(), "preview").await;
    assert_eq!((text(&preview["status"]), text(&preview["held_because"])), ("review", "preview"));
    assert_eq!(preview["counts"]["pupil"], count(5, 0, 0, 0));
    assert_eq!(world.list("office", "/people").await, Vec::<Value>::new());
    assert!(people_and_links(&world).await.is_empty());
    // What was shown can then be applied, with no second transfer.
    let upload_id = text(&preview["upload_id"]);
    world.post("office", &format!("/uploads/{upload_id}/approval"), &json!({})).await.expect(202);
    let done = settled_after_review(&world, upload_id).await;
    assert_eq!((text(&done["status"]), &done["counts"]["pupil"]), ("done", &count(5, 0, 0, 0)));
    assert_eq!(world.list("office", "/people").await.len(), 10);
}

#[tokio::test]
async fn two_files_at_once_are_taken_one_after_the_other() {
    let world = World::new().await;
    let files = [Sheet::families(30).bytes(), Sheet::families(30).with(7, YEAR, "4").bytes()];
    let (one, two) = tokio::join!(world.upload(&files[0]), world.upload(&files[1]));
    assert_eq!((text(&one["status"]), text(&two["status"])), ("done", "done"), "{one} {two}");
    // Whoever came second found the first's people: thirty families, not sixty.
    let created = |upload: &Value| upload["counts"]["pupil"]["created"].as_u64().expect("a number");
    let mut both = [created(&one), created(&two)];
    both.sort_unstable();
    assert_eq!(both, [0, 30]);
    assert_eq!(world.list("office", "/people").await.len(), 60);
}

#[tokio::test]
async fn what_the_office_restricts_outlives_every_file() {
    let world = World::new().await;
    let sheet = Sheet::families(3);
    world.upload(&sheet.bytes()).await;
    let id = async |role: &str, source: &str| {
        let found = world.search(&json!({"role": role, "source_id": source})).await;
        text(&found[0]["person_id"]).to_owned()
    };
    let (pupil, contact) = (id("pupil", "P0001").await, id("contact", "C0001").await);
    let path = format!("/people/{pupil}/contacts/{contact}");
    let link =
        world.put("office", &path, &json!({"relationship": "mother", "restricted": true})).await.expect(200);
    assert_eq!((&link["restricted"], text(&link["parental_responsibility"])), (&json!(true), "yes"));

    // The file says otherwise, and then forgets her altogether.
    let upload = world.upload(&sheet.clone().with(1, RESPONSIBILITY, "Y").bytes()).await;
    assert_eq!(upload["status"], "done");
    assert!(restricted(&world, &pupil, &contact).await);
    let without = Sheet(vec![sheet.0[0].clone(), sheet.0[2].clone()]);
    let held = world.upload(&without.bytes()).await;
    assert_eq!(held["status"], "review");
    world
        .post("approver", &format!("/uploads/{}/approval", text(&held["upload_id"])), &json!({}))
        .await
        .expect(202);
    settled_after_review(&world, text(&held["upload_id"])).await;
    assert!(restricted(&world, &pupil, &contact).await);

    // A file may restrict on its own, and a blank cell later does not lift it.
    let (pupil, contact) = (id("pupil", "P0000").await, id("contact", "C0000").await);
    let ordered = world.upload(&sheet.clone().with(0, COURT_ORDER, "Y").bytes()).await;
    assert_eq!(ordered["status"], "done", "{ordered}");
    assert!(restricted(&world, &pupil, &contact).await);
    world.upload(&sheet.bytes()).await;
    assert!(restricted(&world, &pupil, &contact).await);
}

async fn restricted(world: &World, pupil: &str, contact: &str) -> bool {
    let person = world.get("office", &format!("/people/{pupil}")).await.expect(200);
    let mut links = person["links"].as_array().into_iter().flatten();
    links.any(|link| link["contact_id"] == contact && link["restricted"] == true)
}

#[tokio::test]
async fn a_sibling_and_a_second_parent_are_tied_to_the_same_people() {
    let world = World::new().await;
    let mut sibling = Row::family(0);
    sibling.0[2] = "P0900".to_owned();
    sibling.0[0] = "Ben".to_owned();
    let upload = world.upload(&Sheet(vec![Row::family(0), sibling]).bytes()).await;
    assert_eq!(upload["counts"]["pupil"], count(2, 0, 0, 0));
    assert_eq!(upload["counts"]["contact"], count(1, 0, 0, 0));
    assert_eq!(upload["counts"]["link"], count(2, 0, 0, 0));
    let mother = &world.search(&json!({"role": "contact"})).await[0];
    let mother = world.get("office", &format!("/people/{}", text(&mother["person_id"]))).await.expect(200);
    assert_eq!(mother["links"].as_array().map(Vec::len), Some(2));
}
