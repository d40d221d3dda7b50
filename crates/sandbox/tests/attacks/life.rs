//! The life of sandboxes: what they give, how they end, and what is left of a platform that was killed.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use danbi_sandbox::{Launcher, LauncherOptions, SandboxError, SandboxSpec};

use crate::harness::{For, Test, is_root};
use crate::outside::*;

pub const TESTS: &[Test] = &[
    ("life::report", For::All, report),
    ("life::exit_codes", For::All, exit_codes),
    ("life::start_errors", For::All, start_errors),
    ("life::sockets", For::All, sockets),
    ("life::connect", For::All, connect),
    ("life::freeze", For::All, freeze),
    ("life::stragglers", For::All, stragglers),
    ("life::accounts", For::Root, accounts),
    ("life::limits", For::All, limits),
    ("life::runtimes", For::All, runtimes),
    ("life::many_at_once", For::All, many_at_once),
    ("life::dropped_launch", For::All, dropped_launch),
    ("life::init_killed", For::All, init_killed),
    ("life::launcher_killed", For::All, launcher_killed),
    ("life::platform_killed", For::All, platform_killed),
    ("life::leftovers", For::Root, leftovers),
    ("life::cgroups_not_joined", For::Root, cgroups_not_joined),
    ("life::delegated_cgroup", For::Root, delegated_cgroup),
    ("life::refusal", For::All, refusal),
    ("life::process_isolation", For::All, process_isolation),
];

fn report() {
    story(async {
        let launcher = launcher();
        let report = launcher.capabilities();
        println!("{report}");
        assert!(report.namespaces && has(report, "namespaces") && has(report, "seccomp"));
        for mechanism in report.mechanisms.iter().filter(|mechanism| !mechanism.available) {
            assert!(
                !mechanism.detail.is_empty() && !mechanism.advice.is_empty(),
                "{mechanism:?}"
            );
        }
        assert_eq!(has(report, "separate users"), is_root());
        let probed = Launcher::probe(LauncherOptions::default()).unwrap();
        assert_eq!(probed.namespaces, report.namespaces);
    });
}

fn exit_codes() {
    story(async {
        let launcher = launcher();
        assert_eq!(run(&launcher, shell("exit 7")).await.0.code, Some(7));
        let (exit, _) = run(&launcher, shell("kill -SEGV $$")).await;
        assert_eq!((exit.code, exit.signal), (None, Some(11)));
        let (_, said) = run(&launcher, shell("echo out; echo err >&2; echo through > /dev/stdout")).await;
        assert_eq!(said, "out\nthrough\nerr\n");
        let sandbox = launcher.launch(shell("exec sleep 1000")).await.unwrap();
        sandbox.signal(libc::SIGTERM).await.unwrap();
        assert_eq!(sandbox.wait().await.signal, Some(15));
        assert!(matches!(sandbox.connect(80).await, Err(SandboxError::Ended)));
    });
}

fn start_errors() {
    story(async {
        let launcher = launcher();
        for (argv, said) in [
            ("/nonexistent", "No such file"),
            ("/etc/passwd", "denied"),
            ("nonexistent", "No such file"),
        ] {
            let error = launcher.launch(SandboxSpec::new([argv])).await.expect_err(argv);
            assert!(
                matches!(&error, SandboxError::Start(text) if text.contains(said)),
                "{error}"
            );
        }
        let mut spec = shell("true");
        spec.cwd = "/nowhere".into();
        assert!(matches!(launcher.launch(spec).await, Err(SandboxError::Start(_))));
        let mut spec = shell("true");
        spec.listeners = vec!["127.0.0.1:80".parse().unwrap(); 2];
        assert!(matches!(launcher.launch(spec).await, Err(SandboxError::Start(_))));
        still_works(&launcher).await;
    });
}

