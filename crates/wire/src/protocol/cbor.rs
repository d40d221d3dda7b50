//! rpcv2Cbor bodies.

use super::{Budget, DecodeError, MAX_DEPTH, timestamp};
use crate::model::{Kind, Member, Model};
use crate::value::Value;
use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder};

/// Decodes a whole body as the shape of `member`.
pub(super) fn decode(model: &Model, member: &Member, body: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader {
        model,
        input: Decoder::new(body),
        budget: Budget::new(),
    };
    let value = reader.value(Some(member), 0)?;
    if reader.input.position() != body.len() {
        return Err(DecodeError::new("Data after the end of the CBOR item."));
    }
    Ok(value)
}

impl From<minicbor::decode::Error> for DecodeError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::new(format!("Invalid CBOR: {error}"))
    }
}

struct Reader<'a> {
    model: &'a Model,
    input: Decoder<'a>,
    budget: Budget,
}

impl<'a> Reader<'a> {
    fn value(&mut self, member: Option<&'a Member>, depth: usize) -> Result<Value, DecodeError> {
        self.budget.spend()?;
        if depth > MAX_DEPTH {
            return Err(DecodeError::too_deep());
        }
        let kind = member.map_or(&Kind::Document, |member| &self.model.shape(member.shape).kind);
        let token = self.input.datatype()?;
        let cannot = || DecodeError::new(format!("{token:?} can not be converted to {}", name(kind)));
        match token {
            Type::Null | Type::Undefined => {
                self.input.skip()?;
                Ok(Value::Null)
            }
            Type::Tag => self.tagged(member, depth),
            Type::Bool => match kind {
                Kind::Boolean | Kind::Document => Ok(Value::Bool(self.input.bool()?)),
                _ => Err(cannot()),
            },
            Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
                let wide = i128::from(self.input.int()?);
                match (kind, i64::try_from(wide)) {
                    (Kind::Integer(min, max), Ok(number)) if (*min..=*max).contains(&number) => {
                        Ok(Value::Integer(number))
                    }
                    (Kind::Float | Kind::Double, _) => Ok(Value::Float(wide as f64)),
                    (Kind::Timestamp, Ok(number)) => number.checked_mul(1000).map(Value::Integer).ok_or_else(cannot),
                    (Kind::Document, Ok(number)) => Ok(Value::Integer(number)),
                    _ => Err(cannot()),
                }
            }
            Type::F16 => self.float(kind, Decoder::f16),
            Type::F32 => self.float(kind, Decoder::f32),
            Type::F64 => {
                let number = self.input.f64()?;
                from_float(kind, number).ok_or_else(cannot)
            }
            Type::String | Type::StringIndef => {
                let text = self.text()?;
                match kind {
                    Kind::String | Kind::Document => Ok(Value::String(text)),
                    Kind::Timestamp => timestamp::parse(&text).map(Value::Integer).ok_or_else(cannot),
                    _ => Err(cannot()),
                }
            }
            Type::Bytes | Type::BytesIndef => {
                let mut bytes = Vec::new();
                for chunk in self.input.bytes_iter()? {
                    bytes.extend_from_slice(chunk?);
                }
                match kind {
                    Kind::Blob | Kind::Document => Ok(Value::Blob(bytes.into())),
                    _ => Err(cannot()),
                }
            }
            Type::Array | Type::ArrayIndef => {
                let item = match kind {
                    Kind::List(item) => Some(&**item),
                    Kind::Document => None,
                    _ => return Err(cannot()),
                };
                let mut left = self.input.array()?;
                let mut out = Vec::new();
                while self.more(&mut left)? {
                    out.push(self.value(item, depth + 1)?);
                }
                Ok(Value::List(out))
            }
            Type::Map | Type::MapIndef => self.map(kind, depth).and_then(|map| map.ok_or_else(cannot)),
            Type::Simple | Type::Break | Type::Unknown(_) => Err(cannot()),
        }
    }

    fn float(
        &mut self,
        kind: &Kind,
        read: fn(&mut Decoder<'a>) -> Result<f32, minicbor::decode::Error>,
    ) -> Result<Value, DecodeError> {
        let number = f64::from(read(&mut self.input)?);
        from_float(kind, number)
            .ok_or_else(|| DecodeError::new(format!("a float can not be converted to {}", name(kind))))
    }

    fn tagged(&mut self, member: Option<&'a Member>, depth: usize) -> Result<Value, DecodeError> {
        let tag = self.input.tag()?;
        match tag {
            tag if tag == Tag::new(1) => self.value(member, depth + 1),
            other => Err(DecodeError::new(format!(
                "CBOR tag {} is not used by any shape",
                other.as_u64()
            ))),
        }
    }

    fn map(&mut self, kind: &'a Kind, depth: usize) -> Result<Option<Value>, DecodeError> {
        let mut out = Vec::new();
        match kind {
            Kind::Structure(structure) => {
                let mut left = self.input.map()?;
                while self.more(&mut left)? {
                    let key = self.text()?;
                    match structure.members.iter().find(|member| member.wire_name() == key) {
                        Some(member) => out.push((member.name.clone(), self.value(Some(member), depth + 1)?)),
                        None => {
                            self.budget.spend()?;
                            self.input.skip()?;
                        }
                    }
                }
            }
            Kind::Map(_, _) | Kind::Document => {
                let item = if let Kind::Map(_, item) = kind {
                    Some(&**item)
                } else {
                    None
                };
                let mut left = self.input.map()?;
                while self.more(&mut left)? {
                    out.push((self.text()?, self.value(item, depth + 1)?));
                }
            }
            _ => return Ok(None),
        }
        Ok(Some(Value::Map(out)))
    }

    /// Whether another element follows; `left` counts down definite lengths.
    fn more(&mut self, left: &mut Option<u64>) -> Result<bool, DecodeError> {
        match left {
            Some(0) => Ok(false),
            Some(count) => {
                *count -= 1;
                Ok(true)
            }
            None if self.input.datatype()? == Type::Break => {
                self.input.skip()?;
                Ok(false)
            }
            None => Ok(true),
        }
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let mut text = String::new();
        for chunk in self.input.str_iter()? {
            text.push_str(chunk?);
        }
        Ok(text)
    }
}

