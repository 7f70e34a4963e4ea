//! The office's uploads.

use serde_json::{Value, json};

use super::{
    DEADLINE, client, finding,
    school::School,
    story::Demo,
    text::{number, say},
};
use crate::{
    error::{Error, Result},
    progress::Step,
    stack::{Mark, eventually},
    tap::Call,
};

/// Calls that write into a table, one item or many.
const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];
/// What an upload may write about itself, the school's lock and its own record: see the design's numbers to hold.
const BOOKKEEPING: usize = 10;

/// An upload that has come to rest.
#[derive(Debug)]
pub struct Upload {
    /// Its id.
    pub id: String,
    /// Where the stack's logs were before it.
    pub before: Mark,
    /// What the API tells of it.
    pub result: Value,
}

impl Upload {
    /// Without this state the story cannot go on.
    pub fn is(&self, status: &str) -> Result<()> {
        if self.result["status"] == status {
            return Ok(());
        }
        Err(Error::Failed(format!(
            "The upload is {} where {status} was expected, held because of {}.",
            self.result["status"], self.result["held_because"]
        )))
    }
}

/// The first file: everybody in it is new.
pub async fn first(demo: &mut Demo<'_>, school: &School) -> Result<String> {
    let expected = &demo.file.expected;
    let (rows, size) = (expected.rows, demo.file.bytes.len());
    say(&format!("  oakfield.csv has {} rows and {} bytes.", number(rows), number(size)))?;
    let items = expected.counts.pupil + expected.counts.contact + expected.counts.link;
    let upload = take_in(demo, school, "Reading and storing the file", &demo.file.bytes, Some(items)).await?;
    upload.is("done")?;
    let expected = &demo.file.expected;
    let (counts, checks) = (&upload.result["counts"], &mut demo.checks);
    checks.equal("rows of the file", &expected.rows, &client::count(&upload.result["rows"]))?;
    for (kind, created) in kinds(expected.counts) {
        checks.equal(&format!("{kind}s created"), &created, &client::count(&counts[kind]["created"]))?;
        for other in ["changed", "unchanged", "missing", "removed"] {
            checks.equal(&format!("{kind}s {other}"), &0, &client::count(&counts[kind][other]))?;
        }
    }
    let dropped = client::count(&upload.result["dropped_columns"]);
    checks.equal("columns not stored", &expected.dropped_columns, &dropped)?;
    let created = |kind: &str| number(client::count(&counts[kind]["created"]));
    say(&format!(
        "  Stored: {} pupils, {} contacts and {} ties between them.",
        created("pupil"),
        created("contact"),
        created("link")
    ))?;
    say(&format!(
        "  {dropped} columns are outside the school's agreement and were not stored: {}.",
        expected.dropped_column_names.join(", ")
    ))?;
    let written = writes_about_families(demo, upload.before).await?;
    demo.checks.equal("people and ties written", &items, &written)?;
    findings(demo, &upload).await?;
    erased(demo, school, &upload).await?;
    Ok(upload.id)
}

/// The same file: nothing is new.
pub async fn again(demo: &mut Demo<'_>, school: &School) -> Result<()> {
    let upload = take_in(demo, school, "Reading the file again", &demo.file.bytes, None).await?;
    upload.is("done")?;
    for (kind, unchanged) in kinds(demo.file.expected.counts) {
        let counts = &upload.result["counts"][kind];
        demo.checks.equal(&format!("{kind}s unchanged"), &unchanged, &client::count(&counts["unchanged"]))?;
        for other in ["created", "changed", "missing", "removed"] {
            demo.checks.equal(&format!("{kind}s {other}"), &0, &client::count(&counts[other]))?;
        }
    }
    let families = writes_about_families(demo, upload.before).await?;
    let all = items(&writes(demo.stack.calls(upload.before.calls, "").await?));
    demo.checks.equal("people and ties written for the same file", &0, &families)?;
    demo.checks.holds(
        &format!("the same file costs at most {BOOKKEEPING} writes of bookkeeping ({all} were made)"),
        all <= BOOKKEEPING,
    )?;
    say(&format!(
        "  Everybody is as before. Written: {families} people, {families} ties; {all} small records of the upload itself."
    ))
}

