//! The matching of claims with no cloud around it, for `cargo local bench`: prints what made-up claims came to, as JSON. Without an
//! argument the seed is 1.

use std::error::Error;

use serde_json::{Value, json};

mod score;

use score::{Tally, dangers, honest};

fn main() -> Result<(), Box<dyn Error>> {
    let seed = std::env::args().nth(1).map_or(Ok(1), |seed| seed.parse())?;
    let [dangers, honest] = [dangers::tallies(seed), honest::tallies(seed)].map(|tallies| {
        tallies.iter().map(|(kind, tally)| ((*kind).to_owned(), told(tally))).collect::<Value>()
    });
    println!("{}", json!({"seed": seed, "dangers": dangers, "honest": honest}));
    Ok(())
}

fn told(tally: &Tally) -> Value {
    json!({"claims": tally.claims, "proved": tally.proved, "review": tally.review, "no": tally.no,
        "false": tally.false_approvals, "to_owner": tally.to_owner})
}
