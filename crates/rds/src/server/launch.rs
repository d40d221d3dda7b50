//! How a server and its tools are run: each in a sandbox of its own, without a network.

use super::volume::Volume;
use super::{Running, ServerError, ServerLog};
use crate::engines::Family;
use danbi_sandbox::{Exit, Isolation, Launcher, Mount, Network, Sandbox, SandboxError, SandboxSpec};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take until it accepts connections; the recovery of a large log is what takes time.
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a tool may take: making a data folder, replaying the logs of days.
const TOOL_TIMEOUT: Duration = Duration::from_secs(6 * 3600);
/// Between two looks at whether a starting server answers.
const LOOK: Duration = Duration::from_millis(1);
/// How often a start is tried while the server before it, whose platform was killed, still holds its files.
const START_ATTEMPTS: u32 = 5;
const START_AGAIN: Duration = Duration::from_millis(300);
/// What is read of a tool's or a dead server's last words.
const LAST_WORDS: usize = 8 * 1024;
/// Processes and threads of one database.
const MAX_PIDS: u32 = 1024;
const MAX_FILES: u64 = 16 * 1024;
const TMP_BYTES: u64 = 64 << 20;
/// The platform's own account in every server.
pub(crate) const ADMIN: &str = "rdsadmin";

/// What runs servers on this machine.
pub(crate) struct Machine {
    pub(crate) launcher: Arc<Launcher>,
    pub(crate) isolation: Isolation,
    generation: AtomicU64,
}

/// How one server is run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) family: Family,
    /// Memory limit in bytes.
    pub(crate) memory_bytes: u64,
    /// Variables from the parameter group, by their names with underscores.
    pub(crate) parameters: BTreeMap<String, String>,
    /// How long without work until it is stopped; `None` is never.
    pub(crate) idle: Option<Duration>,
}

/// Paths as the programs see them.
pub(super) struct Inside {
    pub(super) volume: PathBuf,
    pub(super) control: PathBuf,
}

impl Inside {
    pub(super) fn path(&self, name: &str) -> String {
        self.volume.join(name).display().to_string()
    }
}

impl Machine {
    pub(crate) fn new(launcher: Arc<Launcher>, isolation: Isolation) -> Self {
        Self {
            launcher,
            isolation,
            generation: AtomicU64::new(1),
        }
    }

    pub(super) fn inside(&self, volume: &Volume) -> Inside {
        match self.isolation {
            Isolation::Namespaces => Inside {
                volume: "/volume".into(),
                control: "/control".into(),
            },
            Isolation::Process => Inside {
                volume: volume.writable(),
                control: volume.control(),
            },
        }
    }

