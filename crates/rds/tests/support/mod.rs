//! What the tests of whole databases share: a harness whose first line is the launcher's, and a platform that ends and
//! comes back with what it has kept.

#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use async_trait::async_trait;
use danbi_blobs::Blobs;
use danbi_core::{
    Access, AccountId, Api, ApiCall, Authorizer, Credential, CredentialSource, Principal, RequestContext, Scope,
    ServiceError, SystemClock,
};
use danbi_rds::{Options, Parts, Rds, Step, Steps};
use danbi_sandbox::{Isolation, Launcher, LauncherOptions};
use danbi_store::{EmbeddedOptions, Store};
use danbi_wire::{ApiDoor, Dispatcher};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::net::{Ipv4Addr, TcpListener};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long a test waits for what must come; generous, since it only bounds a failure.
const PATIENCE: Duration = Duration::from_secs(240);
const LOOK: Duration = Duration::from_millis(50);
const PASSWORD: &str = "correct-horse";
/// Each test has ports of its own, which no other takes while its platform is away.
const FIRST_PORT: u16 = 9_000;
const PORTS: u16 = 50;

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
        let matches = |filter: &&String| match has("--exact") {
            true => name == filter.as_str(),
            false => name.contains(filter.as_str()),
        };
        filters.is_empty() || filters.iter().any(matches)
    };
    let launcher = Arc::new(Launcher::start(LauncherOptions::default()).expect("the launcher starts"));
    for (at, (name, test)) in tests.iter().enumerate().filter(|(_, (name, _))| wanted(name)) {
        println!("{name} …");
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        tokio.block_on(async { test(World::new(launcher.clone(), at).await).await });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    MariaDb,
    Postgres,
}

impl Engine {
    fn user(self) -> &'static str {
        match self {
            Self::MariaDb => "admin",
            Self::Postgres => "owner",
        }
    }
}

/// Stops the making of databases at a step each.
#[derive(Debug, Default)]
struct Stops {
    at: HashMap<String, Step>,
    stopped: Mutex<HashSet<String>>,
}

#[async_trait]
impl Steps for Stops {
    async fn reached(&self, database: &str, step: Step) {
        if self.at.get(database) == Some(&step) {
            self.stopped.lock().unwrap().insert(database.to_owned());
            std::future::pending::<()>().await;
        }
    }
}

struct Everybody;

#[async_trait]
impl CredentialSource for Everybody {
    async fn credential(&self, _: &str, _: Option<&str>) -> Result<Option<Credential>, ServiceError> {
        Ok(None)
    }
}

#[async_trait]
impl Authorizer for Everybody {
    async fn authorize(&self, _: &RequestContext, _: &Access) -> Result<(), ServiceError> {
        Ok(())
    }
}

struct Platform {
    rds: Arc<Rds>,
    door: Arc<ApiDoor>,
    _dispatcher: Arc<Dispatcher>,
    stops: Arc<Stops>,
    asking: JoinSet<()>,
}

/// A platform that comes and goes, and what it has kept.
pub struct World {
    launcher: Arc<Launcher>,
    store: Store,
    blobs: Blobs,
    folder: tempfile::TempDir,
    platform: Option<Platform>,
    first_port: u16,
}

