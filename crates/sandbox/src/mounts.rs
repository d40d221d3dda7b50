//! The root file system of a sandbox: a small tmpfs with the host's system folders in it, read-only, a generated
//! `/etc`, five devices, a `/proc` of its own, and `/tmp` and `/dev/shm` as the only places to write.
//!
//! Mounts are made detached and attached by descriptor, step by step and without following symbolic links, so that
//! no path is looked up twice and no target can lead elsewhere.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};

use crate::credentials::{GID, UID, USER};
use crate::{Mount, SandboxSpec};

/// Where the new root is attached before it becomes the root: a folder every Linux has and no mount source is under.
const BUILDING_SITE: &str = "/sys";
/// Host folders shown as they are; symbolic links (a merged `/usr`) are shown as links.
const SYSTEM_FOLDERS: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// What programs look up in `/etc` and what holds no secret.
const ETC: [&str; 17] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "fonts",
    "gai.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "mime.types",
    "os-release",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
];
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Links in `/dev` that programs expect.
const DEVICE_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];
/// Parts of `/proc` about the whole machine, which nobody inside needs.
const HIDDEN_FILES: [&str; 8] = [
    "kcore",
    "keys",
    "kmsg",
    "kallsyms",
    "sched_debug",
    "sysrq-trigger",
    "timer_list",
    "latency_stats",
];
const HIDDEN_FOLDERS: [&str; 3] = ["acpi", "scsi", "asound"];
/// Parts of `/proc` that some kernels let some user write.
const READ_ONLY: [&str; 4] = ["sys", "irq", "bus", "fs"];
/// Size of the root itself: folders, links and generated files.
const ROOT_BYTES: &str = "1m";
/// Size of `/dev/shm`.
const SHM_BYTES: u64 = 64 << 20;

const OPEN_FOLDER: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const FOLDER_MODE: Mode = Mode::RWXU
    .union(Mode::RGRP)
    .union(Mode::XGRP)
    .union(Mode::ROTH)
    .union(Mode::XOTH);
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP).union(Mode::ROTH);

/// A root under construction, attached at [`BUILDING_SITE`] of a mount namespace of our own.
#[derive(Debug)]
pub(crate) struct Root {
    root: OwnedFd,
    /// A `/proc` that hides nothing, for init alone.
    pub(crate) proc: OwnedFd,
}

impl Root {
    /// Builds what all sandboxes have. Must run in a new mount and pid namespace, with capabilities over it.
    ///
    /// # Errors
    /// Names the step that the kernel refused.
    pub(crate) fn build() -> io::Result<Root> {
        let root = tmpfs(&[("size", ROOT_BYTES), ("nr_inodes", "1024"), ("mode", "755")])?;
        attach(&root, CWD, Path::new(BUILDING_SITE)).map_err(at("the root"))?;
        let mut building = Root {
            root,
            proc: proc(false)?,
        };
        building.add_system().map_err(at("the system folders"))?;
        building.add_devices().map_err(at("/dev"))?;
        building.add_proc().map_err(at("/proc"))?;
        for folder in ["tmp", "var/tmp", "run", "sys", "etc", "root", "home"] {
            building.folder(Path::new(folder))?;
        }
        Ok(building)
    }

    fn add_system(&mut self) -> io::Result<()> {
        for name in SYSTEM_FOLDERS {
            let host = Path::new("/").join(name);
            let Ok(found) = fs::symlink_metadata(&host) else {
                continue;
            };
            if found.is_symlink() {
                rustix::fs::symlinkat(fs::read_link(&host)?, &self.root, name)?;
            } else {
                self.bind(&host, Path::new(name), true)?;
            }
        }
        for name in ETC {
            let host = Path::new("/etc").join(name);
            if host.exists() {
                self.bind(&host, &Path::new("etc").join(name), true)?;
            }
        }
        let passwd = format!(
            "root:x:0:0:root:/root:/sbin/nologin\n{USER}:x:{UID}:{GID}::/home/{USER}:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n"
        );
        self.file("etc/passwd", &passwd)?;
        self.file("etc/group", &format!("root:x:0:\n{USER}:x:{GID}:\nnogroup:x:65534:\n"))?;
        self.file(
            "etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
        )?;
        self.folder(&Path::new("home").join(USER))?;
        Ok(())
    }

    fn add_devices(&mut self) -> io::Result<()> {
        for name in DEVICES {
            let tree = clone_tree(CWD, &Path::new("/dev").join(name), false)?;
            restrict(&tree, libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC, false)?;
            self.attach_as(&tree, &Path::new("dev").join(name), false)?;
        }
        for (name, target) in DEVICE_LINKS {
            rustix::fs::symlinkat(target, &self.root, Path::new("dev").join(name))?;
        }
        let size = SHM_BYTES.to_string();
        let shm = tmpfs(&[("size", &size), ("nr_inodes", "16384"), ("mode", "1777")])?;
        self.attach_as(&shm, Path::new("dev/shm"), true)
    }

