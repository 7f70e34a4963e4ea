//! A known against an unknown parent: nothing that can be seen from outside, and no call, may tell them apart.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Client;
use serde_json::{Value, json};

use super::{
    figure::{Figure, ratio},
    school::{School, unlike},
    traffic::{Traffic, empty},
};
use crate::{
    demo::client::text,
    error::{Context, Error, Result},
    progress::Step,
    sample::Claim,
    stack::Stack,
};

const SECTION: &str = "known against unknown parent at POST /v1/verifications";
/// Headers whose values differ from one answer to the next whatever is asked.
const VARYING: [&str; 3] = ["apigw-requestid", "date", "x-amzn-requestid"];

/// What the claimant sees of a claim (status, headers, members of the body), and the calls that parent-verify made for it.
#[derive(Debug)]
struct Seen {
    verification_id: String,
    answer: BTreeSet<String>,
    calls: BTreeMap<String, u64>,
}

/// Compares a known parent with unknown ones. The known one then signs in, so that parent-api serves too.
pub async fn measure(stack: &Stack, school: &School) -> Result<Vec<Figure>> {
    let step = Step::start("Verifying a known and some unknown parents");
    let claims = &school.file.expected.story.claims;
    // The first claim after a start also fetches keys, whoever makes it: it is not compared.
    claim(stack, &school.code, &claims.father).await?;
    let before = stack.mark().await?.outbox;
    let known = claim(stack, &school.code, &claims.mother).await?;
    sign_in(stack, school, &known.verification_id, before).await?;
    let (mut no_parent, mut no_child) = (claims.mother.clone(), claims.mother.clone());
    "Nobody".clone_into(&mut no_parent.parent.given_name);
    "Nobody".clone_into(&mut no_child.child.given_name);
    let no_school = another_code(&school.code);
    let mut figures = Vec::new();
    for (what, code, body) in [
        ("unknown parent", &school.code, &no_parent),
        ("unknown child", &school.code, &no_child),
        ("unknown school", &no_school, &claims.mother),
    ] {
        let unknown = claim(stack, code, body).await?;
        figures.push(compared(what, &known, &unknown));
    }
    step.done();
    Ok(figures)
}

/// Every part of the answer and every call counts: status, headers, members of the body.
fn compared(what: &str, known: &Seen, unknown: &Seen) -> Figure {
    let answers = known.answer.symmetric_difference(&unknown.answer).count() as u64;
    let calls = differences(&known.calls, &unknown.calls);
    let measured = if answers + calls == 0 {
        let calls: u64 = known.calls.values().sum();
        format!("same answer ({} parts), same {calls} AWS calls", known.answer.len())
    } else {
        format!("differences: {answers} in the answer, {calls} in the AWS calls")
    };
    Figure::at_most(SECTION, what, ratio(answers + calls, 1), measured, (0.0, "same"))
        .of(unknown.calls.clone())
}

/// A code of the same form that is not this one.
fn another_code(code: &str) -> String {
    code.chars().rev().collect()
}

/// How many entries of two multisets have no partner.
fn differences<K: Ord>(one: &BTreeMap<K, u64>, other: &BTreeMap<K, u64>) -> u64 {
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let times = |calls: &BTreeMap<K, u64>, key: &K| calls.get(key).copied().unwrap_or(0);
    keys.into_iter().map(|key| times(one, key).abs_diff(times(other, key))).sum()
}

/// Makes a claim and waits until whatever it has set going is over.
async fn claim(stack: &Stack, school_code: &str, claim: &Claim) -> Result<Seen> {
    let body = json!({"school_code": school_code, "parent": claim.parent, "child": claim.child});
    let ((verification_id, answer), traffic) = Traffic::of(
        stack,
        "a claim is worked through",
        async || {
            let url = format!("{}/v1/verifications", stack.api_url());
            let response =
                Client::new().post(url).json(&body).send().await.failed("a claim got no answer")?;
            let mut answer = BTreeSet::from([response.status().to_string()]);
            for (name, value) in response.headers() {
                let value = if VARYING.contains(&name.as_str()) { b"" } else { value.as_bytes() };
                answer.insert(format!("{name}: {}", String::from_utf8_lossy(value)));
            }
            let body: Value = response.json().await.failed("the answer to a claim is no JSON")?;
            answer.extend(body.as_object().into_iter().flat_map(|body| body.keys().cloned()));
            Ok((text(&body, "verification_id")?.to_owned(), answer))
        },
        async |_| empty(stack, &["SendUrgentQueueUrl"]).await,
    )
    .await?;
    // What message-send does later, out of anybody's sight, differs: it sends a code or it does not.
    Ok(Seen { verification_id, answer, calls: traffic.only("parent-verify").by_action() })
}

/// Enters the code that was sent and looks at the children.
async fn sign_in(stack: &Stack, school: &School, verification: &str, outbox: u64) -> Result<()> {
    let mobile = &school.file.expected.story.mother.mobile;
    let sent = stack.outbox(outbox, mobile).await?;
    let code = sent.iter().flat_map(|sent| sent.text.split_whitespace()).find(|word| is_code(word));
    let code = code.ok_or_else(|| Error::Failed("The known parent was sent no code.".to_owned()))?;
    let path = format!("/v1/verifications/{verification}/code");
    let entered = school.anybody.post(&path, &json!({"code": code})).await?.expect(201)?;
    let session = school.anybody.with(text(&entered, "session_token")?.to_owned());
    let children = session.get("/v1/me/children").await?.expect(200)?;
    let (seen, expected) = (&children["items"], school.file.expected.story.children.len());
    if seen.as_array().map(Vec::len) != Some(expected) {
        return Err(unlike("the known parent's children", expected, seen));
    }
    Ok(())
}

fn is_code(word: &str) -> bool {
    word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_without_a_partner_is_a_difference() {
        let calls = |counts: &[(&'static str, u64)]| counts.iter().copied().collect::<BTreeMap<_, _>>();
        let known = calls(&[("get", 3), ("put", 1)]);
        assert_eq!(differences(&known, &known), 0);
        assert_eq!(differences(&known, &calls(&[("get", 1), ("query", 1)])), 4);
    }

    #[test]
    fn a_code_is_eight_digits() {
        assert!(is_code("01234567"));
        assert!(!is_code("0123456"));
        assert!(!is_code("Oakfield"));
    }
}
