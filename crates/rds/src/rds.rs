use crate::backup::Archive;
use crate::engines::Family;
use crate::keys::{self, Kind};
use crate::ports::Ports;
use crate::proxy::{Front, Threads, Tls, inside_address};
use crate::records::{self, Record, Status};
use crate::server::{Database, Machine, ServerError, Settings, Volume, launch::memory_of_class};
use crate::steps::{Step, Steps};
use crate::{Error, Result};
use danbi_blobs::{BlobId, Blobs};
use danbi_core::{Clock, Scope};
use danbi_sandbox::{Isolation, Launcher};
use danbi_store::Store;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};

/// How often a port that another program has is tried again.
const BIND_AGAIN: Duration = Duration::from_secs(1);

/// What RDS is made of.
pub struct Parts {
    /// Where records are kept.
    pub store: Store,
    /// Where backups are kept.
    pub blobs: Blobs,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Makes the sandboxes of servers.
    pub launcher: Arc<Launcher>,
    /// What that launcher was started with.
    pub isolation: Isolation,
    /// The folder of the databases' files.
    pub folder: PathBuf,
    /// Encrypts clients' connections, if they ask for it.
    pub tls: Option<Arc<dyn Tls>>,
    /// How it behaves.
    pub options: Options,
}

/// How RDS behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a database keeps its server without a connection in use, if its cluster says nothing else.
    pub idle: Duration,
    /// How often binary logs are archived: a restore may miss what was committed since.
    pub archive_every: Duration,
    /// How often automatic backups are taken, and trimmed.
    pub backup_every: Duration,
    /// How long a day of a retention period is.
    pub day: Duration,
    /// The ports of this machine that databases get unless one is asked for; `None` is the engine's own if it is free,
    /// else one of 23306 to 24305.
    pub ports: Option<RangeInclusive<u16>>,
    /// Is told of each step by which a database is made. For tests, which end the platform there.
    pub steps: Option<Arc<dyn Steps>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(300),
            archive_every: Duration::from_secs(5),
            backup_every: Duration::from_secs(24 * 3600),
            day: Duration::from_secs(24 * 3600),
            ports: None,
            steps: None,
        }
    }
}

/// A database whose endpoint is open.
pub(crate) struct Live {
    pub(crate) front: Arc<Front>,
    serving: JoinHandle<()>,
    archiving: JoinHandle<()>,
    /// Milliseconds since the epoch up to which it can be restored, while it runs.
    pub(crate) archived_until: Arc<Mutex<i64>>,
    /// Whether the endpoint's port is this database's.
    is_listening: Arc<AtomicBool>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.serving.abort();
        self.archiving.abort();
    }
}

/// An endpoint as functions' sandboxes reach it.
struct Door {
    host: String,
    port: u16,
    family: Family,
    front: Weak<Front>,
}

/// Amazon RDS. Give [`crate::service`] to the wire.
pub struct Rds {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) machine: Arc<Machine>,
    pub(crate) options: Options,
    folder: PathBuf,
    pub(crate) tls: Option<Arc<dyn Tls>>,
    live: Mutex<HashMap<String, Arc<Live>>>,
    /// Endpoints by the number of their database, for connections from inside sandboxes.
    doors: Mutex<HashMap<u32, Door>>,
    pub(crate) ports: Ports,
    /// Of the databases' clients.
    threads: Threads,
    work: Mutex<JoinSet<()>>,
    /// Of the Data API.
    pub(crate) transactions: crate::data::Transactions,
    this: Weak<Rds>,
}

