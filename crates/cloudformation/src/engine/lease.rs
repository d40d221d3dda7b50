//! Which node works on a stack.

use super::CloudFormation;
use crate::records::{self, Lease};
use crate::{Error, Result, keys};
use danbi_core::Scope;
use danbi_store::Transaction;
use std::sync::Weak;

impl CloudFormation {
    fn lease_of(&self, scope: &Scope) -> Lease {
        let lasts = i64::try_from(self.options.lease.as_millis()).unwrap_or(i64::MAX);
        Lease {
            holder: self.holder,
            until: self.now().as_millis().saturating_add(lasts),
            account: scope.account.to_string(),
            region: scope.region.to_string(),
        }
    }

    /// Claims a stack that work begins on: nobody else has it, because there was no work.
    pub(crate) async fn claim(&self, tx: &Transaction, scope: &Scope, stack: &str) -> Result<()> {
        records::put(tx, &keys::lease(stack), &self.lease_of(scope)).await
    }

    /// Refuses to go on when another node has the stack.
    pub(crate) async fn still_ours(&self, tx: &Transaction, stack: &str) -> Result<()> {
        match records::get::<Lease>(tx, &keys::lease(stack)).await? {
            Some(lease) if lease.holder == self.holder => Ok(()),
            _ => Err(Error::LeaseLost),
        }
    }

    /// Renews the claim.
    pub(crate) async fn renew(&self, scope: &Scope, stack: &str) -> Result<()> {
        self.store
            .transact(async |tx| {
                self.still_ours(&tx, stack).await?;
                self.claim(&tx, scope, stack).await
            })
            .await
    }

    /// Takes what nobody works on any more.
    async fn take_up(self: &std::sync::Arc<Self>) -> Result<()> {
        let snapshot = self.store.snapshot().await?;
        let prefix = keys::active();
        for (key, lease) in records::list::<Lease>(&snapshot, &prefix, None, usize::MAX).await? {
            let stack = records::last_text(&key, &prefix)?;
            let is_free = |lease: &Lease| lease.holder != self.holder && lease.until <= self.now().as_millis();
            if lease.holder != self.holder && !is_free(&lease) {
                continue;
            }
            let damaged = |_| Error::Damaged("a lease of no account or region".into());
            let scope = Scope {
                account: lease.account.parse().map_err(damaged)?,
                region: lease.region.parse().map_err(damaged)?,
            };
            let taken = self
                .store
                .transact(async |tx| match records::get::<Lease>(&tx, &key).await? {
                    Some(lease) if is_free(&lease) => {
                        self.claim(&tx, &scope, &stack).await?;
                        Ok::<_, Error>(true)
                    }
                    Some(lease) => Ok(lease.holder == self.holder),
                    None => Ok(false),
                })
                .await?;
            if taken {
                self.drive(scope, &stack);
            }
        }
        Ok(())
    }
}

/// Looks for stacks that nobody works on, for as long as the engine lives.
pub(super) async fn keep(engine: Weak<CloudFormation>) {
    loop {
        let Some(alive) = engine.upgrade() else { return };
        let every = alive.options.lease / 3;
        if let Err(error) = alive.take_up().await {
            tracing::warn!(%error, "stacks could not be looked for; trying again later");
        }
        drop(alive);
        tokio::time::sleep(every).await;
    }
}
