//! The only file that speaks DynamoDB. A [`Record`] ties a stored type to its kind, table and data class.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, KeysAndAttributes, Put, ReturnValue, TransactWriteItem, Update as SdkUpdate},
};
use serde::{Serialize, de::DeserializeOwned};

pub use super::expression::{Condition, Update, Value, value};
use super::{
    expression::Expression,
    failure::describe,
    key::{Key, TableName},
};
use crate::privacy::retention::DataClass;

/// Items in one `TransactWriteItems` call (a DynamoDB quota).
pub const TRANSACTION_ITEMS: usize = 100;
/// Keys in one `BatchGetItem` call (a DynamoDB quota).
const BATCH_KEYS: usize = 100;
/// How often what a batch left unprocessed is asked again before the caller's queue takes over.
const BATCH_ROUNDS: usize = 5;

/// How often a transaction that met another one, or a throttle, is repeated: for 50 ms × (2^6 - 1), some three seconds.
const TRANSACTION_ROUNDS: u32 = 6;

/// A stored type. `pk`, `sk`, `kind` and `ttl` are added and checked here and nowhere else.
pub trait Record: Serialize + DeserializeOwned {
    /// The value of the `kind` attribute.
    const KIND: &'static str;
    /// The table it lives in.
    const TABLE: TableName;
    /// Its retention rule.
    const CLASS: DataClass;
    /// Where it lies.
    fn key(&self) -> Key;
    /// The index reference, for the few kinds that have one.
    fn reference(&self) -> Option<String> {
        None
    }
    /// When DynamoDB may drop it, in seconds since 1970; only ever in the `access` table.
    fn expires(&self) -> Option<i64> {
        None
    }
}

/// What storage can answer besides a result.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A condition did not hold: somebody else was first. Read again and decide anew.
    #[error("a condition on a stored item did not hold")]
    Conflict,
    /// The service did not do it (throttled, timed out, refused). Safe to try again; the text has no item in it.
    #[error("{action} failed: {detail}")]
    Unavailable {
        /// The call.
        action: &'static str,
        /// The service's own words.
        detail: String,
    },
    /// A stored item does not have the shape its kind promises: a defect, not a passing fault.
    #[error("a stored {kind} cannot be read: {detail}")]
    Malformed {
        /// The kind that was expected.
        kind: &'static str,
        /// What is wrong with it; names attributes, not values.
        detail: String,
    },
}

/// An item as stored, opaque outside this file.
#[derive(Clone, Debug)]
pub struct Item(HashMap<String, AttributeValue>);

impl Item {
    /// Reads the item as `R`; another kind is [`StoreError::Malformed`].
    pub fn read<R: Record>(self) -> Result<R, StoreError> {
        let kind = self.0.get("kind").and_then(|kind| kind.as_s().ok());
        if kind.is_none_or(|kind| kind != R::KIND) {
            return Err(StoreError::Malformed {
                kind: R::KIND,
                detail: "another kind is stored there".into(),
            });
        }
        serde_dynamo::from_item(self.0)
            .map_err(|error| StoreError::Malformed { kind: R::KIND, detail: error.to_string() })
    }

    /// The sort key.
    pub fn sk(&self) -> &str {
        self.0.get("sk").and_then(|sk| sk.as_s().ok()).map_or("", String::as_str)
    }

    /// The partition key.
    pub fn pk(&self) -> &str {
        self.0.get("pk").and_then(|pk| pk.as_s().ok()).map_or("", String::as_str)
    }

    /// Where it lies.
    pub fn key(&self) -> Key {
        Key { pk: self.pk().to_owned(), sk: self.sk().to_owned() }
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        self.0.get("kind").and_then(|kind| kind.as_s().ok()).map_or("", String::as_str)
    }
}

/// One write of a transaction.
#[derive(Clone, Debug)]
pub struct Write {
    key: Key,
    table: TableName,
    what: What,
    condition: Condition,
}

#[derive(Clone, Debug)]
enum What {
    Put(Item),
    Update(Update),
    Delete,
    Check,
}

impl Write {
    /// Puts a whole record.
    pub fn put<R: Record>(record: &R, condition: Condition) -> Result<Self, StoreError> {
        Ok(Self { key: record.key(), table: R::TABLE, what: What::Put(to_item(record)?), condition })
    }

