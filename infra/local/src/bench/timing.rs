//! How long a claim of a known and of an unknown parent takes in parent-verify, AWS in memory: Welch's t-test on the times of the
//! two, which come in an order of chance so that whatever drifts meanwhile strikes both alike.
//!
//! The bound is the one of the practice of test vector leakage assessment (TVLA; Goodwill and others, 2011): a |t| beyond 4.5 is
//! a leak, with one false alarm in some 100,000 runs. What difference would have shown is told besides: a machine that is busy
//! with other things hides more. And a control, whose second kind of claim carries white space to be read, has to go beyond it: a test
//! that nothing can fail says nothing.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    binaries::Binaries,
    figure::{Figure, ratio},
    process::Process,
    runtime_api::Answer,
    stand_in::{KEYS, StandIn},
};
use crate::{
    demo::file::SchoolFile,
    error::{Context, Error, Result},
    paths,
    progress::Step,
    sample::{Claim, ClaimParent},
};

const SECTION: &str = "time of a known against an unknown parent's claim, AWS in memory";
const CLAIMS: usize = 2_000;
/// How many of them go by while caches and connections warm.
const WARM_UP: usize = 200;
/// Of a hundred claims, those kept: the others, whoever's they are, waited for the machine, and would drown the rest.
const KEPT: usize = 95;
const THRESHOLD: f64 = 4.5;

/// What a claim of the control carries besides: within the 256 KB of a body, and some hundredths of a claim's time to read.
const PADDING: usize = 48 * 1024;

/// Has the real binary take the claims, and compares.
pub async fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let known = SchoolFile::read()?.expected.story.claims.mother;
    let (known, unknown) = (body(&known), body(&stranger(&known)));
    let padded = format!("{known}{}", " ".repeat(PADDING));
    let binary = binaries.path("parent-verify");
    let step = Step::start("Timing the claims of a known and an unknown parent");
    let answers = taken(&binary, events([&unknown, &known])?).await?;
    step.done();
    let step = Step::start("Timing claims that differ");
    let control = taken(&binary, events([&known, &padded])?).await?;
    step.done();
    let compared = compare(&times(&answers)?)?;
    let control = compare(&times(&control)?)?;
    let what = |of: &str| format!("Welch's |t|, {CLAIMS} claims{of}");
    let differs = what(&format!(", every second one with {} KB of white space", PADDING / 1024));
    Ok(vec![
        Figure::at_most(SECTION, what(""), compared.0, compared.1, (THRESHOLD, "<= 4.5")),
        Figure::at_least(SECTION, differs, control.0, control.1, (THRESHOLD, "> 4.5: it shows")),
    ])
}

/// The claims in their order, each with one of two bodies.
fn events(bodies: [&str; 2]) -> Result<Vec<Value>> {
    let path = paths::root().join("events/parent-verify/create-verification.json");
    let event = fs::read(&path).failed(format_args!("{} cannot be read", path.display()))?;
    let event: Value =
        serde_json::from_slice(&event).failed(format_args!("{} is no JSON", path.display()))?;
    let claim = |at| {
        let mut event = event.clone();
        event["body"] = Value::from(bodies[usize::from(is_known(at))]);
        event
    };
    Ok((0..CLAIMS).map(claim).collect())
}

/// What the binary answers to them.
async fn taken(binary: &Path, events: Vec<Value>) -> Result<Vec<Answer>> {
    let aws = StandIn::start().await?;
    let process = Process::start(Command::new(binary), &variables(&aws.url), events).await?;
    let answers = process.answers();
    process.stop().await?;
    Ok(answers)
}

fn body(claim: &Claim) -> String {
    json!({"school_code": "OAKF1ELD", "parent": claim.parent, "child": claim.child}).to_string()
}

/// The same child's unknown parent, with a name of the same letters: nothing differs but who it is.
fn stranger(known: &Claim) -> Claim {
    let backwards = |name: &str| name.chars().rev().collect();
    let ClaimParent { given_name, family_name, .. } = &known.parent;
    let (given_name, family_name) = (backwards(given_name), backwards(family_name));
    Claim { parent: ClaimParent { given_name, family_name, ..known.parent.clone() }, ..known.clone() }
}

/// Whose claim stands at a place of the order: by chance, and in every run the same.
fn is_known(at: usize) -> bool {
    Sha256::digest(at.to_string())[0].is_multiple_of(2)
}

