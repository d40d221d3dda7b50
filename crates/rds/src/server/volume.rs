//! The folder of one database.
//!
//! | folder | whose | what |
//! |---|---|---|
//! | `volume/data` | the server's | its data folder |
//! | `volume/binlog` | the server's | its binary logs |
//! | `volume/tmp`, `volume/run` | the server's | temporary files, its socket |
//! | `control` | the platform's, the server reads | what is said to it at its start |
//! | `admin` | the platform's alone | PostgreSQL's password of the platform's own account |
//! | `log` | the platform's alone | what the server said |
//! | `door` | the platform's alone | links to its socket |
//!
//! The server is foreign code as soon as somebody has broken it. So the platform never follows a link below `volume`,
//! reads plain files there and nothing else, and connects to a socket only by a link of its own in `door`, which the
//! server cannot exchange.

use super::Socket;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// The servers' sockets in `volume/run`.
pub(crate) const MARIADB_SOCKET: &str = "server.sock";
/// PostgreSQL names it by its port.
pub(crate) const POSTGRES_SOCKET: &str = ".s.PGSQL.5432";

/// The folder of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    folder: PathBuf,
}

impl Volume {
    /// At `folder`, which need not exist.
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What the server may write.
    pub(crate) fn writable(&self) -> PathBuf {
        self.folder.join("volume")
    }

    /// What it may read.
    pub(crate) fn control(&self) -> PathBuf {
        self.folder.join("control")
    }

    /// What it said.
    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Whether there is anything in it that a server could be started over.
    pub(crate) fn has_data(&self) -> bool {
        self.writable().join("data").is_dir()
    }

    /// Makes the folders, for the platform's user alone; those that are there stay.
    pub(crate) fn make(&self) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let mut private = std::fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        private.create(self.folder.join("door"))?;
        for name in ["data", "binlog", "tmp", "run"] {
            private.create(self.writable().join(name))?;
        }
        // The server is another user, and DATA keeps all others out.
        let mut readable = std::fs::DirBuilder::new();
        readable.recursive(true).mode(0o755);
        readable.create(self.control())
    }

    /// Removes everything.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Opens a folder that the server may write, such as `data`, without following links.
    pub(crate) fn open(&self, name: &str) -> io::Result<OwnedFd> {
        let top = rustix::fs::open(self.writable(), FOLDER, Mode::empty())?;
        Ok(rustix::fs::openat(&top, name, FOLDER, Mode::empty())?)
    }

    /// Writes a file that the server reads at its start.
    pub(crate) fn tell(&self, name: &str, text: &str) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.control().join(name);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644);
        io::Write::write_all(&mut options.open(path)?, text.as_bytes())
    }

    /// Removes what [`Volume::tell`] wrote.
    pub(crate) fn untell(&self, name: &str) {
        // It is written anew before it is read again.
        let _ = std::fs::remove_file(self.control().join(name));
    }

    /// Removes what the last server left of its socket.
    pub(crate) fn clear_run(&self) -> io::Result<()> {
        let run = self.open("run")?;
        for name in entries(&run)? {
            let _ = rustix::fs::unlinkat(&run, name.as_str(), AtFlags::empty());
        }
        let door = rustix::fs::open(self.folder.join("door"), FOLDER, Mode::empty())?;
        for name in entries(&door)? {
            rustix::fs::unlinkat(&door, name.as_str(), AtFlags::empty())?;
        }
        Ok(())
    }

    /// Keeps a secret where the server does not see it.
    pub(crate) fn keep(&self, name: &str, secret: &str) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.folder.join(name);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        io::Write::write_all(&mut file, secret.as_bytes())?;
        file.sync_all()
    }

    /// What [`Volume::keep`] kept.
    pub(crate) fn kept(&self, name: &str) -> io::Result<String> {
        std::fs::read_to_string(self.folder.join(name))
    }

    /// Takes the server's socket of that name, if it is there.
    pub(crate) fn take_socket(&self, name: &'static str) -> io::Result<Option<Door>> {
        let run = self.open("run")?;
        let is_socket = |folder: &OwnedFd| match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(FileType::from_raw_mode(found.st_mode) == FileType::Socket),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => Err(io::Error::from(error)),
        };
        if !is_socket(&run)? {
            return Ok(None);
        }
        let door = rustix::fs::open(self.folder.join("door"), FOLDER, Mode::empty())?;
        match rustix::fs::unlinkat(&door, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        match rustix::fs::linkat(&run, name, &door, name, AtFlags::empty()) {
            Ok(()) => {}
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // Looked at again where nobody else can exchange it.
        match is_socket(&door)? {
            true => Ok(Some(Door { folder: door, name })),
            false => Err(io::Error::other("the server's socket is none")),
        }
    }

    /// Where the database's files lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The way to a server's socket.
#[derive(Debug)]
pub(crate) struct Door {
    folder: OwnedFd,
    name: &'static str,
}

impl Door {
    pub(crate) async fn connect(&self) -> io::Result<Socket> {
        // By the descriptor, because a socket's path may have 108 bytes and the data folder's may have more.
        let path = format!("/proc/self/fd/{}/{}", self.folder.as_raw_fd(), self.name);
        Socket::new(UnixStream::connect(path).await?)
    }
}

/// The names in a folder, in their order.
pub(crate) fn entries(folder: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            return Err(io::Error::other("a file name that is not UTF-8"));
        };
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Opens a plain file below a folder that the server may write; `None` when it is something else or gone.
pub(crate) fn open_plain(folder: &OwnedFd, name: &str) -> io::Result<Option<std::fs::File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let found = rustix::fs::fstat(&file)?;
    let is_plain = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    Ok(is_plain.then(|| file.into()))
}

