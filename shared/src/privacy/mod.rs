//! The rules of data protection as code: what may be taken in, how long each class of data is kept.

pub mod agreement;
pub mod retention;
pub mod run;
