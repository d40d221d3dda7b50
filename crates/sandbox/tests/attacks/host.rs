//! The attacks, each denied and followed by a sandbox that works.

use std::net::TcpListener;

use danbi_sandbox::{Network, SandboxError, SandboxSpec};

use crate::harness::{For, Test, is_root};
use crate::outside::*;

pub const TESTS: &[Test] = &[
    ("attack::host_files", For::All, host_files),
    ("attack::processes", For::All, processes),
    ("attack::ptrace", For::All, || plain("ptrace")),
    ("attack::mount", For::All, || plain("mount")),
    ("attack::namespaces", For::All, || plain("namespaces")),
    ("attack::system_calls", For::All, || plain("system_calls")),
    ("attack::sockets", For::All, || plain("sockets")),
    ("attack::writes", For::All, || plain("writes")),
    ("attack::devices", For::All, || plain("devices")),
    ("attack::privileges", For::All, || plain("privileges")),
    ("attack::descriptors", For::All, descriptors),
    ("attack::links", For::All, links),
    ("attack::cgroup", For::All, || plain("cgroup")),
    ("attack::environment", For::All, environment),
    ("attack::pid_1", For::All, pid_1),
    ("attack::host_ports", For::All, host_ports),
    ("attack::fork_bomb", For::All, fork_bomb),
    ("attack::fill_tmp", For::All, fill_tmp),
    ("attack::memory", For::Root, memory),
    ("attack::memory_without_cgroup", For::All, memory_without_cgroup),
    ("attack::survive", For::All, survive),
    ("attack::spin", For::All, spin),
    ("attack::python", For::All, python),
    ("attack::mount_targets", For::All, mount_targets),
    ("attack::egress", For::Root, egress),
];

fn plain(name: &'static str) {
    story(async move { denied(&launcher(), attack(&[name])).await });
}

/// A host folder with a secret, readable by everybody.
fn secret() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "secret").unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

fn host_files() {
    story(async {
        let launcher = launcher();
        let (folder, path) = secret();
        // Another sandbox's code is a host file like any other.
        let mut neighbour = shell("sleep 1000");
        neighbour.mounts.push(read_only(folder.path(), "/var/task"));
        let neighbour = launcher.launch(neighbour).await.unwrap();
        denied(&launcher, attack(&["host_files", &path, "/var/task/secret"])).await;
        neighbour.kill().await;
    });
}

fn processes() {
    story(async {
        let launcher = launcher();
        let neighbour = launcher.launch(shell("sleep 1000")).await.unwrap();
        let own = std::process::id().to_string();
        denied(&launcher, attack(&["processes", &own])).await;
        neighbour.kill().await;
    });
}

fn descriptors() {
    story(async {
        let launcher = launcher();
        // Descriptors that this process failed to protect must not get through either.
        let (leaky, _kept) = rustix::pipe::pipe().unwrap();
        let mut spec = attack(&["descriptors"]);
        spec.listeners.push("127.0.0.1:9001".parse().unwrap());
        denied(&launcher, spec).await;
        drop(leaky);
    });
}

fn links() {
    story(async {
        let (_folder, path) = secret();
        let mut spec = attack(&["links", &path, "/etc/shadow"]);
        spec.cwd = "/".into();
        denied(&launcher(), spec).await;
    });
}

fn environment() {
    story(async {
        let mut spec = attack(&["environment", "GIVEN"]);
        spec.env.push(("GIVEN".to_owned(), "1".to_owned()));
        denied(&launcher(), spec).await;
    });
}

