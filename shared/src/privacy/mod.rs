//! The rules of data protection as code: what may be taken in, how long each class of data is kept, who saw whom.

pub mod agreement;
pub mod audit;
pub mod retention;
pub mod run;
pub mod usage;
