//! Forks of a template: each in a sandbox of its own, with nothing of the others.

use std::collections::HashSet;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use danbi_sandbox::{BIRTH_LIBRARY, Launcher, Mount, Sandbox, SandboxError, SandboxSpec};

use crate::harness::{For, Test};
use crate::outside::*;

pub const TESTS: &[Test] = &[
    ("templates::forks_share_nothing", For::All, forks_share_nothing),
    ("templates::forks_are_confined", For::All, forks_are_confined),
    ("templates::forks_keep_their_limits", For::Root, forks_keep_their_limits),
    (
        "templates::forks_know_their_processor",
        For::All,
        forks_know_their_processor,
    ),
    (
        "templates::forks_outlive_the_program",
        For::All,
        forks_outlive_the_program,
    ),
    (
        "templates::a_fork_that_keeps_rights",
        For::All,
        a_fork_that_keeps_rights,
    ),
    ("templates::nothing_is_left", For::All, nothing_is_left),
];

/// The runtime's own template program, which is what the mechanism is for.
const BEFORE: &str =
    "import sys; sys.path.insert(0, '/boot')\nimport danbi_template, os, random, socket, time\nown = random.Random()\n";

/// Runs a story twice: with the sandbox's library, and without, as on a machine that it is not written for.
fn each_fork(test: impl AsyncFn(&Path)) {
    for library in [BIRTH_LIBRARY, &[]] {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        // Sandboxes are other users on the host.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/bootstrap/python/danbi_template.py");
        fs::copy(program, folder.path().join("danbi_template.py")).unwrap();
        fs::write(folder.path().join("danbi_birth.so"), library).unwrap();
        story(test(folder.path()));
    }
}

fn python(boot: &Path, script: &str) -> SandboxSpec {
    let mut spec = SandboxSpec::new(["/usr/bin/python3", "-c", script]);
    spec.env = vec![
        ("LAMBDA_TASK_ROOT".to_owned(), "/".to_owned()),
        ("SECRET".to_owned(), "of the template".to_owned()),
    ];
    spec.mounts = vec![Mount {
        source: boot.to_owned(),
        target: "/boot".into(),
        read_only: true,
    }];
    spec.template = true;
    spec
}

async fn template(launcher: &Launcher, boot: &Path, after: &str) -> Arc<Sandbox> {
    let template = launcher
        .launch(python(boot, &format!("{BEFORE}danbi_template.serve()\n{after}")))
        .await
        .unwrap();
    assert_eq!(heard(&template).await, "ready");
    Arc::new(template)
}

