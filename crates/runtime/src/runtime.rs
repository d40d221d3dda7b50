use crate::ahead::Ahead;
use crate::counts::{Counts, StartCounts};
use crate::environment::{Finished, First, Host, Job, Purpose, Reply, Streaming, start};
use crate::pool::{Pool, Slot};
use crate::program::{Bootstraps, Interpreters};
use crate::runtime_api::MAX_PAYLOAD;
use crate::templates::{Made, Templates};
use crate::workers::Workers;
use crate::{
    EnvironmentChoice, EnvironmentStatus, FunctionSpec, Invocation, Options, Outcome, Provisioned, RuntimeError,
    Snapshot, StreamEnd, StreamingOutcome, http_app, streaming,
};
use bytes::BytesMut;
use danbi_core::{Body, Clock, LogSink, RoleCredentials};
use danbi_sandbox::Launcher;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How often an event is given to another environment because the one before ended without having seen it.
const MAX_RETURNS: usize = 5;
/// How long environments may take to end once nothing runs in them.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A cheap handle to all execution environments of this machine. They end when the last handle is dropped.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

struct Shared {
    host: Arc<Host>,
    apps: http_app::Apps,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.host.ahead.close();
        self.host.workers.close();
        self.host.templates.close();
        self.host.pool.abort_all();
    }
}

