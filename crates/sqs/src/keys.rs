//! The layout in the store, and why.
//!
//! | key | value | why |
//! |---|---|---|
//! | `sqs, QUEUE, scope, name` | `Queue` | listed by name |
//! | `sqs, DELETED, scope, name` | when | a name rests for a minute |
//! | `sqs, SOURCE, scope, target, name` | nothing | whose dead letters a queue gets |
//! | `sqs, MESSAGE, queue id, sequence, id` | `State` | the oldest first, which is how they expire |
//! | `sqs, READY, queue id, time, sequence, id` | nothing, or the group | what is visible lies before now, oldest first; what is in flight or delayed lies behind |
//! | `sqs, LINE, queue id, group, sequence, id` | nothing | the order of a group (FIFO queues) |
//! | `sqs, CONTENT, sequence, id, n` | the n-th piece | written once, whatever queue the message moves to, and not with each receive |
//! | `sqs, SEEN, queue id, scope, deduplication id` | `Seen` | a FIFO queue takes a message once in five minutes |
//! | `sqs, SEEN_AT, queue id, time, scope, deduplication id` | nothing | what is older is forgotten |
//! | `sqs, ATTEMPT, queue id, attempt id` | `Attempt` | a repeated receive of a FIFO queue gets the same |
//! | `sqs, TRASH, queue id` | nothing | the messages of deleted and purged queues, until they are swept |
//! | `sqs, MOVE, source scope, source name, started, id` | `Move` | the newest first |
//! | `sqs, MOVING, source scope, source name` | the key of the task | one task at a time for each queue |
//!
//! A queue's id changes when it is purged, and another queue of the same name has another one: nothing old is ever seen.
//!
//! In a standard queue each message has a `READY` entry. In a FIFO queue each *group* has one: that of the first message
//! of its line, because nothing behind that one may be received before it. A receiver takes the entry away in the
//! transaction in which it claims the message, so two receivers of one message have a conflict.

use bytes::Bytes;
use danbi_core::Scope;
use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};
use uuid::Uuid;

use crate::names::QueueName;

const QUEUE: u64 = 1;
const DELETED: u64 = 2;
const SOURCE: u64 = 3;
const MESSAGE: u64 = 4;
const READY: u64 = 5;
const LINE: u64 = 6;
const CONTENT: u64 = 7;
const SEEN: u64 = 8;
const SEEN_AT: u64 = 9;
const ATTEMPT: u64 = 10;
const TRASH: u64 = 11;
const MOVE: u64 = 12;
const MOVING: u64 = 13;
const MASTER_KEYS: u64 = 14;
const DATA_KEY: u64 = 15;

/// The queue as its messages know it.
pub(crate) type QueueId = Uuid;

/// A message of a queue: its place in the order of sending, and its id. The upper 44 bits of `sequence` are when it was
/// sent, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub(crate) struct MessageKey {
    pub sequence: u64,
    pub id: Uuid,
}

impl MessageKey {
    /// The first sequence number of a millisecond.
    pub(crate) fn sequence_at(ms: i64) -> u64 {
        u64::try_from(ms).unwrap_or(0) << 20
    }

    pub(crate) fn sent_ms(&self) -> i64 {
        // 44 bits fit.
        (self.sequence >> 20) as i64
    }
}

fn kind(kind: u64) -> KeyBuilder {
    KeyBuilder::new().str("sqs").u64(kind)
}

fn scoped(which: u64, scope: &Scope) -> KeyBuilder {
    kind(which).str(scope.account.as_str()).str(scope.region.as_str())
}

fn of(which: u64, queue: &QueueId) -> KeyBuilder {
    kind(which).bytes(queue.as_bytes())
}

fn placed(key: KeyBuilder, message: &MessageKey) -> KeyBuilder {
    key.u64(message.sequence).bytes(message.id.as_bytes())
}

fn read_place(reader: &mut KeyReader<'_>) -> Result<MessageKey, KeyError> {
    Ok(MessageKey {
        sequence: reader.u64()?,
        id: Uuid::from_slice(&reader.bytes()?).map_err(|_| KeyError::Unexpected)?,
    })
}

/// The names of the master keys.
pub(crate) fn master_keys() -> Bytes {
    kind(MASTER_KEYS).build()
}

