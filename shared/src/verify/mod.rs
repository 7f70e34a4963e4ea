//! Who a claimant is: matching a claim against the school's data, the one-time code that proves possession, and the
//! session that follows. Names and date of birth select; only a code to the registered contact point proves; the link
//! authorises.

pub mod account;
pub mod claim;
pub mod code;
pub mod evidence;
mod likely;
pub mod limit;
pub mod matching;
pub(crate) mod nickname;
pub mod notice;
pub mod own;
pub mod push;
pub mod review;
pub mod session;
pub mod sign_in;
pub mod store;
