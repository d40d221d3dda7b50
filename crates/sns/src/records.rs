//! What the store holds of topics and subscriptions; JSON, and a new member gets a default.

use crate::Error;
use bytes::Bytes;
use danbi_store::{Direction, KeyRange, Page, Snapshot, StoreError, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;

/// A topic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Topic {
    /// The attributes that were set, by their names.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// The policy, when it is not the one that every topic begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// How many subscriptions were ended.
    #[serde(default)]
    pub deleted: u64,
    /// The last sequence number of a FIFO topic.
    #[serde(default)]
    pub sequence: u64,
}

impl Topic {
    pub(crate) fn is(&self, attribute: &str) -> bool {
        self.attributes
            .get(attribute)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// A subscription.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub protocol: String,
    pub endpoint: String,
    /// The account that subscribed, and who in it.
    pub owner: String,
    pub principal: String,
    /// RawMessageDelivery, FilterPolicy, FilterPolicyScope, RedrivePolicy, DeliveryPolicy.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// A message of a FIFO topic that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub message: String,
    pub sequence: String,
    pub at: i64,
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
