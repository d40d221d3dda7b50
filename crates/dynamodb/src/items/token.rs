//! Client request tokens of transactional writes, kept for ten minutes in the store: a client that did not hear the
//! answer may ask again, also after the platform was killed.

use super::capacity::{Rate, Usage};
use super::write::{Applied, Write};
use crate::{DynamoDb, Error, keys};
use danbi_core::Scope;
use danbi_store::{Direction, Transaction};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long a token is good for, in milliseconds.
const VALID_MS: i64 = 10 * 60 * 1000;
/// How often tokens that are no longer good are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Tokens removed in one transaction: few, so that it ends in time on the busiest machine.
const SWEEP_BATCH: usize = 100;

/// A client request token of one request.
pub(crate) struct Token {
    scope: Scope,
    text: String,
    digest: [u8; 32],
}

/// What is kept for a token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// SHA-256 of the request's actions.
    digest: [u8; 32],
    /// Milliseconds since the epoch.
    at: i64,
    /// Read units that reading the items again would cost, by table.
    units: BTreeMap<String, f64>,
}

impl Token {
    /// The token `text` of a request with these actions.
    pub(crate) fn new(scope: &Scope, text: &str, actions: &impl Serialize) -> Result<Self, Error> {
        let actions = serde_json::to_vec(actions).map_err(Error::internal)?;
        Ok(Self {
            scope: scope.clone(),
            text: text.to_owned(),
            digest: Sha256::digest(&actions).into(),
        })
    }

    /// What was done under the token, while it is good.
    pub(super) async fn find(&self, tx: &Transaction, now: i64) -> Result<Option<Remembered>, Error> {
        let Some(bytes) = tx.get(&keys::token(&self.scope, &self.text)).await? else {
            return Ok(None);
        };
        let found: Remembered = serde_json::from_slice(&bytes).map_err(Error::internal)?;
        if now - found.at > VALID_MS {
            return Ok(None);
        }
        if found.digest != self.digest {
            return Err(Error::IdempotentParameterMismatch(
                "The request uses the same client token as a previous, but non-identical request. Do not reuse a client \
                 token with different requests, unless the requests are identical."
                    .into(),
            ));
        }
        Ok(Some(found))
    }

    pub(super) fn remember(&self, tx: &Transaction, remembered: &Remembered) -> Result<(), Error> {
        let bytes = serde_json::to_vec(remembered).map_err(Error::internal)?;
        tx.put(&keys::token(&self.scope, &self.text), bytes)?;
        let due = keys::token_due(remembered.at + VALID_MS, &self.scope, &self.text);
        Ok(tx.put(&due, Vec::new())?)
    }

    pub(super) fn remembered(&self, at: i64, writes: &[Write], applied: &[Applied]) -> Remembered {
        let mut units: BTreeMap<String, f64> = BTreeMap::new();
        for (write, applied) in writes.iter().zip(applied) {
            *units.entry(write.named.clone()).or_default() += Rate::Transactional.units(applied.size);
        }
        Remembered {
            digest: self.digest,
            at,
            units,
        }
    }
}

impl Remembered {
    /// What doing nothing again is charged, by table as the request names it.
    pub(super) fn usages(&self) -> BTreeMap<String, Usage> {
        let usage = |(table, units): (&String, &f64)| (table.clone(), Usage::of_table(*units));
        self.units.iter().map(usage).collect()
    }
}

/// Removes tokens that are no longer good, for as long as somebody uses DynamoDB.
pub(crate) async fn sweep(dynamodb: Weak<DynamoDb>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(dynamodb) = dynamodb.upgrade() else { return };
        if let Err(error) = remove_due(&dynamodb).await {
            tracing::warn!(
                ?error,
                "dynamodb: old request tokens could not be removed; trying again later"
            );
        }
    }
}

async fn remove_due(dynamodb: &Arc<DynamoDb>) -> Result<(), Error> {
    loop {
        let now = dynamodb.now();
        let snapshot = dynamodb.store.snapshot().await?;
        let due = snapshot
            .scan(keys::tokens_due_before(now), Direction::Forward, SWEEP_BATCH)
            .await?;
        drop(snapshot);
        if due.entries.is_empty() {
            return Ok(());
        }
        let due = &due.entries;
        dynamodb
            .store
            .transact_relaxed(async |tx| {
                for (key, _) in due {
                    tx.delete(key)?;
                    let token = keys::due_token(key)?;
                    // A token that was used again since has a later entry of its own.
                    let Some(bytes) = tx.get(&token).await? else { continue };
                    let found: Remembered = serde_json::from_slice(&bytes).map_err(Error::internal)?;
                    if now - found.at > VALID_MS {
                        tx.delete(&token)?;
                    }
                }
                Ok::<_, Error>(())
            })
            .await?;
    }
}
