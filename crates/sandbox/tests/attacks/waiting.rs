//! Sandboxes that are made before they are asked for: prepared ones, and those that are started before it is known what
//! they will show.

use std::collections::HashSet;
use std::path::PathBuf;

use danbi_sandbox::{Sandbox, SandboxError, SandboxSpec};

use crate::harness::{For, Test};
use crate::outside::*;

pub const TESTS: &[Test] = &[
    (
        "waiting::shows_what_it_is_settled_with",
        For::Root,
        shows_what_it_is_settled_with,
    ),
    (
        "waiting::is_confined_like_any_other",
        For::Root,
        is_confined_like_any_other,
    ),
    (
        "waiting::takes_only_what_it_waits_for",
        For::Root,
        takes_only_what_it_waits_for,
    ),
    ("waiting::is_settled_once", For::Root, is_settled_once),
    ("waiting::an_ordinary_user_is_told", For::All, an_ordinary_user_is_told),
    (
        "waiting::the_reserve_follows_demand",
        For::All,
        the_reserve_follows_demand,
    ),
];

/// Says what is in `/var/task` once it has heard that something is.
fn waiting(script: &str) -> SandboxSpec {
    let mut spec = shell(&format!(
        "echo ready $(ls /var/task | wc -l); until [ -e /var/task/mark ]; do sleep 0.01; done; {script}"
    ));
    spec.later = vec!["/var/task".into(), "/opt".into()];
    spec
}

/// A folder with these files, readable by all.
fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().to_owned();
    (folder, path)
}

async fn settle(sandbox: &Sandbox, source: &std::path::Path) -> Result<(), SandboxError> {
    sandbox.settle(vec![read_only(source, "/var/task")]).await
}

fn shows_what_it_is_settled_with() {
    story(async {
        let launcher = launcher();
        let mut seen = HashSet::new();
        for secret in ["one", "two"] {
            let (_kept, code) = folder(&[("mark", secret)]);
            let mut sandbox = launcher
                .launch(waiting(
                    "cat /var/task/mark; ls /opt | wc -l; touch /var/task/x || echo denied",
                ))
                .await
                .unwrap();
            let mut output = output(&mut sandbox);
            assert_eq!(line(&mut output).await, "ready 0", "nothing is there before");
            settle(&sandbox, &code).await.unwrap();
            assert!(seen.insert(line(&mut output).await.replace('0', "")));
            assert_eq!(line(&mut output).await, "denied", "what is shown is read-only");
            assert_eq!(sandbox.wait().await.code, Some(0));
        }
        assert_eq!(seen, HashSet::from(["one".to_owned(), "two".to_owned()]));
    });
}

fn is_confined_like_any_other() {
    story(async {
        let launcher = launcher();
        for attack in ["mount", "namespaces", "privileges", "ptrace", "system_calls", "writes"] {
            let mut spec = SandboxSpec::new([
                "/bin/sh",
                "-c",
                "until [ -e /var/task/attacker ]; do sleep 0.01; done; exec /var/task/attacker --attack \"$1\"",
                "sh",
                attack,
            ]);
            spec.env.push(("PATH".to_owned(), "/usr/bin:/bin".to_owned()));
            spec.later = vec!["/var/task".into()];
            let sandbox = launcher.launch(spec).await.unwrap();
            let (_kept, code) = folder(&[]);
            let attacker = code.join("attacker");
            std::fs::copy(std::env::current_exe().unwrap(), &attacker).unwrap();
            settle(&sandbox, &code).await.unwrap();
            let (exit, said) = finish(sandbox).await;
            assert!(
                exit.code == Some(0) && !said.contains("BREACH"),
                "{attack}: {exit:?}\n{said}"
            );
        }
        // Init has nothing left either: its status, as the host sees it.
        let marker = format!("88{}", std::process::id());
        let mut spec = waiting("sleep 60");
        spec.argv.push(marker.clone());
        let (_kept, code) = folder(&[("mark", "")]);
        let mut sandbox = launcher.launch(spec).await.unwrap();
        let mut output = output(&mut sandbox);
        line(&mut output).await;
        let init = parent(processes_with(&marker)[0]);
        assert_ne!(status(init, "CapEff"), "0000000000000020", "it may still mount");
        settle(&sandbox, &code).await.unwrap();
        assert_eq!(status(init, "CapEff"), "0000000000000020", "CAP_KILL alone");
        assert_eq!(status(init, "CapBnd"), "0000000000000000");
        assert_eq!(
            (status(init, "NoNewPrivs").as_str(), status(init, "Seccomp").as_str()),
            ("1", "2")
        );
        sandbox.kill().await;
        still_works(&launcher).await;
    });
}

