//! The layout in the store, and why.
//!
//! | key | value | why |
//! |---|---|---|
//! | `logs, GROUP, account, region, name` | `GroupRecord` | listed by name, found by name |
//! | `logs, DATA, group, STREAM, name` | `StreamRecord` | listed by name, with all that a listing shows |
//! | `logs, DATA, group, RECENT, last event, name` | nothing | listed by last event |
//! | `logs, DATA, group, NAME, stream` | the stream's name | a chunk bears the stream's number only |
//! | `logs, DATA, group, CHUNK, first event, sequence, stream` | `Chunk` | a search of the group, and its expiry, is one scan in time |
//! | `logs, DATA, group, INDEX, stream, first event, sequence` | `IndexEntry` | one stream is read without meeting the others |
//! | `logs, DATA, group, MORE, sequence, stream, part` | bytes | the rest of a chunk that is larger than a value may be |
//! | `logs, DATA, group, USAGE` | bytes stored | `storedBytes` without counting |
//! | `logs, TRASH, group` | nothing | a deleted group whose data is still to be removed |
//! | `logs, TRASH, group, stream` | nothing | the same for one stream |
//!
//! Groups and streams have numbers beside their names, drawn at random when they are made. So a chunk's key is short,
//! and a group or stream that is deleted and made again does not see the old one's events, which are removed later.

use crate::position::Position;
use bytes::Bytes;
use danbi_core::Scope;
use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};

const GROUP: u64 = 1;
const DATA: u64 = 2;
const TRASH: u64 = 3;

const STREAM: u64 = 1;
const RECENT: u64 = 2;
const NAME: u64 = 3;
const CHUNK: u64 = 4;
const INDEX: u64 = 5;
const MORE: u64 = 6;
const USAGE: u64 = 7;

fn root(kind: u64) -> KeyBuilder {
    KeyBuilder::new().str("logs").u64(kind)
}

fn data(group: u64, kind: u64) -> KeyBuilder {
    root(DATA).u64(group).u64(kind)
}

fn groups_of(scope: &Scope) -> KeyBuilder {
    root(GROUP).str(scope.account.as_str()).str(scope.region.as_str())
}

pub(crate) fn group(scope: &Scope, name: &str) -> Bytes {
    groups_of(scope).str(name).build()
}

/// The groups of `scope` whose names begin with `prefix`.
pub(crate) fn groups(scope: &Scope, prefix: &str) -> KeyRange {
    KeyRange::prefix(groups_of(scope).str_prefix(prefix))
}

/// The groups of every scope.
pub(crate) fn all_groups() -> KeyRange {
    KeyRange::prefix(root(GROUP).build())
}

/// The name of the group that a key of [`groups`] or [`all_groups`] bears.
pub(crate) fn group_name(key: &[u8]) -> Result<String, KeyError> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.u64()?;
    reader.str()?;
    reader.str()?;
    reader.str()
}

/// Everything that belongs to a group except its record.
pub(crate) fn group_data(group: u64) -> KeyRange {
    KeyRange::prefix(root(DATA).u64(group).build())
}

pub(crate) fn stream(group: u64, name: &str) -> Bytes {
    data(group, STREAM).str(name).build()
}

/// The streams of a group whose names begin with `prefix`.
pub(crate) fn streams(group: u64, prefix: &str) -> KeyRange {
    KeyRange::prefix(data(group, STREAM).str_prefix(prefix))
}

pub(crate) fn recent(group: u64, last_event: i64, name: &str) -> Bytes {
    data(group, RECENT).i64(last_event).str(name).build()
}

/// The streams of a group by last event.
pub(crate) fn all_recent(group: u64) -> KeyRange {
    KeyRange::prefix(data(group, RECENT).build())
}

/// The last element of a key of [`streams`] or [`all_recent`]: the stream's name.
pub(crate) fn stream_name(key: &[u8]) -> Result<String, KeyError> {
    let mut reader = data_reader(key)?;
    if reader.u64()? == RECENT {
        reader.i64()?;
    }
    reader.str()
}

pub(crate) fn name(group: u64, stream: u64) -> Bytes {
    data(group, NAME).u64(stream).build()
}

pub(crate) fn chunk(group: u64, at: Position) -> Bytes {
    data(group, CHUNK)
        .i64(at.timestamp)
        .u64(at.sequence)
        .u64(at.stream)
        .build()
}

/// Every chunk of a group.
pub(crate) fn chunks(group: u64) -> KeyRange {
    KeyRange::prefix(data(group, CHUNK).build())
}

/// Where a chunk key of a group begins in the order of positions.
pub(crate) fn chunk_position(key: &[u8]) -> Result<Position, KeyError> {
    let mut reader = data_reader(key)?;
    reader.u64()?;
    Ok(Position {
        timestamp: reader.i64()?,
        sequence: reader.u64()?,
        stream: reader.u64()?,
        index: 0,
    })
}

pub(crate) fn index(group: u64, at: Position) -> Bytes {
    data(group, INDEX)
        .u64(at.stream)
        .i64(at.timestamp)
        .u64(at.sequence)
        .build()
}

/// The index entries of one stream.
pub(crate) fn stream_index(group: u64, stream: u64) -> KeyRange {
    KeyRange::prefix(data(group, INDEX).u64(stream).build())
}

/// The position that an index key bears.
pub(crate) fn index_position(key: &[u8]) -> Result<Position, KeyError> {
    let mut reader = data_reader(key)?;
    reader.u64()?;
    let stream = reader.u64()?;
    Ok(Position {
        timestamp: reader.i64()?,
        sequence: reader.u64()?,
        stream,
        index: 0,
    })
}

pub(crate) fn more(group: u64, at: Position, part: u64) -> Bytes {
    data(group, MORE).u64(at.sequence).u64(at.stream).u64(part).build()
}

/// The further parts of one chunk.
pub(crate) fn all_more(group: u64, at: Position) -> KeyRange {
    KeyRange::prefix(data(group, MORE).u64(at.sequence).u64(at.stream).build())
}

pub(crate) fn usage(group: u64) -> Bytes {
    data(group, USAGE).build()
}

pub(crate) fn trash(group: u64, stream: Option<u64>) -> Bytes {
    let key = root(TRASH).u64(group);
    stream.map_or(key.clone(), |stream| key.u64(stream)).build()
}

/// All that is still to be removed.
pub(crate) fn all_trash() -> KeyRange {
    KeyRange::prefix(root(TRASH).build())
}

/// The group, and for a stream the stream, that a key of [`all_trash`] bears.
pub(crate) fn trashed(key: &[u8]) -> Result<(u64, Option<u64>), KeyError> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.u64()?;
    Ok((reader.u64()?, reader.u64().ok()))
}

fn data_reader(key: &[u8]) -> Result<KeyReader<'_>, KeyError> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.u64()?;
    reader.u64()?;
    Ok(reader)
}
