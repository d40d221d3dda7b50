//! Tests of the service over a real store and real blobs; only what runs the functions is told what to say.

mod ahead;
mod functions;
mod invocations;
mod urls;

use crate::lambda::{Executor, Lambda, Options, Parts};
use crate::shapes::{CreateFunctionRequest, FunctionCode, FunctionConfiguration};
use crate::{Error, functions as api};
use async_trait::async_trait;
use bytes::Bytes;
use danbi_blobs::Blobs;
use danbi_core::{
    Access, Authorizer, Body, Principal, RequestContext, RequestId, Scope, ServiceError, SystemClock, full_body,
};
use danbi_runtime::{
    FunctionSpec, Invocation, Outcome, ProvisionFailure, Provisioned, RuntimeError, Snapshot, StreamEnd,
    StreamingOutcome, Usage,
};
use danbi_store::{EmbeddedOptions, Store};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Answers what it was told to, in order, then echoes; shows what it was given.
pub(crate) struct Actor {
    lines: Mutex<VecDeque<Outcome>>,
    seen: mpsc::UnboundedSender<(Arc<FunctionSpec>, Invocation)>,
    /// Invocations wait here when the test holds them back.
    gate: Semaphore,
    retired: Mutex<Vec<String>>,
    warm: Mutex<Vec<String>>,
    anticipated: Mutex<Vec<String>>,
    kept: Mutex<Vec<(String, u32)>>,
    fails_to_keep: Mutex<Option<ProvisionFailure>>,
    /// Snapshots wait here when the test holds them back.
    snapshots: Semaphore,
    snapshot_says: Mutex<Option<Snapshot>>,
}

#[async_trait]
impl Executor for Actor {
    async fn invoke(&self, spec: Arc<FunctionSpec>, invocation: Invocation) -> Result<Outcome, RuntimeError> {
        let payload = invocation.payload.clone();
        self.seen.send((spec, invocation)).ok();
        let _turn = self.gate.acquire().await;
        Ok(self
            .lines
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(|| said(payload, None)))
    }
    async fn invoke_streaming(
        &self,
        spec: Arc<FunctionSpec>,
        invocation: Invocation,
    ) -> Result<StreamingOutcome, RuntimeError> {
        let outcome = self.invoke(spec, invocation).await?;
        let (sender, end) = oneshot::channel();
        let failed = outcome.function_error.is_some();
        let error_code = outcome.function_error.map(Into::into);
        sender
            .send(StreamEnd {
                error_code,
                ..StreamEnd::default()
            })
            .ok();
        Ok(StreamingOutcome {
            content_type: "text/plain".into(),
            prelude: Some(Bytes::from_static(b"{\"statusCode\":201,\"cookies\":[\"a=1\"]}")),
            body: full_body(outcome.payload),
            failed,
            end,
        })
    }
    async fn http(
        &self,
        _: Arc<FunctionSpec>,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, RuntimeError> {
        let forwarded = request.headers()["x-forwarded-for"].clone();
        Ok(http::Response::builder()
            .header("x-seen", forwarded)
            .body(request.into_body())
            .unwrap())
    }
    fn retire(&self, function_arn: &str) {
        self.retired.lock().unwrap().push(function_arn.into());
    }
    fn is_warm(&self, function_arn: &str) -> bool {
        self.warm.lock().unwrap().iter().any(|warm| warm == function_arn)
    }
    fn anticipate(&self, spec: Arc<FunctionSpec>) {
        self.anticipated.lock().unwrap().push(spec.function_arn.to_string());
    }
    fn keep(&self, wanted: Vec<(Arc<FunctionSpec>, u32)>) {
        let kept = wanted
            .into_iter()
            .map(|(spec, count)| (spec.function_arn.to_string(), count));
        *self.kept.lock().unwrap() = kept.collect();
    }
    fn kept(&self, function_arn: &str) -> Option<Provisioned> {
        let kept = self.kept.lock().unwrap();
        let (_, count) = kept.iter().find(|(arn, _)| arn == function_arn)?;
        let failure = self.fails_to_keep.lock().unwrap().clone();
        Some(Provisioned {
            requested: *count,
            allocated: if failure.is_some() { 0 } else { *count },
            failure,
        })
    }
    async fn snapshot(&self, _: Arc<FunctionSpec>) -> Snapshot {
        let _turn = self.snapshots.acquire().await;
        let said = self.snapshot_says.lock().unwrap().clone();
        said.unwrap_or(Snapshot::Taken)
    }
}

fn said(payload: impl Into<Bytes>, function_error: Option<&'static str>) -> Outcome {
    Outcome {
        payload: payload.into(),
        function_error,
        log_tail: None,
        usage: Usage::default(),
    }
}

/// Lets everyone do everything but those who sign nothing.
struct Gatekeeper;

#[async_trait]
impl Authorizer for Gatekeeper {
    async fn authorize(&self, context: &RequestContext, access: &Access) -> Result<(), ServiceError> {
        let open = access
            .conditions
            .get("lambda:FunctionUrlAuthType")
            .is_some_and(|kinds| kinds == &["NONE"]);
        if context.principal == Principal::Anonymous && !open {
            return Err(ServiceError::client("AccessDeniedException", 403, "no"));
        }
        Ok(())
    }
}

/// A service over a folder of its own, which can be stopped and started again.
pub(crate) struct Stage {
    dir: tempfile::TempDir,
    pub lambda: Arc<Lambda>,
    pub actor: Arc<Actor>,
    pub seen: mpsc::UnboundedReceiver<(Arc<FunctionSpec>, Invocation)>,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self::open_in(tempfile::tempdir().unwrap()).await
    }

