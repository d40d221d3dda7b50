//! Limits and accounts of a process tree by control groups, of version 2, of version 1, or of both at once: some
//! machines mount version 2 without controllers beside version 1. Version 2 freezes, kills and counts CPU time even
//! without controllers, so it is used for that wherever it is mounted.
//!
//! A process joins by writing its own id, which can cost a kernel grace period (5 to 11 ms): the preparer does it, off
//! the request path, and init inherits it. Version 2 is joined by `CLONE_INTO_CGROUP`, which costs nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::SandboxSpec;

/// The period of CPU limits, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;
/// Processes of the sandbox's own besides the program: init.
const OWN_PIDS: u32 = 1;
/// Where the platform goes to make room for its sandboxes' groups.
const PLATFORM_ROOM: &str = "danbi-platform";
/// How long a new launcher waits for what a killed one left to die.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(3);
/// The controllers that are used where they exist.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// Where sandboxes get their groups: one folder in each hierarchy that can be written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parents {
    /// The version 2 folder and the controllers it gives its children.
    v2: Option<(PathBuf, Vec<String>)>,
    /// Version 1: controller to folder.
    v1: BTreeMap<String, PathBuf>,
    /// Why a hierarchy is not used.
    pub(crate) refused: Vec<String>,
}

/// The groups of one sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cgroup {
    v2: Option<PathBuf>,
    v2_controllers: Vec<String>,
    v1: BTreeMap<String, PathBuf>,
    pid_namespace: bool,
}

/// What the kernel has counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Accounts {
    pub(crate) memory_peak_bytes: Option<u64>,
    pub(crate) cpu_time: Option<Duration>,
    pub(crate) oom_kills: u64,
}

/// A mounted hierarchy and this process's place in it.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    /// `None` for version 2.
    controllers: Option<Vec<String>>,
    mount: PathBuf,
    own: PathBuf,
}

impl Parents {
    /// Makes folders called `name` under the top of each hierarchy, else under the own place in it, else nowhere.
    pub(crate) fn make(name: &str, v2_parent: Option<&Path>) -> Parents {
        let mut parents = Parents::default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let hierarchies = hierarchies(&mounts, &own);
        if hierarchies.is_empty() {
            parents.refused.push("no cgroup file system is mounted".to_owned());
        }
        for hierarchy in &hierarchies {
            if hierarchy.controllers.is_none() {
                parents.make_v2(name, hierarchy, v2_parent);
            }
        }
        let given: Vec<String> = parents
            .v2
            .iter()
            .flat_map(|(_, controllers)| controllers.clone())
            .collect();
        let mut wanted: Vec<&str> = CONTROLLERS
            .into_iter()
            .filter(|wanted| !given.iter().any(|it| it == wanted))
            .collect();
        if parents.v2.is_none() {
            wanted.extend(["cpuacct", "freezer"]);
        }
        for hierarchy in &hierarchies {
            parents.make_v1(name, hierarchy, &wanted);
        }
        parents
    }

    fn make_v2(&mut self, name: &str, hierarchy: &Hierarchy, parent: Option<&Path>) {
        let candidates = match parent {
            Some(parent) => vec![parent.to_owned()],
            None => vec![hierarchy.mount.clone(), outside_room(&hierarchy.own)],
        };
        for candidate in candidates {
            match make_v2_parent(&candidate, name) {
                Ok(made) => {
                    self.v2 = Some(made);
                    return;
                }
                Err(error) => self.refused.push(format!("{}: {error}", candidate.display())),
            }
        }
    }

    fn make_v1(&mut self, name: &str, hierarchy: &Hierarchy, wanted: &[&str]) {
        let Some(controllers) = &hierarchy.controllers else {
            return;
        };
        let used: Vec<&String> = controllers
            .iter()
            .filter(|name| wanted.contains(&name.as_str()))
            .collect();
        if used.is_empty() {
            return;
        }
        for candidate in [&hierarchy.mount, &hierarchy.own] {
            let folder = candidate.join(name);
            match make_folder(&folder) {
                Ok(()) => {
                    self.v1
                        .extend(used.iter().map(|controller| ((*controller).clone(), folder.clone())));
                    return;
                }
                Err(error) => self.refused.push(format!("{}: {error}", folder.display())),
            }
        }
    }

    /// Makes the groups of the sandbox `name`.
    pub(crate) fn child(&self, name: &str, pid_namespace: bool) -> io::Result<Cgroup> {
        let cgroup = self.child_named(name, pid_namespace);
        for folder in cgroup.folders() {
            make_folder(&folder)?;
        }
        Ok(cgroup)
    }

