//! What runs inside. Every attack returns what it managed to do that it should not have; an empty list is a defence
//! that held. It prints them, and exits 1 if there are any.

use std::ffi::CString;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What an attack managed.
type Breaches = Vec<String>;

pub fn main(arguments: &[String]) {
    let rest = &arguments[1..];
    let breaches = match arguments[0].as_str() {
        "host_files" => host_files(rest),
        "processes" => processes(rest),
        "ptrace" => ptrace(),
        "mount" => mount(),
        "namespaces" => namespaces(),
        "system_calls" => system_calls(),
        "sockets" => sockets(),
        "writes" => writes(),
        "devices" => devices(),
        "privileges" => privileges(),
        "pid_1" => pid_1(),
        "descriptors" => descriptors(),
        "links" => links(rest),
        "cgroup" => cgroup(),
        "environment" => environment(rest),
        "reach" => reach(rest),
        "fork_bomb" => fork_bomb(rest),
        "fill_tmp" => fill_tmp(rest),
        "eat_memory" => eat_memory(rest),
        "survive" => survive(),
        "ignore_and_spin" => ignore_and_spin(),
        "address" => address(),
        other => vec![format!("no attack is called {other}")],
    };
    breaches.iter().for_each(|breach| println!("BREACH: {breach}"));
    println!("done");
    std::process::exit(i32::from(!breaches.is_empty()));
}

/// The error number of a system call that must fail; a success is a breach.
fn call(breaches: &mut Breaches, name: &str, number: i64, arguments: [u64; 6], allowed: &[i32]) {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the attacks pass null pointers and numbers only; a kernel that follows them fails with EFAULT.
    let outcome = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or_default();
    if outcome >= 0 || !allowed.contains(&errno) {
        breaches.push(format!("{name} gave {outcome}, errno {errno}"));
    }
}

const REFUSED: &[i32] = &[libc::EPERM, libc::ENOSYS, libc::EACCES];

fn must_not_read(breaches: &mut Breaches, path: impl AsRef<Path>) {
    if let Ok(mut file) = fs::File::open(&path) {
        let mut byte = [0];
        if matches!(file.read(&mut byte), Ok(1)) {
            breaches.push(format!("read {}", path.as_ref().display()));
        }
    }
}

fn must_not_list(breaches: &mut Breaches, path: impl AsRef<Path>) {
    if let Ok(entries) = fs::read_dir(&path)
        && entries.count() > 0
    {
        breaches.push(format!("listed {}", path.as_ref().display()));
    }
}

fn must_not_write(breaches: &mut Breaches, path: impl AsRef<Path>) {
    let outcome = fs::File::options().create(true).truncate(false).write(true).open(&path);
    if let Ok(mut file) = outcome
        && file.write_all(b"0").is_ok()
    {
        breaches.push(format!("wrote {}", path.as_ref().display()));
    }
}

/// `secrets` are host paths that hold something.
fn host_files(secrets: &[String]) -> Breaches {
    let mut breaches = Breaches::new();
    let usual = [
        "/etc/shadow",
        "/root/.bashrc",
        "/proc/1/environ",
        "/proc/1/mem",
        "/proc/kcore",
        "/proc/kmsg",
        "/proc/keys",
    ];
    for path in usual.iter().copied().chain(secrets.iter().map(String::as_str)) {
        must_not_read(&mut breaches, path);
        for way_out in [
            "/proc/1/root",
            "/proc/1/cwd",
            "/proc/self/root/../..",
            "/tmp/../../..",
            "/proc/self/fd/0/..",
        ] {
            let around = format!("{way_out}{path}");
            if path.starts_with("/proc") {
                continue;
            }
            must_not_read(&mut breaches, around);
        }
    }
    for folder in [
        "/root",
        "/sys",
        "/run",
        "/srv",
        "/mnt",
        "/boot",
        "/proc/1/fd",
        "/proc/1/root",
    ] {
        must_not_list(&mut breaches, folder);
    }
    breaches
}

/// `host_pids` are running outside.
fn processes(host_pids: &[String]) -> Breaches {
    let mut breaches = Breaches::new();
    let own = std::process::id();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.parse::<u32>().is_ok_and(|pid| pid != own) {
            breaches.push(format!("saw process {name}"));
        }
    }
    if own > 10 {
        breaches.push(format!("has the host's process id {own}"));
    }
    for pid in host_pids
        .iter()
        .filter_map(|pid| pid.parse::<i32>().ok())
        .filter(|pid| *pid > 10)
    {
        // SAFETY: kill touches no memory.
        if unsafe { libc::kill(pid, 0) } == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH) {
            breaches.push(format!("reached host process {pid}"));
        }
    }
    breaches
}

