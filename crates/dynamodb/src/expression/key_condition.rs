//! `KeyConditionExpression`: which items of a table or an index a Query reads.

use super::{Comparator, Condition, Operand, Parameter, Placeholders};
use crate::{AttributeType, AttributeValue, ValidationError};

/// One partition, and what of its sort keys.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyCondition {
    /// The value of the partition key.
    pub partition: AttributeValue,
    /// What holds of the sort key; everything when absent.
    pub sort: Option<SortCondition>,
}

/// What holds of a sort key.
#[derive(Debug, Clone, PartialEq)]
pub enum SortCondition {
    /// `=`
    Equal(AttributeValue),
    /// `<`
    Less(AttributeValue),
    /// `<=`
    LessOrEqual(AttributeValue),
    /// `>`
    Greater(AttributeValue),
    /// `>=`
    GreaterOrEqual(AttributeValue),
    /// `BETWEEN`, both included.
    Between(AttributeValue, AttributeValue),
    /// `begins_with`; text and bytes only.
    BeginsWith(AttributeValue),
}

/// An attribute of a key schema.
#[derive(Debug, Clone, Copy)]
pub struct KeyAttribute<'s> {
    /// Its name.
    pub name: &'s str,
    /// Its type: S, N or B.
    pub kind: AttributeType,
}

/// A condition on one attribute, not yet held against a schema.
struct OnAttribute {
    name: String,
    /// `None` for a legacy condition that no index can answer.
    condition: Option<SortCondition>,
}

impl KeyCondition {
    /// Reads a `KeyConditionExpression` into its conditions, for [`KeyConditions::against`].
    ///
    /// # Errors
    /// DynamoDB's message for what is wrong with it.
    pub fn parse(text: &str, placeholders: &mut Placeholders<'_>) -> Result<KeyConditions, ValidationError> {
        let condition = Condition::parse(Parameter::KeyCondition, text, placeholders)?;
        let mut conditions = Vec::new();
        collect(condition, &mut conditions).map_err(|error| Parameter::KeyCondition.about(&error))?;
        Ok(KeyConditions { conditions })
    }
}

/// The conditions of a Query, before the schema of its table or index is known.
pub struct KeyConditions {
    conditions: Vec<OnAttribute>,
}

impl KeyConditions {
    /// Conditions on attributes, each named once; `None` for one that no index can answer.
    pub(crate) fn of(conditions: Vec<(String, Option<SortCondition>)>) -> Self {
        let conditions = conditions
            .into_iter()
            .map(|(name, condition)| OnAttribute { name, condition });
        Self {
            conditions: conditions.collect(),
        }
    }

    /// Takes the condition on an attribute out of these.
    ///
    /// # Errors
    /// DynamoDB's message when no index can answer it, or it has another type than the attribute.
    pub(crate) fn take(&mut self, attribute: KeyAttribute<'_>) -> Result<Option<SortCondition>, ValidationError> {
        let Some(at) = self.conditions.iter().position(|on| on.name == attribute.name) else {
            return Ok(None);
        };
        let condition = self.conditions.remove(at).condition.ok_or_else(not_indexable)?;
        check_types(&condition, attribute.kind)?;
        Ok(Some(condition))
    }

    /// The attributes that must be equal to a value.
    pub(crate) fn equalities(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.conditions.iter().filter_map(|on| match &on.condition {
            Some(SortCondition::Equal(value)) => Some((on.name.as_str(), value)),
            _ => None,
        })
    }

    /// Whether all were taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// The names of the attributes that have a condition.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(|on| on.name.as_str())
    }

    /// Holds the conditions against the key schema of the table or index that is queried.
    ///
    /// # Errors
    /// DynamoDB's message when a condition misses the partition key, is on no key attribute, has another type than the
    /// attribute, or is no equality on the partition key.
    pub fn against(
        self,
        partition: KeyAttribute<'_>,
        sort: Option<KeyAttribute<'_>>,
    ) -> Result<KeyCondition, ValidationError> {
        let missed = |name: &str| ValidationError::new(format!("Query condition missed key schema element: {name}"));
        let unsupported = || ValidationError::new("Query key condition not supported");
        let (given, keys) = (self.conditions.len(), 1 + usize::from(sort.is_some()));
        if given > 2 {
            return Err(ValidationError::new(format!(
                "The number of query conditions ({given}) exceeds the number of key attributes defined in the schema \
                 ({keys})"
            )));
        }
        if given > keys {
            return Err(unsupported());
        }
        let (mut on_partition, mut on_sort, mut on_other) = (None, None, false);
        for on in self.conditions {
            if on.name == partition.name && on_partition.is_none() {
                on_partition = Some(on.condition);
            } else if sort.is_some_and(|sort| sort.name == on.name) && on_sort.is_none() {
                on_sort = Some(on.condition);
            } else {
                on_other = true;
            }
        }
        let on_partition = on_partition.ok_or_else(|| missed(partition.name))?;
        let on_partition = on_partition.ok_or_else(not_indexable)?;
        check_types(&on_partition, partition.kind)?;
        let SortCondition::Equal(value) = on_partition else {
            return Err(unsupported());
        };
        if on_other {
            return Err(sort.map_or_else(unsupported, |sort| missed(sort.name)));
        }
        let on_sort = on_sort
            .map(|condition| condition.ok_or_else(not_indexable))
            .transpose()?;
        if let (Some(condition), Some(sort)) = (&on_sort, sort) {
            check_types(condition, sort.kind)?;
        }
        Ok(KeyCondition {
            partition: value,
            sort: on_sort,
        })
    }
}