    /// The groups of the sandbox `name`, made or not.
    pub(crate) fn child_named(&self, name: &str, pid_namespace: bool) -> Cgroup {
        Cgroup {
            v2: self.v2.as_ref().map(|(folder, _)| folder.join(name)),
            v2_controllers: self
                .v2
                .iter()
                .flat_map(|(_, controllers)| controllers.clone())
                .collect(),
            v1: self
                .v1
                .iter()
                .map(|(controller, folder)| (controller.clone(), folder.join(name)))
                .collect(),
            pid_namespace,
        }
    }

    /// Kills and removes what a killed platform left in these folders; `false` when something would not go.
    pub(crate) fn sweep(&self) -> bool {
        let until = Instant::now() + SWEEP_TIMEOUT;
        let mut clean = true;
        for folder in self.folders() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    kill_all_in(&entry.path());
                    clean &= remove_patiently(&entry.path(), until);
                }
            }
        }
        clean
    }

    /// Removes the folders themselves, once they are empty.
    pub(crate) fn remove(&self) {
        for folder in self.folders() {
            let _ = fs::remove_dir(folder);
        }
    }

    fn folders(&self) -> Vec<PathBuf> {
        unique(self.v2.iter().map(|(folder, _)| folder).chain(self.v1.values()))
    }

    pub(crate) fn has(&self, controller: &str) -> bool {
        self.v1.contains_key(controller)
            || self
                .v2
                .as_ref()
                .is_some_and(|(_, given)| given.iter().any(|name| name == controller))
    }

    pub(crate) fn has_v2(&self) -> bool {
        self.v2.is_some()
    }

    /// "v2" or "v1" for a controller that is there.
    pub(crate) fn version_of(&self, controller: &str) -> &'static str {
        if self.v1.contains_key(controller) { "v1" } else { "v2" }
    }

    /// Whether trees can be frozen without their noticing.
    pub(crate) fn can_freeze(&self) -> bool {
        self.child_named("", true).can_freeze()
    }
}

impl Cgroup {
    fn folders(&self) -> Vec<PathBuf> {
        unique(self.v2.iter().chain(self.v1.values()))
    }

    /// Moves the calling process into the version 1 groups.
    pub(crate) fn join_v1(&self) -> io::Result<()> {
        for folder in unique(self.v1.values()) {
            fs::write(folder.join("cgroup.procs"), "0")?;
        }
        Ok(())
    }

    /// Moves the calling process into the version 2 group, for kernels that cannot clone into it.
    pub(crate) fn join_v2(&self) -> io::Result<()> {
        self.v2
            .as_ref()
            .map_or(Ok(()), |folder| fs::write(folder.join("cgroup.procs"), "0"))
    }

    /// Moves a process with all its threads into the groups. The first move in a while takes the kernel milliseconds,
    /// those after it almost nothing.
    pub(crate) fn adopt(&self, pid: rustix::process::Pid) -> io::Result<()> {
        let pid = pid.as_raw_nonzero().to_string();
        for folder in self.folders() {
            fs::write(folder.join("cgroup.procs"), &pid)?;
        }
        Ok(())
    }

    /// The version 2 folder, to clone into.
    pub(crate) fn open_v2(&self) -> Option<OwnedFd> {
        self.v2
            .as_ref()
            .and_then(|folder| File::open(folder).ok())
            .map(OwnedFd::from)
    }

    /// The folder of a controller and whether it is version 1.
    fn controller(&self, name: &str) -> Option<(&Path, bool)> {
        if let Some(folder) = self.v1.get(name) {
            return Some((folder, true));
        }
        let given = self.v2_controllers.iter().any(|given| given == name);
        self.v2.as_deref().filter(|_| given).map(|folder| (folder, false))
    }

