//! What to run and under which limits; checked once, before anything is made.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::SandboxError;

/// How programs are kept apart from the host and from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// Namespaces, private root file system, seccomp, no capabilities, cgroups where the host gives them.
    Namespaces,
    /// No isolation of files, processes or network: own process group, resource limits, no new privileges. For
    /// machines that allow no more, and only when chosen by name. Paths are the host's own and [`Mount`]s are refused.
    Process,
}

/// A host file or folder to show inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path on the host. The program's uid is not the host's root: files must be readable by others.
    pub source: PathBuf,
    /// Absolute path inside, without `..`; missing folders are made. Not `/`, nor in `/proc`, `/sys` or `/dev`.
    pub target: PathBuf,
    /// Whether writing is denied.
    pub read_only: bool,
}

/// What the program reaches beyond its own loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Network {
    /// Nothing: loopback only.
    None,
    /// The outside world by translated addresses; never link-local, the host's own addresses or other sandboxes.
    Egress,
}

/// One sandbox. Make it with [`SandboxSpec::new`] and set what differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// Program and arguments; the program is searched in the `PATH` of [`SandboxSpec::env`] unless it has a slash.
    pub argv: Vec<String>,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Working folder inside.
    pub cwd: PathBuf,
    /// Name of the machine inside, up to 64 bytes.
    pub hostname: String,
    /// What to show besides the system; applied in order. At most [`SandboxSpec::MAX_MOUNTS`].
    pub mounts: Vec<Mount>,
    /// Host folders, sources of writable mounts, that outlive their sandboxes: before the program starts, each tree is
    /// given to the user that the program will be on the host, who is another one each time. Nothing else may use such
    /// a folder meanwhile. At most [`SandboxSpec::MAX_OWNED_FILES`] files.
    pub owned: Vec<PathBuf>,
    /// Size of `/tmp`. Its pages count as memory of the sandbox.
    pub tmp_bytes: u64,
    /// Memory limit for the whole tree, page cache and `/tmp` included.
    pub memory_bytes: Option<u64>,
    /// Most processes and threads at once.
    pub pids_max: u32,
    /// CPU limit in CPUs (1.0 = one whole CPU); `None` is no limit.
    pub cpu_quota: Option<f64>,
    /// Most open files of a process, bounded by the host's own hard limit.
    pub nofile: u64,
    /// Largest file in bytes; `None` is no limit beyond the size of the file system.
    pub fsize: Option<u64>,
    /// TCP listeners to open inside before the program starts, handed back by [`crate::Sandbox::take_listeners`].
    pub listeners: Vec<SocketAddr>,
    /// UDP sockets to bind inside before the program starts, handed back by [`crate::Sandbox::take_udp`].
    pub udp: Vec<SocketAddr>,
    /// The name server in `/etc/resolv.conf`.
    pub resolver: Option<IpAddr>,
    /// Further lines of `/etc/hosts`: address and name.
    pub hosts: Vec<(IpAddr, String)>,
    /// What can be reached beyond loopback.
    pub network: Network,
    /// Whether the program is a template, which [`crate::Launcher::launch_from`] forks into further sandboxes. It finds
    /// its control socket at descriptor [`SandboxSpec::CONTROL_DESCRIPTOR`], and is let into the namespaces that it is
    /// given there; it has no way to any other.
    pub template: bool,
    /// Folders that stay empty until [`crate::Sandbox::settle`] shows something there. A sandbox that has any is a
    /// *waiting* one: its program must be the platform's own, because until then init keeps the right to mount.
    pub later: Vec<PathBuf>,
}

impl SandboxSpec {
    /// Most bytes of arguments and environment together.
    pub const MAX_ARGUMENTS_BYTES: usize = 96 * 1024;
    /// Most mounts in one sandbox.
    pub const MAX_MOUNTS: usize = 64;
    /// Most files and folders below [`SandboxSpec::owned`].
    pub const MAX_OWNED_FILES: usize = 200_000;
    /// Most listeners and UDP sockets in one sandbox.
    pub const MAX_SOCKETS: usize = 32;
    /// Where a template finds its control socket (Unix, seqpacket).
    pub const CONTROL_DESCRIPTOR: i32 = 3;

