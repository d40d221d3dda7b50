//! The form in which an item lies in the store.
//!
//! `item := attribute*`, `attribute := name value`, `value := tag [length body]`; names and lengths are LEB128, the
//! length of a list or a map four bytes, little-endian, so that it can be written before the body is known. Every value
//! says how long it is, so an attribute that nobody wants is stepped over. Numbers lie in their ordered encoding
//! ([`Number::encode_ordered`]), at most 22 bytes.

use crate::{AttributeValue, Error, Item, Number, Set};

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const TEXT: u8 = 3;
const NUMBER: u8 = 4;
const BYTES: u8 = 5;
const LIST: u8 = 6;
const MAP: u8 = 7;
const TEXTS: u8 = 8;
const NUMBERS: u8 = 9;
const BLOBS: u8 = 10;

/// Appends an item.
pub(crate) fn encode<'a>(item: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>, out: &mut Vec<u8>) {
    for (name, value) in item {
        put_length(name.len(), out);
        out.extend_from_slice(name.as_bytes());
        put_value(value, out);
    }
}

/// Reads an item; attributes that `wanted` does not want are stepped over.
pub(crate) fn decode(bytes: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Item, Error> {
    let mut reader = Reader(bytes);
    let mut item = Item::new();
    while !reader.0.is_empty() {
        let name = reader.text().ok_or_else(damaged)?;
        if wanted(name) {
            item.insert(name.to_owned(), reader.value().ok_or_else(damaged)?);
        } else {
            reader.skip().ok_or_else(damaged)?;
        }
    }
    Ok(item)
}

fn damaged() -> Error {
    Error::internal("a stored item cannot be read")
}

pub(crate) fn put_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// Takes a LEB128 number off the front.
pub(crate) fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(length);
        }
    }
    None
}

fn put_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    put_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn put_nested(tag: u8, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    // Items have at most 400 KB of what DynamoDB counts, and at most twice that here.
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

fn put_value(value: &AttributeValue, out: &mut Vec<u8>) {
    match value {
        AttributeValue::Null => out.push(NULL),
        AttributeValue::Bool(false) => out.push(FALSE),
        AttributeValue::Bool(true) => out.push(TRUE),
        AttributeValue::S(text) => put_bytes(TEXT, text.as_bytes(), out),
        AttributeValue::N(number) => {
            out.push(NUMBER);
            let at = out.len();
            out.push(0);
            number.encode_ordered(out);
            // At most 22 bytes, so one byte of length.
            out[at] = (out.len() - at - 1) as u8;
        }
        AttributeValue::B(bytes) => put_bytes(BYTES, bytes, out),
        AttributeValue::L(values) => put_nested(LIST, out, |out| values.iter().for_each(|value| put_value(value, out))),
        AttributeValue::M(entries) => put_nested(MAP, out, |out| encode(entries, out)),
        AttributeValue::Ss(texts) => put_nested(TEXTS, out, |out| {
            for text in texts.iter() {
                put_length(text.len(), out);
                out.extend_from_slice(text.as_bytes());
            }
        }),
        AttributeValue::Ns(numbers) => put_nested(NUMBERS, out, |out| {
            numbers.iter().for_each(|number| number.encode_ordered(out));
        }),
        AttributeValue::Bs(blobs) => put_nested(BLOBS, out, |out| {
            for blob in blobs.iter() {
                put_length(blob.len(), out);
                out.extend_from_slice(blob);
            }
        }),
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn tag(&mut self) -> Option<u8> {
        self.take(1).map(|tag| tag[0])
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = take_length(&mut self.0)?;
        self.take(length)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn nested(&mut self) -> Option<Self> {
        let (length, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        self.take(u32::from_le_bytes(*length) as usize).map(Reader)
    }

    fn number(&mut self) -> Option<Number> {
        let (number, rest) = Number::decode_ordered(self.0)?;
        self.0 = rest;
        Some(number)
    }

    /// Reads until nothing is left.
    fn all<T>(mut self, next: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut found = Vec::new();
        while !self.0.is_empty() {
            found.push(next(&mut self)?);
        }
        Some(found)
    }

    // Recursion is bounded: what was stored had at most 32 levels.
    fn value(&mut self) -> Option<AttributeValue> {
        Some(match self.tag()? {
            NULL => AttributeValue::Null,
            FALSE => AttributeValue::Bool(false),
            TRUE => AttributeValue::Bool(true),
            TEXT => AttributeValue::S(self.text()?.to_owned()),
            NUMBER => AttributeValue::N(Reader(self.bytes()?).number()?),
            BYTES => AttributeValue::B(self.bytes()?.to_vec()),
            LIST => AttributeValue::L(self.nested()?.all(Self::value)?),
            MAP => {
                let entry = |reader: &mut Self| Some((reader.text()?.to_owned(), reader.value()?));
                AttributeValue::M(self.nested()?.all(entry)?.into_iter().collect())
            }
            TEXTS => AttributeValue::Ss(Set::new(
                self.nested()?.all(|reader| reader.text().map(str::to_owned))?,
            )?),
            NUMBERS => AttributeValue::Ns(Set::new(self.nested()?.all(Self::number)?)?),
            BLOBS => AttributeValue::Bs(Set::new(
                self.nested()?.all(|reader| reader.bytes().map(<[u8]>::to_vec))?,
            )?),
            _ => return None,
        })
    }

    fn skip(&mut self) -> Option<()> {
        match self.tag()? {
            NULL | FALSE | TRUE => Some(()),
            TEXT | NUMBER | BYTES => self.bytes().map(drop),
            LIST | MAP | TEXTS | NUMBERS | BLOBS => self.nested().map(drop),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = AttributeValue> {
        let number = || {
            (any::<i64>(), -50i32..50)
                .prop_map(|(digits, exponent)| format!("{digits}e{exponent}").parse::<Number>().unwrap())
        };
        let scalar = prop_oneof![
            Just(AttributeValue::Null),
            any::<bool>().prop_map(AttributeValue::Bool),
            ".{0,200}".prop_map(AttributeValue::S),
            number().prop_map(AttributeValue::N),
            proptest::collection::vec(any::<u8>(), 0..300).prop_map(AttributeValue::B),
            proptest::collection::vec(".{0,9}", 1..5).prop_map(|texts| AttributeValue::Ss(Set::new(texts).unwrap())),
            proptest::collection::vec(number(), 1..5)
                .prop_map(|numbers| AttributeValue::Ns(Set::new(numbers).unwrap())),
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 1..5)
                .prop_map(|blobs| AttributeValue::Bs(Set::new(blobs).unwrap())),
        ];
        scalar.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(AttributeValue::L),
                proptest::collection::btree_map(".{0,6}", inner, 0..6).prop_map(AttributeValue::M),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_stored_is_read_again(item in proptest::collection::btree_map(".{0,8}", value(), 0..8)) {
            let mut bytes = Vec::new();
            encode(&item, &mut bytes);
            prop_assert_eq!(&decode(&bytes, |_| true).unwrap(), &item);
            let wanted = item.keys().next().cloned();
            let part = decode(&bytes, |name| Some(name) == wanted.as_deref()).unwrap();
            prop_assert_eq!(part.len(), usize::from(wanted.is_some()));
            prop_assert!(part.iter().all(|(name, value)| item[name] == *value));
        }

        #[test]
        fn damage_is_an_error_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, |_| true);
            let _ = decode(&bytes, |_| false);
        }
    }
}