/// Opens a folder below such a folder; `None` when it is something else or gone.
pub(crate) fn open_folder(folder: &OwnedFd, name: &str) -> io::Result<Option<OwnedFd>> {
    match rustix::fs::openat(folder, name, FOLDER, Mode::empty()) {
        Ok(opened) => Ok(Some(opened)),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_taken_and_a_link_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::at(folder.path().join("x".repeat(120)));
        volume.make().unwrap();
        assert!(volume.take_socket(MARIADB_SOCKET).unwrap().is_none());
        let run = volume.writable().join("run");
        // Bound under a short name, as the server does by a path of its own.
        let short = folder.path().join("s");
        let listener = tokio::net::UnixListener::bind(&short).unwrap();
        std::os::unix::fs::symlink(&short, run.join(MARIADB_SOCKET)).unwrap();
        assert!(volume.take_socket(MARIADB_SOCKET).unwrap().is_none());
        std::fs::remove_file(run.join(MARIADB_SOCKET)).unwrap();
        std::fs::rename(&short, run.join(MARIADB_SOCKET)).unwrap();
        let door = volume.take_socket(MARIADB_SOCKET).unwrap().unwrap();
        let (connected, accepted) = tokio::join!(door.connect(), listener.accept());
        assert!(connected.is_ok() && accepted.is_ok());
        volume.clear_run().unwrap();
        assert!(volume.take_socket(MARIADB_SOCKET).unwrap().is_none());
    }

    #[test]
    fn only_plain_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::at(folder.path().join("db"));
        volume.make().unwrap();
        let data = volume.writable().join("data");
        std::fs::write(data.join("plain"), "x").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", data.join("link")).unwrap();
        std::os::unix::fs::symlink("/etc", data.join("folder")).unwrap();
        let opened = volume.open("data").unwrap();
        assert_eq!(entries(&opened).unwrap(), ["folder", "link", "plain"]);
        assert!(open_plain(&opened, "plain").unwrap().is_some());
        assert!(open_plain(&opened, "link").unwrap().is_none());
        assert!(open_folder(&opened, "folder").unwrap().is_none());
    }
}
