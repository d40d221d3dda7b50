//! Keys of items and of index entries, from attributes to bytes; and what DynamoDB says of those that do not fit.

use crate::keys::{self, Digest, TableId};
use crate::tables::record::{IndexRecord, KeyAttribute, KeySchema, KeyType, TableRecord};
use crate::{AttributeType, AttributeValue, Error, Item};

/// Longest partition key, in bytes; of an index with several partition attributes each.
pub(crate) const MAX_PARTITION_BYTES: usize = 2048;
/// Longest sort key, in bytes; of an index with several sort attributes each.
pub(crate) const MAX_SORT_BYTES: usize = 1024;

/// An item's key in the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ItemKey {
    /// The store's key.
    pub bytes: Vec<u8>,
    /// Stands for the whole primary key in index entries; of no use in a table without indexes.
    pub digest: Digest,
}

impl KeyType {
    /// The type of the values that have it.
    pub(crate) fn attribute_type(self) -> AttributeType {
        match self {
            Self::S => AttributeType::S,
            Self::N => AttributeType::N,
            Self::B => AttributeType::B,
        }
    }
}

/// Stands behind a zero that belongs to a text or bytes.
const ESCAPED: u8 = 0xff;
/// Stands behind the zero that ends text or bytes.
const END: u8 = 0x01;

/// Appends a key attribute's value so that the order of bytes is the order of values and the end is marked. Values of
/// other types than S, N and B are no keys and append nothing.
pub(crate) fn encode(value: &AttributeValue, out: &mut Vec<u8>) {
    match value {
        AttributeValue::S(text) => {
            escape(text.as_bytes(), out);
            out.extend_from_slice(&[0, END]);
        }
        AttributeValue::B(bytes) => {
            escape(bytes, out);
            out.extend_from_slice(&[0, END]);
        }
        AttributeValue::N(number) => number.encode_ordered(out),
        _ => {}
    }
}

/// Appends what all values that begin with `value` begin with.
pub(crate) fn encode_prefix(value: &AttributeValue, out: &mut Vec<u8>) {
    match value {
        AttributeValue::S(text) => escape(text.as_bytes(), out),
        AttributeValue::B(bytes) => escape(bytes, out),
        _ => {}
    }
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 2);
    let mut rest = bytes;
    while let Some(zero) = rest.iter().position(|&byte| byte == 0) {
        out.extend_from_slice(&rest[..zero]);
        out.extend_from_slice(&[0, ESCAPED]);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
}

/// The values of the key attributes one behind the other; `None` when the item lacks one or it has another type.
fn tuple(attributes: &[KeyAttribute], item: &Item) -> Option<Vec<u8>> {
    let mut encoded = Vec::new();
    for attribute in attributes {
        let value = item.get(&attribute.name)?;
        if value.kind() != attribute.kind.attribute_type() {
            return None;
        }
        encode(value, &mut encoded);
    }
    Some(encoded)
}

/// The digest of a partition key; `None` when `item` does not hold one of the schema.
pub(crate) fn partition(table: TableId, schema: &KeySchema, item: &Item) -> Option<Digest> {
    Some(keys::digest(table, &tuple(&schema.partition, item)?))
}

/// The encoded sort key, empty without; `None` when `item` does not hold one of the schema.
pub(crate) fn sort(schema: &KeySchema, item: &Item) -> Option<Vec<u8>> {
    tuple(&schema.sort, item)
}

/// The store's key of the item whose key attributes `item` holds, which were validated.
pub(crate) fn item_key(table: &TableRecord, item: &Item) -> Result<ItemKey, Error> {
    item_key_of(table, item).ok_or_else(|| Error::internal("an item without its table's key"))
}

fn item_key_of(table: &TableRecord, item: &Item) -> Option<ItemKey> {
    let mut whole = tuple(&table.key.partition, item)?;
    let partition = keys::digest(table.id, &whole);
    let sort = sort(&table.key, item)?;
    let digest = if sort.is_empty() || table.indexes().next().is_none() {
        partition
    } else {
        whole.extend_from_slice(&sort);
        keys::digest(table.id, &whole)
    };
    Some(ItemKey {
        bytes: keys::item(table.id, partition, &sort),
        digest,
    })
}

/// The key attributes of an item alone.
pub(crate) fn key_of(schema: &KeySchema, item: &Item) -> Item {
    let attribute = |attribute: &KeyAttribute| Some((attribute.name.clone(), item.get(&attribute.name)?.clone()));
    schema.attributes().filter_map(attribute).collect()
}

/// The key attributes of index and table: what a page of an index ends with.
pub(crate) fn index_key_of(table: &TableRecord, index: &IndexRecord, item: &Item) -> Item {
    let mut key = key_of(&table.key, item);
    key.extend(key_of(&index.key, item));
    key
}

fn mismatched() -> Error {
    Error::validation("The provided key element does not match the schema")
}

/// Checks a `Key` against the table's key.
pub(crate) fn check_key(table: &TableRecord, key: &Item) -> Result<(), Error> {
    if key.len() != table.key.attributes().count() {
        return Err(mismatched());
    }
    check_attributes(&table.key, key)
}

