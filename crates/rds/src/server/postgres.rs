//! How PostgreSQL and its tools are started.
//!
//! Everything that matters is said on the command line, which neither the data folder nor a user can overrule. Two
//! servers never have one data folder: `flock` holds a lock that the server and all its children inherit, so a new
//! server waits for the last process of one whose platform was killed. Its own lock file names a process of another
//! sandbox, which says nothing in this one; it is removed under that lock.

use super::installation::Postgres;
use super::launch::{ADMIN, Inside, Machine, new_password, shell_word, shell_words};
use super::{ServerError, Settings, Volume};
use crate::postgres::client::literal;
use crate::postgres::scram::Verifier;
use danbi_sandbox::Isolation;

/// Seconds that a start waits for the end of a server whose platform was killed.
const LOCK_SECONDS: u32 = 60;
/// Of its shared memory; the rest of a large machine is the page cache's.
const MAX_BUFFERS: u64 = 1 << 30;
/// Where the password of the platform's account is kept: see [`Volume::keep`].
const SECRET: &str = "admin";
const HBA: &str = "pg_hba.conf";
/// Who may connect: everybody over the socket, which only the platform can open, with a password.
const HBA_TEXT: &str = "local all all scram-sha-256\n";
const PASSWORD: &str = "password";
const ADOPT_SQL: &str = "adopt.sql";
const RECOVERY: &str = "recovery.conf";
const RECOVERY_OF_ALL: &str = "recovery-of-all.conf";
/// What a recovery says that found nothing after its moment.
const NOTHING_AFTER: &str = "recovery ended before configured recovery target was reached";

