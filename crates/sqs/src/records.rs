//! What the store holds of queues and messages; JSON, and a new member gets a default.

use crate::Error;
use crate::keys::{self, MessageKey, QueueId};
use crate::names::QueueName;
use crate::redrive::RedrivePolicy;
use crate::send::DEDUPLICATION_MS;
use bytes::Bytes;
use danbi_store::{Direction, KeyRange, Page, Snapshot, StoreError, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;

/// A queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Queue {
    pub id: QueueId,
    /// The attributes that were set, by their names, booleans in lower case.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// When it was made and changed, in milliseconds.
    pub created_ms: i64,
    pub modified_ms: i64,
    #[serde(default)]
    pub purged_ms: i64,
    /// When `DeduplicationScope` became what it is, if that was not when the queue was made.
    #[serde(default, skip_serializing_if = "is_never")]
    pub scope_changed_ms: i64,
}

impl Queue {
    pub(crate) fn is(&self, attribute: &str) -> bool {
        self.attributes.get(attribute).is_some_and(|value| value == "true")
    }

    /// An attribute that is a number of seconds, in milliseconds.
    pub(crate) fn millis(&self, attribute: &str) -> i64 {
        self.number(attribute).saturating_mul(1000)
    }

    /// An attribute that is a number, or what it is by default.
    pub(crate) fn number(&self, attribute: &str) -> i64 {
        let given = self.attributes.get(attribute).and_then(|value| value.parse().ok());
        given.unwrap_or_else(|| crate::attributes::default_number(attribute))
    }

    pub(crate) fn redrive(&self) -> Option<RedrivePolicy> {
        RedrivePolicy::parse(self.attributes.get("RedrivePolicy")?).ok()
    }

    /// Whether deduplication ids count in their group alone.
    fn scopes_by_group(&self) -> bool {
        let scope = self.attributes.get("DeduplicationScope");
        scope.is_some_and(|scope| scope == "messageGroup")
    }

    /// Where a deduplication id of `group` is looked for and kept at `now`: the first scope decides. After a change the
    /// former goes on deciding until all ids that count were kept in both, so that none is taken twice for the change.
    pub(crate) fn scopes<'g>(&self, group: &'g str, now: i64) -> (&'g str, Option<&'g str>) {
        let (scope, former) = if self.scopes_by_group() {
            (group, "")
        } else {
            ("", group)
        };
        if self.in_transition(now) {
            (former, Some(scope))
        } else {
            (scope, None)
        }
    }

    fn in_transition(&self, now: i64) -> bool {
        self.scope_changed_ms > now - DEDUPLICATION_MS
    }

    /// Notes that `DeduplicationScope` is not what it was in `before`.
    pub(crate) fn note_scope(&mut self, before: &Self, now: i64) {
        if self.scopes_by_group() != before.scopes_by_group() {
            // Changed back in time, nothing has changed.
            self.scope_changed_ms = if before.in_transition(now) { 0 } else { now };
        }
    }
}

/// Where a message is in its life; written with each receive, so it is small.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// When it is visible, in milliseconds.
    #[serde(rename = "v")]
    pub visible_ms: i64,
    /// How often it was received.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub received: u32,
    /// When it was received first.
    #[serde(rename = "f", default, skip_serializing_if = "is_never")]
    pub first_ms: i64,
    /// Whether it was received from this queue: while it is not visible it is in flight, not delayed.
    #[serde(rename = "r", default, skip_serializing_if = "std::ops::Not::not")]
    pub taken: bool,
    /// The group, in FIFO queues.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Where its content is, when not under its own key.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub content: Option<MessageKey>,
    /// How many pieces that has.
    #[serde(rename = "k")]
    pub pieces: u64,
    /// The ARN of the queue whose dead letter it is.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_never(time: &i64) -> bool {
    *time == 0
}

impl State {
    /// Whether it was received and nobody else may have it now.
    pub(crate) fn in_flight(&self, now: i64) -> bool {
        self.taken && self.visible_ms > now
    }

    /// The key that its content lies under.
    pub(crate) fn content_key(&self, own: &MessageKey) -> MessageKey {
        self.content.unwrap_or(*own)
    }
}

/// A message of a FIFO queue that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub message: MessageKey,
    pub at: i64,
}

/// What a receive with an attempt id got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// Each with how often it had been received then.
    pub messages: Vec<(MessageKey, u32)>,
    pub at: i64,
}

/// A task that moves messages out of a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Move {
    pub id: uuid::Uuid,
    /// `RUNNING`, `COMPLETED`, `CANCELLED` or `FAILED`.
    pub status: String,
    /// The ARN it goes to; without one, where each message came from.
    pub destination: Option<String>,
    pub per_second: Option<u32>,
    pub moved: u64,
    pub to_move: u64,
    pub failure: Option<String>,
    pub started_ms: i64,
    /// Messages that were sent later stay.
    #[serde(default)]
    pub until: u64,
    /// Who works on it, and for how long nobody else may.
    #[serde(default)]
    pub holder: String,
    #[serde(default)]
    pub held_until_ms: i64,
}

/// A snapshot or a transaction: what the same question can be asked of.
pub(crate) trait Read: Sync {
    fn read(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;
    fn page(
        &self,
        range: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// The record at `key`.
    fn record<T: DeserializeOwned>(&self, key: &[u8]) -> impl Future<Output = Result<Option<T>, Error>> + Send {
        async move { self.read(key).await?.map(|bytes| decode(&bytes)).transpose() }
    }

    /// The record of a queue.
    fn queue(&self, name: &QueueName) -> impl Future<Output = Result<Queue, Error>> + Send {
        async move { self.record(&keys::queue(name)).await?.ok_or(Error::NoQueue) }
    }

    /// The first entries of a range.
    fn first(&self, range: KeyRange, limit: usize) -> impl Future<Output = Result<Page, StoreError>> + Send {
        self.page(range, Direction::Forward, limit)
    }
}

impl Read for Snapshot {
    async fn read(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get(key).await
    }
    async fn page(&self, range: KeyRange, direction: Direction, limit: usize) -> Result<Page, StoreError> {
        self.scan(range, direction, limit).await
    }
}

impl Read for Transaction {
    async fn read(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get(key).await
    }
    async fn page(&self, range: KeyRange, direction: Direction, limit: usize) -> Result<Page, StoreError> {
        self.scan(range, direction, limit).await
    }
}

/// Sets the record at `key`.
pub(crate) fn put<T: Serialize>(tx: &Transaction, key: &[u8], record: &T) -> Result<(), Error> {
    Ok(tx.put(key, serde_json::to_vec(record)?)?)
}

/// Reads a record's JSON.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(Error::internal)
}
