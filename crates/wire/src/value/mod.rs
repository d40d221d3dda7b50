//! The tree between the codecs and the typed shapes: what a request or response says, free of any protocol.

mod de;
mod plain;
mod ser;

pub use de::from_value;
pub(crate) use plain::{base64, from_plain, to_plain};
pub use ser::to_value;

use bytes::Bytes;

/// One value. Structures and maps are both [`Value::Map`], in the order of the wire; a timestamp is the
/// [`Value::Integer`] of its milliseconds. Which is which is the model's knowledge, not the tree's.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Absent, or an explicit null.
    #[default]
    Null,
    /// `boolean`.
    Bool(bool),
    /// `byte`, `short`, `integer`, `long`, and `timestamp` in milliseconds.
    Integer(i64),
    /// `float`, `double`.
    Float(f64),
    /// `string`, `enum`.
    String(String),
    /// `blob`.
    Blob(Bytes),
    /// `list`.
    List(Vec<Value>),
    /// `structure`, `union`, `map`.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The member or entry of this name, if this is a map that has it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Map(entries) => entries.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Whether this is [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// A value that does not fit a typed shape, or a type that no model has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub(crate) String);

impl serde::ser::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}