impl Machine {
    /// The user of a server that refuses to be root.
    fn postgres_may_run(&self) -> Result<(), ServerError> {
        match self.isolation == Isolation::Process && rustix::process::geteuid().is_root() {
            true => Err(ServerError::Start(
                "PostgreSQL does not run as root: run the platform as another user, or with --isolation=namespaces"
                    .to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// `program` with the lock on the data folder.
    fn locked(installation: &Postgres, inside: &Inside, program: Vec<String>) -> Vec<String> {
        let mut argv = vec![
            installation.flock.display().to_string(),
            "--no-fork".to_owned(),
            "--timeout".to_owned(),
            LOCK_SECONDS.to_string(),
            inside.path("lock"),
            "/bin/sh".to_owned(),
            "-c".to_owned(),
            "rm -f \"$0\" && exec \"$@\"".to_owned(),
            inside.path("data/postmaster.pid"),
        ];
        argv.extend(program);
        argv
    }

    /// The settings that every start has, whatever it is for.
    fn postgres_settings(inside: &Inside, memory: u64) -> Vec<(&'static str, String)> {
        let own = |text: &str| text.to_owned();
        vec![
            ("listen_addresses", String::new()),
            ("unix_socket_directories", inside.path("run")),
            ("hba_file", format!("{}/{HBA}", inside.control.display())),
            ("ident_file", format!("{}/pg_ident.conf", inside.control.display())),
            ("password_encryption", own("scram-sha-256")),
            ("max_connections", own("160")),
            ("superuser_reserved_connections", own("10")),
            ("shared_buffers", format!("{}kB", (memory / 4).min(MAX_BUFFERS) >> 10)),
            ("huge_pages", own("off")),
            ("fsync", own("on")),
            ("full_page_writes", own("on")),
            ("wal_level", own("replica")),
            ("max_wal_senders", own("0")),
            ("max_replication_slots", own("4")),
            ("hot_standby", own("off")),
            ("archive_mode", own("off")),
            // A statement of a client that vanished ends.
            ("client_connection_check_interval", own("5s")),
            // Segments that wait to be written again would be part of every image.
            ("wal_recycle", own("off")),
            ("max_wal_size", own("256MB")),
            ("min_wal_size", own("32MB")),
            ("logging_collector", own("off")),
            ("log_destination", own("stderr")),
            ("log_timezone", own("UTC")),
        ]
    }

    fn postgres_files(volume: &Volume) -> Result<(), ServerError> {
        volume.tell(HBA, HBA_TEXT)?;
        Ok(volume.tell("pg_ident.conf", "")?)
    }

    /// What starts it over what lies in the volume, and the password of the platform's account.
    pub(super) fn postgres_start(
        &self,
        volume: &Volume,
        settings: &Settings,
    ) -> Result<(Vec<String>, String), ServerError> {
        self.postgres_may_run()?;
        let installation = Postgres::find()?;
        Self::postgres_files(volume)?;
        let inside = self.inside(volume);
        let mut argv = vec![
            installation.server.display().to_string(),
            "-D".to_owned(),
            inside.path("data"),
        ];
        let own = Self::postgres_settings(&inside, settings.memory_bytes);
        let groups = settings.parameters.iter();
        let groups = groups.map(|(name, value)| (name.as_str(), value.clone()));
        // Of one that is set twice the last counts.
        let defaults = [("timezone", "UTC".to_owned()), ("jit", "off".to_owned())];
        for (name, value) in own.into_iter().chain(defaults).chain(groups) {
            argv.push("-c".to_owned());
            argv.push(format!("{name}={value}"));
        }
        Ok((Self::locked(&installation, &inside, argv), volume.kept(SECRET)?))
    }

    /// Makes an empty data folder.
    pub(super) async fn postgres_initialise(&self, volume: &Volume, memory: u64) -> Result<(), ServerError> {
        self.postgres_may_run()?;
        let installation = Postgres::find()?;
        let password = new_password()?;
        let verifier = verifier(&password)?;
        volume.keep(SECRET, &password)?;
        volume.tell(PASSWORD, &format!("{verifier}\n"))?;
        let inside = self.inside(volume);
        let argv = vec![
            installation.initdb.display().to_string(),
            "--pgdata".to_owned(),
            inside.path("data"),
            "--username".to_owned(),
            ADMIN.to_owned(),
            "--auth=scram-sha-256".to_owned(),
            format!("--pwfile={}/{PASSWORD}", inside.control.display()),
            "--encoding=UTF8".to_owned(),
            "--locale=C.UTF-8".to_owned(),
        ];
        let made = self.tool(argv, volume, memory, "making the data folder").await;
        volume.untell(PASSWORD);
        made
    }

    /// Gives the platform's account of a restored data folder a password of this database's own. The server recovers
    /// from the image meanwhile.
    pub(super) async fn postgres_adopt(&self, volume: &Volume, settings: &Settings) -> Result<(), ServerError> {
        self.postgres_may_run()?;
        let installation = Postgres::find()?;
        let password = new_password()?;
        let verifier = verifier(&password)?;
        volume.keep(SECRET, &password)?;
        Self::postgres_files(volume)?;
        volume.tell(
            ADOPT_SQL,
            &format!("ALTER ROLE {ADMIN} PASSWORD {};\n", literal(&verifier)),
        )?;
        let inside = self.inside(volume);
        let mut single = vec![
            installation.server.display().to_string(),
            "--single".to_owned(),
            "-D".to_owned(),
            inside.path("data"),
        ];
        for (name, value) in Self::postgres_settings(&inside, settings.memory_bytes) {
            single.push("-c".to_owned());
            single.push(format!("{name}={value}"));
        }
        single.push("postgres".to_owned());
        let script = format!(
            "exec {} < {}/{ADOPT_SQL}",
            shell_words(&single),
            shell_word(&inside.control.display().to_string())
        );
        let argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), script];
        let argv = Self::locked(&installation, &inside, argv);
        let what = "taking over the restored data";
        let adopted = self.tool(argv, volume, settings.memory_bytes, what).await;
        volume.untell(ADOPT_SQL);
        adopted
    }

    /// Replays the segments in `volume/replay`: all that was committed before the second `stop`.
    pub(super) async fn postgres_replay(
        &self,
        volume: &Volume,
        settings: &Settings,
        stop: Option<i64>,
    ) -> Result<(), ServerError> {
        self.postgres_may_run()?;
        let installation = Postgres::find()?;
        Self::postgres_files(volume)?;
        let inside = self.inside(volume);
        let restore = format!("cp {} \"%p\"", double_quoted(&inside.path("replay/%f")));
        let mut all = String::new();
        let recovery = [
            ("restore_command", restore),
            ("recovery_target_timeline", "current".to_owned()),
            ("recovery_target_action", "promote".to_owned()),
        ];
        for (name, value) in Self::postgres_settings(&inside, settings.memory_bytes)
            .into_iter()
            .chain(recovery)
        {
            all.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        let target = stop.map(|stop| {
            format!(
                "recovery_target_time = '{}'\nrecovery_target_inclusive = off\n",
                timestamp(stop)
            )
        });
        volume.tell(RECOVERY_OF_ALL, &all)?;
        volume.tell(RECOVERY, &format!("{all}{}", target.unwrap_or_default()))?;
        let configuration = |name: &str| shell_word(&format!("{}/{name}", inside.control.display()));
        // It is over when the file that asked for it is gone and the server takes changes. Who asks for a moment after the
        // last commit gets all there is, which the server takes for a mistake.
        let script = format!(
            "data={data}; log={log}\n\
             run() {{\n\
             {server} -D \"$data\" -c config_file=\"$1\" >>\"$log\" 2>&1 & server=$!\n\
             until [ ! -e \"$data/recovery.signal\" ] && {control} \"$data\" | grep -q 'in production'; do\n\
             kill -0 $server 2>/dev/null || {{ wait $server; return 1; }}\n\
             sleep 0.05\n\
             done\n\
             kill -INT $server; wait $server\n\
             }}\n\
             rm -f \"$log\"; touch \"$data/recovery.signal\" || exit 3\n\
             run {some} || {{ grep -q {nothing} \"$log\" && run {all}; }} || {{ tail -c 4096 \"$log\" >&2; exit 4; }}\n",
            data = shell_word(&inside.path("data")),
            log = shell_word(&inside.path("tmp/recovery.log")),
            server = shell_word(&installation.server.display().to_string()),
            control = shell_word(&installation.control.display().to_string()),
            some = configuration(RECOVERY),
            nothing = shell_word(NOTHING_AFTER),
            all = configuration(RECOVERY_OF_ALL),
        );
        let argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), script];
        let argv = Self::locked(&installation, &inside, argv);
        let what = "replaying the write-ahead log";
        self.tool(argv, volume, settings.memory_bytes, what).await
    }
}

fn verifier(password: &str) -> Result<String, ServerError> {
    let made = Verifier::of_random(password).map_err(|error| ServerError::Files(error.to_string()))?;
    Ok(made.text())
}

/// A word in double quotes, in which `%f` is replaced by a plain name.
fn double_quoted(word: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in word.chars() {
        if matches!(letter, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// A second of the epoch as the server reads it.
fn timestamp(seconds: i64) -> String {
    // Out of the range of dates is after everything.
    let time = time::OffsetDateTime::from_unix_timestamp(seconds).ok();
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]+00");
    time.and_then(|time| time.format(format).ok())
        .unwrap_or_else(|| "infinity".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_server_reads_them() {
        assert_eq!(timestamp(1_700_000_000), "2023-11-14 22:13:20+00");
        assert_eq!(double_quoted("/a \"b\"/$c/%f"), "\"/a \\\"b\\\"/\\$c/%f\"");
    }
}
