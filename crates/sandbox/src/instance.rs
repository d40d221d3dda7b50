//! Which launcher of this machine this one is. Everything that a launcher makes on the host (cgroups, interfaces,
//! packet filter, uids) bears its number, and the number is held by a file lock that dies with the process: who gets
//! the lock knows that whatever bears the number is left over from a launcher that was killed.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

use rustix::fs::FlockOperation;

/// Most launchers on one machine (for each user).
pub(crate) const INSTANCES: u32 = 64;
/// Most sandboxes of one launcher at once.
pub(crate) const SLOTS: u32 = 1024;

/// The number, held as long as this lives.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) number: u32,
    _lock: File,
}

impl Instance {
    /// Takes the first free number.
    ///
    /// # Errors
    /// When the lock folder cannot be made, belongs to somebody else, or all numbers are taken.
    pub(crate) fn take() -> io::Result<Instance> {
        let folder = folder()?;
        for number in 0..INSTANCES {
            let path = folder.join(number.to_string());
            let lock = File::options().create(true).truncate(false).write(true).open(path)?;
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Instance { number, _lock: lock }),
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other(format!("{INSTANCES} launchers are running already")))
    }

    /// The name of this launcher's folders and tables.
    pub(crate) fn name(&self) -> String {
        format!("danbi-{}", self.number)
    }
}

/// Waits for, and holds, the right to change what all launchers of this user share.
///
/// # Errors
/// As [`Instance::take`].
pub(crate) fn lock_shared(name: &str) -> io::Result<File> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder()?.join(name))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    Ok(lock)
}

/// `/run` is root's; a root that is none outside its user namespace has to do with `/tmp`.
fn folder() -> io::Result<PathBuf> {
    let uid = rustix::process::geteuid();
    if uid.is_root()
        && let Ok(folder) = own_folder(PathBuf::from("/run/danbi-sandbox"), uid.as_raw())
    {
        return Ok(folder);
    }
    own_folder(
        PathBuf::from(format!("/tmp/danbi-sandbox-{}", uid.as_raw())),
        uid.as_raw(),
    )
}

fn own_folder(folder: PathBuf, uid: u32) -> io::Result<PathBuf> {
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(&folder)?;
    if !found.is_dir() || found.uid() != uid || found.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!(
            "{} is not a folder of this user alone",
            folder.display()
        )));
    }
    Ok(folder)
}
