use crate::code::{CodeCache, Downloads};
use crate::concurrency::Concurrency;
use crate::departures::Reach;
use crate::measured::Measured;
use crate::names::{FunctionId, FunctionRef, Qualifier};
use crate::records::{Function, Read, Version};
use crate::{Error, keys};
use async_trait::async_trait;
use danbi_blobs::{BlobId, Blobs};
use danbi_core::{Api, Arn, Authorizer, Body, Clock, MetricSink, ObjectSource};
use danbi_outbox::Outbox;
use danbi_runtime::{FunctionSpec, Invocation, Outcome, Provisioned, Runtime, RuntimeError, StreamingOutcome};
use danbi_store::{Snapshot, Store};
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Runs a version's events. The seam between the Lambda API and the execution environments, so that one can be tested
/// without the other; implemented by [`Runtime`].
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    /// See [`Runtime::invoke`].
    async fn invoke(&self, spec: Arc<FunctionSpec>, invocation: Invocation) -> Result<Outcome, RuntimeError>;
    /// See [`Runtime::invoke_streaming`].
    async fn invoke_streaming(
        &self,
        spec: Arc<FunctionSpec>,
        invocation: Invocation,
    ) -> Result<StreamingOutcome, RuntimeError>;
    /// See [`Runtime::http`].
    async fn http(
        &self,
        spec: Arc<FunctionSpec>,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, RuntimeError>;
    /// See [`Runtime::retire`].
    fn retire(&self, function_arn: &str);
    /// See [`Runtime::is_warm`].
    fn is_warm(&self, function_arn: &str) -> bool;
    /// See [`Runtime::anticipate`].
    fn anticipate(&self, spec: Arc<FunctionSpec>);
    /// See [`Runtime::keep`].
    fn keep(&self, wanted: Vec<(Arc<FunctionSpec>, u32)>);
    /// See [`Runtime::kept`].
    fn kept(&self, function_arn: &str) -> Option<Provisioned>;
    /// See [`Runtime::snapshot`].
    async fn snapshot(&self, spec: Arc<FunctionSpec>) -> danbi_runtime::Snapshot;
}

#[async_trait]
impl Executor for Runtime {
    async fn invoke(&self, spec: Arc<FunctionSpec>, invocation: Invocation) -> Result<Outcome, RuntimeError> {
        Self::invoke(self, spec, invocation).await
    }
    async fn invoke_streaming(
        &self,
        spec: Arc<FunctionSpec>,
        invocation: Invocation,
    ) -> Result<StreamingOutcome, RuntimeError> {
        Self::invoke_streaming(self, spec, invocation).await
    }
    async fn http(
        &self,
        spec: Arc<FunctionSpec>,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, RuntimeError> {
        Self::http(self, spec, request).await
    }
    fn retire(&self, function_arn: &str) {
        Self::retire(self, function_arn);
    }
    fn is_warm(&self, function_arn: &str) -> bool {
        Self::is_warm(self, function_arn)
    }
    fn anticipate(&self, spec: Arc<FunctionSpec>) {
        Self::anticipate(self, spec);
    }
    fn keep(&self, wanted: Vec<(Arc<FunctionSpec>, u32)>) {
        Self::keep(self, wanted);
    }
    fn kept(&self, function_arn: &str) -> Option<Provisioned> {
        Self::kept(self, function_arn)
    }
    async fn snapshot(&self, spec: Arc<FunctionSpec>) -> danbi_runtime::Snapshot {
        Self::snapshot(self, spec).await
    }
}

/// Bounds and delays of the service.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where unpacked code is kept (`DATA/cache`).
    pub cache_dir: PathBuf,
    /// Concurrent executions of an account's region, reserved ones included.
    pub account_concurrency: u32,
    /// How much of it must stay unreserved.
    pub unreserved_minimum: u32,
    /// How long a call waits for a function that is being prepared before it answers as AWS does at once.
    pub patience: Duration,
    /// The waits before the first and the second retry of an asynchronous invocation that failed.
    pub retry_delays: [Duration; 2],
    /// How long a queued event waits for an invocation of its function to end before it counts as throttled.
    pub throttle_patience: Duration,
    /// The first wait of an asynchronous invocation that was throttled; it doubles, up to [`Options::throttle_delay_max`].
    pub throttle_delay: Duration,
    /// The longest wait between two throttled attempts.
    pub throttle_delay_max: Duration,
    /// How long a claim on a queued invocation holds without being renewed; after a crash another node takes over then.
    pub lease: Duration,
    /// Whether nobody else can have the store open: then claims found at start are nobody's, and work goes on at once.
    pub sole_node: bool,
    /// Queued invocations under way at once on this node.
    pub async_at_once: usize,
    /// The first pause after a batch of a stream failed; it doubles, up to a minute.
    pub source_retry: Duration,
    /// How often unreferenced code is looked for.
    pub collect_every: Duration,
    /// How long an unpacked copy that nobody refers to any more is kept, for environments that still run from it: longer
    /// than the longest event.
    pub code_grace: Duration,
    /// How destinations that are no functions are told, and told again.
    pub departures: danbi_outbox::Options,
}