    /// Sets the limits of `spec`.
    ///
    /// # Errors
    /// When the kernel refuses a limit; a controller that is not there is no error.
    pub(crate) fn limit(&self, spec: &SandboxSpec) -> io::Result<()> {
        if let (Some((folder, v1)), Some(bytes)) = (self.controller("memory"), spec.memory_bytes) {
            if v1 {
                fs::write(folder.join("memory.limit_in_bytes"), bytes.to_string())?;
                // Without swap accounting in the kernel there is no such file, and no swap to bound.
                let _ = fs::write(folder.join("memory.memsw.limit_in_bytes"), bytes.to_string());
            } else {
                fs::write(folder.join("memory.max"), bytes.to_string())?;
                let _ = fs::write(folder.join("memory.swap.max"), "0");
            }
        }
        if let Some((folder, _)) = self.controller("pids") {
            fs::write(
                folder.join("pids.max"),
                spec.pids_max.saturating_add(OWN_PIDS).to_string(),
            )?;
        }
        if let (Some((folder, v1)), Some(cpus)) = (self.controller("cpu"), spec.cpu_quota) {
            let quota = (cpus * CPU_PERIOD_US as f64) as u64;
            if v1 {
                fs::write(folder.join("cpu.cfs_period_us"), CPU_PERIOD_US.to_string())?;
                fs::write(folder.join("cpu.cfs_quota_us"), quota.to_string())?;
            } else {
                fs::write(folder.join("cpu.max"), format!("{quota} {CPU_PERIOD_US}"))?;
            }
        }
        Ok(())
    }

    /// Whether the kernel keeps a memory limit for the tree.
    pub(crate) fn limits_memory(&self) -> bool {
        self.controller("memory").is_some()
    }

    pub(crate) fn has_pid_namespace(&self) -> bool {
        self.pid_namespace
    }

    pub(crate) fn can_freeze(&self) -> bool {
        self.v2.is_some() || self.v1.contains_key("freezer")
    }

    pub(crate) fn set_frozen(&self, frozen: bool) -> io::Result<()> {
        if let Some(folder) = &self.v2 {
            fs::write(folder.join("cgroup.freeze"), if frozen { "1" } else { "0" })
        } else if let Some(folder) = self.v1.get("freezer") {
            fs::write(folder.join("freezer.state"), if frozen { "FROZEN" } else { "THAWED" })
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    pub(crate) fn is_frozen(&self) -> io::Result<bool> {
        if let Some(folder) = &self.v2 {
            return Ok(value_of(&fs::read_to_string(folder.join("cgroup.events"))?, "frozen") == Some(1));
        }
        match self.v1.get("freezer") {
            Some(folder) => Ok(fs::read_to_string(folder.join("freezer.state"))?.trim() == "FROZEN"),
            None => Ok(false),
        }
    }

    /// Kills all members at once; `false` where that takes more than one write.
    pub(crate) fn kill(&self) -> bool {
        if let Some(folder) = &self.v2 {
            return fs::write(folder.join("cgroup.kill"), "1").is_ok();
        }
        // A killed process of a frozen version 1 group dies when it thaws.
        if let Some(folder) = self.v1.get("freezer") {
            let _ = fs::write(folder.join("freezer.state"), "THAWED");
        }
        false
    }

    /// Kills whoever is left, by any means; for the launcher's cleaning.
    pub(crate) fn kill_leftovers(&self) {
        for folder in self.folders() {
            kill_all_in(&folder);
        }
    }

    /// Removes the groups; `false` while a dying process holds one.
    pub(crate) fn remove(&self) -> bool {
        let left = self.folders().iter().filter(|folder| !is_removed(folder)).count();
        left == 0
    }

    pub(crate) fn accounts(&self) -> Accounts {
        Accounts {
            memory_peak_bytes: self.memory_peak_bytes(),
            oom_kills: self.oom_kills().unwrap_or(0),
            cpu_time: self.cpu_time(),
        }
    }

    /// The most memory that the group has used so far.
    pub(crate) fn memory_peak_bytes(&self) -> Option<u64> {
        read_again(&self.open_memory_peak()?)
    }

    /// The file that says it, for [`read_again`].
    pub(crate) fn open_memory_peak(&self) -> Option<File> {
        let (folder, v1) = self.controller("memory")?;
        let peak = if v1 { "memory.max_usage_in_bytes" } else { "memory.peak" };
        File::open(folder.join(peak)).ok()
    }

    fn oom_kills(&self) -> Option<u64> {
        let (folder, v1) = self.controller("memory")?;
        let events = if v1 { "memory.oom_control" } else { "memory.events" };
        value_of(&fs::read_to_string(folder.join(events)).ok()?, "oom_kill")
    }

    /// CPU time of all its processes so far.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        if let Some(folder) = &self.v2 {
            let stat = fs::read_to_string(folder.join("cpu.stat")).ok()?;
            return value_of(&stat, "usage_usec").map(Duration::from_micros);
        }
        let folder = self.v1.get("cpuacct")?;
        read_number(&folder.join("cpuacct.usage")).map(Duration::from_nanos)
    }

