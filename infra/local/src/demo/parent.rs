//! A mother who is let in, and a father who is not.

use serde_json::{Value, json};

use super::{DEADLINE, client, client::Caller, school::School, story::Demo, text::say};
use crate::{
    error::Result,
    progress::Step,
    sample::{Child, Claim},
    stack::eventually,
    tap::{Channel, Sent},
};

/// The mother, signed in.
#[derive(Debug)]
pub struct Mother {
    /// Her session.
    pub session: Caller,
}

/// The mother types what the school knows of her, gets a code on her phone, and sees her children.
pub async fn prove(demo: &mut Demo<'_>, school: &School) -> Result<Mother> {
    let story = &demo.file.expected.story;
    let mother = &story.mother;
    say(&format!(
        "  {} {} types the school's code, her name, mobile and e-mail, and the name and birthday of one child.",
        mother.given_name, mother.family_name
    ))?;
    let before = demo.stack.mark().await?;
    let step = Step::start("Waiting for the code");
    let claimed = claim(demo, school, &story.claims.mother).await?;
    let text = eventually("the mother's phone gets a code", DEADLINE, async || {
        let sent = demo.stack.outbox(before.outbox, &mother.mobile).await?;
        Ok(sent.into_iter().find(|sent| sent.channel == Channel::Sms))
    })
    .await?;
    step.done();
    say(&format!("  Her phone gets: \"{}\"", text.text))?;
    let id = client::text(&claimed, "verification_id")?;
    let entered = json!({"code": code(&text)});
    let entered = demo.anybody.post(&format!("/v1/verifications/{id}/code"), &entered).await?.expect(201)?;
    let session = demo.anybody.with(client::text(&entered, "session_token")?.to_owned());
    // Whoever has taken over her phone does not read her mail.
    let told = eventually("the mother's mailbox is told", DEADLINE, async || {
        let sent = demo.stack.outbox(before.outbox, &mother.email).await?;
        Ok(sent.into_iter().find(|sent| sent.channel == Channel::Email))
    })
    .await?;
    say(&format!("  Her mailbox gets: \"{}\"", told.text))?;
    demo.queues_empty(&["SendUrgent"]).await?;

    let listed = session.get("/v1/me/children").await?.expect(200)?;
    let seen: Vec<_> = listed["items"].as_array().into_iter().flatten().collect();
    let mut names: Vec<_> = seen.iter().map(|child| described(child)).collect();
    let mut wanted: Vec<_> = story.children.iter().map(described_in_file).collect();
    names.sort();
    wanted.sort();
    demo.checks.equal("the mother's children", &wanted, &names)?;
    say(&format!("  With the code she is in, and sees her children and no others: {}.", names.join("; ")))?;
    for child in seen {
        let path = format!("/v1/me/children/{}", client::text(child, "person_id")?);
        demo.checks.equal("status of her own child", &200, &session.get(&path).await?.status)?;
    }
    let other = school.find("pupil", &story.restricted_child.source_id).await?;
    let status = session.get(&format!("/v1/me/children/{other}")).await?.status;
    demo.checks.equal("status of another family's child", &404, &status)?;
    say(&format!("  She tries the id of another family's child: {status}, as if there were no such child."))?;
    Ok(Mother { session })
}

/// A father with a court order against him has every fact right: the answer is the same, and no code is sent.
pub async fn refuse(demo: &mut Demo<'_>, school: &School) -> Result<()> {
    let story = &demo.file.expected.story;
    let before = demo.stack.mark().await?;
    claim(demo, school, &story.claims.restricted_father).await?;
    demo.queues_empty(&["SendUrgent"]).await?;
    let sent = demo.stack.outbox(before.outbox, "").await?;
    let codes = sent.iter().filter(|sent| !code(sent).is_empty()).count();
    demo.checks.equal("codes sent to a father under a court order", &0, &codes)?;
    demo.checks.equal("what the office is told of it", &1, &sent.len())?;
    say(
        "  A father with a court order against him types everything right, too. The answer is the same; no code is sent, and the office is told.",
    )
}

async fn claim(demo: &Demo<'_>, school: &School, claim: &Claim) -> Result<Value> {
    let body = json!({"school_code": school.code, "parent": claim.parent, "child": claim.child});
    demo.anybody.post("/v1/verifications", &body).await?.expect(202)
}

/// The eight digits that the text starts with.
fn code(sent: &Sent) -> String {
    sent.text.chars().take_while(char::is_ascii_digit).collect()
}

fn described(child: &Value) -> String {
    let text = |name: &str| child[name].as_str().unwrap_or_default();
    format!(
        "{} {} (Year {}, class {})",
        text("given_name"),
        text("family_name"),
        text("year_group"),
        text("class")
    )
}

/// Names are stored with the plain apostrophe, whichever one the file has.
fn described_in_file(child: &Child) -> String {
    let Child { given_name, family_name, year_group, class, .. } = child;
    format!("{given_name} {family_name} (Year {year_group}, class {class})").replace('\u{2019}', "'")
}