    /// Changes attributes of the item at `key`.
    pub fn update(table: TableName, key: Key, update: Update, condition: Condition) -> Self {
        Self { key, table, what: What::Update(update), condition }
    }

    /// The item that it writes.
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Removes the item at `key`.
    pub fn delete(table: TableName, key: Key, condition: Condition) -> Self {
        Self { key, table, what: What::Delete, condition }
    }

    /// Writes nothing, but the whole transaction depends on it.
    pub fn check(table: TableName, key: Key, condition: Condition) -> Self {
        Self { key, table, what: What::Check, condition }
    }
}

/// The tables a function was given, by logical name. Asking for one it was not given is a defect of the wiring.
#[derive(Clone, Debug)]
pub struct Tables {
    client: Client,
    names: HashMap<TableName, String>,
}

/// All that a query answers, page by page.
async fn pages<E: From<StoreError>>(
    query: QueryFluentBuilder,
    mut visit: impl FnMut(Vec<Item>) -> Result<(), E> + Send,
) -> Result<(), E> {
    let mut start = None;
    loop {
        let answer = query.clone().set_exclusive_start_key(start).send().await;
        let answer = answer.map_err(|error| failed("Query", &error))?;
        visit(answer.items.unwrap_or_default().into_iter().map(Item).collect())?;
        start = answer.last_evaluated_key.filter(|key| !key.is_empty());
        if start.is_none() {
            return Ok(());
        }
    }
}

impl Tables {
    /// The tables under their physical names.
    pub fn new(client: Client, names: HashMap<TableName, String>) -> Self {
        Self { client, names }
    }

    fn name(&self, table: TableName) -> Result<&str, StoreError> {
        self.names.get(&table).map(String::as_str).ok_or_else(|| StoreError::Unavailable {
            action: "table",
            detail: format!("this function was not given the {} table", table.word()),
        })
    }

