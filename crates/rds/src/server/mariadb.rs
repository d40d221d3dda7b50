//! How MariaDB and its tools are started.

use super::installation::MariaDb;
use super::launch::{ADMIN, Inside, Machine, START_TIMEOUT, new_password, shell_word, shell_words};
use super::volume::{MARIADB_SOCKET, Volume};
use super::{ServerError, Settings};
use crate::mysql::client::quoted;
use danbi_sandbox::Isolation;

/// What is said to it at its start.
const START_SQL: &str = "start.sql";

impl Machine {
    /// What every start of the server has, whatever it is for.
    fn mariadb(&self, installation: &MariaDb, inside: &Inside, memory: u64) -> Vec<String> {
        let mut argv = vec![
            installation.server.display().to_string(),
            "--no-defaults".to_owned(),
            format!("--datadir={}", inside.path("data")),
            format!("--tmpdir={}", inside.path("tmp")),
            format!("--socket={}/{MARIADB_SOCKET}", inside.path("run")),
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

    /// What starts it over what lies in the volume, and the password that the platform's account has from then on.
    pub(super) fn mariadb_start(
        &self,
        volume: &Volume,
        settings: &Settings,
    ) -> Result<(Vec<String>, String), ServerError> {
        let installation = MariaDb::find()?;
        let password = new_password()?;
        volume.tell(START_SQL, &start_sql(&password))?;
        let inside = self.inside(volume);
        let mut argv = self.mariadb(&installation, &inside, settings.memory_bytes);
        argv.push(format!("--init-file={}/{START_SQL}", inside.control.display()));
        for (name, value) in &settings.parameters {
            argv.push(format!("--{}={value}", name.replace('_', "-")));
        }
        Ok((argv, password))
    }

    /// Removes what was said to it at its start.
    pub(super) fn mariadb_started(volume: &Volume) {
        volume.untell(START_SQL);
    }

    /// Makes an empty data folder.
    pub(super) async fn mariadb_initialise(&self, volume: &Volume, memory: u64) -> Result<(), ServerError> {
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
    pub(super) async fn mariadb_replay(
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
        volume.tell(START_SQL, &start_sql(&password))?;
        volume.tell(
            "client.cnf",
            &format!(
                "[client]\nuser={ADMIN}\npassword={password}\nsocket={}/{MARIADB_SOCKET}\n",
                inside.path("run")
            ),
        )?;
        let mut server = self.mariadb(&installation, &inside, settings.memory_bytes);
        server.push(format!("--init-file={}/{START_SQL}", inside.control.display()));
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
        // A function, because quotes in a variable would be part of the words that it becomes.
        let client = [
            installation.client.display().to_string(),
            format!("--defaults-file={}/client.cnf", inside.control.display()),
        ];
        let script = format!(
            "client() {{ {client} \"$@\"; }}\n\
             {server} & server=$!\n\
             until client -e 'SELECT 1' >/dev/null 2>{words}; do\n\
             kill -0 $server || exit 3\n\
             if [ $SECONDS -gt {patience} ]; then cat {words} >&2; exit 4; fi\n\
             sleep 0.05\n\
             done\n\
             set -o pipefail\n\
             {reading} | client --binary-mode --max-allowed-packet=1G; done=$?\n\
             kill -TERM $server; wait $server; exit $done\n",
            client = shell_words(&client),
            server = shell_words(&server),
            words = shell_word(&inside.path("tmp/words")),
            patience = START_TIMEOUT.as_secs(),
            reading = shell_words(&reading),
        );
        let argv = vec!["/bin/bash".to_owned(), "-c".to_owned(), script];
        let replayed = self
            .tool(argv, volume, settings.memory_bytes, "replaying the binary logs")
            .await;
        volume.untell("client.cnf");
        volume.untell(START_SQL);
        replayed
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
pub(crate) const CLOSE_MARIADB: [&str; 4] = [
    "SET SESSION sql_log_bin = 0",
    "DELETE FROM mysql.global_priv WHERE User IN ('root', 'mysql', '')",
    "DELETE FROM mysql.proxies_priv",
    "FLUSH PRIVILEGES",
];

/// A second of the epoch as the tools read it, in UTC.
fn date_time(seconds: i64) -> Result<String, ServerError> {
    let time = time::OffsetDateTime::from_unix_timestamp(seconds);
    let time = time.map_err(|_| ServerError::Answer("a time that is no date".to_owned()))?;
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    time.format(format)
        .map_err(|error| ServerError::Answer(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_dates_in_utc() {
        assert_eq!(date_time(1_700_000_000).unwrap(), "2023-11-14 22:13:20");
    }
}
