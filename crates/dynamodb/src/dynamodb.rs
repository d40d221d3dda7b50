use crate::Error;
use crate::items::queue::Queues;
use crate::items::token;
use crate::items::write::{Applied, Write};
use crate::tables::catalog::Catalog;
use danbi_blobs::Blobs;
use danbi_core::Clock;
use danbi_store::Store;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// What DynamoDB is made of.
pub struct Parts {
    /// Where tables and items are kept.
    pub store: Store,
    /// Where backups are kept.
    pub blobs: Blobs,
    /// What time it is: time to live, tokens, streams.
    pub clock: Arc<dyn Clock>,
    /// How it behaves.
    pub options: Options,
}

/// How DynamoDB behaves.
#[derive(Debug, Clone, Default)]
pub struct Options {}

/// Amazon DynamoDB. Give [`DynamoDb::service`] and [`DynamoDb::streams_service`] to the wire.
pub struct DynamoDb {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    pub(crate) catalog: Catalog,
    pub(crate) queues: Queues<Write, Applied>,
    tasks: Tasks,
}

/// The background work, aborted when its owner goes.
struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl DynamoDb {
    /// Takes up the work that was under way when the platform ended. Must be called within a Tokio runtime. End with
    /// [`DynamoDb::drain`].
    pub async fn start(parts: Parts) -> Result<Arc<Self>, Error> {
        let Parts {
            store,
            blobs,
            clock,
            options,
        } = parts;
        Ok(Arc::new_cyclic(|this| Self {
            store,
            blobs,
            clock,
            options,
            catalog: Catalog::default(),
            queues: Queues::default(),
            tasks: Tasks(vec![tokio::spawn(token::sweep(this.clone()))]),
        }))
    }

    /// Ends the background work; requests must have been answered before.
    pub async fn drain(&self) {
        self.tasks.0.iter().for_each(JoinHandle::abort);
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }
}