    /// One record, strongly consistent.
    pub async fn get<R: Record>(&self, key: Key) -> Result<Option<R>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(self.name(R::TABLE)?)
            .set_key(Some(attributes(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failed("GetItem", &error))?;
        answer.item.map(|item| Item(item).read()).transpose()
    }

    /// Many items at once, from one or more tables, strongly consistent, in no order; missing ones are left out.
    /// Keys must be distinct.
    pub async fn batch_get(&self, keys: Vec<(TableName, Key)>) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        for some in keys.chunks(BATCH_KEYS) {
            let mut request: HashMap<String, KeysAndAttributes> = HashMap::new();
            let mut by_table: HashMap<&str, Vec<HashMap<String, AttributeValue>>> = HashMap::new();
            for (table, key) in some {
                by_table.entry(self.name(*table)?).or_default().push(attributes(key.clone()));
            }
            for (table, keys) in by_table {
                let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
                request
                    .insert(table.to_owned(), wanted.map_err(|error| unavailable("BatchGetItem", &error))?);
            }
            for round in 0.. {
                let answer = self.client.batch_get_item().set_request_items(Some(request)).send().await;
                let answer = answer.map_err(|error| failed("BatchGetItem", &error))?;
                found.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items).map(Item));
                request = answer.unprocessed_keys.unwrap_or_default();
                if request.is_empty() {
                    break;
                }
                if round == BATCH_ROUNDS {
                    return Err(StoreError::Unavailable {
                        action: "BatchGetItem",
                        detail: "keys stayed unprocessed".into(),
                    });
                }
            }
        }
        Ok(found)
    }

    /// All items of a partition whose sort key starts with `prefix` (all of them if it is empty), in order, strongly
    /// consistent.
    pub async fn query(&self, table: TableName, pk: &str, prefix: &str) -> Result<Vec<Item>, StoreError> {
        // A key value may not be empty, and every sort key begins with a letter.
        let from = if prefix.is_empty() { "!" } else { prefix };
        let (from, to) = (from.to_owned(), format!("{prefix}\u{10ffff}"));
        self.query_range(table, pk, (&from, &to)).await
    }

    /// The last `limit` items of a partition whose sort key starts with `prefix`, newest first, those before `before` only.
    pub async fn latest(
        &self,
        table: TableName,
        pk: &str,
        prefix: &str,
        before: Option<&str>,
        limit: i32,
    ) -> Result<Vec<Item>, StoreError> {
        let to = before.map_or_else(|| format!("{prefix}\u{10ffff}"), |before| format!("{before} "));
        let answer = self
            .client
            .query()
            .table_name(self.name(table)?)
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(limit + i32::from(before.is_some()))
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":from", AttributeValue::S(prefix.to_owned()))
            .expression_attribute_values(":to", AttributeValue::S(to))
            .send()
            .await
            .map_err(|error| failed("Query", &error))?;
        let items = answer.items.unwrap_or_default().into_iter().map(Item);
        Ok(items
            .filter(|item| before.is_none_or(|before| item.sk() < before))
            .take(usize::try_from(limit).unwrap_or_default())
            .collect())
    }

    /// All items of a partition with a sort key in the closed range, in order, strongly consistent.
    pub async fn query_range(
        &self,
        table: TableName,
        pk: &str,
        range: (&str, &str),
    ) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        self.query_pages(table, pk, range, |page| {
            items.extend(page);
            Ok::<_, StoreError>(())
        })
        .await?;
        Ok(items)
    }

    /// As [`Self::query_range`], a page at a time: a school's directory as items takes several times what is made of them.
    pub async fn query_pages<E: From<StoreError>>(
        &self,
        table: TableName,
        pk: &str,
        range: (&str, &str),
        visit: impl FnMut(Vec<Item>) -> Result<(), E> + Send,
    ) -> Result<(), E> {
        let query = self
            .client
            .query()
            .table_name(self.name(table)?)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":from", AttributeValue::S(range.0.to_owned()))
            .expression_attribute_values(":to", AttributeValue::S(range.1.to_owned()));
        pages(query, visit).await
    }

    /// The keys that the directory's index holds for a reference. Eventually consistent: read the items before
    /// anything is decided.
    pub async fn find(&self, table: TableName, reference: &str) -> Result<Vec<Key>, StoreError> {
        let mut keys = Vec::new();
        let query = self
            .client
            .query()
            .table_name(self.name(table)?)
            .index_name("by_ref")
            .key_condition_expression("#ref = :ref")
            .expression_attribute_names("#ref", "ref")
            .expression_attribute_values(":ref", AttributeValue::S(reference.to_owned()));
        pages(query, |items| {
            keys.extend(items.iter().map(Item::key));
            Ok::<_, StoreError>(())
        })
        .await?;
        Ok(keys)
    }

    /// Puts a record if the condition holds.
    pub async fn put<R: Record>(&self, record: &R, condition: Condition) -> Result<(), StoreError> {
        let mut expression = Expression::default();
        let text = expression.condition(&condition);
        self.client
            .put_item()
            .table_name(self.name(R::TABLE)?)
            .set_item(Some(to_item(record)?.0))
            .set_condition_expression(text)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .send()
            .await
            .map_err(|error| failed("PutItem", &error))?;
        Ok(())
    }

    /// Changes one item if the condition holds, and returns it as it is afterwards.
    pub async fn update<R: Record>(
        &self,
        key: Key,
        update: Update,
        condition: Condition,
    ) -> Result<R, StoreError> {
        let mut expression = Expression::default();
        let change = expression.update(&update.set("kind", R::KIND));
        let text = expression.condition(&condition);
        let answer = self
            .client
            .update_item()
            .table_name(self.name(R::TABLE)?)
            .set_key(Some(attributes(key)))
            .update_expression(change)
            .set_condition_expression(text)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(|error| failed("UpdateItem", &error))?;
        Item(answer.attributes.unwrap_or_default()).read()
    }

    /// Removes one item if the condition holds.
    pub async fn delete(&self, table: TableName, key: Key, condition: Condition) -> Result<(), StoreError> {
        let mut expression = Expression::default();
        let text = expression.condition(&condition);
        self.client
            .delete_item()
            .table_name(self.name(table)?)
            .set_key(Some(attributes(key)))
            .set_condition_expression(text)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .send()
            .await
            .map_err(|error| failed("DeleteItem", &error))?;
        Ok(())
    }

    /// All the writes, or none: at most [`TRANSACTION_ITEMS`]. Any condition that fails is [`StoreError::Conflict`].
    pub async fn transact(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let items =
            writes.into_iter().map(|write| self.transact_item(write)).collect::<Result<Vec<_>, _>>()?;
        for round in 0.. {
            let answer =
                self.client.transact_write_items().set_transact_items(Some(items.clone())).send().await;
            let Err(error) = answer else { break };
            if round == TRANSACTION_ROUNDS || !is_in_the_way(&error) {
                return Err(failed("TransactWriteItems", &error));
            }
            // 50, 100, 200 … ms: the SDK does not repeat a cancelled transaction by itself.
            tokio::time::sleep(Duration::from_millis(50 << round)).await;
        }
        Ok(())
    }

    fn transact_item(&self, write: Write) -> Result<TransactWriteItem, StoreError> {
        use aws_sdk_dynamodb::types::{ConditionCheck, Delete};
        let mut expression = Expression::default();
        let table = self.name(write.table)?.to_owned();
        let key = attributes(write.key);
        let item = TransactWriteItem::builder();
        let built = match write.what {
            What::Put(body) => {
                let text = expression.condition(&write.condition);
                Put::builder()
                    .table_name(table)
                    .set_item(Some(body.0))
                    .set_condition_expression(text)
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .build()
                    .map(|put| item.put(put))
            }
            What::Update(update) => {
                let change = expression.update(&update);
                let text = expression.condition(&write.condition);
                SdkUpdate::builder()
                    .table_name(table)
                    .set_key(Some(key))
                    .update_expression(change)
                    .set_condition_expression(text)
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .build()
                    .map(|update| item.update(update))
            }
            What::Delete => {
                let text = expression.condition(&write.condition);
                Delete::builder()
                    .table_name(table)
                    .set_key(Some(key))
                    .set_condition_expression(text)
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .build()
                    .map(|delete| item.delete(delete))
            }
            What::Check => {
                let text = expression.condition(&write.condition);
                ConditionCheck::builder()
                    .table_name(table)
                    .set_key(Some(key))
                    .set_condition_expression(text)
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .build()
                    .map(|check| item.condition_check(check))
            }
        };
        Ok(built.map_err(|error| unavailable("TransactWriteItems", &error))?.build())
    }
}