fn sockets() {
    story(async {
        let launcher = launcher();
        let mut spec = SandboxSpec::new(["/usr/bin/python3", "-c"]);
        spec.argv.push(
            "import socket
c = socket.create_connection(('127.0.0.1', 9001)); c.sendall(b'hello'); print(c.recv(9).decode())
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.sendto(b'name?', ('127.0.0.1', 53)); print(u.recv(9).decode())
print(open('/etc/hosts').read().split()[-1])"
                .to_owned(),
        );
        spec.listeners = vec!["127.0.0.1:9001".parse().unwrap(), "127.0.0.1:443".parse().unwrap()];
        spec.udp = vec!["127.0.0.1:53".parse().unwrap()];
        spec.hosts = vec![("127.0.0.1".parse().unwrap(), "platform.test".to_owned())];
        let mut sandbox = launcher.launch(spec).await.unwrap();
        let (listeners, udp) = (sandbox.take_listeners(), sandbox.take_udp());
        assert_eq!(listeners[1].local_addr().unwrap().port(), 443);
        let listener = tokio::net::TcpListener::from_std(listeners.into_iter().next().unwrap()).unwrap();
        let udp = tokio::net::UdpSocket::from_std(udp.into_iter().next().unwrap()).unwrap();
        let mut said = output(&mut sandbox);
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut heard = [0; 5];
        tokio::io::AsyncReadExt::read_exact(&mut connection, &mut heard)
            .await
            .unwrap();
        assert_eq!(&heard, b"hello");
        tokio::io::AsyncWriteExt::write_all(&mut connection, b"welcome")
            .await
            .unwrap();
        let (_, asker) = udp.recv_from(&mut heard).await.unwrap();
        udp.send_to(b"1.2.3.4", asker).await.unwrap();
        assert_eq!(line(&mut said).await, "welcome");
        assert_eq!(line(&mut said).await, "1.2.3.4");
        assert_eq!(line(&mut said).await, "platform.test");
        assert_eq!(sandbox.wait().await.code, Some(0));
        // The same ports, at the same time, in another sandbox and on the host.
        let _ = UdpSocket::bind("127.0.0.1:9001");
    });
}

fn connect() {
    story(async {
        let launcher = launcher();
        for (family, address) in [("AF_INET", "0.0.0.0"), ("AF_INET6", "::1")] {
            let script = format!(
                "import socket; s=socket.socket(socket.{family}); s.bind(('{address}',8080)); s.listen(); print('up',flush=True); s.accept()[0].sendall(b'served')"
            );
            let mut sandbox = launcher
                .launch(SandboxSpec::new(["/usr/bin/python3", "-c", &script]))
                .await
                .unwrap();
            assert!(matches!(
                sandbox.connect(9).await,
                Err(SandboxError::Connect { port: 9, .. })
            ));
            assert_eq!(line(&mut output(&mut sandbox)).await, "up");
            let mut stream = sandbox.connect(8080).await.unwrap();
            stream.set_nonblocking(false).unwrap();
            let mut served = String::new();
            stream.read_to_string(&mut served).unwrap();
            assert_eq!(served, "served");
        }
    });
}

fn freeze() {
    story(async {
        let launcher = launcher();
        let script = "import sys\nwhile True:\n  sys.stdin\n  print('tick', flush=True)";
        let mut sandbox = launcher
            .launch(SandboxSpec::new(["/usr/bin/python3", "-c", script]))
            .await
            .unwrap();
        let mut said = output(&mut sandbox);
        for _ in 0..3 {
            assert_eq!(line(&mut said).await, "tick");
            sandbox.freeze().await.unwrap();
            let frozen = sandbox.cpu_time();
            // Whatever is in the pipe was written before; nothing follows it.
            let mut rest = [0; 4096];
            while let Ok(Ok(1..)) = tokio::time::timeout(
                Duration::from_millis(20),
                tokio::io::AsyncReadExt::read(&mut said, &mut rest),
            )
            .await
            {}
            if is_root() {
                // The last steps of a process on its way to sleep may be counted after it is reported as frozen.
                let more = sandbox.cpu_time().unwrap() - frozen.unwrap();
                assert!(more < Duration::from_millis(5), "ran for {more:?} while frozen");
            }
            sandbox.thaw().await.unwrap();
        }
        sandbox.freeze().await.unwrap();
        assert_eq!(sandbox.kill().await.signal, Some(9), "a frozen sandbox dies too");
        assert!(matches!(sandbox.freeze().await, Err(SandboxError::Ended)));
        still_works(&launcher).await;
    });
}

