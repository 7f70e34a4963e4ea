//! Logging: JSON lines on standard output, ids only. `RUST_LOG` sets the level.

use std::io::Write;

use serde_json::json;
use tracing_subscriber::EnvFilter;

/// Starts logging for the process. Later calls change nothing.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Lambda stamps each line itself; colours would be noise in CloudWatch.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .without_time()
        .with_target(false)
        .with_current_span(false)
        .try_init();
}

/// Writes one metric in CloudWatch's embedded format: a log line that becomes a number, with no call and no grant.
/// Counts without people; the only dimension is the stage.
pub fn metric(name: &str, value: u64, stage: &str, now: jiff::Timestamp) {
    let line = json!({
        "_aws": {"Timestamp": now.as_millisecond(), "CloudWatchMetrics": [{"Namespace": "Bookbag", "Dimensions": [["Stage"]], "Metrics": [{"Name": name, "Unit": "Count"}]}]},
        "Stage": stage, name: value,
    });
    // A metric that cannot be written raises the dead-man alarm, as it should.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
