use crate::chunk::{Chunk, Event};
use crate::error::LogsError;
use crate::keys;
use crate::position::{Position, Sequence};
use crate::records::{GroupRecord, StreamRecord};
use bytes::Bytes;
use danbi_core::{LogStreamName, Scope};
use danbi_store::{Direction, Transaction};
use std::collections::BTreeMap;

/// Events for one stream, encoded and numbered, ready to be written; writing them again gives the same keys.
#[derive(Debug)]
pub(crate) struct Addition {
    pub(crate) stream: LogStreamName,
    /// Whether group and stream are made when they do not exist.
    pub(crate) create: bool,
    pub(crate) ingestion_time: i64,
    pub(crate) events: Vec<Event>,
    chunks: Vec<(u64, Chunk)>,
}

/// What became of an [`Addition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    Stored,
    NoGroup,
    NoStream,
    /// A record that is needed for it cannot be read.
    Damaged,
}

impl Addition {
    /// `events` are in the order of their times.
    pub(crate) fn new(stream: LogStreamName, create: bool, events: Vec<Event>, now: i64, sequence: &Sequence) -> Self {
        let chunks = Chunk::encode_all(&events, now)
            .into_iter()
            .map(|chunk| (sequence.next(now), chunk))
            .collect();
        Self {
            stream,
            create,
            ingestion_time: now,
            events,
            chunks,
        }
    }
}

/// Writes `additions`, as many as their streams allow, and says what became of each.
pub(crate) async fn append(tx: &Transaction, additions: &[Addition]) -> Result<Vec<Placed>, LogsError> {
    let mut grown: BTreeMap<u64, u64> = BTreeMap::new();
    let mut placed = Vec::with_capacity(additions.len());
    for addition in additions {
        placed.push(match append_one(tx, addition, &mut grown).await {
            // One stream's damage is no reason to keep the others waiting.
            Err(LogsError::Damaged(reason)) => {
                tracing::error!(stream = ?addition.stream, reason, "logs: a record is damaged; events were not stored");
                Placed::Damaged
            }
            placed => placed?,
        });
    }
    for (group, bytes) in grown {
        let key = keys::usage(group);
        let before = usage(tx.get(&key).await?);
        tx.put(&key, (before + bytes).to_be_bytes().to_vec())?;
    }
    Ok(placed)
}

async fn append_one(
    tx: &Transaction,
    addition: &Addition,
    grown: &mut BTreeMap<u64, u64>,
) -> Result<Placed, LogsError> {
    let LogStreamName {
        scope,
        group: group_name,
        stream: stream_name,
    } = &addition.stream;
    let group = match find_group(tx, scope, group_name).await? {
        Some(record) => record,
        None if addition.create => {
            create_group(tx, scope, group_name, |id| GroupRecord {
                id,
                created: addition.ingestion_time,
                class: "STANDARD".to_owned(),
                retention_days: None,
                tags: BTreeMap::new(),
            })
            .await?
        }
        None => return Ok(Placed::NoGroup),
    };
    let key = keys::stream(group.id, stream_name);
    let mut record: StreamRecord = match tx.get(&key).await? {
        Some(bytes) => serde_json::from_slice(&bytes)?,
        None if addition.create => create_stream(tx, group.id, stream_name, addition.ingestion_time).await?,
        None => return Ok(Placed::NoStream),
    };
    if addition.chunks.is_empty() {
        return Ok(Placed::Stored);
    }
    let last_event = record.last_event();
    for (sequence, chunk) in &addition.chunks {
        let at = Position {
            timestamp: chunk.first,
            sequence: *sequence,
            stream: record.id,
            index: 0,
        };
        put_chunk(tx, group.id, at, chunk)?;
        record.extend(chunk.first, chunk.last, addition.ingestion_time);
        *grown.entry(group.id).or_default() += chunk.stored_bytes();
    }
    if record.last_event() != last_event {
        tx.delete(&keys::recent(group.id, last_event, stream_name))?;
        tx.put(&keys::recent(group.id, record.last_event(), stream_name), Bytes::new())?;
    }
    tx.put(&key, serde_json::to_vec(&record)?)?;
    Ok(Placed::Stored)
}

fn put_chunk(tx: &Transaction, group: u64, at: Position, chunk: &Chunk) -> Result<(), LogsError> {
    for (part, bytes) in (0..).zip(&chunk.parts) {
        let key = if part == 0 {
            keys::chunk(group, at)
        } else {
            keys::more(group, at, part)
        };
        tx.put(&key, bytes.clone())?;
    }
    tx.put(&keys::index(group, at), chunk.index_entry().encode())?;
    Ok(())
}

/// The bytes that a group's usage record tells.
pub(crate) fn usage(record: Option<Bytes>) -> u64 {
    record
        .and_then(|bytes| bytes.as_ref().try_into().ok())
        .map_or(0, u64::from_be_bytes)
}

pub(crate) async fn find_group(tx: &Transaction, scope: &Scope, name: &str) -> Result<Option<GroupRecord>, LogsError> {
    let record = tx.get(&keys::group(scope, name)).await?;
    Ok(record.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
}

pub(crate) async fn create_group(
    tx: &Transaction,
    scope: &Scope,
    name: &str,
    make: impl FnOnce(u64) -> GroupRecord,
) -> Result<GroupRecord, LogsError> {
    loop {
        let id = random();
        let data = tx.scan(keys::group_data(id), Direction::Forward, 1).await?;
        if data.entries.is_empty() && tx.get(&keys::trash(id, None)).await?.is_none() {
            let record = make(id);
            tx.put(&keys::group(scope, name), serde_json::to_vec(&record)?)?;
            // So that the number is taken also while the group has no streams.
            tx.put(&keys::usage(id), 0_u64.to_be_bytes().to_vec())?;
            return Ok(record);
        }
    }
}

pub(crate) async fn create_stream(
    tx: &Transaction,
    group: u64,
    name: &str,
    created: i64,
) -> Result<StreamRecord, LogsError> {
    loop {
        let id = random();
        let taken = tx.get(&keys::name(group, id)).await?.is_some();
        if taken || tx.get(&keys::trash(group, Some(id))).await?.is_some() {
            continue;
        }
        let record = StreamRecord {
            id,
            created,
            span: None,
        };
        tx.put(&keys::stream(group, name), serde_json::to_vec(&record)?)?;
        tx.put(&keys::name(group, id), name.as_bytes().to_vec())?;
        tx.put(&keys::recent(group, record.last_event(), name), Bytes::new())?;
        return Ok(record);
    }
}

/// 62 random bits.
pub(crate) fn random() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1
}
