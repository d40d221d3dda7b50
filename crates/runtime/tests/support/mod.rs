//! What the tests of running environments share: a harness whose first line is the launcher's, a world to run in.

#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use async_trait::async_trait;
use danbi_core::{
    Arn, LogEvent, LogSink, LogStreamName, RoleCredentials, Scope, SecretKey, ServiceError, SessionCredentials,
    SystemClock, Timestamp,
};
use danbi_runtime::{FunctionSpec, Invocation, LogFormat, Options, Outcome, Runtime, RuntimeError};
use danbi_sandbox::{Isolation, Launcher, LauncherOptions};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a test waits for what must come; generous, since it only bounds a failure.
const PATIENCE: Duration = Duration::from_secs(60);

pub type Test = (&'static str, fn(World) -> Pin<Box<dyn Future<Output = ()>>>);

// Names each test by its function.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        fn main() {
            danbi_sandbox::run_launcher_if_asked();
            support::run(&[$((stringify!($name), |world| Box::pin($name(world)))),*]);
        }
    };
}

/// The part of the test harness' command line that cargo and nextest use: `--list`, `--exact`, filters.
pub fn run(tests: &[Test]) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("--list") {
        if !has("--ignored") {
            tests.iter().for_each(|(name, _)| println!("{name}: test"));
        }
        return;
    }
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| {
        let matches = |filter: &&String| {
            if has("--exact") {
                name == filter.as_str()
            } else {
                name.contains(filter.as_str())
            }
        };
        filters.is_empty() || filters.iter().any(matches)
    };
    let launcher = Arc::new(Launcher::start(LauncherOptions::default()).expect("the launcher starts"));
    for (name, test) in tests.iter().filter(|(name, _)| wanted(name)) {
        println!("{name} …");
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        tokio.block_on(async { test(World::new(launcher.clone())).await });
    }
}

/// Log lines in memory.
#[derive(Default)]
pub struct Logs {
    lines: Mutex<Vec<(LogStreamName, LogEvent)>>,
    bytes: Mutex<usize>,
}

impl LogSink for Logs {
    fn write(&self, stream: &LogStreamName, events: Vec<LogEvent>) {
        let mut lines = self.lines.lock().unwrap();
        for event in events {
            *self.bytes.lock().unwrap() += event.message.len() + 1;
            // A flood is counted, not kept.
            if lines.len() < 10_000 {
                lines.push((stream.clone(), event));
            }
        }
    }
}

/// Gives each environment a token of its own.
#[derive(Default)]
struct Roles(std::sync::atomic::AtomicU64);

#[async_trait]
impl RoleCredentials for Roles {
    async fn assume(&self, _role: &Arn, session_name: &str) -> Result<SessionCredentials, ServiceError> {
        Ok(SessionCredentials {
            access_key_id: format!("ASIA{session_name}"),
            secret: SecretKey::new("secret"),
            session_token: format!("token {}", self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
            // The year 2100.
            expires: Timestamp::from_millis(4_102_444_800_000),
            warning: None,
        })
    }
}

pub struct World {
    pub runtime: Runtime,
    pub logs: Arc<Logs>,
    pub dir: tempfile::TempDir,
    launcher: Arc<Launcher>,
}

impl World {
    fn new(launcher: Arc<Launcher>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let logs = Arc::new(Logs::default());
        let options = Options::for_this_machine(dir.path().join("bootstrap"));
        let runtime = start(options, &launcher, &logs);
        Self {
            runtime,
            logs,
            dir,
            launcher,
        }
    }

    /// The same with other bounds.
    pub fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::for_this_machine(self.dir.path().join("bootstrap"));
        change(&mut options);
        self.runtime = start(options, &self.launcher, &self.logs);
        self
    }

    /// The same on a machine that allows no namespaces.
    pub fn without_namespaces(mut self) -> Self {
        let options = LauncherOptions {
            isolation: Isolation::Process,
            ..LauncherOptions::default()
        };
        self.launcher = Arc::new(Launcher::start(options).unwrap());
        self.with(|_| {})
    }

