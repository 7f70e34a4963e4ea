//! Two files that are wrong: one that the safety stop holds, and one that it cannot tell from a right one.

use serde_json::{Value, json};

use super::{
    DEADLINE, client,
    school::School,
    story::Demo,
    text::{number, say},
    upload::{self, Upload},
};
use crate::{error::Result, progress::Step, sample::Mistake, stack::eventually};

/// Most of the school is not in the file: it waits, and whoever sent it cannot let it through. Returns its id.
pub async fn held(demo: &mut Demo<'_>, school: &School) -> Result<String> {
    let (mistake, counts) = (&demo.file.broken_off, demo.file.expected.counts);
    say(&format!(
        "  This time oakfield.csv ends after Reception and Year 1: {} of {} rows.",
        number(mistake.rows),
        number(demo.file.expected.rows)
    ))?;
    let upload =
        upload::take_in(demo, school, "Reading half an export", mistake.csv.as_bytes(), None).await?;
    upload.is("review")?;
    demo.checks.equal("why it is held", &json!("many_missing"), &upload.result["held_because"])?;
    as_reckoned(demo, &upload, mistake)?;
    let written = upload::writes_about_families(demo, upload.before).await?;
    demo.checks.equal("people and ties written for a held file", &0, &written)?;
    let missing = |kind: &str| number(client::count(&upload.result["counts"][kind]["missing"]));
    say(&format!(
        "  Held: {} of {} pupils and {} of {} contacts would be missing, far more than a tenth. Nothing has changed.",
        missing("pupil"),
        number(counts.pupil),
        missing("contact"),
        number(counts.contact)
    ))?;
    let approval = school.path(&format!("/uploads/{}/approval", upload.id));
    let status = school.office.post(&approval, &json!({})).await?.status;
    demo.checks.equal("status of approving one's own file", &403, &status)?;
    say(&format!(
        "  Whoever sent it tries to approve it: {status}, somebody else has to look at it first. Nobody approves it."
    ))?;
    Ok(upload.id)
}

/// A few mobile numbers are mixed up. The file is applied, one number is put right by hand, and the upload is undone.
pub async fn undone(demo: &mut Demo<'_>, school: &School) -> Result<()> {
    let mistake = &demo.file.mixed_up;
    let story = &demo.file.expected.story;
    let (mother, father) = (&story.mother, &story.father);
    let step = Step::start("Finding two parents");
    let mothers_id = school.find("contact", &mother.source_id).await?;
    let fathers_id = school.find("contact", &father.source_id).await?;
    step.done();
    let upload =
        upload::take_in(demo, school, "Reading a file with a mistake", mistake.csv.as_bytes(), None).await?;
    upload.is("done")?;
    as_reckoned(demo, &upload, mistake)?;
    let changed = mistake.changed.contact;
    say(&format!(
        "  Somebody has sorted a piece of one column: {changed} contacts have one another's mobile numbers. It is applied."
    ))?;
    let wrong = person(school, &mothers_id).await?;
    demo.checks.equal(
        "the mother's mobile in the wrong file",
        &json!(mistake.mobiles.get(&mother.source_id)),
        &wrong["mobile"],
    )?;
    say(&format!(
        "  {}'s mobile was {} and is now {}, which is somebody else's.",
        mother.given_name,
        mother.mobile,
        wrong["mobile"].as_str().unwrap_or_default()
    ))?;

    let before = person(school, &fathers_id).await?;
    demo.checks.equal(
        "the father's mobile in the wrong file",
        &json!(mistake.mobiles.get(&father.source_id)),
        &before["mobile"],
    )?;
    let right = json!({"version": before["version"], "mobile": father.mobile});
    let by_hand = school.office.patch(&school.path(&format!("/people/{fathers_id}")), &right).await?;
    let by_hand = by_hand.expect(200)?;
    demo.checks.equal("the father's mobile by hand", &json!(father.mobile), &by_hand["mobile"])?;
    say(&format!("  {} rings up, and the office types in the right number for him.", father.given_name))?;

    let step = Step::start("Taking the upload back");
    let path = school.path(&format!("/uploads/{}", upload.id));
    school.office.post(&format!("{path}/undo"), &json!({})).await?.expect(202)?;
    let undone = eventually("the upload is undone", DEADLINE, async || {
        let upload = upload::look(school, &upload.id).await?;
        Ok((upload["status"] == "undone").then_some(upload))
    })
    .await?;
    step.done();
    demo.checks.equal(
        "what taking it back did",
        &json!({"restored": changed - 1, "kept": 1}),
        &undone["undone"],
    )?;
    let mothers = person(school, &mothers_id).await?;
    demo.checks.equal("the mother's mobile again", &json!(mother.mobile), &mothers["mobile"])?;
    let fathers = person(school, &fathers_id).await?;
    demo.checks.equal("the father as typed", &told(&by_hand), &told(&fathers))?;
    say(&format!(
        "  The office undoes the upload: {} contacts are as they were, {}'s mobile is {} again.",
        undone["undone"]["restored"],
        mother.given_name,
        mothers["mobile"].as_str().unwrap_or_default()
    ))?;
    say(&format!(
        "  {} stays as the office has typed him: an undo touches nobody who has changed since.",
        father.given_name
    ))
}

/// A person as the office sees them.
async fn person(school: &School, id: &str) -> Result<Value> {
    school.office.get(&school.path(&format!("/people/{id}"))).await?.expect(200)
}

/// What there is to compare of somebody: which version they are, their number, and what of them was typed.
fn told(person: &Value) -> [&Value; 3] {
    ["version", "mobile", "by_hand"].map(|name| &person[name])
}

/// The counts of an upload are those that the generator has reckoned.
fn as_reckoned(demo: &mut Demo<'_>, upload: &Upload, mistake: &Mistake) -> Result<()> {
    let counts = &upload.result["counts"];
    demo.checks.equal("rows of the file", &mistake.rows, &client::count(&upload.result["rows"]))?;
    for (word, expected) in
        [("unchanged", mistake.unchanged), ("changed", mistake.changed), ("missing", mistake.missing)]
    {
        for (kind, expected) in upload::kinds(expected) {
            demo.checks.equal(&format!("{kind}s {word}"), &expected, &client::count(&counts[kind][word]))?;
        }
    }
    for (kind, _) in upload::kinds(mistake.changed) {
        demo.checks.equal(&format!("{kind}s created"), &0, &client::count(&counts[kind]["created"]))?;
    }
    Ok(())
}