fn ptrace() -> Breaches {
    let mut breaches = Breaches::new();
    let attach = [libc::PTRACE_ATTACH as u64, 1, 0, 0, 0, 0];
    call(&mut breaches, "ptrace pid 1", libc::SYS_ptrace, attach, REFUSED);
    call(&mut breaches, "ptrace me", libc::SYS_ptrace, [0; 6], REFUSED);
    call(
        &mut breaches,
        "process_vm_readv",
        libc::SYS_process_vm_readv,
        [1, 0, 0, 0, 0, 0],
        REFUSED,
    );
    call(
        &mut breaches,
        "process_vm_writev",
        libc::SYS_process_vm_writev,
        [1, 0, 0, 0, 0, 0],
        REFUSED,
    );
    // SAFETY: pidfd_open takes numbers only.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, 1, 0) };
    call(
        &mut breaches,
        "pidfd_getfd",
        libc::SYS_pidfd_getfd,
        [pidfd as u64, 0, 0, 0, 0, 0],
        REFUSED,
    );
    for file in ["mem", "environ", "maps", "stack", "syscall"] {
        must_not_read(&mut breaches, format!("/proc/1/{file}"));
    }
    must_not_list(&mut breaches, "/proc/1/fd");
    breaches
}

fn mount() -> Breaches {
    let mut breaches = Breaches::new();
    let texts = ["tmpfs", "/tmp", "/proc", "/"].map(|text| CString::new(text).unwrap());
    let [tmpfs, tmp, proc, slash] = texts.each_ref().map(|text| text.as_ptr() as u64);
    call(
        &mut breaches,
        "mount",
        libc::SYS_mount,
        [tmpfs, tmp, tmpfs, 0, 0, 0],
        REFUSED,
    );
    call(
        &mut breaches,
        "bind mount",
        libc::SYS_mount,
        [slash, tmp, 0, libc::MS_BIND, 0, 0],
        REFUSED,
    );
    let remount = libc::MS_REMOUNT | libc::MS_BIND;
    call(
        &mut breaches,
        "remount",
        libc::SYS_mount,
        [0, slash, 0, remount, 0, 0],
        REFUSED,
    );
    call(
        &mut breaches,
        "umount",
        libc::SYS_umount2,
        [proc, libc::MNT_DETACH as u64, 0, 0, 0, 0],
        REFUSED,
    );
    call(
        &mut breaches,
        "pivot_root",
        libc::SYS_pivot_root,
        [tmp, tmp, 0, 0, 0, 0],
        REFUSED,
    );
    call(&mut breaches, "chroot", libc::SYS_chroot, [tmp, 0, 0, 0, 0, 0], REFUSED);
    call(
        &mut breaches,
        "fsopen",
        libc::SYS_fsopen,
        [tmpfs, 0, 0, 0, 0, 0],
        REFUSED,
    );
    call(
        &mut breaches,
        "open_tree",
        libc::SYS_open_tree,
        [libc::AT_FDCWD as u64, slash, 1, 0, 0, 0],
        REFUSED,
    );
    call(&mut breaches, "mount_setattr", libc::SYS_mount_setattr, [0; 6], REFUSED);
    breaches
}

fn namespaces() -> Breaches {
    let mut breaches = Breaches::new();
    let flags = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    for flag in flags {
        call(
            &mut breaches,
            "unshare",
            libc::SYS_unshare,
            [flag as u64, 0, 0, 0, 0, 0],
            REFUSED,
        );
        let clone = [(flag | libc::SIGCHLD) as u64, 0, 0, 0, 0, 0];
        call(&mut breaches, "clone", libc::SYS_clone, clone, REFUSED);
    }
    call(&mut breaches, "clone3", libc::SYS_clone3, [0; 6], &[libc::ENOSYS]);
    for name in ["user", "mnt", "net", "pid"] {
        let Ok(namespace) = fs::File::open(format!("/proc/self/ns/{name}")) else {
            continue;
        };
        let fd = std::os::fd::AsRawFd::as_raw_fd(&namespace) as u64;
        call(&mut breaches, "setns", libc::SYS_setns, [fd, 0, 0, 0, 0, 0], REFUSED);
    }
    breaches
}

