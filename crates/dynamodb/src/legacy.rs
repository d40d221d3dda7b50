//! The parameters that came before expressions, as the same conditions and edits.

use crate::Error;
use crate::expression::{Condition, KeyConditions, Update};
use crate::shapes::{AttributeValueUpdate, Condition as ConditionShape, ExpectedAttributeValue};
use std::collections::BTreeMap;

fn not_built(parameter: &str) -> Error {
    Error::Unsupported(format!("{parameter} is not built yet; use an expression"))
}

/// `Expected`, with `ConditionalOperator`.
pub(crate) fn expected(
    expected: Option<&BTreeMap<String, ExpectedAttributeValue>>,
    _operator: Option<&str>,
) -> Result<Option<Condition>, Error> {
    expected.map_or(Ok(None), |_| Err(not_built("Expected")))
}

/// `AttributeUpdates`.
pub(crate) fn attribute_updates(_updates: &BTreeMap<String, AttributeValueUpdate>) -> Result<Update, Error> {
    Err(not_built("AttributeUpdates"))
}

/// `KeyConditions`.
pub(crate) fn key_conditions(_conditions: &BTreeMap<String, ConditionShape>) -> Result<KeyConditions, Error> {
    Err(not_built("KeyConditions"))
}

/// `QueryFilter` and `ScanFilter`, with `ConditionalOperator`.
pub(crate) fn filter(
    filter: Option<&BTreeMap<String, ConditionShape>>,
    _operator: Option<&str>,
) -> Result<Option<Condition>, Error> {
    filter.map_or(Ok(None), |_| Err(not_built("QueryFilter and ScanFilter")))
}