fn from_float(kind: &Kind, number: f64) -> Option<Value> {
    match kind {
        Kind::Float | Kind::Double | Kind::Document => Some(Value::Float(number)),
        Kind::Timestamp => timestamp::from_seconds(number).map(Value::Integer),
        _ => None,
    }
}

fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Structure(_) => "a structure",
        Kind::List(_) => "a list",
        Kind::Map(..) => "a map",
        Kind::String => "a String",
        Kind::Blob => "a Blob",
        Kind::Boolean => "a Boolean",
        Kind::Integer(..) => "an Integer",
        Kind::Float => "a Float",
        Kind::Double => "a Double",
        Kind::Timestamp => "a Timestamp",
        Kind::Document => "a document",
    }
}

/// Encodes the shape of `member`.
pub(super) fn encode(model: &Model, member: &Member, value: &Value) -> Vec<u8> {
    let mut out = Encoder::new(Vec::with_capacity(256));
    // Writing into a vector cannot fail, so the results below are dropped.
    let _ = write(&mut out, model, member, value);
    out.into_writer()
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn write(out: &mut Encoder<Vec<u8>>, model: &Model, member: &Member, value: &Value) -> Written {
    match (&model.shape(member.shape).kind, value) {
        (Kind::Structure(structure), Value::Map(entries)) => {
            let set = || {
                structure.members.iter().filter_map(|member| {
                    let found = entries
                        .iter()
                        .find(|(name, value)| *name == member.name && !value.is_null());
                    found.map(|(_, value)| (member, value))
                })
            };
            out.map(set().count() as u64)?;
            for (member, value) in set() {
                out.str(member.wire_name())?;
                write(out, model, member, value)?;
            }
            Ok(())
        }
        (Kind::Map(_, item), Value::Map(entries)) => {
            out.map(entries.len() as u64)?;
            for (key, value) in entries {
                out.str(key)?;
                write(out, model, item, value)?;
            }
            Ok(())
        }
        (Kind::List(item), Value::List(items)) => {
            out.array(items.len() as u64)?;
            for value in items {
                write(out, model, item, value)?;
            }
            Ok(())
        }
        (Kind::Timestamp, Value::Integer(millis)) => {
            out.tag(Tag::new(1))?;
            if millis % 1000 == 0 {
                out.i64(millis / 1000)?.ok()
            } else {
                out.f64(*millis as f64 / 1000.0)?.ok()
            }
        }
        (Kind::Float, Value::Float(number)) => out.f32(*number as f32)?.ok(),
        (_, value) => write_document(out, value),
    }
}

/// Encodes a tree without a model.
pub(super) fn encode_document(value: &Value) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    let _ = write_document(&mut out, value);
    out.into_writer()
}

fn write_document(out: &mut Encoder<Vec<u8>>, value: &Value) -> Written {
    match value {
        Value::Null => out.null()?.ok(),
        Value::Bool(value) => out.bool(*value)?.ok(),
        Value::Integer(number) => out.i64(*number)?.ok(),
        Value::Float(number) => out.f64(*number)?.ok(),
        Value::String(text) => out.str(text)?.ok(),
        Value::Blob(bytes) => out.bytes(bytes)?.ok(),
        Value::List(items) => {
            out.array(items.len() as u64)?;
            items.iter().try_for_each(|item| write_document(out, item))
        }
        Value::Map(entries) => {
            out.map(entries.len() as u64)?;
            entries.iter().try_for_each(|(key, item)| {
                out.str(key)?;
                write_document(out, item)
            })
        }
    }
}
