//! Finds out what this machine allows, by trying: it prepares one sandbox and throws it away.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::cgroup::{Cgroup, Parents};
use crate::credentials::HostIds;
use crate::namespaces::{self, Forked};
use crate::prepare::{self, Prepared};
use crate::protocol::{self, Channel, InitEvent};
use crate::server::{Kit, forget};
use crate::{Capabilities, Isolation, Network};

/// How long preparing one sandbox may take.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(10);

const NAMESPACES_ADVICE: &str = "as an ordinary user: check `sysctl user.max_user_namespaces \
kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns`; in a container: allow user namespaces \
and unmask /proc; else run as root. Linux 5.12 or newer is needed. Until then nothing is run unless \
--isolation=process is given, which isolates nothing";
const CGROUP_ADVICE: &str = "run as root, or as a systemd service with Delegate=yes";

/// A sandbox that was tried. Its namespaces take tens of milliseconds to go, which nobody has to wait for.
pub(crate) struct Trial {
    process: Option<OwnedFd>,
    cgroup: Cgroup,
}

impl Trial {
    /// Waits until nothing of it is left.
    pub(crate) fn clear(self) {
        if let Some(process) = &self.process {
            // What does not end in time is removed by the next launcher.
            let _ = wait_for(process);
        }
        while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
        forget(&self.cgroup);
    }
}

/// The report on `kit`, and the sandbox that was tried for it. `attempt` was begun before, so that it was made while
/// the network was set up.
pub(crate) fn probe(kit: &mut Kit, attempt: io::Result<Attempt>) -> (Capabilities, Option<Trial>) {
    let (trial, tried) = match settle(kit, attempt) {
        Ok(trial) => (Ok(()), Some(trial)),
        Err(error) => (Err(error), None),
    };
    let kit = &*kit;
    let isolation = kit.options.isolation;
    let mut report = Capabilities {
        isolation,
        namespaces: false,
        egress: false,
        memory_limit: kit.parents.has("memory"),
        mechanisms: Vec::new(),
    };
    if isolation == Isolation::Process {
        let why = "not used: --isolation=process was chosen; programs see this host's files, processes and network";
        report.add(
            "namespaces",
            Err((why.to_owned(), "leave the choice out to isolate programs")),
        );
    } else {
        report.namespaces = trial.is_ok();
        let said = trial.map(|()| "user, mount, pid, ipc, uts, network and cgroup".to_owned());
        report.add(
            "namespaces",
            said.map_err(|error| (error.to_string(), NAMESPACES_ADVICE)),
        );
        let filter = seccomp().map(|()| "system calls that no program needs are refused".to_owned());
        report.namespaces &= filter.is_ok();
        report.add(
            "seccomp",
            filter.map_err(|error| (error.to_string(), "the kernel needs CONFIG_SECCOMP_FILTER")),
        );
        add_ids(&mut report, kit);
    }
    add_cgroups(&mut report, kit);
    report.egress = kit.egress.is_ok() || isolation == Isolation::Process;
    match &kit.egress {
        Ok(_) => report.add(
            "outbound network",
            Ok("interface pairs, translated by nftables".to_owned()),
        ),
        Err((why, advice)) => report.add("outbound network", Err((why.clone(), advice))),
    }
    (report, tried)
}

/// Tries a sandbox, and when none comes of it, one without cgroups: folders that can be made cannot always be joined.
fn settle(kit: &mut Kit, attempt: io::Result<Attempt>) -> io::Result<Trial> {
    let error = match attempt.and_then(Attempt::finish) {
        Ok(trial) => return Ok(trial),
        Err(error) => error,
    };
    let mut without = Parents::default();
    without
        .refused
        .push(format!("cgroups can be made, but not joined: {error}"));
    let parents = std::mem::replace(&mut kit.parents, without);
    if let Ok(trial) = Attempt::begin(kit).and_then(Attempt::finish) {
        parents.remove();
        return Ok(trial);
    }
    kit.parents = parents;
    Err(error)
}