    async fn open_in(dir: tempfile::TempDir) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let actor = Arc::new(Actor {
            lines: Mutex::default(),
            seen: sender,
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            retired: Mutex::default(),
            warm: Mutex::default(),
            anticipated: Mutex::default(),
            kept: Mutex::default(),
            fails_to_keep: Mutex::default(),
            snapshots: Semaphore::new(Semaphore::MAX_PERMITS),
            snapshot_says: Mutex::default(),
        });
        let options = Options {
            account_concurrency: 200,
            patience: Duration::from_secs(30),
            retry_delays: [Duration::from_millis(20), Duration::from_millis(40)],
            throttle_patience: Duration::from_millis(200),
            throttle_delay: Duration::from_millis(20),
            ..Options::new(dir.path().join("cache"))
        };
        let lambda = Lambda::start(Parts {
            store: Store::open_embedded(&dir.path().join("store"), EmbeddedOptions::default()).unwrap(),
            blobs: Blobs::open(&dir.path().join("blobs")).await.unwrap(),
            executor: actor.clone(),
            clock: Arc::new(SystemClock),
            authorizer: Arc::new(Gatekeeper),
            objects: None,
            reach: None,
            metrics: None,
            options,
        });
        Self {
            dir,
            lambda: lambda.await.unwrap(),
            actor,
            seen,
        }
    }

    /// Stops without waiting for anything, as a crash would, and starts again on the same folder.
    pub(crate) async fn crash(self) -> Self {
        self.lambda.drain(Duration::ZERO).await;
        self.lambda.store.close().await;
        let dir = self.dir;
        drop(self.lambda);
        Self::open_in(dir).await
    }

    /// What the next invocations are answered.
    pub(crate) fn says(&self, payload: &'static str, function_error: Option<&'static str>) {
        self.actor
            .lines
            .lock()
            .unwrap()
            .push_back(said(payload, function_error));
    }

    /// The next invocation.
    pub(crate) async fn next(&mut self) -> (Arc<FunctionSpec>, Invocation) {
        tokio::time::timeout(Duration::from_secs(60), self.seen.recv())
            .await
            .expect("an invocation")
            .unwrap()
    }

    pub(crate) async fn create(&self, name: &str) -> Result<FunctionConfiguration, Error> {
        self.create_with(CreateFunctionRequest {
            function_name: name.into(),
            ..request()
        })
        .await
    }

    pub(crate) async fn create_with(&self, input: CreateFunctionRequest) -> Result<FunctionConfiguration, Error> {
        api::create(self.lambda.clone(), context(), input).await
    }
}

/// A request to create a function with one file.
pub(crate) fn request() -> CreateFunctionRequest {
    let archive = crate::code::tests::zip(&[("index.py", 0o644, b"def handler(event, context): pass")]);
    CreateFunctionRequest {
        code: FunctionCode {
            zip_file: Some(archive.into()),
            ..FunctionCode::default()
        },
        role: "arn:aws:iam::000000000000:role/r".into(),
        runtime: Some("python3.12".into()),
        handler: Some("index.handler".into()),
        ..CreateFunctionRequest::default()
    }
}

/// The root of the default account, on a local platform.
pub(crate) fn context() -> RequestContext {
    RequestContext {
        request_id: RequestId::new(),
        scope: Scope::default(),
        principal: Principal::Root(Scope::default().account),
        source_ip: [127, 0, 0, 1].into(),
        secure: false,
        host: "127.0.0.1:4566".into(),
        user_agent: String::new(),
        facts: Default::default(),
    }
}

/// The message of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}
