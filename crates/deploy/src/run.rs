//! Runs the tools that a build needs: bounded in time, their output kept for the day they fail.

use crate::DeployError;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Most of a tool's output that is kept for an error: its end.
const KEPT_OUTPUT: usize = 64 * 1024;
/// Most of an answer that is read.
const KEPT_ANSWER: usize = 16 * 1024 * 1024;
/// How long a question to a tool (`--version`) may take.
pub(crate) const QUESTION_TIME_OUT: Duration = Duration::from_secs(20);
/// How long installing or compiling may take.
pub(crate) const BUILD_TIME_OUT: Duration = Duration::from_secs(1200);
/// How often a running tool is looked at.
const POLL: Duration = Duration::from_millis(20);

/// The path of `program`, when one of the folders of `PATH` holds an executable of that name.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let executable = |path: &Path| {
        path.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| executable(path))
}

/// Runs `command` to its end and gives what it printed on standard output.
///
/// # Errors
/// [`DeployError::Step`] when it cannot start, fails, or outlives `time_out` (it is killed then); `advice` goes along.
pub(crate) fn run(command: &mut Command, time_out: Duration, advice: &str) -> Result<String, DeployError> {
    let line = command_line(command);
    let failed = |outcome: String, output: String| DeployError::Step {
        command: line.clone(),
        outcome,
        output,
        advice: advice.to_owned(),
    };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}"), String::new()))?;
    let everything = Arc::new(Mutex::new(Vec::new()));
    let printed = Arc::new(Mutex::new(Vec::new()));
    let out = child.stdout.take().map(|pipe| {
        collect(
            pipe,
            vec![
                (Arc::clone(&everything), KEPT_OUTPUT),
                (Arc::clone(&printed), KEPT_ANSWER),
            ],
        )
    });
    let err = child
        .stderr
        .take()
        .map(|pipe| collect(pipe, vec![(Arc::clone(&everything), KEPT_OUTPUT)]));
    let deadline = Instant::now() + time_out;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(POLL),
            Ok(None) => {
                // Failure to kill means that it has just ended, which `wait` then sees.
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(
                    format!("did not end within {} s", time_out.as_secs()),
                    text(&everything),
                ));
            }
            Err(error) => return Err(failed(format!("cannot be awaited: {error}"), text(&everything))),
        }
    };
    for reader in [out, err].into_iter().flatten() {
        // A reader cannot panic; joined so that everything printed is there.
        let _ = reader.join();
    }
    if status.success() {
        return Ok(text(&printed));
    }
    let outcome = match status.code() {
        Some(code) => format!("ended with exit code {code}"),
        None => format!("was ended by a signal ({status})"),
    };
    Err(failed(outcome, text(&everything)))
}

fn collect(mut pipe: impl Read + Send + 'static, sinks: Vec<(Arc<Mutex<Vec<u8>>>, usize)>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(read @ 1..) = pipe.read(&mut buffer) {
            for (sink, bound) in &sinks {
                let mut kept = sink.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(&buffer[..read]);
                let surplus = kept.len().saturating_sub(*bound);
                kept.drain(..surplus);
            }
        }
    })
}

fn text(kept: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&kept.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_what_was_printed() {
        let error = run(
            Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]),
            QUESTION_TIME_OUT,
            "try",
        )
        .unwrap_err();
        assert!(error.to_string().ends_with("ended with exit code 3"));
        assert!(error.output().contains("out") && error.output().contains("err"));
    }

    #[test]
    fn a_tool_that_hangs_is_ended() {
        let error = run(Command::new("sleep").arg("600"), Duration::from_millis(50), "").unwrap_err();
        assert!(error.to_string().contains("did not end within"));
    }
}
