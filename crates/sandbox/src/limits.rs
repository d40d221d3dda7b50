//! Resource limits of a process; what cgroups do for the tree, these do for each of its members.

use std::io;

use rustix::process::{Resource, Rlimit};

use crate::SandboxSpec;

/// What a program's own data may exceed its memory limit by where no cgroup keeps that limit: address space that is
/// writable and never touched (thread stacks, arenas) counts here, and in a cgroup it does not.
const UNTOUCHED_BYTES: u64 = 256 << 20;
/// POSIX message queues, in bytes.
const MESSAGE_QUEUE_BYTES: u64 = 819_200;

/// Limits the calling process and all it starts. Hard limits cannot be raised again.
///
/// # Errors
/// When the kernel refuses a limit.
pub(crate) fn apply(spec: &SandboxSpec, memory_cgroup: bool, own_process_count: bool) -> io::Result<()> {
    set(Resource::Core, 0)?;
    set(Resource::Nofile, spec.nofile)?;
    set(Resource::Msgqueue, MESSAGE_QUEUE_BYTES)?;
    set(Resource::Rtprio, 0)?;
    set(Resource::Memlock, 8 << 20)?;
    if let Some(bytes) = spec.fsize {
        set(Resource::Fsize, bytes)?;
    }
    // The count is of the user in its namespace; where the user has other processes it would count those too.
    if own_process_count {
        set(Resource::Nproc, u64::from(spec.pids_max))?;
    }
    if let Some(bytes) = spec.memory_bytes.filter(|_| !memory_cgroup) {
        set(Resource::Data, bytes.saturating_add(UNTOUCHED_BYTES))?;
    }
    Ok(())
}

/// Sets soft and hard limit, as far as the present hard limit goes.
fn set(resource: Resource, wanted: u64) -> io::Result<()> {
    let hard = rustix::process::getrlimit(resource).maximum;
    let value = hard.map_or(wanted, |hard| hard.min(wanted));
    rustix::process::setrlimit(
        resource,
        Rlimit {
            current: Some(value),
            maximum: Some(value),
        },
    )?;
    Ok(())
}
