//! What an item is made of.

use crate::{Number, ValidationError};
use std::collections::BTreeMap;
use std::ops::Deref;

/// An item, or a map within one: attributes by name, which DynamoDB keeps in no order of their own.
pub type Item = BTreeMap<String, AttributeValue>;

/// The most levels of an attribute's value, the value itself and its scalars included.
pub const MAX_DEPTH: usize = 32;

/// One attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue {
    /// Text; orders by its UTF-8 bytes.
    S(String),
    /// An exact decimal.
    N(Number),
    /// Bytes; order as unsigned.
    B(Vec<u8>),
    /// A truth value.
    Bool(bool),
    /// Present, without a value.
    Null,
    /// A map.
    M(Item),
    /// A list.
    L(Vec<AttributeValue>),
    /// A set of texts.
    Ss(Set<String>),
    /// A set of numbers.
    Ns(Set<Number>),
    /// A set of bytes.
    Bs(Set<Vec<u8>>),
}

/// The type of a value, as `attribute_type`, key schemas and messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttributeType {
    /// Text.
    S,
    /// Number.
    N,
    /// Bytes.
    B,
    /// Truth value.
    Bool,
    /// Null.
    Null,
    /// Map.
    M,
    /// List.
    L,
    /// Set of texts.
    Ss,
    /// Set of numbers.
    Ns,
    /// Set of bytes.
    Bs,
}

impl AttributeType {
    /// The name in the typed JSON: `S`, `BOOL`, `SS`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
            Self::Bool => "BOOL",
            Self::Null => "NULL",
            Self::M => "M",
            Self::L => "L",
            Self::Ss => "SS",
            Self::Ns => "NS",
            Self::Bs => "BS",
        }
    }

    /// The type of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "S" => Self::S,
            "N" => Self::N,
            "B" => Self::B,
            "BOOL" => Self::Bool,
            "NULL" => Self::Null,
            "M" => Self::M,
            "L" => Self::L,
            "SS" => Self::Ss,
            "NS" => Self::Ns,
            "BS" => Self::Bs,
            _ => return None,
        })
    }
}

impl AttributeValue {
    /// Which type this is.
    pub fn kind(&self) -> AttributeType {
        match self {
            Self::S(_) => AttributeType::S,
            Self::N(_) => AttributeType::N,
            Self::B(_) => AttributeType::B,
            Self::Bool(_) => AttributeType::Bool,
            Self::Null => AttributeType::Null,
            Self::M(_) => AttributeType::M,
            Self::L(_) => AttributeType::L,
            Self::Ss(_) => AttributeType::Ss,
            Self::Ns(_) => AttributeType::Ns,
            Self::Bs(_) => AttributeType::Bs,
        }
    }

    /// The bytes that DynamoDB counts for this value.
    ///
    /// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>: text
    /// and bytes by their length, numbers by [`Number::size`], one for null and truth values, and for a map or list
    /// three, and one more for each element besides the element itself.
    pub fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::M(entries) => 3 + entries.len() + item_size(entries),
            Self::L(items) => 3 + items.iter().map(|item| 1 + item.size()).sum::<usize>(),
            Self::Ss(texts) => texts.iter().map(String::len).sum(),
            Self::Ns(numbers) => numbers.iter().map(Number::size).sum(),
            Self::Bs(blobs) => blobs.iter().map(Vec::len).sum(),
        }
    }

    /// How many levels this value has; a scalar or a set has one.
    pub fn depth(&self) -> usize {
        match self {
            Self::M(entries) => 1 + entries.values().map(Self::depth).max().unwrap_or(0),
            Self::L(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            _ => 1,
        }
    }
}

/// The bytes that DynamoDB counts for an item: its names in UTF-8 and its values.
pub fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size()).sum()
}

/// The longest name of an attribute, in bytes.
const MAX_NAME_BYTES: usize = 65_535;

/// Refuses the name of an attribute that is empty or too long.
pub(crate) fn check_name(name: &str) -> Result<(), ValidationError> {
    match name.len() {
        0 => Err(ValidationError::invalid_parameter("Empty attribute name")),
        1..=MAX_NAME_BYTES => Ok(()),
        _ => Err(ValidationError::invalid_parameter(format_args!(
            "Attribute name is too large, must be less than {} bytes",
            MAX_NAME_BYTES + 1
        ))),
    }
}

/// The refusal of a value of more than [`MAX_DEPTH`] levels.
pub(crate) fn too_deep() -> ValidationError {
    ValidationError::new(
        "Nesting Levels have exceeded supported limits: \
         Attributes in the item have nested levels beyond supported limit",
    )
}

/// The elements of a set: at least one, none twice, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Set<T>(Vec<T>);

impl<T: Ord> Set<T> {
    /// The set of these elements, each once; `None` of none, which DynamoDB does not keep.
    pub fn new(elements: impl IntoIterator<Item = T>) -> Option<Self> {
        let mut elements: Vec<T> = elements.into_iter().collect();
        elements.sort_unstable();
        elements.dedup();
        (!elements.is_empty()).then_some(Self(elements))
    }

    /// Whether `element` is one of the elements.
    pub fn has(&self, element: &T) -> bool {
        self.0.binary_search(element).is_ok()
    }

    /// The elements of both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let mut elements = self.0;
        elements.extend(other.0);
        elements.sort_unstable();
        elements.dedup();
        Self(elements)
    }

    /// The elements that are not in `other`; `None` when none is left.
    pub fn difference(mut self, other: &Self) -> Option<Self> {
        self.0.retain(|element| !other.has(element));
        (!self.0.is_empty()).then_some(self)
    }

    /// The elements, in ascending order.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T> Deref for Set<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}