fn system_calls() -> Breaches {
    let mut breaches = Breaches::new();
    let calls = [
        ("bpf", libc::SYS_bpf),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("keyctl", libc::SYS_keyctl),
        ("add_key", libc::SYS_add_key),
        ("request_key", libc::SYS_request_key),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("kexec_load", libc::SYS_kexec_load),
        ("init_module", libc::SYS_init_module),
        ("finit_module", libc::SYS_finit_module),
        ("reboot", libc::SYS_reboot),
        ("swapon", libc::SYS_swapon),
        ("acct", libc::SYS_acct),
        ("syslog", libc::SYS_syslog),
        ("settimeofday", libc::SYS_settimeofday),
        ("clock_settime", libc::SYS_clock_settime),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("name_to_handle_at", libc::SYS_name_to_handle_at),
        ("sethostname", libc::SYS_sethostname),
        ("quotactl", libc::SYS_quotactl),
        ("fanotify_init", libc::SYS_fanotify_init),
        ("a call of the future", 600),
    ];
    for (name, number) in calls {
        call(&mut breaches, name, number, [0; 6], REFUSED);
    }
    let no_randomization = [0x0004_0000, 0, 0, 0, 0, 0];
    call(
        &mut breaches,
        "personality",
        libc::SYS_personality,
        no_randomization,
        REFUSED,
    );
    let inject = [0, libc::TIOCSTI, 0, 0, 0, 0];
    call(&mut breaches, "TIOCSTI", libc::SYS_ioctl, inject, REFUSED);
    breaches
}