    async fn launch(&self, argv: Vec<String>, volume: &Volume, memory: u64) -> Result<Sandbox, SandboxError> {
        let mut spec = SandboxSpec {
            env: [
                ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
                ("HOME", "/tmp"),
                ("TZ", "UTC"),
                ("LC_ALL", "C.UTF-8"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
            hostname: "database".to_owned(),
            tmp_bytes: TMP_BYTES,
            memory_bytes: Some(memory),
            pids_max: MAX_PIDS,
            nofile: MAX_FILES,
            resolver: None,
            network: Network::None,
            owned: vec![volume.writable()],
            ..SandboxSpec::new(argv)
        };
        if self.isolation == Isolation::Namespaces {
            let mount = |source, target: &str, read_only| Mount {
                source,
                target: target.into(),
                read_only,
            };
            spec.mounts = vec![
                mount(volume.writable(), "/volume", false),
                mount(volume.control(), "/control", true),
            ];
        }
        self.launcher.launch(spec).await
    }

    /// Starts the server over what lies in the volume; crash recovery is its own. Returns when it answers.
    pub(crate) async fn start(&self, volume: &Volume, settings: &Settings) -> Result<Running, ServerError> {
        if !volume.has_data() {
            // An empty folder in its place would only hide what has happened.
            return Err(ServerError::Files("they are gone from this machine's disk".to_owned()));
        }
        volume.make()?;
        volume.clear_run()?;
        let (argv, password) = match settings.family {
            Family::MariaDb => self.mariadb_start(volume, settings)?,
            Family::Postgres => self.postgres_start(volume, settings)?,
        };
        let started = self.start_with(argv, password, volume, settings).await;
        if settings.family == Family::MariaDb {
            Self::mariadb_started(volume);
        }
        started
    }

    async fn start_with(
        &self,
        argv: Vec<String>,
        password: String,
        volume: &Volume,
        settings: &Settings,
    ) -> Result<Running, ServerError> {
        let mut last_words = String::new();
        for _ in 0..START_ATTEMPTS {
            let sandbox = self.launch(argv.clone(), volume, settings.memory_bytes).await;
            let sandbox = sandbox.map_err(|error| ServerError::Start(error.to_string()))?;
            let generation = self.generation.fetch_add(1, Ordering::Relaxed);
            let log = ServerLog::of(volume, settings.family);
            let mut running = Running::new(sandbox, generation, settings.family, password.clone(), log)?;
            match self.until_it_answers(&mut running, volume).await? {
                None => return Ok(running),
                Some(words) => last_words = words,
            }
            if !last_words.contains("Unable to lock") && !last_words.contains("Can't lock aria control file") {
                break;
            }
            tokio::time::sleep(START_AGAIN).await;
        }
        Err(ServerError::Start(last_words))
    }

    /// `None` when it answers, its last words when it ended.
    async fn until_it_answers(&self, running: &mut Running, volume: &Volume) -> Result<Option<String>, ServerError> {
        let begun = Instant::now();
        while begun.elapsed() < START_TIMEOUT {
            if running.sandbox.exit().is_some() {
                return Ok(Some(running.last_words().await));
            }
            if let Some(door) = volume.take_socket(running.socket())? {
                running.door = Some(door);
                if running.answers().await {
                    return Ok(None);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
        running.sandbox.kill().await;
        Err(ServerError::TimedOut("the start of the database server"))
    }

    /// Makes an empty data folder.
    pub(crate) async fn initialise(&self, volume: &Volume, settings: &Settings) -> Result<(), ServerError> {
        volume.make()?;
        match settings.family {
            Family::MariaDb => self.mariadb_initialise(volume, settings.memory_bytes).await,
            Family::Postgres => self.postgres_initialise(volume, settings.memory_bytes).await,
        }
    }

    /// Makes a restored data folder this database's own, before its first start.
    pub(crate) async fn adopt(&self, volume: &Volume, settings: &Settings) -> Result<(), ServerError> {
        match settings.family {
            // Each start gives the platform's account a new password.
            Family::MariaDb => Ok(()),
            Family::Postgres => self.postgres_adopt(volume, settings).await,
        }
    }

    /// Replays logs that lie in `volume/replay` over the data: what was committed from `position` of the first one on and
    /// before the second `stop` (of the epoch). Returns when the server that did it has ended.
    pub(crate) async fn replay(
        &self,
        volume: &Volume,
        settings: &Settings,
        logs: &[String],
        position: u64,
        stop: Option<i64>,
    ) -> Result<(), ServerError> {
        match settings.family {
            Family::MariaDb => self.mariadb_replay(volume, settings, logs, position, stop).await,
            Family::Postgres => self.postgres_replay(volume, settings, stop).await,
        }
    }

    pub(super) async fn tool(
        &self,
        argv: Vec<String>,
        volume: &Volume,
        memory: u64,
        what: &'static str,
    ) -> Result<(), ServerError> {
        let sandbox = self.launch(argv, volume, memory).await;
        let mut sandbox = sandbox.map_err(|error| ServerError::Start(error.to_string()))?;
        let said = [sandbox.take_stdout(), sandbox.take_stderr()];
        let mut reading = tokio::task::JoinSet::new();
        for pipe in said.into_iter().flatten() {
            reading.spawn(super::running::tail(pipe, LAST_WORDS));
        }
        let Ok(exit) = tokio::time::timeout(TOOL_TIMEOUT, sandbox.wait()).await else {
            sandbox.kill().await;
            return Err(ServerError::TimedOut(what));
        };
        let words = reading.join_all().await.concat();
        match exit {
            Exit { code: Some(0), .. } => Ok(()),
            exit => Err(ServerError::Start(format!(
                "{what} failed (code {:?}, signal {:?}): {}",
                exit.code,
                exit.signal,
                words.trim()
            ))),
        }
    }
}

/// 256 random bits in hexadecimal digits.
pub(super) fn new_password() -> Result<String, ServerError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| ServerError::Files(error.to_string()))?;
    Ok(danbi_core::hex::encode(bytes))
}

pub(super) fn shell_words(words: &[String]) -> String {
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

pub(super) fn shell_word(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// How much memory a class of instances has.
///
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html>. It is a limit,
/// not a reservation.
pub(crate) fn memory_of_class(class: &str) -> u64 {
    const GIB: u64 = 1 << 30;
    let size = class.rsplit('.').next().unwrap_or_default();
    let factor = match class.split('.').nth(1).and_then(|family| family.chars().next()) {
        Some('r' | 'x' | 'z') => 2,
        _ => 1,
    };
    let gib = match size {
        "micro" => 1,
        "small" => 2,
        "medium" => 4,
        "large" => 8,
        "xlarge" => 16,
        "serverless" => 2,
        "2xlarge" => 32,
        _ => 64,
    };
    gib * factor * GIB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_leave_their_quotes() {
        assert_eq!(shell_word("it's; rm -rf /"), "'it'\\''s; rm -rf /'");
    }

    #[test]
    fn classes_have_memory() {
        assert_eq!(memory_of_class("db.t3.micro") >> 30, 1);
        assert_eq!(memory_of_class("db.r6g.large") >> 30, 16);
    }
}
