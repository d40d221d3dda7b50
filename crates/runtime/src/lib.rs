//! Execution environments: what runs a function's code, from the first event to the last.
//!
//! It gives each event to a warm environment of the function's revision, or starts one in a [`danbi_sandbox`] sandbox;
//! speaks the Lambda Runtime API (2018-06-01) with the process inside, so that AWS's own runtime interface clients run
//! unmodified; writes the function's log the way AWS does; and ends what overstays. HTTP-server apps run in the same
//! sandboxes and are proxied to.
//!
//! It promises: one event at a time in an environment; an environment is never shared by two revisions; nothing runs
//! between events; every bound in [`Options`] holds; what a function prints costs bounded memory. It never stores
//! anything, never decides who may invoke, and never queues an event: with no room it says [`RuntimeError::NoCapacity`].

mod error;
mod function;
mod invocation;
mod options;
mod status;

pub use error::RuntimeError;
pub use function::{FunctionSpec, LogFormat, LogLevel, LogLevelError};
pub use invocation::{Invocation, Outcome, StreamEnd, StreamingOutcome, Usage};
pub use options::{Options, PlatformDoor};
pub use status::{EnvironmentState, EnvironmentStatus};

use danbi_core::{Body, Clock, LogSink, RoleCredentials};
use std::sync::Arc;
use std::time::Duration;

/// A cheap handle to all execution environments of this machine.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<()>,
}

impl Runtime {
    /// Starts without any environment. Must be called inside a tokio runtime; `launcher` was started before it.
    pub fn start(
        _options: Options,
        _launcher: Arc<Launcher>,
        _logs: Arc<dyn LogSink>,
        _roles: Arc<dyn RoleCredentials>,
        _clock: Arc<dyn Clock>,
    ) -> Self {
        Self { inner: Arc::new(()) }
    }

    /// Gives one event to an environment of `spec`'s revision and waits for the answer. Dropping the future does not
    /// stop the function: the event runs to its end, as AWS's does.
    pub async fn invoke(&self, _spec: Arc<FunctionSpec>, _invocation: Invocation) -> Result<Outcome, RuntimeError> {
        let _ = &self.inner;
        Err(RuntimeError::Draining)
    }

    /// The same, with the answer in pieces as the function writes them.
    pub async fn invoke_streaming(
        &self,
        _spec: Arc<FunctionSpec>,
        _invocation: Invocation,
    ) -> Result<StreamingOutcome, RuntimeError> {
        Err(RuntimeError::Draining)
    }

    /// Sends one request to an HTTP-server app (a function with `DANBI_HTTP_COMMAND`), starting it when none runs.
    /// An `Upgrade` (WebSocket) is carried through: `request` must come from hyper with its upgrade extension.
    pub async fn http(
        &self,
        _spec: Arc<FunctionSpec>,
        _request: http::Request<Body>,
    ) -> Result<http::Response<Body>, RuntimeError> {
        Err(RuntimeError::Draining)
    }

    /// Ends the environments of every version of the function with this unqualified ARN, or of one version when the
    /// ARN is qualified: idle ones now, busy ones after their event.
    pub fn retire(&self, _function_arn: &str) {}

    /// Takes no more events, waits at most `deadline` for those under way, then ends every environment.
    pub async fn drain(&self, _deadline: Duration) {}

    /// Every environment there is.
    pub fn environments(&self) -> Vec<EnvironmentStatus> {
        Vec::new()
    }
}

/// Stands for `danbi_sandbox::Launcher` until that crate compiles.
pub struct Launcher;
