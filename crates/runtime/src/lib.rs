//! Execution environments: what runs a function's code, from the first event to the last.
//!
//! It gives each event to a warm environment of the function's revision, or starts one in a [`danbi_sandbox`] sandbox;
//! speaks the Lambda Runtime API (2018-06-01) with the process inside, so that AWS's own runtime interface clients run
//! unmodified; writes the function's log the way AWS does; and ends what overstays. HTTP-server apps run in the same
//! sandboxes and are proxied to.
//!
//! It promises: one event at a time in an environment, unless the function asks for more (`DANBI_CONCURRENCY`); an
//! environment is never shared by two revisions; nothing runs between events; every bound in [`Options`] holds; what a function prints costs bounded memory. It never stores
//! anything, never decides who may invoke, and never queues an event: with no room it says [`RuntimeError::NoCapacity`].

mod ahead;
mod counts;
mod dns;
mod environment;
mod error;
mod function;
mod http_app;
mod invocation;
mod lifecycle;
mod log;
mod options;
mod pool;
mod program;
mod runtime;
mod runtime_api;
mod status;
mod streaming;
mod templates;
mod workers;

pub use counts::StartCounts;
pub use error::RuntimeError;
pub use function::{FunctionSpec, LogFormat, LogLevel, LogLevelError, MAX_CONCURRENCY};
pub use invocation::{EnvironmentChoice, Invocation, Outcome, StreamEnd, StreamingOutcome, Usage};
pub use options::{MAX_DATABASE_PORTS, Options, PlatformDoor};
pub use runtime::Runtime;
pub use status::{EnvironmentState, EnvironmentStatus, ProvisionFailure, Provisioned, Snapshot};

#[cfg(test)]
fn test_spec() -> FunctionSpec {
    FunctionSpec {
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"
            .parse()
            .unwrap(),
        name: "f".into(),
        version: "$LATEST".into(),
        revision: "1".into(),
        scope: danbi_core::Scope::default(),
        runtime: "python3.13".into(),
        handler: "app.handler".into(),
        code_dir: "/nowhere".into(),
        layers_dir: None,
        environment: std::collections::BTreeMap::new(),
        role: "arn:aws:iam::000000000000:role/r".parse().unwrap(),
        memory_mib: 128,
        timeout: std::time::Duration::from_secs(3),
        ephemeral_storage_mib: 512,
        log_group: "/aws/lambda/f".into(),
        log_format: LogFormat::Text,
        application_log_level: None,
        system_log_level: None,
        tracing_active: false,
        max_concurrency: None,
    }
}