    fn add_proc(&mut self) -> io::Result<()> {
        let visible = proc(true)?;
        self.attach_as(&visible, Path::new("proc"), true)?;
        for name in HIDDEN_FILES {
            if rustix::fs::accessat(&visible, name, rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok() {
                let null = clone_tree(CWD, Path::new("/dev/null"), false)?;
                restrict(&null, libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC, false)?;
                attach(&null, &visible, Path::new(name))?;
            }
        }
        for name in HIDDEN_FOLDERS {
            if rustix::fs::accessat(&visible, name, rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok() {
                let empty = tmpfs(&[("size", "4k"), ("nr_inodes", "1"), ("mode", "555")])?;
                restrict(&empty, libc::MOUNT_ATTR_RDONLY, false)?;
                attach(&empty, &visible, Path::new(name))?;
            }
        }
        for name in READ_ONLY {
            if rustix::fs::accessat(&visible, name, rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok() {
                let tree = clone_tree(&visible, Path::new(name), true)?;
                restrict(&tree, libc::MOUNT_ATTR_RDONLY, true)?;
                attach(&tree, &visible, Path::new(name))?;
            }
        }
        Ok(())
    }

    /// Adds what `spec` asks for; `detached` are its mounts if the launcher has opened them already.
    ///
    /// # Errors
    /// Names the mount that could not be made.
    pub(crate) fn complete(&mut self, spec: &SandboxSpec, detached: Option<Vec<OwnedFd>>) -> io::Result<()> {
        let size = spec.tmp_bytes.to_string();
        let inodes = (spec.tmp_bytes / 4096).clamp(1024, 1 << 20).to_string();
        let tmp = tmpfs(&[("size", &size), ("nr_inodes", &inodes), ("mode", "1777")]).map_err(at("/tmp"))?;
        self.attach_as(&tmp, Path::new("tmp"), true)?;
        let mut hosts = format!("127.0.0.1 localhost {0}\n::1 localhost {0}\n", spec.hostname);
        for (address, name) in &spec.hosts {
            hosts.push_str(&format!("{address} {name}\n"));
        }
        self.file("etc/hosts", &hosts)?;
        self.file("etc/hostname", &format!("{}\n", spec.hostname))?;
        let resolver = spec
            .resolver
            .map(|address| format!("nameserver {address}\noptions timeout:2 attempts:2\n"));
        self.file("etc/resolv.conf", &resolver.unwrap_or_default())?;
        let mut detached = detached.map(Vec::into_iter);
        for mount in &spec.mounts {
            let tree = match detached.as_mut() {
                Some(trees) => trees
                    .next()
                    .ok_or_else(|| io::Error::other("the launcher sent too few mounts"))?,
                None => open_source(mount)?,
            };
            let folder = is_folder(&tree)?;
            self.attach_as(&tree, relative(&mount.target), folder)
                .map_err(|error| at(&format!("mount target {}", mount.target.display()))(error))?;
        }
        for target in &spec.later {
            self.folder(relative(target))
                .map_err(|error| at(&format!("mount target {}", target.display()))(error))?;
        }
        Ok(())
    }

    /// Makes this the root of the calling process, and the host's file system unreachable.
    pub(crate) fn enter(self) -> io::Result<OwnedFd> {
        rustix::process::fchdir(&self.root)?;
        rustix::process::pivot_root(".", ".")?;
        rustix::mount::unmount(".", UnmountFlags::DETACH)?;
        rustix::process::chdir("/")?;
        restrict_at(&self.root, libc::MOUNT_ATTR_RDONLY)?;
        Ok(self.proc)
    }

    fn bind(&self, host: &Path, target: &Path, read_only: bool) -> io::Result<()> {
        let source = Mount {
            source: host.to_owned(),
            target: target.to_owned(),
            read_only,
        };
        let tree = open_source(&source)?;
        let folder = is_folder(&tree)?;
        self.attach_as(&tree, target, folder)
    }

    /// Attaches `tree` at `target` below the root, making what is missing of the way.
    fn attach_as(&self, tree: &OwnedFd, target: &Path, folder: bool) -> io::Result<()> {
        let place = if folder {
            self.folder(target)?
        } else {
            self.empty_file(target)?
        };
        rustix::mount::move_mount(
            tree,
            "",
            &place,
            "",
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
        )?;
        Ok(())
    }

    /// Opens the folder `path` below the root; missing parts are made, symbolic links are an error.
    fn folder(&self, path: &Path) -> io::Result<OwnedFd> {
        let mut at = self.root.try_clone()?;
        for part in path.components() {
            let Component::Normal(name) = part else {
                return Err(io::Error::other("not a plain path"));
            };
            at = match rustix::fs::openat(&at, name, OPEN_FOLDER, Mode::empty()) {
                Err(rustix::io::Errno::NOENT) => {
                    rustix::fs::mkdirat(&at, name, FOLDER_MODE)?;
                    rustix::fs::openat(&at, name, OPEN_FOLDER, Mode::empty())?
                }
                Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                    return Err(io::Error::other(format!(
                        "{} is not a folder",
                        Path::new(name).display()
                    )));
                }
                other => other?,
            };
        }
        Ok(at)
    }

    fn empty_file(&self, path: &Path) -> io::Result<OwnedFd> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::other("not a file's path"));
        };
        let parent = self.folder(parent)?;
        let make = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        match rustix::fs::openat(&parent, name, make, FILE_MODE) {
            Ok(_) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let place = rustix::fs::openat(
            &parent,
            name,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        if FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode) == FileType::Symlink {
            return Err(io::Error::other("is a symbolic link"));
        }
        Ok(place)
    }

