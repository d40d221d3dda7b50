//! What time does to keys: removal, rotation, the end of imported material.
//!
//! A key that is due lies in the table `due`. Each step is one transaction that reads the key and does what is due of it,
//! so that several nodes may work at the same time, and a crash repeats nothing.

use crate::error::{Error, Result};
use crate::operations::{import, regions, rotation};
use crate::record::{Deletion, Key, View};
use crate::{Kms, catalog, keys};
use bytes::Bytes;
use danbi_core::{Scope, Timestamp};
use danbi_store::Transaction;
use std::sync::Arc;

/// Keys looked at in one go.
const AT_ONCE: usize = 100;

/// Does what is due, now and then, until the service ends.
pub(crate) async fn run(kms: Arc<Kms>) {
    loop {
        if let Err(error) = all(&kms).await {
            tracing::warn!(%error, "keys that are due could not be looked after; trying again");
        }
        tokio::select! {
            () = kms.stopped() => return,
            () = tokio::time::sleep(kms.options.due_every) => {}
        }
    }
}

/// Does everything that is due now. A key that fails does not hold up the others; it is tried again the next time.
pub(crate) async fn all(kms: &Kms) -> Result<()> {
    let now = kms.now();
    let mut range = keys::due_until(now);
    loop {
        let page = kms.snapshot().await?.page(range.clone(), AT_ONCE).await?;
        for (place, _) in &page.entries {
            if let Err(error) = one(kms, place, now).await {
                tracing::warn!(%error, "a key that is due could not be looked after; trying again");
            }
        }
        match page.entries.last() {
            Some((last, _)) if page.more => range = range.after(last),
            _ => return Ok(()),
        }
    }
}

/// Does what is due of the key that an entry of the table names.
async fn one(kms: &Kms, place: &Bytes, now: Timestamp) -> Result<()> {
    let (account, region, id) = keys::due_parts(place).map_err(|error| Error::Damaged(error.to_string()))?;
    let scope = Scope {
        account: account
            .parse()
            .map_err(|_| Error::Damaged(format!("{account:?} is no account")))?,
        region: region
            .parse()
            .map_err(|_| Error::Damaged(format!("{region:?} is no region")))?,
    };
    kms.store
        .transact(async |tx: Transaction| {
            let key: Option<Key> = tx.record(&keys::key(&scope, &id)).await?;
            match key {
                Some(key) => step(kms, &tx, &scope, key, now).await,
                None => Ok(tx.delete(place)?),
            }
        })
        .await
}

/// Does what is due of one key.
async fn step(kms: &Kms, tx: &Transaction, scope: &Scope, mut key: Key, now: Timestamp) -> Result<()> {
    if let Some(Deletion { at: Some(at), .. }) = key.deletion
        && at <= now
    {
        catalog::remove(tx, scope, &key).await?;
        return leave(kms, tx, scope, &key, now).await;
    }
    import::expire(&mut key, now);
    if let Some(rotation) = &mut key.rotation
        && rotation.next <= now
        && key.deletion.is_none()
    {
        // Whatever was missed while the platform stood still is one rotation.
        rotation.next = kms.days_after(now, rotation.period_days);
        if !key.disabled {
            rotation::rotate(kms, scope, &mut key, now, false)?;
        }
    }
    rotation::save_related(kms, tx, scope, &mut key).await
}

/// Takes a removed replica off its related keys; a primary that waited for the last of them begins to wait for its own end.
async fn leave(kms: &Kms, tx: &Transaction, scope: &Scope, key: &Key, now: Timestamp) -> Result<()> {
    let Some(regions) = &key.regions else { return Ok(()) };
    let mut left = regions.clone();
    if !left.replicas.remove(scope.region.as_str()) {
        return Ok(());
    }
    regions::tell_others(tx, scope, &key.id, &left, &[]).await?;
    if left.replicas.is_empty() {
        let there = rotation::region_scope(scope, &left.primary)?;
        let mut primary = catalog::by_id(tx, &there, &key.id).await?;
        if let Some(deletion) = &mut primary.deletion {
            deletion.at.get_or_insert(kms.days_after(now, deletion.window_days));
            catalog::save(tx, &there, &mut primary)?;
        }
    }
    Ok(())
}
