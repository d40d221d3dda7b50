//! What patterns are asked of: an event, taken apart into its plain values.

use serde_json::Value;
use std::collections::HashMap;

/// The most plain values of an event that are looked at.
const MAX_FIELDS: usize = 50_000;

/// A plain value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plain {
    Text(String),
    /// As it was written, and what it is worth.
    Number(String, Option<f64>),
    /// `true`, `false` or `null`.
    Word(&'static str),
}

/// A plain value at its place.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub value: Plain,
    /// Which element of which array it is in, outermost first.
    pub within: Vec<(u32, u32)>,
}

/// An event whose values can be found by their paths. A path is the names of members joined by dots, as the pattern
/// language has it: arrays do not show in it.
#[derive(Debug, Clone, Default)]
pub struct Event {
    fields: HashMap<String, Vec<Field>>,
    arrays: u32,
    count: usize,
}

impl Event {
    /// Takes a document apart. Values past the first fifty thousand are not looked at.
    pub fn of(document: &Value) -> Self {
        let mut event = Self::default();
        event.walk(document, "", &mut Vec::new());
        event
    }

    /// Adds a value that is no part of a document, such as a message attribute.
    pub fn add(&mut self, path: &str, value: &Value) {
        self.walk(value, path, &mut Vec::new());
    }

    pub(crate) fn at(&self, path: &str) -> &[Field] {
        self.fields.get(path).map_or(&[], Vec::as_slice)
    }

    fn walk(&mut self, value: &Value, path: &str, within: &mut Vec<(u32, u32)>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    self.walk(member, &path, within);
                }
            }
            Value::Array(elements) => {
                self.arrays += 1;
                let array = self.arrays;
                for (index, element) in (0u32..).zip(elements) {
                    let objects = element.is_object() || element.is_array();
                    if objects {
                        within.push((array, index));
                    }
                    self.walk(element, path, within);
                    if objects {
                        within.pop();
                    }
                }
            }
            Value::String(text) => self.put(path, Plain::Text(text.clone()), within),
            Value::Number(number) => self.put(path, Plain::Number(number.to_string(), number.as_f64()), within),
            Value::Bool(true) => self.put(path, Plain::Word("true"), within),
            Value::Bool(false) => self.put(path, Plain::Word("false"), within),
            Value::Null => self.put(path, Plain::Word("null"), within),
        }
    }

    fn put(&mut self, path: &str, value: Plain, within: &[(u32, u32)]) {
        if self.count >= MAX_FIELDS {
            return;
        }
        self.count += 1;
        let field = Field {
            value,
            within: within.to_vec(),
        };
        match self.fields.get_mut(path) {
            Some(fields) => fields.push(field),
            None => {
                self.fields.insert(path.to_owned(), vec![field]);
            }
        }
    }
}
