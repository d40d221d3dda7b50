//! JSON bodies: awsJson1_0, awsJson1_1, restJson1.

use super::{Budget, DecodeError, MAX_DEPTH, Members, format_float, timestamp};
use crate::model::{Kind, Member, Model, TimestampFormat};
use crate::value::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Decodes a whole body as the shape of `member`.
pub(super) fn decode(model: &Model, member: &Member, members: Members, body: &[u8]) -> Result<Value, DecodeError> {
    let budget = Budget::new();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Reader {
        model,
        member: Some(member),
        members,
        budget: &budget,
        depth: 0,
    }
    .deserialize(&mut deserializer)
    .map_err(message)?;
    deserializer.end().map_err(message)?;
    Ok(value)
}

fn message(error: serde_json::Error) -> DecodeError {
    let text = error.to_string();
    // A message of ours comes back with the position behind it; a syntax error keeps it.
    let ours = error.is_data().then(|| text.rfind(" at line ")).flatten();
    DecodeError::new(ours.map_or(text.clone(), |end| text[..end].to_owned()))
}

/// Reads one value of a shape; of any shape when `member` is `None`.
#[derive(Clone, Copy)]
struct Reader<'a> {
    model: &'a Model,
    member: Option<&'a Member>,
    members: Members,
    budget: &'a Budget,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn inside(self, member: Option<&'a Member>) -> Self {
        Self {
            member,
            members: Members::All,
            depth: self.depth + 1,
            ..self
        }
    }

    fn kind(&self) -> &'a Kind {
        self.member
            .map_or(&Kind::Document, |member| &self.model.shape(member.shape).kind)
    }

    fn cannot<T, E: de::Error>(&self, token: &str) -> Result<T, E> {
        Err(E::custom(match self.kind() {
            Kind::String => format!("{token} cannot be converted to String"),
            Kind::Integer(_, i64::MAX) => format!("{token} can not be converted to a Long"),
            Kind::Integer(..) => format!("{token} can not be converted to an Integer"),
            Kind::Float => format!("{token} can not be converted to a Float"),
            Kind::Double => format!("{token} can not be converted to a Double"),
            Kind::Boolean => format!("{token} can not be converted to a Boolean"),
            Kind::Blob => format!("{token} can not be converted to a Blob"),
            Kind::Timestamp => format!("{token} can not be converted to milliseconds since epoch"),
            Kind::List(_) => "Expected list or null".to_owned(),
            Kind::Map(..) => "Expected map or null".to_owned(),
            Kind::Structure(_) => "Unexpected value type in payload".to_owned(),
            Kind::Document => format!("unexpected {token}"),
        }))
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.budget.spend().map_err(de::Error::custom)?;
        if self.depth > MAX_DEPTH {
            return Err(de::Error::custom(DecodeError::too_deep()));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        match self.kind() {
            Kind::Boolean | Kind::Document => Ok(Value::Bool(value)),
            _ => self.cannot(if value { "TRUE_VALUE" } else { "FALSE_VALUE" }),
        }
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        match self.kind() {
            Kind::Integer(min, max) if (*min..=*max).contains(&value) => Ok(Value::Integer(value)),
            Kind::Float | Kind::Double => Ok(Value::Float(value as f64)),
            Kind::Document => Ok(Value::Integer(value)),
            Kind::Timestamp => value
                .checked_mul(1000)
                .map(Value::Integer)
                .map_or_else(|| self.cannot("NUMBER_VALUE"), Ok),
            _ => self.cannot("NUMBER_VALUE"),
        }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        match (i64::try_from(value), self.kind()) {
            (Ok(value), _) => self.visit_i64(value),
            (Err(_), Kind::Float | Kind::Double | Kind::Document) => Ok(Value::Float(value as f64)),
            (Err(_), _) => self.cannot("NUMBER_VALUE"),
        }
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        match self.kind() {
            Kind::Float | Kind::Double | Kind::Document => Ok(Value::Float(value)),
            // A whole number in float clothing; the bound keeps the cast exact.
            Kind::Integer(..) if value.fract() == 0.0 && value.abs() < 9.0e15 => self.visit_i64(value as i64),
            Kind::Timestamp => timestamp::from_seconds(value)
                .map(Value::Integer)
                .map_or_else(|| self.cannot("NUMBER_VALUE"), Ok),
            _ => self.cannot("NUMBER_VALUE"),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        match self.kind() {
            Kind::String | Kind::Document => Ok(Value::String(text.into())),
            Kind::Blob => match STANDARD.decode(text) {
                Ok(bytes) => Ok(Value::Blob(bytes.into())),
                Err(_) => Err(E::custom("Invalid base64 encoding in a blob member")),
            },
            Kind::Timestamp => timestamp::parse(text)
                .map(Value::Integer)
                .map_or_else(|| self.cannot("STRING_VALUE"), Ok),
            Kind::Float | Kind::Double if matches!(text, "NaN" | "Infinity" | "-Infinity") => super::parse_float(text)
                .map(Value::Float)
                .map_or_else(|| self.cannot("STRING_VALUE"), Ok),
            _ => self.cannot("STRING_VALUE"),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let item = match self.kind() {
            Kind::List(item) => Some(&**item),
            Kind::Document => None,
            _ => return Err(de::Error::custom("Start of list found where not expected")),
        };
        let mut out = Vec::new();
        while let Some(value) = items.next_element_seed(self.inside(item))? {
            out.push(value);
        }
        Ok(Value::List(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut out: Vec<(String, Value)> = Vec::new();
        match self.kind() {
            Kind::Structure(structure) => {
                while let Some(key) = entries.next_key::<std::borrow::Cow<'de, str>>()? {
                    let found = structure
                        .members
                        .iter()
                        .find(|member| member.wire_name() == key && self.members.includes(member));
                    match found {
                        Some(member) => {
                            let value = entries.next_value_seed(self.inside(Some(member)))?;
                            match out.iter_mut().find(|(name, _)| *name == member.name) {
                                Some(earlier) => earlier.1 = value,
                                None => out.push((member.name.clone(), value)),
                            }
                        }
                        None => {
                            entries.next_value::<IgnoredAny>()?;
                        }
                    }
                }
            }
            Kind::Map(_, item) => {
                while let Some(key) = entries.next_key::<String>()? {
                    out.push((key, entries.next_value_seed(self.inside(Some(item)))?));
                }
            }
            Kind::Document => {
                while let Some(key) = entries.next_key::<String>()? {
                    out.push((key, entries.next_value_seed(self.inside(None))?));
                }
            }
            _ => return Err(de::Error::custom("Start of structure or map found where not expected.")),
        }
        Ok(Value::Map(out))
    }
}

/// Encodes the shape of `member`. Nulls in structures are left out.
pub(super) fn encode(model: &Model, member: &Member, members: Members, value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    Writer { model, out: &mut out }.shape(member, members, value);
    out
}

/// Encodes a tree without a model.
pub(super) fn encode_document(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    document(&mut out, value);
    out
}

/// Appends `text` as a JSON string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    // Writing text into a vector has no way to fail; the result is dropped rather than unwrapped.
    let _ = serde_json::to_writer(out, text);
}

struct Writer<'a> {
    model: &'a Model,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn shape(&mut self, member: &Member, members: Members, value: &Value) {
        match (&self.model.shape(member.shape).kind, value) {
            (_, Value::Null) => self.out.extend_from_slice(b"null"),
            (Kind::Structure(structure), Value::Map(entries)) => {
                self.out.push(b'{');
                let mut first = true;
                for member in structure.members.iter().filter(|member| members.includes(member)) {
                    let found = entries
                        .iter()
                        .find(|(name, value)| *name == member.name && !value.is_null());
                    let Some((_, value)) = found else { continue };
                    self.separate(&mut first);
                    string(self.out, member.wire_name());
                    self.out.push(b':');
                    self.shape(member, Members::All, value);
                }
                self.out.push(b'}');
            }
            (Kind::Map(_, item), Value::Map(entries)) => {
                self.out.push(b'{');
                let mut first = true;
                for (key, value) in entries {
                    self.separate(&mut first);
                    string(self.out, key);
                    self.out.push(b':');
                    self.shape(item, Members::All, value);
                }
                self.out.push(b'}');
            }
            (Kind::List(item), Value::List(items)) => {
                self.out.push(b'[');
                let mut first = true;
                for value in items {
                    self.separate(&mut first);
                    self.shape(item, Members::All, value);
                }
                self.out.push(b']');
            }
            (Kind::Timestamp, Value::Integer(millis)) => {
                let format = member.timestamp_format.unwrap_or(TimestampFormat::EpochSeconds);
                let text = timestamp::format(*millis, format);
                match format {
                    TimestampFormat::EpochSeconds => self.out.extend_from_slice(text.as_bytes()),
                    _ => string(self.out, &text),
                }
            }
            (Kind::Float, Value::Float(number)) => float(self.out, *number, true),
            (Kind::Float | Kind::Double, Value::Integer(number)) => float(self.out, *number as f64, false),
            (_, value) => document(self.out, value),
        }
    }

    fn separate(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(b',');
        }
    }
}

fn float(out: &mut Vec<u8>, number: f64, narrow: bool) {
    let text = format_float(number, narrow);
    if number.is_finite() {
        out.extend_from_slice(text.as_bytes())
    } else {
        string(out, &text)
    }
}

fn document(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Float(number) => float(out, *number, false),
        Value::String(text) => string(out, text),
        Value::Blob(bytes) => string(out, &STANDARD.encode(bytes)),
        Value::List(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                document(out, item);
            }
            out.push(b']');
        }
        Value::Map(entries) => {
            out.push(b'{');
            for (at, (key, item)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                string(out, key);
                out.push(b':');
                document(out, item);
            }
            out.push(b'}');
        }
    }
}
