//! Several writes that happen all or not at all, once for each client request token.

use super::capacity::Usage;
use super::throttle::Throttled;
use super::token::Token;
use super::write::{Applied, Change, Write};
use crate::changes::Changes;
use crate::{DynamoDb, Error, Reason, ReasonCode, item_size};
use danbi_store::{StoreError, Transaction};
use std::collections::{BTreeMap, HashSet};

/// The most bytes that a transaction's items, keys and values may have together, as DynamoDB counts them.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 4 * 1024 * 1024;

/// What a transaction did.
pub(crate) enum Transacted {
    /// It was done now, and each write did this.
    Now(Vec<Applied>),
    /// It was done before with the same token, and was charged so then, by table.
    Before(BTreeMap<String, Usage>),
}

impl DynamoDb {
    /// Does all of `writes` or none. With a token that was used within ten minutes, nothing is done again.
    ///
    /// # Errors
    /// [`Error::TransactionCanceled`] with a reason for each write; [`Error::ResourceNotFound`] for a table;
    /// [`Error::Validation`] for two writes of one item; [`Error::IdempotentParameterMismatch`].
    pub(crate) async fn transact_write(&self, writes: &[Write], token: Option<&Token>) -> Result<Transacted, Error> {
        if writes.iter().map(payload).sum::<usize>() > MAX_PAYLOAD_BYTES {
            return Err(Error::validation(format!(
                "Transaction payload size cannot exceed {MAX_PAYLOAD_BYTES} bytes"
            )));
        }
        let done = self
            .store
            .transact(async |tx| {
                let mut changes = self.transactional_changes();
                if let Some(token) = token
                    && let Some(before) = token.find(&tx, self.now()).await?
                {
                    return Ok((Transacted::Before(before.usages()), changes));
                }
                let applied = self.apply_all(&tx, writes, &mut changes).await?;
                if let Some(token) = token {
                    token.remember(&tx, &token.remembered(self.now(), writes, &applied))?;
                }
                Ok((Transacted::Now(applied), changes))
            })
            .await;
        match done {
            // Somebody else's writes were in the way each time; which of the items it was, the store does not say.
            Err(Error::Store(StoreError::Contention { .. })) => Err(Error::TransactionCanceled(vec![
                Reason {
                    code: ReasonCode::TransactionConflict,
                    message: Some("Transaction is ongoing for the item".into()),
                    item: None,
                };
                writes.len()
            ])),
            done => {
                let (transacted, changes) = done?;
                self.committed(&changes);
                Ok(transacted)
            }
        }
    }

    async fn apply_all(
        &self,
        tx: &Transaction,
        writes: &[Write],
        changes: &mut Changes,
    ) -> Result<Vec<Applied>, Error> {
        let mut located = HashSet::new();
        let mut refused = None;
        for (at, write) in writes.iter().enumerate() {
            let table = changes.table(self, tx, &write.table).await?;
            match write.locate(&table) {
                Ok(key) => {
                    if !located.insert(key.bytes) {
                        return Err(twice());
                    }
                }
                Err(Error::Validation(message)) => refused = refused.or(Some((at, message))),
                Err(error) => return Err(error),
            }
        }
        // What breaks a rule by itself is found before any item is looked at, and only the first of it.
        if let Some((at, message)) = refused {
            let mut reasons = vec![Reason::default(); writes.len()];
            reasons[at] = invalid(message);
            return Err(Error::TransactionCanceled(reasons));
        }
        let mut applied = Vec::with_capacity(writes.len());
        let mut reasons = Vec::with_capacity(writes.len());
        for write in writes {
            match write.apply(self, tx, changes).await {
                Ok(done) => {
                    applied.push(done);
                    reasons.push(Reason::default());
                }
                Err(Error::ConditionalCheckFailed(item)) => reasons.push(Reason {
                    code: ReasonCode::ConditionalCheckFailed,
                    message: Some("The conditional request failed".into()),
                    item: item.map(|item| *item),
                }),
                Err(Error::Validation(message)) => reasons.push(invalid(message)),
                Err(Error::Throttled(throttled)) => reasons.push(throttled_reason(&throttled)),
                Err(Error::DuplicateItem(message)) => reasons.push(Reason {
                    code: ReasonCode::DuplicateItem,
                    message: Some(message),
                    item: None,
                }),
                Err(error) => return Err(error),
            }
        }
        if applied.len() < writes.len() {
            return Err(Error::TransactionCanceled(reasons));
        }
        Ok(applied)
    }
}

/// Two actions on one item.
pub(crate) fn twice() -> Error {
    Error::validation("Transaction request cannot include multiple operations on one item")
}

/// An action that was not let in.
pub(crate) fn throttled_reason(throttled: &Throttled) -> Reason {
    Reason {
        code: throttled.reason_code(),
        message: Some(throttled.message().into()),
        item: None,
    }
}

fn invalid(message: String) -> Reason {
    Reason {
        code: ReasonCode::ValidationError,
        message: Some(message),
        item: None,
    }
}

fn payload(write: &Write) -> usize {
    match &write.change {
        Change::Put(item) | Change::Insert(item) => item_size(item),
        Change::Delete(key) | Change::Check(key) => item_size(key),
        Change::Update { key, payload, .. } => item_size(key) + *payload,
    }
}

/// What writes are charged in a transaction, by table as the request names it.
pub(crate) fn usages(writes: &[Write], applied: &[Applied]) -> BTreeMap<String, Usage> {
    let mut usages: BTreeMap<String, Usage> = BTreeMap::new();
    for (write, applied) in writes.iter().zip(applied) {
        usages.entry(write.named.clone()).or_default().add(&applied.usage, 2.0);
    }
    usages
}
