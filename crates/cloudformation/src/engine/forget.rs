//! Stacks that are gone are still found by their ids, for ninety days as on AWS; then nothing is left of them.
//!
//! Each step is one transaction that leaves less than there was, so that any node may take it, and a crash repeats nothing.

use super::CloudFormation;
use crate::{Error, Result, keys};
use danbi_core::Scope;
use danbi_store::{Direction, KeyRange};
use std::sync::Weak;

/// Stacks looked at in one go, and records removed in one transaction.
const AT_ONCE: usize = 100;
const REMOVED_AT_ONCE: usize = 500;

/// Looks for stacks to forget, for as long as the engine lives.
pub(super) async fn keep(engine: Weak<CloudFormation>) {
    loop {
        let Some(alive) = engine.upgrade() else { return };
        let every = alive.options.forget_every;
        if let Err(error) = all(&alive).await {
            tracing::warn!(%error, "stacks that are gone could not be forgotten; trying again later");
        }
        drop(alive);
        tokio::time::sleep(every).await;
    }
}

async fn all(engine: &CloudFormation) -> Result<()> {
    let age = i64::try_from(engine.options.forget_after.as_millis()).unwrap_or(i64::MAX);
    let mut range = keys::gone_until(engine.now().plus_millis(-age));
    loop {
        let snapshot = engine.store.snapshot().await?;
        let page = snapshot.scan(range.clone(), Direction::Forward, AT_ONCE).await?;
        for (place, _) in &page.entries {
            let (account, region, stack) =
                keys::gone_parts(place).map_err(|error| Error::Damaged(error.to_string()))?;
            let damaged = |_| Error::Damaged("a stack of no account or region".into());
            let scope = Scope {
                account: account.parse().map_err(damaged)?,
                region: region.parse().map_err(damaged)?,
            };
            one(engine, place, &scope, &stack).await?;
        }
        match page.entries.last() {
            Some((last, _)) if page.more => range = range.after(last),
            _ => return Ok(()),
        }
    }
}

async fn one(engine: &CloudFormation, place: &[u8], scope: &Scope, stack: &str) -> Result<()> {
    let below = [
        keys::events(stack),
        keys::resources(stack),
        keys::templates(stack),
        keys::change_sets(stack),
    ];
    for prefix in below {
        let range = KeyRange::prefix(prefix);
        while some(engine, &range).await? {}
    }
    engine
        .store
        .transact(async |tx| {
            tx.delete_range(KeyRange::prefix(keys::stack(scope, stack)))?;
            tx.delete(place)?;
            Ok::<_, Error>(())
        })
        .await
}

/// Removes some of a range; whether there is more.
async fn some(engine: &CloudFormation, range: &KeyRange) -> Result<bool> {
    engine
        .store
        .transact(async |tx| {
            let page = tx.scan(range.clone(), Direction::Forward, REMOVED_AT_ONCE).await?;
            for (key, _) in &page.entries {
                tx.delete(key)?;
            }
            Ok(page.more)
        })
        .await
}