impl Runtime {
    /// Starts without any environment; writes the language bootstraps into `options.bootstrap_dir`. Must be called
    /// inside a tokio runtime; `launcher` was started before it.
    ///
    /// # Errors
    /// [`RuntimeError::Sandbox`] when the bootstraps cannot be written.
    pub fn start(
        options: Options,
        launcher: Arc<Launcher>,
        logs: Arc<dyn LogSink>,
        roles: Arc<dyn RoleCredentials>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RuntimeError> {
        let certificates = options.platform.as_ref().and_then(|door| door.certificates());
        let bootstraps = Bootstraps::write(&options.bootstrap_dir, certificates).map_err(|error| {
            RuntimeError::Sandbox(format!("cannot write {}: {error}", options.bootstrap_dir.display()))
        })?;
        let host = Arc::new(Host {
            pool: Pool::new(&options),
            options,
            launcher,
            sink: logs,
            roles,
            clock,
            bootstraps: Arc::new(bootstraps),
            interpreters: Arc::new(Interpreters::default()),
            templates: Templates::new(),
            workers: Workers::default(),
            ahead: Ahead::default(),
            counts: Counts::default(),
        });
        let apps = http_app::Apps::new(host.clone());
        Ok(Self {
            shared: Arc::new(Shared { host, apps }),
        })
    }

    /// Gives one event to an environment of `spec`'s revision and waits for the answer. Dropping the future does not
    /// stop the function: the event runs to its end, as AWS's does. For an HTTP-server app the event is an API Gateway
    /// v2 request, answered with the v2 response.
    ///
    /// # Errors
    /// Only when the event reached no function; see [`RuntimeError`].
    pub async fn invoke(&self, spec: Arc<FunctionSpec>, invocation: Invocation) -> Result<Outcome, RuntimeError> {
        if spec.http_command().is_some() {
            return self.shared.apps.invoke(spec, invocation).await;
        }
        match self.give(&spec, invocation).await? {
            Given::Done(finished) => Ok(outcome(finished)),
            Given::Streaming(streaming) => collect(streaming).await,
        }
    }

    /// The same, with the answer in pieces as the function writes them.
    ///
    /// # Errors
    /// As [`Self::invoke`].
    pub async fn invoke_streaming(
        &self,
        spec: Arc<FunctionSpec>,
        invocation: Invocation,
    ) -> Result<StreamingOutcome, RuntimeError> {
        if spec.http_command().is_some() {
            return Ok(streaming::whole(self.shared.apps.invoke(spec, invocation).await?));
        }
        match self.give(&spec, invocation).await? {
            Given::Done(finished) => Ok(streaming::whole(outcome(finished))),
            Given::Streaming(answer) => Ok(streaming::pieces(answer).await),
        }
    }

    /// Sends one request to an HTTP-server app (a function with `DANBI_HTTP_COMMAND`), starting it when none runs.
    /// An `Upgrade` (WebSocket) is carried through: `request` must come from hyper with its upgrade extension.
    ///
    /// # Errors
    /// [`RuntimeError::App`] (502) with the reason when the app does not start or breaks off before its answer.
    pub async fn http(
        &self,
        spec: Arc<FunctionSpec>,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, RuntimeError> {
        if spec.http_command().is_none() {
            return Err(RuntimeError::Mode(
                "the function is not an HTTP-server app: DANBI_HTTP_COMMAND is not set",
            ));
        }
        self.shared.apps.request(spec, request).await
    }

    /// Ends the environments of every version of the function with this unqualified ARN, or of one version when the
    /// ARN is qualified: idle ones now, busy ones after their event.
    pub fn retire(&self, function_arn: &str) {
        self.shared.host.templates.retire(function_arn);
        self.shared.host.pool.retire(function_arn);
    }

    /// Takes no more events, waits at most `deadline` for those under way, then ends every environment.
    pub async fn drain(&self, deadline: Duration) {
        let pool = &self.shared.host.pool;
        self.shared.host.ahead.close();
        self.shared.host.workers.close();
        self.shared.host.templates.close();
        pool.close();
        if tokio::time::timeout(deadline, pool.emptied()).await.is_err() {
            pool.abort_all();
            if tokio::time::timeout(END_LIMIT, pool.emptied()).await.is_err() {
                tracing::warn!("some environments did not end in time");
            }
        }
    }

    /// How many function versions have a template, of which their next environments are forked.
    pub fn templates(&self) -> usize {
        self.shared.host.templates.count()
    }

    /// How many Node.js processes wait for a function.
    pub fn workers(&self) -> usize {
        self.shared.host.workers.count()
    }

    /// How environments began since the start, and what became of templates.
    pub fn counts(&self) -> StartCounts {
        self.shared.host.counts.read()
    }

    /// Whether an environment or a template of this version, by its qualified ARN, is there: an event would be spared a
    /// cold start.
    pub fn is_warm(&self, function_arn: &str) -> bool {
        let host = &self.shared.host;
        host.pool.has(function_arn) || host.templates.has(function_arn)
    }

    /// Starts an environment of `spec` that waits for events as one does after its last, with whatever that brings (a
    /// template, workers). Returns at once; what cannot be started is started by the event that needs it.
    pub fn anticipate(&self, spec: Arc<FunctionSpec>) {
        let host = &self.shared.host;
        if spec.http_command().is_some() || host.pool.count(&Pool::key(&spec)).0 > 0 {
            return;
        }
        let (done, _) = oneshot::channel();
        let purpose = Purpose::Ahead {
            provisioned: false,
            done,
        };
        if let Err(error) = start(host, spec, purpose) {
            tracing::debug!(%error, "no environment was started ahead");
        }
    }

    /// Keeps as many environments initialised as are said for each version, whatever was said before; versions that are
    /// not named are kept no longer. What has ended is replaced.
    pub fn keep(&self, wanted: Vec<(Arc<FunctionSpec>, u32)>) {
        Ahead::keep(&self.shared.host, wanted);
    }

    /// How far [`Self::keep`] has come with a version, by its qualified ARN; `None` when it is not kept.
    pub fn kept(&self, function_arn: &str) -> Option<Provisioned> {
        let host = &self.shared.host;
        host.ahead.status(&host.pool, function_arn)
    }

    /// Makes a template of `spec` now, however quickly it initialises, and says what came of it; bounded by a minute or
    /// the function's own time-out.
    pub async fn snapshot(&self, spec: Arc<FunctionSpec>) -> Snapshot {
        match Templates::make(&self.shared.host, &spec).await {
            Made::Ready => Snapshot::Taken,
            Made::Unfit(reason) => Snapshot::Unfit(reason),
            Made::InitFailed(reason) => Snapshot::InitFailed(reason),
            Made::TimedOut => Snapshot::TimedOut,
            Made::Machine(reason) => Snapshot::Unavailable(reason),
        }
    }

    /// Every environment there is.
    pub fn environments(&self) -> Vec<EnvironmentStatus> {
        self.shared.host.pool.statuses()
    }

    async fn give(&self, spec: &Arc<FunctionSpec>, invocation: Invocation) -> Result<Given, RuntimeError> {
        let host = &self.shared.host;
        let key = Pool::key(spec);
        let mut slot = host.pool.enter(spec)?;
        let mut invocation = invocation;
        let margin = i64::try_from(host.options.credentials_margin.as_millis()).unwrap_or(i64::MAX);
        for attempt in 0..=MAX_RETURNS {
            let (reply, answered) = oneshot::channel();
            let until = host.clock.now().plus_millis(margin);
            // Those who come together shall find the environment that the first of them starts.
            let deciding = (spec.places() > 1).then(|| host.pool.decide());
            let free = match invocation.environment {
                EnvironmentChoice::Any => host.pool.take_idle(&key, until).or_else(|| {
                    // Whoever was given back once does not wait for another one's start.
                    let joins = spec.places() > 1 && attempt == 0;
                    joins.then(|| host.pool.join(&key, spec.places()))?
                }),
                EnvironmentChoice::Fresh | EnvironmentChoice::New => None,
            };
            match free {
                Some(handle) => {
                    host.counts.warm();
                    let jobs = handle.jobs.clone();
                    if let Err(refused) = jobs.try_send(Job {
                        invocation,
                        slot,
                        handle,
                        reply,
                    }) {
                        (invocation, slot) = taken_back(refused);
                        continue;
                    }
                }
                None => start(
                    host,
                    spec.clone(),
                    Purpose::Event(Box::new(First {
                        invocation,
                        slot,
                        reply,
                    })),
                )?,
            }
            drop(deciding);
            match answered.await {
                Ok(Reply::Done(finished)) => return Ok(Given::Done(finished)),
                Ok(Reply::Stream(streaming)) => return Ok(Given::Streaming(streaming)),
                Ok(Reply::Failed(error)) => return Err(error),
                Ok(Reply::Returned(again, same)) => (invocation, slot) = (again, same),
                Err(_) => {
                    return Err(RuntimeError::Sandbox(
                        "the execution environment was ended by the platform".into(),
                    ));
                }
            }
        }
        Err(RuntimeError::Sandbox(
            "execution environments keep ending before they take the event".into(),
        ))
    }
}

fn taken_back(refused: mpsc::error::TrySendError<Job>) -> (Invocation, Slot) {
    let Job { invocation, slot, .. } = refused.into_inner();
    (invocation, slot)
}

enum Given {
    Done(Finished),
    Streaming(Streaming),
}

fn outcome(finished: Finished) -> Outcome {
    let Finished {
        payload,
        error,
        log_tail,
        usage,
    } = finished;
    Outcome {
        payload,
        function_error: error.is_some().then_some("Unhandled"),
        log_tail,
        usage,
    }
}

/// A streamed answer for a caller who wants it whole.
async fn collect(mut streaming: Streaming) -> Result<Outcome, RuntimeError> {
    let mut payload = BytesMut::new();
    let mut too_large = false;
    while let Some(chunk) = streaming.chunks.recv().await {
        too_large |= payload.len() + chunk.len() > MAX_PAYLOAD;
        if !too_large {
            payload.extend_from_slice(&chunk);
        }
    }
    let StreamEnd {
        error_code,
        error_details,
        log_tail,
        usage,
    } = streaming
        .end
        .await
        .map_err(|_| RuntimeError::Sandbox("the execution environment was ended".into()))?;
    if error_code.is_some() {
        let payload = error_details.unwrap_or_default().into();
        return Ok(Outcome {
            payload,
            function_error: Some("Unhandled"),
            log_tail,
            usage,
        });
    }
    if too_large {
        let message = format!("Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes).");
        let document = serde_json::json!({ "errorType": "Function.ResponseSizeTooLarge", "errorMessage": message });
        let payload = document.to_string().into();
        return Ok(Outcome {
            payload,
            function_error: Some("Unhandled"),
            log_tail,
            usage,
        });
    }
    Ok(Outcome {
        payload: payload.freeze(),
        function_error: None,
        log_tail,
        usage,
    })
}
