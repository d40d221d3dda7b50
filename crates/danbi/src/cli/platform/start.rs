//! Starts a platform, in the background or for as long as a verb runs.

use super::Failure;
use super::client::Http;
use crate::cli::failure::tail;
use http::Uri;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a platform may take until it answers: recovery of a large store included.
const START_TIME_OUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// A platform that this verb started, and that goes on when the verb ends.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Started {
    /// The process.
    pub pid: u32,
    /// Where it writes what it has to say.
    pub log: PathBuf,
}

/// Starts `danbi serve` in a process group of its own and waits until it answers.
pub(super) async fn detached(data: &Path, http: &Http, endpoint: &Uri) -> Result<Started, Failure> {
    let (mut child, log) = spawn(data, endpoint)?;
    await_health(&mut child, &log, http, endpoint).await?;
    Ok(Started { pid: child.id(), log })
}

fn spawn(data: &Path, endpoint: &Uri) -> Result<(Child, PathBuf), Failure> {
    let log = data.join("serve.log");
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::new("cannot start the platform", why)
            .next("run `danbi serve` in another terminal to see more, or choose another data folder with --data")
    };
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|error| cannot(&format!("{}: {error}", data.display())))?;
    let open =
        |path: &Path| -> std::io::Result<File> { OpenOptions::new().create(true).append(true).mode(0o600).open(path) };
    let file = open(&log).map_err(|error| cannot(&format!("{}: {error}", log.display())))?;
    let errors = file.try_clone().map_err(|error| cannot(&error))?;
    let program = std::env::current_exe().map_err(|error| cannot(&error))?;
    let host = endpoint.host().unwrap_or("127.0.0.1");
    let listen = format!("{host}:{}", endpoint.port_u16().unwrap_or(80));
    let mut command = Command::new(program);
    command.arg("serve").arg("--data").arg(data).args(["--listen", &listen]);
    // A group of its own: Ctrl-C in the terminal is meant for the verb.
    command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .process_group(0)
        .current_dir("/");
    let child = command.spawn().map_err(|error| cannot(&error))?;
    Ok((child, log))
}

async fn await_health(child: &mut Child, log: &Path, http: &Http, endpoint: &Uri) -> Result<(), Failure> {
    let deadline = Instant::now() + START_TIME_OUT;
    let failed = |why: String| {
        let printed = fs::read_to_string(log).unwrap_or_default();
        Failure::new("the platform did not start", why)
            .output(tail(&printed, 12))
            .next(format!("see {}; `danbi doctor` checks this machine", log.display()))
    };
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(failed(format!("`danbi serve` ended: {status}")));
        }
        if http.health(endpoint).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    // It may have hung half-way; a platform that never answers is of no use in the background.
    let _ = child.kill();
    let _ = child.wait();
    Err(failed(format!(
        "it did not answer within {} s",
        START_TIME_OUT.as_secs()
    )))
}
