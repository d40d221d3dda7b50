use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use crate::embedded::{self, EmbeddedOptions};
use crate::engine::{Durability, Engine};
use crate::retry::Retry;
use crate::{Snapshot, StoreError, Transaction};

/// The store: a cheap handle to an [`Engine`].
#[derive(Clone)]
pub struct Store {
    engine: Arc<dyn Engine>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Store")
    }
}

impl Store {
    /// Opens (or creates) the embedded engine in `dir` and keeps others out of the folder for as long as it is open.
    ///
    /// Blocks for recovery. Fails with [`StoreError::Locked`], [`StoreError::NewerFormat`], [`StoreError::Folder`] or
    /// [`StoreError::Corrupt`].
    pub fn open_embedded(dir: &Path, options: EmbeddedOptions) -> Result<Self, StoreError> {
        Ok(Self {
            engine: Arc::new(embedded::open(dir, options)?),
        })
    }

    /// A store on any engine.
    pub fn with_engine(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// A consistent view of what is committed; see the crate's promises for what it may hold.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::new(self.engine.snapshot().await?))
    }

    /// Runs `f` and commits what it wrote; on a conflict it runs `f` again, up to 100 times, with growing random
    /// pauses. Returns once the commit is on disk. An error of `f` ends the transaction with nothing written.
    pub async fn transact<T, E, F, Fut>(&self, f: F) -> Result<T, E>
    where
        F: Fn(Transaction) -> Fut,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<StoreError>,
    {
        self.run(f, Durability::Durable).await
    }

    /// As [`Store::transact`], but returns once the commit is ordered and visible. It is durable within
    /// [`EmbeddedOptions::relaxed_flush`], and never before an earlier commit: a crash takes the newest ones only.
    pub async fn transact_relaxed<T, E, F, Fut>(&self, f: F) -> Result<T, E>
    where
        F: Fn(Transaction) -> Fut,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<StoreError>,
    {
        self.run(f, Durability::Relaxed).await
    }

    async fn run<T, E, F, Fut>(&self, f: F, durability: Durability) -> Result<T, E>
    where
        F: Fn(Transaction) -> Fut,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<StoreError>,
    {
        let mut retry = Retry::default();
        loop {
            let transaction = Transaction::new(self.engine.snapshot().await?);
            match f(transaction.lend()).await {
                Ok(result) => {
                    let Some(commit) = transaction.finish(durability)? else {
                        return Ok(result);
                    };
                    match self.engine.commit(commit).await {
                        Ok(()) => return Ok(result),
                        Err(error) if error.is_retryable() => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) => {
                    if !transaction.abandon() {
                        return Err(error);
                    }
                }
            }
            retry
                .pause()
                .await
                .map_err(|attempts| StoreError::Contention { attempts })?;
        }
    }

    /// Finishes what was accepted, makes it durable and gives the folder free. Later calls fail with
    /// [`StoreError::Closed`].
    pub async fn close(&self) {
        self.engine.close().await;
    }
}