fn stragglers() {
    story(async {
        let launcher = launcher();
        let marker = format!("4{}", std::process::id());
        let script = format!(
            "(setsid sleep {marker} &) ; sleep {marker} & echo up; read never; trap '' TERM; while :; do read never || exec sleep 1000; done"
        );
        let mut sandbox = launcher.launch(shell(&script)).await.unwrap();
        let mut said = output(&mut sandbox);
        assert_eq!(line(&mut said).await, "up");
        eventually("two stragglers", || processes_with(&marker).len() == 2).await;
        sandbox.kill_stragglers().await.unwrap();
        assert!(processes_with(&marker).is_empty());
        assert!(sandbox.exit().is_none(), "the main process lives on");
        sandbox.kill().await;
    });
}

fn accounts() {
    story(async {
        let launcher = launcher();
        let script = "import time\nx = bytearray(50_000_000)\nwhile time.process_time() < 0.2: pass\nprint('up', flush=True); time.sleep(1000)";
        let mut sandbox = launcher
            .launch(SandboxSpec::new(["/usr/bin/python3", "-c", script]))
            .await
            .unwrap();
        assert_eq!(line(&mut output(&mut sandbox)).await, "up");
        assert!(sandbox.memory_peak_bytes().unwrap() > 50_000_000);
        assert!(sandbox.memory_bytes().unwrap() > 50_000_000);
        assert!(sandbox.cpu_time().unwrap() >= Duration::from_millis(200));
        let exit = sandbox.kill().await;
        assert!(exit.cpu_time >= Some(Duration::from_millis(200)) && exit.memory_peak_bytes > Some(50_000_000));
        assert_eq!(sandbox.memory_peak_bytes(), exit.memory_peak_bytes);
    });
}

fn limits() {
    story(async {
        let launcher = launcher();
        let mut spec =
            shell("ulimit -n; ulimit -c; ulimit -f; hostname; cat /etc/hostname; head -c 3000000 /dev/zero > /tmp/x");
        spec.nofile = 77;
        spec.fsize = Some(1 << 20);
        spec.hostname = "box-1".to_owned();
        let (exit, said) = run(&launcher, spec).await;
        assert!(said.starts_with("77\n0\n2048\nbox-1\nbox-1\n"), "{said}");
        assert_ne!(exit.code, Some(0), "a file may not outgrow its limit");
    });
}

/// What programs do all day must work under the filter.
fn runtimes() {
    const PYTHON: &str = "
import asyncio, ctypes, json, multiprocessing, os, socket, sqlite3, ssl, subprocess, tempfile, threading
t = threading.Thread(target=lambda: None); t.start(); t.join()
assert subprocess.check_output(['/bin/echo', 'hi']) == b'hi\\n'
q = multiprocessing.Queue(); p = multiprocessing.Process(target=q.put, args=(1,)); p.start(); assert q.get() == 1; p.join()
asyncio.run(asyncio.sleep(0))
sqlite3.connect('/tmp/x.db').execute('create table t(a)')
ssl.create_default_context()
assert os.getuid() == 993 and os.cpu_count() > 0 and len(os.urandom(8)) == 8
socket.getaddrinfo('localhost', 80); socket.if_nameindex()
a, b = socket.socketpair()
print('python works')
";
    const NODE: &str = "
const { Worker } = require('worker_threads'); const fs = require('fs'); const os = require('os');
fs.writeFileSync('/tmp/x', 'x'); os.cpus(); os.networkInterfaces(); os.freemem();
require('child_process').execFileSync('/bin/echo', ['hi']);
const server = require('http').createServer((q, s) => s.end('ok')).listen(0, () =>
  fetch('http://127.0.0.1:' + server.address().port).then(r => r.text()).then(t =>
    new Worker('1', { eval: true }).on('exit', () => { console.log('node works ' + t); process.exit(0) })));
";
    story(async {
        let launcher = launcher();
        let (exit, said) = run(&launcher, SandboxSpec::new(["/usr/bin/python3", "-c", PYTHON])).await;
        assert!(exit.code == Some(0) && said == "python works\n", "{exit:?} {said}");
        if std::path::Path::new("/usr/bin/node").exists() {
            let (exit, said) = run(&launcher, SandboxSpec::new(["/usr/bin/node", "-e", NODE])).await;
            assert!(
                exit.code == Some(0) && said.starts_with("node works ok"),
                "{exit:?} {said}"
            );
        }
    });
}

