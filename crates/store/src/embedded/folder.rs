use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::StoreError;

/// The layout that this release writes, and the newest it reads.
const FORMAT: u32 = 1;
const MARKER: &str = "FORMAT";
const LOCK: &str = "LOCK";

/// A data folder that nobody else has open; given free on drop.
#[derive(Debug)]
pub(crate) struct Folder {
    _lock: File,
}

impl Folder {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let failed = |source: io::Error| StoreError::Folder {
            dir: dir.to_path_buf(),
            source: Arc::new(source),
        };
        fs::create_dir_all(dir).map_err(failed)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(LOCK))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { dir: dir.to_path_buf() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        match fs::read_to_string(dir.join(MARKER)) {
            Ok(text) => check_format(dir, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => mark(dir).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        }
        Ok(Self { _lock: lock })
    }
}

fn check_format(dir: &Path, text: &str) -> Result<(), StoreError> {
    let found = text
        .strip_prefix("danbi-store ")
        .and_then(|rest| rest.trim_end().parse().ok());
    match found {
        Some(found) if found > FORMAT => Err(StoreError::NewerFormat {
            dir: dir.to_path_buf(),
            found,
            supported: FORMAT,
        }),
        Some(_) => Ok(()),
        None => Err(StoreError::Corrupt(format!(
            "{} is not a format marker",
            dir.join(MARKER).display()
        ))),
    }
}

/// Writes the marker so that a crash leaves a whole one or none.
fn mark(dir: &Path) -> io::Result<()> {
    let temporary: PathBuf = dir.join("FORMAT.new");
    let mut file = File::create(&temporary)?;
    file.write_all(format!("danbi-store {FORMAT}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(MARKER))?;
    sync_dir(dir)
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
