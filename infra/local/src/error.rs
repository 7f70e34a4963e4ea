//! What can go wrong in the runner, sorted by what the developer must do about it.

use std::fmt::Display;

/// An error of the runner; its text is one sentence for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something the machine lacks (no Python, a port taken, a broken venv): exit code 2, nothing was tried.
    #[error("{0}")]
    Setup(String),
    /// Something that was tried and failed (a build, a deployment, a check): exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// The process exit code that tells a script which of the two it was.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Setup(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

/// Result of anything the runner does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Turns a foreign error into one sentence that starts with what was being done.
pub trait Context<T> {
    /// The step was a check of the machine.
    fn setup(self, what: impl Display) -> Result<T>;
    /// The step was part of the work itself.
    fn failed(self, what: impl Display) -> Result<T>;
}

impl<T, E: std::error::Error> Context<T> for Result<T, E> {
    fn setup(self, what: impl Display) -> Result<T> {
        self.map_err(|error| Error::Setup(format!("{what}: {}", chain(&error))))
    }

    fn failed(self, what: impl Display) -> Result<T> {
        self.map_err(|error| Error::Failed(format!("{what}: {}", chain(&error))))
    }
}

/// The error and its sources on one line; HTTP errors say what happened only in their source.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