impl Options {
    /// AWS's delays and limits, for a node that has its store to itself.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            account_concurrency: 1000,
            unreserved_minimum: 100,
            patience: Duration::from_secs(5),
            retry_delays: [Duration::from_secs(60), Duration::from_secs(120)],
            throttle_patience: Duration::from_secs(30),
            throttle_delay: Duration::from_secs(1),
            throttle_delay_max: Duration::from_secs(300),
            lease: Duration::from_secs(30),
            sole_node: true,
            async_at_once: 256,
            source_retry: Duration::from_secs(1),
            collect_every: Duration::from_secs(600),
            code_grace: Duration::from_secs(3600),
            departures: danbi_outbox::Options::default(),
        }
    }
}

/// What the service is built of.
pub struct Parts {
    /// Where its records are.
    pub store: Store,
    /// Where its archives are.
    pub blobs: Blobs,
    /// What runs the functions.
    pub executor: Arc<dyn Executor>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who may do what, for the doors that do not go through the wire (function URLs, other services).
    pub authorizer: Arc<dyn Authorizer>,
    /// Where code named by bucket and key comes from; without it such requests are refused.
    pub objects: Option<Arc<dyn ObjectSource>>,
    /// How destinations that are no functions are reached; without it they are refused.
    pub reach: Option<Reach>,
    /// Who is told what functions did; without it nobody is.
    pub metrics: Option<Arc<dyn MetricSink>>,
    /// Bounds and delays.
    pub options: Options,
}

