//! The common crate of Bookbag's functions. In reading order:
//!
//! - [`id`], [`time`], [`random`]: typed ids and instants; `now` and randomness are always arguments below a handler
//! - [`person`], [`school`], [`connector`]: the nouns, and how they are stored
//! - [`upload`]: bytes to rows and findings to a pure plan
//! - [`message`]: audience, chunks, rendering, outcomes
//! - [`verify`]: who a claimant is, codes, sessions
//! - [`channel`]: the carriers
//! - [`privacy`]: agreement, consents, requests, retention; [`support`]: calls for help with the app
//! - [`seal`], [`store`], [`queue`], [`object`]: what speaks to the cloud
//! - [`batch`], [`http`], [`config`], [`log`], [`app`]: what every function's wiring is made of

// What the examples share with the unit tests speaks of this crate by its name.
#[cfg(test)]
extern crate self as shared;

/// Every function's. A school's file is a hundred thousand people in small pieces of memory: taking them and giving them back costs a
/// third of what it does with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod app;
pub mod batch;
pub mod channel;
pub mod config;
pub mod connector;
pub mod http;
pub mod id;
pub mod log;
pub mod message;
pub mod object;
pub mod person;
pub mod privacy;
pub mod queue;
pub mod random;
pub mod school;
pub mod seal;
pub mod store;
pub mod support;
pub mod time;
pub mod upload;
pub mod verify;