    fn file(&self, path: &str, text: &str) -> io::Result<()> {
        let path = Path::new(path);
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::other("not a file's path"));
        };
        let parent = self.folder(parent)?;
        let make = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&parent, name, make, FILE_MODE)?;
        io::Write::write_all(&mut fs::File::from(file), text.as_bytes())
    }
}

/// Attaches `trees` at `targets` below the root of the calling process: folders that [`Root::complete`] has made for it.
///
/// # Errors
/// Names the target that could not be covered.
pub(crate) fn attach_later(targets: &[PathBuf], trees: &[OwnedFd]) -> io::Result<()> {
    if targets.len() != trees.len() {
        return Err(io::Error::other("as many mounts as targets are needed"));
    }
    let root = rustix::fs::open("/", OPEN_FOLDER, Mode::empty())?;
    for (target, tree) in targets.iter().zip(trees) {
        let attached = (|| {
            let mut place = root.try_clone()?;
            for part in relative(target).components() {
                let Component::Normal(name) = part else {
                    return Err(io::Error::other("not a plain path"));
                };
                place = rustix::fs::openat(&place, name, OPEN_FOLDER, Mode::empty())?;
            }
            rustix::mount::move_mount(
                tree,
                "",
                &place,
                "",
                MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
            )?;
            Ok(())
        })();
        attached.map_err(|error| at(&format!("mount target {}", target.display()))(error))?;
    }
    Ok(())
}

/// A detached copy of the mount's source, with its restrictions set.
///
/// # Errors
/// Names the source that could not be opened.
pub(crate) fn open_source(mount: &Mount) -> io::Result<OwnedFd> {
    let name = |error: io::Error| at(&format!("mount source {}", mount.source.display()))(error);
    let recursive = fs::metadata(&mount.source).map_err(name)?.is_dir();
    let tree = clone_tree(CWD, &mount.source, recursive).map_err(name)?;
    let read_only = if mount.read_only { libc::MOUNT_ATTR_RDONLY } else { 0 };
    restrict(
        &tree,
        read_only | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        recursive,
    )
    .map_err(name)?;
    Ok(tree)
}

fn clone_tree(folder: impl AsFd, path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(rustix::mount::open_tree(folder, path, flags)?)
}

/// Attaches a detached tree at an existing path of the calling process's namespace.
fn attach(tree: &OwnedFd, folder: impl AsFd, path: &Path) -> io::Result<()> {
    Ok(rustix::mount::move_mount(
        tree,
        "",
        folder,
        path,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?)
}

fn tmpfs(options: &[(&str, &str)]) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        rustix::mount::fsconfig_set_string(&context, *name, *value)?;
    }
    rustix::mount::fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(rustix::mount::fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        attributes,
    )?)
}

/// A `/proc` of the calling process's pid namespace; `hidden` shows each user its own processes only.
fn proc(hidden: bool) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    if hidden {
        rustix::mount::fsconfig_set_string(&context, "hidepid", "2")?;
    }
    rustix::mount::fsconfig_create(&context)?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(|error| {
        io::Error::other(format!(
            "a proc file system of its own: {error} (a container engine may have masked /proc)"
        ))
    })
}

/// Restricts a detached tree, and cuts it off from what happens to the mounts it is a copy of.
fn restrict(tree: &OwnedFd, attributes: u64, recursive: bool) -> io::Result<()> {
    set_attributes(tree.as_fd(), attributes, libc::MS_PRIVATE, recursive)
}

/// Restricts the one mount whose root `folder` is.
fn restrict_at(folder: &OwnedFd, attributes: u64) -> io::Result<()> {
    set_attributes(folder.as_fd(), attributes, 0, false)
}

fn set_attributes(mount: BorrowedFd<'_>, set: u64, propagation: u64, recursive: bool) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: set,
        attr_clr: 0,
        propagation,
        userns_fd: 0,
    };
    let empty = CString::default();
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string and `attributes` a mount_attr of the given size; the kernel reads both
    // during the call only.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            empty.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn is_folder(tree: &OwnedFd) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(tree)?.st_mode) == FileType::Directory)
}

fn relative(target: &Path) -> &Path {
    target.strip_prefix("/").unwrap_or(target)
}

/// Says where an error happened.
fn at(place: &str) -> impl Fn(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("{place}: {error}"))
}
