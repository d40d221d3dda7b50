use crate::error::Result;
use crate::record::Key;
use crate::{due, keys};
use danbi_core::{Authorizer, Clock, PolicyLanguage, Scope, Timestamp};
use danbi_keyring::MasterKeys;
use danbi_store::{Snapshot, Store};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// What sealed key material is for.
const PURPOSE: &[u8] = b"danbi kms key material";

/// Bounds of the service.
#[derive(Debug, Clone)]
pub struct Options {
    /// How often keys that are due are looked for.
    pub due_every: Duration,
    /// How long a day of a waiting time and of a rotation period is.
    pub day: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            due_every: Duration::from_secs(60),
            day: Duration::from_secs(24 * 3600),
        }
    }
}

/// What the service is built of.
pub struct Parts {
    /// Where its records are.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who may do what, where one request asks for more than one thing, and for other services.
    pub authorizer: Arc<dyn Authorizer>,
    /// Whether a document is a policy.
    pub language: Arc<dyn PolicyLanguage>,
    /// The file with the key that all key material is sealed under; made, with mode 0600, for an empty store.
    pub master_key: PathBuf,
    /// Bounds.
    pub options: Options,
}

/// AWS KMS: a handle to its state, all of which is in the store.
pub struct Kms {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) language: Arc<dyn PolicyLanguage>,
    pub(crate) options: Options,
    master_keys: MasterKeys,
    stopping: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Kms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kms")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Kms {
    /// Opens the master key and starts to look after keys that are due. Must be called inside a tokio runtime; end with
    /// [`Kms::drain`].
    ///
    /// # Errors
    /// [`Error::Keyring`](crate::Error::Keyring) when the master key cannot be read or made, or was lost.
    pub async fn start(parts: Parts) -> Result<Arc<Self>> {
        let Parts {
            store,
            clock,
            authorizer,
            language,
            master_key,
            options,
        } = parts;
        let master_keys = MasterKeys::open(&store, &keys::master_keys(), master_key, PURPOSE).await?;
        let kms = Arc::new(Self {
            store,
            clock,
            authorizer,
            language,
            options,
            master_keys,
            stopping: watch::Sender::new(false),
            task: Mutex::default(),
        });
        let task = tokio::spawn(due::run(Arc::clone(&kms)));
        *kms.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Ok(kms)
    }

    /// Ends the background work, after the step that is under way.
    pub async fn drain(&self) {
        self.stopping.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // One that panicked has said so.
            let _ = task.await;
        }
    }

    /// Waits until the service is being drained.
    pub(crate) async fn stopped(&self) {
        // The sender lives as long as `self`, so the wait only ends with the signal.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot> {
        Ok(self.store.snapshot().await?)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The instant so many days after `from`.
    pub(crate) fn days_after(&self, from: Timestamp, days: i32) -> Timestamp {
        let day = i64::try_from(self.options.day.as_millis()).unwrap_or(i64::MAX);
        from.plus_millis(day.saturating_mul(i64::from(days)))
    }

    /// Key material, sealed for the store.
    pub(crate) fn seal(&self, scope: &Scope, id: &str, plain: &[u8]) -> Result<String> {
        Ok(self.master_keys.seal(plain, bound(scope, id).as_bytes())?)
    }

    /// What [`Kms::seal`] sealed for the same key.
    pub(crate) fn open(&self, scope: &Scope, id: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>> {
        Ok(self.master_keys.open_sealed(sealed, bound(scope, id).as_bytes())?)
    }

    /// The current material of a key that may be used.
    pub(crate) fn material(&self, scope: &Scope, key: &Key) -> Result<Zeroizing<Vec<u8>>> {
        let sealed = key.current().and_then(|material| material.sealed.as_deref());
        let sealed = sealed.ok_or_else(|| crate::Error::Damaged("a usable key has no material".into()))?;
        self.open(scope, &key.id, sealed)
    }
}

/// Material that is moved to another key's record must not open.
fn bound(scope: &Scope, id: &str) -> String {
    format!("{}/{}/{id}", scope.account, scope.region)
}