    /// `argv` with an empty environment, in `/`, 512 MiB of `/tmp`, 512 MiB of memory, 1024 processes, no network.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> SandboxSpec {
        SandboxSpec {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            hostname: "sandbox".to_owned(),
            mounts: Vec::new(),
            owned: Vec::new(),
            tmp_bytes: 512 << 20,
            memory_bytes: Some(512 << 20),
            pids_max: 1024,
            cpu_quota: None,
            nofile: 1024,
            fsize: None,
            listeners: Vec::new(),
            udp: Vec::new(),
            resolver: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            hosts: Vec::new(),
            network: Network::None,
            template: false,
            later: Vec::new(),
        }
    }

    /// Refuses what cannot be meant well.
    ///
    /// # Errors
    /// [`SandboxError::Invalid`] with the field and the reason.
    pub(crate) fn check(&self, isolation: Isolation) -> Result<(), SandboxError> {
        let invalid = |reason: String| Err(SandboxError::Invalid(reason));
        if self.argv.first().is_none_or(String::is_empty) {
            return invalid("argv is empty".to_owned());
        }
        let pairs = self.env.iter().map(|(name, value)| name.len() + value.len() + 2);
        let total: usize = self.argv.iter().map(|argument| argument.len() + 1).chain(pairs).sum();
        if total > SandboxSpec::MAX_ARGUMENTS_BYTES {
            return invalid(format!(
                "arguments and environment are {total} bytes, more than {}",
                SandboxSpec::MAX_ARGUMENTS_BYTES
            ));
        }
        if self.argv.iter().any(|argument| argument.contains('\0')) {
            return invalid("argv has a NUL byte".to_owned());
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return invalid(format!("environment variable {name:?} is not acceptable"));
            }
        }
        check_path("cwd", &self.cwd)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if self.hostname.is_empty() || self.hostname.len() > 64 || !self.hostname.chars().all(plain) {
            return invalid(format!("hostname {:?} is not acceptable", self.hostname));
        }
        for (_, name) in &self.hosts {
            if name.is_empty() || name.len() > 253 || !name.chars().all(|c| plain(c) || c == '_') {
                return invalid(format!("host name {name:?} is not acceptable"));
            }
        }
        if self.template && isolation == Isolation::Process {
            return invalid("without namespaces there are no templates".to_owned());
        }
        if self.template && !self.later.is_empty() {
            return invalid("a template does not wait for mounts".to_owned());
        }
        self.check_mounts(isolation)?;
        if self.pids_max == 0 || self.memory_bytes == Some(0) || self.tmp_bytes == 0 || self.nofile == 0 {
            return invalid("a limit is zero".to_owned());
        }
        if self
            .cpu_quota
            .is_some_and(|cpus| !cpus.is_finite() || !(0.01..=4096.0).contains(&cpus))
        {
            return invalid("cpu_quota is outside 0.01 to 4096 CPUs".to_owned());
        }
        if self.listeners.len() + self.udp.len() > SandboxSpec::MAX_SOCKETS {
            return invalid(format!("more than {} sockets", SandboxSpec::MAX_SOCKETS));
        }
        Ok(())
    }

    fn check_mounts(&self, isolation: Isolation) -> Result<(), SandboxError> {
        let invalid = |reason: String| Err(SandboxError::Invalid(reason));
        if self.mounts.len() + self.later.len() > SandboxSpec::MAX_MOUNTS {
            return invalid(format!("more than {} mounts", SandboxSpec::MAX_MOUNTS));
        }
        if isolation == Isolation::Process && !(self.mounts.is_empty() && self.later.is_empty()) {
            return invalid("without namespaces there are no mounts: use the host's paths".to_owned());
        }
        for folder in &self.owned {
            check_path("owned folder", folder)?;
            let is_mounted = |mount: &Mount| mount.source == *folder && !mount.read_only;
            if isolation == Isolation::Namespaces && !self.mounts.iter().any(is_mounted) {
                return invalid(format!("{} is no writable mount", folder.display()));
            }
        }
        for mount in &self.mounts {
            check_path("mount source", &mount.source)?;
            check_target(&mount.target)?;
        }
        self.later.iter().try_for_each(|target| check_target(target))
    }
}