impl SortCondition {
    fn values(&self) -> (&AttributeValue, Option<&AttributeValue>) {
        match self {
            Self::Equal(value)
            | Self::Less(value)
            | Self::LessOrEqual(value)
            | Self::Greater(value)
            | Self::GreaterOrEqual(value)
            | Self::BeginsWith(value) => (value, None),
            Self::Between(low, high) => (low, Some(high)),
        }
    }

    /// Whether it compares with values of this type.
    pub(crate) fn is_of(&self, kind: AttributeType) -> bool {
        let (first, second) = self.values();
        std::iter::once(first).chain(second).all(|value| value.kind() == kind)
    }

    /// Whether it holds of a sort key.
    pub fn holds(&self, key: &AttributeValue) -> bool {
        let compare = |comparator: Comparator, value| comparator.holds(Some(key), Some(value));
        match self {
            Self::Equal(value) => compare(Comparator::Equal, value),
            Self::Less(value) => compare(Comparator::Less, value),
            Self::LessOrEqual(value) => compare(Comparator::LessOrEqual, value),
            Self::Greater(value) => compare(Comparator::Greater, value),
            Self::GreaterOrEqual(value) => compare(Comparator::GreaterOrEqual, value),
            Self::Between(low, high) => {
                compare(Comparator::GreaterOrEqual, low) && compare(Comparator::LessOrEqual, high)
            }
            Self::BeginsWith(prefix) => super::compare::begins_with(key, prefix),
        }
    }

    pub(crate) fn compared(comparator: Comparator, value: AttributeValue) -> Option<Self> {
        Some(match comparator {
            Comparator::Equal => Self::Equal(value),
            Comparator::Less => Self::Less(value),
            Comparator::LessOrEqual => Self::LessOrEqual(value),
            Comparator::Greater => Self::Greater(value),
            Comparator::GreaterOrEqual => Self::GreaterOrEqual(value),
            Comparator::NotEqual => return None,
        })
    }
}

fn not_indexable() -> ValidationError {
    ValidationError::new("Attempted conditional constraint is not an indexable operation")
}

fn check_types(condition: &SortCondition, kind: AttributeType) -> Result<(), ValidationError> {
    if condition.is_of(kind) {
        return Ok(());
    }
    let message = "Condition parameter type does not match schema type";
    Err(ValidationError::invalid_parameter(message))
}

/// Takes a condition apart into those on single attributes.
fn collect(condition: Condition, out: &mut Vec<OnAttribute>) -> Result<(), ValidationError> {
    let refused = |operator: &str| {
        let message = format!("Invalid operator used in KeyConditionExpression: {operator}");
        Err(ValidationError::new(message))
    };
    let (name, condition) = match condition {
        Condition::And(conditions) => {
            return conditions.into_iter().try_for_each(|condition| collect(condition, out));
        }
        Condition::Or(_) => return refused("OR"),
        Condition::Not(_) => return refused("NOT"),
        Condition::In(..) => return refused("IN"),
        Condition::Exists(_) => return refused("attribute_exists"),
        Condition::NotExists(_) => return refused("attribute_not_exists"),
        Condition::Type(..) => return refused("attribute_type"),
        Condition::Contains(..) => return refused("contains"),
        Condition::Compare(_, Comparator::NotEqual, _) => return refused("<>"),
        Condition::Compare(left, comparator, right) => {
            let (name, value, comparator) = match (left, right) {
                (left @ Operand::Value(_), right @ Operand::Path(_)) => {
                    let (name, [value]) = sides(right, [left])?;
                    (name, value, comparator.mirrored())
                }
                (left, right) => {
                    let (name, [value]) = sides(left, [right])?;
                    (name, value, comparator)
                }
            };
            match SortCondition::compared(comparator, value) {
                Some(condition) => (name, condition),
                None => return refused(comparator.symbol()),
            }
        }
        Condition::Between { operand, low, high } => {
            check_first("BETWEEN", &operand)?;
            let (name, [low, high]) = sides(operand, [low, high])?;
            (name, SortCondition::Between(low, high))
        }
        Condition::BeginsWith(operand, prefix) => {
            check_first("begins_with", &operand)?;
            let (name, [prefix]) = sides(operand, [prefix])?;
            (name, SortCondition::BeginsWith(prefix))
        }
    };
    if out.iter().any(|on| on.name == name) {
        return Err(ValidationError::new(
            "KeyConditionExpressions must only contain one condition per key",
        ));
    }
    out.push(OnAttribute {
        name,
        condition: Some(condition),
    });
    Ok(())
}

fn check_first(operator: &str, operand: &Operand) -> Result<(), ValidationError> {
    match operand {
        Operand::Value(_) => Err(ValidationError::new(format!(
            "Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute as its first \
             operand"
        ))),
        _ => Ok(()),
    }
}

/// The attribute on one side and the values on the other.
fn sides<const N: usize>(key: Operand, values: [Operand; N]) -> Result<(String, [AttributeValue; N]), ValidationError> {
    let nested_operation = || ValidationError::new("KeyConditionExpressions cannot contain nested operations");
    let path = match key {
        Operand::Path(path) => path,
        Operand::Size(_) => return Err(nested_operation()),
        Operand::Value(_) => {
            return Err(ValidationError::new(
                "Invalid condition in KeyConditionExpression: No key attribute specified",
            ));
        }
    };
    if values.iter().any(|value| matches!(value, Operand::Path(_))) {
        return Err(ValidationError::new(
            "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
        ));
    }
    let mut found = Vec::with_capacity(N);
    for value in values {
        match value {
            Operand::Value(value) => found.push(value),
            _ => return Err(nested_operation()),
        }
    }
    if !path.steps().is_empty() {
        return Err(ValidationError::new(
            "KeyConditionExpressions cannot have conditions on nested attributes",
        ));
    }
    // One for each was pushed.
    let found = found.try_into().map_err(|_| nested_operation())?;
    Ok((path.root().to_owned(), found))
}
