use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How many ports of databases an environment listens at.
pub const MAX_DATABASE_PORTS: usize = 16;

/// Takes the connections that functions open to the platform's own endpoint (`127.0.0.1:4566` inside the sandbox).
/// Implemented by the composition root, which hands them to its HTTP server.
pub trait PlatformDoor: Send + Sync + 'static {
    /// Serves one connection. `function_arn` says whose environment opened it. Must not block.
    fn accept(&self, connection: tokio::net::TcpStream, function_arn: &str);

    /// What programs have to trust, PEM, where it serves TLS for names under `amazonaws.com` too: the certificates of the
    /// system and its own. Then these names are `127.0.0.1` inside; what connects to port 443 there is given to
    /// [`Self::accept_tls`], and to port 80 as to the endpoint. Asked when the runtime starts.
    fn certificates(&self) -> Option<&str> {
        None
    }

    /// The ports at which databases are reached, now. A new environment gets listeners for them, on all its loopback
    /// addresses; at most [`MAX_DATABASE_PORTS`] count.
    fn database_ports(&self) -> Vec<u16> {
        Vec::new()
    }

    /// The loopback address that stands for a database, by the name of its endpoint; `None` for other names.
    fn database_address(&self, _name: &str) -> Option<std::net::Ipv4Addr> {
        None
    }

    /// Serves a connection to a database, told by the local address that it came to.
    fn accept_database(&self, connection: tokio::net::TcpStream, function_arn: &str) {
        drop(connection);
        tracing::debug!(function_arn, "a connection to a database of a platform that has none");
    }

    /// The same as [`Self::accept`] for a connection that begins with a TLS handshake.
    fn accept_tls(&self, connection: tokio::net::TcpStream, function_arn: &str) {
        drop(connection);
        tracing::debug!(function_arn, "a TLS connection to a platform that serves none");
    }
}

/// Bounds of the execution environments on this machine.
#[derive(Clone)]
pub struct Options {
    /// How many environments may exist at once.
    pub max_environments: usize,
    /// How much memory, in MiB, the limits of all environments may add up to.
    pub max_memory_mib: u64,
    /// How long an idle environment is kept.
    pub idle_timeout: Duration,
    /// How long an idle environment keeps running before it is frozen; saves the freeze between events in quick succession.
    pub freeze_after: Duration,
    /// How long an HTTP-server app is kept without a request before it is scaled to zero.
    pub app_idle_timeout: Duration,
    /// How long an HTTP-server app may take until it listens on `$PORT`.
    pub app_start_timeout: Duration,
    /// An environment is replaced when its credentials end within this time.
    pub credentials_margin: Duration,
    /// Takes connections to the platform's endpoint; without it `AWS_ENDPOINT_URL` is not set.
    pub platform: Option<Arc<dyn PlatformDoor>>,
    /// Where the embedded language bootstraps are written at start, mounted at `/var/runtime`.
    pub bootstrap_dir: std::path::PathBuf,
}

/// Whether names under `amazonaws.com` are the platform's inside.
pub(crate) fn serves_tls(platform: Option<&dyn PlatformDoor>) -> bool {
    platform.is_some_and(|door| door.certificates().is_some())
}

impl Options {
    /// The limits for this machine: memory is three quarters of what it has.
    pub fn for_this_machine(bootstrap_dir: impl Into<std::path::PathBuf>) -> Self {
        Self {
            max_environments: 1_000,
            max_memory_mib: machine_memory_mib() / 4 * 3,
            idle_timeout: Duration::from_secs(7 * 60),
            freeze_after: Duration::from_millis(30),
            app_idle_timeout: Duration::from_secs(5 * 60),
            app_start_timeout: Duration::from_secs(60),
            credentials_margin: Duration::from_secs(30 * 60),
            platform: None,
            bootstrap_dir: bootstrap_dir.into(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("max_environments", &self.max_environments)
            .field("max_memory_mib", &self.max_memory_mib)
            .field("idle_timeout", &self.idle_timeout)
            .field("freeze_after", &self.freeze_after)
            .field("platform", &self.platform.is_some())
            .field("bootstrap_dir", &self.bootstrap_dir)
            .finish_non_exhaustive()
    }
}

fn machine_memory_mib() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.map_or(2048, |kib| kib / 1024)
}
