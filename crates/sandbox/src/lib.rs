//! Linux isolation for foreign code: a process tree in its own user, mount, pid, ipc, uts, cgroup and network
//! namespaces, under cgroup limits (v2 and v1), a seccomp filter, no capabilities and no new privileges. It knows
//! nothing of what runs inside.
//!
//! # How the parts meet
//! ```text
//!  platform (threads, tokio)            launcher (one thread, re-exec of the same binary)
//!    Launcher ── seqpacket socket ──────▶ keeps a few prepared sandboxes ready
//!    Sandbox  ◀─ pidfd, pipes, channel ─┘        │ clone3
//!        └────── seqpacket channel ──────▶ init (pid 1 of the sandbox) ── fork, exec ──▶ the program
//! ```
//! The first line of `main` must be [`run_launcher_if_asked`]; [`Launcher::start`] executes the running binary again
//! and talks to it. A sandbox is *prepared* (namespaces, cgroups, network, init) before anybody asks for it, and
//! *started* with a [`SandboxSpec`].
//!
//! # Promises
//! - The end of the platform, however sudden, is the end of every sandbox; what a killed platform leaves behind
//!   (cgroups, packet filter rules) is removed by the next one.
//! - The program sees no process, file, descriptor, variable or port of the host but those in its [`SandboxSpec`].
//! - When its main process ends, or [`Sandbox::kill`] returns, no process of the sandbox is left.
//! - Where the machine allows less, [`Capabilities`] says what is missing and what to do, and nothing is started
//!   unless [`Isolation::Process`] was chosen by name.
//!
//! # Never
//! It never runs a program under less isolation than asked for without saying so, never changes the caller's process
//! (no unshare, no signal handlers), and never waits without a limit.

mod birth;
mod capabilities;
mod cgroup;
mod credentials;
mod footprint;
mod init;
mod instance;
mod launcher;
mod limits;
mod mounts;
mod namespaces;
mod netlink;
mod network;
mod ownership;
mod pages;
mod prepare;
mod probe;
mod program;
mod protocol;
mod sandbox;
mod seccomp;
mod server;
mod spec;
mod supervisor;

pub use birth::BIRTH_LIBRARY;
pub use capabilities::{Capabilities, Mechanism};
pub use footprint::release_code;
pub use launcher::{Launcher, LauncherOptions};
pub use pages::Pages;
pub use sandbox::{Exit, Sandbox};
pub use server::run_launcher_if_asked;
pub use spec::{Isolation, Mount, Network, SandboxSpec};

/// Why a sandbox could not be made or asked.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// This machine cannot give [`Isolation::Namespaces`]; the report says what is missing and what to do.
    #[error("this machine cannot isolate foreign code: {}", .0.refusal())]
    Refused(Box<Capabilities>),
    /// A value of the [`SandboxSpec`] is not acceptable.
    #[error("invalid sandbox specification: {0}")]
    Invalid(String),
    /// The sandbox was made, but its program could not be started (not found, not executable, port taken, …).
    #[error("cannot start the program: {0}")]
    Start(String),
    /// A mechanism of the host failed while the sandbox was made.
    #[error("cannot make a sandbox: {0}")]
    Setup(String),
    /// The launcher process is gone, and every sandbox with it.
    #[error("the sandbox launcher is gone")]
    LauncherGone,
    /// More launches are under way than the launcher takes in; [`Launcher::launch`] waits for its turn by itself.
    #[error("the sandbox launcher is busy")]
    Busy,
    /// The sandbox has ended.
    #[error("the sandbox has ended")]
    Ended,
    /// Nothing in the sandbox accepted the connection.
    #[error("cannot connect to port {port} in the sandbox: {reason}")]
    Connect {
        /// The port that was asked for.
        port: u16,
        /// What the kernel said.
        reason: String,
    },
    /// A step took longer than its limit.
    #[error("{0} took too long")]
    TimedOut(&'static str),
    /// The host refused an operation on the sandbox.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
