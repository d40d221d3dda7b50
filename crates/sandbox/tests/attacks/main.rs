//! Attacks on the sandbox from inside, and stories of its life from outside, as root and as an ordinary user.
//!
//! The launcher is a re-exec of the running binary, so this test brings its own `main`. The binary has four lives:
//! the launcher, the attacker inside a sandbox (`--attack NAME`), a platform that is going to be killed
//! (`--platform`), and the harness, which speaks the command line of libtest.

#![allow(clippy::unwrap_used, reason = "a test without libtest is not recognised as one")]

mod attacker;
mod harness;
mod host;
mod life;
mod outside;
mod templates;
mod timing;
mod waiting;

fn main() {
    danbi_sandbox::run_launcher_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--attack") => attacker::main(&arguments[1..]),
        Some("--not-joined") => life::platform_beside_its_cgroup(),
        Some("--delegated") => life::platform_in_its_cgroup(),
        Some("--refused") => life::refused_platform(),
        Some("--platform") => life::doomed_platform(),
        _ => harness::main(&arguments),
    }
}
