//! Values in AWS's typed JSON (`{"S": "text"}`), read and written without a tree in between.
//!
//! The same implementations serve formats that carry bytes as bytes; text formats get base64.
//! A reader's error is either a `SerializationException` (the JSON has another shape) or a `ValidationException` (the
//! value is none that DynamoDB keeps). Serde knows only messages, so [`refusal`] tells the two apart afterwards.

use crate::value::{MAX_DEPTH, check_name, too_deep};
use crate::{AttributeType, AttributeValue, Item, Number, Set, ValidationError};
use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use danbi_core::ServiceError;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;
use std::fmt;

/// Stands before a message that is a `ValidationException`'s. No message of serde's begins so.
const VALIDATION: char = '\u{1}';

/// The answer to JSON that could not be read into a request, from the reader's error message.
pub fn refusal(message: &str) -> ServiceError {
    match message.split_once(VALIDATION) {
        Some((_, message)) => ValidationError::new(without_position(message).to_owned()).into(),
        None => ServiceError::client("SerializationException", 400, without_position(message)),
    }
}

/// A message without the ` at line 1 column 2` that serde_json puts behind it.
fn without_position(message: &str) -> &str {
    let position = message.rfind(" at line ").filter(|at| {
        let rest = &message[at + " at line ".len()..];
        rest.chars().all(|c| c.is_ascii_digit() || " column".contains(c))
    });
    position.map_or(message, |at| &message[..at])
}

/// Carries a refusal of the value through serde.
fn invalid<E: de::Error>(error: &ValidationError) -> E {
    E::custom(format_args!("{VALIDATION}{error}"))
}

impl Serialize for AttributeValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        let kind = self.kind().name();
        match self {
            Self::S(text) => map.serialize_entry(kind, text)?,
            Self::N(number) => map.serialize_entry(kind, &NumberText(number))?,
            Self::B(bytes) => map.serialize_entry(kind, &Binary(bytes))?,
            Self::Bool(value) => map.serialize_entry(kind, value)?,
            Self::Null => map.serialize_entry(kind, &true)?,
            Self::M(entries) => map.serialize_entry(kind, entries)?,
            Self::L(items) => map.serialize_entry(kind, items)?,
            Self::Ss(texts) => map.serialize_entry(kind, &**texts)?,
            Self::Ns(numbers) => map.serialize_entry(kind, &Each(numbers, NumberText))?,
            Self::Bs(blobs) => map.serialize_entry(kind, &Each(blobs, Binary))?,
        }
        map.end()
    }
}

/// A number as text.
struct NumberText<'a>(&'a Number);

impl Serialize for NumberText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// Bytes as the format carries them.
struct Binary<T>(T);

impl<T: AsRef<[u8]>> Serialize for Binary<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&Base64Display::new(self.0.as_ref(), &STANDARD))
        } else {
            serializer.serialize_bytes(self.0.as_ref())
        }
    }
}

/// A list of what a function makes of the elements.
struct Each<'a, T, F>(&'a [T], F);

impl<'a, T, R: Serialize, F: Fn(&'a T) -> R> Serialize for Each<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(&self.1))
    }
}

impl<'de> Deserialize<'de> for AttributeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ValueReader { depth: 1 }.deserialize(deserializer)
    }
}

/// Writes the visits of JSON tokens that do not belong; `$refuse` makes the error from what the service calls the token.
/// A macro, because a trait cannot provide some of `Visitor`'s methods to those that implement it.
macro_rules! refuse {
    ($refuse:expr; $($kind:ident)*) => {
        $(refuse!(@$kind $refuse);)*
    };
    (@bool $refuse:expr) => {
        fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
            Err(E::custom($refuse(if value { "TRUE_VALUE" } else { "FALSE_VALUE" })))
        }
    };
    (@number $refuse:expr) => {
        fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
            Err(E::custom($refuse("NUMBER_VALUE")))
        }
        fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
            Err(E::custom($refuse("NUMBER_VALUE")))
        }
        fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
            let whole = value.fract() == 0.0;
            Err(E::custom($refuse(if whole { "NUMBER_VALUE" } else { "DECIMAL_VALUE" })))
        }
    };
    (@text $refuse:expr) => {
        fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
            Err(E::custom($refuse("STRING_VALUE")))
        }
    };
    (@list $class:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(de::Error::custom(concat!("Unrecognized collection type ", $class)))
        }
    };
    (@map $message:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(de::Error::custom($message))
        }
    };
}

/// What the service says about a structure where a scalar belongs.
const NOT_EXPECTED: &str = "Start of structure or map found where not expected";

/// What the service says about a scalar where a list or a map belongs.
fn unexpected_field(_token: &str) -> &'static str {
    "Unexpected field type"
}

/// Reads text; a null is an absent member.
struct TextReader;

impl<'de> Visitor<'de> for TextReader {
    type Value = Option<Cow<'de, str>>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }
    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text)))
    }
    refuse!(|token| format!("{token} cannot be converted to String"); bool number);
    refuse!("class java.lang.String"; list);
    refuse!(NOT_EXPECTED; map);
}