fn many_at_once() {
    story(async {
        let launcher = std::sync::Arc::new(launcher());
        let mut all = tokio::task::JoinSet::new();
        for number in 0..60 {
            let launcher = launcher.clone();
            all.spawn(async move {
                let (exit, said) = run(&launcher, shell(&format!("echo {number}"))).await;
                assert_eq!((exit.code, said), (Some(0), format!("{number}\n")));
            });
        }
        while let Some(one) = all.join_next().await {
            one.unwrap();
        }
    });
}

fn dropped_launch() {
    story(async {
        let launcher = launcher();
        let marker = format!("5{}", std::process::id());
        for patience in [0, 1, 5] {
            let launch = launcher.launch(SandboxSpec::new(["/bin/sleep", &marker]));
            let _ = tokio::time::timeout(Duration::from_millis(patience), launch).await;
        }
        still_works(&launcher).await;
        eventually("nothing is left", || processes_with(&marker).is_empty()).await;
    });
}

/// The host's process id of the sandbox's init: the parent of its main process.
fn init_of(marker: &str) -> i32 {
    let main = processes_with(marker)[0];
    let stat = std::fs::read_to_string(format!("/proc/{main}/stat")).unwrap();
    stat.rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

fn kill(pid: i32) {
    // SAFETY: kill touches no memory; the pid is of a process that this test started.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
}

fn init_killed() {
    story(async {
        let launcher = launcher();
        let marker = format!("6{}", std::process::id());
        let sandbox = launcher
            .launch(SandboxSpec::new(["/bin/sleep", &marker]))
            .await
            .unwrap();
        kill(init_of(&marker));
        let exit = sandbox.wait().await;
        assert_eq!((exit.code, exit.signal), (None, Some(9)));
        assert!(processes_with(&marker).is_empty());
        still_works(&launcher).await;
    });
}

fn launcher_killed() {
    story(async {
        let launcher = launcher();
        let marker = format!("7{}", std::process::id());
        let sandbox = launcher
            .launch(SandboxSpec::new(["/bin/sleep", &marker]))
            .await
            .unwrap();
        kill(child_named("danbi-sandbox-launcher"));
        assert_eq!(sandbox.wait().await.signal, Some(9));
        assert!(processes_with(&marker).is_empty());
        // The next launches start it anew, once; what ran before is gone.
        let (one, other) = tokio::join!(launcher.launch(shell("exit 3")), launcher.launch(shell("exit 4")));
        assert_eq!(one.unwrap().wait().await.code, Some(3));
        assert_eq!(other.unwrap().wait().await.code, Some(4));
        assert_eq!(sandbox.kill().await.signal, Some(9), "its end is remembered");
        kill(child_named("danbi-sandbox-launcher"));
        still_works(&launcher).await;
    });
}

fn child_named(name: &str) -> i32 {
    let own = std::process::id().to_string();
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| rest.split_whitespace().nth(1) == Some(own.as_str()))
    };
    processes_with(name).into_iter().find(is_child).unwrap()
}

