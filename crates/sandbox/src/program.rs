//! The program: from a fork of init to an exec, giving up on the way whatever it must not have.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::{Pid, Signal};
use rustix::thread::CapabilitySet;

use crate::namespaces::{self, Forked};
use crate::prepare::Plan;
use crate::{SandboxSpec, credentials, limits, protocol, seccomp};

/// Where a program without a `PATH` is looked for.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Puts the filter over this process and everything it will start.
pub(crate) fn confine(plan: &Plan, template: bool) -> Result<(), String> {
    rustix::thread::set_no_new_privs(true).map_err(|error| format!("no_new_privs: {error}"))?;
    if plan.identity.is_some() {
        seccomp::install(template).map_err(|error| format!("seccomp: {error}"))?;
    }
    Ok(())
}

/// What the program starts with besides its specification.
pub(crate) struct Streams<'a> {
    pub(crate) stdout: &'a OwnedFd,
    pub(crate) stderr: &'a OwnedFd,
    /// A template's control socket.
    pub(crate) control: Option<&'a OwnedFd>,
}

/// Starts the program under the filter of this process, or under one of its own when this process waits for mounts.
pub(crate) fn start(plan: &Plan, spec: &SandboxSpec, streams: &Streams<'_>) -> Result<Pid, String> {
    let say = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let arguments = Arguments::new(spec).map_err(say("arguments"))?;
    // Closed by a successful exec, so its end says that the program runs.
    let (failure, mut report) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| format!("pipe: {error}"))?;
    // Out of the way of the number that a template's control socket must have.
    let above = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, SandboxSpec::CONTROL_DESCRIPTOR + 1);
    let moved = above(&report).map_err(|error| format!("pipe: {error}"))?;
    drop(std::mem::replace(&mut report, moved));
    let control = streams.control.map(above).transpose();
    let control = control.map_err(|error| format!("control socket: {error}"))?;
    let streams = &Streams {
        control: control.as_ref(),
        ..*streams
    };
    match namespaces::fork().map_err(say("fork"))? {
        Forked::Child => {
            let reason = match become_the_program(plan, spec, &arguments, streams, &report) {
                Ok(never) => match never {},
                Err(reason) => reason,
            };
            let _ = rustix::io::write(&report, reason.as_bytes());
            namespaces::exit(127)
        }
        Forked::Parent(pid) => {
            drop(report);
            let mut text = [0; 4096];
            match protocol::retry(|| rustix::io::read(&failure, &mut text)) {
                Ok(0) => Ok(pid),
                Ok(length) => Err(String::from_utf8_lossy(&text[..length]).into_owned()),
                Err(error) => Err(format!("reading the program's start: {error}")),
            }
        }
    }
}

fn become_the_program(
    plan: &Plan,
    spec: &SandboxSpec,
    arguments: &Arguments,
    streams: &Streams<'_>,
    report: &OwnedFd,
) -> Result<std::convert::Infallible, String> {
    let say = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let os = |what: &'static str| move |error: rustix::io::Errno| format!("{what}: {error}");
    if !spec.later.is_empty() {
        // Init is not confined yet, because it has still to mount.
        confine(plan, false)?;
    }
    rustix::process::setsid().map_err(os("session"))?;
    rustix::stdio::dup2_stdout(streams.stdout).map_err(os("stdout"))?;
    rustix::stdio::dup2_stderr(streams.stderr).map_err(os("stderr"))?;
    match streams.control {
        Some(control) => {
            namespaces::close_all_but(&[report.as_raw_fd(), control.as_raw_fd()]);
            // Takes the first free number, 3, and stays open over exec.
            let control = rustix::io::dup(control).map_err(os("control socket"))?;
            debug_assert_eq!(control.as_raw_fd(), SandboxSpec::CONTROL_DESCRIPTOR);
            std::mem::forget(control);
        }
        None => namespaces::close_all_but(&[report.as_raw_fd()]),
    }
    let namespaces = plan.identity.is_some();
    limits::apply(spec, plan.cgroup.limits_memory(), namespaces).map_err(say("limits"))?;
    credentials::bar_capabilities().map_err(say("capabilities"))?;
    if plan.identity.as_ref().is_some_and(|identity| identity.separate_init) {
        credentials::become_program().map_err(say("user"))?;
    }
    if !namespaces {
        // In a pid namespace the end of init ends all; here only this does.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(os("death signal"))?;
    }
    credentials::drop_capabilities(CapabilitySet::empty()).map_err(say("capabilities"))?;
    rustix::process::chdir(&spec.cwd).map_err(|error| format!("cannot enter {}: {error}", spec.cwd.display()))?;
    namespaces::reset_signals();
    Err(arguments.execute())
}

/// Program, arguments and environment as exec wants them, made before the fork.
struct Arguments {
    candidates: Vec<CString>,
    argv: Vec<CString>,
    env: Vec<CString>,
}

impl Arguments {
    fn new(spec: &SandboxSpec) -> io::Result<Arguments> {
        let argv: Vec<CString> = spec
            .argv
            .iter()
            .map(|text| CString::new(text.as_str()))
            .collect::<Result<_, _>>()?;
        let env = spec
            .env
            .iter()
            .map(|(name, value)| CString::new(format!("{name}={value}")));
        let program = spec.argv.first().map(String::as_str).unwrap_or_default();
        let path = spec
            .env
            .iter()
            .find(|(name, _)| name == "PATH")
            .map_or(DEFAULT_PATH, |(_, value)| value);
        let candidates = if program.contains('/') {
            vec![CString::new(program)?]
        } else {
            let folders = path.split(':').filter(|folder| folder.starts_with('/'));
            let joined = folders.map(|folder| CString::new(Path::new(folder).join(program).as_os_str().as_bytes()));
            joined.collect::<Result<_, _>>()?
        };
        Ok(Arguments {
            candidates,
            argv,
            env: env.collect::<Result<_, _>>()?,
        })
    }

    /// Becomes the program, or says why not.
    fn execute(&self) -> String {
        let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
            strings
                .iter()
                .map(|text| text.as_ptr())
                .chain([std::ptr::null()])
                .collect()
        };
        let (argv, env) = (pointers(&self.argv), pointers(&self.env));
        let mut worst = io::Error::from_raw_os_error(libc::ENOENT);
        for candidate in &self.candidates {
            // SAFETY: path, and the null-terminated arrays with the strings they point to, outlive the call.
            unsafe { libc::execve(candidate.as_ptr(), argv.as_ptr(), env.as_ptr()) };
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::NotFound {
                worst = error;
            }
        }
        format!("cannot execute {}: {worst}", self.argv[0].to_string_lossy())
    }
}