/// The sealed key that contents are sealed under.
pub(crate) fn data_key() -> Bytes {
    kind(DATA_KEY).build()
}

pub(crate) fn queue(name: &QueueName) -> Bytes {
    scoped(QUEUE, &name.scope).str(&name.name).build()
}

/// The prefix of the queues of a scope.
pub(crate) fn queues(scope: &Scope) -> Bytes {
    scoped(QUEUE, scope).build()
}

/// Those whose names begin with `prefix`.
pub(crate) fn queues_like(scope: &Scope, prefix: &str) -> KeyRange {
    KeyRange::prefix(scoped(QUEUE, scope).str_prefix(prefix))
}

/// All queues there are.
pub(crate) fn all_queues() -> Bytes {
    kind(QUEUE).build()
}

/// The queue of a key of [`all_queues`].
pub(crate) fn queue_of(key: &[u8]) -> Result<QueueName, KeyError> {
    let mut reader = KeyReader::after_prefix(key, &all_queues())?;
    read_name(&mut reader)
}

fn read_name(reader: &mut KeyReader<'_>) -> Result<QueueName, KeyError> {
    let account = reader.str()?.parse().map_err(|_| KeyError::Unexpected)?;
    let region = reader.str()?.parse().map_err(|_| KeyError::Unexpected)?;
    Ok(QueueName {
        scope: Scope { account, region },
        name: reader.str()?,
    })
}

pub(crate) fn deleted(name: &QueueName) -> Bytes {
    scoped(DELETED, &name.scope).str(&name.name).build()
}

pub(crate) fn all_deleted() -> Bytes {
    kind(DELETED).build()
}

/// Says that `source` sends its dead letters to `target`, which is of the same account and region.
pub(crate) fn source(target: &QueueName, source: &str) -> Bytes {
    scoped(SOURCE, &target.scope).str(&target.name).str(source).build()
}

/// The prefix of the sources of a dead-letter queue.
pub(crate) fn sources(target: &QueueName) -> Bytes {
    scoped(SOURCE, &target.scope).str(&target.name).build()
}

/// The last text of a key: the name of a queue or of a source.
pub(crate) fn name_behind(key: &[u8], prefix: &[u8]) -> Result<String, KeyError> {
    KeyReader::after_prefix(key, prefix)?.str()
}

pub(crate) fn message(queue: &QueueId, message: &MessageKey) -> Bytes {
    placed(of(MESSAGE, queue), message).build()
}

/// The prefix of a queue's messages.
pub(crate) fn messages(queue: &QueueId) -> Bytes {
    of(MESSAGE, queue).build()
}

/// The message of a key of [`messages`].
pub(crate) fn message_of(queue: &QueueId, key: &[u8]) -> Result<MessageKey, KeyError> {
    read_place(&mut KeyReader::after_prefix(key, &messages(queue))?)
}

pub(crate) fn ready(queue: &QueueId, at: i64, message: &MessageKey) -> Bytes {
    placed(of(READY, queue).i64(at), message).build()
}

/// Everything of a queue that is visible from `from` to `until`, in milliseconds, inclusive.
pub(crate) fn ready_between(queue: &QueueId, from: i64, until: i64) -> KeyRange {
    KeyRange::new(
        of(READY, queue).i64(from).build(),
        of(READY, queue).i64(until.saturating_add(1)).build(),
    )
}

pub(crate) fn all_ready(queue: &QueueId) -> Bytes {
    of(READY, queue).build()
}

/// When what is visible, of a key of [`all_ready`].
pub(crate) fn ready_of(queue: &QueueId, key: &[u8]) -> Result<(i64, MessageKey), KeyError> {
    let mut reader = KeyReader::after_prefix(key, &all_ready(queue))?;
    Ok((reader.i64()?, read_place(&mut reader)?))
}

pub(crate) fn line(queue: &QueueId, group: &str, message: &MessageKey) -> Bytes {
    placed(of(LINE, queue).str(group), message).build()
}

/// The prefix of a group's line.
pub(crate) fn lines(queue: &QueueId, group: &str) -> Bytes {
    of(LINE, queue).str(group).build()
}

/// The message of a key of [`lines`].
pub(crate) fn line_of(queue: &QueueId, group: &str, key: &[u8]) -> Result<MessageKey, KeyError> {
    read_place(&mut KeyReader::after_prefix(key, &lines(queue, group))?)
}