/// The life of a process that [`platform_killed`] kills: one sandbox that runs and one that is frozen.
pub fn doomed_platform() {
    story(async {
        let marker = std::env::args().nth(2).unwrap();
        let launcher = launcher();
        let running = launcher
            .launch(SandboxSpec::new(["/bin/sleep", &marker]))
            .await
            .unwrap();
        let frozen = launcher
            .launch(SandboxSpec::new(["/bin/sleep", &marker]))
            .await
            .unwrap();
        frozen.freeze().await.unwrap();
        println!("up");
        std::io::stdout().flush().unwrap();
        running.wait().await;
    });
}

fn start_doomed(marker: &str) -> Child {
    let exe = std::env::current_exe().unwrap();
    let mut child = Command::new(exe)
        .args(["--platform", marker])
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    assert_eq!(line, "up\n");
    child
}

fn platform_killed() {
    story(async {
        let marker = format!("8{}", std::process::id());
        let mut platform = start_doomed(&marker);
        eventually("both programs have begun", || processes_with(&marker).len() >= 2).await;
        platform.kill().unwrap();
        assert_eq!(platform.wait().unwrap().signal(), Some(9));
        eventually("every sandbox dies with its platform", || {
            processes_with(&marker).is_empty()
        })
        .await;
        still_works(&launcher()).await;
    });
}

/// Platform and launcher killed at once: the next launcher removes what they left.
fn leftovers() {
    story(async {
        let marker = format!("9{}", std::process::id());
        let mut platform = start_doomed(&marker);
        let pid = platform.id().to_string();
        let launchers = processes_with("danbi-sandbox-launcher");
        let of_platform = launchers.into_iter().find(|launcher| {
            let stat = std::fs::read_to_string(format!("/proc/{launcher}/stat")).unwrap_or_default();
            stat.rsplit_once(')')
                .is_some_and(|(_, rest)| rest.split_whitespace().nth(1) == Some(pid.as_str()))
        });
        let places: Vec<_> = processes_with(&marker).into_iter().flat_map(cgroups_of).collect();
        assert!(!places.is_empty());
        kill(of_platform.unwrap());
        platform.kill().unwrap();
        platform.wait().unwrap();
        eventually("every sandbox dies with its launcher", || {
            processes_with(&marker).is_empty()
        })
        .await;
        // Whoever gets the number cleans up; other tests may hold lower numbers, so take until it is ours.
        let mut kept = Vec::new();
        while places.iter().any(|place| place.exists()) {
            assert!(kept.len() < 20, "nobody removes {places:?}");
            kept.push(launcher());
        }
    });
}

/// The cgroup folders of a process, of those that this crate makes.
fn cgroups_of(pid: i32) -> Vec<std::path::PathBuf> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let roots: Vec<&str> = mounts
        .lines()
        .filter(|line| line.contains("cgroup"))
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    let places = text
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .filter(|place| place.contains("danbi-"));
    let candidates = places.flat_map(|place| roots.iter().map(move |root| format!("{root}{place}").into()));
    candidates.filter(|path: &std::path::PathBuf| path.exists()).collect()
}

fn process_isolation() {
    story(async {
        let launcher = process_launcher();
        assert!(!launcher.capabilities().namespaces);
        let (exit, said) = run(
            &launcher,
            shell("echo $0; ulimit -c; grep NoNewPrivs /proc/self/status"),
        )
        .await;
        assert_eq!(exit.code, Some(0));
        assert!(said.contains("NoNewPrivs:\t1"), "{said}");
        let mut spec = shell("exec sleep 1000");
        spec.listeners.push("127.0.0.1:0".parse().unwrap());
        let mut sandbox = launcher.launch(spec).await.unwrap();
        let port = sandbox.take_listeners()[0].local_addr().unwrap().port();
        assert_ne!(port, 0);
        sandbox.freeze().await.unwrap();
        sandbox.thaw().await.unwrap();
        assert!(!sandbox.kill().await.oom_killed);
    });
}

