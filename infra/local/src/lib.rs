//! The local runner: the whole of Bookbag on one machine, with no cloud account.
//!
//! The developer meets it as `cargo local <command>`, the integration tests as [`Stack`]. It installs the embedded cloud
//! (MiniStack) into a venv of its own, starts it with IAM enforced, deploys the same template that goes to AWS, and puts
//! the [`tap`] between the functions and the cloud: call log, carrier and faults. Nothing in here is ever deployed.

pub mod aws;
pub mod bench;
pub mod cli;
pub mod cloud;
pub mod contract;
pub mod daemon;
pub mod demo;
pub mod error;
pub mod package;
pub mod paths;
pub mod progress;
pub mod sample;
pub mod show;
pub mod stack;
pub mod tap;
pub mod venv;

mod ci;
mod deploy;
mod token;

pub use self::{
    error::{Error, Result},
    stack::{Stack, StackFile, eventually},
};