/// What a template says on its control socket.
async fn heard(template: &Sandbox) -> String {
    let control = template.control_socket().unwrap();
    let mut said = vec![0; 4096];
    for _ in 0..2000 {
        match rustix::net::recv(control.as_fd(), &mut said[..], rustix::net::RecvFlags::empty()) {
            Ok((_, length)) => return String::from_utf8_lossy(&said[..length]).into_owned(),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    panic!("the template says nothing")
}

async fn fork(launcher: &Launcher, template: &Arc<Sandbox>, name: &str) -> Result<Sandbox, SandboxError> {
    let mut spec = SandboxSpec::new(["-"]);
    spec.hostname = name.to_owned();
    let letter = format!("LAMBDA_TASK_ROOT\0/\0SECRET\0of {name}").into_bytes();
    let mut fork = launcher.launch_from(template, spec).await?;
    fork.begin(&letter)?;
    Ok(fork)
}

fn forks_share_nothing() {
    each_fork(async |boot: &Path| {
        let launcher = launcher();
        let after = "
print(os.getpid(), os.getppid(), socket.gethostname(), os.environ['SECRET'].replace(' ', '_'), os.listdir('/tmp'),
      random.random(), own.random(), len(os.listdir('/proc/self/fd')), sorted(int(p) for p in os.listdir('/proc') if p.isdigit()), sep='|')
open('/tmp/mine', 'w').write('x')
";
        let template = template(&launcher, boot, after).await;
        let mut numbers = HashSet::new();
        for name in ["one", "two", "three"] {
            let (exit, said) = finish(fork(&launcher, &template, name).await.unwrap()).await;
            assert_eq!(exit.code, Some(0), "{said}");
            let line = said.trim();
            let fields: Vec<&str> = line.split('|').collect();
            assert_eq!(fields[1], "1", "its parent is init");
            assert_eq!((fields[2], fields[3]), (name, format!("of_{name}").as_str()));
            assert_eq!(fields[4], "[]", "its own /tmp");
            assert!(
                numbers.insert(fields[5].to_owned()) && numbers.insert(fields[6].to_owned()),
                "{line}"
            );
            assert_eq!(fields[7], "4", "three streams, and the folder that is being read");
            assert_eq!(fields[8], format!("[{}]", fields[0]), "it sees no process but itself");
        }
    });
}

fn forks_are_confined() {
    each_fork(async |boot: &Path| {
        let launcher = launcher();
        let after = "
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open('/proc/self/ns/user', os.O_RDONLY)
assert libc.setns(fd, 0) == -1 and ctypes.get_errno() == 1, 'setns'
assert libc.unshare(0x10000000) == -1, 'unshare'
status = open('/proc/self/status').read()
assert 'CapEff:\\t0000000000000000' in status and 'CapPrm:\\t0000000000000000' in status, status
try:
    socket.sethostname('other')
    raise SystemExit('renamed')
except OSError:
    pass
print('confined')
";
        let template = template(&launcher, boot, after).await;
        let (exit, said) = finish(fork(&launcher, &template, "one").await.unwrap()).await;
        assert_eq!((exit.code, said.as_str()), (Some(0), "confined\n"), "{said}");
    });
}

/// The C library asks the kernel's restartable sequences, which a process that borrowed memory had none of.
fn forks_know_their_processor() {
    each_fork(async |boot: &Path| {
        let launcher = launcher();
        let after = "
import ctypes
libc = ctypes.CDLL(None)
for cpu in sorted(os.sched_getaffinity(0)) * 2:
    os.sched_setaffinity(0, {cpu})
    assert libc.sched_getcpu() == cpu, (libc.sched_getcpu(), cpu)
print('known')
";
        let template = template(&launcher, boot, after).await;
        let (exit, said) = finish(fork(&launcher, &template, "one").await.unwrap()).await;
        assert_eq!((exit.code, said.as_str()), (Some(0), "known\n"), "{said}");
    });
}

fn forks_keep_their_limits() {
    each_fork(async |boot: &Path| {
        let launcher = launcher();
        let template = template(&launcher, boot, "held = bytearray(200 << 20)\nprint(len(held))").await;
        let mut spec = SandboxSpec::new(["-"]);
        spec.memory_bytes = Some(64 << 20);
        let mut small = launcher.launch_from(&template, spec).await.unwrap();
        small.begin(b"LAMBDA_TASK_ROOT\0/").unwrap();
        assert!(finish(small).await.0.oom_killed);
        let (exit, _) = finish(fork(&launcher, &template, "large").await.unwrap()).await;
        assert_eq!(exit.code, Some(0), "the limit was the other's alone");
        assert!(exit.memory_peak_bytes.unwrap() > 200 << 20);
    });
}

fn forks_outlive_the_program() {
    each_fork(async |boot: &Path| {
        let launcher = launcher();
        let template = template(
            &launcher,
            boot,
            "print('here', flush=True)\nsys.stdin.read()\ntime.sleep(60)",
        )
        .await;
        let one = fork(&launcher, &template, "one").await.unwrap();
        template.signal(9).await.unwrap();
        while !template.program_ended() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert!(matches!(
            fork(&launcher, &template, "two").await,
            Err(SandboxError::Ended)
        ));
        drop(template);
        assert!(one.exit().is_none());
        one.freeze().await.unwrap();
        one.thaw().await.unwrap();
        let parent = one.parent().unwrap().clone();
        assert_eq!(one.kill().await.signal, Some(9));
        drop(one);
        parent.kill().await;
    });
}

fn a_fork_that_keeps_rights() {
    each_fork(async |boot: &Path| {
        let launcher = launcher();
        let greedy = "danbi_template._libc.capset = lambda *a: 0\n";
        let script = format!("{BEFORE}{greedy}danbi_template.serve()\nprint('free')");
        let template = Arc::new(launcher.launch(python(boot, &script)).await.unwrap());
        assert_eq!(heard(&template).await, "ready");
        match fork(&launcher, &template, "one").await {
            Err(SandboxError::Start(reason)) => assert!(reason.contains("kept rights"), "{reason}"),
            other => panic!("{other:?}"),
        }
    });
}

fn nothing_is_left() {
    each_fork(async |boot: &Path| {
        let launcher = launcher();
        let marker = format!("77{}", std::process::id());
        let mut spec = python(boot, &format!("{BEFORE}danbi_template.serve()\ntime.sleep(60)"));
        spec.argv.push(marker.clone());
        let template = Arc::new(launcher.launch(spec).await.unwrap());
        assert_eq!(heard(&template).await, "ready");
        let mut forks = Vec::new();
        for _ in 0..8 {
            forks.push(fork(&launcher, &template, "one").await.unwrap());
        }
        assert_eq!(processes_with(&marker).len(), 9, "the template and its forks");
        for fork in &forks {
            assert_eq!(fork.kill().await.signal, Some(9));
        }
        assert_eq!(processes_with(&marker).len(), 1, "killing a fork spares the template");
        drop(forks);
        drop(fork(&launcher, &template, "last").await.unwrap());
        template.kill().await;
        eventually("every fork ends with its template", || {
            processes_with(&marker).is_empty()
        })
        .await;
        still_works(&launcher).await;
    });
}