fn pid_1() {
    story(async {
        let launcher = launcher();
        let mut sandbox = launcher.launch(attack(&["pid_1"])).await.unwrap();
        let mut said = output(&mut sandbox);
        assert_eq!(line(&mut said).await, "still here");
        // Init lives and answers.
        sandbox.signal(0).await.unwrap();
        let connection = loop {
            match sandbox.connect(8080).await {
                Ok(connection) => break connection,
                Err(SandboxError::Connect { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        drop(connection);
        assert_eq!(sandbox.wait().await.code, Some(0));
        still_works(&launcher).await;
    });
}

fn host_ports() {
    story(async {
        let launcher = launcher();
        let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = everywhere.local_addr().unwrap().port();
        let mut targets = vec![format!("127.0.0.1:{port}"), "169.254.169.254:80".to_owned()];
        targets.extend(own_addresses().into_iter().map(|address| format!("{address}:{port}")));
        let mut arguments = vec!["reach"];
        arguments.extend(targets.iter().map(String::as_str));
        for network in [Network::None, Network::Egress] {
            let mut spec = attack(&arguments);
            spec.network = network;
            denied(&launcher, spec).await;
        }
    });
}

/// This machine's addresses, but for loopback.
fn own_addresses() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let lines: Vec<&str> = table.lines().map(str::trim).collect();
    let local = lines.windows(2).filter(|pair| pair[1].starts_with("/32 host LOCAL"));
    let mut found: Vec<String> = local
        .filter_map(|pair| Some(pair[0].strip_prefix("|-- ")?.to_owned()))
        .collect();
    found.retain(|address| !address.starts_with("127."));
    found.sort();
    found.dedup();
    found
}

fn fork_bomb() {
    story(async {
        let launcher = launcher();
        let mut spec = attack(&["fork_bomb", "100"]);
        spec.pids_max = 40;
        let (exit, said) = run(&launcher, spec).await;
        assert_eq!(exit.code, Some(0), "{said}");
        let born: usize = said.split(' ').next().unwrap().parse().unwrap();
        assert!((1..=40).contains(&born), "{said}");
        still_works(&launcher).await;
    });
}

fn fill_tmp() {
    story(async {
        let mut spec = attack(&["fill_tmp", &(16 << 20).to_string()]);
        spec.tmp_bytes = 8 << 20;
        denied(&launcher(), spec).await;
    });
}

fn memory() {
    story(async {
        let launcher = launcher();
        assert!(
            launcher.capabilities().memory_limit,
            "no memory cgroup:\n{}",
            launcher.capabilities()
        );
        let mut spec = attack(&["eat_memory", &(1_usize << 30).to_string()]);
        spec.memory_bytes = Some(64 << 20);
        let (exit, said) = run(&launcher, spec).await;
        assert!(exit.oom_killed && exit.signal == Some(9), "{exit:?} {said}");
        assert!(
            exit.memory_peak_bytes
                .is_some_and(|peak| (32 << 20..=64 << 20).contains(&peak)),
            "{exit:?}"
        );
        // /tmp is memory too, and so is what a child eats.
        let mut spec = shell("head -c 100000000 /dev/zero > /tmp/much; sleep 1000");
        spec.memory_bytes = Some(32 << 20);
        let sandbox = launcher.launch(spec).await.unwrap();
        sandbox.connect(1).await.expect_err("nothing listens");
        let exit = sandbox.kill().await;
        assert!(
            !exit.oom_killed,
            "a kill that was asked for is no running out of memory: {exit:?}"
        );
        still_works(&launcher).await;
    });
}

fn memory_without_cgroup() {
    if is_root() {
        return;
    }
    story(async {
        let launcher = launcher();
        let mut spec = attack(&["eat_memory", &(1_usize << 30).to_string()]);
        spec.memory_bytes = Some(64 << 20);
        denied(&launcher, spec).await;
    });
}

fn survive() {
    story(async {
        for launcher in [launcher(), process_launcher()] {
            let marker = format!("survivor-{}", std::process::id());
            let mut spec = if launcher.capabilities().namespaces {
                attack(&["survive", &marker])
            } else {
                let exe = std::env::current_exe().unwrap();
                SandboxSpec::new([exe.to_str().unwrap(), "--attack", "survive", &marker])
            };
            spec.cwd = "/".into();
            let (exit, said) = run(&launcher, spec).await;
            assert_eq!(exit.code, Some(0), "{said}");
            assert!(
                processes_with(&marker).is_empty(),
                "something is left although wait() has returned"
            );
            still_works(&launcher).await;
        }
    });
}

fn spin() {
    story(async {
        for launcher in [launcher(), process_launcher()] {
            let marker = format!("spinner-{}", std::process::id());
            let spec = if launcher.capabilities().namespaces {
                attack(&["ignore_and_spin", &marker])
            } else {
                let exe = std::env::current_exe().unwrap();
                SandboxSpec::new([exe.to_str().unwrap(), "--attack", "ignore_and_spin", &marker])
            };
            let mut sandbox = launcher.launch(spec).await.unwrap();
            assert_eq!(line(&mut output(&mut sandbox)).await, "spinning");
            assert!(!processes_with(&marker).is_empty());
            let exit = sandbox.kill().await;
            assert!(exit.signal == Some(9) && !exit.oom_killed, "{exit:?}");
            assert!(processes_with(&marker).is_empty());
            still_works(&launcher).await;
        }
    });
}

/// The same doors, tried from a language runtime.
fn python() {
    const SCRIPT: &str = "
import ctypes, os, socket, subprocess
libc = ctypes.CDLL(None, use_errno=True)
bad = []
def refused(name, result):
    if result == 0: bad.append(name)
refused('mount', libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))
refused('unshare', libc.unshare(0x10000000))
refused('ptrace', libc.ptrace(16, 1, 0, 0))
refused('setns', libc.setns(os.open('/proc/self/ns/net', os.O_RDONLY), 0))
refused('chroot', libc.chroot(b'/tmp'))
for path in ['/etc/shadow', '/root', '/proc/1/root', '/proc/1/fd', '/sys/fs/cgroup/x']:
    try: os.listdir(path) if os.path.isdir(path) else open(path)
    except OSError: continue
    if os.path.isdir(path) and not os.listdir(path): continue
    bad.append(path)
try: socket.socket(socket.AF_PACKET, socket.SOCK_RAW); bad.append('packet')
except OSError: pass
if [p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]: bad.append('processes')
print('BREACH ' + repr(bad) if bad else 'done')
";
    story(async {
        denied(&launcher(), SandboxSpec::new(["/usr/bin/python3", "-c", SCRIPT])).await;
    });
}

fn mount_targets() {
    story(async {
        let launcher = launcher();
        let (folder, _) = secret();
        let inward = folder.path().join("inward");
        std::os::unix::fs::symlink("/etc", &inward).unwrap();
        // Through a link of the system, through a link in the caller's own mount, into a read-only folder.
        for (first, target) in [
            (None, "/bin/sub"),
            (Some("/opt"), "/opt/inward/x"),
            (None, "/usr/planted"),
        ] {
            let mut spec = shell("echo started");
            if let Some(first) = first {
                spec.mounts.push(read_only(folder.path(), first));
            }
            spec.mounts.push(read_only(folder.path(), target));
            let error = launcher.launch(spec).await.expect_err(target);
            assert!(matches!(error, SandboxError::Start(_)), "{target}: {error}");
        }
        let mut spec = shell("echo started");
        spec.mounts.push(read_only(&folder.path().join("missing"), "/var/task"));
        let error = launcher.launch(spec).await.expect_err("a missing source");
        assert!(error.to_string().contains("missing"), "{error}");
        let mut spec = shell("echo started");
        spec.mounts.push(read_only(folder.path(), "/var/task/../../etc"));
        assert!(matches!(launcher.launch(spec).await, Err(SandboxError::Invalid(_))));
        still_works(&launcher).await;
    });
}

/// A way out to the world and to nothing else: not the neighbour, not this host by any of its addresses.
fn egress() {
    story(async {
        let launcher = launcher();
        assert!(
            launcher.capabilities().egress,
            "INSTALL nftables TO TEST THIS:\n{}",
            launcher.capabilities()
        );
        let world = World::make();
        let mut neighbour = attack(&["address"]);
        neighbour.network = Network::Egress;
        let mut neighbour = launcher.launch(neighbour).await.unwrap();
        assert_eq!(neighbour.network(), Network::Egress);
        let address = line(&mut output(&mut neighbour)).await;
        let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = everywhere.local_addr().unwrap().port();
        let gateway = std::net::Ipv4Addr::from_bits(address.parse::<std::net::Ipv4Addr>().unwrap().to_bits() - 1);
        let mut targets = vec![
            format!("+{}", world.server()),
            format!("{address}:8080"),
            format!("{gateway}:{port}"),
            "169.254.169.254:80".to_owned(),
        ];
        targets.extend(own_addresses().into_iter().map(|address| format!("{address}:{port}")));
        let mut arguments = vec!["reach"];
        arguments.extend(targets.iter().map(String::as_str));
        let mut spec = attack(&arguments);
        spec.network = Network::Egress;
        denied(&launcher, spec).await;
        // Without egress not even the world.
        denied(&launcher, attack(&["reach", &world.server()])).await;
        // The host itself cannot be told from the world by the neighbour's port either.
        assert!(neighbour.exit().is_none());
        neighbour.kill().await;
    });
}

/// A stand-in for the internet: a network namespace behind a pair of interfaces, with a server in it.
struct World {
    name: String,
    server: std::process::Child,
    port: u16,
}

impl World {
    const ADDRESS: &str = "203.0.113.2";

    fn make() -> World {
        let name = format!("dw{}", std::process::id());
        let ip = |arguments: &str| {
            let status = std::process::Command::new("ip").args(arguments.split(' ')).status();
            assert!(
                status.expect("INSTALL iproute2 TO TEST THIS").success(),
                "ip {arguments}"
            );
        };
        ip(&format!("netns add {name}"));
        ip(&format!("link add {name} type veth peer name {name}p"));
        ip(&format!("link set {name}p netns {name}"));
        ip(&format!("addr add 203.0.113.1/30 dev {name}"));
        ip(&format!("link set {name} up"));
        ip(&format!("-n {name} addr add 203.0.113.2/30 dev {name}p"));
        ip(&format!("-n {name} link set {name}p up"));
        // The launcher opened the interfaces of the default routes only.
        std::fs::write(format!("/proc/sys/net/ipv4/conf/{name}/forwarding"), "1").unwrap();
        let script = "import socket,sys; s=socket.create_server(('0.0.0.0',0)); print(s.getsockname()[1],flush=True)\nwhile 1: s.accept()[0].close()";
        let mut server = std::process::Command::new("ip")
            .args(["netns", "exec", &name, "/usr/bin/python3", "-c", script])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(server.stdout.take().unwrap()), &mut port).unwrap();
        World {
            name,
            server,
            port: port.trim().parse().unwrap(),
        }
    }

    fn server(&self) -> String {
        format!("{}:{}", World::ADDRESS, self.port)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::process::Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
    }
}
