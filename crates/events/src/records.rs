//! What the store holds of buses, rules and archives; JSON, and a new member gets a default.

use crate::Error;
use bytes::Bytes;
use danbi_core::Timestamp;
use danbi_store::{Direction, KeyRange, Page, Snapshot, StoreError, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;

/// An event bus. The bus `default` has a record once somebody changed something about it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bus {
    pub created: Timestamp,
    pub modified: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The statements of its policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// A rule, without its targets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// `ENABLED`, `DISABLED` or `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS`.
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// From when a rate counts.
    #[serde(default)]
    pub begin: i64,
    /// When it fires next; it is in the order of ticks then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
    /// How many ticks were dropped because the platform was not there.
    #[serde(default)]
    pub dropped: u64,
}

impl Rule {
    pub(crate) fn is_enabled(&self) -> bool {
        self.state != "DISABLED"
    }
}

/// An archive, without its events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Archive {
    /// Of this life of the name: what an archive of the same name held before is not seen.
    pub id: String,
    pub bus: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// 0 keeps for ever.
    #[serde(default)]
    pub retention_days: i32,
    pub created: Timestamp,
}

/// A replay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Replay {
    pub archive: String,
    pub archive_id: String,
    pub bus: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub from: i64,
    pub to: i64,
    /// The rules that may see the events; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// `STARTING`, `RUNNING`, `CANCELLING`, `COMPLETED`, `CANCELLED` or `FAILED`.
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub started: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The time of the last event that was replayed, and the key behind which to go on, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<(i64, String, u64)>,
}

/// A snapshot or a transaction: what the same question can be asked of.
pub(crate) trait Read: Sync {
    fn read(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;
    fn page(&self, range: KeyRange, limit: usize) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// The record at `key`.
    fn record<T: DeserializeOwned>(&self, key: &[u8]) -> impl Future<Output = Result<Option<T>, Error>> + Send {
        async move { self.read(key).await?.map(|bytes| decode(&bytes)).transpose() }
    }

    /// All of a range that other bounds keep small, page by page.
    fn all(&self, range: KeyRange) -> impl Future<Output = Result<Vec<(Bytes, Bytes)>, StoreError>> + Send {
        async move {
            let mut entries = Vec::new();
            let mut rest = range;
            loop {
                let page = self.page(rest.clone(), 1_000).await?;
                if let Some((last, _)) = page.entries.last() {
                    rest = rest.after(last);
                }
                entries.extend(page.entries);
                if !page.more {
                    return Ok(entries);
                }
            }
        }
    }
}

impl Read for Snapshot {
    async fn read(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get(key).await
    }
    async fn page(&self, range: KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.scan(range, Direction::Forward, limit).await
    }
}

impl Read for Transaction {
    async fn read(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get(key).await
    }
    async fn page(&self, range: KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.scan(range, Direction::Forward, limit).await
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
