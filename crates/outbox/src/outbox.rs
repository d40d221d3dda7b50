//! Putting parcels in.

use crate::keys;
use crate::parcel::{Body, OutboxError, Patience};
use bytes::Bytes;
use danbi_core::Clock;
use danbi_store::{Store, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// Bodies up to this size are in their parcels: claims rewrite those.
const MAX_INLINE: usize = 8 * 1024;
/// Bytes of a part of a kept body; a value holds 100 kB.
const PART: usize = 90_000;

/// How an outbox works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Deliveries at a time.
    pub at_once: usize,
    /// The pause before the second attempt; it doubles up to the longest, give or take a fifth.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            at_once: 64,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(300),
        }
    }
}

/// An outbox. Start [`Outbox::run`] once the courier is there, and end with [`Outbox::drain`].
pub struct Outbox {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) name: &'static str,
    pub(crate) options: Options,
    pub(crate) bell: Notify,
    pub(crate) stopping: watch::Sender<bool>,
}

/// A parcel as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub header: Value,
    pub body: Body,
    pub since_ms: i64,
    pub due_ms: i64,
    pub attempts: u32,
    pub patience: Patience,
    /// Who delivers it; gone while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Why it is being given up, and how often that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub giving_up: Option<GivingUp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GivingUp {
    pub code: String,
    pub reason: String,
    pub attempts: u32,
}

impl Outbox {
    /// The outbox with this name. Names must differ: each is a place of its own in the store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, name: &'static str, options: Options) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            name,
            options,
            bell: Notify::new(),
            stopping: watch::Sender::new(false),
        })
    }

    /// Makes a body ready for parcels of the same transaction: a large one is written down once.
    ///
    /// # Errors
    /// The store's.
    pub fn body(&self, tx: &Transaction, text: &str) -> Result<Body, OutboxError> {
        if text.len() <= MAX_INLINE {
            return Ok(Body::Inline(text.to_owned()));
        }
        let id = Uuid::new_v4().simple().to_string();
        let mut parts = 0;
        for part in text.as_bytes().chunks(PART) {
            tx.put(&keys::body(self.name, &id, parts), Bytes::copy_from_slice(part))?;
            parts += 1;
        }
        Ok(Body::Kept { id, parts })
    }

    /// Puts a parcel in, due at `due_ms`; it exists once the transaction is committed. Call [`Outbox::ring`] after that.
    ///
    /// # Errors
    /// The store's, and a header that is larger than a value may be.
    pub fn put(
        &self,
        tx: &Transaction,
        header: Value,
        body: &Body,
        due_ms: i64,
        patience: Patience,
    ) -> Result<String, OutboxError> {
        let id = Uuid::new_v4().simple().to_string();
        if let Body::Kept { id: body, .. } = body {
            tx.put(&keys::body_use(self.name, body, &id), Bytes::new())?;
        }
        let kept = Kept {
            header,
            body: body.clone(),
            since_ms: self.clock.now().as_millis(),
            due_ms,
            attempts: 0,
            patience,
            claim: None,
            giving_up: None,
        };
        self.write(tx, &id, &kept)?;
        Ok(id)
    }

    /// Says that something may be due.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    pub(crate) fn write(&self, tx: &Transaction, id: &str, kept: &Kept) -> Result<(), OutboxError> {
        tx.put(&keys::parcel(self.name, id), serde_json::to_vec(kept)?)?;
        tx.put(&keys::due(self.name, kept.due_ms, id), Bytes::new())?;
        Ok(())
    }
}
