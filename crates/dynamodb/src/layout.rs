//! The layout in the store of everything around tables and items; those themselves are in [`keys`](crate::keys).
//!
//! | key | value |
//! |---|---|
//! | DATA, table id, USAGE, node | what one node counted; node 0 is the last recount |
//! | DATA, table id, TAGS | the table's tags |
//! | DATA, table id, POLICY | the table's resource policy |
//! | DATA, table id, HISTORY, item, stamp, number, part | the item before that change |
//! | DATA, table id, HISTORY_TIME, stamp, number, item | nothing |
//! | DATA, table id, EXPIRY, list, second, item | nothing |
//! | JOB, id | work that outlives requests and processes |
//! | EXPIRING, table id | the table's account, region and name: it has time to live |
//! | STREAM, account, region, table, label | what is known of a stream |
//! | RECORD, stream, shard, PENDING, stamp, node, number | a record without a place in its shard yet |
//! | RECORD, stream, shard, ORDERED, sequence | a record in its place |
//! | RECORD, stream, shard, HEAD | the next sequence number |
//! | RECORD, stream, shard, PART, stamp, node, number, part | the rest of a long record |
//! | BACKUP, account, region, table, id | what is known of a backup; its items lie under its id like a table's |
//! | EXPORT, account, region, table, id | what is known of an export |
//! | EXPORT_FILE, account, region, export, number | a data file of an export under way |
//! | EXPORT_TOKEN, account, region, token | the export that a client token stands for |
//! | IMPORT, account, region, table, id | what is known of an import |
//! | IMPORT_TOKEN, account, region, token | the import that a client token stands for |
//! | LEASE, name | which node does a recurring work, until when |
//!
//! Why so:
//! - **Tags, policy and counts lie apart from the record**, because the record is read by every write and changes of
//!   those are no business of writes.
//! - **The history of an item lies by item, then time**: a copy of the table as it was walks items and history side by
//!   side in one order and bounded memory. HISTORY_TIME is there to trim what is too old without walking the rest.
//! - **Stream records are written without reading anything shared**, under a key that no other write has: see
//!   [`crate::streams`] for how they come to have one order.

use crate::keys::{self, IndexId, Space, TableId};
use bytes::Bytes;
use danbi_core::Scope;
use danbi_store::KeyRange;
use danbi_store::key::{KeyError, KeyReader};
use uuid::Uuid;

const JOB: u64 = 3;
const EXPIRING: u64 = 4;
const STREAM: u64 = 5;
const RECORD: u64 = 6;
const BACKUP: u64 = 7;
const LEASE: u64 = 10;
// 11 is one of `keys`.
const EXPORT: u64 = 12;
const EXPORT_FILE: u64 = 13;
const EXPORT_TOKEN: u64 = 14;
const IMPORT: u64 = 15;
const IMPORT_TOKEN: u64 = 16;

/// What one node counted of a table.
pub(crate) fn usage(table: TableId, node: u64) -> Vec<u8> {
    let mut key = keys::space(table, Space::Usage, 8);
    key.extend_from_slice(&node.to_be_bytes());
    key
}

/// What all nodes counted of a table.
pub(crate) fn usages(table: TableId) -> KeyRange {
    KeyRange::prefix(keys::space(table, Space::Usage, 0))
}

/// A table's tags.
pub(crate) fn tags(table: TableId) -> Vec<u8> {
    keys::space(table, Space::Tags, 0)
}

/// A table's resource policy.
pub(crate) fn policy(table: TableId) -> Vec<u8> {
    keys::space(table, Space::Policy, 0)
}

/// A job.
pub(crate) fn job(id: Uuid) -> Bytes {
    keys::root(JOB).bytes(id.as_bytes()).build()
}

/// All jobs.
pub(crate) fn jobs() -> KeyRange {
    KeyRange::prefix(keys::root(JOB).build())
}

