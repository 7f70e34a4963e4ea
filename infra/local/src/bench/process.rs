//! One function as a process of its own against a Runtime API of its own, with no stack around it.

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::timeout;

use super::runtime_api::{Answer, RuntimeApi};
use crate::{
    cloud::REGION,
    error::{Context, Error, Result},
};

/// Under callgrind a start takes some fifty times as long.
const START_DEADLINE: Duration = Duration::from_mins(3);
const STOP_DEADLINE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// What Lambda sets for every function. Nothing in it is real, and nothing is called with it.
const ENVIRONMENT: [(&str, &str); 11] = [
    ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
    ("AWS_REGION", REGION),
    ("AWS_DEFAULT_REGION", REGION),
    ("AWS_ACCESS_KEY_ID", "ASIABENCH"),
    ("AWS_SECRET_ACCESS_KEY", "bench"),
    ("AWS_SESSION_TOKEN", "bench"),
];

/// A process that has served its events and waits for the next. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    api: RuntimeApi,
}

impl Process {
    /// Starts `command` with what Lambda puts into the environment and `variables` besides, and waits until it waits.
    pub async fn start(
        mut command: Command,
        variables: &BTreeMap<String, String>,
        events: Vec<Value>,
    ) -> Result<Self> {
        let api = RuntimeApi::start(events).await?;
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(ENVIRONMENT)
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().failed("the process cannot be started")?;
        let mut process = Self { child, api };
        process.wait_until_it_waits().await?;
        Ok(process)
    }

    async fn wait_until_it_waits(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        while timeout(POLL, self.api.waiting()).await.is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Error::Failed(format!("it ended before it asked for an event ({status})")));
            }
            if Instant::now() >= deadline {
                return Err(Error::Failed("it did not ask for an event in time".to_owned()));
            }
        }
        Ok(())
    }

    /// Its id in the process table.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it made of its events.
    pub fn answers(&self) -> Vec<Answer> {
        self.api.answers()
    }

    /// Asks it to end, as Lambda does, and waits until it has.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(id) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // An error only says that it has ended by itself.
            let _ = kill_process(id, Signal::TERM);
        }
        let deadline = Instant::now() + STOP_DEADLINE;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() >= deadline {
                return Err(Error::Failed("it did not end when it was asked to".to_owned()));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail on a process that has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
