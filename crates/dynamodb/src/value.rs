use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One attribute's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// Text.
    S(String),
    /// A map.
    M(BTreeMap<String, AttributeValue>),
}
