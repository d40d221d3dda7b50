use crate::Error;
use danbi_blobs::Blobs;
use danbi_core::Clock;
use danbi_store::Store;
use std::sync::Arc;

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
        Ok(Arc::new(Self {
            store,
            blobs,
            clock,
            options,
        }))
    }

    /// Ends the background work; requests must have been answered before.
    pub async fn drain(&self) {}
}
