//! Folders that outlive their sandboxes: given to the host user of the next one before it starts.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};

use crate::SandboxSpec;

/// How a folder of the tree is opened.
const OPEN: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Gives the tree at `folder` to a user. No symbolic link is followed and none changes its target; what was in the tree
/// was written by a sandbox that could not make links to files outside of it.
///
/// # Errors
/// Names the folder; also when it holds more than [`SandboxSpec::MAX_OWNED_FILES`].
pub(crate) fn give(folder: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let walk = || -> io::Result<()> {
        let top = rustix::fs::open(folder, OPEN, Mode::empty())?;
        rustix::fs::fchown(&top, Some(uid), Some(gid))?;
        let mut pending = VecDeque::from([top]);
        let mut seen = 0;
        while let Some(at) = pending.pop_back() {
            seen += give_entries(&at, uid, gid, &mut pending)?;
            if seen > SandboxSpec::MAX_OWNED_FILES {
                return Err(io::Error::other("too many files"));
            }
        }
        Ok(())
    };
    walk().map_err(|error| io::Error::new(error.kind(), format!("giving away {}: {error}", folder.display())))
}

fn give_entries(at: &OwnedFd, uid: Uid, gid: Gid, pending: &mut VecDeque<OwnedFd>) -> io::Result<usize> {
    let mut seen = 0;
    for entry in rustix::fs::Dir::read_from(at)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        seen += 1;
        let found = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if found.st_uid != uid.as_raw() || found.st_gid != gid.as_raw() {
            rustix::fs::chownat(at, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            pending.push_back(rustix::fs::openat(at, name, OPEN, Mode::empty())?);
        }
    }
    Ok(seen)
}
