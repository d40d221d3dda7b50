//! What a server says, in files of an hour each: kept where the server cannot reach them, and not for ever.

use super::Volume;
use crate::engines::Family;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;

/// The most that is kept of one hour; a server that says more is not worth reading.
const MAX_BYTES: u64 = 10 << 20;
/// What MariaDB's file of this hour is called; those of earlier hours bear theirs behind it.
const MARIADB: &str = "mysql-error-running.log";
const POSTGRES: &str = "postgresql.log";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The log of one database.
#[derive(Debug)]
pub(crate) struct ServerLog {
    folder: PathBuf,
    family: Family,
    /// The hour's file.
    open: Mutex<Option<(String, File, u64)>>,
}

impl ServerLog {
    pub(crate) fn of(volume: &Volume, family: Family) -> Self {
        Self {
            folder: volume.logs(),
            family,
            open: Mutex::new(None),
        }
    }

    /// Days for which files are kept, as RDS keeps them.
    fn kept(&self) -> Duration {
        match self.family {
            Family::MariaDb => DAY * 30,
            Family::Postgres => DAY * 3,
        }
    }

    /// The name of the file of an hour.
    fn name(&self, hour: OffsetDateTime) -> String {
        let (date, hour) = (hour.date(), hour.hour());
        match self.family {
            Family::MariaDb => format!("{MARIADB}.{date}.{hour:02}"),
            Family::Postgres => format!("{POSTGRES}.{date}-{hour:02}"),
        }
    }

    /// Adds what the server has said. What cannot be kept is lost, as the platform's own log has it too.
    pub(crate) fn add(&self, said: &[u8]) {
        let name = self.name(OffsetDateTime::now_utc());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_none_or(|(hour, ..)| *hour != name) {
            *open = self.turn_over(&name).ok().map(|(file, bytes)| (name, file, bytes));
        }
        if let Some((_, file, bytes)) = open.as_mut()
            && *bytes < MAX_BYTES
            && file.write_all(said).is_ok()
        {
            *bytes += said.len() as u64;
        }
    }

    /// Opens the file of an hour that begins, and removes those that are too old.
    fn turn_over(&self, name: &str) -> io::Result<(File, u64)> {
        use std::os::unix::fs::DirBuilderExt;
        let mut private = std::fs::DirBuilder::new();
        private.recursive(true).mode(0o700).create(&self.folder)?;
        let oldest = SystemTime::now().checked_sub(self.kept());
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.metadata()?.modified().ok() < oldest {
                std::fs::remove_file(entry.path())?;
            }
        }
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.folder.join(name))?;
        let bytes = file.metadata()?.len();
        Ok((file, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_in_the_file_of_the_hour_and_old_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::at(folder.path().join("db"));
        let log = ServerLog::of(&volume, Family::Postgres);
        std::fs::create_dir_all(volume.logs()).unwrap();
        let old = File::create(volume.logs().join("postgresql.log.2020-01-01-00")).unwrap();
        old.set_modified(SystemTime::now() - DAY * 4).unwrap();
        log.add(b"one\n");
        log.add(b"two\n");
        let files: Vec<_> = std::fs::read_dir(volume.logs())
            .unwrap()
            .map(|one| one.unwrap().path())
            .collect();
        let said: String = files
            .iter()
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        assert_eq!(said, "one\ntwo\n");
        assert!(files.len() <= 2, "an hour may have ended meanwhile: {files:?}");
    }

    #[test]
    fn files_bear_their_hours() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::at(folder.path().to_owned());
        let hour = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        let name = |family| ServerLog::of(&volume, family).name(hour);
        assert_eq!(name(Family::MariaDb), "mysql-error-running.log.2023-11-14.22");
        assert_eq!(name(Family::Postgres), "postgresql.log.2023-11-14-22");
    }
}
