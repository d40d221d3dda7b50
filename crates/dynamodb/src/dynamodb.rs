use crate::Error;
use crate::changes::Stamps;
use crate::items::queue::Queues;
use crate::items::throttle::Throttle;
use crate::items::token;
use crate::items::write::{Applied, Write};
use crate::jobs::{self, Jobs};
use crate::tables::catalog::Catalog;
use crate::tables::expiry;
use crate::tables::usage::UsageSums;
use danbi_core::{Api, Clock, PolicyLanguage};
use danbi_store::Store;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// What DynamoDB is made of.
pub struct Parts {
    /// Where tables and items are kept.
    pub store: Store,
    /// What time it is: time to live, tokens, streams.
    pub clock: Arc<dyn Clock>,
    /// Checks resource policies.
    pub policies: Option<Arc<dyn PolicyLanguage>>,
    /// The platform's API: S3, for exports and imports.
    pub api: Option<Arc<dyn Api>>,
    /// How it behaves.
    pub options: Options,
}

/// How DynamoDB behaves.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How often expired items are looked for, if not every 30 seconds.
    pub expire_every: Option<Duration>,
    /// How long stream records are kept, if not for 24 hours.
    pub stream_retention: Option<Duration>,
    /// How often old stream records are trimmed, if not every ten minutes.
    pub trim_every: Option<Duration>,
    /// Whether provisioned throughput binds.
    pub throttle: bool,
}

/// Amazon DynamoDB. Give [`DynamoDb::service`] and [`DynamoDb::streams_service`] to the wire.
pub struct DynamoDb {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    pub(crate) catalog: Catalog,
    pub(crate) policies: Option<Arc<dyn PolicyLanguage>>,
    pub(crate) api: Option<Arc<dyn Api>>,
    pub(crate) stamps: Stamps,
    pub(crate) usage: UsageSums,
    pub(crate) throttle: Option<Throttle>,
    pub(crate) jobs: Jobs,
    pub(crate) queues: Queues<Write, Applied>,
    tasks: Tasks,
}

/// The background work, aborted when its owner goes.
#[derive(Default)]
struct Tasks(Mutex<Vec<JoinHandle<()>>>);

impl Tasks {
    fn abort(&self) {
        // A panic elsewhere leaves a list behind that is whole.
        let tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.abort();
    }
}

impl DynamoDb {
    /// Takes up the work that was under way when the platform ended. Must be called within a Tokio runtime. End with
    /// [`DynamoDb::drain`].
    pub async fn start(parts: Parts) -> Result<Arc<Self>, Error> {
        let Parts {
            store,
            clock,
            policies,
            api,
            options,
        } = parts;
        let stamps = Stamps::new(Arc::clone(&clock));
        let throttle = options.throttle.then(|| Throttle::new(Arc::clone(&clock)));
        let expire_every = options.expire_every.unwrap_or(expiry::EVERY);
        let this = Arc::new(Self {
            store,
            clock,
            options,
            catalog: Catalog::default(),
            policies,
            api,
            stamps,
            usage: UsageSums::default(),
            throttle,
            jobs: Jobs::default(),
            queues: Queues::default(),
            tasks: Tasks::default(),
        });
        // Only now: a task that runs before the service is whole would find none, and end.
        *this.tasks.0.lock().unwrap_or_else(PoisonError::into_inner) = vec![
            tokio::spawn(token::sweep(Arc::downgrade(&this))),
            tokio::spawn(jobs::run(Arc::downgrade(&this))),
            tokio::spawn(jobs::upkeep(Arc::downgrade(&this))),
            tokio::spawn(expiry::run(Arc::downgrade(&this), expire_every)),
        ];
        Ok(this)
    }

    /// Ends the background work; requests must have been answered before.
    pub async fn drain(&self) {
        self.tasks.abort();
        if let Err(error) = self.store_usage().await {
            tracing::warn!(?error, "dynamodb: the last counts of items could not be stored");
        }
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }
}
