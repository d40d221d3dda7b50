//! The parameters from before expressions, turned into what expressions are read into.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.html>

use crate::expression::{
    Comparator, Condition, KeyConditions, Operand, Path, SortCondition, Update, UpdateAction, UpdateOperand,
    UpdateValue,
};
use crate::shapes;
use crate::value::check_name;
use crate::{AttributeType, AttributeValue, ValidationError};
use std::collections::BTreeMap;

/// `Expected`, with its `ConditionalOperator`.
///
/// # Errors
/// DynamoDB's message for what is wrong with it.
pub(crate) fn expected(
    expected: Option<&BTreeMap<String, shapes::ExpectedAttributeValue>>,
    operator: Option<&str>,
) -> Result<Option<Condition>, ValidationError> {
    check_operator(operator, expected.map(BTreeMap::len))?;
    let conditions = expected
        .into_iter()
        .flatten()
        .map(|(name, expected)| one_expected(name, expected));
    Ok(combine(conditions.collect::<Result<_, _>>()?, operator))
}

/// `QueryFilter` or `ScanFilter`, with its `ConditionalOperator`.
///
/// # Errors
/// DynamoDB's message for what is wrong with it.
pub(crate) fn filter(
    filter: Option<&BTreeMap<String, shapes::Condition>>,
    operator: Option<&str>,
) -> Result<Option<Condition>, ValidationError> {
    check_operator(operator, filter.map(BTreeMap::len))?;
    let conditions = filter.into_iter().flatten().map(|(name, condition)| {
        let values = condition.attribute_value_list.as_deref().unwrap_or_default();
        Operator::from_name(&condition.comparison_operator)?.condition(name, values)
    });
    Ok(combine(conditions.collect::<Result<_, _>>()?, operator))
}

/// `KeyConditions`.
///
/// # Errors
/// DynamoDB's message for what is wrong with them.
pub(crate) fn key_conditions(
    conditions: &BTreeMap<String, shapes::Condition>,
) -> Result<KeyConditions, ValidationError> {
    if !(1..=2).contains(&conditions.len()) {
        return Err(ValidationError::new("Conditions can be of length 1 or 2 only"));
    }
    let mut found = Vec::with_capacity(conditions.len());
    for (name, condition) in conditions {
        let values = condition.attribute_value_list.as_deref().unwrap_or_default();
        let operator = Operator::from_name(&condition.comparison_operator)?;
        operator.check(values)?;
        found.push((name.clone(), operator.sort_condition(values)));
    }
    Ok(KeyConditions::of(found))
}

/// `AttributeUpdates`.
///
/// # Errors
/// DynamoDB's message for what is wrong with them.
pub(crate) fn attribute_updates(
    updates: &BTreeMap<String, shapes::AttributeValueUpdate>,
) -> Result<Update, ValidationError> {
    let mut actions = Vec::with_capacity(updates.len());
    for (name, update) in updates {
        check_name(name)?;
        let action = match (update.action.as_deref(), update.value.clone()) {
            (Some("DELETE"), None) => UpdateAction::Remove,
            (_, None) => {
                let message = "Only DELETE action is allowed when no attribute value is specified";
                return Err(ValidationError::invalid_parameter(message));
            }
            (None | Some("PUT"), Some(value)) => UpdateAction::Set(UpdateValue::Operand(UpdateOperand::Value(value))),
            (Some("ADD"), Some(AttributeValue::L(items))) => UpdateAction::Append(items),
            (Some("ADD"), Some(value)) if value.kind() == AttributeType::N || is_set(value.kind()) => {
                UpdateAction::Add(value)
            }
            (Some("ADD"), Some(value)) => {
                let kind = value.kind().name();
                let message = format!("ADD action is not supported for the type {kind}");
                return Err(ValidationError::invalid_parameter(message));
            }
            (Some("DELETE"), Some(value)) if is_set(value.kind()) => UpdateAction::Delete(value),
            (Some("DELETE"), Some(value)) => {
                let kind = value.kind().name();
                let message = format!("DELETE action with value is not supported for the type {kind}");
                return Err(ValidationError::invalid_parameter(message));
            }
            (Some(other), Some(_)) => {
                return Err(ValidationError::new(format!(
                    "1 validation error detected: Value '{other}' at 'attributeUpdates.{name}.member.action' failed to \
                     satisfy constraint: Member must satisfy enum value set: [ADD, DELETE, PUT]"
                )));
            }
        };
        actions.push((Path::attribute(name.clone()), action));
    }
    Ok(Update { actions, legacy: true })
}