/// Checks that `key` holds the attributes of the schema, in the words of a `Key` or `ExclusiveStartKey`.
pub(crate) fn check_attributes(schema: &KeySchema, key: &Item) -> Result<(), Error> {
    for (attribute, is_partition) in pieces(schema) {
        let value = key.get(&attribute.name).ok_or_else(mismatched)?;
        if value.kind() != attribute.kind.attribute_type() {
            return Err(mismatched());
        }
        check_piece(attribute, value, is_partition)?;
    }
    Ok(())
}

fn pieces(schema: &KeySchema) -> impl Iterator<Item = (&KeyAttribute, bool)> {
    let partition = schema.partition.iter().map(|attribute| (attribute, true));
    partition.chain(schema.sort.iter().map(|attribute| (attribute, false)))
}

fn empty_word(value: &AttributeValue) -> Option<&'static str> {
    match value {
        AttributeValue::S(text) if text.is_empty() => Some("string"),
        AttributeValue::B(bytes) if bytes.is_empty() => Some("binary"),
        _ => None,
    }
}

fn check_piece(attribute: &KeyAttribute, value: &AttributeValue, is_partition: bool) -> Result<(), Error> {
    if let Some(word) = empty_word(value) {
        return Err(Error::validation(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty {word} value. Key: {}",
            attribute.name
        )));
    }
    if is_partition && value.size() > MAX_PARTITION_BYTES {
        return Err(Error::validation(
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ));
    }
    if !is_partition && value.size() > MAX_SORT_BYTES {
        return Err(Error::validation(
            "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit \
             of 1024 bytes",
        ));
    }
    Ok(())
}

/// Checks an item that is to be put: it must hold the table's key, and no index key of another type.
pub(crate) fn check_item(table: &TableRecord, item: &Item) -> Result<(), Error> {
    for (attribute, is_partition) in pieces(&table.key) {
        let Some(value) = item.get(&attribute.name) else {
            return Err(Error::validation(format!(
                "One or more parameter values were invalid: Missing the key {} in the item",
                attribute.name
            )));
        };
        if value.kind() != attribute.kind.attribute_type() {
            return Err(Error::validation(format!(
                "One or more parameter values were invalid: Type mismatch for key {} expected: {} actual: {}",
                attribute.name,
                attribute.kind.as_str(),
                value.kind().name()
            )));
        }
        check_piece(attribute, value, is_partition)?;
    }
    check_index_keys(table, item, |_| true)
}

/// Checks that what `item` has of index keys fits the indexes, as far as it `concerns` us; what it lacks keeps it out of
/// an index, which is fine.
pub(crate) fn check_index_keys(table: &TableRecord, item: &Item, concerns: impl Fn(&str) -> bool) -> Result<(), Error> {
    for index in table.indexes() {
        for (attribute, is_partition) in pieces(&index.key) {
            if let Some(value) = item.get(&attribute.name)
                && !table.key.contains(&attribute.name)
                && concerns(&attribute.name)
            {
                check_index_piece(index, attribute, value, is_partition)?;
            }
        }
    }
    Ok(())
}

fn check_index_piece(
    index: &IndexRecord,
    attribute: &KeyAttribute,
    value: &AttributeValue,
    is_partition: bool,
) -> Result<(), Error> {
    if value.kind() != attribute.kind.attribute_type() {
        return Err(Error::validation(format!(
            "One or more parameter values were invalid: Type mismatch for Index Key {} Expected: {} Actual: {} \
             IndexName: {}",
            attribute.name,
            attribute.kind.as_str(),
            value.kind().name(),
            index.name
        )));
    }
    if let Some(word) = empty_word(value) {
        return Err(Error::validation(format!(
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. \
             The AttributeValue for a key attribute cannot contain an empty {word} value. IndexName: {}, IndexKey: {}",
            index.name, attribute.name
        )));
    }
    let limit = if is_partition {
        MAX_PARTITION_BYTES
    } else {
        MAX_SORT_BYTES
    };
    if value.size() > limit {
        return Err(Error::validation(format!(
            "One or more parameter values were invalid: Size of {} key has exceeded the maximum size limit of {limit} \
             bytes. IndexName: {}, IndexKey: {}",
            if is_partition { "hash" } else { "range" },
            index.name,
            attribute.name
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(value: &AttributeValue) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, &mut out);
        out
    }

    proptest! {
        #[test]
        fn the_order_of_bytes_is_the_order_of_keys(a in proptest::collection::vec(0u8..3, 0..6), b in proptest::collection::vec(0u8..3, 0..6)) {
            let (left, right) = (encoded(&AttributeValue::B(a.clone())), encoded(&AttributeValue::B(b.clone())));
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            prop_assert!(a == b || !left.starts_with(&right));
            let mut prefix = Vec::new();
            encode_prefix(&AttributeValue::B(b.clone()), &mut prefix);
            prop_assert_eq!(left.starts_with(&prefix), a.starts_with(&b));
        }
    }
}