/// The Lambda service: its state, which is all in the store, and what it needs to work.
pub struct Lambda {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) code: CodeCache,
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) objects: Option<Arc<dyn ObjectSource>>,
    /// The platform's API: the streams of event source mappings.
    pub(crate) api: Option<Arc<dyn Api>>,
    pub(crate) metrics: Option<Arc<dyn MetricSink>>,
    /// What waits to be sent to destinations that are no functions.
    pub(crate) outbox: Arc<Outbox>,
    /// Whether there are such destinations.
    pub(crate) reaches: bool,
    pub(crate) options: Options,
    pub(crate) downloads: Downloads,
    pub(crate) concurrency: Concurrency,
    /// Counts finished preparations, so that whoever waits for one looks again.
    pub(crate) prepared: watch::Sender<u64>,
    /// Rung when something was queued.
    pub(crate) queued: Notify,
    /// Rung when an event source mapping was made, changed or deleted.
    pub(crate) mappings_changed: Notify,
    /// Rung when what is to be kept initialised may have changed.
    pub(crate) provisions: Notify,
    stopping: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl std::fmt::Debug for Lambda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lambda")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Lambda {
    /// Opens the cache, takes up what a crash or a stop left unfinished, and starts the queue and the collector.
    /// Must be called inside a tokio runtime.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, Error> {
        let Parts {
            store,
            blobs,
            executor,
            clock,
            authorizer,
            objects,
            reach,
            metrics,
            options,
        } = parts;
        let api = reach.as_ref().map(|reach| Arc::clone(&reach.api));
        let outbox = Outbox::new(store.clone(), clock.clone(), "lambda", options.departures.clone());
        let executor = match &metrics {
            Some(metrics) => Arc::new(Measured::new(executor, Arc::clone(metrics), Arc::clone(&clock))) as _,
            None => executor,
        };
        let (cache_dir, cache_blobs, grace) = (options.cache_dir.clone(), blobs.clone(), options.code_grace);
        let code = tokio::task::spawn_blocking(move || CodeCache::open(&cache_dir, cache_blobs, grace));
        let code = code.await.map_err(Error::internal)??;
        let downloads = Downloads::open(&store, blobs.clone(), clock.clone()).await?;
        let lambda = Arc::new(Self {
            store,
            blobs,
            code,
            executor,
            clock,
            authorizer,
            objects,
            api,
            metrics,
            outbox,
            reaches: reach.is_some(),
            downloads,
            concurrency: Concurrency::new(options.account_concurrency),
            prepared: watch::Sender::new(0),
            queued: Notify::new(),
            mappings_changed: Notify::new(),
            provisions: Notify::new(),
            stopping: watch::Sender::new(false),
            tasks: Mutex::default(),
            options,
        });
        lambda.resume_preparations().await?;
        lambda.resume_snapshots().await?;
        if lambda.options.sole_node {
            lambda.release_claims().await?;
        }
        lambda.spawn(lambda.clone().dispatch_queue());
        if lambda.api.is_some() {
            lambda.spawn(lambda.clone().poll_event_sources());
        }
        lambda.spawn(lambda.clone().collect_unused());
        lambda.spawn(lambda.clone().keep_provisioned());
        if let Some(reach) = reach {
            lambda.spawn(lambda.outbox.clone().run(Arc::new(reach)));
        }
        Ok(lambda)
    }

    /// Ends the background work: nothing more is taken from the queue; waits at most `deadline` for what is under way.
    /// What is cut off is taken up at the next start.
    pub async fn drain(&self, deadline: Duration) {
        self.stopping.send_replace(true);
        self.outbox.stop();
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let finished = tokio::time::timeout(deadline, async { while tasks.join_next().await.is_some() {} });
        if finished.await.is_err() {
            tracing::warn!(
                left = tasks.len(),
                "background work of lambda was cut off; it goes on at the next start"
            );
            tasks.shutdown().await;
        }
    }

    /// Serves `Code.Location`; for the gateway.
    pub fn downloads(&self) -> &Downloads {
        &self.downloads
    }

    /// Whether one of this service's records refers to the blob: what the collector of blobs has to ask.
    pub async fn uses_blob(&self, id: &BlobId) -> Result<bool, Error> {
        self.store
            .snapshot()
            .await?
            .any(keys::below(&keys::blob_uses(&id.to_string())))
            .await
    }

    /// Runs `task` for as long as the service does; [`Lambda::drain`] waits for it.
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

    pub(crate) async fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(self.store.snapshot().await?)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now().as_millis()
    }
}

/// A function's version, as a request addressed it.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub function: Function,
    pub version: Version,
    /// The ARN as the request means it: unqualified, with the version, or with the alias.
    pub arn: Arn,
}

/// Finds what `reference` means: `$LATEST`, a version, or the version that an alias points to first.
pub(crate) async fn resolve(view: &impl Read, reference: &FunctionRef) -> Result<Resolved, Error> {
    let missing = || Error::function_not_found(reference.arn());
    let function = view.function(&reference.id).await?.ok_or_else(missing)?;
    let number = match &reference.qualifier {
        None | Some(Qualifier::Latest) => None,
        Some(Qualifier::Version(number)) => Some(*number),
        Some(Qualifier::Alias(name)) => {
            let alias = view
                .record::<crate::records::Alias>(&keys::alias(&reference.id, name))
                .await?
                .ok_or_else(missing)?;
            alias.version.parse().ok()
        }
        Some(Qualifier::Unknown(_)) => return Err(missing()),
    };
    let version = match number {
        None => function.latest.clone(),
        Some(number) => version(view, &reference.id, number).await?.ok_or_else(missing)?,
    };
    Ok(Resolved {
        function,
        version,
        arn: reference.arn(),
    })
}

/// A published version's record.
pub(crate) async fn version(view: &impl Read, id: &FunctionId, number: u64) -> Result<Option<Version>, Error> {
    view.record(&keys::version(id, number)).await
}