impl Rds {
    /// Opens the endpoints of the databases there are, and goes on with what was under way when the platform ended. Must
    /// be called within a Tokio runtime. End with [`Rds::drain`].
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn start(parts: Parts) -> Result<Arc<Self>> {
        let this = Arc::new_cyclic(|this| Self {
            store: parts.store,
            blobs: parts.blobs,
            clock: parts.clock,
            machine: Arc::new(Machine::new(parts.launcher, parts.isolation)),
            ports: Ports::new(parts.options.ports.clone()),
            threads: Threads::new(),
            options: parts.options,
            folder: parts.folder,
            tls: parts.tls,
            live: Mutex::default(),
            doors: Mutex::default(),
            work: Mutex::default(),
            transactions: crate::data::Transactions::default(),
            this: this.clone(),
        });
        for kind in [Kind::Cluster, Kind::Instance] {
            for record in records::all::<Record>(&this.store, keys::everywhere(kind)).await? {
                match record.status {
                    Status::Stopped | Status::Failed => {}
                    _ if !record.has_server() => {}
                    Status::Creating => this.hold_port(&record).await?,
                    _ => drop(this.open(&record).await?),
                }
                if !matches!(record.status, Status::Available | Status::Stopped | Status::Failed) {
                    this.carry_on(&record);
                }
            }
        }
        this.spawn(crate::work::take_up_snapshots(Arc::clone(&this)));
        this.spawn(crate::data::roll_back_unused(this.this.clone()));
        let weak = this.this.clone();
        this.spawn(crate::work::back_up_now_and_then(weak, this.options.backup_every));
        Ok(this)
    }

    /// Stops the servers as they should be stopped, and archives the rest of their logs.
    pub async fn drain(&self, grace: Duration) {
        let draining = async {
            let mut work = std::mem::take(&mut *locked(&self.work));
            work.shutdown().await;
            let live: Vec<(String, Arc<Live>)> = locked(&self.live).drain().collect();
            let mut closing = JoinSet::new();
            for (resource, live) in live {
                let archive = self.archive(&resource, live.front.database.family());
                closing.spawn(async move { close(&live, &archive).await });
            }
            while closing.join_next().await.is_some() {}
        };
        if tokio::time::timeout(grace, draining).await.is_err() {
            tracing::warn!("database servers did not end in time; they recover at their next start");
        }
    }

    /// Whether a backup needs this blob.
    ///
    /// # Errors
    /// Of the store.
    pub async fn uses_blob(&self, id: &BlobId) -> Result<bool> {
        let snapshot = self.store.snapshot().await?;
        let found = snapshot
            .scan(keys::users_of_blob(id), danbi_store::Direction::Forward, 1)
            .await?;
        Ok(!found.entries.is_empty())
    }

    /// The address that an endpoint's name has inside functions' sandboxes; `None` for a name that is no endpoint's.
    pub fn address_inside(&self, name: &str) -> Option<Ipv4Addr> {
        let doors = locked(&self.doors);
        let found = doors.iter().find(|(_, door)| same_host(&door.host, name));
        found.map(|(number, _)| inside_address(*number))
    }

