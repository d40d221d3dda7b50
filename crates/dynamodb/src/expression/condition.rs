//! Conditions and filters: what must hold of an item.

use super::compare::{begins_with, contains, order, size};
use super::condition_check::check;
use super::condition_parser::parse;
use super::{Comparator, Parameter, Path, Placeholders};
use crate::{AttributeType, AttributeValue, Item, ValidationError};
use std::borrow::Cow;

/// What must hold of an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of these.
    And(Vec<Condition>),
    /// At least one of these.
    Or(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// `left <comparator> right`
    Compare(Operand, Comparator, Operand),
    /// `operand BETWEEN low AND high`, both included.
    Between {
        /// What is compared.
        operand: Operand,
        /// The lower bound.
        low: Operand,
        /// The upper bound.
        high: Operand,
    },
    /// `operand IN (candidates)`
    In(Operand, Vec<Operand>),
    /// `attribute_exists(path)`
    Exists(Path),
    /// `attribute_not_exists(path)`
    NotExists(Path),
    /// `attribute_type(operand, type)`
    Type(Operand, AttributeType),
    /// `begins_with(operand, prefix)`
    BeginsWith(Operand, Operand),
    /// `contains(operand, part)`
    Contains(Operand, Operand),
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// What the item has there.
    Path(Path),
    /// A value of the request.
    Value(AttributeValue),
    /// `size(operand)`
    Size(Box<Operand>),
}

impl Operand {
    /// Its value; absent where the item has nothing, and where `size` is asked of what has none.
    pub fn value<'v>(&'v self, item: &'v Item) -> Option<Cow<'v, AttributeValue>> {
        match self {
            Self::Path(path) => path.get(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(operand) => {
                let size = size(operand.value(item)?.as_ref())?;
                Some(Cow::Owned(AttributeValue::N(size.into())))
            }
        }
    }

    /// The type that it has whatever the item is.
    pub(super) fn fixed_type(&self) -> Option<AttributeType> {
        match self {
            Self::Path(_) => None,
            Self::Value(value) => Some(value.kind()),
            Self::Size(_) => Some(AttributeType::N),
        }
    }

    fn each_path<'c>(&'c self, visit: &mut impl FnMut(&'c Path)) {
        match self {
            Self::Path(path) => visit(path),
            Self::Value(_) => {}
            Self::Size(operand) => operand.each_path(visit),
        }
    }
}

impl Condition {
    /// Reads a `ConditionExpression`, a `FilterExpression` or the like; `parameter` says which, for the refusals.
    ///
    /// # Errors
    /// DynamoDB's message for what is wrong with it.
    pub fn parse(
        parameter: Parameter,
        text: &str,
        placeholders: &mut Placeholders<'_>,
    ) -> Result<Self, ValidationError> {
        parameter.read(text, |text| check(&parse(text)?, placeholders))
    }

    /// Whether it holds of `item`; an item that does not exist is an empty one.
    pub fn holds(&self, item: &Item) -> bool {
        match self {
            Self::And(conditions) => conditions.iter().all(|condition| condition.holds(item)),
            Self::Or(conditions) => conditions.iter().any(|condition| condition.holds(item)),
            Self::Not(condition) => !condition.holds(item),
            Self::Compare(left, comparator, right) => {
                comparator.holds(left.value(item).as_deref(), right.value(item).as_deref())
            }
            Self::Between { operand, low, high } => operand.value(item).is_some_and(|value| {
                let order_to = |bound: &Operand| order(&value, bound.value(item).as_deref()?);
                order_to(low).is_some_and(|order| order.is_ge()) && order_to(high).is_some_and(|order| order.is_le())
            }),
            Self::In(operand, candidates) => operand.value(item).is_some_and(|value| {
                let is_value = |candidate: &Operand| candidate.value(item).is_some_and(|other| other == value);
                candidates.iter().any(is_value)
            }),
            Self::Exists(path) => path.get(item).is_some(),
            Self::NotExists(path) => path.get(item).is_none(),
            Self::Type(operand, kind) => operand.value(item).is_some_and(|value| value.kind() == *kind),
            Self::BeginsWith(operand, prefix) => both(operand, prefix, item, begins_with),
            Self::Contains(operand, part) => both(operand, part, item, contains),
        }
    }

    /// Calls `visit` with every path that it looks at.
    pub fn each_path<'c>(&'c self, visit: &mut impl FnMut(&'c Path)) {
        match self {
            Self::And(conditions) | Self::Or(conditions) => {
                for condition in conditions {
                    condition.each_path(visit);
                }
            }
            Self::Not(condition) => condition.each_path(visit),
            Self::Compare(left, _, right) | Self::BeginsWith(left, right) | Self::Contains(left, right) => {
                left.each_path(visit);
                right.each_path(visit);
            }
            Self::Between { operand, low, high } => {
                for operand in [operand, low, high] {
                    operand.each_path(visit);
                }
            }
            Self::In(operand, candidates) => {
                operand.each_path(visit);
                for candidate in candidates {
                    candidate.each_path(visit);
                }
            }
            Self::Exists(path) | Self::NotExists(path) => visit(path),
            Self::Type(operand, _) => operand.each_path(visit),
        }
    }
}

fn both(left: &Operand, right: &Operand, item: &Item, holds: fn(&AttributeValue, &AttributeValue) -> bool) -> bool {
    match (left.value(item), right.value(item)) {
        (Some(left), Some(right)) => holds(&left, &right),
        _ => false,
    }
}