fn variables(url: &str) -> BTreeMap<String, String> {
    let queue = format!("{url}/000000000000/send-urgent.fifo");
    [
        ("AWS_ENDPOINT_URL", url),
        ("DIRECTORY_TABLE", "directory"),
        ("ACCESS_TABLE", "access"),
        ("KEYS_TABLE", KEYS),
        ("KMS_KEY_ID", "key"),
        ("SEND_URGENT_QUEUE_URL", &queue),
        ("PRIVACY_NOTICE", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The times in seconds of the unknown parent's claims and of the known one's.
fn times(answers: &[Answer]) -> Result<[Vec<f64>; 2]> {
    if answers.len() != CLAIMS {
        return Err(Error::Failed(format!("{} of {CLAIMS} claims were answered", answers.len())));
    }
    for answer in answers {
        let answer: Value =
            serde_json::from_slice(&answer.body).failed("the answer to a claim is no JSON")?;
        if answer["statusCode"] != 202 {
            let status = &answer["statusCode"];
            return Err(Error::Failed(format!("a claim got {status} and not 202: stand_in.rs lacks a call")));
        }
    }
    let mut sorted: Vec<_> = answers[WARM_UP..].iter().map(|answer| answer.took).collect();
    sorted.sort_unstable();
    let longest = sorted[sorted.len() * KEPT / 100];
    let mut times = [Vec::new(), Vec::new()];
    for (at, answer) in answers.iter().enumerate().skip(WARM_UP).filter(|(_, one)| one.took < longest) {
        times[usize::from(is_known(at))].push(answer.took.as_secs_f64());
    }
    Ok(times)
}

/// The test's |t|, and how it came about.
fn compare([unknown, known]: &[Vec<f64>; 2]) -> Result<(f64, String)> {
    let welch = Welch::of(known, unknown)
        .ok_or_else(|| Error::Failed("the times of the claims do not vary at all".to_owned()))?;
    let percent = |seconds: f64| 100.0 * seconds / mean(unknown);
    let measured = format!(
        "{:.2} ({:.0} degrees of freedom): {:+.2} %; {:.2} % would show",
        welch.t.abs(),
        welch.freedom,
        percent(welch.t * welch.error),
        percent(THRESHOLD * welch.error),
    );
    Ok((welch.t.abs(), measured))
}

/// Welch's test of whether two samples of unequal variance have the same mean.
#[derive(Debug)]
struct Welch {
    t: f64,
    /// Degrees of freedom, after Welch and Satterthwaite.
    freedom: f64,
    /// Standard error of the difference.
    error: f64,
}

impl Welch {
    /// `None` when there is too little to tell a variance from, or none.
    fn of(one: &[f64], other: &[f64]) -> Option<Self> {
        let (square, other_square) = (squared_error(one)?, squared_error(other)?);
        let sum = square + other_square;
        let weight = |square: f64, values: &[f64]| square * square / (count(values) - 1.0);
        (sum > 0.0).then(|| Self {
            t: (mean(one) - mean(other)) / sum.sqrt(),
            freedom: sum * sum / (weight(square, one) + weight(other_square, other)),
            error: sum.sqrt(),
        })
    }
}

fn count(values: &[f64]) -> f64 {
    ratio(values.len() as u64, 1)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values)
}

/// The square of the mean's standard error.
fn squared_error(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| squares / (count(values) - 1.0) / count(values))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn welch_as_by_hand() {
        let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-6, "{value}");
        // Means 3 and 6, variances 2.5 and 10 over 5: t = -3 / sqrt(0.5 + 2), f = 2.5² / (0.5² / 4 + 2² / 4).
        let welch = Welch::of(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 4.0, 6.0, 8.0, 10.0]).expect("they vary");
        near(welch.t, -1.897_367);
        near(welch.freedom, 5.882_353);
        near(welch.error, 1.581_139);
        // Means 1 and 5, variances 2 over 2 and 4 over 3: t = -4 / sqrt(1 + 4/3), f = (7/3)² / (1² / 1 + (4/3)² / 2).
        let welch = Welch::of(&[0.0, 2.0], &[3.0, 5.0, 7.0]).expect("they vary");
        near(welch.t, -2.618_615);
        near(welch.freedom, 2.882_353);
        assert!(Welch::of(&[1.0], &[1.0, 2.0]).is_none());
        assert!(Welch::of(&[1.0, 1.0], &[2.0, 2.0]).is_none());
        assert!(Welch::of(&[], &[]).is_none());
    }

    /// Times between 1 and 1.4 ms, and by so many microseconds more for the known parent.
    fn answers(more: u64, status: u16) -> Vec<Answer> {
        let body = json!({"statusCode": status}).to_string().into_bytes();
        let noise = |at: usize| u64::from(Sha256::digest(format!("noise {at}"))[0]) * 400 / 255;
        let took = |at| Duration::from_micros(1_000 + noise(at) + if is_known(at) { more } else { 0 });
        (0..CLAIMS).map(|at| Answer { took: took(at), body: body.clone() }).collect()
    }

    #[test]
    fn a_difference_of_a_twentieth_shows_and_none_does_not() {
        let t = |more| {
            let [unknown, known] = times(&answers(more, 202)).expect("all were taken");
            Welch::of(&known, &unknown).expect("they vary").t
        };
        assert!(t(0).abs() < THRESHOLD, "{}", t(0));
        assert!(t(60) > THRESHOLD, "{}", t(60));
    }

    #[test]
    fn claims_that_are_not_taken_are_not_compared() {
        assert!(times(&answers(0, 500)).is_err());
        assert!(times(&answers(0, 202)[1..]).is_err());
    }

    #[test]
    fn the_two_differ_in_who_the_parent_is_alone() {
        let known = SchoolFile::read().expect("it is there").expected.story.claims.mother;
        let unknown = stranger(&known);
        assert_ne!(unknown.parent.given_name.to_lowercase(), known.parent.given_name.to_lowercase());
        assert_eq!(body(&unknown).len(), body(&known).len());
        assert_eq!((unknown.child, &unknown.parent.mobile), (known.child.clone(), &known.parent.mobile));
        let known = (0..CLAIMS).filter(|at| is_known(*at)).count();
        assert!((900..=1_100).contains(&known), "{known}");
    }
}