fn is_set(kind: AttributeType) -> bool {
    matches!(kind, AttributeType::Ss | AttributeType::Ns | AttributeType::Bs)
}

fn check_operator(operator: Option<&str>, conditions: Option<usize>) -> Result<(), ValidationError> {
    match (operator, conditions) {
        (None, _) => Ok(()),
        (Some(_), None | Some(0)) => Err(ValidationError::new(
            "ConditionalOperator cannot be used without Filter or Expected",
        )),
        (Some(_), Some(1)) => Err(ValidationError::new(
            "ConditionalOperator can only be used when Filter or Expected has two or more elements",
        )),
        (Some(_), Some(_)) => Ok(()),
    }
}

fn combine(mut conditions: Vec<Condition>, operator: Option<&str>) -> Option<Condition> {
    match conditions.len() {
        0 => None,
        1 => conditions.pop(),
        _ if operator == Some("OR") => Some(Condition::Or(conditions)),
        _ => Some(Condition::And(conditions)),
    }
}

fn one_expected(name: &str, expected: &shapes::ExpectedAttributeValue) -> Result<Condition, ValidationError> {
    let refuse = |message: String| {
        Err(ValidationError::invalid_parameter(format!(
            "{message} for Attribute: {name}"
        )))
    };
    check_name(name)?;
    let (value, list) = (&expected.value, &expected.attribute_value_list);
    if value.is_some() && list.is_some() {
        return refuse("Value and AttributeValueList cannot be used together".to_owned());
    }
    if let Some(operator) = &expected.comparison_operator {
        if expected.exists.is_some() {
            return refuse("Exists and ComparisonOperator cannot be used together".to_owned());
        }
        let needs_values = !matches!(operator.as_str(), "NULL" | "NOT_NULL");
        if needs_values && value.is_none() && list.is_none() {
            return refuse(format!(
                "Value or AttributeValueList must be used with ComparisonOperator: {operator}"
            ));
        }
        let values = list.as_deref().unwrap_or(value.as_slice());
        return Operator::from_name(operator)?.condition(name, values);
    }
    if list.is_some() {
        return refuse("AttributeValueList can only be used with a ComparisonOperator".to_owned());
    }
    match (expected.exists, value) {
        (None | Some(true), Some(value)) => Ok(Condition::Compare(
            Operand::Path(Path::attribute(name)),
            Comparator::Equal,
            Operand::Value(value.clone()),
        )),
        (Some(false), None) => Ok(Condition::NotExists(Path::attribute(name))),
        (Some(false), Some(_)) => refuse("Value cannot be used when Exists is false".to_owned()),
        (exists, None) => {
            let exists = exists.map_or("null".to_owned(), |exists| exists.to_string());
            refuse(format!("Value must be provided when Exists is {exists}"))
        }
    }
}

/// A `ComparisonOperator`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Compare(Comparator),
    Null,
    NotNull,
    Contains,
    NotContains,
    BeginsWith,
    In,
    Between,
}

