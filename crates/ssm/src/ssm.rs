//! The service itself: what its operations share, and its background work.

use crate::changes::Telling;
use crate::due;
use crate::error::Result;
use danbi_core::{Api, Clock, DataKeys, Timestamp};
use danbi_outbox::Outbox;
use danbi_store::{Snapshot, Store};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often what is due is looked for, unless the options say otherwise.
const DUE_EVERY: Duration = Duration::from_secs(60);

/// What the service is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Keys for SecureString.
    pub data_keys: Arc<dyn DataKeys>,
    /// EventBridge.
    pub api: Arc<dyn Api>,
    /// How long it waits for what.
    pub options: Options,
}

/// How long the service waits for what.
#[derive(Debug, Clone)]
pub struct Options {
    /// How often parameters are searched for what their policies want: a minute.
    pub due_every: Duration,
    /// How events are delivered and put off.
    pub deliveries: danbi_outbox::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            due_every: DUE_EVERY,
            deliveries: danbi_outbox::Options::default(),
        }
    }
}

/// The Parameter Store. End with [`Ssm::drain`].
pub struct Ssm {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) data_keys: Arc<dyn DataKeys>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) options: Options,
    stop: watch::Sender<bool>,
    work: Mutex<Vec<JoinHandle<()>>>,
}

impl Ssm {
    /// Starts looking for what is due and telling of changes; must be called within a Tokio runtime.
    pub fn start(parts: Parts) -> Arc<Self> {
        let Parts {
            store,
            clock,
            data_keys,
            api,
            options,
        } = parts;
        let outbox = Outbox::new(store.clone(), Arc::clone(&clock), "ssm", options.deliveries.clone());
        let telling = tokio::spawn(Arc::clone(&outbox).run(Arc::new(Telling { api })));
        let ssm = Arc::new(Self {
            store,
            clock,
            data_keys,
            outbox,
            options,
            stop: watch::Sender::new(false),
            work: Mutex::new(vec![telling]),
        });
        let sweep = tokio::spawn(due::run(Arc::clone(&ssm)));
        ssm.work().push(sweep);
        ssm
    }

    /// Ends the work under way; the rest waits for the next start.
    pub async fn drain(&self) {
        self.outbox.stop();
        self.stop.send_replace(true);
        let work = std::mem::take(&mut *self.work());
        for task in work {
            if let Err(error) = task.await {
                tracing::warn!(%error, "the work of the Parameter Store did not end well");
            }
        }
    }

    fn work(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the service is to end.
    pub(crate) async fn stopped(&self) {
        // The sender lives as long as the service.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot> {
        Ok(self.store.snapshot().await?)
    }
}
