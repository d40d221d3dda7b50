//! Who a program is: one uid and gid inside, and outside one that nobody else on the host has.
//!
//! A launcher run by root gives each sandbox two host ids of a range of its own: one for init (0 inside), one for the
//! program (993 inside). An ordinary user can map one id only, its own: there init and program share it, and what
//! keeps them apart is that init cannot be dumped and that signals to pid 1 of a namespace do not arrive.

use std::fs;
use std::io;

use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

/// The program's uid inside, as Lambda has it.
pub(crate) const UID: u32 = 993;
/// The program's gid inside, as Lambda has it.
pub(crate) const GID: u32 = 990;
/// The name of [`UID`].
pub(crate) const USER: &str = "sbx_user1051";

/// First of the host ids; above what distributions and container tools give out (systemd's nspawn range ends below).
const FIRST_HOST_ID: u32 = 0x7000_0000;
/// Host ids of one launcher: two for each of [`crate::instance::SLOTS`].
const IDS_PER_LAUNCHER: u32 = 0x1_0000;

/// Which host ids this launcher hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostIds {
    /// Two fresh ids for each sandbox, from here on.
    Range { first: u32 },
    /// The launcher's own, for all.
    Own { uid: u32, gid: u32 },
}

/// The ids of one sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Texts for `/proc/PID/uid_map` and `gid_map`.
    pub(crate) uid_map: String,
    pub(crate) gid_map: String,
    /// Whether init is another user than the program.
    pub(crate) separate_init: bool,
    /// The program's host uid and gid.
    pub(crate) host_uid: u32,
    pub(crate) host_gid: u32,
}

impl HostIds {
    /// For launcher number `instance`: a range where this process may map one, else its own id.
    pub(crate) fn find(instance: u32) -> HostIds {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        let first = FIRST_HOST_ID + instance * IDS_PER_LAUNCHER;
        let mapped = ["/proc/self/uid_map", "/proc/self/gid_map"]
            .iter()
            .all(|map| fs::read_to_string(map).is_ok_and(|map| covers(&map, first, IDS_PER_LAUNCHER)));
        if uid.is_root() && mapped {
            HostIds::Range { first }
        } else {
            HostIds::Own {
                uid: uid.as_raw(),
                gid: gid.as_raw(),
            }
        }
    }

    /// The ids of slot `slot`.
    pub(crate) fn identity(self, slot: u32) -> Identity {
        match self {
            HostIds::Range { first } => {
                let (init, program) = (first + 2 * slot, first + 2 * slot + 1);
                Identity {
                    uid_map: format!("0 {init} 1\n{UID} {program} 1\n"),
                    gid_map: format!("0 {init} 1\n{GID} {program} 1\n"),
                    separate_init: true,
                    host_uid: program,
                    host_gid: program,
                }
            }
            HostIds::Own { uid, gid } => Identity {
                uid_map: format!("{UID} {uid} 1\n"),
                gid_map: format!("{GID} {gid} 1\n"),
                separate_init: false,
                host_uid: uid,
                host_gid: gid,
            },
        }
    }
}

impl Identity {
    /// The same ids one user namespace further in, for a sandbox inside that of its template.
    pub(crate) fn nested(&self) -> Identity {
        let map = |id: u32| {
            if self.separate_init {
                format!("0 0 1\n{id} {id} 1\n")
            } else {
                format!("{id} {id} 1\n")
            }
        };
        Identity {
            uid_map: map(UID),
            gid_map: map(GID),
            ..self.clone()
        }
    }
}

/// Whether the id map (`inside outside count` lines) has all of `first..first + count`.
fn covers(map: &str, first: u32, count: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().filter_map(|number| number.parse::<u64>().ok());
        let (inside, _, length) = (numbers.next(), numbers.next(), numbers.next());
        matches!((inside, length), (Some(inside), Some(length))
            if inside <= u64::from(first) && u64::from(first) + u64::from(count) <= inside + length)
    })
}

/// Makes the calling process uid and gid 0 of its user namespace, without further groups.
pub(crate) fn become_namespace_root() -> io::Result<()> {
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    Ok(())
}

/// Makes the calling process, root of its user namespace, act as the program's user, and able to go back.
pub(crate) fn act_as_program(identity: &Identity) -> io::Result<()> {
    act_as(identity, Uid::from_raw(UID))
}

/// Takes [`act_as_program`] back.
pub(crate) fn act_as_root(identity: &Identity) -> io::Result<()> {
    act_as(identity, Uid::ROOT)
}

fn act_as(identity: &Identity, uid: Uid) -> io::Result<()> {
    if identity.separate_init {
        rustix::thread::set_thread_res_uid(Uid::ROOT, uid, Uid::ROOT)?;
    }
    Ok(())
}

/// Makes the calling process the program's user.
pub(crate) fn become_program() -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(UID), Gid::from_raw(GID));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

/// Makes sure that no exec and no change of user can ever give the calling process a capability. Comes before the
/// change of user, because it needs a capability itself; without it the process had none to lose.
pub(crate) fn bar_capabilities() -> io::Result<()> {
    if has_capability(CapabilitySet::SETPCAP) {
        // Unknown capabilities of a newer kernel go too: the number is tried until the kernel knows no more.
        for number in 0..64 {
            // SAFETY: prctl with these arguments reads and writes no memory of ours.
            if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) } != 0 {
                break;
            }
        }
        let locked = CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
        rustix::thread::set_capabilities_secure_bits(locked)?;
    }
    rustix::thread::clear_ambient_capability_set()?;
    Ok(())
}

/// Gives up every capability but `kept`.
pub(crate) fn drop_capabilities(kept: CapabilitySet) -> io::Result<()> {
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets)?;
    Ok(())
}

/// Whether the calling process has this capability in its own user namespace.
pub(crate) fn has_capability(capability: CapabilitySet) -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(capability))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_gives_each_sandbox_two_ids_of_its_own() {
        let ids = HostIds::Range { first: 1000 };
        let (one, other) = (ids.identity(0), ids.identity(1));
        assert_eq!(one.uid_map, "0 1000 1\n993 1001 1\n");
        assert_eq!(other.gid_map, "0 1002 1\n990 1003 1\n");
        assert_eq!((one.host_uid, other.host_uid), (1001, 1003));
    }

    #[test]
    fn a_user_maps_only_itself() {
        let identity = HostIds::Own { uid: 1000, gid: 100 }.identity(7);
        assert_eq!(
            (identity.uid_map.as_str(), identity.gid_map.as_str()),
            ("993 1000 1\n", "990 100 1\n")
        );
        assert!(!identity.separate_init);
    }

    #[test]
    fn a_map_must_hold_the_whole_range() {
        assert!(covers(
            "         0          0 4294967295",
            FIRST_HOST_ID,
            IDS_PER_LAUNCHER
        ));
        assert!(!covers("0 100000 65536", FIRST_HOST_ID, IDS_PER_LAUNCHER));
        assert!(!covers("", 0, 1));
    }
}
