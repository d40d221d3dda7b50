//! The `danbi` binary: `danbi serve` is the platform, every other verb is a client of it.

mod authority;
mod cli;
mod data_folder;
mod delays;
mod eventing;
mod gateway;
mod outliving;
mod platform;
mod serve;

use clap::Parser;
use std::process::ExitCode;

/// A request makes and drops many small objects on several threads, where the C library's allocator took an eighth of
/// the time (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The sandbox launcher is this binary started once more; it must come before anything that makes threads.
    danbi_sandbox::run_launcher_if_asked();
    cli::run(cli::Cli::parse(), serve::serve)
}
