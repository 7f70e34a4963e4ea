//! The night: what nobody needs any more is erased.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use super::{client, parent::Mother, school::School, story::Demo, text::say, upload};
use crate::{
    error::{Error, Result},
    progress::Step,
};

/// Past the 24 hours for which an upload waits for its file.
const NEXT_NIGHT: SignedDuration = SignedDuration::from_hours(25);
/// Past the 7 days for which one waits for the office's decision.
const NEXT_WEEK: SignedDuration = SignedDuration::from_hours(7 * 24 + 1);
/// What the schedule puts in place of this is the time it is due.
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// Three uploads are abandoned: the file of one never comes; that of another, and the export that broke off, wait for a
/// decision that is never taken.
pub async fn forget(demo: &mut Demo<'_>, school: &School, mother: &Mother, broken_off: &str) -> Result<()> {
    let (never_sent, _) = upload::ask(school, &demo.file.bytes, "apply").await?;
    let (undecided, put) = upload::ask(school, &demo.file.bytes, "preview").await?;
    let step = Step::start("Reading a file that is only looked at");
    school.office.put_file(&put, &demo.file.bytes).await?;
    let held = upload::wait(school, &undecided, &["review", "done", "refused"], async || Ok(())).await?;
    step.done();
    demo.checks.equal(
        "state of a file that is only looked at",
        &"review",
        &client::text(&held, "status")?,
    )?;
    demo.checks.equal(
        "files waiting for a decision",
        &1,
        &upload::versions(demo, school, &undecided).await?,
    )?;
    say(
        "  The office asks for an upload and never sends the file. Of a second file it only asks what it would do.",
    )?;

    let now = Timestamp::now();
    let files = |count| BTreeMap::from([("upload_file".to_owned(), count)]);
    let step = Step::start("Counting what tomorrow night would erase");
    let due = dry_run(demo, school, now + NEXT_NIGHT).await?;
    step.done();
    demo.checks.equal("due after 25 hours", &files(1), &due)?;
    demo.checks.equal("state after a dry run", &"waiting", &status(school, &never_sent).await?.as_str())?;
    say("  A dry run for tomorrow night counts 1 abandoned upload, and erases nothing.")?;

    night(demo, "Running tomorrow night", now + NEXT_NIGHT).await?;
    demo.checks.equal(
        "state of the upload never sent",
        &"expired",
        &status(school, &never_sent).await?.as_str(),
    )?;
    let held = [("the file looked at", undecided.as_str()), ("the export that broke off", broken_off)];
    for (which, id) in held {
        demo.checks.equal(&format!("state of {which}"), &"review", &status(school, id).await?.as_str())?;
    }
    demo.checks.equal("erased after 25 hours", &files(1), &erased(demo, school).await?)?;
    say(
        "  Tomorrow night, 25 hours from now: the upload that never came is closed. What waits for a decision is kept for 7 days.",
    )?;

    night(demo, "Running the night in a week", now + NEXT_WEEK).await?;
    for (which, id) in held {
        demo.checks.equal(&format!("state of {which}"), &"expired", &status(school, id).await?.as_str())?;
        let left = upload::versions(demo, school, id).await?;
        demo.checks.equal(&format!("files left of {which}"), &0, &left)?;
    }
    demo.checks.equal("erased after 7 days", &files(held.len()), &erased(demo, school).await?)?;
    say(
        "  A week later nobody has decided: the second file and the export that broke off are erased, with every copy.",
    )?;

    let children = mother.session.get("/v1/me/children").await?.expect(200)?;
    let count = children["items"].as_array().map_or(0, Vec::len);
    demo.checks.equal(
        "the mother's children afterwards",
        &demo.file.expected.story.children.len(),
        &count,
    )?;
    say("  The families are untouched: the mother still sees both children.")
}

async fn status(school: &School, upload: &str) -> Result<String> {
    client::text(&upload::look(school, upload).await?, "status").map(str::to_owned)
}

/// What would be erased, by class.
async fn dry_run(demo: &Demo<'_>, school: &School, now: Timestamp) -> Result<BTreeMap<String, usize>> {
    let event = json!({"kind": "sweep", "school_id": school.id, "time": now.to_string(), "dry_run": true});
    let counted = invoke(demo, &event).await?;
    Ok(by_class(&counted["due"]))
}

/// What the last run erased, by class: from its own record.
async fn erased(demo: &Demo<'_>, school: &School) -> Result<BTreeMap<String, usize>> {
    let record = demo.stack.dynamo_get("DirectoryTable", &format!("SCH#{}", school.id), "RETENTION").await?;
    let erased = record.unwrap_or_default()["erased"]["M"].take();
    let rows = erased.as_object().into_iter().flatten();
    Ok(rows
        .map(|(class, n)| (class.clone(), n["N"].as_str().and_then(|n| n.parse().ok()).unwrap_or_default()))
        .collect())
}

fn by_class(counts: &Value) -> BTreeMap<String, usize> {
    let rows = counts.as_object().into_iter().flatten();
    rows.map(|(class, n)| (class.clone(), client::count(n))).collect()
}

/// The nightly run, started by its schedule's own event with the time filled in, and waited for.
async fn night(demo: &mut Demo<'_>, what: &str, now: Timestamp) -> Result<()> {
    let step = Step::start(what);
    let input = scheduled_event(demo).await?;
    if !input.contains(SCHEDULED_TIME) {
        return Err(Error::Failed(format!(
            "The nightly schedule's event holds no {SCHEDULED_TIME}: {input}"
        )));
    }
    let event = serde_json::from_str(&input.replace(SCHEDULED_TIME, &now.to_string()))
        .map_err(|error| Error::Failed(format!("The nightly schedule's event is no JSON: {error}")))?;
    let queued = invoke(demo, &event).await?;
    demo.checks.equal("schools in the nightly run", &1, &client::count(&queued["schools"]))?;
    demo.queues_empty(&["Sweep"]).await?;
    step.done();
    Ok(())
}

/// What the deployed schedule hands to the function.
async fn scheduled_event(demo: &Demo<'_>) -> Result<String> {
    let schedules = scheduler(demo, "/schedules").await?;
    let names = schedules["Schedules"].as_array().into_iter().flatten();
    for name in names.filter_map(|schedule| schedule["Name"].as_str()) {
        let schedule = scheduler(demo, &format!("/schedules/{name}")).await?;
        let target = &schedule["Target"];
        let function = demo.stack.output("RetentionCleanupFunction")?;
        if target["Arn"].as_str().is_some_and(|arn| arn.contains(function)) {
            return client::text(target, "Input").map(str::to_owned);
        }
    }
    Err(Error::Failed("No schedule starts retention-cleanup.".to_owned()))
}

async fn scheduler(demo: &Demo<'_>, path: &str) -> Result<Value> {
    let answer = demo.stack.aws().send("scheduler", Method::GET, path, "", &[], Vec::new()).await?;
    if !answer.status.is_success() {
        return Err(Error::Failed(format!("The schedules cannot be read ({}).", answer.status)));
    }
    Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
}

async fn invoke(demo: &Demo<'_>, event: &Value) -> Result<Value> {
    let answer = demo.stack.invoke("retention-cleanup", event).await?;
    match answer.error {
        None => Ok(answer.payload),
        Some(_) => Err(Error::Failed(format!("retention-cleanup failed: {}", answer.payload))),
    }
}
