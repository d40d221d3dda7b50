//! The database servers that this machine has.

use super::ServerError;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Where programs are looked for: what a sandbox sees too.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
/// How a missing MariaDB comes to the machine.
pub const MARIADB_ADVICE: &str = "apt install mariadb-server";
/// How a missing PostgreSQL comes to the machine.
pub const POSTGRES_ADVICE: &str = "apt install postgresql";
/// Where Debian keeps each version of PostgreSQL.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";
/// What holds a lock for as long as the server and its children live.
const FLOCK: &str = "/usr/bin/flock";
/// How long a program may take to say its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// The programs of MariaDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MariaDb {
    /// The server.
    pub server: PathBuf,
    /// Makes a data folder.
    pub install: PathBuf,
    /// Turns binary logs into statements.
    pub binlog: PathBuf,
    /// The client that runs them.
    pub client: PathBuf,
}

impl MariaDb {
    /// Looks for them.
    ///
    /// # Errors
    /// [`ServerError::NotInstalled`] with the first that is missing.
    pub fn find() -> Result<Self, ServerError> {
        let find = |program: &'static str| {
            let found = FOLDERS.iter().map(|folder| Path::new(folder).join(program));
            let mut found = found.filter(|path| path.is_file());
            found.next().ok_or(ServerError::NotInstalled {
                program,
                advice: MARIADB_ADVICE,
            })
        };
        Ok(Self {
            server: find("mariadbd")?,
            install: find("mariadb-install-db")?,
            binlog: find("mariadb-binlog")?,
            client: find("mariadb")?,
        })
    }

    /// The server's version, such as `10.11.19`.
    ///
    /// # Errors
    /// When it does not say one.
    pub async fn version(&self) -> Result<String, ServerError> {
        let text = ask_version(&self.server, &["--no-defaults", "--version"]).await?;
        parse_version(&text, "Ver ", 3)
            .ok_or_else(|| ServerError::Start(format!("it says no version: {}", text.trim())))
    }
}

/// The programs of PostgreSQL: of the newest version that is there whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    /// The server.
    pub server: PathBuf,
    /// Makes a data folder.
    pub initdb: PathBuf,
    /// Says in which state a data folder is.
    pub control: PathBuf,
    /// Sees to it that one server at a time has a data folder.
    pub flock: PathBuf,
}

impl Postgres {
    /// Looks for them.
    ///
    /// # Errors
    /// [`ServerError::NotInstalled`] with what is missing.
    pub fn find() -> Result<Self, ServerError> {
        let missing = |program| ServerError::NotInstalled {
            program,
            advice: POSTGRES_ADVICE,
        };
        let installed = std::fs::read_dir(POSTGRES_VERSIONS).map_err(|_| missing("postgres"))?;
        let mut versions: Vec<(u32, PathBuf)> = installed
            .flatten()
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
            .collect();
        versions.sort();
        let whole = |folder: &PathBuf| {
            let found = Self {
                server: folder.join("postgres"),
                initdb: folder.join("initdb"),
                control: folder.join("pg_controldata"),
                flock: FLOCK.into(),
            };
            let all = [&found.server, &found.initdb, &found.control];
            all.iter().all(|path| path.is_file()).then_some(found)
        };
        let found = versions.iter().rev().find_map(|(_, folder)| whole(folder));
        let found = found.ok_or_else(|| missing("postgres"))?;
        match found.flock.is_file() {
            true => Ok(found),
            false => Err(ServerError::NotInstalled {
                program: "flock",
                advice: "apt install util-linux",
            }),
        }
    }

    /// The server's version, such as `15.18`.
    ///
    /// # Errors
    /// When it does not say one.
    pub async fn version(&self) -> Result<String, ServerError> {
        let text = ask_version(&self.server, &["--version"]).await?;
        let version = parse_version(&text, "(PostgreSQL) ", 2);
        version.ok_or_else(|| ServerError::Start(format!("it says no version: {}", text.trim())))
    }
}

async fn ask_version(server: &Path, arguments: &[&str]) -> Result<String, ServerError> {
    let mut asking = tokio::process::Command::new(server);
    asking.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let said = tokio::time::timeout(VERSION_TIMEOUT, asking.output());
    let said = said
        .await
        .map_err(|_| ServerError::TimedOut("asking for the server's version"))??;
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

/// The number of `parts` parts that follows `before`.
fn parse_version(text: &str, before: &str, parts: usize) -> Option<String> {
    let after = text.split_once(before)?.1;
    let version: String = after
        .chars()
        .take_while(|letter| letter.is_ascii_digit() || *letter == '.')
        .collect();
    (version.split('.').count() == parts).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let said = "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)";
        assert_eq!(parse_version(said, "Ver ", 3).as_deref(), Some("10.11.19"));
        let said = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)";
        assert_eq!(parse_version(said, "(PostgreSQL) ", 2).as_deref(), Some("15.18"));
        assert_eq!(parse_version("nonsense", "Ver ", 3), None);
    }
}
