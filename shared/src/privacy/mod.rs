//! The rules of data protection as code: what may be taken in, what people have chosen, how long each class of data is kept.

pub mod agreement;
pub mod consent;
pub mod retention;
pub mod run;