    /// Memory of the processes and their tmpfs files, without page cache.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        let (folder, v1) = self.controller("memory")?;
        let stat = fs::read_to_string(folder.join("memory.stat")).ok()?;
        let (own, shared) = if v1 {
            ("total_rss", "total_shmem")
        } else {
            ("anon", "shmem")
        };
        Some(value_of(&stat, own)? + value_of(&stat, shared).unwrap_or(0))
    }
}

/// Makes `parent/name` and enables the controllers for its children.
fn make_v2_parent(parent: &Path, name: &str) -> io::Result<(PathBuf, Vec<String>)> {
    let folder = parent.join(name);
    make_folder(&folder)?;
    if !enable_controllers(parent) && make_room(parent).is_ok() {
        enable_controllers(parent);
    }
    enable_controllers(&folder);
    let given = fs::read_to_string(folder.join("cgroup.subtree_control"))?;
    Ok((folder, given.split_whitespace().map(str::to_owned).collect()))
}

/// A folder, or the one above where [`make_room`] has moved this process out of its way before.
fn outside_room(own: &Path) -> PathBuf {
    own.parent()
        .filter(|_| own.ends_with(PLATFORM_ROOM))
        .unwrap_or(own)
        .to_owned()
}

/// `false` when processes in the folder itself stand in the way.
fn enable_controllers(folder: &Path) -> bool {
    let mut free = true;
    for controller in CONTROLLERS {
        // One by one: a controller that is missing must not cost the others.
        let outcome = fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"));
        free &= !matches!(outcome, Err(error) if error.kind() == io::ErrorKind::ResourceBusy);
    }
    free
}

/// Moves the platform and this launcher out of a group that is to have children with controllers, which no group with
/// processes may. Only where nobody else is in it, as in a service with `Delegate=yes`.
fn make_room(folder: &Path) -> io::Result<()> {
    let ours = [Some(rustix::process::getpid()), rustix::process::getppid()];
    let members = fs::read_to_string(folder.join("cgroup.procs"))?;
    let is_ours = |line: &str| {
        line.parse()
            .is_ok_and(|pid| ours.contains(&rustix::process::Pid::from_raw(pid)))
    };
    if !members.lines().all(is_ours) {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    let room = folder.join(PLATFORM_ROOM);
    make_folder(&room)?;
    members
        .lines()
        .try_for_each(|pid| fs::write(room.join("cgroup.procs"), pid))
}

/// Makes a folder, or takes over one that an earlier launcher of the same user left.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let owner = fs::metadata(folder)?.uid();
            let ours = owner == rustix::process::geteuid().as_raw();
            if ours {
                Ok(())
            } else {
                Err(io::Error::other("belongs to another user"))
            }
        }
        other => other,
    }
}

