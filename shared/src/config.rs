//! Configuration: read once, typed, and every error names the variable. The only file that reads the environment.

use std::{env, str::FromStr};

/// A variable that is missing or cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {name} {problem}: the template sets it for every function that needs it")]
pub struct ConfigError {
    name: &'static str,
    problem: &'static str,
}

/// Which stage the stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A laptop: numbers kept for drama may be written to, and a schedule event may name its own time.
    Local,
    /// Anything real.
    Deployed,
}

impl FromStr for Stage {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "local" { Self::Local } else { Self::Deployed })
    }
}

/// A variable that must be there.
pub fn required(name: &'static str) -> Result<String, ConfigError> {
    env::var(name).ok().filter(|value| !value.is_empty()).ok_or(ConfigError { name, problem: "is not set" })
}

/// A variable with a default.
pub fn or(name: &'static str, default: &str) -> String {
    env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
}

/// The stage.
pub fn stage() -> Stage {
    or("STAGE", "prod").parse().unwrap_or(Stage::Deployed)
}
