//! The system calls a program may not make.
//!
//! A deny list, bounded above: what is named here is refused, and so is every call newer than the newest that was
//! looked at ([`NEWEST_KNOWN`]). That covers what an allow list covers (a new kernel call is never let through
//! unseen) and reads in one screen, with the reason of each group beside it. The list is that of Docker's default
//! profile without any capability, and io_uring. Whatever needs a capability would fail anyway; the filter keeps the
//! program from reaching the code at all.

use std::io;

/// The newest system call that was judged; `removexattrat`. Above 423 the numbers are the same on all architectures.
const NEWEST_KNOWN: u32 = 466;

const EPERM: u32 = libc::EPERM as u32;
const ENOSYS: u32 = libc::ENOSYS as u32;
const EAFNOSUPPORT: u32 = libc::EAFNOSUPPORT as u32;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Groups of refused calls: the answer and the numbers.
const DENIED: &[(u32, &[libc::c_long])] = &[
    // Other processes: their memory, registers and descriptors.
    (
        EPERM,
        &[
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_kcmp,
            libc::SYS_pidfd_getfd,
            libc::SYS_process_madvise,
        ],
    ),
    // The file system tree and everything that changes it.
    (
        EPERM,
        &[
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
            libc::SYS_open_tree,
            libc::SYS_move_mount,
            libc::SYS_fsopen,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fspick,
            libc::SYS_mount_setattr,
            libc::SYS_quotactl,
            libc::SYS_quotactl_fd,
            libc::SYS_fanotify_init,
            457, // statmount
            458, // listmount
        ],
    ),
    // Files by handle, past every path check.
    (EPERM, &[libc::SYS_open_by_handle_at, libc::SYS_name_to_handle_at]),
    // Namespaces, whose owners have capabilities over much kernel code.
    (
        EPERM,
        &[
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_setdomainname,
            libc::SYS_sethostname,
        ],
    ),
    // Its flags are in memory where a filter cannot look; C libraries fall back to clone.
    (ENOSYS, &[libc::SYS_clone3]),
    // Large kernel interfaces with a history of exploits.
    (
        EPERM,
        &[
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_keyctl,
            libc::SYS_lookup_dcookie,
            libc::SYS_vhangup,
        ],
    ),
    // A second way to make most system calls, which no filter sees; runtimes fall back to epoll.
    (
        ENOSYS,
        &[
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
            447, // memfd_secret
        ],
    ),
    // The machine itself.
    (
        EPERM,
        &[
            libc::SYS_reboot,
            libc::SYS_kexec_load,
            libc::SYS_kexec_file_load,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_acct,
            libc::SYS_syslog,
            libc::SYS_settimeofday,
            libc::SYS_clock_settime,
            libc::SYS_clock_adjtime,
            libc::SYS_adjtimex,
            libc::SYS_nfsservctl,
        ],
    ),
    // Placement of memory on nodes, of other processes too.
    (
        EPERM,
        &[
            libc::SYS_mbind,
            libc::SYS_migrate_pages,
            libc::SYS_move_pages,
            libc::SYS_set_mempolicy,
        ],
    ),
    #[cfg(target_arch = "x86_64")]
    (
        EPERM,
        &[
            libc::SYS_iopl,
            libc::SYS_ioperm,
            libc::SYS_modify_ldt,
            libc::SYS_uselib,
            libc::SYS_ustat,
            libc::SYS_sysfs,
            libc::SYS__sysctl,
        ],
    ),
];