fn is_removed(folder: &Path) -> bool {
    match fs::remove_dir(folder) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// For what a killed platform left: its processes are dying already.
fn remove_patiently(folder: &Path, until: Instant) -> bool {
    while !is_removed(folder) {
        if Instant::now() > until {
            return false;
        }
        kill_all_in(folder);
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn kill_all_in(folder: &Path) {
    let _ = fs::write(folder.join("cgroup.kill"), "1");
    for line in fs::read_to_string(folder.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
    {
        if let Some(pid) = line.parse().ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    let _ = fs::write(folder.join("freezer.state"), "THAWED");
}

/// The number that an open file says now; nothing when its group has gone.
pub(crate) fn read_again(file: &File) -> Option<u64> {
    let mut text = [0; 32];
    let length = file.read_at(&mut text, 0).ok()?;
    str::from_utf8(&text[..length]).ok()?.trim().parse().ok()
}

fn read_number(file: &Path) -> Option<u64> {
    read_again(&File::open(file).ok()?)
}

/// The number after `key` in a file of `key value` lines.
fn value_of(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

fn unique<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Vec<PathBuf> {
    let mut unique: Vec<PathBuf> = paths.cloned().collect();
    unique.sort();
    unique.dedup();
    unique
}

/// Reads the mounted hierarchies from the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn hierarchies(mounts: &str, own: &str) -> Vec<Hierarchy> {
    let own_place = |matches: &dyn Fn(&str) -> bool| {
        own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            let place = fields.next()?;
            matches(controllers).then(|| place.trim_start_matches('/').to_owned())
        })
    };
    let mut found = Vec::new();
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let Some(mount) = left.split(' ').nth(4).map(PathBuf::from) else {
            continue;
        };
        let mut right = right.split(' ');
        let (kind, options) = (right.next(), right.nth(1).unwrap_or_default());
        let controllers = match kind {
            Some("cgroup2") => None,
            Some("cgroup") => Some(
                options
                    .split(',')
                    .filter(|option| *option != "rw")
                    .map(str::to_owned)
                    .collect(),
            ),
            _ => continue,
        };
        let place = match &controllers {
            None => own_place(&str::is_empty),
            Some(names) => {
                let names: &Vec<String> = names;
                own_place(&|listed: &str| listed.split(',').any(|one| names.iter().any(|name| name == one)))
            }
        };
        let own = mount.join(place.unwrap_or_default());
        found.push(Hierarchy {
            controllers,
            mount,
            own,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 20 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw
31 30 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
33 30 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const OWN: &str = "4:memory:/tenant/a\n2:cpu,cpuacct:/\n0::/user.slice/me\n";

    #[test]
    fn hybrid_hierarchies_are_found() {
        let found = hierarchies(MOUNTS, OWN);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].own, Path::new("/sys/fs/cgroup/memory/tenant/a"));
        assert_eq!(
            found[1].controllers.as_deref(),
            Some(&["cpu".to_owned(), "cpuacct".to_owned()][..])
        );
        assert_eq!(found[2].controllers, None);
        assert_eq!(found[2].own, Path::new("/sys/fs/cgroup/unified/user.slice/me"));
    }

    #[test]
    fn values_are_found_by_their_whole_key() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(value_of(text, "oom_kill"), Some(3));
        assert_eq!(value_of(text, "oom"), None);
    }

    /// A folder stands in for the pure version 2 hierarchy that the test machine may not have.
    #[test]
    fn version_2_limits_are_written_as_documented() {
        let folder = std::env::temp_dir().join(format!("danbi-cgroup-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let controllers = CONTROLLERS.map(str::to_owned).to_vec();
        let cgroup = Cgroup {
            v2: Some(folder.clone()),
            v2_controllers: controllers,
            ..Cgroup::default()
        };
        let mut spec = SandboxSpec::new(["/bin/true"]);
        spec.memory_bytes = Some(1 << 20);
        spec.pids_max = 10;
        spec.cpu_quota = Some(0.5);
        cgroup.limit(&spec).unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(read("memory.max"), "1048576");
        assert_eq!(read("memory.swap.max"), "0");
        assert_eq!(read("pids.max"), "11");
        assert_eq!(read("cpu.max"), "50000 100000");
        fs::write(folder.join("memory.peak"), "777\n").unwrap();
        fs::write(
            folder.join("memory.events"),
            "low 0\noom 2\noom_kill 2\noom_group_kill 0\n",
        )
        .unwrap();
        fs::write(folder.join("cpu.stat"), "usage_usec 1500\nuser_usec 1000\n").unwrap();
        let accounts = cgroup.accounts();
        assert_eq!((accounts.memory_peak_bytes, accounts.oom_kills), (Some(777), 2));
        assert_eq!(accounts.cpu_time, Some(Duration::from_micros(1500)));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn version_1_limits_are_written_as_documented() {
        let folder = std::env::temp_dir().join(format!("danbi-cgroup-v1-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let v1 = ["memory", "pids", "cpu", "cpuacct", "freezer"].map(|name| (name.to_owned(), folder.clone()));
        let cgroup = Cgroup {
            v1: v1.into(),
            ..Cgroup::default()
        };
        let mut spec = SandboxSpec::new(["/bin/true"]);
        spec.memory_bytes = Some(1 << 20);
        spec.cpu_quota = Some(1.5);
        cgroup.limit(&spec).unwrap();
        cgroup.set_frozen(true).unwrap();
        assert!(cgroup.is_frozen().unwrap());
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(read("memory.limit_in_bytes"), "1048576");
        assert_eq!(
            (read("cpu.cfs_quota_us"), read("cpu.cfs_period_us")),
            ("150000".to_owned(), "100000".to_owned())
        );
        assert!(!cgroup.kill(), "takes more than one write");
        assert_eq!(read("freezer.state"), "THAWED", "or the killed would not die");
        fs::write(folder.join("cpuacct.usage"), "1500\n").unwrap();
        assert_eq!(cgroup.accounts().cpu_time, Some(Duration::from_nanos(1500)));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_platform_that_made_room_finds_its_way_back() {
        assert_eq!(outside_room(Path::new("/cg/me/danbi-platform")), Path::new("/cg/me"));
        assert_eq!(outside_room(Path::new("/cg/me")), Path::new("/cg/me"));
    }
}
