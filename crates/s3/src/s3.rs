use crate::content::Hot;
use crate::crypto::{CryptoError, DATA_KEY, MasterKeys};
use crate::ids::VersionId;
use crate::records::{Bucket, View};
use crate::{Days, Dialect};
use crate::{Error, Result, keys};
use danbi_blobs::{BlobId, Blobs};
use danbi_core::{Accounts, Api, Authorizer, Clock, DataKeys, Invoker, PolicyLanguage, RequestContext, Timestamp};
use danbi_store::{Direction, Snapshot, Store};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Bounds of the service.
#[derive(Debug, Clone)]
pub struct Options {
    /// Objects of at most so many bytes are kept in the store, larger ones in blobs. At most 64 KiB.
    pub inline_bytes: usize,
    /// What new buckets guard against by themselves.
    pub new_buckets: NewBuckets,
    /// Whose S3 is spoken.
    pub dialect: Dialect,
    /// How often expired objects are looked for.
    pub lifecycle_every: Duration,
    /// How long a day of a lifecycle rule is.
    pub lifecycle_day: Days,
}

/// What a new bucket guards against by itself, unless the request that makes it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NewBuckets {
    /// All public access is blocked, lists do not count, and SSE-S3 is the encryption by default: AWS's since April 2023.
    #[default]
    Guarded,
    /// Nothing is blocked, lists count, and there is no encryption by default, as it was before 2023: for applications
    /// that grant by lists. What nobody asked to encrypt is sealed all the same, and nothing is said of it.
    Open,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            inline_bytes: 32 * 1024,
            new_buckets: NewBuckets::default(),
            dialect: Dialect::default(),
            lifecycle_every: Duration::from_secs(3600),
            lifecycle_day: Days::default(),
        }
    }
}

/// What the service is built of.
pub struct Parts {
    /// Where its records are.
    pub store: Store,
    /// Where the content of its objects is.
    pub blobs: Blobs,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who may do what, where one request asks for more than one thing.
    pub authorizer: Arc<dyn Authorizer>,
    /// The accounts, as lists and grants name them.
    pub accounts: Arc<dyn Accounts>,
    /// Whether a document is a policy.
    pub language: Arc<dyn PolicyLanguage>,
    /// The file with the key that every data key of SSE-S3 is sealed under; made, with mode 0600, when it is missing.
    pub master_key: PathBuf,
    /// What encrypts under keys of KMS; without it, `aws:kms` is answered as not built.
    pub data_keys: Option<Arc<dyn DataKeys>>,
    /// Bounds.
    pub options: Options,
}

/// Amazon S3: a handle to its state, all of which is in the store and in blobs.
pub struct S3 {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) master_keys: MasterKeys,
    pub(crate) data_keys: Option<Arc<dyn DataKeys>>,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) language: Arc<dyn PolicyLanguage>,
    pub(crate) options: Options,
    /// Public content that is read often.
    pub(crate) hot: Hot,
    /// Rung when something was doomed.
    pub(crate) doomed: Notify,
    /// Rung when there is an event to tell.
    pub(crate) told: Notify,
    listeners: OnceLock<Listeners>,
    stopping: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