fn add_ids(report: &mut Capabilities, kit: &Kit) {
    let found = match kit.ids {
        HostIds::Range { first } => Ok(format!("each sandbox has host ids of its own, from {first}")),
        HostIds::Own { uid, .. } => Err((
            format!("all sandboxes run as host uid {uid}, kept apart by namespaces alone"),
            "run as root for a uid of its own for each sandbox",
        )),
    };
    report.add("separate users", found);
}

fn add_cgroups(report: &mut Capabilities, kit: &Kit) {
    let refused = || {
        let first = kit.parents.refused.first();
        first.map_or("no such cgroup controller".to_owned(), |why| {
            format!("no cgroup ({why})")
        })
    };
    let limits = [
        (
            "memory limit",
            "memory",
            "each process is limited by itself, and running out of memory is not reported as such",
        ),
        (
            "process limit",
            "pids",
            "the count is limited for the user by RLIMIT_NPROC",
        ),
        ("cpu limit", "cpu", "CPU quotas are not kept"),
    ];
    for (name, controller, instead) in limits {
        let found = if kit.parents.has(controller) {
            Ok(format!("cgroup {}", kit.parents.version_of(controller)))
        } else {
            Err((format!("{}; {instead}", refused()), CGROUP_ADVICE))
        };
        report.add(name, found);
    }
    let freezer = if kit.parents.can_freeze() {
        Ok(format!("cgroup {}", if kit.parents.has_v2() { "v2" } else { "v1" }))
    } else {
        Err((
            format!("{}; programs are stopped by signal, which they can notice", refused()),
            CGROUP_ADVICE,
        ))
    };
    report.add("freezing", freezer);
}

/// Whether the kernel has seccomp filters that answer with an error.
fn seccomp() -> io::Result<()> {
    let action: u32 = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the kernel reads four bytes at the pointer, which outlives the call.
    let outcome = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A sandbox that is being prepared to see whether it can be.
pub(crate) struct Attempt {
    cgroup: Cgroup,
    init: Channel,
    reports: Channel,
}

impl Attempt {
    /// Begins to prepare a sandbox.
    pub(crate) fn begin(kit: &Kit) -> io::Result<Attempt> {
        let plan = kit.plan(0, Network::None)?;
        let forked = (|| {
            let (init, theirs) = Channel::pair()?;
            let (reports, report) = Channel::pair()?;
            match namespaces::fork()? {
                Forked::Child => prepare::run(&plan, theirs, &report),
                Forked::Parent(_) => Ok((init, reports)),
            }
        })();
        match forked {
            Ok((init, reports)) => Ok(Attempt {
                cgroup: plan.cgroup,
                init,
                reports,
            }),
            Err(error) => {
                forget(&plan.cgroup);
                Err(error)
            }
        }
    }

    /// Hears from its init, which then ends.
    pub(crate) fn finish(self) -> io::Result<Trial> {
        let Attempt { cgroup, init, reports } = self;
        let mut process = None;
        let outcome = (|| {
            wait_for(&reports)?;
            let prepared = match reports.receive::<Prepared>()? {
                Some((prepared, descriptors)) => {
                    process = descriptors.into_iter().next();
                    prepared
                }
                None => return Err(io::Error::other("the trial died")),
            };
            if let Some(error) = prepared.error {
                return Err(io::Error::other(error));
            }
            wait_for(&init)?;
            match init.receive::<InitEvent>()? {
                Some((InitEvent::Prepared, _)) => Ok(()),
                Some((InitEvent::Failed { reason }, _)) => Err(io::Error::other(reason)),
                _ => Err(io::Error::other("the trial's init died")),
            }
        })();
        // Closing our end of its channel ends init.
        drop(init);
        let trial = Trial { process, cgroup };
        match outcome {
            Ok(()) => Ok(trial),
            Err(error) => {
                trial.clear();
                Err(error)
            }
        }
    }
}

fn wait_for(fd: &impl AsFd) -> io::Result<()> {
    let timeout = Timespec::try_from(TRIAL_TIMEOUT).ok();
    let ready = protocol::retry(|| rustix::event::poll(&mut [PollFd::new(fd, PollFlags::IN)], timeout.as_ref()))?;
    if ready == 0 {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(())
    }
}