fn attributes(key: Key) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(key.pk)),
        ("sk".to_owned(), AttributeValue::S(key.sk)),
    ])
}

fn to_item<R: Record>(record: &R) -> Result<Item, StoreError> {
    let malformed = |detail: String| StoreError::Malformed { kind: R::KIND, detail };
    let mut item: HashMap<String, AttributeValue> =
        serde_dynamo::to_item(record).map_err(|error| malformed(error.to_string()))?;
    if item.contains_key("kind") {
        return Err(malformed("it has an attribute of its own called kind".into()));
    }
    item.extend(attributes(record.key()));
    item.insert("kind".to_owned(), AttributeValue::S(R::KIND.to_owned()));
    if let Some(reference) = record.reference() {
        item.insert("ref".to_owned(), AttributeValue::S(reference));
    }
    match (record.expires(), R::TABLE) {
        (Some(at), TableName::Access) => {
            item.insert("ttl".to_owned(), AttributeValue::N(at.to_string()));
        }
        (Some(_), _) => return Err(malformed("only the access table has timers".into())),
        (None, _) => {}
    }
    Ok(Item(item))
}

fn unavailable(action: &'static str, error: &impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable { action, detail: error.to_string() }
}

/// Whether a transaction was cancelled for a passing reason alone: another transaction on the same item, or a throttle.
fn is_in_the_way<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let message = error.message().unwrap_or_default();
    let passing =
        ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"];
    error.code() == Some("TransactionCanceledException")
        && !message.contains("ConditionalCheckFailed")
        && passing.iter().any(|reason| message.contains(reason))
}

/// A failed condition is a conflict, alone or inside a transaction. A cancelled transaction's reasons carry no items.
fn failed<E>(action: &'static str, error: &SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default();
    let message = error.message().unwrap_or_default();
    // A transaction that met another one on the same item was not carried out either: the same "read again" holds.
    let met = |reason| code == "TransactionCanceledException" && message.contains(reason);
    if code == "ConditionalCheckFailedException"
        || code == "TransactionConflictException"
        || met("ConditionalCheckFailed")
        || met("TransactionConflict")
    {
        return StoreError::Conflict;
    }
    StoreError::Unavailable { action, detail: describe(error) }
}