    /// A function whose package holds these files.
    pub fn function(&self, runtime: &str, handler: &str, files: &[(&str, &str)]) -> FunctionSpec {
        use std::os::unix::fs::PermissionsExt as _;
        let name = format!("f{}", std::fs::read_dir(self.dir.path()).unwrap().count());
        let code_dir = self.dir.path().join(&name);
        for (path, text) in files {
            let path = code_dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            let executable = path.file_name().is_some_and(|name| name == "bootstrap");
            std::fs::set_permissions(
                &path,
                std::fs::Permissions::from_mode(if executable { 0o755 } else { 0o644 }),
            )
            .unwrap();
        }
        open_to_all(self.dir.path());
        open_to_all(&code_dir);
        FunctionSpec {
            function_arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{name}:$LATEST")
                .parse()
                .unwrap(),
            log_group: format!("/aws/lambda/{name}"),
            name,
            version: "$LATEST".into(),
            revision: "1".into(),
            scope: Scope::default(),
            runtime: runtime.into(),
            handler: handler.into(),
            code_dir,
            layers_dir: None,
            environment: BTreeMap::new(),
            role: "arn:aws:iam::000000000000:role/r".parse().unwrap(),
            memory_mib: 256,
            timeout: Duration::from_secs(20),
            ephemeral_storage_mib: 512,
            log_format: LogFormat::Text,
            application_log_level: None,
            system_log_level: None,
            tracing_active: false,
            max_concurrency: None,
        }
    }

    /// `app.handler` in Python.
    pub fn python(&self, code: &str) -> Arc<FunctionSpec> {
        Arc::new(self.function("python3.11", "app.handler", &[("app.py", code)]))
    }

    /// `app.handler` in a CommonJS module.
    pub fn node(&self, code: &str) -> Arc<FunctionSpec> {
        Arc::new(self.function("nodejs20.x", "app.handler", &[("app.js", code)]))
    }

    pub async fn invoke(&self, spec: &Arc<FunctionSpec>, payload: &str) -> Outcome {
        self.try_invoke(spec, payload)
            .await
            .expect("the event reaches the function")
    }

    pub async fn try_invoke(&self, spec: &Arc<FunctionSpec>, payload: &str) -> Result<Outcome, RuntimeError> {
        let invoked = self.runtime.invoke(spec.clone(), invocation(spec, payload));
        tokio::time::timeout(PATIENCE, invoked)
            .await
            .expect("an answer in time")
    }

    /// The messages of a function's log so far.
    pub fn log(&self, spec: &FunctionSpec) -> Vec<String> {
        let lines = self.logs.lines.lock().unwrap();
        lines
            .iter()
            .filter(|(stream, _)| stream.group == spec.log_group)
            .map(|(_, event)| event.message.clone())
            .collect()
    }

    /// The names of its log streams.
    pub fn streams(&self, spec: &FunctionSpec) -> Vec<String> {
        let lines = self.logs.lines.lock().unwrap();
        let mut all: Vec<String> = lines
            .iter()
            .filter(|(stream, _)| stream.group == spec.log_group)
            .map(|(stream, _)| stream.stream.clone())
            .collect();
        all.sort();
        all.dedup();
        all
    }

    pub fn logged_bytes(&self) -> usize {
        *self.logs.bytes.lock().unwrap()
    }
}

fn start(options: Options, launcher: &Arc<Launcher>, logs: &Arc<Logs>) -> Runtime {
    Runtime::start(
        options,
        launcher.clone(),
        logs.clone(),
        Arc::new(Roles::default()),
        Arc::new(SystemClock),
    )
    .unwrap()
}

fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn invocation(spec: &FunctionSpec, payload: &str) -> Invocation {
    Invocation {
        request_id: danbi_core::RequestId::new().to_string(),
        payload: payload.to_owned().into(),
        invoked_arn: spec.function_arn.to_string(),
        log_tail: true,
        ..Invocation::default()
    }
}

pub fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(bytes)))
}

/// Waits until `condition` holds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let looking = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| panic!("{what} did not come to be"));
}