fn check_target(target: &Path) -> Result<(), SandboxError> {
    check_path("mount target", target)?;
    let kept = ["/proc", "/sys", "/dev"].iter().any(|kept| target.starts_with(kept));
    if kept || target == Path::new("/") {
        return Err(SandboxError::Invalid(format!(
            "mount target {} belongs to the sandbox",
            target.display()
        )));
    }
    Ok(())
}

fn check_path(what: &str, path: &Path) -> Result<(), SandboxError> {
    let text = path.as_os_str().as_encoded_bytes();
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !plain || text.contains(&0) || text.len() >= 4096 || path.to_str().is_none() {
        return Err(SandboxError::Invalid(format!(
            "{what} {path:?} is not a plain absolute path"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut SandboxSpec)) -> bool {
        let mut spec = SandboxSpec::new(["/bin/true"]);
        change(&mut spec);
        matches!(spec.check(Isolation::Namespaces), Err(SandboxError::Invalid(_)))
    }

    fn mount(source: &str, target: &str) -> Mount {
        Mount {
            source: source.into(),
            target: target.into(),
            read_only: true,
        }
    }

    #[test]
    fn a_plain_spec_is_accepted() {
        assert!(!refused(|spec| spec.mounts.push(mount("/srv/code", "/var/task"))));
    }

    #[test]
    fn hostile_values_are_refused() {
        assert!(refused(|spec| spec.argv.clear()));
        assert!(refused(|spec| spec.argv.push("a\0b".to_owned())));
        assert!(refused(|spec| spec
            .argv
            .push("x".repeat(SandboxSpec::MAX_ARGUMENTS_BYTES))));
        assert!(refused(|spec| spec.env.push(("A=B".to_owned(), String::new()))));
        assert!(refused(|spec| spec.env.push(("A".to_owned(), "\0".to_owned()))));
        assert!(refused(|spec| spec.hostname = "a\nb".to_owned()));
        assert!(refused(|spec| spec.cwd = "tmp".into()));
        assert!(refused(|spec| spec
            .hosts
            .push((IpAddr::V4(Ipv4Addr::LOCALHOST), "a\n1.2.3.4 b".to_owned()))));
        assert!(refused(|spec| spec.cpu_quota = Some(f64::NAN)));
        assert!(refused(|spec| spec.pids_max = 0));
        for target in [
            "/",
            "/proc",
            "/proc/sys",
            "/sys/fs",
            "/dev/sda",
            "var/task",
            "/var/../etc",
            "/a\0b",
        ] {
            assert!(refused(|spec| spec.mounts.push(mount("/srv", target))), "{target}");
            assert!(refused(|spec| spec.later.push(target.into())), "{target}");
        }
        assert!(refused(|spec| spec.mounts.push(mount("../etc", "/var/task"))));
        assert!(refused(
            |spec| spec.mounts = vec![mount("/srv", "/opt"); SandboxSpec::MAX_MOUNTS + 1]
        ));
        assert!(refused(|spec| {
            spec.mounts.push(mount("/srv", "/data"));
            spec.owned.push("/srv".into());
        }));
    }

    #[test]
    fn process_isolation_has_no_mounts() {
        let mut spec = SandboxSpec::new(["/bin/true"]);
        spec.mounts.push(mount("/srv", "/var/task"));
        assert!(matches!(spec.check(Isolation::Process), Err(SandboxError::Invalid(_))));
    }
}
