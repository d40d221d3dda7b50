//! Who uses which blob and which unpacked copy, and the collection of those that nobody does.

use crate::code::merged_name;
use crate::lambda::Lambda;
use crate::names::{FunctionId, LayerId};
use crate::records::{Code, Configuration, Read};
use crate::walk::Walk;
use crate::{Error, keys};
use danbi_store::Transaction;
use danbi_store::key::KeyReader;
use std::collections::HashSet;
use std::sync::Arc;

/// Uses read at once by the collector.
const PAGE: usize = 1000;

/// Says that a version uses its code and its layers.
pub(crate) fn add(
    tx: &Transaction,
    id: &FunctionId,
    number: Option<u64>,
    configuration: &Configuration,
) -> Result<(), Error> {
    let owner = version_owner(id, number);
    for digest in digests(configuration) {
        tx.put(&keys::blob_use(&digest, &owner), Vec::new())?;
    }
    Ok(())
}

/// Takes it back.
pub(crate) fn remove(
    tx: &Transaction,
    id: &FunctionId,
    number: Option<u64>,
    configuration: &Configuration,
) -> Result<(), Error> {
    let owner = version_owner(id, number);
    for digest in digests(configuration) {
        tx.delete(&keys::blob_use(&digest, &owner))?;
    }
    Ok(())
}

/// Says that a layer's version uses its content.
pub(crate) fn add_layer(tx: &Transaction, id: &LayerId, number: u64, code: &Code) -> Result<(), Error> {
    Ok(tx.put(&keys::blob_use(&code.digest, &layer_owner(id, number)), Vec::new())?)
}

/// Takes it back.
pub(crate) fn remove_layer(tx: &Transaction, id: &LayerId, number: u64, code: &Code) -> Result<(), Error> {
    Ok(tx.delete(&keys::blob_use(&code.digest, &layer_owner(id, number)))?)
}

/// The key of the use of a blob by a queued event.
pub(crate) fn event_use(digest: &str, id: &FunctionId, event: &str) -> bytes::Bytes {
    keys::blob_use(
        digest,
        &format!("{EVENT}{}/{}/{}/{event}", id.scope.account, id.scope.region, id.name),
    )
}

const EVENT: &str = "event/";

fn version_owner(id: &FunctionId, number: Option<u64>) -> String {
    let number = number.unwrap_or(0);
    format!("version/{}/{}/{}/{number}", id.scope.account, id.scope.region, id.name)
}

fn layer_owner(id: &LayerId, number: u64) -> String {
    format!("layer/{}/{}/{}/{number}", id.scope.account, id.scope.region, id.name)
}

/// Everything in blobs and cache that the configuration needs, by the names these have there.
fn digests(configuration: &Configuration) -> impl Iterator<Item = String> + '_ {
    let layers = configuration.layers.iter().map(|layer| layer.code.digest.clone());
    std::iter::once(configuration.code.digest.clone())
        .chain(layers)
        .chain(merged_name(&configuration.layers))
}

impl Lambda {
    /// Removes unpacked copies that nobody uses, every now and then, until the service stops.
    pub(crate) async fn collect_unused(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.options.collect_every) => {}
                () = self.stopped() => return,
            }
            if let Err(error) = self.collect_once().await {
                tracing::warn!(%error, "unused code could not be collected; the next round tries again");
            }
        }
    }

    pub(crate) async fn collect_once(&self) -> Result<(), Error> {
        let prefix = keys::all_blob_uses();
        let mut walk = Walk::below(&prefix, PAGE);
        let mut used = HashSet::new();
        while let Some(entries) = walk.next(self).await? {
            for (key, _) in &entries {
                let mut reader = KeyReader::after_prefix(key, &prefix).map_err(Error::internal)?;
                let (digest, owner) = (
                    reader.str().map_err(Error::internal)?,
                    reader.str().map_err(Error::internal)?,
                );
                if !self.drop_if_orphaned(&digest, &owner).await? {
                    used.insert(digest);
                }
            }
        }
        self.code.collect(move |name| used.contains(name)).await
    }

    /// Events that went with their function leave the uses of their blobs behind: deleting a function must not have to
    /// read all of its queue.
    async fn drop_if_orphaned(&self, digest: &str, owner: &str) -> Result<bool, Error> {
        let Some(rest) = owner.strip_prefix(EVENT) else {
            return Ok(false);
        };
        let mut parts = rest.splitn(4, '/');
        let mut next = || parts.next().unwrap_or_default();
        let (account, region, name, event) = (next(), next(), next(), next());
        let (Ok(account), Ok(region), Some(name)) =
            (account.parse(), region.parse(), crate::names::FunctionName::parse(name))
        else {
            return Ok(false);
        };
        let id = FunctionId {
            scope: danbi_core::Scope { account, region },
            name,
        };
        self.store
            .transact(async |tx| {
                if tx.read(&keys::event(&id, event)).await?.is_some() {
                    return Ok(false);
                }
                tx.delete(&keys::blob_use(digest, owner))?;
                Ok::<_, Error>(true)
            })
            .await
    }
}
