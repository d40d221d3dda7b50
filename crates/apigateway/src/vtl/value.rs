//! Values as a template sees them, shown as Java would show them: maps as `{a=b}`, lists from JSON as JSON.

use super::MAX_DEPTH;
use serde_json::Value as Json;
use std::cell::RefCell;
use std::rc::Rc;

/// The entries of a map, in the order in which they were put.
pub(crate) type Entries = indexmap::IndexMap<String, Value>;

/// A value. Lists and maps are shared: who sets a member of one sees it through every reference.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    List(Rc<RefCell<Vec<Value>>>),
    /// A list that came from JSON, which shows itself as JSON.
    Array(Rc<RefCell<Vec<Value>>>),
    Map(Rc<RefCell<Entries>>),
    /// One entry of a map.
    Entry(Rc<(String, Value)>),
    /// `$input`, `$util`: what has methods alone.
    Tool(Tool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Input,
    Util,
}

impl Value {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    pub(crate) fn list(items: Vec<Value>) -> Self {
        Self::List(Rc::new(RefCell::new(items)))
    }

    pub(crate) fn map(entries: Entries) -> Self {
        Self::Map(Rc::new(RefCell::new(entries)))
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Only null and false are false.
    pub(crate) fn is_true(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    pub(crate) fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(bool) => Self::Bool(*bool),
            Json::Number(number) => match number.as_i64() {
                Some(int) => Self::Int(int),
                None => Self::Float(number.as_f64().unwrap_or(0.0)),
            },
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::Array(Rc::new(RefCell::new(items.iter().map(Self::from_json).collect()))),
            Json::Object(members) => Self::map(
                members
                    .iter()
                    .map(|(name, value)| (name.clone(), Self::from_json(value)))
                    .collect(),
            ),
        }
    }

    pub(crate) fn to_json(&self) -> Json {
        self.to_json_within(0)
    }

    fn to_json_within(&self, depth: usize) -> Json {
        if depth > MAX_DEPTH {
            return Json::Null;
        }
        match self {
            Self::Null | Self::Tool(_) => Json::Null,
            Self::Bool(bool) => Json::from(*bool),
            Self::Int(int) => Json::from(*int),
            Self::Float(float) => Json::from(*float),
            Self::Text(text) => Json::from(&**text),
            Self::List(items) | Self::Array(items) => items
                .borrow()
                .iter()
                .map(|item| item.to_json_within(depth + 1))
                .collect(),
            Self::Map(entries) => {
                let entries = entries.borrow();
                Json::Object(
                    entries
                        .iter()
                        .map(|(name, value)| (name.clone(), value.to_json_within(depth + 1)))
                        .collect(),
                )
            }
            Self::Entry(entry) => Json::Object(
                [(entry.0.clone(), entry.1.to_json_within(depth + 1))]
                    .into_iter()
                    .collect(),
            ),
        }
    }

    /// The text that stands for the value; at most `room` bytes and a few.
    pub(crate) fn show(&self, room: usize) -> String {
        let mut out = String::new();
        self.show_into(&mut out, room, 0);
        out
    }

    fn show_into(&self, out: &mut String, room: usize, depth: usize) {
        if depth > MAX_DEPTH || out.len() > room {
            return;
        }
        match self {
            Self::Null | Self::Tool(_) => {}
            Self::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
            Self::Int(int) => out.push_str(&int.to_string()),
            Self::Float(float) => out.push_str(&show_float(*float)),
            Self::Text(text) => out.push_str(text),
            Self::Array(_) => out.push_str(&self.to_json().to_string()),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.borrow().iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    item.show_member(out, room, depth + 1);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                for (at, (name, value)) in entries.borrow().iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    out.push_str(name);
                    out.push('=');
                    value.show_member(out, room, depth + 1);
                }
                out.push('}');
            }
            Self::Entry(entry) => {
                out.push_str(&entry.0);
                out.push('=');
                entry.1.show_member(out, room, depth + 1);
            }
        }
    }

    /// Inside a list or a map Java writes what is not there.
    fn show_member(&self, out: &mut String, room: usize, depth: usize) {
        if self.is_null() {
            out.push_str("null");
        } else {
            self.show_into(out, room, depth);
        }
    }

    /// Equality as Velocity has it: numbers by their value, others by their text when their kinds differ.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, other) => other.is_null(),
            (own, Self::Null) => own.is_null(),
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(_) | Self::Array(_) | Self::Map(_), Self::List(_) | Self::Array(_) | Self::Map(_)) => {
                self.to_json() == other.to_json()
            }
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
                _ => a.show(usize::MAX) == b.show(usize::MAX),
            },
        }
    }

    /// The number that it is; texts are none.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "Java compares a long and a double so")]
            Self::Int(int) => Some(*int as f64),
            Self::Float(float) => Some(*float),
            _ => None,
        }
    }

    /// Whether `container` is `self` or somewhere in it: putting it there would close a circle.
    pub(crate) fn reaches(&self, container: &Self, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            return true;
        }
        match (self, container) {
            (Self::List(a) | Self::Array(a), Self::List(b) | Self::Array(b)) if Rc::ptr_eq(a, b) => return true,
            (Self::Map(a), Self::Map(b)) if Rc::ptr_eq(a, b) => return true,
            _ => {}
        }
        match self {
            Self::List(items) | Self::Array(items) => {
                items.borrow().iter().any(|item| item.reaches(container, depth + 1))
            }
            Self::Map(entries) => entries
                .borrow()
                .values()
                .any(|value| value.reaches(container, depth + 1)),
            Self::Entry(entry) => entry.1.reaches(container, depth + 1),
            _ => false,
        }
    }
}

/// As Java writes a double: `1.0`, `1.0E10`.
fn show_float(float: f64) -> String {
    let size = float.abs();
    if float == 0.0 || (1e-3..1e7).contains(&size) {
        let text = float.to_string();
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{float:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}