impl Operator {
    const ALL: [(&'static str, Self); 13] = [
        ("EQ", Self::Compare(Comparator::Equal)),
        ("NE", Self::Compare(Comparator::NotEqual)),
        ("IN", Self::In),
        ("LE", Self::Compare(Comparator::LessOrEqual)),
        ("LT", Self::Compare(Comparator::Less)),
        ("GE", Self::Compare(Comparator::GreaterOrEqual)),
        ("GT", Self::Compare(Comparator::Greater)),
        ("BETWEEN", Self::Between),
        ("NOT_NULL", Self::NotNull),
        ("NULL", Self::Null),
        ("CONTAINS", Self::Contains),
        ("NOT_CONTAINS", Self::NotContains),
        ("BEGINS_WITH", Self::BeginsWith),
    ];

    fn from_name(name: &str) -> Result<Self, ValidationError> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, operator)| operator).ok_or_else(|| {
            ValidationError::new(format!(
                "1 validation error detected: Value '{name}' at 'comparisonOperator' failed to satisfy constraint: \
                 Member must satisfy enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, \
                 BEGINS_WITH, GE, CONTAINS]"
            ))
        })
    }

    fn name(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|(_, operator)| *operator == self)
            .map_or("", |(name, _)| name)
    }

    /// Checks how many values there are, and of which types.
    fn check(self, values: &[AttributeValue]) -> Result<(), ValidationError> {
        let expected = match self {
            Self::Null | Self::NotNull => values.is_empty(),
            Self::In => !values.is_empty(),
            Self::Between => values.len() == 2,
            _ => values.len() == 1,
        };
        let name = self.name();
        if !expected {
            let message = format!("Invalid number of argument(s) for the {name} ComparisonOperator");
            return Err(ValidationError::invalid_parameter(message));
        }
        if let Some((first, rest)) = values.split_first()
            && rest.iter().any(|value| value.kind() != first.kind())
        {
            let message = "AttributeValues inside AttributeValueList must be of same type";
            return Err(ValidationError::invalid_parameter(message));
        }
        for value in values {
            let kind = value.kind();
            let fits = match self {
                Self::Compare(Comparator::Equal | Comparator::NotEqual) => true,
                Self::BeginsWith => matches!(kind, AttributeType::S | AttributeType::B),
                _ => matches!(kind, AttributeType::S | AttributeType::N | AttributeType::B),
            };
            if !fits {
                let kind = kind.name();
                let message = format!("ComparisonOperator {name} is not valid for {kind} AttributeValue type");
                return Err(ValidationError::invalid_parameter(message));
            }
        }
        if let (Self::Between, [low, high]) = (self, values)
            && Comparator::Greater.holds(Some(low), Some(high))
        {
            return Err(ValidationError::new(
                "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
            ));
        }
        Ok(())
    }

    /// The condition on an attribute.
    fn condition(self, name: &str, values: &[AttributeValue]) -> Result<Condition, ValidationError> {
        check_name(name)?;
        self.check(values)?;
        let path = || Path::attribute(name);
        let attribute = || Operand::Path(path());
        let mut values = values.iter().cloned().map(Operand::Value);
        Ok(match (self, values.next(), values.next()) {
            (Self::Null, ..) => Condition::NotExists(path()),
            (Self::Compare(comparator), Some(value), _) => Condition::Compare(attribute(), comparator, value),
            (Self::Contains, Some(part), _) => Condition::Contains(attribute(), part),
            // Of an attribute that is not there, neither holds.
            (Self::NotContains, Some(part), _) => Condition::And(vec![
                Condition::Exists(path()),
                Condition::Not(Box::new(Condition::Contains(attribute(), part))),
            ]),
            (Self::BeginsWith, Some(prefix), _) => Condition::BeginsWith(attribute(), prefix),
            (Self::Between, Some(low), Some(high)) => Condition::Between {
                operand: attribute(),
                low,
                high,
            },
            (Self::In, first, second) => {
                Condition::In(attribute(), first.into_iter().chain(second).chain(values).collect())
            }
            // Their number was checked, so these have values where they need them.
            _ => Condition::Exists(path()),
        })
    }

    /// The condition on a sort key; `None` for one that no key can have.
    fn sort_condition(self, values: &[AttributeValue]) -> Option<SortCondition> {
        match (self, values) {
            (Self::Compare(comparator), [value]) => SortCondition::compared(comparator, value.clone()),
            (Self::BeginsWith, [prefix]) => Some(SortCondition::BeginsWith(prefix.clone())),
            (Self::Between, [low, high]) => Some(SortCondition::Between(low.clone(), high.clone())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
