//! The layout in the store.
//!
//! | key | value |
//! |---|---|
//! | `dynamodb`, TABLE, account, region, name | the table's record; every operation on its items has it in its read set |
//! | `dynamodb`, DATA, table id, ITEM, digest of the partition key, sort key | an item, or its first 96 kB |
//! | `dynamodb`, DATA, table id, OVERFLOW, digest of the partition key, sort key, part | the item's further parts |
//! | `dynamodb`, DATA, table id, INDEX, index id, digest of the index partition key, index sort key, digest of the primary key | the projected item, or its primary key when it is long |
//! | `dynamodb`, DATA, table id, … and further spaces | what [`crate::layout`] lists |
//! | `dynamodb`, TOKEN, account, region, client request token | what a transactional write did, for ten minutes |
//! | `dynamodb`, TOKEN_DUE, time, account, region, client request token | nothing: when the token is to be forgotten |
//!
//! Why so:
//! - **Everything of a table lies under its id**, a random UUID that is never used again: deleting a table takes its
//!   record away and leaves one range to be cleared later, and a table of the same name begins empty.
//! - **The digest of the partition key comes first** (SHA-256 of table id and key, 128 bits), as DynamoDB hashes it. A
//!   Scan then walks in hash order, N parallel segments are N equal ranges, keys stay far below the store's 10 kB
//!   whatever the partition key holds, and an item collection is still contiguous, because equal keys have one digest.
//! - **Sort keys are encoded so that their byte order is DynamoDB's order**: a Query is one range, in both directions.
//!   Each ends itself, so none is the prefix of another and several (indexes may have four) stand behind each other.
//! - **Further parts lie apart**, so that a range of ITEM holds one key for each item.
//! - **An index entry ends in a digest of the primary key**: index keys need not be unique. The entry holds what the
//!   index projects; one longer than [`crate::index::INLINE_BYTES`] names its item instead, which lies in the same
//!   snapshot, so that twenty indexes on a 400 KB item do not write it twenty times.
//! - **The order in an index partition** among equal index sort keys is the digest's: DynamoDB promises none.

use bytes::Bytes;
use danbi_core::Scope;
use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;
use uuid::Uuid;

const TABLE: u64 = 0;
const DATA: u64 = 1;
const TOKEN: u64 = 2;
const TOKEN_DUE: u64 = 11;

/// What lies under a table's id; one byte behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Space {
    /// Items.
    Item = 1,
    /// Further parts of long items.
    Overflow = 2,
    /// Entries of local and global secondary indexes.
    Index = 3,
    /// How much the table holds.
    Usage = 4,
    /// Tags.
    Tags = 5,
    /// The resource policy.
    Policy = 6,
    /// Items as they were before a change.
    History = 7,
    /// Which items were changed when.
    HistoryTime = 8,
    /// Items by the time at which they expire.
    Expiry = 9,
}

/// The random id of a table: `TableId` in its description.
pub(crate) type TableId = Uuid;

/// Names an index within its table's data; never used again in the same table.
pub(crate) type IndexId = u32;

/// What stands for a partition key or a primary key in the store.
pub(crate) type Digest = [u8; 16];

pub(crate) fn root(kind: u64) -> KeyBuilder {
    KeyBuilder::new().str("dynamodb").u64(kind)
}

pub(crate) fn scoped(kind: u64, scope: &Scope) -> KeyBuilder {
    root(kind).str(scope.account.as_str()).str(scope.region.as_str())
}

/// A table's record.
pub(crate) fn table(scope: &Scope, name: &str) -> Bytes {
    scoped(TABLE, scope).str(name).build()
}

/// The records of the tables of one account and region, by name.
pub(crate) fn tables(scope: &Scope) -> KeyRange {
    KeyRange::prefix(scoped(TABLE, scope).build())
}

/// The records of all tables there are.
pub(crate) fn all_tables() -> KeyRange {
    KeyRange::prefix(root(TABLE).build())
}

/// Account, region and name that a key of [`all_tables`] bears.
pub(crate) fn table_name(key: &[u8]) -> Result<(String, String, String), KeyError> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.u64()?;
    Ok((reader.str()?, reader.str()?, reader.str()?))
}

/// The record of a client request token.
pub(crate) fn token(scope: &Scope, token: &str) -> Bytes {
    scoped(TOKEN, scope).str(token).build()
}

/// When a client request token is to be forgotten, in milliseconds since the epoch.
pub(crate) fn token_due(at: i64, scope: &Scope, token: &str) -> Bytes {
    let key = root(TOKEN_DUE).i64(at).str(scope.account.as_str());
    key.str(scope.region.as_str()).str(token).build()
}

/// The tokens that are to be forgotten before `at`.
pub(crate) fn tokens_due_before(at: i64) -> KeyRange {
    KeyRange::new(root(TOKEN_DUE).build(), root(TOKEN_DUE).i64(at).build())
}

/// The key of the token that a key of [`tokens_due_before`] speaks of.
pub(crate) fn due_token(key: &[u8]) -> Result<Bytes, KeyError> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.u64()?;
    reader.i64()?;
    let key = root(TOKEN).str(&reader.str()?).str(&reader.str()?);
    Ok(key.str(&reader.str()?).build())
}

