//! SnapStart: a published version of a function that asks for it is `Pending` until its template is made, as AWS's is
//! until its snapshot is taken.
//!
//! That a snapshot is to be taken is a record, written in the commit that publishes; a restart goes on from there.

use crate::lambda::{Lambda, version};
use crate::names::FunctionId;
use crate::records::{Read, Reason, State, Update, Version, put};
use crate::walk::Walk;
use crate::{Error, keys, prepare};
use danbi_runtime::Snapshot;
use danbi_store::Transaction;
use danbi_store::key::KeyReader;
use std::sync::Arc;
use std::time::Duration;

/// Snapshots looked at in one read when a restart takes up what was left.
const PAGE: usize = 256;
/// How long a snapshot may take, waiting for its turn included.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Makes a version that is being published wait for its snapshot, when its function asks for one. True when it does.
pub(crate) fn mark(tx: &Transaction, id: &FunctionId, version: &mut Version) -> Result<bool, Error> {
    let Some(number) = version.number.filter(|_| version.configuration.snap_start) else {
        return Ok(false);
    };
    version.state = State::Pending;
    version.state_reason = Some(Reason::creating());
    version.update = None;
    version.update_reason = None;
    put(tx, &keys::snapshot(id, number), &())?;
    Ok(true)
}

impl Lambda {
    /// Takes the snapshot of a version that was marked, in the background.
    pub(crate) fn snapshot_later(self: &Arc<Self>, id: &FunctionId, number: u64) {
        let (lambda, id) = (self.clone(), id.clone());
        self.spawn(async move {
            let taken = tokio::select! {
                taken = lambda.take_snapshot(&id, number) => taken,
                // The mark stays, so the next start takes it.
                () = lambda.stopped() => return,
            };
            if let Err(error) = taken {
                tracing::error!(function = %id.arn(), number, %error, "a snapshot could not be recorded");
            }
            lambda.prepared.send_modify(|count| *count += 1);
            lambda.provisions.notify_one();
        });
    }

    /// Takes up the snapshots that a stop or a crash cut off.
    pub(crate) async fn resume_snapshots(self: &Arc<Self>) -> Result<(), Error> {
        let prefix = keys::all_snapshots();
        let mut walk = Walk::below(&prefix, PAGE);
        while let Some(entries) = walk.next(self).await? {
            for (key, _) in &entries {
                let mut reader = KeyReader::after_prefix(key, &prefix).map_err(Error::internal)?;
                if let (Some(id), Ok(number)) = (prepare::read_id(&mut reader), reader.u64()) {
                    self.snapshot_later(&id, number);
                }
            }
        }
        Ok(())
    }

    async fn take_snapshot(&self, id: &FunctionId, number: u64) -> Result<(), Error> {
        let view = self.snapshot().await?;
        let Some(found) = version(&view, id, number).await? else {
            return self.unmark(id, number).await;
        };
        let outcome = match self.spec(id, found, None).await {
            Ok(spec) => tokio::time::timeout(LIMIT, self.executor.snapshot(Arc::new(spec)))
                .await
                .unwrap_or(Snapshot::TimedOut),
            Err(error) => Snapshot::Unavailable(error.to_string()),
        };
        if let Snapshot::Unfit(reason) | Snapshot::Unavailable(reason) = &outcome {
            tracing::warn!(function = %id.qualified_arn(number), reason, "no snapshot was taken; the version is started anew each time");
        }
        self.store
            .transact(async |tx| {
                // Deleted with its function, or settled by another node.
                if tx.read(&keys::snapshot(id, number)).await?.is_none() {
                    return Ok(());
                }
                if let Some(mut version) = version(&tx, id, number).await? {
                    settle(&mut version, &outcome);
                    put(&tx, &keys::version(id, number), &version)?;
                }
                Ok::<_, Error>(tx.delete(&keys::snapshot(id, number))?)
            })
            .await
    }

    async fn unmark(&self, id: &FunctionId, number: u64) -> Result<(), Error> {
        self.store
            .transact(async |tx| Ok::<_, Error>(tx.delete(&keys::snapshot(id, number))?))
            .await
    }
}

/// What came of the snapshot, as AWS says it: a version whose code fails to initialise has failed; one that can only be
/// started anew each time runs, and says that it is not optimised.
fn settle(version: &mut Version, outcome: &Snapshot) {
    let failed = match outcome {
        Snapshot::Taken | Snapshot::Unfit(_) | Snapshot::Unavailable(_) => None,
        Snapshot::InitFailed(reason) => Some(("FunctionError", reason.as_str())),
        Snapshot::TimedOut => Some(("FunctionError.InitTimeout", "its initialisation took too long")),
    };
    version.optimised = *outcome == Snapshot::Taken;
    match failed {
        None => {
            version.state = State::Active;
            version.state_reason = None;
            version.update = Some(Update::Successful);
            version.update_reason = None;
        }
        Some((code, reason)) => {
            let why = Reason {
                code: code.into(),
                text: format!("The function could not be initialised for its snapshot: {reason}. Its log says more."),
            };
            version.state = State::Failed;
            version.state_reason = Some(why.clone());
            version.update = Some(Update::Failed);
            version.update_reason = Some(why);
        }
    }
    version.touch();
}
