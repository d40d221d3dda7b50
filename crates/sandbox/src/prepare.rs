//! The preparer: a short-lived fork of the launcher that makes the init of one sandbox. What is slow (joining
//! cgroups, making namespaces) happens in it, so that the launcher never waits. The init that it makes is the
//! launcher's child, not its own.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroup;
use crate::credentials::{self, Identity};
use crate::init;
use crate::namespaces::{self, ChildOf, Forked, InitOptions};
use crate::network::Link;
use crate::protocol::Channel;

/// How readily the kernel takes sandboxes when the whole machine is out of memory, before the platform.
const OOM_SCORE_ADJUSTMENT: &str = "300";

/// What a sandbox is before it has a spec.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) slot: u32,
    /// `None` without namespaces.
    pub(crate) identity: Option<Identity>,
    pub(crate) cgroup: Cgroup,
    pub(crate) link: Option<Link>,
    /// The template whose fork will be the program; the sandbox is made inside its namespaces.
    pub(crate) family: Option<Rc<Family>>,
}

/// Where the sandboxes of one template are made.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) user: OwnedFd,
    pub(crate) pid: OwnedFd,
}

/// The preparer's report to the launcher; the pidfd of init is beside it when there is no error.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Prepared {
    pub(crate) slot: u32,
    pub(crate) pid: i32,
    pub(crate) error: Option<String>,
}

/// Runs in the fork; `channel` is init's end, `report` goes to the launcher.
pub(crate) fn run(plan: &Plan, channel: Channel, report: &Channel) -> ! {
    let slot = plan.slot;
    let sent = match make_init(plan, channel) {
        Ok((pid, pidfd)) => {
            let prepared = Prepared {
                slot,
                pid: pid.as_raw_nonzero().get(),
                error: None,
            };
            report.send_patiently(&prepared, &[pidfd.as_fd()])
        }
        Err(error) => report.send_patiently(
            &Prepared {
                slot,
                pid: 0,
                error: Some(error.to_string()),
            },
            &[],
        ),
    };
    namespaces::exit(i32::from(sent.is_err()))
}

fn make_init(plan: &Plan, channel: Channel) -> io::Result<(Pid, OwnedFd)> {
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJUSTMENT);
    plan.cgroup
        .join_v1()
        .map_err(|error| at("joining the cgroups", &error))?;
    if let Some(family) = plan.family.clone() {
        return make_init_in(&family, plan, channel);
    }
    let (waiting, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let cgroup = plan.cgroup.open_v2();
    let (forked, pidfd) = clone_init(plan, cgroup.as_ref().map(AsFd::as_fd))?;
    let pid = match forked {
        Forked::Child => init::run(plan, channel, waiting, &go),
        Forked::Parent(pid) => pid,
    };
    let pidfd = pidfd.ok_or_else(|| io::Error::other("the kernel gave no pidfd"))?;
    let finished = finish(plan, pid).and_then(|()| Ok(rustix::io::write(&go, b"!")?));
    match finished {
        Ok(_) => Ok((pid, pidfd)),
        Err(error) => {
            let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
            Err(error)
        }
    }
}

/// Makes init inside the namespaces of a template. A namespace is entered for good, and a pid namespace by children
/// only, so two more processes go there: the first enters, the second is inside and makes init. Both and init are
/// children of the preparer; when it ends, init becomes the launcher's.
fn make_init_in(family: &Family, plan: &Plan, channel: Channel) -> io::Result<(Pid, OwnedFd)> {
    plan.cgroup
        .join_v2()
        .map_err(|error| at("joining the cgroup", &error))?;
    let (waiting, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let pidfd = namespaces::send(ChildOf::Caller, || {
        enter(family, plan)?;
        namespaces::send(ChildOf::CallersParent, || make_init_inside(plan, channel, waiting, &go))
    })?;
    let finished = namespaces::pid_of(pidfd.as_fd()).and_then(|pid| {
        connect(plan, pid)?;
        rustix::io::write(&go, b"!")?;
        Ok(pid)
    });
    match finished {
        Ok(pid) => Ok((pid, pidfd)),
        Err(error) => {
            let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
            Err(error)
        }
    }
}

/// Becomes the root of the template's user namespace, whose next child is in its pid namespace.
fn enter(family: &Family, plan: &Plan) -> io::Result<()> {
    namespaces::enter(family.user.as_fd()).map_err(|error| at("entering the template's users", &error))?;
    if plan.identity.as_ref().is_some_and(|identity| identity.separate_init) {
        credentials::become_namespace_root()?;
    }
    namespaces::enter(family.pid.as_fd()).map_err(|error| at("entering the template's processes", &error))
}

fn make_init_inside(plan: &Plan, channel: Channel, waiting: OwnedFd, go: &OwnedFd) -> io::Result<OwnedFd> {
    let identity = plan.identity.as_ref().ok_or_else(|| io::Error::other("no identity"))?;
    // Whose user id the namespace is made under owns it: the program, so that its fork may come in.
    credentials::act_as_program(identity)?;
    // A change of user hides the process's own files, among them the id map of the child.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?;
    let options = InitOptions {
        namespaces: true,
        cgroup: None,
    };
    let (forked, pidfd) = namespaces::clone_init(&options).map_err(|error| at("making namespaces", &error))?;
    if let Forked::Child = forked {
        init::run(plan, channel, waiting, go);
    }
    let pidfd = pidfd.ok_or_else(|| io::Error::other("the kernel gave no pidfd"))?;
    credentials::act_as_root(identity)?;
    let pid = namespaces::pid_of(pidfd.as_fd())?;
    namespaces::write_id_maps(pid, identity).map_err(|error| at("mapping ids", &error))?;
    Ok(pidfd)
}

fn clone_init(plan: &Plan, cgroup: Option<BorrowedFd<'_>>) -> io::Result<(Forked, Option<OwnedFd>)> {
    let namespaces = plan.identity.is_some();
    let born_there = namespaces::clone_init(&InitOptions { namespaces, cgroup });
    let outcome = match born_there {
        // Some kernels and sandboxes refuse to clone into a cgroup and allow to move there.
        Err(_) if cgroup.is_some() && plan.cgroup.join_v2().is_ok() => namespaces::clone_init(&InitOptions {
            namespaces,
            cgroup: None,
        }),
        other => other,
    };
    outcome.map_err(|error| at("making namespaces", &error))
}

/// What only somebody outside the new namespaces can do.
fn finish(plan: &Plan, pid: Pid) -> io::Result<()> {
    if let Some(identity) = &plan.identity {
        namespaces::write_id_maps(pid, identity).map_err(|error| at("mapping ids", &error))?;
    }
    connect(plan, pid)
}

fn connect(plan: &Plan, pid: Pid) -> io::Result<()> {
    if let Some(link) = plan.link {
        let namespace = std::fs::File::open(format!("/proc/{}/ns/net", pid.as_raw_nonzero()))?;
        link.connect(namespace.as_fd())
            .map_err(|error| at("connecting the network", &error))?;
    }
    Ok(())
}

fn at(place: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{place}: {error}"))
}
