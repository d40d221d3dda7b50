//! The service itself: what its operations share, and its background work.

use crate::counts::Kept;
use crate::lanes::Lanes;
use crate::names::QueueName;
use crate::sealing::Sealing;
use crate::{Error, keys, mover, sweep};
use danbi_core::{Authorizer, Clock, DataKeys, PolicyLanguage};
use danbi_keyring::{MasterKeys, SecretKey};
use danbi_store::{Snapshot, Store};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

const MASTER_PURPOSE: &[u8] = b"sqs data key";

/// What can be set otherwise than AWS has it.
#[derive(Debug, Clone)]
pub struct Options {
    /// How often messages are looked for whose retention is over, and what deleted queues have left. A message that is
    /// too old is never received, whenever it is swept.
    pub sweep_every: Duration,
    /// How long the name of a deleted queue cannot be had again.
    pub rest_of_names: Duration,
    /// How long after a purge the next is refused.
    pub rest_of_purges: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sweep_every: Duration::from_secs(60),
            rest_of_names: Duration::from_secs(60),
            rest_of_purges: Duration::from_secs(60),
        }
    }
}

/// What the service is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What one operation needs of several queues is asked of it.
    pub authorizer: Arc<dyn Authorizer>,
    /// Judges the policies of queues.
    pub language: Arc<dyn PolicyLanguage>,
    /// Keys of KMS for queues that name one; without it such queues are refused.
    pub data_keys: Option<Arc<dyn DataKeys>>,
    /// The file of master keys, in the data folder.
    pub master_key: PathBuf,
    /// What can be set otherwise.
    pub options: Options,
}

/// SQS. End with [`Sqs::drain`].
pub struct Sqs {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) language: Arc<dyn PolicyLanguage>,
    pub(crate) sealing: Sealing,
    pub(crate) lanes: Lanes,
    pub(crate) counts: Kept,
    pub(crate) options: Options,
    /// A move task was started.
    pub(crate) moves: Notify,
    sequence: AtomicU64,
    closing: watch::Sender<bool>,
    work: Mutex<Vec<JoinHandle<()>>>,
}

impl Sqs {
    /// Opens the keys and starts what time does; must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the store fails, or the file of master keys cannot be used.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, Error> {
        let master = MasterKeys::open(&parts.store, &keys::master_keys(), parts.master_key, MASTER_PURPOSE).await?;
        let key = data_key(&parts.store, &master).await?;
        let sqs = Arc::new(Self {
            store: parts.store,
            clock: parts.clock,
            authorizer: parts.authorizer,
            language: parts.language,
            sealing: Sealing::new(key, parts.data_keys),
            lanes: Lanes::default(),
            counts: Kept::default(),
            options: parts.options,
            moves: Notify::new(),
            sequence: AtomicU64::new(0),
            closing: watch::Sender::new(false),
            work: Mutex::default(),
        });
        let work = vec![
            tokio::spawn(sweep::run(Arc::clone(&sqs))),
            tokio::spawn(mover::run(Arc::clone(&sqs))),
        ];
        *sqs.work.lock().unwrap_or_else(PoisonError::into_inner) = work;
        Ok(sqs)
    }

    /// Answers those who wait for messages, and ends the background work.
    pub async fn drain(&self) {
        self.closing.send_replace(true);
        let work = std::mem::take(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner));
        for work in work {
            if let Err(error) = work.await {
                tracing::warn!(%error, "the background work of queues did not end well");
            }
        }
        self.lanes.drain().await;
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Returns when the service ends.
    pub(crate) async fn closed(&self) {
        let mut closing = self.closing.subscribe();
        // The sender lives as long as `self`.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now().as_millis()
    }

    /// A number greater than any before on this node, whose upper 44 bits are the time.
    pub(crate) fn next_sequence(&self, now_ms: i64) -> u64 {
        let least = keys::MessageKey::sequence_at(now_ms);
        let next = |last: u64| Some(least.max(last + 1));
        match self.sequence.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(last) | Err(last) => least.max(last + 1),
        }
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(self.store.snapshot().await?)
    }

    /// Tells those who wait for `queue` that something becomes visible there at `at_ms`.
    pub(crate) fn touch(&self, queue: &QueueName, at_ms: i64) {
        self.lanes.touch(queue, at_ms);
    }
}

/// The key that contents and receipt handles are sealed under: made once, sealed under the master key.
async fn data_key(store: &Store, master: &MasterKeys) -> Result<SecretKey, Error> {
    let fresh = master.seal_key(&SecretKey::random()?)?;
    let place = keys::data_key();
    let sealed = store
        .transact(async |tx| {
            if let Some(kept) = tx.get(&place).await? {
                return String::from_utf8(kept.to_vec()).map_err(Error::internal);
            }
            tx.put(&place, fresh.clone().into_bytes())?;
            Ok(fresh.clone())
        })
        .await?;
    Ok(master.open_key(&sealed)?)
}
