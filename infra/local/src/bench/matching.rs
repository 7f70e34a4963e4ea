//! What made-up claims come to: dangerous ones, none of which may be approved, and honest ones, of which most should be without
//! anybody's doing. The claims follow from a seed: every run counts the same ones.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

use super::{
    binaries::{Binaries, MATCHING},
    figure::{Figure, ratio},
    ingest::{number, run},
};
use crate::{
    error::{Error, Result},
    progress::Step,
};

const SECTION: &str = "claims matched against made-up schools";
const FALSE: (f64, &str) = (0.0, "none");

/// Scores them all.
pub fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let step = Step::start("Matching claims of made-up parents");
    let found = run(&mut Command::new(binaries.path(MATCHING)))?;
    step.done();
    figures(&found)
}

fn figures(found: &Value) -> Result<Vec<Figure>> {
    let [dangers, honest] = [sum(&found["dangers"])?, sum(&found["honest"])?];
    let false_approvals = dangers["false"] + honest["false"];
    let mut figures = vec![
        Figure::at_most(
            SECTION,
            "false approvals",
            ratio(false_approvals, 1),
            format!(
                "{false_approvals} of {} dangerous and {} honest claims",
                dangers["claims"], honest["claims"]
            ),
            FALSE,
        ),
        Figure::stated(
            SECTION,
            "codes that went to their owner, who had not asked",
            ratio(dangers["to_owner"], dangers["claims"]),
            format!("{} of {} dangerous claims", dangers["to_owner"], dangers["claims"]),
        ),
    ];
    for (what, name) in
        [("proved without the office", "proved"), ("looked at by the office", "review"), ("refused", "no")]
    {
        let share = ratio(honest[name], honest["claims"]);
        let measured = format!("{:.1} % = {} of {}", share * 100.0, honest[name], honest["claims"]);
        let kinds = by_kind(&found["honest"], name)?;
        figures.push(Figure::stated(SECTION, format!("honest claims {what}"), share, measured).of(kinds));
    }
    Ok(figures)
}

/// Each count over all kinds of claim.
fn sum(tallies: &Value) -> Result<BTreeMap<&'static str, u64>> {
    let names = ["claims", "proved", "review", "no", "false", "to_owner"];
    names.into_iter().map(|name| Ok((name, by_kind(tallies, name)?.values().sum()))).collect()
}

/// One count by kind of claim.
fn by_kind(tallies: &Value, name: &str) -> Result<BTreeMap<String, u64>> {
    let kinds = tallies.as_object().filter(|kinds| !kinds.is_empty());
    let kinds = kinds.ok_or_else(|| Error::Failed("the matching told of no claims".to_owned()))?;
    kinds.iter().map(|(kind, tally)| Ok((kind.clone(), number(tally, name)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_of_all_kinds_add_up_and_a_missing_one_is_an_error() {
        let tally = json!({"claims": 3, "proved": 2, "review": 1, "no": 0, "false": 0, "to_owner": 0});
        let found = json!({"dangers": {"a": tally}, "honest": {"b": tally, "c": tally}});
        assert_eq!(sum(&found["honest"]).expect("all is told")["proved"], 4);
        assert_eq!(figures(&found).expect("all is told").len(), 5);
        assert!(figures(&json!({"dangers": {}, "honest": {"b": tally}})).is_err());
        assert!(figures(&json!({"dangers": {"a": {}}, "honest": {"b": tally}})).is_err());
    }
}