/// The kinds that an upload counts.
pub fn kinds(counts: crate::sample::Counts) -> [(&'static str, usize); 3] {
    [("pupil", counts.pupil), ("contact", counts.contact), ("link", counts.link)]
}

/// Asks for an upload of a file; `mode` is `apply` or `preview`. Returns its id and where the file is to be sent.
pub async fn ask(school: &School, bytes: &[u8], mode: &str) -> Result<(String, Value)> {
    let body = json!({"file_name": "oakfield.csv", "bytes": bytes.len(), "mode": mode});
    let asked = school.office.post(&school.path("/uploads"), &body).await?.expect(201)?;
    Ok((client::text(&asked, "upload_id")?.to_owned(), asked["put"].clone()))
}

/// An upload as it stands.
pub async fn look(school: &School, id: &str) -> Result<Value> {
    school.office.get(&school.path(&format!("/uploads/{id}"))).await?.expect(200)
}

/// Waits until the upload has one of these states.
pub async fn wait(
    school: &School,
    id: &str,
    states: &[&str],
    mut meanwhile: impl AsyncFnMut() -> Result<()>,
) -> Result<Value> {
    eventually(&format!("the upload is {}", states.join(" or ")), DEADLINE, async || {
        let upload = look(school, id).await?;
        if states.contains(&client::text(&upload, "status")?) {
            return Ok(Some(upload));
        }
        meanwhile().await?;
        Ok(None)
    })
    .await
}

/// Sends a file and waits until it comes to rest. `items_to_write` is how much there is to write, for the bar.
pub async fn take_in(
    demo: &Demo<'_>,
    school: &School,
    what: &str,
    bytes: &[u8],
    items_to_write: Option<usize>,
) -> Result<Upload> {
    let before = demo.stack.mark().await?;
    let (id, put) = ask(school, bytes, "apply").await?;
    school.office.put_file(&put, bytes).await?;
    let step = Step::start(what);
    let result = wait(school, &id, &["done", "review", "refused", "expired"], async || {
        if let Some(total) = items_to_write {
            let written = items(&writes(demo.stack.calls(before.calls, "").await?));
            step.at(written.min(total), total);
        }
        Ok(())
    })
    .await?;
    step.done();
    Ok(Upload { id, before, result })
}

/// The calls of upload-ingest that write.
fn writes(calls: Vec<Call>) -> Vec<Call> {
    let by_ingest = |call: &Call| call.function == "upload-ingest" && WRITES.contains(&call.action.as_str());
    calls.into_iter().filter(by_ingest).collect()
}

fn items(calls: &[Call]) -> usize {
    calls.iter().map(|call| call.items.unwrap_or(1)).sum()
}

/// How many people and ties upload-ingest has written since, by the call log.
pub async fn writes_about_families(demo: &Demo<'_>, since: Mark) -> Result<usize> {
    let mut found: Vec<Call> = Vec::new();
    for kind in ["PER#", "LNK#"] {
        for call in writes(demo.stack.calls(since.calls, kind).await?) {
            if found.iter().all(|known| known.seq != call.seq) {
                found.push(call);
            }
        }
    }
    // One item of each transaction is the check that the school is still held for this upload.
    let checks = found.iter().filter(|call| call.action == "TransactWriteItems").count();
    Ok(items(&found) - checks)
}

/// The findings, as the report lists them for the office.
async fn findings(demo: &mut Demo<'_>, upload: &Upload) -> Result<()> {
    let url = client::text(&upload.result, "report_url")?;
    let report = finding::Report::read(&demo.anybody.download(url).await?, &demo.file.bytes)?;
    let expected = &demo.file.expected;
    let mut wanted = expected.findings.clone();
    finding::sort(&mut wanted);
    demo.checks.equal(
        "columns named as not stored",
        &expected.dropped_column_names,
        &report.dropped_columns,
    )?;
    demo.checks.equal("number of findings", &wanted.len(), &report.findings.len())?;
    let total = client::count(&upload.result["findings_total"]);
    demo.checks.equal(
        "findings and columns not stored",
        &(wanted.len() + expected.dropped_columns),
        &total,
    )?;
    // One by one rather than list against list: a difference then says which row it is about.
    for finding in &wanted {
        // What is about the whole row may still point at the cell that shows it.
        let is_there = report.findings.iter().any(|seen| {
            let column = finding.column.is_none() || finding.column == seen.column;
            column && (seen.row, seen.code, seen.severity) == (finding.row, finding.code, finding.severity)
        });
        demo.checks.holds(&format!("row {} has the finding {:?}", finding.row, finding.code), is_there)?;
    }
    say(&format!(
        "  {} cells or rows are worth a look; the report names row, column and remedy:",
        report.findings.len()
    ))?;
    finding::lines(expected).iter().try_for_each(|line| say(line))
}

/// Once applied, the file itself is gone: what was outside the agreement is nowhere any more.
async fn erased(demo: &mut Demo<'_>, school: &School, upload: &Upload) -> Result<()> {
    eventually("the file is erased once it has been applied", DEADLINE, async || {
        Ok((versions(demo, school, &upload.id).await? == 0).then_some(()))
    })
    .await?;
    demo.checks.holds("the file is erased once it has been applied", true)?;
    say("  The file itself has been erased.")
}

/// How many versions of an upload's file the bucket holds, deletion markers among them.
pub async fn versions(demo: &Demo<'_>, school: &School, upload: &str) -> Result<usize> {
    let path = format!("/{}", demo.stack.output("UploadsBucket")?);
    let query = format!("prefix=uploads%2F{}%2F{upload}&versions=", school.id);
    let answer = demo.stack.aws().send("s3", reqwest::Method::GET, &path, &query, &[], Vec::new()).await?;
    let text = String::from_utf8_lossy(&answer.body);
    if !answer.status.is_success() {
        return Err(Error::Failed(format!(
            "The bucket's files cannot be listed ({}): {text}",
            answer.status
        )));
    }
    Ok(text.matches("<Version>").count() + text.matches("<DeleteMarker>").count())
}