/// Who can be told of events.
#[derive(Clone)]
pub struct Listeners {
    /// Functions.
    pub invoker: Arc<dyn Invoker>,
    /// Queues and topics.
    pub api: Arc<dyn Api>,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl S3 {
    /// Opens the master key and starts the removal of what was doomed before. Must be called inside a tokio runtime; end
    /// with [`S3::drain`].
    ///
    /// # Errors
    /// [`Error::Crypto`] when the master key cannot be read or made, or was lost.
    pub async fn start(parts: Parts) -> Result<Arc<Self>> {
        let Parts {
            store,
            blobs,
            clock,
            authorizer,
            master_key,
            accounts,
            language,
            data_keys,
            options,
        } = parts;
        let master_keys = MasterKeys::open(&store, &keys::master_keys(), master_key, DATA_KEY)
            .await
            .map_err(CryptoError::from)?;
        let s3 = Arc::new(Self {
            store,
            blobs,
            clock,
            authorizer,
            master_keys,
            data_keys,
            accounts,
            language,
            options,
            hot: Hot::default(),
            doomed: Notify::new(),
            told: Notify::new(),
            listeners: OnceLock::new(),
            stopping: watch::Sender::new(false),
            tasks: Mutex::default(),
        });
        s3.spawn(crate::sweep::run(Arc::clone(&s3)));
        s3.spawn(crate::lifecycle::run(Arc::clone(&s3)));
        Ok(s3)
    }

    /// Ends the background work; waits at most `deadline` for what is under way. What is cut off goes on at the next
    /// start.
    pub async fn drain(&self, deadline: Duration) {
        self.stopping.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let finished = tokio::time::timeout(deadline, async { while tasks.join_next().await.is_some() {} });
        if finished.await.is_err() {
            tasks.shutdown().await;
        }
    }

    /// Gives the service what it tells events to, which may need the service itself, and starts telling. The first one
    /// counts.
    pub fn tell_events_to(self: &Arc<Self>, listeners: Listeners) {
        if self.listeners.set(listeners).is_ok() {
            self.spawn(crate::notifications::run(Arc::clone(self)));
        }
    }

    /// What events are told to.
    ///
    /// # Errors
    /// `NotImplemented`, on a platform without functions, queues and topics.
    pub(crate) fn listeners(&self) -> Result<&Listeners> {
        self.listeners.get().ok_or_else(|| {
            let message = "There is nothing here that events could be sent to.";
            Error::client("NotImplemented", 501, message)
        })
    }

    /// Rings for events that a transaction wrote down, once it is committed.
    pub(crate) fn tell(&self, told: bool) {
        if told {
            self.told.notify_one();
        }
    }

    /// Whether an object or an unfinished upload needs the blob: what the collector of blobs has to ask.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn uses_blob(&self, id: &BlobId) -> Result<bool> {
        let uses = keys::below(keys::blob_uses(id));
        let page = self.snapshot().await?.scan(uses, Direction::Forward, 1).await?;
        Ok(!page.entries.is_empty())
    }

    /// Runs `task` for as long as the service does.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Waits until the service is being drained.
    pub(crate) async fn stopped(&self) {
        // The sender lives as long as `self`, so the wait only ends with the signal.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot> {
        Ok(self.store.snapshot().await?)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The bucket of a request: **every** operation on a bucket comes through here.
    ///
    /// `expected_owner` is `x-amz-expected-bucket-owner`.
    ///
    /// # Errors
    /// `NoSuchBucket`, `InvalidBucketOwnerAWSAccountID`, `AccessDenied` when it is not the expected owner's. Whether the caller
    /// may is decided before, by the authorizer ([`Authority`](crate::Authority)).
    pub(crate) async fn bucket(
        &self,
        view: &impl View,
        _context: &RequestContext,
        name: &str,
        expected_owner: Option<&str>,
    ) -> Result<Bucket> {
        if let Some(expected) = expected_owner
            && expected.parse::<danbi_core::AccountId>().is_err()
        {
            return Err(self.options.dialect.no_such_owner(expected));
        }
        let bucket: Option<Bucket> = match name.len() {
            // A name that no bucket can have may not even be a key of the store.
            0..=255 => view.record(&keys::bucket(name)).await?,
            _ => None,
        };
        let bucket = bucket.ok_or_else(|| Error::no_such_bucket(name))?;
        if expected_owner.is_some_and(|expected| expected != bucket.owner) {
            return Err(Error::access_denied());
        }
        Ok(bucket)
    }

    /// A version id of a request, when it can be one.
    ///
    /// # Errors
    /// `InvalidArgument` (`Invalid version id specified`).
    pub(crate) fn version_id(text: &str) -> Result<WhichVersion> {
        if text == "null" {
            return Ok(WhichVersion::Null);
        }
        text.parse()
            .map(WhichVersion::Id)
            .map_err(|_| Error::invalid_version_id(text))
    }
}

/// A version as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhichVersion {
    /// The one written while the bucket kept no versions.
    Null,
    Id(VersionId),
}