impl<'de> DeserializeSeed<'de> for TextReader {
    type Value = Option<Cow<'de, str>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Reads a truth value; a null is an absent member.
struct BoolReader;

impl<'de> Visitor<'de> for BoolReader {
    type Value = Option<bool>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        // The service's parser takes these words too.
        let is = |words: [&str; 3]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
        if is(["true", "1", "yes"]) {
            return Ok(Some(true));
        }
        if is(["false", "0", "no"]) {
            return Ok(Some(false));
        }
        Err(E::custom("Unexpected token received from parser"))
    }
    refuse!(|token| format!("{token} cannot be converted to Boolean"); number);
    refuse!("class java.lang.Boolean"; list);
    refuse!(NOT_EXPECTED; map);
}

impl<'de> DeserializeSeed<'de> for BoolReader {
    type Value = Option<bool>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Reads bytes; a null is an absent member.
struct BinaryReader;

impl<'de> Visitor<'de> for BinaryReader {
    type Value = Option<Vec<u8>>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64 text or bytes")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if !text.len().is_multiple_of(4) {
            let length = text.len();
            return Err(E::custom(format_args!(
                "Base64 encoded length is expected a multiple of 4 bytes but found: {length}"
            )));
        }
        match STANDARD.decode(text) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(base64::DecodeError::InvalidByte(_, byte)) => {
                let character = char::from(byte).escape_default();
                Err(E::custom(format_args!("Invalid Base64 character: '{character}'")))
            }
            Err(_) => Err(E::custom("Invalid last non-pad Base64 character dectected")),
        }
    }
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Some(bytes.to_vec()))
    }
    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
        Ok(Some(bytes))
    }
    refuse!(|_token| "only base-64-encoded strings are convertible to bytes"; bool number);
    refuse!("class java.nio.ByteBuffer"; list);
    refuse!(NOT_EXPECTED; map);
}

impl<'de> DeserializeSeed<'de> for BinaryReader {
    type Value = Option<Vec<u8>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(self)
        } else {
            deserializer.deserialize_byte_buf(self)
        }
    }
}

/// Reads a list whose elements a seed reads; a null is an absent member.
struct ListReader<F>(F);

impl<'de, S: DeserializeSeed<'de>, F: Fn() -> S> Visitor<'de> for ListReader<F> {
    type Value = Option<Vec<S::Value>>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    refuse!(unexpected_field; bool number text);
    refuse!(NOT_EXPECTED; map);
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed((self.0)())? {
            items.push(item);
        }
        Ok(Some(items))
    }
}

impl<'de, S: DeserializeSeed<'de>, F: Fn() -> S> DeserializeSeed<'de> for ListReader<F> {
    type Value = Option<Vec<S::Value>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Reads a map of values at `depth`; a null is an absent member.
struct ItemReader {
    depth: usize,
}

impl<'de> Visitor<'de> for ItemReader {
    type Value = Option<Item>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    refuse!(unexpected_field; bool number text);
    refuse!("java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>"; list);
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut item = Item::new();
        while let Some(name) = map.next_key::<String>()? {
            check_name(&name).map_err(|error| invalid(&error))?;
            item.insert(name, map.next_value_seed(ValueReader { depth: self.depth })?);
        }
        Ok(Some(item))
    }
}

impl<'de> DeserializeSeed<'de> for ItemReader {
    type Value = Option<Item>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Reads one value at `depth`, counted from one.
struct ValueReader {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ValueReader {
    type Value = AttributeValue;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<AttributeValue, D::Error> {
        if self.depth > MAX_DEPTH {
            return Err(invalid(&too_deep()));
        }
        deserializer.deserialize_any(self)
    }
}

impl ValueReader {
    /// Reads the member of `kind`; `None` for a null.
    fn member<'de, A: MapAccess<'de>>(
        &self,
        kind: AttributeType,
        map: &mut A,
    ) -> Result<Option<AttributeValue>, A::Error> {
        let depth = self.depth + 1;
        Ok(match kind {
            AttributeType::S => map
                .next_value_seed(TextReader)?
                .map(|text| AttributeValue::S(text.into_owned())),
            AttributeType::N => map.next_value_seed(TextReader)?.map(|text| number(&text)).transpose()?,
            AttributeType::B => map.next_value_seed(BinaryReader)?.map(AttributeValue::B),
            AttributeType::Bool => map.next_value_seed(BoolReader)?.map(AttributeValue::Bool),
            AttributeType::Null => map.next_value_seed(BoolReader)?.map(null).transpose()?,
            AttributeType::M => map.next_value_seed(ItemReader { depth })?.map(AttributeValue::M),
            AttributeType::L => map
                .next_value_seed(ListReader(|| ValueReader { depth }))?
                .map(AttributeValue::L),
            AttributeType::Ss => map
                .next_value_seed(ListReader(|| TextReader))?
                .map(text_set)
                .transpose()?,
            AttributeType::Ns => map
                .next_value_seed(ListReader(|| TextReader))?
                .map(number_set)
                .transpose()?,
            AttributeType::Bs => map
                .next_value_seed(ListReader(|| BinaryReader))?
                .map(binary_set)
                .transpose()?,
        })
    }
}

impl<'de> Visitor<'de> for ValueReader {
    type Value = AttributeValue;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attribute value")
    }
    fn visit_unit<E: de::Error>(self) -> Result<AttributeValue, E> {
        Err(invalid(&empty()))
    }
    refuse!(|_token| "Unexpected value type in payload"; bool number text);
    refuse!("class com.amazonaws.dynamodb.v20120810.AttributeValue"; list);
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AttributeValue, A::Error> {
        let mut found = None;
        while let Some(Key(kind)) = map.next_key()? {
            let Some(kind) = kind else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if let Some(value) = self.member(kind, &mut map)?
                && found.replace(value).is_some()
            {
                return Err(invalid(&ValidationError::new(
                    "Supplied AttributeValue has more than one datatypes set, \
                     must contain exactly one of the supported datatypes",
                )));
            }
        }
        found.ok_or_else(|| invalid(&empty()))
    }
}

/// The name of a member, if it is one of the types'.
struct Key(Option<AttributeType>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a type")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Key, E> {
                Ok(Key(AttributeType::from_name(name)))
            }
        }
        deserializer.deserialize_identifier(Name)
    }
}

