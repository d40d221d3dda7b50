//! Reading and writing records: the same of a snapshot and of a transaction.
//!
//! The records are the API's own shapes as JSON, because API Gateway's resources are what their shapes say, and little
//! more; what is more has a type here.

use crate::shapes::{Resource, Stage};
use crate::{Error, keys};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use danbi_core::Scope;
use danbi_store::key::{KeyBuilder, KeyReader};
use danbi_store::{Direction, KeyRange, Page, Snapshot, StoreError, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::future::Future;

/// Elements of one kind that one API may have; AWS allows 300 resources and fewer of everything else.
pub(crate) const MAX_ELEMENTS: usize = 5_000;

/// A stage with what the data plane has to know to serve it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StageRecord {
    pub account: String,
    pub region: String,
    /// Changes with every change of the stage.
    pub version: String,
    pub stage: Stage,
}

impl StageRecord {
    pub(crate) fn scope(&self) -> Result<Scope, Error> {
        Ok(Scope {
            account: self.account.parse().map_err(Error::internal)?,
            region: self.region.parse().map_err(Error::internal)?,
        })
    }
}

/// Whose a custom domain is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HostRecord {
    pub account: String,
    pub region: String,
    pub domain: String,
}

/// What can be read from: a snapshot or a transaction.
pub(crate) trait Read: Send + Sync {
    fn bytes(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;
    fn page(&self, range: KeyRange, limit: usize) -> impl Future<Output = Result<Page, StoreError>> + Send;

    fn record<T: DeserializeOwned>(&self, key: &[u8]) -> impl Future<Output = Result<Option<T>, Error>> + Send {
        async move {
            let bytes = self.bytes(key).await?;
            Ok(bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
        }
    }

    /// Every record of a range that has at most [`MAX_ELEMENTS`].
    fn all<T: DeserializeOwned + Send>(&self, range: KeyRange) -> impl Future<Output = Result<Vec<T>, Error>> + Send {
        async move {
            let mut found = Vec::new();
            let mut rest = range;
            loop {
                let page = self.page(rest.clone(), 500).await?;
                for (_, value) in &page.entries {
                    found.push(serde_json::from_slice(value)?);
                }
                match page.entries.last() {
                    Some((last, _)) if page.more && found.len() < MAX_ELEMENTS => rest = rest.after(last),
                    _ => return Ok(found),
                }
            }
        }
    }

    /// The API's children of a kind.
    fn children<T: DeserializeOwned + Send>(
        &self,
        api: &str,
        kind: keys::Kind,
    ) -> impl Future<Output = Result<Vec<T>, Error>> + Send {
        self.all(KeyRange::prefix(keys::children(api, kind).build()))
    }
}

impl Read for Snapshot {
    fn bytes(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send {
        self.get(key)
    }
    fn page(&self, range: KeyRange, limit: usize) -> impl Future<Output = Result<Page, StoreError>> + Send {
        self.scan(range, Direction::Forward, limit)
    }
}

impl Read for Transaction {
    fn bytes(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send {
        self.get(key)
    }
    fn page(&self, range: KeyRange, limit: usize) -> impl Future<Output = Result<Page, StoreError>> + Send {
        self.scan(range, Direction::Forward, limit)
    }
}

/// Writes a record.
pub(crate) fn put<T: Serialize>(tx: &Transaction, key: &[u8], record: &T) -> Result<(), Error> {
    Ok(tx.put(key, serde_json::to_vec(record)?)?)
}

/// A page of a listing: `position` is what the last page answered, `limit` what the client asked for (25 without, at
/// most 500).
pub(crate) async fn list<T: DeserializeOwned>(
    view: &impl Read,
    prefix: KeyBuilder,
    position: Option<&str>,
    limit: Option<i32>,
    wanted: impl Fn(&T) -> bool,
) -> Result<(Vec<T>, Option<String>), Error> {
    let limit = usize::try_from(limit.unwrap_or(25)).unwrap_or(0).min(500);
    let base = prefix.clone().build();
    let mut rest = KeyRange::prefix(base.clone());
    if let Some(position) = position {
        let id = URL_SAFE_NO_PAD
            .decode(position)
            .ok()
            .and_then(|id| String::from_utf8(id).ok());
        let id = id.ok_or_else(|| Error::bad("Invalid position parameter specified"))?;
        rest = rest.after(&prefix.str(&id).build());
    }
    let mut found = Vec::new();
    if limit == 0 {
        return Ok((found, None));
    }
    loop {
        let page = view.page(rest.clone(), limit + 1).await?;
        let count = page.entries.len();
        for (at, (key, value)) in page.entries.iter().enumerate() {
            let record: T = serde_json::from_slice(value)?;
            if wanted(&record) {
                found.push(record);
            }
            if found.len() == limit {
                if !page.more && at + 1 == count {
                    return Ok((found, None));
                }
                let mut reader = KeyReader::after_prefix(key, &base).map_err(Error::internal)?;
                let id = reader.str().map_err(Error::internal)?;
                return Ok((found, Some(URL_SAFE_NO_PAD.encode(id))));
            }
        }
        match page.entries.last() {
            Some((last, _)) if page.more => rest = rest.after(last),
            _ => return Ok((found, None)),
        }
    }
}

/// The resource, if the API has it.
pub(crate) async fn resource(view: &impl Read, api: &str, id: &str) -> Result<Option<Resource>, Error> {
    view.record(&keys::child(api, keys::Kind::Resource, id)).await
}
