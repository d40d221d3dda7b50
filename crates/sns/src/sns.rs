//! The service itself: what its operations share, and its background work.

use crate::Error;
use crate::deliver::Deliveries;
use danbi_core::{Api, Clock, Invoker};
use danbi_outbox::Outbox;
use danbi_store::{Snapshot, Store};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

/// What the service is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Runs functions.
    pub invoker: Arc<dyn Invoker>,
    /// Queues.
    pub api: Arc<dyn Api>,
    /// How deliveries are made and put off.
    pub deliveries: danbi_outbox::Options,
}

/// SNS. End with [`Sns::drain`].
pub struct Sns {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) outbox: Arc<Outbox>,
    work: Mutex<Option<JoinHandle<()>>>,
}

impl Sns {
    /// Starts delivering; must be called within a Tokio runtime.
    pub fn start(parts: Parts) -> Arc<Self> {
        let Parts {
            store,
            clock,
            invoker,
            api,
            deliveries,
        } = parts;
        let outbox = Outbox::new(store.clone(), Arc::clone(&clock), "sns", deliveries);
        let work = tokio::spawn(Arc::clone(&outbox).run(Arc::new(Deliveries { invoker, api })));
        Arc::new(Self {
            store,
            clock,
            outbox,
            work: Mutex::new(Some(work)),
        })
    }

    /// Ends the deliveries under way; the rest waits for the next start.
    pub async fn drain(&self) {
        self.outbox.stop();
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(work) = work
            && let Err(error) = work.await
        {
            tracing::warn!(%error, "the deliveries of topics did not end well");
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now().as_millis()
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(self.store.snapshot().await?)
    }
}