    /// The ports of the endpoints, and those of their protocols.
    pub fn ports(&self) -> Vec<u16> {
        let doors = locked(&self.doors);
        let mut ports: Vec<u16> = doors
            .values()
            .flat_map(|door| [door.family.port(), door.port])
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Serves a connection that a function opened to an address of [`Rds::address_inside`], until it ends.
    pub async fn connection_inside(&self, stream: TcpStream) {
        let Ok(address) = stream.local_addr() else { return };
        let front = crate::proxy::number_at(address)
            .and_then(|number| locked(&self.doors).get(&number).and_then(|door| door.front.upgrade()));
        if let Some(front) = front {
            front.visitor(stream, Ipv4Addr::LOCALHOST.into()).await;
        }
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    pub(crate) fn volume(&self, resource: &str) -> Volume {
        Volume::at(self.folder.join(resource))
    }

    pub(crate) fn archive(&self, resource: &str, family: Family) -> Archive {
        Archive {
            family,
            store: self.store.clone(),
            blobs: self.blobs.clone(),
            resource: resource.to_owned(),
        }
    }

    /// How the server of a database is run.
    pub(crate) async fn settings(&self, record: &Record) -> Result<Settings> {
        let kind = match record.is_cluster {
            true => Kind::ClusterParameterGroup,
            false => Kind::ParameterGroup,
        };
        let group: Option<records::GroupRecord> =
            records::load(&self.store, &keys::named(kind, &record.scope, &record.parameter_group)).await?;
        let idle = match record.capacity {
            Some((least, _, _)) if least > 0.0 => None,
            Some((_, _, Some(pause))) => Some(Duration::from_secs(u64::try_from(pause).unwrap_or(300))),
            _ => Some(self.options.idle),
        };
        Ok(Settings {
            family: record.family(),
            memory_bytes: memory_of_class(&record.class),
            parameters: group.map(|group| group.parameters).unwrap_or_default(),
            idle,
        })
    }

    pub(crate) fn live(&self, resource: &str) -> Option<Arc<Live>> {
        locked(&self.live).get(resource).cloned()
    }

    /// The open endpoint of a database, for whoever must not open it: it is being stopped, changed or removed otherwise.
    pub(crate) fn opened(&self, record: &Record) -> Result<Arc<Live>> {
        Ok(self.live(&record.resource).ok_or(ServerError::Closed)?)
    }

    /// Whether another program has the port of a database: clients that connect to its endpoint talk to that.
    pub(crate) fn is_unreachable(&self, record: &Record) -> bool {
        let live = self.live(&record.resource);
        live.is_some_and(|live| !live.is_listening.load(Ordering::Acquire))
    }

    /// Opens the endpoint of a database. Its port is its own then, unless another program has it: that is tried again.
    pub(crate) async fn open(&self, record: &Record) -> Result<Arc<Live>> {
        if let Some(live) = self.live(&record.resource) {
            return Ok(live);
        }
        let settings = self.settings(record).await?;
        let database = Arc::new(Database::keep(
            Arc::clone(&self.machine),
            self.volume(&record.resource),
            settings,
        ));
        let thread = self.threads.of(record.number).unwrap_or_else(|error| {
            tracing::warn!(%error, "a database's clients have no thread of their own");
            Handle::current()
        });
        let tls = self.tls.clone();
        let front = Arc::new(Front::new(Arc::clone(&database), &record.version, tls, thread.clone()));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, record.port));
        let listener = match self.ports.take(record.port) {
            Some(held) => Some(held),
            None => TcpListener::bind(address).await.ok(),
        };
        // What wakes its thread has to be that thread's own.
        let listener = listener.and_then(|listener| listener.into_std().ok());
        let archived_until = Arc::new(Mutex::new(0));
        let is_listening = Arc::new(AtomicBool::new(listener.is_some()));
        // From here on nothing waits: of two who open the same one, the second finds what the first made.
        let mut all = locked(&self.live);
        if let Some(live) = all.get(&record.resource) {
            return Ok(Arc::clone(live));
        }
        let live = Arc::new(Live {
            serving: thread.spawn(listen(Arc::clone(&front), address, listener, Arc::clone(&is_listening))),
            archiving: tokio::spawn(crate::work::archive(
                database,
                self.archive(&record.resource, record.family()),
                Arc::clone(&self.clock),
                self.options.archive_every,
                Arc::clone(&archived_until),
            )),
            front,
            archived_until,
            is_listening,
        });
        let door = Door {
            host: host(record),
            port: record.port,
            family: record.family(),
            front: Arc::downgrade(&live.front),
        };
        locked(&self.doors).insert(record.number, door);
        all.insert(record.resource.clone(), Arc::clone(&live));
        Ok(live)
    }

    /// Closes the endpoint of a database, stops its server and archives the rest of its logs.
    pub(crate) async fn shut(&self, record: &Record) {
        locked(&self.doors).remove(&record.number);
        let live = locked(&self.live).remove(&record.resource);
        if let Some(live) = live {
            close(&live, &self.archive(&record.resource, record.family())).await;
        }
    }

    /// Does in the background what the record's status says.
    pub(crate) fn carry_on(&self, record: &Record) {
        if let Some(this) = self.this.upgrade() {
            let (kind, scope, name) = (record.kind(), record.scope.clone(), record.name.clone());
            self.spawn(async move { crate::work::carry_out(&this, kind, &scope, &name).await });
        }
    }

