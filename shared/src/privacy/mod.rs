//! The rules of data protection as code: what may be taken in, what people have chosen, how long each class of data is kept.

pub mod agreement;
pub mod clock;
pub mod consent;
pub mod correction;
pub mod request;
pub mod retention;
pub mod run;