fn sockets() -> Breaches {
    let mut breaches = Breaches::new();
    let refused = &[libc::EPERM, libc::EACCES, libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT];
    let kinds = [
        ("packet", libc::AF_PACKET, libc::SOCK_RAW, 0x0300),
        ("raw", libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
        ("raw v6", libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6),
        ("vsock", libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        ("alg", libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
        ("bluetooth", libc::AF_BLUETOOTH, libc::SOCK_RAW, 0),
        ("netfilter", libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER),
        ("audit", libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_AUDIT),
        ("uevent", libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_KOBJECT_UEVENT),
    ];
    for (name, family, kind, protocol) in kinds {
        let arguments = [family as u64, kind as u64, protocol as u64, 0, 0, 0];
        call(&mut breaches, name, libc::SYS_socket, arguments, refused);
    }
    breaches
}

fn writes() -> Breaches {
    let mut breaches = Breaches::new();
    for folder in [
        "",
        "/var/task",
        "/usr",
        "/usr/bin",
        "/etc",
        "/dev",
        "/root",
        "/home",
        "/var",
        "/var/tmp",
        "/run",
        "/sys",
        "/proc",
    ] {
        must_not_write(&mut breaches, format!("{folder}/planted"));
        if fs::create_dir(format!("{folder}/planted.d")).is_ok() {
            breaches.push(format!("made a folder in {folder}"));
        }
    }
    for file in [
        "/var/task/attacker",
        "/etc/passwd",
        "/etc/hosts",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/hostname",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sysrq-trigger",
        "/proc/self/uid_map",
        "/proc/1/oom_score_adj",
    ] {
        must_not_write(&mut breaches, file);
    }
    for path in ["/var/task", "/", "/etc"] {
        if fs::set_permissions(path, fs::Permissions::from_mode(0o777)).is_ok() {
            breaches.push(format!("changed the mode of {path}"));
        }
    }
    // And where it may, it must be able to.
    for file in ["/tmp/mine", "/dev/shm/mine", "/dev/null", "/dev/stdout"] {
        let opened = fs::File::options().create(true).append(true).open(file);
        if let Err(error) = opened.and_then(|mut file| file.write_all(b"\n")) {
            breaches.push(format!("could not write {file}: {error}"));
        }
    }
    breaches
}

fn devices() -> Breaches {
    let mut breaches = Breaches::new();
    for (kind, major, minor) in [
        (libc::S_IFCHR, 1, 1),
        (libc::S_IFCHR, 1, 3),
        (libc::S_IFBLK, 254, 0),
        (libc::S_IFBLK, 8, 0),
    ] {
        let path = CString::new(format!("/tmp/node{major}-{minor}")).unwrap();
        // SAFETY: the path is a C string that outlives the call.
        if unsafe { libc::mknod(path.as_ptr(), kind | 0o666, libc::makedev(major, minor)) } == 0 {
            breaches.push(format!("made device {major}:{minor}"));
        }
    }
    let expected = [
        "null", "zero", "full", "random", "urandom", "shm", "fd", "stdin", "stdout", "stderr",
    ];
    for entry in fs::read_dir("/dev").unwrap().flatten() {
        if !expected.contains(&entry.file_name().to_string_lossy().as_ref()) {
            breaches.push(format!("found {}", entry.path().display()));
        }
    }
    breaches
}

fn privileges() -> Breaches {
    let mut breaches = Breaches::new();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':')
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        if field(name) != "0000000000000000" {
            breaches.push(format!("{name} is {}", field(name)));
        }
    }
    for (name, expected) in [
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Uid", "993\t993\t993\t993"),
        ("Gid", "990\t990\t990\t990"),
    ] {
        if field(name) != expected {
            breaches.push(format!("{name} is {}", field(name)));
        }
    }
    // SAFETY: these calls take numbers only.
    let raised = unsafe {
        [
            libc::setuid(0),
            libc::setresuid(0, 0, 0),
            libc::setgid(0),
            libc::setuid(1000),
        ]
    };
    if raised.contains(&0) {
        breaches.push("became another user".to_owned());
    }
    // A setuid copy of ourselves, and the system's own setuid programs.
    let copy = "/tmp/setuid";
    if fs::copy("/proc/self/exe", copy).is_ok() {
        let _ = fs::set_permissions(copy, fs::Permissions::from_mode(0o6755));
    }
    for program in ["/usr/bin/mount", "/usr/bin/su", "/usr/bin/umount"] {
        let found = fs::metadata(program).is_ok_and(|found| found.mode() & 0o4000 != 0);
        let output = Command::new(program).args(["-t", "tmpfs", "none", "/tmp"]).output();
        if found && output.is_ok_and(|output| output.status.success()) {
            breaches.push(format!("{program} worked"));
        }
    }
    breaches
}

fn pid_1() -> Breaches {
    for signal in [
        libc::SIGTERM,
        libc::SIGKILL,
        libc::SIGSTOP,
        libc::SIGSEGV,
        libc::SIGHUP,
        libc::SIGCHLD,
    ] {
        // SAFETY: kill touches no memory.
        unsafe { libc::kill(1, signal) };
    }
    // A process that signals everybody does not reach init either; the test asks init afterwards.
    // SAFETY: kill touches no memory; this process blocks nothing and ignores SIGUSR1 first.
    unsafe {
        libc::signal(libc::SIGUSR1, libc::SIG_IGN);
        libc::kill(-1, libc::SIGUSR1);
    }
    println!("still here");
    let mut end = [0];
    // Until the test has asked init and connects to say so.
    let listener = std::net::TcpListener::bind("127.0.0.1:8080").unwrap();
    let _ = listener.accept().unwrap().0.read(&mut end);
    Breaches::new()
}

fn descriptors() -> Breaches {
    let mut breaches = Breaches::new();
    for number in 3..1024 {
        // SAFETY: fcntl with F_GETFD takes numbers only.
        if unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0 {
            let target = fs::read_link(format!("/proc/self/fd/{number}"));
            breaches.push(format!("inherited descriptor {number}: {target:?}"));
        }
    }
    if fs::read_link("/proc/self/fd/0").unwrap() != Path::new("/dev/null") {
        breaches.push("stdin is not /dev/null".to_owned());
    }
    breaches
}

/// `secrets` are host paths that hold something.
fn links(secrets: &[String]) -> Breaches {
    let mut breaches = Breaches::new();
    for (at, secret) in secrets.iter().enumerate() {
        let link = format!("/tmp/link{at}");
        symlink(secret, &link).unwrap();
        must_not_read(&mut breaches, &link);
        let up = format!("/tmp/up{at}");
        symlink(format!("../../../../../../../..{secret}"), &up).unwrap();
        must_not_read(&mut breaches, &up);
    }
    if fs::hard_link("/var/task/attacker", "/tmp/hard").is_ok() || fs::hard_link("/usr/bin/env", "/tmp/hard").is_ok() {
        breaches.push("made a hard link to a read-only file".to_owned());
    }
    symlink("/etc/passwd", "/tmp/passwd").unwrap();
    must_not_write(&mut breaches, "/tmp/passwd");
    // Through our own descriptors and root, writable ways to read-only files.
    for way in [
        "/proc/self/exe",
        "/proc/self/root/etc/passwd",
        "/proc/self/cwd/etc/passwd",
        "/proc/thread-self/root/etc/hosts",
    ] {
        must_not_write(&mut breaches, way);
    }
    let file = fs::File::open("/etc/passwd").unwrap();
    let reopened = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    must_not_write(&mut breaches, reopened);
    breaches
}

fn cgroup() -> Breaches {
    let mut breaches = Breaches::new();
    for line in fs::read_to_string("/proc/self/cgroup").unwrap().lines() {
        if line
            .rsplit(':')
            .next()
            .is_some_and(|place| place.contains("danbi") || place.contains(".."))
        {
            breaches.push(format!("sees its place: {line}"));
        }
    }
    for path in [
        "/sys/fs/cgroup/cgroup.procs",
        "/sys/fs/cgroup/memory/cgroup.procs",
        "/sys/fs/cgroup/unified/cgroup.procs",
    ] {
        must_not_write(&mut breaches, path);
    }
    let texts = ["cgroup2", "/tmp"].map(|text| CString::new(text).unwrap());
    let [kind, place] = texts.each_ref().map(|text| text.as_ptr() as u64);
    call(
        &mut breaches,
        "mount cgroup2",
        libc::SYS_mount,
        [kind, place, kind, 0, 0, 0],
        REFUSED,
    );
    breaches
}

/// `expected` are the only variables there should be.
fn environment(expected: &[String]) -> Breaches {
    let surprise = |name: &String| !expected.contains(name);
    std::env::vars()
        .map(|(name, _)| name)
        .filter(surprise)
        .map(|name| format!("inherited ${name}"))
        .collect()
}

/// `addresses` must refuse; those that begin with `+` must answer.
fn reach(addresses: &[String]) -> Breaches {
    let mut breaches = Breaches::new();
    for address in addresses {
        let (wanted, address) = address
            .strip_prefix('+')
            .map_or((false, address.as_str()), |address| (true, address));
        let target = address.to_socket_addrs().unwrap().next().unwrap();
        let outcome = TcpStream::connect_timeout(&target, Duration::from_secs(3));
        if outcome.is_ok() != wanted {
            breaches.push(format!("{address}: {outcome:?}"));
        }
    }
    breaches
}

fn fork_bomb(limit: &[String]) -> Breaches {
    let limit: usize = limit[0].parse().unwrap();
    let mut born = 0;
    let refused = loop {
        // SAFETY: the child touches nothing and waits to be killed with the sandbox.
        match unsafe { libc::fork() } {
            -1 => break true,
            0 => loop {
                // SAFETY: pause takes nothing.
                unsafe { libc::pause() };
            },
            _ => born += 1,
        }
        if born > limit {
            break false;
        }
    };
    println!("{born} children");
    if refused {
        Breaches::new()
    } else {
        vec![format!("{born} children and no end")]
    }
}

fn fill_tmp(limit: &[String]) -> Breaches {
    let limit: u64 = limit[0].parse().unwrap();
    let mut breaches = Breaches::new();
    let mut file = fs::File::create("/tmp/full").unwrap();
    let (block, mut written) = (vec![1; 64 << 10], 0);
    let error = loop {
        match file.write(&block) {
            Ok(bytes) => written += bytes as u64,
            Err(error) => break error,
        }
        if written > limit {
            break ErrorKind::Other.into();
        }
    };
    if error.kind() != ErrorKind::StorageFull {
        breaches.push(format!("wrote {written} bytes: {error}"));
    }
    fs::remove_file("/tmp/full").unwrap();
    let empty = (0..2_000_000)
        .take_while(|at| fs::File::create(format!("/tmp/{at}")).is_ok())
        .count();
    println!("{empty} empty files");
    if empty > 100_000 {
        breaches.push(format!("made {empty} empty files"));
    }
    breaches
}

fn eat_memory(limit: &[String]) -> Breaches {
    let limit: usize = limit[0].parse().unwrap();
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    while eaten.len() << 20 < limit {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(1 << 20).is_err() {
            println!("refused after {} MiB", eaten.len());
            return Breaches::new();
        }
        piece.resize(1 << 20, 1);
        eaten.push(std::hint::black_box(piece));
    }
    vec![format!("ate {limit} bytes")]
}

/// Leaves a grandchild in a session of its own behind.
fn survive() -> Breaches {
    // SAFETY: each child only makes a session, forks and pauses.
    unsafe {
        if libc::fork() == 0 {
            libc::setsid();
            if libc::fork() == 0 {
                for signal in 1..32 {
                    libc::signal(signal, libc::SIG_IGN);
                }
                loop {
                    libc::pause();
                }
            }
            libc::_exit(0);
        }
        libc::wait(std::ptr::null_mut());
    }
    println!("left a grandchild");
    Breaches::new()
}

fn ignore_and_spin() -> Breaches {
    for signal in 1..32 {
        // SAFETY: SIG_IGN runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    println!("spinning");
    loop {
        std::hint::spin_loop();
    }
}

/// Prints the address towards the world, then listens on all.
fn address() -> Breaches {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let listener = std::net::TcpListener::bind("0.0.0.0:8080").unwrap();
    socket.connect("203.0.113.1:9").unwrap();
    println!("{}", socket.local_addr().unwrap().ip());
    loop {
        drop(listener.accept());
    }
}