/// A machine without user namespaces: one where their number is limited to none.
fn refusal() {
    let exe = std::env::current_exe().unwrap();
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces && exec '{}' --refused",
        exe.display()
    );
    let output = Command::new("unshare")
        .args(["-Ur", "/bin/sh", "-c", &script])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("refused as it should"),
        "{said}"
    );
}

/// The life of a platform that [`refusal`] starts.
pub fn refused_platform() {
    story(async {
        let Err(SandboxError::Refused(report)) = Launcher::start(LauncherOptions::default()) else {
            panic!("nothing was refused");
        };
        let refusal = report.refusal();
        assert!(
            refusal.contains("namespaces") && refusal.contains("max_user_namespaces"),
            "{refusal}"
        );
        // Said by name, programs run all the same.
        still_works(&process_launcher()).await;
        println!("refused as it should");
    });
}

/// A folder in which an ordinary user may make groups, but which it may not join: the sandbox works without.
fn cgroups_not_joined() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let root = mounts
        .lines()
        .find(|line| line.starts_with("cgroup2"))
        .and_then(|line| line.split(' ').nth(1));
    let folder =
        std::path::Path::new(root.expect("cgroup v2 is mounted nowhere")).join(format!("t{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(65_534), Some(65_534)).unwrap();
    let (_copy, exe) = crate::harness::readable_copy();
    let mut command = Command::new(exe);
    command.arg("--not-joined").arg(&folder).current_dir("/");
    std::os::unix::process::CommandExt::uid(&mut command, 65_534);
    std::os::unix::process::CommandExt::gid(&mut command, 65_534);
    let output = command.output().unwrap();
    std::fs::remove_dir(&folder).unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("works without"), "{said}");
}

/// The life of a platform that [`cgroups_not_joined`] starts.
pub fn platform_beside_its_cgroup() {
    story(async {
        let folder = std::env::args().nth(2).unwrap();
        let launcher = launcher_with(|options| options.cgroup_parent = Some(folder.into()));
        assert!(!has(launcher.capabilities(), "freezing"), "{}", launcher.capabilities());
        assert!(
            launcher.capabilities().to_string().contains("not joined"),
            "{}",
            launcher.capabilities()
        );
        still_works(&launcher).await;
        println!("works without");
    });
}

/// An ordinary user in a cgroup of its own, as a service with `Delegate=yes`: its sandboxes are frozen and counted.
fn delegated_cgroup() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let root = mounts
        .lines()
        .find(|line| line.starts_with("cgroup2"))
        .and_then(|line| line.split(' ').nth(1));
    let folder =
        std::path::Path::new(root.expect("cgroup v2 is mounted nowhere")).join(format!("d{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
        std::os::unix::fs::chown(folder.join(file), Some(65_534), Some(65_534)).unwrap();
    }
    let (_copy, exe) = crate::harness::readable_copy();
    let script = "echo $$ > $0/cgroup.procs && exec setpriv --reuid 65534 --regid 65534 --clear-groups $1 --delegated";
    let output = Command::new("/bin/sh")
        .args(["-c", script])
        .arg(&folder)
        .arg(exe)
        .current_dir("/")
        .output()
        .unwrap();
    std::fs::remove_dir(&folder).unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("delegation works"), "{said}");
}

/// The life of a platform that [`delegated_cgroup`] starts.
pub fn platform_in_its_cgroup() {
    story(async {
        let launcher = launcher();
        assert!(has(launcher.capabilities(), "freezing"), "{}", launcher.capabilities());
        let sandbox = launcher.launch(shell("exec sleep 1000")).await.unwrap();
        sandbox.freeze().await.unwrap();
        assert!(sandbox.cpu_time().is_some());
        assert_eq!(sandbox.kill().await.signal, Some(9));
        still_works(&launcher).await;
        drop(launcher);
        println!("delegation works");
    });
}
