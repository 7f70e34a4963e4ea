//! The night: retention-cleanup runs, so that it too has served before its memory is looked at.

use std::time::Duration;

use serde_json::json;

use super::traffic::empty;
use crate::{
    error::{Error, Result},
    progress::Step,
    stack::{Stack, eventually},
};

const DEADLINE: Duration = Duration::from_mins(2);

/// Runs it by its schedule event and waits until every school has been swept.
pub async fn run(stack: &Stack) -> Result<()> {
    let step = Step::start("Running the nightly clean-up");
    let now = jiff::Timestamp::now().to_string();
    let ended = stack.invoke("retention-cleanup", &json!({"kind": "nightly", "time": now})).await?;
    if let Some(error) = ended.error {
        return Err(Error::Failed(format!("The nightly clean-up failed ({error}): {}", ended.payload)));
    }
    eventually("every school has been swept", DEADLINE, async || {
        Ok(empty(stack, &["SweepQueueUrl"]).await?.then_some(()))
    })
    .await?;
    step.done();
    Ok(())
}