/// The id that a key of [`jobs`] bears.
pub(crate) fn job_id(key: &[u8]) -> Result<Uuid, KeyError> {
    let mut reader = behind_root(key)?;
    Uuid::from_slice(&reader.bytes()?).map_err(|_| KeyError::OutOfRange)
}

/// Marks a table whose items expire.
pub(crate) fn expiring(table: TableId) -> Bytes {
    keys::root(EXPIRING).bytes(table.as_bytes()).build()
}

/// The marks of all tables whose items expire.
pub(crate) fn all_expiring() -> KeyRange {
    KeyRange::prefix(keys::root(EXPIRING).build())
}

/// The beginning of a table's list of expiring items.
pub(crate) fn expiry_list(table: TableId, list: IndexId) -> Vec<u8> {
    let mut key = keys::space(table, Space::Expiry, 4 + 8 + 64);
    key.extend_from_slice(&list.to_be_bytes());
    key
}

/// An item in a list of expiring items; `item` is [`keys::item_suffix`].
pub(crate) fn expiry(table: TableId, list: IndexId, second: u64, item: &[u8]) -> Vec<u8> {
    let mut key = expiry_list(table, list);
    key.extend_from_slice(&second.to_be_bytes());
    key.extend_from_slice(item);
    key
}

/// What of a key of [`expiry`] is the item.
pub(crate) fn expiring_item(key: &[u8]) -> Option<&[u8]> {
    key.get(keys::table_prefix(Uuid::nil()).len() + 1 + 4 + 8..)
}

/// Bytes behind the item in a key of the history.
pub(crate) const HISTORY_TAIL: usize = 8 + 4 + 1;

/// The beginning of a table's history.
pub(crate) fn history(table: TableId) -> Vec<u8> {
    keys::space(table, Space::History, 64)
}

/// A part of an item before a change.
pub(crate) fn history_entry(table: TableId, item: &[u8], stamp: u64, number: u32, part: u8) -> Vec<u8> {
    let mut key = history(table);
    key.extend_from_slice(item);
    key.extend_from_slice(&stamp.to_be_bytes());
    key.extend_from_slice(&number.to_be_bytes());
    key.push(part);
    key
}

/// The beginning of the list of a table's changes by time.
pub(crate) fn history_time(table: TableId) -> Vec<u8> {
    keys::space(table, Space::HistoryTime, 12 + 64)
}

/// One change in the list by time.
pub(crate) fn history_time_entry(table: TableId, stamp: u64, number: u32, item: &[u8]) -> Vec<u8> {
    let mut key = history_time(table);
    key.extend_from_slice(&stamp.to_be_bytes());
    key.extend_from_slice(&number.to_be_bytes());
    key.extend_from_slice(item);
    key
}

/// What is known of a stream.
pub(crate) fn stream(scope: &Scope, table: &str, label: &str) -> Bytes {
    keys::scoped(STREAM, scope).str(table).str(label).build()
}

/// The streams of an account and region, or of one table in it.
pub(crate) fn streams(scope: &Scope, table: Option<&str>) -> KeyRange {
    let key = keys::scoped(STREAM, scope);
    KeyRange::prefix(match table {
        Some(table) => key.str(table).build(),
        None => key.build(),
    })
}

/// All streams.
pub(crate) fn all_streams() -> KeyRange {
    KeyRange::prefix(keys::root(STREAM).build())
}

/// What lies under a shard of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Shelf {
    /// Records without a place yet.
    Pending = 1,
    /// Records in their places.
    Ordered = 2,
    /// The next sequence number.
    Head = 3,
    /// The rest of long records.
    Part = 4,
}

/// The beginning of all that a stream holds.
pub(crate) fn stream_records(stream: u64) -> Vec<u8> {
    let mut key = keys::root(RECORD).build().to_vec();
    key.extend_from_slice(&stream.to_be_bytes());
    key
}