fn empty() -> ValidationError {
    ValidationError::new("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
}

fn number<E: de::Error>(text: &str) -> Result<AttributeValue, E> {
    text.parse().map(AttributeValue::N).map_err(|error| invalid(&error))
}

fn null<E: de::Error>(value: bool) -> Result<AttributeValue, E> {
    if value {
        return Ok(AttributeValue::Null);
    }
    let message = "Null attribute value types must have the value of true";
    Err(invalid(&ValidationError::invalid_parameter(message)))
}

/// The elements of a list without nulls, which sets may not hold.
fn present<T, E: de::Error>(elements: Vec<Option<T>>) -> Result<Vec<T>, E> {
    let missing = || {
        invalid(&ValidationError::invalid_parameter(
            "An set may not have a null string as a member",
        ))
    };
    elements
        .into_iter()
        .map(|element| element.ok_or_else(missing))
        .collect()
}

/// The set of a list that is not empty and names nothing twice; `twice` words the refusal of one that does.
fn set<T: Ord, E: de::Error>(
    elements: Vec<T>,
    none: &'static str,
    twice: impl FnOnce() -> ValidationError,
) -> Result<Set<T>, E> {
    let count = elements.len();
    let set = Set::new(elements).ok_or_else(|| invalid(&ValidationError::invalid_parameter(none)))?;
    if set.len() == count {
        Ok(set)
    } else {
        Err(invalid(&twice()))
    }
}

fn text_set<E: de::Error>(texts: Vec<Option<Cow<'_, str>>>) -> Result<AttributeValue, E> {
    let texts = present::<_, E>(texts)?;
    // Borrowed from the request as far as it has no escapes, so that the list can be named as it came.
    let unique = set::<&str, E>(
        texts.iter().map(|text| &**text).collect(),
        "An string set  may not be empty",
        || {
            let list = texts.join(", ");
            ValidationError::invalid_parameter(format_args!("Input collection [{list}] contains duplicates."))
        },
    )?;
    let owned = Set::new(unique.iter().map(|text| (*text).to_owned()));
    owned.map(AttributeValue::Ss).ok_or_else(|| invalid(&empty()))
}

fn number_set<E: de::Error>(texts: Vec<Option<Cow<'_, str>>>) -> Result<AttributeValue, E> {
    let texts = present::<_, E>(texts)?;
    let numbers: Result<Vec<Number>, _> = texts.iter().map(|text| text.parse()).collect();
    let numbers = numbers.map_err(|error| invalid::<E>(&error))?;
    let twice = || ValidationError::new("Input collection contains duplicates");
    set(numbers, "An number set  may not be empty", twice).map(AttributeValue::Ns)
}

fn binary_set<E: de::Error>(blobs: Vec<Option<Vec<u8>>>) -> Result<AttributeValue, E> {
    let blobs = present::<_, E>(blobs)?;
    let unique = set::<&[u8], E>(
        blobs.iter().map(Vec::as_slice).collect(),
        "Binary sets should not be empty",
        || {
            let list = blobs
                .iter()
                .map(|blob| STANDARD.encode(blob))
                .collect::<Vec<_>>()
                .join(", ");
            ValidationError::invalid_parameter(format_args!("Input collection [{list}]of type BS contains duplicates."))
        },
    )?;
    let owned = Set::new(unique.iter().map(|blob| blob.to_vec()));
    owned.map(AttributeValue::Bs).ok_or_else(|| invalid(&empty()))
}

#[cfg(test)]
pub(crate) mod tests;