fn status(pid: i32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field}")).trim().to_owned()
}

fn parent(pid: i32) -> i32 {
    status(pid, "PPid").parse().unwrap()
}

fn takes_only_what_it_waits_for() {
    story(async {
        let launcher = launcher();
        let (_kept, code) = folder(&[("mark", "")]);
        let sandbox = launcher.launch(waiting("true")).await.unwrap();
        let elsewhere = sandbox.settle(vec![read_only(&code, "/usr")]).await;
        assert!(elsewhere.is_err());
        assert_eq!(sandbox.wait().await.code, None, "it ended with its rights");
        let sandbox = launcher.launch(waiting("true")).await.unwrap();
        assert!(settle(&sandbox, std::path::Path::new("/nowhere/at/all")).await.is_err());
        sandbox.wait().await;
        still_works(&launcher).await;
    });
}

fn is_settled_once() {
    story(async {
        let launcher = launcher();
        let (_kept, code) = folder(&[("mark", "")]);
        let sandbox = launcher.launch(waiting("sleep 60")).await.unwrap();
        settle(&sandbox, &code).await.unwrap();
        assert!(settle(&sandbox, &code).await.is_err());
        let plain = launcher.launch(shell("sleep 60")).await.unwrap();
        assert!(settle(&plain, &code).await.is_err(), "it waits for nothing");
    });
}

/// Who may not open the host's folders as mounts gets an error, and no sandbox with rights stays.
fn an_ordinary_user_is_told() {
    story(async {
        let launcher = launcher();
        let (_kept, code) = folder(&[("mark", "")]);
        let sandbox = launcher.launch(waiting("true")).await.unwrap();
        let settled = settle(&sandbox, &code).await;
        assert_eq!(settled.is_ok(), crate::harness::is_root(), "{settled:?}");
        sandbox.wait().await;
    });
}

/// The inits of the launcher that nobody has a sandbox of: its children.
fn children() -> usize {
    let all = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let own = i32::try_from(std::process::id()).unwrap();
    // Threads have children of their own.
    let tasks = std::fs::read_dir(format!("/proc/{own}/task")).unwrap().flatten();
    let launchers = tasks.flat_map(|task| {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    });
    launchers
        .filter_map(|pid| pid.parse().ok())
        .map(|pid| all(pid).split_whitespace().count())
        .sum()
}

/// After many launches more sandboxes are kept prepared, and after a while without any no more than before.
fn the_reserve_follows_demand() {
    story(async {
        let launcher = launcher_with(|options| options.most_ready_sandboxes = 4);
        // One for each kind of network, as soon as somebody has asked for it; on this machine that is one or two.
        assert_eq!(run(&launcher, shell("true")).await.0.code, Some(0));
        let kinds = if launcher.capabilities().egress { 2 } else { 1 };
        eventually("one is prepared", || children() == kinds).await;
        for _ in 0..16 {
            assert_eq!(run(&launcher, shell("true")).await.0.code, Some(0));
        }
        eventually("four are prepared", || children() == kinds + 3).await;
        eventually("one is enough again", || children() == kinds).await;
        still_works(&launcher).await;
    });
}
