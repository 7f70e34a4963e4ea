//! Conditions and changes as data, and their translation into expression text.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

/// One attribute value.
#[derive(Clone, Debug)]
pub struct Value(AttributeValue);

/// Any serialisable value as an attribute.
///
/// # Panics
/// Never for the plain numbers, texts, bytes and derives used here.
pub fn value(from: impl Serialize) -> Value {
    Value(serde_dynamo::to_attribute_value(from).expect("plain values can be stored"))
}

/// What must hold for a write to happen.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Nothing.
    Always,
    /// No item lies there.
    Absent,
    /// An item lies there.
    Present,
    /// The attribute equals the value.
    Is(&'static str, Value),
    /// The attribute is missing or below the value.
    MissingOrBelow(&'static str, Value),
    /// The attribute is above the value.
    Above(&'static str, Value),
    /// The attribute is missing.
    Missing(&'static str),
    /// All of them.
    All(Vec<Condition>),
    /// Any of them.
    Any(Vec<Condition>),
}

/// A change of some attributes of one item.
#[derive(Clone, Debug, Default)]
pub struct Update {
    set: Vec<(&'static str, Value)>,
    add: Vec<(&'static str, i64)>,
    remove: Vec<&'static str>,
}

impl Update {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an attribute.
    #[must_use]
    pub fn set(mut self, name: &'static str, to: impl Serialize) -> Self {
        self.set.push((name, value(to)));
        self
    }

    /// Adds to a number; a missing one counts as 0.
    #[must_use]
    pub fn add(mut self, name: &'static str, amount: i64) -> Self {
        self.add.push((name, amount));
        self
    }

    /// Removes an attribute.
    #[must_use]
    pub fn remove(mut self, name: &'static str) -> Self {
        self.remove.push(name);
        self
    }
}

/// Builds expression text with placeholders, so that no name can clash with a reserved word.
#[derive(Default)]
pub(super) struct Expression {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    pub(super) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: &Value) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value.0.clone());
        placeholder
    }

    pub(super) fn condition(&mut self, condition: &Condition) -> Option<String> {
        Some(match condition {
            Condition::Always => return None,
            Condition::Absent => format!("attribute_not_exists({})", self.name("pk")),
            Condition::Present => format!("attribute_exists({})", self.name("pk")),
            Condition::Is(name, value) => format!("{} = {}", self.name(name), self.value(value)),
            Condition::MissingOrBelow(name, value) => {
                let name = self.name(name);
                format!("(attribute_not_exists({name}) OR {name} < {})", self.value(value))
            }
            Condition::Above(name, value) => format!("{} > {}", self.name(name), self.value(value)),
            Condition::Missing(name) => format!("attribute_not_exists({})", self.name(name)),
            Condition::All(all) => self.joined(all, " AND "),
            Condition::Any(any) => self.joined(any, " OR "),
        })
    }

    fn joined(&mut self, conditions: &[Condition], with: &str) -> String {
        let parts: Vec<_> = conditions.iter().filter_map(|condition| self.condition(condition)).collect();
        format!("({})", parts.join(with))
    }

    pub(super) fn update(&mut self, update: &Update) -> String {
        let mut parts = Vec::new();
        let sets: Vec<_> = update
            .set
            .iter()
            .map(|(name, value)| format!("{} = {}", self.name(name), self.value(value)))
            .collect();
        if !sets.is_empty() {
            parts.push(format!("SET {}", sets.join(", ")));
        }
        let adds: Vec<_> = update
            .add
            .iter()
            .map(|(name, amount)| format!("{} {}", self.name(name), self.value(&value(amount))))
            .collect();
        if !adds.is_empty() {
            parts.push(format!("ADD {}", adds.join(", ")));
        }
        let removes: Vec<_> = update.remove.iter().map(|name| self.name(name)).collect();
        if !removes.is_empty() {
            parts.push(format!("REMOVE {}", removes.join(", ")));
        }
        parts.join(" ")
    }
}
