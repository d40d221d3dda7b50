//! The work between `Pending` and `Active`, and between `InProgress` and `Successful`: the unpacked code and the merged
//! layers are put where environments find them.
//!
//! A function that needs it has a record saying so, written in the commit that made it so; a restart goes on from there.

use crate::lambda::{Lambda, version};
use crate::names::{FunctionId, FunctionName};
use crate::records::{Configuration, Function, Read, Reason, State, Update, Version, decode, put};
use crate::walk::Walk;
use crate::{Error, keys, snapshots};
use danbi_core::Scope;
use danbi_store::Transaction;
use danbi_store::key::KeyReader;
use std::sync::Arc;
use tokio::time::timeout;

/// Functions looked at in one read when a restart takes up what was left.
const PAGE: usize = 256;

/// Marks the function as unfinished; the versions named become active together with `$LATEST`.
pub(crate) fn mark(tx: &Transaction, id: &FunctionId, versions: &[u64]) -> Result<(), Error> {
    put(tx, &keys::pending(id), &versions)
}

impl Lambda {
    /// Starts the preparation of a function that was marked, and waits for it for a while: most are done in a few
    /// milliseconds, and a caller that goes on at once then finds the function ready.
    pub(crate) async fn prepare(self: &Arc<Self>, id: &FunctionId) -> Result<(), Error> {
        let (lambda, task_id) = (self.clone(), id.clone());
        self.spawn(async move { lambda.prepare_now(task_id).await });
        self.settled(id).await.map(|_| ())
    }

    /// The function, once nothing is being prepared any more or the patience has run out.
    pub(crate) async fn settled(&self, id: &FunctionId) -> Result<Option<Function>, Error> {
        let mut prepared = self.prepared.subscribe();
        let wait = async {
            loop {
                prepared.borrow_and_update();
                let function = self.snapshot().await?.function(id).await?;
                if !function.as_ref().is_some_and(|function| function.latest.unsettled()) {
                    return Ok(function);
                }
                if prepared.changed().await.is_err() {
                    return Ok(function);
                }
            }
        };
        match timeout(self.options.patience, wait).await {
            Ok(function) => function,
            Err(_) => self.snapshot().await?.function(id).await,
        }
    }

    /// Takes up all preparations that a stop or a crash cut off.
    pub(crate) async fn resume_preparations(self: &Arc<Self>) -> Result<(), Error> {
        let prefix = keys::all_pending();
        let mut walk = Walk::below(&prefix, PAGE);
        while let Some(entries) = walk.next(self).await? {
            for (key, _) in &entries {
                let mut reader = KeyReader::after_prefix(key, &prefix).map_err(Error::internal)?;
                if let Some(id) = read_id(&mut reader) {
                    let lambda = self.clone();
                    self.spawn(async move { lambda.prepare_now(id).await });
                }
            }
        }
        Ok(())
    }

    async fn prepare_now(self: Arc<Self>, id: FunctionId) {
        match self.prepare_once(&id).await {
            Ok(snapshots) => {
                for number in snapshots {
                    self.snapshot_later(&id, number);
                }
            }
            Err(error) => {
                // The mark is still there, so the next start tries again.
                tracing::error!(function = %id.arn(), %error, "the preparation of a function could not be recorded");
            }
        }
        self.prepared.send_modify(|count| *count += 1);
    }

    /// Prepares the function, and says of which of its versions a snapshot is to be taken now.
    async fn prepare_once(&self, id: &FunctionId) -> Result<Vec<u64>, Error> {
        let view = self.snapshot().await?;
        let Some(function) = view.function(id).await? else {
            return Ok(Vec::new());
        };
        let outcome = self.place(&function.latest.configuration).await;
        if let Err(error) = &outcome {
            tracing::error!(function = %id.arn(), %error, "a function could not be prepared");
        }
        let failed = outcome.is_err();
        self.store
            .transact(async |tx| {
                // Updates are refused until this is done, so what was placed is what is still meant.
                let same = |now: &Function| now.incarnation == function.incarnation && now.latest.unsettled();
                let Some(mut function) = tx.function(id).await?.filter(same) else {
                    return Ok::<_, Error>(Vec::new());
                };
                let versions: Vec<u64> = match tx.get(&keys::pending(id)).await? {
                    Some(bytes) => decode(&bytes)?,
                    None => return Ok(Vec::new()),
                };
                let mut snapshots = Vec::new();
                settle(&mut function.latest, failed);
                put(&tx, &keys::function(id), &function)?;
                for number in versions {
                    if let Some(mut version) = version(&tx, id, number).await? {
                        settle(&mut version, failed);
                        if !failed && snapshots::mark(&tx, id, &mut version)? {
                            snapshots.push(number);
                        }
                        put(&tx, &keys::version(id, number), &version)?;
                    }
                }
                tx.delete(&keys::pending(id))?;
                Ok(snapshots)
            })
            .await
    }

    async fn place(&self, configuration: &Configuration) -> Result<(), Error> {
        self.code.folder(&configuration.code).await?;
        self.code.merged(&configuration.layers).await?;
        Ok(())
    }
}

fn settle(version: &mut Version, failed: bool) {
    let reason = || {
        let text = "The platform could not prepare the function's code. Its log says why.";
        Some(Reason {
            code: "InternalError".into(),
            text: text.into(),
        })
    };
    if failed {
        if version.state == State::Pending {
            version.state = State::Failed;
            version.state_reason = reason();
        }
        version.update = Some(Update::Failed);
        version.update_reason = reason();
    } else {
        version.state = State::Active;
        version.state_reason = None;
        version.update = Some(Update::Successful);
        version.update_reason = None;
    }
    version.touch();
}

/// Reads account, region and name, the order in which keys of functions have them.
pub(crate) fn read_id(reader: &mut KeyReader<'_>) -> Option<FunctionId> {
    let account = reader.str().ok()?.parse().ok()?;
    let region = reader.str().ok()?.parse().ok()?;
    let name = FunctionName::parse(&reader.str().ok()?)?;
    Some(FunctionId {
        scope: Scope { account, region },
        name,
    })
}
