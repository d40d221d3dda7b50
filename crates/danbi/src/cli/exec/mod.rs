//! `danbi exec -- COMMAND…`: any AWS tool, unmodified and unconfigured, against the platform.
//!
//! The environment names endpoint, credentials and region for tools that ask, and an HTTPS proxy with a certificate
//! authority of its own for those that insist on `*.amazonaws.com`.

mod proxy;
mod secured;

use super::Target;
use super::env::variables;
use super::failure::Failure;
use super::platform::Platform;
use crate::authority::{Authority, AuthorityError};
use clap::Args;
use proxy::Proxy;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        Self::new("cannot use the certificate authority for amazonaws.com names", error)
            .next("remove that folder to have it made anew, or name another data folder with --data")
    }
}

/// What `danbi exec` is told.
#[derive(Debug, Clone, Args)]
pub struct ExecArgs {
    #[command(flatten)]
    pub target: Target,
    /// The command and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    pub command: Vec<OsString>,
}

/// Runs the verb: its exit code is the command's own, or 128 and the signal that ended it, as a shell tells it.
pub async fn run(args: ExecArgs) -> Result<ExitCode, Failure> {
    let output = args.target.output();
    let platform = Platform::find_or_start(&args.target, &output).await?;
    output.done();
    if let Some(started) = &platform.started {
        output.warn(format!(
            "no platform was running: started one (pid {}); `kill {}` stops it",
            started.pid, started.pid
        ));
    }
    let authority = Authority::open(&args.target.data_folder())?;
    let bundle = authority.write_bundle()?;
    let proxy = Proxy::start(authority, platform.endpoint.clone()).await?;
    let mut environment: BTreeMap<&str, OsString> = variables(&platform)
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    for name in ["HTTPS_PROXY", "https_proxy"] {
        environment.insert(name, proxy.url().into());
    }
    for name in ["NO_PROXY", "no_proxy"] {
        environment.insert(name, without_proxy(name).into());
    }
    for name in [
        "AWS_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "SSL_CERT_FILE",
        "NODE_EXTRA_CA_CERTS",
        "DENO_CERT",
    ] {
        environment.insert(name, bundle.clone().into_os_string());
    }
    // Node ignores proxy variables unless told; versions that do not know this ignore it too.
    environment.insert("NODE_USE_ENV_PROXY", "1".into());
    let (program, arguments) = args
        .command
        .split_first()
        .ok_or_else(|| Failure::usage("there is no command to run", "nothing follows exec"))?;
    let mut command = Command::new(program);
    command.args(arguments).envs(environment).kill_on_drop(true);
    // A profile would win over nothing here, yet tools warn about both being set.
    command.env_remove("AWS_PROFILE").env_remove("AWS_DEFAULT_PROFILE");
    let mut signals = Signals::new()?;
    let mut child = command.spawn().map_err(|error| {
        Failure::new(format!("cannot run {}", program.to_string_lossy()), error)
            .next("check that the command is installed and on the PATH")
    })?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.map_err(|error| Failure::new("cannot await the command", error))?,
            kind = signals.next() => forward(&child, kind),
        }
    };
    proxy.stop().await;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Hosts on this machine are reached directly, and whatever the user says already.
fn without_proxy(name: &str) -> String {
    let own = "localhost,127.0.0.1,::1,.localhost";
    match std::env::var(name) {
        Ok(given) if !given.is_empty() => format!("{given},{own}"),
        _ => own.into(),
    }
}

struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::new("cannot listen to signals", error));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
        })
    }

    /// The next signal that the command has not got by itself: a terminal sends Ctrl-C to both.
    async fn next(&mut self) -> SignalKind {
        loop {
            let (kind, from_terminal) = tokio::select! {
                _ = self.terminate.recv() => (SignalKind::terminate(), false),
                _ = self.hang_up.recv() => (SignalKind::hangup(), false),
                _ = self.interrupt.recv() => (SignalKind::interrupt(), std::io::stdin().is_terminal()),
                _ = self.quit.recv() => (SignalKind::quit(), std::io::stdin().is_terminal()),
            };
            if !from_terminal {
                return kind;
            }
        }
    }
}

fn forward(child: &Child, kind: SignalKind) {
    let pid = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(rustix::process::Pid::from_raw);
    let signal = rustix::process::Signal::from_named_raw(kind.as_raw_value());
    if let (Some(pid), Some(signal)) = (pid, signal) {
        // The command may have ended in between, which the next wait tells.
        let _ = rustix::process::kill_process(pid, signal);
    }
}
