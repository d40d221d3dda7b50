//! Items in the store: one value, or several for a long one.
//!
//! `value := FORMAT size parts body`: `size` is what DynamoDB counts for the item, `parts` how many further values its
//! body goes on in. Both are known without reading the body, so a page is measured without decoding what a filter or a
//! count never looks at.

use super::codec;
use super::view::View;
use crate::{Error, Item, keys};
use bytes::Bytes;
use danbi_store::Transaction;

/// Bytes of an item's body in one value: with its header below what the store takes.
const PART_BYTES: usize = 96_000;

/// The form described above.
const FORMAT: u8 = 1;

/// The most bytes of an item, as DynamoDB counts them: 400 KB.
pub(crate) const MAX_ITEM_BYTES: usize = 400 * 1024;

/// An item as it was stored, not yet decoded.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// What DynamoDB counts for it.
    pub size: usize,
    parts: usize,
    body: Bytes,
}

impl Stored {
    /// Reads the header of a first value.
    fn open(value: &Bytes) -> Result<Self, Error> {
        let damaged = || Error::internal("a stored item has no header");
        let mut rest = value.strip_prefix(&[FORMAT]).ok_or_else(damaged)?;
        let size = codec::take_length(&mut rest).ok_or_else(damaged)?;
        let parts = codec::take_length(&mut rest).ok_or_else(damaged)?;
        let body = value.slice(value.len() - rest.len()..);
        Ok(Self { size, parts, body })
    }

    /// The whole item.
    pub(crate) fn item(&self) -> Result<Item, Error> {
        codec::decode(&self.body, |_| true)
    }

    /// The attributes that `wanted` wants.
    pub(crate) fn some(&self, wanted: impl Fn(&str) -> bool) -> Result<Item, Error> {
        codec::decode(&self.body, wanted)
    }
}

/// What DynamoDB counts for the item whose first value this is.
pub(crate) fn size(value: &Bytes) -> Result<usize, Error> {
    Ok(Stored::open(value)?.size)
}

/// In how many further values the item goes on whose first value this is.
pub(crate) fn parts(value: &Bytes) -> Result<usize, Error> {
    Ok(Stored::open(value)?.parts)
}

/// The item of this key.
pub(crate) async fn get(view: View<'_>, key: &[u8]) -> Result<Option<Stored>, Error> {
    match view.get(key).await? {
        Some(value) => Ok(Some(assemble(view, key, &value).await?)),
        None => Ok(None),
    }
}

/// The item whose first value is known, with its further parts.
pub(crate) async fn assemble(view: View<'_>, key: &[u8], value: &Bytes) -> Result<Stored, Error> {
    let mut stored = Stored::open(value)?;
    if stored.parts > 0 {
        let mut body = stored.body.to_vec();
        for part in 0..stored.parts {
            let further = view.get(&part_key(key, part)).await?;
            body.extend_from_slice(&further.ok_or_else(|| Error::internal("a part of an item is missing"))?);
        }
        stored.body = body.into();
    }
    Ok(stored)
}

/// Writes `item`, for which DynamoDB counts `size`, in place of `old`.
pub(crate) fn put(tx: &Transaction, key: &[u8], item: &Item, size: usize, old: Option<&Stored>) -> Result<(), Error> {
    // Nearly every item is one value, so it is written as one at once.
    let mut value = Vec::with_capacity(size + size / 8 + 24);
    put_header(size, 0, &mut value);
    let head = value.len();
    codec::encode(item, &mut value);
    let parts = (value.len() - head).div_ceil(PART_BYTES).saturating_sub(1);
    if parts == 0 {
        tx.put(key, value)?;
        return delete_parts(tx, key, 0, old);
    }
    let body = &value[head..];
    let mut first = Vec::with_capacity(PART_BYTES + 12);
    put_header(size, parts, &mut first);
    first.extend_from_slice(&body[..PART_BYTES]);
    tx.put(key, first)?;
    for (part, further) in body.chunks(PART_BYTES).skip(1).enumerate() {
        tx.put(&part_key(key, part), further.to_vec())?;
    }
    delete_parts(tx, key, parts, old)
}

fn put_header(size: usize, parts: usize, value: &mut Vec<u8>) {
    value.push(FORMAT);
    codec::put_length(size, value);
    codec::put_length(parts, value);
}

/// Removes `old`.
pub(crate) fn delete(tx: &Transaction, key: &[u8], old: &Stored) -> Result<(), Error> {
    tx.delete(key)?;
    delete_parts(tx, key, 0, Some(old))
}

fn delete_parts(tx: &Transaction, key: &[u8], from: usize, old: Option<&Stored>) -> Result<(), Error> {
    for part in from..old.map_or(0, |old| old.parts) {
        tx.delete(&part_key(key, part))?;
    }
    Ok(())
}

fn part_key(key: &[u8], part: usize) -> Vec<u8> {
    // An item has at most a dozen parts.
    keys::overflow(key, part as u8)
}
