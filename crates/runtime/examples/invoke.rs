//! Runs a function from a folder and shows its answer, its log and what the events took.
//!
//! `cargo run -p danbi-runtime --example invoke -- RUNTIME HANDLER FOLDER [EVENT] [TIMES]`, with `NAME=VALUE` variables
//! of the function taken from those of this process that begin with `FN_`.

use async_trait::async_trait;
use danbi_core::{
    Arn, LogEvent, LogSink, LogStreamName, RequestId, RoleCredentials, Scope, SecretKey, ServiceError,
    SessionCredentials, SystemClock, Timestamp,
};
use danbi_runtime::{FunctionSpec, Invocation, LogFormat, Options, Runtime};
use danbi_sandbox::{Launcher, LauncherOptions};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Stderr;

impl LogSink for Stderr {
    fn write(&self, _: &LogStreamName, events: Vec<LogEvent>) {
        if std::env::var_os("QUIET").is_none() {
            events.iter().for_each(|event| eprintln!("    | {}", event.message));
        }
    }
}

struct NoRights;

#[async_trait]
impl RoleCredentials for NoRights {
    async fn assume(&self, _: &Arn, _: &str) -> Result<SessionCredentials, ServiceError> {
        Ok(SessionCredentials {
            access_key_id: "ASIAEXAMPLE".into(),
            secret: SecretKey::new("none"),
            session_token: "none".into(),
            expires: Timestamp::from_millis(i64::MAX),
            warning: None,
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    danbi_sandbox::run_launcher_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [runtime, handler, folder, rest @ ..] = arguments.as_slice() else {
        return Err("usage: invoke RUNTIME HANDLER FOLDER [EVENT] [TIMES]".into());
    };
    let event = rest.first().map_or("{}", String::as_str).to_owned();
    let times: usize = rest.get(1).map_or(Ok(1), |text| text.parse())?;
    let spec = Arc::new(FunctionSpec {
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:try:$LATEST".parse()?,
        name: "try".into(),
        version: "$LATEST".into(),
        revision: "1".into(),
        scope: Scope::default(),
        runtime: runtime.clone(),
        handler: handler.clone(),
        code_dir: std::fs::canonicalize(folder)?,
        layers_dir: None,
        environment: std::env::vars()
            .filter_map(|(k, v)| Some((k.strip_prefix("FN_")?.to_owned(), v)))
            .collect(),
        role: "arn:aws:iam::000000000000:role/try".parse()?,
        memory_mib: 512,
        timeout: Duration::from_secs(30),
        ephemeral_storage_mib: 512,
        log_group: "/aws/lambda/try".into(),
        log_format: LogFormat::Text,
        application_log_level: None,
        system_log_level: None,
        tracing_active: false,
        max_concurrency: None,
    });
    let launcher = Arc::new(Launcher::start(LauncherOptions::default())?);
    let bootstraps = std::env::temp_dir().join("danbi-invoke-bootstraps");
    let tokio = tokio::runtime::Runtime::new()?;
    tokio.block_on(async {
        let options = Options::for_this_machine(bootstraps);
        let runtime = Runtime::start(
            options,
            launcher,
            Arc::new(Stderr),
            Arc::new(NoRights),
            Arc::new(SystemClock),
        )?;
        let mut took = Vec::new();
        for time in 0..times {
            let invocation = Invocation {
                request_id: RequestId::new().to_string(),
                payload: event.clone().into(),
                invoked_arn: spec.function_arn.to_string(),
                ..Invocation::default()
            };
            let started = Instant::now();
            let outcome = runtime.invoke(spec.clone(), invocation).await?;
            let elapsed = started.elapsed();
            if time == 0 {
                let answer = String::from_utf8_lossy(&outcome.payload);
                println!("{:?} {answer:.2000}", outcome.function_error);
                println!("first event: {elapsed:.2?}, of it init {:?} ms", outcome.usage.init_ms);
            } else {
                took.push(elapsed);
            }
        }
        took.sort();
        if let [fastest, ..] = took.as_slice() {
            let at = |share: usize| took[took.len() * share / 100];
            println!(
                "the others: fastest {fastest:.2?}, p50 {:.2?}, p90 {:.2?}, p99 {:.2?}",
                at(50),
                at(90),
                at(99)
            );
        }
        runtime.drain(Duration::from_secs(5)).await;
        Ok(())
    })
}