/// All lines of a queue.
pub(crate) fn all_lines(queue: &QueueId) -> KeyRange {
    KeyRange::prefix(of(LINE, queue).build())
}

pub(crate) fn content(content: &MessageKey, piece: u64) -> Bytes {
    placed(kind(CONTENT), content).u64(piece).build()
}

/// `scope` is the group, where ids count in their group alone.
pub(crate) fn seen(queue: &QueueId, scope: &str, id: &str) -> Bytes {
    of(SEEN, queue).str(scope).str(id).build()
}

pub(crate) fn all_seen(queue: &QueueId) -> KeyRange {
    KeyRange::prefix(of(SEEN, queue).build())
}

pub(crate) fn seen_at(queue: &QueueId, at: i64, scope: &str, id: &str) -> Bytes {
    of(SEEN_AT, queue).i64(at).str(scope).str(id).build()
}

pub(crate) fn all_seen_at(queue: &QueueId) -> KeyRange {
    KeyRange::prefix(of(SEEN_AT, queue).build())
}

/// What was seen before `until`.
pub(crate) fn seen_before(queue: &QueueId, until: i64) -> KeyRange {
    KeyRange::new(of(SEEN_AT, queue).build(), of(SEEN_AT, queue).i64(until).build())
}

/// Scope and id of a key of [`all_seen_at`].
pub(crate) fn seen_of(queue: &QueueId, key: &[u8]) -> Result<(i64, String, String), KeyError> {
    let mut reader = KeyReader::after_prefix(key, &of(SEEN_AT, queue).build())?;
    Ok((reader.i64()?, reader.str()?, reader.str()?))
}

pub(crate) fn attempt(queue: &QueueId, id: &str) -> Bytes {
    of(ATTEMPT, queue).str(id).build()
}

pub(crate) fn all_attempts(queue: &QueueId) -> KeyRange {
    KeyRange::prefix(of(ATTEMPT, queue).build())
}

pub(crate) fn trash(queue: &QueueId) -> Bytes {
    of(TRASH, queue).build()
}

pub(crate) fn all_trash() -> Bytes {
    kind(TRASH).build()
}

/// The queue of a key of [`all_trash`].
pub(crate) fn trash_of(key: &[u8]) -> Result<QueueId, KeyError> {
    let bytes = KeyReader::after_prefix(key, &all_trash())?.bytes()?;
    Uuid::from_slice(&bytes).map_err(|_| KeyError::Unexpected)
}

pub(crate) fn move_task(source: &QueueName, started_ms: i64, id: &Uuid) -> Bytes {
    scoped(MOVE, &source.scope)
        .str(&source.name)
        .u64_desc(u64::try_from(started_ms).unwrap_or(0))
        .bytes(id.as_bytes())
        .build()
}

/// The prefix of a queue's move tasks.
pub(crate) fn move_tasks(source: &QueueName) -> Bytes {
    scoped(MOVE, &source.scope).str(&source.name).build()
}

pub(crate) fn moving(source: &QueueName) -> Bytes {
    scoped(MOVING, &source.scope).str(&source.name).build()
}

pub(crate) fn all_moving() -> Bytes {
    kind(MOVING).build()
}

/// The queue of a key of [`all_moving`].
pub(crate) fn moving_of(key: &[u8]) -> Result<QueueName, KeyError> {
    read_name(&mut KeyReader::after_prefix(key, &all_moving())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_visible_earlier_comes_first() {
        let queue = Uuid::from_u128(7);
        let message = |sequence| MessageKey {
            sequence,
            id: Uuid::from_u128(1),
        };
        let (early, late) = (ready(&queue, 5, &message(9)), ready(&queue, 6, &message(1)));
        assert!(early < late);
        let range = ready_between(&queue, 0, 5);
        assert!(range.contains(&early) && !range.contains(&late));
        assert_eq!(ready_of(&queue, &late), Ok((6, message(1))));
        let line_key = line(&queue, "g", &message(3));
        assert_eq!(line_of(&queue, "g", &line_key), Ok(message(3)));
        assert_eq!(
            message(MessageKey::sequence_at(1_700_000_000_123)).sent_ms(),
            1_700_000_000_123
        );
    }
}