    /// Runs work that ends with the platform.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut all = locked(&self.work);
        while all.try_join_next().is_some() {}
        all.spawn(work);
    }

    pub(crate) fn this(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }

    /// Holds a port of this machine that no database but `but` has: the one that is asked for, else the engine's, else
    /// another.
    pub(crate) async fn choose_port(&self, asked: Option<u16>, family: Family, but: &str) -> Result<u16> {
        let mut taken = HashSet::new();
        for kind in [Kind::Cluster, Kind::Instance] {
            let all = records::all::<Record>(&self.store, keys::everywhere(kind)).await?;
            let others = all
                .iter()
                .filter(|record| record.has_server() && record.resource != but);
            taken.extend(others.map(|record| record.port));
        }
        let chosen = self
            .ports
            .choose(asked, family.port(), |port| taken.contains(&port))
            .await;
        chosen.ok_or_else(|| {
            Error::Aws(
                "InsufficientDBInstanceCapacity",
                400,
                "No port of this machine is free for another database.".to_owned(),
            )
        })
    }

    /// Holds the port of a database that is still being made, or gives it another one if a program got it while the
    /// platform was away: nobody can have used it yet.
    async fn hold_port(&self, record: &Record) -> Result<()> {
        if self.ports.hold(record.port).await {
            return Ok(());
        }
        let port = self.choose_port(None, record.family(), &record.resource).await?;
        tracing::warn!(
            name = record.name,
            was = record.port,
            port,
            "another program has the port that was meant for a new database"
        );
        crate::work::change(self, record, |record| record.port = port).await
    }

    /// Says that a database that is being made has come this far.
    pub(crate) async fn reached(&self, record: &Record, step: Step) {
        if let Some(steps) = &self.options.steps {
            steps.reached(&record.name, step).await;
        }
    }

    /// The records of a scope by their names.
    pub(crate) async fn all(&self, kind: Kind, scope: &Scope) -> Result<BTreeMap<String, Record>> {
        let all = records::all::<Record>(&self.store, keys::all_named(kind, scope)).await?;
        Ok(all.into_iter().map(|record| (record.name.clone(), record)).collect())
    }
}

/// The name of a database's endpoint.
pub(crate) fn host(record: &Record) -> String {
    use sha1::{Digest, Sha1};
    let digest = Sha1::digest(format!("{}/{}", record.scope.account, record.scope.region));
    let hash: String = digest
        .iter()
        .take(11)
        .map(|byte| char::from(b'a' + byte % 26))
        .collect();
    let kind = if record.is_cluster { "cluster-" } else { "" };
    format!("{}.{kind}c{hash}.{}.rds.localhost", record.name, record.scope.region)
}

/// Whether `name` is `host`, or the same under AWS's domain.
fn same_host(host: &str, name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let stem = host.trim_end_matches("localhost");
    name == host || name.strip_prefix(stem) == Some("amazonaws.com")
}

async fn listen(
    front: Arc<Front>,
    address: SocketAddr,
    listener: Option<std::net::TcpListener>,
    is_listening: Arc<AtomicBool>,
) {
    if let Some(listener) = listener.and_then(|listener| TcpListener::from_std(listener).ok()) {
        return front.serve(listener).await;
    }
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                is_listening.store(true, Ordering::Release);
                return front.serve(listener).await;
            }
            Err(error) => tracing::warn!(%address, %error, "a database's port cannot be opened; trying again"),
        }
        tokio::time::sleep(BIND_AGAIN).await;
    }
}

async fn close(live: &Live, archive: &Archive) {
    live.serving.abort();
    live.archiving.abort();
    live.front.clear();
    live.front.database.close().await;
    if let Err(error) = archive.catch_up(&live.front.database.volume, None).await {
        tracing::warn!(%error, "the last binary logs of a database could not be archived; trying again at its next start");
    }
}

// A poisoned lock means that a thread panicked between two plain operations: the value is whole.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
