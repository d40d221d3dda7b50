//! What the tests do from outside: start sandboxes, read what they say.

use std::path::Path;
use std::time::Duration;

use danbi_sandbox::{Capabilities, Exit, Isolation, Launcher, LauncherOptions, Mount, Sandbox, SandboxSpec};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;

/// Longer than anything in these tests takes on a machine that is out of breath.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a story to its end.
pub fn story<F: Future<Output = ()>>(story: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, story).await.expect("the story hangs") });
}

/// A launcher with all isolation; a machine that cannot give it must not pass in silence.
pub fn launcher() -> Launcher {
    launcher_with(|_| {})
}

pub fn launcher_with(change: impl FnOnce(&mut LauncherOptions)) -> Launcher {
    let mut options = LauncherOptions {
        ready_sandboxes: 1,
        ..LauncherOptions::default()
    };
    change(&mut options);
    Launcher::start(options).unwrap_or_else(|error| panic!("THE SANDBOX CANNOT BE TESTED HERE: {error}"))
}

pub fn process_launcher() -> Launcher {
    launcher_with(|options| options.isolation = Isolation::Process)
}

/// Whether a mechanism is there.
pub fn has(capabilities: &Capabilities, name: &str) -> bool {
    capabilities
        .mechanisms
        .iter()
        .any(|mechanism| mechanism.name == name && mechanism.available)
}

/// The attacker, as it lies in `/var/task`.
pub fn attack(arguments: &[&str]) -> SandboxSpec {
    let mut spec = SandboxSpec::new(["/var/task/attacker", "--attack"].iter().chain(arguments).copied());
    spec.mounts
        .push(read_only(&std::env::current_exe().unwrap(), "/var/task/attacker"));
    spec
}

pub fn shell(script: &str) -> SandboxSpec {
    let mut spec = SandboxSpec::new(["/bin/sh", "-c", script]);
    spec.env.push(("PATH".to_owned(), "/usr/bin:/bin".to_owned()));
    spec
}

pub fn read_only(source: &Path, target: &str) -> Mount {
    Mount {
        source: source.to_owned(),
        target: target.into(),
        read_only: true,
    }
}

/// Runs to the end and says how it went and what was said on both outputs.
pub async fn run(launcher: &Launcher, spec: SandboxSpec) -> (Exit, String) {
    finish(launcher.launch(spec).await.unwrap()).await
}

/// Waits for the end and says how it went and what was said on both outputs.
pub async fn finish(mut sandbox: Sandbox) -> (Exit, String) {
    let (out, err) = (
        output(&mut sandbox),
        Receiver::from_owned_fd(sandbox.take_stderr().unwrap()).unwrap(),
    );
    let (mut out, mut err) = (out, BufReader::new(err));
    let (mut said, mut complained) = (String::new(), String::new());
    let (out, err) = tokio::join!(out.read_to_string(&mut said), err.read_to_string(&mut complained));
    out.unwrap();
    err.unwrap();
    (sandbox.wait().await, said + &complained)
}

/// Runs an attack that must achieve nothing, and afterwards something harmless in a new sandbox.
pub async fn denied(launcher: &Launcher, spec: SandboxSpec) {
    let (exit, said) = run(launcher, spec).await;
    assert!(exit.code == Some(0) && !said.contains("BREACH"), "{exit:?}\n{said}");
    still_works(launcher).await;
}

pub async fn still_works(launcher: &Launcher) {
    let (exit, said) = run(launcher, shell("echo fine")).await;
    assert_eq!((exit.code, said.as_str()), (Some(0), "fine\n"));
}

pub fn output(sandbox: &mut Sandbox) -> BufReader<Receiver> {
    BufReader::new(Receiver::from_owned_fd(sandbox.take_stdout().unwrap()).unwrap())
}

pub async fn line(output: &mut BufReader<Receiver>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

/// Waits until `condition` holds.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE / 2, waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

/// Processes of this machine whose command line has `marker`.
pub fn processes_with(marker: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != std::process::id() as i32)
        .filter(|pid| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).split('\0').any(|word| word == marker)
        })
        .collect()
}