/// Every flag of clone that makes a namespace; `CLONE_NEWTIME` cannot be given to clone.
const NAMESPACE_FLAGS: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;
/// Plain Linux, its 32-bit and old-kernel variants, and the question which one it is.
const PERSONALITIES: [u32; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// Putting characters into a terminal's input, and the console's paste.
const TERMINAL_INJECTION: [u32; 2] = [libc::TIOCSTI as u32, libc::TIOCLINUX as u32];
/// Address families that need no kernel module and reach no host service.
const FAMILIES: [u32; 3] = [libc::AF_UNIX as u32, libc::AF_INET as u32, libc::AF_INET6 as u32];

// Offsets into `struct seccomp_data`; both architectures are little-endian, so this is the low half of an argument.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
const IF_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;

/// The filter, as the kernel wants it. A template may enter namespaces: those it is handed descriptors of, for it has no
/// other way to one.
pub(crate) fn program(template: bool) -> Vec<libc::sock_filter> {
    let mut program = Vec::with_capacity(256);
    let mut push = |code: u16, value: u32, yes: u8, no: u8| {
        program.push(libc::sock_filter {
            code,
            jt: yes,
            jf: no,
            k: value,
        });
    };
    let refuse = |errno: u32| libc::SECCOMP_RET_ERRNO | errno;
    let allow = libc::SECCOMP_RET_ALLOW;
    push(LOAD, ARCH, 0, 0);
    push(IF_EQUAL, ARCHITECTURE, 1, 0);
    push(RETURN, refuse(ENOSYS), 0, 0);
    push(LOAD, NUMBER, 0, 0);
    // Takes the x32 calls (bit 30) with it.
    push(IF_GREATER, NEWEST_KNOWN, 0, 1);
    push(RETURN, refuse(ENOSYS), 0, 0);
    for (errno, numbers) in DENIED {
        for number in numbers
            .iter()
            .filter(|number| !(template && **number == libc::SYS_setns))
        {
            push(IF_EQUAL, *number as u32, 0, 1);
            push(RETURN, refuse(*errno), 0, 0);
        }
    }
    push(IF_EQUAL, libc::SYS_clone as u32, 0, 4);
    push(LOAD, argument(0), 0, 0);
    push(IF_ANY_BIT, NAMESPACE_FLAGS, 0, 1);
    push(RETURN, refuse(EPERM), 0, 0);
    push(RETURN, allow, 0, 0);
    push(
        IF_EQUAL,
        libc::SYS_personality as u32,
        0,
        2 + 2 * PERSONALITIES.len() as u8,
    );
    push(LOAD, argument(0), 0, 0);
    for persona in PERSONALITIES {
        push(IF_EQUAL, persona, 0, 1);
        push(RETURN, allow, 0, 0);
    }
    push(RETURN, refuse(EPERM), 0, 0);
    push(
        IF_EQUAL,
        libc::SYS_ioctl as u32,
        0,
        2 + 2 * TERMINAL_INJECTION.len() as u8,
    );
    push(LOAD, argument(1), 0, 0);
    for request in TERMINAL_INJECTION {
        push(IF_EQUAL, request, 0, 1);
        push(RETURN, refuse(EPERM), 0, 0);
    }
    push(RETURN, allow, 0, 0);
    push(IF_EQUAL, libc::SYS_socket as u32, 0, 6 + 2 * FAMILIES.len() as u8);
    push(LOAD, argument(0), 0, 0);
    for family in FAMILIES {
        push(IF_EQUAL, family, 0, 1);
        push(RETURN, allow, 0, 0);
    }
    // Netlink for its route protocol alone: C libraries and Go list addresses with it.
    push(IF_EQUAL, libc::AF_NETLINK as u32, 0, 3);
    push(LOAD, argument(2), 0, 0);
    push(IF_EQUAL, libc::NETLINK_ROUTE as u32, 0, 1);
    push(RETURN, allow, 0, 0);
    push(RETURN, refuse(EAFNOSUPPORT), 0, 0);
    push(RETURN, allow, 0, 0);
    program
}

/// Puts the filter over the calling thread, everything it executes and every child; for good.
///
/// # Errors
/// When the kernel has no seccomp filters.
pub(crate) fn install(template: bool) -> io::Result<()> {
    let program = program(template);
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let filter = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: `filter` and the program it points to outlive the call; the kernel copies both and writes to neither.
    let outcome = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel would.
    fn verdict(arch: u32, number: libc::c_long, arguments: [u32; 3]) -> u32 {
        let program = program(false);
        let (mut at, mut loaded) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            match step.code {
                LOAD => {
                    loaded = match step.k {
                        NUMBER => number as u32,
                        ARCH => arch,
                        offset => arguments[(offset as usize - 16) / 8],
                    }
                }
                RETURN => return step.k,
                IF_EQUAL => at += jump(loaded == step.k),
                IF_GREATER => at += jump(loaded > step.k),
                IF_ANY_BIT => at += jump(loaded & step.k != 0),
                other => panic!("unexpected instruction {other}"),
            }
        }
    }

    fn errno(number: libc::c_long, arguments: [u32; 3]) -> Option<u32> {
        match verdict(ARCHITECTURE, number, arguments) {
            libc::SECCOMP_RET_ALLOW => None,
            refused => Some(refused & libc::SECCOMP_RET_DATA),
        }
    }

    #[test]
    fn what_programs_need_is_allowed() {
        for number in [
            libc::SYS_read,
            libc::SYS_execve,
            libc::SYS_mmap,
            libc::SYS_futex,
            libc::SYS_epoll_pwait2,
        ] {
            assert_eq!(errno(number, [0; 3]), None);
        }
        assert_eq!(errno(libc::SYS_clone, [0x003d_0f00, 0, 0]), None, "a thread");
        assert_eq!(errno(libc::SYS_ioctl, [0, 0x5401, 0]), None, "isatty");
        assert_eq!(errno(libc::SYS_socket, [2, 1, 0]), None);
        assert_eq!(errno(libc::SYS_socket, [16, 3, 0]), None, "route netlink");
        assert_eq!(errno(libc::SYS_personality, [0xffff_ffff, 0, 0]), None);
    }

    #[test]
    fn every_denied_call_is_refused() {
        for (expected, numbers) in DENIED {
            for number in *numbers {
                assert_eq!(errno(*number, [0; 3]), Some(*expected), "{number}");
            }
        }
        assert_eq!(errno(libc::SYS_clone, [libc::CLONE_NEWUSER as u32, 0, 0]), Some(EPERM));
        assert_eq!(errno(libc::SYS_ioctl, [0, libc::TIOCSTI as u32, 0]), Some(EPERM));
        assert_eq!(
            errno(libc::SYS_socket, [libc::AF_PACKET as u32, 3, 0]),
            Some(EAFNOSUPPORT)
        );
        assert_eq!(
            errno(libc::SYS_socket, [libc::AF_VSOCK as u32, 1, 0]),
            Some(EAFNOSUPPORT)
        );
        assert_eq!(
            errno(libc::SYS_socket, [16, 3, libc::NETLINK_NETFILTER as u32]),
            Some(EAFNOSUPPORT)
        );
        assert_eq!(errno(libc::SYS_personality, [0x0004_0000, 0, 0]), Some(EPERM));
    }

    #[test]
    fn a_template_may_enter_namespaces_and_nothing_else_more() {
        let (strict, template) = (program(false), program(true));
        assert_eq!(template.len() + 2, strict.len());
        assert!(
            !template
                .iter()
                .any(|step| step.code == IF_EQUAL && step.k == libc::SYS_setns as u32)
        );
    }

    #[test]
    fn unknown_calls_and_architectures_do_not_exist() {
        assert_eq!(errno(i64::from(NEWEST_KNOWN) + 1, [0; 3]), Some(ENOSYS));
        assert_eq!(errno(0x4000_0000 + libc::SYS_read, [0; 3]), Some(ENOSYS), "x32");
        assert_eq!(
            verdict(0x4000_0003, 1, [0; 3]),
            libc::SECCOMP_RET_ERRNO | ENOSYS,
            "i386"
        );
    }
}
