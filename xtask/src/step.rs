//! Runs the commands that a verb is made of: shown as they run, bounded in time, their output read for what it says.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(50);
/// The end of a command's output that is kept.
const KEPT: usize = 256 * 1024;

/// What a command did.
pub struct Done {
    /// Whether it ended with exit code 0, in time.
    pub success: bool,
    /// How it ended, in words.
    pub outcome: String,
    /// The end of what it printed.
    pub output: String,
}

/// Runs `command` to its end, shows what it prints, and ends it with all its descendants after `time_out`.
pub fn run(command: &mut Command, time_out: Duration) -> Result<Done, String> {
    let line = shown(command);
    println!("  $ {line}");
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run `{line}`: {error}"))?;
    let (sender, received) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        pass_on(out, std::io::stdout(), sender.clone());
    }
    if let Some(err) = child.stderr.take() {
        pass_on(err, std::io::stderr(), sender);
    }
    let mut output = Vec::new();
    let status = loop {
        while let Ok(piece) = received.recv_timeout(POLL) {
            keep(&mut output, &piece);
        }
        if let Some(status) = child
            .try_wait()
            .map_err(|error| format!("cannot await `{line}`: {error}"))?
        {
            break Some(status);
        }
        if begun.elapsed() > time_out {
            end(&mut child);
            break None;
        }
    };
    while let Ok(piece) = received.recv_timeout(POLL) {
        keep(&mut output, &piece);
    }
    let seconds = begun.elapsed().as_secs();
    let outcome = match status {
        Some(status) => format!("{status} after {seconds} s"),
        None => format!("did not end within {} s", time_out.as_secs()),
    };
    Ok(Done {
        success: status.is_some_and(|status| status.success()),
        outcome,
        output: String::from_utf8_lossy(&output).into_owned(),
    })
}

/// As [`run`]; a command that fails is an error.
pub fn must(command: &mut Command, time_out: Duration) -> Result<String, String> {
    let line = shown(command);
    let done = run(command, time_out)?;
    if done.success {
        Ok(done.output)
    } else {
        Err(format!("`{line}`: {}", done.outcome))
    }
}

/// Ends a process and everything that it started: politely, then by force.
pub fn end(child: &mut Child) {
    let family = descendants(child.id());
    signal("-TERM", &family);
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if matches!(child.try_wait(), Ok(Some(_))) {
            break;
        }
        thread::sleep(POLL);
    }
    signal("-KILL", &family);
    // It is gone, or it was never ours to await.
    let _ = child.wait();
}

/// The process and its descendants, by the kernel's own list.
fn descendants(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        at += 1;
    }
    found
}

fn signal(which: &str, pids: &[u32]) {
    let mut kill = Command::new("kill");
    kill.arg(which)
        .args(pids.iter().map(u32::to_string))
        .stderr(Stdio::null());
    // Some of them have ended by now, which `kill` reports as a failure.
    let _ = kill.status();
}

fn pass_on(mut pipe: impl Read + Send + 'static, mut to: impl Write + Send + 'static, sender: mpsc::Sender<Vec<u8>>) {
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(read @ 1..) = pipe.read(&mut buffer) {
            // Showing is a courtesy; keeping is what counts, until nobody is there to keep it.
            let _ = to.write_all(&buffer[..read]).and_then(|()| to.flush());
            if sender.send(buffer[..read].to_vec()).is_err() {
                return;
            }
        }
    });
}

fn keep(output: &mut Vec<u8>, piece: &[u8]) {
    output.extend_from_slice(piece);
    let surplus = output.len().saturating_sub(KEPT);
    output.drain(..surplus);
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The first executable of this name on the PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// The workspace's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The folder that cargo builds into.
pub fn target() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    named.map_or_else(
        || root().join("target"),
        |folder| {
            if folder.is_absolute() {
                folder
            } else {
                root().join(folder)
            }
        },
    )
}

/// cargo, as it was called.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}
