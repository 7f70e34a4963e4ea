//! Storage: the shape of every key, and the only file that speaks DynamoDB.

pub mod failure;
pub mod key;
pub mod table;
