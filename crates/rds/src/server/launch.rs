//! How a server and its tools are run: each in a sandbox of its own, without a network.

use super::installation::MariaDb;
use super::volume::{SOCKET, Volume};
use super::{Running, ServerError};
use crate::mysql::client::quoted;
use danbi_sandbox::{Exit, Isolation, Launcher, Mount, Network, Sandbox, SandboxError, SandboxSpec};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take until it accepts connections; the recovery of a large log is what takes time.
const START_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a tool may take: making a data folder, replaying the logs of days.
const TOOL_TIMEOUT: Duration = Duration::from_secs(6 * 3600);
/// Between two looks at whether a starting server answers.
const LOOK: Duration = Duration::from_millis(3);
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
    /// Memory limit in bytes.
    pub(crate) memory_bytes: u64,
    /// Variables from the parameter group, by their names with underscores.
    pub(crate) parameters: BTreeMap<String, String>,
    /// How long without work until it is stopped; `None` is never.
    pub(crate) idle: Option<Duration>,
}

/// Paths as the programs see them.
struct Inside {
    volume: PathBuf,
    control: PathBuf,
}

impl Inside {
    fn path(&self, name: &str) -> String {
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

    fn inside(&self, volume: &Volume) -> Inside {
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

    /// What every start of the server has, whatever it is for.
    fn server(&self, installation: &MariaDb, inside: &Inside, memory: u64) -> Vec<String> {
        let mut argv = vec![
            installation.server.display().to_string(),
            "--no-defaults".to_owned(),
            format!("--datadir={}", inside.path("data")),
            format!("--tmpdir={}", inside.path("tmp")),
            format!("--socket={}/{SOCKET}", inside.path("run")),
            format!("--pid-file={}/server.pid", inside.path("run")),
            format!("--log-bin={}/log", inside.path("binlog")),
            format!("--log-bin-index={}/log.index", inside.path("binlog")),
            "--skip-networking".to_owned(),
            "--skip-name-resolve".to_owned(),
            "--server-id=1".to_owned(),
            "--binlog-format=ROW".to_owned(),
            "--sync-binlog=1".to_owned(),
            "--innodb-flush-log-at-trx-commit=1".to_owned(),
            // Files of the sandbox go through the page cache, and io_uring is not let through its filter.
            "--innodb-use-native-aio=0".to_owned(),
            format!("--innodb-buffer-pool-size={}", memory / 4),
            "--innodb-log-file-size=48M".to_owned(),
            "--performance-schema=OFF".to_owned(),
            "--local-infile=0".to_owned(),
            format!("--secure-file-priv={}", inside.path("tmp")),
            "--character-set-server=utf8mb4".to_owned(),
            "--max-connections=200".to_owned(),
            "--key-buffer-size=8M".to_owned(),
            "--aria-pagecache-buffer-size=8M".to_owned(),
            "--thread-stack=256K".to_owned(),
        ];
        // It refuses to be root unless told; without namespaces it is what the platform is.
        if self.isolation == Isolation::Process && rustix::process::geteuid().is_root() {
            argv.push("--user=root".to_owned());
        }
        argv
    }

    /// Starts the server over what lies in the volume; crash recovery is its own. Returns when it answers.
    pub(crate) async fn start(&self, volume: &Volume, settings: &Settings) -> Result<Running, ServerError> {
        let installation = MariaDb::find()?;
        let password = new_password()?;
        volume.make()?;
        volume.clear_run()?;
        volume.tell("start.sql", &start_sql(&password))?;
        let inside = self.inside(volume);
        let mut argv = self.server(&installation, &inside, settings.memory_bytes);
        argv.push(format!("--init-file={}/start.sql", inside.control.display()));
        for (name, value) in &settings.parameters {
            argv.push(format!("--{}={value}", name.replace('_', "-")));
        }
        let mut last_words = String::new();
        for _ in 0..START_ATTEMPTS {
            let sandbox = self.launch(argv.clone(), volume, settings.memory_bytes).await;
            let sandbox = sandbox.map_err(|error| ServerError::Start(error.to_string()))?;
            let generation = self.generation.fetch_add(1, Ordering::Relaxed);
            let mut running = Running::new(sandbox, generation, password.clone())?;
            match self.until_it_answers(&mut running, volume).await? {
                None => {
                    volume.untell("start.sql");
                    return Ok(running);
                }
                Some(words) => last_words = words,
            }
            if !last_words.contains("Unable to lock") && !last_words.contains("Can't lock aria control file") {
                break;
            }
            tokio::time::sleep(START_AGAIN).await;
        }
        volume.untell("start.sql");
        Err(ServerError::Start(last_words))
    }

    /// `None` when it answers, its last words when it ended.
    async fn until_it_answers(&self, running: &mut Running, volume: &Volume) -> Result<Option<String>, ServerError> {
        let begun = Instant::now();
        while begun.elapsed() < START_TIMEOUT {
            if running.sandbox.exit().is_some() {
                return Ok(Some(running.last_words().await));
            }
            if let Some(door) = volume.take_socket()? {
                running.door = Some(door);
                if running.admin().await.is_ok() {
                    return Ok(None);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
        running.sandbox.kill().await;
        Err(ServerError::TimedOut("the start of the database server"))
    }

    /// Makes an empty data folder.
    pub(crate) async fn initialise(&self, volume: &Volume, memory: u64) -> Result<(), ServerError> {
        let installation = MariaDb::find()?;
        volume.make()?;
        let inside = self.inside(volume);
        let mut argv = vec![
            installation.install.display().to_string(),
            "--no-defaults".to_owned(),
            "--basedir=/usr".to_owned(),
            format!("--datadir={}", inside.path("data")),
            format!("--tmpdir={}", inside.path("tmp")),
            "--auth-root-authentication-method=normal".to_owned(),
            "--skip-test-db".to_owned(),
            "--skip-name-resolve".to_owned(),
            "--innodb-use-native-aio=0".to_owned(),
            "--innodb-log-file-size=48M".to_owned(),
        ];
        if self.isolation == Isolation::Process && rustix::process::geteuid().is_root() {
            argv.push("--user=root".to_owned());
        }
        self.tool(argv, volume, memory, "making the data folder").await
    }

    /// Replays binary logs that lie in `volume/replay` over the data: what was committed from `position` of the first
    /// one on and before the second `stop` (of the epoch). Returns when the server that did it has ended.
    pub(crate) async fn replay(
        &self,
        volume: &Volume,
        settings: &Settings,
        logs: &[String],
        position: u64,
        stop: Option<i64>,
    ) -> Result<(), ServerError> {
        let installation = MariaDb::find()?;
        let inside = self.inside(volume);
        let password = new_password()?;
        volume.clear_run()?;
        volume.tell("start.sql", &start_sql(&password))?;
        volume.tell(
            "client.cnf",
            &format!(
                "[client]\nuser={ADMIN}\npassword={password}\nsocket={}/{SOCKET}\n",
                inside.path("run")
            ),
        )?;
        let mut server = self.server(&installation, &inside, settings.memory_bytes);
        server.push(format!("--init-file={}/start.sql", inside.control.display()));
        server.push("--max-allowed-packet=1G".to_owned());
        let mut reading = vec![
            installation.binlog.display().to_string(),
            "--no-defaults".to_owned(),
            "--disable-log-bin".to_owned(),
            format!("--start-position={position}"),
        ];
        if let Some(stop) = stop {
            reading.push(format!("--stop-datetime={}", date_time(stop)?));
        }
        reading.extend(logs.iter().map(|log| inside.path(&format!("replay/{log}"))));
        let script = format!(
            "{server} & server=$!\n\
             client=\"{client} --defaults-file={control}/client.cnf\"\n\
             until $client -e 'SELECT 1' >/dev/null 2>&1; do kill -0 $server || exit 3; sleep 0.05; done\n\
             set -o pipefail\n\
             {reading} | $client --binary-mode --max-allowed-packet=1G; done=$?\n\
             kill -TERM $server; wait $server; exit $done\n",
            server = shell_words(&server),
            client = installation.client.display(),
            control = shell_word(&inside.control.display().to_string()),
            reading = shell_words(&reading),
        );
        let argv = vec!["/bin/bash".to_owned(), "-c".to_owned(), script];
        let replayed = self
            .tool(argv, volume, settings.memory_bytes, "replaying the binary logs")
            .await;
        volume.untell("client.cnf");
        volume.untell("start.sql");
        replayed
    }

    async fn tool(
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

/// What every start says: the platform's own account gets a new password. None of it is in the binary logs.
fn start_sql(password: &str) -> String {
    let account = format!("'{ADMIN}'@'localhost'");
    let password = quoted(password);
    format!(
        "SET SESSION sql_log_bin = 0;\n\
         CREATE OR REPLACE USER {account} IDENTIFIED VIA mysql_native_password USING PASSWORD({password});\n\
         GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION;\n"
    )
}

/// Removes the accounts that a new data folder has without a password.
pub(crate) const CLOSE_SQL: [&str; 4] = [
    "SET SESSION sql_log_bin = 0",
    "DELETE FROM mysql.global_priv WHERE User IN ('root', 'mysql', '')",
    "DELETE FROM mysql.proxies_priv",
    "FLUSH PRIVILEGES",
];

/// 256 random bits in hexadecimal digits.
fn new_password() -> Result<String, ServerError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| ServerError::Files(error.to_string()))?;
    Ok(danbi_core::hex::encode(bytes))
}

/// A second of the epoch as the tools read it, in UTC.
fn date_time(seconds: i64) -> Result<String, ServerError> {
    let time = time::OffsetDateTime::from_unix_timestamp(seconds);
    let time = time.map_err(|_| ServerError::Answer("a time that is no date".to_owned()))?;
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    time.format(format)
        .map_err(|error| ServerError::Answer(error.to_string()))
}

fn shell_words(words: &[String]) -> String {
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

fn shell_word(word: &str) -> String {
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
    fn seconds_are_dates_in_utc() {
        assert_eq!(date_time(1_700_000_000).unwrap(), "2023-11-14 22:13:20");
    }

    #[test]
    fn classes_have_memory() {
        assert_eq!(memory_of_class("db.t3.micro") >> 30, 1);
        assert_eq!(memory_of_class("db.r6g.large") >> 30, 16);
    }
}