static DATA_ROOT: LazyLock<Bytes> = LazyLock::new(|| root(DATA).build());

/// Begins a key under a table's id, with room for `more` bytes.
fn data(table: TableId, more: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(DATA_ROOT.len() + 16 + more);
    key.extend_from_slice(&DATA_ROOT);
    key.extend_from_slice(table.as_bytes());
    key
}

/// What all keys that belong to a table begin with, but its record's.
pub(crate) fn table_prefix(table: TableId) -> Vec<u8> {
    data(table, 0)
}

/// What of an item's key is its own, behind table and space: the digest of its partition key, and its sort key.
pub(crate) fn item_suffix(item: &[u8]) -> &[u8] {
    &item[DATA_ROOT.len() + 17..]
}

/// Everything that belongs to a table but its record.
pub(crate) fn table_data(table: TableId) -> KeyRange {
    KeyRange::prefix(data(table, 0))
}

/// The prefix of one space of a table, for whoever keeps further data under the table's id.
pub(crate) fn space(table: TableId, space: Space, more: usize) -> Vec<u8> {
    let mut key = data(table, 1 + more);
    key.push(space as u8);
    key
}

/// The digest of an encoded key of a table.
pub(crate) fn digest(table: TableId, encoded: &[u8]) -> Digest {
    let hash = Sha256::new()
        .chain_update(table.as_bytes())
        .chain_update(encoded)
        .finalize();
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash[..16]);
    digest
}

/// An item; `sort` is the encoded sort key, empty in a table without.
pub(crate) fn item(table: TableId, partition: Digest, sort: &[u8]) -> Vec<u8> {
    let mut key = space(table, Space::Item, 16 + sort.len());
    key.extend_from_slice(&partition);
    key.extend_from_slice(sort);
    key
}

/// A further part of an item, from the item's own key.
pub(crate) fn overflow(item: &[u8], part: u8) -> Vec<u8> {
    let mut key = Vec::with_capacity(item.len() + 1);
    key.extend_from_slice(item);
    key[DATA_ROOT.len() + 16] = Space::Overflow as u8;
    key.push(part);
    key
}

/// The item's own key, and the number of the part, of a key that [`overflow`] made.
pub(crate) fn part_of(overflow: &[u8]) -> (Vec<u8>, usize) {
    let (part, item) = overflow
        .split_last()
        .map_or((0, overflow), |(part, item)| (*part, item));
    let mut item = item.to_vec();
    item[DATA_ROOT.len() + 16] = Space::Item as u8;
    (item, usize::from(part))
}

/// The prefix of one index's entries.
pub(crate) fn index(table: TableId, index: IndexId) -> Vec<u8> {
    let mut key = space(table, Space::Index, 4 + 64);
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// One entry of an index.
pub(crate) fn index_entry(table: TableId, id: IndexId, partition: Digest, sort: &[u8], primary: Digest) -> Vec<u8> {
    let mut key = index(table, id);
    key.extend_from_slice(&partition);
    key.extend_from_slice(sort);
    key.extend_from_slice(&primary);
    key
}

/// The equal part `segment` of `total` of what lies behind `prefix`, which a digest follows.
pub(crate) fn segment(prefix: &[u8], segment: u32, total: u32) -> KeyRange {
    let bound = |part: u32| -> Option<Vec<u8>> {
        if part >= total {
            return None;
        }
        let at = (u128::from(part) << 64) / u128::from(total);
        let mut key = prefix.to_vec();
        // `part < total`, so the quotient fits into 64 bits.
        key.extend_from_slice(&(at as u64).to_be_bytes());
        Some(key)
    };
    let whole = KeyRange::prefix(prefix.to_vec());
    let start = bound(segment).unwrap_or_else(|| prefix.to_vec());
    match (bound(segment + 1), whole.end()) {
        (Some(end), _) => KeyRange::new(start, end),
        (None, Some(end)) => KeyRange::new(start, end.clone()),
        (None, None) => KeyRange::starting_at(start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cover_everything_once() {
        let table = Uuid::from_bytes([0xff; 16]);
        let prefix = space(table, Space::Item, 0);
        for total in [1, 2, 3, 7, 1_000_000] {
            let mut digest = [0u8; 16];
            for probe in 0..200u8 {
                digest[0] = probe.wrapping_mul(37);
                digest[7] = probe;
                let key = item(table, digest, b"x");
                let at = u64::from_be_bytes(digest[..8].try_into().unwrap());
                let expected = ((u128::from(at) * u128::from(total)) >> 64) as u32;
                let near = expected.saturating_sub(1)..=(expected + 1).min(total - 1);
                let holding = near.filter(|&part| segment(&prefix, part, total).contains(&key));
                assert_eq!(holding.count(), 1, "{at:x} of {total}");
            }
        }
    }

    #[test]
    fn an_items_parts_lie_apart() {
        let table = Uuid::from_bytes([7; 16]);
        let key = item(table, [9; 16], b"sort");
        assert!(table_data(table).contains(&key) && table_data(table).contains(&overflow(&key, 0)));
        assert!(!KeyRange::prefix(space(table, Space::Item, 0)).contains(&overflow(&key, 0)));
    }
}