impl World {
    async fn new(launcher: Arc<Launcher>, number: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            launcher,
            store: Store::open_embedded(&folder.path().join("store"), EmbeddedOptions::default()).unwrap(),
            blobs: Blobs::open(&folder.path().join("blobs")).await.unwrap(),
            folder,
            platform: None,
            first_port: FIRST_PORT + PORTS * u16::try_from(number).unwrap(),
        }
    }

    /// Starts the platform; it stops making databases where `at` says.
    pub async fn start(&mut self, at: HashMap<String, Step>) {
        let stops = Arc::new(Stops { at, ..Stops::default() });
        let rds = Rds::start(Parts {
            store: self.store.clone(),
            blobs: self.blobs.clone(),
            clock: Arc::new(SystemClock),
            launcher: Arc::clone(&self.launcher),
            isolation: Isolation::Namespaces,
            folder: self.folder.path().join("databases"),
            tls: None,
            options: Options {
                archive_every: Duration::from_millis(100),
                ports: Some(self.first_port..=self.first_port + PORTS - 1),
                steps: Some(Arc::clone(&stops) as _),
                ..Options::default()
            },
        });
        let rds = rds.await.unwrap();
        let dispatcher = Arc::new(Dispatcher::new(
            vec![danbi_rds::service(Arc::clone(&rds))],
            Arc::new(Everybody),
            Arc::new(Everybody),
            Arc::new(SystemClock),
            AccountId::default(),
        ));
        let door = Arc::new(ApiDoor::default());
        door.open(&dispatcher);
        self.platform = Some(Platform {
            rds,
            door,
            _dispatcher: dispatcher,
            stops,
            asking: JoinSet::new(),
        });
    }

    /// Ends the platform without any care: what was under way is dropped where it stands, and servers are killed.
    pub async fn end(&mut self) {
        let mut platform = self.platform.take().unwrap();
        platform.asking.shutdown().await;
        platform.rds.drain(Duration::ZERO).await;
    }

    fn platform(&self) -> &Platform {
        self.platform.as_ref().unwrap()
    }

    pub async fn call(&self, operation: &str, input: Value) -> Result<Value, ServiceError> {
        ask(&self.platform().door, operation, input).await
    }

    /// Asks in the background: who is asked may never answer.
    fn ask(&mut self, name: &str, operation: &'static str, input: Value) {
        let platform = self.platform.as_mut().unwrap();
        let (door, name) = (Arc::clone(&platform.door), name.to_owned());
        platform.asking.spawn(async move {
            let answer = ask(&door, operation, input).await;
            answer.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        });
    }

    /// Asks for an empty database.
    pub fn begin(&mut self, name: &str, engine: Engine) {
        let input = json!({
            "DBInstanceIdentifier": name,
            "Engine": if engine == Engine::MariaDb { "mysql" } else { "postgres" },
            "DBInstanceClass": "db.t3.micro",
            "AllocatedStorage": 20,
            "MasterUsername": engine.user(),
            "MasterUserPassword": PASSWORD,
            "DBName": "todo",
        });
        self.ask(name, "CreateDBInstance", input);
    }

    pub async fn create(&mut self, name: &str, engine: Engine) {
        self.begin(name, engine);
        self.available(name).await;
        self.until(async || self.describe(name).await["LatestRestorableTime"].is_number())
            .await;
    }

    pub async fn snapshot(&self, name: &str, snapshot: &str) {
        let input = json!({"DBInstanceIdentifier": name, "DBSnapshotIdentifier": snapshot});
        self.call("CreateDBSnapshot", input).await.unwrap();
        self.until(async || {
            let input = json!({"DBSnapshotIdentifier": snapshot});
            let found = self.call("DescribeDBSnapshots", input).await.unwrap();
            found["DBSnapshots"][0]["Status"] == "available"
        })
        .await;
    }

    /// Asks for a database made from `todo` as it is, or from its snapshot `before`, as its name says.
    pub fn restore(&mut self, name: &str) {
        let (operation, input) = match name.starts_with("moment") {
            true => (
                "RestoreDBInstanceToPointInTime",
                json!({"SourceDBInstanceIdentifier": "todo", "TargetDBInstanceIdentifier": name,
                    "UseLatestRestorableTime": true}),
            ),
            false => (
                "RestoreDBInstanceFromDBSnapshot",
                json!({"DBSnapshotIdentifier": "before", "DBInstanceIdentifier": name}),
            ),
        };
        self.ask(name, operation, input);
    }

    pub async fn until_stopped_at(&self, stops: &HashMap<String, Step>) {
        let stopped = &self.platform().stops.stopped;
        self.until(async || stopped.lock().unwrap().len() == stops.len()).await;
    }

    /// Takes a port as another program would, as soon as the platform that ended has let go of it.
    pub async fn steal(&self, port: u16) -> TcpListener {
        let begun = Instant::now();
        loop {
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(listener) => return listener,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn until(&self, condition: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        while !condition().await {
            assert!(begun.elapsed() < PATIENCE, "it does not come true");
            tokio::time::sleep(LOOK).await;
        }
    }

    pub async fn describe(&self, name: &str) -> Value {
        match self
            .call("DescribeDBInstances", json!({"DBInstanceIdentifier": name}))
            .await
        {
            Ok(found) => found["DBInstances"][0].clone(),
            Err(_) => Value::Null,
        }
    }

    pub async fn status(&self, name: &str) -> String {
        self.describe(name).await["DBInstanceStatus"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub async fn available(&self, name: &str) {
        self.until(async || {
            let found = self.describe(name).await;
            assert_ne!(found["DBInstanceStatus"], "failed", "{name}: {}", found["StatusInfos"]);
            found["DBInstanceStatus"] == "available"
        })
        .await;
    }

    pub async fn endpoint(&self, name: &str) -> Option<u16> {
        let port = self.describe(name).await["Endpoint"]["Port"].as_u64()?;
        u16::try_from(port).ok()
    }

    /// The port of a database that is still being made, which nobody is told: as the record has it.
    pub async fn port_of(&self, name: &str) -> u16 {
        let snapshot = self.store.snapshot().await.unwrap();
        let all = snapshot
            .scan(danbi_store::KeyRange::all(), danbi_store::Direction::Forward, 100_000)
            .await
            .unwrap();
        let records = all
            .entries
            .iter()
            .filter_map(|(_, value)| serde_json::from_slice::<Value>(value).ok());
        let mut records = records;
        let record = records.find(|record| record["name"] == name && record["port"].is_number());
        u16::try_from(record.unwrap()["port"].as_u64().unwrap()).unwrap()
    }

    /// What a client of its own kind gets at the endpoint, with the master user's password.
    pub async fn query(&self, name: &str, engine: Engine, sql: &str) -> String {
        let port = self.endpoint(name).await.unwrap().to_string();
        let mut client = match engine {
            Engine::MariaDb => tokio::process::Command::new("mariadb"),
            Engine::Postgres => tokio::process::Command::new("psql"),
        };
        match engine {
            Engine::MariaDb => client.args([
                "--no-defaults",
                "--skip-ssl",
                "-h127.0.0.1",
                "-P",
                &port,
                "-uadmin",
                &format!("-p{PASSWORD}"),
                "-N",
                "-B",
                "-e",
                sql,
                "todo",
            ]),
            Engine::Postgres => client.env("PGPASSWORD", PASSWORD).args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-U",
                engine.user(),
                "-c",
                sql,
                "todo",
            ]),
        };
        let done = client.stdin(Stdio::null()).kill_on_drop(true).output();
        let done = tokio::time::timeout(PATIENCE, done).await.unwrap().unwrap();
        assert!(
            done.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }
}

async fn ask(door: &ApiDoor, operation: &str, input: Value) -> Result<Value, ServiceError> {
    let scope = Scope {
        account: AccountId::default(),
        region: "us-east-1".parse().unwrap(),
    };
    let context = RequestContext::inside(scope, Principal::Root(AccountId::default()), None);
    door.call(&context, ApiCall::new("rds", operation, input)).await
}
