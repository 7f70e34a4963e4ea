//! Storage: the shape of every key, and the only place that speaks DynamoDB.

mod expression;
pub mod failure;
pub mod key;
pub mod table;
