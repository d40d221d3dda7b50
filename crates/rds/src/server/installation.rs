//! The database servers that this machine has.

use super::ServerError;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Where programs are looked for: what a sandbox sees too.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
/// How a missing MariaDB comes to the machine.
pub const MARIADB_ADVICE: &str = "apt install mariadb-server";
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
        let mut asking = tokio::process::Command::new(&self.server);
        asking
            .args(["--no-defaults", "--version"])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let said = tokio::time::timeout(VERSION_TIMEOUT, asking.output());
        let said = said
            .await
            .map_err(|_| ServerError::TimedOut("asking for the server's version"))??;
        let text = String::from_utf8_lossy(&said.stdout);
        parse_version(&text).ok_or_else(|| ServerError::Start(format!("it says no version: {}", text.trim())))
    }
}

fn parse_version(text: &str) -> Option<String> {
    let after = text.split_once("Ver ")?.1;
    let version: String = after
        .chars()
        .take_while(|letter| letter.is_ascii_digit() || *letter == '.')
        .collect();
    (version.split('.').count() == 3).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let said = "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)";
        assert_eq!(parse_version(said).as_deref(), Some("10.11.19"));
        assert_eq!(parse_version("nonsense"), None);
    }
}
