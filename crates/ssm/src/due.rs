//! What policies want done, when it is time.
//!
//! Each policy of a newest version lies in the table `due`. A step is one transaction that reads the parameter and does
//! what its policy says, so that several nodes may work at the same time, and a crash repeats nothing.

use crate::error::{Error, Result};
use crate::records::{Version, View, put};
use crate::{Ssm, keys, operations};
use bytes::Bytes;
use danbi_core::Scope;
use danbi_store::Transaction;
use std::sync::Arc;
use uuid::Uuid;

/// Policies looked at in one go.
const AT_ONCE: usize = 100;

/// Does what is due, now and then, until the service ends.
pub(crate) async fn run(ssm: Arc<Ssm>) {
    loop {
        if let Err(error) = all(&ssm).await {
            tracing::warn!(%error, "the policies of parameters could not be looked after; trying again");
        }
        tokio::select! {
            () = ssm.stopped() => return,
            () = tokio::time::sleep(ssm.options.due_every) => {}
        }
    }
}

/// Does everything that is due now. What fails does not hold up the others; it is tried again the next time.
async fn all(ssm: &Ssm) -> Result<()> {
    let mut range = keys::due_until(ssm.now());
    loop {
        let page = ssm.snapshot().await?.page(range.clone(), AT_ONCE).await?;
        for (place, id) in &page.entries {
            if let Err(error) = one(ssm, place, id).await {
                tracing::warn!(%error, "a parameter's policy could not be looked after; trying again");
            }
        }
        match page.entries.last() {
            Some((last, _)) if page.more => range = range.after(last),
            _ => return Ok(()),
        }
    }
}

async fn one(ssm: &Ssm, place: &Bytes, id: &Bytes) -> Result<()> {
    let damaged = |what: &dyn std::fmt::Display| Error::Damaged(what.to_string());
    let due = &keys::due_parts(place).map_err(|error| damaged(&error))?;
    let id = Uuid::from_slice(id).map_err(|error| damaged(&error))?;
    let scope = &Scope {
        account: due.account.parse().map_err(|error| damaged(&error))?,
        region: due.region.parse().map_err(|error| damaged(&error))?,
    };
    ssm.store
        .transact(async |tx: Transaction| {
            tx.delete(place)?;
            let newest: Option<Version> = tx.record(&keys::parameter(scope, &due.name)).await?;
            // A newer version has policies of its own.
            let Some(mut newest) = newest.filter(|newest| newest.id == id) else {
                return Ok(());
            };
            let Some(policy) = newest.policies.get_mut(due.place).filter(|policy| !policy.finished) else {
                return Ok(());
            };
            policy.finished = true;
            let policy = policy.clone();
            ssm.tell_policy(&tx, scope, &newest, &policy)?;
            if policy.expires().is_some() {
                return operations::delete::remove(ssm, &tx, scope, &due.name, &newest);
            }
            put(&tx, &keys::version(scope, &due.name, newest.number), &newest)?;
            put(&tx, &keys::parameter(scope, &due.name), &newest)
        })
        .await?;
    ssm.outbox.ring();
    Ok(())
}
