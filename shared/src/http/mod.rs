//! HTTP: what every route shares. Requests and answers are plain values; API Gateway's types end here.

pub mod idempotency;
pub mod json;
pub mod problem;
pub mod request;
pub mod staff;
pub mod told;

pub use idempotency::Replay;
pub use problem::{ApiError, FieldError, Problem};
pub use request::{Answer, Request};
pub use staff::{Staff, StaffRole};
pub use told::Told;
