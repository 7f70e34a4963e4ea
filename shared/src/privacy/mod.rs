//! The rules of data protection as code: what may be taken in, what people have chosen and ask, how long each class of data is
//! kept, who saw whom.

pub mod agreement;
pub mod audit;
pub mod clock;
pub mod consent;
pub mod correction;
pub mod request;
pub mod retention;
pub mod run;
pub mod usage;