/// The beginning of one shelf of a shard.
pub(crate) fn shelf(stream: u64, shard: u32, shelf: Shelf) -> Vec<u8> {
    let mut key = stream_records(stream);
    key.extend_from_slice(&shard.to_be_bytes());
    key.push(shelf as u8);
    key
}

/// A record in its place.
pub(crate) fn ordered(stream: u64, shard: u32, sequence: u64) -> Vec<u8> {
    let mut key = shelf(stream, shard, Shelf::Ordered);
    key.extend_from_slice(&sequence.to_be_bytes());
    key
}

/// The last eight bytes of a key, as a number.
pub(crate) fn trailing(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// What is known of a backup.
pub(crate) fn backup(scope: &Scope, table: &str, id: &str) -> Bytes {
    keys::scoped(BACKUP, scope).str(table).str(id).build()
}

/// The backups of an account and region.
pub(crate) fn backups(scope: &Scope) -> KeyRange {
    KeyRange::prefix(keys::scoped(BACKUP, scope).build())
}

/// All backups.
pub(crate) fn all_backups() -> KeyRange {
    KeyRange::prefix(keys::root(BACKUP).build())
}

fn transfer(kind: u64, scope: &Scope, table: &str, id: &str) -> Bytes {
    keys::scoped(kind, scope).str(table).str(id).build()
}

fn transfers(kind: u64, scope: &Scope, table: Option<&str>) -> KeyRange {
    let key = keys::scoped(kind, scope);
    KeyRange::prefix(match table {
        Some(table) => key.str(table).build(),
        None => key.build(),
    })
}

/// What is known of an export.
pub(crate) fn export(scope: &Scope, table: &str, id: &str) -> Bytes {
    transfer(EXPORT, scope, table, id)
}

/// The exports of an account and region, or of one table in it.
pub(crate) fn exports(scope: &Scope, table: Option<&str>) -> KeyRange {
    transfers(EXPORT, scope, table)
}

/// All exports.
pub(crate) fn all_exports() -> KeyRange {
    KeyRange::prefix(keys::root(EXPORT).build())
}

/// What is known of an import.
pub(crate) fn import(scope: &Scope, table: &str, id: &str) -> Bytes {
    transfer(IMPORT, scope, table, id)
}

/// The imports of an account and region, or of one table in it.
pub(crate) fn imports(scope: &Scope, table: Option<&str>) -> KeyRange {
    transfers(IMPORT, scope, table)
}

/// All imports.
pub(crate) fn all_imports() -> KeyRange {
    KeyRange::prefix(keys::root(IMPORT).build())
}

/// Account, region, table and id in a key of [`export`] or [`import`].
pub(crate) fn transfer_of(key: &[u8]) -> Result<[String; 4], KeyError> {
    let mut reader = behind_root(key)?;
    Ok([reader.str()?, reader.str()?, reader.str()?, reader.str()?])
}

/// A data file of an export under way.
pub(crate) fn export_file(scope: &Scope, export: &str, number: u32) -> Bytes {
    keys::scoped(EXPORT_FILE, scope).str(export).u64(number.into()).build()
}

/// The data files of an export under way, in order.
pub(crate) fn export_files(scope: &Scope, export: &str) -> KeyRange {
    KeyRange::prefix(keys::scoped(EXPORT_FILE, scope).str(export).build())
}

/// The export that a client token stands for.
pub(crate) fn export_token(scope: &Scope, token: &str) -> Bytes {
    keys::scoped(EXPORT_TOKEN, scope).str(token).build()
}

/// The import that a client token stands for.
pub(crate) fn import_token(scope: &Scope, token: &str) -> Bytes {
    keys::scoped(IMPORT_TOKEN, scope).str(token).build()
}

/// Who does a recurring work.
pub(crate) fn lease(name: &str) -> Bytes {
    keys::root(LEASE).str(name).build()
}

fn behind_root(key: &[u8]) -> Result<KeyReader<'_>, KeyError> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.u64()?;
    Ok(reader)
}
