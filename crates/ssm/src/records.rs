//! What the store holds of parameters; JSON, and a new member gets a default.

use crate::error::{Error, Result};
use crate::policies::Policy;
use bytes::Bytes;
use danbi_core::{Scope, Timestamp};
use danbi_store::{Direction, KeyRange, Page, Snapshot, StoreError, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::future::Future;

/// One version of a parameter; the newest lies twice, so that reading it is one read.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    /// As it was put first.
    pub name: String,
    pub number: i64,
    /// Tells this version from one of the same number of a parameter that was removed and made again.
    pub id: uuid::Uuid,
    /// `String`, `StringList`, `SecureString`.
    pub kind: String,
    /// The value; of a SecureString what `secrets` made of it.
    pub value: String,
    /// The KMS key of a SecureString, as it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_pattern: Option<String>,
    /// `Standard` or `Advanced`.
    pub tier: String,
    pub data_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Policy>,
    pub modified: Timestamp,
    /// The ARN of who put it.
    pub by: String,
}

/// Values are not to be seen in logs.
impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Version")
            .field("name", &self.name)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Version {
    pub(crate) fn is_secret(&self) -> bool {
        self.kind == "SecureString"
    }

    /// The ARN of the parameter.
    pub(crate) fn arn(&self, scope: &Scope) -> String {
        crate::names::arn(scope, &self.name)
    }

    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        let ends = |policy: &Policy| policy.expires().is_some_and(|at| at <= now);
        self.policies.iter().any(ends)
    }
}

/// A snapshot or a transaction: what the same question can be asked of.
pub(crate) trait View: Sync {
    fn read(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;
    fn page(&self, range: KeyRange, limit: usize) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// The record at `key`.
    fn record<T: DeserializeOwned>(&self, key: &[u8]) -> impl Future<Output = Result<Option<T>>> + Send {
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

impl View for Snapshot {
    async fn read(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get(key).await
    }
    async fn page(&self, range: KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.scan(range, Direction::Forward, limit).await
    }
}

impl View for Transaction {
    async fn read(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get(key).await
    }
    async fn page(&self, range: KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.scan(range, Direction::Forward, limit).await
    }
}

/// Sets the record at `key`.
pub(crate) fn put<T: Serialize>(tx: &Transaction, key: &[u8], record: &T) -> Result<()> {
    Ok(tx.put(key, serde_json::to_vec(record)?)?)
}

/// Reads a record's JSON.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::Damaged(error.to_string()))
}
