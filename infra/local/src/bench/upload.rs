//! Item writes per row: a first upload, the same file again, and the file with a few people and links changed.

use serde_json::{Value, json};

use super::{
    edit::{self, LINKS, PEOPLE},
    figure::{Figure, ratio},
    school::{School, unlike},
    traffic::{Traffic, empty},
};
use crate::{
    demo::client::{count, text},
    error::Result,
    progress::Step,
    stack::Stack,
};

const SECTION: &str = "item writes of uploads";
const BOOKKEEPING: (f64, &str) = (10.0, "<= 10");

/// Makes the three uploads.
pub async fn measure(stack: &Stack, school: &School) -> Result<Vec<Figure>> {
    let rows = school.file.expected.rows as u64;
    let step = Step::start("Uploading the school's file three times");
    step.note("for the first time");
    let first = upload(stack, school, &school.file.bytes, 0).await?;
    step.note("again as it is");
    let again = upload(stack, school, &school.file.bytes, 0).await?;
    step.note("with some cells changed");
    let changed = upload(stack, school, &edit::change(&school.file.bytes)?, PEOPLE + LINKS).await?;
    step.done();
    let k = PEOPLE + LINKS;
    let (third, most) = (format!("{k} people or links changed"), format!("<= {k} writes"));
    let per_row = |traffic: &Traffic| {
        let (writes, _) = traffic.writes();
        format!("{:.4} per row = {writes} writes, {rows} rows", ratio(writes, rows))
    };
    let within = |what: &str, traffic: &Traffic, bound: (f64, &str)| {
        let writes = ratio(traffic.writes().0, 1);
        Figure::at_most(SECTION, format!("{what}: people and links"), writes, per_row(traffic), bound)
    };
    let bookkeeping = |what: &str, traffic: &Traffic| {
        let (_, writes) = traffic.writes();
        let measured = format!("{writes} writes, in {} AWS calls", traffic.count());
        Figure::at_most(SECTION, format!("{what}: bookkeeping"), ratio(writes, 1), measured, BOOKKEEPING)
            .of(traffic.by_action())
    };
    let initial = "the first upload";
    let second = "the same file again";
    Ok(vec![
        Figure::stated(
            SECTION,
            format!("{initial}: people and links"),
            ratio(first.writes().0, rows),
            per_row(&first),
        ),
        within(second, &again, (0.0, "0 writes")),
        within(&third, &changed, (ratio(k as u64, 1), &most)),
        bookkeeping(initial, &first),
        bookkeeping(second, &again),
        bookkeeping(&third, &changed),
    ])
}

/// One upload from the request to the erased raw file. `changed` people and links must come out as changed.
async fn upload(stack: &Stack, school: &School, bytes: &[u8], changed: usize) -> Result<Traffic> {
    let path = school.path("/uploads");
    let (upload_id, traffic) = Traffic::of(
        stack,
        "an upload is taken in and its raw file erased",
        async || {
            let body = json!({"file_name": "oakfield.csv", "bytes": bytes.len(), "mode": "apply"});
            let asked = school.office.post(&path, &body).await?.expect(201)?;
            school.office.put_file(&asked["put"], bytes).await?;
            Ok(text(&asked, "upload_id")?.to_owned())
        },
        async |upload_id| {
            let upload = school.office.get(&format!("{path}/{upload_id}")).await?.expect(200)?;
            let is_final = !["waiting", "reading", "applying"].contains(&text(&upload, "status")?);
            Ok(is_final && empty(stack, &["UploadsQueueUrl"]).await?)
        },
    )
    .await?;
    let upload = school.office.get(&format!("{path}/{upload_id}")).await?.expect(200)?;
    if upload["status"] != "done" {
        return Err(unlike("the upload's status", "done", &upload["status"]));
    }
    let seen: usize = changes(&upload["counts"]);
    if seen != changed {
        return Err(unlike("people and links changed", changed, seen));
    }
    Ok(traffic)
}

fn changes(counts: &Value) -> usize {
    counts.as_object().into_iter().flat_map(|kinds| kinds.values()).map(|kind| count(&kind["changed"])).sum()
}
