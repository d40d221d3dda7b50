//! What the store holds of functions: the service's own types, apart from the API's shapes, so that neither binds the other.

use crate::names::FunctionId;
use crate::{Error, keys};
use bytes::Bytes;
use danbi_core::{Scope, Timestamp, hex};
use danbi_store::{Direction, KeyRange, Page, Snapshot, StoreError, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::future::Future;

/// Where a function stands (`State`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    /// It is being prepared for the first time.
    Pending,
    /// It can be invoked.
    Active,
    /// It could not be prepared.
    Failed,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Active => "Active",
            Self::Failed => "Failed",
        }
    }
}

/// How the last update went (`LastUpdateStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Update {
    InProgress,
    Successful,
    Failed,
}

impl Update {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
        }
    }
}

/// A deployment package or a layer's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    /// SHA-256 of the archive, lower-case hex: the blob's id and the cache's folder.
    pub digest: String,
    /// Bytes of the archive.
    pub size: u64,
    /// Bytes of the unpacked files.
    pub unpacked: u64,
}

/// A layer version that a function uses, with what is needed of it even after the layer version was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerUse {
    pub arn: String,
    pub code: Code,
}

/// Where and how a function logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Logging {
    pub json: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_level: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_level: Option<String>,
    pub group: String,
}

/// Everything that decides how a version runs: two versions with equal configurations behave alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Configuration {
    pub description: String,
    pub role: String,
    pub runtime: String,
    pub handler: String,
    pub timeout_secs: u32,
    pub memory_mib: u32,
    pub storage_mib: u32,
    /// `None` when the function was never given an environment: AWS leaves the member out then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<BTreeMap<String, String>>,
    pub architecture: String,
    pub tracing_active: bool,
    /// A topic or queue that gets events that could not be handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerUse>,
    pub logging: Logging,
    pub snap_start: bool,
    pub code: Code,
}

impl Configuration {
    /// A digest of it all: equal when nothing has changed. Publishing compares it, and so does the reuse of environments.
    pub(crate) fn fingerprint(&self) -> Result<String, Error> {
        let text = serde_json::to_vec(self).map_err(Error::internal)?;
        Ok(hex::encode(Sha256::digest(&text)))
    }
}

/// `$LATEST` or a published version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// `None` for `$LATEST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Changes with every change; what `RevisionId` shows.
    pub revision: String,
    pub modified_ms: i64,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<Reason>,
    /// `None` until the function was active once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_reason: Option<Reason>,
    /// Whether its snapshot was taken (`OptimizationStatus`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optimised: bool,
    pub configuration: Configuration,
}

/// Why something is in its state: AWS's code, and words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason {
    pub code: String,
    pub text: String,
}

impl Reason {
    pub(crate) fn creating() -> Self {
        Self {
            code: "Creating".into(),
            text: "The function is being created.".into(),
        }
    }
}

impl Version {
    /// `$LATEST` or the number.
    pub(crate) fn label(&self) -> String {
        self.number
            .map_or_else(|| "$LATEST".into(), |number| number.to_string())
    }

    /// Gives it a new revision.
    pub(crate) fn touch(&mut self) {
        self.revision = new_revision();
    }

    /// Whether preparation is still under way.
    pub(crate) fn unsettled(&self) -> bool {
        self.state == State::Pending || self.update == Some(Update::InProgress)
    }
}

/// A function: its `$LATEST` and what all its versions share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Function {
    /// Told apart from an earlier function of the same name.
    pub incarnation: String,
    pub latest: Version,
    /// The number that the next published version gets.
    pub next_version: u64,
    /// The newest version and the fingerprint of the `$LATEST` it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_concurrency: Option<u32>,
    /// The sum of its provisioned concurrency.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub provisioned: u32,
}

impl Function {
    /// What it takes of the account's concurrency for itself alone.
    pub(crate) fn held_concurrency(&self) -> u32 {
        self.reserved_concurrency.unwrap_or(self.provisioned)
    }
}

fn is_nought(number: &u32) -> bool {
    *number == 0
}

/// The provisioned concurrency of an alias or a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Provision {
    pub count: u32,
    pub modified_ms: i64,
}

/// See [`Function::published`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Published {
    pub version: u64,
    pub fingerprint: String,
}

/// What an account's region uses of its limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub functions: u64,
    pub code_bytes: u64,
    pub reserved_concurrency: u32,
}

/// An alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alias {
    pub revision: String,
    pub description: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// A second version and the share, 0 to 1, of invocations that go to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<(u64, f64)>,
}

/// A fresh `RevisionId`.
pub(crate) fn new_revision() -> String {
    uuid::Uuid::new_v4().as_hyphenated().to_string()
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

    /// Whether anything is in `range`.
    fn any(&self, range: KeyRange) -> impl Future<Output = Result<bool, Error>> + Send {
        async move { Ok(!self.page(range, Direction::Forward, 1).await?.entries.is_empty()) }
    }

    fn function(&self, id: &FunctionId) -> impl Future<Output = Result<Option<Function>, Error>> + Send {
        async move { self.record(&keys::function(id)).await }
    }

    fn usage(&self, scope: &Scope) -> impl Future<Output = Result<Usage, Error>> + Send {
        async move { Ok(self.record(&keys::usage(scope)).await?.unwrap_or_default()) }
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
    Ok(tx.put(key, serde_json::to_vec(record).map_err(Error::internal)?)?)
}

/// Reads a record's JSON.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(Error::internal)
}

/// `2026-11-21T20:57:01.123+0000`, as Lambda writes `LastModified` and `CreatedDate`.
pub(crate) fn lambda_date(ms: i64) -> String {
    format!("{}+0000", date_and_millis(ms))
}

/// `2026-11-21T20:57:01.123Z`, as Lambda writes times of URLs and invocation records.
pub(crate) fn iso_date(ms: i64) -> String {
    format!("{}Z", date_and_millis(ms))
}

fn date_and_millis(ms: i64) -> String {
    let at = Timestamp::from_millis(ms).to_datetime();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_lambda_writes_them() {
        assert_eq!(lambda_date(1_795_294_621_007), "2026-11-21T20:57:01.007+0000");
        assert_eq!(iso_date(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(hex::encode([0, 0xaf, 0x10]), "00af10");
    }
}
